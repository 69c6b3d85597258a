"""Tasks: gymnasium's environments by id, with options that make them harder, as plain data."""

import importlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from jarvis.control.policy import Policy
from jarvis.control.requirements import INSTALL, MissingPackageError, required
from jarvis.control.spaces import Actions, observation_size
from jarvis.support.checks import (
    check_choice,
    check_flag,
    check_integer,
    check_integers,
    check_number,
    check_type,
)

RENDER_MODES = ("rgb_array", "human")
#: MuJoCo's bodies whose models have a camera named "track", which follows the body.
_FOLLOWED = ("HalfCheetah", "Swimmer", "Hopper", "Walker2d", "Ant", "Humanoid")


@dataclass(frozen=True)
class Task:
    """An environment and how it is used in training. It holds plain values and can be pickled.

    The environment in training may differ from the one in evaluation: `training` contains the
    options that apply only in training, such as a reward without a bonus for staying alive.

    Args:
        id: gymnasium's name of the environment, such as "CartPole-v1" or "HalfCheetah-v5".
        options: options of the environment.
        training: additional options in training.
        training_steps: maximum number of steps of an episode in training; None for the
            environment's own limit.
        hide_velocities: whether velocities are removed from the observations.
        lost: indices of the observations to set to 0; hidden velocities are not counted.
        noise: standard deviation of Gaussian noise added to each observation, in the unit of the
            observation.
        delay: number of control steps by which actions are delayed.
        mass: factor on all masses.

    Raises:
        ValueError: for a value out of range.
        TypeError: for options that are not a mapping, or a flag that is not True or False.

    Example:
        >>> Task("CartPole-v1", hide_velocities=True, delay=1).delay
        1
    """

    id: str
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    training_steps: int | None = None
    hide_velocities: bool = False
    lost: tuple[int, ...] = ()
    noise: float = 0.0
    delay: int = 0
    mass: float = 1.0

    def __post_init__(self) -> None:
        if not isinstance(self.id, str) or not self.id:
            raise ValueError(f"Task: id={self.id!r} must be the name of an environment")
        if self.training_steps is not None:
            check_integer("Task: training_steps", self.training_steps, at_least=1)
        for name in ("options", "training"):
            check_type(f"Task: {name}", getattr(self, name), Mapping)
        check_flag("Task: hide_velocities", self.hide_velocities)
        lost = check_integers("Task: lost", self.lost, at_least=0)
        object.__setattr__(self, "lost", lost)
        check_number("Task: noise", self.noise, at_least=0)
        check_integer("Task: delay", self.delay, at_least=0, at_most=10_000)
        check_number("Task: mass", self.mass, above=0)

    def changed(self, **values: Any) -> "Task":
        """A copy with some fields changed."""
        return replace(self, **values)

    def make(self, *, training: bool = False, render_mode: str | None = None) -> Any:
        """The environment.

        Args:
            training: whether to use the options of `Task.training`.
            render_mode: None, "rgb_array" (frames for a film) or "human" (a window). The camera
                follows the bodies of MuJoCo that move along.

        Raises:
            MissingPackageError: if gymnasium, or a package that this environment needs, is not
                installed.
            ValueError: for an unknown id, or an option that does not fit the environment.
        """
        from jarvis.control import wrappers

        options = {**self.options, **(self.training if training else {})}
        if render_mode is not None:
            check_choice("render_mode", render_mode, RENDER_MODES)
            options["render_mode"] = render_mode
            if self.id.split("-")[0] in _FOLLOWED:
                options.setdefault("camera_name", "track")
        env = _make(self.id, options)
        if self.mass != 1.0:
            env = wrappers.ChangedMass(env, self.mass)
        if self.hide_velocities:
            env = wrappers.HiddenVelocities(env)
        if self.noise:
            env = wrappers.SensorNoise(env, self.noise)
        if self.lost:  # after the noise: a lost sensor shows exactly 0
            env = wrappers.LostSensors(env, self.lost)
        if self.delay:
            env = wrappers.ActionDelay(env, self.delay)
        return env

    def policy(self, **options: Any) -> Policy:
        """A `Policy` for this environment.

        Args:
            **options: options of the `Policy`, such as ``neuron="alif"``.

        Raises:
            ValueError: for an environment whose observations or actions a policy cannot handle.
        """
        env = self.make()
        try:
            n, actions = observation_size(env.observation_space), Actions.of(env.action_space)
        finally:
            env.close()
        return Policy(n, actions, **options)


#: The default tasks, by environment. Ant and Humanoid observe positions and velocities, but not the
#: forces of contacts (78 numbers) nor, for Humanoid, inertias, velocities of centres of mass and
#: forces of actuators (225 numbers). Ant is trained without a bonus for staying alive and without
#: early termination, in episodes of 15 s. HalfCheetah is trained in episodes of 12.5 s, so that
#: there are four times as many updates with the same number of steps.
TASKS: dict[str, Task] = {
    task.id: task
    for task in (
        Task("CartPole-v1"),
        Task("Acrobot-v1"),
        Task("Pendulum-v1"),
        Task("HalfCheetah-v5", training_steps=250),
        Task("Swimmer-v5"),
        Task("Hopper-v5", training={"healthy_reward": 0.0}),
        Task("Walker2d-v5", training={"healthy_reward": 0.0}),
        Task(
            "Ant-v5",
            {"include_cfrc_ext_in_observation": False},
            {"terminate_when_unhealthy": False, "healthy_reward": 0.0},
            300,
        ),
        Task(
            "Humanoid-v5",
            {
                "include_cinert_in_observation": False,
                "include_cvel_in_observation": False,
                "include_qfrc_actuator_in_observation": False,
                "include_cfrc_ext_in_observation": False,
            },
        ),
    )
}


def task(id: str, **changes: Any) -> Task:
    """The task of this name from `TASKS`, or a task with the environment's own options.

    Args:
        id: gymnasium's name of an environment. Without a version, it is the version in `TASKS`.
        **changes: fields of the `Task` to change.

    Example:
        >>> task("Ant-v5", delay=2).training_steps
        300
        >>> task("Ant").id
        'Ant-v5'
    """
    for known in TASKS.values():
        if id in (known.id, known.id.rpartition("-v")[0]):
            return known.changed(**changes)
    return Task(id, **changes)


def _make(id: str, options: Mapping[str, Any]) -> Any:
    gymnasium = required("gymnasium")
    renderer = os.environ.get("MUJOCO_GL")
    if options.get("render_mode") == "rgb_array" and "DISPLAY" not in os.environ:
        os.environ.setdefault("MUJOCO_GL", "egl")  # read when mujoco is first imported
        os.environ.setdefault("SDL_VIDEODRIVER", "dummy")
    if "render_mode" in options:
        # Mesa's drivers and Triton each bring LLVM. If Triton (which optimisers of PyTorch import)
        # is loaded after the first drawing, Python crashes; in the other order, both work.
        with suppress(ImportError):
            importlib.import_module("triton")
    try:
        with _quiet_models():
            return gymnasium.make(id, disable_env_checker=True, **options)
    except gymnasium.error.DependencyNotInstalled as error:
        text = str(error).splitlines()[0]
        advice = f"{INSTALL} ({text})" if "mujoco" in text.lower() else text
        raise MissingPackageError(f"{id} needs further packages: {advice}") from None
    except gymnasium.error.Error as error:
        raise ValueError(f"env={id!r}: {' '.join(str(error).split())}") from None
    except (TypeError, AttributeError, ImportError, RuntimeError) as error:
        line = " ".join(str(error).split())
        if renderer:  # values that do not fit the machine bring errors that do not name it
            line += f" (MUJOCO_GL={renderer} is set; unset it unless you need it)"
        raise ValueError(f"env={id!r} with {dict(options)}: {line}") from error


@contextmanager
def _quiet_models() -> Iterator[None]:
    """Keep MuJoCo from writing warnings about model files to the terminal and to a log file.

    The models belong to gymnasium, and MuJoCo's advice on them is meant for gymnasium's developers.
    """
    try:
        mujoco: Any = importlib.import_module("mujoco")
    except ImportError:
        mujoco = None
    if not hasattr(mujoco, "set_mju_user_warning"):
        yield
        return
    before = mujoco.get_mju_user_warning()
    mujoco.set_mju_user_warning(lambda message: None)
    try:
        yield
    finally:
        mujoco.set_mju_user_warning(before)
