"""Runs generated loops on the CPU, compiled by numba.

A loop covers a range of neurons over all steps. Neurons do not interact within a step, so the state
of a block of neurons stays in the cache over all steps; every input is read once, and every result
is written once.

Such a loop is as fast as C for these reasons:

* The row of each step is sliced to one dimension before the inner loop, so that LLVM sees
  contiguous memory and vectorises; two-dimensional indexing is three times slower.
* Constants have the type of the tensor; a Python float would make the expression float64.
* Flags are variables of the enclosing function, which numba treats as compile-time constants, so
  branches that a layer does not use are not compiled.

`fastmath` is not used, because it would allow the compiler to ignore NaN.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from numba import types
from torch import Tensor

from jarvis.kernels.cpu import compiled, over_lanes
from jarvis.kernels.memory import empty, flat
from jarvis.kernels.program import Loop
from jarvis.kernels.rows import Rows
from jarvis.kernels.time_loop import Run

NAME = "numba"

GRAIN = 1024  #: neurons are distributed over threads in multiples of this number

_TYPES = {torch.float32: types.float32, torch.float64: types.float64}

_NOTHING = {torch.float32: np.empty(0, np.float32), torch.float64: np.empty(0, np.float64)}


_FORWARD, _BACKWARD, _RECURRENT, _NEAR = range(4)  #: the functions of a generated module

_NAMES = ("forward", "backward", "recurrent", "near")


def _compiled(
    loop: Loop, which: int, flag: bool, dtype: torch.dtype, dense: Sequence[Tensor | None]
) -> Callable:
    """The machine code of one of the loops; see `bind` for the arguments."""
    made = loop.machine.get((which, flag, dtype))
    if made is None:
        row, condition = types.Array(_TYPES[dtype], 1, "C"), types.Array(types.uint8, 1, "C")
        whole, values = types.int64, types.Array(types.float64, 1, "C")
        n_streams = loop.layout.n_inputs + (which == _BACKWARD) * loop.layout.n_outputs
        n_streams = 0 if which == _NEAR else n_streams
        arrays = [row if t is None or t.dtype == dtype else condition for t in dense]
        more = []
        if which == _RECURRENT:
            places, counts = types.Array(types.int32, 1, "C"), types.Array(whole, 1, "C")
            more = [row, whole, row, row, places, row, counts]
        signature = types.void(*[row, whole] * n_streams, *arrays, values, *[whole] * 5, *more)
        real = _NOTHING[dtype].dtype.type
        function = loop.names["make"](real, flag, flag)[which]
        name = f"{_NAMES[which]}_{real.__name__}_{flag:d}"
        made = loop.machine[which, flag, dtype] = compiled(function, signature, name)
    return made


@lru_cache(maxsize=256)
def numbers(values: tuple[float, ...]) -> np.ndarray:
    """The numbers that are the same for all neurons, as the loop reads them."""
    return np.array(values)


def bind(
    loop: Loop,
    backward: bool,
    flag: bool,
    streams: Sequence[Rows | None],
    dense: Sequence[Tensor | None],
    values: tuple[float, ...],
) -> Run:
    """Bind a loop to its tensors. See `time_loop.Backend`."""
    which = _BACKWARD if backward else _FORWARD
    kernel, arguments, n = _bound(loop, which, flag, streams, dense, values)

    def run(start: int, stop: int) -> None:
        def share(low: int, high: int) -> None:
            kernel(*arguments, low, high, start, stop)

        over_lanes(share, n, stop - start, GRAIN)

    return run


def bind_recurrent(
    loop: Loop,
    flag: bool,
    streams: Sequence[Rows | None],
    dense: Sequence[Tensor | None],
    values: tuple[float, ...],
    weight: Tensor,
    before: Tensor,
) -> Callable[[int, int], int]:
    """Bind a forward loop that itself multiplies by recurrent weights, skipping silent neurons.

    Args:
        loop, flag, streams, dense, values: see `time_loop.Backend`.
        weight: W ``[H, H]``.
        before: the spikes before the first step ``[B, H]``.

    Returns:
        a function that runs the steps of ``range(start, stop)`` and returns the number of spikes
        that were multiplied by weights.
    """
    from jarvis.kernels.sparse_loops import pack

    kernel, arguments, n = _bound(loop, _RECURRENT, flag, streams, dense, values)
    hidden, dtype = len(weight), before.dtype
    places, counts = np.empty(n, np.int32), np.empty(n // hidden, np.int64)
    room = np.empty(n, _NOTHING[dtype].dtype)
    more = (flat(before), hidden, *pack(weight, None), places, room, counts)
    grain = -(-GRAIN // hidden) * hidden  # a sample's neurons stay together

    def run(start: int, stop: int) -> int:
        counts[:] = 0

        def share(low: int, high: int) -> None:
            kernel(*arguments, low, high, start, stop, *more)

        over_lanes(share, n, 4 * (stop - start), grain)
        return int(counts.sum())

    return run


def near(
    loop: Loop,
    like: tuple[torch.Size, torch.dtype],
    kept: Sequence[Tensor],
    lanes: Sequence[Tensor],
    values: tuple[float, ...],
) -> Tensor:
    """Find where a gradient passes through the spikes: bytes ``[T, B, ...]``, 1 or 0.

    Args:
        loop: a loop whose layout has `near`.
        like: shape and dtype of the spikes.
        kept: the values that the forward loop kept ``[T, B, ...]``.
        lanes: the parameters that differ between neurons ``[B, ...]``.
        values: the numbers that are the same for all neurons.
    """
    shape, dtype = like
    found = empty(shape, torch.uint8, torch.device("cpu"))
    dense = [*kept, *lanes, found]
    kernel, n = _compiled(loop, _NEAR, False, dtype, dense), shape[1:].numel()
    arguments = [tensor.numpy(force=True).reshape(-1) for tensor in dense]

    def share(low: int, high: int) -> None:
        kernel(*arguments, numbers(values), n, low, high, 0, len(found))

    over_lanes(share, n, len(found), GRAIN)
    return found


def _bound(
    loop: Loop,
    which: int,
    flag: bool,
    streams: Sequence[Rows | None],
    dense: Sequence[Tensor | None],
    values: tuple[float, ...],
) -> tuple[Callable, list, int]:
    """A loop's machine code, its first arguments, and the number of neurons."""
    last = streams[-1]
    assert last is not None
    n, dtype = last.lanes, last.flat.dtype
    kernel, nothing = _compiled(loop, which, flag, dtype, dense), _NOTHING[dtype]
    arguments: list = []
    for rows in streams:
        arguments += (nothing, 0) if rows is None else (rows.flat.numpy(), rows.step)
    for tensor in dense:
        arguments.append(nothing if tensor is None else tensor.numpy(force=True).reshape(-1))
    arguments += (numbers(values), n)
    return kernel, arguments, n


def unsupported_reason(x: Tensor) -> str | None:
    """Why these loops cannot run on `x`, in words; None if they can."""
    if x.device.type != "cpu":
        return f"the numba loops run on the CPU, but the input is on {x.device}"
    if x.dtype not in _TYPES:
        return f"the numba loops run in float32 and float64, but the input is {x.dtype}"
    return None
