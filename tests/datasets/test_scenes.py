from itertools import pairwise

import numpy as np
import pytest
import torch

from jarvis import datasets
from jarvis.datasets.scenes import (
    NOISE,
    STAR,
    SceneConfig,
    SceneDataset,
    covered,
    make_sky,
)

N = 60


@pytest.fixture(scope="module")
def scenes() -> SceneDataset:
    return datasets.satellites("train", n=N)


def places(data: SceneDataset, owner: int) -> tuple[np.ndarray, ...]:
    """Scene, frame, channel, y and x of all events of an owner."""
    mine = data.owners == owner
    channel, y, x = np.unravel_index(data.events.units[mine].numpy(), data.events.shape)
    return data.events.samples()[mine].numpy(), data.events.times[mine].numpy(), channel, y, x


def brute_disc(centre, diameter, size):
    """Independent of `covered`: every pixel of the picture against the disc."""
    y, x = np.mgrid[:size, :size]
    return np.hypot(y - centre[0], x - centre[1]) <= diameter / 2


def test_the_benchmarks_numbers():
    config = SceneConfig()
    assert (config.size, config.n_frames, config.counts) == (128, 10, (0, 1, 2))
    assert (config.diameter, config.speed) == ((2, 4), (1, 3))
    assert (config.p_fire, config.noise) == (0.8, 0.005)
    assert (config.n_stars, config.star_speed) == (20, 0.2)


def test_shapes_and_shares(scenes):
    assert len(scenes) == N
    assert scenes.events.shape == (2, 128, 128)
    assert scenes.events.n_steps == 10
    assert scenes.labels.shape == (N, 10, 128, 128)
    assert scenes.labels.dtype == torch.uint8
    assert scenes.boxes.shape == (N, 10, 2, 4)
    assert torch.bincount(scenes.n_satellites).tolist() == [20, 20, 20]
    assert len(scenes.owners) == len(scenes.events.times)
    assert set(scenes.owners.unique().tolist()) == {NOISE, 1, 2, STAR}


def test_sizes_and_speeds_fill_their_ranges_and_paths_are_straight():
    skies = [make_sky("train", i, SceneConfig()) for i in range(600)]
    paths = np.concatenate([sky.satellites for sky in skies], 1)
    steps = np.diff(paths, axis=0)
    np.testing.assert_allclose(steps, np.broadcast_to(steps[0], steps.shape), atol=1e-9)
    diameters = np.concatenate([sky.diameters for sky in skies])
    for values, low, high in ((np.hypot(*steps[0].T), 1, 3), (diameters, 2, 4)):
        assert low <= values.min() < low + 0.02
        assert high - 0.02 < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.08
    angles = np.arctan2(*steps[0].T)
    assert np.histogram(angles, 8, (-np.pi, np.pi))[0].min() > 45  # of 75: any direction
    rim = np.concatenate([(sky.satellites - sky.diameters[:, None] / 2).ravel() for sky in skies])
    far = np.concatenate([(sky.satellites + sky.diameters[:, None] / 2).ravel() for sky in skies])
    assert 0 <= rim.min() < 1
    assert 126 < far.max() <= 127


def test_stars_drift_together():
    for i in range(20):
        sky = make_sky("test", i, SceneConfig())
        steps = np.diff(sky.stars, axis=0)
        assert steps.shape == (10, 20, 2)
        np.testing.assert_allclose(steps, np.broadcast_to(steps[0, 0], steps.shape), atol=1e-9)
        assert np.hypot(*steps[0, 0]) == pytest.approx(0.2)
        assert sky.stars.min() > -0.5
        assert sky.stars.max() < 127.5
    drifts = [make_sky("test", i, SceneConfig()).stars[:2, 0] for i in range(20)]
    assert len({tuple(np.round(b - a, 6)) for a, b in drifts}) == 20


@pytest.mark.parametrize("centre", [(3.0, 4.0), (5.5, 5.5), (2.49, 6.51), (4.2, 3.9)])
@pytest.mark.parametrize("diameter", [2.0, 3.3, 4.0])
def test_covered_is_the_disc(centre, diameter):
    got = covered(np.array([centre]), diameter, 12)[0]
    np.testing.assert_array_equal(got, brute_disc(centre, diameter, 12))


def test_on_lies_in_front_and_off_behind(scenes):
    for owner in (1, 2):
        scene, t, channel, y, x = places(scenes, owner)
        sky = [scenes.skies[i].satellites[:, owner - 1] for i in scene]
        before = np.array([path[k] for path, k in zip(sky, t, strict=True)])
        after = np.array([path[k + 1] for path, k in zip(sky, t, strict=True)])
        to_before = np.hypot(y - before[:, 0], x - before[:, 1])
        to_after = np.hypot(y - after[:, 0], x - after[:, 1])
        radius = np.array([scenes.skies[i].diameters[owner - 1] / 2 for i in scene])
        on = channel == 0
        assert (to_after[on] <= radius[on]).all()
        assert (to_before[on] > radius[on]).all()
        assert (to_before[~on] <= radius[~on]).all()
        assert (to_after[~on] > radius[~on]).all()
        # Along the motion, from the middle of the step: every ON pixel is ahead of the OFF ones.
        middle, motion = (before + after) / 2, after - before
        ahead = (y - middle[:, 0]) * motion[:, 0] + (x - middle[:, 1]) * motion[:, 1]
        assert (ahead[on] > 0).all()
        assert (ahead[~on] < 0).all()


def test_the_firing_share_is_0_8():
    """Events of satellites and stars over the pixels whose light changes."""
    quiet = datasets.satellites("val", n=120, noise=0.0)
    every = datasets.satellites("val", n=120, noise=0.0, p_fire=1.0)
    for kinds in ((1, 2), (STAR,)):
        fired, could = (sum(int((d.owners == k).sum()) for k in kinds) for d in (quiet, every))
        assert could > 4000
        assert abs(fired / could - 0.8) < 4 * np.sqrt(0.16 / could)
    changes = 0
    for sky in every.skies:
        for i, diameter in enumerate(sky.diameters):
            discs = [brute_disc(c, diameter, 128) for c in sky.satellites[:, i]]
            changes += sum(int((a ^ b).sum()) for a, b in pairwise(discs))
    assert int(((every.owners > 0) & (every.owners < STAR)).sum()) == changes


def test_a_star_fires_where_it_crosses_a_pixels_border():
    data = datasets.satellites("val", n=9, counts=(0,), noise=0.0, p_fire=1.0, n_stars=1)
    for i, sky in enumerate(data.skies):
        pixel = np.floor(sky.stars[:, 0] + 0.5).astype(int)
        want = torch.zeros(10, 2, 128, 128)
        for t in range(10):
            if (pixel[t] != pixel[t + 1]).any():
                want[t, 0][tuple(pixel[t + 1])] = 1
                want[t, 1][tuple(pixel[t])] = 1
        assert torch.equal(data[i].events.dense()[:, 0], want)
        assert 2 <= want.sum() <= 12  # silent in most frames


def test_noise_is_half_a_percent_of_the_pixels_of_each_frame():
    empty = datasets.satellites("train", n=N, counts=(0,), n_stars=0)
    dense = empty.events.dense()
    assert set(empty.owners.tolist()) == {NOISE}
    assert dense.sum(2).max() == 1  # a pixel is ON or OFF, not both
    frames = dense.sum((1, 2, 3, 4)) / (N * 128 * 128)
    sigma = np.sqrt(0.005 / (N * 128 * 128))
    assert (frames - 0.005).abs().max() < 4 * sigma
    on, off = dense.sum((0, 1, 3, 4)).tolist()
    assert abs(on - off) < 4 * np.sqrt(on + off)
    halves = dense[..., :64].sum().item()
    assert abs(2 * halves - on - off) < 4 * np.sqrt(on + off)  # everywhere alike
    assert (dense[:-1] * dense[1:]).sum() < 0.01 * (on + off)  # anew in each frame


def test_the_truth_is_where_the_satellite_is(scenes):
    for i in (1, 2, 5):
        scene, sky = scenes[i], scenes.skies[i]
        want = np.zeros((10, 128, 128), dtype=np.uint8)
        for k in range(len(sky.diameters)):
            discs = [brute_disc(c, sky.diameters[k], 128) for c in sky.satellites[:, k]]
            for t in range(10):
                want[t][discs[t] | discs[t + 1]] = k + 1
        np.testing.assert_array_equal(scene.labels.numpy(), want)
        assert scene.n_satellites == i % 3
        for t in range(10):
            for k in range(2):
                y, x = np.nonzero(want[t] == k + 1)
                box = [y.min(), x.min(), y.max() + 1, x.max() + 1] if len(y) else [-1] * 4
                assert scene.boxes[t, k].tolist() == box
    assert not scenes.labels[0::3].any()
    assert (scenes.boxes[0::3] == -1).all()


def test_a_satellites_events_lie_in_its_truth(scenes):
    for owner in (1, 2):
        scene, t, _, y, x = places(scenes, owner)
        assert (scenes.labels[scene, t, y, x] == owner).all()
    masks = torch.stack([scenes.masks(i) for i in range(2, N, 3)])
    assert masks.sum(2).max() == 1  # two satellites never share a pixel in a frame
    assert masks.flatten(3).any(3).all()


def test_two_satellites_keep_their_gap_in_a_crowded_sky():
    config = SceneConfig(counts=(2,), size=40, noise=0.0)
    near = []
    for i in range(60):
        sky = make_sky("train", i, config)
        a, b = sky.satellites[:, 0], sky.satellites[:, 1]
        rims = [np.hypot(*(p - q).T).min() for p, q in ((a, b), (a[1:], b[:-1]), (a[:-1], b[1:]))]
        near.append(min(rims) - sky.diameters.sum() / 2)
    assert min(near) >= 1
    assert min(near) < 3  # and they do come near each other


def test_scenes_depend_on_split_and_index_alone(scenes):
    fewer = datasets.satellites("train", n=7)
    for i in range(7):
        a, b = fewer[i], scenes[i]
        assert torch.equal(a.events.times, b.events.times)
        assert torch.equal(a.events.units, b.events.units)
        assert torch.equal(a.owners, b.owners)
    for split in ("val", "test"):
        other = datasets.satellites(split, n=7)
        assert not np.allclose(other.skies[1].satellites, fewer.skies[1].satellites)
        assert not np.allclose(other.skies[0].stars, fewer.skies[0].stars)
    starts = {tuple(sky.satellites[0, 0]) for sky in scenes.skies if len(sky.diameters)}
    assert len(starts) == 40


def test_options_move_nothing_else(scenes):
    """More noise keeps all events, fewer stars keep satellites: what a sweep compares."""
    loud = datasets.satellites("train", n=9, noise=0.02)
    for i in range(9):
        few, many = scenes[i].events.dense(), loud[i].events.dense()
        assert (many >= few).all()
        assert torch.equal(scenes[i].labels, loud[i].labels)
    assert 3.5 < (loud.owners == NOISE).sum() / (loud.owners != NOISE).sum() / (
        (scenes.owners == NOISE).sum() / (scenes.owners != NOISE).sum()
    ) < 4.5  # fmt: skip
    starless = datasets.satellites("train", n=9, n_stars=0)
    assert torch.equal(starless.labels, scenes.labels[:9])
    assert not (starless.owners == STAR).any()
    noise = [starless.events.dense(), datasets.satellites("train", n=9, p_fire=0.0).events.dense()]
    for dense in noise:  # the same noise, whatever else fires
        assert (dense.sum((0, 2, 3, 4)) >= 700).all()
    assert (noise[0] >= noise[1]).all()


def test_indexing(scenes):
    assert torch.equal(scenes[-1].labels, scenes[N - 1].labels)
    with pytest.raises(IndexError):
        scenes[N]
    assert sum(scene.n_satellites for scene in scenes) == N
    assert sum(len(scene.owners) for scene in scenes) == len(scenes.owners)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(noise=1.5), "noise=1.5"),
        (dict(p_fire=-0.1), "p_fire=-0.1"),
        (dict(noise=float("nan")), "noise=nan"),
        (dict(diameter=(4.0, 2.0)), r"diameter=\(4.0, 2.0\)"),
        (dict(diameter=(0.5, 2.0)), "smallest >= 1.5"),
        (dict(speed=(-1.0, 2.0)), "speed"),
        (dict(counts=()), "counts"),
        (dict(counts=(-1,)), "counts"),
        (dict(n_stars=-1), "n_stars=-1"),
        (dict(size=32), "size=32 is too small.*34 pixels"),
        (dict(size=37, counts=(40,)), "no room for 40 satellites"),
        (dict(n=0), "n=0"),
    ],
)
def test_bad_options_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        datasets.satellites("train", **{"n": 1, **options})


def test_unknown_options_and_splits():
    with pytest.raises(ValueError, match="'validation' is not one of"):
        datasets.satellites("validation")
    with pytest.raises(TypeError, match="noize"):
        datasets.satellites("train", n=1, noize=0.1)


def test_a_range_may_be_a_single_value():
    """All satellites of one size and speed: both ends of the range are allowed to be equal."""
    config = SceneConfig(diameter=(4.0, 4.0), speed=(1.5, 1.5), n_frames=3)
    assert config.diameter == (4.0, 4.0)
    with pytest.raises(ValueError, match=r"must be \(smallest >= 1.5, largest\)"):
        SceneConfig(diameter=(4.0, 3.9))
    with pytest.raises(ValueError, match=r"smallest >= 1\.5"):
        SceneConfig(diameter=(1.4, 3.0))
