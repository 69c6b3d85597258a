"""Check that another library's neuron computes the same as ours, before it is timed."""

from collections.abc import Callable

import torch
from torch import Tensor

from jarvis import LIFLayer

SHAPE = (60, 3, 16)  #: T, B and N in the comparison
TAU = 20.0  #: time constant of every LIF neuron in the benchmarks, ms; dt = 1 ms


class Disagreement(ValueError):
    """Two implementations of the same neuron differ."""


def gradient(run: Callable[[Tensor], Tensor], x: Tensor, g: Tensor) -> tuple[Tensor, Tensor]:
    """The spikes, and the gradient that reaches x when the spikes are given the gradient g."""
    x = x.clone().requires_grad_()
    spikes = run(x)
    spikes.backward(g)
    assert x.grad is not None
    return spikes.detach(), x.grad


def compare(got: tuple[Tensor, ...], want: tuple[Tensor, ...], tolerance: float) -> str:
    """Compare (output, gradient, ...) with the reference; the outputs must be equal.

    Raises:
        Disagreement: if they differ, with the number of differing spikes or the largest error.
    """
    spikes, wanted = got[0].double(), want[0].double()
    if not wanted.any():
        raise Disagreement("the reference never fires: this compares nothing")
    different = int((spikes != wanted).sum())
    if different:
        raise Disagreement(f"{different} of {wanted.numel()} spikes differ")
    worst = 0.0
    for ours, theirs in zip(got[1:], want[1:], strict=True):
        scale = theirs.abs().max().clamp_min(1e-30)
        worst = max(worst, float((ours.double() - theirs).abs().max() / scale))
    if not worst <= tolerance:
        raise Disagreement(f"gradients differ by {worst:.1e} of the largest")
    return f"same spikes, gradients within {worst:.0e}"


def agree(
    make: Callable[[torch.dtype], Callable[[Tensor], Tensor]],
    *,
    dtype: torch.dtype = torch.float64,
    tolerance: float = 1e-5,
    **options,
) -> str:
    """Compare a LIF neuron ``x [T, B, N] -> spikes`` with the eager step in float64.

    Args:
        make: returns the function for a dtype.
        dtype: precision of the peer. In float32 a potential may round to the other side of the
            threshold and change a spike, so spikes only have to be equal in float64.
        tolerance: largest error allowed in the gradient, relative to the largest gradient.
        **options: options of our `LIFLayer` that match the peer's neuron.

    Raises:
        Disagreement: if spikes or gradients differ.
    """
    generator = torch.Generator().manual_seed(0)
    # The values are representable in float32, so that both precisions use the same input.
    x = (0.3 * torch.rand(SHAPE, generator=generator)).double()
    g = torch.randn(SHAPE, generator=generator).double()
    eager = LIFLayer(tau=TAU, backend="eager", **options)
    want = gradient(lambda x: eager(x)[0], x, g)
    return compare(gradient(make(dtype), x.to(dtype), g.to(dtype)), want, tolerance)
