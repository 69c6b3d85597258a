"""Generated loops in Triton: by the interpreter on any machine, on the GPU where there is one.

The suite of `tests/neurons` runs again, in a process where Triton interprets its kernels.
"""

import logging
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from register import CASES, Case, sampled
from triton_runs import DEVICES, ON_CUDA, by_the_interpreter, compiled, outside

from jarvis import AdExLayer, LIFLayer
from jarvis.adex import NormalisedAdExLayer, NormalisedAdExParams, NormalisedAdExState
from jarvis.kernels import dispatch
from jarvis.kernels.program import Variant, program

SUITE = Path(__file__).parents[1] / "neurons" / "test_every_neuron.py"


# Lanes beyond the last neuron compute 0 / 0, which numpy, and so the interpreter, warns of.
FLAGS = ("-m", "not bench", "-W", "ignore::RuntimeWarning")  # slow tests, too


#: What the interpreter, which is slow, runs: each neuron forward and backward, and the rest of the
#: suite with the LIF neurons and the first of the others. The driver of both backends is the same.
ONLY = (
    "loop_is_the_step or ((learned or recurrence or trace or surrogate or nan) and (LIF or LI) "
    "and not (ALIF or Alpha or Conductance or Escape))"
)


def run_suite(device: str, *more: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", str(SUITE), "-q", "-p", "no:cacheprovider", *FLAGS, *more],
        env=os.environ | dict(JARVIS_SUITE_BACKEND="triton", JARVIS_SUITE_DEVICE=device) | env,
        cwd=SUITE.parents[2],
        capture_output=True,
        text=True,
        timeout=1400,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.slow
@outside
@pytest.mark.timeout(1500)
def test_suite_by_the_interpreter():
    pytest.importorskip("triton")
    out = run_suite("cpu", "-k", ONLY, TRITON_INTERPRET="1", CUDA_VISIBLE_DEVICES="")
    assert "passed" in out
    assert "skipped" not in out
    found = int(re.findall(r"(\d+) passed", out)[-1])
    assert found > len(CASES)  # each neuron, and more of the first ones


@pytest.mark.gpu
@outside
def test_suite_on_the_gpu():
    out = run_suite("cuda")
    assert "passed" in out


@pytest.mark.slow
@outside
def test_the_rest_by_the_interpreter():
    """The tests of this file that need a device, in a process where Triton interprets."""
    assert "3 passed" in by_the_interpreter(__file__)


def kernels(case: Case, record: bool, recurrent: bool):
    """The generated kernels of a neuron with all that can be learned, per neuron."""
    layer = case.layer("triton", learnable=case.learnable)
    neuron, params = layer.neuron, layer.params
    state = neuron.state(*neuron.rest(params))
    made = program(neuron.name, neuron.step, params, layer.spike, neuron.inputs, state)
    _, tensors = made.numbers(params, layer.spike.surrogate)
    learned = made.variant(tensors, record, recurrent).learned
    loop = made.loop("triton", Variant(learned, learned[:1], record, recurrent))
    return loop.names["forward"], loop.names["backward"]


@compiled
@pytest.mark.parametrize("storage", ["fp32", "bf16", "fp64"])
@pytest.mark.parametrize("case", sampled(CASES), ids=lambda case: case.name)
def test_compiles_for_a_gpu_that_is_not_here(case, storage):
    """The interpreter forgives what the compiler does not. ptxas comes with Triton."""
    triton = pytest.importorskip("triton")
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    state = "fp64" if storage == "fp64" else "fp32"
    known = dict(KEEP=True, WANTS_X=True, BLOCK=128)
    known["STATE"] = getattr(triton.language, f"float{state[2:]}")
    for kernel in kernels(case, record=True, recurrent=case.neuron().inputs is None):
        names = kernel.arg_names
        constants = {name: known[name] for name in names if name.isupper()}
        signature = dict.fromkeys(names, f"*{storage}") | {"values": "*fp64"}
        whole = [n for n in names if n.endswith("_step") or n in ("n", "first", "steps")]
        signature |= dict.fromkeys(whole, "i64") | dict.fromkeys(constants, "constexpr")
        signature = {name: signature[name] for name in names}
        places = {(names.index(n),): value for n, value in constants.items()}
        source = ASTSource(fn=kernel, signature=signature, constexprs=places)
        options = dict(num_warps=1, enable_fp_fusion=False)
        made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options=options)
        if storage != "fp64" and case.name.startswith("LIF"):  # others have exp, made of them
            lines = [line for line in made.asm["ptx"].splitlines() if "fma.rn.f32" in line]
            assert not lines or "custom" in case.name, "h must round as in the readable step"


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
def test_bfloat16_storage_of_an_adex_neuron(device):
    """Steps of 1/700 vanish in bfloat16 near 1; with a float32 state they add up."""
    params = NormalisedAdExParams(tau=1e9, dt=1.0, a=0.0, b=0.0, v_t=4.0, w0=0.0)
    x = torch.full((4, 2), 1 / 700 * -math.expm1(-0.5), dtype=torch.bfloat16, device=device)
    start = NormalisedAdExState(*(x.new_full((4, 2), part) for part in (0.625, 0.0, 0.0)))
    x = x.expand(280, 4, 2).clone().requires_grad_()
    spikes, state = NormalisedAdExLayer(params, backend="triton")(x, start)
    assert spikes.dtype == state.w.dtype == torch.bfloat16
    assert spikes.sum(0).eq(1.0).all()
    eager = NormalisedAdExLayer(params, backend="eager")
    assert eager(x, start)[0].sum() == 0  # it never gets there
    spikes.sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == torch.bfloat16
    assert x.grad[0].ne(0).all()


@pytest.mark.parametrize("device", DEVICES)
def test_large_and_small_layers_agree(device):
    """Blocks of different sizes, and a last one that is not full."""
    x = torch.rand(4, 1, 1000, device=device)
    whole, _ = LIFLayer(backend="triton")(x)
    part, _ = LIFLayer(backend="triton")(x[..., :130])
    assert torch.equal(whole[..., :130], part)


@pytest.mark.parametrize("device", [pytest.param("cuda", marks=ON_CUDA)])
def test_auto_takes_the_loops_on_cuda(device, caplog):
    dispatch._say_once.cache_clear()
    x = torch.rand(5, 2, 3, device=device, requires_grad=True)
    with caplog.at_level(logging.WARNING, logger="jarvis.kernels"):
        spikes, _ = NormalisedAdExLayer()(x)
        AdExLayer()(x.detach())
    assert not caplog.records
    assert type(spikes.grad_fn).__name__ == "_LoopBackward"
