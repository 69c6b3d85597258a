"""The recurrent network with delays on a GPU: the loops of `event_numba.py`, written for Triton.

The definition is in `jarvis.spatial.event_driven`; this module implements its equations. The loops
are copied below the neuron's functions, which `event_program` generates. One program runs one
sample through time, in either direction, with the state of all neurons in registers. The neurons
that fire in a step are collected in a list, over which the program loops. Delivering input spikes
and summing the gradients of synapses do not depend on temporal order: see
`event_synapses_triton.py`.

On a machine without a GPU, the loops run in Triton's interpreter (``TRITON_INTERPRET=1``), which is
slow and meant for tests.
"""

# Inside a kernel, names refer to Triton blocks, which pyright does not know:
# pyright: reportAttributeAccessIssue=false, reportArgumentType=false
# pyright: reportOperatorIssue=false, reportGeneralTypeIssues=false

from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from jarvis.kernels.event_parts import advance, guess, slope, transposed, unpack, within
from jarvis.kernels.event_program import EventProgram, program
from jarvis.kernels.event_spec import (
    DAMPED,
    NEWTON,
    EventSpec,
    Gradients,
    Inputs,
    Spikes,
    Synapses,
)
from jarvis.kernels.event_synapses_triton import collect, deliver, launch

_TYPES = (torch.float32, torch.float64)


@lru_cache(maxsize=256)
def _in_memory(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """The values as a tensor, since Triton would pass a Python float as float32."""
    return torch.tensor(values, dtype=dtype, device=device)


def _neuron(spec: EventSpec) -> EventProgram:
    return program(spec.model, spec.params, "triton", __name__)


def _all_of(width: int) -> int:
    """The number of lanes for all neurons: at least a full warp, so that each thread has a lane."""
    return max(triton.next_power_of_2(width), 32)


def forward(spec: EventSpec, inputs: Inputs, synapses: Synapses, keep: bool) -> Spikes:
    """See `event_spec.EventLoops`."""
    w_in, d_in, w_rec, d_rec = (matrix.detach().contiguous() for matrix in synapses)
    width, batch, device = w_in.shape[1], len(inputs.offsets) - 1, w_in.device
    n_steps, shape = spec.n_steps, (batch, spec.n_steps, width)
    neuron = _neuron(spec)
    values, constants = (
        _in_memory(numbers, w_in.dtype, device) for numbers in (neuron.numbers, spec.constants)
    )
    counts = torch.zeros(batch, dtype=torch.int32, device=device)
    now = torch.empty(batch, width, dtype=torch.int32, device=device)
    rows = 3 if neuron.remembers else 1
    history = w_in.new_empty(batch, n_steps, rows, width) if keep else values
    # Room for a spike of every neuron in every step would take four times the memory of the
    # potentials. So there is room for a sixteenth of these spikes; if that is not enough, the loop
    # runs again.
    room = min(n_steps * width, max(4 * width, n_steps * width // 16))
    while True:
        steps, units = (torch.empty(batch, room, dtype=torch.int32, device=device) for _ in "su")
        by, after = w_in.new_empty(len(spec.start), batch, room), w_in.new_empty(batch, room)
        drive = w_in.new_zeros(shape)
        deliver(inputs, w_in, d_in, drive)
        launch(
            neuron.names["_forward_loop"], (batch,),
            w_rec if len(w_rec) else values, d_rec if len(w_rec) else now, values, constants,
            drive, history, now, steps, units, by, after, counts, n_steps, width, room,
            ADAPTS=spec.adapts, REMEMBERS=neuron.remembers, KEEP=keep, RECURRENT=len(w_rec) > 0,
            BLOCK=_all_of(width),
        )  # fmt: skip
        most = int(counts.max()) if batch else 0
        if most <= room:
            break
        room = most
    listed = torch.arange(room, device=device) < counts.unsqueeze(1)
    offsets = torch.cat([counts.new_zeros(1, dtype=torch.int64), counts.cumsum(0)])
    kept = history if keep else None
    return Spikes(steps[listed], units[listed], offsets, by[:, listed], after[listed], kept)


def backward(
    spec: EventSpec,
    inputs: Inputs,
    synapses: Synapses,
    spikes: Spikes,
    g_counts: Tensor,
    g_times: Tensor,
) -> Gradients:
    """See `event_spec.EventLoops`."""
    assert spikes.history is not None
    w_in, d_in, w_rec, d_rec = (matrix.detach().contiguous() for matrix in synapses)
    batch, n_steps, _, width = spikes.history.shape
    recurrent = len(w_rec) > 0
    neuron = _neuron(spec)
    values, constants = (
        _in_memory(numbers, w_in.dtype, w_in.device) for numbers in (neuron.numbers, spec.constants)
    )
    by_weight, by_time = (w_in.new_empty(batch, n_steps, width) for _ in "wt")
    launch(
        neuron.names["_backward_loop"], (batch,),
        w_rec if recurrent else values, d_rec if recurrent else spikes.units, values, constants,
        spikes.history, *spikes[:3], spikes.by.contiguous(), spikes.after, g_counts.contiguous(),
        g_times.contiguous(), by_weight, by_time, n_steps, width, spec.time_bins, len(spikes.steps),
        ADAPTS=spec.adapts, REMEMBERS=neuron.remembers, DAMP=spec.damping > 0,
        RECURRENT=recurrent, BLOCK=_all_of(width),
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


# -- copied behind the generated functions

_NOT_SPECIALISED = ["n_steps", "width", "room"]


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
def _forward_loop(
    w_rec, d_rec, values, constants, drive, history, now, steps, units, by, after, counts,
    n_steps, width, room,
    ADAPTS: tl.constexpr, REMEMBERS: tl.constexpr, KEEP: tl.constexpr, RECURRENT: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Run a sample through time. `now` lists the neurons that fire in the current step.

    The lists of spikes have room for `room` entries; further spikes are counted, but not stored.
    """
    sample = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, BLOCK)
    here = lane < width
    u = unpack(values)
    dt, threshold, flat = tl.load(constants), tl.load(constants + 1), tl.load(constants + 8)
    w0, jump = tl.load(constants + 2), tl.load(constants + 3)
    kinds = 3 if REMEMBERS else 1  # rows of the history per step
    drive += sample * n_steps * width
    history += sample * n_steps * kinds * width
    now += sample * width
    room_at = sample * room
    every = tl.num_programs(0).to(tl.int64) * room  # stride of `by` from variable to variable
    v = tl.zeros([BLOCK], w_rec.dtype.element_ty)
    current = v
    adaptation = v + w0
    row = lane.to(tl.int64)
    n = 0
    for k in range(n_steps):
        h, next_current, next_adaptation = advance(u, v, current, adaptation)
        if KEEP:
            tl.store(history + lane, h, here)
            if REMEMBERS:
                tl.store(history + width + lane, current, here)
                tl.store(history + 2 * width + lane, adaptation, here)
            history += kinds * width
        fires = (h >= threshold) & here
        spike = fires.to(tl.int32)
        firing = tl.sum(spike)
        if firing > 0:
            # The derivatives of the time at which the threshold is crossed; see `_crossing`.
            zero = 0.0 * v
            start, _, _, _, _ = within(u, zero, v, current, adaptation)
            end, _, _, _, _ = within(u, zero + dt, v, current, adaptation)
            mean = tl.where(fires, (end - start) / dt, 1.0)
            x = guess(u, v, current, adaptation)
            x = tl.minimum(tl.maximum(tl.where(fires, x, 0.0), 0.0), dt)
            for _ in tl.static_range(NEWTON):
                level, rise, _, _, _ = within(u, x, v, current, adaptation)
                x = x - level / tl.maximum(rise, flat * mean)
                x = tl.minimum(tl.maximum(tl.where(fires, x, 0.0), 0.0), dt)
            _, rise, slope_v, slope_i, slope_w = within(u, x, v, current, adaptation)
            rise = tl.maximum(rise, flat * mean)
            if ADAPTS:
                next_adaptation = tl.where(fires, next_adaptation + jump, next_adaptation)
            slope_after = slope(u, zero, next_current, next_adaptation)
            place = tl.cumsum(spike, 0) - 1
            listed = fires & (n + place < room)
            to = room_at + n + place
            tl.store(steps + to, tl.full([BLOCK], k, tl.int32), listed)
            tl.store(units + to, lane, listed)
            tl.store(by + to, -slope_v / rise, listed)
            tl.store(by + every + to, -slope_i / rise, listed)
            if ADAPTS:
                tl.store(by + 2 * every + to, -slope_w / rise, listed)
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
                tl.debug_barrier()  # a sum may be read by a thread that did not write it
        v = tl.where(fires, 0.0, h)
        current = next_current + tl.load(drive + row, here, 0.0)
        adaptation = next_adaptation
        row += width
    tl.store(counts + sample, n)


@triton.jit(do_not_specialize=[*_NOT_SPECIALISED, "time_bins", "n_spikes"])
def _backward_loop(
    w_rec, d_rec, values, constants, history, steps, units, offsets, by, after, g_counts, g_times,
    by_weight, by_time, n_steps, width, time_bins, n_spikes,
    ADAPTS: tl.constexpr, REMEMBERS: tl.constexpr, DAMP: tl.constexpr, RECURRENT: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """Compute, backward in time, the gradients for an arrival in each step of a sample."""
    sample = tl.program_id(0).to(tl.int64)
    lane = tl.arange(0, BLOCK)
    here = lane < width
    u = unpack(values)
    dt, threshold, drift = tl.load(constants), tl.load(constants + 1), tl.load(constants + 4)
    per_syn, surrogate, damping = (
        tl.load(constants + 5), tl.load(constants + 6), tl.load(constants + 7)
    )  # fmt: skip
    kinds = 3 if REMEMBERS else 1  # rows of the history per step
    first = tl.load(offsets + sample)
    s = tl.load(offsets + sample + 1) - 1
    spiked = tl.load(steps + s, s >= first, -1)  # the step of spike s
    history += (sample + 1) * n_steps * kinds * width  # move to the sample's last step
    history -= kinds * width
    by_weight += sample * n_steps * width
    by_time += sample * n_steps * width
    g_counts += sample * time_bins * width + lane
    lam_v = tl.zeros([BLOCK], w_rec.dtype.element_ty)
    lam_i, lam_a = lam_v, lam_v
    row = (n_steps - 1).to(tl.int64) * width + lane
    h = tl.load(history + lane, here, 0.0)
    for back in range(n_steps):
        k = n_steps - 1 - back
        tl.store(by_weight + row, lam_i, here)
        tl.store(by_time + row, per_syn * lam_i - lam_v, here)
        if spiked == k:
            tl.debug_barrier()  # the rows of later steps are visible to all threads
        to_v, to_i, to_a = 0.0 * lam_v, 0.0 * lam_v, 0.0 * lam_v  # gradients through spike times
        while spiked == k:
            j = tl.load(units + s)
            g = tl.load(g_times + s)
            if ADAPTS:
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
            to_v = tl.where(lane == j, tl.load(by + s) * g, to_v)
            to_i = tl.where(lane == j, tl.load(by + n_spikes + s) * g, to_i)
            if ADAPTS:
                to_a = tl.where(lane == j, tl.load(by + 2 * n_spikes + s) * g, to_a)
            s -= 1
            spiked = tl.load(steps + s, s >= first, -1)
        away = 1.0 + surrogate * tl.abs(h - threshold)
        pull = tl.load(g_counts + k * time_bins // n_steps * width, here, 0.0) * dt
        start = lam_v + pull / (away * away)
        i_before, w_before = 0.0 * lam_v, 0.0 * lam_v  # read only if the neuron remembers them
        if REMEMBERS:
            i_before = tl.load(history + width + lane, here, 0.0)
            w_before = tl.load(history + 2 * width + lane, here, 0.0)
        row -= width
        history -= kinds * width
        h = tl.load(history + lane, here & (row >= 0), 0.0)  # potentials of the previous step
        v = tl.where(h >= threshold, 0.0, h)
        lam_v, lam_i, lam_a = transposed(u, v, i_before, w_before, start, lam_i, lam_a)
        lam_v += to_v
        lam_i += to_i
        if ADAPTS:
            lam_a += to_a
        if DAMP:  # noqa: SIM102, DAMP is known at compile time
            if k % DAMPED == 0:
                lam_v = lam_v / (1.0 + tl.abs(lam_v) / damping)
                lam_i = lam_i / (1.0 + tl.abs(lam_i) / damping)
                lam_a = lam_a / (1.0 + tl.abs(lam_a) / damping)
