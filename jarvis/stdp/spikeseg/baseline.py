"""A detector without learning, which finds connected regions of dense events.

It is the baseline that a segmentation network has to beat.
"""

import numpy as np
import torch
from torch import Tensor

from jarvis.encoding.events import Events
from jarvis.stdp.spikeseg.segmentation import close_gaps
from jarvis.support.checks import check_integer, check_type


def segment_by_density(
    events: Events, *, least: int = 3, width: int = 3, smallest: int = 30, fill: int = 1
) -> list[list[Tensor]]:
    """Find objects as connected regions of dense events, without a network.

    A pixel with an event is dense if there are at least `least` events around it: in a square of
    side `width`, in its own step, the previous step and the next step. In each step, small gaps
    between dense pixels are then filled. Dense pixels that touch at a side or a corner, within a
    step or from one step to the next, belong to one region. A region of at least `smallest` events
    is an object. (As in DBSCAN, Ester et al. 1996, KDD, dense points are found first and then
    connected; here they lie on a grid.)

    With the default values, the generated objects of `jarvis.datasets.satellites` are found best,
    according to 45 scenes of the validation split (``tools/segmentation_study.py``).

    Args:
        events: N stimuli in steps, with units ``(channels, H, W)``; channels are summed.
        least: smallest number of events around a dense pixel, including those of the pixel itself.
        width: side of the square, pixels, odd.
        smallest: smallest number of events of an object.
        fill: gaps up to twice this many pixels wide are closed; see `close_gaps`.

    Returns:
        for each stimulus, the masks of its objects, ``[T, H, W]`` bool.

    Raises:
        ValueError: for events with other units or with times in ms, or a number out of range.

    Example:
        >>> spikes = torch.zeros(2, 1, 1, 8, 8)  # [T, B, C, H, W]
        >>> spikes[:, 0, 0, 2:4, 2:4] = 1.0
        >>> spikes[0, 0, 0, 7, 7] = 1.0
        >>> (masks,) = segment_by_density(Events.from_dense(spikes), smallest=5)
        >>> [mask.any(0).nonzero().tolist() for mask in masks]
        [[[2, 2], [2, 3], [3, 2], [3, 3]]]
    """
    from scipy.ndimage import label, uniform_filter

    check_type("segment_by_density: events", events, Events)
    if events.shape is None or len(events.shape) != 3:
        raise ValueError(
            f"segment_by_density: events need units (channels, H, W), not {events.shape}"
        )
    for name, value in (("least", least), ("width", width), ("smallest", smallest)):
        check_integer(f"segment_by_density: {name}", value, at_least=1)
    if width % 2 == 0:
        raise ValueError(f"segment_by_density: width={width} must be odd: a square has a centre")
    found = []
    for i in range(len(events)):
        counts = events[[i]].dense()[:, 0].sum(1).double().numpy()  # [T, H, W]
        cube = (3, width, width)
        mean = uniform_filter(counts, cube, mode="constant")  # type: ignore[arg-type]
        around = np.rint(3 * width**2 * mean)
        dense = close_gaps(torch.from_numpy((around >= least) & (counts > 0)), fill)
        regions, n = label(dense.numpy(), np.ones((3, 3, 3)))  # type: ignore[misc]
        size = np.bincount(regions.ravel(), counts.ravel(), n + 1)
        kept = [k for k in range(1, n + 1) if size[k] >= smallest]
        found.append([torch.from_numpy(regions == k) for k in kept])
    return found
