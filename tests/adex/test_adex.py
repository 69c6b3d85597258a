"""AdEx: the published patterns against a fine integration, closed forms, and what dt may be."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm
from scipy.optimize import brentq

from jarvis import AdExLayer, AdExParams, LIFLayer
from jarvis.adex import (
    FIRING_PATTERNS,
    AdExState,
    NormalisedAdExLayer,
    NormalisedAdExParams,
    NormalisedAdExState,
    adex_step,
    normalised_adex_step,
    spike_times,
)
from tests.reference_adex import classify, pattern, simulate

F64 = torch.float64
REGULAR = [name for name in FIRING_PATTERNS if name != "irregular"]


def run(params, current, duration, v=None, w=0.0):
    """Spike times of one neuron under a constant current: finer than the grid, and on it."""
    x = torch.full((round(duration / params.dt), 1), float(current), dtype=F64)
    state = None
    if v is not None:
        state = AdExState(torch.full((1,), v, dtype=F64), torch.full((1,), w, dtype=F64))
    spikes, _, trace = AdExLayer(params)(x, state, trace=True)
    (steps,) = spikes[:, 0].nonzero(as_tuple=True)
    return spike_times(spikes[:, 0], trace.since[:, 0], params.dt).numpy(), (steps + 1) * params.dt


def named(name, duration=600.0, **changes):
    return run(AdExParams.named(name, **changes), FIRING_PATTERNS[name].current, duration)


# The published patterns


@pytest.mark.parametrize("name", REGULAR)
def test_spikes_are_those_of_a_fine_integration(name):
    times, grid = named(name)
    want = pattern(name, 600.0)
    assert len(times) == len(want)
    assert abs(times[0] - want[0]) < 0.01
    assert abs(grid[0] - want[0]) <= 0.1
    np.testing.assert_allclose(np.diff(times), np.diff(want), rtol=0.01)
    if len(want) > 1:  # on the grid, single intervals are off by up to dt, but not their mean
        assert (grid[-1] - grid[0]) / (want[-1] - want[0]) == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("name", FIRING_PATTERNS)
def test_each_pattern_is_told_apart(name):
    duration = {"irregular": 1500.0, "adapting": 900.0}.get(name, 600.0)
    assert classify(pattern(name, duration), duration) == name
    assert classify(named(name, duration)[0], duration) == name


def test_the_irregular_pattern_by_its_intervals():
    times, _ = named("irregular", 1500.0)
    want = pattern("irregular", 1500.0)
    assert abs(times[0] - want[0]) < 0.01
    got, want = np.diff(times), np.diff(want)
    assert got.mean() == pytest.approx(want.mean(), rel=0.05)
    assert got.std() / got.mean() == pytest.approx(want.std() / want.mean(), rel=0.1)
    assert got.std() / got.mean() > 0.4


def test_the_irregular_pattern_by_its_map_from_spike_to_spike():
    # What is chaotic is the iteration; one interval from a given adaptation is not.
    params = AdExParams.named("irregular")
    for w in np.linspace(-60.0, 40.0, 6):
        want = simulate(params, 160.0, 80.0, params.v_reset, w)[0]
        assert run(params, 160.0, 80.0, params.v_reset, w)[0][0] == pytest.approx(want, rel=0.01)


def test_the_irregular_pattern_is_sensitive_to_its_start():
    params = AdExParams.named("irregular")
    one, two = (run(params, 160.0, 3000.0, params.e_l, w)[0] for w in (0.0, 1e-6))
    assert one[:3] == pytest.approx(two[:3], abs=1e-4)
    n = min(len(one), len(two))
    assert np.abs(one[:n] - two[:n]).max() > 5
    params = AdExParams.named("bursting")
    one, two = (run(params, 210.0, 1500.0, params.e_l, w)[0] for w in (0.0, 1e-6))
    assert one == pytest.approx(two, abs=1e-3)


def test_why_two_rows_of_the_table_are_corrected():
    # As printed: f is silent for all of the figure's 500 ms and more; g goes on firing.
    f = AdExParams.named("delayed", a=-6.0)
    assert classify(run(f, 110.0, 1500.0)[0], 1500.0) == "silent"
    g = AdExParams.named("delayed_bursting")
    assert classify(run(g, 350.0, 600.0)[0], 600.0) != "transient"


@pytest.mark.parametrize(
    ("name", "changes", "now"),
    [("adapting", dict(b=0.0, a=0.0), "tonic"), ("bursting", dict(v_reset=-60.0), "adapting")],
)
def test_a_pattern_follows_from_its_parameters(name, changes, now):
    assert classify(named(name, 900.0, **changes)[0], 900.0) == now


# Closed forms


@pytest.mark.parametrize("dt", [0.1, 5.0])
@pytest.mark.parametrize("a", [2.0, -8.0, 60.0])  # 60: it swings
def test_without_the_exponential_it_is_the_linear_system_exactly(dt, a):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = AdExParams(a=a, v_t=500.0, v_peak=600.0, dt=dt)
    matrix = np.array([[-p.g_l / p.c, -1 / p.c], [a / p.tau_w, -1 / p.tau_w]])
    rest = np.linalg.solve(matrix, [-250.0 / p.c, 0.0])
    steps = round(100.0 / dt)
    _, _, trace = AdExLayer(p)(torch.full((steps, 1), 250.0, dtype=F64), trace=True)
    for step in (0, steps // 2, steps - 1):
        want = rest - expm(matrix * (step + 1) * dt) @ rest
        got = trace.v[step].item() - p.e_l, trace.w[step].item()
        assert got == pytest.approx(want.tolist(), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("current", [330.0, 700.0])
def test_without_adaptation_the_interval_is_an_integral(current):
    p = AdExParams(c=200.0, g_l=10.0, e_l=-70.0, v_t=-50.0, a=0.0, b=0.0, v_reset=-60.0)

    def per_mv(v):
        drift = -p.g_l * (v - p.e_l) + p.g_l * p.delta_t * math.exp((v - p.v_t) / p.delta_t)
        return p.c / (drift + current)

    want = quad(per_mv, p.v_reset, p.v_t)[0] + quad(per_mv, p.v_t, p.v_peak, limit=500)[0]
    intervals = np.diff(run(p, current, 500.0)[0])
    assert intervals.std() < 0.01
    assert intervals.mean() == pytest.approx(want, rel=2e-4)


@pytest.mark.parametrize(
    "params",
    [
        AdExParams(a=0.0, b=0.0),
        AdExParams.named("tonic"),  # the rest vanishes
        AdExParams.named("bursting", a=40.0),  # it begins to swing before
        AdExParams.named("delayed", a=-6.0),
    ],
)
def test_rheobase(params):
    p = params
    if p.a == 0.0:
        assert p.rheobase == pytest.approx(p.g_l * (p.v_t - p.delta_t - p.e_l))
    for sign in (-1, 1):
        current = p.rheobase + 3.0 * sign
        # From its rest: found from below, where the two currents of the equation meet.
        low, high = (
            p.e_l - 50.0,
            p.v_t + p.delta_t * math.log(1 + min(p.a / p.g_l, p.tau / p.tau_w)),
        )
        for _ in range(80):
            v = (low + high) / 2
            total = (p.g_l + p.a) * (v - p.e_l)
            total -= p.g_l * p.delta_t * math.exp((v - p.v_t) / p.delta_t)
            low, high = (v, high) if total < current else (low, v)
        times, _ = run(p, current, 6000.0, v + 0.1, p.a * (v - p.e_l))
        assert (len(times) > 0) == (sign > 0)


def test_no_current_leaves_a_neuron_at_rest_whose_adaptation_outweighs_its_leak():
    p = AdExParams.named("delayed_bursting")  # a = -g_l
    assert p.rheobase == -math.inf
    assert len(run(p, -5.0, 5000.0)[0]) == 0  # it goes the other way, but not to rest
    _, state = AdExLayer(p)(torch.full((50_000, 1), -5.0, dtype=F64))
    assert state.v.item() < -80.0


@pytest.mark.parametrize("ratio", [0.02, 0.5, 0.9])
def test_what_a_step_makes_of_the_rheobase(ratio):
    # In closed form, from the step's own fixed points: v_t - delta_t (1 + ratio^2/24 + ...).
    base = dict(c=200.0, g_l=10.0, e_l=-70.0, v_t=-50.0, a=0.0, b=0.0, v_reset=-70.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = AdExParams(**base, dt=20.0 * ratio)
    shift = math.log(-math.expm1(-ratio) / ratio) - ratio / math.expm1(ratio)
    assert shift == pytest.approx(-1 - ratio**2 / 24, abs=ratio**4 / 100)
    current = p.g_l * (p.v_t + p.delta_t * shift - p.e_l)
    assert len(run(p, current - 0.02, 20_000.0)[0]) == 0
    assert len(run(p, current + 0.02, 20_000.0)[0]) > 0


# dt


@pytest.mark.parametrize(
    ("dt", "changes", "says"),
    [
        (2.8, {}, "2.71 ms to the next spike"),
        (21.0, dict(v_reset=-58.0), "time constant, 20 ms"),
        (15.0, dict(v_reset=-58.0, tau_w=12.0), "tau_w=12 ms"),
    ],
)
def test_a_dt_that_loses_spikes_is_refused(dt, changes, says):
    with pytest.raises(ValueError, match=rf"dt={dt:g} ms is too large.*{says}"):
        AdExParams.named("bursting", dt=dt, **changes)


@pytest.mark.parametrize("name", ["tonic", "adapting", "initial_burst", "bursting", "delayed"])
def test_the_warning_about_dt_tells_the_truth(name):
    with pytest.warns(UserWarning, match=r"dt=2 ms is large.*below [\d.]+ ms") as caught:
        AdExParams.named(name, dt=2.0)
    below = float(str(caught[0].message).split("below ")[1].split(" ")[0])
    assert 0.5 < below < 2
    want = pattern(name, 600.0)

    def error(dt):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            times, _ = named(name, dt=dt)
        return np.abs(np.diff(times) / np.diff(want)[: len(times) - 1] - 1).max()

    assert error(below) < 0.015
    assert error(0.1) < 0.001
    assert error(0.1) < error(below)


def test_the_default_dt_is_not_warned_about():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in FIRING_PATTERNS:
            assert AdExParams.named(name).spike_error < 0.01
        AdExParams()
        NormalisedAdExParams()


def test_a_spike_is_misplaced_by_less_than_spike_error():
    want = pattern("tonic", 600.0)
    for dt in (0.25, 0.5, 1.0):
        p = AdExParams.named("tonic", dt=dt)
        times, _ = named("tonic", dt=dt)
        off = np.abs(np.diff(times) - np.diff(want))
        assert off.max() < 2.5 * p.spike_error  # an interval has two ends


def test_a_current_too_strong_for_dt_is_said():
    with pytest.warns(UserWarning, match=r"two successive steps of dt=0\.1 ms"):
        spikes, _ = AdExLayer(AdExParams.named("bursting"))(torch.full((20, 1), 1e6))
    assert spikes[-5:].all()


@pytest.mark.parametrize("a", [0.01, 0.05])
def test_the_dimensionless_step_is_refused_where_it_is_unstable(a):
    def growth(dt):
        step = [[math.exp(-dt / 10.0), -dt], [a * dt, math.exp(-dt / 200.0)]]
        return np.abs(np.linalg.eigvals(step)).max() - 1

    limit = brentq(growth, 0.5, 20.0)
    with pytest.raises(ValueError, match=f"is too large.*below {limit:.2g} ms"):
        NormalisedAdExParams(a=a, dt=1.001 * limit)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        NormalisedAdExParams(a=a, dt=0.999 * limit)


def test_the_dimensionless_step_warns_where_it_jumps_over_the_upswing():
    with pytest.warns(UserWarning, match=r"upstroke of a spike, 0\.99 ms, becomes 2 steps, 6 ms"):
        NormalisedAdExParams(dt=3.0, tau_syn=5.0)
    with pytest.warns(UserWarning, match=r"counts 1\.9 times \(tau_syn=2 ms\)"):
        NormalisedAdExParams(dt=3.0)
    with pytest.raises(ValueError, match=r"delta_t=0\.005 is too sharp"):
        NormalisedAdExParams(delta_t=0.005)


# The dimensionless neuron


def test_dimensionless_trajectory_by_hand():
    # Both decays 1/2, dt 1, no exponential to speak of (v_t far above), a = 0.1, b = 0.3, w0 = 0.
    half = 1 / math.log(2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = NormalisedAdExParams(half, half, 1.0, 1.0, 0.1, 0.3, half, 0.1, 10.0, 0.0)
    got, state = [], None
    for x in (0.8, 0.8, 0.0, 0.0):
        spikes, state = normalised_adex_step(torch.tensor([x], dtype=F64), state, p)
        got.append((spikes.item(), *(part.item() for part in state)))
    # i = .8; h = .8; w = 0.   i = 1.2; h = .4 + 1.2 = 1.6: spike; w = .1 * .8 + .3 = .38
    # i = .6; h = .6 - .38 = .22; w = .19.   i = .3; h = .11 + .3 - .19 = .22; w = .095 + .022
    want = [(0, 0.8, 0.8, 0), (1, 0, 1.2, 0.38), (0, 0.22, 0.6, 0.19), (0, 0.22, 0.3, 0.117)]
    for one, other in zip(got, want, strict=True):
        assert one == pytest.approx(other)


def test_the_dimensionless_neuron_without_its_extras_is_a_lif():
    p = NormalisedAdExParams(a=0.0, b=0.0, w0=0.0, v_t=50.0, dt=0.5)
    x = 0.4 * torch.rand(200, 2, 5, dtype=F64, generator=torch.Generator().manual_seed(0))
    lif = LIFLayer(tau=10.0, tau_syn=2.0, dt=0.5, reset="zero")
    want = lif(0.5 * x)[0]  # LIF's current jumps v, this one's is its slope
    assert want.sum() > 100
    assert torch.equal(NormalisedAdExLayer(p)(x)[0], want)


def test_the_dimensionless_step_approaches_its_equation():
    def slope(_, y):
        grown = 0.1 * math.exp(min((y[0] - 0.5) / 0.1, 50.0))
        return [-y[0] / 10 + y[1] - y[2] + grown, 0.0, 0.01 * y[0] - y[2] / 200]

    def peak(_, y):
        return y[0] - 1.0

    peak.terminal = True
    t, y, want = 0.0, [0.0, 0.3, 0.1], []
    while t < 60.0:
        run = solve_ivp(slope, (t, 60.0), y, rtol=1e-9, atol=1e-9, events=peak)
        t = run.t[-1]
        if run.status == 1:
            want.append(t)
        y = [0.0, 0.3, run.y[2, -1] + 0.02]
    errors = []
    for dt in (0.1, 0.01):
        p = NormalisedAdExParams(tau_syn=1e9, dt=dt)  # the current stays
        state = NormalisedAdExState(*(torch.full((1,), v, dtype=F64) for v in (0.0, 0.3, 0.1)))
        spikes, _ = NormalisedAdExLayer(p)(torch.zeros(round(60 / dt), 1, dtype=F64), state)
        got = ((spikes[:, 0].nonzero()[:, 0] + 1) * dt).numpy()
        assert len(got) == len(want)
        errors.append(np.abs(got - np.array(want)).max())
    assert errors[0] < 6.0
    assert errors[1] < errors[0] / 5  # of first order


def test_the_dimensionless_rest_is_that_of_a_longer_tau():
    # exp(-dt/tau) and Euler's dt together: tau' = dt/(1 - exp(-dt/tau)).
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        p = NormalisedAdExParams(a=0.0, b=0.0, w0=0.0, tau_syn=1e9, dt=2.0)
    longer = p.dt / -math.expm1(-p.dt / p.tau)
    rheobase = (p.v_t + p.delta_t * (math.log(1 / longer) - 1)) / longer
    for sign in (-1, 1):
        state = NormalisedAdExState(
            torch.zeros(1, dtype=F64),
            torch.full((1,), rheobase + sign * 1e-5, dtype=F64),
            torch.zeros(1, dtype=F64),
        )
        spikes, _ = NormalisedAdExLayer(p)(torch.zeros(5000, 1, dtype=F64), state)
        assert bool(spikes.any()) == (sign > 0)


# Gradients


def test_the_state_after_a_spike_has_its_exact_gradient():
    params = AdExParams.named("adapting")
    weights = torch.linspace(0.5, 1.5, 400, dtype=F64)[:, None]

    def end(current):
        spikes, state = AdExLayer(params, backend="eager")(current * weights)
        assert spikes.sum() == 3
        return state.v + 0.1 * state.w

    current = torch.full((1,), 500.0, dtype=F64, requires_grad=True)
    (got,) = torch.autograd.grad(end(current).sum(), current)
    with torch.no_grad():
        want = (end(current + 1e-4) - end(current - 1e-4)) / 2e-4
    assert got.item() == pytest.approx(want.item(), rel=1e-4)


def test_the_gradient_of_the_dimensionless_state_between_spikes(generator):
    # b = 0: what a spike would add to w has a surrogate's gradient even where there is none.
    layer = NormalisedAdExLayer(NormalisedAdExParams(b=0.0), backend="eager")

    def end(x):
        return torch.cat(layer(x)[1])

    x = (0.1 * torch.rand(8, 2, 3, dtype=F64, generator=generator)).requires_grad_()
    assert not layer(x)[0].any()
    assert torch.autograd.gradcheck(end, x)


def test_a_spike_has_the_surrogates_gradient():
    params = AdExParams.named("tonic")
    x = torch.full((1,), 500.0, dtype=F64, requires_grad=True)
    start = AdExState(torch.tensor([-45.0], dtype=F64), torch.tensor([0.0], dtype=F64))
    spikes, _ = adex_step(x, start, params)
    (got,) = torch.autograd.grad(spikes.sum(), x)
    flow = params.half_step
    v = params.e_l + flow.xx * (-45.0 - params.e_l) + flow.xi * 500.0
    over = (v - params.v_cross) / params.delta_t
    assert got.item() == pytest.approx(flow.xi / params.delta_t / (1 + 25 * abs(over)) ** 2)


# Bad input

EXTREME = st.sampled_from([math.inf, -math.inf, 3e38, -3e38, 1e300, -1e300, 1e15, 0.0, 500.0, 0.2])


@settings(max_examples=40)
@given(
    st.lists(EXTREME, min_size=1, max_size=6),
    st.sampled_from([torch.float32, F64]),
    st.sampled_from(["eager", "numba"]),
    st.sampled_from(["tonic", "bursting", "irregular", None]),
)
def test_no_input_makes_a_state_infinite(inputs, dtype, backend, name):
    x = torch.tensor(inputs, dtype=dtype).repeat(3)[:, None]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it fires at every step is said, and so it does
        if name is None:
            layer = NormalisedAdExLayer(backend=backend)
        else:
            layer = AdExLayer(AdExParams.named(name), backend=backend)
        spikes, state = layer(x)
        assert all(torch.isfinite(part).all() for part in state)
        assert ((spikes == 0) | (spikes == 1)).all()
        again, _ = layer(torch.full((400, 1), 300.0, dtype=dtype), state)
    assert torch.isfinite(again).all()


@settings(max_examples=25)
@given(
    st.floats(0.05, 5.0),
    st.floats(-60.0, -40.0),
    st.floats(-20.0, 20.0),
    st.floats(0.0, 200.0),
    st.floats(0.0, 3000.0),
)
def test_any_neuron_stays_finite(delta_t, v_reset, a, b, current):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        upstroke = 20.0 * math.exp(min(-(v_reset + 50.0) / delta_t, 50.0))
        dt = min(0.1, 0.9 * upstroke)
        p = AdExParams.named("tonic", delta_t=delta_t, v_reset=v_reset, a=a, b=b, dt=dt)
        x = torch.full((500, 1), current, dtype=torch.float32)
        _, _, trace = AdExLayer(p)(x, trace=True)
    assert torch.isfinite(trace.v).all()
    assert torch.isfinite(trace.w).all()
    assert trace.v.max() <= p.v_peak
    assert (trace.since <= p.dt * (1 + 1e-6)).all()


@pytest.mark.parametrize("backend", ["eager", "numba"])
def test_nan_is_seen(backend):
    for layer, size in ((AdExLayer(backend=backend), 500.0), (NormalisedAdExLayer(), 0.3)):
        x = torch.full((5, 1, 2), size)
        x[2, 0, 0] = math.nan
        spikes, state = layer(x)
        assert spikes[2:, 0, 0].isnan().all()
        assert not spikes[:, 0, 1].isnan().any()
        assert state.v[0, 0].isnan()
        assert not state.v[0, 1].isnan()


def test_a_run_in_two_halves_is_one_run(generator):
    x = torch.rand(200, 2, 3, generator=generator, dtype=F64)
    for layer, size in ((AdExLayer(), 2000.0), (NormalisedAdExLayer(), 0.5)):
        whole, end = layer(size * x)
        first, state = layer(size * x[:77])
        second, last = layer(size * x[77:], state)
        assert torch.equal(whole, torch.cat([first, second]))
        assert whole.any()
        assert all(torch.equal(one, other) for one, other in zip(end, last, strict=True))


@pytest.mark.parametrize("shape", [(5, 2), (5, 2, 3, 4), (5, 0, 3), (0, 2, 3)])
@pytest.mark.parametrize("dtype", [torch.float32, F64, torch.bfloat16])
def test_any_shape_and_dtype(shape, dtype):
    for layer in (AdExLayer(), NormalisedAdExLayer()):
        spikes, state, trace = layer(torch.ones(shape, dtype=dtype), trace=True)
        assert all(part.shape == shape for part in (spikes, *trace))
        assert all(part.shape == shape[1:] and part.dtype == dtype for part in state)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: AdExParams.named("chattering"), ValueError, "tonic, adapting"),
        (lambda: AdExParams(c=0.0), ValueError, "c=0.0"),
        (lambda: AdExParams(tau_w=math.nan), ValueError, "tau_w=nan"),
        (lambda: AdExParams(g_l=math.inf), ValueError, "g_l=inf"),
        (lambda: AdExParams(dt=-0.1), ValueError, "dt=-0.1"),
        (lambda: AdExParams(a=[1.0]), TypeError, r"a must be a number, not \[1.0\]"),
        (lambda: AdExParams(c=torch.tensor([1.0, -1.0])), ValueError, "c must be positive"),
        (lambda: AdExParams(dt=torch.tensor(0.1)), TypeError, "dt must be a number, not tensor"),
        (lambda: AdExParams(v_peak=-55.0), ValueError, "v_peak=-55 mV must be above v_t"),
        (lambda: NormalisedAdExParams(tau=-1.0), ValueError, "tau=-1.0"),
        (lambda: NormalisedAdExParams(w0=math.inf), ValueError, "w0=inf"),
        (lambda: NormalisedAdExParams(dt=True), TypeError, "dt must be a number, not True"),
        (lambda: AdExLayer(NormalisedAdExParams()), TypeError, "not NormalisedAdExParams"),
        (lambda: NormalisedAdExLayer(AdExParams()), TypeError, "not AdExParams"),
        (lambda: AdExLayer(backend="jax"), ValueError, "jax"),
        (lambda: AdExLayer(backend="triton")(torch.ones(2, 2)), ValueError, "cannot run"),
        (lambda: AdExLayer(surrogate="boxcar"), ValueError, "boxcar"),
        (lambda: AdExLayer()(torch.ones(5)), ValueError, "time first"),
        (lambda: AdExLayer()(torch.ones(5, 2, dtype=torch.int64)), TypeError, "int64"),
        (lambda: NormalisedAdExLayer()([1.0]), TypeError, "list"),
        (
            lambda: AdExLayer()(torch.ones(5, 3), AdExLayer()(torch.ones(5, 2))[1]),
            ValueError,
            "new batch",
        ),
        (
            lambda: AdExLayer()(torch.ones(5, 2), NormalisedAdExLayer()(torch.ones(5, 2))[1]),
            ValueError,
            "is a NormalisedAdExState",
        ),
    ],
)
def test_bad_input_is_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_states_detach_and_layers_show_themselves():
    x = torch.full((3, 1), 0.3, requires_grad=True)
    _, state = NormalisedAdExLayer()(x)
    assert state.v.requires_grad
    assert not any(part.requires_grad for part in state.detach())
    _, state = AdExLayer()(x)
    assert state.v.requires_grad
    assert not any(part.requires_grad for part in state.detach())
    assert "v_reset=-46.0" in repr(AdExLayer(AdExParams.named("bursting")))
    assert "w0=0.1" in repr(NormalisedAdExLayer())


def test_parameters_may_require_a_gradient():
    params = AdExParams(v_t=torch.tensor(-50.0, requires_grad=True))
    assert params.v_t.requires_grad
    normalised = NormalisedAdExParams(tau=torch.tensor([20.0, 30.0], requires_grad=True))
    assert normalised.tau.requires_grad
