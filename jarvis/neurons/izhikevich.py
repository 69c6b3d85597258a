"""The Izhikevich neuron: twenty firing patterns from a few numbers, and three ways to integrate.

With the time steps of the publications, the integration is part of the model: in the script of
2003, neurons fire up to four times less often than the equations predict, and three of the twenty
patterns of 2004 exist only on their published time grid. The scheme is therefore an option, and
both published schemes are available.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.definition import Neuron, Parameters, define, derived, detached, parameter
from jarvis.neurons.quadratic import Direction, direction, phase, riccati_step, riccati_time
from jarvis.support.checks import check_choice
from jarvis.surrogate import DEFAULT_SPIKE, Spike

#: Bounds on |v| in mV, on |u| and on the input, far beyond what any sensible input reaches.
LARGEST_V, LARGEST_U, LARGEST_INPUT = 1e6, 1e8, 1e9

#: Each scheme's largest dt, ms.
SCHEMES = {"accurate": 2.0, "2003": 1.0, "2004": 0.5}


class Pulse(NamedTuple):
    """Part of a stimulus: ``level + slope (t - start)`` for ``start < t < end``, 0 elsewhere."""

    start: float  #: ms
    end: float  #: ms
    level: float  #: mV/ms
    slope: float = 0.0  #: mV/ms^2


class IzhikevichPattern(NamedTuple):
    """A published parameter set and the stimulus that evokes its firing pattern."""

    panel: str  #: panel of the paper's figure 1
    a: float  #: 1/ms
    b: float  #: 1/ms
    c: float  #: mV
    d: float  #: mV/ms
    v_0: float  #: potential at the start, mV
    dt: float  #: time step used for the figure, ms
    duration: float  #: ms
    stimulus: tuple[Pulse, ...]  #: the input is the sum of these pulses
    changes: dict[str, Any] = {}  #: other parameters that differ from the defaults


_CLASS_1 = dict(slope=4.1, offset=108.0)
_EVER = math.inf

#: Izhikevich 2004, IEEE Trans. Neural Netw. 15:1063, figure 1. Each pattern matches the figure with
#: ``scheme="2004"`` and its own dt. With a step fifty times smaller, depolarizing_afterpotential
#: fires 7 spikes instead of 1, inhibition_induced_bursting never stops, the second pulse of
#: bistability no longer stops the train, and six other patterns contain a few more spikes.
IZHIKEVICH_PATTERNS: dict[str, IzhikevichPattern] = {
    "tonic_spiking": IzhikevichPattern(
        "A", 0.02, 0.2, -65.0, 6.0, -70.0, 0.25, 100.0, (Pulse(10.0, _EVER, 14.0),)
    ),
    "phasic_spiking": IzhikevichPattern(
        "B", 0.02, 0.25, -65.0, 6.0, -64.0, 0.25, 200.0, (Pulse(20.0, _EVER, 0.5),)
    ),
    "tonic_bursting": IzhikevichPattern(
        "C", 0.02, 0.2, -50.0, 2.0, -70.0, 0.25, 220.0, (Pulse(22.0, _EVER, 15.0),)
    ),
    "phasic_bursting": IzhikevichPattern(
        "D", 0.02, 0.25, -55.0, 0.05, -64.0, 0.2, 200.0, (Pulse(20.0, _EVER, 0.6),)
    ),
    "mixed_mode": IzhikevichPattern(
        "E", 0.02, 0.2, -55.0, 4.0, -70.0, 0.25, 160.0, (Pulse(16.0, _EVER, 10.0),)
    ),
    "spike_frequency_adaptation": IzhikevichPattern(
        "F", 0.01, 0.2, -65.0, 8.0, -70.0, 0.25, 85.0, (Pulse(8.5, _EVER, 30.0),)
    ),
    "class_1": IzhikevichPattern(
        "G", 0.02, -0.1, -55.0, 6.0, -60.0, 0.25, 300.0, (Pulse(30.0, _EVER, 0.0, 0.075),), _CLASS_1
    ),
    "class_2": IzhikevichPattern(
        "H", 0.2, 0.26, -65.0, 0.0, -64.0, 0.25, 300.0,
        (Pulse(-1.0, _EVER, -0.5), Pulse(30.0, _EVER, 0.0, 0.015)),
    ),
    "spike_latency": IzhikevichPattern(
        "I", 0.02, 0.2, -65.0, 6.0, -70.0, 0.2, 100.0, (Pulse(10.0, 13.0, 7.04),)
    ),
    "subthreshold_oscillations": IzhikevichPattern(
        "J", 0.05, 0.26, -60.0, 0.0, -62.0, 0.25, 200.0, (Pulse(20.0, 25.0, 2.0),)
    ),
    "resonator": IzhikevichPattern(
        "K", 0.1, 0.26, -60.0, -1.0, -62.0, 0.25, 400.0,
        tuple(Pulse(start, start + 4.0, 0.65) for start in (40.0, 60.0, 280.0, 320.0)),
    ),
    "integrator": IzhikevichPattern(
        "L", 0.02, -0.1, -55.0, 6.0, -60.0, 0.25, 100.0,
        tuple(Pulse(start, start + 2.0, 9.0) for start in (100 / 11, 100 / 11 + 5, 70.0, 80.0)),
        _CLASS_1,
    ),
    "rebound_spike": IzhikevichPattern(
        "M", 0.03, 0.25, -60.0, 4.0, -64.0, 0.2, 200.0, (Pulse(20.0, 25.0, -15.0),)
    ),
    "rebound_burst": IzhikevichPattern(
        "N", 0.03, 0.25, -52.0, 0.0, -64.0, 0.2, 200.0, (Pulse(20.0, 25.0, -15.0),)
    ),
    "threshold_variability": IzhikevichPattern(
        "O", 0.03, 0.25, -60.0, 4.0, -64.0, 0.25, 100.0,
        (Pulse(10.0, 15.0, 1.0), Pulse(70.0, 75.0, -6.0), Pulse(80.0, 85.0, 1.0)),
    ),
    "bistability": IzhikevichPattern(
        "P", 0.1, 0.26, -60.0, 0.0, -61.0, 0.25, 300.0,
        (Pulse(-1.0, _EVER, 0.24), Pulse(37.5, 42.5, 1.0), Pulse(216.0, 221.0, 1.0)),
    ),
    "depolarizing_afterpotential": IzhikevichPattern(
        "Q", 1.0, 0.2, -60.0, -21.0, -70.0, 0.1, 50.0, (Pulse(9.0, 11.0, 20.0),)
    ),
    "accommodation": IzhikevichPattern(
        "R", 0.02, 1.0, -55.0, 4.0, -65.0, 0.5, 400.0,
        (Pulse(0.0, 200.0, 0.0, 0.04), Pulse(300.0, 312.5, 0.0, 0.32)),
        dict(u_0=-16.0, recovery="integrating"),
    ),
    "inhibition_induced_spiking": IzhikevichPattern(
        "S", -0.02, -1.0, -60.0, 8.0, -63.8, 0.5, 350.0,
        (Pulse(-1.0, _EVER, 75.0), Pulse(-1.0, 50.0, 5.0), Pulse(250.0, _EVER, 5.0)),
    ),
    "inhibition_induced_bursting": IzhikevichPattern(
        "T", -0.026, -1.0, -45.0, -2.0, -63.8, 0.5, 350.0,
        (Pulse(-1.0, _EVER, 75.0), Pulse(-1.0, 50.0, 5.0), Pulse(250.0, _EVER, 5.0)),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class IzhikevichParams(Parameters):
    """Parameters of the Izhikevich neuron.

    With v the potential in mV, u the recovery and I the input, both in mV/ms::

        dv/dt = square v^2 + slope v + offset - u + I
        du/dt = a (b v - u)

    When v reaches v_peak, the neuron spikes: v is reset to c, and u increases by d.

    `scheme` selects how a step of dt is integrated (`izhikevich_step`):

    ============  ==============================================  =====================
    scheme        a step                                          dt
    ============  ==============================================  =====================
    ``accurate``  second order, spikes between grid points:       0.1 ms; at most 1 ms,
                  v exact for a constant u, u from v's integral   refused above 2 ms
    ``2003``      the published script: Euler, twice for v, then  1 ms, refused above
                  u; a spike is noticed one step late
    ``2004``      the published figure: Euler, first v, then u    0.1 to 0.5 ms, refused
                                                                  above
    ============  ==============================================  =====================

    At I = 10, starting from v = -65 mV, the fast-spiking neuron fires 137 times per second
    according to its equations, and about 65 times with the script of 2003 (the exact number depends
    on rounding). The accurate scheme gives 137 spikes even with dt = 1 ms; intervals are then off
    by up to 5 %, and intervals shorter than 2 ms by up to 10 %.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per neuron.

    Args:
        a: rate of the recovery, 1/ms.
        b: sensitivity of the recovery to v, 1/ms.
        c: potential after a spike, mV.
        d: increase of u per spike, mV/ms.
        v_peak: potential at which the upstroke is cut off, mV.
        square: coefficient of v^2, 1/(mV ms).
        slope: coefficient of v, 1/ms; 4.1 in two of the twenty patterns.
        offset: constant term, mV/ms; 108 in the same two patterns.
        v_0: potential at the start, mV.
        u_0: recovery at the start, mV/ms; None for ``b v_0``.
        dt: time step, ms.
        scheme: "accurate", "2003" or "2004".
        recovery: "leaky", as above, or "integrating": ``du/dt = a b (v + 65)``, which is used in
            one of the twenty patterns (accommodation).

    Raises:
        ValueError: for a value outside its range; for a dt above the scheme's limit, or above
            ``1/|a|``, where u would overshoot; and for a v_peak that is not above both c and the
            vertex of the parabola, ``-slope/(2 square)``.

    Warns:
        UserWarning: for ``scheme="accurate"`` with a dt above 1 ms: intervals are then off by
            several per cent, and spikes less than a step apart are lost.

    Source: Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569, eqs. 1-3 and figure 2; Izhikevich
    2004, IEEE Trans. Neural Netw. 15:1063.

    Example:
        >>> params = IzhikevichParams.named("regular_spiking")
        >>> params.saddle_node, params.is_stable(-70.0)
        (4.0, True)
        >>> IzhikevichParams(scheme="2003", dt=2.0)
        Traceback (most recent call last):
        ...
        ValueError: dt=2 ms is too large for scheme='2003': at most 1 ms
    """

    a: float | Tensor = parameter(0.02, "1/ms")
    b: float | Tensor = parameter(0.2, "1/ms")
    c: float | Tensor = parameter(-65.0, "mV")
    d: float | Tensor = parameter(8.0, "mV/ms")
    v_peak: float | Tensor = parameter(30.0, "mV")
    square: float | Tensor = parameter(0.04, "1/(mV ms)", above=0)
    slope: float | Tensor = parameter(5.0, "1/ms")
    offset: float | Tensor = parameter(140.0, "mV/ms")
    v_0: float | Tensor = parameter(-65.0, "mV")
    u_0: float | Tensor | None = parameter(None, "mV/ms")
    dt: float = parameter(0.1, "ms", above=0, fixed=True)
    scheme: str = "accurate"
    recovery: str = "leaky"

    #: Izhikevich 2003, figure 2.
    named_sets = {
        "regular_spiking": dict(a=0.02, b=0.2, c=-65.0, d=8.0),
        "intrinsically_bursting": dict(a=0.02, b=0.2, c=-55.0, d=4.0),
        "chattering": dict(a=0.02, b=0.2, c=-50.0, d=2.0),
        "fast_spiking": dict(a=0.1, b=0.2, c=-65.0, d=2.0),
        "low_threshold_spiking": dict(a=0.02, b=0.25, c=-65.0, d=2.0),
        "thalamo_cortical": dict(a=0.02, b=0.25, c=-65.0, d=0.05),
        "resonator": dict(a=0.1, b=0.26, c=-65.0, d=2.0),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("scheme", self.scheme, SCHEMES)
        check_choice("recovery", self.recovery, ("leaky", "integrating"))
        for name, low in (("c", self.c), ("the vertex of the parabola", self.v_mid)):
            if not bool((torch.as_tensor(self.v_peak - low) > 0).all()):
                raise ValueError(f"v_peak={self.v_peak} mV must be above {name}, {low} mV")
        if self.dt > SCHEMES[self.scheme]:
            raise ValueError(
                f"dt={self.dt:g} ms is too large for scheme={self.scheme!r}: at most "
                f"{SCHEMES[self.scheme]:g} ms"
            )
        fastest = float(torch.as_tensor(self.a).detach().abs().max())
        if self.dt * fastest > 1.0:
            raise ValueError(
                f"dt={self.dt:g} ms is too large: the recovery would overshoot, 1/|a|="
                f"{1.0 / fastest:.3g} ms"
            )
        if self.scheme == "accurate" and self.dt > 1.0:
            warnings.warn(
                f"dt={self.dt:g} ms is large: intervals between spikes are off by several per cent,"
                " and spikes less than a step apart are lost; take dt of at most 1 ms",
                UserWarning,
                stacklevel=3,
            )

    @derived
    def start(self) -> tuple[float | Tensor, float | Tensor]:
        """The initial values of v and u."""
        return self.v_0, self.b * self.v_0 if self.u_0 is None else self.u_0

    @derived
    def v_mid(self) -> float | Tensor:
        """The vertex of the parabola, mV, where the potential of the normal form is 0."""
        return -0.5 * self.slope / self.square

    @derived
    def bias(self) -> float | Tensor:
        """The current of the normal form at ``I = u``, 1/ms^2: ``square offset - slope^2/4``."""
        return self.square * self.offset - 0.25 * self.slope * self.slope

    @derived
    def turn(self) -> float:
        """The current of the normal form at which the period would be dt, 1/ms^2."""
        return (0.999 * math.pi / self.dt) ** 2

    @derived
    def peak(self) -> Direction:
        """v_peak in the normal form, as a `Direction`."""
        return direction(self.square * (self.v_peak - self.v_mid))

    @derived
    def highest(self) -> float | Tensor:
        """v_peak in the normal form, 1/ms."""
        return self.square * (self.v_peak - self.v_mid)

    @derived
    def peak_phase(self) -> float | Tensor:
        """The `phase` of v_peak in the normal form."""
        return self.peak.p / (1.0 + self.peak.q)

    @derived
    def after_reset(self) -> tuple[float | Tensor, float | Tensor]:
        """The slope dv/dt at v = c without u and I, and its derivative with respect to v."""
        slope = (self.square * self.c + self.slope) * self.c + self.offset
        return slope, 2.0 * self.square * self.c + self.slope

    def fixed_points(self, current: float) -> tuple[float, float] | None:
        """The potentials at the two fixed points, mV, in increasing order; None if there are none.

        They are the roots of ``square v^2 + (slope - b) v + offset + I``. The upper one is always a
        saddle; `is_stable` tests whether the lower one is stable. All parameters must be single
        numbers.
        """
        p = self.plain()
        half = 0.5 * (p.slope - p.b)
        inside = half * half - p.square * (p.offset + current)
        if inside < 0:
            return None
        root = math.sqrt(inside)
        return (-half - root) / p.square, (-half + root) / p.square

    @property
    def saddle_node(self) -> float:
        """The input at which the two fixed points merge and vanish, mV/ms.

        It is ``(slope - b)^2/(4 square) - offset``. A neuron whose resting state loses its
        stability at a smaller input fires from that input on. All parameters must be single
        numbers.
        """
        p = self.plain()
        return (p.slope - p.b) ** 2 / (4.0 * p.square) - p.offset

    def is_stable(self, v: float) -> bool:
        """Whether a fixed point at v is stable.

        It is stable if the trace of the linearised equations, ``2 square v + slope - a``, is
        negative and their determinant is positive. All parameters must be single numbers.
        """
        p = self.plain()
        steep = 2.0 * p.square * v + p.slope
        return steep - p.a < 0 < p.a * (p.b - steep)


class IzhikevichState(NamedTuple):
    """State of Izhikevich neurons: tensors ``[B, ...]``."""

    v: Tensor  #: potential, mV
    u: Tensor  #: recovery, mV/ms

    def detach(self) -> "IzhikevichState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class IzhikevichTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]`` at the end of each step."""

    v: Tensor  #: potential, mV
    u: Tensor  #: recovery, mV/ms
    since: Tensor | None  #: time from spike to end of step, ms; None unless scheme is "accurate"


def izhikevich_step(
    x: Tensor,
    state: IzhikevichState,
    params: IzhikevichParams,
    spike: Spike = DEFAULT_SPIKE,
) -> tuple[Tensor, IzhikevichState, IzhikevichTrace]:
    """One step of the Izhikevich neuron, by one of three schemes.

    The equations::

        dv/dt = f(v) - u + I     f(v) = square v^2 + slope v + offset
        du/dt = a (b v - u)
        v >= v_peak:  spike, v <- c, u <- u + d

    ``scheme="2003"`` is the published script, which tests for v >= v_peak first; a spike is output
    one step after the potential has passed v_peak::

        v >= v_peak:  spike, v <- c, u <- u + d
        v <- v + dt/2 (f(v) - u + I),  twice
        u <- u + dt a (b v - u)

    ``scheme="2004"`` is the script of the published figure::

        v <- v + dt (f(v) - u + I)
        u <- u + dt a (b v - u)
        v > v_peak:  spike, v <- c, u <- u + d

    In both schemes, u is affected by how far v overshoots the peak. Below about -160 mV, a step of
    0.5 ms jumps from hyperpolarisation into a spike.

    With ``scheme="accurate"``, v follows the exact solution with u held at its value at the middle
    of the step (`qif_step` with tau = 1 ms), and u is updated with the exact integral of v.
    A neuron that reaches v_peak within a step spikes at that time, and the remainder of the step
    starts from c and u + d, so intervals do not depend on the time grid; ``since`` in the record is
    the time from the spike to the end of the step. The error is of second order in dt, and a neuron
    spikes at most once per step.

    Args:
        x: the input I ``[B, ...]``, mV/ms, constant during the step.
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate, a function of ``tan(theta/4)`` minus its value at v_peak, where
            ``tan(theta/2) = square (v - v_mid)``, in 1/ms, and v_mid is the vertex of the parabola.
            The argument is -0.9 at rest, 0 at the peak and at most 0.2 beyond it, however far v
            overshoots. With a slope of 2 to 5, the surrogate derivative covers this range. With
            scheme "accurate", gradients through the reset and through ``since`` are exact; with the
            other schemes, `spike` determines the gradient of the reset.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN); the new state; and
        the record of ``trace=True``.

    Source: Izhikevich 2003, IEEE Trans. Neural Netw. 14:1569, eqs. 1-3 and the script; Izhikevich
    2004, IEEE Trans. Neural Netw. 15:1063, figure 1. The scheme "accurate" was developed for
    jarvis.

    Example:
        >>> from jarvis.neurons import SpikingLayer
        >>> current = torch.full((1000, 1), 10.0)  # 1 s in steps of 1 ms
        >>> layer = SpikingLayer(Izhikevich(scheme="2003", dt=1.0))
        >>> int(layer(current)[0].sum())
        20
        >>> layer = SpikingLayer(Izhikevich(dt=0.1))
        >>> int(layer(current.repeat_interleave(10, 0))[0].sum())
        23
    """
    if params.scheme == "accurate":
        return _accurate(x, state, params, spike)
    return _euler(x, state, params, spike)


def _recovery(v: Any, u: Any, p: Any) -> Any:
    """du/dt."""
    return p.a * (p.b * (v + 65.0)) if p.recovery == "integrating" else p.a * (p.b * v - u)


def _euler(x: Tensor, state: IzhikevichState, p: Any, spike: Spike):
    late = p.scheme == "2003"
    v = state.v.clamp_min(-LARGEST_V).clamp_max(LARGEST_V)
    u = state.u.clamp_min(-LARGEST_U).clamp_max(LARGEST_U)
    if late:
        spikes, v, u = _fire(v, u, p, spike)
    parts = 2 if late else 1
    for _ in range(parts):
        v = v + p.dt / parts * (p.square * (v * v) + p.slope * v + p.offset - u + x)
        v = v.clamp_min(-LARGEST_V).clamp_max(LARGEST_V)
    if p.recovery == "integrating":
        u = u + p.dt * p.a * (p.b * (v + 65.0))
    else:
        u = u + p.dt * p.a * (p.b * v - u)
    u = u.clamp_min(-LARGEST_U).clamp_max(LARGEST_U)
    if not late:
        spikes, v, u = _fire(v, u, p, spike)
    return spikes, IzhikevichState(v, u), IzhikevichTrace(v, u, None)


def _fire(v: Tensor, u: Tensor, p: Any, spike: Spike) -> tuple[Tensor, Tensor, Tensor]:
    """Return the spikes of neurons whose v has reached v_peak, and v and u after the reset."""
    y = p.square * (v - p.v_mid)
    spikes = spike(y / (1.0 + torch.sqrt(1.0 + y * y)) - p.peak_phase, 0.0)
    r = spike.reset(spikes)
    return spikes, r * p.c + (1.0 - r) * v, u + p.d * r


def _accurate(x: Tensor, state: IzhikevichState, p: Any, spike: Spike):
    dt = p.dt
    x = x.clamp_min(-LARGEST_INPUT).clamp_max(LARGEST_INPUT)
    v = state.v.clamp_min(-LARGEST_V).clamp_max(LARGEST_V)
    u = state.u.clamp_min(-LARGEST_U).clamp_max(LARGEST_U)

    # Solve for v with u at the middle of the step, in the normal form dy/dt = y^2 + current.
    middle = u + 0.5 * dt * _recovery(v, u, p)
    current = (p.square * (x - middle) + p.bias).clamp_max(p.turn)
    y, peak = p.square * (v - p.v_mid), p.peak
    top, bottom, norm, log_factor = riccati_step(Direction(y, torch.ones_like(y)), current, dt)
    over = phase(top, bottom, norm) - p.peak_phase
    spikes = spike(over, 0.0)
    crosses = over.detach() >= 0.0
    v_on = top / torch.where(crosses, 1.0, torch.maximum(bottom, 1e-12 * norm)) / p.square + p.v_mid

    # Up to the spike or the end of the step, u follows from the integral of v over that time.
    from_y, drive = torch.where(crosses, y, 0.0), torch.where(crosses, current, 1.0)
    one = torch.ones_like(y)
    time = riccati_time(Direction(from_y, one), peak, drive, dt).clamp_min(0.0).clamp_max(dt)
    time = torch.where(crosses, time, dt)
    low = from_y.clamp_max(p.highest)
    speeds = (low * low + drive).clamp_min(1e-30)
    at_peak = p.highest * p.highest + drive
    stretch = torch.where(crosses, speeds / at_peak.clamp_min(1e-30), bottom * bottom)
    grown = 0.5 * torch.log(stretch.clamp_min(1e-30)) + torch.where(crosses, 0.0, log_factor)
    integral = p.v_mid * time - grown / p.square
    if p.recovery == "integrating":
        u_on = u + p.a * p.b * (integral + 65.0 * time)
    else:
        half = 0.5 * p.a * time
        u_on = (u * (1.0 - half) + p.a * p.b * integral) / (1.0 + half)

    # After a spike, the rest of the step starts from c and u + d; it is computed to second order.
    since, u_reset = dt - time, u_on + p.d
    slope, bend = p.after_reset
    v_slope = slope - u_reset + x
    u_slope = _recovery(p.c, u_reset, p)
    u_bend = p.a * p.b * v_slope - (0.0 if p.recovery == "integrating" else p.a * u_slope)
    v_off = p.c + since * (v_slope + 0.5 * since * (bend * v_slope - u_slope))
    u_off = u_reset + since * (u_slope + 0.5 * since * u_bend)
    v = torch.where(crosses, v_off, v_on).clamp_min(-LARGEST_V).clamp_max(p.v_peak)
    u = torch.where(crosses, u_off, u_on)
    return spikes, IzhikevichState(v, u), IzhikevichTrace(v, u, since)


#: The Izhikevich neuron: ``Izhikevich(a=0.1)`` for a `SpikingLayer`.
Izhikevich = define(
    izhikevich_step,
    IzhikevichParams,
    IzhikevichState,
    lambda params: IzhikevichState(*params.start),
)


class PatternRun(NamedTuple):
    """The ingredients of a run that shows a firing pattern; returned by `izhikevich_pattern`."""

    neuron: Neuron  #: for a `SpikingLayer`
    current: Tensor  #: the input ``[T, 1]``, mV/ms; step k has the stimulus at time ``k dt``
    state: IzhikevichState  #: the initial state, tensors ``[1]``


def izhikevich_pattern(name: str, *, scheme: str = "2004", dt: float | None = None) -> PatternRun:
    """One of the twenty firing patterns of Izhikevich 2004: neuron, stimulus and initial state.

    Args:
        name: a key of `IZHIKEVICH_PATTERNS`, such as "rebound_burst".
        scheme: "2004" as published, or another scheme of `IzhikevichParams`.
        dt: time step, ms; None for the published one.

    Returns:
        the neuron, its input ``[T, 1]`` and its initial state, in float64.

    Raises:
        ValueError: for an unknown name, or a dt that the scheme refuses.

    Source: Izhikevich 2004, IEEE Trans. Neural Netw. 15:1063, figure 1, whose script is figure1.m.

    Example:
        >>> from jarvis.neurons import SpikingLayer
        >>> neuron, current, state = izhikevich_pattern("rebound_spike")
        >>> spikes, _ = SpikingLayer(neuron)(current, state)
        >>> float(0.2 * spikes[:, 0].nonzero())  # after an inhibitory pulse from 20 to 25 ms
        68.0
    """
    check_choice("name", name, IZHIKEVICH_PATTERNS)
    pattern = IZHIKEVICH_PATTERNS[name]
    dt = pattern.dt if dt is None else dt
    given = dict(zip("abcd", pattern[1:5], strict=True), v_0=pattern.v_0, dt=dt, scheme=scheme)
    neuron = Izhikevich(**given | pattern.changes)
    steps = torch.arange(round(pattern.duration / dt) + 1, dtype=torch.float64)
    time = (steps * dt).round(decimals=9)
    current = torch.zeros_like(time)
    for start, end, level, slope in pattern.stimulus:
        inside = (time > start) & (time < end)
        current = current + torch.where(inside, level + slope * (time - start), 0.0)
    current = current[:, None]
    return PatternRun(neuron, current, neuron.initial_state(current[0]))
