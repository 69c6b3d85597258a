"""What happens where the extra `control` is not installed: one line, and nothing else breaks."""

import subprocess
import sys

import jupytext
import pytest

from conftest import ROOT

LESSONS = [
    path
    for path in sorted((ROOT / "notebooks" / "sources").rglob("[0-9]*.py"))
    if "from jarvis.control" in path.read_text(encoding="utf-8")
]

#: Makes packages impossible to import, as if they were not installed.
WITHOUT = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in MISSING:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Refuse())
"""
#: What the extra installs.
EXTRA = ("gymnasium", "mujoco", "stable_baselines3")


def python(code: str, missing: tuple[str, ...] = EXTRA) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", f"MISSING = {missing}\n" + WITHOUT + code],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip


@pytest.mark.slow
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


@pytest.mark.control
@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "call", "says"),
    [
        (
            "stable_baselines3",
            "PPORun(task('CartPole-v1'), task('CartPole-v1').policy(persistent=False))",
            "jarvis.control needs stable_baselines3: pip install",
        ),
        ("mujoco", "task('Ant-v5').make()", "Ant-v5 needs further packages: pip install"),
    ],
)
def test_each_package_that_is_missing_is_named(missing, call, says):
    done = python(f"from jarvis.control import PPORun, task\n{call}", (missing,))
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"MissingPackageError: {says}" in last
    assert "'jarvis-snn[control]'" in last
    done = python(
        "from jarvis.control import evolve, task\n"
        "pole = task('CartPole-v1')\n"
        "evolve(pole, pole.policy(neuron='linear'), budget=500, progress=False)",
        (missing,),
    )
    assert done.returncode == 0, done.stderr


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


@pytest.mark.slow
@pytest.mark.parametrize("source", LESSONS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_lesson_says_it_in_its_first_cell(source):
    first = next(cell for cell in jupytext.read(source).cells if cell.cell_type == "code")
    done = python(first.source)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "MissingPackageError: jarvis.control needs gymnasium: pip install" in last


def test_the_lessons_are_skipped():
    folder = ROOT / "notebooks"
    sources = [path.relative_to(folder / "sources").with_suffix(".ipynb") for path in LESSONS]
    notebooks = [str(folder / path) for path in sources]
    options = [
        "--nbmake",
        "-m",
        "not bench",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:xdist",
        "-rs",
        *notebooks,
    ]
    done = python(f"import pytest\nsys.exit(pytest.main({options}))")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(notebooks)} skipped" in done.stdout
    assert "needs pip install 'jarvis-snn[control]'" in done.stdout
