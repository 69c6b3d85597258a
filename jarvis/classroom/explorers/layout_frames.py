"""Frames of a spatial network's training, as arrays, and the delays of a neuron in a frame."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from jarvis.classroom.explorers.views import check_integer
from jarvis.spatial.delays import euclidean_delays


class LayoutFilm(NamedTuple):
    """The neuron positions of a spatial network during training."""

    epochs: np.ndarray  #: ``[F]``
    inputs: np.ndarray  #: ``[F, n_in, D]`` ms
    hidden: np.ndarray  #: ``[F, n_hidden, D]`` ms


def _checked(film: LayoutFilm, name: str) -> LayoutFilm:
    """Return the film; raise ValueError if its arrays do not match or it has no frame."""
    shapes = {part: value.shape for part, value in zip(film._fields, film, strict=True)}
    epochs, inputs, hidden = shapes.values()
    fits = len(epochs) == 1 and len(inputs) == len(hidden) == 3
    if not fits or not (epochs[0] == inputs[0] == hidden[0] >= 1 and inputs[2] == hidden[2] >= 1):
        raise ValueError(
            f"{name}: epochs [F], inputs [F, n_in, D] and hidden [F, n_hidden, D] with F and D of "
            f"at least 1 are needed, not {shapes}"
        )
    if not all(np.isfinite(part).all() for part in film):
        raise ValueError(f"{name}: positions or epochs contain NaN or infinite values")
    return film


def film_of_run(frames: Sequence[dict[str, Any]], batches_per_epoch: int) -> LayoutFilm:
    """A film of the frames in ``run.kept["frames"]``; see `jarvis.spatial.record_layout`.

    Args:
        frames: each with "steps" and "positions" (``[n, D]``, ms: one array for the inputs, one
            for the hidden neurons).
        batches_per_epoch: number of batches per epoch in this run.

    Raises:
        ValueError: if there is no frame, or if positions do not match.
    """
    if not frames:
        raise ValueError("film_of_run: there is no frame: call record_layout during training")
    positions = [
        np.stack([f["positions"][k].detach().cpu().numpy() for f in frames]) for k in (0, 1)
    ]
    epochs = np.array([frame["steps"] / batches_per_epoch for frame in frames])
    return _checked(LayoutFilm(epochs, *positions), "film_of_run")


def film_of_file(path: str | Path) -> LayoutFilm:
    """A film stored as JSON, such as ``results/shd/layout.json``: epochs, inputs and hidden.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if the file does not contain a film.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"film_of_file: path={str(path)!r} does not exist")
    data = json.loads(path.read_text())
    if missing := [name for name in LayoutFilm._fields if name not in data]:
        raise ValueError(f"film_of_file: {path.name} has no {', '.join(missing)}")
    parts = (np.array(data[name], dtype=float) for name in LayoutFilm._fields)
    return _checked(LayoutFilm(*parts), f"film_of_file: {path.name}")


@dataclass(frozen=True, kw_only=True)
class LayoutSettings:
    """A frame of a film, and one of its hidden neurons."""

    film: LayoutFilm
    frame: int = 0
    neuron: int = 0


class LayoutView(NamedTuple):
    """One frame, seen from one hidden neuron. Positions have at most three dimensions."""

    epoch: float
    inputs: np.ndarray  #: ``[n_in, D]`` ms
    hidden: np.ndarray  #: ``[n_hidden, D]`` ms
    path: np.ndarray  #: ``[frame + 1, D]`` positions of the neuron up to this frame, ms
    delays: np.ndarray  #: ``[n_in]`` delays from every input to the neuron, in all dimensions, ms
    before: np.ndarray  #: ``[n_in]`` the same delays in the first frame
    reach: float  #: all coordinates in all frames are between -reach and reach, ms
    longest: float  #: longest delay of this neuron in any frame, ms


def compute_layout(settings: LayoutSettings) -> LayoutView:
    """A frame of a film, and the delays of one hidden neuron in this frame.

    A delay is the distance between two positions, see `euclidean_delays`. A film does not include
    limits on delays, or the factor that some networks learn for each synapse (net "DeEPS").

    Raises:
        ValueError: for a frame or a neuron that is not in the film; the message gives the range.

    Example:
        >>> film = LayoutFilm(np.zeros(1), np.zeros((1, 2, 2)), np.array([[[3.0, 4.0]]]))
        >>> compute_layout(LayoutSettings(film=film)).delays.round(2).tolist()
        [5.0, 5.0]
    """
    epochs, inputs, hidden = settings.film
    check_integer(settings, "frame", 0, len(epochs) - 1)
    check_integer(settings, "neuron", 0, hidden.shape[1] - 1)
    at, neuron = settings.frame, settings.neuron
    senders = torch.from_numpy(inputs)
    own = torch.from_numpy(hidden[:, neuron : neuron + 1])
    delays = euclidean_delays(senders, own)[..., 0].numpy()  # in all frames
    reach = max(1e-3, float(np.abs(inputs).max()), float(np.abs(hidden).max()))
    return LayoutView(
        float(epochs[at]), inputs[at, :, :3], hidden[at, :, :3], hidden[: at + 1, neuron, :3],
        delays[at], delays[0], reach, float(delays.max()),
    )  # fmt: skip
