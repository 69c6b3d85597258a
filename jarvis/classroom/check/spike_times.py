"""Checks of lesson 202: bits per spike, random first spikes, latencies, a delay."""

import math

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.encoding.decoders import first_spike_decode, ttfs_decode
from jarvis.encoding.encoders import ttfs_encode


@exercise(
    1,
    hints=(
        "K levels carry log2(K) bits. How many spikes does each code send on average?",
        "The mean of a count from 0 to K-1 is (K - 1) / 2; the timed code sends one spike.",
        "bits / ((levels - 1) / 2), bits",
    ),
)
def bits_per_spike(answer, rng) -> None:
    """`bits_per_spike(levels) -> (bits per spike of a count, bits per spike of a first spike)`."""
    for levels in rng.choice(np.arange(3, 65), 3, replace=False).tolist():
        found = array(answer(levels), (2,), "your pair (count, first spike)")
        bits, mean = math.log2(levels), (levels - 1) / 2
        expected = np.array([bits / mean, bits])
        said = f"For {levels} levels you return {found[0]:.3f} and {found[1]:.3f}"
        if np.allclose(found, expected, rtol=1e-3):
            continue
        if np.allclose(found, expected[::-1], rtol=1e-3):
            raise Wrong(
                f"{said}. The numbers are right, but in the wrong order: the count comes first."
            )
        if np.allclose(found, expected * math.log(2), rtol=1e-3):
            raise Wrong(f"{said}. Those are nats: a bit is a logarithm of base 2.")
        if np.allclose(found, 1 / expected, rtol=1e-3):
            raise Wrong(f"{said}. Those are spikes per bit. Take the inverse.")
        if not near(found[1], expected[1]):
            if near(found[1], bits / levels):
                raise Wrong(f"{said}. The timed code has {levels} steps, but sends one spike.")
            raise Wrong(f"{said}. The timed code carries {bits:.3f} bits with its one spike.")
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
        raise Wrong(f"{said}. The count carries {bits:.3f} bits with {mean:g} spikes on average.")


@exercise(
    2,
    hints=(
        "With which probability are the k steps from 0 to k - 1 all silent?",
        "Add up (1 - p)^k for k = 1 ... T.",
        "sum((1 - p) ** k for k in range(1, n_steps + 1))",
    ),
)
def expected_first_step(answer, rng) -> None:
    """`expected_first_step(p, n_steps)`: the mean of min(first step, T)."""
    for p in (*rng.uniform(0.02, 0.06, 3).tolist(), 1.0):  # some pixels stay silent
        steps = int(rng.integers(10, 40))
        exact = sum((1 - p) ** k for k in range(1, steps + 1))
        found = number(answer(p, steps), "the expected step")
        if abs(found - exact) <= 1e-3 * max(exact, 1.0):
            continue
        said = f"For p = {p:.3f} and T = {steps} you return {found:.3f}"
        silent = (1 - p) ** steps
        slips = {
            "You left out k = T: a pixel that never fires counts, too.": exact - silent,
            "You start at k = 0, so a white pixel would fire at step 1, not 0.": exact + 1 - silent,
            "You start at k = 0 and end at T: one term too many.": exact + 1,
            "That is (1 - p) / p, the mean without a limit. A silent pixel counts as T.":
                (1 - p) / p,
            "That is 1 / p, which counts the steps from 1 and has no limit at T.": 1 / p,
            "That is the mean over the pixels that fire. A silent pixel counts as T.":
                (exact - steps * silent) / (1 - silent) if silent < 1 else math.nan,
            "You leave silent pixels out: they add T times their probability.":
                exact - steps * silent,
        }  # fmt: skip
        for words, slip in slips.items():
            if abs(found - slip) <= 1e-3 * max(abs(slip), 1.0):
                raise Wrong(f"{said}. {words}")
        raise Wrong(f"{said}. A simulation gives about {exact:.3f}.")


@exercise(
    3,
    hints=(
        "Take the exponential of both sides of t = tau log(x / (x - theta)).",
        "x = theta / (1 - exp(-t / tau)). What does this give for very small t?",
        "(theta / (1 - torch.exp(-t / tau))).clamp(max=1)",
    ),
)
def read_latency(answer, rng) -> None:
    """`read_latency(t, tau, theta) -> x`: the brightness behind a latency, at most 1."""
    tau, theta = float(rng.uniform(5, 30)), float(rng.uniform(0.1, 0.4))
    x = torch.tensor(rng.uniform(theta + 0.02, 1.0, (1, 6)))
    early = -tau * math.log(1 - theta) * torch.tensor([[0.3, 0.6]]).double()  # a white pixel's
    t = torch.cat([tau * torch.log(x / (x - theta)), early], 1)
    expected = torch.cat([x, torch.ones(1, 2)], 1).numpy()
    found = array(answer(t, tau, theta), tuple(t.shape), "the brightness")
    if np.allclose(found, expected, atol=1e-5):
        return
    e, charged = np.exp(-t.numpy() / tau), 1 - np.exp(-t.numpy() / tau)
    slips = {
        "Values up to 1 are right, but a pixel that fires very early comes out brighter than 1: "
        "clamp it.":
            theta / charged,
        "You divide by exp(-t/tau). The neuron has charged to x (1 - exp(-t/tau)).": theta / e,
        "You multiply by 1 - exp(-t/tau), which gives the potential for x = theta. Divide by it.":
            theta * charged,
        "That is 1 / (1 - exp(-t/tau)): the neuron fires at theta, not at 1.": 1 / charged,
        "You use t in place of t / tau.": theta / (1 - np.exp(-t.numpy())),
        "The minus sign is missing in exp(-t/tau).": theta / (1 - np.exp(t.numpy() / tau)),
    }  # fmt: skip
    for words, slip in slips.items():
        for end in (slip, slip.clip(max=1), slip.clip(0, 1)):
            if np.allclose(found, end, atol=1e-5):
                raise Wrong(words)
    at = int(np.abs(found - expected).argmax())
    raise Wrong(
        f"A spike at {t[0, at]:.2f} ms with tau = {tau:.1f} ms and theta = {theta:.2f} means "
        f"x = {expected[0, at]:.3f}; you return {found[0, at]:.3f}."
    )


@exercise(
    4,
    hints=(
        "When did each picture's earliest spike come? Measure all times from that spike.",
        "t.flatten(1).amin(1) is each picture's first step: subtract it, and divide by T - 1.",
        "(1 - (t - t.flatten(1).amin(1).view(-1, 1, 1, 1)) / (n_steps - 1)).clamp(min=0)",
    ),
)
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
        "You subtract the earliest time of the whole batch, but each picture has its own delay.":
            1 - (t - t.min()) / (n - 1),
        "You subtract 12 ms. The delay is unknown, and each picture has its own.":
            1 - (t - 12) / (n - 1),
        "You divide by the length of the train. The last step of the code is n_steps - 1.":
            1 - late / (len(spikes) - 1),
        "You divide by n_steps. A spike at step n_steps - 1 means black.": 1 - late / n,
        "Your picture is inverted: white comes first, so the first spike means 1.": late / (n - 1),
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
        f"{found.flatten()[at]:.3f}; the definition gives {expected.flatten()[at]:.3f}."
    )
