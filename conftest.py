"""One thread for torch in every test and notebook: their tensors are small, and two threads that
wait for each other on a busy machine take many times longer than one."""

import importlib.util
import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

#: The packages of the extra `control`.
EXTRA = ("gymnasium", "mujoco", "stable_baselines3")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say what belongs together, for ``--dist loadgroup``: a file; in the suite of all neurons, a
    neuron, whose compiled loops are then made by one process only. Mark the lessons that need the
    extra `control`, and the lessons with their exercises solved as slow."""
    for item in items:
        params = getattr(getattr(item, "callspec", None), "params", {})
        case = params.get("case") if item.path.name == "test_every_neuron.py" else None
        part = f":{case.name}" if hasattr(case, "name") else ""
        item.add_marker(pytest.mark.xdist_group(f"{item.path.name}{part}"))
        if item.path.suffix == ".ipynb" and "jarvis.control" in item.path.read_text("utf-8"):
            item.add_marker(pytest.mark.control)
        if item.path.suffix == ".ipynb" and item.path.parent.name == "solutions":
            item.add_marker(pytest.mark.slow)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("control") and not all(map(_installed, EXTRA)):
        pytest.skip("needs pip install 'jarvis-snn[control]'")


def _installed(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ImportError:
        return False
