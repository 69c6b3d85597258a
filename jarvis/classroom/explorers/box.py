"""The box of an explorer: sliders, pointer interaction, a line for errors, and a figure."""

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

KEPT_ERRORS = 100  #: number of recent errors that an explorer keeps

WIDE = {"description_width": "190px"}

ROW = {"width": "460px"}

_DIGITS = ".6"  # d3's format: as many digits as needed, up to six: 0.0525, 20

# The figure is as wide as drawn, so that text stays sharp, unless the page is narrower.
_PICTURE = {"width": "auto", "max_width": "100%", "align_self": "flex-start", "margin": "0"}

_MESSAGE = {"min_height": "28px"}  # reserves a line, so that a message does not shift the layout


def slider(label: str, value: float, low: float, high: float, step: float) -> Any:
    """A slider for numbers, or only for integers if all four values are integers."""
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
    """How an explorer reacts to the pointer on its figure."""

    #: takes pointer events and the current settings; returns the settings to change, if any
    react: Callable[[list[Pointer], Any], dict[str, Any]]
    says: str  #: instruction for the learner
    drags: bool = False  #: whether moves with the button held are reported as well


class Explorer(ipywidgets.VBox):
    """Sliders, a figure, and a line for errors.

    Args:
        settings: the initial settings, an object with a field for each key of `controls`.
        controls: sliders and menus, by the name of the setting that they control.
        compute: a function that takes settings and returns arrays.
        picture: draws the arrays.
        presets: functions, by name of a control; each takes the value of this control and returns
            new values for other controls.
        hand: reaction to the pointer on the figure.
        rows: further widgets, shown below the controls.

    Attributes:
        controls: the given sliders and menus; set the ``.value`` of a slider to move it.
        errors: the last exceptions of this explorer, as shown; empty if there were none.
        warned: warnings issued when the figure was last drawn.
        moves: how often the figure was drawn.
        picture: the `Picture`, with its figure.
        image: the widget that shows the figure; ``bytes(image.value)`` is the PNG.
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
        """The current settings of the sliders."""
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
        """Set several settings, with or without a control, and draw once."""
        self._take(values)
        self._redraw()

    def _take(self, values: dict[str, Any]) -> None:
        """Set several settings without drawing."""
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
        except Exception as error:  # shown to the learner; a traceback would only reach a log
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        # The traceback is dropped, because it would keep every array of the failed call alive.
        self.errors.append(error.with_traceback(None))
        self.warned = []
        kind = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
        self._say([f"{kind}{error}. The figure shows the last good setting"], "#b00020", "Error")

    def _say(self, texts: list[str], colour: str, what: str) -> None:
        rows = "".join(f"<div>{what}: {html.escape(text)}.</div>" for text in texts)
        self.message.value = (
            f'<div role="alert" style="color:{colour}">{rows}</div>' if rows else ""
        )
