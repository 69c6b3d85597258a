"""Events: lists and dense trains are two forms of the same thing, and bad lists are refused."""

import pytest
import torch

from jarvis import Events


@pytest.fixture
def spikes():
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(7, 5, 2, 4, 3, generator=generator) < 0.1).float()


def test_dense_to_events_and_back(spikes):
    events = Events.from_dense(spikes)
    assert len(events) == 5
    assert events.shape == (2, 4, 3)
    assert events.n_steps == 7
    assert torch.equal(events.dense(), spikes)
    assert torch.equal(events.counts, spikes.sum((0, 2, 3, 4)).long())


def test_first_steps_are_those_of_the_dense_train(spikes):
    silent_before = (spikes.cumsum(0) == 0).sum(0)
    events = Events.from_dense(spikes)
    assert torch.equal(events.first_steps(), silent_before.int())
    firsts = Events.from_first_steps(silent_before, 7)
    assert torch.equal(firsts.first_steps(), silent_before.int())
    assert firsts.dense().sum(0).max() == 1


@pytest.mark.parametrize("index", [2, slice(1, 4), [4, 0, 0], torch.tensor([True] + [False] * 4)])
def test_samples_are_picked_as_from_a_tensor(spikes, index):
    picked = Events.from_dense(spikes)[index].dense()
    assert torch.equal(picked, spikes[:, torch.arange(5)[index].reshape(-1)])


def test_joining_undoes_splitting(spikes):
    events = Events.from_dense(spikes)
    assert torch.equal(Events.concatenate([events[:2], events[2:]]).dense(), spikes)
    with pytest.raises(ValueError, match="cannot join"):
        Events.concatenate([events, Events.from_dense(spikes[:, :, :1])])


def test_binning_times_in_ms(spikes):
    events = Events.from_dense(spikes)
    ms = Events(events.times * 10.0 + 3.0, events.units, events.offsets, events.shape)
    assert torch.equal(ms.binned(7, 70.0).dense(), spikes)
    assert torch.equal(ms.binned(3, 30.0).dense(), spikes[:3])  # later ones are left out
    own = ms.binned(10)  # each sample on its own clock: its last event in the last step
    last = [own[b].times.max().item() for b in range(5)]
    assert last == [9] * 5


def test_two_events_in_one_step_are_one_spike():
    ms = Events(torch.tensor([1.0, 2.0]), torch.tensor([0, 0]).int(), torch.tensor([0, 2]), (1,))
    assert ms.binned(1, 10.0).counts.tolist() == [1]


def test_a_batch_without_events():
    empty = Events.from_dense(torch.zeros(3, 2, 4))
    assert empty.dense().shape == (3, 2, 4)
    assert empty.first_steps().tolist() == [[3] * 4] * 2
    ms = Events(torch.zeros(0), torch.zeros(0).int(), torch.zeros(3).long(), (4,))
    assert len(ms.binned(5)) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(times=torch.tensor([1, 0, 2]).int()), "sort them"),
        (dict(times=torch.tensor([0, 1, 9]).int()), r"times must lie in \[0, 3\); got 0 to 9"),
        (dict(units=torch.tensor([0, 1, 4]).int()), "units must lie"),
        (dict(units=torch.tensor([0, 1]).int()), "equal length"),
        (dict(offsets=torch.tensor([0, 2])), "offsets must run"),
        (dict(offsets=torch.tensor([0, 4, 3])), "must not decrease"),
    ],
)
def test_lists_that_do_not_fit_are_refused(change, message):
    good = dict(
        times=torch.tensor([0, 1, 2]).int(),
        units=torch.tensor([0, 1, 3]).int(),
        offsets=torch.tensor([0, 3]),
    )
    Events(**good, shape=(4,), n_steps=3)
    with pytest.raises(ValueError, match=message):
        Events(**(good | change), shape=(4,), n_steps=3)


def test_times_in_ms_have_no_steps():
    ms = Events(torch.tensor([1.0]), torch.tensor([0]).int(), torch.tensor([0, 1]), (1,))
    for method in (ms.dense, ms.first_steps):
        with pytest.raises(ValueError, match="bin them first"):
            method()
    with pytest.raises(ValueError, match="positive"):
        ms.binned(3, -1.0)
    with pytest.raises(ValueError, match="already"):
        ms.binned(3).binned(3)


def test_where_keeps_what_it_is_told_to_sample_by_sample():
    events = Events(
        torch.tensor([1, 5, 9, 2, 4]).int(), torch.tensor([0, 1, 0, 1, 1]).int(),
        torch.tensor([0, 3, 3, 5]), (2,), 10,
    )  # fmt: skip
    kept = events.where(torch.tensor([False, True, True, False, True]))
    assert kept.times.tolist() == [5, 9, 4]
    assert kept.units.tolist() == [1, 0, 1]
    assert kept.offsets.tolist() == [0, 2, 2, 3]
    assert events.where(torch.zeros(5, dtype=torch.bool)).offsets.tolist() == [0, 0, 0, 0]
    other = torch.tensor([7, -1, 1, 0, 0]).int()  # what is not kept need not be a unit
    assert events.where(other >= 0, units=other.clamp_max(1)).units.tolist() == [1, 1, 0, 0]
    with pytest.raises(ValueError, match="for each of the 5 events"):
        events.where(torch.ones(4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"times .* for each of the 5 events"):
        events.where(torch.ones(5, dtype=torch.bool), times=torch.arange(6))
    with pytest.raises(ValueError, match="must be bool"):
        events.where(torch.ones(5))
