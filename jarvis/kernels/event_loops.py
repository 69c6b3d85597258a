"""The loops over one sample of a recurrent network with delays, on the CPU; see `event_numba.py`.

Nearly all the work for a sample is in its input spikes (a few thousand, each with one synapse to
every neuron), so they are not delivered step by step: neuron by neuron, all of them are added to
the line of T steps of that neuron, which fits into the first-level cache together with the weights
and delays of the neuron; the lines are then transposed into rows of one step each for the loop over
time. Backward does the same in reverse. Delays need no ring buffer: the length of a line is the
number of steps plus the longest delay.

The spikes of a sample are processed channel by channel (`channel_loop` sorts them): the weight and
the delay stay in registers, and consecutive spikes go to different steps. In temporal order they
often go to the same step, and the processor then waits for the sum that it has just written: that
order takes three times as long.

Arrays are flat. `values` holds the numbers of `event_numba._values`, in the type of the weights.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numba import njit, types

from jarvis.kernels.cpu import compiled
from jarvis.kernels.event_spec import DAMPED, FLAT, NEWTON
from jarvis.kernels.exponential import VERSION, fast_exp

GROUP = 8  #: neurons whose lines are transposed into rows at a time


def channel_loop() -> Callable:
    """Sort the input spikes of samples by channel, in temporal order within each."""

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
            for c in range(n_in, 0, -1):  # each is now the start of the next
                start[c] = start[c - 1]
            start[0] = 0

    return loop


@njit
def _crossing(v, h, drive, up, exact, dt, threshold, tau_mem, tau_syn):
    """`event_driven._crossing` for one neuron."""
    mean = (h - v) / dt
    rate = 1 / tau_syn - 1 / tau_mem
    x = (threshold - v) / mean
    decay = gain = slope = x
    for i in range(NEWTON + 1):
        decay = math.exp(-x / tau_mem)
        if exact:
            decay_syn = math.exp(-x / tau_syn)
            gain = decay_syn * (math.expm1(rate * x) / rate if rate != 0 else x)
            slope = drive * decay_syn - (decay * v + gain * drive) / tau_mem
        else:
            gain = x
            slope = drive - decay * v / tau_mem
        slope = max(slope, FLAT * mean)
        if i < NEWTON:
            x = x - (decay * v + gain * drive - threshold) / slope
            x = min(max(x, 0 * x), dt)
    return -(decay + x * up) / slope, -gain / slope


def forward_loop(adex: bool, exact: bool, keep: bool, dtype: type) -> Callable:
    zero = dtype(0)

    def loop(
        in_steps, starts, w_in, d_in, w_rec, d_rec, values, falling,
        steps, units, by_v, by_i, after, history, line, drive, state, sizes,
    ):  # fmt: skip
        n_steps, width, n_in, length = sizes[0], sizes[1], sizes[2], sizes[3]
        heard_by = sizes[4]  # number of targets of a recurrent spike: all neurons, or none
        dt, decay, decay_syn, gain = values[0], values[1], values[2], values[3]
        threshold, tau_mem, tau_syn = values[4], values[12], values[13]
        decay_w, growth, jump = values[5], values[6], values[7]
        delta_t, v_t, w0 = values[8], values[9], values[10]
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

        v, current, adaptation = state[:width], state[width:][:width], state[2 * width :][:width]
        v[:] = zero
        current[:] = zero
        adaptation[:] = w0
        n = 0
        for k in range(n_steps):
            h = history[k * width if keep else 0 :][:width]
            over = 0
            for i in range(width):
                p = decay * v[i] + gain * current[i]
                if adex:
                    p += dt * (delta_t * fast_exp((v[i] - v_t) / delta_t) - adaptation[i])
                    adaptation[i] = decay_w * adaptation[i] + growth * v[i]
                current[i] *= decay_syn
                h[i] = p
                over += p >= threshold
            if over:
                for j in range(width):
                    if h[j] >= threshold:
                        slope = current[j] + falling
                        if adex:
                            slope -= adaptation[j] + jump
                            adaptation[j] += jump
                        steps[n] = k
                        units[n] = j
                        up = zero
                        if adex:
                            up = math.exp((v[j] - v_t) / delta_t)
                        pull = (h[j] - decay * v[j]) / gain  # the drive of v in this step
                        by_v[n], by_i[n] = _crossing(
                            v[j], h[j], pull, up, exact, dt, threshold, tau_mem, tau_syn
                        )
                        after[n] = slope
                        n += 1
                        w, d = w_rec[j * heard_by :][:heard_by], d_rec[j * heard_by :][:heard_by]
                        here = drive[k * width :]
                        for i in range(heard_by):
                            here[d[i] * width + i] += w[i]
            arriving = drive[k * width :][:width]
            for i in range(width):
                v[i] = h[i] if h[i] < threshold else zero
                current[i] += arriving[i]
        return n

    return loop


def backward_loop(adex: bool, exact: bool, damped: bool, dtype: type) -> Callable:
    zero, one = dtype(0), dtype(1)

    def loop(
        in_steps, starts, d_in, w_rec, d_rec, values, drift, surrogate, damping,
        steps, units, by_v, by_i, after, history, g_counts, g_times,
        g_w_in, g_d_in, g_w_rec, g_d_rec, line, found, state, sizes,
    ):  # fmt: skip
        n_steps, width, n_in, length = sizes[0], sizes[1], sizes[2], sizes[3]
        heard_by, time_bins = sizes[4], sizes[5]  # targets of a recurrent spike: all, or none
        dt, decay, decay_syn, gain = values[0], values[1], values[2], values[3]
        threshold, per_syn = values[4], values[11]
        decay_w, growth, delta_t, v_t = values[5], values[6], values[8], values[9]
        lam_v, lam_i, lam_a = state[:width], state[width:][:width], state[2 * width :][:width]
        owed = state[3 * width :][:width]  # gradient of a spike's time, for its step
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
                if adex:
                    g += drift * lam_a[j]
                owed[j] = g - after[s] * lam_v[j]
                lam_v[j] = zero  # the reset discards h
                s -= 1
            h = history[k * width :][:width]
            last = history[max(k - 1, 0) * width :][:width]
            g_count = g_counts[(k * time_bins // n_steps) * width :][:width]
            for i in range(width):
                away = one + surrogate * abs(h[i] - threshold)
                p = lam_v[i] + g_count[i] * dt / (away * away)
                q = decay * p
                if adex:
                    v = last[i] if k > 0 and last[i] < threshold else zero
                    q += dt * fast_exp((v - v_t) / delta_t) * p + growth * lam_a[i]
                    lam_a[i] = decay_w * lam_a[i] - dt * p
                lam_i[i] = decay_syn * lam_i[i] + gain * p
                lam_v[i] = q
            for q in range(s + 1, last_s + 1):
                j = units[q]
                lam_v[j] += by_v[q] * owed[j]
                lam_i[j] += by_i[q] * owed[j]
                if adex:
                    lam_a[j] -= by_i[q] * owed[j]
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


TYPES = {torch.float32: (np.float32, types.float32), torch.float64: (np.float64, types.float64)}


@cache
def kernel(make: Callable, dtype: torch.dtype, adex: bool, exact: bool, flag: bool) -> Callable:
    """The loop of `make` for these options, compiled; `flag` is the last one."""
    numpy_type, real = TYPES[dtype]
    # Unsigned for indices: no check whether they count from the end.
    reals, wide = types.Array(real, 1, "C"), types.Array(types.uint32, 1, "C")
    whole, sizes = types.Array(types.int32, 1, "C"), types.Array(types.int64, 1, "C")
    if make is forward_loop:
        arguments = [wide, wide, reals, wide, reals, wide, reals, real]
        arguments += [whole, whole, *[reals] * 7, sizes]
        result = types.int64
    else:
        arguments = [wide, wide, wide, reals, wide, reals, real, real, real]
        arguments += [whole, whole, *[reals] * 13, sizes]
        result = types.void
    options = f"{adex:d}{exact:d}{flag:d}_{VERSION}_{DAMPED}_{FLAT}_{NEWTON}"
    name = f"event_{make.__name__}_{numpy_type.__name__}_{options}"
    return compiled(make(adex, exact, flag, numpy_type), result(*arguments), name)


@cache
def sort_by_channel() -> Callable:
    """`channel_loop`, compiled."""
    wide, size = types.Array(types.uint32, 1, "C"), types.int64
    arguments = [wide, wide, types.Array(size, 1, "C"), size, size, size, wide, wide]
    return compiled(channel_loop(), types.void(*arguments), "event_channel_loop")
