"""Notebook 01's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch

from jarvis import LIFLayer, constant_drive
from jarvis.classroom.check import lif_neuron as check
from jarvis.neurons import exp_decay

SEEDS = range(2)


def measure_tau(recording):
    return 10 / math.log(recording[5] / recording[15])


def rheobase_per_step(tau, tau_syn, dt):
    return (1 - exp_decay(tau, dt)) * (1 - exp_decay(tau_syn, dt))


def rates(current, reset, tau, dt, scale=True, duration=4000):
    drive = float(constant_drive(current, tau=tau, dt=dt)) if scale else current
    x = torch.full((round(duration / dt), 1), drive, dtype=torch.float64)
    spikes = LIFLayer(tau=tau, dt=dt, reset=reset)(x)[0]
    return 1000 / (np.diff(np.flatnonzero(spikes[:, 0].detach().numpy())).mean() * dt)


def neuron(x, tau, dt, threshold, slip=""):
    """By hand, with one slip."""
    beta = 1 - dt / tau if slip == "euler" else math.exp(-dt / tau)
    x = (1 - beta) * x if slip == "scaled" else x
    beta = math.exp(-tau / dt) if slip == "upside down" else beta
    v, spikes, potentials = 0.0, [], []
    for x_t in x:
        before = v
        h = v + x_t if slip == "no leak" else beta * v + x_t
        if slip == "leak after":
            h = beta * (v + x_t)
        s = float((before if slip == "late" else h) >= (1 if slip == "threshold 1" else threshold))
        v = h - threshold * s
        if slip == "zero" and s:
            v = 0.0
        if slip == "one":
            v = h - s
        if slip == "none":
            v = h
        spikes.append(s)
        potentials.append(h if slip == "before" else v)
    return np.array(spikes), np.array(potentials)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.measure_tau(measure_tau, seed=seed)
    assert check.rheobase_per_step(rheobase_per_step, seed=seed)
    assert check.speed_limit(lambda rate: 1000 / rate, seed=seed)
    assert check.coarse_rate(rates, seed=seed)
    assert check.from_memory(neuron, seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r: r[1] / r[0], "the factor by which v falls"),
        (lambda r: -math.log(r[1] / r[0]), "is its inverse"),
        (lambda r: 10 / math.log(r[15] / r[5]), "the sign is not"),
        (lambda r: math.log(2) * measure_tau(r), "decay to one half"),
        (lambda r: measure_tau(r) / 1000, "in seconds"),
        (lambda r: -1 / math.log(r[1]), "starts at 1"),
        (lambda r: np.argmin(abs(r / r[0] - 0.3)), "For a recording with tau"),
        (lambda r: r, "one number"),
    ],
)
def test_measure_tau(answer, words):
    assert words in check.measure_tau(answer, seed=1).words


def test_measure_tau_without_its_argument():
    assert "use the argument" in check.measure_tau(lambda r: 20.0, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda tau, tau_syn, dt: 1 - exp_decay(tau, dt), "without a synapse"),
        (lambda tau, tau_syn, dt: 1 - exp_decay(tau_syn, dt), "one more factor"),
        (lambda tau, tau_syn, dt: dt / tau * dt / tau_syn, "Euler's factor"),
        (lambda *given: 1 / rheobase_per_step(*given), "for x = 1"),
        (lambda *given: 2 * rheobase_per_step(*given), "v settles at 2.000"),
    ],
)
def test_rheobase_per_step(answer, words):
    assert words in check.rheobase_per_step(answer, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda rate: 1 / rate, "in seconds"),
        (lambda rate: rate / 1000, "spikes per ms"),
        (lambda rate: -5, "ends before it begins"),
        (lambda rate: 0, "without a limit"),
        (lambda rate: 12.5, "that would be 80.0 Hz"),
    ],
)
def test_speed_limit(answer, words):
    assert words in check.speed_limit(answer, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: rates(*given) / 1000, "per ms"),
        (lambda *given: 1000 / rates(*given), "the interval in ms"),
        (lambda *given: rates(*given, scale=False), "constant_drive"),
        (lambda c, reset, tau, dt: rates(c, "zero", tau, dt), "is the argument used?"),
        (lambda *given: 1.5 * rates(*given), "the library measures"),
        (lambda c, reset, tau, dt: rates(c, reset, tau, 1.0), "is dt used?"),
        (lambda c, reset, tau, dt: dt * rates(c, reset, tau, dt), "is dt used correctly?"),
        (lambda c, reset, tau, dt: 1000 / (tau * math.log(c / (c - 1))), "That is the formula"),
    ],
)
def test_coarse_rate(answer, words):
    assert words in check.coarse_rate(answer, seed=1).words


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("none", "v does not return to rest: look at the reset"),
        ("zero", "goes to 0"),
        ("one", "subtracts 1"),
        ("no leak", "never forgets"),
        ("euler", "Euler's"),
        ("leak after", "belongs only to the old v"),
        ("threshold 1", "fires at 1"),
        ("scaled", "already the jump of v"),
        ("upside down", "exp(-tau/dt)"),
        ("before", "before the reset"),
        ("late", "a step late"),
    ],
)
def test_from_memory(slip, words):
    for seed in SEEDS:
        answer = check.from_memory(lambda *given: neuron(*given, slip=slip), seed=seed)
        assert words in answer.words


def test_from_memory_otherwise_wrong():
    silent = lambda x, *_: (0 * x, 0 * x)  # noqa: E731
    assert "never fires" in check.from_memory(silent).words
    assert "two arrays" in check.from_memory(lambda x, *_: x).words
    assert "Spikes are 0 or 1" in check.from_memory(lambda x, *_: (x, x)).words

    def drifting(x, *rest):
        spikes, v = neuron(x, *rest)
        return spikes, v + 1e-3 * (np.arange(len(v)) > 20)

    assert "Up to step 21 all is well" in check.from_memory(drifting).words
