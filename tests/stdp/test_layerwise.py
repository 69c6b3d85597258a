"""Learning layer by layer: what stops it, what it leaves, and going on bit for bit."""

import json
import os
import signal

import pytest
import torch

from jarvis.encoding.events import Events
from jarvis.stdp import layerwise
from jarvis.stdp.layerwise import LayerwiseRun, fit_layers, read_run
from jarvis.stdp.network import make_layers
from jarvis.stdp.recipe import make_recipe
from jarvis.training import loop
from jarvis.training.checkpoints import CheckpointError, save_checkpoint
from jarvis.training.run import Interrupted

VALUES = {
    "n_steps": 6,
    "conv1": {"maps": 4, "kernel_size": 3, "threshold": 0.5},
    "conv2": {"maps": 6, "kernel_size": 3, "threshold": 1.0},
    "conv3": {"maps": 2, "kernel_size": 3, "threshold": 1.0, "pool": 1},
    "stdp": {"a_plus": 0.1, "a_minus": 0.1, "max_epochs": 3, "converged_below": 0.0},
    "wta": {"dead_after": 30, "dead_share": 0.9, "theta_plus": 0.001},
}


@pytest.fixture(scope="module")
def events():
    g = torch.Generator().manual_seed(1)
    bars = torch.zeros(6, 60, 2, 12, 12)
    for b in range(60):  # ON bars or OFF bars, at some place
        at = int(torch.randint(2, 10, (), generator=g))
        if b % 2:
            bars[b % 3, b, 0, at, :] = 1
        else:
            bars[b % 3, b, 1, :, at] = 1
    return Events.from_dense(bars)


def make_run(values=None, seed=3, **options):
    recipe = make_recipe({**VALUES, **(values or {})}, **options)
    layers = make_layers(recipe, 2, torch.Generator().manual_seed(seed))
    return LayerwiseRun(layers, recipe, seed, {"dataset": "bars"})


def learn(run, events, **options):
    lines = []
    fit_layers(run, events, log=lines.append, **options)
    return lines


def same(a, b):
    for name in a.layers:
        x, y = a.layers[name].state_dict(), b.layers[name].state_dict()
        assert all(torch.equal(x[key], y[key]) for key in x), name
    for x, y in zip(a.history.epochs, b.history.epochs, strict=True):
        assert {**x, "seconds": 0} == {**y, "seconds": 0}
    assert a.stopped == b.stopped


def test_a_fixed_conv1_stays_and_the_others_learn(events):
    run, fresh = make_run(), make_run()
    lines = learn(run, events)
    assert torch.equal(run.layers["conv1"].weight, fresh.layers["conv1"].weight)
    for name in ("conv2", "conv3"):
        assert not torch.equal(run.layers[name].weight, fresh.layers[name].weight)
        assert run.layers[name].n_seen == 3 * 60
    assert [line.split()[0] for line in lines] == ["layer=conv2"] * 4 + ["layer=conv3"] * 4
    first = dict(part.split("=") for part in lines[0].split())
    assert list(first) == ["layer", "epoch", "C_l", "converged", "wins", "dead"]
    assert int(first["wins"]) == run.history.epochs[0]["wins"] > 0
    total = sum(e["wins"] for e in run.history.epochs if e["layer"] == "conv2")
    assert total == run.layers["conv2"].wins.sum()


def test_conv1_learns_where_it_is_to(events):
    run, fresh = make_run({"train_conv1": True}), make_run({"train_conv1": True})
    learn(run, events)
    assert not torch.equal(run.layers["conv1"].weight, fresh.layers["conv1"].weight)
    assert list(run.stopped) == ["conv1", "conv2", "conv3"]


def test_a_layer_hears_what_those_before_it_learnt(events):
    run = make_run()
    learn(run, events)
    by_hand = run.layers["conv2"].respond(run.layers["conv1"].respond(events, pool=2), pool=2)
    heard = run.layer_input(events, "conv3")
    assert torch.equal(heard.dense(), by_hand.dense())
    assert len(heard.times) > 0


def test_each_of_the_three_rules_stops_a_layer(events):
    def with_stdp(**stdp):
        still = {"enable_homeostasis": False}
        return {"stdp": {**VALUES["stdp"], **stdp}, "wta": still, "conv3": None}

    run = make_run(with_stdp(max_epochs=2))
    learn(run, events)
    assert run.stopped == {"conv2": "epochs"}
    assert len(run.history.epochs) == 2
    run = make_run(with_stdp(converged_below=0.2, max_epochs=9))
    learn(run, events)
    assert run.stopped == {"conv2": "C_l"}
    assert len(run.history.epochs) == 1
    run = make_run(with_stdp(a_plus=1e-9, a_minus=1e-9, converged_below=0.01, converged_ratio=0.6))
    weight = run.layers["conv2"].weight
    weight[:4], weight[4:] = 1.0, 0.5  # C_l = 0.083, but 4 of 6 maps have converged
    learn(run, events)
    assert run.stopped == {"conv2": "maps"}
    assert run.history.epochs[0]["converged"] == pytest.approx(4 / 6)


def test_what_a_run_leaves(events, tmp_path):
    run = make_run()
    learn(run, events, output=tmp_path)
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    each = {f"checkpoint_epoch{n}_{layer}.pt" for n in (1, 2, 3) for layer in ("conv2", "conv3")}
    assert names == each | {"checkpoint_best.pt", "checkpoint_latest.pt"}
    best = read_run(tmp_path / "checkpoints" / "checkpoint_best.pt")
    last = [epoch["C_l"] for epoch in run.history.epochs if epoch["layer"] == "conv3"]
    assert best["best"] == min(last)
    assert best["history"]["epochs"][-1]["C_l"] == min(last)
    metrics = json.loads((tmp_path / "metrics_final.json").read_text())
    conv2 = metrics["layers"]["conv2"]
    assert conv2["wins"] == run.layers["conv2"].wins.tolist()
    assert conv2["stop_reason"] == "epochs"
    weight = run.layers["conv2"].weight.double()
    assert conv2["weights"]["mean"] == pytest.approx(weight.mean().item())
    assert conv2["C_l"] == pytest.approx((weight * (1 - weight)).mean().item())
    assert not metrics["layers"]["conv1"]["learnt"]
    assert metrics["recipe"]["conv2"]["maps"] == 6
    assert len(metrics["epochs"]) == 6


class Stop:
    """Sends SIGINT to this process during the n-th call of `learn`."""

    def __init__(self, monkeypatch, at):
        self.calls, self.at, self.learn = 0, at, LayerwiseRun.learn
        monkeypatch.setattr(LayerwiseRun, "learn", lambda *a: self(*a))

    def __call__(self, run, index):
        self.calls += 1
        loss = self.learn(run, index)
        if self.calls == self.at:
            os.kill(os.getpid(), signal.SIGINT)
        return loss


@pytest.mark.parametrize("at", [1, 3, 4, 9, 13])
def test_interrupted_and_resumed_is_the_same_bit_for_bit(at, events, tmp_path, monkeypatch):
    whole = make_run()
    learn(whole, events)
    monkeypatch.setattr(layerwise, "AT_ONCE", 25)  # 3 parts an epoch, and it must not matter
    first = make_run()
    with monkeypatch.context() as patch:
        Stop(patch, at)
        with pytest.raises(Interrupted, match=f"resume with --resume {tmp_path}"):
            learn(first, events, output=tmp_path)
    assert first.name is not None
    second = make_run()
    learn(second, events, output=tmp_path, resume=tmp_path)
    same(whole, second)
    # the revival noise was part of it
    quiet = make_run({"wta": {**VALUES["wta"], "revival_std": 0.0}})
    learn(quiet, events)
    assert not torch.equal(quiet.layers["conv2"].weight, whole.layers["conv2"].weight)


def test_without_a_folder_an_interruption_says_that_nothing_is_saved(events, monkeypatch):
    monkeypatch.setattr(layerwise, "AT_ONCE", 25)
    Stop(monkeypatch, 2)
    with pytest.raises(Interrupted, match="conv2, epoch 1, stimulus 50 of 60; nothing saved"):
        learn(make_run(), events)


def test_resuming_what_is_finished_changes_nothing(events, tmp_path):
    run = make_run()
    learn(run, events, output=tmp_path)
    again = make_run()
    (line,) = learn(again, events, resume=tmp_path)
    assert "nothing left to learn" in line
    same(run, again)
    copy = tmp_path / "copy"
    learn(make_run(), events, output=copy, resume=tmp_path)
    torch.manual_seed(1)  # what the program does besides leaves no trace in a checkpoint
    learn(make_run(), events, output=tmp_path / "other")
    for folder in (copy, tmp_path / "other"):
        one, two = (
            read_run(f / "checkpoints" / "checkpoint_latest.pt") for f in (tmp_path, folder)
        )
        assert torch.equal(one["random"]["torch"], two["random"]["torch"])


def test_a_run_may_be_made_longer(events, tmp_path):
    run = make_run({"conv3": None}, max_epochs=4)
    learn(run, events)
    short = make_run({"conv3": None}, max_epochs=6)
    folder = tmp_path / "a"

    def stop(run):
        if run.epoch == 2:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted):
        learn(short, events, output=folder, on_epoch=stop)
    longer = make_run({"conv3": None}, max_epochs=4)
    learn(longer, events, resume=folder)
    same(run, longer)


def test_a_checkpoint_of_another_run_is_refused_and_says_why(events, tmp_path):
    run = make_run()
    learn(run, events, output=tmp_path)
    for other, says in (
        (make_run(seed=4), "its seed was 3, here it is 4"),
        (make_run({"conv2": {**VALUES["conv2"], "threshold": 2.0}}), r"conv2\.threshold was 1\.0"),
        (make_run({"n_steps": 7}), "n_steps was 6, here it is 7"),
    ):
        with pytest.raises(CheckpointError, match=says):
            learn(other, events, resume=tmp_path)
    with pytest.raises(CheckpointError, match="its stimuli was 60, here it is 59"):
        learn(make_run(), events[:59], resume=tmp_path)
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        read_run(tmp_path / "nowhere")
    save_checkpoint(tmp_path / "other.pt", {"model": {}})
    with pytest.raises(CheckpointError, match="not of an STDP run"):
        read_run(tmp_path / "other.pt")


def test_nothing_to_learn_from(events):
    with pytest.raises(ValueError, match="no stimuli"):
        learn(make_run(), events[:0])


def test_tensorboard_gets_each_epoch_and_is_closed_even_when_interrupted(
    events, tmp_path, monkeypatch
):
    class Writer:
        def __init__(self):
            self.scalars, self.closed = [], False

        def add_scalar(self, name, value, step):
            self.scalars.append((name, value, step))

        def close(self):
            self.closed = True

    writer = Writer()
    monkeypatch.setattr(loop, "tensorboard_writer", lambda folder: writer)
    monkeypatch.setattr(layerwise, "AT_ONCE", 25)
    run = make_run()
    Stop(monkeypatch, 4)  # in the second epoch
    with pytest.raises(Interrupted):
        learn(run, events, output=tmp_path, tensorboard=True)
    assert writer.closed
    assert ("conv2/C_l", run.history.epochs[0]["C_l"], 1) in writer.scalars
    assert {name for name, _, _ in writer.scalars} == {
        f"conv2/{key}" for key in ("C_l", "converged", "wins", "dead")
    }
