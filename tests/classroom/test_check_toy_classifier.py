"""Notebook 04's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from jarvis.classroom.check import toy_classifier as check

SEEDS = range(2)


def gaussian(x, slope):
    return torch.exp(-0.5 * (slope * x) ** 2)


def ceiling(steps):
    return 0.5 + math.asin(math.sqrt(steps / (steps + 2))) / math.pi


def shortest_code(accuracy):
    """By trying one after the other."""
    steps = 1
    while ceiling(steps) < accuracy:
        steps += 1
    return steps


def solved(accuracy):
    rho = math.sin(math.pi * (accuracy - 0.5))
    return 2 * rho**2 / (1 - rho**2)


def wanted(y, right=0.6, wrong=0.1):
    return torch.where(F.one_hot(y, 2) > 0, right, wrong)


def target_loss(counts, y, n_steps):
    return F.mse_loss(counts / n_steps, wanted(y))


def ill_and_cured(build, bias=2.0, copy=True, **options):
    ill, cured = build(), build(**options)
    with torch.no_grad():
        ill.synapses[0][1].bias += bias
    if copy:
        cured.load_state_dict(ill.state_dict())
    return ill, cured


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.gaussian(gaussian, seed=seed)
    assert check.shortest_code(shortest_code, seed=seed)
    assert check.shortest_code(lambda accuracy: math.ceil(solved(accuracy)), seed=seed)
    assert check.target_loss(target_loss, seed=seed)
    assert check.ill_and_cured(lambda build: ill_and_cured(build, threshold=5.0), seed=seed)
    assert check.ill_and_cured(lambda build: ill_and_cured(build, refractory=3.0), seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, k: torch.zeros_like(x), "the true derivative"),
        (lambda x, k: torch.exp(-((k * x) ** 2)), "The half"),
        (lambda x, k: torch.exp(-k * x**2 / 2), "squared with x"),
        (lambda x, k: torch.exp(-(x**2) / 2), "not used"),
        (lambda x, k: torch.exp(-(k * x).abs()), "falls with |x|"),
        (lambda x, k: torch.exp(-((x / k) ** 2) / 2), "divide x"),
        (lambda x, k: k / math.sqrt(2 * math.pi) * gaussian(x, k), "a density"),
        (lambda x, k: k * gaussian(x, k), "Its height is the slope"),
        (lambda x, k: torch.exp((k * x) ** 2 / 2), "grows away"),
        (lambda x, k: (x >= 0).double(), "That is the spike"),
        (lambda x, k: 0.9 * gaussian(x, k), "the definition gives"),
        (lambda x, k: np.exp(-((k * x.numpy()) ** 2) / 2), "Backward needs a tensor"),
        (lambda x, k: gaussian(x, k).sum(), "should have the shape (4, 25)"),
        (lambda x, k: gaussian(x.view(4, 25), k), "backward with it fails"),
    ],
)
def test_gaussian(answer, words):
    for seed in SEEDS:
        assert words in check.gaussian(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a: int(solved(a)), "rounded down"),
        (solved, "T is a whole number"),
        (lambda a: shortest_code(a) + 1, "which is enough"),
        (lambda a: math.ceil(solved(a) / 2), "T / (T + 1)"),
        (lambda a: math.ceil(2 / (1 / math.sin(math.pi * (a - 0.5)) - 1)), "rho is squared"),
        (lambda a: math.ceil(solved(a + 0.5)), "subtract the half"),
        (lambda a: 80, "Its ceiling is 0.9501: "),
        (lambda a: -3, "at least one step"),
    ],
)
def test_shortest_code(answer, words):
    for seed in SEEDS:
        assert words in check.shortest_code(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda c, y, n: F.mse_loss(c, wanted(y)), "not divided by n_steps"),
        (lambda c, y, n: F.mse_loss(c, wanted(y) * n), "measured in spikes"),
        (lambda c, y, n: F.mse_loss(c / n, wanted(y, 0.1, 0.6)), "swapped"),
        (lambda c, y, n: F.mse_loss(c / n, wanted(y * 0 + 1)), "class 1 should fire"),
        (lambda c, y, n: F.mse_loss(c / n, wanted(y * 0)), "class 0 should fire"),
        (lambda c, y, n: F.mse_loss((c / n).gather(1, y[:, None]), 0.6 + 0 * y[:, None]), "Only"),
        (lambda c, y, n: ((c / n).gather(1, 1 - y[:, None]) - 0.1).square().mean(), "Only the oth"),
        (lambda c, y, n: F.mse_loss(c / n, wanted(y, 0.6, 0.6)), "Both classes"),
        (lambda c, y, n: 2 * len(y) * target_loss(c, y, n), "summed, not averaged: it"),
        (lambda c, y, n: 2 * target_loss(c, y, n), "The two classes are summed"),
        (lambda c, y, n: (c / n - wanted(y)).abs().mean(), "square them"),
        (lambda c, y, n: target_loss(c, y, n).sqrt(), "its square root"),
        (lambda c, y, n: F.cross_entropy(c, y), "pushes the counts apart"),
        (lambda c, y, n: c.sum() * 0.0, "It is 0"),
        (lambda c, y, n: target_loss(c, y, n) + 1, "you return"),
        (lambda c, y, n: (c / n - wanted(y)).square(), "A loss is one number"),
        (lambda c, y, n: target_loss(c, y, n).item(), "no gradient can flow"),
        (lambda c, y, n: target_loss(c.detach(), y, n), "no gradient can flow"),
        (lambda c, y, n: target_loss(c.detach() + (c - c.detach()) / 2, y, n), "its gradient is"),
        (lambda c, y, n: target_loss(c, y, n) * math.nan, "is nan"),
    ],
)
def test_target_loss(answer, words):
    for seed in SEEDS:
        assert words in check.target_loss(answer, seed=seed).words


def without_no_grad(build):
    ill = build()
    ill.synapses[0][1].bias += 2.0
    return ill, build(threshold=5.0)


def ill_by_an_option(build):
    return build(threshold=0.01), build()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda build: build(), "two networks"),
        (lambda build: (build(), build().state_dict()), "is a OrderedDict"),
        (lambda build: (build(),) * 2, "one and the same"),
        (lambda build: ill_and_cured(build, 0.0, threshold=5.0), "finds nothing wrong with it"),
        (lambda build: ill_and_cured(build, -9.0, threshold=5.0), "silent"),
        (ill_by_an_option, "Make it ill by its weights"),
        (lambda build: ill_and_cured(build, copy=False, threshold=5.0), "load_state_dict"),
        (lambda build: ill_and_cured(build), "the same neurons"),
        (
            lambda build: ill_and_cured(build, tau=15.0),
            "still complains about the cured one: neurons",
        ),
        (lambda build: ill_and_cured(build, threshold=300.0), "silent"),
        (without_no_grad, 'at "ill.synapses[0][1].bias += 2.0"'),
    ],
)
def test_ill_and_cured(answer, words):
    for seed in SEEDS:
        assert words in check.ill_and_cured(answer, seed=seed).words
