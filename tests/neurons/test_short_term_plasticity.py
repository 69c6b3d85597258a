"""Short-term plasticity: responses in closed form, and a simulation from spike to spike."""

import math

import numpy as np
import pytest
import torch

from jarvis.neurons import SpikingLayer, over_time
from jarvis.neurons.short_term_plasticity import (
    ShortTermPlasticity,
    ShortTermPlasticityParams,
    short_term_plasticity_step,
)

F64 = torch.float64


def outputs(times, p, backend="eager"):
    """What a synapse sends at spikes at the given steps."""
    x = torch.zeros(max(times) + 1, 1, dtype=F64)
    x[list(times)] = 1.0
    y, _ = SpikingLayer(ShortTermPlasticity(p), backend=backend)(x)
    assert (y[x == 0] == 0).all()
    return y[x == 1].numpy()


def by_events(times, U, tau_rec, tau_facil):
    """u R at each spike, from spike to spike: an iteration without a grid of time."""
    u, r, last, sent = 0.0, 1.0, None, []
    for t in times:
        if last is not None:
            r = 1.0 - (1.0 - r) * math.exp(-(t - last) / tau_rec) if tau_rec else 1.0
            u = u * math.exp(-(t - last) / tau_facil) if tau_facil else 0.0
        u = u + U * (1.0 - u)
        sent.append(u * r)
        r, last = r - u * r, t
    return np.array(sent)


ALL = [
    (0.5, 800.0, 0.0),
    (0.03, 130.0, 530.0),
    (0.2, 100.0, 100.0),
    (1.0, 50.0, 0.0),
    (0.3, 0.0, 80.0),
]


@pytest.mark.parametrize(("U", "tau_rec", "tau_facil"), ALL)
@pytest.mark.parametrize("dt", [0.5, 1.0, 5.0])
def test_irregular_trains_are_those_of_a_simulation_by_events(U, tau_rec, tau_facil, dt):
    rng = np.random.default_rng(1)
    steps = np.unique(rng.integers(0, 400, 60))
    want = by_events(steps * dt, U, tau_rec, tau_facil)
    for scale, unit in (("release", 1.0), ("first", 1.0 / U)):
        p = ShortTermPlasticityParams(U, tau_rec, tau_facil, scale, dt)
        np.testing.assert_allclose(outputs(steps, p), want * unit, rtol=1e-11)


def test_three_spikes_by_hand():
    # U = 1/2, both time constants 10 ms ln(2)^-1: in 10 ms half of everything decays.
    half = 10.0 / math.log(2.0)
    p = ShortTermPlasticityParams(U=0.5, tau_rec=half, tau_facil=half, scale="release", dt=10.0)
    state = ShortTermPlasticity(p).initial_state(torch.zeros(1, dtype=F64))
    # u: .5; .25 -> .625; .3125 -> .65625.  R before: 1; .5 -> .75; .28125 -> .640625.
    want = [(0.5, 0.5, 0.5), (0.46875, 0.625, 0.28125), (0.640625 * 0.65625, 0.65625, 0.2202148437)]
    for sent, u, r in want:
        y, state = short_term_plasticity_step(torch.ones(1, dtype=F64), state, p)
        assert (y.item(), state.u.item(), state.r.item()) == pytest.approx((sent, u, r), rel=1e-9)
    y, state = short_term_plasticity_step(torch.zeros(1, dtype=F64), state, p)
    assert y.item() == 0.0
    assert state.u.item() == pytest.approx(0.65625 / 2)
    assert state.r.item() == pytest.approx((1.0 + 0.2202148437) / 2)


@pytest.mark.parametrize(("U", "tau_rec", "tau_facil"), ALL)
@pytest.mark.parametrize("interval", [5, 20, 100])
def test_the_paired_pulse_ratio(U, tau_rec, tau_facil, interval):
    a = math.exp(-interval / tau_rec) if tau_rec else 0.0
    b = math.exp(-interval / tau_facil) if tau_facil else 0.0
    first, second = outputs((0, interval), ShortTermPlasticityParams(U, tau_rec, tau_facil))
    assert first == 1.0
    assert second == pytest.approx((1.0 + (1.0 - U) * b) * (1.0 - U * a), rel=1e-12)


def test_which_synapses_depress_and_which_facilitate():
    pairs = {
        name: outputs((0, 50), ShortTermPlasticityParams.named(name))[1]
        for name in ("depressing", "facilitating")
    }
    assert pairs["depressing"] < 0.6
    assert pairs["facilitating"] > 1.7
    slow = ShortTermPlasticityParams.named("depressing")
    assert outputs((0, 6000), slow)[1] == pytest.approx(1.0, abs=1e-3)  # it recovers


@pytest.mark.parametrize(("U", "tau_rec", "tau_facil"), ALL)
@pytest.mark.parametrize("interval", [2, 25, 200])
def test_stationary_responses(U, tau_rec, tau_facil, interval):
    p = ShortTermPlasticityParams(U, tau_rec, tau_facil)
    n = 2 + int(40 * max(tau_rec, tau_facil, 1.0) / interval)
    found = outputs(range(0, n * interval, interval), p, backend="numba")[-1]
    a = math.exp(-interval / tau_rec) if tau_rec else 0.0
    b = math.exp(-interval / tau_facil) if tau_facil else 0.0
    u = U / (1.0 - (1.0 - U) * b)
    r = (1.0 - a) / (1.0 - (1.0 - u) * a)
    assert found == pytest.approx(u * r / U, rel=1e-9)
    stationary = p.stationary(1000.0 / interval)
    assert stationary == pytest.approx((u, r, u * r / U), rel=1e-12)
    released = ShortTermPlasticityParams(U, tau_rec, tau_facil, "release")
    assert released.stationary(1000.0 / interval).output == pytest.approx(u * r)


def test_a_depressing_synapse_transmits_no_more_beyond_its_limiting_rate():
    p = ShortTermPlasticityParams.named("depressing")
    assert p.limiting_rate == pytest.approx(2.5)  # 1/(0.5 * 0.8 s)
    per_second = {rate: rate * p.stationary(rate).output for rate in (0.1, 1.0, 20.0, 50.0, 500.0)}
    assert per_second[0.1] == pytest.approx(0.1, rel=0.02)  # far below it, every spike counts
    # Far above: 1/(U tau_rec), whatever the rate.
    assert per_second[50.0] == pytest.approx(2.5, rel=0.04)
    assert per_second[500.0] == pytest.approx(2.5, rel=0.004)
    assert per_second[20.0] / per_second[500.0] > 0.9
    assert per_second[1.0] < 0.4 * per_second[500.0]
    # so the output falls as 1/rate
    assert p.stationary(500.0).output / p.stationary(50.0).output == pytest.approx(0.1, rel=0.04)
    assert ShortTermPlasticityParams(tau_rec=0.0).limiting_rate == math.inf


def test_a_facilitating_synapse_is_best_at_some_rate():
    p = ShortTermPlasticityParams.named("facilitating")
    rates = np.arange(1.0, 200.0)
    sent = [p.stationary(rate).output for rate in rates]
    best = rates[np.argmax(sent)]
    assert 5.0 < best < 50.0
    assert max(sent) > 4.0
    assert sent[-1] < 0.5 * max(sent)


def test_a_change_of_rate_is_transmitted_even_where_the_rate_is_not():
    p = ShortTermPlasticityParams.named("depressing")
    times = [*range(0, 4000, 50), *range(4000, 8000, 20)]  # 20 Hz, then 50 Hz
    sent = outputs(times, p)
    before, jump, after = sent[79], sent[81], sent[-1]
    assert 50 * after == pytest.approx(20 * before, rel=0.1)
    assert 50 * jump > 1.5 * 20 * before


def test_limits():
    everything = ShortTermPlasticityParams(U=1.0, tau_rec=math.log(2.0) ** -1, scale="release")
    np.testing.assert_allclose(outputs((0, 1, 2), everything), [1.0, 0.5, 0.5], rtol=1e-12)
    static = ShortTermPlasticityParams(U=0.3, tau_rec=0.0, tau_facil=0.0)
    np.testing.assert_allclose(outputs((0, 1, 5, 6), static), 1.0, rtol=1e-14)
    only_up = outputs(range(30), ShortTermPlasticityParams(U=0.1, tau_rec=0.0, tau_facil=1e9))
    np.testing.assert_allclose(only_up, 10.0 * (1.0 - 0.9 ** np.arange(1, 31)), rtol=1e-6)


def test_resources_and_utilisation_stay_fractions():
    x = torch.randn(500, 20, dtype=F64) * 3.0
    for U, tau_rec, tau_facil in ALL:
        p = ShortTermPlasticityParams(U, tau_rec, tau_facil, "release")
        y, _, trace = SpikingLayer(ShortTermPlasticity(p), backend="eager")(x, trace=True)
        for part in (y, trace.u, trace.r):
            assert part.min() >= -1e-12
            assert part.max() <= 1.0 + 1e-12


# Graded inputs


def test_a_graded_input_lies_between_no_spike_and_a_spike():
    p = ShortTermPlasticityParams(U=0.4, tau_rec=100.0, tau_facil=30.0)
    kind = ShortTermPlasticity(p)
    state = kind.initial_state(torch.zeros(1, dtype=F64))._replace(
        u=torch.tensor([0.2], dtype=F64), r=torch.tensor([0.6], dtype=F64)
    )

    def results(x):
        y, after = short_term_plasticity_step(torch.tensor([x], dtype=F64), state, p)
        return np.array([y.item(), after.u.item(), after.r.item()])

    none, full = results(0.0), results(1.0)
    for x in (0.25, 0.8):
        np.testing.assert_allclose(results(x), none + x * (full - none), rtol=1e-12)
    np.testing.assert_array_equal(results(-2.0), none)
    np.testing.assert_array_equal(results(7.0), full)


@pytest.mark.parametrize("t", [3, 5])
def test_the_gradient_at_0_and_1_is_what_a_spike_changes(t):
    # At once, and on the next spike, where nothing lies between.
    p = ShortTermPlasticityParams(U=0.4, tau_rec=50.0, tau_facil=30.0)
    layer = SpikingLayer(ShortTermPlasticity(p), backend="eager")
    x = torch.tensor([1.0, 0, 0, 1, 0, 0, 0], dtype=F64).view(-1, 1)
    with_, without = x.clone(), x.clone()
    with_[t], without[t] = 1.0, 0.0
    x.requires_grad_()
    for find in (lambda y, s: y[t], lambda y, s: s.u, lambda y, s: s.r):
        (gradient,) = torch.autograd.grad(find(*layer(x)).sum(), x)
        change = find(*layer(with_)) - find(*layer(without))
        assert gradient[t].item() == pytest.approx(change.item(), rel=1e-12)
        assert abs(change.item()) > 0.01


def test_gradients_against_finite_differences():
    rng = torch.Generator().manual_seed(0)
    x = torch.rand(12, 3, generator=rng, dtype=F64) * 0.9 + 0.05
    names = ("U", "tau_rec", "tau_facil")
    values = [torch.tensor(value, dtype=F64) for value in (0.4, 20.0, 15.0)]
    for scale in ("first", "release"):
        base = ShortTermPlasticityParams(scale=scale)

        def run(x, *values, base=base):
            p = base.with_values(**dict(zip(names, values, strict=True)))
            state = ShortTermPlasticity(p).initial_state(x[0])
            sent = []
            for each in x:
                y, state = short_term_plasticity_step(each, state, p)
                sent.append(y)
            return torch.stack([*sent, *state])

        leaves = [value.requires_grad_() for value in (x, *values)]
        assert torch.autograd.gradcheck(run, leaves, eps=1e-6, atol=1e-7)


def test_a_learned_utilisation_above_1_counts_as_1():
    p = ShortTermPlasticityParams(U=1.0, tau_rec=50.0)
    above = p.with_values(U=torch.tensor(1.7, dtype=F64))
    np.testing.assert_allclose(outputs((0, 3, 9), above), outputs((0, 3, 9), p), rtol=1e-12)


# As a layer


def test_it_stands_between_spikes_and_weights():
    torch.manual_seed(0)
    rest = torch.nn.Linear(6, 4, dtype=F64)
    spikes = (torch.rand(80, 2, 6, dtype=F64) < 0.2).double()
    synapses = SpikingLayer(ShortTermPlasticity(), learnable=("U", "tau_rec")).double()
    y, _ = synapses(spikes)
    current = over_time(rest, y)
    current.square().mean().backward()
    assert current.shape == (80, 2, 4)
    assert synapses.log_U.grad.abs() > 0
    assert synapses.log_tau_rec.grad.abs() > 0
    assert not synapses.fires
    assert synapses.unsupported_reason() is None


def test_each_synapse_may_have_values_of_its_own():
    values = torch.tensor([[u, rec, facil] for u, rec, facil in ALL], dtype=F64).T
    p = ShortTermPlasticityParams(*values)
    x = torch.zeros(60, 1, len(ALL), dtype=F64)
    x[::7] = 1.0
    for backend in ("eager", "numba"):
        y, _ = SpikingLayer(ShortTermPlasticity(p), backend=backend)(x)
        for n, (U, tau_rec, tau_facil) in enumerate(ALL):
            want = by_events(range(0, 60, 7), U, tau_rec, tau_facil) / U
            np.testing.assert_allclose(y[::7, 0, n].numpy(), want, rtol=1e-10)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(U=0.0), "U=0"),
        (dict(U=1.1), "U=1.1"),
        (dict(U=torch.tensor([0.5, 1.5])), "U must"),
        (dict(tau_rec=-1.0), "tau_rec=-1"),
        (dict(tau_facil=math.inf), "tau_facil=inf"),
        (dict(scale="peak"), "scale='peak'"),
        (dict(dt=0.0), "dt=0"),
    ],
)
def test_bad_values(changes, message):
    with pytest.raises(ValueError, match=message):
        ShortTermPlasticityParams(**changes)


def test_other_bad_values():
    with pytest.raises(ValueError, match="rate=0"):
        ShortTermPlasticityParams().stationary(0.0)
    with pytest.raises(ValueError, match="give one U for all"):
        ShortTermPlasticityParams(U=torch.tensor([0.1, 0.2])).stationary(1.0)
    with pytest.raises(ValueError, match="depressing, facilitating"):
        ShortTermPlasticityParams.named("fast")


def test_published_sets():
    # Tsodyks, Pawelzik & Markram 1998, figure 1.
    assert ShortTermPlasticityParams.named("depressing") == ShortTermPlasticityParams()
    p = ShortTermPlasticityParams.named("facilitating")
    assert (p.U, p.tau_rec, p.tau_facil) == (0.03, 130.0, 530.0)


def test_detach():
    x = torch.ones(3, 1, requires_grad=True)
    _, state = SpikingLayer(ShortTermPlasticity(), backend="eager")(x)
    assert state.r.requires_grad
    assert not state.detach().r.requires_grad
