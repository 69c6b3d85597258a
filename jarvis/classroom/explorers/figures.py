"""The explorers' figures: created once, then updated with new arrays, without pyplot or globals.

A `Picture` keeps its artists and changes their data, so that moving a slider neither flickers nor
leaks memory. The static versions, such as `draw_lif(current=2.0)`, are plain matplotlib Figures
with the same settings, for pages without a kernel.
"""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from jarvis.classroom.explorers.pointer import Pen
from jarvis.classroom.explorers.surrogate_curves import (
    SLOPES,
    SurrogateSettings,
    SurrogateView,
    compute_surrogate,
)
from jarvis.classroom.explorers.views import (
    LIF_SHOWN,
    AdExSettings,
    AdExView,
    CodeSettings,
    CodeView,
    LIFSettings,
    LIFView,
    STDPSettings,
    STDPView,
    compute_adex,
    compute_code,
    compute_lif,
    compute_stdp,
)
from jarvis.plotting import BLUE, GREEN, GREY, RED

DPI = 96  #: text is then as large as in the surrounding page

PEAK = 0.0  #: top of a drawn AdEx spike, mV


class ExplorerFigure(Figure):
    """A Figure that a notebook displays as a PNG, whatever the matplotlib backend."""

    def _repr_png_(self) -> bytes:
        return to_png(self)


def to_png(figure: Figure) -> bytes:
    """The figure as the bytes of a PNG."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


class Picture:
    """A figure and its artists: `_make` of a subclass creates them, `_set` sets their data."""

    size = (9.0, 3.2)  # inches

    def __init__(self) -> None:
        self.figure = ExplorerFigure(figsize=self.size, dpi=DPI, layout="constrained")
        FigureCanvasAgg(self.figure)
        self._make()
        self._settled = False

    def _make(self) -> None:
        raise NotImplementedError

    def _set(self, view: Any) -> None:
        raise NotImplementedError

    def show(self, view: Any) -> Figure:
        """Update the artists with the arrays of `view` and return the figure."""
        self._set(view)
        if not self._settled:  # the layout is computed only once, so that axes stay in place
            self.figure.canvas.draw()
            self.figure.set_layout_engine("none")
            self._settled = True
        return self.figure


class LIFPicture(Picture):
    """`LIFView`: the potential with its spikes, and the rate against the current."""

    def _make(self) -> None:
        left, right = self.figure.subplots(1, 2, width_ratios=(3, 2))
        (self.h,) = left.plot([], [], color=BLUE, lw=1.2, label="v")
        self.threshold = left.axhline(1.0, color=GREY, ls="--", lw=1, label="threshold")
        (self.spikes,) = left.plot([], [], "v", color="black", ms=5, label="spikes")
        left.set(xlabel="time (ms)", ylabel="potential v (rest = 0)", xlim=(0, LIF_SHOWN))
        (self.formula,) = right.plot([], [], color="black", lw=1, label="closed form")
        (self.rates,) = right.plot([], [], "o", color=BLUE, ms=4, label="simulated")
        (self.here,) = right.plot([], [], "D", color=RED, ms=7, label="this current")
        right.set(xlabel="current I (units of v)", ylabel="firing rate (Hz)")
        right.legend(fontsize=8, frameon=False, loc="upper left")
        self.left, self.right = left, right

    def _set(self, view: LIFView) -> None:
        settings = view.settings
        # An upstroke ends at h, the next starts at v; plotting both at one time draws the reset.
        fired = np.searchsorted(view.times, view.spike_times - 1e-9)
        at = fired + 1
        times = np.insert(view.times, at, view.spike_times)
        path = np.insert(view.h, at, view.v[fired])
        self.h.set_data(np.append(0.0, times), np.append(0.0, path))
        top = max(1.15 * settings.threshold, 1.1 * float(view.h.max()))
        self.threshold.set_ydata([settings.threshold] * 2)
        self.spikes.set_data(view.spike_times, np.full(len(view.spike_times), 1.06 * top))
        low = min(0.0, 1.1 * float(view.v.min()))
        self.left.set_ylim(low - 0.05 * top, 1.15 * top)
        self.formula.set_data(view.line, view.closed_form)
        self.rates.set_data(view.currents, view.rates)
        self.here.set_data([settings.current], [view.rate])
        shown = view.rates[np.isfinite(view.rates)]
        self.right.set_ylim(-1.0, 1.1 * max(10.0, float(shown.max())))
        self.right.set_xlim(min(-0.1, settings.current), max(4.1, 1.05 * settings.current))
        self.left.set_title(f"{len(view.spike_times)} spikes in {LIF_SHOWN:g} ms", fontsize=10)
        found = "none: v is not reset" if np.isnan(view.rate) else f"{view.rate:.1f} Hz"
        self.right.set_title(f"closed form at this current: {found}", fontsize=10)


class AdExPicture(Picture):
    """`AdExView`: potential and adaptation over time, and both in the phase plane."""

    size = (9.5, 3.8)

    def _make(self) -> None:
        axes = self.figure.subplot_mosaic([["v", "plane"], ["w", "plane"]], width_ratios=(3, 2))
        self.axes: dict[str, Axes] = axes
        (self.v,) = axes["v"].plot([], [], color=BLUE, lw=0.8)
        (self.w,) = axes["w"].plot([], [], color=GREEN, lw=1)
        axes["v"].set(ylabel="V (mV)", ylim=(-95, 8), xlim=(0, 500))
        axes["w"].set(xlabel="time (ms)", ylabel="w (pA)", xlim=(0, 500))
        plane = axes["plane"]
        nothing = np.zeros((11, 15))
        self.arrows = plane.quiver(nothing, nothing, nothing, nothing, color=GREY, alpha=0.5,
                                   scale=26, width=0.004)  # fmt: skip
        (self.v_still,) = plane.plot([], [], color=BLUE, label="dV/dt = 0")
        (self.w_still,) = plane.plot([], [], color=GREEN, label="dw/dt = 0")
        self.reset = plane.axvline(-58.0, color=GREY, ls=":", label="reset")
        (self.orbit,) = plane.plot([], [], color=RED, lw=1, label="this neuron")
        (self.after,) = plane.plot([], [], "s", color=RED, ms=3)
        (self.stable,) = plane.plot([], [], "o", color="black", ms=6, label="stable fixed point")
        (self.unstable,) = plane.plot([], [], "o", color="black", mfc="white", ms=6)
        plane.set(xlabel="potential V (mV)", ylabel="adaptation w (pA)", xlim=(-85, -35))
        named = plane.get_legend_handles_labels()  # below the axes, where nothing is drawn
        self.figure.legend(*named, loc="outside lower right", ncols=5, fontsize=9, frameon=False)

    def _set(self, view: AdExView) -> None:
        fired = np.searchsorted(view.times, view.spike_times - 1e-9)
        times = np.insert(view.times, fired, view.spike_times)
        self.v.set_data(times, np.insert(view.v, fired, PEAK))
        self.w.set_data(view.times, view.w)
        low, high = view.arrows[1].min(), view.arrows[1].max()
        room = 0.08 * (high - low)
        limits = (low - room, high + room)
        self.axes["w"].set_ylim(*limits)
        plane = self.axes["plane"]
        plane.set_ylim(*limits)
        self.v_still.set_data(view.line, view.v_nullcline)
        self.w_still.set_data(view.line, view.w_nullcline)
        self.reset.set_xdata([view.v_reset] * 2)
        self.orbit.set_data(np.insert(view.v, fired, np.nan), np.insert(view.w, fired, np.nan))
        self.after.set_data(view.v[fired], view.w[fired])
        for artist, stable in ((self.stable, True), (self.unstable, False)):
            points = [p for p in view.fixed_points if p.stable == stable]
            artist.set_data([p.v for p in points], [p.w for p in points])
        v, w, dv, dw = view.arrows
        dv, dw = dv / 50.0, dw / (limits[1] - limits[0])  # so that directions fit the plot's axes
        size = np.maximum(np.hypot(dv, dw), 1e-12)
        self.arrows.set_offsets(np.stack([v.ravel(), w.ravel()], 1))
        self.arrows.set_UVC(dv / size, dw / size)
        self.axes["v"].set_title(
            f"{len(view.spike_times)} spikes in 500 ms; rheobase {view.rheobase:.0f} pA",
            fontsize=10,
        )


class CodePicture(Picture):
    """`CodeView`: the image, its spikes in two codes, and what is decoded from them.

    Attributes:
        pen: draws on the image; see `Pen`.
    """

    size = (9.5, 3.8)

    def _make(self) -> None:
        self.axes = self.figure.subplot_mosaic(
            [["picture", "poisson", "back_poisson"], ["picture", "first", "back_first"]],
            width_ratios=(1.2, 3, 1.2),
        )
        self.images = {}
        for name in ("picture", "back_poisson", "back_first"):
            ax = self.axes[name]
            self.images[name] = ax.imshow(np.zeros((8, 8)), cmap="gray", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
        self.axes["picture"].set_xlabel("8x8 pixels")
        self.pen = Pen(self.axes["picture"])
        self.marks = {}
        for name in ("poisson", "first"):
            ax = self.axes[name]
            (self.marks[name],) = ax.plot([], [], "|", color="black", ms=4, mew=1.5)
            ax.set(ylim=(63.5, -0.5), ylabel="pixel")
        self.axes["first"].set_xlabel("time (ms)")

    def _set(self, view: CodeView) -> None:
        self.images["picture"].set_data(view.picture)
        title = "your picture" if view.yours else "the picture"
        self.axes["picture"].set_title(title, fontsize=10)
        shown = (("poisson", "Poisson", view.poisson, view.from_poisson, 0),
                 ("first", "first spikes", view.first, view.from_first, 1))  # fmt: skip
        for name, title, train, back, index in shown:
            steps, units = np.nonzero(train)
            self.marks[name].set_data(steps, units)
            self.axes[name].set_xlim(-1, len(train))
            self.axes[name].set_title(f"{title}: {len(steps)} spikes", fontsize=10)
            self.images[f"back_{name}"].set_data(back)
            error = f"decoded, error {view.errors[index]:.3f}"
            self.axes[f"back_{name}"].set_title(error, fontsize=10)


class SurrogatePicture(Picture):
    """`SurrogateView`: the derivative, and the loss of trainings that use it."""

    def _make(self) -> None:
        self.left, right = self.figure.subplots(1, 2)
        (self.derivative,) = self.left.plot([], [], color=BLUE)
        self.left.set(xlabel="v - threshold", ylabel="d spike / dv", xlim=(-1.5, 1.5))
        self.others = [right.plot([], [], color=GREY, alpha=0.4, lw=1)[0] for _ in SLOPES]
        self.others[0].set_label("this shape, other slopes")
        (self.losses,) = right.plot([], [], color=BLUE, lw=2, label="this slope")
        self.chance = right.axhline(1.0, color="black", ls=":", lw=1, label="guessing")
        right.set(xlabel="update", ylabel="loss (cross-entropy)", xlim=(1, 40), ylim=(0, 3))
        right.legend(fontsize=8, frameon=False)
        self.right = right

    def _set(self, view: SurrogateView) -> None:
        self.derivative.set_data(view.x, view.derivative)
        self.left.set_ylim(-0.02, 1.1 * float(view.derivative.max()))
        self.left.set_title(view.formula, fontsize=9)
        updates = np.arange(1, len(view.losses) + 1)
        for line, losses in zip(self.others, view.others, strict=True):
            line.set_data(updates, losses)
        self.losses.set_data(updates, view.losses)
        self.chance.set_ydata([view.chance] * 2)
        self.right.set_ylim(0, max(1.2 * view.chance, 1.05 * float(view.others.max())))
        text = f"a small network on digits: {view.losses[0]:.2f} to {view.losses[-1]:.2f}"
        self.right.set_title(text, fontsize=10)


class STDPPicture(Picture):
    """`STDPView`: the window, and simulated pairs."""

    size = (6.5, 3.4)

    def _make(self) -> None:
        self.ax = self.figure.subplots()
        self.ax.axhline(0.0, color=GREY, lw=0.8)
        self.ax.axvline(0.0, color=GREY, lw=0.8)
        (self.before,) = self.ax.plot([], [], color=RED, label="output first: closed form")
        (self.after,) = self.ax.plot([], [], color=BLUE, label="input first: closed form")
        (self.pairs,) = self.ax.plot([], [], "o", color="black", ms=4, label="pairs, simulated")
        self.ax.set(xlabel="t_post - t_pre (ms)", ylabel="change of the weight", xlim=(-100, 100))
        self.ax.legend(fontsize=8, frameon=False, loc="upper left")

    def _set(self, view: STDPView) -> None:
        causal = view.line >= 0
        self.before.set_data(view.line[~causal], view.window[~causal])
        self.after.set_data(view.line[causal], view.window[causal])
        self.pairs.set_data(view.pairs, view.changes)
        reach = 1.2 * max(1e-3, float(np.abs(view.window).max()))
        self.ax.set_ylim(-reach, reach)
        way = "up" if view.area > 0 else "down" if view.area < 0 else "nowhere"
        self.ax.set_title(
            f"area {view.area:+.3f} ms: chance pairs drive the weight {way}", fontsize=10
        )


def _static(picture: type[Picture], compute: Callable, settings: type) -> Callable[..., Figure]:
    def draw(**values: Any) -> Figure:
        return picture().show(compute(settings(**values)))

    draw.__doc__ = f"The static version: a Figure of `{settings.__name__}` with these values."
    return draw


draw_lif = _static(LIFPicture, compute_lif, LIFSettings)

draw_adex = _static(AdExPicture, compute_adex, AdExSettings)

draw_code = _static(CodePicture, compute_code, CodeSettings)

draw_surrogate = _static(SurrogatePicture, compute_surrogate, SurrogateSettings)

draw_stdp = _static(STDPPicture, compute_stdp, STDPSettings)
