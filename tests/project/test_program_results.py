"""The stored results of the short programs, and the page that shows them."""

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

sys.path.pop(0)

TABLE = runpy.run_path(str(ROOT / "tools" / "program_table.py"))
PROGRAMS = {
    f"{module.__name__}.py": module
    for module in (evaluate_spikeseg, train_mnist, train_reward, train_spikeseg, train_toy)
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
    seeds = [run["seed"] for run in kept["runs"]]
    assert seeds == sorted(set(seeds))
    assert set(seeds) <= set(row.seeds)
    for run in kept["runs"]:
        assert all(0 <= run[value] <= 1 for value, _ in row.values)


def test_values_are_read_from_what_a_program_prints():
    text = "val_acc=0.5 test_acc=0.25\nseconds=10.5 (3 ms)\ntest_acc=0.9120 (decoder: 0.9)\nn=7"
    assert TABLE["printed"](text) == {"val_acc": 0.5, "test_acc": 0.912, "seconds": 10.5, "n": 7.0}


def test_a_run_prints_what_its_row_shows():
    row = TABLE["Row"]("toy", ("train_toy.py --epochs 1 --seed SEED",), (0,))
    assert 0.5 < TABLE["carry_out"](row, 0)["test_acc"] < 1.0
    with pytest.raises(SystemExit, match="--encoding"):
        TABLE["carry_out"](TABLE["Row"]("toy", ("train_toy.py --encoding none",), (0,)), 0)


def test_a_row_shows_mean_and_spread():
    row = TABLE["ROWS"]["satellites"]
    runs = [{"informedness": 0.5, "mean_iou": x, "two_instances": 0.5, "false_alarms": 0.0}
            for x in (0.6, 0.8)]  # fmt: skip
    shown = TABLE["cell"](row, runs)
    assert "mean IoU 0.700 ± 0.141" in shown
    assert "pairs told apart 50.0 ± 0.0 %" in shown
    assert "±" not in TABLE["cell"](row, runs[:1])
