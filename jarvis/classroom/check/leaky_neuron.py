"""Checks of lesson 101: a membrane as a circuit, its time constant, first spike, whole neuron."""

import math
from typing import Any

import numpy as np
import torch

from jarvis.classroom.check._reasons import explained
from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.lif import LIFLayer
from jarvis.neurons.decay import exp_decay


@exercise(
    1,
    hints=(
        "Both answers follow from the equation of section 1: tau = R C, and V settles where "
        "dV/dt = 0.",
        "ms over MOhm gives nanofarads, and mV over MOhm gives nanoamperes: multiply both by 1000.",
        "1000 * tau / resistance, and 1000 * (potential - e_leak) / resistance.",
    ),
)
def read_circuit(answer, rng) -> None:
    """`read_circuit(R, tau, e_leak, V) -> (C (pF), I (pA))`, from MOhm, ms and mV."""
    for _ in range(3):
        r, c = rng.uniform(50, 200), rng.uniform(80, 300)
        e_leak, current = rng.uniform(-75, -60), rng.uniform(40, 200) * rng.choice([-1, 1])
        tau, lift = r * c / 1000, r * current / 1000
        pair = answer(r, tau, e_leak, e_leak + lift)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("Return two numbers: the capacitance, and the current.")
        mine = number(pair[0], "the capacitance"), number(pair[1], "the current")
        given = f"R = {r:.0f} MOhm, tau = {tau:.1f} ms, E_L = {e_leak:.1f} mV, V = "
        given += f"{e_leak + lift:.1f} mV"
        if near(mine[0], current) and near(mine[1], c):
            raise Wrong("Both numbers are right, but in the wrong order: return C first.")
        if not near(mine[0], c):
            raise Wrong(_wrong_capacitance(mine[0], c, r, given))
        if not near(mine[1], current):
            raise Wrong(_wrong_current(mine[1], current, r, e_leak, given))


def _wrong_capacitance(c: float, expected: float, r: float, given: str) -> str:
    tau = r * expected / 1000
    if near(c, expected / 1000):
        return f"Your capacitance, {c:.4f}, is in nanofarads. Return it in pF."
    if near(c, r * tau) or near(c, 1000 * r * tau) or near(c, r * tau / 1000):
        return "You return the product of R and tau. tau is the product of R and C: divide."
    if near(c, r / tau) or near(c, 1000 * r / tau) or near(c, r / tau / 1000):
        return "You divide R by tau. Divide tau by R."
    return f"With {given} the capacitance is not {c:.4g} pF."


def _wrong_current(current: float, expected: float, r: float, e_leak: float, given: str) -> str:
    lift = r * expected / 1000
    if near(current, 1000 * (e_leak + lift) / r):
        return "Your current lifts V from 0. The leak pulls V to E_L: subtract e_leak."
    if near(current, expected / 1000):
        return f"Your current, {current:.4f}, is in nanoamperes. Return it in pA."
    if near(current, -expected):
        return "Your current acts in the wrong direction: a positive current raises V."
    if near(current, r * lift) or near(current, 1000 * r * lift) or near(current, r * lift / 1000):
        return "You multiply by R. V is R I above rest, so divide by R."
    return f"With {given} the current is not {current:.4g} pA."


@exercise(
    2,
    hints=(
        "By which factor does the potential fall between two times that are d ms apart?",
        "v(t + d) / v(t) = exp(-d / tau). Solve this for tau.",
        "10 / math.log(recording[5] / recording[15]), for example.",
    ),
)
def measure_tau(answer, rng) -> None:
    """`measure_tau(recording) -> tau (ms)` of a decay with one value per ms, to 1 %."""
    cases, found = [], []
    for tau in rng.uniform(8, 30, 3):
        recording = rng.uniform(0.2, 0.9) * np.exp(-np.arange(rng.integers(40, 80)) / tau)
        cases.append((tau, recording))
        found.append(number(answer(recording), "tau"))
    if len(set(found)) == 1:
        raise Wrong(
            f"You return {found[0]:.2f} ms for three different recordings: use the argument."
        )
    wrong = [k for k in range(3) if not near(found[k], cases[k][0], 0.01)]
    if not wrong:
        return
    said = f"For a recording with tau = {cases[wrong[0]][0]:.2f} ms you return"
    said = f"{said} {found[wrong[0]]:.4g} ms"
    words = explained(found, cases, _TAU_SLIPS, lambda a, b: near(a, b, 0.01))
    words = words or explained(found, cases, [_HALF_TIME], lambda a, b: near(a, b, 0.1))
    if words:
        raise Wrong(f"{said}. {words}")
    if all(value == round(value) and abs(value - tau) <= 1
           for value, (tau, _) in zip(found, cases, strict=True)):  # fmt: skip
        raise Wrong(
            f"{said}, the nearest sample time. That is not within 1 %: use the ratio of two values."
        )
    raise Wrong(f"{said}, which is not within 1 %.")


#: Common mistakes, and the feedback for each.
_TAU_SLIPS = (
    (lambda case: math.exp(-1 / case[0]),
     "That is the factor by which v falls in 1 ms. It equals exp(-1/tau): take its logarithm."),
    (lambda case: 1 / case[0], "That is a rate, per ms. The time constant is its inverse."),
    (lambda case: -1 / case[0], "That is a rate, per ms. The time constant is its inverse."),
    (lambda case: -case[0],
     "The size is right, the sign is not: which of the two values is larger?"),
    (lambda case: case[0] * math.log(10),
     "That is tau times 2.3: use the natural logarithm, math.log."),
    (lambda case: case[0] / 1000, "That is tau in seconds. Times are in ms here."),
    (lambda case: -1 / math.log(case[1][1]),
     "That is right only for a recording that starts at 1: use a ratio of two values."),
)  # fmt: skip
_HALF_TIME = (
    lambda case: case[0] * math.log(2),
    "That is the time v takes to decay to one half. In one tau it decays to 1/e, about 37 %.",
)


@exercise(
    3,
    hints=(
        "Start from v(t) = I (1 - exp(-t/tau)). At which t is v equal to the threshold?",
        "exp(-t/tau) = (I - threshold) / I. Take the logarithm, but deal with weak currents first.",
        "tau * math.log(current / (current - threshold)) if current > threshold, else math.inf.",
    ),
)
def first_spike(answer, rng) -> None:
    """`first_spike(current, tau, threshold) -> ms`, math.inf if there is none."""
    for _ in range(3):
        tau, threshold = rng.uniform(8, 30), rng.uniform(0.4, 2.5)
        current = threshold * rng.uniform(1.1, 4)
        found = number(answer(current, tau, threshold), "the time of the first spike")
        expected = tau * math.log(current / (current - threshold))
        if near(found, expected):
            continue
        given = f"(current {current:.2f}, tau {tau:.1f} ms, threshold {threshold:.2f})"
        if current > 1 and near(found, tau * math.log(current / (current - 1))):
            raise Wrong("You assume a threshold of 1: use the argument.")
        if near(found, -expected):
            raise Wrong(f"{found:.2f} ms is before the current begins: invert the fraction.")
        if near(found, expected / tau):
            raise Wrong("That is the time in units of tau. Multiply by tau.")
        if near(found, expected / math.log(10)):
            raise Wrong("You use the logarithm to base 10: use the natural logarithm, math.log.")
        if near(found, tau * threshold / current):
            raise Wrong(
                "That is the time without a leak, when v rises in a straight line. The leak makes "
                "v reach the threshold later."
            )
        if near(found, expected / 1000):
            raise Wrong("That is in seconds. Return the time in ms.")
        raise Wrong(f"You return {found:.2f} ms {given}, when v is not at the threshold.")
    for share in (rng.uniform(0.2, 0.9), 1.0):
        tau, threshold = rng.uniform(8, 30), rng.uniform(0.4, 2.5)
        found = answer(share * threshold, tau, threshold)
        if not _infinite(found):
            where = "below the threshold" if share < 1 else "equal to the threshold"
            only = "stays below it" if share < 1 else "approaches it but never reaches it"
            raise Wrong(
                f"For a current {where} you return {found!r:.40}. Then v {only}: return math.inf."
            )


def _infinite(value: Any) -> bool:
    try:
        return float(value) == math.inf
    except (TypeError, ValueError):
        return False


@exercise(
    4,
    hints=(
        "A step has three lines, in this order: leak and input, comparison, reset. See section 6.",
        "The old v leaks; the new x does not. Compare before the reset, and store v after it.",
        "h = math.exp(-dt / tau) * v + x_n; s = float(h >= threshold); v = h - threshold * s.",
    ),
)
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
        raise Wrong(
            f"Your neuron never fires; the library's neuron fires {expected.sum():.0f} times."
        )
    step = int(np.argmax((spikes != expected) | ~np.isclose(v, v_expected, atol=1e-6)))
    raise Wrong(
        f"Your result is first wrong in step {step}. There x = {x[step]:.3f}, and you have "
        f"v = {v[step]:.3f} "
        f"and {spikes[step]:.0f} spikes; the definition gives {v_expected[step]:.3f} and "
        f"{expected[step]:.0f} (tau {tau:.1f}, dt {dt:g}, threshold {threshold:.2f})."
    )


#: Common mistakes, and the feedback for each.
_SLIPS = {
    "none": "Your neuron fires, but v does not return to rest: look at the reset.",
    "zero": "Your reset sets v to 0. Subtract the threshold instead, so that the rest of h stays.",
    "one": "Your reset subtracts 1. It should subtract the threshold, which need not be 1.",
    "no leak": "Your neuron never forgets: v is not multiplied by exp(-dt/tau).",
    "euler": "You use Euler's factor, 1 - dt/tau. The exact factor is exp(-dt/tau).",
    "leak after": "You multiply the input by the leak factor, too. Only the old v leaks.",
    "scaled": "You multiply x by 1 - exp(-dt/tau). x is already what the input adds to v.",
    "upside down": "Your factor is exp(-tau/dt). The exponent should be -dt/tau.",
    "threshold 1": "Your neuron always fires at 1. Use the argument `threshold`.",
    "before": "The spikes are right, but your v is from before the reset. Return v after it.",
    "late": "Your spikes come a step late: compare this step's h, not the last step's v.",
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
