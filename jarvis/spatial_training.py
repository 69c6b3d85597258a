"""The training loop of spatial networks: saved, resumed, pruned, logged in JSON lines."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from jarvis import distributed
from jarvis.checkpoints import CheckpointError
from jarvis.files import atomic_path
from jarvis.interruption import Interruption
from jarvis.pruning import Pruner, density_after
from jarvis.run import History
from jarvis.spatial_run import SpatialRun, evaluate_words
from jarvis.spoken_digits import SpokenDigits
from jarvis.training import Interrupted, save_interrupted

SAVED = "saved in {folder}: go on with --reload"
#: Batches between two lines of the log, and between two frames of a film.
LOG_EVERY = 50


class JsonLines:
    """A log of one JSON object a line; a run that goes on continues it where its checkpoint is.

    Lines of "event" "batch" and "epoch" carry the epoch (1, 2, ...) and the steps done in the run.

    Args:
        path: the file; None writes nothing.
        steps_done: lines of later steps are of a run that was cut off: they are dropped.
        fresh: whether a log that is there is of another run.
    """

    def __init__(self, path: Path | None, steps_done: int, fresh: bool) -> None:
        self.path = path
        if path is None:
            return
        kept = []
        if path.is_file() and not fresh:
            for line in path.read_text(encoding="utf-8").splitlines():
                try:
                    if json.loads(line).get("steps", 0) <= steps_done:
                        kept.append(line + "\n")
                except ValueError:  # the last line of a run that was killed may be torn
                    continue
        with atomic_path(path) as part:
            part.write_text("".join(kept), encoding="utf-8")

    def write(self, event: str, **values: Any) -> None:
        """Append a line."""
        if self.path is not None:
            line = json.dumps({"event": event} | values, allow_nan=False)
            with self.path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def prune_epoch(
    run: SpatialRun, pruner: Pruner, density: float, iterative: bool, val_set: SpokenDigits | None
) -> dict[str, float]:
    """Prune after an epoch; the accuracy before it, where there are words to measure it on."""
    metrics = {}
    if val_set is not None:
        dense = evaluate_words(run.model, val_set, shared=True)
        metrics = {"val_dense_acc": dense["acc"], "val_dense_top3": dense["top3"]}
    left = pruner.prune(density_after(run.epoch, density, iterative=iterative))
    return metrics | {f"density_{name}": value for name, value in left.items()}


def fit_spatial(
    run: SpatialRun,
    val_set: SpokenDigits | None = None,
    *,
    pruner: Pruner | None = None,
    density: float = 1.0,
    iterative: bool = False,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    progress: bool = True,
    log: Callable[[str], None] = print,
    on_frame: Callable[[SpatialRun], None] | None = None,
) -> History:
    """Train until `run.epochs` are done.

    One line an epoch: ``epoch=1 loss=2.1312 train_acc=0.3211 val_acc=0.4120 ... rate=17.1``. The
    rate is the hidden neurons' mean, Hz, on validation words where there are some. The best epoch
    is the one with the highest validation accuracy; without a `val_set` it is the last.

    With `output`, every epoch leaves ``checkpoint_latest.pt`` and the best ``checkpoint_best.pt``;
    ``log.jsonl`` has a line an epoch and every 50 batches. SIGINT and SIGTERM save after the batch
    in hand; a second SIGINT stops at once. `resume` goes on from there, in the middle of an epoch
    too, and ends with the same weights, bit for bit on one machine.

    Under torchrun all processes train together, as `jarvis.fit` says.

    Args:
        run: what learns, and how; it is changed.
        val_set: words of speakers that are held out.
        pruner: prunes `run.model` after each epoch, before it is saved.
        density: share of the synapses that it keeps.
        iterative: get there by a tenth of all synapses an epoch.
        output: folder of the run.
        resume: a checkpoint, or the `output` of an earlier run.
        progress: show a bar with the time that is left, where standard error is a terminal.
        log: takes each epoch's line.
        on_frame: ``on_frame(run)`` before the first batch, every 50 batches, and at an epoch's end.

    Returns:
        the `History`.

    Raises:
        TrainingError: when the loss is no longer finite.
        CheckpointError: for a `resume` that is missing, damaged, or of another run.
        Interrupted: (a KeyboardInterrupt) after an interruption, when all is saved.
    """
    if not len(run.train_set):
        raise ValueError("the training set is empty")
    if pruner is not None and run.averaged is not None:
        raise ValueError("a running average has no place for pruned synapses: average=0")
    main = distributed.is_main()
    folder = Path(output) if output is not None else None
    if resume is not None:
        run.restore(Path(resume))
        if run.epoch > run.epochs:
            raise CheckpointError(
                f"{resume} has {run.epoch} epochs already, more than the {run.epochs} asked for"
            )
    if folder is not None and main:
        folder.mkdir(parents=True, exist_ok=True)
    file = None if folder is None or not main else folder / "log.jsonl"
    lines = JsonLines(file, run.steps_done, fresh=resume is None)
    lines.write("start", steps=run.steps_done, arguments=run.arguments)
    devices = range(torch.cuda.device_count())
    bar = tqdm(
        total=run.epochs * run.batches_per_epoch,
        initial=run.steps_done,
        unit="batch",
        disable=None if progress and main else True,  # None: only where there is a terminal
    )
    with torch.random.fork_rng(devices=devices), Interruption() as interruption, bar:
        run.set_random()
        if on_frame is not None and run.steps_done == 0:
            on_frame(run)
        while run.epoch < run.epochs:
            started = time.perf_counter()
            bar.set_description(f"epoch {run.epoch + 1}/{run.epochs}")
            for loss in run.steps():
                bar.update()
                bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
                if run.step % LOG_EVERY == 0 and run.step < run.batches_per_epoch:
                    lines.write("batch", epoch=run.epoch + 1, steps=run.steps_done, loss=loss)
                    if on_frame is not None:
                        on_frame(run)
                if distributed.any_of(interruption.requested):
                    raise Interrupted(save_interrupted(run, folder, SAVED))
            metrics = run.end_epoch()
            metrics["seconds"] = time.perf_counter() - started
            if pruner is not None:
                metrics |= prune_epoch(run, pruner, density, iterative, val_set)
            if val_set is not None:
                result = evaluate_words(run.evaluated, val_set, shared=True)
                metrics |= {f"val_{k}": v for k, v in result.items() if k != "predicted"}
            better = run.record(metrics)
            if on_frame is not None:
                on_frame(run)
            lines.write("epoch", steps=run.steps_done, **run.history.epochs[-1])
            if main:
                with bar.external_write_mode():
                    log(epoch_line(run.history.epochs[-1]))
            if folder is not None and main:
                if better:
                    run.save(folder / "checkpoint_best.pt")
                run.save(folder / "checkpoint_latest.pt")
            if run.epoch < run.epochs and distributed.any_of(interruption.requested):
                raise Interrupted(save_interrupted(run, folder, SAVED))
    return run.history


def epoch_line(metrics: dict[str, float]) -> str:
    """What is shown of an epoch."""
    parts = [f"epoch={metrics['epoch']:.0f}"]
    names = ("loss", "train_acc", "train_top3", "val_loss", "val_dense_acc", "val_acc", "val_top3")
    parts += [f"{name}={metrics[name]:.4f}" for name in names if name in metrics]
    densities = [value for name, value in metrics.items() if name.startswith("density_")]
    if densities:
        parts.append(f"density={max(densities):.3f}")
    rate = metrics.get("val_rate", metrics["train_rate"])
    return " ".join([*parts, f"rate={rate:.1f}", f"seconds={metrics['seconds']:.1f}"])
