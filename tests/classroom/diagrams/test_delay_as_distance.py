"""The drawing of delays as distances."""

import numpy as np
import pytest

from jarvis.classroom.diagrams.delay_as_distance import _HERE, _SENDERS, _THERE, delay_as_distance


def distance(a, b):
    return float(np.hypot(*np.subtract(a, b)))


def test_lengths_are_the_written_delays():
    plane, _ = delay_as_distance()
    written = [t.get_text() for t in plane.texts if t.get_text().endswith(" ms")]
    wanted = [f"{distance(at, s):.1f} ms" for at in (_HERE, _THERE) for s in _SENDERS]
    assert written == wanted


def test_arrivals_are_the_delays_and_meet_after_the_move():
    _, time_line = delay_as_distance()
    marks = [line for line in time_line.lines if line.get_linewidth() == 3]
    arrivals = [line.get_xdata()[0] for line in marks[2:]]
    wanted = [distance(at, s) for at in (_HERE, _THERE) for s in _SENDERS]
    assert np.allclose(arrivals, wanted)
    assert abs(arrivals[0] - arrivals[1]) > 1
    assert arrivals[2] == pytest.approx(arrivals[3], abs=1e-3)


def test_texts_stand_in_the_drawing():
    axes = delay_as_distance()
    figure = axes[0].figure
    figure.canvas.draw()
    for ax in axes:
        for text in ax.texts:
            box = text.get_window_extent()
            assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1
            assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1
