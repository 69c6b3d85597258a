"""What all tests share. Where JARVIS_REQUIRE_DATA is set, a lack of real data is a failure."""

import os
import threading
from collections.abc import Container, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import matplotlib
import pytest
import torch
from hypothesis import HealthCheck, settings

matplotlib.use("Agg")

# A busy machine is slow, and no test may fail for that.
settings.register_profile("jarvis", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("jarvis")

ROOT = Path(__file__).resolve().parent.parent
REAL_DATA = os.environ.get("JARVIS_DATA")  # as given, before a test changes it


@contextmanager
def in_use(folder: Path) -> Iterator[None]:
    """Another thread, which stands for another program, holds the lock of a folder."""
    from jarvis.support.files import locked

    held, done = threading.Event(), threading.Event()

    def hold():
        with locked(folder):
            held.set()
            done.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(60)
    try:
        yield
    finally:
        done.set()
        other.join()


def sampled(names: Iterable[str], quick: Container[str]) -> list:
    """The names as parameters of a test; those that are not in `quick` are slow."""
    return [name if name in quick else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    from matplotlib import pyplot as plt

    plt.close("all")


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("no CUDA here")
    marker = item.get_closest_marker("data")
    if marker is None:
        return
    if REAL_DATA and (Path(REAL_DATA) / marker.args[0]).exists():
        return
    message = f"needs {marker.args[0]} in $JARVIS_DATA"
    if os.environ.get("JARVIS_REQUIRE_DATA"):
        pytest.fail(message)
    pytest.skip(message)
