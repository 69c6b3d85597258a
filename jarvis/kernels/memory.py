"""The memory of tensors, as compiled loops take it; large results on memory that is used again.

The system's allocator gives a large block back when it is freed, and the next one comes as fresh
pages, each of which the kernel must clear at its first touch: for the results of a [100, 64, 512]
layer that costs more than the loop itself. So the loops take their large results from here. A
block returns to the shelf when the last tensor on it is gone, which the reference count decides;
nothing else about such a tensor is special, except that it cannot be resized in place.
"""

import weakref
from collections import deque

import numpy as np
import torch
from torch import Tensor

SMALLEST = 1 << 18  #: bytes; below it the system's allocator reuses memory by itself

SHELF = 1 << 28  #: bytes that may lie unused; beyond it all of them are let go

_ALIGN = 64  #: bytes of a cache line, and of the widest vector

_free: dict[int, deque[np.ndarray]] = {}  # size in bytes -> blocks of that size

_lent: dict[int, weakref.ref] = {}  # keeps each block's callback alive while the block is lent


def own(x: Tensor) -> Tensor:
    """A dense copy that a loop may write to."""
    return x.detach().clone(memory_format=torch.contiguous_format)


def flat(x: Tensor | None, dtype: torch.dtype = torch.float32) -> np.ndarray:
    """The memory of a CPU tensor, as loops take it; an empty array of `dtype` for None.

    A tensor with strides that no loop reads (a slice, an expanded one) is copied: what a loop
    writes to has to be dense.
    """
    x = torch.empty(0, dtype=dtype) if x is None else x.detach()
    return x.contiguous().view(-1).numpy()


def empty(shape: torch.Size, dtype: torch.dtype, device: torch.device) -> Tensor:
    """`torch.empty`, from a block that was used before where one of that size is free."""
    size = shape.numel() * dtype.itemsize
    if device.type != "cpu" or size < SMALLEST:
        return torch.empty(shape, dtype=dtype, device=device)
    try:
        block = _free[size].pop()
    except (KeyError, IndexError):
        block = np.empty(size + _ALIGN, np.uint8)  # numpy asks for huge pages: fewer first touches
    start = -block.ctypes.data % _ALIGN
    view = block[start : start + size]
    key = id(view)

    def back(_: weakref.ref) -> None:
        # May run at any moment, in any thread: only operations that are atomic by themselves.
        _lent.pop(key, None)
        if size + sum(one * len(blocks) for one, blocks in _free.copy().items()) > SHELF:
            _free.clear()
        if size <= SHELF:
            _free.setdefault(size, deque()).append(block)

    _lent[key] = weakref.ref(view, back)
    return torch.from_numpy(view).view(dtype).view(shape)
