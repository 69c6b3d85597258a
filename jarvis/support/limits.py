"""Limits on learned quantities; a quantity that is beyond a limit can still return."""

import torch
from torch import Tensor


class _Limit(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.low, ctx.high = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,), (grad,) = ctx.saved_tensors, grads
        # Descent follows the negative gradient, so a positive gradient would lower x further.
        outward = ((x < ctx.low) & (grad > 0)) | ((x > ctx.high) & (grad < 0))
        return grad.masked_fill(outward, 0.0), None, None


def limited(x: Tensor, low: float, high: float) -> Tensor:
    """Clamp x; beyond a limit, only gradients that move the value back towards the limit remain.

    With `torch.clamp`, a parameter that has drifted beyond a limit gets no gradient and stays there
    for ever.

    Example:
        >>> x = torch.tensor([-1.0, 2.0], requires_grad=True)
        >>> limited(x, 0.0, 1.0).backward(torch.tensor([-1.0, -1.0]))  # descent raises both
        >>> x.grad
        tensor([-1., 0.])
    """
    return _Limit.apply(x, low, high)
