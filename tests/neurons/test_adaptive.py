"""Adaptive LIF: the published forms as plain loops, closed forms, and what they have in common."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from jarvis import SurrogateSpike
from jarvis.lif import LIF
from jarvis.neurons import SpikingLayer
from jarvis.neurons.adaptive import ALIF, ALIFParams, ALIFState, alif_step
from jarvis.surrogate import Spike

F64 = torch.float64


def column(values):
    return torch.as_tensor(values, dtype=F64).reshape(len(values), -1)


def run(neuron, x, backend="eager", **options):
    return SpikingLayer(neuron, backend=backend, **options)(x, trace=True)


def input_for(name, n=400, seed=0):
    """Random input that makes a published set fire, now and then."""
    x = np.random.default_rng(seed).normal(size=n)
    return {"lsnn": 0.1 + 0.2 * x, "eprop": 0.06 + 0.1 * x, "srnn": 0.1 + 0.2 * x}[name]


# The published forms, as plain loops


def lsnn_loop(x, tau, tau_adapt, b0, beta, dt=1.0):
    """Bellec et al. 2018, Yin et al. 2021: threshold, then potential, then spike."""
    alpha, rho = math.exp(-dt / tau), math.exp(-dt / tau_adapt)
    v = b = z = 0.0
    found = []
    for value in x:
        b = rho * b + (1.0 - rho) * z
        big_b = b0 + beta * b
        v = alpha * v + (1.0 - alpha) * value - z * big_b
        z = float(v - big_b >= 0.0)
        found.append((z, v, big_b))
    return np.array(found).T


def eprop_loop(x, tau, tau_adapt, v_th, beta, dt=1.0):
    """Bellec et al. 2020, eqs. 6 to 9."""
    alpha, rho = math.exp(-dt / tau), math.exp(-dt / tau_adapt)
    v = a = z = 0.0
    found = []
    for value in x:
        a = rho * a + z
        v = alpha * v + value - z * v_th
        threshold = v_th + beta * a
        z = float(v >= threshold)
        found.append((z, v, threshold))
    return np.array(found).T


@pytest.mark.parametrize(
    ("name", "loop"), [("lsnn", lsnn_loop), ("eprop", eprop_loop), ("srnn", lsnn_loop)]
)
def test_published_forms(name, loop):
    x, p = input_for(name), ALIFParams.named(name)
    spikes, state, trace = run(ALIF(p), column(x))
    z, v, threshold = loop(x, p.tau, p.tau_adapt, p.threshold, p.beta)
    assert 10 < z.sum() < 200
    np.testing.assert_array_equal(spikes[:, 0], z)
    np.testing.assert_allclose(trace.h[:, 0], v, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(trace.threshold[:, 0], threshold, rtol=1e-12)
    assert state.s.item() == z[-1]


def test_numbers_of_the_published_sets():
    """As in the authors' code."""
    lsnn, eprop, srnn = (ALIFParams.named(name) for name in ("lsnn", "eprop", "srnn"))
    assert (lsnn.tau, lsnn.tau_adapt, lsnn.threshold, lsnn.beta) == (20.0, 200.0, 0.01, 1.6)
    assert (srnn.tau, srnn.tau_adapt, srnn.threshold, srnn.beta) == (20.0, 150.0, 0.01, 1.8)
    assert (eprop.tau, eprop.tau_adapt, eprop.threshold) == (20.0, 2000.0, 0.6)
    rho, alpha = math.exp(-1.0 / 2000.0), math.exp(-1.0 / 20.0)
    assert eprop.beta == pytest.approx(1.7 * (1.0 - rho) / (1.0 - alpha), rel=1e-12)
    assert eprop.beta == pytest.approx(0.0174, abs=5e-5)


# All 16 combinations


def plain_loop(p, x):
    """Every option spelled out: `pending` is what the next step subtracts."""
    alpha, rho = math.exp(-p.dt / p.tau), math.exp(-p.dt / p.tau_adapt)
    v = a = 0.0
    fired, found = False, []
    for value in x:
        threshold = p.threshold + p.beta * a
        v = alpha * v + (value if p.input == "jump" else (1.0 - alpha) * value)
        drop = threshold if p.reset == "adaptive" else p.threshold
        if p.reset_at == "next" and fired:
            v -= drop
        h, fired = v, v >= threshold
        if p.reset_at == "spike" and fired:
            v -= drop
        a *= rho
        if fired:
            a += 1.0 if p.adapts_to == "count" else 1.0 - rho
        found.append((float(fired), h, threshold))
    return np.array(found).T


OPTIONS = list(
    itertools.product(
        ("jump", "current"), ("count", "rate"), ("base", "adaptive"), ("spike", "next")
    )
)


def combination(options, **values):
    return ALIFParams(
        **dict(zip(("input", "adapts_to", "reset", "reset_at"), options, strict=True)), **values
    )


@pytest.mark.parametrize("options", OPTIONS, ids="-".join)
def test_every_combination_against_a_plain_loop(options):
    p = combination(options, tau=8.0, tau_adapt=30.0, beta=0.9, threshold=0.7)
    x = np.random.default_rng(1).normal(0.3, 0.4, 300)
    x = x if p.input == "jump" else x * 8.0
    spikes, _, trace = run(ALIF(p), column(x))
    z, h, threshold = plain_loop(p, x)
    assert z.sum() > 15
    np.testing.assert_array_equal(spikes[:, 0], z)
    np.testing.assert_allclose(trace.h[:, 0], h, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(trace.threshold[:, 0], threshold, rtol=1e-12)


def test_every_option_and_number_changes_the_dynamics():
    base = dict(tau=8.0, tau_adapt=30.0, beta=0.9, threshold=0.7)
    x = column(np.random.default_rng(1).normal(0.3, 0.4, 300))
    one, *others = (
        run(ALIF(**base | change), x)[0]
        for change in (
            {}, dict(input="current"), dict(adapts_to="rate"), dict(reset="adaptive"),
            dict(reset_at="next"), dict(tau=9.0), dict(tau_adapt=50.0), dict(beta=0.5),
            dict(threshold=0.8), dict(dt=1.2),
        )
    )  # fmt: skip
    assert all((one != other).any() for other in others)


def test_a_spike_by_hand():
    """alpha = rho = 1/2, theta = 1, beta = 1; x = 2, 2, 2."""
    half = 1.0 / math.log(2.0)
    wanted = {
        # A = 1, h = 2, fires: v = 1, a = 1. A = 2, h = 2.5: v = 1.5, a = 1.5. A = 2.5, h = 2.75.
        ("base", "spike"): ([2.0, 2.5, 2.75], [1.0, 2.0, 2.5]),
        # v = 1, a = 1. A = 2, h = 2.5: v = 0.5, a = 1.5. A = 2.5, h = 2.25, silent.
        ("adaptive", "spike"): ([2.0, 2.5, 2.25], [1.0, 2.0, 2.5]),
        # a = 1. A = 2, h = 1 + 2 - 1 = 2: a = 1.5. A = 2.5, h = 1 + 2 - 1 = 2.
        ("base", "next"): ([2.0, 2.0, 2.0], [1.0, 2.0, 2.5]),
        # a = 1. A = 2, h = 1 + 2 - 2 = 1, silent: a = 0.5. A = 1.5, h = 0.5 + 2.
        ("adaptive", "next"): ([2.0, 1.0, 2.5], [1.0, 2.0, 1.5]),
    }
    for (reset, at), (h, threshold) in wanted.items():
        neuron = ALIF(tau=half, tau_adapt=half, beta=1.0, reset=reset, reset_at=at)
        spikes, _, trace = run(neuron, column([2.0, 2.0, 2.0]))
        np.testing.assert_allclose(trace.h[:, 0], h, atol=1e-14)
        np.testing.assert_allclose(trace.threshold[:, 0], threshold, atol=1e-14)
        wanted_spikes = [float(a >= b - 1e-9) for a, b in zip(h, threshold, strict=True)]
        assert spikes[:, 0].tolist() == wanted_spikes, (reset, at)


# From one form to another


def random_input(mean=0.12, spread=0.3, shape=(400, 2, 5)):
    rng = torch.Generator().manual_seed(0)
    return mean + spread * torch.randn(shape, generator=rng, dtype=F64)


def test_the_defaults_are_lif_with_an_adaptive_threshold():
    """Spikes, states and gradients."""
    x = random_input().requires_grad_()
    results = []
    for neuron in (
        ALIF(tau=12.0, tau_adapt=60.0, beta=0.3),
        LIF(tau=12.0, tau_adapt=60.0, adaptation=0.3),
    ):
        layer = SpikingLayer(neuron, backend="eager")
        spikes, state = layer(x)
        gradient = torch.autograd.grad(spikes.square().sum(), x)[0]
        results.append((spikes, state.v, state[1 if len(state) == 3 else 3], gradient))
    assert results[0][0].sum() > 100
    assert torch.equal(results[0][0], results[1][0])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-12)


def test_at_another_threshold_only_the_surrogate_is_scaled():
    """A surrogate of slope k for LIF is one of slope k times threshold here."""
    x = 0.2 * random_input().requires_grad_()
    alif = SpikingLayer(
        ALIF(tau=12.0, threshold=0.2, beta=0.06, tau_adapt=60.0),
        backend="eager",
        surrogate=SurrogateSpike("triangle", 0.2),
    )
    lif = SpikingLayer(
        LIF(tau=12.0, threshold=0.2, adaptation=0.06, tau_adapt=60.0),
        backend="eager",
        surrogate=SurrogateSpike("triangle", 1.0),
    )
    gradients = []
    for layer in (alif, lif):
        spikes, _ = layer(x)
        gradients.append(torch.autograd.grad((spikes * spikes.cumsum(0)).sum(), x)[0])
    assert gradients[0].abs().max() > 0
    torch.testing.assert_close(gradients[0], gradients[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [("base", "spike"), ("adaptive", "next")], ids="-".join)
def test_conversions_of_input_and_adaptation(options):
    """ "current" is "jump" with other weights; "rate" is "count" with another beta."""
    reset, at = options
    x = random_input()
    alpha, rho = math.exp(-1.0 / 20.0), math.exp(-1.0 / 100.0)
    base = dict(tau=20.0, tau_adapt=100.0, reset=reset, reset_at=at)
    wanted = run(ALIF(**base, beta=0.2), x)[0]
    by_current = run(ALIF(**base, beta=0.2, input="current"), x / (1.0 - alpha))[0]
    by_rate = run(ALIF(**base, beta=0.2 / (1.0 - rho), adapts_to="rate"), x)[0]
    assert wanted.sum() > 100
    assert torch.equal(by_current, wanted)
    assert torch.equal(by_rate, wanted)


def test_a_reset_in_the_next_step_is_a_larger_one_at_once():
    """By R/alpha: what is left of it after the leak is R."""
    x, p = input_for("eprop"), ALIFParams.named("eprop")
    alpha, rho = math.exp(-1.0 / p.tau), math.exp(-1.0 / p.tau_adapt)
    spikes, *_ = run(ALIF(p), column(x))
    v = a = 0.0
    wanted = []
    for value in x:
        h = alpha * v + value
        s = float(h >= p.threshold + p.beta * a)
        v, a = h - p.threshold / alpha * s, rho * a + s
        wanted.append(s)
    assert spikes[:, 0].tolist() == wanted
    at_once = p.with_values(reset_at="spike")
    assert (run(ALIF(at_once), column(x))[0] != spikes).any()


@pytest.mark.parametrize("name", ["lsnn", "eprop", "srnn"])
def test_unit_of_the_potential(name):
    """Threshold, beta and input scale together, and the gradient does not depend on the unit."""
    p = ALIFParams.named(name)
    scale = 1.0 / p.threshold
    x = column(input_for(name)).requires_grad_()
    spikes, *_ = run(ALIF(p), x, surrogate="triangle")
    gradient = torch.autograd.grad(spikes.sum(), x)[0]
    larger = p.with_values(threshold=1.0, beta=p.beta * scale)
    found, *_ = run(ALIF(larger), scale * x, surrogate="triangle")
    assert torch.equal(found, spikes)
    torch.testing.assert_close(torch.autograd.grad(found.sum(), x)[0], gradient)
    assert gradient.abs().max() > 1.0  # a jump of the size of the threshold matters


def test_without_adaptation_it_is_lif():
    x = random_input()
    spikes, *_ = run(ALIF(tau=12.0, beta=0.0), x)
    wanted, _ = SpikingLayer(LIF(tau=12.0), backend="eager")(x)
    assert torch.equal(spikes, wanted)


# Closed forms


def next_interval(current, tau, tau_adapt, theta, beta, a, v):
    """Time from a spike that left a and v to the next, in continuous time."""

    def over(t):
        return (
            current
            + (v - current) * math.exp(-t / tau)
            - theta
            - beta * a * math.exp(-t / tau_adapt)
        )

    grid = np.linspace(1e-6, 2000.0, 200001)
    above = np.array([over(t) for t in grid[::20]]) >= 0.0
    last = int(above.argmax()) * 20
    return brentq(over, grid[max(last - 20, 0)], grid[last])


@pytest.mark.parametrize("reset", ["base", "adaptive"])
def test_intervals_grow_as_in_continuous_time(reset):
    tau, tau_adapt, theta, beta, current = 20.0, 150.0, 1.0, 0.25, 2.5
    dt = 0.01
    neuron = ALIF(
        tau=tau,
        tau_adapt=tau_adapt,
        threshold=theta,
        beta=beta,
        input="current",
        reset=reset,
        dt=dt,
    )
    x = torch.full((round(700.0 / dt), 1, 1), current, dtype=F64)
    spikes, *_ = run(neuron, x, backend="numba")
    times = dt * (spikes.flatten().nonzero().flatten() + 1).numpy()
    a, v, wanted = 0.0, 0.0, []
    while sum(wanted) < 690.0:
        t = next_interval(current, tau, tau_adapt, theta, beta, a, v)
        a *= math.exp(-t / tau_adapt)
        v = beta * a if reset == "base" else 0.0
        a += 1.0
        wanted.append(t)
    intervals = np.diff(times, prepend=0.0)
    n = min(len(intervals), len(wanted))
    assert n > 8
    np.testing.assert_allclose(intervals[:n], wanted[:n], atol=3 * dt, rtol=2e-3)
    assert (np.diff(wanted[:6]) > 0.4).all()  # they grow


@pytest.mark.parametrize("reset", ["base", "adaptive"])
def test_steady_rate_at_a_constant_current(reset):
    """The interval T solves an equation: what the threshold has recovered from, in each period.

    Right before a spike the count is 1/(exp(T/tau_adapt) - 1). With "base" the potential starts at
    beta times that, with "adaptive" at 0, and must reach theta + beta times that.
    """
    tau, tau_adapt, theta, beta, dt = 20.0, 150.0, 1.0, 0.25, 0.02
    neuron = ALIF(
        tau=tau,
        tau_adapt=tau_adapt,
        threshold=theta,
        beta=beta,
        input="current",
        reset=reset,
        dt=dt,
    )
    currents = torch.tensor([1.5, 2.5, 4.0], dtype=F64)
    spikes, *_ = run(neuron, currents.expand(round(2500.0 / dt), 1, 3), backend="numba")
    for i, current in enumerate(currents.tolist()):

        def balance(t, current=current):
            rise, raised = -math.expm1(-t / tau), beta / math.expm1(t / tau_adapt)
            reached = (current - raised) * rise if reset == "base" else current * rise - raised
            return reached - theta

        wanted = brentq(balance, 1.0, 2000.0)
        times = dt * spikes[:, 0, i].nonzero().flatten().numpy()
        assert np.diff(times)[-5:].mean() == pytest.approx(wanted, rel=3e-3)


def test_the_mean_of_a_is_the_rate():
    """With "rate", a is the mean number of spikes per step; with "count", 1/(1 - rho) of it."""
    x = torch.full((3000, 1, 1), 0.3, dtype=F64)
    rho = math.exp(-1.0 / 100.0)
    for adapts_to, beta, unit in (("rate", 10.0, 1.0), ("count", 10.0 * (1 - rho), 1 / (1 - rho))):
        neuron = ALIF(beta=beta, tau_adapt=100.0, adapts_to=adapts_to)
        spikes, _, trace = run(neuron, x)
        rate = spikes[1500:].mean().item()
        a = ((trace.threshold[1500:] - 1.0) / beta).mean().item()
        assert rate > 0.03
        assert a == pytest.approx(rate * unit, rel=0.01)


def test_the_threshold_recovers():
    """After the last spike, with tau_adapt."""
    x = torch.zeros(300, 1, 1, dtype=F64)
    x[0] = 1.5
    spikes, _, trace = run(ALIF(tau_adapt=100.0, beta=0.5), x)
    assert spikes.sum() == 1
    above = trace.threshold.flatten() - 1.0
    np.testing.assert_allclose(above[1:], 0.5 * np.exp(-np.arange(299) / 100.0))


def test_decays_do_not_depend_on_dt():
    """Without input, half steps end where whole steps do."""
    start = ALIFState(*(torch.full((1, 1), value, dtype=F64) for value in (0.8, 2.0)))
    ends = []
    for n, dt in ((20, 1.0), (40, 0.5)):
        layer = SpikingLayer(ALIF(tau=7.0, tau_adapt=30.0, dt=dt), backend="eager")
        ends.append(layer(torch.zeros(n, 1, 1, dtype=F64), start)[1])
    torch.testing.assert_close(ends[0].v, ends[1].v)
    torch.testing.assert_close(ends[0].a, ends[1].a)
    assert ends[0].v.item() == pytest.approx(0.8 * math.exp(-20.0 / 7.0))
    assert ends[0].a.item() == pytest.approx(2.0 * math.exp(-20.0 / 30.0))


# Gradients


@pytest.mark.parametrize("reset_at", ["spike", "next"])
@pytest.mark.parametrize("reset", ["base", "adaptive"])
@pytest.mark.parametrize("detach", [True, False])
def test_gradient_through_a_spike(reset, reset_at, detach):
    """Two steps, by the chain rule: dv2/dx1 with a surrogate of 1 at every potential."""
    tau, beta, theta = 5.0, 0.4, 2.0
    x = torch.tensor([2.5, 0.3], dtype=F64, requires_grad=True)
    neuron = ALIF(tau=tau, beta=beta, threshold=theta, reset=reset, reset_at=reset_at)
    spikes, _, trace = SpikingLayer(
        neuron, surrogate="straight_through", detach_reset=detach, backend="eager"
    )(x.view(2, 1, 1), trace=True)
    assert spikes.flatten().tolist() == [1.0, 0.0]
    (found,) = torch.autograd.grad(trace.h[1].sum(), x, retain_graph=True)
    alpha = math.exp(-1.0 / tau)
    slope = 0.0 if detach else 1.0 / theta  # of the spike as the reset sees it
    if reset_at == "spike":
        wanted = alpha * (1.0 - theta * slope)  # A is theta in the first step
    elif reset == "base":
        wanted = alpha - theta * slope
    else:  # A has risen by beta, and rises with the spike, whose reset may be detached
        wanted = alpha - (theta + beta) * slope - beta / theta
    assert found[0].item() == pytest.approx(wanted, rel=1e-9)
    (risen,) = torch.autograd.grad(trace.threshold[1].sum(), x)
    assert risen[0].item() == pytest.approx(beta / theta, rel=1e-9)


def test_gradients_are_those_of_finite_differences():
    """Of all numbers, through 40 steps below the threshold, from an adapted state."""
    x = column(np.random.default_rng(2).normal(0.0, 0.3, 40))
    values = dict(tau=9.0, tau_adapt=25.0, threshold=3.0, beta=0.4)
    start = ALIFState(*(torch.full((1,), value, dtype=F64) for value in (0.5, 2.0)))

    def total(**changes):
        given = {k: torch.as_tensor(v, dtype=F64) for k, v in (values | changes).items()}
        p = ALIFParams(input="current").with_values(**given)
        state, loss = start, torch.zeros((), dtype=F64)
        for value in x:
            _, state, trace = alif_step(value, state, p, Spike("triangle"))  # 0 there
            loss = loss + (trace.h * trace.threshold).square().sum()
        return loss

    for name, value in values.items():
        leaf = torch.tensor(value, dtype=F64, requires_grad=True)
        (found,) = torch.autograd.grad(total(**{name: leaf}), leaf)
        wanted = (total(**{name: value + 1e-5}) - total(**{name: value - 1e-5})) / 2e-5
        assert found.item() == pytest.approx(wanted.item(), rel=1e-6), name


# Bad values, extremes


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(tau=0.0), "tau=0.0 ms must be positive"),
        (dict(tau_adapt=-1.0), "tau_adapt=-1.0 ms must be positive"),
        (dict(threshold=math.inf), "threshold=inf must be positive and finite"),
        (dict(beta=-0.1), "beta=-0.1 must be at least 0"),
        (dict(dt=0.0), "dt=0.0 ms must be positive"),
        (dict(input="x"), "input='x' is not one of jump, current"),
        (dict(adapts_to="x"), "adapts_to='x' is not one of count, rate"),
        (dict(reset="zero"), "reset='zero' is not one of base, adaptive"),
        (dict(reset_at="x"), "reset_at='x' is not one of spike, next"),
    ],
)
def test_bad_values(values, message):
    with pytest.raises(ValueError, match=message):
        ALIFParams(**values)


def test_perfect_integration():
    """No leak, and a threshold that never recovers: spike k needs 1 + 0.5 k."""
    neuron = ALIF(tau=math.inf, tau_adapt=math.inf, beta=0.5, reset="adaptive")
    spikes, *_ = run(neuron, torch.full((40, 1, 1), 0.5, dtype=F64))
    assert spikes.flatten().nonzero().flatten().tolist() == [1, 4, 8, 13, 19, 26, 34]


@pytest.mark.parametrize("reset_at", ["spike", "next"])
def test_no_finite_input_makes_it_infinite(reset_at):
    x = torch.full((50, 1, 2), 3e38)
    x[25:] *= -1.0
    x.requires_grad_()
    neuron = ALIF(tau=math.inf, reset="adaptive", reset_at=reset_at)
    spikes, state, trace = run(neuron, x)
    for part in (spikes, *state, *trace):
        assert part is None or part.isfinite().all()
    assert torch.autograd.grad(spikes.sum(), x)[0].isfinite().all()


def test_the_state_has_what_the_options_need():
    x = torch.zeros(2, 3)
    assert ALIF().initial_state(x).s is None
    state = ALIF(reset_at="next").initial_state(x)
    assert all(part.shape == (2, 3) and not part.any() for part in state)
    given = ALIFState(torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True))
    detached = given.detach()
    assert detached.s is None
    assert not detached.v.requires_grad
    assert not detached.a.requires_grad
