"""The recurrent network with delays on a GPU: the loops of `event_numba.py`, written for Triton.

It implements the equations of `jarvis.spatial.event_driven`, the definition. One program runs one
sample through time, forward or backward, with the state of all neurons in registers. The neurons
that fire in a step are compacted into a list, over which the program loops. The delivery of input
spikes and the gradients of synapses do not depend on temporal order: see
`event_synapses_triton.py`.

On a machine without a GPU the loops run in Triton's interpreter (``TRITON_INTERPRET=1``), slowly:
for tests.
"""

# Inside a kernel, names refer to Triton blocks, which pyright does not know:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOperatorIssue=false, reportGeneralTypeIssues=false

from functools import cache

import torch
import triton
import triton.language as tl
from torch import Tensor

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
from jarvis.kernels.event_synapses_triton import collect, deliver, launch

_TYPES = (torch.float32, torch.float64)

_DAMPED, _NEWTON = tl.constexpr(DAMPED), tl.constexpr(NEWTON)

_NOT_SPECIALISED = ["n_steps", "width", "room"]


@triton.jit
def _gain(x, rate, left, left_syn):
    """(left - left_syn) / rate for x >= 0, where both are the decays over x; x if rate is 0.

    Near 0 the difference loses precision; the series of ``x sqrt(left left_syn) sinh(y) / y`` with
    ``y = rate x / 2`` does not.
    """
    y = 0.5 * rate * x
    z = y * y
    series = 1.0 + z / 6.0 * (
        1.0 + z / 20.0 * (1.0 + z / 42.0 * (1.0 + z / 72.0 * (1.0 + z / 110.0)))
    )
    near = x * tl.sqrt(left * left_syn) * series
    away = tl.abs(y) > 0.25
    return tl.where(away, (left - left_syn) / tl.where(away, rate, 1.0), near)


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
def _forward_loop(
    w_rec, d_rec, values, drive, history, now, steps, units, by_v, by_i, after, counts,
    n_steps, width, room,
    ADEX: tl.constexpr, EXACT: tl.constexpr, KEEP: tl.constexpr, RECURRENT: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Run a sample through time. `now` is its list of the neurons that fire in a step.

    The lists of its spikes have a capacity of `room`; spikes beyond it are counted, but not stored.
    """
    sample = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, BLOCK)
    here = lane < width
    dt, decay, decay_syn, gain = (
        tl.load(values), tl.load(values + 1), tl.load(values + 2), tl.load(values + 3)
    )  # fmt: skip
    threshold, tau_mem, tau_syn = tl.load(values + 4), tl.load(values + 5), tl.load(values + 6)
    falling, decay_w, growth = tl.load(values + 7), tl.load(values + 8), tl.load(values + 9)
    jump, delta_t, v_t = tl.load(values + 10), tl.load(values + 11), tl.load(values + 12)
    w0, rate, flat = tl.load(values + 13), tl.load(values + 17), tl.load(values + 18)
    drive += sample * n_steps * width
    history += sample * n_steps * width
    now += sample * width
    room_at = sample * room
    v = tl.zeros([BLOCK], w_rec.dtype.element_ty)
    current = v
    adaptation = v + w0
    row = lane.to(tl.int64)
    n = 0
    for k in range(n_steps):
        h = decay * v + gain * current
        old, up = current, 0.0 * v  # the drive of v, and its derivative with respect to v
        current = decay_syn * current
        if ADEX:
            up = tl.exp((v - v_t) / delta_t)
            h = h + dt * (delta_t * up - adaptation)
            old = old + delta_t * up - adaptation
            adaptation = decay_w * adaptation + growth * v
        if KEEP:
            tl.store(history + row, h, here)
        fires = (h >= threshold) & here
        spike = fires.to(tl.int32)
        firing = tl.sum(spike)
        if firing > 0:
            # The derivative of the time at which v crosses the threshold; see `_crossing`.
            mean = tl.where(fires, (h - v) / dt, 1.0)
            x = (threshold - v) / mean
            dt_dv, dt_di = x, x
            for last in tl.static_range(_NEWTON + 1):
                left, left_syn = tl.exp(-x / tau_mem), tl.exp(-x / tau_syn)
                if EXACT:
                    gained = _gain(x, rate, left, left_syn)
                    slope = old * left_syn - (left * v + gained * old) / tau_mem
                else:
                    gained = x
                    slope = old - left * v / tau_mem
                slope = tl.maximum(slope, flat * mean)
                if last < _NEWTON:
                    x = x - (left * v + gained * old - threshold) / slope
                    x = tl.minimum(tl.maximum(x, 0.0), dt)
                else:
                    dt_dv = -(left + x * up) / slope
                    dt_di = -gained / slope
            slope_after = current + falling
            if ADEX:
                slope_after = slope_after - adaptation - jump
                adaptation = tl.where(fires, adaptation + jump, adaptation)
            place = tl.cumsum(spike, 0) - 1
            listed = fires & (n + place < room)
            to = room_at + n + place
            tl.store(steps + to, tl.full([BLOCK], k, tl.int32), listed)
            tl.store(units + to, lane, listed)
            tl.store(by_v + to, dt_dv, listed)
            tl.store(by_i + to, dt_di, listed)
            tl.store(after + to, slope_after, listed)
            n += firing
            if RECURRENT:
                tl.store(now + place, lane, fires)
                tl.debug_barrier()  # the list is complete before any thread reads it
                for s in range(firing):
                    sent = tl.load(now + s).to(tl.int64) * width + lane
                    at = k + tl.load(d_rec + sent, here, 0)
                    arrives = here & (at < n_steps)
                    tl.atomic_add(
                        drive + at.to(tl.int64) * width + lane,
                        tl.load(w_rec + sent, here, 0.0),
                        arrives,
                        sem="relaxed",
                    )
                tl.debug_barrier()  # the threads that add and those that read may differ
        v = tl.where(fires, 0.0, h)
        current = current + tl.load(drive + row, here, 0.0)
        row += width
    tl.store(counts + sample, n)


@triton.jit(do_not_specialize=[*_NOT_SPECIALISED, "time_bins"])
def _backward_loop(
    w_rec, d_rec, values, history, steps, units, offsets, by_v, by_i, after, g_counts, g_times,
    by_weight, by_time, n_steps, width, time_bins,
    ADEX: tl.constexpr, DAMP: tl.constexpr, RECURRENT: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Run a sample from its last step to its first: the gradients for an arrival in each step."""
    sample = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, BLOCK)
    here = lane < width
    dt, decay, decay_syn, gain = (
        tl.load(values), tl.load(values + 1), tl.load(values + 2), tl.load(values + 3)
    )  # fmt: skip
    threshold, decay_w, growth = tl.load(values + 4), tl.load(values + 8), tl.load(values + 9)
    delta_t, v_t = tl.load(values + 11), tl.load(values + 12)
    tau_syn, drift = tl.load(values + 6), tl.load(values + 14)
    surrogate, damping = tl.load(values + 15), tl.load(values + 16)
    first = tl.load(offsets + sample)
    s = tl.load(offsets + sample + 1) - 1
    spiked = tl.load(steps + s, s >= first, -1)  # the step of spike s
    history += sample * n_steps * width
    by_weight += sample * n_steps * width
    by_time += sample * n_steps * width
    g_counts += sample * time_bins * width + lane
    lam_v = tl.zeros([BLOCK], w_rec.dtype.element_ty)
    lam_i, lam_a = lam_v, lam_v
    row = (n_steps - 1).to(tl.int64) * width + lane
    h = tl.load(history + row, here, 0.0)
    for back in range(n_steps):
        k = n_steps - 1 - back
        tl.store(by_weight + row, lam_i, here)
        tl.store(by_time + row, lam_i / tau_syn - lam_v, here)
        if spiked == k:
            tl.debug_barrier()  # the rows of later steps are visible to all threads
        to_v, to_i = 0.0 * lam_v, 0.0 * lam_v  # gradients through spike times
        while spiked == k:
            j = tl.load(units + s)
            g = tl.load(g_times + s)
            if ADEX:
                g += drift * tl.sum(tl.where(lane == j, lam_a, 0.0))
            if RECURRENT:
                sent = j.to(tl.int64) * width + lane
                at = k + tl.load(d_rec + sent, here, 0)
                found = tl.load(
                    by_time + at.to(tl.int64) * width + lane, here & (at < n_steps), 0.0
                )
                g += tl.sum(tl.load(w_rec + sent, here, 0.0) * found)
            g -= tl.load(after + s) * tl.sum(tl.where(lane == j, lam_v, 0.0))
            lam_v = tl.where(lane == j, 0.0, lam_v)
            to_v = tl.where(lane == j, tl.load(by_v + s) * g, to_v)
            to_i = tl.where(lane == j, tl.load(by_i + s) * g, to_i)
            s -= 1
            spiked = tl.load(steps + s, s >= first, -1)
        away = 1.0 + surrogate * tl.abs(h - threshold)
        pull = tl.load(g_counts + k * time_bins // n_steps * width, here, 0.0) * dt
        start = lam_v + pull / (away * away)
        lam_i = decay_syn * lam_i + gain * start
        lam_v = decay * start
        row -= width
        h = tl.load(history + row, here & (row >= 0), 0.0)  # of the previous step
        if ADEX:
            v = tl.where(h >= threshold, 0.0, h)
            lam_v += dt * tl.exp((v - v_t) / delta_t) * start + growth * lam_a
            lam_a = decay_w * lam_a - dt * start - to_i
        lam_v += to_v
        lam_i += to_i
        if DAMP:  # noqa: SIM102, the first is known when this is compiled
            if k % _DAMPED == 0:
                lam_v = lam_v / (1.0 + tl.abs(lam_v) / damping)
                lam_i = lam_i / (1.0 + tl.abs(lam_i) / damping)
                lam_a = lam_a / (1.0 + tl.abs(lam_a) / damping)


@cache
def _values(spec: EventSpec, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The numbers in memory, since Triton would pass a Python float as float32."""
    drift = spec.b / spec.tau_w + spec.a * spec.threshold if spec.adex else 0.0
    return torch.tensor(
        [spec.dt, spec.decay, spec.decay_syn, spec.gain, spec.threshold, spec.tau_mem, spec.tau_syn,
         spec.falling, spec.decay_w, spec.dt * spec.a, spec.b, spec.delta_t, spec.v_t, spec.w0,
         drift, spec.surrogate, spec.damping, 1 / spec.tau_syn - 1 / spec.tau_mem, FLAT],
        dtype=dtype, device=device,
    )  # fmt: skip


def _all_of(width: int) -> int:
    """Lanes of a program that holds all neurons: whole warps, so that no two threads share one."""
    return max(triton.next_power_of_2(width), 32)


def forward(spec: EventSpec, inputs: Inputs, synapses: Synapses, keep: bool) -> Spikes:
    """See `event_spec.EventLoops`."""
    w_in, d_in, w_rec, d_rec = (matrix.detach().contiguous() for matrix in synapses)
    width, batch, device = w_in.shape[1], len(inputs.offsets) - 1, w_in.device
    n_steps, shape = spec.n_steps, (batch, spec.n_steps, width)
    values = _values(spec, w_in.dtype, device)
    counts = torch.zeros(batch, dtype=torch.int32, device=device)
    now = torch.empty(batch, width, dtype=torch.int32, device=device)
    history = w_in.new_empty(shape) if keep else values
    # Room for a spike of every neuron in every step would take four times the memory of the
    # potentials, so there is room for one in 16, and a second run if that is not enough.
    room = min(n_steps * width, max(4 * width, n_steps * width // 16))
    while True:
        steps, units = (torch.empty(batch, room, dtype=torch.int32, device=device) for _ in "su")
        slopes = tuple(w_in.new_empty(batch, room) for _ in range(3))
        drive = w_in.new_zeros(shape)
        deliver(inputs, w_in, d_in, drive)
        launch(
            _forward_loop, (batch,),
            w_rec if len(w_rec) else values, d_rec if len(w_rec) else now, values, drive, history,
            now, steps, units, *slopes, counts, n_steps, width, room,
            ADEX=spec.adex, EXACT=spec.exact, KEEP=keep, RECURRENT=len(w_rec) > 0,
            BLOCK=_all_of(width),
        )  # fmt: skip
        most = int(counts.max()) if batch else 0
        if most <= room:
            break
        room = most
    listed = torch.arange(room, device=device) < counts.unsqueeze(1)
    offsets = torch.cat([counts.new_zeros(1, dtype=torch.int64), counts.cumsum(0)])
    by_v, by_i, after = (part[listed] for part in slopes)
    kept = history if keep else None
    return Spikes(steps[listed], units[listed], offsets, by_v, by_i, after, kept)


def backward(
    spec: EventSpec,
    inputs: Inputs,
    synapses: Synapses,
    spikes: Spikes,
    g_counts: Tensor,
    g_times: Tensor,
) -> Gradients:
    """See `event_spec.EventLoops`."""
    assert spikes.v is not None
    w_in, d_in, w_rec, d_rec = (matrix.detach().contiguous() for matrix in synapses)
    batch, n_steps, width = spikes.v.shape
    recurrent = len(w_rec) > 0
    values = _values(spec, w_in.dtype, w_in.device)
    by_weight, by_time = (torch.empty_like(spikes.v) for _ in "wt")
    launch(
        _backward_loop, (batch,),
        w_rec if recurrent else values, d_rec if recurrent else spikes.units, values, spikes.v,
        *spikes[:6], g_counts.contiguous(), g_times.contiguous(), by_weight, by_time, n_steps,
        width, spec.time_bins, ADEX=spec.adex, DAMP=spec.damping > 0, RECURRENT=recurrent,
        BLOCK=_all_of(width),
    )  # fmt: skip
    g_w_in, g_d_in = collect(*inputs, d_in, by_weight, by_time)
    g_w_rec, g_d_rec = collect(*spikes[:3], d_rec, by_weight, by_time)
    return Gradients(g_w_in, g_d_in * w_in, g_w_rec, g_d_rec * w_rec)


def unsupported_reason(x: Tensor) -> str | None:
    """Why these loops cannot run on weights like `x`, in words; None if they can."""
    interpreted = not isinstance(_forward_loop, triton.runtime.JITFunction)
    if not (x.is_cuda or (interpreted and x.device.type == "cpu")):
        return f"the Triton loops run on CUDA, but the weights are on {x.device}"
    if x.dtype not in _TYPES:
        return f"the Triton loops run in float32 and float64, but the weights are {x.dtype}"
    return None
