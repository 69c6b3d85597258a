"""The compiled AdEx loops against the readable step: the same spikes, the same gradients."""

import itertools
import logging
import math
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, reject, settings
from hypothesis import strategies as st
from numba import njit

from benchmarks import adex
from jarvis import SURROGATES, AdExLayer, AdExParams, SurrogateSpike
from jarvis.adex import (
    FIRING_PATTERNS,
    AdExState,
    NormalisedAdExLayer,
    NormalisedAdExParams,
    NormalisedAdExState,
)
from jarvis.kernels import dispatch
from jarvis.kernels.logarithm import fast_log

F64 = torch.float64


def outcome(layer, x, state, seed=0):
    """Spikes, final state, and the gradients of a random projection of them all."""
    leaves = [part.detach().clone().requires_grad_() for part in (x, *state)]
    spikes, final = layer(leaves[0], NormalisedAdExState(*leaves[1:]))
    rng = torch.Generator().manual_seed(seed)
    total = spikes.new_zeros(())
    for part in (spikes, *final):
        pull = torch.randn(part.shape, generator=rng, dtype=part.dtype).to(part.device)
        total = total + (part * pull).sum()
    gradients = torch.autograd.grad(total, leaves)
    return dict(
        zip(
            ("spikes", "v", "i", "w", "x", "v0", "i0", "w0"),
            (part.detach() for part in (spikes, *final, *gradients)),
            strict=True,
        )
    )


def compare(got, want, tolerance=1e-9):
    assert want["spikes"].any()
    assert torch.equal(got["spikes"], want["spikes"])
    for name, part in want.items():
        scale = max(part.abs().max().item(), 1e-6)
        assert (got[name] - part).abs().max() <= tolerance * scale, name


def sample(shape=(60, 3, 16), seed=0, dtype=F64):
    """Inputs that make the neurons fire, and a state in mid-run."""
    rng = torch.Generator().manual_seed(seed)
    x = 0.4 * torch.rand(shape, generator=rng, dtype=F64)
    state = (torch.rand(shape[1:], generator=rng, dtype=F64) * size for size in (0.99, 0.5, 0.2))
    return x.to(dtype), NormalisedAdExState(*(part.to(dtype) for part in state))


def pair(params=None, **options):
    params = NormalisedAdExParams() if params is None else params
    return [NormalisedAdExLayer(params, backend=which, **options) for which in ("eager", "numba")]


@pytest.mark.parametrize(
    ("surrogate", "detach"),
    [
        pytest.param(*pair, marks=() if pair == ("arctan", True) else pytest.mark.slow)
        for pair in itertools.product(SURROGATES, (True, False))
    ],
)
def test_the_loop_is_the_step(surrogate, detach):
    x, state = sample()
    want, got = (
        outcome(layer, x, state) for layer in pair(surrogate=surrogate, detach_reset=detach)
    )
    compare(got, want)


def test_in_float32_too():
    x, state = sample((40, 3, 16), dtype=torch.float32)
    want, got = (outcome(layer, x, state) for layer in pair())
    differ = (got["spikes"] != want["spikes"]).sum()
    assert differ <= 0.002 * want["spikes"].numel()  # rounding at the threshold
    x, state = x * 0.05, NormalisedAdExState(state.v * 0.3, state.i * 0.1, state.w)
    want, got = (outcome(layer, x, state) for layer in pair())
    assert not want["spikes"].any()
    for name, part in want.items():
        torch.testing.assert_close(got[name], part, rtol=1e-3, atol=1e-5 * part.abs().max().item())


@settings(max_examples=25)
@given(
    st.sampled_from([(1, 1), (2, 3), (30, 1, 5), (12, 2, 3, 4)]),
    st.floats(2.0, 50.0),
    st.floats(1.0, 20.0),
    st.floats(0.05, 0.9),
    st.floats(-0.004, 0.05),
    st.floats(-0.1, 0.5),
    st.floats(0.05, 0.5),
    st.floats(0.0, 1.5),
    st.integers(0, 100),
)
def test_with_any_parameters(shape, tau, tau_syn, dt, a, b, delta_t, v_t, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about dt
        try:
            p = NormalisedAdExParams(tau, tau_syn, dt, 1.0, a, b, 200.0, delta_t, v_t, 0.1)
        except ValueError as error:  # such a neuron has no stable step of this dt
            if "is too large" not in str(error):
                raise
            reject()
    x, state = sample(shape, seed)
    want, got = (outcome(layer, x, state) for layer in pair(p))
    if torch.equal(got["spikes"], want["spikes"]):
        for name, part in want.items():
            scale = max(part.abs().max().item(), 1e-6)
            assert (got[name] - part).abs().max() <= 1e-6 * scale, name
    else:  # a potential within rounding of the threshold
        assert (got["spikes"] != want["spikes"]).sum() <= 2


def test_a_start_above_the_threshold_is_not_taken_for_a_spike():
    x = torch.zeros(4, 1, 3, dtype=F64)
    v = torch.tensor([[0.5, 1.5, 40.0]], dtype=F64)
    state = NormalisedAdExState(v, torch.zeros_like(v), torch.zeros_like(v))
    want, got = (outcome(layer, x, state) for layer in pair())
    compare(got, want)


def test_memory_of_any_kind():
    eager, loop = pair()
    x, state = sample((20, 4, 6))
    turned = x.permute(0, 2, 1).contiguous().permute(0, 2, 1)
    constant = x[0].expand(20, 4, 6)
    for given_x in (turned, constant, x[::2], x[3:4]):
        want, got = eager(given_x, state), loop(given_x, state)
        assert torch.equal(want[0], got[0])
        assert got[0].is_contiguous()
    before = [part.clone() for part in state]
    loop(x, state)
    assert all(torch.equal(one, other) for one, other in zip(before, state, strict=True))


def test_gradients_that_are_not_all_asked_for():
    _, loop = pair()
    x, state = sample((10, 2, 3))
    leaf = x.clone().requires_grad_()
    (only_x,) = torch.autograd.grad(loop(leaf, state)[0].sum(), leaf)
    leaf = state.w.clone().requires_grad_()
    (only_w,) = torch.autograd.grad(loop(x, state._replace(w=leaf))[1].v.sum(), leaf)
    eager, _ = pair()
    other = x.clone().requires_grad_()
    (want,) = torch.autograd.grad(eager(other, state)[0].sum(), other)
    torch.testing.assert_close(only_x, want)
    leaf = state.w.clone().requires_grad_()
    (want,) = torch.autograd.grad(eager(x, state._replace(w=leaf))[1].v.sum(), leaf)
    torch.testing.assert_close(only_w, want)
    assert not loop(x, state)[0].requires_grad


def test_threads_change_nothing():
    before = torch.get_num_threads()
    x, state = sample((30, 64, 100))
    current = 2000.0 * torch.rand(400, 8, 512, generator=torch.Generator().manual_seed(0))
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append((outcome(pair()[1], x, state), AdExLayer()(current)[0]))
    finally:
        torch.set_num_threads(before)
    compare(found[1][0], found[0][0], 0.0)
    assert torch.equal(found[0][1], found[1][1])
    assert found[0][1].any()


@pytest.mark.parametrize("name", FIRING_PATTERNS)
def test_the_biophysical_loop_is_the_step(name):
    params, current = AdExParams.named(name), FIRING_PATTERNS[name].current
    rng = torch.Generator().manual_seed(0)
    x = current * (0.5 + torch.rand(800, 2, 3, generator=rng, dtype=F64))
    state = AdExState(
        params.e_l + 15.0 * torch.rand(2, 3, generator=rng, dtype=F64),
        50.0 * torch.rand(2, 3, generator=rng, dtype=F64),
    )
    want = AdExLayer(params, backend="eager")(x, state, trace=True)
    layer = AdExLayer(params, backend="numba")
    got = layer(x, state, trace=True)
    assert want[0].any()
    assert torch.equal(got[0], want[0])
    for one, other in zip((*got[1], *got[2]), (*want[1], *want[2]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-7, atol=1e-6)
    untraced = layer(x, state)
    assert torch.equal(untraced[0], got[0])
    assert torch.equal(untraced[1].v, got[1].v)


def test_the_biophysical_loop_in_float32():
    params = AdExParams.named("tonic")
    x = torch.full((3000, 1), 500.0)
    (want,) = AdExLayer(params)(x.double())[0].nonzero()[:, :1].T
    (got,) = AdExLayer(params)(x)[0].nonzero()[:, :1].T
    assert len(got) == len(want)
    assert (got - want).abs().max() <= 1


def test_the_biophysical_gradient_is_that_of_the_step():
    found = []
    for backend in ("eager", "numba"):
        x = torch.full((200, 1), 500.0, dtype=F64, requires_grad=True)
        spikes, _ = AdExLayer(AdExParams.named("tonic"), backend=backend)(x)
        spikes.sum().backward()
        found.append((spikes.detach(), x.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert found[0][1].abs().sum() > 0
    torch.testing.assert_close(found[1][1], found[0][1], rtol=1e-9, atol=1e-12)


def test_what_the_loop_cannot_run():
    x, _ = sample((4, 2, 3))
    with pytest.raises(ValueError, match="bfloat16"):
        NormalisedAdExLayer(backend="numba")(x.bfloat16())
    layer = NormalisedAdExLayer(backend="numba")
    layer.surrogate.register_forward_hook(lambda *args: None)
    with pytest.raises(ValueError, match="hooks"):
        layer(x)


def test_that_the_step_runs_instead_is_said_once(caplog):
    dispatch._say_once.cache_clear()
    x, _ = sample((4, 2, 3))
    layer = NormalisedAdExLayer(surrogate=SurrogateSpike(lambda v, k: torch.ones_like(v) / v.sum()))
    with caplog.at_level(logging.WARNING, logger="jarvis.kernels"):
        layer(x)
        layer(x)
    assert len(caplog.records) == 1
    assert "NormalisedAdExLayer runs step by step" in caplog.text


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logarithm(dtype):
    @njit
    def apply(x, y):
        for i in range(len(x)):
            y[i] = fast_log(x[i])

    eps = np.finfo(dtype).eps
    x = np.concatenate([np.logspace(-37, 37, 20_001), 1 + eps * np.arange(-9, 9)]).astype(dtype)
    y = np.empty_like(x)
    apply(x, y)
    want = np.log(x.astype(np.longdouble))
    error = np.abs(y - want) / np.maximum(1, np.abs(want))
    assert error.max() < 3 * eps
    assert (y[x == 1] == 0).all()


def test_compiling_says_nothing_on_stderr():
    # numba warns where a function is inlined twice by itself; and importing must not load it.
    code = """
import sys, warnings
warnings.simplefilter("error")
import torch, jarvis
assert "numba" not in sys.modules
from jarvis.kernels import loop_numba
from numba import njit
loop_numba.compiled = lambda loop, signature, name: njit(signature)(loop)
x = torch.rand(5, 1, 3, requires_grad=True)
jarvis.adex.NormalisedAdExLayer(surrogate="sigmoid")(x)[0].sum().backward()
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""


def test_nan_in_the_middle_stays_in_its_lane():
    x, state = sample((12, 1, 5))
    x[4, 0, 2] = math.nan
    for layer in pair():
        got = outcome(layer, x, state)
        assert got["spikes"][4:, 0, 2].isnan().all()
        keep = [0, 1, 3, 4]
        assert not any(part[..., keep].isnan().any() for part in got.values())


def test_the_benchmark_compares_before_it_times():
    row = adex.adex((5, 2, 8)).measure(1, "cpu")
    assert [entry["agreement"].split(",")[0] for entry in row["entries"][:2]] == [
        "float64: same spikes",
        "same spikes",
    ]
    assert not any("skipped" in entry for entry in row["entries"])
    assert row["bars"][0]["bound"] == 2
