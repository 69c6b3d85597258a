"""Lesson 105's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from jarvis import AdExParams
from jarvis.adex import step_response
from jarvis.classroom.check import firing_patterns as check

SEEDS = range(2)
MANY = range(20)


def final_rate(b):
    found = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times
    return 1000 / np.diff(found)[-3:].mean()


def mean_rate(b):
    return len(step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times) / 2


def bisect_b(rate, measure=final_rate, wrong_half=False):
    low, high = 1.0, 150.0
    for _ in range(13):
        b = (low + high) / 2
        low, high = (b, high) if (measure(b) > rate) != wrong_half else (low, b)
    return b


def upstroke(v, dt, tau, v_t, delta_t):
    s = math.exp(-(v - v_t) / delta_t)
    if s <= dt / tau:
        return None, tau * s
    return v - delta_t * math.log1p(-dt / tau / s), None


@pytest.mark.parametrize("seed", MANY)
def test_right_answers(seed):
    assert check.upstroke(upstroke, seed=seed)
    assert check.upstroke(lambda *given: list(upstroke(*given)), seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_right_b(seed):
    assert check.b_for(bisect_b, seed=seed)
    assert not check.b_for(lambda rate: bisect_b(1.03 * rate), seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rate: 60.0, "Is the argument used?"),
        (lambda rate: -rate, "b must be at least 0"),
        (lambda rate: bisect_b(rate, wrong_half=True), "the wrong half"),
        (lambda rate: 60 * final_rate(60.0) / rate, "not simply proportional to 1/b"),
        (lambda rate: bisect_b(rate, mean_rate), "including the fast start"),
        (lambda rate: bisect_b(rate) / 1000, "b in nA"),
        (lambda rate: 2 * bisect_b(rate), "slowly: b must be smaller"),
        (lambda rate: bisect_b(rate) / 2, "fast: b must be larger"),
        (lambda rate: 1e5 + rate, "times in 2 s"),
    ],
)
def test_b_for(answer, words):
    for seed in SEEDS:
        assert words in check.b_for(answer, seed=seed).words


def test_the_upstroke_is_that_of_the_equation():
    v, dt, tau, v_t, delta_t = -47.0, 0.5, 20.0, -50.0, 2.0
    slope = lambda _, y: delta_t / tau * np.exp((y - v_t) / delta_t)  # noqa: E731
    fine = solve_ivp(slope, (0, dt), [v], rtol=1e-10, atol=1e-10).y[0, -1]
    assert math.isclose(upstroke(v, dt, tau, v_t, delta_t)[0], fine, abs_tol=1e-6)


def without_spikes(v, dt, tau, v_t, delta_t):
    after, when = upstroke(v, dt, tau, v_t, delta_t)
    return (after, None) if when is None else (0.0, None)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: upstroke(*given)[0] or 1.0, "Return two values"),
        (lambda v, dt, *given: (v, dt), "One of the two values must be None"),
        (without_spikes, "there is a spike, but you return None"),
        (lambda *given: upstroke(*given) if upstroke(*given)[1] else (None, 0.1),
         "there is no spike yet"),
        (lambda v, dt, tau, v_t, d: (v + dt * d / tau * math.exp((v - v_t) / d), None)
            if upstroke(v, dt, tau, v_t, d)[1] is None else upstroke(v, dt, tau, v_t, d),
         "That is Euler's step"),
        (lambda v, dt, tau, v_t, d: (v + d * math.log1p(dt / tau * math.exp((v - v_t) / d)), None)
            if upstroke(v, dt, tau, v_t, d)[1] is None else upstroke(v, dt, tau, v_t, d),
         "check the signs"),
        (lambda v, *g: (v, None) if upstroke(v, *g)[1] is None else upstroke(v, *g), "not moved"),
        (lambda v, *g: (v - 1, None) if upstroke(v, *g)[1] is None else upstroke(v, *g),
         "but the exponential term raises it"),
        (lambda v, *g: (v + 9, None) if upstroke(v, *g)[1] is None else upstroke(v, *g),
         "with a tiny step gives"),
        (lambda v, dt, tau, v_t, d: (upstroke(v, dt, tau, v_t, d)[0] - v_t, None)
            if upstroke(v, dt, tau, v_t, d)[1] is None else upstroke(v, dt, tau, v_t, d),
         "measured from v_t"),
        (lambda v, dt, *g: upstroke(v, dt, *g) if upstroke(v, dt, *g)[1] is None
            else (None, dt - upstroke(v, dt, *g)[1]), "to the end of the step"),
        (lambda v, dt, *g: upstroke(v, dt, *g) if upstroke(v, dt, *g)[1] is None
            else (None, upstroke(v, dt, *g)[1] / dt), "the time in steps"),
        (lambda v, dt, *g: upstroke(v, dt, *g) if upstroke(v, dt, *g)[1] is None
            else (None, 2 * upstroke(v, dt, *g)[1]), "the spike does not come after"),
    ],
)  # fmt: skip
def test_upstroke(answer, words):
    for seed in MANY:
        assert words in check.upstroke(answer, seed=seed).words
