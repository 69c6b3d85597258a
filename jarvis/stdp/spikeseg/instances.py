"""Instances: which class spikes belong to one object, and where that object is.

HULK (Hierarchical Unravelling of Linked Kernels) decodes each class spike separately, into a mask,
a box, and a hash of the features that were active (ASH, Active Spike Hashing). SMASH (Similarity
Matching through Active Spike Hashing) compares pairs of spikes by their hashes and boxes, and
groups similar ones into instances.

Source: Kirkland et al. 2022, IEEE Trans. Computers 71(11):2728.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from jarvis.stdp.spikeseg.decoder import Nodes, Record, attribute, spikes_before
from jarvis.stdp.spikeseg.network import SpikeSEG, SpikeSEGState
from jarvis.support.checks import check_choice, check_number

_CHUNK = 512  #: number of class spikes that are decoded at once


class Unravelled(NamedTuple):
    """The decoding of each of N class spikes. Masks are crops around the spike."""

    spikes: Tensor  #: ``[N, 5]`` int64: sample, step, map (class), y, x
    masks: Tensor  #: ``[N, T, h, w]`` bool: the pixels of each step
    corners: Tensor  #: ``[N, 2]`` int64: row and column of the mask's first pixel; may be negative
    boxes: Tensor  #: ``[N, 4]`` int64: y0, x0, y1, x1 in the image, ends excluded
    ash: Tensor  #: the hashes, ``[N, maps of conv1 + maps of conv2 + classes, T]`` bool


@dataclass(frozen=True, eq=False)
class Instance:
    """One object: a group of class spikes, and their pixels."""

    sample: int  #: index of the stimulus in the batch
    label: int  #: map of conv3
    mask: Tensor  #: ``[H, W]`` bool: pixels of all steps
    step_masks: Tensor  #: ``[T, H, W]`` bool: pixels of each step
    box: tuple[int, int, int, int]  #: y0, x0, y1, x1 around the mask, ends excluded
    spikes: list[tuple[int, int, int, int]]  #: (step, map, y, x), sorted by step
    score: float  #: mean SMASH score over its pairs of spikes; 1 for a single spike


def _unravel(
    model: SpikeSEG, records: Sequence[Record], spikes: Tensor, gated: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Saliency ``[K, T, h, w]``, corners and activity ``[K, features, T]`` of spikes of one sample.

    The crops are as large as the receptive field of a class spike.
    """
    layers, p, n_steps, n = model.layers, model.pool, len(records), len(spikes)
    k1, k2, k3 = (layer.kernel_size for layer in layers)
    _, step, label, y, x = spikes.unbind(1)
    sample = int(spikes[0, 0])
    corners = ((spikes[:, 3:] - k3 // 2) * p - k2 // 2) * p - k1 // 2
    size = (k3 * p + k2 - 1) * p + k1 - 1
    fired = torch.stack([record.resets[2][sample] for record in records])
    nodes = Nodes(step, label, y, x, y, x, spikes_before(fired, step, label, y, x))
    found = attribute(layers, records, sample, nodes, p, gated)
    pixels, worth = found.nodes[0], found.worth[0].clamp(min=0)  # negative relevance counts as 0
    row, column = pixels.y - corners[:, :1], pixels.x - corners[:, 1:]
    at = (pixels.step * size + row) * size + column
    inside = (row >= 0) & (row < size) & (column >= 0) & (column < size)
    saliency = worth.new_zeros(n, n_steps * size * size)
    saliency.scatter_add_(1, at.where(inside, 0), worth.where(inside, 0.0))
    active = []
    for layer, nodes, value in zip(layers[:2], found.nodes[1:], found.worth[1:], strict=True):
        best = value.new_zeros(n, layer.out_channels * n_steps)
        best.scatter_reduce_(1, (nodes.map * n_steps + nodes.step).expand(n, -1), value, "amax")
        active.append(best.unflatten(1, (layer.out_channels, n_steps)))
    active.append(worth.new_zeros(n, layers[2].out_channels, n_steps))
    active[2][torch.arange(n, device=step.device), label, step] = 1.0
    return saliency.view(n, n_steps, size, size), corners, torch.cat(active, 1)


def _boxes(masks: Tensor, corners: Tensor) -> Tensor:
    """Boxes ``[N, 4]`` around ``masks [N, h, w]``, in the image; of size 0 for an empty mask."""
    from torchvision.ops import masks_to_boxes

    used = masks.flatten(1).any(1)
    boxes = corners.repeat(1, 2)
    x0, y0, x1, y1 = masks_to_boxes(masks[used]).to(boxes).unbind(1)  # ends included
    boxes[used] += torch.stack([y0, x0, y1 + 1, x1 + 1], 1)
    return boxes


def _nothing(model: SpikeSEG, spikes: Tensor, n_steps: int) -> Unravelled:
    features = sum(layer.out_channels for layer in model.layers)
    none = torch.zeros(0, n_steps, 1, 1, dtype=torch.bool, device=spikes.device)
    ash = none.new_zeros(0, features, n_steps)
    return Unravelled(spikes, none, spikes.new_zeros(0, 2), spikes.new_zeros(0, 4), ash)


@torch.no_grad()
def hulk(
    model: SpikeSEG,
    state: SpikeSEGState | None = None,
    spikes: Tensor | None = None,
    *,
    level: float = 0.1,
    gated: bool = True,
) -> Unravelled:
    """Decode each class spike separately: Hierarchical Unravelling of Linked Kernels.

    Args:
        model: the network.
        state: the state after the stimuli; None: the network's own state.
        spikes: the class spikes to decode, ``[N, 5]``: sample, step, map, y, x; None: all.
        level: a pixel belongs to the mask if its saliency is at least this share of the highest
            saliency for this spike. Likewise, a feature belongs to the hash if its relevance is at
            least this share of the highest relevance in its layer.
        gated: only pixels with an event are used; see `decoder.decode`.

    Returns:
        masks, boxes and hashes, in the order of `spikes`.

    Raises:
        ValueError: if no stimulus has been shown, or for a `level` outside (0, 1].

    Example:
        >>> model = SpikeSEG(generator=torch.Generator().manual_seed(0)).eval()
        >>> events = torch.zeros(3, 1, 1, 32, 32)
        >>> events[1, 0, 0, 8:10, 8:10] = 1.0
        >>> found = hulk(model, model(events)[1])
        >>> found.boxes[0].tolist(), found.ash.shape[1:]
        ([8, 8, 10, 10], torch.Size([41, 3]))
        >>> [one.box for one in smash(found, (32, 32))]
        [(8, 8, 10, 10)]
    """
    state = model.state if state is None else state
    if state is None or not state.records:
        raise ValueError("hulk: nothing has been shown yet: run the model first")
    check_number("hulk: level", level, above=0, at_most=1)
    records = state.records
    if spikes is None:
        step, sample, label, y, x = (
            torch.stack([record.spikes[2] for record in records]).nonzero().unbind(1)
        )
        spikes = torch.stack([sample, step, label, y, x], 1)
    if not len(spikes):
        return _nothing(model, spikes, len(records))
    order = spikes[:, 0].argsort(stable=True)
    samples = order.split(spikes[:, 0].bincount().tolist())
    masks, corners, hashes = [], [], []
    for rows in (part for one in samples if len(one) for part in one.split(_CHUNK)):
        saliency, corner, active = _unravel(model, records, spikes[rows], gated)
        top = saliency.flatten(1).amax(1)
        masks.append((saliency >= level * top[:, None, None, None]) & (saliency > 0))
        corners.append(corner)
        for layer in active.split([layer.out_channels for layer in model.layers], 1):
            high = layer.amax((1, 2), keepdim=True)
            hashes.append((layer >= level * high) & (layer > 0))
    ash = torch.cat([torch.cat(hashes[i : i + 3], 1) for i in range(0, len(hashes), 3)])
    back = order.argsort()
    mask, corner = torch.cat(masks)[back], torch.cat(corners)[back]
    return Unravelled(spikes, mask, corner, _boxes(mask.any(1), corner), ash[back])


def jaccard(ash: Tensor) -> Tensor:
    """Jaccard index ``[N, N]`` of pairs of hashes: bits set in both over bits set in either."""
    flat = ash.flatten(1).float()
    shared = flat @ flat.T
    count = flat.sum(1)
    return shared / (count[:, None] + count[None] - shared).clamp(min=1)


def smash_scores(found: Unravelled, align: str = "time", margin: int = 0) -> Tensor:
    """Similarity of each pair of class spikes: ``Jaccard(ASH) IoU(box)``, ``[N, N]``.

    Spikes of different samples or classes have a score of 0.

    Args:
        found: from `hulk`.
        align: which steps of two hashes are compared. "time": the same steps. "age": steps
            equally long before each class spike, so that a moving object has the same hash at
            different times. "none": the steps are ignored; only the active features are compared.
        margin: pixels by which each box is first widened on all sides, because an object that moves
            by more than its width per step has left its box by the next step.
    """
    from torchvision.ops import box_iou

    check_choice("align", align, ("time", "age", "none"))
    ash, step = found.ash, found.spikes[:, 1]
    n_steps = ash.shape[2]
    if align == "age":
        steps = step[:, None] - torch.arange(n_steps, device=ash.device)  # of age 0, 1, 2, ...
        valid = (steps >= 0)[:, None, :]
        ash = ash.gather(2, steps.clamp(min=0)[:, None].expand_as(ash)) & valid
    elif align == "none":
        ash = ash.any(2, keepdim=True)
    kind = found.spikes[:, [0, 2]]
    same = (kind[:, None] == kind[None]).all(2)
    wider = found.boxes + margin * torch.tensor([-1, -1, 1, 1], device=ash.device)
    overlap = box_iou(wider, wider).nan_to_num(0.0)  # NaN: two boxes of size 0
    return jaccard(ash) * overlap * same


def union_find(n: int, pairs: Sequence[tuple[int, int]]) -> list[int]:
    """Connected components: the group of each of n items if the two items of each pair are linked.

    Groups are numbered in the order of their first members.

    Example:
        >>> union_find(5, [(0, 2), (3, 4), (4, 0)])
        [0, 1, 0, 0, 0]
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    ends = np.array(pairs, np.int64).reshape(-1, 2)
    graph = coo_matrix((np.ones(len(ends)), ends.T), (n, n))
    return connected_components(graph, directed=False)[1].tolist()


def smash(
    found: Unravelled,
    shape: tuple[int, int],
    *,
    threshold: float = 0.1,
    align: str = "time",
    margin: int = 0,
    min_spikes: int = 1,
) -> list[Instance]:
    """Group class spikes into instances: Similarity Matching through Active Spike Hashing.

    Args:
        found: from `hulk`.
        shape: ``(H, W)`` of the image.
        threshold: pairs with a higher score are grouped, and so are spikes linked by a chain of
            such pairs.
        align: see `smash_scores`.
        margin: see `smash_scores`.
        min_spikes: instances with fewer class spikes are discarded.

    Returns:
        instances sorted by sample, then by their first spike. A spike whose mask is empty belongs
        to no instance.
    """
    scores = smash_scores(found, align, margin).cpu()
    seen = found.masks.flatten(1).any(1).cpu()
    linked = (scores > threshold) & seen[:, None] & seen[None]
    groups = union_find(len(scores), linked.triu(1).nonzero().tolist())
    members: dict[int, list[int]] = {}
    for i, group in enumerate(groups):
        if seen[i]:
            members.setdefault(group, []).append(i)
    out = [
        _instance(found, rows, scores, shape)
        for rows in members.values()
        if len(rows) >= min_spikes
    ]
    return sorted(out, key=lambda one: (one.sample, one.spikes[0]))


def _instance(found: Unravelled, rows: list[int], scores: Tensor, shape: tuple) -> Instance:
    size = found.masks.shape[2]
    edge = size  # a crop overlaps the image, so padding by the crop's size is enough
    canvas = found.masks.new_zeros(found.masks.shape[1], shape[0] + 2 * edge, shape[1] + 2 * edge)
    for i in rows:
        y, x = (found.corners[i] + edge).tolist()
        canvas[:, y : y + size, x : x + size] |= found.masks[i]
    steps = canvas[:, edge : edge + shape[0], edge : edge + shape[1]]
    boxes = found.boxes[rows]
    box = (*boxes[:, :2].amin(0).tolist(), *boxes[:, 2:].amax(0).tolist())
    table = found.spikes[rows].tolist()
    pairs = len(rows) * (len(rows) - 1)
    among = scores[rows][:, rows]
    score = float(among.sum() - among.diagonal().sum()) / pairs if pairs else 1.0
    return Instance(
        *(table[0][0], table[0][2], steps.any(0), steps.clone(), box),
        sorted((step, label, y, x) for _, step, label, y, x in table),
        score,
    )
