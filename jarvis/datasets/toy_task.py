"""The toy task: random points separated by a plane, with a known best possible accuracy."""

import torch

from jarvis.datasets.arrays import SPLITS, ArrayDataset
from jarvis.support.checks import check_choice, check_integer


def toy(split: str = "train", *, n: int = 4096, n_features: int = 32) -> ArrayDataset:
    """The toy set: uniform random points, labelled by the side of a plane on which they lie.

    Points are drawn from ``x ~ U(0, 1)^32``, and the label is 1 where
    ``x . linspace(-1, 1, 32) > 0``. The first 80 % of the samples are for training and the rest for
    testing; n/8 additional samples are for validation.

    Args:
        split: "train" (3276), "val" (512) or "test" (820).
        n: total number of training and test samples.
        n_features: length of x.

    Returns:
        inputs ``[N, n_features]``.

    Example:
        >>> toy("test")
        820 samples of shape (32,), 2 classes: toy set, generated (seed 0)
    """
    check_choice("split", split, SPLITS)
    check_integer("n", n, at_least=10)
    check_integer("n_features", n_features, at_least=2)
    generator = torch.Generator().manual_seed(0)
    x = torch.rand((n + n // 8, n_features), generator=generator)
    y = x @ torch.linspace(-1.0, 1.0, n_features) > 0
    cut = int(0.8 * n)
    part = {"train": slice(0, cut), "test": slice(cut, n), "val": slice(n, None)}[split]
    return ArrayDataset(x[part], y[part], 2, "toy set, generated (seed 0)")
