"""A neuron without spikes and without memory, to compare with: a tanh unit as in other networks."""

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
    """What a tanh unit has sent last ``[B, ...]``; its next output does not depend on it."""

    y: Tensor

    def detach(self) -> "TanhState":
        """The state detached from the graph."""
        return detached(self)


def tanh_step(
    x: Tensor, state: TanhState, params: TanhParams, spike: Spike = DEFAULT_SPIKE
) -> tuple[Tensor, TanhState]:
    """One step of a tanh unit: ``y = tanh(gain x)``, whatever the state is.

    Args:
        x: the input ``[B, ...]``.
        state: not used.
        params: its parameters.
        spike: not used.

    Returns:
        y ``[B, ...]``, and y as the state.
    """
    y = torch.tanh(params.gain * x)
    return y, TanhState(y)


#: A unit of an ordinary network.
Tanh = define(tanh_step, TanhParams, TanhState, lambda params: TanhState(0.0), fires=False)  # type: ignore[arg-type]
