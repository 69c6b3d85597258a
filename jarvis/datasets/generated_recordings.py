"""Digits recorded by a simulated event camera, as a substitute for N-MNIST."""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from jarvis.datasets.arrays import SPLITS
from jarvis.datasets.pictures import digits
from jarvis.datasets.recordings import SIDE, EventDataset
from jarvis.encoding.encoders import delta_encode
from jarvis.encoding.events import Events
from jarvis.support.checks import check_integer

#: Corners of the camera's path, pixels (x, y): a triangle with one saccade for each side.
CORNERS = ((0.0, 0.0), (2.5, 5.0), (5.0, 0.0))

SACCADE_MS = 100  #: duration of a saccade, in steps of 1 ms

SIZE = 24  #: side in pixels to which the 8x8 pixels of a digit are enlarged

DARK = 0.15  #: brightness of the background; the brightness of ink is at most 1

THRESHOLD = 0.4  #: change of log brightness per event

NOISE_HZ = 0.3  #: rate of spurious events of each pixel and polarity

AT_ONCE = 16  # recordings simulated together, to limit memory use


def nmnist_like(split: str = "train", *, n: int | None = None) -> EventDataset:
    """Scikit-learn's digits recorded by a simulated event camera, as a substitute for `nmnist`.

    The camera looks at a static image and makes three saccades of 100 ms along a triangle, back to
    its starting point; each saccade starts and ends slowly. Each pixel sends events for changes of
    log brightness (`delta_encode` with a threshold of 0.4) and spurious events of each polarity at
    0.3 Hz. Events have the format of N-MNIST; the digits are coarser (8x8 pixels, enlarged to
    24x24), and the camera path is the same in all recordings.

    Args:
        split: "train" (1257 recordings), "val" (180) or "test" (360), as in `digits`.
        n: number of recordings, from the start of the split; None for all.

    Returns:
        Events with units ``(2, 34, 34)`` (channel 0: ON, 1: OFF) and times from 0 to 300 ms.

    Source: the camera's path follows Orchard, Jayawant, Cohen & Thakor 2015, Front. Neurosci.
    9:437.

    Example:
        >>> recordings = nmnist_like("test", n=2)
        >>> recordings.shape, recordings.targets.tolist()
        ((2, 34, 34), [7, 9])
    """
    pictures = digits(split)
    n = len(pictures) if n is None else check_integer("nmnist_like: n", n, at_least=1)
    few = pictures.subset(n)
    firsts = range(0, len(few), AT_ONCE)
    parts = [_recorded(few.inputs[i : i + AT_ONCE], SPLITS.index(split), i) for i in firsts]
    source = "digits before a simulated event camera"
    return EventDataset(Events.concatenate(parts), few.targets, 10, source)


def camera_path() -> Tensor:
    """The gaze position of the camera in each step of 1 ms, pixels (x, y): ``[300, 2]``."""
    corners = torch.tensor([*CORNERS, CORNERS[0]])
    done = torch.arange(SACCADE_MS) / SACCADE_MS
    eased = 0.5 - 0.5 * torch.cos(math.pi * done)  # starts and ends at speed 0
    sides = [a + eased[:, None] * (b - a) for a, b in pairwise(corners)]
    return torch.cat(sides)


def _recorded(pictures: Tensor, part: int, first: int) -> Events:
    """Events that images ``[B, 1, 8, 8]`` cause; the first image is sample `first` of a split."""
    spikes = delta_encode(_film(pictures).log(), THRESHOLD)  # [300, B, 2, 34, 34]
    spikes = spikes.transpose(0, 1).flatten(2).numpy()
    _, n_steps, n_units = spikes.shape
    times, units = [], []
    for k in range(len(pictures)):
        rng = np.random.default_rng((part, first + k))  # so a recording does not depend on n
        step, unit = np.nonzero(spikes[k])
        n_noise = rng.poisson(NOISE_HZ * n_units * n_steps / 1000)
        step = np.concatenate([step, rng.integers(n_steps, size=n_noise)])
        unit = np.concatenate([unit, rng.integers(n_units, size=n_noise)])
        time = step + rng.random(len(step))  # at a random time within the step
        order = time.argsort()
        times.append(time[order])
        units.append(unit[order])
    offsets = np.concatenate([[0], np.cumsum([len(time) for time in times])])
    return Events(
        torch.from_numpy(np.concatenate(times).astype(np.float32)),
        torch.from_numpy(np.concatenate(units).astype(np.int32)),
        torch.from_numpy(offsets),
        (2, SIDE, SIDE),
    )


def _film(pictures: Tensor) -> Tensor:
    """Brightness ``[300, B, 34, 34]`` of the camera's view, by linear interpolation."""
    path = camera_path() - torch.tensor(CORNERS).mean(0)
    pitch = (pictures.shape[-1] - 1) / (SIZE - 1)  # sensor pitch in pixels of the image
    # Position that each sensor pixel sees when the camera is at the middle of its path.
    pixel = torch.arange(SIDE) - (SIDE - SIZE) / 2
    at = (pixel[:, None] + path[:, None]) * pitch  # [300, 34, 2], x and y
    nodes = torch.arange(pictures.shape[-1])
    x, y = (1 - (at[..., None] - nodes).abs()).clamp_min(0).unbind(2)  # [300, 34, 8]
    ink = torch.einsum("tyi,bij,txj->tbyx", y, pictures[:, 0], x)
    return DARK + (1 - DARK) * ink
