"""Plots of spikes and potentials: functions that take data and return Axes.

A function that takes ``ax`` draws into these Axes, or into a new figure if ``ax`` is None. The
labels of axes state units. Tensors may be on any device and may require a gradient.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from torch import Tensor

from jarvis.support.checks import check_integer, check_number, check_tensor, whole_numbers

if TYPE_CHECKING:  # only drawing imports Axes, which takes a third as long as importing torch
    from matplotlib.axes import Axes

#: Colours that colour-blind readers can tell apart (Okabe & Ito 2008), used throughout.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#7F7F7F"
PURPLE = "#CC79A7"


def _array(x: Tensor | ArrayLike) -> np.ndarray:
    if isinstance(x, Tensor):
        check_tensor("the values to plot", x, "[...]", floating=False)
        if x.is_meta or x.is_complex():
            raise TypeError(f"the values to plot must be real numbers, not {x.dtype} on {x.device}")
        return x.detach().float().cpu().numpy()
    found = np.asarray(x)
    if found.dtype.kind not in "fiub":
        raise TypeError(f"the values to plot must be numbers, not {type(x).__name__}")
    return found


def axes_of(ax: Axes | None, size: tuple[float, float]) -> Axes:
    """`ax`, or, if it is None, new axes in a figure of the given size in inches."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=size, layout="constrained")[1]


def raster(
    spikes: Tensor | ArrayLike, *, dt: float = 1.0, ax: Axes | None = None, **style: Any
) -> Axes:
    """A spike raster: one row per unit, one marker per spike.

    Step t is drawn at its start, ``t dt``, so that step 0 of a code is at 0. In contrast, `trace`
    draws a potential at the end of its step.

    Args:
        spikes: ``[T, N]`` (one sample); any further axes are flattened into units.
        dt: step, ms.
        ax: where to draw.
        **style: options of ``Axes.scatter``, e.g. color.

    Raises:
        ValueError: if `spikes` has no unit axis.

    Example:
        >>> import torch
        >>> raster(torch.eye(5), dt=2.0).get_xlabel()
        'time (ms)'
    """
    from matplotlib import rcParams

    dt = check_number("raster: dt", dt, "ms", above=0, at_most=1e9)
    s = _array(spikes)
    if s.ndim < 2:
        raise ValueError(f"raster: spikes must be [T, N], got shape {s.shape}")
    s = s.reshape(len(s), math.prod(s.shape[1:]))
    steps, units = np.nonzero(s)
    ax = axes_of(ax, (6, 3))
    # A marker is as tall as its row; `scatter` expects the square of this height, in points.
    height = 72.0 * ax.get_window_extent().height / rcParams["figure.dpi"]
    row = height / max(s.shape[1], 1)
    size = float(np.clip(0.8 * row, 1.8, 8.0)) ** 2
    ax.scatter(steps * dt, units, **({"s": size, "marker": "|", "color": "black"} | style))
    ax.set(xlabel="time (ms)", ylabel="unit", xlim=(-0.5 * dt, (len(s) - 0.5) * dt))
    ax.set_ylim(-0.5, s.shape[1] - 0.5)
    return ax


def trace(
    v: Tensor | ArrayLike,
    *,
    spikes: Tensor | ArrayLike | None = None,
    threshold: float | None = 1.0,
    dt: float = 1.0,
    label: str | None = None,
    ax: Axes | None = None,
    **style: Any,
) -> Axes:
    """One neuron's potential over time, with its spikes and threshold.

    Step t is drawn at ``(t + 1) dt``, the end of the step, which is when v has this value.

    Args:
        v: ``[T]``, in threshold units.
        spikes: ``[T]``; drawn as triangles above the threshold.
        threshold: drawn as a dashed line; None draws no line.
        dt: step, ms.
        label: entry in the legend.
        ax: where to draw.
        **style: options of ``Axes.plot``.

    Raises:
        ValueError: if `v` is not one-dimensional.
    """
    dt = check_number("trace: dt", dt, "ms", above=0, at_most=1e9)
    if threshold is not None:
        threshold = check_number("trace: threshold", threshold, finite=False)
    y = _array(v)
    if y.ndim != 1:
        raise ValueError(f"trace: v must be [T], one neuron of one sample; got shape {y.shape}")
    ax = axes_of(ax, (6, 3))
    times = dt * np.arange(1, len(y) + 1)
    (line,) = ax.plot(times, y, label=label, **({"color": BLUE, "lw": 1.5} | style))
    if threshold is not None:
        ax.axhline(threshold, color=GREY, ls="--", lw=1)
    if spikes is not None:
        fired = times[_array(spikes) > 0]
        top = max(float(np.nanmax(y, initial=0.0)), threshold or 0.0)
        ax.plot(fired, np.full(len(fired), 1.08 * top), "v", color=line.get_color(), ms=5)
    ax.set(xlabel="time (ms)", ylabel="potential v (threshold = 1)")
    return ax


def images(
    pictures: Tensor | ArrayLike,
    *,
    titles: Sequence[str] | None = None,
    columns: int = 8,
    cmap: str = "gray",
    symmetric: bool = False,
    size: float = 1.1,
) -> np.ndarray:
    """A grid of images or weight maps, on a common scale.

    Args:
        pictures: ``[N, H, W]`` or ``[N, 1, H, W]``.
        titles: one title per image.
        columns: images per row.
        cmap: name of a matplotlib colour map.
        symmetric: centre the scale on 0 (for weights; choose a diverging `cmap`).
        size: width of an image, inches.

    Returns:
        the Axes, ``[rows, columns]``.

    Raises:
        ValueError: if `pictures` is not [N, H, W], or is empty.
    """
    from matplotlib import pyplot as plt

    p = _array(pictures)
    if p.ndim == 4 and p.shape[1] == 1:
        p = p[:, 0]
    if p.ndim != 3 or not len(p):
        raise ValueError(f"images: expected [N, H, W] with N >= 1, got shape {p.shape}")
    columns = min(columns, len(p))
    rows = -(-len(p) // columns)
    height = size * (1.25 if titles else 1.05)
    _, axes = plt.subplots(
        rows, columns, figsize=(size * columns, height * rows), squeeze=False, layout="constrained"
    )
    high = float(np.nanmax(np.abs(p))) if symmetric else float(np.nanmax(p))
    low = -high if symmetric else min(0.0, float(np.nanmin(p)))
    for k, ax in enumerate(axes.flat):
        ax.set_axis_off()
        if k < len(p):
            ax.imshow(p[k], cmap=cmap, vmin=low, vmax=high)
            if titles is not None:
                ax.set_title(titles[k], fontsize=8)
    return axes


def confusion_matrix(
    targets: Tensor | ArrayLike,
    predicted: Tensor | ArrayLike,
    n_classes: int,
    *,
    ax: Axes | None = None,
) -> Axes:
    """How often each true class was predicted as each class; a pale diagonal lets errors stand out.

    Args:
        targets, predicted: ``[N]``, integer labels from 0 to ``n_classes - 1``.
        n_classes: number of classes.
        ax: where to draw.

    Raises:
        ValueError: if the lengths differ, or for a label out of range. Leave out samples of unknown
            class, which often have the label -1.
    """
    n_classes = check_integer("confusion_matrix: n_classes", n_classes, at_least=1)
    t, p = (
        whole_numbers(
            f"confusion_matrix: {name}", labels, at_least=0, below=n_classes, why="leave others out"
        )
        .cpu()
        .numpy()
        for name, labels in (("targets", targets), ("predicted", predicted))
    )
    if t.shape != p.shape:
        raise ValueError(f"confusion_matrix: {t.shape} targets, but {p.shape} predictions")
    counts = np.zeros((n_classes, n_classes), dtype=int)
    np.add.at(counts, (t, p), 1)
    errors = counts * (1 - np.eye(n_classes, dtype=int))
    ax = axes_of(ax, (4.5, 4.2))
    ax.imshow(errors, cmap="Reds", vmin=0, vmax=max(1, errors.max()))
    for i, j in np.ndindex(counts.shape):
        if counts[i, j]:
            dark = errors[i, j] > 0.6 * max(1, errors.max())
            ax.text(j, i, str(counts[i, j]), ha="center", va="center", fontsize=7,
                    color="white" if dark else "black")  # fmt: skip
    ticks = range(n_classes)
    ax.set(xlabel="predicted class", ylabel="true class", xticks=ticks, yticks=ticks)
    return ax


def curves(
    series: Mapping[str, Sequence[float]],
    *,
    xlabel: str = "epoch",
    ylabel: str = "accuracy",
    chance: float | None = None,
    x: Sequence[float] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Several learning curves in one plot.

    Args:
        series: the values of each curve, one per epoch; the keys name the curves.
        xlabel, ylabel: axis labels.
        chance: chance level, drawn as a dotted line.
        x: x coordinates of the values; None for 1, 2, ...
        ax: where to draw.
    """
    from matplotlib.ticker import MaxNLocator

    ax = axes_of(ax, (5, 3.2))
    for name, values in series.items():
        positions = range(1, len(values) + 1) if x is None else x
        ax.plot(positions, values, "o-", ms=3, lw=1.5, label=name)
    if chance is not None:
        ax.axhline(chance, color=GREY, ls=":", lw=1, label="chance")
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if xlabel == "epoch":
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(fontsize=8, frameon=False)
    return ax
