"""Resonate-and-fire: closed forms of a damped oscillation, and what Euler's method makes of it."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from jarvis import SurrogateSpike
from jarvis.neurons import SpikingLayer
from jarvis.neurons.resonator import (
    BRF,
    BRF_RANGES,
    RF,
    BRFParams,
    BRFState,
    RFParams,
    RFState,
    brf_step,
    double_gaussian,
    multi_gaussian,
    rf_step,
)
from jarvis.surrogate import DEFAULT_SPIKE, Spike

F64 = torch.float64

# b = -1 and omega = 10 per unit of time, in units of 1 ms.
UNIT = dict(damping=1.0, omega=10.0)
PERIOD = 2.0 * math.pi / 10.0


def column(values):
    return torch.as_tensor(values, dtype=F64).reshape(len(values), -1)


def run(neuron, x, state=None, backend="eager", **options):
    """Spikes, and z before the reset as a complex array, both [T, n]."""
    layer = SpikingLayer(neuron, backend=backend, **options)
    spikes, _, trace = layer(x, state, trace=True)
    return spikes.detach().numpy(), trace.re.detach().numpy() + 1j * trace.im.detach().numpy()


def pulses(dt, duration, *times_and_sizes):
    x = torch.zeros(round(duration / dt), 1, dtype=F64)
    for time, size in times_and_sizes:
        x[round(time / dt)] += size
    return x


# Closed forms


def test_numbers_of_the_notes():
    p = RFParams(**UNIT, dt=0.01)
    assert p.period == pytest.approx(0.6283185, abs=1e-7)
    assert p.frequency == pytest.approx(1591.549, abs=1e-3)
    assert p.pulse_peak == pytest.approx(0.8589128, abs=5e-8)
    assert p.pulse_delay == pytest.approx(0.1471128, abs=5e-8)
    assert p.rebound == pytest.approx(0.7304027, abs=5e-8)
    assert p.resonance == pytest.approx(9.949874, abs=5e-7)


def test_a_step_is_exact_for_any_dt():
    """Against the differential equation, solved numerically between the inputs."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=12)
    p = RFParams(damping=0.07, omega=0.4, reset="none", dt=0.9)
    _, z = run(RF(p), column(x))
    state = [0.0, 0.0]
    for size, found in zip(x, z[:, 0], strict=True):
        rates = np.array([[-0.07, -0.4], [0.4, -0.07]])
        state = solve_ivp(lambda t, y, a=rates: a @ y, (0.0, 0.9), state, rtol=1e-11, atol=1e-13)
        state = state.y[:, -1] + [size, 0.0]
        assert found == pytest.approx(complex(*state), abs=1e-9)


def test_after_a_period_only_the_amplitude_has_changed():
    p = RFParams(**UNIT, reset="none", dt=PERIOD / 64)
    start = RFState(column([0.3]), column([-0.2]))
    _, z = run(RF(p), torch.zeros(128, 1, 1, dtype=F64), start)
    decay = math.exp(-PERIOD)
    assert z[63, 0] == pytest.approx((0.3 - 0.2j) * decay, rel=1e-12)
    assert z[127, 0] == pytest.approx((0.3 - 0.2j) * decay**2, rel=1e-12)
    assert z[31, 0] == pytest.approx(-(0.3 - 0.2j) * math.sqrt(decay), rel=1e-12)


def test_response_to_a_pulse():
    dt, p = 1e-4, RFParams(**UNIT, reset="none", dt=1e-4)
    _, z = run(RF(p), pulses(dt, 0.8, (0.0, 1.0)), backend="numba")
    top = z.imag.argmax()
    assert z.imag[top, 0] == pytest.approx(0.8589128, abs=2e-7)
    assert top * dt == pytest.approx(0.1471128, abs=dt)
    bottom = z.imag.argmin()
    assert -z.imag[bottom, 0] / z.imag[top, 0] == pytest.approx(0.7304027, abs=1e-6)
    assert (bottom - top) * dt == pytest.approx(PERIOD / 2, abs=1.5 * dt)


@pytest.mark.parametrize(
    ("threshold", "size", "when"),
    [
        (1.0, 1.0 / 0.8589128, 0.1471128),
        (1.0, -1.594, 0.1471128 + PERIOD / 2),
        (0.4, -0.4 * 1.594, 0.1471128 + PERIOD / 2),
    ],
)
def test_the_smallest_pulse_that_fires(threshold, size, when):
    """Also an inhibitory one, half a period later."""
    dt = 1e-3
    neuron = RF(**UNIT, threshold=threshold, dt=dt)
    quiet, _ = run(neuron, pulses(dt, 1.0, (0.0, size * 0.999)))
    assert not quiet.any()
    spikes, _ = run(neuron, pulses(dt, 1.0, (0.0, size * 1.001)))
    assert spikes.sum() == 1
    assert spikes.argmax() * dt == pytest.approx(when, abs=0.006)  # it stays near the top for long


def test_doublets():
    """The response to two pulses as their distance grows: an integrator's only falls."""
    wanted = {0.0: 2.0, 0.25: 1.412, 0.5: 0.270, 0.75: 1.115, 1.0: 1.533, 1.25: 1.147, 1.5: 0.610}
    wanted[2.0] = 1.285
    dt = PERIOD / 800
    p = RFParams(**UNIT, reset="none", dt=dt)
    x = torch.zeros(2400, 1, len(wanted), dtype=F64)
    x[0] = 1.0
    for i, periods in enumerate(wanted):
        x[round(800 * periods), 0, i] += 1.0
    _, z = run(RF(p), x, backend="numba")
    for i, (periods, height) in enumerate(wanted.items()):
        answer = z.imag[round(800 * periods) :, 0, i].max() / p.pulse_peak
        assert answer == pytest.approx(height, abs=6e-4), periods


def amplitudes(p, frequencies):
    """Amplitudes under a drive of each of the frequencies (rad/ms), when they no longer change.

    Those of z, driven by exp(i w t), and of Im z, driven by cos(w t). The neuron is linear: it
    answers exp(i w t) as it answers the cosine, plus i times what it answers the sine.
    """
    t = p.dt * torch.arange(round(14.0 / p.damping / p.dt), dtype=F64).view(-1, 1, 1)
    w = torch.as_tensor(frequencies, dtype=F64)
    _, cosine = run(RF(p), p.dt * torch.cos(w * t), backend="numba")
    _, sine = run(RF(p), p.dt * torch.sin(w * t), backend="numba")
    last = cosine[-1, 0], sine[-1, 0]
    return np.abs(last[0] + 1j * last[1]), np.abs(last[0].imag + 1j * last[1].imag)


def test_half_power_bandwidth():
    """The response to exp(i w t) is 1/|i (w - omega) + damping|."""
    p = RFParams(damping=0.01, omega=0.5, threshold=1e9, reset="none", dt=0.01)
    found, _ = amplitudes(p, [0.49, 0.5, 0.51, 0.53, 0.6])
    wanted = 1.0 / np.abs(1j * np.array([-0.01, 0.0, 0.01, 0.03, 0.1]) + 0.01)
    np.testing.assert_allclose(found, wanted, rtol=2e-3)
    assert found[0] / found[1] == pytest.approx(math.sqrt(0.5), rel=1e-3)
    assert found[2] / found[1] == pytest.approx(math.sqrt(0.5), rel=1e-3)


def test_a_real_drive_moves_im_z_most_at_the_resonance():
    """Damped strongly, so that sqrt(omega^2 - b^2) = 0.8 differs from omega = 1."""
    p = RFParams(damping=0.6, omega=1.0, threshold=1e9, reset="none", dt=0.001)
    assert p.resonance == pytest.approx(0.8)
    at = np.linspace(0.6, 1.0, 9)
    of_z, found = amplitudes(p, at)
    # That of a low-pass filter of second order: 1/amplitude^2 is a parabola in w^2.
    np.testing.assert_allclose(found, 1.0 / np.abs((1j * at + 0.6) ** 2 + 1.0), rtol=1e-3)
    a, b, _ = np.polyfit(at**2, 1.0 / found**2, 2)
    assert math.sqrt(-b / (2.0 * a)) == pytest.approx(0.8, abs=1e-3)
    assert of_z.argmax() == 8  # |z| itself, driven by exp(i w t), is largest at omega


def test_overdamped_it_has_no_resonance():
    assert RFParams(damping=0.2, omega=0.1).resonance == 0.0


# Spikes and resets


def complex_loop(p, x):
    """The same in plain complex numbers."""
    z, spikes, before = 0j, [], []
    for value in x:
        z = np.exp((-p.damping + 1j * p.omega) * p.dt) * z + value
        fired = z.imag >= p.threshold
        spikes.append(float(fired))
        before.append(z)
        if fired and p.reset != "none":
            z = 1j * p.threshold if p.reset == "i" else 0j
    return np.array(spikes), np.array(before)


@pytest.mark.parametrize("reset", ["i", "zero", "none"])
def test_against_a_loop_of_complex_numbers(reset):
    p = RFParams(damping=0.03, omega=0.5, threshold=0.7, reset=reset)
    x = np.random.default_rng(1).normal(0.0, 0.6, 300)
    spikes, z = run(RF(p), column(x))
    wanted, before = complex_loop(p, x)
    assert wanted.sum() > 10
    np.testing.assert_array_equal(spikes[:, 0], wanted)
    np.testing.assert_allclose(z[:, 0], before, atol=1e-12)


def test_a_spike_by_hand():
    """A quarter turn per step, without damping: z goes 2, 2i (fires; z = i), -1, -i, 1, i."""
    with pytest.warns(UserWarning, match="29% of an oscillation's top"):
        p = RFParams(damping=0.0, omega=math.pi / 2)
    spikes, z = run(RF(p), column([2.0, 0.0, 0.0, 0.0, 0.0, 0.3]))
    assert spikes[:5, 0].tolist() == [0.0, 1.0, 0.0, 0.0, 0.0]
    np.testing.assert_allclose(z[:, 0], [2, 2j, -1, -1j, 1, 1j + 0.3], atol=1e-12)


def test_every_reset_does_something_else():
    x = column(np.random.default_rng(1).normal(0.0, 0.6, 200))
    found = [run(RF(damping=0.03, omega=0.5, reset=r), x)[0] for r in ("i", "zero", "none")]
    for i, j in ((0, 1), (0, 2), (1, 2)):
        assert (found[i] != found[j]).any()


def test_input_and_threshold_scale_together():
    x = column(np.random.default_rng(2).normal(0.0, 0.6, 300))
    one, _ = run(RF(damping=0.03, omega=0.5), x)
    two, _ = run(RF(damping=0.03, omega=0.5, threshold=4.0), 4.0 * x)
    assert one.sum() > 10
    np.testing.assert_array_equal(one, two)


def test_it_hears_its_own_frequency_only():
    """Trains of weak pulses: at the period they fire it, at other distances they do not."""
    neuron = RF.params.named("alpha")
    for distance, fires in ((100, True), (50, False), (75, False), (130, False)):
        x = torch.zeros(2000, 1, dtype=F64)
        x[::distance] = 0.6
        assert run(RF(neuron), x)[0].any() == fires, distance


def test_named_sets_are_the_bands_of_the_eeg():
    for name, hertz in (("theta", 6.0), ("alpha", 10.0), ("beta", 20.0), ("gamma", 40.0)):
        p = RFParams.named(name)
        assert p.frequency == pytest.approx(hertz)
        assert p.omega == pytest.approx(10.0 * p.damping)


# dt, bad values, extremes


def test_dt():
    with pytest.raises(ValueError, match=r"below half the period of 6\.28 ms"):
        RFParams(omega=1.0, dt=math.pi)
    with pytest.warns(UserWarning, match=r"take dt of 0\.63 ms or less"):
        RFParams(omega=1.0, dt=0.64)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        RFParams(omega=1.0, dt=0.62)
    with pytest.warns(UserWarning, match=r"period of 6\.28 ms"):  # the fastest neuron decides
        RFParams(omega=torch.tensor([0.1, 1.0]))


def test_what_a_large_dt_misses():
    """The warning's fraction: with 10 steps per period, up to 4.9 % of the top."""
    p = RFParams(damping=0.0, omega=2.0 * math.pi / 10.0, reset="none", dt=1.0)
    angles = np.linspace(0.0, 2.0 * math.pi, 400)
    start = RFState(column(np.cos(angles)).T, column(np.sin(angles)).T)
    _, z = run(RF(p), torch.zeros(10, 1, 400, dtype=F64), start)
    lowest = z.imag.max(0).min()
    assert lowest == pytest.approx(1.0 - (1.0 - math.cos(math.pi / 10.0)), abs=1e-4)
    assert 1.0 - lowest == pytest.approx(0.049, abs=5e-4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(damping=-0.1), "damping=-0.1 1/ms must be at least 0"),
        (dict(omega=0.0), "omega=0.0 rad/ms must be positive"),
        (dict(threshold=0.0), "threshold=0.0 must be positive"),
        (dict(dt=0.0), "dt=0.0 ms must be positive"),
        (dict(reset="hard"), "reset='hard' is not one of i, zero, none"),
        (dict(omega=torch.tensor([0.1, math.nan])), "omega must be positive and finite"),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(ValueError, match=message):
        RFParams(**values)


@pytest.mark.parametrize("neuron", [RF(damping=0.0, reset="none"), BRF()])
def test_no_finite_input_makes_it_infinite(neuron):
    x = torch.full((50, 1, 2), 3e38)
    x[25:] *= -1.0
    x.requires_grad_()
    for backend in ("eager", "numba"):
        spikes, state = SpikingLayer(neuron, backend=backend)(x)
        assert all(part.isfinite().all() for part in state)
        assert spikes.isfinite().all()
        (gradient,) = torch.autograd.grad(spikes.sum(), x)
        assert gradient.isfinite().all()


@pytest.mark.parametrize(("neuron", "names"), [(RF, RFState._fields), (BRF, BRFState._fields)])
def test_a_detached_state_has_no_gradient(neuron, names):
    state = neuron.state(*(torch.ones(1, requires_grad=True) for _ in names))
    assert isinstance(state.detach(), neuron.state)
    assert not any(part.requires_grad for part in state.detach())


# Gradients


def numerically(function, values, h=1e-6):
    found = []
    for i in range(len(values)):
        up, down = list(values), list(values)
        up[i] += h
        down[i] -= h
        found.append((function(*up) - function(*down)) / (2.0 * h))
    return found


def test_gradients_are_those_of_finite_differences():
    x = column(np.random.default_rng(3).normal(size=30))

    def total(damping, omega):
        p = RFParams(damping=float(damping), omega=float(omega), threshold=1e9, reset="none")
        _, z = run(RF(p), x)
        return (z.imag**2).sum()

    wanted = numerically(total, [0.04, 0.3])
    neuron = RF(damping=0.04, omega=0.3, threshold=1e9, reset="none")
    layer = SpikingLayer(neuron, learnable=("damping", "omega"), backend="eager").double()
    with torch.no_grad():  # learned from float32 on
        layer.log_damping.copy_(torch.tensor(0.04, dtype=F64).log())
        layer.log_omega.copy_(torch.tensor(0.3, dtype=F64).log())
    _, _, trace = layer(x, trace=True)
    found = torch.autograd.grad(trace.im.square().sum(), [layer.log_damping, layer.log_omega])
    for got, want, value in zip(found, wanted, (0.04, 0.3), strict=True):
        assert got.item() == pytest.approx(want * value, rel=1e-6)


@pytest.mark.parametrize("detach", [True, False])
def test_gradient_through_the_reset(detach):
    """One neuron, two steps: Im z = 2 fires, and what is left of it depends on `detach`."""
    p = RFParams(damping=0.0, omega=0.1, dt=1.0)
    spike = Spike(SurrogateSpike("triangle", 0.5), detach_reset=detach)  # slope 0.5 at Im z - 1 = 1
    re, im = torch.zeros(1, dtype=F64), torch.full((1,), 2.0, dtype=F64)
    im.requires_grad_()
    _, after, before = rf_step(torch.zeros(1, dtype=F64), RFState(re, im), p, spike)
    (found,) = torch.autograd.grad(after.im.sum(), im)
    slope = 0.5 * (1.0 - 0.5 * (before.im.item() - 1.0))
    wanted = 0.0 if detach else (1.0 - before.im.item()) * slope
    assert found.item() == pytest.approx(math.cos(0.1) * wanted, rel=1e-9, abs=1e-12)


# The balanced neuron


@pytest.mark.parametrize(
    ("omega", "p"), [(10.0, -0.501256), (50.0, -13.3975), (85.0, -47.3217), (1e-6, -5e-15)]
)
def test_the_divergence_boundary(omega, p):
    params = BRFParams(omega=omega)
    assert params.boundary == pytest.approx(p, rel=1e-5)
    assert abs(1.0 + 0.01 * complex(params.boundary, omega)) == pytest.approx(1.0, abs=1e-15)
    # It is what remains for Euler's method to be stable: a root of |1 + dt (b + i omega)| = 1.
    if omega > 1.0:
        root = brentq(lambda b: abs(1.0 + 0.01 * complex(b, omega)) - 1.0, -1.0 / 0.01, 0.0)
        assert params.boundary == pytest.approx(root, rel=1e-9)


def brf_loop(p, x):
    """The published update in plain numbers."""
    u = v = q = 0.0
    found = []
    limit = (-1.0 + math.sqrt(1.0 - (p.dt * p.omega) ** 2)) / p.dt
    for value in x:
        b = limit - p.damping - q
        u, v = (
            u + p.dt * (b * u - p.omega * v + value),
            v + p.dt * (p.omega * u + b * v),
        )
        fired = float(u - p.threshold - q >= 0.0)
        q = p.q_decay * q + fired
        found.append((fired, u, v, q))
    return np.array(found).T


@pytest.mark.parametrize(
    "changes", [{}, dict(omega=60.0), dict(damping=3.0), dict(threshold=0.4), dict(q_decay=0.5)]
)
def test_balanced_against_a_plain_loop(changes):
    p = BRFParams(**dict(omega=20.0, damping=0.5) | changes)
    x = np.random.default_rng(4).normal(0.0, 60.0, 400)
    layer = SpikingLayer(BRF(p), backend="eager")
    spikes, _, trace = layer(column(x), trace=True)
    wanted, u, v, q = brf_loop(p, x)
    assert wanted.sum() > 10
    np.testing.assert_array_equal(spikes[:, 0], wanted)
    for name, values in (("u", u), ("v", v), ("q", q)):
        np.testing.assert_allclose(getattr(trace, name)[:, 0], values, rtol=1e-9, atol=1e-11)


def test_options_of_the_balanced_neuron_change_it():
    x = column(np.random.default_rng(4).normal(0.0, 60.0, 400))
    base = dict(omega=20.0, damping=0.5)
    one, *others = (
        SpikingLayer(BRF(**base | change), backend="eager")(x)[0]
        for change in (
            {}, dict(omega=21.0), dict(damping=1.0), dict(threshold=0.9), dict(q_decay=0.5),
            dict(dt=0.011),
        )
    )  # fmt: skip
    assert all((one != other).any() for other in others)


def test_balanced_by_hand():
    """dt omega = 0.6, so 1 + dt p = 0.8; damping 1 takes 0.01 from that: a factor 0.79 + 0.6i.

    The pulse gives u = 1.5, which fires: q = 1. Then b is 1 lower, and the threshold 1 higher.
    """
    p = BRFParams(omega=60.0, damping=1.0)
    x = torch.tensor([150.0, 0.0, 0.0], dtype=F64).view(3, 1)
    spikes, _, trace = SpikingLayer(BRF(p), backend="eager")(x, trace=True)
    assert spikes.flatten().tolist() == [1.0, 0.0, 0.0]
    z = [1.5, 1.5 * (0.78 + 0.6j), 1.5 * (0.78 + 0.6j) * (0.781 + 0.6j)]
    np.testing.assert_allclose(trace.u.flatten(), np.real(z), atol=1e-12)
    np.testing.assert_allclose(trace.v.flatten(), np.imag(z), atol=1e-12)
    np.testing.assert_allclose(trace.q.flatten(), [1.0, 0.9, 0.81])


def ringing(p, steps=500):
    """|z| of a neuron that starts at z = 0.9 and never fires."""
    start = BRFState(*(torch.full((1, 1), value, dtype=F64) for value in (0.9, 0.0, 0.0)))
    _, _, trace = SpikingLayer(BRF(p), backend="eager")(
        torch.zeros(steps, 1, 1, dtype=F64), start, trace=True
    )
    return torch.hypot(trace.u, trace.v).flatten().numpy()


def test_at_the_boundary_the_amplitude_stays():
    at = ringing(BRFParams(omega=30.0, damping=1e-13, threshold=9.0))
    np.testing.assert_allclose(at, 0.9, rtol=1e-9)
    beyond = ringing(BRFParams(omega=30.0, damping=1.0, threshold=9.0))
    c = math.sqrt(1.0 - 0.3**2)
    per_step = math.hypot(c - 0.01, 0.3)
    np.testing.assert_allclose(beyond, 0.9 * per_step ** np.arange(1, 501), rtol=1e-9)
    # Euler's method with an ordinary damping of 1, which is below the boundary of 4.6, explodes.
    assert abs(1.0 + 0.01 * complex(-1.0, 30.0)) ** 500 > 1e5


def test_spikes_damp():
    """From the same z, a neuron with recent spikes rings for a shorter time."""
    p = BRFParams(omega=30.0, damping=1.0, threshold=9.0)
    tired = BRFState(*(torch.full((1, 1), value, dtype=F64) for value in (0.9, 0.0, 5.0)))
    x = torch.zeros(100, 1, 1, dtype=F64)
    _, after = SpikingLayer(BRF(p), backend="eager")(x, tired)
    assert math.hypot(after.u.item(), after.v.item()) < 0.7 * ringing(p)[99]


def test_no_damping_makes_it_unstable():
    """The factor of z stays below 1 for any damping and q: b is at least -1/dt."""
    with pytest.warns(UserWarning, match=r"take a dt below 0\.0041"):
        p = BRFParams(omega=30.0, damping=205.0, threshold=9.0)
    found = ringing(p, 30)
    np.testing.assert_allclose(found, 0.9 * 0.3 ** np.arange(1, 31), rtol=1e-9)


def test_omega_dt_must_be_below_1():
    with pytest.raises(ValueError, match=r"omega dt = 1 must be below 1: take a dt below 0.01"):
        BRFParams(omega=100.0)
    with pytest.raises(ValueError, match="below 1"):
        BRFParams(omega=torch.tensor([10.0, 100.0]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        BRFParams(omega=85.0, damping=40.0)
    with pytest.warns(UserWarning, match="damping and spikes may exceed 1/dt"):
        BRFParams(omega=85.0, damping=45.0)  # 45, 10 by spikes, and 47 at the boundary
    # While it is learned, omega is bounded; the neuron stays stable, and its gradient finite.
    params = BRFParams(omega=torch.tensor([10.0])).with_values(
        omega=torch.tensor([500.0], requires_grad=True)
    )
    state = BRFState(torch.ones(1), torch.ones(1), torch.zeros(1))
    for _ in range(1000):
        _, state = brf_step(torch.zeros(1), state, params, DEFAULT_SPIKE)
    assert torch.hypot(state.u, state.v) < 1.5
    (gradient,) = torch.autograd.grad(state.u.sum(), params.omega)
    assert gradient.isfinite().all()


def test_the_published_ranges():
    """The set-ups of Higuchi et al. 2024, in the file names of their public code."""
    ranges = {name: tuple(each) for name, each in BRF_RANGES.items()}
    assert ranges == {
        "shd": ((5.0, 10.0), (2.0, 3.0)),
        "ecg": ((3.0, 5.0), (0.1, 1.0)),
        "smnist": ((15.0, 50.0), (0.1, 1.0)),
        "psmnist": ((15.0, 85.0), (0.1, 1.0)),
    }


@pytest.mark.parametrize("name", BRF_RANGES)
def test_drawn_from_the_published_ranges(name):
    p = BRFParams.drawn(name, 2000, torch.Generator().manual_seed(0), threshold=0.5)
    for each, (low, high) in BRF_RANGES[name]._asdict().items():
        values = getattr(p, each)
        assert values.shape == (2000,)
        assert low <= values.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < values.max() <= high
        assert getattr(BRFParams.named(name), each) == pytest.approx((low + high) / 2)
    assert p.threshold == 0.5
    spikes, _ = SpikingLayer(BRF(p), backend="eager")(60.0 * torch.rand(20, 1, 2000))
    assert spikes.any()


def test_drawn_refuses():
    with pytest.raises(ValueError, match="name='mnist' is not one of shd, ecg, smnist, psmnist"):
        BRFParams.drawn("mnist", 10)
    with pytest.raises(ValueError, match="n=0 must be an integer of at least 1"):
        BRFParams.drawn("shd", 0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(omega=-1.0), "omega=-1.0 rad per unit of time must be positive"),
        (dict(damping=0.0), "damping=0.0 per unit of time must be positive"),
        (dict(threshold=0.0), "threshold=0.0 must be positive"),
        (dict(q_decay=1.0), "q_decay=1.0 must lie in"),
        (dict(dt=-1.0), "dt=-1.0 units of time must be positive"),
    ],
)
def test_bad_values_of_the_balanced_neuron(values, message):
    with pytest.raises(ValueError, match=message):
        BRFParams(**values)


def test_balanced_gradients_are_those_of_finite_differences():
    x = column(np.random.default_rng(5).normal(0.0, 60.0, 60))

    def total(omega, damping):
        p = BRFParams(omega=float(omega), damping=float(damping), threshold=1e9)
        return (brf_loop(p, x.flatten().tolist())[1] ** 2).sum()

    wanted = numerically(total, [30.0, 1.5], 1e-5)
    leaves = [torch.tensor([value], dtype=F64, requires_grad=True) for value in (30.0, 1.5)]
    p = BRFParams(threshold=1e9).with_values(omega=leaves[0], damping=leaves[1])
    state, loss = BRF.initial_state(x[0], p), 0.0
    for value in x:
        _, state = brf_step(value, state, p)
        loss = loss + state.u.square().sum()
    found = torch.autograd.grad(loss, leaves)
    for got, want in zip(found, wanted, strict=True):
        assert got.item() == pytest.approx(want, rel=1e-6)


# The surrogate


def normal(x, mean, width):
    return np.exp(-((x - mean) ** 2) / (2.0 * width**2)) / (width * math.sqrt(2.0 * math.pi))


def test_multi_gaussian():
    x = np.linspace(-60.0, 60.0, 120001)
    wanted = 1.15 * normal(x, 0, 0.5) - 0.15 * normal(x, 0.5, 3) - 0.15 * normal(x, -0.5, 3)
    found = multi_gaussian(torch.from_numpy(x), 1.0).numpy()
    np.testing.assert_allclose(found, wanted, atol=1e-15)
    assert found.max() == pytest.approx(0.878, abs=5e-4)
    assert np.trapezoid(found, x) == pytest.approx(0.85, abs=1e-9)
    assert found.min() < 0.0
    steep = multi_gaussian(torch.from_numpy(x), 5.0).numpy()
    assert np.trapezoid(steep, x) == pytest.approx(0.85, abs=1e-9)
    np.testing.assert_allclose(steep, 5.0 * np.interp(5.0 * x, x, found, 0.0, 0.0), atol=1e-5)


def test_double_gaussian():
    x = np.linspace(-30.0, 30.0, 6001)
    found = double_gaussian(torch.from_numpy(x), 1.0).numpy()
    narrow, wide = (np.exp(-0.5 * (x / s) ** 2) / (s * math.sqrt(2 * math.pi)) for s in (0.5, 3.0))
    np.testing.assert_allclose(found, 0.5 * (1.15 * narrow - 0.3 * wide), rtol=1e-12, atol=1e-15)
    assert np.trapezoid(found, x) == pytest.approx(0.425, abs=1e-9)  # (1 + h - 2 h)/2
    zero = x[(found < 0) & (x > 0)][0]
    assert zero == pytest.approx(1.27, abs=0.01)
    steep = double_gaussian(torch.from_numpy(x), 4.0).numpy()
    np.testing.assert_allclose(steep, 4.0 * np.interp(4.0 * x, x, found, 0.0, 0.0), atol=2e-4)


def test_multi_gaussian_of_extreme_potentials():
    x = torch.tensor([-1e38, 1e38, -math.inf, math.inf, math.nan])
    found = multi_gaussian(x, 25.0)
    assert found[:4].tolist() == [0.0] * 4
    assert found[4].isnan()


def test_a_balanced_layer_learns():
    """Pulses at two rates are told apart by learning omega and the read-out."""
    rng = torch.Generator().manual_seed(0)
    x = torch.zeros(200, 32, 1)
    labels = torch.arange(32) % 2
    for sample, label in enumerate(labels):
        first = int(torch.randint(0, 20, (1,), generator=rng))
        x[first :: (20, 32)[label], sample] = 60.0
    torch.manual_seed(0)
    neuron = BRF(BRFParams.drawn("smnist", 12, rng))
    spike = SurrogateSpike(multi_gaussian, 1.0)
    layer = SpikingLayer(neuron, surrogate=spike, learnable=("omega", "damping"))
    readout = torch.nn.Linear(12, 2)
    optimiser = torch.optim.Adam([*layer.parameters(), *readout.parameters()], 0.05)
    before = layer.value("omega").detach().clone()
    for _ in range(30):
        spikes, _ = layer(x.expand(-1, -1, 12))
        loss = torch.nn.functional.cross_entropy(readout(spikes.sum(0)), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.35
    assert (layer.value("omega") - before).abs().max() > 1.0
