"""The tool that finds tests which pass although a function returns a constant."""

import pytest

from tools.hollow_tests import emptied, hollow_tests, main

pytestmark = pytest.mark.slow

FILE = """
import pytest, torch
from jarvis import ttfs_encode, seeded

def test_that_looks():
    assert ttfs_encode(torch.ones(1, 2), 5).sum() == 2

def test_that_does_not():
    assert ttfs_encode(torch.ones(1, 2), 5).shape == (5, 1, 2)

@pytest.mark.parametrize("value", [0.0, 1.0])
def test_of_which_one_looks(value):
    assert ttfs_encode(torch.full((1, 2), value), 5).sum() == 2 * value
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "test_example.py"
    path.write_text(FILE)
    return path


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork beside threads
def test_it_names_the_hollow_one(file, capsys):
    (found,) = hollow_tests(file, {"ttfs_encode"})
    assert (found[0], found[1].split("::")[1]) == ("ttfs_encode", "test_that_does_not")
    assert main([str(file), "--functions", "seeded"]) == 0
    assert capsys.readouterr().out == ""


def test_emptied_keeps_types():
    assert emptied((1, [2.5, True], {"a": "text"})) == (0, [0.0, False], {"a": "text"})
