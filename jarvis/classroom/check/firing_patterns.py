"""Checks of lesson 105: strength of adaptation, an exact upstroke."""

import math

import numpy as np

from jarvis.adex.physiological import AdExParams, step_response
from jarvis.classroom.check.verdict import Wrong, exercise, near, number


@exercise(
    1,
    hints=(
        "Does a larger b make the neuron faster or slower? Search with final_rate.",
        "Search by bisection: keep an interval of b. At one end the rate must be too high, at the "
        "other end too low. Halve the interval again and again.",
        "b = (low + high) / 2; if final_rate(b) > rate, then low = b, else high = b. Start with 1 "
        "and 150, and repeat this 14 times.",
    ),
)
def b_for(answer, rng) -> None:
    """`b_for(rate) -> pA`: the b that makes the final rate at 500 pA `rate` (Hz), to 1 %."""
    rates = rng.permutation([rng.uniform(10, 16), rng.uniform(19, 26), rng.uniform(29, 40)])
    tried = [(number(answer(rate), "b"), rate) for rate in rates]
    if len({b for b, _ in tried}) == 1:
        raise Wrong(
            f"You return b = {tried[0][0]:.2f} pA for three different rates. Is the argument used? "
            "(A bisection that keeps the wrong half also ends at one end of its interval.)"
        )
    scaled = all(near(b * rate, 60 * 13.173) for b, rate in tried)  # the published set: 13 Hz
    for b, rate in tried:
        if b < 0:
            raise Wrong(
                f"With b = {b:.1f} pA, each spike would make the next one easier: b must be at "
                "least 0."
            )
        spikes = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times
        said = f"With your b = {b:.2f} pA,"
        if len(spikes) < 4:
            raise Wrong(
                f"{said} the neuron fires {len(spikes)} times in 2 s; the target is {rate:.1f} Hz."
            )
        steady = 1000 / np.diff(spikes)[-3:].mean()
        if near(steady, rate, 0.01):
            continue
        if scaled:
            raise Wrong(
                f"{said} the rate is {steady:.1f} Hz. It is not simply proportional to 1/b: "
                "measure it."
            )
        if near(len(spikes) / 2, rate, 0.015):
            raise Wrong(
                f"{said} the mean over 2 s is {rate:.1f} Hz, including the fast start. At the "
                f"end it is {steady:.1f} Hz: take the last intervals."
            )
        if near(b * 1000, _bisected(rate), 0.02):
            raise Wrong(f"{b:.4f} is b in nA. Return b in pA.")
        way = ("fast: b must be larger", "slowly: b must be smaller")[int(steady < rate)]
        raise Wrong(
            f"{said} the final rate is {steady:.1f} Hz, not {rate:.1f}. It fires too {way}."
        )


def _bisected(rate: float) -> float:
    low, high = 0.0, 200.0
    for _ in range(16):
        b = (low + high) / 2
        spikes = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times
        faster = 1000 / np.diff(spikes)[-3:].mean() > rate
        low, high = (b, high) if faster else (low, b)
    return (low + high) / 2


@exercise(
    2,
    hints=(
        "Convert v to s, subtract the change of s in one step, and check whether s is still "
        "positive.",
        "s = exp(-(v - v_t)/delta_t) falls by dt/tau in a step. If s would reach 0, there is a "
        "spike after the time tau * s.",
        "if s <= dt / tau: return None, tau * s. Otherwise return v_t - delta_t * "
        "math.log(s - dt / tau), None.",
    ),
)
def upstroke(answer, rng) -> None:
    """`upstroke(v, dt, tau, v_t, delta_t) -> (V after dt, None) or (None, time of the spike)`."""
    for spikes in rng.permutation([True, False, True, False]):
        tau, dt = rng.uniform(8, 30), rng.uniform(0.2, 0.9)
        v_t, delta_t = rng.uniform(-55, -45), rng.uniform(1.0, 3.0)
        share = rng.uniform(0.1, 0.9) if spikes else rng.uniform(1.2, 4)  # s in units of dt/tau
        s = share * dt / tau
        v = v_t - delta_t * math.log(s)
        pair = answer(v, dt, tau, v_t, delta_t)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("Return two values: V and None, or None and the time of the spike.")
        after, when = pair
        given = (
            f"From {v:.2f} mV (v_t = {v_t:.1f}, delta_t = {delta_t:.2f}, tau = {tau:.1f}, "
            f"dt = {dt:.2f})"
        )
        if after is not None and when is not None:
            raise Wrong(
                "One of the two values must be None: either there is a spike, or there is a new V."
            )
        if spikes:
            if when is None:
                raise Wrong(
                    f"{given}, s reaches 0 after {share:.2f} steps: there is a spike, but you "
                    "return None."
                )
            _check_time(number(when, "the time of the spike"), tau * s, dt, given)
        else:
            if after is None:
                raise Wrong(
                    f"{given}, s would need {share:.2f} steps to reach 0: there is no spike yet."
                )
            expected = v_t - delta_t * math.log(s - dt / tau)
            _check_potential(number(after, "V"), expected, v, dt, tau, v_t, delta_t, given)


def _check_time(when: float, expected: float, dt: float, given: str) -> None:
    if near(when, expected):
        return
    if near(when, dt - expected):
        raise Wrong("That is the time from the spike to the end of the step, not from its start.")
    if near(when, expected / dt):
        raise Wrong("That is the time in steps. Return it in ms.")
    raise Wrong(f"{given}, the spike does not come after {when:.4g} ms.")


def _check_potential(
    after: float, expected: float, v: float, dt: float, tau: float, v_t: float, delta_t: float,
    given: str,
) -> None:  # fmt: skip
    if abs(after - expected) < 1e-6:
        return
    grown = math.exp((v - v_t) / delta_t)
    slips = {
        "That is Euler's step. Use the logarithm.": v + dt / tau * delta_t * grown,
        "V has fallen: check the signs.": v + delta_t * math.log1p(dt / tau * grown),
        "V has not moved.": v,
        "That is measured from v_t: add v_t.": expected - v_t,
    }
    for words, slip in slips.items():
        if abs(after - slip) < 1e-6:
            raise Wrong(f"{given}, you return {after:.4f} mV. {words}")
    if after < v:
        raise Wrong(
            f"{given}, you return {after:.4f} mV: V has fallen, but the exponential term raises it."
        )
    raise Wrong(
        f"{given}, you return {after:.4f} mV; integration with a tiny step gives {expected:.4f}."
    )
