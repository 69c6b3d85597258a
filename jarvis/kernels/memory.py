"""The memory of tensors as flat arrays for compiled loops; reused memory for large results.

The system allocator returns a freed large block to the operating system, so the next large block
consists of fresh pages, each of which must be cleared on first access. For the results of a [100,
64, 512] layer, clearing pages takes longer than the loop itself. The loops therefore allocate large
results from the pool in this module. A block returns to the pool when the last tensor that uses it
is deleted, as its reference count shows. A tensor in such a block is ordinary, except that it
cannot be resized in place.
"""

import weakref
from collections import deque

import numpy as np
import torch
from torch import Tensor

SMALLEST = 1 << 18  #: bytes; smaller blocks are reused by the system allocator itself

SHELF = 1 << 28  #: bytes that may stay unused; beyond this limit, all free blocks are released

_ALIGN = 64  #: bytes of a cache line, and also of the widest vector

_free: dict[int, deque[np.ndarray]] = {}  # size in bytes -> blocks of that size

_lent: dict[int, weakref.ref] = {}  # keeps the callback of each block alive while it is in use


def own(x: Tensor) -> Tensor:
    """A dense copy that a loop may write to."""
    return x.detach().clone(memory_format=torch.contiguous_format)


def flat(x: Tensor | None, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """The memory of a CPU tensor as a flat array; an empty array of `dtype` for None.

    A tensor that is not contiguous (a slice or an expanded tensor) is copied, so a loop must write
    only to dense tensors.
    """
    x = torch.empty(0, dtype=dtype) if x is None else x.detach()
    return x.contiguous().numpy().reshape(-1)


def empty(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`torch.empty`, on a previously used block if one of that size is free."""
    size = shape.numel() * dtype.itemsize
    if device.type != "cpu" or size < SMALLEST:
        return torch.empty(shape, dtype=dtype, device=device)
    try:
        block = _free[size].pop()
    except (KeyError, IndexError):
        block = np.empty(size + _ALIGN, np.uint8)  # numpy requests huge pages: fewer page faults
    start = -block.ctypes.data % _ALIGN
    view = block[start : start + size]
    key = id(view)

    def back(_: weakref.ref) -> None:
        # May run at any time, in any thread: only atomic operations.
        _lent.pop(key, None)
        if size + sum(one * len(blocks) for one, blocks in _free.copy().items()) > SHELF:
            _free.clear()
        if size <= SHELF:
            _free.setdefault(size, deque()).append(block)

    _lent[key] = weakref.ref(view, back)
    return torch.from_numpy(view).view(dtype).view(shape)
