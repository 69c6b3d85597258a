"""The readable event-by-event network of lesson 501 against closed forms and finite differences."""

import math

import numpy as np
import pytest

from jarvis.classroom.event_by_event import adjoint, crossing, simulate

TAU = 10.0


def random_network(seed, n_in=2, n=3):
    rng = np.random.default_rng(seed)
    w = np.concatenate([rng.uniform(0.15, 0.5, (n_in, n)), rng.normal(0.05, 0.12, (n, n))])
    d = rng.uniform(0.5, 6.0, (n_in + n, n))
    inputs = [(0.0, 0), (2.0, 1), (9.0, 0)]
    return w, d, inputs, rng


def test_one_spike_has_the_closed_form():
    for w, delay in ((0.42, 0.0), (0.6, 3.0), (1.5, 1.0)):
        network = np.array([[w], [0.0]]), np.array([[delay], [0.0]])
        times = simulate(*network, [(1.0, 0)]).times
        y = (1 + math.sqrt(1 - 4 / (TAU * w))) / 2
        assert times[1] == pytest.approx(1.0 + delay - TAU * math.log(y), rel=1e-12)
    assert len(simulate(np.array([[0.39], [0.0]]), np.zeros((2, 1)), [(0.0, 0)]).times) == 1


def test_a_crossing_solves_the_equation_of_the_potential():
    for v, i in ((0.0, 0.6), (0.5, 0.3), (-1.0, 2.0), (0.9, 0.2)):
        s = crossing(v, i)
        y = math.exp(-s / TAU)
        assert v * y + TAU * i * (y - y * y) == pytest.approx(1.0)
        earlier = np.exp(-np.linspace(0, 0.999 * s, 50) / TAU)
        assert (v * earlier + TAU * i * (earlier - earlier**2) < 1).all()
    assert crossing(0.0, 0.39) == math.inf
    assert crossing(0.5, 0.0) == math.inf


def test_many_spikes_against_small_euler_steps():
    w, d, inputs, _ = random_network(57)
    times, senders, _ = simulate(w, d, inputs)
    dt, n = 1e-3, 3
    v, i, queue = np.zeros(n), np.zeros(n), []
    for t, k in inputs:
        queue += [(t + d[k, j], w[k, j], j) for j in range(n)]
    found = []
    for step in range(int(20 / dt)):
        now = step * dt
        for entry in [e for e in queue if e[0] <= now]:
            i[entry[2]] += entry[1]
            queue.remove(entry)
        v, i = v + dt * (-v / TAU + i), i - dt * i * 2 / TAU
        for j in np.flatnonzero(v >= 1):
            v[j] = 0.0
            found.append((now, 2 + j))
            queue += [(now + d[2 + j, k], w[2 + j, k], k) for k in range(n)]
    wanted = [(t, k) for t, k in zip(times, senders, strict=True) if k >= 2 and t < 20]
    assert [k for _, k in found] == [k for _, k in wanted]
    assert np.allclose([t for t, _ in found], [t for t, _ in wanted], atol=0.03)


@pytest.mark.parametrize("seed", [57, 3, 11])
def test_the_adjoint_by_finite_differences(seed):
    w, d, inputs, rng = random_network(seed)
    times, senders, log = simulate(w, d, inputs)
    assert len(times) > 6
    pull = np.concatenate([np.zeros(3), rng.normal(size=len(times) - 3)])
    g_w, g_d, g_t = adjoint(w, senders, log, pull)

    def loss(w, d, shift=0.0, which=0):
        moved = [(t + shift * (p == which), k) for p, (t, k) in enumerate(inputs)]
        found = simulate(w, d, moved)
        assert [step[1:3] for step in found.log] == [step[1:3] for step in log]
        return pull @ found.times

    h = 1e-6
    for index in np.ndindex(w.shape):
        step = np.zeros_like(w)
        step[index] = h
        by_w = (loss(w + step, d) - loss(w - step, d)) / (2 * h)
        by_d = (loss(w, d + step) - loss(w, d - step)) / (2 * h)
        assert g_w[index] == pytest.approx(by_w, rel=1e-5, abs=1e-5)
        assert g_d[index] == pytest.approx(by_d, rel=1e-5, abs=1e-5)
    for which in range(3):
        by_t = (loss(w, d, h, which) - loss(w, d, -h, which)) / (2 * h)
        assert g_t[which] == pytest.approx(by_t, rel=1e-5, abs=1e-5)


def test_another_time_constant():
    w, d = np.array([[0.9], [0.0]]), np.array([[1.0], [0.0]])
    times, senders, log = simulate(w, d, [(0.0, 0)], tau=6.0)
    y = (1 + math.sqrt(1 - 4 / (6.0 * 0.9))) / 2
    assert times[1] == pytest.approx(1.0 - 6.0 * math.log(y))
    g_w, _, _ = adjoint(w, senders, log, [0.0, 1.0], tau=6.0)
    assert g_w[0, 0] == pytest.approx(-(1 / 0.9) / (0.9 * y * y - 1 / 6.0))


def test_the_after_current_is_added():
    w, d = np.array([[0.6], [0.0]]), np.zeros((2, 1))
    without, with_c = (simulate(w, d, [(0.0, 0)], c=c, end=6.0) for c in (0.0, 0.5))
    assert len(without.times) == 2
    assert len(with_c.times) > 2
    slopes = next(step.slopes for step in with_c.log if step.slopes is not None)
    assert slopes[1] == pytest.approx(slopes[0] + 1 / TAU + 0.5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((np.zeros((2, 2)), np.zeros((2, 2)), []), r"must both be \[n_in \+ n, n\]"),
        ((np.zeros((3, 1)), np.zeros((2, 1)), []), r"w \(3, 1\) and d \(2, 1\)"),
        ((np.zeros((2, 1)), -np.ones((2, 1)), []), "d must be at least 0"),
        ((np.zeros((2, 1)), np.zeros((2, 1)), [(0.0, 1)]), "number 1 of inputs must be in 0 to 0"),
    ],
)
def test_what_cannot_be_is_named(given, words):
    with pytest.raises(ValueError, match=words):
        simulate(*given)


def test_time_constants_and_ends_are_checked():
    for options in (dict(tau=0.0), dict(end=-1.0)):
        with pytest.raises(ValueError, match=next(iter(options))):
            simulate(np.zeros((2, 1)), np.zeros((2, 1)), [], **options)
