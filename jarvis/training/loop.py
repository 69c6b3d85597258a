"""The training loop, which drives, saves and resumes every kind of run."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from jarvis.support.checks import check_integer, check_type
from jarvis.support.files import locked, write_json
from jarvis.training import distributed
from jarvis.training.devices import own_random, seed_for
from jarvis.training.interruption import Interruption
from jarvis.training.run import (
    Encode,
    GradientRun,
    History,
    Interrupted,
    Objective,
    Run,
    Schedule,
    TrainingError,
    batches,
    cross_entropy,
    encoded,
)
from jarvis.training.samples import check_dataset, check_scores, device_of, labels_of, samples_at


class Hooks:
    """What a run does besides learning; subclasses override the methods, which all ranks call."""

    def start(self, run: Run) -> None:
        """Called before the first batch, also in a resumed run."""

    def batch(self, run: Run, loss: float) -> None:
        """Called after each batch."""

    def measure(self, run: Run) -> dict[str, float]:
        """Called after the last batch of an epoch, before it is saved; returns further metrics."""
        return {}

    def epoch(self, run: Run, metrics: dict[str, Any]) -> None:
        """Called when an epoch has been measured, before it is saved."""

    def saved(self, run: Run, metrics: dict[str, Any]) -> None:
        """Called when an epoch has been saved and shown."""

    def finished(self, run: Run) -> bool:
        """Whether to stop before all epochs are done."""
        return False


def train(
    run: Run,
    hooks: Hooks | None = None,
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    tensorboard: bool = False,
    progress: bool = True,
    log: Callable[[str], None] = print,
    saved: str = "saved: resume with --resume {folder}",
) -> Run:
    """Train a run until its epochs are done, with checkpoints.

    Each epoch is measured, then saved, then shown, so when an epoch is shown, its checkpoint
    exists. On SIGINT or SIGTERM, the run is saved after the current batch and stops; a second
    SIGINT stops it immediately. With `resume`, a run continues from the saved state, even in the
    middle of an epoch, and ends with the same weights as an uninterrupted run (bit for bit on the
    same machine). A resumed run may have a different number of epochs, different learning rates and
    another output folder (such changes are logged); data, model, optimiser and seed must stay the
    same.

    Under torchrun, all processes call this function; rank 0 logs and writes.

    Args:
        run: the run to train, which is modified.
        hooks: actions during training, such as measuring and recording.
        output: folder for checkpoints and ``metrics_final.json``.
        resume: a checkpoint, or the `output` of an earlier run.
        tensorboard: also write TensorBoard events to ``output/events``, if it is installed.
        progress: show a progress bar if standard error is a terminal.
        log: called with each line.
        saved: message to show when everything has been saved after an interruption.

    Returns:
        `run`.

    Raises:
        TrainingError: when the loss or a metric is no longer finite.
        CheckpointError: for a `resume` that is missing, corrupted, or from another run.
        FolderInUseError: (an OSError) if another program writes to `output`.
        Interrupted: (a KeyboardInterrupt) after an interruption, when everything is saved.
    """
    hooks = hooks or Hooks()
    main = distributed.is_main()
    folder = Path(output) if output is not None else None
    if resume is not None:
        changed = run.restore(resume)
        if changed and main:
            log(f"resumed with {', '.join(changed)}")

    def interrupted() -> Interrupted:
        where = run.where()
        if folder is None:
            return Interrupted(
                f"interrupted after {where}; nothing saved, because no output folder was given"
            )
        if main:
            run.save_to(folder)
        # If another rank exited first, torchrun would end the rank that writes.
        distributed.any_of(False)
        return Interrupted(f"interrupted after {where}; {saved.format(folder=folder)}")

    with ExitStack() as at_end:
        if folder is not None and main:
            at_end.enter_context(locked(folder))
        at_end.enter_context(own_random())
        interruption = at_end.enter_context(Interruption())
        writer = tensorboard_writer(folder) if tensorboard and folder is not None and main else None
        if writer is not None:
            at_end.callback(writer.close)
        bar = at_end.enter_context(_bar(run, progress and main))
        at_end.enter_context(_divergence_named(run))
        run.set_random()
        hooks.start(run)
        while not (run.finished or hooks.finished(run)):
            started = time.perf_counter()
            for loss in run.steps():
                bar.update(run.advanced())
                bar.set_postfix(run.shown(loss), refresh=False)
                hooks.batch(run, loss)
                if distributed.any_of(interruption.requested):
                    raise interrupted()
            metrics = run.end_epoch()
            metrics["seconds"] = time.perf_counter() - started
            metrics |= hooks.measure(run)
            for name, value in metrics.items():
                if isinstance(value, float) and not math.isfinite(value):
                    raise TrainingError(f"{name} is {value} after epoch {run.epoch}: {run.advice}")
            better = run.record(metrics)
            metrics = run.history.epochs[-1]
            hooks.epoch(run, metrics)
            if folder is not None and main:
                run.save_to(folder, run.files(better, metrics))
            if main:
                with bar.external_write_mode():
                    for line in run.line(metrics).splitlines():
                        log(line)
            if writer is not None:
                numbers, at = run.scalars(metrics)
                for name, value in numbers.items():
                    writer.add_scalar(name, value, at)
            hooks.saved(run, metrics)
            if not run.finished and distributed.any_of(interruption.requested):
                raise interrupted()
        if folder is not None and main:
            write_json(folder / "metrics_final.json", run.summary())
    return run


@contextmanager
def _divergence_named(run: Run) -> Iterator[None]:
    """Turn an error about values that are not finite into a `TrainingError`.

    A layer refuses weights or delays that are NaN. It cannot know that an update made them so.
    """
    try:
        yield
    except FloatingPointError as error:
        raise TrainingError(f"{error}, after {run.where()}: {run.advice}") from error
    except ValueError as error:
        if run.is_finite():
            raise
        raise TrainingError(
            f"a weight is NaN or infinite after {run.where()}: {run.advice}"
        ) from error


def _bar(run: Run, shown: bool):
    """A progress bar for the whole run, in the run's own unit."""
    from tqdm import tqdm

    done, total = run.progress()
    return tqdm(
        total=total,
        initial=done,
        unit=run.unit,
        leave=False,
        disable=None if shown else True,  # None: only on a terminal
    )


@torch.no_grad()
def evaluate(
    model: nn.Module,
    dataset: Dataset | Sequence,
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
        dataset: the data to evaluate on: a data set of `jarvis.datasets` or of PyTorch (such as a
            `Subset` or a `ConcatDataset`), or a list of pairs (input, label).
        encode: a function from values to spikes. Without it, the model receives values unchanged,
            and events in steps as spike trains ``[T, B, ...]``.
        seed: seed of the random encoding; the same seed gives the same spikes. These spikes differ
            from those drawn with ``torch.Generator().manual_seed(seed)`` and from those drawn in
            training.
        draws: number of passes over the data, each with a new draw of the random encoding; loss and
            accuracy are averaged over the passes.
        shared: whether to divide the work among all processes under torchrun; every process then
            has to call this function and receives the whole result. If False, each process does all
            the work itself.

    Returns:
        a dict with "loss" (mean cross-entropy, nats), "acc" (0 to 1), and "predicted" (the classes
        predicted in the first draw, ``[N]``).

    Raises:
        ValueError: for an empty data set, a label that is not a class of the model (such as -1), or
            ``draws < 1``.
        TypeError: for samples that are not pairs of an input and a label.
    """
    check_dataset("evaluate: dataset", dataset)
    n_samples = len(dataset)  # type: ignore[arg-type]
    check_integer("evaluate: draws", draws, at_least=1)
    batch_size = check_integer("evaluate: batch_size", batch_size, at_least=1)
    seed = check_integer("evaluate: seed", seed, at_least=-(1 << 63), at_most=(1 << 64) - 1)
    check_type("evaluate: model", model, nn.Module)
    device = device_of(model)
    generator = torch.Generator(device).manual_seed(seed_for("evaluation", seed))
    training = model.training
    model.eval()
    loss, correct = 0.0, 0
    predicted = torch.zeros(n_samples, dtype=torch.long)
    for draw in range(draws):
        for index in batches(n_samples, batch_size):
            part = distributed.share(len(index)) if shared else slice(0, len(index))
            x, y = samples_at("evaluate: dataset", dataset, index)
            y = labels_of("evaluate: dataset", y).to(device)
            x = x.to(device) if isinstance(x, Tensor) else x
            x, y = encoded(x, encode, generator, part), y[part]
            if not len(y):
                continue
            scores = model(x)
            check_scores(scores, y)
            loss += nn.functional.cross_entropy(scores, y, reduction="sum").item()
            labels = scores.argmax(1)
            correct += int((labels == y).sum())
            if draw == 0:
                predicted[index[part]] = labels.cpu()
    model.train(training)
    if shared:
        loss, correct = distributed.total(loss, correct)
        distributed.total_(predicted)
    n = draws * n_samples
    return {"loss": loss / n, "acc": correct / n, "predicted": predicted}


def fit(
    model: nn.Module,
    train_set: Dataset | Sequence,
    val_set: Dataset | Sequence | None = None,
    test_set: Dataset | Sequence | None = None,
    *,
    epochs: int = 10,
    batch_size: int = 128,
    lr: float = 1e-3,
    encode: Encode | None = None,
    objective: Objective = cross_entropy,
    optimizer: torch.optim.Optimizer | None = None,
    schedule: Schedule | None = None,
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
    """Train a classifier with cross-entropy or another objective.

    The function logs one line per epoch: ``epoch=N loss=... [val_acc=...] [test_acc=...]``. The
    best epoch is the one with the highest accuracy on `val_set`; results on `test_set` are only
    reported, never used for selection.

    With `output`, ``checkpoint_latest.pt`` is written after every epoch, ``checkpoint_best.pt``
    after each best epoch so far, and ``metrics_final.json`` at the end of the run. An interruption
    saves the run as well, and `resume` continues from there, as described in `train`.

    Under torchrun (`jarvis.training.distributed`), all processes train together: `batch_size`
    counts the samples of all processes. Weights and metrics are the same as in a single process,
    with two exceptions: sums are taken in another order (the float32 rounding may change a spike),
    and each process draws its own dropout. Only rank 0 logs and writes. All ranks read `resume`,
    call `on_epoch`, and stop when one rank is interrupted. A run may resume with a different number
    of processes.

    Args:
        model: maps the encoded batch ``[T, B, ...]`` to scores ``[B, C]``; already on its device.
        train_set, val_set, test_set: the data sets, as for `evaluate`.
        epochs: number of passes over `train_set`, including those before the run was resumed.
        batch_size: samples per step, over all processes.
        lr: learning rate of Adam.
        encode: a function from values to the input of the model, see `Encode`.
        objective: a training objective that replaces cross-entropy, see `Objective`; validation and
            test still report cross-entropy.
        optimizer: an optimiser that replaces Adam.
        schedule: ``schedule(step, n_steps) -> factor``, a factor on the learning rate.
        seed: seed for the order of samples and for the random encoding.
        draws: number of draws of a random encoding over which validation and test results are
            averaged.
        patience: stop after this many epochs without a better validation accuracy.
        output: folder for checkpoints and metrics.
        resume: a checkpoint, or the `output` of an earlier run.
        arguments: plain values that are stored in checkpoints and metrics; resuming with different
            values is an error.
        tensorboard: also write TensorBoard events to ``output/events``, if it is installed.
        progress: show a progress bar if standard error is a terminal.
        log: called with the line of each epoch.
        on_epoch: ``on_epoch(epoch, model)``, called after each epoch.

    Returns:
        the `History`.

    Raises:
        ValueError: for an option out of range.
        TrainingError: when the loss or a metric is no longer finite.
        CheckpointError: for a `resume` that is missing, corrupted, or from another run.
        FolderInUseError: (an OSError) if another program writes to `output`.
        Interrupted: (a KeyboardInterrupt) after an interruption, when everything is saved.
    """
    if patience is not None and val_set is None:
        raise ValueError("patience needs a val_set")
    check_type("model", model, nn.Module)
    check_dataset("train_set", train_set)
    for name, dataset in (("val_set", val_set), ("test_set", test_set)):
        if dataset is not None:
            check_dataset(name, dataset)
    distributed.start(device_of(model))
    run = GradientRun(
        model,
        train_set,
        objective=objective,
        encode=encode,
        optimizer=optimizer,
        lr=lr,
        schedule=schedule,
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        arguments=arguments,
    )

    class Measured(Hooks):
        def measure(self, run: Run) -> dict[str, float]:
            metrics = {}
            for name, dataset in (("val", val_set), ("test", test_set)):
                if dataset is not None:
                    result = evaluate(model, dataset, encode, seed=seed, draws=draws, shared=True)
                    metrics[f"{name}_loss"], metrics[f"{name}_acc"] = result["loss"], result["acc"]
            return metrics

        def saved(self, run: Run, metrics: dict[str, Any]) -> None:
            if on_epoch is not None:
                on_epoch(run.epoch, model)

        def finished(self, run: Run) -> bool:
            return patience is not None and run.history.bad_epochs >= patience

    train(
        run,
        Measured(),
        output=output,
        resume=resume,
        tensorboard=tensorboard,
        progress=progress,
        log=log,
    )
    return run.history


def tensorboard_writer(folder: Path):
    """A TensorBoard writer for ``folder/events``; None if TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter(str(folder / "events"))
