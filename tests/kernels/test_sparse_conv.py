"""Convolutions that skip zeros, against torch's dense ones in float64."""

from typing import NamedTuple

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_input

from jarvis.kernels import cpu, sparse_conv
from jarvis.kernels.sparse_conv import Pair
from jarvis.kernels.sparse_loops import Active, active


class Case(NamedTuple):
    """x ``[R, C, H, W]`` and O maps."""

    x: tuple[int, int, int, int]
    maps: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)


CASES = {
    "SpikingCNN": Case((5, 16, 14, 14), 32, (5, 5), padding=(2, 2)),
    "1x1": Case((4, 5, 6, 7), 3, (1, 1)),
    "1x1, stride 2": Case((4, 2, 5, 6), 7, (1, 1), (2, 2)),
    "one map": Case((3, 3, 8, 9), 1, (3, 3), padding=(1, 1)),
    "one channel": Case((3, 1, 9, 8), 6, (3, 3), padding=(1, 1)),
    "odd numbers": Case((3, 7, 9, 11), 13, (3, 3)),
    "more maps than a row": Case((3, 3, 6, 6), 77, (3, 3), padding=(1, 1)),
    "high kernel": Case((3, 4, 9, 6), 5, (4, 1), padding=(2, 0)),
    "wide kernel": Case((3, 4, 6, 9), 20, (1, 6), padding=(0, 3)),
    "stride 2": Case((3, 4, 9, 10), 8, (3, 3), (2, 2), (1, 1)),
    "stride 3 and 2": Case((3, 4, 11, 9), 33, (2, 5), (3, 2), (0, 2)),
    "stride above the kernel": Case((3, 2, 11, 9), 3, (2, 2), (4, 5)),
    "last rows unused": Case((2, 3, 10, 11), 4, (3, 3), (4, 4)),
    "much padding": Case((3, 2, 4, 5), 3, (3, 2), padding=(4, 3)),
    "much padding, stride 2": Case((3, 2, 4, 5), 16, (3, 3), (2, 3), (5, 4)),
    "kernel as large as the picture": Case((3, 2, 4, 5), 3, (4, 5)),
    "one row of the kernel": Case((2, 40, 3, 9), 4, (1, 3)),
    "one picture": Case((1, 3, 8, 8), 16, (5, 5), padding=(2, 2)),
    "one pixel": Case((6, 3, 1, 1), 4, (3, 3), padding=(1, 1)),
}

cases = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def pictures(case: Case, density: float, graded: bool = False, seed: int = 0) -> Tensor:
    """Spikes, or values of either sign, float64."""
    rng = torch.Generator().manual_seed(seed)
    x = (torch.rand(case.x, generator=rng, dtype=torch.float64) < density).double()
    if graded:
        x *= torch.randn(case.x, generator=rng, dtype=torch.float64)
    return x


class Dense(NamedTuple):
    """A dense convolution and its gradients, by torch's autograd in float64."""

    weight: Tensor
    bias: Tensor
    y: Tensor
    g: Tensor  #: the gradient of y
    to_x: Tensor
    to_weight: Tensor

    @staticmethod
    def of(case: Case, x: Tensor, g_density: float = 1.0, seed: int = 1) -> "Dense":
        rng = torch.Generator().manual_seed(seed)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=rng, dtype=torch.float64)

        x = x.detach().clone().requires_grad_()
        weight = normal(case.maps, case.x[1], *case.kernel).requires_grad_()
        bias = normal(case.maps)
        y = F.conv2d(x, weight, bias, case.stride, case.padding)
        g = normal(*y.shape) * (torch.rand(y.shape, generator=rng) < g_density)
        to_x, to_weight = torch.autograd.grad(y, [x, weight], g)
        return Dense(weight.detach(), bias, y.detach(), g, to_x, to_weight)


def listed(x: Tensor) -> tuple[Active, tuple[int, int, int]]:
    return active(x.flatten(1)), tuple(x.shape[1:])  # type: ignore[return-value]


def close(found: Tensor, wanted: Tensor, dtype: torch.dtype = torch.float64) -> None:
    """Equal up to the rounding of sums of some hundred numbers of order 1."""
    assert found.dtype == dtype
    assert found.shape == wanted.shape
    tolerance = 1e-11 if dtype == torch.float64 else 2e-4
    torch.testing.assert_close(
        found.double(), wanted, rtol=tolerance, atol=tolerance, equal_nan=True
    )


def compare(case: Case, x: Tensor, dtype: torch.dtype = torch.float64) -> None:
    """All of the loops that read a list of x."""
    x = x.to(dtype)
    dense = Dense.of(case, x.double())
    lists, shape = listed(x)
    weight, bias, g = dense.weight.to(dtype), dense.bias.to(dtype), dense.g.to(dtype)
    options = (case.stride, case.padding)
    y = sparse_conv.convolve(lists, shape, weight, bias, *options)
    without = dense.y - dense.bias[:, None, None]
    close(y, dense.y, dtype)
    close(sparse_conv.convolve(lists, shape, weight, None, *options), without, dtype)
    close(
        sparse_conv.weight_gradient(lists, shape, g, case.kernel, *options), dense.to_weight, dtype
    )


@cases
@pytest.mark.parametrize("graded", [False, True], ids=["spikes", "graded"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_convolution_and_gradient_of_the_weights(case, graded, dtype):
    x = pictures(case, 0.2, graded)
    assert listed(x)[0].valued == graded
    compare(case, x, dtype)


@cases
@pytest.mark.parametrize("density", [0.0, 0.01, 1.0])
def test_any_density(case, density):
    compare(case, pictures(case, density))
    compare(case, pictures(case, density, graded=True))


def test_more_pictures_than_are_put_together():
    """`weight_gradient` has several parts, the last of which is not whole."""
    for density in (0.01, 0.3):
        case = Case((301, 3, 5, 6), 4, (3, 3), (1, 2), (1, 1))
        compare(case, pictures(case, density))
        compare(case, pictures(case, density, graded=True))


@cases
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_acts_only_in_its_windows(case, value):
    for place in (0, -1):  # in two corners
        for graded in (False, True):
            x = pictures(case, 0.2, graded)
            x[0, 0].view(-1)[place] = value
            compare(case, x)


def test_the_result_is_channels_last_in_memory():
    case = CASES["SpikingCNN"]
    x = pictures(case, 0.1)
    lists, shape = listed(x)
    dense = Dense.of(case, x)
    y = sparse_conv.convolve(lists, shape, dense.weight, None, case.stride, case.padding)
    assert y.is_contiguous(memory_format=torch.channels_last)


@cases
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_gradient_of_wanted_inputs(case, dtype):
    dense = Dense.of(case, pictures(case, 0.2))
    for share in (0.0, 0.3, 1.0):
        wanted = pictures(case, share, seed=2)
        found = sparse_conv.input_gradient(
            wanted.to(torch.uint8),
            dense.g.to(dtype),
            dense.weight.to(dtype),
            case.stride,
            case.padding,
        )
        close(found, dense.to_x * wanted, dtype)


def from_sparse(case: Case, dense: Dense, dtype: torch.dtype = torch.float64) -> Tensor:
    g = dense.g.to(dtype).permute(0, 2, 3, 1)
    lists, shape = listed(g)
    weight, size = dense.weight.to(dtype), case.x[2:]
    return sparse_conv.input_gradient_from_sparse(
        lists, shape, weight, size, case.stride, case.padding
    )


@cases
@pytest.mark.parametrize("density", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_gradient_of_inputs_from_a_sparse_gradient(case, density, dtype):
    dense = Dense.of(case, pictures(case, 0.2), density)
    close(from_sparse(case, dense, dtype), dense.to_x, dtype)


@cases
def test_gradient_of_inputs_from_ones(case):
    """Then there are no values in the lists."""
    dense = Dense.of(case, pictures(case, 0.2), 0.25)
    ones = dense.g.ne(0).double()
    wanted = conv2d_input(case.x, dense.weight, ones, case.stride, case.padding)
    close(from_sparse(case, dense._replace(g=ones)), wanted)


@cases
def test_gradient_of_inputs_from_one_that_is_not_finite(case):
    dense = Dense.of(case, pictures(case, 0.2), 0.25)
    g = dense.g.clone()
    g[0, 0, 0, 0] = torch.inf
    wanted = conv2d_input(case.x, dense.weight, g, case.stride, case.padding)
    close(from_sparse(case, dense._replace(g=g)), wanted)


def everything(case: Case, x: Tensor, channels_last: bool) -> list[Tensor]:
    dense = Dense.of(case, x, 0.3)
    lists, shape = listed(x)
    g = dense.g.contiguous(memory_format=torch.channels_last) if channels_last else dense.g
    options = (case.stride, case.padding)
    wanted = pictures(case, 0.3, seed=2).to(torch.uint8)
    return [
        sparse_conv.convolve(lists, shape, dense.weight, dense.bias, *options),
        sparse_conv.weight_gradient(lists, shape, g, case.kernel, *options),
        sparse_conv.input_gradient(wanted, g, dense.weight, *options),
        from_sparse(case, dense._replace(g=g)),
    ]


@cases
def test_threads_and_memory_format_change_no_bit(case, monkeypatch):
    monkeypatch.setattr(cpu, "_MIN_WORK", 1)  # several threads even here
    before = torch.get_num_threads()
    x = pictures(case, 0.3, graded=True)
    try:
        torch.set_num_threads(1)
        alone, other_format = everything(case, x, False), everything(case, x, True)
        torch.set_num_threads(3)
        shared = everything(case, x, False)
    finally:
        torch.set_num_threads(before)
    for a, b, c in zip(alone, other_format, shared, strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c)
