"""Specification of a compiled loop: options as compile-time flags, values as numbers."""

from typing import NamedTuple

from torch import Tensor

from jarvis.surrogate import SURROGATES, SurrogateSpike

NONE, SUBTRACT, ZERO = 0, 1, 2

RESET_FLAGS = {"none": NONE, "subtract": SUBTRACT, "zero": ZERO}

FAST_SIGMOID, SIGMOID, ARCTAN, TRIANGLE, STRAIGHT_THROUGH = range(5)

SURROGATE_FLAGS = {
    "fast_sigmoid": FAST_SIGMOID,
    "sigmoid": SIGMOID,
    "arctan": ARCTAN,
    "triangle": TRIANGLE,
    "straight_through": STRAIGHT_THROUGH,
}


class Flags(NamedTuple):
    """The options that change the code of the loop. Each combination is compiled once."""

    fires: bool = True  #: False: the leaky integrator, whose output is v
    reset: int = SUBTRACT
    detach: bool = True
    syn: bool = False  #: a synaptic current
    wait: bool = False  #: a refractory period
    adapt: bool = False  #: an adaptive threshold
    recurrent: bool = False  #: a second input (backward: a second gradient) per step
    surrogate: int = FAST_SIGMOID


class Values(NamedTuple):
    """The numbers that the loop reads, in the order in which it reads them."""

    decay: float
    decay_syn: float = 0.0
    threshold: float = 1.0
    adaptation: float = 0.0
    decay_adapt: float = 0.0
    refractory_steps: float = 0.0
    slope: float = 1.0


class Spec(NamedTuple):
    """Options and numbers of a loop."""

    flags: Flags
    values: Values


class State(NamedTuple):
    """The state of neurons ``[B, ...]``, or its gradient: updated in place by the loop."""

    v: Tensor
    i: Tensor | None = None
    r: Tensor | None = None  #: remaining refractory steps; without a gradient
    a: Tensor | None = None


class Kept(NamedTuple):
    """Tensors saved by the forward loop for the backward loop, each ``[T, B, ...]``."""

    h: Tensor | None = None  #: potential before the reset, from which spikes are recomputed
    a: Tensor | None = None  #: adaptation before the step
    ready: Tensor | None = None  #: uint8: 0 where the neuron was refractory


class Rows(NamedTuple):
    """A tensor ``[T, B, ...]`` as flat memory: step t begins at ``t * step``, densely packed.

    A step of 0 reads the same row each time, so that an expanded input is never copied.
    """

    flat: Tensor
    step: int
    lanes: int

    @staticmethod
    def of(x: Tensor) -> "Rows":
        """`x`, without a copy if its memory layout allows that."""
        x, row = x.detach().resolve_neg(), x.select(0, 0)
        lanes, step = row.numel(), x.stride(0)
        if x.shape[0] == 1 or step == 0:
            return Rows(row.detach().contiguous().view(-1), 0, lanes)
        if not row.is_contiguous():
            x, step = x.contiguous(), lanes
        return Rows(x.as_strided(((x.shape[0] - 1) * step + lanes,), (1,)), step, lanes)


def is_named(surrogate: object) -> bool:
    """Whether this is one of the named surrogates, unmodified and without hooks."""
    return (
        type(surrogate) is SurrogateSpike
        and surrogate.name in SURROGATE_FLAGS
        and surrogate.derivative is SURROGATES[surrogate.name].derivative
        and not (surrogate._forward_hooks or surrogate._forward_pre_hooks)
        and not (surrogate._backward_hooks or surrogate._backward_pre_hooks)
    )
