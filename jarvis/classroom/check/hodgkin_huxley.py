"""Checks of lesson 601: the resting potential, a blocked channel, a firing rate, a pulse."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, exercise, near, number
from jarvis.neurons import SpikingLayer
from jarvis.neurons.hodgkin_huxley import (
    HodgkinHuxley,
    HodgkinHuxleyParams,
    hodgkin_huxley_rest,
    steady_gates,
)

F64 = torch.float64
DT = 0.025


@exercise(
    1,
    hints=(
        "At the resting potential no net current flows: g_na m^3 h (V - E_Na) + ... = 0.",
        "Write this current as a function of V, with m, h, n from steady_gates(torch.tensor(V)). "
        "It rises through 0 at the resting potential: where it is positive, V is too high.",
        "low, high = -90.0, 40.0; for _ in range(40): v = (low + high) / 2; then "
        "low, high = (low, v) if ionic(v) > 0 else (v, high)",
    ),
)
def resting_potential(answer, rng) -> None:
    """`resting_potential(g_na, g_k, g_l) -> mV`: where the ionic currents cancel."""
    for _ in range(3):
        g = rng.uniform((60, 20, 0.1), (140, 50, 0.5))
        found = number(answer(*map(float, g)), "the resting potential")
        wanted = _rest(g_na=g[0], g_k=g[1], g_l=g[2])
        _settled(found, wanted, _rest_slips(g), g)


def _rest(
    current: float = 0.0, *, g_na: float = 120.0, g_k: float = 36.0, g_l: float = 0.3
) -> float:
    params = HodgkinHuxleyParams(g_na=float(g_na), g_k=float(g_k), g_l=float(g_l))
    return float(hodgkin_huxley_rest(params, current).v)


def _settled(
    found: float, wanted: float, slips: dict[str, float], g: np.ndarray, current: float = 0.0
) -> None:
    if abs(found - wanted) < 0.01:
        return
    said = f"You return {found:.3f} mV"
    for words, slip in slips.items():
        if abs(found - slip) < 0.01:
            raise Wrong(f"{said}. {words}")
    if not -150 < found < 150:
        raise Wrong(f"{said}, far outside the range of the reversal potentials (-77 to 50 mV).")
    ionic = _ionic(found, g)
    way = "up" if current > ionic else "down"
    raise Wrong(
        f"{said}. At this V, the ionic currents add up to {ionic:.3g} uA/cm2, so V would still go "
        f"{way}."
    )


def _ionic(v: float, g: np.ndarray, powers: tuple[int, int] = (3, 4)) -> float:
    p, (m, h, n) = (
        HodgkinHuxleyParams(),
        (x.item() for x in steady_gates(torch.tensor(v, dtype=F64))),
    )
    return (
        g[0] * m ** powers[0] * h * (v - p.e_na)
        + g[1] * n ** powers[1] * (v - p.e_k)
        + g[2] * (v - p.e_l)
    )


def _root(function: Callable[[float], float], low: float = -90.0, high: float = 49.0) -> float:
    """Where an increasing function is 0, by bisection."""
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if function(middle) < 0 else (low, middle)
    return 0.5 * (low + high)


def _mean(g: np.ndarray, current: float = 0.0) -> float:
    p = HodgkinHuxleyParams()
    return float((g[0] * p.e_na + g[1] * p.e_k + g[2] * p.e_l + current) / g.sum())


def _rest_slips(g: np.ndarray) -> dict[str, float]:
    m, h, n = (x.item() for x in steady_gates(torch.tensor(-65.0, dtype=F64)))
    return {
        "That is the steady V with all channels open: the gates are missing.": _mean(g),
        "You use the gates at -65 mV. Compute them at V.": _mean(g * (m**3 * h, n**4, 1.0)),
        "That is the resting potential of the standard neuron. Use the given "
        "conductances.": _rest(),
        "That is E_L. Some sodium and potassium channels are open at rest.": -54.387,
        "That is one end of the interval: your bisection keeps the wrong half.": -90.0,
        "That is the upper end of the interval: your bisection keeps the wrong half.": 40.0,
        "You use m and n without their powers 3 and 4.": _root(lambda v: _ionic(v, g, (1, 1))),
        "That is the resting potential in V. Return it in mV.": _rest(g_na=g[0], g_k=g[1], g_l=g[2])
        / 1000,
    }


@exercise(
    2,
    hints=(
        "This is exercise 1 with one conductance set to 0. Which currents balance here?",
        "Where V settles, the ionic current equals the input current instead of 0.",
        "Find the root of ionic(v) - current by bisection, with g_na = 0.",
    ),
)
def with_ttx(answer, rng) -> None:
    """`with_ttx(current) -> mV`: where a neuron without sodium channels settles."""
    g = np.array([0.0, 36.0, 0.3])
    currents = [float(c) for c in rng.permutation([rng.uniform(2, 6), rng.uniform(8, 25)])]
    asked = [(number(answer(current), "the potential"), current) for current in currents]
    for found, current in asked:
        if abs(found - _rest()) < 0.05 or near(found, _rest(g_na=0.0), 1e-4):
            raise Wrong(
                f"{found:.3f} mV is the resting potential without input. Is the current used?"
            )
        slips = {
            "That is the potential with sodium channels.": _rest(current),
            "That is the potential for a current of opposite sign: a positive current raises "
            "V.": _rest(-current, g_na=0),
            "That is the potential with the leak alone. The potassium channels still work.": -54.387
            + current / 0.3,
            "You keep n at its resting value, but n increases as V rises.": _mean(
                g * (1.0, steady_gates(torch.tensor(-65.0, dtype=F64)).n.item() ** 4, 1.0), current
            ),
        }
        _settled(found, _run_poisoned(current), slips, g, current)


def _run_poisoned(current: float) -> float:
    """V at the end of 200 ms without sodium channels."""
    layer = SpikingLayer(HodgkinHuxley(g_na=0.0, dt=DT))
    return layer(torch.full((8000, 1, 1), current, dtype=F64))[1].v.item()


@exercise(
    3,
    hints=(
        "Convert the train to spike times in ms. Which intervals belong to the steady state?",
        "times = dt * spikes.nonzero()[:, 0]; torch.diff(times)[-3:] are the last intervals.",
        "Return 1000 / torch.diff(times)[-3:].mean(), or 0 if there are fewer than two times or "
        "the last one lies before dt * len(spikes) - 100.",
    ),
)
def steady_rate(answer, rng) -> None:
    """`steady_rate(spikes, dt) -> Hz`: from the last intervals; 0 if the train has ended."""
    lasting, ending = rng.uniform(7, 20), rng.uniform(2.6, 5.9)
    x = torch.tensor([lasting, ending], dtype=F64).expand(round(500 / DT), 1, 2)
    trains = SpikingLayer(HodgkinHuxley(dt=DT))(x)[0][:, 0]
    asked = [
        (trains[:, 0], f"a neuron under {lasting:.1f} uA/cm2"),
        (_train(rng, slower=float(rng.uniform(2, 3))), "a train that starts fast and then slows"),
        (trains[:, 1], f"a neuron that stops firing under {ending:.1f} uA/cm2"),
        (torch.zeros(20_000, dtype=F64), "a neuron that never fires"),
    ]
    for spikes, what in asked:
        found, wanted = number(answer(spikes, DT), "the rate"), _steady(spikes)
        if near(found, wanted, 0.01) or (wanted == 0 and found == 0):
            continue
        said = f"For {what}, you return {found:.2f} Hz"
        if wanted == 0:
            raise Wrong(
                f"{said}. There is no spike in the last 100 ms: the train has ended, so the rate "
                "is 0."
            )
        seconds = len(spikes) * DT / 1000
        for slip, words in (
            (_mean_rate(spikes), "That is from the mean of all intervals. The first ones differ."),
            (spikes.sum().item() / seconds, "That is the count over the whole run. It "
             "includes the fast start, and its resolution is one spike. Use the last intervals."),
            (wanted / 1000, "That is the rate in spikes per ms."),
            (wanted * DT, "You left out dt: the intervals are in steps."),
            (1000 / wanted, "That is the interval in ms. Return the rate."),
        ):  # fmt: skip
            if near(found, slip, 2e-4):
                raise Wrong(f"{said}, not {wanted:.2f}. {words}")
        raise Wrong(
            f"{said}; the last intervals average {1000 / wanted:.2f} ms, so the rate is "
            f"{wanted:.2f} Hz."
        )


def _times(spikes: Tensor) -> np.ndarray:
    return DT * spikes.nonzero()[:, 0].numpy()


def _steady(spikes: Tensor) -> float:
    times = _times(spikes)
    if len(times) < 2 or times[-1] < DT * len(spikes) - 100:
        return 0.0
    return float(1000 / np.diff(times)[-3:].mean())


def _mean_rate(spikes: Tensor) -> float:
    return float(1000 / np.diff(_times(spikes)).mean())


def _train(rng: np.random.Generator, slower: float) -> Tensor:
    """500 ms of spikes, with 8 short intervals followed by long ones."""
    short = rng.uniform(8, 12)
    times = np.cumsum([short] * 8 + [slower * short] * 100)
    spikes = torch.zeros(20_000, dtype=F64)
    spikes[np.round(times[times < 499] / DT).astype(int)] = 1.0
    return spikes


@exercise(
    4,
    hints=(
        "Try many pulses at once: let x[:, 0, k] be the current of attempt k.",
        "Try a grid of starts from 100 to 120 ms and of amplitudes from -20 to 20, and look for "
        "attempts without a spike in the last 200 ms of a run of 400 ms.",
        "Several pulses work. Take one whose neighbours in the grid work, too: it is more "
        "reliable.",
    ),
)
def stopping_pulse(answer, rng) -> None:
    """`stopping_pulse(current) -> (start, amplitude)` of a 1-ms pulse that stops the train."""
    currents = [float(c) for c in rng.permutation([rng.uniform(6.5, 7.5), rng.uniform(8.0, 9.0)])]
    pulses = [_pulse(answer(current)) for current in currents]
    for current, (start, amplitude) in zip(currents, pulses, strict=True):
        said = f"At {current:.2f} uA/cm2, your pulse of {amplitude:.2f} uA/cm2 at {start:.2f} ms"
        if not 100 <= start <= 120:
            raise Wrong(f"{said} is out of range: start it between 100 and 120 ms.")
        if not -20 <= amplitude <= 20:
            raise Wrong(f"{said} is out of range: keep the amplitude between -20 and 20 uA/cm2.")
        after = _after(current, start, amplitude)
        if not len(after):
            continue
        if len(set(pulses)) == 1:
            raise Wrong(
                f"{said} does not stop the train. Other currents need other pulses: search again "
                "for each current."
            )
        raise Wrong(
            f"{said} does not stop the train: {len(after)} spikes follow, the first "
            f"{after[0] - start:.0f} ms later."
        )


def _pulse(given) -> tuple[float, float]:
    if np.size(given) != 2:
        raise Wrong("Return two numbers: the start in ms and the amplitude in uA/cm2.")
    return number(given[0], "the start"), number(given[1], "the amplitude")


def _after(current: float, start: float, amplitude: float) -> np.ndarray:
    """Times of the spikes from 5 ms after the end of the pulse to 600 ms."""
    x = torch.full((round(600 / DT), 1, 1), current, dtype=F64)
    x[round(start / DT) : round((start + 1) / DT)] += amplitude
    times = _times(SpikingLayer(HodgkinHuxley(dt=DT))(x)[0][:, 0, 0])
    return times[times > start + 6]
