"""Find hollow tests: tests that pass although a function that they name returns only zeros.

python tools/hollow_tests.py tests/encoding
python tools/hollow_tests.py tests --functions scale_to_rate evaluate

The program takes each test file, and each function of the package that the tests in this file name.
The function still runs, but every number in its result is replaced by 0 (and True by False). The
tests that name the function run again, and the program prints those that pass. Some pass for good
reason: they test something else, such as an error or the random state; a person has to decide. The
program needs POSIX.
"""

import argparse
import ast
import functools
import importlib
import inspect
import os
import pkgutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FunctionType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LIMIT = 120  #: seconds for those tests of one file that name one function


def emptied(value: Any) -> Any:
    """A value of the same shape and type in which every number is 0."""
    import numpy as np
    import torch

    if isinstance(value, torch.Tensor):
        return torch.zeros_like(value) if value.numel() else value
    if isinstance(value, np.ndarray):
        return np.zeros_like(value)
    if isinstance(value, bool | int | float | complex | np.generic):
        return type(value)(0)
    if isinstance(value, tuple):
        parts = [emptied(part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
    if isinstance(value, list):
        return [emptied(part) for part in value]
    if isinstance(value, dict):
        return {key: emptied(part) for key, part in value.items()}
    return value


def imported(tree: ast.Module) -> set[str]:
    """The names that a file imports from the package and does not redefine."""
    froms = (node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))
    names = {a.name for n in froms if (n.module or "").startswith("jarvis") for a in n.names}
    return names - {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def named(test: ast.AST, names: set[str]) -> set[str]:
    """The names that a test uses: those in `names`, and those taken from `jarvis` itself."""
    nodes = list(ast.walk(test))
    assigned = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    used = {node.id for node in nodes if isinstance(node, ast.Name)}
    attributes = [node for node in nodes if isinstance(node, ast.Attribute)]
    own = (a for a in attributes if isinstance(a.value, ast.Name) and a.value.id == "jarvis")
    return ((used & names) | {a.attr for a in own}) - assigned


def public_functions() -> dict[str, FunctionType]:
    """The package's functions, by name; a name shared by two functions is left out."""
    import jarvis

    found: dict[str, set[FunctionType]] = {}
    for module in pkgutil.walk_packages(jarvis.__path__, "jarvis."):
        if "triton" in module.name or ".kernels" in module.name:
            continue
        loaded = importlib.import_module(module.name)
        for name, value in vars(loaded).items():
            if inspect.isfunction(value) and value.__module__ == module.name and name[0] != "_":
                found.setdefault(name, set()).add(value)
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1}


def replace(function: FunctionType) -> None:
    """Put the emptied function in place of the original, in every module that refers to it."""

    @functools.wraps(function)
    def hollow(*args: Any, **kwargs: Any) -> Any:
        return emptied(function(*args, **kwargs))

    for module in list(sys.modules.values()):
        for name, value in list(getattr(module, "__dict__", {}).items()):
            if value is function:
                setattr(module, name, hollow)


class _Passed:
    """Collects the tests that passed."""

    def __init__(self, only: set[str]) -> None:
        self.only, self.names = only, set[str]()

    def pytest_collection_modifyitems(self, items: list) -> None:
        items[:] = [item for item in items if item.originalname in self.only]

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "call" and report.passed:
            self.names.add(report.nodeid)


def in_a_child(work: Callable[[], str], limit: float) -> str:
    """What `work` returns in a forked process, or "" if it takes too long."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(int(limit))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        try:
            os.write(writer, work().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def hollow_tests(file: Path, only: set[str] | None = None) -> Iterator[tuple[str, str]]:
    """Pairs of a function and a test that passes although the function returns zeros."""
    import pytest

    tree = ast.parse(file.read_text())
    names = imported(tree)
    tests = {
        node.name: named(node, names)
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    functions = public_functions()
    for name in sorted(set().union(*tests.values()) & set(functions)):
        if only and name not in only:
            continue
        theirs = {test for test, names in tests.items() if name in names}

        def run(change: bool, name: str = name, theirs: set[str] = theirs) -> str:
            def work() -> str:
                if change:
                    replace(functions[name])
                passed = _Passed(theirs)
                flags = ["-q", "-p", "no:cacheprovider", "-m", "not bench"]
                pytest.main([str(file), *flags], plugins=[passed])
                return "\n".join(sorted(passed.names))

            return in_a_child(work, LIMIT)

        before, after = set(run(False).split("\n")), set(run(True).split("\n"))
        # A test is hollow only if it passes with all of its parameters.
        failed = {node.split("[")[0] for node in before - after}
        for test in sorted({node.split("[")[0] for node in after} - failed - {""}):
            yield name, test


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])  # type: ignore[union-attr]
    parser.add_argument("paths", nargs="+", type=Path, help="test files, or folders of them")
    parser.add_argument("--functions", nargs="+", help="only these")
    args = parser.parse_args(argv)
    sys.path[:0] = [str(ROOT), str(ROOT / "tests")]
    for path in args.paths:
        for file in sorted(path.rglob("test_*.py")) if path.is_dir() else [path]:
            for function, test in hollow_tests(file, set(args.functions or ())):
                print(f"{test}: passes although {function} returns zeros", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
