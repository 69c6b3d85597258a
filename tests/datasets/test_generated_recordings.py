"""Digits before a simulated event camera."""

import numpy as np
import pytest
import torch

from jarvis import datasets
from jarvis.datasets import generated_recordings
from jarvis.datasets.generated_recordings import camera_path, nmnist_like


@pytest.fixture(scope="module")
def few():
    return nmnist_like("test", n=20)


def net(events, end=np.inf):
    """ON minus OFF up to a time, for each sample and pixel: ``[N, 34 * 34]``."""
    sign = torch.where(events.units < 34 * 34, 1.0, -1.0) * (events.times < end)
    place = events.samples() * 34 * 34 + events.units % (34 * 34)
    total = torch.zeros(len(events) * 34 * 34).index_add_(0, place.long(), sign)
    return total.view(len(events), -1)


def test_it_has_the_form_of_nmnist(few):
    assert few.shape == (2, 34, 34)
    assert few.events.n_steps is None
    assert few.events.times.dtype == torch.float32
    assert 0 <= few.events.times.min() < few.events.times.max() < 300
    few.events.check()  # sorted, in range
    assert few.targets.tolist() == datasets.digits("test").targets[:20].tolist()


def test_a_recording_does_not_depend_on_how_many_there_are(few, monkeypatch):
    monkeypatch.setattr(generated_recordings, "AT_ONCE", 7)
    other = nmnist_like("test", n=9)
    assert torch.equal(other.events.units, few.events[:9].units)
    assert torch.equal(other.events.times, few.events[:9].times)


def test_splits_differ_and_bad_arguments_are_named():
    train, val = (nmnist_like(split, n=1).events for split in ("train", "val"))
    assert not torch.equal(train.units[:100], val.units[:100])
    with pytest.raises(ValueError, match="nmnist_like: n"):
        nmnist_like(n=0)
    with pytest.raises(ValueError, match="split"):
        nmnist_like("all")


def test_events_come_in_three_saccades(few):
    counts = np.histogram(few.events.times.numpy(), np.arange(0, 301, 10))[0]
    slow = counts[[0, 9, 10, 19, 20, 29]]  # around the corners of the path
    fast = counts[[4, 5, 14, 15, 24, 25]]
    assert fast.min() > 2.5 * slow.max()


def test_the_camera_returns_so_that_changes_cancel(few, monkeypatch):
    monkeypatch.setattr(generated_recordings, "NOISE_HZ", 0.0)
    clean = nmnist_like("test", n=20).events
    assert net(clean, end=100.0).abs().max() > 2
    assert net(clean).abs().max() <= 1  # less than one threshold is left
    assert torch.equal(camera_path()[0], torch.zeros(2))
    assert len(few.events.times) > len(clean.times)


def test_a_resting_camera_sends_nothing_but_noise(monkeypatch):
    monkeypatch.setattr(generated_recordings, "CORNERS", ((1.0, 1.0),) * 3)
    resting = nmnist_like("test", n=20).events
    expected = 20 * 2 * 34 * 34 * 0.3  # one event per second for each of the units
    assert abs(len(resting.times) - expected) < 5 * expected**0.5
