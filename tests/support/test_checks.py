"""Checks of arguments: good values pass, bad ones are refused by name, with what is needed."""

import math
import re

import numpy as np
import pytest
import torch

from jarvis.support.checks import (
    check_choice,
    check_integer,
    check_number,
    check_tensor,
    check_values,
)

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("value", "bounds"),
    [
        (20.0, dict(above=0)),
        (1, dict(above=0)),
        (np.float32(0.5), dict(above=0, below=1)),
        (np.int64(3), dict(at_least=3)),
        (0, dict(at_least=0)),
        (1.0, dict(above=0, at_most=1)),
        (-2.5, dict()),
        (-2.5, dict(below=0)),
        (INF, dict(above=0, finite=False)),
    ],
)
def test_a_number_within_its_bounds_comes_back_as_a_float(value, bounds):
    found = check_number("x", value, **bounds)
    assert type(found) is float
    assert found == value


def test_an_integer_beyond_all_floats_is_infinite():
    assert check_number("x", 10**400, finite=False) == INF


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0.0, dict(above=0), "x=0.0 mV must be positive and finite"),
        (NAN, dict(above=0), "x=nan mV must be positive and finite"),
        (INF, dict(above=0), "x=inf mV must be positive and finite"),
        (10**400, dict(above=0), "must be positive and finite"),
        (2, dict(above=2, finite=False), "x=2 mV must be above 2"),
        (-1e-9, dict(at_least=0), "x=-1e-09 mV must be at least 0 and finite"),
        (NAN, dict(at_least=0, finite=False), "x=nan mV must be at least 0"),
        (1.0, dict(below=1, finite=False), "x=1.0 mV must be below 1"),
        (1.5, dict(at_most=1), "x=1.5 mV must be at most 1 and finite"),
        (-INF, dict(at_most=1), "x=-inf mV must be at most 1 and finite"),
        (1.0, dict(at_least=0, below=1), "x=1.0 mV must lie in [0, 1)"),
        (-0.1, dict(at_least=0, below=1), "x=-0.1 mV must lie in [0, 1)"),
        (0.0, dict(above=0, at_most=0.5), "x=0.0 mV must lie in (0, 0.5]"),
        (0.6, dict(above=0, at_most=0.5), "x=0.6 mV must lie in (0, 0.5]"),
        (NAN, dict(above=0, at_most=0.5), "x=nan mV must lie in (0, 0.5]"),
        (np.float64(3.0), dict(at_most=1), "x=np.float64(3.0) mV must be at most 1"),
        (-INF, dict(), "x=-inf mV must be finite"),
        (NAN, dict(finite=False), "x=nan mV must not be NaN"),
    ],
)
def test_a_number_out_of_bounds_is_named_with_them(value, bounds, message):
    with pytest.raises(ValueError, match=re.escape(message)) as error:
        check_number("x", value, "mV", **bounds, why="raise it")
    assert str(error.value).endswith(": raise it")
    with pytest.raises(ValueError, match=re.escape(message.replace(" mV", ""))) as error:
        check_number("x", value, **bounds)
    assert not str(error.value).endswith((":", " "))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (True, "not True"),
        (np.True_, r"not np\.True_"),
        ("20", "not '20'"),
        (None, "not None"),
        (2j, "not 2j"),
        ([1.0], r"not \[1\.0\]"),
        (torch.ones(2, 3), r"not Tensor of shape \(2, 3\)"),
        (np.ones(3), r"not ndarray of shape \(3,\)"),
        (torch.tensor(20.0), r"not tensor\(20\.\)"),
    ],
)
def test_what_is_no_number_is_a_type_error(value, shown):
    with pytest.raises(TypeError, match=f"^f: tau must be a number, {shown}$"):
        check_number("f: tau", value, "ms", above=0)


@pytest.mark.parametrize("value", [1, 5, np.int64(2), np.uint8(3), torch.tensor(4)])
def test_an_integer_comes_back_as_an_int(value):
    found = check_integer("n", value, at_least=1, at_most=5)
    assert type(found) is int
    assert found == value
    assert check_integer("n", -(10**30)) == -(10**30)


@pytest.mark.parametrize(
    ("value", "bounds", "message"),
    [
        (0, dict(at_least=1), "n=0 must be an integer of at least 1"),
        (np.int64(-1), dict(at_least=0), "must be an integer of at least 0"),
        (6, dict(at_least=1, at_most=5), "n=6 must be an integer from 1 to 5"),
        (0, dict(at_least=1, at_most=5), "n=0 must be an integer from 1 to 5"),
        (6, dict(at_most=5), "n=6 must be an integer of at most 5"),
        (2.5, dict(at_least=1), "n=2.5 must be an integer of at least 1"),
        (2.0, dict(at_least=1), "n=2.0 must be an integer of at least 1"),
        (NAN, dict(), "n=nan must be an integer"),
        (INF, dict(at_least=1), "n=inf must be an integer"),
        (torch.tensor(2.0), dict(), "n=tensor(2.) must be an integer"),
        (torch.ones(2).int(), dict(), "n=Tensor of shape (2,) must be an integer"),
    ],
)
def test_an_integer_out_of_bounds_is_named_with_them(value, bounds, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        check_integer("n", value, **bounds)
    with pytest.raises(ValueError, match=r"^f: n=.*: a step each$"):
        check_integer("f: n", value, **bounds, why="a step each")


@pytest.mark.parametrize("value", [True, np.False_, "3", None, [3], np.array([1, 2])])
def test_what_is_no_integer_is_a_type_error(value):
    with pytest.raises(TypeError, match=r"^n must be an integer of at least 0, not "):
        check_integer("n", value, at_least=0)


def test_a_choice_is_one_of_the_names():
    check_choice("reset", "zero", ("subtract", "zero"))
    check_choice("reset", np.str_("zero"), {"zero": 1})
    for bad, shown in (("soft", "'soft'"), (None, "None"), (0, "0"), (["zero"], r"\['zero'\]")):
        with pytest.raises(ValueError, match=f"^reset={shown} is not one of subtract, zero$"):
            check_choice("reset", bad, ("subtract", "zero"))
    with pytest.raises(ValueError, match=r"^reset=Tensor of shape \(2,\) is not one of a"):
        check_choice("reset", torch.ones(2), ("a",))
    with pytest.raises(ValueError, match="'zer' is not one of"):  # part of a name is none
        check_choice("reset", "zer", ("zero",))


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5, 2), "[T, B, ...]"),
        ((5, 2, 3, 4), "[T, B, ...]"),
        ((0, 0), "[T, B, ...]"),
        ((1, 2), "[T>=1, B, ...]"),
        ((5, 2, 2, 7), "[T, B, 2, ...]"),
        ((4, 3), "[n_post=4, n_pre=3]"),
        ((), "[...]"),
    ],
)
def test_a_tensor_that_fits_its_axes_passes(shape, axes):
    check_tensor("x", torch.zeros(shape), axes)
    check_tensor("x", torch.zeros(shape, dtype=torch.bfloat16), axes)
    check_tensor("x", torch.zeros(shape).int(), axes, floating=False)


@pytest.mark.parametrize(
    ("shape", "axes"),
    [
        ((5,), "[T, B, ...]"),
        ((5, 2, 3), "[T, B]"),
        ((5,), "[T, B]"),
        ((), "[B, ...]"),
        ((0, 2), "[T>=1, B, ...]"),
        ((5, 2), "[T, B, 2, ...]"),
        ((5, 2, 3), "[T, B, 2, ...]"),
        ((3, 4), "[n_post=4, n_pre=3]"),
        ((4, 12), "[n_post, n_pre=1]"),
    ],
)
def test_a_tensor_that_does_not_fit_its_axes_is_named_with_both(shape, axes):
    message = re.escape(f"f: x must be {axes}; got shape {shape}")
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_tensor("f: x", torch.zeros(shape), axes)
    with pytest.raises(ValueError, match=f"^{message}: turn it$"):
        check_tensor("f: x", torch.zeros(shape).int(), axes, floating=False, why="turn it")


def test_what_is_no_tensor_of_the_type_is_a_type_error():
    for bad, found in (([1.0], "list"), (None, "NoneType"), (np.ones(2), "ndarray")):
        with pytest.raises(
            TypeError, match=rf"^x must be a floating-point tensor \[T\], not {found}"
        ):
            check_tensor("x", bad, "[T]")
        with pytest.raises(TypeError, match=rf"^x must be a tensor \[T\], not {found}$"):
            check_tensor("x", bad, "[T]", floating=False)
    for kind in (torch.int64, torch.uint8, torch.complex64):
        with pytest.raises(TypeError, match=rf"\[T\], not {kind}$"):
            check_tensor("x", torch.ones(2, dtype=kind), "[T]")
    with pytest.raises(TypeError, match=r"\[T\], not torch\.bool: try \.float\(\)$"):
        check_tensor("x", torch.ones(2) > 0, "[T]")


def test_values_within_their_bounds_pass():
    check_values("x", torch.tensor([0.0, 1.0]), at_least=0, at_most=1)
    check_values("x", torch.tensor([0.5, INF]), above=0, finite=False)
    check_values("x", torch.tensor([-3, 7]), at_least=-3, below=8)
    check_values("x", torch.tensor([0.5]).half(), above=0)
    check_values("x", torch.zeros(0, 3), above=0)
    check_values("x", torch.ones(2, requires_grad=True), above=0)


@pytest.mark.parametrize(
    ("values", "bounds", "message"),
    [
        ([0.5, 3.0], dict(at_least=0, at_most=1), "x must lie in [0, 1]; got 0.5 to 3 ms"),
        ([0.5, -0.1, 0.2], dict(at_least=0, at_most=1), "x must lie in [0, 1]; got -0.1 to 0.5 ms"),
        ([0.5, 1.0], dict(at_least=0, below=1), "x must lie in [0, 1); got 0.5 to 1 ms"),
        ([0.0, 1.0], dict(above=0), "x must be positive and finite; got 0 to 1 ms"),
        ([2, 3, 7], dict(at_most=6, finite=False), "x must be at most 6; got 2 to 7 ms"),
        ([0.5, INF], dict(), "x must be finite; got 0.5 to inf ms"),
        ([-INF, 0.5], dict(), "x must be finite; got -inf to 0.5 ms"),
        ([0.5, NAN, 0.7], dict(at_least=0, at_most=1), "x must lie in [0, 1]; got NaN"),
        ([NAN], dict(finite=False), "x must not be NaN; got NaN"),
        ([-1.0], dict(above=0), "x must be positive and finite; got -1 ms"),
    ],
)
def test_one_value_out_of_bounds_is_enough(values, bounds, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check_values("x", torch.tensor(values), "ms", **bounds)
    with pytest.raises(ValueError, match=r"^f: x must .*: scale them$"):
        check_values("f: x", torch.tensor(values), **bounds, why="scale them")
