"""The loops over one sample of a recurrent network with delays, on the CPU; see `event_numba.py`.

Nearly all the work for a sample lies in its input spikes (a few thousand, each with one synapse to
every neuron), so they are not delivered step by step. Instead, the loop takes one neuron after
another and adds all input spikes to that neuron's line of T steps. This line fits into the
first-level cache together with the neuron's weights and delays. The lines are then transposed into
one row per step for the loop over time. The backward pass does the same in reverse. Delays need no
ring buffer, because a line is as long as the number of steps plus the longest delay.

The spikes of a sample are processed channel by channel (`channel_loop` sorts them): the channel's
weight and delay stay in registers, and consecutive spikes go to different steps. In temporal order,
consecutive spikes often go to the same step. The processor must then wait for the sum that it has
just written, and delivery takes three times as long.

The loops do not depend on the neuron: `event_program` generates the functions of `event_parts` and
appends a copy of the loops to them. Arrays are flat. `values` holds the neuron's numbers, and
`constants` holds `EventSpec.constants`, in the type of the weights.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numba import types

from jarvis.kernels.cpu import compiled
from jarvis.kernels.event_parts import advance, guess, slope, transposed, unpack, within
from jarvis.kernels.event_program import EventProgram
from jarvis.kernels.event_spec import DAMPED, FLAT, NEWTON
from jarvis.kernels.exponential import VERSION
from jarvis.kernels.functions import inline

GROUP = 8  #: number of neurons whose lines are transposed into rows at a time


def channel_loop() -> Callable:
    """Sort the input spikes of samples by channel, in temporal order within each channel."""

    def loop(steps, units, offsets, n_in, low, high, out, starts):
        for b in range(low, high):
            first, end = offsets[b], offsets[b + 1]
            start = starts[b * (n_in + 1) :][: n_in + 1]
            start[:] = 0
            for e in range(first, end):
                start[units[e] + 1] += 1
            for c in range(n_in):
                start[c + 1] += start[c]
            for e in range(first, end):
                c = units[e]
                out[first + start[c]] = steps[e]
                start[c] += 1
            for c in range(n_in, 0, -1):  # each entry is now the start of the next channel
                start[c] = start[c - 1]
            start[0] = 0

    return loop


TYPES = {torch.float32: (np.float32, types.float32), torch.float64: (np.float64, types.float64)}

_kernels: dict[tuple, Callable] = {}


def kernel(
    program: EventProgram, backward: bool, dtype: torch.dtype, adapts: bool, flag: bool
) -> Callable:
    """A compiled loop of a generated module; `flag` is `keep` (forward) or `damped` (backward)."""
    options = (program.key, backward, dtype, adapts, flag)
    if options not in _kernels:
        numpy_type, real = TYPES[dtype]
        # Indices are unsigned, so that the loop need not check for negative ones.
        reals, wide = types.Array(real, 1, "C"), types.Array(types.uint32, 1, "C")
        whole, sizes = types.Array(types.int32, 1, "C"), types.Array(types.int64, 1, "C")
        if backward:
            arguments = [wide, wide, wide, reals, wide, reals, reals]
            arguments += [whole, whole, *[reals] * 14, sizes]
            result = types.void
        else:
            arguments = [wide, wide, reals, wide, reals, wide, reals, reals]
            arguments += [whole, whole, *[reals] * 8, sizes]
            result = types.int64
        make = program.names["backward_loop" if backward else "forward_loop"]
        name = f"event_{make.__name__}_{program.key}_{numpy_type.__name__}_{flag:d}_{VERSION}"
        loop = make(adapts, program.remembers, flag, numpy_type)
        _kernels[options] = compiled(loop, result(*arguments), name)
    return _kernels[options]


@cache
def sort_by_channel() -> Callable:
    """`channel_loop`, compiled."""
    wide, size = types.Array(types.uint32, 1, "C"), types.int64
    arguments = [wide, wide, types.Array(size, 1, "C"), size, size, size, wide, wide]
    return compiled(channel_loop(), types.void(*arguments), "event_channel_loop")


# -- copied behind the generated functions


@inline
def crossing(u, v, i, w, dt, flat):
    """The derivatives of a spike time with respect to the state, as in `event_driven._crossing`."""
    zero = dt - dt
    mean = (within(u, dt, v, i, w)[0] - within(u, zero, v, i, w)[0]) / dt
    x = min(max(guess(u, v, i, w), zero), dt)
    for _ in range(NEWTON):
        level, rise, by_v, by_i, by_w = within(u, x, v, i, w)
        x = min(max(x - level / max(rise, flat * mean), zero), dt)
    level, rise, by_v, by_i, by_w = within(u, x, v, i, w)
    rise = max(rise, flat * mean)
    return -by_v / rise, -by_i / rise, -by_w / rise


def forward_loop(adapts: bool, remembers: bool, keep: bool, dtype: type) -> Callable:
    zero, flat = dtype(0), dtype(FLAT)
    kinds = (3 if remembers else 1) if keep else 0  # rows of the history per step

    def loop(
        in_steps, starts, w_in, d_in, w_rec, d_rec, values, constants,
        steps, units, by_v, by_i, by_w, after, history, line, drive, state, sizes,
    ):  # fmt: skip
        n_steps, width, n_in, length = sizes[0], sizes[1], sizes[2], sizes[3]
        heard_by = sizes[4]  # number of targets of a recurrent spike: all neurons, or none
        u = unpack(values)
        dt, threshold, w0, jump = constants[0], constants[1], constants[2], constants[3]
        drive[:] = zero
        for first in range(0, width, GROUP):
            group = min(GROUP, width - first)
            for g in range(group):
                row = line[g * length :][:length]
                row[:] = zero
                w, d = w_in[(first + g) * n_in :][:n_in], d_in[(first + g) * n_in :][:n_in]
                for c in range(n_in):
                    weight, delay = w[c], d[c]
                    for e in range(starts[c], starts[c + 1]):
                        row[in_steps[e] + delay] += weight
            for k in range(n_steps):
                into = drive[k * width + first :][:group]
                for g in range(group):
                    into[g] = line[g * length + k]

        v, potential = state[:width], state[width:][:width]
        current, next_current = state[2 * width :][:width], state[3 * width :][:width]
        adaptation, next_adaptation = state[4 * width :][:width], state[5 * width :][:width]
        v[:] = zero
        current[:] = zero
        adaptation[:] = w0
        n = 0
        for k in range(n_steps):
            kept = history[k * kinds * width :][: kinds * width]
            h = kept[:width] if keep else potential
            if keep and remembers:
                kept[width:][:width] = current
                kept[2 * width :] = adaptation
            over = 0
            for i in range(width):
                if adapts:
                    p, next_current[i], next_adaptation[i] = advance(
                        u, v[i], current[i], adaptation[i]
                    )
                else:
                    p, next_current[i], _ = advance(u, v[i], current[i], zero)
                h[i] = p
                over += p >= threshold
            if over:
                for j in range(width):
                    if h[j] >= threshold:
                        w_before, w_after = zero, zero
                        if adapts:
                            next_adaptation[j] += jump
                            w_before, w_after = adaptation[j], next_adaptation[j]
                        by_v[n], by_i[n], by_w[n] = crossing(
                            u, v[j], current[j], w_before, dt, flat
                        )
                        steps[n] = k
                        units[n] = j
                        after[n] = slope(u, zero, next_current[j], w_after)
                        n += 1
                        w, d = w_rec[j * heard_by :][:heard_by], d_rec[j * heard_by :][:heard_by]
                        here = drive[k * width :]
                        for i in range(heard_by):
                            here[d[i] * width + i] += w[i]
            arriving = drive[k * width :][:width]
            for i in range(width):
                v[i] = h[i] if h[i] < threshold else zero
                next_current[i] += arriving[i]
            current, next_current = next_current, current
            adaptation, next_adaptation = next_adaptation, adaptation
        return n

    return loop


def backward_loop(adapts: bool, remembers: bool, damped: bool, dtype: type) -> Callable:
    zero, one = dtype(0), dtype(1)
    kinds = 3 if remembers else 1  # rows of the history per step

    def loop(
        in_steps, starts, d_in, w_rec, d_rec, values, constants,
        steps, units, by_v, by_i, by_w, after, history, g_counts, g_times,
        g_w_in, g_d_in, g_w_rec, g_d_rec, line, found, state, sizes,
    ):  # fmt: skip
        n_steps, width, n_in, length = sizes[0], sizes[1], sizes[2], sizes[3]
        heard_by, time_bins = sizes[4], sizes[5]  # targets of a recurrent spike: all, or none
        u = unpack(values)
        dt, threshold, drift, per_syn = constants[0], constants[1], constants[4], constants[5]
        surrogate, damping = constants[6], constants[7]
        lam_v, lam_i, lam_a = state[:width], state[width:][:width], state[2 * width :][:width]
        owed = state[3 * width :][:width]  # gradient of a spike's time, to be added in its step
        state[:] = zero
        found[n_steps * 2 * width :] = zero  # arrivals after the end have no gradient
        s = last_s = len(steps) - 1
        for k in range(n_steps - 1, -1, -1):
            here = found[k * 2 * width :]
            to_weight, to_time = here[:width], here[width:][:width]
            for i in range(width):
                to_weight[i] = lam_i[i]
                to_time[i] = per_syn * lam_i[i] - lam_v[i]
            while s >= 0 and steps[s] == k:
                j = units[s]
                g = g_times[s]
                w, d = w_rec[j * heard_by :][:heard_by], d_rec[j * heard_by :][:heard_by]
                gw, gd = g_w_rec[j * width :][:width], g_d_rec[j * width :][:width]
                for i in range(heard_by):
                    at = d[i] * (2 * width) + i
                    gw[i] += here[at]
                    pull = here[at + width]
                    gd[i] += pull
                    g += w[i] * pull
                if adapts:
                    g += drift * lam_a[j]
                owed[j] = g - after[s] * lam_v[j]
                lam_v[j] = zero  # the reset discards h
                s -= 1
            h = history[k * kinds * width :][: kinds * width]
            i_before, w_before = h, h  # read only if the neuron remembers them
            if remembers:
                i_before, w_before = h[width:][:width], h[2 * width :]
            last = history[max(k - 1, 0) * kinds * width :][:width]
            g_count = g_counts[(k * time_bins // n_steps) * width :][:width]
            for i in range(width):
                away = one + surrogate * abs(h[i] - threshold)
                p = lam_v[i] + g_count[i] * dt / (away * away)
                v = last[i] if k > 0 and last[i] < threshold else zero
                if adapts:
                    lam_v[i], lam_i[i], lam_a[i] = transposed(
                        u, v, i_before[i], w_before[i], p, lam_i[i], lam_a[i]
                    )
                else:
                    lam_v[i], lam_i[i], _ = transposed(u, v, zero, zero, p, lam_i[i], zero)
            for q in range(s + 1, last_s + 1):
                j = units[q]
                lam_v[j] += by_v[q] * owed[j]
                lam_i[j] += by_i[q] * owed[j]
                if adapts:
                    lam_a[j] += by_w[q] * owed[j]
            last_s = s
            if damped and k % DAMPED == 0:
                for i in range(3 * width):
                    state[i] = state[i] / (one + abs(state[i]) / damping)

        line[:] = zero
        for first in range(0, width, GROUP):
            group = min(GROUP, width - first)
            for k in range(n_steps):
                out = found[k * 2 * width + first :]
                for g in range(group):
                    at = (g * length + k) * 2
                    line[at] = out[g]
                    line[at + 1] = out[width + g]
            for g in range(group):
                row = line[g * length * 2 :][: length * 2]
                d = d_in[(first + g) * n_in :][:n_in]
                gw, gd = g_w_in[(first + g) * n_in :][:n_in], g_d_in[(first + g) * n_in :][:n_in]
                for c in range(n_in):
                    delay = d[c]
                    by_weight, by_time = zero, zero
                    for e in range(starts[c], starts[c + 1]):
                        at = (in_steps[e] + delay) * np.uint64(2)
                        by_weight += row[at]
                        by_time += row[at + np.uint64(1)]
                    gw[c] += by_weight
                    gd[c] += by_time

    return loop
