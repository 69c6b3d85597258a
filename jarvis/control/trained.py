"""A policy with its weights and the statistics of its observations: the result of training."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from jarvis.control.candidates import Player
from jarvis.control.environments import Task
from jarvis.control.policy import Policy, SpikingPolicy
from jarvis.control.rollouts import Crew, Episodes
from jarvis.control.spaces import Actions
from jarvis.control.statistics import ObservationStatistics
from jarvis.support.checks import check_integer, check_number
from jarvis.training import CheckpointError, checkpoint_file, load_checkpoint
from jarvis.training.checkpoints import check_state, entry


@dataclass
class Trained:
    """A policy that has been trained on a task.

    Args:
        task: the environment.
        policy: the network.
        theta: the policy's weights ``[n_parameters]``.
        statistics: statistics of the policy's observations.
    """

    task: Task
    policy: Policy
    theta: np.ndarray
    statistics: ObservationStatistics

    def player(self, dtype: str = "float32") -> Player:
        """The policy ready to act."""
        return Player(self.policy, self.theta, self.statistics, dtype)

    def module(self, backend: str = "auto") -> SpikingPolicy:
        """The policy as a PyTorch module."""
        return SpikingPolicy(self.policy, self.theta, self.statistics, backend=backend)

    def evaluate(
        self, episodes: int = 100, *, seed: int = 0, task: Task | None = None, workers: int = 1
    ) -> Episodes:
        """Play episodes of the task with its evaluation options.

        Args:
            episodes: number of episodes.
            seed: seed of the environments; the same seed gives the same episodes.
            task: another task of the same shape, such as one with noise; None for the policy's own
                task.
            workers: number of processes.
        """
        check_integer("evaluate: episodes", episodes, at_least=1)
        with Crew(task or self.task, self.policy, workers=workers) as crew:
            return crew.play(
                np.tile(self.theta, (episodes, 1)), held_out_seeds(seed, episodes), self.statistics
            )

    def without(self, share: float, seed: int = 0) -> "Trained":
        """A copy in which a share of the neurons of each hidden layer is silenced.

        Args:
            share: share of the neurons to silence, from 0 to 1.
            seed: seed of the random choice of neurons.

        Raises:
            ValueError: for a share outside [0, 1], or a negative seed.
        """
        check_number("without: share", share, at_least=0, at_most=1)
        check_integer("without: seed", seed, at_least=0)
        rng, theta = np.random.default_rng((seed, 5)), self.theta.copy()
        parts = self.policy.unpacked(theta)
        for k, n in enumerate(self.policy.hidden):
            dead = rng.permutation(n)[: round(share * n)]
            after = f"synapses{k + 1}" if k + 1 < len(self.policy.hidden) else "readout"
            for name in (after, f"recurrent{k}"):
                if name in parts:
                    parts[name][dead] = 0.0
        return Trained(self.task, self.policy, theta, self.statistics)


def held_out_seeds(seed: int, n: int) -> list[int]:
    """Seeds of n episodes that neither training nor the choice of the best policy uses.

    Example:
        >>> set(held_out_seeds(0, 100)) & set(choice_seeds(0, 100))
        set()
    """
    check_integer("seed", seed, at_least=0)
    return np.random.default_rng((seed, 6)).integers(1 << 32, 1 << 33, size=n).tolist()


def choice_seeds(seed: int, n: int) -> list[int]:
    """Seeds of n episodes by which the best policy of a run is chosen."""
    return np.random.default_rng((seed, 4)).integers(1 << 31, 1 << 32, size=n).tolist()


def plain(thing: Any) -> dict[str, Any]:
    """A policy, a task or settings (a dataclass) as plain values, for a checkpoint."""

    def simple(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {str(k): simple(v) for k, v in value.items()}
        if isinstance(value, tuple | list):
            return [simple(v) for v in value]
        if isinstance(value, np.ndarray | torch.Tensor | np.generic):
            return value.tolist()
        return value

    return simple(asdict(thing))


def contents(
    theta: np.ndarray, statistics: ObservationStatistics, prefix: str = ""
) -> dict[str, torch.Tensor]:
    """Weights and statistics as tensors, for a checkpoint."""
    return {
        f"{prefix}theta": torch.tensor(theta),
        f"{prefix}mean": torch.tensor(statistics.mean),
        f"{prefix}squares": torch.tensor(statistics.squares),
        f"{prefix}count": torch.tensor(statistics.count, dtype=torch.float64),
    }


def restored(
    content: Mapping[str, torch.Tensor], prefix: str = ""
) -> tuple[np.ndarray, ObservationStatistics]:
    """Weights and statistics restored from the tensors that `contents` returned."""
    theta, mean, squares, count = (
        content[f"{prefix}{name}"].numpy().copy() for name in ("theta", "mean", "squares", "count")
    )
    return theta, ObservationStatistics(mean, squares, float(count))


def load_trained(path: str | Path) -> Trained:
    """The policy in a checkpoint or in the output folder of a run.

    In an output folder, the best checkpoint is loaded if there is one.

    Raises:
        CheckpointError: if the checkpoint is missing or damaged, or does not contain a policy.
    """
    path = Path(path)
    if path.is_dir():
        best = path / "checkpoint_best.pt"
        path = best if best.is_file() else checkpoint_file(path)
    content = load_checkpoint(path)
    run = entry(content, "run", dict, path)
    try:
        policy, task = _policy(run["policy"]), _from(Task, run["task"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} is not from a run of train_control.py: {error}") from error
    empty = ObservationStatistics.empty(policy.n_observations)
    own = contents(np.zeros(policy.n_parameters), empty)
    weights = entry(content, "weights", dict, path)
    loaded = check_state({name: weights.get(name) for name in own}, own, path, "policy")
    theta, statistics = restored(loaded)
    return Trained(task, policy, theta, statistics)


def _policy(values: Any) -> Policy:
    return cast(Policy, _from(Policy, {**values, "actions": Actions(**values["actions"])}))


def _from(kind: type, values: Any) -> Any:
    known = {f.name for f in fields(kind)}
    given = {k: tuple(v) if isinstance(v, list) else v for k, v in dict(values).items()}
    if given.keys() != known:
        raise ValueError(f"{kind.__name__} has {', '.join(sorted(known))}")
    return kind(**given)
