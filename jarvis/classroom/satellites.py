"""The network of lessons 404 and 405, which finds satellites in event scenes, and its score.

`tools/segmentation_study.py` measures the same network, so that the results table and the lessons
describe the same thing.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from jarvis.datasets import SceneDataset, satellites
from jarvis.encoding.events import Events
from jarvis.stdp.network import segment
from jarvis.stdp.order_rule import STDPConfig
from jarvis.stdp.recipe import SegmentConfig
from jarvis.stdp.spikeseg.network import SpikeSEG
from jarvis.stdp.spikeseg.segmentation import SceneScore
from jarvis.stdp.wta import WTAConfig
from jarvis.support.checks import check_integer, check_number

#: How the network's class spikes become instances.
HOW = SegmentConfig(level=0.1, threshold=0.1, align="none", min_spikes=4, fill=1, max_spikes=400)

Method = Callable[[Events], list[list[Tensor]]]


def make_finder(generator: torch.Generator | None = None, *, factor: float = 1.0) -> SpikeSEG:
    """An untrained `SpikeSEG` for scenes of satellites.

    Difference-of-Gaussians filters of two sizes respond to ON and OFF events alike. A unit of conv2
    or conv3 needs several spikes to reach its threshold, and the potentials of conv1 and conv2
    leak, so that noise does not reach conv3. Homeostasis raises the threshold of a conv2 map with
    each win.

    Args:
        generator: draws the initial weights.
        factor: multiplies the thresholds of conv2 and conv3.

    Example:
        >>> [round(float(layer.thresholds[0]), 2) for layer in make_finder().layers]
        [0.05, 2.5, 5.0]
    """
    check_number("make_finder: factor", factor, above=0)
    thresholds = (0.05, 2.5 * factor, 5.0 * factor)
    theta_max = max(50.0, thresholds[2])
    wta = WTAConfig(theta_rest=thresholds[1], theta_plus=0.05, tau_theta=500.0, theta_max=theta_max)
    model = SpikeSEG(
        1, 2, (4, 36), (5, 5, 7), thresholds, (0.08, 0.25, 0.0), filters="dog", polarity="sum",
        stdp=STDPConfig.from_paper("igarss2023"), wta=wta, generator=generator,
    )  # fmt: skip
    model.layers[2].wta = replace(wta, enable_homeostasis=False)  # one map has no competitors
    return model


def trained_finder(
    seed: int = 0,
    *,
    n_scenes: int = 600,
    counts: Sequence[int] = (1, 2),
    noise: float = 0.005,
    factor: float = 1.0,
    epochs: int = 1,
) -> SpikeSEG:
    """The network of `make_finder`, trained layer by layer, in evaluation mode.

    Args:
        seed: seed of the weights and of the order of the scenes.
        n_scenes: number of scenes to learn from, taken from the start of the training split.
        counts: numbers of satellites in these scenes.
        noise: fraction of the pixels that fire by chance in a frame.
        factor: as in `make_finder`.
        epochs: scales the number of epochs (3 for conv2, 2 for conv3); 0 skips the training.
    """
    check_integer("trained_finder: epochs", epochs, at_least=0)
    generator = torch.Generator().manual_seed(seed)
    model = make_finder(generator, factor=factor)
    scenes = satellites("train", n=n_scenes, counts=tuple(counts), noise=noise)
    heard = model.layers[0].respond(scenes.events, pool=2)
    for layer, n in zip(model.layers[1:], (3 * epochs, 2 * epochs), strict=True):
        for _ in range(n):
            layer.learn(heard, torch.randperm(len(heard), generator=generator), generator)
        heard = layer.respond(heard, pool=2)
    return model.eval()


def masks_by(model: SpikeSEG, how: SegmentConfig = HOW) -> Method:
    """The network as a method: a function from N scenes to the masks of their instances."""
    return lambda events: [[one.step_masks for one in ones] for ones in segment(model, events, how)]


def score(method: Callable[..., list[list[Tensor]]], scenes: SceneDataset, **options: Any) -> dict:
    """Compare what a method finds in scenes with the truth; returns `SceneScore.figures`.

    Args:
        method: maps `Events` to a list of masks ``[T, H, W]`` for each scene.
        scenes: the scenes, with their true masks.
        options: further arguments of the method.

    Example:
        >>> found = score(lambda events: [[] for _ in range(len(events))], satellites("test", n=3))
        >>> found["mean_iou"], found["false_alarms"]
        (0.0, 0.0)
    """
    result = SceneScore()
    for i, masks in enumerate(method(scenes.events, **options)):
        truth = scenes.masks(i)[:, : int(scenes.n_satellites[i])]
        result.add(masks, truth.transpose(0, 1))
    return result.figures()
