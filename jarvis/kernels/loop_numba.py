"""Runs generated loops on the CPU, compiled by numba.

A loop covers a range of neurons over all steps. Neurons do not interact within a step, so the state
of a block of them stays in the cache over all steps, and every input and every result is read or
written once.

Why such a loop is as fast as C:

* one-dimensional slices of the row of a step before the inner loop, so that LLVM sees contiguous
  memory and vectorises; with two-dimensional indexing it is three times slower;
* constants of the type of the tensor (a Python float would make the expression float64);
* flags are variables of the enclosing function, which numba treats as compile-time constants:
  branches that a layer does not use are not compiled;
* no `fastmath`: it would allow the compiler to ignore NaN.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
import torch
from numba import types
from torch import Tensor

from jarvis.kernels.cpu import compiled, over_lanes
from jarvis.kernels.memory import flat
from jarvis.kernels.program import Loop
from jarvis.kernels.rows import Rows

NAME = "numba"

GRAIN = 1024  #: neurons are distributed over threads in multiples of this

_TYPES = {torch.float32: (np.float32, types.float32), torch.float64: (np.float64, types.float64)}


def _compiled(loop: Loop, backward: bool, dtype: torch.dtype, flag: bool) -> Callable:
    """The machine code of one of the loops; `flag`: whether to keep, or to write gradients."""
    made = loop.machine
    which = (backward, dtype, flag)
    if which not in made:
        real, numba_type = _TYPES[dtype]
        row, flags = types.Array(numba_type, 1, "C"), types.Array(types.uint8, 1, "C")
        whole, layout = types.int64, loop.layout
        streams = [row, whole] * layout.n_inputs
        kept = [flags if is_bool else row for is_bool in layout.kept]
        lanes = [row] * len(loop.per_neuron)
        fed = [row] * loop.variant.recurrent
        states, outputs = [row] * layout.n_states, [row] * layout.n_outputs
        if backward:
            streams += [row, whole] * layout.n_outputs
            sums = [row] * len(loop.learned)
            starts = [row] * len(layout.derived)
            after = [*states, *kept, *starts, *lanes, *sums]
            arrays = [*streams, *fed, *[row] * layout.n_inputs, *after]
        else:
            arrays = [*streams, *fed, *outputs, *states, *kept, *lanes]
        values = types.Array(types.float64, 1, "C")
        signature = types.void(*arrays, values, *[whole] * 5)
        keep, wants_x = (False, flag) if backward else (flag, False)
        function = loop.names["make"](real, keep, wants_x)[backward]
        name = f"{'backward' if backward else 'forward'}_{real.__name__}_{flag:d}"
        made[which] = compiled(function, signature, name)
    return made[which]


def _runner(kernel: Callable, arguments: list, n: int) -> Callable[[int, int], None]:
    def run(start: int, stop: int) -> None:
        """Run the steps from `start` up to, not including, `stop`, in the direction of the loop."""

        def share(low: int, high: int) -> None:
            kernel(*arguments, n, low, high, start, stop)

        over_lanes(share, n, stop - start, GRAIN)

    return run


@lru_cache(maxsize=256)
def numbers(values: tuple[float, ...]) -> np.ndarray:
    """The numbers that are the same for all neurons, as the loop reads them."""
    return np.array(values)


def _given(tensor: Tensor | None) -> tuple[Tensor, ...]:
    return () if tensor is None else (tensor,)


def _streams(rows: Sequence[Rows]) -> list:
    return [part for row in rows for part in (row.flat.numpy(), row.step)]


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
    dtype = outputs[0].dtype
    kernel = _compiled(loop, False, dtype, kept is not None)
    if kept is None:
        kept = [torch.empty(0, dtype=torch.uint8 if b else dtype) for b in loop.layout.kept]
    tensors = (*_given(fed), *outputs, *states, *kept, *lanes)
    arguments = [*_streams(xs), *map(flat, tensors), numbers(values)]
    return _runner(kernel, arguments, xs[0].lanes)


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
    dtype = gs[0].flat.dtype
    kernel = _compiled(loop, True, dtype, gxs is not None)
    if gxs is None:
        gxs = [torch.empty(0, dtype=dtype)] * loop.layout.n_inputs
    none = np.empty(0, _TYPES[dtype][0])
    given = iter(xs)
    read = []
    for index in range(loop.layout.n_inputs):
        row = next(given) if index in loop.layout.reread else None
        read += [none, 0] if row is None else [row.flat.numpy(), row.step]
    tensors = (*_given(fed), *gxs, *gstates, *kept, *starts, *lanes, *sums)
    arguments = [*read, *_streams(gs), *map(flat, tensors), numbers(values)]
    return _runner(kernel, arguments, gs[0].lanes)


def unsupported_reason(x: Tensor) -> str | None:
    """Why these loops cannot run on `x`, in words; None if they can."""
    if x.device.type != "cpu":
        return f"the numba loops run on the CPU, but the input is on {x.device}"
    if x.dtype not in _TYPES:
        return f"the numba loops run in float32 and float64, but the input is {x.dtype}"
    return None
