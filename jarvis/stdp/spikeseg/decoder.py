"""The tied decoder: from a class spike back to its pixels, through the weights of the encoder.

The decoder traverses the steps and the connections of each layer in reverse. Let Q be the relevance
of a neuron for the spikes to be explained. In going from step s + 1 to step s::

    Q = A                       if the neuron fired at s: A is the relevance of that spike
    Q = Q (1 - leak/threshold)  otherwise: input at step s contributes to the neuron's next spike
    P = (w transposed) Q        where an input spike was sent at s, else 0
    A = P unpooled              with the pooling indices of the same step s

The third line is a transposed convolution with the weights of the encoder. A spike resets its
neuron, so earlier input cannot have caused the next spike, and Q starts afresh.

`decode` explains many class spikes at once, so it does not show which pixel belongs to which class
spike. `attribute` explains each class spike separately. It treats every spike as a node. The matrix
of a layer has an entry ``w (1 - leak/threshold)^(t - s)`` for each spike of the layer, at step t,
and each input spike at a step s since the neuron's last reset. The product of the three matrices
traces every class spike back to its pixels; steps without spikes cost nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from jarvis.stdp.conv import ConvSTDP
from jarvis.stdp.spikeseg.steps import SILENT, unpool
from jarvis.support.checks import check_tensor


class Record(NamedTuple):
    """The spikes of one step. Every tensor is ``[B, C, H, W]``."""

    x: Tensor  #: the input
    spikes: tuple[Tensor, ...]  #: spikes of conv1, conv2 and conv3, bool
    #: for each unit of pool1 and pool2, the pixel of its square that it passed on, or `SILENT`
    indices: tuple[Tensor, ...]
    #: neurons of conv1, conv2 and conv3 that were reset, including inhibited ones, bool
    resets: tuple[Tensor, ...]


def spread(q: Tensor, weight: Tensor) -> Tensor:
    """Transposed convolution: row 0 of the result is row ``-(k // 2)`` of the encoder's input.

    A convolution with kernels rotated by 180 degrees gives the same result. On a CPU, it is faster
    for few maps (8-fold for the four maps of conv1) and slower for many.
    """
    if len(weight) > 8:
        return F.conv_transpose2d(q, weight)
    return F.conv2d(q, weight.transpose(0, 1).flip(2, 3), padding=weight.shape[2] - 1)


def leak_factors(layers: Sequence[ConvSTDP]) -> list[Tensor]:
    """``1 - leak/threshold`` of the maps of each layer: the leak factor per step, ``[C, 1, 1]``."""
    return [(1 - layer.leak / layer.thresholds).clamp(min=0)[:, None, None] for layer in layers]


@torch.no_grad()
def decode(
    layers: Sequence[ConvSTDP],
    records: Sequence[Record],
    target: Tensor,
    *,
    pool: int = 2,
    gated: bool = True,
) -> Tensor:
    """Trace the class spikes in `target` back to the pixels of each step.

    Args:
        layers: conv1, conv2 and conv3.
        records: the recorded spikes, one record per step.
        target: class spikes to explain, ``[T, B, n_classes, h, w]``, a subset of those recorded.
        pool: side of the pooling squares.
        gated: True: only pixels with an event are shown, weighted by their contribution to the
            spike. False: the whole filters of the conv1 spikes are shown, regardless of the input.

    Returns:
        saliency ``[T, B, 1, H, W]``, at least 0: negative contributions count as 0.

    Raises:
        ValueError: if the shape of `target` does not match the records.
    """
    sizes = (len(records), *records[0].spikes[2].shape)
    names = zip(("T", "B", "classes", "h", "w"), sizes, strict=True)
    axes = f"[{', '.join(f'{name}={n}' for name, n in names)}]"
    check_tensor("decode: target", target, axes, floating=False, why="like the records")
    keep = leak_factors(layers)
    weights = [layer.weight for layer in layers]
    q = [torch.zeros_like(s, dtype=weights[0].dtype) for s in records[0].spikes]

    def cropped(values: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        edge = weight.shape[2] // 2
        return values[:, :, edge : edge + like.shape[2], edge : edge + like.shape[3]]

    def widened(values: Tensor, like: Tensor) -> Tensor:
        rows, columns = (a - b for a, b in zip(like.shape[2:], values.shape[2:], strict=True))
        return F.pad(values, (0, columns, 0, rows))  # pooling drops an odd last row

    steps = []
    for record, wanted in zip(reversed(records), target.flip(0), strict=True):
        back = wanted.to(q[2].dtype)
        for i in (2, 1, 0):
            q[i] = torch.where(record.resets[i], back, q[i] * keep[i])
            if i:
                index = record.indices[i - 1]
                p = cropped(spread(q[i], weights[i]), weights[i], index)
                back = widened(unpool(p, index, pool), q[i - 1])
        p = cropped(spread(q[0] if gated else back, weights[0]), weights[0], record.x)
        p = p * record.x if gated else p
        steps.append(p.clamp_(min=0).sum(1, keepdim=True))
    return torch.stack(steps[::-1])


class Nodes(NamedTuple):
    """The spikes that a layer passed on, in one sample; every tensor is ``[N]`` int64."""

    step: Tensor
    map: Tensor
    y: Tensor  #: row of the neuron
    x: Tensor
    seen_y: Tensor  #: row of the spike in the next layer's input, after pooling
    seen_x: Tensor
    since: Tensor  #: step of the previous reset of the same neuron; -1 if there was none

    def pick(self, rows: Tensor) -> "Nodes":
        """The nodes of these rows."""
        return Nodes(*(values[rows] for values in self))


def spikes_before(fired: Tensor, step: Tensor, m: Tensor, y: Tensor, x: Tensor) -> Tensor:
    """The last step before `step` at which neuron (m, y, x) was reset; -1 if there is none.

    `fired` is ``[T, C, H, W]``, bool.
    """
    history = fired[:, m, y, x]  # [T, N]
    steps = torch.arange(len(fired), device=fired.device)[:, None]
    return torch.where(history & (steps < step), steps, -1).amax(0)


def input_nodes(records: Sequence[Record], sample: int) -> tuple[Nodes, Tensor]:
    """The input events as nodes, and their values."""
    x = torch.stack([record.x[sample] for record in records])
    step, channel, row, column = x.nonzero().unbind(1)
    none = torch.full_like(step, -1)
    return Nodes(step, channel, row, column, row, column, none), x[step, channel, row, column]


def pooled_nodes(records: Sequence[Record], i: int, sample: int, pool: int) -> Nodes:
    """The spikes that passed pool1 (i = 0) or pool2 (i = 1), at their pixels before pooling."""
    index = torch.stack([record.indices[i][sample] for record in records])
    fired = torch.stack([record.resets[i][sample] for record in records])
    step, m, row, column = (index != SILENT).nonzero().unbind(1)
    place = index[step, m, row, column].long()
    y, x = row * pool + place // pool, column * pool + place % pool
    return Nodes(step, m, y, x, row, column, spikes_before(fired, step, m, y, x))


def cause_matrix(layer: ConvSTDP, keep: Tensor, nodes: Nodes, inputs: Nodes) -> Tensor:
    """``[N, N_in]`` sparse: contribution of each input spike to each spike of a layer.

    Args:
        layer: the layer, for its weights.
        keep: leak factor per step of the layer's maps, ``[C, 1, 1]`` (`leak_factors`).
        nodes: spikes of the layer.
        inputs: spikes of the layer below.
    """
    k = layer.kernel_size
    # Only pairs with overlapping rows are formed: input spikes are sorted by row, and each node
    # takes a range of them.
    order = inputs.seen_y.argsort(stable=True)
    sorted_y = inputs.seen_y[order]
    top = nodes.y - k // 2
    low = torch.searchsorted(sorted_y, top)
    counts = torch.searchsorted(sorted_y, top + k) - low
    shift = (low - counts.cumsum(0) + counts).repeat_interleave(counts)
    row = torch.arange(len(top), device=top.device).repeat_interleave(counts)
    column = order[torch.arange(len(row), device=top.device) + shift]
    offset = inputs.seen_x[column] - nodes.x[row] + k // 2
    step = inputs.step[column]
    linked = (offset >= 0) & (offset < k) & (step <= nodes.step[row]) & (step > nodes.since[row])
    row, column = row[linked], column[linked]
    m, age = nodes.map[row], nodes.step[row] - inputs.step[column]
    y_in_kernel = inputs.seen_y[column] - top[row]
    worth = layer.weight[m, inputs.map[column], y_in_kernel, offset[linked]]
    worth = worth * keep[m, 0, 0] ** age
    shape = (len(nodes.step), len(inputs.step))
    return _sparse(row, column, worth, shape)


def filter_matrix(layer: ConvSTDP, nodes: Nodes, height: int, width: int) -> tuple[Tensor, Nodes]:
    """``[N, P]`` sparse: the whole filter of each of N conv1 spikes; and the P pixels as nodes."""
    k, channels = layer.kernel_size, layer.in_channels
    span = torch.arange(k, device=nodes.step.device)
    n = torch.arange(len(nodes.step), device=span.device)
    n, c, j, i = torch.meshgrid(n, torch.arange(channels, device=span.device), span, span,
                                indexing="ij")  # fmt: skip
    row, column = nodes.y[n] - k // 2 + j, nodes.x[n] - k // 2 + i
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    n, c, j, i, row, column = (v[inside] for v in (n, c, j, i, row, column))
    key = ((nodes.step[n] * channels + c) * height + row) * width + column
    pixels, at = key.unique(return_inverse=True)
    y, x = pixels // width % height, pixels % width
    plane = pixels // (height * width)
    found = Nodes(plane // channels, plane % channels, y, x, y, x, torch.full_like(y, -1))
    shape = (len(nodes.step), len(pixels))
    return _sparse(n, at, layer.weight[nodes.map[n], c, j, i], shape), found


def _sparse(row: Tensor, column: Tensor, worth: Tensor, shape: tuple[int, int]) -> Tensor:
    return torch.sparse_coo_tensor(torch.stack([row, column]), worth, shape, check_invariants=False)


def backproject(worth: Tensor, matrix: Tensor) -> Tensor:
    """The relevance of inputs ``[K, N_in]``, from the relevance of a layer's spikes ``[K, N]``."""
    return torch.sparse.mm(matrix.t(), worth.t()).t()


class Attributions(NamedTuple):
    """The relevance of pixels and spikes for K class spikes of one sample."""

    worth: tuple[Tensor, Tensor, Tensor]  #: relevance of `nodes`, each ``[K, N]``
    nodes: tuple[Nodes, Nodes, Nodes]  #: pixels, spikes of conv1, spikes of conv2


def attribute(
    layers: Sequence[ConvSTDP], records: Sequence[Record], sample: int, spikes: Nodes,
    pool: int, gated: bool,
) -> Attributions:  # fmt: skip
    """Backproject each class spike separately; nodes that no class spike reaches are skipped."""
    keep = leak_factors(layers)
    nodes2 = pooled_nodes(records, 1, sample, pool)
    worth2 = cause_matrix(layers[2], keep[2], spikes, nodes2).to_dense()
    reached = (worth2 != 0).any(0)
    nodes2, worth2 = nodes2.pick(reached), worth2[:, reached]
    nodes1 = pooled_nodes(records, 0, sample, pool)
    worth1 = backproject(worth2, cause_matrix(layers[1], keep[1], nodes2, nodes1))
    reached = (worth1 != 0).any(0)
    nodes1, worth1 = nodes1.pick(reached), worth1[:, reached]
    if gated:
        nodes0, values = input_nodes(records, sample)
        matrix = cause_matrix(layers[0], keep[0], nodes1, nodes0)
        worth0 = backproject(worth1, matrix) * values
    else:
        matrix, nodes0 = filter_matrix(layers[0], nodes1, *records[0].x.shape[2:])
        worth0 = backproject(worth1, matrix)
    return Attributions((worth0, worth1, worth2), (nodes0, nodes1, nodes2))
