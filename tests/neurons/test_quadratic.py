"""QIF and theta neuron: closed forms on any grid, an independent integration, exact gradients."""

import math

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from jarvis.neurons import SpikingLayer
from jarvis.neurons.quadratic import (
    QIF,
    QIFParams,
    QIFState,
    Theta,
    ThetaParams,
    ThetaState,
    qif_step,
    theta_step,
)
from jarvis.surrogate import Spike

F64 = torch.float64
INF = math.inf
NORMAL = dict(tau=10.0, v_peak=INF, v_reset=-INF)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


def run(neuron, current, duration, start=None, backend="numba"):
    """Spike times of one neuron, and the record; `current` a number, or one per step."""
    dt = neuron.values.dt
    x = torch.as_tensor(current, dtype=F64).expand(round(duration / dt))[:, None]
    state = None if start is None else neuron.state(tensor(start))
    spikes, _, trace = SpikingLayer(neuron, backend=backend)(x, state, trace=True)
    (steps,) = spikes[:, 0].nonzero(as_tuple=True)
    return (steps + 1).double() * dt - trace.since[steps, 0], trace


# Closed forms


@pytest.mark.parametrize("dt", [0.37, 1.0, 7.0])
@pytest.mark.parametrize(
    ("params", "current", "period"),
    [
        (NORMAL, 1.0, 31.415927),
        (dict(tau=10.0, v_peak=10.0, v_reset=-10.0), 1.0, 29.422553),
        (dict(tau=10.0, v_peak=10.0, v_reset=-10.0), 0.01, 312.15933),
        (dict(tau=20.0, v_peak=30.0, v_reset=0.0), 2.0, 21.548241),
        # I = -1, but the reset is above the threshold, 1: tau/2 ln of a ratio of ratios
        (dict(tau=20.0, v_peak=30.0, v_reset=2.0), -1.0, 10 * math.log(29 * 3 / 31)),
    ],
)
def test_period_is_exact_on_any_grid(params, current, period, dt):
    neuron = QIF(dt=dt, **params)
    times, _ = run(neuron, current, 3.2 * period, start=0.0 if period > 12 else 2.0)
    assert len(times) >= 3
    wanted = neuron.values.period(current)
    assert wanted == pytest.approx(period, rel=1e-7)
    np.testing.assert_allclose(np.diff(times), wanted, rtol=1e-11)


@pytest.mark.parametrize("current", [0.01, 1.0, 30.0])
@pytest.mark.parametrize("dt", [0.1, 1.7])
def test_period_of_the_theta_neuron(current, dt):
    times, _ = run(Theta(tau=10.0, dt=dt), current, 4.0 * math.pi * 10 / math.sqrt(current))
    want = math.pi * 10.0 / math.sqrt(current)
    assert ThetaParams(tau=10.0).period(current) == pytest.approx(want)
    np.testing.assert_allclose(np.diff(times), want, rtol=1e-11)
    assert times[0].item() == pytest.approx(want / 2)  # from 0, half-way


def test_frequency_grows_like_the_square_root_of_the_current():
    currents = np.array([0.01, 0.04, 0.16])
    for kind in (QIF(dt=2.0, **NORMAL), Theta(dt=2.0)):
        rates = [1 / np.diff(run(kind, i, 1000.0)[0]).mean() for i in currents]
        slopes = np.diff(np.log(rates)) / np.diff(np.log(currents))
        assert slopes == pytest.approx([0.5, 0.5], abs=1e-9)


@pytest.mark.parametrize("dt", [0.1, 1.0, 3.0])
def test_escape_from_above_the_threshold(dt):
    want = 5.0 * math.log(2.5 / 0.5)
    assert want == pytest.approx(8.047190, abs=1e-6)
    times, _ = run(QIF(dt=dt, **NORMAL), -1.0, 12.0, start=1.5)
    assert times[0].item() == pytest.approx(want, rel=1e-11)
    times, _ = run(Theta(tau=10.0, dt=dt), -1.0, 12.0, start=2 * math.atan(1.5))
    assert times[0].item() == pytest.approx(want, rel=1e-12)


def test_rest_and_threshold():
    assert QIFParams().fixed_points(-4.0) == (-2.0, 2.0)
    assert QIFParams().fixed_points(0.1) is None
    params = QIFParams(tau=10.0, a_0=0.5, v_rest=-65.0, v_c=-50.0, v_peak=30.0, v_reset=-60.0)
    assert params.fixed_points(0.0) == pytest.approx((-65.0, -50.0))
    low, high = params.fixed_points(10.0)  # 0.5 (v + 65)(v + 50) + 10 = 0
    assert (low + 65) * (low + 50) == pytest.approx(-20.0)
    assert (high + 65) * (high + 50) == pytest.approx(-20.0)
    assert params.fixed_points(0.5 * 7.5**2 + 1e-9) is None
    for neuron, points in ((QIF(**NORMAL), (-2.0, 2.0)), (QIF(params), (low, high))):
        drive = -4.0 if neuron.values.a_0 == 1.0 else 10.0
        for v, end in ((points[1] - 1e-3, "rest"), (points[1] + 1e-3, "spike"), (-200.0, "rest")):
            times, trace = run(neuron, drive, 300.0, start=v)
            assert (len(times) > 0) == (end == "spike")
            if end == "rest":
                assert trace.v[-1].item() == pytest.approx(points[0], rel=1e-9)
    rest = -2 * math.atan(2.0)
    assert run(Theta(), -4.0, 300.0)[1].theta[-1].item() == pytest.approx(rest, rel=1e-9)


# Independent integration


def integrate(params: QIFParams, current, v: float) -> list[float]:
    """Spike times under a current that is constant within each step, by scipy."""
    p, times = params, []
    for step, i in enumerate(current):
        t, end = step * p.dt, (step + 1) * p.dt
        while t < end:

            def slope(_, y, i=i):
                return [(p.a_0 * (y[0] - p.v_rest) * (y[0] - p.v_c) + i) / p.tau]

            def peak(_, y):
                return y[0] - p.v_peak

            peak.terminal, peak.direction = True, 1
            found = solve_ivp(slope, (t, end), [v], rtol=1e-10, atol=1e-10, events=peak)
            t, v = found.t[-1], found.y[0, -1]
            if found.status == 1:
                times.append(t)
                v = p.v_reset
    return [*times, v]


@pytest.mark.parametrize("backend", ["eager", "numba"])
def test_a_changing_current_against_a_fine_integration(backend):
    params = QIFParams(tau=7.0, a_0=0.6, v_rest=-1.0, v_c=0.5, v_peak=8.0, v_reset=-3.0, dt=2.0)
    rng = np.random.default_rng(0)
    current = 1.5 * rng.standard_normal(60) + 1.5
    *want, v = integrate(params, current, -1.0)
    times, trace = run(QIF(params), tensor(*current), 120.0, backend=backend)
    assert len(want) > 4
    np.testing.assert_allclose(times.numpy(), want, rtol=1e-7)
    assert trace.v[-1].item() == pytest.approx(v, rel=1e-6)


def test_euler_steps_come_closer_and_closer():
    """SpikingJelly's QIFNode takes h = v + (x + a_0 (v - v_rest)(v - v_c))/tau."""
    params = QIFParams(tau=2.0, a_0=1.0, v_rest=0.0, v_c=0.8, v_peak=1.5, v_reset=0.0, dt=1.0)
    exact = qif_step(tensor(0.3), QIFState(tensor(0.2)), params)[1].v.item()
    errors = []
    for parts in (1, 10, 100):
        v = 0.2
        for _ in range(parts):
            v = v + (0.3 + v * (v - 0.8)) / (2.0 * parts)
        errors.append(abs(v - exact))
    assert errors[0] > 5e-3
    assert errors[1] / errors[2] == pytest.approx(10, rel=0.05)


def test_one_spike_by_hand():
    # I = 0, tau = 1: v(t) = 1/(1/v - t). From 2 to 4 takes 1/4; from 1, another 1/4 leads to 4/3.
    params = QIFParams(tau=1.0, v_peak=4.0, v_reset=1.0, dt=0.5)
    spikes, state, trace = qif_step(tensor(0.0, 0.0), QIFState(tensor(2.0, 1.0)), params)
    assert spikes.tolist() == [1.0, 0.0]
    assert trace.since.tolist() == pytest.approx([0.25, 0.0])
    assert state.v.tolist() == pytest.approx([4 / 3, 2.0])
    # I = 1: v = tan(t + atan(v0)); a quarter turn from 1 ends at -1, having passed infinity.
    params = QIFParams(tau=1.0, v_peak=INF, v_reset=-INF, dt=math.pi / 2)
    spikes, state, trace = qif_step(tensor(1.0), QIFState(tensor(1.0)), params)
    assert spikes.item() == 1.0
    assert state.v.item() == pytest.approx(-1.0)
    assert trace.since.item() == pytest.approx(math.pi / 4)


def test_theta_is_the_qif_with_infinite_peak():
    rng = torch.Generator().manual_seed(1)
    x = 3.0 * torch.randn(200, 8, dtype=F64, generator=rng) + 1.0
    v = torch.randn(8, dtype=F64, generator=rng)
    one = SpikingLayer(QIF(dt=1.0, **NORMAL))(x, QIFState(v), trace=True)
    two = SpikingLayer(Theta(tau=10.0, dt=1.0))(x, ThetaState(2 * v.atan()), trace=True)
    assert one[0].sum() > 50
    assert torch.equal(one[0], two[0])
    torch.testing.assert_close(one[2].since, two[2].since, rtol=1e-6, atol=1e-8)
    torch.testing.assert_close(2 * one[2].v.atan(), two[2].theta, rtol=1e-6, atol=1e-8)


def test_the_solution_is_continuous_where_the_current_changes_its_sign():
    # The three branches: series around 0, sine, hyperbolic sine. Slopes in I agree across them.
    edge = 0.01 / 0.1**2  # where |I| h^2 = 0.01
    for middle in (-edge, 0.0, edge):
        x = middle + tensor(-1e-6, 0.0, 1e-6)
        x.requires_grad_()
        _, state, _ = qif_step(x, QIFState(tensor(0.7, 0.7, 0.7)), QIFParams(dt=1.0))
        v = state.v
        (slope,) = torch.autograd.grad(v.sum(), x)
        assert ((v[2] - v[0]) / 2e-6).item() == pytest.approx(slope[1].item(), rel=1e-6)
        assert slope[0].item() == pytest.approx(slope[2].item(), rel=1e-5)


# Gradients


@pytest.mark.parametrize("current", [0.5, 2.0])
def test_the_time_of_a_spike_is_differentiated_exactly(current):
    n = 5
    for neuron in (QIF(dt=1.0, **NORMAL), Theta(tau=10.0, dt=1.0)):
        i = tensor(current).requires_grad_()
        times, _ = run(neuron, i, (n + 1) * math.pi * 10 / math.sqrt(current), None, "eager")
        (slope,) = torch.autograd.grad(times[n - 1] - times[0], i)
        want = -0.5 * (n - 1) * math.pi * 10.0 / current**1.5  # d/dI of pi tau/sqrt(I)
        assert slope.item() == pytest.approx(want, rel=1e-9)


@pytest.mark.parametrize("name", ["tau", "a_0", "v_rest", "v_c", "v_peak", "v_reset"])
def test_periods_gradient_with_respect_to_parameters(name):
    values = dict(tau=10.0, a_0=0.7, v_rest=-0.5, v_c=0.4, v_peak=6.0, v_reset=-2.0)

    def period(value):
        return QIFParams(**values | {name: value}).period(0.9)

    given = tensor(values[name]).requires_grad_()
    params = QIFParams(**values).with_values(**{name: given})
    v, times = QIFState(tensor(-2.0)), []
    for step in range(200):
        spikes, v, trace = qif_step(tensor(0.9), v, params)
        if spikes.item():
            times.append((step + 1) * params.dt - trace.since)
    (slope,) = torch.autograd.grad((times[2] - times[1]).sum(), given)
    e = 1e-5 * max(abs(values[name]), 1.0)
    want = (period(values[name] + e) - period(values[name] - e)) / (2 * e)
    assert slope.item() == pytest.approx(want, rel=1e-7, abs=1e-12)


def test_gradient_of_a_run_through_spikes_against_finite_differences():
    rng = torch.Generator().manual_seed(2)
    x = (1.0 + torch.randn(40, dtype=F64, generator=rng)).requires_grad_()
    params = QIFParams(tau=5.0, v_peak=4.0, v_reset=-2.0, dt=1.0)

    def end(x):
        state, count = QIFState(tensor(0.0)), 0.0
        for each in x:
            spikes, state, _ = qif_step(each[None], state, params)
            count += spikes.item()
        return state.v.sum(), count

    v, count = end(x)
    assert count >= 2
    (gradient,) = torch.autograd.grad(v, x)
    for k in (0, 10, 38):
        e = torch.zeros_like(x).index_fill(0, torch.tensor(k), 1e-6)
        (high, n), (low, m) = end(x.detach() + e), end(x.detach() - e)
        assert n == m == count
        assert gradient[k].item() == pytest.approx((high - low).item() / 2e-6, rel=1e-4, abs=1e-8)


def test_the_surrogate_sees_the_distance_along_the_circle():
    spike = Spike(lambda v, threshold: v - threshold)  # shows its argument
    v = tensor(-1e9, -1.0, 0.0, 1.0)
    args = qif_step(tensor(0, 0, 0, 0), QIFState(v), QIFParams(dt=1e-9, **NORMAL), spike)[0]
    want = torch.tan(v.atan() / 2) - 1.0
    torch.testing.assert_close(args, want, rtol=1e-6, atol=1e-6)
    theta = tensor(-1.0, 2.0)
    args = theta_step(tensor(0, 0), ThetaState(theta), ThetaParams(dt=1e-9), spike)[0]
    torch.testing.assert_close(args, theta - math.pi, rtol=1e-6, atol=1e-6)
    x = tensor(0.0).requires_grad_()
    spikes = qif_step(x, QIFState(tensor(0.0)), QIFParams())[0]
    (slope,) = torch.autograd.grad(spikes.sum(), x)
    assert slope.item() > 0


# What may go wrong


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize(
    "neuron",
    [
        QIF(),
        QIF(**NORMAL),
        QIF(a_0=0.04, v_rest=-65.0, v_c=-50.0, v_peak=30.0, v_reset=-60.0),
        Theta(),
    ],
)
def test_no_finite_input_makes_it_infinite(neuron, dtype):
    ends = [0.0, 1e-300, 1e-3, 1.0, 9.9, 10.0, 1e6, 1e15, 1e300]
    bound = torch.finfo(dtype).max
    values = tensor(*ends, *(-e for e in ends)).clamp(-bound, bound).to(dtype)
    x, start = torch.cartesian_prod(values, values).unbind(1)
    x, start = x.clone().requires_grad_(), start.clone()
    if neuron.name == "Theta":
        start = start.clamp(-math.pi, math.pi)
    start.requires_grad_()
    state, total = neuron.state(start), 0.0
    for _ in range(5):
        spikes, state, trace = neuron.step(x, state, neuron.values, Spike())
        assert ((spikes == 0) | (spikes == 1)).all()
        assert state[0].isfinite().all()
        assert ((trace.since >= 0) & (trace.since <= neuron.values.dt)).all()
        total = total + spikes.sum() + torch.tanh(state[0]).sum() + trace.since.sum()
    gradients = torch.autograd.grad(total, (x, start))
    assert all(not g.isnan().any() for g in gradients)


def test_a_current_beyond_the_largest_fires_once_per_step():
    params = QIFParams(dt=1.0, **NORMAL)
    assert params.period(params.largest_current) == pytest.approx(1.0, rel=2e-3)
    for current in (params.largest_current, 1e9):
        for neuron in (QIF(params), Theta(tau=10.0, dt=1.0)):
            times, _ = run(neuron, current, 100.0)
            assert len(times) in (99, 100)
            assert np.diff(times) == pytest.approx(1.0 / 0.999, rel=1e-6)


def test_every_parameter_changes_the_dynamics():
    base = dict(tau=10.0, a_0=1.0, v_rest=-0.2, v_c=0.3, v_peak=8.0, v_reset=-4.0)
    times, _ = run(QIF(**base), 1.0, 200.0)
    for name, value in base.items():
        other, _ = run(QIF(**base | {name: 0.9 * value}), 1.0, 200.0)
        assert abs(other[2] - times[2]) > 1e-3, name


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (dict(tau=0.0), "tau=0.0 ms must be positive"),
        (dict(v_c=-1.0), "v_c=-1.0 must be at least v_rest=0.0"),
        (dict(v_peak=-20.0), "v_peak=-20.0 must be above"),
        (dict(v_reset=10.0), "v_peak=10.0 must be above v_reset=10.0"),
        (dict(v_peak=0.0), "v_peak=0.0 must be above v_c=0.0"),
        (dict(v_reset=math.nan), "v_reset=nan must not be NaN"),
        # 10 (1/5 - 1/10) = 1 ms
        (dict(v_reset=5.0), r"dt=1 ms is too large: from v_reset .* needs 1 ms"),
        (dict(v_reset=torch.tensor([0.0, 5.0])), "dt=1 ms is too large"),
    ],
)
def test_bad_values(changes, says):
    with pytest.raises(ValueError, match=says):
        QIFParams(**changes)


def test_the_upstroke_is_the_period_without_input():
    for changes in (dict(v_reset=2.0), dict(v_reset=2.0, v_rest=-1.0, v_c=1.5), dict()):
        params = QIFParams(tau=100.0, **changes)
        assert params.upstroke.item() == pytest.approx(params.period(0.0), rel=1e-12)
    with pytest.raises(ValueError, match="theta_0=4 rad must lie in"):
        ThetaParams(theta_0=4)


def test_infinite_peaks_per_neuron():
    params = QIFParams(v_peak=tensor(10.0, INF), v_reset=tensor(-10.0, -INF), dt=1.0)
    x = torch.ones(100, 1, 2, dtype=F64)
    spikes, _, trace = SpikingLayer(QIF(params))(x, trace=True)
    for k, want in ((0, 29.422553), (1, 31.415927)):
        steps = spikes[:, 0, k].nonzero()[:, 0]
        times = (steps + 1).double() - trace.since[steps, 0, k]
        assert np.diff(times) == pytest.approx(want, rel=1e-7)
