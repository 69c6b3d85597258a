"""What a compiled loop is made for: the options as compile-time flags, the values as numbers."""

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

    fires: bool = True  #: False: the leaky read-out, whose result is v itself
    reset: int = SUBTRACT
    detach: bool = True
    syn: bool = False  #: a synaptic current
    wait: bool = False  #: a refractory time
    adapt: bool = False  #: an adaptive threshold
    recurrent: bool = False  #: a second input (a second gradient, backward) for the step
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
    """A loop's options and numbers."""

    flags: Flags
    values: Values


class State(NamedTuple):
    """A neuron's state ``[B, ...]``, or the gradient of one: what the loop updates in place."""

    v: Tensor
    i: Tensor | None = None
    r: Tensor | None = None  #: steps left to wait; it has no gradient
    a: Tensor | None = None


class Kept(NamedTuple):
    """What the forward loop leaves for the backward loop, each ``[T, B, ...]``."""

    h: Tensor | None = None  #: potential before the reset: gives the spikes again
    a: Tensor | None = None  #: adaptation before the step
    ready: Tensor | None = None  #: uint8: 0 where the neuron waited


class Rows(NamedTuple):
    """A tensor ``[T, B, ...]`` as flat memory: step t begins at ``t * step``, densely packed.

    A step of 0 reads the same row each time, so that an input made by `expand` is never copied
    out.
    """

    flat: Tensor
    step: int
    lanes: int

    @staticmethod
    def of(x: Tensor) -> "Rows":
        """`x` without a copy where its memory allows that."""
        x, row = x.detach().resolve_neg(), x.select(0, 0)
        lanes, step = row.numel(), x.stride(0)
        if x.shape[0] == 1 or step == 0:
            return Rows(row.detach().contiguous().view(-1), 0, lanes)
        if not row.is_contiguous():
            x, step = x.contiguous(), lanes
        return Rows(x.as_strided(((x.shape[0] - 1) * step + lanes,), (1,)), step, lanes)


def is_named(surrogate: object) -> bool:
    """Whether this is one of the named surrogates, as it comes, with nothing hooked onto it."""
    return (
        type(surrogate) is SurrogateSpike
        and surrogate.name in SURROGATE_FLAGS
        and surrogate.derivative is SURROGATES[surrogate.name].derivative
        and not (surrogate._forward_hooks or surrogate._forward_pre_hooks)
        and not (surrogate._backward_hooks or surrogate._backward_pre_hooks)
    )
