"""Lesson 404's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch
from scipy.stats import binom, poisson
from torch.nn import functional as F

from jarvis.classroom.check import segmentation as check
from jarvis.stdp.spikeseg.instances import union_find
from jarvis.stdp.spikeseg.segmentation import PixelCounts
from jarvis.stdp.spikeseg.steps import unpool as unpool_library

SEEDS = range(20)


def one_layer_back(maps, features, stride):
    return F.conv_transpose2d(maps, features, stride=stride)


def by_adding(maps, features, stride, add=True):
    n, _, k, _ = maps.shape
    size = features.shape[2]
    side = (k - 1) * stride + size
    out = torch.zeros(n, features.shape[1], side, side)
    for i in range(k):
        for j in range(k):
            part = torch.einsum("nc,cdij->ndij", maps[:, :, i, j], features)
            y, x = i * stride, j * stride
            before = out[:, :, y : y + size, x : x + size] if add else 0
            out[:, :, y : y + size, x : x + size] = before + part
    return out


def spread(pixels, stride):
    """Zeros between the pixels."""
    side = (pixels.shape[-1] - 1) * stride + 1
    out = torch.zeros(*pixels.shape[:2], side, side)
    out[:, :, ::stride, ::stride] = pixels
    return out


def unpool(values, index):
    out = torch.zeros(2 * values.shape[0], 2 * values.shape[1])
    for k in range(4):
        out[k // 2 :: 2, k % 2 :: 2] = values * (index == k)
    return out


def by_library(values, index):
    return unpool_library(values[None, None], index[None, None].byte(), 2)[0, 0]


def by_chance(p, n_pixels, least):
    fewer = (math.comb(n_pixels, k) * p**k * (1 - p) ** (n_pixels - k) for k in range(least))
    return 1 - sum(fewer)


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


def informedness(found, missed, false, silent):
    return found / (found + missed) + silent / (silent + false) - 1


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.one_layer_back(one_layer_back, seed=seed)
    assert check.one_layer_back(by_adding, seed=seed)
    assert check.one_layer_back(lambda m, f, s: one_layer_back(spread(m, s), f, 1), seed=seed)
    assert check.unpool(unpool, seed=seed)
    assert check.unpool(by_library, seed=seed)
    assert check.by_chance(by_chance, seed=seed)
    assert check.by_chance(lambda p, n, least: binom.sf(least - 1, n, p), seed=seed)
    assert check.count_groups(count_groups, seed=seed)
    assert check.count_groups(by_spreading, seed=seed)
    assert check.informedness(informedness, seed=seed)
    assert check.informedness(lambda *case: PixelCounts(1, *case).informedness, seed=seed)


def told(exercise, answer, words, seeds=range(3)):
    for seed in seeds:
        found = exercise(answer, seed=seed)
        assert not found
        assert words in found.words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (
            lambda m, f, s: F.conv2d(spread(m, s), f.transpose(0, 1), padding=f.shape[2] - 1),
            "features are rotated",
        ),
        (lambda m, f, s: one_layer_back(m.flip(2, 3), f, s), "maps are rotated"),
        (lambda m, f, s: one_layer_back(m, f, s) / m.shape[1], "Add up their contributions"),
        (lambda m, f, s: one_layer_back(m[:, :1], f[:1], s), "only one of the maps"),
        (lambda m, f, s: by_adding(m, f, s, add=False), "only the last one is left"),
        (
            lambda m, f, s: torch.einsum("nckl,cd->ndkl", m, f.mean((2, 3))),
            "cut off at the border",
        ),
        (lambda m, f, s: F.conv_transpose2d(m, f), "`stride` is not used"),
        (lambda m, f, s: F.conv_transpose2d(m, f, dilation=s), "spread out the features"),
        (
            lambda m, f, s: F.conv_transpose2d(m, f, stride=s, output_padding=s - 1),
            "empty pixels at the end",
        ),
        (lambda m, f, s: 0 * one_layer_back(m, f, s), "the pixel in row 0"),
        (lambda m, f, s: one_layer_back(m, f, s)[0], "should have the shape"),
    ],
)
def test_one_layer_back(answer, words):
    told(check.one_layer_back, answer, words)


def four(values):
    return values.repeat_interleave(2, 0).repeat_interleave(2, 1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda v, i: four(v), "fill all four"),
        (lambda v, i: four(v) / 4, "spread the value"),
        (lambda v, i: unpool(v, 0 * i), "upper left"),
        (lambda v, i: unpool(v, i % 2 * 2 + i // 2), "swapped"),
        (lambda v, i: unpool(i, i), "index instead"),
        (lambda v, i: unpool(torch.ones_like(v), i), "a 1 instead"),
        (lambda v, i: unpool(v, 3 - i), "The square in row"),
        (lambda v, i: v, "should have the shape"),
    ],
)
def test_unpool(answer, words):
    told(check.unpool, answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, n, k: binom.pmf(k, n, p), "*exactly*"),
        (lambda p, n, k: binom.sf(k, n, p), "*more*"),
        (lambda p, n, k: binom.cdf(k - 1, n, p), "fewer fire"),
        (lambda p, n, k: binom.cdf(k, n, p), "at most"),
        (lambda p, n, k: n * p, "mean number"),
        (lambda p, n, k: p**k, "given pixels all fire"),
        (lambda p, n, k: math.comb(n, k) * p**k, "stay silent"),
        (lambda p, n, k: poisson.sf(k - 1, n * p), "the Poisson distribution"),
        (lambda p, n, k: 2.0, "between 0 and 1"),
        (lambda p, n, k: 0.5, "it should be"),
    ],
)
def test_by_chance(answer, words):
    told(check.by_chance, answer, words)


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
    told(check.count_groups, answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b, c, d: (a + d) / (a + b + c + d), "accuracy"),
        (lambda a, b, c, d: a / (a + b), "sensitivity alone"),
        (lambda a, b, c, d: d / (c + d), "specificity alone"),
        (lambda a, b, c, d: a / (a + b) + d / (c + d), "Subtract 1"),
        (lambda a, b, c, d: a / (a + c) + d / (c + d) - 1, "precision"),
        (lambda a, b, c, d: a / (a + b) + d / (d + b) - 1, "divides by silent + missed"),
        (lambda a, b, c, d: a / (a + b) * d / (c + d), "You multiply sensitivity"),
        (lambda a, b, c, d: 0.5, "it should be"),
    ],
)
def test_informedness(answer, words):
    told(check.informedness, answer, words)
