"""The LIF time loop on a GPU: the loops of `lif_numba.py`, written for Triton.

One program processes a block of lanes and runs all steps inside the kernel, with the state in
registers: every input and every result is read or written once. Storage may be bfloat16 or float16;
arithmetic and state within a run are then float32, and spikes are computed from the stored
potential, so that backward reproduces them.

On a machine without a GPU the loops run in Triton's interpreter (``TRITON_INTERPRET=1``), slowly:
for tests.
"""

# Inside a kernel, names refer to Triton blocks, which pyright does not know:
# pyright: reportAttributeAccessIssue=false

import contextlib
from collections.abc import Callable
from functools import cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from jarvis.kernels.lif_spec import Kept, Rows, Spec, State

_STATE_TYPES = {
    torch.float32: (torch.float32, tl.float32),
    torch.float64: (torch.float64, tl.float64),
    torch.bfloat16: (torch.float32, tl.float32),
    torch.float16: (torch.float32, tl.float32),
}

_NOT_SPECIALISED = ["x_first", "g_first", "first", "steps"]

# The numbers of `lif_spec`, as constants that Triton accepts as globals.
_SUBTRACT, _ZERO = tl.constexpr(1), tl.constexpr(2)

_FAST_SIGMOID, _SIGMOID, _ARCTAN, _TRIANGLE = (tl.constexpr(which) for which in range(4))

_HALF_PI = tl.constexpr(1.5707963267948966)


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
def _forward_loop(
    x, x_step, fed, s, h, kept_a, ready, v, i, r, a, values, n, x_first, first, steps,
    FIRES: tl.constexpr, RESET: tl.constexpr, SYN: tl.constexpr, WAIT: tl.constexpr,
    ADAPT: tl.constexpr, RECURRENT: tl.constexpr, KEEP: tl.constexpr, STATE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = lane < n
    decay, decay_syn, threshold = tl.load(values), tl.load(values + 1), tl.load(values + 2)
    adaptation, decay_adapt = tl.load(values + 3), tl.load(values + 4)
    hold = tl.load(values + 5)
    p = tl.load(v + lane, here, 0.0).to(STATE)
    if SYN:
        current = tl.load(i + lane, here, 0.0).to(STATE)
    if WAIT:
        left = tl.load(r + lane, here, 0.0).to(STATE)
    if ADAPT:
        rise = tl.load(a + lane, here, 0.0).to(STATE)
    xo, o = x_first + lane, first + lane
    for _ in range(steps):
        drive = tl.load(x + xo, here, 0.0).to(STATE)
        if RECURRENT:
            drive = drive + tl.load(fed + lane, here, 0.0).to(STATE)
        if SYN:
            current = decay_syn * current + drive
            drive = current
        before = p
        p = decay * p + drive
        if FIRES:
            if WAIT:
                free = left <= 0.0
                p = tl.where(free, p, before)
            theta = threshold
            if ADAPT:
                theta = threshold + adaptation * rise
            stored = p.to(s.dtype.element_ty)
            spike = tl.where(stored.to(STATE) >= theta, 1.0, 0.0).to(STATE)
            spike = tl.where(p == p, spike, p)  # NaN in, NaN out
            if KEEP:
                tl.store(h + o, stored, here)
                if ADAPT:
                    tl.store(kept_a + o, rise.to(s.dtype.element_ty), here)
                if WAIT:
                    tl.store(ready + o, free.to(tl.uint8), here)
            if WAIT:
                spike = spike * free.to(STATE)
                left = left - 1.0
                left = tl.where(left < 0.0, 0.0, left)
                left = tl.where(spike > 0.0, hold, left)
            if ADAPT:
                rise = decay_adapt * rise + spike
            tl.store(s + o, spike.to(s.dtype.element_ty), here)
            if RESET == _SUBTRACT:
                p = p - threshold * spike
            elif RESET == _ZERO:
                p = p * (1.0 - spike)
        else:
            tl.store(s + o, p.to(s.dtype.element_ty), here)
        xo += x_step
        o += n
    tl.store(v + lane, p.to(v.dtype.element_ty), here)
    if SYN:
        tl.store(i + lane, current.to(v.dtype.element_ty), here)
    if WAIT:
        tl.store(r + lane, left.to(v.dtype.element_ty), here)
    if ADAPT:
        tl.store(a + lane, rise.to(v.dtype.element_ty), here)


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
def _backward_loop(
    g, g_step, fed, h, kept_a, ready, gx, gv, gi, ga, values, n, g_first, first, steps,
    FIRES: tl.constexpr, RESET: tl.constexpr, DETACH: tl.constexpr, SYN: tl.constexpr,
    WAIT: tl.constexpr, ADAPT: tl.constexpr, RECURRENT: tl.constexpr, SURROGATE: tl.constexpr,
    WANTS_X: tl.constexpr, STATE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = lane < n
    decay, decay_syn, threshold = tl.load(values), tl.load(values + 1), tl.load(values + 2)
    adaptation, decay_adapt = tl.load(values + 3), tl.load(values + 4)
    k = tl.load(values + 6)
    to_v = tl.load(gv + lane, here, 0.0).to(STATE)
    if SYN:
        to_i = tl.load(gi + lane, here, 0.0).to(STATE)
    if ADAPT:
        to_a = tl.load(ga + lane, here, 0.0).to(STATE)
    go, o = g_first + lane, first + lane  # of the last step
    for _ in range(steps):
        gs, gp = tl.load(g + go, here, 0.0).to(STATE), to_v  # of the spike, of the potential
        if FIRES:
            p = tl.load(h + o, here, 0.0).to(STATE)
            theta = threshold
            if WAIT:
                free = tl.load(ready + o, here, 1).to(STATE)
            if ADAPT:
                theta = threshold + adaptation * tl.load(kept_a + o, here, 0.0).to(STATE)
                gs = gs + to_a
            if RECURRENT:
                gs = gs + tl.load(fed + lane, here, 0.0).to(STATE)
            if RESET == _SUBTRACT:
                if not DETACH:
                    gs = gs - threshold * gp
            elif RESET == _ZERO:
                if not DETACH:
                    gs = gs - p * gp
                spike = tl.where(p >= theta, 1.0, 0.0).to(STATE)
                spike = tl.where(p == p, spike, p)
                if WAIT:
                    spike = spike * free
                gp = gp * (1.0 - spike)
            if WAIT:
                gs = gs * free
            z = p - theta
            size = tl.abs(z)
            if SURROGATE == _FAST_SIGMOID:
                slope = 1.0 + k * size
                through = gs * (1.0 / (slope * slope))
            elif SURROGATE == _SIGMOID:
                e = tl.exp(-k * size)
                through = gs * (k * e / ((1.0 + e) * (1.0 + e)))
            elif SURROGATE == _ARCTAN:
                slope = _HALF_PI * k * z
                through = gs * (0.5 * k / (1.0 + slope * slope))
            elif SURROGATE == _TRIANGLE:
                slope = 1.0 - k * size
                through = gs * (k * tl.where(slope < 0.0, 0.0, slope))
            else:
                through = gs
            gp = gp + through
            if ADAPT:
                to_a = decay_adapt * to_a - adaptation * through
        else:
            gp = gp + gs
        if WAIT:  # held: h was v, independent of i and x
            held = tl.where(free == 0.0, gp, 0.0)
            gp = tl.where(free == 0.0, 0.0, gp)
            to_v = decay * gp + held
        else:
            to_v = decay * gp
        if SYN:
            gp = gp + to_i
            to_i = decay_syn * gp
        if WANTS_X:
            tl.store(gx + o, gp.to(gx.dtype.element_ty), here)
        go -= g_step
        o -= n
    tl.store(gv + lane, to_v.to(gv.dtype.element_ty), here)
    if SYN:
        tl.store(gi + lane, to_i.to(gv.dtype.element_ty), here)
    if ADAPT:
        tl.store(ga + lane, to_a.to(gv.dtype.element_ty), here)


@cache
def _values(spec: Spec, dtype: torch.dtype, device: torch.device) -> Tensor:
    """The numbers in memory, since Triton would pass a Python float as float32."""
    return torch.tensor(spec.values, dtype=dtype, device=device)


def _launch(loop, arguments: tuple, firsts: Callable, like: Tensor, n: int, options: dict):
    # Few lanes: small blocks, so that there are programs for all multiprocessors.
    block, warps = (512, 4) if n >= 1 << 20 else (128, 1)
    options |= dict(STATE=_STATE_TYPES[like.dtype][1], BLOCK=block, num_warps=warps)
    # A fused multiply-add, which rounds once, would give other spikes than the readable step.
    options["enable_fp_fusion"] = False

    def run(start: int, stop: int) -> None:
        on_device = torch.cuda.device(like.device) if like.is_cuda else contextlib.nullcontext()
        with on_device:
            grid = (triton.cdiv(n, block),)
            loop[grid](*arguments, n, *firsts(start, stop), stop - start, **options)

    return run


def forward(spec: Spec, x: Rows, fed: Tensor | None, s: Tensor, state: State, kept: Kept | None):
    """Bind the forward loop to its tensors. See `lif_autograd.Loops`."""
    flags, n = spec.flags, x.lanes
    values = _values(spec, _STATE_TYPES[s.dtype][0], s.device)
    tensors = (fed, s, *(kept or (None, None, None)), *state)
    pointers = (values if tensor is None else tensor for tensor in tensors)
    options = dict(
        FIRES=flags.fires,
        RESET=flags.reset,
        SYN=flags.syn,
        WAIT=flags.wait,
        ADAPT=flags.adapt,
        RECURRENT=flags.recurrent,
        KEEP=kept is not None,
    )
    arguments = (x.flat, x.step, *pointers, values)
    return _launch(
        _forward_loop, arguments, lambda start, _: (start * x.step, start * n), s, n, options
    )


def backward(spec: Spec, g: Rows, fed: Tensor | None, kept: Kept, gx: Tensor | None, gstate: State):
    """Bind the backward loop to its tensors. See `lif_autograd.Loops`."""
    flags, n, like = spec.flags, g.lanes, gstate.v
    values = _values(spec, _STATE_TYPES[like.dtype][0], like.device)
    tensors = (fed, *kept, gx, gstate.v, gstate.i, gstate.a)
    pointers = (values if tensor is None else tensor for tensor in tensors)
    options = dict(
        FIRES=flags.fires,
        RESET=flags.reset,
        DETACH=flags.detach,
        SYN=flags.syn,
        WAIT=flags.wait,
        ADAPT=flags.adapt,
        RECURRENT=flags.recurrent,
        SURROGATE=flags.surrogate,
        WANTS_X=gx is not None,
    )
    arguments = (g.flat, g.step, *pointers, values)
    return _launch(
        _backward_loop,
        arguments,
        lambda _, stop: ((stop - 1) * g.step, (stop - 1) * n),
        like,
        n,
        options,
    )


def unsupported_reason(x: Tensor) -> str | None:
    """Why these loops cannot run on `x`, in words; None if they can."""
    interpreted = not isinstance(_forward_loop, triton.runtime.JITFunction)
    if not (x.is_cuda or (interpreted and x.device.type == "cpu")):
        return f"the Triton loops run on CUDA, but the input is on {x.device}"
    if x.dtype not in _STATE_TYPES:
        return f"the Triton loops do not run in {x.dtype}"
    return None
