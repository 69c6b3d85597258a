"""Hodgkin-Huxley against two independent integrators, and what is known of the equations.

Numbers without a source are of the equations themselves, found by LSODA (rtol 1e-9).
"""

import math
import warnings

import numpy as np
import pytest
import torch
from numba import njit
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from jarvis.neurons import SpikingLayer
from jarvis.neurons.hodgkin_huxley import (
    HodgkinHuxley,
    HodgkinHuxleyParams,
    HodgkinHuxleyState,
    gate_rates,
    gate_time_constants,
    hodgkin_huxley_derivative,
    hodgkin_huxley_rest,
    hodgkin_huxley_step,
    steady_gates,
)

F64 = torch.float64
REST = (-64.99637933, 0.05295509, 0.59599412, 0.31773240)
#: Steady firing rates in Hz.
RATES = {
    6.3: 52.37,
    6.5: 55.06,
    7.0: 58.33,
    8.0: 62.47,
    9.0: 65.63,
    10.0: 68.324,
    12.0: 72.92,
    15.0: 78.65,
    20.0: 86.47,
    30.0: 98.75,
    50.0: 117.04,
}


def quiet(**values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return HodgkinHuxleyParams(**values)


def crossings(v, dt, level=0.0):
    """Times at which v ``[T + 1]`` crosses the level upwards, interpolated."""
    (k,) = ((v[:-1] < level) & (v[1:] >= level)).nonzero()
    return dt * (k + (level - v[k]) / (v[k + 1] - v[k]))


def state_of(parts, n=1):
    return HodgkinHuxleyState(*(torch.as_tensor(part, dtype=F64).expand(n) for part in parts))


def run(currents, duration=None, start=None, **values):
    """Spike times of one neuron for each current, or column of currents; and all potentials."""
    p = HodgkinHuxleyParams(**values)
    x = torch.as_tensor(currents, dtype=F64)
    x = x if duration is None else x.expand(round(duration / p.dt), len(x))
    layer = SpikingLayer(HodgkinHuxley(p))
    state = layer.initial_state(x[0]) if start is None else start
    spikes, _, trace = layer(x.contiguous(), state, trace=True)
    v = torch.cat([state.v[None], trace.v]).numpy()
    times = [crossings(v[:, j], p.dt, p.v_spike) for j in range(v.shape[1])]
    assert [len(each) for each in times] == spikes.sum(0).tolist()
    return times, v


def rate(times):
    return 1000.0 / np.diff(times[len(times) // 2 :]).mean()


# Two independent integrators


@njit
def alpha(v, at, width):
    x = (v - at) / width
    return 1.0 + 0.5 * x if abs(x) < 1e-7 else x / (1.0 - math.exp(-x))


@njit
def slopes(i, v, m, h, n):
    am, bm = alpha(v, -40.0, 10.0), 4.0 * math.exp(-(v + 65.0) / 18.0)
    ah, bh = 0.07 * math.exp(-(v + 65.0) / 20.0), 1.0 / (1.0 + math.exp(-(v + 35.0) / 10.0))
    an, bn = 0.1 * alpha(v, -55.0, 10.0), 0.125 * math.exp(-(v + 65.0) / 80.0)
    ionic = 120.0 * m**3 * h * (v - 50.0) + 36.0 * n**4 * (v + 77.0) + 0.3 * (v + 54.387)
    return i - ionic, am * (1.0 - m) - bm * m, ah * (1.0 - h) - bh * h, an * (1.0 - n) - bn * n


@njit
def runge_kutta(currents, dt, v, m, h, n):
    """Potentials by the classical method of fourth order, for one current in each step."""
    found = np.empty(len(currents) + 1)
    found[0] = v
    for t, i in enumerate(currents):
        v1, m1, h1, n1 = slopes(i, v, m, h, n)
        d = 0.5 * dt
        v2, m2, h2, n2 = slopes(i, v + d * v1, m + d * m1, h + d * h1, n + d * n1)
        v3, m3, h3, n3 = slopes(i, v + d * v2, m + d * m2, h + d * h2, n + d * n2)
        v4, m4, h4, n4 = slopes(i, v + dt * v3, m + dt * m3, h + dt * h3, n + dt * n3)
        v += dt / 6.0 * (v1 + 2.0 * v2 + 2.0 * v3 + v4)
        m += dt / 6.0 * (m1 + 2.0 * m2 + 2.0 * m3 + m4)
        h += dt / 6.0 * (h1 + 2.0 * h2 + 2.0 * h3 + h4)
        n += dt / 6.0 * (n1 + 2.0 * n2 + 2.0 * n3 + n4)
        found[t + 1] = v
    return found


def reference(current, duration=None, start=REST, dt=0.01):
    """Spike times, and potentials, by Runge and Kutta's method."""
    given = np.asarray(current, float)
    if duration is not None:
        given = np.full(round(duration / dt), float(current))
    v = runge_kutta(given, dt, *start)
    return crossings(v, dt), v


def test_the_references_agree():
    def crossing(_, y):
        return y[0]

    crossing.direction = 1.0
    found = solve_ivp(
        lambda _, y: slopes(10.0, *y),
        (0.0, 60.0),
        REST,
        method="LSODA",
        rtol=1e-9,
        atol=1e-9,
        events=crossing,
    )
    times, _ = reference(10.0, 60.0)
    assert times.tolist() == pytest.approx(found.t_events[0].tolist(), abs=2e-5)
    assert found.t_events[0][0] == pytest.approx(1.901232, abs=2e-6)


# Rates and rest


def test_the_rates_limits_and_their_derivatives():
    v = torch.tensor([-40.0, -55.0], dtype=F64, requires_grad=True)
    r = gate_rates(v)
    assert r.alpha_m[0].item() == 1.0
    assert r.alpha_n[1].item() == pytest.approx(0.1, rel=1e-15)
    (slope,) = torch.autograd.grad(r.alpha_m[0] + 10.0 * r.alpha_n[1], v)
    assert slope.tolist() == pytest.approx([0.05, 0.05], rel=1e-12)  # half of 1/(10 mV)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_the_rates_are_smooth_across_their_series(dtype):
    x = torch.tensor([0.0, 1e-12, 1e-6, 0.00999, 0.01001, 0.3, 30.0])
    offsets = torch.cat([-x.flip(0), x]).to(dtype)
    v = (offsets - 40.0).requires_grad_()
    r = gate_rates(v).alpha_m
    (slope,) = torch.autograd.grad(r.sum(), v)
    z = (v.detach().double() + 40.0).numpy() / 10.0
    safe = np.where(np.abs(z) < 1e-9, 1e-9, z)
    want = safe / -np.expm1(-safe)
    both = (safe + np.array([[1e-4], [-1e-4]])) / -np.expm1(-(safe + np.array([[1e-4], [-1e-4]])))
    size = 1e-5 if dtype == torch.float32 else 1e-10
    np.testing.assert_allclose(r.detach(), want, rtol=max(size, 1e-9))
    near = np.abs(safe) > 2e-4  # the difference itself divides 0 by 0 at 0
    wanted = (both[0] - both[1]) / 2e-3
    np.testing.assert_allclose(slope.numpy()[near], wanted[near], rtol=1e-3)
    np.testing.assert_allclose(slope.numpy()[~near], 0.05, rtol=1e-3)


def test_the_rates_second_derivatives():
    v = torch.tensor([-80.0, -55.0, -54.995, -40.0, -40.005, 10.0], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: tuple(gate_rates(v)), v)
    assert torch.autograd.gradgradcheck(lambda v: tuple(gate_rates(v)), v, atol=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_rates_and_gates_are_finite_and_proper_over_the_whole_range(dtype):
    v = torch.linspace(-200.0, 200.0, 4001, dtype=dtype, requires_grad=True)
    for parts in (gate_rates(v), steady_gates(v), gate_time_constants(v)):
        for part in parts:
            assert torch.isfinite(part).all()
            assert (part >= 0).all()
            (slope,) = torch.autograd.grad(part.sum(), v, retain_graph=True)
            assert torch.isfinite(slope).all()
    assert all((part <= 1).all() for part in steady_gates(v))


def test_rest_gates_and_time_constants():
    rest = hodgkin_huxley_rest(HodgkinHuxleyParams())
    assert rest == pytest.approx((-64.99638, 0.0529551, 0.5959941, 0.3177324), abs=5e-8, rel=1e-7)
    v = torch.tensor(rest.v, dtype=F64)
    times = [time.item() for time in gate_time_constants(v)]
    assert times == pytest.approx([0.23681, 8.51574, 5.45839], abs=6e-6)
    warm = [time.item() for time in gate_time_constants(v, 16.3)]
    assert warm == pytest.approx([time / 3.0 for time in times])
    at_65 = [gate.item() for gate in steady_gates(torch.tensor(-65.0, dtype=F64))]
    assert at_65 == pytest.approx([0.0529325, 0.5961208, 0.3176769], abs=5e-8)


def test_nothing_changes_at_rest():
    for current in (0.0, 5.0, -3.0, 80.0):
        p = HodgkinHuxleyParams(celsius=12.0)
        rest = hodgkin_huxley_rest(p, current)
        change = hodgkin_huxley_derivative(current, state_of(rest), p)
        assert max(abs(part.item()) for part in change) < 1e-11
    (_, v), p = run([0.0], 20.0), HodgkinHuxleyParams()
    assert np.ptp(v) < 1e-9
    assert HodgkinHuxley(p).initial_state(torch.zeros(2)).v.tolist() == pytest.approx([REST[0]] * 2)


def test_rest_per_neuron_and_its_derivative():
    g_k = torch.tensor([36.0, 30.0], dtype=F64, requires_grad=True)
    g_l, e_na = (torch.tensor(value, dtype=F64, requires_grad=True) for value in (0.3, 50.0))
    current = torch.tensor(2.0, dtype=F64, requires_grad=True)

    def rest(g_k, g_l, e_na, current):
        p = HodgkinHuxleyParams(g_k=g_k, g_l=g_l, e_na=e_na)
        return tuple(hodgkin_huxley_rest(p, current))

    assert torch.autograd.gradcheck(rest, (g_k, g_l, e_na, current))
    single = hodgkin_huxley_rest(HodgkinHuxleyParams(g_k=30.0), 2.0)
    both = rest(g_k, g_l, e_na, current)
    assert [part[1].item() for part in both] == pytest.approx(list(single))
    half = HodgkinHuxleyParams(g_k=torch.tensor([36.0]))
    assert hodgkin_huxley_rest(half).v.dtype == torch.float32


def test_a_run_may_start_at_a_given_potential():
    times, v = run([10.0], 5.0, v_0=-65.0)
    assert v[0, 0] == -65.0
    late = times[0][0] - run([10.0], 5.0)[0][0][0]
    assert late == pytest.approx(1.900972 - 1.901232, abs=2e-5)
    p = HodgkinHuxleyParams(v_0=torch.tensor([-65.0, -60.0]))
    state = HodgkinHuxley(p).initial_state(torch.zeros(1, 2))
    assert state.v.tolist() == [[-65.0, -60.0]]
    torch.testing.assert_close(state.m, steady_gates(state.v).m)


# Firing


def test_rates_of_steady_firing():
    times, _ = run(list(RATES), 1500.0)
    for current, found in zip(RATES, times, strict=True):
        assert rate(found) == pytest.approx(RATES[current], rel=8e-4), current
        assert rate(found) < RATES[current]  # the scheme is a little slow
    for current in (6.3, 10.0, 50.0):
        assert rate(reference(current, 1500.0)[0]) == pytest.approx(RATES[current], abs=0.006)


def test_spike_times_and_shape():
    (ten, twenty, fifty), v = run([10.0, 20.0, 50.0], 300.0)
    assert ten[0] == pytest.approx(1.9028, abs=5e-5)
    assert twenty[0] == pytest.approx(1.271, abs=2e-3)
    assert fifty[0] == pytest.approx(0.759, abs=2e-3)
    assert v[:200, 0].max() == pytest.approx(40.26, abs=0.03)
    assert v[:, 0].min() == pytest.approx(-75.08, abs=0.2)
    want, potentials = reference(10.0, 300.0)
    assert potentials[:500].max() == pytest.approx(40.26, abs=0.01)
    assert potentials.min() == pytest.approx(-75.08, abs=0.01)
    np.testing.assert_allclose(ten, want, rtol=5e-4, atol=1e-3)


def test_a_single_spike_from_here_on_and_a_few_up_to_the_onset():
    for current, count in ((2.2402, 0), (2.2404, 1), (5.0, 1), (6.0, 2), (6.2, 3)):
        assert len(reference(current, 400.0)[0]) == count, current
    times, _ = run([2.2385, 2.2415, 5.0, 6.0, 6.2], 400.0)
    assert [len(each) for each in times] == [0, 1, 1, 2, 3]


def test_the_onset_of_repetitive_firing():
    # Whether it still fires in the third second.
    assert reference(6.2602, 3000.0)[0].max() < 2000.0
    assert reference(6.2604, 3000.0)[0].max() > 2980.0
    for dt, onset in ((0.025, 6.2613), (0.0125, 6.2606)):
        times, _ = run([onset - 1e-4, onset + 1e-4], 3000.0, dt=dt)
        assert times[0].max() < 2500.0
        assert times[1].max() > 2980.0
        assert rate(times[1]) > 50.0  # type II: it does not begin with a low rate


def test_where_the_scheme_is():
    exact, steady = 1.901232, RATES[10.0]
    first, late = {}, {}
    for dt, wanted in ((0.1, (1.9258, 67.993)), (0.05, (1.9076, 68.239)),
                       (0.025, (1.9028, 68.302)), (0.0125, (1.9016, 68.318))):  # fmt: skip
        (times,), _ = run([10.0], 1000.0, dt=dt)
        assert times[0] == pytest.approx(wanted[0], abs=6e-5)
        assert rate(times) == pytest.approx(wanted[1], abs=2e-3)
        first[dt], late[dt] = times[0] - exact, steady - rate(times)
    for dt in (0.1, 0.05, 0.025):
        assert first[dt] / first[dt / 2] == pytest.approx(4.0, abs=0.2)  # second order
        assert late[dt] / late[dt / 2] == pytest.approx(4.0, abs=0.3)


def test_a_trajectory_by_hand():
    p = quiet(dt=0.05, g_na=100.0, celsius=16.3)
    v, m, h, n = -30.0, 0.2, 0.5, 0.4
    for current in (10.0, -20.0):

        def gate(x, a, b):
            return a / (a + b) + (x - a / (a + b)) * math.exp(-3.0 * 0.05 * (a + b))

        m = gate(m, alpha(v, -40.0, 10.0), 4.0 * math.exp(-(v + 65.0) / 18.0))
        h = gate(h, 0.07 * math.exp(-(v + 65.0) / 20.0), 1.0 / (1.0 + math.exp(-(v + 35.0) / 10.0)))
        n = gate(n, 0.1 * alpha(v, -55.0, 10.0), 0.125 * math.exp(-(v + 65.0) / 80.0))
        g = 100.0 * m**3 * h, 36.0 * n**4, 0.3
        end = (g[0] * 50.0 - g[1] * 77.0 - g[2] * 54.387 + current) / sum(g)
        v = end + (v - end) * math.exp(-0.05 * sum(g))
    state = state_of((-30.0, 0.2, 0.5, 0.4))
    for current in (10.0, -20.0):
        _, state = hodgkin_huxley_step(torch.tensor([current], dtype=F64), state, p)
    assert [part.item() for part in state] == pytest.approx([v, m, h, n], rel=1e-12)


@pytest.mark.parametrize(("low", "high", "want"), [
    (8.0, 12.0, (9.77544, -59.6541, 93.30)),
    (140.0, 170.0, (154.5224, -43.0581, 169.17)),
])  # fmt: skip
def test_hopf_points(low, high, want):
    p = HodgkinHuxleyParams()

    def eigenvalues(current):
        rest = hodgkin_huxley_rest(p, current)

        def change(y):
            return torch.stack(hodgkin_huxley_derivative(current, HodgkinHuxleyState(*y), p))

        at = torch.tensor(rest, dtype=F64)
        jacobian = torch.autograd.functional.jacobian(change, at)
        return np.linalg.eigvals(jacobian.numpy()), rest.v

    current = brentq(lambda i: eigenvalues(i)[0].real.max(), low, high, xtol=1e-9)
    values, v = eigenvalues(current)
    found = current, v, 1000.0 * values.imag.max() / (2.0 * math.pi)
    assert found == pytest.approx(want, rel=3e-6, abs=5e-3)


def test_between_the_onset_and_the_hopf_point_it_rests_or_fires():
    current = 8.0
    fixed = hodgkin_huxley_rest(HodgkinHuxleyParams(), current)
    (at_fixed,), _ = run([current], 500.0, start=state_of(fixed))
    assert len(at_fixed) == 0
    (from_rest,), _ = run([current], 500.0)
    assert len(from_rest) > 28
    # A pulse of 8 uA/cm2 for 1 ms stops the train, if it comes 8.1 ms after a spike.
    x = torch.full((16_000, 3), current, dtype=F64)
    for lane, begin in enumerate((106.6, 103.0)):
        x[round(begin / 0.025) :, lane][:40] += 8.0
    times, v = run(x)
    assert times[0].max() < 106.6
    assert v[-1, 0] == pytest.approx(fixed.v, abs=0.3)
    assert times[1].max() > times[2].max() - 16.0 > 370.0
    given = np.full(40_000, current)
    given[10_660:10_760] += 8.0
    assert reference(given)[0].max() < 106.6


def test_above_the_second_hopf_point_it_rests_and_before_it_swings_below_zero():
    times, v = run([80.0, 150.0, 160.0], 400.0)
    assert [len(each) for each in times] == [1, 1, 1]  # depolarisation block, as spikes are counted
    swing = np.ptp(v[-2000:], axis=0)
    assert swing[0] > 20.0
    assert swing[1] > 2.0
    assert swing[2] < 0.1
    (counted,), _ = run([80.0], 400.0, v_spike=-30.0)
    assert len(counted) > 50


def test_a_jump_of_the_potential_that_fires():
    jumped = [(REST[0] + jump, *REST[1:]) for jump in (6.5049, 6.5053)]
    assert [len(reference(0.0, 60.0, start)[0]) for start in jumped] == [0, 1]
    # The scheme's gates are ahead of V: of first order, 0.05 mV at the default dt.
    bounds = []
    for dt in (0.025, 0.0125):
        jumps = np.arange(6.4, 6.52, 0.002)
        v = torch.tensor(REST[0] + jumps)
        state = HodgkinHuxleyState(v, *(torch.full_like(v, gate) for gate in REST[1:]))
        times, _ = run([0.0] * len(v), 60.0, start=state, dt=dt)
        bounds.append(min(j for j, each in zip(jumps, times, strict=True) if len(each)))
    assert 6.5051 - bounds[0] == pytest.approx(0.05, abs=0.004)
    assert 6.5051 - bounds[1] == pytest.approx(0.025, abs=0.004)


def test_anode_break():
    x = torch.zeros(6000, 2, dtype=F64)
    x[:2000, 0], x[:2000, 1] = -3.0, -2.0
    times, _ = run(x)
    assert len(times[0]) == 1
    assert 50.0 < times[0][0] < 60.0
    assert len(times[1]) == 0
    given = np.zeros(15_000)
    given[:5000] = -3.0
    assert reference(given)[0].tolist() == pytest.approx(times[0].tolist(), abs=0.05)


# Parameters and options


def test_temperature_speeds_up_the_gates_and_shortens_spikes():
    p = HodgkinHuxleyParams(celsius=26.3, dt=0.01)
    assert p.phi == pytest.approx(9.0)
    assert hodgkin_huxley_rest(p) == hodgkin_huxley_rest(HodgkinHuxleyParams())
    state = state_of((-50.0, 0.1, 0.5, 0.4))
    slow = hodgkin_huxley_derivative(1.0, state, HodgkinHuxleyParams())
    fast = hodgkin_huxley_derivative(1.0, state, p)
    assert fast.v.item() == slow.v.item()
    for name in ("m", "h", "n"):
        assert getattr(fast, name).item() == pytest.approx(9.0 * getattr(slow, name).item())
    widths = []
    for celsius in (6.3, 16.3):
        _, v = run([15.0], 8.0, celsius=celsius)
        widths.append((v > -20.0).sum())
    assert 1.5 < widths[0] / widths[1] < 3.0


@pytest.mark.parametrize(("changes", "count"), [
    ({}, 14),
    (dict(g_na=0.0), 0),  # tetrodotoxin
    (dict(g_k=0.0), 1),  # tetraethylammonium: it stays depolarised
    (dict(v_spike=60.0), 0),
])  # fmt: skip
def test_what_a_spike_needs(changes, count):
    (times,), v = run([10.0], 200.0, **changes)
    assert len(times) == count
    if "g_k" in changes:
        assert v[-1, 0] > -20.0


@pytest.mark.parametrize(("name", "value", "sign"), [
    ("c", 1.2, 1), ("g_na", 130.0, -1), ("g_k", 40.0, 1), ("g_l", 0.4, -1), ("e_na", 55.0, -1),
    ("e_k", -80.0, 1), ("e_l", -52.0, -1), ("celsius", 8.0, -1), ("v_spike", 10.0, 1),
])  # fmt: skip
def test_every_parameter_moves_the_first_spike(name, value, sign):
    # The leak's reversal potential is above the rest: more leak means an earlier spike.
    start = state_of(REST)
    (before,), _ = run([10.0], 10.0, start=start)
    (after,), _ = run([10.0], 10.0, start=start, **{name: value})
    assert (after[0] - before[0]) * sign > 1e-3


def test_substeps_are_steps_with_the_same_input():
    rng = torch.Generator().manual_seed(5)
    x = 10.0 + 10.0 * torch.randn(500, 1, 4, dtype=F64, generator=rng)
    layer = SpikingLayer(HodgkinHuxley(dt=0.05, substeps=2), backend="eager")
    spikes, state = layer(x)
    fine, after = SpikingLayer(HodgkinHuxley())(x.repeat_interleave(2, 0))
    assert spikes.sum() > 4
    assert torch.equal(spikes, fine.view(500, 2, 1, 4).amax(1))
    for part, other in zip(state, after, strict=True):
        torch.testing.assert_close(part, other, rtol=1e-9, atol=1e-9)


def test_a_spike_within_a_long_step_is_one_spike():
    # In 3 ms V may rise above 0 and fall below it again.
    layer = SpikingLayer(HodgkinHuxley(dt=3.0, substeps=30), backend="eager")
    spikes, _, trace = layer(torch.full((60, 1), 10.0, dtype=F64), trace=True)
    fine, _, _ = SpikingLayer(HodgkinHuxley(dt=0.1))(
        torch.full((1800, 1), 10.0, dtype=F64), trace=True
    )
    assert spikes.sum() == fine.sum() == 13
    assert (trace.v[spikes == 1] < 0).any()


def test_dt_is_refused_or_warned_about():
    with pytest.raises(ValueError, match=r"dt=1 ms with substeps=2 is too large: above 0\.3 ms"):
        HodgkinHuxleyParams(dt=1.0, substeps=2)
    with pytest.raises(ValueError, match=r"above 0\.1 ms per sub-step.*or substeps=8 or more"):
        HodgkinHuxleyParams(dt=0.25, celsius=16.3)
    with pytest.raises(ValueError, match=r"spikes at most once per step, .*spike twice in 4 ms"):
        HodgkinHuxleyParams(dt=5.0, substeps=100)
    with pytest.warns(UserWarning, match=r"dt=0\.2 ms with substeps=1 is large: above 0\.1 ms"):
        p = HodgkinHuxleyParams(dt=0.2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        good = HodgkinHuxleyParams(dt=0.1)
        HodgkinHuxleyParams(dt=1.0, substeps=10)
    found = []
    for params in (p, good):
        x = torch.full((round(1000.0 / params.dt), 1), 20.0, dtype=F64)
        spikes, _ = SpikingLayer(HodgkinHuxley(params))(x)
        (steps,) = spikes[:, 0].nonzero(as_tuple=True)
        found.append(rate(params.dt * steps.numpy()) / RATES[20.0] - 1.0)
    assert found[0] == pytest.approx(-0.020, abs=0.003)
    assert found[1] == pytest.approx(-0.005, abs=0.001)


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        (dict(c=0.0), ValueError, "c=0.0 uF/cm2"),
        (dict(g_na=-1.0), ValueError, "g_na=-1.0 mS/cm2"),
        (dict(g_l=0.0), ValueError, "g_l=0.0 mS/cm2"),
        (dict(e_k=-300.0), ValueError, "e_k=-300.0 mV"),
        (dict(celsius=math.nan), ValueError, "celsius=nan"),
        (dict(v_0=math.inf), ValueError, "v_0=inf"),
        (dict(dt=0.0), ValueError, "dt=0.0 ms"),
        (dict(substeps=0), ValueError, "substeps"),
        (dict(substeps=1.5), ValueError, "substeps"),
        (dict(dt=torch.tensor(0.1)), TypeError, "dt must be a number"),
    ],
)
def test_bad_values_are_named(values, error, says):
    with pytest.raises(error, match=says):
        HodgkinHuxleyParams(**values)


# Gradients


def test_the_potential_has_exact_gradients_without_a_surrogate():
    x = torch.full((36, 1), 50.0, dtype=F64)
    x[::9] += 20.0
    names = ("c", "g_na", "g_k", "g_l", "e_na", "e_k", "e_l", "celsius")

    def end(scale, *given):
        p = HodgkinHuxleyParams(dt=0.05, **dict(zip(names, given, strict=True)))
        spikes, state, trace = SpikingLayer(HodgkinHuxley(p), backend="eager")(
            scale * x, trace=True
        )
        assert spikes.sum() == 1
        return *state, trace.v.mean()

    values = [1.0, *(getattr(HodgkinHuxleyParams(), name) for name in names)]
    given = [torch.tensor(value, dtype=F64, requires_grad=True) for value in values]
    assert torch.autograd.gradcheck(end, given, eps=1e-6, rtol=1e-4, atol=1e-5)


def test_a_conductance_is_learned_from_a_trace():
    x = torch.full((36, 1), 20.0, dtype=F64)
    with torch.no_grad():
        *_, wanted = SpikingLayer(HodgkinHuxley(dt=0.05, g_k=30.0), backend="eager")(x, trace=True)
    layer = SpikingLayer(HodgkinHuxley(dt=0.05), learnable="g_k", backend="eager").double()
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.05)
    losses = []
    for _ in range(14):
        *_, trace = layer(x, trace=True)
        loss = (trace.v - wanted.v).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
    assert layer.value("g_k").item() == pytest.approx(30.0, abs=2.0)


def test_a_spike_has_the_surrogates_gradient():
    v = torch.tensor([-5.0, 5.0], dtype=F64, requires_grad=True)
    gates = (torch.full((2,), gate, dtype=F64) for gate in (0.9, 0.5, 0.4))
    current = torch.zeros(2, dtype=F64)
    spikes, after = hodgkin_huxley_step(
        current, HodgkinHuxleyState(v, *gates), HodgkinHuxleyParams()
    )
    assert spikes.tolist() == [1.0, 0.0]
    (found,) = torch.autograd.grad(spikes.sum(), v, retain_graph=True)
    (smooth,) = torch.autograd.grad(after.v.sum(), v)
    over = after.v[0].item() / 20.0
    assert found[0].item() == pytest.approx(smooth[0].item() / 20.0 / (1.0 + 25.0 * over) ** 2)
    assert found[1].item() == 0.0  # already above


# Large input


@pytest.mark.parametrize("backend", ["eager", "numba"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_no_input_makes_a_state_infinite(backend, dtype):
    values = [math.inf, -math.inf, 3e38, -3e38, 1e4, -1e4, 0.0, 10.0]
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.choice(values, (60, 32)), dtype=dtype)
    layer = SpikingLayer(HodgkinHuxley(), backend=backend)
    x.requires_grad_(backend == "eager")
    spikes, state, trace = layer(x, trace=True)
    assert ((spikes == 0) | (spikes == 1)).all()
    assert trace.v.abs().max() <= 200.0
    for gate in state[1:]:
        assert ((gate >= 0) & (gate <= 1)).all()
    if x.requires_grad:
        (gradient,) = torch.autograd.grad(trace.v.sum() + spikes.sum(), x)
        assert torch.isfinite(gradient).all()
    again = layer(torch.full((200, 32), 10.0, dtype=dtype), state.detach(), trace=True)
    assert all(torch.isfinite(part).all() for part in (again[0], *again[1]))


def test_the_potential_saturates_where_the_docstring_says():
    _, v = run([-42.0, -45.0, 1e5, math.inf], 40.0)
    assert -200.0 < v[-1, 0] < -190.0
    assert v[-1, 1] == -200.0
    assert v[-1, 2] == v[-1, 3] > 190.0  # those of 10,000 uA/cm2


def test_float32_follows_float64():
    x = torch.full((8000, 1), 10.0)
    spikes, _, trace = SpikingLayer(HodgkinHuxley())(x, trace=True)
    want, _, exact = SpikingLayer(HodgkinHuxley())(x.double(), trace=True)
    assert torch.equal(spikes.double(), want)
    assert (trace.v - exact.v).abs().max() < 1.0  # mV, where a spike is steepest


def test_a_state_detaches():
    _, state = SpikingLayer(HodgkinHuxley())(torch.ones(3, 1, requires_grad=True))
    assert state.v.requires_grad
    assert not any(part.requires_grad for part in state.detach())
