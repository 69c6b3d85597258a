"""Benchmark rows for the zoo: each neuron compared with LIF and with other libraries."""

import torch
from torch import Tensor

from benchmarks.agreement import SHAPE, agree, compare, gradient
from benchmarks.neurons import OURS, both_ways
from benchmarks.peers import Run, ours
from benchmarks.row import Bar, Row
from benchmarks.zoo_peers import ZooPeer
from jarvis.neurons.driven import DrivenLayer
from jarvis.zoo import ZOO, find

#: A neuron has to be this many times as fast as the same equations in another library.
FASTER = 5.0
#: A neuron has to be this many times as fast as its eager step; random numbers slow both alike.
OWN = 2.0


def driven(name: str, backend: str) -> Run:
    """A neuron of the zoo as a hidden layer; it takes one time step per step of the input."""
    entry = find(name)
    hidden = entry.hidden
    assert hidden is not None
    layer = entry.layer(entry.kind(**hidden.values), backend=backend)
    inputs = entry.hidden_inputs or entry.inputs
    scaled = DrivenLayer(layer, gain=hidden.gain, offset=hidden.offset, inputs=inputs)

    def run(x: Tensor) -> Tensor:
        with torch.random.fork_rng(devices=[]):  # the noise is the same in each run
            torch.manual_seed(0)
            return scaled(x)[0]

    return run


def kind(name: str, shape: tuple[int, int, int]) -> Row:
    """Forward and backward pass of a zoo neuron, compared with LIF and with its own eager step."""
    row = Row(f"zoo_{name}", f"{find(name).title}, forward + backward, {list(shape)}")
    x, g = 0.3 * torch.rand(shape), torch.rand(shape)

    def check() -> str:
        generator = torch.Generator().manual_seed(0)
        few = 0.3 * torch.rand((200, *SHAPE[1:]), generator=generator, dtype=torch.float64)
        back = torch.randn(few.shape, generator=generator, dtype=torch.float64)
        found = (gradient(driven(name, backend), few, back) for backend in ("numba", "eager"))
        return f"float64: {compare(*found, 1e-8)}"

    compiled, eager = f"jarvis, {name}", f"jarvis, {name}, eager"
    row.add(compiled, both_ways(driven(name, "numba"), x, g), check)
    row.add(OURS, both_ways(ours("auto")(x.dtype), x, g), lambda: agree(ours("auto")))
    row.add(eager, both_ways(driven(name, "eager"), x, g), note="the definition")
    row.bars = [Bar("times as fast as its own eager step", eager, compiled, OWN)]
    return row


def kinds() -> tuple[str, ...]:
    """The neurons that have a row: all that can serve in a hidden layer, except LIF."""
    return tuple(name for name, entry in ZOO.items() if entry.hidden and name != "lif")


def peer(other: ZooPeer, shape: tuple[int, int, int]) -> Row:
    """The neuron of another library, compared with the same equations compiled by jarvis."""
    label = f"{other.library}, {other.name}"
    row = Row(f"zoo_{other.library}_{other.name}", f"{label}, forward + backward, {list(shape)}")
    x, g = other.gain * torch.rand(shape) + other.offset, torch.rand(shape)
    mine = "jarvis, the same equations"
    bar = Bar(f"times as fast as {other.library}", label, mine, FASTER)
    if other.missing:
        row.add(mine, both_ways(other.ours("numba"), x, g))
        row.add(label, None, missing=f"{other.module} is not installed")
        row.bars = [bar]
        return row

    def check() -> str:
        generator = torch.Generator().manual_seed(0)
        few = other.gain * torch.rand(SHAPE, generator=generator, dtype=torch.float64)
        few = few + other.offset
        back = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
        want = gradient(other.ours("eager"), few, back)
        compare(gradient(other.ours("numba"), few, back), want, 1e-9)
        return f"float64: {compare(gradient(other.make(few.dtype), few, back), want, 1e-5)}"

    row.add(mine, both_ways(other.ours("numba"), x, g), check)
    try:
        call = both_ways(other.make(x.dtype), x, g)
    except Exception as error:
        row.add(label, None, missing=f"does not run: {type(error).__name__}: {error}")
        return row
    row.add(label, call)
    row.bars = [bar]
    return row
