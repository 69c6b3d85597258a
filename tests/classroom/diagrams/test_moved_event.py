"""The drawing of a spike that moves."""

import numpy as np
import pytest
from matplotlib import pyplot as plt

from jarvis.classroom.diagrams.moved_event import _AFTER, _BEFORE, _DT, moved_event


def at(line, x):
    return float(np.interp(x, *line.get_data()))


def test_the_gaps_obey_the_rule():
    ax = moved_event()
    rise, _, after, later_rise, _, later_after = (ax.lines[k] for k in (0, 1, 2, 3, 4, 5))
    assert at(rise, 2.0) - at(later_rise, 2.0) == pytest.approx(_BEFORE * _DT)
    assert at(after, 8.0) - at(later_after, 8.0) == pytest.approx(_AFTER * _DT)
    assert later_rise.get_xdata()[-1] - rise.get_xdata()[-1] == pytest.approx(_DT)
    assert rise.get_ydata()[-1] == later_rise.get_ydata()[-1] == 1.0


def test_it_draws_into_given_axes():
    _, ax = plt.subplots()
    assert moved_event(ax) is ax
    assert len(plt.get_fignums()) == 1
