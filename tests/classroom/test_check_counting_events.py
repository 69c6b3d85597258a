"""Notebook 07's checks: right answers pass, and each mistake is told by its name."""

import numpy as np
import pytest
import torch

from jarvis import STDPConfig, STDPLearner
from jarvis.classroom.check import spikeseg as check
from jarvis.stdp.spikeseg.instances import union_find

SEEDS = range(2)


def converged_share(weight, limit=0.01):
    c = (weight * (1 - weight)).flatten(1).mean(1)
    return c, (c < limit).float().mean().item()


def by_library(weight, limit):
    learner = STDPLearner(STDPConfig(converged_below=limit))
    return learner.map_convergence(weight), learner.converged_share(weight)


def count_neighbours(dense, least, kernel=None, padding_mode="constant"):
    both = dense.sum(1, keepdim=True)
    kernel = torch.ones(3, 3) if kernel is None else torch.tensor(kernel, dtype=torch.float32)
    padded = torch.nn.functional.pad(both, (1, 1, 1, 1), padding_mode)
    near = torch.nn.functional.conv2d(padded, kernel[None, None])
    return ((near >= least) & (both > 0))[:, 0]


def by_loops(dense, least):
    n, _, height, width = dense.shape
    mask = np.zeros((n, height, width))
    for t, y, x in np.argwhere(dense.sum(1).numpy() > 0):
        around = dense[t, :, max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2]
        mask[t, y, x] = around.sum() >= least
    return mask


def centres_of(step_masks):
    steps = step_masks.flatten(1).any(1).nonzero()[:, 0]
    return steps, torch.stack([step_masks[t].nonzero().float().mean(0) for t in steps])


def slope(steps, centres):
    t = steps.float() - steps.float().mean()
    return tuple(((t[:, None] * centres).sum(0) / (t**2).sum()).tolist())


def velocity(step_masks):
    return slope(*centres_of(step_masks))


def count_groups(scores, thresholds):
    groups = []
    for threshold in thresholds:
        pairs = (scores > threshold).triu(1).nonzero().tolist()
        groups.append(len(set(union_find(len(scores), pairs))))
    return groups


def by_spreading(scores, thresholds):
    """Without union-find: a label spreads until nothing changes."""
    found = []
    for threshold in thresholds:
        labels, linked = torch.arange(len(scores)), scores > threshold
        for _ in range(len(scores)):
            labels = torch.stack([labels[row].min() for row in linked])
        found.append(len(labels.unique()))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.converged_share(converged_share, seed=seed)
    assert check.converged_share(by_library, seed=seed)
    assert check.count_neighbours(count_neighbours, seed=seed)
    assert check.count_neighbours(by_loops, seed=seed)
    assert check.velocity(velocity, seed=seed)
    assert check.count_groups(count_groups, seed=seed)
    assert check.count_groups(by_spreading, seed=seed)


def shared(by):
    """`converged_share` with C_l by another formula."""
    return lambda weight, limit: (by(weight), converged_share(weight, limit)[1])


def told(by):
    """`converged_share` with another share."""
    return lambda weight, limit: (
        (weight * (1 - weight)).mean((1, 2, 3)),
        by(weight, converged_share(weight)[0], limit),
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda w, limit: (w * (1 - w)).mean(), "two things"),
        (shared(lambda w: (w * (1 - w)).mean()), "of the whole layer"),
        (shared(lambda w: (w * (1 - w)).mean(0)), "mean is over the maps"),
        (shared(lambda w: (w * (1 - w)).mean((0, 2, 3))), "mean is over the maps"),
        (shared(lambda w: (w * (1 - w)).sum((1, 2, 3))), "You sum"),
        (shared(lambda w: w.mean((1, 2, 3))), "the mean weight"),
        (shared(lambda w: w.mean((1, 2, 3)) * (1 - w.mean((1, 2, 3)))), "mean first"),
        (shared(lambda w: (w**2).mean((1, 2, 3))), "squared"),
        (shared(lambda w: 4 * (w * (1 - w)).mean((1, 2, 3))), "without a factor"),
        (shared(lambda w: 0.9 * (w * (1 - w)).mean((1, 2, 3))), "Map 0 has C_l"),
        (told(lambda w, c, limit: (c < limit).sum()), "return their fraction"),
        (told(lambda w, c, limit: 100 * (c < limit).float().mean()), "in percent"),
        (told(lambda w, c, limit: (c < 0.01).float().mean()), "The limit was"),
        (told(lambda w, c, limit: (c >= limit).float().mean()), "*above*"),
        (told(lambda w, c, limit: (w * (1 - w) < limit).float().mean()), "share of *weights*"),
        (told(lambda w, c, limit: c < limit), "one number"),
        (told(lambda w, c, limit: -1.0), "you say -1"),
    ],
)
def test_converged_share(answer, words):
    for seed in SEEDS:
        assert words in check.converged_share(answer, seed=seed).words


def own(dense):
    return dense.sum(1) > 0


def without_own(dense, least):
    both = dense.sum(1)
    return torch.nn.functional.avg_pool2d(both, 3, 1, 1, divisor_override=1) >= least


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda d, least: count_neighbours(d, least)[:, None], "take [:, 0]"),
        (lambda d, least: count_neighbours(d, least)[:, None].expand(-1, 2, -1, -1), "ON and OFF"),
        (lambda d, least: count_neighbours(d, least) * 3, "True or False"),
        (lambda d, least: without_own(d, least), "without an event"),
        (lambda d, least: count_neighbours(d, least + 1), "means >="),
        (lambda d, least: count_neighbours(d, least, [[1, 1, 1], [1, 0, 1], [1, 1, 1]]),
         "neighbours alone"),
        (lambda d, least: count_neighbours(d, least, [[0, 1, 0], [1, 1, 1], [0, 1, 0]]),
         "the corners as well"),
        (lambda d, least: count_neighbours(d[:, :1], least), "ON events only"),
        (lambda d, least: count_neighbours(d[:, :1], least) | count_neighbours(d[:, 1:], least),
         "separately"),
        (lambda d, least: count_neighbours(d.amax(1, keepdim=True), least), "you count one"),
        (lambda d, least: count_neighbours(d.sum(0, keepdim=True), least) & own(d), "the frames"),
        (lambda d, least: count_neighbours(d, least, padding_mode="circular"), "wraps around"),
        (lambda d, least: 0 * count_neighbours(d, least), "it should be True"),
        (lambda d, least: count_neighbours(d, least)[:1], "should have the shape"),
        (lambda d, least: [[1], [1, 2]], "should be an array"),
    ],
)  # fmt: skip
def test_count_neighbours(answer, words):
    for seed in SEEDS:
        assert words in check.count_neighbours(answer, seed=seed).words


def ends(step_masks):
    steps, centres = centres_of(step_masks)
    return centres[-1] - centres[0], int(steps[-1] - steps[0])


def boxes(step_masks):
    steps, _ = centres_of(step_masks)
    found = [step_masks[t].nonzero().float() for t in steps]
    return steps, torch.stack([(f.amin(0) + f.amax(0)) / 2 for f in found])


def through_zero(step_masks):
    steps, centres = centres_of(step_masks)
    return (steps[:, None] * centres).sum(0) / (steps**2).sum()


def with_empty_frames(step_masks):
    centres = torch.stack([mask.nonzero().float().mean(0) for mask in step_masks])
    return slope(torch.arange(len(step_masks)), centres)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda m: velocity(m)[::-1], "are swapped"),
        (lambda m: tuple(-v for v in velocity(m)), "reversed"),
        (with_empty_frames, "has no centre"),
        (lambda m: slope(torch.arange(8), centres_of(m)[1]), "still takes time"),
        (lambda m: ends(m)[0] / ends(m)[1], "the first and the last frame only"),
        (lambda m: ends(m)[0], "Divide it by the time"),
        (lambda m: ends(m)[0] / len(m), "n - 1 steps"),
        (lambda m: centres_of(m)[1].diff(dim=0).mean(0), "whatever the time"),
        (lambda m: slope(*boxes(m)), "middle of the box"),
        (through_zero, "goes through 0"),
        (lambda m: (0.0, 0.0), "you return 0.000 and 0.000"),
        (lambda m: velocity(m)[0], "two numbers, vy and vx"),
        (lambda m: (1.0, 2.0, 3.0), "not 3"),
    ],
)
def test_velocity(answer, words):
    for seed in SEEDS:
        assert words in check.velocity(answer, seed=seed).words


def each(by):
    """`count_groups` with another count of (scores, threshold)."""
    return lambda scores, thresholds: [by(scores, t) for t in thresholds]


def of_pairs(linked):
    return union_find(len(linked), linked.triu(1).nonzero().tolist())


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (each(lambda s, t: len(set(of_pairs(s < t)))), "*below*"),
        (each(lambda s, t: len(set(of_pairs(s >= t)))), "use >"),
        (each(lambda s, t: int((s > t).triu(1).sum())), "the number of pairs"),
        (each(lambda s, t: len(s) - int((s > t).triu(1).sum())), "subtract one group"),
        (each(lambda s, t: sum(np.bincount(of_pairs(s > t)) > 1)), "leave out single spikes"),
        (each(lambda s, t: max(of_pairs(s > t))), "Indices start at 0"),
        (each(lambda s, t: len(of_pairs(s > t))), "the number of spikes"),
        (each(lambda s, t: np.bincount(of_pairs(s > t)).max()), "the largest group"),
        (lambda s, ts: count_groups(s, sorted(ts)), "Keep their order"),
        (each(lambda s, t: 2), "groups; there are"),
        (lambda s, ts: count_groups(s, ts)[0], "should have the shape (6,)"),
    ],
)
def test_count_groups(answer, words):
    for seed in SEEDS:
        assert words in check.count_groups(answer, seed=seed).words
