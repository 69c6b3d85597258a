"""Checks of notebook 01: time constant, rheobase, maximal rate, two resets, a whole neuron."""

import math

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.lif import LIFLayer
from jarvis.neurons.decay import constant_drive, exp_decay


@exercise(1, "v(t + d) / v(t) = exp(-d / tau); solve it for tau.")
def measure_tau(answer, rng) -> None:
    """`measure_tau(recording) -> tau (ms)` of a decay with one value per ms."""
    tried = []
    for _ in range(3):
        tau, size = rng.uniform(8, 30), rng.uniform(0.2, 0.95)
        recording = size * np.exp(-np.arange(rng.integers(40, 80)) / tau)
        tried.append((number(answer(recording), "tau"), tau, recording))
    if len({found for found, *_ in tried}) == 1:
        raise Wrong(f"Three recordings, and {tried[0][0]:.2f} ms for each: use the argument.")
    for found, tau, recording in tried:
        if near(found, tau):
            continue
        if near(found, math.exp(-1 / tau)):
            raise Wrong(
                f"{found:.3f} is the factor by which v falls in 1 ms. It is "
                "exp(-1/tau): take its logarithm."
            )
        if near(abs(found), 1 / tau):
            raise Wrong(f"{found:.3f} is a rate, per ms. The time constant is its inverse.")
        if near(found, -tau):
            raise Wrong("The size is right, the sign is not: which of the two values is larger?")
        if near(found, tau * math.log(2), 0.1):
            raise Wrong("That is the time to decay to one half. In tau it decays to 1/e, 37 %.")
        if near(found, tau / 1000):
            raise Wrong("That is tau in seconds. Times are in ms here.")
        if near(found, -1 / math.log(recording[1])):
            raise Wrong(
                "That is right only for a recording that starts at 1: use a ratio of two values."
            )
        raise Wrong(f"For a recording with tau = {tau:.2f} ms you return {found:.2f} ms.")


@exercise(2, "where does i settle? and where does v settle, given that i?")
def rheobase_per_step(answer, rng) -> None:
    """`rheobase_per_step(tau, tau_syn, dt) -> x`: just enough in every step to fire."""
    for _ in range(3):
        tau, tau_syn, dt = rng.uniform(15, 30), rng.uniform(3, 8), float(rng.choice([0.5, 1.0]))
        leak, synapse = 1 - float(exp_decay(tau, dt)), 1 - float(exp_decay(tau_syn, dt))
        x = number(answer(tau, tau_syn, dt), "x")
        given = f"(tau {tau:.1f}, tau_syn {tau_syn:.1f}, dt {dt:g} ms)"
        if near(x, leak * synapse, 0.01):
            continue
        if near(x, leak):
            raise Wrong("That is enough for a neuron without a synapse. With one, i adds up too.")
        if near(x, synapse):
            raise Wrong(
                "That makes i settle at 1. The membrane then integrates i: one more factor."
            )
        if near(x, dt / tau * dt / tau_syn, 0.01):
            raise Wrong("dt/tau is Euler's factor; the exact one is 1 - exp(-dt/tau).")
        if near(x, 1 / (leak * synapse), 0.01):
            raise Wrong("That is where v settles for x = 1. Which x makes it settle at 1?")
        layer = LIFLayer(tau=tau, dt=dt, tau_syn=tau_syn, reset="none")
        with torch.no_grad():
            h = layer(torch.full((4000, 1), x, dtype=torch.float64), trace=True)[2].v[-1]
        raise Wrong(f"With your x = {x:.5f} {given}, v settles at {h.item():.3f}, not at 1.")


@exercise(3, "no interval is shorter than the refractory time: f < 1 / t_ref.")
def speed_limit(answer, rng) -> None:
    """`speed_limit(rate) -> t_ref (ms)`: no current drives the neuron faster than `rate` Hz."""
    for interval in rng.choice(np.arange(4.0, 30.0, 0.5), 3, replace=False):
        rate = 1000 / interval
        refractory = number(answer(rate), "the refractory time")
        if near(refractory, interval):
            continue
        if near(refractory, interval / 1000):
            raise Wrong(f"{refractory:.4f} is in seconds. Times are in ms here.")
        if near(refractory, rate / 1000):
            raise Wrong("That is the rate in spikes per ms. The refractory time is its inverse.")
        if refractory < 0:
            raise Wrong(f"A refractory time of {refractory:g} ms ends before it begins.")
        limit = f"{1000 / refractory:.1f} Hz" if refractory > 0 else "without a limit"
        raise Wrong(f"For {rate:.1f} Hz you return {refractory:.2f} ms; that would be {limit}.")


@exercise(4, "run LIFLayer(tau, dt, reset=...) on constant_drive(current, tau=tau, dt=dt).")
def coarse_rate(answer, rng) -> None:
    """`coarse_rate(current, reset, tau, dt) -> Hz`, from the mean interval between spikes."""
    for reset in rng.permutation(["subtract", "zero", "subtract", "zero"]):
        current, tau = rng.uniform(2, 15), rng.uniform(15, 30)
        dt = float(rng.choice([0.5, 2.0]))
        found = number(answer(current, str(reset), tau, dt), "the rate")

        def measured(drive, reset=str(reset), step=dt, tau=tau):
            x = torch.full((round(2000 / step), 1), drive, dtype=torch.float64)
            with torch.no_grad():
                spikes = LIFLayer(tau=tau, dt=step, reset=reset)(x)[0][:, 0].numpy()  # type: ignore[arg-type]
            return 1000 / (np.diff(np.flatnonzero(spikes)).mean() * step)

        drive = float(constant_drive(current, tau=tau, dt=dt))
        expected = measured(drive)
        if near(found, expected, 0.02):
            continue
        other = "zero" if reset == "subtract" else "subtract"
        said = (
            f"At I = {current:.1f}, dt = {dt:g} ms, reset {str(reset)!r} you measure {found:.1f} Hz"
        )
        formula = 1000 / (tau * math.log(current / (current - 1)))
        if near(found, expected / 1000, 0.02):
            raise Wrong(f"{said}. That is per ms: a rate in Hz is 1000 over an interval in ms.")
        if near(found, 1000 / expected, 0.02):
            raise Wrong(f"{said}. That is the interval in ms; the rate is 1000 over it.")
        if near(found, formula, 1e-9):
            raise Wrong(f"{said}. That is the formula, without steps: measure it.")
        if near(found, measured(current), 0.02):
            raise Wrong(f"{said}. The current was used unscaled: scale it with constant_drive.")
        if near(found, measured(drive, other), 0.02) and not near(measured(drive, other), expected):
            raise Wrong(f"{said}. That is the rate with reset {other!r}: is the argument used?")
        if near(found, dt * expected, 0.02) or near(found, expected / dt, 0.02):
            raise Wrong(
                f"{said}, which is {found / expected:g} times as much: is dt used correctly?"
            )
        one_ms = float(constant_drive(current, tau=tau, dt=1.0))
        if near(found, measured(one_ms, step=1.0), 0.02):
            raise Wrong(f"{said}. That is the rate at a step of 1 ms: is dt used?")
        raise Wrong(f"{said}; the library measures {expected:.1f} Hz.")


@exercise(5, "first leak and input, then the comparison, then the reset; return what it leaves.")
def from_memory(answer, rng) -> None:
    """`from_memory(x, tau, dt, threshold) -> spikes, v`, each `[T]`; reset by subtraction."""
    tau, dt = rng.uniform(8, 30), float(rng.choice([0.5, 1.0, 2.0]))
    threshold = rng.uniform(0.5, 2.0)
    drive = (1 - exp_decay(tau, dt)) * threshold
    x = drive * rng.uniform(0.5, 4.0, 200)
    pair = answer(x, tau, dt, threshold)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("from_memory should return two arrays: the spikes, and v after the reset.")
    spikes, v = array(pair[0], x.shape, "spikes"), array(pair[1], x.shape, "v")
    layer = LIFLayer(tau=tau, dt=dt, threshold=threshold)
    with torch.no_grad():
        expected, _, trace = layer(torch.tensor(x)[:, None], trace=True)
    expected, v_expected = expected[:, 0].numpy(), trace.v[:, 0].numpy()
    if not np.isin(spikes, (0, 1)).all():
        raise Wrong("Spikes are 0 or 1.")
    if np.array_equal(spikes, expected) and np.allclose(v, v_expected, atol=1e-9):
        return
    for kind, words in _SLIPS.items():
        s_slip, v_slip = _slipped(x, tau / dt, threshold, kind)
        if np.array_equal(spikes, s_slip) and np.allclose(v, v_slip, atol=1e-6):
            raise Wrong(words)
    if spikes.sum() == 0:
        raise Wrong(f"Your neuron never fires (the library's: {expected.sum():.0f} times).")
    step = int(np.argmax((spikes != expected) | ~np.isclose(v, v_expected, atol=1e-6)))
    raise Wrong(
        f"Up to step {step} all is well. There x = {x[step]:.3f}, and you have v = {v[step]:.3f} "
        f"and {spikes[step]:.0f} spikes; the definition gives {v_expected[step]:.3f} and "
        f"{expected[step]:.0f} (tau {tau:.1f}, dt {dt:g}, threshold {threshold:.2f})."
    )


#: Common mistakes, and the feedback for each.
_SLIPS = {
    "none": "Your neuron fires, but v does not return to rest: look at the reset.",
    "zero": "Your reset goes to 0. Here it subtracts the threshold: what h had above it stays.",
    "one": "Your reset subtracts 1. It should subtract the threshold, which need not be 1.",
    "no leak": "Your neuron never forgets: v is not multiplied by exp(-dt/tau).",
    "euler": "Your factor is 1 - dt/tau, Euler's. The exact one is exp(-dt/tau).",
    "leak after": "Your input leaks before it counts: the factor belongs only to the old v.",
    "scaled": "Your x is scaled by 1 - exp(-dt/tau) again: here it is already the jump of v.",
    "upside down": "Your factor is exp(-tau/dt). It is the step over the time constant.",
    "threshold 1": "Your neuron fires at 1, whatever the threshold is: use the argument.",
    "before": "The spikes are right. Your v is from before the reset; return it after the reset.",
    "late": "Your spikes come a step late: compare h of this step, not v of the last.",
}


def _slipped(x, steps, threshold, kind) -> tuple[np.ndarray, np.ndarray]:
    """The neuron with one mistake; `steps` is tau in steps."""
    v, rows, beta = 0.0, [], math.exp(-1 / steps)
    factor = {"no leak": 1.0, "euler": 1 - 1 / steps, "upside down": math.exp(-steps)}
    x = (1 - beta) * x if kind == "scaled" else x
    for x_t in x:
        decay = factor.get(kind, beta)
        h = beta * (v + x_t) if kind == "leak after" else decay * v + x_t
        compared = v if kind == "late" else h
        s = float(compared >= (1.0 if kind == "threshold 1" else threshold))
        v = {"none": h, "zero": h * (1 - s), "one": h - s}.get(kind, h - threshold * s)
        rows.append((s, h if kind == "before" else v))
    spikes, shown = np.array(rows).T
    return spikes, shown
