"""FitzHugh-Nagumo: fixed points and Hopf currents in closed form, and an independent integrator."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.linalg import expm

from jarvis.neurons import SpikingLayer
from jarvis.neurons.fitzhugh_nagumo import (
    FitzHughNagumo,
    FitzHughNagumoParams,
    FitzHughNagumoState,
    fitzhugh_nagumo_rest,
    fitzhugh_nagumo_step,
)

F64 = torch.float64


def quiet(**values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return FitzHughNagumoParams(**values)


def run(params, current, duration, start=None):
    """Spike times, interpolated on the grid, and the trace of one neuron."""
    steps = round(duration / params.dt)
    x = torch.full((steps, 1), 0.0, dtype=F64) + torch.as_tensor(current, dtype=F64).view(-1, 1)
    state = None
    if start is not None:
        state = FitzHughNagumoState(*(torch.full((1,), part, dtype=F64) for part in start))
    else:
        state = FitzHughNagumo(params).initial_state(x[0])
    spikes, _, trace = SpikingLayer(FitzHughNagumo(params))(x, state, trace=True)
    v = torch.cat([state.v, trace.v[:, 0]]).numpy()
    steps = spikes[:, 0].numpy().nonzero()[0]
    late = (v[steps + 1] - params.v_spike) / (v[steps + 1] - v[steps])
    return params.dt * (steps + 1 - late), trace


def equations(p, current):
    def slope(t, y):
        v, w = y
        return [v - v**3 / 3.0 - w + current(t), p.eps * (v + p.a - p.b * w)]

    return slope


def integrated(p, current, duration, start):
    def crossing(_, y):
        return y[0] - p.v_spike

    crossing.direction = 1.0
    return solve_ivp(
        equations(p, current),
        (0.0, duration),
        start,
        method="DOP853",
        rtol=1e-10,
        atol=1e-10,
        events=crossing,
        max_step=1.0,
    )


# Closed forms


@pytest.mark.parametrize("current", [-1.0, 0.0, 0.4, 0.7, 0.875, 3.0, 1e4])
@pytest.mark.parametrize("b", [0.0, 0.3, 0.8, 1.0, 1.7])
def test_rest_is_the_lowest_point_on_both_nullclines(b, current):
    p = FitzHughNagumoParams(b=b)
    v, w = fitzhugh_nagumo_rest(p, current)
    size = max(1.0, abs(v) ** 3)
    assert v - v**3 / 3.0 - w + current == pytest.approx(0.0, abs=1e-12 * size)
    assert v + p.a - p.b * w == pytest.approx(0.0, abs=1e-9 * size)
    if b == 0.0:
        assert v == pytest.approx(-p.a)
        return
    roots = np.roots([b / 3.0, 0.0, 1.0 - b, p.a - b * current])
    assert v == pytest.approx(min(root.real for root in roots if abs(root.imag) < 1e-6), abs=1e-9)


def test_rest_by_cardano():
    p = FitzHughNagumoParams()
    third, half = (1.0 - p.b) / p.b, 1.5 * p.a / p.b  # v^3 + 3 third v + 2 half = 0
    root = math.sqrt(half**2 + third**3)
    want = math.cbrt(root - half) - math.cbrt(root + half)
    v, w = fitzhugh_nagumo_rest(p)
    assert (v, w) == pytest.approx((want, (want + p.a) / p.b), abs=1e-12)
    assert (v, w) == pytest.approx((-1.199408, -0.624260), abs=1e-6)


def test_the_rest_has_the_implicit_functions_derivative():
    a = torch.tensor([0.7, 0.6], dtype=F64, requires_grad=True)
    b = torch.tensor([0.8, 1.6], dtype=F64, requires_grad=True)
    current = torch.tensor(0.2, dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda *given: tuple(
            fitzhugh_nagumo_rest(FitzHughNagumoParams(a=given[0], b=given[1]), given[2])
        ),
        (a, b, current),
    )


def test_hopf_currents_in_closed_form():
    p = FitzHughNagumoParams()
    low, high = p.hopf_currents
    assert (low, high) == pytest.approx((0.331281, 1.418719), abs=1e-6)
    assert low + high == pytest.approx(2.0 * p.a / p.b)  # the equations are odd about v = 0
    for current, v in ((low, -math.sqrt(0.936)), (high, math.sqrt(0.936))):
        assert fitzhugh_nagumo_rest(p, current).v == pytest.approx(v, abs=1e-9)
    assert FitzHughNagumoParams(b=0.0).hopf_currents is None
    assert FitzHughNagumoParams(eps=1.3).hopf_currents is None  # eps b > 1
    assert FitzHughNagumoParams(eps=0.3, b=2.0).hopf_currents is None  # a saddle


def test_the_jacobians_eigenvalues_cross_the_axis_there():
    p = FitzHughNagumoParams()
    real = []
    for current in p.hopf_currents:
        for shift in (-1e-3, 1e-3):
            v = fitzhugh_nagumo_rest(p, current + shift).v
            jacobian = np.array([[1.0 - v**2, -1.0], [p.eps, -p.eps * p.b]])
            values = np.linalg.eigvals(jacobian)
            assert values[0].imag != 0.0
            real.append(values[0].real)
    assert [value > 0 for value in real] == [False, True, True, False]


def test_a_neuron_leaves_its_fixed_point_between_the_hopf_currents_and_nowhere_else():
    p = FitzHughNagumoParams(dt=0.05)
    low, high = p.hopf_currents
    for current, leaves in (
        (low - 0.01, False),
        (low + 0.01, True),
        (high - 0.01, True),
        (high + 0.01, False),
    ):
        v, w = fitzhugh_nagumo_rest(p, current)
        times, trace = run(p, current, 3000.0, (v + 0.01, w))
        swing = trace.v[-2000:].max() - trace.v[-2000:].min()
        assert bool(swing > 0.1) == leaves, current
        if not leaves:
            assert len(times) == 0


def test_one_step_by_hand():
    p = FitzHughNagumoParams(a=0.3, b=0.5, eps=0.2, dt=0.4)
    matrix = np.array([[0, -1, 1, 0], [0.2, -0.1, 0, 0.06], [0, 0, 0, 0], [0, 0, 0, 0]]) * 0.2
    half = expm(matrix)
    v, w = half[:2] @ [0.7, -0.2, 0.9, 1.0]
    v = v / math.sqrt(v**2 / 3.0 + (1.0 - v**2 / 3.0) * math.exp(-0.8))  # v' = v - v^3/3
    want = half[:2] @ [v, w, 0.9, 1.0]
    state = FitzHughNagumoState(*(torch.tensor([part], dtype=F64) for part in (0.7, -0.2)))
    spikes, after = fitzhugh_nagumo_step(torch.tensor([0.9], dtype=F64), state, p)
    assert [part.item() for part in after] == pytest.approx(want.tolist(), rel=1e-12)
    assert spikes.item() == float(want[0] >= 1.0)


# An independent integrator


@pytest.mark.parametrize("changes", [{}, dict(a=0.5), dict(b=0.5), dict(eps=0.15), dict(v_spike=0)])
def test_spikes_are_those_of_an_independent_integrator(changes):
    p = FitzHughNagumoParams(**changes, dt=0.02)

    def current(t):
        return 0.6 + 0.4 * math.sin(0.05 * t)

    middles = p.dt * (np.arange(15_000) + 0.5)
    start = (-1.0, -0.5)
    found, trace = run(p, [current(t) for t in middles], 300.0, start)
    want = integrated(p, current, 300.0, start)
    assert len(found) == len(want.t_events[0]) > 4
    np.testing.assert_allclose(found, want.t_events[0], atol=0.01)
    end = trace.v[-1].item(), trace.w[-1].item()
    assert end == pytest.approx(want.y[:, -1].tolist(), abs=2e-3)


def test_spikes_are_one_for_each_swing():
    p = FitzHughNagumoParams()
    times, trace = run(p, 0.5, 400.0)
    v = trace.v[:, 0].numpy()
    assert len(times) == ((v[1:] >= 1.0) & (v[:-1] < 1.0)).sum() == 11
    assert (v >= 1.0).sum() > 50 * len(times)  # it stays above for long, and spikes once


def test_the_step_is_of_second_order():
    p = FitzHughNagumoParams(dt=0.01)
    want = integrated(p, lambda t: 0.5, 400.0, (-1.0, -0.5)).t_events[0]
    period = np.diff(want)[-3:].mean()
    assert period == pytest.approx(39.47, abs=0.01)
    errors = []
    for dt in (0.4, 0.2, 0.1):
        times, _ = run(FitzHughNagumoParams(dt=dt), 0.5, 400.0, (-1.0, -0.5))
        errors.append(1.0 - np.diff(times)[-3:].mean() / period)
    assert errors[0] / errors[1] == pytest.approx(4.0, rel=0.1)
    assert errors[1] / errors[2] == pytest.approx(4.0, rel=0.1)
    assert errors[2] == pytest.approx(0.043 * 0.1**2, rel=0.1)


def test_at_its_defaults_it_rests_and_a_pulse_makes_it_spike_once():
    p = FitzHughNagumoParams()
    assert len(run(p, 0.0, 300.0)[0]) == 0
    weak, strong = torch.zeros(3000), torch.zeros(3000)
    weak[:10], strong[:10] = 0.3, 1.0
    assert len(run(p, weak, 300.0)[0]) == 0
    assert len(run(p, strong, 300.0)[0]) == 1
    assert len(run(p, 0.30, 1000.0)[0]) <= 1
    assert len(run(p, 0.40, 1000.0)[0]) > 10
    assert len(run(p, 1.60, 1000.0)[0]) <= 1  # excitation block


def test_a_pulse_of_inhibition_makes_it_spike():
    # Anodal break excitation (FitzHugh 1961).
    pulse = torch.zeros(2000)
    pulse[:500] = -0.5
    times, _ = run(FitzHughNagumoParams(), pulse, 200.0)
    assert len(times) == 1
    assert times[0] > 50.0


def test_it_is_fitzhughs_own_model_seen_from_the_other_side():
    # x' = c (x - x^3/3 + y + z), y' = -(x - a + b y)/c, with x = -v, y = w, z = -I.
    a, b, c, x, y, z = 0.7, 0.8, 3.0, -0.4, 0.3, -0.6
    slopes = c * (x - x**3 / 3.0 + y + z), -(x - a + b * y) / c
    p = FitzHughNagumoParams(a=a, b=b, eps=1.0 / c**2, dt=1e-5)
    state = FitzHughNagumoState(*(torch.tensor([part], dtype=F64) for part in (-x, y)))
    _, after = fitzhugh_nagumo_step(torch.tensor([-z], dtype=F64), state, p)
    change = [(new - old).item() / (p.dt / c) for new, old in zip(after, state, strict=True)]
    assert change == pytest.approx([-slopes[0], slopes[1]], abs=1e-4)


# Gradients, values, shapes


def test_smooth_variables_have_exact_gradients():
    x = torch.full((60, 1), 0.6, dtype=F64)
    x[::7] += 0.5

    def end(a, b, eps, scale):
        p = FitzHughNagumoParams(a=a, b=b, eps=eps)
        spikes, state, trace = SpikingLayer(FitzHughNagumo(p), backend="eager")(
            scale * x, trace=True
        )
        assert spikes.sum() == 1
        return state.v, state.w, (trace.v**2).mean()

    given = [torch.tensor(value, dtype=F64, requires_grad=True) for value in (0.7, 0.8, 0.08, 1.0)]
    assert torch.autograd.gradcheck(end, given)


def test_a_spike_has_the_surrogates_gradient():
    v = torch.tensor([0.95, 1.2], dtype=F64, requires_grad=True)
    state = FitzHughNagumoState(v, torch.zeros(2, dtype=F64))
    spikes, after = fitzhugh_nagumo_step(torch.ones(2, dtype=F64), state, FitzHughNagumoParams())
    assert spikes.tolist() == [1.0, 0.0]
    (found,) = torch.autograd.grad(spikes.sum(), v, retain_graph=True)
    (smooth,) = torch.autograd.grad(after.v.sum(), v)
    over = after.v[0].item() - 1.0
    assert found[0].item() == pytest.approx(smooth[0].item() / (1.0 + 25.0 * over) ** 2)
    assert found[1].item() == 0.0  # already above


@pytest.mark.parametrize("backend", ["eager", "numba"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_no_input_makes_a_state_infinite(backend, dtype):
    values = [math.inf, -math.inf, 3e38, -3e38, 1e6, -1e6, 0.0, 0.5]
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.choice(values, (60, 64)), dtype=dtype)
    for p in (FitzHughNagumoParams(), quiet(dt=2.0), FitzHughNagumoParams(b=0.0, eps=5.0)):
        layer = SpikingLayer(FitzHughNagumo(p), backend=backend)
        spikes, state = layer(x)
        assert all(torch.isfinite(part).all() for part in state)
        assert ((spikes == 0) | (spikes == 1)).all()
        _, after = layer(torch.full((1000, 64), 0.5, dtype=dtype), state)
        assert all(torch.isfinite(part).all() for part in after)


def test_it_starts_at_rest_and_detaches():
    p = FitzHughNagumoParams(a=torch.tensor([0.7, 0.5], dtype=F64))
    x = torch.zeros(2000, 1, 2, dtype=F64, requires_grad=True)
    _, state, trace = SpikingLayer(FitzHughNagumo(p))(x, trace=True)
    for part, start in zip(trace, fitzhugh_nagumo_rest(p), strict=True):
        torch.testing.assert_close(part[:, 0], start.expand(2000, 2), atol=2e-3, rtol=0.0)
    assert state.v.requires_grad
    assert not any(part.requires_grad for part in state.detach())


def test_dt_is_refused_or_warned_about():
    with pytest.raises(ValueError, match=r"dt=2\.1 is too large: above 2 "):
        FitzHughNagumoParams(dt=2.1)
    with pytest.warns(UserWarning, match=r"dt=1 is large: periods are about 4\.3 % too short"):
        p = FitzHughNagumoParams(dt=1.0)
    periods = [np.diff(run(params, 0.5, 400.0)[0])[-3:].mean() for params in (p, quiet(dt=0.05))]
    assert periods[0] / periods[1] == pytest.approx(1.0 - 0.043, abs=0.005)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FitzHughNagumoParams(dt=0.45)


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        (dict(b=-0.1), ValueError, "b=-0.1"),
        (dict(eps=0.0), ValueError, "eps=0.0"),
        (dict(dt=-0.1), ValueError, "dt=-0.1"),
        (dict(a=math.inf), ValueError, "a=inf"),
        (dict(a="0.7"), TypeError, "a must be a number"),
    ],
)
def test_bad_values_are_named(values, error, says):
    with pytest.raises(error, match=says):
        FitzHughNagumoParams(**values)
    with pytest.raises(ValueError, match="give one a for all"):
        _ = FitzHughNagumoParams(a=torch.tensor([0.7, 0.8])).hopf_currents
