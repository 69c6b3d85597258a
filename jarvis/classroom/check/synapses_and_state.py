"""Checks of lesson 103: input that is just enough, adaptive threshold, state through a stream."""

import math
from typing import NamedTuple

import numpy as np
import torch

from jarvis.classroom.check._reasons import explained
from jarvis.classroom.check.verdict import Wrong, exercise, near, number, seed_from
from jarvis.lif import LIFLayer
from jarvis.neurons.decay import exp_decay


@exercise(
    1,
    hints=(
        "At which value does i settle for a constant x? And v, for that i?",
        "i settles where i = exp(-dt/tau_syn) i + x; v where v = exp(-dt/tau) v + i. Set v to 1.",
        "(1 - exp(-dt/tau)) * (1 - exp(-dt/tau_syn)).",
    ),
)
def just_enough(answer, rng) -> None:
    """`just_enough(tau, tau_syn, dt) -> x`: the least constant input that fires the neuron, to 1
    %."""
    for _ in range(3):
        tau, tau_syn, dt = rng.uniform(15, 30), rng.uniform(3, 8), float(rng.choice([0.5, 1.0]))
        leak, synapse = 1 - float(exp_decay(tau, dt)), 1 - float(exp_decay(tau_syn, dt))
        x = number(answer(tau, tau_syn, dt), "x")
        given = f"(tau {tau:.1f}, tau_syn {tau_syn:.1f}, dt {dt:g} ms)"
        if near(x, leak * synapse, 0.01):
            continue
        if near(x, leak):
            raise Wrong("That is enough for a neuron without a synapse. With one, i also adds up.")
        if near(x, synapse):
            raise Wrong(
                "That makes i settle at 1. The membrane then integrates i, which adds one more "
                "factor."
            )
        if near(x, dt / tau * dt / tau_syn, 0.01):
            raise Wrong("dt/tau is Euler's factor; the exact one is 1 - exp(-dt/tau).")
        if near(x, 1 / (leak * synapse), 0.01):
            raise Wrong(
                "That is the value at which v settles for x = 1. Which x makes v settle at 1?"
            )
        layer = LIFLayer(tau=tau, dt=dt, tau_syn=tau_syn, reset="none")
        with torch.no_grad():
            h = layer(torch.full((4000, 1), x, dtype=torch.float64), trace=True)[2].v[-1]
        raise Wrong(f"With your x = {x:.5f} {given}, v settles at {h.item():.3f}, not at 1.")


@exercise(
    2,
    hints=(
        "Each spike has raised the threshold by b. What is left of that after t - t_k ms?",
        "Each increase decays like exp(-(t - t_k)/tau_adapt), and they add up, above 1.",
        "1 + b * np.exp(-(t - np.asarray(spike_times)) / tau_adapt).sum().",
    ),
)
def threshold_at(answer, rng) -> None:
    """`threshold_at(t, spike_times, b, tau_adapt) -> threshold`, which is 1 at rest."""
    cases, found = [], []
    for n in rng.permutation([2, 5, 9]):
        spikes = np.sort(rng.uniform(0, 300, int(n)))
        t, b, tau = spikes[-1] + rng.uniform(10, 150), rng.uniform(0.1, 0.6), rng.uniform(50, 300)
        cases.append(_Threshold(float(t), spikes, float(b), float(tau)))
        found.append(number(answer(*cases[-1]), "the threshold"))
    wrong = [k for k in range(3) if not near(found[k], cases[k].value())]
    if not wrong:
        return
    case, mine = cases[wrong[0]], found[wrong[0]]
    said = (
        f"After {len(case.spikes)} spikes, the last one {case.t - case.spikes[-1]:.0f} ms ago, you"
    )
    said = f"{said} return {mine:.4g}"
    if words := explained(found, cases, _THRESHOLD_SLIPS):
        raise Wrong(f"{said}. {words}")
    raise Wrong(f"{said}; a loop over small steps ends at {case.value():.4g}.")


class _Threshold(NamedTuple):
    """A neuron that has fired, and the time at which its threshold is asked for."""

    t: float
    spikes: np.ndarray
    b: float
    tau: float

    def left(self) -> np.ndarray:
        """What is left of each spike's increase, as a fraction."""
        return np.exp(-(self.t - self.spikes) / self.tau)

    def value(self) -> float:
        return 1 + self.b * self.left().sum()


#: Common mistakes, and the feedback for each.
_THRESHOLD_SLIPS = (
    (lambda c: c.value() - 1, "The resting threshold, 1, is missing."),
    (lambda c: c.left().sum(), "That is the decaying count a. The threshold is 1 + b a."),
    (lambda c: 1 + c.b * len(c.spikes),
     "Nothing has decayed: each increase shrinks with tau_adapt."),
    (lambda c: 1 + c.b * c.left()[-1],
     "You count only the last spike. The increases of all spikes add up."),
    (lambda c: 1 + c.b * c.left()[0],
     "You count only the first spike. The increases of all spikes add up."),
    (lambda c: 1 + c.b * len(c.spikes) * c.left()[-1],
     "You let all increases decay as if they were as old as the last one."),
    (lambda c: 1 + c.b * len(c.spikes) * c.left()[0],
     "You let all increases decay as if they were as old as the first one."),
    (lambda c: 1 + c.b * (1 / c.left()).sum(),
     "The increases grow with time: look at the sign in the exponent."),
    (lambda c: 1 + c.b * c.left().prod(), "You multiply the increases. They add up."),
    (lambda c: math.exp(-c.t / c.tau) + c.b * c.left().sum(),
     "In your answer the 1 decays, too. Only what the spikes have added decays."),
)  # fmt: skip


def _counts(layer: LIFLayer, stream, kind: str = "") -> list[int]:
    """Count the spikes of each recording, correctly ("") or with a common mistake."""
    counts, state = [], None
    for piece, is_new in stream:
        if is_new:
            counts.append(0)
        if kind == "forget" or (is_new and kind not in ("left over", "late")):
            state = None
        spikes, state = layer(piece, state)
        if is_new and kind == "late":
            state = None
        counts[-1] += int(spikes.sum())
    return counts


#: Common mistakes, and the feedback for each.
_STREAM_SLIPS = {
    "forget": "Every piece starts at rest: the state is lost between the pieces of a recording.",
    "left over": "Only your first recording starts at rest: the others start with the state left "
    "over from the one before. Set the state to None where is_new is true.",
    "late": "You reset the state after the first piece of a recording. Reset it before that piece.",
}


@exercise(
    3,
    hints=(
        "Loop over the pairs, and keep the state outside the loop, as in section 3.",
        "Where is_new is true, set the state to None before the call and append a new count.",
        "for piece, is_new in stream: if is_new: state = None; counts.append(0); then "
        "spikes, state = layer(piece, state) and counts[-1] += spikes.sum().item().",
    ),
)
def count_per_recording(answer, rng) -> None:
    """`count_per_recording(layer, stream) -> spikes per recording`, for pairs (piece, is_new)."""
    while True:
        layer = LIFLayer(tau=rng.uniform(15, 30), tau_syn=rng.uniform(4, 10), adaptation=0.1)
        generator = torch.Generator().manual_seed(seed_from(rng))
        stream = []
        for _ in range(3):
            x = 0.06 * torch.rand(int(rng.integers(250, 400)), 1, 1, generator=generator)
            pieces = x.split(int(rng.integers(20, 45)))
            stream += [(piece, k == 0) for k, piece in enumerate(pieces)]
        expected = _counts(layer, stream)
        others = [_counts(layer, stream, kind) for kind in _STREAM_SLIPS]
        if expected not in others and len({tuple(counts) for counts in others}) == len(others):
            break
    found = answer(layer, list(stream))
    try:
        counts = [number(count, "a count") for count in found]
    except TypeError:
        raise Wrong(
            f"Return a list with one number per recording, not {type(found).__name__}."
        ) from None
    if counts == expected:
        return
    if len(counts) == len(stream):
        raise Wrong(
            f"You return {len(counts)} numbers, one per piece. Add up the pieces of a recording."
        )
    if len(counts) != len(expected):
        raise Wrong(f"There are {len(expected)} recordings, and you return {len(counts)} numbers.")
    for kind, wrong in zip(_STREAM_SLIPS, others, strict=True):
        if counts == wrong:
            raise Wrong(_STREAM_SLIPS[kind])
    if counts == np.cumsum(expected).tolist():
        raise Wrong("You keep counting from one recording to the next: start each count at 0.")
    raise Wrong(
        f"You count {counts}. The layer, run one recording at a time, fires {expected} times."
    )
