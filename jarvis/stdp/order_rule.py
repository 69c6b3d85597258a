"""Order-based STDP: which inputs spiked before the neuron, and when a layer has converged.

The rule of Kheradpisheh et al. 2018 depends on the order of two spikes, not on the time between
them. The synapses of inputs that spiked no later than the neuron are potentiated; all others are
depressed.
"""

import math
from dataclasses import dataclass
from numbers import Real
from typing import Any

import torch
from torch import Tensor

from jarvis.support.checks import (
    check_choice,
    check_integer,
    check_number,
    check_tensor,
    check_type,
)

#: How a weight is kept within its bounds.
BOUNDS = ("soft", "hard")

#: Spike time of a unit that never fired, used while the number of steps is not yet known. It is
#: later than every step, and ``times.clamp(max=T)`` turns it into T, which means "never" elsewhere.
NEVER = torch.iinfo(torch.int32).max

_PAPERS: dict[str, dict[str, Any]] = {
    "igarss2023": dict(a_plus=0.04, a_minus=0.03, init_mean=0.8, init_std=0.01),
    "kheradpisheh2018": dict(a_plus=0.004, a_minus=0.003, init_mean=0.8, init_std=0.05),
}


@dataclass(frozen=True)
class STDPConfig:
    """Parameters of the order-based rule, the initial weights and the stopping rules.

    Args:
        a_plus: potentiation, for an input that spiked no later than the neuron.
        a_minus: depression (positive), for an input that spiked later or not at all.
        bounds: "soft" (multiplicative: steps are proportional to ``(w - w_min) (w_max - w)``, so
            they shrink towards both bounds) or "hard" (additive: steps have a constant size and are
            clipped at the bounds).
        w_min: lower bound of the weights.
        w_max: upper bound of the weights.
        init_mean: mean of the initial weights.
        init_std: standard deviation of the initial weights.
        converged_below: a layer, or a map, has converged if its C_l is below this value.
        converged_ratio: share of converged maps at which the whole layer stops.
        max_epochs: number of epochs after which a layer stops in any case.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.

    Source: Kheradpisheh et al. 2018, Neural Networks 99:56, eq. 3 and section 2.4.

    Example:
        >>> STDPConfig.from_paper("igarss2023").a_plus
        0.04
    """

    a_plus: float = 0.004
    a_minus: float = 0.003
    bounds: str = "soft"
    w_min: float = 0.0
    w_max: float = 1.0
    init_mean: float = 0.8
    init_std: float = 0.05
    converged_below: float = 0.01
    converged_ratio: float = 0.9
    max_epochs: int = 50

    def __post_init__(self) -> None:
        for name in ("a_plus", "a_minus"):
            check_number(name, getattr(self, name), above=0, why="it is a size")
        check_choice("bounds", self.bounds, BOUNDS)
        for name in ("w_min", "w_max"):
            check_type(name, getattr(self, name), Real, "a number")
        if not -math.inf < self.w_min < self.w_max < math.inf:
            raise ValueError(f"w_min={self.w_min!r} must be below w_max={self.w_max!r}")
        check_number("init_mean", self.init_mean, at_least=self.w_min, at_most=self.w_max)
        check_number("init_std", self.init_std, at_least=0)
        check_number("converged_below", self.converged_below, at_least=0, finite=False)
        check_number("converged_ratio", self.converged_ratio, above=0, at_most=1)
        check_integer("max_epochs", self.max_epochs, at_least=1)

    @staticmethod
    def from_paper(name: str) -> "STDPConfig":
        """The parameters of a paper: "igarss2023" or "kheradpisheh2018"."""
        check_choice("name", name, _PAPERS)
        return STDPConfig(**_PAPERS[name])


def initial_weights(
    shape: tuple[int, ...], config: STDPConfig, generator: torch.Generator | None = None
) -> Tensor:
    """Initial weights ``N(init_mean, init_std)``, clamped to [w_min, w_max].

    Example:
        >>> initial_weights((2, 1, 5, 5), STDPConfig(init_std=0.0)).unique().tolist()
        [0.800000011920929]
    """
    noise = torch.randn(shape, generator=generator)
    return (config.init_mean + config.init_std * noise).clamp_(config.w_min, config.w_max)


def soft_bound(weight: Tensor, config: STDPConfig) -> Tensor:
    """``(w - w_min) (w_max - w)``, which is 0 at both bounds; ``w (1 - w)`` for bounds 0 and 1."""
    return (weight - config.w_min) * (config.w_max - weight)


def order_stdp(
    weight: Tensor, pre_times: Tensor, post_time: float | Tensor, config: STDPConfig
) -> Tensor:
    """The weights after one output spike.

    ``dw = a+ w (1-w)`` where ``t_pre <= t_post``, and ``dw = -a- w (1-w)`` elsewhere. With hard
    bounds, the factor ``w (1-w)`` is omitted. Then w is clamped to its bounds.

    Args:
        weight: any shape.
        pre_times: first spike times of the inputs, shaped like `weight`; a silent input has any
            time after `post_time` (T, `NEVER` or infinity) and so counts as late.
        post_time: spike time of the neuron, in the unit of `pre_times`.
        config: the parameters.

    Returns:
        the new weights; `weight` is not modified.

    Source: Kheradpisheh et al. 2018, Neural Networks 99:56, eq. 3.

    Example:
        >>> w = torch.tensor([0.5, 0.5, 0.5, 0.0])
        >>> order_stdp(w, torch.tensor([1, 3, 4, 1]), 3, STDPConfig(a_plus=0.4, a_minus=0.2))
        tensor([0.6000, 0.6000, 0.4500, 0.0000])
    """
    early = pre_times <= post_time
    step = early.to(weight.dtype) * (config.a_plus + config.a_minus) - config.a_minus
    if config.bounds == "soft":
        step = step * soft_bound(weight, config)
    return (weight + step).clamp_(config.w_min, config.w_max)


def receptive_field(times: Tensor, y: int, x: int, kernel_size: int) -> Tensor:
    """The input spike times in the receptive field of the output at (y, x), with "same" padding.

    The receptive field spans the rows ``y - k//2 ... y - k//2 + k - 1``, and likewise for columns.
    Nothing outside the input ever spikes.

    Args:
        times: ``[C_in, H, W]``.
        y: row of the output.
        x: column of the output.
        kernel_size: k, side of the receptive field.

    Returns:
        ``[C_in, k, k]``.

    Raises:
        ValueError: if (y, x) lies outside the input.
    """
    _, height, width = times.shape
    if not (0 <= y < height and 0 <= x < width):
        raise ValueError(f"position ({y}, {x}) is outside the input, {height} x {width}")
    never = math.inf if times.is_floating_point() else torch.iinfo(times.dtype).max
    patch = times.new_full((times.shape[0], kernel_size, kernel_size), never)
    top, left = y - kernel_size // 2, x - kernel_size // 2
    rows = slice(max(top, 0), min(top + kernel_size, height))
    columns = slice(max(left, 0), min(left + kernel_size, width))
    patch[:, rows.start - top : rows.stop - top, columns.start - left : columns.stop - left] = (
        times[:, rows, columns]
    )
    return patch


class STDPLearner:
    """Updates the weights of winners and decides when a layer has converged.

    C_l, the convergence measure of Kheradpisheh et al. 2018, is the mean of ``w (1 - w)`` over all
    weights: 0.16 if all weights are 0.8, and 0 once every weight has reached one of its bounds.

    Args:
        config: the parameters; None for `STDPConfig()`.

    Example:
        >>> learner = STDPLearner(STDPConfig(a_plus=0.5, a_minus=0.5))
        >>> weight = torch.full((2, 1, 3, 3), 0.8)
        >>> times = torch.full((1, 4, 4), 9)  # T = 9: silent
        >>> times[0, 1, 1] = 0
        >>> learner.update_weights_for_winner(weight, times, 2, 1, 1, 3, winner_map=1)
        >>> weight[1, 0]
        tensor([[0.7200, 0.7200, 0.7200],
                [0.7200, 0.8800, 0.7200],
                [0.7200, 0.7200, 0.7200]])
        >>> round(learner.convergence(weight), 3), learner.stop_reason(weight, epoch=3)
        (0.175, None)
        >>> learner.stop_reason(weight.round(), epoch=3)
        'C_l'
    """

    def __init__(self, config: STDPConfig | None = None) -> None:
        self.config = STDPConfig() if config is None else config

    @torch.no_grad()
    def update_weights_for_winner(
        self,
        weight: Tensor,
        pre_spike_times: Tensor,
        post_spike_time: float | Tensor,
        winner_y: int,
        winner_x: int,
        kernel_size: int,
        winner_map: int = 0,
    ) -> None:
        """Apply `order_stdp` to the weights of one map, in place.

        Args:
            weight: ``[C_out, C_in, k, k]``.
            pre_spike_times: first spike times of the layer below, after its pooling, ``[C_in, H,
                W]`` or ``[1, C_in, H, W]``.
            post_spike_time: spike time of the winner, in the unit of `pre_spike_times`.
            winner_y: row of the winner.
            winner_x: column of the winner.
            kernel_size: k, checked against `weight`.
            winner_map: map of the winner.

        Raises:
            ValueError: for shapes that do not match, or a winner outside the input.
        """
        check_tensor("weight", weight, f"[C_out, C_in, {kernel_size}, {kernel_size}]")
        times = pre_spike_times
        if times.dim() == 4 and len(times) == 1:
            times = times[0]
        one = "one stimulus: the spike times of the layer below, after its pooling"
        axes = f"[C_in={weight.shape[1]}, H, W]"
        check_tensor("pre_spike_times", times, axes, floating=False, why=one)
        check_integer("winner_map", winner_map, at_least=0, at_most=len(weight) - 1)
        patch = receptive_field(times, int(winner_y), int(winner_x), kernel_size)
        weight[winner_map] = order_stdp(weight[winner_map], patch, post_spike_time, self.config)

    def convergence(self, weight: Tensor) -> float:
        """C_l: the mean of ``(w - w_min) (w_max - w)`` over all weights."""
        return soft_bound(weight.detach().double(), self.config).mean().item()

    def map_convergence(self, weight: Tensor) -> Tensor:
        """C_l of each map, ``[C_out]``, float64."""
        return soft_bound(weight.detach().double(), self.config).flatten(1).mean(1)

    def converged_share(self, weight: Tensor) -> float:
        """Share of the maps with a C_l below `converged_below`."""
        below = self.map_convergence(weight) < self.config.converged_below
        return below.double().mean().item()

    def has_converged(self, weight: Tensor) -> bool:
        """Whether C_l is below its limit, for the layer or for enough of its maps."""
        return self.stop_reason(weight, epoch=0) is not None

    def stop_reason(self, weight: Tensor, epoch: int) -> str | None:
        """Why a layer stops now, or None if it continues.

        Args:
            weight: the weights of the layer.
            epoch: number of completed epochs.

        Returns:
            "C_l" (``C_l < converged_below``), "maps" (C_l is below this limit for a share
            `converged_ratio` of the maps, although not for the layer), "epochs" (`max_epochs` is
            reached), or None.
        """
        if self.convergence(weight) < self.config.converged_below:
            return "C_l"
        # Counts are compared: 0.9 of 10 maps is 9 maps, which float arithmetic may miss.
        below = self.map_convergence(weight) < self.config.converged_below
        if int(below.sum()) >= self.config.converged_ratio * len(below) - 1e-9:
            return "maps"
        return "epochs" if epoch >= self.config.max_epochs else None
