"""Figures of a segmentation, counted by hand; stimuli and read-outs."""

import math

import pytest
import torch

from conftest import ROOT
from jarvis import datasets
from jarvis.encoding.encoders import ttfs_encode
from jarvis.encoding.events import Events
from jarvis.stdp.network import class_spikes, make_layers, make_spikeseg, segment
from jarvis.stdp.readout import class_of_maps, grid_features, linear_readout
from jarvis.stdp.recipe import InputConfig, make_recipe, read_recipe
from jarvis.stdp.spikeseg.segmentation import PixelCounts, SceneScore, close_gaps, dilate, match
from jarvis.stdp.stimuli import edges, load_stimuli, picture_events


def mask(*places, t=2, size=6):
    out = torch.zeros(t, size, size, dtype=torch.bool)
    for place in places:
        out[place] = True
    return out


def test_dilate_is_a_square_in_its_own_frame():
    out = dilate(mask((0, 2, 2)))
    assert out[0].sum() == 9
    assert out[1].sum() == 0
    assert dilate(mask((0, 0, 0)), 2)[0].sum() == 9
    assert torch.equal(dilate(out, 0), out)
    for bad in (out[0], out[None]):
        with pytest.raises(ValueError, match=r"dilate: mask must be \[T, H, W\]"):
            dilate(bad)
    with pytest.raises(ValueError, match="radius=-1"):
        dilate(out, -1)


def test_a_gap_of_twice_the_radius_is_closed_and_a_wider_one_is_not():
    row = mask((0, 2, 0), (0, 2, 5), (1, 0, 0), size=12)
    assert close_gaps(row, 2)[0, 2].int().tolist() == [1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert close_gaps(row, 2).sum() == 6 + 1
    assert torch.equal(close_gaps(row, 1), row)


def test_closing_fills_a_ring_and_adds_nothing_around_it():
    ring = mask(*((0, y, x) for y in (1, 2, 3) for x in (1, 2, 3) if (y, x) != (2, 2)))
    full = ring.clone()
    full[0, 2, 2] = True
    assert torch.equal(close_gaps(ring, 1), full)
    corner = mask((0, 0, 0))
    assert torch.equal(close_gaps(corner, 1), corner)


def test_counts_by_hand():
    truth = mask((0, 1, 1), (1, 4, 4))
    # One pixel beside the first (found), nothing near the second, one false far away.
    predicted = mask((0, 2, 2), (0, 5, 5))
    counts = PixelCounts()
    counts.add(predicted, truth)
    assert (counts.found, counts.missed, counts.false) == (1, 1, 1)
    assert counts.silent == 72 - 9 - 9 - 1  # two squares of tolerance, one false pixel
    assert counts.informedness == pytest.approx(0.5 + 53 / 54 - 1)
    strict = PixelCounts(tolerance=0)
    strict.add(predicted, truth)
    assert (strict.found, strict.missed, strict.false) == (0, 2, 2)


def test_everything_and_nothing_are_worth_nothing():
    truth = mask((0, 1, 1), (1, 4, 4))
    for predicted in (torch.ones_like(truth), torch.zeros_like(truth)):
        counts = PixelCounts()
        counts.add(predicted, truth)
        assert counts.informedness == 0.0
    assert math.isnan(PixelCounts().informedness)
    with pytest.raises(ValueError, match="must have the same shape"):
        PixelCounts().add(truth, truth[:1])


def test_match_is_greedy_and_one_to_one():
    a, b = mask((0, 0, 0), (0, 0, 1)), mask((0, 0, 1), (0, 0, 2))
    assert match([a, a], [a, b]) == [(0, 0, 1.0), (1, 1, pytest.approx(1 / 3))]
    assert match([mask((1, 5, 5))], [a]) == []


def test_scene_score_by_hand():
    one, two = mask((0, 0, 0), (1, 0, 1)), mask((0, 5, 5), (1, 5, 4))
    score = SceneScore()
    score.add([one, two], torch.stack([one, two]))  # both
    score.add([one | two], torch.stack([one, two]))  # merged: one instance, IoU 1/2 with the first
    score.add([one, two, mask((0, 3, 3))], torch.stack([one, two]))  # one too many
    score.add([one, mask((0, 3, 3))], torch.stack([one, two]))  # two, but one of them on nothing
    score.add([], torch.zeros(0, 2, 6, 6).bool())
    score.add([one], torch.zeros(0, 2, 6, 6).bool())
    figures = score.figures()
    assert figures["two_instances"] == 0.25
    assert figures["false_alarms"] == 0.5
    assert figures["mean_iou"] == pytest.approx((1 + 1 + 0.5 + 0 + 1 + 1 + 1 + 0) / 8)
    assert math.isnan(SceneScore().figures()["two_instances"])


def test_a_streak_ignores_in_which_frame_a_pixel_was():
    score = SceneScore()
    truth = mask((0, 0, 0), (1, 0, 1))
    score.add([mask((0, 0, 0), (0, 0, 1))], truth[None])
    assert score.figures()["mean_iou"] == pytest.approx(1 / 3)
    assert score.figures()["mean_iou_streak"] == 1.0


def test_brightness_alone_is_time_to_first_spike():
    data = datasets.digits("val").subset(5)
    config = InputConfig(filter="none", threshold=0.0, latency="linear")
    events = picture_events(data, config, 9)
    assert torch.equal(events.dense(), ttfs_encode(data[:5][0], 9))


@pytest.mark.parametrize("kind", ["dog", "gabor", "none"])
@pytest.mark.parametrize("latency", ["rank", "linear"])
def test_stimuli_of_pictures(kind, latency):
    config = {"filter": kind, "size": 5, "latency": latency, "local_normalisation": 2}
    recipe = make_recipe({"input": config}, "igarss2023")
    if latency == "linear" and kind == "none":
        # brightness as it is, which does not reach the last step
        recipe = make_recipe({"input": {**config, "local_normalisation": None}}, "igarss2023")
    stimuli = load_stimuli("digits", "val", recipe, limit=20)
    assert stimuli.events.shape == ({"dog": 2, "gabor": 4, "none": 1}[kind], 8, 8)
    assert (stimuli.events.counts > 5).all()
    assert stimuli.events.times.unique().tolist()[:8] == list(range(8))
    assert stimuli.targets is not None
    assert len(stimuli.targets) == 20


def test_more_pictures_than_fit_into_a_batch_are_the_same(monkeypatch):
    data, config = datasets.digits("val").subset(10), InputConfig(size=5)
    whole = picture_events(data, config, 7)
    monkeypatch.setattr("jarvis.stdp.stimuli._BATCH", 3)
    parts = picture_events(data, config, 7)
    assert torch.equal(whole.dense(), parts.dense())


def test_no_edges_no_events():
    assert edges(torch.full((1, 1, 9, 9), 0.7), InputConfig(local_normalisation=3)).max() == 0


def test_unknown_data():
    with pytest.raises(ValueError, match="stars"):
        load_stimuli("stars", "train", make_recipe(paper="igarss2023"))


def test_grid_features_are_the_highest_potentials_of_each_cell(generator):
    recipe = make_recipe({"conv1": {"threshold": 0.5, "pool": 2}, "n_steps": 6}, "igarss2023")
    layers = make_layers(recipe, 2, generator)
    events = Events.from_dense((torch.rand(6, 3, 2, 16, 16, generator=generator) < 0.1).float())
    features = grid_features(layers, recipe, events, "conv2", grid=2)
    potentials = layers["conv2"].potentials(layers["conv1"].respond(events, pool=2))
    assert potentials.shape == (3, 36, 8, 8)
    want = potentials.unflatten(3, (2, 4)).unflatten(2, (2, 4)).amax((3, 5)).flatten(1)
    assert torch.equal(features, want)
    assert features.max() > 0
    assert grid_features(layers, recipe, events, "conv2", grid=99).shape == (3, 36 * 64)


def test_readout_ignores_the_unit_of_the_features(generator):
    x = torch.randn(60, 5, generator=generator)
    y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
    a, b = (linear_readout((k * x, y), (k * x, y), c=1.0) for k in (1.0, 1000.0))
    assert torch.equal(a[1], b[1])
    assert a[0] > 0.8


def test_class_of_maps_allows_for_classes_shown_more_often():
    won = torch.tensor([0] * 6 + [0, 0])
    shown = torch.tensor([0] * 6 + [1, 1])
    shown_too, elsewhere = torch.tensor([0] * 6), torch.tensor([1] * 6)
    # Map 0 wins 6 of 12 of class 0, and both of class 1.
    maps = class_of_maps(torch.cat([won, elsewhere]), torch.cat([shown, shown_too]), 2, 2)
    assert maps.tolist() == [1, 0]


@pytest.mark.parametrize("name", ["digits", "satellites"])  # the others have no conv3
def test_the_network_of_a_recipe_has_its_layers_with_their_own_rules(name):
    """Also with thresholds beyond the default theta_max, as those of digits."""
    recipe = read_recipe(ROOT / "demos" / "configs" / f"{name}.yaml")
    before = torch.get_rng_state()
    layers = make_layers(recipe, 2, torch.Generator().manual_seed(0))
    model = make_spikeseg(recipe, layers)
    for layer, (key, config) in zip(model.layers, recipe.layers.items(), strict=True):
        assert layer is layers[key]
        assert (layer.wta, layer.stdp) == (config.wta, config.stdp)
        assert layer.threshold == config.threshold
    assert torch.equal(before, torch.get_rng_state())  # nothing is drawn for it
    silent = Events.from_dense(torch.zeros(recipe.n_steps, 1, 2, 16, 16))
    assert segment(model, silent, recipe.segment) == [[]]


def test_segment_takes_the_earliest_spikes_and_numbers_samples_through(generator):
    values = {"conv1": {"leak": 0.0}, "segment": {"max_spikes": 3}, "n_steps": 4}
    recipe = make_recipe(values, "igarss2023", n_classes=2)
    model = make_spikeseg(recipe, make_layers(recipe, 1, generator))
    dense = torch.zeros(4, 5, 1, 16, 16)
    dense[1:3, 1::2, 0, 6:9, 6:9] = 1.0
    events = Events.from_dense(dense)
    found = segment(model, events, recipe.segment, at_once=2)
    assert [bool(one) for one in found] == [False, True, False, True, False]
    assert [one.sample for one in found[3]] == [3] * len(found[3])
    assert sum(len(one.spikes) for one in found[3]) <= 3
    _, state = model(events.dense())
    spikes = class_spikes(state, 3)
    assert torch.bincount(spikes[:, 0]).tolist() == [0, 3, 0, 3]
    assert (spikes[:, 1] == spikes[0, 1]).all()  # the first step has more than three
