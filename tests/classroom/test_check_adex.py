"""Lesson 104's checks: right answers pass, and each mistake is told by its name."""

import math
from dataclasses import replace

import numpy as np
import pytest

from jarvis import AdExParams
from jarvis.adex import step_response
from jarvis.adex.phase_plane import fixed_points, nullclines
from jarvis.classroom.check import adex as check

SEEDS = range(2)
MANY = range(20)


def mean_w(rate, b, tau_w):
    return b * tau_w * rate / 1000


def after_spike(rate, b, tau_w):
    return b / -math.expm1(-1000 / rate / tau_w)


def touch(p):
    return p.v_t + p.delta_t * math.log(1 + p.a / p.g_l)


def touching(p):
    """Where both nullclines have the same slope and the same w."""
    v = touch(p)
    on_v, on_w = nullclines(p, 0.0, v)
    return float(on_w - on_v)


@pytest.mark.parametrize("seed", MANY)
def test_right_answers(seed):
    assert check.mean_adaptation(mean_w, seed=seed)
    assert check.touching_current(touching, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers_by_simulation(seed):
    assert check.steady_reset(lambda p, current: p.v_t - 8, seed=seed)
    assert check.steady_reset(lambda p, current: p.v_t - 1, seed=seed)


def test_the_mean_adaptation_is_that_of_a_neuron():
    p = AdExParams.named("adapting", a=0.0)
    response = step_response(p, 500.0, 6000.0)
    last = response.spike_times[-20:]
    rate = 1000 / np.diff(last).mean()
    window = (response.times > last[0]) & (response.times <= last[-1])
    assert math.isclose(response.w[window].mean(), mean_w(rate, p.b, p.tau_w), rel_tol=1e-3)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rate, b, tau: 1000 * mean_w(rate, b, tau), "divide the rate by 1000"),
        (after_spike, "just after a spike"),
        (lambda rate, b, tau: after_spike(rate, b, tau) - b, "just before a spike"),
        (lambda rate, b, tau: after_spike(rate, b, tau) - b / 2, "is not a straight line"),
        (lambda rate, b, tau: b * tau, "the charge per spike"),
        (lambda rate, b, tau: b * rate / 1000, "does not depend on tau_w"),
        (lambda rate, b, tau: 1.1 * mean_w(rate, b, tau), "a simulation gives"),
    ],
)
def test_mean_adaptation(answer, words):
    for seed in MANY:
        assert words in check.mean_adaptation(answer, seed=seed).words


def test_the_touching_current_is_where_the_last_fixed_point_vanishes():
    p = AdExParams.named("adapting")
    assert len(fixed_points(p, touching(p) - 0.1)) == 2
    assert not fixed_points(p, touching(p) + 0.1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p: p.g_l * (p.v_t - p.delta_t - p.e_l), "the rheobase for a = 0"),
        (lambda p: (p.g_l + p.a) * (p.v_t - p.e_l) - p.g_l * p.delta_t, "You took V = v_t"),
        (lambda p: touching(p) - p.a * (touch(p) - p.e_l), "w is not 0 there"),
        (lambda p: touching(p) + p.a * p.delta_t, "not g_L delta_t"),
        (lambda p: (p.g_l + p.a) * (touch(p) - p.e_l), "The exponential term is missing"),
        (touch, "in mV. Return the current"),
        (lambda p: touching(p) / 1000, "in nA"),
        (lambda p: -touching(p), "the sign is wrong"),
        (lambda p: touching(p) - 10, "still cross"),
        (lambda p: touching(p) + 10, "already 10.0 pA apart"),
        (lambda p: "100 pA", "should be a number"),
    ],
)
def test_touching_current(answer, words):
    for seed in MANY:
        assert words in check.touching_current(answer, seed=seed).words


def test_touching_current_where_the_fixed_point_loses_stability():
    for seed in MANY:
        assert "loses stability" in check.touching_current(lambda p: p.rheobase, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, current: p.v_reset, "present reset"),
        (lambda p, current: -58.0, "for every neuron"),
        (lambda p, current: p.v_t + 4.5, "You raised the reset"),
        (lambda p, current: p.v_t + 20, "You raised the reset"),
        (lambda p, current: p.v_t + 3.5, "still bursts: the last intervals are"),
        (lambda p, current: replace(p, v_reset=-60.0), "should be a number"),
        (lambda p, current: -math.inf, "is -inf"),
    ],
)
def test_steady_reset(answer, words):
    for seed in SEEDS:
        assert words in check.steady_reset(answer, seed=seed).words
