"""Checks of lesson 405: counting events, choosing, velocity, the densest square, an interval."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from jarvis.classroom.check.verdict import Wrong, array, exercise, number


@exercise(
    1,
    hints=(
        "Add ON and OFF events first. Then count the events in the 3x3 square around each pixel.",
        "F.conv2d with a kernel of ones and padding=1 counts them. Its input has the shape "
        "[N, 1, H, W].",
        "both = dense.sum(1, keepdim=True); F.conv2d(both, torch.ones(1, 1, 3, 3), padding=1) >= "
        "least, and both > 0; then [:, 0].",
    ),
)
def count_neighbours(answer, rng) -> None:
    """`count_neighbours(dense, least) -> mask`: pixels with at least `least` events around them."""
    cases = []
    for least in rng.permutation([2, 3, 4]).tolist():
        shape = (4, 2, *rng.integers(9, 14, 2).tolist())
        dense = torch.tensor(rng.random(shape) < 0.2, dtype=torch.float32)
        found = answer(dense, least)
        if getattr(found, "shape", None) == (shape[0], 1, *shape[2:]):
            raise Wrong("Your mask still has the channel axis, of size 1: take [:, 0].")
        if getattr(found, "shape", None) == shape:
            raise Wrong(
                "Your mask has an axis for ON and OFF. Events count regardless of polarity."
            )
        mask = array(found, (shape[0], *shape[2:]), "the mask")
        if not np.isin(mask, (0, 1)).all():
            raise Wrong(
                "The values of a mask are True and False (or 1 and 0): compare the count with "
                "`least`."
            )
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
        f"Around the pixel in row {y}, column {x}, the numbers of events are {around}. With least "
        f"= {least}, its mask should be {not mask[t, y, x]}, but you return {bool(mask[t, y, x])}."
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
    "You require more than `least` events. At least means >=.": (
        lambda dense, least: _marked(dense, least + 1)
    ),
    "You count the neighbours alone. The square includes the pixel's own events, too.": (
        partial(_around, kernel=_AROUND)
    ),
    "You count only the four nearest neighbours. The square includes the corners as well.": (
        partial(_around, kernel=_CROSS)
    ),
    "You count ON events only. OFF events count as well.": (
        lambda dense, least: _marked(dense * torch.tensor([1.0, 0.0])[:, None, None], least)
    ),
    "You count ON and OFF separately. Add them first.": _per_channel,
    "A pixel with an ON and an OFF event has two events, but you count one.": (
        lambda dense, least: _marked(_one_each(dense), least)
    ),
    "You add up the frames. Count the events of each frame separately.": (
        lambda dense, least: (
            _marked(dense.sum(0, keepdim=True).expand_as(dense), least) & (dense.sum(1) > 0).numpy()
        )
    ),
    "At the border you count pixels on the opposite side: torch.roll wraps around.": (
        lambda dense, least: ((_rolled(dense) >= least) & (dense.sum(1) > 0)).numpy()
    ),
}


@exercise(
    2,
    hints=(
        "Choose the option on one set of scenes, and take its score on the other.",
        "np.argmax(val) is the best option. What is the score of this option on the test scenes?",
        "best = int(np.argmax(val)); return best, test[best]",
    ),
)
def choose(answer, rng) -> None:
    """`choose(val, test) -> (option, score)`: best option on `val`, its score on `test`."""
    given = []
    for _ in range(3):
        n = int(rng.integers(5, 9))
        val, test = rng.permutation(np.linspace(0.5, 0.9, n)), rng.uniform(0.5, 0.9, n)
        best = int(val.argmax())
        test[best] = 0.7
        test[(best + 1) % n] = 0.95  # another option is best on the test scenes
        pair = answer(val, test)
        if not isinstance(pair, tuple | list | np.ndarray) or len(pair) != 2:
            raise Wrong("choose should return two things: the option's index, and its score.")
        given.append((val, test, number(pair[0], "the option"), number(pair[1], "the score")))

    def fits(slip: Callable) -> bool:
        return all(np.allclose((i, score), slip(val, test)) for val, test, i, score in given)

    if fits(lambda val, test: (val.argmax(), test[val.argmax()])):
        return
    for words, slip in _CHOICES.items():
        if fits(slip):
            raise Wrong(words)
    val, test, option, score = given[0]
    raise Wrong(
        f"On the validation scenes, option {val.argmax()} is best; its score on the test scenes is "
        f"{test[val.argmax()]:.2f}. You return option {option:g} and a score of {score:.2f}."
    )


#: Common mistakes in choosing an option.
_CHOICES: dict[str, Callable[[np.ndarray, np.ndarray], tuple]] = {
    "You choose the option on the test scenes. Its score there is too high on average, because it "
    "was chosen for this score.": lambda val, test: (test.argmax(), test.max()),
    "Your option is right, but return its score on the test scenes. On the scenes used to choose "
    "the option, it looks too good.": lambda val, test: (val.argmax(), val.max()),
    "You return the best score on the test scenes, which belongs to another option.": (
        lambda val, test: (val.argmax(), test.max())
    ),
    "That is the worst option.": lambda val, test: (val.argmin(), test[val.argmin()]),
    "Your two values are swapped: the option comes first, then its score.": (
        lambda val, test: (test[val.argmax()], val.argmax())
    ),
}


@exercise(
    3,
    hints=(
        "Find the frames that have pixels, and the centre of each: the mean (y, x) of its pixels.",
        "Fit a straight line to the centres as a function of the original frame numbers.",
        "np.polyfit(frames, centres, 1)[0] holds both slopes, vy and vx.",
    ),
)
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
            raise Wrong("You return a NaN: a frame without pixels has no centre. Skip it.")
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
            "Your two numbers are swapped: vy, the speed across the rows, comes first.": expected[
                ::-1
            ],
            "Your signs are reversed: subtract the earlier position from the later one.": -expected,
            "You number the non-empty frames 0, 1, 2, ... A skipped frame still takes time: "
            "use the original frame numbers.": _slope(order, centres),
            "You use the first and the last frame only. A straight line through all centres "
            "averages out their errors.": span / (seen[-1] - seen[0]),
            "That is the distance from the first to the last frame. Divide it by the time.": span,
            "You divide by the number of frames. Between n frames there are only n - 1 steps.": (
                span / len(masks)
            ),
            "You average the steps between non-empty frames, whatever the time between "
            "them.": np.diff(centres, axis=0).mean(0),
            "You take the middle of the bounding box. The centre is the mean of all pixels.": (
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
            f"For an object with vy = {expected[0]:.3f} and vx = {expected[1]:.3f} pixels per "
            f"frame, you return {found[0]:.3f} and {found[1]:.3f}."
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


@exercise(
    4,
    hints=(
        "Add up the events of every square first, and then find the highest sum.",
        "F.avg_pool2d(counts[None, None], width, 1) gives the mean of every square in the picture.",
        "divmod(int(means.argmax()), means.shape[-1]) is the upper left corner; add width // 2 to "
        "both.",
    ),
)
def densest_square(answer, rng) -> None:
    """`densest_square(counts, width) -> (row, column)` of the middle of the fullest square."""
    given = []
    for _ in range(4):
        shape = tuple(int(n) for n in rng.integers([24, 32], [30, 40]))
        width = int(rng.choice([5, 7, 9]))
        counts = torch.tensor(rng.poisson(0.5, shape), dtype=torch.float32)
        counts[:, : width // 2] += 10  # a trap: squares cut off at the border
        y, x = (int(n) for n in rng.integers(width + width // 2, np.array(shape) - width // 2))
        counts[y - width // 2 : y + width // 2 + 1, x - width // 2 : x + width // 2 + 1] += 5
        pair = answer(counts, width)
        if not isinstance(pair, tuple | list | np.ndarray | Tensor) or len(pair) != 2:
            raise Wrong("densest_square should return two numbers, a row and a column.")
        given.append((counts, width, number(pair[0], "the row"), number(pair[1], "the column")))

    def fits(slip: Callable) -> bool:
        return all((y, x) == slip(counts, width) for counts, width, y, x in given)

    if fits(_densest):
        return
    for words, slip in _SQUARES.items():
        if fits(slip):
            raise Wrong(words)
    counts, width, y, x = given[0]
    row, column = _densest(counts, width)
    raise Wrong(
        f"In a {counts.shape[0]}x{counts.shape[1]} picture, the fullest {width}x{width} square is "
        f"centred on row {row}, column {column}. You return {y:g} and {x:g}."
    )


def _sums(counts: Tensor, width: int) -> Tensor:
    """Events in every square within the picture, indexed by its upper left corner."""
    return counts.unfold(0, width, 1).unfold(1, width, 1).sum((2, 3))


def _densest(counts: Tensor, width: int) -> tuple[int, int]:
    y, x = _corner(counts, width)
    return y + width // 2, x + width // 2


def _corner(counts: Tensor, width: int) -> tuple[int, int]:
    sums = _sums(counts, width)
    return divmod(int(sums.argmax()), sums.shape[1])


def _padded(counts: Tensor, width: int) -> tuple[int, int]:
    """The middle of the square with the highest mean; squares may be cut off at the border."""
    means = F.avg_pool2d(counts[None], width, 1, width // 2, count_include_pad=False)[0]
    return divmod(int(means.argmax()), means.shape[1])


def _wrong_width(counts: Tensor, width: int) -> tuple[int, int]:
    return divmod(int(_sums(counts, width).argmax()), counts.shape[1])


#: Common mistakes in finding the densest square.
_SQUARES: dict[str, Callable[[Tensor, int], tuple[int, ...]]] = {
    "That is the upper left corner of the square. Its middle is width // 2 further down and "
    "right.": _corner,
    "Row and column are swapped: the row comes first.": (
        lambda counts, width: _densest(counts, width)[::-1]
    ),
    "That is the pixel with the most events. Count the events of a whole square.": (
        lambda counts, width: divmod(int(counts.argmax()), counts.shape[1])
    ),
    "That is the emptiest square.": lambda counts, width: _densest(-counts, width),
    "Some of your squares reach beyond the border, and you average the part within it. Use only "
    "whole squares.": _padded,
    "You divide the index by the width of the picture. A row has fewer squares than "
    "pixels.": _wrong_width,
}


@exercise(
    5,
    hints=(
        "Each scene is a random yes or no, with probability `share` of yes. What is its variance?",
        "The fraction of yes among n scenes has a standard deviation of sqrt(share (1 - share) / "
        "n).",
        "half = 1.96 * math.sqrt(share * (1 - share) / n); return share - half, share + half",
    ),
)
def interval(answer, rng) -> None:
    """`interval(share, n) -> (low, high)`: a 95 % interval, the normal one or Wilson's."""
    given = []
    for _ in range(3):
        share, n = float(rng.uniform(0.6, 0.97)), int(rng.integers(300, 1000))
        pair = answer(share, n)
        if not isinstance(pair, tuple | list | np.ndarray) or len(pair) != 2:
            raise Wrong("interval should return two numbers, the lower and the upper end.")
        given.append((share, n, number(pair[0], "the lower end"), number(pair[1], "the upper end")))

    def fits(low: Callable, high: Callable) -> bool:
        return all(abs(a - low(p, n)) < 3e-4 and abs(b - high(p, n)) < 3e-4 for p, n, a, b in given)

    if any(fits(*_both_ends(lambda p, n, z=z: z * _sd(p, n))) for z in (1.96, 2.0)):
        return
    if fits(lambda p, n: _wilson(p, n)[0], lambda p, n: _wilson(p, n)[1]):
        return
    if fits(lambda p, n: p + 1.96 * _sd(p, n), lambda p, n: p - 1.96 * _sd(p, n)):
        raise Wrong("The two ends are swapped: the lower one comes first.")
    if fits(lambda p, n: -1.96 * _sd(p, n), lambda p, n: 1.96 * _sd(p, n)):
        raise Wrong("That is the interval around 0. Add the share to both ends.")
    for words, half in _HALVES.items():
        if fits(*_both_ends(half)):
            raise Wrong(words)
    share, n, low, high = given[0]
    half = 1.96 * _sd(share, n)
    raise Wrong(
        f"For a share of {share:.3f} of {n} scenes, you return {low:.4f} to {high:.4f}; the "
        f"interval is {share - half:.4f} to {share + half:.4f}."
    )


def _sd(share: float, n: int) -> float:
    return math.sqrt(share * (1 - share) / n)


def _both_ends(half: Callable[[float, int], float]) -> tuple[Callable, Callable]:
    """Both ends of an interval around the share."""
    return lambda p, n: p - half(p, n), lambda p, n: p + half(p, n)


def _wilson(share: float, n: int, z: float = 1.96) -> tuple[float, float]:
    middle = (share + z**2 / 2 / n) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / 4 / n**2)
    return middle - half, middle + half


#: Common mistakes in the half-width of the interval.
_HALVES: dict[str, Callable[[float, int], float]] = {
    "You take one standard deviation on each side, which covers 68 %. For 95 %, take 1.96.": _sd,
    "You use the standard deviation of a single scene. For the mean of n scenes, divide it by "
    "sqrt(n).": (lambda p, n: 1.96 * math.sqrt(p * (1 - p))),
    "You divide by n outside the root. Divide the variance by n first, and then take the root.": (
        lambda p, n: 1.96 * math.sqrt(p * (1 - p)) / n
    ),
    "You use the variance of the mean. Take its square root.": (
        lambda p, n: 1.96 * p * (1 - p) / n
    ),
    "The variance of a yes or no with probability p is p (1 - p): your second factor is missing.": (
        lambda p, n: 1.96 * math.sqrt(p / n)
    ),
}
