"""Filters: sums and norms, closed forms, agreement with direct sums, bad input."""

import math

import pytest
import torch

from jarvis.encoding.filters import (
    difference_of_gaussians,
    filter_images,
    gabor,
    local_normalisation,
)

F64 = torch.float64


@pytest.mark.parametrize(("size", "center", "surround"), [(7, 1.0, 2.0), (11, 0.7, 3.0)])
def test_difference_of_gaussians_is_its_formula(size, center, surround):
    bank = difference_of_gaussians(size, center, surround)
    assert bank.shape == (2, 1, size, size)
    assert bank.sum((1, 2, 3)).abs().max() < 1e-6
    assert torch.equal(bank[0], -bank[1])
    r = range(-(size // 2), size // 2 + 1)

    def gauss(s):
        total = sum(math.exp(-(y * y + x * x) / (2 * s * s)) for y in r for x in r)
        return [[math.exp(-(y * y + x * x) / (2 * s * s)) / total for x in r] for y in r]

    want = torch.tensor(gauss(center)) - torch.tensor(gauss(surround))
    torch.testing.assert_close(bank[0, 0], want, atol=1e-7, rtol=1e-5)


def test_gabor_zero_mean_unit_norm_and_orientations():
    bank = gabor(7, 1.5, 0.25, orientations=4)
    assert bank.shape == (4, 1, 7, 7)
    torch.testing.assert_close(bank.square().sum((1, 2, 3)), torch.ones(4))
    assert bank.sum((1, 2, 3)).abs().max() < 1e-6
    # even: the same seen upside down; a quarter turn takes the first filter into the third
    assert torch.allclose(bank, bank.flip(2, 3), atol=1e-7)
    assert torch.allclose(bank[2, 0], bank[0, 0].T, atol=1e-6)
    assert torch.allclose(bank[3, 0], bank[1, 0].flip(1), atol=1e-6)
    # each prefers its own stripes
    y, x = torch.meshgrid(torch.arange(15.0) - 7, torch.arange(15.0) - 7, indexing="ij")
    for k in range(4):
        theta = k * math.pi / 4
        wave = torch.cos(2 * math.pi * 0.25 * (x * math.cos(theta) + y * math.sin(theta)))
        found = filter_images(wave[None, None], bank)[0, :, 7, 7]
        assert found.argmax() == k


def test_gabor_at_the_default_frequency_alternates_from_pixel_to_pixel():
    row = gabor()[0, 0, 2]
    assert (row.sign().tolist()) == [1, -1, 1, -1, 1]


def test_filter_images_is_a_rectified_correlation(generator):
    images = torch.rand(2, 1, 12, 9, generator=generator, dtype=F64)
    bank = torch.randn(3, 1, 5, 3, generator=generator, dtype=F64)
    out = filter_images(images, bank, threshold=0.4)
    assert out.shape == (2, 3, 12, 9)
    for b, n, y, x in [(0, 0, 6, 4), (1, 2, 2, 1), (1, 1, 0, 0), (0, 2, 11, 8)]:
        total = 0.0
        for i in range(5):
            for j in range(3):
                yy, xx = min(max(y + i - 2, 0), 11), min(max(x + j - 1, 0), 8)
                total += bank[n, 0, i, j] * images[b, 0, yy, xx]
        want = float(total) if total > 0.4 else 0.0
        assert out[b, n, y, x].item() == pytest.approx(want, abs=1e-12)
    positive = out[out > 0]
    assert len(positive)
    assert positive.min() > 0.4


def test_on_sees_a_bright_dot_and_off_a_dark_one():
    dot = torch.zeros(1, 1, 15, 15)
    dot[0, 0, 7, 7] = 1.0
    bank = difference_of_gaussians()
    bright, dark = filter_images(dot, bank), filter_images(1 - dot, bank)
    assert bright[0, 0, 7, 7] > 0
    assert bright[0, 1, 7, 7] == 0
    torch.testing.assert_close(dark, bright.flip(1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("bank", [difference_of_gaussians(), gabor(), gabor(7, 2.0, 0.1, 6)])
@pytest.mark.parametrize("grey", [0.0, 0.3, 1.0, 255.0])
def test_an_even_picture_has_no_edges_not_at_its_border_either(bank, grey):
    assert filter_images(torch.full((1, 1, 10, 8), grey), bank).max() == 0


def test_local_normalisation_by_direct_sums(generator):
    x = torch.rand(2, 3, 9, 7, generator=generator, dtype=F64)
    for radius in (0, 2, 8):
        out = local_normalisation(x, radius)
        for b, c, i, j in [(0, 0, 4, 3), (1, 2, 0, 0), (1, 0, 8, 6)]:
            square = x[
                b, c, max(0, i - radius) : i + radius + 1, max(0, j - radius) : j + radius + 1
            ]
            mean = square.sum() / (2 * radius + 1) ** 2
            assert out[b, c, i, j].item() == pytest.approx((x[b, c, i, j] / mean).item())


def test_local_normalisation_forgets_contrast_and_keeps_zeros(generator):
    x = torch.rand(1, 2, 40, 40, generator=generator)
    x[x < 0.5] = 0
    out = local_normalisation(x, 8)
    torch.testing.assert_close(local_normalisation(0.01 * x, 8), out)
    assert torch.equal(out == 0, x == 0)
    assert torch.equal(local_normalisation(torch.zeros(1, 1, 5, 5)), torch.zeros(1, 1, 5, 5))


def test_empty_batches_pass():
    x = torch.zeros(0, 1, 9, 9)
    assert filter_images(x, difference_of_gaussians()).shape == (0, 2, 9, 9)
    assert local_normalisation(x).shape == (0, 1, 9, 9)


def test_they_are_found_in_the_folder():
    from jarvis import encoding

    assert encoding.gabor is gabor
    assert encoding.filter_images is filter_images
    assert encoding.difference_of_gaussians is difference_of_gaussians
    assert encoding.local_normalisation is local_normalisation


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda x: difference_of_gaussians(6), ValueError, "size=6"),
        (lambda x: difference_of_gaussians(7, 2.0, 1.0), ValueError, "sigma_surround=1.0"),
        (lambda x: difference_of_gaussians(7, -1.0, 1.0), ValueError, "sigma_center=-1.0"),
        (lambda x: gabor(size=4), ValueError, "size=4"),
        (lambda x: gabor(size=1), ValueError, "size=1"),
        (lambda x: gabor(sigma=0.0), ValueError, "sigma=0.0"),
        (lambda x: gabor(frequency=0.6), ValueError, "frequency=0.6"),
        (lambda x: gabor(orientations=0), ValueError, "orientations=0"),
        (lambda x: filter_images(x[0], gabor()), ValueError, r"\[B, C=1, H, W\]"),
        (lambda x: filter_images(x.expand(1, 3, 9, 9), gabor()), ValueError, "grey"),
        (lambda x: filter_images(x, gabor()[0]), ValueError, "bank must be"),
        (lambda x: filter_images(x, torch.ones(1, 1, 4, 4)), ValueError, "odd"),
        (lambda x: filter_images(x, gabor(), -1.0), ValueError, "threshold=-1.0"),
        (lambda x: filter_images(x * math.nan, gabor()), ValueError, "NaN"),
        (lambda x: filter_images(x.byte(), gabor()), TypeError, "uint8"),
        (lambda x: local_normalisation(-x), ValueError, "rectify"),
        (lambda x: local_normalisation(x, -1), ValueError, "radius=-1"),
        (lambda x: local_normalisation([1.0]), TypeError, "list"),
    ],
)
def test_bad_input(call, error, says):
    with pytest.raises(error, match=says):
        call(torch.full((1, 1, 9, 9), 0.5))
