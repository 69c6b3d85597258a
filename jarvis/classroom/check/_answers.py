"""Inspect a learner's answer through its compiled code, without running it.

Comments, docstrings, `...` and `pass` leave no instructions in a compiled function. The compiled
code of an untouched stub therefore does nothing but return None. Reading it needs no source code,
so it works the same in a notebook, at the prompt, and under `exec`.
"""

import dis
import functools
import inspect
import re
from collections.abc import Callable, Iterable
from types import CodeType, FunctionType, MethodType
from typing import Any

import numpy as np
import torch

#: Instructions of a function with an empty body. Most of them prepare the call.
_EMPTY = frozenset(
    ["RESUME", "NOP", "COPY_FREE_VARS", "MAKE_CELL", "LOAD_CONST", "RETURN_VALUE", "RETURN_CONST"]
)

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def is_missing(answer: Any) -> bool:
    """Whether the answer is missing: None, `...`, a list or tuple of these, or an empty function.

    Example:
        >>> def stub(x):
        ...     \"\"\"Return x squared.\"\"\"
        ...     ...
        >>> is_missing(stub), is_missing(...), is_missing(lambda x: x**2)
        (True, True, False)
    """
    if answer is None or answer is ...:
        return True
    if isinstance(answer, tuple | list):
        return len(answer) > 0 and all(is_missing(part) for part in answer)
    code = code_of(answer)
    if code is None:
        return False
    steps = list(dis.get_instructions(code))
    return all(step.opname in _EMPTY for step in steps) and not _returns(steps)


def code_of(answer: Any) -> CodeType | None:
    """The compiled code of a function, method, partial, module or callable object, if it has one.

    For a class, the result is None.
    """
    for _ in range(10):  # a decorator may wrap a partial of a method, and so on
        if isinstance(answer, functools.partial):
            answer = answer.func
        elif isinstance(answer, MethodType):
            answer = answer.__func__
        elif isinstance(answer, FunctionType):
            if not hasattr(answer, "__wrapped__"):
                return answer.__code__
            answer = answer.__wrapped__
        elif isinstance(answer, torch.nn.Module):
            answer = type(answer).forward
        elif isinstance(answer, type) or not callable(answer):
            return None
        else:
            answer = inspect.getattr_static(type(answer), "__call__", None)
    return None


def has_return(answer: Any) -> bool:
    """Whether a function has a `return` with a value; True for an answer without code."""
    code = code_of(answer)
    return code is None or _returns(list(dis.get_instructions(code)))


def prints(answer: Any) -> bool:
    """Whether a function calls `print`."""
    code = code_of(answer)
    return code is not None and "print" in code.co_names


def _returns(steps: list[dis.Instruction]) -> bool:
    for before, step in zip([None, *steps], steps, strict=False):
        if step.opname == "RETURN_CONST" and step.argval is not None:
            return True
        if step.opname == "RETURN_VALUE":
            empty = before is not None and before.opname == "LOAD_CONST" and before.argval is None
            if not empty or step.is_jump_target:  # as in `return x if y else None`
                return True
    return False


def fingerprint(answer: Any) -> str:
    """A string that is the same for equal values, and for functions with the same code.

    Comments, docstrings and line numbers do not change this string. Global numbers, strings and
    functions of the notebook do change it if the function uses them.

    Example:
        >>> def one(x):
        ...     return x + 1
        >>> def two(x):
        ...     \"\"\"The same, explained.\"\"\"
        ...     return x + 1  # one more
        >>> fingerprint(one) == fingerprint(two), fingerprint(one) == fingerprint(lambda x: x)
        (True, False)
    """
    try:
        return "\n".join(_parts(answer, set()))
    except Exception:  # the repr of the answer fails: treat it as a new answer
        return f"{type(answer).__qualname__} {id(answer)}"


def _parts(answer: Any, seen: set[int]) -> Iterable[str]:
    if isinstance(answer, torch.Tensor):
        answer = answer.detach().cpu().numpy()
    if isinstance(answer, np.ndarray):
        yield f"{answer.dtype} {answer.shape} {hash(answer.tobytes())}"
        return
    code = code_of(answer)
    if code is None or id(answer) in seen:
        yield _ADDRESS.sub("", repr(answer))
        return
    seen.add(id(answer))
    yield type(answer).__qualname__
    yield from _code(code)
    if not isinstance(answer, FunctionType):
        yield _ADDRESS.sub("", repr(answer))
        return
    yield _ADDRESS.sub("", repr((answer.__defaults__, answer.__kwdefaults__)))
    for cell in answer.__closure__ or ():
        yield from _parts(cell.cell_contents, seen)
    for name in code.co_names:
        beside = answer.__globals__.get(name)
        own = isinstance(beside, FunctionType) and beside.__globals__ is answer.__globals__
        if own or isinstance(beside, int | float | str):
            yield from _parts(beside, seen)


def _code(code: CodeType) -> Iterable[str]:
    """The names of a function's arguments, then its instructions without their positions."""
    yield repr(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    for step in dis.get_instructions(code):
        if isinstance(step.argval, CodeType):  # a function within the function
            yield from _code(step.argval)
        else:
            yield f"{step.opname} {step.argval!r}"


def named(answer: Callable) -> str:
    """The name of a function, for use in a sentence."""
    return getattr(answer, "__name__", "") or "your function"
