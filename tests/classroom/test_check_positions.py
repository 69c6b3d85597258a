"""Lesson 503's checks: right answers pass, and each mistake is told by its name."""

import pytest
import torch

from jarvis.classroom.check import positions as check

SEEDS = range(3)


def position_gradient(pre, post, g, power=1.0, factor=1.0, add=torch.sum):
    apart = post[None] - pre[:, None]
    d = (0.01 + apart.square().sum(-1)).sqrt()
    return factor * add((g / d**power)[..., None] * apart, 0)


def meeting_point(gap, lag):
    return (gap + lag) / 2


def possible(gap, d1, d2):
    return abs(d1 - d2) <= gap <= d1 + d2


def freeze(net):
    net.delays.requires_grad_(False)
    return net


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.position_gradient(position_gradient, seed=seed)
    assert check.meeting_point(meeting_point, seed=seed)
    assert check.possible(possible, seed=seed)
    assert check.freeze(freeze, seed=seed)


def test_a_right_answer_is_never_taken_for_a_slip():
    for seed in range(60):
        assert check.position_gradient(position_gradient, seed=seed)
        assert check.meeting_point(meeting_point, seed=seed)
        assert check.possible(possible, seed=seed)


def of_the_senders(pre, post, g):
    return position_gradient(post, pre, g.T)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: -position_gradient(*given), "The sign is wrong"),
        (lambda *given: position_gradient(*given, power=0.0), "divide by the distance"),
        (lambda *given: position_gradient(*given, power=2.0), "the squared distance"),
        (lambda *given: position_gradient(*given, factor=2.0), "an extra factor of 2"),
        (lambda *given: position_gradient(*given, add=torch.mean), "do not average"),
        (lambda p, q, g: position_gradient(p, q, torch.ones_like(g)), "g is missing"),
        (of_the_senders, "should have the shape"),
        (lambda *given: position_gradient(*given) + 1, "the definition gives"),
        (lambda p, q, g: position_gradient(p, q, g).mul(float("nan")), "NaN"),
    ],
)
def test_position_gradient(answer, words):
    for seed in SEEDS:
        assert words in check.position_gradient(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda gap, lag: (gap - lag) / 2, "nearer to the right input"),
        (lambda gap, lag: gap / 2, "That is the middle"),
        (lambda gap, lag: gap / 2 + lag, "half of the lag counts"),
        (lambda gap, lag: gap - lag, "When does the left one arrive there"),
        (lambda gap, lag: gap + lag, "That is 2 x"),
        (lambda gap, lag: 7.0, "the left spike arrives at 7.00 ms"),
        (lambda gap, lag: "7", "There the left|should be a number"),
    ],
)
def test_meeting_point(answer, words):
    for seed in SEEDS:
        said = check.meeting_point(answer, seed=seed).words
        assert any(part in said for part in words.split("|")), said


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda gap, d1, d2: gap <= d1 + d2, "one circle lies inside the other"),
        (lambda gap, d1, d2: abs(d1 - d2) <= gap, "too far apart to meet"),
        (lambda gap, d1, d2: d1 - d2 <= gap <= d1 + d2, "one circle lies inside the other"),
        (lambda gap, d1, d2: False, "the two circles meet"),
        (lambda gap, d1, d2: d1 + d2, "should return True or False"),
    ],
)
def test_possible(answer, words):
    for seed in SEEDS:
        assert words in check.possible(answer, seed=seed).words


def zeroed(net):
    with torch.no_grad():
        for p in net.delays.parameters():
            p.zero_()
    return freeze(net)


def weights_too(net):
    return net.requires_grad_(False)


def half(net):
    next(net.delays.parameters()).requires_grad_(False)
    return net


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda net: net, "they are still trained"),
        (half, "they are still trained"),
        (zeroed, "The delays have changed"),
        (weights_too, "The weights are frozen, too"),
        (lambda net: net.delays.requires_grad_(False), "should return the network"),
    ],
)
def test_freeze(answer, words):
    for seed in SEEDS:
        assert words in check.freeze(answer, seed=seed).words
