"""The compiled first-spike loops as a differentiable function."""

import torch
from torch import Tensor

from jarvis.kernels.first_order import first_order
from jarvis.kernels.memory import flat

try:
    from jarvis.kernels import first_spike_numba as loops
    from jarvis.kernels.cpu import over_lanes
except ImportError as error:
    _MISSING = f"numba cannot be imported here ({error})"
else:
    _MISSING = None


def unsupported_reason(*tensors: Tensor) -> str | None:
    """Why the loops cannot run on these tensors, in words; None if they can."""
    if torch.compiler.is_compiling():
        return "torch.compile traces it"
    if any(torch._C._functorch.is_functorch_wrapped_tensor(x) for x in tensors):  # type: ignore[attr-defined]
        return "a function transform wraps a tensor, which then has no memory to read"
    return _MISSING or loops.unsupported_reason(*tensors)


class _FirstSpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, t: Tensor, w: Tensor, d: Tensor, values, half: bool, grid: bool):
        (n_samples, n_pre), n_post = t.shape, w.shape[1]
        out, peak = t.new_empty(2, n_samples, n_post)
        # Time of the crossing, slope of v at the crossing; for a silent neuron, time of the peak.
        kept = torch.empty(3, n_samples, n_post, dtype=torch.float64)
        kernel = loops.kernel(False, t.dtype, half, grid)
        arrays = (flat(t), flat(w), flat(d), flat(out))
        more = (flat(kept[0]), flat(kept[1]), flat(peak), flat(kept[2]), values)

        def run(low: int, high: int) -> None:
            kernel(*arrays, *more, n_pre, n_post, low, high)

        over_lanes(run, n_samples, 4 * n_pre * n_post, loops.BLOCK)
        ctx.values, ctx.half, ctx.grid = values, half, grid
        ctx.save_for_backward(t, w, d, kept)
        ctx.set_materialize_grads(False)
        return out, peak

    @staticmethod
    @first_order
    def backward(ctx, g: Tensor | None, g_peak: Tensor | None):
        t, w, d, kept = ctx.saved_tensors
        (n_samples, n_pre), n_post = t.shape, w.shape[1]
        if g is None and g_peak is None:
            return (None,) * 6
        nothing = t.new_zeros(n_samples, n_post)
        kernel = loops.kernel(True, t.dtype, ctx.half, ctx.grid)
        # Sums over samples are computed block by block, so they do not depend on the threads.
        blocks = -(-n_samples // loops.BLOCK)
        sums = torch.zeros(2, blocks, n_pre, n_post, dtype=torch.float64)
        gt = torch.zeros_like(t, memory_format=torch.contiguous_format)
        arrays = (flat(t), flat(w), flat(d), *(flat(part) for part in kept))
        arrays += tuple(flat(nothing if part is None else part) for part in (g, g_peak))
        arrays += (flat(gt), flat(sums[0]), flat(sums[1]), ctx.values)

        def run(low: int, high: int) -> None:
            kernel(*arrays, n_pre, n_post, low, high)

        over_lanes(run, n_samples, 2 * n_pre * n_post, loops.BLOCK)
        gw, gd = sums.sum(1).to(t.dtype)
        return gt, gw, gd, None, None, None


def run(times: Tensor, weights: Tensor, delays: Tensor, values, half: bool, grid: bool):
    """First spikes from the compiled loops: times and peaks ``[B, n_post]``.

    Args:
        times: input spike times, ms, ``[B, n_pre]``.
        weights, delays: ``[n_pre, n_post]``, delays in ms.
        values: the numbers that the loop reads, in the order of `FirstSpikeParams.values`.
        half: whether ``tau = 2 tau_syn``, for which the crossing has a closed form.
        grid: whether spike times lie on a time grid.
    """
    shape = (times.shape[-1], weights.shape[-1])
    if times.dim() != 2 or weights.shape != shape or delays.shape != shape:
        raise ValueError(
            f"first spikes: times {tuple(times.shape)}, weights {tuple(weights.shape)} and delays "
            f"{tuple(delays.shape)} must be [B, n_pre], [n_pre, n_post], [n_pre, n_post]"
        )
    return _FirstSpike.apply(times, weights, delays, values, half, grid)
