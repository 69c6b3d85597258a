"""Izhikevich: the published scripts bit by bit, the equations event by event, and all patterns."""

import math
import warnings
from functools import cache

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from jarvis.neurons import SpikingLayer
from jarvis.neurons.izhikevich import (
    IZHIKEVICH_PATTERNS,
    Izhikevich,
    IzhikevichParams,
    IzhikevichState,
    izhikevich_pattern,
    izhikevich_step,
)
from jarvis.surrogate import Spike

F64 = torch.float64
SETS = tuple(IzhikevichParams.named_sets)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=F64)


def run(params, current, duration, backend="numba", state=None):
    """Spike times of one neuron, on the grid if the scheme has no finer ones, and the record."""
    x = torch.as_tensor(current, dtype=F64).expand(round(duration / params.dt))[:, None]
    spikes, _, trace = SpikingLayer(Izhikevich(params), backend=backend)(x, state, trace=True)
    (steps,) = spikes[:, 0].nonzero(as_tuple=True)
    times = (steps + 1).double() * params.dt
    return times if trace.since is None else times - trace.since[steps, 0], trace


# The equations


@cache
def exact(name: str, current: float, duration: float) -> np.ndarray:
    """Spike times by scipy, each crossing of 30 mV located, to about 1e-8 ms."""
    a, b, c, d = IzhikevichParams.named_sets[name].values()

    def slope(_, y):
        v, u = y
        return [0.04 * v * v + 5 * v + 140 - u + current, a * (b * v - u)]

    def peak(_, y):
        return y[0] - 30.0

    peak.terminal, peak.direction = True, 1
    t, y, times = 0.0, [-65.0, b * -65.0], []
    while True:
        found = solve_ivp(
            slope, (t, duration), y, method="DOP853", rtol=1e-10, atol=1e-10, events=peak
        )
        if found.status != 1:
            return np.array(times)
        t = float(found.t_events[0][0])
        times.append(t)
        y = [c, found.y_events[0][0][1] + d]


#: Spikes in one second at I = 10 from v = -65, u = b v: the exact count and last interval in ms.
EVENT_EXACT = {
    "regular_spiking": (23, 44.812),
    "intrinsically_bursting": (34, 31.218),
    "chattering": (87, None),
    "fast_spiking": (137, 7.343),
    "low_threshold_spiking": (78, 13.370),
    "thalamo_cortical": (277, 3.673),
    "resonator": (196, 5.124),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_the_accurate_scheme_finds_the_spikes_of_the_equations(name):
    want = exact(name, 10.0, 1000.0)
    count, interval = EVENT_EXACT[name]
    assert len(want) == count
    if interval is not None:
        assert want[-1] - want[-2] == pytest.approx(interval, abs=6e-4)
    for dt, error, shortest in ((0.1, 4e-4, 6e-4), (0.5, 0.01, 0.02), (1.0, 0.05, 0.1)):
        times, _ = run(IzhikevichParams.named(name, dt=dt), 10.0, 1000.0)
        assert abs(len(times) - count) <= (dt == 1.0)  # 197 resonator spikes for 196
        n = min(len(times), count)
        intervals = np.diff(want[:n])
        off = np.abs(np.diff(times[:n]) / intervals - 1)[:20]
        assert off.max() < shortest
        assert off[intervals[:20] > 2].max() < error
        if dt == 0.1:
            assert times[0].item() == pytest.approx(want[0], abs=2e-4)


def test_numbers_of_the_regular_spiking_neuron():
    assert exact("regular_spiking", 10.0, 1000.0)[:3] == pytest.approx(
        [3.127, 26.226, 71.057], 1e-4
    )
    burst = np.diff(exact("chattering", 10.0, 1000.0))
    assert burst[-4:] == pytest.approx([1.81, 2.11, 2.66, 4.78], abs=0.01)


def test_the_accurate_scheme_is_of_second_order():
    want = exact("fast_spiking", 10.0, 100.0)
    errors = []
    for dt in (0.4, 0.2, 0.1):
        times, _ = run(IzhikevichParams.named("fast_spiking", dt=dt), 10.0, 100.0)
        errors.append(np.abs(times.numpy() - want).max())
    ratios = np.array(errors[:-1]) / errors[1:]
    assert ((ratios > 3.3) & (ratios < 5)).all()


@pytest.mark.parametrize(
    ("a", "b", "rest", "threshold", "current", "v"),
    [
        (0.02, 0.2, -70.0, -50.0, 4.0, -60.0),
        (0.02, 0.25, -64.4139, -54.3361, 1.015625, -59.375),
        (0.1, 0.26, -62.5, -56.0, 0.4225, -59.25),
    ],
)
def test_fixed_points_and_where_they_vanish(a, b, rest, threshold, current, v):
    params = IzhikevichParams(a=a, b=b)
    assert params.fixed_points(0.0) == pytest.approx((rest, threshold), abs=1e-4)
    assert params.saddle_node == pytest.approx(current, abs=1e-12)
    assert params.fixed_points(current - 1e-9) == pytest.approx((v, v), abs=1e-3)
    assert params.fixed_points(current + 1e-9) is None
    for dt, scheme in ((0.1, "accurate"), (1.0, "accurate"), (0.25, "2004"), (1.0, "2003")):
        given = IzhikevichParams(a=a, b=b, v_0=rest - 0.5, dt=dt, scheme=scheme)
        times, trace = run(given, 0.0, 1500.0)
        assert len(times) == 0
        assert trace.v[-1].item() == pytest.approx(rest, abs=1e-3)
        assert trace.u[-1].item() == pytest.approx(b * rest, abs=1e-3)


def test_rest_loses_its_stability_before_it_vanishes():
    # 0.08 v + 5 - a = 0 at v = -62.25, which is the rest at I = 3.7975: before 4.0.
    params = IzhikevichParams()
    assert params.is_stable(-62.26)
    assert not params.is_stable(-62.24)
    assert not params.is_stable(-50.0)  # the saddle: trace and determinant are wrong
    assert params.fixed_points(3.7975)[0] == pytest.approx(-62.25)
    for current, fires in ((3.77, False), (3.83, True)):
        low = params.fixed_points(current)[0]
        given = IzhikevichParams(v_0=low + 0.05, u_0=0.2 * low)
        times, _ = run(given, current, 5000.0)
        assert (len(times) > 0) == fires


def test_one_spike_by_hand():
    # a = 0: u stays. square 1, slope and offset 0: dv/dt = v^2 - u + I, u = 0, I = 0. From v = 2 to
    # 4 takes 1/4 ms; from c = 1, another 1/4 would lead to 4/3; to second order, to 1 + 1/4 + 1/16.
    given = dict(square=1.0, slope=0.0, offset=0.0, a=0.0, c=1.0, d=0.0, v_peak=4.0, dt=0.5)
    state = IzhikevichState(tensor(2.0, 1.0), tensor(0.0, 0.0))
    spikes, after, trace = izhikevich_step(tensor(0, 0), state, IzhikevichParams(**given))
    assert spikes.tolist() == [1.0, 0.0]
    assert trace.since.tolist() == pytest.approx([0.25, 0.0])
    assert after.v.tolist() == pytest.approx([1 + 1 / 4 + 1 / 16, 2.0])
    # With b = 1, u gains a times the integral of v: ln 2 in both, since v = 1/(1/v_0 - t).
    given |= dict(a=1e-6, b=1.0)
    _, after, _ = izhikevich_step(tensor(0, 0), state, IzhikevichParams(**given))
    gained = tensor(math.log(2) + 0.25 + 1 / 32, math.log(2))
    assert (after.u / 1e-6).tolist() == pytest.approx(gained.tolist(), rel=1e-5)


# The published scripts


def script_2003(a, b, c, d, current, square):
    """The loop of the script of 2003 for one neuron, as printed: v and u after each step."""
    v, fired, path = -65.0, [], []
    u = b * v
    for t, i in enumerate(current):
        if v >= 30:
            fired.append(t)
            v = c
            u = u + d
        v = v + 0.5 * (square(v) + 5 * v + 140 - u + i)
        v = v + 0.5 * (square(v) + 5 * v + 140 - u + i)
        u = u + a * (b * v - u)
        path.append((v, u))
    return fired, np.array(path)


@pytest.mark.parametrize("backend", ["eager", "numba"])
@pytest.mark.parametrize("noise", [0.0, 5.0])
def test_the_script_of_2003_bit_by_bit(noise, backend):
    current = 10.0 + noise * np.random.default_rng(0).standard_normal(1000)
    for name in SETS if backend == "numba" else SETS[1:3]:
        values = IzhikevichParams.named_sets[name].values()
        fired, path = script_2003(*values, current, lambda v: 0.04 * (v * v))
        params = IzhikevichParams.named(name, scheme="2003", dt=1.0)
        times, trace = run(params, tensor(*current), 1000.0, backend)
        assert (times - 1).tolist() == fired
        assert trace.since is None
        assert np.array_equal(trace.v[:, 0], path[:, 0])
        assert np.array_equal(trace.u[:, 0], path[:, 1])


def test_counts_of_the_script_of_2003_depend_on_rounding():
    """0.04 v^2 is not (0.04 v) v, to rounding; and how far v shoots decides what comes next."""
    counts = {}
    for printed in (True, False):
        for name in SETS:
            values = IzhikevichParams.named_sets[name].values()
            square = (lambda v: 0.04 * (v * v)) if printed else (lambda v: 0.04 * v * v)
            fired, _ = script_2003(*values, [10.0] * 1000, square)
            counts.setdefault(printed, []).append(len(fired))
    assert counts[False] == [20, 27, 43, 63, 44, 67, 80]
    assert counts[True] == [20, 28, 43, 65, 46, 66, 78]


#: The patterns under the published scheme: all spikes, and the times of the first.
PUBLISHED = {
    "A": (5, [13.0, 17.0, 31.5, 59.25, 86.75]),
    "B": (1, [43.75]),
    "C": (28, []),
    "D": (6, [39.0]),
    "E": (6, []),
    "F": (6, []),
    "G": (10, [84.5]),
    "H": (14, [105.75]),
    "I": (1, [26.6]),
    "J": (1, [26.5]),
    "K": (1, [338.0]),
    "L": (1, [20.0]),
    "M": (1, [68.0]),
    "N": (7, []),
    "O": (1, [93.25]),
    "P": (5, []),
    "Q": (1, [11.3]),
    "R": (1, [311.5]),
    "S": (3, []),
    "T": (12, []),
}


def pattern_times(name, **options):
    neuron, current, state = izhikevich_pattern(name, **options)
    spikes, _ = SpikingLayer(neuron, backend="numba")(current, state)
    return (spikes[:, 0].nonzero()[:, 0].double() * neuron.values.dt).numpy()


def script_2004(name):
    """The loop of figure1.m for one pattern: spike times, and v and u after each step."""
    p = IZHIKEVICH_PATTERNS[name]
    slope, offset = (4.1, 108) if p.panel in "GL" else (5, 140)
    v, times, path = p.v_0, [], []
    u = -16.0 if p.panel == "R" else p.b * v
    _, current, _ = izhikevich_pattern(name)
    for k, i in enumerate(current[:, 0].tolist()):
        v = v + p.dt * (0.04 * (v * v) + slope * v + offset - u + i)
        u = u + p.dt * p.a * (p.b * (v + 65) if p.panel == "R" else p.b * v - u)
        if v > 30:
            times.append(k * p.dt)
            v = p.c
            u = u + p.d
        path.append((v, u))
    return times, np.array(path)


@pytest.mark.parametrize("name", IZHIKEVICH_PATTERNS)
def test_the_patterns_of_2004_as_published(name):
    count, first = PUBLISHED[IZHIKEVICH_PATTERNS[name].panel]
    want, path = script_2004(name)
    assert len(want) == count
    assert want[: len(first)] == pytest.approx(first)
    neuron, current, state = izhikevich_pattern(name)
    spikes, _, trace = SpikingLayer(neuron, backend="numba")(current, state, trace=True)
    assert (spikes[:, 0].nonzero()[:, 0].double() * neuron.values.dt).tolist() == want
    assert np.array_equal(trace.v[:, 0], path[:, 0])
    assert np.array_equal(trace.u[:, 0], path[:, 1])


def test_panels_of_the_patterns():
    assert "".join(p.panel for p in IZHIKEVICH_PATTERNS.values()) == "ABCDEFGHIJKLMNOPQRST"


def test_stimuli():
    _, current, state = izhikevich_pattern("bistability")
    assert current.shape == (1201, 1)
    assert current.dtype == F64
    at = {
        t: current[round(t / 0.25)].item() for t in (0.0, 37.5, 37.75, 42.25, 42.5, 220.75, 300.0)
    }
    assert list(at.values()) == pytest.approx([0.24, 0.24, 1.24, 1.24, 0.24, 1.24, 0.24])
    assert state.v.tolist() == [-61.0]
    assert state.u.tolist() == pytest.approx([0.26 * -61])
    _, current, state = izhikevich_pattern("accommodation")
    assert current[[0, 200, 400, 601, 624, 625]].flatten().tolist() == pytest.approx(
        [0.0, 4.0, 0.0, 0.16, 3.84, 0.0]
    )
    assert state.u.item() == -16.0
    _, current, _ = izhikevich_pattern("inhibition_induced_spiking")
    assert current[[0, 99, 100, 500, 501]].flatten().tolist() == [80.0, 80.0, 75.0, 75.0, 80.0]
    neuron, current, _ = izhikevich_pattern("class_1", scheme="accurate", dt=0.1)
    assert neuron.values.scheme == "accurate"
    assert len(current) == 3001
    assert current[-1].item() == pytest.approx(0.075 * 270)


#: Spikes with a step fifty times smaller. Only of the first sixteen is the pattern still there.
FINE = dict(
    zip("ABCDEFGHIJKLMNOP", (5, 1, 29, 8, 7, 6, 10, 17, 1, 1, 1, 1, 1, 14, 1, 7), strict=True)
)


@pytest.mark.parametrize("name", [n for n, p in IZHIKEVICH_PATTERNS.items() if p.panel in FINE])
def test_a_finer_grid_keeps_the_class_of_most_patterns(name):
    pattern = IZHIKEVICH_PATTERNS[name]
    times = pattern_times(name, dt=pattern.dt / 50)
    assert len(times) == FINE[pattern.panel]
    accurate = pattern_times(name, scheme="accurate", dt=0.02)
    assert abs(len(accurate) - len(times)) <= (pattern.panel == "H")
    assert accurate[0] == pytest.approx(times[0], abs=1.0)


def test_two_patterns_exist_on_their_grid_only():
    assert len(pattern_times("depolarizing_afterpotential", dt=0.1 / 50)) == 7
    # T ends with the inhibition, after 250 ms; with a fine step it never ends.
    assert pattern_times("inhibition_induced_bursting").max() < 260
    fine = pattern_times("inhibition_induced_bursting", dt=0.5 / 50)
    assert len(fine) > 1000
    assert fine.max() > 340


def test_accommodation_needs_its_own_recovery():
    neuron, current, state = izhikevich_pattern("accommodation")
    assert SpikingLayer(neuron)(current, state)[0].sum() == 1
    # With du/dt = a (b v - u) and b = 1 there is no rest, whatever the input: it fires all along.
    usual = neuron.values.with_values(recovery="leaky")
    assert usual.fixed_points(0.0) is None
    spikes, _ = SpikingLayer(Izhikevich(usual))(current, state)
    assert spikes.sum() == 50
    assert spikes[:400].sum() > 10


# Gradients


@pytest.mark.parametrize("name", ["current", "a", "b", "c", "d", "v_peak", "square", "offset"])
def test_the_time_of_a_spike_is_differentiated_exactly(name):
    values = IzhikevichParams.named_sets["fast_spiking"] | dict(
        v_peak=30.0, square=0.04, offset=140.0, current=10.0
    )

    def third(value):
        given = values | {name: value}
        current = given.pop("current")
        params = IzhikevichParams(dt=0.2).with_values(**given)
        state = IzhikevichState(tensor(-65.0), tensor(-13.0))
        times = []
        for step in range(100):
            x = current if isinstance(current, torch.Tensor) else tensor(current)
            spikes, state, trace = izhikevich_step(x, state, params)
            if spikes.item():
                times.append((step + 1) * 0.2 - trace.since)
        return times[2].sum()

    given = tensor(values[name]).requires_grad_()
    (slope,) = torch.autograd.grad(third(given), given)
    e = 1e-6 * max(1.0, abs(values[name])) if name != "square" else 1e-8
    want = (third(values[name] + e) - third(values[name] - e)).item() / (2 * e)
    assert slope.item() == pytest.approx(want, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize(
    ("scheme", "dt"), [("accurate", 0.5), ("accurate", 1.0), ("2003", 1.0), ("2004", 0.25)]
)
def test_gradient_below_threshold_against_finite_differences(scheme, dt):
    params = IzhikevichParams(scheme=scheme, dt=dt)
    x = (2.0 + torch.randn(20, dtype=F64, generator=torch.Generator().manual_seed(0))).clone()

    def end(x):
        state = IzhikevichState(tensor(-68.0), tensor(-13.0))
        for each in x:
            spikes, state, _ = izhikevich_step(each[None], state, params)
            assert spikes.item() == 0
        return (state.v + 3.0 * state.u).sum()

    x.requires_grad_()
    (gradient,) = torch.autograd.grad(end(x), x)
    for k in (0, 7, 19):
        e = torch.zeros(20, dtype=F64).index_fill(0, torch.tensor(k), 1e-4)
        want = (end(x.detach() + e) - end(x.detach() - e)).item() / 2e-4
        assert gradient[k].item() == pytest.approx(want, rel=1e-6, abs=1e-8)


@pytest.mark.parametrize("detach", [True, False])
def test_whether_the_reset_of_the_published_schemes_is_differentiated(detach):
    spike = Spike("fast_sigmoid", detach_reset=detach)
    v = tensor(31.0).requires_grad_()
    params = IzhikevichParams(scheme="2004", dt=0.1)
    _, state, _ = izhikevich_step(tensor(0.0), IzhikevichState(v, tensor(0.0)), params, spike)
    (slope,) = torch.autograd.grad(state.u.sum(), v)
    own = 0.1 * 0.02 * 0.2 * (1 + 0.1 * (0.08 * 31 + 5))  # u by the new v, without the spike
    assert (slope.item() == pytest.approx(own, rel=1e-6)) == detach


@pytest.mark.parametrize("scheme", ["accurate", "2003", "2004"])
def test_the_surrogate_sees_the_distance_along_the_circle(scheme):
    params = IzhikevichParams(scheme=scheme, dt=1e-9)
    spike = Spike(lambda v, threshold: v - threshold)  # shows its argument
    v = tensor(-70.0, -50.0, 29.0) if scheme == "accurate" else tensor(-70.0, -50.0, 29.0, 2000.0)
    state = IzhikevichState(v, 0.0 * v)
    args = izhikevich_step(0.0 * v, state, params, spike)[0]
    want = torch.tan(torch.atan(0.04 * (v + 62.5)) / 2) - math.tan(math.atan(3.7) / 2)
    torch.testing.assert_close(args, want, rtol=1e-5, atol=1e-5)
    assert args[0].item() == pytest.approx(-0.91, abs=0.01)
    assert args.max() < 0.25  # a potential of 2000 mV is no further from the threshold than this


# What may go wrong


@pytest.mark.parametrize("dtype", [F64, torch.float32])
@pytest.mark.parametrize(
    "params",
    [
        IzhikevichParams(dt=0.5),
        IzhikevichParams(scheme="2003", dt=1.0),
        IzhikevichParams(scheme="2004", dt=0.5),
        IzhikevichParams(a=-0.026, b=-1.0, c=-45.0, d=-2.0, dt=0.5),
        IzhikevichParams(a=-0.026, b=-1.0, c=-45.0, d=-2.0, scheme="2004", dt=0.5),
        IzhikevichParams(recovery="integrating"),
    ],
)
def test_no_finite_input_makes_it_infinite(params, dtype):
    ends = [0.0, 1e-300, 1e-3, 30.0, 100.0, 1e6, 1e15, 1e300]
    bound = torch.finfo(dtype).max
    values = tensor(*ends, *(-e for e in ends)).clamp(-bound, bound).to(dtype)
    x, v, u = (part.clone() for part in torch.cartesian_prod(values, values, values).unbind(1))
    leaves = [part.requires_grad_() for part in (x, v, u)]
    state, total = IzhikevichState(v, u), 0.0
    for _ in range(5):
        spikes, state, trace = izhikevich_step(x, state, params)
        assert ((spikes == 0) | (spikes == 1)).all()
        assert state.v.isfinite().all()
        assert state.u.isfinite().all()
        total = total + spikes.sum() + torch.tanh(state.v).sum()
        if trace.since is not None:
            assert ((trace.since >= 0) & (trace.since <= params.dt)).all()
            total = total + trace.since.sum()
    assert all(not g.isnan().any() for g in torch.autograd.grad(total, leaves))


def test_strong_inhibition_fires_by_euler_steps_only():
    # At -170 mV, half a step of 0.5 ms leads to 0.02 v^2 + 3.5 v + 70 + ... > 30.
    for scheme, fires in (("2003", True), ("accurate", False)):
        params = IzhikevichParams(scheme=scheme, dt=1.0, v_0=-170.0, u_0=-14.0)
        times, _ = run(params, 0.0, 20.0)
        assert (len(times) > 0) == fires


def test_where_it_starts():
    x = torch.zeros(1, dtype=F64)
    for params, v, u in (
        (IzhikevichParams(), -65.0, -13.0),
        (IzhikevichParams(v_0=-70.0), -70.0, -14.0),
        (IzhikevichParams(v_0=-70.0, u_0=3.0), -70.0, 3.0),
    ):
        state = Izhikevich(params).initial_state(x)
        assert (state.v.item(), state.u.item()) == (v, pytest.approx(u))
    own = IzhikevichState(tensor(-45.0), tensor(-13.0))
    late, soon = (run(IzhikevichParams(), 10.0, 10.0, state=state)[0] for state in (None, own))
    assert soon[0] < late[0] - 1


@pytest.mark.parametrize("scheme", ["accurate", "2003", "2004"])
def test_every_parameter_changes_the_dynamics(scheme):
    base = dict(
        a=0.05, b=0.2, c=-60.0, d=3.0, v_peak=30.0, square=0.04, slope=5.0, offset=140.0, v_0=-65.0,
        u_0=-12.0,
    )  # fmt: skip
    options = dict(dt=0.5, scheme=scheme)
    _, before = run(IzhikevichParams(**base, **options), 10.0, 100.0)
    for name, value in base.items():
        changed = base | {name: 300.0 if name == "v_peak" else value + 0.03 * abs(value)}
        _, after = run(IzhikevichParams(**changed, **options), 10.0, 100.0)
        assert (after.v - before.v).abs().max() > 0.1, name
    _, after = run(IzhikevichParams(**base, **options, recovery="integrating"), 10.0, 100.0)
    assert (after.v - before.v).abs().max() > 0.1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (dict(square=0.0), r"square=0.0 1/\(mV ms\) must be positive"),
        (dict(c=30.0), "v_peak=30.0 mV must be above c, 30.0 mV"),
        (
            dict(v_peak=-62.6, c=-70.0),
            "v_peak=-62.6 mV must be above the vertex of the parabola, -62.5 mV",
        ),
        (dict(scheme="1999"), "scheme='1999' is not one of accurate, 2003, 2004"),
        (dict(recovery="none"), "recovery='none' is not one of leaky, integrating"),
        (dict(scheme="2003", dt=1.1), "dt=1.1 ms is too large for scheme='2003': at most 1 ms"),
        (dict(scheme="2004", dt=0.6), "scheme='2004': at most 0.5 ms"),
        (dict(dt=2.1), "scheme='accurate': at most 2 ms"),
        (dict(a=-4.0, dt=0.5), r"the recovery would overshoot, 1/\|a\|=0.25 ms"),
        (dict(a=torch.tensor([0.1, 4.0]), dt=0.5), "the recovery would overshoot"),
    ],
)
def test_bad_values(changes, says):
    with pytest.raises(ValueError, match=says):
        IzhikevichParams(**dict(c=-65.0) | changes)


def test_a_large_step_is_warned_about():
    with pytest.warns(UserWarning, match="dt=1.5 ms is large.*at most 1 ms"):
        IzhikevichParams(dt=1.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        IzhikevichParams(dt=1.0)
    with pytest.raises(ValueError, match="name='tonic' is not one of tonic_spiking, phasic"):
        izhikevich_pattern("tonic")
    with pytest.raises(ValueError, match="name='RS' is not one of regular_spiking"):
        IzhikevichParams.named("RS")
