"""Convolutions that hear events and learn by STDP, on the CPU, one stimulus after another.

Four loops: LEARN (winners and their weights), RESPOND (what a layer sends on), POTENTIALS (what it
has gathered when the stimulus is over) and REWARD (decide, then learn by the verdict). Their
definition in words is `jarvis.convstdp` and `jarvis.rewardstdp`; `tests/reference_stdp.py` repeats
it frame by frame.

What makes them quick:

* an event adds one contiguous block a row: the weights are stored turned round and with the maps
  last, ``[C_in, k, k, C_out]``, beside potentials ``[H, W, C_out]``;
* only places that an event touched in this step can fire in it, and only they are looked at;
* a leak is paid when a place is touched again, for all the silent steps at once;
* learning stops as soon as nobody can win any more.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numba import njit, types

from jarvis.kernels.cpu import compiled

GLOBAL, LOCAL, BOTH = range(3)

_TYPES = {torch.float32: (np.float32, types.float32), torch.float64: (np.float64, types.float64)}


@njit(inline="always")
def _add(v, w, stamp, touched, n_touched, leak, t, c, y, x, height, width, size, maps):
    """One event: add its block of weights, and list the places that it touches. In place."""
    top, left = y + size // 2 - size + 1, x + size // 2 - size + 1  # of the places that hear it
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
def _any_over(row, theta):
    """Whether any map is at its threshold: counted, not searched, so that it vectorises."""
    n = 0
    for m in range(len(row)):
        n += row[m] >= theta[m]
    return n > 0


@njit(inline="always")
def _highest(row, theta):
    """The map with the highest potential of those at their thresholds, the lowest of equals."""
    best = -1
    for m in range(len(row)):
        if row[m] >= theta[m] and (best < 0 or row[m] > row[best]):
            best = m
    return best


def _learn_loop(dtype: type) -> Callable:
    zero = dtype(0)

    def loop(times, units, offsets, order, w, thresholds, winners, counts, sizes, values):
        height, width, size, maps = sizes[0], sizes[1], sizes[2], sizes[3]
        channels, mode, radius, quota = sizes[4], sizes[5], sizes[6], sizes[7]
        clamps = sizes[8] > 0  # whether a leak or a negative weight can take V below 0
        leak, a_plus, a_minus = values[0], values[1], values[2]
        low, high, soft = values[3], values[4], values[5] > 0
        rest, rise, decay, ceiling = values[6], values[7], values[8], values[9]
        area, reach = height * width, size // 2
        v = np.zeros(area * maps, dtype)
        stamp = np.full(area, -1, np.int32)
        touched = np.empty(area, np.int32)
        first = np.full(channels * area, -1, np.int32)  # -1: has not fired
        blocked = np.zeros(area, np.bool_)
        theta = np.empty(maps, dtype)  # the thresholds; infinite where a map can win no more
        # Places where somebody may win in this step, and the highest potential at each.
        places, best_map = np.empty(area, np.int32), np.empty(area, np.int32)
        best_v = np.empty(area, dtype)
        for b in range(len(order)):
            start, stop = offsets[order[b]], offsets[order[b] + 1]
            v[:] = zero
            stamp[:] = -1
            blocked[:] = False
            theta[:] = thresholds
            n_won, e = 0, start
            while e < stop and n_won < quota:
                t, n_touched = times[e], 0
                while e < stop and times[e] == t:
                    unit = units[e]
                    c, y, x = unit // area, unit % area // width, unit % width
                    if first[unit] < 0:
                        first[unit] = t
                    n_touched = _add(
                        v, w, stamp, touched, n_touched, leak, t, c, y, x, height, width, size, maps
                    )
                    e += 1
                # Who crosses its threshold, and may still win?
                n = 0
                for q in range(n_touched):
                    place = touched[q]
                    row = v[place * maps :][:maps]
                    if clamps:
                        for m in range(maps):
                            row[m] = row[m] - leak if row[m] > leak else zero
                    if blocked[place]:
                        continue
                    if _any_over(row, theta):
                        m = _highest(row, theta)
                        places[n], best_map[n], best_v[n] = place, m, row[m]
                        n += 1
                # One winner after another: the highest potential, then the lowest map, y, x.
                while n_won < quota:
                    best = -1
                    kept = 0  # of the places, only those where somebody may still win
                    for q in range(n):
                        place, m, p = places[q], best_map[q], best_v[q]
                        if blocked[place]:
                            continue
                        if theta[m] == np.inf:  # it has won elsewhere: who is next here?
                            row = v[place * maps :][:maps]
                            m = _highest(row, theta)
                            if m < 0:
                                continue
                            p = row[m]
                        places[kept], best_map[kept], best_v[kept] = place, m, p
                        if best < 0 or p > best_v[best]:
                            best = kept
                        elif p == best_v[best]:
                            rival = best_map[best]
                            if m < rival or (m == rival and place < places[best]):
                                best = kept
                        kept += 1
                    n = kept
                    if best < 0:
                        break
                    m, place = best_map[best], places[best]
                    y, x = place // width, place % width
                    winners[b, n_won, 0], winners[b, n_won, 1] = m, y
                    winners[b, n_won, 2], winners[b, n_won, 3] = x, t
                    n_won += 1
                    if mode != LOCAL:
                        theta[m] = np.inf
                    if mode != GLOBAL:
                        for i in range(max(0, y - radius), min(height, y + radius + 1)):
                            for j in range(max(0, x - radius), min(width, x + radius + 1)):
                                blocked[i * width + j] = True
            # The weights change when the stimulus is over; what fired after the winner is late.
            for q in range(n_won):
                m, t = winners[b, q, 0], winners[b, q, 3]
                for c in range(channels):
                    for j in range(size):
                        y = winners[b, q, 1] - reach + size - 1 - j
                        for i in range(size):
                            x = winners[b, q, 2] - reach + size - 1 - i
                            at = ((c * size + j) * size + i) * maps + m
                            old = w[at]
                            step = -a_minus
                            if 0 <= y < height and 0 <= x < width:
                                seen = first[c * area + y * width + x]
                                if 0 <= seen <= t:
                                    step = a_plus
                            if soft:
                                step = step * (old - low) * (high - old)
                            new = old + step
                            w[at] = low if new < low else (high if new > high else new)
            for k in range(start, e):
                first[units[k]] = -1
            counts[b] = n_won
            if rise > 0:
                for m in range(maps):
                    thresholds[m] = rest + (thresholds[m] - rest) * decay
                for q in range(n_won):
                    m = winners[b, q, 0]
                    raised = thresholds[m] + rise
                    thresholds[m] = raised if raised < ceiling else ceiling

    return loop


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
        sent = np.full(pooled_area * maps, -1, np.int32)  # step of a pooled unit's last spike
        closed = np.zeros(area, np.bool_)
        spent = dtype(-np.inf)  # will not come back, without a look at `fired`
        for b in range(low, high):
            v[:] = zero
            stamp[:] = -1
            fired[:] = False
            sent[:] = -1
            closed[:] = False
            n, e, stop = 0, offsets[b], offsets[b + 1]
            while e < stop:
                t, n_touched = times[e], 0
                while e < stop and times[e] == t:
                    unit = units[e]
                    c, y, x = unit // area, unit % area // width, unit % width
                    n_touched = _add(
                        v, w, stamp, touched, n_touched, leak, t, c, y, x, height, width, size, maps
                    )
                    e += 1
                for q in range(n_touched):
                    place = touched[q]
                    row = v[place * maps :][:maps]
                    if clamps:
                        for m in range(maps):
                            row[m] = row[m] - leak if row[m] > leak else zero
                    if closed[place] or not _any_over(row, thresholds):
                        continue
                    best = -1
                    if inhibit:  # of those that fire here in this step the highest, and no other
                        for m in range(maps):
                            if row[m] >= thresholds[m] and (best < 0 or row[m] > row[best]):
                                best = m
                        if best < 0:
                            continue
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
                t, n_touched = times[e], 0
                while e < stop and times[e] == t:
                    unit = units[e]
                    c, y, x = unit // area, unit % area // width, unit % width
                    n_touched = _add(
                        v, w, stamp, touched, n_touched, leak, t, c, y, x, height, width, size, maps
                    )
                    e += 1
                if clamps:
                    for q in range(n_touched):
                        row = v[touched[q] * maps :][:maps]
                        for m in range(maps):
                            row[m] = row[m] - leak if row[m] > leak else zero
            for place in range(area):
                owed = leak * (sizes[4] - 1 - stamp[place])  # for the silent steps until the end
                for m in range(maps):
                    p = v[place * maps + m] - owed
                    out[b, m, place] = p if p > zero else zero

    return loop


def _reward_loop(dtype: type) -> Callable:
    def loop(times, units, offsets, order, w, labels, active, out, sizes, values):
        """The neuron with the highest potential decides; its synapses learn by the verdict."""
        height, width, size, maps = sizes[0], sizes[1], sizes[2], sizes[3]
        channels, per_class = sizes[4], sizes[5]
        lowest, highest, soft = values[4], values[5], values[6] > 0
        area, reach, zero = height * width, size // 2, dtype(0)
        v = np.zeros(area * maps, dtype)
        stamp = np.full(area, -1, np.int32)
        touched = np.empty(area, np.int32)
        fired = np.zeros(channels * area, np.bool_)
        for b in range(len(order)):
            start, stop = offsets[order[b]], offsets[order[b] + 1]
            v[:] = zero
            stamp[:] = -1
            for e in range(start, stop):
                unit = units[e]
                fired[unit] = True
                c, y, x = unit // area, unit % area // width, unit % width
                _add(v, w, stamp, touched, 0, zero, 0, c, y, x, height, width, size, maps)
            winner, best = -1, zero
            for place in range(area):
                for m in range(maps):
                    p = v[place * maps + m]
                    if p > best and active[b, m]:
                        winner, best = m * area + place, p
                    elif p == best and winner >= 0 and active[b, m] and m * area + place < winner:
                        winner = m * area + place
            out[b] = -1 if winner < 0 else winner // area // per_class
            if winner >= 0:
                m, y0, x0 = winner // area, winner % area // width, winner % width
                right = out[b] == labels[b]
                # Reward: STDP. Punishment: the same with the signs turned.
                early, late = (values[0], -values[1]) if right else (-values[2], values[3])
                for c in range(channels):
                    for j in range(size):
                        y = y0 - reach + size - 1 - j
                        for i in range(size):
                            x = x0 - reach + size - 1 - i
                            at = ((c * size + j) * size + i) * maps + m
                            step = late
                            inside = 0 <= y < height and 0 <= x < width
                            if inside and fired[c * area + y * width + x]:
                                step = early
                            old = w[at]
                            if soft:
                                step = step * (old - lowest) * (highest - old)
                            new = old + step
                            w[at] = min(max(new, lowest), highest)
            for e in range(start, stop):
                fired[units[e]] = False

    return loop


LEARN, RESPOND, POTENTIALS, REWARD = _learn_loop, _respond_loop, _potentials_loop, _reward_loop


def _vector(kind, dims: int = 1) -> types.Array:
    return types.Array(kind, dims, "C")


@cache
def kernel(make: Callable, dtype: torch.dtype) -> Callable:
    """`make`'s loop for this type, compiled."""
    numpy_type, real = _TYPES[dtype]
    i32, i64, reals = _vector(types.int32), _vector(types.int64), _vector(real)
    arguments = {
        LEARN: [
            *[i32, i32, i64, i64, reals, reals],
            *[_vector(types.int32, 3), i64, i64, reals],
        ],
        RESPOND: [
            *[i32, i32, i64, reals, reals, _vector(types.int32, 2), _vector(types.int32, 2)],
            *[i64, i64, real, types.int64, types.int64],
        ],
        POTENTIALS: [
            *[i32, i32, i64, reals, _vector(real, 3), i64],
            *[real, types.int64, types.int64],
        ],
        REWARD: [
            *[i32, i32, i64, i64, reals, i64],
            *[_vector(types.boolean, 2), i64, i64, reals],
        ],
    }[make]
    name = f"conv_stdp{make.__name__}_{numpy_type.__name__}"
    return compiled(make(numpy_type), types.void(*arguments), name)
