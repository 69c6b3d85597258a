"""An episode as a film: a GIF that shows the behaviour of a policy."""

import math
import os
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from jarvis.control.environments import Task
from jarvis.control.requirements import MissingPackageError
from jarvis.control.trained import Trained, held_out_seeds
from jarvis.support.checks import check_integer, check_number, check_type
from jarvis.support.files import atomic_path, check_replaceable, check_suffix

#: Values of MUJOCO_GL with which gymnasium can draw.
RENDERERS = ("egl", "glfw", "osmesa")


class RenderError(RuntimeError):
    """The environment cannot be drawn on this machine; the message suggests a remedy."""


def film(
    trained: Trained,
    path: str | Path,
    *,
    task: Task | None = None,
    seconds: float = 10.0,
    fps: int = 20,
    width: int = 320,
    seed: int = 0,
) -> float:
    """Play an episode and write it as a GIF.

    Without a screen, MuJoCo draws through EGL: ``MUJOCO_GL=egl`` is set unless the variable already
    has a value.

    Args:
        trained: the policy.
        path: path of the GIF.
        task: another task of the same shape; None for the task that the policy was trained on.
        seconds: maximum simulated time in seconds.
        fps: most frames per second. Each frame is shown for a whole number of control steps, so
            that the film runs at the speed of the simulation.
        width: width of the frames in pixels.
        seed: seed of the episode.

    Returns:
        the sum of rewards over the part of the episode that is shown.

    Raises:
        RenderError: if the environment cannot be drawn here.
        OSError: if the file cannot be written.
        ValueError: for a number out of range, or a path of a file in another format.
        TypeError: for a policy that is not a `Trained`, or a task that is not a `Task`.
    """
    check_type("film: trained", trained, Trained)
    if task is not None:
        check_type("film: task", task, Task)
    check_number("film: seconds", seconds, "s", above=0)
    check_integer("film: fps", fps, at_least=1, at_most=50)
    check_integer("film: width", width, at_least=16, at_most=4096)
    check_suffix(path, ".gif")
    check_replaceable(Path(path))
    total, frames, times = 0.0, [], []
    for frame, time, reward in _frames(trained, task or trained.task, seconds, fps, seed):
        total += reward
        if frame is not None:
            frames.append(_picture(frame, width))
            times.append(time)
    times.append(times[-1] + (times[-1] - times[-2] if times[1:] else 1.0 / fps))
    with atomic_path(Path(path)) as part:
        frames[0].save(
            part, format="GIF", save_all=True, append_images=frames[1:], loop=0,
            duration=durations(times),
        )  # fmt: skip
    return total


def durations(times: Sequence[float]) -> list[int]:
    """The durations of frames in ms; GIF counts hundredths of a second.

    They are rounded so that errors do not add up.

    Args:
        times: the time in seconds at which each frame begins, and the end of the last one.

    Example:
        >>> durations([0.0, 0.025, 0.05, 0.075, 0.1])
        [20, 30, 30, 20]
    """
    ticks = [round(100 * time) for time in times]
    return [10 * (after - before) for before, after in pairwise(ticks)]


def _frames(
    trained: Trained, task: Task, seconds: float, fps: int, seed: int
) -> Iterator[tuple[np.ndarray | None, float, float]]:
    """After each control step, yield a frame, if one is due, the time in s, and the reward."""
    try:
        env = task.make(render_mode="rgb_array")
    except MissingPackageError:
        raise
    except ValueError as error:
        raise RenderError(f"{task.id} cannot be drawn: {error}") from error
    drawn_by = os.environ.get("MUJOCO_GL", "egl")
    if hasattr(env.unwrapped, "mujoco_renderer") and drawn_by not in RENDERERS:
        env.close()
        raise RenderError(
            f"{task.id} cannot be drawn: MUJOCO_GL={drawn_by!r} is set, and gymnasium draws with "
            f"{', '.join(RENDERERS)}"
        )
    try:
        player, (start,) = trained.player(), held_out_seeds(seed, 1)
        player.reset(start)
        observation, _ = env.reset(seed=start)
        dt = step_seconds(env)
        yield _drawn(env, task), 0.0, 0.0
        every = math.ceil(1.0 / (fps * dt) - 1e-9)  # control steps per frame
        over, k = False, 0
        while not over and k * dt < seconds:
            observation, reward, ended, cut, _ = env.step(player.act(observation))
            over, k = ended or cut, k + 1
            yield _drawn(env, task) if k % every == 0 else None, k * dt, float(reward)
    finally:
        env.close()


def step_seconds(env: Any) -> float:
    """Simulated duration of one control step of an environment, s."""
    inner = env.unwrapped
    for name in ("dt", "tau"):
        value = getattr(inner, name, None)
        if isinstance(value, float) and value > 0:
            return value
    return 1.0 / env.metadata.get("render_fps", 30)


def _drawn(env: Any, task: Task) -> np.ndarray:
    try:
        frame = env.render()
    except Exception as error:  # drivers may raise any exception
        words = " ".join(str(error).split()) or type(error).__name__
        raise RenderError(
            f"{task.id} cannot be drawn here: {words}. Without a screen, set MUJOCO_GL=egl, which "
            "needs libEGL, or MUJOCO_GL=osmesa, which needs libOSMesa"
        ) from error
    if frame is None:
        raise RenderError(f"{task.id} gives no frames")
    return np.asarray(frame)


def _picture(frame: np.ndarray, width: int) -> Any:
    from PIL import Image

    picture = Image.fromarray(frame)
    height = max(1, round(picture.height * width / picture.width))
    picture = picture.resize((width, height), Image.Resampling.LANCZOS)
    return picture.quantize(64, dither=Image.Dither.NONE)
