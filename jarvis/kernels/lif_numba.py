"""The LIF time loop on the CPU: one loop forward, one backward, specialised by flags.

Each loop below implements the equations of `jarvis.lif.lif_update` for a range of lanes over all
steps. A *lane* is one neuron of one sample; lanes are independent, so the state of a block of lanes
stays in the cache over all steps, and every input and every result is read or written once.

Why it is as fast as C:

* one-dimensional slices of the row of a step before the inner loop, so that LLVM sees contiguous
  memory and vectorises; with two-dimensional indexing it is three times slower;
* constants of the dtype of the tensor (a Python float would make the expression float64);
* the flags are variables of the enclosing function, which numba treats as compile-time constants:
  branches that a layer does not use are not compiled;
* no `fastmath`: it would allow the compiler to ignore NaN.

Arrays are flat: ``[T * n]`` for n lanes, ``[n]`` for a state, and of length 0 where the flags need
none. `values` holds the numbers of `spec.Values` in their order.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numba import types
from torch import Tensor

from jarvis.kernels.cpu import compiled, over_lanes
from jarvis.kernels.exponential import VERSION, fast_exp
from jarvis.kernels.lif_spec import (
    ARCTAN,
    FAST_SIGMOID,
    SIGMOID,
    SUBTRACT,
    TRIANGLE,
    ZERO,
    Flags,
    Kept,
    Rows,
    Spec,
    State,
)
from jarvis.kernels.memory import flat

BLOCK = 8192  #: lanes whose state fits into the cache; long rows, as each has a fixed overhead

GRAIN = 1024  #: lanes are distributed over threads in multiples of this


def _forward_loop(flags: Flags, dtype: type, keep: bool) -> Callable:
    fires, reset, recurrent = flags.fires, flags.reset, flags.recurrent
    syn, wait, adapt = flags.syn, flags.wait, flags.adapt
    zero, one = dtype(0), dtype(1)

    def loop(x, x_step, fed, s, h, kept_a, ready, v, i, r, a, values, n, low, high, t0, t1):
        decay, decay_syn, threshold = values[0], values[1], values[2]
        adaptation, decay_adapt, steps = values[3], values[4], values[5]
        for first in range(low, high, BLOCK):
            m = min(BLOCK, high - first)
            # The state is stored in the tensors that become the final state of the layer.
            vb, ib, rb, ab = v[first:][:m], i[first:][:m], r[first:][:m], a[first:][:m]
            fb = fed[first:][:m]
            for t in range(t0, t1):
                o = t * n + first
                xt, st = x[t * x_step + first :][:m], s[o:][:m]
                ht, at, wt = h[o:][:m], kept_a[o:][:m], ready[o:][:m]
                for j in range(m):
                    drive = xt[j]
                    if recurrent:
                        drive = drive + fb[j]
                    if syn:
                        drive = decay_syn * ib[j] + drive
                        ib[j] = drive
                    p = decay * vb[j] + drive
                    if fires:
                        free = one
                        if wait:
                            free = one if rb[j] <= zero else zero
                            p = p if free > zero else vb[j]
                        theta = threshold
                        if adapt:
                            theta = threshold + adaptation * ab[j]
                        spike = one if p >= theta else zero
                        spike = spike if p == p else p  # NaN in, NaN out
                        if keep:
                            ht[j] = p
                            if adapt:
                                at[j] = ab[j]
                            if wait:
                                wt[j] = np.uint8(free)
                        if wait:
                            spike = spike * free
                            left = rb[j] - one
                            left = zero if left < zero else left
                            rb[j] = steps if spike > zero else left
                        if adapt:
                            ab[j] = decay_adapt * ab[j] + spike
                        st[j] = spike
                        if reset == SUBTRACT:
                            p = p - threshold * spike
                        elif reset == ZERO:
                            p = p * (one - spike)
                    else:
                        st[j] = p
                    vb[j] = p

    return loop


def _backward_loop(flags: Flags, dtype: type, wants_x: bool) -> Callable:
    fires, reset, detach, recurrent = flags.fires, flags.reset, flags.detach, flags.recurrent
    syn, wait, adapt, surrogate = flags.syn, flags.wait, flags.adapt, flags.surrogate
    zero, half, one, half_pi = dtype(0), dtype(0.5), dtype(1), dtype(math.pi / 2)

    def loop(g, g_step, fed, h, kept_a, ready, gx, gv, gi, ga, values, n, low, high, t0, t1):
        decay, decay_syn, threshold = values[0], values[1], values[2]
        adaptation, decay_adapt, k = values[3], values[4], values[6]
        for first in range(low, high, BLOCK):
            m = min(BLOCK, high - first)
            # Gradients of the state: of the final state on entry, of the initial state on return.
            vb, ib, ab, fb = gv[first:][:m], gi[first:][:m], ga[first:][:m], fed[first:][:m]
            for t in range(t1 - 1, t0 - 1, -1):
                o = t * n + first
                gt, ht = g[t * g_step + first :][:m], h[o:][:m]
                at, wt, xt = kept_a[o:][:m], ready[o:][:m], gx[o:][:m]
                for j in range(m):
                    gs, gp = gt[j], vb[j]  # of the spike, of the potential
                    held = zero
                    if fires:
                        p, free, theta = ht[j], one, threshold
                        if wait:
                            free = dtype(wt[j])
                        if adapt:
                            theta = threshold + adaptation * at[j]
                            gs = gs + ab[j]
                        if recurrent:
                            gs = gs + fb[j]
                        if reset == SUBTRACT:
                            if not detach:
                                gs = gs - threshold * gp
                        elif reset == ZERO:
                            if not detach:
                                gs = gs - p * gp
                            spike = one if p >= theta else zero
                            spike = spike if p == p else p
                            gp = gp * (one - spike * free)

                        z = p - theta
                        size = abs(z)
                        if surrogate == FAST_SIGMOID:
                            slope = one + k * size
                            slope = one / (slope * slope)
                        elif surrogate == SIGMOID:
                            e = fast_exp(-k * size)
                            slope = k * e / ((one + e) * (one + e))
                        elif surrogate == ARCTAN:
                            slope = half_pi * k * z
                            slope = half * k / (one + slope * slope)
                        elif surrogate == TRIANGLE:
                            slope = one - k * size
                            slope = k * (zero if slope < zero else slope)
                        else:
                            slope = one
                        through = gs * free * slope
                        gp = gp + through
                        if adapt:
                            ab[j] = decay_adapt * ab[j] - adaptation * through
                        if wait:  # held: h was v, independent of i and x
                            held = gp if free == zero else zero
                            gp = zero if free == zero else gp
                    else:
                        gp = gp + gs
                    vb[j] = decay * gp + held
                    if syn:
                        gp = gp + ib[j]
                        ib[j] = decay_syn * gp
                    if wants_x:
                        xt[j] = gp

    return loop


_TYPES = {torch.float32: (np.float32, types.float32), torch.float64: (np.float64, types.float64)}


@cache
def _kernel(make: Callable, flags: Flags, dtype: torch.dtype, extra: bool) -> Callable:
    """The loop of `make` for these flags, compiled."""
    numpy_type, numba_type = _TYPES[dtype]
    rows, flags_row = types.Array(numba_type, 1, "C"), types.Array(types.uint8, 1, "C")
    whole = types.int64
    streams = 4 if make is _forward_loop else 3  # after x and its step, or g and its step
    arguments = [rows, whole, *[rows] * streams, flags_row, *[rows] * 5, *[whole] * 5]
    options = "".join(str(int(flag)) for flag in (*flags, extra))
    name = f"{make.__name__.strip('_')}_{numpy_type.__name__}_{options}_{VERSION}"
    return compiled(make(flags, numpy_type, extra), types.void(*arguments), name)


@cache
def _values(spec: Spec, dtype: torch.dtype) -> np.ndarray:
    return np.array(spec.values, _TYPES[dtype][0])


def _runner(kernel: Callable, arguments: tuple, n: int) -> Callable[[int, int], None]:
    def run(start: int, stop: int) -> None:
        """Run the steps from `start` up to, not including, `stop`, in the direction of the loop."""

        def share(low: int, high: int) -> None:
            kernel(*arguments, n, low, high, start, stop)

        over_lanes(share, n, stop - start, GRAIN)

    return run


def forward(spec: Spec, x: Rows, fed: Tensor | None, s: Tensor, state: State, kept: Kept | None):
    """Bind the forward loop to its tensors. See `lif_autograd.Loops`."""
    # The forward loop depends neither on the surrogate nor on `detach`.
    flags = spec.flags._replace(surrogate=0, detach=True)
    kernel = _kernel(_forward_loop, flags, s.dtype, kept is not None)
    h, a, ready = kept or (None, None, None)
    floats = (flat(part, s.dtype) for part in (fed, s, h, a))
    states = (flat(part, s.dtype) for part in state)
    read = (x.flat.numpy(), x.step, *floats, flat(ready, torch.uint8))
    arguments = (*read, *states, _values(spec, s.dtype))
    return _runner(kernel, arguments, x.lanes)


def backward(spec: Spec, g: Rows, fed: Tensor | None, kept: Kept, gx: Tensor | None, gstate: State):
    """Bind the backward loop to its tensors. See `lif_autograd.Loops`."""
    like = gstate.v
    kernel = _kernel(_backward_loop, spec.flags, like.dtype, gx is not None)
    floats = (flat(part, like.dtype) for part in (fed, kept.h, kept.a))
    states = (flat(part, like.dtype) for part in (gx, gstate.v, gstate.i, gstate.a))
    read = (g.flat.numpy(), g.step, *floats, flat(kept.ready, torch.uint8))
    arguments = (*read, *states, _values(spec, like.dtype))
    return _runner(kernel, arguments, g.lanes)


def unsupported_reason(x: Tensor) -> str | None:
    """Why these loops cannot run on `x`, in words; None if they can."""
    if x.device.type != "cpu":
        return f"the numba loops run on the CPU, but the input is on {x.device}"
    if x.dtype not in _TYPES:
        return f"the numba loops run in float32 and float64, but the input is {x.dtype}"
    return None
