"""Checks of lesson 201: counting steps, decoding Hz, the Fano factor, a time constant."""

import math

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, array, exercise, generator_from, near, number
from jarvis.encoding.encoders import poisson_encode


@exercise(
    1,
    hints=(
        "Section 2 gives the standard deviation of the estimate after T steps.",
        "Solve sqrt(p (1 - p) / T) <= error for T, and round up.",
        "max(1, math.ceil(p * (1 - p) / error**2))",
    ),
)
def steps_for(answer, rng) -> None:
    """`steps_for(p, error) -> T`: the least number of steps (1 or more) with at most this error."""
    asked = [(rng.uniform(0.3, 0.42), rng.uniform(0.02, 0.06)) for _ in range(3)]
    asked += [(float(rng.integers(2)), 0.05)]
    for p, error in asked:
        steps, exact = number(answer(p, error), "T"), p * (1 - p) / error**2
        said = f"For p = {p:.3f} and an error of {error:.4f} you return T = {steps:g}"
        if steps == max(1, math.ceil(exact)):
            continue
        if exact == 0:
            raise Wrong(
                f"{said}. With p = 0 or 1 the outcome is not random, so the smallest T, 1, is "
                "enough."
            )
        if abs(steps - exact) < 1 and steps != round(steps):
            raise Wrong(f"{said}. T is a whole number: round up.")
        if steps == math.floor(exact):
            raise Wrong(f"{said}, rounded down: the error is still {_error(p, steps):.5f}.")
        if steps == math.ceil(exact) + 1:
            raise Wrong(f"{said}, one step more than necessary.")
        slips = {
            "You forgot to square the error: square both sides.": p * (1 - p) / error,
            "p (1 - p) is still under the square root: square both sides.": math.sqrt(p * (1 - p))
            / error,
            "That is p / error^2. The variance of a step is p (1 - p), not p.": p / error**2,
            "That is enough for the worst case, p = 0.5. This p needs fewer steps.": 0.25
            / error**2,
        }
        for words, slip in slips.items():
            if abs(steps - slip) <= 1:
                raise Wrong(f"{said}. {words}")
        raise Wrong(
            f"{said}. With that T the error is {_error(p, steps)}; T = {math.ceil(exact)} is "
            "enough."
        )


def _error(p: float, steps: float) -> float:
    return math.sqrt(p * (1 - p) / steps) if steps > 0 else math.inf


@exercise(
    2,
    hints=(
        "At how many spikes per second does a white pixel fire, and at how many does this one?",
        "jarvis.rate_decode(spikes, dt) is the rate in Hz.",
        "jarvis.rate_decode(spikes, dt) / max_rate",
    ),
)
def brightness(answer, rng) -> None:
    """`brightness(spikes, max_rate, dt) -> [...]`: the brightness of each pixel, from 0 to 1."""
    for _ in range(2):
        max_rate, dt = float(rng.uniform(60, 200)), float(rng.choice([0.25, 0.5, 2.0]))
        x = torch.tensor(rng.uniform(0.2, 1, (3, 4)), dtype=torch.float32)
        spikes = poisson_encode(x, 300, max_rate=max_rate, dt=dt, generator=generator_from(rng))
        per_step = spikes.mean(0).numpy()
        found = array(answer(spikes, max_rate, dt), tuple(x.shape), "the brightness")
        said = f"For max_rate = {max_rate:.0f} Hz and dt = {dt:g} ms"
        if _alike(found, per_step * 1000 / dt / max_rate):
            continue
        slips = {
            "you return spikes per step. Divide by dt to get a rate, and then by max_rate.":
                per_step,
            "you return the rate in Hz. A white pixel fires at max_rate: divide by it.":
                per_step * 1000 / dt,
            "you leave out dt: a step is not 1 ms here.": per_step * 1000 / max_rate,
            "you divide a rate per ms by a rate per second: a second has 1000 ms.":
                per_step / dt / max_rate,
            "you count spikes instead of taking the mean over the steps.":
                300 * per_step * 1000 / dt / max_rate,
            "you divide spikes per step by spikes per second.": per_step / max_rate,
            "you multiply by dt. A shorter step means a higher rate: divide.":
                per_step * 1000 * dt / max_rate,
        }  # fmt: skip
        for words, slip in slips.items():
            if _alike(found, slip):
                raise Wrong(f"{said} {words}")
        raise Wrong(
            f"{said}, a pixel with {per_step.flat[0]:.3f} spikes per step has the brightness "
            f"{per_step.flat[0] * 1000 / dt / max_rate:.3f}; you return {found.flat[0]:.3f}."
        )


@exercise(
    3,
    hints=(
        "First get one count per train, and then take the statistics of the counts.",
        "spikes.sum(0) are the counts, [n].",
        "counts.var() / counts.mean()",
    ),
)
def fano_factor(answer, rng) -> None:
    """`fano_factor(spikes) -> variance / mean` of the counts; a division by n or by n - 1
    passes."""
    for _ in range(2):
        steps = int(rng.integers(150, 250))
        p = torch.tensor(rng.uniform(0.1, 0.6, 500), dtype=torch.float32)  # trains differ
        spikes = poisson_encode(p, steps, generator=generator_from(rng))
        found, counts = number(answer(spikes), "the Fano factor"), spikes.sum(0).double()
        variance, mean = counts.var().item(), counts.mean().item()
        if near(found, variance / mean, 5e-3):
            continue
        per_step = spikes.double().sum(1)
        slips = {
            "You divide the standard deviation by the mean. Use the variance.":
                math.sqrt(variance) / mean,
            "You use single steps. Add up the spikes of each train first.":
                (spikes.var() / spikes.mean()).item(),
            "You count the spikes of all trains in each step. Add up over time, axis 0.":
                (per_step.var() / per_step.mean()).item(),
            "You use the mean over time in place of the count. The Fano factor is defined for "
            "counts, and rates give a different number.": variance / mean / steps,
            "You divide the mean by the variance. Divide the variance by the mean.":
                mean / variance,
            "That is the variance alone: divide it by the mean.": variance,
            "You divide the mean square by the mean: subtract the mean before you square.":
                (counts.square().mean() / mean).item(),
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 5e-3):
                raise Wrong(words)
        raise Wrong(
            f"For {spikes.shape[1]} counts with variance {variance:.2f} and mean {mean:.2f} you "
            f"return {found:.3f}."
        )


@exercise(
    4,
    hints=(
        "How many steps T would the mean of section 2 need? Your estimate needs T_eff = T.",
        "T_eff = p (1 - p) / error^2, and T_eff is about 2 tau / dt.",
        "dt * p * (1 - p) / (2 * error**2)",
    ),
)
def time_constant(answer, rng) -> None:
    """`time_constant(p, error, dt) -> tau` (ms) with this error, exact or by T_eff = 2 tau / dt."""
    for _ in range(3):
        # With dt = 0.5 or 2, two different mistakes would give the same number.
        p, dt = float(rng.uniform(0.3, 0.45)), float(rng.choice([0.3, 3.0, 5.0]))
        steps = float(rng.uniform(15, 60))  # T_eff
        error = math.sqrt(p * (1 - p) / steps)
        exact = dt / math.log((steps + 1) / (steps - 1))
        found = number(answer(p, error, dt), "tau")
        if near(found, exact, 0.01):
            continue
        said = f"For p = {p:.3f}, an error of {error:.3f} and dt = {dt:g} ms you return {found:.4g}"
        slips = {
            "That is tau in steps. Multiply by dt.": exact / dt,
            "That is T_eff, a number of steps: about 2 tau / dt.": steps,
            "That is T_eff in ms. T_eff corresponds to 2 tau, not to tau.": steps * dt,
            "You forgot to square the error.": dt * p * (1 - p) / (2 * error),
            "The variance of a step is p (1 - p), not p.": dt * p / (2 * error**2),
            "You divide by dt; T_eff = 2 tau / dt, so tau = T_eff dt / 2.": steps / (2 * dt),
            "You return beta. Since beta = exp(-dt/tau), tau = -dt / log(beta).":
                (steps - 1) / (steps + 1),
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 0.01):
                raise Wrong(f"{said}. {words}")
        beta = math.exp(-dt / found) if found > 0 else 0.0
        real = math.sqrt(p * (1 - p) * (1 - beta) / (1 + beta))
        raise Wrong(f"{said} ms. With that tau the standard deviation is {real:.4f}.")


def _alike(found: np.ndarray, expected: np.ndarray) -> bool:
    return np.allclose(found, expected, rtol=1e-4, atol=1e-6)
