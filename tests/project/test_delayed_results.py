"""The kept results of delays trained by surrogate gradients: the page, the guards."""

import json

import numpy as np
import pytest

from conftest import ROOT
from tools import delayed_table
from tools.delayed_table import KINDS, RECIPE, RESULTS, STEPS, plain
from tools.spatial_runs import packed

KEPT = [name for name in KINDS if (RESULTS / f"{name}.json").exists()]


def options_of(command: str) -> str:
    program, options = command.split("train_shd.py ")
    assert program == "python demos/"
    return options.replace("SEED", "0")


def test_the_results_page_shows_the_kept_runs():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    shown = text.split("<!-- delayed -->")[1].split("<!-- end of delayed -->")[0].strip()
    assert shown == delayed_table.table()


@pytest.mark.parametrize("name", KEPT)
def test_a_kind_says_what_it_was_measured_on(name):
    content = delayed_table.read(name)
    assert content is not None
    title, more = KINDS[name]
    assert content["title"] == title
    assert content["arguments"] == plain(f"{RECIPE} {more} --final")
    assert content["arguments"] == plain(options_of(content["command"]))
    assert content["arguments"]["final"]
    assert content["data"].startswith("SHD, rebuilt from the recordings, test")
    assert content["parameters"] <= 200_000
    for run in content["runs"]:
        assert 0.05 < run["test_acc"] <= 1
        assert len(run["train_curve"]) == content["arguments"]["epochs"]
        assert run["operations"] > run["spikes"] > 0
        if "right" in run:
            right = delayed_table.right(content)[run["seed"]]
            assert right.mean() == pytest.approx(run["test_acc"], abs=1e-4)


def test_a_step_says_what_it_was_measured_on():
    kept = delayed_table.read("steps") or {"steps": []}
    for step in kept["steps"]:
        title, options = STEPS[step["name"]]
        assert step["step"] == title
        assert step["arguments"] == plain(options) == plain(options_of(step["command"]))
        assert not step["arguments"]["final"]


@pytest.fixture
def results(tmp_path, monkeypatch):
    """An empty folder of results, in place of that of the repository."""
    monkeypatch.setattr(delayed_table, "RESULTS", tmp_path)
    return tmp_path


def store(results, name, runs, **more):
    title, options = KINDS[name]
    content = {"title": title, "arguments": plain(f"{RECIPE} {options} --final"), "words": 4,
               "parameters": 10, "runs": runs}  # fmt: skip
    (results / f"{name}.json").write_text(json.dumps(content | more))


def test_kinds_are_compared_on_the_seeds_whose_answers_both_have(results):
    def run(seed, right):
        return {"seed": seed, "right": packed(np.array(right, bool))}

    store(results, "learned", [run(0, [1, 1, 1, 0]), run(1, [0, 0, 0, 0]), {"seed": 2}])
    store(results, "frozen", [run(0, [1, 0, 0, 0]), {"seed": 1}, run(2, [1, 1, 1, 1])])
    store(results, "none", [{"seed": 0}])
    (row,) = delayed_table.differences()
    assert "frozen" in row
    assert "| **+50.0** |" in row
    assert "| 1 |" in row


def test_runs_with_other_arguments_are_refused(results, tmp_path):
    store(results, "none", [], arguments=plain("--epochs 3"))
    with pytest.raises(SystemExit, match=r"none.json contains runs with other arguments"):
        delayed_table.make("none", 0)
    kept = {"steps": [{"name": "plain", "arguments": plain("--epochs 3")}]}
    (results / "steps.json").write_text(json.dumps(kept))
    with pytest.raises(SystemExit, match=r"steps.json: plain has other arguments"):
        delayed_table.make_step("plain")
    folder = tmp_path / "run"
    folder.mkdir()
    metrics = {"parameters": 1, "arguments": plain("--epochs 3") | {"seed": 0}, "epochs": []}
    (folder / "metrics_final.json").write_text(json.dumps(metrics))
    assert delayed_table.train("--epochs 3 --seed 1", folder)[1] == 0
    with pytest.raises(SystemExit, match="contains another run"):
        delayed_table.train("--epochs 4", folder)
