"""The form of the notebooks; `pytest --nbmake` runs them."""

import json
import re
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import nbformat
import pytest

from conftest import ROOT

SOURCES = ROOT / "notebooks" / "sources"
NOTEBOOKS = sorted(SOURCES.glob("[0-9]*.py"))
SOLUTIONS = sorted((SOURCES / "solutions").glob("[0-9]*.py"))
EVERY = NOTEBOOKS + SOLUTIONS


def name(path: Path) -> str:
    return str(path.relative_to(SOURCES).with_suffix(""))


def notebook_of(source: Path) -> Path:
    return (ROOT / "notebooks" / name(source)).with_suffix(".ipynb")


def read(source: Path):
    return nbformat.read(notebook_of(source), as_version=4)


def code_cells(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def test_there_are_notebooks_and_each_has_solutions():
    assert {p.name for p in NOTEBOOKS} >= {
        "01_lif_neuron.py",
        "03_spike_codes.py",
        "04_toy_classifier.py",
        "05_mnist.py",
    }
    assert [p.name for p in NOTEBOOKS] == [p.name for p in SOLUTIONS]


@pytest.mark.parametrize("source", EVERY, ids=name)
def test_the_pair_is_the_same_text(source):
    text, notebook = jupytext.read(source), read(source)
    assert [(c.cell_type, c.source) for c in text.cells] == [
        (c.cell_type, c.source) for c in notebook.cells
    ], f"run: python tools/notebooks.py build {source.relative_to(ROOT)}"
    for ours, theirs in zip(text.cells, notebook.cells, strict=True):
        assert ours.metadata.get("nbmake") == theirs.metadata.get("nbmake")


@pytest.mark.parametrize("source", EVERY, ids=name)
def test_outputs_of_a_full_run_without_errors_or_paths(source):
    notebook = read(source)
    assert any(c.outputs for c in code_cells(notebook))
    for cell in code_cells(notebook):
        assert cell.execution_count is not None, cell.source
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.get("text")
            assert "/home/" not in json.dumps(output)
            assert str(ROOT) not in json.dumps(output)
    assert notebook_of(source).stat().st_size < 1_000_000


@pytest.mark.parametrize("source", EVERY, ids=name)
def test_one_parameter_cell_and_its_mock_names_what_it_assigns(source):
    cells = [c for c in code_cells(read(source)) if "nbmake" in c.metadata]
    assert len(cells) == 1
    (cell,) = cells
    assert "parameters" in cell.metadata.get("tags", [])
    mock = cell.metadata["nbmake"]["mock"]
    assigned = set(re.findall(r"^(\w+) *=", cell.source, re.MULTILINE))
    assert set(mock) <= assigned
    assert mock.get("full_run") is False
    values: dict = {}
    exec(cell.source, {"__builtins__": {}}, values)  # literals only: nothing to look up
    assert values["full_run"] is True


@pytest.mark.parametrize("source", NOTEBOOKS, ids=name)
def test_exercises_each_solved(source):
    def exercises(path):
        text = "\n".join(c.source for c in read(path).cells if c.cell_type == "markdown")
        return re.findall(r"^#+ Exercise (\d)", text, re.MULTILINE)

    found = exercises(source)
    assert found
    assert found == exercises(source.parent / "solutions" / source.name)


@pytest.mark.parametrize(
    "change", [{"tau": 10.0}, {"dt": 0.5}, {"current": 1.6}, {"duration": 100}]
)
def test_the_first_notebook_bears_other_parameters(change, monkeypatch):
    """It invites a learner to change them: no assertion of its story may stop them."""
    pytest.importorskip("ipywidgets")
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: plt.close("all"))
    monkeypatch.setattr("jarvis.support.files.write_json", None)  # a short run writes nothing
    space: dict = {}
    for cell in code_cells(jupytext.read(NOTEBOOKS[1])):
        exec(cell.source, space)
        if "nbmake" in cell.metadata:
            space |= cell.metadata["nbmake"]["mock"] | change
    plt.close("all")
    assert space["explorer"].moves == 2
