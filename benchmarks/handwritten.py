"""Handwritten time loops of LIF and of the dimensionless AdEx.

The library itself has no such loops: it generates them from the neuron's step. These loops serve as

* a reference for the generated loops that shares no code with the generator;
* a standard for their speed (`generated.py`);
* an example of a handwritten loop, for a neuron that the generator cannot handle.

`lif` and `adex` return a differentiable function ``x [T, B, ...] -> spikes`` of neurons that start
at rest, in float32 or float64, with the fast sigmoid and a detached reset. The equations are those
of `jarvis.lif.lif_step` and `jarvis.adex.normalised_adex_step`.

A loop runs a range of *lanes* over all steps. A lane is one neuron of one sample. Arrays are flat:
``[T * n]`` for n lanes, ``[n]`` for a state, and of length 0 if the options do not need the array.
`jarvis.kernels.loop_numba` explains what makes such a loop fast.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numba import typeof, types
from torch import Tensor
from torch.autograd.function import once_differentiable

from jarvis.adex import NormalisedAdExParams
from jarvis.kernels.cpu import compiled, over_lanes
from jarvis.kernels.exponential import VERSION, fast_exp
from jarvis.kernels.memory import empty, flat
from jarvis.kernels.rows import Rows
from jarvis.lif import LIFParams

Run = Callable[[Tensor], Tensor]

SLOPE = 25.0  #: slope of the fast sigmoid

LARGEST = 1e15  #: the input of AdEx is clamped to this magnitude

GRAIN = 1024  #: lanes are distributed over threads in multiples of this


def lif(**options) -> Run:
    """LIF neurons; see `LIFParams` for the options (the reset is "subtract" or "zero")."""
    p = LIFParams(**options)
    if p.reset not in ("subtract", "zero"):
        raise ValueError(f"reset={p.reset!r}: by hand there are 'subtract' and 'zero'")
    syn, wait, adapt = p.tau_syn is not None, p.refractory_steps > 0, p.adapts
    return Loops(
        (lif_forward, lif_backward),
        (p.reset == "zero", syn, wait, adapt),
        (p.decay, p.decay_syn or 0.0, p.threshold, p.adaptation, p.decay_adapt, p.hold, SLOPE),
        kept=("number", "number" if adapt else None, "flag" if wait else None),
        rest=(0.0, 0.0 if syn else None, 0.0 if wait else None, 0.0 if adapt else None),
    )


def lif_forward(zeroes: bool, syn: bool, wait: bool, adapt: bool, dtype: type) -> Callable:
    zero, one = dtype(0), dtype(1)
    block = 8192  # lanes: few enough for the cache, enough to outweigh the fixed cost of a row

    def loop(x, x_step, s, h, kept_a, ready, v, i, r, a, values, n, low, high, steps):
        decay, decay_syn, threshold = values[0], values[1], values[2]
        adaptation, decay_adapt, hold = values[3], values[4], values[5]
        for first in range(low, high, block):
            m = min(block, high - first)
            vb, ib, rb, ab = v[first:][:m], i[first:][:m], r[first:][:m], a[first:][:m]
            for t in range(steps):
                o = t * n + first
                xt, st, ht = x[t * x_step + first :][:m], s[o:][:m], h[o:][:m]
                at, wt = kept_a[o:][:m], ready[o:][:m]
                for j in range(m):
                    drive = xt[j]
                    if syn:
                        drive = decay_syn * ib[j] + drive
                        ib[j] = drive
                    p = decay * vb[j] + drive
                    free = one
                    if wait:
                        free = one if rb[j] <= zero else zero
                        p = p if free > zero else vb[j]
                        wt[j] = np.uint8(free)
                    theta = threshold
                    if adapt:
                        theta = threshold + adaptation * ab[j]
                        at[j] = ab[j]
                    spike = one if p >= theta else zero
                    spike = spike if p == p else p  # NaN in, NaN out
                    ht[j] = p
                    if wait:
                        spike = spike * free
                        left = rb[j] - one
                        left = zero if left < zero else left
                        rb[j] = hold if spike > zero else left
                    if adapt:
                        ab[j] = decay_adapt * ab[j] + spike
                    st[j] = spike
                    vb[j] = p * (one - spike) if zeroes else p - threshold * spike

    return loop


def lif_backward(zeroes: bool, syn: bool, wait: bool, adapt: bool, dtype: type) -> Callable:
    zero, one = dtype(0), dtype(1)
    block = 8192

    def loop(g, g_step, gx, h, kept_a, ready, gv, gi, gr, ga, values, n, low, high, steps):
        decay, decay_syn, threshold = values[0], values[1], values[2]
        adaptation, decay_adapt, k = values[3], values[4], values[6]
        for first in range(low, high, block):
            m = min(block, high - first)
            vb, ib, ab = gv[first:][:m], gi[first:][:m], ga[first:][:m]
            for t in range(steps - 1, -1, -1):
                o = t * n + first
                gt, xt, ht = g[t * g_step + first :][:m], gx[o:][:m], h[o:][:m]
                at, wt = kept_a[o:][:m], ready[o:][:m]
                for j in range(m):
                    gs, gp, p = gt[j], vb[j], ht[j]  # gradients of spike and potential, and h
                    free, theta = one, threshold
                    if wait:
                        free = dtype(wt[j])
                    if adapt:
                        theta = threshold + adaptation * at[j]
                        gs = gs + ab[j]
                    if zeroes:
                        spike = one if p >= theta else zero
                        spike = spike if p == p else p
                        gp = gp * (one - spike * free)
                    slope = one + k * abs(p - theta)
                    through = gs * free * (one / (slope * slope))
                    gp = gp + through
                    if adapt:
                        ab[j] = decay_adapt * ab[j] - adaptation * through
                    held = zero
                    if wait:  # while refractory, h was v, independent of i and x
                        held = gp if free == zero else zero
                        gp = zero if free == zero else gp
                    vb[j] = decay * gp + held
                    if syn:
                        gp = gp + ib[j]
                        ib[j] = decay_syn * gp
                    xt[j] = gp

    return loop


def adex(params: NormalisedAdExParams | None = None) -> Run:
    """Dimensionless AdEx neurons."""
    p = params or NormalisedAdExParams()
    decays = (p.decay, p.decay_syn, p.decay_w)
    exponential = (p.v_t, 1.0 / p.delta_t, p.steepest, p.dt * p.delta_t)
    return Loops(
        (adex_forward, adex_backward),
        (),
        (*decays, p.dt, p.dt * p.a, p.b, p.threshold, *exponential, SLOPE),
        kept=("number",),
        rest=(0.0, 0.0, p.w0),
    )


def adex_forward(dtype: type) -> Callable:
    zero, one, largest = dtype(0), dtype(1), dtype(LARGEST)
    block = 4096

    def loop(x, x_step, s, h, v, i, w, values, n, low, high, steps):
        decay, decay_syn, decay_w = values[0], values[1], values[2]
        dt, drive, b, threshold = values[3], values[4], values[5], values[6]
        v_t, sharpness, steepest, growth = values[7], values[8], values[9], values[10]
        for first in range(low, high, block):
            m = min(block, high - first)
            vb, ib, wb = v[first:][:m], i[first:][:m], w[first:][:m]
            for t in range(steps):
                o = t * n + first
                xt, st, ht = x[t * x_step + first :][:m], s[o:][:m], h[o:][:m]
                for j in range(m):
                    drawn = xt[j]
                    drawn = largest if drawn > largest else drawn
                    drawn = -largest if drawn < -largest else drawn
                    current = decay_syn * ib[j] + drawn
                    ib[j] = current
                    before, held = vb[j], wb[j]
                    u = (before - v_t) * sharpness
                    u = steepest if u > steepest else u
                    p = decay * before + dt * (current - held) + growth * fast_exp(u)
                    spike = one if p >= threshold else zero
                    spike = spike if p == p else p  # NaN in, NaN out
                    ht[j] = p
                    st[j] = spike
                    wb[j] = decay_w * held + drive * before + b * spike
                    vb[j] = p * (one - spike)

    return loop


def adex_backward(dtype: type) -> Callable:
    zero, one, least = dtype(0), dtype(1), dtype(-np.inf)
    block = 4096

    def loop(g, g_step, gx, h, gv, gi, gw, values, n, low, high, steps):
        decay, decay_syn, decay_w = values[0], values[1], values[2]
        dt, drive, b, threshold = values[3], values[4], values[5], values[6]
        v_t, sharpness, steepest, k = values[7], values[8], values[9], values[11]
        for first in range(low, high, block):
            m = min(block, high - first)
            vb, ib, wb = gv[first:][:m], gi[first:][:m], gw[first:][:m]
            for t in range(steps - 1, -1, -1):
                o = t * n + first
                gt, xt, ht = g[t * g_step + first :][:m], gx[o:][:m], h[o:][:m]
                # v before this step is the previous step's h, or 0 after a spike and at the start.
                before, edge = (h[o - n :][:m], threshold) if t > 0 else (ht, least)
                for j in range(m):
                    p, gs, gp, held = ht[j], gt[j] + b * wb[j], vb[j], wb[j]
                    spike = one if p >= threshold else zero
                    spike = spike if p == p else p
                    slope = one + k * abs(p - threshold)
                    gp = gp * (one - spike) + gs * (one / (slope * slope))
                    start = before[j]
                    start = zero if start >= edge else start
                    u = (start - v_t) * sharpness
                    grown = dt * fast_exp(u)
                    grown = zero if u > steepest else grown
                    vb[j] = gp * (decay + grown) + held * drive
                    wb[j] = held * decay_w - gp * dt
                    drawn = ib[j] + gp * dt
                    ib[j] = drawn * decay_syn
                    xt[j] = drawn

    return loop


class Loops:
    """A forward and a backward loop with their parameters: a differentiable function of x.

    Args:
        makers: create the forward and the backward loop, given the options and the dtype.
        options: the options that change the code of the loops.
        values: the numbers that the loops read, in order.
        kept: one entry for each tensor ``[T, B, ...]`` kept for the backward loop: "number", "flag"
            (one byte), or None if the tensor is not needed.
        rest: one entry for each part of the state: its value at rest, or None if it is not needed.
    """

    def __init__(
        self,
        makers: tuple[Callable, Callable],
        options: tuple,
        values: tuple,
        kept: tuple[str | None, ...],
        rest: tuple[float | None, ...],
    ) -> None:
        self.makers, self.options, self.values = makers, options, values
        self.kept, self.rest = kept, rest
        self._numbers: dict[torch.dtype, np.ndarray] = {}
        self._machine: dict[tuple, Callable] = {}

    def __call__(self, x: Tensor) -> Tensor:
        return _Run.apply(x, self)  # type: ignore[return-value]

    def run(self, backward: bool, rows: Rows, steps: int, tensors: list[Tensor]) -> None:
        """Run one of the loops over all steps; `rows` are only read, `tensors` also written."""
        dtype = rows.flat.dtype
        if dtype not in self._numbers:
            self._numbers[dtype] = torch.tensor(self.values, dtype=dtype).numpy()
        arguments = [rows.flat.numpy(), rows.step, *map(flat, tensors), self._numbers[dtype]]
        if (backward, dtype) not in self._machine:
            signature = types.void(*map(typeof, arguments), *[types.int64] * 4)
            make, real = self.makers[backward], self._numbers[dtype].dtype.type
            which = "".join(str(int(option)) for option in self.options)
            name = f"{make.__name__}_{real.__name__}_{which}_{VERSION}"
            loop = make(*self.options, real)
            self._machine[backward, dtype] = compiled(loop, signature, name)
        kernel, n = self._machine[backward, dtype], rows.lanes

        def share(low: int, high: int) -> None:
            kernel(*arguments, n, low, high, steps)

        over_lanes(share, n, steps, GRAIN)


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, loops: Loops) -> Tensor:
        spikes = empty(x.shape, x.dtype, x.device)
        kinds = {"number": x.dtype, "flag": torch.uint8}
        kept = [
            x.new_empty(0) if kind is None else empty(x.shape, kinds[kind], x.device)
            for kind in loops.kept
        ]
        state = _states(x, loops.rest)
        loops.run(False, Rows.of(x), len(x), [spikes, *kept, *state])
        ctx.loops = loops
        ctx.save_for_backward(*kept)
        return spikes

    @staticmethod
    @once_differentiable
    def backward(ctx, g: Tensor):
        gx = empty(g.shape, g.dtype, g.device)
        state = _states(g, [None if value is None else 0.0 for value in ctx.loops.rest])
        ctx.loops.run(True, Rows.of(g), len(g), [gx, *ctx.saved_tensors, *state])
        return gx, None


def _states(like: Tensor, values: Sequence[float | None]) -> list[Tensor]:
    """For each value, a state tensor ``[B, ...]`` filled with it; `like` is ``[T, B, ...]``."""
    return [
        like.new_empty(0) if value is None else like.new_full(like.shape[1:], value)
        for value in values
    ]
