"""Sliders before the explorers: classroom widgets on ipywidgets, each with a static twin.

Every function returns an `Explorer`, a box to be shown as a cell's last line. It computes on the
compiled loops (`explorers.py`) and draws into one figure, whose artists it gives new data
(`explorer_figures.py`): nothing flickers, and nothing piles up. What goes wrong is said in the
widget and kept in `Explorer.errors`, because an exception in a callback stops no notebook.

    from jarvis import widgets
    widgets.lif(current=1.5)
    widgets.draw_lif(current=1.5)  # the static twin, in a cell of its own: a plain Figure
"""

import html
import warnings
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from jarvis.adex import FIRING_PATTERNS
from jarvis.explorer_figures import (
    AdExPicture,
    CodePicture,
    LIFPicture,
    Picture,
    STDPPicture,
    SurrogatePicture,
    draw_adex,
    draw_code,
    draw_lif,
    draw_stdp,
    draw_surrogate,
    to_png,
)
from jarvis.explorers import (
    AdExSettings,
    CodeSettings,
    LIFSettings,
    STDPSettings,
    compute_adex,
    compute_code,
    compute_lif,
    compute_stdp,
)
from jarvis.layout_figure import LayoutPicture, draw_layout_frame
from jarvis.layout_frames import (
    LayoutFilm,
    LayoutSettings,
    compute_layout,
    film_of_file,
    film_of_run,
)
from jarvis.lif import RESETS
from jarvis.plasticity import BOUNDS
from jarvis.surrogate import SURROGATES
from jarvis.surrogate_curves import SLOPES, SurrogateSettings, compute_surrogate, train_all

try:
    import ipywidgets
except ModuleNotFoundError as error:
    raise ImportError(
        "jarvis.widgets needs ipywidgets, which is not installed: pip install 'jarvis-snn[lab]'. "
        "The static figures of jarvis.explorer_figures work without it"
    ) from error

__all__ = [
    "Explorer", "LayoutFilm", "adex", "code", "draw_adex", "draw_code", "draw_layout_frame",
    "draw_lif", "draw_stdp", "draw_surrogate", "film_of_file", "film_of_run", "layout", "lif",
    "stdp", "surrogate",
]  # fmt: skip

KEPT_ERRORS = 100  #: an explorer keeps that many of the last
_WIDE = {"description_width": "190px"}
_ROW = {"width": "460px"}
_DIGITS = ".6"  # d3's format: as many digits as the number has, up to six: 0.0525, 20
# As wide as it was drawn, so that text stays sharp; narrower where the page is.
_PICTURE = {"width": "auto", "max_width": "100%", "align_self": "flex-start", "margin": "0"}
_MESSAGE = {"min_height": "28px"}  # a line is kept free, so that one that comes moves nothing


def slider(label: str, value: float, low: float, high: float, step: float) -> Any:
    """A slider over numbers; over integers if all four are."""
    more = {"min": low, "max": high, "step": step, "description": label, "style": _WIDE}
    if all(isinstance(x, int) for x in (value, low, high, step)):
        return ipywidgets.IntSlider(value=value, layout=_ROW, **more)
    return ipywidgets.FloatSlider(value=value, layout=_ROW, readout_format=_DIGITS, **more)


def choice(label: str, value: Any, options: Any) -> Any:
    """A menu."""
    return ipywidgets.Dropdown(
        value=value, options=list(options), description=label, style=_WIDE, layout=_ROW
    )


class Explorer(ipywidgets.VBox):
    """Sliders, a figure, and a line for what is wrong.

    Args:
        settings: what to start from; its fields are named by `controls`.
        controls: sliders and menus, by the name of the setting that they move.
        compute: settings -> arrays.
        picture: draws the arrays.
        presets: name of a menu -> function of its value that gives other controls' values.

    Attributes:
        controls: the same; set ``.value`` of one to move it.
        errors: the last exceptions of this explorer, as they were shown; empty if there was none.
        warned: the warnings of the last move.
        moves: how often it was drawn.
        picture: the `Picture`, with its figure.
        image: the widget that shows it; ``image.value`` is the PNG (a memoryview).
    """

    def __init__(
        self,
        settings: Any,
        controls: Mapping[str, Any],
        compute: Callable[[Any], Any],
        picture: Picture,
        presets: Mapping[str, Callable[[Any], dict[str, Any]]] | None = None,
    ) -> None:
        self._settings, self._compute, self.picture = settings, compute, picture
        self.controls = dict(controls)
        self._presets = dict(presets or {})
        self._held = False
        self.errors: deque[Exception] = deque(maxlen=KEPT_ERRORS)
        self.warned: list[str] = []
        self.moves = 0
        self.message = ipywidgets.HTML(layout=_MESSAGE)
        self.image = ipywidgets.Image(format="png", layout=_PICTURE)
        for name, control in self.controls.items():
            control.observe(self._on_change(name), names="value")
        self._redraw()
        super().__init__([*self.controls.values(), self.message, self.image])

    @property
    def settings(self) -> Any:
        """The settings that the sliders stand for now."""
        return replace(self._settings, **{name: c.value for name, c in self.controls.items()})

    def _on_change(self, name: str) -> Callable[[Any], None]:
        def moved(change: Any) -> None:
            if self._held:
                return
            if name in self._presets:
                self._take(self._presets[name](change["new"]))
            self._redraw()

        return moved

    def _take(self, values: dict[str, Any]) -> None:
        """Set several controls, and draw only afterwards."""
        self._held = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._held = False

    def _redraw(self) -> None:
        self.moves += 1
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always", UserWarning)
                self.picture.show(self._compute(self.settings))
                self.image.value = to_png(self.picture.figure)
            self.warned = [str(w.message) for w in caught if issubclass(w.category, UserWarning)]
            self._say(self.warned, "#7a5200", "Note")
        except Exception as error:  # shown to the learner; a traceback would go to a log
            # Without its traceback, which would keep every array of the failed call.
            self.errors.append(error.with_traceback(None))
            self.warned = []
            kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            self._say(
                [f"{kind}{error}. The figure shows the last good setting"], "#b00020", "Error"
            )

    def _say(self, texts: list[str], colour: str, what: str) -> None:
        rows = "".join(f"<div>{what}: {html.escape(text)}.</div>" for text in texts)
        self.message.value = (
            f'<div role="alert" style="color:{colour}">{rows}</div>' if rows else ""
        )


def _started(settings: type, values: dict[str, Any], **fixed: Any) -> Any:
    try:
        return settings(**fixed, **values)
    except TypeError:
        names = [name for name in settings.__dataclass_fields__ if name not in fixed]  # type: ignore[attr-defined]
        wrong = sorted(set(values) - set(names))
        raise ValueError(
            f"no such setting: {', '.join(wrong)}; there are {', '.join(names)}"
        ) from None


def lif(**start: Any) -> Explorer:
    """A LIF neuron under a constant current: potential, spikes, and rate against current.

    Args:
        **start: values of `LIFSettings` to begin with: current, tau, threshold, reset, refractory.

    Example:
        >>> explorer = lif(current=2.0)
        >>> explorer.controls["tau"].value = 10.0
        >>> len(explorer.errors), bytes(explorer.image.value[1:4])
        (0, b'PNG')
    """
    at = _started(LIFSettings, start)
    controls = {
        "current": slider("current I (units of v)", at.current, 0.0, 4.0, 0.05),
        "tau": slider("tau (ms)", at.tau, 2.0, 50.0, 1.0),
        "threshold": slider("threshold (units of v)", at.threshold, 0.2, 2.0, 0.1),
        "reset": choice("reset", at.reset, RESETS),
        "refractory": slider("refractory time (ms)", at.refractory, 0.0, 20.0, 0.5),
    }
    return Explorer(at, controls, compute_lif, LIFPicture())


def adex(**start: Any) -> Explorer:
    """An AdEx neuron: its firing pattern, over time and in the phase plane.

    The menu sets the sliders to a published pattern's values; all else stays the pattern's.

    Args:
        **start: values of `AdExSettings`: pattern, current, a, b, tau_w, v_reset.
    """
    names = ("current", "a", "b", "tau_w", "v_reset")
    at = _started(AdExSettings, start)
    at.params()  # an unknown pattern, or a value out of range, is said here

    def published(pattern: str) -> dict[str, float]:
        values = FIRING_PATTERNS[pattern]._asdict()
        return {name: values[name] for name in names}

    given = {name: getattr(at, name) for name in names if getattr(at, name) is not None}
    first = published(at.pattern) | given
    controls = {
        "pattern": choice("pattern (sets the sliders)", at.pattern, FIRING_PATTERNS),
        "current": slider("current I (pA)", first["current"], 0.0, 1000.0, 10.0),
        "a": slider("a, coupling to V (nS)", first["a"], -12.0, 20.0, 1.0),
        "b": slider("b, rise at a spike (pA)", first["b"], 0.0, 200.0, 5.0),
        "tau_w": slider("tau_w (ms)", first["tau_w"], 10.0, 400.0, 5.0),
        "v_reset": slider("reset potential (mV)", first["v_reset"], -70.0, -44.0, 1.0),
    }
    return Explorer(at, controls, compute_adex, AdExPicture(), {"pattern": published})


def code(**start: Any) -> Explorer:
    """A digit as Poisson trains and as first spikes; drag T and see what is left of it.

    Args:
        **start: values of `CodeSettings`: digit, picture, n_steps, max_rate, seed.
    """
    at = _started(CodeSettings, start)
    controls = {
        "digit": slider("digit", at.digit, 0, 9, 1),
        "picture": slider("which picture of it", at.picture, 0, 19, 1),
        "n_steps": slider("T (steps of 1 ms)", at.n_steps, 2, 200, 1),
        "max_rate": slider("rate of white (Hz)", float(at.max_rate), 10.0, 1000.0, 10.0),
        "seed": slider("seed of the draw", at.seed, 0, 20, 1),
    }
    return Explorer(at, controls, compute_code, CodePicture())


def surrogate(**start: Any) -> Explorer:
    """A surrogate's derivative, and how a small network learned with it.

    All trainings that the sliders can reach are run at the start, once a session: some seconds.

    Args:
        **start: values of `SurrogateSettings`: shape, slope (one of `SLOPES`).
    """
    at = _started(SurrogateSettings, start)
    if at.slope not in SLOPES:
        raise ValueError(f"slope={at.slope!r} is not one of {', '.join(f'{k:g}' for k in SLOPES)}")
    train_all()
    slopes = [(f"{slope:g}", slope) for slope in SLOPES]
    controls = {
        "shape": choice("shape", at.shape, SURROGATES),
        "slope": ipywidgets.SelectionSlider(
            value=float(at.slope), options=slopes, description="slope k (1/unit of v)",
            style=_WIDE, layout=_ROW,
        ),
    }  # fmt: skip
    return Explorer(at, controls, compute_surrogate, SurrogatePicture())


def stdp(**start: Any) -> Explorer:
    """The STDP window in closed form, under pairs of spikes that the rule was run on.

    Args:
        **start: values of `STDPSettings`: a_plus, a_minus, tau_plus, tau_minus, bounds, weight.
    """
    at = _started(STDPSettings, start)
    controls = {
        "a_plus": slider("a_plus (units of w)", at.a_plus, 0.0, 0.2, 0.0025),
        "a_minus": slider("a_minus (units of w)", at.a_minus, 0.0, 0.2, 0.0025),
        "tau_plus": slider("tau_plus (ms)", at.tau_plus, 2.0, 60.0, 1.0),
        "tau_minus": slider("tau_minus (ms)", at.tau_minus, 2.0, 60.0, 1.0),
        "bounds": choice("bounds", at.bounds, BOUNDS),
        "weight": slider("weight before (w_max = 1)", at.weight, 0.0, 1.0, 0.01),
    }
    return Explorer(at, controls, compute_stdp, STDPPicture())


def layout(film: LayoutFilm, **start: Any) -> Explorer:
    """A film of where neurons sit: scrub through training, choose a neuron, see its delays.

    Args:
        film: of `film_of_run` (a run's frames) or `film_of_file` (results/shd/layout.json).
        **start: frame and neuron to begin with, from 0.
    """
    at = _started(LayoutSettings, start, film=film)
    compute_layout(at)  # a frame or neuron that does not exist is said here
    frames, neurons, n_dims = len(film.epochs), film.hidden.shape[1], film.inputs.shape[2]
    controls = {
        "frame": slider("frame", at.frame, 0, frames - 1, 1),
        "neuron": slider("hidden neuron", at.neuron, 0, neurons - 1, 1),
    }
    return Explorer(at, controls, compute_layout, LayoutPicture(n_dims))
