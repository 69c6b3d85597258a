"""2-d convolutions of images that are mostly zeros, as compiled loops over nonzero pixels.

The loops support ``groups=1``, ``dilation=1`` and zero padding by a given number of pixels; any
kernel size and stride; float32 and float64. The nonzero entries of the images x ``[R, C, H, W]``
are listed once (`sparse_loops.active`), as if x were a matrix with one row per image. Then

* `convolve` adds, at each location of the result, the weights of the entries in its window. A list
  of all entries in the window's rows, sorted by column, holds these entries contiguously;
* `weight_gradient` takes each channel and each row of the kernel, and adds the pieces of the
  gradient's rows on which the channel's entries act, for all columns of the kernel at once;
* `input_gradient` computes the gradient only where it is needed, and `input_gradient_from_sparse`
  visits only the nonzero entries of the incoming gradient, as after max-pooling.

Sums are kept in vector registers (`vectors`). Every number is computed by one thread, in an order
that does not depend on the number of threads. Only exact zeros are skipped, so
`tests/kernels/test_sparse_conv.py` can compare the results with `torch.nn.functional.conv2d`.
"""

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numba import njit, types
from torch import Tensor
from torch.nn.grad import conv2d_input, conv2d_weight

from jarvis.kernels.conv_events import vector
from jarvis.kernels.cpu import over_lanes
from jarvis.kernels.memory import empty, flat
from jarvis.kernels.sparse_loops import Active, build
from jarvis.kernels.vectors import (
    BITS,
    WIDE,
    add_pieces,
    add_scaled_pieces,
    add_scaled_wide,
    inner_product,
    move_entries,
    width,
)

_LINE = 64  #: bytes of a cache line

_ENTRIES = 16  #: `weight_gradient` groups images until a channel has this many entries

_PLANES = 1 << 17  #: limit, in bytes, of the gradients of a group, so that they stay in L2

Pair = tuple[int, int]


def _make_convolve(real: Any) -> Callable:
    w = width(real(0).itemsize)

    def convolve(starts, places, values, valued, weights, begin, sizes, out, low, high):
        channels, height, wide, kh, kw = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
        sh, sw, ph, pw, out_h, out_w = sizes[5], sizes[6], sizes[7], sizes[8], sizes[9], sizes[10]
        maps, together, blocks = sizes[11], sizes[12], sizes[13]
        area, pixel = height * wide, channels * w
        column = kh * pixel
        row = np.empty(w, real)
        # The entries of an image by column, row and channel, and where each location begins.
        entries, scales = np.empty(area * channels + BITS, np.int32), values[:0]
        begins, at_location = np.empty(area + 1, np.int64), np.empty(area, np.int64)
        at_row = np.empty(area, np.int32)
        # The entries in the rows of a window, and where each column begins.
        near = np.empty(wide * min(kh, height) * channels + BITS, np.int32)
        near_scales, columns = values[:0], np.empty(wide + 1, np.int64)
        if valued:
            scales, near_scales = np.empty(len(entries), real), np.empty(len(near), real)
        for location in range(area):
            at_location[location] = location % wide * height + location // wide
            at_row[location] = location // wide * pixel
        for r in range(low, high):
            begins[:] = 0
            q = starts[r]
            for c in range(channels):
                while q < starts[r + 1] and places[q] < (c + 1) * area:
                    begins[at_location[places[q] - c * area]] += 1
                    q += 1
            at = 0
            for location in range(area + 1):
                count = begins[location]
                begins[location] = at
                at += count
            q = starts[r]
            for c in range(channels):
                while q < starts[r + 1] and places[q] < (c + 1) * area:
                    location = places[q] - c * area
                    to = begins[at_location[location]]
                    entries[to] = at_row[location] + c * w
                    if valued:
                        scales[to] = values[q]
                    begins[at_location[location]] += 1
                    q += 1
            for location in range(area, 0, -1):  # each is now where the next location begins
                begins[location] = begins[location - 1]
            begins[0] = 0

            for y in range(out_h):
                top = y * sh - ph
                first, stop = max(top, 0), min(top + kh, height)
                k = 0
                for x in range(wide):
                    columns[x] = k
                    if first >= stop:
                        continue
                    q0, q1 = begins[x * height + first], begins[x * height + stop]
                    shift = x * column - top * pixel
                    for i in range(0, q1 - q0, BITS):  # moves up to BITS - 1 extra entries
                        move_entries(entries, q0 + i, shift, near, k + i)
                    if valued:
                        near_scales[k : k + q1 - q0] = scales[q0:q1]
                    k += q1 - q0
                columns[wide] = k
                for block in range(blocks):
                    for x in range(0, out_w, together):
                        left = x * sw - pw
                        q0 = columns[min(max(left, 0), wide)]
                        q1 = max(q0, columns[min(max(left + kw, 0), wide)])
                        base = block * kw * column - left * column
                        to = ((r * out_h + y) * out_w + x) * maps + block * w
                        n = min(min(together, out_w - x) * maps - block * w, w)
                        target, at = (out, to) if n == w else (row, 0)
                        if valued:
                            add_scaled_pieces(
                                weights, base, near, near_scales, q0, q1,
                                begin, block * w, target, at,
                            )  # fmt: skip
                        else:
                            add_pieces(weights, base, near, q0, q1, begin, block * w, target, at)
                        if n < w:
                            out[to : to + n] = row[:n]

    return convolve


def _make_group(real: Any) -> Callable:
    def group(
        starts, places, values, valued, area, groups, group_of, place_of, plane, pictures,
        begins, turned, turned_values, low, high,
    ):  # fmt: skip
        n_rows, n_phases = len(starts) - 1, groups[1]
        n_groups = groups[0] * n_phases
        for part in range(low, high):
            r0, r1 = part * pictures, min((part + 1) * pictures, n_rows)
            begin = begins[part * (n_groups + 1) :][: n_groups + 1]
            begin[:] = 0
            for r in range(r0, r1):
                q = starts[r]
                for c in range(groups[0]):
                    while q < starts[r + 1] and places[q] < (c + 1) * area:
                        begin[c * n_phases + group_of[places[q] - c * area]] += 1
                        q += 1
            at = starts[r0]
            for i in range(n_groups + 1):
                count = begin[i]
                begin[i] = at
                at += count
            for r in range(r0, r1):
                q = starts[r]
                for c in range(groups[0]):
                    while q < starts[r + 1] and places[q] < (c + 1) * area:
                        location = places[q] - c * area
                        i = c * n_phases + group_of[location]
                        turned[begin[i]] = (r - r0) * plane + place_of[location]
                        if valued:
                            turned_values[begin[i]] = values[q]
                        begin[i] += 1
                        q += 1
            for i in range(n_groups, 0, -1):
                begin[i] = begin[i - 1]
            begin[0] = starts[r0]

    return group


@njit(inline="always")
def _aligned(size, dtype):
    """An array of zeros that begins at a cache line."""
    spare = np.zeros(size + _LINE, dtype)
    start = (-spare.ctypes.data % _LINE) // spare.itemsize
    return spare[start : start + size]


@njit(inline="always")
def _place(g, r, out_h, out_w, maps, padded, top, left, high, wide):
    """Copy the gradient of an image to the middle of a plane of zeros."""
    n = min(out_w, wide - left) * maps
    for y in range(min(out_h, high - top)):
        target = padded[((top + y) * wide + left) * maps :][:n]
        source = g[(r * out_h + y) * out_w * maps :][:n]
        for i in range(n):
            target[i] = source[i]


def _make_channels_last(real: Any) -> Callable:
    together = _LINE // real(0).itemsize

    def channels_last(x, maps, area, out, low, high):
        for r in range(low, high):
            source, target = x[r * maps * area :][: maps * area], out[r * maps * area :]
            for i0 in range(0, area, together):
                i1 = min(i0 + together, area)
                for i in range(i0, i1):
                    pixel = target[i * maps :][:maps]
                    for m in range(maps):
                        pixel[m] = source[m * area + i]

    return channels_last


def _make_to_weight(real: Any) -> Callable:
    w = width(real(0).itemsize)

    def to_weight(begins, turned, values, valued, g, sizes, pictures, gradient, low, high):
        channels, kh, kw, sh, sw = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
        out_h, out_w, maps, tall, wide = sizes[5], sizes[6], sizes[7], sizes[8], sizes[9]
        top, left, plane = (kh - 1) // sh, (kw - 1) // sw, tall * wide * maps
        n_groups, n_rows = channels * sh * sw, len(g) // (out_h * out_w * maps)
        phases = min(sw, kw)
        stride = -(-(left + 1) * maps // w) * w
        sums = _aligned((high - low) * phases * stride, real)
        padded = _aligned(pictures * plane + w, real)
        for part in range(-(-n_rows // pictures)):
            r0, r1 = part * pictures, min((part + 1) * pictures, n_rows)
            for r in range(r0, r1):
                target = padded[(r - r0) * plane :]
                _place(g, r, out_h, out_w, maps, target, top, left, tall, wide)
            begin = begins[part * (n_groups + 1) :][: n_groups + 1]
            for lane in range(low, high):
                c, dy = lane // kh, lane % kh
                for phase in range(phases):
                    i = (c * sh + dy % sh) * sw + phase
                    q0, q1 = begin[i], begin[i + 1]
                    if q0 == q1:
                        continue
                    more = (kw - 1 - phase) // sw  # columns of the kernel that meet these entries
                    base = ((top - dy // sh) * wide + left - more) * maps
                    to = ((lane - low) * phases + phase) * stride
                    for k in range(0, (more + 1) * maps, w):
                        at = to + k
                        if valued:
                            add_scaled_pieces(
                                padded, base + k, turned, values, q0, q1, sums, at, sums, at
                            )
                        else:
                            add_pieces(padded, base + k, turned, q0, q1, sums, at, sums, at)
        for lane in range(low, high):
            for dx in range(kw):
                phase = dx % sw
                place = (kw - 1 - phase) // sw - dx // sw
                at = ((lane - low) * phases + phase) * stride + place * maps
                for m in range(maps):
                    gradient[(m * channels * kh + lane) * kw + dx] = sums[at + m]

    return to_weight


def _make_to_input(real: Any) -> Callable:
    w = width(real(0).itemsize)

    def to_input(wanted, g, weights, length, sizes, gradient, low, high):
        channels, kh, kw, sh, sw = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
        out_h, out_w, maps, tall, wide = sizes[5], sizes[6], sizes[7], sizes[8], sizes[9]
        height, width_in, ph, pw = sizes[10], sizes[11], sizes[12], sizes[13]
        top, left, area = (kh - 1) // sh, (kw - 1) // sw, height * width_in
        padded = _aligned(tall * wide * maps, real)
        slab = _aligned(wide * (top + 1) * maps, real)
        near = np.empty(channels * width_in, np.int32)
        for r in range(low, high):
            _place(g, r, out_h, out_w, maps, padded, top, left, tall, wide)
            gradient[r * channels * area : (r + 1) * channels * area] = real(0)
            for y in range(height):
                k = 0
                for c in range(channels):
                    flags = wanted[(r * channels + c) * area + y * width_in :][:width_in]
                    for x in range(width_in):
                        near[k] = c * width_in + x
                        k += flags[x]
                phase_y = (y + ph) % sh
                if k == 0 or phase_y >= kh:
                    continue
                rows = (kh - 1 - phase_y) // sh + 1
                first = (y + ph) // sh + top - rows + 1
                for x in range(wide):  # the window's rows side by side, column by column
                    for j in range(rows):
                        target = slab[(x * rows + j) * maps :][:maps]
                        source = padded[((first + j) * wide + x) * maps :][:maps]
                        for m in range(maps):
                            target[m] = source[m]
                for q in range(k):
                    c, x = near[q] // width_in, near[q] % width_in
                    phase_x = (x + pw) % sw
                    if phase_x >= kw:
                        continue
                    more = (kw - 1 - phase_x) // sw
                    at = ((x + pw) // sw + left - more) * rows * maps
                    to = ((phase_y * sw + phase_x) * channels + c) * length
                    n = (more + 1) * rows * maps
                    full = n // w * w
                    total = real(0)
                    if full > 0:
                        total = inner_product(weights, to, slab, at, full)
                    for i in range(full, n):
                        total += weights[to + i] * slab[at + i]
                    gradient[(r * channels + c) * area + y * width_in + x] = total

    return to_input


def _make_push(real: Any) -> Callable:
    w = width(real(0).itemsize)
    several = WIDE * w

    def push(starts, places, values, valued, weights, sizes, gradient, low, high):
        channels, kh, kw, sh, sw = sizes[0], sizes[1], sizes[2], sizes[3], sizes[4]
        out_h, out_w, maps, height, width_in = sizes[5], sizes[6], sizes[7], sizes[8], sizes[9]
        ph, pw, length = sizes[10], sizes[11], sizes[12]
        tall, wide = (out_h - 1) * sh + kh, (out_w - 1) * sw + kw
        sums = _aligned(tall * wide * channels + several, real)
        begins = np.empty(out_h * out_w + 1, np.int64)
        at_map, scales = (
            np.empty(out_h * out_w * maps, np.int32),
            np.ones(out_h * out_w * maps, real),
        )
        for r in range(low, high):
            sums[:] = real(0)
            k, q = 0, starts[r]
            for location in range(out_h * out_w):
                begins[location] = k
                while q < starts[r + 1] and places[q] < (location + 1) * maps:
                    at_map[k] = (places[q] - location * maps) * length
                    if valued:
                        scales[k] = values[q]
                    k += 1
                    q += 1
            begins[out_h * out_w] = k
            for dy in range(kh):
                for y in range(out_h):
                    for x in range(out_w):
                        q0, q1 = begins[y * out_w + x], begins[y * out_w + x + 1]
                        if q0 == q1:
                            continue
                        base, to = dy * maps * length, ((y * sh + dy) * wide + x * sw) * channels
                        n = 0
                        while kw * channels - n > 2 * w:
                            add_scaled_wide(weights, base + n, at_map, scales, q0, q1, sums, to + n)
                            n += several
                        while n < kw * channels:
                            add_scaled_pieces(
                                weights,
                                base + n,
                                at_map,
                                scales,
                                q0,
                                q1,
                                sums,
                                to + n,
                                sums,
                                to + n,
                            )
                            n += w
            for c in range(channels):
                for y in range(height):
                    target = gradient[((r * channels + c) * height + y) * width_in :][:width_in]
                    source = sums[((y + ph) * wide + pw) * channels :]
                    n = min(width_in, wide - pw) if y + ph < tall else 0
                    for x in range(n):
                        target[x] = source[x * channels + c]
                    for x in range(max(n, 0), width_in):
                        target[x] = real(0)

    return push


_WHOLE = types.int64
_PLACES, _STARTS, _BYTES = vector(types.int32), vector(types.int64), vector(types.uint8)
_RANGE = [_WHOLE, _WHOLE]


def _signatures(row: Any) -> dict[Callable, list]:
    """The argument types of each loop; `row` is the type of a dense array of numbers."""
    flag = types.boolean
    lists = [_STARTS, _PLACES, row, flag]
    return {
        _make_convolve: [*lists, row, row, _STARTS, row, *_RANGE],
        _make_group: [
            *lists, _WHOLE, types.UniTuple(_WHOLE, 2), _PLACES, _PLACES, _WHOLE, _WHOLE,
            _STARTS, _PLACES, row, *_RANGE,
        ],
        _make_channels_last: [row, _WHOLE, _WHOLE, row, *_RANGE],
        _make_to_weight: [*lists, row, _STARTS, _WHOLE, row, *_RANGE],
        _make_push: [*lists, row, _STARTS, row, *_RANGE],
        _make_to_input: [_BYTES, row, row, _WHOLE, _STARTS, row, *_RANGE],
    }  # fmt: skip


@cache
def _loop(make: Callable, dtype: torch.dtype) -> Callable:
    return build(make, dtype, _signatures, "sparse_conv")


class _Padded(NamedTuple):
    """A plane of zeros around the gradient of an image, so that every window lies in this plane.

    An entry at (y, x) meets an element (dy, dx) of the kernel if ``dy % sh == (y + ph) % sh`` and
    likewise for columns. They meet in the plane's row
    ``(y + ph) // sh - dy // sh + (kh - 1) // sh``.
    """

    tall: int
    wide: int

    @staticmethod
    def of(size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> "_Padded":
        tall, wide = (
            (n - 1 + p) // s + (k - 1) // s + 1
            for n, k, s, p in zip(size, kernel, stride, padding, strict=True)
        )
        return _Padded(tall, wide)


def result_size(size: Pair, kernel: Pair, stride: Pair, padding: Pair) -> Pair:
    """Height and width of the result of a convolution."""
    high, wide = (
        (n + 2 * p - k) // s + 1 for n, k, s, p in zip(size, kernel, stride, padding, strict=True)
    )
    return high, wide


def convolve(
    x: Active,
    shape: tuple[int, int, int],
    weight: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Pair,
) -> Tensor:
    """The convolution ``[R, O, Ho, Wo]``, laid out in memory as ``[R, Ho, Wo, O]``.

    Args:
        x: the images as the rows of a matrix ``[R, C H W]``.
        shape: (C, H, W).
        weight: ``[O, C, kh, kw]``.
        bias: ``[O]``, or None.
        stride, padding: (rows, columns).
    """
    maps, channels, kh, kw = weight.shape
    row, n_rows = width(x.dtype.itemsize), x.shape[0]
    size = result_size(shape[1:], (kh, kw), stride, padding)
    # With few maps, several neighbouring locations are computed together, as maps of a wider
    # kernel. The zeros of this kernel must not be multiplied by an infinite value.
    together = 1
    if maps < row and stride[1] <= kw and _finite(x):
        together = min(row // maps, size[1])
    wide = kw + (together - 1) * stride[1]
    blocks = -(-together * maps // row)
    packed = torch.zeros(wide, kh, channels, blocks * row, dtype=x.dtype)
    turned = weight.detach().permute(3, 2, 1, 0)
    for j in range(together):
        left = j * stride[1]
        packed[left : left + kw, :, :, j * maps : (j + 1) * maps] = turned
    packed = packed.unflatten(-1, (blocks, row)).permute(3, 0, 1, 2, 4)
    begin = torch.zeros(blocks * row, dtype=x.dtype)
    if bias is not None:
        begin[: together * maps] = bias.detach().repeat(together)
    sizes = (*shape, kh, wide, stride[0], stride[1], *padding, *size, maps, together, blocks)
    out = empty(torch.Size((n_rows, *size, maps)), x.dtype, weight.device)
    loop = _loop(_make_convolve, x.dtype)
    arguments = (*x.arguments(), flat(packed), flat(begin), np.array(sizes), flat(out))

    def run(low: int, high: int) -> None:
        loop(*arguments, low, high)

    over_lanes(run, n_rows, size[0] * size[1] * maps, 1)
    return out.permute(0, 3, 1, 2)


def weight_gradient(
    x: Active,
    shape: tuple[int, int, int],
    g: Tensor,
    kernel: Pair,
    stride: Pair,
    padding: Pair,
) -> Tensor:
    """The gradient of the weights ``[O, C, kh, kw]``.

    Args:
        x: the images as the rows of a matrix ``[R, C H W]``.
        shape: (C, H, W).
        g: the gradient of the convolution ``[R, O, Ho, Wo]``.
        kernel: (kh, kw).
        stride, padding: (rows, columns).
    """
    channels, height, wide = shape
    n_rows, maps, out_h, out_w = g.shape
    if not _finite(x):  # zeros around the gradient would turn infinities into NaN
        size = (maps, channels, *kernel)
        return conv2d_weight(_dense(x, shape), size, g, stride, padding)  # type: ignore[arg-type]
    padded = _Padded.of((height, wide), kernel, stride, padding)
    plane = padded.tall * padded.wide * maps
    # A group has enough images for a few entries per channel, as long as it fits in the cache.
    per_channel = max(1, len(x.places)) / max(1, n_rows * channels)
    fit = max(1, _PLANES // (plane * g.dtype.itemsize))
    pictures = max(1, min(round(_ENTRIES / per_channel), fit, n_rows))
    parts, n_groups = -(-n_rows // pictures), channels * stride[0] * stride[1]
    y, x_ = np.arange(height)[:, None] + padding[0], np.arange(wide) + padding[1]
    group_of = (y % stride[0] * stride[1] + x_ % stride[1]).astype(np.int32).ravel()
    place_of = ((y // stride[0] * padded.wide + x_ // stride[1]) * maps).astype(np.int32).ravel()
    begins = np.empty(parts * (n_groups + 1), np.int64)
    turned, values = np.empty_like(x.places), np.empty_like(x.values)
    group = _loop(_make_group, x.dtype)
    lists = (*x.arguments(), height * wide, (channels, stride[0] * stride[1]), group_of, place_of)

    def group_parts(low: int, high: int) -> None:
        group(*lists, plane, pictures, begins, turned, values, low, high)

    over_lanes(group_parts, parts, n_groups + len(x.places) // max(1, parts), 1)
    gradient = torch.empty(maps, channels, *kernel, dtype=x.dtype)
    sizes = np.array((channels, *kernel, *stride, out_h, out_w, maps, *padded))
    arguments = (
        begins,
        turned,
        values,
        x.valued,
        _channels_last(g),
        sizes,
        pictures,
        flat(gradient),
    )
    to_weight = _loop(_make_to_weight, x.dtype)

    def run(low: int, high: int) -> None:
        to_weight(*arguments, low, high)

    lanes = channels * kernel[0]
    over_lanes(run, lanes, len(x.places) * kernel[1] * maps // lanes, 1)
    return gradient


def _channels_last(g: Tensor) -> np.ndarray:
    """``[R, O, Ho, Wo]`` as flat memory ``[R, Ho, Wo, O]``, copied unless g is channels-last."""
    turned = g.permute(0, 2, 3, 1)
    if turned.is_contiguous():
        return flat(turned)
    (n_rows, maps), area = g.shape[:2], g.shape[2] * g.shape[3]
    out, numbers = flat(empty(turned.shape, g.dtype, g.device)), flat(g)
    loop = _loop(_make_channels_last, g.dtype)

    def run(low: int, high: int) -> None:
        loop(numbers, maps, area, out, low, high)

    over_lanes(run, n_rows, maps * area, 1)
    return out


def _finite(x: Active) -> bool:
    return bool(np.isfinite(x.values).all())


def _dense(x: Active, shape: tuple[int, ...]) -> Tensor:
    """The dense tensor ``[R, *shape]`` of a list, which must contain a value other than 1."""
    rows = np.repeat(np.arange(x.shape[0]), np.diff(x.starts))
    dense = torch.zeros(x.shape, dtype=x.dtype)
    dense[torch.from_numpy(rows), torch.from_numpy(x.places).long()] = torch.from_numpy(x.values)
    return dense.unflatten(1, shape)


def input_gradient(
    wanted: Tensor, g: Tensor, weight: Tensor, stride: Pair, padding: Pair
) -> Tensor:
    """The gradient of the images ``[R, C, H, W]`` at wanted places, and 0 elsewhere.

    Args:
        wanted: ``[R, C, H, W]`` uint8: 1 at wanted places, else 0.
        g: the gradient of the convolution ``[R, O, Ho, Wo]``.
        weight: ``[O, C, kh, kw]``.
        stride, padding: (rows, columns).
    """
    n_rows, channels, height, wide = wanted.shape
    maps, kernel = len(weight), (weight.shape[2], weight.shape[3])
    padded = _Padded.of((height, wide), kernel, stride, padding)
    row, (sh, sw) = width(g.dtype.itemsize), stride
    longest = ((kernel[0] - 1) // sh + 1) * ((kernel[1] - 1) // sw + 1) * maps
    length = -(-longest // row) * row
    packed = torch.zeros(sh, sw, channels, length, dtype=g.dtype)
    for a in range(min(sh, kernel[0])):
        for b in range(min(sw, kernel[1])):
            part = weight.detach()[:, :, a::sh, b::sw].flip(2, 3).permute(1, 3, 2, 0).flatten(1)
            packed[a, b, :, : part.shape[1]] = part
    gradient = empty(wanted.shape, g.dtype, g.device)
    sizes = (channels, *kernel, *stride, *g.shape[2:], maps, *padded, height, wide, *padding)
    arguments = (flat(wanted), _channels_last(g), flat(packed), length, np.array(sizes))
    arguments = (*arguments, flat(gradient))
    to_input = _loop(_make_to_input, g.dtype)

    def run(low: int, high: int) -> None:
        to_input(*arguments, low, high)

    over_lanes(run, n_rows, channels * height * wide * longest // 4, 1)
    return gradient


def input_gradient_from_sparse(
    g: Active,
    shape: tuple[int, int, int],
    weight: Tensor,
    size: Pair,
    stride: Pair,
    padding: Pair,
) -> Tensor:
    """The gradient of the images ``[R, C, H, W]``, from nonzero entries of the incoming gradient.

    Args:
        g: the gradient of the convolution, channels last, as rows of a matrix ``[R, Ho Wo O]``.
        shape: (Ho, Wo, O).
        weight: ``[O, C, kh, kw]``.
        size: (H, W).
        stride, padding: (rows, columns).
    """
    maps, channels, kh, kw = weight.shape
    n_rows, row = g.shape[0], width(g.dtype.itemsize)
    if not _finite(g):  # zeros after a row of weights would turn infinities into NaN
        dense = _dense(g, shape).permute(0, 3, 1, 2)
        result = (n_rows, channels, *size)
        return conv2d_input(result, weight.detach(), dense, stride, padding)  # type: ignore[arg-type]
    length = -(-kw * channels // (WIDE * row)) * WIDE * row
    packed = torch.zeros(kh, maps, length, dtype=g.dtype)
    packed[:, :, : kw * channels] = weight.detach().permute(2, 0, 3, 1).flatten(2)
    gradient = empty(torch.Size((n_rows, channels, *size)), g.dtype, weight.device)
    sizes = np.array((channels, kh, kw, *stride, *shape, *size, *padding, length))
    arguments = (*g.arguments(), flat(packed), sizes, flat(gradient))
    push = _loop(_make_push, g.dtype)

    def run(low: int, high: int) -> None:
        push(*arguments, low, high)

    over_lanes(run, n_rows, 1 + len(g.places) * kh * kw * channels // max(1, n_rows), 1)
    return gradient
