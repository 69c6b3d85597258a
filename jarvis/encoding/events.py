"""Spikes as lists of events, a sparse representation in which silence costs nothing.

A batch of B samples consists of `times` and `units`, with the samples one after the other and
each sorted by time, and `offsets`: sample b is in ``offsets[b]:offsets[b + 1]``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from jarvis.support.checks import check_number, check_tensor, check_values


@dataclass(frozen=True, eq=False)
class Events:
    """A batch of spike trains as sorted lists.

    Args:
        times: ``[E]``; int32 time steps in [0, n_steps), or float32 ms if `n_steps` is None.
        units: ``[E]`` int32, flat index into `shape`. A unit that is listed twice in a step fires
            twice in it, which `dense` and `first_steps` cannot represent.
        offsets: ``[B + 1]`` int64, the start of each sample.
        shape: shape of the units, such as ``(channels, height, width)``.
        n_steps: number of time steps T; None for times in ms.

    Raises:
        ValueError: if the three do not match, a unit or a step is out of range, or a sample is not
            sorted by time.

    Example:
        >>> spikes = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]]])  # [T=3, B=1, 2]
        >>> events = Events.from_dense(spikes)
        >>> events.times.tolist(), events.units.tolist()
        ([0, 1, 2], [0, 1, 0])
        >>> events.first_steps().tolist()
        [[0, 1]]
    """

    times: Tensor
    units: Tensor
    offsets: Tensor
    shape: tuple[int, ...]
    n_steps: int | None = None

    def __post_init__(self) -> None:
        times, units, offsets = self.times, self.units, self.offsets
        if not (times.dim() == units.dim() == offsets.dim() == 1) or len(times) != len(units):
            raise ValueError(
                f"Events: times {tuple(times.shape)} and units {tuple(units.shape)} must be lists "
                f"of equal length, and offsets {tuple(offsets.shape)} a list"
            )
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != len(times):
            raise ValueError(f"Events: offsets must run from 0 to {len(times)} (number of events)")
        if (offsets.diff() < 0).any():
            raise ValueError("Events: offsets must not decrease")
        shape = f"they index the units of shape {self.shape}"
        check_values("Events: units", units, at_least=0, below=self.n_units, why=shape)
        check_values("Events: times", times, at_least=0, below=self.n_steps, finite=False)
        if len(times):
            falls = times.diff() < 0
            starts = offsets[1:-1] - 1
            falls[starts[(starts >= 0) & (starts < len(falls))]] = False
            if falls.any():
                raise ValueError("Events: the times of a sample must not decrease: sort them first")

    @property
    def n_units(self) -> int:
        """Number of units per sample."""
        n = 1
        for size in self.shape:
            n *= size
        return n

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __repr__(self) -> str:
        clock = "times in ms" if self.n_steps is None else f"{self.n_steps} steps"
        return f"{len(self)} samples, {len(self.times)} events of units {self.shape}, {clock}"

    @property
    def counts(self) -> Tensor:
        """``[B]``: number of events per sample."""
        return self.offsets.diff()

    def count_spikes(self) -> Tensor:
        """``[B, *shape]`` int64: number of events per sample and unit."""
        where = self.samples() * self.n_units + self.units
        counts = torch.bincount(where, minlength=len(self) * self.n_units)
        return counts.view(len(self), *self.shape)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> "Events":
        """The samples at `index`, as a batch."""
        picked = torch.arange(len(self), device=self.offsets.device)[index].reshape(-1)
        counts = self.counts[picked]
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        # Position of every event in the old list, counted from the start of its sample.
        shift = (self.offsets[picked] - offsets[:-1]).repeat_interleave(counts)
        where = torch.arange(int(offsets[-1]), device=offsets.device) + shift
        return Events(self.times[where], self.units[where], offsets, self.shape, self.n_steps)

    @staticmethod
    def from_dense(spikes: Tensor) -> "Events":
        """Spike trains ``[T, B, ...]``, nonzero where there is a spike, as events."""
        check_tensor("Events: spikes", spikes, "[T, B, n, ...]", floating=False)
        shape = tuple(spikes.shape[2:])
        b, t, unit = spikes.flatten(2).transpose(0, 1).cpu().nonzero(as_tuple=True)
        counts = torch.bincount(b, minlength=spikes.shape[1])
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Events(t.int(), unit.int(), offsets, shape, spikes.shape[0])

    @staticmethod
    def from_first_steps(steps: Tensor, n_steps: int) -> "Events":
        """One spike per unit at the integer ``steps [B, ...]``; none outside [0, n_steps).

        Events of the same step are ordered by unit.
        """
        flat = steps.flatten(1).cpu()
        b, unit = ((flat >= 0) & (flat < n_steps)).nonzero(as_tuple=True)
        t = flat[b, unit].long()
        order = torch.argsort(b * n_steps + t, stable=True)
        counts = torch.bincount(b, minlength=len(flat))
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Events(
            t[order].int(), unit[order].int(), offsets, tuple(steps.shape[1:]), int(n_steps)
        )

    @staticmethod
    def concatenate(parts: "Sequence[Events]") -> "Events":
        """Several batches with units of the same shape, one after the other."""
        if not parts:
            raise ValueError("Events.concatenate: nothing to join")
        first = parts[0]
        for part in parts:
            if (part.shape, part.n_steps) != (first.shape, first.n_steps):
                raise ValueError(f"Events: cannot join {part!r} to {first!r}")
        counts = torch.cat([part.counts for part in parts])
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        times, units = (torch.cat([getattr(p, key) for p in parts]) for key in ("times", "units"))
        return Events(times, units, offsets, first.shape, first.n_steps)

    def samples(self) -> Tensor:
        """``[E]``: the sample to which each event belongs."""
        every = torch.arange(len(self), device=self.offsets.device)
        return every.repeat_interleave(self.counts)

    def _stepped(self, what: str) -> int:
        if self.n_steps is None:
            raise ValueError(f"Events.{what}: these times are in ms; bin them first: .binned(T)")
        return self.n_steps

    def dense(self) -> Tensor:
        """``[T, B, ...]`` float32, 0 or 1."""
        out = torch.zeros(self._stepped("dense"), len(self), self.n_units)
        out[self.times.long(), self.samples(), self.units.long()] = 1.0
        return out.unflatten(2, self.shape)

    def first_steps(self) -> Tensor:
        """``[B, ...]`` int32: step of each unit's first spike; n_steps for a silent unit."""
        n_steps = self._stepped("first_steps")
        out = torch.full((len(self) * self.n_units,), n_steps, dtype=torch.int32)
        where = self.samples() * self.n_units + self.units
        out.scatter_reduce_(0, where, self.times.int(), "amin")
        return out.view(len(self), *self.shape)

    def binned(self, n_steps: int, duration: float | None = None) -> "Events":
        """Bin times in ms into steps of ``duration / n_steps``, merging a unit's events per step.

        Args:
            n_steps: T.
            duration: total time covered by the steps, ms; later events are dropped. None: the
                length of each sample, so that its last event falls into the last step.
        """
        if self.n_steps is not None:
            raise ValueError(f"Events.binned: times are already binned in {self.n_steps} steps")
        sample = self.samples()
        if duration is None:
            last = torch.zeros(len(self)).scatter_reduce_(0, sample, self.times.float(), "amax")
            span = torch.where(last > 0, last * (1 + 1e-6), 1.0)[sample]
        else:
            span = torch.tensor(check_number("Events.binned: duration", duration, "ms", above=0))
        step = (self.times * (n_steps / span)).long()
        keep = step < n_steps
        key = (sample * n_steps + step) * self.n_units + self.units
        key = torch.unique(key[keep])  # sorted by sample, then step, then unit
        step, unit = key // self.n_units % n_steps, key % self.n_units
        counts = torch.bincount(key // (self.n_units * n_steps), minlength=len(self))
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Events(step.int(), unit.int(), offsets, self.shape, n_steps)

    def on_grid(self, dt: float, n_steps: int | None = None) -> "Events":
        """Round times in ms to the nearest step of `dt` ms; events of one step are not merged.

        Args:
            dt: step of the grid, ms.
            n_steps: T; later events are dropped. None: enough steps to include the last event.
        """
        if self.n_steps is not None:
            raise ValueError(f"Events.on_grid: times are already binned in {self.n_steps} steps")
        check_number("Events.on_grid: dt", dt, "ms", above=0)
        step = torch.round(self.times.double() / dt).int()
        if n_steps is None:
            n_steps = int(step.max()) + 1 if len(step) else 1
        if not len(step) or int(step.max()) < n_steps:
            return Events(step, self.units, self.offsets, self.shape, int(n_steps))
        return replace(self.where(step < n_steps, step), n_steps=int(n_steps))

    def where(
        self, keep: Tensor, times: Tensor | None = None, units: Tensor | None = None
    ) -> "Events":
        """The events of the batch for which `keep` is true.

        Args:
            keep: ``[E]`` bool.
            times, units: ``[E]``, replace those of the batch; only kept values have to be valid.

        Raises:
            ValueError: for a list without one value per event, or a `keep` that is not bool.
        """
        if keep.dtype != torch.bool:
            raise ValueError(f"Events.where: keep is {keep.dtype}, but must be bool")
        for name, given in (("keep", keep), ("times", times), ("units", units)):
            if given is not None and given.shape != self.times.shape:
                raise ValueError(
                    f"Events.where: {name} {tuple(given.shape)} must have one value for each of "
                    f"the {len(self.times)} events"
                )
        index = keep.nonzero().flatten()
        kept_before = torch.cat([keep.new_zeros(1, dtype=torch.int64), keep.cumsum(0)])
        offsets = kept_before[self.offsets]
        times = self.times if times is None else times
        units = self.units if units is None else units
        return replace(self, times=times[index], units=units[index], offsets=offsets)
