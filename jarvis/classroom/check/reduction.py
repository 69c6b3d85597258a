"""Checks of lesson 602: the upper Hopf point, a period, an exponent, a type."""

import math

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, exercise, near, number
from jarvis.neurons.exponential import EIF, EIFParams
from jarvis.neurons.fitzhugh_nagumo import FitzHughNagumoParams
from jarvis.neurons.layer import SpikingLayer
from jarvis.neurons.quadratic import QIFParams


@exercise(
    1,
    hints=(
        "Which v makes the trace of the Jacobian, 1 - v^2 - eps b, zero? Take the positive one.",
        "At the fixed point both derivatives are 0: the second equation gives w, and the first "
        "then gives I.",
        "v = math.sqrt(1 - eps * b); w = (v + a) / b; I = w - v + v**3 / 3",
    ),
)
def last_current(answer, rng) -> None:
    """`last_current(a, b, eps) -> I`: the upper Hopf point of FitzHugh-Nagumo."""
    for _ in range(3):
        p = FitzHughNagumoParams(
            a=rng.uniform(0.5, 0.9), b=rng.uniform(0.5, 0.95), eps=rng.uniform(0.05, 0.2)
        )
        found, (low, high) = number(answer(p.a, p.b, p.eps), "the current"), _hopf(p)
        if near(found, high, 1e-3):
            continue
        v = math.sqrt(1 - p.eps * p.b)

        def current(v: float, a: float = float(p.a), b: float = float(p.b)) -> float:
            return v**3 / 3 - v + (v + a) / b

        slips = {
            "That is the lower Hopf point, where firing begins. Take the root for v with the other "
            "sign.":
                low,
            "That is v at the Hopf point. Return the current that keeps v there.": v,
            "That is w at the Hopf point. The first nullcline then gives I = w - v + v^3/3.":
                (v + p.a) / p.b,
            "You take v = 1. The trace also contains the term -eps b.": current(1.0),
            "The sign of eps b is wrong: the trace is 1 - v^2 - eps b.":
                current(math.sqrt(1 + p.eps * p.b)),
            "The trace contains -eps b, not -eps: the derivative of w' with respect to w is -eps "
            "b.":
                current(math.sqrt(1 - p.eps)),
            "Your v is right. On the second nullcline w = (v + a)/b, with plus a.":
                v**3 / 3 - v + (v - p.a) / p.b,
            "Your v is right. On the second nullcline w = (v + a)/b, divided by b.":
                v**3 / 3 - v + v + p.a,
            "Your v is right, but the cubic has the wrong sign: I = w - v + v^3/3.":
                v - v**3 / 3 + (v + p.a) / p.b,
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 1e-3):
                raise Wrong(words)
        raise Wrong(
            f"For a = {p.a:.3f}, b = {p.b:.3f} and eps = {p.eps:.3f} you return {found:.4f}. "
            "A simulation stops oscillating at another current: write down the Jacobian."
        )


def _hopf(p: FitzHughNagumoParams) -> tuple[float, float]:
    currents = p.hopf_currents
    assert currents is not None
    return currents


@exercise(
    2,
    hints=(
        "T = tau times the integral of 1/(v^2 + I) from v_reset to v_peak.",
        "The integral of 1/(v^2 + I) is atan(v/sqrt(I))/sqrt(I). Use both limits.",
        "tau / r * (math.atan(v_peak / r) - math.atan(v_reset / r)) with r = math.sqrt(current)",
    ),
)
def qif_period(answer, rng) -> None:
    """`qif_period(current, tau, v_reset, v_peak) -> ms`: the interval between two spikes."""
    for _ in range(4):
        current, tau = rng.uniform(0.2, 3.0), rng.uniform(5, 30)
        v_reset, v_peak = rng.uniform(-3, -0.5), rng.uniform(3, 8)
        found = number(answer(current, tau, v_reset, v_peak), "the interval")
        expected = QIFParams(tau=tau, v_reset=v_reset, v_peak=v_peak, dt=0.01).period(current)
        if near(found, expected):
            continue
        r = math.sqrt(current)
        low, high = math.atan(v_reset / r), math.atan(v_peak / r)
        slips = {
            "That is the formula for a peak at infinity and a reset at minus infinity.":
                math.pi * tau / r,
            "That is the rate in 1/ms. Return its inverse, the interval in ms.": 1 / expected,
            "That is the rate in Hz. Return the interval in ms.": 1000 / expected,
            "You left out tau: multiply by it.": expected / tau,
            "You divide by tau. Multiply by it.": expected / tau**2,
            "The factor 1/sqrt(I), from the substitution v = sqrt(I) y, is missing.":
                tau * (high - low),
            "The factor is 1/sqrt(I), not 1/I.": tau * (high - low) / current,
            "The factor is 1/sqrt(I), not sqrt(I).": tau * (high - low) * r,
            "The argument of the arctangent is v/sqrt(I), not v.":
                tau / r * (math.atan(v_peak) - math.atan(v_reset)),
            "The argument of the arctangent is v/sqrt(I), not v/I.":
                tau / r * (math.atan(v_peak / current) - math.atan(v_reset / current)),
            "The argument of the arctangent is v/sqrt(I), not v sqrt(I).":
                tau / r * (math.atan(v_peak * r) - math.atan(v_reset * r)),
            "That is the time from 0 to the peak: the time from the reset to 0 is missing.":
                tau / r * high,
            "Subtract the two limits: the value at the peak minus the value at the reset.":
                tau / r * (high + low),
            "The size is right, but the sign is wrong: take peak minus reset.": -expected,
            "Your angles are in degrees. They must be in radians.": math.degrees(expected),
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip):
                raise Wrong(words)
        raise Wrong(
            f"For I = {current:.2f}, tau = {tau:.1f} ms, reset {v_reset:.2f} and peak {v_peak:.2f} "
            f"you return {found:.4f} ms; it should be {expected:.4f} ms."
        )


class _PowerLaw:
    """An f-I curve that obeys a power law only near its onset."""

    def __init__(self, rng, power: float) -> None:
        self.onset, self.size = rng.uniform(-5, 20), rng.uniform(20, 200)
        self.power, self.bend = power, rng.uniform(1.0, 3.0)

    def __call__(self, currents) -> np.ndarray:
        x = np.maximum(np.asarray(currents, dtype=float) - self.onset, 0.0)
        return self.size * x**self.power * (1 + self.bend * x) ** 0.8


class _Exponential:
    """The measured f-I curve of an EIF neuron, currents in nA."""

    def __init__(self, rng) -> None:
        self.params = EIFParams(
            c=rng.uniform(150, 250), g_l=rng.uniform(8, 14), v_t=rng.uniform(-52, -46)
        )
        self.onset, self.power = float(self.params.rheobase) / 1000, 0.5

    def __call__(self, currents) -> np.ndarray:
        """The mean rate over 8 s at each current, Hz; 0 for fewer than three spikes."""
        given = torch.from_numpy(np.atleast_1d(np.asarray(currents, dtype=float)))
        spikes, _ = SpikingLayer(EIF(self.params))((1000 * given).repeat(80_000, 1, 1))
        times = [0.1 * train.nonzero()[:, 0].numpy() for train in spikes[:, 0].T]
        return np.array(
            [1000 * (len(t) - 2) / (t[-1] - t[1]) if len(t) > 2 else 0.0 for t in times]
        )


@exercise(
    3,
    hints=(
        "Choose distances from the onset that are evenly spaced on a logarithmic scale: "
        "np.logspace.",
        "np.polyfit(log(distance), log(f), 1) gives the slope first. Leave out rates of 0.",
        "Distances from 1e-4 to 1e-3: x = np.logspace(-4, -3, 8), f = rate(onset + x).",
    ),
)
def exponent(answer, rng) -> None:
    """`exponent(rate, onset) -> p`: the exponent in f ~ (I - onset)^p, to 0.03."""
    powers = rng.permutation([rng.uniform(0.3, 0.42), rng.uniform(0.6, 0.8), 1.0])
    curves = [*(_PowerLaw(rng, float(power)) for power in powers), _Exponential(rng)]
    found = np.array([number(answer(curve, curve.onset), "the exponent") for curve in curves])
    true = np.array([curve.power for curve in curves])
    if np.all(np.abs(found - true) < 0.03):
        return
    if np.ptp(found) < 1e-6:
        raise Wrong(
            f"You return {found[0]:.3f} for all four neurons. Their exponents differ: measure each "
            "one."
        )
    slips = {
        "You fit log distance against log f. Exchange the two.": 1 / true,
        "That is twice the exponent. Did you square the rate?": 2 * true,
        "That is half of the exponent. Return the slope itself.": true / 2,
        "The size is right, but the sign is wrong: the rate grows with the current.": -true,
    }
    for words, slip in slips.items():
        if np.all(np.abs(found - slip) < 0.06 * np.abs(slip)):
            raise Wrong(words)
    worst = int(np.argmax(np.abs(found - true) >= 0.03))
    curve, slope = curves[worst], found[worst]
    said = f"For a neuron with the onset {curve.onset:.3f} you return {slope:.3f}"
    if abs(slope) > 5:
        raise Wrong(f"{said}. Do you fit against log(I)? Use log(I - onset).")
    if 0.03 <= slope - curve.power < 0.8:
        raise Wrong(f"{said}. That is too large: fit closer to the onset.")
    raise Wrong(
        f"{said}. Plot log f against log(I - onset): is the curve straight where you fit it?"
    )


@exercise(
    4,
    hints=(
        "If the rate jumps at the onset, which rates between 0 and the highest never occur?",
        "Compare the lowest rate above 0 with the highest: what fraction of the highest is it?",
        "firing = rates[rates > 0]; it is type I if firing.min() is below a third of firing.max().",
    ),
)
def neuron_type(answer, rng) -> None:
    """`neuron_type(currents, rates) -> 1 or 2`: the type of the neuron with this f-I curve."""
    for kind in rng.permutation([1, 1, 1, 2, 2, 2]):
        scale, unit, onset = 10 ** rng.uniform(0.7, 2.5), 10 ** rng.uniform(-1, 2.5), rng.normal()
        x = np.linspace(-rng.uniform(0.3, 0.8), 1.0, 100)
        above = np.maximum(x, 0.0)
        if kind == 1:
            rates = scale * np.sqrt(above) * (1 + rng.uniform(0, 0.5) * above)
        else:
            jump = rng.uniform(0.5, 0.8)
            rates = scale * (jump + (1 - jump) * above ** rng.uniform(0.5, 1.0)) * (x > 0)
        currents, rates = unit * (onset + x), rates * (x > 0)
        given = answer(currents, rates)
        if isinstance(given, str) and given.strip().upper() in ("I", "II", "1", "2"):
            raise Wrong("Return the number 1 or 2, not a string.")
        if isinstance(given, bool | np.bool_):
            raise Wrong("Return the number 1 or 2, not True or False.")
        found = number(given, "the type")
        if found not in (1, 2):
            raise Wrong(f"You return {found:g}. Return 1 or 2.")
        if found == kind:
            continue
        low, high = rates[rates > 0].min(), rates.max()
        said = (
            f"One curve goes from silence to {low:.1f} Hz and then up to {high:.1f} Hz. You call "
            f"it type {'I' * int(found)}"
        )
        if kind == 2:
            raise Wrong(
                f"{said}, but it has no rates between 0 and its lowest rate. (Exclude the "
                "zeros before you look for the lowest.)"
            )
        raise Wrong(f"{said}, but its lowest rate on this grid is small compared with its highest.")
