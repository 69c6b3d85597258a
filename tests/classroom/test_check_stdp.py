"""Lesson 401's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import quad

from jarvis.classroom.check import stdp as check
from jarvis.stdp.trace_rules import PairSTDP

SEEDS = range(20)


def all_pairs(pre_times, post_times, window):
    return sum(window(t_post - t_pre) for t_pre in pre_times for t_post in post_times)


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


def balance_window(a_plus, tau_plus, tau_minus):
    return a_plus * tau_plus / tau_minus


def per_period(lag, period, a_plus, a_minus, tau_plus, tau_minus):
    up = a_plus * math.exp(-lag / tau_plus) / (1 - math.exp(-period / tau_plus))
    down = a_minus * math.exp(-(period - lag) / tau_minus) / (1 - math.exp(-period / tau_minus))
    return up - down


def summed(lag, period, a_plus, a_minus, tau_plus, tau_minus, n=200):
    k = np.arange(n)
    up = a_plus * np.exp(-(lag + k * period) / tau_plus)
    return (up - a_minus * np.exp(-(period - lag + k * period) / tau_minus)).sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.all_pairs(all_pairs, seed=seed)
    assert check.all_pairs(
        lambda pre, post, window: window(np.subtract.outer(post, pre)).sum(), seed=seed
    )
    assert check.from_memory(pairs, seed=seed)
    assert check.from_memory(traces, seed=seed)
    assert check.from_memory(by_library, seed=seed)
    assert check.balance_window(balance_window, seed=seed)
    assert check.per_period(per_period, seed=seed)
    assert check.per_period(summed, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_numerical_integral_balances_as_well(seed):
    """By adaptive quadrature, by trapezoids of 1 ms, and by sums in steps of 0.1 ms."""

    def adaptive(a_plus, up, down):
        return (
            a_plus
            * quad(lambda s: math.exp(-s / up), 0, 500)[0]
            / quad(lambda s: math.exp(-s / down), 0, 500)[0]
        )

    def trapezoids(a_plus, up, down):
        s = np.arange(500.0)
        return a_plus * np.trapezoid(np.exp(-s / up), s) / np.trapezoid(np.exp(-s / down), s)

    def fine_sums(a_plus, up, down):
        s = np.arange(0, 500, 0.1)
        return a_plus * np.exp(-s / up).sum() / np.exp(-s / down).sum()

    for answer in (adaptive, trapezoids, fine_sums):
        assert check.balance_window(answer, seed=seed)


def told(exercise, answer, words, seeds=range(3)):
    for seed in seeds:
        found = exercise(answer, seed=seed)
        assert not found
        assert words in found.words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda pre, post, window: all_pairs(post, pre, window), "wrong sign"),
        (lambda pre, post, window: sum(window(b - a) for a, b in zip(pre, post, strict=False)),
         "Every spike of pre forms a pair"),
        (lambda pre, post, window: sum(window(b - a) for a in pre for b in post if b >= a),
         "post fires first: they make"),
        (lambda pre, post, window: sum(window(b - a) for a in pre for b in post if b < a),
         "leave out the pairs in which pre"),
        (lambda pre, post, window: sum(window(b - a) for a in pre for b in post if b != a),
         "s = 0 counts"),
        (lambda pre, post, window: all_pairs(pre, post, window) / len(pre) / len(post),
         "take the mean"),
        (lambda pre, post, window: sum(
            window(b - max(a for a in pre if a <= b)) for b in post if b >= min(pre)
        ), "only with the last"),
        (lambda pre, post, window: 0.0, "the sum over all"),
        (lambda pre, post, window: window(np.subtract.outer(post, pre)), "one number"),
    ],
)  # fmt: skip
def test_all_pairs(answer, words):
    told(check.all_pairs, answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: -pairs(*given), "the sign is wrong"),
        (lambda pre, post, *rest: pairs(post, pre, *rest), "You swapped pre and post"),
        (
            lambda x, y, up, down, p, m: traces(x, y, up, down, m, p),
            "You swapped the traces' time constants",
        ),
        (lambda *given: traces(*given, fall=1.0, rise=1.0), "never decay"),
        (lambda *g: traces(*g, fall=1 - 1 / g[4], rise=1 - 1 / g[5]), "Euler's"),
        (lambda *g: traces(*g, leak=math.exp(-1 / g[4])), "decay before"),
        (lambda *given: traces(*given, order="uxoy"), "before post reads"),
        (lambda *given: by_library(*given, same_step="ignored"), "before post reads"),
        (lambda *given: traces(*given, order="xyuo"), "counts twice"),
        (lambda *given: traces(*given, order="uyox"), "post last"),
        (lambda *given: by_library(*given, interaction="nearest"), "only the last spike counts"),
        (lambda *given: traces(*given, order="xuy"), "only potentiation"),
        (lambda *given: traces(*given, order="xoy"), "only depression"),
        (lambda *given: 2 * pairs(*given), "the definition gives"),
        (lambda *given: given[0], "one number"),
    ],
)
def test_from_memory(answer, words):
    told(check.from_memory, answer, words)


def test_from_memory_reading_its_own_trace():
    def own(pre, post, a_plus, a_minus, tau_plus, tau_minus):
        r = o = change = 0.0
        for x, y in zip(pre, post, strict=True):
            r, o = math.exp(-1 / tau_plus) * r + x, math.exp(-1 / tau_minus) * o
            change += a_plus * x * r - a_minus * y * o
            o += y
        return change

    told(check.from_memory, own, "their own neuron's trace")


def whole_ms(first):
    """The balance of sums over whole ms; depression starts at `first`."""
    k = np.arange(2000)
    return lambda a, up, down: a * np.exp(-k / up).sum() / np.exp(-k[first:] / down).sum()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, up, down: a * down / up, "upside down"),
        (lambda a, up, down: a, "areas"),
        (lambda a, up, down: -a * up / down, "a_minus should be positive"),
        (lambda a, up, down: a * up, "Which height"),
        (lambda a, up, down: 0.0025, "use the arguments"),
        (whole_ms(1), "s = 0 among them"),
        (whole_ms(0), "a much finer step"),
        (
            lambda a, up, down: (
                a * up * (1 - math.exp(-90 / up)) / (down * (1 - math.exp(-90 / down)))
            ),
            "stops at 90 ms",
        ),
        (lambda a, up, down: 1.2 * a * up / down, "pull the weight down"),
        (lambda a, up, down: 0.8 * a * up / down, "pull the weight up"),
        (lambda a, up, down: 0.97 * a * up / down, "an error of 2 %"),
    ],
)
def test_balance_window(answer, words):
    told(check.balance_window, answer, words)


def parts(up, down):
    """A change per period from (lag, period, ...) functions of both sides."""
    return lambda *case: up(*case) - down(*case)


def one_side(lag, period, a_plus, a_minus, tau_plus, tau_minus):
    return a_plus * math.exp(-lag / tau_plus) / (1 - math.exp(-period / tau_plus))


def other_side(lag, period, a_plus, a_minus, tau_plus, tau_minus):
    return one_side(period - lag, period, a_minus, a_plus, tau_minus, tau_plus)


def nearest_up(lag, period, a_plus, a_minus, tau_plus, tau_minus):
    return a_plus * math.exp(-lag / tau_plus)


def nearest_down(lag, period, a_plus, a_minus, tau_plus, tau_minus):
    return a_minus * math.exp((lag - period) / tau_minus)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (parts(nearest_up, nearest_down), "You count only the nearest"),
        (parts(nearest_up, other_side), "potentiation counts only"),
        (parts(one_side, nearest_down), "depression counts only"),
        (one_side, "only potentiation"),
        (lambda *case: -other_side(*case), "only depression"),
        (
            lambda lag, period, up, down, p, m: (
                one_side(lag, period, up, down, p, m) - one_side(lag, period, down, up, m, p)
            ),
            "depression uses `lag`",
        ),
        (lambda *case: -per_period(*case), "the sign is wrong"),
        (lambda lag, period, up, down, p, m: per_period(lag, period, up, down, m, p), "swapped"),
        (lambda *case: 60 * per_period(*case), "for 60 pairs"),
        (lambda *case: per_period(*case) + 1e-3, "a long simulation"),
    ],
)
def test_per_period(answer, words):
    told(check.per_period, answer, words)


def test_the_change_per_period_is_what_the_rule_approaches():
    period, lag = 20, 6
    pre, post = np.zeros((2, 100 * period))
    pre[::period] = post[lag::period] = 1
    sizes = (0.005, 0.004, 15.0, 30.0)
    first = by_library(pre[: 90 * period], post[: 90 * period], *sizes)
    assert (by_library(pre, post, *sizes) - first) / 10 == pytest.approx(
        per_period(lag, period, *sizes), abs=1e-9
    )
