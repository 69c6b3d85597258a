"""Metrics of segmentation: found and missed pixels, masks, instances, false alarms.

Masks are ``[T, H, W]`` bool, with one frame per step. A pixel counts once in each frame.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from jarvis.support.checks import check_integer, check_tensor


def dilate(mask: Tensor, radius: int = 1) -> Tensor:
    """Every pixel at most `radius` rows and at most `radius` columns from the mask, bool.

    Example:
        >>> dilate(torch.tensor([[[True, False, False]]])).int().tolist()
        [[[1, 1, 0]]]
    """
    from scipy.ndimage import binary_dilation

    check_tensor("dilate: mask", mask, "[T, H, W]", floating=False)
    return torch.from_numpy(binary_dilation(mask.cpu().numpy(), _square(radius))).to(mask.device)


def close_gaps(mask: Tensor, radius: int) -> Tensor:
    """Morphological closing of each frame: dilation, then erosion, bool ``[T, H, W]``.

    Example:
        >>> close_gaps(torch.tensor([[[True, False, True, False, False, False]]]), 1).int().tolist()
        [[[1, 1, 1, 0, 0, 0]]]
    """
    from scipy.ndimage import binary_closing

    check_tensor("close_gaps: mask", mask, "[T, H, W]", floating=False)
    height, width = mask.shape[1:]
    room = F.pad(mask.cpu(), (radius,) * 4)  # so that masks near the border are not eroded there
    closed = torch.from_numpy(binary_closing(room.numpy(), _square(radius))).to(mask.device)
    return closed[:, radius : radius + height, radius : radius + width]


def _square(radius: int) -> np.ndarray:
    """The structuring element: a square within one frame."""
    check_integer("radius", radius, at_least=0)
    return np.ones((1, 2 * radius + 1, 2 * radius + 1), bool)


def iou(a: Tensor, b: Tensor) -> float:
    """Intersection over union of two bool masks of the same shape; 0 if both are empty.

    Example:
        >>> iou(torch.tensor([True, True, False]), torch.tensor([False, True, True]))
        0.3333333333333333
    """
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 0.0


@dataclass
class PixelCounts:
    """Pixels over all frames, counted with a tolerance: the four counts behind informedness.

    A true pixel is found if a predicted pixel is within `tolerance` of it; a predicted pixel is
    false if no true pixel is that close. Other pixels within the tolerance are not counted.
    """

    tolerance: int = 1  #: in rows and in columns, pixels
    found: int = 0
    missed: int = 0
    false: int = 0
    silent: int = 0  #: neither true nor predicted

    def add(self, predicted: Tensor, truth: Tensor) -> None:
        """Count a scene.

        Args:
            predicted: ``[T, H, W]`` bool.
            truth: the true pixels, shaped like `predicted`.

        Raises:
            ValueError: for masks of different shapes.
        """
        if predicted.shape != truth.shape:
            raise ValueError(
                f"PixelCounts: predicted {tuple(predicted.shape)} and truth {tuple(truth.shape)} "
                "must have the same shape"
            )
        hit = truth & dilate(predicted, self.tolerance)
        far = ~dilate(truth, self.tolerance)
        self.found += int(hit.sum())
        self.missed += int((truth & ~hit).sum())
        self.false += int((predicted & far).sum())
        self.silent += int((far & ~predicted).sum())

    @property
    def sensitivity(self) -> float:
        """Share of the true pixels that were found; NaN if there are none."""
        total = self.found + self.missed
        return self.found / total if total else float("nan")

    @property
    def specificity(self) -> float:
        """Share of the pixels far from true ones that were not predicted; NaN if there are none."""
        total = self.false + self.silent
        return self.silent / total if total else float("nan")

    @property
    def informedness(self) -> float:
        """``sensitivity + specificity - 1``: 1 is perfect, 0 is chance level.

        Source: Powers 2011, J. Machine Learning Technologies 2(1):37.

        Example:
            >>> counts, truth = PixelCounts(), torch.zeros(1, 4, 9).bool()
            >>> truth[0, 1, 2] = True
            >>> counts.add(truth.roll(1, 2), truth)
            >>> counts.informedness
            1.0
        """
        return self.sensitivity + self.specificity - 1.0


def match(predicted: Sequence[Tensor], truth: Sequence[Tensor]) -> list[tuple[int, int, float]]:
    """Pairs of predicted and true masks, best first; each mask is in at most one pair.

    Args:
        predicted: predicted masks, all of one shape.
        truth: true masks, of the same shape as the predicted ones.

    Returns:
        ``(index of predicted, index of truth, IoU)``; pairs without a common pixel are omitted.

    Example:
        >>> a, b = torch.tensor([1, 1, 0, 0]).bool(), torch.tensor([0, 0, 1, 1]).bool()
        >>> match([b, a | b], [a, b])
        [(0, 1, 1.0), (1, 0, 0.5)]
    """
    scores = [(iou(p, t), i, j) for i, p in enumerate(predicted) for j, t in enumerate(truth)]
    pairs, used, met = [], set(), set()
    for score, i, j in sorted(scores, key=lambda s: (-s[0], s[1], s[2])):
        if score > 0 and i not in used and j not in met:
            pairs.append((i, j, score))
            used.add(i)
            met.add(j)
    return pairs


class SceneScore:
    """Metrics over scenes of objects, each given by its mask in every frame.

    Example:
        >>> truth = torch.zeros(1, 2, 8, 8).bool()  # [objects, T, H, W]
        >>> truth[0, :, 2:4, 2:4] = True
        >>> score = SceneScore()
        >>> score.add(list(truth), truth)
        >>> score.add([], truth[:0])
        >>> score.figures()["mean_iou"], score.figures()["false_alarms"]
        (1.0, 0.0)
    """

    def __init__(self, tolerance: int = 1) -> None:
        self.pixels = PixelCounts(tolerance)
        self.ious: list[float] = []
        self.streak_ious: list[float] = []
        self.two: list[bool] = []
        self.alarms: list[bool] = []
        self.n_scenes = 0

    def add(self, predicted: Sequence[Tensor], truth: Tensor) -> None:
        """Count a scene.

        Args:
            predicted: one ``[T, H, W]`` bool mask per object.
            truth: ``[objects, T, H, W]`` bool.
        """
        union = truth.any(0)
        seen = torch.stack(list(predicted)).any(0) if len(predicted) else torch.zeros_like(union)
        self.pixels.add(seen, union)
        pairs = match(predicted, list(truth))
        at = {j: (i, score) for i, j, score in pairs}
        for j, mask in enumerate(truth):
            i, score = at.get(j, (None, 0.0))
            self.ious.append(score)
            streak = 0.0 if i is None else iou(predicted[i].any(0), mask.any(0))
            self.streak_ious.append(streak)
        if len(truth) == 2:
            self.two.append(len(predicted) == 2 and len(pairs) == 2)
        if not len(truth):
            self.alarms.append(bool(len(predicted)))
        self.n_scenes += 1

    def figures(self) -> dict[str, float]:
        """All metrics; a metric is NaN if no scene is relevant to it.

        Returns:
            "informedness", "sensitivity" and "specificity" over pixels and frames; "mean_iou", the
            mean IoU of the objects' masks, frame by frame; "mean_iou_streak", the mean IoU of their
            pixels over all frames together (a missed object counts as 0 in both); "two_instances",
            the share of scenes with two objects in which exactly two instances are found, one on
            each object; "false_alarms", the share of scenes without an object in which an instance
            is found.
        """

        def mean(values: Sequence[float]) -> float:
            return sum(values) / len(values) if values else float("nan")

        return {
            "informedness": self.pixels.informedness,
            "sensitivity": self.pixels.sensitivity,
            "specificity": self.pixels.specificity,
            "mean_iou": mean(self.ious),
            "mean_iou_streak": mean(self.streak_ious),
            "two_instances": mean(self.two),
            "false_alarms": mean(self.alarms),
        }
