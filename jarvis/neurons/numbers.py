"""Functions of a parameter, which is a number or a tensor with one value for each neuron."""

import math

import torch
from torch import Tensor

#: Inputs are clamped to this magnitude, so that neither their sums nor any state become infinite.
LARGEST_INPUT = 1e15


def exp(x: float | Tensor) -> float | Tensor:
    """``e^x``."""
    return torch.exp(x) if isinstance(x, Tensor) else math.exp(x)


def expm1(x: float | Tensor) -> float | Tensor:
    """``e^x - 1``."""
    return torch.expm1(x) if isinstance(x, Tensor) else math.expm1(x)


def log(x: float | Tensor) -> float | Tensor:
    """The natural logarithm; log(0) is minus infinity."""
    if isinstance(x, Tensor):
        return torch.log(x)
    return math.log(x) if x > 0 else -math.inf


def sqrt(x: float | Tensor) -> float | Tensor:
    """The square root."""
    return torch.sqrt(x) if isinstance(x, Tensor) else math.sqrt(x)


def cos(x: float | Tensor) -> float | Tensor:
    """The cosine."""
    return torch.cos(x) if isinstance(x, Tensor) else math.cos(x)


def sin(x: float | Tensor) -> float | Tensor:
    """The sine."""
    return torch.sin(x) if isinstance(x, Tensor) else math.sin(x)


def largest(x: float | Tensor) -> float:
    """The largest value over all neurons."""
    return float(x.detach().max()) if isinstance(x, Tensor) and x.numel() else float(x)


def smallest(*values: float | Tensor) -> float:
    """The smallest of several parameters, over all neurons."""
    return min(-largest(-value) for value in values)


def bounded(x: Tensor) -> Tensor:
    """The input clamped to +-`LARGEST_INPUT`."""
    return x.clamp_max(LARGEST_INPUT).clamp_min(-LARGEST_INPUT)
