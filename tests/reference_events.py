"""Recurrent spiking networks with delays, simulated from event to event in float64: no grid.

Written from the equations, sharing no code with the library. Between two events of a neuron its
state x = (v, I, a) follows

    v' = -v/tau_mem + I - a + DeltaT exp((v - v_t)/DeltaT)      (LIF: without a and exp)
    I' = -I/tau_syn
    a' = -a/tau_w + A v

in closed form (LIF) or as a Taylor series whose next term is below rounding (AdEx). Where v reaches
the threshold, found as a root, the neuron spikes: v becomes 0, a jumps by b, and every neuron j
hears it d_rec[i, j] ms later, where I jumps by w_rec[i, j].

The gradient goes back through the same events by one rule for all of them. With x+ = jump(x-),
J the jump's Jacobian and f the right-hand side, an event that moves by dt gives

    dx+ = J dx- + (J f(x-) - f(x+)) dt

and between events dx is carried by the flow's Jacobian Phi. Reverse time uses the transposes.
"""

import heapq
import math
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numba import njit

ORDER = 24  #: of the Taylor series


class Flow(NamedTuple):
    """From one state to a later one: at the end of the time asked for, or at the threshold."""

    x: tuple[float, float, float]
    phi: np.ndarray  #: [3, 3], d x(end) / d x(start) at fixed times
    elapsed: float
    crossed: bool


@dataclass(frozen=True)
class LIF:
    tau_mem: float = 10.0
    tau_syn: float = 2.0
    threshold: float = 1.0
    start: tuple[float, float, float] = (0.0, 0.0, 0.0)

    def rate(self, x):
        v, i, _ = x
        return np.array([-v / self.tau_mem + i, -i / self.tau_syn, 0.0])

    def jump(self, x):
        return (0.0, x[1], x[2])

    def _at(self, v, i, s):
        """v and I, s ms after they were `v` and `i`, without a spike."""
        m, y = math.exp(-s / self.tau_mem), math.exp(-s / self.tau_syn)
        return v * m + i * self._response(m, y, s), i * y

    def _response(self, m, y, s):
        """v that a current of 1 leaves after s ms."""
        if self.tau_mem == self.tau_syn:
            return s * m
        return (m - y) / (1 / self.tau_syn - 1 / self.tau_mem)

    def _peak(self, v, i, limit):
        """When v is highest: at `limit` if it still rises then."""
        fast, slow = 1 / self.tau_syn, 1 / self.tau_mem
        if fast == slow:  # v(s) = (v + i s) exp(-s slow)
            top = 1 / slow - v / i if i > 0 else math.inf
        else:  # v' = 0 where exp((fast - slow) s) = fast c / (slow (c - v))
            c = i / (slow - fast)
            ratio = fast * c / (slow * (c - v)) if c != v else -1.0
            top = math.log(ratio) / (fast - slow) if ratio > 0 else math.inf
        return min(top, limit) if top > 0 else limit

    def flow(self, x, duration):
        v, i, _ = x
        elapsed, crossed = duration, False
        if i - v / self.tau_mem > 0:  # v has one extremum at most: it must rise now to get there
            peak = self._peak(v, i, duration)
            if self._at(v, i, peak)[0] >= self.threshold:
                elapsed, crossed = self._crossing(v, i, peak), True
        m, y = math.exp(-elapsed / self.tau_mem), math.exp(-elapsed / self.tau_syn)
        response = self._response(m, y, elapsed)
        phi = np.array([[m, response, 0.0], [0.0, y, 0.0], [0.0, 0.0, 1.0]])
        return Flow((v * m + i * response, i * y, 0.0), phi, elapsed, crossed)

    def _crossing(self, v, i, high):
        """Newton's method, and bisection where it would leave the bracket [low, high]."""
        low, s = 0.0, 0.5 * high
        for _ in range(200):
            now, current = self._at(v, i, s)
            if now >= self.threshold:
                high = s
            else:
                low = s
            slope = current - now / self.tau_mem
            step = s - (now - self.threshold) / slope if slope > 0 else -1.0
            following = step if low < step < high else 0.5 * (low + high)
            if abs(following - s) <= 1e-16 + 2e-16 * s:
                break
            s = following
        return s


@dataclass(frozen=True)
class AdEx:
    tau_mem: float = 10.0
    tau_syn: float = 2.0
    threshold: float = 1.0
    a: float = 0.01  #: A, the coupling of the adaptation to v
    b: float = 0.02
    tau_w: float = 200.0
    delta_t: float = 0.1
    v_t: float = 0.5
    w0: float = 0.1  #: the adaptation at time 0

    @property
    def start(self):
        return (0.0, 0.0, self.w0)

    def rate(self, x):
        v, i, a = x
        growth = self.delta_t * math.exp((v - self.v_t) / self.delta_t)
        return np.array(
            [-v / self.tau_mem + i - a + growth, -i / self.tau_syn, self.a * v - a / self.tau_w]
        )

    def jump(self, x):
        return (0.0, x[1], x[2] + self.b)

    def flow(self, x, duration):
        phi, end = np.eye(3), np.array(x)
        constants = (self.tau_mem, self.tau_syn, self.a, self.tau_w, self.delta_t, self.v_t)
        elapsed, crossed = _taylor(end, phi, duration, self.threshold, constants)
        return Flow(tuple(end.tolist()), phi, elapsed, crossed)


@njit(cache=True)
def _polynomial(c, s):
    value = 0.0
    for k in range(len(c) - 1, -1, -1):
        value = value * s + c[k]
    return value


@njit(cache=True)
def _taylor(x, phi, duration, threshold, constants):
    """Carry x and the flow's Jacobian phi on, in place: to `duration` or to the threshold.

    The series follow from the equation by comparing coefficients: with e = exp((v - v_t)/DeltaT),
    e' = e v'/DeltaT, and phi' = (Jacobian of the right-hand side) phi.
    """
    tau_mem, tau_syn, coupling, tau_w, delta_t, v_t = constants
    v, i, a = np.zeros(ORDER + 1), np.zeros(ORDER + 1), np.zeros(ORDER + 1)
    e, m = np.zeros(ORDER + 1), np.zeros((ORDER + 1, 3, 3))
    elapsed, crossed = 0.0, False
    while elapsed < duration and not crossed:
        v[0], i[0], a[0] = x
        e[0] = math.exp((x[0] - v_t) / delta_t)
        m[0] = phi
        for k in range(ORDER):
            v[k + 1] = (-v[k] / tau_mem + i[k] - a[k] + delta_t * e[k]) / (k + 1)
            i[k + 1] = -i[k] / tau_syn / (k + 1)
            a[k + 1] = (-a[k] / tau_w + coupling * v[k]) / (k + 1)
            for j in range(k + 1):
                e[k + 1] += (j + 1) * v[j + 1] * e[k - j] / (delta_t * (k + 1))
            for column in range(3):
                growth = 0.0
                for j in range(k + 1):
                    growth += e[j] * m[k - j, 0, column]
                m0, m1, m2 = m[k, :, column]
                m[k + 1, 0, column] = (-m0 / tau_mem + m1 - m2 + growth) / (k + 1)
                m[k + 1, 1, column] = -m1 / tau_syn / (k + 1)
                m[k + 1, 2, column] = (coupling * m0 - m2 / tau_w) / (k + 1)
        h = duration - elapsed
        for c in (v, i, e):
            for k in (ORDER - 1, ORDER):
                if c[k] != 0.0:  # so short that this term adds nothing
                    h = min(h, (1e-18 * (1.0 + abs(c[0])) / abs(c[k])) ** (1.0 / k))
        low = 0.0
        for part in range(1, 17):
            high = h * part / 16
            if _polynomial(v, high) >= threshold:
                while True:
                    middle = 0.5 * (low + high)
                    if middle <= low or middle >= high:
                        break
                    if _polynomial(v, middle) >= threshold:
                        high = middle
                    else:
                        low = middle
                h, crossed = high, True
                break
            low = high
        x[0], x[1], x[2] = _polynomial(v, h), _polynomial(i, h), _polynomial(a, h)
        for row in range(3):
            for column in range(3):
                phi[row, column] = _polynomial(m[:, row, column], h)
        finished = not crossed and h >= duration - elapsed
        elapsed = duration if finished else elapsed + h
        e[:] = 0.0
    return elapsed, crossed


class Event(NamedTuple):
    """What happened to one neuron, and how it came there from its event before."""

    kind: str  #: "in", "rec": an arrival; "spike": its own
    neuron: int
    time: float
    source: int  #: the place in `inputs` or in `spikes` of what arrives, or of the spike itself
    before: tuple[float, float, float]
    after: tuple[float, float, float]
    phi: np.ndarray


@dataclass
class Run:
    """What `simulate` leaves: the spikes in the order of time, and every event."""

    spikes: list[tuple[float, int]] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    @property
    def times(self):
        return np.array([t for t, _ in self.spikes])

    def order(self, n):
        """What each neuron went through in turn: the same for two runs that differ smoothly."""
        return [[(e.kind, e.source) for e in self.events if e.neuron == j] for j in range(n)]


class Network(NamedTuple):
    """Matrices are pre x post, delays in ms."""

    w_in: np.ndarray
    w_rec: np.ndarray
    d_in: np.ndarray
    d_rec: np.ndarray


class Gradient(NamedTuple):
    w_in: np.ndarray
    w_rec: np.ndarray
    d_in: np.ndarray
    d_rec: np.ndarray
    t_in: np.ndarray  #: [inputs], for the time of each input spike


def simulate(neuron: Any, inputs, net: Network, t_end: float) -> Run:
    """Inputs are (time in ms, channel); what would happen after `t_end` is left out."""
    n = net.w_rec.shape[0]
    run = Run()
    x, since = [neuron.start] * n, [0.0] * n
    arrivals: list[list] = [[] for _ in range(n)]  # still to come, for each neuron
    ahead: list[Flow] = [neuron.flow(neuron.start, t_end)] * n  # to its next event

    def look_ahead(j):
        until = min([t_end] + [item[0] for item in arrivals[j][:1]])
        ahead[j] = neuron.flow(x[j], until - since[j])

    def send(time, kind, source, delays, weights):
        for j in range(n):
            item = (time + delays[j], kind, source, weights[j])
            heapq.heappush(arrivals[j], item)
            if item[0] < since[j] + ahead[j].elapsed:
                look_ahead(j)

    def happen(kind, j, time, source, after):
        run.events.append(Event(kind, j, time, source, ahead[j].x, after, ahead[j].phi))
        x[j], since[j] = after, time
        look_ahead(j)

    for k, (time, channel) in enumerate(inputs):
        send(time, "in", k, net.d_in[channel], net.w_in[channel])
    while True:
        j = min(range(n), key=lambda j: since[j] + ahead[j].elapsed)
        if ahead[j].crossed:
            time, p = since[j] + ahead[j].elapsed, len(run.spikes)
            run.spikes.append((time, j))
            happen("spike", j, time, p, neuron.jump(ahead[j].x))
            send(time, "rec", p, net.d_rec[j], net.w_rec[j])
        elif arrivals[j] and arrivals[j][0][0] <= t_end:
            time, kind, source, w = heapq.heappop(arrivals[j])
            v, i, a = ahead[j].x
            happen(kind, j, time, source, (v, i + w, a))
        else:
            return run


def adjoint(neuron: Any, inputs, net: Network, run: Run, dloss_dt) -> Gradient:
    """The gradient of a loss of spike times; `dloss_dt` has one number for each of `run.spikes`."""
    grad = Gradient(*(np.zeros_like(m, dtype=float) for m in net), np.zeros(len(inputs)))
    dt_spike = np.array(dloss_dt, dtype=float)  # dL/d(time of spike p), its own and its arrivals'
    lam = np.zeros((net.w_rec.shape[0], 3))  # dL/dx of each neuron, just after its event
    for event in reversed(run.events):
        j = event.neuron
        f_before, f_after = neuron.rate(event.before), neuron.rate(event.after)
        if event.kind == "spike":
            jump = np.diag([0.0, 1.0, 1.0])
            by_time = lam[j] @ (jump @ f_before - f_after) + dt_spike[event.source]
            lam[j] = jump.T @ lam[j]
            lam[j, 0] -= by_time / f_before[0]  # the event moves by dt = -dv / v'
        else:
            by_time = lam[j] @ (f_before - f_after)
            if event.kind == "in":
                pre = inputs[event.source][1]
                grad.w_in[pre, j] += lam[j, 1]
                grad.d_in[pre, j] += by_time
                grad.t_in[event.source] += by_time
            else:
                pre = run.spikes[event.source][1]
                grad.w_rec[pre, j] += lam[j, 1]
                grad.d_rec[pre, j] += by_time
                dt_spike[event.source] += by_time
        lam[j] = event.phi.T @ lam[j]
    return grad


def distances(pre, post):
    """Delays [n_pre, n_post] in ms between positions [n_pre, D] and [n_post, D]."""
    return np.sqrt(0.01 + ((pre[:, None] - post[None]) ** 2).sum(-1))


def to_positions(pre, post, by_delay):
    """What dL/d(delay) [n_pre, n_post] means for both positions."""
    pull = (by_delay / distances(pre, post))[..., None] * (pre[:, None] - post[None])
    return pull.sum(1), -pull.sum(0)
