"""Random augmentation of event lists, so that a network never receives the same word twice."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from jarvis.encoding.events import Events
from jarvis.support.checks import check_integer, check_number


def _uniform(n: int, low: float, high: float, generator: torch.Generator | None) -> Tensor:
    return low + (high - low) * torch.rand(n, generator=generator)


def _normal(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(len(like), generator=generator)


def _outside(
    values: Tensor, longest: float, ends: Tensor, counts: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Whether each value is outside its sample's random interval within [0, end]."""
    n = len(ends)
    span = _uniform(n, 0.0, longest, generator).minimum(ends)
    start = _uniform(n, 0.0, 1.0, generator) * (ends - span)
    start, stop = (x.repeat_interleave(counts) for x in (start, start + span))
    return (values < start) | (values >= stop)


def _in_order(times: Tensor, units: Tensor, offsets: Tensor) -> tuple[Tensor, Tensor]:
    """The events of each sample, sorted by time."""
    order = np.empty(len(times), np.int64)
    for low, high in pairwise(offsets.tolist()):
        order[low:high] = low + np.argsort(times[low:high].numpy())
    index = torch.from_numpy(order)
    return times[index], units[index]


_HOUR = 3.6e6  #: ms: more than any shift of a word in time

_CHANNELS = 1_000_000  #: more than any shift of a channel


@dataclass(frozen=True)
class Augmentation:
    """Random changes of event lists in ms, drawn independently for each sample and call.

    Args:
        channels: all channels of a sample are shifted by the same integer, uniform in
            ``[-channels, channels]``; events that leave the range are lost. A typical value for
            SHD's 700 channels is 40.
        delay: all times of a sample are delayed by the same amount, uniform in ``[0, delay]`` ms.
        stretch: all times of a sample are multiplied by the same factor, uniform in
            ``[1 - stretch, 1 + stretch]``; `stretch` must be in [0, 1).
        channel_jitter: each event is shifted by its own number of channels, rounded from
            ``N(0, channel_jitter^2)``; events that leave the range are lost.
        time_jitter: each event is shifted in time by ``N(0, time_jitter^2)`` ms, but never below 0.
        channel_mask: a band of neighbouring channels is removed, at a random position; its width is
            uniform in ``[0, channel_mask]``.
        time_mask: all events in a time interval are removed; its length is uniform in
            ``[0, time_mask]`` ms, and its position is uniform within the sample.
        drop: each event is lost with a probability that is drawn for each sample, uniform in
            ``[0, drop]``; `drop` must be in [0, 1).
        blend: probability, in [0, 1], that a sample is mixed with another sample of its class (see
            `blended`). This happens in `SpokenDigits.batch`, where the classes are known.
        warp: the distances of all channels of a sample from the middle channel are multiplied by
            the same factor, uniform in ``[1 - warp, 1 + warp]``, and rounded; `warp` must be in
            [0, 1). On a logarithmic frequency scale, this corresponds to a voice with a wider or
            narrower frequency range. Events that leave the range of channels are lost.

    Raises:
        ValueError: for a value out of range.

    Source: shifts and blends are from Nowotny, Turner & Knight 2022, arXiv:2212.01232; masks from
    Park et al. 2019, Interspeech (SpecAugment); warps from Jaitly & Hinton 2013, ICML workshop
    (vocal tract length perturbation).

    Example:
        >>> word = Events(torch.tensor([10.0, 20.0]), torch.tensor([3, 4]).int(),
        ...               torch.tensor([0, 2]), shape=(700,))
        >>> moved = Augmentation(channels=2)(word, torch.Generator().manual_seed(0))
        >>> moved.units.diff().tolist(), moved.times.tolist()
        ([1], [10.0, 20.0])
    """

    channels: int = 0
    delay: float = 0.0
    stretch: float = 0.0
    drop: float = 0.0
    blend: float = 0.0
    channel_jitter: float = 0.0
    time_jitter: float = 0.0
    channel_mask: float = 0.0
    time_mask: float = 0.0
    warp: float = 0.0

    def __post_init__(self) -> None:
        check_integer("channels", self.channels, at_least=0, at_most=_CHANNELS)
        for name in ("channel_jitter", "channel_mask"):
            check_number(name, getattr(self, name), "channels", at_least=0, at_most=_CHANNELS)
        for name in ("delay", "time_jitter", "time_mask"):
            check_number(name, getattr(self, name), "ms", at_least=0, at_most=_HOUR)
        for name in ("stretch", "drop", "warp"):
            check_number(name, getattr(self, name), at_least=0, below=1)
        check_number("blend", self.blend, at_least=0, at_most=1)

    def __bool__(self) -> bool:
        return self != Augmentation()

    def __call__(self, events: Events, generator: torch.Generator | None = None) -> Events:
        """Apply all changes except `blend` to the samples of a batch.

        Raises:
            ValueError: for events in steps, or for units with more than one axis.
        """
        if events.n_steps is not None:
            raise ValueError("Augmentation: augment events in ms, then bin them: .on_grid(dt)")
        if len(events.shape) != 1:
            raise ValueError(f"Augmentation: units {events.shape} must be channels along one axis")
        n, counts = len(events), events.counts
        times, units = events.times, events.units
        keep = torch.ones(len(times), dtype=torch.bool)
        # Every enabled kind of change always draws its random numbers, so that its outcome does
        # not affect the draws of other kinds.
        if self.stretch:
            factor = _uniform(n, 1 - self.stretch, 1 + self.stretch, generator)
            times = times * factor.repeat_interleave(counts)
        if self.delay:
            later = _uniform(n, 0.0, self.delay, generator)
            times = times + later.repeat_interleave(counts)
        if self.warp:
            factor = _uniform(n, 1 - self.warp, 1 + self.warp, generator)
            middle = events.n_units / 2
            units = (middle + (units - middle) * factor.repeat_interleave(counts)).round().int()
        if self.channels:
            by = torch.randint(-self.channels, self.channels + 1, (n,), generator=generator).int()
            units = units + by.repeat_interleave(counts)
        if self.channel_jitter:
            units = units + (self.channel_jitter * _normal(units, generator)).round().int()
        if self.time_jitter:
            times = (times + self.time_jitter * _normal(times, generator)).clamp_min_(0.0)
            times, units = _in_order(times, units, events.offsets)
        if self.channels or self.channel_jitter or self.warp:
            keep &= (units >= 0) & (units < events.n_units)
        if self.channel_mask:
            ends = torch.full((n,), float(events.n_units))
            keep &= _outside(units, self.channel_mask, ends, counts, generator)
        if self.time_mask:
            ends = torch.zeros(n).scatter_reduce_(0, events.samples(), times, "amax")
            keep &= _outside(times, self.time_mask, ends, counts, generator)
        if self.drop:
            chance = _uniform(n, 0.0, self.drop, generator).repeat_interleave(counts)
            keep &= torch.rand(len(times), generator=generator) >= chance
        return events.where(keep, times, units)


def _centres(events: Events, values: Tensor) -> Tensor:
    """``[B]``: mean value of the events of each sample; 0 for a sample without events."""
    sums = torch.zeros(len(events), dtype=torch.float64)
    sums.index_add_(0, events.samples(), values.double())
    return sums / events.counts.clamp_min(1)


def blended(
    events: Events, others: Events, chosen: Tensor, generator: torch.Generator | None = None
) -> Events:
    """Mix each chosen sample with its counterpart in `others`, keeping half the events of each.

    The counterpart is first shifted as a whole in time and channel, so that its mean time and mean
    channel match those of the sample. Each event of either sample is then kept with probability
    1/2.

    Args:
        events, others: batches of B samples in ms, of equal shape.
        chosen: ``[B]`` bool, the samples to mix; the other samples are left unchanged.
        generator: source of randomness.

    Source: Nowotny, Turner & Knight 2022, arXiv:2212.01232.
    """
    if len(events) != len(others) or len(chosen) != len(events):
        raise ValueError(
            f"blended: {len(events)} samples, {len(others)} others and {len(chosen)} choices"
        )
    own, mate = events.samples(), others.samples()
    coins = torch.rand(len(own) + len(mate), generator=generator) < 0.5
    later = (_centres(events, events.times) - _centres(others, others.times)).float()
    higher = (_centres(events, events.units) - _centres(others, others.units)).round().int()
    times = torch.cat([events.times, others.times + later[mate]])
    units = torch.cat([events.units, others.units + higher[mate]])
    sample = torch.cat([own, mate])
    from_others = torch.arange(len(sample)) >= len(own)
    keep = torch.where(chosen[sample], coins, ~from_others)
    keep &= (times >= 0) & (units >= 0) & (units < events.n_units)
    times, units, sample = times[keep], units[keep], sample[keep]
    # Two sorted lists: numpy's stable sort merges them in one pass.
    key = sample.double() * (1.0 + times.max().item() if len(times) else 1.0) + times
    order = torch.from_numpy(np.argsort(key.numpy(), kind="stable"))
    counts = torch.bincount(sample, minlength=len(events))
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Events(times[order], units[order], offsets, events.shape)
