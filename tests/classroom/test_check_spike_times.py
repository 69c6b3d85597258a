"""Lesson 202's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

import jarvis
from jarvis.classroom.check import spike_times as check

SEEDS = range(3)


def bits_per_spike(levels):
    return 2 * math.log2(levels) / (levels - 1), math.log2(levels)


def read_relative(spikes, n_steps, slip=""):
    t = jarvis.first_spike_decode(spikes)
    first = t.flatten(1).amin(1).view(-1, 1, 1, 1)
    first = {"clock": 0, "batch": t.min(), "twelve": 12}.get(slip, first)
    last = {"length": len(spikes) - 1, "n_steps": n_steps}.get(slip, n_steps - 1)
    value = (t - first) / last if slip == "negative" else 1 - (t - first) / last
    if slip == "half":
        value = 0.5 * value
    return value if slip == "no clamp" else value.clamp(0, 1)


def expected_first_step(p, n_steps):
    return (1 - p) * (1 - (1 - p) ** n_steps) / p


def read_latency(t, tau, theta):
    return (theta / (1 - torch.exp(-t / tau))).clamp(max=1)


@pytest.mark.parametrize("seed", range(20))
def test_right_answers(seed):
    assert check.expected_first_step(expected_first_step, seed=seed)
    assert check.read_latency(read_latency, seed=seed)
    assert check.bits_per_spike(bits_per_spike, seed=seed)
    assert check.read_relative(read_relative, seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda k: bits_per_spike(k)[::-1], "the count comes first"),
        (lambda k: (2 * math.log(k) / (k - 1), math.log(k)), "nats"),
        (lambda k: tuple(1 / x for x in bits_per_spike(k)), "spikes per bit"),
        (lambda k: (bits_per_spike(k)[0], math.log2(k) / k), "sends one spike"),
        (lambda k: (bits_per_spike(k)[0], 1.0), "with its one spike"),
        (lambda k: (math.log2(k), math.log2(k)), "did not divide"),
        (lambda k: (math.log2(k) / (k - 1), math.log2(k)), "use the mean"),
        (lambda k: (math.log2(k) / k, math.log2(k)), "never has"),
        (lambda k: (2 * math.log2(k) / k, math.log2(k)), "not K/2"),
        (lambda k: (2 * math.log2(k) / (k + 1), math.log2(k)), "start at 0"),
        (lambda k: (0.1, math.log2(k)), "spikes on average"),
        (lambda k: math.log2(k), "the shape (2,)"),
    ],
)
def test_bits_per_spike(answer, words):
    for seed in SEEDS:
        assert words in check.bits_per_spike(answer, seed=seed).words


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("clock", "absolute times"),
        ("batch", "of the whole batch"),
        ("twelve", "12 ms"),
        ("length", "length of the train"),
        ("n_steps", "You divide by n_steps"),
        ("negative", "is inverted"),
        ("no clamp", "clamp at 0"),
        ("half", "the definition gives"),
    ],
)
def test_read_relative(slip, words):
    for seed in SEEDS:
        answer = check.read_relative(lambda s, n: read_relative(s, n, slip), seed=seed)
        assert words in answer.words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, n: sum((1 - p) ** k for k in range(1, n)), "You left out k = T"),
        (lambda p, n: sum((1 - p) ** k for k in range(n)), "You start at k = 0, so a white pixel"),
        (lambda p, n: sum((1 - p) ** k for k in range(n + 1)), "one term too many"),
        (lambda p, n: (1 - p) / p, "the mean without a limit"),
        (lambda p, n: 1 / p, "counts the steps from 1"),
        (
            lambda p, n: (
                sum(k * p * (1 - p) ** k for k in range(n)) / (1 - (1 - p) ** n) if p < 1 else 0.0
            ),
            "over the pixels that fire",
        ),
        (lambda p, n: sum(k * p * (1 - p) ** k for k in range(n)), "leave silent pixels out"),
        (lambda p, n: n / 2, "A simulation gives"),
    ],
)
def test_expected_first_step(answer, words):
    for seed in SEEDS:
        assert words in check.expected_first_step(answer, seed=seed).words


def test_the_expected_first_step_is_that_of_the_decoder():
    spikes = jarvis.poisson_encode(torch.full((50_000,), 0.1), 12, generator=torch.Generator())
    measured = jarvis.first_spike_decode(spikes).mean().item()
    assert abs(measured - expected_first_step(0.1, 12)) < 0.06


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda t, tau, th: th / (1 - torch.exp(-t / tau)), "brighter than 1: clamp"),
        (lambda t, tau, th: th / torch.exp(-t / tau), "You divide by exp(-t/tau)"),
        (lambda t, tau, th: th * (1 - torch.exp(-t / tau)), "You multiply by 1 - exp"),
        (lambda t, tau, th: 1 / (1 - torch.exp(-t / tau)), "fires at theta, not at 1"),
        (lambda t, tau, th: (th / (1 - torch.exp(-t))).clamp(max=1), "t in place of t / tau"),
        (lambda t, tau, th: th / (1 - torch.exp(t / tau)), "The minus sign is missing"),
        (lambda t, tau, th: 0.9 * read_latency(t, tau, th), "means x ="),
        (lambda t, tau, th: 0.5, "the shape (1, 8)"),
    ],
)
def test_read_latency(answer, words):
    for seed in SEEDS:
        assert words in check.read_latency(answer, seed=seed).words


def test_numpy_answers_are_as_good():
    assert check.read_relative(lambda s, n: read_relative(s, n).numpy().astype(np.float64))
