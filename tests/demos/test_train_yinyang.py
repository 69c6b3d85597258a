"""The Yin-Yang program, and the results that it left."""

import json
import os
import runpy
import signal
import sys

import pytest
import torch

from conftest import ROOT
from jarvis.spatial.first_spike import FirstSpikeNetwork
from jarvis.training.checkpoints import load_checkpoint
from jarvis.training.run import Interrupted

sys.path.insert(0, str(ROOT / "demos"))
import train_yinyang

sys.path.pop(0)

TABLE = runpy.run_path(str(ROOT / "tools" / "yinyang_table.py"))
RESULTS = ROOT / "results" / "yinyang"


def run(*options: str) -> None:
    train_yinyang.main(train_yinyang.make_parser().parse_args([*options, "--device", "cpu"]))


def epochs(folder) -> list[dict]:
    return json.loads((folder / "metrics_final.json").read_text())["epochs"]


def test_the_shortest_kept_result_is_met_again(tmp_path):
    kept = json.loads((RESULTS / "shortest.json").read_text())
    program, *options = kept["command"].split()[1:]
    assert program == "demos/train_yinyang.py"
    run(*options, "--output", str(tmp_path))
    again = epochs(tmp_path)
    assert len(again) == len(kept["epochs"])
    for now, then in zip(again, kept["epochs"], strict=True):
        # The same numbers on one machine; another one's exp may differ in the last digit.
        assert now["loss"] == pytest.approx(then["loss"], rel=1e-3)
        for name in ("train_acc", "val_acc", "test_acc"):
            assert now[name] == pytest.approx(then[name], abs=0.005)


def test_the_results_page_shows_the_kept_runs():
    text = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")
    shown = text.split("<!-- yinyang -->")[1].split("<!-- end of yinyang -->")[0].strip()
    parts = [TABLE[name]() for name in ("table", "seeds_of", "lead_table")]
    assert shown == "\n\n".join(parts)
    shown = text.split("<!-- yinyang recipes -->")[1].split("<!-- end of yinyang recipes -->")[0]
    assert shown.strip() == TABLE["recipe_table"]()
    shown = text.split("<!-- yinyang frozen -->")[1].split("<!-- end of yinyang frozen -->")[0]
    assert shown.strip() == TABLE["frozen_table"]()


def test_learns_within_a_few_epochs(tmp_path, capsys):
    run("--net", "3", "--hidden", "20", "--epochs", "8", "--output", str(tmp_path))
    best = max(epochs(tmp_path), key=lambda epoch: epoch["val_acc"])
    assert best["val_acc"] > 0.93
    printed = capsys.readouterr().out
    assert f"test_acc={best['test_acc']:.4f} (epoch {best['epoch']}, the best" in printed
    assert "parameters=221 (140 weights, 81 of delays)" in printed
    assert "undecided=0.0" in printed


def test_interrupted_and_resumed_ends_with_the_same_weights(tmp_path, monkeypatch):
    options = ["--net", "inf", "--hidden", "6", "--epochs", "3"]
    run(*options, "--output", str(tmp_path / "whole"))
    calls, objective = [], FirstSpikeNetwork.objective

    def struck(*args, **kwargs):
        calls.append(1)
        if len(calls) == 50:  # in the middle of the second epoch
            os.kill(os.getpid(), signal.SIGINT)
        return objective(*args, **kwargs)

    monkeypatch.setattr(FirstSpikeNetwork, "objective", struck)
    parts = str(tmp_path / "parts")
    with pytest.raises(Interrupted, match="epoch 2, batch 16"):
        run(*options, "--output", parts)
    run(*options, "--output", parts, "--resume", parts)
    a, b = (load_checkpoint(tmp_path / name)["model"] for name in ("whole", "parts"))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize("net", ["0", "inf", "1", "2", "3"])
def test_draws_regions_curves_and_layout(net, tmp_path):
    figure = tmp_path / "figure.png"
    run("--net", net, "--hidden", "5", "--epochs", "1", "--plot", str(figure))
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_a_grid_is_an_option_and_both_backends_agree(tmp_path):
    losses = {}
    for name, more in {
        "exact": [],
        "eager": ["--backend", "eager"],
        "fine": ["--dt", "0.001"],
        "coarse": ["--dt", "0.5"],
    }.items():
        folder = tmp_path / name
        options = [
            "--hidden",
            "5",
            "--epochs",
            "1",
            "--batch-size",
            "1000",
            "--output",
            str(folder),
        ]
        run(*options, *more)
        losses[name] = epochs(folder)[0]["loss"]
    assert losses["eager"] == pytest.approx(losses["exact"], rel=1e-4)
    assert losses["fine"] == pytest.approx(losses["exact"], rel=0.02)
    assert losses["coarse"] != pytest.approx(losses["exact"], rel=0.02)


def test_both_spellings_of_the_batch_size():
    parse = train_yinyang.make_parser().parse_args
    assert parse(["--batch-size", "7"]) == parse(["--batch_size", "7"])


@pytest.mark.parametrize("net", ["3", "inf"])
def test_with_a_rate_of_0_delays_stay_as_they_are_drawn(net, tmp_path):
    options = ["--net", net, "--hidden", "5", "--epochs", "1"]
    args = train_yinyang.make_parser().parse_args(options)
    drawn = train_yinyang.make_model(args, 4, 3).state_dict()
    for rate in ("0", "0.03"):
        run(*options, "--delay-lr", rate, "--output", str(tmp_path / rate))
        weights = load_checkpoint(tmp_path / rate)["model"]
        changed = {name for name in drawn if not torch.equal(drawn[name], weights[name])}
        assert any(name.startswith("layers") for name in changed)
        assert any(name.startswith("delays") for name in changed) == (rate != "0")


def test_a_wrong_form_of_delays_is_one_line(capsys):
    with pytest.raises(train_yinyang.cli.UsageError, match="net='round'"):
        run("--net", "round")


def changed_options(recipe: str) -> list[str]:
    return [option[2:].replace("-", "_") for option in TABLE["OPTIONS"][recipe][::2]]


@pytest.mark.parametrize("path", sorted(RESULTS.glob("*net_*.json")), ids=lambda path: path.stem)
def test_kept_results_say_how_they_were_made(path):
    kept = json.loads(path.read_text())
    line = kept["command"].replace("SEED", "0").split()
    assert line[:2] == ["python", "demos/train_yinyang.py"]
    args = train_yinyang.make_parser().parse_args(line[2:])
    recipe = path.stem.split("_")[1] if path.stem.startswith("recipe") else ""
    assert path == TABLE["file_of"](args.net, args.hidden, recipe)
    changed = [float(option) for option in TABLE["OPTIONS"][recipe][1::2]]
    assert [getattr(args, name) for name in changed_options(recipe)] == changed
    seeds = [entry["seed"] for entry in kept["runs"]]
    assert seeds == sorted(set(seeds))
    for entry in kept["runs"]:
        assert 1 <= entry["epoch"] <= entry["epochs"] == args.epochs
        assert entry["seconds"] < 300


def test_the_table_holds_what_was_kept_and_the_bars_are_reached():
    table = TABLE["table"]()
    assert len(table.splitlines()) == 6
    for net, bar in {"3": 97.4, "inf": 97.3, "0": 96.0}.items():
        runs = TABLE["kept"](net, 30)["runs"]
        mean = 100 * sum(entry["test_acc"] for entry in runs) / len(runs)
        assert len(runs) >= 5
        assert mean >= bar
        assert f"**{mean:.1f}**" in table
