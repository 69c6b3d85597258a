"""Spikes as lists of events, a sparse representation in which silence costs nothing.

A batch of B samples consists of `times`, `units` and `offsets`. The samples follow one another,
each sorted by time; sample b is the slice ``offsets[b]:offsets[b + 1]``.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from jarvis.support.checks import (
    check_integer,
    check_number,
    check_tensor,
    check_type,
    check_values,
)

#: A day in ms: later times must be in another unit, or are not measured from the recording's start.
_DAY = 86_400_000.0

_LATE = 100.0  #: ms; a recording starts late if its first event is after this, in the second half


def _converted(name: str, given: Tensor, kind: torch.dtype) -> Tensor:
    """The list `given`, converted to `kind`, the dtype that the compiled loops expect.

    Raises:
        TypeError: for a dtype that cannot be converted to `kind`.
        ValueError: for integers that are too large for `kind`.
    """
    if given.dtype == kind:
        return given
    if given.dtype == torch.bool or given.is_complex():
        raise TypeError(f"{name} must be numbers, not {given.dtype}")
    if kind.is_floating_point:
        return given.to(kind)
    if given.is_floating_point():
        raise TypeError(f"{name} must be integers, not {given.dtype}")
    wide = given.long()
    check_values(name, wide, at_most=torch.iinfo(kind).max)
    return wide.to(kind)


@dataclass(frozen=True, eq=False)
class Events:
    """A batch of spike trains as sorted lists.

    Args:
        times: ``[E]``; int32 time steps in [0, n_steps), or float32 (or float64) ms if `n_steps`
            is None.
        units: ``[E]`` int32, flat index into `shape`. A unit that is listed twice in a step fires
            twice in that step, which `dense` and `first_steps` cannot represent.
        offsets: ``[B + 1]`` int64, where each sample starts; the last entry is E.
        shape: shape of the units of a sample, such as ``(channels, height, width)``.
        n_steps: number of time steps T; None for times in ms.

    Lists of other integer types, such as uint16, are converted. The tensors can change after they
    are checked, so every function that reads them calls `check` again.

    Raises:
        ValueError: if the three lists do not match, a unit or a step is out of range, or a sample
            is not sorted by time.
        TypeError: for a list that is not a tensor, or has the wrong dtype.

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
        shape = self.shape if isinstance(self.shape, tuple | list) else (self.shape,)
        shape = tuple(check_integer("Events: shape", size, at_least=0) for size in shape)
        object.__setattr__(self, "shape", shape)
        if self.n_steps is not None:
            n_steps = check_integer("Events: n_steps", self.n_steps, at_least=0)
            object.__setattr__(self, "n_steps", n_steps)
        for name in ("times", "units", "offsets"):
            check_tensor(f"Events: {name}", getattr(self, name), "[n, ...]", floating=False)
        for name, kind in self._kinds().items():
            object.__setattr__(self, name, _converted(f"Events: {name}", getattr(self, name), kind))
        self.check()

    def check(self) -> None:
        """Check that the lists match, are in range, and are sorted.

        Compiled loops do not check the indices that they are given, so this method runs before
        every compiled loop: a tensor, or a numpy array that shares its memory, may have changed.

        Raises:
            ValueError: if the lists do not match, are out of range, or are not sorted.
        """
        times, units, offsets = self.times, self.units, self.offsets
        for name, kind in self._kinds().items():
            x = getattr(self, name)
            if x.dtype != kind:
                raise ValueError(f"Events: the type of {name} has changed to {x.dtype}")
            needed = (x.storage_offset() + x.numel()) * x.element_size()
            if x.is_contiguous() and x.untyped_storage().nbytes() < needed:
                raise ValueError(f"Events: the memory of {name} has been freed")
        if not (times.dim() == units.dim() == offsets.dim() == 1) or len(times) != len(units):
            raise ValueError(
                f"Events: times {tuple(times.shape)} and units {tuple(units.shape)} must be lists "
                f"of equal length, and offsets {tuple(offsets.shape)} a list"
            )
        self._check_ends()
        if (offsets.diff() < 0).any():
            raise ValueError("Events: offsets must not decrease")
        shape = f"they index the units of shape {self.shape}"
        check_values("Events: units", units, at_least=0, below=self.n_units, why=shape)
        why = "" if self.n_steps is None else f"there are n_steps={self.n_steps}"
        check_values("Events: times", times, at_least=0, below=self.n_steps, finite=False, why=why)
        if len(times):
            falls = times.diff() < 0
            starts = offsets[1:-1] - 1
            falls[starts[(starts >= 0) & (starts < len(falls))]] = False
            if falls.any():
                raise ValueError("Events: the times of a sample must not decrease: sort them first")

    def _check_ends(self) -> None:
        n, offsets = len(self.times), self.offsets
        if not len(offsets) or offsets[0] != 0 or offsets[-1] != n:
            raise ValueError(f"Events: offsets must run from 0 to {n} (number of events)")

    def _kinds(self) -> dict[str, torch.dtype]:
        ms = torch.float64 if self.times.dtype == torch.float64 else torch.float32
        times = ms if self.n_steps is None else torch.int32
        return {"times": times, "units": torch.int32, "offsets": torch.int64}

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
        self.check()
        where = self.samples() * self.n_units + self.units
        counts = torch.bincount(where, minlength=len(self) * self.n_units)
        return counts.view(len(self), *self.shape)

    def __getitem__(self, index: int | slice | Sequence[int] | Tensor) -> "Events":
        """The samples at `index`, as a batch."""
        picked = torch.arange(len(self), device=self.offsets.device)[index].reshape(-1)
        counts = self.counts[picked]
        # Only the selected samples are checked, because the batch may have many more events.
        self._check_ends()
        if len(self.units) != len(self.times):
            raise ValueError(f"Events: {len(self.times)} times, but {len(self.units)} units")
        if (counts < 0).any():
            raise ValueError("Events: offsets must not decrease")
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        # Position of every event in the old list minus its position in the new list.
        shift = (self.offsets[picked] - offsets[:-1]).repeat_interleave(counts)
        where = torch.arange(int(offsets[-1]), device=offsets.device) + shift
        check_values("Events: offsets", where, at_least=0, below=len(self.times))
        return Events(self.times[where], self.units[where], offsets, self.shape, self.n_steps)

    @staticmethod
    def from_dense(spikes: Tensor) -> "Events":
        """Convert spike trains ``[T, B, ...]`` to events: one for each nonzero entry.

        Raises:
            ValueError: for NaN or infinite values, or a wrong shape.
        """
        check_tensor("Events.from_dense: spikes", spikes, "[T>=1, B, n, ...]", floating=False)
        check_values("Events.from_dense: spikes", spikes)
        shape = tuple(spikes.shape[2:])
        b, t, unit = spikes.flatten(2).transpose(0, 1).cpu().nonzero(as_tuple=True)
        counts = torch.bincount(b, minlength=spikes.shape[1])
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Events(t.int(), unit.int(), offsets, shape, spikes.shape[0])

    @staticmethod
    def from_first_steps(steps: Tensor, n_steps: int) -> "Events":
        """One spike per unit at the integer ``steps [B, ...]``; none if not in [0, n_steps).

        Events of the same step are ordered by unit.

        Raises:
            ValueError: for steps that are not whole numbers, or a wrong shape.
        """
        name = "Events.from_first_steps"
        check_tensor(f"{name}: steps", steps, "[B, n, ...]", floating=False)
        n_steps = check_integer(f"{name}: n_steps", n_steps, at_least=1)
        if steps.is_floating_point() or steps.is_complex() or steps.is_meta:
            check_values(f"{name}: steps", steps, finite=False)
            if (steps.isfinite() & (steps != steps.round())).any():
                raise ValueError(f"{name}: steps must be whole numbers; round them first")
        flat = steps.flatten(1).cpu()
        b, unit = ((flat >= 0) & (flat < n_steps)).nonzero(as_tuple=True)
        t = flat[b, unit].long()
        order = torch.argsort(b * n_steps + t, stable=True)
        counts = torch.bincount(b, minlength=len(flat))
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Events(t[order].int(), unit[order].int(), offsets, tuple(steps.shape[1:]), n_steps)

    @staticmethod
    def concatenate(parts: "Sequence[Events]") -> "Events":
        """Join several batches in the given order; their units must have the same shape."""
        check_type("Events.concatenate: parts", parts, (list, tuple), "a list of Events")
        if not len(parts):
            raise ValueError("Events.concatenate: parts is empty: there is nothing to join")
        first = parts[0]
        for part in parts:
            check_type("Events.concatenate: each of parts", part, Events)
            part.check()
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
        """The spike trains ``[T, B, ...]``, float32, 0 or 1."""
        n_steps = self._stepped("dense")
        self.check()
        out = torch.zeros(n_steps, len(self), self.n_units, device=self.times.device)
        out[self.times.long(), self.samples(), self.units.long()] = 1.0
        return out.unflatten(2, self.shape)

    def frames(self, pool: int = 1) -> Tensor:
        """Event counts per step, for units along one axis: ``[T, B, n_units / pool]``.

        Args:
            pool: number of neighbouring units whose events are counted together.

        Returns:
            counts, float32; a unit that fires twice in a step counts twice.

        Raises:
            ValueError: for times in ms, units with several axes, or a number of units that `pool`
                does not divide.

        Example:
            >>> times, units = torch.tensor([0, 0, 2]).int(), torch.tensor([2, 3, 0]).int()
            >>> Events(times, units, torch.tensor([0, 3]), (4,), n_steps=3).frames(2)[:, 0].tolist()
            [[0.0, 2.0], [0.0, 0.0], [1.0, 0.0]]
        """
        n_steps = self._stepped("frames")
        pool = check_integer("Events.frames: pool", pool, at_least=1)
        if len(self.shape) != 1 or self.n_units % pool:
            raise ValueError(
                f"Events.frames: units {self.shape} do not lie along one axis whose length is a "
                f"multiple of pool={pool}"
            )
        self.check()
        n = self.n_units // pool
        at = (self.times.long() * len(self) + self.samples()) * n + self.units.long() // pool
        counts = torch.bincount(at, minlength=n_steps * len(self) * n)
        return counts.float().view(n_steps, len(self), n)

    def first_steps(self) -> Tensor:
        """``[B, ...]`` int32: step of each unit's first spike; n_steps for a silent unit."""
        n_steps = self._stepped("first_steps")
        self.check()
        out = self.times.new_full((len(self) * self.n_units,), n_steps)
        where = self.samples() * self.n_units + self.units
        out.scatter_reduce_(0, where, self.times.int(), "amin")
        return out.view(len(self), *self.shape)

    def _in_ms(self, what: str, start: float) -> Tensor:
        """The times in ms after `start`, in float64, if they can be put on a grid of steps.

        Raises:
            ValueError: for times that are already steps, or are not in ms.
        """
        name = f"Events.{what}"
        if self.n_steps is not None:
            raise ValueError(f"{name}: times are already binned in {self.n_steps} steps")
        start = check_number(f"{name}: start", start, "ms", at_least=-1e15, at_most=1e15)
        self.check()
        times = self.times.double() - start
        check_values(f"{name}: times", times, "ms", at_most=_DAY, why=(
            "they are more than a day after start: convert them to ms if they are in us or ns, and "
            "give start= if they do not begin near 0"
        ))  # fmt: skip
        low, high = (x.item() for x in times.aminmax()) if len(times) > 1 else (0.0, 0.0)
        if start == 0 and low >= _LATE and low > high / 2:
            warnings.warn(
                f"{name}: there is no event before {low:g} ms, so the first steps are empty; give "
                f"start={low:g} if this is where the recording begins",
                UserWarning,
                stacklevel=3,
            )
        return times

    def binned(
        self, n_steps: int, duration: float | None = None, *, start: float = 0.0
    ) -> "Events":
        """Bin times in ms into steps of ``duration / n_steps``; merge a unit's events in one step.

        An event exactly on an edge, ``start + k duration / n_steps``, belongs to the later step,
        which is step k. Each edge is rounded to the precision of the times before the comparison.

        Args:
            n_steps: T.
            duration: total time covered by the steps, ms; later events are dropped. None: each
                sample has its own duration, chosen so that its last event falls in the last step.
            start: where the first step begins, ms; earlier events are dropped.

        Raises:
            ValueError: for times that are already steps, or are not in ms.

        Warns:
            UserWarning: if the times seem to start late, which would leave the first steps empty.

        Example:
            >>> times, units = torch.tensor([10.0, 30.0]), torch.tensor([0, 0]).int()
            >>> Events(times, units, torch.tensor([0, 2]), (1,)).binned(10, 100.0).times.tolist()
            [1, 3]
        """
        n_steps = check_integer("Events.binned: n_steps", n_steps, at_least=1)
        if duration is not None:
            duration = check_number("Events.binned: duration", duration, "ms", above=0)
        times = self._in_ms("binned", start)
        sample = self.samples()
        if duration is None:
            last = times.new_zeros(len(self)).scatter_reduce_(0, sample, times, "amax")
            span = torch.where(last > 0, last, 1.0)[sample]
        else:
            span = torch.tensor(float(duration), dtype=torch.float64)

        def edge(k: Tensor) -> Tensor:
            return (float(start) + k * span / n_steps).to(self.times.dtype)

        step = (
            times * n_steps / span
        ).floor()  # at an edge, rounding may put the event on the wrong side
        step = step + (self.times >= edge(step + 1)).double() - (self.times < edge(step)).double()
        if duration is None:
            step = torch.where(times == span, n_steps - 1, step)
        step = step.long()
        keep = (step >= 0) & (step < n_steps)
        key = (sample * n_steps + step) * self.n_units + self.units
        key = torch.unique(key[keep])  # sorted by sample, then step, then unit
        step, unit = key // self.n_units % n_steps, key % self.n_units
        counts = torch.bincount(key // (self.n_units * n_steps), minlength=len(self))
        offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
        return Events(step.int(), unit.int(), offsets, self.shape, n_steps)

    def on_grid(self, dt: float, n_steps: int | None = None, *, start: float = 0.0) -> "Events":
        """Round times in ms to the nearest step of `dt` ms; events in the same step stay separate.

        Args:
            dt: step of the grid, ms.
            n_steps: T; later events are dropped. None: enough steps to include the last event.
            start: the time of step 0, ms; events before step 0 are dropped.

        Raises:
            ValueError: for times that are already steps, or are not in ms.

        Warns:
            UserWarning: if the times seem to start late, which would leave the first steps empty.
        """
        dt = check_number("Events.on_grid: dt", dt, "ms", above=0)
        if n_steps is not None:
            n_steps = check_integer("Events.on_grid: n_steps", n_steps, at_least=1)
        step = torch.round(self._in_ms("on_grid", start) / dt)
        check_values("Events.on_grid: times", step, "steps", at_most=2**31 - 2, why="raise dt")
        step = step.int()
        if n_steps is None:
            n_steps = max(int(step.max()) + 1, 1) if len(step) else 1
        if not len(step) or 0 <= int(step.min()) <= int(step.max()) < n_steps:
            return Events(step, self.units, self.offsets, self.shape, n_steps)
        return self.where((step >= 0) & (step < n_steps), step, n_steps=n_steps)

    def where(
        self,
        keep: Tensor,
        times: Tensor | None = None,
        units: Tensor | None = None,
        *,
        n_steps: int | None = None,
    ) -> "Events":
        """The events of the batch for which `keep` is true.

        Args:
            keep: ``[E]`` bool.
            times, units: ``[E]``, new values for all events; only the values of kept events must
                be valid.
            n_steps: the new number of steps, if `times` are steps of another grid.

        Raises:
            ValueError: if a list does not have one value per event, or `keep` is not bool.
        """
        check_tensor("Events.where: keep", keep, "[n]", floating=False)
        check_values(
            "Events.where: keep", keep.to(torch.uint8) if keep.dtype == torch.bool else keep
        )
        self.check()
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
        n_steps = self.n_steps if n_steps is None else n_steps
        return Events(times[index], units[index], offsets, self.shape, n_steps)
