"""One step: closed forms, trajectories worked out by hand, gradients."""

import math

import pytest
import torch

from jarvis import LIFLayer, LIFParams, constant_drive, lif_step
from jarvis.neurons import exp_decay

F64 = torch.float64


def run(inputs, state=None, **options):
    """Feed numbers one by one; returns spikes, v after each step, and the last state."""
    params = LIFParams(**options)
    spikes, v = [], []
    for x in inputs:
        s, state = lif_step(torch.tensor([[float(x)]], dtype=F64), state, params)
        spikes.append(s.item())
        v.append(state.v.item())
    return spikes, v, state


def first_spikes(current, n, dt, tau=20.0, **options):
    """Times (ms) of the first n spikes under a constant current."""
    layer = LIFLayer(tau=tau, dt=dt, reset="zero", **options)
    steps = round(260 / dt)
    x = torch.full((steps, 1, 1), constant_drive(current, tau, dt), dtype=F64)
    spikes, _ = layer(x)
    return ((spikes[:, 0, 0].nonzero()[:, 0] + 1) * dt)[:n].tolist()


@pytest.mark.parametrize("dt", [0.1, 1.0, 5.0])
def test_constant_current_follows_the_closed_form_at_any_step(dt):
    tau, current = 20.0, 0.9
    steps = 50
    _, v, _ = run([constant_drive(current, tau, dt)] * steps, tau=tau, dt=dt)
    t = dt * torch.arange(1, steps + 1, dtype=F64)
    expected = current * (1 - torch.exp(-t / tau))
    torch.testing.assert_close(torch.tensor(v, dtype=F64), expected)


def test_constant_current_through_a_synapse_ends_at_the_same_potential():
    options = dict(tau=20.0, dt=0.5, tau_syn=5.0)
    _, v, _ = run([constant_drive(0.9, **options)] * 1000, **options)
    assert v[-1] == pytest.approx(0.9)
    assert v[20] < 0.9 * (1 - math.exp(-10.5 / 20))


def test_first_spike_at_21_97_ms():
    assert first_spikes(1.5, 1, dt=0.01)[0] == pytest.approx(20 * math.log(3), abs=0.01)
    assert 20 * math.log(3) == pytest.approx(21.97, abs=0.005)


@pytest.mark.parametrize("current", [1.1, 1.5, 4.0])
@pytest.mark.parametrize("refractory", [0.0, 5.0])
def test_rate_follows_the_f_I_curve(current, refractory):
    dt = 0.05
    first, *later = first_spikes(current, 4, dt, refractory=refractory)
    period = 20 * math.log(current / (current - 1))
    assert first == pytest.approx(period, abs=2 * dt)
    for before, after in zip([first, *later], later, strict=False):
        assert after - before == pytest.approx(refractory + period, abs=2 * dt)


def test_rheobase():
    assert first_spikes(1.0 - 1e-6, 1, dt=1.0) == []
    assert first_spikes(1.01, 1, dt=1.0) != []


def test_synaptic_current_follows_its_closed_form():
    # One input spike of weight w: i decays with tau_syn. v is the geometric double sum.
    w, n, a, b = 0.1, 30, exp_decay(20.0, 1.0), exp_decay(5.0, 1.0)
    _, v, state = run([w] + [0] * (n - 1), tau=20.0, tau_syn=5.0)
    expected = [w * (b ** (t + 1) - a ** (t + 1)) / (b - a) for t in range(n)]
    assert v == pytest.approx(expected)
    assert state.i.item() == pytest.approx(w * b ** (n - 1))


# By hand, with exp(-dt/tau) = 1/2: tau = 1/ln 2.
HALF = 1 / math.log(2)


@pytest.mark.parametrize(
    ("reset", "spikes", "v"),
    [
        # x = 0.8 each step. subtract: h = .8, 1.2 -> .2, .9, 1.25 -> .25, .925
        ("subtract", [0, 1, 0, 1, 0], [0.8, 0.2, 0.9, 0.25, 0.925]),
        # zero: h = .8, 1.2 -> 0, .8, 1.2 -> 0, .8
        ("zero", [0, 1, 0, 1, 0], [0.8, 0.0, 0.8, 0.0, 0.8]),
        # none: h = .8, 1.2, 1.4, 1.5, 1.55
        ("none", [0, 1, 1, 1, 1], [0.8, 1.2, 1.4, 1.5, 1.55]),
    ],
)
def test_trajectory_by_hand_through_a_spike_and_a_reset(reset, spikes, v):
    got = run([0.8] * 5, tau=HALF, reset=reset)
    assert got[0] == spikes
    assert got[1] == pytest.approx(v)


def test_refractory_by_hand():
    # Spike at step 1 (h = 1.2 -> .2), then v is held for 2 steps, then .1 + .8 = .9, 1.25.
    spikes, v, state = run([0.8] * 6, tau=HALF, refractory=2.0)
    assert spikes == [0, 1, 0, 0, 0, 1]
    assert v == pytest.approx([0.8, 0.2, 0.2, 0.2, 0.9, 0.25])
    assert state.refractory.item() == 2


def test_adaptive_threshold_by_hand():
    # tau_adapt = tau: a halves each step. x = 1.2, zero reset, threshold 1 + 0.5 a.
    # step 0: h 1.2 >= 1   -> spike, a = 1
    # step 1: h 1.2 <  1.5 -> v = 1.2, a = .5
    # step 2: h 1.8 >= 1.25 -> spike, a = 1.25
    # step 3: h 1.2 < 1.625, a = .625
    spikes, v, state = run([1.2] * 4, tau=HALF, reset="zero", adaptation=0.5, tau_adapt=HALF)
    assert spikes == [1, 0, 1, 0]
    assert v == pytest.approx([0.0, 1.2, 0.0, 1.2])
    assert state.adaptation.item() == pytest.approx(0.625)


def test_synaptic_current_by_hand():
    # tau_syn = tau, both halve. i = .8, .4, .2; h = .8, .8, .6
    _, v, _ = run([0.8, 0, 0], tau=HALF, tau_syn=HALF)
    assert v == pytest.approx([0.8, 0.8, 0.6])


def test_no_leak():
    assert run([0.25] * 3, tau=math.inf)[1] == pytest.approx([0.25, 0.5, 0.75])


@pytest.mark.parametrize(
    ("reset", "detach", "gradients"),
    [
        # Two steps, x = (1.2, 0.9), decay 1/2, surrogate derivative f(u) = 1/(1+|u|)^2 (k = 1).
        # s0 = H(.2): f0 = 1/1.44. L = s1 (the second step's spike only).
        # subtract: h1 = .5 (1.2 - 1) + .9 = 1.0, f1 = f(0) = 1.
        # dL/dx1 = f1; dL/dx0 = f1 * .5 * (1 - f0) with the reset in the graph, f1 * .5 without.
        ("subtract", False, (0.5 * (1 - 1 / 1.44), 1.0)),
        ("subtract", True, (0.5, 1.0)),
        # zero: h1 = .9, f1 = 1/1.21; dv0/dh0 = (1 - s0) - h0 f0 = -1.2/1.44, detached: 0.
        ("zero", False, (-0.5 * 1.2 / 1.44 / 1.21, 1 / 1.21)),
        ("zero", True, (0.0, 1 / 1.21)),
        # none: h1 = 1.5, f1 = 1/2.25; dv0/dh0 = 1.
        ("none", False, (0.5 / 2.25, 1 / 2.25)),
        ("none", True, (0.5 / 2.25, 1 / 2.25)),
    ],
)
def test_gradient_by_hand_through_a_reset(reset, detach, gradients):
    from jarvis import SurrogateSpike

    x = torch.tensor([1.2, 0.9], dtype=F64).reshape(2, 1, 1).requires_grad_()
    layer = LIFLayer(
        tau=HALF, reset=reset, detach_reset=detach, surrogate=SurrogateSpike("fast_sigmoid", 1.0)
    )
    spikes, _ = layer(x)
    spikes[1].sum().backward()
    assert x.grad.flatten().tolist() == pytest.approx(list(gradients))


def test_gradcheck_where_no_spike_makes_it_rough(generator):
    x = 0.05 * torch.rand(6, 2, 3, dtype=F64, generator=generator)
    tau = torch.full((3,), 15.0, dtype=F64).requires_grad_()
    tau_syn = torch.tensor(5.0, dtype=F64, requires_grad=True)

    def potentials(x, tau, tau_syn):
        params, state, out = LIFParams(tau=tau, tau_syn=tau_syn), None, []
        for x_t in x.unbind(0):
            _, state = lif_step(x_t, state, params)
            out.append(state.v)
        return torch.stack(out)

    assert (potentials(x, tau, tau_syn)[1:] > 0).all()
    assert torch.autograd.gradcheck(potentials, (x.requires_grad_(), tau, tau_syn))


def test_step_changes_nothing_that_it_was_given():
    x, params = torch.ones(2, 3), LIFParams(tau_syn=5.0, refractory=2.0, adaptation=0.1)
    _, state = lif_step(x, None, params)
    kept = [f.clone() for f in state if f is not None]
    lif_step(x, state, params)
    for before, after in zip(kept, (f for f in state if f is not None), strict=True):
        assert torch.equal(before, after)
    assert torch.equal(x, torch.ones(2, 3))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"tau": 0.0}, "tau=0.0"),
        ({"tau": math.nan}, "tau=nan"),
        ({"tau": torch.tensor([20.0, -1.0])}, "tau must be positive; got -1 to 20"),
        ({"threshold": torch.tensor([1.0, math.nan, 2.0])}, "threshold must be positive; got NaN"),
        ({"dt": 0.0}, "dt=0.0"),
        ({"dt": math.inf}, "dt=inf"),
        ({"threshold": 0.0}, "threshold=0.0"),
        ({"tau_syn": -5.0}, "tau_syn=-5.0"),
        ({"reset": "soft"}, "reset='soft'"),
        ({"refractory": -1.0}, "refractory=-1.0"),
        ({"refractory": 0.3, "dt": 1.0}, "smaller dt"),
        ({"adaptation": -0.1}, "adaptation=-0.1"),
        ({"tau_adapt": 0.0}, "tau_adapt=0.0"),
    ],
)
def test_bad_options(options, says):
    with pytest.raises(ValueError, match=says):
        LIFParams(**options)
    with pytest.raises(ValueError, match=says):
        LIFLayer(**options)


@pytest.mark.parametrize("name", ["tau", "threshold", "tau_adapt", "tau_syn", "dt", "refractory"])
def test_what_is_no_number_is_a_type_error(name):
    with pytest.raises(TypeError, match=f"^{name} must be a number, not '5'$"):
        LIFParams(**{name: "5"})
    if name != "tau_syn":
        with pytest.raises(TypeError, match=f"^{name} must be a number, not None$"):
            LIFParams(**{name: None})
