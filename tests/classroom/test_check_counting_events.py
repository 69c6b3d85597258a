"""Lesson 405's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import uniform_filter

from jarvis.classroom.check import counting_events as check

SEEDS = range(20)


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


def choose(val, test):
    best = int(np.argmax(val))
    return best, test[best]


def densest_square(counts, width):
    sums = counts.unfold(0, width, 1).unfold(1, width, 1).sum((2, 3))
    y, x = divmod(int(sums.argmax()), sums.shape[1])
    return y + width // 2, x + width // 2


def by_filter(counts, width):
    """With scipy, and the border left out."""
    edge = width // 2
    means = uniform_filter(counts.numpy().astype(float), width)[edge:-edge, edge:-edge]
    return np.array(np.unravel_index(means.argmax(), means.shape)) + edge


def interval(share, n):
    half = 1.96 * math.sqrt(share * (1 - share) / n)
    return share - half, share + half


def wilson(share, n, z=1.96):
    middle = (share + z**2 / 2 / n) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * (share * (1 - share) / n + z**2 / 4 / n**2) ** 0.5
    return middle - half, middle + half


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.count_neighbours(count_neighbours, seed=seed)
    assert check.choose(choose, seed=seed)
    assert check.velocity(velocity, seed=seed)
    assert check.densest_square(densest_square, seed=seed)
    assert check.densest_square(by_filter, seed=seed)
    assert check.interval(interval, seed=seed)
    assert check.interval(wilson, seed=seed)


def test_counting_by_loops():
    assert check.count_neighbours(by_loops, seed=0)


def told(exercise, answer, words, seeds=range(3)):
    for seed in seeds:
        found = exercise(answer, seed=seed)
        assert not found
        assert words in found.words


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
        (lambda d, least: count_neighbours(d, least) * 3, "True and False"),
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
        (lambda d, least: 0 * count_neighbours(d, least), "should be True"),
        (lambda d, least: count_neighbours(d, least)[:1], "should have the shape"),
        (lambda d, least: [[1], [1, 2]], "should be an array"),
    ],
)  # fmt: skip
def test_count_neighbours(answer, words):
    told(check.count_neighbours, answer, words)


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
        (lambda m: slope(*boxes(m)), "middle of the bounding box"),
        (through_zero, "goes through 0"),
        (lambda m: (0.0, 0.0), "you return 0.000 and 0.000"),
        (lambda m: velocity(m)[0], "two numbers, vy and vx"),
        (lambda m: (1.0, 2.0, 3.0), "not 3"),
    ],
)
def test_velocity(answer, words):
    told(check.velocity, answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda val, test: (np.argmax(test), test.max()),
            "You choose the option on the test scenes",
        ),
        (lambda val, test: (np.argmax(val), val.max()), "looks too good"),
        (lambda val, test: (np.argmax(val), test.max()), "belongs to another option"),
        (lambda val, test: (np.argmin(val), test[np.argmin(val)]), "the worst"),
        (lambda val, test: choose(val, test)[::-1], "swapped"),
        (lambda val, test: np.argmax(val), "two things"),
        (lambda val, test: (0, 0.1), "its score on the test scenes is"),
    ],
)
def test_choose(answer, words):
    told(check.choose, answer, words)


def corner(counts, width):
    y, x = densest_square(counts, width)
    return y - width // 2, x - width // 2


def padded(counts, width):
    means = torch.nn.functional.avg_pool2d(
        counts[None], width, 1, width // 2, count_include_pad=False
    )
    return divmod(int(means[0].argmax()), counts.shape[1])


def by_wrong_width(counts, width):
    sums = counts.unfold(0, width, 1).unfold(1, width, 1).sum((2, 3))
    return divmod(int(sums.argmax()), counts.shape[1])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (corner, "upper left corner"),
        (lambda c, width: densest_square(c, width)[::-1], "swapped"),
        (lambda c, width: divmod(int(c.argmax()), c.shape[1]), "the most events"),
        (lambda c, width: densest_square(-c, width), "emptiest"),
        (padded, "beyond the border"),
        (by_wrong_width, "fewer squares than pixels"),
        (lambda c, width: (3, 3), "is centred on row"),
        (lambda c, width: 3, "two numbers"),
    ],
)
def test_densest_square(answer, words):
    told(check.densest_square, answer, words)


def around(half):
    return lambda p, n: (p - half(p, n), p + half(p, n))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (around(lambda p, n: (p * (1 - p) / n) ** 0.5), "covers 68 %"),
        (around(lambda p, n: 1.96 * (p * (1 - p)) ** 0.5), "a single scene"),
        (around(lambda p, n: 1.96 * (p * (1 - p)) ** 0.5 / n), "outside the root"),
        (around(lambda p, n: 1.96 * p * (1 - p) / n), "square root"),
        (around(lambda p, n: 1.96 * (p / n) ** 0.5), "second factor"),
        (lambda p, n: interval(p, n)[::-1], "ends are swapped"),
        (lambda p, n: (interval(p, n)[0] - p, interval(p, n)[1] - p), "Add the share"),
        (lambda p, n: 1.96, "two numbers"),
        (lambda p, n: (0.1, 0.9), "the interval is"),
    ],
)
def test_interval(answer, words):
    told(check.interval, answer, words)
