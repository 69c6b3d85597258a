"""Lesson 803's checks: right answers pass, and each mistake is told by its name."""

from itertools import combinations, combinations_with_replacement

import numpy as np
import pytest
from scipy.stats import trim_mean

from jarvis.classroom.check import biology as check

SEEDS = range(3)
MANY = range(20)
GENERATOR = np.random.default_rng(0)


def middle(x):
    x, k = np.sort(x), len(x) // 4
    return x[k : len(x) - k].mean()


def drawn(values, rng, draws, statistic):
    return [statistic(rng.choice(values, len(values))) for _ in range(draws)]


def middle_half(values, rng, draws):
    return middle(values), *np.quantile(drawn(values, rng, draws, middle), [0.025, 0.975])


def at_once(values, rng, draws):
    """The same by scipy, with all draws in one array."""
    sets = values[rng.integers(len(values), size=(draws, len(values)))]
    low, high = np.quantile(trim_mean(sets, 0.25, axis=1), [0.025, 0.975])
    return np.array([trim_mean(values, 0.25), low, high])


def beats(a, b):
    return np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])


def best_of(scores, k):
    return np.mean([max(chosen) for chosen in combinations(scores, k)])


def unequal(a, b):
    return a["steps"] != b["steps"] or a["settings"] != b["settings"]


def flattered(x):
    return bool(x["chosen on"] & x["reported"])


def said(low, high):
    return "better" if low > 0.5 else "worse" if high < 0.5 else "cannot say"


def verdict(a, b, low, high):
    if unequal(a, b):
        return "unequal"
    return "flattered" if flattered(a) or flattered(b) else said(low, high)


def test_right_answers():
    for seed in MANY:
        assert check.middle_half(at_once, seed=seed)
        assert check.beats(beats, seed=seed)
        assert check.best_of(best_of, seed=seed)
        assert check.verdict(verdict, seed=seed)
    for seed in SEEDS:
        assert check.middle_half(middle_half, seed=seed)


@pytest.mark.parametrize("exercise", ["middle_half", "beats", "best_of", "verdict"])
def test_a_stub_says_nothing(exercise, capsys):
    def stub(*args):
        """As in the lesson."""
        ...

    assert not getattr(check, exercise)(stub)
    assert not capsys.readouterr().out


def ends(statistic):
    """An answer with another mean and the right interval."""

    def answer(values, rng, draws):
        return statistic(values), *at_once(values, rng, draws)[1:]

    return answer


def bounds(of):
    """An answer with the right mean and another interval."""

    def answer(values, rng, draws):
        return middle(values), *of(values, rng, draws)

    return answer


def tails(statistic, shares=(0.025, 0.975)):
    return bounds(lambda v, rng, draws: np.quantile(drawn(v, rng, draws, statistic), shares))


def kept(v):
    return np.sort(v)[len(v) // 4 : len(v) - len(v) // 4]


def one_deviation(v, rng, draws):
    spread = np.std(drawn(v, rng, draws, middle))
    return middle(v) - spread, middle(v) + spread


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (ends(np.mean), "That is the plain mean"),
        (ends(np.median), "That is the median"),
        (ends(lambda v: v[len(v) // 4 : len(v) - len(v) // 4].mean()), "Sort the runs first"),
        (ends(lambda v: np.sort(v)[len(v) // 4 :].mean()), "only low runs"),
        (ends(lambda v: np.sort(v)[: len(v) - len(v) // 4].mean()), "only high runs"),
        (ends(lambda v: np.sort(v)[len(v) // 8 : len(v) - len(v) // 8].mean()), "a quarter in all"),
        (ends(lambda v: np.quantile(v, [0.25, 0.75]).mean()), "the middle between two quartiles"),
        (ends(lambda v: np.diff(np.quantile(v, [0.25, 0.75]))[0]), "the distance of two"),
        (ends(lambda v: kept(v).sum()), "That is a sum"),
        (ends(lambda v: middle(v) + 1), "your interquartile mean is"),
        (lambda *given: np.roll(at_once(*given), -1), "the order is mean, low, high"),
        (lambda *given: at_once(*given)[[0, 2, 1]], "comes before the upper bound"),
        (tails(lambda v: middle(np.sort(v)) * 0), "no width"),
        (tails(np.mean), "not the plain mean"),
        (tails(middle, (0.05, 0.95)), "the middle 90 %"),
        (bounds(one_deviation), "or take one standard deviation"),
        (bounds(lambda v, rng, draws: np.quantile(v, [0.025, 0.975])), "range of the runs"),
        (bounds(lambda v, rng, draws: kept(v)[[0, -1]]), "range of the middle runs"),
        (
            bounds(lambda v, rng, n: np.quantile(drawn(kept(v), rng, n, np.mean), [0.025, 0.975])),
            "from the middle half alone",
        ),
        (bounds(lambda v, rng, draws: (0.0, 900.0)), "it should be about"),
        (lambda values, rng, draws: middle(values), "should have the shape"),
    ],
)
def test_middle_half(answer, words):
    for seed in SEEDS:
        assert words in check.middle_half(answer, seed=seed).words


def test_middle_half_rounded_up_or_between_quantiles():
    def up(v):
        k = -(-len(v) // 4)
        return np.sort(v)[k : len(v) - k].mean()

    def between(v):
        low, high = np.quantile(v, [0.25, 0.75])
        return v[(v >= low) & (v <= high)].mean()

    for statistic in (up, between):
        for seed in SEEDS:
            assert "one run too many" in check.middle_half(ends(statistic), seed=seed).words


def table(a, b):
    return a[:, None] > b, a[:, None] == b


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: table(a, b)[0].mean(), "yours does not count"),
        (lambda a, b: (a[:, None] >= b).mean(), "counts as a win"),
        (lambda a, b: beats(b, a), "b beats a"),
        (lambda a, b: beats(a, b) * len(a) * len(b), "You count pairs"),
        (lambda a, b: 100 * beats(a, b), "not percent"),
        (lambda a, b: (a > b.mean()).mean(), "the mean of b"),
        (lambda a, b: float(a.mean() > b.mean()), "which mean is larger"),
        (lambda a, b: 2 * beats(a, b) - 1, "minus that of a defeat"),
        (lambda a, b: ((a > b) + 0.5 * (a == b)).mean(), "could not be broadcast"),
        (lambda a, b: 0.123, "you return 0.1230"),
    ],
)
def test_beats(answer, words):
    for seed in SEEDS:
        assert words in check.beats(answer, seed=seed).words


def test_beats_run_by_run():
    def answer(a, b):
        if len(a) == len(b):
            return np.mean([(x > y) + 0.5 * (x == y) for x, y in zip(a, b, strict=True)])
        return beats(a, b)

    for seed in SEEDS:
        assert "You compare run by run" in check.beats(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, k: s.max(), "the best of all settings"),
        (lambda s, k: s.mean(), "the mean of all scores"),
        (lambda s, k: s[:k].max(), "the first k settings"),
        (lambda s, k: np.sort(s)[-k:].mean(), "the mean of the k best"),
        (lambda s, k: np.sort(s)[k - 1], "the best of the k worst"),
        (lambda s, k: np.mean([np.mean(c) for c in combinations(s, k)]), "the mean of all scores"),
        (lambda s, k: np.median([max(c) for c in combinations(s, k)]), "That is the median"),
        (lambda s, k: np.sum([max(c) for c in combinations(s, k)]), "the sum over all choices"),
        (
            lambda s, k: np.sort(s) @ np.diff((np.arange(len(s) + 1) / len(s)) ** k),
            "more than once",
        ),
        (lambda s, k: GENERATOR.choice(s, k).max(), "changes from call to call"),
        (lambda s, k: list(combinations(s, k)), "should be one number"),
        (lambda s, k: best_of(s, k) + 1, "settings and k ="),
    ],
)
def test_best_of(answer, words):
    for seed in SEEDS:
        assert words in check.best_of(answer, seed=seed).words


def test_best_of_with_repeated_settings_is_wrong():
    def answer(s, k):
        return np.mean([max(c) for c in combinations_with_replacement(s, k)])

    assert not check.best_of(answer, seed=0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b, low, high: "flattered" if flattered(a) or flattered(b) else
         "unequal" if unequal(a, b) else said(low, high), "That comes first"),
        (lambda a, b, low, high: said(low, high), "But "),
        (lambda a, b, low, high: "unequal" if unequal(a, b) else
         "flattered" if flattered(a) else said(low, high), "But b is reported"),
        (lambda a, b, low, high: "unequal" if unequal(a, b) else
         "flattered" if flattered(b) else said(low, high), "But a is reported"),
        (lambda a, b, low, high: "unequal", "as many steps"),
        (lambda a, b, low, high: "flattered" if not unequal(a, b) else "unequal", "no seed"),
        (lambda a, b, low, high: verdict(a, b, low - 0.02, high - 0.02), "contains 0.5"),
        (lambda a, b, low, high: verdict(a, b, 1 - high, 1 - low), "On which side of 0.5"),
        (lambda a, b, low, high: True, "should return one of"),
    ],
)  # fmt: skip
def test_verdict(answer, words):
    for seed in SEEDS:
        assert words in check.verdict(answer, seed=seed).words


def test_equal_settings_are_required():
    def answer(a, b, low, high):
        return verdict(a | {"settings": 1}, b | {"settings": 1}, low, high)

    assert "settings, and b has" in check.verdict(answer, seed=0).words
