"""First spikes on the CPU: forward from arrival to arrival, backward from synapse to synapse.

Each loop implements the equations of `jarvis.spatial.first_spike` for a range of samples. In the
forward pass, a neuron takes its arrivals from a heap, earliest first, and stops at its spike, so
later arrivals are never sorted. Between two arrivals, v and I have a closed form, so each arrival
costs one exponential. The backward pass needs only the time of the crossing and the slope of v at
the crossing. Both passes compute in float64, whatever the dtype of the tensors, because gradients
contain differences of nearly equal exponentials.

Arrays are flat. `values` holds the numbers of `FirstSpikeParams.values`, in the same order.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import torch
from numba import types

from jarvis.kernels.cpu import compiled

BLOCK = 32  #: samples whose gradients are summed together, whatever the number of threads


def _forward_loop(double_tau: bool, grid: bool) -> Callable:
    def loop(t, w, d, out, cross, slope, peak, when, values, n_pre, n_post, low, high):
        tau, tau_syn, threshold, dt = values[0], values[1], values[2], values[3]
        c, log_ratio = values[5], values[6]  # 1 / (1/tau_syn - 1/tau), ln(tau_syn / tau)
        unit = dt if grid else 1.0  # unit of the times below: steps on a grid, otherwise ms
        heap, who = np.empty(n_pre), np.empty(n_pre, np.int64)
        for b in range(low, high):
            for k in range(n_post):
                n, broken = 0, False
                for i in range(n_pre):
                    if grid:
                        a = np.rint(t[b * n_pre + i] / dt) + np.rint(d[i * n_post + k] / dt)
                    else:
                        a = np.float64(t[b * n_pre + i]) + d[i * n_post + k]
                    if a != a or w[i * n_post + k] != w[i * n_post + k]:
                        broken = True
                    elif a < math.inf:
                        j = n  # move up the heap while the parent is later
                        n += 1
                        while j > 0 and heap[(j - 1) >> 1] > a:
                            heap[j], who[j] = heap[(j - 1) >> 1], who[(j - 1) >> 1]
                            j = (j - 1) >> 1
                        heap[j], who[j] = a, i

                v, current, now = 0.0, 0.0, 0.0
                at, exact, steepness = math.inf, math.inf, 0.0
                best, best_at = 0.0, -math.inf
                more = True
                while more:
                    more = n > 0
                    arrival, sender = heap[0], who[0]
                    if more:
                        n -= 1
                        last, last_who, j, child = heap[n], who[n], 0, 1
                        while child < n:  # move down while a child is earlier
                            if child + 1 < n and heap[child + 1] < heap[child]:
                                child += 1
                            if heap[child] >= last:
                                break
                            heap[j], who[j] = heap[child], who[child]
                            j, child = child, 2 * child + 1
                        heap[j], who[j] = last, last_who
                    else:
                        arrival = math.inf
                    gap = (arrival - now) * unit
                    if gap > 0.0 and (current != 0.0 or v != 0.0):
                        x = math.exp(-gap / tau)
                        y = x * x if double_tau else math.exp(-gap / tau_syn)
                        s, top, top_v = math.inf, math.inf, 0.0  # the crossing; the maximum
                        if current > 0.0 and v < tau * current:  # v rises
                            if double_tau:  # v = p z - q z^2 with z = exp(-s/tau)
                                q = tau * current
                                p = v + q
                                z = p / (2.0 * q)
                                root = p * p - 4.0 * q * threshold
                                if p > 0.0 and z >= x:
                                    top_v = p * z * 0.5
                                    if top_v > best:
                                        top = -tau * math.log(z)
                                if p > 0.0 and root >= 0.0:
                                    z = (p + math.sqrt(root)) / (2.0 * q)
                                    if z >= x:
                                        s = max(-tau * math.log(z), 0.0)
                                        steepness = current * z * z - threshold / tau
                            else:
                                if c == 0.0:
                                    top = tau - v / current
                                elif 1.0 + v / (c * current) > 0.0:
                                    top = -c * (math.log1p(v / (c * current)) + log_ratio)
                                end = min(top, gap)
                                if end < math.inf:
                                    z = math.exp(-end / tau)
                                    rise = end if c == 0.0 else -c * math.expm1(-end / c)
                                    end_v = z * (v + current * rise)
                                    if top <= gap:
                                        top_v = end_v
                                    if end_v >= threshold:
                                        # until its maximum, v is concave: Newton steps from the
                                        # left never overshoot the crossing
                                        s = 0.0
                                        for _ in range(80):
                                            z = math.exp(-s / tau)
                                            rise = s if c == 0.0 else -c * math.expm1(-s / c)
                                            u = z * (v + current * rise)
                                            steepness = current * math.exp(-s / tau_syn) - u / tau
                                            step = (threshold - u) / steepness
                                            if not (steepness > 0.0 and step > 0.0):
                                                break
                                            if s + step == s or s + step > end:
                                                break
                                            s += step
                        if s < math.inf:
                            exact = now * unit + s
                            if not grid:
                                at = exact
                                break
                            first = math.ceil(s / dt)
                            for m in range(2):  # the second step only if rounding needs it
                                u = math.exp(-(first + m) * dt / tau)
                                if double_tau:
                                    rise = tau * (1.0 - u)
                                elif c == 0.0:
                                    rise = (first + m) * dt
                                else:
                                    rise = -c * math.expm1(-(first + m) * dt / c)
                                u *= v + current * rise
                                if u >= threshold and now + first + m <= arrival:
                                    at = now + first + m
                                    break
                            if at < math.inf:
                                break
                        if top_v > best and top <= gap:
                            best, best_at = top_v, now * unit + top
                        if more:
                            if double_tau:
                                v = x * (v + current * tau * (1.0 - x))
                            elif c == 0.0:
                                v = x * (v + current * gap)
                            else:
                                v = x * (v - current * c * math.expm1(-gap / c))
                            current *= y
                            if v >= threshold:  # by rounding: a crossing at the arrival
                                at, exact, steepness = arrival, arrival * unit, current - v / tau
                                break
                            if v > best:
                                best, best_at = v, arrival * unit
                    if more:
                        now = arrival
                        current += w[sender * n_post + k]

                o = b * n_post + k
                if broken or v != v or current != current:
                    at, exact, best, best_at = math.nan, math.inf, math.nan, -math.inf
                spiked = at < math.inf
                out[o] = at * unit
                cross[o] = exact if spiked else math.inf
                slope[o] = steepness
                peak[o] = threshold if spiked else best
                when[o] = -math.inf if spiked else best_at

    return loop


def _backward_loop(double_tau: bool, grid: bool) -> Callable:
    def loop(t, w, d, cross, slope, when, g, g_peak, gt, gw, gd, values, n_pre, n_post, low, high):
        tau, tau_syn, dt, least, c = values[0], values[1], values[3], values[4], values[5]
        for b in range(low, high):
            part = (b // BLOCK) * n_pre * n_post
            for k in range(n_post):
                o = b * n_post + k
                at = cross[o]
                if at < math.inf:
                    through = -g[o] / max(slope[o], least)  # dL/dv at the crossing
                else:
                    at, through = when[o], np.float64(g_peak[o])
                if through == 0.0 or at == -math.inf:
                    continue
                left, corner = 0.0, -1  # slope of v before the peak; the arrival that ends the rise
                for i in range(n_pre):
                    j = i * n_post + k
                    if grid:
                        s = at - (np.rint(t[b * n_pre + i] / dt) + np.rint(d[j] / dt)) * dt
                    else:
                        s = at - (np.float64(t[b * n_pre + i]) + d[j])
                    if s > 0.0:
                        x = math.exp(-s / tau)
                        if double_tau:
                            y = x * x
                            kernel = tau * (x - y)
                        else:
                            y = math.exp(-s / tau_syn)
                            kernel = x * (s if c == 0.0 else -c * math.expm1(-s / c))
                        steepness = w[j] * (y - kernel / tau)
                        left += steepness
                        arrival = -through * steepness
                        gw[part + j] += through * kernel
                        gd[part + j] += arrival
                        gt[b * n_pre + i] += arrival
                    elif s == 0.0 and corner < 0:
                        corner = i
                if corner >= 0 and cross[o] == math.inf:  # the peak moves with this arrival
                    gd[part + corner * n_post + k] += through * left
                    gt[b * n_pre + corner] += through * left

    return loop


_TYPES = {torch.float32: types.float32, torch.float64: types.float64}


@cache
def kernel(backward: bool, dtype: torch.dtype, double_tau: bool, grid: bool) -> Callable:
    """The compiled loop for these options, with the arguments of the loops above."""
    rows, exact = types.Array(_TYPES[dtype], 1, "C"), types.Array(types.float64, 1, "C")
    whole = [types.int64] * 4
    if backward:
        arguments = [*[rows] * 3, *[exact] * 3, *[rows] * 3, *[exact] * 3, *whole]
        make = _backward_loop
    else:
        arguments = [*[rows] * 4, *[exact] * 2, rows, *[exact] * 2, *whole]
        make = _forward_loop
    name = f"first_spike{make.__name__}_{_TYPES[dtype]}_{int(double_tau)}{int(grid)}_{BLOCK}"
    return compiled(make(double_tau, grid), types.void(*arguments), name)


def unsupported_reason(*tensors: torch.Tensor) -> str | None:
    """Why the loops cannot run on these tensors, in words; None if they can."""
    x = tensors[0]
    for tensor in tensors:
        if tensor.device.type != "cpu":
            return f"the numba loops run on the CPU, but a tensor is on {tensor.device}"
        if tensor.dtype not in _TYPES or tensor.dtype != x.dtype:
            return (
                "the numba loops take float32 or float64, the same for times, weights and "
                f"delays, but got {x.dtype} and {tensor.dtype}"
            )
    return None
