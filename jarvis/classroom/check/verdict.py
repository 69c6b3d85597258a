"""The mechanism of the checks: an exercise, the result of its check, and how it is reported.

A check is a function of an answer and a random generator. It tests the answer on fresh input and
either returns or raises `Wrong` with an explanation. `exercise` turns this function into the check
that a learner calls, which prints the result and a hint, never raises, and returns a `Verdict`. For
an untouched stub, nothing is printed.
"""

import secrets
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import update_wrapper
from typing import Any

import numpy as np
import torch

from jarvis.classroom.check._answers import (
    code_of,
    fingerprint,
    has_return,
    is_missing,
    named,
    prints,
)


class Wrong(Exception):
    """An answer is wrong; the message names the likely mistake, and says where to look."""


class Unanswered(Exception):
    """There is no answer yet: the stub is unchanged."""


@dataclass(frozen=True)
class Verdict:
    """The result of a check; in a condition it counts as True if the answer was right.

    Args:
        passed: whether the answer was right.
        words: the text that was printed; empty as long as there is no answer.
        seed: seed of the random input; `check.name(answer, seed=...)` repeats the same test.
        answered: whether there was an answer: False for an untouched stub.
    """

    passed: bool
    words: str
    seed: int
    answered: bool = True

    def __bool__(self) -> bool:
        return self.passed

    def _ipython_display_(self) -> None:
        """Show nothing: the text has already been printed."""


class Exercise:
    """A check that a learner calls with an answer; made by `exercise`.

    Each new wrong answer brings the next hint, until an answer is right. The same wrong answer
    again brings the same hint.

    Args:
        number: number of the exercise in the notebook.
        hints: where to look, then what to use, then almost the answer.
        test: called with the answer and a random generator; raises `Wrong` for a wrong answer.
    """

    def __init__(
        self,
        number: int,
        hints: Sequence[str],
        test: Callable[[Any, np.random.Generator], None],
    ):
        self.number, self.hints, self._test = number, tuple(hints), test
        self._wrong: list[str] = []  # the different wrong answers since the last right one
        update_wrapper(self, test)

    def __call__(self, answer: Any = None, *, seed: int | None = None) -> Verdict:
        """Test an answer on new random input; print and return the result."""
        seed = secrets.randbits(32) if seed is None else seed
        passed, words = True, "right."
        try:
            if is_missing(answer):
                raise Unanswered
            tried = Watched(answer) if callable(answer) else answer
            self._test(tried, np.random.default_rng(seed))
        except Unanswered:
            return Verdict(False, "", seed, answered=False)
        except Wrong as wrong:
            passed, words = False, f"not yet. {wrong}"
        except Exception as error:  # an error of the check itself, for an unforeseen answer
            passed, words = False, f"not yet. Your answer cannot be used: {_named(error)}."
        words = f"Exercise {self.number}: {words}"
        if passed:
            self.start_over()
        else:
            words += self._next_hint(answer)
        print(words)
        return Verdict(passed, words, seed)

    def start_over(self) -> None:
        """Forget earlier answers: the next hint is the first one."""
        self._wrong.clear()

    def _next_hint(self, answer: Any) -> str:
        """A line with a hint, chosen by the number of different wrong answers so far."""
        if not self.hints:
            return ""
        key = fingerprint(answer)
        if key not in self._wrong:
            self._wrong.append(key)
        place = min(len(self._wrong), len(self.hints))
        count = f" {place} of {len(self.hints)}" if len(self.hints) > 1 else ""
        return f"\n  Hint{count}: {self.hints[place - 1]}"


def exercise(
    number: int, hints: Sequence[str] | str = (), *, hint: str | None = None
) -> Callable[[Callable], Exercise]:
    """Decorator: a function of `(answer, rng)` that may raise `Wrong` becomes an `Exercise`.

    Args:
        number: number of the exercise in its notebook.
        hints: shown one at a time, each after a further wrong answer: where to look, what to use,
            almost the answer. A string is a single hint.
        hint: a single hint, instead of `hints`.

    Raises:
        TypeError: if there are both `hints` and `hint`, or a hint is not a string.

    >>> @exercise(1, hints=("Count your fingers.", "2 and 2"))
    ... def four(answer, rng):
    ...     if number(answer) != 4:
    ...         raise Wrong(f"{answer} is not four.")
    >>> bool(four(5)), bool(four(6))
    Exercise 1: not yet. 5 is not four.
      Hint 1 of 2: Count your fingers.
    Exercise 1: not yet. 6 is not four.
      Hint 2 of 2: 2 and 2
    (False, False)
    >>> bool(four(...))  # no answer: nothing is printed
    False
    >>> bool(four(4))
    Exercise 1: right.
    True
    """
    if hint is not None:
        if hints:
            raise TypeError("give hints=(...) or hint=..., not both")
        hints = hint
    hints = (hints,) if isinstance(hints, str) else tuple(hints)
    for text in hints:
        if not isinstance(text, str):
            raise TypeError(f"hints must be strings, not {type(text).__name__}: {text!r:.60}")
    return lambda test: Exercise(number, hints, test)


class Watched:
    """A learner's function; an error in a call is reported in words.

    A call that returns None is `Wrong`, and the likely reason is named. Arrays are passed as
    copies, and changing one is `Wrong`, because the learner's next line would see different data.
    """

    def __init__(self, function: Callable):
        self._function, self._calls = function, 0
        self._name = named(function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        given = [_copy(value) for value in (*args, *kwargs.values())]
        try:
            result = self._function(*given[: len(args)], **dict(zip(kwargs, given[len(args) :])))  # noqa: B905
        except Exception as error:
            raise Wrong(f"{self._name} raised {_named(error)}{self._line(error)}.") from error
        if result is None:
            raise Wrong(self._without_result())
        self._calls += 1
        for before, after in zip((*args, *kwargs.values()), given, strict=True):
            if not _unchanged(before, after):
                raise Wrong(f"{self._name} changes the array that it is given: work on a copy.")
        return result

    def _without_result(self) -> str:
        """Why a call may have returned None."""
        name = self._name
        if not has_return(self._function):
            if prints(self._function):
                return (
                    f"{name} prints its result but does not return it. print shows a value to you; "
                    "`return` gives it to whoever called the function. Use `return` instead."
                )
            return f"{name} ran, but it has no `return`, so its result is lost (it is None)."
        if self._calls:
            return f"{name} returned None this time. Does every branch return?"
        return (
            f"{name} returned None. Does every branch return a value? (What print(...) returns is "
            "None; so is the result of methods that change a list in place, such as sort.)"
        )

    def _line(self, error: Exception) -> str:
        """The learner's own line in which the error happened."""
        code = code_of(self._function)
        if code is None:
            return ""
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame.line for frame in frames if frame.filename == code.co_filename and frame.line]
        return f', at "{own[-1].strip()}"' if own else ""


def number(value: Any, what: str = "your answer") -> float:
    """The value as a finite number; raises `Wrong` if it is none."""
    value = value.detach().cpu() if isinstance(value, torch.Tensor) else value
    try:
        if np.size(np.asarray(value)) != 1:
            raise Wrong(f"{what} should be one number, but has the shape {np.shape(value)}.")
        found = float(np.asarray(value).reshape(()))
    except (TypeError, ValueError):
        raise Wrong(f"{what} should be a number, but is {value!r:.60}.") from None
    if not np.isfinite(found):
        raise Wrong(
            f"{what} is {found}: a division by 0, or the logarithm of 0 or a negative number?"
        )
    return found


def array(value: Any, shape: tuple[int, ...], what: str = "your answer") -> np.ndarray:
    """The value as a finite float array of the given shape; raises `Wrong` if it is none."""
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
        raise Wrong(
            f"{what} has {np.isnan(found).sum()} NaN and {np.isinf(found).sum()} infinite values."
        )
    return found


def seed_from(rng: np.random.Generator) -> int:
    """A seed for random draws that do not use `rng`."""
    return int(rng.integers(2**31))


def generator_from(rng: np.random.Generator) -> torch.Generator:
    """A torch generator, seeded by `rng`."""
    return torch.Generator().manual_seed(seed_from(rng))


def near(found: float, expected: float, tolerance: float = 1e-3) -> bool:
    """Whether a number equals the expected one, within a relative tolerance."""
    return abs(found - expected) <= tolerance * max(abs(expected), 1e-12)


def _named(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".rstrip(": .")


def _copy(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value.clone()
    return value.copy() if isinstance(value, np.ndarray) else value


def _unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, torch.Tensor):
        if before.shape != after.shape or before.is_meta:
            return before.shape == after.shape
        return bool(((before == after) | ((before != before) & (after != after))).all())  # NaN too
    if isinstance(before, np.ndarray):
        return np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    return True
