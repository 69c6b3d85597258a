"""Generated event scenes of the night sky: satellites, stars, noise, and their ground truth.

Time runs in frames t = 0 .. T-1; frame t covers the motion from time t to time t + 1. Pixel (y, x)
is the point (y, x), a satellite is a disc, and a pixel is covered if it lies within the disc.

- **Satellite**: 2 to 4 pixels across, 1 to 3 pixels per frame, along a straight line in any
  direction. In frame t, the pixels that it covers at t + 1 but not at t brighten, which causes ON
  events in front of it. The pixels that it covers at t but not at t + 1 darken, which causes OFF
  events behind it. Each of these pixels fires with probability 0.8.
- **Stars**: 20 points that drift together, 0.2 pixels per frame, in one direction. A star lights
  the nearest pixel. If another pixel becomes the nearest in a frame, this pixel fires ON and the
  former one OFF, each with probability 0.8; otherwise the star is silent.
- **Noise**: each pixel fires in each frame with probability 0.005, ON and OFF equally often.

Satellites and stars stay within the field of view in all frames; their positions are uniform under
this constraint. Within a frame, the rims of two satellites are at least one pixel apart; their
paths may cross. The number of satellites cycles from scene to scene: 0, 1, 2, 0, 1, 2, ..., so that
each number is equally frequent.

The ground truth of a frame is the set of pixels where a satellite can cause events: those that it
covers before or after the frame's motion.
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

NOISE, STAR = 0, 255  # sources of events: noise and stars; 1, 2, ... are the satellites

_SKY, _FIRING, _NOISE = range(3)  # random streams; an option affects only one of them

_SEEDS = {"train": 0, "val": 1, "test": 2}


@dataclass(frozen=True)
class SceneConfig:
    """Parameters of a scene; the defaults define the benchmark and do not change.

    Args:
        noise: probability that a pixel fires spontaneously in a frame.
        p_fire: probability that a pixel fires when its brightness changes.
        counts: numbers of satellites, cycled from scene to scene.
        diameter: smallest and largest diameter, in pixels.
        speed: smallest and largest speed, in pixels per frame.
        gap: minimum distance between the rims of two satellites, in pixels.
        n_stars: number of stars.
        star_speed: common drift speed of the stars, in pixels per frame.
        size: height and width of the frame in pixels.
        n_frames: number of frames, T.

    Raises:
        ValueError: if a value is out of range, or the fastest satellite cannot stay in view for the
            whole scene.
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
        for name, least in (("diameter", 1.5), ("speed", 0.0)):  # 1.5 always covers a pixel
            low, high = getattr(self, name)
            if not least <= low <= high:
                raise ValueError(
                    f"SceneConfig: {name}={(low, high)} must be (smallest >= {least}, largest)"
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
    """One scene; S is the largest number of satellites in the data set.

    Attributes:
        events: `Events` of one sample, T steps, units ``(2, H, W)``: channel 0 ON, 1 OFF.
        labels: ``[T, H, W]`` uint8, the ground truth: 0, or the number 1 .. S of the satellite.
        n_satellites: number of satellites.
        boxes: ``[T, S, 4]`` int16, (y0, x0, y1, x1) of the ground truth, ends exclusive; -1 where
            there is no satellite.
        owners: ``[E]`` uint8, source of each event: 0 (noise), 1 .. S (a satellite), 255 (a star).
    """

    events: Events
    labels: Tensor
    n_satellites: int
    boxes: Tensor
    owners: Tensor


class Sky(NamedTuple):
    """Positions of all objects in one scene at the times 0 .. T, as (y, x) in pixels.

    Attributes:
        satellites: ``[T + 1, n, 2]``, centres of the satellites.
        diameters: ``[n]``, diameters of the satellites.
        stars: ``[T + 1, n_stars, 2]``, positions of the stars.
    """

    satellites: np.ndarray
    diameters: np.ndarray
    stars: np.ndarray


def make_sky(split: str, index: int, config: SceneConfig) -> Sky:
    """The positions in scene `index` of a split, determined by index, split and options.

    Raises:
        ValueError: if there is not enough room for the satellites.
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
        raise ValueError(f"SceneConfig: no room for {n} satellites in size={config.size}")
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
    """``[T + 1, 2]``: a straight path, uniform among all paths that keep the disc in view."""
    steps = np.arange(config.n_frames + 1)[:, None] * velocity
    low, high = radius - steps.min(0), config.size - 1 - radius - steps.max(0)
    return rng.uniform(low, high) + steps


def _stacked(paths: list[np.ndarray], config: SceneConfig) -> np.ndarray:
    return np.stack(paths, 1) if paths else np.zeros((config.n_frames + 1, 0, 2))


def _apart(paths: list[np.ndarray], radii: np.ndarray, gap: float) -> bool:
    """Whether the rims of all discs stay at least `gap` apart within every frame."""
    for i, first in enumerate(paths):
        for j, second in enumerate(paths[:i]):
            least = radii[i] + radii[j] + gap
            pairs = ((first, second), (first[1:], second[:-1]), (first[:-1], second[1:]))
            if any((np.hypot(*(a - b).T) < least).any() for a, b in pairs):
                return False
    return True


def covered(centres: np.ndarray, diameter: float, size: int) -> np.ndarray:
    """The pixels covered by a disc with centres ``[T + 1, 2]``, as ``[T + 1, H, W]`` bool.

    Example:
        >>> covered(np.array([[1.0, 2.0]]), 2.0, 4).astype(int)[0]
        array([[0, 0, 1, 0],
               [0, 1, 1, 1],
               [0, 0, 1, 0],
               [0, 0, 0, 0]])
    """
    reach = int(np.ceil(diameter / 2))
    around = np.arange(-reach, reach + 1)
    nearest = np.rint(centres).astype(int)  # a patch around this pixel contains the whole disc
    y, x = nearest[:, 0, None] + around, nearest[:, 1, None] + around
    far = (y - centres[:, :1])[:, :, None] ** 2 + (x - centres[:, 1:])[:, None, :] ** 2
    time, row, column = np.nonzero(far <= (diameter / 2) ** 2)
    out = np.zeros((len(centres), size, size), dtype=bool)
    out[time, y[time, row], x[time, column]] = True
    return out


def _changes(sky: Sky, size: int) -> Iterator[tuple[int, np.ndarray]]:
    """Yield each source of events, and ``(t, channel, y, x)`` where it changes the brightness.

    A source is the number of a satellite, or `STAR` for all stars.
    """
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
    """The camera's events, sorted by step and unit: steps, units and sources, each ``[E]``.

    A pixel fires at most once per frame and channel. An event with several causes is attributed to
    the first satellite among them, otherwise to a star, otherwise to noise.
    """
    size, shape = config.size, (config.n_frames, 2, config.size, config.size)
    keys, owners = [], []
    rng = _rng(split, index, _FIRING)
    for owner, places in _changes(sky, size):
        fires = rng.random(places.shape[1]) < config.p_fire
        keys.append(np.ravel_multi_index(tuple(places[:, fires]), shape))
        owners.append(np.full(len(keys[-1]), owner, dtype=np.uint8))
    # There is one random integer per pixel and frame: its size determines whether the pixel fires,
    # and its last bit determines the channel. So events that occur with less noise also occur with
    # more noise.
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
    """Generated scenes with their ground truth: ``dataset[i] -> Scene``.

    Scene i depends only on the split, i and the options, so it is the same in a larger set. (The
    random numbers come from numpy and may change with a new version, but have not done so in
    years.)

    Attributes:
        events: `Events` of all N scenes, T steps, units ``(2, H, W)``: channel 0 ON, 1 OFF.
        owners: ``[E]`` uint8, source of each event: 0 (noise), 1 .. S (a satellite), 255 (a star).
        n_satellites: ``[N]`` int64, number of satellites in each scene.
        skies: positions of all objects, one `Sky` per scene.
        source: content of the data set, in one line.

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
        """``[T, S, H, W]`` bool: the ground truth of one scene, separately for each satellite."""
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
        """``[N, T, H, W]`` uint8: `Scene.labels` of all scenes."""
        return torch.stack([_labels(self.masks(i)) for i in range(len(self))])

    @cached_property
    def boxes(self) -> Tensor:
        """``[N, T, S, 4]`` int16: `Scene.boxes` of all scenes."""
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
    """Convert masks to labels. Masks do not overlap, since satellites stay apart within a frame."""
    number = torch.arange(1, masks.shape[1] + 1, dtype=torch.uint8)
    return (masks.to(torch.uint8) * number[:, None, None]).sum(1, dtype=torch.uint8)


def _boxes(masks: Tensor) -> Tensor:
    """Boxes ``[T, S, 4]`` around ``masks [T, S, H, W]``, as in `Scene.boxes`."""
    from torchvision.ops import masks_to_boxes

    lit = masks.flatten(2).any(2)
    boxes = torch.full((*lit.shape, 4), -1, dtype=torch.int16)
    x0, y0, x1, y1 = masks_to_boxes(masks[lit]).short().unbind(1)  # inclusive ends
    boxes[lit] = torch.stack([y0, x0, y1 + 1, x1 + 1], 1)
    return boxes


def satellites(split: str = "train", *, n: int = 500, **options) -> SceneDataset:
    """Generated event scenes: 0, 1 or 2 satellites cross a field of drifting stars, in noise.

    The scenes replace recordings of the night sky and are described in `jarvis.datasets.scenes`.

    Args:
        split: "train", "val" or "test"; scene i of a split does not depend on n.
        n: number of scenes.
        options: fields of `SceneConfig`, such as ``noise=0.01``; the others keep their defaults.

    Returns:
        Events of 10 steps and units ``(2, 128, 128)``, and the ground truth for each pixel and
        frame.

    Example:
        >>> satellites("test", n=3)
        3 scenes, 10 frames of 128x128 pixels, 0 to 2 satellites: generated, test split
    """
    check_choice("split", split, SPLITS)
    return SceneDataset(split, n, SceneConfig(**options))
