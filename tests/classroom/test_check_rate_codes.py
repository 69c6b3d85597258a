"""Lesson 201's checks: right answers pass, and each mistake is told by its name."""

import math

import pytest
import torch

import jarvis
from jarvis.classroom.check import rate_codes as check

SEEDS = range(3)


def steps_for(p, error):
    return max(1, math.ceil(p * (1 - p) / error**2 - 1e-9))


def brightness(spikes, max_rate, dt):
    return jarvis.rate_decode(spikes, dt) / max_rate


def fano_factor(spikes):
    counts = spikes.sum(0)
    return counts.var() / counts.mean()


def time_constant(p, error, dt):
    return dt * p * (1 - p) / (2 * error**2)


def exact_time_constant(p, error, dt):
    v = p * (1 - p)
    return -dt / math.log((v - error**2) / (v + error**2))


@pytest.mark.parametrize("seed", range(20))
def test_right_answers(seed):
    assert check.steps_for(steps_for, seed=seed)
    assert check.brightness(brightness, seed=seed)
    assert check.brightness(lambda s, r, dt: s.mean(0).numpy() * 1000 / (r * dt), seed=seed)
    assert check.fano_factor(fano_factor, seed=seed)
    assert check.fano_factor(lambda s: s.sum(0).numpy().var() / s.sum(0).numpy().mean(), seed=seed)
    assert check.time_constant(time_constant, seed=seed)
    assert check.time_constant(exact_time_constant, seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, e: p * (1 - p) / e**2 + 1e-3, "T is a whole number"),
        (lambda p, e: max(1, int(p * (1 - p) / e**2)), "rounded down"),
        (lambda p, e: steps_for(p, e) + 1, "one step more"),
        (lambda p, e: max(1, math.ceil(p * (1 - p) / e)), "forgot to square the error"),
        (lambda p, e: max(1, math.ceil(math.sqrt(p * (1 - p)) / e)), "still under the square root"),
        (lambda p, e: math.ceil(p / e**2), "variance of a step is p (1 - p)"),
        (lambda p, e: math.ceil(0.25 / e**2), "the worst case"),
        (lambda p, e: 10000, "With that T the error is 0.00"),
        (lambda p, e: -1, "With that T the error is inf"),
        (lambda p, e: math.ceil(p * (1 - p) / e**2), "the smallest T, 1, is enough"),
        (lambda p, e: [p, e], "one number"),
    ],
)
def test_steps_for(answer, words):
    for seed in SEEDS:
        assert words in check.steps_for(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, r, dt: s.mean(0), "you return spikes per step"),
        (lambda s, r, dt: jarvis.rate_decode(s, dt), "you return the rate in Hz"),
        (lambda s, r, dt: jarvis.rate_decode(s, 1.0) / r, "you leave out dt"),
        (lambda s, r, dt: s.mean(0) / dt / r, "a second has 1000 ms"),
        (lambda s, r, dt: s.sum(0) * 1000 / dt / r, "you count spikes instead of"),
        (lambda s, r, dt: s.mean(0) / r, "spikes per step by spikes per second"),
        (lambda s, r, dt: s.mean(0) * 1000 * dt / r, "you multiply by dt"),
        (lambda s, r, dt: 0.9 * brightness(s, r, dt), "has the brightness"),
        (lambda s, r, dt: brightness(s, r, dt).flatten(), "the shape (3, 4)"),
    ],
)
def test_brightness(answer, words):
    for seed in SEEDS:
        assert words in check.brightness(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s: s.sum(0).std() / s.sum(0).mean(), "You divide the standard deviation"),
        (lambda s: s.var() / s.mean(), "You use single steps"),
        (lambda s: s.sum(1).var() / s.sum(1).mean(), "You count the spikes of all trains"),
        (lambda s: s.mean(0).var() / s.mean(0).mean(), "in place of the count"),
        (lambda s: s.sum(0).mean() / s.sum(0).var(), "Divide the variance by the mean"),
        (lambda s: s.sum(0).var(), "the variance alone"),
        (lambda s: s.sum(0).square().mean() / s.sum(0).mean(), "subtract the mean"),
        (lambda s: 1.0, "you return 1.000"),
        (lambda s: 1 - s.mean(), "You use single steps"),
    ],
)
def test_fano_factor(answer, words):
    for seed in SEEDS:
        assert words in check.fano_factor(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, e, dt: exact_time_constant(p, e, 1.0), "tau in steps"),
        (lambda p, e, dt: p * (1 - p) / e**2, "T_eff, a number of steps"),
        (lambda p, e, dt: dt * p * (1 - p) / e**2, "T_eff in ms"),
        (lambda p, e, dt: dt * p * (1 - p) / (2 * e), "forgot to square"),
        (lambda p, e, dt: dt * p / (2 * e**2), "variance of a step"),
        (lambda p, e, dt: p * (1 - p) / (2 * dt * e**2), "You divide by dt"),
        (
            lambda p, e, dt: math.exp(-dt / exact_time_constant(p, e, dt)),
            "You return beta",
        ),
        (lambda p, e, dt: 100.0, "With that tau the standard deviation is"),
        (lambda p, e, dt: -1.0, "With that tau the standard deviation is"),
    ],
)
def test_time_constant(answer, words):
    for seed in SEEDS:
        assert words in check.time_constant(answer, seed=seed).words


def test_the_law_of_the_running_estimate():
    """What the exercise takes for granted, against a simulation."""
    tau, dt, p = exact_time_constant(0.3, 0.06, 1.0), 1.0, 0.3
    beta, r = math.exp(-dt / tau), torch.zeros(20_000)
    g = torch.Generator().manual_seed(0)
    for _ in range(300):
        r = beta * r + (1 - beta) * (torch.rand(20_000, generator=g) < p)
    assert abs(r.std().item() / 0.06 - 1) < 0.02
