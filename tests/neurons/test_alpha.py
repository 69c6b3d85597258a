"""Rising synaptic currents: closed forms, equal time constants, an ODE solver, spikes by hand."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import minimize_scalar

from jarvis.neurons import SpikingLayer
from jarvis.neurons.alpha import AlphaLIF, AlphaLIFParams, AlphaLIFState, alpha_lif_step

F64 = torch.float64


def params(**changes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return AlphaLIFParams(**changes)


def response(p, steps, x=1.0, backend="eager"):
    """Current and potential at the end of each step after one input."""
    inputs = torch.zeros(steps, 1, dtype=F64)
    inputs[0] = x
    trace = SpikingLayer(AlphaLIF(p), backend=backend)(inputs, trace=True)[2]
    return trace.i[:, 0].numpy(), trace.v[:, 0].numpy(), p.dt * np.arange(1, steps + 1)


def potential(t, tau, rise, decay, jump):
    """v(t) after one input, worked out for each way in which time constants may be equal."""
    a, b, m = 1.0 / rise, 1.0 / decay, 1.0 / tau
    if a == b == m:
        return jump * (a * t) ** 2 / 2.0 * np.exp(-a * t)
    if a == b:  # v' = -m v + m jump a t exp(-a t)
        c = m - a
        return jump * m * a * (np.exp(-a * t) * (c * t - 1.0) + np.exp(-m * t)) / c**2
    if a == m or b == m:  # the double one is m; the other one is o
        o = b if a == m else a
        c = o - m
        return jump * b * m * (np.exp(-m * t) * (c * t - 1.0) + np.exp(-o * t)) / c**2
    parts = (
        np.exp(-a * t) / ((b - a) * (m - a)),
        np.exp(-b * t) / ((a - b) * (m - b)),
        np.exp(-m * t) / ((a - m) * (b - m)),
    )
    return jump * b * m * sum(parts)


TAUS = [
    (20.0, 5.0, 5.0),
    (20.0, 1.0, 10.0),
    (20.0, 10.0, 1.0),
    (5.0, 5.0, 5.0),
    (5.0, 2.0, 5.0),
    (5.0, 5.0, 2.0),
    (2.0, 3.0, 30.0),
]


@pytest.mark.parametrize(("tau", "rise", "decay"), TAUS)
@pytest.mark.parametrize("dt", [0.1, 1.0, 7.0])
def test_current_and_potential_are_the_closed_form(tau, rise, decay, dt):
    p = params(tau=tau, tau_rise=rise, tau_decay=decay, dt=dt, threshold=100.0)
    i, v, t = response(p, 60)
    if rise == decay:
        k, want = math.e, math.e * t / rise * np.exp(-t / rise)
    else:
        peak = rise * decay / (decay - rise) * math.log(decay / rise)
        shape = np.exp(-t / decay) - np.exp(-t / rise)
        size = math.exp(-peak / decay) - math.exp(-peak / rise)
        want = shape / size
        k = (decay - rise) / rise / size
    np.testing.assert_allclose(i, want, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(v, potential(t, tau, rise, decay, k), rtol=1e-10, atol=1e-10)
    assert p.jump == pytest.approx(k, rel=1e-12)


@pytest.mark.parametrize("near", [1e-3, 1e-6, 1e-9, 1e-12, 1e-15])
@pytest.mark.parametrize("which", [(1, 0, 0), (0, 1, 0), (0, 0, 1), (1, 2, 0)])
def test_nearly_equal_time_constants_are_as_good_as_equal_ones(near, which):
    equal = params(tau=5.0, threshold=100.0)
    tau, rise, decay = (5.0 * (1.0 + near * factor) for factor in which)
    other = params(tau=tau, tau_rise=rise, tau_decay=decay, threshold=100.0)
    for one, two in zip(response(equal, 50)[:2], response(other, 50)[:2], strict=True):
        np.testing.assert_allclose(one, two, rtol=0, atol=3.0 * near + 1e-14)


def test_the_two_time_constants_may_be_exchanged():
    one = params(tau_rise=1.0, tau_decay=8.0, threshold=100.0)
    two = params(tau_rise=8.0, tau_decay=1.0, threshold=100.0)
    np.testing.assert_allclose(response(one, 50)[0], response(two, 50)[0], rtol=1e-10, atol=1e-13)
    np.testing.assert_allclose(response(one, 50)[1], response(two, 50)[1], rtol=1e-10, atol=1e-13)
    assert one.time_to_peak == pytest.approx(two.time_to_peak)


@pytest.mark.parametrize(("rise", "decay"), [(5.0, 5.0), (1.0, 10.0), (10.0, 1.0), (4.0, 4.001)])
def test_the_peak_of_the_current(rise, decay):
    p = params(tau_rise=rise, tau_decay=decay)
    found = minimize_scalar(
        lambda t: -p.kernel(t), bounds=(0.0, 30.0), method="bounded", options=dict(xatol=1e-9)
    )
    assert p.time_to_peak == pytest.approx(found.x, abs=1e-5)
    assert p.kernel(p.time_to_peak) == pytest.approx(1.0, abs=1e-12)
    assert p.kernel(0.0) == p.kernel(-1.0) == 0.0
    # and on the grid
    fine = params(tau_rise=rise, tau_decay=decay, dt=0.01, threshold=100.0)
    i, _, t = response(fine, 2000, backend="numba")
    assert t[i.argmax()] == pytest.approx(p.time_to_peak, abs=0.01)
    assert i.max() == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(i, [p.kernel(at) for at in t], rtol=1e-9, atol=1e-12)


def test_an_alpha_function_peaks_at_its_time_constant():
    p = AlphaLIFParams.named("alpha")
    assert p.time_to_peak == 5.0
    assert p.jump == pytest.approx(math.e, rel=1e-15)
    assert p.kernel(10.0) == pytest.approx(2.0 / math.e)  # (t/tau) exp(1 - t/tau)


@pytest.mark.parametrize(("rise", "decay"), [(5.0, 5.0), (1.0, 10.0), (3.0, 0.5)])
def test_the_area_of_the_current(rise, decay):
    p = params(tau_rise=rise, tau_decay=decay, scale="area", dt=0.01, threshold=100.0)
    i, v, _ = response(p, 20_000, backend="numba")
    assert i.sum() * 0.01 == pytest.approx(1.0, rel=1e-4)
    assert v.sum() * 0.01 == pytest.approx(1.0, rel=1e-3)  # the leak is 1, too
    peak = params(tau_rise=rise, tau_decay=decay)
    assert p.kernel(2.0) == pytest.approx(peak.kernel(2.0) * p.jump / peak.jump)


def test_a_constant_input_drives_the_potential_towards_it():
    p = params(scale="area", threshold=100.0)
    x = torch.full((400, 1), 0.7, dtype=F64)
    _, state = SpikingLayer(AlphaLIF(p), backend="eager")(x)
    # Inputs that come in steps: the mean current over a step is 0.7, the one at its end is not.
    decay = math.exp(-0.2)
    end = 0.7 / 5.0 * decay / (1.0 - decay) ** 2 / 5.0
    assert state.i.item() == pytest.approx(end, rel=1e-9)
    assert state.v.item() == pytest.approx(0.7, rel=2e-3)


def test_many_inputs_are_the_solution_of_an_ode():
    rng = np.random.default_rng(0)
    x = rng.normal(size=40)
    p = params(tau=12.0, tau_rise=3.0, tau_decay=8.0, threshold=100.0, dt=1.5)

    def slope(_, y):
        v, i, z = y
        return [(i - v) / 12.0, (z - i) / 8.0, -z / 3.0]

    y, want = np.zeros(3), []
    for jump in x:
        y[2] += p.jump * jump
        y = solve_ivp(slope, (0.0, 1.5), y, method="DOP853", rtol=1e-12, atol=1e-13).y[:, -1]
        want.append(y[0])
    inputs = torch.as_tensor(x).view(-1, 1)
    trace = SpikingLayer(AlphaLIF(p), backend="eager")(inputs, trace=True)[2]
    np.testing.assert_allclose(trace.v[:, 0].numpy(), want, rtol=0, atol=1e-10)


def test_steps_of_any_size_meet_at_the_same_points():
    coarse = response(params(dt=4.0, threshold=100.0), 10)
    fine = response(params(dt=0.5, threshold=100.0), 80)
    for one, two in zip(coarse, fine, strict=True):
        np.testing.assert_allclose(one, two[7::8], rtol=1e-10)


# Spikes


@pytest.mark.parametrize("reset", ["zero", "subtract", "none"])
def test_a_spike_and_a_reset_by_hand(reset):
    # All time constants 10 ms, dt 10 ms: with e = exp(-1), in one step
    # z -> e z;  i -> e (i + z);  v -> e (v + i + z/2).
    p = params(tau=10.0, tau_rise=10.0, tau_decay=10.0, dt=10.0, reset=reset, threshold=1.2)
    e = math.exp(-1.0)
    z, i, v, want, fired = 0.0, 0.0, 0.0, [], []
    for x in (2.0, 2.0, 0.0, 0.0):
        z += math.e * x
        v, i, z = e * (v + i + z / 2.0), e * (i + z), e * z
        fired.append(float(v >= 1.2))
        if fired[-1]:
            v = {"zero": 0.0, "subtract": v - 1.2, "none": v}[reset]
        want.append((v, i, z))
    assert sum(fired) >= 1
    assert fired[0] == 0.0
    x = torch.tensor([2.0, 2.0, 0.0, 0.0], dtype=F64).view(-1, 1)
    state = AlphaLIF(p).initial_state(x[0])
    for t in range(4):
        spikes, state, record = alpha_lif_step(x[t], state, p)
        assert spikes.item() == fired[t]
        got = [state.v.item(), state.i.item(), state.z.item()]
        assert got == pytest.approx(want[t], rel=1e-12, abs=1e-14)
        assert record.v.item() == state.v.item()
        assert (record.h.item() >= 1.2) == bool(fired[t])


def test_the_refractory_time_holds_the_potential_but_not_the_current():
    p = params(refractory=3.0, threshold=0.4)
    free = params(threshold=100.0)
    x = torch.zeros(12, 1, dtype=F64)
    x[:8] = 2.0
    spikes, _, trace = SpikingLayer(AlphaLIF(p), backend="eager")(x, trace=True)
    at = spikes[:, 0].nonzero()[0].item()
    assert spikes[at + 1 : at + 4].sum() == 0
    assert (trace.v[at : at + 4] == 0).all()
    assert trace.h[at + 4].item() > 0
    other = SpikingLayer(AlphaLIF(free), backend="eager")(x, trace=True)[2]
    assert torch.equal(trace.i, other.i)
    without = SpikingLayer(AlphaLIF(params(threshold=0.4)), backend="eager")(x)[0]
    assert without.sum() > spikes.sum()


def test_the_rate_at_a_constant_current():
    # A slow current that is set once: interval = tau ln(I/(I - 1)) + up to one step.
    p = params(tau_rise=1e9, tau_decay=1e9, dt=0.01)
    state = AlphaLIFState(*(torch.tensor([value], dtype=F64) for value in (0.0, 1.5, 1.5)))
    spikes, _ = SpikingLayer(AlphaLIF(p))(torch.zeros(20_000, 1, dtype=F64), state)
    (at,) = spikes[:, 0].nonzero(as_tuple=True)
    intervals = np.diff(at.numpy()) * 0.01
    want = 20.0 * math.log(3.0)
    assert (np.abs(intervals - want) <= 0.0101).all()
    assert len(intervals) >= 7


def test_the_largest_potential_on_the_grid():
    # At the dt that does not warn, at most 1 % is missed, whatever the phase of the grid.
    for tau, rise, decay in [*TAUS, (50.0, 0.1, 50.0)]:
        limit = sorted((tau, rise, decay))[1] / 4.0
        fine = params(tau=tau, tau_rise=rise, tau_decay=decay, dt=limit / 40.0, threshold=100.0)
        v = response(fine, 4000, backend="numba")[1]
        worst = min(v[phase::40].max() for phase in range(40))
        assert worst >= 0.99 * v.max()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            AlphaLIFParams(tau=tau, tau_rise=rise, tau_decay=decay, dt=0.999 * limit)
        with pytest.warns(UserWarning, match="take dt below"):
            AlphaLIFParams(tau=tau, tau_rise=rise, tau_decay=decay, dt=1.001 * limit)


# Gradients


@pytest.mark.parametrize("scale", ["peak", "area"])
@pytest.mark.parametrize("taus", [(20.0, 5.0, 5.0), (5.0, 5.0, 5.0), (20.0, 1.0, 10.0)])
def test_gradients_against_finite_differences(scale, taus):
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(10, 3, generator=rng, dtype=F64)
    values = [torch.full((3,), value, dtype=F64) for value in taus]
    values[1] = values[1] * (1.0 + 1e-3 * torch.arange(3.0))  # equal, and nearly so

    def ends(x, tau, rise, decay):
        p = params(threshold=100.0, scale=scale)
        p = p.with_values(tau=tau, tau_rise=rise, tau_decay=decay)
        state = AlphaLIF(p).initial_state(x[0])
        for each in x:
            _, state, _ = alpha_lif_step(each, state, p)
        return torch.stack(state[:3])

    leaves = [value.requires_grad_() for value in (x, *values)]
    assert torch.autograd.gradcheck(ends, leaves, eps=1e-6, atol=1e-7, rtol=1e-5)


def test_one_value_per_neuron_is_each_neuron_by_itself():
    tau = torch.tensor([5.0, 20.0, 20.0], dtype=F64)
    rise = torch.tensor([5.0, 5.0, 1.0], dtype=F64)
    decay = torch.tensor([5.0, 5.0, 9.0], dtype=F64)
    x = torch.zeros(30, 1, 3, dtype=F64)
    x[0] = 1.0
    together = params(tau=tau, tau_rise=rise, tau_decay=decay, threshold=100.0)
    got = SpikingLayer(AlphaLIF(together), backend="numba")(x, trace=True)[2].v[:, 0]
    for n in range(3):
        alone = params(
            tau=tau[n].item(), tau_rise=rise[n].item(), tau_decay=decay[n].item(), threshold=100.0
        )
        np.testing.assert_allclose(got[:, n].numpy(), response(alone, 30)[1], rtol=1e-10)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_no_finite_input_gives_nan(dtype):
    x = (3e38 * torch.randn(60, 4, 6, dtype=dtype).clamp(-1, 1)).requires_grad_()
    for reset in ("zero", "subtract", "none"):
        spikes, state, trace = SpikingLayer(AlphaLIF(reset=reset), backend="eager")(x, trace=True)
        assert all(torch.isfinite(part).all() for part in (spikes, *state[:3], *trace))
        (gradient,) = torch.autograd.grad(spikes.sum() + trace.v.sum() / 1e15, x)
        assert torch.isfinite(gradient).all()


def test_float32_is_close():
    x = torch.rand(50, 2, 3)
    p = params(threshold=100.0)
    one = SpikingLayer(AlphaLIF(p), backend="eager")(x, trace=True)[2].v
    two = SpikingLayer(AlphaLIF(p), backend="eager")(x.double(), trace=True)[2].v
    torch.testing.assert_close(one.double(), two, rtol=1e-5, atol=1e-5)


# Bad values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(tau=0.0), "tau=0"),
        (dict(tau_rise=0.0), "tau_rise=0"),
        (dict(tau_decay=math.inf), "tau_decay=inf"),
        (dict(threshold=-1.0), "threshold=-1"),
        (dict(reset="soft"), "reset='soft'"),
        (dict(scale="unit"), "scale='unit'"),
        (dict(refractory=0.4), "less than half a step"),
    ],
)
def test_bad_values(changes, message):
    with pytest.raises(ValueError, match=message):
        AlphaLIFParams(**changes)


def test_the_kernel_of_neurons_that_differ():
    with pytest.raises(ValueError, match="give one tau_rise for all"):
        AlphaLIFParams(tau_rise=torch.tensor([4.0, 5.0])).kernel(1.0)


def test_detach():
    x = torch.ones(3, 1, requires_grad=True)
    _, state = SpikingLayer(AlphaLIF(), backend="eager")(x)
    assert state.v.requires_grad
    assert not state.detach().v.requires_grad
