"""An independent AdEx neuron (scipy, adaptive steps, events), and names for what it does."""

from functools import cache

import numpy as np
from scipy.integrate import solve_ivp

from jarvis import AdExParams
from jarvis.adex import FIRING_PATTERNS


def simulate(params: AdExParams, current: float, duration: float, v=None, w=0.0) -> np.ndarray:
    """Spike times in ms under a constant current, from rest (or from v, w), to about 1e-8 ms."""
    p = params

    def slope(_, y):
        upstroke = p.g_l * p.delta_t * np.exp(min((y[0] - p.v_t) / p.delta_t, 60.0))
        leak = p.g_l * (p.e_l - y[0])
        return [(leak + upstroke + current - y[1]) / p.c, (p.a * (y[0] - p.e_l) - y[1]) / p.tau_w]

    def peak(_, y):
        return y[0] - p.v_peak

    peak.terminal, peak.direction = True, 1
    t, y, times = 0.0, [p.e_l if v is None else v, w], []
    while True:
        run = solve_ivp(
            slope, (t, duration), y, method="DOP853", rtol=1e-10, atol=1e-10, events=peak
        )
        if run.status != 1:
            return np.array(times)
        t = float(run.t_events[0][0])
        times.append(t)
        y = [p.v_reset, run.y_events[0][0][1] + p.b]


@cache
def pattern(name: str, duration: float) -> np.ndarray:
    """Spike times of a named pattern under its own current."""
    return simulate(AdExParams.named(name), FIRING_PATTERNS[name].current, duration)


def classify(times: np.ndarray, duration: float) -> str:
    """Which firing pattern these spike times show, under a current from 0 to `duration` ms.

    The intervals of the second half decide whether there is a cycle: none (irregular), one of a
    single interval, or one of several (bursting). The intervals before it tell the rest.
    """
    if len(times) == 0:
        return "silent"
    intervals = np.diff(times)
    longest = max(intervals, default=0.0)
    if duration - times[-1] > max(duration / 2, 3 * longest):
        return "transient"
    late = intervals[len(intervals) // 2 :]
    cycle = next((n for n in range(1, len(late) // 2 + 1) if repeats(late, n)), None)
    if cycle is None:
        return "irregular"
    if cycle > 1:
        return "delayed_bursting" if times[0] > longest / 2 else "bursting"
    start = intervals[0] / late[-1]
    if start > 1.1:
        return "delayed" if times[0] > longest else "decelerating"
    if start > 0.9:
        return "tonic"
    jump = max(intervals[1:] / intervals[:-1])
    return "initial_burst" if jump > 3 else "adapting"


def repeats(intervals: np.ndarray, n: int) -> bool:
    """Whether each interval is that of n before, within 2 %."""
    return bool(np.all(np.abs(intervals[n:] / intervals[:-n] - 1) < 0.02))
