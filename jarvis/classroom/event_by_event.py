"""A network simulated from event to event, and its adjoint: the readable code of lesson 501.

LIF neurons follow ``dv/dt = -v/tau + I`` and ``dI/dt = -2 I/tau``. I jumps by w where a spike
arrives. A neuron whose v reaches 1 spikes: v returns to 0, and its own current jumps by c. Between
two events the exact solution is known, so nothing is approximated: with ``y = exp(-s/tau)`` after
s ms,

    v -> v y + tau I (y - y^2),      I -> I y^2.

`jarvis.run_events` is the fast version, on a time grid.
"""

import heapq
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from jarvis.support.checks import check_number, check_values


class Step(NamedTuple):
    """One event of a simulation, with what the adjoint needs."""

    y: float  #: ``exp(-s/tau)``, where s is the time since the previous event, ms
    neuron: int  #: the neuron at which the event happens
    spike: int  #: number of the spike that arrives or is fired
    slopes: tuple[float, float] | None  #: dv/dt before and after a fired spike; None for an arrival


class Simulation(NamedTuple):
    """What `simulate` returns."""

    times: np.ndarray  #: ``[K]`` ms, the times of all spikes, starting with those of the inputs
    senders: list[int]  #: ``[K]``, who fired each spike: inputs 0 to n_in - 1, then the neurons
    log: list[Step]  #: all events, in temporal order


def crossing(v: float, i: float, tau: float = 10.0) -> float:
    """The time in ms until a neuron in state (v, i) spikes if nothing arrives; inf for never.

    v = 1 is a quadratic equation in ``y = exp(-s/tau)``; its larger root is reached first.

    Example:
        >>> round(crossing(0.0, 0.6), 3)
        2.374
    """
    a = tau * i
    root = (v + a) ** 2 - 4 * a
    if root < 0 or a <= abs(v):  # too weak, or no excitation left
        return math.inf
    return -tau * math.log((v + a + math.sqrt(root)) / (2 * a))


def simulate(
    w: np.ndarray,
    d: np.ndarray,
    inputs: Sequence[tuple[float, int]],
    *,
    tau: float = 10.0,
    end: float = 40.0,
    c: float = 0.0,
) -> Simulation:
    """Run a network from event to event.

    Args:
        w: ``[n_in + n, n]`` weights in 1/ms; rows are senders, starting with the inputs.
        d: ``[n_in + n, n]`` delays in ms, not negative.
        inputs: (time in ms, number of the input) of each input spike.
        tau: membrane time constant, ms; the time constant of the synapses is half of it.
        end: end of the simulation, ms.
        c: jump of a neuron's own current where it spikes, 1/ms.

    Raises:
        ValueError: if w and d do not have the same shape, an input has no row in them, or a value
            is out of range.

    Example:
        Two inputs and one neuron, whose weight to itself is 0. It spikes after the second input.

        >>> w, d = np.array([[0.3], [0.3], [0.0]]), np.zeros((3, 1))
        >>> simulate(w, d, [(0.0, 0), (2.0, 1)]).times.round(3)
        array([0.   , 2.   , 3.559])
    """
    w, d = np.asarray(w, dtype=float), np.asarray(d, dtype=float)
    if w.ndim != 2 or w.shape != d.shape or len(w) <= w.shape[1]:
        raise ValueError(
            f"simulate: w {w.shape} and d {d.shape} must both be [n_in + n, n], inputs first"
        )
    check_values("d", torch.from_numpy(d), "ms", at_least=0)
    n_in = len(w) - w.shape[1]
    for _, unit in inputs:
        if not 0 <= unit < n_in:
            raise ValueError(f"simulate: input number {unit} of inputs must be in 0 to {n_in - 1}")
    check_number("tau", tau, "ms", above=0)
    check_number("end", end, "ms", above=0)
    n, now, log = w.shape[1], 0.0, []
    v, i = np.zeros(n), np.zeros(n)
    times, senders = [t for t, _ in inputs], [unit for _, unit in inputs]
    queue = [(t + d[k, j], p, j) for p, (t, k) in enumerate(inputs) for j in range(n)]
    heapq.heapify(queue)
    while True:
        ahead = [crossing(v[k], i[k], tau) for k in range(n)]
        j, p, slopes = int(np.argmin(ahead)), len(times), None
        at = now + ahead[j]
        arrives = bool(queue) and queue[0][0] <= at
        if arrives:
            at, p, j = heapq.heappop(queue)  # spike number p arrives at neuron j
        if at > end:
            return Simulation(np.array(times), senders, log)
        y = math.exp((now - at) / tau)
        v, i, now = v * y + tau * i * (y - y * y), i * y * y, at
        if arrives:
            i[j] += w[senders[p], j]
        else:  # neuron j fires: this is spike number p
            slopes = (i[j] - v[j] / tau, i[j] + c)
            v[j], i[j] = 0.0, i[j] + c
            times.append(at)
            senders.append(len(w) - n + j)
            for k in range(n):
                heapq.heappush(queue, (at + d[senders[p], k], p, k))
        log.append(Step(y, j, p, slopes))


def adjoint(
    w: np.ndarray,
    senders: Sequence[int],
    log: Sequence[Step],
    pull: Sequence[float] | np.ndarray,
    *,
    tau: float = 10.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The gradient of a loss with respect to weights, delays and spike times, in one backward pass.

    Args:
        w: the weights of the simulation, which must have been run with ``c = 0``.
        senders, log: as returned by `simulate`.
        pull: ``[K]``, the derivative of the loss with respect to the time of each spike, with all
            else fixed.
        tau: membrane time constant, ms.

    Returns:
        dL/dw and dL/dd, in the shape of w, and dL/dt of every spike, including its effect on later
        spikes.

    Source: Wunderlich & Pehle 2021, Sci. Rep. 11:12829 (EventProp). Delay gradients are from
    Mészáros, Knight & Nowotny 2025, Nat. Commun. 16 (arXiv:2501.07331).

    Example:
        >>> w, d = np.array([[0.6], [0.0]]), np.array([[1.0], [0.0]])
        >>> times, senders, log = simulate(w, d, [(0.0, 0)])
        >>> g_w, g_d, g_t = adjoint(w, senders, log, [0.0, 1.0])
        >>> g_d[0, 0].round(6), g_t[0].round(6)  # the output shifts as its input does
        (np.float64(1.0), np.float64(1.0))
    """
    pull, tau_syn = np.array(pull, dtype=float), tau / 2
    lam_v, lam_i = np.zeros(w.shape[1]), np.zeros(w.shape[1])
    g_w, g_d = np.zeros_like(w, dtype=float), np.zeros_like(w, dtype=float)
    for y, j, p, slopes in reversed(log):
        if slopes is None:  # an arrival
            k = senders[p]
            g = w[k, j] * (lam_i[j] / tau_syn - lam_v[j])
            g_w[k, j] += lam_i[j]
            g_d[k, j] += g
            pull[p] += g
        else:  # a fired spike
            before, after = slopes
            lam_v[j] = (after * lam_v[j] - pull[p]) / before
        lam_i = y * y * lam_i + tau * (y - y * y) * lam_v  # back to the previous event
        lam_v = y * lam_v
    return g_w, g_d, pull
