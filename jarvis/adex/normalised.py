"""The dimensionless AdEx neuron for trained networks: resting potential 0, threshold 1.

This file contains the neuron's parameters, its state, the update rule of one step, and the layer
that runs the neuron over ``[T, B, ...]``. The validation of the parameters includes a check that dt
is small enough.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from jarvis.adex.common import as_array, largest, saturate, smallest
from jarvis.neurons.decay import exp_decay
from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.layer import SpikingLayer
from jarvis.surrogate import DEFAULT_SPIKE, Spike


@dataclass(frozen=True)
class NormalisedAdExParams(Parameters):
    """Parameters of the dimensionless AdEx (resting potential 0, threshold 1), used in training.

    With v the potential, i the synaptic current and w the adaptation::

        dv/dt = -v/tau + i - w + delta_t exp((v - v_t)/delta_t)
        di/dt = -i/tau_syn,            i jumps by a weight where a spike arrives
        dw/dt = -w/tau_w + a v,        w jumps by b where the neuron fires

    The neuron fires when v reaches the threshold, and v is reset to 0. `normalised_adex_step` uses
    an Euler step for everything except the decays. As long as it does not fire, the neuron
    therefore settles at the same potential as one with the time constant
    ``dt/(1 - exp(-dt/tau))``, about tau + dt/2 for small dt. The same holds for tau_syn.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per neuron.

    Args:
        tau: membrane time constant, ms.
        tau_syn: time constant of the synaptic current, ms.
        dt: time step, ms.
        threshold: potential at which the neuron fires (the resting potential is 0).
        a: coupling of the potential to the adaptation, 1/ms^2.
        b: increase of the adaptation per spike, 1/ms.
        tau_w: time constant of the adaptation, ms.
        delta_t: sharpness of the exponential, in units of the potential.
        v_t: potential at which the exponential adds delta_t per ms.
        w0: adaptation at the start, 1/ms.

    Raises:
        ValueError: for a value outside its range, and for a dt at which the step is unstable: the
            potential and the adaptation would drive each other into growing oscillations.

    Warns:
        UserWarning: for a dt longer than the upstroke of a spike or than tau_syn. The message
            describes the error that results.

    Source: Landsmeer et al. 2025, arXiv:2512.10011 (neuron and default values).

    Example:
        >>> round(NormalisedAdExParams(dt=0.5).upstroke, 4)
        0.9933
        >>> NormalisedAdExParams(dt=15.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: dt=15 ms is too large: potential and adaptation would drive each other ...
    """

    tau: float | Tensor = parameter(10.0, "ms", above=0)
    tau_syn: float | Tensor = parameter(2.0, "ms", above=0)
    dt: float = parameter(0.5, "ms", above=0, fixed=True)
    threshold: float | Tensor = parameter(1.0, above=0)
    a: float | Tensor = parameter(0.01, "1/ms^2")
    b: float | Tensor = parameter(0.02, "1/ms")
    tau_w: float | Tensor = parameter(200.0, "ms", above=0)
    delta_t: float | Tensor = parameter(0.1, above=0)
    v_t: float | Tensor = parameter(0.5)
    w0: float | Tensor = parameter(0.1, "1/ms")

    def __post_init__(self) -> None:
        super().__post_init__()
        steep = largest(self.steepest)
        if steep > 80.0:
            sharpest = largest((self.threshold - self.v_t) / 80.0)
            raise ValueError(
                f"delta_t={smallest(self.delta_t):g} is too sharp: the exponential would be "
                f"exp({steep:.0f}) at the threshold, more than float32 holds; take at "
                f"least {sharpest:.2g}"
            )
        growth = self._growth(self.dt)
        if growth > 1.0:
            low, high = 0.0, self.dt
            for _ in range(60):
                middle = (low + high) / 2.0
                low, high = (middle, high) if self._growth(middle) <= 1.0 else (low, middle)
            raise ValueError(
                f"dt={self.dt:g} ms is too large: potential and adaptation would drive each other "
                f"into oscillations that grow {growth:.3g}-fold in each step; take dt below "
                f"{low:.2g} ms"
            )
        self._warn_of_a_large_step()

    def _warn_of_a_large_step(self) -> None:
        """Warn of a dt at which Euler steps deviate strongly from the equations."""
        large = []
        upstroke = smallest(self.upstroke)
        if self.dt > upstroke:
            v, steps = smallest(self.v_t), 0
            threshold, delta_t = largest(self.threshold), largest(self.delta_t)
            while v < threshold:
                v += self.dt * delta_t * math.exp((v - smallest(self.v_t)) / delta_t)
                steps += 1
            large.append(
                f"the upstroke of a spike, {upstroke:.2g} ms, becomes {steps} steps, "
                f"{steps * self.dt:.3g} ms"
            )
        tau_syn = smallest(self.tau_syn)
        if self.dt > tau_syn:
            gain = self.dt / tau_syn / -math.expm1(-self.dt / tau_syn)
            large.append(f"an arriving spike counts {gain:.2g} times (tau_syn={tau_syn:g} ms)")
        if large:
            what = "; ".join(large)
            warnings.warn(f"dt={self.dt:g} ms is large: {what}", UserWarning, stacklevel=4)

    def _growth(self, dt: float) -> float:
        """The factor by which a step amplifies oscillations of v and w around the resting state.

        The result is meaningful only where it exceeds 1. A step of the linear part is the matrix
        ``[[exp(-dt/tau), -dt], [a dt, exp(-dt/tau_w)]]``. With a >= 0, its eigenvalues leave the
        unit circle as a pair of modulus sqrt(det). (With a < 0 there is no oscillation, and any
        drift is also present in the continuous equation.)
        """
        tau, tau_w, a = (as_array(value) for value in (self.tau, self.tau_w, self.a))
        return largest(np.sqrt(np.exp(-dt / tau - dt / tau_w) + np.maximum(a, 0.0) * dt * dt))

    @property
    def steepest(self) -> float | Tensor:
        """The exponential's argument at the threshold, its largest possible value."""
        return (self.threshold - self.v_t) / self.delta_t

    @property
    def upstroke(self) -> float | Tensor:
        """Time from v_t to threshold if only the exponential acts, ms: ``1 - exp(-steepest)``."""
        if isinstance(self.steepest, Tensor):
            return torch.where(self.steepest > 0.0, -torch.expm1(-self.steepest), math.inf)
        return -math.expm1(-self.steepest) if self.steepest > 0.0 else math.inf

    @derived
    def decay(self) -> float | Tensor:
        """Fraction of v that remains after one step."""
        return exp_decay(self.tau, self.dt)

    @derived
    def decay_syn(self) -> float | Tensor:
        """Fraction of the synaptic current that remains after one step."""
        return exp_decay(self.tau_syn, self.dt)

    @property
    def sharpness(self) -> float | Tensor:
        """``1/delta_t``."""
        return 1.0 / self.delta_t

    @property
    def growth(self) -> float | Tensor:
        """The amount that the exponential adds to v in one step at v_t: ``dt delta_t``."""
        return self.dt * self.delta_t

    @property
    def coupling(self) -> float | Tensor:
        """The amount that a potential of 1 adds to the adaptation in one step: ``dt a``."""
        return self.dt * self.a

    @derived
    def decay_w(self) -> float | Tensor:
        """Fraction of the adaptation that remains after one step."""
        return exp_decay(self.tau_w, self.dt)


class NormalisedAdExState(NamedTuple):
    """State of dimensionless AdEx neurons: tensors ``[B, ...]``."""

    v: Tensor  #: potential after the reset (resting potential 0, threshold 1)
    i: Tensor  #: synaptic current, 1/ms
    w: Tensor  #: adaptation, 1/ms

    def detach(self) -> "NormalisedAdExState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


def normalised_adex_step(
    x: Tensor,
    state: NormalisedAdExState | None,
    params: NormalisedAdExParams,
    spike: Spike = DEFAULT_SPIKE,
) -> tuple[Tensor, NormalisedAdExState]:
    """One step of the dimensionless AdEx neuron.

    It computes, in this order::

        i = exp(-dt/tau_syn) i + x
        h = exp(-dt/tau) v + dt (i - w + delta_t exp((v - v_t)/delta_t))
        s = 1 where h >= threshold, else 0
        w = exp(-dt/tau_w) w + dt a v + b s
        v = h (1 - s)

    The exponential's argument is clamped at its value at the threshold, which v never exceeds.

    Args:
        x: input of this step ``[B, ...]``: the jump of i, which is the sum of the weights of all
            arriving spikes. It is clamped to +-1e15.
        state: the state before the step; None for the initial state.
        params: the neuron's parameters.
        spike: the surrogate (a function of h - threshold) and whether the reset is detached.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), and the new state.

    Source: Landsmeer et al. 2025, arXiv:2512.10011. In the source, an input acts at the end of its
    step. Here an input acts at the beginning, as in `lif_step`, so the spikes are the same but
    occur one step earlier.

    Example:
        >>> params, state = NormalisedAdExParams(dt=0.5), None
        >>> for step in range(10):
        ...     spikes, state = normalised_adex_step(torch.full((1,), 0.2), state, params)
        ...     if spikes:
        ...         print(f"{(step + 1) * params.dt} ms")
        3.0 ms
        4.5 ms
    """
    before = NormalisedAdEx.initial_state(x, params) if state is None else state
    spikes, after, _ = normalised_adex_update(x, before, params, spike)
    return spikes, after


class NormalisedAdExTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]`` of dimensionless AdEx neurons."""

    h: Tensor  #: potential before the reset
    v: Tensor  #: potential after the reset
    i: Tensor  #: synaptic current
    w: Tensor  #: adaptation


def normalised_adex_update(
    x: Tensor, state: NormalisedAdExState, params: NormalisedAdExParams, spike: Spike
) -> tuple[Tensor, NormalisedAdExState, NormalisedAdExTrace]:
    """`normalised_adex_step` for use by `NormalisedAdEx`: requires a state, and returns a trace."""
    p, v, w = params, state.v, state.w
    i = p.decay_syn * state.i + saturate(x)
    u = (v - p.v_t) * p.sharpness
    grown = p.growth * torch.exp(torch.where(u > p.steepest, p.steepest, u))
    h = p.decay * v + p.dt * (i - w) + grown
    spikes = spike(h, p.threshold)
    w = p.decay_w * w + p.coupling * v + p.b * spikes
    v = h * (1.0 - spike.reset(spikes))
    return spikes, NormalisedAdExState(v, i, w), NormalisedAdExTrace(h, v, i, w)


#: The dimensionless AdEx neuron: ``NormalisedAdEx(dt=0.5)`` for a `SpikingLayer`.
NormalisedAdEx = define(
    normalised_adex_update,
    NormalisedAdExParams,
    NormalisedAdExState,
    lambda params: NormalisedAdExState(0.0, 0.0, params.w0),  # type: ignore[arg-type]
)


class NormalisedAdExLayer(SpikingLayer):
    """Dimensionless AdEx neurons for training, run over a whole sequence.

    The equations are given in `normalised_adex_step`, with resting potential 0 and threshold 1.
    Unless the layer is recurrent, neurons do not interact, and the layer accepts any trailing
    shape: it can follow a convolution as well as a linear map.

    Args:
        params: the neurons' parameters; None for the defaults.
        surrogate: a `SurrogateSpike`, the name of a surrogate, or a function ``(v, threshold) ->
            spikes``.
        backend: "auto" uses a compiled time loop if it can, otherwise "eager" (and says why, once).
            "eager" runs step by step in PyTorch; "numba" (CPU) and "triton" (CUDA) require the
            compiled loop.
        detach_reset: True blocks the gradient through the reset.
        learnable: names of the parameters that are trained; those that must be positive are stored
            as logarithms. A tensor among the parameters, say tau of shape [n_hidden], gives each
            neuron its own value, whether or not it is learned.
        recurrent: number of neurons of a recurrent layer, as in `SpikingLayer`.
        self_connections: False keeps the diagonal of the recurrent weights at 0.

    Raises:
        ValueError: for an unknown name, or an input that is not [T, B, ...].
        TypeError: for parameters of another kind, or an input that is not a floating-point tensor.

    Example:
        >>> layer = NormalisedAdExLayer(NormalisedAdExParams(dt=0.5))
        >>> spikes, state = layer(torch.full((40, 1, 3), 0.2))
        >>> spikes.shape, int(spikes[:, 0, 0].sum())
        (torch.Size([40, 1, 3]), 11)
    """

    def __init__(
        self,
        params: NormalisedAdExParams | None = None,
        surrogate: str | Callable[[Tensor, Tensor | float], Tensor] = "fast_sigmoid",
        backend: str = "auto",
        *,
        detach_reset: bool = True,
        learnable: str | Sequence[str] = (),
        recurrent: int | None = None,
        self_connections: bool = True,
    ) -> None:
        super().__init__(
            NormalisedAdEx(params),
            learnable=learnable,
            recurrent=recurrent,
            self_connections=self_connections,
            surrogate=surrogate,
            detach_reset=detach_reset,
            backend=backend,
        )
