"""Checks of lesson 402: hits by chance, jitter, weight changes, a single winner."""

import math
from collections.abc import Callable

import numpy as np

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number


@exercise(
    1,
    hints=(
        "Consider the opposite: how likely is a slot without any spike?",
        "A Poisson process with a mean of m spikes has no spike with probability exp(-m).",
        "Return 1 - exp(-hz * slot / 1000), since hz is per second and slot is in ms.",
    ),
)
def chance_hits(answer, rng) -> None:
    """`chance_hits(hz, slot) -> fraction` of slots with at least one spike, within 2 %."""
    given = []
    for low, high in ((2, 6), (10, 20), (30, 40)):
        hz, slot = rng.uniform(low, high), float(rng.integers(40, 80))
        given.append((hz, slot, number(answer(hz, slot), "the fraction")))
    if all(near(share, -math.expm1(-hz * slot / 1000), 0.02) for hz, slot, share in given):
        return
    for words, slip in _CHANCES.items():
        if all(near(share, slip(hz * slot / 1000), 1e-3) for hz, slot, share in given):
            raise Wrong(words)
    if all(near(share, -math.expm1(-hz * slot), 1e-3) for hz, slot, share in given):
        raise Wrong("Check the units: hz is per second, but slot is in ms.")
    hz, slot, share = given[-1]
    raise Wrong(
        f"At {hz:.1f} Hz, a slot of {slot:.0f} ms has {hz * slot / 1000:.2f} spikes on average. "
        f"You return {share:.4f}; the fraction with at least one is "
        f"{-math.expm1(-hz * slot / 1000):.4f}."
    )


#: Common mistakes, from the mean number of spikes in a slot.
_CHANCES: dict[str, Callable[[float], float]] = {
    "That is the mean number of spikes in a slot. A slot with two spikes counts only once.": (
        lambda mean: mean
    ),
    "That is the mean number of spikes, cut off at 1. When several spikes fall in one slot, other "
    "slots stay empty.": lambda mean: min(mean, 1.0),
    "That is the fraction of slots without a spike.": lambda mean: math.exp(-mean),
    "That is the fraction of slots with exactly one spike. Slots with more spikes count, too.": (
        lambda mean: mean * math.exp(-mean)
    ),
}


@exercise(
    2,
    hints=(
        "np.nonzero gives the time and the input of each spike. Change the times.",
        "Draw one number for each spike: rng.integers(-size, size + 1, len(t)).",
        "t, i = np.nonzero(pattern); moved = np.zeros_like(pattern); "
        "moved[(t + shift) % len(pattern), i] = True.",
    ),
)
def jitter(answer, rng) -> None:
    """`jitter(pattern, size, rng) -> pattern` with each spike moved by up to `size` ms."""
    length, n = 40, 3000
    size = int(rng.integers(3, 6))
    times = rng.integers(length, size=n)
    single = _pattern([times], length)
    same = _moved(answer, single, 0, rng)
    if not np.array_equal(same, single):
        raise Wrong("With a size of 0, nothing should move, but you return a different pattern.")
    moved = _moved(answer, single, size, rng)
    if np.array_equal(moved, single):
        raise Wrong(f"Your pattern is unchanged, although the size is {size} ms.")
    left = moved.sum(0)
    if (left == 0).any() and left.max() == 1:
        raise Wrong(
            f"{(left == 0).sum()} of {n} spikes are lost. A spike that leaves the slot at one end "
            "should come back in at the other: take the time modulo the length."
        )
    if (left != 1).any():
        raise Wrong(
            "Each input had one spike. In your pattern, some inputs have none or several: change "
            "only the times."
        )
    shift = (moved.argmax(0) - times + length // 2) % length - length // 2
    if len(np.unique(shift)) == 1:
        raise Wrong(f"All spikes move by the same {shift[0]} ms. Draw one number for each spike.")
    if abs(shift).max() > size:
        edge = np.minimum(times, length - 1 - times) < size
        if abs(shift[~edge]).max() <= size:
            raise Wrong(
                "Near the ends of the slot, some spikes move too far. Take the time modulo the "
                "length."
            )
        raise Wrong(f"A spike moves by {abs(shift).max()} ms, but the size is {size}.")
    if shift.min() >= 0 or shift.max() <= 0:
        raise Wrong("All spikes move in the same direction: draw from -size to +size.")
    inner = shift[(times >= size) & (times < length - size)]
    share = np.array([(inner == d).mean() for d in range(-size, size + 1)])
    if share[-1] == 0:
        raise Wrong(
            f"No spike moves by +{size}. `integers(low, high)` leaves out `high`: take size + 1."
        )
    if share[0] == 0:
        raise Wrong(f"No spike moves by -{size}: draw from -size to +size, ends included.")
    edge = _moved(answer, _pattern([np.zeros(n, int)], length), size, rng)
    if not edge[length // 2 :].any():
        raise Wrong(
            "Spikes pile up at an end of the slot. A spike that leaves the slot at one end should "
            "come back in at the other: take the time modulo the length."
        )
    if (abs(share * (2 * size + 1) - 1) > 0.45).any():
        raise Wrong("Some shifts are much more frequent than others. All should be equally likely.")
    pair = _pattern([np.full(n, 8), np.full(n, 28)], length)
    found = _moved(answer, pair, 3, rng)
    if (found.sum(0) == 2).all():
        apart = length - 1 - found[::-1].argmax(0) - found.argmax(0)
        if len(np.unique(apart)) == 1:
            raise Wrong("The two spikes of an input move together. Draw one number for each spike.")


def _pattern(trains: list[np.ndarray], length: int) -> np.ndarray:
    """A pattern; each array in `trains` gives one spike time for every input."""
    pattern = np.zeros((length, len(trains[0])), bool)
    for times in trains:
        pattern[times, np.arange(len(times))] = True
    return pattern


def _moved(answer: Callable, pattern: np.ndarray, size: int, rng: np.random.Generator):
    found = array(answer(pattern, size, rng), pattern.shape, "the pattern")
    if not np.isin(found, (0, 1)).all():
        raise Wrong("The values of a pattern are True and False (or 1 and 0), for a spike or none.")
    return found > 0


@exercise(
    3,
    hints=(
        "Each spike of an input forms one pair with the output spike. What is its interval?",
        "For each row, compute s = t_out - t and the value of the STDP window of lesson 401 at s.",
        "s = t_out - np.arange(len(pattern)); np.where(s >= 0, ..., ...) @ pattern",
    ),
)
def gains(answer, rng) -> None:
    """`gains(pattern, t_out, a_plus, a_minus, tau_plus, tau_minus) -> change` of each weight."""
    given = []
    for _ in range(3):
        length, n = int(rng.integers(30, 60)), int(rng.integers(15, 25))
        pattern = rng.random((length, n)) < 0.06
        t_out = int(rng.integers(10, length - 10))
        pattern[[t_out - 4, t_out, t_out + 6], [0, 1, 2]] = True
        sizes = rng.uniform(0.003, 0.01, 2).tolist()
        taus = float(rng.uniform(10, 20)), float(rng.uniform(25, 45))
        case = (pattern, t_out, *sizes, *taus)
        given.append((case, array(answer(*case), (n,), "the change")))

    def fits(slip: Callable) -> bool:
        return all(np.allclose(found, slip(*case), atol=1e-7) for case, found in given)

    if fits(_gained):
        return
    for words, slip in _GAINS.items():
        if fits(slip):
            raise Wrong(words)
    case, found = given[0]
    i = int(np.argmax(abs(found - _gained(*case))))
    times = np.flatnonzero(case[0][:, i]).tolist()
    raise Wrong(
        f"An input fires at {times} ms, and the output at {case[1]} ms. You return a change of "
        f"{found[i]:+.5f}; it should be {_gained(*case)[i]:+.5f}."
    )


def _gained(pattern, t_out, a_plus, a_minus, tau_plus, tau_minus, before=0.0) -> np.ndarray:
    s = t_out - np.arange(len(pattern))
    size = np.abs(s)
    up, down = a_plus * np.exp(-size / tau_plus), a_minus * np.exp(-size / tau_minus)
    return np.where(s >= before, up, -down) @ pattern


def _only(side: str) -> Callable:
    def change(pattern, t_out, a_plus, a_minus, tau_plus, tau_minus):
        up, down = (a_plus, 0.0) if side == "up" else (0.0, a_minus)
        return _gained(pattern, t_out, up, down, tau_plus, tau_minus)

    return change


def _one_spike(pattern: np.ndarray, last: bool) -> np.ndarray:
    """The pattern with only the first or last spike of each input."""
    rows = pattern[::-1] if last else pattern
    kept = rows & (np.cumsum(rows, 0) == 1)
    return kept[::-1] if last else kept


#: Common mistakes in the change of each weight.
_GAINS: dict[str, Callable[..., np.ndarray]] = {
    "The size is right, but the sign is wrong: weights of inputs before the output grow.": (
        lambda *case: -_gained(*case)
    ),
    "You have only potentiation. The weights of inputs that fire after the output shrink.": _only(
        "up"
    ),
    "You have only depression. The weights of inputs that fire before the output grow.": _only(
        "down"
    ),
    "An input that fires at t_out counts as firing before it: s = 0 potentiates.": (
        lambda *case: _gained(*case, before=0.5)
    ),
    "The time constants are swapped: potentiation decays with tau_plus.": (
        lambda pattern, t_out, up, down, p, m: _gained(pattern, t_out, up, down, m, p)
    ),
    "You count only the first spike of each input. Some inputs fire twice.": (
        lambda pattern, *rest: _gained(_one_spike(pattern, False), *rest)
    ),
    "You count only the last spike of each input. Some inputs fire twice.": (
        lambda pattern, *rest: _gained(_one_spike(pattern, True), *rest)
    ),
    "You take the mean over the rows. The changes of all pairs add up.": (
        lambda pattern, *rest: _gained(pattern, *rest) / len(pattern)
    ),
}


@exercise(
    4,
    hints=(
        "At most one neuron fires. Which one can it be, and what must hold for it to fire?",
        "Start with fired = np.zeros(len(h), bool), and set fired[h.argmax()]. Then treat the "
        "neuron that fired and the others differently, with np.where.",
        "fired[h.argmax()] = h.max() >= 1; np.where(fired, 0.0, h - strength * fired.any())",
    ),
)
def compete(answer, rng) -> None:
    """`compete(h, strength) -> (v, fired)`, potentials after a step in which at most one fires."""
    given = []
    for count in rng.permutation([0, 1, 2, 3, 4]).tolist():
        n, strength = int(rng.integers(6, 9)), float(rng.uniform(1.5, 5))
        h = rng.uniform(-1, 0.95, n)
        above = rng.choice(n, count, replace=False)
        h[above] = 1.0 if count == 1 else np.sort(rng.uniform(1.1, 2, count))
        if count > 1:  # the highest of them is not the first
            i, j = above.min(), above.max()
            h[above] = rng.permutation(h[above])
            if h[i] == h.max():
                h[i], h[j] = h[j], h[i]
        given.append((h, strength, *_competed(answer, h, strength)))

    def fits(slip: Callable, place: int) -> bool:
        return all(np.allclose(case[place], slip(case[0], case[1])) for case in given)

    for place, right, slips in ((3, _winner, _WINNERS), (2, _after_winning, _AFTER_WINNING)):
        if fits(right, place):
            continue
        for words, slip in slips.items():
            if fits(slip, place):
                raise Wrong(words)
        h, strength, v, fired = next(
            case for case in given if not np.allclose(case[place], right(case[0], case[1]))
        )
        said = f"With the potentials {np.round(h, 2).tolist()} and a strength of {strength:.2f}, "
        if place == 3:
            raise Wrong(
                f"{said}neurons {np.flatnonzero(_winner(h, strength)).tolist()} should fire "
                f"(counted from 0); yours are {np.flatnonzero(fired).tolist()}."
            )
        expected = _after_winning(h, strength)
        i = int(np.argmax(abs(v - expected)))
        raise Wrong(
            f"{said}the potential of neuron {i} (counted from 0) should become {expected[i]:.2f}; "
            f"yours is {v[i]:.2f}."
        )


def _competed(answer: Callable, h: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
    pair = answer(h, strength)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("Return two things: the potentials and the spikes.")
    v, fired = array(pair[0], h.shape, "the potentials"), array(pair[1], h.shape, "the spikes")
    if not np.isin(fired, (0, 1)).all():
        swapped = " Return the potentials first." * bool(np.isin(v, (0, 1)).all())
        raise Wrong(f"The spikes should be True or False, one for each neuron.{swapped}")
    return v, fired


def _winner(h: np.ndarray, strength: float = 0.0) -> np.ndarray:
    return (h == h.max()) & (h >= 1)


def _after_winning(h: np.ndarray, strength: float) -> np.ndarray:
    fired = _winner(h)
    return np.where(fired, 0.0, h - strength * fired.any())


#: Common mistakes in who fires.
_WINNERS: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "All neurons that reach the threshold fire. Of these, only the one with the highest potential "
    "should.": lambda h, strength: h >= 1,
    "In your answer a neuron fires in every step. If none reaches 1, none fires.": (
        lambda h, strength: h == h.max()
    ),
    "You choose the first neuron that reaches the threshold. Choose the one with the highest "
    "potential.": lambda h, strength: (np.cumsum(h >= 1) == 1) & (h >= 1),
    "A potential of exactly 1 is enough: compare by >=.": (
        lambda h, strength: (h == h.max()) & (h > 1)
    ),
    "No neuron ever fires.": lambda h, strength: np.zeros(len(h)),
}

#: Common mistakes in the potentials, where the right neuron fires.
_AFTER_WINNING: dict[str, Callable[[np.ndarray, float], np.ndarray]] = {
    "The neuron that fires is not reset to 0.": (
        lambda h, strength: h - strength * (_winner(h).any() & ~_winner(h))
    ),
    "The neuron that fires is reset by subtraction. Its potential should become 0.": (
        lambda h, strength: np.where(_winner(h), h - 1, h - strength * _winner(h).any())
    ),
    "The neuron that fires is inhibited as well. Its spike lowers only the others.": (
        lambda h, strength: np.where(_winner(h), 0, h) - strength * _winner(h).any()
    ),
    "The others are not inhibited.": lambda h, strength: np.where(_winner(h), 0, h),
    "The others are inhibited even if no neuron fires.": (
        lambda h, strength: np.where(_winner(h), 0, h - strength)
    ),
    "The others are inhibited once for each neuron that reaches 1. Only one of these fires, so "
    "they are lowered by `strength` once.": (
        lambda h, strength: np.where(_winner(h), 0, h - strength * (h >= 1).sum())
    ),
    "Neurons that reach 1 but do not fire are reset as well. Only the one that fires is reset.": (
        lambda h, strength: np.where(h >= 1, 0, h) - strength * (_winner(h).any() & ~_winner(h))
    ),
    "Neurons that reach 1 but do not fire are not inhibited. All others are lowered.": (
        lambda h, strength: np.where(_winner(h), 0, h - strength * (_winner(h).any() & (h < 1)))
    ),
    "Neurons that reach 1 but do not fire are reset to 0 instead of lowered by `strength`.": (
        lambda h, strength: np.where(h >= 1, 0, h - strength * _winner(h).any())
    ),
    "You raise the potentials. Inhibition lowers them.": (
        lambda h, strength: np.where(_winner(h), 0, h + strength * _winner(h).any())
    ),
}
