"""train_control.py as a user meets it."""

import json
import os
import re
import signal
import subprocess
import sys

import pytest
import torch

import cli
import train_control
from conftest import ROOT
from jarvis.control import load_trained
from jarvis.training import load_checkpoint

pytestmark = pytest.mark.control

ENV = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
SMALL = ["--hidden", "5", "--budget-steps", "1500", "--every", "2", "--episodes", "3",
         "--test-episodes", "4", "--directions", "4"]  # fmt: skip


def call(*options, capsys, status=0):
    """The program in this process, which has paid for the imports."""
    try:
        cli.run(train_control.make_parser(), train_control.main, [str(x) for x in options])
        found = 0
    except SystemExit as stop:
        found = stop.code
    said = capsys.readouterr()
    lines = [line for line in said.err.splitlines() if "compiles its time loops" not in line]
    assert found == status, said
    if status:
        assert len(lines) == 1, lines
        return lines[0]
    assert lines == []
    return said.out


def test_it_trains_tests_draws_and_goes_on(tmp_path, capsys):
    figure, picture = tmp_path / "figure.png", tmp_path / "film.gif"
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    out = call(*SMALL, "--output", whole, "--plot", figure, "--video", picture, capsys=capsys)
    assert (
        out.splitlines()[0] == "CartPole-v1: 4 observations, 2 choices; 5 lif neurons, 37 weights"
    )
    epoch = r"^epoch=\d+ steps=\d+ return=\d+\.\d \(\+- \d+\.\d\) length=\d+ rate=0\.\d+ steps_per"
    assert len(re.findall(epoch, out, re.M)) >= 2
    assert re.search(r"^test_return=\d+\.\d \(\+- \d+\.\d, lowest \d+\.\d\) over 4 new", out, re.M)
    assert figure.read_bytes().startswith(b"\x89PNG")
    assert picture.read_bytes().startswith(b"GIF8") or "no film: CartPole-v1 cannot" in out
    metrics = json.loads((whole / "metrics_final.json").read_text())
    assert len(metrics["test_returns"]) == 4
    assert metrics["epochs"][-1]["steps"] >= 1500
    assert f"(update_seconds={metrics['update_seconds']:.2f})" in out

    call(*SMALL, "--output", parts, "--budget-steps", 400, capsys=capsys)
    call(*SMALL, "--output", parts, "--resume", parts, "--test-episodes", 5, capsys=capsys)
    a, b = (load_checkpoint(folder) for folder in (whole, parts))
    assert a["updates"] == b["updates"]
    assert all(torch.equal(a["weights"][k], b["weights"][k]) for k in a["weights"])
    assert load_trained(parts).policy.hidden == (5,)
    line = call(*SMALL, "--output", parts, "--resume", parts, "--neuron", "alif", capsys=capsys,
                status=2)  # fmt: skip
    assert "its policy.neuron was lif, here it is alif" in line
    line = call(*SMALL, "--output", parts, capsys=capsys, status=2)
    assert "holds a run already" in line


@pytest.mark.slow
@pytest.mark.parametrize("learner", ["rstdp", "ppo"])
def test_other_learners_are_saved_and_resumed(learner, tmp_path, capsys):
    options = ["--learner", learner, "--hidden", "6", "--episodes", "2", "--test-episodes", "2",
               "--rate", "0.002", "--output", tmp_path]  # fmt: skip
    out = call(*options, "--budget-steps", "300", capsys=capsys)
    kind = "escape_lif" if learner == "rstdp" else "lif"
    assert f"6 {kind} neurons" in out.splitlines()[0]
    out = call(*options, "--budget-steps", "5000", "--resume", tmp_path, capsys=capsys)
    assert "test_return=" in out
    loaded = load_trained(tmp_path)
    assert loaded.policy.persistent == (learner == "rstdp")
    assert loaded.evaluate(2).steps > 0


def test_every_option_of_the_network_reaches_it():
    args = train_control.make_parser().parse_args(
        ["--neuron", "alif", "--hidden", "6", "4", "--recurrent", "--steps-per-action", "7",
         "--code", "population", "--readout", "trace", "--tau-trace", "9", "--hide-velocities",
         "--drive", "0.4",
         "--noise", "0.1", "--delay", "2", "--lost", "0", "--directions", "9", "--best", "3",
         "--sigma", "0.3", "--rate", "0.7", "--ranked"]
    )  # fmt: skip
    world = train_control.make_task(args)
    policy, settings = train_control.make_policy(args, world), train_control.make_settings(args)
    assert (world.noise, world.delay, world.lost, world.hide_velocities) == (0.1, 2, (0,), True)
    assert (policy.neuron, policy.hidden, policy.recurrent, policy.steps) == (
        "alif",
        (6, 4),
        True,
        7,
    )
    assert (policy.code, policy.readout, policy.tau_trace) == ("population", "trace", 9.0)
    assert policy.drive == 0.4
    counted = train_control.make_parser().parse_args(["--neuron", "lif", "--readout", "rate"])
    assert train_control.make_policy(counted, world).readout == "rate"
    assert (settings.directions, settings.best, settings.noise) == (9, 3, 0.3)
    assert (settings.rate, settings.ranked) == (0.7, True)
    for given, steps in (((), 300), (("--training-steps", "40"), 40)):
        ant = train_control.make_parser().parse_args(["--env", "Ant-v5", *given])
        assert train_control.make_task(ant).training_steps == steps
    slow = train_control.make_parser().parse_args(["--tau", "55", "--neuron", "lif"])
    assert train_control.make_policy(slow, world).values == {"tau": 55.0}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--env", "NoSuch-v1"], "NoSuch"),
        (["--env", ""], "must be the name of an environment"),
        (["--env", "a/b\nc"], "env="),
        (["--neuron", "perceptron"], "--neuron"),
        (["--neuron", "tanh", "--tau", "3"], "--tau: tanh has no time constant"),
        (["--neuron", "izhikevich", "--tau", "3"], "--tau: izhikevich has no such parameter"),
        (["--hidden", "0"], "--hidden"),
        (["--hidden", "2000000000"], "hidden=2000000000"),
        (["--hidden", "90000", "90000", "90000", "90000"], "GB of memory"),
        (["--steps-per-action", "2000"], "steps=2000"),
        (["--directions", "3", "--best", "4"], "best=4"),
        (["--directions", "2000000000"], "directions[= ]2000000000"),
        (["--episodes", "2000000000"], "episodes=2000000000|GB of memory"),
        (["--lost", "4"], "indices=4"),
        (["--delay", "2000000000"], "delay=2000000000"),
        (["--workers", "2000000000"], "--workers 2000000000: this machine can serve"),
        (["--noise", "-1"], "--noise"),
        (["--target", "nan"], "--target"),
        (["--resume", "nowhere"], "there is no checkpoint nowhere"),
        (["--video", "/"], "--video: could not write /"),
        (["--video", "film.mp4"], "--video: 'film.mp4' does not end in .gif"),
        (["--plot", "figure.txt"], "--plot: 'figure.txt' does not end in .png"),
        (["--drive", "0"], "--drive"),
        (["--neuron", "linear", "--drive", "2"], "--hidden, --drive: a linear policy has no"),
        (["--plot", "/"], "--plot: could not write /"),
        (["--learner", "hope"], "--learner"),
        (["--learner", "rstdp", "--hidden", "6"], "--directions: --learner rstdp has no such"),
        (["--learner", "rstdp", "--env", "Pendulum-v1"], "Pendulum-v1 has forces"),
        (["--learner", "rstdp", "--hidden", "1"], "--hidden: rstdp needs a multiple of 2"),
        (["--learner", "rstdp", "--hidden", "7"], "--hidden: rstdp needs a multiple of 2"),
        (["--learner", "rstdp", "--hidden", "4", "4"], "--hidden: rstdp has one layer"),
        (["--learner", "rstdp", "--tau-trace", "3"], "--tau-trace: --learner rstdp has no such"),
        (["--neuron", "linear", "--tau-trace", "3"], "--hidden, --tau-trace: a linear policy has"),
        (["--neuron", "tanh", "--tau-trace", "3"], "--tau-trace: --readout last has no trace"),
        (["--readout", "rate", "--tau-trace", "3"], "--tau-trace: --readout rate has no trace"),
        (["--learner", "rstdp", "--tau", "3"], "--tau: --learner rstdp has no such option"),
        (["--learner", "ppo"], "--directions: --learner ppo has no such option"),
        (["--budget", "3"], "unrecognized|--budget"),
    ],
)  # fmt: skip
def test_bad_options_are_one_line_and_status_2(options, says, capsys):
    assert re.search(says, call(*SMALL, *options, capsys=capsys, status=2))


def test_ppo_refuses_noisy_neurons(capsys):
    options = ["--learner", "ppo", "--neuron", "escape_lif", "--budget-steps", "100"]
    assert "the random spikes of escape_lif" in call(*options, capsys=capsys, status=2)


def test_the_default_of_hidden_neurons_fits_any_number_of_choices(tmp_path, capsys):
    options = ["--env", "Acrobot-v1", "--learner", "rstdp", "--budget-steps", "500"]
    options += ["--episodes", "1", "--test-episodes", "1", "--every", "1", "--output", tmp_path]
    assert "30 escape_lif neurons" in call(*options, capsys=capsys)
    arguments = json.loads((tmp_path / "metrics_final.json").read_text())["arguments"]
    assert (arguments["hidden"], arguments["tau_trace"]) == ([32], [4.5])


def test_the_memory_check_counts_the_directions_of_the_environment(capsys):
    options = ["--env", "Humanoid-v5", *["--hidden", *["90000"] * 4]]
    assert "--directions 32" in call(*options, capsys=capsys, status=2)


def test_help_gives_every_option_a_sentence(capsys):
    text = train_control.make_parser().format_help()
    options = re.findall(r"^  (--[a-z-]+)", text, re.MULTILINE)
    asked = (
        "env neuron learner hidden steps-per-action budget-steps seed workers output resume plot"
    )
    assert {f"--{name}" for name in [*asked.split(), "video"]} <= set(options)
    for option in options:
        assert re.search(rf"^  {option}\b.*(\n?\s+)\S.*[a-z]", text, re.MULTILINE), option


def test_interrupted_it_is_saved(tmp_path):
    options = [*SMALL, "--budget-steps", "100000000", "--output", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "demos" / "train_control.py"), *options],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV,
    )  # fmt: skip
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("epoch=2"):
            break
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "resume with --resume" in errors
    assert load_checkpoint(tmp_path)["epoch"] >= 2
