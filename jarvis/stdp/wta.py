"""Winner-take-all: which neurons learn from a stimulus, and how every map gets its share of wins.

Neurons compete: the neuron with the earliest spike wins and inhibits other neurons, so that they
learn other patterns. Homeostasis balances the competition: a map that wins becomes harder to
excite.
"""

import math
from dataclasses import dataclass
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from jarvis.support.checks import check_choice, check_integer, check_number, check_tensor

_PAPERS: dict[str, dict[str, Any]] = {
    "igarss2023": dict(theta_rest=0.1, theta_plus=0.02, tau_theta=500.0, theta_max=10.0),
    "kheradpisheh2018": dict(theta_rest=10.0, theta_plus=0.05, tau_theta=1e4, theta_max=50.0),
}


class WTAMode(Enum):
    """Which neurons a winner inhibits for the rest of the stimulus."""

    GLOBAL = "global"  #: the rest of its own map: one winner per map
    LOCAL = "local"  #: all maps, including its own, within `local_radius` of its position
    BOTH = "both"  #: the rest of its own map, and the other maps within `local_radius`


class Winner(NamedTuple):
    """A winning neuron, and the step of its spike."""

    step: int
    map: int
    y: int
    x: int


@dataclass(frozen=True)
class WTAConfig:
    """Parameters of the competition.

    Args:
        mode: which neurons a winner inhibits: a `WTAMode`, or its value as a string.
        local_radius: largest distance, in rows and in columns, at which a winner inhibits.
        n_winners: largest number of winners per stimulus; None: limited by the inhibition alone.
        enable_homeostasis: whether the thresholds adapt.
        theta_rest: resting value of the threshold, and its initial value.
        theta_plus: increase of the threshold of a map for each win.
        tau_theta: time constant of the decay to the resting value, stimuli.
        theta_max: highest threshold.
        dead_share: a map that won less than this share of the last stimuli is dead.
        dead_after: number of stimuli over which wins are counted to find dead maps.
        revival_std: standard deviation of the noise on the weights of a dead map.

    Raises:
        ValueError: for a value outside its range; the message names the parameter.

    Source: modes and thresholds as in SpikeSEG, Kirkland et al., IGARSS 2023; the increase
    for each win as in Diehl & Cook 2015, Front. Comput. Neurosci. 9:99, section 2.4.

    Example:
        >>> WTAConfig(mode="local").mode
        <WTAMode.LOCAL: 'local'>
        >>> WTAConfig.from_paper("igarss2023").theta_rest
        0.1
    """

    mode: WTAMode = WTAMode.BOTH
    local_radius: int = 2
    n_winners: int | None = None
    enable_homeostasis: bool = True
    theta_rest: float = 10.0
    theta_plus: float = 0.05
    tau_theta: float = 1e4
    theta_max: float = 50.0
    dead_share: float = 0.01
    dead_after: int = 100
    revival_std: float = 0.1

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "mode", WTAMode(self.mode))
        except ValueError:
            modes = ", ".join(mode.value for mode in WTAMode)
            raise ValueError(f"mode={self.mode!r} is not one of {modes}") from None
        check_integer("local_radius", self.local_radius, at_least=0)
        if self.n_winners is not None:
            check_integer("n_winners", self.n_winners, at_least=1)
        check_number("theta_rest", self.theta_rest, above=0)
        check_number("theta_plus", self.theta_plus, at_least=0)
        check_number("tau_theta", self.tau_theta, "stimuli", above=0)
        check_number("dead_share", self.dead_share, at_least=0, at_most=1)
        check_integer("dead_after", self.dead_after, at_least=1)
        check_number("revival_std", self.revival_std, at_least=0)
        if not self.theta_max >= self.theta_rest:
            raise ValueError(
                f"theta_max={self.theta_max!r} must be at least theta_rest={self.theta_rest!r}"
            )

    @staticmethod
    def from_paper(name: str) -> "WTAConfig":
        """The parameters of a paper: "igarss2023" (sparse events) or "kheradpisheh2018"."""
        check_choice("name", name, _PAPERS)
        return WTAConfig(**_PAPERS[name])


def inhibit(allowed: np.ndarray, winner: Winner, config: WTAConfig) -> None:
    """In ``allowed [C, H, W]``, clear all neurons that `winner` inhibits."""
    radius = config.local_radius
    rows = slice(max(winner.y - radius, 0), winner.y + radius + 1)
    columns = slice(max(winner.x - radius, 0), winner.x + radius + 1)
    if config.mode is not WTAMode.LOCAL:
        allowed[winner.map] = False
    if config.mode is not WTAMode.GLOBAL:
        allowed[:, rows, columns] = False
    allowed[winner.map, winner.y, winner.x] = False


def _contest(
    steps: np.ndarray, potentials: np.ndarray, n_steps: int, allowed: np.ndarray, room: int | None,
    config: WTAConfig,
) -> list[Winner]:  # fmt: skip
    """At most `room` winners among the `allowed` neurons; clears the neurons that they inhibit."""
    maps, ys, xs = np.nonzero((steps < n_steps) & allowed)
    step, potential = steps[maps, ys, xs], potentials[maps, ys, xs]
    winners: list[Winner] = []
    for i in np.lexsort((xs, ys, maps, -potential, step)):  # the last key is the primary one
        if room is not None and len(winners) >= room:
            break
        if allowed[maps[i], ys[i], xs[i]]:
            winners.append(Winner(int(step[i]), int(maps[i]), int(ys[i]), int(xs[i])))
            inhibit(allowed, winners[-1], config)
    return winners


def pick_winners(
    steps: Tensor, potentials: Tensor, config: WTAConfig, n_steps: int
) -> list[Winner]:
    """The winners of one stimulus, first to last. This function defines their order.

    The neuron with the earliest spike wins. Ties are broken by the highest potential, then by the
    lowest map, y and x. Each winner inhibits others according to `config.mode`, and the next winner
    is picked from the neurons that remain.

    Args:
        steps: steps of the first spikes, integers ``[C, H, W]``; `n_steps` or more for no spike.
        potentials: the potential of each neuron at its spike, before the reset, ``[C, H, W]``.
        config: the parameters.
        n_steps: T, number of time steps.

    Raises:
        ValueError: unless both tensors are ``[C, H, W]`` and have the same shape.

    Example:
        >>> steps = torch.tensor([[[3, 1]], [[1, 0]]])  # two maps of 1 x 2
        >>> potentials = torch.tensor([[[9.0, 5.0]], [[6.0, 4.0]]])
        >>> pick_winners(steps, potentials, WTAConfig(mode="global"), n_steps=4)
        [Winner(step=0, map=1, y=0, x=1), Winner(step=1, map=0, y=0, x=1)]
        >>> pick_winners(steps, potentials, WTAConfig(mode="local", local_radius=0), n_steps=4)
        [Winner(step=0, map=1, y=0, x=1), Winner(step=1, map=1, y=0, x=0)]
    """
    check_tensor("steps", steps, "[C, H, W]", floating=False)
    axes = "[C={}, H={}, W={}]".format(*steps.shape)
    check_tensor("potentials", potentials, axes, floating=False, why="as steps")
    allowed = np.ones(tuple(steps.shape), dtype=bool)
    arrays = steps.cpu().numpy(), potentials.detach().cpu().numpy()
    return _contest(*arrays, n_steps, allowed, config.n_winners, config)


def adapt_thresholds(thresholds: Tensor, wins: Tensor, config: WTAConfig) -> Tensor:
    """The thresholds of the maps after one stimulus.

    ``theta = min(theta_max, theta_rest + (theta - theta_rest) exp(-1/tau_theta) + theta_plus n)``
    with n the number of wins of the map for this stimulus.

    Args:
        thresholds: ``[C]``.
        wins: n, ``[C]``.
        config: the parameters.

    Source: Diehl & Cook 2015, Front. Comput. Neurosci. 9:99, section 2.4, applied per stimulus.

    Example:
        >>> config = WTAConfig(theta_rest=1.0, theta_plus=0.5, tau_theta=1.0)
        >>> adapt_thresholds(torch.tensor([1.0, 2.0]), torch.tensor([1, 0]), config)
        tensor([1.5000, 1.3679])
    """
    if not config.enable_homeostasis:
        return thresholds
    above = (thresholds - config.theta_rest) * math.exp(-1.0 / config.tau_theta)
    return (config.theta_rest + above + config.theta_plus * wins).clamp(max=config.theta_max)


def revive(
    weight: Tensor, dead: Tensor, config: WTAConfig, generator: torch.Generator | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> None:  # fmt: skip
    """Add noise ``N(0, revival_std)`` to the weights of dead maps, in place, within `bounds`.

    Args:
        weight: ``[C, ...]``.
        dead: indices of the dead maps, or a mask ``[C]``.
        config: the parameters.
        generator: source of randomness, on the CPU.
        bounds: lower and upper bound of the weights.
    """
    old = weight[dead]
    noise = torch.randn(old.shape, generator=generator, dtype=old.dtype).to(old.device)
    with torch.no_grad():
        weight[dead] = (old + config.revival_std * noise).clamp(*bounds)


class WTAInhibition:
    """The competition step by step, with its state and adaptive thresholds.

    The state consists of `thresholds`, `wins`, and the neurons inhibited since `new_stimulus()`.
    `reset()` restores the initial state.

    A spike whose potential is below the adaptive threshold of its map does not compete. The neurons
    themselves use these thresholds only if the thresholds are copied to them:
    ``model.encoder.conv2.thresholds.copy_(wta.thresholds)``.

    Args:
        config: the parameters; None for `WTAConfig()`.
        n_channels: number of maps C.
        spatial_shape: ``(H, W)`` of the maps.

    Example:
        >>> wta = WTAInhibition(WTAConfig(theta_rest=1.0), n_channels=2, spatial_shape=(1, 8))
        >>> spikes, membranes = torch.zeros(2, 1, 8), torch.zeros(2, 1, 8)
        >>> spikes[0, 0, :4], membranes[0, 0, :4] = 1.0, torch.tensor([2.0, 3.0, 2.0, 2.0])
        >>> spikes[1, 0, 6], membranes[1, 0, 6] = 1.0, 1.5
        >>> filtered, winner_mask = wta(spikes, membranes)
        >>> winner_mask.nonzero().tolist()
        [[0, 0, 1], [1, 0, 6]]
        >>> wta(spikes, membranes)[1].any().item()  # both maps have already won
        False
        >>> wta.new_stimulus()
        >>> wta.thresholds.tolist(), wta.wins.tolist()
        ([1.0499999523162842, 1.0499999523162842], [1, 1])
    """

    def __init__(
        self, config: WTAConfig | None = None, *, n_channels: int, spatial_shape: tuple[int, int]
    ) -> None:
        self.config = WTAConfig() if config is None else config
        self.shape = (int(n_channels), *(int(size) for size in spatial_shape))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(
                f"n_channels={n_channels!r} and spatial_shape={spatial_shape!r} must be C and "
                "(H, W), each at least 1"
            )
        self.reset()

    def reset(self) -> None:
        """Restore the initial state: resting thresholds, no wins, a new stimulus."""
        #: adaptive threshold of each map, ``[C]`` float32; changes only between stimuli
        self.thresholds = torch.full(self.shape[:1], float(self.config.theta_rest))
        #: wins of each map since the start, ``[C]`` int64
        self.wins = torch.zeros(self.shape[:1], dtype=torch.int64)
        self._window_wins = torch.zeros_like(self.wins)
        self._window = 0  # stimuli so far in the window over which wins are counted
        self._begin()

    def _begin(self) -> None:
        self._allowed = np.ones(self.shape, dtype=bool)
        self.winners: list[Winner] = []  #: winners of this stimulus, first to last
        self._step = 0

    def __call__(self, spikes: Tensor, membranes: Tensor) -> tuple[Tensor, Tensor]:
        """One time step.

        Args:
            spikes: ``[C, H, W]`` or ``[1, C, H, W]``, nonzero for a spike.
            membranes: potentials before the reset, shaped like `spikes`.

        Returns:
            ``(filtered, winner_mask)``, shaped like `spikes`: the spikes of the winners only, of
            the same type as `spikes`, and a bool mask of the winners.

        Raises:
            ValueError: for a shape other than ``[C, H, W]`` and ``[1, C, H, W]``.
        """
        batched = (1, *self.shape)
        if spikes.shape != membranes.shape or tuple(spikes.shape) not in (self.shape, batched):
            raise ValueError(
                f"spikes {tuple(spikes.shape)} and membranes {tuple(membranes.shape)} must be one "
                f"stimulus {self.shape} or {batched}: set n_channels and spatial_shape to "
                "those of the layer"
            )
        v = membranes.detach().reshape(self.shape)
        competes = spikes.reshape(self.shape) != 0
        if self.config.enable_homeostasis:
            competes &= v >= self.thresholds.to(v)[:, None, None]
        steps = np.where(competes.cpu().numpy(), self._step, self._step + 1)
        limit = self.config.n_winners
        room = None if limit is None else limit - len(self.winners)
        new = _contest(steps, v.cpu().numpy(), self._step + 1, self._allowed, room, self.config)
        self.winners += new
        self._step += 1
        mask = torch.zeros(self.shape, dtype=torch.bool)
        for winner in new:
            mask[winner[1:]] = True
        mask = mask.to(spikes.device).view(spikes.shape)
        return spikes * mask, mask

    def new_stimulus(self) -> None:
        """End the current stimulus, if any, and begin the next one.

        The thresholds adapt to the current stimulus (`adapt_thresholds`), and the inhibition is
        cleared.
        """
        if self._step:
            won = torch.tensor([w.map for w in self.winners], dtype=torch.int64)
            wins = torch.bincount(won, minlength=self.shape[0])
            self.thresholds = adapt_thresholds(self.thresholds, wins, self.config)
            self.wins += wins
            self._window_wins += wins
            self._window += 1
        self._begin()

    def revive_dead(
        self,
        weight: Tensor,
        generator: torch.Generator | None = None,
        bounds: tuple[float, float] = (0.0, 1.0),
    ) -> list[int]:
        """Every `dead_after` stimuli, add noise to the weights of the maps that rarely won.

        A map is dead if it has fewer than ``dead_share * dead_after`` wins. Counting then starts
        again. Call this method after `new_stimulus()`. It returns the maps that were revived.
        """
        if self._window < self.config.dead_after:
            return []
        dead = (self._window_wins < self.config.dead_share * self._window).nonzero()[:, 0]
        self._window_wins.zero_()
        self._window = 0
        if len(dead):
            revive(weight, dead.to(weight.device), self.config, generator, bounds)
        return dead.tolist()
