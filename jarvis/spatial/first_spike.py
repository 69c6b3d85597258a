"""Neurons that spike at most once, simulated from arrival to arrival, with exact gradients.

A neuron whose input spikes have arrival times ``a_i = t_i + d_i`` and weights ``w_i`` obeys

    v(t) = sum over a_i < t of w_i K(t - a_i),    v(T) = threshold for the first time,

with ``K(s) = (exp(-s/tau_mem) - exp(-s/tau_syn)) / (1/tau_syn - 1/tau_mem)``, which is
``s exp(-s/tau)`` if both time constants are equal. There is no time grid and no
surrogate: T is a smooth function of weights, delays and input times as long as the neuron keeps
spiking.

`FirstSpikeNetwork` stacks layers of such neurons, and its first output spike determines the class.
Encoder, scores and loss belong together: a value becomes the time of one spike, the class whose
output spikes first wins, and a score is therefore the negative of a time. A silent output is
assigned a time after all spikes: the further v stayed from the threshold, the later the time.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from jarvis.kernels.dispatch import check_backend
from jarvis.networks.costs import Operations, check_input_kind, per_sample, synaptic_operations
from jarvis.spatial.delays import make_delays
from jarvis.support.checks import (
    at_least_float32,
    check_integer,
    check_number,
    check_tensor,
    check_type,
    check_values,
)


class FirstSpikes(NamedTuple):
    """The result of `first_spikes`."""

    times: Tensor  #: ``[B, n_post]`` in ms; infinite for a silent neuron
    peaks: Tensor  #: ``[B, n_post]``; largest v (at least 0) if silent, otherwise the threshold

    def count_spikes(self) -> Tensor:
        """``[B, n_post]`` int64: 1 for a neuron that fired, 0 for a silent one."""
        return self.times.isfinite().long()


@dataclass(frozen=True)
class FirstSpikeParams:
    """Parameters of LIF neurons with current-based synapses, scaled as in the spatial networks.

    ``dv/dt = -v/tau_mem + I`` and ``dI/dt = -I/tau_syn``; when a spike arrives, I jumps by w.

    Args:
        tau_mem: membrane time constant in ms.
        tau_syn: synaptic time constant in ms. If ``tau_mem = 2 tau_syn``, the crossing is the root
            of a quadratic equation; otherwise it is found by Newton's method.
        threshold: v at which a neuron spikes; the resting potential is 0.
        dt: 0 for exact times. Otherwise the spacing of a time grid in ms: input times and delays
            are rounded to the grid, and a neuron spikes at the first grid point at which v is at or
            above the threshold.
        min_slope: lower limit of dv/dt at the crossing, in the gradient only, 1/ms. The gradient
            contains 1/(dv/dt), which diverges if v just grazes the threshold. 0: no limit, and
            gradients are exact everywhere.

    Raises:
        ValueError: for a value out of range.

    Source: Göltz et al. 2021, Nat. Mach. Intell. 3:823, eqs. 1-8, for the model and its closed
    forms; Wunderlich & Pehle 2021, Sci. Rep. 11:12829, for the gradient.

    Example:
        >>> FirstSpikeParams(tau_mem=4.0, tau_syn=2.0).tau_mem
        4.0
    """

    tau_mem: float = 4.0
    tau_syn: float = 2.0
    threshold: float = 1.0
    dt: float = 0.0
    min_slope: float = 0.01

    def __post_init__(self) -> None:
        for name in ("tau_mem", "tau_syn", "threshold"):
            check_number(name, getattr(self, name), above=0)
        for name in ("dt", "min_slope"):
            check_number(name, getattr(self, name), at_least=0, why="0 turns it off")

    @property
    def c(self) -> float:
        """``1 / (1/tau_syn - 1/tau_mem)`` in ms; 0 if both time constants are equal."""
        if math.isclose(self.tau_mem, self.tau_syn, rel_tol=1e-9):
            return 0.0
        return 1.0 / (1.0 / self.tau_syn - 1.0 / self.tau_mem)

    @cached_property
    def values(self) -> np.ndarray:
        """The numbers that the compiled loops read."""
        ratio = math.log(self.tau_syn / self.tau_mem)
        numbers = (self.tau_mem, self.tau_syn, self.threshold, self.dt, self.min_slope)
        return np.array([*numbers, self.c, ratio])

    def rise(self, s: Tensor) -> Tensor:
        """``K(s) exp(s/tau_mem)``: contribution of a unit of current to v, without the leak."""
        return s if self.c == 0.0 else -self.c * torch.expm1(-s / self.c)

    def kernel(self, s: Tensor) -> Tensor:
        """``K(s)``: v at s ms after the arrival of a spike with weight 1."""
        return torch.exp(-s / self.tau_mem) * self.rise(s)

    def slope(self, s: Tensor) -> Tensor:
        """``dK/ds``."""
        return torch.exp(-s / self.tau_syn) - self.kernel(s) / self.tau_mem


def first_spikes(
    times: Tensor,
    weights: Tensor,
    delays: Tensor | None = None,
    params: FirstSpikeParams | None = None,
    *,
    backend: str = "auto",
) -> FirstSpikes:
    """The first spike time of each neuron, and how close a silent neuron came to its threshold.

    Implicit differentiation of ``v(T) = threshold`` gives, with v' = dv/dt at T from the left,

        dT/dw_i = -K(T - a_i) / v',      dT/da_i = w_i K'(T - a_i) / v',      a_i = t_i + d_i,

    for the arrivals before T, and 0 for the others. This is EventProp for one spike. The time of a
    silent neuron has no gradient, but its peak, the largest v that it reached, has one: ``K(s)``
    with respect to w_i and ``-w_i K'(s)`` with respect to a_i, where s is the time from the arrival
    to the peak.

    Args:
        times: input spike times ``[B, n_pre]`` in ms; infinite for an input that never spikes.
        weights: ``[n_pre, n_post]``.
        delays: ``[n_pre, n_post]`` in ms, at least 0; None: no delays.
        params: parameters of the neurons.
        backend: "numba" (CPU), "eager" (PyTorch, on any device; the definition), or "auto".

    Returns:
        `FirstSpikes`.

    Raises:
        ValueError: if shapes do not match, a delay is negative, a weight or delay is infinite,
            anything is NaN, or `backend` cannot run these tensors.
        TypeError: for a tensor that is not floating-point.

    Example:
        One input at 1 ms with a delay of 2 ms. v reaches the threshold where
        ``x - x^2 = 1 / (4 w)`` for ``x = exp(-(T - 3)/4)``.

        >>> t, w, d = torch.tensor([[1.0]]), torch.tensor([[1.5]]), torch.tensor([[2.0]])
        >>> first_spikes(t, w, d).times
        tensor([[3.9496]])
    """
    params = FirstSpikeParams() if params is None else params
    check_tensor("times", times, "[B, n_pre]")
    why = f"times are [B, n_pre={times.shape[1]}]"
    check_tensor("weights", weights, f"[n_pre={times.shape[1]}, n_post]", why=why)
    if not weights.numel():
        raise ValueError(f"weights have shape {tuple(weights.shape)}: no synapse at all")
    check_values("times", times, "ms", finite=False)
    check_values("weights", weights)
    if delays is not None:
        axes = f"[n_pre={weights.shape[0]}, n_post={weights.shape[1]}]"
        check_tensor("delays", delays, axes, why=f"weights are {tuple(weights.shape)}")
        check_values("delays", delays, "ms", at_least=0)
    check_backend(backend)
    delays = torch.zeros_like(weights) if delays is None else delays
    if backend != "eager":
        from jarvis.kernels import first_spike_autograd as compiled

        reason = compiled.unsupported_reason(times, weights, delays)
        if backend == "triton":
            reason = "there is no such loop"
        if reason is None:
            half = params.tau_mem == 2.0 * params.tau_syn
            found = compiled.run(times, weights, delays, params.values, half, params.dt > 0)
            return FirstSpikes(*found)
        if backend != "auto":
            raise ValueError(f"first_spikes: backend={backend!r} cannot run this: {reason}")
    return _eager(times, weights, delays, params)


def _eager(times: Tensor, weights: Tensor, delays: Tensor, params: FirstSpikeParams) -> FirstSpikes:
    """The definition: find each crossing without gradient, then differentiate v there."""
    dtype = times.dtype
    t, w, d = times.double(), weights.double(), delays.double()
    arrivals = t[:, :, None] + d  # [B, n_pre, n_post]
    if params.dt:  # the gradient ignores the rounding
        steps = (t / params.dt).round()[:, :, None] + (d / params.dt).round()
        arrivals = (arrivals - arrivals.detach()).nan_to_num(0.0) + (steps * params.dt).detach()
    with torch.no_grad():
        at, crossing, peak_at = _search(arrivals, w, params)
    spiked = at < math.inf

    # One equation covers v at the crossing of a spiking neuron and at the peak of a silent one.
    s = torch.where(spiked, crossing, peak_at)[:, None, :] - arrivals
    causal = (s > 0) & s.isfinite()
    s = torch.where(causal, s, 0.0)
    v = (w * params.kernel(s) * causal).sum(1)
    steepness = (w * params.slope(s) * causal).sum(1).detach()
    # If an arrival ended the rise of v, the peak is at this arrival and moves with it.
    corner = (arrivals == peak_at[:, None, :]) & ~spiked[:, None, :]
    corner &= corner.cumsum(1) == 1
    shift = torch.where(corner, arrivals - arrivals.detach(), 0.0).sum(1)
    # The value is T. Its derivative is that of one Newton step at T: the implicit derivative.
    bounded = torch.where(spiked, steepness.clamp_min(params.min_slope), 1.0)
    moved = (v - v.detach()) / bounded
    out = torch.where(spiked, at - moved, math.inf)
    peaks = torch.where(spiked, params.threshold, v + steepness * shift)
    broken = (arrivals + w).isnan().any(1)
    return FirstSpikes(*(x.masked_fill(broken, math.nan).to(dtype) for x in (out, peaks)))


def _search(
    arrivals: Tensor, weights: Tensor, params: FirstSpikeParams
) -> tuple[Tensor, Tensor, Tensor]:
    """The times of the spike, of the crossing (on a grid, before the spike) and of the peak."""
    tau, c, dt, threshold = params.tau_mem, params.c, params.dt, params.threshold
    arrivals, order = arrivals.sort(1)
    w = weights.expand_as(arrivals).gather(1, order)

    def potential(v: Tensor, i: Tensor, s: Tensor) -> Tensor:
        return torch.exp(-s / tau) * (v + i * params.rise(s))

    v = arrivals.new_zeros(arrivals.shape[0], arrivals.shape[2])
    i, now, best = torch.zeros_like(v), torch.zeros_like(v), torch.zeros_like(v)
    found, peak_at = torch.zeros_like(v, dtype=torch.bool), torch.full_like(v, -math.inf)
    start, v0, i0, end = (torch.zeros_like(v) for _ in range(4))
    for n in range(arrivals.shape[1] + 1):
        last = n == arrivals.shape[1]
        arrival = torch.full_like(v, math.inf) if last else arrivals[:, n]
        gap = arrival - now
        # v has one maximum after each arrival, if it rises at all.
        rises = (i > 0) & (v < tau * i)
        ratio = v / (c * i) if c else v / i
        top = tau - ratio if c == 0.0 else -c * (ratio.log1p() + math.log(params.tau_syn / tau))
        top = torch.where(rises & ~top.isnan(), top, 0.0)
        reach = torch.minimum(top, gap)
        high = potential(v, i, reach)
        if dt:  # the grid point with the largest v is next to the maximum
            below = torch.floor(reach / dt) * dt
            above = torch.minimum(below + dt, gap)
            high = torch.maximum(potential(v, i, below), potential(v, i, above))
        new = ~found & (high >= threshold)
        for kept, value in ((start, now), (v0, v), (i0, i), (end, reach)):
            kept[new] = value[new]
        found |= new
        larger = potential(v, i, reach) > best
        best = torch.where(larger, potential(v, i, reach), best)
        moment = torch.where(reach == gap, arrival, now + reach)
        peak_at = torch.where(larger, moment, peak_at)
        alive = arrival < math.inf
        if last or not alive.any():
            break
        gap = torch.where(alive, gap, 0.0)
        v = potential(v, i, gap)
        i = torch.exp(-gap / params.tau_syn) * i + torch.where(alive, w[:, n], 0.0)
        now = now + gap

    # v is concave up to its maximum, so Newton steps from the left never overshoot the crossing.
    s = torch.zeros_like(v)
    for _ in range(80):
        u = potential(v0, i0, s)
        step = (threshold - u) / (i0 * torch.exp(-s / params.tau_syn) - u / tau)
        forward = found & (step > 0)
        if not forward.any():
            break
        s = torch.where(forward, torch.minimum(s + step, end), s)
    crossing = torch.where(found, start + s, math.inf)
    at = crossing
    if dt:
        steps = torch.ceil(s / dt)
        short = potential(v0, i0, steps * dt) < threshold  # if s was rounded down
        at = start + torch.where(short, steps + 1, steps) * dt
    return torch.where(found, at, math.inf), crossing, peak_at


class FirstSpikeLayer(nn.Module):
    """A fully connected layer of `first_spikes` neurons with trainable weights.

    Initial weights are normally distributed; see `FirstSpikeNetwork` for the choice of the mean.

    Args:
        n_pre, n_post: numbers of inputs and of neurons.
        params: parameters of the neurons.
        mean, std: mean and standard deviation of the initial weights.
        backend: as in `first_spikes`.
        generator: draws the initial weights.

    Raises:
        ValueError: for a number below 1.

    Example:
        >>> layer = FirstSpikeLayer(4, 3, mean=1.0, generator=torch.Generator().manual_seed(0))
        >>> layer(torch.zeros(2, 4)).times.shape
        torch.Size([2, 3])
    """

    def __init__(
        self,
        n_pre: int,
        n_post: int,
        params: FirstSpikeParams | None = None,
        *,
        mean: float = 0.5,
        std: float = 0.5,
        backend: str = "auto",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        n_pre = check_integer("n_pre", n_pre, at_least=1)
        n_post = check_integer("n_post", n_post, at_least=1)
        check_backend(backend)
        self.params, self.backend = params or FirstSpikeParams(), backend
        start = torch.empty(n_pre, n_post).normal_(mean, std, generator=generator)
        self.weight = nn.Parameter(start)

    def forward(self, times: Tensor, delays: Tensor | None = None) -> FirstSpikes:
        """The `FirstSpikes` for ``times [B, n_pre]`` and ``delays [n_pre, n_post]``, both in ms."""
        return first_spikes(times, self.weight, delays, self.params, backend=self.backend)


def spike_time_encode(
    values: Tensor, *, first: float = 0.1, window: float = 4.0, bias: float | None = None
) -> Tensor:
    """Encode each value as one spike, ``t = first + window * value``; small values spike early.

    Args:
        values: ``[B, n]`` in [0, 1].
        first: spike time of a value of 0, ms.
        window: additional time for a value of 1, ms.
        bias: spike time of an additional input, in ms, the same for all samples; None: no
            additional input.

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
    check_tensor("values", values, "[B, n]", floating=False)
    check_values("values", values, at_least=0, at_most=1, why="scale them to this range")
    first = check_number("first", first, "ms", at_least=0)
    window = check_number("window", window, "ms", above=0)
    times = first + window * at_least_float32(values)
    if bias is not None:
        bias = check_number("bias", bias, "ms", at_least=0, at_most=1e30)
    return times if bias is None else torch.cat([times, times.new_full((len(times), 1), bias)], 1)


def first_spike_scores(
    outputs: FirstSpikes,
    *,
    tau: float = 0.1,
    end: float = 12.0,
    late: float = 4.0,
    threshold: float = 1.0,
) -> Tensor:
    """Class scores (logits) from output spikes: ``-t/tau``, so that the earliest spike wins.

    An output that is silent until `end` is given the time ``end + late (1 - peak/threshold)``. This
    is later than any spike and has the gradient of the peak, through which the loss can make the
    output spike or keep it silent. Without this gradient, an output that falls silent could not
    recover. If all outputs are silent, the highest peak wins; use the times to check whether there
    was a spike. An output that spikes after `end` has reached the threshold, so its time is `end`,
    without a gradient.

    Args:
        outputs: output of the last layer.
        tau: difference in time, ms, that changes a score by 1 (one nat).
        end: end of the trial, ms; later spikes are ignored.
        late: time after `end` given to an output that never rose above the resting potential, ms;
            0: the time of silent outputs is `end`, without a gradient.
        threshold: threshold of the output neurons.

    Returns:
        scores ``[B, n]``.

    Raises:
        ValueError: if `tau` or `end` is not positive, or `late` is negative.

    Example:
        >>> times, peaks = torch.tensor([[3.0, math.inf]]), torch.tensor([[1.0, 0.5]])
        >>> first_spike_scores(FirstSpikes(times, peaks), tau=1.0)
        tensor([[ -3., -14.]])
    """
    for name, value in (("tau", tau), ("end", end)):
        check_number(name, value, "ms", above=0)
    check_number("late", late, "ms", at_least=0)
    threshold = check_number("threshold", threshold, above=0)
    check_type("outputs", outputs, (FirstSpikes, tuple), "FirstSpikes")
    if len(outputs) != 2:
        raise ValueError(f"outputs must be FirstSpikes (times, peaks), not {len(outputs)} values")
    times, peaks = outputs
    check_tensor("the times of outputs", times, "[B, n]")
    check_tensor("the peaks of outputs", peaks, "[B={}, n={}]".format(*times.shape))
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
    """Cross-entropy, plus penalties for a late true class and for silent hidden neurons.

    ``mean(-log softmax(scores)[target] - early scores[target]) + wake mean(1 - peak/threshold)``,
    where the second mean is over the neurons and samples of each hidden layer. The peak of a neuron
    that spiked equals the threshold, so it incurs no penalty. A silent neuron has no spike time to
    learn from, but the gradient of its peak can make it spike again.

    Args:
        scores: ``[B, n]`` from `first_spike_scores`; ``-scores`` are times in units of its `tau`.
        targets: ``[B]`` class labels.
        hidden: outputs of the hidden layers, for `wake`.
        early, wake: weights of the two penalties; 0: no penalty.
        threshold: threshold of the hidden neurons.

    Returns:
        the loss, averaged over samples.

    Raises:
        ValueError: for a negative weight.

    Example:
        >>> first_spike_loss(torch.tensor([[-2.0, -2.0]]), torch.tensor([1]), early=0.1)
        tensor(0.8931)
    """
    early = check_number("early", early, at_least=0)
    wake = check_number("wake", wake, at_least=0)
    loss = nn.functional.cross_entropy(scores, targets)
    if early:
        loss = loss - early * scores.gather(1, targets[:, None]).mean()
    if wake:
        for layer in hidden:
            loss = loss + wake * (1.0 - layer.peaks.mean() / threshold)
    return loss


class FirstSpikeNetwork(nn.Module):
    """Layers of first-spike neurons joined by weights and delays, from input times to class scores.

    Initial weights are drawn from N(drive/n_pre, (spread^2)/n_pre), so that all inputs of a neuron
    together deliver a charge of `drive` on average. With the default parameters, a neuron whose
    inputs all arrive at once spikes if the drive is at least 1; with a drive of 2, most neurons
    spike even when their inputs are spread over a few ms.

    Args:
        sizes: number of neurons of each population, the input first.
        net: form of the delays, as in `make_delays`: "0" (none), "inf" (one per synapse), "3"
            (positions in three dimensions), ...
        params: parameters of the neurons.
        tau: scale of the scores, ms, as in `first_spike_scores`.
        end, late: as in `first_spike_scores`.
        drive: mean of the initial weights times n_pre, one number or one per layer.
        spread: standard deviation of the initial weights times sqrt(n_pre), one number or one per
            layer.
        longest: upper limit of delays, ms; longer delays are clamped.
        seed: seed for weights, delays and positions.
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
            raise ValueError(f"sizes={tuple(sizes)}: needs an input and at least one layer")
        n_layers = len(sizes) - 1
        self.params = params or FirstSpikeParams()
        self.scale = dict(tau=tau, end=end, late=late, threshold=self.params.threshold)
        generator = torch.Generator().manual_seed(seed)
        drives, spreads = (
            [float(x)] * n_layers if isinstance(x, int | float) else list(x)
            for x in (drive, spread)
        )
        if len(drives) != n_layers or len(spreads) != n_layers:
            raise ValueError(f"drive={drive}, spread={spread}: give one number, or {n_layers}")
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
        """The output of each layer for input times ``[B, n_in]`` in ms."""
        found = []
        for layer, delays in zip(self.layers, self.delays(), strict=True):
            found.append(layer(times, delays))
            times = found[-1].times
        return found

    def forward(self, times: Tensor, *, return_spikes: bool = False):
        """Scores ``[B, n_out]`` for input times ``[B, n_in]`` in ms.

        With `return_spikes`, the outputs of all layers are returned as well.
        """
        found = self.spikes(times)
        scores = first_spike_scores(found[-1], **self.scale)
        return (scores, found) if return_spikes else scores

    def operations(self, times: Tensor) -> dict[str, Operations]:
        """Operations per layer and sample; see `count_operations`. ``times [B, n]`` are in ms."""
        check_input_kind(self, times, Tensor)
        found = [FirstSpikes(times, times), *self.spikes(times)]
        n = len(times)
        counts = {"input": Operations.none(n, spikes=per_sample(found[0].count_spikes()))}
        for k, (layer, sent) in enumerate(zip(self.layers, found, strict=False)):
            additions = synaptic_operations(sent, layer.weight)  # type: ignore[arg-type]
            fired = per_sample(found[k + 1].count_spikes())
            # An arrival updates the potential and the current of its neuron.
            done = dict(spikes=fired, additions=additions, updates=2 * additions)
            counts[f"layers.{k}"] = Operations.none(n, **done)
        return counts

    def parameter_groups(self, lr: float, delay_lr: float | None = None) -> list[dict[str, Any]]:
        """Weights and delay parameters, for an optimiser with a separate learning rate for each."""
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
        """`first_spike_loss` as an objective for `fit`; `model` is this network or wraps it."""
        scores, found = model(times, return_spikes=True)
        threshold = self.params.threshold
        loss = first_spike_loss(
            scores, targets, found[:-1], early=early, wake=wake, threshold=threshold
        )
        return loss, scores
