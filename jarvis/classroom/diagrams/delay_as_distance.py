"""A delay as a distance: where neurons are, and when their spikes arrive."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from jarvis.plotting import BLUE, GREEN, GREY, ORANGE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Positions in ms: two senders, and a receiver that moves.
_SENDERS = ((0.0, 0.0), (8.0, 3.0))
_HERE, _THERE = (2.0, 3.0), (4.225, 0.9)  # the second point is equally far from both senders


def delay_as_distance() -> np.ndarray:
    """Draw two senders and a receiver in the plane, and the times at which their spikes arrive.

    The left panel shows the plane, measured in ms of travel. Lines are the paths of spikes, and
    their lengths are the delays. The receiver is drawn twice, before and after a move. In the right
    panel, both senders spike at time 0. At the old position of the receiver, their spikes arrive at
    different times; at the new position, they arrive together.

    Returns:
        two Axes, the plane and the time line.

    Example:
        >>> plane, time_line = delay_as_distance()
        >>> plane.get_xlabel(), time_line.get_xlabel()
        ('x (ms)', 'time (ms)')
    """
    from matplotlib import pyplot as plt

    _, axes = plt.subplots(1, 2, figsize=(8.5, 3.0), layout="constrained")
    delays = [[math.dist(at, sender) for sender in _SENDERS] for at in (_HERE, _THERE)]
    _plane(axes[0], delays)
    _time_line(axes[1], delays)
    return axes


def _plane(ax: Axes, delays: list[list[float]]) -> None:
    for at, lengths, style in zip((_HERE, _THERE), delays, (":", "-"), strict=True):
        for sender, length, color in zip(_SENDERS, lengths, (BLUE, GREEN), strict=True):
            ax.plot(*np.transpose([sender, at]), style, color=color, lw=1.5)
            (x, y), words = np.add(sender, at) / 2, f"{length:.1f} ms"
            box = dict(fc="white", ec="none", pad=1)
            ax.text(x, y, words, color=color, ha="center", va="center", bbox=box)
    for number, (sender, color) in enumerate(zip(_SENDERS, (BLUE, GREEN), strict=True)):
        ax.plot(*sender, "^", color=color, ms=11)
        x, y, va = sender[0], sender[1] + (-0.35, 0.35)[number], ("top", "bottom")[number]
        ax.text(x, y, f"sender {number + 1}", color=color, ha="center", va=va)
    ax.plot(*_HERE, "o", color="white", mec=ORANGE, ms=11, mew=2)
    ax.plot(*_THERE, "o", color=ORANGE, ms=11)
    arrow = dict(arrowstyle="-|>", color=ORANGE, lw=1.5, shrinkA=8, shrinkB=8)
    arrow["connectionstyle"] = "arc3,rad=-0.4"
    ax.annotate("", _THERE, _HERE, arrowprops=arrow)
    ax.text(_HERE[0], _HERE[1] + 0.4, "receiver", color=ORANGE, ha="center", va="bottom")
    ax.set(xlabel="x (ms)", ylabel="y (ms)", xlim=(-1.2, 9.4), ylim=(-1.2, 4.4), aspect="equal")


def _time_line(ax: Axes, delays: list[list[float]]) -> None:
    rows = (3.0, 2.0)
    for row, color in zip(rows, (BLUE, GREEN), strict=True):
        ax.plot([0, 0], [row - 0.3, row + 0.3], color=color, lw=3)
    for row, lengths, face in zip((1.0, 0.0), delays, ("white", ORANGE), strict=True):
        ax.plot([0, 8], [row, row], color=GREY, lw=0.8)
        for shift, length, color in zip((0.12, -0.12), lengths, (BLUE, GREEN), strict=True):
            ax.plot([length, length], [row + shift - 0.2, row + shift + 0.2], color=color, lw=3)
        ax.plot(-0.45, row, "o", color=face, mec=ORANGE, ms=9, mew=2, clip_on=False)
    names = ["sender 1", "sender 2", "arrivals, before", "arrivals, after"]
    ax.set_yticks([3.0, 2.0, 1.0, 0.0], names)
    ax.tick_params(axis="y", length=0, pad=16)
    ax.set(xlabel="time (ms)", xlim=(-0.2, 8), ylim=(-0.6, 3.6))
    for side in ("left", "top", "right"):
        ax.spines[side].set_visible(False)
