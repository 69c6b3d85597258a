"""A start imports little: `jarvis` and its names cost what torch costs, and stay in sight."""

import ast
import importlib
import json
import subprocess
import sys

import pytest

import jarvis
from benchmarks import startup
from conftest import ROOT

#: What comes when it is used, and not before.
LATE = (
    "matplotlib", "torchvision", "sklearn", "scipy", "h5py", "numba", "PIL", "tqdm.notebook",
    "yaml", "triton", "pandas", "IPython", "ipywidgets", "nir", "tonic", "torch.utils.tensorboard",
    "gymnasium", "mujoco", "stable_baselines3",
)  # fmt: skip

#: One process goes through these, and says after each what it has imported of `LATE`, and of torch.
STEPS = (
    "import jarvis",
    "dir(jarvis)",
    "from jarvis import LIFLayer",
    "from jarvis import SpikingMLP, datasets, fit",
    "from jarvis import *",
    "import jarvis.plotting",
    "import jarvis.classroom.check, jarvis.classroom.broken, jarvis.classroom.comparison",
)

PROGRAM = f"""
import json, sys
for step in {STEPS!r}:
    exec(step)
    print(json.dumps([name for name in ("torch", *{LATE!r}) if name in sys.modules]))
"""


def stub() -> dict[str, str]:
    """Every name that ``__init__.pyi`` promises, and the module that it comes from."""
    found = {}
    for node in ast.parse((ROOT / "jarvis" / "__init__.pyi").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom):
            assert node.level == 1
            for alias in node.names:
                assert alias.asname == alias.name  # so that a type checker takes it as exported
                found[alias.name] = node.module or ""
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found[node.target.id] = ""
    return found


def test_a_start_imports_nothing_that_is_used_later():
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    seen = dict(zip(STEPS, map(json.loads, done.stdout.splitlines()), strict=True))
    assert seen.pop("import jarvis") == []  # not even torch
    assert seen.pop("dir(jarvis)") == []  # completion before anything is used is free
    assert seen == {step: ["torch"] for step in seen}


def test_the_stub_and_the_package_have_the_same_names():
    promised = stub()
    assert len(promised) > 40
    assert sorted(jarvis.__all__) == sorted(promised)  # no name twice
    assert set(promised) <= set(dir(jarvis))
    for name, module in promised.items():
        found = getattr(jarvis, name)
        if name == "__version__":
            assert isinstance(found, str)
        elif module:
            assert found is getattr(importlib.import_module(f"jarvis.{module}"), name)
        else:
            assert found is importlib.import_module(f"jarvis.{name}")
    with pytest.raises(AttributeError, match="no_such_name"):
        jarvis.no_such_name  # noqa: B018


def test_the_measurement_of_a_start(monkeypatch, capsys):
    seconds = {
        startup.TORCH: iter([9.0, 1.0, 3.0, 1.1]),
        startup.JARVIS: iter([9.0, 1.3, 1.2, 0.9]),
    }
    order = []

    def cpu_seconds(program):
        order.append(program)
        return next(seconds[program])

    monkeypatch.setattr(startup, "cpu_seconds", cpu_seconds)
    taken = startup.measure(3, tuple(seconds))
    assert order == 4 * [startup.TORCH, startup.JARVIS]
    assert taken == {startup.TORCH: [1.0, 3.0, 1.1], startup.JARVIS: [1.3, 1.2, 0.9]}
    printed = startup.table(taken)
    assert "| `import jarvis` | 1.20 | 0.90 to 1.30 | +0.10 |" in printed
    assert printed.endswith("+0.10 s (<= 0.1 s: met)")
    assert "+0.20 s (<= 0.1 s: MISSED)" in startup.table(taken | {startup.JARVIS: [1.3]})
    monkeypatch.setattr(startup, "STARTS", tuple(seconds))
    monkeypatch.setattr(startup, "measure", lambda repeats: taken if repeats == 2 else {})
    startup.main(["--repeats", "2"])
    assert capsys.readouterr().out == printed + "\n"


def test_a_start_is_timed_and_its_failure_is_said():
    assert startup.cpu_seconds("sum(range(3_000_000))") > startup.cpu_seconds("pass") > 0.0
    with pytest.raises(
        RuntimeError, match=r"(?s)'import no_such' failed: .*No module named 'no_such'"
    ):
        startup.cpu_seconds("import no_such")
