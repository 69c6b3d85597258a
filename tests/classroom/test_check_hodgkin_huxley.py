"""Lesson 601's checks: right answers pass, and each mistake is told by its name."""

import numpy as np
import pytest
import torch

from jarvis.classroom.check import hodgkin_huxley as check
from jarvis.neurons import (
    HodgkinHuxley,
    HodgkinHuxleyParams,
    SpikingLayer,
    hodgkin_huxley_rest,
    steady_gates,
)

SEEDS = range(3)
F64 = torch.float64


def rest(current=0.0, **conductances):
    return hodgkin_huxley_rest(HodgkinHuxleyParams(**conductances), current).v


def of_g(g_na, g_k, g_l):
    return rest(g_na=g_na, g_k=g_k, g_l=g_l)


def ionic(v, g_na, g_k, g_l, powers=(3, 4), gates_at=None):
    m, h, n = steady_gates(torch.tensor(v if gates_at is None else gates_at, dtype=F64))
    sodium = g_na * m ** powers[0] * h * (v - 50.0)
    return (sodium + g_k * n ** powers[1] * (v + 77.0) + g_l * (v + 54.387)).item()


def bisect(*g, wrong_half=False, **options):
    low, high = -90.0, 40.0
    for _ in range(60):
        v = 0.5 * (low + high)
        low, high = (low, v) if (ionic(v, *g, **options) > 0) != wrong_half else (v, high)
    return v


def ttx(current):
    return rest(current, g_na=0.0)


def times_of(spikes, dt):
    return dt * spikes.nonzero()[:, 0].numpy()


def steady(spikes, dt):
    times = times_of(spikes, dt)
    if len(times) < 4 or times[-1] < dt * len(spikes) - 100:
        return 0.0
    return 1000 / np.diff(times)[-3:].mean()


PULSES: dict[float, tuple[float, float]] = {}


def pulse(current):
    """A pulse amid those that stop the train."""
    if current not in PULSES:
        starts, amplitudes = np.arange(100, 120.1, 0.5), np.linspace(-20, 20, 41)
        x = torch.full((12_000, 1, len(starts), 41), current, dtype=F64)
        for k, start in enumerate(starts):
            x[round(start / 0.025) :, 0, k][:40] += torch.tensor(amplitudes)
        spikes, _ = SpikingLayer(HodgkinHuxley(dt=0.025))(x)
        works = (spikes[8000:, 0].sum(0) == 0).double()
        around = torch.nn.functional.avg_pool2d(works[None, None], 3, 1, 1)[0, 0]
        k, j = divmod(int(around.argmax()), 41)
        PULSES[current] = starts[k], amplitudes[j]
    return PULSES[current]


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.resting_potential(of_g, seed=seed)
    assert check.resting_potential(bisect, seed=seed)
    assert check.with_ttx(ttx, seed=seed)
    assert check.steady_rate(steady, seed=seed)
    assert check.stopping_pulse(pulse, seed=seed)


def test_the_neurons_of_exercise_1_have_one_fixed_point():
    v = np.linspace(-90, 49, 500)
    for g_na in (60, 140):
        for g_k in (20, 50):
            for g_l in (0.1, 0.5):
                signs = np.sign([ionic(x, g_na, g_k, g_l) for x in v])
                assert np.count_nonzero(np.diff(signs)) == 1


def mean(g_na, g_k, g_l):
    return (50 * g_na - 77 * g_k - 54.387 * g_l) / (g_na + g_k + g_l)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (mean, "the gates are missing"),
        (lambda *g: bisect(*g, gates_at=-65.0), "Compute them at V"),
        (lambda *g: rest(), "Use the given conductances"),
        (lambda *g: -54.387, "That is E_L"),
        (lambda *g: bisect(*g, wrong_half=True), "the wrong half"),
        (lambda *g: bisect(*g, powers=(1, 1)), "without their powers"),
        (lambda *g: of_g(*g) / 1000, "Return it in mV"),
        (lambda *g: of_g(*g) + 0.5, "V would still go down"),
        (lambda *g: of_g(*g) - 0.5, "V would still go up"),
        (lambda *g: -5000.0, "the range of the reversal potentials"),
        (lambda *g: [1.0, 2.0], "one number"),
    ],
)
def test_resting_potential(answer, words):
    for seed in SEEDS:
        assert words in check.resting_potential(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda current: rest(), "Is the current used?"),
        (lambda current: rest(g_na=0.0), "Is the current used?"),
        (lambda current: rest(current), "with sodium channels"),
        (lambda current: ttx(-current), "of opposite sign"),
        (lambda current: -54.387 + current / 0.3, "The potassium channels still work"),
        (
            lambda current: (
                (-77 * 36 * 0.3176769**4 - 54.387 * 0.3 + current) / (36 * 0.3176769**4 + 0.3)
            ),
            "n increases as V rises",
        ),
        (lambda current: ttx(current) + 0.3, "V would still go down"),
        (lambda current: ttx(current) - 0.3, "V would still go up"),
    ],
)
def test_with_ttx(answer, words):
    for seed in SEEDS:
        assert words in check.with_ttx(answer, seed=seed).words


def always(measure):
    """Measured from whatever intervals there are, also after the end of a train."""

    def answer(spikes, dt):
        times = times_of(spikes, dt)
        return measure(times) if len(times) > 3 else 0.0

    return answer


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, dt: float(s.sum()) * 1000 / (len(s) * dt), "the count over the whole run"),
        (lambda s, dt: steady(s, dt) / 1000, "in spikes per ms"),
        (lambda s, dt: steady(s, dt) * dt, "You left out dt"),
        (lambda s, dt: 1000 / steady(s, dt) if steady(s, dt) else 0.0, "the interval in ms"),
        (always(lambda times: 1000 / np.diff(times).mean()), "The first ones differ"),
        (lambda s, dt: 1.1 * steady(s, dt), "the last intervals average"),
        (lambda s, dt: 60.0, "not"),
        (lambda s, dt: np.inf, "is inf"),
    ],
)
def test_steady_rate(answer, words):
    for seed in SEEDS:
        assert words in check.steady_rate(answer, seed=seed).words


def test_steady_rate_of_a_train_that_has_ended():
    answer = lambda s, dt: steady(s, dt) or 25.0  # noqa: E731
    for seed in SEEDS:
        assert "the train has ended" in check.steady_rate(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda current: (90.0, 5.0), "between 100 and 120"),
        (lambda current: (105.0, -30.0), "between -20 and 20"),
        (lambda current: 105.0, "Return two numbers"),
        (lambda current: (100.0, 0.0), "Other currents need other pulses"),
        (lambda current: (100.0, 0.01 * current), "spikes follow, the first"),
    ],
)
def test_stopping_pulse(answer, words):
    for seed in SEEDS:
        assert words in check.stopping_pulse(answer, seed=seed).words
