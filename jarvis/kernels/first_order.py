"""The error raised when the derivative of a compiled loop is differentiated again."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import torch
from torch import Tensor

MESSAGE = (
    "a compiled time loop has first derivatives only, but a second one was requested (a gradient "
    "penalty, a Hessian): use backend='eager'"
)


def first_order(backward: Callable[..., Any]) -> Callable[..., Any]:
    """A `backward` of a `torch.autograd.Function` whose result cannot be differentiated again.

    It runs without recording a graph. If a graph is requested (``create_graph=True``),
    differentiating the returned gradients raises an error. torch's `once_differentiable` raises an
    error only if the incoming gradient requires a gradient, so the second derivative of a plain sum
    would silently be 0.

    Raises:
        RuntimeError: if the returned gradients are differentiated.
    """

    @wraps(backward)
    def wrapped(ctx: Any, *grad_outputs: Tensor | None) -> Any:
        if not torch.is_grad_enabled():
            return backward(ctx, *grad_outputs)
        with torch.no_grad():
            gradients = backward(ctx, *grad_outputs)
        found = [g for g in gradients if g is not None]
        marked = iter(_raising(found))
        return tuple(None if g is None else next(marked) for g in gradients)

    return wrapped


class _Raise(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> tuple[Tensor, ...]:
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> Any:
        raise RuntimeError(MESSAGE)


def _raising(tensors: list[Tensor]) -> tuple[Tensor, ...]:
    return _Raise.apply(*(tensor.detach().requires_grad_() for tensor in tensors))  # type: ignore[return-value]
