"""Input spikes that change after they were checked: no loop reads or writes outside its memory."""

import pytest
import torch

from jarvis.encoding.events import Events
from jarvis.spatial.event_driven import run_events
from jarvis.spatial.event_neurons import EventLIF

CHANGES = {
    "times below": lambda e: e.times.sub_(1),
    "times above": lambda e: e.times.add_(100),
    "units below": lambda e: e.units.fill_(-1),
    "units above": lambda e: e.units.fill_(10**6),
    "through numpy": lambda e: e.units.numpy().fill(77_777),
    "not sorted": lambda e: e.times[:2].copy_(e.times[:2].flip(0)),
    "offsets above": lambda e: e.offsets.fill_(10**9),
    "offsets below": lambda e: e.offsets.sub_(5),
    "offsets fall": lambda e: e.offsets[1:2].fill_(10**7),
    "fewer times": lambda e: e.times.resize_(1),
    "more units": lambda e: e.units.resize_(100_000),
    "fewer offsets": lambda e: e.offsets.resize_(1),
    "another type": lambda e: setattr(e.times, "data", e.times.float()),
    "memory freed": lambda e: e.units.untyped_storage().resize_(0),
}


def spikes() -> Events:
    return Events.from_first_steps(torch.tensor([[0, 1, 2], [3, 1, 9]]), 10)


def run(events: Events, backend: str):
    weights = torch.full((3, 4), 0.8, requires_grad=True)
    delays = torch.ones(3, 4, requires_grad=True)
    out = run_events(events, weights, delays, neuron=EventLIF(dt=1.0), backend=backend)
    return out, weights, delays


@pytest.mark.parametrize("backend", ["numba", "eager"])
@pytest.mark.parametrize("change", CHANGES)
def test_lists_that_have_changed_are_refused(change, backend):
    events = spikes()
    CHANGES[change](events)
    with pytest.raises(ValueError, match=r"Events: |no sample in these events"):
        run(events, backend)


@pytest.mark.parametrize("backend", ["numba", "eager"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_after_the_run_does_not_reach_backward(change, backend):
    def gradients(after) -> list[torch.Tensor]:
        events = spikes()
        out, *learned = run(events, backend)
        assert len(out.times) >= 4
        after(events, out.spikes)
        (out.times.sum() + out.counts.sum()).backward()
        return [x.grad for x in learned]

    def both(events: Events, sent: Events) -> None:
        CHANGES[change](events)
        CHANGES[change](sent)

    expected = gradients(lambda events, sent: None)
    for found, wanted in zip(gradients(both), expected, strict=True):
        assert torch.equal(found, wanted)


def test_something_else_than_events_is_named():
    for events in ([1, 2], torch.ones(3, 2, 4), None):
        with pytest.raises(TypeError, match="events must be Events, not"):
            run_events(events, torch.ones(3, 4), torch.ones(3, 4))
    with pytest.raises(TypeError, match="neuron must be"):
        run_events(spikes(), torch.ones(3, 4), torch.ones(3, 4), neuron=[1])
