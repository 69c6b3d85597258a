"""Checks of lesson 603: Euler's step, a period, doublets, rebound, patterns on a finer grid."""

import math
from collections.abc import Callable

import numpy as np

from jarvis.classroom.check.verdict import Wrong, exercise, near, number
from jarvis.neurons.izhikevich import IZHIKEVICH_PATTERNS, izhikevich_pattern
from jarvis.neurons.layer import SpikingLayer
from jarvis.neurons.resonator import RFParams


@exercise(
    1,
    hints=(
        "The amplitude neither grows nor decays when the factor per step has absolute value 1.",
        "Solve (1 - damping dt)^2 + (omega dt)^2 = 1 for dt; dt = 0 is the other solution.",
        "2 * damping / (damping**2 + omega**2)",
    ),
)
def largest_euler_dt(answer, rng) -> None:
    """`largest_euler_dt(damping, omega) -> ms`: above it, Euler's oscillation grows."""
    for _ in range(3):
        omega = rng.uniform(0.05, 0.5)
        damping = omega * rng.uniform(0.1, 0.5)
        found = number(answer(damping, omega), "the step")
        expected = 2 * damping / (damping**2 + omega**2)
        if near(found, expected, 5e-3):
            continue
        slips = {
            "That is half the right step. Solve the quadratic equation again.": expected / 2,
            "You left out (damping dt)^2, which comes from squaring the real part.":
                2 * damping / omega**2,
            "That is the limit for a leaky neuron, which does not rotate.": 2 / damping,
            "That is 1/omega. The limit also depends on the damping.": 1 / omega,
            "Beyond that step even the exact method shows another frequency. Euler's oscillation "
            "already grows at smaller steps.":
                math.pi / omega,
            "That is the largest damping * dt. Divide by the damping to get dt.":
                expected * damping,
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 5e-3):
                raise Wrong(words)
        if found <= 0:
            raise Wrong(f"You return {found:.3g} ms. A step must be positive.")
        factor = abs(1 + found * complex(-damping, omega))
        way = "grows" if factor > 1 else "decays"
        raise Wrong(
            f"For damping = {damping:.3f} and omega = {omega:.3f} you return {found:.3f} ms. With "
            f"that step the amplitude {way}: it is multiplied by {factor:.4f}, not by 1."
        )


@exercise(
    2,
    hints=(
        "Where does the recording cross 0? It crosses twice in each period.",
        "Find the steps at which it rises through 0, and take the mean distance between them.",
        "up = np.flatnonzero((recording[:-1] < 0) & (recording[1:] >= 0)); dt * np.diff(up).mean()",
    ),
)
def period(answer, rng) -> None:
    """`period(recording, dt) -> ms`, within 3 %."""
    for _ in range(4):
        true = rng.uniform(15, 80)
        dt, omega = true / rng.uniform(90, 150), 2 * math.pi / true
        damping = omega / rng.uniform(15, 40)
        t = dt * np.arange(round(rng.uniform(3.3, 5.7) * true / dt))
        recording = rng.choice([-1, 1]) * np.exp(-damping * t) * np.sin(omega * t)
        found = number(answer(recording, dt), "the period")
        if near(found, true, 0.03):
            continue
        delay = math.atan2(omega, damping) / omega
        slips = {
            "That is half a period: the time from one zero crossing to the next, or from a maximum "
            "to the next minimum. Count crossings in one direction only.": true / 2,
            "That is two periods.": 2 * true,
            "That is a number of steps. Multiply by dt.": true / dt,
            "That is the frequency in 1/ms. The period is its inverse.": 1 / true,
            "That is the frequency in Hz.": 1000 / true,
            "That is omega. The period is 2 pi / omega.": omega,
            "That is the time of the first maximum, which comes a quarter of a period after an "
            "excitatory pulse and three quarters of a period after an inhibitory one.":
                delay if recording.max() > -recording.min() else delay + true / 2,
            "That is the length of the recording.": len(t) * dt,
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 0.03):
                raise Wrong(words)
        said = f"You return {found:.2f} ms. This recording repeats itself after {true:.2f} ms"
        if any(near(found, len(t) * dt / k, 2e-3) for k in range(2, 8)):
            raise Wrong(
                f"{said}. The frequencies of a discrete Fourier transform are multiples of "
                "1/duration, which is too coarse here. Measure the time between crossings instead."
            )
        raise Wrong(f"{said}.")


Response = Callable[[np.ndarray | float], np.ndarray | float]


def leaky(tau: float, tau_syn: float = 0.0) -> Response:
    """Ratio of a leaky neuron's responses to two pulses and to one; tau_syn (ms) adds a synapse."""

    def top(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        t = np.log(b * tau / (a * tau_syn)) / (1 / tau_syn - 1 / tau)
        t = np.maximum(t, 0.0)
        return a * np.exp(-t / tau) - b * np.exp(-t / tau_syn)

    def response(spacing: np.ndarray | float) -> np.ndarray | float:
        s = np.asarray(spacing, dtype=float)
        a = 1 + np.exp(-s / tau)
        found = a if not tau_syn else top(a, 1 + np.exp(-s / tau_syn)) / top(s * 0 + 1, s * 0 + 1)
        return found if np.ndim(spacing) else float(found)

    return response


def ringing(period: float, damping: float) -> Response:
    """Ratio of a resonator's responses to two pulses and to one."""
    omega = 2 * math.pi / period

    def response(spacing: np.ndarray | float) -> np.ndarray | float:
        z = 1 + np.exp(complex(-damping, omega) * np.asarray(spacing, dtype=float))
        found = np.abs(z) * np.exp(damping / omega * np.angle(z))
        return found if np.ndim(spacing) else float(found)

    return response


@exercise(
    3,
    hints=(
        "What does a resonator's response do that an integrator's never does?",
        "Compute the response at many spacings between 0 and 200 ms, and look for a rise.",
        "np.diff(response(np.arange(0, 200.0))).max() > 1e-3 is true for a resonator.",
    ),
)
def classify(answer, rng) -> None:
    """`classify(response) -> "integrator" or "resonator"`, for six neurons."""
    neurons = [
        ("integrator", leaky(rng.uniform(4, 20)), ""),
        ("integrator", leaky(rng.uniform(60, 150)), ""),
        ("integrator", leaky(rng.uniform(20, 40), rng.uniform(2, 8)), ""),
    ]
    for low, high in ((15, 22), (40, 90), (150, 200)):
        long = rng.uniform(low, high)
        neuron = ringing(long, 2 * math.pi / long / rng.uniform(6, 12))
        neurons.append(("resonator", neuron, f"{long:.0f}"))
    given, wrong = [], []
    for k in rng.permutation(len(neurons)):
        kind, response, long = neurons[k]
        said = answer(response)
        if not isinstance(said, str) or said.strip().lower() not in ("integrator", "resonator"):
            raise Wrong(f'Return "integrator" or "resonator". You returned {said!r:.40}.')
        given.append(said.strip().lower())
        if given[-1] != kind:
            wrong.append((kind, long, response))
    if not wrong:
        return
    if len(set(given)) == 1:
        raise Wrong(
            f"You call every one of the six neurons {_a(given[0])}, but three of them are not. Do "
            "you look at more than two spacings?"
        )
    if len(wrong) == len(neurons):
        raise Wrong("Your six answers are all the wrong way round.")
    kind, long, response = wrong[0]
    if kind == "integrator":
        tail = response(np.array([0.0, 20.0, 200.0]))
        raise Wrong(
            f"You call a leaky neuron a resonator. Its response is {tail[0]:.2f} at a spacing of "
            f"0, {tail[1]:.2f} at 20 ms and {tail[2]:.2f} at 200 ms, and never rises in between. "
            "(Two values that should be equal may differ by 1e-16: require a rise of at least "
            "0.01, say.)"
        )
    half = float(long) / 2
    raise Wrong(
        f"You call a resonator with a period of {long} ms an integrator. Its response falls until "
        f"about {half:.0f} ms and rises until {long} ms. Are your spacings long enough, and are "
        "they close enough together?"
    )


def _a(kind: str) -> str:
    return f"an {kind}" if kind == "integrator" else f"a {kind}"


@exercise(
    4,
    hints=(
        "How far does Im z fall after a pulse of that size, and how high does it rise half a "
        "period later?",
        "The height after inhibition is size * pulse_peak * rebound; it must reach the threshold.",
        "params.threshold / (params.pulse_peak * params.rebound)",
    ),
)
def smallest_inhibition(answer, rng) -> None:
    """`smallest_inhibition(params) -> size > 0` of an inhibitory pulse that just causes a spike."""
    for _ in range(3):
        long = rng.uniform(20, 100)
        omega = 2 * math.pi / long
        p = RFParams(
            omega=omega, damping=omega / rng.uniform(4, 15), threshold=rng.uniform(1.3, 3.0),
            dt=long / 400,
        )  # fmt: skip
        theta, peak, rebound = p.plain().threshold, p.pulse_peak, p.rebound
        found, expected = number(answer(p), "the size"), theta / (peak * rebound)
        if near(found, expected, 0.01):
            continue
        slips = {
            "That is the size of an excitatory pulse that makes the neuron fire. After inhibition "
            "the first half-wave goes down; only the second, smaller by the factor `rebound`, goes "
            "up.": theta / peak,
            "The size is right, but return it as a positive number.": -expected,
            "That is right for a threshold of 1. This neuron's threshold is params.threshold.":
                expected / theta,
            "You left out pulse_peak: a pulse of 1 lifts Im z by less than 1.": theta / rebound,
            "You use the fourth half-wave. The second one already goes up, and higher.":
                theta / (peak * rebound**3),
            "You use the third half-wave, which goes down again.":
                theta / (peak * rebound**2),
            "That is the height after a pulse of 1. Which size raises it to the threshold?":
                peak * rebound,
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 0.01):
                raise Wrong(words)
        if found <= 0:
            raise Wrong(f"You return {found:.3f}. Return the size as a positive number.")
        height = found * peak * rebound
        raise Wrong(
            f"You return {found:.3f}. After that pulse Im z rises to {height:.3f}; the threshold "
            f"is {theta:.3f}."
        )


@exercise(
    5,
    hints=(
        "Run the pattern twice, with its own dt and with a tenth of it, and count the spikes.",
        "izhikevich_pattern(name, dt=IZHIKEVICH_PATTERNS[name].dt / 10) uses the finer grid.",
        "neuron, current, state = izhikevich_pattern(...); "
        "int(SpikingLayer(neuron)(current, state)[0].sum())",
    ),
)
def compare(answer, rng) -> None:
    """`compare(name) -> (number of spikes with the published dt, number with dt / 10)`."""
    changing = ["phasic_bursting", "rebound_burst", "bistability", "class_2", "mixed_mode"]
    others = ["tonic_spiking", "class_1", "rebound_spike", "spike_latency"]
    asked = [*rng.choice(changing, 2, replace=False), rng.choice(others)]
    for name in map(str, rng.permutation(asked)):
        given = answer(name)
        if np.size(given) != 2:
            raise Wrong(
                "Return two numbers: the spike count with the published dt, and the one with dt / "
                "10."
            )
        found = tuple(round(number(each, "a count")) for each in given)
        dt = IZHIKEVICH_PATTERNS[name].dt
        expected = (count(name), count(name, dt=dt / 10))
        if found == expected:
            continue
        said = f"For {name} you return {found[0]} and {found[1]}."
        if found == expected[::-1]:
            raise Wrong(f"{said} Return the count on the published grid first.")
        if found[0] != expected[0]:
            raise Wrong(f"{said} On the published grid it fires {_times(expected[0])}.")
        if found[1] == expected[0]:
            raise Wrong(f"{said} Both are counts on the published grid. Do you pass dt on?")
        if found[1] == count(name, dt=0.1):
            raise Wrong(
                f"{said} The second is the count with dt = 0.1 ms. A tenth of the pattern's own dt "
                f"is {dt / 10:g} ms."
            )
        raise Wrong(f"{said} With dt = {dt / 10:g} ms it fires {_times(expected[1])}.")


def _times(n: int) -> str:
    return "once" if n == 1 else f"{n} times"


def count(name: str, **options) -> int:
    """Number of spikes of a pattern."""
    neuron, current, state = izhikevich_pattern(name, **options)
    return int(SpikingLayer(neuron)(current, state)[0].sum())
