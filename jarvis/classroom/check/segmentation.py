"""Checks of lesson 404: one layer back, unpooling, false alarms, grouping, informedness."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.stdp.spikeseg.instances import union_find


@exercise(
    1,
    hints=(
        "Each value in `maps` stands for a feature of the layer below, at that position: add the "
        "features up, each moved by `stride` pixels for every step in `maps`.",
        "That is a transposed convolution: one function of torch.nn.functional.",
        "F.conv_transpose2d(maps, features, stride=stride)",
    ),
)
def one_layer_back(answer, rng) -> None:
    """`one_layer_back(maps, features, stride) -> pictures`: maps drawn with the features below."""
    given = []
    for stride in rng.permutation([1, 2, 3]).tolist():
        n, c, below, k, size = (
            int(rng.integers(*r)) for r in ((2, 5), (5, 8), (2, 4), (3, 5), (6, 8))
        )
        maps = torch.tensor(rng.random((n, c, k, k)), dtype=torch.float32)
        features = torch.tensor(rng.random((c, below, size, size)), dtype=torch.float32)
        found = answer(maps, features, stride)
        side = (k - 1) * stride + size
        width = tuple(getattr(found, "shape", (0,)))[-1:]
        covers = (
            f"{size}x{size} features at {k}x{k} positions, {stride} pixels apart, cover "
            f"{side}x{side} pixels."
        )
        if width == (k,):
            raise Wrong(
                f"Your pictures are only {k} pixels wide: they are cut off at the border. {covers}"
            )
        if width == (k + size - 1,) and stride > 1:
            raise Wrong(f"Your features lie 1 pixel apart: `stride` is not used. {covers}")
        if width == (k + (size - 1) * stride,) and stride > 1:
            raise Wrong(f"You have spread out the features, instead of their positions. {covers}")
        if width == (k * stride + size - 1,) and stride > 1:
            raise Wrong(f"There are empty pixels at the end of your pictures. {covers}")
        found = array(found, (n, below, side, side), "the pictures")
        given.append(((maps, features, stride), found))

    def fits(slip: Callable) -> bool:
        return all(np.allclose(found, slip(*case), atol=1e-4) for case, found in given)

    if fits(_one_layer_back):
        return
    for words, slip in _BACKS.items():
        if fits(slip):
            raise Wrong(words)
    case, found, expected = next(
        (case, found, _one_layer_back(*case).numpy())
        for case, found in given
        if not np.allclose(found, _one_layer_back(*case), atol=1e-4)
    )
    at = tuple(int(i) for i in np.argwhere(~np.isclose(found, expected, atol=1e-4))[0])
    raise Wrong(
        f"With a stride of {case[2]}, in the picture of map {at[0]}, channel {at[1]}, the pixel in "
        f"row {at[2]}, column {at[3]} is {found[at]:.3f}; it should be {expected[at]:.3f}."
    )


def _one_layer_back(maps: Tensor, features: Tensor, stride: int) -> Tensor:
    return F.conv_transpose2d(maps, features, stride=stride)


#: Common mistakes in one_layer_back.
_BACKS: dict[str, Callable[[Tensor, Tensor, int], Tensor]] = {
    "Your features are rotated by 180 degrees: that is what a convolution with padding does.": (
        lambda maps, features, stride: _one_layer_back(maps, features.flip(2, 3), stride)
    ),
    "Your maps are rotated by 180 degrees.": (
        lambda maps, features, stride: _one_layer_back(maps.flip(2, 3), features, stride)
    ),
    "You take the mean over the maps below. Add up their contributions.": (
        lambda maps, features, stride: _one_layer_back(maps, features, stride) / maps.shape[1]
    ),
    "You use only one of the maps of the layer below. Add up all of them.": (
        lambda maps, features, stride: _one_layer_back(maps[:, :1], features[:1], stride)
    ),
    "Where features overlap, only the last one is left. Add up all of them.": (
        lambda maps, features, stride: _last_on_top(maps, features, stride)
    ),
}


def _last_on_top(maps: Tensor, features: Tensor, stride: int) -> Tensor:
    """One feature after the other, each in place of what was there before."""
    pictures, size = torch.zeros_like(_one_layer_back(maps, features, stride)), features.shape[-1]
    for y in range(maps.shape[2]):
        for x in range(maps.shape[3]):
            part = torch.einsum("nc,cdij->ndij", maps[:, :, y, x], features)
            top, left = y * stride, x * stride
            pictures[:, :, top : top + size, left : left + size] = part
    return pictures


@exercise(
    2,
    hints=(
        "Start with zeros of twice the size. Each value goes to one of four pixels.",
        "out[0::2, 1::2] are the upper right pixels of all squares.",
        "for k in range(4): out[k // 2 :: 2, k % 2 :: 2] = values * (index == k)",
    ),
)
def unpool(answer, rng) -> None:
    """`unpool(values, index) -> values` of twice the size, each at the pixel it came from."""
    given = []
    for _ in range(3):
        shape = tuple(int(n) for n in rng.integers(3, 7, 2))
        values = torch.tensor(rng.uniform(0.5, 2, shape), dtype=torch.float32)
        index = torch.tensor(rng.integers(0, 4, shape))
        wide = (2 * shape[0], 2 * shape[1])
        given.append((values, index, array(answer(values, index), wide, "the result")))

    def fits(slip: Callable) -> bool:
        return all(np.allclose(found, slip(a, b), atol=1e-6) for a, b, found in given)

    if fits(_unpooled):
        return
    for words, slip in _UNPOOLS.items():
        if fits(slip):
            raise Wrong(words)
    values, index, found = given[0]
    y, x = (int(i) for i in np.argwhere(~np.isclose(found, _unpooled(values, index)))[0])
    raise Wrong(
        f"The square in row {y // 2}, column {x // 2} has the value {values[y // 2, x // 2]:.2f} "
        f"and the index {int(index[y // 2, x // 2])}. Its pixel in row {y}, column {x} should be "
        f"{_unpooled(values, index)[y, x]:.2f}; yours is {found[y, x]:.2f}."
    )


def _unpooled(values: Tensor, index: Tensor, order=(0, 1, 2, 3)) -> Tensor:
    out = values.new_zeros(2 * values.shape[0], 2 * values.shape[1])
    for k, place in enumerate(order):
        out[place // 2 :: 2, place % 2 :: 2] = values * (index == k)
    return out


def _four(values: Tensor) -> Tensor:
    return values.repeat_interleave(2, 0).repeat_interleave(2, 1)


#: Common mistakes in unpooling.
_UNPOOLS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "You fill all four pixels. Only the pixel that `index` names gets the value.": (
        lambda values, index: _four(values)
    ),
    "You spread the value over four pixels. Only the pixel that `index` names gets it.": (
        lambda values, index: _four(values) / 4
    ),
    "All values are in the upper left pixel: use `index`.": (
        lambda values, index: _unpooled(values, torch.zeros_like(index))
    ),
    "Rows and columns are swapped: index 1 is the upper right pixel, index 2 the lower left.": (
        lambda values, index: _unpooled(values, index, (0, 2, 1, 3))
    ),
    "The pixels get their index instead of the value.": (
        lambda values, index: _unpooled(index.float(), index)
    ),
    "The pixels get a 1 instead of the value.": (
        lambda values, index: _unpooled(torch.ones_like(values), index)
    ),
}


@exercise(
    3,
    hints=(
        "How likely is it that exactly k of n pixels fire? Add that up over all k >= least.",
        "The binomial distribution gives math.comb(n, k) * p**k * (1 - p) ** (n - k) for exactly "
        "k.",
        "1 - sum(math.comb(n_pixels, k) * p**k * (1 - p) ** (n_pixels - k) for k in range(least))",
    ),
)
def by_chance(answer, rng) -> None:
    """`by_chance(p, n_pixels, least) -> probability` that at least `least` fire by chance."""
    given = []
    for least in rng.permutation([1, 2, 3, 4]).tolist():
        p, n = float(rng.uniform(0.003, 0.05)), int(rng.integers(9, 50))
        given.append(((p, n, least), number(answer(p, n, least), "the probability")))

    def fits(slip: Callable) -> bool:
        return all(near(found, slip(*case), 1e-4) for case, found in given)

    if fits(_at_least):
        return
    for words, slip in _CHANCES.items():
        if fits(slip):
            raise Wrong(words)
    (p, n, least), found = next(
        case for case in given if not near(case[1], _at_least(*case[0]), 1e-4)
    )
    if found > 1 or found < 0:
        raise Wrong(f"You return {found:.3g}: a probability lies between 0 and 1.")
    raise Wrong(
        f"For at least {least} of {n} pixels, each with p = {p:.4f}, you return {found:.3g}; it "
        f"should be {_at_least(p, n, least):.3g}."
    )


def _exactly(p: float, n: int, k: int) -> float:
    return math.comb(n, k) * p**k * (1 - p) ** (n - k)


def _at_least(p: float, n: int, least: int) -> float:
    return sum(_exactly(p, n, k) for k in range(least, n + 1))


def _poisson(p: float, n: int, least: int) -> float:
    return 1 - sum(math.exp(-n * p) * (n * p) ** k / math.factorial(k) for k in range(least))


#: Common mistakes in the probability of a false alarm.
_CHANCES: dict[str, Callable[[float, int, int], float]] = {
    "That is the probability that *exactly* `least` pixels fire. More count, too.": _exactly,
    "That is the probability that *more* than `least` pixels fire. Include `least` itself.": (
        lambda p, n, least: _at_least(p, n, least + 1)
    ),
    "That is the probability that fewer fire. Subtract it from 1.": (
        lambda p, n, least: 1 - _at_least(p, n, least)
    ),
    "That is the probability that at most `least` fire.": (
        lambda p, n, least: 1 - _at_least(p, n, least + 1)
    ),
    "That is the mean number of pixels that fire.": lambda p, n, least: n * p,
    "That is the probability that `least` given pixels all fire. Any of the n pixels may fire.": (
        lambda p, n, least: p**least
    ),
    "You count the ways to choose the pixels, but the others must stay silent: include a factor "
    "1 - p for each of them.": lambda p, n, least: math.comb(n, least) * p**least,
    "You use the Poisson distribution, which holds for many pixels and a small p. Here n is small: "
    "use the binomial distribution.": _poisson,
}


@exercise(
    4,
    hints=(
        "Which pairs of spikes score above the threshold? Make a list of pairs (i, j).",
        "(scores > threshold).triu(1).nonzero().tolist() are the pairs; union_find joins them.",
        "len(set(union_find(len(scores), pairs))), for each threshold in turn.",
    ),
)
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
        raise Wrong("You sort the thresholds. Keep their order, and return one number for each.")
    found, scores, thresholds = wrong[0]
    k = int(np.argmax(found != _groups(scores, thresholds)))
    pairs = (scores.triu(1) > thresholds[k]).nonzero().tolist()
    raise Wrong(
        f"Among {len(scores)} spikes, the pairs above {thresholds[k]:g} are {pairs}. You count "
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
    "You join pairs at the threshold, too. At 0 this joins all of them: use >, not >=.": (
        lambda s, t: len(set(_joined(s, s >= t)))
    ),
    "That is the number of pairs. A group can hold many, and a single spike is a group, too.": (
        lambda s, t: int((s > t).triu(1).sum())
    ),
    "You subtract one group for each pair. A pair within an existing group does not reduce the "
    "number: use union_find.": lambda s, t: len(s) - int((s > t).triu(1).sum()),
    "You leave out single spikes. Each of them is a group of its own.": (
        lambda s, t: _large(_joined(s, s > t))
    ),
    "That is the index of the last group. Indices start at 0, so count the groups.": (
        lambda s, t: max(_joined(s, s > t))
    ),
    "That is the number of spikes, whatever the threshold is.": lambda s, t: len(s),
    "You count the spikes of the largest group, not the groups.": (
        lambda s, t: max(_joined(s, s > t).count(k) for k in _joined(s, s > t))
    ),
}


@exercise(
    5,
    hints=(
        "Over which pixels is sensitivity defined, and over which specificity?",
        "Sensitivity is found / (found + missed), the fraction of the true pixels that are found.",
        "found / (found + missed) + silent / (silent + false) - 1",
    ),
)
def informedness(answer, rng) -> None:
    """`informedness(found, missed, false, silent) -> value` from -1 to 1."""
    given = []
    for _ in range(3):
        case = [int(n) for n in (*rng.integers(20, 200, 3), rng.integers(5000, 9000))]
        given.append((case, number(answer(*case), "the informedness")))

    def fits(slip: Callable) -> bool:
        return all(near(value, slip(*case), 1e-4) for case, value in given)

    if fits(_informed):
        return
    for words, slip in _INFORMED.items():
        if fits(slip):
            raise Wrong(words)
    case, value = given[0]
    raise Wrong(
        f"With {case[0]} found, {case[1]} missed, {case[2]} false and {case[3]} silent pixels you "
        f"return {value:.4f}; it should be {_informed(*case):.4f}."
    )


def _informed(found: int, missed: int, false: int, silent: int) -> float:
    return found / (found + missed) + silent / (silent + false) - 1


#: Common mistakes in informedness.
_INFORMED: dict[str, Callable[[int, int, int, int], float]] = {
    "That is the accuracy. It is near 1 if nothing is marked at all.": (
        lambda found, missed, false, silent: (found + silent) / (found + missed + false + silent)
    ),
    "That is the sensitivity alone. It is 1 if everything is marked.": (
        lambda found, missed, false, silent: found / (found + missed)
    ),
    "That is the specificity alone. It is 1 if nothing is marked.": (
        lambda found, missed, false, silent: silent / (silent + false)
    ),
    "Subtract 1: a method that marks nothing has a sum of 1, and it should get 0.": (
        lambda *case: _informed(*case) + 1
    ),
    "Your first term is the precision, the fraction of the marked pixels that are true. "
    "Sensitivity is the fraction of the true pixels that are marked.": (
        lambda found, missed, false, silent: found / (found + false) + silent / (silent + false) - 1
    ),
    "Your specificity divides by silent + missed, but missed pixels are true. Divide by silent + "
    "false.": (
        lambda found, missed, false, silent: (
            found / (found + missed) + silent / (silent + missed) - 1
        )
    ),
    "You multiply sensitivity and specificity. Informedness is their sum minus 1.": (
        lambda found, missed, false, silent: found / (found + missed) * silent / (silent + false)
    ),
}
