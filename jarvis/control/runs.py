"""A run that trains a policy by letting it act: the code that all learners have in common.

`jarvis.training.train` drives it, saves it and resumes it. A batch is an update, and an epoch
consists of several updates, followed by an evaluation.
"""

import math
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from jarvis.control.environments import Task
from jarvis.control.policy import Policy
from jarvis.control.rollouts import Crew, Episodes
from jarvis.control.statistics import ObservationStatistics
from jarvis.control.trained import Trained, choice_seeds, contents, plain, restored
from jarvis.support.checks import check_integer, check_number, check_type
from jarvis.training import Run, distributed
from jarvis.training.checkpoints import check_state, number
from jarvis.training.run import History

#: Largest number of directions in an update and of episodes in an evaluation.
MOST = 10_000

#: Nominal number of epochs of a run, which is never reached: the budget of steps ends the run
#: first.
_ENDLESS = 1 << 30


def check_run(task: Any, policy: Any, settings: Any, wanted: type) -> None:
    """Raise a TypeError for a task, a policy or settings of the wrong type.

    Args:
        task, policy: should be a `Task` and a `Policy`.
        settings: should be None or of the class `wanted`.
    """
    check_type("task", task, Task)
    check_type("policy", policy, Policy)
    if settings is not None:
        check_type("settings", settings, wanted)


class PolicyRun(Run):
    """A run that trains a policy. A subclass defines `update`.

    Args:
        task: the environment.
        policy: the network.
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
        update_seconds: processor time of the updates, s. It includes the time before a run was
            resumed. It does not include the first update after each start, which may compile a
            loop, nor the time of other processes (`workers`, torchrun), nor what older versions,
            which did not store it, spent before a resumption.
    """

    advice = "check the rewards of the environment for NaN"
    unit = "step"

    def __init__(
        self,
        task: Task,
        policy: Policy,
        *,
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
        self.budget = check_integer("budget", budget, at_least=1)
        self.every = check_integer("every", every, at_least=1)
        self.episodes = check_integer("episodes", episodes, at_least=1, at_most=MOST)
        self.target = None if target is None else check_number("target", target)
        self.crew = Crew(task, policy, workers=workers)
        self.theta = self.first_weights()
        self.statistics = ObservationStatistics.empty(policy.n_observations)
        self.best = (self.theta, self.statistics, -math.inf)
        self.steps_played = self.updates = 0
        self.reached = False
        self._sums = [0.0, 0.0]  # returns and steps of the epoch
        self.update_seconds = 0.0
        self._last = 0  # steps of the last update
        self._updates_here = 0  # by this process
        # Steps of the epoch's updates and their time, without the first update, if there are others
        self._speed = [0.0, 0.0]

    # -- defined by each learner

    def first_weights(self) -> np.ndarray:
        """The initial weights ``[n_parameters]``."""
        return self.policy.initial(self.seed)

    def update(self) -> tuple[float, int]:
        """Change `theta` and `statistics`; return the mean return and the number of steps taken."""
        raise NotImplementedError

    def settings_of(self) -> dict[str, Any]:
        """The settings of the learner as plain values, which are part of the run's identity."""
        raise NotImplementedError

    def own(self) -> dict[str, Tensor]:
        """The state of the learner besides the weights, for a checkpoint."""
        return {}

    def load_own(self, content: Mapping[str, Tensor]) -> None:
        """Restore what `own` returned."""

    def close(self) -> None:
        """End the run's processes."""
        self.crew.close()

    def __enter__(self) -> Self:
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
        """Perform one update; the result is the mean return of its episodes."""
        started, used = time.perf_counter(), time.process_time()
        mean, steps = self.update()
        now = time.perf_counter()
        self._last = steps
        self.steps_played += steps
        self.updates += 1
        self._sums = [self._sums[0] + mean, self._sums[1] + steps]
        if self._updates_here == 1:  # the first update is left out, as there are others
            self._speed = [0.0, 0.0]
        self._speed = [self._speed[0] + steps, self._speed[1] + now - started]
        if self._updates_here:
            self.update_seconds += time.process_time() - used
        self._updates_here += 1
        return mean

    def played(
        self, total: int, rows: list[int], thetas: np.ndarray, seeds: Any, *, training: bool
    ) -> Episodes:
        """Play episodes in all processes; this process plays those of `rows`."""
        mine = self.crew.play(thetas, [int(s) for s in seeds], self.statistics, training=training)
        if distributed.world_size() == 1:
            return mine
        found = Episodes.empty(self.policy, total)
        found.put(rows, mine)
        for part in found.arrays():  # other processes have zeros in these rows
            distributed.total_(torch.from_numpy(part))
        return found

    def evaluate(self) -> Episodes:
        """Play episodes with the current weights, from the same initial states every time."""
        seeds = choice_seeds(self.seed, self.episodes)
        share = distributed.share(self.episodes)
        rows = list(range(share.start, share.stop))
        thetas = np.tile(self.theta, (len(rows), 1))
        return self.played(self.episodes, rows, thetas, seeds[share], training=False)

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
        """Append an epoch to the history; True if the epoch's return is the best so far."""
        before = [epoch["return"] for epoch in self.history.epochs]
        self.history.epochs.append({"epoch": self.epoch} | metrics)
        better = not before or metrics["return"] > max(before)
        self.history.bad_epochs = 0 if better else self.history.bad_epochs + 1
        self.history.best_epoch = self.epoch if better else self.history.best_epoch
        return better

    def line(self, metrics: Mapping[str, Any]) -> str:
        fast = self._speed[0] / self._speed[1] if self._speed[1] > 0 else 0.0
        self._sums, self._speed = [0.0, 0.0], [0.0, 0.0]
        rate = f"rate={metrics['rate']:.3f} " if self.policy.fires else ""
        return (
            f"epoch={self.epoch} steps={metrics['steps']} return={metrics['return']:.1f} "
            f"(+- {metrics['return_std']:.1f}) length={metrics['length']:.0f} "
            f"{rate}steps_per_second={fast:.0f}"
        )

    def summary(self) -> dict[str, Any]:
        return {
            "epochs": self.history.epochs,
            "best_epoch": self.history.best_epoch,
            "update_seconds": self.update_seconds,
            "arguments": self.arguments,
        }

    def trained(self, *, best: bool = True) -> Trained:
        """The policy with the weights of the best evaluation, or with the current weights."""
        theta, statistics, _ = self.best if best else (self.theta, self.statistics, 0.0)
        return Trained(self.task, self.policy, theta, statistics)

    # -- checkpoints

    def identity(self) -> dict[str, Any]:
        return super().identity() | {
            "policy": plain(self.policy),
            "task": plain(self.task),
            "settings": self.settings_of(),
            "every": self.every,
            "episodes": self.episodes,
        }

    def state(self) -> dict[str, Any]:
        now, best = contents(self.theta, self.statistics), contents(*self.best[:2], "best_")
        value = self.best[2] if math.isfinite(self.best[2]) else 0.0
        return {
            "weights": now
            | best
            | {"best_return": torch.tensor(value, dtype=torch.float64)}
            | self.own(),
            "steps_played": self.steps_played,
            "updates": self.updates,
            "update_seconds": self.update_seconds,
            "sums": list(self._sums),
        }

    def load_state(self, content: dict[str, Any], path: Path) -> list[str]:
        loaded = check_state(content.get("weights"), self.state()["weights"], path, "policy")
        played, updates = number(content, "steps_played", path), number(content, "updates", path)
        sums = [float(x) for x in content["sums"]]
        seconds = float(content.get("update_seconds", 0.0))  # older checkpoints have none
        if len(sums) != 2 or not all(map(math.isfinite, sums)):
            raise ValueError("its sums are not two numbers")
        if not 0.0 <= seconds < math.inf:
            raise ValueError(f"its update_seconds are {seconds}")
        self.theta, self.statistics = restored(loaded)
        value = float(loaded["best_return"]) if content["history"]["epochs"] else -math.inf
        self.best = (*restored(loaded, "best_"), value)
        self.load_own(loaded)
        self.steps_played, self.updates, self._sums = played, updates, sums
        self.update_seconds = seconds
        done = content["history"]["epochs"]
        self.reached = bool(self.target is not None and done and done[-1]["return"] >= self.target)
        return []

    def epochs_recorded(self, history: History) -> int:
        if any("return" not in epoch for epoch in history.epochs):
            return -1
        return super().epochs_recorded(history)
