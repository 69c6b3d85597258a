"""Two processes under torchrun train what one does, together stop, and together go on."""

import os
import re
import runpy
import signal
import sys
from pathlib import Path

import pytest
import torch

from conftest import ROOT
from jarvis import SpikingMLP, datasets, evaluate, fit, poisson_encode, seeded
from jarvis.training import distributed
from jarvis.training.checkpoints import load_checkpoint
from jarvis.training.devices import choose_device
from jarvis.training.run import Interrupted, TrainingError
from torchrun import launch, needs_gloo, together

DEMO = str(ROOT / "demos" / "train_mnist.py")
# 1257 training samples are 8 batches of 157 and one of a single sample, which leaves a rank without
UNEVEN = ["--device", "cpu", "--hidden", "32", "--timesteps", "8", "--batch-size", "157"]


def alone(monkeypatch, capsys, *options: str) -> str:
    """The demo in this process, which has paid for the imports already."""
    monkeypatch.setattr(sys, "argv", [DEMO, *options])
    runpy.run_path(DEMO, run_name="__main__")
    return capsys.readouterr().out


def numbers(output: str) -> list[tuple[str, float]]:
    return [(name, float(x)) for name, x in re.findall(r"(\w+)=(\d+(?:\.\d+)?)", output)]


@pytest.mark.slow
@needs_gloo
def test_two_processes_do_what_one_does(tmp_path, monkeypatch, capsys):
    options = [*UNEVEN, "--encoding", "poisson", "--epochs", "2"]
    single = alone(monkeypatch, capsys, *options, "--output", str(tmp_path / "one"))
    both = together(
        DEMO, *options, "--output", str(tmp_path / "two"), "--plot", str(tmp_path / "figure.png")
    )
    *lines, figure = both.splitlines()
    assert figure.startswith("figure: ")
    assert [re.sub(r"loss=\S+", "", line) for line in lines] == [
        re.sub(r"loss=\S+", "", line) for line in single.splitlines()
    ]
    for (name, a), (_, b) in zip(numbers(single), numbers("\n".join(lines)), strict=True):
        assert a == b or (name == "loss" and a == pytest.approx(b, abs=1.01e-4))
    one, two = (load_checkpoint(tmp_path / name) for name in ("one", "two"))
    assert one["model"].keys() == two["model"].keys()  # DDP's "module." is in no name
    for name in one["model"]:
        # Adam divides a tiny gradient by its own size: rounding shows in a few weights.
        torch.testing.assert_close(two["model"][name], one["model"][name], atol=5e-5, rtol=0)
    assert {p.name for p in (tmp_path / "two").iterdir()} == {
        p.name for p in (tmp_path / "one").iterdir()
    }


@pytest.mark.slow
@needs_gloo
def test_interrupted_together_and_finished_alone(tmp_path, monkeypatch, capsys):
    options = [*UNEVEN, "--epochs", "15", "--output", str(tmp_path)]
    with launch(DEMO, *options) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("epoch=1 "):
                break
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert errors.count("resume with --resume") == 1, errors
    saved = load_checkpoint(tmp_path)
    assert saved["epoch"] < 15
    assert output.count("\n") == saved["epoch"] - 1
    output = alone(monkeypatch, capsys, *options, "--resume", str(tmp_path))
    epochs = [int(n) for n in re.findall(r"^epoch=(\d+) ", output, re.MULTILINE)]
    assert epochs == list(range(saved["epoch"] + 1, 16))
    assert float(re.findall(r"^test_acc=(\S+)", output, re.MULTILINE)[0]) > 0.8


@pytest.mark.slow
@needs_gloo
def test_what_happens_to_one_happens_to_all(tmp_path):
    assert sorted(together(__file__, str(tmp_path)).split()) == ["rank0", "rank1"]


def on_each_rank(folder: Path) -> None:
    """The program of the test above, which torchrun runs twice, side by side."""
    train, val = datasets.toy("train").subset(201), datasets.toy("val").subset(65)
    rank = int(os.environ["RANK"])

    def encode(x, generator):
        return poisson_encode(x, 6, generator=generator)

    def run(code=encode, seed=0, **options):
        with seeded(seed):
            model = SpikingMLP((32, 8, 2))
        fit(model, train, val, encode=code, epochs=3, batch_size=40, lr=1e-2, progress=False,
            log=lines.append, **options)  # fmt: skip
        return model

    lines: list[str] = []
    drawn = []
    whole = run(on_epoch=lambda epoch, model: drawn.append(torch.rand(1).item()))
    assert distributed.total(*drawn) != [2 * x for x in drawn]  # dropout would differ by rank
    assert len(lines) == (0 if rank else 3)
    assert distributed.world_size() == 2
    flat = torch.cat([p.detach().flatten() for p in whole.parameters()])
    mean = distributed.total_(flat.clone()) / 2
    assert torch.equal(flat, mean)  # the ranks hold the same weights, bit for bit

    # shared or not, an evaluation is the same
    a, b = (evaluate(whole, val, encode, batch_size=16, shared=s) for s in (False, True))
    assert torch.equal(a["predicted"], b["predicted"])
    assert a["acc"] == b["acc"]
    assert abs(a["loss"] - b["loss"]) < 1e-6

    # one rank is interrupted in the midst of a batch: all stop there, and together go on
    calls = []

    def stop(x, generator):
        calls.append(1)
        if len(calls) == 9 and rank == 1:  # six batches, one evaluation, two batches
            os.kill(os.getpid(), signal.SIGINT)
        return encode(x, generator)

    with pytest.raises(Interrupted, match="batch"):
        run(stop, output=folder)
    saved = load_checkpoint(folder)
    assert (saved["epoch"], saved["step"]) == (1, 2)
    resumed = run(seed=5, resume=folder)
    for p, q in zip(resumed.parameters(), whole.parameters(), strict=True):
        assert torch.equal(p, q)

    # one rank meets a NaN: all say so
    def poisoned(x, generator):
        return encode(x, generator) * (float("nan") if rank else 1.0)

    with pytest.raises(TrainingError, match="batch 1 of epoch 1"):
        run(poisoned)
    sys.stdout.write(f"rank{rank}\n")
    distributed.leave()


def test_alone_there_is_nothing_to_do():
    model = torch.nn.Linear(2, 2)
    assert distributed.wrap(model) is model
    distributed.start(torch.device("cpu"))
    distributed.stop()
    assert (distributed.rank(), distributed.world_size(), distributed.is_main()) == (0, 1, True)
    assert distributed.any_of(True)
    assert not distributed.any_of(False)


@pytest.mark.parametrize("world", [1, 2, 3, 8])
@pytest.mark.parametrize("n", [1, 2, 7, 64])
def test_shares_are_even_and_leave_none_out(n, world, monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: world)
    seen = []
    for rank in range(world):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        seen.append(list(range(n))[distributed.share(n)])
    assert [k for part in seen for k in part] == list(range(n))
    assert max(map(len, seen)) - min(map(len, seen)) <= 1


def test_each_process_takes_its_own_gpu(monkeypatch):
    values = {"RANK": 3, "WORLD_SIZE": 4, "LOCAL_RANK": 1, "LOCAL_WORLD_SIZE": 2,
              "MASTER_ADDR": "localhost", "MASTER_PORT": 1}  # fmt: skip
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert not distributed.is_main()
    assert choose_device("auto") == choose_device("cuda") == torch.device("cuda:1")
    with pytest.raises(ValueError, match="one GPU each"):
        choose_device("cuda:0")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert choose_device("auto") == torch.device("cpu")
    with pytest.raises(ValueError, match="1 GPUs"):
        choose_device("cuda")


if __name__ == "__main__":
    on_each_rank(Path(sys.argv[1]))
