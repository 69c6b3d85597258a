"""One step of a neuron as a graph, with the paths that gradients take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jarvis.plotting import BLUE, GREY, RED, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_PLACES = {
    "v before": (0.0, 1.0), "λ": (1.6, 2.0), "λ v": (3.0, 1.0), "x": (3.0, 0.0),
    "h": (4.6, 1.0), "s": (6.4, 2.0), "1 - s": (7.9, 2.0), "v after": (9.4, 1.0),
}  # fmt: skip

#: Kinds of arrows: label, colour, line style, and the nodes that they connect.
_ARROWS = (
    ("forward and back", BLUE, "-",
     (("v before", "λ v"), ("λ", "λ v"), ("λ v", "h"), ("x", "h"), ("h", "v after"))),
    ("forward, and back by the surrogate", RED, "-", (("h", "s"),)),
    ("forward only", GREY, "--", (("v before", "λ"), ("s", "1 - s"), ("1 - s", "v after"))),
)  # fmt: skip


def step_graph(ax: Axes | None = None) -> Axes:
    """Draw a step of the two-leak neuron: ``h = λ v + x``, ``s = [h >= 1]``, ``v = h (1 - s)``.

    An arrow shows the direction in which a value flows, and its style shows whether a gradient
    flows back along it. λ depends on whether v is above the knee; the reset is detached.

    Args:
        ax: where to draw; None for a new figure.

    Returns:
        the Axes.

    Example:
        >>> [text.get_text() for text in step_graph().texts][:3]
        ['v before', 'λ', 'λ v']
    """
    ax = axes_of(ax, (8.5, 2.7))
    box = {"boxstyle": "round,pad=0.35", "fc": "white", "ec": "black"}
    for name, (x, y) in _PLACES.items():
        ax.text(x, y, name, ha="center", va="center", fontsize=11, zorder=3, bbox=box)
    for label, color, style, pairs in _ARROWS:
        ax.plot([], [], color=color, ls=style, label=label)
        for start, end in pairs:
            shrink = [30 if name.startswith("v ") else 17 for name in (start, end)]
            way = {"arrowstyle": "-|>", "color": color, "lw": 1.6, "ls": style,
                   "shrinkA": shrink[0], "shrinkB": shrink[1]}  # fmt: skip
            ax.annotate("", _PLACES[end], _PLACES[start], arrowprops=way)
    ax.text(0.62, 1.58, "v > knee?", ha="right", fontsize=9)
    ax.set(xlim=(-0.9, 10.2), ylim=(-0.4, 2.5))
    ax.set_axis_off()
    ax.legend(ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.2))
    return ax
