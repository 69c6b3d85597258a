"""A membrane with channels as an electrical circuit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from jarvis.plotting import axes_of
from jarvis.support.checks import check_type

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Heights of the wires outside and inside the cell, and the distance between two branches.
_OUT, _IN, _APART = 0.0, 4.0, 3.2


class Channel(NamedTuple):
    """A kind of channel: a conductance in series with a battery."""

    name: str  #: label below the branch
    conductance: str  #: label beside the resistor, such as "$g_K n^4$"
    reversal: str  #: label beside the battery, such as "-77 mV"
    positive: bool  #: whether the battery drives the inside to positive potentials
    changes: bool  #: whether the conductance changes, which an arrow through the resistor shows
    color: str


def channel_circuit(channels: Sequence[Channel], ax: Axes | None = None) -> Axes:
    """Draw a capacitor and one branch for each kind of channel, between inside and outside.

    Args:
        channels: the channels, from left to right.
        ax: where to draw; None for a new figure.

    Returns:
        the Axes.

    Raises:
        TypeError: if one of the channels is not a `Channel`.

    Source: Hodgkin & Huxley 1952, J. Physiol. 117:500, figure 1.

    Example:
        >>> axes = channel_circuit([Channel("leak", "$g_L$", "-54 mV", False, False, "black")])
        >>> [text.get_text() for text in axes.texts][:3]
        ['inside: V', 'outside: 0', 'C']
    """
    for channel in channels:
        check_type("channel_circuit: channels", channel, Channel)
    ax = axes_of(ax, (8.0, 3.4))
    right = _APART * len(channels)
    for height in (_OUT, _IN):
        ax.plot([0, right], [height, height], color="black", lw=1.5)
    ax.text(0, _IN + 0.15, "inside: V", va="bottom")
    ax.text(0, _OUT - 0.2, "outside: 0", va="top")
    ax.plot([0, 0], [_OUT, 1.87], [0, 0], [2.13, _IN], color="black", lw=1.5)
    for height in (1.87, 2.13):
        ax.plot([-0.4, 0.4], [height, height], color="black", lw=3)
    ax.text(0.5, 2.0, "C", va="center")
    for k, channel in enumerate(channels, 1):
        _branch(ax, _APART * k, channel)
    ax.set(xlim=(-0.7, right + 2.4), ylim=(-1.1, 4.7), aspect="equal")
    ax.set_axis_off()
    return ax


def _branch(ax: Axes, x: float, channel: Channel) -> None:
    """A resistor above a battery, whose long plate is the positive one."""
    color = channel.color
    zigzag = x + 0.16 * np.array([0, 1, -1, 1, -1, 1, -1, 0])
    ax.plot([x, x], [_OUT, 0.9], [x, x], [1.1, 2.1], [x, x], [3.4, _IN], color=color, lw=1.5)
    ax.plot(zigzag, np.linspace(2.1, 3.4, 8), color=color, lw=1.5)
    long, short = (1.1, 0.9) if channel.positive else (0.9, 1.1)
    ax.plot([x - 0.3, x + 0.3], [long, long], color=color, lw=1.5)
    ax.plot([x - 0.15, x + 0.15], [short, short], color=color, lw=3.5)
    if channel.changes:
        arrow = {"arrowstyle": "->", "color": color, "lw": 1.2}
        ax.annotate("", (x + 0.4, 3.45), (x - 0.4, 2.05), arrowprops=arrow)
    ax.text(x + 0.42, 2.6, channel.conductance, color=color, va="center")
    ax.text(x + 0.42, 1.0, channel.reversal, color=color, va="center")
    ax.text(x, _OUT - 0.2, channel.name, color=color, ha="center", va="top")
