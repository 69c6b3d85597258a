"""Runs generated loops on a GPU, compiled by Triton.

On a machine without a GPU they run in Triton's interpreter (``TRITON_INTERPRET=1``), slowly: for
tests.
"""

import contextlib
from collections.abc import Callable, Sequence
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from jarvis.kernels.program import Loop
from jarvis.kernels.rows import Rows

NAME = "triton"

_STATE_TYPES = {
    torch.float32: tl.float32,
    torch.float64: tl.float64,
    torch.bfloat16: tl.float32,
    torch.float16: tl.float32,
}


@triton.jit
def _probe(x):
    pass


@lru_cache(maxsize=256)
def _numbers(values: tuple[float, ...], device: torch.device) -> Tensor:
    """The numbers in memory, since Triton would pass a Python float as float32."""
    return torch.tensor(values, dtype=torch.float64, device=device)


def _launcher(
    kernel: Callable, arguments: Sequence, n: int, like: Tensor, flags: dict[str, bool]
) -> Callable[[int, int], None]:
    # Few neurons: small blocks, so that there are programs for all multiprocessors.
    block, warps = (512, 4) if n >= 1 << 20 else (128, 1)
    options: dict = dict(STATE=_STATE_TYPES[like.dtype], BLOCK=block, num_warps=warps)
    # A fused multiply-add, which rounds once, would give other spikes than the readable step.
    options["enable_fp_fusion"] = False

    def run(start: int, stop: int) -> None:
        on_device = torch.cuda.device(like.device) if like.is_cuda else contextlib.nullcontext()
        with on_device:
            grid = (triton.cdiv(n, block),)
            kernel[grid](*arguments, n, start, stop - start, **flags, **options)  # type: ignore[index]

    return run


def _streams(rows: Sequence[Rows]) -> list:
    return [part for row in rows for part in (row.flat, row.step)]


def forward(
    loop: Loop,
    xs: Sequence[Rows],
    fed: Tensor | None,
    outputs: Sequence[Tensor],
    states: Sequence[Tensor],
    kept: Sequence[Tensor] | None,
    lanes: Sequence[Tensor],
    values: tuple[float, ...],
) -> Callable[[int, int], None]:
    """Bind the forward loop to its tensors. See `time_loop.Backend`."""
    like = outputs[0]
    numbers = _numbers(values, like.device)
    keeps = [numbers] * len(loop.layout.kept) if kept is None else kept
    more = [] if fed is None else [fed]
    arguments = [*_streams(xs), *more, *outputs, *states, *keeps, *lanes, numbers]
    flags = dict(KEEP=kept is not None)
    return _launcher(loop.names["forward"], arguments, xs[0].lanes, like, flags)


def backward(
    loop: Loop,
    xs: Sequence[Rows],
    gs: Sequence[Rows],
    fed: Tensor | None,
    gxs: Sequence[Tensor] | None,
    gstates: Sequence[Tensor],
    kept: Sequence[Tensor],
    starts: Sequence[Tensor],
    lanes: Sequence[Tensor],
    sums: Sequence[Tensor],
    values: tuple[float, ...],
) -> Callable[[int, int], None]:
    """Bind the backward loop to its tensors. See `time_loop.Backend`."""
    like = gs[0].flat
    numbers = _numbers(values, like.device)
    given = iter(xs)
    read: list = []
    for index in range(loop.layout.n_inputs):
        row = next(given) if index in loop.layout.reread else None
        read += [numbers, 0] if row is None else [row.flat, row.step]
    targets = [numbers] * loop.layout.n_inputs if gxs is None else gxs
    more = [] if fed is None else [fed]
    tensors = [*targets, *gstates, *kept, *starts, *lanes, *sums]
    arguments = [*read, *_streams(gs), *more, *tensors, numbers]
    flags = dict(WANTS_X=gxs is not None)
    return _launcher(loop.names["backward"], arguments, gs[0].lanes, like, flags)


def unsupported_reason(x: Tensor) -> str | None:
    """Why these loops cannot run on `x`, in words; None if they can."""
    interpreted = not isinstance(_probe, triton.runtime.JITFunction)
    if not (x.is_cuda or (interpreted and x.device.type == "cpu")):
        return f"the Triton loops run on CUDA, but the input is on {x.device}"
    if x.dtype not in _STATE_TYPES:
        return f"the Triton loops do not run in {x.dtype}"
    return None
