"""The quadratic integrate-and-fire neuron (QIF) and the theta neuron: one equation, two variables.

Near the onset of firing, ``tau dv/dt = v^2 + I`` describes every neuron that starts to fire at
arbitrarily low rates (type I). The potential reaches infinity in finite time. With ``v =
tan(theta/2)``, the same motion is a rotation around a circle, and all variables stay finite.

Both neurons are solved exactly for a current that is constant within each step. With v = p/q the
equation is linear, ``tau p' = I q, tau q' = -p``, and a step multiplies (p, q) by a matrix of sines
and cosines (I > 0) or of their hyperbolic counterparts (I < 0). A spike in the middle of a step
adds another matrix, which maps the peak to the reset. The potential is therefore exact for steps of
any size, and spike times do not depend on the time grid.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.numbers import smallest
from jarvis.surrogate import DEFAULT_SPIKE, Spike

#: Stands for an infinite potential, in units of the normal form; from it, the potential would reach
#: infinity within 1e-12 tau.
INFINITE = 1e12


class Direction(NamedTuple):
    """A potential v as a direction: v = p/q, with p^2 + q^2 = 1 and q > 0."""

    p: Any
    q: Any


def direction(v: Any) -> Direction:
    """The direction of a potential, which is a float or a tensor and may be infinite."""
    if isinstance(v, Tensor):
        v = v.clamp(-INFINITE, INFINITE)
        q = torch.rsqrt(1.0 + v * v)
    else:
        v = min(max(v, -INFINITE), INFINITE)
        q = 1.0 / math.hypot(1.0, v)
    return Direction(v * q, q)


class Flow(NamedTuple):
    """The solution of ``dv/dt = v^2 + I`` after a time: ``v -> (c v + I s)/(c - s v)``."""

    c: Tensor
    s: Tensor
    log_factor: Tensor  #: the logarithm of a factor left out of c and s to avoid overflow


def riccati_flow(current: Tensor, h: float | Tensor) -> Flow:
    """The coefficients of the exact solution of ``dv/dt = v^2 + I`` over a time h.

    With r = sqrt(|I|)::

        c, s = cos(r h), sin(r h)/r                 for I > 0
        c, s = 1, h                                 for I = 0
        c, s = cosh(r h), sinh(r h)/r               for I < 0, times exp(-r h)

    Args:
        current: I ``[B, ...]``; at most ``(pi/h)^2``, for which (p, q) makes half a turn in the
            time h.
        h: the time, a number or a tensor that broadcasts against `current`.
    """
    z = current * (h * h)
    small = z.abs() < 0.01
    root = torch.sqrt(torch.where(small, 1.0, z.abs()))
    shrunk = torch.exp(-2.0 * root)
    down = z < 0.0
    near_c = 1.0 - z / 2.0 * (1.0 - z / 12.0 * (1.0 - z / 30.0 * (1.0 - z / 56.0)))
    near_s = 1.0 - z / 6.0 * (1.0 - z / 20.0 * (1.0 - z / 42.0 * (1.0 - z / 72.0)))
    far_c = torch.where(down, 0.5 + 0.5 * shrunk, torch.cos(root))
    far_s = torch.where(down, 0.5 - 0.5 * shrunk, torch.sin(root)) / root
    log_factor = torch.where(down, torch.where(small, 0.0, root), 0.0)
    return Flow(
        torch.where(small, near_c, far_c), h * torch.where(small, near_s, far_s), log_factor
    )


class Moved(NamedTuple):
    """A potential after a step, as a direction that may have passed infinity."""

    p: Tensor
    q: Tensor
    norm: Tensor  #: the length of (p, q)
    log_factor: Tensor  #: see `Flow`


def riccati_step(start: Direction, current: Tensor, h: float | Tensor) -> Moved:
    """The potential after a time h under ``dv/dt = v^2 + I``; see `riccati_flow`."""
    c, s, log_factor = riccati_flow(current, h)
    p, q = c * start.p + s * current * start.q, c * start.q - s * start.p
    tie = (p == 0.0) & (q == 0.0)  # v is at the threshold, up to rounding, under strong inhibition
    p, q = torch.where(tie, start.p, p), torch.where(tie, start.q, q)
    return Moved(p, q, torch.sqrt(p * p + q * q), log_factor)


def arc(num: Tensor, den: Tensor, norm: Tensor, current: Tensor | float) -> Tensor:
    """The time t at which ``s(t)/c(t) = num/den``, for ``current h^2 >= -1``; see `riccati_flow`.

    For I = 1, t is the angle of the vector (den, num), from -pi to pi. The angle is halved four
    times by the half-angle formula, which is the same for all signs of I. The angle is then so
    small that eleven terms of the power series are enough.

    Args:
        num, den: numbers proportional to s and c, ``[B, ...]``.
        norm: ``sqrt(den^2 + I num^2)``, positive.
        current: I.
    """
    ahead = den > 0.0
    upper = torch.where(ahead, num, norm - den)
    k = upper / torch.where(ahead, norm + den, current * num)
    for _ in range(3):
        k = k / (1.0 + torch.sqrt((1.0 + current * k * k).clamp_min(1e-30)))
    w = -current * k * k
    series: Any = 1.0 / 21.0
    for odd in range(19, 0, -2):
        series = series * w + 1.0 / odd
    return 16.0 * k * series


def riccati_time(start: Direction, end: Direction, current: Tensor, h: float | Tensor) -> Tensor:
    """The time that ``dv/dt = v^2 + I`` takes to reach a potential, which it must reach within h.

    The result is 0 if the start is beyond the end.

    Args:
        start: the initial potential, ``p/q``; (p, q) need not have the length 1.
        end: the final potential, in the same form.
        current: I ``[B, ...]``.
        h: the longest possible time.
    """
    num = end.p * start.q - start.p * end.q
    beyond = num <= 0.0
    den = current * (start.q * end.q) + start.p * end.p
    speeds = start.p * start.p + current * (start.q * start.q)
    speeds = speeds * (end.p * end.p + current * (end.q * end.q))
    away = current * (h * h) < -1.0  # the start is beyond the unstable fixed point, r
    norm = torch.sqrt(torch.where(away | beyond, 1.0, speeds).clamp_min(1e-30))
    den, near_current = torch.where(away | beyond, 1.0, den), torch.where(away, 0.0, current)
    near = arc(torch.where(beyond, 0.0, num), den, norm, near_current)
    r = torch.sqrt(torch.where(away, -current, 1.0))
    above = (start.p + r * start.q) * (end.p - r * end.q)
    below = (start.p - r * start.q) * (end.p + r * end.q)
    far = torch.log(above.clamp_min(1e-30) / below.clamp_min(1e-30)) / (2.0 * r)
    return torch.where(away & ~beyond, far, near)


def phase(p: Any, q: Any, norm: Any) -> Tensor:
    """``tan(theta/4)`` of the direction (p, q): -1 to 1 for v from -inf to inf, then larger.

    Half a turn beyond infinity, the result would be infinite; it is bounded by 2000.
    """
    ahead = q > 0.0
    upper = torch.where(ahead, p, norm - q)
    return upper / torch.where(ahead, norm + q, p.clamp_min(1e-3 * norm))


@dataclass(frozen=True)
class QIFParams(Parameters):
    """Parameters of the quadratic integrate-and-fire neuron.

    The potential follows, with I the input::

        tau dv/dt = a_0 (v - v_rest)(v - v_c) + I

    and is set to v_reset when it reaches v_peak. The defaults are the normal form
    ``tau dv/dt = v^2 + I``, in which only time has a unit. Without input, the neuron rests at
    v_rest and fires if v exceeds v_c; with ``I > a_0 (v_c - v_rest)^2/4`` it has no fixed point and
    fires regularly.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per neuron.

    A step is exact for a current that is constant within it, for any dt (`qif_step`). However, a
    neuron spikes at most once per step, so I is clamped to at most `largest_current`.

    Args:
        tau: time constant, ms.
        a_0: curvature, per unit of v.
        v_rest: resting potential without input, in units of v.
        v_c: critical potential without input, in units of v; at least v_rest.
        v_peak: potential at which the neuron spikes; it may be infinite.
        v_reset: potential after a spike; it may be minus infinity.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range; for a v_peak that is not above both v_reset and
            v_c; and for a dt within which a neuron without input would get from v_reset to v_peak.

    Source: Ermentrout & Kopell 1986, SIAM J. Appl. Math. 46:233; Gerstner et al. 2014, *Neuronal
    Dynamics*, section 5.3.

    Example:
        >>> params = QIFParams(tau=10.0, v_peak=float("inf"), v_reset=-float("inf"))
        >>> round(params.period(1.0), 6)  # 10 pi
        31.415927
        >>> params.fixed_points(-4.0)
        (-2.0, 2.0)
    """

    tau: float | Tensor = parameter(10.0, "ms", above=0)
    a_0: float | Tensor = parameter(1.0, above=0)
    v_rest: float | Tensor = parameter(0.0)
    v_c: float | Tensor = parameter(0.0)
    v_peak: float | Tensor = parameter(10.0, finite=False)
    v_reset: float | Tensor = parameter(-10.0, finite=False)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        for low, high in (("v_rest", "v_c"), ("v_c", "v_peak"), ("v_reset", "v_peak")):
            gap = torch.as_tensor(getattr(self, high) - getattr(self, low))
            if not bool((gap > 0).all() if high == "v_peak" else (gap >= 0).all()):
                words = "above" if high == "v_peak" else "at least"
                raise ValueError(
                    f"{high}={getattr(self, high)} must be {words} {low}={getattr(self, low)}"
                )
        upstroke = smallest(self.upstroke)
        if self.dt >= upstroke:
            raise ValueError(
                f"dt={self.dt:g} ms is too large: from v_reset the potential needs {upstroke:.3g} "
                "ms to the next spike, which would fall in the same step as the first and be lost"
            )

    @derived
    def h(self) -> float | Tensor:
        """The time step in units of tau."""
        return self.dt / self.tau

    @derived
    def v_mid(self) -> float | Tensor:
        """The midpoint of v_rest and v_c, where the potential of the normal form is 0."""
        return 0.5 * (self.v_rest + self.v_c)

    @derived
    def bias(self) -> float | Tensor:
        """The current of the normal form without input, ``-(a_0 (v_c - v_rest)/2)^2``."""
        half = 0.5 * self.a_0 * (self.v_c - self.v_rest)
        return -half * half

    @derived
    def turn(self) -> float | Tensor:
        """The largest allowed current in the normal form: the period is just above dt."""
        return (0.999 * math.pi / self.h) ** 2

    @property
    def largest_current(self) -> float | Tensor:
        """The upper bound of the input: above it, intervals would be shorter than dt.

        With an infinite peak and reset, the interval at this current is just above dt.
        """
        return (self.turn - self.bias) / self.a_0

    @derived
    def peak(self) -> Direction:
        """v_peak in the normal form, as a `Direction`."""
        return direction(self.a_0 * (self.v_peak - self.v_mid))

    @derived
    def start(self) -> Direction:
        """v_reset in the normal form, as a `Direction`."""
        return direction(self.a_0 * (self.v_reset - self.v_mid))

    @derived
    def highest(self) -> float | Tensor:
        """v_peak in the normal form."""
        return self.peak.p / self.peak.q

    @derived
    def peak_phase(self) -> float | Tensor:
        """The `phase` of v_peak in the normal form."""
        return self.peak.p / (1.0 + self.peak.q)

    @property
    def upstroke(self) -> float | Tensor:
        """Time from v_reset to the spike without input, ms; infinite unless v_reset > v_c."""
        given = (self.tau, self.bias, *self.start, *self.peak)
        parts = [torch.as_tensor(value, dtype=torch.float64) for value in given]
        tau, bias, p, q, peak_p, peak_q = torch.broadcast_tensors(*parts)
        r, low, high = torch.sqrt(-bias), p / q, peak_p / peak_q
        far = torch.log((low + r) * (high - r) / ((low - r) * (high + r))) / (2.0 * r)
        time = tau * torch.where(r > 0, far, 1.0 / low - 1.0 / high)
        return torch.where(low > r, time, math.inf)

    def fixed_points(self, current: float) -> tuple[float, float] | None:
        """The resting potential and the threshold at a constant current; None if there is neither.

        Both are in units of v. All parameters must be single numbers.
        """
        p = self.plain()
        inside = -(p.a_0 * current + p.bias)
        if inside < 0:
            return None
        return p.v_mid - math.sqrt(inside) / p.a_0, p.v_mid + math.sqrt(inside) / p.a_0

    def period(self, current: float) -> float:
        """The interval between spikes at a constant current, ms; infinite if there are no spikes.

        It is ``tau/sqrt(I) (atan(v_peak/sqrt(I)) - atan(v_reset/sqrt(I)))`` for I > 0 in the normal
        form. All parameters must be single numbers.

        Source: Gerstner et al. 2014, *Neuronal Dynamics*, section 5.3.
        """
        p = self.plain()
        drive = p.a_0 * current + p.bias
        low, high = (p.a_0 * (v - p.v_mid) for v in (p.v_reset, p.v_peak))
        if drive > 0:
            r = math.sqrt(drive)
            return p.tau / r * (math.atan(high / r) - math.atan(low / r))
        r = math.sqrt(-drive)
        if low <= r or high <= r:
            return math.inf
        if r == 0:
            return p.tau * (1.0 / low - 1.0 / high)
        inverse = [math.atanh(r / v) for v in (low, high)]
        return p.tau / r * (inverse[0] - inverse[1])


class QIFState(NamedTuple):
    """State of a quadratic integrate-and-fire neuron."""

    v: Tensor  #: potential ``[B, ...]``

    def detach(self) -> "QIFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class QIFTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]`` at the end of each step."""

    v: Tensor  #: potential
    since: Tensor  #: time from the spike to the end of its step, ms; 0 without a spike


def qif_step(
    x: Tensor, state: QIFState, params: QIFParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, QIFState, QIFTrace]:
    """One step of the quadratic integrate-and-fire neuron, exact for a constant current.

    In the normal form, ``y = a_0 (v - (v_rest + v_c)/2)`` and ``J = a_0 I - (a_0 (v_c -
    v_rest)/2)^2``::

        tau dy/dt = y^2 + J
        y <- (c y + J s)/(c - s y)      c, s = cos(r h), sin(r h)/r;  r = sqrt(J), h = dt/tau

    with the hyperbolic functions for J < 0. If y reaches its peak during the step, the neuron
    spikes, and the remainder of the step starts from the reset. This does not require the time of
    the spike: with (p, q) = (c y + J s, c - s y), the peak P and the reset R::

        y <- (p (J + P R) - J q (P - R))/(q (J + P R) + p (P - R))

    All of this, including the reset and the time of the spike (``since`` in the record), is
    differentiated exactly. `spike.reset` is not used.

    Args:
        x: the input I ``[B, ...]``, constant during the step; at most `QIFParams.largest_current`.
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate, a function of ``tan(theta/4) - tan(theta_peak/4)`` with
            ``y = tan(theta/2)``: a distance along the circle of the theta neuron, which grows from
            -2 to 0 between reset and peak if these are infinite. With a slope of 2 to 5, the
            surrogate derivative covers this range.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN); the new state; and
        the record of ``trace=True``.

    Source: Ermentrout & Kopell 1986, SIAM J. Appl. Math. 46:233; Gerstner et al. 2014, *Neuronal
    Dynamics*, section 5.3. Solving a Riccati equation as a linear equation in p and q is textbook
    material.

    Example:
        >>> params, state = QIFParams(tau=10.0, dt=1.0), QIFState(torch.tensor([-10.0]))
        >>> for step in range(60):
        ...     spikes, state, record = qif_step(torch.ones(1), state, params)
        ...     if spikes:
        ...         print(f"{(step + 1) * params.dt - record.since.item():.3f} ms")
        29.423 ms
        58.845 ms
    """
    p = params
    current = (p.a_0 * x + p.bias).clamp_min(-INFINITE).clamp_max(p.turn)
    y = (p.a_0 * (state.v - p.v_mid)).clamp(-INFINITE, INFINITE)
    top, bottom, norm, _ = riccati_step(Direction(y, 1.0), current, p.h)
    over = phase(top, bottom, norm) - p.peak_phase
    spikes = spike(over, 0.0)
    crosses = over.detach() >= 0.0

    peak, start = p.peak, p.start
    turn = current * (peak.q * start.q) + peak.p * start.p
    shift = peak.p * start.q - start.p * peak.q
    upper = torch.where(crosses, top * turn - current * bottom * shift, top)
    lower = torch.where(crosses, bottom * turn + top * shift, bottom)
    y_after = upper / torch.maximum(lower, 1.0 / INFINITE * norm)
    y_after = y_after.clamp_min(-INFINITE).clamp_max(p.highest)
    v = y_after / p.a_0 + p.v_mid

    before, drive = Direction(torch.where(crosses, y, 0.0), 1.0), torch.where(crosses, current, 1.0)
    time = riccati_time(before, peak, drive, p.h)
    since = torch.where(crosses, (p.dt - p.tau * time).clamp_min(0.0).clamp_max(p.dt), 0.0)
    return spikes, QIFState(v), QIFTrace(v, since)


#: The quadratic integrate-and-fire neuron: ``QIF(tau=10.0)`` for a `SpikingLayer`.
QIF = define(qif_step, QIFParams, QIFState, lambda params: QIFState(params.v_rest))


@dataclass(frozen=True)
class ThetaParams(Parameters):
    """Parameters of the theta neuron.

    The phase theta moves around a circle, and the neuron spikes when the phase passes pi::

        tau dtheta/dt = (1 - cos theta) + (1 + cos theta) I

    It is the quadratic integrate-and-fire neuron ``tau dv/dt = v^2 + I`` with peak and reset at
    infinity: ``v = tan(theta/2)``. For I < 0 it rests at ``-2 atan(sqrt(-I))`` and fires if theta
    exceeds ``2 atan(sqrt(-I))``; for I > 0 it fires with the period ``pi tau/sqrt(I)``.

    A step is exact for a current that is constant within it, for any dt (`theta_step`). However, a
    neuron spikes at most once per step, so I is clamped to at most ``(0.999 pi tau/dt)^2``.

    Args:
        tau: time constant, ms; it may be a tensor, one value per neuron.
        theta_0: the phase at the start, rad; 0 is the resting state at I = 0.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range.

    Source: Ermentrout & Kopell 1986, SIAM J. Appl. Math. 46:233.

    Example:
        >>> round(ThetaParams(tau=10.0).period(4.0), 6)  # 5 pi
        15.707963
    """

    tau: float | Tensor = parameter(10.0, "ms", above=0)
    theta_0: float | Tensor = parameter(0.0, "rad", at_least=-math.pi, at_most=math.pi)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    @derived
    def h(self) -> float | Tensor:
        """A step in units of tau."""
        return self.dt / self.tau

    @derived
    def turn(self) -> float | Tensor:
        """The largest current, at which the period is slightly above dt."""
        return (0.999 * math.pi / self.h) ** 2

    def period(self, current: float) -> float:
        """The interval between spikes at a constant current, ms; infinite if there are no spikes.

        It is ``pi tau/sqrt(I)`` for I > 0. All parameters must be single numbers.
        """
        return math.pi * self.plain().tau / math.sqrt(current) if current > 0 else math.inf


class ThetaState(NamedTuple):
    """State of a theta neuron."""

    theta: Tensor  #: phase ``[B, ...]``, rad, from -pi to pi

    def detach(self) -> "ThetaState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class ThetaTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]`` at the end of each step."""

    theta: Tensor  #: phase, rad
    since: Tensor  #: time from the spike to the end of its step, ms; 0 without a spike


def theta_step(
    x: Tensor, state: ThetaState, params: ThetaParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, ThetaState, ThetaTrace]:
    """One step of the theta neuron, exact for a constant current.

    It uses the solution of `qif_step` for ``v = p/q``, where p and q are the sine and cosine of
    theta/2::

        tau dtheta/dt = (1 - cos theta) + (1 + cos theta) I
        (p, q)       <- (c p + I s q, c q - s p)    c, s = cos(r h), sin(r h)/r;  r = sqrt(I)
        theta        <- theta + 2 (angle between the old and the new (p, q))    h = dt/tau

    with the hyperbolic functions for I < 0. When theta passes pi, the neuron spikes, and 2 pi is
    subtracted. There is no reset that could be detached: the phase is a smooth function of the
    input through all spikes, and so is the time of a spike, ``since`` in the record.

    Args:
        x: the input I ``[B, ...]``, constant during the step; at most ``(0.999 pi tau/dt)^2``.
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate, a function of ``theta - pi``.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the phase is NaN); the new state; and the
        record of ``trace=True``.

    Source: Ermentrout & Kopell 1986, SIAM J. Appl. Math. 46:233.

    Example:
        >>> params, state = ThetaParams(tau=10.0, dt=1.0), ThetaState(torch.zeros(1))
        >>> for step in range(60):
        ...     spikes, state, record = theta_step(torch.ones(1), state, params)
        ...     if spikes:
        ...         print(f"{(step + 1) * params.dt - record.since.item():.3f} ms")
        15.708 ms
        47.124 ms
    """
    p = params
    current = x.clamp_min(-INFINITE).clamp_max(p.turn)
    sine, cosine = torch.sin(0.5 * state.theta), torch.cos(0.5 * state.theta)
    top, bottom, norm, _ = riccati_step(Direction(sine, cosine), current, p.h)
    turned = arc(top * cosine - bottom * sine, top * sine + bottom * cosine, norm, 1.0)
    theta = state.theta + 2.0 * turned
    over = theta - math.pi
    spikes = spike(over, 0.0)
    crosses = over.detach() >= 0.0
    after = torch.where(crosses, theta - 2.0 * math.pi, theta)

    before = Direction(torch.where(crosses, sine, 0.0), torch.where(crosses, cosine, 1.0))
    drive = torch.where(crosses, current, 1.0)
    time = riccati_time(before, Direction(1.0, 0.0), drive, p.h)
    since = torch.where(crosses, (p.dt - p.tau * time).clamp_min(0.0).clamp_max(p.dt), 0.0)
    return spikes, ThetaState(after), ThetaTrace(after, since)


#: The theta neuron: ``Theta(tau=10.0)`` for a `SpikingLayer`.
Theta = define(theta_step, ThetaParams, ThetaState, lambda params: ThetaState(params.theta_0))
