"""Lesson 702's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest

from jarvis.classroom.check import three_learners as check

SEEDS = range(3)


def additions_of(spikes, weights):
    """One spike at a time."""
    found = [0] * spikes.shape[1]
    for _, sample, sender in spikes.nonzero().tolist():
        found[sample] += sum(w != 0 for w in weights[sender].tolist())
    return found


def break_even(n_in, n_steps, n_states, add, multiply):
    product = multiply + add
    return max(0.0, (n_in * product - n_steps * n_states * product) / (n_in * add))


def bootstrap(difference, draws, rng, rows=True, columns=True, replace=True):
    n_seeds, n_samples = difference.shape
    found = []
    for _ in range(draws):
        i = rng.choice(n_seeds, n_seeds, replace) if rows else range(n_seeds)
        j = rng.choice(n_samples, n_samples, replace) if columns else range(n_samples)
        found.append(difference[list(i)][:, list(j)].mean())
    return found


def entries(difference, draws, rng):
    return [rng.choice(difference.ravel(), difference.size).mean() for _ in range(draws)]


def half(difference, draws, rng):
    return bootstrap(difference[:, : difference.shape[1] // 4], draws, rng)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.additions_of(additions_of, seed=seed)
    assert check.additions_of(lambda s, w: s.sum(0) @ (w != 0).float().sum(1), seed=seed)
    assert check.break_even(break_even, seed=seed)
    assert check.bootstrap(bootstrap, seed=seed)


ALL = "answer, words"


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ALL,
    [
        (lambda s, w: w.shape[1] * s.sum((0, 2)), "pruned ones too"),
        (lambda s, w: (s.sum(0) @ w).sum(1), "You add up the weights"),
        (lambda s, w: s.sum(0) @ (w > 0).float().sum(1), "only positive weights"),
        (lambda s, w: s.sum((0, 2)), "You count the spikes"),
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
        (lambda *given: bootstrap(*given, rows=False), "always take all seeds"),
        (lambda *given: bootstrap(*given, columns=False), "always take all pictures"),
        (entries, "You draw single entries"),
        (lambda *given: bootstrap(*given, replace=False), "All draws are the same"),
        (lambda d, draws, rng: np.array(bootstrap(d, draws, rng)) + 1, "have the mean"),
        (lambda d, draws, rng: 2 * np.array(bootstrap(d, draws, rng)) - d.mean(), "The spread of"),
        (half, "have the mean|The spread of"),
        (lambda d, draws, rng: d.mean(), "should have the shape (1500,)"),
        (lambda d, draws, rng: bootstrap(d, 10, rng), "should have the shape (1500,)"),
    ],
)
def test_bootstrap(answer, words, seed):
    said = check.bootstrap(answer, seed=seed).words
    assert any(part in said for part in words.split("|")), said


def test_a_right_bootstrap_is_never_taken_for_a_slip():
    for seed in range(6):
        assert check.bootstrap(bootstrap, seed=seed)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    ALL,
    [
        (lambda n, t, k, a, m: (m + a) / a, "leave out the updates"),
        (lambda n, t, k, a, m: m / a, "multiply + add"),
        (lambda n, t, k, a, m: m / a * (1 - t * k / n), "multiply + add"),
        (lambda n, t, k, a, m: (m + a) / a * (1 - t / n), "one state variable"),
        (lambda n, t, k, a, m: (m + a) / a * (1 - t * k / n), "fewer than 0"),
        (lambda *given: break_even(*given) / given[1], "number of spikes per step"),
        (lambda *given: break_even(*given) * given[0], "together"),
        (lambda n, t, k, a, m: (n * (m + a) - t * k * a) / (n * a), "An update multiplies"),
        (lambda *given: break_even(*given) + 0.1, "it should be"),
        (lambda n, t, k, a, m: max(1e-3, break_even(n, t, k, a, m)), "0, not 0.001"),
        (lambda n, t, k, a, m: [t, n], "one number"),
    ],
)
def test_break_even(answer, words, seed):
    assert words in check.break_even(answer, seed=seed).words


@pytest.mark.parametrize("name", ["additions_of", "bootstrap", "break_even"])
def test_a_stub_is_unanswered(name):
    verdict = getattr(check, name)(...)
    assert not verdict
    assert not verdict.answered


def test_answers_as_arrays_and_lists():
    assert check.bootstrap(lambda *given: np.array(bootstrap(*given)))
    assert check.additions_of(lambda s, w: np.array(additions_of(s, w)))
