"""Checks of notebook 03: counting time, bits per spike, a second channel, an unknown delay."""

import math

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.encoding.decoders import first_spike_decode, ttfs_decode
from jarvis.encoding.encoders import ttfs_encode


@exercise(1, "solve sqrt(p (1 - p) / T) <= error for T, and round up.")
def steps_for(answer, rng) -> None:
    """`steps_for(p, error) -> T`: the smallest whole number, at least 1."""
    asked = [(rng.uniform(0.3, 0.42), rng.uniform(0.02, 0.06)) for _ in range(3)]
    asked += [(float(rng.integers(2)), 0.05)]
    for p, error in asked:
        steps, exact = number(answer(p, error), "T"), p * (1 - p) / error**2
        said = f"For p = {p:.3f} and an error of {error:.4f} you return T = {steps:g}"
        if steps == max(1, math.ceil(exact)):
            continue
        if exact == 0:
            raise Wrong(
                f"{said}. With p = 0 or 1 the outcome is not random: T = 1, the least, is enough."
            )
        if abs(steps - exact) < 1 and steps != round(steps):
            raise Wrong(f"{said}. T is a whole number: round up.")
        if steps == math.floor(exact):
            raise Wrong(f"{said}, rounded down: the error is still {_error(p, steps):.5f}.")
        if steps == math.ceil(exact) + 1:
            raise Wrong(f"{said}, one step more than necessary.")
        slips = {
            "The error enters squared: square both sides.": p * (1 - p) / error,
            "p (1 - p) is still under the root: square both sides.": math.sqrt(p * (1 - p)) / error,
            "That is p / error^2. A spike with probability p has variance p (1 - p).": p / error**2,
            "That is enough for the worst p, 0.5. This one needs fewer steps.": 0.25 / error**2,
        }
        for words, slip in slips.items():
            if abs(steps - slip) <= 1:
                raise Wrong(f"{said}. {words}")
        raise Wrong(
            f"{said}; there the error is {_error(p, steps)}. T = {math.ceil(exact)} is enough."
        )


def _error(p: float, steps: float) -> float:
    return math.sqrt(p * (1 - p) / steps) if steps > 0 else math.inf


@exercise(2, "K levels are log2(K) bits. Which mean number of spikes has a count from 0 to K-1?")
def bits_per_spike(answer, rng) -> None:
    """`bits_per_spike(levels) -> (count, first spike)`."""
    for levels in rng.choice(np.arange(3, 65), 3, replace=False).tolist():
        found = array(answer(levels), (2,), "your pair (count, first spike)")
        bits, mean = math.log2(levels), (levels - 1) / 2
        expected = np.array([bits / mean, bits])
        said = f"For {levels} levels you return {found[0]:.3f} and {found[1]:.3f}"
        if np.allclose(found, expected, rtol=1e-3):
            continue
        if np.allclose(found, expected[::-1], rtol=1e-3):
            raise Wrong(f"{said}: the right numbers in the wrong order. The count comes first.")
        if np.allclose(found, expected * math.log(2), rtol=1e-3):
            raise Wrong(f"{said}. Those are nats: a bit is a logarithm of base 2.")
        if np.allclose(found, 1 / expected, rtol=1e-3):
            raise Wrong(f"{said}. Those are spikes per bit. Take the inverse.")
        if not near(found[1], expected[1]):
            if near(found[1], bits / levels):
                raise Wrong(f"{said}. The timed code has {levels} steps, but spends one spike.")
            raise Wrong(f"{said}. The timed code says {bits:.3f} bits with its one spike.")
        slips = {
            bits: "You did not divide the bits of the count by its spikes.",
            bits / (levels - 1): "You used the largest possible count; use the mean.",
            bits / levels: f"A count from 0 to {levels - 1} never has {levels} spikes.",
            2 * bits / levels: "The levels are 0 to K-1: their mean is (K - 1)/2, not K/2.",
            2 * bits / (levels + 1): "The levels start at 0, not at 1: their mean is (K - 1)/2.",
        }
        for slip, words in slips.items():
            if near(found[0], slip):
                raise Wrong(f"{said}. {words}")
        raise Wrong(f"{said}. The count says {bits:.3f} bits with {mean:g} spikes on average.")


@exercise(3, "the value of an OFF spike at step t is t / (T - 1); a silent channel says nothing.")
def read_on_off(answer, rng) -> None:
    """`read_on_off(on, off) -> [B, 1, 8, 8]`: decoded from both channels, after losses."""
    n = int(rng.integers(17, 41))
    x = torch.tensor(rng.uniform(0, 1, (6, 1, 8, 8)), dtype=torch.float32)
    trains = (ttfs_encode(part, n, silent_below=-1) for part in (x, 1 - x))
    on, off = (train * torch.tensor(rng.random(x.shape) >= 0.3) for train in trains)
    given = answer(on, off)
    heard_on, heard_off = on.sum(0), off.sum(0)
    neither = heard_on + heard_off == 0
    if isinstance(given, Tensor) and given.shape == x.shape and given[neither].isnan().any():
        raise Wrong("Where neither channel fired you return NaN (0 divided by 0). It should be 0.")
    found = torch.from_numpy(array(given, tuple(x.shape), "the picture"))
    a, b, turned = ttfs_decode(on), 1 - ttfs_decode(off), ttfs_decode(off)
    both = (heard_on + heard_off).clamp_min(1)
    expected = (heard_on * a + heard_off * b) / both
    if _alike(found, expected):
        return
    slips = {
        "That uses ON alone. Where only OFF fired, take its value.": a,
        "That uses OFF alone, and reads a silent OFF as white. Where only ON fired, take its "
        "value.": b,
        "You average everywhere. A channel that lost its spike says nothing, not 0 or 1: take the "
        "other one alone.": (a + b) / 2,
        "You average everywhere, with OFF as if it were ON.": (a + turned) / 2,
        "OFF is inverted: there an early spike means dark.":
            (heard_on * a + heard_off * turned) / both,
        "Where both fired you add them: take the mean.": heard_on * a + heard_off * b,
    }  # fmt: skip
    for words, slip in slips.items():
        if _alike(found, slip):
            raise Wrong(words)
    if _alike(found[~neither], expected[~neither]):
        raise Wrong(f"Where neither channel fired you return {found[neither].max():.2f}, not 0.")
    raise Wrong(_worst(found, expected, {"ON": on, "OFF": off}))


@exercise(4, "t.flatten(1).amin(1) is each picture's first step: subtract it, and divide by T - 1.")
def read_relative(answer, rng) -> None:
    """`read_relative(spikes, n_steps) -> [B, 1, 8, 8]`: each picture is late by its own delay."""
    n = int(rng.integers(17, 41))
    x = torch.tensor(rng.uniform(-0.8, 1, (5, 1, 8, 8)), dtype=torch.float32).clamp_min(0)
    for k, pixel in enumerate(rng.integers(64, size=5).tolist()):
        x[k, 0].view(-1)[pixel] = 1.0  # each has a white pixel
    code, delays = ttfs_encode(x, n), rng.choice(np.arange(1, 25), 5, replace=False).tolist()
    spikes = torch.zeros(n + 24, *x.shape)
    for k, delay in enumerate(delays):
        spikes[delay : delay + n, k] = code[:, k]
    found = torch.from_numpy(array(answer(spikes, n), tuple(x.shape), "the picture"))
    t, expected = first_spike_decode(spikes), ttfs_decode(code)
    if _alike(found, expected):
        return
    late = t - t.flatten(1).amin(1).view(-1, 1, 1, 1)
    slips = {
        "You use absolute times: subtract the time of the first spike.": 1 - t / (n - 1),
        "You subtract the earliest spike of the whole batch: each picture has a delay of its own.":
            1 - (t - t.min()) / (n - 1),
        "You subtract 12 ms. The delay is unknown, and here it is different.":
            1 - (t - 12) / (n - 1),
        "You divide by the length of the train. The code has n_steps, the last is n_steps - 1.":
            1 - late / (len(spikes) - 1),
        "You divide by n_steps. The darkest pixel fires at step n_steps - 1.": 1 - late / n,
        "It is inverted: white comes first, so the first spike means 1.": late / (n - 1),
    }  # fmt: skip
    if _alike(found, 1 - late / (n - 1)):
        raise Wrong(f"Black pixels go down to {found.min():.2f}: clamp at 0.")
    for words, slip in slips.items():
        if _alike(found, slip) or _alike(found, slip.clamp(0, 1)):
            raise Wrong(words)
    raise Wrong(_worst(found, expected, {f"(T = {n}, delays {delays}) it": spikes}))


def _alike(found: Tensor, expected: Tensor) -> bool:
    return torch.allclose(found.double(), expected.double(), atol=1e-5)


def _worst(found: Tensor, expected: Tensor, trains: dict[str, Tensor]) -> str:
    """The pixel with the largest error, and when it fired."""
    at = int((found - expected).abs().argmax())
    fired = []
    for name, train in trains.items():
        (step,) = train.flatten(1)[:, at].nonzero(as_tuple=True)
        fired.append(f"{name} fired at step {step[0]}" if len(step) else f"{name} was silent")
    index = np.unravel_index(at, expected.shape)
    return (
        f"Pixel {tuple(int(i) for i in index)}: {' and '.join(fired)}. You return "
        f"{found.flatten()[at]:.3f}, the definition gives {expected.flatten()[at]:.3f}."
    )
