"""The neurons of event-driven networks: how they evolve between events, and when they fire.

Each neuron is written once, in plain PyTorch, as a *flow* from one state to the state some time
later. Everything that the loops need is derived from it: the update of a step, its transpose, the
time at which the threshold is crossed within a step, the dependence of this time on the state, and
the slope after a reset. The compiled loops are generated from the same functions.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.adex.normalised import NormalisedAdExParams
from jarvis.kernels.event_spec import EventModel, EventSpec
from jarvis.support.checks import check_choice, check_number


@dataclass(frozen=True)
class EventLIF:
    """The leaky integrate-and-fire neuron of the event-driven networks.

    ``dv/dt = -v/tau + I``, ``dI/dt = -I/tau_syn``. A spike that arrives with weight w adds w to I.
    When v reaches the threshold, the neuron fires and v is reset to 0. There is no refractory
    period. As in the source, I is in threshold units per ms.

    Args:
        tau: membrane time constant, ms.
        tau_syn: synaptic time constant, ms.
        dt: time step, ms.
        threshold: potential at which the neuron fires.
        integrator: "exact" solves the equations over a step; "euler" keeps the current at its value
            at the start of the step, ``v+ = exp(-dt/tau) v + dt I``, as the source does.

    Raises:
        ValueError: for a value out of range.

    Source: Landsmeer et al. 2025, arXiv:2512.10011.
    """

    tau: float = 10.0
    tau_syn: float = 2.0
    dt: float = 0.5
    threshold: float = 1.0
    integrator: str = "exact"

    def __post_init__(self) -> None:
        for name in ("tau", "tau_syn", "dt", "threshold"):
            check_number(name, getattr(self, name), above=0)
        check_choice("integrator", self.integrator, ("exact", "euler"))
        shortest = min(self.tau, self.tau_syn)
        if self.dt > 20 * shortest:
            raise ValueError(
                f"dt={self.dt:g} ms is too large: nothing is left after one step with a time "
                f"constant of {shortest:g} ms; set dt below it"
            )

    @property
    def equal_taus(self) -> bool:
        """Whether the membrane and the synapse have the same time constant."""
        return bool(self.tau_syn == self.tau)


@dataclass(frozen=True)
class EventAdEx(NormalisedAdExParams):
    """The dimensionless AdEx neuron of the event-driven networks.

    The equations and parameters are those of `NormalisedAdExParams`. The exponential makes the
    last part of an upstroke far shorter than a useful time step: with the default values, it takes
    0.007 ms from 0.9 to the threshold. The exponential is therefore integrated in closed form. Let
    D be the mean drift of v within a step due to everything else (leak, current and adaptation,
    solved exactly). After a time x, the solution of ``dv/dt = D + delta_t exp((v - v_t)/delta_t)``
    is then::

        v(x) = L - delta_t ln(1 - x exp((v - v_t)/delta_t) (exp(k) - 1)/k)
        L = v + D x,   k = (L - v)/delta_t

    The only remaining error comes from the change of the drift within a step. If the solution blows
    up within a step, the surrogate derivative of spike counts still needs a v that depends on the
    state. This v is the threshold plus ``delta_t ln(2 - r)``, where r is the ratio of
    ``exp(-v/delta_t)`` at the end of the step to its value at the threshold. It continues v
    smoothly: r falls to 0 and below where v would be infinite.

    `run_events` also accepts a plain `NormalisedAdExParams`, for which it takes the Euler step of
    a `NormalisedAdExLayer`. At useful time steps, the spikes are then late, and the gradient of a
    single spike time is far from exact. When trained through spike counts, however, a network of
    such neurons learns at least as fast as one of `EventAdEx` neurons.

    Args:
        tau, tau_syn, dt, threshold, a, b, tau_w, delta_t, v_t, w0: see `NormalisedAdExParams`.

    Raises:
        ValueError: for a value out of range.

    Source: Landsmeer et al. 2025, arXiv:2512.10011 (neuron and default values).
    """

    def _warn_of_a_large_step(self) -> None:
        """Do not warn: neither the upstroke nor the current is integrated in Euler steps."""

    @property
    def equal_taus(self) -> bool:
        """Whether the membrane and the synapse have the same time constant."""
        return bool(self.tau_syn == self.tau)

    @property
    def edge(self) -> float:
        """``exp(-(threshold - v_t)/delta_t)``: time that v takes from threshold to infinity, ms."""
        return math.exp((float(self.v_t) - float(self.threshold)) / float(self.delta_t))

    @property
    def equal_tau_w(self) -> bool:
        """Whether the membrane and the adaptation have the same time constant."""
        return bool(self.tau_w == self.tau)


EventNeuron = EventLIF | NormalisedAdExParams


class LIFEventState(NamedTuple):
    """State of an `EventLIF`."""

    v: Tensor  #: potential
    i: Tensor  #: synaptic current, 1/ms


class AdExEventState(NamedTuple):
    """State of a dimensionless AdEx neuron."""

    v: Tensor  #: potential
    i: Tensor  #: synaptic current, 1/ms
    w: Tensor  #: adaptation, 1/ms


def _response(x: Tensor, tau: Any, tau_drive: Any, equal: bool) -> Tensor:
    """The response of v, after a time x, to a drive of 1 that decays with `tau_drive`."""
    rate = 1.0 / tau_drive - 1.0 / tau
    return torch.exp(-x / tau_drive) * (x if equal else torch.expm1(rate * x) / rate)


# -- LIF


def _lif_exact(x: Tensor, s: LIFEventState, p: Any) -> LIFEventState:
    gain = _response(x, p.tau, p.tau_syn, p.equal_taus)
    return LIFEventState(torch.exp(-x / p.tau) * s.v + gain * s.i, torch.exp(-x / p.tau_syn) * s.i)


def _lif_euler(x: Tensor, s: LIFEventState, p: Any) -> LIFEventState:
    return LIFEventState(torch.exp(-x / p.tau) * s.v + x * s.i, torch.exp(-x / p.tau_syn) * s.i)


# -- AdEx


def _adex_euler(x: Tensor, s: AdExEventState, p: Any) -> AdExEventState:
    up = p.delta_t * torch.exp((s.v - p.v_t) * p.sharpness)
    return AdExEventState(
        torch.exp(-x / p.tau) * s.v + x * s.i + x * (up - s.w),
        torch.exp(-x / p.tau_syn) * s.i,
        torch.exp(-x / p.tau_w) * s.w + (x * p.a) * s.v,
    )


def _without_upstroke(x: Tensor, s: AdExEventState, p: Any) -> Tensor:
    """v after a time x, without the exponential."""
    gain = _response(x, p.tau, p.tau_syn, p.equal_taus)
    gain_w = _response(x, p.tau, p.tau_w, p.equal_tau_w)
    return torch.exp(-x / p.tau) * s.v + gain * s.i - gain_w * s.w


def _mean_exp(k: Tensor) -> Tensor:
    """(exp(k) - 1)/k, which is 1 at 0."""
    small = torch.abs(k) < 1e-3
    return torch.where(small, 1.0 + 0.5 * k, torch.expm1(k) / torch.where(small, 1.0, k))


_MOST = 80.0  #: the largest exponent; its exponential, and products with it, fit in float32


def _adex_flow(x: Tensor, s: AdExEventState, p: Any) -> AdExEventState:
    on = _without_upstroke(x, s, p)
    k = torch.clamp((on - s.v) * p.sharpness, -_MOST, _MOST)
    left = 1.0 - x * torch.exp((s.v - p.v_t) * p.sharpness) * _mean_exp(k)
    # exp((threshold - v)/delta_t), which continues to 0 and below where v would be infinite.
    short_of = left * torch.exp(torch.clamp((p.threshold - on) * p.sharpness, max=0.5 * _MOST))
    below = short_of > 1.0
    log = torch.log(torch.where(below, torch.clamp(left, 1e-37), torch.clamp(2.0 - short_of, 1.0)))
    return AdExEventState(
        torch.where(below, on - p.delta_t * log, p.threshold + p.delta_t * log),
        torch.exp(-x / p.tau_syn) * s.i,
        torch.exp(-x / p.tau_w) * s.w + (0.5 * x * p.a) * (s.v + on),
    )


def _adex_level(x: Tensor, s: AdExEventState, p: Any) -> Tensor:
    """How far v is beyond the threshold, in a coordinate that does not blow up.

    The coordinate is ``-exp(-(v - v_t)/delta_t)`` plus a constant: a monotonic function of v that
    continues smoothly beyond the time at which v would be infinite.
    """
    on = _without_upstroke(x, s, p)
    k = torch.clamp((on - s.v) * p.sharpness, -_MOST, _MOST)
    y = torch.exp(torch.clamp((p.v_t - on) * p.sharpness, max=_MOST)) - x * _mean_exp(-k)
    return p.edge - y


def _adex_guess(s: AdExEventState, p: Any, dt: Tensor) -> Tensor:
    """The time of the crossing if the drift were constant within the step."""
    drift = (_without_upstroke(dt, s, p) - s.v) / dt
    y = torch.exp(torch.clamp((p.v_t - s.v) * p.sharpness, max=_MOST))
    per = drift / p.delta_t
    small = torch.abs(per * (y - p.edge)) < 1e-3
    ratio = (y - p.edge) * per / (1.0 + p.edge * per)
    slow = torch.where(small, 1.0, per)
    return torch.where(small, y - p.edge, torch.log1p(torch.clamp(ratio, -0.999)) / slow)


# -- shared by both neurons


def _level_of(flow: Any) -> Any:
    def level(x: Tensor, s: Any, p: Any) -> Tensor:
        return flow(x, s, p).v - p.threshold

    return level


def _secant_of(flow: Any) -> Any:
    def guess(s: Any, p: Any, dt: Tensor) -> Tensor:
        return (p.threshold - s.v) / ((flow(dt, s, p).v - s.v) / dt)

    return guess


def _model(state: type, flow: Any, level: Any = None, guess: Any = None) -> EventModel:
    return EventModel(state, flow, level or _level_of(flow), guess or _secant_of(flow))


_LIF_EXACT, _LIF_EULER = _model(LIFEventState, _lif_exact), _model(LIFEventState, _lif_euler)
_ADEX_EULER = _model(AdExEventState, _adex_euler)
_ADEX = _model(AdExEventState, _adex_flow, _adex_level, _adex_guess)


def event_spec(
    neuron: EventNeuron,
    n_steps: int,
    surrogate: float = 1.0,
    damping: float = 0.0,
    time_bins: int = 1,
) -> EventSpec:
    """The data about a run of `n_steps` steps that the loops need."""
    p: Any = neuron if isinstance(neuron, EventLIF) else neuron.plain()
    if isinstance(neuron, EventLIF):
        model = _LIF_EXACT if neuron.integrator == "exact" else _LIF_EULER
        start, jumps = (0.0, 0.0), (0.0, 0.0)
    else:
        model = _ADEX if isinstance(neuron, EventAdEx) else _ADEX_EULER
        start, jumps = (0.0, 0.0, float(p.w0)), (0.0, 0.0, float(p.b))
    return EventSpec(
        n_steps=n_steps, dt=p.dt, threshold=float(p.threshold), tau_syn=float(p.tau_syn),
        surrogate=surrogate, damping=damping, time_bins=time_bins, model=model, params=p,
        start=start, jumps=jumps,
    )  # fmt: skip
