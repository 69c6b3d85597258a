"""First spikes against closed forms, a step-by-step simulation and finite differences."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from scipy.special import lambertw
from torch.autograd import gradcheck

from jarvis.spatial.delays import make_delays
from jarvis.spatial.first_spike import (
    FirstSpikeLayer,
    FirstSpikeParams,
    FirstSpikes,
    first_spike_loss,
    first_spikes,
)

HALF = FirstSpikeParams(4.0, 2.0, min_slope=0.0)
EQUAL = FirstSpikeParams(3.0, 3.0, min_slope=0.0)
OTHER = FirstSpikeParams(10.0, 2.0, min_slope=0.0)
SWAPPED = FirstSpikeParams(2.0, 5.0, min_slope=0.0)
ALL = [HALF, EQUAL, OTHER, SWAPPED]
BACKENDS = ("eager", "numba")
both = pytest.mark.parametrize("backend", BACKENDS)
every = pytest.mark.parametrize("params", ALL, ids=["half", "equal", "other", "swapped"])


def tensor(*values) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def draw(n_pre: int, n_post: int, n_samples: int = 16, seed: int = 0):
    """Times, some of them infinite, weights of both signs, delays."""
    random = torch.Generator().manual_seed(seed)
    options = dict(generator=random, dtype=torch.float64)
    times = 4 * torch.rand(n_samples, n_pre, **options)
    times[torch.rand(n_samples, n_pre, **options) < 0.1] = math.inf
    weights = 2 / n_pre + 1.5 / n_pre**0.5 * torch.randn(n_pre, n_post, **options)
    return times, weights, 3 * torch.rand(n_pre, n_post, **options)


def potential(t, arrivals, weights, params):
    """v(t), one exponential at a time."""
    v = 0.0 * t
    for a, w in zip(arrivals, weights, strict=True):
        s = np.maximum(t - a, 0.0)
        if params.tau_mem == params.tau_syn:
            v += w * s * np.exp(-s / params.tau_mem)
        else:
            factor = 1 / (1 / params.tau_syn - 1 / params.tau_mem)
            v += w * factor * (np.exp(-s / params.tau_mem) - np.exp(-s / params.tau_syn))
    return v


@both
def test_one_input_and_one_output_spike(backend):
    t, w, d = tensor([1.0]), tensor([1.5]), tensor([2.0])
    for x in (t, w, d):
        x.requires_grad_()
    out = first_spikes(t, w, d, HALF, backend=backend).times
    x = (1 + math.sqrt(1 - 1 / 1.5)) / 2  # the larger root of 4 w (x - x^2) = 1
    assert out.item() == pytest.approx(3.0 - 4.0 * math.log(x), abs=1e-13)
    gt, gw, gd = torch.autograd.grad(out.sum(), (t, w, d))
    v_dot = 1.5 * x**2 - 1.0 / 4.0
    assert gd.item() == pytest.approx(1.0, abs=1e-12)
    assert gt.item() == pytest.approx(1.0, abs=1e-12)
    assert gw.item() == pytest.approx(-(1.0 / 1.5) / v_dot, abs=1e-12)


@both
def test_closed_form_of_many_inputs_where_tau_mem_is_twice_tau_syn(backend):
    times, weights, _ = draw(12, 5, seed=3)
    times = (times / 40).nan_to_num(posinf=0.0)  # so early that all of them come before the spike
    weights = weights.abs() / 3
    out = first_spikes(times, weights, None, HALF, backend=backend).times
    a1, a2 = ((times[:, :, None] / tau).exp().mul(weights).sum(1) for tau in (4.0, 2.0))
    x = (a1 + (a1**2 - a2).sqrt()) / (2 * a2)  # v = 4 (a1 x - a2 x^2) = 1
    late = -4 * x.log()
    assert (late > times.max()).all()
    assert torch.allclose(out, late, atol=1e-12, rtol=0)


@both
def test_closed_form_by_lambert_w_where_both_time_constants_are_equal(backend):
    times, weights, _ = draw(12, 5, seed=4)
    times, weights = (times / 40).nan_to_num(posinf=0.0), weights.abs() / 3
    out = first_spikes(times, weights, None, EQUAL, backend=backend).times
    e = (times[:, :, None] / 3.0).exp() * weights
    a, b = e.sum(1), (e * times[:, :, None]).sum(1)
    w = lambertw((-(b / a / 3).exp() / (3 * a)).numpy())
    late = b / a - 3.0 * torch.from_numpy(w.real)
    assert (late > times.max()).all()
    assert torch.allclose(out, late, atol=1e-12, rtol=0)


@both
@every
def test_finds_the_first_crossing_of_any_potential(params, backend):
    for n_pre, seed in ((1, 0), (3, 1), (20, 2)):
        times, weights, delays = draw(n_pre, 4, n_samples=6, seed=seed)
        found, peaks = first_spikes(times, weights, delays, params, backend=backend)
        grid = np.linspace(0, 40, 8001)
        for b in range(len(times)):
            for k in range(4):
                arrivals = (times[b] + delays[:, k]).tolist()
                drive = (arrivals, weights[:, k].tolist(), params)
                v = potential(grid, *drive)
                above = np.nonzero(v >= 1)[0]
                if len(above):
                    low, high = grid[above[0] - 1], grid[above[0]]
                    exact = brentq(lambda t, f=drive: potential(t, *f) - 1, low, high, xtol=1e-13)
                    assert found[b, k].item() == pytest.approx(exact, abs=1e-9)
                    assert peaks[b, k] == 1
                else:
                    assert found[b, k] == math.inf
                    assert 0 <= peaks[b, k].item() - max(v.max(), 0) < 0.01


def simulated(times, weights, delays, params, n_steps: int) -> torch.Tensor:
    """A clock-driven simulation with the exact propagator: steps of the first spikes."""
    dt = params.dt
    arrive = torch.round(times / dt)[:, :, None] + torch.round(delays / dt)
    v = torch.zeros(len(times), weights.shape[1], dtype=torch.float64)
    i, first = torch.zeros_like(v), torch.full_like(v, math.inf)
    leak, decay = math.exp(-dt / params.tau_mem), math.exp(-dt / params.tau_syn)
    gain = params.kernel(tensor(dt)).item()
    for n in range(n_steps):
        first = torch.where((v >= 1) & (first == math.inf), n * dt, first)
        i = i + ((arrive == n) * weights).sum(1)
        v, i = leak * v + gain * i, decay * i
    return first


@both
@every
@pytest.mark.parametrize("dt", [0.05, 0.3])
def test_a_grid_is_a_clock_driven_simulation(params, backend, dt):
    params = FirstSpikeParams(params.tau_mem, params.tau_syn, dt=dt)
    for n_pre in (1, 4, 25):
        times, weights, delays = draw(n_pre, 8, n_samples=40, seed=n_pre)
        found = first_spikes(times, weights, delays, params, backend=backend).times
        expected = simulated(times, weights, delays, params, round(40 / dt))
        assert 0.1 < (expected < math.inf).double().mean() < 0.95
        assert torch.allclose(found, expected, atol=1e-9, rtol=0)


@both
@every
def test_a_crossing_on_a_point_of_the_grid_is_not_lost_to_rounding(params, backend):
    dt, steps = 0.1, torch.arange(1, 12, dtype=torch.float64)
    weights = (1 / params.kernel(dt * steps))[None]  # each reaches the threshold at its own point
    params = FirstSpikeParams(params.tau_mem, params.tau_syn, dt=dt)
    found = first_spikes(tensor([0.0]), weights, None, params, backend=backend).times[0]
    late = found / dt - steps
    assert ((late.abs() < 1e-9) | ((late - 1).abs() < 1e-9)).all()


@both
def test_the_grid_approaches_exact_times_and_gradients(backend):
    times, weights, delays = draw(10, 6, seed=5)
    weights.requires_grad_()

    def run(dt):
        params = FirstSpikeParams(4.0, 2.0, dt=dt, min_slope=0.0)
        out = first_spikes(times, weights, delays, params, backend=backend).times
        return out, torch.autograd.grad(out[:, 3][out[:, 3] < math.inf].sum(), weights)[0]

    exact, gradient = run(0.0)
    errors = []
    for dt in (0.04, 0.01, 0.0025):
        out, g = run(dt)
        same = (out < math.inf) & (exact < math.inf)
        assert same.sum() > 40
        assert (out - exact)[same].abs().median() < dt
        errors.append(((g - gradient).norm() / gradient.norm()).item())
    assert errors[2] < errors[0] / 4
    assert errors[2] < 0.02


@both
@every
def test_gradients_by_finite_differences_through_two_layers_with_positions(params, backend):
    random = torch.Generator().manual_seed(2)
    delays = make_delays(
        "3", (4, 6, 3), ((0, 1), (1, 2)), position_std=0.75, longest=9.0, seed=random
    ).double()
    names = [name for name, _ in delays.named_parameters()]
    positions = [p.detach().clone().requires_grad_() for p in delays.parameters()]
    options = dict(generator=random, dtype=torch.float64)
    times = (4 * torch.rand(4, 4, **options)).requires_grad_()
    w1 = 0.7 + 0.5 * torch.randn(4, 6, **options)
    w1[:, 0] = 0.05  # stays silent
    w1.requires_grad_()
    w2 = (0.5 + 0.4 * torch.randn(6, 3, **options)).requires_grad_()

    def network(times, w1, w2, *positions):
        given = dict(zip(names, positions, strict=True))
        d1, d2 = torch.func.functional_call(delays, given, ())
        hidden = first_spikes(times, w1, d1, params, backend=backend).times
        out = first_spikes(hidden, w2, d2, params, backend=backend).times
        spiked = out < math.inf
        assert spiked.sum() > 3
        assert (hidden[:, 0] == math.inf).all()
        return out[spiked]

    assert gradcheck(network, (times, w1, w2, *positions), eps=1e-7, atol=1e-5, rtol=1e-4)


@both
@every
def test_gradients_of_a_silent_neurons_peak(params, backend):
    times, weights, delays = draw(5, 6, n_samples=8, seed=9)
    weights = weights * 0.3
    for x in (times, weights, delays):
        x.requires_grad_()
    silent = first_spikes(times, weights, delays, params, backend=backend).times == math.inf
    assert silent.sum() > 15

    def peaks(times, weights, delays):
        return first_spikes(times, weights, delays, params, backend=backend).peaks[silent]

    assert (peaks(times, weights, delays) > 0).sum() > 10
    finite = times.detach().nan_to_num(posinf=50.0).requires_grad_()
    assert gradcheck(peaks, (finite, weights, delays), eps=1e-7, atol=1e-5, rtol=1e-4)


@both
def test_a_peak_that_inhibition_cuts_short_moves_with_it(backend):
    t, w = tensor([0.0, 1.0]).requires_grad_(), tensor([0.8], [-5.0])
    out = first_spikes(t, w, None, HALF, backend=backend)
    assert out.times.item() == math.inf
    g = torch.autograd.grad(out.peaks.sum(), t)[0]
    rise = 0.8 * HALF.slope(tensor(1.0)).item()  # of v at 1 ms, where the inhibition comes
    assert torch.allclose(g, tensor([-rise, rise]), atol=1e-12)


@both
def test_edges(backend):
    def run(times, weights, delays=None, params=HALF):
        return first_spikes(tensor(times), tensor(*weights), delays, params, backend=backend)

    silent, peaks = run([math.inf, math.inf], ([5.0], [5.0]))
    assert silent.item() == math.inf
    assert peaks.item() == 0
    out = run([0.0, 1.0], ([-5.0], [-1.0]))
    assert out.times.item() == math.inf
    assert out.peaks.item() == 0
    # equal arrival times add up
    together = run([1.0, 1.0, 1.0], ([0.5], [0.7], [0.3])).times
    assert together.item() == pytest.approx(run([1.0], ([1.5],)).times.item(), abs=1e-12)
    # what comes after the spike has no say, however late or strong
    early = run([0.0], ([2.0],)).times.item()
    for late in (early + 1e-9, 50.0, 1e12):
        assert run([0.0, late], ([2.0], [-9.0])).times.item() == early
    # a spike long after the first arrival, by the last one alone
    out = run([0.0, 1e6], ([0.5], [2.0])).times.item()
    assert out == pytest.approx(1e6 + early, abs=1e-8)
    # inhibition first, then enough excitation to cross through it
    out = run([0.0, 1.0], ([-1.0], [4.0])).times.item()
    assert potential(out, [0.0, 1.0], [-1.0, 4.0], HALF) == pytest.approx(1.0, abs=1e-12)
    with pytest.raises(ValueError, match="times must not be NaN"):
        run([math.nan, 0.0], ([1.0], [2.0]))
    with pytest.raises(ValueError, match="weights must be finite; got NaN"):
        run([0.0, 0.0], ([math.nan], [2.0]))


@both
def test_no_gradient_reaches_what_came_too_late_or_never(backend):
    t = tensor([0.0, math.inf, 40.0]).requires_grad_()
    w = tensor([2.0], [2.0], [2.0]).requires_grad_()
    first_spikes(t, w, None, HALF, backend=backend).times.sum().backward()
    assert t.grad is not None
    assert w.grad is not None
    assert t.grad[0, 0].item() == pytest.approx(1.0)
    assert t.grad[0, 1:].tolist() == [0.0, 0.0]
    assert w.grad[1:].flatten().tolist() == [0.0, 0.0]


@both
def test_min_slope_bounds_the_gradient_of_a_grazing_crossing(backend):
    t, w = tensor([0.0]), tensor([1.0 + 1e-8]).requires_grad_()  # v's maximum is w itself
    gradients = []
    for least in (0.0, 0.01, 0.1):
        params = FirstSpikeParams(4.0, 2.0, min_slope=least)
        out = first_spikes(t, w, None, params, backend=backend).times
        gradients.append(torch.autograd.grad(out.sum(), w)[0].item())
    slope = -1.0 / gradients[0]
    assert slope < 1e-4
    assert gradients[1] == pytest.approx(-1.0 / 0.01, rel=1e-3)
    assert gradients[2] == pytest.approx(-1.0 / 0.1, rel=1e-3)
    # and it leaves others alone
    out = first_spikes(t, w + 1, None, FirstSpikeParams(min_slope=0.1), backend=backend).times
    free = first_spikes(t, w + 1, None, FirstSpikeParams(min_slope=0.0), backend=backend).times
    assert torch.autograd.grad(out.sum(), w) == torch.autograd.grad(free.sum(), w)


def test_a_position_is_moved_to_where_its_spike_comes_in_time():
    """One input, one neuron: only the neuron's position is trained, to meet a given time."""
    delays = make_delays("2", (1, 1), ((0, 1),), position_std=0.5, longest=9.0, seed=1).double()
    delays.coordinates[0].requires_grad_(False)
    w, t = tensor([1.5]), tensor([0.0])
    optimizer = torch.optim.Adam([delays.coordinates[1]], lr=0.05)
    for _ in range(200):
        out = first_spikes(t, w, delays()[0], HALF).times
        loss = (out - 4.0).square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    fall = -4.0 * math.log((1 + math.sqrt(1 - 1 / 1.5)) / 2)  # from arrival to spike
    assert delays()[0].item() == pytest.approx(4.0 - fall, abs=1e-3)


def test_layer_has_weights_of_its_seed():
    make = [FirstSpikeLayer(40, 50, mean=0.5, std=0.2, generator=torch.Generator().manual_seed(s))
            for s in (0, 0, 1)]  # fmt: skip
    assert torch.equal(make[0].weight, make[1].weight)
    assert not torch.equal(make[0].weight, make[2].weight)
    assert make[0].weight.mean().item() == pytest.approx(0.5, abs=0.02)
    assert make[0].weight.std().item() == pytest.approx(0.2, abs=0.02)


BAD = [
    (lambda: FirstSpikeParams(tau_mem=0.0), "tau_mem=0.0 must be positive"),
    (lambda: FirstSpikeParams(tau_syn=math.nan), "tau_syn=nan"),
    (lambda: FirstSpikeParams(threshold=-1.0), "threshold=-1.0"),
    (lambda: FirstSpikeParams(dt=-0.1), "dt=-0.1 must be at least 0 and finite: 0 turns it off"),
    (lambda: FirstSpikeParams(min_slope=math.inf), "min_slope=inf"),
    (lambda: FirstSpikeLayer(0, 3), "n_pre=0"),
    (lambda: FirstSpikeLayer(3, 3, backend="c"), "backend='c'"),
    (
        lambda: first_spikes(torch.zeros(2, 3), torch.zeros(4, 5)),
        r"weights must be \[n_pre=3, n_post\]; got shape \(4, 5\)",
    ),
    (
        lambda: first_spikes(torch.zeros(3), torch.zeros(3, 5)),
        r"times must be \[B, n_pre\]; got shape \(3,\)",
    ),
    (lambda: first_spikes(torch.zeros(2, 0), torch.zeros(0, 5)), "no synapse"),
    (
        lambda: first_spikes(torch.zeros(2, 3), torch.zeros(3, 5), torch.zeros(5, 3)),
        r"delays must be .*\(5, 3\)",
    ),
    (
        lambda: first_spikes(torch.zeros(2, 3), torch.full((3, 5), math.inf)),
        "weights must be finite; got inf",
    ),
    (
        lambda: first_spikes(torch.zeros(2, 3), torch.full((3, 5), math.nan)),
        "weights must be finite; got NaN",
    ),
    (
        lambda: first_spikes(torch.zeros(2, 3), torch.zeros(3, 5), torch.full((3, 5), -1.0)),
        "delays must be at least 0 .*; got -1 ms",
    ),
    (
        lambda: first_spikes(torch.zeros(2, 3), torch.zeros(3, 5), torch.full((3, 5), math.inf)),
        "delays must be at least 0 and finite; got inf",
    ),
    (lambda: first_spikes(torch.zeros(2, 3), torch.zeros(3, 5), backend="triton"), "no such loop"),
    (
        lambda: first_spikes(torch.zeros(2, 3), torch.zeros(3, 5).double(), backend="numba"),
        "torch.float32 and torch.float64",
    ),
]


@pytest.mark.parametrize(("call", "message"), BAD)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.gpu
def test_runs_on_cuda_as_on_the_cpu():
    times, weights, delays = draw(12, 7)
    results = []
    for device in ("cpu", "cuda"):
        t, w, d = (x.to(device).requires_grad_() for x in (times, weights, delays))
        out = first_spikes(t, w, d, HALF)
        loss = out.times[out.times < math.inf].sum() + out.peaks.sum()
        results.append([out.times, *torch.autograd.grad(loss, (t, w, d))])
    for a, b in zip(*results, strict=True):
        assert torch.allclose(a, b.cpu(), atol=1e-9)


def test_the_loss_in_numbers():
    """Cross-entropy, a late true class and silent hidden neurons, each by hand."""
    scores, targets = torch.tensor([[-1.0, -3.0], [-2.0, -2.0]]), torch.tensor([0, 1])
    plain = (math.log1p(math.exp(-2.0)) + math.log(2.0)) / 2
    assert first_spike_loss(scores, targets).item() == pytest.approx(plain, rel=1e-6)
    late = first_spike_loss(scores, targets, early=0.5).item()
    assert late == pytest.approx(plain + 0.5 * (1.0 + 2.0) / 2, rel=1e-6)
    peaks = torch.tensor([[0.4, 0.8], [0.2, 0.8]])
    hidden = FirstSpikes(torch.full((2, 2), math.inf), peaks)
    asleep = first_spike_loss(scores, targets, [hidden], wake=2.0, threshold=0.8).item()
    assert asleep == pytest.approx(plain + 2.0 * (0.5 + 0.0 + 0.75 + 0.0) / 4, rel=1e-6)
