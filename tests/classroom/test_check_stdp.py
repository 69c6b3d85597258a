"""Notebook 06's checks: right answers pass, and each mistake is told by its name."""

import math
import time

import numpy as np
import pytest
import torch

from jarvis.classroom.check import stdp as check
from jarvis.stdp.trace_rules import PairSTDP

SEEDS = range(2)


def balance_window(a_plus, tau_plus, tau_minus):
    return a_plus * tau_plus / tau_minus


def tell_apart(factor):
    n = math.ceil(1.3 * factor) + 1
    return list(range(50 - n, 50)), [51]


def wait_long_enough(delay, share):
    return delay / math.log(1 / share)


def surprise(correct, expected):
    return correct - expected


def pairs(pre, post, a_plus, a_minus, tau_plus, tau_minus):
    """The sum over all pairs, one by one."""
    s = np.subtract.outer(np.flatnonzero(post), np.flatnonzero(pre))
    up, down = a_plus * np.exp(-abs(s) / tau_plus), a_minus * np.exp(-abs(s) / tau_minus)
    return np.where(s >= 0, up, -down).sum()


def traces(pre, post, a_plus, a_minus, tau_plus, tau_minus, order="xuoy", **slip):
    """With traces; `order` of x: pre enters, u: post reads, o: pre reads, y: post enters."""
    r = o = change = 0.0
    slip = {"fall": math.exp(-1 / tau_plus), "rise": math.exp(-1 / tau_minus), "leak": 1.0} | slip
    for x, y in zip(pre, post, strict=True):
        r, o = slip["fall"] * r, slip["rise"] * o
        for what in order:
            if what == "x":
                r += slip["leak"] * x
            elif what == "y":
                o += y
            elif what == "u":
                change += a_plus * y * r
            else:
                change -= a_minus * x * o
    return change


def by_library(pre, post, a_plus, a_minus, tau_plus, tau_minus, **options):
    sizes = dict(a_plus=a_plus, a_minus=a_minus, tau_plus=tau_plus, tau_minus=tau_minus)
    rule = PairSTDP(**sizes, bounds="none", **options)
    x, y = (torch.tensor(train).reshape(-1, 1, 1) for train in (pre, post))
    return rule.run(x, y, torch.zeros(1, 1, dtype=torch.float64))[0].item()


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.balance_window(balance_window, seed=seed)
    assert check.tell_apart(tell_apart, seed=seed)
    assert check.tell_apart(lambda factor: [np.array(x) for x in tell_apart(factor)], seed=seed)
    assert check.wait_long_enough(wait_long_enough, seed=seed)
    assert check.from_memory(pairs, seed=seed)
    assert check.from_memory(traces, seed=seed)
    assert check.from_memory(by_library, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_signal_that_is_right(seed):
    assert check.relearn(surprise, seed=seed)
    assert check.relearn(lambda correct, expected: 2 * surprise(correct, expected), seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, up, down: a * down / up, "upside down"),
        (lambda a, up, down: a, "areas"),
        (lambda a, up, down: -a * up / down, "a_minus is positive"),
        (lambda a, up, down: a * up, "Which height"),
        (lambda a, up, down: 0.0025, "use the arguments"),
        (
            lambda a, up, down: (
                a * np.exp(-np.arange(999) / up).sum() / np.exp(-np.arange(1, 999) / down).sum()
            ),
            "integrate",
        ),
        (lambda a, up, down: 1.2 * a * up / down, "pull the weight down"),
        (lambda a, up, down: 0.8 * a * up / down, "pull the weight up"),
    ],
)
def test_balance_window(answer, words):
    assert words in check.balance_window(answer, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda factor: ([40], [50]), "A single pair of spikes"),
        (lambda factor: ([40], [41, 42, 43, 44, 45, 46, 47]), "earlier input spikes"),
        (lambda factor: ([60, 61, 62], [50]), "put the inputs before"),
        (lambda factor: ([], [50]), "It takes spikes of both"),
        (lambda factor: ([46, 47, 48, 49], [50]), "whatever the factor is"),
        (lambda factor: ([10, 30, 50, 70, 90], [91]), "With 5 input spikes it can be at most 5"),
        (lambda factor: [40, 44, 48], "two lists"),
        (lambda factor: (None, [50]), "two lists"),
        (lambda factor: ([40.5, 42], [50]), "whole ms"),
        (lambda factor: ([98, 99, 100], [101]), "whole ms from 0 to 99"),
        (lambda factor: ([49, 49, 49], [50]), "fires once per step"),
        (lambda factor: (["a"], [50]), "should be an array"),
    ],
)
def test_tell_apart(answer, words):
    assert words in check.tell_apart(answer, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda delay, share: delay / math.log(share), "the sign is not"),
        (lambda delay, share: -delay / math.log(1 - share), "is the fraction kept"),
        (lambda delay, share: delay, "37 %"),
        (lambda delay, share: -delay / math.log2(share), "natural logarithm"),
        (lambda delay, share: -delay / math.log10(share), "natural logarithm"),
        (lambda delay, share: -math.log(share) / delay, "is its inverse"),
        (lambda delay, share: -delay / math.log(share) / 1000, "in seconds"),
        (lambda delay, share: -50, "must be positive"),
        (lambda delay, share: delay / share / 7, "has decayed"),
        (lambda delay, share: 1 / 0.0, "raised ZeroDivisionError"),
    ],
)
def test_wait_long_enough(answer, words):
    assert words in check.wait_long_enough(answer, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda correct, expected: correct, "never negative"),
        (lambda correct, expected: correct - 1, "never positive"),
        (lambda correct, expected: correct - 0.5, "use `expected`"),
        (lambda correct, expected: expected - correct, "reverse its sign"),
        (lambda correct, expected: 0.5 - expected, "use `correct`"),
        (lambda correct, expected: 0.01 * (correct - expected), "is +0.005 for a right"),
        (lambda correct, expected: torch.ones(3), "should have the shape (2,)"),
        (lambda correct, expected: [[1], [1, 2]], "should be an array"),
        (lambda correct, expected: correct / 0, "infinite"),
    ],
)
def test_relearn(answer, words):
    for seed in SEEDS:
        assert words in check.relearn(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: -pairs(*given), "the sign is not"),
        (lambda pre, post, *rest: pairs(post, pre, *rest), "Pre and post are swapped"),
        (
            lambda x, y, up, down, p, m: traces(x, y, up, down, m, p),
            "time constants of your traces are swapped",
        ),
        (lambda *given: traces(*given, fall=1.0, rise=1.0), "never decay"),
        (lambda *g: traces(*g, fall=1 - 1 / g[4], rise=1 - 1 / g[5]), "Euler's"),
        (lambda *g: traces(*g, leak=math.exp(-1 / g[4])), "decay before"),
        (lambda *given: traces(*given, order="uxoy"), "before post reads"),
        (lambda *given: by_library(*given, same_step="ignored"), "before post reads"),
        (lambda *given: traces(*given, order="xyuo"), "counts twice"),
        (lambda *given: traces(*given, order="uyox"), "post last"),
        (lambda *given: by_library(*given, interaction="nearest"), "only the last counts"),
        (lambda *given: traces(*given, order="xuy"), "potentiation alone"),
        (lambda *given: traces(*given, order="xoy"), "depression alone"),
        (lambda *given: 2 * pairs(*given), "the definition gives"),
        (lambda *given: given[0], "one number"),
    ],
)
def test_from_memory(answer, words):
    for seed in SEEDS:
        assert words in check.from_memory(answer, seed=seed).words


def test_from_memory_reading_its_own_trace():
    def own(pre, post, a_plus, a_minus, tau_plus, tau_minus):
        r = o = change = 0.0
        for x, y in zip(pre, post, strict=True):
            r, o = math.exp(-1 / tau_plus) * r + x, math.exp(-1 / tau_minus) * o
            change += a_plus * x * r - a_minus * y * o
            o += y
        return change

    assert "their own neuron's trace" in check.from_memory(own, seed=0).words


def test_the_checks_are_quick():
    """About a second at most, on a machine that does other things as well."""
    started = time.process_time()
    check.relearn(surprise, seed=0)
    assert time.process_time() - started < 3
