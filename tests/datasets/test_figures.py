"""Figures among strokes: what is where, and that the number of events does not tell."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from jarvis import datasets
from jarvis.datasets.figures import KINDS, FigureConfig, FigureDataset

N = 150


@pytest.fixture(scope="module")
def scenes() -> FigureDataset:
    return datasets.figures("train", n=N)


def test_shapes_and_kinds(scenes):
    assert len(scenes) == N
    assert scenes.events.shape == (1, 48, 48)
    assert scenes.events.n_steps == 10
    assert scenes.kinds.tolist() == [i % 3 for i in range(N)]
    assert KINDS == ("none", "ring", "star")
    assert torch.equal(scenes.centres.isnan().all(1), scenes.kinds == 0)
    assert torch.equal(scenes.masks.flatten(1).any(1), scenes.kinds > 0)
    one = scenes[1]
    assert (one.kind, one.mask.shape) == (1, (10, 48, 48))
    assert torch.equal(one.centre, scenes.centres[1])
    assert torch.equal(one.events.units, scenes.events[1].units)
    assert scenes[-1].kind == (N - 1) % 3


def test_a_scene_depends_on_split_and_index_only(scenes):
    few = datasets.figures("train", n=4)
    for i in range(4):
        assert torch.equal(few[i].events.units, scenes[i].events.units)
    other = datasets.figures("val", n=4)
    assert not torch.equal(other[1].centre, few[1].centre)


def drawn(kind: int, **options) -> np.ndarray:
    """The strokes of a figure at rest, without jitter, around its centre: ``[21, 21]``."""
    scenes = datasets.figures("test", n=60, drift=0, jitter=0, turn=0, **options)
    pictures = []
    for i in range(kind, 60, 3):
        y, x = (int(v) for v in scenes.centres[i].round())
        pictures.append(scenes.masks[i].any(0)[y - 10 : y + 11, x - 10 : x + 11].numpy())
    return np.mean(pictures, 0)


def test_a_ring_and_a_star_have_the_same_strokes_in_other_places():
    ring, star = drawn(1), drawn(2)
    assert ring.sum() == pytest.approx(star.sum(), rel=0.03)
    # The stroke over the centre lies across in a ring, and points to it in a star.
    above = (slice(0, 7), slice(7, 14))
    assert ring[above].sum(1).max() > 2 * star[above].sum(1).max()
    assert star[above].sum(0).max() > 2 * ring[above].sum(0).max()
    # A corner of the one is the other's, mirrored.
    corner = (slice(0, 7), slice(0, 7))
    assert np.abs(ring[corner] - star[corner][:, ::-1]).mean() < 0.1
    assert np.abs(ring[corner] - star[corner]).mean() > 0.15


@pytest.fixture(scope="module")
def many() -> tuple[FigureDataset, torch.Tensor]:
    """Scenes, and the events of each pixel, ``[N, 1, H, W]``."""
    scenes = datasets.figures("val", n=450)
    return scenes, scenes.events.dense().sum(0)


@pytest.mark.parametrize("width", [9, 13, 17, 21, 25])
def test_events_are_as_dense_at_a_figure_as_elsewhere(many, width):
    scenes, total = many
    around = F.avg_pool2d(total, width, 1, width // 2, count_include_pad=False)[:, 0]
    elsewhere = around[scenes.kinds == 0, 14:34, 14:34]
    rows = (scenes.kinds > 0).nonzero()[:, 0]
    y, x = scenes.centres[rows].round().long().T
    at_figures = around[rows, y, x]
    assert at_figures.mean() == pytest.approx(elsewhere.mean().item(), rel=0.2)
    # A difference well within what the background varies by, from place to place.
    assert abs(at_figures.mean() - elsewhere.mean()) < 0.7 * elsewhere.std()


def test_a_mask_is_where_the_figures_events_are(scenes):
    dense = scenes.events.dense()[:, :, 0].transpose(0, 1).bool()  # [N, T, H, W]
    share = dense[scenes.masks].float().mean().item()
    assert share == pytest.approx(1 - 0.7 * 0.998, abs=0.01)
    sure = datasets.figures("train", n=6, p_fire=1.0, noise=0.0)
    lit = sure.events.dense()[:, :, 0].transpose(0, 1).bool()
    assert lit[sure.masks].all()
    silent = datasets.figures("train", n=6, p_fire=0.0, noise=0.0)
    assert len(silent.events.times) == 0


def test_all_drift_together():
    still, moving = (datasets.figures("train", n=3, drift=d, noise=0.0) for d in (0.0, 1.0))
    assert torch.equal(still.masks[1, 0], still.masks[1, -1])
    first, last = (moving.masks[1, t].nonzero().float().mean(0) for t in (0, -1))
    assert (last - first).norm().item() == pytest.approx(9.0, abs=0.5)  # 9 steps


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"size": 20}, "FigureConfig: size=20"),
        ({"n_frames": 0}, "FigureConfig: n_frames=0"),
        ({"p_fire": 1.5}, "FigureConfig: p_fire=1.5"),
        ({"noise": -0.1}, "FigureConfig: noise=-0.1"),
        ({"jitter": -1}, "FigureConfig: jitter=-1"),
    ],
)
def test_options_out_of_range(options, words):
    with pytest.raises(ValueError, match=words):
        FigureConfig(**options)
    with pytest.raises(ValueError, match="split"):
        datasets.figures("tests")
    with pytest.raises(ValueError, match="n=0"):
        datasets.figures(n=0)
