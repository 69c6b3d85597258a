"""Where the neurons of a spatial network sit, drawn, and a film of how they moved."""

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

#: Frames that a film has at most, evenly chosen, and how long each is shown, ms.
FRAMES, FRAME_MS = 80, 120


def record_layout(run: SpatialRun) -> None:
    """Note where the neurons of ``run.model`` are now: a frame in ``run.kept["frames"]``.

    Frames are part of a checkpoint, so that the film of a resumed run has its beginning.

    Raises:
        ValueError: for a network whose neurons have no place.
    """
    places = run.model.delays.positions
    if places is None:
        raise ValueError("record_layout: these delays do not come from places")
    here = [place.detach().cpu().clone() for place in places]
    run.kept.setdefault("frames", []).append({"steps": run.steps_done, "places": here})


def draw_layout(places: Sequence[Tensor], ax: Axes, limit: float | None = None) -> Axes:
    """The input channels, by colour from low to high, and the hidden neurons, in black.

    Args:
        places: ``[n, D]`` of the input and of the hidden population, ms; of more than three
            dimensions the first three are shown.
        ax: where to draw; of projection "3d" for three dimensions and more.
        limit: axes reach from -limit to limit; None: just far enough.
    """
    inputs, hidden = (_seen(place) for place in places)
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


def _seen(place: Tensor) -> np.ndarray:
    shown = place[:, :3].detach().cpu().numpy()
    return np.pad(shown, ((0, 0), (0, 1))) if shown.shape[1] == 1 else shown


def _reach(places: Sequence[np.ndarray]) -> float:
    return 1.05 * max(1e-3, *(float(np.abs(place).max()) for place in places))


def _figure(frame: dict[str, Any], limit: float, batches_per_epoch: int) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    places = frame["places"]
    figure = Figure(figsize=(5, 4.6), dpi=90, layout="constrained")
    FigureCanvasAgg(figure)
    options = {"projection": "3d"} if places[0].shape[1] >= 3 else {}
    ax = draw_layout(places, figure.add_subplot(**options), limit)
    ax.set_title(f"epoch {frame['steps'] / batches_per_epoch:.1f}", fontsize=10)
    return figure


def _limit(frames: Sequence[dict[str, Any]]) -> float:
    return _reach([_seen(place) for frame in frames for place in frame["places"]])


def save_layout(path: Path, frames: Sequence[dict[str, Any]], batches_per_epoch: int) -> None:
    """Write the last frame as a PNG."""
    figure = _figure(frames[-1], _limit(frames), batches_per_epoch)
    with atomic_path(path) as part:
        figure.savefig(part, format="png")


def save_film(path: Path, frames: Sequence[dict[str, Any]], batches_per_epoch: int) -> int:
    """Write frames as an animated GIF; returns how many of them it shows.

    Args:
        path: the file.
        frames: of `record_layout`.
        batches_per_epoch: for the titles.
    """
    from PIL import Image

    which = np.unique(np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int))
    limit = _limit(frames)  # the same in all: what moves is the neurons
    pictures = []
    for index in which:
        figure = _figure(frames[index], limit, batches_per_epoch)
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())[..., :3]  # type: ignore[attr-defined]
        picture = Image.fromarray(np.ascontiguousarray(pixels))
        pictures.append(picture.quantize(64, dither=Image.Dither.NONE))
    durations = [FRAME_MS] * (len(pictures) - 1) + [2000]  # and the last one stays a while
    with atomic_path(path) as part:
        pictures[0].save(
            part, format="GIF", save_all=True, append_images=pictures[1:],
            duration=durations, loop=0,
        )  # fmt: skip
    return len(pictures)


def save_layouts(folder: Path, run: SpatialRun, film: bool) -> None:
    """``layout.png`` of a run as it is, and with `film` ``layout.gif``, in its folder."""
    frames = run.kept.get("frames", [])
    if frames:
        save_layout(folder / "layout.png", frames, run.batches_per_epoch)
        if film:
            save_film(folder / "layout.gif", frames, run.batches_per_epoch)


def draw_delays(delays: Sequence[Tensor], ax: Axes, names: Sequence[str] | None = None) -> Axes:
    """How many synapses have which delay, by connection.

    Args:
        delays: matrices, ms; the diagonal of a square one is no synapse.
        ax: where to draw.
        names: of the connections.
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
