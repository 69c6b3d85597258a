"""Spoken digits as spikes in 700 channels: the data set, and how words are batched."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from jarvis.datasets.arrays import class_labels, collated
from jarvis.datasets.augmentation import Augmentation, blended
from jarvis.encoding.events import Events
from jarvis.support.checks import check_choice, check_integer, check_number, whole_numbers

CHANNELS = 700

CLASSES = 20

LONGEST = 30.0  #: longest plausible time, s; later times cannot be in seconds

#: Speakers of the training set held out for validation, since no validation set was published. A
#: linear classifier that was not trained on these speakers recognises 55 % of their words, which is
#: the median of such results over the ten speakers.
VAL_SPEAKERS = (6, 7)

# Times are kept in float16, as in the file. There are only 65 536 float16 values; the time in ms or
# in steps is computed once for each of them and then looked up.
_ALL_TIMES = np.arange(1 << 16, dtype=np.uint16).view(np.float16)

_VALID = np.isfinite(_ALL_TIMES) & (_ALL_TIMES >= 0)

_MILLISECONDS = np.where(_VALID, _ALL_TIMES, 0).astype(np.float32) * np.float32(1000.0)


@dataclass(frozen=True, eq=False)
class Words:
    """Concatenated spike trains in the format of SHD's files: 4 bytes per event.

    Attributes:
        times: ``[E]`` float16 as in the published files, or float32, s.
        units: ``[E]`` uint16, channels.
        offsets: ``[N + 1]`` int64, the start of each word.
    """

    times: np.ndarray
    units: np.ndarray
    offsets: np.ndarray

    def find_fault(self) -> str | None:
        """A description of an impossible value in the data; None if there is none."""
        if len(self.units) and self.units.max() >= CHANNELS:
            return f"channel {self.units.max()} is not below {CHANNELS}"
        if self.times.dtype == np.float16:
            valid = _VALID[self.times.view(np.uint16)]
        else:
            valid = np.isfinite(self.times) & (self.times >= 0)
        if not valid.all():
            return f"a spike at {self.times[~valid][0]} s"
        # Nonnegative floats are ordered like their bits, which can be compared faster.
        kind = np.int16 if self.times.dtype == np.float16 else np.int32
        last = int(np.abs(self.times).view(kind).argmax()) if len(self.times) else None
        if last is not None and self.times[last] > LONGEST:
            return (
                f"a spike at {self.times[last]} s, but a word lasts about a second: SHD's times "
                "are in s, but these seem to be in ms or in steps"
            )
        return None

    def sorted(self) -> "Words":
        """The same words, each with its events sorted by time."""
        kind = np.int16 if self.times.dtype == np.float16 else np.int32
        falls = np.diff(self.times.view(kind)) < 0  # nonnegative floats sort like their bits
        starts = self.offsets[1:-1] - 1
        falls[starts[(starts >= 0) & (starts < len(falls))]] = False
        if not falls.any():
            return self
        word = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        order = np.lexsort((self.times, word))  # stable: the order of simultaneous events is kept
        return replace(self, times=self.times[order], units=self.units[order])


@dataclass(frozen=True)
class Grid:
    """`n_steps` steps of `dt` ms. Events move to the nearest step; any after the last are lost."""

    dt: float
    n_steps: int

    def __post_init__(self) -> None:
        check_number("dt", self.dt, "ms", above=0)
        check_integer("n_steps", self.n_steps, at_least=1)


def _on_clock(ms: np.ndarray, grid: Grid) -> np.ndarray:
    """Times in ms as steps, int32; `grid.n_steps` for all times beyond the grid."""
    steps = np.rint(ms.astype(np.float64) / grid.dt)
    return np.minimum(steps, grid.n_steps).astype(np.int32)


class SpokenDigits(Dataset):
    """Labelled words in memory: ``dataset[i] -> (events of one word, label)``.

    Indexing with a list or slice returns a batch. Words are `Events` of 700 channels, with times in
    ms, or in steps after `on_grid`. Parts of a data set share its memory.

    Attributes:
        words: the events of all words read; the set consists of the words at `index`.
        index: ``[N]`` int64, indices in `words` of the words of this set.
        targets: ``[N]`` int64, labels: 0-9 for zero to nine, 10-19 for null to neun.
        speakers: ``[N]`` int64, speaker of each word.
        names: names of the classes.
        n_classes: number of classes, 20.
        source: content and origin of the data, in one line.

    Raises:
        ValueError: if the lengths do not match.

    Example:
        >>> from jarvis.datasets import shd_like
        >>> data = shd_like("train", n=100)
        >>> events, label = data.on_grid(dt=1.0, n_steps=800)[:8]
        >>> events.n_steps, len(label)
        (800, 8)
    """

    def __init__(
        self,
        words: Words,
        targets: Tensor,
        speakers: Tensor,
        names: Sequence[str],
        source: str,
        *,
        index: Tensor | None = None,
        grid: Grid | None = None,
    ) -> None:
        self.words, self.names, self.source, self.grid = words, tuple(names), source, grid
        self.index = torch.arange(len(words.offsets) - 1) if index is None else index
        self.n_classes, self.shape = len(self.names), (CHANNELS,)
        self.targets = class_labels("SpokenDigits", targets, self.n_classes)
        self.speakers = whole_numbers("SpokenDigits: speakers", speakers)
        if not len(self.index) == len(self.targets) == len(self.speakers):
            raise ValueError(
                f"{len(self.index)} words, but {len(self.targets)} targets and "
                f"{len(self.speakers)} speakers"
            )
        self._clock = _MILLISECONDS
        if grid is not None:
            self._clock = _on_clock(_MILLISECONDS, grid)
        self._of_class: list[Tensor] | None = None

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index) -> tuple[Events, Tensor]:
        return self._events(index), self.targets[index]

    def _events(self, index, exact: bool = False) -> Events:
        """The words at `index`; with `exact`, in ms regardless of the grid."""
        grid = None if exact else self.grid
        picked = self.index[index].reshape(-1).numpy()
        spans = [slice(*self.words.offsets[i : i + 2]) for i in picked]
        seconds, units = (
            np.concatenate([part[span] for span in spans] or [part[:0]])
            for part in (self.words.times, self.words.units)
        )
        times = self._when(seconds, grid)
        counts = np.diff(self.words.offsets)[picked]
        offsets = torch.from_numpy(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))
        lists = torch.from_numpy(times), torch.from_numpy(units.astype(np.int32)), offsets
        if grid is None:
            return Events(*lists, (CHANNELS,))
        if not len(times) or times.max() < grid.n_steps:
            return Events(*lists, (CHANNELS,), grid.n_steps)
        whole = Events(*lists, (CHANNELS,), grid.n_steps + 1)  # the last step is beyond the grid
        return whole.where(whole.times < grid.n_steps, n_steps=grid.n_steps)

    def _when(self, seconds: np.ndarray, grid: "Grid | None") -> np.ndarray:
        """Times in ms, float32, or in steps of the grid, int32."""
        if seconds.dtype == np.float16:
            return (_MILLISECONDS if grid is None else self._clock)[seconds.view(np.uint16)]
        ms = seconds.astype(np.float32) * np.float32(1000.0)
        return ms if grid is None else _on_clock(ms, grid)

    @staticmethod
    def collate(samples: Sequence[tuple[Events, Tensor]]) -> tuple[Events, Tensor]:
        """Combine several ``dataset[i]`` into one batch, for a DataLoader."""
        return collated(samples)

    def batch(
        self,
        index: Tensor,
        augmentation: Augmentation | None = None,
        generator: torch.Generator | None = None,
    ) -> tuple[Events, Tensor]:
        """The words at `index` ``[B]``, randomly changed by `augmentation`, and their labels.

        The changes are drawn from `generator` in each call.
        """
        if augmentation is None or not augmentation:
            return self[index]
        events = self._events(index, exact=True)
        if augmentation.blend:
            others = self._partners(index, generator)
            chosen = torch.rand(len(index), generator=generator) < augmentation.blend
            events = blended(events, self._events(others, exact=True), chosen, generator)
        events = augmentation(events, generator)
        if self.grid is not None:
            with warnings.catch_warnings():  # an augmented word may begin late
                warnings.filterwarnings("ignore", ".*there is no event before", UserWarning)
                events = events.on_grid(self.grid.dt, self.grid.n_steps)
        return events, self.targets[index]

    def _partners(self, index: Tensor, generator: torch.Generator | None) -> Tensor:
        """For each word, a random word of the same class (possibly the word itself)."""
        if self._of_class is None:
            self._of_class = [
                (self.targets == c).nonzero().flatten() for c in range(self.n_classes)
            ]
        draws = torch.rand(len(index), generator=generator).tolist()
        mates = [self._of_class[int(label)] for label in self.targets[index]]
        return torch.stack([m[int(u * len(m))] for m, u in zip(mates, draws, strict=True)])

    @property
    def events(self) -> Events:
        """All words as one batch; SHD's training set takes 0.5 GB in this form."""
        return self._events(slice(None))

    @property
    def counts(self) -> Tensor:
        """``[N]``: number of events per word, including events beyond the end of the grid."""
        return torch.from_numpy(np.diff(self.words.offsets))[self.index]

    def on_grid(self, dt: float, n_steps: int) -> "SpokenDigits":
        """The same words in `n_steps` steps of `dt` ms, as with `Events.on_grid`."""
        return self._part(slice(None), grid=Grid(dt, check_integer("n_steps", n_steps, at_least=1)))

    def subset(self, n: int) -> "SpokenDigits":
        """The first n words (all of them if there are fewer)."""
        return self._part(slice(n))

    def by_speaker(self, speakers: Sequence[int], others: bool = False) -> "SpokenDigits":
        """The words of some speakers; with `others`, those of all other speakers."""
        mine = torch.isin(self.speakers, torch.tensor(list(speakers)))
        return self._part((mine ^ others).nonzero().flatten())

    def _part(self, where, grid: Grid | None = None, source: str | None = None) -> "SpokenDigits":
        return SpokenDigits(
            self.words, self.targets[where], self.speakers[where], self.names,
            source or self.source, index=self.index[where], grid=grid or self.grid,
        )  # fmt: skip

    def called(self, source: str) -> "SpokenDigits":
        """The same words with another `source`."""
        return self._part(slice(None), source=source)

    def __repr__(self) -> str:
        clock = "times in ms"
        if self.grid is not None:
            clock = f"{self.grid.n_steps} steps of {self.grid.dt:g} ms"
        return (
            f"{len(self)} words, {CHANNELS} channels, {clock}, {self.n_classes} classes: "
            f"{self.source}"
        )


SPLITS = ("train", "val", "train+val", "test")


def held_out(whole: SpokenDigits) -> tuple[SpokenDigits, SpokenDigits]:
    """Split the training set into "train", without `VAL_SPEAKERS`, and "val", with the rest."""
    names = " and ".join(map(str, VAL_SPEAKERS))
    rest = whole.by_speaker(VAL_SPEAKERS, others=True)
    kept = whole.by_speaker(VAL_SPEAKERS)
    return (
        rest.called(f"{whole.source}, without speakers {names}"),
        kept.called(f"{whole.source}, speakers {names}"),
    )


def split_of(split: str, read: Callable[[str], SpokenDigits]) -> SpokenDigits:
    """A split, made from the parts "train" and "test" that `read` returns."""
    check_choice("split", split, SPLITS)
    whole = read("test" if split == "test" else "train")
    return whole if split in ("test", "train+val") else held_out(whole)[split == "val"]
