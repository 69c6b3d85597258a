"""The Yin-Yang set: points in a disc, in its dark half, its bright half or one of two dots.

A linear classifier reaches 64 %; a higher accuracy requires a hidden layer, which can be small.
"""

import math

import numpy as np
import torch

from jarvis.datasets.arrays import SPLITS, ArrayDataset
from jarvis.support.checks import check_choice, check_integer

RADIUS = 0.5  #: radius of the disc, which is centred at (0.5, 0.5)

DOT = 0.1  #: radius of the dots at (0.25, 0.5) and (0.75, 0.5)

CLASSES = ("yin", "yang", "dot")

SAMPLES = {"train": (5000, 42), "val": (1000, 41), "test": (1000, 40)}  #: size, seed


def yinyang_class(x: float, y: float) -> int:
    """Class of a point in the disc: 0 and 1 for the halves, 2 for the dots.

    A point that is not in a dot belongs to half 1 if it lies in the left half-circle of radius 1/4,
    or above the middle and outside the right half-circle.

    Example:
        >>> yinyang_class(0.5, 0.9), yinyang_class(0.5, 0.1), yinyang_class(0.75, 0.5)
        (1, 0, 2)
    """
    right, left = math.hypot(x - 0.75, y - 0.5), math.hypot(x - 0.25, y - 0.5)
    if right < DOT or left < DOT:
        return 2
    return int(right <= DOT or DOT < left <= 0.25 or (y > 0.5 and right > 0.25))


def draw_yinyang(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """n points with balanced classes, reproducing the published procedure draw by draw.

    For each sample, a class is drawn first; then points of the square are drawn until one lies in
    the disc and has that class.

    Args:
        n: number of samples.
        seed: seed of `numpy.random.RandomState`.

    Returns:
        features ``[n, 4]``, (x, y, 1 - x, 1 - y), and classes ``[n]``.

    Raises:
        ValueError: for ``n < 1``.

    Source: Kriener, Göltz & Petrovici 2022, NICE, doi:10.1145/3517343.3517380; the samples are
    identical to those of the published generator.

    Example:
        >>> features, classes = draw_yinyang(3, seed=42)
        >>> features.round(3)[0]
        array([0.68, 0.45, 0.32, 0.55])
    """
    check_integer("n", n, at_least=1)
    random = np.random.RandomState(seed)  # the legacy generator used for the published samples
    points, classes = np.empty((n, 2)), np.empty(n, np.int64)
    for i in range(n):
        goal = random.randint(3)
        while True:
            x, y = random.rand(2)
            inside = math.sqrt((x - 0.5) ** 2 + (y - 0.5) ** 2) <= RADIUS
            if inside and yinyang_class(x, y) == goal:
                break
        points[i], classes[i] = (x, y), goal
    return np.concatenate([points, 1.0 - points], 1), classes


def yinyang(split: str = "train") -> ArrayDataset:
    """The Yin-Yang set as published: points (x, y, 1 - x, 1 - y) of a disc in three classes.

    Args:
        split: "train" (5000), "val" (1000) or "test" (1000), the published samples.

    Returns:
        inputs ``[N, 4]`` in [0, 1]; classes are yin, yang and dot.

    Source: Kriener, Göltz & Petrovici 2022, NICE, doi:10.1145/3517343.3517380.

    Example:
        >>> yinyang("test")
        1000 samples of shape (4,), 3 classes: Yin-Yang, generated (seed 40)
    """
    check_choice("split", split, SPLITS)
    n, seed = SAMPLES[split]
    x, y = draw_yinyang(n, seed)
    source = f"Yin-Yang, generated (seed {seed})"
    return ArrayDataset(torch.from_numpy(x).float(), torch.from_numpy(y), 3, source)
