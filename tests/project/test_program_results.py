"""The stored results of the short programs, and the page that shows them."""

import json
import math
import runpy
import sys

import pytest

from conftest import ROOT

sys.path.insert(0, str(ROOT / "demos"))
import evaluate_spikeseg
import train_mnist
import train_reward
import train_spikeseg
import train_toy

import train_control

sys.path.pop(0)

TABLE = runpy.run_path(str(ROOT / "tools" / "program_table.py"))
PROGRAMS = {
    f"{module.__name__}.py": module
    for module in (
        evaluate_spikeseg,
        train_control,
        train_mnist,
        train_reward,
        train_spikeseg,
        train_toy,
    )
}


@pytest.mark.parametrize("which", TABLE["TABLES"])
def test_the_results_page_shows_the_stored_runs(which):
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    start, end = f"<!-- programs: {which} -->", f"<!-- end of programs: {which} -->"
    assert text.split(start)[1].split(end)[0].strip() == TABLE["table"](which)


@pytest.mark.parametrize("name", TABLE["ROWS"])
def test_the_commands_are_those_of_the_programs(name):
    row, kept = TABLE["ROWS"][name], TABLE["read"](name)
    assert kept["commands"] == [TABLE["shown"](line) for line in row.commands]
    for line in row.commands:
        program, *options = line.replace("SEED", "0").split()
        PROGRAMS[program].make_parser().parse_args(options)
    assert all(row.data in line for line in kept["commands"] if "--dataset" in line)
    seeds = [run["seed"] for run in kept["runs"]]
    assert seeds == sorted(set(seeds))
    assert set(seeds) <= set(row.seeds)
    for run in kept["runs"]:
        if row in TABLE["TABLES"]["bodies"].values():
            assert math.isfinite(run["test_return"])
            assert 0 < run["processor_seconds"] < 1.5 * run["seconds"]
        else:
            assert all(0 <= run[value] <= 1 for value, _ in row.values)


def test_values_are_read_from_what_a_program_prints():
    text = "val_acc=0.5 test_acc=0.25\nseconds=10.5 (3 ms)\ntest_acc=0.9120 (decoder: 0.9)\nn=7"
    assert TABLE["printed"](text) == {"val_acc": 0.5, "test_acc": 0.912, "seconds": 10.5, "n": 7.0}
    text = "small=1e-05 below=-5 large=-1.5E+3, last=0.9. version=1.2.3"
    assert TABLE["printed"](text) == {
        "small": 1e-5, "below": -5.0, "large": -1500.0, "last": 0.9, "version": 1.2
    }  # fmt: skip


@pytest.mark.parametrize("name", ["digits", "toy_ttfs", "satellites"])
def test_a_row_names_the_data_on_which_it_was_tested(name):
    assert TABLE["read"](name)["data"] == TABLE["source"](TABLE["ROWS"][name])


def test_runs_with_other_data_are_not_mixed(tmp_path, monkeypatch):
    make = TABLE["make"]
    monkeypatch.setitem(make.__globals__, "RESULTS", tmp_path)
    monkeypatch.setitem(make.__globals__, "carry_out", lambda row, seed: {"test_acc": 0.5})
    make("toy_rate", 0)
    content = TABLE["read"]("toy_rate")
    assert content["data"] == "toy set, generated (seed 0)"
    path = tmp_path / "toy_rate.json"
    path.write_text(json.dumps(content | {"data": "other"}), encoding="utf-8")
    make("toy_rate", 0)  # stored already
    with pytest.raises(SystemExit, match="other data"):
        make("toy_rate", 1)


def test_a_run_prints_what_its_row_shows():
    row = TABLE["Row"]("toy", "toy", ("train_toy.py --epochs 1 --seed SEED",), (0,))
    assert 0.5 < TABLE["carry_out"](row, 0)["test_acc"] < 1.0
    with pytest.raises(SystemExit, match="--encoding"):
        TABLE["carry_out"](TABLE["Row"]("toy", "toy", ("train_toy.py --encoding none",), (0,)), 0)


def test_times_are_shown_by_their_extremes():
    extremes = TABLE["extremes"]
    assert extremes([0.84, 3.1, 2.0]) == "0.8 to 3.1"
    assert extremes([700.4, 1709.2]) == "700 to 1,709"
    assert (extremes([12.0]), extremes([])) == ("12.0", "")
    assert extremes([709.1, 709.3]) == "709"


def test_a_row_shows_mean_and_spread():
    row = TABLE["ROWS"]["satellites"]
    runs = [{"informedness": 0.5, "mean_iou": x, "two_instances": 0.5, "false_alarms": 0.0}
            for x in (0.6, 0.8)]  # fmt: skip
    shown = TABLE["cell"](row, runs)
    assert "mean IoU 0.700 ± 0.141" in shown
    assert "pairs told apart 50.0 ± 0.0 %" in shown
    assert "±" not in TABLE["cell"](row, runs[:1])
