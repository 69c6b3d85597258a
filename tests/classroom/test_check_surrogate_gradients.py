"""Lesson 301's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from jarvis.classroom.check import surrogate_gradients as check

SEEDS = range(2)

MANY = range(25)


def cross_entropy(scores, y):
    return -scores.log_softmax(1)[torch.arange(len(y)), y].mean()


def by_hand(scores, y):
    p = scores.exp() / scores.exp().sum(1, keepdim=True)
    return -p.gather(1, y[:, None]).log().sum() / len(y)


def slope(loss, delta):
    return (loss(delta) - loss(-delta)) / (2 * delta)


def gaussian(x, slope):
    return torch.exp(-0.5 * (slope * x) ** 2)


def weight_gradient(x, h, grad_s, decay, bump, *, at=1.0, back=None, steps=None):
    g, gradient = 0.0, 0.0
    for t in steps or reversed(range(len(x))):
        g = grad_s[t] * bump(h[t] - at) + (decay if back is None else back) * g
        gradient = gradient + g * x[t]
    return gradient


def by_autograd(x, h, grad_s, decay, bump):
    """A linear chain: h_t depends on the weights through all earlier inputs."""
    w = torch.zeros(x.shape[1], dtype=torch.double, requires_grad=True)
    v, total = 0.0, 0.0
    for t in range(len(x)):
        v = decay * v + x[t] @ w
        total = total + grad_s[t] * bump(h[t] - 1.0) * v
    return torch.autograd.grad(total, w)[0]


def reached(h, bump, least):
    return (bump(h - 1.0) >= least).float().mean()


def test_right_answers():
    for seed in MANY:
        assert check.cross_entropy(cross_entropy, seed=seed)
        assert check.cross_entropy(by_hand, seed=seed)
        assert check.cross_entropy(F.cross_entropy, seed=seed)
        assert check.slope(slope, seed=seed)
        assert check.gaussian(gaussian, seed=seed)
        assert check.weight_gradient(weight_gradient, seed=seed)
        assert check.weight_gradient(by_autograd, seed=seed)
        assert check.reached(reached, seed=seed)


@pytest.mark.parametrize(
    "exercise", ["cross_entropy", "slope", "gaussian", "weight_gradient", "reached"]
)
def test_a_stub_says_nothing(exercise, capsys):
    def stub(*args):
        """As in the lesson."""
        ...

    assert not getattr(check, exercise)(stub)
    assert not capsys.readouterr().out


def picked(scores, y):
    return scores[torch.arange(len(y)), y]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda z, y: -cross_entropy(z, y), "The sign is wrong"),
        (lambda z, y: F.cross_entropy(z, y, reduction="sum"), "add up the samples"),
        (lambda z, y: F.cross_entropy(z, y, reduction="none"), "one per sample"),
        (lambda z, y: -picked(z.softmax(1), y).mean(), "The logarithm is missing"),
        (lambda z, y: 1 - picked(z.softmax(1), y).mean(), "1 minus the probability"),
        (lambda z, y: -picked(z.softmax(1), y).mean().log(), "the mean of the logarithms"),
        (lambda z, y: -picked(z.log_softmax(0), y).mean(), "over the samples (axis 0)"),
        (lambda z, y: -picked(z, y).mean(), "The softmax is missing"),
        (lambda z, y: F.cross_entropy(z.softmax(1), y), "applied twice"),
        (lambda z, y: cross_entropy(z, y) / math.log(2), "in bits"),
        (lambda z, y: -z.log_softmax(1).mean(), "over all classes"),
        (lambda z, y: -(z.softmax(1) * z.log_softmax(1)).sum(1).mean(), "the entropy"),
        (lambda z, y: cross_entropy(z, y) / z.shape[1], "the number of classes"),
        (lambda z, y: cross_entropy(z, y).item(), "no gradient can flow"),
        (lambda z, y: cross_entropy(z.detach(), y), "no gradient can flow"),
        (lambda z, y: cross_entropy(z, y) + 1, "you return"),
        (lambda z, y: picked(z.log_softmax(1), y) * math.nan, "one per sample"),
        (lambda z, y: cross_entropy(z, y) * math.nan, "is nan"),
    ],
)
def test_cross_entropy(answer, words):
    for seed in SEEDS:
        assert words in check.cross_entropy(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda f, d: (f(d) - f(-d)) / d, "are 2 delta apart"),
        (lambda f, d: (f(-d) - f(d)) / (2 * d), "The sign is wrong"),
        (lambda f, d: f(d) - f(-d), "a difference of losses"),
        (lambda f, d: (f(d) - f(-d)) * 2 * d, "Divide by it"),
        (lambda f, d: (f(d) - f(0)) / d, "start at -delta"),
        (lambda f, d: (f(0) - f(-d)) / d, "go on to +delta"),
        (lambda f, d: (f(d) - f(-d)) / 2 * d, "write / (2 * delta)"),
        (lambda f, d: (f(d) + f(-d)) / (2 * d), "Subtract them"),
        (lambda f, d: 1.0, "never call `loss`"),
        (lambda f, d: f(d), "you return"),
        (lambda f, d: f, "should be a number"),
    ],
)
def test_slope(answer, words):
    for seed in SEEDS:
        assert words in check.slope(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, k: torch.zeros_like(x), "the true derivative"),
        (lambda x, k: torch.exp(-((k * x) ** 2)), "The half"),
        (lambda x, k: torch.exp(-k * x**2 / 2), "The slope must be squared"),
        (lambda x, k: torch.exp(-(x**2) / 2), "not used"),
        (lambda x, k: torch.exp(-(k * x).abs()), "contains |x|"),
        (lambda x, k: torch.exp(-((x / k) ** 2) / 2), "divide x"),
        (lambda x, k: k / math.sqrt(2 * math.pi) * gaussian(x, k), "a density"),
        (lambda x, k: k * gaussian(x, k), "height of your bump is the slope"),
        (lambda x, k: torch.exp((k * x) ** 2 / 2), "grows away"),
        (lambda x, k: (x >= 0).double(), "That is the spike"),
        (lambda x, k: 0.9 * gaussian(x, k), "the definition gives"),
        (lambda x, k: np.exp(-((k * x.numpy()) ** 2) / 2), "backward pass needs a tensor"),
        (lambda x, k: gaussian(x, k).sum(), "should have the shape (4, 25)"),
        (lambda x, k: gaussian(x.view(4, 25), k), "raised RuntimeError"),
        (lambda x, k: gaussian(x, k)[:4], "but the backward pass fails: "),
    ],
)
def test_gaussian(answer, words):
    for seed in SEEDS:
        assert words in check.gaussian(answer, seed=seed).words


def forwards(x, *rest):
    return weight_gradient(x, *rest, steps=range(len(x)))


def also_from_the_leak(x, h, grad_s, decay, bump):
    g, gradient = 0.0, 0.0
    for t in reversed(range(len(x))):
        g = (grad_s[t] + decay * g) * bump(h[t] - 1.0)
        gradient = gradient + g * x[t]
    return gradient


def first_only(x, h, grad_s, decay, bump):
    g = 0.0
    for t in reversed(range(len(x))):
        g = grad_s[t] * bump(h[t] - 1.0) + decay * g
    return g * x[0]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: weight_gradient(*given, back=0.0), "steps are independent"),
        (lambda *given: weight_gradient(*given, back=1.0), "does not decay"),
        (forwards, "You go forward in time"),
        (lambda x, h, g, d, bump: weight_gradient(x, h, g, d, lambda _: 1.0), "bump is missing"),
        (lambda *given: weight_gradient(*given, at=0.0), "You evaluate the bump at h"),
        (also_from_the_leak, "the next step by the bump"),
        (lambda *given: -weight_gradient(*given), "The sign is wrong"),
        (lambda *given: weight_gradient(*given) / len(given[0]), "The gradient is the sum"),
        (first_only, "only the first step"),
        (lambda *given: weight_gradient(*given) + 1, "steps you return"),
        (lambda *given: weight_gradient(*given).sum(), "should have the shape"),
    ],
)
def test_weight_gradient(answer, words):
    for seed in SEEDS:
        assert words in check.weight_gradient(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda h, bump, least: (bump(h - 1) >= least).sum(), "a count of potentials"),
        (lambda h, bump, least: (bump(h - 1) < least).float().mean(), "a smaller bump"),
        (lambda h, bump, least: (bump(h) >= least).float().mean(), "evaluate the bump at h"),
        (lambda h, bump, least: (h >= least).float().mean(), "compare the potentials"),
        (lambda h, bump, least: ((h - 1).abs() <= least).float().mean(), "compare the distances"),
        (lambda h, bump, least: bump(h - 1).mean(), "the mean bump"),
        (lambda h, bump, least: 100 * reached(h, bump, least), "a percentage"),
        (lambda h, bump, least: (h >= 1).float().mean(), "that reach the threshold"),
        (lambda h, bump, least: 0.5 * reached(h, bump, least), "you return"),
        (lambda h, bump, least: bump(h - 1) >= least, "should be one number"),
    ],
)
def test_reached(answer, words):
    for seed in SEEDS:
        assert words in check.reached(answer, seed=seed).words
