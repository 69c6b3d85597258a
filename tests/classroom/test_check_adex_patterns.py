"""Notebook 02's checks: right answers pass, and each mistake is told by its name."""

import math
from dataclasses import replace

import numpy as np
import pytest

from jarvis import AdExParams
from jarvis.adex import step_response
from jarvis.adex.phase_plane import fixed_points, nullclines
from jarvis.classroom.check import adex_patterns as check

SEEDS = range(2)


def touch(p):
    return p.v_t + p.delta_t * math.log(1 + p.a / p.g_l)


def rheobase(p):
    """Where both nullclines have the same slope and the same w."""
    v = touch(p)
    still_v, still_w = nullclines(p, 0.0, v)
    return float(still_w - still_v)


def final_rate(b):
    found = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times
    return 1000 / np.diff(found)[-3:].mean()


def bisect_b(rate, measure=final_rate, wrong_half=False):
    low, high = 1.0, 150.0
    for _ in range(13):
        b = (low + high) / 2
        low, high = (b, high) if (measure(b) > rate) != wrong_half else (low, b)
    return b


def find_rest(p, current, low=None, high=None):
    low, high = p.e_l if low is None else low, p.v_t if high is None else high
    for _ in range(40):
        v = (low + high) / 2
        still_v, still_w = nullclines(p, current, v)
        low, high = (v, high) if still_v > still_w else (low, v)
    return v


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.rheobase_with_a(rheobase, seed=seed)
    assert check.steady_reset(lambda p, current: p.v_t - 8, seed=seed)
    assert check.steady_reset(lambda p, current: p.v_t - 1, seed=seed)
    assert check.b_for(bisect_b, seed=seed)
    assert check.find_rest(find_rest, seed=seed)
    by_waiting = lambda p, current: step_response(p, current, 3000.0).v[-1]  # noqa: E731
    assert check.find_rest(by_waiting, seed=seed)


def test_the_rheobase_is_where_the_last_rest_vanishes():
    p = AdExParams.named("adapting")
    assert len(fixed_points(p, rheobase(p) - 0.1)) == 2
    assert not fixed_points(p, rheobase(p) + 0.1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p: p.g_l * (p.v_t - p.delta_t - p.e_l), "without a: it pulls together"),
        (lambda p: (p.g_l + p.a) * (p.v_t - p.e_l) - p.g_l * p.delta_t, "You took V = v_t"),
        (lambda p: rheobase(p) - p.a * (touch(p) - p.e_l), "w is not 0 there"),
        (lambda p: rheobase(p) + p.a * p.delta_t, "not g_L delta_t"),
        (lambda p: (p.g_l + p.a) * (touch(p) - p.e_l), "The exponential is missing"),
        (touch, "in mV. Return the current"),
        (lambda p: rheobase(p) / 1000, "in nA"),
        (lambda p: -rheobase(p), "the sign is not"),
        (lambda p: rheobase(p) - 10, "still cross"),
        (lambda p: rheobase(p) + 10, "10.0 pA apart"),
        (lambda p: "100 pA", "should be a number"),
    ],
)
def test_rheobase(answer, words):
    for seed in SEEDS:
        assert words in check.rheobase_with_a(answer, seed=seed).words


def test_rheobase_where_the_rest_begins_to_swing():
    verdicts = [check.rheobase_with_a(lambda p: p.rheobase, seed=seed) for seed in range(20)]
    swings = [verdict for verdict in verdicts if not verdict]
    assert len(swings) >= 10
    for verdict in swings:
        assert "loses stability" in verdict.words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, current: p.v_reset, "present reset"),
        (lambda p, current: -58.0, "for every neuron"),
        (lambda p, current: p.v_t + 4.5, "You raised it"),
        (lambda p, current: p.v_t + 20, "You raised it"),
        (lambda p, current: p.v_t + 3.5, "still bursts: the last intervals are"),
        (lambda p, current: replace(p, v_reset=-60.0), "should be a number"),
        (lambda p, current: -math.inf, "is -inf"),
    ],
)
def test_steady_reset(answer, words):
    for seed in SEEDS:
        assert words in check.steady_reset(answer, seed=seed).words


def mean_rate(b):
    return len(step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times) / 2


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rate: 60.0, "Is the argument used?"),
        (lambda rate: -rate, "b must be at least 0"),
        (lambda rate: bisect_b(rate, wrong_half=True), "the wrong half"),
        (lambda rate: 60 * final_rate(60.0) / rate, "not simply 1/b"),
        (lambda rate: bisect_b(rate, mean_rate), "including the fast start"),
        (lambda rate: bisect_b(rate) / 1000, "b in nA"),
        (lambda rate: 2 * bisect_b(rate), "slow: b must be smaller"),
        (lambda rate: bisect_b(rate) / 2, "fast: b must be larger"),
        (lambda rate: 1e5 + rate, "times in 2 s"),
    ],
)
def test_b_for(answer, words):
    for seed in SEEDS:
        assert words in check.b_for(answer, seed=seed).words


def test_b_for_to_a_percent():
    assert not check.b_for(lambda rate: bisect_b(1.03 * rate), seed=1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, current: fixed_points(p, current)[1].v, "which is unstable"),
        (lambda p, current: fixed_points(p, current)[0], "Return only V"),
        (lambda p, current: fixed_points(p, current)[0].w, "its w, in pA"),
        (lambda p, current: p.e_l, "which half holds the crossing"),
        (lambda p, current: p.v_t, "which half holds the crossing"),
        (lambda p, current: p.e_l + current / p.g_l, "the leak alone"),
        (lambda p, current: p.e_l + current / (p.g_l + p.a), "without the exponential"),
        (lambda p, current: find_rest(p, -current, low=-100), "of opposite sign"),
        (lambda p, current: find_rest(p, current) + 0.5, "they do not meet"),
        (lambda p, current: 1e6, "they do not meet"),
    ],
)
def test_find_rest(answer, words):
    for seed in SEEDS:
        assert words in check.find_rest(answer, seed=seed).words


def test_find_rest_without_w():
    def without_w(p, current):
        found = fixed_points(replace(p, a=0.0), current)
        return found[0].v if found else p.v_t - 3

    said = [check.find_rest(without_w, seed=seed).words for seed in range(8)]
    assert sum("opposes the current" in words for words in said) >= 4
