"""The training loop that demos and notebooks share."""

import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from jarvis.datasets.arrays import ArrayDataset
from jarvis.support.files import write_json
from jarvis.training import distributed
from jarvis.training.devices import _own_random
from jarvis.training.interruption import Interruption
from jarvis.training.run import Encode, History, Objective, Run, batches, encoded


class Interrupted(KeyboardInterrupt):
    """Training was interrupted after a batch; the message says where its state was saved."""


@torch.no_grad()
def evaluate(
    model: nn.Module,
    dataset: ArrayDataset,
    encode: Encode | None = None,
    *,
    batch_size: int = 256,
    seed: int = 0,
    draws: int = 1,
    shared: bool = False,
) -> dict[str, Any]:
    """Loss and accuracy on a data set.

    Args:
        model: maps the encoded batch ``[T, B, ...]`` to scores ``[B, C]``.
        dataset: what to evaluate on.
        encode: values -> spikes; None: the model takes the values as they are.
        seed: of the code's randomness: the same seed gives the same spikes.
        draws: passes over the data, each with new draws of a random code; loss and accuracy are
            their means.
        shared: under torchrun, divide the work among all processes; each of them has to call this,
            and gets the whole result. Otherwise each does all of what it is asked.

    Returns:
        "loss" (mean cross-entropy, nats), "acc" (0 to 1), "predicted" ``[N]`` of the first draw.

    Raises:
        ValueError: for an empty data set, or ``draws < 1``.
    """
    if not len(dataset):
        raise ValueError("evaluate: the data set is empty")
    if draws < 1:
        raise ValueError(f"evaluate: draws={draws} must be at least 1")
    device = next(model.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    training = model.training
    model.eval()
    loss, correct = 0.0, 0
    predicted = torch.zeros(len(dataset), dtype=torch.long)
    for draw in range(draws):
        for index in batches(len(dataset), batch_size):
            part = distributed.share(len(index)) if shared else slice(0, len(index))
            x, y = (half.to(device) for half in dataset[index])
            x, y = encoded(x, encode, generator, part), y[part]
            if not len(y):
                continue
            scores = model(x)
            loss += nn.functional.cross_entropy(scores, y, reduction="sum").item()
            labels = scores.argmax(1)
            correct += int((labels == y).sum())
            if draw == 0:
                predicted[index[part]] = labels.cpu()
    model.train(training)
    if shared:
        loss, correct = distributed.total(loss, correct)
        distributed.total_(predicted)
    n = draws * len(dataset)
    return {"loss": loss / n, "acc": correct / n, "predicted": predicted}


def fit(
    model: nn.Module,
    train_set: ArrayDataset,
    val_set: ArrayDataset | None = None,
    test_set: ArrayDataset | None = None,
    *,
    epochs: int = 10,
    batch_size: int = 128,
    lr: float = 1e-3,
    encode: Encode | None = None,
    objective: Objective | None = None,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: Callable[[int, int], float] | None = None,
    seed: int = 0,
    draws: int = 1,
    patience: int | None = None,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    arguments: dict[str, Any] | None = None,
    tensorboard: bool = False,
    progress: bool = True,
    log: Callable[[str], None] = print,
    on_epoch: Callable[[int, nn.Module], None] | None = None,
) -> History:
    """Train a classifier by cross-entropy, or by another objective.

    One line an epoch: ``epoch=N loss=... [val_acc=...] [test_acc=...]``. The best epoch is the one
    with the highest accuracy on `val_set`; `test_set` is reported and never chosen by.

    With `output`, every epoch leaves ``checkpoint_latest.pt``, the best one
    ``checkpoint_best.pt``, and the run's end ``metrics_final.json``. SIGINT and SIGTERM save after
    the batch in hand; a second SIGINT stops at once. `resume` goes on from there, in the middle
    of an epoch too, and ends with the same weights, bit for bit on one machine, as a run that
    was never stopped.

    Under torchrun (`jarvis.training.distributed`) all processes train together: `batch_size` counts
    the samples of all of them, and weights and lines are those of one process but for the order in
    which numbers are summed (float32 rounding, which may tip a spike) and for dropout, which each
    process draws for itself. Only rank 0 logs and writes; all ranks read `resume`, stop when one of
    them is interrupted, and call `on_epoch`. A run may go on with another number of processes.

    Args:
        model: maps the encoded batch ``[T, B, ...]`` to scores ``[B, C]``; it is on its device.
        train_set, val_set, test_set: the data.
        epochs: how many passes over `train_set`, those before `resume` included.
        batch_size: samples a step, over all processes.
        lr: learning rate of Adam.
        encode: values -> input of the model, see `Encode`.
        objective: what to train by instead of cross-entropy, see `Objective`; `evaluate` goes on
            to report cross-entropy.
        optimizer: to use instead of Adam.
        schedule: ``schedule(step, n_steps) -> factor`` on the learning rate.
        seed: of the order of samples and the randomness of the code.
        draws: of a random code, over which validation and test figures are averaged.
        patience: stop after this many epochs without a better validation accuracy.
        output: folder for checkpoints and metrics.
        resume: a checkpoint, or the `output` of an earlier run.
        arguments: plain values, kept in checkpoints and metrics; resuming with others is an error.
        tensorboard: also write TensorBoard events to ``output/events``, where it is installed.
        progress: show a bar, where standard error is a terminal.
        log: takes each epoch's line.
        on_epoch: ``on_epoch(epoch, model)`` after each epoch.

    Returns:
        the `History`.

    Raises:
        ValueError: for an option out of range.
        TrainingError: when the loss is no longer finite.
        CheckpointError: for a `resume` that is missing, damaged, or of a run with other arguments.
        Interrupted: (a KeyboardInterrupt) after an interruption, when all is saved.
    """
    for name, value in (("epochs", epochs), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name}={value} must be at least 1")
    if not lr > 0:
        raise ValueError(f"lr={lr} must be positive")
    if patience is not None and val_set is None:
        raise ValueError("patience needs a val_set")
    if not len(train_set):
        raise ValueError("the training set is empty")
    distributed.start(next(model.parameters()).device)
    main = distributed.is_main()
    run = Run(model, train_set, batch_size, lr, encode, optimizer, schedule, epochs, seed)
    run.arguments = arguments or {}
    run.objective = objective or run.objective
    folder = Path(output) if output is not None else None
    if resume is not None:
        run.restore(Path(resume))
    if folder is not None and main:
        folder.mkdir(parents=True, exist_ok=True)
    writer = tensorboard_writer(folder) if tensorboard and folder is not None and main else None

    history = run.history
    with _own_random(), Interruption() as interruption:
        run.set_random()
        while run.epoch < epochs and not (patience is not None and history.bad_epochs >= patience):
            started = time.perf_counter()
            bar = tqdm(
                total=run.batches_per_epoch,
                initial=run.step,
                desc=f"epoch {run.epoch + 1}/{epochs}",
                leave=False,
                disable=None if progress and main else True,  # None: only where there is a terminal
            )
            with bar:
                for loss in run.steps():
                    bar.update()
                    bar.set_postfix(loss=f"{loss:.3f}")
                    if distributed.any_of(interruption.requested):
                        raise Interrupted(save_interrupted(run, folder))
            metrics = run.end_epoch()
            metrics["seconds"] = time.perf_counter() - started
            for name, dataset in (("val", val_set), ("test", test_set)):
                if dataset is not None:
                    result = evaluate(model, dataset, encode, seed=seed, draws=draws, shared=True)
                    metrics[f"{name}_loss"], metrics[f"{name}_acc"] = result["loss"], result["acc"]
            better = run.record(metrics)
            shown = [f"epoch={run.epoch}", f"loss={metrics['loss']:.4f}"]
            shown += [f"{k}={metrics[k]:.4f}" for k in ("val_acc", "test_acc") if k in metrics]
            if main:
                log(" ".join(shown))
            if writer is not None:
                for name, value in metrics.items():
                    writer.add_scalar(name, value, run.epoch)
            if folder is not None and main:
                if better:
                    run.save(folder / "checkpoint_best.pt")
                run.save(folder / "checkpoint_latest.pt")
            if on_epoch is not None:
                on_epoch(run.epoch, model)
            if run.epoch < epochs and distributed.any_of(interruption.requested):
                raise Interrupted(save_interrupted(run, folder))
    if writer is not None:
        writer.close()
    if folder is not None and main:
        write_json(folder / "metrics_final.json", asdict(history) | {"arguments": run.arguments})
    return history


def save_interrupted(
    run: Run, folder: Path | None, saved: str = "saved: resume with --resume {folder}"
) -> str:
    """Save a run between two batches; what to tell the user, `saved` being how to go on."""
    where = f"epoch {run.epoch + 1}, batch {run.step} of {run.batches_per_epoch}"
    if folder is None:
        return f"interrupted after {where}; nothing saved, for no output folder was given"
    if distributed.is_main():
        run.save(folder / "checkpoint_latest.pt")
    distributed.any_of(False)  # a rank that left first would make torchrun end the one that writes
    return f"interrupted after {where}; {saved.format(folder=folder)}"


def tensorboard_writer(folder: Path):
    """A TensorBoard writer to ``folder/events``; None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "events"))
