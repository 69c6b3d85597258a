"""Lesson 605's checks: right answers pass, and each mistake is told by its name."""

import math

import pytest
import torch

from jarvis.classroom.check import conductances as check
from jarvis.neurons import ConductanceInputs, ConductanceLIF, ConductanceLIFParams, SpikingLayer

SEEDS = range(3)


def flow(p, g_exc, current, v):
    """pA into the cell at v, without inhibition."""
    return p.g_l * (p.e_l - v) + g_exc * (p.e_exc - v) + current


def inhibition(p, g_exc, current, v):
    return flow(p, g_exc, current, v) / (v - p.e_inh)


def settled(p, g_exc, current):
    """V with an excitation that stays open, and a threshold out of reach: by the library."""
    numbers = {name: getattr(p, name) for name in ("g_l", "e_l", "e_exc", "e_inh")}
    p = ConductanceLIFParams(**numbers, tau_exc=1e9, v_t=1e3)
    exc = torch.zeros(5000, 1, dtype=torch.float64)
    current = exc + current
    exc[0] = g_exc
    inputs = ConductanceInputs.of(exc, current=current)
    return SpikingLayer(ConductanceLIF(p), backend="eager")(inputs)[1].v.item()


def by_simulation(p, g_exc, current, v):
    """What flows at v is what moves V away from v without inhibition."""
    return (p.g_l + g_exc) * (settled(p, g_exc, current) - v) / (v - p.e_inh)


def peak(p, g, pulse=0.25):
    exc = torch.zeros(600, 1, dtype=torch.float64)
    inh = exc.clone()
    exc[0], inh[0] = pulse, g
    inputs = ConductanceInputs.of(exc, inh)
    trace = SpikingLayer(ConductanceLIF(p))(inputs, trace=True)[2]
    return (trace.h - p.e_l).max().item()


def halving(p, peak=peak):
    low, high, half = 0.0, 100 * p.g_l, peak(p, 0.0) / 2
    for _ in range(18):
        g = (low + high) / 2
        low, high = (g, high) if peak(p, g) > half else (low, g)
    return high


def fast(p):
    return halving(p, check.epsp_peak)


def transmitted(rate, U, tau_rec):
    return rate / (1 + U * rate * tau_rec / 1000)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.inhibition_for(inhibition, seed=seed)
    assert check.halving_inhibition(halving, seed=seed)
    assert check.halving_inhibition(fast, seed=seed)
    assert check.balanced_pair((12, 10.72), seed=seed)
    assert check.transmitted(transmitted, seed=seed)


def test_other_right_answers():
    assert check.inhibition_for(by_simulation, seed=0)
    assert check.balanced_pair(lambda: (6.0, 4.73), seed=0)
    assert check.balanced_pair(torch.tensor([24.0, 22.3]), seed=0)


def test_the_closed_form_of_the_peak():
    p = ConductanceLIFParams(e_inh=-60.0, tau_inh=1e9, v_t=1e3)
    for g in (0.0, 10.0, 30.0, 60.0):
        expected = 0.001 * 60 / 200 * check.epsp_peak(p, g)
        assert math.isclose(peak(p, g, pulse=0.001), expected, rel_tol=2e-3)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, e, c, v: (e * (p.e_exc - v) + c) / (v - p.e_inh), "left out the leak"),
        (lambda p, e, c, v: inhibition(p, 0, c, v), "left out the excitation"),
        (lambda p, e, c, v: inhibition(p, e, 0, v), "left out the current"),
        (lambda p, e, c, v: inhibition(p, e, -c, v), "wrong sign"),
        (lambda p, e, c, v: -inhibition(p, e, c, v), "is negative"),
        (flow, "current in pA"),
        (lambda p, e, c, v: -flow(p, e, c, v) / p.e_inh, "not by e_inh"),
        (lambda p, e, c, v: inhibition(p, e, c, p.e_l), "driving forces at rest"),
        (lambda p, e, c, v: inhibition(p, e, c, v) + p.g_l + e, "sum of the conductances"),
        (lambda p, e, c, v: (p.g_l * (p.e_l - v) + e * (p.e_inh - v) + c) / (v - p.e_exc),
         "are exchanged"),
        (lambda p, e, c, v: inhibition(p, e, c - e * p.e_exc, v), "You took 0 mV"),
        (lambda p, e, c, v: inhibition(p, e, c, v) + 0.5, "still flow into the cell"),
        (lambda p, e, c, v: "8 nS", "should be a number"),
    ],
)  # fmt: skip
def test_inhibition_for(answer, words):
    for seed in SEEDS:
        assert words in check.inhibition_for(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p: p.g_l, "halves the *steady* response"),
        (lambda p: fast(p) + p.g_l, "include the leak in the sum"),
        (lambda p: fast(p) / p.g_l, "in units of g_L"),
        (lambda p: fast(p) / 1000, "in uS"),
        (lambda p: -fast(p), "cannot be negative"),
        (lambda p: 1.1 * fast(p), "takes less inhibition"),
        (lambda p: 0.9 * fast(p), "takes more inhibition"),
    ],
)
def test_halving_inhibition(answer, words):
    for seed in SEEDS:
        assert words in check.halving_inhibition(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (12.0, "Give two numbers"),
        ((12, -10.7), "must not be negative"),
        ((12_000, 2_680), "rates of all synapses"),
        ((10.72, 12), "Excitation comes first"),
        ((2, 12), "far too strong"),
        ((1.49, 0), "still mean-driven"),
        ((12, 10), "too fast: more inhibition"),
        ((12, 11.5), "too slowly: less inhibition"),
        ((2, 0), "too regularly"),
    ],
)
def test_balanced_pair(answer, words):
    assert words in check.balanced_pair(answer, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda r, U, tau: transmitted(r, U, tau) / r, "that one spike transmits"),
        (lambda r, U, tau: U * transmitted(r, U, tau), "that is used up"),
        (lambda r, U, tau: r / (1 + U * r * tau), "divide their product by 1000"),
        (lambda r, U, tau: transmitted(r, U, tau) / 1000, "per ms"),
        (lambda r, U, tau: 1000 / (U * tau), "the limit for high rates"),
        (lambda r, U, tau: transmitted(r, 1, tau), "left out U"),
        (lambda r, U, tau: r, "without depression"),
        (lambda r, U, tau: r / (1 - U * r * tau / 1000), "A sign is wrong"),
        (lambda r, U, tau: 1.05 * transmitted(r, U, tau), "it should be"),
    ],
)
def test_transmitted(answer, words):
    for seed in SEEDS:
        assert words in check.transmitted(answer, seed=seed).words


def test_transmitted_of_a_regular_train():
    def regular(r, U, tau):
        a = math.exp(-1000 / (r * tau))
        return r * (1 - a) / (1 - (1 - U) * a)

    for seed in SEEDS:
        assert "a regular train" in check.transmitted(regular, seed=seed).words
