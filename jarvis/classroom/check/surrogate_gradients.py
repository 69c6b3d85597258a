"""Checks of lesson 301: cross-entropy, a slope, a surrogate and its reach, gradients in time."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, exercise, number, seed_from
from jarvis.surrogate import SurrogateSpike


@exercise(
    1,
    hints=(
        "p_y is one number per sample: the probability in the column of its label.",
        "scores.log_softmax(1) holds ln p of every class, [B, C]. Pick one column per row.",
        "log_p = scores.log_softmax(1); take the mean of -log_p[torch.arange(len(y)), y].",
    ),
)
def cross_entropy(answer, rng) -> None:
    """`cross_entropy(scores, y)`: the mean of -ln p_y over the samples, one number."""
    for _ in range(3):
        n, classes = int(rng.integers(5, 9)), int(rng.integers(3, 6))
        generator = torch.Generator().manual_seed(seed_from(rng))
        scores = 2.0 * torch.randn((n, classes), generator=generator)
        scores.requires_grad_()
        y = torch.tensor(rng.permutation(np.arange(n) % classes))
        loss = answer(scores, y)
        if isinstance(loss, Tensor) and loss.numel() == n:
            raise Wrong(f"You return {tuple(loss.shape)} values, one per sample: take their mean.")
        found = number(loss.item() if _single(loss) else loss, "the loss")
        _named_loss(found, scores.detach(), y)
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise Wrong(
                "The number is right, but no gradient can flow back from it to the scores: avoid "
                ".item(), .detach(), numpy and math.log."
            )


def _single(value: object) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1


def _named_loss(found: float, scores: Tensor, y: Tensor) -> None:
    """Raise `Wrong` unless the loss is right; name the mistake if it is known."""
    log_p, rows = scores.log_softmax(1), torch.arange(len(y))
    right = log_p[rows, y]

    def close(value: Tensor | float) -> bool:
        return math.isclose(found, float(value), rel_tol=1e-4, abs_tol=1e-6)

    if close(-right.mean()):
        return
    slips = {
        "The sign is wrong: ln p is negative, and the loss is -ln p.": right.mean(),
        "You add up the samples. Take their mean, so that the loss does not grow with the batch.":
            -right.sum(),
        "The logarithm is missing: that is minus the mean probability.": -right.exp().mean(),
        "You use 1 minus the probability. Use minus its logarithm.": (1 - right.exp()).mean(),
        "You take the logarithm of the mean. Take the mean of the logarithms.":
            -right.exp().mean().log(),
        "The softmax runs over the samples (axis 0). It should run over the classes: softmax(1).":
            -scores.log_softmax(0)[rows, y].mean(),
        "The softmax is missing: that is the mean of -z_y, the scores themselves.":
            -scores[rows, y].mean(),
        "The softmax is applied twice: log_softmax takes the scores themselves.":
            -log_p.exp().log_softmax(1)[rows, y].mean(),
        "That is in bits (log2). Use the natural logarithm.": -right.mean() / math.log(2),
        "That is the mean over all classes. Only the probability of the right class counts.":
            -log_p.mean(),
        "That is the entropy of the answer. Only the probability of the right class counts.":
            -(log_p.exp() * log_p).sum(1).mean(),
        "You divide by the number of classes as well. Take the mean over the samples only.":
            -right.sum() / log_p.numel(),
    }  # fmt: skip
    for words, slip in slips.items():
        if close(slip):
            raise Wrong(words)
    raise Wrong(f"For {len(y)} samples you return {found:.4f}; it should be {-right.mean():.4f}.")


@exercise(
    2,
    hints=(
        "A slope is a difference of two values divided by a difference of two positions.",
        "The two positions are -delta and delta: how far apart are they?",
        "(loss(delta) - loss(-delta)) / (2 * delta).",
    ),
)
def slope(answer, rng) -> None:
    """`slope(loss, delta)`: the central difference of a function of one number."""
    for _ in range(3):
        a, b, c, d = rng.uniform(0.5, 2.0, 4)
        delta = rng.uniform(0.2, 0.6)
        where: list[float] = []

        def loss(z, where=where, a=a, b=b, c=c, d=d):
            where.append(float(z))
            return a + b * z + c * z**2 - d * z**3

        found = number(answer(loss, delta), "the slope")
        if not where:
            raise Wrong("You never call `loss`. It is a function: loss(delta) is a value.")
        up, down, middle = (loss(z) for z in (delta, -delta, 0.0))
        expected = (up - down) / (2 * delta)
        if math.isclose(found, expected, rel_tol=1e-6):
            continue
        slips = {
            "You divide by delta, but the points -delta and delta are 2 delta apart.": 2 * expected,
            "The sign is wrong: take the value at +delta minus the value at -delta.": -expected,
            "That is a difference of losses. Divide it by the distance.": up - down,
            "You multiply by the distance. Divide by it.": (up - down) * 2 * delta,
            "That is the one-sided difference from 0 to delta: start at -delta.":
                (up - middle) / delta,
            "That is the one-sided difference from -delta to 0: go on to +delta.":
                (middle - down) / delta,
            "`/ 2 * delta` divides by 2 and multiplies by delta: write / (2 * delta).":
                (up - down) / 2 * delta,
            "You add the two losses. Subtract them.": (up + down) / (2 * delta),
        }  # fmt: skip
        for words, slip in slips.items():
            if math.isclose(found, slip, rel_tol=1e-6):
                raise Wrong(words)
        raise Wrong(f"For delta = {delta:.3f} you return {found:.4f}; it should be {expected:.4f}.")


@exercise(
    3,
    hints=(
        "What is the value at x = 0, whatever the slope is? And what is it far from 0?",
        "torch.exp takes a tensor. Square the product of slope and x.",
        "torch.exp(-0.5 * (slope * x) ** 2).",
    ),
)
def gaussian(answer, rng) -> None:
    """`gaussian(x, slope) -> exp(-(slope x)^2 / 2)`, a tensor with the shape of x."""
    for _ in range(3):
        k, x = rng.uniform(1.5, 6.0), torch.tensor(rng.uniform(-1.5, 1.5, (4, 25)))
        given = answer(x, k)
        if not isinstance(given, Tensor):
            raise Wrong(
                f"You return a {type(given).__name__}. The backward pass needs a tensor: use "
                "torch.exp."
            )
        found, kx = array(given, tuple(x.shape), "the bump"), k * x
        expected = torch.exp(-0.5 * kx.square())
        if np.allclose(found, expected, atol=1e-6):
            _in_backward(answer, k)
            continue
        slips = {
            "Your function is 0 everywhere: that is the true derivative.": 0 * x,
            "The half in the exponent is missing.": torch.exp(-kx.square()),
            "The slope must be squared, too: (slope * x) ** 2.": torch.exp(-0.5 * k * x.square()),
            "The slope is not used.": torch.exp(-0.5 * x.square()),
            "Your exponent contains |x|. A Gaussian has x squared there.": torch.exp(-kx.abs()),
            "You divide x by the slope: a larger slope makes a narrower bump.":
                torch.exp(-0.5 * (x / k).square()),
            "You return a density, with area 1. This bump should have height 1.":
                k / math.sqrt(2 * math.pi) * expected,
            "The height of your bump is the slope. It should be 1.": k * expected,
            "Your function grows away from the threshold: check the sign in the exponent.":
                1 / expected,
            "That is the spike. Return the bump that replaces its derivative.": (x >= 0).double(),
        }  # fmt: skip
        for words, slip in slips.items():
            if np.allclose(found, slip, atol=1e-6):
                raise Wrong(words)
        i = int(np.argmax(abs(found - expected.numpy())))
        raise Wrong(
            f"At x = {x.flatten()[i]:.3f} with slope {k:.2f} you return {found.flat[i]:.4f}; the "
            f"definition gives {expected.flatten()[i]:.4f}."
        )


def _in_backward(bump: Callable, k: float) -> None:
    v = torch.linspace(0, 2, 9, requires_grad=True)
    try:
        SurrogateSpike(bump, slope=k)(v, 1.0).sum().backward()
    except RuntimeError as error:
        raise Wrong(f"The values are right, but the backward pass fails: {error}.") from None


@exercise(
    4,
    hints=(
        "Start with g = 0 after the last step, and go through the steps in reverse order.",
        "g at step t has two terms: one from the spike of that step, and decay times g of the next "
        "step.",
        "g = grad_s[t] * bump(h[t] - 1) + decay * g, for t in reversed(range(T)); add g * x[t].",
    ),
)
def weight_gradient(answer, rng) -> None:
    """`weight_gradient(x, h, grad_s, decay, bump)`: the gradient [n] through T steps."""
    for _ in range(3):
        n_steps, n = int(rng.integers(6, 10)), int(rng.integers(2, 5))
        decay, k = rng.uniform(0.6, 0.9), rng.uniform(2.0, 6.0)
        x = torch.tensor(rng.random((n_steps, n)) < 0.6).double()
        h = torch.tensor(rng.uniform(0.2, 1.6, n_steps))
        grad_s = torch.tensor(rng.normal(0, 1, n_steps))

        def bump(x, k=k):
            return 1.0 / (1.0 + k * abs(x)) ** 2

        found = array(answer(x, h, grad_s, decay, bump), (n,), "the gradient")
        given = (x, h, grad_s, decay, bump)
        if np.allclose(found, _through_time(*given), atol=1e-6):
            continue
        for words, slip in _THROUGH_TIME_SLIPS.items():
            if np.allclose(found, slip(*given), atol=1e-6):
                raise Wrong(words)
        raise Wrong(
            f"For {n_steps} steps you return {np.round(found, 3).tolist()}; it should be "
            f"{np.round(_through_time(*given).numpy(), 3).tolist()}."
        )


def _through_time(x, h, grad_s, decay, bump, *, at=1.0, surrogate=True, leak_part=1.0) -> Tensor:
    """The gradient of the weights; the options introduce mistakes."""
    g, gradient = torch.zeros((), dtype=torch.double), torch.zeros(x.shape[1], dtype=torch.double)
    for t in reversed(range(len(x))):
        g = grad_s[t] * (bump(h[t] - at) if surrogate else 1.0) + leak_part * decay * g
        gradient += g * x[t]
    return gradient


def _forwards(x, h, grad_s, decay, bump) -> Tensor:
    return _through_time(x.flip(0), h.flip(0), grad_s.flip(0), decay, bump)


def _also_from_the_leak(x, h, grad_s, decay, bump) -> Tensor:
    g, gradient = 0.0, torch.zeros(x.shape[1], dtype=torch.double)
    for t in reversed(range(len(x))):
        g = (grad_s[t] + decay * g) * bump(h[t] - 1.0)
        gradient = gradient + g * x[t]
    return gradient


def _only_first(x: Tensor) -> Tensor:
    return torch.cat([x[:1], torch.zeros_like(x[1:])])


#: Common mistakes, and the feedback for each.
_THROUGH_TIME_SLIPS: dict[str, Callable] = {
    "Your steps are independent. g_t should also contain decay * g_(t+1).": (
        lambda *given: _through_time(*given, leak_part=0.0)
    ),
    "Your gradient does not decay on its way back: multiply g_(t+1) by the decay.": (
        lambda x, h, grad_s, decay, bump: _through_time(x, h, grad_s, 1.0, bump)
    ),
    "You go forward in time. Start at the last step.": _forwards,
    "The bump is missing: the gradient of a spike passes through bump(h - 1).": (
        lambda *given: _through_time(*given, surrogate=False)
    ),
    "You evaluate the bump at h. Its argument is the distance to the threshold, h - 1.": (
        lambda *given: _through_time(*given, at=0.0)
    ),
    "You multiply the term from the next step by the bump. Multiply only the spike's term.": (
        _also_from_the_leak
    ),
    "The sign is wrong.": lambda *given: -_through_time(*given),
    "You average over the steps. The gradient is the sum.": (
        lambda *given: _through_time(*given) / len(given[0])
    ),
    "That is only the first step's contribution: add up g * x[t] over all steps.": (
        lambda x, *rest: _through_time(_only_first(x), *rest)
    ),
}


@exercise(
    5,
    hints=(
        "What is the distance of a potential h from the threshold?",
        "bump(h - 1.0) has one value per potential; a comparison gives True or False for each.",
        "(bump(h - 1.0) >= least).float().mean().",
    ),
)
def reached(answer, rng) -> None:
    """`reached(h, bump, least)`: the fraction of potentials with a bump of at least `least`."""
    for _ in range(4):
        k, least = rng.uniform(2.0, 8.0), rng.uniform(0.05, 0.2)
        h = torch.tensor(rng.normal(0.7, 0.8, (6, 5, 11)))

        def bump(x, k=k):
            return 1.0 / (1.0 + k * abs(x)) ** 2

        found = number(answer(h, bump, least), "the fraction")
        hit = (bump(h - 1.0) >= least).double()
        if math.isclose(found, hit.mean(), rel_tol=1e-6):
            continue
        slips = {
            "That is a count of potentials. Divide it by their total number: use mean().":
                hit.sum(),
            "That is the fraction with a smaller bump: use >=.": 1 - hit.mean(),
            "You evaluate the bump at h. Its argument is the distance to the threshold, h - 1.":
                (bump(h) >= least).double().mean(),
            "You compare the potentials with `least`. Compare the bumps.":
                (h >= least).double().mean(),
            "You compare the distances with `least`. Compare the bumps.":
                ((h - 1.0).abs() <= least).double().mean(),
            "That is the mean bump. Count how many reach `least`.": bump(h - 1.0).mean(),
            "That is a percentage. A fraction lies between 0 and 1.": 100 * hit.mean(),
            "You count the potentials that reach the threshold. Those just below it count, too.":
                (h >= 1.0).double().mean(),
        }  # fmt: skip
        for words, slip in slips.items():
            if math.isclose(found, float(slip), rel_tol=1e-6):
                raise Wrong(words)
        raise Wrong(
            f"For {h.numel()} potentials the fraction is {hit.mean():.4f}; you return {found:.4f}."
        )
