"""Reward-modulated STDP: a layer makes a decision and learns from whether it was right or wrong.

Every class has the same number of maps. No neuron fires before the end of the stimulus; then the
neuron with the highest potential chooses the class of its map, and only this neuron's synapses
learn::

    right:  dw = +a_plus  where the input fired,  -a_minus where it was silent
    wrong:  dw = -b_minus where the input fired,  +b_plus  where it was silent

With soft bounds, each change is multiplied by ``(w - w_min) (w_max - w)``. Then w is clamped to its
bounds.

Source: Mozafari, Ganjtabesh, Nowzari-Dalini, Thorpe & Masquelier 2019, Pattern Recognition 94:87;
the additive form within [0.2, 0.8] is taken from the SpykeTorch example.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from jarvis.encoding.events import Events
from jarvis.stdp.conv import ConvSTDP
from jarvis.stdp.order_rule import STDPConfig
from jarvis.support.checks import check_integer, check_number, check_tensor, whole_numbers


class RewardRates(NamedTuple):
    """Step sizes, all positive: a for reward, b for punishment; plus raises w, minus lowers it."""

    a_plus: float = 0.004
    a_minus: float = 0.003
    b_minus: float = 0.004
    b_plus: float = 0.0005


class RewardSTDP(ConvSTDP):
    """A convolutional layer whose neuron with the highest potential decides the class.

    Args:
        in_channels: channels of the input.
        n_classes: number of classes.
        maps_per_class: number of maps for each class; map m belongs to class ``m //
            maps_per_class``.
        kernel_size: side of a neuron's square receptive field.
        rates: step sizes of reward and punishment.
        dropout: share of the maps that are inactive, drawn anew for each stimulus during learning.
        adapt_every: number of stimuli after which the rates are scaled by the share of errors; 0:
            never. A layer that is mostly right has little to learn from being right: reward is
            scaled by ``least + span * errors`` and punishment by ``least + span * (1 - errors)``.
        least: smallest factor by which a rate is scaled.
        span: largest minus smallest factor by which a rate is scaled.
        stdp: form of the rule, bounds and initial weights (its rates are not used); None: additive
            within [0.2, 0.8].
        generator: draws the initial weights.

    Raises:
        ValueError: for sizes below 1 or a dropout outside [0, 1).

    Example:
        >>> layer = RewardSTDP(1, n_classes=2, maps_per_class=3, kernel_size=3)
        >>> events = Events.from_dense((torch.rand(10, 4, 1, 6, 6) < 0.2).float())
        >>> decisions = layer.learn_rewarded(events, torch.tensor([0, 1, 0, 1]))
        >>> layer.decide(events).shape
        torch.Size([4])
    """

    error_rate: Tensor
    errors: Tensor

    def __init__(
        self,
        in_channels: int,
        n_classes: int,
        maps_per_class: int,
        kernel_size: int,
        rates: RewardRates | None = None,
        *,
        dropout: float = 0.5,
        adapt_every: int = 1000,
        least: float = 0.0,
        span: float = 1.0,
        stdp: STDPConfig | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        n_classes = check_integer("RewardSTDP: n_classes", n_classes, at_least=1)
        maps_per_class = check_integer("RewardSTDP: maps_per_class", maps_per_class, at_least=1)
        check_number("RewardSTDP: dropout", dropout, at_least=0, below=1)
        check_integer("RewardSTDP: adapt_every", adapt_every, at_least=0)
        config = STDPConfig(bounds="hard", w_min=0.2, w_max=0.8) if stdp is None else stdp
        check_number("RewardSTDP: stdp.w_min", config.w_min, at_least=0)
        maps = n_classes * maps_per_class
        super().__init__(
            in_channels, maps, kernel_size, threshold=1.0, stdp=config, generator=generator
        )
        self.reward_rates = RewardRates() if rates is None else rates
        for name, size in self.reward_rates._asdict().items():
            check_number(f"RewardSTDP: rates.{name}", size, at_least=0, why="it is a size")
        self.n_classes, self.maps_per_class = n_classes, maps_per_class
        self.dropout, self.adapt_every = dropout, adapt_every
        self.least, self.span = least, span
        self.register_buffer("error_rate", torch.tensor(1.0 - 1.0 / n_classes))
        self.register_buffer("errors", torch.zeros((), dtype=torch.int64))  # since the last update

    def scaled_rates(self) -> RewardRates:
        """The step sizes for the next stimuli, scaled by the share of errors in the last ones."""
        if not self.adapt_every:
            return self.reward_rates
        wrong = float(self.error_rate)
        reward = self.least + self.span * wrong
        punishment = self.least + self.span * (1.0 - wrong)
        a_plus, a_minus, b_minus, b_plus = self.reward_rates
        return RewardRates(
            a_plus * reward, a_minus * reward, b_minus * punishment, b_plus * punishment
        )

    def learn_rewarded(
        self,
        events: Events,
        labels: Tensor,
        order: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Decide and learn, one stimulus after another.

        Args:
            events: the stimuli, with units ``(in_channels, height, width)``.
            labels: the correct classes ``[B]``.
            order: indices of the stimuli in order of presentation, ``[n]``; None: all, in sequence.
            generator: draws the dropout; None for torch's default generator.

        Returns:
            the decisions ``[n]``, each made before learning from its stimulus; -1 if no neuron was
            excited.

        Raises:
            ValueError: for events with other units or in ms, or labels that do not match.
        """
        times, units, offsets = self._arrays(events)
        _, height, width = events.shape
        check_tensor("RewardSTDP: labels", labels, f"[stimuli={len(events)}]", floating=False)
        labels = whole_numbers("RewardSTDP: labels", labels, at_least=0, below=self.n_classes)
        indices = self._indices(order, len(events))
        sizes = (height, width, self.kernel_size, self.out_channels, self.in_channels)
        sizes = np.array([*sizes, self.maps_per_class], np.int64)
        from jarvis.kernels import conv_stdp

        loop = conv_stdp.reward(self.weight.dtype)
        bounds = (self.stdp.w_min, self.stdp.w_max, self.stdp.bounds == "soft")
        packed, decided = self._packed(), np.empty(len(indices), np.int64)
        done = 0
        try:
            while done < len(indices):
                n_seen, every = int(self.n_seen), self.adapt_every or 1000
                n = min(len(indices) - done, every - n_seen % every)
                part = indices[done : done + n].contiguous()
                wanted = labels.cpu().long()[part].contiguous()
                draws = torch.rand((n, self.out_channels), generator=generator)
                active = (draws >= self.dropout).numpy()
                out = decided[done : done + n]
                loop(
                    *(
                        times,
                        units,
                        offsets,
                        part.numpy(),
                        packed,
                        wanted.numpy(),
                        active,
                        out,
                        sizes,
                    ),
                    self._numpy(*self.scaled_rates(), *bounds),
                )
                self.n_seen += n
                self.errors += (torch.from_numpy(out) != wanted).sum()
                if int(self.n_seen) % every == 0:
                    self.error_rate.copy_(self.errors / every)
                    self.errors.zero_()
                done += n
        finally:
            self._unpack(packed)
        return torch.from_numpy(decided)

    def decide(self, events: Events) -> Tensor:
        """The class of the neuron with the highest potential, ``[B]``; -1 if all are silent."""
        decisions = []
        for first in range(0, len(events), 500):
            v = self.potentials(events[first : first + 500]).flatten(2).amax(2)
            best = v.amax(1, keepdim=True)
            m = (v == best).int().argmax(1)  # the lowest map in a tie
            decisions.append(torch.where(best[:, 0] > 0, m // self.maps_per_class, -1))
        return torch.cat(decisions) if decisions else torch.zeros(0, dtype=torch.int64)
