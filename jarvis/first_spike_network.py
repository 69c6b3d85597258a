"""A feed-forward network that is read out by the first spike, with the code and loss that fit it.

Encoder, scores and loss belong together: a value becomes the time of one spike, the class whose
output spikes first wins, and so a score is minus a time. What an output that stays silent is worth
is decided here too: it comes after every spike, the later the further it stayed from its threshold.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from jarvis.delays import make_delays
from jarvis.first_spike import FirstSpikeLayer, FirstSpikeParams, FirstSpikes

__all__ = ["FirstSpikeNetwork", "first_spike_loss", "first_spike_scores", "spike_time_encode"]


def spike_time_encode(
    values: Tensor, *, first: float = 0.1, window: float = 4.0, bias: float | None = None
) -> Tensor:
    """Values -> one spike each: ``t = first + window * value``, so that small values come first.

    Args:
        values: ``[B, n]`` in [0, 1].
        first: time of a value of 0, ms.
        window: how much later a value of 1 is, ms.
        bias: time of one further input's spike, in ms, the same for all samples; None: no such
            input.

    Returns:
        times ``[B, n]`` in ms, or ``[B, n + 1]`` with `bias`.

    Raises:
        ValueError: for values outside [0, 1] or not [B, n], a window that is not positive, or a
            negative `first`.

    Source: the constants are those of Landsmeer et al. 2025, arXiv:2512.10011.

    Example:
        >>> spike_time_encode(torch.tensor([[0.0, 0.5, 1.0]]), bias=0.1)
        tensor([[0.1000, 2.1000, 4.1000, 0.1000]])
    """
    if values.dim() != 2:
        raise ValueError(f"values {tuple(values.shape)} must be [B, n]")
    if not (values >= 0).all() or not (values <= 1).all():
        low, high = values.min().item(), values.max().item()
        raise ValueError(f"values lie between {low:.3g} and {high:.3g}: scale them to [0, 1]")
    if not 0 < window < math.inf or not 0 <= first < math.inf:
        raise ValueError(f"first={first}, window={window}: window > 0 and first >= 0, finite, ms")
    times = first + window * values
    return times if bias is None else torch.cat([times, times.new_full((len(times), 1), bias)], 1)


def first_spike_scores(
    outputs: FirstSpikes,
    *,
    tau: float = 0.1,
    end: float = 12.0,
    late: float = 4.0,
    threshold: float = 1.0,
) -> Tensor:
    """Class scores (logits) from output spikes: ``-t/tau``, so that the earliest one wins.

    An output that is silent until `end` has the time ``end + late (1 - peak/threshold)``. So it
    comes after all that spiked, and the loss still has a gradient by which it can be woken, or
    kept from waking: that of its peak. Without this an output that falls silent is lost. Where all
    outputs are silent the highest peak wins; whoever asks for a spike has to look at the times.
    An output that spikes after `end` was at the threshold: its time is `end`, without gradient.

    Args:
        outputs: what the last layer returned.
        tau: time that is worth one nat, ms.
        end: when the trial ends, ms; a later spike counts as none.
        late: how much later than `end` an output comes that was never above rest, ms.
        threshold: of the output neurons.

    Returns:
        scores ``[B, n]``.

    Raises:
        ValueError: if `tau`, `end` or `late` is not positive.

    Example:
        >>> times, peaks = torch.tensor([[3.0, math.inf]]), torch.tensor([[1.0, 0.5]])
        >>> first_spike_scores(FirstSpikes(times, peaks), tau=1.0)
        tensor([[ -3., -14.]])
    """
    for name, value in (("tau", tau), ("end", end), ("late", late)):
        if not 0 < value < math.inf:
            raise ValueError(f"{name}={value} must be positive and finite")
    times, peaks = outputs
    silent = end + late - (late / threshold) * peaks
    return torch.where(times < end, times, silent) / -tau


def first_spike_loss(
    scores: Tensor,
    targets: Tensor,
    hidden: Sequence[FirstSpikes] = (),
    *,
    early: float = 0.0,
    wake: float = 0.0,
    threshold: float = 1.0,
) -> Tensor:
    """Cross-entropy, a price for a true class that comes late, and one for silent hidden neurons.

    ``mean(-log softmax(scores)[target] - early scores[target]) + wake mean(1 - peak/threshold)``,
    where the second mean is over each hidden layer's neurons and samples; one that spiked has its
    peak at the threshold and pays nothing. A silent neuron has no spike time to learn by, but its
    peak's gradient brings it back.

    Args:
        scores: ``[B, n]`` from `first_spike_scores`; ``-scores`` are times in units of its `tau`.
        targets: ``[B]`` class labels.
        hidden: what the hidden layers did, for `wake`.
        early, wake: weights of the two prices; 0: none.
        threshold: of the hidden neurons.

    Returns:
        the mean over samples.

    Raises:
        ValueError: for a negative weight.

    Example:
        >>> first_spike_loss(torch.tensor([[-2.0, -2.0]]), torch.tensor([1]), early=0.1)
        tensor(0.8931)
    """
    for name, value in (("early", early), ("wake", wake)):
        if not value >= 0:
            raise ValueError(f"{name}={value} must be 0 or positive")
    loss = nn.functional.cross_entropy(scores, targets)
    if early:
        loss = loss - early * scores.gather(1, targets[:, None]).mean()
    if wake:
        for layer in hidden:
            loss = loss + wake * (1.0 - layer.peaks.mean() / threshold)
    return loss


class FirstSpikeNetwork(nn.Module):
    """Layers of first-spike neurons joined by weights and delays: input times -> class scores.

    Weights start from N(drive/n_pre, (spread^2)/n_pre), where all of a neuron's inputs together
    bring a charge of `drive` on average. With the default constants a neuron whose inputs all come
    at once spikes from a drive of 1 on; at 2 most neurons do, with inputs spread over some ms.

    Args:
        sizes: neurons of each population, the input first.
        net: where delays come from, as in `make_delays`: "0" (none), "inf" (one a synapse), "3"
            (positions in three dimensions), ...
        params: the neurons' constants.
        tau: scale of the scores, ms, as `end` and `late` in `first_spike_scores`.
        end, late: as in `first_spike_scores`.
        drive: mean charge of the initial weights, one number or one a layer.
        spread: their standard deviation times sqrt(n_pre), one number or one a layer.
        longest: longest delay, ms; one that would be longer has this length.
        seed: of weights, delays and positions.
        backend: as in `first_spikes`.
        **delays: further options of `make_delays`.

    Raises:
        ValueError: for fewer than two populations, or a wrong number of drives.

    Example:
        >>> net = FirstSpikeNetwork((4, 30, 3), "3")
        >>> net(spike_time_encode(torch.rand(5, 4))).shape
        torch.Size([5, 3])
    """

    def __init__(
        self,
        sizes: Sequence[int] = (4, 30, 3),
        net: str = "0",
        params: FirstSpikeParams | None = None,
        *,
        tau: float = 0.1,
        end: float = 12.0,
        late: float = 4.0,
        drive: float | Sequence[float] = 2.0,
        spread: float | Sequence[float] = 1.0,
        longest: float = 3.5,
        seed: int = 0,
        backend: str = "auto",
        **delays: Any,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"sizes={tuple(sizes)}: an input and at least one layer of neurons")
        n_layers = len(sizes) - 1
        self.params = params or FirstSpikeParams()
        self.scale = dict(tau=tau, end=end, late=late, threshold=self.params.threshold)
        generator = torch.Generator().manual_seed(seed)
        drives, spreads = (
            [float(x)] * n_layers if isinstance(x, int | float) else list(x)
            for x in (drive, spread)
        )
        if len(drives) != n_layers or len(spreads) != n_layers:
            raise ValueError(f"drive={drive}, spread={spread}: one number, or {n_layers} of them")
        self.layers = nn.ModuleList(
            FirstSpikeLayer(
                n_pre,
                n_post,
                self.params,
                mean=drives[i] / n_pre,
                std=spreads[i] / math.sqrt(n_pre),
                backend=backend,
                generator=generator,
            )
            for i, (n_pre, n_post) in enumerate(pairwise(sizes))
        )
        connections = [(i, i + 1) for i in range(n_layers)]
        limits: dict[str, Any] = dict(longest=longest, saturate=True)
        self.delays = make_delays(net, sizes, connections, seed=generator, **(limits | delays))

    def spikes(self, times: Tensor) -> list[FirstSpikes]:
        """Input times ``[B, n_in]`` in ms -> what each layer's neurons did."""
        found = []
        for layer, delays in zip(self.layers, self.delays(), strict=True):
            found.append(layer(times, delays))
            times = found[-1].times
        return found

    def forward(self, times: Tensor, *, return_spikes: bool = False):
        """Input times ``[B, n_in]`` in ms -> class scores ``[B, n_out]``; and what layers did."""
        found = self.spikes(times)
        scores = first_spike_scores(found[-1], **self.scale)
        return (scores, found) if return_spikes else scores

    def parameter_groups(self, lr: float, delay_lr: float | None = None) -> list[dict[str, Any]]:
        """Weights, and what makes the delays, for an optimiser with a learning rate for each."""
        groups = [{"params": list(self.layers.parameters()), "lr": lr}]
        trained = [p for p in self.delays.parameters() if p.requires_grad]
        if trained:
            groups.append({"params": trained, "lr": lr if delay_lr is None else delay_lr})
        return groups

    def objective(
        self,
        model: nn.Module,
        times: Tensor,
        targets: Tensor,
        *,
        early: float = 0.0,
        wake: float = 1.0,
    ) -> tuple[Tensor, Tensor]:
        """`first_spike_loss` as what `fit` trains by; `model` is this network, wrapped or not."""
        scores, found = model(times, return_spikes=True)
        threshold = self.params.threshold
        loss = first_spike_loss(
            scores, targets, found[:-1], early=early, wake=wake, threshold=threshold
        )
        return loss, scores
