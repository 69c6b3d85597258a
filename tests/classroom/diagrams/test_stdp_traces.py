"""The diagram of STDP's traces: its numbers are the rule's, and wrong input is refused."""

import math

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from jarvis.classroom.diagrams.stdp_traces import stdp_traces
from jarvis.stdp.trace_rules import PairSTDP


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_the_weight_is_that_of_the_rule():
    pre, post = [10, 40, 60], [20, 60, 75]
    weight = stdp_traces(pre, post, a_plus=0.5, a_minus=0.3).lines[-1].get_ydata()
    trains = torch.zeros(2, 100, 1, 1, dtype=torch.float64)
    trains[0, pre] = trains[1, post] = 1
    rule = PairSTDP(a_plus=0.5, a_minus=0.3, tau_plus=16.8, tau_minus=33.7, bounds="none")
    change, _ = rule.run(*trains, torch.zeros(1, 1, dtype=torch.float64))
    assert 0.5 * (weight[-1] - weight[0]) == pytest.approx(change.item())


def test_arrows_start_at_the_trace_that_is_read():
    ax = stdp_traces([10.0], [20.0], tau_plus=15.0)
    dots = [line.get_xydata()[0] for line in ax.lines if line.get_marker() == "o"]
    (dot,) = dots  # the spike of pre meets an empty trace: nothing is read there
    base = ax.get_yticks()[0]
    assert np.allclose(dot, (20.0, base + math.exp(-10 / 15)))


def test_axes_may_be_given():
    _, mine = plt.subplots()
    assert stdp_traces(ax=mine) is mine


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"pre": [], "post": []}, "spike times must be 0 or more"),
        ({"pre": [-1.0]}, "spike times must be 0 or more"),
        ({"post": [math.nan]}, "spike times must be 0 or more"),
        ({"tau_plus": 0.0}, "tau_plus=0"),
        ({"a_minus": -1.0}, "a_minus=-1"),
    ],
)
def test_wrong_input(wrong, words):
    with pytest.raises(ValueError, match=words):
        stdp_traces(**wrong)
