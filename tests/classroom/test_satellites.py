"""The network of lessons 404 and 405, and how methods are scored."""

import pytest
import torch

from jarvis import datasets
from jarvis.classroom.satellites import make_finder, masks_by, score, trained_finder
from jarvis.stdp import segment_by_density


def test_a_finder_before_and_after_learning():
    fresh = make_finder(torch.Generator().manual_seed(1))
    unlearned = trained_finder(1, n_scenes=4, epochs=0)
    learned = trained_finder(1, n_scenes=4)
    for a, b, c in zip(fresh.layers, unlearned.layers, learned.layers, strict=True):
        assert torch.equal(a.weight, b.weight)
        assert torch.equal(a.weight, c.weight) == (a is fresh.layers[0])  # conv1 is fixed
    assert learned.layers[1].thresholds.max() > 2.5  # homeostasis
    assert (learned.layers[2].thresholds == 5.0).all()
    assert not learned.training
    again = trained_finder(1, n_scenes=4)
    assert torch.equal(again.layers[1].weight, learned.layers[1].weight)


def test_what_it_learns_from_can_be_chosen():
    with_empty = trained_finder(0, n_scenes=6, counts=(0, 1, 2))
    without = trained_finder(0, n_scenes=6)
    assert not torch.equal(with_empty.layers[2].weight, without.layers[2].weight)
    assert make_finder(factor=2.0).layers[2].thresholds.tolist() == [10.0]
    assert make_finder(factor=16.0).layers[2].thresholds.tolist() == [80.0]  # as in the study
    with pytest.raises(ValueError, match="factor=0"):
        make_finder(factor=0.0)
    with pytest.raises(ValueError, match="epochs=-1"):
        trained_finder(epochs=-1, n_scenes=3)


def test_scores_of_a_perfect_method_a_blind_one_and_a_network():
    scenes = datasets.satellites("test", n=3)

    def perfect(events):
        return [[mask for mask in scenes.masks(i).unbind(1) if mask.any()] for i in range(3)]

    assert score(perfect, scenes)["mean_iou"] == 1.0
    assert score(perfect, scenes)["two_instances"] == 1.0
    blind = score(lambda events: [[]] * len(events), scenes)
    assert (blind["informedness"], blind["mean_iou"], blind["false_alarms"]) == (0.0, 0.0, 0.0)
    assert score(segment_by_density, scenes, smallest=10_000) == blind
    masks = masks_by(trained_finder(0, n_scenes=4))(scenes.events)
    assert len(masks) == 3
    assert all(mask.shape == (10, 128, 128) for one in masks for mask in one)
