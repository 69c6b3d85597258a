"""Episodes of many candidates, in one process or several."""

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from jarvis.control.candidates import DTYPES, MOST_SEED, Candidates
from jarvis.control.environments import Task
from jarvis.control.policy import Policy
from jarvis.control.spaces import Actions, observation_size
from jarvis.control.statistics import ObservationStatistics, statistics_of
from jarvis.support.checks import check_choice, check_flag, check_integer, check_type

#: Number of environments in one process; one call runs the policies of all of them.
SLOTS = 16


@dataclass
class Episodes:
    """The results of episodes, with one row per episode.

    Attributes:
        returns: sum of rewards ``[N]``.
        lengths: number of control steps ``[N]``.
        counts, sums, squares: observations and their moments, as in `Candidates`.
        fired: number of spikes of encoders and layers ``[N, 1 + layers]``.
    """

    returns: np.ndarray
    lengths: np.ndarray
    counts: np.ndarray
    sums: np.ndarray
    squares: np.ndarray
    fired: np.ndarray

    @classmethod
    def empty(cls, policy: Policy, n: int) -> "Episodes":
        """Arrays for n episodes, to be filled."""
        width = policy.n_observations
        return cls(
            np.zeros(n), np.zeros(n), np.zeros(n), np.zeros((n, width)), np.zeros((n, width)),
            np.zeros((n, 1 + len(policy.hidden))),
        )  # fmt: skip

    def arrays(self) -> list[np.ndarray]:
        """All arrays of these results."""
        return [self.returns, self.lengths, self.counts, self.sums, self.squares, self.fired]

    def put(self, rows: Any, other: "Episodes") -> None:
        """Write the results of other episodes into these rows."""
        for mine, its in zip(self.arrays(), other.arrays(), strict=True):
            mine[rows] = its

    @property
    def steps(self) -> int:
        """Total number of control steps of all episodes."""
        return int(self.lengths.sum())


class Arena:
    """Environments of one process, in which candidates play.

    One call computes the actions of all candidates in up to `slots` environments, which then take
    a step one after another. When an episode ends, the next candidate starts in its place. The
    behaviour of a candidate depends only on its weights and its seed, not on other candidates.

    Args:
        task: the environment.
        policy: the network of the candidates.
        training: whether to use the training options of the task.
        slots: number of environments.
        dtype: data type of the weights, "float32" or "float64".

    Raises:
        ValueError: for a number of environments below 1, or an unknown data type.
        TypeError: for something other than a task, a policy or a flag.

    Example:
        >>> from jarvis.control import Task
        >>> task = Task("CartPole-v1")
        >>> policy = task.policy(neuron="linear")
        >>> with Arena(task, policy) as arena:
        ...     found = arena.play(np.zeros((3, policy.n_parameters)), [0, 1, 2])
        >>> bool((found.returns < 15).all())  # always to the left
        True
    """

    def __init__(
        self,
        task: Task,
        policy: Policy,
        *,
        training: bool = False,
        slots: int = SLOTS,
        dtype: str = "float32",
    ) -> None:
        check_type("Arena: task", task, Task)
        check_type("Arena: policy", policy, Policy)
        self.task, self.policy = task, policy
        self.training = check_flag("Arena: training", training)
        self.slots = check_integer("Arena: slots", slots, at_least=1)
        check_choice("Arena: dtype", dtype, DTYPES)
        self.dtype = dtype
        self._candidates: Candidates | None = None
        self._envs: list[Any] = []
        self._limit = task.training_steps if training else None

    def __enter__(self) -> "Arena":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the environments."""
        for env in self._envs:
            env.close()
        self._envs = []

    def _ready(self, n: int) -> tuple[Candidates, list[Any]]:
        n = min(n, self.slots)
        if self._candidates is None or self._candidates.n < n:
            self._candidates = Candidates(self.policy, n, self.dtype)
        while len(self._envs) < n:
            self._envs.append(fitting(self.task, self.policy, training=self.training))
        return self._candidates, self._envs

    def play(
        self,
        thetas: np.ndarray,
        seeds: Sequence[int],
        statistics: ObservationStatistics | None = None,
    ) -> Episodes:
        """Play one episode for each row of weights.

        Args:
            thetas: weights ``[N, n_parameters]``.
            seeds: seeds of the environment and of noisy neurons, one for each episode.
            statistics: statistics that normalise observations; None passes observations on
                unchanged.

        Returns:
            `Episodes`, in the order of the rows.

        Raises:
            ValueError: for weights of a wrong shape, a wrong number of seeds, a negative seed, or a
                policy of another number of observations or other actions than the environment.
            FloatingPointError: if an observation or a policy's output is not finite.
        """
        policy, total = self.policy, len(seeds)
        seeds = [
            check_integer("play: seeds", seed, at_least=0, at_most=MOST_SEED) for seed in seeds
        ]
        if np.shape(thetas) != (total, policy.n_parameters):
            raise ValueError(
                f"thetas must be [N={total} (as many as seeds), {policy.n_parameters}]; got shape "
                f"{np.shape(thetas)}"
            )
        seen = statistics_of("play: statistics", statistics, policy.n_observations)
        found = Episodes.empty(policy, total)
        if not total:
            return found
        candidates, envs = self._ready(total)
        candidates.observe(seen)
        observations, limit = candidates.observations, self._limit or 1 << 62
        discrete, dtype = policy.actions.discrete, np.dtype(policy.actions.dtype)
        step = [env.step for env in envs]
        rows, returns, ages = [0] * len(envs), [0.0] * len(envs), [0] * len(envs)
        upcoming = iter(range(total))

        def begin(slot: int) -> bool:
            row = next(upcoming, None)
            if row is None:
                return False
            seed = seeds[row]
            candidates.theta[slot] = thetas[row]
            candidates.reset(slot, seed)
            observations[slot] = envs[slot].reset(seed=seed)[0]
            rows[slot], returns[slot], ages[slot] = row, 0.0, 0
            return True

        live = [slot for slot in range(min(total, self.slots)) if begin(slot)]
        while live:
            candidates.choose(live)
            over: list[int] = []
            while not over:
                candidates.act()
                actions: Any = (
                    candidates.choices() if discrete else candidates.actions.astype(dtype)
                )
                for slot in live:
                    observation, reward, ended, cut, _ = step[slot](actions[slot])
                    observations[slot] = observation
                    returns[slot] += reward
                    ages[slot] += 1
                    if ended or cut or ages[slot] >= limit:
                        over.append(slot)
            for slot in over:
                row = rows[slot]
                found.returns[row], found.lengths[row] = returns[slot], ages[slot]
                for name in ("counts", "sums", "squares", "fired"):
                    getattr(found, name)[row] = getattr(candidates, name)[slot]
                if not begin(slot):
                    live.remove(slot)
        return found


def fitting(task: Task, policy: Policy, *, training: bool = False) -> Any:
    """The environment of a task, if the policy is made for it.

    Raises:
        ValueError: for a policy with another number of observations or other actions.
    """
    env = task.make(training=training)
    n, actions = observation_size(env.observation_space), Actions.of(env.action_space)
    text = ""
    if n != policy.n_observations:
        text = f"{task.id} has {n} observations, the policy {policy.n_observations}"
    elif (actions.n, actions.discrete) != (policy.actions.n, policy.actions.discrete):
        words = ["choices" if each.discrete else "forces" for each in (actions, policy.actions)]
        text = f"{task.id} has {actions.n} {words[0]}, the policy {policy.actions.n} {words[1]}"
    elif replace(actions, dtype=policy.actions.dtype) != policy.actions:
        text = f"{task.id} has the {actions}, the policy {policy.actions}"
    if text:
        env.close()
        raise ValueError(text)
    return env


class Crew:
    """Processes that play episodes, each in its own arenas; with one worker, no process is started.

    Results do not depend on the number of processes. A program that uses more than one process must
    start under ``if __name__ == "__main__":``, because the processes are spawned.

    Args:
        task, policy, dtype: as in `Arena`.
        workers: number of processes.
    """

    def __init__(
        self, task: Task, policy: Policy, *, workers: int = 1, dtype: str = "float32"
    ) -> None:
        check_type("Crew: task", task, Task)
        check_type("Crew: policy", policy, Policy)
        self.workers = check_integer("Crew: workers", workers, at_least=1)
        self.policy = policy
        self._arenas = _Arenas(task, policy, dtype)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> "Crew":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes and close the environments."""
        self._arenas.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)
            self._pool = None

    def play(
        self,
        thetas: np.ndarray,
        seeds: Sequence[int],
        statistics: ObservationStatistics | None = None,
        *,
        training: bool = False,
    ) -> Episodes:
        """Play episodes as `Arena.play` does, shared among the processes.

        Raises:
            RuntimeError: if a process has died; the message names likely causes.
        """
        if self.workers == 1:
            return self._arenas.of(training).play(thetas, seeds, statistics)
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self.workers,
                multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(self._arenas,),
            )
        total = len(seeds)
        size = max(1, min(SLOTS, -(-total // self.workers)))
        parts = [slice(low, min(low + size, total)) for low in range(0, total, size)]
        found = Episodes.empty(self.policy, total)
        try:
            jobs = [
                self._pool.submit(_play, thetas[part], list(seeds[part]), statistics, training)
                for part in parts
            ]
            for part, job in zip(parts, jobs, strict=True):
                found.put(part, job.result())
        except BrokenProcessPool as error:
            raise RuntimeError(
                "a process that plays episodes has ended: out of memory, or the program does not "
                'start under if __name__ == "__main__":'
            ) from error
        return found


class _Arenas:
    """The arenas of a process, one for training and one for evaluation, created when needed."""

    def __init__(self, task: Task, policy: Policy, dtype: str) -> None:
        self.task, self.policy, self.dtype = task, policy, dtype
        self._made: dict[bool, Arena] = {}

    def of(self, training: bool) -> Arena:
        training = training and bool(self.task.training or self.task.training_steps)
        if training not in self._made:
            self._made[training] = Arena(
                self.task, self.policy, training=training, dtype=self.dtype
            )
        return self._made[training]

    def close(self) -> None:
        for arena in self._made.values():
            arena.close()
        self._made = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_made": {}}


_mine: _Arenas | None = None  # the arenas of a worker process


def _start_worker(arenas: _Arenas) -> None:
    global _mine
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent process handles interrupts
    torch.set_num_threads(1)
    _mine = arenas


def _play(
    thetas: np.ndarray,
    seeds: Sequence[int],
    statistics: ObservationStatistics | None,
    training: bool,
) -> Episodes:
    assert _mine is not None
    return _mine.of(training).play(thetas, seeds, statistics)
