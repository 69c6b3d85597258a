"""Lesson 501's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

from jarvis.classroom.check import spike_time_gradients as check

SEEDS = range(2)


def speed(w, tau):
    """dv/dt of a neuron with tau_syn = tau / 2 where it crosses 1 after one input."""
    y = (1 + np.sqrt(1 - 4 / (tau * w))) / 2
    return w * y**2 - 1 / tau


def by_threshold(w, tau):
    return 1 / speed(w, tau)


def own_spike(lam_v, lam_i, pull, before, after, c, tau_syn):
    return (after * lam_v - c * lam_i / tau_syn - pull) / before, lam_i


def wake_loss(result):
    return -result.peaks.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.by_threshold(by_threshold, seed=seed)
    assert check.own_spike(own_spike, seed=seed)
    assert check.wake_loss(wake_loss, seed=seed)
    assert check.wake_loss(lambda r: (1 - r.peaks).clamp(min=0), seed=seed)


def test_a_right_answer_is_never_taken_for_a_slip():
    for seed in range(100, 400):  # of some, lam_v is near lam_i, or c near 1
        assert check.own_spike(own_spike, seed=seed)


def test_the_threshold_by_finite_differences():
    w, tau, h = np.linspace(0.5, 1.2, 5), 9.0, 1e-6

    def time(level):
        return -tau * np.log((1 + np.sqrt(1 - 4 * level / (tau * w))) / 2)

    numeric = (time(1 + h) - time(1 - h)) / (2 * h)
    assert np.allclose(by_threshold(w, tau), numeric, rtol=1e-6)


def test_the_after_current_by_finite_differences():
    """L = a v(40) + b I(40) + p T of a neuron that crosses once, moved before its spike."""
    tau, tau_syn, a, b, p = 10.0, 5.0, 0.7, -1.3, 0.4

    def flow(v, i, s):
        y = math.exp(-s / tau)
        return v * y + tau * i * (y - y * y), i * y * y

    def run(v, i, c):
        drive = tau * i
        y = (v + drive + math.sqrt((v + drive) ** 2 - 4 * drive)) / (2 * drive)
        at = -tau * math.log(y)
        v_before, i_before = flow(v, i, at)
        assert math.isclose(v_before, 1.0)
        v_end, i_end = flow(0.0, i_before + c, 40.0 - at)
        return a * v_end + b * i_end + p * at, at, i_before

    v, i, c, h = 0.3, 0.5, 0.04, 1e-6
    _, at, i_before = run(v, i, c)
    y = math.exp(-(40.0 - at) / tau)
    lam_v, lam_i = a * y, a * tau * (y - y * y) + b * y * y
    before, after = i_before - 1 / tau, i_before + c
    by_v, by_c = own_spike(lam_v, lam_i, p, before, after, c, tau_syn)
    assert math.isclose(by_c, (run(v, i, c + h)[0] - run(v, i, c - h)[0]) / (2 * h), rel_tol=1e-5)
    y = math.exp(-at / tau)  # what v at 0 does to v just before the spike
    numeric = (run(v + h, i, c)[0] - run(v - h, i, c)[0]) / (2 * h)
    assert math.isclose(by_v * y, numeric, rel_tol=1e-5)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, tau: -1 / speed(w, tau), "the sign is wrong"),
        (lambda w, tau: speed(w, tau), "how fast v rises"),
        (lambda w, tau: -1 / w / speed(w, tau), "That is dT/dw"),
        (lambda w, tau: 1 / (speed(w, tau) + 1 / tau), "the current alone"),
        (lambda w, tau: 1 / (w - 1 / tau), "the current on arrival"),
        (lambda w, tau: 1 / speed(w, 10.0), "only for tau = 10 ms"),
        (lambda w, tau: 2 / speed(w, tau), "the definition gives"),
        (lambda w, tau: 0.0 * w, "the definition gives"),
        (lambda w, tau: 3.0, "should have the shape (6,)"),
        (lambda w, tau: w * np.nan, "6 NaN"),
    ],
)
def test_by_threshold(answer, words):
    for seed in SEEDS:
        assert words in check.by_threshold(answer, seed=seed).words


def test_by_threshold_with_the_membranes_time_constant():
    def answer(w, tau):
        y = (1 + np.sqrt(1 - 4 / (tau * w))) / 2
        return 1 / (w * y - 1 / tau)

    assert "it decays with tau_s" in check.by_threshold(answer).words


def changed(dv=lambda right, *_: right, dc=lambda right, *_: right):
    def answer(lam_v, lam_i, pull, before, after, c, tau_syn):
        by_v, by_c = own_spike(lam_v, lam_i, pull, before, after, c, tau_syn)
        given = (lam_v, lam_i, pull, before, after, c, tau_syn)
        return dv(by_v, *given), dc(by_c, *given)

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (changed(dc=lambda _, lam_v, *__: lam_v), "a jump of the current, not of v"),
        (changed(dc=lambda r, lv, li, p, b, a, c, ts: c * r), "times c"),
        (changed(dc=lambda r, *_: -r), "dL/dc has the wrong sign"),
        (changed(dc=lambda r, *_: r + 5), "dL/dc is"),
        (changed(lambda r, lv, li, p, b, a, c, ts: (a * lv - p) / b), "for c = 0"),
        (
            changed(lambda r, lv, li, p, b, a, c, ts: (a * lv + c / ts * li - p) / b),
            "The term with c has the wrong sign",
        ),
        (changed(lambda r, lv, li, p, b, *_: r + 2 * p / b), "`pull` has the wrong sign"),
        (
            changed(lambda r, lv, li, p, b, a, c, ts: (b * lv - c / ts * li - p) / a),
            "exchanged the two slopes",
        ),
        (changed(lambda r, lv, li, p, b, *_: r * b), "The division by `before` is missing"),
        (
            changed(lambda r, lv, li, p, b, a, c, ts: (a * lv - c * li - p) / b),
            "(c/tau_s) dt less, not by c dt",
        ),
        (changed(lambda r, *_: 2 * r), "the rule gives"),
        (lambda *given: own_spike(*given)[::-1], "in the wrong order"),
        (lambda *given: own_spike(*given)[0], "two numbers"),
    ],
)
def test_own_spike(answer, words):
    for seed in SEEDS:
        assert words in check.own_spike(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r: r.peaks.sum(), "pushes it down"),
        (lambda r: r.times.sum(), "so it has no spike time"),
        (lambda r: -r.peaks.item(), "leave out .item()"),
        (lambda r: -r.peaks.detach().sum(), "has no gradient"),
        (lambda r: 0.0 * r.peaks.sum(), "its gradient is 0"),
        (lambda r: torch.stack([r.peaks, r.peaks]), "a tensor with one number, but yours is (2,"),
        (lambda r: "low", "but yours is str"),
        (lambda r: -r.peaks.clamp(max=0.2).sum(), "its gradient is 0"),
    ],
)
def test_wake_loss(answer, words):
    for seed in SEEDS:
        assert words in check.wake_loss(answer, seed=seed).words


def test_wake_loss_that_stops_halfway():
    def halfway(result):
        return (result.peaks - 0.93).abs().sum()

    assert "It should reach 1" in check.wake_loss(halfway, seed=0).words
