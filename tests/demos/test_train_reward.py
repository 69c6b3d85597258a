"""train_reward.py as a user meets it: on a small run of train_spikeseg.py."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest
import torch

from conftest import ROOT
from programs import call

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
OPTIONS = ["--maps", "3", "--limit", "150", "--rate", "0.02"]


def program(name: str, *options: str) -> list[str]:
    return [sys.executable, str(ROOT / "demos" / name), *options]


@pytest.fixture(scope="module")
def features(tmp_path_factory):
    """A run whose layers have learnt for one epoch from the embedded digits."""
    folder = tmp_path_factory.mktemp("features")
    options = ["--dataset", "digits", "--epochs", "1", "--output", str(folder), "--name", "a"]
    run = call("train_spikeseg.py", *options)
    assert run.returncode == 0, run.stderr
    return str(folder / "a")


def test_it_learns_and_goes_on_as_if_it_had_never_stopped(features, tmp_path):
    whole, parts = str(tmp_path / "whole"), str(tmp_path / "parts")
    run = call("train_reward.py", features, *OPTIONS, "--epochs", "4", "--output", whole)
    assert run.returncode == 0, run.stderr
    assert len(re.findall(r"^epoch=\d train_acc=0\.\d{4} val_acc=0\.\d{4}$", run.stdout, re.M)) == 4
    metrics = json.loads((tmp_path / "whole" / "metrics_final.json").read_text())
    assert metrics["epochs"][-1]["train_acc"] > metrics["epochs"][0]["train_acc"] + 0.05
    assert metrics["test_acc"] > 0.2  # chance is 0.1

    call("train_reward.py", features, *OPTIONS, "--epochs", "2", "--output", parts)
    run = call("train_reward.py", features, *OPTIONS, "--output", parts, "--resume", parts,
               "--epochs", "4")  # fmt: skip
    assert run.returncode == 0, run.stderr
    one, two = (torch.load(f"{f}/checkpoint_latest.pt")["layer"] for f in (whole, parts))
    for name, part in one.items():
        assert torch.equal(part, two[name]), name

    other = call("train_reward.py", features, "--limit", "100", "--resume", parts)
    assert other.returncode == 2
    assert "belongs to another run" in other.stderr


def test_nothing_is_learned_from_shuffled_labels(features, tmp_path):
    run = call("train_reward.py", features, *OPTIONS, "--epochs", "4", "--shuffle-labels",
               "--output", str(tmp_path))  # fmt: skip
    assert run.returncode == 0, run.stderr
    metrics = json.loads((tmp_path / "metrics_final.json").read_text())
    assert metrics["arguments"]["shuffle_labels"]
    assert metrics["test_acc"] < 0.2  # chance is 0.1

    other = call("train_reward.py", features, *OPTIONS, "--output", str(tmp_path), "--resume",
                 str(tmp_path), "--epochs", "5")  # fmt: skip
    assert other.returncode == 2
    assert "belongs to another run" in other.stderr


@pytest.mark.slow
def test_an_interruption_is_one_line_and_leaves_the_last_epoch(features, tmp_path):
    options = [features, "--epochs", "100000", "--output", str(tmp_path)]
    with subprocess.Popen(
        program("train_reward.py", *options), env=ENV, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        while "epoch=2 " not in process.stdout.readline():
            assert process.poll() is None
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert error.strip().splitlines()[-1].startswith("interrupted after epoch")
    assert len(torch.load(tmp_path / "checkpoint_latest.pt")["history"]["epochs"]) >= 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["missing"], "there is no checkpoint"),
        (["RUN", "--dropout", "1"], "--dropout"),
        (["RUN", "--epochs", "0"], "less than 1"),
        (["RUN", "--resume", "nowhere"], "there is no checkpoint"),
    ],
)
def test_bad_options_are_one_line(features, options, message):
    run = call("train_reward.py", *[features if o == "RUN" else o for o in options])
    assert run.returncode == 2
    assert message in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1
