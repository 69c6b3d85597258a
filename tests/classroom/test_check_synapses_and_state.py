"""Lesson 103's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

from jarvis.classroom.check import synapses_and_state as check
from jarvis.neurons import exp_decay

SEEDS = range(20)


def just_enough(tau, tau_syn, dt):
    return (1 - exp_decay(tau, dt)) * (1 - exp_decay(tau_syn, dt))


def threshold_at(t, spikes, b, tau):
    return 1 + b * np.exp(-(t - spikes) / tau).sum()


def by_a_loop(t, spikes, b, tau, dt=0.001):
    """The adaptive threshold of lesson 103, step by step."""
    a, decay, left = 0.0, math.exp(-dt / tau), list(spikes)
    for n in range(round(t / dt)):
        a *= decay
        while left and left[0] <= (n + 1) * dt:
            a += 1
            left.pop(0)
    return 1 + b * a


def count(layer, stream, slip=""):
    counts, state = [], None
    for piece, is_new in stream:
        if is_new:
            counts.append(0)
            state = state if slip == "left over" else None
        if slip == "forget":
            state = None
        spikes, state = layer(piece, state)
        counts[-1] += spikes.sum().item()
    return counts


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.just_enough(just_enough, seed=seed)
    assert check.threshold_at(threshold_at, seed=seed)
    assert check.count_per_recording(count, seed=seed)
    as_tensors = lambda *given: [torch.tensor(n) for n in count(*given)]  # noqa: E731
    assert check.count_per_recording(as_tensors, seed=seed)
    assert check.count_per_recording(lambda *given: np.array(count(*given)), seed=seed)


def test_the_threshold_is_that_of_a_loop():
    spikes = np.array([3.0, 40.0, 41.0])
    assert math.isclose(by_a_loop(100.0, spikes, 0.3, 80.0), threshold_at(100.0, spikes, 0.3, 80.0),
                        rel_tol=1e-4)  # fmt: skip


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda tau, tau_syn, dt: 1 - exp_decay(tau, dt), "without a synapse"),
        (lambda tau, tau_syn, dt: 1 - exp_decay(tau_syn, dt), "one more factor"),
        (lambda tau, tau_syn, dt: dt / tau * dt / tau_syn, "Euler's factor"),
        (lambda *given: 1 / just_enough(*given), "for x = 1"),
        (lambda *given: 2 * just_enough(*given), "v settles at 2.000"),
    ],
)
def test_just_enough(answer, words):
    for seed in range(4):
        assert words in check.just_enough(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda t, s, b, tau: threshold_at(t, s, b, tau) - 1, "resting threshold, 1, is missing"),
        (lambda t, s, b, tau: threshold_at(t, s, 1.0, tau) - 1, "The threshold is 1 + b a"),
        (lambda t, s, b, tau: 1 + b * len(s), "Nothing has decayed"),
        (lambda t, s, b, tau: 1 + b * math.exp(-(t - s[-1]) / tau), "only the last spike"),
        (lambda t, s, b, tau: 1 + b * math.exp(-(t - s[0]) / tau), "only the first spike"),
        (lambda t, s, b, tau: 1 + b * len(s) * math.exp(-(t - s[-1]) / tau), "as the last one"),
        (lambda t, s, b, tau: 1 + b * len(s) * math.exp(-(t - s[0]) / tau), "as the first one"),
        (lambda t, s, b, tau: 1 + b * np.exp((t - s) / tau).sum(), "the sign in the exponent"),
        (lambda t, s, b, tau: 1 + b * np.exp(-(t - s) / tau).prod(), "They add up"),
        (lambda t, s, b, tau: threshold_at(t, s, b, tau) - 1 + math.exp(-t / tau), "the 1 decays"),
        (lambda t, s, b, tau: threshold_at(t, s, 1.1 * b, tau), "a loop over small steps"),
    ],
)
def test_threshold_at(answer, words):
    for seed in SEEDS:
        assert words in check.threshold_at(answer, seed=seed).words


def forgets_late(layer, stream):
    counts, state = [], None
    for piece, is_new in stream:
        spikes, state = layer(piece, state)
        if is_new:
            state = None
            counts.append(0)
        counts[-1] += spikes.sum().item()
    return counts


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: count(*given, slip="forget"), "Every piece starts at rest"),
        (
            lambda *given: count(*given, slip="left over"),
            "Only your first recording starts at rest",
        ),
        (forgets_late, "Reset it before that piece"),
        (lambda *given: np.cumsum(count(*given)), "start each count at 0"),
        (lambda *given: sum(count(*given)), "a list with one number per recording, not float"),
        (lambda layer, stream: [1] * len(stream), "one per piece"),
        (lambda *given: count(*given)[:2], "There are 3 recordings, and you return 2"),
        (lambda *given: [n + 1 for n in count(*given)], "run one recording at a time"),
        (lambda layer, stream: [stream[0][0]] * 3, "should be one number"),
    ],
)
def test_count_per_recording(answer, words):
    for seed in SEEDS:
        assert words in check.count_per_recording(answer, seed=seed).words
