"""The pointer on an explorer's figure: its data coordinates, and a pen that draws pixels with it.

Positions come from a page, in pixels of the figure's PNG; invalid ones are ignored.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KINDS = ("down", "move", "up")

MOST = 1000  #: largest number of events that are read from one message


class Pointer(NamedTuple):
    """A single pointer event on a figure."""

    kind: str  #: one of `KINDS`; during a move, the button is held down
    x: float  #: pixels from the left of the figure
    y: float  #: pixels from the top of the figure


def pointers_of(events: Any) -> list[Pointer]:
    """Convert data sent by a page to `Pointer` events, ignoring whatever is invalid.

    Args:
        events: should be a list of entries such as ``{"kind": "down", "x": 10.0, "y": 20.0}``.

    Example:
        >>> pointers_of([{"kind": "down", "x": 1, "y": 2}, {"kind": "down", "x": None}, 7])
        [Pointer(kind='down', x=1.0, y=2.0)]
    """
    found = []
    for event in events[:MOST] if isinstance(events, list) else []:
        if isinstance(event, dict) and event.get("kind") in KINDS:
            x, y = (event.get(name) for name in ("x", "y"))
            if _is_place(x) and _is_place(y):
                found.append(Pointer(event["kind"], float(x), float(y)))  # type: ignore[arg-type]
    return found


def _is_place(value: Any) -> bool:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and abs(value) < 1e6  # also False for NaN


def from_bottom(ax: Axes, pointer: Pointer) -> tuple[float, float] | None:
    """The pointer's position in matplotlib's pixels, from the bottom; None outside the axes."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    place = pointer.x, figure.bbox.height - pointer.y
    return place if ax.bbox.contains(*place) else None


def data_place(ax: Axes, pointer: Pointer) -> tuple[float, float] | None:
    """The pointer's position in data coordinates of `ax`; None outside the axes."""
    place = from_bottom(ax, pointer)
    if place is None:
        return None
    x, y = ax.transData.inverted().transform(place)
    return float(x), float(y)


class Pen:
    """Draws on a sheet of pixels while the button is held, without gaps between two events.

    A stroke must start on the sheet. Outside the sheet nothing is drawn, but the stroke may return.

    Args:
        ax: axes that show the sheet with ``imshow``.

    Attributes:
        ink: the grey level to draw with, from 0 (black) to 1 (white).
    """

    def __init__(self, ax: Axes, ink: float = 1.0) -> None:
        self.ax, self.ink = ax, ink
        self._last: Pointer | None = None  # last event of the current stroke

    def draw(self, sheet: np.ndarray, events: Iterable[Pointer]) -> np.ndarray:
        """Draw on a copy of the sheet ``[rows, columns]``; the next call can continue a stroke."""
        sheet = sheet.copy()
        for event in events:
            if event.kind == "down":
                on_it = self._pixel(event, sheet.shape) is not None
                self._last = event if on_it else None
            if self._last is None:
                continue
            # Points on the straight line from the last event, at most 2 figure pixels apart
            dx, dy = event.x - self._last.x, event.y - self._last.y
            for share in np.linspace(0.0, 1.0, 2 + math.ceil(min(math.hypot(dx, dy), 2000.0) / 2)):
                way = Pointer("move", self._last.x + share * dx, self._last.y + share * dy)
                if (pixel := self._pixel(way, sheet.shape)) is not None:
                    sheet[pixel] = self.ink
            self._last = None if event.kind == "up" else event
        return sheet

    def _pixel(self, event: Pointer, shape: tuple[int, ...]) -> tuple[int, int] | None:
        place = data_place(self.ax, event)
        if place is None:
            return None
        column, row = (math.floor(x + 0.5) for x in place)  # imshow centres its pixels on integers
        return (row, column) if 0 <= row < shape[0] and 0 <= column < shape[1] else None
