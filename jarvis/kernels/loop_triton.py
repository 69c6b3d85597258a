"""Runs generated loops on a GPU, compiled by Triton.

On a machine without a GPU, they run in Triton's interpreter (``TRITON_INTERPRET=1``), which is slow
and meant for tests.
"""

import contextlib
from collections.abc import Sequence
from functools import lru_cache

import torch
import triton
import triton.language as tl
from torch import Tensor

from jarvis.kernels.program import Loop
from jarvis.kernels.rows import Rows
from jarvis.kernels.time_loop import Run

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
    """The values as a tensor, since Triton would pass a Python float as float32."""
    return torch.tensor(values, dtype=torch.float64, device=device)


def bind(
    loop: Loop,
    backward: bool,
    flag: bool,
    streams: Sequence[Rows | None],
    dense: Sequence[Tensor | None],
    values: tuple[float, ...],
) -> Run:
    """Bind a loop to its tensors. See `time_loop.Backend`."""
    last = streams[-1]
    assert last is not None
    n, like = last.lanes, last.flat
    numbers = _numbers(values, like.device)  # also stands in for unused tensors
    arguments: list = []
    for rows in streams:
        arguments += (numbers, 0) if rows is None else (rows.flat, rows.step)
    arguments += (numbers if tensor is None else tensor for tensor in dense)
    arguments += (numbers, n)
    kernel = loop.names["backward" if backward else "forward"]
    # If there are few neurons, blocks are small, so that every multiprocessor has a program.
    block, warps = (512, 4) if n >= 1 << 20 else (128, 1)
    options: dict = dict(STATE=_STATE_TYPES[like.dtype], BLOCK=block, num_warps=warps)
    options["WANTS_X" if backward else "KEEP"] = flag
    # A fused multiply-add rounds only once, so spikes could differ from those of the readable step.
    options["enable_fp_fusion"] = False

    def run(start: int, stop: int) -> None:
        on_device = torch.cuda.device(like.device) if like.is_cuda else contextlib.nullcontext()
        with on_device:
            grid = (triton.cdiv(n, block),)
            kernel[grid](*arguments, start, stop - start, **options)

    return run


def unsupported_reason(x: Tensor) -> str | None:
    """Why these loops cannot run on `x`, in words; None if they can."""
    interpreted = not isinstance(_probe, triton.runtime.JITFunction)
    if not (x.is_cuda or (interpreted and x.device.type == "cpu")):
        return f"the Triton loops run on CUDA, but the input is on {x.device}"
    if x.dtype not in _STATE_TYPES:
        return f"the Triton loops do not run in {x.dtype}"
    return None
