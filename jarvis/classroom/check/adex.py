"""Checks of lesson 104: mean adaptation, rheobase, a reset without bursts."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from jarvis.adex.phase_plane import fixed_points
from jarvis.adex.physiological import AdExParams, step_response
from jarvis.classroom.check._reasons import explained
from jarvis.classroom.check.verdict import Wrong, exercise, near, number


@exercise(
    1,
    hints=(
        "How much charge (w integrated over time) does a single spike add? How many spikes are "
        "there per ms?",
        "The integral of b exp(-t/tau_w) is b tau_w. Multiply it by the number of spikes per ms.",
        "b * tau_w * rate / 1000, since the rate is in Hz and tau_w in ms.",
    ),
)
def mean_adaptation(answer, rng) -> None:
    """`mean_adaptation(rate, b, tau_w) -> pA`: the mean of w over time, with a = 0."""
    cases, found = [], []
    for _ in range(3):
        b, tau_w = rng.uniform(10, 150), rng.uniform(30, 300)
        interval = tau_w * rng.uniform(0.4, 2.5)  # not too short, or w would hardly vary
        cases.append((1000 / interval, b, tau_w))
        found.append(number(answer(*cases[-1]), "the mean of w"))
    wrong = [k for k in range(3) if not near(found[k], _mean_w(cases[k]))]
    if not wrong:
        return
    (rate, b, tau_w), mine = cases[wrong[0]], found[wrong[0]]
    said = f"At {rate:.1f} Hz, b = {b:.0f} pA and tau_w = {tau_w:.0f} ms, you return {mine:.4g} pA"
    if words := explained(found, cases, _MEAN_SLIPS):
        raise Wrong(f"{said}. {words}")
    raise Wrong(f"{said}; a simulation gives {_mean_w(cases[wrong[0]]):.4g} pA.")


def _mean_w(case: tuple[float, float, float]) -> float:
    rate, b, tau_w = case
    return b * tau_w * rate / 1000


def _after_spike(case: tuple[float, float, float]) -> float:
    """w just after a spike, where it is largest."""
    rate, b, tau_w = case
    return b / -math.expm1(-1000 / rate / tau_w)


#: Common mistakes, and the feedback for each; a case is (rate, b, tau_w).
_MEAN_SLIPS = (
    (lambda case: 1000 * _mean_w(case),
     "Your result contains Hz times ms: divide the rate by 1000 to have it per ms."),
    (_after_spike, "That is w just after a spike, where it is largest. Take the mean over time."),
    (lambda case: _after_spike(case) - case[1],
     "That is w just before a spike, where it is smallest. Take the mean over time."),
    (lambda case: _after_spike(case) - case[1] / 2,
     "That is halfway between the smallest and the largest w. The decay is not a straight line: "
     "take the mean over time."),
    (lambda case: case[1] * case[2],
     "That is the charge per spike. How many spikes are there per ms?"),
    (lambda case: case[1] * case[0] / 1000,
     "Your result does not depend on tau_w, but with a slower decay each spike adds more charge."),
)  # fmt: skip


@exercise(
    2,
    hints=(
        "Set the slopes dw/dV of both nullclines equal, and solve for V.",
        "With u = (V - v_t)/delta_t: -g_L + g_L exp(u) = a. At this V both nullclines give the "
        "same w, which leaves an equation for the current.",
        "V = v_t + delta_t ln(1 + a/g_L), and the current is (g_L + a) (V - e_l) - g_L delta_t "
        "(1 + a/g_L).",
    ),
)
def touching_current(answer, rng) -> None:
    """`touching_current(params) -> pA`: the current at which the two nullclines just touch."""
    cases, found = [], []
    while len(cases) < 3:
        p = AdExParams(
            c=rng.uniform(150, 250), g_l=rng.uniform(8, 14), e_l=rng.uniform(-75, -65),
            v_t=rng.uniform(-52, -48), delta_t=rng.uniform(1.5, 2.5), a=rng.uniform(3, 12),
            b=60.0, tau_w=rng.uniform(50, 300), v_reset=-58.0,
        )  # fmt: skip
        if near(p.rheobase, _touching(p), 0.005):
            continue  # here params.rheobase would pass as an answer
        cases.append(p)
        found.append(number(answer(p), "the current"))
    wrong = [k for k in range(3) if not near(found[k], _touching(cases[k]))]
    if not wrong:
        return
    if words := explained(found, cases, _RHEOBASE_SLIPS):
        raise Wrong(words)
    p, mine = cases[wrong[0]], found[wrong[0]]
    said = f"At your {mine:.1f} pA (a = {p.a:.1f} nS, g_L = {p.g_l:.1f} nS)"
    if left := fixed_points(p, mine):
        v = " and ".join(f"{point.v:.1f}" for point in left)
        raise Wrong(f"{said}, the nullclines still cross at {v} mV: there is still a fixed point.")
    raise Wrong(
        f"{said}, the nullclines are already {mine - _touching(p):.1f} pA apart: they touch at a "
        "smaller current."
    )


def _steep(p: Any) -> float:
    """exp((V - v_t)/delta_t) where the nullclines touch."""
    return 1 + p.a / p.g_l


def _touches_at(p: Any) -> float:
    return p.v_t + p.delta_t * math.log(_steep(p))


def _touching(p: Any) -> float:
    return (p.g_l + p.a) * (_touches_at(p) - p.e_l) - p.g_l * p.delta_t * _steep(p)


#: Common mistakes, and the feedback for each.
_RHEOBASE_SLIPS = (
    (lambda p: _touching(replace(p, a=0.0)),
     "That is the rheobase for a = 0. Here not only the leak but also w pulls V back."),
    (lambda p: (p.g_l + p.a) * (p.v_t - p.e_l) - p.g_l * p.delta_t,
     "You took V = v_t, where the leak and the exponential are equally steep. Here w acts "
     "like more leak, so the nullclines touch at a higher V."),
    (lambda p: p.g_l * (_touches_at(p) - p.e_l - p.delta_t * _steep(p)),
     "Your V is right, but w is not 0 there: the current must balance w = a (V - e_l) as well."),
    (lambda p: (p.g_l + p.a) * (_touches_at(p) - p.e_l) - p.g_l * p.delta_t,
     "Your V is right. The exponential term there is g_L delta_t (1 + a/g_L), not g_L delta_t."),
    (lambda p: (p.g_l + p.a) * (_touches_at(p) - p.e_l),
     "The exponential term is missing: it reduces the current needed by g_L delta_t exp(u)."),
    (lambda p: p.rheobase,
     "That is params.rheobase, where the fixed point loses stability. It vanishes at a larger "
     "current, where the nullclines touch."),
    (_touches_at,
     "That is the potential at which the nullclines touch, in mV. Return the current instead."),
    (lambda p: _touching(p) / 1000, "Your current is in nA. Return it in pA."),
    (lambda p: -_touching(p),
     "The magnitude is right, but the sign is wrong: the current has to depolarise the neuron."),
)  # fmt: skip


@exercise(
    3,
    hints=(
        "A burst needs resets on both sides of the V-nullcline: see section 4.",
        "Where is the lowest point of the V-nullcline? To the left of it, a little more "
        "w makes the interval only a little longer.",
        "Return any reset a few mV below params.v_t.",
    ),
)
def steady_reset(answer, rng) -> None:
    """`steady_reset(params, current) -> mV`: a v_reset with which the neuron no longer bursts."""
    shifts = rng.permutation([rng.uniform(-20, -15), rng.uniform(11, 16), 0.0])
    asked = [(_burster(rng, float(shift)), rng.uniform(210, 260)) for shift in shifts]
    resets = [number(answer(*given), "the reset") for given in asked]
    for (p, current), reset in zip(asked, resets, strict=True):
        said = (
            f"With the reset at {reset:.1f} mV (v_t = {p.v_t:.1f} mV, current = {current:.0f} pA)"
        )
        bursts = "still bursts"
        if reset < p.v_t + 5:
            intervals = _late(replace(p, v_reset=reset), current)
            if len(intervals) == 8 and intervals.std() < 0.01 * intervals.mean():
                continue
            shown = ", ".join(f"{interval:.1f}" for interval in intervals[-4:])
            bursts = f"still bursts: the last intervals are {shown} ms"
        if near(reset, p.plain().v_reset):
            raise Wrong("That is the neuron's present reset, with which it bursts.")
        if len({round(reset, 6) for reset in resets}) == 1:
            raise Wrong(
                f"You return {reset:.1f} mV for every neuron. One of them has its v_t at "
                f"{p.v_t:.1f} mV: where must the reset lie relative to v_t?"
            )
        if reset > p.v_reset:
            raise Wrong(
                f"{said}, the neuron {bursts}. You raised the reset, which brings V even closer to "
                "the next spike."
            )
        raise Wrong(f"{said}, the neuron {bursts}.")


def _burster(rng, shift: float) -> AdExParams:
    """A bursting neuron in which every potential is shifted by `shift` mV."""
    p = AdExParams.named("bursting", b=rng.uniform(85, 115), tau_w=rng.uniform(105, 135))
    names = ("e_l", "v_t", "v_reset", "v_peak")
    return replace(p, **{name: getattr(p, name) + shift for name in names})


def _late(p: AdExParams, current: float) -> np.ndarray:
    """The last 8 intervals (ms) in 3 s; fewer if there are fewer in all."""
    return np.diff(step_response(p, current, 3000.0).spike_times)[-8:]
