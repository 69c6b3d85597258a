"""The AdEx loops in Triton: by the interpreter on any machine, on the GPU where there is one."""

import logging
import math

import pytest
import torch
from test_loops_adex import F64, compare, outcome, sample
from triton_runs import DEVICES, ON_CUDA, by_the_interpreter, compiled, outside

from jarvis import SURROGATES, AdExLayer, AdExParams
from jarvis.adex import (
    FIRING_PATTERNS,
    AdExState,
    NormalisedAdExLayer,
    NormalisedAdExParams,
    NormalisedAdExState,
)
from jarvis.kernels import dispatch

PATTERNS = ["tonic", "bursting", "irregular"]  # without adaptation by spikes, with, with a < 0


@outside
def test_by_the_interpreter():
    """All tests of this file again, in a process where Triton interprets its kernels."""
    assert f"{2 * len(SURROGATES) + len(PATTERNS) + 9} passed" in by_the_interpreter(__file__)


@compiled
@pytest.mark.parametrize("storage", ["fp32", "bf16", "fp64"])
def test_compiles_for_a_gpu_that_is_not_here(storage):
    """The interpreter forgives what the compiler does not. ptxas comes with Triton."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from jarvis.kernels import adex_triton as loops

    state = "fp64" if storage == "fp64" else "fp32"
    whole = {"n": "i32", "steps": "i32", "x_step": "i32", "g_step": "i32"}
    whole |= {"g_first": "i64", "first": "i64"}
    known = dict(KEEP=True, DETACH=False, WANTS_X=True, BLOCK=128)
    known["STATE"] = getattr(triton.language, f"float{state[2:]}")
    cases = [(loops._forward_loop, ""), (loops._biophysical_loop, "")]
    for loop, surrogate in cases + [(loops._backward_loop, name) for name in SURROGATES]:
        known["SURROGATE"] = surrogate
        constants = {name: known[name] for name in loop.arg_names if name.isupper()}
        signature = dict.fromkeys(loop.arg_names, f"*{storage}") | {"values": f"*{state}"}
        signature |= whole | dict.fromkeys(constants, "constexpr")
        source = ASTSource(
            fn=loop,
            signature={name: signature[name] for name in loop.arg_names},
            constexprs={(loop.arg_names.index(n),): value for n, value in constants.items()},
        )
        made = triton.compile(
            source,
            target=GPUTarget("cuda", 90, 32),
            options=dict(num_warps=1, enable_fp_fusion=False),
        )
        ptx = made.asm["ptx"]
        # The exponential of float64 and the logarithm are made of them.
        if storage != "fp64" and loop is not loops._biophysical_loop:
            assert "fma.rn" not in ptx, "h must round as in the readable step"
        if storage == "fp64":  # pi/2 was not rounded to float32 on its way
            assert ("0d3FF921FB54442D18" in ptx) == (surrogate == "arctan")


def pair(device, x, state, params=None, **options):
    """The outcome of the readable step, and of the loop."""
    x, state = x.to(device), NormalisedAdExState(*(part.to(device) for part in state))
    params = NormalisedAdExParams() if params is None else params
    for backend in ("eager", "triton"):
        yield outcome(NormalisedAdExLayer(params, backend=backend, **options), x, state)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("surrogate", SURROGATES)
def test_the_loop_is_the_step(device, surrogate, detach):
    x, state = sample((25, 3, 50))  # more than one block
    want, got = pair(device, x, state, surrogate=surrogate, detach_reset=detach)
    assert (want["spikes"].sum(0) > 1).any()
    compare(got, want)


@pytest.mark.parametrize("device", DEVICES)
def test_other_parameters(device):
    params = NormalisedAdExParams(20.0, 4.0, 0.3, 1.2, 0.02, 0.1, 60.0, 0.2, 0.7, 0.05)
    want, got = pair(device, *sample((40, 1)), params)  # a single lane
    compare(got, want)


@pytest.mark.parametrize("device", DEVICES)
def test_float32(device):
    want, got = pair(device, *sample((12, 4, 6), dtype=torch.float32))
    compare(got, want, 1e-4)


@pytest.mark.parametrize("device", DEVICES)
def test_memory_of_any_kind(device):
    x, state = sample((12, 4, 6))
    x, state = x.to(device), NormalisedAdExState(*(part.to(device) for part in state))
    turned = x.permute(0, 2, 1).contiguous().permute(0, 2, 1)
    before = [part.clone() for part in state]
    for given in (x, turned, x[0].expand(12, 4, 6), x[::2], x[3:4]):
        results = []
        for backend in ("eager", "triton"):
            leaf = given.detach().requires_grad_()  # of the same memory
            spikes, final = NormalisedAdExLayer(backend=backend)(leaf, state)
            # The spikes' gradient comes as one that is expanded, and as one of any layout.
            for loss in (spikes.sum(), (spikes.transpose(1, 2) * given.mT.cos()).sum()):
                (gradient,) = torch.autograd.grad(loss, leaf, retain_graph=True)
                results.append(gradient)
            results += [spikes, *final]
        half = len(results) // 2
        torch.testing.assert_close(results[half:], results[:half], rtol=1e-9, atol=1e-12)
        assert spikes.is_contiguous()
    assert all(torch.equal(one, other) for one, other in zip(before, state, strict=True))


@pytest.mark.parametrize("device", DEVICES)
def test_a_start_above_the_threshold_and_a_huge_input(device):
    x = torch.zeros(4, 1, 3, dtype=F64)
    x[1, 0, 0], x[1, 0, 1] = math.inf, -1e30
    v = torch.tensor([[0.5, 1.5, 40.0]], dtype=F64)
    state = NormalisedAdExState(v, torch.zeros_like(v), torch.zeros_like(v))
    want, got = pair(device, x, state)
    compare(got, want)


@pytest.mark.parametrize("device", DEVICES)
def test_nan_stays_in_its_lane(device):
    x, state = sample((12, 1, 5))
    x[4, 0, 2] = math.nan
    for got in pair(device, x, state):
        assert got["spikes"][4:, 0, 2].isnan().all()
        keep = [0, 1, 3, 4]
        assert not any(part[..., keep].isnan().any() for part in got.values())
    current = torch.full((4, 3), 500.0, dtype=F64, device=device)
    current[1, 1] = math.nan
    spikes, final = AdExLayer(backend="triton")(current)
    for part in (spikes[3], *final):
        assert part.isnan().tolist() == [False, True, False]


@pytest.mark.parametrize("device", DEVICES)
def test_gradients_that_are_not_all_asked_for(device):
    x, state = sample((10, 2, 3))
    x, state = x.to(device), NormalisedAdExState(*(part.to(device) for part in state))
    found = []
    for backend in ("eager", "triton"):
        layer = NormalisedAdExLayer(backend=backend)
        leaf, start = x.clone().requires_grad_(), state.w.clone().requires_grad_()
        (by_x,) = torch.autograd.grad(layer(leaf, state)[0].sum(), leaf)
        (by_w,) = torch.autograd.grad(layer(x, state._replace(w=start))[1].v.sum(), start)
        found.append((by_x, by_w))
        assert not layer(x, state)[0].requires_grad
    assert all(part.abs().max() > 0 for part in found[0])
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("device", DEVICES)
def test_bfloat16_storage_keeps_a_float32_state(device):
    """Steps of 1/700 vanish in bfloat16 near 1; with a float32 state they add up."""
    params = NormalisedAdExParams(tau=1e9, dt=1.0, a=0.0, b=0.0, v_t=4.0, w0=0.0)
    x = torch.full((4, 2), 1 / 700 * -math.expm1(-0.5), dtype=torch.bfloat16, device=device)
    start = NormalisedAdExState(*(x.new_full((4, 2), part) for part in (0.625, 0.0, 0.0)))
    x = x.expand(280, 4, 2).clone().requires_grad_()
    spikes, state = NormalisedAdExLayer(params, backend="triton")(x, start)
    assert spikes.dtype == state.w.dtype == torch.bfloat16
    assert spikes.sum(0).eq(1.0).all()
    assert (
        NormalisedAdExLayer(params, backend="eager")(x, start)[0].sum() == 0
    )  # it never gets there
    spikes.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16
    assert x.grad[0].ne(0).all()


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("name", PATTERNS)
def test_the_biophysical_loop_is_the_step(device, name):
    params, current = AdExParams.named(name), FIRING_PATTERNS[name].current
    rng = torch.Generator().manual_seed(0)
    x = current * (2.0 + 2.0 * torch.rand(105, 3, 50, generator=rng, dtype=F64))
    start = (
        params.e_l + 15.0 * torch.rand(3, 50, generator=rng, dtype=F64),
        50.0 * torch.rand(3, 50, generator=rng, dtype=F64),
    )
    x, state = x.to(device), AdExState(*(part.to(device) for part in start))
    want = AdExLayer(params, backend="eager")(x, state, trace=True)
    layer = AdExLayer(params, backend="triton")
    got = layer(x, state, trace=True)
    assert (want[0].sum(0) > 1).any()
    assert torch.equal(got[0], want[0])
    for one, other in zip((*got[1], *got[2]), (*want[1], *want[2]), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-8, atol=1e-8)
    spikes, final = layer(x[:9], state)  # without a trace
    assert torch.equal(spikes, got[0][:9])
    assert torch.equal(final.v, got[2].v[8])


@pytest.mark.parametrize("device", DEVICES)
def test_the_ends_of_what_a_biophysical_step_may_do(device):
    """A spike at the very end of the step, one from above v_peak, and a current without measure."""
    params = AdExParams.named("tonic", v_peak=-40.0)
    last = params.e_l + (params.v_cross - params.e_l + 1e-6) / params.half_step.xx
    v = torch.tensor([[last, 100.0, params.e_l, params.e_l]], dtype=F64, device=device)
    x = torch.tensor([[[0.0, 0.0, 1e6, math.inf]]], dtype=F64, device=device)
    state = AdExState(v, torch.zeros_like(v))
    want, got = (
        AdExLayer(params, backend=backend)(x, state, trace=True) for backend in ("eager", "triton")
    )
    assert want[0].all()
    assert want[2].since[0, 0, :2].tolist() == [0.0, params.dt]
    assert want[1].v[0, 2] == params.v_peak
    torch.testing.assert_close(tuple(got[2]), tuple(want[2]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("device", DEVICES)
def test_the_biophysical_loop_in_float32_and_its_gradient(device):
    params = AdExParams.named("tonic")
    x = torch.full((160, 1), 900.0, device=device)
    (want,) = AdExLayer(params, backend="eager")(x.double())[0].nonzero()[:, :1].T
    layer = AdExLayer(params, backend="triton")
    (got,) = layer(x)[0].nonzero()[:, :1].T
    assert len(got) == len(want) == 3
    assert (got - want).abs().max() <= 1
    with pytest.raises(ValueError, match="gradient"):
        layer(x.requires_grad_())


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=ON_CUDA)])
def test_auto_takes_the_loops_on_cuda(device, caplog):
    dispatch._say_once.cache_clear()
    x = torch.rand(5, 2, 3, device=device, requires_grad=True)
    with caplog.at_level(logging.WARNING, logger="jarvis.kernels"):
        spikes, _ = NormalisedAdExLayer()(x)
        AdExLayer()(x.detach())
    assert not caplog.records
    assert type(spikes.grad_fn).__name__ == "_LoopBackward"
