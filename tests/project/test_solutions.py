"""The solutions run: cell by cell in this process, with the shortened parameters.

`pytest --nbmake` runs the lessons, each in a kernel of its own, which takes some seconds to start.
"""

import linecache
import sys
import types

import jupytext
import pytest
import torch
from matplotlib import pyplot as plt

from conftest import ROOT

SOLUTIONS = sorted((ROOT / "notebooks" / "sources" / "solutions").glob("[0-9]*.py"))


def run(cells, name: str) -> dict:
    """Run code cells as a kernel does; returns what they define."""
    module = types.ModuleType(name)
    sys.modules[name] = module  # where classes look themselves up
    try:
        for number, cell in enumerate(cells):
            file = f"<{name} cell {number}>"  # a compiled loop reads the source of its step
            lines = cell.source.splitlines(keepends=True)
            linecache.cache[file] = (len(cell.source), None, lines, file)
            exec(compile(cell.source, file, "exec"), module.__dict__)
            plt.close("all")
            module.__dict__.update(cell.metadata.get("nbmake", {}).get("mock", {}))
    finally:
        del sys.modules[name]
    return module.__dict__


@pytest.fixture(autouse=True)
def _as_in_a_kernel(monkeypatch):
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: plt.close("all"))
    threads, dtype = torch.get_num_threads(), torch.get_default_dtype()
    with plt.rc_context():
        yield
    torch.set_num_threads(threads)
    torch.set_default_dtype(dtype)


@pytest.mark.parametrize("source", SOLUTIONS, ids=lambda path: path.stem)
def test_solutions_run(source, monkeypatch):
    monkeypatch.chdir(ROOT / "notebooks" / "solutions")
    cells = [cell for cell in jupytext.read(source).cells if cell.cell_type == "code"]
    space = run(cells, f"solutions_{source.stem}")
    assert space["full_run"] is False
    assert space["check"].__name__ == f"jarvis.classroom.check.{source.stem.partition('_')[2]}"


def test_a_failing_cell_fails_and_classes_and_steps_are_found():
    """The running itself: a mistake is not swallowed, and what is defined can be looked up."""
    text = """# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True

# %%
from __future__ import annotations

import inspect
from dataclasses import dataclass


@dataclass
class Pair:
    a: int
    b: float = 2.0


def step(x):
    return x + 1


assert Pair(1).b == 2.0
assert "return x + 1" in inspect.getsource(step)
assert not full_run
"""
    cells = jupytext.reads(text, "py:percent").cells
    assert run(cells, "solutions_of_a_test")["step"](1) == 2
    assert "solutions_of_a_test" not in sys.modules
    cells[1].source += "\nassert False, 'a mistake'"
    with pytest.raises(AssertionError, match="a mistake"):
        run(cells, "solutions_of_a_test")
