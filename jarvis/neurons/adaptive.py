"""The adaptive LIF neuron in its published forms: a threshold that rises with each spike.

Three groups trained this neuron with slightly different equations. The equations differ in four
choices, which are options here: how the input is scaled, what the threshold follows, what the reset
subtracts, and when it does so.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor

from jarvis.neurons.decay import exp_decay
from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.numbers import bounded
from jarvis.support.checks import check_choice
from jarvis.surrogate import DEFAULT_SPIKE, Spike

INPUTS = ("jump", "current")
ADAPTS_TO = ("count", "rate")
RESETS = ("base", "adaptive")
RESET_AT = ("spike", "next")


@dataclass(frozen=True)
class ALIFParams(Parameters):
    """Parameters of the adaptive LIF neuron, in ms and in units of the potential (rest is 0).

    With decays ``alpha = exp(-dt/tau)`` and ``rho = exp(-dt/tau_adapt)``, the threshold of a step
    is ``A = threshold + beta a``. The four options (`alif_step` gives the order of operations)::

        input       "jump"      v is moved by x
                    "current"   v is moved by (1 - alpha) x: a constant x drives v to x
        adapts_to   "count"     a = rho a + s: a decaying count of spikes
                    "rate"      a = rho a + (1 - rho) s: a running mean of spikes per step
        reset       "base"      a spike subtracts threshold
                    "adaptive"  a spike subtracts A
        reset_at    "spike"     in the step of the spike
                    "next"      in the next step, after the leak, with the A of that step

    The published forms are named sets::

                 input    adapts_to  reset     reset_at  from
        "lsnn"   current  rate       adaptive  next      Bellec et al. 2018
        "eprop"  jump     count      base      next      Bellec et al. 2020
        "srnn"   current  rate       adaptive  next      Yin et al. 2021

    The numbers come from the authors' public code, all for dt = 1 ms; "srnn" uses the means of the
    distributions from which the initial values of tau and tau_adapt are drawn before learning.
    Three details of that code are omitted: "eprop" has refractory periods, "lsnn" compares the
    potential of the previous step with the threshold, and "srnn" starts at random potentials.

    Some forms can be converted into each other: "current" is "jump" with weights multiplied by
    ``1 - alpha``, and "rate" is "count" with beta multiplied by ``1 - rho``. "base" and "adaptive"
    give different neurons. So do "spike" and "next", because an amount that is subtracted in the
    step of the spike leaks before the next step: subtracting R in the next step is equivalent to
    subtracting ``R/alpha`` at once.

    The default options describe the same neuron as `LIF` with ``adaptation=beta`` and the same tau,
    threshold and tau_adapt; so do "current" and "rate" after the conversions above. `LIF` has
    neither the reset "adaptive" nor "next", so none of the published sets is exactly a `LIF`;
    "eprop" differs from `LIF` only by a factor of 1/alpha in the reset.

    The decays are exact for any dt. Spikes occur at the ends of steps, at most one per step.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per neuron.

    Args:
        tau: membrane time constant, ms; `math.inf` for no leak.
        tau_adapt: time constant with which the threshold recovers, ms.
        threshold: threshold of a neuron without recent spikes, in units of v.
        beta: how far the threshold rises per unit of a, in units of v.
        input: "jump" or "current".
        adapts_to: "count" or "rate".
        reset: "base" or "adaptive".
        reset_at: "spike" or "next".
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.

    Source: Bellec et al. 2018, NeurIPS 31; Bellec et al. 2020, Nat. Commun. 11:3625; Yin, Corradi
    & Bohte 2021, Nat. Mach. Intell. 3:905.

    Example:
        >>> ALIFParams.named("srnn", tau_adapt=300.0)  # doctest: +ELLIPSIS
        ALIFParams(tau=20.0, tau_adapt=300.0, threshold=0.01, beta=1.8, input='current', ...)
    """

    tau: float | Tensor = parameter(20.0, "ms", above=0, finite=False)
    tau_adapt: float | Tensor = parameter(200.0, "ms", above=0, finite=False)
    threshold: float | Tensor = parameter(1.0, above=0)
    beta: float | Tensor = parameter(0.1, at_least=0)
    input: str = "jump"
    adapts_to: str = "count"
    reset: str = "base"
    reset_at: str = "spike"
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    named_sets = {
        # The defaults of ALIF in the authors' repository LSNN-official.
        "lsnn": dict(
            tau=20.0, tau_adapt=200.0, threshold=0.01, beta=1.6,
            input="current", adapts_to="rate", reset="adaptive", reset_at="next",
        ),
        # Evidence accumulation in the authors' repository eligibility_propagation.
        "eprop": dict(
            tau=20.0, tau_adapt=2000.0, threshold=0.6,
            beta=1.7 * math.expm1(-1.0 / 2000.0) / math.expm1(-1.0 / 20.0),
            input="jump", adapts_to="count", reset="base", reset_at="next",
        ),
        # Spoken digits in the authors' repository Efficient-spiking-networks.
        "srnn": dict(
            tau=20.0, tau_adapt=150.0, threshold=0.01, beta=1.8,
            input="current", adapts_to="rate", reset="adaptive", reset_at="next",
        ),
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("input", self.input, INPUTS)
        check_choice("adapts_to", self.adapts_to, ADAPTS_TO)
        check_choice("reset", self.reset, RESETS)
        check_choice("reset_at", self.reset_at, RESET_AT)

    @derived
    def decay(self) -> float | Tensor:
        """alpha, the fraction of v that remains after one step: ``exp(-dt/tau)``."""
        return exp_decay(self.tau, self.dt)

    @derived
    def decay_adapt(self) -> float | Tensor:
        """rho, the fraction of a that remains after one step: ``exp(-dt/tau_adapt)``."""
        return exp_decay(self.tau_adapt, self.dt)

    @derived
    def gain(self) -> float | Tensor:
        """The change of v per unit of x: 1, or 1 - alpha."""
        return 1.0 if self.input == "jump" else 1.0 - self.decay

    @derived
    def step_up(self) -> float | Tensor:
        """The change of a per spike: 1, or 1 - rho."""
        return 1.0 if self.adapts_to == "count" else 1.0 - self.decay_adapt


class ALIFState(NamedTuple):
    """State of adaptive LIF neurons: tensors ``[B, ...]``."""

    v: Tensor  #: potential after the reset, or before it with ``reset_at="next"``
    a: Tensor  #: adaptation: decaying count, or running mean, of the neuron's own spikes
    s: Tensor | None = None  #: spikes whose reset is due, with ``reset_at="next"``

    def detach(self) -> "ALIFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class ALIFTrace(NamedTuple):
    """The potential and the threshold that it is compared with, each ``[T, B, ...]``."""

    h: Tensor  #: potential before the reset of this step's spike
    threshold: Tensor  #: A


def alif_step(
    x: Tensor, state: ALIFState, params: ALIFParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, ALIFState, ALIFTrace]:
    """One step of the adaptive LIF neuron.

    It computes, in this order, with reset_at "spike" on the left and "next" on the right; s'
    denotes the spikes of the previous step::

        A = threshold + beta a                       A = threshold + beta a
        h = alpha v + gain x                         h = alpha v + gain x - R s'
        s = 1 where h >= A, else 0                   s = 1 where h >= A, else 0
        v = h - R s                                  v = h
        a = rho a + step_up s                        a = rho a + step_up s

    R is the threshold (reset "base") or A (reset "adaptive"). gain is 1 for input "jump" and
    ``1 - alpha`` for "current"; step_up is 1 for adapts_to "count" and ``1 - rho`` for "rate".

    Since a is updated at the end of a step, A reflects all spikes up to the previous step. With
    reset_at "next" and reset "adaptive", R is therefore the threshold after the spike has raised
    it.

    Args:
        x: input of this step ``[B, ...]``: the jump of v (input "jump"), or the value towards which
            v is driven (input "current").
        state: the state before the step; `ALIF(...).initial_state(x)` is the state at rest.
        params: the neuron's parameters.
        spike: the surrogate (a function of ``(h - A)/threshold``) and whether the reset is
            detached.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN); the new state, with v
        bounded by 1e15; and h and A.

    Source: Bellec et al. 2018, NeurIPS 31, section 2; Bellec et al. 2020, Nat. Commun. 11:3625,
    eqs. 6-9; Yin, Corradi & Bohte 2021, Nat. Mach. Intell. 3:905.

    Example:
        Intervals grow under a constant input:

        >>> import torch
        >>> neuron = ALIF(beta=0.2)
        >>> x = torch.full((1,), 0.1)
        >>> state, times = neuron.initial_state(x), []
        >>> for t in range(250):
        ...     spikes, state, _ = alif_step(x, state, neuron.values)
        ...     times += [t] if spikes else []
        >>> [b - a for a, b in zip(times, times[1:])]
        [17, 20, 23, 25, 29, 32, 35, 36]
    """
    p = params
    threshold = p.threshold + p.beta * state.a
    subtracted = threshold if p.reset == "adaptive" else p.threshold
    h = p.decay * state.v + (x if p.input == "jump" else p.gain * x)
    if state.s is not None:
        h = h - subtracted * spike.reset(state.s)
    h = bounded(h)
    spikes = spike((h - threshold) / p.threshold, 0.0)
    trace = ALIFTrace(h, threshold)
    jump = spikes if p.adapts_to == "count" else p.step_up * spikes
    a = p.decay_adapt * state.a + jump
    if state.s is not None:
        return spikes, ALIFState(h, a, spikes), trace
    return spikes, ALIFState(h - subtracted * spike.reset(spikes), a), trace


def _rest(params: ALIFParams) -> Any:
    return ALIFState(
        v=0.0,  # type: ignore[arg-type]
        a=0.0,  # type: ignore[arg-type]
        s=0.0 if params.reset_at == "next" else None,  # type: ignore[arg-type]
    )


#: The adaptive LIF neuron: ``ALIF(beta=0.2)`` for a `SpikingLayer`.
ALIF = define(alif_step, ALIFParams, ALIFState, _rest)
