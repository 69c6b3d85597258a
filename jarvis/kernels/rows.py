"""A sequence of steps as flat memory, read in place."""

from typing import NamedTuple

from torch import Tensor


class Rows(NamedTuple):
    """A tensor ``[T, B, ...]`` as flat memory: step t begins at ``t * step`` and is densely packed.

    If `step` is 0, the same row is read each time, so an expanded input is never copied.
    """

    flat: Tensor
    step: int
    lanes: int

    @staticmethod
    def of(x: Tensor) -> "Rows":
        """`x`, without a copy if its memory layout allows that."""
        if x.is_contiguous() and not x.is_neg():
            lanes = x.numel() // x.shape[0]
            return Rows(x.view(-1), lanes, lanes)
        x, row = x.resolve_neg(), x.select(0, 0)
        lanes, step = row.numel(), x.stride(0)
        if x.shape[0] == 1 or step == 0:
            return Rows(row.contiguous().view(-1), 0, lanes)
        if not row.is_contiguous():
            x, step = x.contiguous(), lanes
        return Rows(x.as_strided(((x.shape[0] - 1) * step + lanes,), (1,)), step, lanes)
