"""Checks of lesson 504: a position for a sweep, a factor for a rate, reversed and cut words."""

from itertools import chain, pairwise

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.datasets.spoken_digits import CHANNELS
from jarvis.encoding.events import Events
from jarvis.spatial.delays import euclidean_delays
from jarvis.spatial.event_driven import EventLIF, run_events

WEIGHT = 0.028  #: weight of each of 31 channels: together they fire the neuron within a few ms

FARTHEST = 100.0  #: largest distance from the middle of the line, ms


@exercise(
    1,
    hints=(
        "Where are all the points that are `duration` ms farther from one end of the line than "
        "from the other? The point on the line does not work: look at channel 15 as well.",
        "They lie on a hyperbola. Far out it is nearly a straight line, at an angle to the line of "
        "channels. What must the cosine of that angle be?",
        "cos(angle) = duration / 30. Go about 25 ms in that direction from the middle of the line, "
        "(15, 0).",
    ),
)
def place_for(answer, rng) -> None:
    """`place_for(duration) -> x, y (ms)`: where the spikes of an up-sweep arrive together."""
    durations = rng.permutation([10.0, 15.0, 20.0]) + rng.uniform(-1, 1, 3)
    places = []
    for duration in durations:
        place = array(answer(duration), (2,), "the position")
        places.append(place)
        if np.hypot(place[0] - 15, place[1]) > FARTHEST:
            raise Wrong(
                f"{place} is very far away: stay within {FARTHEST:g} ms of the middle of the line."
            )
    if (places[0] == places[1]).all() and (places[1] == places[2]).all():
        raise Wrong(
            f"You return the same position, {places[0]}, for three sweeps: use the argument."
        )
    for duration, place in zip(durations, places, strict=True):
        (up, down), arrivals = _heard(duration, place)
        if up > 0 == down:
            continue
        x, y = place
        said = f"At ({x:.1f}, {y:.1f}) ms, for a sweep of {duration:.1f} ms:"
        if down > 0 == up:
            raise Wrong(f"{said} your neuron responds to the down-sweep. Look on the other side.")
        if up and down:
            raise Wrong(f"{said} your neuron responds to both sweeps.")
        if abs(y) < 1 and abs(x - 15 - duration / 2) < 1:
            raise Wrong(
                f"{said} the two ends arrive together, but not the channels between them. Go to "
                "other points with this difference of distances."
            )
        if abs(y) < 1:
            raise Wrong(f"{said} beyond an end of the line, only a sweep of 30 ms arrives at once.")
        first, middle, last = arrivals[[0, 15, 30]]
        raise Wrong(
            f"{said} channel 0 arrives at {first:.1f} ms, channel 15 at {middle:.1f} ms and "
            f"channel 30 at {last:.1f} ms. They do not arrive together."
        )


def _heard(duration: float, place: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Spikes for the up- and the down-sweep, and arrival times of the up-sweep's channels."""
    neuron, k = EventLIF(dt=0.5), torch.arange(31.0)
    line = torch.stack([k, torch.zeros(31)], 1)
    delays = euclidean_delays(line, torch.tensor(place, dtype=torch.float32)[None])
    sweeps = torch.stack([k, 30 - k]) * (duration / 30)
    end = duration + delays.max().item() + 60.0
    events = Events.from_first_steps((sweeps / neuron.dt).round().int(), round(end / neuron.dt))
    counts = run_events(events, torch.full((31, 1), WEIGHT), delays, neuron=neuron).counts
    return counts[:, 0].int().tolist(), (sweeps[0] + delays[:, 0]).numpy()


LOWEST, HIGHEST = 1e-4, 1e4  #: bounds of the factor

MOST_CALLS = 300  #: how often a rate may be measured; each time a network runs


@exercise(
    2,
    hints=(
        "The rate rises with the factor. Which factors does a single measured rate exclude?",
        "Keep two bounds, 1e-4 and 1e4, and try a factor between them: in the middle on a "
        "logarithmic scale, sqrt(low * high). If its rate is too low, this is the new lower bound.",
        "for _ in range(50): middle = (low * high) ** 0.5; if rate_of(middle) < target: low = "
        "middle; else: high = middle. Then return middle.",
    ),
)
def find_factor(answer, rng) -> None:
    """`find_factor(rate_of, target) -> factor` at which the rate is the target, within 5 %."""
    for _ in range(4):
        rate_of = _rising_rate(rng)
        target = float(rng.uniform(10, 30))
        found = number(answer(rate_of, target), "the factor")
        said = f"For a target of {target:.1f} Hz you return {found:.4g}"
        if found <= 0:
            raise Wrong(f"{said}: a factor has to be positive.")
        reached = rate_of(found, counted=False)
        if near(reached, target, 0.05):
            continue
        if near(found, target, 0.06):
            raise Wrong(f"{said}. That looks like the rate. Return the factor that leads to it.")
        at_one = rate_of(1.0, counted=False)
        if at_one and near(found, target / at_one, 0.01):
            raise Wrong(
                f"{said}, the target divided by the rate at factor 1. It leads to {reached:.1f} "
                "Hz: the rate is not proportional to the weights."
            )
        if found < 2 * LOWEST or found > HIGHEST / 2:
            raise Wrong(
                f"{said}, which is an end of the range. Do you keep the half that contains the "
                "target?"
            )
        raise Wrong(f"{said}, but with that factor the rate is {reached:.1f} Hz.")


def _rising_rate(rng: np.random.Generator):
    """A rate that rises with the factor as a network's does: silent, then steep, then saturated."""
    middle, power = 10 ** rng.uniform(-2, 2), rng.uniform(1.5, 3)
    calls = 0

    def rate_of(factor: float, counted: bool = True) -> float:
        nonlocal calls
        calls += counted
        if calls > MOST_CALLS:
            raise Wrong(
                f"You have asked for {MOST_CALLS} rates, and each is a run of the network: halve "
                "the range each time instead."
            )
        h = (max(0.0, float(factor)) / middle) ** power
        return 0.0 if h < 1e-3 else 300 * h / (1 + h)

    return rate_of


def _words(rng: np.random.Generator, empty: int) -> Events:
    """Five samples: one is empty, and the others have 4 to 12 events each."""
    n_steps = int(rng.integers(40, 80))
    counts = rng.integers(4, 13, 5)
    counts[empty] = 0
    times = [np.sort(rng.choice(np.arange(1, n_steps), n, replace=False)) for n in counts]
    units = rng.integers(0, CHANNELS, counts.sum())
    offsets = torch.tensor([0, *counts.cumsum()])
    steps = torch.tensor(np.concatenate(times), dtype=torch.int32)
    return Events(steps, torch.tensor(units, dtype=torch.int32), offsets, (CHANNELS,), n_steps)


def _rows(events: Events) -> list[list[tuple[int, int]]]:
    """(step, channel) of each sample, in order."""
    pairs = list(zip(events.times.tolist(), events.units.tolist(), strict=True))
    cuts = events.offsets.tolist()
    return [sorted(pairs[a:b]) for a, b in pairwise(cuts)]


def _returned(answer, words: Events, *more) -> list[list[tuple[int, int]]]:
    """The samples returned by an answer; raises `Wrong` if they are not valid events."""
    before = words.times.clone(), words.units.clone(), words.offsets.clone()
    found = answer(words, *more)
    if not isinstance(found, Events):
        raise Wrong(f"Your function should return Events, not {type(found).__name__}.")
    after = words.times, words.units, words.offsets
    if not all(torch.equal(a, b) for a, b in zip(before, after, strict=True)):
        raise Wrong("Your function modifies its input events: create new ones.")
    if len(found) != len(words):
        raise Wrong(
            f"{len(words)} samples went in and {len(found)} came out. A sample without events "
            "still counts (bincount has a minlength)."
        )
    if found.n_steps != words.n_steps or found.shape != words.shape:
        raise Wrong(
            f"shape and n_steps should stay {words.shape} and {words.n_steps}: yours are "
            f"{found.shape} and {found.n_steps}."
        )
    return _rows(found)


@exercise(
    3,
    hints=(
        "Which step does an event at step 0 have afterwards, and which one at n_steps - 1?",
        "The new steps are n_steps - 1 - times. Events must be in order of time within each "
        "sample: sort times and units together, by sample first.",
        "order = torch.argsort(events.samples() * events.n_steps + times, stable=True); then "
        "Events(times[order], events.units[order], events.offsets, events.shape, events.n_steps).",
    ),
)
def backwards(answer, rng) -> None:
    """`backwards(events) -> Events`: each sample reversed in time."""
    for empty in (2, 0, 4):
        words = _words(rng, empty)
        found, given, last = _returned(answer, words), _rows(words), (words.n_steps or 0) - 1
        expected = [sorted((last - t, unit) for t, unit in row) for row in given]
        if found == expected:
            continue
        ends = [max((t for t, _ in row), default=0) for row in given]
        late = [sorted((t + 1, unit) for t, unit in row) for row in expected]
        by_end = [
            sorted((end - t, unit) for t, unit in row) for end, row in zip(ends, given, strict=True)
        ]
        if found == given:
            raise Wrong("The events come back unchanged.")
        if found == late:
            raise Wrong("Everything is one step late: step 0 becomes the last step, n_steps - 1.")
        if found == by_end:
            raise Wrong(
                "You reverse each word about its last event. Use n_steps - 1 for all words."
            )
        if [[t for t, _ in row] for row in found] == [[t for t, _ in row] for row in expected]:
            raise Wrong("The steps are right, but each channel must stay with its step.")
        if found == expected[::-1]:
            raise Wrong("The samples have changed their order: reverse each sample separately.")
        _differ(found, expected)


@exercise(
    4,
    hints=(
        "A comparison decides which events stay. The offsets say where each sample begins among "
        "those that stay.",
        "keep = events.times < step selects times and units. Count the events that each sample "
        "keeps: torch.bincount(events.samples()[keep], minlength=len(events)).",
        "offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)]).",
    ),
)
def until(answer, rng) -> None:
    """`until(events, step) -> Events`: the events before the given step."""
    for empty in (2, 0, 4):
        words = _words(rng, empty)
        times = sorted({t for row in _rows(words) for t, _ in row})
        step = int(rng.choice(times[len(times) // 4 : len(times) // 2]))  # some event is at it
        found, given = _returned(answer, words, step), _rows(words)

        def kept(keep, given=given):
            return [[(t, unit) for t, unit in row if keep(t)] for row in given]

        expected = kept(lambda t, step=step: t < step)
        if found == expected:
            continue
        if found == given:
            raise Wrong(f"All events are still there, including those from step {step} on.")
        if found == kept(lambda t, step=step: t <= step):
            raise Wrong(f"You keep the events at step {step} as well. Keep only those before it.")
        if found == kept(lambda t, step=step: t >= step):
            raise Wrong("You keep the events after the step instead of those before it.")
        if sorted(chain(*found)) == sorted(chain(*expected)):
            raise Wrong(
                "The right events are kept, but they are in the wrong samples: count the events "
                "that each sample keeps, and add up from 0."
            )
        _differ(found, expected)


def _differ(found: list, expected: list) -> None:
    """Raise `Wrong` for the first sample that differs."""
    b = next(b for b, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1])
    raise Wrong(
        f"In sample {b} you have {found[b][:3]}..., but it should be {expected[b][:3]}... (step, "
        "channel)."
    )
