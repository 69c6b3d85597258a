"""Event-camera recordings: the files of N-MNIST, and the data set that holds them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from jarvis.datasets.arrays import SPLITS, class_labels, collated
from jarvis.encoding.events import Events
from jarvis.support.checks import check_choice, check_integer
from jarvis.support.downloads import (
    CorruptDataError,
    cache_folder,
    fetch_by_tonic,
    find,
    missing,
)

SIDE = 34  # pixels of N-MNIST, in both directions

OVERFLOW = 240  # y of an entry that marks an overflow of the clock instead of an event

OVERFLOW_US = 1 << 13  # time to add for each overflow, us

LARGEST = 1 << 24  #: largest size of a recording in bytes; the published ones have at most 60 000

LONGEST_US = 20_000_000  #: longest recording, us; the published recordings last 0.34 s

AT_ONCE = 1000  # files decoded at a time, to limit memory use with all 60 000


class EventDataset(Dataset):
    """Labelled spike trains in memory: ``dataset[i] -> (events of one sample, label)``.

    Indexing with a list or slice returns a batch. A DataLoader needs
    ``collate_fn=EventDataset.collate``.

    Attributes:
        events: `Events` of N samples, times in ms, or in steps after `binned`.
        targets: ``[N]``, int64 class labels.
        n_classes: number of classes.
        source: content and origin of the data, in one line.

    Raises:
        ValueError: if events and targets differ in length.

    Example:
        >>> times, units = torch.tensor([0.5, 9.0, 2.0]), torch.tensor([0, 1, 1]).int()
        >>> two = Events(times, units, torch.tensor([0, 2, 3]), shape=(2,))
        >>> data = EventDataset(two, torch.tensor([3, 7]), 10, "by hand")
        >>> data[1]
        (1 samples, 1 events of units (2,), times in ms, tensor(7))
        >>> data.binned(5, duration=10.0).events.times.tolist()
        [0, 4, 1]
    """

    def __init__(self, events: Events, targets: Tensor, n_classes: int, source: str) -> None:
        if not isinstance(events, Events):
            raise TypeError(f"EventDataset: events must be Events, not {type(events).__name__}")
        self.events, self.targets = events, class_labels("EventDataset", targets, n_classes)
        if len(events) != len(self.targets):
            raise ValueError(f"{len(events)} samples of events, but {len(self.targets)} targets")
        self.n_classes, self.source = n_classes, source

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> tuple[Events, Tensor]:
        if isinstance(index, int):  # the common case, which must not touch all other samples
            index = range(len(self))[index]
            start, end = self.events.offsets[index : index + 2].tolist()
            times, units = self.events.times[start:end], self.events.units[start:end]
            one = torch.tensor([0, end - start])
            events = Events(times, units, one, self.events.shape, self.events.n_steps)
            return events, self.targets[index]
        return self.events[index], self.targets[index]

    @staticmethod
    def collate(samples: Sequence[tuple[Events, Tensor]]) -> tuple[Events, Tensor]:
        """Combine several ``dataset[i]`` into one batch, for a DataLoader."""
        return collated(samples)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the units, such as ``(channels, height, width)``."""
        return self.events.shape

    def subset(self, n: int) -> "EventDataset":
        """The first n samples (all of them if there are fewer)."""
        return EventDataset(self.events[:n], self.targets[:n], self.n_classes, self.source)

    def binned(
        self, n_steps: int, duration: float | None = None, *, start: float = 0.0
    ) -> "EventDataset":
        """The samples in `n_steps` time steps; `duration` and `start` are as in `Events.binned`."""
        events = self.events.binned(n_steps, duration, start=start)
        return EventDataset(events, self.targets, self.n_classes, self.source)

    def __repr__(self) -> str:
        return f"{self.events!r}, {self.n_classes} classes: {self.source}"


def read_nmnist(files: Sequence[Path]) -> Events:
    """Read N-MNIST's ``.bin`` files as one batch with one sample per file.

    Each event has five bytes: x, y, and 24 bits (big endian) with the polarity (1 for ON) and 23
    bits of time in us. An entry with y = 240 is not an event but an overflow of the clock: 8192 us
    are added to all later times. The unit of an event is ``channel * 34 * 34 + y * 34 + x``, with
    channel 0 for ON and 1 for OFF.

    Args:
        files: paths of the recordings.

    Returns:
        `Events` of shape ``(2, 34, 34)``, float32 times in ms.

    Raises:
        CorruptDataError: if a file is empty or too large, if its length is not a multiple of 5
            bytes, or if it has an event outside the 34x34 pixels or after more than 20 s; the
            message names the file. (The format contains neither a length nor a checksum, so a file
            truncated between events looks like a short recording.)
    """
    if not len(files):
        raise ValueError("read_nmnist: files is empty: give at least one recording")
    return Events.concatenate(
        [_decoded(files[i : i + AT_ONCE]) for i in range(0, len(files), AT_ONCE)]
    )


def _content(path: Path) -> bytes:
    if not path.is_file():  # reading a pipe would wait for ever
        raise CorruptDataError(f"{path} is not a file: remove it")
    if path.stat().st_size > LARGEST:
        raise CorruptDataError(
            f"{path} has {path.stat().st_size} bytes, but a recording has about 20 000: it is "
            "not a recording of N-MNIST; remove it"
        )
    return path.read_bytes()


def _decoded(files: Sequence[Path]) -> Events:
    contents = [_content(path) for path in files]
    for path, content in zip(files, contents, strict=True):
        if len(content) % 5 or not content:
            what = f"its {len(content)} bytes are not a multiple of 5" if content else "it is empty"
            raise CorruptDataError(
                f"{path} is truncated: {what} (5 bytes per event); download it again or remove it"
            )
    raw = np.frombuffer(b"".join(contents), dtype=np.uint8).reshape(-1, 5)
    sample = np.repeat(np.arange(len(files)), [len(content) // 5 for content in contents])
    x, y = raw[:, 0], raw[:, 1]
    clock, event = y == OVERFLOW, y != OVERFLOW
    outside = np.flatnonzero(event & ((x >= SIDE) | (y >= SIDE)))
    if len(outside):
        i = int(outside[0])
        raise CorruptDataError(
            f"{files[sample[i]]} is damaged: event {i - int(np.searchsorted(sample, sample[i]))} "
            f"at x={x[i]}, y={y[i]} lies outside the {SIDE}x{SIDE} pixels; "
            "download it again or remove it"
        )
    high, middle, low = (raw[:, k].astype(np.int64) for k in (2, 3, 4))
    time = (high & 127) << 16 | middle << 8 | low
    if clock.any():
        rounds = np.cumsum(clock)
        before = np.concatenate([[0], rounds])[np.searchsorted(sample, np.arange(len(files)))]
        time += OVERFLOW_US * (rounds - before[sample])
    late = np.flatnonzero(time > LONGEST_US)
    if len(late):
        i = int(late[0])
        raise CorruptDataError(
            f"{files[sample[i]]} is damaged: it has an event at {time[i] / 1e6:.0f} s, but a "
            "recording lasts 0.3 s; download it again or remove it"
        )
    channel = 1 - (high >> 7)
    unit = (channel * SIDE + y) * SIDE + x
    time, unit, sample = time[event], unit[event], sample[event]
    if (np.diff(time)[np.diff(sample) == 0] < 0).any():
        order = np.lexsort((time, sample))  # a stable sort: simultaneous events keep their order
        time, unit = time[order], unit[order]
    counts = np.bincount(sample, minlength=len(files))
    offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]))
    milliseconds = torch.from_numpy((time / 1000.0).astype(np.float32))
    units = torch.from_numpy(unit.astype(np.int32))
    return Events(milliseconds, units, offsets, (2, SIDE, SIDE))


def fetch_nmnist(part: str, download: bool) -> Path:
    """Download ``"Train"`` or ``"Test"`` with tonic; the cache receives all of it or nothing.

    Raises:
        MissingDataError: without tonic, without a network, or with ``download=False``.
    """
    relative = f"NMNIST/{part}"
    stand_in = "the simulated recordings of jarvis.datasets.nmnist_like()"

    def give_up(why: str) -> Exception:
        return missing("N-MNIST", relative, why, stand_in)

    return fetch_by_tonic(
        download,
        lambda sets, folder: sets.NMNIST(save_to=folder, train=part == "Train"),
        lambda folder: next((p for p in folder.rglob(part) if p.is_dir()), None),
        cache_folder() / relative,
        give_up,
    )


def nmnist(split: str = "train", *, n: int | None = None, download: bool = True) -> EventDataset:
    """N-MNIST: MNIST digits seen by a moving event camera, 34x34 pixels, about 300 ms each.

    Recordings are in the order of their numbers, as in MNIST. If only part of the published 60 000
    and 10 000 recordings is present, that part is read, and `source` states how many there are.

    Args:
        split: "train", "val" (the training recordings whose number ends in 0, regardless of how
            many recordings are present) or "test".
        n: read the first n recordings of the split only; None for all of them.
        download: whether to download missing files into the cache, which needs the package tonic.

    Returns:
        Events with units ``(2, 34, 34)`` (channel 0: ON, 1: OFF) and times in ms; `binned` converts
        the times to steps.

    Raises:
        MissingDataError: if the data set is not on this machine and cannot be downloaded.
        CorruptDataError: if a file is empty, truncated or corrupted; the message names it.

    Source: Orchard, Jayawant, Cohen & Thakor 2015, Front. Neurosci. 9:437.
    """
    check_choice("split", split, SPLITS)
    n = None if n is None else check_integer("nmnist: n", n, at_least=1)
    part, published = ("Test", 10_000) if split == "test" else ("Train", 60_000)
    root = find(f"NMNIST/{part}", folder=True)
    if root is None:
        root = fetch_nmnist(part, download)
    # Some systems store hidden companions (._00001.bin) beside the recordings: skip them.
    found = (p for p in root.glob("[0-9]/*.bin") if not p.name.startswith("."))
    files = sorted(found, key=lambda path: (path.stem, path.parent.name))
    if not files:
        raise missing("N-MNIST", f"NMNIST/{part}", f"{root} has no <digit>/*.bin")
    kind = "test" if split == "test" else "training"
    source = f"N-MNIST, {kind} part, complete, as published"
    if len(files) != published:
        source = f"N-MNIST, {len(files)} of the {published} published {kind} recordings"
    if split != "test":
        n_found = len(files)
        files = [path for path in files if path.stem.endswith("0") == (split == "val")]
        if not files:
            raise missing(
                "N-MNIST",
                f"NMNIST/{part}",
                f"none of the {n_found} recordings of {root} is in the {split} split, whose "
                f"recordings have numbers that {'' if split == 'val' else 'do not '}end in 0",
            )
    if n is not None and n < len(files):
        files, source = files[:n], f"{source}, the first {n} of {split}"
    targets = torch.tensor([int(path.parent.name) for path in files])
    return EventDataset(read_nmnist(files), targets, 10, source)
