"""Delivers input spikes and sums the gradients of synapses on a GPU, many spikes at a time.

These are the parts of `event_triton.py` that do not depend on temporal order. No two programs add
to the same memory location, so a run is reproducible.
"""

# Inside a kernel, names refer to Triton blocks, which pyright does not know:
# pyright: reportIndexIssue=false

import contextlib

import torch
import triton
import triton.language as tl
from torch import Tensor

from jarvis.kernels.event_spec import Inputs

#: Events whose synapses are loaded together, and neurons per program (one for each thread of a
#: warp).
TILE = dict(SOME=16, BLOCK=32)

_NOT_SPECIALISED = ["n_steps", "width"]


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
def _deliver_loop(
    in_steps, in_units, in_offsets, w_in, d_in, drive, n_steps, width,
    SOME: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """``drive [B, T, H]`` += the weights of the input spikes that arrive in each step."""
    sample = tl.program_id(0).to(tl.int64)
    lane = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    drive += sample * n_steps * width + lane[None, :]
    last = tl.load(in_offsets + sample + 1)
    for e in range(tl.load(in_offsets + sample), last, SOME):
        event = e + tl.arange(0, SOME)
        there = event < last
        here = there[:, None] & (lane < width)[None, :]
        row = tl.load(in_units + event, there, 0).to(tl.int64)[:, None] * width + lane[None, :]
        at = tl.load(in_steps + event, there, 0)[:, None] + tl.load(d_in + row, here, 0)
        w = tl.load(w_in + row, here, 0.0)
        # Each neuron has one thread, which adds the events to its row one after another.
        tl.atomic_add(drive + at.to(tl.int64) * width, w, here & (at < n_steps), sem="relaxed")


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
def _collect_loop(
    sent_at, sent_in, starts, d, by_weight, by_time, g_w, g_d, n_steps, width,
    SOME: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Sum the gradients at the arrivals of one sender's spikes; `sent_in` holds their samples."""
    sender = tl.program_id(0).to(tl.int64)
    lane = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    own = sender * width + lane
    delay = tl.load(d + own, lane < width, 0)
    to_w = tl.zeros([BLOCK], g_w.dtype.element_ty)
    to_d = to_w
    last = tl.load(starts + sender + 1)
    for e in range(tl.load(starts + sender), last, SOME):
        event = e + tl.arange(0, SOME)
        there = event < last
        at = tl.load(sent_at + event, there, 0)[:, None] + delay[None, :]
        arrives = there[:, None] & (lane < width)[None, :] & (at < n_steps)
        sample = tl.load(sent_in + event, there, 0)[:, None]
        place = (sample * n_steps + at) * width + lane[None, :]
        to_w += tl.sum(tl.load(by_weight + place, arrives, 0.0), 0)
        to_d += tl.sum(tl.load(by_time + place, arrives, 0.0), 0)
    tl.store(g_w + own, to_w, lane < width)
    tl.store(g_d + own, to_d, lane < width)


def launch(loop, grid: tuple[int, ...], *arguments, **options) -> None:
    """Run a kernel on the device of its first argument; an empty grid is skipped."""
    if 0 in grid:
        return
    on_device = contextlib.nullcontext()
    if arguments[0].is_cuda:
        on_device = torch.cuda.device(arguments[0].device)
    # A fused multiply-add rounds only once, so spikes could differ from those of the readable step.
    options |= dict(num_warps=min(options["BLOCK"] // 32, 8), enable_fp_fusion=False)
    with on_device:
        loop[grid](*arguments, **options)


def deliver(inputs: Inputs, w: Tensor, d: Tensor, drive: Tensor) -> None:
    """Add input spikes to ``drive [B, T, H]``, with weights ``w [n_in, H]`` and delays ``d``."""
    batch, n_steps, width = drive.shape
    grid = (batch, triton.cdiv(width, TILE["BLOCK"]))
    launch(_deliver_loop, grid, *inputs, w, d, drive, n_steps, width, **TILE)


def collect(
    steps: Tensor, units: Tensor, offsets: Tensor, d: Tensor, by_weight: Tensor, by_time: Tensor
) -> tuple[Tensor, Tensor]:
    """Sum the gradients at the arrivals of each sender's spikes, given delays ``d [n_pre, H]``.

    `by_weight` and `by_time` ``[B, T, H]`` are the gradients for an arrival at each step. Returns
    the two sums ``[n_pre, H]``.
    """
    n_steps, width = by_weight.shape[1:]
    sums = by_weight.new_zeros(d.shape), by_weight.new_zeros(d.shape)
    order = torch.argsort(units, stable=True)  # spikes sender by sender
    batch = torch.arange(len(offsets) - 1, device=units.device)
    sample = batch.repeat_interleave(offsets.diff())
    counts = torch.bincount(units, minlength=len(d))
    starts = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    grid = (len(d), triton.cdiv(width, TILE["BLOCK"]))
    launch(
        _collect_loop, grid, steps[order], sample[order], starts, d, by_weight, by_time, *sums,
        n_steps, width, **TILE,
    )  # fmt: skip
    return sums
