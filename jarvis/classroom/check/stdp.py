"""Checks of lesson 401: the sum over pairs, the rule with traces, a balanced window, any rate."""

import math
from collections.abc import Callable

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, exercise, near, number
from jarvis.stdp.trace_rules import PairSTDP


@exercise(
    1,
    hints=(
        "Use two loops: one over the presynaptic spikes, one over the postsynaptic ones.",
        "Each pair has s = t_post - t_pre, in this order. Add up window(s).",
        "sum(window(t_post - t_pre) for t_pre in pre_times for t_post in post_times)",
    ),
)
def all_pairs(answer, rng) -> None:
    """`all_pairs(pre_times, post_times, window) -> change` of one weight."""
    pre = sorted(rng.choice(100, 6, replace=False).tolist())
    post = sorted({*rng.choice(100, 3, replace=False).tolist(), pre[2]})  # with a coincident pair
    up, down = rng.uniform(0.004, 0.01, 2)
    tau_plus, tau_minus = rng.uniform(10, 20), rng.uniform(25, 45)

    def changes(s) -> np.ndarray:
        size = np.abs(s)
        return np.where(s >= 0, up * np.exp(-size / tau_plus), -down * np.exp(-size / tau_minus))

    def window(s):  # s: one interval, or an array
        return float(changes(s)) if np.ndim(s) == 0 else changes(s)

    change = number(answer(list(pre), list(post), window), "the change")
    s = np.subtract.outer(post, pre)
    each = changes(s)
    if near(change, each.sum(), 1e-6):
        return
    both = range(min(len(pre), len(post)))
    last = [max((t for t in pre if t <= end), default=None) for end in post]
    slips = {
        "Your s has the wrong sign: it should be t_post - t_pre.": changes(-s).sum(),
        "You pair the first spike with the first, the second with the second, and so on. Every "
        "spike of pre forms a pair with every spike of post.": sum(
            window(post[k] - pre[k]) for k in both
        ),
        "You leave out the pairs in which post fires first: they make the weight smaller.": (
            each[s >= 0].sum()
        ),
        "You leave out the pairs in which pre fires first.": each[s < 0].sum(),
        "A pair at s = 0 counts, too, with the change window(0).": each[s != 0].sum(),
        "You take the mean over the pairs. The changes add up.": each.mean(),
        "Each spike of post is paired only with the last spike of pre before it. Earlier ones "
        "count, too, and so do later ones.": sum(
            window(end - t) for end, t in zip(post, last, strict=True) if t is not None
        ),
    }
    for words, value in slips.items():
        if near(change, value, 1e-6):
            raise Wrong(words)
    raise Wrong(
        f"For pre at {pre} and post at {post} ms you return {change:+.5f}; the sum over all "
        f"{s.size} pairs is {each.sum():+.5f}."
    )


@exercise(
    2,
    hints=(
        "In each step, traces decay, spikes enter traces, and spikes read traces. In which order?",
        "A spike of pre enters its trace before post reads it. A spike of post enters last.",
        "Decay both traces; r += x; change += a_plus * y * r - a_minus * x * o; o += y.",
    ),
)
def from_memory(answer, rng) -> None:
    """`from_memory(pre, post, a_plus, a_minus, tau_plus, tau_minus) -> dw` of one synapse."""
    pre, post = (rng.random((2, 200)) < 0.06).astype(float)
    pre[[20, 50, 120]] = post[[20, 58, 110]] = 1  # a coincident pair, and one pair of each order
    a_plus, a_minus = rng.uniform(0.004, 0.01, 2)
    tau_plus, tau_minus = rng.uniform(10, 20), rng.uniform(25, 45)
    change = number(answer(pre, post, a_plus, a_minus, tau_plus, tau_minus), "the change")
    rule = dict(a_plus=a_plus, a_minus=a_minus, tau_plus=tau_plus, tau_minus=tau_minus)
    expected = _changed(pre, post, **rule)
    scale = a_plus * post.sum()
    if abs(change - expected) < 1e-6 * scale:
        return
    for kind, words in _SLIPS.items():
        if abs(change - _slipped(pre, post, rule, kind)) < 1e-6 * scale:
            raise Wrong(words)
    if abs(change - _slipped(post, pre, rule, "none")) < 1e-6 * scale:
        raise Wrong("You swapped pre and post: pre before post strengthens the synapse.")
    raise Wrong(
        f"For {pre.sum():.0f} spikes of pre and {post.sum():.0f} of post in 200 ms you return "
        f"{change:+.5f}; the definition gives {expected:+.5f}. Try one pair of spikes by hand."
    )


def _changed(pre: np.ndarray, post: np.ndarray, **rule) -> float:
    """Change of one weight by the library's rule, without bounds."""
    pair = PairSTDP(bounds="none", **rule)
    x, y = (torch.tensor(train, dtype=torch.float64).reshape(-1, 1, 1) for train in (pre, post))
    return pair.run(x, y, torch.zeros(1, 1, dtype=torch.float64))[0].item()


@exercise(
    3,
    hints=(
        "Which property of the two sides of the window must be equal?",
        "The area of a side is the integral of A exp(-s / tau) from 0 to infinity.",
        "The integral is A tau. Set a_plus tau_plus equal to a_minus tau_minus.",
    ),
)
def balance_window(answer, rng) -> None:
    """`balance_window(a_plus, tau_plus, tau_minus) -> a_minus` at which chance pairs balance.

    The check allows 2 %, so that a numerical integral with a fine step passes.
    """
    given = []
    for _ in range(3):
        a_plus, up, down = rng.uniform(0.002, 0.02), rng.uniform(8, 20), rng.uniform(25, 50)
        given.append((a_plus, up, down, number(answer(a_plus, up, down), "a_minus")))
    if len({found for *_, found in given}) == 1:
        raise Wrong(
            f"You return a_minus = {given[0][3]:g} for three different windows: use the arguments."
        )
    wrong = [case for case in given if not near(case[3], case[0] * case[1] / case[2], 0.02)]
    if not wrong:
        return
    for words, slip in _BALANCES.items():  # a slip has to explain all three answers
        if all(near(found, slip(a, up, down), 1e-3) for a, up, down, found in given):
            raise Wrong(words)
    a_plus, up, down, a_minus = wrong[0]
    area = a_plus * up - a_minus * down
    raise Wrong(
        f"For a_plus {a_plus:.4f}, tau_plus {up:.1f} and tau_minus {down:.1f} ms you return "
        f"a_minus = {a_minus:.5f}. The area is then {area:+.4f} ms: chance pairs pull the "
        f"weight {'up' if area > 0 else 'down'}. The check accepts an error of 2 %."
    )


def _cut_off(end: float) -> Callable[[float, float, float], float]:
    """The a_minus at which the integrals from 0 to `end` ms balance."""
    return lambda a, up, down: a * up * math.expm1(-end / up) / (down * math.expm1(-end / down))


#: Common mistakes in balancing a window: (a_plus, tau_plus, tau_minus) -> a_minus.
_BALANCES: dict[str, Callable[[float, float, float], float]] = {
    "The size is right, but a_minus should be positive: the minus sign is in the rule.": (
        lambda a, up, down: -a * up / down
    ),
    "Your ratio is upside down: the side that reaches further needs the lower peak.": (
        lambda a, up, down: a * down / up
    ),
    "You made the peaks equal. The areas must be equal.": lambda a, up, down: a,
    "That is the area of potentiation. Which height gives depression the same area?": (
        lambda a, up, down: a * up
    ),
    "You balance sums over whole ms, with a pair at s = 0 among them. Here s is continuous: "
    "integrate, or take a much finer step.": (
        lambda a, up, down: a * math.expm1(1 / down) / -math.expm1(-1 / up)
    ),
    "You balance sums over whole ms. Here s is continuous: integrate, or take a much finer "
    "step.": lambda a, up, down: a * math.expm1(-1 / down) / math.expm1(-1 / up),
    **{
        f"Your integral stops at {end} ms, but depression reaches further: integrate until almost "
        "nothing is left.": _cut_off(end)
        for end in (50, 80, 90, 100)
    },
}


@exercise(
    4,
    hints=(
        "A spike of pre comes `period - lag` ms after the last spike of post.",
        "Each side is a geometric series: 1 + q + q^2 + ... = 1 / (1 - q). What is q?",
        "up = a_plus exp(-lag/tau_plus) / (1 - exp(-period/tau_plus)); down likewise, with "
        "period - lag in place of lag.",
    ),
)
def per_period(answer, rng) -> None:
    """`per_period(lag, period, a_plus, a_minus, tau_plus, tau_minus) -> change per period`."""
    given = []
    for _ in range(3):
        period = float(rng.uniform(15, 60))
        lag = float(period * rng.uniform(0.15, 0.4))
        a_plus, a_minus = rng.uniform(0.004, 0.01, 2).tolist()
        case = (
            lag,
            period,
            a_plus,
            a_minus,
            float(rng.uniform(10, 20)),
            float(rng.uniform(25, 45)),
        )
        given.append((case, number(answer(*case), "the change per period")))

    def fits(up: Callable, down: Callable) -> bool:
        return all(
            abs(found - (up(*case) - down(*case))) < 1e-3 * (case[2] + case[3])
            for case, found in given
        )

    if fits(_up, _down):
        return
    for words, (up, down) in _PERIODS.items():
        if fits(up, down):
            raise Wrong(words)
    (lag, period, *_), found = given[0]
    expected = _up(*given[0][0]) - _down(*given[0][0])
    raise Wrong(
        f"With a lag of {lag:.1f} ms and a period of {period:.1f} ms you return {found:+.5f}; a "
        f"long simulation would approach {expected:+.5f} per period."
    )


def _up(lag, period, a_plus, a_minus, tau_plus, tau_minus) -> float:
    return a_plus * math.exp(-lag / tau_plus) / -math.expm1(-period / tau_plus)


def _down(lag, period, a_plus, a_minus, tau_plus, tau_minus) -> float:
    return _up(period - lag, period, a_minus, a_plus, tau_minus, tau_plus)


def _up_once(lag, period, a_plus, a_minus, tau_plus, tau_minus) -> float:
    return a_plus * math.exp(-lag / tau_plus)


def _down_once(lag, period, a_plus, a_minus, tau_plus, tau_minus) -> float:
    return a_minus * math.exp(-(period - lag) / tau_minus)


def _down_at_lag(lag, period, a_plus, a_minus, tau_plus, tau_minus) -> float:
    return _up(lag, period, a_minus, a_plus, tau_minus, tau_plus)


def _nothing(*_: float) -> float:
    return 0.0


#: Common mistakes in the change per period: potentiation and depression.
_PERIODS: dict[str, tuple[Callable, Callable]] = {
    "You count only the nearest spikes. Earlier ones count as well: each side is a geometric "
    "series.": (_up_once, _down_once),
    "Your potentiation counts only the nearest presynaptic spike.": (_up_once, _down),
    "Your depression counts only the nearest postsynaptic spike.": (_up, _down_once),
    "You have only potentiation. A presynaptic spike after a postsynaptic one depresses.": (
        (_up, _nothing)
    ),
    "You have only depression.": (_nothing, _down),
    "Your depression uses `lag`. How long before a presynaptic spike was the last postsynaptic "
    "one?": ((_up, _down_at_lag)),
    "The size is right, but the sign is wrong: potentiation is positive.": (_down, _up),
    "The time constants are swapped: potentiation decays with tau_plus.": (
        lambda lag, period, up, down, p, m: _up(lag, period, up, down, m, p),
        lambda lag, period, up, down, p, m: _down(lag, period, up, down, m, p),
    ),
    "That is the change for 60 pairs. Return the change per period.": (
        lambda *case: 60 * _up(*case),
        lambda *case: 60 * _down(*case),
    ),
}


#: Common mistakes, and the feedback for each.
_SLIPS = {
    "sign": "The size is right, but the sign is wrong: pre before post strengthens the synapse.",
    "own": "Your spikes read their own neuron's trace. They must read the other neuron's.",
    "taus": "You swapped the traces' time constants: the presynaptic trace decays with tau_plus.",
    "no decay": "Your traces never decay: multiply them by exp(-dt/tau) in every step.",
    "euler": "You use Euler's factor, 1 - dt/tau. The exact factor is exp(-dt/tau).",
    "leak": "Your presynaptic spikes decay before they are read: let the trace decay, then add.",
    "late": "A coincident pair should strengthen the synapse: add pre before post reads its trace.",
    "both": "A coincident pair counts twice: add post to its trace after pre has read it.",
    "turned": "Your coincident pair weakens the synapse. Add pre first, and post last.",
    "nearest": "A spike sets your trace to 1, so only the last spike counts. Add 1 instead.",
    "only up": "You have only potentiation. What does a presynaptic spike after post do?",
    "only down": "You have only depression. What does a postsynaptic spike after pre do?",
}


def _slipped(pre: np.ndarray, post: np.ndarray, rule: dict[str, float], kind: str) -> float:
    """The rule with one mistake."""
    taus = rule["tau_plus"], rule["tau_minus"]
    fall, rise = (1 - 1 / tau if kind == "euler" else math.exp(-1 / tau) for tau in taus)
    if kind == "taus":
        fall, rise = rise, fall
    if kind == "no decay":
        fall = rise = 1.0
    up = 0.0 if kind == "only down" else rule["a_plus"]
    down = 0.0 if kind == "only up" else rule["a_minus"]
    r = o = change = 0.0
    for x, y in zip(pre, post, strict=True):
        r_before, o_before = fall * r, rise * o
        r, o = r_before + (fall if kind == "leak" else 1.0) * x, o_before + y
        if kind == "nearest":
            r, o = (x or r_before), (y or o_before)
        reads = {"late": (r_before, o_before), "both": (r, o), "turned": (r_before, o)}
        read_r, read_o = reads.get(kind, (r, o_before))
        if kind == "own":
            change += up * x * read_r - down * y * read_o
        else:
            change += up * y * read_r - down * x * read_o
    return -change if kind == "sign" else change
