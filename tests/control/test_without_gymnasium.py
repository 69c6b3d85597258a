"""What happens where the extra `control` is not installed: one line, and nothing else breaks."""

import subprocess
import sys

import jupytext
import pytest

from conftest import ROOT

#: Makes gymnasium and mujoco impossible to import, as if they were not installed.
WITHOUT = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("gymnasium", "mujoco"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
"""


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", WITHOUT + code], cwd=ROOT, capture_output=True, text=True
    )


def test_everything_can_be_imported_and_a_policy_needs_no_gymnasium():
    done = python(
        "import numpy as np\n"
        "from jarvis.control import *\n"
        "import jarvis.control.wrappers\n"
        "policy = Policy(2, Actions(3), neuron='linear')\n"
        "print(SpikingPolicy(policy).theta().shape, kinds()[0])\n"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "(9,) lif\n"


def test_what_needs_it_says_in_one_line_what_to_install():
    for call in (
        "task('CartPole-v1').make()",
        "task('CartPole-v1').policy()",
        "wrappers.SensorNoise(None)",
    ):
        done = python(f"from jarvis.control import task, wrappers\n{call}")
        assert done.returncode == 1
        last = done.stderr.splitlines()[-1]
        assert "MissingPackageError: jarvis.control needs gymnasium: pip install" in last
        assert "'jarvis-snn[control]'" in last


def test_the_program_says_it_in_one_line_with_status_2():
    done = python(
        "sys.path.insert(0, 'demos')\n"
        "import cli, train_control\n"
        "sys.argv = ['train_control.py']\n"
        "cli.run(train_control.make_parser(), train_control.main)"
    )
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("train_control.py: jarvis.control needs gymnasium: pip install")


LESSONS = [
    path
    for path in sorted((ROOT / "notebooks" / "sources").glob("[0-9]*.py"))
    if "from jarvis.control" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_the_first_cell_of_a_lesson_says_it_in_one_line(source):
    first = next(cell for cell in jupytext.read(source).cells if cell.cell_type == "code")
    done = python(first.source)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "MissingPackageError: jarvis.control needs gymnasium: pip install" in last


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_that_needs_it_is_skipped(source):
    notebook = f"notebooks/{source.stem}.ipynb"
    done = python(
        f"import pytest\npytest.main(['--nbmake', '-rs', '-p', 'no:xdist', {notebook!r}])"
    )
    assert "1 skipped" in done.stdout, done.stdout + done.stderr
    assert "needs pip install 'jarvis-snn[control]'" in done.stdout
