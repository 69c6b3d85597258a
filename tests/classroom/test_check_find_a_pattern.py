"""Lesson 402's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest

from jarvis.classroom.check import find_a_pattern as check

SEEDS = range(20)


def chance_hits(hz, slot):
    return 1 - math.exp(-hz * slot / 1000)


def jitter(pattern, size, rng):
    t, i = np.nonzero(pattern)
    t = (t + rng.integers(-size, size + 1, len(t))) % len(pattern)
    moved = np.zeros_like(pattern)
    moved[t, i] = True
    return moved


def by_loops(pattern, size, rng):
    moved = np.zeros(pattern.shape, int)
    for t, i in zip(*np.nonzero(pattern), strict=True):
        moved[(t + rng.choice(np.arange(-size, size + 1))) % len(pattern), i] = 1
    return moved


def gains(pattern, t_out, a_plus, a_minus, tau_plus, tau_minus):
    s = t_out - np.arange(len(pattern))
    up, down = a_plus * np.exp(-abs(s) / tau_plus), a_minus * np.exp(-abs(s) / tau_minus)
    return np.where(s >= 0, up, -down) @ pattern


def by_traces(pattern, t_out, a_plus, a_minus, tau_plus, tau_minus):
    r, o, change = np.zeros(pattern.shape[1]), 0.0, np.zeros(pattern.shape[1])
    for t, x in enumerate(pattern):
        r, o = math.exp(-1 / tau_plus) * r + x, math.exp(-1 / tau_minus) * o
        change += a_plus * (t == t_out) * r - a_minus * o * x
        o += t == t_out
    return change


def compete(h, strength):
    fired = np.zeros(len(h), bool)
    fired[h.argmax()] = h.max() >= 1
    return np.where(fired, 0.0, h - strength * fired.any()), fired


def neuron_by_neuron(h, strength):
    winner = max(range(len(h)), key=lambda i: h[i])
    if h[winner] < 1:
        return h.tolist(), [False] * len(h)
    return [0 if i == winner else x - strength for i, x in enumerate(h)], [
        i == winner for i in range(len(h))
    ]


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.chance_hits(chance_hits, seed=seed)
    assert check.chance_hits(lambda hz, slot: 1 - (1 - hz / 1000) ** slot, seed=seed)
    assert check.jitter(jitter, seed=seed)
    assert check.gains(gains, seed=seed)
    assert check.gains(by_traces, seed=seed)
    assert check.compete(compete, seed=seed)
    assert check.compete(neuron_by_neuron, seed=seed)


def test_jitter_by_loops():
    assert check.jitter(by_loops, seed=0)


def told(exercise, answer, words, seeds=range(3)):
    for seed in seeds:
        found = exercise(answer, seed=seed)
        assert not found
        assert words in found.words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda hz, slot: hz * slot / 1000, "mean number of spikes in a slot"),
        (lambda hz, slot: min(1, hz * slot / 1000), "cut off at 1"),
        (lambda hz, slot: math.exp(-hz * slot / 1000), "without a spike"),
        (lambda hz, slot: hz * slot / 1000 * math.exp(-hz * slot / 1000), "exactly one spike"),
        (lambda hz, slot: 1 - math.exp(-hz * slot), "units"),
        (lambda hz, slot: 0.5, "with at least one is"),
    ],
)
def test_chance_hits(answer, words):
    told(check.chance_hits, answer, words)


def moved_by(shift):
    """Jitter by another distance: a function of (spike times, size, rng), and what to do with t."""

    def answer(pattern, size, rng, wrap=True):
        t, i = np.nonzero(pattern)
        t = t + shift(t, i, size, rng)
        moved = np.zeros_like(pattern)
        moved[t % len(pattern), i] = True
        return moved

    return answer


def at_the_border(pattern, size, rng, clip):
    t, i = np.nonzero(pattern)
    t = t + rng.integers(-size, size + 1, len(t))
    inside = (t >= 0) & (t < len(pattern))
    moved = np.zeros_like(pattern)
    if clip:
        moved[t.clip(0, len(pattern) - 1), i] = True
    else:
        moved[t[inside], i[inside]] = True
    return moved


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda pattern, size, rng: pattern, "unchanged"),
        (lambda pattern, size, rng: rng.permuted(pattern, axis=0), "size of 0"),
        (moved_by(lambda t, i, size, rng: rng.integers(-size, size + 1)), "the same"),
        (moved_by(lambda t, i, size, rng: rng.integers(-2 * size, 2 * size + 1, len(t))),
         "but the size is"),
        (moved_by(lambda t, i, size, rng: rng.integers(0, size + 1, len(t))), "same direction"),
        (moved_by(lambda t, i, size, rng: rng.integers(-size, size, len(t)) if size else 0),
         "leaves out `high`"),
        (moved_by(lambda t, i, size, rng: rng.integers(-size + 1, size + 1, len(t)) if size else 0),
         "ends included"),
        (moved_by(lambda t, i, size, rng: rng.integers(-size, size + 1, i.max() + 1)[i]),
         "move together"),
        (moved_by(lambda t, i, size, rng: np.sign(rng.integers(-9, 10, len(t))) * size),
         "equally likely"),
        (lambda pattern, size, rng: at_the_border(pattern, size, rng, clip=False), "are lost"),
        (lambda pattern, size, rng: at_the_border(pattern, size, rng, clip=True), "pile up"),
        (lambda pattern, size, rng: jitter(pattern, size, rng)[:, rng.permutation(3000)]
         if size else pattern, "but the size is"),
        (lambda pattern, size, rng: pattern[:, :9], "should have the shape"),
        (lambda pattern, size, rng: pattern * 2, "for a spike or none"),
    ],
)  # fmt: skip
def test_jitter(answer, words):
    told(check.jitter, answer, words)


def only(pattern, last=False):
    kept = np.zeros_like(pattern)
    for i, train in enumerate(pattern.T):
        times = np.flatnonzero(train)
        kept[times[-1 if last else 0] if len(times) else slice(0), i] = True
    return kept


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *case: -gains(*case), "the sign is wrong"),
        (lambda p, t, up, down, *taus: gains(p, t, up, 0.0, *taus), "only potentiation"),
        (lambda p, t, up, down, *taus: gains(p, t, 0.0, down, *taus), "only depression"),
        (
            lambda p, t, up, down, *taus: gains(p, t, up, down, *taus) - (up + down) * p[t],
            "s = 0 potentiates",
        ),
        (lambda p, t, up, down, tp, tm: gains(p, t, up, down, tm, tp), "swapped"),
        (lambda p, *rest: gains(only(p), *rest), "only the first spike of each input"),
        (lambda p, *rest: gains(only(p, last=True), *rest), "only the last spike of each input"),
        (lambda p, *rest: gains(p, *rest) / len(p), "add up"),
        (lambda *case: gains(*case) + 1e-3, "An input fires at"),
        (lambda *case: gains(*case).sum(), "should have the shape"),
    ],
)
def test_gains(answer, words):
    told(check.gains, answer, words)


def in_place(h, strength):
    v, fired = compete(h, strength)
    h[:] = v
    return h, fired


def fire(who):
    """Potentials and spikes when `who(h)` fires."""

    def answer(h, strength):
        fired = who(h)
        return np.where(fired, 0.0, h - strength * fired.any()), fired

    return answer


def lower(after):
    """The right neuron fires, but the potentials are `after(h, fired, strength)`."""

    def answer(h, strength):
        _, fired = compete(h, strength)
        return after(h, fired, strength), fired

    return answer


def first_above(h):
    return np.arange(len(h)) == (np.argmax(h >= 1) if (h >= 1).any() else -1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (fire(lambda h: h >= 1), "All neurons that reach"),
        (fire(lambda h: h == h.max()), "in every step"),
        (fire(first_above), "the first neuron"),
        (fire(lambda h: (h == h.max()) & (h > 1)), "exactly 1"),
        (fire(lambda h: np.zeros(len(h), bool)), "No neuron ever"),
        (fire(lambda h: (h == h.min()) & (h.max() >= 1)), "yours are"),
        (lower(lambda h, f, s: h - s * f.any() * ~f), "not reset to 0"),
        (lower(lambda h, f, s: h - f - s * f.any() * ~f), "by subtraction"),
        (lower(lambda h, f, s: h * ~f - s * f.any()), "inhibited as well"),
        (lower(lambda h, f, s: h * ~f), "not inhibited"),
        (lower(lambda h, f, s: (h - s) * ~f), "even if no neuron fires"),
        (lower(lambda h, f, s: (h - s * (h >= 1).sum()) * ~f), "once for each neuron"),
        (lower(lambda h, f, s: h * (h < 1) - s * f.any() * ~f), "are reset as well"),
        (lower(lambda h, f, s: (h - s * f.any() * (h < 1)) * ~f), "do not fire are not inhibited"),
        (lower(lambda h, f, s: (h - s * f.any()) * (h < 1)), "instead of lowered"),
        (lower(lambda h, f, s: (h + s * f.any()) * ~f), "You raise"),
        (lower(lambda h, f, s: h - 9), "should become"),
        (lambda h, s: compete(h, s)[0], "two things"),
        (lambda h, s: compete(h, s)[::-1], "Return the potentials first"),
        (lambda h, s: (h, h.argmax()), "should have the shape"),
        (in_place, "changes the array"),
    ],
)
def test_compete(answer, words):
    told(check.compete, answer, words, seeds=range(6))
