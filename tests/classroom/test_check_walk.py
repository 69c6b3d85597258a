"""Lesson 802's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

from jarvis.classroom.check import walk as check

SEEDS = range(2)

MANY = range(20)


def cost(torques):
    return 0.1 * (torques**2).sum(1)


def mean_speed(rewards, torques):
    return (rewards + cost(torques)).mean()


def bell(z, centres, width):
    return np.exp(-((z - centres) ** 2) / (2 * width**2))


def population(A, steps, reset="subtract", early=False, strict=False):
    """Spikes of encoders, one step at a time, with the mistakes that the check knows."""
    potential, spikes = 0 * A, np.zeros((steps, len(A)))
    for t in range(steps):
        tested = potential if early else potential + A
        spikes[t] = tested > 1 if strict else tested >= 1
        potential = potential + A
        if reset == "subtract":
            potential = potential - spikes[t]
        elif reset == "zero":
            potential = np.where(spikes[t] > 0, 0.0, potential)
    return spikes


def encode(z, centres, width, steps):
    return population(bell(z, centres, width), steps)


def variance(p, tau):
    q = math.exp(-1 / tau)
    return p * (1 - p) * (1 - q) / (1 + q)


def jitter(p, tau, n):
    return math.sqrt(variance(p, tau) / n)


def clipped(ratio, advantage, clip):
    return ratio.clamp(1 - clip, 1 + clip) * advantage


def ppo_goal(ratio, advantage, clip):
    return torch.minimum(ratio * advantage, clipped(ratio, advantage, clip)).mean()


def by_cases(ratio, advantage, clip):
    """The same, with the bound that matters for each sign of the advantage."""
    up = ratio.clamp(max=1 + clip) * advantage
    down = ratio.clamp(min=1 - clip) * advantage
    return torch.where(advantage > 0, up, down).mean()


def test_right_answers():
    for seed in MANY:
        assert check.mean_speed(mean_speed, seed=seed)
        assert check.mean_speed(lambda r, a: (r + 0.1 * (a * a).sum(1)).sum() / len(r), seed=seed)
        assert check.encode(encode, seed=seed)
        assert check.encode(lambda *args: encode(*args).astype(int), seed=seed)
        assert check.jitter(jitter, seed=seed)
        assert check.ppo_goal(ppo_goal, seed=seed)
        assert check.ppo_goal(by_cases, seed=seed)


def test_a_long_time_constant_does_not_hide_a_slip():
    for seed in range(100):
        answer = check.jitter(lambda p, tau, n: math.sqrt(p * (1 - p) / (2 * tau) / n), seed=seed)
        assert "long time constant" in answer.words


@pytest.mark.parametrize("exercise", ["mean_speed", "encode", "jitter", "ppo_goal"])
def test_a_stub_says_nothing(exercise, capsys):
    def stub(*args):
        """As in the lesson."""
        ...

    assert not getattr(check, exercise)(stub)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r, a: r.mean(), "the mean reward"),
        (lambda r, a: (r - cost(a)).mean(), "already been subtracted"),
        (lambda r, a: (r + 0.1 * (a**2).mean(1)).mean(), "average the squares"),
        (lambda r, a: (r + 0.1 * (a**2).mean()).mean(), "average the squares"),
        (lambda r, a: (r + (a**2).sum(1)).mean(), "factor of 0.1"),
        (lambda r, a: (r + 0.1 * abs(a).sum(1)).mean(), "not squares"),
        (lambda r, a: (r + 0.1 * a.sum(1) ** 2).mean(), "square the sum"),
        (lambda r, a: (r + cost(a)).sum(), "a sum over the episode"),
        (lambda r, a: r.mean() + cost(a).sum(), "the cost of the whole episode"),
        (lambda r, a: mean_speed(r, a) / 0.05, "do not divide"),
        (lambda r, a: mean_speed(r, a) * 0.05, "do not multiply"),
        (lambda r, a: 7.0, "you return 7.0000"),
        (lambda r, a: r + cost(a), "should be one number"),
    ],
)
def test_mean_speed(answer, words):
    for seed in SEEDS:
        assert words in check.mean_speed(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda z, c, w, n: population(bell(z, c, w), n, reset="zero"), "set to 0 after a spike"),
        (lambda z, c, w, n: population(bell(z, c, w), n, reset="none"), "never reduced"),
        (lambda z, c, w, n: population(bell(z, c, w), n, early=True), "before you add A"),
        (lambda z, c, w, n: population(bell(z, c, w), n, strict=True), "exactly 1"),
        (lambda z, c, w, n: population(bell(z, c, w) ** 2, n), "too narrow"),
        (lambda z, c, w, n: population(bell(z, c, w) ** w, n), "not a Gaussian of width w"),
        (lambda z, c, w, n: population(np.exp(-abs(z - c) / (2 * w**2)), n), "the square of"),
        (lambda z, c, w, n: np.tile(bell(z, c, w), (n, 1)), "whole spikes"),
        (lambda z, c, w, n: np.tile(bell(z, c, w) >= 1, (n, 1)), "carry the potentials on"),
        (lambda z, c, w, n: list(encode(z, c, w, n)), "You return a list"),
        (lambda z, c, w, n: encode(z, c, w, n).T, "time comes first"),
        (lambda z, c, w, n: 0.5 * encode(z, c, w, n), "neither 0 nor 1"),
        (lambda z, c, w, n: encode(z, c, w, n)[::-1], "wrong for the first time"),
        (lambda z, c, w, n: encode(z, c, w, n).sum(0), "should have the shape"),
    ],
)
def test_encode(answer, words):
    for seed in SEEDS:
        assert words in check.encode(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, tau, n: variance(p, tau) / n, "That is the variance"),
        (lambda p, tau, n: math.sqrt(variance(p, tau)), "a single trace"),
        (lambda p, tau, n: math.sqrt(variance(p, tau)) / n, "You divide by n"),
        (lambda p, tau, n: math.sqrt(variance(p, tau) * n), "the sum of n traces"),
        (lambda p, tau, n: math.sqrt(p * (1 - p) / n), "the jitter of the spikes"),
        (lambda p, tau, n: jitter(p, tau, n) / math.sqrt(1 - p), "p as the variance"),
        (lambda p, tau, n: jitter(p, tau, n) * math.sqrt(p * (1 - p)), "is not its variance"),
        (lambda p, tau, n: (1 - math.exp(-1 / tau)) * math.sqrt(p * (1 - p) / n), "last spike"),
        (lambda p, tau, n: math.sqrt(p * (1 - p) / (2 * tau) / n), "long time constant"),
        (lambda p, tau, n: 0.7 * jitter(p, tau, n), "you return"),
    ],
)
def test_jitter(answer, words):
    for seed in SEEDS:
        assert words in check.jitter(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r, a, c: (r * a).mean(), "You do not clip"),
        (lambda r, a, c: clipped(r, a, c).mean(), "clipped ratio everywhere"),
        (lambda r, a, c: torch.maximum(r * a, clipped(r, a, c)).mean(), "the larger product"),
        (lambda r, a, c: -ppo_goal(r, a, c), "That is the loss"),
        (lambda r, a, c: ppo_goal(r, a, c) * len(r), "That is a sum"),
        (lambda r, a, c: torch.minimum(r * a, r.clamp(max=1 + c) * a).mean(), "a lower bound"),
        (lambda r, a, c: torch.minimum(r * a, r.clamp(-c, c) * a).mean(), "You clip to"),
        (lambda r, a, c: torch.minimum(r * a, (r * a).clamp(1 - c, 1 + c)).mean(), "the products"),
        (lambda r, a, c: (torch.minimum(r, r.clamp(1 - c, 1 + c)) * a).mean(), "the smaller ratio"),
        (lambda r, a, c: torch.minimum(r * a, clipped(r, a, c)), "one value per control step"),
        (lambda r, a, c: ppo_goal(r, a, c) + 0.01, "you return"),
    ],
)
def test_ppo_goal(answer, words):
    for seed in SEEDS:
        assert words in check.ppo_goal(answer, seed=seed).words
