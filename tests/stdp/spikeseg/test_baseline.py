"""The detector that learns nothing: hand-made scenes, counted by hand."""

import pytest
import torch

from jarvis import datasets
from jarvis.encoding.events import Events
from jarvis.stdp.spikeseg.baseline import segment_by_density
from jarvis.stdp.spikeseg.segmentation import SceneScore


def events(*places, t=4, size=12, channels=1, samples=1):
    """Events at ``(step, y, x)`` of channel 0 in sample 0."""
    dense = torch.zeros(t, samples, channels, size, size)
    for step, y, x in places:
        dense[step, 0, 0, y, x] = 1.0
    return Events.from_dense(dense)


def pixels(mask):
    return mask.nonzero().tolist()


PAIR = [(1, 5, 5), (1, 5, 6)]


def test_least_counts_the_pixel_itself_and_its_cube():
    plain = dict(smallest=1, fill=0)
    assert segment_by_density(events(*PAIR), least=3, **plain) == [[]]
    (masks,) = segment_by_density(events(*PAIR), least=2, **plain)
    assert [pixels(mask) for mask in masks] == [[[1, 5, 5], [1, 5, 6]]]
    # A third event in the next step: at a corner of the cubes of one of the two only.
    (masks,) = segment_by_density(events(*PAIR, (2, 6, 7)), least=3, **plain)
    assert [pixels(mask) for mask in masks] == [[[1, 5, 6]]]
    # Two steps on it is in no cube.
    assert segment_by_density(events(*PAIR, (3, 5, 5)), least=3, **plain) == [[]]


def test_a_wider_square_reaches_further_but_no_more_steps():
    far = events((1, 5, 5), (1, 5, 7))
    assert segment_by_density(far, least=2, width=3, smallest=1, fill=0) == [[]]
    (masks,) = segment_by_density(far, least=2, width=5, smallest=1, fill=0)
    assert [pixels(mask) for mask in masks] == [[[1, 5, 5]], [[1, 5, 7]]]  # dense, not touching
    later = events((1, 5, 5), (3, 5, 5))
    assert segment_by_density(later, least=2, width=5, smallest=1, fill=0) == [[]]


def test_gaps_are_closed_within_a_step_only():
    gap = events((1, 5, 5), (1, 5, 7), (1, 6, 5), (1, 6, 7))
    (masks,) = segment_by_density(gap, least=2, smallest=1, fill=1)
    assert [pixels(mask) for mask in masks] == [[[1, y, x] for y in (5, 6) for x in (5, 6, 7)]]
    (masks,) = segment_by_density(gap, least=2, smallest=1, fill=0)
    assert len(masks) == 2


def test_regions_touch_by_a_corner_from_step_to_step():
    path = [(t, 3 + t, 3 + t) for t in range(4)]
    (masks,) = segment_by_density(events(*path), least=1, smallest=1, fill=0)
    assert [pixels(mask) for mask in masks] == [[list(place) for place in path]]
    broken = [path[0], path[1], path[3]]  # nothing in step 2
    (masks,) = segment_by_density(events(*broken), least=1, smallest=1, fill=0)
    assert [int(mask.sum()) for mask in masks] == [2, 1]


def test_smallest_counts_events_not_filled_pixels():
    gap = [(1, 5, 5), (1, 5, 7), (1, 6, 5), (1, 6, 7)]  # 4 events, 6 pixels once filled
    assert len(segment_by_density(events(*gap), least=2, smallest=4)[0]) == 1
    assert segment_by_density(events(*gap), least=2, smallest=5) == [[]]


def test_channels_are_added_and_samples_are_separate():
    dense = torch.zeros(2, 3, 2, 8, 8)
    dense[0, 1, 0, 2, 2] = dense[0, 1, 1, 2, 2] = 1.0  # ON and OFF of one pixel: two events
    found = segment_by_density(Events.from_dense(dense), least=2, smallest=2, fill=0)
    assert [len(masks) for masks in found] == [0, 1, 0]
    assert pixels(found[1][0]) == [[0, 2, 2]]
    assert found[1][0].dtype == torch.bool
    assert segment_by_density(Events.from_dense(dense)[[]]) == []


def test_two_blocks_that_move_are_two_and_noise_is_none():
    dense = torch.zeros(6, 1, 2, 32, 32)
    for t in range(6):
        dense[t, 0, 0, 4:7, 4 + t : 7 + t] = 1.0
        dense[t, 0, 1, 20 - t : 23 - t, 20:23] = 1.0
    dense[0, 0, 0, 30, 30] = dense[3, 0, 0, 10, 28] = 1.0
    (masks,) = segment_by_density(Events.from_dense(dense))
    truth = torch.stack([dense[:, 0, 0], dense[:, 0, 1]]).bool()
    truth[0, 0, 30, 30] = truth[0, 3, 10, 28] = False
    assert len(masks) == 2
    assert all(torch.equal(mask, true) for mask, true in zip(masks, truth, strict=True))


def test_it_finds_satellites():
    scenes = datasets.satellites("val", n=12)
    score = SceneScore()
    for i, masks in enumerate(segment_by_density(scenes.events)):
        score.add(masks, scenes.masks(i)[:, : int(scenes.n_satellites[i])].transpose(0, 1))
    figures = score.figures()
    assert figures["mean_iou"] > 0.75
    assert figures["two_instances"] == 1.0
    assert figures["false_alarms"] == 0.0


@pytest.mark.parametrize("name", ["least", "width", "smallest"])
def test_numbers_out_of_range(name):
    with pytest.raises(ValueError, match=f"segment_by_density: {name}=0"):
        segment_by_density(events(*PAIR), **{name: 0})


def test_wrong_input():
    with pytest.raises(ValueError, match="width=4 must be odd"):
        segment_by_density(events(*PAIR), width=4)
    with pytest.raises(ValueError, match="radius=-1"):
        segment_by_density(events(*PAIR), fill=-1)
    with pytest.raises(ValueError, match=r"units \(channels, H, W\), not \(5,\)"):
        segment_by_density(Events.from_dense(torch.zeros(3, 1, 5)))
    with pytest.raises(TypeError, match="events must be an Events"):
        segment_by_density(torch.zeros(3, 1, 1, 8, 8))
