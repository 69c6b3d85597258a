"""A neuron without spikes or memory, for comparison: the tanh unit of ordinary networks."""

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from jarvis.neurons import Parameters, define, detached, parameter
from jarvis.surrogate import DEFAULT_SPIKE, Spike


@dataclass(frozen=True)
class TanhParams(Parameters):
    """Parameters of a tanh unit.

    Args:
        gain: slope at 0.
    """

    gain: float | Tensor = parameter(1.0, above=0)


class TanhState(NamedTuple):
    """The last output of a tanh unit ``[B, ...]``, on which the next output does not depend."""

    y: Tensor

    def detach(self) -> "TanhState":
        """The state detached from the graph."""
        return detached(self)


def tanh_step(
    x: Tensor, state: TanhState, params: TanhParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, TanhState]:
    """One step of a tanh unit: ``y = tanh(gain x)``, for any state.

    Args:
        x: the input ``[B, ...]``.
        state: not used.
        params: the unit's parameters.
        spike: not used.

    Returns:
        y ``[B, ...]``, and the state, which is y as well.
    """
    y = torch.tanh(params.gain * x)
    return y, TanhState(y)


#: A unit of an ordinary network.
Tanh = define(tanh_step, TanhParams, TanhState, lambda params: TanhState(0.0), fires=False)  # type: ignore[arg-type]
