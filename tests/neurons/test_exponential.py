"""EIF: its interval as an integral, an independent integrator, AdEx and LIF as its neighbours."""

import math
import warnings

import numpy as np
import pytest
import torch
from scipy.integrate import quad, solve_ivp

from jarvis.adex import AdExLayer, AdExParams, spike_times
from jarvis.neurons import SpikingLayer
from jarvis.neurons.exponential import EIF, EIFParams, EIFState, EIFTrace, eif_step

F64 = torch.float64


def quiet(**values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return EIFParams(**values)


def run(params, current, duration=None, v=None):
    """Spike times under a current: a number for `duration` ms, or one value for each step."""
    if duration is not None:
        current = torch.full((round(duration / params.dt),), float(current), dtype=F64)
    state = None if v is None else EIFState(torch.full((1,), v, dtype=F64))
    spikes, _, trace = SpikingLayer(EIF(params))(current[:, None], state, trace=True)
    return spike_times(spikes[:, 0], trace.since[:, 0], params.dt).numpy()


def slope(p, v, current):
    grown = p.g_l * p.delta_t * math.exp(min((v - p.v_t) / p.delta_t, 60.0))
    return (-p.g_l * (v - p.e_l) + grown + current) / p.c


def integrated(p, current, duration, v):
    """Spike times by scipy, with the reset at v_peak; `current` is a function of time."""
    t, times = 0.0, []

    def peak(_, y):
        return y[0] - p.v_peak

    peak.terminal, peak.direction = True, 1.0
    while True:
        found = solve_ivp(
            lambda t, y: [slope(p, y[0], current(t))],
            (t, duration),
            [v],
            method="DOP853",
            rtol=1e-10,
            atol=1e-10,
            events=peak,
            max_step=1.0,
        )
        if found.status != 1:
            return np.array(times)
        t, v = float(found.t_events[0][0]), p.v_reset
        times.append(t)


# Closed forms


@pytest.mark.parametrize("current", [182.0, 200.0, 300.0, 600.0])
def test_the_interval_is_an_integral(current):
    p = EIFParams()
    parts = ((p.v_reset, p.v_t), (p.v_t, p.v_peak))
    want = sum(quad(lambda v: 1.0 / slope(p, v, current), *part, limit=200)[0] for part in parts)
    intervals = np.diff(run(p, current, 12.0 * want))
    assert len(intervals) >= 9
    assert intervals.mean() == pytest.approx(want, rel=3e-4)
    assert intervals.std() < 0.005  # the grid does not matter


def test_rheobase():
    p = EIFParams(c=150.0, g_l=12.0, e_l=-66.0, v_t=-52.0, delta_t=3.0)
    assert p.rheobase == pytest.approx(12.0 * (-52.0 - 3.0 + 66.0))
    assert len(run(p, p.rheobase - 0.02, 20_000.0)) == 0
    assert len(run(p, p.rheobase + 0.02, 20_000.0)) > 0
    rest = run(p, p.rheobase - 0.02, 20_000.0, v=p.v_t + 1.0)
    assert len(rest) == 1  # from beyond the unstable fixed point: once, and then never again
    each = EIFParams(v_t=torch.tensor([-50.0, -45.0]))
    assert each.rheobase.tolist() == [180.0, 230.0]


def test_near_the_rheobase_the_rate_is_that_of_a_saddle_node():
    # T ~ pi tau sqrt(2 delta_t g_l/(I - I_rh)): half as long for 4 times the distance.
    p = EIFParams()
    times = [np.diff(run(p, p.rheobase + above, 6000.0)).mean() for above in (0.25, 1.0)]
    normal = math.pi * p.tau * math.sqrt(2.0 * p.delta_t * p.g_l / 0.25)
    assert times[0] == pytest.approx(normal, rel=0.02)
    assert times[0] / times[1] == pytest.approx(2.0, rel=0.05)


@pytest.mark.parametrize("dt", [0.1, 5.0])
def test_below_the_exponential_it_is_a_leaky_membrane_exactly(dt):
    p = quiet(v_t=900.0, v_peak=1000.0, dt=dt)
    steps = round(60.0 / dt)
    x = torch.full((steps, 1), 250.0, dtype=F64)
    _, _, trace = SpikingLayer(EIF(p))(x, trace=True)
    times = dt * torch.arange(1, steps + 1, dtype=F64)
    want = p.e_l - 25.0 * torch.expm1(-times / p.tau)
    torch.testing.assert_close(trace.v[:, 0], want, rtol=1e-12, atol=1e-12)


def test_with_a_sharp_onset_it_is_the_leaky_integrate_and_fire_neuron():
    want = 20.0 * math.log((30.0 - 12.0) / (30.0 - 20.0))  # tau ln((I/g - reset)/(I/g - threshold))
    found = []
    for delta_t in (0.1, 0.02):
        found.append(np.diff(run(quiet(delta_t=delta_t, dt=0.01), 300.0, 100.0)).mean())
    assert found[1] == pytest.approx(want, rel=0.03)
    assert abs(found[1] - want) < 0.4 * abs(found[0] - want)


@pytest.mark.parametrize("ratio", [0.02, 0.5, 0.9])
def test_what_a_step_makes_of_the_rheobase(ratio):
    # The step's own fixed points merge at g_l (v_t - delta_t (1 + ratio^2/24 + ...) - e_l).
    p = quiet(dt=20.0 * ratio, v_reset=-70.0)
    shift = math.log(-math.expm1(-ratio) / ratio) - ratio / math.expm1(ratio)
    assert shift == pytest.approx(-1.0 - ratio**2 / 24.0, abs=ratio**4 / 100.0)
    current = p.g_l * (p.v_t + p.delta_t * shift - p.e_l)
    assert len(run(p, current - 0.02, 20_000.0)) == 0
    assert len(run(p, current + 0.02, 20_000.0)) > 0


def test_a_trajectory_by_hand_through_a_spike():
    # dt/tau = ln 2, so that half a step decays by 1/sqrt 2; delta_t = 1, e_l = 0, v_t = 1, g_l = 1.
    tau = 1.0 / math.log(2.0)
    p = quiet(c=tau, g_l=1.0, e_l=0.0, v_t=1.0, delta_t=1.0, v_reset=-0.5, v_peak=9.0, dt=1.0)
    d, ln2 = math.sqrt(0.5), math.log(2.0)

    def half(v, current):
        return current + (v - current) * d

    v = half(0.0, 1.0)  # without a spike
    v = half(v - math.log(1.0 - ln2 * math.exp(v - 1.0)), 1.0)
    first = v
    v = half(v, 3.0)  # with a spike: above v_cross = 1 - ln(ln 2 + e^-8)
    assert v > 1.0 - math.log(ln2 * (1.0 + 1e-5) + math.exp(-8.0)) > first
    since = 1.0 - tau * (math.exp(-(v - 1.0)) - math.exp(-8.0))
    drift = (math.exp(-1.5) + 0.5 + 3.0) / tau
    bend = (math.exp(-1.5) - 1.0) / tau
    second = -0.5 + since * drift + 0.5 * since**2 * bend * drift
    x = torch.tensor([[1.0], [3.0]], dtype=F64)
    spikes, state, trace = SpikingLayer(EIF(p))(x, trace=True)
    assert spikes[:, 0].tolist() == [0.0, 1.0]
    assert trace.v[:, 0].tolist() == pytest.approx([first, second], rel=1e-12)
    assert trace.since[:, 0].tolist() == pytest.approx([0.0, since], rel=1e-12)
    assert state.v.item() == trace.v[-1].item()


# Others


def test_spikes_are_those_of_an_independent_integrator():
    p = EIFParams(dt=0.05)

    def current(t):
        return 250.0 + 150.0 * math.sin(2.0 * math.pi * t / 37.0)

    want = integrated(p, current, 300.0, p.e_l)
    middles = p.dt * (np.arange(6000) + 0.5)
    found = run(p, torch.tensor([current(t) for t in middles], dtype=F64))
    assert len(found) == len(want) == 8
    np.testing.assert_allclose(found, want, atol=0.005)


def test_the_error_of_a_spike_time_is_of_second_order_and_below_spike_error():
    want = integrated(EIFParams(), lambda t: 400.0, 60.0, -70.0)
    errors = []
    for dt in (1.0, 0.5):
        p = quiet(dt=dt)
        found = np.abs(run(p, 400.0, 60.0) - want)
        assert found[0] < p.spike_error
        errors.append(np.abs(np.diff(run(p, 400.0, 60.0)) - np.diff(want)).mean())
    assert errors[1] < errors[0] / 2.5


def test_it_is_adex_without_adaptation():
    values = dict(c=180.0, g_l=9.0, e_l=-68.0, v_t=-51.0, delta_t=1.7, v_reset=-60.0, v_peak=5.0)
    rng = torch.Generator().manual_seed(3)
    x = 350.0 + 400.0 * torch.randn(3000, 4, dtype=F64, generator=rng)
    adex = AdExLayer(AdExParams(**values, a=0.0, b=0.0))
    want, state = adex(x)
    found, after = SpikingLayer(EIF(**values))(x)
    assert want.sum() > 100
    assert torch.equal(found, want)
    torch.testing.assert_close(after.v, state.v, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("c", 150.0),
        ("g_l", 11.0),
        ("e_l", -72.0),
        ("v_t", -52.0),
        ("delta_t", 3.0),
        ("v_reset", -55.0),
        ("v_peak", -40.0),
    ],
)
def test_every_parameter_is_that_of_the_equation(name, value):
    p = EIFParams(**{name: value})
    want = integrated(p, lambda t: 330.0, 80.0, p.e_l)
    found = run(p, 330.0, 80.0)
    assert len(found) == len(want) > 2
    np.testing.assert_allclose(found, want, atol=0.02)
    assert np.abs(found[:2] - run(EIFParams(), 330.0, 80.0)[:2]).max() > 0.05


# dt


def test_a_dt_that_is_too_large_is_refused():
    with pytest.raises(ValueError, match=r"dt=20 ms is too large.*time constant, 20 ms"):
        EIFParams(dt=20.0)
    with pytest.raises(ValueError, match=r"dt=3 ms is too large.*next spike, 2\.71 ms"):
        EIFParams(v_reset=-46.0, dt=3.0)
    tensor = torch.tensor([10.0, 100.0])
    with pytest.raises(ValueError, match=r"time constant, 2 ms"):
        EIFParams(g_l=tensor, dt=3.0)


def test_the_warning_about_dt_tells_the_truth():
    with pytest.warns(UserWarning, match=r"dt=2 ms is large.*below [\d.]+ ms") as caught:
        EIFParams(dt=2.0)
    below = float(str(caught[0].message).split("below ")[1].split(" ")[0])
    assert 0.5 < below < 2.0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        p = EIFParams(dt=0.98 * below)
    want = integrated(EIFParams(), lambda t: 400.0, 200.0, -70.0)
    found = run(p, 400.0, 200.0)
    assert np.abs(np.diff(found) - np.diff(want)[: len(found) - 1]).max() < 0.01 * p.tau


# Gradients, values, shapes


def test_the_potential_after_spikes_has_its_exact_gradient():
    weights = torch.linspace(0.5, 1.5, 500, dtype=F64)[:, None]

    def end(current, p):
        spikes, state = SpikingLayer(EIF(p), backend="eager")(current * weights)
        assert spikes.sum() == 3
        return state.v

    current = torch.full((1,), 400.0, dtype=F64, requires_grad=True)
    p = EIFParams()
    (got,) = torch.autograd.grad(end(current, p).sum(), current)
    with torch.no_grad():
        want = (end(current + 1e-4, p) - end(current - 1e-4, p)) / 2e-4
    assert got.item() == pytest.approx(want.item(), rel=1e-5)


@pytest.mark.parametrize("name", ["c", "g_l", "e_l", "v_t", "delta_t", "v_reset", "v_peak"])
def test_so_has_every_parameter(name):
    start = getattr(EIFParams(), name)
    x = torch.full((500, 1), 340.0, dtype=F64)
    rest = EIFState(torch.full((1,), -70.0, dtype=F64))

    def end(value):
        p = EIFParams(**{name: value})
        spikes, state = SpikingLayer(EIF(p), backend="eager")(x, rest)
        assert spikes.sum() == 2
        return state.v.sum()

    value = torch.tensor(start, dtype=F64, requires_grad=True)
    (got,) = torch.autograd.grad(end(value), value)
    with torch.no_grad():
        step = 1e-5 * max(abs(start), 1.0)
        both = [end(torch.tensor(start + sign * step, dtype=F64)) for sign in (1, -1)]
        want = (both[0] - both[1]) / (2.0 * step)
    assert got.item() == pytest.approx(want.item(), rel=1e-4, abs=1e-9)


def test_a_spike_has_the_surrogates_gradient():
    p = EIFParams()
    x = torch.full((1,), 500.0, dtype=F64, requires_grad=True)
    spikes, _, _ = eif_step(x, EIFState(torch.full((1,), -44.0, dtype=F64)), p)
    (got,) = torch.autograd.grad(spikes.sum(), x)
    v = p.e_l + 50.0 + (-44.0 - p.e_l - 50.0) * math.exp(-0.0025)
    gain = -math.expm1(-0.0025) / p.g_l
    over = (v - p.v_cross) / p.delta_t
    assert got.item() == pytest.approx(gain / p.delta_t / (1.0 + 25.0 * abs(over)) ** 2)


@pytest.mark.parametrize("backend", ["eager", "numba"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_no_input_makes_a_potential_infinite(backend, dtype):
    values = [math.inf, -math.inf, 3e38, -3e38, 1e15, -1e15, 0.0, 500.0]
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.choice(values, (40, 64)), dtype=dtype)
    for p in (EIFParams(v_peak=-40.0), quiet(delta_t=0.05), quiet(v_reset=-46.0, dt=2.0)):
        layer = SpikingLayer(EIF(p), backend=backend)
        spikes, state, trace = layer(x, trace=True)
        assert torch.isfinite(state.v).all()
        assert ((spikes == 0) | (spikes == 1)).all()
        assert trace.v.max() <= p.v_peak
        assert ((trace.since >= 0) & (trace.since <= p.dt * (1.0 + 1e-6))).all()
        assert torch.isfinite(layer(torch.full((300, 64), 300.0, dtype=dtype), state)[0]).all()


def test_the_record_and_the_state():
    x = torch.full((300, 1), 300.0, requires_grad=True)
    spikes, state, trace = SpikingLayer(EIF())(x, trace=True)
    assert isinstance(trace, EIFTrace)
    assert bool((trace.since[spikes == 0] == 0).all())
    assert state.v.requires_grad
    assert not state.detach().v.requires_grad
    assert EIF(e_l=-60.0).initial_state(x[0]).v.item() == -60.0


@pytest.mark.parametrize(
    ("values", "error", "says"),
    [
        (dict(c=0.0), ValueError, "c=0.0 pF"),
        (dict(g_l=-1.0), ValueError, "g_l=-1.0 nS"),
        (dict(delta_t=0.0), ValueError, "delta_t=0.0 mV"),
        (dict(dt=math.nan), ValueError, "dt=nan"),
        (dict(v_peak=-55.0), ValueError, "v_peak=-55 mV must be above v_t=-50 mV"),
        (dict(v_reset=1.0), ValueError, "and v_reset=1 mV"),
        (dict(tau=3.0), TypeError, "tau"),
    ],
)
def test_bad_values_are_named(values, error, says):
    with pytest.raises(error, match=says):
        EIFParams(**values)
