"""The Triton loops: by the interpreter on any machine, and on the GPU where there is one."""

import pytest
import torch
from test_loops_lif import OPTIONS, RECURRENT, assert_same, name, outcome, pair, random_state
from triton_runs import DEVICES, by_the_interpreter, compiled, outside

from jarvis import LeakyIntegrator, LIFLayer


@outside
def test_by_the_interpreter():
    """All tests of this file again, in a process where Triton interprets its kernels."""
    assert f"{len(OPTIONS) + len(RECURRENT) + 3} passed" in by_the_interpreter(__file__)


@compiled
@pytest.mark.parametrize("storage", ["fp32", "bf16", "fp64"])
def test_compiles_for_a_gpu_that_is_not_here(storage):
    """The interpreter forgives what the compiler does not. ptxas comes with Triton."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from jarvis.kernels import lif_triton
    from jarvis.lif import lif_spec

    state = "fp64" if storage == "fp64" else "fp32"
    whole = {"n": "i32", "steps": "i32", "x_step": "i32", "g_step": "i32"}
    whole |= {"x_first": "i64", "g_first": "i64", "first": "i64"}
    for options in (OPTIONS[0], OPTIONS[6], OPTIONS[9], OPTIONS[10]):
        flags = lif_spec(LIFLayer(**options).params, recurrent=True).flags
        known = {name.upper(): value for name, value in flags._asdict().items()}
        known |= dict(KEEP=True, WANTS_X=True, BLOCK=128)
        known["STATE"] = getattr(triton.language, f"float{state[2:]}")
        for loop in (lif_triton._forward_loop, lif_triton._backward_loop):
            constants = {name: known[name] for name in loop.arg_names if name.isupper()}
            signature = dict.fromkeys(loop.arg_names, f"*{storage}") | {"values": f"*{state}"}
            signature |= {"ready": "*u8"} | whole | dict.fromkeys(constants, "constexpr")
            signature = {name: signature[name] for name in loop.arg_names}
            source = ASTSource(
                fn=loop,
                signature=signature,
                constexprs={(loop.arg_names.index(n),): value for n, value in constants.items()},
            )
            made = triton.compile(
                source,
                target=GPUTarget("cuda", 90, 32),
                options=dict(num_warps=1, enable_fp_fusion=False),
            )
            if storage != "fp64":  # whose exp is made of them
                assert "fma.rn" not in made.asm["ptx"], "h must round as in the readable step"


def on(device, x, layers, state):
    return (
        x.to(device),
        [layer.to(device) for layer in layers],
        type(state)(*(None if part is None else part.to(device) for part in state)),
    )


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("options", OPTIONS, ids=name)
def test_matches_the_readable_step(device, options):
    rng = torch.Generator().manual_seed(0)
    x = 0.3 + torch.randn(9, 3, 50, generator=rng, dtype=torch.float64)  # more than one block
    layers = pair(options, backend="triton")
    x, (eager, compiled), state = on(device, x, layers, random_state(layers[0], x, rng))
    assert_same(outcome(eager, x, state), outcome(compiled, x, state))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("options", RECURRENT, ids=name)
def test_recurrent_matches_the_readable_step(device, options):
    rng = torch.Generator().manual_seed(0)
    x = 0.3 + torch.randn(6, 3, 7, generator=rng, dtype=torch.float64)
    layers = pair(options, backend="triton", hidden=7)
    x, (eager, compiled), state = on(device, x, layers, random_state(layers[0], x, rng))
    assert_same(outcome(eager, x, state), outcome(compiled, x, state))


@pytest.mark.parametrize("device", DEVICES)
def test_float32_and_static_input(device):
    x = torch.rand(1, 3, 50).expand(9, 3, 50)
    layers = pair(dict(), backend="triton")
    state = layers[0].initial_state(x[0])
    x, (eager, compiled), state = on(device, x, layers, state)
    assert_same(outcome(eager, x, state), outcome(compiled, x, state), rtol=1e-5)


@pytest.mark.parametrize("device", DEVICES)
def test_bfloat16_storage_keeps_a_float32_state(device):
    """Steps of 1/512 vanish in bfloat16 near 1; with a float32 state they add up."""
    x = torch.full((600, 1, 4), 1 / 512, dtype=torch.bfloat16, device=device, requires_grad=True)
    spikes, state = LIFLayer(tau=float("inf"), reset="zero", backend="triton")(x)
    assert spikes.dtype == state.v.dtype == torch.bfloat16
    assert spikes.sum(0).eq(1.0).all()
    assert LIFLayer(tau=float("inf"), backend="eager")(x)[0].sum() == 0  # it never gets there
    spikes.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16
    assert x.grad[0].ne(0).all()


@pytest.mark.parametrize("device", DEVICES)
def test_leaky_integrator(device):
    x = torch.randn(7, 2, 5, dtype=torch.float64, device=device)
    found = []
    for backend in ("eager", "triton"):
        leaf = x.clone().requires_grad_()
        potentials, last = LeakyIntegrator(tau=5.0, backend=backend)(leaf)
        ((potentials * x.cos()).sum() + last.sum()).backward()
        found.append((potentials.detach(), last.detach(), leaf.grad))
    torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-12)
