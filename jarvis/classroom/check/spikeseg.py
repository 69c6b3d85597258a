"""Checks of notebook 07: convergence per map, counting events, velocity, grouping of instances."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from jarvis.classroom.check.verdict import Wrong, array, exercise, near
from jarvis.stdp.spikeseg.instances import union_find


@exercise(1, "w (1 - w), the mean over all axes but the first; then the share that is < limit.")
def converged_share(answer, rng) -> None:
    """`converged_share(weight, limit) -> C_l of each map, fraction below the limit`."""
    for _ in range(3):
        n_maps, side = int(rng.choice([5, 7, 9])), int(rng.integers(3, 6))
        settled = rng.integers(2, size=(n_maps, 2, side, side)) + 0.0
        mixed = rng.uniform(0, 1, (n_maps, 1, 1, 1)) * rng.uniform(0, 0.5, settled.shape)
        weight = torch.tensor(abs(settled - mixed), dtype=torch.float32)
        kept = weight.double().numpy()
        products = kept * (1 - kept)
        expected = products.mean((1, 2, 3))
        below = int(rng.integers(1, n_maps))  # n_maps is odd: never as many below as above
        limit = float(np.sort(expected)[below - 1 : below + 1].mean())
        pair = answer(weight, limit)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong("converged_share should return two things: C_l of each map, and a share.")
        if np.size(np.asarray(pair[0])) == 1:
            raise Wrong("Your C_l is one number, that of the whole layer. Each map has its own.")
        if np.shape(pair[0]) == (2,) or np.shape(pair[0]) == weight.shape[1:]:
            raise Wrong("Your mean is over the maps. They are the first axis, which should stay.")
        _check_maps(array(pair[0], (n_maps,), "C_l"), kept, expected)
        if np.shape(pair[1]) != ():
            raise Wrong("The share should be one number, that of the maps below the limit.")
        share = float(array(pair[1], (), "the share"))
        if near(share, below / n_maps):
            continue
        if share == below:
            raise Wrong(f"{below} of {n_maps} maps are below; return their fraction.")
        if near(share, 100 * below / n_maps):
            raise Wrong("That is in percent. A share lies between 0 and 1.")
        if near(share, 1 - below / n_maps):
            raise Wrong("That is the share *above* the limit. Below it, a map has converged.")
        if abs(share - (expected < 0.01).mean()) < 1e-6:
            raise Wrong(f"That is the share below 0.01. The limit was {limit:.4f}: use it.")
        if near(share, (products < limit).mean()):
            raise Wrong("That is the share of *weights*. A map is judged by its mean.")
        raise Wrong(f"C_l is right. {below} of {n_maps} are below {limit:.4f}; you say {share:g}.")


def _check_maps(found: np.ndarray, kept: np.ndarray, expected: np.ndarray) -> None:
    if np.allclose(found, expected, atol=1e-5):
        return
    slips = {
        "You sum over a map's weights. C_l is their mean.": (kept * (1 - kept)).sum((1, 2, 3)),
        "You take the mean first. C_l is the mean of w (1 - w), not m (1 - m) of the mean m.": (
            (m := kept.mean((1, 2, 3))) * (1 - m)
        ),
        "That is the mean weight of each map. C_l is the mean of w (1 - w).": m,
        "That is the mean of w squared. C_l is the mean of w (1 - w).": (kept**2).mean((1, 2, 3)),
        "Your C_l is four times too large: it is w (1 - w), without a factor.": 4 * expected,
    }
    for words, wanted in slips.items():
        if np.allclose(found, wanted, atol=1e-5):
            raise Wrong(words)
    k = int(np.argmax(~np.isclose(found, expected, atol=1e-5)))
    raise Wrong(f"Map {k} has C_l = {expected[k]:.4f}; you say {found[k]:.4f}.")


@exercise(2, "add ON and OFF, a 3x3 convolution of ones with padding=1; and the pixel's own event.")
def count_neighbours(answer, rng) -> None:
    """`count_neighbours(dense, least) -> mask`, pixels with at least `least` events around them."""
    cases = []
    for least in rng.permutation([2, 3, 4]).tolist():
        shape = (4, 2, *rng.integers(9, 14, 2).tolist())
        dense = torch.tensor(rng.random(shape) < 0.2, dtype=torch.float32)
        found = answer(dense, least)
        if getattr(found, "shape", None) == (shape[0], 1, *shape[2:]):
            raise Wrong("Your mask has an axis of size 1 left from the channels: take [:, 0].")
        if getattr(found, "shape", None) == shape:
            raise Wrong(
                "Your mask has an axis for ON and OFF. Events count regardless of polarity."
            )
        mask = array(found, (shape[0], *shape[2:]), "the mask")
        if not np.isin(mask, (0, 1)).all():
            raise Wrong("A mask is True or False (or 0 and 1): compare the count with `least`.")
        cases.append((mask > 0, dense, least))
    wrong = [case for case in cases if not np.array_equal(case[0], _marked(*case[1:]))]
    if not wrong:
        return
    for words, slip in _MARK_SLIPS.items():
        if all(np.array_equal(mask, slip(*given)) for mask, *given in cases):
            raise Wrong(words)
    mask, dense, least = wrong[0]
    t, y, x = np.argwhere(mask != _marked(dense, least))[0]
    around = F.pad(dense.sum(1), (1, 1, 1, 1))[t, y : y + 3, x : x + 3].int().tolist()
    raise Wrong(
        f"Around a pixel (row {y}, column {x}) the counts of events are {around}. With least = "
        f"{least} it should be {not mask[t, y, x]}, but you return {bool(mask[t, y, x])}."
    )


def _counts(dense: Tensor, kernel: Tensor | None = None) -> Tensor:
    """Events in the 3x3 square around each pixel, ``[T, 2, H, W] -> [T, H, W]``."""
    kernel = torch.ones(3, 3) if kernel is None else kernel
    return F.conv2d(dense.sum(1, keepdim=True), kernel[None, None], padding=1)[:, 0]


def _marked(dense: Tensor, least: int) -> np.ndarray:
    return ((_counts(dense) >= least) & (dense.sum(1) > 0)).numpy()


def _one_each(dense: Tensor) -> Tensor:
    """ON and OFF of the same pixel counted as one event."""
    return F.pad(dense.amax(1, keepdim=True), (0, 0, 0, 0, 0, 1))


def _per_channel(dense: Tensor, least: int) -> np.ndarray:
    alone = [_marked(F.pad(dense[:, [c]], (0, 0, 0, 0, 0, 1)), least) for c in (0, 1)]
    return alone[0] | alone[1]


_AROUND = torch.tensor([[1.0, 1.0, 1.0], [1.0, 0.0, 1.0], [1.0, 1.0, 1.0]])

_CROSS = torch.tensor([[0.0, 1.0, 0.0], [1.0, 1.0, 1.0], [0.0, 1.0, 0.0]])


def _around(dense: Tensor, least: int, kernel: Tensor) -> np.ndarray:
    return ((_counts(dense, kernel) >= least) & (dense.sum(1) > 0)).numpy()


def _rolled(dense: Tensor) -> Tensor:
    """Counts by torch.roll, with periodic boundaries."""
    both = dense.sum(1)
    shifts = [(i, j) for i in (-1, 0, 1) for j in (-1, 0, 1)]
    return torch.stack([both.roll(shift, (1, 2)) for shift in shifts]).sum(0)


#: Common mistakes, and the feedback for each.
_MARK_SLIPS: dict[str, Callable[[Tensor, int], np.ndarray]] = {
    "You also mark pixels without an event of their own.": (
        lambda dense, least: (_counts(dense) >= least).numpy()
    ),
    "You require more than `least`. At least means >=.": (
        lambda dense, least: _marked(dense, least + 1)
    ),
    "You count the neighbours alone. The square holds the pixel's own events, too.": (
        partial(_around, kernel=_AROUND)
    ),
    "You count the four neighbours beside the pixel. The square has the corners as well.": (
        partial(_around, kernel=_CROSS)
    ),
    "You count ON events only. OFF events count as well.": (
        lambda dense, least: _marked(dense * torch.tensor([1.0, 0.0])[:, None, None], least)
    ),
    "You count ON and OFF separately. Add them first.": _per_channel,
    "A pixel with ON and OFF has two events; you count one.": (
        lambda dense, least: _marked(_one_each(dense), least)
    ),
    "You add up the frames. Each is counted separately.": (
        lambda dense, least: (
            _marked(dense.sum(0, keepdim=True).expand_as(dense), least) & (dense.sum(1) > 0).numpy()
        )
    ),
    "At the border you count pixels of the opposite side: torch.roll wraps around.": (
        lambda dense, least: ((_rolled(dense) >= least) & (dense.sum(1) > 0)).numpy()
    ),
}


@exercise(3, "the frames that have pixels; the mean of each one's (y, x); slope by least squares.")
def velocity(answer, rng) -> None:
    """`velocity(step_masks) -> (vy, vx)` in pixels per frame."""
    for _ in range(3):
        masks = _moving(rng)
        pair = answer(masks)
        try:
            found = np.array([float(v) for v in pair])
        except (TypeError, ValueError):
            raise Wrong("velocity should return two numbers, vy and vx.") from None
        if found.shape != (2,):
            raise Wrong(f"velocity should return two numbers, vy and vx, not {len(found)}.")
        if np.isnan(found).any():
            raise Wrong("There is a NaN: a frame without pixels has no centre. Skip it.")
        seen = masks.flatten(1).any(1).nonzero()[:, 0].numpy()
        centres = np.array([np.argwhere(masks[t].numpy()).mean(0) for t in seen])
        corners = [np.argwhere(masks[t].numpy()) for t in seen]
        middles = np.array([(c.min(0) + c.max(0)) / 2 for c in corners])
        expected = _slope(seen, centres)
        if np.allclose(found, expected, atol=1e-3):
            continue
        order, span = np.arange(len(seen)), centres[-1] - centres[0]
        through = (seen[:, None] * centres).sum(0) / (seen**2).sum()
        slips = {
            "Your two numbers are swapped: y, the row, comes first.": expected[::-1],
            "Your signs are reversed: subtract earlier from later.": -expected,
            "You number the frames that have pixels 0, 1, 2, ... A skipped frame still takes time: "
            "use the original numbers.": _slope(order, centres),
            "You use the first and the last frame only. A straight line through all centres "
            "averages out their errors.": span / (seen[-1] - seen[0]),
            "That is the distance from the first to the last frame. Divide it by the time.": span,
            "You divide by the number of frames; between n frames there are n - 1 steps.": (
                span / len(masks)
            ),
            "You average the steps from one non-empty frame to the next, whatever the time "
            "between them.": np.diff(centres, axis=0).mean(0),
            "You take the middle of the box. The centre is the mean of all pixels.": (
                _slope(seen, middles)
            ),
            "Your line goes through 0 at frame 0. Subtract the means of time and position first.": (
                through
            ),
        }
        for words, wanted in slips.items():
            if np.allclose(found, wanted, atol=1e-3):
                raise Wrong(words)
        raise Wrong(
            f"For an object with vy = {expected[0]:.3f}, vx = {expected[1]:.3f} pixels per frame "
            f"you return {found[0]:.3f} and {found[1]:.3f}."
        )


def _slope(times: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.polyfit(times, centres, 1)[0]


def _moving(rng: np.random.Generator) -> Tensor:
    """An object of random shape moving over ten frames, two of them empty: ``[T, H, W]``."""
    start, way = rng.uniform(20, 40, 2), rng.choice([-1, 1], 2) * rng.uniform(0.6, 2.0, 2)
    masks = torch.zeros(10, 64, 64).bool()
    hidden = rng.choice(np.arange(1, 9), 2, replace=False)
    for t in set(range(10)) - set(hidden.tolist()):
        y, x = np.round(start + t * way).astype(int)
        spots = torch.tensor(rng.random((5, 5)) < 0.5)
        spots[2, 2] = True
        masks[t, y - 2 : y + 3, x - 2 : x + 3] = spots
    return masks


@exercise(4, "pairs (i, j) with scores > threshold; union_find(n, pairs); how many groups differ?")
def count_groups(answer, rng) -> None:
    """`count_groups(scores, thresholds) -> numbers of groups`."""
    cases = []
    for _ in range(4):
        n = int(rng.integers(6, 11))
        scores = torch.tensor(rng.random((n, n)) * (rng.random((n, n)) < 0.2), dtype=torch.float32)
        scores = torch.maximum(scores.triu(1), scores.triu(1).T) + torch.eye(n)
        thresholds = rng.permutation([0.0, 0.15, 0.3, 0.5, 0.7, 0.9]).tolist()
        found = array(answer(scores, list(thresholds)), (len(thresholds),), "the numbers of groups")
        cases.append((found, scores, thresholds))
    wrong = [case for case in cases if not np.array_equal(case[0], _groups(*case[1:]))]
    if not wrong:
        return
    for words, slip in _GROUP_SLIPS.items():
        if all(np.array_equal(found, [slip(s, t) for t in ts]) for found, s, ts in cases):
            raise Wrong(words)
    if all(np.array_equal(found, _groups(s, sorted(ts))) for found, s, ts in cases):
        raise Wrong("You sort the thresholds. Keep their order: one number for each.")
    found, scores, thresholds = wrong[0]
    k = int(np.argmax(found != _groups(scores, thresholds)))
    pairs = (scores.triu(1) > thresholds[k]).nonzero().tolist()
    raise Wrong(
        f"Of {len(scores)} spikes the pairs above {thresholds[k]:g} are {pairs}. You count "
        f"{found[k]:g} groups; there are {_groups(scores, thresholds)[k]}."
    )


def _joined(scores: Tensor, linked: Tensor) -> list[int]:
    return union_find(len(scores), linked.triu(1).nonzero().tolist())


def _groups(scores: Tensor, thresholds: list[float]) -> list[int]:
    return [len(set(_joined(scores, scores > threshold))) for threshold in thresholds]


def _large(groups: list[int]) -> int:
    return sum(groups.count(k) > 1 for k in set(groups))


#: Common mistakes, and the feedback for each.
_GROUP_SLIPS: dict[str, Callable[[Tensor, float], int]] = {
    "You join pairs *below* the threshold. Similar spikes belong together.": (
        lambda s, t: len(set(_joined(s, s < t)))
    ),
    "You join pairs >= the threshold. At 0 that joins all of them: use >.": (
        lambda s, t: len(set(_joined(s, s >= t)))
    ),
    "That is the number of pairs. A group can hold many, and a single spike is a group, too.": (
        lambda s, t: int((s > t).triu(1).sum())
    ),
    "You subtract one group for each pair. A pair within an existing group does not count: "
    "union_find handles this.": lambda s, t: len(s) - int((s > t).triu(1).sum()),
    "You leave out single spikes. Each is a group of its own.": (
        lambda s, t: _large(_joined(s, s > t))
    ),
    "That is the index of the last group. Indices start at 0.": (
        lambda s, t: max(_joined(s, s > t))
    ),
    "That is the number of spikes, whatever the threshold is.": lambda s, t: len(s),
    "You count the largest group's spikes, not the groups.": (
        lambda s, t: max(_joined(s, s > t).count(k) for k in _joined(s, s > t))
    ),
}
