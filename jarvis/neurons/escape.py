"""Escape noise: a LIF neuron that fires at random, at a rate that grows with its potential."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.decay import exp_decay
from jarvis.neurons.definition import Neuron, Parameters, define, derived, detached, parameter
from jarvis.neurons.layer import SpikingLayer
from jarvis.neurons.layers import check_input
from jarvis.neurons.numbers import bounded
from jarvis.neurons.refractory import Refractory, steps_left
from jarvis.support.checks import check_choice
from jarvis.surrogate import Spike

RESETS = ("subtract", "zero", "none")
RATES = ("exponential", "softplus", "sigmoid")
#: Arguments of exp are clamped to this value; beyond it, the spike probability is 1 anyway.
_LARGEST_LOG = 30.0
#: The surrogate whose derivative is 1: the derivative of a spike then equals the derivative of its
#: probability.
_STRAIGHT_THROUGH = Spike("straight_through")


class EscapeInputs(NamedTuple):
    """The inputs of one step, tensors ``[B, ...]``, or of a sequence, tensors ``[T, B, ...]``."""

    current: Tensor  #: the jump that the input causes in the potential, threshold units
    uniform: Tensor  #: random numbers in [0, 1)


@dataclass(frozen=True)
class EscapeLIFParams(Refractory, Parameters):
    """Parameters of a LIF neuron with escape noise, in ms and in threshold units.

    The potential follows the equation of a LIF neuron. Both below and above the threshold, the
    neuron fires with a certain probability per unit time, the escape rate (or hazard)::

        rho(v) = 1/tau0 exp(u),            u = (v - threshold)/delta_u         "exponential"
        rho(v) = 1/tau0 ln(1 + exp(u))                                         "softplus"
        rho(v) = 1/tau0 1/(1 + exp(-u))                                        "sigmoid"

    All three rates agree far below the threshold. Above the threshold, "softplus" grows linearly,
    and "sigmoid" is at most 1/tau0. With an exponential rate and a small delta_u, the neuron
    approaches a LIF neuron.

    The potential is exact for any dt. During a step, the rate is held at its value at the end of
    the step, which is exact for a constant potential. For a constant drive, the mean interval is
    then within 0.5 % of its continuous-time value if the interval is longer than 10 steps; for 5
    steps, the error is up to 4 %.

    All numbers but dt and refractory may be tensors that broadcast against ``[B, ...]``: one value
    per neuron.

    Args:
        tau: membrane time constant, ms; `math.inf` for no leak.
        threshold: potential at which the escape rate is 1/tau0 ("exponential"); the resting
            potential is 0.
        delta_u: the increase of the potential that multiplies the exponential rate by e, in
            threshold units.
        tau0: mean time to a spike at the threshold ("exponential"), ms.
        rate: "exponential", "softplus" or "sigmoid".
        reset: "zero" (v = 0), "subtract" (v = h - threshold) or "none" (v = h).
        refractory: time after a spike during which v is held and the neuron cannot fire, ms,
            rounded to whole steps.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range, or a refractory period below half a step.

    Source: Gerstner et al. 2014, Neuronal Dynamics, section 9.1; Jolivet, Rauch,
    Luescher & Gerstner 2006, J. Comput. Neurosci. 21:35.

    Example:
        >>> params = EscapeLIFParams(delta_u=0.2, tau0=2.0)
        >>> v = torch.tensor([0.0, 1.0, 1.4])
        >>> [round(rho, 4) for rho in params.escape_rate(v).tolist()]  # per ms
        [0.0034, 0.5, 3.6945]
    """

    tau: float | Tensor = parameter(20.0, "ms", above=0, finite=False)
    threshold: float | Tensor = parameter(1.0, above=0)
    delta_u: float | Tensor = parameter(0.1, above=0)
    tau0: float | Tensor = parameter(1.0, "ms", above=0)
    rate: str = "exponential"
    reset: str = "zero"
    refractory: float = parameter(0.0, "ms", at_least=0, fixed=True)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("rate", self.rate, RATES)
        check_choice("reset", self.reset, RESETS)
        self.check_refractory()

    @derived
    def decay(self) -> float | Tensor:
        """Fraction of v that remains after one step: ``exp(-dt/tau)``."""
        return exp_decay(self.tau, self.dt)

    @derived
    def per_tau0(self) -> float | Tensor:
        """``dt/tau0``: the mean number of escapes within a step at the threshold."""
        return self.dt / self.tau0

    @derived
    def log_per_tau0(self) -> float | Tensor:
        """The logarithm of `per_tau0`."""
        ratio = self.per_tau0
        return torch.log(ratio) if isinstance(ratio, Tensor) else math.log(ratio)

    def escape_rate(self, v: Tensor) -> Tensor:
        """The escape rate at a potential, 1/ms.

        Args:
            v: potential, of any shape that broadcasts against the parameters, threshold units.
        """
        return self._expected(v) / self.dt

    def chance(self, v: Tensor) -> Tensor:
        """The probability of a spike within a step at a potential: ``1 - exp(-rho(v) dt)``.

        Args:
            v: potential, of any shape that broadcasts against the parameters, threshold units.
        """
        return -torch.expm1(-self._expected(v))

    def _expected(self, v: Tensor) -> Tensor:
        """``rho(v) dt``."""
        u = (v - self.threshold) / self.delta_u
        if self.rate == "exponential":
            return torch.exp((u + self.log_per_tau0).clamp_max(_LARGEST_LOG))
        if self.rate == "softplus":
            return self.per_tau0 * torch.nn.functional.softplus(u)
        return self.per_tau0 * torch.sigmoid(u)


class EscapeLIFState(NamedTuple):
    """State of LIF neurons with escape noise between two steps: tensors ``[B, ...]``."""

    v: Tensor  #: potential after the reset (threshold units: rest 0, threshold 1)
    refractory: Tensor | None = None  #: remaining refractory steps, if `refractory` is given

    def detach(self) -> "EscapeLIFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class EscapeLIFTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]`` of each step."""

    h: Tensor  #: potential before the reset
    v: Tensor  #: potential after the reset
    chance: Tensor  #: the probability of a spike in this step


def escape_lif_step(
    x: EscapeInputs,
    state: EscapeLIFState,
    params: EscapeLIFParams,
    spike: Spike = _STRAIGHT_THROUGH,
) -> tuple[Tensor, EscapeLIFState, EscapeLIFTrace]:
    """One step of the LIF neuron with escape noise.

    It computes, in this order::

        h = exp(-dt/tau) v + current          (held at v while refractory)
        p = 1 - exp(-rho(h) dt)               (0 while refractory)
        s = 1 where 1 - uniform <= p, else 0: 1 with the probability p
        v = h (1 - s)  |  h - threshold s  |  h           ("zero", "subtract", "none")

    For the gradient, a spike is a step function of p, and the surrogate replaces its derivative.
    The derivative 1 ("straight_through", the default here and in `EscapeLIFLayer`) gives
    ``ds/dh = dp/dh``, the derivative of the expected spike. For a loss that is linear in the
    spikes, this gradient is exact on average, as long as no spike affects later spikes through a
    reset or recurrent weights. Where spikes do affect later ones, the gradient along one sampled
    path is an approximation with low variance; unlike a score-function estimator ("REINFORCE"), it
    is biased.

    Args:
        x: the inputs ``[B, ...]``: the current, given as the jump that it causes in the potential,
            as in `lif_step`, and clamped to +-1e15; and random numbers, uniform in [0, 1).
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate (a function of ``p - (1 - uniform)``) and whether the reset is
            detached.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), the new state, and
        the record of ``trace=True``.

    Source: Gerstner et al. 2014, Neuronal Dynamics, section 9.1; the gradient is from Bengio,
    Leonard & Courville 2013, arXiv:1308.3432, section 4.

    Example:
        >>> params = EscapeLIFParams()
        >>> state = EscapeLIF(params).initial_state(torch.zeros(4))
        >>> uniform = torch.tensor([0.0, 0.3, 0.7, 0.99])
        >>> spikes, _, record = escape_lif_step(
        ...     EscapeInputs(torch.full((4,), 0.9), uniform), state, params
        ... )
        >>> round(record.chance[0].item(), 3), spikes.tolist()  # 1 - exp(-exp(-1))
        (0.308, [0.0, 0.0, 1.0, 1.0])
    """
    p = params
    h = p.decay * state.v + bounded(x.current)
    if state.refractory is None:
        refractory = None
        chance = p.chance(h)
        spikes = spike(chance, 1.0 - x.uniform)
    else:
        ready = state.refractory <= 0
        h = torch.where(ready, h, state.v)
        chance = p.chance(h) * ready
        spikes = spike(chance, 1.0 - x.uniform) * ready
        refractory = steps_left(state.refractory, spikes, p.hold)

    reset = spike.reset(spikes)
    if p.reset == "subtract":
        v = h - p.threshold * reset
    elif p.reset == "zero":
        v = h * (1.0 - reset)
    else:
        v = h
    return spikes, EscapeLIFState(v, refractory), EscapeLIFTrace(h, v, chance)


def _rest(params: EscapeLIFParams) -> Any:
    return EscapeLIFState(0.0, 0.0 if params.refractory_steps else None)  # type: ignore[arg-type]


#: The LIF neuron with escape noise, for a `SpikingLayer` that receives random numbers as an input:
#: ``SpikingLayer(EscapeLIF(), surrogate="straight_through")``. `EscapeLIFLayer` draws them itself.
EscapeLIF = define(escape_lif_step, EscapeLIFParams, EscapeLIFState, _rest, inputs=EscapeInputs)


class EscapeLIFLayer(SpikingLayer):
    """A layer of LIF neurons with escape noise that draws its own random numbers.

    The equations are given in `escape_lif_step`. The layer can replace a `LIFLayer`: its input is a
    tensor ``[T, B, ...]`` in the same units.

    Args:
        neuron: the neuron, such as ``EscapeLIF(delta_u=0.2)``, or its parameters; None for the
            defaults.
        learnable: which of "tau", "threshold", "delta_u" and "tau0" are trained. They are stored as
            logarithms, so they stay positive.
        recurrent: number of neurons of a recurrent layer, as in `SpikingLayer`.
        self_connections: False keeps the diagonal of the recurrent weights at 0.
        surrogate: a `SurrogateSpike`, the name of a surrogate, or a function ``(chance, threshold)
            -> spikes``. With the default, the derivative of a spike is the derivative of its
            probability.
        detach_reset: True blocks the gradient through the reset.
        backend: "auto" uses a compiled time loop if it can, otherwise "eager" (and says why, once).
            "eager" runs step by step in PyTorch; "numba" (CPU) and "triton" (CUDA) require the
            compiled loop.

    Raises:
        ValueError: for an unknown name, or an input that is not [T, B, ...].
        TypeError: for another kind of neuron, or an input that is not a floating-point tensor.

    Example:
        >>> layer = EscapeLIFLayer(EscapeLIF(delta_u=0.2))
        >>> x = torch.full((200, 1, 50), 0.045)  # drives v towards 0.92
        >>> one, two = (layer(x, generator=torch.Generator().manual_seed(0))[0] for _ in "ab")
        >>> bool((one == two).all()), bool(one.sum() > 0)
        (True, True)
    """

    def __init__(
        self,
        neuron: Neuron | EscapeLIFParams | None = None,
        *,
        learnable: str | Sequence[str] = (),
        recurrent: int | None = None,
        self_connections: bool = True,
        surrogate: str | Callable[[Tensor, Tensor | float], Tensor] = "straight_through",
        detach_reset: bool = True,
        backend: str = "auto",
    ) -> None:
        if not isinstance(neuron, Neuron):
            neuron = EscapeLIF(neuron)
        elif neuron.step is not escape_lif_step:
            raise TypeError(f"EscapeLIFLayer: the neuron must be an EscapeLIF, not a {neuron.name}")
        super().__init__(
            neuron,
            learnable=learnable,
            recurrent=recurrent,
            self_connections=self_connections,
            surrogate=surrogate,
            detach_reset=detach_reset,
            backend=backend,
        )

    def forward(
        self,
        x: Tensor,
        state: Any = None,
        *,
        generator: torch.Generator | None = None,
        trace: bool = False,
    ):
        """Run the layer over a sequence.

        Args:
            x: input ``[T, B, ...]``, as for a `LIFLayer`.
            state: the state to start from; None for neurons at rest.
            generator: draws the random numbers, one for each neuron and step; None for torch's own
                generator, which `torch.manual_seed` seeds.
            trace: also return the potentials and the spike probabilities.

        Returns:
            ``(spikes [T, B, ...], state)``, followed by an `EscapeLIFTrace` if ``trace=True``.
        """
        check_input(x, type(self).__name__)
        uniform = torch.rand(x.shape, generator=generator, dtype=x.dtype, device=x.device)
        return super().forward(EscapeInputs(x, uniform), state, trace=trace)
