"""Event scenes of the night sky, generated: satellites, stars, noise, and the truth about each.

Time runs in frames t = 0 .. T-1; frame t is the motion from time t to time t + 1. Pixel (y, x) is
the point (y, x), a satellite a disc, and a pixel is covered where it lies within the disc.

- **Satellite**: 2 to 4 pixels across, 1 to 3 pixels a frame, along a straight line in any
  direction. In frame t the pixels that it covers at t + 1 and not at t brighten: ON, in front.
  Those that it covers at t and not at t + 1 darken: OFF, behind. Each fires with probability 0.8.
- **Stars**: 20 points that drift together, 0.2 pixels a frame, in one direction. A star lights the
  pixel nearest to it. In a frame in which that pixel changes, the new one fires ON and the old one
  OFF, each with probability 0.8; otherwise the star is silent.
- **Noise**: each pixel fires in each frame with probability 0.005, ON or OFF alike.

Satellites and stars stay within the picture in all frames; their places are uniform over those
where they do. Two satellites are never nearer to each other than a pixel from rim to rim, within
a frame; their paths may cross. The numbers of satellites take turns from scene to scene: 0, 1, 2,
0, 1, 2, ..., so that each number has its equal share.

The truth of a frame is where a satellite's events can be: the pixels that it covers before or after
the frame's motion.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from jarvis.datasets.arrays import SPLITS
from jarvis.encoding.events import Events
from jarvis.support.checks import check_choice, check_integer, check_number

NOISE, STAR = 0, 255  # owners of events; 1, 2, ... are the satellites

_SKY, _FIRING, _NOISE = range(3)  # streams of random numbers: an option of one moves no other

_SEEDS = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True)
class SceneConfig:
    """What a scene is made of; the defaults are the benchmark's and stay as they are.

    Args:
        noise: probability that a pixel fires by itself in a frame.
        p_fire: probability that a pixel fires where its light changes.
        counts: numbers of satellites, taken in turn from scene to scene.
        diameter: smallest and largest, in pixels.
        speed: smallest and largest, in pixels a frame.
        gap: least distance between the rims of two satellites, in pixels.
        n_stars: number of stars.
        star_speed: their common drift, in pixels a frame.
        size: height and width of the picture in pixels.
        n_frames: T.

    Raises:
        ValueError: if a value is out of its range, or the fastest satellite does not fit into the
            picture for the whole scene.
    """

    noise: float = 0.005
    p_fire: float = 0.8
    counts: tuple[int, ...] = (0, 1, 2)
    diameter: tuple[float, float] = (2.0, 4.0)
    speed: tuple[float, float] = (1.0, 3.0)
    gap: float = 1.0
    n_stars: int = 20
    star_speed: float = 0.2
    size: int = 128
    n_frames: int = 10

    def __post_init__(self) -> None:
        for name in ("noise", "p_fire"):
            check_number(f"SceneConfig: {name}", getattr(self, name), at_least=0, at_most=1)
        for name, least in (("diameter", 1.5), ("speed", 0.0)):  # at 1.5 it covers some pixel
            low, high = getattr(self, name)
            if not least <= low <= high:
                raise ValueError(
                    f"SceneConfig: {name}={(low, high)} must be (smallest, largest), from {least}"
                )
        if not self.counts or not all(0 <= count < STAR for count in self.counts):
            raise ValueError(f"SceneConfig: counts={self.counts} must be numbers from 0 to 254")
        for name in ("gap", "star_speed"):
            check_number(f"SceneConfig: {name}", getattr(self, name), "pixels", at_least=0)
        check_integer("SceneConfig: n_stars", self.n_stars, at_least=0)
        check_integer("SceneConfig: n_frames", self.n_frames, at_least=1)
        path = self.n_frames * max(self.speed[1], self.star_speed) + self.diameter[1]
        if not path < self.size - 1:
            raise ValueError(
                f"SceneConfig: size={self.size} is too small: a satellite needs {path:g} pixels "
                f"to stay in view for {self.n_frames} frames; take a larger size or fewer frames"
            )


class Scene(NamedTuple):
    """One scene; S is the largest number of satellites that the data set has.

    Attributes:
        events: `Events` of one sample, T steps, units ``(2, H, W)``: channel 0 ON, 1 OFF.
        labels: ``[T, H, W]`` uint8, the truth: 0, or the number 1 .. S of the satellite.
        n_satellites: how many there are.
        boxes: ``[T, S, 4]`` int16, (y0, x0, y1, x1) of the truth, ends exclusive; -1: none there.
        owners: ``[E]`` uint8, whose each event is: 0 noise, 1 .. S a satellite, 255 a star.
    """

    events: Events
    labels: Tensor
    n_satellites: int
    boxes: Tensor
    owners: Tensor


class Sky(NamedTuple):
    """Where everything is in one scene, at the times 0 .. T; places are (y, x) in pixels.

    Attributes:
        satellites: ``[T + 1, n, 2]``, centres.
        diameters: ``[n]``.
        stars: ``[T + 1, n_stars, 2]``.
    """

    satellites: np.ndarray
    diameters: np.ndarray
    stars: np.ndarray


def make_sky(split: str, index: int, config: SceneConfig) -> Sky:
    """The places of scene `index` of a split: they follow from these two and the options alone.

    Raises:
        ValueError: if that many satellites find no room.
    """
    rng = _rng(split, index, _SKY)
    drift = config.star_speed * _direction(rng)
    n = config.counts[index % len(config.counts)]
    for _ in range(1000):
        diameters = rng.uniform(*config.diameter, n)
        speeds = rng.uniform(*config.speed, n)
        velocities = [speed * _direction(rng) for speed in speeds]
        moving = zip(velocities, diameters, strict=True)
        paths = [_path(rng, v, d / 2, config) for v, d in moving]
        if _apart(paths, diameters / 2, config.gap):
            break
    else:
        raise ValueError(f"SceneConfig: {n} satellites find no room in size={config.size}")
    stars = [_path(rng, drift, 0.5, config) for _ in range(config.n_stars)]
    return Sky(_stacked(paths, config), diameters, _stacked(stars, config))


def _rng(split: str, index: int, stream: int) -> np.random.Generator:
    return np.random.default_rng((_SEEDS[split], index, stream))


def _direction(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0.0, 2.0 * np.pi)
    return np.array([np.sin(angle), np.cos(angle)])


def _path(
    rng: np.random.Generator, velocity: np.ndarray, radius: float, config: SceneConfig
) -> np.ndarray:
    """``[T + 1, 2]``: a straight line, uniform among those that keep the disc in the picture."""
    steps = np.arange(config.n_frames + 1)[:, None] * velocity
    low, high = radius - steps.min(0), config.size - 1 - radius - steps.max(0)
    return rng.uniform(low, high) + steps


def _stacked(paths: list[np.ndarray], config: SceneConfig) -> np.ndarray:
    return np.stack(paths, 1) if paths else np.zeros((config.n_frames + 1, 0, 2))


def _apart(paths: list[np.ndarray], radii: np.ndarray, gap: float) -> bool:
    """Whether no two discs come nearer than `gap` from rim to rim within any frame."""
    for i, first in enumerate(paths):
        for j, second in enumerate(paths[:i]):
            least = radii[i] + radii[j] + gap
            pairs = ((first, second), (first[1:], second[:-1]), (first[:-1], second[1:]))
            if any((np.hypot(*(a - b).T) < least).any() for a, b in pairs):
                return False
    return True


def covered(centres: np.ndarray, diameter: float, size: int) -> np.ndarray:
    """The pixels that a disc covers, ``[T + 1, H, W]`` bool, for its centres ``[T + 1, 2]``.

    Example:
        >>> covered(np.array([[1.0, 2.0]]), 2.0, 4).astype(int)[0]
        array([[0, 0, 1, 0],
               [0, 1, 1, 1],
               [0, 0, 1, 0],
               [0, 0, 0, 0]])
    """
    reach = int(np.ceil(diameter / 2))
    around = np.arange(-reach, reach + 1)
    nearest = np.rint(centres).astype(int)  # a patch around it holds the whole disc
    y, x = nearest[:, 0, None] + around, nearest[:, 1, None] + around
    far = (y - centres[:, :1])[:, :, None] ** 2 + (x - centres[:, 1:])[:, None, :] ** 2
    time, row, column = np.nonzero(far <= (diameter / 2) ** 2)
    out = np.zeros((len(centres), size, size), dtype=bool)
    out[time, y[time, row], x[time, column]] = True
    return out


def _changes(sky: Sky, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """For each owner the places ``(t, channel, y, x)`` at which its light changes."""
    for i, diameter in enumerate(sky.diameters):
        disc = covered(sky.satellites[:, i], diameter, size)
        before, after = disc[:-1], disc[1:]
        for channel, change in enumerate((after & ~before, before & ~after)):
            t, y, x = np.nonzero(change)
            yield i + 1, np.stack([t, np.full_like(t, channel), y, x])
    pixel = np.rint(sky.stars).astype(int)
    t, star = np.nonzero((pixel[1:] != pixel[:-1]).any(2))
    for channel, lit in enumerate((pixel[1:], pixel[:-1])):
        yield STAR, np.stack([t, np.full_like(t, channel), *lit[t, star].T])


def scene_events(sky: Sky, split: str, index: int, config: SceneConfig) -> tuple:
    """What the camera sees: steps ``[E]``, units ``[E]`` and owners ``[E]``, sorted by step, unit.

    A pixel fires once a frame and channel; where several things ask for it, the event belongs to
    the first satellite, then a star, then noise.
    """
    size, shape = config.size, (config.n_frames, 2, config.size, config.size)
    keys, owners = [], []
    rng = _rng(split, index, _FIRING)
    for owner, places in _changes(sky, size):
        fires = rng.random(places.shape[1]) < config.p_fire
        keys.append(np.ravel_multi_index(tuple(places[:, fires]), shape))
        owners.append(np.full(len(keys[-1]), owner, dtype=np.uint8))
    # One word a pixel and frame: its size decides whether it fires, its last bit the channel, so
    # that more noise keeps all events of less noise.
    words = _rng(split, index, _NOISE).integers(
        0, 1 << 32, config.n_frames * size * size, dtype=np.uint32
    )
    pixel = np.flatnonzero(words < config.noise * (1 << 32))
    t, place = np.divmod(pixel, size * size)
    keys.append((2 * t + (words[pixel] & 1)) * (size * size) + place)
    owners.append(np.full(len(pixel), NOISE, dtype=np.uint8))
    key, first = np.unique(np.concatenate(keys), return_index=True)
    step, unit = np.divmod(key, 2 * size * size)
    return step.astype(np.int32), unit.astype(np.int32), np.concatenate(owners)[first]


class SceneDataset(Dataset):
    """Generated scenes with their truth: ``dataset[i] -> Scene``.

    Scene i depends on the split, i and the options: it is the same in a larger set. (Its random
    numbers are numpy's, which may change them with a new version, and has not done so in years.)

    Attributes:
        events: `Events` of all N scenes, T steps, units ``(2, H, W)``: channel 0 ON, 1 OFF.
        owners: ``[E]`` uint8, whose each event is: 0 noise, 1 .. S a satellite, 255 a star.
        n_satellites: ``[N]`` int64.
        skies: where everything is: a `Sky` a scene.
        source: in one line, what this is.

    Raises:
        ValueError: if there is no such split, or n is not positive.
    """

    def __init__(self, split: str, n: int, config: SceneConfig) -> None:
        check_choice("split", split, _SEEDS)
        check_integer("n", n, at_least=1)
        self.split, self.config = split, config
        self.skies = [make_sky(split, i, config) for i in range(n)]
        parts = [scene_events(sky, split, i, config) for i, sky in enumerate(self.skies)]
        steps, units, owners = (
            torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True)
        )
        ends = np.cumsum([0] + [len(part[0]) for part in parts])
        shape = (2, config.size, config.size)
        self.events = Events(steps, units, torch.from_numpy(ends), shape, config.n_frames)
        self.owners = owners
        self.n_satellites = torch.tensor([len(sky.diameters) for sky in self.skies])
        self.source = f"generated, {split} split"

    def __len__(self) -> int:
        return len(self.skies)

    def masks(self, index: int) -> Tensor:
        """``[T, S, H, W]`` bool: the truth of one scene, each satellite by itself."""
        return _masks(self.skies[index], self.config)

    def __getitem__(self, index: int) -> Scene:
        index = range(len(self))[index]
        start, end = self.events.offsets[index : index + 2].tolist()
        masks = self.masks(index)
        count = len(self.skies[index].diameters)
        return Scene(
            self.events[index], _labels(masks), count, _boxes(masks), self.owners[start:end]
        )

    @cached_property
    def labels(self) -> Tensor:
        """``[N, T, H, W]`` uint8: the truth of all scenes, 0 or the satellite's number."""
        return torch.stack([_labels(self.masks(i)) for i in range(len(self))])

    @cached_property
    def boxes(self) -> Tensor:
        """``[N, T, S, 4]`` int16: (y0, x0, y1, x1) of the truth, ends exclusive; -1: none."""
        return torch.stack([_boxes(self.masks(i)) for i in range(len(self))])

    def __repr__(self) -> str:
        c = self.config
        return (
            f"{len(self)} scenes, {c.n_frames} frames of {c.size}x{c.size} pixels, "
            f"{min(c.counts)} to {max(c.counts)} satellites: {self.source}"
        )


def _masks(sky: Sky, config: SceneConfig) -> Tensor:
    out = torch.zeros(config.n_frames, max(config.counts), config.size, config.size).bool()
    for i, diameter in enumerate(sky.diameters):
        disc = torch.from_numpy(covered(sky.satellites[:, i], diameter, config.size))
        out[:, i] = disc[:-1] | disc[1:]
    return out


def _labels(masks: Tensor) -> Tensor:
    """Masks as numbers. No pixel has two: satellites keep apart within a frame."""
    number = torch.arange(1, masks.shape[1] + 1, dtype=torch.uint8)
    return (masks.to(torch.uint8) * number[:, None, None]).sum(1, dtype=torch.uint8)


def _boxes(masks: Tensor) -> Tensor:
    """``[T, S, 4]`` around ``masks [T, S, H, W]``, as `Scene.boxes` says."""
    from torchvision.ops import masks_to_boxes

    lit = masks.flatten(2).any(2)
    boxes = torch.full((*lit.shape, 4), -1, dtype=torch.int16)
    x0, y0, x1, y1 = masks_to_boxes(masks[lit]).short().unbind(1)  # ends included
    boxes[lit] = torch.stack([y0, x0, y1 + 1, x1 + 1], 1)
    return boxes


def satellites(split: str = "train", *, n: int = 500, **options) -> SceneDataset:
    """Generated event scenes: 0, 1 or 2 satellites cross a field of drifting stars, in noise.

    They stand in for recordings of the night sky. `jarvis.datasets.scenes` says what fires where.

    Args:
        split: "train", "val" or "test"; scene i of a split is the same whatever n is.
        n: number of scenes.
        options: fields of `SceneConfig`, such as ``noise=0.01``; the scenes stay the same else.

    Returns:
        Events of 10 steps and units ``(2, 128, 128)``, and the truth of each pixel and frame.

    Example:
        >>> satellites("test", n=3)
        3 scenes, 10 frames of 128x128 pixels, 0 to 2 satellites: generated, test split
    """
    check_choice("split", split, SPLITS)
    return SceneDataset(split, n, SceneConfig(**options))
