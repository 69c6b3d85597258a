"""Linear maps with a delay for each synapse, as compiled loops on the CPU.

The samples of a batch are laid end to end in time, each followed by enough zeros for the longest
delay. A delay then shifts a whole row ``[B S]``, which holds all samples. If each delay is split
into a whole number of steps k and a fraction f, the definition in `jarvis.networks.delayed_linear`,

    ``y_j[t] = sum_i w_ji ((1 - f_ji) x_i[t - k_ji] + f_ji x_i[t - k_ji - 1])``,

is a sum of shifted rows (`shifted_sum`), and so is the gradient of x. The gradients of weights and
delays are inner products of shifted rows (`shifted_products`). Where x is mostly zeros, `scatter`
and `gather` visit only its events. Every number is computed by one thread, in an order that does
not depend on the number of threads.
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from numba import types
from torch import Tensor

from jarvis.kernels.conv_events import TYPES, vector
from jarvis.kernels.cpu import compiled, over_lanes
from jarvis.kernels.first_order import first_order
from jarvis.kernels.memory import empty, flat
from jarvis.kernels.vectors import ROW_BYTES, add_scaled_pieces, inner_product, width

#: Bytes of x that `shifted_products` reads repeatedly: few enough to stay in the cache.
_CACHED = 1 << 19

#: Share of nonzero entries below which events are visited; measured by benchmarks/delays.py.
SPARSE = 0.04

#: The largest position in the rows of all inputs: the loops read positions as int32.
_LAST = 2**31 - 1


class Shape:
    """The sizes of a delayed linear map, and where each sample's steps lie in a row of memory.

    Args:
        steps, batch, n_in, n_out: sizes of the map's input and output.
        longest: the longest delay, in whole steps.
        itemsize: bytes per number.
    """

    def __init__(
        self, steps: int, batch: int, n_in: int, n_out: int, longest: int, itemsize: int
    ) -> None:
        self.steps, self.batch, self.n_in, self.n_out = steps, batch, n_in, n_out
        w = width(itemsize)
        self.margin = longest + 1  #: zeros before the first sample, and after each sample
        self.stride = steps + self.margin
        self.used = -(-batch * self.stride // w) * w  #: how many numbers of a row are computed
        self.row = self.margin + self.used + self.margin  #: length of a row in memory
        self.blocks = self.used // w

    def rows(self, x: Tensor) -> Tensor:
        """``[T, B, n]`` as rows ``[n, row]`` with zeros between the samples."""
        n = x.shape[2]
        rows = empty(torch.Size((n, self.row)), x.dtype, x.device).zero_()
        self.samples(rows).copy_(x.permute(2, 1, 0))
        return rows

    def samples(self, rows: Tensor) -> Tensor:
        """A view ``[n, B, T]`` of the samples in rows that are laid out by `rows`."""
        inside = rows[:, self.margin : self.margin + self.batch * self.stride]
        return inside.unflatten(1, (self.batch, self.stride))[:, :, : self.steps]


def _make_shifted_sum(real) -> Callable:
    w = ROW_BYTES // np.dtype(real).itemsize

    def loop(x, margin, row, places, scales, n_terms, n_out, out, low, high):
        nothing = np.zeros(w, real)
        for block in range(low, high):
            base = margin + block * w
            for j in range(n_out):
                first = j * n_terms
                add_scaled_pieces(
                    x, base, places, scales, first, first + n_terms, nothing, 0, out, j * row + base
                )

    return loop


def _make_shifted_products(real) -> Callable:
    w = ROW_BYTES // np.dtype(real).itemsize

    def loop(x, g, margin, row, used, shifts, n_in, chunk, first, second, low, high):
        for start in range(0, used, chunk):
            count = min(chunk, used - start) // w * w
            for j in range(low, high):
                to = j * row + margin + start
                for i in range(n_in):
                    at, k = i * row + margin + start, shifts[j * n_in + i]
                    first[j * n_in + i] += inner_product(x, at, g, to + k, count)
                    second[j * n_in + i] += inner_product(x, at, g, to + k + 1, count)

    return loop


def _make_scatter(real) -> Callable:
    def loop(
        times, values, starts, n_in, margin, row, stride, shifts, w0, w1, n_out, out, low, high
    ):  # fmt: skip
        for b in range(low, high):
            for j in range(n_out):
                y = out[j * row + margin + b * stride :][:stride]
                y[:] = real(0)
                for i in range(n_in):
                    begin, end = starts[b * n_in + i], starts[b * n_in + i + 1]
                    if begin == end:
                        continue
                    at = j * n_in + i
                    k, early, late = shifts[at], w0[at], w1[at]
                    for e in range(begin, end):
                        t = times[e] + k
                        y[t] += early * values[e]
                        y[t + 1] += late * values[e]

    return loop


def _make_gather(real) -> Callable:
    def loop(
        times, values, starts, batch, n_in, margin, row, stride, shifts, g, first, second, low, high
    ):  # fmt: skip
        for b in range(batch):
            for j in range(low, high):
                y = g[j * row + margin + b * stride :][:stride]
                for i in range(n_in):
                    begin, end = starts[b * n_in + i], starts[b * n_in + i + 1]
                    if begin == end:
                        continue
                    at = j * n_in + i
                    k, early, late = shifts[at], real(0), real(0)
                    for e in range(begin, end):
                        t = times[e] + k
                        early += values[e] * y[t]
                        late += values[e] * y[t + 1]
                    first[at] += early
                    second[at] += late

    return loop


@cache
def _kernel(name: str, dtype: torch.dtype) -> Callable:
    """The compiled form of one of the loops above, with the same arguments."""
    real, number = TYPES[dtype]
    reals, whole = vector(number), types.int64
    i32, i64 = vector(types.int32), vector(types.int64)
    make, arguments = {
        "shifted_sum": (_make_shifted_sum, [reals, whole, whole, i32, reals, whole, whole, reals]),
        "shifted_products": (
            _make_shifted_products,
            [reals, reals, whole, whole, whole, i32, whole, whole, reals, reals],
        ),
        "scatter": (
            _make_scatter,
            [i32, reals, i64, whole, whole, whole, whole, i32, reals, reals, whole, reals],
        ),
        "gather": (
            _make_gather,
            [i32, reals, i64, whole, whole, whole, whole, whole, i32, reals, reals, reals],
        ),
    }[name]
    signature = types.void(*arguments, whole, whole)
    return compiled(make(real), signature, f"delayed_{name}_{number}")


class _Delayed(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, weight: Tensor, delays: Tensor) -> Tensor:
        (steps, batch, n_in), n_out = x.shape, len(weight)
        whole = delays.floor().clamp_(max=steps)  # a spike with this delay never arrives
        rest = delays - whole
        early, late = weight * (1.0 - rest), weight * rest
        shape = Shape(steps, batch, n_in, n_out, int(whole.max()), x.element_size())
        shifts = whole.to(torch.int32)
        rows = shape.rows(x)
        events = _events(x) if _is_sparse(x) else None
        out = empty(torch.Size((n_out, shape.row)), x.dtype, x.device)
        if events is None:
            _sum(shape, rows, -shifts, (early, late), -1, out)
        else:
            _scatter(shape, events, shifts, (early, late), out)
        # only the gradient of the delays needs the weights, which may otherwise change in place
        ctx.save_for_backward(
            weight if ctx.needs_input_grad[2] else None, rest, shifts, early, late
        )
        ctx.shape, ctx.rows, ctx.events = shape, rows, events
        return shape.samples(out).permute(2, 1, 0)

    @staticmethod
    @first_order
    def backward(ctx, g: Tensor):
        weight, rest, shifts, early, late = ctx.saved_tensors
        shape = ctx.shape
        g_rows = shape.rows(g)
        gx = gw = gd = None
        if ctx.needs_input_grad[0]:
            out = empty(torch.Size((shape.n_in, shape.row)), g.dtype, g.device)
            back = [part.t() for part in (shifts, early, late)]
            _sum(shape, g_rows, back[0], back[1:], 1, out)
            gx = shape.samples(out).permute(2, 1, 0)
        if any(ctx.needs_input_grad[1:]):
            first, second = _products(shape, ctx.rows, ctx.events, g_rows, shifts)
            gw = (1.0 - rest) * first + rest * second
            if ctx.needs_input_grad[2]:
                gd = weight * (second - first)
        return gx, gw, gd


def _is_sparse(x: Tensor) -> bool:
    return int(torch.count_nonzero(x)) < SPARSE * x.numel()


def _events(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The nonzero entries, sorted by sample, input and step: their steps and values, and the index
    at which each pair of sample and input starts."""
    steps, batch, n_in = x.shape
    where = x.permute(1, 2, 0).reshape(batch * n_in, steps)
    pair, t = where.nonzero(as_tuple=True)
    counts = torch.bincount(pair, minlength=batch * n_in)
    starts = torch.zeros(batch * n_in + 1, dtype=torch.int64)
    torch.cumsum(counts, 0, out=starts[1:])
    return t.to(torch.int32), where[pair, t], starts


def _sum(shape: Shape, rows: Tensor, shifts: Tensor, weights, later: int, out: Tensor) -> None:
    """``out[j, r] = sum_i w0_ji rows[i, r + shift_ji] + w1_ji rows[i, r + shift_ji + later]``."""
    n_out, n_in = shifts.shape
    if n_in * shape.row > _LAST:
        raise ValueError(
            f"the numba loops for delays hold {n_in:,} rows of {shape.row:,} numbers, more than "
            f"{_LAST:,} in all: use a smaller batch, or backend='eager'"
        )
    begin = torch.arange(n_in, dtype=torch.int32) * shape.row
    places = torch.stack([begin + shifts, begin + shifts + later], 2)
    scales = torch.stack(list(weights), 2)
    kernel = _kernel("shifted_sum", rows.dtype)
    arrays = flat(rows), shape.margin, shape.row, flat(places), flat(scales), 2 * n_in, n_out

    def run(low: int, high: int) -> None:
        kernel(*arrays, flat(out), low, high)

    over_lanes(run, shape.blocks, 2 * n_in * n_out, 1)


def _scatter(shape: Shape, events, shifts: Tensor, weights, out: Tensor) -> None:
    kernel = _kernel("scatter", out.dtype)
    arrays = (*map(flat, events), shape.n_in, shape.margin, shape.row, shape.stride)
    arrays += (flat(shifts), *map(flat, weights), shape.n_out, flat(out))
    over_lanes(partial(kernel, *arrays), shape.batch, shape.n_in * shape.n_out, 1)


def _products(shape: Shape, rows: Tensor, events, g: Tensor, shifts: Tensor):
    """``sum_bt x[i, b, t] g[j, b, t + k_ji]`` and the same sum with g one step later; each
    ``[n_out, n_in]``."""
    first, second = g.new_zeros(2, shape.n_out, shape.n_in)
    if events is None:
        chunk = max(_CACHED // (shape.n_in * g.element_size()), 1) // 32 * 32
        arrays = (flat(rows), flat(g), shape.margin, shape.row, shape.used, flat(shifts))
        arrays += (shape.n_in, max(chunk, 32), flat(first), flat(second))
        kernel = _kernel("shifted_products", g.dtype)
    else:
        arrays = (*map(flat, events), shape.batch, shape.n_in, shape.margin, shape.row)
        arrays += (shape.stride, flat(shifts), flat(g), flat(first), flat(second))
        kernel = _kernel("gather", g.dtype)
    over_lanes(partial(kernel, *arrays), shape.n_out, shape.n_in * shape.used // 16, 1)
    return first, second


def run(x: Tensor, weight: Tensor, delays: Tensor) -> Tensor:
    """``y [T, B, n_out]`` of ``x [T, B, n_in]``, with delays in steps, at least 0.

    Raises:
        ValueError: for a batch whose rows hold more numbers than an int32 can count; in the
            backward pass too, where the rows are those of the gradient of y.
    """
    return _Delayed.apply(x, weight, delays)


def unsupported_reason(x: Tensor) -> str | None:
    """Why the loops cannot run on this tensor, in words; None if they can."""
    if x.device.type != "cpu":
        return f"the numba loops run on the CPU, but the input is on {x.device}"
    if x.dtype not in TYPES:
        return f"the numba loops take float32 or float64, but the input is {x.dtype}"
    return None
