"""Evolution strategies: weights are changed at random, and moved to where returns are higher.

No gradient is needed, so any neuron can be trained, at the cost of a forward pass.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jarvis.control.environments import Task
from jarvis.control.policy import Policy
from jarvis.control.runs import MOST, PolicyRun
from jarvis.control.trained import Trained
from jarvis.support.checks import check_integer, check_number
from jarvis.training import TrainingError, distributed, train
from jarvis.training.run import History


@dataclass(frozen=True)
class EvolutionSettings:
    """Numbers of an evolution strategy.

    Each update draws `directions` random directions d in the space of all weights, and plays one
    episode with ``theta + noise d`` and one with ``theta - noise d``, from the same start. The
    `best` directions are those whose better return is highest. With returns r+ and r-, and their
    standard deviation s::

        theta <- theta + rate / (best s) sum (r+ - r-) d

    Args:
        directions: number of directions of an update.
        best: how many of them count.
        noise: standard deviation of the weights that are tried.
        rate: size of an update.
        ranked: whether returns are replaced by their ranks among all of the update, from -1/2 to
            1/2: then it does not matter how much better a return is.

    Raises:
        ValueError: for a number out of range.

    Source: Mania, Guy & Recht 2018, NeurIPS 31 (augmented random search, V2-t); antithetic pairs
    and ranks: Salimans et al. 2017, arXiv:1703.03864.

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


#: What has been found to work, by environment.
EVOLUTION: dict[str, EvolutionSettings] = {
    "CartPole-v1": EvolutionSettings(8, 8, 0.2, 0.1),
    "Acrobot-v1": EvolutionSettings(8, 8, 0.2, 0.1),
    "Pendulum-v1": EvolutionSettings(16, 8, 0.1, 0.1),
}


class EvolutionRun(PolicyRun):
    """A run of an evolution strategy: `jarvis.training.train` drives it, saves it and resumes it.

    A batch is an update, and an epoch is `every` updates, followed by an evaluation. All random
    numbers follow from the seed and the number of the update, and results do not depend on how many
    processes there are, so a resumed run ends with the same weights, bit for bit.

    Under torchrun the processes share the episodes of every update, on one machine or several.

    Args:
        task: the environment.
        policy: what the network is.
        settings: of the strategy; None for those of the environment in `EVOLUTION`.
        budget: control steps of training episodes after which the run ends. Evaluations do not
            count.
        every: updates between two evaluations.
        episodes: episodes of an evaluation.
        target: the run also ends when an evaluation reaches this mean return.
        seed: of everything that is random.
        workers: processes that play.
        arguments: as in `Run`.

    Attributes:
        theta, statistics: the weights and the statistics of observations as they are now.
        best: the weights, statistics and mean return of the best evaluation.
        steps_played: control steps of training so far.
        updates: updates so far.
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
        self.settings = settings or EVOLUTION.get(task.id, EvolutionSettings())
        super().__init__(
            task, policy, budget=budget, every=every, episodes=episodes, target=target, seed=seed,
            workers=workers, arguments=arguments,
        )  # fmt: skip

    def settings_of(self) -> dict[str, Any]:
        return asdict(self.settings)

    def update(self) -> tuple[float, int]:
        """One update; returns the mean return of its episodes, and their steps.

        Raises:
            TrainingError: if a return is not finite.
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
    """How far an update moves the weights.

    Args:
        plus, minus: returns with the directions added and subtracted ``[N]``.
        directions: ``[N, n_parameters]``.
        settings: of the strategy; N need not be its `directions`.

    Returns:
        the change of the weights ``[n_parameters]``; 0 if all returns that count are equal.

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
        the policy of the best evaluation, and the history: for each epoch "steps", "return" with
        its standard deviation, "length", "train_return" (mean over the policies that were tried),
        "rate" (spikes per neuron and ms) and "operations" (synaptic operations per control step).

    Raises:
        ValueError: for an option out of range.
        MissingPackageError: if the environment is not installed.
        CheckpointError: for a `resume` that is missing, corrupted, or of another run.

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
