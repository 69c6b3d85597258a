import os
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from conftest import REAL_DATA
from jarvis import datasets
from jarvis.datasets.recordings import EventDataset, read_nmnist
from jarvis.encoding.events import Events
from jarvis.support.downloads import CorruptDataError, MissingDataError


def packed(*events: tuple[int, int, int, int]) -> bytes:
    """(x, y, polarity, us) in N-MNIST's five bytes."""
    return b"".join(bytes([x, y]) + (p << 23 | t).to_bytes(3, "big") for x, y, p, t in events)


ONE = packed((3, 5, 1, 0), (33, 33, 0, 70_000), (0, 1, 1, 1_048_577), (1, 0, 0, 8_388_607))


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, no real data, and no tonic, unless a test says so."""
    monkeypatch.setenv("JARVIS_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("JARVIS_DATA", raising=False)
    monkeypatch.setitem(sys.modules, "tonic", None)
    return tmp_path / "cache"


def put(folder: Path, part: str, recordings: dict[str, bytes]) -> None:
    for name, content in recordings.items():
        path = folder / "NMNIST" / part / f"{name}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def test_five_bytes_an_event(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(ONE)
    events = read_nmnist([path, path])
    assert events.shape == (2, 34, 34)
    assert events.offsets.tolist() == [0, 4, 8]
    assert events.times.dtype == torch.float32
    np.testing.assert_allclose(events.times[:4], [0, 70, 1048.577, 8388.607], rtol=1e-6)
    on, off = 0, 34 * 34
    want = [on + 5 * 34 + 3, off + 33 * 34 + 33, on + 34, off + 1]
    assert events.units.tolist() == want * 2


def test_clock_overflow_moves_later_times_of_its_own_recording(tmp_path):
    names = [tmp_path / f"{k}.bin" for k in "ab"]
    names[0].write_bytes(
        packed((1, 1, 1, 8000), (0, 240, 0, 0), (1, 1, 1, 10), (9, 240, 1, 5), (2, 1, 1, 7))
    )
    names[1].write_bytes(packed((1, 1, 1, 4), (1, 1, 0, 2000)))
    events = read_nmnist(names)
    assert events.offsets.tolist() == [0, 3, 5]
    want = [8.0, 8.202, 16.391, 0.004, 2.0]
    np.testing.assert_allclose(events.times, want, rtol=1e-5)


def test_events_out_of_order_are_sorted_within_their_recording(tmp_path):
    names = [tmp_path / f"{k}.bin" for k in "ab"]
    names[0].write_bytes(packed((1, 0, 1, 9000), (2, 0, 1, 3000), (3, 0, 1, 3000)))
    names[1].write_bytes(packed((4, 0, 1, 1000)))
    events = read_nmnist(names)
    assert events.times.tolist() == [3, 3, 9, 1]
    assert events.units.tolist() == [2, 3, 1, 4]


def test_many_files_are_read_in_parts(tmp_path, monkeypatch):
    names = [tmp_path / f"{k}.bin" for k in range(7)]
    for k, name in enumerate(names):
        name.write_bytes(packed(*[(k, 0, 1, 1000 * i) for i in range(k + 1)]))
    whole = read_nmnist(names)
    monkeypatch.setattr("jarvis.datasets.recordings.AT_ONCE", 3)
    parts = read_nmnist(names)
    assert parts.counts.tolist() == [1, 2, 3, 4, 5, 6, 7]
    for key in ("times", "units", "offsets"):
        assert torch.equal(getattr(parts, key), getattr(whole, key))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ONE[:-1], "19 bytes are not a multiple of 5"),
        (b"", "it is empty"),
        (packed((1, 1, 0, 5), (34, 2, 0, 9)), "event 1 at x=34, y=2"),
        (packed((1, 34, 0, 5)), "event 0 at x=1, y=34"),
    ],
)
def test_a_damaged_file_is_named(cache, content, message):
    put(cache, "Test", {"4/00001": ONE, "7/00002": content, "7/00003": ONE})
    with pytest.raises(CorruptDataError, match=rf"00002\.bin is .*{message}") as error:
        datasets.nmnist("test")
    assert "\n" not in str(error.value)


def test_splits_follow_the_numbers(cache):
    numbered = {f"{k % 10}/{k:05d}": packed((k % 34, 0, 1, k)) for k in range(101, 141)}
    put(cache, "Train", numbered)
    train, val = datasets.nmnist("train"), datasets.nmnist("val")
    held = [110, 120, 130, 140]
    assert (val.events.times * 1000).round().int().tolist() == held
    rest = [k for k in range(101, 141) if k not in held]
    assert (train.events.times * 1000).round().int().tolist() == rest
    assert train.targets.tolist() == [k % 10 for k in rest]
    assert "40 of the 60000 published training" in train.source
    assert train.n_classes == 10
    few = datasets.nmnist(n=3)
    assert few.events.times.tolist() == train.events[:3].times.tolist()
    assert few.targets.tolist() == train.targets[:3].tolist()
    assert "the first 3 of train" in few.source
    assert datasets.nmnist(n=500).source == train.source
    with pytest.raises(ValueError, match="nmnist: n"):
        datasets.nmnist(n=0)
    with pytest.raises(ValueError, match="validation"):
        datasets.nmnist("validation")


def test_without_files_the_error_says_what_to_do(cache):
    for download in (True, False):
        with pytest.raises(MissingDataError) as error:
            datasets.nmnist(download=download)
        text = str(error.value)
        assert "\n" not in text
        assert "NMNIST/Train" in text
        assert "nmnist_like()" in text
        assert ("jarvis-snn[events]" in text) == download
    (cache / "NMNIST" / "Test").mkdir(parents=True)
    with pytest.raises(MissingDataError, match="has no <digit>"):
        datasets.nmnist("test")


def test_tonic_downloads_whole_or_not_at_all(cache, monkeypatch):
    """A stand-in with tonic's interface: it unpacks below save_to/NMNIST."""
    calls = []

    def fetch(save_to, train):
        calls.append(train)
        put(Path(save_to), "Train" if train else "Test", {"3/00001": ONE})
        if train:
            raise RuntimeError("connection lost\nand more")

    tonic = SimpleNamespace(datasets=SimpleNamespace(NMNIST=fetch))
    monkeypatch.setitem(sys.modules, "tonic", tonic)
    assert datasets.nmnist("test").targets.tolist() == [3]
    assert datasets.nmnist("test").events.counts.tolist() == [4]  # now from the cache
    with pytest.raises(MissingDataError, match=r"\(download failed: connection lost\)"):
        datasets.nmnist("train")
    assert calls == [False, True]
    left = sorted(p.relative_to(cache).as_posix() for p in cache.rglob("*") if p.is_file())
    assert left == ["NMNIST/Test/3/00001.bin"]


@pytest.fixture
def small() -> EventDataset:
    times = torch.tensor([0.0, 4.0, 9.0, 1.0, 2.0, 8.0])
    units = torch.tensor([0, 1, 1, 2, 3, 0]).int()
    events = Events(times, units, torch.tensor([0, 3, 3, 6]), shape=(2, 2))
    return EventDataset(events, torch.tensor([4, 5, 6]), 10, "by hand")


def test_indexing(small):
    one, label = small[2]
    assert (len(one), one.units.tolist(), int(label)) == (1, [2, 3, 0], 6)
    assert small[-1][0].times.tolist() == one.times.tolist()
    assert small[1][0].counts.tolist() == [0]
    for index in ([2, 0], torch.tensor([2, 0])):
        batch, labels = small[index]
        assert batch.counts.tolist() == [3, 3]
        assert labels.tolist() == [6, 4]
        assert batch.units.tolist() == [2, 3, 0, 0, 1, 1]
    assert small[1:][1].tolist() == [5, 6]
    assert len(small.subset(2)) == 2
    with pytest.raises(IndexError):
        small[3]
    assert [int(label) for _, label in small] == [4, 5, 6]


def test_a_dataloader_gives_batches(small):
    loader = DataLoader(small, batch_size=2, collate_fn=EventDataset.collate)
    batches = list(loader)
    assert [len(events) for events, _ in batches] == [2, 1]
    assert batches[0][0].counts.tolist() == [3, 0]
    assert batches[1][1].tolist() == [6]


def test_binned_keeps_the_labels(small):
    steps = small.binned(5, duration=10.0)
    assert steps.events.n_steps == 5
    assert steps.events.times.tolist() == [0, 2, 4, 0, 1, 4]
    assert steps.targets.tolist() == [4, 5, 6]
    assert small.binned(5).events.times.tolist() == [0, 2, 4, 0, 1, 4]
    assert small.events.n_steps is None


def test_lengths_must_agree(small):
    with pytest.raises(ValueError, match="3 samples of events, but 2 targets"):
        EventDataset(small.events, small.targets[:2], 10, "")


@pytest.mark.data("NMNIST/Train")
def test_real_recordings(cache, monkeypatch):
    assert REAL_DATA is not None
    monkeypatch.setenv("JARVIS_DATA", REAL_DATA)
    test = datasets.nmnist("test")
    path = Path(REAL_DATA) / "NMNIST" / "Test"
    sizes = {p.stem: p.stat().st_size // 5 for p in path.rglob("*.bin")}
    assert test.events.counts.tolist() == [sizes[name] for name in sorted(sizes)]
    first = datasets.mnist("test", download=False).targets[: len(test)]
    if len(test) == 100:  # the first recordings, in MNIST's order
        assert torch.equal(test.targets, first)
    last = torch.stack([test[i][0].times[-1] for i in range(len(test))])
    assert last.min() > 250
    assert last.max() < 400
    # The digit is in the middle: the rim of the picture sees next to nothing.
    seen = test.binned(10).events.dense().sum((0, 1, 2))
    assert seen[8:26, 8:26].mean() > 5 * seen[:3].mean()
    train, val = datasets.nmnist("train"), datasets.nmnist("val")
    count = len(list((Path(REAL_DATA) / "NMNIST" / "Train").rglob("*.bin")))
    assert len(train) + len(val) == count
    assert f"{count} of the 60000" in train.source or count == 60000


def test_hidden_companions_are_no_recordings(cache):
    put(cache, "Test", {"3/00001": ONE, "3/._00001": b"resource fork"})
    assert datasets.nmnist("test").targets.tolist() == [3]


@pytest.mark.parametrize("split", ["train", "val"])
def test_too_few_recordings_for_a_split(cache, split):
    put(cache, "Train", {"3/00001" if split == "val" else "3/00010": ONE})
    with pytest.raises(
        MissingDataError, match=rf"none of the 1 recordings .* in the {split} split"
    ):
        datasets.nmnist(split)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (packed((1, 1, 1, 5), *[(0, 240, 0, 0)] * 2500, (1, 1, 1, 9)), "an event at 20 s"),
        (bytes(5 * (1 << 22)), "has 20971520 bytes"),
    ],
)
def test_what_is_no_recording_of_this_set(cache, content, message):
    put(cache, "Test", {"4/00001": ONE, "7/00002": content})
    with pytest.raises(CorruptDataError, match=rf"00002\.bin .*{message}"):
        datasets.nmnist("test")


def test_a_recording_may_be_as_long_as_the_limit(tmp_path, monkeypatch):
    path = tmp_path / "a.bin"
    path.write_bytes(ONE)
    monkeypatch.setattr("jarvis.datasets.recordings.LARGEST", len(ONE))
    assert len(read_nmnist([path]).times) == len(ONE) // 5
    monkeypatch.setattr("jarvis.datasets.recordings.LARGEST", len(ONE) - 1)
    with pytest.raises(CorruptDataError, match=f"has {len(ONE)} bytes"):
        read_nmnist([path])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_a_pipe_is_not_waited_for(cache):
    put(cache, "Test", {"4/00001": ONE})
    os.mkfifo(cache / "NMNIST/Test/4/00002.bin")
    with pytest.raises(CorruptDataError, match=r"00002\.bin is not a file"):
        datasets.nmnist("test")


def test_labels_are_labels(small):
    with pytest.raises(ValueError, match=r"targets must be integers; got 0\.5"):
        EventDataset(small.events, torch.tensor([0.5, 1.0, 2.0]), 10, "")
    with pytest.raises(ValueError, match=r"targets must lie in \[-1, 10\)"):
        EventDataset(small.events, torch.tensor([0, 1, 10]), 10, "")
    with pytest.raises(TypeError, match="events must be Events"):
        EventDataset(torch.ones(3, 2), torch.tensor([0, 1, 2]), 10, "")


def test_a_late_start_is_taken_off(small):
    late = Events(small.events.times + 500.0, small.events.units, small.events.offsets, (2, 2))
    late = EventDataset(late, small.targets, 10, "late")
    steps = late.binned(5, 10.0, start=500.0)
    assert steps.events.times.tolist() == [0, 2, 4, 0, 1, 4]
