"""The mechanism of the checks: an exercise, what its check found out, and how that is said.

A check is a function of an answer and of a random generator. It tries the answer on fresh input
and raises `Wrong`, in words, or returns. `exercise` makes of it what a learner calls: it says one
line, never raises, and returns a `Verdict`.
"""

import secrets
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import update_wrapper
from types import CodeType
from typing import Any

import numpy as np
import torch


class Wrong(Exception):
    """An answer is wrong; the message says what it did, what that points to, where to look."""


class Unanswered(Exception):
    """There is no answer yet: the stub is as it was."""


@dataclass(frozen=True)
class Verdict:
    """What a check found: true in a condition if the answer was right.

    Args:
        passed: whether the answer was right.
        words: what was said.
        seed: of the random input, so that `check.name(answer, seed=...)` tries the same again.
    """

    passed: bool
    words: str
    seed: int

    def __bool__(self) -> bool:
        return self.passed

    def _ipython_display_(self) -> None:
        """Nothing: the words stand there already."""


class Exercise:
    """A check that a learner calls with an answer; made by `exercise`.

    Args:
        number: as in the notebook.
        hint: what is said while there is no right answer.
        test: `(answer, rng)`; raises `Wrong`.
    """

    def __init__(self, number: int, hint: str, test: Callable[[Any, np.random.Generator], None]):
        self.number, self.hint, self._test = number, hint, test
        update_wrapper(self, test)

    def __call__(self, answer: Any = None, *, seed: int | None = None) -> Verdict:
        """Try an answer on random input, anew each time; say and return what was found."""
        seed = secrets.randbits(32) if seed is None else seed
        passed, words = True, "right."
        try:
            if answer is None or answer is ...:
                raise Unanswered
            tried = Watched(answer) if callable(answer) else answer
            self._test(tried, np.random.default_rng(seed))
        except Unanswered:
            passed, words = False, "no answer yet."
        except Wrong as wrong:
            passed, words = False, f"not yet. {wrong}"
        except Exception as error:  # of the check, at an answer that nobody foresaw
            passed, words = False, f"not yet. Your answer cannot be used: {_named(error)}."
        words = f"Exercise {self.number}: {words}" + ("" if passed else f"\n  Hint: {self.hint}")
        print(words)
        return Verdict(passed, words, seed)


def exercise(number: int, hint: str) -> Callable[[Callable], Exercise]:
    """Make of a function `(answer, rng)` that raises `Wrong` the check of an exercise.

    Args:
        number: of the exercise in its notebook.
        hint: what a learner is told who has no answer, or a wrong one.

    >>> @exercise(1, "2 and 2")
    ... def four(answer, rng):
    ...     if number(answer) != 4:
    ...         raise Wrong(f"{answer} is not four.")
    >>> bool(four(4))
    Exercise 1: right.
    True
    >>> bool(four(5))
    Exercise 1: not yet. 5 is not four.
      Hint: 2 and 2
    False
    """
    return lambda test: Exercise(number, hint, test)


class Watched:
    """A learner's function: what goes wrong in a call is told in words.

    A first call that returns None is a stub (`Unanswered`). Arrays that it is given are copies, and
    one that it changes is `Wrong`: the next line of the learner would find other data.
    """

    def __init__(self, function: Callable):
        self._function, self._calls = function, 0
        self._name = getattr(function, "__name__", "your function")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = [_copy(value) for value in (*args, *kwargs.values())]
        try:
            result = self._function(*given[: len(args)], **dict(zip(kwargs, given[len(args) :])))  # noqa: B905
        except Exception as error:
            raise Wrong(f"{self._name} raised {_named(error)}{self._line(error)}.") from error
        if result is None and self._calls == 0:
            raise Unanswered
        if result is None:
            raise Wrong(f"{self._name} returned None this time. Does every branch return?")
        self._calls += 1
        for before, after in zip((*args, *kwargs.values()), given, strict=True):
            if not _unchanged(before, after):
                raise Wrong(f"{self._name} changes the array that it is given: work on a copy.")
        return result

    def _line(self, error: Exception) -> str:
        """Where in the learner's own lines it happened."""
        code = getattr(self._function, "__code__", None)
        if not isinstance(code, CodeType):
            return ""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame.line for frame in frames if frame.filename == code.co_filename and frame.line]
        return f', at "{own[-1].strip()}"' if own else ""


def number(value: Any, what: str = "your answer") -> float:
    """A finite number, or `Wrong`."""
    value = value.detach().cpu() if isinstance(value, torch.Tensor) else value
    try:
        if np.size(np.asarray(value)) != 1:
            raise Wrong(f"{what} should be one number, but has the shape {np.shape(value)}.")
        found = float(np.asarray(value).reshape(()))
    except (TypeError, ValueError):
        raise Wrong(f"{what} should be a number, but is {value!r:.60}.") from None
    if not np.isfinite(found):
        raise Wrong(f"{what} is {found}: a division by 0, or the logarithm of 0, or of less?")
    return found


def array(value: Any, shape: tuple[int, ...], what: str = "your answer") -> np.ndarray:
    """A float array of a shape, finite, or `Wrong`."""
    if isinstance(value, torch.Tensor):
        value = value.detach().cpu()
    if value is None:
        raise Wrong(f"{what} should be an array, but is None.")
    try:
        found = np.asarray(value, dtype=float)
    except (TypeError, ValueError):
        raise Wrong(f"{what} should be an array, but is {type(value).__name__}.") from None
    if found.shape != shape:
        raise Wrong(f"{what} should have the shape {shape}, but has {found.shape}.")
    if not np.isfinite(found).all():
        raise Wrong(f"{what} has {np.isnan(found).sum()} NaN and {np.isinf(found).sum()} infinite.")
    return found


def seed_from(rng: np.random.Generator) -> int:
    """A seed for what is drawn otherwise than by `rng`."""
    return int(rng.integers(2**31))


def generator_from(rng: np.random.Generator) -> torch.Generator:
    """A generator of torch, seeded by `rng`."""
    return torch.Generator().manual_seed(seed_from(rng))


def near(found: float, expected: float, tolerance: float = 1e-3) -> bool:
    """Whether a number is the expected one, up to a share of it."""
    return abs(found - expected) <= tolerance * max(abs(expected), 1e-12)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": .")


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    return value.copy() if isinstance(value, np.ndarray) else value


def _unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, torch.Tensor):
        return before.shape == after.shape and torch.equal(before, after)
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    return True
