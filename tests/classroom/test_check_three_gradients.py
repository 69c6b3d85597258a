"""Lesson 502's checks: right answers pass, and each mistake is told by its name."""

import numpy as np
import pytest
import torch

from jarvis.classroom.check import three_gradients as check

SEEDS = range(3)


def first_time(s, dt):
    return dt * (1 + (1 - s).cumprod(0).sum(0))


def crossing_time(h, dt, shift=0):
    k, n = (h >= 1).int().argmax(0), torch.arange(h.shape[1])
    a, b = h[k - 1, n], h[k, n]
    return dt * (k + shift + (1 - a) / (b - a))


def order_of(steps, errors):
    return np.polyfit(np.log(steps), np.log(errors), 1)[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.first_time(first_time, seed=seed)
    assert check.crossing_time(crossing_time, seed=seed)
    assert check.order_of(order_of, seed=seed)


def test_a_right_answer_is_never_taken_for_a_slip():
    for seed in range(60):
        assert check.first_time(first_time, seed=seed)
        assert check.crossing_time(crossing_time, seed=seed)
        assert check.order_of(order_of, seed=seed)


def form_a(s, dt):
    return (dt * torch.arange(1, len(s) + 1)[:, None] * s).sum(0)


def form_b(s, dt):
    return dt + dt * (1 - s.cumsum(0).clamp(max=1)).sum(0)


def by_argmax(s, dt):
    first = torch.where(s.sum(0) == 0, len(s), s.argmax(0))
    return dt * (first + 1.0)


def last(s, dt):
    return dt * (len(s) - s.flip(0).argmax(0))


def later(s, dt):
    """The right value, and a gradient of the wrong sign."""
    right = first_time(s, dt)
    return 2 * right.detach() - right


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (form_a, "form A"),
        (form_b, "would end"),
        (by_argmax, "have no gradient"),
        (lambda s, dt: by_argmax(s, dt) + 0 * s.sum(), "The gradient is 0"),
        (last, "That is the last spike"),
        (later, "would make the time longer"),
        (lambda s, dt: first_time(s, dt) - dt, "One step is missing"),
        (lambda s, dt: first_time(s, 1.0), "Multiply by dt"),
        (lambda s, dt: first_time(s, dt) + 0.3 * dt, "the first spike time is"),
        (lambda s, dt: first_time(s, dt).sum(), "should have the shape"),
        (lambda s, dt: 0.5 * first_time(s, dt) + 0.5 * by_argmax(s, dt), "Your gradient says"),
    ],
)
def test_first_time(answer, words):
    for seed in SEEDS:
        assert words in check.first_time(answer, seed=seed).words


def far_end(h, dt):
    k, n = (h >= 1).int().argmax(0), torch.arange(h.shape[1])
    a, b = h[k - 1, n], h[k, n]
    return dt * (k + (1 - b) / (a - b))


def share(h, dt):
    k, n = (h >= 1).int().argmax(0), torch.arange(h.shape[1])
    return dt * (k + h[k - 1, n] / h[k, n])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda h, dt: dt * (1.0 + (h >= 1).int().argmax(0)), "whole steps"),
        (lambda h, dt: crossing_time(h, dt, 1), "One step too late"),
        (lambda h, dt: crossing_time(h, dt, -1), "One step too early"),
        (lambda h, dt: crossing_time(h, 1.0), "Multiply by dt"),
        (far_end, "from the far end"),
        (share, "after the fraction"),
        (lambda h, dt: crossing_time(h.detach(), dt), "have no gradient"),
        (lambda h, dt: crossing_time(h.detach(), dt) + 0 * h.sum(), "their gradient is 0"),
        (
            lambda h, dt: crossing_time(h.detach(), dt) + h.sum() - h.sum().detach(),
            "with respect to the weights is off by",
        ),
        (lambda h, dt: crossing_time(h, dt) + 0.2 * dt, "The line between them reaches 1"),
        (lambda h, dt: crossing_time(h, dt)[0], "should have the shape"),
    ],
)
def test_crossing_time(answer, words):
    for seed in SEEDS:
        assert words in check.crossing_time(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, y: -order_of(x, y), "The sign is wrong"),
        (lambda x, y: 1 / order_of(x, y), "The axes are exchanged"),
        (lambda x, y: np.polyfit(np.log(x), np.log(y), 1)[1], "That is the intercept"),
        (lambda x, y: np.polyfit(x, y, 1)[0], "on linear scales"),
        (lambda x, y: np.log(y[0] / y[-1]) / np.log(x[0] / x[-1]), "first and the last"),
        (lambda x, y: order_of(x, y) + 0.05, "you return"),
        (lambda x, y: order_of(x, y) * np.nan, "nan"),
    ],
)
def test_order_of(answer, words):
    for seed in SEEDS:
        assert words in check.order_of(answer, seed=seed).words
