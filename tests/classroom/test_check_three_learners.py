"""Notebook 11's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

from jarvis.classroom.check import three_learners as check

SEEDS = range(2)


def additions_of(spikes, weights):
    """One spike at a time."""
    found = [0] * spikes.shape[1]
    for _, sample, sender in spikes.nonzero().tolist():
        found[sample] += sum(w != 0 for w in weights[sender].tolist())
    return found


def additions_until(sent, out, weights):
    found = []
    for times, ends in zip(sent.tolist(), out.tolist(), strict=True):
        heard = [i for i, t in enumerate(times) if t <= min(ends) and t < math.inf]
        found.append(sum(w != 0 for i in heard for w in weights[i].tolist()))
    return found


def until(sent, end, weights, none_counts=True):
    chosen = (sent <= end) & sent.isfinite() if none_counts else sent <= end
    return chosen.long() @ (weights != 0).sum(1)


def break_even(n_in, n_steps, n_states, add, multiply):
    product = multiply + add
    return max(0.0, (n_in * product - n_steps * n_states * product) / (n_in * add))


def prune(weights, share):
    flat = weights.flatten().tolist()
    for k in sorted(range(len(flat)), key=lambda k: abs(flat[k]))[: round(share * len(flat))]:
        flat[k] = 0.0
    return torch.tensor(flat).reshape(weights.shape)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.additions_of(additions_of, seed=seed)
    assert check.additions_of(lambda s, w: s.sum(0) @ (w != 0).float().sum(1), seed=seed)
    assert check.additions_until(additions_until, seed=seed)
    assert check.break_even(break_even, seed=seed)
    assert check.prune(prune, seed=seed)


ALL = "answer, words"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ALL,
    [
        (lambda s, w: w.shape[1] * s.sum((0, 2)), "pruned ones too"),
        (lambda s, w: (s.sum(0) @ w).sum(1), "You add up the weights"),
        (lambda s, w: s.sum(0) @ (w > 0).float().sum(1), "only positive weights"),
        (lambda s, w: s.sum((0, 2)), "Those are the spikes"),
        (lambda s, w: (s.sum(0) > 0).float() @ (w != 0).float().sum(1), "several times once"),
        (lambda s, w: s.sum(0).mean(1) * (w != 0).sum(), "Sum neuron by neuron"),
        (lambda s, w: s.sum(), "You return one number"),
        (lambda s, w: s.sum(0), "should have the shape"),
        (lambda s, w: s.sum(1) @ (w != 0).float().sum(1), "should have the shape|additions. You"),
        (lambda s, w: 1 + s.sum(0) @ (w != 0).float().sum(1), "additions. You return"),
        (lambda s, w: s @ w.t(), "raised RuntimeError"),
        (lambda s, w: s.sum(0) @ (w != 0).float().sum(1) * math.nan, "NaN"),
    ],
)
def test_additions_of(answer, words, seed):
    said = check.additions_of(answer, seed=seed).words
    assert any(part in said for part in words.split("|")), said


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ALL,
    [
        (lambda s, o, w: until(s, o.amin(1, True), w, False), "inf <= inf is true"),
        (lambda s, o, w: until(s, torch.inf, w), "those after the decision too"),
        (
            lambda s, o, w: ((s < o.amin(1, True)) & s.isfinite()).long() @ (w != 0).sum(1),
            "<=, not <",
        ),
        (lambda s, o, w: until(s, o.amax(1, True), w), "wait for the last output"),
        (
            lambda s, o, w: torch.where(o.isfinite().any(1), until(s, o.amin(1, True), w), 0),
            "you count nothing",
        ),
        (lambda s, o, w: until(s, o.amin(1, True), torch.ones_like(w)), "no synapse"),
        (lambda s, o, w: until(s, o.min(), w), "one decision for the whole batch"),
        (lambda s, o, w: 1 + until(s, o.amin(1, True), w), "You return"),
        (lambda s, o, w: until(s, o.amin(1, True), w).sum(), "one number"),
    ],
)
def test_additions_until(answer, words, seed):
    assert words in check.additions_until(answer, seed=seed).words


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ALL,
    [
        (lambda n, t, k, a, m: (m + a) / a, "forgets the updates"),
        (lambda n, t, k, a, m: m / a, "multiply + add"),
        (lambda n, t, k, a, m: m / a * (1 - t * k / n), "multiply + add"),
        (lambda n, t, k, a, m: (m + a) / a * (1 - t / n), "one state variable"),
        (lambda n, t, k, a, m: (m + a) / a * (1 - t * k / n), "fewer than 0"),
        (lambda *given: break_even(*given) / given[1], "spikes per step"),
        (lambda *given: break_even(*given) * given[0], "together"),
        (lambda n, t, k, a, m: (n * (m + a) - t * k * a) / (n * a), "An update multiplies"),
        (lambda *given: break_even(*given) + 0.1, "it should be"),
        (lambda n, t, k, a, m: max(1e-3, break_even(n, t, k, a, m)), "0, not 0.001"),
        (lambda n, t, k, a, m: [t, n], "one number"),
    ],
)
def test_break_even(answer, words, seed):
    assert words in check.break_even(answer, seed=seed).words


def ranked(weights, share, by, keep=False):
    number = round(share * weights.numel())
    order = by(weights).flatten().argsort()
    out = weights.clone()
    out.view(-1)[order[number:] if keep else order[:number]] = 0.0
    return out


def to_the_whole(weights, share, how):
    """As `prune`, for a number that is rounded in another way; a hair of float error is none."""
    number = how(round(share * weights.numel(), 6))
    return ranked(weights, number / weights.numel(), torch.abs)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ALL,
    [
        (lambda w, share: w, "Nothing was pruned"),
        (lambda w, share: ranked(w, share, lambda w: w), "most negative"),
        (lambda w, share: ranked(w, share, lambda w: -w.abs()), "the largest weights"),
        (lambda w, share: ranked(w, share, lambda w: -w.abs(), keep=True), "keep that share"),
        (lambda w, share: w * (w.abs() >= share), "as a threshold on the weights"),
        (lambda w, share: ranked(w, share / 2, torch.abs), "weights are 0; a share of"),
        (
            lambda w, share: to_the_whole(w, share, math.floor),
            "down; take the nearest",
        ),
        (lambda w, share: to_the_whole(w, share, math.ceil), "up; take the nearest"),
        (lambda w, share: 2 * ranked(w, share, torch.abs), "have changed"),
        (lambda w, share: ranked(w, share, lambda w: w.flatten().arange_like), "raised"),
        (lambda w, share: ranked(w, share, torch.abs).flatten(), "should have the shape"),
        (lambda w, share: w.mul_(w.abs() > share), "changes the array"),
    ],
)
def test_prune(answer, words, seed):
    assert words in check.prune(answer, seed=seed).words


def test_prune_by_another_order():
    def by_place(weights, share):
        return ranked(weights, share, lambda w: torch.arange(w.numel()))

    assert "the choice is not" in check.prune(by_place, seed=0).words


@pytest.mark.parametrize("name", ["additions_of", "additions_until", "break_even", "prune"])
def test_a_stub_is_unanswered(name):
    verdict = getattr(check, name)(lambda *given: None)
    assert not verdict
    assert not verdict.answered


def test_answers_as_arrays_and_lists():
    assert check.prune(lambda w, share: prune(w, share).numpy())
    assert check.additions_of(lambda s, w: np.array(additions_of(s, w)))
