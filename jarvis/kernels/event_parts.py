"""What the event loops know of a neuron: functions that `event_program` generates for each.

The names stand here for the loops, which are copied behind the generated functions. A state is
``(v, i, w)``; a neuron without a third variable passes w on. ``u`` holds the numbers that are the
same for all neurons.
"""

from typing import Any


def unpack(values: Any) -> Any:
    """``u``, from an array."""
    raise NotImplementedError


def advance(u: Any, v: Any, i: Any, w: Any) -> Any:
    """The state after a step without a spike."""
    raise NotImplementedError


def transposed(u: Any, v: Any, i: Any, w: Any, g_v: Any, g_i: Any, g_w: Any) -> Any:
    """The gradient for the state before a step, from that for the state after it."""
    raise NotImplementedError


def within(u: Any, x: Any, v: Any, i: Any, w: Any) -> Any:
    """The level after a time x, and its slopes by x, v, i and w."""
    raise NotImplementedError


def guess(u: Any, v: Any, i: Any, w: Any) -> Any:
    """The time, about, at which the level is 0."""
    raise NotImplementedError


def slope(u: Any, v: Any, i: Any, w: Any) -> Any:
    """How fast v changes."""
    raise NotImplementedError
