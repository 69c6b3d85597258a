"""A spiking layer unrolled in time, with the forward pass and the path of the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jarvis.plotting import BLUE, GREY, RED, axes_of
from jarvis.support.checks import check_integer

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Point = tuple[float, float]

#: Heights of the rows.
_INPUT, _POTENTIAL, _SPIKE, _LOSS = 0.0, 1.6, 3.2, 4.8

_WIDTH = 3.0  # width of a time step

_APART = 0.13  # half the distance between an arrow and the gradient's arrow beside it


def unrolled_graph(n_steps: int = 3, *, recurrent: bool = False, ax: Axes | None = None) -> Axes:
    """Draw the computational graph of a layer of LIF neurons over a few time steps.

    Solid blue arrows are the forward pass: the input x reaches the potential h through the weights
    W, the potential determines the spike s, and what is left of the potential leaks into the next
    step. Dashed red arrows are the backward pass, which uses the surrogate derivative between spike
    and potential. Each step adds its part to the gradient of the weights. The reset is not drawn,
    because no gradient passes through it (``detach_reset=True``).

    Args:
        n_steps: number of time steps, at least 2.
        recurrent: also draw the recurrent weights V, from each spike to the next potential.
        ax: where to draw; None for a new figure.

    Returns:
        the Axes.

    Raises:
        ValueError: for fewer than two steps, or more than eight.

    Source: after Neftci, Mostafa & Zenke 2019, IEEE Signal Process. Mag. 36(6):51.

    Example:
        >>> axes = unrolled_graph(2)
        >>> [text.get_text() for text in axes.texts if "derivative" in text.get_text()]
        ["surrogate derivative\\n$\\\\sigma'(h - 1)$"]
    """
    n_steps = check_integer("unrolled_graph: n_steps", n_steps, at_least=2, at_most=8)
    last = _WIDTH * (n_steps - 1)
    ax = axes_of(ax, (1.9 * n_steps + 2.3, 4.8))
    ax.set(xlim=(-0.8, last + 3.0), ylim=(-0.9, _LOSS + 0.6))
    ax.set_axis_off()
    loss = (0.5 * last, _LOSS)
    for k in range(n_steps):
        here = _WIDTH * k
        _both(ax, (here, _INPUT), (here, _POTENTIAL))
        ax.text(here - 0.25, 0.5 * (_INPUT + _POTENTIAL), "$W$", ha="right", va="center")
        _both(ax, (here, _POTENTIAL), (here, _SPIKE))
        _both(ax, (here, _SPIKE), loss)
        if k + 1 < n_steps:
            _both(ax, (here, _POTENTIAL), (here + _WIDTH, _POTENTIAL))
            ax.text(here + 0.5 * _WIDTH, _POTENTIAL - 0.25, "leak", ha="center", va="top")
        if recurrent and k + 1 < n_steps:
            _both(ax, (here, _SPIKE), (here + _WIDTH, _POTENTIAL))
            ax.text(here + 0.5 * _WIDTH, 0.5 * (_POTENTIAL + _SPIKE) + 0.3, "$V$")
        for height, letter in ((_INPUT, "x"), (_POTENTIAL, "h"), (_SPIKE, "s")):
            _node(ax, (here, height), f"${letter}_{{{k + 1}}}$")
        ax.text(here, _INPUT - 0.45, f"step {k + 1}", ha="center", va="top", color=GREY)
    _node(ax, loss, "loss")
    for height, words in (
        (0.5 * (_POTENTIAL + _SPIKE), "surrogate derivative\n$\\sigma'(h - 1)$"),
        (0.5 * (_INPUT + _POTENTIAL), "gradient of $W$:\nsum over the steps"),
    ):
        ax.text(last + 0.35, height, words, color=RED, va="center")
    ax.plot([], [], color=BLUE, label="forward")
    ax.plot([], [], color=RED, ls="--", label="backward")
    ax.legend(loc="upper right", frameon=False)
    return ax


def _node(ax: Axes, at: Point, words: str) -> None:
    ax.scatter(*at, s=900, facecolor="white", edgecolor=GREY, zorder=3)
    ax.text(*at, words, ha="center", va="center", zorder=4)


def _both(ax: Axes, start: Point, end: Point) -> None:
    """An arrow of the forward pass, and beside it an arrow of the backward pass."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    for color, style, (a, b), side in (
        (BLUE, "-", (start, end), _APART),
        (RED, "--", (end, start), -_APART),
    ):
        x, y = -side * dy / length, side * dx / length
        arrow = {"arrowstyle": "-|>", "color": color, "ls": style, "lw": 1.3}
        ends = (b[0] + x, b[1] + y), (a[0] + x, a[1] + y)
        ax.annotate("", *ends, arrowprops=arrow | {"shrinkA": 17, "shrinkB": 17})
