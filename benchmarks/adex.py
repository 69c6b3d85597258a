"""The row of the AdEx neurons: the cost of exponential and adaptation relative to a LIF layer."""

import torch
from torch import Tensor

from benchmarks.agreement import SHAPE, agree, compare, gradient
from benchmarks.neurons import OURS, both_ways
from benchmarks.peers import Run, ours
from benchmarks.row import Bar, Row
from jarvis import AdExLayer, AdExParams
from jarvis.adex import NormalisedAdExLayer

_DRIVE = 0.3  #: the largest input per step: about 100 spikes per second, at dt = 0.5 ms
_CURRENT = 1000.0  #: the largest current of the biophysical neuron, pA


def _normalised(backend: str) -> Run:
    layer = NormalisedAdExLayer(backend=backend)
    return lambda x: layer(x)[0]


def _biophysical(backend: str) -> Run:
    layer = AdExLayer(AdExParams.named("adapting"), backend=backend)
    return lambda x: layer(_CURRENT * x)[0]


def _agree() -> str:
    """Spikes and gradient of the compiled loop, in float64, against the eager step."""
    generator = torch.Generator().manual_seed(0)
    x = _DRIVE * torch.rand(SHAPE, generator=generator, dtype=torch.float64)
    g = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
    got, want = (gradient(_normalised(backend), x, g) for backend in ("numba", "eager"))
    return f"float64: {compare(got, want, 1e-5)}"


def _agree_biophysical() -> str:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((300, *SHAPE[1:]), generator=generator, dtype=torch.float64)
    got, want = ((_biophysical(backend)(x),) for backend in ("numba", "eager"))
    return f"float64: {compare(got, want, 0.0).split(',')[0]}"


def adex(shape: tuple[int, int, int]) -> Row:
    """The trainable AdEx layer forward and backward; the biophysical one forward (no bar)."""
    row = Row(f"adex_{'x'.join(map(str, shape))}", f"AdEx against LIF, {list(shape)}")
    x, g = _DRIVE * torch.rand(shape), torch.rand(shape)

    def forward(run: Run, x: Tensor):
        def call() -> None:
            with torch.no_grad():
                run(x)

        return call

    row.add("jarvis, AdEx", both_ways(_normalised("numba"), x, g), _agree)
    row.add(OURS, both_ways(ours("auto")(x.dtype), x, g), lambda: agree(ours("auto")))
    row.add("jarvis, AdEx, eager", both_ways(_normalised("eager"), x, g), note="the definition")
    row.add(
        "jarvis, AdEx in mV and pA, forward only",
        forward(_biophysical("numba"), torch.rand(shape)),
        _agree_biophysical,
    )
    row.add("jarvis, LIF, forward only", forward(ours("auto")(x.dtype), x))
    row.bars = [Bar("times LIF", "jarvis, AdEx", OURS, 5, at_least=False)]
    return row
