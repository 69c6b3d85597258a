"""A recurrent network with delays on a time grid, and its exact gradient.

Between events, the state obeys a differential equation; at an event (a threshold crossing or the
arrival of a spike), it jumps. The gradient follows the same events backward in time, which is the
adjoint method for spiking neurons, EventProp. Nothing is smoothed: the spike time is a
differentiable function of weights and delays, and the gradient is its derivative. Only spike
*counts* need a surrogate.

`forward` and `backward` are the readable definition. `run_events` is the differentiable function of
weights and delays; on a CPU it runs the compiled loops of `kernels/event_numba.py`.

Sources: Wunderlich & Pehle 2021, Sci. Rep. 11:12829 (the adjoint); Mészáros, Knight & Nowotny
2025, Nat. Commun. 16 (with delays); Landsmeer et al. 2025, arXiv:2512.10011 (models, scaling).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.encoding.events import Events
from jarvis.kernels.dispatch import check_backend, choose
from jarvis.kernels.event_spec import (
    DAMPED,
    FLAT,
    NEWTON,
    EventLoops,
    EventSpec,
    Gradients,
    Inputs,
    Spikes,
    Synapses,
)
from jarvis.kernels.first_order import first_order
from jarvis.spatial import event_driven
from jarvis.spatial.event_neurons import EventLIF, EventNeuron, event_spec
from jarvis.support.checks import (
    check_integer,
    check_number,
    check_tensor,
    check_values,
)

_EVENTS = 4096  # number of events whose synapses are processed together


def _with_slopes(function: Callable, *arguments: Tensor) -> tuple[Tensor, list[Tensor]]:
    """The result of an elementwise function, and its derivative with respect to each argument."""
    with torch.enable_grad():
        leaves = [argument.detach().requires_grad_() for argument in arguments]
        result = function(*leaves)
        slopes = torch.autograd.grad(result.sum(), leaves, allow_unused=True)
    found = (torch.zeros_like(result) if slope is None else slope for slope in slopes)
    return result.detach(), [torch.broadcast_to(slope, result.shape) for slope in found]


def _crossing(spec: EventSpec, state: Sequence[Tensor]) -> Tensor:
    """The derivatives of a spike time with respect to the state at the start of its step.

    Newton's method finds the time within the step at which the model's `level` crosses 0, where v
    is at the threshold. Each variable of the state is ``[n]``; the result is ``[variables, n]``.
    """
    model, dt = spec.model, torch.full_like(state[0], spec.dt)

    def level(x: Tensor, *state: Tensor) -> Tensor:
        return model.level(x, model.state(*state), spec.params)

    mean = (level(dt, *state) - level(torch.zeros_like(dt), *state)) / spec.dt
    x = model.guess(model.state(*state), spec.params, dt).clamp(0.0, spec.dt)
    for _ in range(NEWTON):
        above, slopes = _with_slopes(level, x, *state)
        x = (x - above / torch.maximum(slopes[0], FLAT * mean)).clamp(0.0, spec.dt)
    _, slopes = _with_slopes(level, x, *state)
    return -torch.stack(slopes[1:]) / torch.maximum(slopes[0], FLAT * mean)


def _arriving(steps: Tensor, delays: Tensor, n_steps: int) -> tuple[Tensor, Tensor]:
    """The steps [E, H] at which spikes sent at `steps` arrive, and whether each is below T."""
    at = steps.long().unsqueeze(1) + delays
    return at.clamp_max(n_steps - 1), at < n_steps


def _deliver(drive: Tensor, at: Tensor, within: Tensor, sample: Tensor, w: Tensor) -> None:
    """Add the weights ``w [E, H]`` to ``drive [T, B, H]`` at the steps `at`."""
    _, batch, width = drive.shape
    unit = torch.arange(width, device=drive.device)
    flat = (at * batch + sample.unsqueeze(1)) * width + unit
    drive.view(-1).index_add_(0, flat.view(-1), torch.where(within, w, 0.0).view(-1))


def _samples(offsets: Tensor) -> Tensor:
    return torch.arange(len(offsets) - 1, device=offsets.device).repeat_interleave(offsets.diff())


def forward(spec: EventSpec, inputs: Inputs, synapses: Synapses, keep: bool) -> Spikes:
    """Run the network on all samples at once. In each step, the order is::

    v, I, ... = the neuron's flow over dt
    where v >= threshold: a spike; v = 0, and the neuron's jumps (AdEx: w = w + b)
    I = I + weights of the spikes that arrive in this step
    """
    w_in, d_in, w_rec, d_rec = synapses
    model = spec.model
    steps, width, batch = spec.n_steps, w_in.shape[1], len(inputs.offsets) - 1
    drive = w_in.new_zeros(steps, batch, width)
    sample = _samples(inputs.offsets)
    for part in torch.arange(len(inputs.steps), device=w_in.device).split(_EVENTS):
        unit = inputs.units[part].long()
        at, within = _arriving(inputs.steps[part], d_in[unit], steps)
        _deliver(drive, at, within, sample[part], w_in[unit])

    state = model.state(*(w_in.new_full((batch, width), value) for value in spec.start))
    kept = w_in.new_empty(batch, steps, 3 if spec.adapts else 1, width) if keep else None
    dt = torch.tensor(spec.dt, dtype=torch.float64)
    found = []
    for k in range(steps):
        before, state = state, model.flow(dt, state, spec.params)
        h = state.v
        if kept is not None:
            kept[:, k] = torch.stack([h, *before[1:]] if spec.adapts else [h], 1)
        fires = h >= spec.threshold
        b, j = fires.nonzero(as_tuple=True)
        if len(b):
            by = _crossing(spec, [x[b, j] for x in before])
            jumps = zip(state, spec.jumps, strict=True)
            others = [torch.where(fires, x + jump, x) if jump else x for x, jump in jumps][1:]
            state = model.state(torch.where(fires, 0.0, h), *others)
            after, *_ = spec.rates(*(x[b, j] for x in state))
            found.append((torch.full_like(b, k), b, j, after, *by))
            if len(w_rec):
                at, within = _arriving(torch.full_like(b, k), d_rec[j], steps)
                _deliver(drive, at, within, b, w_rec[j])
        state = state._replace(i=state.i + drive[k])

    if not found:
        none, real = inputs.steps.new_empty(0), w_in.new_empty(len(spec.start), 0)
        return Spikes(none, none, torch.zeros_like(inputs.offsets), real, real[0], kept)
    step, b, j, after, *by = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = torch.argsort(b, stable=True)
    counts = torch.bincount(b, minlength=batch)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    slopes = torch.stack(by)[:, order]
    return Spikes(step[order].int(), j[order].int(), offsets, slopes, after[order], kept)


def backward(
    spec: EventSpec,
    inputs: Inputs,
    synapses: Synapses,
    spikes: Spikes,
    g_counts: Tensor,
    g_times: Tensor,
) -> Gradients:
    """Propagate ``lam = dL/d(state)`` from the last step to the first.

    ``lam`` refers to the state just after the events of a step. Where a spike arrives::

        dL/dw += lam_i
        dL/d(delay) += w (lam_i / tau_syn - lam_v)      also to dL/dt of the spike that was sent

    and where a neuron fires, v starts from the reset with the slope `after`, and each other
    variable (AdEx: w) grows by `drifts` more per ms before the reset than after it::

        dL/dt += drifts lam - after lam_v
        lam_v = 0, then lam += dL/dt dt/d(state)

    The time t of a spike, at which v crosses the threshold within the step (`_crossing`), is a
    function of the state at the start of the step. As the time step shrinks, dt/dv approaches
    -1/(slope of v at the crossing), the rule given in the sources. On a coarse grid, the slope at
    the end of the step is a poor approximation of the slope at the crossing.

    Between events, the transposed flow propagates ``lam``. A neuron's spike count has the surrogate
    derivative ``dt / (1 + k |v - threshold|)^2`` with respect to v before the reset (Zenke &
    Ganguli 2018).
    """
    w_in, d_in, w_rec, d_rec = synapses
    assert spikes.history is not None
    model, history = spec.model, spikes.history
    batch, steps, _, width = history.shape
    lam = [w_in.new_zeros(batch, width) for _ in spec.start]
    # The gradients with respect to the weight and the time of an arrival in each step.
    by_weight, by_time = (w_in.new_empty(steps, batch, width) for _ in range(2))
    g_w_rec, g_d_rec = torch.zeros_like(w_rec), torch.zeros_like(w_rec)
    order = torch.argsort(spikes.steps, stable=True)
    bounds = torch.bincount(spikes.steps.long(), minlength=steps).cumsum(0).tolist()
    sample = _samples(spikes.offsets)
    unit = torch.arange(width, device=w_in.device)
    dt, drifts = torch.tensor(spec.dt, dtype=torch.float64), spec.drifts
    for k in reversed(range(steps)):
        by_weight[k] = lam[1]
        by_time[k] = lam[1] / spec.tau_syn - lam[0]
        which = order[bounds[k - 1] if k else 0 : bounds[k]]
        b, j = sample[which], spikes.units[which].long()
        g_t = g_times[which]
        for drift, each in zip(drifts[1:], lam[1:], strict=True):
            g_t = g_t + drift * each[b, j] if drift else g_t
        if len(w_rec) and len(which):
            at, within = _arriving(spikes.steps[which], d_rec[j], steps)
            where = at, b.unsqueeze(1), unit
            pull = torch.where(within, by_time[where], 0.0)
            g_w_rec.index_add_(0, j, torch.where(within, by_weight[where], 0.0))
            g_d_rec.index_add_(0, j, pull)
            g_t = g_t + (w_rec[j] * pull).sum(1)
        g_t = g_t - spikes.after[which] * lam[0][b, j]
        lam[0][b, j] = 0.0  # the reset discards h

        h = history[:, k, 0]
        away = 1 + spec.surrogate * (h - spec.threshold).abs()
        lam[0] = lam[0] + g_counts[:, spec.time_bin(k)] * spec.dt / away**2
        last = history[:, k - 1, 0] if k else torch.zeros_like(h)
        v = torch.where(last >= spec.threshold, 0.0, last)
        others = history[:, k, 1:].unbind(1) if spec.adapts else [torch.zeros_like(v)]
        with torch.enable_grad():
            start = model.state(*(x.detach().requires_grad_() for x in (v, *others)))
            later = model.flow(dt, start, spec.params)
            lam = [g.clone() for g in torch.autograd.grad(tuple(later), tuple(start), lam)]
        for each, by in zip(lam, spikes.by, strict=True):
            each[b, j] += by[which] * g_t
        if spec.damping and k % DAMPED == 0:
            lam = [g / (1 + g.abs() / spec.damping) for g in lam]

    g_w_in, g_d_in = torch.zeros_like(w_in), torch.zeros_like(w_in)
    sample = _samples(inputs.offsets)
    for part in torch.arange(len(inputs.steps), device=w_in.device).split(_EVENTS):
        c = inputs.units[part].long()
        at, within = _arriving(inputs.steps[part], d_in[c], steps)
        where = at, sample[part].unsqueeze(1), unit
        g_w_in.index_add_(0, c, torch.where(within, by_weight[where], 0.0))
        g_d_in.index_add_(0, c, torch.where(within, by_time[where], 0.0))
    return Gradients(g_w_in, g_d_in * w_in, g_w_rec, g_d_rec * w_rec)


class EventOutput(NamedTuple):
    """The output of an event-driven layer."""

    counts: Tensor  #: spike counts ``[B, H]`` or ``[B, time_bins, H]``, with a surrogate gradient
    times: Tensor  #: ``[S]`` spike times, ms, in the order of `spikes`, with exact gradients
    spikes: Events  #: the spikes as `Events`, without a gradient


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loops: EventLoops, spec: EventSpec, inputs: Inputs, *matrices: Tensor):
        w_in, d_in, w_rec, d_rec = matrices

        def steps(delays: Tensor, least: int) -> Tensor:
            return torch.round(delays / spec.dt).clamp(least, spec.n_steps).int()

        # Recurrent spikes arrive in the next step at the earliest, since the current step is
        # already computed.
        synapses = Synapses(w_in, steps(d_in, 0), w_rec, steps(d_rec, 1))
        spikes = loops.forward(spec, inputs, synapses, any(ctx.needs_input_grad))
        batch, width = len(inputs.offsets) - 1, w_in.shape[1]
        where = torch.arange(batch, device=w_in.device).repeat_interleave(spikes.offsets.diff())
        where = where * spec.time_bins + spec.time_bin(spikes.steps.long())
        shape = (batch, spec.time_bins, width)
        counts = torch.bincount(where * width + spikes.units, minlength=math.prod(shape))
        ctx.loops, ctx.spec = loops, spec
        ctx.save_for_backward(*inputs, *synapses, *spikes)
        ctx.set_materialize_grads(False)
        ctx.mark_non_differentiable(spikes.steps, spikes.units, spikes.offsets)
        times = spikes.steps.to(w_in.dtype) * spec.dt
        return counts.view(shape).to(w_in.dtype), times, *spikes[:3]

    @staticmethod
    @first_order
    def backward(ctx: Any, g_counts: Tensor | None, g_times: Tensor | None, *_):
        saved = ctx.saved_tensors
        inputs, synapses = Inputs(*saved[:3]), Synapses(*saved[3:7])
        spikes = Spikes(*saved[7:])
        assert spikes.history is not None
        if g_counts is None:
            batch, _, _, width = spikes.history.shape
            g_counts = spikes.history.new_zeros(batch, ctx.spec.time_bins, width)
        if g_times is None:
            g_times = spikes.history.new_zeros(len(spikes.steps))
        gradients = ctx.loops.backward(ctx.spec, inputs, synapses, spikes, g_counts, g_times)
        for name, gradient in gradients._asdict().items():
            if not math.isfinite(gradient.sum().item()) and not torch.isfinite(gradient).all():
                raise FloatingPointError(
                    f"run_events: the gradient of {name} is not finite. A spike time can depend on "
                    "the past so strongly that its gradient explodes: pass damping=1.0 (say), "
                    "reduce the weights or the firing rate, or use float64"
                )
        return None, None, None, *gradients


def run_events(
    events: Events,
    w_in: Tensor,
    d_in: Tensor,
    w_rec: Tensor | None = None,
    d_rec: Tensor | None = None,
    neuron: EventNeuron | None = None,
    *,
    surrogate: float = 1.0,
    damping: float = 0.0,
    time_bins: int = 1,
    backend: str = "auto",
) -> EventOutput:
    """Run a layer of neurons on input spikes, with delays and optional recurrent synapses.

    Delays are rounded to steps of ``neuron.dt``; their gradient ignores the rounding. There is no
    longest delay: a spike that would arrive after the last step is lost. Recurrent delays are at
    least one step.

    As dt shrinks, the gradient approaches the exact gradient of the network without a time grid.
    Its computation takes memory for the spikes and for T values per neuron, but never for T values
    per synapse.

    Args:
        events: input spikes of n_in units in steps of ``neuron.dt`` (see `Events.on_grid`).
        w_in: weights ``[n_in, H]``, pre x post, in threshold units per ms.
        d_in: delays of the input synapses ``[n_in, H]``, ms.
        w_rec: recurrent weights ``[H, H]``; None: no recurrent synapses.
        d_rec: delays of the recurrent synapses ``[H, H]``, ms.
        neuron: an `EventLIF` (default: ``EventLIF()``), an `EventAdEx`, or a
            `NormalisedAdExParams` for an Euler step.
        surrogate: slope k of ``1/(1 + k |v - threshold|)^2``, the surrogate derivative of spike
            *counts*. It is a derivative per ms, so it does not depend on dt.
        damping: every 10 steps of the backward pass, each gradient g with respect to the state is
            replaced by ``g / (1 + |g| / damping)``. This bounds the gradients of chaotic networks,
            but distorts them; 0: exact gradients.
        time_bins: number of equal parts, at most T, into which the run is divided; spikes are
            counted in each part separately. With more than 1, `EventOutput.counts` is ``[B,
            time_bins, H]``.
        backend: "auto" uses a compiled loop; "eager" is the readable definition, on any device;
            "numba" (CPU) or "triton" (CUDA) requires the loop of that name.

    Returns:
        `EventOutput`.

    Raises:
        ValueError: for shapes that do not match, a negative delay, a number that is not finite, or
            a backend that cannot run this layer.
        TypeError: for weights or delays that are not floating-point, or weights of different types.
        FloatingPointError: in the backward pass, for exploding gradients.

    Source: Wunderlich & Pehle 2021, Sci. Rep. 11:12829; with delays, Mészáros et al. 2025, Nat.
    Commun. 16; see `jarvis.spatial.event_driven` for the equations.

    Example:
        >>> one_spike = Events.from_first_steps(torch.tensor([[2]]), n_steps=40)
        >>> delay = torch.tensor([[3.0]], requires_grad=True)
        >>> out = run_events(one_spike, torch.tensor([[0.8]]), delay, neuron=EventLIF(dt=0.5))
        >>> out.times.tolist()
        [7.0]
        >>> out.times.sum().backward()
        >>> round(delay.grad.item(), 4)  # a delay 1 ms longer makes the spike 1 ms later
        1.0
    """
    neuron = EventLIF() if neuron is None else neuron
    if not isinstance(neuron, EventNeuron):
        raise TypeError(f"run_events: neuron must be an EventLIF or AdEx, not {neuron!r:.60}")
    check_backend(backend)
    if not isinstance(events, Events):
        raise TypeError(f"run_events: events must be Events, not {type(events).__name__}")
    if events.n_steps is None:
        raise ValueError("run_events: events are in ms: call events.on_grid(neuron.dt) first")
    check_number("surrogate", surrogate, at_least=0)
    check_number("damping", damping, at_least=0)
    steps = f"there are T={events.n_steps} steps"
    check_integer("time_bins", time_bins, at_least=1, at_most=events.n_steps, why=steps)
    if not len(events):
        raise ValueError("run_events: there is no sample in these events")
    check_tensor("w_in", w_in, "[n_in, H]")
    if (w_rec is None) != (d_rec is None):
        raise ValueError("w_rec and d_rec come together: give both, or neither")
    n_in, width = w_in.shape
    if events.n_units != n_in:
        raise ValueError(f"events have {events.n_units} units, but w_in has {n_in} rows")
    heard_by = 0 if w_rec is None else width
    none = w_in.new_zeros(0, 0)
    w_rec, d_rec = (none, none) if w_rec is None or d_rec is None else (w_rec, d_rec)
    why = f"w_in is {tuple(w_in.shape)}"
    check_tensor("d_in", d_in, f"[n_in={n_in}, H={width}]", why=why)
    for name, matrix in (("w_rec", w_rec), ("d_rec", d_rec)):
        check_tensor(name, matrix, f"[H={heard_by}, H={heard_by}]")
    for name, matrix in (("w_in", w_in), ("w_rec", w_rec)):
        check_values(name, matrix)
    for name, matrix in (("d_in", d_in), ("d_rec", d_rec)):
        check_values(name, matrix, "ms", at_least=0)
    if w_rec.dtype != w_in.dtype:
        raise TypeError(f"w_rec is {w_rec.dtype}, but w_in is {w_in.dtype}")
    matrices = (w_in, d_in.to(w_in.dtype), w_rec, d_rec.to(w_in.dtype))
    if not torch.is_grad_enabled():  # nothing is saved for a backward pass
        matrices = tuple(matrix.detach() for matrix in matrices)
    loops = choose(backend, "run_events", matrices, family="event")
    device = w_in.device
    # The loops use these lists as indices without a check, so they get checked copies that nobody
    # else can change.
    events.check()
    times, units, offsets = (x.clone() for x in (events.times, events.units, events.offsets))
    own = Events(times, units, offsets, events.shape, events.n_steps)
    inputs = Inputs(*(x.to(device) for x in (own.times, own.units, own.offsets)))
    spec = event_spec(neuron, events.n_steps, surrogate, damping, int(time_bins))
    results = _Run.apply(loops or event_driven, spec, inputs, *matrices)
    counts, times, steps, units, offsets = results  # type: ignore[misc]
    if counts.requires_grad:  # the user gets copies, since the backward pass reads the originals
        steps, units, offsets = steps.clone(), units.clone(), offsets.clone()
    spikes = Events(steps, units, offsets, (width,), events.n_steps)
    return EventOutput(counts if time_bins > 1 else counts.squeeze(1), times, spikes)
