"""Escape noise: statistics of intervals against renewal theory, limits, and the gradient."""

import math

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad, solve_ivp

from jarvis import LIFLayer
from jarvis.lif import LIF
from jarvis.neurons import RecurrentState, SpikingLayer, constant_drive
from jarvis.neurons.escape import (
    EscapeInputs,
    EscapeLIF,
    EscapeLIFLayer,
    EscapeLIFParams,
    EscapeLIFState,
    escape_lif_step,
)

F64 = torch.float64


def generator(seed):
    return torch.Generator().manual_seed(seed)


def intervals(spikes, dt=1.0):
    """All intervals between the spikes [T, B], in ms."""
    found = []
    for train in spikes.T:
        (at,) = train.nonzero(as_tuple=True)
        found.append(np.diff(at.numpy()) * dt)
    return np.concatenate(found)


def escaping(p=None, **options):
    """A layer that runs step by step: most of these tests are too short for a compiled loop."""
    return EscapeLIFLayer(p, **dict(backend="eager") | options)


def at_potential(v, n, steps, seed, **changes):
    """Spikes of n neurons whose potential is held: no leak, no input, no reset."""
    p = EscapeLIFParams(tau=math.inf, reset="none", **changes)
    x = torch.zeros(steps, n, dtype=F64)
    start = torch.full((n,), v, dtype=F64)
    refractory = torch.zeros(n, dtype=F64) if p.refractory_steps else None
    state = EscapeLIFState(start, refractory)
    return p, escaping(p)(x, state, generator=generator(seed))[0]


# A constant hazard


@pytest.mark.parametrize("rate", ["exponential", "softplus", "sigmoid"])
def test_escape_rates_are_the_formulas(rate):
    p = EscapeLIFParams(threshold=0.8, delta_u=0.25, tau0=4.0, rate=rate)
    v = torch.tensor([-1.0, 0.3, 0.8, 1.0, 3.0], dtype=F64)
    u = (v.numpy() - 0.8) / 0.25
    want = {
        "exponential": np.exp(u),
        "softplus": np.log(1.0 + np.exp(u)),
        "sigmoid": 1.0 / (1.0 + np.exp(-u)),
    }[rate] / 4.0
    np.testing.assert_allclose(p.escape_rate(v).numpy(), want, rtol=1e-12)
    np.testing.assert_allclose(p.chance(v).numpy(), 1.0 - np.exp(-want), rtol=1e-9)
    assert EscapeLIFParams(dt=0.1, rate=rate).chance(torch.ones(1)) < p.chance(torch.ones(1))


@pytest.mark.parametrize("rate", ["exponential", "softplus", "sigmoid"])
@pytest.mark.parametrize("refractory", [0.0, 5.0])
def test_intervals_at_a_constant_hazard_are_exponential(rate, refractory):
    # On the grid: geometric, with the chance 1 - exp(-rho dt), after the refractory period.
    _, spikes = at_potential(
        0.8, 400, 2000, seed=0, delta_u=0.2, tau0=5.0, rate=rate, dt=0.5, refractory=refractory
    )
    u = -1.0
    rho = {"exponential": math.exp(u), "softplus": math.log1p(math.exp(u))}.get(
        rate, 1.0 / (1.0 + math.e)
    ) / 5.0
    found = intervals(spikes, 0.5)
    assert len(found) > 10_000
    assert found.min() == 0.5 + refractory
    steps = (found - refractory) / 0.5
    chance = -math.expm1(-rho * 0.5)
    # Long intervals are missed at the ends of the window: 1000 ms, and they last 14 to 20 ms.
    assert steps.mean() == pytest.approx(1.0 / chance, rel=0.04)
    assert steps.std() / steps.mean() == pytest.approx(math.sqrt(1.0 - chance), rel=0.03)
    # Spread over their steps they are exponential: a Kolmogorov-Smirnov test.
    u = np.random.default_rng(0).random(len(steps))
    within = -np.log1p(-u * chance) / rho  # exponential, within one step
    first = stats.kstest((steps - 1)[:3000] * 0.5 + within[:3000], stats.expon(scale=1 / rho).cdf)
    assert first.pvalue > 1e-3
    other = stats.kstest(
        (steps - 1)[:3000] * 0.5 + within[:3000], stats.expon(scale=1.15 / rho).cdf
    )
    assert other.pvalue < 1e-3  # the test can tell


def test_the_chance_of_a_spike_is_the_fraction_of_neurons_that_spike():
    for v, seed in ((0.9, 1), (1.0, 2), (1.1, 3)):
        p, spikes = at_potential(v, 200_000, 1, seed=seed)
        want = 1.0 - math.exp(-math.exp((v - 1.0) / 0.1))
        assert p.chance(torch.tensor(v, dtype=F64)).item() == pytest.approx(want)
        sigma = math.sqrt(want * (1.0 - want) / 200_000)
        assert spikes.mean().item() == pytest.approx(want, abs=4.5 * sigma)


def test_no_spike_at_a_chance_of_0_and_always_one_at_1():
    # Whatever the random number is; uniform numbers include 0, but not 1.
    below_one = 1.0 - torch.finfo(F64).eps / 2
    for uniform in (0.0, 0.5, below_one):
        for v, want in ((-1e3, 0.0), (1e3, 1.0)):
            p = EscapeLIFParams(tau=math.inf)
            x = EscapeInputs(torch.tensor([v], dtype=F64), torch.tensor([uniform], dtype=F64))
            spikes, _, record = escape_lif_step(x, EscapeLIFState(torch.zeros(1, dtype=F64)), p)
            assert spikes.item() == record.chance.item() == want


# A driven neuron: renewal theory


def renewal(p, current, dt=0.001):
    """Mean and CV of the intervals in continuous time, from the survivor function."""

    def hazard(t):
        v = current * -math.expm1(-t / p.tau)
        return math.exp(min((v - p.threshold) / p.delta_u, 50.0)) / p.tau0

    def slope(t, y):  # log of the survivor function, its integral, and that of 2 t S
        s = math.exp(-y[0])
        return [hazard(t), s, 2.0 * t * s]

    end = solve_ivp(slope, (0.0, 4000.0), [0.0, 0.0, 0.0], method="LSODA", rtol=1e-9, atol=1e-11).y[
        :, -1
    ]
    mean, second = end[1], end[2]
    return mean, math.sqrt(second - mean**2) / mean


@pytest.mark.parametrize("current", [0.8, 1.1, 1.6])
@pytest.mark.parametrize("delta_u", [0.05, 0.2])
def test_rate_and_variability_are_those_of_renewal_theory(current, delta_u):
    p = EscapeLIFParams(delta_u=delta_u, dt=0.5)
    n, steps = (300, 4000) if current > 1.0 else (300, 12_000)
    drive = constant_drive(current, tau=20.0, dt=0.5)
    x = torch.full((steps, 1), drive, dtype=F64).expand(steps, n)
    spikes, _ = escaping(p)(x, generator=generator(0))
    mean, cv = renewal(p, current)
    found = intervals(spikes, 0.5)
    # The number of spikes in a long window, which starts with a reset.
    rate = spikes.sum().item() / (n * steps * 0.5)
    spread = cv / math.sqrt(n * steps * 0.5 / mean)
    bias = (cv**2 - 1.0) / 2.0 / (steps * 0.5 / mean)  # renewal theory, for a finite window
    assert rate * mean - bias == pytest.approx(1.0, abs=4.5 * spread + 0.005)
    assert found.std() / found.mean() == pytest.approx(cv, abs=0.02)


def test_the_survivor_function():
    # The fraction of neurons without a spike so far, for an input that changes.
    p = EscapeLIFParams(tau=10.0, delta_u=0.3, tau0=3.0, dt=1.0)
    t = np.arange(60)
    x = 0.04 + 0.04 * np.sin(t / 6.0)
    v, log_s, survivor = 0.0, 0.0, []
    for jump in x:
        v = v * math.exp(-0.1) + jump
        log_s -= math.exp((v - 1.0) / 0.3) / 3.0
        survivor.append(math.exp(log_s))
    n = 40_000
    inputs = torch.as_tensor(x).view(-1, 1).expand(60, n)
    spikes, _ = escaping(p)(inputs, generator=generator(3))
    found = (spikes.cumsum(0) == 0).double().mean(1).numpy()
    np.testing.assert_allclose(found, survivor, atol=4.5 * 0.5 / math.sqrt(n))
    assert 0.02 < survivor[-1] < 0.5


@pytest.mark.parametrize("rate", [0.8, 2.0])
def test_mean_intervals_of_the_step_are_close_to_those_in_continuous_time(rate):
    # Without random numbers: the chances of the step, along the path without a spike.
    def stepped(dt):
        p = EscapeLIFParams(dt=dt)
        drive = constant_drive(rate, tau=20.0, dt=dt)
        v, alive, mean = torch.zeros((), dtype=F64), 1.0, 0.0
        while alive > 1e-9:
            mean += alive * dt
            v = p.decay * v + drive
            alive *= 1.0 - p.chance(v).item()
        return mean

    mean, _ = renewal(EscapeLIFParams(), rate)
    assert mean > 10.0
    assert stepped(1.0) == pytest.approx(mean, rel=0.005)


# The deterministic limit


@pytest.mark.parametrize("reset", ["zero", "subtract", "none"])
@pytest.mark.parametrize("refractory", [0.0, 3.0])
def test_without_noise_it_is_the_lif_neuron(reset, refractory):
    x = 0.3 * torch.rand(300, 4, 6, generator=generator(0), dtype=F64)
    p = EscapeLIFParams(delta_u=1e-9, reset=reset, refractory=refractory)
    spikes, state, trace = escaping(p)(x, trace=True, generator=generator(1))
    lif = SpikingLayer(LIF(reset=reset, refractory=refractory), backend="eager")
    want, after, record = lif(x, trace=True)
    assert want.sum() > 100
    assert torch.equal(spikes, want)
    torch.testing.assert_close(trace.h, record.h, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(trace.v, record.v, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(state.v, after.v, rtol=1e-12, atol=1e-14)


def test_a_spike_a_reset_and_the_refractory_time_by_hand():
    decay = math.exp(-1.0 / 20.0)
    x = torch.tensor([0.9, 0.2, 5.0, 5.0, 0.3], dtype=F64).view(-1, 1)
    h = [0.9, 0.9 * decay + 0.2]
    chances = [1.0 - math.exp(-math.exp((v - 1.0) / 0.1)) for v in h]
    # 1 - uniform is just above the first chance, and just below the second one.
    draws = [1 - chances[0] - 1e-9, 1 - chances[1] + 1e-9, 0.999, 0.999, 0.0]
    uniform = torch.tensor(draws, dtype=F64).view(-1, 1)
    for reset, v in (("zero", 0.0), ("subtract", h[1] - 1.0), ("none", h[1])):
        p = EscapeLIFParams(reset=reset, refractory=2.0)
        layer = SpikingLayer(EscapeLIF(p), surrogate="straight_through", backend="eager")
        spikes, state, trace = layer(EscapeInputs(x, uniform), trace=True)
        assert spikes[:4, 0].tolist() == [0.0, 1.0, 0.0, 0.0]
        last = v * decay + 0.3
        assert trace.h[:, 0].tolist() == pytest.approx([*h, v, v, last], rel=1e-12)
        assert trace.v[:4, 0].tolist() == pytest.approx([h[0], v, v, v], rel=1e-12, abs=1e-15)
        wanted = [*chances, 0.0, 0.0, 1.0 - math.exp(-math.exp((last - 1.0) / 0.1))]
        assert trace.chance[:, 0].tolist() == pytest.approx(wanted, rel=1e-9)
        fires = draws[4] >= 1.0 - wanted[4]  # a chance of 1 only
        assert (spikes[4, 0].item(), state.refractory.item()) == (fires, 2.0 * fires)


# Gradients


@pytest.mark.parametrize("rate", ["exponential", "softplus", "sigmoid"])
def test_the_derivative_of_a_spike_is_that_of_its_chance(rate):
    # The chance is smooth: against finite differences of itself, for spikes and silence alike.
    p = EscapeLIFParams(delta_u=0.3, rate=rate)
    current = torch.linspace(0.2, 1.6, 30, dtype=F64).requires_grad_()
    uniform = torch.rand(30, generator=generator(0), dtype=F64)
    state = EscapeLIFState(torch.full((30,), 0.1, dtype=F64))
    spikes, _, _ = escape_lif_step(EscapeInputs(current, uniform), state, p)
    assert 0 < spikes.sum() < 30
    (gradient,) = torch.autograd.grad(spikes.sum(), current)
    h = current.detach() + 0.1 * math.exp(-0.05)
    eps = 1e-5
    want = (p.chance(h + eps) - p.chance(h - eps)) / (2 * eps)
    torch.testing.assert_close(gradient, want, rtol=1e-7, atol=1e-10)
    assert escaping().surrogate.name == "straight_through"


def test_on_average_it_is_the_derivative_of_the_mean_count():
    # Without resets, spikes act on nothing: gradients along sampled paths are then unbiased, and
    # do not depend on the random numbers at all.
    p = EscapeLIFParams(reset="none", delta_u=0.3)
    n, eps = 40_000, 0.02

    def count(x, seed):
        layer = escaping(p)
        inputs = (x * torch.ones(12, 1, dtype=F64)).expand(12, n)
        return layer(inputs, generator=generator(seed))[0].sum() / n

    x = torch.tensor(0.09, dtype=F64, requires_grad=True)
    (one,) = torch.autograd.grad(count(x, 0), x)
    (two,) = torch.autograd.grad(count(x, 1), x)
    assert one.item() == pytest.approx(two.item(), rel=1e-12)
    with torch.no_grad():  # the same random numbers on both sides
        found = (count(x + eps, 2) - count(x - eps, 2)) / (2 * eps)
    assert one.item() == pytest.approx(found.item(), rel=0.05)


def test_through_a_reset_the_gradient_of_a_path_is_only_an_approximation():
    # As the docstring says: exact expectation by enumeration of two steps.
    p = EscapeLIFParams(delta_u=0.3)
    decay = math.exp(-0.05)

    def expected(x):
        first = p.chance(x)
        return first + first * p.chance(x) + (1.0 - first) * p.chance(decay * x + x)

    x = torch.tensor(0.7, dtype=F64, requires_grad=True)
    (want,) = torch.autograd.grad(expected(x), x)
    n = 100_000
    found = {}
    for detach in (True, False):
        layer = escaping(p, detach_reset=detach)
        spikes, _ = layer((x * torch.ones(2, 1, dtype=F64)).expand(2, n), generator=generator(0))
        assert spikes.sum().item() / n == pytest.approx(expected(x).item(), abs=0.01)
        (found[detach],) = torch.autograd.grad(spikes.sum() / n, x)
    assert found[True].item() > want.item() + 0.05  # the reset that a spike brings is left out
    assert found[False].item() < found[True].item()
    # By hand: along a path without a spike, with one, and what each chance is.
    with torch.no_grad():
        first = p.chance(x)
    (a,) = torch.autograd.grad(p.chance(x), x)
    (b,) = torch.autograd.grad(p.chance(decay * x + x), x)
    assert found[True].item() == pytest.approx((a + first * a + (1 - first) * b).item(), abs=0.02)


def test_parameters_are_learned():
    layer = escaping(
        EscapeLIFParams(delta_u=0.2), learnable=("tau", "threshold", "delta_u", "tau0")
    )
    x = torch.full((50, 1, 200), 0.05)
    spikes, _ = layer(x, generator=generator(0))
    spikes.mean().backward()
    signs = {name: part.grad.sign().item() for name, part in layer.named_parameters()}
    assert signs == {
        "log_tau": 1.0,
        "log_threshold": -1.0,
        "log_delta_u": 1.0,  # below the threshold, noise is what makes it fire
        "log_tau0": -1.0,
    }


# The layer


def test_it_takes_the_place_of_a_lif_layer():
    x = torch.rand(30, 4, 5)
    one, two = EscapeLIFLayer(), LIFLayer()
    for layer in (one, two):
        net = torch.nn.Linear(5, 5)
        spikes, state = layer(net(x))
        again, _ = layer(net(x), state)
        (spikes.sum() + again.sum()).backward()
        assert spikes.shape == x.shape
        assert net.weight.grad is not None
        assert set(spikes.unique().tolist()) <= {0.0, 1.0}
        assert layer.fires
    assert one.unsupported_reason() is None


def test_the_generator_decides():
    x = torch.full((40, 2, 10), 0.05)
    layer = escaping(EscapeLIFParams(delta_u=0.3))
    one, two, other = (layer(x, generator=generator(seed))[0] for seed in (0, 0, 1))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    torch.manual_seed(5)
    one = layer(x)[0]
    after = torch.rand(1)
    torch.manual_seed(5)
    assert torch.equal(layer(x)[0], one)
    assert torch.equal(torch.rand(1), after)
    assert not torch.equal(layer(x)[0], one)
    # A generator of one's own leaves torch's alone.
    torch.manual_seed(5)
    before = torch.rand(1)
    torch.manual_seed(5)
    layer(x, generator=generator(0))
    assert torch.equal(torch.rand(1), before)


def test_it_is_the_neuron_with_these_random_numbers():
    x = 0.1 * torch.rand(40, 2, 10, dtype=F64)
    p = EscapeLIFParams(delta_u=0.3)
    uniform = torch.rand(x.shape, generator=generator(4), dtype=F64)
    for backend in ("eager", "numba"):
        neuron = SpikingLayer(EscapeLIF(p), surrogate="straight_through", backend=backend)
        want = neuron(EscapeInputs(x, uniform), trace=True)
        got = EscapeLIFLayer(EscapeLIF(p), backend=backend)(x, generator=generator(4), trace=True)
        assert torch.equal(got[0], want[0])
        for one, two in zip(got[2], want[2], strict=True):
            assert torch.equal(one, two)
    same = escaping(p, backend="eager")(x, generator=generator(4))[0]
    assert torch.equal(same, want[0])


def test_a_recurrent_layer():
    layer = escaping(EscapeLIFParams(delta_u=0.3), recurrent=6, self_connections=False)
    x = 0.1 * torch.rand(20, 3, 6)
    spikes, state = layer(x, generator=generator(0))
    assert isinstance(state, RecurrentState)
    assert torch.equal(state.spikes, spikes[-1])
    spikes.sum().backward()
    assert (layer.weight.grad.diagonal() == 0).all()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("rate", ["exponential", "softplus", "sigmoid"])
@pytest.mark.parametrize("dtype", [torch.float32, F64])
def test_no_finite_input_gives_nan(rate, dtype):
    x = (3e38 * torch.randn(30, 4, 6, dtype=dtype).clamp(-1, 1)).requires_grad_()
    for delta_u in (1e-6, 0.1, 10.0):
        for reset in ("zero", "subtract", "none"):
            layer = escaping(EscapeLIFParams(delta_u=delta_u, rate=rate, reset=reset))
            spikes, state, trace = layer(x, trace=True, generator=generator(0))
            assert all(torch.isfinite(part).all() for part in (spikes, state.v, *trace))
            (gradient,) = torch.autograd.grad(spikes.sum() + trace.chance.sum(), x)
            assert torch.isfinite(gradient).all()


# Bad values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (dict(tau=0.0), "tau=0"),
        (dict(threshold=0.0), "threshold=0"),
        (dict(delta_u=0.0), "delta_u=0"),
        (dict(tau0=-1.0), "tau0=-1"),
        (dict(rate="linear"), "rate='linear'"),
        (dict(reset="soft"), "reset='soft'"),
        (dict(refractory=0.3), "less than half a step"),
        (dict(dt=math.nan), "dt=nan"),
    ],
)
def test_bad_values(changes, message):
    with pytest.raises(ValueError, match=message):
        EscapeLIFParams(**changes)


def test_other_bad_values():
    with pytest.raises(TypeError, match="must be an EscapeLIF"):
        EscapeLIFLayer(LIF())
    with pytest.raises(TypeError, match="EscapeLIFParams"):
        escaping(LIF().values)
    with pytest.raises(ValueError, match="time first"):
        escaping()(torch.zeros(3))
    with pytest.raises(TypeError, match="floating-point"):
        escaping()(torch.zeros(3, 1, dtype=torch.int64))
    with pytest.raises(TypeError, match="EscapeInputs"):
        SpikingLayer(EscapeLIF())(torch.zeros(3, 1))


def test_detach():
    _, state = escaping()(torch.ones(3, 1, requires_grad=True))
    assert state.v.requires_grad
    assert not state.detach().v.requires_grad


def test_the_mean_time_to_a_spike_at_the_threshold_is_tau0():
    p = EscapeLIFParams(tau0=7.0)
    rho = p.escape_rate(torch.ones(1, dtype=F64)).item()
    assert quad(lambda t: math.exp(-rho * t), 0.0, math.inf)[0] == pytest.approx(7.0)
