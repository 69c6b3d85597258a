"""The AdEx time loops on the CPU: dimensionless forward and backward, biophysical forward.

Each loop implements the equations of `jarvis.adex.adex_step` for a range of lanes over all steps,
like `lif_numba`, whose header explains what makes such a loop fast. Exponentials and logarithms are
those of `exponential` and `logarithm`, which vectorise.

Arrays are flat: ``[T * n]`` for n lanes, ``[n]`` for a state. `values` holds the numbers of
`adex_spec` in their order. Only the potential before the reset is saved for backward: spikes and
the potential after the reset are recomputed from it, and the gradient does not depend on the rest.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numba import njit, types
from torch import Tensor

from jarvis.kernels.adex_spec import LARGEST_INPUT, AdExValues, NormalisedSpec
from jarvis.kernels.cpu import compiled, over_lanes
from jarvis.kernels.exponential import VERSION, fast_exp
from jarvis.kernels.lif_spec import Rows
from jarvis.kernels.logarithm import VERSION as LOG_VERSION
from jarvis.kernels.logarithm import fast_log
from jarvis.kernels.memory import flat

BLOCK = 4096  #: lanes whose state fits into the cache

GRAIN = 1024  #: lanes are distributed over threads in multiples of this


@njit(forceinline=True, error_model="numpy")
def _exp(z):
    # Inlined by LLVM: with numba's own inlining, two calls in one loop cause a warning.
    return fast_exp(z)


def _forward_loop(surrogate: str, detach: bool, dtype: type, keep: bool) -> Callable:
    zero, one, largest = dtype(0), dtype(1), dtype(LARGEST_INPUT)

    def loop(x, x_step, s, h, v, i, w, values, n, low, high, steps):
        decay, decay_syn, decay_w = values[0], values[1], values[2]
        dt, drive, b, threshold = values[3], values[4], values[5], values[6]
        v_t, sharpness, steepest, growth = values[7], values[8], values[9], values[10]
        for first in range(low, high, BLOCK):
            m = min(BLOCK, high - first)
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
                    p = decay * before + dt * (current - held) + growth * _exp(u)
                    spike = one if p >= threshold else zero
                    spike = spike if p == p else p  # NaN in, NaN out
                    if keep:
                        ht[j] = p
                    st[j] = spike
                    wb[j] = decay_w * held + drive * before + b * spike
                    vb[j] = p * (one - spike)

    return loop


def _backward_loop(surrogate: str, detach: bool, dtype: type, wants_x: bool) -> Callable:
    zero, half, one, half_pi = dtype(0), dtype(0.5), dtype(1), dtype(math.pi / 2)
    infinite = dtype(np.inf)

    def loop(g, g_step, h, v0, gx, gv, gi, gw, values, n, low, high, steps):
        decay, decay_syn, decay_w = values[0], values[1], values[2]
        dt, drive, b, threshold = values[3], values[4], values[5], values[6]
        v_t, sharpness, steepest, k = values[7], values[8], values[9], values[11]
        for first in range(low, high, BLOCK):
            m = min(BLOCK, high - first)
            # Gradients of the state: of the final state on entry, of the initial state on return.
            vb, ib, wb = gv[first:][:m], gi[first:][:m], gw[first:][:m]
            for t in range(steps - 1, -1, -1):
                o = t * n + first
                gt, ht, xt = g[t * g_step + first :][:m], h[o:][:m], gx[o:][:m]
                # The potential at the start of the step, and the threshold of the reset before it.
                before, edge = v0[first:][:m], infinite
                if t > 0:
                    before, edge = h[o - n :][:m], threshold
                for j in range(m):
                    p, gs, gp, held = ht[j], gt[j] + b * wb[j], vb[j], wb[j]
                    spike = one if p >= threshold else zero
                    spike = spike if p == p else p
                    if not detach:
                        gs = gs - p * gp
                    z = p - threshold
                    size = abs(z)
                    if surrogate == "fast_sigmoid":
                        slope = one + k * size
                        slope = one / (slope * slope)
                    elif surrogate == "sigmoid":
                        slope = _exp(-k * size)
                        slope = k * slope / ((one + slope) * (one + slope))
                    elif surrogate == "arctan":
                        slope = half_pi * k * z
                        slope = half * k / (one + slope * slope)
                    elif surrogate == "triangle":
                        slope = one - k * size
                        slope = k * (zero if slope < zero else slope)
                    else:
                        slope = one
                    gp = gp * (one - spike) + gs * slope
                    start = before[j]
                    start = zero if start >= edge else start
                    u = (start - v_t) * sharpness
                    grown = dt * _exp(u)
                    grown = zero if u > steepest else grown
                    vb[j] = gp * (decay + grown) + held * drive
                    wb[j] = held * decay_w - gp * dt
                    drawn = ib[j] + gp * dt
                    ib[j] = drawn * decay_syn
                    if wants_x:
                        xt[j] = drawn

    return loop


def _biophysical_loop(dtype: type, keep: bool) -> Callable:
    zero, one, largest = dtype(0), dtype(1), dtype(LARGEST_INPUT)
    least = dtype(1e-6)  # of the logarithm's argument; `AdExParams.v_cross` keeps it above 9e-6

    def loop(x, x_step, s, v, w, kept_v, kept_w, kept_since, values, n, low, high, steps):
        e_l, xx, xw, xi = values[0], values[1], values[2], values[3]
        wx, ww, wi, cross = values[4], values[5], values[6], values[7]
        v_t, top, delta_t, sharpness = values[8], values[9], values[10], values[11]
        tau, rate, dt, peak = values[12], values[13], values[14], values[15]
        reset_x, reset_slope, reset_bend = values[16], values[17], values[18]
        per_c, b, b_decay = values[19], values[20], values[21]
        for first in range(low, high, BLOCK):
            m = min(BLOCK, high - first)
            vb, wb = v[first:][:m], w[first:][:m]
            for t in range(steps):
                o = t * n + first
                xt, st = x[t * x_step + first :][:m], s[o:][:m]
                vt, wt, since_t = kept_v[o:][:m], kept_w[o:][:m], kept_since[o:][:m]
                for j in range(m):
                    drawn = xt[j]
                    drawn = largest if drawn > largest else drawn
                    drawn = -largest if drawn < -largest else drawn
                    before, held = vb[j] - e_l, wb[j]
                    p = xx * before + xw * held + xi * drawn
                    held = wx * before + ww * held + wi * drawn
                    crosses = p >= cross
                    u = (p - v_t) * sharpness
                    e = _exp(-u if crosses else u)
                    left = one - (zero if crosses else e * rate)
                    left = least if left < least else left
                    on = p - delta_t * fast_log(left)
                    w_on = wx * on + ww * held + wi * drawn
                    on = xx * on + xw * held + xi * drawn
                    since = dt - tau * (e - peak)
                    since = zero if since < zero else since
                    since = dt if since > dt else since
                    w_off = wx * reset_x + ww * held + wi * drawn + b - b_decay * since
                    off = reset_slope + (drawn - w_off) * per_c
                    off = reset_x + since * off * (one + since * reset_bend)
                    on = off if crosses else on
                    on = top if on > top else on
                    spike = one if crosses else zero
                    st[j] = spike if p == p else p
                    on = on + e_l if p == p else p
                    w_on = w_off if crosses else w_on
                    vb[j], wb[j] = on, w_on
                    if keep:
                        vt[j], wt[j] = on, w_on
                        since_t[j] = since if crosses else zero

    return loop


_TYPES = {torch.float32: (np.float32, types.float32), torch.float64: (np.float64, types.float64)}


@cache
def _kernel(make: Callable, surrogate: str, detach: bool, dtype: torch.dtype, extra: bool):
    """One of the two dimensionless loops, compiled."""
    numpy_type, numba_type = _TYPES[dtype]
    rows, whole = types.Array(numba_type, 1, "C"), types.int64
    after = 5 if make is _forward_loop else 6  # arrays between the first one's step and `values`
    arguments = [rows, whole, *[rows] * after, rows, *[whole] * 4]
    name = f"adex{make.__name__}_{numpy_type.__name__}_{surrogate}_{detach:d}{extra:d}_{VERSION}"
    return compiled(make(surrogate, detach, numpy_type, extra), types.void(*arguments), name)


@cache
def _biophysical_kernel(dtype: torch.dtype, keep: bool) -> Callable:
    numpy_type, numba_type = _TYPES[dtype]
    rows, whole = types.Array(numba_type, 1, "C"), types.int64
    arguments = [rows, whole, *[rows] * 7, *[whole] * 4]
    name = f"adex_biophysical_{numpy_type.__name__}_{keep:d}_{VERSION}_{LOG_VERSION}"
    return compiled(_biophysical_loop(numpy_type, keep), types.void(*arguments), name)


def _run(kernel: Callable, arguments: tuple, n: int, steps: int) -> None:
    def share(low: int, high: int) -> None:
        kernel(*arguments, n, low, high, steps)

    over_lanes(share, n, steps, GRAIN)


@cache
def _numbers(values: tuple, dtype: torch.dtype) -> np.ndarray:
    return np.array(values, _TYPES[dtype][0])


def forward(
    spec: NormalisedSpec, x: Tensor, s: Tensor, h: Tensor | None, v: Tensor, i: Tensor, w: Tensor
) -> None:
    """Run all steps: read `x`, write the spikes `s` and, unless it is None, the potential before
    the reset `h`, all ``[T, B, ...]``, and update the state ``[B, ...]`` from the first to the last
    step.
    """
    # The forward loop depends neither on the surrogate nor on `detach`.
    kernel = _kernel(_forward_loop, "", True, s.dtype, h is not None)
    rows = Rows.of(x)
    states = (flat(part) for part in (v, i, w))
    arguments = (rows.flat.numpy(), rows.step, flat(s), flat(h, s.dtype), *states)
    _run(kernel, (*arguments, _numbers(spec.values, s.dtype)), rows.lanes, len(s))


def backward(
    spec: NormalisedSpec,
    g: Tensor,
    h: Tensor,
    v0: Tensor,
    gx: Tensor | None,
    gv: Tensor,
    gi: Tensor,
    gw: Tensor,
) -> None:
    """Run all steps, last one first: read the spikes' gradient `g` and the saved `h`, write `gx`
    unless it is None, and update the gradient of the state from the final to the initial one.
    """
    kernel = _kernel(_backward_loop, spec.surrogate, spec.detach, gv.dtype, gx is not None)
    rows = Rows.of(g)
    states = (flat(part) for part in (gv, gi, gw))
    arguments = (rows.flat.numpy(), rows.step, flat(h), flat(v0), flat(gx, gv.dtype), *states)
    _run(kernel, (*arguments, _numbers(spec.values, gv.dtype)), rows.lanes, len(h))


def biophysical(
    values: AdExValues, x: Tensor, s: Tensor, v: Tensor, w: Tensor, trace: tuple[Tensor, ...]
) -> None:
    """Run all steps: read `x` in pA, write the spikes `s` and, unless it is empty, the `trace` of
    potential, adaptation and time since the spike, and update the state to the last step."""
    rows = Rows.of(x)
    kept = (flat(part, s.dtype) for part in trace or (None, None, None))
    arguments = (rows.flat.numpy(), rows.step, *(flat(part) for part in (s, v, w)), *kept)
    kernel = _biophysical_kernel(s.dtype, bool(trace))
    _run(kernel, (*arguments, _numbers(values, s.dtype)), rows.lanes, len(s))


def unsupported_reason(x: Tensor) -> str | None:
    """Why these loops cannot run on `x`, in words; None if they can."""
    if x.device.type != "cpu":
        return f"the numba loops run on the CPU, but the input is on {x.device}"
    if x.dtype not in _TYPES:
        return f"the numba loops run in float32 and float64, but the input is {x.dtype}"
    return None
