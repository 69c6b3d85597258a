"""A convolutional layer of spiking neurons that learns frequent patterns by STDP.

For every stimulus, a list of input spikes over T steps::

    V = max(0, V + sum_i w_i s_i - leak)       at every step, from V = 0
    a neuron whose V reaches its map's threshold fires; the earliest win (`wta.pick_winners`)
    dw = +a_plus w (1 - w)    where the input fired no later than the winner
         -a_minus w (1 - w)   where it fired later, or not at all     (`order_rule.order_stdp`)

Stimuli are presented one after another; learning from each starts with the weights that the
previous one left. All loops are compiled and event-driven, and run on the CPU
(`kernels/conv_events.py`, `kernels/conv_stdp.py`).

Source: Kheradpisheh, Ganjtabesh, Thorpe & Masquelier 2018, Neural Networks 99:56.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from jarvis.encoding.events import Events
from jarvis.networks.costs import Operations, check_input_kind, fan_out_of, synaptic_operations
from jarvis.networks.diagnosis import Diagnosis
from jarvis.stdp.order_rule import STDPConfig, STDPLearner, initial_weights
from jarvis.stdp.wta import WTAConfig, WTAMode, revive
from jarvis.support.checks import check_flag, check_integer, check_number, check_type, whole_numbers

_BUFFER = 1 << 24  #: capacity of one pass of `respond`, in output events


class Winners(NamedTuple):
    """The neurons that learned, with one row per winner, in the order in which they won."""

    sample: Tensor  #: ``[n]`` index of the stimulus in the batch
    map: Tensor  #: ``[n]`` map of the winner
    y: Tensor  #: ``[n]`` row of the winner
    x: Tensor  #: ``[n]`` column of the winner
    step: Tensor  #: ``[n]`` time step of the winner's spike


class ConvSTDP(nn.Module):
    """A convolutional layer that learns from events, without labels and without gradients.

    The layer uses "same" padding and has no bias; nothing outside the border ever fires. Everything
    that learning changes is stored in buffers, and therefore in `state_dict`.

    Args:
        in_channels: channels of the input.
        out_channels: maps.
        kernel_size: side of a neuron's square receptive field.
        threshold: potential at which a neuron fires; None: ``wta.theta_rest``.
        leak: amount subtracted from the potential at every step.
        stdp: learning rates, bounds, initial weights, stopping rules.
        wta: the competition, homeostasis and revival.
        double_every: a_plus and a_minus double each time this many stimuli were seen; 0: never.
        a_plus_max: limit up to which a_plus doubles; a_minus keeps its ratio to a_plus.
        generator: draws the initial weights; None for torch's default generator.

    Attributes:
        weight: ``[out_channels, in_channels, k, k]``.
        thresholds: ``[out_channels]``, raised by wins if homeostasis is enabled.
        wins: ``[out_channels]``, number of wins of each map so far.
        n_seen: number of stimuli from which the layer has learned.

    Raises:
        ValueError: for sizes below 1, or a threshold that is not positive.

    Example:
        >>> layer = ConvSTDP(1, 4, 5, threshold=8.0, generator=torch.Generator().manual_seed(0))
        >>> events = Events.from_dense((torch.rand(10, 3, 1, 16, 16) < 0.1).float())
        >>> winners = layer.learn(events)
        >>> layer.respond(events, pool=2).shape
        (4, 8, 8)
    """

    weight: Tensor
    thresholds: Tensor
    wins: Tensor
    recent: Tensor
    n_seen: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        threshold: float | None = None,
        leak: float = 0.0,
        stdp: STDPConfig | None = None,
        wta: WTAConfig | None = None,
        *,
        double_every: int = 0,
        a_plus_max: float = 0.15,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.in_channels = check_integer("ConvSTDP: in_channels", in_channels, at_least=1)
        self.out_channels = check_integer("ConvSTDP: out_channels", out_channels, at_least=1)
        self.kernel_size = check_integer("ConvSTDP: kernel_size", kernel_size, at_least=1)
        self.stdp = STDPConfig() if stdp is None else stdp
        self.wta = WTAConfig() if wta is None else wta
        theta = self.wta.theta_rest if threshold is None else threshold
        self.threshold = check_number("ConvSTDP: threshold", theta, above=0, finite=False)
        if self.wta.enable_homeostasis and self.threshold > self.wta.theta_max:
            raise ValueError(
                f"ConvSTDP: threshold={self.threshold:g} must be at most wta.theta_max="
                f"{self.wta.theta_max:g}: otherwise a win could only lower it"
            )
        self.leak = check_number("ConvSTDP: leak", leak, at_least=0)
        self.double_every = check_integer("ConvSTDP: double_every", double_every, at_least=0)
        self.a_plus_max = a_plus_max
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.register_buffer("weight", initial_weights(shape, self.stdp, generator))
        self.register_buffer("thresholds", torch.full((out_channels,), self.threshold))
        self.register_buffer("wins", torch.zeros(out_channels, dtype=torch.int64))
        self.register_buffer("recent", torch.zeros(out_channels, dtype=torch.int64))
        self.register_buffer("n_seen", torch.zeros((), dtype=torch.int64))

    # The next two methods convert weights to and from the loops' layout: flipped, maps last.

    def _packed(self) -> np.ndarray:
        return self.weight.flip(2, 3).permute(1, 2, 3, 0).contiguous().view(-1).numpy()

    def _unpack(self, packed: np.ndarray) -> None:
        k = self.kernel_size
        weight = torch.from_numpy(packed).view(self.in_channels, k, k, self.out_channels)
        self.weight.copy_(weight.permute(3, 0, 1, 2).flip(2, 3))

    def _arrays(self, events: Events) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        check_type("ConvSTDP: events", events, Events)
        if len(events.shape) != 3 or events.shape[0] != self.in_channels:
            raise ValueError(
                f"ConvSTDP: events must have units ({self.in_channels}, height, width); "
                f"got {events.shape}"
            )
        if events.n_steps is None:
            raise ValueError("ConvSTDP: event times are in ms; bin them first: events.binned(T)")
        if self.weight.device.type != "cpu":
            raise ValueError(
                f"ConvSTDP learns on the CPU, but the layer is on {self.weight.device}"
            )
        events.check()  # the loops use these lists as unchecked indices
        k, kind = self.kernel_size, self.weight.dtype
        for name, shape in (
            ("weight", (self.out_channels, self.in_channels, k, k)),
            ("thresholds", (self.out_channels,)),
        ):
            found = getattr(self, name)
            if found.shape != shape or found.dtype != kind:
                raise ValueError(
                    f"ConvSTDP: {name} must be {list(shape)}, {kind}; it is {list(found.shape)}, "
                    f"{found.dtype}"
                )
        return tuple(  # type: ignore[return-value]
            part.contiguous().numpy()
            for part in (events.times.int(), events.units.int(), events.offsets.long())
        )

    def _numpy(self, *numbers: float) -> np.ndarray:
        return torch.tensor(numbers, dtype=self.weight.dtype).numpy()

    def rates(self, n_seen: int) -> tuple[float, float]:
        """a_plus and a_minus for stimulus number `n_seen`."""
        a_plus = self.stdp.a_plus
        if self.double_every:
            doubled = a_plus * 2.0 ** min(n_seen // self.double_every, 60)
            a_plus = max(a_plus, min(doubled, self.a_plus_max))
        return a_plus, self.stdp.a_minus * (a_plus / self.stdp.a_plus if self.stdp.a_plus else 1)

    def learn(
        self,
        events: Events,
        order: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Winners:
        """Learn from stimuli one after another; updates `weight`, `thresholds` and `wins`.

        Args:
            events: the stimuli, with units ``(in_channels, height, width)``.
            order: indices of the stimuli in order of presentation, ``[n]``; None: all, in sequence.
            generator: draws the noise that revives dead maps; None for torch's default generator.

        Returns:
            the winners; `sample` is the position of the stimulus in the order of presentation.

        Raises:
            ValueError: for events with other units or with times in ms.
        """
        from jarvis.kernels import conv_stdp  # numba: imported only when needed

        times, units, offsets = self._arrays(events)
        _, height, width = events.shape
        indices = self._indices(order, len(events))
        wta, stdp = self.wta, self.stdp
        quota = self.out_channels  # one winner per map, unless only locations are inhibited
        if wta.mode is WTAMode.LOCAL:
            apart = wta.local_radius + 1  # the smallest distance between two winners
            quota = -(-height // apart) * -(-width // apart)
        quota = quota if wta.n_winners is None else min(quota, wta.n_winners)
        sizes = (height, width, self.kernel_size, self.out_channels, self.in_channels)
        mode = getattr(conv_stdp, wta.mode.name)
        sizes = np.array([*sizes, mode, wta.local_radius, quota, self._clamps()], np.int64)
        loop = conv_stdp.learn(self.weight.dtype)
        rise = wta.theta_plus if wta.enable_homeostasis else -1.0  # below 0: fixed thresholds
        packed, thresholds = self._packed(), self.thresholds.numpy()
        found, done = [], 0
        try:
            while done < len(indices):
                # A chunk ends where the rates double or where dead maps are counted.
                n_seen = int(self.n_seen)
                n = min([len(indices) - done, *(e - n_seen % e for e in self._rhythm())])
                part = indices[done : done + n].contiguous()
                a_plus, a_minus = self.rates(n_seen)
                soft = stdp.bounds == "soft"
                values = (self.leak, a_plus, a_minus, stdp.w_min, stdp.w_max, soft)
                homeostasis = (self.threshold, rise, math.exp(-1 / wta.tau_theta), wta.theta_max)
                winners = np.empty((n, quota, 4), np.int32)
                counts = np.empty(n, np.int64)
                loop(
                    *(times, units, offsets, part.numpy(), packed, thresholds, winners, counts),
                    *(sizes, self._numpy(*values, *homeostasis)),
                )
                taken = np.arange(quota) < counts[:, None]
                sample = torch.from_numpy(np.repeat(np.arange(n), counts)) + done
                rows = torch.from_numpy(winners[taken]).long()
                found.append(torch.cat([sample[:, None], rows], 1))
                won = torch.bincount(rows[:, 0], minlength=self.out_channels)
                self.wins += won
                self.recent += won
                self.n_seen += n
                done += n
                if wta.enable_homeostasis and int(self.n_seen) % wta.dead_after == 0:
                    packed = self._revived(packed, generator)
        finally:  # so that an interruption leaves weights and counters consistent
            self._unpack(packed)
        table = torch.cat(found) if found else torch.zeros((0, 5), dtype=torch.int64)
        return Winners(*table.unbind(1))

    def _rhythm(self) -> list[int]:
        every = [self.double_every] if self.double_every else []
        return [*every, self.wta.dead_after] if self.wta.enable_homeostasis else every

    def _revived(self, packed: np.ndarray, generator: torch.Generator | None) -> np.ndarray:
        """The weights, with noise added to those of maps that rarely won since the last count."""
        dead = self.recent < self.wta.dead_share * self.wta.dead_after
        self.recent.zero_()
        if not dead.any():
            return packed
        self._unpack(packed)
        revive(self.weight, dead, self.wta, generator, (self.stdp.w_min, self.stdp.w_max))
        return self._packed()

    def respond(
        self, events: Events, *, pool: int = 1, once: bool = True, inhibit: bool = False
    ) -> Events:
        """The max-pooled output spikes of the layer: a pool fires when its first neuron fires.

        Args:
            events: input spikes.
            pool: side of the pooling window, which is also its stride.
            once: whether a neuron (and a pool) fires at most once per stimulus.
            inhibit: whether only the first map to reach its threshold fires at each location; if
                several reach it in the same step, the one with the highest potential fires.

        Returns:
            events with units ``(out_channels, height // pool, width // pool)``.

        Raises:
            ValueError: for events with other units or with times in ms, or a pool below 1 or larger
                than the image.
        """
        pool = check_integer("ConvSTDP: pool", pool, at_least=1)
        for name, flag in (("once", once), ("inhibit", inhibit)):
            check_flag(f"ConvSTDP: {name}", flag)
        times, units, offsets = self._arrays(events)
        _, height, width = events.shape
        shape = (self.out_channels, height // pool, width // pool)
        if 0 in shape:
            raise ValueError(f"ConvSTDP: pool={pool} leaves nothing of {height}x{width}")
        assert events.n_steps is not None
        most = int(events.counts.max()) if len(events) else 0  # an event reaches k * k locations
        room = math.prod(shape) * (1 if once else events.n_steps)
        room = min(room, most * self.kernel_size**2 * self.out_channels)
        chunk = max(1, _BUFFER // max(1, room))
        sizes = (height, width, self.kernel_size, self.out_channels, pool, once, inhibit)
        sizes = np.array([*sizes, self._clamps()], np.int64)
        packed, thresholds = self._packed(), self.thresholds.numpy()
        from jarvis.kernels import conv_events
        from jarvis.kernels.cpu import over_lanes

        loop = conv_events.respond(self.weight.dtype)
        parts = []
        for first in range(0, len(events), chunk):
            bounds = np.ascontiguousarray(offsets[first : first + chunk + 1])
            n = len(bounds) - 1
            out_times, out_units = (np.empty((n, room), np.int32) for _ in range(2))
            counts = np.zeros(n, np.int64)
            arguments = (out_times, out_units, counts, sizes, self.leak)

            def share(low: int, high: int, bounds=bounds, arguments=arguments) -> None:
                loop(times, units, bounds, packed, thresholds, *arguments, low, high)

            over_lanes(share, n, self._work(int(bounds[-1] - bounds[0]) // n), 1)
            kept = np.arange(room) < counts[:, None]
            ends = torch.from_numpy(np.concatenate([[0], counts.cumsum()]))
            sent_times, sent_units = (torch.from_numpy(out[kept]) for out in (out_times, out_units))
            parts.append(Events(sent_times, sent_units, ends, shape, events.n_steps))
        if not parts:
            none = torch.zeros(0, dtype=torch.int32)
            return Events(none, none, torch.zeros(1, dtype=torch.int64), shape, events.n_steps)
        return Events.concatenate(parts)

    def _indices(self, order: Tensor | None, n: int) -> Tensor:
        """The indices of the stimuli to present, in this order, out of n stimuli."""
        if order is None:
            return torch.arange(n)
        why = f"it indexes the {n} stimuli"
        name = f"{type(self).__name__}: order"
        return whole_numbers(name, order, at_least=0, below=n, why=why).cpu()

    def _clamps(self) -> bool:
        """Whether a potential can become negative, so that it has to be clamped at 0."""
        return self.leak > 0 or self.stdp.w_min < 0 or bool((self.weight < 0).any())

    def _work(self, n_events: int) -> int:
        return (1 + n_events) * self.kernel_size**2 * self.out_channels // 16

    def potentials(self, events: Events) -> Tensor:
        """``[B, out_channels, height, width]``: final potentials as if no neuron ever fired."""
        times, units, offsets = self._arrays(events)
        _, height, width = events.shape
        out = torch.empty(len(events), self.out_channels, height * width, dtype=self.weight.dtype)
        sizes = (height, width, self.kernel_size, self.out_channels, events.n_steps)
        sizes = np.array([*sizes, self._clamps()], np.int64)
        packed, array = self._packed(), out.numpy()
        from jarvis.kernels import conv_events
        from jarvis.kernels.cpu import over_lanes

        loop = conv_events.potentials(self.weight.dtype)

        def share(low: int, high: int) -> None:
            loop(times, units, offsets, packed, array, sizes, self.leak, low, high)

        if len(events):
            over_lanes(share, len(events), self._work(len(times) // len(events)), 1)
        return out.unflatten(2, (height, width))

    def fan_out(self, shape: Sequence[int] | None) -> Tensor:
        """Number of outgoing synapses of each input unit, ``[C, H, W]`` int64; fewer at the border.

        Raises:
            ValueError: if `shape` is None or not (C, H, W).
        """
        if shape is None or len(shape) != 3:
            raise ValueError(f"fan_out: a convolution needs shape=(C, H, W), not {shape}")
        before = self.kernel_size // 2  # rows of the receptive field above its neuron
        after = self.kernel_size - 1 - before

        def convolve(x: Tensor, weight: Tensor) -> Tensor:
            return F.conv2d(F.pad(x, (before, after, before, after)), weight)

        return fan_out_of(convolve, self.weight, shape)

    def operations(self, events: Events) -> dict[str, Operations]:
        """Operations of the layer for each sample; see `count_operations`.

        Without a leak, the potential does not change between input spikes, so it needs no updates.
        """
        check_input_kind(self, events, Events)
        assert events.n_steps is not None
        fired, n = self.respond(events), len(events)
        steps = events.n_steps if self.leak else 0
        updates = torch.full_like(events.counts, steps * fired.n_units)
        additions = synaptic_operations(events, self)
        done = Operations.none(n, spikes=fired.counts, additions=additions, updates=updates)
        return {"input": Operations.none(n, spikes=events.counts), "": done}

    def diagnose(self, events: Events) -> Diagnosis:
        """Which maps win, which are dead, and whether potentials reach the thresholds.

        Args:
            events: stimuli like those that the layer learned from; `wins` and `n_seen` are used as
                well.

        Raises:
            ValueError: if there are no stimuli, or the input is not `Events`.

        Example:
            >>> events = Events.from_dense(torch.ones(1, 2, 1, 8, 8))
            >>> found = ConvSTDP(1, 4, 5, threshold=50.0).diagnose(events)
            >>> found.measures["maps that never fire"], found.problems[0][:22]
            (4, 'maps: none ever fires:')
        """
        if not isinstance(events, Events):
            raise ValueError(f"diagnose: a ConvSTDP needs Events, not {type(events).__name__}")
        if not len(events):
            raise ValueError("diagnose: there are no stimuli")
        highest = self.potentials(events).amax(dim=(0, 2, 3))  # of each map, as if it never fired
        sent = self.respond(events)
        _, height, width = events.shape
        n_maps, n_seen = self.out_channels, int(self.n_seen)
        spikes = torch.bincount(sent.units.long() // (height * width), minlength=n_maps)
        silent = int((spikes == 0).sum())
        dead = int((self.wins < self.wta.dead_share * n_seen).sum())
        best, share = int(self.wins.argmax()), self.wins.max().item() / max(1, int(self.wins.sum()))
        low, high, limit = highest.min().item(), highest.max().item(), self.thresholds.max().item()
        measures = {
            "maps": n_maps,
            "maps that never fire": silent,
            "dead maps": dead,
            "share of all wins, best map": share,
            "highest potential, weakest map": low,
            "highest potential, strongest map": high,
            "highest threshold": limit,
            "C_l": STDPLearner(self.stdp).convergence(self.weight),
        }
        problems = []
        if silent == n_maps:
            problems.append(
                f"maps: none ever fires: the highest potential is {high:.3g}, the highest "
                f"threshold {limit:.3g}: lower the threshold (theta_rest, theta_plus, theta_max)"
            )
        elif dead:
            cure = "raise theta_plus" if self.wta.enable_homeostasis else "turn homeostasis on"
            problems.append(
                f"maps: {dead} of {n_maps} are dead (each won fewer than {self.wta.dead_share:g} "
                f"times per stimulus, over {n_seen} of them), while map {best} has {share:.0%} of "
                f"all wins. Thresholds are up to {limit:.3g}; the potential of the weakest map "
                f"reaches {low:.3g}, of the strongest {high:.3g}: lower the threshold, or {cure}"
            )
        return Diagnosis(problems=problems, measures=measures)

    def extra_repr(self) -> str:
        return (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"threshold={self.threshold:g}, leak={self.leak:g}"
        )
