"""Lesson 504's checks: right answers pass, and each mistake is told by its name."""

import math
from functools import partial

import pytest
import torch

from jarvis import Events
from jarvis.classroom.check import spoken_digits as check
from jarvis.datasets.spoken_digits import CHANNELS

SEEDS = range(2)


def place_for(duration, far=25.0, turn=1):
    angle = math.acos(duration / 30)
    return 15 + turn * far * math.cos(angle), far * math.sin(angle)


def find_factor(rate_of, target, low=1e-4, high=1e4):
    for _ in range(50):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if rate_of(middle) < target else (low, middle)
    return middle


def backwards(events, last=None, carry=True):
    times = (events.n_steps - 1 if last is None else last) - events.times
    order = torch.argsort(events.samples() * events.n_steps + times, stable=True)
    units = events.units[order] if carry else events.units
    return Events(times[order], units, events.offsets, events.shape, events.n_steps)


def until(events, step, keep=torch.lt, minlength=True):
    kept = keep(events.times, step)
    counts = torch.bincount(
        events.samples()[kept], minlength=len(events) if minlength is True else 0
    )
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Events(events.times[kept], events.units[kept], offsets, events.shape, events.n_steps)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.place_for(place_for, seed=seed)
    assert check.place_for(lambda d: torch.tensor(place_for(d)), seed=seed)
    assert check.place_for(partial(place_for, far=-60.0, turn=-1), seed=seed)
    assert check.find_factor(find_factor, seed=seed)
    assert check.backwards(backwards, seed=seed)
    assert check.until(until, seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda d: (33.0, 0.0), "use the argument"),
        (lambda d: (30 + d, 0.0), "only a sweep of 30 ms arrives"),
        (lambda d: (15 + d / 2, 0.0), "the two ends arrive together"),
        (partial(place_for, turn=-1), "responds to the down-sweep"),
        (lambda d: place_for(30 * math.sqrt(1 - (d / 30) ** 2)), "do not arrive together"),
        (lambda d: place_for(d, far=5000.0), "very far away"),
        (lambda d: (d, 0.0, 0.0), "should have the shape (2,)"),
        (lambda d: d, "should have the shape (2,)"),
    ],
)
def test_place_for(answer, words):
    for seed in SEEDS:
        assert words in check.place_for(answer, seed=seed).words


def test_a_right_answer_is_never_taken_for_a_slip():
    for seed in range(60):
        assert check.find_factor(find_factor, seed=seed)


def tried_all(rate_of, target):
    return min(
        (10 ** (k / 500) for k in range(-2000, 2000)), key=lambda f: abs(rate_of(f) - target)
    )


def wrong_half(rate_of, target):
    return find_factor(lambda factor: -rate_of(factor), -target)


def reached(rate_of, target):
    return rate_of(find_factor(rate_of, target))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (reached, "That looks like the rate"),
        (lambda rate_of, target: target, "That looks like the rate"),
        (tried_all, "halve the range"),
        (wrong_half, "an end of the range"),
        (lambda *given: -find_factor(*given), "has to be positive"),
        (lambda *given: 1.5 * find_factor(*given), "but with that factor the rate is"),
    ],
)
def test_find_factor(answer, words):
    for seed in SEEDS:
        assert words in check.find_factor(answer, seed=seed).words


def test_a_rate_is_not_proportional_to_the_weights():
    said = [
        check.find_factor(lambda rate_of, target: target / max(rate_of(1.0), 1e-9), seed=seed).words
        for seed in range(20)
    ]
    assert not any("right." in words for words in said)
    assert any("not proportional" in words for words in said)


def own_ends(events):
    ends = torch.tensor([row.times.max() if len(row.times) else 0 for row in map(
        events.__getitem__, range(len(events)))])  # fmt: skip
    return backwards(events, last=ends[events.samples()])


def exchanged(events):
    return backwards(events)[list(range(len(events)))[::-1]]


def unsorted(events):
    times = events.n_steps - 1 - events.times
    return Events(times, events.units, events.offsets, events.shape, events.n_steps)


def too_long(events):
    turned = backwards(events)
    return Events(turned.times, turned.units, turned.offsets, turned.shape, 200)


def other_channels(events):
    turned = backwards(events)
    units = CHANNELS - 1 - turned.units
    times = (turned.times - 1).clamp(min=0)
    return Events(times, units, turned.offsets, turned.shape, turned.n_steps)


def in_place(events):
    turned = backwards(events)
    events.times.copy_(turned.times)
    return turned


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda e: e, "come back unchanged"),
        (lambda e: backwards(e, last=e.n_steps), "one step late"),
        (lambda e: backwards(e, carry=False), "each channel must stay with its step"),
        (own_ends, "its last event"),
        (exchanged, "changed their order"),
        (unsorted, "sort them first"),
        (too_long, "should stay"),
        (other_channels, "In sample 0 you have"),
        (in_place, "modifies its input events"),
        (lambda e: e.times, "not Tensor"),
        (lambda e: backwards(e)[:-1], "5 samples went in and 4 came out"),
    ],
)
def test_backwards(answer, words):
    for seed in SEEDS:
        assert words in check.backwards(answer, seed=seed).words


def wrong_samples(events, step):
    heard = until(events, step)
    offsets = torch.tensor([0, *[len(heard.times)] * len(events)])
    order = torch.argsort(heard.times, stable=True)
    return Events(heard.times[order], heard.units[order], offsets, heard.shape, heard.n_steps)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda e, step: e, "All events are still there"),
        (partial(until, keep=torch.le), "at step"),
        (partial(until, minlength=False), "5 samples went in and 4 came out"),
        (partial(until, keep=torch.ge), "instead of those before it"),
        (wrong_samples, "in the wrong samples"),
        (lambda e, step: until(e, step // 2), "In sample"),
        (
            lambda e, step: Events(
                e.times[e.times < step], e.units[e.times < step], e.offsets, e.shape, e.n_steps
            ),
            "offsets must run from 0",
        ),
    ],
)
def test_until(answer, words):
    for seed in SEEDS:
        assert words in check.until(answer, seed=seed).words
