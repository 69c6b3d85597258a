"""Input of an STDP network: images are encoded as edge latencies; recordings are only binned."""

from dataclasses import dataclass

import torch
from torch import Tensor

from jarvis import datasets
from jarvis.datasets.arrays import ArrayDataset
from jarvis.datasets.recordings import EventDataset
from jarvis.datasets.scenes import SceneDataset
from jarvis.encoding.encoders import intensity_to_latency
from jarvis.encoding.events import Events
from jarvis.encoding.filters import (
    difference_of_gaussians,
    filter_images,
    gabor,
    local_normalisation,
)
from jarvis.stdp.recipe import InputConfig, Recipe
from jarvis.support.checks import check_choice

DATASETS = ("digits", "mnist", "nmnist", "satellites", "folder")

_BATCH = 1000  # images filtered together; more would take more memory and save no time


@dataclass(frozen=True)
class Stimuli:
    """A split of a data set as spikes.

    Args:
        events: N samples with units ``(channels, height, width)``, in steps.
        targets: class labels ``[N]``; None if there are no labels.
        n_classes: number of classes; 0 if there are no labels.
        source: one-line description of the data.
        scenes: the generated scenes with their ground truth; None for other data sets.
    """

    events: Events
    targets: Tensor | None
    n_classes: int
    source: str
    scenes: SceneDataset | None = None

    def __repr__(self) -> str:
        return f"{self.events!r}: {self.source}"


def edges(images: Tensor, config: InputConfig) -> Tensor:
    """Filter responses ``[B, channels, H, W]`` to images ``[B, 1, H, W]`` in [0, 1].

    Example:
        >>> edges(torch.rand(2, 1, 16, 16), InputConfig()).shape  # ON and OFF
        torch.Size([2, 2, 16, 16])
    """
    if config.filter == "none":
        found = torch.where(images > config.threshold, images, 0.0)
    else:
        if config.filter == "dog":
            bank = difference_of_gaussians(config.size, config.sigma_center, config.sigma_surround)
        else:
            bank = gabor(config.size, config.sigma_center, config.frequency)
        found = filter_images(images, bank, config.threshold)
    if config.local_normalisation is not None:
        found = local_normalisation(found, config.local_normalisation)
    # Linear latencies need intensities in [0, 1], so the strongest edge is scaled to 1.
    brightness = config.filter == "none" and config.local_normalisation is None
    if config.latency == "linear" and not brightness:
        found = found / found.flatten(1).amax(1).clamp_min(1e-12)[:, None, None, None]
    return found


def picture_events(data: ArrayDataset, config: InputConfig, n_steps: int) -> Events:
    """The edges of images, each as one spike; stronger edges spike earlier.

    Args:
        data: images ``[N, 1, H, W]``.
        config: filters, cut-off, normalisation and the kind of latency.
        n_steps: T, number of time steps.

    Returns:
        events with units ``(channels, H, W)``.

    Example:
        >>> picture_events(datasets.digits("val").subset(3), InputConfig(size=3), n_steps=8).shape
        (2, 8, 8)
    """
    parts = []
    for first in range(0, len(data), _BATCH):
        found = edges(data[first : first + _BATCH][0], config)
        steps = intensity_to_latency(found, n_steps, config.latency)
        parts.append(Events.from_first_steps(steps, n_steps))
    return Events.concatenate(parts)


def load_stimuli(
    name: str,
    split: str,
    recipe: Recipe,
    *,
    folder: str | None = None,
    limit: int | None = None,
    noise: float | None = None,
) -> Stimuli:
    """A split of a data set, encoded as spikes according to `recipe`.

    Args:
        name: one of `DATASETS`.
        split: "train", "val" or "test".
        recipe: only its `n_steps` and `input` are used.
        folder: folder of the images, for the data set "folder".
        limit: number of samples, from the first; None: all, or 500 generated scenes.
        noise: share of the pixels that fire by chance in a frame, for the data set "satellites".

    Raises:
        ValueError: for an unknown data set.
        MissingDataError, CorruptDataError: as raised by the data set's loader in `jarvis.datasets`.
    """
    check_choice("name", name, DATASETS)
    if name == "satellites":
        options = {} if noise is None else {"noise": noise}
        scenes = datasets.satellites(split, n=limit or 500, n_frames=recipe.n_steps, **options)
        source = repr(scenes)
        return Stimuli(scenes.events, None, 0, source, scenes)
    if name == "nmnist":
        recordings: EventDataset = datasets.nmnist(split)
        if limit is not None:
            recordings = recordings.subset(limit)
        events = recordings.events.binned(recipe.n_steps)
        return Stimuli(events, recordings.targets, recordings.n_classes, recordings.source)
    loaders = {"digits": datasets.digits, "mnist": datasets.mnist}
    if name == "folder":
        size = recipe.input.picture_size
        data = datasets.folder(folder or ".", split, size=size)
    else:
        data = loaders[name](split)
    data = data if limit is None else data.subset(limit)
    events = picture_events(data, recipe.input, recipe.n_steps)
    labelled = data.n_classes > 0
    return Stimuli(
        events, data.targets if labelled else None, data.n_classes, data.source, scenes=None
    )
