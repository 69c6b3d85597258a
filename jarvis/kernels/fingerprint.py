"""A digest of all that a Python function's result depends on: its code, and what the code uses.

The digest is part of the key of a generated loop: when a step or one of its helpers changes, a new
loop is generated.
"""

import dis
import enum
import hashlib
import inspect
import sys
import sysconfig
from contextlib import suppress
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

_STANDARD = tuple({sysconfig.get_paths()[name] for name in ("stdlib", "purelib", "platlib")})


def fingerprint(*things: Any) -> str:
    """A hexadecimal digest of functions, classes, modules and plain values.

    Example:
        >>> fingerprint(lambda x: x + 1) == fingerprint(lambda x: x + 2)
        False
    """
    text: list[str] = []
    seen: set[int] = set()
    for thing in things:
        _describe(thing, text, seen)
    return hashlib.sha256("\n".join(text).encode()).hexdigest()[:20]


def _describe(thing: Any, text: list[str], seen: set[int]) -> None:
    if isinstance(thing, FunctionType):
        if id(thing) in seen or _is_library(thing.__module__):
            text.append(f"{thing.__module__}.{thing.__qualname__}")
            return
        seen.add(id(thing))
        text.append(_code(thing.__code__))
        _describe(thing.__defaults__, text, seen)
        _describe(thing.__kwdefaults__, text, seen)
        for cell in thing.__closure__ or ():
            try:
                _describe(cell.cell_contents, text, seen)
            except ValueError:  # the cell is still empty
                text.append("empty")
        for name in sorted(_globals(thing.__code__)):
            if name in thing.__globals__:
                text.append(name)
                _describe(thing.__globals__[name], text, seen)
    elif isinstance(thing, type):
        text.append(f"{thing.__module__}.{thing.__qualname__}")
        if not _is_library(thing.__module__) and id(thing) not in seen:
            seen.add(id(thing))
            for name, part in sorted(vars(thing).items()):
                if isinstance(part, FunctionType):
                    text.append(name)
                    _describe(part, text, seen)
    elif isinstance(thing, ModuleType):
        text.append(thing.__name__)
        if not _is_library(thing.__name__) and id(thing) not in seen:
            seen.add(id(thing))
            with suppress(OSError, TypeError):
                text.append(inspect.getsource(thing))
    elif isinstance(thing, BuiltinFunctionType):
        text.append(thing.__qualname__)
    elif isinstance(thing, tuple | list):
        text.append(f"{type(thing).__name__} {len(thing)}")
        for part in thing:
            _describe(part, text, seen)
    elif isinstance(thing, dict):
        text.append(f"dict {len(thing)}")
        for key, value in thing.items():
            text.append(repr(key))
            _describe(value, text, seen)
    elif thing is None or isinstance(thing, bool | int | float | complex | str | bytes | enum.Enum):
        text.append(repr(thing))
    else:
        text.append(f"{type(thing).__module__}.{type(thing).__qualname__}")
        if hasattr(thing, "tolist") and hasattr(thing, "shape"):  # a tensor, an array
            text.append(repr(thing.tolist()))
        elif id(thing) not in seen:
            seen.add(id(thing))
            _describe(getattr(thing, "__dict__", None), text, seen)


def _code(code: CodeType) -> str:
    """A description of what a function does, without its file and line numbers."""
    consts = [_code(c) if isinstance(c, CodeType) else _constant(c) for c in code.co_consts]
    return repr((code.co_code, consts, code.co_names, code.co_varnames, code.co_freevars))


def _constant(value: Any) -> str:
    return repr(sorted(map(repr, value))) if isinstance(value, frozenset) else repr(value)


def _globals(code: CodeType) -> set[str]:
    """The global names that a function reads, including those read by functions inside it."""
    own = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    return own.union(*(_globals(c) for c in code.co_consts if isinstance(c, CodeType)))


def _is_library(module: str | None) -> bool:
    """Whether a module belongs to Python or to an installed package other than this one."""
    if module is None or module == "__main__":
        return False
    top = module.split(".")[0]
    if top == __name__.split(".")[0]:
        return False
    if top in sys.stdlib_module_names:
        return True
    file = getattr(sys.modules.get(top), "__file__", None) or ""
    return file.startswith(_STANDARD)
