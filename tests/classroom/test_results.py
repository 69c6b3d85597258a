"""The numbers of a text against those of a run."""

import json

import pytest

from jarvis.classroom.results import record


def test_full_run_saves_what_it_measured(tmp_path):
    path = tmp_path / "numbers.json"
    record(path, {"accuracy": 0.91}, {"accuracy": 0.908, "rate": 20}, full=True)
    assert json.loads(path.read_text()) == {"accuracy": 0.908, "rate": 20.0}
    record(path, {"accuracy": 0.91}, {"accuracy": 0.5}, full=False)


def test_full_run_that_disagrees_names_every_number_and_keeps_the_file(tmp_path):
    path = tmp_path / "numbers.json"
    record(path, {"a": 1.0}, {"a": 1.0, "b": 2.0}, full=True)
    before = path.read_bytes()
    with pytest.raises(AssertionError, match=r"a = 1.0.*3.0\n.*b = 2.0.*4.0"):
        record(path, {"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}, full=True)
    assert path.read_bytes() == before


def test_shortened_run_compares_with_the_last_full_one(tmp_path):
    path = tmp_path / "numbers.json"
    record(path, {"a": 1.0}, {"a": 1.0}, full=True)
    with pytest.raises(AssertionError, match=r"a = 2\.0, the full run measured 1\.0"):
        record(path, {"a": 2.0}, {"a": 2.0}, full=False)


def test_a_copy_of_a_notebook_elsewhere_says_that_nothing_was_compared(tmp_path, capsys):
    path = tmp_path / "results/numbers.json"
    record(path, {"a": 1.0}, {"a": 2.0}, full=False)
    assert capsys.readouterr().out.startswith("Nothing was compared: this run is shortened")
    assert not path.exists()
    with pytest.raises(AssertionError, match=r"a = 1\.0, the full run measured 2\.0"):
        record(path, {"a": 1.0}, {"a": 2.0}, full=True)
