"""The recurrent network with delays on the CPU, forward and backward, sample by sample.

The loops of `event_loops.py` implement the equations of `jarvis.spatial.event_driven`, the
definition; this module distributes samples over threads and combines their results.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from jarvis.kernels.cpu import over_lanes
from jarvis.kernels.event_loops import (
    GROUP,
    TYPES,
    backward_loop,
    forward_loop,
    kernel,
    sort_by_channel,
)
from jarvis.kernels.event_spec import EventSpec, Gradients, Inputs, Spikes, Synapses
from jarvis.kernels.memory import empty, flat


def _values(spec: EventSpec, dtype: type) -> np.ndarray:
    return np.array(
        [spec.dt, spec.decay, spec.decay_syn, spec.gain, spec.threshold,
         spec.decay_w, spec.dt * spec.a, spec.b, spec.delta_t, spec.v_t, spec.w0, 1 / spec.tau_syn,
         spec.tau_mem, spec.tau_syn],
        dtype,
    )  # fmt: skip


def _unsigned(x: Tensor) -> np.ndarray:
    return flat(x.int()).view(np.uint32)


class _Problem(NamedTuple):
    """Arrays that both directions need."""

    steps: np.ndarray  # of input spikes, by sample and channel
    starts: np.ndarray  # [B, n_in + 1]: start of each channel within the steps of a sample
    offsets: np.ndarray
    d_in: np.ndarray  # post x pre: the synapses of a neuron are contiguous
    w_rec: np.ndarray
    d_rec: np.ndarray
    values: np.ndarray
    sizes: np.ndarray
    rows: int  # number of steps plus the longest recurrent delay


def _problem(spec: EventSpec, inputs: Inputs, synapses: Synapses) -> _Problem:
    n_in, width = synapses.w_in.shape
    longest_in, longest = (int(d.max()) if d.numel() else 0 for d in synapses[1::2])
    length = spec.n_steps + longest_in
    heard_by = len(synapses.w_rec)
    sizes = np.array([spec.n_steps, width, n_in, length, heard_by, spec.time_bins], np.int64)
    in_time, units = _unsigned(inputs.steps), _unsigned(inputs.units)
    offsets = flat(inputs.offsets.long())
    batch, steps = len(offsets) - 1, np.empty_like(in_time)
    starts, sort = np.empty((batch, n_in + 1), np.uint32), sort_by_channel()

    def share(low: int, high: int) -> None:
        sort(in_time, units, offsets, n_in, low, high, steps, starts.reshape(-1))

    over_lanes(share, batch, len(steps) // max(1, batch), 1)
    return _Problem(
        steps,
        starts,
        offsets,
        _unsigned(synapses.d_in.t()),
        flat(synapses.w_rec),
        _unsigned(synapses.d_rec),
        _values(spec, TYPES[synapses.w_in.dtype][0]),
        sizes,
        spec.n_steps + longest,
    )


def forward(spec: EventSpec, inputs: Inputs, synapses: Synapses, keep: bool) -> Spikes:
    """See `event_spec.EventLoops`."""
    dtype = synapses.w_in.dtype
    run = kernel(forward_loop, dtype, spec.adex, spec.exact, keep)
    p = _problem(spec, inputs, synapses)
    n_steps, width, _, length = p.sizes.tolist()[:4]
    batch, real = len(p.offsets) - 1, p.values.dtype
    w_in = flat(synapses.w_in.t())
    shape = torch.Size((batch, n_steps, width))
    kept = empty(shape, dtype, torch.device("cpu")) if keep else None
    history = kept.view(batch, -1).numpy() if kept is not None else None
    falling = real.type(spec.falling)
    found: list = [None] * batch

    def share(low: int, high: int) -> None:
        line, drive = np.empty(GROUP * length, real), np.empty(p.rows * width, real)
        state, potential = np.empty(3 * width, real), np.empty(width, real)
        # Long enough for all possible spikes; pages that are never written take no memory.
        steps, units = (np.empty(n_steps * width, np.int32) for _ in range(2))
        slopes = [np.empty(n_steps * width, real) for _ in range(3)]
        for b in range(low, high):
            events = slice(p.offsets[b], p.offsets[b + 1])
            n = run(
                p.steps[events], p.starts[b], w_in, p.d_in, p.w_rec, p.d_rec, p.values,
                falling, steps, units, *slopes,
                potential if history is None else history[b], line, drive, state, p.sizes,
            )  # fmt: skip
            found[b] = tuple(x[:n].copy() for x in (steps, units, *slopes))

    over_lanes(share, batch, n_steps * width, 1)
    steps, units, by_v, by_i, after = (
        torch.from_numpy(np.concatenate(parts)) for parts in zip(*found, strict=True)
    )
    offsets = torch.tensor([0, *np.cumsum([len(sample[0]) for sample in found])])
    return Spikes(steps, units, offsets, by_v, by_i, after, kept)


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
    run = kernel(backward_loop, synapses.w_in.dtype, spec.adex, False, spec.damping > 0)
    p = _problem(spec, inputs, synapses)
    n_steps, width, n_in, length, heard_by = p.sizes.tolist()[:5]
    batch, real = len(p.offsets) - 1, p.values.dtype
    history, starts = spikes.v.view(batch, -1).numpy(), spikes.offsets.tolist()
    steps, units, *slopes = map(flat, (*spikes[:2], *spikes[3:6], g_times))
    counts = g_counts.detach().contiguous().view(batch, -1).numpy()
    drift = spec.b / spec.tau_w + spec.a * spec.threshold if spec.adex else 0.0
    constants = map(real.type, (drift, spec.surrogate, spec.damping))
    drift, surrogate, damping = constants
    sums: dict[int, tuple[np.ndarray, ...]] = {}

    def share(low: int, high: int) -> None:
        line, found = np.empty(GROUP * length * 2, real), np.empty(p.rows * 2 * width, real)
        state = np.empty(4 * width, real)
        lengths = (n_in * width, n_in * width, heard_by**2, heard_by**2)
        sums[low] = tuple(np.zeros(n, real) for n in lengths)
        for b in range(low, high):
            events, own = slice(p.offsets[b], p.offsets[b + 1]), slice(starts[b], starts[b + 1])
            run(
                p.steps[events], p.starts[b], p.d_in, p.w_rec, p.d_rec, p.values,
                drift, surrogate, damping, steps[own], units[own],
                *(x[own] for x in slopes[:3]), history[b], counts[b], slopes[3][own],
                *sums[low], line, found, state, p.sizes,
            )  # fmt: skip

    over_lanes(share, batch, n_steps * width, 1)
    # Summed in the order of samples, independent of the threads: the same result every time.
    parts = (sum(share) for share in zip(*(sums[low] for low in sorted(sums)), strict=True))
    w_in, d_in, w_rec, d_rec = (torch.from_numpy(np.asarray(part)) for part in parts)
    return Gradients(
        w_in.view(width, n_in).t(),
        d_in.view(width, n_in).t() * synapses.w_in.detach(),
        w_rec.view(heard_by, heard_by),
        d_rec.view(heard_by, heard_by) * synapses.w_rec.detach(),
    )


def unsupported_reason(x: Tensor) -> str | None:
    """Why these loops cannot run on weights like `x`, in words; None if they can."""
    if x.device.type != "cpu":
        return f"the numba loops run on the CPU, but the weights are on {x.device}"
    if x.dtype not in TYPES:
        return f"the numba loops run in float32 and float64, but the weights are {x.dtype}"
    return None
