"""Lesson 505's checks: right answers pass, and each mistake is told by its name."""

import numpy as np
import pytest
import torch

from jarvis.classroom.check import where_delays_help as check

SEEDS = range(3)


def parameters(net, n, rec=None, channels=700, dims=None):
    synapses = 700 * n + (n * (n - 1) if rec is None else rec)
    if net in ("0", "inf"):
        return synapses if net == "0" else 2 * synapses
    return synapses + (int(net) if dims is None else dims) * (channels + n)


def bootstrap(a, b, rng, draws, percent=(2.5, 97.5)):
    index = rng.integers(0, len(a), (draws, len(a)))
    return np.percentile((a.astype(float) - b)[index].mean(1), percent)


def decide(low, high, matters):
    if -matters < low and high < matters:
        return "too small to matter"
    return "helps" if low > 0 else "hurts" if high < 0 else "cannot say"


def shuffled(delays, generator):
    order = torch.randperm(delays.numel(), generator=generator)
    return delays.flatten()[order].view_as(delays)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.parameters(parameters, seed=seed)
    assert check.bootstrap(lambda *given: tuple(bootstrap(*given)), seed=seed)
    assert check.decide(decide, seed=seed)
    assert check.shuffled(shuffled, seed=seed)


def test_a_right_answer_is_never_taken_for_a_slip():
    for seed in range(60):
        assert check.bootstrap(bootstrap, seed=seed)
        assert check.shuffled(shuffled, seed=seed)


def test_no_other_interval_is_right():
    for seed in range(20):
        for percent in ((5, 95), (0.5, 99.5), (10, 90)):
            assert not check.bootstrap(lambda *g, p=percent: bootstrap(*g, percent=p), seed=seed)


def without_positions(net, n):
    return parameters(net if net == "inf" else "0", n)


def delays_of_their_own(net, n):
    return parameters("0" if net == "0" else "inf", n)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda net, n: parameters(net, n, rec=n * n), "onto itself"),
        (lambda net, n: parameters(net, n, rec=0), "among the hidden neurons are missing"),
        (lambda net, n: parameters(net, n) + 20 * n + 20, "Do not count the read-out"),
        (lambda net, n: parameters("0" if net == "inf" else net, n), "a delay of its own"),
        (without_positions, "The positions are missing"),
        (delays_of_their_own, "not parameters of their own"),
        (lambda net, n: parameters(net, n, channels=0), "The channels have positions"),
        (lambda net, n: parameters(net, n, dims=1), "A position is"),
        (lambda net, n: 7, "The network itself has"),
        (lambda net, n: "many", "should be a number"),
    ],
)
def test_parameters(answer, words):
    for seed in SEEDS:
        assert words in check.parameters(answer, seed=seed).words


def unpaired(a, b, rng, draws):
    i, j = (rng.integers(0, len(a), (draws, len(a))) for _ in range(2))
    return np.quantile(a[i].mean(1) - b[j].mean(1), [0.025, 0.975])


def without_replacement(a, b, rng, draws):
    index = np.stack([rng.permutation(len(a)) for _ in range(draws)])
    return np.quantile((1.0 * a - b)[index].mean(1), [0.025, 0.975]).round(9)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (unpaired, "do you draw the words of a and b separately"),
        (lambda *given: bootstrap(*given, percent=(5, 95)), "the middle 90 %"),
        (lambda *given: bootstrap(*given, percent=(15.9, 84.1)), "one standard deviation"),
        (lambda *given: bootstrap(*given)[::-1], "The lower bound comes first"),
        (lambda *given: 100 * bootstrap(*given), "not percent"),
        (lambda a, b, rng, draws: [(1.0 * a - b).mean()] * 2, "There is no spread"),
        (without_replacement, "There is no spread"),
        (lambda *given: bootstrap(*given).mean(), "should have the shape (2,)"),
        (lambda *given: bootstrap(*given) + 0.02, "It should be about"),
    ],
)
def test_bootstrap(answer, words):
    for seed in SEEDS:
        assert words in check.bootstrap(answer, seed=seed).words


def test_the_difference_has_a_sign():
    for seed in SEEDS:
        words = check.bootstrap(lambda a, b, *more: bootstrap(b, a, *more), seed=seed).words
        assert "That is b - a" in words


def absence_of_evidence(low, high, matters):
    return "helps" if low > 0 else "hurts" if high < 0 else "too small to matter"


def by_its_middle(low, high, matters):
    return "helps" if low + high > 0 else "hurts"


def without_size(low, high, matters):
    return "helps" if low > 0 else "hurts" if high < 0 else "cannot say"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (absence_of_evidence, "does not show that there is none|The whole interval is between"),
        (by_its_middle, "The interval contains 0|The whole interval is between"),
        (without_size, "The whole interval is between"),
        (lambda *given: "cannot say", "On which side of 0|The whole interval is between"),
        (lambda *given: "perhaps", "should return one of"),
        (lambda *given: True, "should return one of"),
    ],
)
def test_decide(answer, words):
    for seed in range(6):
        said = check.decide(answer, seed=seed).words
        assert any(part in said for part in words.split("|")), said


def test_absence_of_evidence_is_told_by_its_name():
    said = [check.decide(absence_of_evidence, seed=seed).words for seed in range(20)]
    assert any("does not show that there is none" in words for words in said)


def rows(delays, generator):
    return delays[torch.randperm(len(delays), generator=generator)]


def within_columns(delays, generator):
    noise = torch.rand(delays.shape, generator=generator)
    return delays.gather(0, noise.argsort(0))


def within_rows(delays, generator):
    noise = torch.rand(delays.shape, generator=generator)
    return delays.gather(1, noise.argsort(1))


def with_replacement(delays, generator):
    index = torch.randint(0, delays.numel(), delays.shape, generator=generator)
    return delays.flatten()[index]


def in_place(delays, generator):
    return delays.copy_(shuffled(delays, generator))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda delays, g: delays, "still has its old delay"),
        (rows, "Each receiver still has the same delays"),
        (lambda delays, g: rows(delays.T, g).T, "Each sender still has the same delays"),
        (within_columns, "Each receiver still has the same delays"),
        (within_rows, "Each sender still has the same delays"),
        (lambda delays, g: rows(rows(delays, g).T, g).T, "shuffle single delays"),
        (with_replacement, "occur twice"),
        (lambda delays, g: delays.flatten().sort().values.view_as(delays), "Two generators"),
        (lambda delays, g: delays.T.reshape(delays.shape), "Two generators"),
        (lambda delays, g: delays.flip(0, 1), "Two generators"),
        (lambda delays, g: shuffled(delays, torch.Generator().manual_seed(0)), "Two generators"),
        (lambda delays, g: 45 + 20 * torch.randn(delays.shape, generator=g), "have changed"),
        (lambda delays, g: delays.flatten(), "should have the shape"),
        (in_place, "changes the array"),
    ],
)
def test_shuffled(answer, words):
    for seed in SEEDS:
        assert words in check.shuffled(answer, seed=seed).words
