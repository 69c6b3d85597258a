"""The adaptive exponential integrate-and-fire neuron (AdEx): its parameters, in two scalings.

`AdExParams` is the neuron of physiology, in mV, pA, nS, pF and ms, with the published firing
patterns as named sets. `NormalisedAdExParams` is the one that networks train: rest 0, threshold 1.
`adex_step.py` advances both by a step. Both check themselves, also that dt is small enough.
"""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch


def _check(params: object, positive: tuple[str, ...], finite: tuple[str, ...]) -> None:
    """ValueError for a field that is not a finite number (and above 0, where it must be)."""
    for name in (*positive, *finite):
        value = getattr(params, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name}={value!r} must be a number, the same for all neurons")
        if not math.isfinite(value):
            raise ValueError(f"{name}={value!r} must be finite")
        if name in positive and not value > 0:
            raise ValueError(f"{name}={value!r} must be positive")


class HalfStep(NamedTuple):
    """What the linear part does in half a step, to ``x = V - e_l`` and w, from x, w and I."""

    xx: float
    xw: float
    xi: float
    wx: float
    ww: float
    wi: float


class FiringPattern(NamedTuple):
    """A published parameter set and the step of current that shows its pattern."""

    panel: str  #: of the paper's figure
    current: float  #: pA, from rest (V = e_l, w = 0) on
    c: float
    g_l: float
    e_l: float
    a: float
    b: float
    tau_w: float
    v_reset: float


#: Naud, Marcille, Clopath & Gerstner 2008, Biol. Cybern. 99:335, table 1 and figure 4; v_t = -50 mV
#: and delta_t = 2 mV in all. Panels f and g are as P. Mueller corrected them (Brian's example
#: `Naud_et_al_2008_adex_firing_patterns`): with the table's own rows, f has no spike in
#: the 500 ms of the figure, and g never stops.
FIRING_PATTERNS: dict[str, FiringPattern] = {
    #                                   panel  I     c    g_l  e_l    a    b   tau_w v_reset
    "tonic": FiringPattern("4a", 500.0, 200.0, 10.0, -70.0, 2.0, 0.0, 30.0, -58.0),
    "adapting": FiringPattern("4b", 500.0, 200.0, 12.0, -70.0, 2.0, 60.0, 300.0, -58.0),
    "initial_burst": FiringPattern("4c", 400.0, 130.0, 18.0, -58.0, 4.0, 120.0, 150.0, -50.0),
    "bursting": FiringPattern("4d", 210.0, 200.0, 10.0, -58.0, 2.0, 100.0, 120.0, -46.0),
    "delayed": FiringPattern("4e", 300.0, 200.0, 12.0, -70.0, -10.0, 0.0, 300.0, -58.0),
    "delayed_bursting": FiringPattern("4f", 110.0, 100.0, 10.0, -65.0, -10.0, 30.0, 90.0, -47.0),
    "transient": FiringPattern("4g", 180.0, 100.0, 10.0, -65.0, 10.0, 100.0, 90.0, -47.0),
    "irregular": FiringPattern("4h", 160.0, 100.0, 12.0, -60.0, -11.0, 30.0, 130.0, -48.0),
}


@dataclass(frozen=True)
class AdExParams:
    """Parameters of the AdEx neuron in biophysical units: mV, pA, nS, pF, ms.

    With V the potential, w the adaptation current and I the input current::

        c dV/dt     = -g_l (V - e_l) + g_l delta_t exp((V - v_t)/delta_t) + I - w
        tau_w dw/dt = a (V - e_l) - w

    The exponential reaches infinity within a finite time. Where V passes v_peak on the way there,
    the neuron spikes: V = v_reset, and w rises by b.

    A step is exact for the linear part and for the exponential, each by itself (`adex_step`). Two
    closed forms say what that costs. A constant current just too small to fire, with w held, has
    its rest at ``v_t - delta_t (1 + (dt/tau)^2/24)`` instead of ``v_t - delta_t``. And a spike
    comes up to `spike_error` early or late.

    Args:
        c: capacitance, pF.
        g_l: leak conductance, nS. The membrane time constant is tau = c/g_l.
        e_l: resting potential, mV.
        v_t: threshold, where the exponential is as steep as the leak, mV.
        delta_t: sharpness of the spike's onset, mV.
        a: coupling of V to the adaptation, nS; it may be negative.
        b: rise of the adaptation at each spike, pA.
        tau_w: time constant of the adaptation, ms.
        v_reset: potential after a spike, mV.
        v_peak: where the upswing is cut off, mV. A larger one hardly changes a spike's time.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range; and for a dt so large that spikes would be lost
            or invented: above tau, tau_w or `upswing`. The message says which.

    Warns:
        UserWarning: if a spike's time may be wrong by more than 1 % of the shortest of tau and
            `upswing`, and so intervals by about as much.

    Source: Brette & Gerstner 2005, J. Neurophysiol. 94:3637, eqs. 1-3, and its values as defaults.

    Example:
        >>> params = AdExParams.named("bursting")
        >>> params.tau, round(params.upswing, 2), round(params.rheobase, 1)
        (20.0, 2.71, 76.4)
        >>> AdExParams.named("bursting", dt=3.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: dt=3 ms is too large: from v_reset the exponential needs 2.71 ms to the next ...
    """

    c: float = 281.0
    g_l: float = 30.0
    e_l: float = -70.6
    v_t: float = -50.4
    delta_t: float = 2.0
    a: float = 4.0
    b: float = 80.5
    tau_w: float = 144.0
    v_reset: float = -70.6
    v_peak: float = 0.0
    dt: float = 0.1

    @classmethod
    def named(cls, name: str, **changes: float) -> "AdExParams":
        """The parameters of one of the `FIRING_PATTERNS`, with some of them changed."""
        if name not in FIRING_PATTERNS:
            raise ValueError(f"name={name!r} is not one of {', '.join(FIRING_PATTERNS)}")
        published = FIRING_PATTERNS[name]._asdict()
        del published["panel"], published["current"]
        return cls(**(published | dict(v_t=-50.0, delta_t=2.0) | changes))

    def __post_init__(self) -> None:
        finite = ("e_l", "v_t", "a", "b", "v_reset", "v_peak")
        _check(self, ("c", "g_l", "delta_t", "tau_w", "dt"), finite)
        if not self.v_peak > max(self.v_t, self.v_reset):
            raise ValueError(
                f"v_peak={self.v_peak:g} mV must be above v_t={self.v_t:g} mV and "
                f"v_reset={self.v_reset:g} mV"
            )
        dt = f"dt={self.dt:g} ms is too large: "
        if self.dt >= self.upswing:
            raise ValueError(
                f"{dt}from v_reset the exponential needs {self.upswing:.3g} ms to the next spike, "
                "which would fall into the step of the first and be lost"
            )
        if self.dt >= self.tau:
            raise ValueError(
                f"{dt}above the membrane time constant, {self.tau:.3g} ms, a step would fire from "
                "below v_t, where the potential might still turn back"
            )
        if self.dt >= self.tau_w:
            raise ValueError(f"{dt}the adaptation would decay in one step, tau_w={self.tau_w:g} ms")
        shortest = min(self.tau, self.upswing)
        if self.spike_error > 0.01 * shortest:
            best = self.dt * math.sqrt(0.01 * shortest / self.spike_error)
            warnings.warn(
                f"dt={self.dt:g} ms is large: spikes may come {self.spike_error:.2g} ms too early "
                f"or too late, more than 1 % of {shortest:.3g} ms; take dt below {best:.2g} ms",
                UserWarning,
                stacklevel=3,
            )

    @property
    def tau(self) -> float:
        """The membrane time constant, ms."""
        return self.c / self.g_l

    @property
    def upswing(self) -> float:
        """Time from v_reset to the spike by the exponential alone, ms.

        ``tau (exp(-(v_reset - v_t)/delta_t) - exp(-(v_peak - v_t)/delta_t))``: the shortest
        interval between two spikes when leak, adaptation and input cancel.
        """
        low, high = (-(v - self.v_t) / self.delta_t for v in (self.v_reset, self.v_peak))
        return self.tau * (math.exp(min(low, 500.0)) - math.exp(high))

    @property
    def rheobase(self) -> float:
        """The smallest current, raised slowly, at which no stable rest is left, pA.

        The rest meets the unstable one (saddle-node), or begins to swing before (Hopf, where
        ``a/g_l > tau/tau_w``). With a = 0 it is ``g_l (v_t - delta_t - e_l)``; with ``a <= -g_l``
        there is no stable rest at any current.

        Source: Touboul & Brette 2008, Biol. Cybern. 99:319; Naud et al. 2008, section 2.
        """
        if self.a <= -self.g_l:
            return -math.inf
        steep = 1.0 + min(self.a / self.g_l, self.tau / self.tau_w)  # exp((V - v_t)/delta_t) there
        x = self.v_t + self.delta_t * math.log(steep) - self.e_l
        return (self.g_l + self.a) * x - self.g_l * self.delta_t * steep

    @cached_property
    def v_cross(self) -> float:
        """The potential from which the exponential reaches v_peak within one step, mV."""
        # A step is taken 1e-5 too long here, so that rounding (in float32: 2e-6) cannot turn the
        # logarithm's argument to 0 for a neuron that does not spike.
        peak = math.exp(-(self.v_peak - self.v_t) / self.delta_t)
        return self.v_t - self.delta_t * math.log(self.dt / self.tau * (1.0 + 1e-5) + peak)

    @property
    def spike_error(self) -> float:
        """By how much a step of dt may misplace a spike, ms.

        The leak of half a step is counted before the exponential, and of the rest after it; where
        the spike comes in between, its time is off by up to some
        ``dt^2/8 (v_cross - e_l)/(tau delta_t)``.
        """
        return self.dt**2 / 8.0 * abs(self.v_cross - self.e_l) / (self.tau * self.delta_t)

    @cached_property
    def half_step(self) -> HalfStep:
        """The linear part, solved exactly over dt/2: a matrix exponential."""
        rates = [
            [-1.0 / self.tau, -1.0 / self.c, 1.0 / self.c],
            [self.a / self.tau_w, -1.0 / self.tau_w, 0.0],
            [0.0, 0.0, 0.0],  # the current stays
        ]
        flow = torch.linalg.matrix_exp(torch.tensor(rates, dtype=torch.float64) * self.dt / 2.0)
        return HalfStep(*flow[:2].flatten().tolist())


@dataclass(frozen=True)
class NormalisedAdExParams:
    """Parameters of the dimensionless AdEx, rest 0 and threshold 1, as networks train it.

    With v the potential, i the synaptic current and w the adaptation::

        dv/dt = -v/tau + i - w + delta_t exp((v - v_t)/delta_t)
        di/dt = -i/tau_syn,            i jumps by a weight where a spike arrives
        dw/dt = -w/tau_w + a v,        w jumps by b where the neuron fires

    The neuron fires where v reaches the threshold; then v = 0. `normalised_adex_step` takes Euler's
    step for all but the decays. Its rest without spikes is that of a neuron whose tau is
    ``dt/(1 - exp(-dt/tau))``, which is tau + dt/2 for a small dt, and likewise for tau_syn.

    Args:
        tau: membrane time constant, ms.
        tau_syn: time constant of the synaptic current, ms.
        dt: time step, ms.
        threshold: potential at which the neuron fires (rest is 0).
        a: how strongly the potential drives the adaptation, 1/ms^2.
        b: by how much a spike raises the adaptation, 1/ms.
        tau_w: time constant of the adaptation, ms.
        delta_t: sharpness of the exponential, in units of the potential.
        v_t: potential at which the exponential adds delta_t per ms.
        w0: adaptation at the start, 1/ms.

    Raises:
        ValueError: for a value outside its range, and for a dt at which the step is unstable: the
            potential and the adaptation would drive each other to ever larger swings.

    Warns:
        UserWarning: for a dt longer than the upswing of a spike, or than tau_syn. The message says
            what the step then does wrong.

    Source: Landsmeer et al. 2025, arXiv:2512.10011, whose neuron and defaults these are.

    Example:
        >>> round(NormalisedAdExParams(dt=0.5).upswing, 4)
        0.9933
        >>> NormalisedAdExParams(dt=15.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: dt=15 ms is too large: potential and adaptation would drive each other ...
    """

    tau: float = 10.0
    tau_syn: float = 2.0
    dt: float = 0.5
    threshold: float = 1.0
    a: float = 0.01
    b: float = 0.02
    tau_w: float = 200.0
    delta_t: float = 0.1
    v_t: float = 0.5
    w0: float = 0.1

    def __post_init__(self) -> None:
        positive = ("tau", "tau_syn", "dt", "threshold", "tau_w", "delta_t")
        _check(self, positive, ("a", "b", "v_t", "w0"))
        if self.steepest > 80.0:
            raise ValueError(
                f"delta_t={self.delta_t:g} is too sharp: the exponential would be "
                f"exp({self.steepest:.0f}) at the threshold, more than float32 holds; take at "
                f"least {(self.threshold - self.v_t) / 80.0:.2g}"
            )
        growth = self._growth(self.dt)
        if growth > 1.0:
            low, high = 0.0, self.dt
            for _ in range(60):
                middle = (low + high) / 2.0
                low, high = (middle, high) if self._growth(middle) <= 1.0 else (low, middle)
            raise ValueError(
                f"dt={self.dt:g} ms is too large: potential and adaptation would drive each other "
                f"to ever larger swings, {growth:.3g} times as large at each step; take dt below "
                f"{low:.2g} ms"
            )
        large = []
        if self.dt > self.upswing:
            v, steps = self.v_t, 0
            while v < self.threshold:
                v += self.dt * self.delta_t * math.exp((v - self.v_t) / self.delta_t)
                steps += 1
            large.append(
                f"the upswing of a spike, {self.upswing:.2g} ms, becomes {steps} steps, "
                f"{steps * self.dt:.3g} ms"
            )
        if self.dt > self.tau_syn:
            gain = self.dt / self.tau_syn / -math.expm1(-self.dt / self.tau_syn)
            large.append(f"an arriving spike counts {gain:.2g} times (tau_syn={self.tau_syn:g} ms)")
        if large:
            what = "; ".join(large)
            warnings.warn(f"dt={self.dt:g} ms is large: {what}", UserWarning, stacklevel=3)

    def _growth(self, dt: float) -> float:
        """By how much a step multiplies a swing of v and w around rest, where it is above 1.

        A step of the linear part is ``[[exp(-dt/tau), -dt], [a dt, exp(-dt/tau_w)]]``. With a >= 0
        its eigenvalues leave the unit circle as a pair, whose size is the root of its determinant.
        (With a < 0 nothing swings; what drifts then does so in the equation as well.)
        """
        return math.sqrt(math.exp(-dt / self.tau - dt / self.tau_w) + max(self.a, 0.0) * dt * dt)

    @property
    def steepest(self) -> float:
        """The exponential's argument at the threshold, the largest that it can have."""
        return (self.threshold - self.v_t) / self.delta_t

    @property
    def upswing(self) -> float:
        """Time from v_t to the threshold by the exponential alone, ms: ``1 - exp(-steepest)``."""
        return -math.expm1(-self.steepest) if self.steepest > 0.0 else math.inf
