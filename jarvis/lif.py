"""The leaky integrate-and-fire neuron: its parameters, its state and one step.

This file holds the update rule, once. `layers.py` runs it over time.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from jarvis.surrogate import SurrogateSpike

RESETS = ("subtract", "zero", "none")


class LIFState(NamedTuple):
    """What a LIF neuron remembers from one step to the next. Every tensor is ``[B, ...]``.

    A field that the options do not need is None.
    """

    v: Tensor  #: potential after the reset (threshold units: rest 0, threshold 1)
    i: Tensor | None = None  #: synaptic current, with `tau_syn`
    refractory: Tensor | None = None  #: steps left to wait, with `refractory`
    adaptation: Tensor | None = None  #: decaying count of own spikes, with `adaptation`
    spikes: Tensor | None = None  #: the last step's spikes, in recurrent layers

    def detach(self) -> "LIFState":
        """The same state cut off from the graph: for truncated backpropagation through time."""
        return LIFState(self.v.detach(), *(None if x is None else x.detach() for x in self[1:]))


@dataclass(frozen=True)
class LIFParams:
    """Parameters of a LIF neuron, in ms and in units of the threshold.

    Args:
        tau: membrane time constant, ms; `math.inf` for no leak. A float, or a tensor that
            broadcasts against ``[B, ...]`` (it may need a gradient).
        dt: time step, ms.
        threshold: potential at which the neuron fires (rest is 0).
        reset: "subtract" (v = h - threshold), "zero" (v = 0) or "none" (v = h).
        detach_reset: True cuts the gradient through the reset, so that the spike's only path
            backward is its output (Zenke & Vogels 2021, Neural Comput. 33(4):899).
        refractory: time after a spike in which v is held and no spike can follow, ms. It is
            rounded to whole steps.
        tau_syn: time constant of an exponential synaptic current, ms; None: x goes to v at once.
        adaptation: by how much each own spike raises the threshold, in threshold units.
        tau_adapt: time constant with which the raised threshold decays, ms.
        surrogate: the spike and its derivative.

    Raises:
        ValueError: for a value outside its range; the message names it.
    """

    tau: float | Tensor = 20.0
    dt: float = 1.0
    threshold: float | Tensor = 1.0
    reset: str = "subtract"
    detach_reset: bool = True
    refractory: float = 0.0
    tau_syn: float | Tensor | None = None
    adaptation: float = 0.0
    tau_adapt: float | Tensor = 200.0
    surrogate: Callable[[Tensor, Tensor | float], Tensor] = field(default_factory=SurrogateSpike)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.dt) and self.dt > 0):
            raise ValueError(f"dt={self.dt!r} ms must be positive and finite")
        for name in ("tau", "threshold", "tau_syn", "tau_adapt"):
            value = getattr(self, name)
            if value is None:
                continue
            smallest = value.min().item() if isinstance(value, Tensor) else float(value)
            if not smallest > 0:  # also catches NaN
                raise ValueError(f"{name}={value!r} must be positive")
        if self.reset not in RESETS:
            raise ValueError(f"reset={self.reset!r} is not one of {', '.join(RESETS)}")
        if not (math.isfinite(self.adaptation) and self.adaptation >= 0):
            raise ValueError(f"adaptation={self.adaptation!r} must be at least 0")
        if not (math.isfinite(self.refractory) and self.refractory >= 0):
            raise ValueError(f"refractory={self.refractory!r} ms must be at least 0")
        if self.refractory > 0 and self.refractory_steps == 0:
            raise ValueError(
                f"refractory={self.refractory:g} ms is less than half a step of dt={self.dt:g} ms "
                "and would do nothing: take a smaller dt, or refractory=0"
            )

    @property
    def refractory_steps(self) -> int:
        """The refractory time in whole steps."""
        return round(self.refractory / self.dt)

    @cached_property
    def decay(self) -> float | Tensor:
        """What is left of v after one step: ``exp(-dt/tau)``."""
        return exp_decay(self.tau, self.dt)

    @cached_property
    def decay_syn(self) -> float | Tensor | None:
        """What is left of the synaptic current after one step, or None without one."""
        return None if self.tau_syn is None else exp_decay(self.tau_syn, self.dt)

    @cached_property
    def decay_adapt(self) -> float | Tensor:
        """What is left of the threshold's rise after one step."""
        return exp_decay(self.tau_adapt, self.dt)


def exp_decay(tau: float | Tensor, dt: float) -> float | Tensor:
    """The factor ``exp(-dt/tau)`` by which an exponential trace shrinks in one step.

    Args:
        tau: time constant, ms (float or tensor).
        dt: step, ms.

    Example:
        >>> round(exp_decay(20.0, 1.0), 4)
        0.9512
    """
    return torch.exp(-dt / tau) if isinstance(tau, Tensor) else math.exp(-dt / tau)


def constant_drive(
    current: float | Tensor, tau: float = 20.0, dt: float = 1.0, tau_syn: float | None = None
) -> float | Tensor:
    """The input x of one step that stands for a constant current: ``(1 - exp(-dt/tau)) I``.

    The input of `lif_step` is the jump of v in one step. With this x the potential rises to I
    exactly as the solution of ``tau dv/dt = -v + I`` does, whatever dt is. Through a synapse, where
    x is the jump of i, it is ``(1 - exp(-dt/tau_syn))`` times that: v rises to the same I, later.

    Args:
        current: I, in units of v: the potential that a neuron without threshold would reach.
        tau: membrane time constant, ms.
        dt: step, ms.
        tau_syn: synaptic time constant of the neuron that is driven, ms; None for none.

    Example:
        >>> round(constant_drive(1.5, tau=20.0, dt=1.0), 5)
        0.07316
    """
    x = (1.0 - math.exp(-dt / tau)) * current
    return x if tau_syn is None else (1.0 - math.exp(-dt / tau_syn)) * x


def initial_state(x: Tensor, params: LIFParams, recurrent: bool = False) -> LIFState:
    """A neuron at rest that has never fired, shaped, typed and placed like `x` ``[B, ...]``."""

    def zeros() -> Tensor:
        return torch.zeros_like(x, memory_format=torch.contiguous_format)

    return LIFState(
        v=zeros(),
        i=zeros() if params.tau_syn is not None else None,
        refractory=zeros() if params.refractory_steps else None,
        adaptation=zeros() if params.adaptation else None,
        spikes=zeros() if recurrent else None,
    )


def lif_step(x: Tensor, state: LIFState | None, params: LIFParams) -> tuple[Tensor, LIFState]:
    """One step of the leaky integrate-and-fire neuron.

    In this order::

        i = exp(-dt/tau_syn) i + x            (without tau_syn: i = x)
        h = exp(-dt/tau) v + i                (held at v while refractory)
        s = 1 where h >= threshold + adaptation * a, else 0     (0 while refractory)
        v = h - threshold * s  |  h * (1 - s)  |  h             ("subtract", "zero", "none")
        a = exp(-dt/tau_adapt) a + s

    Args:
        x: input of this step ``[B, ...]``: the jump that it gives to v (or to i).
        state: the state before the step; None for a neuron at rest.
        params: the neuron's parameters.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), and the new state.

    Source: Gerstner et al. 2014, Neuronal Dynamics, eq. 1.5 with exact integration over a step;
    adaptive threshold: Bellec et al. 2020, Nat. Commun. 11:3625, eqs. 6-9.

    Example:
        >>> params = LIFParams(tau=math.inf, reset="subtract")
        >>> state = None
        >>> for _ in range(3):
        ...     spikes, state = lif_step(torch.tensor([0.6]), state, params)
        ...     print(spikes.item(), round(state.v.item(), 2))
        0.0 0.6
        1.0 0.2
        0.0 0.8
    """
    if state is None:
        state = initial_state(x, params)
    spikes, state, _ = lif_update(x, state, params)
    return spikes, state


def lif_update(x: Tensor, state: LIFState, params: LIFParams) -> tuple[Tensor, LIFState, Tensor]:
    """`lif_step` that also returns h ``[B, ...]``, the potential before the reset."""
    i = state.i
    if i is not None:
        i = x = params.decay_syn * i + x  # type: ignore[operator]
    h = params.decay * state.v + x
    threshold = params.threshold
    if state.adaptation is not None:
        threshold = threshold + params.adaptation * state.adaptation
    if state.refractory is None:
        spikes = params.surrogate(h, threshold)
    else:
        ready = state.refractory <= 0
        h = torch.where(ready, h, state.v)
        spikes = params.surrogate(h, threshold) * ready

    reset = spikes.detach() if params.detach_reset else spikes
    if params.reset == "subtract":
        v = h - params.threshold * reset
    elif params.reset == "zero":
        v = h * (1.0 - reset)
    else:
        v = h

    refractory, adaptation = state.refractory, state.adaptation
    if refractory is not None:
        waiting = (refractory - 1.0).clamp_min(0.0)
        refractory = torch.where(spikes.detach() > 0, float(params.refractory_steps), waiting)
    if adaptation is not None:
        adaptation = params.decay_adapt * adaptation + spikes
    last = None if state.spikes is None else spikes
    return spikes, LIFState(v, i, refractory, adaptation, last), h
