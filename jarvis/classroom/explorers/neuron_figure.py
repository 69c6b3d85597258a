"""The figure of the explorer for any neuron of the `jarvis.zoo`."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from jarvis.classroom.explorers.figures import ExplorerFigure, Picture
from jarvis.classroom.explorers.neuron_view import NeuronSettings, NeuronView, compute_neuron
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE, RED

_COLOURS = (GREEN, ORANGE, PURPLE, GREY)


class NeuronPicture(Picture):
    """`NeuronView`: variables over time, the rate curve and, if there is one, the phase plane."""

    size = (9.5, 4.2)

    def _make(self) -> None:
        self.axes: dict[str, Axes] = self.figure.subplot_mosaic(
            [["first", "rate"], ["others", "plane"]], width_ratios=(3, 2)
        )
        first, others, rate, plane = (self.axes[k] for k in ("first", "others", "rate", "plane"))
        (self.first,) = first.plot([], [], color=BLUE, lw=0.8)
        (self.spikes,) = first.plot([], [], "|", color="black", ms=7)
        self.others = [others.plot([], [], color=c, lw=1)[0] for c in _COLOURS]
        (self.curve,) = rate.plot([], [], ".-", color=BLUE, lw=1, ms=4)
        self.here = rate.axvline(0.0, color=GREY, ls=":")
        nothing = np.zeros(1)
        self.arrows: Any = plane.quiver(nothing, nothing, nothing, nothing)
        (self.x_still,) = plane.plot([], [], color=BLUE)
        (self.y_still,) = plane.plot([], [], color=GREEN)
        (self.orbit,) = plane.plot([], [], color=RED, lw=1)
        self._shown: tuple[str, ...] = ()

    def _set(self, view: NeuronView) -> None:
        first, others, rate, plane = (self.axes[k] for k in ("first", "others", "rate", "plane"))
        (name, values), *rest = view.variables.items()
        times = view.times
        self.first.set_data(times, values)
        low, high = _limits(values)
        self.spikes.set_data(view.spike_times, np.full(len(view.spike_times), high))
        first.set(ylabel=name, xlim=(0.0, times[-1]), ylim=(low, high))
        first.set_title(f"{view.title}: {len(view.spike_times)} spikes", fontsize=10)
        for line, pair in zip(self.others, [*rest, *[None] * len(self.others)], strict=False):
            line.set_data(*((times, pair[1]) if pair else ([], [])))
        unit = view.time_unit
        rate.set(ylabel="rate (Hz)" if unit == "ms" else "spikes per unit")
        (others if rest else first).set_xlabel(f"time ({unit})")
        shown = tuple(name for name, _ in rest[: len(self.others)])
        others.set_visible(bool(shown))
        if shown:
            others.set(xlim=(0.0, times[-1]), ylim=_limits(np.array([v for _, v in rest])))
            if shown != self._shown:
                others.legend(
                    self.others[: len(shown)], shown, fontsize=8, ncols=len(shown),
                    loc="lower right", bbox_to_anchor=(1.0, 0.98), frameon=False,
                )  # fmt: skip
            self._shown = shown
        self.curve.set_data(view.drives, view.rates)
        self.here.set_xdata([view.drive] * 2)
        top = np.nanmax(view.rates) if np.isfinite(view.rates).any() else 1.0
        rate.set(xlabel=f"input ({view.unit})", ylim=(-0.05 * (top or 1.0), 1.1 * (top or 1.0)))
        rate.set_xlim(min(view.drives[0], view.drive), max(view.drives[-1], view.drive))
        plane.set_visible(view.plane is not None)
        if view.plane is not None:
            self._draw_plane(view)

    def _draw_plane(self, view: NeuronView) -> None:
        plane, ax = view.plane, self.axes["plane"]
        assert plane is not None
        x_name, y_name = plane.names
        ax.set(xlabel=x_name, ylabel=y_name, xlim=plane.limits[0], ylim=plane.limits[1])
        self.x_still.set_data(plane.x, plane.x_nullcline)
        self.y_still.set_data(plane.x, plane.y_nullcline)
        fired = np.searchsorted(view.times, view.spike_times - 1e-9)
        orbit = [np.insert(view.variables[name], fired, np.nan) for name in plane.names]
        self.orbit.set_data(*orbit)
        x, y, dx, dy = plane.arrows
        (low_x, high_x), (low_y, high_y) = plane.limits
        dx, dy = dx / (high_x - low_x), dy / (high_y - low_y)  # so that directions fit the axes
        size = np.maximum(np.hypot(dx, dy), 1e-12)
        self.arrows.remove()
        self.arrows = ax.quiver(
            x, y, dx / size, dy / size, color=GREY, alpha=0.5, scale=26, width=0.004, zorder=0
        )
        ax.set_title(f"blue: {x_name} does not change; green: {y_name} does not", fontsize=8)


def _limits(values: np.ndarray) -> tuple[float, float]:
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    room = 0.08 * (high - low) or 0.5
    return low - room, high + room


def draw_neuron(name: str = "adex", **start: Any) -> ExplorerFigure:
    """The static version of `widgets.neuron`, with the same arguments.

    Example:
        >>> figure = draw_neuron("adex", drive=400.0)
    """
    drive = start.pop("drive", None)
    picture = NeuronPicture()
    picture.show(compute_neuron(NeuronSettings(name=name, drive=drive, values=start)))
    return picture.figure
