"""The stored runs of tools/delayed_table.py: what the page shows, and which runs are accepted."""

import doctest
import json

import numpy as np
import pytest
from train_shd import CHANNELS, stored_values

from conftest import ROOT
from jarvis.networks import DelayedNetwork
from tools import delayed_table as table
from tools import spatial_runs

KEPT = [name for name in table.KINDS if table.read(name)]


def kept(name: str) -> dict:
    content = table.read(name)
    assert content is not None
    return content


def test_the_examples():
    assert doctest.testmod(table).failed == 0
    assert doctest.testmod(spatial_runs).failed == 0


def test_the_results_page_shows_the_kept_runs():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    shown = text.split("<!-- delayed -->")[1].split("<!-- end of delayed -->")[0].strip()
    assert shown == table.table()


def test_nothing_else_is_stored():
    names = {path.stem for path in table.RESULTS.glob("*.json")}
    assert {"learned", "frozen"} <= names <= {*table.KINDS, "steps"}


@pytest.mark.parametrize("name", KEPT)
def test_a_kind_is_what_its_command_says(name):
    content = kept(name)
    python, program, *options = content["command"].split()
    assert (python, program) == ("python", "demos/train_shd.py")
    assert options[-2:] == ["--seed", "SEED"]
    assert "seed" not in content["arguments"]
    assert table.differing(content["arguments"], " ".join(options[:-2])) == ""
    assert table.meant(content["command"]) == table.plain(table.options_of(name))
    assert content["title"] == table.KINDS[name][0]
    assert content["data"].startswith("SHD, rebuilt from the recordings, test part")


@pytest.mark.parametrize("name", KEPT)
def test_a_kind_has_the_parameters_of_its_network(name):
    content = kept(name)
    args = content["arguments"]
    sizes = (CHANNELS // args["pool"], *args["hidden"], 20)
    network = DelayedNetwork(sizes, args["max_delay"], args["dt"], delays=args["delays"])
    learned = sum(p.numel() for p in network.parameters() if p.requires_grad)
    assert content["parameters"] == learned <= 200_000
    assert content["stored"] == stored_values(network)


@pytest.mark.parametrize("name", KEPT)
def test_a_run_stores_what_was_measured(name):
    content = kept(name)
    seeds = [run["seed"] for run in content["runs"]]
    assert seeds == sorted(set(seeds))
    args = content["arguments"]
    steps = round(args["duration"] / args["dt"])
    numbers = steps * CHANNELS // args["pool"] * args["hidden"][0]  # the inputs are no spikes
    for run in content["runs"]:
        assert 0.05 < run["test_acc"] <= 1
        assert len(run["train_curve"]) == args["epochs"]
        if "right" in run:
            right = table.unpacked(run["right"], content["words"])
            assert right.mean() == pytest.approx(run["test_acc"], abs=5e-5)
            assert run["multiply_adds"] == numbers
            assert run["threads"] >= 1
        else:  # the first two runs
            assert run["seed"] == 0
            assert numbers < run["operations"] < 1.2 * numbers
            words = run["test_acc"] * content["words"]
            assert abs(words - round(words)) <= 5e-5 * content["words"]


def test_the_steps_are_what_they_say():
    for step in (table.read("steps") or {"steps": []})["steps"]:
        title, options = table.STEPS[step["name"]]
        assert step["step"] == title
        assert table.differing(step["arguments"], options) == ""
        assert "--final" not in step["command"]


# ------------------------------------------------------------------------- what is accepted


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty folders for results and runs, and a recipe of one epoch."""
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(table, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(table, "RECIPE", "--epochs 1")
    return tmp_path


def finish(name: str, seed: int, predicted: list[int], changed: dict | None = None) -> None:
    """Leave the files of a finished run, which the demo would leave."""
    folder = table.RUNS / f"{name}_{seed}"
    folder.mkdir(parents=True)
    arguments = table.plain(f"{table.options_of(name)} --seed {seed}") | (changed or {})
    for left_out in ("epochs", "neuron", "smooth_frozen"):  # as `cli.plain` does
        del arguments[left_out]
    acc = float(np.mean(np.equal(predicted, TARGETS)))
    content = {
        "epochs": [{"seconds": 60.0, "train_acc": 0.9}],
        "arguments": arguments,
        "data": {"test": "words"},
        "parameters": 10,
        "stored": 20,
        "threads": 3,
        "train": {"acc": 0.9},
        "test": {
            "acc": acc, "spikes": 5.0, "additions": 70.0, "multiply_adds": 900.0,
            "predicted": predicted, "targets": TARGETS,
        },
    }  # fmt: skip
    (folder / "metrics_final.json").write_text(json.dumps(content))


TARGETS = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]


def test_a_finished_run_is_stored_and_compared_word_by_word(folders):
    finish("learned", 0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 0])
    finish("frozen", 0, [0, 1, 2, 3, 4, 5, 6, 0, 0, 0])
    for name in ("learned", "frozen"):
        table.make(name, 0)
        assert kept(name)["words"] == 10
        assert kept(name)["runs"][0]["threads"] == 3
    assert table.right("frozen")[0].tolist() == [True] * 7 + [False] * 3
    rows = table.table().splitlines()
    assert "| 10 | 20 | 90.0 (59.6 to 98.2) | 1 | 5 | 70 + 900 | 1 |" in rows[2]
    (pair,) = (row for row in rows if "−" in row)
    assert "learned delays | -20.0 |" in pair  # one run: not bold
    assert pair.endswith("| -20.0 | 0.5 |")


def test_a_run_without_bits_is_shown_but_not_compared(folders):
    finish("learned", 0, TARGETS)
    finish("frozen", 0, TARGETS)
    for name in ("learned", "frozen"):
        table.make(name, 0)
    content = kept("frozen")
    (run,) = content["runs"]
    del run["right"], run["threads"]
    run["operations"] = run.pop("additions") + run.pop("multiply_adds")
    (table.RESULTS / "frozen.json").write_text(json.dumps(content))
    assert table.right("frozen") == {}
    assert "−" not in table.table()
    assert "| 5 | 970 together |" in table.table()
    # a second run has bits, and is counted as the table says
    finish("frozen", 1, TARGETS)
    table.make("frozen", 1)
    assert list(table.right("frozen")) == [1]
    assert "| 100.0 ± 0.0 | 2 | 5 | 70 + 900 |" in table.table()


@pytest.mark.parametrize("changed", [{"seed": 1}, {"lr": 0.1}, {"delays": "none"}])
def test_another_run_in_the_folder_is_refused(folders, changed):
    finish("frozen", 0, TARGETS, changed)
    with pytest.raises(SystemExit, match=f"frozen_0 contains another run: {next(iter(changed))}"):
        table.make("frozen", 0)
    assert table.read("frozen") is None


def test_a_changed_recipe_or_default_is_noticed(folders, monkeypatch):
    finish("learned", 0, TARGETS)
    table.make("learned", 0)
    table.make("learned", 0)  # it exists
    monkeypatch.setattr(table, "RECIPE", "--epochs 1 --dropout 0.9")
    with pytest.raises(SystemExit, match=r"dropout was 0\.3, now 0\.9"):
        table.make("learned", 0)
    monkeypatch.setattr(table, "RECIPE", "--epochs 1")
    content = kept("learned")
    content["arguments"]["lr"] = 0.125  # as if this had been the default then
    (table.RESULTS / "learned.json").write_text(json.dumps(content))
    with pytest.raises(SystemExit, match=r"lr was 0\.125, now 0\.005"):
        table.make("learned", 1)


def test_a_step_with_other_options_is_refused(folders, monkeypatch):
    options = table.STEPS["plain"][1]
    stored = {"name": "plain", "step": "x", "arguments": table.plain(options)}
    table.RESULTS.mkdir()
    (table.RESULTS / "steps.json").write_text(json.dumps({"steps": [stored]}))
    table.make_step("plain")  # it exists
    monkeypatch.setitem(table.STEPS, "plain", ("x", f"{options} --tau 20"))
    with pytest.raises(SystemExit, match="plain with other arguments: tau"):
        table.make_step("plain")


@pytest.mark.slow
@pytest.mark.data("SHD")
def test_a_run_is_carried_out_once(tmp_path):
    options = "--hidden 8 --limit 60 --limit-test 20 --epochs 1 --delays frozen --final"
    content, _ = table.train(options, tmp_path / "run")
    assert len(content["test"]["targets"]) == 20
    metrics = tmp_path / "run" / "metrics_final.json"
    made = metrics.stat().st_mtime_ns
    assert table.train(options, tmp_path / "run")[0] == content
    assert metrics.stat().st_mtime_ns == made
    # what an earlier version of the demo left is measured again, but not trained again
    metrics.write_text(json.dumps({k: v for k, v in content.items() if k != "stored"}))
    assert table.train(options, tmp_path / "run")[0] == content
    with pytest.raises(SystemExit, match="delays was frozen, now learned"):
        table.train(options.replace(" --delays frozen", ""), tmp_path / "run")
