"""Checks of lesson 605: a potential, a halved EPSP, balanced noise, a depressing synapse."""

import math
from typing import Any

import numpy as np
import torch

from jarvis.classroom.check.verdict import (
    Wrong,
    exercise,
    generator_from,
    near,
    number,
)
from jarvis.neurons.conductance import ConductanceInputs, ConductanceLIF, ConductanceLIFParams
from jarvis.neurons.layer import SpikingLayer


@exercise(
    1,
    hints=(
        "With V at v, all currents add up to 0. Which of them do you know?",
        "V_inf = v: multiply the formula of section 1 by the sum of the conductances, and solve "
        "for g_inh.",
        "(p.g_l * (p.e_l - v) + g_exc * (p.e_exc - v) + current) / (v - p.e_inh)",
    ),
)
def inhibition_for(answer, rng) -> None:
    """`inhibition_for(p, g_exc, current, v) -> nS`: the inhibition with which V approaches v."""
    for _ in range(3):
        e_l = rng.uniform(-75, -65)
        p = ConductanceLIFParams(
            g_l=rng.uniform(7, 15), e_l=e_l, v_reset=e_l, e_exc=rng.uniform(5, 15),
            e_inh=rng.uniform(-95, -80),
        )  # fmt: skip
        g_exc, g_inh = rng.uniform(3, 12), rng.uniform(8, 25)
        current = rng.uniform(60, 150) * rng.choice([-1, 1])
        pull = p.g_l * p.e_l + g_exc * p.e_exc + g_inh * p.e_inh
        v = float((pull + current) / (p.g_l + g_exc + g_inh))
        found = number(answer(p, g_exc, current, v), "the conductance")
        if near(found, g_inh):
            continue
        leak, excitation, away = p.g_l * (p.e_l - v), g_exc * (p.e_exc - v), v - p.e_inh
        flow = leak + excitation + current
        slips = {
            "You left out the leak: it is an open conductance, too.": (excitation + current) / away,
            "You left out the excitation.": (leak + current) / away,
            "You left out the current.": (leak + excitation) / away,
            "The current has the wrong sign.": (flow - 2 * current) / away,
            "That is negative, which a conductance cannot be. Inhibition passes -g (v - e_inh).":
                -g_inh,
            "That is the current in pA that the inhibition has to pass. Divide it by v - e_inh.":
                flow,
            "Divide by v - e_inh, not by e_inh.": -flow / p.e_inh,
            "You took the driving forces at rest. The potential is v.":
                (g_exc * (p.e_exc - p.e_l) + current) / (p.e_l - p.e_inh),
            "That is the sum of the conductances. Return the inhibitory one.":
                g_inh + p.g_l + g_exc,
            "The two synaptic reversal potentials are exchanged.":
                (leak + g_exc * (p.e_inh - v) + current) / (v - p.e_exc),
            "You took 0 mV for the excitatory reversal potential. For this neuron it is p.e_exc.":
                (flow - g_exc * p.e_exc) / away,
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip):
                raise Wrong(words)
        raise Wrong(
            f"You return {found:.2f} nS. With this, {flow - found * away:.0f} pA still flow into "
            f"the cell at {v:.1f} mV, so V does not stay there."
        )


def epsp_peak(p: ConductanceLIFParams, g_inh: float) -> float:
    """The peak of a small EPSP divided by (weight times driving force over C), ms; closed form."""
    plain: Any = p.plain()
    slow, fast = plain.c / (plain.g_l + g_inh), plain.tau_exc
    if near(slow, fast, 1e-6):
        return fast / math.e
    return fast * (fast / slow) ** (fast / (slow - fast))


@exercise(
    2,
    hints=(
        "The peak of the EPSP is response(p, g, pulse=0.25).max(). It decreases as g grows.",
        "Search by bisection, starting with the interval from 0 to, say, 100 times p.g_l.",
        "goal = response(p, 0.0, pulse=0.25).max() / 2; for _ in range(40): middle = ...; "
        "low, high = (middle, high) if response(p, middle, pulse=0.25).max() > goal else "
        "(low, middle)",
    ),
)
def halving_inhibition(answer, rng) -> None:
    """`halving_inhibition(p) -> nS`: the constant shunting inhibition that halves an EPSP's
    peak."""
    for _ in range(2):
        p = ConductanceLIFParams(
            c=rng.uniform(120, 280), g_l=rng.uniform(7, 14), tau_exc=rng.uniform(3, 7),
            e_inh=-60.0, tau_inh=1e9, v_t=1000.0,
        )  # fmt: skip
        found, g_l = number(answer(p), "the conductance"), p.plain().g_l
        if found <= 0:
            raise Wrong(
                f"You return {found:.3g} nS. A conductance cannot be negative, and 0 would have no "
                "effect."
            )
        control = epsp_peak(p, 0.0)

        def left(g: float, p=p, control=control) -> float:
            return epsp_peak(p, g) / control

        if abs(left(found) - 0.5) < 0.01:
            continue
        said = (
            f"With your {found:.2f} nS, the peak is {100 * left(found):.0f} % of its original value"
        )
        if near(found, g_l, 0.01):
            raise Wrong(
                f"{said}. An inhibition equal to g_L halves the *steady* response to a current. An "
                "EPSP is brief: little has leaked away by its peak, so it takes more inhibition."
            )
        if found > g_l and abs(left(found - g_l) - 0.5) < 0.01:
            raise Wrong(f"{said}. You include the leak in the sum. Return the inhibition alone.")
        if abs(left(found * g_l) - 0.5) < 0.01:
            raise Wrong(f"{said}. Your answer is in units of g_L. Return it in nS.")
        if abs(left(1000 * found) - 0.5) < 0.01:
            raise Wrong(f"{said}. Your answer is in uS. Return it in nS.")
        way = "more" if left(found) > 0.5 else "less"
        raise Wrong(f"{said}: halving it takes {way} inhibition.")


def ratio(intervals: np.ndarray) -> float:
    """The CV of intervals."""
    return float(intervals.std() / intervals.mean())


#: The network that exercise 3 simulates, the same as in the lesson.
DT, N_EXC, N_INH, W_EXC, W_INH = 0.1, 1000, 250, 0.25, 1.0


def balanced(exc_hz: float, inh_hz: float, generator: torch.Generator) -> tuple[float, float]:
    """Mean rate (Hz) and CV of 20 neurons over 20 s; the input rates are per synapse."""
    shape = (round(20_000 / DT), 20)
    exc = torch.poisson(torch.full(shape, N_EXC * exc_hz * DT / 1000), generator=generator)
    inh = torch.poisson(torch.full(shape, N_INH * inh_hz * DT / 1000), generator=generator)
    neuron = ConductanceLIF(ConductanceLIFParams.named("brette2007", dt=DT, refractory=2.0))
    with torch.no_grad():
        inputs = ConductanceInputs.of(excitatory=W_EXC * exc, inhibitory=W_INH * inh)
        spikes = SpikingLayer(neuron)(inputs)[0].numpy()
    each = [np.diff(np.flatnonzero(train)) for train in spikes.T]
    found = [ratio(intervals) for intervals in each if len(intervals) > 2]
    return 1000 / DT * float(spikes.mean()), float(np.mean(found)) if found else math.nan


@exercise(
    3,
    hints=(
        "Which of the two rates makes the neuron fire less often without making it regular?",
        "Start from (12, 10), which gives about 20 Hz, and change the inhibition in small steps.",
        "Try an inhibition between 10.5 and 12 Hz with an excitation of 12 Hz.",
    ),
)
def balanced_pair(answer, rng) -> None:
    """`(exc_hz, inh_hz)` per synapse, for which the neuron fires at 9 to 11 Hz with a CV above
    0.8."""
    pair: Any = answer() if callable(answer) else answer
    if np.shape(pair) != (2,):
        raise Wrong("Give two numbers: (excitation, inhibition), in Hz per synapse.")
    exc, inh = (number(rate, "a rate") for rate in pair)
    if exc < 0 or inh < 0:
        raise Wrong("A rate must not be negative: the rate of inhibition is positive, too.")
    if max(exc, inh) > 500:
        raise Wrong(
            "Give rates per synapse, in Hz. These look like the summed rates of all synapses."
        )
    rate, irregular = balanced(exc, inh, generator_from(rng))
    said = f"With new noise, the neuron fires at {rate:.1f} Hz"
    if abs(rate - 10) <= 1 and irregular > 0.8:
        return
    if rate < 0.5:
        if inh > exc and abs(balanced(inh, exc, generator_from(rng))[0] - 10) <= 1.5:
            raise Wrong(f"{said}. Excitation comes first: exchange your two numbers.")
        raise Wrong(f"{said}. The inhibition is far too strong, or the excitation too weak.")
    if abs(rate - 10) <= 1:
        raise Wrong(
            f"{said}, as it should, but with a CV of {irregular:.2f}. It is still mean-driven: "
            "take more excitation, and more inhibition to balance it."
        )
    way = "fast: more inhibition" if rate > 10 else "slowly: less inhibition"
    regular = (
        "" if irregular > 0.8 else f". With a CV of {irregular:.2f}, it also fires too regularly"
    )
    raise Wrong(f"{said}, too {way} for the same excitation brings it to 10 Hz{regular}.")


@exercise(
    4,
    hints=(
        "In the long run, the mean of R no longer changes.",
        "Set its derivative to 0 and solve for R. Each of the `rate` spikes per second transmits "
        "R.",
        "rate / (1 + U * rate * tau_rec / 1000)",
    ),
)
def transmitted(answer, rng) -> None:
    """`transmitted(rate, U, tau_rec)`: the sum of R per second for a Poisson input, in the long
    run."""
    for _ in range(3):
        rate, use, tau = rng.uniform(3, 12), rng.uniform(0.3, 0.7), rng.uniform(300, 900)
        found = number(answer(rate, use, tau), "the transmission")
        load = use * rate * tau / 1000
        resources = 1 / (1 + load)
        expected = rate * resources
        if near(found, expected, 3e-3):
            continue
        rest = math.exp(-1000 / (rate * tau))
        slips = {
            "That is R, the amount that one spike transmits. How many spikes arrive per "
            "second?": resources,
            "That is the amount that is used up, U R per spike. A spike transmits R times as much "
            "as one at a rested synapse.": use * expected,
            "tau_rec is in ms and the rate in Hz: divide their product by 1000.":
                rate / (1 + use * rate * tau),
            "That is the transmission per ms. Return it per second.": expected / 1000,
            "That is for a regular train. In a Poisson train, the intervals vary, and a spike "
            "after a short one finds fewer resources.":
                rate * (1 - rest) / (1 - (1 - use) * rest),
            "That is the limit for high rates. This rate is lower.": 1000 / (use * tau),
            "You left out U.": rate / (1 + rate * tau / 1000),
            "That is the transmission without depression.": rate,
            "A sign is wrong: a higher rate leaves fewer resources.": rate / (1 - load),
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 3e-3):
                raise Wrong(words)
        raise Wrong(
            f"For rate = {rate:.1f} Hz, U = {use:.2f} and tau_rec = {tau:.0f} ms, you return "
            f"{found:.3f} per second; it should be {expected:.3f}."
        )
