"""The part of the event loops that depends on the neuron; `event_program` generates it.

The functions are declared here for the loops, which are copied below the generated ones. A state is
``(v, i, w)``; a neuron without a third variable leaves w unchanged. ``u`` holds the numbers that
are the same for all neurons.
"""

from typing import Any


def unpack(values: Any) -> Any:
    """``u``, read from an array."""
    raise NotImplementedError


def advance(u: Any, v: Any, i: Any, w: Any) -> Any:
    """The state after a step without a spike."""
    raise NotImplementedError


def transposed(u: Any, v: Any, i: Any, w: Any, g_v: Any, g_i: Any, g_w: Any) -> Any:
    """The gradient for the state before a step, given the gradient for the state after it."""
    raise NotImplementedError


def within(u: Any, x: Any, v: Any, i: Any, w: Any) -> Any:
    """How far v is above the threshold after a time x, and the derivatives of this number."""
    raise NotImplementedError


def guess(u: Any, v: Any, i: Any, w: Any) -> Any:
    """The approximate time at which v reaches the threshold."""
    raise NotImplementedError


def slope(u: Any, v: Any, i: Any, w: Any) -> Any:
    """The rate of change of v."""
    raise NotImplementedError
