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
    with pytest.raises(ValueError, match="parts is empty: there is nothing to join"):
        Events.concatenate([])


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


# -- edges, units, and what may change ------------------------------------------------------------


def in_ms(times: list[float], dtype: torch.dtype = torch.float32) -> Events:
    n = len(times)
    return Events(
        torch.tensor(times, dtype=dtype), torch.zeros(n).int(), torch.tensor([0, n]), (1,)
    )


def test_an_event_at_an_edge_belongs_to_the_later_step():
    assert in_ms([10.0, 30.0]).binned(10, duration=100.0).times.tolist() == [1, 3]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bins_of_one_millisecond_are_the_milliseconds(dtype):
    for length in [*range(2, 200), 173, 999, 1000, 1023, 1500]:
        times = [float(k) for k in range(length)]
        binned = in_ms(times, dtype).binned(length, duration=float(length))
        assert binned.times.tolist() == list(range(length)), length


@pytest.mark.parametrize(("n_steps", "width"), [(1000, 0.1), (70, 0.7), (3, 1 / 3), (999, 0.01)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_edges_that_are_no_floats_are_rounded_as_the_times_are(n_steps, width, dtype):
    edges = (torch.arange(n_steps, dtype=torch.float64) * (n_steps * width) / n_steps).to(dtype)
    binned = in_ms(edges.tolist(), dtype).binned(n_steps, duration=n_steps * width)
    assert binned.times.tolist() == list(range(n_steps))
    just_before = torch.nextafter(edges[1:], torch.zeros(()).to(dtype))
    binned = in_ms(just_before.tolist(), dtype).binned(n_steps, duration=n_steps * width)
    assert binned.times.tolist() == list(range(n_steps - 1))


def test_without_a_duration_the_last_event_is_in_the_last_step():
    binned = in_ms([10.0, 30.0, 99.0, 100.0]).binned(10)
    assert binned.times.tolist() == [1, 3, 9]


def test_times_that_start_late():
    late = in_ms([1000.0, 1100.0, 1300.0])
    with pytest.warns(UserWarning, match=r"binned: there is no event before 1000 ms.* start=1000"):
        late.binned(13)
    with pytest.warns(UserWarning, match=r"on_grid: there is no event before 1000 ms"):
        late.on_grid(1.0)
    assert late.binned(3, duration=300.0, start=1000.0).times.tolist() == [0, 1]  # 1300 is the end
    assert late.binned(4, duration=400.0, start=1000.0).times.tolist() == [0, 1, 3]
    assert late.binned(3, start=1000.0).times.tolist() == [0, 1, 2]
    assert late.on_grid(100.0, start=1000.0).times.tolist() == [0, 1, 3]
    assert late.on_grid(100.0, start=1060.0).times.tolist() == [0, 2]  # what is before is dropped


@pytest.mark.parametrize("method", ["binned", "on_grid"])
def test_times_in_another_unit(method):
    unix = in_ms([1.6e12, 1.6e12 + 5000.0, 1.6e12 + 9000.0], torch.float64)
    with pytest.raises(
        ValueError, match=rf"{method}: times .* more than a day after start"
    ) as error:
        getattr(unix, method)(10)
    assert "\n" not in str(error.value)
    assert getattr(unix, method)(10, start=1.6e12).times.max() > 0


def test_lists_of_other_integers_are_converted():
    events = Events(
        torch.tensor([3, 5, 9]).to(torch.uint16), torch.tensor([0, 1, 1]).to(torch.uint16),
        torch.tensor([0, 3]).int(), (2,), 10,
    )  # fmt: skip
    assert (events.times.dtype, events.units.dtype) == (torch.int32, torch.int32)
    assert events.offsets.dtype == torch.int64
    assert events.first_steps().tolist() == [[3, 5]]
    for kind in (torch.uint8, torch.uint16, torch.uint32, torch.int64):
        with pytest.raises(ValueError, match="sort them first"):
            Events(
                torch.tensor([5, 3]).to(kind), torch.zeros(2).int(), torch.tensor([0, 2]), (1,), 9
            )
    with pytest.raises(TypeError, match=r"times must be integers, not torch\.float32"):
        Events(torch.tensor([1.5]), torch.zeros(1).int(), torch.tensor([0, 1]), (1,), 9)
    with pytest.raises(ValueError, match="units must be at most"):
        Events(torch.zeros(1).int(), torch.tensor([2**32]), torch.tensor([0, 1]), (1,), 9)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_numbers_that_are_not_finite_are_no_spikes(value):
    spikes = torch.zeros(3, 1, 2)
    spikes[1, 0, 1] = value
    with pytest.raises(ValueError, match="from_dense: spikes must be finite"):
        Events.from_dense(spikes)


CHANGES = {
    "times below": lambda e: e.times.sub_(1),
    "times above": lambda e: e.times.fill_(10),
    "times far above": lambda e: e.times.fill_(2**31 - 1),
    "units below": lambda e: e.units.fill_(-1),
    "units above": lambda e: e.units.fill_(48),
    "through numpy": lambda e: e.units.numpy().fill(10**6),
    "not sorted": lambda e: e.times[:2].copy_(e.times[:2].flip(0)),
    "offsets above": lambda e: e.offsets.fill_(10**9),
    "offsets below": lambda e: e.offsets.sub_(3),
    "offsets fall": lambda e: e.offsets[1:2].fill_(10**6),
    "fewer times": lambda e: e.times.resize_(1),
    "more units": lambda e: e.units.resize_(10**5),
    "fewer offsets": lambda e: e.offsets.resize_(1),
    "another type": lambda e: setattr(e.units, "data", e.units.double()),
    "memory freed": lambda e: e.units.untyped_storage().resize_(0),
}


@pytest.mark.parametrize("change", CHANGES)
def test_lists_that_have_changed_are_refused(change):
    spikes = torch.zeros(10, 3, 3, 4, 4)
    spikes[0, 0, 0, 0, 0] = spikes[4, 0, 2, 3, 3] = spikes[9, 1, 1, 2, 0] = spikes[
        3, 2, 0, 1, 1
    ] = 1
    for use in (
        lambda e: e.check(),
        lambda e: e.dense(),
        lambda e: e.first_steps(),
        lambda e: e.count_spikes(),
        lambda e: e.where(torch.ones(4, dtype=torch.bool)),
        lambda e: Events.concatenate([e, e]),
    ):
        events = Events.from_dense(spikes)
        use(events)
        CHANGES[change](events)
        with pytest.raises(ValueError, match=r"Events: "):
            use(events)


@pytest.mark.parametrize("change", ["times below", "units below", "offsets fall", "offsets below"])
def test_times_in_ms_that_have_changed_are_refused(change):
    for use in (lambda e: e.on_grid(1.0), lambda e: e.binned(5, 20.0), lambda e: e[:]):
        events = Events(
            torch.tensor([0.0, 4.0, 9.0]), torch.tensor([0, 3, 1]).int(),
            torch.tensor([0, 2, 3]), (4,),
        )  # fmt: skip
        use(events)
        CHANGES[change](events)
        with pytest.raises(ValueError, match=r"Events"):
            use(events)


def test_frames_count_events_of_neighbouring_units():
    times, units = torch.tensor([0, 0, 3, 1]).int(), torch.tensor([4, 4, 5, 0]).int()
    events = Events(times, units, torch.tensor([0, 3, 4]), (6,), n_steps=4)
    by_hand = torch.zeros(4, 2, 2)
    by_hand[0, 0, 1], by_hand[3, 0, 1], by_hand[1, 1, 0] = 2.0, 1.0, 1.0
    assert torch.equal(events.frames(3), by_hand)
    assert torch.equal(events.frames().sum((0, 2)), events.counts.float())
    with pytest.raises(ValueError, match="pool=4"):
        events.frames(4)
    with pytest.raises(ValueError, match="one axis"):
        Events(times, units, events.offsets, (2, 3), n_steps=4).frames()
    with pytest.raises(ValueError, match="in ms"):
        Events(times.float().sort().values[:1], units[:1], torch.tensor([0, 1]), (6,)).frames()


def test_where_keeps_the_grid_unless_it_is_given_another():
    events = Events.from_first_steps(torch.tensor([[0, 3, 5]]), 6)
    keep = torch.tensor([True, False, True])
    same, finer = events.where(keep), events.where(keep, times=events.times * 2, n_steps=12)
    assert (same.n_steps, same.times.tolist()) == (6, [0, 5])
    assert (finer.n_steps, finer.times.tolist()) == (12, [0, 10])
