"""Notebook 03's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

import jarvis
from jarvis.classroom.check import spike_codes as check

SEEDS = range(2)


def steps_for(p, error):
    return max(1, math.ceil(p * (1 - p) / error**2 - 1e-9))


def bits_per_spike(levels):
    return 2 * math.log2(levels) / (levels - 1), math.log2(levels)


def read_on_off(on, off, slip=""):
    """Every pixel by its spikes, with one slip."""
    a = 1 - jarvis.first_spike_decode(on) / (len(on) - 1)
    b = jarvis.first_spike_decode(off) / (len(off) - 1)
    if slip == "off turned":
        b = 1 - b
    fired_on, fired_off = on.amax(0) > 0, off.amax(0) > 0
    if slip == "average":
        return (a.clamp(min=0) + torch.where(fired_off, b, 1.0)) / 2
    if slip == "maximum":
        return torch.maximum(a.clamp(min=0), torch.where(fired_off, b, 1.0))
    both = a + b if slip == "sum" else (a + b) / 2
    alone = torch.where(fired_on, a, 0.0)
    nothing = {"half": 0.5, "nan": math.nan}.get(slip, 0.0)
    only_off = 0.0 if slip == "off unheard" else b
    out = torch.where(fired_off, torch.where(fired_on, both, only_off), alone)
    if slip == "dim":
        out = 0.9 * out
    return torch.where(fired_on | fired_off, out, nothing)


def read_relative(spikes, n_steps, slip=""):
    t = jarvis.first_spike_decode(spikes)
    first = t.flatten(1).amin(1).view(-1, 1, 1, 1)
    first = {"clock": 0, "batch": t.min(), "twelve": 12}.get(slip, first)
    last = {"length": len(spikes) - 1, "n_steps": n_steps}.get(slip, n_steps - 1)
    value = (t - first) / last if slip == "negative" else 1 - (t - first) / last
    if slip == "half":
        value = 0.5 * value
    return value if slip == "no clamp" else value.clamp(0, 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.steps_for(steps_for, seed=seed)
    assert check.bits_per_spike(bits_per_spike, seed=seed)
    assert check.read_on_off(read_on_off, seed=seed)
    assert check.read_relative(read_relative, seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, e: p * (1 - p) / e**2 + 1e-3, "T is a whole number"),
        (lambda p, e: max(1, int(p * (1 - p) / e**2)), "rounded down"),
        (lambda p, e: steps_for(p, e) + 1, "one step more"),
        (lambda p, e: max(1, math.ceil(p * (1 - p) / e)), "enters squared"),
        (lambda p, e: max(1, math.ceil(math.sqrt(p * (1 - p)) / e)), "still under the root"),
        (lambda p, e: math.ceil(p / e**2), "has variance p (1 - p)"),
        (lambda p, e: math.ceil(0.25 / e**2), "the worst p"),
        (lambda p, e: 10000, "there the error is 0.00"),
        (lambda p, e: -1, "there the error is inf"),
        (lambda p, e: math.ceil(p * (1 - p) / e**2), "T = 1, the least, is enough"),
        (lambda p, e: [p, e], "one number"),
    ],
)
def test_steps_for(answer, words):
    for seed in SEEDS:
        assert words in check.steps_for(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda k: bits_per_spike(k)[::-1], "The count comes first"),
        (lambda k: (2 * math.log(k) / (k - 1), math.log(k)), "nats"),
        (lambda k: tuple(1 / x for x in bits_per_spike(k)), "spikes per bit"),
        (lambda k: (bits_per_spike(k)[0], math.log2(k) / k), "spends one spike"),
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
        ("average", "You average everywhere. A channel"),
        ("off turned", "OFF is inverted"),
        ("maximum", "reads a silent OFF as white"),
        ("sum", "Where both fired you add"),
        ("off unheard", "Where only OFF fired"),
        ("half", "you return 0.50, not 0"),
        ("nan", "0 divided by 0"),
        ("dim", "the definition gives"),
    ],
)
def test_read_on_off(slip, words):
    for seed in SEEDS:
        answer = check.read_on_off(lambda on, off: read_on_off(on, off, slip), seed=seed)
        assert words in answer.words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda on, off: jarvis.encoding.ttfs_decode(on), "uses ON alone"),
        (lambda on, off: 1 - jarvis.encoding.ttfs_decode(off), "uses OFF alone"),
        (
            lambda on, off: (
                (jarvis.encoding.ttfs_decode(on) + jarvis.encoding.ttfs_decode(off)) / 2
            ),
            "as if it were",
        ),
        (lambda on, off: on.sum(0).flatten(1), "the shape (6, 1, 8, 8)"),
        (lambda on, off: on.mul_(2), "changes the array"),
    ],
)
def test_read_on_off_by_other_means(answer, words):
    assert words in check.read_on_off(answer).words


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("clock", "absolute times"),
        ("batch", "of the whole batch"),
        ("twelve", "12 ms"),
        ("length", "length of the train"),
        ("n_steps", "You divide by n_steps"),
        ("negative", "It is inverted"),
        ("no clamp", "clamp at 0"),
        ("half", "the definition gives"),
    ],
)
def test_read_relative(slip, words):
    for seed in SEEDS:
        answer = check.read_relative(lambda s, n: read_relative(s, n, slip), seed=seed)
        assert words in answer.words


def test_numpy_answers_are_as_good():
    assert check.read_relative(lambda s, n: read_relative(s, n).numpy().astype(np.float64))
