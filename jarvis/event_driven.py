"""A recurrent network with delays on a grid of time, and its exact gradient: the definition.

Between events the state follows its equation; an event (a threshold reached, a spike's arrival)
makes it jump. The gradient follows the same events backward in time: the adjoint method for
spiking neurons, EventProp. Nothing is smoothed: a spike's time is a differentiable function of
weights and delays, and this computes its derivative. A surrogate enters where spikes are *counted*.

`forward` and `backward` are written to be read; `kernels/event_numba.py` is what runs on a CPU.

Sources: Wunderlich & Pehle 2021, Sci. Rep. 11:12829 (the adjoint); Meszaros, Knight & Nowotny
2025, Nat. Commun. 16 (with delays); Landsmeer et al. 2025, arXiv:2512.10011 (models, scaling).
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from jarvis.adex import NormalisedAdExParams
from jarvis.kernels.event_spec import (
    DAMPED,
    FLAT,
    NEWTON,
    EventSpec,
    Gradients,
    Inputs,
    Spikes,
    Synapses,
)

_EVENTS = 4096  # whose synapses are looked at in one go


@dataclass(frozen=True)
class EventLIF:
    """The leaky integrate-and-fire neuron of the event-driven networks.

    ``dv/dt = -v/tau + I``, ``dI/dt = -I/tau_syn``; a spike that arrives with weight w adds w to I;
    where v reaches the threshold it fires and v starts again from 0. No refractory time. This is
    the scaling of its source: I is in threshold units per ms.

    Args:
        tau: membrane time constant, ms.
        tau_syn: synaptic time constant, ms.
        dt: step of the grid, ms.
        threshold: potential at which the neuron fires.
        integrator: "exact" solves the equations over a step; "euler" gives v the current of the
            step's beginning for all of it, ``v+ = exp(-dt/tau) v + dt I``, as the source does.

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
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name}={value!r} must be positive and finite")
        shortest = min(self.tau, self.tau_syn)
        if self.dt > 20 * shortest:
            raise ValueError(
                f"dt={self.dt:g} ms is too large: nothing is left after a step of a time constant "
                f"of {shortest:g} ms; take dt below it"
            )
        if self.integrator not in ("exact", "euler"):
            raise ValueError(f"integrator={self.integrator!r} is not one of exact, euler")


EventNeuron = EventLIF | NormalisedAdExParams


def event_spec(
    neuron: EventNeuron,
    n_steps: int,
    surrogate: float = 1.0,
    damping: float = 0.0,
    windows: int = 1,
) -> EventSpec:
    """The constants of a run of `n_steps` steps.

    Raises:
        ValueError: for an exponential that overflows.
    """
    dt, tau, tau_syn = neuron.dt, float(neuron.tau), float(neuron.tau_syn)
    decay, decay_syn = math.exp(-dt / tau), math.exp(-dt / tau_syn)
    base: dict[str, Any] = dict(
        n_steps=n_steps, dt=dt, decay=decay, decay_syn=decay_syn, gain=dt, tau_mem=tau,
        tau_syn=tau_syn, threshold=float(neuron.threshold), surrogate=surrogate, damping=damping,
        windows=windows,
    )  # fmt: skip
    if isinstance(neuron, EventLIF):
        if neuron.integrator == "exact":
            rate = 1 / tau_syn - 1 / tau
            # (decay - decay_syn) / rate, written so that equal time constants are no exception
            base["gain"] = decay_syn * (math.expm1(rate * dt) / rate if rate else dt)
            base["exact"] = True
        return EventSpec(**base)
    steepest = (neuron.threshold - neuron.v_t) / neuron.delta_t
    if steepest > 80:  # exp() in float32 ends at 88
        raise ValueError(
            f"delta_t={neuron.delta_t!r} makes the exponential exp({steepest:.3g}) at the "
            "threshold: take a larger delta_t, or a threshold nearer to v_t"
        )
    return EventSpec(
        **base, adex=True, decay_w=math.exp(-dt / neuron.tau_w), tau_w=neuron.tau_w, a=neuron.a,
        b=neuron.b, delta_t=neuron.delta_t, v_t=neuron.v_t, w0=neuron.w0,
    )  # fmt: skip


def _upswing(spec: EventSpec, v: Tensor) -> Tensor:
    """What the exponential of AdEx adds to the slope of v."""
    return spec.delta_t * torch.exp((v - spec.v_t) / spec.delta_t)


def _crossing(
    spec: EventSpec, v: Tensor, h: Tensor, current: Tensor, adaptation: Tensor
) -> tuple[Tensor, Tensor]:
    """The derivative of a spike's time with respect to v and I at the start of its step.

    A step of any length x <= dt, taken by the rule of `forward`, gives a path ``v(x)``; Newton's
    method finds where it meets the threshold. All arguments ``[n]``; h is v(dt).
    """
    drive, up = current, torch.zeros_like(v)
    if spec.adex:
        up = _upswing(spec, v)
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
    """When spikes of `steps` [E] arrive over `delays` [E, H], and whether that is within T."""
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
    """Run the network from rest, all samples at once. In each step, in this order::

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
            h = h + spec.dt * (_upswing(spec, v) - adaptation)
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
    """Follow ``lam_v = dL/dv`` and ``lam_i = dL/dI`` from the last step to the first.

    Both are taken just after a step's events. Where a spike arrives::

        dL/dw += lam_i
        dL/d(delay) += w (lam_i / tau_syn - lam_v)      also to dL/dt of the spike that was sent

    and where a neuron fires, its v starts again with the slope `after`, whenever that is::

        dL/dt += (b/tau_w + A threshold) lam_a - after lam_v
        lam_v = dL/dt dt/dv,   lam_i += dL/dt dt/dI   (AdEx: lam_a -= the same)

    The time t of a spike is where v meets the threshold within the step (`_crossing`), and so
    a function of the state at the step's start. With the slope of v at the crossing, dt/dv is minus
    one over it as dt shrinks, the rule of the sources; at the step's end, on a coarse grid, that
    slope says little of the crossing.

    Between them the step of `forward` is transposed. The count of a neuron's spikes pulls at v by
    the surrogate ``dt / (1 + k |v - threshold|)^2`` (Zenke & Ganguli 2018), v before the reset.
    """
    w_in, d_in, w_rec, d_rec = synapses
    assert spikes.v is not None
    batch, steps, width = spikes.v.shape
    lam_i, lam_v, lam_a = (w_in.new_zeros(batch, width) for _ in range(3))
    # What an arrival of each step would find: for its weight, and for its time.
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
            lam_v[b, j] = 0.0  # h is gone with the reset
            crossed = b, j, spikes.by_v[which] * g_t, spikes.by_i[which] * g_t
        h = spikes.v[:, k]
        away = 1 + spec.surrogate * (h - spec.threshold).abs()
        lam_v = lam_v + g_counts[:, spec.window(k)] * spec.dt / away**2
        start, lam_i = lam_v, spec.decay_syn * lam_i + spec.gain * lam_v
        lam_v = spec.decay * start
        if spec.adex:
            last = spikes.v[:, k - 1] if k else torch.zeros_like(h)
            v = torch.where(last >= spec.threshold, 0.0, last)
            lam_v = lam_v + spec.dt * (_upswing(spec, v) / spec.delta_t * start + spec.a * lam_a)
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
