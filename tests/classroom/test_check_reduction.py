"""Lesson 602's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest

from jarvis.classroom.check import reduction as check
from jarvis.neurons import (
    FitzHughNagumoParams,
    QIFParams,
)

SEEDS = range(3)


def last_current(a, b, eps, sign=1, leak=None):
    v = sign * math.sqrt(1 - (eps * b if leak is None else leak))
    return (v + a) / b - v + v**3 / 3


def period(current, tau, v_reset, v_peak):
    return QIFParams(tau=tau, v_reset=v_reset, v_peak=v_peak, dt=0.01).period(current)


def exponent(rate, onset, low=-4.0, high=-3.0):
    x = np.logspace(low, high, 8)
    f = rate(onset + x)
    return np.polyfit(np.log(x[f > 0]), np.log(f[f > 0]), 1)[0]


def neuron_type(currents, rates):
    firing = rates[rates > 0]
    return 1 if firing.min() < 0.35 * firing.max() else 2


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.last_current(last_current, seed=seed)
    by_library = lambda a, b, eps: FitzHughNagumoParams(a, b, eps).hopf_currents[1]  # noqa: E731
    assert check.last_current(by_library, seed=seed)
    assert check.qif_period(period, seed=seed)
    assert check.exponent(exponent, seed=seed)
    assert check.neuron_type(neuron_type, seed=seed)


@pytest.mark.parametrize("seed", range(30))
def test_quick_right_answers_on_more_seeds(seed):
    assert check.last_current(last_current, seed=seed)
    assert check.qif_period(period, seed=seed)
    assert check.neuron_type(neuron_type, seed=seed)


def test_no_answer_yet():
    for each in ("last_current", "qif_period", "exponent", "neuron_type"):
        assert not getattr(check, each)(lambda *given: None, seed=0).answered


def at_v(a, b, eps):
    return math.sqrt(1 - eps * b)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b, eps: last_current(a, b, eps, sign=-1), "the lower Hopf point"),
        (at_v, "That is v at the Hopf point"),
        (lambda a, b, eps: (at_v(a, b, eps) + a) / b, "That is w at the Hopf point"),
        (lambda a, b, eps: last_current(a, b, eps, leak=0.0), "You take v = 1"),
        (lambda a, b, eps: last_current(a, b, eps, leak=-eps * b), "The sign of eps b"),
        (lambda a, b, eps: last_current(a, b, eps, leak=eps), "not -eps"),
        (lambda a, b, eps: last_current(-a, b, eps), "with plus a"),
        (lambda a, b, eps: a + at_v(a, b, eps) ** 3 / 3, "divided by b"),
        (lambda a, b, eps: 2 * (at_v(a, b, eps) + a) / b - last_current(a, b, eps),
         "the cubic has the wrong sign"),
        (lambda a, b, eps: 1.4187, "write down the Jacobian"),
        (lambda a, b, eps: FitzHughNagumoParams(a, b, eps).hopf_currents, "one number"),
    ],
)  # fmt: skip
def test_last_current(answer, words):
    for seed in SEEDS:
        assert words in check.last_current(answer, seed=seed).words


def with_scale(inside, outside):
    def answer(current, tau, v_reset, v_peak):
        high, low = math.atan(v_peak * inside(current)), math.atan(v_reset * inside(current))
        return tau * outside(current) * (high - low)

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda i, tau, low, high: math.pi * tau / math.sqrt(i), "reset at minus infinity"),
        (lambda i, tau, low, high: 1 / period(i, tau, low, high), "rate in 1/ms"),
        (lambda i, tau, low, high: 1000 / period(i, tau, low, high), "rate in Hz"),
        (lambda i, tau, low, high: period(i, tau, low, high) / tau, "You left out tau"),
        (lambda i, tau, low, high: period(i, tau, low, high) / tau**2, "You divide by tau"),
        (with_scale(lambda i: i**-0.5, lambda i: 1.0), "from the substitution"),
        (with_scale(lambda i: i**-0.5, lambda i: 1 / i), "not 1/I"),
        (with_scale(lambda i: i**-0.5, lambda i: i**0.5), "not sqrt(I)"),
        (with_scale(lambda i: 1.0, lambda i: i**-0.5), "v/sqrt(I), not v."),
        (with_scale(lambda i: 1 / i, lambda i: i**-0.5), "not v/I"),
        (with_scale(lambda i: i**0.5, lambda i: i**-0.5), "not v sqrt(I)"),
        (lambda i, tau, low, high: period(i, tau, 1e-9, high), "from the reset to 0 is missing"),
        (lambda i, tau, low, high: 2 * period(i, tau, 1e-9, high) - period(i, tau, low, high),
         "Subtract the two limits"),
        (lambda i, tau, low, high: -period(i, tau, low, high), "peak minus reset"),
        (lambda i, tau, low, high: math.degrees(period(i, tau, low, high)), "in radians"),
        (lambda i, tau, low, high: 1.07 * period(i, tau, low, high), "it should be"),
        (lambda i, tau, low, high: math.inf, "is inf"),
    ],
)  # fmt: skip
def test_qif_period(answer, words):
    for seed in SEEDS:
        assert words in check.qif_period(answer, seed=seed).words


def against_log_current(rate, onset):
    x = np.logspace(-4, -3, 8)
    return np.polyfit(np.log(np.abs(onset + x)), np.log(rate(onset + x)), 1)[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rate, onset: 1 / exponent(rate, onset), "Exchange the two"),
        (lambda rate, onset: 2 * exponent(rate, onset), "Did you square the rate?"),
        (lambda rate, onset: exponent(rate, onset) / 2, "half of the exponent"),
        (lambda rate, onset: 0.5, "measure each one"),
        (lambda rate, onset: -exponent(rate, onset), "the sign is wrong"),
        (lambda rate, onset: against_log_current(rate, onset), "log(I - onset)"),
        (lambda rate, onset: exponent(rate, onset, -2.0, -1.0), "fit closer to the onset"),
        (lambda rate, onset: exponent(rate, onset, -1.0, 0.0), "fit closer to the onset"),
        (lambda rate, onset: exponent(rate, onset) - 0.1, "Plot log f"),
        (lambda rate, onset: math.nan, "is nan"),
    ],
)
def test_exponent(answer, words):
    for seed in SEEDS:
        assert words in check.exponent(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda currents, rates: "II", "not a string"),
        (lambda currents, rates: True, "not True or False"),
        (lambda currents, rates: 3, "Return 1 or 2"),
        (lambda currents, rates: 1, "look for the lowest"),
        (lambda currents, rates: 2, "small compared with its highest"),
        (
            lambda currents, rates: 1 if rates.min() < 0.35 * rates.max() else 2,
            "no rates between 0",
        ),
    ],
)
def test_neuron_type(answer, words):
    for seed in SEEDS:
        assert words in check.neuron_type(answer, seed=seed).words


def test_a_limit_in_hertz_is_found_out():
    def fixed(currents, rates):
        return 1 if rates[rates > 0].min() < 20 else 2

    assert sum(not check.neuron_type(fixed, seed=seed) for seed in range(20)) >= 15
