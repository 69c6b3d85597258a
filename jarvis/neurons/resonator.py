"""Neurons that prefer a frequency: resonate-and-fire, and its balanced variant for training.

An integrator adds up its inputs: the closer together they arrive, the larger the sum. A resonator
responds to their timing: two pulses one period apart add up, two pulses half a period apart cancel,
and inhibition may make the neuron fire.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor

from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.numbers import bounded, cos, exp, largest, sin, sqrt
from jarvis.support.checks import check_choice, check_integer
from jarvis.surrogate import DEFAULT_SPIKE, Spike

RESETS = ("i", "zero", "none")

# omega is kept below this fraction of 1/dt, where p(omega) still has a finite derivative.
_BELOW_ONE = 1.0 - 1e-6


class Turn(NamedTuple):
    """The factor that multiplies z in a step without input: ``exp((b + i omega) dt)``."""

    re: float | Tensor
    im: float | Tensor


@dataclass(frozen=True)
class RFParams(Parameters):
    """Parameters of the resonate-and-fire neuron, in ms and in threshold units.

    With a complex state z, b = -damping and an input I on the real part::

        dz/dt = (b + i omega) z + I        spike where Im z reaches the threshold

    The literature states b and omega in an arbitrary unit of time. Divide them by the length of
    this unit in ms: with a unit of 100 ms, b = -1 and omega = 10 become the defaults.

    Between two inputs the step is exact for every dt. However, Im z is compared with the threshold
    only once per step, so the peak of an oscillation may fall between two steps. The peak is then
    underestimated by up to the fraction ``1 - cos(omega dt/2)``: 5 % for 10 steps per period.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per neuron.

    Args:
        damping: -b, the rate at which oscillations decay, 1/ms; the decay time constant is
            1/damping.
        omega: angular frequency, rad/ms; ``2 pi f / 1000`` for a frequency f in Hz.
        threshold: the value of Im z that makes the neuron fire.
        reset: the value of z after a spike: "i" (i times the threshold, the peak of an
            oscillation), "zero" (the resting state), or "none" (unchanged: the neuron fires in
            every step with Im z at or above the threshold).
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range, or a dt of half a period or more, at which the
            sampled oscillation has a different frequency (aliasing).

    Warns:
        UserWarning: for fewer than 10 steps per period.

    Source: Izhikevich 2001, Neural Networks 14:883.

    Example:
        >>> params = RFParams()
        >>> round(params.frequency, 2), round(params.pulse_delay, 2), round(params.pulse_peak, 4)
        (15.92, 14.71, 0.8589)
        >>> RFParams.named("gamma", dt=12.5)
        Traceback (most recent call last):
        ...
        ValueError: dt=12.5 ms is too large: it must be below half the period of 25 ms
    """

    damping: float | Tensor = parameter(0.01, "1/ms", at_least=0)
    omega: float | Tensor = parameter(0.1, "rad/ms", above=0)
    threshold: float | Tensor = parameter(1.0, above=0)
    reset: str = "i"
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    #: Frequencies from four bands of the EEG (6, 10, 20 and 40 Hz); damping is omega / 10.
    named_sets = {
        name: {"damping": 0.002 * math.pi * hertz / 10.0, "omega": 0.002 * math.pi * hertz}
        for name, hertz in (("theta", 6.0), ("alpha", 10.0), ("beta", 20.0), ("gamma", 40.0))
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("reset", self.reset, RESETS)
        period = 2.0 * math.pi / largest(self.omega)
        if self.dt >= period / 2.0:
            raise ValueError(
                f"dt={self.dt:g} ms is too large: it must be below half the period of "
                f"{period:.3g} ms"
            )
        if self.dt > period / 10.0 * (1.0 + 1e-9):
            missed = 1.0 - math.cos(math.pi * self.dt / period)
            warnings.warn(
                f"dt={self.dt:g} ms is large for a period of {period:.3g} ms: up to {missed:.0%} "
                f"of an oscillation's top may be missed; take dt of {period / 10.0:.2g} ms or less",
                UserWarning,
                stacklevel=3,
            )

    @derived
    def turn(self) -> Turn:
        """The factor on z in a step without input: real and imaginary parts."""
        angle, decay = self.omega * self.dt, exp(-self.damping * self.dt)
        return Turn(decay * cos(angle), decay * sin(angle))

    @property
    def frequency(self) -> float:
        """Frequency of the free oscillation, Hz. All parameters must be single numbers."""
        return 1000.0 * self.plain().omega / (2.0 * math.pi)

    @property
    def period(self) -> float:
        """Period of the free oscillation, ms. All parameters must be single numbers."""
        return 2.0 * math.pi / self.plain().omega

    @property
    def resonance(self) -> float:
        """The frequency of a sinusoidal input at which the amplitude of Im z is largest, rad/ms.

        It is ``sqrt(omega^2 - b^2)``, or 0 if the damping exceeds omega. The half-power bandwidth
        of ``|z|`` around omega is twice the damping. All parameters must be single numbers.
        """
        p = self.plain()
        return math.sqrt(max(p.omega**2 - p.damping**2, 0.0))

    @property
    def pulse_delay(self) -> float:
        """Time from a short pulse to the maximum of Im z, ms: ``atan(omega/damping)/omega``."""
        p = self.plain()
        return math.atan2(p.omega, p.damping) / p.omega

    @property
    def pulse_peak(self) -> float:
        """The maximum of Im z after a pulse of 1.

        It is ``omega/sqrt(omega^2 + b^2) exp(-damping pulse_delay)``; if the threshold is 1, its
        inverse is the smallest pulse that evokes a spike. All parameters must be single numbers.
        """
        p = self.plain()
        return p.omega / math.hypot(p.omega, p.damping) * math.exp(-p.damping * self.pulse_delay)

    @property
    def rebound(self) -> float:
        """Height of a half-wave relative to the previous one: ``exp(-pi damping/omega)``.

        After an inhibitory pulse, the maximum of Im z comes half a period later than after an
        excitatory pulse and is lower by this factor. All parameters must be single numbers.
        """
        p = self.plain()
        return math.exp(-math.pi * p.damping / p.omega)


class RFState(NamedTuple):
    """State of resonate-and-fire neurons after the reset: tensors ``[B, ...]``."""

    re: Tensor  #: real part of z, on which inputs act (like a current; threshold units)
    im: Tensor  #: imaginary part of z, which is compared with the threshold (like a potential)

    def detach(self) -> "RFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class RFTrace(NamedTuple):
    """The real and imaginary parts ``[T, B, ...]`` of z before the reset."""

    re: Tensor  #: real part
    im: Tensor  #: imaginary part; the neuron fires where it is at or above the threshold


def rf_step(
    x: Tensor, state: RFState, params: RFParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, RFState, RFTrace]:
    """One step of the resonate-and-fire neuron.

    It computes, in this order::

        z = exp((b + i omega) dt) z + x               b = -damping; x is real
        s = 1 where Im z >= threshold, else 0
        z = i threshold where s = 1                   (reset "i"; "zero": 0; "none": z)

    An input acts on Re z at the end of its step, and on Im z from the next step on, through the
    rotation. Between spikes, z is linear in the inputs, so inputs and threshold may be scaled
    together.

    Args:
        x: input of this step ``[B, ...]``: the jump of Re z that it causes, in threshold units. A
            constant current I per ms corresponds to ``x = I dt``, to first order in dt.
        state: the state before the step; `RF(...).initial_state(x)` is the state at rest.
        params: the neuron's parameters.
        spike: the surrogate (a function of ``Im z - threshold``) and whether the reset is detached.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where z is NaN); the new state, with parts bounded
        by 1e15; and z before the reset.

    Source: Izhikevich 2001, Neural Networks 14:883, with the exact solution over a step.

    Example:
        A pulse makes the neuron fire a quarter of a period later:

        >>> neuron = RF(damping=0.01, omega=0.1)
        >>> x = torch.zeros(100, 1)
        >>> x[0] = 1.2
        >>> state = neuron.initial_state(x[0])
        >>> for t in range(100):
        ...     spikes, state, _ = rf_step(x[t], state, neuron.values)
        ...     if spikes:
        ...         print(t, round(neuron.values.period / 4, 1))
        13 15.7
    """
    turn = params.turn
    re = bounded(turn.re * state.re - turn.im * state.im + x)
    im = bounded(turn.im * state.re + turn.re * state.im)
    spikes = spike(im, params.threshold)
    trace = RFTrace(re, im)
    if params.reset == "none":
        return spikes, RFState(re, im), trace
    kept = 1.0 - spike.reset(spikes)
    re_after, im_after = re * kept, im * kept
    if params.reset == "i":
        im_after = im_after + params.threshold * (1.0 - kept)
    return spikes, RFState(re_after, im_after), trace


#: The resonate-and-fire neuron: ``RF(omega=0.2)`` for a `SpikingLayer`.
RF = define(
    rf_step,
    RFParams,
    RFState,
    lambda params: RFState(0.0, 0.0),  # type: ignore[arg-type]
)


class BRFRange(NamedTuple):
    """Ranges from which a published network draws the parameters of its neurons."""

    omega: tuple[float, float]  #: rad per unit of time
    damping: tuple[float, float]  #: per unit of time


#: The ranges from which Higuchi et al. draw their parameters, keyed by the task names of their
#: public code.
BRF_RANGES: dict[str, BRFRange] = {
    "shd": BRFRange((5.0, 10.0), (2.0, 3.0)),
    "ecg": BRFRange((3.0, 5.0), (0.1, 1.0)),
    "smnist": BRFRange((15.0, 50.0), (0.1, 1.0)),
    "psmnist": BRFRange((15.0, 85.0), (0.1, 1.0)),
}


@dataclass(frozen=True)
class BRFParams(Parameters):
    """Parameters of the balanced resonate-and-fire neuron, in its authors' unit of time.

    Without damping, Euler's method makes an oscillation grow in each step by the factor
    ``sqrt(1 + (omega dt)^2)``. The value of b at which the oscillation neither grows nor decays,
    called the divergence boundary, is ``b = p(omega)``::

        p(omega) = (-1 + sqrt(1 - (omega dt)^2))/dt        |1 + dt (p + i omega)| = 1

    The balanced neuron is damped more strongly than this, by `damping` and by its own recent
    spikes. Its oscillations therefore decay for any learned values.

    Euler's method is part of the model, and dt is one of the model's parameters. The unit of time
    is ``1/dt`` steps. With the default dt = 0.01 and steps of 1 ms the unit is 100 ms, and omega =
    10 is 10/(2 pi 0.1 s) = 15.9 Hz.

    All numbers but dt and q_decay may be tensors that broadcast against ``[B, ...]``: one value per
    neuron.

    Args:
        omega: angular frequency, rad per unit of time.
        damping: b', the damping in addition to the divergence boundary, per unit of time.
        threshold: the value of u that makes a neuron without recent spikes fire.
        q_decay: fraction of the refractory variable q that remains after one step.
        dt: time step, in the unit of time.

    Raises:
        ValueError: for a value outside its range, or for ``omega dt >= 1``, where p(omega) does not
            exist: with Euler's method, no damping keeps the amplitude constant.

    Warns:
        UserWarning: if the damping is so large relative to 1/dt that it may have to be bounded
            (`brf_step`).

    Source: Higuchi et al. 2024, ICML, arXiv:2402.14603, with the values of their public code.

    Example:
        >>> params = BRFParams(omega=10.0)
        >>> round(params.boundary, 6)
        -0.501256
        >>> BRFParams(omega=120.0)
        Traceback (most recent call last):
        ...
        ValueError: omega dt = 1.2 must be below 1: take a dt below 0.00833
    """

    omega: float | Tensor = parameter(10.0, "rad per unit of time", above=0)
    damping: float | Tensor = parameter(1.0, "per unit of time", above=0)
    threshold: float | Tensor = parameter(1.0, above=0)
    q_decay: float = parameter(0.9, at_least=0, below=1, fixed=True)
    dt: float = parameter(0.01, "units of time", above=0, fixed=True)

    #: The centres of the `BRF_RANGES`; `drawn` gives each neuron values of its own.
    named_sets = {
        name: {"omega": sum(ranges.omega) / 2.0, "damping": sum(ranges.damping) / 2.0}
        for name, ranges in BRF_RANGES.items()
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        fastest = largest(self.omega)
        if fastest * self.dt >= 1.0:
            raise ValueError(
                f"omega dt = {fastest * self.dt:.3g} must be below 1: take a dt below "
                f"{1.0 / fastest:.3g}"
            )
        # Beyond the bound, 1 + dt b is negative, and z would change its sign in each step.
        most = largest(self.damping) + 1.0 / (1.0 - self.q_decay)
        lowest = largest(-1.0 * self.boundary)
        if self.dt * (most + lowest) > 1.0:
            warnings.warn(
                f"dt={self.dt:g} is large: damping and spikes may exceed 1/dt, where the damping "
                f"is bounded; take a dt below {1.0 / (most + fastest):.2g}",
                UserWarning,
                stacklevel=3,
            )

    @classmethod
    def drawn(
        cls, name: str, n: int, generator: torch.Generator | None = None, **changes: Any
    ) -> Self:
        """Parameters of n neurons, drawn uniformly from one of the `BRF_RANGES`.

        Args:
            name: "shd", "ecg", "smnist" or "psmnist".
            n: number of neurons; omega and damping are tensors ``[n]``.
            generator: source of random numbers; None for torch's own generator.
            **changes: parameters by name, which replace the drawn values.

        Raises:
            ValueError: for an unknown name, or ``n < 1``.

        Example:
            >>> params = BRFParams.drawn("shd", 128)
            >>> params.omega.shape, bool((params.omega >= 5.0).all())
            (torch.Size([128]), True)
        """
        check_choice("name", name, BRF_RANGES)
        check_integer("n", n, at_least=1)
        ranges = BRF_RANGES[name]
        values = {
            each: torch.empty(n).uniform_(*getattr(ranges, each), generator=generator)
            for each in BRFRange._fields
        }
        return cls(**{**values, **changes})

    @derived
    def speed(self) -> float | Tensor:
        """omega, which is kept below 1/dt during learning."""
        most = _BELOW_ONE / self.dt
        if isinstance(self.omega, Tensor):
            return self.omega.clamp_max(most)
        return min(self.omega, most)

    @derived
    def boundary(self) -> float | Tensor:
        """p(omega), at which Euler's method preserves the amplitude, per unit of time."""
        angle = self.speed * self.dt
        # This equals (-1 + sqrt(1 - a^2))/dt but avoids the difference of two nearly equal numbers.
        return -angle * angle / (1.0 + sqrt(1.0 - angle * angle)) / self.dt


class BRFState(NamedTuple):
    """State of balanced resonate-and-fire neurons: tensors ``[B, ...]``."""

    u: Tensor  #: real part of z, which is compared with the threshold
    v: Tensor  #: imaginary part of z
    q: Tensor  #: refractory variable: decaying count of the neuron's own spikes

    def detach(self) -> "BRFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


def brf_step(
    x: Tensor, state: BRFState, params: BRFParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, BRFState]:
    """One step of the balanced resonate-and-fire neuron.

    It computes, in this order, with the old values of u and v on the right of both lines::

        b = p(omega) - damping - q                    at least -1/dt
        u, v = (u + dt (b u - omega v + x),
                v + dt (omega u + b v))
        s = 1 where u >= threshold + q, else 0
        q = q_decay q + s

    There is no reset: each spike raises the threshold and the damping for a while. A step
    multiplies z by ``1 + dt (b + i omega)``, whose absolute value is always below 1, since b is at
    least -1/dt. With the published values, the bound on b is never reached.

    Args:
        x: input of this step ``[B, ...]``: a current, which moves u by ``dt x``. With dt = 0.01,
            a single input must be 100 to reach the threshold of 1.
        state: the state before the step; `BRF(...).initial_state(x)` is the state at rest.
        params: the neuron's parameters.
        spike: the surrogate, a function of ``u - threshold - q``. There is no reset that could be
            detached, so gradients always pass through q. `multi_gaussian` is a surrogate of the
            kind that the authors of the model use.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where u is NaN), and the new state, with u and v
        bounded by 1e15.

    Source: Higuchi et al. 2024, ICML, arXiv:2402.14603.

    Example:
        A pulse makes the neuron ring. It fires at the peaks of the oscillation until the
        oscillation has decayed:

        >>> neuron = BRF(omega=20.0, damping=0.1)
        >>> x = torch.zeros(200, 1)
        >>> x[0] = 150.0
        >>> state, times = neuron.initial_state(x[0]), []
        >>> for t in range(200):
        ...     spikes, state = brf_step(x[t], state, neuron.values)
        ...     times += [t] if spikes else []
        >>> times, round(100 * 2 * math.pi / 20)
        ([0, 28, 60], 31)
    """
    p, dt = params, params.dt
    b = (p.boundary - p.damping - state.q).clamp_min(-1.0 / dt)
    u = bounded(state.u + dt * (b * state.u - p.speed * state.v + x))
    v = bounded(state.v + dt * (p.speed * state.u + b * state.v))
    spikes = spike(u, p.threshold + state.q)
    return spikes, BRFState(u, v, p.q_decay * state.q + spikes)


#: The balanced resonate-and-fire neuron: ``BRF(omega=8.0)`` for a `SpikingLayer`.
BRF = define(
    brf_step,
    BRFParams,
    BRFState,
    lambda params: BRFState(0.0, 0.0, 0.0),  # type: ignore[arg-type]
)


def multi_gaussian(x: Tensor, slope: float) -> Tensor:
    """The multi-Gaussian surrogate derivative: a bump with slightly negative flanks.

    With the normal density N(x; mean, standard deviation) and slope k::

        f(x) = k g(k x)
        g(y) = (1 + h) N(y; 0, s) - h N(y; s, c s) - h N(y; -s, c s)      h = 0.15, s = 0.5, c = 6

    g(0) is 0.878, and the integral of g is 1 - h. The published training code multiplies g by 0.5.

    Args:
        x: potential minus threshold, of any shape.
        slope: k, in 1/(unit of the potential).

    Returns:
        the derivative, in the shape of x.

    Source: Yin, Corradi & Bohte 2021, Nat. Mach. Intell. 3:905; h, s and c as in their public code.

    Example:
        >>> from jarvis.surrogate import SurrogateSpike
        >>> spike = SurrogateSpike(multi_gaussian, slope=1.0)
        >>> v = torch.tensor([0.0, 1.0], requires_grad=True)
        >>> spike(v, 1.0).sum().backward()
        >>> [round(g, 3) for g in v.grad.tolist()]
        [0.087, 0.878]
    """
    h, s, c = 0.15, 0.5, 6.0
    y = slope * x
    wide = _gaussian(y - s, c * s) + _gaussian(y + s, c * s)
    return slope * ((1.0 + h) * _gaussian(y, s) - h * wide)


def double_gaussian(x: Tensor, slope: float) -> Tensor:
    """The surrogate derivative with which the balanced resonator was published.

    With the normal density N(x; mean, standard deviation) and slope k::

        f(x) = k g(k x)
        g(y) = 1/2 ((1 + h) N(y; 0, s) - 2 h N(y; 0, c s))      h = 0.15, s = 0.5, c = 6

    It is a bump with a wide and shallow negative surround: it is negative beyond ``|k x| = 1.27``.

    Args:
        x: potential minus threshold, of any shape.
        slope: k, in 1/(unit of the potential).

    Returns:
        the derivative, in the shape of x.

    Source: Higuchi et al. 2024, ICML, arXiv:2402.14603, as in their public code.

    Example:
        >>> [round(f, 3) for f in double_gaussian(torch.tensor([0.0, 0.5, 2.0]), 1.0).tolist()]
        [0.439, 0.259, -0.016]
    """
    h, s, c = 0.15, 0.5, 6.0
    y = slope * x
    return 0.5 * slope * ((1.0 + h) * _gaussian(y, s) - 2.0 * h * _gaussian(y, c * s))


def _gaussian(y: Tensor, width: float) -> Tensor:
    return torch.exp(-0.5 * (y / width).square()) / (width * math.sqrt(2.0 * math.pi))
