"""The default of every public argument, and the unit and bounds of every parameter of a neuron.

Such a number decides results, and few tests notice when one changes. After a change that is meant:
``python tests/project/test_defaults.py > tests/project/defaults.txt``
"""

import dataclasses
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jarvis
from jarvis.neurons.definition import Parameters

BOUNDS = "bounds of "
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


def bounds() -> list[str]:
    """The unit and the bounds, a line for each parameter of a neuron that a module shows."""
    lines = set()
    for module in public_modules():
        for thing in (getattr(module, name) for name in getattr(module, "__all__", ())):
            if inspect.isclass(thing) and issubclass(thing, Parameters) and thing != Parameters:
                for each in dataclasses.fields(thing):
                    if "bounds" in each.metadata:
                        held = {k: v for k, v in each.metadata["bounds"].items() if v is not None}
                        unit = each.metadata["unit"] or "no unit"
                        lines.add(f"{BOUNDS}{thing.__qualname__}.{each.name} {unit} {held}")
    return sorted(lines)


def test_units_and_bounds_of_parameters_are_those_that_were_meant():
    found = bounds()
    assert len(found) > 100
    assert found == [line for line in MEANT.read_text().splitlines() if line.startswith(BOUNDS)]


def test_defaults_are_those_that_were_meant():
    meant = [line for line in MEANT.read_text().splitlines() if not line.startswith(BOUNDS)]
    found = defaults()
    assert len(found) > 300
    unseen = sorted(set(found) ^ set(meant))
    assert found == meant, "changed: " + "; ".join(unseen)


def test_no_default_is_an_address():
    assert not [line for line in defaults() if " at 0x" in line]


if __name__ == "__main__":
    sys.stdout.write("\n".join([*defaults(), *bounds()]) + "\n")
