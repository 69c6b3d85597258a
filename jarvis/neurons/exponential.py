"""The exponential integrate-and-fire neuron (EIF): a leak and a self-amplifying spike onset.

This file contains the neuron's parameters, its state and its step. The validation of the parameters
includes a check that dt is small enough.
"""

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.numbers import largest, log, smallest
from jarvis.surrogate import DEFAULT_SPIKE, Spike

#: The current is clamped to +-1e15 pA, so that no potential becomes infinite.
LARGEST_CURRENT = 1e15


class EIFState(NamedTuple):
    """State of an EIF neuron."""

    v: Tensor  #: potential ``[B, ...]``, mV

    def detach(self) -> "EIFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class EIFTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]`` at the end of each step."""

    v: Tensor  #: potential, mV
    since: Tensor  #: time from the spike to the end of its step, ms; 0 without a spike


@dataclass(frozen=True)
class EIFParams(Parameters):
    """Parameters of the exponential integrate-and-fire neuron: mV, pA, nS, pF, ms.

    With V the potential and I the input current::

        c dV/dt = -g_l (V - e_l) + g_l delta_t exp((V - v_t)/delta_t) + I

    Above v_t the exponential outgrows the leak, and V diverges in finite time. When V passes
    v_peak, the neuron spikes and V is reset to v_reset. In the limit delta_t -> 0, the model
    becomes the leaky integrate-and-fire neuron with threshold v_t. With an adaptation current, it
    becomes the neuron of `jarvis.adex`.

    A step is exact for leak and input, and exact for the exponential (`eif_step`). Two effects of
    this splitting have closed forms. First, the smallest constant current that keeps the neuron
    firing is ``g_l (v_t - delta_t (1 + (dt/tau)^2/24) - e_l)`` instead of `rheobase`. Second, a
    spike may be up to `spike_error` early or late.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per neuron.
    The defaults are the values of the AdEx pattern "tonic" without adaptation.

    Args:
        c: capacitance, pF.
        g_l: leak conductance, nS. The membrane time constant is tau = c/g_l.
        e_l: resting potential of the leak alone, mV; the exponential raises it slightly.
        v_t: threshold, at which the exponential is as steep as the leak, mV.
        delta_t: sharpness of the spike onset, mV.
        v_reset: potential after a spike, mV.
        v_peak: potential at which the upstroke is cut off, mV. A larger value hardly changes spike
            times.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range; for a v_peak that is not above both v_t and
            v_reset; and for a dt that is not below both tau and `upstroke`, because spikes would be
            lost or spurious.

    Warns:
        UserWarning: if the error of a spike time may exceed 1 % of the shorter of tau and
            `upstroke`; the message gives the dt for an error of 1 %.

    Source: Fourcaud-Trocme, Hansel, van Vreeswijk & Brunel 2003, J. Neurosci. 23:11628.

    Example:
        >>> params = EIFParams()
        >>> params.tau, params.rheobase, round(params.upstroke, 1)
        (20.0, 180.0, 1092.0)
        >>> EIFParams(dt=25.0)
        Traceback (most recent call last):
        ...
        ValueError: dt=25 ms is too large: it must be below the membrane time constant, 20 ms
    """

    c: float | Tensor = parameter(200.0, "pF", above=0)
    g_l: float | Tensor = parameter(10.0, "nS", above=0)
    e_l: float | Tensor = parameter(-70.0, "mV")
    v_t: float | Tensor = parameter(-50.0, "mV")
    delta_t: float | Tensor = parameter(2.0, "mV", above=0)
    v_reset: float | Tensor = parameter(-58.0, "mV")
    v_peak: float | Tensor = parameter(0.0, "mV")
    dt: float = parameter(0.1, "ms", above=0, fixed=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        v_t, v_reset, peak = map(_values, (self.v_t, self.v_reset, self.v_peak))
        if not bool((peak > torch.maximum(v_t, v_reset)).all()):
            raise ValueError(
                f"v_peak={peak.min():g} mV must be above v_t={v_t.max():g} mV and "
                f"v_reset={v_reset.max():g} mV"
            )
        tau, upstroke = smallest(self.tau), smallest(self.upstroke)
        if self.dt >= upstroke:
            raise ValueError(
                f"dt={self.dt:g} ms is too large: it must be below the shortest time from v_reset "
                f"to the next spike, {upstroke:.3g} ms"
            )
        if self.dt >= tau:
            raise ValueError(
                f"dt={self.dt:g} ms is too large: it must be below the membrane time constant, "
                f"{tau:.3g} ms"
            )
        tolerated, error = 0.01 * min(tau, upstroke), largest(self.spike_error)
        if error > tolerated:
            enough = self.dt * math.sqrt(tolerated / error)
            warnings.warn(
                f"dt={self.dt:g} ms is large: spikes may be {error:.2g} ms early or late; for an "
                f"error of 1 % of {100.0 * tolerated:.3g} ms, take dt below {enough:.2g} ms",
                UserWarning,
                stacklevel=3,
            )

    @property
    def tau(self) -> float | Tensor:
        """The membrane time constant, ms."""
        return self.c / self.g_l

    @property
    def rheobase(self) -> float | Tensor:
        """The smallest constant current that keeps the neuron firing, pA.

        It is ``g_l (v_t - delta_t - e_l)``: at this current the stable and the unstable fixed point
        merge at v_t (a saddle-node bifurcation).

        Source: Fourcaud-Trocme et al. 2003, J. Neurosci. 23:11628.
        """
        return self.g_l * (self.v_t - self.delta_t - self.e_l)

    @property
    def upstroke(self) -> float | Tensor:
        """Time from v_reset to the spike if only the exponential acts, ms.

        ``tau (exp(-(v_reset - v_t)/delta_t) - exp(-(v_peak - v_t)/delta_t))``.
        """
        start = _exp(-(self.v_reset - self.v_t) / self.delta_t)
        return self.tau * (start - _exp(-(self.v_peak - self.v_t) / self.delta_t))

    @property
    def spike_error(self) -> float | Tensor:
        """Largest error of a spike time with time step dt, ms.

        The leak acts for half a step before the exponential and for half a step after it. A spike
        occurs in between, so its time is off by up to about ``dt^2/8 (v_cross - e_l)/(tau
        delta_t)``.
        """
        return self.dt**2 / 8.0 * abs(self.v_cross - self.e_l) / (self.tau * self.delta_t)

    @derived
    def half_decay(self) -> float | Tensor:
        """The factor by which V - e_l decays in half a step."""
        return _exp(-0.5 * self.dt / self.tau)

    @derived
    def half_input(self) -> float | Tensor:
        """The change of V from e_l in half a step, per unit of input current, mV/pA."""
        z = 0.5 * self.dt / self.tau
        return (-torch.expm1(-z) if isinstance(z, Tensor) else -math.expm1(-z)) / self.g_l

    @derived
    def full_step(self) -> float | Tensor:
        """``dt/tau``."""
        return self.dt / self.tau

    @derived
    def at_peak(self) -> float | Tensor:
        """``exp(-(v_peak - v_t)/delta_t)``: the time from v_peak to infinity, divided by tau."""
        return _exp(-(self.v_peak - self.v_t) / self.delta_t)

    @derived
    def v_cross(self) -> float | Tensor:
        """The potential from which the exponential reaches v_peak within one step, mV."""
        # The time used here is longer than a step by a fraction of 1e-5, which exceeds any rounding
        # error. Below v_cross, the logarithm in the step therefore has a positive argument, even if
        # exp underflows to 0 at v_peak.
        reach = self.full_step * (1.0 + 1e-5) + self.at_peak
        return self.v_t - self.delta_t * log(reach)

    @derived
    def reset_drift(self) -> float | Tensor:
        """dV/dt at v_reset without input, mV/ms."""
        slope = self.delta_t * _exp((self.v_reset - self.v_t) / self.delta_t)
        return (slope - (self.v_reset - self.e_l)) / self.tau

    @derived
    def reset_bend(self) -> float | Tensor:
        """Half the derivative of `reset_drift` with respect to V, 1/ms."""
        return (_exp((self.v_reset - self.v_t) / self.delta_t) - 1.0) / (2.0 * self.tau)


def _values(value: float | Tensor) -> Tensor:
    return torch.as_tensor(value, dtype=torch.float64).detach().cpu()


def _exp(x: float | Tensor) -> float | Tensor:
    """exp with a bounded result: far below v_t, the duration of the upstroke would overflow."""
    return torch.exp(x.clamp_max(80.0)) if isinstance(x, Tensor) else math.exp(min(x, 700.0))


def eif_step(
    current: Tensor, state: EIFState, params: EIFParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, EIFState, EIFTrace]:
    """One step of the exponential integrate-and-fire neuron.

    The equation of `EIFParams` is split into a linear part (leak and input) and the exponential.
    Each is solved exactly: first half a step of the linear part, then the exponential, then another
    half step of the linear part (Strang splitting)::

        V = e_l + I/g_l + (V - e_l - I/g_l) exp(-dt/(2 tau))         tau = c/g_l
        V = V - delta_t ln(1 - dt/tau exp((V - v_t)/delta_t))
        V = e_l + I/g_l + (V - e_l - I/g_l) exp(-dt/(2 tau))

    For V >= `v_cross` before the second line, the exponential alone reaches v_peak within the
    step, after ``t = tau (exp(-(V - v_t)/delta_t) - exp(-(v_peak - v_t)/delta_t))``, and the neuron
    spikes. The rest of the step, dt - t, starts from v_reset and is computed to second order, so
    intervals do not depend on the time grid. A neuron spikes at most once per step.

    Args:
        current: I ``[B, ...]``, pA, constant during the step; clamped to +-1e15.
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate, a function of ``(V - v_cross)/delta_t``. The gradient from V after a
            spike to V before it, through the time of the spike, is exact.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), the new state, and an
        `EIFTrace`, which a layer records.

    Source: Fourcaud-Trocme et al. 2003, J. Neurosci. 23:11628; the splitting is from Strang 1968,
    SIAM J. Numer. Anal. 5:506.

    Example:
        >>> current = torch.full((1,), 300.0)
        >>> state = EIF().initial_state(current)
        >>> for step in range(400):
        ...     spikes, state, trace = eif_step(current, state, EIFParams())
        ...     if spikes:
        ...         print(f"{(step + 1) * 0.1 - trace.since.item():.2f} ms")
        29.48 ms
    """
    p = params
    current = current.clamp_min(-LARGEST_CURRENT).clamp_max(LARGEST_CURRENT)
    driven = p.half_input * current
    x = p.half_decay * (state.v - p.e_l) + driven
    over = (x - (p.v_cross - p.e_l)) / p.delta_t
    spikes = spike(over, 0.0)
    crosses = over.detach() >= 0.0

    height = (x - (p.v_t - p.e_l)) / p.delta_t
    # One exponential serves both cases; in both, its argument is below ln(tau/dt).
    e = torch.exp(torch.where(crosses, -height, height))
    grown = x - p.delta_t * torch.log1p(-p.full_step * torch.where(crosses, 0.0, e))
    without = p.half_decay * grown + driven

    since = p.dt - p.tau * (torch.where(crosses, e, p.full_step) - p.at_peak)
    since = torch.where(crosses, since.clamp_min(0.0).clamp_max(p.dt), 0.0)
    drift = p.reset_drift + current / p.c
    after = p.v_reset - p.e_l + since * drift * (1.0 + since * p.reset_bend)

    v = torch.where(crosses, after, without).clamp_max(p.v_peak - p.e_l) + p.e_l
    return spikes, EIFState(v), EIFTrace(v, since)


def _rest(params: EIFParams) -> EIFState:
    return EIFState(params.e_l)  # type: ignore[arg-type]


#: The exponential integrate-and-fire neuron: ``EIF(dt=0.1)`` for a `SpikingLayer`.
EIF = define(eif_step, EIFParams, EIFState, _rest)
