"""Spatial networks: delays from neuron positions, exact gradients, a linear read-out.

Input spikes reach a recurrent hidden layer after delays that `jarvis.spatial.delays` computes, for
example from positions. The spike counts of hidden neurons determine the class. Weights, delays and
positions are trained through `run_events`.
"""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from jarvis.encoding.events import Events
from jarvis.networks.costs import Operations, check_input_kind, per_sample, synaptic_operations
from jarvis.spatial.delays import make_delays
from jarvis.spatial.event_driven import EventLIF, EventNeuron, run_events
from jarvis.support.checks import check_integer, check_number, check_tensor


class SpatialOutput(NamedTuple):
    """The output of a `SpatialNetwork`."""

    scores: Tensor  #: ``[B, C]`` class scores, for cross-entropy
    counts: Tensor  #: ``[B, H]`` spike counts of the hidden neurons
    times: Tensor  #: ``[S]`` ms, times of the hidden spikes, in the order of `spikes`
    spikes: Events  #: spikes of the hidden neurons


def _spread(n_pre: int, n_post: int, factor: float, generator: torch.Generator) -> Tensor:
    """Weights ``|u| factor / (n_pre n_post)`` with u uniform in [-0.2, 0.8]; none is negative."""
    uniform = torch.rand(n_pre, n_post, generator=generator) - 0.2
    return uniform.abs() * (factor / (n_pre * n_post))


@torch.no_grad()
def randomise_signs_(
    weights: Tensor, mean: float, generator: torch.Generator | None = None
) -> None:
    """Multiply each weight by a draw from ``N(mean, 1)``, in place.

    Neurons that sum all channels with positive weights respond alike, and are slow to learn to
    discriminate. A mean of 0.5 makes 31 % of the weights negative and leaves a net excitatory
    drive; a mean of 0 makes half of them negative.
    """
    weights.mul_(mean + torch.randn(weights.shape, generator=generator))


class SpatialNetwork(nn.Module):
    """A hidden layer with delays, recurrent or feed-forward, and a read-out of its spike counts.

    Args:
        n_in: number of input units.
        n_hidden: H, number of hidden neurons; no neuron has a synapse onto itself.
        n_classes: C, number of classes.
        net: form of the delays: "0", "inf", "D", "DeEPS", "DgEPS" (see `make_delays`).
        neuron: an `EventLIF` or an `EventAdEx`; its dt is the time step, ms.
        input_factor: initial input weights are ``|U(-0.2, 0.8)| 400 input_factor / (n_in H)``;
            None: 3, or 10 for more than 50 hidden neurons, or 50 for more than 200. See
            `scale_to_rate`.
        recurrent_factor: initial recurrent weights are ``|U(-0.2, 0.8)| 35 recurrent_factor /
            H^2``.
        recurrent: False: a feed-forward network, without synapses between hidden neurons.
        expected_rate: expected firing rate of hidden neurons, Hz. The read-out receives counts
            divided by the count at this rate, so that its weights start at a suitable scale.
        surrogate: slope of the surrogate derivative of spike counts.
        damping: see `run_events`.
        signed: True: initial weights have random signs; see `randomise_signs_`. In the source they
            are all positive.
        time_bins: number of equal parts of the trial in which the read-out counts spikes
            separately; with 1, as in the source, the read-out ignores when a neuron fires.
        positive: True: every synapse is excitatory, since |w| is used instead of w.
        backend: "auto", "eager", "numba" or "triton".
        seed: seed for all random initial values.
        **delays: options of `make_delays`, such as ``position_std=20.0`` (ms) or ``layout="line"``.

    Attributes:
        w_in: input weights ``[n_in, H]``.
        w_rec: recurrent weights ``[H, H]``, whose diagonal is ignored; with ``recurrent=False``,
            they are zero and not a parameter.
        delays: the module that computes the delays; `delays.positions` are the positions.
        readout: a linear map ``time_bins H -> C``.

    Raises:
        ValueError: for an invalid size, form or option.

    Source: Landsmeer et al. 2025, arXiv:2512.10011.

    Example:
        >>> network = SpatialNetwork(20, 10, 2, net="3", position_std=5.0)
        >>> words = Events.from_first_steps(torch.arange(40).view(2, 20), n_steps=100)
        >>> network(words).scores.shape
        torch.Size([2, 2])
    """

    others: Tensor

    def __init__(
        self,
        n_in: int,
        n_hidden: int,
        n_classes: int,
        net: str | int = "3",
        neuron: EventNeuron | None = None,
        *,
        input_factor: float | None = None,
        recurrent_factor: float = 1.0,
        recurrent: bool = True,
        expected_rate: float = 10.0,
        surrogate: float = 1.0,
        damping: float = 0.0,
        signed: bool = False,
        time_bins: int = 1,
        positive: bool = False,
        backend: str = "auto",
        seed: int = 0,
        **delays: Any,
    ) -> None:
        super().__init__()
        for name, size in (("n_in", n_in), ("n_hidden", n_hidden), ("n_classes", n_classes),
                           ("time_bins", time_bins)):  # fmt: skip
            check_integer(name, size, at_least=1)
        check_number("expected_rate", expected_rate, "Hz", above=0)
        if input_factor is None:
            input_factor = 50.0 if n_hidden > 200 else 10.0 if n_hidden > 50 else 3.0
        generator = torch.Generator().manual_seed(seed)
        self.neuron = EventLIF() if neuron is None else neuron
        self.expected_rate = float(expected_rate)
        self.surrogate, self.damping, self.backend = surrogate, damping, backend
        self.positive, self.time_bins, self.recurrent = positive, time_bins, recurrent
        self.w_in = nn.Parameter(_spread(n_in, n_hidden, 400.0 * input_factor, generator))
        if recurrent:
            factor = 35.0 * recurrent_factor
            self.w_rec = nn.Parameter(_spread(n_hidden, n_hidden, factor, generator))
        else:
            self.register_buffer("w_rec", torch.zeros(n_hidden, n_hidden), persistent=False)
        self.register_buffer("others", 1.0 - torch.eye(n_hidden), persistent=False)
        connections = ((0, 1), (1, 1)) if recurrent else ((0, 1),)
        self.delays = make_delays(net, (n_in, n_hidden), connections, seed=generator, **delays)
        self.readout = nn.Linear(time_bins * n_hidden, n_classes)
        bound = 1.0 / math.sqrt(time_bins * n_hidden)
        with torch.no_grad():
            for part in (self.readout.weight, self.readout.bias):
                part.uniform_(-bound, bound, generator=generator)
        if signed:
            randomise_signs_(self.w_in, 0.5, generator)
            randomise_signs_(self.w_rec, 0.0, generator)

    def forward(self, events: Events) -> SpatialOutput:
        """Run on input spikes in steps of ``neuron.dt`` (`Events.on_grid`)."""
        d_in, *d_rec = self.delays()
        w_in, w_rec = self.w_in, self.w_rec * self.others
        if self.positive:
            w_in, w_rec = w_in.abs(), w_rec.abs()
        run = run_events(
            events,
            w_in,
            d_in,
            w_rec if d_rec else None,
            d_rec[0] if d_rec else None,
            self.neuron,
            surrogate=self.surrogate,
            damping=self.damping,
            time_bins=self.time_bins,
            backend=self.backend,
        )
        assert events.n_steps is not None  # checked by run_events
        expected = self.expected_rate * events.n_steps * self.neuron.dt / 1000.0
        seen = run.counts.flatten(1) * (self.time_bins / expected)
        counts = run.counts if self.time_bins == 1 else run.counts.sum(1)
        return SpatialOutput(self.readout(seen), counts, *run[1:])

    def operations(self, events: Events) -> dict[str, Operations]:
        """Operations of the network for each sample and kind of synapse; see `count_operations`."""
        check_input_kind(self, events, Events)
        out, n = self(events), events.counts
        received = synaptic_operations(events, self.w_in)
        recurrent = synaptic_operations(out.spikes, self.w_rec * self.others)
        numbers = torch.full_like(n, int((self.readout.weight != 0).sum()))
        fired = per_sample(out.counts).long()
        return {
            "input": Operations.none(len(n), spikes=n),
            "w_in": Operations.none(len(n), spikes=fired, additions=received, updates=2 * received),
            "w_rec": Operations.none(len(n), additions=recurrent, updates=2 * recurrent),
            "readout": Operations.none(len(n), multiply_adds=numbers),
        }

    def extra_repr(self) -> str:
        return f"n_in={len(self.w_in)}, n_hidden={len(self.w_rec)}, neuron={self.neuron}"


def rates(counts: Tensor, duration: float) -> Tensor:
    """Firing rates in Hz from spike `counts` within `duration` ms."""
    return counts * (1000.0 / duration)


def rate_penalty(
    counts: Tensor, duration: float, target: float = 10.0, population: bool = False
) -> Tensor:
    """Rate regularisation: the batch mean of ``sum over neurons of (rate - target)^2``, Hz^2.

    Args:
        counts: spike counts ``[B, H]``, as in `SpatialOutput.counts`.
        duration: duration of a sample, ms: number of steps times dt.
        target: target rate, Hz.
        population: True: use the mean rate of all neurons instead of each neuron's own rate.

    Source: Landsmeer et al. 2025, arXiv:2512.10011.

    Example:
        >>> rate_penalty(torch.tensor([[10.0, 30.0]]), duration=1000.0).item()
        400.0
        >>> rate_penalty(torch.tensor([[10.0, 30.0]]), 1000.0, population=True).item()
        100.0
    """
    rate = rates(counts, duration)
    if population:
        return (rate.mean(1) - target).square().mean()
    return (rate - target).square().sum(1).mean()


@torch.no_grad()
def synaptic_scaling_(
    network: SpatialNetwork, rates: Tensor, limit: float, step: float = 0.01
) -> Tensor:
    """Weaken, in place, all input synapses of neurons that fire above a limit.

    ``w_ij <- (1 - step) w_ij`` for each neuron j with ``rates[j] > limit``: synaptic scaling, which
    needs no gradient. Called after every training step, it limits rates where the gradient of a
    spike count cannot: for AdEx neurons, this gradient points the wrong way once rates are high.

    Args:
        network: the network whose `w_in` and `w_rec` are changed.
        rates: firing rates ``[H]``, Hz.
        limit: limit of the rates, Hz.
        step: share by which a weight is reduced.

    Returns:
        a mask of the neurons above the limit, ``[H]`` bool.

    Raises:
        ValueError: if the number of rates differs from the number of neurons.

    Source: Turrigiano et al. 1998, Nature 391:892 (neurons scale all their synapses by one factor,
    towards a target rate; here they only scale them down).
    """
    axes = f"[neurons={network.w_in.shape[1]}]"
    check_tensor("synaptic_scaling_: rates", rates, axes, floating=False)
    fast = rates.to(network.w_in.device) > limit
    factor = 1.0 - step * fast.to(network.w_in.dtype)
    network.w_in.mul_(factor)
    network.w_rec.mul_(factor)
    return fast


@torch.no_grad()
def scale_to_rate(
    network: SpatialNetwork, events: Events, rate: float = 20.0, tolerance: float = 0.05
) -> float:
    """Scale the input weights of a network so that hidden neurons fire at `rate` on `events`.

    A network that is silent, or that fires at every input, learns nothing. The scale factor is
    found by bisection, for the mean rate over neurons and samples.

    Args:
        network: the network whose `w_in` is changed.
        events: a few samples, as the network will receive them.
        rate: target rate, Hz.
        tolerance: tolerated deviation, as a share of `rate`. If the network's rate jumps past this
            range (a spike can trigger an avalanche), the closest rate is used.

    Returns:
        the rate that was reached, Hz.

    Raises:
        ValueError: if no factor between 1e-4 and 1e4 gives a rate within a factor of 2 of `rate`.
    """
    check_number("rate", rate, "Hz", above=0)
    start = network.w_in.clone()
    low, high = -4.0, 4.0  # powers of ten
    best = (math.inf, math.nan, start)  # deviation, rate, weights
    for _ in range(40):
        middle = (low + high) / 2
        network.w_in.copy_(start * 10**middle)
        out = network(events)
        assert events.n_steps is not None
        reached = rates(out.counts, events.n_steps * network.neuron.dt).mean().item()
        off = abs(math.log(reached / rate)) if reached else math.inf
        if off < best[0]:
            best = off, reached, network.w_in.clone()
        if abs(reached / rate - 1) <= tolerance:
            break
        low, high = (middle, high) if reached < rate else (low, middle)
    off, reached, weights = best
    near = off <= math.log(2)
    network.w_in.copy_(weights if near else start)
    if not near:
        raise ValueError(
            f"no scale of the input weights makes the network fire at {rate:g} Hz (nearest: "
            f"{reached:.3g} Hz): are there input spikes, and any positive weights?"
        )
    return reached
