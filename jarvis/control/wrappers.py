"""Wrappers that make an environment harder: noise, delay, lost sensors, hidden velocities, masses.

They work with any environment that follows gymnasium's interface.
"""

from collections import deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from jarvis.control.requirements import required
from jarvis.control.spaces import idle_action, observation_size
from jarvis.support.checks import check_integer, check_integers, check_number

if TYPE_CHECKING:  # an optional package
    from gymnasium import ObservationWrapper, Wrapper  # type: ignore
    from gymnasium.utils import RecordConstructorArgs  # type: ignore
else:
    try:
        from gymnasium import ObservationWrapper, Wrapper
        from gymnasium.utils import RecordConstructorArgs
    except ImportError:

        class RecordConstructorArgs:
            """A placeholder for gymnasium's class, which is not installed."""

            def __init__(self, **arguments: Any) -> None:
                required("gymnasium")

        class Wrapper:
            """A placeholder for gymnasium's class, which is not installed."""

            def __init__(self, env: Any) -> None:
                required("gymnasium")

        class ObservationWrapper(Wrapper):
            """A placeholder for gymnasium's class, which is not installed."""


#: Which observations are velocities, for environments that do not provide these indices.
VELOCITIES: dict[str, tuple[int, ...]] = {
    "CartPole-v0": (1, 3),
    "CartPole-v1": (1, 3),
    "Acrobot-v1": (4, 5),
    "Pendulum-v1": (2,),
    "MountainCar-v0": (1,),
    "MountainCarContinuous-v0": (1,),
}


class Finite(ObservationWrapper, RecordConstructorArgs):
    """Raises a FloatingPointError for an observation that is not finite."""

    def __init__(self, env: Any) -> None:
        RecordConstructorArgs.__init__(self)
        super().__init__(env)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """The observation, unchanged."""
        if not np.isfinite(observation).all():
            raise FloatingPointError("an observation is not finite")
        return observation


class SensorNoise(ObservationWrapper, RecordConstructorArgs):
    """Adds Gaussian noise to every observation.

    A noisy observation can have any value, so the bounds of the observations are infinite.

    Args:
        env: the environment.
        std: standard deviation, in the units of the observations; one number, or one per
            observation.

    Raises:
        ValueError: for a standard deviation that is negative or not finite, or for a wrong number
            of them.
    """

    def __init__(self, env: Any, std: float | Sequence[float] = 0.1) -> None:
        RecordConstructorArgs.__init__(self, std=std)
        super().__init__(env)
        shape = (observation_size(env.observation_space),)
        for value in np.asarray(std, object).reshape(-1).tolist():
            check_number("SensorNoise: std", value, at_least=0)
        self.std = np.asarray(std, float)
        if self.std.ndim and self.std.shape != shape:
            raise ValueError(
                f"SensorNoise: std must be one number or one per observation, {list(shape)}; got "
                f"shape {list(self.std.shape)}"
            )
        self.observation_space = _box(np.full(shape, -np.inf), np.full(shape, np.inf), np.float64)
        self._rng = np.random.default_rng()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Begin an episode; the seed also determines the noise."""
        if seed is not None:
            self._rng = np.random.default_rng((seed, 1))
        return super().reset(seed=seed, options=options)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """The observation with noise."""
        return observation + self.std * self._rng.normal(size=observation.shape)


class ActionDelay(Wrapper, RecordConstructorArgs):
    """Delays actions: an action takes effect several control steps after it is chosen.

    Args:
        env: the environment.
        steps: the delay in control steps.
        first: the action taken until the first chosen action takes effect; None for the middle of
            the range, or the first choice.

    Raises:
        ValueError: for a negative delay, or a first action that the environment does not have.
    """

    def __init__(self, env: Any, steps: int = 1, first: Any = None) -> None:
        RecordConstructorArgs.__init__(self, steps=steps, first=first)
        super().__init__(env)
        self.steps = check_integer("ActionDelay: steps", steps, at_least=0, at_most=10_000)
        space = env.action_space
        if first is None:
            self.first = idle_action(space)
        else:
            self.first = np.asarray(first, space.dtype) if hasattr(space, "low") else first
            if not space.contains(self.first):
                raise ValueError(f"ActionDelay: first={first!r} is not an action in {space}")
        self._waiting: deque[Any] = deque()

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        """Begin an episode."""
        self._waiting = deque([self.first] * self.steps)
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> Any:
        """Take a step with the action that was chosen `steps` steps ago."""
        self._waiting.append(np.copy(action) if isinstance(action, np.ndarray) else action)
        return self.env.step(self._waiting.popleft())


class LostSensors(ObservationWrapper, RecordConstructorArgs):
    """Sets some observations to 0.

    Args:
        env: the environment.
        indices: indices of the observations that are lost, or a single index.

    Raises:
        ValueError: for an index that the environment does not have.
        TypeError: for an index that is not a number.
    """

    def __init__(self, env: Any, indices: int | Sequence[int]) -> None:
        RecordConstructorArgs.__init__(self, indices=indices)
        super().__init__(env)
        space, n = env.observation_space, observation_size(env.observation_space)
        lost = check_integers("LostSensors: indices", indices, at_least=0, at_most=n - 1)
        self.indices = list(lost)
        low, high = space.low.copy(), space.high.copy()
        low[self.indices] = high[self.indices] = 0.0
        self.observation_space = _box(low, high, space.dtype)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """A copy of the observation with zeros in place of the lost ones."""
        observation = np.array(observation)
        observation[self.indices] = 0.0
        return observation


class HiddenVelocities(ObservationWrapper, RecordConstructorArgs):
    """Removes velocities from the observations, so that a policy must infer them from memory.

    Args:
        env: the environment.
        indices: indices of the velocities, or a single index; None to look them up. MuJoCo's
            environments tell which observations are velocities (of joints, and of centres of
            mass), and `VELOCITIES` contains those of the classic environments.

    Raises:
        ValueError: if the indices are unknown, or not those of observations.
        TypeError: for an index that is not a number.
    """

    def __init__(self, env: Any, indices: int | Sequence[int] | None = None) -> None:
        RecordConstructorArgs.__init__(self, indices=indices)
        super().__init__(env)
        space, n = env.observation_space, observation_size(env.observation_space)
        if indices is None:
            indices = _velocities(env)
        hidden = check_integers("HiddenVelocities: indices", indices, at_least=0, at_most=n - 1)
        self.kept = [i for i in range(n) if i not in hidden]
        if not self.kept:
            raise ValueError("HiddenVelocities: no observations are left")
        self.observation_space = _box(space.low[self.kept], space.high[self.kept], space.dtype)

    def observation(self, observation: np.ndarray) -> np.ndarray:
        """The observations that are kept."""
        return observation[self.kept]


class ChangedMass(Wrapper, RecordConstructorArgs):
    """Multiplies the masses in CartPole and Pendulum, or masses and inertias in MuJoCo.

    Args:
        env: the environment.
        factor: factor on the masses.

    Raises:
        ValueError: for a factor that is not positive, or an environment without masses.
    """

    def __init__(self, env: Any, factor: float = 1.5) -> None:
        RecordConstructorArgs.__init__(self, factor=factor)
        super().__init__(env)
        self.factor = check_number("ChangedMass: factor", factor, above=0)
        inner = env.unwrapped
        if hasattr(inner, "model") and hasattr(inner.model, "body_mass"):
            inner.model.body_mass[:] *= factor
            inner.model.body_inertia[:] *= factor
            required("mujoco").mj_setConst(inner.model, inner.data)
        elif hasattr(inner, "masspole"):
            inner.masspole, inner.masscart = inner.masspole * factor, inner.masscart * factor
            inner.total_mass = inner.masspole + inner.masscart
            inner.polemass_length = inner.masspole * inner.length
        elif type(inner).__name__ == "PendulumEnv":
            inner.m *= factor
        else:
            raise ValueError(f"ChangedMass: the masses of {type(inner).__name__} are not known")


def _box(low: np.ndarray, high: np.ndarray, dtype: Any) -> Any:
    """A space of observations with these bounds."""
    return required("gymnasium").spaces.Box(low, high, dtype=dtype)


def _velocities(env: Any) -> Sequence[int]:
    structure = getattr(env.unwrapped, "observation_structure", None)
    if structure is not None:  # the number of observations of each quantity, in their order
        names = [
            name
            for name, n in structure.items()
            if not name.startswith("skipped")
            for _ in range(n)
        ]
        return [i for i, name in enumerate(names) if name in ("qvel", "cvel", "ten_velocity")]
    name = env.spec.id if env.spec is not None else ""
    if name not in VELOCITIES:
        raise ValueError(
            f"HiddenVelocities: it is not known which observations are velocities in "
            f"{name or type(env.unwrapped).__name__}: give indices"
        )
    return VELOCITIES[name]
