"""The compiled loops against the readable step: the same spikes, the same gradients."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis import LeakyIntegrator, LIFLayer, LIFParams, RecurrentLIFLayer, SurrogateSpike
from jarvis.kernels import dispatch
from jarvis.kernels.lif_spec import Rows
from jarvis.kernels.memory import SMALLEST, empty
from jarvis.lif import LIFState, unsupported_reason

# Every value of every option, and every pair of reset, detach, refractory time and adaptation.
OPTIONS = [
    dict(),
    dict(reset="zero", surrogate="sigmoid"),
    dict(reset="none", surrogate="arctan", tau_syn=4.0),
    dict(detach_reset=False, surrogate="triangle"),
    dict(reset="zero", detach_reset=False, tau_syn=4.0, surrogate="straight_through"),
    dict(refractory=2.0, surrogate="arctan"),
    dict(refractory=3.0, reset="zero", detach_reset=False, surrogate="sigmoid"),
    dict(adaptation=0.3, tau_adapt=10.0),
    dict(adaptation=0.3, tau_adapt=10.0, reset="none", refractory=2.0),
    dict(adaptation=0.3, reset="zero", detach_reset=False, tau_syn=4.0, refractory=2.0),
    dict(adaptation=0.2, detach_reset=False, tau_syn=6.0, refractory=1.0, surrogate="arctan"),
    dict(tau=math.inf, threshold=0.5, dt=0.5),
]
RECURRENT = [OPTIONS[0], OPTIONS[3], OPTIONS[9]]


def name(options):
    return " ".join(f"{key}={value}" for key, value in options.items()) or "default"


def pair(options, backend="numba", hidden=None, dtype=torch.float64):
    """The readable layer and the compiled one, with the same weight."""
    layers = []
    for which in ("eager", backend):
        if hidden is None:
            layers.append(LIFLayer(backend=which, **options))
        else:
            layers.append(RecurrentLIFLayer(hidden, backend=which, **options).to(dtype))
    layers[1].load_state_dict(layers[0].state_dict())
    return layers


def random_state(layer, x, rng):
    """A state in mid-run: every field set, refractory in whole steps."""
    fresh = layer.initial_state(x[0])
    values = {}
    for field, value in zip(LIFState._fields, fresh, strict=True):
        if value is None:
            values[field] = None
        elif field == "refractory":
            values[field] = torch.randint(0, 3, value.shape, generator=rng).to(value)
        elif field == "spikes":
            values[field] = torch.randint(0, 2, value.shape, generator=rng).to(value)
        else:
            values[field] = torch.rand(value.shape, generator=rng, dtype=value.dtype)
    return LIFState(**values)


def outcome(layer, x, state, seed=0, prepare=lambda leaf: leaf):
    """Spikes and final state, and the gradients of a random projection of them all."""
    leaf = x.detach().clone().requires_grad_()
    given = {}
    for field, value in state._asdict().items():
        wants = value is not None and field != "refractory"
        given[field] = value.detach().clone().requires_grad_() if wants else value
    layer.zero_grad()
    spikes, final = layer(prepare(leaf), LIFState(**given))
    results = {"spikes_out": spikes, **{k: v for k, v in final._asdict().items() if v is not None}}
    rng = torch.Generator().manual_seed(seed)
    total = spikes.new_zeros(())
    for field, value in results.items():
        weight = torch.randn(value.shape, generator=rng, dtype=value.dtype)
        if field != "refractory":
            total = total + (weight.to(value) * value).sum()
    total.backward()
    gradients = {"x": leaf.grad}
    gradients |= {f: v.grad for f, v in given.items() if v is not None and f != "refractory"}
    gradients |= {n: p.grad.clone() for n, p in layer.named_parameters()}
    return {k: v.detach() for k, v in results.items()}, gradients


def assert_same(eager, compiled, rtol=1e-9):
    for field, wanted in eager[0].items():
        assert torch.equal(compiled[0][field], wanted), field
    assert compiled[1].keys() == eager[1].keys()
    for field, wanted in eager[1].items():
        scale = wanted.abs().max().item() if wanted.numel() else 1.0
        torch.testing.assert_close(
            compiled[1][field], wanted, rtol=rtol, atol=rtol * max(scale, 1e-3), msg=field
        )


@pytest.mark.parametrize("options", OPTIONS, ids=name)
@settings(max_examples=12, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(1, 9)),
    seed=st.integers(0, 2**20),
    scale=st.sampled_from([0.0, 0.3, 1.0, 30.0]),
    mean=st.sampled_from([0.0, 0.3]),
)
def test_matches_the_readable_step(options, shape, seed, scale, mean):
    rng = torch.Generator().manual_seed(seed)
    x = mean + scale * torch.randn(shape, generator=rng, dtype=torch.float64)
    eager, compiled = pair(options)
    state = random_state(eager, x, rng)
    assert_same(outcome(eager, x, state, seed), outcome(compiled, x, state, seed))


@pytest.mark.parametrize("options", RECURRENT, ids=name)
@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    shape=st.tuples(st.integers(1, 12), st.integers(1, 4), st.integers(1, 9)),
    seed=st.integers(0, 2**20),
)
def test_recurrent_matches_the_readable_step(options, shape, seed):
    rng = torch.Generator().manual_seed(seed)
    x = 0.3 + torch.randn(shape, generator=rng, dtype=torch.float64)
    eager, compiled = pair(options, hidden=shape[-1])
    state = random_state(eager, x, rng)
    assert_same(outcome(eager, x, state, seed), outcome(compiled, x, state, seed))


@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[1], OPTIONS[9]], ids=name)
@pytest.mark.parametrize("hidden", [None, 40], ids=["feed-forward", "recurrent"])
def test_float32(options, hidden):
    rng = torch.Generator().manual_seed(3)
    x = 0.2 + 0.5 * torch.randn(50, 30, 40, generator=rng)  # more lanes than one block
    eager, compiled = pair(options, hidden=hidden, dtype=torch.float32)
    state = random_state(eager, x, rng)
    if hidden is None:
        assert_same(outcome(eager, x, state), outcome(compiled, x, state), rtol=1e-5)
    else:  # one product over all steps rounds otherwise than one a step
        assert_same(outcome(eager, x, state), outcome(compiled, x, state), rtol=3e-5)


def test_spikes_and_gradient_are_the_formula():
    """By hand, so that a fault shared with the readable step would show."""
    x = torch.tensor([0.6, 0.6, 0.2]).view(3, 1, 1).requires_grad_()
    layer = LIFLayer(tau=math.inf, surrogate=SurrogateSpike("fast_sigmoid", 2.0), backend="numba")
    spikes, state = layer(x)
    assert spikes.flatten().tolist() == [0.0, 1.0, 0.0]
    assert state.v.item() == pytest.approx(0.4)
    spikes[1].backward()  # h = 1.2 there, and x_0 and x_1 count alike
    slope = 1.0 / (1.0 + 2.0 * 0.2) ** 2
    assert x.grad.flatten().tolist() == pytest.approx([slope, slope, 0.0])


@pytest.mark.parametrize("options", [OPTIONS[0], OPTIONS[1], OPTIONS[9]], ids=name)
def test_nan_in_nan_out(options):
    rng = torch.Generator().manual_seed(1)
    x = torch.randn(8, 2, 20, generator=rng, dtype=torch.float64)
    x[3, 0, 5], x[2, 1, 7], x[4, 1, 8] = math.nan, math.inf, -math.inf
    eager, compiled = pair(options)
    state = random_state(eager, x, rng)
    a, b = outcome(eager, x, state), outcome(compiled, x, state)
    assert b[0]["spikes_out"][3:, 0, 5].isnan().any()  # a neuron that waits hears it later
    for one, other in zip(a, b, strict=True):
        for field, wanted in one.items():
            torch.testing.assert_close(other[field], wanted, rtol=1e-9, atol=1e-9, equal_nan=True)


def test_large_potentials_leave_finite_gradients():
    for surrogate in ("fast_sigmoid", "sigmoid", "arctan", "triangle"):
        x = torch.tensor([1e30, -1e30, 1e4, 0.99]).view(1, 1, 4).requires_grad_()
        LIFLayer(surrogate=surrogate, backend="numba")(x)[0].sum().backward()
        assert torch.isfinite(x.grad).all(), surrogate


@pytest.mark.parametrize(
    "prepare",
    [
        lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
        lambda x: torch.stack([x, x])[0],
        lambda x: x.repeat_interleave(2, 0)[::2],
        lambda x: x[:1].expand(x.shape),
        lambda x: x[:, :1].expand(x.shape),
        lambda x: x.flip(0)[:, :, ::2],
        lambda x: x[:1],
    ],
    ids=["transposed", "slice", "strided", "static", "same sample", "thinned", "one step"],
)
def test_layouts(prepare):
    rng = torch.Generator().manual_seed(2)
    x = 0.2 + 0.5 * torch.randn(9, 3, 8, generator=rng, dtype=torch.float64)
    eager, compiled = pair(OPTIONS[0])
    state = eager.initial_state(prepare(x)[0])
    assert_same(
        outcome(eager, x, state, prepare=prepare), outcome(compiled, x, state, prepare=prepare)
    )


def test_layouts_are_not_copied_where_memory_allows():
    x = torch.rand(6, 2, 4)
    for view in (x, x[::2], x[1:], x[:1].expand(6, 2, 4)):
        rows = Rows.of(view)
        assert rows.flat.data_ptr() == view.data_ptr()
        steps = [rows.flat[t * rows.step :][: rows.lanes] for t in range(len(view))]
        assert torch.equal(torch.stack(steps), view.flatten(1))


@pytest.mark.parametrize("shape", [(0, 2, 3), (4, 0, 3), (4, 2, 0)])
@pytest.mark.parametrize("backend", ["auto", "numba"])
def test_empty(shape, backend):
    x = torch.zeros(shape, requires_grad=True)
    spikes, state = LIFLayer(backend=backend, tau_syn=3.0)(x)
    assert spikes.shape == shape
    assert state.v.shape == state.i.shape == shape[1:]
    if spikes.requires_grad:  # without a step, the spikes depend on nothing
        (spikes.sum() + state.v.sum()).backward()
    potentials, last = LeakyIntegrator(backend=backend)(x)
    assert potentials.shape == shape
    assert last.shape == shape[1:]


def test_extra_axes():
    x = torch.rand(5, 2, 3, 4, 4)
    eager, compiled = pair(OPTIONS[0])
    assert torch.equal(compiled(x)[0], eager(x)[0])


@pytest.mark.parametrize("hidden", [None, 6], ids=["feed-forward", "recurrent"])
def test_carried_state_is_one_run(hidden):
    torch.manual_seed(0)
    x = 0.2 + 0.5 * torch.randn(20, 3, 6, dtype=torch.float64)
    _, layer = pair(OPTIONS[9], hidden=hidden)
    a, b = x.clone().requires_grad_(), x.clone().requires_grad_()
    whole, end = layer(a)
    first, state = layer(b[:7])
    second, other_end = layer(b[7:], state)
    halves = torch.cat([first, second])
    assert torch.equal(halves, whole)
    assert all(torch.equal(p, q) for p, q in zip(end, other_end, strict=True) if p is not None)
    weight = torch.randn_like(x)
    (whole * weight).sum().backward()
    (halves * weight).sum().backward()
    torch.testing.assert_close(b.grad, a.grad, rtol=1e-9, atol=1e-11)


def test_state_given_is_not_changed():
    layer = LIFLayer(backend="numba", adaptation=0.1)
    state = LIFState(v=torch.full((2, 3), 0.5), adaptation=torch.full((2, 3), 0.5))
    layer(torch.ones(4, 2, 3), state)
    assert state.v.eq(0.5).all()
    assert state.adaptation.eq(0.5).all()


def test_leaky_integrator():
    torch.manual_seed(0)
    x, v = torch.randn(7, 2, 5, dtype=torch.float64), torch.randn(2, 5, dtype=torch.float64)
    found = []
    for backend in ("eager", "numba"):
        leaf, start = x.clone().requires_grad_(), v.clone().requires_grad_()
        potentials, last = LeakyIntegrator(tau=5.0, backend=backend)(leaf, start)
        (potentials * x.cos()).sum().backward(retain_graph=True)
        (last * v.sin()).sum().backward()
        found.append((potentials, last, leaf.grad, start.grad))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])
    torch.testing.assert_close(found[1][2:], found[0][2:], rtol=1e-9, atol=1e-12)
    layer = LeakyIntegrator(tau=5.0, backend="numba")
    assert torch.autograd.gradcheck(layer, (leaf, start))  # also with gradients left out


def test_gradients_that_nobody_asked_for():
    """Input, state and weight need a gradient or not; each case gives what the step gives."""
    torch.manual_seed(0)
    x, v = torch.randn(6, 2, 4, dtype=torch.float64), torch.rand(2, 4, dtype=torch.float64)
    for needs_x, needs_v, needs_w in itertools.product([True, False], repeat=3):
        found = []
        for layer in pair(OPTIONS[3], hidden=4):
            torch.manual_seed(1)
            layer.weight.data.uniform_(-0.5, 0.5)
            layer.weight.requires_grad_(needs_w)
            leaf, start = x.clone().requires_grad_(needs_x), v.clone().requires_grad_(needs_v)
            spikes, _ = layer(leaf, LIFState(v=start, spikes=torch.zeros_like(start)))
            assert spikes.requires_grad == (needs_x or needs_v or needs_w)
            if spikes.requires_grad:
                (spikes * x.sin()).sum().backward()
            found.append([leaf.grad, start.grad, layer.weight.grad])
        for wanted, got in zip(*found, strict=True):
            assert (wanted is None) == (got is None)
            if wanted is not None:
                torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-11)


def test_saves_the_potential_and_one_tensor_a_state():
    for options, most in ((OPTIONS[0], 1), (OPTIONS[2], 1), (OPTIONS[7], 2), (OPTIONS[8], 3)):
        saved = []
        keep = torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, saved=saved: saved.append(tensor) or tensor, lambda tensor: tensor
        )
        x = torch.rand(5, 2, 3, dtype=torch.float64, requires_grad=True)
        with keep:
            LIFLayer(backend="numba", **options)(x)
        assert len(saved) == most, options


def test_second_derivative_is_refused():
    x = torch.rand(3, 1, 2, requires_grad=True)
    spikes, _ = LIFLayer(backend="numba")(x)
    (grad,) = torch.autograd.grad(spikes.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives only"):
        grad.sum().backward()


def test_trace_goes_step_by_step_and_agrees():
    x = torch.rand(6, 2, 3)
    layer = LIFLayer(backend="numba")
    spikes, state = layer(x)
    traced, traced_state, trace = layer(x, trace=True)
    assert torch.equal(spikes, traced)
    assert torch.equal(state.v, trace.v[-1])
    assert torch.equal(state.v, traced_state.v)


# -- which backend runs ---------------------------------------------------------------------------


@pytest.fixture
def ran(monkeypatch):
    """Counts the runs of compiled loops, and forgets what was said."""
    from jarvis import lif

    runs = []
    real = lif.run_lif
    monkeypatch.setattr(lif, "run_lif", lambda *args: runs.append(1) or real(*args))
    dispatch._say_once.cache_clear()
    return runs


def test_auto_compiles_and_eager_does_not(ran):
    x = torch.rand(3, 1, 2)
    LIFLayer()(x)
    assert len(ran) == 1
    RecurrentLIFLayer(2)(x)
    assert len(ran) == 2
    LIFLayer(backend="eager")(x)
    assert len(ran) == 2


UNCOVERED = {
    "learnable": (dict(learnable=["tau"]), torch.float32, "tau is a tensor"),
    "a neuron": (dict(threshold=torch.tensor([1.0, 2.0])), torch.float32, "threshold is a tensor"),
    "surrogate": (dict(surrogate=SurrogateSpike(lambda x, k: x)), torch.float32, "surrogate"),
    "bfloat16": (dict(), torch.bfloat16, "bfloat16"),
}


@pytest.mark.parametrize("case", UNCOVERED)
def test_uncovered_says_so_once_or_refuses(case, ran, caplog):
    options, dtype, reason = UNCOVERED[case]
    x = torch.rand(3, 1, 2).to(dtype)
    for _ in range(2):
        LIFLayer(**options)(x)
    assert not ran
    assert [record.message for record in caplog.records if reason in record.message] == [
        record.message for record in caplog.records
    ]
    assert len(caplog.records) == 1
    with pytest.raises(ValueError, match=f"backend='numba' cannot run this: .*{reason}"):
        LIFLayer(backend="numba", **options)(x)


def test_state_of_another_dtype_runs_the_readable_step(ran):
    state = LIFState(v=torch.rand(1, 2, dtype=torch.float64))
    spikes, _ = LIFLayer()(torch.rand(3, 1, 2), state)
    assert not ran
    assert spikes.dtype == torch.float64


def test_hook_on_the_surrogate_is_called(ran):
    layer, seen = LIFLayer(), []
    layer.surrogate.register_forward_hook(lambda *args: seen.append(1))
    layer(torch.rand(3, 1, 2))
    assert len(seen) == 3


def test_autocast_runs_the_readable_step(ran):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        RecurrentLIFLayer(2)(torch.rand(3, 1, 2))
        assert not ran
        LIFLayer()(torch.rand(3, 1, 2))  # nothing that autocast would change
    assert len(ran) == 1


@pytest.mark.parametrize("layer", [LIFLayer, LeakyIntegrator])
def test_backend_errors(layer):
    with pytest.raises(ValueError, match="backend='cuda' is not one of auto, eager, numba, triton"):
        layer(backend="cuda")
    with pytest.raises(ValueError, match="backend='triton' cannot run this"):
        layer(backend="triton")(torch.rand(3, 1, 2))
    with pytest.raises(ValueError, match="input is on meta"):
        layer(backend="numba")(torch.rand(3, 1, 2, device="meta"))


def test_missing_numba_is_an_error_or_the_readable_step(monkeypatch, ran, caplog):
    monkeypatch.setattr(
        dispatch, "_load", lambda family, backend: f"{backend} cannot be imported here"
    )
    with pytest.raises(ValueError, match="numba cannot be imported"):
        LIFLayer(backend="numba")(torch.rand(3, 1, 2))
    LIFLayer()(torch.rand(3, 1, 2))
    assert "numba cannot be imported" in caplog.text


# -- memory ---------------------------------------------------------------------------------------


def test_memory_is_used_again_only_when_free():
    shape = torch.Size([SMALLEST + 3])
    first = empty(shape, torch.float32, torch.device("cpu"))
    where = first.data_ptr()
    assert where % 64 == 0
    part = first[5:]
    del first
    second = empty(shape, torch.float32, torch.device("cpu"))
    assert second.data_ptr() != where  # `part` still lies there
    del part
    third = empty(shape, torch.float32, torch.device("cpu"))
    assert third.data_ptr() == where


def test_results_do_not_share_memory():
    layer, x = LIFLayer(backend="numba"), torch.rand(40, 64, 64, requires_grad=True)
    results = [layer(x)[0] for _ in range(3)]
    assert len({r.data_ptr() for r in results}) == 3
    kept = results[0].detach().clone()
    for r in results:
        r.sum().backward()
    assert torch.equal(results[0], kept)
    assert np.shares_memory(results[0].detach().numpy(), results[0].detach().numpy())


def test_params_cover():
    assert unsupported_reason(LIFParams()) is None
