"""What both scalings of the AdEx neuron share: checks of parameters, and a bound on the input."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from jarvis.kernels.adex_spec import LARGEST_INPUT
from jarvis.surrogate import SurrogateSpike


def check_params(params: object, positive: tuple[str, ...], finite: tuple[str, ...]) -> None:
    """ValueError for a field that is not a finite number (and above 0, where it must be)."""
    for name in (*positive, *finite):
        value = getattr(params, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name}={value!r} must be a number, the same for all neurons")
        if not math.isfinite(value):
            raise ValueError(f"{name}={value!r} must be finite")
        if name in positive and not value > 0:
            raise ValueError(f"{name}={value!r} must be positive")


Surrogate = Callable[[Tensor, Tensor | float], Tensor]

DEFAULT_SURROGATE = SurrogateSpike()


class _Saturate(torch.autograd.Function):
    """Clamp to +-`LARGEST_INPUT`; backward, as if there were no clamp."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.clamp(-LARGEST_INPUT, LARGEST_INPUT)

    @staticmethod
    def backward(ctx, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0]


def saturate(x: Tensor) -> Tensor:
    return _Saturate.apply(x)  # type: ignore[return-value]
