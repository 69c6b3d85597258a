"""Evolution strategies: weights are changed at random, and moved to where returns are higher.

No gradient is needed, so any neuron can be trained, at the cost of a forward pass.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jarvis.control.environments import Task
from jarvis.control.policy import Policy
from jarvis.control.rollouts import Crew, Episodes
from jarvis.control.statistics import ObservationStatistics
from jarvis.control.trained import Trained, choice_seeds, contents, plain, restored
from jarvis.support.checks import check_integer, check_number
from jarvis.training import Run, TrainingError, distributed, train
from jarvis.training.checkpoints import check_state, number
from jarvis.training.run import History

#: Length of a run in epochs that no budget of steps reaches: the budget ends it.
_ENDLESS = 1 << 30


#: Largest number of directions of an update, and of episodes of an evaluation.
MOST = 10_000


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


class EvolutionRun(Run):
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
    advice = "check the rewards of the environment for NaN"
    unit = "step"

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
        super().__init__(_ENDLESS, 1, seed, arguments)
        check_integer("seed", seed, at_least=0)
        self.task, self.policy = task, policy
        self.settings = settings or EVOLUTION.get(task.id, EvolutionSettings())
        self.budget = check_integer("budget", budget, at_least=1)
        self.every = check_integer("every", every, at_least=1)
        self.episodes = check_integer("episodes", episodes, at_least=1, at_most=MOST)
        self.target = None if target is None else check_number("target", target)
        self.crew = Crew(task, policy, workers=workers)
        self.theta = policy.initial(seed)
        self.statistics = ObservationStatistics.empty(policy.n_observations)
        self.best = (self.theta, self.statistics, -math.inf)
        self.steps_played = self.updates = 0
        self.reached = False
        self._sums = [0.0, 0.0]  # returns and steps of the epoch
        self._last, self._seconds = 0, 0.0  # steps of the last update; time of the epoch

    def close(self) -> None:
        """End its processes."""
        self.crew.close()

    def __enter__(self) -> "EvolutionRun":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- progress

    @property
    def n_samples(self) -> int:
        return self.every

    @property
    def finished(self) -> bool:
        return self.steps_played >= self.budget or self.reached

    @property
    def steps_done(self) -> int:
        return self.updates

    def progress(self) -> tuple[int, int]:
        return self.steps_played, self.budget

    def advanced(self) -> int:
        return self._last

    def shown(self, loss: float) -> dict[str, str]:
        return {"return": f"{loss:.1f}"}

    def where(self) -> str:
        return f"update {self.updates}, step {self.steps_played} of {self.budget}"

    def steps(self) -> Iterator[float]:
        while self.done < self.every and self.steps_played < self.budget:
            value = self.learn(torch.tensor([self.done]))
            self.done += 1
            yield value

    # -- learning

    def learn(self, index: Tensor) -> float:
        """One update; returns the mean return of its episodes.

        Raises:
            TrainingError: if a return is not finite.
        """
        started = time.perf_counter()
        options, n = self.settings, self.settings.directions
        rng = np.random.default_rng((self.seed, 2, self.updates))
        directions = rng.normal(size=(n, self.policy.n_parameters))
        seeds = rng.integers(1 << 31, size=n)
        mine = distributed.share(n)
        moved = options.noise * directions[mine]
        episodes = self._played(
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
        self._last = episodes.steps
        self.steps_played += episodes.steps
        self.updates += 1
        mean = float(episodes.returns.mean())
        self._sums = [self._sums[0] + mean, self._sums[1] + episodes.steps]
        self._seconds += time.perf_counter() - started
        return mean

    def _played(
        self, total: int, rows: list[int], thetas: np.ndarray, seeds: Any, *, training: bool
    ) -> Episodes:
        """Episodes of all processes; this one plays those of `rows`."""
        mine = self.crew.play(thetas, [int(s) for s in seeds], self.statistics, training=training)
        if distributed.world_size() == 1:
            return mine
        found = Episodes.empty(self.policy, total)
        found.put(rows, mine)
        for part in found.arrays():  # the others have zeros in these rows
            distributed.total_(torch.from_numpy(part))
        return found

    def evaluate(self) -> Episodes:
        """Episodes with the weights as they are, from the same starts every time."""
        seeds = choice_seeds(self.seed, self.episodes)
        share = distributed.share(self.episodes)
        rows = list(range(share.start, share.stop))
        thetas = np.tile(self.theta, (len(rows), 1))
        return self._played(self.episodes, rows, thetas, seeds[share], training=False)

    def end_epoch(self) -> dict[str, Any]:
        played = self.evaluate()
        steps, policy = max(played.steps, 1), self.policy
        updates = max(self.done, 1)
        neurons = policy.steps * max(sum(policy.hidden), 1)
        value = float(played.returns.mean())
        metrics = {
            "steps": self.steps_played,
            "return": value,
            "return_std": float(played.returns.std()),
            "length": float(played.lengths.mean()),
            "train_return": self._sums[0] / updates,
            "rate": float(played.fired[:, 1:].sum() / (steps * neurons)),
            "operations": policy.operations(played.fired.sum(0), steps),
        }
        if value > self.best[2]:
            self.best = (self.theta.copy(), self.statistics, value)
        self.reached = self.target is not None and value >= self.target
        self.epoch, self.done = self.epoch + 1, 0
        return metrics

    def record(self, metrics: dict[str, Any]) -> bool:
        """Append an epoch; True if its return is the best so far."""
        before = [epoch["return"] for epoch in self.history.epochs]
        self.history.epochs.append({"epoch": self.epoch} | metrics)
        better = not before or metrics["return"] > max(before)
        self.history.bad_epochs = 0 if better else self.history.bad_epochs + 1
        self.history.best_epoch = self.epoch if better else self.history.best_epoch
        return better

    def line(self, metrics: Mapping[str, Any]) -> str:
        fast = self._sums[1] / self._seconds if self._seconds > 0 else 0.0
        self._sums, self._seconds = [0.0, 0.0], 0.0
        return (
            f"epoch={self.epoch} steps={metrics['steps']} return={metrics['return']:.1f} "
            f"(+- {metrics['return_std']:.1f}) length={metrics['length']:.0f} "
            f"rate={metrics['rate']:.3f} steps_per_second={fast:.0f}"
        )

    def summary(self) -> dict[str, Any]:
        return {
            "epochs": self.history.epochs,
            "best_epoch": self.history.best_epoch,
            "arguments": self.arguments,
        }

    def trained(self, *, best: bool = True) -> Trained:
        """The policy: that of the best evaluation, or as it is now."""
        theta, statistics, _ = self.best if best else (self.theta, self.statistics, 0.0)
        return Trained(self.task, self.policy, theta, statistics)

    # -- checkpoints

    def identity(self) -> dict[str, Any]:
        return super().identity() | {
            "policy": plain(self.policy),
            "task": plain(self.task),
            "settings": asdict(self.settings),
            "every": self.every,
            "episodes": self.episodes,
        }

    def state(self) -> dict[str, Any]:
        now, best = contents(self.theta, self.statistics), contents(*self.best[:2], "best_")
        value = self.best[2] if math.isfinite(self.best[2]) else 0.0
        return {
            "weights": now | best | {"best_return": torch.tensor(value, dtype=torch.float64)},
            "steps_played": self.steps_played,
            "updates": self.updates,
            "sums": list(self._sums),
        }

    def load_state(self, content: dict[str, Any], path: Path) -> list[str]:
        loaded = check_state(content.get("weights"), self.state()["weights"], path, "policy")
        played, updates = number(content, "steps_played", path), number(content, "updates", path)
        sums = [float(x) for x in content["sums"]]
        if len(sums) != 2 or not all(map(math.isfinite, sums)):
            raise ValueError("its sums are not two numbers")
        self.theta, self.statistics = restored(loaded)
        value = float(loaded["best_return"]) if content["history"]["epochs"] else -math.inf
        self.best = (*restored(loaded, "best_"), value)
        self.steps_played, self.updates, self._sums = played, updates, sums
        done = content["history"]["epochs"]
        self.reached = bool(self.target is not None and done and done[-1]["return"] >= self.target)
        return []

    def epochs_recorded(self, history: History) -> int:
        if any("return" not in epoch for epoch in history.epochs):
            return -1
        return super().epochs_recorded(history)


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
