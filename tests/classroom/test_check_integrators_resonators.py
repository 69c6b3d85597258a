"""Lesson 603's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

from jarvis.classroom.check import integrators_resonators as check
from jarvis.neurons import SpikingLayer
from jarvis.neurons.izhikevich import IZHIKEVICH_PATTERNS, izhikevich_pattern
from jarvis.neurons.resonator import RF

SEEDS = range(3)


def limit(damping, omega):
    return 2 * damping / (damping**2 + omega**2)


def upward(recording):
    return np.flatnonzero((recording[:-1] < 0) & (recording[1:] >= 0))


def period(recording, dt):
    return np.diff(upward(recording)).mean() * dt


def by_maxima(recording, dt):
    inner = recording[1:-1]
    (tops,) = np.nonzero((inner > recording[:-2]) & (inner >= recording[2:]))
    return np.diff(tops).mean() * dt


def by_spectrum(recording, dt):
    k = 1 + np.abs(np.fft.rfft(recording))[1:].argmax()
    return len(recording) * dt / k


def rises(response, spacings=np.arange(0.0, 250.0), by=0.01):  # noqa: B008
    heights = np.array([response(s) for s in spacings])
    return (heights - np.minimum.accumulate(heights)).max() > by


def classify(response, **options):
    return "resonator" if rises(response, **options) else "integrator"


def smallest(params):
    return params.threshold / (params.pulse_peak * params.rebound)


def by_simulation(params):
    """Bisection on whether the neuron fires."""
    low, high = 0.0, 100.0
    for _ in range(18):
        size = (low + high) / 2
        x = torch.zeros(500, 1, dtype=torch.float64)
        x[0] = -size
        fires = SpikingLayer(RF(params))(x)[0].any()
        low, high = (low, size) if fires else (size, high)
    return high


def compare(name, factor=10.0, **options):
    options = options or {"dt": IZHIKEVICH_PATTERNS[name].dt / factor}
    return check.count(name), check.count(name, **options)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.largest_euler_dt(limit, seed=seed)
    assert check.period(period, seed=seed)
    assert check.period(by_maxima, seed=seed)
    assert check.classify(classify, seed=seed)
    assert check.classify(lambda r: "Resonator" if rises(r) else "Integrator", seed=seed)
    below_one = lambda r: "resonator" if r(np.arange(250.0)).min() < 0.97 else "integrator"  # noqa: E731
    assert check.classify(below_one, seed=seed)
    assert check.smallest_inhibition(smallest, seed=seed)
    assert check.smallest_inhibition(by_simulation, seed=seed)
    assert check.compare(compare, seed=seed)


def test_euler_by_bisection():
    def by_growth(damping, omega):
        low, high = 1e-6, 1 / omega
        for _ in range(50):
            dt = (low + high) / 2
            grows = abs(1 + dt * complex(-damping, omega)) > 1
            low, high = (low, dt) if grows else (dt, high)
        return dt

    assert check.largest_euler_dt(by_growth, seed=0)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda damping, omega: limit(damping, omega) / 2, "half the right step"),
        (lambda damping, omega: 2 * damping / omega**2, "left out (damping dt)^2"),
        (lambda damping, omega: 2 / damping, "for a leaky neuron"),
        (lambda damping, omega: 1 / omega, "That is 1/omega"),
        (lambda damping, omega: math.pi / omega, "shows another frequency"),
        (lambda damping, omega: damping * limit(damping, omega), "Divide by the damping"),
        (lambda damping, omega: -limit(damping, omega), "must be positive"),
        (lambda damping, omega: 1.2 * limit(damping, omega), "the amplitude grows"),
        (lambda damping, omega: 0.9 * limit(damping, omega), "the amplitude decays"),
        (lambda damping, omega: "2 ms", "should be a number"),
    ],
)
def test_largest_euler_dt(answer, words):
    for seed in SEEDS:
        assert words in check.largest_euler_dt(answer, seed=seed).words


def first_top(recording, dt):
    return recording.argmax() * dt


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r, dt: period(r, dt) / 2, "half a period"),
        (lambda r, dt: 2 * period(r, dt), "two periods"),
        (lambda r, dt: period(r, 1.0), "a number of steps"),
        (lambda r, dt: 1 / period(r, dt), "the frequency in 1/ms"),
        (lambda r, dt: 1000 / period(r, dt), "the frequency in Hz"),
        (lambda r, dt: 2 * math.pi / period(r, dt), "That is omega"),
        (first_top, "time of the first maximum"),
        (lambda r, dt: len(r) * dt, "length of the recording"),
        (by_spectrum, "too coarse"),
        (lambda r, dt: 1.3 * period(r, dt), "repeats itself after"),
        (lambda r, dt: r, "should be one number"),
    ],
)
def test_period(answer, words):
    for seed in SEEDS:
        assert words in check.period(answer, seed=seed).words


def test_responses_agree_with_neurons():
    """The closed forms that the check hands out, against simulated neurons."""
    from jarvis import LIF

    dt, spacings = 0.05, np.array([0.0, 7.0, 20.0, 45.0])
    x = torch.zeros(6000, 5, dtype=torch.float64)
    x[0] = 1.0
    for k, s in enumerate(spacings):
        x[round(s / dt), k] += 1.0
    silent = dict(reset="none", dt=dt)
    for neuron, field, response in (
        (LIF(tau=30.0, **silent), "h", check.leaky(30.0)),
        (LIF(tau=30.0, tau_syn=5.0, **silent), "h", check.leaky(30.0, 5.0)),
        (RF(damping=0.02, omega=0.15, **silent), "im", check.ringing(2 * math.pi / 0.15, 0.02)),
    ):
        v = getattr(SpikingLayer(neuron)(x, trace=True)[2], field).numpy()
        tops = np.array([v[round(s / dt) :, k].max() for k, s in enumerate(spacings)])
        assert tops / v[:, 4].max() == pytest.approx(response(spacings), rel=2e-3)
        assert response(7.0) == pytest.approx(np.asarray(response(spacings))[1])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r: "integrator", "six neurons an integrator"),
        (lambda r: "resonator", "six neurons a resonator"),
        (lambda r: "integrator" if rises(r) else "resonator", "the wrong way round"),
        (lambda r: rises(r), "Return"),
        (lambda r: classify(r, spacings=np.arange(0, 70.0)), "long enough"),
        (lambda r: classify(r, spacings=np.array([0.0, 60.0])), "more than two spacings"),
        (lambda r: "resonator" if rises(r) or r(20.0) < 1.4 else "integrator", "never rises in"),
    ],
)
def test_classify(answer, words):
    for seed in SEEDS:
        assert words in check.classify(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p: p.threshold / p.pulse_peak, "size of an excitatory pulse"),
        (lambda p: -smallest(p), "as a positive number"),
        (lambda p: 1 / (p.pulse_peak * p.rebound), "for a threshold of 1"),
        (lambda p: p.threshold / p.rebound, "left out pulse_peak"),
        (lambda p: p.threshold / (p.pulse_peak * p.rebound**2), "goes down again"),
        (lambda p: p.threshold / (p.pulse_peak * p.rebound**3), "the fourth half-wave"),
        (lambda p: p.pulse_peak * p.rebound, "height after a pulse of 1"),
        (lambda p: 1.07 * smallest(p), "Im z rises to"),
        (lambda p: -0.1, "Return the size as a positive number"),
    ],
)
def test_smallest_inhibition(answer, words):
    for seed in SEEDS:
        assert words in check.smallest_inhibition(answer, seed=seed).words


def times(name):
    neuron, current, state = izhikevich_pattern(name)
    return SpikingLayer(neuron)(current, state)[0].nonzero()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda name: compare(name)[::-1], "published grid first"),
        (lambda name: compare(name, factor=1), "Do you pass dt on?"),
        (lambda name: compare(name, dt=0.1), "The second is the count with dt = 0.1 ms"),
        (lambda name: (compare(name)[0], 99), "ms it fires"),
        (lambda name: (99, compare(name)[1]), "On the published grid it fires"),
        (lambda name: compare(name)[1], "Return two numbers"),
        (times, "Return two numbers"),
    ],
)
def test_compare(answer, words):
    for seed in SEEDS:
        assert words in check.compare(answer, seed=seed).words


def test_stubs_are_unanswered():
    for name in ("largest_euler_dt", "period", "classify", "smallest_inhibition", "compare"):
        verdict = getattr(check, name)(lambda *args: None)
        assert not verdict
        assert not verdict.answered
