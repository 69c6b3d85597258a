"""Lesson 403's checks: right answers pass, and each mistake is told by its name."""

import math
import time

import numpy as np
import pytest
import torch

from jarvis import STDPConfig, STDPLearner
from jarvis.classroom.check import features as check
from jarvis.stdp.order_rule import order_stdp

SEEDS = range(20)


def update_by_order(w, input_times, winner_time, a_plus, a_minus):
    return w + torch.where(input_times <= winner_time, a_plus, -a_minus) * w * (1 - w)


def by_library(w, input_times, winner_time, a_plus, a_minus):
    return order_stdp(w, input_times, winner_time, STDPConfig(a_plus=a_plus, a_minus=a_minus))


def converged_share(weight, limit=0.01):
    c = (weight * (1 - weight)).flatten(1).mean(1)
    return c, (c < limit).float().mean().item()


def by_learner(weight, limit):
    learner = STDPLearner(STDPConfig(converged_below=limit))
    return learner.map_convergence(weight), learner.converged_share(weight)


def shuffled(weight, generator):
    rows = [w[torch.randperm(len(w), generator=generator)] for w in weight.flatten(1)]
    return torch.stack(rows).view_as(weight)


def by_sorting(weight, generator):
    flat = weight.flatten(1)
    order = torch.rand(flat.shape, generator=generator).argsort(1)
    return flat.gather(1, order).view_as(weight)


def wait_long_enough(delay, share):
    return delay / math.log(1 / share)


def prediction_error(correct, expected):
    return correct - expected


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.update_by_order(update_by_order, seed=seed)
    assert check.update_by_order(by_library, seed=seed)
    assert check.converged_share(converged_share, seed=seed)
    assert check.converged_share(by_learner, seed=seed)
    assert check.shuffled(shuffled, seed=seed)
    assert check.shuffled(by_sorting, seed=seed)
    assert check.wait_long_enough(wait_long_enough, seed=seed)


@pytest.mark.parametrize("seed", range(4))
def test_a_signal_that_is_right(seed):
    assert check.relearn(prediction_error, seed=seed)
    assert check.relearn(lambda correct, expected: 100 * (correct - expected), seed=seed)


def told(exercise, answer, words, seeds=range(3)):
    for seed in seeds:
        found = exercise(answer, seed=seed)
        assert not found
        assert words in found.words


def ordered(where):
    """The order rule with another rate for each weight."""
    return lambda w, times, t, up, down: w + where(times, t, up, down) * w * (1 - w)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, *rest: update_by_order(w, *rest) - w, "w plus the change"),
        (ordered(lambda times, t, up, down: torch.where(times > t, up, -down)), "reversed"),
        (ordered(lambda times, t, up, down: torch.where(times < t, up, -down)), "means <="),
        (lambda w, times, t, up, down: w + torch.where(times <= t, up, -down), "is missing."),
        (
            lambda w, times, t, up, down: (w + torch.where(times <= t, up, -down)).clamp(0, 1),
            "need no clamping",
        ),
        (
            ordered(lambda times, t, up, down: torch.where(times <= t, up, 0.0)),
            "Yours do not change",
        ),
        (
            ordered(
                lambda times, t, up, down: (
                    torch.where(times <= t, up, -down) * (times < 15) + 0.0 * times
                )
            ),
            "never fire shrink as well",
        ),
        (ordered(lambda times, t, up, down: torch.where(times <= t, down, -up)), "swapped"),
        (
            ordered(lambda times, t, up, down: torch.where(times <= t, up, down)),
            "All your weights grow",
        ),
        (lambda w, *rest: w, "fires in step"),
        (lambda w, *rest: w.mean(), "should have the shape"),
    ],
)
def test_update_by_order(answer, words):
    told(check.update_by_order, answer, words)


def shared(by):
    """`converged_share` with C_l by another formula."""
    return lambda weight, limit: (by(weight), converged_share(weight, limit)[1])


def of_maps(by):
    """`converged_share` with another share."""
    return lambda weight, limit: (
        (weight * (1 - weight)).mean((1, 2, 3)),
        by(weight, converged_share(weight)[0], limit),
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, limit: (w * (1 - w)).mean(), "two things"),
        (shared(lambda w: (w * (1 - w)).mean()), "for the whole layer"),
        (shared(lambda w: (w * (1 - w)).mean(0)), "mean is over the maps"),
        (shared(lambda w: (w * (1 - w)).mean((0, 2, 3))), "mean is over the maps"),
        (shared(lambda w: (w * (1 - w)).sum((1, 2, 3))), "You sum"),
        (shared(lambda w: w.mean((1, 2, 3))), "the mean weight"),
        (shared(lambda w: w.mean((1, 2, 3)) * (1 - w.mean((1, 2, 3)))), "mean m first"),
        (shared(lambda w: (w**2).mean((1, 2, 3))), "squared"),
        (shared(lambda w: 4 * (w * (1 - w)).mean((1, 2, 3))), "without a factor"),
        (shared(lambda w: 0.9 * (w * (1 - w)).mean((1, 2, 3))), "Map 0 has C_l"),
        (of_maps(lambda w, c, limit: (c < limit).sum()), "return their fraction"),
        (of_maps(lambda w, c, limit: 100 * (c < limit).float().mean()), "in percent"),
        (of_maps(lambda w, c, limit: (c < 0.01).float().mean()), "The limit was"),
        (of_maps(lambda w, c, limit: (c >= limit).float().mean()), "*above*"),
        (
            of_maps(lambda w, c, limit: (w * (1 - w) < limit).float().mean()),
            "fraction of *weights*",
        ),
        (of_maps(lambda w, c, limit: c < limit), "one number"),
        (of_maps(lambda w, c, limit: -1.0), "you return -1"),
    ],
)
def test_converged_share(answer, words):
    told(check.converged_share, answer, words)


def in_order(weight, generator, n):
    """All maps in one order of n parts of their inputs."""
    flat = weight.flatten(1).unflatten(1, (n, -1))
    return flat[:, torch.randperm(n, generator=generator)].reshape(weight.shape)


def within_channels(weight, generator, together):
    out = weight.clone()
    for w in out:
        order = torch.randperm(16, generator=generator)
        for channel in w:
            order = order if together else torch.randperm(16, generator=generator)
            channel.copy_(channel.flatten()[order].view(4, 4))
    return out


def channels_together(weight, generator):
    """ON and OFF keep their order among each other, and change places."""
    return within_channels(weight, generator, True).flip(1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, g: w, "unchanged"),
        (lambda w, g: w[torch.randperm(6, generator=g)], "You shuffle the maps"),
        (
            lambda w, g: w.flatten()[torch.randperm(w.numel(), generator=g)].view_as(w),
            "from one map to another",
        ),
        (lambda w, g: in_order(w, g, 32), "the same order"),
        (lambda w, g: within_channels(w, g, False), "ON and OFF weights separately"),
        (channels_together, "moves together"),
        (lambda w, g: torch.rand(w.shape, generator=g), "lost or new"),
        (
            lambda w, g: w.flatten(1).gather(1, torch.randint(32, (6, 32), generator=g)).view_as(w),
            "lost or new",
        ),
        (
            lambda w, g: shuffled(w, torch.Generator().manual_seed(0)),
            "draw it with `generator`",
        ),
        (lambda w, g: w.flatten(), "should have the shape"),
    ],
)
def test_shuffled(answer, words):
    told(check.shuffled, answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda delay, share: delay / math.log(share), "the sign is wrong"),
        (lambda delay, share: -delay / math.log(1 - share), "the fraction that is left"),
        (lambda delay, share: delay, "37 %"),
        (lambda delay, share: -delay / math.log2(share), "natural logarithm"),
        (lambda delay, share: -delay / math.log10(share), "natural logarithm"),
        (lambda delay, share: -math.log(share) / delay, "is its inverse"),
        (lambda delay, share: -delay / math.log(share) / 1000, "in seconds"),
        (lambda delay, share: -50, "must be positive"),
        (lambda delay, share: delay / share / 7, "has decayed"),
        (lambda delay, share: 1 / 0.0, "raised ZeroDivisionError"),
    ],
)
def test_wait_long_enough(answer, words):
    told(check.wait_long_enough, answer, words)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda correct, expected: correct, "never negative"),
        (lambda correct, expected: correct + expected, "never negative"),
        (lambda correct, expected: correct - 1, "never positive"),
        (lambda correct, expected: correct - 0.5, "use `expected`"),
        (lambda correct, expected: expected - correct, "reverse its sign"),
        (lambda correct, expected: 0.5 - expected, "use `correct`"),
        (lambda correct, expected: 0.01 * (correct - expected), "Make it larger"),
        (lambda correct, expected: correct - 0.3 * expected, "though it is expected"),
        (lambda correct, expected: torch.ones(3), "should have the shape (2,)"),
        (lambda correct, expected: [[1], [1, 2]], "should be an array"),
        (lambda correct, expected: correct / 0, "infinite"),
    ],
)
def test_relearn(answer, words):
    told(check.relearn, answer, words, seeds=range(2))


@pytest.mark.parametrize(
    "answer",
    [
        lambda correct, expected: 0.02 * (correct - expected),
        lambda correct, expected: correct - 0.3 * expected,
        lambda correct, expected: 0.1 * (2 * correct - 1) * (1 - 0.1 * expected),
        lambda correct, expected: correct - 0.5 * (expected > 0.97),
    ],
)
def test_a_signal_that_uses_expected_is_not_told_to_use_it(answer):
    found = check.relearn(answer, seed=0)
    assert not found
    assert "use `expected`" not in found.words.partition("Hint")[0]


def test_the_checks_are_quick():
    """About a second at most, on a machine that does other things as well."""
    started = time.process_time()
    check.relearn(prediction_error, seed=0)
    assert time.process_time() - started < 10


def test_hints_come_in_steps():
    check.wait_long_enough.start_over()
    for n, value in enumerate((1.0, 2.0, 3.0), start=1):
        words = check.wait_long_enough(lambda delay, share, value=value: value, seed=0).words
        assert f"Hint {n} of 3" in words
    check.wait_long_enough.start_over()


def test_two_different_orders_are_asked_for():
    w = torch.arange(192.0).view(6, 2, 4, 4)
    found = shuffled(w, torch.Generator().manual_seed(0))
    assert not torch.equal(found, w)
    assert np.array_equal(found.flatten(1).sort(1).values, w.flatten(1))
