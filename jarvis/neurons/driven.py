"""A layer whose input is scaled to the units of its neurons and held for several of their steps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from jarvis.neurons.layer import SpikingLayer
from jarvis.neurons.layers import check_input, over_time
from jarvis.support.checks import check_integer, check_number, check_type


class DrivenLayer(nn.Module):
    """Neurons of any kind that take inputs of order 1, as in a hidden layer of an ordinary network.

    Synapses are initialised such that the input they deliver in one time step is of order 0.1 to 1.
    A neuron in mV and pA needs an input of several hundred, and a Hodgkin-Huxley neuron takes many
    steps of 0.025 ms while its input lasts 1 ms. The neuron's input at step t is therefore
    ``offset + gain x_t``, held for `steps` steps of the neuron; the output of step t is the sum of
    the neuron's outputs during these steps::

        y_t = sum_k s_(t steps + k)

    Args:
        layer: the neurons: a `SpikingLayer`.
        gain: factor by which the input is multiplied, in the unit of the neuron's input.
        offset: constant input, in the same unit.
        steps: number of steps that the neurons take for each step of the input.
        inputs: for neurons with several inputs, a function that maps the scaled input to all of
            them, such as one that `by_sign` returns; None for neurons with one input.

    Attributes:
        fires: whether the output consists of spikes. With several neuron steps per input step, the
            output is the number of spikes.

    Raises:
        TypeError: for a layer that is not a `SpikingLayer`, or an argument that should be a number
            but is not.
        ValueError: for a number that is not finite, or fewer than one step.

    Example:
        >>> from jarvis.lif import LIF
        >>> layer = DrivenLayer(SpikingLayer(LIF(dt=0.5)), gain=0.5, steps=2)
        >>> y, state = layer(torch.full((10, 1, 3), 0.4))
        >>> y.shape, int(y[:, 0, 0].sum())
        (torch.Size([10, 1, 3]), 3)
    """

    def __init__(
        self,
        layer: SpikingLayer,
        *,
        gain: float = 1.0,
        offset: float = 0.0,
        steps: int = 1,
        inputs: Callable[[Tensor], Any] | None = None,
    ) -> None:
        super().__init__()
        check_type("DrivenLayer: layer", layer, SpikingLayer)
        self.layer, self.inputs = layer, inputs
        self.gain = check_number("DrivenLayer: gain", gain)
        self.offset = check_number("DrivenLayer: offset", offset)
        self.steps = check_integer("DrivenLayer: steps", steps, at_least=1)

    @property
    def fires(self) -> bool:
        return self.layer.fires

    @property
    def n_updates(self) -> int:
        """Number of state-variable updates per neuron in one step of the input."""
        return self.steps * self.layer.n_updates

    @property
    def weight(self) -> Tensor | None:
        """The recurrent weights of the neurons, if there are any."""
        return getattr(self.layer, "weight", None)

    def initial_state(self, x: Tensor) -> Any:
        """The resting state for an `x` that is one time step ``[B, ...]`` of the input."""
        return self.layer.initial_state(x)

    def forward(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """Run the neurons over a sequence.

        Args:
            x: ``[T, B, ...]``, of order 1.
            state: the state that a previous call returned; None for neurons at rest.

        Returns:
            the output ``[T, B, ...]``, and the state of the neurons.
        """
        check_input(x, type(self).__name__)
        x = self._held(over_time(self._scaled, x))
        spikes, after = self.layer(x if self.inputs is None else self.inputs(x), state)
        if self.steps > 1:
            spikes = spikes.unflatten(0, (-1, self.steps)).sum(1)
        return spikes, after

    def _scaled(self, x: Tensor) -> Tensor:
        if self.gain == 1.0 and self.offset == 0.0:
            return x
        return self.gain * x + self.offset

    def _held(self, x: Tensor) -> Tensor:
        """The input at each step of the neurons, ``[T steps, B, ...]``."""
        if self.steps == 1:
            return x
        if len(x) > 1 and x.stride(0) == 0:  # constant: nothing is copied
            return x[:1].expand(len(x) * self.steps, *x.shape[1:])
        return x.repeat_interleave(self.steps, 0)

    def extra_repr(self) -> str:
        return f"gain={self.gain:g}, offset={self.offset:g}, steps={self.steps}"


def by_sign(kind: type) -> Callable[[Tensor], Any]:
    """Return a function that splits a current into excitatory and inhibitory inputs.

    Args:
        kind: the NamedTuple class of the neuron's inputs, whose first two fields are the excitatory
            and the inhibitory input. Any further inputs are 0.

    Returns:
        a function that maps x ``[T, B, ...]`` to inputs of the same shape: the excitatory input is
        the positive part of x, and the inhibitory input is the magnitude of its negative part.

    Example:
        >>> from typing import NamedTuple
        >>> class Inputs(NamedTuple):
        ...     excitatory: Tensor
        ...     inhibitory: Tensor
        >>> by_sign(Inputs)(torch.tensor([2.0, -3.0]))
        Inputs(excitatory=tensor([2., 0.]), inhibitory=tensor([0., 3.]))
    """
    first, second, *others = kind._fields  # type: ignore[attr-defined]

    def split(x: Tensor) -> Any:
        nothing = torch.zeros_like(x[:1]).expand_as(x) if x.dim() > 1 else torch.zeros_like(x)
        silence = dict.fromkeys(others, nothing)
        return kind(**{first: x.clamp_min(0.0), second: (-x).clamp_min(0.0)}, **silence)

    return split
