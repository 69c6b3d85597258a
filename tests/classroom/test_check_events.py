"""Lesson 203's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

import jarvis
from jarvis.classroom.check import events as check

SEEDS = range(3)


def rebuild(events, threshold, start):
    return start + threshold * events.cumsum(0)


def smallest_threshold(signal):
    return signal.diff(dim=0).abs().max()


def camera_events(film, contrast):
    return jarvis.delta_encode(film.log(), math.log(1 + contrast))


def time_surface(times, place, now, tau, n_pixels, slip=""):
    last = np.full(n_pixels, 0.0 if slip == "zero" else -np.inf)
    past = times <= (np.inf if slip == "future" else now)
    order = slice(None, None, -1) if slip == "first" else slice(None)
    last[place[past][order]] = times[past][order]
    if slip == "age":
        return np.where(np.isfinite(last), now - last, 0)
    if slip == "tau":
        return np.exp(-(now - last))
    if slip == "sum":
        return np.bincount(place[past], np.exp(-(now - times[past]) / tau), n_pixels)
    return np.exp(-(now - last) / tau) * (0.9 if slip == "dim" else 1)


@pytest.mark.parametrize("seed", range(20))
def test_right_answers(seed):
    assert check.rebuild(rebuild, seed=seed)
    assert check.smallest_threshold(smallest_threshold, seed=seed)
    assert check.camera_events(camera_events, seed=seed)
    assert check.time_surface(time_surface, seed=seed)


def test_a_loop_is_as_good():
    def slowly(events, threshold, start):
        level, path = start, []
        for event in events.tolist():
            level += threshold * event
            path.append(level)
        return np.array(path)

    def by_maximum(times, place, now, tau, n_pixels):
        last = np.full(n_pixels, -np.inf)
        np.maximum.at(last, place[times <= now], times[times <= now])
        return np.exp((last - now) / tau)

    assert check.rebuild(slowly)
    assert check.time_surface(by_maximum)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda e, th, s: th * e.cumsum(0), "The start is missing"),
        (lambda e, th, s: s + e.cumsum(0), "by the threshold"),
        (lambda e, th, s: s + th * e, "change in each step"),
        (lambda e, th, s: s + th * e.abs().cumsum(0), "absolute values"),
        (lambda e, th, s: s - th * e.cumsum(0), "You exchanged ON and OFF"),
        (lambda e, th, s: s + th * (e.cumsum(0) - e), "one step late"),
        (lambda e, th, s: torch.full((len(e),), s + th * e.sum().item()), "the last value only"),
        (
            lambda e, th, s: s + th * e.cumsum(0) / torch.arange(1, len(e) + 1),
            "the mean so far",
        ),
        (lambda e, th, s: 0.9 * rebuild(e, th, s), "ON minus OFF events is"),
        (lambda e, th, s: s + th * e.sum(), "the shape (120,)"),
    ],
)
def test_rebuild(answer, words):
    for seed in SEEDS:
        assert words in check.rebuild(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s: s.diff(dim=0).max(), "largest rise"),
        (lambda s: s.diff(dim=0).min(), "with its sign"),
        (lambda s: -s.diff(dim=0).min(), "largest fall. The reference"),
        (lambda s: s.diff(dim=0).abs().mean(), "the mean change"),
        (lambda s: s.max() - s.min(), "the range of the signal"),
        (lambda s: s.abs().max(), "the largest value"),
        (lambda s: smallest_threshold(s) / 2, "too small"),
        (lambda s: 2 * smallest_threshold(s), "twice as large as needed"),
        (lambda s: s.diff(dim=-1).abs().max(), "neighbouring pixels"),
        (lambda s: s[:, 0, 0].diff(dim=0).abs().max(), "of the first pixel"),
        (lambda s: 0.123, "The largest change of a pixel"),
        (lambda s: s.diff(dim=0).abs().amax(0), "one number"),
    ],
)
def test_smallest_threshold(answer, words):
    for seed in SEEDS:
        assert words in check.smallest_threshold(answer, seed=seed).words


def test_the_smallest_threshold_is_enough_and_less_is_not():
    signal = torch.tensor([0.0, 1.0, 2.0, 3.0, 3.5, 2.5, 1.5, 0.5, 0.5]).double()[:, None]
    worst = {}
    for threshold in (1.0, 0.9):
        events = jarvis.delta_encode(signal, threshold)
        found = jarvis.encoding.delta_decode(events, threshold, signal[0])
        worst[threshold] = ((found - signal).abs().max() / threshold).item()
    assert worst[1.0] <= 1 < worst[0.9] + 0.35
    assert smallest_threshold(signal) == 1.0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda f, c: jarvis.delta_encode(f, c), "You encode the film itself. A fixed"),
        (lambda f, c: jarvis.delta_encode(f, math.log(1 + c)), "with a logarithmic threshold"),
        (lambda f, c: jarvis.delta_encode(f.log(), c), "Your threshold is the contrast."),
        (
            lambda f, c: jarvis.delta_encode(f.log2(), math.log(1 + c)),
            "log2, but your threshold is",
        ),
        (
            lambda f, c: jarvis.delta_encode(f.log10(), math.log(1 + c)),
            "log10, but your threshold is",
        ),
        (lambda f, c: jarvis.delta_encode(f.log2(), c), "log2, and your threshold is"),
        (lambda f, c: jarvis.delta_encode(f.log10(), c), "log10, and your threshold is"),
        (lambda f, c: jarvis.delta_encode(f.log1p(), math.log(1 + c)), "differences: take the"),
        (lambda f, c: jarvis.delta_encode(f.log1p(), c), "an ON event means"),
        (lambda f, c: jarvis.delta_encode(f.log(), 2 * c), "you return"),
        (lambda f, c: f, "the shape (150, 2, 2, 3, 4)"),
    ],
)
def test_camera_events(answer, words):
    for seed in SEEDS:
        assert words in check.camera_events(answer, seed=seed).words


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("future", "have not happened yet"),
        ("first", "You take the first event"),
        ("sum", "You add up all events"),
        ("zero", "You start with last = 0"),
        ("age", "the time since the last event"),
        ("tau", "You did not divide the time by tau"),
        ("dim", "its value is"),
    ],
)
def test_time_surface(slip, words):
    for seed in SEEDS:
        answer = check.time_surface(lambda *args: time_surface(*args, slip=slip), seed=seed)
        assert words in answer.words
