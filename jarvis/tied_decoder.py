"""From a class spike back to its pixels, through the encoder's own weights.

The decoder walks the steps backwards, and each layer's connections in reverse. Let Q be what a
neuron is worth to the spikes that are being explained. Going from step s + 1 to step s::

    Q = A                       where the neuron fired at s: A is what came back to this spike
    Q = Q (1 - leak/threshold)  elsewhere: the step belongs to the sum behind its next spike
    P = (w transposed) Q        where an input spike travelled at s, else 0
    A = P unpooled              with the pooling indices of the same step s

The third line is a transposed convolution with the weights of the encoder. Since a spike resets
its neuron, what came before it cannot have caused the next one, and Q begins anew.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from jarvis.convstdp import ConvSTDP
from jarvis.spike_conv import unpool


class Record(NamedTuple):
    """What travelled in one step. Every tensor is ``[B, C, H, W]``."""

    x: Tensor  #: the input
    spikes: tuple[Tensor, ...]  #: of conv1, conv2 and conv3, bool
    #: of pool1 and pool2, uint8: which place of its square a unit passed on, or `SILENT`
    indices: tuple[Tensor, ...]
    #: neurons of conv1, conv2 and conv3 that were reset, bool: also those that were inhibited
    resets: tuple[Tensor, ...]


def spread(q: Tensor, weight: Tensor) -> Tensor:
    """Transposed convolution: output row 0 is the input row ``-(k // 2)`` of the encoder.

    It is a convolution with the kernels turned by half a turn, which is the quicker of the two on
    a CPU where there are few maps (by 8 for conv1's four), and the slower one where there are many.
    """
    if len(weight) > 8:
        return F.conv_transpose2d(q, weight)
    return F.conv2d(q, weight.transpose(0, 1).flip(2, 3), padding=weight.shape[2] - 1)


def fades(layers: Sequence[ConvSTDP]) -> list[Tensor]:
    """``1 - leak/threshold`` of each layer's maps: what they keep over a step, ``[C, 1, 1]``."""
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
    """What the class spikes in `target` lead back to, step by step.

    Args:
        layers: conv1, conv2 and conv3.
        records: what travelled, a record a step.
        target: the class spikes to explain, ``[T, B, n_classes, h, w]``, some of those recorded.
        pool: side of the pooling squares.
        gated: only pixels that had an event, weighted by the sum behind the spike; False: the
            whole filters of the conv1 spikes, with no regard to the input.

    Returns:
        saliency ``[T, B, 1, H, W]``, at least 0: a pixel that spoke against a spike counts as 0.

    Raises:
        ValueError: if `target` is not as long as the record.
    """
    if len(target) != len(records) or target.shape[1:] != records[0].spikes[2].shape:
        raise ValueError(
            f"decode: target {tuple(target.shape)} must be [T={len(records)}, B, classes, h, w] "
            f"like the class spikes that were recorded, {tuple(records[0].spikes[2].shape)} a step"
        )
    keep = fades(layers)
    weights = [layer.weight for layer in layers]
    q = [torch.zeros_like(s, dtype=weights[0].dtype) for s in records[0].spikes]

    def cropped(values: Tensor, weight: Tensor, like: Tensor) -> Tensor:
        edge = weight.shape[2] // 2
        return values[:, :, edge : edge + like.shape[2], edge : edge + like.shape[3]]

    def widened(values: Tensor, like: Tensor) -> Tensor:
        rows, columns = (a - b for a, b in zip(like.shape[2:], values.shape[2:], strict=True))
        return F.pad(values, (0, columns, 0, rows))  # pooling left out an odd last row

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
