"""Conductance synapses: closed forms for held conductances, an ODE solver, and a spike by hand."""

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from jarvis.neurons import SpikingLayer
from jarvis.neurons.conductance import (
    ConductanceInputs,
    ConductanceLIF,
    ConductanceLIFParams,
    ConductanceLIFState,
    conductance_lif_step,
    nmda_block,
)

F64 = torch.float64


def params(**changes):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ConductanceLIFParams(**changes)


def step(p, state, excitatory=0.0, inhibitory=0.0, nmda=0.0, current=0.0, **options):
    given = (torch.as_tensor(x, dtype=F64) for x in (excitatory, inhibitory, nmda, current))
    x = ConductanceInputs(*torch.broadcast_tensors(*given, state.v)[:4])
    return conductance_lif_step(x, state, p, **options)


def state_at(v, g_exc=0.0, g_inh=0.0, g_nmda=0.0, refractory=None):
    parts = (v, g_exc, g_inh, g_nmda, refractory)
    return ConductanceLIFState(
        *(None if part is None else torch.as_tensor([part], dtype=F64) for part in parts)
    )


#: Conductances that hardly decay.
HELD = dict(tau_exc=1e9, tau_inh=1e9, tau_nmda=1e9, mg=0.0, refractory=0.0)


def run(p, x, state=None, backend="eager"):
    return SpikingLayer(ConductanceLIF(p), backend=backend)(x, state, trace=True)


# Closed forms, with conductances that are held


@pytest.mark.parametrize("dt", [0.1, 1.0, 25.0])
@pytest.mark.parametrize(("g_exc", "g_inh", "g_nmda"), [(3.0, 0, 0), (3.0, 20, 0), (2.0, 5, 4.0)])
def test_a_constant_conductance_gives_an_exponential_approach(dt, g_exc, g_inh, g_nmda):
    p = params(**HELD, v_t=1000.0, dt=dt)
    total = 10.0 + g_exc + g_inh + g_nmda
    v_inf = (10.0 * -60.0 + g_inh * -80.0) / total  # excitation and NMDA pull to 0 mV
    tau_eff = 200.0 / total
    x = ConductanceInputs.of(torch.zeros(40, 1, dtype=F64))
    trace = run(p, x, state_at(-60.0, g_exc, g_inh, g_nmda))[2]
    t = dt * np.arange(1, 41)
    want = v_inf + (-60.0 - v_inf) * np.exp(-t / tau_eff)
    np.testing.assert_allclose(trace.v[:, 0].numpy(), want, rtol=0, atol=2e-5)


def test_the_current_adds_to_the_potential_as_the_total_conductance_allows():
    # Shunting: inhibition at its own reversal potential does nothing by itself, but divides.
    x = ConductanceInputs.of(current=torch.full((400, 1), 90.0, dtype=F64))
    reached = []
    for g_inh in (0.0, 10.0, 20.0):
        p = params(**HELD, e_inh=-60.0, dt=1.0)
        trace = run(p, x, state_at(-60.0, g_inh=g_inh))[2]
        reached.append(trace.v[-1].item() + 60.0)
    assert reached == pytest.approx([9.0, 4.5, 3.0], abs=1e-4)


def test_shunting_shortens_the_time_constant():
    found = []
    for g_inh in (0.0, 10.0, 40.0):
        p = params(**HELD, e_inh=-60.0, dt=0.5)
        after = step(p, state_at(-55.0, g_inh=g_inh))[1]
        found.append(-0.5 / math.log((after.v.item() + 60.0) / 5.0))
    assert found == pytest.approx([20.0, 10.0, 4.0], rel=1e-6)


@given(
    st.floats(-80.0, 0.0),
    st.lists(st.tuples(*[st.floats(0.0, 1e4)] * 3), min_size=1, max_size=20),
    st.sampled_from([0.1, 1.0, 10.0]),
)
@settings(max_examples=60, deadline=None)
def test_the_potential_stays_between_the_reversal_potentials(v, jumps, dt):
    p = params(dt=dt, refractory=0.0, v_t=1000.0)
    state = state_at(v)
    for excitatory, inhibitory, nmda in jumps:
        _, state, _ = step(p, state, excitatory, inhibitory, nmda)
        assert -80.0 - 1e-9 <= state.v.item() <= 1e-9
    p = params(dt=dt, refractory=0.0)  # with spikes, too
    for excitatory, inhibitory, nmda in jumps:
        _, state, _ = step(p, state, excitatory, inhibitory, nmda)
        assert state.v.item() < -50.0


def test_conductances_decay_exponentially_and_jump_by_the_input():
    p = params(dt=0.5)
    jumps = torch.zeros(20, 1, dtype=F64)
    jumps[[0, 7]] = torch.tensor([[2.0], [3.0]], dtype=F64)
    trace = run(p, ConductanceInputs.of(jumps, 2.0 * jumps, 4.0 * jumps))[2]
    state = SpikingLayer(ConductanceLIF(p), backend="eager")(
        ConductanceInputs.of(jumps, 2.0 * jumps, 4.0 * jumps)
    )[1]
    t = 0.5 * np.arange(1, 21)

    def wanted(tau):
        return 2.0 * np.exp(-t / tau) + 3.0 * np.exp(-(t - 3.5) / tau) * (t > 3.5)

    np.testing.assert_allclose(trace.g_exc[:, 0].numpy(), wanted(5.0), rtol=1e-12)
    np.testing.assert_allclose(trace.g_inh[:, 0].numpy(), 2.0 * wanted(10.0), rtol=1e-12)
    assert state.g_nmda.item() == pytest.approx(4.0 * wanted(100.0)[-1])


# NMDA


def test_values_of_the_block():
    # By hand: 1/(1 + exp(-0.062 V)/3.57).
    assert nmda_block(torch.tensor(0.0, dtype=F64)).item() == pytest.approx(3.57 / 4.57)
    v = torch.tensor([-80.0, -60.0, -20.0, 40.0], dtype=F64)
    want = [0.0244247, 0.0796264, 0.5081407, 0.9770802]
    assert nmda_block(v).tolist() == pytest.approx(want, abs=1e-7)
    assert nmda_block(v, mg=0.0).tolist() == [1.0] * 4
    half = math.log(2.0 / 3.57) / 0.062  # where 2 mM block one half
    assert nmda_block(torch.tensor(half, dtype=F64), mg=2.0).item() == pytest.approx(0.5)


def test_the_step_uses_the_block_at_the_potential_before_it():
    for v in (-75.0, -60.0, -20.0):
        p = params(**(HELD | dict(mg=1.0)), v_t=1000.0, dt=1.0)
        g = 7.0 / (1.0 + math.exp(-0.062 * v) / 3.57)
        target = 10.0 * -60.0 / (10.0 + g)
        want = target + (v - target) * math.exp(-(10.0 + g) / 200.0)
        _, after, record = step(p, state_at(v, g_nmda=7.0))
        assert after.v.item() == pytest.approx(want, abs=1e-6)
        assert record.g_nmda.item() == pytest.approx(g, abs=1e-6)


def test_the_region_of_negative_slope_conductance():
    # I(V) = B(V) (V - 0) has its minimum where 1 + 0.062 V (1 - B) = 0.
    def b(v):
        return nmda_block(torch.tensor(v, dtype=F64)).item()

    v_min = brentq(lambda v: 1.0 + 0.062 * v * (1.0 - b(v)), -60.0, -5.0)
    assert v_min == pytest.approx(-26.955, abs=0.001)
    grid = torch.linspace(-90.0, 40.0, 1301, dtype=F64)
    current = nmda_block(grid) * grid
    slope = torch.diff(current)
    assert grid[current.argmin()].item() == pytest.approx(v_min, abs=0.1)
    middle = (grid[1:] + grid[:-1]) / 2
    assert (slope[middle > v_min + 0.1] > 0).all()
    assert (slope[(middle < v_min - 0.1) & (middle > -80.0)] < 0).all()
    assert current.diff().sign().diff().abs().sum() == 2  # without the block it has no minimum
    assert ((nmda_block(grid, mg=0.0) * grid).diff() > 0).all()


def test_nmda_needs_depolarisation_and_so_is_bistable():
    # With a conductance that is held, and a rest at -90 mV, two potentials are stable.
    g = 59.0
    p = params(**(HELD | dict(mg=1.0)), e_l=-90.0, v_t=1000.0, dt=1.0)

    def drift(v):
        return 10.0 * (-90.0 - v) - g * v / (1.0 + math.exp(-0.062 * v) / 3.57)

    grid = np.linspace(-91.0, 0.0, 911)
    signs = np.sign([drift(v) for v in grid])
    (changes,) = np.nonzero(np.diff(signs))
    rests = [brentq(drift, grid[i], grid[i + 1]) for i in changes]
    assert len(rests) == 3
    x = ConductanceInputs.of(torch.zeros(1000, 1, dtype=F64))
    for start, end in ((rests[1] - 1.0, rests[0]), (rests[1] + 1.0, rests[2])):
        _, state, _ = run(p, x, state_at(start, g_nmda=g))
        assert state.v.item() == pytest.approx(end, abs=0.01)


# Against an ODE solver


def events(n, seed=0):
    """Jumps at a grid of 2 ms for 60 ms: excitation, inhibition, NMDA."""
    rng = np.random.default_rng(seed)
    return rng.random((30, 3)) * np.array([4.0, 10.0, n])


def solved(p, jumps, current):
    """V at the end of each interval of 2 ms by a Runge-Kutta method of high order."""
    taus = np.array([p.tau_exc, p.tau_inh, p.tau_nmda])
    reversal = np.array([p.e_exc, p.e_inh, p.e_nmda])

    def slope(_, y):
        block = 1.0 / (1.0 + p.mg * math.exp(-p.mg_slope * y[0]) / 3.57)
        g = y[1:] * np.array([1.0, 1.0, block])
        total = -p.g_l * (y[0] - p.e_l) - (g * (y[0] - reversal)).sum() + current
        return [total / p.c, *(-y[1:] / taus)]

    y, found = np.array([p.e_l, 0.0, 0.0, 0.0]), []
    for jump in jumps:
        y = y + np.array([0.0, *jump])
        y = solve_ivp(slope, (0.0, 2.0), y, method="DOP853", rtol=1e-11, atol=1e-12).y[:, -1]
        found.append(y[0])
    return np.array(found)


def stepped(p, jumps, current):
    every = round(2.0 / p.dt)
    x = torch.zeros(3, len(jumps) * every, 1, dtype=F64)
    x[:, ::every, 0] = torch.as_tensor(jumps.T)
    x = ConductanceInputs(*x, torch.full_like(x[0], current))
    return run(p, x)[2].v[every - 1 :: every, 0].numpy()


@pytest.mark.parametrize(("nmda", "order"), [(0.0, 2), (6.0, 1)])
def test_order_of_convergence(nmda, order):
    jumps = events(nmda)
    errors = []
    for dt in (1.0, 0.5, 0.25):
        p = params(v_t=1000.0, dt=dt)
        errors.append(np.abs(stepped(p, jumps, 50.0) - solved(p, jumps, 50.0)).max())
    assert errors[0] < (0.1 if order == 2 else 0.5)  # mV
    rates = np.log2(np.array(errors[:-1]) / np.array(errors[1:]))
    np.testing.assert_allclose(rates, order, atol=0.15)


@pytest.mark.parametrize(("tau_exc", "dt"), [(5.0, 1.0), (5.0, 2.0), (1.0, 0.5)])
@pytest.mark.parametrize("jump", [0.1, 40.0])
def test_the_error_of_a_postsynaptic_potential_is_the_stated_one(tau_exc, dt, jump):
    jumps = np.zeros((20, 3))
    jumps[0, 0] = jump
    p = params(tau_exc=tau_exc, v_t=1000.0, dt=dt)
    got, want = stepped(p, jumps, 0.0), solved(p, jumps, 0.0)
    error = np.abs(got - want).max() / (want.max() + 60.0)
    assert error == pytest.approx(dt**2 / (12.0 * tau_exc * 20.0), rel=0.1)


# Spikes


def test_a_spike_a_reset_and_the_refractory_time_by_hand():
    p = params(c=100.0, g_l=10.0, tau_exc=10.0, tau_inh=10.0, refractory=2.0, dt=1.0)
    decay = math.exp(-0.1)
    mean = (1.0 - decay) / 0.1

    def moved(v, g):
        total = 10.0 + mean * g
        target = -600.0 / total  # excitation pulls to 0
        return target + (v - target) * math.exp(-total / 100.0)

    one = moved(-60.0, 5.0)
    two = moved(one, 5.0 * decay + 20.0)
    g = (5.0 * decay + 20.0) * decay
    assert one < -50.0 < two
    jumps = torch.tensor([5.0, 20.0, 0.0, 30.0, 0.0, 0.0], dtype=F64).view(-1, 1)
    spikes, state, trace = run(p, ConductanceInputs.of(jumps))
    # Spikes in step 1; held at -60 in steps 2 and 3, while conductances go on.
    g_at = [g, g * decay, (g * decay**2 + 30.0) * decay]
    four = moved(-60.0, (g * decay + 30.0) * decay)
    assert four > -50.0
    assert spikes[:, 0].tolist() == [0, 1, 0, 0, 1, 0]
    want = [one, two, -60.0, -60.0, four, -60.0]
    assert trace.h[:, 0].tolist() == pytest.approx(want, abs=1e-12)
    assert trace.v[:, 0].tolist() == pytest.approx([one, *[-60.0] * 5], abs=1e-12)
    assert trace.g_exc[1:3, 0].tolist() == pytest.approx(g_at[:2])
    assert trace.g_exc[3, 0].item() == pytest.approx((g * decay + 30.0) * decay)
    assert state.refractory.item() == 1.0


def test_the_rate_at_a_constant_current():
    # Without synapses it is a LIF neuron: interval = refractory + tau ln((RI)/(RI - 10 mV)).
    p = params(dt=0.02)
    for current in (110.0, 200.0, 600.0):
        x = ConductanceInputs.of(current=torch.full((10_000, 1), current, dtype=F64))
        spikes = run(p, x, backend="numba")[0][:, 0]
        (at,) = spikes.nonzero(as_tuple=True)
        want = 5.0 + 20.0 * math.log(current / (current - 100.0))
        intervals = np.diff(at.numpy()) * 0.02
        assert intervals.min() > want - 1e-9  # on the grid, never early
        assert intervals.max() <= want + 0.02 + 1e-9
    x = ConductanceInputs.of(current=torch.full((10_000, 1), 99.99, dtype=F64))
    assert run(p, x, backend="numba")[0].sum() == 0
    assert p.rheobase == 100.0


def test_the_normalised_set_is_the_same_neuron_in_other_units():
    rng = torch.Generator().manual_seed(0)
    x = [torch.rand(400, 2, 5, generator=rng, dtype=F64) * scale for scale in (4.0, 4.0, 3.0)]
    current = 100.0 * torch.randn(400, 2, 5, generator=rng, dtype=F64)
    one = run(ConductanceLIFParams.named("brette2007", dt=0.5), ConductanceInputs(*x, current))
    scaled = ConductanceInputs(*(part / 10.0 for part in x), current / 100.0)
    two = run(ConductanceLIFParams.named("normalised", dt=0.5), scaled)
    assert one[0].sum() > 50
    assert torch.equal(one[0], two[0])
    torch.testing.assert_close((one[2].h + 60.0) / 10.0, two[2].h, rtol=0, atol=1e-10)
    torch.testing.assert_close(one[2].g_nmda / 10.0, two[2].g_nmda, rtol=1e-9, atol=1e-12)
    p = ConductanceLIFParams.named("normalised")
    assert (p.tau, p.rheobase) == (20.0, 1.0)


def test_the_named_set_is_that_of_the_benchmark():
    p = ConductanceLIFParams.named("brette2007")
    assert (p.c, p.g_l, p.e_l, p.v_t, p.v_reset, p.refractory) == (200, 10, -60, -50, -60, 5)
    assert (p.e_exc, p.e_inh, p.tau_exc, p.tau_inh) == (0, -80, 5, 10)
    assert p == ConductanceLIFParams()
    assert p.tau == 20.0


# Inputs


def test_inputs_that_are_not_given_are_zero():
    x = torch.rand(20, 2, 3, dtype=F64)
    p = params(dt=1.0)
    zeros = torch.zeros_like(x)
    for name in ConductanceInputs._fields:
        given = ConductanceInputs.of(**{name: x})
        full = ConductanceInputs(**(dict.fromkeys(ConductanceInputs._fields, zeros) | {name: x}))
        for one, two in zip(run(p, given)[2], run(p, full)[2], strict=True):
            assert torch.equal(one, two)
    with pytest.raises(ValueError, match="at least one"):
        ConductanceInputs.of()


def test_each_input_has_an_effect_of_its_own():
    x = torch.full((30, 1), 2.0, dtype=F64)
    p = params(dt=1.0, v_t=1000.0)
    ends = {n: run(p, ConductanceInputs.of(**{n: x}))[2].v[-1].item() for n in x_names()}
    rest = -60.0
    assert ends["excitatory"] > rest > ends["inhibitory"]
    assert ends["nmda"] > rest
    assert ends["current"] > rest
    assert len({round(v, 6) for v in ends.values()}) == 4


def x_names():
    return ConductanceInputs._fields


def test_negative_jumps_count_as_none_and_have_no_gradient():
    p = params(dt=1.0)
    x = torch.full((1,), -3.0, dtype=F64, requires_grad=True)
    _, after, _ = step(p, state_at(-60.0), excitatory=x, inhibitory=x, nmda=x)
    assert after[:4] == state_at(-60.0)[:4]
    assert torch.autograd.grad(after.v, x)[0].item() == 0.0
    # At 0, where most inputs are, the gradient is that of a jump that opens.
    x = torch.zeros(1, dtype=F64, requires_grad=True)
    _, after, _ = step(p, state_at(-60.0), excitatory=x)
    eps = 1e-6
    above = step(p, state_at(-60.0), excitatory=eps)[1].v.item() + 60.0
    assert torch.autograd.grad(after.v, x)[0].item() == pytest.approx(above / eps, rel=1e-4)


@pytest.mark.parametrize("dtype", [torch.float32, F64])
@pytest.mark.parametrize("size", [1e3, 1e20, 3e38])
def test_no_finite_input_gives_nan(size, dtype):
    x = (size * torch.randn(50, 4, 6, dtype=dtype)).clamp(-3e38, 3e38).requires_grad_()
    inputs = ConductanceInputs(x, x.roll(1, 0), x.roll(2, 0), x.roll(3, 0))
    for p in (params(), params(v_t=1e30, mg=0.0), ConductanceLIFParams.named("normalised")):
        layer = SpikingLayer(ConductanceLIF(p), backend="eager")
        spikes, state, trace = layer(inputs, trace=True)
        assert all(torch.isfinite(part).all() for part in (spikes, *state, *trace))
        total = sum(part.sum() / size for part in (spikes, *trace))
        (gradient,) = torch.autograd.grad(total, x)
        assert torch.isfinite(gradient).all()


# Gradients


def test_gradients_against_finite_differences():
    names = ("c", "g_l", "e_l", "e_exc", "e_inh", "e_nmda", "tau_exc", "tau_inh", "tau_nmda", "mg")
    values = [torch.tensor(float(getattr(params(), n)), dtype=F64) for n in names]
    rng = torch.Generator().manual_seed(0)
    x = 3.0 * torch.rand(4, 12, 2, generator=rng, dtype=F64)

    def ends(x, *values):
        p = ConductanceLIFParams(v_t=1000.0, dt=0.5).with_values(
            **dict(zip(names, values, strict=True))
        )
        state = ConductanceLIF(p).initial_state(x[0, 0])
        for t in range(x.shape[1]):
            _, state, _ = conductance_lif_step(ConductanceInputs(*x[:, t]), state, p)
        return torch.stack(state[:4])

    leaves = [value.requires_grad_() for value in (x, *values)]
    assert torch.autograd.gradcheck(ends, leaves, eps=1e-5, atol=1e-6, rtol=1e-4)


def test_the_surrogate_is_in_units_of_the_distance_to_threshold():
    for name, unit in (("brette2007", 10.0), ("normalised", 1.0)):
        p = ConductanceLIFParams.named(name, dt=0.5)
        rest = p.e_l
        v = torch.tensor([rest + 0.9 * unit], dtype=F64, requires_grad=True)
        spikes, _, record = step(p, state_at(0.0, refractory=0.0)._replace(v=v))
        (slope,) = torch.autograd.grad(spikes, v)
        u = (record.h.item() - p.v_t) / unit
        want = math.exp(-0.5 / 20.0) / (1.0 + 25.0 * abs(u)) ** 2 / unit
        assert slope.item() == pytest.approx(want, rel=1e-9)


# Bad values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(c=0.0), "c=0"),
        (dict(g_l=-1.0), "g_l=-1"),
        (dict(tau_exc=0.0), "tau_exc=0"),
        (dict(tau_nmda=math.inf), "tau_nmda=inf"),
        (dict(mg=-1.0), "mg=-1"),
        (dict(refractory=-1.0), "refractory=-1"),
        (dict(refractory=0.04), "less than half a step"),
        (dict(v_t=-60.0), "above v_reset"),
        (dict(v_reset=torch.tensor([-60.0, -40.0])), "above v_reset"),
        (dict(dt=0.0), "dt=0"),
    ],
)
def test_bad_values(changes, message):
    with pytest.raises(ValueError, match=message):
        ConductanceLIFParams(**changes)


def test_other_bad_values():
    with pytest.raises(ValueError, match="mg=-1"):
        nmda_block(torch.zeros(1), mg=-1.0)
    with pytest.raises(ValueError, match="brette2007"):
        ConductanceLIFParams.named("brette")
    with pytest.raises(TypeError, match="ConductanceInputs"):
        SpikingLayer(ConductanceLIF())(torch.zeros(3, 1, 2))


def test_a_large_step_is_met_with_a_warning_that_names_a_good_one():
    best = math.sqrt(0.12 * 5.0 * 20.0)  # 3.46 ms: 1 % of a postsynaptic potential
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ConductanceLIFParams(dt=0.999 * best)
    with pytest.warns(UserWarning, match="take dt below 3.5 ms"):
        ConductanceLIFParams(dt=1.001 * best)


def test_what_no_input_leaves_at_rest():
    layer = SpikingLayer(ConductanceLIF(), backend="eager")
    spikes, state = layer(ConductanceInputs.of(torch.zeros(200, 1, 2, dtype=F64)))
    assert spikes.sum() == 0
    assert state.detach().v.tolist() == [[-60.0, -60.0]]
