"""The SpikeSEG programs as a user meets them: from the command line."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import ROOT
from jarvis.stdp.layerwise import read_run
from programs import call

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
TINY = """
n_steps: 8
samples: {samples}
input: {{filter: dog, size: 5, threshold: 0.02}}
conv1: {{maps: 4, kernel_size: 3, threshold: 0.5, pool: 1, polarity: difference}}
conv2: {{maps: 12, kernel_size: 3, threshold: 6.0, pool: 1}}
conv3: {{maps: 10, kernel_size: 5, threshold: 2.0, pool: 1}}
stdp: {{a_plus: 0.05, a_minus: 0.04, converged_below: 0}}
wta: {{theta_plus: 0.001, dead_after: 50, local_radius: 1, n_winners: 5}}
segment: {{once: true, max_spikes: 10}}
"""


@pytest.fixture
def demos(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "demos"))
    import evaluate_spikeseg
    import train_spikeseg

    return train_spikeseg, evaluate_spikeseg


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.format(samples=200))
    return str(path)


def run(module, capsys, *options):
    """What a program prints; errors of a user are those of `cli.run`, tried further below."""
    module.main(module.make_parser().parse_args(options))
    return capsys.readouterr().out


def test_trains_evaluates_and_leaves_its_files(demos, config, tmp_path, capsys):
    train, evaluate = demos
    out = run(train, capsys, "-c", config, "-o", str(tmp_path), "-n", "a", "--epochs", "2")
    lines = re.findall(
        r"^layer=(conv\d) epoch=\d C_l=0\.\d{4} converged=\d\.\d\d wins=\d+ dead=\d+$", out, re.M
    )
    assert lines == ["conv2", "conv2", "conv3", "conv3"]
    folder = tmp_path / "a"
    names = {path.name for path in (folder / "checkpoints").iterdir()}
    assert {"checkpoint_epoch1_conv2.pt", "checkpoint_best.pt", "checkpoint_latest.pt"} <= names
    metrics = json.loads((folder / "metrics_final.json").read_text())
    assert metrics["arguments"] == {"dataset": "digits", "data_folder": None, "seed": 42}
    assert metrics["layers"]["conv2"]["stop_reason"] == "epochs"
    (logged,) = (folder / "logs").glob("train_*.log")
    assert re.search(r"^\d{4}-\d\d-\d\d .* INFO layer=conv3 epoch=2 ", logged.read_text(), re.M)
    figure = tmp_path / "figure.png"
    said = run(evaluate, capsys, str(folder), "--plot", str(figure))
    found = dict(re.findall(r"^(\w+)=(0\.\d+)", said, re.M))
    assert float(found["accuracy"]) > 0.6 > float(found["guessing"])
    assert 0 <= float(found["accuracy_by_map"]) <= 1
    assert figure.read_bytes().startswith(b"\x89PNG")
    said = run(evaluate, capsys, str(folder), "--features", "latency", "--draws", "2")
    found = re.search(
        r"^accuracy=(0\.\d+) .*latency of conv2, 2 draws: (0\.\d+) to (0\.\d+)", said, re.M
    )
    assert found is not None
    mean, low, high = map(float, found.groups())
    assert 0.3 < low <= mean <= high  # chance is 0.1
    early = run(evaluate, capsys, str(folder / "checkpoints" / "checkpoint_epoch1_conv2.pt"))
    assert early.startswith("checkpoint_epoch1_conv2.pt on 360 samples")


def test_resume_needs_no_other_option_and_takes_none_that_differs(demos, config, tmp_path, capsys):
    train, _ = demos
    run(train, capsys, "-c", config, "-o", str(tmp_path), "-n", "a", "--epochs", "1")
    folder = str(tmp_path / "a")
    before = read_run(folder)
    run(train, capsys, "--resume", folder)
    after = read_run(folder)
    assert after["recipe"] == before["recipe"]
    assert len(list((tmp_path / "a" / "logs").iterdir())) >= 1
    for options, says in (
        (["--seed", "1"], "its seed was 42, here it is 1"),
        (["--dataset", "satellites"], "its dataset was digits, here it is satellites"),
        (["--n-classes", "3"], "conv3.maps was 10, here it is 3"),
        (["--paper", "igarss2023"], "belongs to another run"),
    ):
        with pytest.raises(train.CheckpointError, match=says):
            run(train, capsys, "--resume", folder, *options)
    with pytest.raises(train.cli.UsageError, match="holds a run already"):
        run(train, capsys, "-c", config, "-o", str(tmp_path), "-n", "a")


def test_papers_name_and_log_level(demos, tmp_path, capsys):
    train, _ = demos
    options = ["--paper", "igarss2023", "--epochs", "1", "--n-classes", "2", "--log-level", "ERROR"]
    out = run(train, capsys, *options, "-o", str(tmp_path), "--no-tensorboard")
    assert out == ""
    (folder,) = tmp_path.iterdir()
    assert re.fullmatch(r"digits_\d{8}_\d{6}", folder.name)
    shapes = {name: tuple(s["weight"].shape) for name, s in read_run(folder)["layers"].items()}
    assert shapes == {"conv1": (4, 2, 5, 5), "conv2": (36, 4, 5, 5), "conv3": (2, 36, 7, 7)}
    assert not (folder / "events").exists()


def test_a_folder_of_pictures(demos, tmp_path, capsys):
    from PIL import Image

    train, evaluate = demos
    rng = np.random.default_rng(0)
    for label in ("across", "down"):
        (tmp_path / "pictures" / label).mkdir(parents=True)
        for i in range(30):
            picture = rng.integers(0, 40, (24, 24), dtype=np.uint8)
            at = int(rng.integers(4, 18))
            (picture if label == "across" else picture.T)[at : at + 2] = 255
            Image.fromarray(picture).save(tmp_path / "pictures" / label / f"{i}.png")
    config = tmp_path / "c.yaml"
    config.write_text(
        TINY.format(samples="null").replace("dog, size", "dog, picture_size: 24, size")
    )
    data = ["--dataset", "folder", "--data-folder", str(tmp_path / "pictures")]
    options = ["-c", str(config), "-o", str(tmp_path), "-n", "f", "--epochs", "1", *data]
    run(train, capsys, *options)
    said = run(evaluate, capsys, str(tmp_path / "f"))
    assert float(dict(re.findall(r"^(\w+)=([\d.]+)", said, re.M))["accuracy"]) > 0.8


@pytest.mark.slow
def test_satellites_are_found_told_apart_and_drawn(demos, tmp_path, capsys):
    train, evaluate = demos
    run(train, capsys, "--dataset", "satellites", "-o", str(tmp_path), "-n", "s")
    figure = tmp_path / "scenes.png"
    said = run(evaluate, capsys, str(tmp_path / "s"), "--samples", "30", "--plot", str(figure))
    found = {name: float(x) for name, x in re.findall(r"^(\w+)=(-?[\d.]+)", said, re.M)}
    assert found["informedness"] > 0.95
    assert found["mean_iou"] > 0.7
    assert found["two_instances"] >= 0.7  # of 10 scenes; 0.87 of 500
    assert found["false_alarms"] == 0.0
    assert figure.exists()
    beside = run(evaluate, capsys, str(tmp_path / "s"), "--samples", "6", "--baseline")
    plain = {name: float(x) for name, x in re.findall(r"^baseline_(\w+)=(-?[\d.]+)", beside, re.M)}
    assert set(plain) == set(found)
    assert plain["mean_iou"] > 0.75
    noisy = run(evaluate, capsys, str(tmp_path / "s"), "--samples", "6", "--noise", "0.1")
    assert float(re.findall(r"^specificity=([\d.]+)", noisy, re.M)[0]) < 1.0


@pytest.mark.data("NMNIST/Train")
def test_nmnist(demos, tmp_path, capsys):
    train, evaluate = demos
    config = (ROOT / "demos" / "configs" / "nmnist.yaml").read_text()
    (tmp_path / "c.yaml").write_text(re.sub(r"^samples:.*$", "samples: 100", config, flags=re.M))
    options = ["-c", str(tmp_path / "c.yaml"), "--dataset", "nmnist", "--epochs", "1"]
    run(train, capsys, *options, "-o", str(tmp_path), "-n", "s")
    said = run(evaluate, capsys, str(tmp_path / "s"), "--samples", "50")
    assert float(re.findall(r"^accuracy=(0\.\d+)", said, re.M)[0]) > 0.2


def command(name, *options):
    return [sys.executable, str(ROOT / "demos" / name), *options]


BAD = {
    "train_spikeseg.py": [
        (["--epochs", "0"], "less than 1"),
        (["--n-classes", "many"], "not a whole number"),
        (["--paper", "nature2024"], "igarss2023"),
        (["--dataset", "cifar"], "satellites"),
        (["--dataset", "folder"], "--data-folder"),
        (["--data-folder", "pictures"], "--dataset folder"),
        (["--dataset", "folder", "--data-folder", "/nowhere/pictures"], "/nowhere/pictures"),
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--config", "BAD"], "conv2.treshold: no such key; did you mean threshold?"),
        (["--config", "ODD"], "conv1: 3 maps cannot be divided"),
        (["--device", "tpu"], "tpu"),
        (["--resume", "nowhere"], "nowhere"),
        (["--log-level", "LOUD"], "DEBUG"),
        (["--epoch", "3"], "--epoch"),
    ],
    "evaluate_spikeseg.py": [
        ([], "RUN_OR_CHECKPOINT"),
        (["nowhere"], "there is no checkpoint"),
        (["BAD"], "not a checkpoint"),
        (["nowhere", "--split", "all"], "train"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_options_are_one_line_and_status_2(name, tmp_path):
    files = {
        "BAD": "conv2: {maps: 3, treshold: 1}",
        "ODD": TINY.format(samples=5)
        .replace("maps: 4", "maps: 3")
        .replace("difference", "separate"),
    }
    for key, text in files.items():
        (tmp_path / key).write_text(text)
    for bad, says in BAD[name]:
        options = [str(tmp_path / x) if x in files else x for x in bad]
        output = ["-o", str(tmp_path)] if "train" in name else []
        done = call(name, *options, *output)
        assert done.returncode == 2, bad
        (line,) = done.stderr.splitlines()
        assert line.startswith(f"{name}: "), (bad, line)
        assert says in line, (bad, line)


@pytest.mark.slow
def test_interrupted_from_outside_and_resumed_ends_with_the_same_weights(demos, tmp_path, capsys):
    train, _ = demos
    config = tmp_path / "c.yaml"
    config.write_text(TINY.format(samples=1200))
    options = ["-c", str(config), "--epochs", "6", "-o", str(tmp_path)]
    run(train, capsys, *options, "-n", "whole")
    process = subprocess.Popen(
        command("train_spikeseg.py", *options, "-n", "parts"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("layer=conv2 epoch=2 "):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate()
    assert process.returncode == 130, errors
    assert re.search(r"interrupted after conv\d, epoch \d.*resume with --resume", errors), errors
    assert "Traceback" not in errors
    time.sleep(1.1)  # so that the log files, named by the second, are two
    run(train, capsys, "--resume", str(tmp_path / "parts"))
    whole, parts = (read_run(tmp_path / name) for name in ("whole", "parts"))
    for name in whole["layers"]:
        for key, value in whole["layers"][name].items():
            assert torch.equal(value, parts["layers"][name][key]), (name, key)
    assert len(list((tmp_path / "parts" / "logs").iterdir())) == 2
    a, b = (
        json.loads((Path(tmp_path) / name / "metrics_final.json").read_text())
        for name in ("whole", "parts")
    )
    assert a["layers"] == b["layers"]


@pytest.mark.parametrize("name", BAD)
def test_help_gives_every_option_a_sentence(name, demos):
    module = demos[0] if "train" in name else demos[1]
    text = module.make_parser().format_help()
    flags = set(re.findall(r"(--[a-z-]+)", text))
    if "train" in name:
        seed = "config paper output name resume epochs n-classes device seed log-level"
        assert {f"--{flag}" for flag in (*seed.split(), "no-tensorboard", "dataset")} <= flags
        assert set(re.findall(r"(-[a-z])[ ,]", text)) >= {"-c", "-o", "-n", "-r"}
    for action in module.make_parser()._actions:
        assert action.help, action
