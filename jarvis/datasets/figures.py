"""Generated event scenes: figures of strokes, hidden among strokes of the same density.

A camera drifts slowly over short strokes in four directions. Each pixel of a stroke fires with
probability 0.3 in a frame. Scenes cycle through no figure, a ring and a star. Both figures consist
of nine strokes on a grid of 3x3 positions, 7 pixels apart, with the same directions. The figures
differ only in the arrangement of the directions (o is any direction)::

    ring  / - \\     star  \\ | /
          | o |           - o -
          \\ - /           / | \\

Each stroke is displaced (standard deviation 0.7 pixels) and rotated (6 degrees) at random, so no
two figures are identical. Strokes of the background have random positions, one of the four
directions, and the same jitter. Their density equals the density of strokes in a figure, and none
of them lies within the figure, so the number of events does not reveal the position of the figure.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from jarvis.datasets.arrays import SPLITS
from jarvis.encoding.events import Events
from jarvis.support.checks import check_choice, check_integer, check_number

KINDS = ("none", "ring", "star")

_APART, _HALF = 7, 3.0  # distance between a figure's strokes; half the length of a stroke, pixels
_BOX = 3 * _APART  # side of a figure, pixels
_CLEAR = 23  # side of the square around a figure that is free of other strokes' centres, pixels
#: Directions of a figure's strokes, row by row, in units of 45 degrees from x to y; None stands
#: for any direction.
_TURNS = {
    "ring": (3, 0, 1, 2, None, 2, 1, 0, 3),
    "star": (1, 2, 3, 0, None, 0, 3, 2, 1),
}


@dataclass(frozen=True)
class FigureConfig:
    """Parameters of a scene; the defaults define the benchmark and do not change.

    Args:
        size: height and width of the frame in pixels.
        n_frames: number of frames, T.
        p_fire: probability that a pixel of a stroke fires in a frame.
        noise: probability that any pixel, on a stroke or not, fires spontaneously in a frame.
        drift: speed of the whole scene in a random direction, pixels per frame.
        jitter: standard deviation of a stroke's displacement, pixels.
        turn: standard deviation of a stroke's rotation, degrees.

    Raises:
        ValueError: if a value is out of range.
    """

    size: int = 48
    n_frames: int = 10
    p_fire: float = 0.3
    noise: float = 0.002
    drift: float = 0.15
    jitter: float = 0.7
    turn: float = 6.0

    def __post_init__(self) -> None:
        check_integer("FigureConfig: size", self.size, at_least=_BOX + 8)
        check_integer("FigureConfig: n_frames", self.n_frames, at_least=1)
        for name in ("p_fire", "noise"):
            check_number(f"FigureConfig: {name}", getattr(self, name), at_least=0, at_most=1)
        for name, unit in (("drift", "pixels"), ("jitter", "pixels"), ("turn", "degrees")):
            check_number(f"FigureConfig: {name}", getattr(self, name), unit, at_least=0)


class Figure(NamedTuple):
    """One scene."""

    events: Events  #: events of one sample, T steps, units ``(1, H, W)``
    kind: int  #: 0 (no figure), 1 (ring) or 2 (star)
    centre: Tensor  #: ``[2]``, the figure's y and x, pixels, halfway in time; NaN without a figure
    mask: Tensor  #: ``[T, H, W]`` bool: the pixels of the figure's strokes


def _points(y: float, x: float, angle: float) -> np.ndarray:
    """``[7, 2]``: the points of a stroke, one in each row or column that it crosses."""
    way = np.array([np.sin(angle), np.cos(angle)])
    along = np.arange(-_HALF, _HALF + 0.5) / np.abs(way).max()
    return np.array([y, x]) + along[:, None] * way


def _strokes(rng: np.random.Generator, kind: int, config: FigureConfig) -> tuple:
    """Points ``[n, 2]`` at the middle time, which of them are the figure's, and its centre."""

    def drawn(y: float, x: float, turn: int | None) -> np.ndarray:
        dy, dx = rng.normal(0, config.jitter, 2)
        turn = int(rng.integers(4)) if turn is None else turn
        return _points(y + dy, x + dx, turn * np.pi / 4 + np.deg2rad(rng.normal(0, config.turn)))

    margin = _BOX / 2 + 4
    centre = rng.uniform(margin, config.size - margin, 2) if kind else np.full(2, np.nan)
    parts = []
    for place, turn in enumerate(_TURNS[KINDS[kind]] if kind else ()):
        row, column = divmod(place, 3)
        y, x = centre + _APART * np.array([row - 1, column - 1])
        parts.append(drawn(y, x, turn))
    own = len(parts)
    wide = config.size + 10  # strokes reach into the frame from outside
    n = rng.poisson(9.5 / _BOX**2 * wide**2)  # above 9, since crossing strokes share pixels
    for y, x in rng.uniform(-5, config.size + 5, (n, 2)):
        if not (kind and max(abs(y - centre[0]), abs(x - centre[1])) < _CLEAR / 2):
            parts.append(drawn(y, x, None))
    points = np.concatenate(parts) if parts else np.zeros((0, 2))
    return points, np.arange(len(points)) < own * len(_points(0, 0, 0)), centre


def _scene(split: str, index: int, config: FigureConfig) -> tuple:
    """Events ``[T, H, W]``, and the figure's pixels ``[T, H, W]``, kind and centre ``[2]``."""
    rng = np.random.default_rng((SPLITS.index(split), index))
    kind = index % len(KINDS)
    points, own, centre = _strokes(rng, kind, config)
    angle, size = rng.uniform(0, 2 * np.pi), config.size
    velocity = config.drift * np.array([np.sin(angle), np.cos(angle)])
    lit, mask = np.zeros((2, config.n_frames, size, size), bool)
    for t in range(config.n_frames):
        at = np.rint(points + (t - (config.n_frames - 1) / 2) * velocity).astype(int)
        inside = ((at >= 0) & (at < size)).all(1)
        lit[t][tuple(at[inside].T)] = True
        mask[t][tuple(at[inside & own].T)] = True
    fires = (rng.random(lit.shape) < config.p_fire) & lit
    return fires | (rng.random(lit.shape) < config.noise), mask, kind, centre


class FigureDataset(Dataset):
    """Generated figures with their ground truth: ``dataset[i] -> Figure``.

    Scene i depends only on the split, i and the options, so it is the same in a larger set.

    Attributes:
        events: `Events` of all N scenes, T steps, units ``(1, H, W)``.
        kinds: ``[N]`` int64: 0 (no figure), 1 (ring) or 2 (star).
        centres: ``[N, 2]`` float32, y and x of each figure, pixels; NaN without a figure.
        masks: ``[N, T, H, W]`` bool: the pixels of the figure's strokes.
        source: content of the data set, in one line.

    Raises:
        ValueError: if there is no such split, or n is not positive.
    """

    def __init__(self, split: str, n: int, config: FigureConfig) -> None:
        check_choice("split", split, SPLITS)
        check_integer("n", n, at_least=1)
        self.split, self.config = split, config
        scenes = [_scene(split, i, config) for i in range(n)]
        fires, masks, kinds, centres = (np.stack(part) for part in zip(*scenes, strict=True))
        dense = torch.from_numpy(fires).transpose(0, 1)[:, :, None]
        self.events = Events.from_dense(dense.float())
        self.masks = torch.from_numpy(masks)
        self.kinds = torch.from_numpy(kinds).long()
        self.centres = torch.from_numpy(centres).float()
        self.source = f"generated, {split} split"

    def __len__(self) -> int:
        return len(self.kinds)

    def __getitem__(self, index: int) -> Figure:
        index = range(len(self))[index]
        kind, centre = int(self.kinds[index]), self.centres[index]
        return Figure(self.events[index], kind, centre, self.masks[index])

    def __repr__(self) -> str:
        c = self.config
        return (
            f"{len(self)} scenes, {c.n_frames} frames of {c.size}x{c.size} pixels, "
            f"no figure, a ring or a star among strokes: {self.source}"
        )


def figures(split: str = "train", *, n: int = 600, **options) -> FigureDataset:
    """Generated event scenes: a ring, a star or neither, among strokes of the same density.

    Only the arrangement of its strokes distinguishes a figure from the background. The scenes are
    described in `jarvis.datasets.figures`.

    Args:
        split: "train", "val" or "test"; scene i of a split does not depend on n.
        n: number of scenes; scene 0 contains no figure, scene 1 a ring, scene 2 a star, and so on.
        options: fields of `FigureConfig`, such as ``jitter=0``; the others keep their defaults.

    Returns:
        Events of 10 steps and units ``(1, 48, 48)``, with the kinds and positions of the figures.

    Example:
        >>> figures("test", n=3)
        3 scenes, 10 frames of 48x48 pixels, no figure, a ring or a star among strokes: \
generated, test split
    """
    return FigureDataset(split, n, FigureConfig(**options))
