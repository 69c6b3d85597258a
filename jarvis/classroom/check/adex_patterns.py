"""Checks of notebook 02: rheobase with adaptation, bursting, steady rate, fixed point."""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from jarvis.adex.phase_plane import fixed_points, nullclines
from jarvis.adex.physiological import AdExParams, step_response
from jarvis.classroom.check.verdict import Wrong, exercise, near, number


@exercise(1, "-g_L + g_L exp(u) = a gives u = (V - v_t)/delta_t; put that V into either nullcline.")
def rheobase_with_a(answer, rng) -> None:
    """`rheobase_with_a(params) -> pA`: the current at which the two nullclines only just touch."""
    for _ in range(3):
        p = AdExParams(
            c=rng.uniform(150, 250), g_l=rng.uniform(8, 14), e_l=rng.uniform(-75, -65),
            v_t=rng.uniform(-52, -48), delta_t=rng.uniform(1.5, 2.5), a=rng.uniform(3, 12),
            b=60.0, tau_w=rng.uniform(50, 300), v_reset=-58.0,
        )  # fmt: skip
        found, expected = number(answer(p), "the current"), _touching(p)
        if near(found, expected):
            continue
        for slip, words in _RHEOBASE_SLIPS:
            if near(found, slip(p)):
                raise Wrong(words)
        said = f"At your {found:.1f} pA (a = {p.a:.1f} nS, g_L = {p.g_l:.1f} nS)"
        left = fixed_points(p, found)
        if left:
            v = " and ".join(f"{rest.v:.1f}" for rest in left)
            raise Wrong(
                f"{said} the nullclines still cross, at {v} mV: there is still a fixed point."
            )
        raise Wrong(
            f"{said} the nullclines are {found - expected:.1f} pA apart: they touched earlier."
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
     "That is the rheobase without a: it pulls together with the leak."),
    (lambda p: (p.g_l + p.a) * (p.v_t - p.e_l) - p.g_l * p.delta_t,
     "You took V = v_t. There the leak and the exponential are equally steep; here a stands on "
     "the leak's side, so the nullclines touch higher up."),
    (lambda p: p.g_l * (_touches_at(p) - p.e_l - p.delta_t * _steep(p)),
     "The V is right, but w is not 0 there: the current must balance w = a (V - e_l) as well."),
    (lambda p: (p.g_l + p.a) * (_touches_at(p) - p.e_l) - p.g_l * p.delta_t,
     "The V is right. The exponential there is g_L delta_t (1 + a/g_L), not g_L delta_t."),
    (lambda p: (p.g_l + p.a) * (_touches_at(p) - p.e_l),
     "The exponential is missing: it helps the current, by g_L delta_t exp(u)."),
    (lambda p: p.rheobase,
     "That is params.rheobase, where this fixed point loses stability. It vanishes at a larger "
     "current."),
    (_touches_at, "That is the potential at which they touch, in mV. Return the current there."),
    (lambda p: _touching(p) / 1000, "That is in nA. Currents are in pA here."),
    (lambda p: -_touching(p), "The size is right, the sign is not: this current drives."),
)  # fmt: skip


@exercise(2, "a burst needs resets that land on either side of the V-nullcline; see section 5.")
def steady_reset(answer, rng) -> None:
    """`steady_reset(params, current) -> mV`: with this v_reset the neuron no longer bursts."""
    shifts = rng.permutation([rng.uniform(-20, -15), rng.uniform(11, 16), 0.0])
    asked = [(_burster(rng, float(shift)), rng.uniform(210, 260)) for shift in shifts]
    resets = [number(answer(*given), "the reset") for given in asked]
    for (p, current), reset in zip(asked, resets, strict=True):
        said = f"With the reset at {reset:.1f} mV (v_t {p.v_t:.1f}, current {current:.0f} pA)"
        bursts = "still bursts"
        if reset < p.v_t + 5:
            intervals = _late(replace(p, v_reset=reset), current)
            if len(intervals) == 8 and intervals.std() < 0.01 * intervals.mean():
                continue
            shown = ", ".join(f"{interval:.1f}" for interval in intervals[-4:])
            bursts = f"still bursts: the last intervals are {shown} ms"
        if near(reset, p.plain().v_reset):
            raise Wrong("That is the neuron's present reset, and with it the neuron bursts.")
        if len({round(reset, 6) for reset in resets}) == 1:
            raise Wrong(
                f"You return {reset:.1f} mV for every neuron. One of them has its v_t at "
                f"{p.v_t:.1f} mV: where does the reset have to be relative to that?"
            )
        if reset > p.v_reset:
            raise Wrong(
                f"{said} it {bursts}. You raised it, which brings V even closer to the next spike."
            )
        raise Wrong(f"{said} it {bursts}.")


def _burster(rng, shift: float) -> AdExParams:
    """A bursting neuron with every potential shifted by `shift` mV, as by another reference."""
    p = AdExParams.named("bursting", b=rng.uniform(85, 115), tau_w=rng.uniform(105, 135))
    names = ("e_l", "v_t", "v_reset", "v_peak")
    return replace(p, **{name: getattr(p, name) + shift for name in names})


def _late(p: AdExParams, current: float) -> np.ndarray:
    """The last 8 intervals in 3 s, ms; fewer if there are not as many."""
    return np.diff(step_response(p, current, 3000.0).spike_times)[-8:]


@exercise(3, "measure the rate for a b, and bisect: a larger b is slower.")
def b_for(answer, rng) -> None:
    """`b_for(rate) -> pA`: the adapting neuron settles at `rate` (Hz) under 500 pA."""
    rates = rng.permutation([rng.uniform(10, 16), rng.uniform(19, 26), rng.uniform(29, 40)])
    tried = [(number(answer(rate), "b"), rate) for rate in rates]
    if len({b for b, _ in tried}) == 1:
        raise Wrong(
            f"Three rates, and b = {tried[0][0]:.2f} pA for each. Is the argument used? (A "
            "bisection that keeps the wrong half ends at an end of its interval, too.)"
        )
    scaled = all(near(b * rate, 60 * 13.173) for b, rate in tried)  # the published set: 13 Hz
    for b, rate in tried:
        if b < 0:
            raise Wrong(
                f"With b = {b:.1f} pA each spike would drive the next one: b must be at least 0."
            )
        spikes = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times
        said = f"With your b = {b:.2f} pA"
        if len(spikes) < 4:
            raise Wrong(f"{said} it fires {len(spikes)} times in 2 s; the target is {rate:.1f} Hz.")
        steady = 1000 / np.diff(spikes)[-3:].mean()
        if near(steady, rate, 0.01):
            continue
        if scaled:
            raise Wrong(f"{said} it is {steady:.1f} Hz: the rate is not simply 1/b. Measure it.")
        if near(len(spikes) / 2, rate, 0.015):
            raise Wrong(
                f"{said} the mean over 2 s is {rate:.1f} Hz, including the fast start. In the end "
                f"it is {steady:.1f} Hz: take the last intervals."
            )
        if near(b * 1000, _bisected(rate), 0.02):
            raise Wrong(f"{b:.4f} is b in nA. Here it is in pA.")
        way = ("fast: b must be larger", "slow: b must be smaller")[int(steady < rate)]
        raise Wrong(f"{said} it ends at {steady:.1f} Hz, not {rate:.1f}: too {way}.")


def _bisected(rate: float) -> float:
    low, high = 0.0, 200.0
    for _ in range(16):
        b = (low + high) / 2
        spikes = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times
        faster = 1000 / np.diff(spikes)[-3:].mean() > rate
        low, high = (b, high) if faster else (low, b)
    return (low + high) / 2


@exercise(4, "left of the fixed point the V-nullcline is the higher one: bisect from e_l to v_t.")
def find_rest(answer, rng) -> None:
    """`find_rest(params, current) -> V (mV)` of the stable fixed point."""
    for _ in range(3):
        p = AdExParams.named("tonic", a=rng.uniform(1.5, 5.5), e_l=rng.uniform(-75, -66))
        current = rng.uniform(0.4, 0.9) * p.rheobase
        given = answer(p, current)
        if np.size(given) in (2, 3):
            raise Wrong("Return only V: w follows from it.")
        v, (stable, unstable) = number(given, "V"), fixed_points(p, current)
        if abs(v - stable.v) < 0.01:
            continue
        said = f"You return {v:.2f} mV for {current:.0f} pA"
        if abs(v - unstable.v) < 0.01:
            raise Wrong(
                f"{said}. That is the other fixed point, which is unstable: nothing stays there."
            )
        if abs(v - p.e_l) < 0.1 or abs(v - p.v_t) < 0.1:
            raise Wrong(f"{said}, an end of the interval: which half holds the crossing?")
        if near(v, stable.w, 0.01):
            raise Wrong(f"{said}. That is its w, in pA. Return its V.")
        without = replace(p, a=0.0)
        slips = {
            "That is without w: at a fixed point w = a (V - e_l), which opposes the current.":
                fixed_points(without, current)[0].v if current < _touching(without) else math.nan,
            "That is without the exponential, which helps the current a little already.":
                p.e_l + current / (p.g_l + p.a),
            "That is the leak alone, without w and the exponential.":
                p.e_l + current / p.g_l,
            "That is the fixed point for a current of opposite sign.":
                fixed_points(p, -current)[0].v,
        }  # fmt: skip
        for words, slip in slips.items():
            if abs(v - slip) < 0.01:
                raise Wrong(f"{said}. {words}")
        still_v, still_w = nullclines(p, current, min(v, p.v_peak))
        raise Wrong(
            f"{said}. There the V-nullcline is at w = {still_v:.1f} pA and the w-nullcline at "
            f"{still_w:.1f}: they do not meet."
        )
