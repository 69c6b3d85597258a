"""Shared by both scalings of the AdEx neuron: the surrogate, and a bound on the input."""

from collections.abc import Callable

import torch
from torch import Tensor

from jarvis.kernels.adex_spec import LARGEST_INPUT
from jarvis.surrogate import SurrogateSpike

Surrogate = Callable[[Tensor, Tensor | float], Tensor]

DEFAULT_SURROGATE = SurrogateSpike()


class _Saturate(torch.autograd.Function):
    """Clamp to +-`LARGEST_INPUT`; the backward pass ignores the clamp."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.clamp(-LARGEST_INPUT, LARGEST_INPUT)

    @staticmethod
    def backward(ctx, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0]


def saturate(x: Tensor) -> Tensor:
    return _Saturate.apply(x)  # type: ignore[return-value]
