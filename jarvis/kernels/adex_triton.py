"""The AdEx time loops on a GPU: the loops of `adex_numba.py`, written for Triton.

As in `lif_triton.py`, one program processes a block of lanes and runs all steps inside the kernel,
with the state in registers, in float32 for storage in bfloat16 or float16. Spikes of the
dimensionless neuron are computed from the stored potential, so that backward reproduces them.

On a machine without a GPU the loops run in Triton's interpreter (``TRITON_INTERPRET=1``), slowly:
for tests.
"""

# Inside a kernel, names refer to Triton blocks, which pyright does not know:
# pyright: reportAttributeAccessIssue=false, reportIndexIssue=false

from functools import cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from jarvis.kernels.adex_spec import LARGEST_INPUT, AdExValues, NormalisedSpec
from jarvis.kernels.lif_spec import Rows
from jarvis.kernels.lif_triton import _STATE_TYPES, _launch
from jarvis.kernels.lif_triton import unsupported_reason as unsupported_reason  # the same reasons

_HALF_PI = tl.constexpr(1.5707963267948966)

_NOT_SPECIALISED = ["g_first", "first", "steps"]


@triton.jit
def _input(x, here, largest, STATE: tl.constexpr):
    """The input of a step, clamped. NaN stays NaN, which a minimum would not guarantee."""
    drawn = tl.load(x, here, 0.0).to(STATE)
    drawn = tl.where(drawn > largest, largest, drawn)
    return tl.where(drawn < -largest, -largest, drawn)


@triton.jit
def _slope(z, k, SURROGATE: tl.constexpr):
    """The surrogate's derivative at z, the distance from the threshold."""
    size = tl.abs(z)
    if SURROGATE == "fast_sigmoid":
        slope = 1.0 + k * size
        slope = 1.0 / (slope * slope)
    elif SURROGATE == "sigmoid":
        e = tl.exp(-k * size)
        slope = k * e / ((1.0 + e) * (1.0 + e))
    elif SURROGATE == "arctan":
        slope = _HALF_PI * k * z
        slope = 0.5 * k / (1.0 + slope * slope)
    elif SURROGATE == "triangle":
        slope = 1.0 - k * size
        slope = k * tl.where(slope < 0.0, 0.0, slope)
    else:
        slope = 0.0 * size + 1.0
    return slope


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
def _forward_loop(
    x, x_step, s, h, v, i, w, values, n, steps,
    KEEP: tl.constexpr, STATE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = lane < n
    decay, decay_syn, decay_w = tl.load(values), tl.load(values + 1), tl.load(values + 2)
    dt, drive, b = tl.load(values + 3), tl.load(values + 4), tl.load(values + 5)
    threshold, v_t, sharpness = tl.load(values + 6), tl.load(values + 7), tl.load(values + 8)
    steepest, growth, largest = tl.load(values + 9), tl.load(values + 10), tl.load(values + 12)
    before = tl.load(v + lane, here, 0.0).to(STATE)
    current = tl.load(i + lane, here, 0.0).to(STATE)
    held = tl.load(w + lane, here, 0.0).to(STATE)
    xo, o = lane, lane
    for _ in range(steps):
        current = decay_syn * current + _input(x + xo, here, largest, STATE)
        u = (before - v_t) * sharpness
        u = tl.where(u > steepest, steepest, u)
        p = decay * before + dt * (current - held) + growth * tl.exp(u)
        stored = p.to(s.dtype.element_ty)
        spike = tl.where(stored.to(STATE) >= threshold, 1.0, 0.0).to(STATE)
        spike = tl.where(p == p, spike, p)  # NaN in, NaN out
        if KEEP:
            tl.store(h + o, stored, here)
        tl.store(s + o, spike.to(s.dtype.element_ty), here)
        held = decay_w * held + drive * before + b * spike
        before = p * (1.0 - spike)
        xo += x_step
        o += n
    tl.store(v + lane, before.to(v.dtype.element_ty), here)
    tl.store(i + lane, current.to(v.dtype.element_ty), here)
    tl.store(w + lane, held.to(v.dtype.element_ty), here)


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
def _backward_loop(
    g, g_step, h, v0, gx, gv, gi, gw, values, n, g_first, first, steps,
    DETACH: tl.constexpr, SURROGATE: tl.constexpr, WANTS_X: tl.constexpr,
    STATE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = lane < n
    decay, decay_syn, decay_w = tl.load(values), tl.load(values + 1), tl.load(values + 2)
    dt, drive, b = tl.load(values + 3), tl.load(values + 4), tl.load(values + 5)
    threshold, v_t, sharpness = tl.load(values + 6), tl.load(values + 7), tl.load(values + 8)
    steepest, k = tl.load(values + 9), tl.load(values + 11)
    to_v = tl.load(gv + lane, here, 0.0).to(STATE)
    to_i = tl.load(gi + lane, here, 0.0).to(STATE)
    to_w = tl.load(gw + lane, here, 0.0).to(STATE)
    origin = tl.load(v0 + lane, here, 0.0).to(STATE)
    go, o = g_first + lane, first + lane  # of the last step
    p = tl.load(h + o, here, 0.0).to(STATE)
    for _ in range(steps):
        # The potential at the start of the step: that after the previous step, or the initial one.
        earlier = o >= n
        p_before = tl.load(h + (o - n), here & earlier, 0.0).to(STATE)
        start = tl.where(p_before >= threshold, 0.0, p_before)
        start = tl.where(earlier, start, origin)
        gs, gp = tl.load(g + go, here, 0.0).to(STATE) + b * to_w, to_v
        spike = tl.where(p >= threshold, 1.0, 0.0).to(STATE)
        spike = tl.where(p == p, spike, p)
        if not DETACH:
            gs = gs - p * gp
        gp = gp * (1.0 - spike) + gs * _slope(p - threshold, k, SURROGATE)
        u = (start - v_t) * sharpness
        grown = dt * tl.exp(tl.where(u > steepest, steepest, u))
        grown = tl.where(u > steepest, 0.0, grown)
        to_v = gp * (decay + grown) + to_w * drive
        to_w = to_w * decay_w - gp * dt
        drawn = to_i + gp * dt
        to_i = drawn * decay_syn
        if WANTS_X:
            tl.store(gx + o, drawn.to(gx.dtype.element_ty), here)
        p = p_before
        go -= g_step
        o -= n
    tl.store(gv + lane, to_v.to(gv.dtype.element_ty), here)
    tl.store(gi + lane, to_i.to(gv.dtype.element_ty), here)
    tl.store(gw + lane, to_w.to(gv.dtype.element_ty), here)


@triton.jit(do_not_specialize=_NOT_SPECIALISED)
def _biophysical_loop(
    x, x_step, s, v, w, kept_v, kept_w, kept_since, values, n, steps,
    KEEP: tl.constexpr, STATE: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    here = lane < n
    e_l, xx, xw, xi = (
        tl.load(values), tl.load(values + 1), tl.load(values + 2), tl.load(values + 3)
    )  # fmt: skip
    wx, ww, wi = tl.load(values + 4), tl.load(values + 5), tl.load(values + 6)
    cross, v_t, top = tl.load(values + 7), tl.load(values + 8), tl.load(values + 9)
    delta_t, sharpness = tl.load(values + 10), tl.load(values + 11)
    tau, rate = tl.load(values + 12), tl.load(values + 13)
    dt, peak = tl.load(values + 14), tl.load(values + 15)
    reset_x, reset_slope, reset_bend = (
        tl.load(values + 16), tl.load(values + 17), tl.load(values + 18)
    )  # fmt: skip
    per_c, b, b_decay = tl.load(values + 19), tl.load(values + 20), tl.load(values + 21)
    largest, least = tl.load(values + 22), tl.load(values + 23)
    potential = tl.load(v + lane, here, 0.0).to(STATE)
    held = tl.load(w + lane, here, 0.0).to(STATE)
    xo, o = lane, lane
    for _ in range(steps):
        drawn = _input(x + xo, here, largest, STATE)
        before = potential - e_l
        p = xx * before + xw * held + xi * drawn
        held = wx * before + ww * held + wi * drawn
        crosses = p >= cross
        u = (p - v_t) * sharpness
        e = tl.exp(tl.where(crosses, -u, u))
        # Without a spike.
        left = 1.0 - tl.where(crosses, 0.0, e * rate)
        left = tl.where(left < least, least, left)
        on = p - delta_t * tl.log(left)
        w_on = wx * on + ww * held + wi * drawn
        on = xx * on + xw * held + xi * drawn
        # With a spike: the rest of the step, starting from the reset.
        since = dt - tau * (e - peak)
        since = tl.where(since < 0.0, 0.0, since)
        since = tl.where(since > dt, dt, since)
        w_off = wx * reset_x + ww * held + wi * drawn + b - b_decay * since
        off = reset_slope + (drawn - w_off) * per_c
        off = reset_x + since * off * (1.0 + since * reset_bend)
        on = tl.where(crosses, off, on)
        on = tl.where(on > top, top, on)
        spike = tl.where(crosses, 1.0, 0.0).to(STATE)
        spike = tl.where(p == p, spike, p)
        potential = on + e_l
        held = tl.where(crosses, w_off, w_on)
        tl.store(s + o, spike.to(s.dtype.element_ty), here)
        if KEEP:
            tl.store(kept_v + o, potential.to(s.dtype.element_ty), here)
            tl.store(kept_w + o, held.to(s.dtype.element_ty), here)
            tl.store(kept_since + o, tl.where(crosses, since, 0.0).to(s.dtype.element_ty), here)
        xo += x_step
        o += n
    tl.store(v + lane, potential.to(v.dtype.element_ty), here)
    tl.store(w + lane, held.to(v.dtype.element_ty), here)


@cache
def _numbers(values: tuple[float, ...], storage: torch.dtype, device: torch.device) -> Tensor:
    """The numbers in memory, since Triton would pass a Python float as float32."""
    return torch.tensor(values, dtype=_STATE_TYPES[storage][0], device=device)


def forward(
    spec: NormalisedSpec, x: Tensor, s: Tensor, h: Tensor | None, v: Tensor, i: Tensor, w: Tensor
) -> None:
    """Run all steps: read `x`, write the spikes `s` and, unless it is None, the potential before
    the reset `h`, all ``[T, B, ...]``, and update the state ``[B, ...]`` from the first to the last
    step.
    """
    rows = Rows.of(x)
    values = _numbers((*spec.values, LARGEST_INPUT), s.dtype, s.device)
    arguments = (rows.flat, rows.step, s, values if h is None else h, v, i, w, values)
    options = dict(KEEP=h is not None)
    _launch(_forward_loop, arguments, lambda *_: (), s, rows.lanes, options)(0, len(s))


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
    rows, last = Rows.of(g), len(h) - 1
    values = _numbers(spec.values, gv.dtype, gv.device)
    arguments = (rows.flat, rows.step, h, v0, values if gx is None else gx, gv, gi, gw, values)
    options = dict(DETACH=spec.detach, SURROGATE=spec.surrogate, WANTS_X=gx is not None)
    firsts = (last * rows.step, last * rows.lanes)
    _launch(_backward_loop, arguments, lambda *_: firsts, gv, rows.lanes, options)(0, len(h))


def biophysical(
    values: AdExValues, x: Tensor, s: Tensor, v: Tensor, w: Tensor, trace: tuple[Tensor, ...]
) -> None:
    """Run all steps: read `x` in pA, write the spikes `s` and, unless it is empty, the `trace` of
    potential, adaptation and time since the spike, and update the state to the last step."""
    rows = Rows.of(x)
    least = 1e-6  # of the logarithm's argument; `AdExParams.v_cross` keeps it above 9e-6
    numbers = _numbers((*values, LARGEST_INPUT, least), s.dtype, s.device)
    arguments = (rows.flat, rows.step, s, v, w, *(trace or (numbers,) * 3), numbers)
    options = dict(KEEP=bool(trace))
    _launch(_biophysical_loop, arguments, lambda *_: (), s, rows.lanes, options)(0, len(s))
