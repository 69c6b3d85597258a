"""The grid's spikes and gradients approach those without a grid as dt shrinks.

The truth is `reference_events`, an event-to-event simulation whose gradients are proved by finite
differences in test_reference_events.py.
"""

import warnings
from typing import NamedTuple

import numpy as np
import pytest
import torch

from jarvis.adex.normalised import NormalisedAdExParams
from jarvis.encoding.events import Events
from jarvis.spatial.delays import euclidean_delays, make_delays
from jarvis.spatial.event_driven import run_events
from jarvis.spatial.event_neurons import EventAdEx, EventLIF
from jarvis.spatial.first_spike import FirstSpikeParams, first_spikes
from tests import reference_events as reference
from tests.reference_events import Network

T_END = 25.0  # ms
STEPS = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005)  # dt, ms


class Case(NamedTuple):
    """A neuron on the grid and without it, and the seeds of networks that it is shown with.

    The seeds are those whose networks have 8 to 14 spikes, none of which comes or goes between
    dt = 0.1 and 0: gradients know nothing of spikes that are not there.
    """

    kind: type
    options: dict
    truth: object
    w_in: tuple[float, float]
    seeds: tuple[int, ...]


CASES = {
    "lif": Case(
        EventLIF, {}, reference.LIF(), (0.3, 1.0), (319, 360, 361, 390, 400, 481, 612, 883, 891)
    ),
    "euler": Case(
        EventLIF,
        dict(integrator="euler"),
        reference.LIF(),
        (0.3, 1.0),
        (330, 360, 361, 386, 390, 400, 481, 612, 883),
    ),
    "adex": Case(
        EventAdEx,
        {},
        reference.AdEx(),
        (0.3, 1.0),
        (481, 883, 891, 895, 1070, 1113, 1118, 1128, 1494),
    ),
    # An upstroke of 0.13 ms instead of 0.007: what an Euler step needs.
    "blunt adex": Case(
        NormalisedAdExParams,
        dict(delta_t=0.25),
        reference.AdEx(delta_t=0.25),
        (0.15, 0.6),
        (8, 9, 12, 15, 19, 40, 46, 70, 76),
    ),
}


def on_grid(name, dt):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an Euler step that is long against the upstroke
        return CASES[name].kind(dt=dt, **CASES[name].options)


def problem(seed, low, high):
    """6 input spikes on 3 channels, 4 neurons that hear each other. All times are whole 0.1 ms."""
    rng = np.random.default_rng(seed)
    times, channels = rng.uniform(0, 15, 6), rng.integers(0, 3, 6)
    inputs = sorted((round(float(t), 1), int(c)) for t, c in zip(times, channels, strict=True))
    w_in, w_rec = rng.uniform(low, high, (3, 4)), rng.normal(0, 0.15, (4, 4))
    d_in, d_rec = rng.uniform(0.5, 6, (3, 4)).round(1), rng.uniform(0.5, 6, (4, 4)).round(1)
    return inputs, Network(w_in, w_rec, d_in, d_rec), rng


def events_of(inputs, dt, n_in):
    times = torch.tensor([round(t / dt) for t, _ in inputs], dtype=torch.int32)
    units = torch.tensor([c for _, c in inputs], dtype=torch.int32)
    return Events(times, units, torch.tensor([0, len(inputs)]), (n_in,), round(T_END / dt))


def partners(run, out, n):
    """For each spike on the grid, which one of the reference it is: the same of the same neuron."""
    units = out.spikes.units.numpy()
    found = np.empty(len(units), int)
    for j in range(n):
        theirs = [p for p, (_, neuron) in enumerate(run.spikes) if neuron == j]
        assert np.count_nonzero(units == j) == len(theirs)
        found[units == j] = theirs
    return found


def distance(found, true):
    return np.linalg.norm(found - true) / np.linalg.norm(true)


def errors(name, seed):
    """``[dt, 1 + 4]``: the largest of spike times (ms), and of each gradient relative to it."""
    case = CASES[name]
    inputs, net, rng = problem(seed, *case.w_in)
    run = reference.simulate(case.truth, inputs, net, T_END)
    assert 8 <= len(run.spikes) <= 14
    weights = rng.normal(size=len(run.spikes))
    true = reference.adjoint(case.truth, inputs, net, run, weights)
    rows = []
    for dt in STEPS:
        w_in, w_rec, d_in, d_rec = matrices = [torch.tensor(m, requires_grad=True) for m in net]
        neuron = on_grid(name, dt)
        out = run_events(events_of(inputs, dt, 3), w_in, d_in, w_rec, d_rec, neuron)
        which = partners(run, out, 4)
        late = np.abs(out.times.detach().numpy() - run.times[which]).max()
        out.times.backward(torch.tensor(weights[which]))
        pairs = zip(matrices, true, strict=False)
        rows.append([late, *(distance(m.grad.numpy(), t) for m, t in pairs)])
    return np.array(rows)


# By case: the least order in dt, of times and of gradients, and the gradients' error at the end.
LIMITS = {
    "lif": (0.85, 0.85, 0.004),
    "euler": (0.85, 0.85, 0.004),
    "adex": (0.85, 0.85, 0.004),
    "blunt adex": (0.85, 0.85, 0.005),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_times_and_gradients_approach_the_network_without_a_grid(name):
    """The median of nine networks: one alone jumps where an arrival and a reset change order."""
    median = np.median([errors(name, seed) for seed in CASES[name].seeds], axis=0)
    order = np.polyfit(np.log(STEPS), np.log(median), 1)[0]
    of_times, of_gradients, last = LIMITS[name]
    assert order[0] > of_times, order
    assert (order[1:] > of_gradients).all(), order
    assert median[-1, 0] < 0.008
    assert (median[-1, 1:] < last).all(), median[-1]
    assert (median[-1, 1:] < median[0, 1:] / 10).all()


def test_one_spike_moves_as_much_as_its_delay_on_any_grid():
    for dt in (1.0, 0.5, 0.1):
        delay = torch.tensor([[3.0]], dtype=torch.float64, requires_grad=True)
        weight = torch.tensor([[0.9]], dtype=torch.float64)
        out = run_events(events_of([(2.0, 0)], dt, 1), weight, delay, neuron=EventLIF(dt=dt))
        out.times[:1].sum().backward()
        assert delay.grad.item() == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("w", [0.9, 1.5])
def test_the_first_spike_in_closed_form(w):
    """tau_mem = 2 tau_syn: v = 2 tau_syn w (y - y^2), y = exp(-t/tau_mem), a quadratic equation."""
    root = np.sqrt(1 - 4 / (8.0 * w))
    time = 5.0 - 8.0 * np.log((1 + root) / 2)
    by_w = -8.0 / (1 + root) * (4 / (8.0 * w * w)) / (2 * root)
    for dt in (0.5, 0.1, 0.001):  # a step is exact, and its crossing is found within it
        neuron = EventLIF(tau=8.0, tau_syn=4.0, dt=dt)
        weight = torch.tensor([[w]], dtype=torch.float64, requires_grad=True)
        delay = torch.tensor([[3.0]], dtype=torch.float64)
        out = run_events(events_of([(2.0, 0)], dt, 1), weight, delay, neuron=neuron)
        assert -1e-9 <= out.times[0].item() - time <= dt
        (found,) = torch.autograd.grad(out.times[0], weight)
        assert found.item() == pytest.approx(by_w, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "apart", "bias"), [("lif", 1e-4, 1e-3), ("adex", 0.2, 0.12)])
@pytest.mark.parametrize("dt", [0.5, 0.1])
def test_a_coarse_grid_is_right_on_average(name, dt, apart, bias):
    """dT/dw of one spike for many weights: its mean is the mean change of the true spike time.

    Each alone is right, too, although AdEx's upstroke takes 0.007 ms; by the Euler step of the
    layers it would be off by as much as itself.
    """
    low, high, n = 1.0, 1.3, 1001
    w = torch.linspace(low, high, n, dtype=torch.float64)[None].requires_grad_()
    delay = torch.full((1, n), 2.0, dtype=torch.float64)
    out = run_events(events_of([(1.0, 0)], dt, 1), w, delay, neuron=on_grid(name, dt))
    first = np.unique(out.spikes.units.numpy(), return_index=True)[1]
    (found,) = torch.autograd.grad(out.times[first].sum(), w)

    def truth(weight):
        net = Network(*(np.array([[x]]) for x in (weight, 0.0, 2.0, 50.0)))
        run = reference.simulate(CASES[name].truth, [(1.0, 0)], net, T_END)
        one = np.eye(len(run.spikes))[0]
        slope = reference.adjoint(CASES[name].truth, [(1.0, 0)], net, run, one).w_in.item()
        return run.times[0], slope

    mean = (truth(high)[0] - truth(low)[0]) / (high - low)
    assert found.mean().item() == pytest.approx(mean, rel=bias)
    for weight, one in zip(w[0, ::100].tolist(), found[0, ::100].tolist(), strict=True):
        assert abs(one - truth(weight)[1]) < apart * abs(mean)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [("lif", 2), ("blunt adex", 9)])
def test_the_gradient_of_positions(name, seed):
    """Through `make_delays`; delays are rounded to steps here, so the error is that of dt."""
    case, dt = CASES[name], 0.0005
    inputs, net, rng = problem(seed, *case.w_in)
    delays = make_delays("2", (3, 4), ((0, 1), (1, 1)), position_std=2.0, seed=seed).double()
    r_in, r = (p.detach().numpy() for p in delays.positions)
    d_in, d_rec = reference.distances(r_in, r), reference.distances(r, r)
    others = 1.0 - np.eye(4)
    net = net._replace(w_rec=net.w_rec * others, d_in=d_in, d_rec=d_rec)
    run = reference.simulate(case.truth, inputs, net, T_END)
    assert len(run.spikes) >= 8
    weights = rng.normal(size=len(run.spikes))
    true = reference.adjoint(case.truth, inputs, net, run, weights)
    by_in, by_post = reference.to_positions(r_in, r, true.d_in)
    by_r = by_post + sum(reference.to_positions(r, r, true.d_rec * others))

    w_in, w_rec = torch.tensor(net.w_in), torch.tensor(net.w_rec)
    d_in, d_rec = delays()
    out = run_events(events_of(inputs, dt, 3), w_in, d_in, w_rec, d_rec, on_grid(name, dt))
    out.times.backward(torch.tensor(weights[partners(run, out, 4)]))
    assert distance(delays.positions[0].grad.numpy(), by_in) < 0.02
    assert distance(delays.positions[1].grad.numpy(), by_r) < 0.02


def test_a_neuron_moves_to_where_it_solves_its_task():
    """Two neurons, two inputs: who fires first says which input came first, and how long ago.

    A neuron fires early where both input spikes reach it at once. The second neuron sits where
    that is so for pattern B; the first starts beside it, so that B's answer is given to both
    patterns. Only the position of the first one is learned, and only through spike times.
    """
    dt, gap = 0.1, 4.0
    neuron = EventLIF(tau=20.0, tau_syn=5.0, dt=dt)
    inputs = torch.tensor([[0.0, 0.0], [10.0, 0.0]], dtype=torch.float64)
    fixed = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    mover = torch.tensor([[2.5, 1.0]], dtype=torch.float64, requires_grad=True)
    weights = torch.full((2, 2), 0.27, dtype=torch.float64)
    steps = torch.tensor([[0, round(gap / dt)], [round(gap / dt), 0]])  # A: 0 first; B: 1 first
    patterns, labels = Events.from_first_steps(steps, round(50 / dt)), torch.tensor([0, 1])

    def first_times():
        delays = euclidean_delays(inputs, torch.cat([mover, fixed]))
        out = run_events(patterns, weights, delays, neuron=neuron)
        assert (out.counts >= 1).all()
        lane = out.spikes.samples() * 2 + out.spikes.units
        first = torch.stack([(lane == k).nonzero()[0, 0] for k in range(4)])
        return out.times[first].view(2, 2)

    def accuracy():
        with torch.no_grad():
            return (first_times().argmin(1) == labels).double().mean().item()

    assert accuracy() == 0.5
    optimizer = torch.optim.Adam([mover], lr=0.1)
    for _ in range(150):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(-first_times(), labels).backward()
        optimizer.step()
    assert accuracy() == 1.0
    # Near to where both spikes of A meet, on the line between the inputs, and a little beyond it:
    # there B's answer comes later. It began 4.6 ms from there.
    meets = torch.tensor([[(10.0 + gap) / 2, 0.0]], dtype=torch.float64)
    assert torch.linalg.norm(mover.detach() - meets).item() < 1.5


@pytest.mark.parametrize(("tau_mem", "tau_syn"), [(4.0, 2.0), (10.0, 2.0), (5.0, 5.0), (3.0, 7.0)])
@pytest.mark.parametrize("seed", range(3))
def test_first_spikes_without_a_grid_are_those_of_the_reference(tau_mem, tau_syn, seed):
    rng = np.random.default_rng(seed)
    n_in, n = 6, 5
    times = np.sort(rng.uniform(0, 5, n_in))
    w, d = rng.normal(0.4, 0.4, (n_in, n)), rng.uniform(0, 3, (n_in, n))
    leaves = [torch.tensor(x, requires_grad=True) for x in (times[None], w, d)]
    params = FirstSpikeParams(tau_mem=tau_mem, tau_syn=tau_syn, min_slope=0.0)
    out = first_spikes(*leaves, params).times[0]

    inputs = [(float(t), k) for k, t in enumerate(times)]
    neuron = reference.LIF(tau_mem, tau_syn)
    net = Network(w, np.zeros((n, n)), d, np.full((n, n), 1e3))
    run = reference.simulate(neuron, inputs, net, 200.0)
    pull = np.zeros(len(run.spikes))
    weights = rng.normal(size=n)
    for j in range(n):
        own = [p for p, (_, k) in enumerate(run.spikes) if k == j]
        assert bool(own) == bool(torch.isfinite(out[j]))
        if own:
            assert out[j].item() == pytest.approx(run.times[own[0]], abs=1e-12)
            pull[own[0]] = weights[j]
    true = reference.adjoint(neuron, inputs, net, run, pull)
    spiked = torch.isfinite(out)
    assert spiked.sum() >= 2
    (out[spiked] @ torch.tensor(weights)[spiked]).backward()
    for leaf, expected in zip(leaves, (true.t_in[None], true.w_in, true.d_in), strict=True):
        np.testing.assert_allclose(leaf.grad.numpy(), expected, rtol=1e-9, atol=1e-11)
