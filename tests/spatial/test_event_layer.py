"""The event-driven layer: worked by hand, the compiled loop against the definition, bad input.

That its gradients are the exact ones is shown in test_event_gradients.py.
"""

import math
import re
import tracemalloc
from functools import cache

import pytest
import torch
from scipy.optimize import brentq

from event_problems import NEURONS, problem
from jarvis.adex.normalised import NormalisedAdExParams
from jarvis.encoding.events import Events
from jarvis.kernels import event_numba
from jarvis.kernels.event_spec import Inputs, Synapses
from jarvis.spatial import event_driven
from jarvis.spatial.event_driven import EventLIF, event_spec, run_events


def both(events, matrices, neuron, **options):
    """Results and gradients of the definition and of the compiled loop."""
    for backend in ("eager", "numba"):
        yield one(events, matrices, neuron, backend, **options)


def one(events, matrices, neuron, backend, **options):
    out = run_events(events, *matrices, neuron, backend=backend, **options)
    random = torch.Generator().manual_seed(5)
    weights = torch.rand(out.counts.shape, generator=random, dtype=out.counts.dtype)
    pulls = torch.rand(out.times.shape, generator=random, dtype=out.counts.dtype)
    loss = (out.counts * weights).sum() + (out.times * pulls).sum()
    given = [matrix for matrix in matrices if matrix is not None]
    return out, torch.autograd.grad(loss, given)


@pytest.mark.parametrize("damping", [0.0, pytest.param(0.3, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NEURONS)
def test_the_loop_is_the_definition(name, damping):
    events, matrices = problem()
    (a, ga), (b, gb) = both(events, matrices, NEURONS[name], damping=damping)
    assert len(a.times) > 60
    assert torch.equal(a.spikes.times, b.spikes.times)
    assert torch.equal(a.spikes.units, b.spikes.units)
    assert torch.equal(a.counts, b.counts)
    assert torch.equal(a.spikes.offsets, b.spikes.offsets)
    for x, y in zip(ga, gb, strict=True):
        assert x.abs().max() > 0
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9 * x.abs().max().item())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lif", "adex"])
def test_the_loop_is_the_definition_in_float32(name):
    events, matrices = problem(torch.float32)
    (a, ga), (b, gb) = both(events, matrices, NEURONS[name])
    assert torch.equal(a.spikes.times, b.spikes.times)
    for x, y in zip(ga, gb, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4 * x.abs().max().item())


def test_a_layer_that_does_not_hear_itself():
    events, (w_in, d_in, *_) = problem()
    (a, ga), (b, gb) = both(events, [w_in, d_in, None, None], NEURONS["lif"])
    assert torch.equal(a.spikes.times, b.spikes.times)
    assert len(a.times)
    for x, y in zip(ga, gb, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-12)
    silent = torch.zeros(9, 9, dtype=torch.float64)
    c = run_events(events, w_in, d_in, silent, silent, NEURONS["lif"])
    assert torch.equal(a.spikes.times, c.spikes.times)


@pytest.mark.parametrize("name", ["lif", "adex"])
def test_counts_in_windows(name):
    """150 steps in 7 time bins that are not all as long, each with a pull of its own."""
    events, matrices = problem()
    (a, ga), (b, gb) = both(events, matrices, NEURONS[name], time_bins=7)
    assert a.counts.shape == (3, 7, 9)
    assert torch.equal(a.counts, b.counts)
    for x, y in zip(ga, gb, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9 * x.abs().max().item())
    counted = torch.zeros(3, 7, 9, dtype=torch.float64)
    window = a.spikes.times.long() * 7 // 150
    sample = a.spikes.samples()
    counted.index_put_((sample, window, a.spikes.units.long()), torch.ones(()).double(), True)
    assert torch.equal(a.counts, counted)
    assert (a.counts[0].sum(1) > 0).sum() > 3


def test_windows_that_all_pull_alike_are_the_whole_count():
    events, matrices = problem()
    given = {}
    for time_bins in (1, 7):
        counts = run_events(events, *matrices, NEURONS["lif"], time_bins=time_bins).counts
        counts = counts if time_bins == 1 else counts.sum(1)
        given[time_bins] = counts, torch.autograd.grad(counts.square().sum(), matrices)
    assert torch.equal(given[1][0], given[7][0])
    for x, y in zip(given[1][1], given[7][1], strict=True):
        torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-12)


def test_a_late_window_does_not_pull_at_what_was_before():
    """Of two input spikes the first is heard in the first half of the time, the other later."""
    events = Events.from_first_steps(torch.tensor([[2, 50]]), n_steps=80)
    w_in = torch.tensor([[0.9], [0.9]], dtype=torch.float64, requires_grad=True)
    out = run_events(events, w_in, torch.zeros_like(w_in), neuron=EventLIF(dt=0.5), time_bins=2)
    (early,) = torch.autograd.grad(out.counts[0, 0, 0], w_in)
    assert early[0] > 0
    assert early[1] == 0


@cache
def _in_one_thread():
    return tuple(both(*problem(steps=4000, events=3000), NEURONS["lif"]))


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_no_spike(threads):
    (reference, g), *_ = _in_one_thread()
    events, matrices = problem(steps=4000, events=3000)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        out, h = one(events, matrices, NEURONS["lif"], "numba")
    finally:
        torch.set_num_threads(before)
    assert torch.equal(reference.spikes.times, out.spikes.times)
    for x, y in zip(g, h, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-8, atol=1e-9 * x.abs().max().item())


@pytest.mark.parametrize("backend", ["eager", "numba"])
def test_by_hand(backend):
    """One input spike at step 2, a delay of 3 steps: I = w at step 5, and v follows the formula."""
    dt, tau, tau_syn, w = 0.5, 10.0, 2.0, 0.9
    neuron = EventLIF(tau, tau_syn, dt)
    events = Events.from_first_steps(torch.tensor([[2]]), n_steps=60)
    t = dt * torch.arange(60, dtype=torch.float64)
    since = (t - 5 * dt).clamp_min(0)
    v = w / (1 / tau_syn - 1 / tau) * (torch.exp(-since / tau) - torch.exp(-since / tau_syn))
    first = int((v >= 1).nonzero()[0])

    w_in = torch.tensor([[w]], dtype=torch.float64, requires_grad=True)
    d_in = torch.tensor([[1.5]], dtype=torch.float64, requires_grad=True)
    out = run_events(events, w_in, d_in, neuron=neuron, backend=backend)
    assert out.spikes.times.tolist()[0] == first
    assert out.times[0].item() == first * dt
    out.times[0].backward()
    assert d_in.grad is not None
    assert w_in.grad is not None
    assert d_in.grad.item() == pytest.approx(1.0, rel=1e-9)

    def rise(t):
        return w * (math.exp(-t / tau) - math.exp(-t / tau_syn)) / (1 / tau_syn - 1 / tau)

    # The spike is on the grid; its derivative is that of the time at which v really crosses.
    crossing = brentq(lambda t: rise(t) - 1, 0.0, since[first].item(), xtol=1e-14)
    slope = w * math.exp(-crossing / tau_syn) - 1 / tau
    assert w_in.grad.item() == pytest.approx(-1 / w / slope, rel=1e-6)


@pytest.mark.parametrize("backend", ["eager", "numba"])
def test_a_spike_that_crosses_the_layer_and_comes_back(backend):
    """Neuron 0 fires and makes neuron 1 fire: its time moves one for one with both delays."""
    events = Events.from_first_steps(torch.tensor([[0]]), n_steps=100)
    w_in = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    w_rec = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    d_in = torch.tensor([[3.0, 0.0]], dtype=torch.float64, requires_grad=True)
    d_rec = torch.full((2, 2), 7.0, dtype=torch.float64, requires_grad=True)
    out = run_events(events, w_in, d_in, w_rec, d_rec, EventLIF(dt=0.5), backend=backend)
    assert out.counts.tolist() == [[1.0, 1.0]]
    rise = out.times[0] - 3.0
    assert out.times[1].item() == pytest.approx((out.times[0] + 7.0 + rise).item())
    out.times[1].backward()
    assert d_in.grad is not None
    assert d_rec.grad is not None
    torch.testing.assert_close(d_in.grad, torch.tensor([[1.0, 0.0]], dtype=torch.float64))
    wanted = torch.tensor([[0.0, 1.0], [0.0, 0.0]], dtype=torch.float64)
    torch.testing.assert_close(d_rec.grad, wanted)


@pytest.mark.parametrize("backend", ["eager", "numba"])
def test_no_delay_is_ever_aliased(backend):
    """A delay beyond any buffer arrives when it says; one beyond the end never does."""
    events = Events.from_first_steps(torch.tensor([[0, 0]]), n_steps=2000)
    w_in = torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    d_in = torch.tensor([[900.0, 0.0], [0.0, 5000.0]], dtype=torch.float64)
    out = run_events(events, w_in, d_in, neuron=EventLIF(dt=0.5), backend=backend)
    assert out.spikes.units.tolist() == [0]
    near = run_events(events, w_in, d_in / 900, neuron=EventLIF(dt=0.5), backend=backend)
    assert out.times[0].item() - near.times[0].item() == pytest.approx(899.0)


def test_counts_have_the_surrogate_as_their_gradient():
    """One step of one neuron below threshold: d(count)/dw is the surrogate times dv/dw, summed."""
    neuron, k = EventLIF(dt=0.5), 3.0
    events = Events.from_first_steps(torch.tensor([[0]]), n_steps=30)
    w = torch.tensor([[0.3]], dtype=torch.float64, requires_grad=True)
    delay = torch.tensor([[1.0]], dtype=torch.float64)
    out = run_events(events, w, delay, neuron=neuron, surrogate=k)
    assert out.counts.item() == 0
    out.counts.sum().backward()
    since = (0.5 * torch.arange(30, dtype=torch.float64) - 1.0).clamp_min(0)
    per_w = (torch.exp(-since / 10) - torch.exp(-since / 2)) / (1 / 2 - 1 / 10)
    wanted = (0.5 * per_w / (1 + k * (0.3 * per_w - 1).abs()) ** 2).sum()
    assert w.grad is not None
    assert w.grad.item() == pytest.approx(wanted.item(), rel=1e-9)


def test_without_a_gradient_no_history_is_kept():
    events, matrices = problem()
    inputs = Inputs(events.times, events.units, events.offsets)
    w_in, d_in, w_rec, d_rec = (m.detach() for m in matrices)
    synapses = Synapses(w_in, d_in.int(), w_rec, d_rec.int().clamp_min(1))
    spec = event_spec(EventLIF(), 150)
    for loops in (event_driven, event_numba):
        assert loops.forward(spec, inputs, synapses, False).history is None
        with torch.no_grad():
            assert len(run_events(events, *matrices).times)


def test_memory_grows_with_time_and_neurons_not_with_synapses():
    """Ten times the inputs, and so ten times the synapses: the run itself needs no more."""
    peaks = []
    for n_in in (100, 1000):
        events, matrices = problem(batch=1, steps=1000, n_in=n_in, width=50, events=2000)
        with torch.no_grad():
            run_events(events, *matrices)  # compiled, and what stays for good is allocated
            tracemalloc.start()
            run_events(events, *matrices)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()
    synapses = 900 * 50 * 8
    assert peaks[1] - peaks[0] < 3 * synapses  # its own copies of the matrices, whatever T is
    assert peaks[1] < 1000 * 50 * 8 * 12  # far from T times synapses, which would be 400 MB


BAD = {
    "events have 12 units, but w_in has 3 rows": lambda e, m: (e, m[0][:3], *m[1:]),
    "d_in must be [n_in=12, H=9]; got shape (12, 8)": lambda e, m: (e, m[0], m[1][:, :8], *m[2:]),
    "w_rec must be [H=9, H=9]; got shape (9, 8)": lambda e, m: (e, *m[:2], m[2][:, :8], m[3]),
    "w_in must be finite; got NaN": lambda e, m: (e, m[0] * math.nan, *m[1:]),
    "d_rec must be at least 0 and finite; got inf": lambda e, m: (e, *m[:3], m[3] + math.inf),
    "d_in must be at least 0 and finite; got -": lambda e, m: (e, m[0], m[1] - 5, *m[2:]),
    "w_rec and d_rec come together": lambda e, m: (e, *m[:3], None),
}


@pytest.mark.parametrize("message", BAD)
def test_bad_input_is_named(message):
    events, matrices = problem()
    with pytest.raises(ValueError, match=re.escape(message)):
        run_events(*BAD[message](events, matrices))


def test_bad_options_are_named():
    events, matrices = problem()
    with pytest.raises(ValueError, match="damping=-1"):
        run_events(events, *matrices, damping=-1)
    with pytest.raises(ValueError, match="time_bins=0"):
        run_events(events, *matrices, time_bins=0)
    with pytest.raises(ValueError, match=r"time_bins=151 .* from 1 to 150: there are T=150 steps"):
        run_events(events, *matrices, time_bins=151)
    with pytest.raises(ValueError, match="surrogate=nan"):
        run_events(events, *matrices, surrogate=math.nan)
    with pytest.raises(ValueError, match="backend='cuda' is not one of"):
        run_events(events, *matrices, backend="cuda")
    with pytest.raises(ValueError, match=r"backend='numba' cannot run this: .*float16"):
        run_events(events, *(m.half() for m in matrices), backend="numba")
    ms = Events(events.times.float(), events.units, events.offsets, events.shape)
    with pytest.raises(ValueError, match="on_grid"):
        run_events(ms, *matrices)
    with pytest.raises(ValueError, match="no sample"):
        run_events(events[[]], *matrices)
    for bad in (dict(tau=0.0), dict(tau_syn=math.nan), dict(dt=-1.0), dict(threshold=math.inf)):
        with pytest.raises(ValueError, match=next(iter(bad))):
            EventLIF(**bad)
    with pytest.raises(ValueError, match="integrator='rk4'"):
        EventLIF(integrator="rk4")


def test_an_exponential_that_would_overflow_is_refused():
    with pytest.raises(ValueError, match=r"delta_t=0\.005 is too sharp"):
        NormalisedAdExParams(dt=0.001, delta_t=0.005)


def test_tensors_that_are_not_dense():
    """A slice of one neuron, expanded matrices, and an expanded gradient, as `sum` sends it."""
    events, matrices = problem()
    w_in, d_in, w_rec, d_rec = matrices
    views = {
        "one column": [w_in[:, :1], d_in[:, :1], w_rec[:1, :1], d_rec[:1, :1]],
        "expanded": [w_in, d_in.new_full((), 3.0).expand(12, 9), w_rec[:1].expand(9, 9), d_rec],
        "transposed": [w_in.t().contiguous().t(), d_in, w_rec.t(), d_rec.t()],
    }
    for given in views.values():
        found = []
        for backend in ("eager", "numba"):
            out = run_events(events, *given, backend=backend)
            assert len(out.times) > 1
            found.append(torch.autograd.grad(out.times.sum(), [w_in, w_rec]))
        for x, y in zip(*found, strict=True):
            torch.testing.assert_close(x, y, rtol=1e-9, atol=1e-9 * x.abs().max().item())


def test_types_are_named():
    events, (w_in, d_in, w_rec, d_rec) = problem()
    with pytest.raises(
        TypeError, match=r"w_in must be a floating-point tensor .*, not torch\.int64"
    ):
        run_events(events, w_in.long(), d_in, w_rec, d_rec)
    with pytest.raises(TypeError, match=r"w_rec is torch\.float32, but w_in is torch\.float64"):
        run_events(events, w_in, d_in, w_rec.float(), d_rec)
    mixed = run_events(events, w_in, d_in.float(), w_rec, d_rec.float())
    whole = run_events(events, w_in, d_in, w_rec, d_rec)
    assert torch.equal(mixed.spikes.times, whole.spikes.times)


def test_nothing_is_kept_where_no_gradient_can_come(monkeypatch):
    events, matrices = problem()
    kept, forward = [], event_numba.forward
    monkeypatch.setattr(
        event_numba,
        "forward",
        lambda *arguments: (kept.append(arguments[3]), forward(*arguments))[1],
    )
    run_events(events, *matrices)
    with torch.no_grad():
        run_events(events, *matrices)
    run_events(events, *(m.detach() for m in matrices))
    assert kept == [True, False, False]


def test_a_gradient_that_explodes_is_an_error():
    random = torch.Generator().manual_seed(0)
    steps = torch.randint(0, 1500, (1, 50), generator=random)
    events = Events.from_first_steps(steps, 1500)
    w_in = torch.rand(50, 20, generator=random).requires_grad_()
    d_in = torch.rand(50, 20, generator=random)
    w_rec = 30.0 * (torch.rand(20, 20, generator=random) - 0.5)
    out = run_events(events, w_in, d_in, w_rec, 9 * torch.rand(20, 20, generator=random),
                     NormalisedAdExParams(dt=0.5))  # fmt: skip
    with pytest.raises(FloatingPointError, match="damping"):
        (out.times * 1e30).square().sum().backward()


def test_a_step_longer_than_all_time_constants_is_refused():
    with pytest.raises(ValueError, match=r"dt=0\.5 ms is too large"):
        EventLIF(tau_syn=0.0005, dt=0.5)


@pytest.mark.parametrize("backend", ["eager", "numba"])
@pytest.mark.parametrize("delay", [0.0, 0.2, 0.5, 3.0])
def test_a_delay_of_nothing_is_none_and_others_are_rounded(backend, delay):
    """Without a delay, a spike of step 2 is heard in step 2, and fires a neuron in step 3."""
    events = Events.from_first_steps(torch.tensor([[2]]), n_steps=40)
    weight, dt = torch.tensor([[3.0]], dtype=torch.float64), 0.5
    d_in = torch.tensor([[delay]], dtype=torch.float64)
    out = run_events(events, weight, d_in, neuron=EventLIF(dt=dt), backend=backend)
    assert out.spikes.times[0].item() == 3 + round(delay / dt)
    assert out.times[0].item() == dt * (3 + round(delay / dt))


@pytest.mark.parametrize("backend", ["eager", "numba"])
def test_a_neuron_hears_another_a_step_later_at_the_earliest(backend):
    events = Events.from_first_steps(torch.tensor([[2]]), n_steps=40)
    w_in = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    w_rec = torch.tensor([[0.0, 3.0], [0.0, 0.0]], dtype=torch.float64)
    none, d_rec = torch.zeros_like(w_in), torch.zeros_like(w_rec)
    out = run_events(events, w_in, none, w_rec, d_rec, EventLIF(dt=0.5), backend=backend)
    first = {unit: out.spikes.times[out.spikes.units == unit][0].item() for unit in (0, 1)}
    assert first == {0: 3, 1: 5}  # heard in step 4


def test_a_potential_that_just_meets_the_threshold_fires():
    """By the Euler step without leak to speak of, v is exactly 1 after two steps of 0.5."""
    for backend in ("eager", "numba"):
        events = Events.from_first_steps(torch.tensor([[0]]), n_steps=6)
        neuron = EventLIF(tau=1e30, tau_syn=1e30, dt=0.5, integrator="euler")
        weight = torch.tensor([[1.0]], dtype=torch.float64)
        out = run_events(events, weight, 0 * weight, neuron=neuron, backend=backend)
        assert out.spikes.times.tolist() == [2, 4]
