"""Lesson 102's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

from jarvis import LIFLayer, constant_drive
from jarvis.classroom.check import firing_rate as check

SEEDS = range(20)


def spike_steps(current, reset, tau, dt, scale=True, duration=2000):
    drive = float(constant_drive(current, tau=tau, dt=dt)) if scale else current
    x = torch.full((round(duration / dt), 1), drive, dtype=torch.float64)
    return np.flatnonzero(LIFLayer(tau=tau, dt=dt, reset=reset)(x)[0][:, 0].numpy())


def rates(current, reset, tau, dt, **options):
    return 1000 / (np.diff(spike_steps(current, reset, tau, dt, **options)).mean() * dt)


def by_interval(which):
    """The rate from one interval instead of the mean."""
    return lambda *given: 1000 / (np.diff(spike_steps(*given))[which] * given[-1])


def to_the_first(current, reset, tau, dt):
    return 1000 / ((spike_steps(current, reset, tau, dt)[0] + 1) * dt)


def to_threshold(current, tau):
    return tau * math.log(current / (current - 1))


def speed_limit(rate, current, tau):
    return 1000 / rate - to_threshold(current, tau)


def mean_and_spread(w, rate, tau):
    n = rate * tau / 1000
    return w * n, abs(w) * math.sqrt(n / 2)


def irregularity(times):
    return np.diff(times).std() / np.diff(times).mean()


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.coarse_rate(rates, seed=seed)
    assert check.coarse_rate(lambda *given: rates(*given, duration=4000), seed=seed)
    assert check.speed_limit(speed_limit, seed=seed)
    assert check.mean_and_spread(mean_and_spread, seed=seed)
    assert check.irregularity(irregularity, seed=seed)
    assert check.irregularity(lambda t: np.std(np.diff(t), ddof=1) / np.mean(np.diff(t)), seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: rates(*given) / 1000, "the rate per ms"),
        (lambda *given: 1000 / rates(*given), "the interval in ms"),
        (lambda *given: rates(*given, scale=False), "constant_drive"),
        (lambda c, reset, tau, dt: rates(c, "zero", tau, dt), "Do you use the argument `reset`"),
        (lambda c, reset, tau, dt: rates(c, "subtract", tau, dt), "is the argument used?"),
        (lambda *given: 1.5 * rates(*given), "; the mean interval gives"),
        (lambda c, reset, tau, dt: rates(c, reset, tau, 1.0), "at a step of 1 ms: is dt used?"),
        (lambda c, reset, tau, dt: dt * rates(c, reset, tau, dt), "the rate per 1000 steps"),
        (lambda c, reset, tau, dt: rates(c, reset, tau, dt) / dt, "how often is dt used?"),
        (
            lambda c, reset, tau, dt: 1000 / (tau * math.log(c / (c - 1))),
            "That is the rate by the formula",
        ),
        (by_interval(0), "from the first interval alone"),
        (by_interval(-1), "from the last interval alone"),
        (to_the_first, "between spikes, not from the start"),
    ],
)
def test_coarse_rate(answer, words):
    for seed in range(6):
        assert words in check.coarse_rate(answer, seed=seed).words


def test_coarse_rate_gives_no_reason_that_only_some_answers_fit():
    """Wrong in a way of its own for "subtract" alone: none of the known mistakes."""
    for seed in range(6):
        for share in (0.9, 1.1, 0.5, 2.0):
            answer = lambda c, reset, tau, dt: (  # noqa: E731
                rates(c, reset, tau, dt) * (share if reset == "subtract" else 1.0)  # noqa: B023
            )
            assert "; the mean interval gives" in check.coarse_rate(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rate, current, tau: 1000 / rate, "That is the whole interval"),
        (lambda *given: speed_limit(*given) / 1000, "in seconds"),
        (lambda rate, *given: 1 / rate - to_threshold(*given), "the interval in ms is 1000"),
        (lambda rate, *given: rate / 1000 - to_threshold(*given), "spikes per ms"),
        (lambda *given: -speed_limit(*given), "the sign is not"),
        (lambda rate, *given: 1000 / rate + to_threshold(*given), "a part of the interval"),
        (lambda rate, *given: to_threshold(*given), "What is left of the interval?"),
        (lambda rate, c, tau: 1000 / rate - to_threshold(c, 1.0), "tau times the logarithm"),
        (lambda *given: -5, "cannot be negative"),
        (lambda *given: 1.1 * speed_limit(*given), "; then the neuron fires at"),
    ],
)
def test_speed_limit(answer, words):
    for seed in SEEDS:
        assert words in check.speed_limit(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, r, t: (w * r * t, 1), "divide the rate by 1000 to have it per ms"),
        (lambda w, r, t: (w * r * t / 2000, 1), "belongs to the variance"),
        (lambda w, r, t: (1.3 * w * r * t / 1000, 1), "the mean of v is not"),
        (lambda *g: mean_and_spread(*g)[::-1], "Return the mean first"),
        (lambda *g: mean_and_spread(*g)[0], "Return two numbers"),
        (
            lambda *g: (mean_and_spread(*g)[0], mean_and_spread(*g)[1] ** 2),
            "is in fact the variance",
        ),
        (lambda *g: (mean_and_spread(*g)[0], 2**0.5 * mean_and_spread(*g)[1]), "tau/2, not tau"),
        (lambda *g: (mean_and_spread(*g)[0], 1000**0.5 * mean_and_spread(*g)[1]), "Hz times ms"),
        (lambda w, r, t: (w * r * t / 1000, math.sqrt(r * t / 2000)), "not contain the weight"),
        (lambda w, r, t: (w * r * t / 1000, w * math.sqrt(r * t / 2000)), "is negative"),
        (lambda w, r, t: (w * r * t / 1000, 0.5), "is not the square root of the rate"),
    ],
)
def test_mean_and_spread(answer, words):
    for seed in SEEDS:
        assert words in check.mean_and_spread(answer, seed=seed).words


def test_the_speed_limit_is_that_of_a_simulation():
    current, tau, dt, rate = 2.0, 20.0, 0.1, 40.0
    refractory = round(speed_limit(rate, current, tau), 1)
    x = torch.full((20_000, 1), float(constant_drive(current, tau=tau, dt=dt)), dtype=torch.float64)
    spikes = LIFLayer(tau=tau, dt=dt, reset="zero", refractory=refractory)(x)[0][:, 0].numpy()
    assert abs(np.diff(np.flatnonzero(spikes)).mean() * dt - 1000 / rate) < 2 * dt


def test_mean_and_spread_is_that_of_a_simulation():
    rng, tau, dt, weight, rate = np.random.default_rng(0), 20.0, 0.1, 0.02, 2000.0
    jumps = weight * rng.poisson(rate * dt / 1000, size=(200_000, 4))
    trace = LIFLayer(tau=tau, dt=dt, reset="none")(torch.from_numpy(jumps), trace=True)[2]
    mean, spread = mean_and_spread(weight, rate, tau)
    assert abs(trace.v[2000:].mean() / mean - 1) < 0.02
    assert abs(trace.v[2000:].std() / spread - 1) < 0.03


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda t: 1 / irregularity(t), "Take the inverse"),
        (lambda t: irregularity(t) ** 2, "the square of the CV"),
        (lambda t: np.diff(t).var() / np.diff(t).mean(), "The result has a unit"),
        (lambda t: np.diff(t).std(), "in ms. Divide it by the mean"),
        (lambda t: t.std() / t.mean(), "the CV of the spike times"),
        (lambda t: irregularity(np.append(0.0, t)), "the time before the first spike"),
        (lambda t: irregularity(t) + 0.1, "intervals with a mean of"),
        (lambda t: np.diff(t), "should be one number"),
    ],
)
def test_irregularity(answer, words):
    for seed in SEEDS:
        assert words in check.irregularity(answer, seed=seed).words
