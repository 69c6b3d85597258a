"""Fixed filters in front of a spiking network, which detect edges as the retina and the cortex do.

A filter bank is a weight tensor ``[n, 1, size, size]``, as in `torch.nn.functional.conv2d`.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from jarvis.support.checks import check_integer, check_number, check_tensor, check_values


def _centred_grid(name: str, size: int, at_least: int) -> tuple[Tensor, Tensor]:
    """Row and column coordinates ``[size, size]`` relative to the centre, pixels, float64."""
    check_integer(name, size, at_least=at_least)
    if size % 2 == 0:
        raise ValueError(f"{name}={size!r} must be odd, so that there is a centre")
    axis = torch.arange(size, dtype=torch.float64) - size // 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    return y, x


def _check_pixels(name: str, x: Tensor) -> None:
    """Raise ValueError for images or filters without pixels."""
    if 0 in x.shape[1:]:
        raise ValueError(f"{name} must have pixels; got shape {tuple(x.shape)}")


def difference_of_gaussians(
    size: int = 7, sigma_center: float = 1.0, sigma_surround: float = 2.0
) -> Tensor:
    """ON and OFF cells of the retina: a narrow Gaussian minus a wide one, and its negative.

    ``ON = G(sigma_center) - G(sigma_surround)``, ``OFF = -ON``; each Gaussian is normalised to sum
    to one, so that both filters sum to zero and ignore uniform brightness.

    Args:
        size: side of the square, pixels, odd.
        sigma_center: standard deviation of the centre, pixels.
        sigma_surround: standard deviation of the surround, pixels, larger than `sigma_center`.

    Returns:
        bank ``[2, 1, size, size]`` float32: the ON filter, then the OFF filter.

    Raises:
        ValueError: for an even size, or unless ``0 < sigma_center < sigma_surround``.

    Source: Kheradpisheh et al. 2018, Neural Networks 99:56, section 2.1.

    Example:
        >>> on, off = difference_of_gaussians()[:, 0]
        >>> bool(on[3, 3] > 0), bool(off[3, 3] < 0), bool(on.sum().abs() < 1e-6)
        (True, True, True)
    """
    y, x = _centred_grid("difference_of_gaussians: size", size, at_least=1)
    sigma_center = check_number(
        "difference_of_gaussians: sigma_center", sigma_center, "pixels", at_least=0.01, at_most=1e6
    )
    sigma_surround = check_number(
        "difference_of_gaussians: sigma_surround",
        sigma_surround,
        "pixels",
        at_least=0.01,
        at_most=1e6,
    )
    if sigma_center >= sigma_surround:
        raise ValueError(
            f"difference_of_gaussians: sigma_surround={sigma_surround!r} must be larger than "
            f"sigma_center={sigma_center!r}; OFF is the second filter of the bank"
        )
    narrow, wide = (torch.exp(-(x**2 + y**2) / (2 * s**2)) for s in (sigma_center, sigma_surround))
    on = narrow / narrow.sum() - wide / wide.sum()
    return torch.stack((on, -on))[:, None].float()


def gabor(
    size: int = 5, sigma: float = 1.0, frequency: float = 0.5, orientations: int = 4
) -> Tensor:
    """Simple cells of the visual cortex: a cosine times a Gaussian, at several orientations.

    ``g = exp(-(x^2 + y^2) / (2 sigma^2)) (cos(2 pi frequency u) - c)`` with
    ``u = x cos(theta) + y sin(theta)`` and ``theta = k pi / orientations``. The constant c makes
    the filter sum to zero, and the filter is normalised to ``sqrt(sum g^2) = 1``. The phase is even
    (cosine): at the default of half a cycle per pixel, an odd (sine) wave is 0 at every pixel.

    Args:
        size: side of the square, pixels, odd.
        sigma: standard deviation of the Gaussian, pixels.
        frequency: cycles per pixel, at most 0.5 (the Nyquist limit).
        orientations: number of filters. The first detects vertical stripes (the wave runs along x);
            each further filter is rotated towards y.

    Returns:
        bank ``[orientations, 1, size, size]`` float32.

    Raises:
        ValueError: for an even size or an option out of range.

    Source: Daugman 1985, J. Opt. Soc. Am. A 2(7):1160; zero mean as in Lee 1996, eq. 12.

    Example:
        >>> bank = gabor()
        >>> bank.shape, [round(x, 3) for x in bank.square().sum((1, 2, 3)).tolist()]
        (torch.Size([4, 1, 5, 5]), [1.0, 1.0, 1.0, 1.0])
    """
    y, x = _centred_grid("gabor: size", size, at_least=3)  # a smaller square cannot show a wave
    sigma = check_number("gabor: sigma", sigma, "pixels", at_least=0.01, at_most=1e6)
    frequency = check_number(
        "gabor: frequency", frequency, "cycles per pixel", above=0, at_most=0.5
    )
    orientations = check_integer("gabor: orientations", orientations, at_least=1)
    envelope = torch.exp(-(x**2 + y**2) / (2 * sigma**2))
    bank = []
    for k in range(orientations):
        theta = math.pi * k / orientations
        wave = torch.cos(2 * math.pi * frequency * (x * math.cos(theta) + y * math.sin(theta)))
        filter_ = envelope * (wave - (envelope * wave).sum() / envelope.sum())
        bank.append(filter_ / filter_.norm())
    return torch.stack(bank)[:, None].float()


def filter_images(images: Tensor, bank: Tensor, threshold: float = 0.0) -> Tensor:
    """Rectified responses of a filter bank to images, with weak responses set to 0.

    ``out = r if r > threshold, else 0``, where r is the correlation of image and filter. The image
    is padded with copies of its border pixels, so that the border does not count as an edge: the
    response of a zero-sum filter to a uniform image is 0 everywhere.

    Args:
        images: ``[B, 1, H, W]``, grey levels.
        bank: ``[n, 1, size, size]``, with an odd size.
        threshold: responses up to and including this value become 0; non-negative, in units of the
            response. For difference-of-Gaussians filters, use about 0.05 if pixels are in [0, 1],
            and 15 (Kheradpisheh) or 50 if they are in [0, 255].

    Returns:
        ``[B, n, H, W]``, non-negative.

    Raises:
        ValueError: for shapes that do not match, values that are not finite, or ``threshold < 0``.
        TypeError: for images that are not a floating-point tensor.

    Source: Kheradpisheh et al. 2018, section 2.1; Mozafari et al. 2019, Front. Neurosci. 13:625.

    Example:
        >>> dot = torch.zeros(1, 1, 9, 9).index_fill_(2, torch.tensor(4), 1.0)
        >>> found = filter_images(dot, difference_of_gaussians(), threshold=0.01)
        >>> found.shape, bool(found[0, 0, 4, 4] > 0), found[0, 1, 4, 4].item()
        (torch.Size([1, 2, 9, 9]), True, 0.0)
    """
    grey = "they are grey, so take the mean over colours first"
    check_tensor("filter_images: images", images, "[B, C=1, H, W]", why=grey)
    check_values("filter_images: images", images)
    check_tensor("filter_images: bank", bank, "[n, 1, size, size]")
    check_values("filter_images: bank", bank)
    _check_pixels("filter_images: images", images)
    _check_pixels("filter_images: bank", bank)
    if bank.shape[2] % 2 == 0 or bank.shape[3] % 2 == 0:
        raise ValueError(f"filter_images: bank must be of odd size; got {tuple(bank.shape)}")
    threshold = check_number("filter_images: threshold", threshold, at_least=0)
    ry, rx = bank.shape[2] // 2, bank.shape[3] // 2
    padded = F.pad(images, (rx, rx, ry, ry), mode="replicate")
    response = F.conv2d(padded, bank.to(padded))
    # Rounding leaves a response of about 1e-8 to a uniform image, which is not an edge.
    scale = bank.abs().sum((1, 2, 3)).max() * images.abs().amax() if images.numel() else 0.0
    floor = max(float(threshold), 4 * torch.finfo(images.dtype).eps * float(scale))
    return torch.where(response > floor, response, 0.0)


def local_normalisation(x: Tensor, radius: int = 8) -> Tensor:
    """Divide each value by the mean of its neighbourhood: faint and strong edges then count alike.

    ``out = x / mean``, where the mean is taken over a square of ``(2 radius + 1)^2`` pixels around
    the pixel, within its channel, and includes zeros outside the image. Where the mean is 0, all
    values in the square are 0 and stay 0.

    Args:
        x: ``[B, C, H, W]``, non-negative, as returned by `filter_images`.
        radius: distance from the central pixel to the edge of the square, pixels.

    Returns:
        ``[B, C, H, W]``, non-negative, not limited to [0, 1]; to encode it as latencies, use ranks.

    Raises:
        ValueError: for a wrong shape, values that are negative or not finite, or ``radius < 0``.
        TypeError: for x that is not a floating-point tensor.

    Source: Mozafari et al. 2019, Front. Neurosci. 13:625 (SpykeTorch), the MNIST example.

    Example:
        >>> x = torch.tensor([[[[1.0, 0.0, 0.1, 0.0]]]])
        >>> [round(v, 2) for v in local_normalisation(x, radius=1).flatten().tolist()]
        [9.0, 0.0, 9.0, 0.0]
    """
    check_tensor("local_normalisation: x", x, "[B, C, H, W]")
    radius = check_integer("local_normalisation: radius", radius, at_least=0)
    rectify = "rectify it first (filter_images does)"
    check_values("local_normalisation: x", x, at_least=0, why=rectify)
    _check_pixels("local_normalisation: x", x)
    width = 2 * radius + 1
    # The mean over a square is separable: the mean over rows of the mean over columns.
    mean = F.avg_pool2d(x, (1, width), stride=1, padding=(0, radius))
    mean = F.avg_pool2d(mean, (width, 1), stride=1, padding=(radius, 0))
    return torch.where(x > 0, x / mean.clamp_min(torch.finfo(x.dtype).tiny), 0.0)
