"""Probes that need no training of the network: graph size, memory, influence, gradient over time.

`diagnose` uses similar probes and reports in words; the functions here return values to plot.
"""

import weakref
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from jarvis.support.checks import check_tensor


def graph_size(loss: Tensor) -> int:
    """Number of operations in a tensor's graph, which `backward` would have to traverse.

    This number should stay constant from batch to batch. If it grows, a state carries the graph of
    earlier batches along.

    Args:
        loss: any tensor.

    Returns:
        the number of nodes of its autograd graph; 0 for a tensor without one.

    Example:
        >>> w = torch.ones(2, requires_grad=True)
        >>> graph_size(w * 2), graph_size((w * 2).detach())
        (2, 0)
    """
    seen: set = set()
    todo = [loss.grad_fn]
    while todo:
        node = todo.pop()
        if node is not None and node not in seen:
            seen.add(node)
            todo += [parent for parent, _ in node.next_functions]
    return len(seen)


class _Kept:
    """A tensor that autograd has saved. Since nothing else refers to it, its deletion is noticed.

    The tensor is detached: otherwise an output and the operation that made it would keep each other
    alive.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor.detach()


class SavedBytes:
    """Counts the bytes that autograd keeps for backward passes, inside a ``with`` block.

    A forward pass saves tensors, and the backward pass frees them. What counts is the memory
    of tensors that were saved inside the ``with`` block and are not freed yet. A piece of memory
    that several operations save counts only once. Weights and inputs also count if they are saved.

    Example:
        >>> x = torch.ones(1000, requires_grad=True)
        >>> with SavedBytes() as saved:
        ...     loss = x.exp().sum()  # keeps exp(x)
        ...     held = saved.now
        ...     loss.backward()
        >>> held, saved.now, saved.most
        (4000, 0, 4000)
    """

    def __init__(self) -> None:
        self.now = 0  #: bytes that are kept now
        self.most = 0  #: the largest number of bytes kept at one time
        self._users: dict[int, int] = {}  # how often each memory address is saved
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._keep, lambda kept: kept.tensor)

    def __enter__(self) -> Self:
        self._hooks.__enter__()
        return self

    def __exit__(self, *error) -> None:
        self._hooks.__exit__(*error)

    def _keep(self, tensor: Tensor) -> _Kept:
        block = tensor.untyped_storage()
        address, size = block.data_ptr(), block.nbytes()
        if address not in self._users:
            self._users[address] = 0
            self.now += size
            self.most = max(self.most, self.now)
        self._users[address] += 1
        kept = _Kept(tensor)
        weakref.finalize(kept, self._free, address, size)
        return kept

    def _free(self, address: int, size: int) -> None:
        self._users[address] -= 1
        if not self._users[address]:
            del self._users[address]
            self.now -= size


def influence(model: Callable[[Tensor], Tensor], x: Tensor, batch_axis: int = 1) -> Tensor:
    """How much each sample's scores depend on each sample's input; the matrix should be diagonal.

    The entries are ``|d sum(scores[a]) / d x of sample b|``, summed over x; each row is divided by
    its largest entry.

    Args:
        model: maps x to scores ``[B, C]``.
        x: ``[T, B, ...]``, or with the samples along another axis.
        batch_axis: axis of x along which the samples lie.

    Returns:
        ``[B, B]``, with row a and column b; a row is zero if its scores depend on no input.

    Raises:
        ValueError: if the model does not return one row of scores per sample.

    Example:
        >>> influence(lambda x: x.mean(0) + x.mean(0)[:1], torch.ones(3, 2, 4))
        tensor([[1., 0.],
                [1., 1.]])
    """
    x = x.detach().clone().requires_grad_()
    scores = model(x)
    n = x.shape[batch_axis]
    check_tensor("influence: scores", scores, f"[B={n}, C]")
    rows = []
    for row in scores:
        (gradient,) = torch.autograd.grad(row.sum(), x, retain_graph=True)
        rows.append(gradient.abs().movedim(batch_axis, 0).flatten(1).sum(1))
    matrix = torch.stack(rows)
    return matrix / matrix.amax(1, keepdim=True).clamp_min(torch.finfo(matrix.dtype).tiny)


def gradient_by_step(model: Callable[[Tensor], Tensor], x: Tensor, labels: Tensor) -> Tensor:
    """Norm of the gradient of the loss with respect to the input of each step.

    Backpropagation runs from the last step to the first. On a logarithmic scale, a straight line
    means a constant factor per step: if it is below 1, the gradient vanishes; if it is above 1, the
    gradient explodes.

    Args:
        model: maps x to scores ``[B, C]``.
        x: ``[T, B, ...]``.
        labels: ``[B]``.

    Returns:
        norms of the gradient of the mean cross-entropy, ``[T]`` float64.

    Example:
        >>> x, labels = torch.zeros(3, 1, 2), torch.tensor([0])
        >>> gradient_by_step(lambda x: (torch.tensor([1.0, 2.0, 4.0])[:, None, None] * x).sum(0),
        ...                  x, labels).round(decimals=3)
        tensor([0.7070, 1.4140, 2.8280], dtype=torch.float64)
    """
    x = x.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(cross_entropy(model(x), labels), x)
    return gradient.double().flatten(1).norm(dim=1)
