"""The programs as a user meets them: from the command line. Each once in a process of its own, and
for what the process itself does; otherwise in this one, which has paid for the imports."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from conftest import ROOT
from jarvis.training.checkpoints import load_checkpoint
from programs import call as demo

DEMOS = {
    "train_toy.py": ["--epochs", "2", "--hidden", "16", "--timesteps", "8"],
    "train_mnist.py": ["--epochs", "2", "--hidden", "16", "8", "--timesteps", "4"],
    "train_yinyang.py": ["--epochs", "2", "--hidden", "10"],
}
ENV = {**os.environ, "OMP_NUM_THREADS": "1"}


def command(name: str, *options: str) -> list[str]:
    return [sys.executable, str(ROOT / "demos" / name), *options]


def process(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(name, *options), capture_output=True, text=True, check=False, env=ENV
    )


@pytest.mark.parametrize("name", DEMOS)
def test_runs_prints_and_leaves_its_files(name, tmp_path):
    figure = tmp_path / "figure.png"
    run = process(name, *DEMOS[name], "--output", str(tmp_path), "--plot", str(figure))
    assert run.returncode == 0, run.stderr
    lines = re.findall(r"^epoch=\d+ loss=\d\.\d+.* test_acc=0\.\d+$", run.stdout, re.MULTILINE)
    assert len(lines) == 2
    # The first run on a machine says that it compiles; nothing else belongs there.
    assert [x for x in run.stderr.splitlines() if "compiles its time loops" not in x] == []
    metrics = json.loads((tmp_path / "metrics_final.json").read_text())
    assert metrics["epochs"][1]["test_acc"] > 0
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "checkpoint_best.pt").exists()


def test_toy_prints_the_ceiling_of_each_code():
    ceilings = {}
    for code in ("poisson", "ttfs"):
        run = demo("train_toy.py", "--epochs", "1", "--hidden", "4", "--encoding", code)
        found = re.search(r"ceiling=(0\.\d+)", run.stdout)
        assert found is not None, run.stderr
        ceilings[code] = float(found[1])
    # closed form: 1/2 + arcsin(rho)/pi, rho^2 = var(x) / (var(x) + E[x(1-x)]/25)
    assert ceilings["poisson"] == pytest.approx(0.9122, abs=0.004)
    assert ceilings["ttfs"] > 0.97


def test_toy_learns_within_reach_of_the_ceiling():
    run = demo("train_toy.py", "--epochs", "10", "--seed", "0")
    accuracy = float(re.findall(r"^test_acc=(0\.\d+)", run.stdout, re.MULTILINE)[0])
    assert accuracy >= 0.88, run.stdout


@pytest.mark.parametrize("name", DEMOS)
def test_help_gives_every_option_a_sentence(name):
    text = demo(name, "--help").stdout
    options = re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)
    assert {"--epochs", "--lr", "--tau", "--seed", "--resume", "--plot"} <= set(options)
    assert "ms" in text
    for option in options:
        assert re.search(rf"^  {option}\b.*(\n?\s+)\S.*[a-z]", text, re.MULTILINE), option


BAD = [
    ("--epochs", "0"),
    ("--epochs", "two"),
    ("--hidden", "-3"),
    ("--lr", "nan"),
    ("--lr", "0"),
    ("--tau", "-1"),
    ("--tau", "inf"),
    ("--surrogate", "boxcar"),
    ("--readout", "vote"),
    ("--device", "tpu"),
    ("--resume", "nowhere"),
    ("--colour", "red"),
    ("--epoch", "3"),  # no guessing at abbreviations
]


@pytest.mark.parametrize("name", DEMOS)
def test_bad_options_are_one_line_and_status_2(name):
    for bad in BAD:
        run = demo(name, *bad)
        assert run.returncode == 2, bad
        (line,) = run.stderr.splitlines()
        assert line.startswith(name), line


def test_missing_data_is_one_line_and_status_2(tmp_path, monkeypatch):
    # A proxy that does not exist: the download fails wherever the tests run.
    for name in ("https_proxy", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("JARVIS_CACHE", str(tmp_path))
    monkeypatch.delenv("JARVIS_DATA", raising=False)
    run = demo("train_mnist.py", "--dataset", "mnist")
    assert run.returncode == 2
    assert len(run.stderr.splitlines()) == 1, run.stderr
    assert "--dataset digits" in run.stderr or "embedded digits" in run.stderr


def test_an_output_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    run = demo("train_toy.py", *DEMOS["train_toy.py"], "--output", str(tmp_path / "file" / "x"))
    assert run.returncode == 1
    assert len(run.stderr.splitlines()) == 1, run.stderr


@pytest.mark.slow
def test_killed_interrupted_and_resumed_ends_with_the_same_weights(tmp_path):
    options = ["--epochs", "6", "--hidden", "32", "--batch-size", "16", "--timesteps", "10"]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert demo("train_toy.py", *options, "--output", str(whole)).returncode == 0
    for number in (signal.SIGKILL, signal.SIGINT):
        resume = ["--resume", str(parts)] if number == signal.SIGINT else []
        struck = subprocess.Popen(
            command("train_toy.py", *options, "--output", str(parts), *resume),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**ENV,
            "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert struck.stdout is not None
        for line in struck.stdout:  # strike in the epoch after the first one it finishes
            if line.startswith("epoch="):
                time.sleep(0.02)
                break
        struck.send_signal(number)
        _, errors = struck.communicate()
        if number == signal.SIGINT:
            assert struck.returncode == 130, errors
            assert "resume with --resume" in errors
    assert load_checkpoint(parts)["epoch"] < 6
    end = process("train_toy.py", *options, "--output", str(parts), "--resume", str(parts))
    assert end.returncode == 0, end.stderr
    a, b = (load_checkpoint(folder)["model"] for folder in (whole, parts))
    assert all(torch.equal(a[name], b[name]) for name in a)
    first, second = (json.loads((f / "metrics_final.json").read_text()) for f in (whole, parts))
    for x, y in zip(first["epochs"], second["epochs"], strict=True):
        assert {**x, "seconds": 0} == {**y, "seconds": 0}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("train_toy.py", ["--neuron", "escape_lif"]),  # noise is drawn anew, and resumed
        ("train_mnist.py", ["--neuron", "qif", "--arch", "conv"]),
        ("train_mnist.py", ["--neuron", "izhikevich", "--surrogate", "arctan"]),
    ],
)
def test_other_neurons_are_trained_and_resumed(name, options, tmp_path):
    options = [*options, "--timesteps", "4", "--hidden", "12"]
    once, again = str(tmp_path / "once"), str(tmp_path / "again")
    for folder in (once, again):
        for line in (["--epochs", "1"], ["--epochs", "2", "--resume", folder]):
            run = demo(name, *options, *line, "--output", folder)
            assert run.returncode == 0, run.stderr
    a, b = (load_checkpoint(Path(folder)) for folder in (once, again))
    assert a["arguments"]["neuron"] == options[1]
    assert a["epoch"] == 2
    assert all(torch.equal(a["model"][key], b["model"][key]) for key in a["model"])
    other = demo(name, *options, "--neuron", "lif", "--epochs", "3", "--resume", once)
    assert other.returncode == 2
    assert len(other.stderr.splitlines()) == 1, other.stderr


def test_a_run_of_lif_neurons_is_as_it_was_before_there_was_a_choice(tmp_path):
    run = demo("train_toy.py", *DEMOS["train_toy.py"], "--output", str(tmp_path))
    assert run.returncode == 0, run.stderr
    arguments = load_checkpoint(tmp_path)["arguments"]
    assert "neuron" not in arguments
    assert arguments["surrogate"] == "fast_sigmoid"


@pytest.mark.slow
@pytest.mark.data("MNIST/raw")
@pytest.mark.parametrize("arch", ["mlp", "conv"])
def test_a_step_on_real_mnist(arch, tmp_path):
    """Not an epoch, which takes minutes: that the program's own pieces fit the real pictures."""
    sys.path.insert(0, str(ROOT / "demos"))
    try:
        import train_mnist
    finally:
        sys.path.pop(0)
    args = train_mnist.make_parser().parse_args(
        ["--dataset", "mnist", "--arch", arch, "--hidden", "32"]
    )
    from functools import partial

    from jarvis import datasets, fit, seeded

    train, test = (datasets.mnist(s, download=False).subset(1280) for s in ("train", "test"))
    with seeded(0):
        model = train_mnist.make_model(args, train)
    code = partial(train_mnist.encode, encoding="constant", n_steps=5)
    history = fit(
        model, train, test, epochs=2, batch_size=64, lr=2e-3, encode=code, log=lambda line: None
    )
    assert history.column("val_acc")[-1] > 0.6
    assert Path(tmp_path).exists()
