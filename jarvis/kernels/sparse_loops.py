"""Products with a matrix that is mostly zeros, as compiled loops over its nonzero entries.

The nonzero entries of the matrix x ``[R, I]`` are listed once: their positions in each row and,
unless all of them are 1, their values. Then

* for ``x W^T``, each row of x adds the weights of its active inputs (`forward`);
* for ``g^T x``, the lists are sorted by input (`turn`), and then each input adds the gradients of
  the rows in which it is active (`to_weight`);
* ``g W`` is computed only at listed positions (`to_input`), where the neuron below is close enough
  to its threshold for its surrogate gradient to be nonzero.

Sums run over rows of 128 bytes in vector registers (`vectors`). Data that is read repeatedly, such
as columns of the weights or rows of the gradient, is copied beforehand so that it is contiguous and
stays in the cache. Every number is computed by one thread, in an order that does not depend on the
number of threads. `tests/networks/test_sparse_products.py` compares all results with the dense
products.
"""

import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit, types
from torch import Tensor

from jarvis.kernels.conv_events import TYPES, vector
from jarvis.kernels.cpu import compiled, over_lanes
from jarvis.kernels.memory import empty, flat
from jarvis.kernels.vectors import (
    BITS,
    ROW_BYTES,
    add_rows,
    add_scaled_rows,
    count_bits,
    inner_product,
    lowest_bit,
    not_one,
    not_zero,
    width,
)

ROWS = 256  #: rows of x that are computed together, so that their lists and results stay in L2

_TOGETHER = 64  #: columns of the gradient that `to_weight` copies at once: whole cache lines


def _make_count(real: Any) -> Callable:
    def count(x, n, step, words, bits, counts, graded, low, high):
        for r in range(low, high):
            start, end = r * step * n, r * step * n + n
            k = other = 0
            for word in range(words):
                at = start + word * BITS
                if at + BITS <= end:
                    found = not_zero(x, at)
                    other |= found & not_one(x, at)
                else:
                    found = 0
                    for i in range(at, end):
                        if x[i] != real(0):
                            found |= 1 << (i - at)
                            other |= x[i] != real(1)
                k += count_bits(found)
                if len(bits) > 0:
                    bits[r * words + word] = found
            counts[r] = k
            graded[r] = other != 0

    return count


def _make_fill(real: Any) -> Callable:
    def fill(x, n, words, bits, starts, places, values, valued, low, high):
        for r in range(low, high):
            k = starts[r]
            for word in range(words):
                found = np.int64(bits[r * words + word])
                while found != 0:
                    i = word * BITS + lowest_bit(found)
                    places[k] = i
                    if valued:
                        values[k] = x[r * n + i]
                    k += 1
                    found &= found - 1

    return fill


@njit(nogil=True, error_model="numpy")
def feed(spikes, at, n_in, n_out, packed, begin, places, values, counts, out, low, high):
    """The recurrent input that the spikes of one step cause; called by generated loops.

    Args:
        spikes: array of spikes; those of this step ``[B, n_in]`` begin at index `at`.
        packed, begin: see `pack`.
        places, values: working memory for the spikes of each sample, ``[B n_in]``.
        counts: the number of spikes of each sample ``[B]``, to which the spikes of this step are
            added.
        out: the result ``[B, n_out]``.
        low, high: the range of samples.
    """
    w = ROW_BYTES // packed.itemsize
    row = np.empty(w, packed.dtype)
    for r in range(low, high):
        start = k = r * n_in
        graded = 0
        here = at + start
        for first in range(0, n_in, BITS):
            if first + BITS <= n_in:
                found = not_zero(spikes, here + first)
                graded |= found & not_one(spikes, here + first)
                while found != 0:
                    places[k] = first + lowest_bit(found)
                    k += 1
                    found &= found - 1
            else:
                for i in range(first, n_in):
                    if spikes[here + i] != 0:
                        graded |= spikes[here + i] != 1
                        places[k] = i
                        k += 1
        counts[r] += k - start
        if graded:
            for q in range(start, k):
                values[q] = spikes[here + places[q]]
        for first in range(0, n_out, w):
            wide = min(w, n_out - first)
            weights = packed[first * n_in :][: n_in * w]
            to, there = (out, r * n_out + first) if wide == w else (row, 0)
            if graded:
                add_scaled_rows(weights, places, values, start, k, begin, first, to, there)
            else:
                add_rows(weights, places, start, k, begin, first, to, there)
            if wide < w:
                out[r * n_out + first :][:wide] = row[:wide]


def _make_feed(real: Any) -> Callable:
    def one_step(spikes, n, packed, begin, places, values, counts, out, low, high):
        feed(spikes, 0, n, n, packed, begin, places, values, counts, out, low, high)

    return one_step


def _make_pack(real: Any) -> Callable:
    w = width(real(0).itemsize)

    def pack(weight, n_out, n_in, packed, low, high):
        for block in range(low, high):
            out = packed[block * n_in * w :][: n_in * w]
            first = block * w
            wide = min(w, n_out - first)
            for i0 in range(0, n_in, 16):
                i1 = min(i0 + 16, n_in)
                for k in range(wide):
                    row = weight[(first + k) * n_in :][:n_in]
                    for i in range(i0, i1):
                        out[i * w + k] = row[i]
            if wide < w:
                for i in range(n_in):
                    for k in range(wide, w):
                        out[i * w + k] = real(0)

    return pack


def _make_forward(real: Any) -> Callable:
    w = width(real(0).itemsize)

    def forward(starts, places, values, valued, packed, bias, n_in, n_out, y, low, high):
        row = np.empty(w, real)
        for r0 in range(low, high, ROWS):
            for first in range(0, n_out, w):
                weights = packed[first * n_in :][: n_in * w]
                wide = min(w, n_out - first)
                for r in range(r0, min(r0 + ROWS, high)):
                    q0, q1 = starts[r], starts[r + 1]
                    out, at = (y, r * n_out + first) if wide == w else (row, 0)
                    if valued:
                        add_scaled_rows(weights, places, values, q0, q1, bias, first, out, at)
                    else:
                        add_rows(weights, places, q0, q1, bias, first, out, at)
                    if wide < w:
                        y[r * n_out + first :][:wide] = row[:wide]

    return forward


def _make_turn(real: Any) -> Callable:
    def turn(starts, places, values, valued, n_in, rows, begins, turned, turned_values, low, high):
        n_rows = len(starts) - 1
        for part in range(low, high):
            r0, r1 = part * rows, min((part + 1) * rows, n_rows)
            begin = begins[part * (n_in + 1) :][: n_in + 1]
            begin[:] = 0
            for q in range(starts[r0], starts[r1]):
                begin[places[q]] += 1
            at = starts[r0]
            for i in range(n_in + 1):
                count = begin[i]
                begin[i] = at
                at += count
            for r in range(r0, r1):
                for q in range(starts[r], starts[r + 1]):
                    i = places[q]
                    turned[begin[i]] = r - r0
                    if valued:
                        turned_values[begin[i]] = values[q]
                    begin[i] += 1
            for i in range(n_in, 0, -1):  # each is now where the next input begins
                begin[i] = begin[i - 1]
            begin[0] = starts[r0]

    return turn


def _make_to_weight(real: Any) -> Callable:
    w = width(real(0).itemsize)
    together = max(w, _TOGETHER)
    blocks = together // w

    def to_weight(
        begins, turned, values, valued, g, n_rows, n_in, n_out, rows, gradient, low, high
    ):
        # One buffer, aligned to a cache line, holds both the rows of g and the sums for each input.
        spare = np.empty((rows + n_in + 1) * together, real)
        start = (-spare.ctypes.data % 64) // spare.itemsize
        copied = spare[start:][: rows * together]
        sums = spare[start + rows * together :][: n_in * together]
        for group in range(low, high):
            column = group * together
            n_blocks = min(blocks, -(-(n_out - column) // w))
            sums[:] = real(0)
            for part in range(-(-n_rows // rows)):
                r0, r1 = part * rows, min((part + 1) * rows, n_rows)
                for r in range(r0, r1):
                    for b in range(n_blocks):
                        first = column + b * w
                        wide = min(w, n_out - first)
                        target = copied[(b * rows + r - r0) * w :][:wide]
                        source = g[r * n_out + first :][:wide]
                        for k in range(wide):
                            target[k] = source[k]
                begin = begins[part * (n_in + 1) :][: n_in + 1]
                for b in range(n_blocks):
                    from_rows = copied[b * rows * w :][: rows * w]
                    to_sums = sums[b * n_in * w :][: n_in * w]
                    for i in range(n_in):
                        q0, q1 = begin[i], begin[i + 1]
                        if q0 == q1:
                            continue
                        if valued:
                            add_scaled_rows(
                                from_rows, turned, values, q0, q1, to_sums, i * w, to_sums, i * w
                            )
                        else:
                            add_rows(from_rows, turned, q0, q1, to_sums, i * w, to_sums, i * w)
            for b in range(n_blocks):
                first = column + b * w
                sums_here = sums[b * n_in * w :][: n_in * w]
                for i0 in range(0, n_in, 16):
                    i1 = min(i0 + 16, n_in)
                    for k in range(min(w, n_out - first)):
                        out = gradient[(first + k) * n_in :][:n_in]
                        for i in range(i0, i1):
                            out[i] = sums_here[i * w + k]

    return to_weight


def _make_to_input(real: Any) -> Callable:
    def to_input(wanted, g, weights, n_in, n_out, padded, gradient, low, high):
        row = np.zeros(padded, real)
        places = np.empty(n_in, np.int32)
        for r in range(low, high):
            row[:n_out] = g[r * n_out :][:n_out]
            out = gradient[r * n_in :][:n_in]
            near = wanted[r * n_in :][:n_in]
            out[:] = real(0)
            k = 0
            for i in range(n_in):  # k <= i, so there is room for every input
                places[k] = i
                k += near[i]
            for q in range(k):
                i = places[q]
                out[i] = inner_product(weights, i * padded, row, 0, padded)

    return to_input


_WHOLE = types.int64
_PLACES, _STARTS, _BYTES = vector(types.int32), vector(types.int64), vector(types.uint8)
_BITS = vector(types.uint32)
_RANGE = [_WHOLE, _WHOLE]


def _signatures(row: Any) -> dict[Callable, list]:
    """The argument types of each loop; `row` is the type of a dense array of numbers."""
    flag = types.boolean
    lists = [_STARTS, _PLACES, row, flag]
    return {
        _make_count: [row, *[_WHOLE] * 3, _BITS, _STARTS, _BYTES, *_RANGE],
        _make_fill: [row, _WHOLE, _WHOLE, _BITS, *lists, *_RANGE],
        _make_feed: [row, _WHOLE, row, row, _PLACES, row, _STARTS, row, *_RANGE],
        _make_pack: [row, _WHOLE, _WHOLE, row, *_RANGE],
        _make_forward: [*lists, row, row, _WHOLE, _WHOLE, row, *_RANGE],
        _make_turn: [*lists, _WHOLE, _WHOLE, _STARTS, _PLACES, row, *_RANGE],
        _make_to_weight: [*lists, row, *[_WHOLE] * 4, row, *_RANGE],
        _make_to_input: [_BYTES, row, row, *[_WHOLE] * 3, row, *_RANGE],
    }


# numba's cache checks only a loop's own file, so loop names include a hash of vectors.py.
_VECTORS = f"{zlib.crc32(Path(__file__).with_name('vectors.py').read_bytes()):08x}"


def build(
    make: Callable, dtype: torch.dtype, signatures: Callable[[Any], dict[Callable, list]], name: str
) -> Callable:
    """The machine code of a loop.

    Args:
        make: ``make(real) -> loop``.
        dtype: the type of the loop's numbers.
        signatures: a function that takes the type of a dense array and returns the argument types
            of every loop in the file.
        name: the beginning of the loops' names.
    """
    real, kind = TYPES[dtype]
    signature = types.void(*signatures(vector(kind))[make])
    return compiled(make(real), signature, f"{name}{make.__name__}_{real.__name__}_{_VECTORS}")


@cache
def _loop(make: Callable, dtype: torch.dtype) -> Callable:
    return build(make, dtype, _signatures, "sparse")


class Active(NamedTuple):
    """The nonzero entries of a matrix ``[R, I]``, row by row."""

    shape: tuple[int, int]
    starts: np.ndarray  #: the start of each row's entries ``[R + 1]`` int64
    places: np.ndarray  #: the column of each entry, int32
    values: np.ndarray  #: the value of each entry; empty if all of them are 1
    dtype: torch.dtype

    @property
    def valued(self) -> bool:
        """Whether any nonzero entry differs from 1."""
        return len(self.values) > 0

    def arguments(self) -> tuple:
        """The arguments that the loops take."""
        return self.starts, self.places, self.values, self.valued


def share_nonzero(x: Tensor, rows: int) -> float:
    """The share of nonzero entries, counted in evenly spaced rows.

    Args:
        x: a dense matrix ``[R, I]``.
        rows: how many rows are searched; all rows if x has fewer.
    """
    n_rows, n_in = x.shape
    step = -(-n_rows // rows)
    looked_at = -(-n_rows // step)
    counts, graded = np.empty(looked_at, np.int64), np.empty(looked_at, np.uint8)
    count, nothing = _loop(_make_count, x.dtype), np.empty(0, np.uint32)
    words = -(-n_in // BITS)
    count(flat(x), n_in, step, words, nothing, counts, graded, 0, looked_at)
    return float(counts.sum()) / (looked_at * n_in)


def active(x: Tensor) -> Active:
    """List the nonzero entries of a dense matrix ``[R, I]``."""
    n_rows, n_in = x.shape
    numbers, words = flat(x), -(-n_in // BITS)
    bits, counts = np.empty(n_rows * words, np.uint32), np.empty(n_rows, np.int64)
    graded = np.empty(n_rows, np.uint8)
    count, fill = _loop(_make_count, x.dtype), _loop(_make_fill, x.dtype)

    def count_rows(low: int, high: int) -> None:
        count(numbers, n_in, 1, words, bits, counts, graded, low, high)

    over_lanes(count_rows, n_rows, n_in // 4, ROWS)
    starts = np.zeros(n_rows + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    total = int(starts[-1])
    valued = bool(graded.any())
    places = np.empty(total, np.int32)
    values = np.empty(total if valued else 0, numbers.dtype)

    def fill_rows(low: int, high: int) -> None:
        fill(numbers, n_in, words, bits, starts, places, values, valued, low, high)

    over_lanes(fill_rows, n_rows, n_in // 4, ROWS)
    return Active((n_rows, n_in), starts, places, values, x.dtype)


def product(x: Active, weight: Tensor, bias: Tensor | None) -> Tensor:
    """``x W^T + b`` ``[R, N]``.

    Args:
        x: ``[R, I]``.
        weight: W ``[N, I]``.
        bias: b ``[N]``, or None.
    """
    (n_rows, n_in), n_out = x.shape, len(weight)
    y = empty(torch.Size((n_rows, n_out)), x.dtype, weight.device)
    packed, begin = pack(weight, bias)
    forward = _loop(_make_forward, x.dtype)
    arguments = (*x.arguments(), packed, begin, n_in, n_out, flat(y))

    def run(low: int, high: int) -> None:
        forward(*arguments, low, high)

    over_lanes(run, n_rows, n_out * (1 + len(x.places) // max(n_rows, 1)), ROWS)
    return y


def _weights_of_blocks(n_out: int, n_in: int, dtype: torch.dtype) -> Tensor:
    """Memory for weights, in whole blocks of outputs.

    Packed weights and, later, gradients use the same block of memory.
    """
    columns = width(dtype.itemsize)
    blocks = -(-n_out // columns)
    return empty(torch.Size((blocks * columns, n_in)), dtype, torch.device("cpu"))


def pack(weight: Tensor, bias: Tensor | None) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``[N, I]`` and biases ``[N]``, arranged as `forward` reads them.

    The outputs are divided into blocks of one row of `vectors`; in a block, the weights of each
    input are contiguous.
    """
    n_out, n_in = weight.shape
    columns = width(weight.dtype.itemsize)
    blocks = -(-n_out // columns)
    packed = flat(_weights_of_blocks(n_out, n_in, weight.dtype))
    weights, loop = flat(weight), _loop(_make_pack, weight.dtype)

    def run(low: int, high: int) -> None:
        loop(weights, n_out, n_in, packed, low, high)

    over_lanes(run, blocks, n_in * columns, 1)
    begin = np.zeros(blocks * columns, packed.dtype)
    if bias is not None:
        begin[:n_out] = flat(bias)
    return packed, begin


def one_step(spikes: Tensor, weight: Tensor) -> Callable[[], Tensor]:
    """``s W^T`` for the spikes s ``[B, H]`` of a step, as recurrent loops compute it."""
    batch, n = spikes.shape
    out, room = torch.empty_like(spikes), np.empty(batch * n, flat(spikes).dtype)
    places, counts = np.empty(batch * n, np.int32), np.empty(batch, np.int64)
    arguments = (flat(spikes), n, *pack(weight, None), places, room, counts, flat(out), 0, batch)
    loop = _loop(_make_feed, spikes.dtype)

    def run() -> Tensor:
        loop(*arguments)
        return out

    return run


def weight_gradient(x: Active, g: Tensor) -> Tensor:
    """``g^T x`` ``[N, I]``.

    Args:
        x: ``[R, I]``.
        g: the gradient of the product ``[R, N]``.
    """
    (n_rows, n_in), n_out = x.shape, g.shape[1]
    # Group so many rows that each input has about sixteen entries, if the group fits in the cache.
    per_row = max(1, len(x.places)) / max(1, n_rows * n_in)
    rows = min(max(ROWS, int(16 / per_row) // ROWS * ROWS), 4 * ROWS, max(1, n_rows))
    parts = -(-n_rows // rows)
    begins = np.empty(parts * (n_in + 1), np.int64)
    turned = np.empty_like(x.places)
    values = np.empty_like(x.values)
    turn = _loop(_make_turn, x.dtype)

    def turn_parts(low: int, high: int) -> None:
        turn(*x.arguments(), n_in, rows, begins, turned, values, low, high)

    over_lanes(turn_parts, parts, n_in + len(x.places) // max(1, parts), 1)
    gradient = _weights_of_blocks(n_out, n_in, g.dtype)[:n_out]
    to_weight = _loop(_make_to_weight, x.dtype)
    arguments = (begins, turned, values, x.valued, flat(g))
    arguments = (*arguments, n_rows, n_in, n_out, rows, flat(gradient))

    def run(low: int, high: int) -> None:
        to_weight(*arguments, low, high)

    groups = -(-n_out // max(_TOGETHER, width(x.dtype.itemsize)))
    over_lanes(run, groups, _TOGETHER * len(x.places), 1)
    return gradient


def input_gradient(wanted: Tensor, g: Tensor, weight: Tensor) -> Tensor:
    """``g W`` ``[R, I]`` at wanted places, and 0 elsewhere.

    Args:
        wanted: ``[R, I]`` uint8: 1 at wanted places, else 0.
        g: ``[R, N]``.
        weight: W ``[N, I]``.
    """
    n_rows, n_in = wanted.shape
    n_out, row = len(weight), width(g.dtype.itemsize)
    padded = -(-n_out // row) * row
    turned = torch.zeros(n_in, padded, dtype=g.dtype)
    turned[:, :n_out] = weight.t()
    gradient = empty(wanted.shape, g.dtype, g.device)
    to_input = _loop(_make_to_input, g.dtype)
    arguments = (flat(wanted, torch.uint8), flat(g), flat(turned), n_in, n_out, padded)
    arguments = (*arguments, flat(gradient))

    def run(low: int, high: int) -> None:
        to_input(*arguments, low, high)

    over_lanes(run, n_rows, n_in * n_out // 4, ROWS)
    return gradient
