"""Proximal policy optimisation with surrogate gradients, by stable-baselines3.

A spiking network replaces the hidden layers of the actor. The algorithm itself is that of
stable-baselines3; this file adds the network and makes it possible to save a run and resume it bit
for bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jarvis.control.environments import Task
from jarvis.control.policy import Policy, SpikingPolicy
from jarvis.control.requirements import required
from jarvis.control.rollouts import fitting
from jarvis.control.runs import MOST, PolicyRun, check_run
from jarvis.control.statistics import ObservationStatistics
from jarvis.control.trained import plain
from jarvis.control.wrappers import Finite
from jarvis.support.checks import check_flag, check_integer, check_integers, check_number
from jarvis.training import TrainingError, seeded


@dataclass(frozen=True)
class PPOSettings:
    """Hyperparameters of PPO.

    Args:
        n_envs: number of environments, which take their steps one after another.
        n_steps: control steps per environment in an update. Each update begins new episodes, so
            `n_steps` should cover a whole episode.
        batch_size: control steps per gradient step.
        passes: number of passes over the control steps of an update.
        lr: learning rate of Adam.
        discount: discount factor of later rewards, per control step.
        gae: lambda of generalised advantage estimation.
        clip: bound on the relative change of the probability of an action.
        entropy: weight of the entropy of the actions in the loss.
        critic: number of tanh units in each hidden layer of the critic.
        scale_rewards: whether rewards are divided by the standard deviation of returns.

    Raises:
        ValueError: for a number out of range.
        TypeError: for a flag that is not True or False.

    Source: Schulman et al. 2017, arXiv:1707.06347; the implementation is that of Raffin et al.
    2021, JMLR 22(268).
    """

    n_envs: int = 8
    n_steps: int = 512
    batch_size: int = 256
    passes: int = 10
    lr: float = 1e-3
    discount: float = 0.98
    gae: float = 0.9
    clip: float = 0.2
    entropy: float = 0.0
    critic: tuple[int, ...] = (64, 64)
    scale_rewards: bool = False

    def __post_init__(self) -> None:
        check_integer("n_envs", self.n_envs, at_least=1, at_most=MOST)
        check_integer("n_steps", self.n_steps, at_least=2, at_most=1_000_000)
        check_integer("batch_size", self.batch_size, at_least=2)
        check_integer("passes", self.passes, at_least=1)
        check_number("lr", self.lr, above=0)
        for name in ("discount", "gae"):
            check_number(name, getattr(self, name), at_least=0, at_most=1)
        check_number("clip", self.clip, above=0)
        check_number("entropy", self.entropy, at_least=0)
        check_flag("scale_rewards", self.scale_rewards)
        critic = check_integers("critic", self.critic, at_least=1)
        object.__setattr__(self, "critic", critic)


class _Networks(nn.Module):
    """The hidden layers of actor and critic, with the interface that stable-baselines3 expects."""

    def __init__(self, policy: Policy, critic: tuple[int, ...], seed: int) -> None:
        super().__init__()
        self.actor = SpikingPolicy(policy, seed=seed)
        for name in ("readout", "readout_biases"):  # stable-baselines3 has its own read-out
            del self.actor.weights[name]
        layers: list[nn.Module] = []
        before = policy.n_observations
        for n in critic:
            layers += [nn.Linear(before, n), nn.Tanh()]
            before = n
        self.critic = nn.Sequential(*layers)
        self.latent_dim_pi, self.latent_dim_vf = policy.hidden[-1], before

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self.forward_actor(features), self.forward_critic(features)

    def forward_actor(self, features: Tensor) -> Tensor:
        return self.actor.latent(features)

    def forward_critic(self, features: Tensor) -> Tensor:
        return self.critic(features)


class PPORun(PolicyRun):
    """A run of PPO by stable-baselines3: `jarvis.training.train` drives it, saves and resumes it.

    PPO learns from control steps in random order, so the state of the network cannot be kept from
    one control step to the next: the policy must not be `persistent`. The gradient passes through
    the steps within a control step, using the surrogate of the neurons. The critic has tanh units
    and is only used in training.

    Args:
        task: the environment.
        policy: the network, with ``persistent=False``.
        settings: settings of PPO.
        budget, every, episodes, target, seed, workers, arguments: as in `EvolutionRun`, but
            `workers` play only the evaluations.

    Raises:
        MissingPackageError: if stable-baselines3 is not installed.
        ValueError: for a value out of range, or a policy that is persistent, noisy or has no
            neurons.
    """

    kind = "ppo"
    advice = "lower lr"

    def __init__(
        self,
        task: Task,
        policy: Policy,
        *,
        settings: PPOSettings | None = None,
        budget: int = 100_000,
        every: int = 1,
        episodes: int = 20,
        target: float | None = None,
        seed: int = 0,
        workers: int = 1,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        check_run(task, policy, settings, PPOSettings)
        if policy.persistent or not policy.hidden:
            raise ValueError(
                "policy: PPO needs persistent=False (it learns from control steps in a random "
                "order), and hidden neurons"
            )
        if policy.noisy:
            raise ValueError(
                f"policy: PPO compares probabilities of the same action before and after a step of "
                f"learning, and the random spikes of {policy.neuron} would change them as well"
            )
        self.settings = settings or PPOSettings()
        super().__init__(
            task, policy, budget=budget, every=every, episodes=episodes, target=target, seed=seed,
            workers=workers, arguments=arguments,
        )  # fmt: skip
        self._model = self._made()
        self._take()

    def _made(self) -> Any:
        """The algorithm of stable-baselines3 with this policy as its actor."""
        required("stable_baselines3")
        from stable_baselines3 import PPO  # type: ignore
        from stable_baselines3.common.logger import Logger  # type: ignore
        from stable_baselines3.common.monitor import Monitor  # type: ignore
        from stable_baselines3.common.policies import ActorCriticPolicy  # type: ignore
        from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize  # type: ignore

        options, seed = self.settings, self.seed
        policy = self.policy

        class Actor(ActorCriticPolicy):
            def _build_mlp_extractor(self) -> None:
                self.mlp_extractor = _Networks(policy, options.critic, seed)

        def make() -> Any:
            env = fitting(self.task, policy, training=True)
            if self.task.training_steps is not None:
                env = required("gymnasium").wrappers.TimeLimit(env, self.task.training_steps)
            if not policy.actions.discrete:
                one = np.ones(policy.actions.n, env.action_space.dtype)
                env = required("gymnasium").wrappers.RescaleAction(env, -one, one)
            return Monitor(Finite(env))

        envs = VecNormalize(
            DummyVecEnv([make] * options.n_envs),
            norm_reward=options.scale_rewards, clip_obs=policy.clip, gamma=options.discount,
        )  # fmt: skip
        with seeded(seed % (1 << 63)):
            model = PPO(
                Actor, envs, learning_rate=options.lr, n_steps=options.n_steps,
                batch_size=options.batch_size, n_epochs=options.passes, gamma=options.discount,
                gae_lambda=options.gae, clip_range=options.clip, ent_coef=options.entropy,
                device="cpu",
            )  # fmt: skip
        model.set_logger(Logger(None, []))
        self._envs: Any = envs
        self._callback = model._init_callback(None)
        envs.training = False  # observations of this reset do not enter the statistics
        model._setup_learn(1, self._callback)
        envs.training = True
        return model

    def close(self) -> None:
        super().close()
        self._envs.close()

    def settings_of(self) -> dict[str, Any]:
        return plain(self.settings)

    def update(self) -> tuple[float, int]:
        """Play episodes and learn from them.

        Returns:
            the mean return of the last 100 episodes that ended, or, if none did, of the episodes
            so far; and the number of control steps.

        Raises:
            TrainingError: if a weight is no longer finite.
            FloatingPointError: if an observation is not finite.
        """
        model, options = self._model, self.settings
        rng = np.random.default_rng((self.seed, 2, self.updates))
        before = np.random.get_state()  # noqa: NPY002  # used by stable-baselines3
        try:
            np.random.seed(int(rng.integers(1 << 31)))  # noqa: NPY002  # order of samples
            torch.manual_seed(int(rng.integers(1 << 31)))  # actions
            self._envs.seed(int(rng.integers(1 << 31)))
            model._last_obs = self._envs.reset()
            model._last_episode_starts = np.ones(options.n_envs, bool)
            model.ep_info_buffer.clear()
            model.collect_rollouts(
                self._envs, self._callback, model.rollout_buffer, options.n_steps
            )
            model.train()
        finally:
            np.random.set_state(before)  # noqa: NPY002
        self._take()
        if not np.isfinite(self.theta).all():
            raise TrainingError(
                f"a weight is not finite after update {self.updates + 1}: {self.advice}"
            )
        returns = [float(episode["r"]) for episode in model.ep_info_buffer]
        if not returns:  # no episode has ended: the rewards so far
            returns = [float(sum(env.rewards)) for env in self._envs.venv.envs]
        return float(np.mean(returns)), options.n_steps * options.n_envs

    def _take(self) -> None:
        """Copy weights and statistics from the algorithm."""
        actor, readout = self._model.policy.mlp_extractor.actor, self._model.policy.action_net
        theta = np.zeros(self.policy.n_parameters)
        for name, part in self.policy.unpacked(theta).items():
            if name == "readout":
                found = readout.weight.t()
            else:
                found = readout.bias if name == "readout_biases" else actor.weights[name]
            part[:] = found.detach().double().numpy()
        seen: Any = self._envs.obs_rms
        count = float(seen.count)
        # stable-baselines3 divides by sqrt(variance + epsilon), and its initial count is slightly
        # above 0.
        squares = (seen.var + self._envs.epsilon) * (count - 1.0)
        self.theta = theta
        self.statistics = ObservationStatistics(
            np.array(seen.mean, float), np.array(squares, float), count
        )

    def own(self) -> dict[str, Tensor]:
        policy, found = self._model.policy, {}
        for name, parameter in policy.named_parameters():
            found[f"model.{name}"] = parameter.detach()
            kept = policy.optimizer.state.get(parameter, {})
            for part in ("exp_avg", "exp_avg_sq"):
                found[f"{part}.{name}"] = kept.get(part, torch.zeros_like(parameter))
            found[f"step.{name}"] = kept.get("step", torch.tensor(0.0)).clone()
        for which in ("obs_rms", "ret_rms"):
            running = getattr(self._envs, which)
            for part in ("mean", "var", "count"):
                value = np.asarray(getattr(running, part), np.float64)
                found[f"{which}.{part}"] = torch.from_numpy(value.copy())
        return found

    def load_own(self, content: Mapping[str, Tensor]) -> None:
        policy = self._model.policy
        with torch.no_grad():
            for name, parameter in policy.named_parameters():
                parameter.copy_(content[f"model.{name}"])
                kept = {
                    part: content[f"{part}.{name}"].clone()
                    for part in ("exp_avg", "exp_avg_sq", "step")
                }
                if kept["step"] > 0:
                    policy.optimizer.state[parameter] = kept
        for which in ("obs_rms", "ret_rms"):
            running = getattr(self._envs, which)
            for part in ("mean", "var", "count"):
                value = content[f"{which}.{part}"].numpy().copy()
                setattr(running, part, float(value) if part == "count" else value)
