"""Event-driven convolutions on the CPU: the effect of one event, and the output of a layer.

There are two loops: `respond` (the output spikes of a layer) and `potentials` (its potentials at
the end of the stimulus). `conv_stdp.py` contains the loops that learn. The definition is in
`jarvis.stdp.conv`; `tests/reference_stdp.py` implements it frame by frame.

The loops are fast for these reasons:

* an event adds one contiguous block per row, because the weights are stored flipped and with the
  maps last, ``[C_in, k, k, C_out]``, like the potentials ``[H, W, C_out]``;
* a location can fire only in a step in which an event reaches it, so no other location is checked;
* when a location is reached again, the leak of all silent steps since then is applied at once.
"""

import zlib
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numba import njit, types

from jarvis.kernels.cpu import compiled

TYPES = {torch.float32: (np.float32, types.float32), torch.float64: (np.float64, types.float64)}

# numba's cache checks only the file of a loop, so loop names include a hash of this shared file.
_SHARED = f"{zlib.crc32(Path(__file__).read_bytes()):08x}"


def vector(kind, dims: int = 1) -> types.Array:
    """The type of a dense array."""
    return types.Array(kind, dims, "C")


def build(make: Callable, dtype: torch.dtype, arguments: list) -> Callable:
    """The loop that `make` returns for this dtype, compiled for these types of arguments."""
    numpy_type, _ = TYPES[dtype]
    name = f"conv{make.__name__}_{numpy_type.__name__}_{_SHARED}"
    return compiled(make(numpy_type), types.void(*arguments), name)


@njit(inline="always")
def add(v, w, stamp, touched, n_touched, leak, t, c, y, x, height, width, size, maps):
    """Add the block of weights of one event, in place, and list the locations that it reaches."""
    top, left = y + size // 2 - size + 1, x + size // 2 - size + 1  # corner of the reached area
    x0, x1 = max(left, 0), min(left + size, width)
    for j in range(max(0, -top), min(size, height - top)):
        row = (top + j) * width
        for place in range(row + x0, row + x1):
            if stamp[place] != t:
                silent = t - 1 - stamp[place]
                if leak > 0 and stamp[place] >= 0 and silent > 0:
                    for m in range(maps):
                        left_over = v[place * maps + m] - leak * silent
                        v[place * maps + m] = left_over if left_over > 0 else 0
                stamp[place] = t
                touched[n_touched] = place
                n_touched += 1
        n = (x1 - x0) * maps
        target = v[(row + x0) * maps :][:n]
        source = w[((c * size + j) * size + x0 - left) * maps :][:n]
        for i in range(n):
            target[i] += source[i]
    return n_touched


@njit(inline="always")
def hear(times, units, e, stop, v, w, stamp, touched, leak, height, width, size, maps):
    """Add all events in the step of event `e`; returns the next event and the locations reached."""
    t, n_touched, area = times[e], 0, height * width
    while e < stop and times[e] == t:
        unit = units[e]
        c, y, x = unit // area, unit % area // width, unit % width
        n_touched = add(
            v, w, stamp, touched, n_touched, leak, t, c, y, x, height, width, size, maps
        )
        e += 1
    return e, n_touched


@njit(inline="always")
def pay(row, leak):
    """Apply the leak of one step at one location; potentials do not fall below 0."""
    for m in range(len(row)):
        row[m] = row[m] - leak if row[m] > leak else 0


@njit(inline="always")
def any_over(row, theta):
    """Whether any map reaches its threshold. The loop counts such maps, so that it vectorises."""
    n = 0
    for m in range(len(row)):
        n += row[m] >= theta[m]
    return n > 0


@njit(inline="always")
def highest(row, theta):
    """The map with the highest potential among those at threshold; in a tie, the first of these."""
    best = -1
    for m in range(len(row)):
        if row[m] >= theta[m] and (best < 0 or row[m] > row[best]):
            best = m
    return best


def _respond_loop(dtype: type) -> Callable:
    zero = dtype(0)

    def loop(
        times, units, offsets, w, thresholds, out_times, out_units, counts, sizes, leak, low, high
    ):
        height, width, size, maps = sizes[0], sizes[1], sizes[2], sizes[3]
        pool, once, inhibit, clamps = sizes[4], sizes[5] > 0, sizes[6] > 0, sizes[7] > 0
        area, high_pool, wide_pool = height * width, height // pool, width // pool
        pooled_area = high_pool * wide_pool
        v = np.zeros(area * maps, dtype)
        stamp = np.full(area, -1, np.int32)
        touched = np.empty(area, np.int32)
        fired = np.zeros(area * maps, np.bool_)
        sent = np.full(pooled_area * maps, -1, np.int32)  # step of the last spike of a pooled unit
        closed = np.zeros(area, np.bool_)
        spent = dtype(-np.inf)  # a potential that can never reach the threshold again
        for b in range(low, high):
            v[:] = zero
            stamp[:] = -1
            fired[:] = False
            sent[:] = -1
            closed[:] = False
            n, e, stop = 0, offsets[b], offsets[b + 1]
            while e < stop:
                t = times[e]
                e, n_touched = hear(
                    times, units, e, stop, v, w, stamp, touched, leak, height, width, size, maps
                )
                for q in range(n_touched):
                    place = touched[q]
                    row = v[place * maps :][:maps]
                    if clamps:
                        pay(row, leak)
                    if closed[place] or not any_over(row, thresholds):
                        continue
                    best = -1
                    if inhibit:  # here, only the map with the highest potential fires
                        best = highest(row, thresholds)
                        closed[place] = once
                    y, x = place // width // pool, place % width // pool
                    for m in range(maps):
                        at = place * maps + m
                        if row[m] < thresholds[m] or fired[at]:
                            continue
                        row[m] = spent if once and not clamps else zero
                        fired[at] = once
                        if inhibit and m != best:
                            continue
                        if y >= high_pool or x >= wide_pool:
                            continue
                        unit = m * pooled_area + y * wide_pool + x
                        if sent[unit] == t or (once and sent[unit] >= 0):
                            continue
                        sent[unit] = t
                        out_times[b, n] = t
                        out_units[b, n] = unit
                        n += 1
            counts[b] = n

    return loop


def _potentials_loop(dtype: type) -> Callable:
    zero = dtype(0)

    def loop(times, units, offsets, w, out, sizes, leak, low, high):
        height, width, size, maps = sizes[0], sizes[1], sizes[2], sizes[3]
        area, clamps = height * width, sizes[5] > 0
        v = np.zeros(area * maps, dtype)
        stamp = np.full(area, -1, np.int32)
        touched = np.empty(area, np.int32)
        for b in range(low, high):
            v[:] = zero
            stamp[:] = -1
            e, stop = offsets[b], offsets[b + 1]
            while e < stop:
                e, n_touched = hear(
                    times, units, e, stop, v, w, stamp, touched, leak, height, width, size, maps
                )
                if clamps:
                    for q in range(n_touched):
                        pay(v[touched[q] * maps :][:maps], leak)
            for place in range(area):
                owed = leak * (sizes[4] - 1 - stamp[place])  # leak of the last silent steps
                for m in range(maps):
                    p = v[place * maps + m] - owed
                    out[b, m, place] = p if p > zero else zero

    return loop


I32, I64 = vector(types.int32), vector(types.int64)


@cache
def respond(dtype: torch.dtype) -> Callable:
    """The loop of `ConvSTDP.respond`."""
    real, table = TYPES[dtype][1], vector(types.int32, 2)
    reals, whole = vector(real), types.int64
    return build(
        _respond_loop,
        dtype,
        [I32, I32, I64, reals, reals, table, table, I64, I64, real, whole, whole],
    )


@cache
def potentials(dtype: torch.dtype) -> Callable:
    """The loop of `ConvSTDP.potentials`."""
    real, whole = TYPES[dtype][1], types.int64
    out = vector(real, 3)
    return build(
        _potentials_loop, dtype, [I32, I32, I64, vector(real), out, I64, real, whole, whole]
    )
