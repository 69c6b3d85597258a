"""What a later spike does to the potential after it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from jarvis.plotting import BLUE, GREY, ORANGE, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BEFORE, _AFTER = 0.25, 0.12  # slopes of v before and after the spike, 1/ms
_T, _DT = 4.0, 1.2  # spike time, and by how much it moves, ms


def moved_event(ax: Axes | None = None) -> Axes:
    """Draw the potential around a spike, and a slightly lower potential that spikes later.

    The potential rises to the threshold, is reset to 0 and rises again with another slope. If it is
    lower by dv before the spike, the spike comes later by dt, which is dv divided by the slope
    before the spike. From then on, the potential is lower by dt times the slope after the spike.

    Args:
        ax: where to draw; None for a new figure.

    Returns:
        the Axes.

    Example:
        >>> moved_event().get_xlabel()
        'time (ms)'
    """
    ax = axes_of(ax, (6.4, 3.0))
    end = 9.0
    for shift, color, style in ((0.0, BLUE, "-"), (_DT, ORANGE, "--")):
        at = _T + shift
        rise = ([0.5, at], [1 - _BEFORE * (at - 0.5), 1.0])
        ax.plot(*rise, [at, at], [1.0, 0.0], color=color, ls=style)
        ax.plot([at, end], [0.0, _AFTER * (end - at)], color=color, ls=style)
    ax.axhline(1.0, color=GREY, ls=":", lw=1)
    ax.text(0.5, 1.02, "threshold", color=GREY, va="bottom")
    gap = dict(arrowstyle="<->", color="black", shrinkA=0, shrinkB=0)
    high = 1 - _BEFORE * (_T - 1.5)
    ax.annotate("", (1.5, high), (1.5, high - _BEFORE * _DT), arrowprops=gap)
    ax.text(1.65, high - _BEFORE * _DT / 2, "$dv^-$", va="center")
    ax.annotate("", (_T, 1.12), (_T + _DT, 1.12), arrowprops=gap)
    ax.text(_T + _DT / 2, 1.15, "$dt$", ha="center", va="bottom")
    high = _AFTER * (8.0 - _T)
    ax.annotate("", (8.0, high), (8.0, high - _AFTER * _DT), arrowprops=gap)
    ax.text(8.15, high - _AFTER * _DT / 2, "$dv^+$", va="center")
    ax.set(xlabel="time (ms)", ylabel="potential v", xlim=(0.4, 9.2), ylim=(-0.05, 1.32))
    return ax
