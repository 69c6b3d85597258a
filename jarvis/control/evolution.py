"""Evolution strategies: weights are perturbed at random and moved towards higher returns.

No gradient is needed, so any neuron can be trained with forward passes alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jarvis.control.environments import Task
from jarvis.control.policy import Policy
from jarvis.control.runs import MOST, PolicyRun, check_run
from jarvis.control.trained import Trained, plain
from jarvis.support.checks import check_flag, check_integer, check_number
from jarvis.training import TrainingError, distributed, train
from jarvis.training.run import History


@dataclass(frozen=True)
class EvolutionSettings:
    """Hyperparameters of an evolution strategy.

    Each update draws `directions` random directions d in the space of all weights. For each
    direction, it plays one episode with ``theta + noise d`` and one with ``theta - noise d``, from
    the same initial state. Only the `best` directions are used: those for which the larger of the
    two returns is highest. With the returns r+ and r- and their standard deviation s, the update
    is::

        theta <- theta + rate / (best s) sum (r+ - r-) d

    Args:
        directions: number of random directions per update.
        best: number of directions used in the update.
        noise: standard deviation of the perturbation of each weight.
        rate: size of an update.
        ranked: whether returns are replaced by their ranks among all returns of the update, scaled
            to -1/2 to 1/2, so that only their order matters.

    Raises:
        ValueError: for a number out of range.
        TypeError: for a flag that is not True or False.

    Source: Mania, Guy & Recht 2018, NeurIPS 31 (augmented random search, V2-t); antithetic pairs
    and ranks are from Salimans et al. 2017, arXiv:1703.03864.

    Example:
        >>> EvolutionSettings(directions=8).best
        8
    """

    directions: int = 16
    best: int = 8
    noise: float = 0.05
    rate: float = 0.05
    ranked: bool = False

    def __post_init__(self) -> None:
        check_integer("directions", self.directions, at_least=1, at_most=MOST)
        check_integer("best", self.best, at_least=1, at_most=self.directions)
        check_number("noise", self.noise, above=0)
        check_number("rate", self.rate, above=0)
        check_flag("ranked", self.ranked)


#: Settings that work, by environment.
EVOLUTION: dict[str, EvolutionSettings] = {
    "CartPole-v1": EvolutionSettings(8, 8, 0.2, 0.1),
    "Acrobot-v1": EvolutionSettings(8, 8, 0.2, 0.1),
    "Pendulum-v1": EvolutionSettings(16, 8, 0.1, 0.1),
    "HalfCheetah-v5": EvolutionSettings(16, 8, 0.03, 0.03),
    "Ant-v5": EvolutionSettings(16, 8, 0.03, 0.02),
    "Humanoid-v5": EvolutionSettings(32, 16, 0.05, 0.05),
}


class EvolutionRun(PolicyRun):
    """A run of an evolution strategy: `jarvis.training.train` drives it, saves it and resumes it.

    A batch is an update, and an epoch consists of `every` updates, followed by an evaluation. All
    random numbers are determined by the seed and the number of the update, and results do not
    depend on the number of processes, so a resumed run ends with the same weights, bit for bit.

    Under torchrun the processes share the episodes of every update, on one machine or several.

    Args:
        task: the environment.
        policy: the network.
        settings: settings of the strategy; None for the settings of the environment in `EVOLUTION`.
        budget: the run ends after this number of control steps in training; evaluations do not
            count.
        every: number of updates between two evaluations.
        episodes: number of episodes in an evaluation.
        target: the run also ends when an evaluation reaches this mean return.
        seed: seed of all random numbers.
        workers: number of processes that play episodes.
        arguments: as in `Run`.

    Attributes:
        theta, statistics: the current weights and statistics of observations.
        best: the weights, statistics and mean return of the best evaluation.
        steps_played: number of control steps of training so far.
        updates: number of updates so far.
        update_seconds: as in `PolicyRun`.
    """

    kind = "evolution"

    def __init__(
        self,
        task: Task,
        policy: Policy,
        *,
        settings: EvolutionSettings | None = None,
        budget: int = 100_000,
        every: int = 5,
        episodes: int = 20,
        target: float | None = None,
        seed: int = 0,
        workers: int = 1,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        check_run(task, policy, settings, EvolutionSettings)
        self.settings = settings or EVOLUTION.get(task.id, EvolutionSettings())
        super().__init__(
            task, policy, budget=budget, every=every, episodes=episodes, target=target, seed=seed,
            workers=workers, arguments=arguments,
        )  # fmt: skip

    def settings_of(self) -> dict[str, Any]:
        return plain(self.settings)

    def update(self) -> tuple[float, int]:
        """Perform one update; return the mean return of its episodes, and their number of steps.

        Raises:
            TrainingError: if a return is not finite.
            FloatingPointError: if an observation is not finite.
        """
        options, n = self.settings, self.settings.directions
        rng = np.random.default_rng((self.seed, 2, self.updates))
        directions = rng.normal(size=(n, self.policy.n_parameters))
        seeds = rng.integers(1 << 31, size=n)
        mine = distributed.share(n)
        moved = options.noise * directions[mine]
        episodes = self.played(
            2 * n,
            [*range(mine.start, mine.stop), *range(n + mine.start, n + mine.stop)],
            np.concatenate([self.theta + moved, self.theta - moved]),
            np.concatenate([seeds[mine], seeds[mine]]),
            training=True,
        )
        if not np.isfinite(episodes.returns).all():
            raise TrainingError(
                f"a return is not finite in update {self.updates + 1}: {self.advice}"
            )
        self.theta = self.theta + change(episodes.returns[:n], episodes.returns[n:], directions,
                                         options)  # fmt: skip
        about = self.statistics.centre
        self.statistics = self.statistics.copy()
        self.statistics.combine(
            episodes.counts.sum(), episodes.sums.sum(0), episodes.squares.sum(0), about
        )
        return float(episodes.returns.mean()), episodes.steps


def change(
    plus: np.ndarray, minus: np.ndarray, directions: np.ndarray, settings: EvolutionSettings
) -> np.ndarray:
    """The change of the weights in one update.

    Args:
        plus, minus: returns of the episodes with the directions added and subtracted, ``[N]``.
        directions: the random directions ``[N, n_parameters]``.
        settings: settings of the strategy; N may differ from `settings.directions`.

    Returns:
        the change of the weights ``[n_parameters]``; 0 if all returns that are used are equal.

    Example:
        >>> options = EvolutionSettings(directions=1, best=1, rate=0.1)
        >>> change(np.array([3.0]), np.array([1.0]), np.array([[1.0, -2.0]]), options).tolist()
        [0.2, -0.4]
    """
    if settings.ranked:
        both = np.concatenate([plus, minus])
        _, places, sizes = np.unique(both, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(sizes) - 0.5 * (sizes + 1))[places]  # equal returns share a rank
        plus, minus = np.split(ranks / max(len(both) - 1, 1) - 0.5, 2)
    order = np.argsort(-np.maximum(plus, minus), kind="stable")[: settings.best]
    spread = np.concatenate([plus[order], minus[order]]).std()
    if spread == 0.0:
        return np.zeros(directions.shape[1])
    weights = (plus[order] - minus[order]) * (settings.rate / (len(order) * spread))
    return weights @ directions[order]


def evolve(
    task: Task,
    policy: Policy,
    *,
    settings: EvolutionSettings | None = None,
    budget: int = 100_000,
    every: int = 5,
    episodes: int = 20,
    target: float | None = None,
    seed: int = 0,
    workers: int = 1,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
    log: Callable[[str], None] = print,
) -> tuple[Trained, History]:
    """Train a policy by an evolution strategy.

    Args:
        task, policy, settings, budget, every, episodes, target, seed, workers: as in
            `EvolutionRun`.
        output, resume, progress, log: as in `jarvis.training.train`.

    Returns:
        the policy of the best evaluation, and the history. For each epoch, the history contains
        "steps", "return" with its standard deviation, "length", "train_return" (the mean over the
        perturbed policies), "rate" (spikes per neuron and ms) and "operations" (synaptic operations
        per control step).

    Raises:
        ValueError: for an option out of range.
        MissingPackageError: if the environment is not installed.
        CheckpointError: for a `resume` that is missing, corrupted, or from another run.

    Example:
        >>> from jarvis.control import task
        >>> pole = task("CartPole-v1")
        >>> brain = pole.policy(hidden=(8,))
        >>> trained, history = evolve(pole, brain, budget=20_000, target=475, progress=False,
        ...                           log=lambda line: None)
        >>> bool(trained.evaluate(10).returns.mean() > 100)
        True
    """
    distributed.start(torch.device("cpu"))
    with EvolutionRun(
        task, policy, settings=settings, budget=budget, every=every, episodes=episodes,
        target=target, seed=seed, workers=workers,
    ) as run:  # fmt: skip
        train(run, output=output, resume=resume, progress=progress, log=log)
        return run.trained(), run.history
