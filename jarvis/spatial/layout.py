"""Plots of the neuron positions of a spatial network, and an animation of their training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from jarvis import plotting
from jarvis.spatial.training import SpatialRun
from jarvis.support.files import atomic_path

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Largest number of frames of an animation, at equal intervals, and duration of one frame, ms.
FRAMES, FRAME_MS = 80, 120


def record_layout(run: SpatialRun) -> None:
    """Record the current neuron positions of ``run.model`` as a frame in ``run.kept["frames"]``.

    Frames are part of a checkpoint, so that the animation of a resumed run is complete.

    Raises:
        ValueError: for a network whose neurons have no positions.
    """
    positions = run.model.delays.positions
    if positions is None:
        raise ValueError("record_layout: these delays do not come from positions")
    now = [position.detach().cpu().clone() for position in positions]
    run.kept.setdefault("frames", []).append({"steps": run.steps_done, "positions": now})


def draw_layout(positions: Sequence[Tensor], ax: Axes, limit: float | None = None) -> Axes:
    """Draw the input channels, coloured from low to high, and the hidden neurons in black.

    Args:
        positions: positions ``[n, D]`` of the input and of the hidden population, ms; only the
            first three dimensions are shown.
        ax: the axes to draw on, with projection "3d" for three or more dimensions.
        limit: the axes range from -limit to limit; None: a limit that fits.
    """
    inputs, hidden = (_seen(position) for position in positions)
    limit = _reach([inputs, hidden]) if limit is None else limit
    order = np.linspace(0.0, 1.0, len(inputs))
    ax.scatter(*inputs.T, c=order, cmap="plasma", s=6, label="channels, low to high")  # type: ignore[misc]
    ax.scatter(*hidden.T, color="black", s=14, label="hidden neurons")  # type: ignore[misc]
    box = dict.fromkeys(("xlim", "ylim"), (-limit, limit))
    ax.set(xlabel="x (ms)", ylabel="y (ms)", **box)
    if inputs.shape[1] == 3:
        ax.set(zlabel="z (ms)", zlim=(-limit, limit))
    else:
        ax.set_aspect("equal")
    ax.legend(fontsize=7, loc="upper right")
    return ax


def _seen(position: Tensor) -> np.ndarray:
    shown = position[:, :3].detach().cpu().numpy()
    return np.pad(shown, ((0, 0), (0, 1))) if shown.shape[1] == 1 else shown


def _reach(positions: Sequence[np.ndarray]) -> float:
    return 1.05 * max(1e-3, *(float(np.abs(position).max()) for position in positions))


def _figure(frame: dict[str, Any], limit: float, batches_per_epoch: int) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    positions = frame["positions"]
    figure = Figure(figsize=(5, 4.6), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    options = {"projection": "3d"} if positions[0].shape[1] >= 3 else {}
    ax = draw_layout(positions, figure.add_subplot(**options), limit)
    ax.set_title(f"epoch {frame['steps'] / batches_per_epoch:.1f}", fontsize=10)
    return figure


def _limit(frames: Sequence[dict[str, Any]]) -> float:
    return _reach([_seen(position) for frame in frames for position in frame["positions"]])


def save_layout(path: Path, frames: Sequence[dict[str, Any]], batches_per_epoch: int) -> None:
    """Write the last frame as a PNG."""
    figure = _figure(frames[-1], _limit(frames), batches_per_epoch)
    with atomic_path(path) as part:
        figure.savefig(part, format="png")


def save_film(path: Path, frames: Sequence[dict[str, Any]], batches_per_epoch: int) -> int:
    """Write frames as an animated GIF, and return the number of frames shown.

    Args:
        path: the file.
        frames: the frames that `record_layout` recorded.
        batches_per_epoch: number of batches per epoch, for the titles.
    """
    from PIL import Image

    which = np.unique(np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int))
    limit = _limit(frames)  # the same in all frames
    pictures = []
    for index in which:
        figure = _figure(frames[index], limit, batches_per_epoch)
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        pictures.append(picture.quantize(64, dither=Image.Dither.NONE))
    durations = [FRAME_MS] * (len(pictures) - 1) + [2000]  # the last frame is shown longer
    with atomic_path(path) as part:
        pictures[0].save(
            part, format="GIF", save_all=True, append_images=pictures[1:],
            duration=durations, loop=0,
        )  # fmt: skip
    return len(pictures)


def save_layouts(folder: Path, run: SpatialRun, film: bool) -> None:
    """Write ``layout.png`` with the last frame of a run and, if `film`, also ``layout.gif``."""
    frames = run.kept.get("frames", [])
    if frames:
        save_layout(folder / "layout.png", frames, run.batches_per_epoch)
        if film:
            save_film(folder / "layout.gif", frames, run.batches_per_epoch)


def draw_delays(delays: Sequence[Tensor], ax: Axes, names: Sequence[str] | None = None) -> Axes:
    """Draw a histogram of the synaptic delays of each connection.

    Args:
        delays: matrices of delays, ms; the diagonal of a square matrix is excluded, since it holds
            no synapses.
        ax: the axes to draw on.
        names: labels of the connections.
    """
    shown = []
    for matrix in delays:
        exists = torch.ones_like(matrix, dtype=torch.bool)
        if matrix.shape[0] == matrix.shape[1]:
            exists.fill_diagonal_(False)
        shown.append(matrix.detach()[exists].cpu().numpy())
    colours = (plotting.BLUE, plotting.ORANGE, plotting.GREEN)[: len(shown)]
    labels = list(names or ("input to hidden", "hidden to hidden")[: len(shown)])
    ax.hist(shown, bins=30, stacked=True, color=colours, label=labels)
    ax.set(xlabel="delay (ms)", ylabel="synapses")
    ax.legend(fontsize=7)
    return ax
