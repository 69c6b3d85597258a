"""Code for both scalings of the AdEx neuron: a bound on inputs, and extremes over all neurons."""

import numpy as np
import torch
from torch import Tensor

from jarvis.neurons.numbers import LARGEST_INPUT


class _Saturate(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.clamp(-LARGEST_INPUT, LARGEST_INPUT)

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        pass

    @staticmethod
    def backward(ctx, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0]


class _SaturateBothWays(_Saturate):
    """`_Saturate` with forward-mode derivatives, which `torch.compile` cannot trace."""

    generate_vmap_rule = True

    @staticmethod
    def jvp(ctx, *grad_inputs: Tensor) -> Tensor:
        return grad_inputs[0].clone()


def saturate(x: Tensor) -> Tensor:
    """Clamp to +-`LARGEST_INPUT`; the derivative ignores the clamp."""
    function = _Saturate if torch.compiler.is_compiling() else _SaturateBothWays
    return function.apply(x)  # type: ignore[return-value]


def as_array(value: float | Tensor | np.ndarray) -> np.ndarray:
    """Convert a number, or one number per neuron, to float64."""
    return np.asarray(value.detach().cpu() if isinstance(value, Tensor) else value, np.float64)


def largest(value: float | Tensor | np.ndarray) -> float:
    """The largest value over all neurons."""
    return float(as_array(value).max())


def smallest(value: float | Tensor | np.ndarray) -> float:
    """The smallest value over all neurons."""
    return float(as_array(value).min())
