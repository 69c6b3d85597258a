"""Learning from reward by STDP: a policy whose synapses change while it acts.

Pairs of spikes leave eligibility traces. A reward prediction error, such as dopamine neurons seem
to signal, turns these traces into weight changes.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jarvis.control.candidates import MOST_SEED, loop_of
from jarvis.control.environments import Task
from jarvis.control.policy import Policy
from jarvis.control.rollouts import fitting
from jarvis.control.runs import PolicyRun, check_run
from jarvis.control.statistics import ObservationStatistics, statistics_of
from jarvis.control.trained import plain
from jarvis.control.wrappers import Finite
from jarvis.kernels.candidates import learn
from jarvis.neurons.decay import exp_decay
from jarvis.stdp import PairSTDP, ThreeFactorSTDP
from jarvis.support.checks import check_integer, check_number, check_type
from jarvis.training import TrainingError


def _rule() -> ThreeFactorSTDP:
    pair = PairSTDP(a_plus=1e-3, a_minus=1e-3, tau_plus=8.0, tau_minus=8.0)
    return ThreeFactorSTDP(pair=pair, tau_eligibility=40.0)


@dataclass(frozen=True)
class RewardSettings:
    """Hyperparameters of a policy that learns from reward.

    Each choice is represented by a group of neurons. The groups inhibit each other, and the group
    that sends the most spikes in a control step determines the choice. A critic predicts the return
    from the activities A of the encoders, and the prediction error delta serves as the reward in
    the learning rule of the synapses::

        V = w A                                                 (0 after the end)
        delta = reward + discount V(after) - V(before)
        z <- discount decay z + A(before);  w <- w + critic_rate delta z

    Args:
        rule: the learning rule of the synapses between encoders and neurons, which also sets the
            bounds of their weights.
        discount: discount factor of later rewards, per control step.
        decay: decay factor of the critic's eligibility trace, per control step.
        critic_rate: learning rate of the critic.
        inhibition: the amount by which a spike reduces the input of neurons of other groups, one
            step later.

    Raises:
        ValueError: for a value out of range, or an unsupported rule. The rule has to take steps of
            1 ms, count pairs of all spikes, count two spikes in the same step as causal, and have
            hard bounds and no `tau_reward`.
        TypeError: for a rule that is not a `ThreeFactorSTDP`.

    Source: Fremaux, Sprekeler & Gerstner 2013, PLoS Comput. Biol. 9(4):e1003024, for a spiking
    actor that learns from the critic's prediction error.
    """

    rule: ThreeFactorSTDP = field(default_factory=_rule)
    discount: float = 0.95
    decay: float = 0.8
    critic_rate: float = 0.01
    inhibition: float = 0.03

    def __post_init__(self) -> None:
        check_type("rule", self.rule, ThreeFactorSTDP)
        pair = self.rule.pair
        usual = (pair.interaction, pair.bounds, pair.same_step) == ("all", "hard", "causal")
        if not usual or self.rule.tau_reward is not None or pair.dt != 1.0:
            raise ValueError(
                "rule: it has to count pairs of all spikes, with hard bounds, same_step='causal', "
                "dt=1 (the steps of a policy last 1 ms) and no tau_reward"
            )
        check_number("discount", self.discount, at_least=0, at_most=1)
        check_number("decay", self.decay, at_least=0, at_most=1)
        check_number("critic_rate", self.critic_rate, at_least=0)
        check_number("inhibition", self.inhibition, at_least=0)


def reward_policy(task: Task, *, neuron: str = "escape_lif", group: int = 10, **options: Any):
    """A policy that can learn from reward, with encoders and a group of neurons for each choice.

    Args:
        task: an environment with choices.
        neuron: kind of neuron; a noisy neuron provides exploration.
        group: number of neurons for each choice.
        **options: further options of the `Policy`.

    Raises:
        ValueError: for an environment with forces, a neuron that does not fire, or a number of
            neurons below 1.
        TypeError: for a task that is not a `Task`.
    """
    check_type("task", task, Task)
    check_integer("group", group, at_least=1)
    n = task.policy(neuron="linear").actions
    if not n.discrete:
        raise ValueError(f"{task.id} has forces: learning from reward needs choices")
    usual = dict(code="population", recurrent=True, readout="rate", drive=0.03)
    policy = task.policy(neuron=neuron, hidden=(group * n.n,), **{**usual, **options})
    _check(policy)
    return policy


def _check(policy: Policy) -> None:
    """Raise ValueError for a policy that cannot learn from reward."""
    wanted = dict(code="population", recurrent=True, readout="rate", persistent=True)
    for name, value in wanted.items():
        if getattr(policy, name) != value:
            raise ValueError(f"policy: {name}={getattr(policy, name)!r} must be {value!r}")
    if not policy.actions.discrete or len(policy.hidden) != 1:
        raise ValueError("policy: learning from reward needs choices and one layer of neurons")
    if policy.hidden[0] % policy.actions.n:
        raise ValueError(
            f"policy: {policy.hidden[0]} neurons cannot form {policy.actions.n} equal groups"
        )
    if not policy.fires:
        raise ValueError(f"policy: {policy.neuron} does not fire, and STDP needs spikes")


class RewardLearner:
    """A policy whose synapses change while it acts, in a compiled loop.

    `tests/control/test_reward_learning.py` checks it against `SpikingPolicy` and
    `jarvis.stdp.ThreeFactorSTDP`.

    Args:
        policy: a policy made by `reward_policy`.
        settings: settings of the learner.

    Attributes:
        synapses: the plastic weights ``[inputs, neurons]``; `begin` sets them.

    Raises:
        ValueError: for a policy that cannot learn from reward.
        TypeError: for a policy or settings of another type.
    """

    def __init__(self, policy: Policy, settings: RewardSettings) -> None:
        check_type("policy", policy, Policy)
        check_type("settings", settings, RewardSettings)
        _check(policy)
        self.policy, self.settings = policy, settings
        made, layer, numbers, lanes, rest = loop_of(policy)
        self._learn = learn(made, np.dtype(np.float64))
        n, n_inputs, rule = policy.hidden[0], policy.n_inputs, settings.rule
        self.synapses, self._fixed = np.zeros((n_inputs, n)), np.zeros(n + n * n)
        fields = np.concatenate([np.broadcast_to(x, n) for x in rest])
        self._rest = np.concatenate([fields, np.zeros(n + n_inputs)])
        self._state = self._rest.copy()
        self._traces = np.zeros(n_inputs + n + n_inputs * n)
        self._eligibility = self._traces[n_inputs + n :].reshape(n_inputs, n)
        self._counts, self._scratch = np.zeros(n), np.zeros(2 * n_inputs + 2 * n)
        self._u, self._lanes = np.array(made.numbers(numbers)), np.array(lanes, float).reshape(-1)
        pair = rule.pair
        self._decay = float(exp_decay(rule.tau_eligibility, pair.dt))
        self._numbers = np.array(
            [
                layer.gain * policy.drive, layer.offset, exp_decay(pair.tau_plus, pair.dt),
                exp_decay(pair.tau_minus, pair.dt), self._decay, pair.a_plus, pair.a_minus,
                pair.w_min, pair.w_max,
            ]
        )  # fmt: skip
        self._whole = np.array(
            [n_inputs, n, len(made.present), policy.steps, layer.steps, made.noisy, 0, 0], np.int64
        )

    def begin(self, theta: np.ndarray, seed: int = 0) -> None:
        """Begin an episode with these weights ``[n_parameters]``, at rest and without traces.

        Raises:
            ValueError: for weights of another number, or a seed out of range.
        """
        check_integer("begin: seed", seed, at_least=0, at_most=MOST_SEED)
        parts = self.policy.unpacked(np.asarray(theta, float))
        self.synapses[:] = parts["synapses0"]
        n = self.policy.hidden[0]
        self._fixed[:n], self._fixed[n:] = parts["biases0"], parts["recurrent0"].reshape(-1)
        self._state[:], self._traces[:] = self._rest, 0.0
        self._whole[6:] = seed, 0

    def act(self, activities: np.ndarray, reward: float = 0.0) -> int:
        """Take a control step.

        Args:
            activities: activities of the encoders ``[inputs]``.
            reward: the reward since the previous control step; it acts in the first 1-ms step.

        Returns:
            the choice.

        Raises:
            ValueError: for another number of activities, or a reward that is not finite.
        """
        if not math.isfinite(reward):
            raise ValueError(f"act: reward={reward} must be finite")
        if np.shape(activities) != (self.policy.n_inputs,):
            raise ValueError(
                f"act: activities must be [inputs={self.policy.n_inputs}]; "
                f"got shape {np.shape(activities)}"
            )
        self._scratch[: len(activities)] = activities
        self._learn(
            self._u, self._lanes, self.synapses.reshape(-1), self._fixed, self._state, self._traces,
            self._counts, self._scratch, self._numbers, reward, self._whole,
        )  # fmt: skip
        groups = self._counts.reshape(self.policy.actions.n, -1).sum(1)
        return self.policy.actions.start + int(groups.argmax())

    def end(self, reward: float) -> None:
        """End the episode with a final reward, in a step without spikes.

        Raises:
            ValueError: for a reward that is not finite.
        """
        check_number("end: reward", reward)
        pair = self.settings.rule.pair
        self._eligibility *= self._decay
        changed = self.synapses + reward * self._eligibility
        self.synapses[:] = np.clip(changed, pair.w_min, pair.w_max)


class Encoders:
    """The activities that the encoders of a population code add to their potentials at each step.

    Args:
        policy: a policy with a population code.
        statistics: statistics of the observations.
    """

    def __init__(self, policy: Policy, statistics: ObservationStatistics) -> None:
        seen = statistics_of("Encoders: statistics", statistics, policy.n_observations)
        self._centre, self._scale = seen.centre, seen.scale
        self._clip, self._fields = policy.clip, policy.centres() / policy.width
        self._width = policy.width

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """The activities ``[inputs]`` for an observation ``[n_observations]``."""
        z = (observation - self._centre) * self._scale
        z = np.minimum(np.maximum(z, -self._clip), self._clip) / self._width
        apart = z[:, None] - self._fields
        return np.exp(-0.5 * (apart * apart)).reshape(-1)


class RewardRun(PolicyRun):
    """A run that learns from reward by STDP: `jarvis.training.train` drives it.

    A batch is an episode in which the policy learns. During evaluations, synapses do not change.

    Args:
        task: an environment with choices.
        policy: a policy made by `reward_policy`.
        settings: settings of the learner.
        budget, every, episodes, target, seed, workers, arguments: as in `EvolutionRun`.

    Attributes:
        critic: the weights of the critic ``[inputs]``.
    """

    kind = "reward_policy"

    def __init__(
        self,
        task: Task,
        policy: Policy,
        *,
        settings: RewardSettings | None = None,
        budget: int = 100_000,
        every: int = 100,
        episodes: int = 20,
        target: float | None = None,
        seed: int = 0,
        workers: int = 1,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        check_run(task, policy, settings, RewardSettings)
        _check(policy)
        self.settings = settings or RewardSettings()
        super().__init__(
            task, policy, budget=budget, every=every, episodes=episodes, target=target, seed=seed,
            workers=workers, arguments=arguments,
        )  # fmt: skip
        self.critic = np.zeros(policy.n_inputs)
        self._learner = RewardLearner(policy, self.settings)
        self._env: Any = None

    def close(self) -> None:
        super().close()
        if self._env is not None:
            self._env.close()
            self._env = None

    def first_weights(self) -> np.ndarray:
        """Synapses near the middle of their bounds, fixed inhibition, and a read-out by groups."""
        policy, pair = self.policy, self.settings.rule.pair
        rng, theta = np.random.default_rng((self.seed, 1)), np.zeros(policy.n_parameters)
        parts = policy.unpacked(theta)
        middle, half = (pair.w_max + pair.w_min) / 2, (pair.w_max - pair.w_min) / 2
        shape = parts["synapses0"].shape
        parts["synapses0"][:] = middle + half * rng.uniform(-0.1, 0.1, shape)
        group = np.arange(policy.hidden[0]) // (policy.hidden[0] // policy.actions.n)
        other = group[:, None] != group
        parts["recurrent0"][:] = np.where(other, -self.settings.inhibition / policy.drive, 0.0)
        parts["readout"][:] = group[:, None] == np.arange(policy.actions.n)
        return theta

    def settings_of(self) -> dict[str, Any]:
        return plain(self.settings)

    def own(self) -> dict[str, Tensor]:
        return {"critic": torch.tensor(self.critic)}

    def load_own(self, content: Mapping[str, Tensor]) -> None:
        self.critic = content["critic"].numpy().copy()

    def update(self) -> tuple[float, int]:
        """Play an episode and learn from it.

        Raises:
            TrainingError: if a reward, a prediction error or the critic is not finite.
            FloatingPointError: if an observation is not finite.
        """
        if self._env is None:
            self._env = Finite(fitting(self.task, self.policy, training=True))
        env, learner, options, policy = self._env, self._learner, self.settings, self.policy
        rng = np.random.default_rng((self.seed, 2, self.updates))
        start, noise = (int(x) for x in rng.integers(1 << 31, size=2))
        learner.begin(self.theta, noise)
        observation, _ = env.reset(seed=start)
        seen, encode = [observation], Encoders(policy, self.statistics)
        now = encode(observation)
        z, delta, total = np.zeros_like(now), 0.0, 0.0
        limit = self.task.training_steps or 1 << 62
        for _ in range(limit):
            observation, reward, ended, cut, _ = env.step(learner.act(now, delta))
            total += float(reward)
            after = encode(observation)
            seen.append(observation)
            value = 0.0 if ended else self.critic @ after
            delta = float(reward + options.discount * value - self.critic @ now)
            z = options.discount * options.decay * z + now
            self.critic = self.critic + options.critic_rate * delta * z
            now = after
            if ended or cut or not np.isfinite(delta):
                break
        if not np.isfinite([total, delta]).all() or not np.isfinite(self.critic).all():
            raise TrainingError(
                f"the return or the critic is not finite in episode {self.updates + 1}: "
                f"{self.advice}, or lower critic_rate"
            )
        learner.end(delta)
        self.theta = self.theta.copy()
        policy.unpacked(self.theta)["synapses0"][:] = learner.synapses
        self.statistics = self.statistics.copy()
        self.statistics.add(np.array(seen, float))
        return total, len(seen) - 1
