"""The installation itself: first that torch and torchvision fit each other."""

import importlib
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_torch_and_torchvision_fit():
    import torch
    import torchvision

    assert torch.ones(2).sum() == 2
    # ops that torchvision registers with torch: missing when the two were built apart
    assert torchvision.ops.nms(torch.tensor([[0.0, 0, 1, 1]]), torch.ones(1), 0.5).tolist() == [0]


def test_importing_opens_no_connection_and_compiles_nothing():
    code = (
        "import socket, sys\n"
        "def refuse(*a, **k): raise AssertionError('a connection at import')\n"
        "socket.socket.connect = refuse\n"
        "import jarvis\n"
        "assert 'numba' not in sys.modules and 'triton' not in sys.modules\n"
        "assert 'sklearn' not in sys.modules\n"
        "print(jarvis.__version__)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == metadata.version("jarvis-snn")


FOLDERS = (
    "adex", "control", "datasets", "encoding", "networks", "neurons", "spatial", "stdp", "training",
)  # fmt: skip


@pytest.mark.parametrize("name", ["jarvis", *(f"jarvis.{folder}" for folder in FOLDERS)])
def test_all_names_exist_and_have_docstrings(name):
    module = importlib.import_module(name)
    assert len(module.__all__) == len(set(module.__all__)) > 2
    for export in module.__all__:
        thing = getattr(module, export)
        if callable(thing):
            assert thing.__doc__, f"{name}.{export} has no docstring"


def test_constraints_pin_names_and_versions_only():
    for line in (ROOT / "constraints.txt").read_text().splitlines():
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.+!_-]+", line), line
