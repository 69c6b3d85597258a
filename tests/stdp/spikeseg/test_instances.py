"""HULK against the decoder of the whole picture, and SMASH on objects that we can see."""

import pytest
import torch

from jarvis.stdp.order_rule import STDPConfig
from jarvis.stdp.spikeseg.decoder import decode
from jarvis.stdp.spikeseg.instances import (
    Unravelled,
    _boxes,
    hulk,
    jaccard,
    smash,
    smash_scores,
    union_find,
)
from jarvis.stdp.spikeseg.network import SpikeSEG

F64 = torch.float64


def network(seed=0, **options):
    defaults = dict(
        n_classes=2,
        in_channels=2,
        channels=(3, 4),
        kernels=(3, 3, 3),
        thresholds=(0.9, 1.1, 2.0),
        leaks=(0.2, 0.05, 0.0),
        filters=None,
        stdp=STDPConfig(init_mean=0.4, init_std=0.3),
        generator=torch.Generator().manual_seed(seed),
    )
    return SpikeSEG(**{**defaults, **options}).double().eval()


def noise(seed=0, shape=(5, 2, 2, 21, 18), density=0.05):
    g = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=g) < density).to(F64)


def full(found, i, height, width):
    """The mask of spike i in a picture of its own."""
    out = torch.zeros(found.masks.shape[1], height, width, dtype=torch.bool)
    for t, row, column in found.masks[i].nonzero().tolist():
        y, x = row + int(found.corners[i, 0]), column + int(found.corners[i, 1])
        assert 0 <= y < height
        assert 0 <= x < width
        out[t, y, x] = True
    return out


@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize(
    "options", [{}, dict(kernels=(5, 4, 3), pool=3), dict(once=True), dict(inhibit=True)]
)
def test_a_spike_alone_leads_back_to_what_the_decoder_finds(gated, options):
    model, x = network(**options), noise()
    _, state = model(x)
    level = 0.2
    found = hulk(model, state, level=level, gated=gated)
    target = torch.stack([record.spikes[2] for record in state.records])
    table = torch.stack(target.nonzero().unbind(1), 1)[:, [1, 0, 2, 3, 4]]
    assert torch.equal(found.spikes, table)
    assert len(table) > 6
    # The first and the last places lie at the border, where the cut-outs stick out.
    for i in {0, len(table) // 3, len(table) // 2, len(table) - 1}:
        b, t, m, y, x_ = table[i].tolist()
        one = torch.zeros_like(target)
        one[t, b, m, y, x_] = True
        steps = decode(model.layers, state.records, one, pool=model.pool, gated=gated)[:, b, 0]
        expected = (steps >= level * steps.max()) & (steps > 0)
        assert expected.any()
        assert torch.equal(full(found, i, 21, 18), expected)
        rows, columns = expected.any(0).nonzero().unbind(1)
        box = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
        assert found.boxes[i].tolist() == [int(v) for v in box]


def test_chosen_spikes_come_back_in_their_order():
    model, x = network(), noise()
    _, state = model(x)
    every = hulk(model, state)
    rows = torch.tensor([5, 0, 3])
    some = hulk(model, state, every.spikes[rows])
    assert len(every.spikes.unique(dim=0)) == len(every.spikes) > 5
    assert every.masks[rows].flatten(1).any(1).all()
    for a, b in zip(some, every, strict=True):
        assert torch.equal(a, b[rows])


def line(n_steps=5, size=32):
    """One map a layer, one class; conv1 looks at a pixel, and each event goes through."""
    model = SpikeSEG(1, 1, (1, 2), (1, 1, 3), 0.5, 0.0, None).eval()
    for layer in model.layers:
        layer.weight.fill_(1.0)
    model.layers[1].weight[1] = 0.0  # map 1 never fires
    return model, torch.zeros(n_steps, 1, 1, size, size)


def test_the_hash_has_the_maps_and_steps_that_were_active():
    model, x = line()
    x[1, 0, 0, 9, 9] = 1.0
    _, state = model(x)
    found = hulk(model, state)
    assert found.ash.shape[1:] == (1 + 2 + 1, 5)
    expected = torch.zeros(4, 5, dtype=torch.bool)
    expected[[0, 1, 3], 1] = True
    assert (found.ash == expected).all()
    assert len(found.ash) == 9  # the places of conv3 that see this event


def two_objects():
    """Two squares of 2x2 pixels that run side by side, one pixel a step."""
    model, x = line()
    truth = torch.zeros(2, len(x), 32, 32, dtype=torch.bool)
    for t in range(len(x)):
        truth[0, t, 4:6, 4 + t : 6 + t] = True
        truth[1, t, 24:26, 8 + t : 10 + t] = True
    x[:, 0, 0] = truth.any(0).float()
    return model, x, truth


@pytest.mark.parametrize("align", ["age", "none"])
def test_two_objects_become_two_instances(align):
    model, x, truth = two_objects()
    _, state = model(x)
    found = hulk(model, state)
    # Each spike leads back to one pixel, and the next step's pixel has another box.
    assert len(smash(found, (32, 32), align=align)) > 2
    instances = smash(found, (32, 32), align=align, margin=3)
    assert len(instances) == 2
    for one, mask in zip(sorted(instances, key=lambda one: one.box), truth, strict=True):
        seen = one.step_masks & mask
        assert torch.equal(one.step_masks, seen)  # nothing outside of the object
        # A pool passes on one spike of its square, so that a part of the pixels is left.
        assert seen.sum() >= mask.sum() / 4
        assert seen.flatten(1).any(1).all()
        assert torch.equal(one.mask, one.step_masks.any(0))
        rows, columns = one.mask.nonzero().unbind(1)
        box = (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1)
        assert one.box == tuple(int(v) for v in box)
        assert 0 < one.score <= 1
    total = sum(len(one.spikes) for one in instances)
    assert total == len(found.spikes)
    assert smash(found, (32, 32), align=align, margin=3, min_spikes=total) == []


def test_by_the_same_steps_an_object_of_one_step_a_spike_is_in_pieces():
    # Here each class spike has causes in its own step only: no two hashes share an entry.
    model, x, _ = two_objects()
    found = hulk(model, model(x)[1])
    step = found.spikes[:, 1]
    scores = smash_scores(found, "time")
    assert not scores[step[:, None] != step[None]].any()
    assert (scores.diagonal() > 0.9).all()
    assert len(smash(found, (32, 32), align="time", margin=3)) > 2
    with pytest.raises(ValueError, match="align='space'"):
        smash_scores(found, "space")


def test_samples_and_classes_are_never_joined():
    spikes = torch.tensor([[0, 1, 0, 2, 2], [0, 1, 1, 2, 2], [1, 1, 0, 2, 2], [0, 2, 0, 2, 2]])
    masks = torch.ones(4, 3, 4, 4, dtype=torch.bool)
    found = Unravelled(
        spikes,
        masks,
        torch.zeros(4, 2, dtype=torch.int64),
        torch.tensor([[0, 0, 4, 4]] * 4),
        torch.ones(4, 5, 3, dtype=torch.bool),
    )
    instances = smash(found, (6, 6), threshold=0.5)
    assert [(one.sample, one.label, len(one.spikes)) for one in instances] == [
        *((0, 0, 2), (0, 1, 1)),
        (1, 0, 1),
    ]
    assert instances[0].spikes == [(1, 0, 2, 2), (2, 0, 2, 2)]
    assert instances[0].score == 1.0
    assert len(smash(found, (6, 6), threshold=1.0)) == 4  # a score must be above it


def test_a_spike_that_leads_nowhere_is_no_instance():
    model, x = line()
    x[0, 0, 0, 9, 9] = 1.0
    _, state = model(x)
    found = hulk(model, state)
    empty = found._replace(masks=torch.zeros_like(found.masks))
    assert smash(found, (32, 32))
    assert smash(empty, (32, 32)) == []


def test_nothing_in_nothing_out():
    model, x = line()
    _, state = model(x)
    found = hulk(model, state)
    assert found.masks.shape[0] == 0
    assert found.ash.shape == (0, 4, 5)
    assert smash(found, (32, 32)) == []
    with pytest.raises(ValueError, match="nothing has been shown"):
        hulk(line()[0])
    with pytest.raises(ValueError, match="level=0"):
        hulk(model, state, level=0)


def test_overlaps_by_hand():
    boxes = torch.tensor([[0, 0, 2, 2], [1, 1, 3, 3], [0, 0, 2, 4], [5, 5, 6, 6], [0, 0, 0, 0]])
    found = Unravelled(
        torch.zeros(5, 5, dtype=torch.int64),
        torch.ones(5, 1, 1, 1, dtype=torch.bool),
        torch.zeros(5, 2, dtype=torch.int64),
        boxes,
        torch.ones(5, 1, 1, dtype=torch.bool),  # one hash: the score is the boxes' alone
    )
    iou = smash_scores(found)
    assert iou[0].tolist() == pytest.approx([1.0, 1 / 7, 0.5, 0.0, 0.0])
    assert torch.equal(iou, iou.T)
    assert iou[4].tolist() == [0.0] * 5  # a box of no size is like nothing, itself too
    wider = smash_scores(found, margin=1)  # 4 x 4 and 4 x 4, of which 3 x 3 are shared
    assert wider[0, 1].item() == pytest.approx(9 / 23)
    assert wider[4, 4] == 1
    ash = torch.tensor([[[1, 1], [0, 1]], [[1, 0], [0, 1]], [[0, 0], [1, 0]]]).bool()
    assert jaccard(ash)[0].tolist() == pytest.approx([1.0, 2 / 3, 0.0])


def test_the_score_of_an_instance_is_the_mean_over_its_pairs():
    found = Unravelled(
        torch.zeros(3, 5, dtype=torch.int64),
        torch.ones(3, 1, 1, 1, dtype=torch.bool),
        torch.zeros(3, 2, dtype=torch.int64),
        torch.tensor([[0, 0, 2, 2], [0, 0, 2, 2], [0, 0, 2, 4]]),
        torch.ones(3, 1, 1, dtype=torch.bool),
    )
    (one,) = smash(found, (6, 6), threshold=0.4)
    assert one.score == pytest.approx((1.0 + 0.5 + 0.5) / 3)


def test_groups_are_what_chains_of_pairs_link():
    assert union_find(0, []) == []
    assert union_find(3, []) == [0, 1, 2]
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        links = torch.rand(30, 30, generator=g) < 0.03
        groups = union_find(30, links.nonzero().tolist())
        reached = (links | links.T).float() + torch.eye(30)
        for _ in range(5):  # all that 32 steps reach
            reached = (reached @ reached).clamp(max=1)
        first = reached.argmax(1).tolist()  # the first member of each one's group
        assert groups == [sorted(set(first)).index(i) for i in first]


def test_boxes_lie_around_masks_and_have_no_size_where_these_are_empty():
    masks = torch.zeros(3, 4, 6, dtype=torch.bool)
    masks[0, 1, 2] = masks[0, 3, 5] = True
    masks[2] = True
    boxes = _boxes(masks, torch.tensor([[10, 20], [3, 4], [-2, -1]]))
    assert boxes.dtype == torch.int64
    assert boxes.tolist() == [[11, 22, 14, 26], [3, 4, 3, 4], [-2, -1, 2, 5]]
    assert _boxes(masks[:0], torch.zeros(0, 2, dtype=torch.int64)).shape == (0, 4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_instances_on_a_gpu_are_the_same():
    model, x, _ = two_objects()
    found = hulk(model, model(x)[1])
    model = model.cuda()
    on_gpu = hulk(model, model(x.cuda())[1])
    for a, b in zip(on_gpu, found, strict=True):
        assert torch.equal(a.cpu(), b)
    assert len(smash(on_gpu, (32, 32), align="age", margin=3)) == 2
