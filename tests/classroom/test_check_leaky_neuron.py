"""Lesson 101's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest

from jarvis.classroom.check import leaky_neuron as check

SEEDS = range(20)


def read_circuit(r, tau, e_leak, v):
    return 1000 * tau / r, 1000 * (v - e_leak) / r


def measure_tau(recording):
    return 10 / math.log(recording[5] / recording[15])


def first_spike(current, tau, threshold):
    return tau * math.log(current / (current - threshold)) if current > threshold else math.inf


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
    assert check.read_circuit(read_circuit, seed=seed)
    assert check.read_circuit(lambda *given: np.array(read_circuit(*given)).tolist(), seed=seed)
    assert check.measure_tau(measure_tau, seed=seed)
    assert check.first_spike(first_spike, seed=seed)
    assert check.from_memory(neuron, seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r, tau, e, v: (tau / r, 1000 * (v - e) / r), "in nanofarads"),
        (lambda r, tau, e, v: (r * tau, 1000 * (v - e) / r), "the product of R and tau"),
        (lambda r, tau, e, v: (1000 * r / tau, 0), "Divide tau by R"),
        (lambda r, tau, e, v: (1200 * tau / r, 0), "the capacitance is not"),
        (lambda r, tau, e, v: (1000 * tau / r, 1000 * v / r), "subtract e_leak"),
        (lambda r, tau, e, v: (1000 * tau / r, (v - e) / r), "in nanoamperes"),
        (lambda r, tau, e, v: (1000 * tau / r, 1000 * (e - v) / r), "in the wrong direction"),
        (lambda r, tau, e, v: (1000 * tau / r, r * (v - e)), "divide by R"),
        (lambda r, tau, e, v: (1000 * tau / r, 0.0), "the current is not"),
        (lambda *given: read_circuit(*given)[::-1], "in the wrong order"),
        (lambda *given: read_circuit(*given)[0], "Return two numbers"),
    ],
)
def test_read_circuit(answer, words):
    for seed in SEEDS:
        assert words in check.read_circuit(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r: r[1] / r[0], "the factor by which v falls"),
        (lambda r: -math.log(r[1] / r[0]), "is its inverse"),
        (lambda r: 10 / math.log(r[15] / r[5]), "the sign is not"),
        (lambda r: 10 / math.log10(r[5] / r[15]), "use the natural logarithm"),
        (lambda r: math.log(2) * measure_tau(r), "to decay to one half"),
        (lambda r: measure_tau(r) / 1000, "in seconds"),
        (lambda r: -1 / math.log(r[1]), "starts at 1"),
        (lambda r: 1.02 * measure_tau(r), "which is not within 1 %"),
        (lambda r: r, "one number"),
        (lambda r: 20.0, "use the argument"),
    ],
)
def test_measure_tau(answer, words):
    for seed in SEEDS:
        assert words in check.measure_tau(answer, seed=seed).words


def test_measure_tau_accepts_one_percent_as_it_says():
    for seed in SEEDS:
        assert check.measure_tau(lambda r: round(measure_tau(r), 1), seed=seed)
        assert check.measure_tau(lambda r: 1.009 * measure_tau(r), seed=seed)
        assert not check.measure_tau(lambda r: 1.011 * measure_tau(r), seed=seed)


def test_measure_tau_by_the_nearest_sample():
    words = [
        check.measure_tau(lambda r: np.argmin(abs(r / r[0] - math.exp(-1))), seed=seed).words
        for seed in range(40)
    ]
    assert sum("the nearest sample" in said for said in words) > 20


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda i, tau, th: first_spike(i, tau, th) / 1000, "in seconds"),
        (lambda i, tau, th: -first_spike(i, tau, th), "invert the fraction"),
        (lambda i, tau, th: first_spike(i, 1.0, th), "Multiply by tau"),
        (
            lambda i, tau, th: first_spike(i, tau, th) / math.log(10),
            "the natural logarithm, math.log",
        ),
        (lambda i, tau, th: tau * th / i, "without a leak"),
        (lambda i, tau, th: tau * i, "when v is not at the threshold"),
        (lambda i, tau, th: first_spike(i, tau, th) if i >= th else 0.0, "You return".lower()),
        (
            lambda i, tau, th: first_spike(i, tau, th) if i != th else 99,
            "approaches it but never reaches it",
        ),
        (lambda i, tau, th: tau * math.log(i / (i - th)), "raised"),
        (lambda i, tau, th: None if i <= th else first_spike(i, tau, th), "Does every branch"),
    ],
)
def test_first_spike(answer, words):
    for seed in SEEDS:
        assert words in check.first_spike(answer, seed=seed).words


def test_first_spike_with_a_threshold_of_1():
    answer = lambda i, tau, th: first_spike(i, tau, 1.0)  # noqa: E731
    said = [check.first_spike(answer, seed=seed) for seed in SEEDS]
    assert not any(said)
    assert sum("threshold of 1" in verdict.words for verdict in said) > 10


def test_first_spike_where_there_is_none():
    for seed in SEEDS:
        late = check.first_spike(
            lambda i, tau, th: first_spike(i, tau, th) if i > th else 1e9, seed=seed
        )
        assert "For a current below the threshold you return 1000000000.0" in late.words
        words = check.first_spike(
            lambda i, tau, th: first_spike(i, tau, th) if i > th else "never", seed=seed
        ).words
        assert "you return 'never'" in words


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("none", "v does not return to rest: look at the reset"),
        ("zero", "sets v to 0"),
        ("one", "subtracts 1"),
        ("no leak", "never forgets"),
        ("euler", "Euler's"),
        ("leak after", "Only the old v leaks"),
        ("threshold 1", "fires at 1"),
        ("scaled", "already what the input adds to v"),
        ("upside down", "exp(-tau/dt)"),
        ("before", "before the reset"),
        ("late", "a step late"),
    ],
)
def test_from_memory(slip, words):
    for seed in range(4):
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

    assert "Your result is first wrong in step 21" in check.from_memory(drifting).words
