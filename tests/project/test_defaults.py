"""The default of every argument and field that is public, beside the one that was meant.

A default decides results, and few tests notice when one changes. After a change that is meant:
``python tests/project/test_defaults.py > tests/project/defaults.txt``
"""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jarvis

MEANT = Path(__file__).parent / "defaults.txt"


def public_modules() -> Iterator[Any]:
    for found in pkgutil.walk_packages(jarvis.__path__, "jarvis."):
        if "triton" not in found.name and not any(p[0] == "_" for p in found.name.split(".")):
            module = importlib.import_module(found.name)
            if hasattr(module, "__all__") and found.ispkg:
                yield module
    yield from (importlib.import_module(f"jarvis.{n}") for n in ("lif", "surrogate", "plotting"))


def said(value: Any) -> str:
    return getattr(value, "__qualname__", None) or repr(value)


def callables(thing: Any, name: str) -> Iterator[tuple[str, Any]]:
    """A function, or a class and its public methods."""
    if inspect.isclass(thing):
        yield name, thing
        for method, member in sorted(vars(thing).items()):
            member = getattr(member, "__func__", member)
            if inspect.isfunction(member) and method[0] != "_":
                yield f"{name}.{method}", member
    elif inspect.isfunction(thing):
        yield name, thing


def defaults() -> list[str]:
    """``name(argument=value)``, a line each, of everything that ``__all__`` or a module shows."""
    lines = set()
    for module in public_modules():
        shown = getattr(module, "__all__", None) or [n for n in vars(module) if n[0] != "_"]
        for name in shown:
            thing = getattr(module, name)
            if not (inspect.isclass(thing) or inspect.isfunction(thing)):
                continue
            if not thing.__module__.startswith("jarvis"):
                continue
            for path, function in callables(thing, f"{thing.__module__}.{thing.__qualname__}"):
                try:
                    parameters = inspect.signature(function).parameters.values()
                except (TypeError, ValueError):
                    continue
                given = (p for p in parameters if p.default is not p.empty)
                lines |= {f"{path}({p.name}={said(p.default)})" for p in given}
    return sorted(lines)


def test_defaults_are_those_that_were_meant():
    meant, found = MEANT.read_text().splitlines(), defaults()
    assert len(found) > 300
    unseen = sorted(set(found) ^ set(meant))
    assert found == meant, "changed: " + "; ".join(unseen)


def test_no_default_is_an_address():
    assert not [line for line in defaults() if " at 0x" in line]


if __name__ == "__main__":
    sys.stdout.write("\n".join(defaults()) + "\n")
