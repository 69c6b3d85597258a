"""The membrane as an electrical circuit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jarvis.plotting import BLUE, GREEN, GREY, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Heights of the wires outside and inside the cell, and the positions of the branches.
_OUT, _IN = 0.0, 4.0
_CURRENT, _CAPACITOR, _LEAK = 0.0, 2.2, 5.4


def membrane_circuit(ax: Axes | None = None) -> Axes:
    """Draw the circuit of a passive membrane: a capacitor beside a leak, and an injected current.

    From left to right, the circuit has an electrode that injects I, the capacitance C, and the
    leak, a resistance R in series with a battery whose voltage is the resting potential. The lines
    at the top and bottom are the inside and the outside of the cell; the potential V is measured
    between them.

    Args:
        ax: where to draw; None for a new figure.

    Returns:
        the Axes.

    Source: Gerstner et al. 2014, Neuronal Dynamics, figure 1.6.

    Example:
        >>> axes = membrane_circuit()
        >>> any("capacitance C" in text.get_text() for text in axes.texts)
        True
    """
    ax = axes_of(ax, (6.0, 3.2))
    ax.set(xlim=(-2.4, 8.2), ylim=(-0.75, 4.75), aspect="equal")
    ax.set_axis_off()
    for height, words, shift in ((_OUT, "outside", -0.2), (_IN, "inside", 0.2)):
        ax.plot([_CURRENT, _LEAK], [height, height], color="black", lw=1.5)
        vertical = "top" if shift < 0 else "bottom"
        ax.text(1.3, height + shift, words, ha="center", va=vertical)
    _source(ax)
    _capacitor(ax)
    _leak(ax)
    top, bottom = (_LEAK + 2.3, _IN - 0.1), (_LEAK + 2.3, _OUT + 0.1)
    ax.annotate("", top, bottom, arrowprops={"arrowstyle": "<->", "color": GREY})
    ax.text(_LEAK + 2.5, 2.0, "V", va="center", color=GREY)
    return ax


def _source(ax: Axes) -> None:
    """The electrode: a circle with an arrow in it."""
    from matplotlib.patches import Circle

    x = _CURRENT
    ax.plot([x, x], [_OUT, 1.5], [x, x], [2.5, _IN], color="black", lw=1.5)
    ax.add_patch(Circle((x, 2.0), 0.5, fill=False, ec="black", lw=1.5))
    arrow = {"arrowstyle": "-|>", "color": "black", "lw": 1.5, "shrinkA": 0, "shrinkB": 0}
    ax.annotate("", (x, 2.4), (x, 1.6), arrowprops=arrow)
    ax.text(x - 0.7, 2.0, "current I", ha="right", va="center")


def _capacitor(ax: Axes) -> None:
    """Two plates."""
    x = _CAPACITOR
    ax.plot([x, x], [_OUT, 1.87], [x, x], [2.13, _IN], color=BLUE, lw=1.5)
    for height in (1.87, 2.13):
        ax.plot([x - 0.5, x + 0.5], [height, height], color=BLUE, lw=3)
    ax.text(x + 0.65, 2.0, "capacitance C", va="center", color=BLUE)


def _leak(ax: Axes) -> None:
    """A resistor above a battery; the battery's long plate is the positive one."""
    from matplotlib.patches import Rectangle

    x = _LEAK
    ax.plot([x, x], [_OUT, 0.87], [x, x], [1.13, 1.9], [x, x], [3.3, _IN], color=GREEN, lw=1.5)
    ax.add_patch(Rectangle((x - 0.2, 1.9), 0.4, 1.4, fill=False, ec=GREEN, lw=2))
    ax.plot([x - 0.5, x + 0.5], [0.87, 0.87], color=GREEN, lw=1.5)
    ax.plot([x - 0.25, x + 0.25], [1.13, 1.13], color=GREEN, lw=3)
    ax.text(x + 0.4, 2.75, "resistance R", va="center", color=GREEN)
    ax.text(x + 0.65, 1.0, "battery $E_L$", va="center", color=GREEN)
