"""Forward and backward passes of the recurrent network with delays on the CPU, by sample.

The loops of `event_loops.py` implement the equations of `jarvis.spatial.event_driven`, the
definition; this module distributes samples over threads and combines their results.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from jarvis.kernels import event_loops
from jarvis.kernels.cpu import over_lanes
from jarvis.kernels.event_loops import GROUP, TYPES, kernel, sort_by_channel
from jarvis.kernels.event_program import EventProgram, program
from jarvis.kernels.event_spec import EventSpec, Gradients, Inputs, Spikes, Synapses
from jarvis.kernels.memory import empty, flat


def _unsigned(x: Tensor) -> np.ndarray:
    return flat(x.int()).view(np.uint32)


class _Problem(NamedTuple):
    """Arrays that both passes need."""

    steps: np.ndarray  # steps of input spikes, sorted by sample and channel
    starts: np.ndarray  # [B, n_in + 1]: start of each channel within the steps of a sample
    offsets: np.ndarray
    d_in: np.ndarray  # post x pre: the synapses of a neuron are contiguous
    w_rec: np.ndarray
    d_rec: np.ndarray
    values: np.ndarray  # the numbers of the neuron
    constants: np.ndarray
    sizes: np.ndarray
    rows: int  # number of steps plus the longest recurrent delay


def _problem(spec: EventSpec, neuron: EventProgram, inputs: Inputs, synapses: Synapses) -> _Problem:
    dtype = TYPES[synapses.w_in.dtype][0]
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
        np.array(neuron.numbers, dtype),
        np.array(spec.constants, dtype),
        sizes,
        spec.n_steps + longest,
    )


def forward(spec: EventSpec, inputs: Inputs, synapses: Synapses, keep: bool) -> Spikes:
    """See `event_spec.EventLoops`."""
    dtype = synapses.w_in.dtype
    neuron = program(spec.model, spec.params, "numba", event_loops.__name__)
    run = kernel(neuron, False, dtype, spec.adapts, keep)
    p = _problem(spec, neuron, inputs, synapses)
    n_steps, width, _, length = p.sizes.tolist()[:4]
    batch, real = len(p.offsets) - 1, p.values.dtype
    w_in = flat(synapses.w_in.t())
    shape = torch.Size((batch, n_steps, 3 if neuron.remembers else 1, width))
    kept = empty(shape, dtype, torch.device("cpu")) if keep else None
    history = np.empty((batch, 0), real) if kept is None else kept.view(batch, -1).numpy()
    found: list = [None] * batch

    def share(low: int, high: int) -> None:
        line, drive = np.empty(GROUP * length, real), np.empty(p.rows * width, real)
        state = np.empty(6 * width, real)
        # Long enough for all possible spikes; pages that are never written take no memory.
        steps, units = (np.empty(n_steps * width, np.int32) for _ in range(2))
        slopes = [np.empty(n_steps * width, real) for _ in range(4)]
        for b in range(low, high):
            events = slice(p.offsets[b], p.offsets[b + 1])
            n = run(
                p.steps[events], p.starts[b], w_in, p.d_in, p.w_rec, p.d_rec, p.values,
                p.constants, steps, units, *slopes, history[b], line, drive, state, p.sizes,
            )  # fmt: skip
            found[b] = tuple(x[:n].copy() for x in (steps, units, *slopes))

    over_lanes(share, batch, n_steps * width, 1)
    steps, units, *by, after = (
        torch.from_numpy(np.concatenate(parts)) for parts in zip(*found, strict=True)
    )
    by = torch.stack(by[: len(spec.start)])
    offsets = torch.tensor([0, *np.cumsum([len(sample[0]) for sample in found])])
    return Spikes(steps, units, offsets, by, after, kept)


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
    neuron = program(spec.model, spec.params, "numba", event_loops.__name__)
    run = kernel(neuron, True, synapses.w_in.dtype, spec.adapts, spec.damping > 0)
    p = _problem(spec, neuron, inputs, synapses)
    n_steps, width, n_in, length, heard_by = p.sizes.tolist()[:5]
    batch, real = len(p.offsets) - 1, p.values.dtype
    history, starts = spikes.history.view(batch, -1).numpy(), spikes.offsets.tolist()
    steps, units, *slopes = map(flat, (*spikes[:2], *spikes.by, spikes.after, g_times))
    if not spec.adapts:
        slopes.insert(2, np.empty_like(slopes[0]))
    counts = g_counts.detach().contiguous().view(batch, -1).numpy()
    sums: dict[int, tuple[np.ndarray, ...]] = {}

    def share(low: int, high: int) -> None:
        line, found = np.empty(GROUP * length * 2, real), np.empty(p.rows * 2 * width, real)
        state = np.empty(4 * width, real)
        lengths = (n_in * width, n_in * width, heard_by**2, heard_by**2)
        sums[low] = tuple(np.zeros(n, real) for n in lengths)
        for b in range(low, high):
            events, own = slice(p.offsets[b], p.offsets[b + 1]), slice(starts[b], starts[b + 1])
            run(
                p.steps[events], p.starts[b], p.d_in, p.w_rec, p.d_rec, p.values, p.constants,
                steps[own], units[own], *(x[own] for x in slopes[:4]), history[b], counts[b],
                slopes[4][own],
                *sums[low], line, found, state, p.sizes,
            )  # fmt: skip

    over_lanes(share, batch, n_steps * width, 1)
    # The samples are summed in order, whatever the threads do, so that results are reproducible.
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
