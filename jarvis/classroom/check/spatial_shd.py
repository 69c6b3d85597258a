"""Checks of notebook 09: position for a sweep, parameters after pruning, reversed and cut words."""

from itertools import chain, pairwise

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, array, exercise, number
from jarvis.datasets.spoken_digits import CHANNELS
from jarvis.encoding.events import Events
from jarvis.networks.costs import count_parameters
from jarvis.spatial.delays import euclidean_delays
from jarvis.spatial.event_driven import EventLIF, run_events
from jarvis.spatial.network import SpatialNetwork
from jarvis.training.pruning import Pruner

WEIGHT = 0.028  #: of the 31 channels: enough if the spikes arrive within a few ms

FARTHEST = 500.0  #: ms


@exercise(1, "all points that are `duration` ms farther from one end than from the other.")
def place_for(answer, rng) -> None:
    """`place_for(duration) -> x, y (ms)` where an up-sweep of `duration` ms arrives at once."""
    durations = rng.permutation([10.0, 15.0, 20.0]) + rng.uniform(-1, 1, 3)
    places = []
    for duration in durations:
        place = array(answer(duration), (2,), "the position")
        places.append(place)
        if np.abs(place).max() > FARTHEST:
            raise Wrong(f"{place} is very far away: stay within {FARTHEST:g} ms.")
    if (places[0] == places[1]).all() and (places[1] == places[2]).all():
        raise Wrong(f"The same position, {places[0]}, for three sweeps: use the argument.")
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
            raise Wrong(f"{said} on the line, beyond an end, only a sweep of 30 ms fits.")
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


@exercise(2, "weights and free delays are pruned with their synapses; positions belong to neurons.")
def pruned_parameters(answer, rng) -> None:
    """`pruned_parameters(net, n, density) -> number` of remaining weights and delays."""
    for net in rng.permutation(["0", "2", "3", "inf"]):
        n, density = int(rng.integers(20, 40)), round(rng.uniform(0.3, 0.8), 2)
        found = number(answer(str(net), n, density), "the number of parameters")
        model = SpatialNetwork(CHANNELS, n, 20, str(net))
        names = ["w_in", "w_rec"]
        Pruner(model, names, recurrent=["w_rec"]).prune(density)
        left = count_parameters(model, names)
        expected = sum(left.values()) - left["readout.weight"] - left["readout.bias"]
        if abs(found - expected) <= 4:  # each matrix keeps an integer number of synapses
            continue
        said = f"net {str(net)!r}, {n} neurons, density {density:g}: you return {found:.0f}."
        for slip, words in _uncounted(str(net), n, density):
            if abs(found - slip) <= 4:
                raise Wrong(f"{said} {words}")
        raise Wrong(f"{said} A network pruned by a Pruner has {expected}.")


def _uncounted(net: str, n: int, density: float) -> list[tuple[float, str]]:
    """Common mistakes."""
    d_in, d_rec = CHANNELS * n, n * (n - 1)
    weights, whole = density * (d_in + d_rec), d_in + d_rec
    places = 0 if net in ("0", "inf") else int(net) * (CHANNELS + n)
    free = net == "inf"
    right = (1 + free) * weights + places
    slips = [
        ((1 + free) * whole + places, "That is before pruning."),
        (right + (1 + free) * density * n, "No neuron connects to itself: n (n - 1), not n n."),
        (right - (1 + free) * density * d_rec, "The synapses between hidden neurons are missing."),
        (right + 20 * n + 20, "Do not count the read-out."),
    ]
    if free:
        slips += [
            (weights + whole, "A free delay is pruned with its synapse."),
            (weights, "Each synapse has a delay of its own as well."),
        ]
    if places:
        slips += [
            (
                weights + density * places,
                "Positions belong to neurons: pruning removes none of them.",
            ),
            (weights + int(net) * n, "The channels have positions as well."),
            (weights + CHANNELS + n, f"A position is {net} numbers."),
            (weights, "The positions are missing."),
        ]
    return slips


def _words(rng: np.random.Generator, empty: int) -> Events:
    """Five samples of 4 to 12 events each, except for an empty one."""
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
    """The samples returned by an answer; `Wrong` if they are not valid events."""
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


@exercise(3, "new steps are n_steps - 1 - times; sort by sample, and within it by step.")
def backwards(answer, rng) -> None:
    """`backwards(events) -> Events` with each sample reversed in time."""
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
            raise Wrong("The events come back as they were.")
        if found == late:
            raise Wrong("Everything is one step late: step 0 becomes the last, n_steps - 1.")
        if found == by_end:
            raise Wrong("You reverse each word about its own last event; use n_steps - 1 for all.")
        if [[t for t, _ in row] for row in found] == [[t for t, _ in row] for row in expected]:
            raise Wrong("The steps are right, but each channel must stay with its step.")
        if found == expected[::-1]:
            raise Wrong("The samples have changed order: reverse each one separately.")
        _differ(found, expected)


@exercise(4, "keep events.times < step; offsets are sums of what each sample keeps.")
def until(answer, rng) -> None:
    """`until(events, step) -> Events` before the given step."""
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
            raise Wrong(f"You keep the events at step {step} as well: only those before it.")
        if found == kept(lambda t, step=step: t >= step):
            raise Wrong("You keep the events after the step instead of those before it.")
        if sorted(chain(*found)) == sorted(chain(*expected)):
            raise Wrong(
                "The right events are kept, but they are in the wrong samples: count what each "
                "sample keeps, and add up from 0."
            )
        _differ(found, expected)


def _differ(found: list, expected: list) -> None:
    """`Wrong` for the first sample that differs."""
    b = next(b for b, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1])
    raise Wrong(
        f"In sample {b} you have {found[b][:3]}..., but it should be {expected[b][:3]}... (step, "
        "channel)."
    )
