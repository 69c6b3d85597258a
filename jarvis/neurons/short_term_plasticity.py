"""Short-term plasticity: synapses that depress or facilitate from one spike to the next.

The layer stands between the presynaptic spikes and their weights. The output of a synapse depends
on the resources that are left and on the fraction of them that a spike uses.
"""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.decay import exp_decay
from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.support.checks import check_choice, check_number
from jarvis.surrogate import DEFAULT_SPIKE, Spike

SCALES = ("first", "release")


class StationaryRelease(NamedTuple):
    """The stationary response of a synapse to a regular spike train; see `stationary`."""

    u: float  #: fraction of the resources that each spike uses
    r: float  #: fraction of the resources that is available at each spike
    output: float  #: output of the synapse at each spike


@dataclass(frozen=True)
class ShortTermPlasticityParams(Parameters):
    """Parameters of a synapse with short-term depression and facilitation, in ms.

    Between spikes, the resources R recover towards 1, and the utilisation u decays to 0. A spike
    first raises u, then releases the fraction u of the resources::

        dR/dt = (1 - R)/tau_rec         at a spike: R -> R - u R
        du/dt = -u/tau_facil            at a spike: u -> u + U (1 - u), before the release

    The first spike of a rested synapse therefore releases U. If tau_rec is long, fewer resources
    are available to the following spikes (depression); if tau_facil is long, the following spikes
    use a larger fraction (facilitation). Released resources are assumed to become inactive
    immediately (tau_inact = 0).

    In Mongillo et al. 2008, u decays to U instead of 0, so a rested synapse releases more than U.

    A step is exact for any dt. Spikes lie on the time grid, as in all layers.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per synapse.

    Args:
        U: utilisation by the first spike, in (0, 1]. (During learning, values above 1 count as 1.)
        tau_rec: time constant with which resources recover, ms; 0 for no depression.
        tau_facil: time constant with which the utilisation decays, ms; 0 for no facilitation.
        scale: with "first", the output is ``u R/U``, which is 1 at the first spike of a rested
            synapse; with "release", it is ``u R``, the fraction of the resources that is released.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.

    Source: Tsodyks, Pawelzik & Markram 1998, Neural Comput. 10:821, and figure 1 for
    the sets "depressing" and "facilitating".

    Example:
        >>> params = ShortTermPlasticityParams.named("depressing")
        >>> [round(params.stationary(rate).output, 3) for rate in (1.0, 20.0, 100.0)]
        [0.833, 0.114, 0.025]
    """

    U: float | Tensor = parameter(0.5, above=0, at_most=1)
    tau_rec: float | Tensor = parameter(800.0, "ms", at_least=0)
    tau_facil: float | Tensor = parameter(0.0, "ms", at_least=0)
    scale: str = "first"
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    #: Tsodyks, Pawelzik & Markram 1998, figure 1: pyramidal cell to pyramidal cell (A), and
    #: pyramidal cell to interneuron (B, C).
    named_sets = {
        "depressing": dict(U=0.5, tau_rec=800.0, tau_facil=0.0),
        "facilitating": dict(U=0.03, tau_rec=130.0, tau_facil=530.0),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("scale", self.scale, SCALES)

    @derived
    def use(self) -> float | Tensor:
        """U, at most 1."""
        return self.U.clamp_max(1.0) if isinstance(self.U, Tensor) else self.U

    @derived
    def unit(self) -> float | Tensor:
        """The output per unit of release."""
        return 1.0 / self.use if self.scale == "first" else 1.0

    @derived
    def decay_rec(self) -> float | Tensor:
        """The factor by which the missing resources, 1 - R, decay in one step."""
        return _decay(self.tau_rec, self.dt)

    @derived
    def decay_facil(self) -> float | Tensor:
        """Fraction of the utilisation that remains after one step."""
        return _decay(self.tau_facil, self.dt)

    @property
    def limiting_rate(self) -> float:
        """Rate beyond which the stationary output falls as 1/rate, Hz: ``1/(U tau_rec)``.

        Above this rate, the total output per second of a synapse without facilitation no longer
        depends on the rate.

        Source: Tsodyks & Markram 1997, PNAS 94:719.
        """
        p = self.plain()
        return math.inf if p.tau_rec == 0.0 else 1000.0 / (p.U * p.tau_rec)

    def stationary(self, rate: float) -> StationaryRelease:
        """The effect of each spike in a long regular train.

        With a the fraction of ``1 - R``, and b the fraction of u, that remains at the next spike::

            u = U / (1 - (1 - U) b)
            R = (1 - a) / (1 - (1 - u) a)

        Args:
            rate: rate of the train, Hz; intervals need not be whole steps.

        Returns:
            u and R at a spike, and the output: ``u R/U`` or ``u R``.

        Raises:
            ValueError: for a rate that is not positive, or for parameters that differ from synapse
                to synapse.

        Example:
            >>> round(ShortTermPlasticityParams.named("facilitating").stationary(20.0).output, 2)
            5.52
        """
        p = self.plain()
        interval = 1000.0 / check_number("stationary: rate", rate, "Hz", above=0)
        a, b = _decay(p.tau_rec, interval), _decay(p.tau_facil, interval)
        u = p.U / (1.0 - (1.0 - p.U) * b)
        r = (1.0 - a) / (1.0 - (1.0 - u) * a)
        return StationaryRelease(u, r, u * r * p.unit)


def _decay(tau: float | Tensor, dt: float) -> Any:
    if not isinstance(tau, Tensor) and tau == 0.0:
        return 0.0
    return exp_decay(tau, dt)


class ShortTermPlasticityState(NamedTuple):
    """State of synapses at the end of a step, spikes included: tensors ``[B, ...]``."""

    u: Tensor  #: utilisation: decaying fraction of the resources that the last spike used
    r: Tensor  #: resources, from 0 to 1

    def detach(self) -> "ShortTermPlasticityState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


def short_term_plasticity_step(
    x: Tensor,
    state: ShortTermPlasticityState,
    params: ShortTermPlasticityParams,
    spike: Spike = DEFAULT_SPIKE,
) -> tuple[Tensor, ShortTermPlasticityState]:
    """One step of a synapse with short-term depression and facilitation.

    First both variables follow their equations for dt, then the spike takes effect::

        u = exp(-dt/tau_facil) u                R = 1 - exp(-dt/tau_rec) (1 - R)
        w = u + U (1 - u)                       what a spike uses
        y = x w R                               what is released
        u = u + x (w - u)                       R = R - y

    All expressions are linear in x between no spike (0) and a spike (1). The derivative with
    respect to x is therefore the change that a spike would cause, even where there is no spike.

    Args:
        x: presynaptic spikes ``[B, ...]``, 0 or 1; a value in between counts as that fraction of a
            spike. x is clamped to [0, 1].
        state: the state before the step.
        params: the synapse's parameters.
        spike: not used.

    Returns:
        the output ``[B, ...]`` (``y/U`` or y, as `params` says; 0 without a spike), and the new
        state.

    Source: Tsodyks, Pawelzik & Markram 1998, Neural Comput. 10:821; Markram, Wang &
    Tsodyks 1998, PNAS 95:5323, for the iteration from spike to spike.

    Example:
        >>> params = ShortTermPlasticityParams(U=0.5, tau_rec=100.0, dt=50.0)
        >>> state = ShortTermPlasticity(params).initial_state(torch.zeros(1))
        >>> for _ in range(3):
        ...     y, state = short_term_plasticity_step(torch.ones(1), state, params)
        ...     print(round(y.item(), 3))
        1.0
        0.697
        0.605
    """
    p = params
    # clamp(0, 1) would have a derivative of 0 where x is exactly 0 or 1, as it is for spikes.
    x = torch.where(x < 0.0, 0.0, torch.where(x > 1.0, 1.0, x))
    u = p.decay_facil * state.u
    r = 1.0 - p.decay_rec * (1.0 - state.r)
    more = p.use * (1.0 - u)
    released = x * (u + more) * r
    return p.unit * released, ShortTermPlasticityState(u + x * more, r - released)


#: Short-term plasticity of the synapses from each neuron of a layer. The layer
#: ``SpikingLayer(ShortTermPlasticity(U=0.5, tau_rec=800.0))`` maps spikes to a graded output, which
#: replaces the spikes as the input to the weights.
ShortTermPlasticity = define(
    short_term_plasticity_step,
    ShortTermPlasticityParams,
    ShortTermPlasticityState,
    lambda params: ShortTermPlasticityState(0.0, 1.0),  # type: ignore[arg-type]
    fires=False,
)
