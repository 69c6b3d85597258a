"""The box of an explorer: sliders, what the pointer does, a line for what is wrong, a picture."""

import html
import warnings
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import ipywidgets

from jarvis.classroom.explorers.figures import Picture, to_png
from jarvis.classroom.explorers.picture_widget import PointerPicture, picture_widget
from jarvis.classroom.explorers.pointer import Pointer

NEEDS = "it needs anywidget, pip install 'jarvis-snn[lab]'"

KEPT_ERRORS = 100  #: an explorer keeps that many of the last

WIDE = {"description_width": "190px"}

ROW = {"width": "460px"}

_DIGITS = ".6"  # d3's format: as many digits as the number has, up to six: 0.0525, 20

# As wide as it was drawn, so that text stays sharp; narrower where the page is.
_PICTURE = {"width": "auto", "max_width": "100%", "align_self": "flex-start", "margin": "0"}

_MESSAGE = {"min_height": "28px"}  # a line is kept free, so that one that comes moves nothing


def slider(label: str, value: float, low: float, high: float, step: float) -> Any:
    """A slider over numbers; over integers if all four are."""
    more = {"min": low, "max": high, "step": step, "description": label, "style": WIDE}
    if all(isinstance(x, int) for x in (value, low, high, step)):
        return ipywidgets.IntSlider(value=value, layout=ROW, **more)
    return ipywidgets.FloatSlider(value=value, layout=ROW, readout_format=_DIGITS, **more)


def choice(label: str, value: Any, options: Any) -> Any:
    """A menu."""
    return ipywidgets.Dropdown(
        value=value, options=list(options), description=label, style=WIDE, layout=ROW
    )


class PointerHandler(NamedTuple):
    """What the pointer does to an explorer's picture."""

    #: the pointer's events, the settings now -> new values of settings; none: nothing is drawn
    react: Callable[[list[Pointer], Any], dict[str, Any]]
    says: str  #: what a learner can do
    drags: bool = False  #: moves with the button held matter, too


class Explorer(ipywidgets.VBox):
    """Sliders, a figure, and a line for what is wrong.

    Args:
        settings: what to start from; its fields are named by `controls`.
        controls: sliders and menus, by the name of the setting that they move.
        compute: settings -> arrays.
        picture: draws the arrays.
        presets: name of a control -> function of its value that gives other settings' values.
        hand: what the pointer does to the picture.
        rows: more widgets, shown under the controls.

    Attributes:
        controls: the same; set ``.value`` of one to move it.
        errors: the last exceptions of this explorer, as they were shown; empty if there was none.
        warned: the warnings of the last move.
        moves: how often it was drawn.
        picture: the `Picture`, with its figure.
        image: the widget that shows it; ``bytes(image.value)`` is the PNG.
    """

    def __init__(
        self,
        settings: Any,
        controls: Mapping[str, Any],
        compute: Callable[[Any], Any],
        picture: Picture,
        presets: Mapping[str, Callable[[Any], dict[str, Any]]] | None = None,
        hand: PointerHandler | None = None,
        rows: Sequence[Any] = (),
    ) -> None:
        self._settings, self._compute, self.picture = settings, compute, picture
        self.controls = dict(controls)
        self._presets = dict(presets or {})
        self._held = False
        self.errors: deque[Exception] = deque(maxlen=KEPT_ERRORS)
        self.warned: list[str] = []
        self.moves = 0
        self.message = ipywidgets.HTML(layout=_MESSAGE)
        self._hand, said = hand, []
        if hand is None:
            self.image = picture_widget(_PICTURE)
        else:
            self.image = picture_widget(_PICTURE, hand.says, hand.drags, self._point)
            off = "" if PointerPicture else f". That is off here: {NEEDS}"
            said = [ipywidgets.HTML(f"<em>{html.escape(hand.says + off)}.</em>")]
        for name, control in self.controls.items():
            control.observe(self._on_change(name), names="value")
        self._redraw()
        super().__init__([*self.controls.values(), *rows, *said, self.message, self.image])

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

    def change(self, **values: Any) -> None:
        """Set several settings, those of controls or others, and draw once."""
        self._take(values)
        self._redraw()

    def _take(self, values: dict[str, Any]) -> None:
        """Set several settings, and draw nothing."""
        self._held = True
        try:
            for name, value in values.items():
                if name in self.controls:
                    self.controls[name].value = value
                else:
                    self._settings = replace(self._settings, **{name: value})
        finally:
            self._held = False

    def _point(self, events: list[Pointer]) -> None:
        assert self._hand is not None
        try:
            values = self._hand.react(events, self.settings)
            if values:
                self.change(**values)
        except Exception as error:
            self._fail(error)

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
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        # Without its traceback, which would keep every array of the failed call.
        self.errors.append(error.with_traceback(None))
        self.warned = []
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        self._say([f"{kind}{error}. The figure shows the last good setting"], "#b00020", "Error")

    def _say(self, texts: list[str], colour: str, what: str) -> None:
        rows = "".join(f"<div>{what}: {html.escape(text)}.</div>" for text in texts)
        self.message.value = (
            f'<div role="alert" style="color:{colour}">{rows}</div>' if rows else ""
        )
