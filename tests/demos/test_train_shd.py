"""`demos/train_shd.py`: what it prints and leaves, resuming, its options, and the use of delays."""

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import train_shd

from jarvis.training import load_checkpoint

ROOT = Path(__file__).resolve().parents[2]
DEMO = ROOT / "demos" / "train_shd.py"
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}
SMALL = ["--dataset", "generated", "--hidden", "16", "--limit", "200", "--limit-test", "50"]


@pytest.fixture
def trained(monkeypatch, capsys):
    """Runs the program in this process, which has paid for the imports; returns what it prints."""

    def run(*options: str) -> str:
        monkeypatch.setattr(sys, "argv", ["train_shd.py", *options])
        capsys.readouterr()
        try:
            runpy.run_path(str(DEMO), run_name="__main__")
        except SystemExit as stop:
            if stop.code:
                pytest.fail(capsys.readouterr().err)
        return capsys.readouterr().out

    return run


def test_prints_and_leaves_its_files(tmp_path, trained):
    figure = tmp_path / "figure.png"
    shown = trained(*SMALL, "--epochs", "2", "--output", str(tmp_path), "--plot", str(figure))
    assert len(re.findall(r"^epoch=\d loss=\d\.\d+ train_acc=.* val_acc=", shown, re.M)) == 2
    assert re.search(r"^val_acc=0\.\d+ spikes=\d+ operations=\d+", shown, re.M)
    assert "test_acc" not in shown
    metrics = json.loads((tmp_path / "metrics_final.json").read_text())
    # 140 bins to 16 neurons and on to 20 classes, with delays; normalisation; the last bias
    assert metrics["parameters"] == 2 * (140 * 16 + 16 * 20) + 2 * 16 + 20
    assert f"parameters={metrics['parameters']}" in shown
    assert metrics["val"]["multiply_adds"] == 60 * 140 * 16  # numbers, not spikes
    assert figure.read_bytes().startswith(b"\x89PNG")


def test_the_test_words_are_used_once_and_only_if_asked_for(tmp_path, trained):
    shown = trained(*SMALL, "--epochs", "1", "--final", "--output", str(tmp_path))
    assert "val_acc" not in shown
    assert len(re.findall(r"^test_acc=", shown, re.M)) == 1
    metrics = json.loads((tmp_path / "metrics_final.json").read_text())
    predicted, targets = (torch.tensor(metrics["test"][k]) for k in ("predicted", "targets"))
    assert len(predicted) == 50
    assert (predicted == targets).float().mean() == pytest.approx(metrics["test"]["acc"])
    assert metrics["threads"] == torch.get_num_threads()
    assert "test part" in metrics["data"]["test"]


@pytest.mark.slow
def test_resumed_ends_with_the_same_weights(tmp_path, trained):
    options = [*SMALL, "--blend", "0.3", "--stretch", "0.1"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    trained(*options, "--epochs", "3", "--output", str(whole))
    process = subprocess.Popen(
        [sys.executable, str(DEMO), *options, "--epochs", "3", "--output", str(parts)],
        stdout=subprocess.PIPE, text=True, env=ENV,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch=1 "):
            break
    process.kill()
    process.communicate()
    trained(*options, "--epochs", "3", "--output", str(parts), "--resume", str(parts))
    a, b = (load_checkpoint(folder)["model"] for folder in (whole, parts))
    assert all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--pool", "3"], "--pool 3"),
        (["--dropout", "1"], "dropout"),
        (["--stretch", "1"], "stretch"),
        (["--hidden", "0"], "--hidden"),
        (["--hidden", "3000000"], "--hidden"),
        (["--delays", "some"], "--delays"),
        (["--smooth-frozen"], "--delays frozen"),
        (["--neuron", "perceptron"], "--neuron"),
        (["--resume", "nowhere"], "nowhere"),
    ],
)
def test_bad_options_are_one_line_and_status_2(options, said, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["train_shd.py", *SMALL, *options])
    with pytest.raises(SystemExit) as stop:
        runpy.run_path(str(DEMO), run_name="__main__")
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line


def test_other_neurons_and_options_reach_the_network(trained):
    parameters = {}
    for name, options in {
        "learned": [],
        "none": ["--delays", "none"],
        "frozen": ["--delays", "frozen", "--neuron", "alif"],
        "adaptive": ["--adaptation", "0.1", "--tau", "20", "--input", "binary", "--warp", "0"],
    }.items():
        shown = trained(*SMALL, "--epochs", "1", *options)
        parameters[name] = int(re.findall(r"parameters=(\d+)", shown)[0])
    assert parameters["adaptive"] == parameters["learned"]
    assert parameters["none"] == parameters["frozen"] < 0.6 * parameters["learned"]


def test_frozen_delays_are_smoothed_only_if_asked_for(tmp_path, trained):
    """The smoothing of two epochs is shown; the frozen delays are stored, and not learned."""
    shown = {}
    for name, options in {
        "learned": [],
        "frozen": ["--delays", "frozen"],
        "smooth": ["--delays", "frozen", "--smooth-frozen"],
    }.items():
        folder = tmp_path / name
        said = trained(*SMALL, "--epochs", "2", *options, "--output", str(folder))
        metrics = json.loads((folder / "metrics_final.json").read_text())
        assert metrics["stored"] == 2 * (140 * 16 + 16 * 20) + 2 * 16 + 20
        delays = 140 * 16 + 16 * 20
        assert metrics["parameters"] == metrics["stored"] - delays * (name != "learned")
        # a run without the option is identified as it was before there was one
        assert ("smooth_frozen" in metrics["arguments"]) == (name == "smooth")
        shown[name] = [float(ms) for ms in re.findall(r"^epoch=.* smoothing=(\S+)", said, re.M)]
    assert shown["smooth"] == shown["learned"]
    assert shown["smooth"][0] > shown["smooth"][1] == 0.0
    assert shown["frozen"] == [0.0, 0.0]


def test_operations_are_counted_on_words_from_the_whole_set():
    index = train_shd.counted(2290)
    assert len(index) == 256
    assert set(index.diff().tolist()) == {8, 9}
    assert (index[0], 2290 - index[-1]) == (0, 9)
    assert train_shd.counted(50).tolist() == list(range(50))


@pytest.mark.slow
def test_delays_hear_the_order_of_sounds(trained):
    """A generated word's class is the order of four sweeps, which no count of spikes shows."""
    options = ["--dataset", "generated", "--hidden", "48", "--limit", "1000", "--epochs", "8"]
    options += ["--lr", "0.01", "--batch-size", "50", "--dropout", "0.1"]
    found = {}
    for delays in ("learned", "none"):
        shown = trained(*options, "--delays", delays)
        found[delays] = float(re.findall(r"^val_acc=(\S+)", shown, re.M)[0])
    assert found["learned"] > 0.4
    assert found["none"] < found["learned"] - 0.15
