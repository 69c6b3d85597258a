"""Benchmark rows for AdEx: the dimensionless neuron against LIF, and the neuron in mV and pA."""

from collections.abc import Callable
from functools import partial

import torch

from benchmarks.agreement import SHAPE, agree, compare, gradient
from benchmarks.neurons import OURS, both_ways
from benchmarks.peers import Run, ours
from benchmarks.row import Bar, Row
from jarvis import AdExLayer, AdExParams
from jarvis.adex import NormalisedAdExLayer

BIOPHYSICAL = (200, 16, 128)
_DRIVE = 0.3  #: the largest input per step: about 100 spikes per second at dt = 0.5 ms
_CURRENT = 1000.0  #: the largest current of the neuron in mV and pA


def _normalised(backend: str) -> Run:
    layer = NormalisedAdExLayer(backend=backend)
    return lambda x: layer(x)[0]


def _biophysical(backend: str) -> Run:
    layer = AdExLayer(AdExParams.named("adapting"), backend=backend)
    return lambda x: layer(_CURRENT * x)[0]


def _agree(make: Callable[[str], Run], drive: float, steps: int) -> str:
    """Compare spikes and gradient of the compiled loop with those of the eager step, in float64."""
    generator = torch.Generator().manual_seed(0)
    shape = (steps, *SHAPE[1:])
    x = drive * torch.rand(shape, generator=generator, dtype=torch.float64)
    g = torch.randn(shape, generator=generator, dtype=torch.float64)
    got, want = (gradient(make(backend), x, g) for backend in ("numba", "eager"))
    return f"float64: {compare(got, want, 1e-5)}"


def adex(shape: tuple[int, int, int]) -> Row:
    """The dimensionless AdEx, forward and backward pass: its cost relative to a LIF layer."""
    row = Row(f"adex_{'x'.join(map(str, shape))}", f"AdEx against LIF, {list(shape)}")
    x, g = _DRIVE * torch.rand(shape), torch.rand(shape)
    check = partial(_agree, _normalised, _DRIVE, SHAPE[0])
    row.add("jarvis, AdEx", both_ways(_normalised("numba"), x, g), check)
    row.add(OURS, both_ways(ours("auto")(x.dtype), x, g), lambda: agree(ours("auto")))
    row.add("jarvis, AdEx, eager", both_ways(_normalised("eager"), x, g), note="the definition")
    row.bars = [Bar("times LIF", "jarvis, AdEx", OURS, 2, at_least=False)]
    return row


def biophysical(shape: tuple[int, int, int]) -> Row:
    """AdEx in mV and pA, forward and backward pass, compared with its eager step."""
    title = f"AdEx in mV and pA, forward + backward, {list(shape)}"
    row = Row("adex_biophysical", title)
    x, g = torch.rand(shape), torch.rand(shape)
    compiled, eager = "jarvis, AdEx in mV and pA", "jarvis, AdEx in mV and pA, eager"
    check = partial(_agree, _biophysical, 1.0, 300)
    row.add(compiled, both_ways(_biophysical("numba"), x, g), check)
    row.add(eager, both_ways(_biophysical("eager"), x, g), note="the definition")
    row.bars = [Bar("times as fast as eager", eager, compiled, 20)]
    return row
