"""The event-to-event reference is right: flows by scipy, gradients by finite differences."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from tests import reference_events as reference
from tests.reference_events import LIF, AdEx, Network

T_END = 30.0
NEURONS = dict(lif=LIF(), adex=AdEx(), equal=LIF(tau_mem=5.0, tau_syn=5.0))


def network(seed, n=5, n_in=3, n_inputs=10, gain=1.0):
    """Weights of both signs, delays of 0.5 to 6 ms, and input spikes within 20 ms."""
    rng = np.random.default_rng(seed)
    times, channels = rng.uniform(0, 20, n_inputs), rng.integers(0, n_in, n_inputs)
    inputs = sorted((float(t), int(c)) for t, c in zip(times, channels, strict=True))
    w_in, w_rec = gain * rng.uniform(0.0, 0.8, (n_in, n)), gain * rng.normal(0.0, 0.12, (n, n))
    d_in, d_rec = rng.uniform(0.5, 6.0, (n_in, n)), rng.uniform(0.5, 6.0, (n, n))
    return inputs, Network(w_in, w_rec, d_in, d_rec)


def loss(weights, times):
    return float(weights @ (times + 3.0 * np.sin(times / 4.0)))


def by_adjoint(neuron, inputs, net):
    run = reference.simulate(neuron, inputs, net, T_END)
    weights = np.random.default_rng(7).normal(size=len(run.spikes))
    slope = weights * (1 + 0.75 * np.cos(run.times / 4.0))
    return run, weights, reference.adjoint(neuron, inputs, net, run, slope)


def by_differences(neuron, run, weights, moved, n):
    """d loss / dh of ``simulate(*moved(h))``; no event may appear, vanish or overtake another."""
    for h in (3e-5, 3e-6, 3e-7):
        sides = []
        for step in (h, -h, 2 * h, -2 * h):
            sides.append(reference.simulate(neuron, *moved(step), T_END))
            if sides[-1].order(n) != run.order(n):
                break
        else:
            up, down, far_up, far_down = (loss(weights, side.times) for side in sides)
            return (8 * (up - down) - (far_up - far_down)) / (12 * h)  # error of order h^4
    raise AssertionError("the events change their order however small the step")


def entries(shape):
    for index in np.ndindex(shape):
        unit = np.zeros(shape)
        unit[index] = 1.0
        yield index, unit


def close(found, true, scale):
    """To 1e-5, or to the noise of differences of numbers of this size."""
    assert abs(found - true) <= 1e-5 * abs(true) + 1e-10 * scale, (found, true)


@pytest.mark.parametrize(
    "neuron", [LIF(), LIF(tau_mem=5.0, tau_syn=5.0), LIF(tau_mem=2.0, tau_syn=7.0), AdEx()]
)
@pytest.mark.parametrize("start", [(0.0, 0.4, 0.1), (0.3, 0.05, 0.0), (-1.0, -0.3, 0.2)])
def test_a_flow_is_the_equation_integrated_and_its_jacobian_is_its_derivative(neuron, start):
    if isinstance(neuron, LIF):
        start = (*start[:2], 0.0)

    def threshold(t, x):
        return x[0] - neuron.threshold

    threshold.terminal = True
    options = dict(method="DOP853", rtol=1e-12, atol=1e-13, max_step=0.05, events=threshold)
    fine = solve_ivp(lambda t, x: neuron.rate(x), (0, 12.0), start, **options)
    flow = neuron.flow(start, 12.0)
    assert flow.crossed == (fine.status == 1)
    assert flow.elapsed == pytest.approx(fine.t[-1], abs=2e-10)
    if flow.crossed:
        assert flow.x[0] == pytest.approx(neuron.threshold, abs=1e-13)
    # v' is up to 15/ms at AdEx's threshold: a time known to 1e-10 ms is a potential to 2e-9.
    assert flow.x == pytest.approx(fine.y[:, -1], abs=3e-9)
    duration = 0.9 * flow.elapsed  # a fixed time: no threshold within
    phi = neuron.flow(start, duration).phi
    for k in range(2 if isinstance(neuron, LIF) else 3):
        up, down = (
            neuron.flow(tuple(np.add(start, h * np.eye(3)[k])), duration).x for h in (1e-6, -1e-6)
        )
        assert phi[:, k] == pytest.approx(np.subtract(up, down) / 2e-6, abs=1e-8)


@pytest.mark.parametrize("name", ["lif", "adex"])
@pytest.mark.parametrize(("w", "delay"), [(0.8, 3.0), (1.1, 0.4), (2.0, 11.0)])
def test_one_input_spike_and_one_output_spike(name, w, delay):
    """dT/d(delay) = 1 and dT/dw = -(v/w)/v' at T; the former for AdEx from its rest only."""
    neuron = NEURONS[name] if name == "lif" else AdEx(a=0.0, w0=0.0, v_t=5.0)  # exp(-50) at rest
    net = Network(*(np.array([[x]]) for x in (w, 0.0, delay, 1.0)))
    inputs = [(2.0, 0)]
    run = reference.simulate(neuron, inputs, net, T_END)
    first = np.zeros(len(run.spikes))
    first[0] = 1.0
    grad = reference.adjoint(neuron, inputs, net, run, first)
    assert grad.d_in.item() == pytest.approx(1.0, abs=1e-12)
    assert grad.t_in.item() == pytest.approx(1.0, abs=1e-12)
    (spike,) = [e for e in run.events if e.kind == "spike" and e.source == 0]
    slope = neuron.rate(spike.before)[0]
    assert grad.w_in.item() == pytest.approx(-(spike.before[0] / w) / slope, rel=1e-9)


@pytest.mark.parametrize("w", [0.6, 1.0, 3.0])
def test_the_first_spike_where_tau_mem_is_twice_tau_syn(w):
    """v = 2 tau_syn w (y - y^2) with y = exp(-t/tau_mem): a quadratic equation."""
    neuron = LIF(tau_mem=8.0, tau_syn=4.0)
    net = Network(*(np.array([[x]]) for x in (w, 0.0, 1.5, 1.0)))
    run = reference.simulate(neuron, [(2.0, 0)], net, T_END)
    root = math.sqrt(1 - 4 / (8.0 * w))
    t = 3.5 - 8.0 * math.log((1 + root) / 2)
    assert run.times[0] == pytest.approx(t, abs=1e-13)
    grad = reference.adjoint(neuron, [(2.0, 0)], net, run, np.eye(len(run.spikes))[0])
    by_w = -8.0 / (1 + root) * (4 / (8.0 * w * w)) / (2 * root)  # dt/dy * dy/dw
    assert grad.w_in.item() == pytest.approx(by_w, rel=1e-12)


def test_the_second_spike_after_a_reset_in_closed_form():
    """From v = 0, I = w exp(-(T1 - t0)/tau): all of it with tau_mem = tau_syn, v = I t exp(-t/tau).

    The first spike has T1 exp(-T1/tau) w = 1, the second is U later, with
    U exp(-U/tau) w exp(-T1/tau) = 1, so both follow from w by implicit differentiation.
    """
    tau, w = 5.0, 3.0
    neuron = LIF(tau_mem=tau, tau_syn=tau)
    net = Network(*(np.array([[x]]) for x in (w, 0.0, 0.0, 50.0)))
    run = reference.simulate(neuron, [(0.0, 0)], net, T_END)
    first, gap = run.times[0], run.times[1] - run.times[0]
    assert first * math.exp(-first / tau) * w == pytest.approx(1.0, abs=1e-13)
    assert gap * math.exp(-(gap + first) / tau) * w == pytest.approx(1.0, abs=1e-13)
    d_first = -(1 / w) / (1 / first - 1 / tau)
    d_gap = (d_first / tau - 1 / w) / (1 / gap - 1 / tau)
    second = np.eye(len(run.spikes))[1]
    grad = reference.adjoint(neuron, [(0.0, 0)], net, run, second)
    assert grad.w_in.item() == pytest.approx(d_first + d_gap, rel=1e-12)
    assert grad.t_in.item() == pytest.approx(1.0, abs=1e-12)


SEEDS = [("lif", 1), ("lif", 3), ("lif", 9), ("adex", 3), ("equal", 1)]


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), SEEDS)
def test_every_entry_agrees_with_finite_differences(name, seed):
    neuron = NEURONS[name]
    inputs, net = network(seed, gain=0.5 if name == "equal" else 1.0)
    run, weights, grad = by_adjoint(neuron, inputs, net)
    n = net.w_rec.shape[0]
    counts = np.bincount([j for _, j in run.spikes], minlength=n)
    assert 15 <= len(run.spikes) <= 60
    assert counts.max() > 2  # through resets
    for key in net._fields:
        matrix, found = getattr(net, key), getattr(grad, key)
        assert np.count_nonzero(found) > 0.7 * found.size  # recurrent spikes matter
        for index, unit in entries(matrix.shape):

            def moved(h, key=key, matrix=matrix, unit=unit):
                return inputs, net._replace(**{key: matrix + h * unit})

            true = by_differences(neuron, run, weights, moved, n)
            close(found[index], true, np.abs(found).max())
    for k, (t, channel) in enumerate(inputs):

        def moved(h, k=k, t=t, channel=channel):
            return [*inputs[:k], (t + h, channel), *inputs[k + 1 :]], net

        true = by_differences(neuron, run, weights, moved, n)
        close(grad.t_in[k], true, np.abs(grad.t_in).max())


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(10, 16))
@pytest.mark.parametrize("name", ["lif", "adex"])
def test_a_step_in_all_directions_at_once(name, seed):
    """Larger networks, one random direction through each matrix."""
    neuron = NEURONS[name]
    inputs, net = network(seed, n=8, n_in=4, n_inputs=9)
    run, weights, grad = by_adjoint(neuron, inputs, net)
    assert 15 <= len(run.spikes) <= 100
    rng = np.random.default_rng(seed)
    for key in net._fields:
        unit = rng.choice([-1.0, 1.0], getattr(net, key).shape)

        def moved(h, key=key, unit=unit):
            return inputs, net._replace(**{key: getattr(net, key) + h * unit})

        true = by_differences(neuron, run, weights, moved, 8)
        parts = getattr(grad, key) * unit
        close(parts.sum(), true, np.abs(parts).max())


@pytest.mark.parametrize(
    ("name", "seed", "d"), [("lif", 4, 2), ("lif", 5, 3), ("adex", 4, 3), ("adex", 5, 2)]
)
def test_positions_agree_with_finite_differences(name, seed, d):
    neuron = NEURONS[name]
    inputs, net = network(seed)
    rng = np.random.default_rng(seed)
    r_in, r = rng.normal(0.0, 2.5, (3, d)), rng.normal(0.0, 2.5, (5, d))

    def placed(r_in, r):
        return net._replace(d_in=reference.distances(r_in, r), d_rec=reference.distances(r, r))

    net = placed(r_in, r)
    run, weights, grad = by_adjoint(neuron, inputs, net)
    assert 15 <= len(run.spikes) <= 60
    by_in, by_post = reference.to_positions(r_in, r, grad.d_in)
    by_r = by_post + sum(reference.to_positions(r, r, grad.d_rec))
    for which, found in enumerate((by_in, by_r)):
        for index, unit in entries(found.shape):

            def moved(h, which=which, unit=unit):
                return inputs, placed(r_in + h * unit, r) if which == 0 else placed(
                    r_in, r + h * unit
                )

            true = by_differences(neuron, run, weights, moved, 5)
            close(found[index], true, np.abs(found).max())


def test_a_spike_has_no_effect_before_it_arrives():
    """The gradient of a loss on early spikes for what arrives later is exactly 0."""
    neuron = NEURONS["lif"]
    inputs, net = network(1)
    run = reference.simulate(neuron, inputs, net, T_END)
    early = (run.times < run.times[4]).astype(float)
    grad = reference.adjoint(neuron, inputs, net, run, early)
    for k, (t, channel) in enumerate(inputs):
        if t + net.d_in[channel].min() >= run.times[3]:
            assert grad.t_in[k] == 0.0
    assert np.count_nonzero(grad.t_in)
