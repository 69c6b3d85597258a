"""One step of spiking convolution and pooling on dense frames, and fixed filters.

`kernels/conv_events.py` implements the same rule for lists of events.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from jarvis.encoding import filters as banks
from jarvis.stdp.conv import ConvSTDP
from jarvis.support.checks import check_choice

SILENT = 255  #: pooling index of a unit that passes on no spike


def conv_step(
    layer: ConvSTDP, x: Tensor, v: Tensor, fired: Tensor, *, once: bool, inhibit: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """One step of a layer: ``V = max(0, V + w * x - leak)``, a spike if V reaches the threshold.

    Args:
        layer: the layer whose weights ``[C_out, C_in, k, k]``, thresholds ``[C_out]`` and leak are
            used.
        x: input spikes ``[B, C_in, H, W]``.
        v: potentials ``[B, C_out, H, W]``.
        fired: neurons that have already fired, bool, shaped like `v`.
        once: whether neurons that have already fired are kept from firing again.
        inhibit: whether only the map with the highest potential fires at each location (with
            `once`, only the first map ever); other maps at their threshold are reset without a
            spike.

    Returns:
        ``(spikes, potentials before the reset, potentials after it)``; spikes are bool.
    """
    k = layer.kernel_size
    before, after = k // 2, k - 1 - k // 2
    padded = F.pad(x, (before, after, before, after))
    pre = (v + F.conv2d(padded, layer.weight) - layer.leak).clamp_(min=0)
    due = pre >= layer.thresholds[:, None, None]
    if once:
        due &= ~(fired.any(1, keepdim=True) if inhibit else fired)
    v = pre.masked_fill(due, 0)
    if inhibit:
        best = pre.masked_fill(~due, -1).argmax(1, keepdim=True)
        due = due & torch.zeros_like(due).scatter_(1, best, True)
    return due, pre, v


def pool_step(
    spikes: Tensor, potentials: Tensor, fired: Tensor, size: int, once: bool
) -> tuple[Tensor, Tensor]:
    """Max-pooling of spikes: a unit passes on the spike with the highest potential.

    Returns:
        ``(indices, potentials)``: for each unit, the row-major index (uint8) of the pixel in its
        ``size x size`` square whose spike it passes on, or `SILENT` if there is none; and the
        potential of that pixel, or 0.
    """
    height, width = (side // size * size for side in spikes.shape[2:])
    if 0 in (height, width):
        raise ValueError(f"SpikeSEG: pooling {size}x{size} leaves nothing of {spikes.shape[2:]}")
    due = torch.where(spikes, potentials, 0.0)[:, :, :height, :width]
    value = due[:, :, ::size, ::size]
    indices = torch.where(value > 0, 0, SILENT).to(torch.uint8)
    for place in range(1, size * size):
        other = due[:, :, place // size :: size, place % size :: size]
        higher = other > value
        value = torch.where(higher, other, value)
        indices.masked_fill_(higher, place)
    if once:
        indices.masked_fill_(fired, SILENT)
        value = value.masked_fill(fired, 0)
    return indices, value


def unpool(values: Tensor, indices: Tensor, size: int) -> Tensor:
    """Write each value to the pixel from which the pooling unit took its spike; 0 elsewhere.

    Args:
        values: ``[N, C, h, w]``.
        indices: row-major index of a pixel in the square, or `SILENT`; uint8, shaped like `values`.
        size: side of the squares.

    Returns:
        ``[N, C, h size, w size]``.

    Example:
        >>> unpool(torch.ones(1, 1, 1, 2), torch.tensor([[[[2, 255]]]]).byte(), 2)
        tensor([[[[0., 0., 0., 0.],
                  [1., 0., 0., 0.]]]])
    """
    # max_unpool2d is not used: it takes flat int64 indices, eight times as large as the recorded
    # ones, has no index for "none", and with the conversion it would be half as fast.
    n, c, h, w = values.shape
    out = values.new_zeros(n, c, h, size, w, size)
    for place in range(size * size):
        out[:, :, :, place // size, :, place % size] = values * (indices == place)
    return out.view(n, c, h * size, w * size)


def fixed_filters(
    kind: str, maps: int, in_channels: int, size: int, polarity: str = "sum"
) -> Tensor:
    """Weights of a first layer that does not learn.

    Args:
        kind: "gabor": one orientation per map (with "separate", per map of a channel). "dog": ON
            and OFF cells of several scales (an even number of maps); the surround is 2 sigma, and
            sigma is 1, 1/2, 1/4, ...
        maps: C_out.
        in_channels: C_in; 2 for ON and OFF events.
        size: k, odd.
        polarity: how a map combines channels. "sum": with equal weights, so that ON and OFF events
            of an edge add up. "difference": the first channel minus the others. "separate": each
            map reads one channel; the maps of ON come first, then the maps of OFF.

    Returns:
        ``[maps, in_channels, size, size]``.

    Raises:
        ValueError: for an unknown kind or polarity, or a number of maps that does not fit.

    Example:
        >>> w = fixed_filters("dog", 4, 2, 5, polarity="separate")
        >>> w.shape, w.flatten(2).abs().sum(2).bool().tolist()
        (torch.Size([4, 2, 5, 5]), [[True, False], [True, False], [False, True], [False, True]])
    """
    check_choice("filters", kind, ("gabor", "dog"))
    check_choice("polarity", polarity, ("sum", "difference", "separate"))
    shared = in_channels if polarity == "separate" else 1
    n = maps // shared
    if n * shared != maps or n < 1:
        raise ValueError(
            f"{maps} maps cannot be divided among in_channels={in_channels}: use a multiple of that"
        )
    if kind == "gabor":
        bank = banks.gabor(size, orientations=n)
    else:
        if n % 2:
            raise ValueError(f"filters='dog' come in pairs, ON and OFF; got {n} maps per channel")
        bank = torch.cat(
            [banks.difference_of_gaussians(size, 0.5**j, 2 * 0.5**j) for j in range(n // 2)]
        )
    if polarity == "separate":
        weight = torch.zeros(in_channels, n, in_channels, size, size)
        for channel in range(in_channels):
            weight[channel, :, channel] = bank[:, 0]
        return weight.flatten(0, 1)
    sign = torch.ones(in_channels)
    if polarity == "difference":
        sign[1:] = -1
    return bank * sign[:, None, None]
