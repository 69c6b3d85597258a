"""Convolutions that learn by STDP from one stimulus after another, on the CPU.

There are two loops: `learn` updates the weights of the winners, and `reward` makes a decision and
learns from the reward. Their definitions are in `jarvis.stdp.conv` and `jarvis.stdp.reward`;
`conv_events.py` contains the effect of an event. A stimulus ends as soon as no further neuron can
win.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numba import types

from jarvis.kernels.conv_events import (
    I32,
    I64,
    TYPES,
    add,
    any_over,
    build,
    hear,
    highest,
    pay,
    vector,
)

GLOBAL, LOCAL, BOTH = range(3)


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
        theta = np.empty(maps, dtype)  # infinite for a map that can no longer win
        # Locations where a neuron may win in this step, and the highest potential at each.
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
                t, begun = times[e], e
                e, n_touched = hear(
                    times, units, e, stop, v, w, stamp, touched, leak, height, width, size, maps
                )
                for heard in range(begun, e):
                    if first[units[heard]] < 0:
                        first[units[heard]] = t
                # Find the neurons that reach their threshold and may still win.
                n = 0
                for q in range(n_touched):
                    place = touched[q]
                    row = v[place * maps :][:maps]
                    if clamps:
                        pay(row, leak)
                    if blocked[place]:
                        continue
                    if any_over(row, theta):
                        m = highest(row, theta)
                        places[n], best_map[n], best_v[n] = place, m, row[m]
                        n += 1
                # The highest potential wins first; in a tie, the lowest map, then y, then x.
                while n_won < quota:
                    best = -1
                    kept = 0  # keep only locations where a neuron may still win
                    for q in range(n):
                        place, m, p = places[q], best_map[q], best_v[q]
                        if blocked[place]:
                            continue
                        if theta[m] == np.inf:  # it has won elsewhere, so try the next map here
                            row = v[place * maps :][:maps]
                            m = highest(row, theta)
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
            # Weights change at the end of the stimulus; inputs that fire after the winner count as
            # late.
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
            if rise >= 0:
                for m in range(maps):
                    thresholds[m] = rest + (thresholds[m] - rest) * decay
                for q in range(n_won):
                    m = winners[b, q, 0]
                    raised = thresholds[m] + rise
                    thresholds[m] = raised if raised < ceiling else ceiling

    return loop


def _reward_loop(dtype: type) -> Callable:
    def loop(times, units, offsets, order, w, labels, active, out, sizes, values):
        """The neuron with the highest potential decides; its synapses learn from the reward."""
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
                add(v, w, stamp, touched, 0, zero, 0, c, y, x, height, width, size, maps)
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
                # Reward: STDP. Punishment: STDP with opposite signs.
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


@cache
def learn(dtype: torch.dtype) -> Callable:
    """The loop of `ConvSTDP.learn`."""
    reals, winners = vector(TYPES[dtype][1]), vector(types.int32, 3)
    return build(_learn_loop, dtype, [I32, I32, I64, I64, reals, reals, winners, I64, I64, reals])


@cache
def reward(dtype: torch.dtype) -> Callable:
    """The loop of `RewardSTDP.learn_rewarded`."""
    reals, active = vector(TYPES[dtype][1]), vector(types.boolean, 2)
    return build(_reward_loop, dtype, [I32, I32, I64, I64, reals, I64, active, I64, I64, reals])
