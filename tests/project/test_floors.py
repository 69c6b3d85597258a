"""The house: imports point one way, folders say what is in them, tests mirror the library."""

import ast
import importlib.util
import re
import subprocess
import sys

import pytest

from conftest import ROOT


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("floors", ROOT / "tools" / "floors.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_entry_has_its_floor(house):
    assert sorted(entry for floor in house.FLOORS for entry in floor) == house.entries()


def test_imports_point_one_way(house):
    assert len(list(house.imports())) > 300  # it did look
    assert house.upward() == []
    assert house.circles() == []
    assert house.private_across() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "finds"),
    [
        ("from jarvis.stdp.wta import WTAConfig", "upward"),
        ("def f():\n    from jarvis import training", "upward"),
        ("import jarvis.classroom.broken", "upward"),
        ("from jarvis.support.checks import _anything", "private_across"),
        ("from jarvis.neurons.layers import over_time", "circles"),
    ],
)
def test_it_would_see_a_wrong_import(house, line, finds, tmp_path, monkeypatch):
    library = tmp_path / "jarvis"
    for name, path in house.modules().items():
        copy = library / path.relative_to(house.LIBRARY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        text = path.read_text(encoding="utf-8")
        copy.write_text(text + f"\n{line}\n" * (name == "neurons.decay"), encoding="utf-8")
    if finds == "circles":
        layers = library / "neurons" / "layers.py"
        more = "\nfrom jarvis.neurons.decay import exp_decay\n"
        layers.write_text(layers.read_text(encoding="utf-8") + more, encoding="utf-8")
    monkeypatch.setattr(house, "LIBRARY", library)
    assert getattr(house, finds)() != []


def test_every_folder_says_what_is_in_it(house):
    for path in house.LIBRARY.rglob("__init__.py"):
        assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


def test_tests_mirror_the_library(house):
    folders = {path.name for path in (ROOT / "tests").iterdir() if path.is_dir()} - {"__pycache__"}
    assert set(house.entries()) - folders <= {
        "neurons",
        "lif",
        "plotting",
        "surrogate",
        "zoo",
    }  # files
    assert folders - set(house.entries()) == {"browser", "demos", "project"}


def test_the_picture_of_the_floors_is_up_to_date(tmp_path):
    def words(path):
        return re.findall(r"<text [^>]*>(\w+)</text>", path.read_text(encoding="utf-8"))

    target = tmp_path / "floors.svg"
    subprocess.run([sys.executable, ROOT / "tools" / "floors.py", target], check=True)
    assert words(target) == words(ROOT / "docs" / "images" / "floors.svg")
    assert len(words(target)) > 14
