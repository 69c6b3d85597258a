"""The loop: it learns, it stops and goes on without a trace, it says what is wrong."""

import json
import os
import signal
import threading

import pytest
import torch
from torch import nn

from jarvis import SpikingMLP, datasets, evaluate, fit, poisson_encode, seeded
from jarvis.training import choose_device
from jarvis.training.checkpoints import CheckpointError, load_checkpoint, save_checkpoint
from jarvis.training.devices import seed_for
from jarvis.training.run import Interrupted, TrainingError
from jarvis.training.schedules import cosine, linear_tail

TRAIN = datasets.toy("train").subset(200)
VAL = datasets.toy("val").subset(64)


def encode(x, generator):
    return poisson_encode(x, 6, generator=generator)


class WithDropout(nn.Module):
    """Draws from torch's global generator too, which a resumed run has to find as it was."""

    def __init__(self, tau=20.0):
        super().__init__()
        self.inner = SpikingMLP((32, 8, 2), tau=tau)
        self.drop = nn.Dropout(0.2)

    def forward(self, x):
        return self.inner(self.drop(x))


def make(seed=0):
    with seeded(seed):
        return WithDropout()


def train(model=None, **options):
    model = model or make()
    options = {"epochs": 3, "batch_size": 32, "lr": 1e-2, "log": lambda line: None} | options
    history = fit(model, TRAIN, VAL, encode=encode, progress=False, **options)
    return model, history


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def stop_after(n):
    """An encode that sends SIGINT to this process at its n-th call, in the midst of a batch."""
    calls = []

    def encode_and_stop(x, generator):
        calls.append(1)
        if len(calls) == n:
            os.kill(os.getpid(), signal.SIGINT)
        return encode(x, generator)

    return encode_and_stop


def test_it_learns():
    lines = []
    with seeded(0):
        model = SpikingMLP((32, 32, 2))
    before = evaluate(model, VAL, encode)["acc"]
    history = fit(
        model, datasets.toy("train"), VAL, epochs=3, lr=5e-3, encode=encode, log=lines.append
    )
    loss = history.column("loss")
    assert loss[-1] < loss[0] < 0.75
    assert history.column("val_acc")[-1] > max(before, 0.65)
    assert lines[0].startswith("epoch=1 loss=0.")
    assert "val_acc=" in lines[0]
    assert len(lines) == 3


def test_same_seed_same_weights_whatever_the_global_state():
    a, _ = train()
    torch.rand(7)
    b, _ = train()
    assert torch.equal(weights(a), weights(b))
    c, _ = train(seed=1)
    assert not torch.equal(weights(a), weights(c))


@pytest.mark.parametrize("seed", [0, 5, -1, (1 << 63) - 1])
def test_spikes_are_not_drawn_from_the_numbers_of_the_data(seed):
    """Values from the same seed as the run; drawn from it as well, no spike would exceed them."""
    values = torch.rand((256, 32), generator=torch.Generator().manual_seed(seed))
    data = datasets.ArrayDataset(values, torch.arange(256) % 2, 2, "generated")
    seen = []

    def watched(x, generator):
        seen.append(encode(x, generator))
        return seen[-1]

    evaluate(make(), data, watched, batch_size=256, seed=seed)
    options = {"epochs": 1, "batch_size": 256, "seed": seed, "progress": False, "log": len}
    fit(make(), data, encode=watched, **options)
    at_evaluation, in_training = seen
    for spikes in seen:
        rate = spikes.mean((1, 2))
        assert (rate - 0.5).abs().max() < 0.05  # in each step; the standard deviation is 0.006
    assert not torch.equal(at_evaluation.sum((1, 2)), in_training.sum((1, 2)))


def test_seeds_for_a_purpose():
    found = {
        seed_for(purpose, seed, step=step)
        for purpose in ("training", "evaluation")
        for seed in (-1, 0, 1, (1 << 63) - 1)
        for step in (0, 1)
    }
    assert len(found) == 16
    assert all(0 <= seed < 1 << 64 for seed in found)
    assert seed_for("training", 0) == seed_for("training", 0, step=0)
    assert seed_for("training", -1) == seed_for("training", (1 << 64) - 1)  # as torch takes them
    with pytest.raises(ValueError, match="seed_for: seed"):
        seed_for("training", 1 << 64)
    with pytest.raises(ValueError, match="seed_for: step"):
        seed_for("training", 0, step=-1)


def test_global_randomness_is_left_alone():
    before = torch.get_rng_state()
    train()
    assert torch.equal(before, torch.get_rng_state())


def test_schedule_sets_the_learning_rate():
    seen = []
    train(schedule=lambda step, n: seen.append((step, n)) or 1.0, epochs=2)
    assert seen == [(k, 14) for k in range(14)]
    still, _ = train(schedule=lambda step, n: 0.0)
    assert torch.equal(weights(still), weights(make()))
    assert cosine(0, 4) == 1
    assert cosine(4, 4) == 0
    assert [linear_tail(k, 6) for k in range(7)] == [1, 1, 1, 1, 1, 0.5, 0]


def test_an_objective_takes_the_place_of_cross_entropy():
    """The loss that falls is the objective; what is reported stays cross-entropy."""

    def pull_to_zero(model, x, targets):
        scores = model(x)
        return scores.square().mean(), scores

    model, history = train(objective=pull_to_zero, epochs=6)
    loss = history.column("loss")
    assert loss[-1] < 0.5 * loss[0]
    assert history.epochs[-1]["val_loss"] == evaluate(model, VAL, encode, seed=0)["loss"]
    assert history.epochs[-1]["val_loss"] == pytest.approx(0.693, abs=0.05)  # undecided


def test_files_of_a_run(tmp_path):
    _, history = train(output=tmp_path, arguments={"hidden": [8]})
    assert {p.name for p in tmp_path.iterdir()} == {
        "checkpoint_latest.pt",
        "checkpoint_best.pt",
        "metrics_final.json",
    }
    metrics = json.loads((tmp_path / "metrics_final.json").read_text())
    assert metrics["arguments"] == {"hidden": [8]}
    assert [e["epoch"] for e in metrics["epochs"]] == [1, 2, 3]
    accuracy = history.column("val_acc")
    assert metrics["best_epoch"] == 1 + accuracy.index(max(accuracy)) == history.best_epoch
    best = make()
    best.load_state_dict(load_checkpoint(tmp_path / "checkpoint_best.pt")["model"])
    assert evaluate(best, VAL, encode)["acc"] == max(accuracy)


@pytest.mark.parametrize("n", [3, 7, 16])  # in an epoch, at its last batch, in a later one
def test_interrupted_and_resumed_is_bit_for_bit_uninterrupted(tmp_path, n):
    whole, full = train(schedule=cosine)
    model = make()
    with pytest.raises(Interrupted, match="resume"):
        fit(model, TRAIN, VAL, encode=stop_after(n), progress=False, epochs=3, batch_size=32,
            lr=1e-2, schedule=cosine, output=tmp_path, log=lambda line: None)  # fmt: skip
    assert not torch.equal(weights(model), weights(whole))
    torch.rand(11)
    resumed, history = train(make(seed=5), schedule=cosine, resume=tmp_path, output=tmp_path)
    assert torch.equal(weights(resumed), weights(whole))
    for a, b in zip(full.epochs, history.epochs, strict=True):
        assert {**a, "seconds": 0} == {**b, "seconds": 0}


def test_killed_between_epochs_and_resumed(tmp_path):
    whole, _ = train(epochs=4)
    train(epochs=2, output=tmp_path)  # what a kill after the second epoch leaves behind
    resumed, history = train(make(seed=5), epochs=4, resume=tmp_path / "checkpoint_latest.pt")
    assert torch.equal(weights(resumed), weights(whole))
    assert len(history.epochs) == 4


def test_signal_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT)
    train(epochs=1)
    assert signal.getsignal(signal.SIGINT) is before


def test_runs_in_a_thread():
    done = []
    thread = threading.Thread(target=lambda: done.append(train(epochs=1)))
    thread.start()
    thread.join()
    assert done


def test_early_stop():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.bias = nn.Parameter(torch.zeros(2))

        def forward(self, x):
            return self.bias.expand(x.shape[1], 2)

    _, history = train(Fixed(), patience=2, epochs=50, lr=1e-9)
    assert len(history.epochs) == 3


@pytest.mark.parametrize("damage", ["missing", "truncated", "text", "other"])
def test_unfit_checkpoints_are_named(tmp_path, damage):
    path = tmp_path / "checkpoint_latest.pt"
    train(epochs=1, output=tmp_path)
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "text":
        path.write_text("hello")
    else:
        torch.save({"weights": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match=r"checkpoint_latest\.pt"):
        train(resume=tmp_path)


def test_a_checkpoint_of_another_run_is_refused(tmp_path):
    train(epochs=1, output=tmp_path, arguments={"hidden": 8})
    with pytest.raises(CheckpointError, match="hidden was 8, here it is 9"):
        train(resume=tmp_path, arguments={"hidden": 9})
    with pytest.raises(CheckpointError, match="seed was 0, here it is 1"):
        train(resume=tmp_path, arguments={"hidden": 8}, seed=1)
    with pytest.raises(CheckpointError, match="does not fit this model"):
        train(nn.Linear(32, 2), resume=tmp_path, arguments={"hidden": 8})


@pytest.mark.parametrize("schedule", [None, cosine])
def test_epochs_and_learning_rate_may_change_and_a_line_says_so(tmp_path, schedule):
    options = dict(schedule=schedule, epochs=1, output=tmp_path)
    train(**options)
    before = weights(make())
    seen, lines = [], []
    optimizer_of = make()
    slow = torch.optim.Adam(optimizer_of.parameters(), lr=1e-12)
    _, history = train(
        optimizer_of, optimizer=slow, schedule=schedule, resume=tmp_path, epochs=3,
        log=lines.append, on_epoch=lambda epoch, model: seen.append(weights(model)),
    )  # fmt: skip
    assert lines[0] == "resumed with epochs 1 -> 3, lr 0.01 -> 1e-12"
    assert [line.split()[0] for line in lines[1:]] == ["epoch=2", "epoch=3"]
    assert len(history.epochs) == 3
    after_one, _ = train(schedule=schedule, epochs=1)
    torch.testing.assert_close(seen[-1], weights(after_one), atol=1e-9, rtol=0)  # it stood still
    assert not torch.equal(seen[-1], before)


def other_optimiser(**options):
    model = make()
    return model, torch.optim.SGD(model.parameters(), lr=1e-2, **options)


def test_data_model_and_optimiser_may_not_change(tmp_path):
    train(epochs=1, output=tmp_path)
    model, sgd = other_optimiser()
    with pytest.raises(CheckpointError, match=r"its optimizer was Adam\[.*, here it is SGD\["):
        train(model, optimizer=sgd, resume=tmp_path)
    with seeded(0):
        faster = WithDropout(tau=5.0)  # the same weights
    with pytest.raises(CheckpointError, match=r"does not fit.*tau=20\.0.* here it is .*tau=5\.0"):
        train(faster, resume=tmp_path)
    assert torch.equal(weights(faster), weights(make()))  # a refusal changes nothing
    with pytest.raises(CheckpointError, match=r"its data was 200 samples.*here it is 199 samples"):
        fit(make(), TRAIN.subset(199), VAL, encode=encode, resume=tmp_path, batch_size=32, lr=1e-2)
    relabelled = datasets.ArrayDataset(
        TRAIN.inputs, 1 - TRAIN.targets, TRAIN.n_classes, TRAIN.source
    )
    with pytest.raises(CheckpointError, match="its targets was"):
        fit(make(), relabelled, VAL, encode=encode, resume=tmp_path, batch_size=32, lr=1e-2)
    with pytest.raises(CheckpointError, match="batch_size was 32, here it is 16"):
        train(resume=tmp_path, batch_size=16)


def test_a_run_that_is_longer_already_is_refused(tmp_path):
    train(epochs=3, output=tmp_path)
    with pytest.raises(CheckpointError, match="3 epochs already, more than the 2 asked for"):
        train(epochs=2, resume=tmp_path)


def test_an_epoch_is_shown_when_it_is_safe(tmp_path):
    def safe(line):
        assert line.startswith(f"epoch={load_checkpoint(tmp_path)['epoch']} ")
        shown.append(line)

    shown: list[str] = []
    train(output=tmp_path, log=safe)
    assert len(shown) == 3


def test_the_first_format_is_read_but_does_not_go_on(tmp_path):
    path = tmp_path / "checkpoint_latest.pt"
    model = make()
    torch.save({"format": 1, "model": model.state_dict(), "epoch": 1}, path)
    assert torch.equal(load_checkpoint(path)["model"]["inner.output.bias"], model.inner.output.bias)
    with pytest.raises(CheckpointError, match="earlier version"):
        train(resume=path)
    torch.save({"format": 3, "model": model.state_dict()}, path)
    with pytest.raises(CheckpointError, match="not a jarvis checkpoint of format 2"):
        load_checkpoint(path)


def test_checkpoints_cannot_run_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return (os.system, ("true",))

    torch.save({"format": 1, "model": Evil()}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError):
        load_checkpoint(tmp_path / "x.pt")


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, {"n": 1})

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(path, {"n": 2})
    assert load_checkpoint(path)["n"] == 1
    assert len(list(tmp_path.iterdir())) == 1


def test_nan_loss_stops_with_a_reason():
    def poisoned(x, generator):
        return encode(x, generator) * float("nan")

    with pytest.raises(TrainingError, match="batch 1 of epoch 1"):
        fit(make(), TRAIN, encode=poisoned, progress=False)


class Strict(nn.Module):
    """Refuses values that are not finite, as layers with delays do."""

    def __init__(self, limit: float = float("inf")):
        super().__init__()
        self.output, self.limit = nn.Linear(32, 2), limit

    def forward(self, x):
        largest = self.output.weight.detach().abs().max()
        if not largest < self.limit:
            raise ValueError(f"the largest weight is {largest}")
        return self.output(x)


class Diverging(torch.optim.SGD):
    """An optimiser after a step that was far too large."""

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                p.data.fill_(torch.inf)


def test_weights_that_diverge_are_told_as_such():
    options = {"epochs": 1, "batch_size": 32, "progress": False, "log": len}
    model = Strict()
    optimizer = Diverging(model.parameters(), lr=0.1)
    says = "a weight is NaN or infinite after epoch 1, batch 1 of 7: .*lower lr"
    with pytest.raises(TrainingError, match=says):
        fit(model, TRAIN, optimizer=optimizer, **options)
    with pytest.raises(ValueError, match="the largest weight is"):  # not divergence: as it is
        fit(Strict(0.01), TRAIN, **options)


def test_evaluate_averages_draws_and_keeps_the_mode():
    model = make().train()
    one = [evaluate(model, VAL, encode, seed=0)["loss"] for _ in range(2)]
    assert one[0] == one[1]
    seen = []

    def watched(x, generator):
        seen.append(encode(x, generator))
        return seen[-1]

    many = evaluate(model, VAL, watched, seed=0, draws=3)
    assert model.training
    scores = [model.eval()(spikes).detach() for spikes in seen]
    losses = [nn.functional.cross_entropy(part, VAL.targets).item() for part in scores]
    accuracies = [(part.argmax(1) == VAL.targets).double().mean().item() for part in scores]
    assert len(set(losses)) == 3
    assert losses[0] == pytest.approx(one[0])
    assert many["loss"] == pytest.approx(sum(losses) / 3)
    assert many["acc"] == pytest.approx(sum(accuracies) / 3)
    assert torch.equal(many["predicted"], scores[0].argmax(1))
    with pytest.raises(ValueError, match="empty"):
        evaluate(model, VAL.subset(0), encode)
    with pytest.raises(ValueError, match="draws=0"):
        evaluate(model, VAL, encode, draws=0)


@pytest.mark.parametrize(
    ("options", "says"),
    [({"epochs": 0}, "epochs=0"), ({"batch_size": 0}, "batch_size=0"), ({"lr": 0.0}, "lr=0.0")],
)
def test_bad_options(options, says):
    with pytest.raises(ValueError, match=says):
        train(**options)


def test_patience_needs_validation():
    with pytest.raises(ValueError, match="val_set"):
        fit(make(), TRAIN, encode=encode, patience=1)


def test_devices():
    assert choose_device("cpu").type == "cpu"
    assert choose_device("auto").type in ("cpu", "cuda")
    for name in ("tpu!", "cuda:99"):
        with pytest.raises(ValueError, match=name):
            choose_device(name)


def test_tensorboard_where_it_is_installed(tmp_path):
    pytest.importorskip("tensorboard")
    train(epochs=1, output=tmp_path, tensorboard=True)
    assert list((tmp_path / "events").iterdir())


@pytest.mark.gpu
def test_trains_on_the_gpu(tmp_path):
    model, history = train(make().cuda(), output=tmp_path)
    assert weights(model).isfinite().all()
    assert history.epochs
