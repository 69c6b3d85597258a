"""The leaky integrate-and-fire neuron: its parameters, its state, one step, and its layers.

`lif_update` defines the update rule; the layers run it over ``[T, B, ...]``. Layers hold no hidden
state: the state is passed in as an argument and returned as a result.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.decay import exp_decay
from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.layer import SpikingLayer
from jarvis.neurons.refractory import Refractory, steps_left
from jarvis.support.checks import check_choice, check_integer, check_tensor, check_type
from jarvis.surrogate import DEFAULT_SPIKE, Spike

RESETS = ("subtract", "zero", "none")


class LIFState(NamedTuple):
    """State of LIF neurons between two steps: tensors ``[B, ...]``.

    Fields that the chosen options do not need are None.
    """

    v: Tensor  #: potential after the reset (threshold units: rest 0, threshold 1)
    i: Tensor | None = None  #: synaptic current, if there is a `tau_syn`
    refractory: Tensor | None = None  #: remaining refractory steps, if `refractory` is given
    adaptation: Tensor | None = None  #: decaying count of own spikes, if `adaptation` is given

    def detach(self) -> "LIFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


@dataclass(frozen=True)
class LIFParams(Refractory, Parameters):
    """Parameters of a LIF neuron, in ms and in threshold units (resting potential 0, threshold 1).

    All parameters except dt and refractory may be tensors (or numpy arrays) that broadcast against
    ``[B, ...]``. Tensors may require a gradient.

    Args:
        tau: membrane time constant, ms; `math.inf` for no leak.
        dt: time step, ms.
        threshold: potential at which the neuron fires (the resting potential is 0). With
            `math.inf`, the neuron never fires, and the reset must not be "subtract".
        reset: "subtract" (v = h - threshold), "zero" (v = 0) or "none" (v = h).
        refractory: time after a spike during which v is held and the neuron cannot fire, ms,
            rounded to whole steps.
        tau_syn: time constant of an exponential synaptic current, ms; None if x acts directly on v.
        adaptation: increase of the threshold per spike of the neuron, in threshold units.
        tau_adapt: time constant with which this increase decays, ms.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.
    """

    tau: float | Tensor = parameter(20.0, "ms", above=0, finite=False)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)
    threshold: float | Tensor = parameter(1.0, above=0, finite=False)
    reset: str = "subtract"
    refractory: float = parameter(0.0, "ms", at_least=0, fixed=True)
    tau_syn: float | Tensor | None = parameter(None, "ms", above=0, finite=False)
    adaptation: float | Tensor = parameter(0.0, at_least=0)
    tau_adapt: float | Tensor = parameter(200.0, "ms", above=0, finite=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("reset", self.reset, RESETS)
        if self.reset == "subtract" and bool(torch.as_tensor(self.threshold).isinf().any()):
            raise ValueError(
                "threshold=inf cannot be subtracted: a neuron that never fires needs reset='none' "
                "(or 'zero')"
            )
        self.check_refractory()

    @property
    def adapts(self) -> bool:
        """Whether the threshold adapts."""
        return isinstance(self.adaptation, Tensor) or self.adaptation != 0

    @derived
    def decay(self) -> float | Tensor:
        """Fraction of v that remains after one step: ``exp(-dt/tau)``."""
        return exp_decay(self.tau, self.dt)

    @derived
    def decay_syn(self) -> float | Tensor | None:
        """Fraction of the synaptic current that remains after one step; None without tau_syn."""
        return None if self.tau_syn is None else exp_decay(self.tau_syn, self.dt)

    @derived
    def decay_adapt(self) -> float | Tensor:
        """Fraction of the threshold increase that remains after one step."""
        return exp_decay(self.tau_adapt, self.dt)


class LIFTrace(NamedTuple):
    """Potentials over time ``[T, B, ...]``, for plotting and inspection."""

    h: Tensor  #: before the reset: crosses the threshold where the neuron fires
    v: Tensor  #: after the reset: the starting point of the next step


def lif_step(
    x: Tensor, state: LIFState | None, params: LIFParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, LIFState]:
    """One step of the leaky integrate-and-fire neuron.

    It computes, in this order::

        i = exp(-dt/tau_syn) i + x            (without tau_syn: i = x)
        h = exp(-dt/tau) v + i                (held at v while refractory)
        s = 1 where h >= threshold + adaptation * a, else 0     (0 while refractory)
        v = h - threshold * s  |  h * (1 - s)  |  h             ("subtract", "zero", "none")
        a = exp(-dt/tau_adapt) a + s

    Args:
        x: input of this step ``[B, ...]``: the jump it causes in v (or in i).
        state: the state before the step; None for neurons at rest.
        params: the neuron's parameters.
        spike: the surrogate gradient, and whether the reset is detached.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), and the new state.

    Source: Gerstner et al. 2014, Neuronal Dynamics, eq. 1.5 with exact integration over a step. The
    adaptive threshold is from Bellec et al. 2020, Nat. Commun. 11:3625, eqs. 6-9.

    Example:
        >>> import math
        >>> params = LIFParams(tau=math.inf, reset="subtract")
        >>> state = None
        >>> for _ in range(3):
        ...     spikes, state = lif_step(torch.tensor([0.6]), state, params)
        ...     print(spikes.item(), round(state.v.item(), 2))
        0.0 0.6
        1.0 0.2
        0.0 0.8
    """
    check_tensor("lif_step: x", x, "[...]")
    check_type("lif_step: params", params, LIFParams)
    if state is not None:
        check_type("lif_step: state", state, LIFState)
        try:
            torch.broadcast_shapes(x.shape, state.v.shape)
        except (RuntimeError, AttributeError) as error:
            raise ValueError(
                f"lif_step: x {tuple(x.shape)} and state.v {tuple(getattr(state.v, 'shape', ()))} "
                "do not fit: pass state=None for a new batch"
            ) from error
    before = LIF.initial_state(x, params) if state is None else state
    spikes, after, _ = lif_update(x, before, params, spike)
    return spikes, after


def lif_update(
    x: Tensor, state: LIFState, params: LIFParams, spike: Spike
) -> tuple[Tensor, LIFState, LIFTrace]:
    """`lif_step` as used by `LIF`: the state is required, and potentials are returned as well.

    Args:
        x: input of this step ``[B, ...]``.
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate gradient, and whether the reset is detached.

    Returns:
        spikes ``[B, ...]``, the new state, and the potentials before and after the reset.
    """
    i = state.i
    if i is not None:
        i = x = params.decay_syn * i + x  # type: ignore[operator]
    h = params.decay * state.v + x
    threshold = params.threshold
    if state.adaptation is not None:
        threshold = threshold + params.adaptation * state.adaptation
    if state.refractory is None:
        spikes = spike(h, threshold)
    else:
        ready = state.refractory <= 0
        h = torch.where(ready, h, state.v)
        spikes = spike(h, threshold) * ready

    reset = spike.reset(spikes)
    if params.reset == "subtract":
        v = h - params.threshold * reset
    elif params.reset == "zero":
        v = h * (1.0 - reset)
    else:
        v = h

    refractory, adaptation = state.refractory, state.adaptation
    if refractory is not None:
        refractory = steps_left(refractory, spikes, params.hold)
    if adaptation is not None:
        adaptation = params.decay_adapt * adaptation + spikes
    return spikes, LIFState(v, i, refractory, adaptation), LIFTrace(h, v)


def _rest(params: LIFParams) -> LIFState:
    return LIFState(
        v=0.0,  # type: ignore[arg-type]
        i=None if params.tau_syn is None else 0.0,  # type: ignore[arg-type]
        refractory=0.0 if params.refractory_steps else None,  # type: ignore[arg-type]
        adaptation=0.0 if params.adapts else None,  # type: ignore[arg-type]
    )


#: The leaky integrate-and-fire neuron: ``LIF(tau=10.0)`` for a `SpikingLayer`.
LIF = define(lif_update, LIFParams, LIFState, _rest)


def _decays(tau: float | Tensor | None) -> bool:
    return bool(torch.as_tensor(tau).isfinite().any())


class LIFLayer(SpikingLayer):
    """A population of leaky integrate-and-fire neurons, run over a whole sequence.

    The equations are given in `lif_step`. Unless the layer is recurrent, neurons do not interact,
    so the layer accepts any trailing shape: it can follow a convolution as well as a linear map.

    Args:
        tau: membrane time constant, ms.
        dt: time step, ms.
        threshold: firing threshold (the resting potential is 0).
        reset: "subtract", "zero" or "none".
        refractory: refractory period, ms.
        tau_syn: synaptic time constant, ms; None: x acts directly on v.
        surrogate: a `SurrogateSpike`, the name of a surrogate, or a function ``(v, threshold) ->
            spikes``.
        backend: "auto" uses a compiled time loop if it can, otherwise "eager" (and says why, once).
            "eager" runs step by step in PyTorch; "numba" (CPU) and "triton" (CUDA) require the
            compiled loop.
        detach_reset: True blocks the gradient through the reset.
        adaptation: threshold increase per spike of the neuron.
        tau_adapt: time constant with which this increase decays, ms.
        learnable: which of "tau", "tau_syn", "tau_adapt", "threshold" and "adaptation" are trained.
            They are stored as logarithms and so stay positive. If one of them is given as a tensor,
            such as a tau of shape [n_hidden], each neuron has its own value, whether or not it is
            learned.
        recurrent: number of neurons of a recurrent layer, as in `SpikingLayer`.
        self_connections: False keeps the diagonal of the recurrent weights at 0.

    Raises:
        ValueError: for a value out of range, an unknown name, or an input that is not [T, B, ...].
        TypeError: for an input that is not a floating-point tensor.

    Example:
        >>> layer = LIFLayer(tau=20.0, dt=1.0)
        >>> spikes, state = layer(torch.ones(5, 1, 3))
        >>> spikes.shape, state.v.shape
        (torch.Size([5, 1, 3]), torch.Size([1, 3]))
    """

    def __init__(
        self,
        tau: float | Tensor = 20.0,
        dt: float = 1.0,
        threshold: float | Tensor = 1.0,
        reset: str = "subtract",
        refractory: float = 0.0,
        tau_syn: float | Tensor | None = None,
        surrogate: str | Callable[[Tensor, Tensor | float], Tensor] = "fast_sigmoid",
        backend: str = "auto",
        *,
        detach_reset: bool = True,
        adaptation: float | Tensor = 0.0,
        tau_adapt: float | Tensor = 200.0,
        learnable: str | Sequence[str] = (),
        recurrent: int | None = None,
        self_connections: bool = True,
    ) -> None:
        check_type("learnable", learnable, (str, Sequence), "names of parameters")
        params = LIFParams(tau, dt, threshold, reset, refractory, tau_syn, adaptation, tau_adapt)
        super().__init__(
            LIF(params),
            learnable=learnable,
            recurrent=recurrent,
            self_connections=self_connections,
            surrogate=surrogate,
            detach_reset=detach_reset,
            backend=backend,
        )

    @property
    def n_updates(self) -> int:
        """Number of state variables per neuron that change in a step without a spike.

        A potential without leak or current does not change, and neither does a current that does
        not decay.
        """
        p = self.params
        current = p.tau_syn is not None
        potential = current or _decays(p.tau)
        return potential + (current and _decays(p.tau_syn)) + p.adapts

    def extra_repr(self) -> str:
        return super().extra_repr() + f", detach_reset={self.detach_reset}"


class RecurrentLIFLayer(LIFLayer):
    """LIF neurons that also receive one another's spikes of the previous step.

    The input of step t is ``x_t + W s_(t-1)``; otherwise the layer works like `LIFLayer`.

    Args:
        n_hidden: number of neurons; the input is ``[T, B, n_hidden]``.
        **kwargs: the options of `LIFLayer`, such as ``self_connections=False``, which keeps the
            diagonal of the weights at 0.

    Attributes:
        weight: W ``[n_hidden, n_hidden]``, where a row is a receiving neuron; initial values are
            uniform in +-1/sqrt(n_hidden).

    Raises:
        ValueError: if the input is not ``[T, B, n_hidden]``, or for a reason given in `LIFLayer`.

    Example:
        >>> spikes, state = RecurrentLIFLayer(4, tau=10.0)(torch.rand(6, 2, 4))
        >>> spikes.shape
        torch.Size([6, 2, 4])
    """

    def __init__(self, n_hidden: int, **kwargs) -> None:
        super().__init__(recurrent=check_integer("n_hidden", n_hidden, at_least=1), **kwargs)


@dataclass(frozen=True)
class LeakyIntegratorParams(Parameters):
    """Parameters of the leaky read-out.

    Args:
        tau: time constant, ms; `math.inf` for no leak. A float, or a tensor that broadcasts against
            ``[B, ...]``.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.
    """

    tau: float | Tensor = parameter(20.0, "ms", above=0, finite=False)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    @derived
    def decay(self) -> float | Tensor:
        """Fraction of v that remains after one step: ``exp(-dt/tau)``."""
        return exp_decay(self.tau, self.dt)


class LeakyIntegratorState(NamedTuple):
    """State of leaky read-outs: a tensor ``[B, ...]``."""

    v: Tensor  #: potential


def _integrate(
    x: Tensor, state: LeakyIntegratorState, params: LeakyIntegratorParams, spike: Spike
) -> tuple[Tensor, LeakyIntegratorState]:
    v = params.decay * state.v + x
    return v, LeakyIntegratorState(v)


#: The leaky read-out: ``LI(tau=10.0)`` for a `SpikingLayer`.
LI = define(
    _integrate,
    LeakyIntegratorParams,
    LeakyIntegratorState,
    lambda params: LeakyIntegratorState(0.0),  # type: ignore[arg-type]
    fires=False,
)


class LeakyIntegrator(SpikingLayer):
    """The leaky read-out: a LIF neuron without a threshold, ``v = exp(-dt/tau) v + x``.

    Args:
        tau: time constant, ms; `math.inf` for no leak. A tensor gives each neuron its own value.
        dt: time step, ms.
        backend: as in `LIFLayer`.
        learnable: "tau" trains tau, stored as a logarithm.

    Raises:
        ValueError: for a value out of range, or an input that is not [T, B, ...].

    Example:
        >>> import math
        >>> v, last = LeakyIntegrator(tau=math.inf)(torch.ones(3, 1, 2))
        >>> v[:, 0, 0].tolist()
        [1.0, 2.0, 3.0]
    """

    def __init__(
        self,
        tau: float | Tensor = 20.0,
        dt: float = 1.0,
        backend: str = "auto",
        *,
        learnable: str | Sequence[str] = (),
    ) -> None:
        super().__init__(LI(tau=tau, dt=dt), learnable=learnable, backend=backend)

    @property
    def tau(self) -> float | Tensor:
        """Time constant, ms."""
        return self.params.tau

    @property
    def dt(self) -> float:
        """Time step, ms."""
        return self.params.dt

    def forward(  # type: ignore[override]
        self, x: Tensor, state: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Map input ``[T, B, ...]`` to potentials ``[T, B, ...]`` and the last of them."""
        before = state if state is None else LeakyIntegratorState(state)
        v, after, *_ = super().forward(x, before)
        return v, after.v

    @property
    def n_updates(self) -> int:
        """Number of state variables that change in a step without input: 1 if v leaks, else 0."""
        return int(_decays(self.tau))
