"""Argument checks for numbers, names and tensors, with their error messages.

Every message names the argument, shows the given value and states what is expected. `name` may
start with the name of the function, as in ``"poisson_encode: dt"``. `why` is appended to the
message and gives the reason or the fix. A wrong type is a TypeError, a wrong value a ValueError.
Functions themselves check conditions that involve several of their arguments.
"""

import math
import operator
import reprlib
from collections.abc import Collection, Iterable
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor


class _Bounds(NamedTuple):
    """Bounds on values; None means no bound on that side."""

    above: float | None
    at_least: float | None
    below: float | None
    at_most: float | None
    finite: bool

    def hold(self, low: float, high: float) -> bool:
        """Whether all values from `low` to `high` are allowed; NaN never is."""
        return (
            not math.isnan(low)
            and (not self.finite or -math.inf < low <= high < math.inf)
            and (self.above is None or low > self.above)
            and (self.at_least is None or low >= self.at_least)
            and (self.below is None or high < self.below)
            and (self.at_most is None or high <= self.at_most)
        )

    def __str__(self) -> str:
        above, at_least, below, at_most, finite = self
        low, high = at_least if above is None else above, at_most if below is None else below
        if low is not None and high is not None:
            left, right = "[" if above is None else "(", "]" if below is None else ")"
            return f"must lie in {left}{low:g}, {high:g}{right}"
        if above is not None:
            words = "be positive" if above == 0 else f"be above {above:g}"
        elif at_least is not None:
            words = f"be at least {at_least:g}"
        elif high is not None:
            words = f"be below {high:g}" if at_most is None else f"be at most {high:g}"
        else:
            return "must be finite" if finite else "must not be NaN"
        return f"must {words} and finite" if finite else f"must {words}"


def check_number(
    name: str,
    value: Any,
    unit: str = "",
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    finite: bool = True,
    why: str = "",
) -> float:
    """Check a number and return it as a float; Python and numpy numbers are accepted, but not bool.

    Args:
        name: name of the argument in the message.
        value: the given value.
        unit: the unit of the value, for the message.
        above, at_least: the lower bound, exclusive or inclusive.
        below, at_most: the upper bound, exclusive or inclusive.
        finite: whether infinity is rejected; NaN is always rejected.
        why: the end of the message.

    Raises:
        TypeError: if the value is not a number.
        ValueError: for a number out of bounds.

    Example:
        >>> check_number("dt", 0, "ms", above=0)
        Traceback (most recent call last):
        ...
        ValueError: dt=0 ms must be positive and finite
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, not {_shown(value)}")
    try:
        number = float(value)
    except OverflowError:  # an integer too large for a float
        number = math.inf
    bounds = _Bounds(above, at_least, below, at_most, finite)
    if not bounds.hold(number, number):
        raise ValueError(f"{name}={_shown(value)}{_after(' ', unit)} {bounds}{_after(': ', why)}")
    return number


def check_integer(
    name: str, value: Any, *, at_least: int | None = None, at_most: int | None = None, why: str = ""
) -> int:
    """Check an integer and return it as an int; numpy integers are accepted, but not bool or 2.0.

    Args:
        name: name of the argument in the message.
        value: the given value.
        at_least, at_most: the bounds, inclusive.
        why: the end of the message.

    Raises:
        TypeError: if the value is not a number.
        ValueError: for a number that is not an integer, or out of bounds.

    Example:
        >>> check_integer("n_steps", 2.5, at_least=1)
        Traceback (most recent call last):
        ...
        ValueError: n_steps=2.5 must be an integer of at least 1
    """
    if at_least is not None and at_most is not None:
        wanted = f"an integer from {at_least} to {at_most}"
    elif at_least is not None:
        wanted = f"an integer of at least {at_least}"
    else:
        wanted = "an integer" if at_most is None else f"an integer of at most {at_most}"
    if isinstance(value, bool) or not isinstance(value, Real | Tensor):
        raise TypeError(f"{name} must be {wanted}, not {_shown(value)}")
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        number = None
    if (
        number is None
        or (at_least is not None and number < at_least)
        or (at_most is not None and number > at_most)
    ):
        raise ValueError(f"{name}={_shown(value)} must be {wanted}{_after(': ', why)}")
    return number


def check_integers(
    name: str, values: Any, *, at_least: int | None = None, at_most: int | None = None
) -> tuple[int, ...]:
    """Check one integer or several, each as in `check_integer`, and return them as a tuple.

    Example:
        >>> check_integers("lost", 1), check_integers("lost", [0, 2])
        ((1,), (0, 2))
    """
    single = isinstance(values, str) or not isinstance(values, Iterable)
    each = [values] if single or getattr(values, "ndim", 1) == 0 else values
    return tuple(check_integer(name, n, at_least=at_least, at_most=at_most) for n in each)


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise a ValueError unless `value` is one of the given names.

    Example:
        >>> check_choice("reset", "soft", ("subtract", "zero", "none"))
        Traceback (most recent call last):
        ...
        ValueError: reset='soft' is not one of subtract, zero, none
    """
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"{name}={_shown(value)} is not one of {', '.join(choices)}")


def check_tensor(name: str, x: object, axes: str, *, floating: bool = True, why: str = "") -> None:
    """Check that `x` is a tensor of the given type and shape.

    Args:
        name: name of the argument in the message.
        x: the given value.
        axes: one entry per axis: a name, a size, or both, as in ``"[T>=1, B, C=2, 28, 28]"``;
            ``...`` stands for any number of further axes.
        floating: whether a floating-point tensor is required.
        why: the end of the message about a wrong shape.

    Raises:
        TypeError: if `x` is not a tensor, or not floating-point.
        ValueError: for any other shape.

    Example:
        >>> check_tensor("weight", torch.zeros(3, 4), "[n_post, n_pre=3]")
        Traceback (most recent call last):
        ...
        ValueError: weight must be [n_post, n_pre=3]; got shape (3, 4)
    """
    kind = "a floating-point tensor" if floating else "a tensor"
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be {kind} {axes}, not {type(x).__name__}")
    if x.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor {axes}, not {x.layout}: try .to_dense()")
    if floating and not x.is_floating_point():
        # Integers get no such hint: pixels, 0 to 255, would also have to be scaled.
        hint = ": try .float()" if x.dtype == torch.bool else ""
        raise TypeError(f"{name} must be {kind} {axes}, not {x.dtype}{hint}")
    sizes, shape = axes.strip("[]").split(", "), tuple(x.shape)
    more = sizes[-1] == "..."
    sizes = sizes[: len(sizes) - more]
    fits = len(shape) == len(sizes) or (more and len(shape) > len(sizes))
    if not fits or not all(map(_is_size, shape, sizes)):
        raise ValueError(f"{name} must be {axes}; got shape {shape}{_after(': ', why)}")


def _is_size(n: int, wanted: str) -> bool:
    """Whether an axis of size n satisfies "C", "2", "C=2" or "C>=2"."""
    name, _, size = wanted.rpartition("=")
    if not size.isdigit():
        return True
    return n >= int(size) if name.endswith(">") else n == int(size)


def check_values(
    name: str,
    x: Tensor,
    unit: str = "",
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    finite: bool = True,
    why: str = "",
) -> None:
    """Raise a ValueError for a tensor with a value out of bounds, given as in `check_number`.

    Example:
        >>> check_values("x", torch.tensor([0.5, 3.0]), at_least=0, at_most=1, why="scale it")
        Traceback (most recent call last):
        ...
        ValueError: x must lie in [0, 1]; got 0.5 to 3: scale it
    """
    _check_values_exist(name, x)
    if x.is_complex():
        raise TypeError(f"{name} must be real, not {x.dtype}")
    if not x.numel():
        return
    bounds = _Bounds(above, at_least, below, at_most, finite)
    low, high = (end.item() for end in x.detach().aminmax())  # both NaN if any value is NaN
    if not bounds.hold(low, high):
        ends = [f"{x:.4g}" if isinstance(x, float) else str(x) for x in (low, high)]
        found = ends[0] if low == high else " to ".join(ends)
        found = "NaN" if math.isnan(low) else found + _after(" ", unit)
        raise ValueError(f"{name} {bounds}; got {found}{_after(': ', why)}")


def check_type(name: str, value: object, wanted: type | tuple[type, ...], what: str = "") -> None:
    """Raise a TypeError unless `value` is an instance of the wanted class or of one of several.

    Args:
        name: name of the argument in the message.
        value: the given value.
        wanted: the class, or several classes.
        what: a description of what is wanted; by default the names of the classes.

    Example:
        >>> check_type("model", [1], torch.nn.Module)
        Traceback (most recent call last):
        ...
        TypeError: model must be a Module, not [1]
    """
    if not isinstance(value, wanted):
        classes = wanted if isinstance(wanted, tuple) else (wanted,)
        names = (each.__name__ for each in classes)
        what = what or " or ".join(f"a{'n' * (n[0] in 'AEIOU')} {n}" for n in names)
        raise TypeError(f"{name} must be {what}, not {_shown(value)}")


def check_flag(name: str, value: object) -> bool:
    """Check that `value` is True or False, of Python or numpy, and return it as a bool.

    Example:
        >>> check_flag("recurrent", "no")
        Traceback (most recent call last):
        ...
        TypeError: recurrent must be True or False, not 'no'
    """
    check_type(name, value, (bool, np.bool_), "True or False")
    return bool(value)


def _check_values_exist(name: str, x: Tensor) -> None:
    """Raise a TypeError for a tensor whose values cannot be read one by one."""
    if x.layout != torch.strided:
        raise TypeError(f"{name} must be a dense tensor, not {x.layout}: try .to_dense()")
    if x.is_meta:
        raise TypeError(f"{name} is on the device meta, where tensors have no values")


def whole_numbers(
    name: str, values: Any, *, at_least: int | None = None, below: int | None = None, why: str = ""
) -> Tensor:
    """Convert labels or indices to int64 ``[N]``, from a tensor, a numpy array or a sequence.

    Floating-point numbers are accepted only if they are whole; 0.7 is not rounded.

    Args:
        name: name of the argument in the message.
        values: the given values.
        at_least, below: the bounds.
        why: the end of the message.

    Raises:
        TypeError: if the values are not numbers.
        ValueError: for a fraction, a number out of bounds, or more than one axis.

    Example:
        >>> whole_numbers("targets", torch.tensor([0.2, 1.0]))
        Traceback (most recent call last):
        ...
        ValueError: targets must be integers; got 0.2
    """
    try:
        given = values if isinstance(values, Tensor) else torch.as_tensor(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise TypeError(f"{name} must be integers [N], not {type(values).__name__}") from error
    if given.is_complex():
        raise TypeError(f"{name} must be integers [N], not {given.dtype}")
    _check_values_exist(name, given)
    if given.dim() != 1:
        raise ValueError(f"{name} must be integers [N]; got shape {tuple(given.shape)}")
    if given.is_floating_point():
        broken = given[~(given == given.round()) | ~given.isfinite()]
        if len(broken):
            raise ValueError(
                f"{name} must be integers; got {broken[0].item():.4g}{_after(': ', why)}"
            )
    whole = given.long()
    check_values(name, whole, at_least=at_least, below=below, why=why)
    return whole


def at_least_float32(x: Tensor) -> Tensor:
    """A floating-point tensor, converted to float32 if it has less precision.

    Example:
        >>> at_least_float32(torch.ones(2, dtype=torch.bfloat16)).dtype
        torch.float32
    """
    return x.to(torch.promote_types(x.dtype, torch.float32))


def _shown(value: object) -> str:
    """A value as one short line."""
    shape = getattr(value, "shape", ())
    if isinstance(shape, tuple) and shape:
        return f"{type(value).__name__} of shape {tuple(shape)}"
    return reprlib.repr(value)


def _after(sign: str, words: str) -> str:
    return words and sign + words
