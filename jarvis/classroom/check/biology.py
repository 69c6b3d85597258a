"""Checks of lesson 803: middle half, pairs of runs, best of several settings, a verdict."""

from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import trim_mean

from jarvis.classroom.check._reasons import explained
from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number, seed_from
from jarvis.classroom.comparison import improvement, interquartile_mean

#: Number of draws: the bounds of an answer differ by chance by 3 % of the spread of the draws.
DRAWS = 8000


@exercise(
    1,
    hints=(
        "First write a function of one set of runs that returns the mean of the middle half. The "
        "interval needs the same function for many sets.",
        "middle(x): x = np.sort(x); k = len(x) // 4; the mean of x[k : len(x) - k]. A new set of "
        "runs is rng.choice(values, len(values)), which draws with replacement.",
        "means = [middle(rng.choice(values, len(values))) for _ in range(draws)]; return "
        "middle(values), *np.quantile(means, [0.025, 0.975])",
    ),
)
def middle_half(answer, rng) -> None:
    """`middle_half(values, rng, draws) -> mean, low, high`: with a bootstrap over runs."""
    for _ in range(2):
        n = int(rng.choice([26, 27, 30, 31]))
        values = rng.normal(300.0, 60.0, n)
        values[int(rng.integers(n))] = rng.uniform(-4000.0, -3000.0)  # a run that failed
        given = np.random.default_rng(seed_from(rng))
        mean, low, high = array(answer(values, given, DRAWS), (3,), "The result")
        right = interquartile_mean(values, draws=3 * DRAWS, seed=seed_from(rng))
        drawn = values[rng.integers(n, size=(DRAWS, n))]
        spread = trim_mean(drawn, 0.25, axis=1).std()
        if not near(mean, right[0], 1e-6) and near(right[0], low, 1e-6) | near(
            right[0], high, 1e-6
        ):
            raise Wrong("The mean comes first: the order is mean, low, high.")
        _check_mean(mean, values, right[0])
        if low > high:
            raise Wrong("The lower bound of the interval comes before the upper bound.")
        if high - low < 1e-9:
            raise Wrong(
                "Your interval has no width: draw the runs with replacement, anew in each draw."
            )

        def same(a: Any, b: Any, low=low, high=high, spread=spread) -> bool:
            return max(abs(low - a), abs(high - b)) < 0.16 * spread

        if same(*right[1:]):
            continue
        tails = [0.025, 0.975]
        kept = np.sort(values)[n // 4 : n - n // 4]
        slips = {
            "That is the range of the middle runs. The interval is that of the means of many "
            "draws.": (kept[0], kept[-1]),
            "That is an interval of the median. Compute the mean of the middle half in each draw.":
                np.quantile(np.median(drawn, 1), tails),
            "That is the range of the runs themselves. The interval is that of the means of many "
            "draws.": np.quantile(values, tails),
            "That is the middle 90 % of the draws: only 2.5 % may lie on each side.":
                np.quantile(trim_mean(drawn, 0.25, axis=1), [0.05, 0.95]),
            "Your interval is only about half as wide as it should be. Do you draw from the middle "
            "half alone, or take one standard deviation to each side?":
                (mean - spread, mean + spread),
        }  # fmt: skip
        for words, slip in slips.items():
            if same(*slip):
                raise Wrong(words)
        if low < right[1] - 8 * spread and high < right[2] + 8 * spread:
            raise Wrong(
                f"Your lower bound is {low:.0f}, far too low: one failed run moves it. Compute the "
                "mean of the middle half in each draw, not the plain mean."
            )
        raise Wrong(
            f"The mean is right. Your interval is {low:.0f} to {high:.0f}; it should be about "
            f"{right[1]:.0f} to {right[2]:.0f}."
        )


def _check_mean(found: float, values: np.ndarray, right: float) -> None:
    """Whether the interquartile mean is right; raises `Wrong` if not."""
    if near(found, right, 1e-6):
        return
    n, k, ordered = len(values), len(values) // 4, np.sort(values)
    low, high = np.quantile(values, [0.25, 0.75])
    slips = {
        "That is the plain mean: one failed run moves it far away. Leave out the extremes.":
            values.mean(),
        "That is the median. Take the mean of the whole middle half.": np.median(values),
        "Sort the runs first: what you leave out stands at the ends of the list by chance.":
            values[k : n - k].mean(),
        "You leave out only low runs. Leave out as many high ones.": ordered[k:].mean(),
        "You leave out only high runs. Leave out as many low ones.": ordered[: n - k].mean(),
        "You leave out a quarter in all. Leave out a quarter at each end.":
            ordered[n // 8 : n - n // 8].mean(),
        "You leave out one run too many at each end: n // 4 is rounded down.":
            ordered[-(-n // 4) : n - -(-n // 4)].mean(),
        "That is the middle between two quartiles. Take the mean of all runs between them.":
            (low + high) / 2,
        "That is the distance of two quartiles. Take the mean of the runs between them.":
            high - low,
        "That is a sum. Take the mean.": ordered[k : n - k].sum(),
    }  # fmt: skip
    for words, slip in slips.items():
        if near(found, float(slip), 1e-6):
            raise Wrong(words)
    raise Wrong(f"For {n} runs your interquartile mean is {found:.2f}, not {right:.2f}.")


@exercise(
    2,
    hints=(
        "Compare every run of a with every run of b: how many pairs are there?",
        "a[:, None] > b[None, :] compares all pairs at once. Ties are a[:, None] == b[None, :].",
        "return ((a[:, None] > b) + 0.5 * (a[:, None] == b)).mean()",
    ),
)
def beats(answer, rng) -> None:
    """`beats(a, b)`: the probability that a run of a beats a run of b; a tie counts half."""
    cases = []
    for sizes in ((5, 5), (4, 7), (8, 3), (9, 9)):
        a, b = (rng.integers(0, 6, size).astype(float) for size in sizes)
        a[0] = b[0]  # at least one tie
        cases.append((a, b))
    found = [number(answer(a, b), "the probability") for a, b in cases]

    def close(x: float, y: float) -> bool:
        return abs(x - y) < 1e-6

    right = [improvement(a, b, draws=1)[0] for a, b in cases]
    if all(map(close, found, right)):
        return

    def pairs(case: tuple[np.ndarray, np.ndarray], tie: float) -> float:
        a, b = case
        return float(((a[:, None] > b) + tie * (a[:, None] == b)).mean())

    slips = [
        (lambda c: pairs(c, 0.0), "A tie counts half; yours does not count."),
        (lambda c: pairs(c, 1.0), "A tie counts half; yours counts as a win."),
        (lambda c: 1 - pairs(c, 0.5), "That is the probability that b beats a."),
        (lambda c: pairs(c, 0.5) * len(c[0]) * len(c[1]), "You count pairs. Divide by their "
         "number, to get a probability."),
        (lambda c: 100 * pairs(c, 0.5), "Return a probability between 0 and 1, not percent."),
        (lambda c: pairs(c, -1.0), "You subtract ties. A tie counts half."),
        (lambda c: float((c[0] > c[1].mean()).mean()), "You compare with the mean of b. Compare "
         "with every run of b."),
        (lambda c: _run_by_run(*c), "You compare run by run. Run 3 of a and run 3 of b have "
         "nothing in common: compare all pairs."),
        (lambda c: float(c[0].mean() > c[1].mean()), "That says which mean is larger. How often "
         "does a single run of a beat one of b?"),
        (lambda c: pairs(c, 0.5) - pairs(c[::-1], 0.5), "That is the probability of a win "
         "minus that of a defeat."),
    ]  # fmt: skip
    words = explained(found, cases, slips, close)
    at = next(k for k in range(len(cases)) if not close(found[k], right[k]))
    a, b = ([int(x) for x in runs] for runs in cases[at])
    raise Wrong(
        words or f"For a = {a} and b = {b} you return {found[at]:.4f}, not {right[at]:.4f}."
    )


def _run_by_run(a: np.ndarray, b: np.ndarray) -> float:
    """The share of runs in which a is larger than b at the same place; NaN for other lengths."""
    return float(((a > b) + 0.5 * (a == b)).mean()) if len(a) == len(b) else float("nan")


@exercise(
    3,
    hints=(
        "With k = 2 of the scores 1, 2, 4 there are three choices: (1, 2), (1, 4), (2, 4). What is "
        "the best of each?",
        "itertools.combinations(scores, k) gives every choice once. Take the maximum of each.",
        "return np.mean([max(chosen) for chosen in combinations(scores, k)])",
    ),
)
def best_of(answer, rng) -> None:
    """`best_of(scores, k)`: the mean, over all choices of k settings, of the highest score."""
    cases = []
    for k in (1, 2, 4, 7):
        n = 7 if k == 7 else int(rng.integers(k + 2, 9))
        scores = rng.uniform(100, 500, n)
        cases.append((np.roll(scores, -1 - int(scores.argmax())), k))  # the best is the last
    found = [number(answer(scores, k), "the result") for scores, k in cases]
    again = [number(answer(scores, k), "the result") for scores, k in cases]
    right = [float(np.mean([max(c) for c in combinations(s, k)])) for s, k in cases]
    if all(map(near, found, right, [1e-6] * len(cases))):
        return
    if found != again:
        raise Wrong(
            "Your result changes from call to call, because you draw settings at random. Go "
            "through all choices of k settings instead."
        )
    slips = [
        (lambda c: c[0].max(), "That is the best of all settings. Only k of them are tried."),
        (lambda c: c[0].mean(), "That is the mean of all scores. Take the highest score "
         "of each choice first."),
        (lambda c: c[0][: c[1]].max(), "You try the first k settings. Average over all choices."),
        (lambda c: np.sort(c[0])[-c[1] :].mean(), "That is the mean of the k best settings. Which "
         "k settings are tried is left to chance."),
        (lambda c: np.sort(c[0])[c[1] - 1], "That is the best of the k worst settings. Average "
         "over all choices of k settings."),
        (lambda c: _with_replacement(*c), "You allow a setting to be tried more than once. All k "
         "settings are different."),
        (lambda c: float(np.median([max(x) for x in combinations(*c)])), "That is the median over "
         "all choices. Take the mean."),
        (lambda c: float(np.sum([max(x) for x in combinations(*c)])), "That is the sum over all "
         "choices. Take the mean."),
    ]  # fmt: skip
    words = explained(found, cases, slips, lambda x, y: near(x, y, 1e-6))
    at = next(j for j in range(len(cases)) if not near(found[j], right[j], 1e-6))
    raise Wrong(
        words
        or f"For {len(cases[at][0])} settings and k = {cases[at][1]} you return "
        f"{found[at]:.2f}, not {right[at]:.2f}."
    )


def _with_replacement(scores: np.ndarray, k: int) -> float:
    """The expected maximum of k independent draws."""
    steps = (np.arange(len(scores) + 1) / len(scores)) ** k
    return float(np.sort(scores) @ np.diff(steps))


ANSWERS = ("unequal", "flattered", "better", "worse", "cannot say")


@exercise(
    4,
    hints=(
        "Ask in the order of the text. Which two numbers have to be equal?",
        'a["chosen on"] & a["reported"] is the set of the seeds that were used for both; an empty '
        "set counts as False. Look at a and at b.",
        'if a["steps"] != b["steps"] or a["settings"] != b["settings"]: "unequal"; if a["chosen '
        'on"] & a["reported"] or the same of b: "flattered"; low > 0.5: "better"; high < 0.5: '
        '"worse"; otherwise "cannot say".',
    ),
)
def verdict(answer, rng) -> None:
    """`verdict(a, b, low, high)` -> one of `ANSWERS`."""
    equal = dict(steps=50_000, settings=8)
    cases: list[tuple[dict, dict, set, set, float, float, str]] = [
        (dict(steps=100_000), {}, set(), set(), 0.6, 0.9, "unequal"),
        ({}, dict(settings=1), set(), set(), 0.6, 0.9, "unequal"),
        ({}, dict(settings=16), set(), set(), 0.3, 0.7, "unequal"),
        ({}, dict(steps=100_000), {1}, set(), 0.6, 0.9, "unequal"),
        ({}, {}, {1}, set(), 0.6, 0.9, "flattered"),
        ({}, {}, set(), {0, 2}, 0.1, 0.4, "flattered"),
        ({}, {}, set(), {3}, 0.3, 0.7, "flattered"),
        ({}, {}, set(), set(), 0.55, 0.9, "better"),
        ({}, {}, set(), set(), 0.05, 0.45, "worse"),
        ({}, {}, set(), set(), 0.3, 0.6, "cannot say"),
        ({}, {}, set(), set(), 0.5, 0.8, "cannot say"),
        ({}, {}, set(), set(), 0.2, 0.5, "cannot say"),
        ({}, {}, set(), set(), 0.0, 1.0, "cannot say"),
    ]
    for k in rng.permutation(len(cases)):
        of_a, of_b, shared_a, shared_b, low, high, right = cases[k]
        first = int(rng.integers(1000, 2000))
        a, b = (
            equal | of | {"chosen on": {first, first + 1} | shared, "reported": set(range(5))}
            for of, shared in ((of_a, shared_a), (of_b, shared_b))
        )
        found = answer(a, b, low, high)
        if found not in ANSWERS:
            raise Wrong(f"Your function should return one of {ANSWERS}, not {found!r:.40}.")
        if found == right:
            continue
        said = f"For an interval from {low} to {high} you say {found!r}."
        if right == "unequal":
            what = "steps" if a["steps"] != b["steps"] else "settings"
            raise Wrong(
                f"{said} But a has {a[what]:,} {what}, and b has {b[what]:,}. That comes first."
            )
        if right == "flattered":
            who = "a" if shared_a else "b"
            raise Wrong(
                f"{said} But {who} is reported on seeds on which its setting was chosen, too."
            )
        if found == "flattered":
            raise Wrong(f"{said} But no seed was used both to choose and to report.")
        if found == "unequal":
            raise Wrong(f"{said} But a and b have as many steps and as many settings.")
        if right == "cannot say":
            raise Wrong(f"{said} The interval contains 0.5, at which both win equally often.")
        raise Wrong(f"{said} On which side of 0.5 is the whole interval?")
