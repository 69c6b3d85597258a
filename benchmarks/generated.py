"""Benchmark rows for generated loops.

The neurons are those that also have handwritten loops, LIF with learned time constants, and a
user's neuron.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from benchmarks import handwritten
from benchmarks.agreement import SHAPE, TAU, agree, compare, gradient
from benchmarks.machine import Time, timed
from benchmarks.neurons import OURS, both_ways
from benchmarks.peers import Run, ours
from benchmarks.quadratic import QIF
from benchmarks.row import Bar, Row
from jarvis import LIFLayer
from jarvis.adex import NormalisedAdExLayer
from jarvis.neurons.layer import SpikingLayer

SHAPES = ((100, 64, 512), (25, 128, 1000))
OVERHEAD = 1.05  #: a generated loop may take this many times as long as a handwritten one

#: Neurons with both kinds of loops: the options of the LIF layer, or None for AdEx.
BY_HAND: dict[str, dict | None] = {
    "LIF": {},
    "LIF, zero reset": {"reset": "zero"},
    "LIF, synapse and adaptation": {"tau_syn": 5.0, "adaptation": 0.2, "tau_adapt": 100.0},
    "LIF, refractory": {"refractory": 3.0},
    "dimensionless AdEx": None,
}


def pair(kind: str, backend: str = "numba") -> tuple[Run, Run]:
    """One of the neurons in `BY_HAND`, run by the layer and by the handwritten loop."""
    options = BY_HAND[kind]
    if options is None:
        layer, by_hand = NormalisedAdExLayer(backend=backend), handwritten.adex()
    else:
        layer = LIFLayer(tau=TAU, backend=backend, **options)
        by_hand = handwritten.lif(tau=TAU, **options)
    return (lambda x: layer(x)[0]), by_hand


def sample() -> tuple[Tensor, Tensor]:
    """An input, and a gradient of the spikes, for a comparison in float64."""
    generator = torch.Generator().manual_seed(0)
    x = 0.3 * torch.rand(SHAPE, generator=generator, dtype=torch.float64)
    return x, torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def each_way(run: Run, x: Tensor, g: Tensor) -> tuple[Callable[[], Time], Callable[[], Time]]:
    """The forward pass of a layer, and the backward pass alone, as two timed calls.

    Both calls run both passes, as training does, and each times one of them. Before that, both
    passes run once untimed, because what ran last determines which blocks of memory are free and in
    the cache. This can change the time of a forward pass by up to a quarter. `x` requires a
    gradient.
    """

    def forward() -> Time:
        torch.autograd.grad(run(x), x, g)
        spikes: list[Tensor] = []
        time = timed(lambda: spikes.append(run(x)))
        torch.autograd.grad(spikes[0], x, g)
        return time

    def backward() -> Time:
        torch.autograd.grad(run(x), x, g)
        spikes = run(x)
        return timed(lambda: torch.autograd.grad(spikes, x, g))

    return forward, backward


def by_hand(kind: str, shape: tuple[int, int, int]) -> Row:
    """A generated loop compared with the handwritten loop of the same neuron, for each pass."""
    key = f"hand_{list(BY_HAND).index(kind)}_{'x'.join(map(str, shape))}"
    row = Row(key, f"generated against by hand: {kind}, {list(shape)}")
    x, g = (0.3 * torch.rand(shape)).requires_grad_(), torch.rand(shape)

    def check() -> str:
        got, want = (gradient(run, *sample()) for run in pair(kind))
        return f"float64: {compare(got, want, 1e-9)}"

    library, hand = (each_way(run, x, g) for run in pair(kind))
    for place, way in enumerate(("forward", "backward")):
        row.add(f"generated, {way}", library[place], check)
        row.add(f"by hand, {way}", hand[place], note="the yardstick")
        text = f"{way}, times the loop by hand"
        bar = Bar(text, f"generated, {way}", f"by hand, {way}", OVERHEAD, at_least=False)
        row.bars.append(bar)
    return row


def _learned(backend: str, n: int, dtype: torch.dtype) -> tuple[Run, LIFLayer]:
    layer = LIFLayer(tau=torch.full((n,), TAU), learnable="tau", backend=backend).to(dtype)
    return (lambda x: layer(x)[0]), layer


def _agree_learned() -> str:
    """Check the spikes and the gradients of the input and each tau against the eager step."""
    x, g = sample()
    found = []
    for backend in ("numba", "eager"):
        run, layer = _learned(backend, SHAPE[2], x.dtype)
        found.append((*gradient(run, x, g), *(p.grad for p in layer.parameters())))
    return f"float64, with the gradient of tau: {compare(*found, 1e-9)}"


def learned(shape: tuple[int, int, int]) -> Row:
    """LIF with a learned tau for each neuron, compared with the eager step and with plain LIF."""
    row = Row("learned", f"LIF, one learned tau per neuron, forward + backward, {list(shape)}")
    x, g = 0.3 * torch.rand(shape), torch.rand(shape)

    def call(backend: str):
        run, layer = _learned(backend, shape[2], x.dtype)
        both = both_ways(run, x, g)

        def fresh() -> None:
            layer.zero_grad()
            both()

        return fresh

    row.add("jarvis, learned tau", call("numba"), _agree_learned)
    row.add(OURS, both_ways(ours("auto")(x.dtype), x, g), lambda: agree(ours("auto")))
    row.add("jarvis, learned tau, eager", call("eager"), note="the definition")
    row.bars = [
        Bar("faster than eager", "jarvis, learned tau, eager", "jarvis, learned tau", 10),
        Bar("times LIF", "jarvis, learned tau", OURS, 1.5, at_least=False),
    ]
    return row


def _quadratic(backend: str) -> Run:
    layer = SpikingLayer(QIF(), backend=backend)
    return lambda x: layer(x)[0]


def user(shape: tuple[int, int, int]) -> Row:
    """Quadratic integrate-and-fire as a neuron that a user defines, compared with LIF."""
    row = Row("user", f"a user's neuron against LIF, forward + backward, {list(shape)}")
    x, g = 0.3 * torch.rand(shape), torch.rand(shape)

    def check() -> str:
        got, want = (gradient(_quadratic(backend), *sample()) for backend in ("numba", "eager"))
        return f"float64: {compare(got, want, 1e-9)}"

    name, eager = "quadratic integrate-and-fire", "quadratic integrate-and-fire, eager"
    row.add(name, both_ways(_quadratic("numba"), x, g), check)
    row.add(OURS, both_ways(ours("auto")(x.dtype), x, g), lambda: agree(ours("auto")))
    row.add(eager, both_ways(_quadratic("eager"), x, g), note="the definition")
    row.bars = [Bar("times LIF", name, OURS, 1.5, at_least=False)]
    return row
