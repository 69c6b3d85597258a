"""The Yin-Yang set is the published one, to the sample."""

import hashlib

import numpy as np
import pytest
import torch

from jarvis import datasets
from jarvis.datasets.yin_yang import CLASSES, SAMPLES, draw_yinyang, yinyang_class

# Of the features' and the classes' bytes (float64 and int64), as the authors publish them: the
# first eight digits of their SHA-256.
PUBLISHED = {
    "train": ("f5a4054d", "534d12ac"),
    "val": ("5eac358b", "5a4c2f60"),
    "test": ("7bab3ed6", "daa0f8f4"),
}


@pytest.mark.parametrize("split", SAMPLES)
def test_every_sample_is_the_published_one(split):
    features, classes = draw_yinyang(*SAMPLES[split])
    sums = tuple(hashlib.sha256(x.tobytes()).hexdigest()[:8] for x in (features, classes))
    assert sums == PUBLISHED[split]
    data = datasets.yinyang(split)
    assert torch.equal(data.inputs, torch.from_numpy(features.astype(np.float32)))
    assert torch.equal(data.targets, torch.from_numpy(classes))
    assert data.n_classes == len(CLASSES) == 3


def test_first_samples_and_balance():
    first, classes = draw_yinyang(5000, 42)
    assert first[0] == pytest.approx([0.68030754, 0.45049925, 0.31969246, 0.54950075], abs=1e-8)
    assert classes[:8].tolist() == [2, 1, 2, 1, 1, 1, 0, 2]
    assert np.bincount(classes).tolist() == [1681, 1702, 1617]


def test_points_lie_in_the_disc_and_are_mirrored():
    features, classes = draw_yinyang(500, 7)
    x, y = features[:, 0], features[:, 1]
    assert (np.hypot(x - 0.5, y - 0.5) <= 0.5).all()
    assert np.array_equal(features[:, 2:], 1 - features[:, :2])
    # turned by half a circle the picture is the same, with yin for yang
    turned = [yinyang_class(a, b) for a, b in features[:, 2:]]
    assert turned == [{0: 1, 1: 0, 2: 2}[c] for c in classes.tolist()]


def test_splits_share_no_sample():
    rows = torch.cat([datasets.yinyang(split).inputs for split in datasets.SPLITS])
    assert len(rows.unique(dim=0)) == 7000


def test_classes_of_known_points():
    for point, label in {
        (0.5, 0.95): 1, (0.5, 0.05): 0, (0.25, 0.5): 2, (0.75, 0.5): 2,
        (0.25, 0.38): 1, (0.75, 0.62): 0, (0.25, 0.2): 0, (0.75, 0.8): 1,
        (0.5, 0.5): 1,  # where the half-circles touch, both edges included, as published
    }.items():  # fmt: skip
        assert yinyang_class(*point) == label, point


def test_errors():
    with pytest.raises(ValueError, match="n=0"):
        draw_yinyang(0, 1)
    with pytest.raises(ValueError, match="split='dev'"):
        datasets.yinyang("dev")
