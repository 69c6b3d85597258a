"""A recurrent network with delays on a time grid, and its exact gradient.

Between events the state obeys a differential equation; at an event (a threshold crossing, the
arrival of a spike) it jumps. The gradient follows the same events backward in time: the adjoint
method for spiking neurons, EventProp. Nothing is smoothed: the spike time is a differentiable
function of weights and delays, and this is its derivative. Only spike *counts* need a surrogate.

`forward` and `backward` are the readable definition; `run_events` is the differentiable function of
weights and delays, and runs the compiled loops of `kernels/event_numba.py` on a CPU.

Sources: Wunderlich & Pehle 2021, Sci. Rep. 11:12829 (the adjoint); Meszaros, Knight & Nowotny
2025, Nat. Commun. 16 (with delays); Landsmeer et al. 2025, arXiv:2512.10011 (models, scaling).
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.adex.normalised import NormalisedAdExParams
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
from jarvis.support.checks import (
    check_choice,
    check_integer,
    check_number,
    check_tensor,
    check_values,
)

_EVENTS = 4096  # events whose synapses are processed together


@dataclass(frozen=True)
class EventLIF:
    """The leaky integrate-and-fire neuron of the event-driven networks.

    ``dv/dt = -v/tau + I``, ``dI/dt = -I/tau_syn``; a spike that arrives with weight w adds w to I;
    when v reaches the threshold, the neuron fires and v is reset to 0. No refractory period. The
    scaling is that of the source: I is in threshold units per ms.

    Args:
        tau: membrane time constant, ms.
        tau_syn: synaptic time constant, ms.
        dt: time step, ms.
        threshold: potential at which the neuron fires.
        integrator: "exact" solves the equations over a step; "euler" keeps the current at its value
            at the start of the step, ``v+ = exp(-dt/tau) v + dt I``, as the source does.

    Raises:
        ValueError: for a value out of range.

    Source: Landsmeer et al. 2025, arXiv:2512.10011.
    """

    tau: float = 10.0
    tau_syn: float = 2.0
    dt: float = 0.5
    threshold: float = 1.0
    integrator: str = "exact"

    def __post_init__(self) -> None:
        for name in ("tau", "tau_syn", "dt", "threshold"):
            check_number(name, getattr(self, name), above=0)
        check_choice("integrator", self.integrator, ("exact", "euler"))
        shortest = min(self.tau, self.tau_syn)
        if self.dt > 20 * shortest:
            raise ValueError(
                f"dt={self.dt:g} ms is too large: nothing is left after one step with a time "
                f"constant of {shortest:g} ms; set dt below it"
            )


EventNeuron = EventLIF | NormalisedAdExParams


def event_spec(
    neuron: EventNeuron,
    n_steps: int,
    surrogate: float = 1.0,
    damping: float = 0.0,
    time_bins: int = 1,
) -> EventSpec:
    """The constants of a run of `n_steps` steps."""
    p: Any = neuron if isinstance(neuron, EventLIF) else neuron.plain()
    dt, tau, tau_syn = p.dt, float(p.tau), float(p.tau_syn)
    decay, decay_syn = math.exp(-dt / tau), math.exp(-dt / tau_syn)
    base: dict[str, Any] = dict(
        n_steps=n_steps, dt=dt, decay=decay, decay_syn=decay_syn, gain=dt, tau_mem=tau,
        tau_syn=tau_syn, threshold=float(p.threshold), surrogate=surrogate, damping=damping,
        time_bins=time_bins,
    )  # fmt: skip
    if isinstance(neuron, EventLIF):
        if neuron.integrator == "exact":
            rate = 1 / tau_syn - 1 / tau
            # (decay - decay_syn) / rate, in a form that also holds for equal time constants
            base["gain"] = decay_syn * (math.expm1(rate * dt) / rate if rate else dt)
            base["exact"] = True
        return EventSpec(**base)
    return EventSpec(
        **base, adex=True, decay_w=math.exp(-dt / p.tau_w), tau_w=p.tau_w, a=p.a,
        b=p.b, delta_t=p.delta_t, v_t=p.v_t, w0=p.w0,
    )  # fmt: skip


def _upstroke(spec: EventSpec, v: Tensor) -> Tensor:
    """The exponential term of AdEx in the slope of v: the upstroke."""
    return spec.delta_t * torch.exp((v - spec.v_t) / spec.delta_t)


def _crossing(
    spec: EventSpec, v: Tensor, h: Tensor, current: Tensor, adaptation: Tensor
) -> tuple[Tensor, Tensor]:
    """The derivative of a spike time with respect to v and I at the start of its step.

    A step of length x <= dt by the rule of `forward` gives a trajectory ``v(x)``; Newton's method
    finds where it crosses the threshold. All arguments ``[n]``; h is v(dt).
    """
    drive, up = current, torch.zeros_like(v)
    if spec.adex:
        up = _upstroke(spec, v)
        drive, up = current + up - adaptation, up / spec.delta_t
    mean = (h - v) / spec.dt
    rate = 1 / spec.tau_syn - 1 / spec.tau_mem

    def step(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """v(x) = decay v + gain drive, and its slope."""
        decay, decay_syn = torch.exp(-x / spec.tau_mem), torch.exp(-x / spec.tau_syn)
        if spec.exact:
            gain = decay_syn * (torch.expm1(rate * x) / rate if rate else x)
            slope = drive * decay_syn - (decay * v + gain * drive) / spec.tau_mem
        else:
            gain, slope = x, drive - decay * v / spec.tau_mem
        return decay, gain, torch.maximum(slope, FLAT * mean)

    x = (spec.threshold - v) / mean
    for _ in range(NEWTON):
        decay, gain, slope = step(x)
        x = (x - (decay * v + gain * drive - spec.threshold) / slope).clamp(0.0, spec.dt)
    decay, gain, slope = step(x)
    return -(decay + x * up) / slope, -gain / slope


def _arriving(steps: Tensor, delays: Tensor, n_steps: int) -> tuple[Tensor, Tensor]:
    """Arrival steps of spikes at `steps` [E] with `delays` [E, H], and whether they are below T."""
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
    """Run the network from v = 0, all samples at once. In each step, in this order::

    v = decay v + gain I             (AdEx: + dt (DeltaT exp((v - v_t) / DeltaT) - a))
    I = decay_syn I                  (AdEx: a = decay_w a + dt A v_before)
    where v >= threshold: a spike; v = 0, a = a + b
    I = I + weights of the spikes that arrive in this step
    """
    w_in, d_in, w_rec, d_rec = synapses
    steps, width, batch = spec.n_steps, w_in.shape[1], len(inputs.offsets) - 1
    drive = w_in.new_zeros(steps, batch, width)
    sample = _samples(inputs.offsets)
    for part in torch.arange(len(inputs.steps), device=w_in.device).split(_EVENTS):
        unit = inputs.units[part].long()
        at, within = _arriving(inputs.steps[part], d_in[unit], steps)
        _deliver(drive, at, within, sample[part], w_in[unit])

    v, current = w_in.new_zeros(batch, width), w_in.new_zeros(batch, width)
    adaptation = torch.full_like(v, spec.w0)
    kept = w_in.new_empty(batch, steps, width) if keep else None
    found = []
    for k in range(steps):
        old, old_adaptation = current, adaptation
        h = spec.decay * v + spec.gain * current
        current = spec.decay_syn * current
        if spec.adex:
            h = h + spec.dt * (_upstroke(spec, v) - adaptation)
            adaptation = spec.decay_w * adaptation + spec.dt * spec.a * v
        if kept is not None:
            kept[:, k] = h
        b, j = (h >= spec.threshold).nonzero(as_tuple=True)
        if len(b):
            at_start = (x[b, j] for x in (v, h, old, old_adaptation))
            by_v, by_i = _crossing(spec, *at_start)
            after = current[b, j] + spec.falling
            if spec.adex:
                after = after - adaptation[b, j] - spec.b
                adaptation = adaptation.index_put((b, j), adaptation[b, j] + spec.b)
            found.append((torch.full_like(b, k), b, j, by_v, by_i, after))
            h = h.clone()
            h[b, j] = 0.0
            if len(w_rec):
                at, within = _arriving(torch.full_like(b, k), d_rec[j], steps)
                _deliver(drive, at, within, b, w_rec[j])
        v = h
        current = current + drive[k]

    if not found:
        none, real = inputs.steps.new_empty(0), w_in.new_empty(0)
        return Spikes(none, none, torch.zeros_like(inputs.offsets), real, real, real, kept)
    step, b, j, *slopes = (torch.cat(parts) for parts in zip(*found, strict=True))
    order = torch.argsort(b, stable=True)
    counts = torch.bincount(b, minlength=batch)
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    by_v, by_i, after = (part[order] for part in slopes)
    return Spikes(step[order].int(), j[order].int(), offsets, by_v, by_i, after, kept)


def backward(
    spec: EventSpec,
    inputs: Inputs,
    synapses: Synapses,
    spikes: Spikes,
    g_counts: Tensor,
    g_times: Tensor,
) -> Gradients:
    """Propagate ``lam_v = dL/dv`` and ``lam_i = dL/dI`` from the last step to the first.

    Both refer to the state just after the events of a step. Where a spike arrives::

        dL/dw += lam_i
        dL/d(delay) += w (lam_i / tau_syn - lam_v)      also to dL/dt of the spike that was sent

    and where a neuron fires, v starts from the reset with the slope `after`::

        dL/dt += (b/tau_w + A threshold) lam_a - after lam_v
        lam_v = dL/dt dt/dv,   lam_i += dL/dt dt/dI   (AdEx: lam_a -= the same)

    The time t of a spike is where v crosses the threshold within the step (`_crossing`), and thus
    a function of the state at the start of the step. As dt shrinks, dt/dv approaches minus one over
    the slope of v at the crossing, the rule of the sources; on a coarse grid, the slope at the end
    of the step is a poor estimate of that at the crossing.

    Between events the step of `forward` is transposed. The spike count of a neuron has the
    surrogate derivative ``dt / (1 + k |v - threshold|)^2`` with respect to v before the reset
    (Zenke & Ganguli 2018).
    """
    w_in, d_in, w_rec, d_rec = synapses
    assert spikes.v is not None
    batch, steps, width = spikes.v.shape
    lam_i, lam_v, lam_a = (w_in.new_zeros(batch, width) for _ in range(3))
    # The gradients that an arrival in each step receives: for its weight, and for its time.
    by_weight, by_time = (w_in.new_empty(steps, batch, width) for _ in range(2))
    g_w_rec, g_d_rec = torch.zeros_like(w_rec), torch.zeros_like(w_rec)
    order = torch.argsort(spikes.steps, stable=True)
    bounds = torch.bincount(spikes.steps.long(), minlength=steps).cumsum(0).tolist()
    sample = _samples(spikes.offsets)
    drift = spec.b / spec.tau_w + spec.a * spec.threshold if spec.adex else 0.0
    unit = torch.arange(width, device=w_in.device)
    for k in reversed(range(steps)):
        by_weight[k] = lam_i
        by_time[k] = lam_i / spec.tau_syn - lam_v
        which = order[bounds[k - 1] if k else 0 : bounds[k]]
        if len(which):
            b, j = sample[which], spikes.units[which].long()
            g_t = g_times[which] + drift * lam_a[b, j]
            if len(w_rec):
                at, within = _arriving(spikes.steps[which], d_rec[j], steps)
                where = at, b.unsqueeze(1), unit
                pull = torch.where(within, by_time[where], 0.0)
                g_w_rec.index_add_(0, j, torch.where(within, by_weight[where], 0.0))
                g_d_rec.index_add_(0, j, pull)
                g_t = g_t + (w_rec[j] * pull).sum(1)
            g_t = g_t - spikes.after[which] * lam_v[b, j]
            lam_v[b, j] = 0.0  # the reset discards h
            crossed = b, j, spikes.by_v[which] * g_t, spikes.by_i[which] * g_t
        h = spikes.v[:, k]
        away = 1 + spec.surrogate * (h - spec.threshold).abs()
        lam_v = lam_v + g_counts[:, spec.time_bin(k)] * spec.dt / away**2
        start, lam_i = lam_v, spec.decay_syn * lam_i + spec.gain * lam_v
        lam_v = spec.decay * start
        if spec.adex:
            last = spikes.v[:, k - 1] if k else torch.zeros_like(h)
            v = torch.where(last >= spec.threshold, 0.0, last)
            lam_v = lam_v + spec.dt * (_upstroke(spec, v) / spec.delta_t * start + spec.a * lam_a)
            lam_a = spec.decay_w * lam_a - spec.dt * start
        if len(which):
            b, j, to_v, to_i = crossed
            lam_v[b, j] += to_v
            lam_i[b, j] += to_i
            if spec.adex:
                lam_a[b, j] -= to_i
        if spec.damping and k % DAMPED == 0:
            lam_v, lam_i, lam_a = (g / (1 + g.abs() / spec.damping) for g in (lam_v, lam_i, lam_a))

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

    counts: Tensor  #: ``[B, H]`` (or ``[B, time_bins, H]``) spikes; differentiable by a surrogate
    times: Tensor  #: ``[S]`` ms, in the order of `spikes`; exactly differentiable
    spikes: Events  #: the same spikes as a batch of lists


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, loops: EventLoops, spec: EventSpec, inputs: Inputs, *matrices: Tensor):
        w_in, d_in, w_rec, d_rec = matrices

        def steps(delays: Tensor, least: int) -> Tensor:
            return torch.round(delays / spec.dt).clamp(least, spec.n_steps).int()

        # Recurrent spikes arrive in the next step at the earliest: this step is already computed.
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
        assert spikes.v is not None
        if g_counts is None:
            batch, _, width = spikes.v.shape
            g_counts = spikes.v.new_zeros(batch, ctx.spec.time_bins, width)
        if g_times is None:
            g_times = spikes.v.new_zeros(len(spikes.steps))
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

    Delays are rounded to steps of ``neuron.dt``; their gradient ignores the rounding. No delay is
    truncated: a spike that would arrive after the last step is lost. Recurrent delays are at least
    one step.

    As dt shrinks, the gradient approaches the exact one of the network without a grid. It needs
    memory for T times the neurons and for the spikes, never for T times the synapses.

    Args:
        events: input spikes of n_in units in steps of ``neuron.dt`` (see `Events.on_grid`).
        w_in: weights ``[n_in, H]``, pre x post, in threshold units per ms.
        d_in: their delays ``[n_in, H]``, ms.
        w_rec: recurrent weights ``[H, H]``; None: no recurrent synapses.
        d_rec: their delays ``[H, H]``, ms.
        neuron: an `EventLIF` (default: ``EventLIF()``) or a `NormalisedAdExParams`.
        surrogate: slope k of ``1/(1 + k |v - threshold|)^2``, the surrogate derivative of spike
            *counts*; per ms, so that it does not depend on dt.
        damping: every 10 steps backward, ``g -> g / (1 + |g| / damping)``. It bounds the gradients
            of chaotic networks, but distorts them; 0: no damping, exact gradients.
        time_bins: number of equal parts of the time in which spikes are counted separately; with
            more than 1 (and at most T), `EventOutput.counts` is ``[B, time_bins, H]``.
        backend: "auto" uses the compiled loop; "eager" is the readable definition, on any device;
            "numba" (CPU) or "triton" (CUDA) requires that loop.

    Returns:
        `EventOutput`.

    Raises:
        ValueError: for shapes that do not match, a negative delay, a number that is not finite, or
            a backend that cannot run this.
        TypeError: for weights or delays that are not floating-point, or weights of two types.
        FloatingPointError: in the backward pass, for exploding gradients.

    Source: Wunderlich & Pehle 2021, Sci. Rep. 11:12829; with delays, Meszaros et al. 2025, Nat.
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
    check_backend(backend)
    if events.n_steps is None:
        raise ValueError("run_events: these events are in ms: events.on_grid(neuron.dt) first")
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
        raise ValueError(f"events have {events.n_units} units, but w_in {n_in} rows")
    heard_by = 0 if w_rec is None else width
    none = w_in.new_zeros(0, 0)
    w_rec, d_rec = (none, none) if w_rec is None or d_rec is None else (w_rec, d_rec)
    check_tensor("d_in", d_in, f"[n_in={n_in}, H={width}]")
    for name, matrix in (("w_rec", w_rec), ("d_rec", d_rec)):
        check_tensor(name, matrix, f"[H={heard_by}, H={heard_by}]")
    for name, matrix in (("w_in", w_in), ("w_rec", w_rec)):
        check_values(name, matrix)
    for name, matrix in (("d_in", d_in), ("d_rec", d_rec)):
        check_values(name, matrix, "ms", at_least=0)
    if w_rec.dtype != w_in.dtype:
        raise TypeError(f"w_rec is {w_rec.dtype}, but w_in {w_in.dtype}")
    matrices = (w_in, d_in.to(w_in.dtype), w_rec, d_rec.to(w_in.dtype))
    if not torch.is_grad_enabled():  # nothing is saved for backward then
        matrices = tuple(matrix.detach() for matrix in matrices)
    loops = choose(backend, "run_events", matrices, family="event")
    device = w_in.device
    inputs = Inputs(*(x.to(device) for x in (events.times, events.units, events.offsets)))
    spec = event_spec(neuron, events.n_steps, surrogate, damping, int(time_bins))
    results = _Run.apply(loops or event_driven, spec, inputs, *matrices)
    counts, times, steps, units, offsets = results  # type: ignore[misc]
    spikes = Events(steps, units, offsets, (width,), events.n_steps)
    return EventOutput(counts if time_bins > 1 else counts.squeeze(1), times, spikes)
