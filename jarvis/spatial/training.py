"""Training of spatial networks: the run, its log, pruning, and evaluation on words."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from jarvis.datasets.augmentation import Augmentation
from jarvis.datasets.spoken_digits import SpokenDigits
from jarvis.encoding.events import Events
from jarvis.networks.costs import synaptic_operations
from jarvis.spatial.network import (
    SpatialNetwork,
    SpatialOutput,
    rate_penalty,
    rates,
    synaptic_scaling_,
)
from jarvis.support.checks import check_number
from jarvis.support.files import atomic_path
from jarvis.training import distributed
from jarvis.training.checkpoints import check_state, entry
from jarvis.training.loop import Hooks, train
from jarvis.training.pruning import Pruner, density_after
from jarvis.training.run import GradientRun, History, Run, batches

TOP = 3


@dataclass(frozen=True)
class RateTarget:
    """Regularisation of firing rates towards a target: ``weight * rate_penalty``, in nats.

    Args:
        rate: target rate, Hz.
        weight: weight of the penalty, nats per Hz^2. The source's code, which sums rates per ms
            over neurons, intends 1e-6; with this weight, 100 neurons that are 30 Hz off cost 0.09
            nats.
        population: whether the target is for the mean rate of all neurons instead of each neuron's
            own rate.

    Raises:
        ValueError: for a value out of range.

    Source: Landsmeer et al. 2025, arXiv:2512.10011.
    """

    rate: float = 10.0
    weight: float = 1e-6
    population: bool = False

    def __post_init__(self) -> None:
        check_number("rate", self.rate, "Hz", at_least=0)
        check_number("weight", self.weight, "nats per Hz^2", at_least=0)

    def __call__(self, counts: Tensor, duration: float) -> Tensor:
        """The penalty for ``counts [B, H]`` in samples of `duration` ms."""
        return self.weight * rate_penalty(counts, duration, self.rate, self.population)


def _duration(events: Events, model: SpatialNetwork) -> float:
    assert events.n_steps is not None
    return events.n_steps * model.neuron.dt


def _hits(scores: Tensor, labels: Tensor) -> tuple[int, int]:
    """Numbers of samples whose label scores highest, and whose label is among the `TOP` highest."""
    best = scores.topk(min(TOP, scores.shape[1]), dim=1).indices == labels.unsqueeze(1)
    return int(best[:, 0].sum()), int(best.sum())


@torch.no_grad()
def evaluate_words(
    model: SpatialNetwork, dataset: SpokenDigits, *, batch_size: int = 128, shared: bool = False
) -> dict[str, Any]:
    """Accuracy of a network on the words of a data set, and its synaptic operations.

    Args:
        model: the network.
        dataset: words with times in steps of the model's dt.
        batch_size: words per batch.
        shared: under torchrun, divide the work; every process must then call this function.

    Returns:
        "loss" (cross-entropy, nats), "acc" and "top3" (0 to 1), "rate" (mean over neurons and
        words, Hz), "operations" (synaptic operations per word, input and recurrent), and
        "predicted" (the predicted classes, ``[N]``).

    Raises:
        ValueError: for an empty data set.
    """
    if not len(dataset):
        raise ValueError("evaluate_words: the data set is empty")
    training = model.training
    model.eval()
    sums = [0.0] * 5
    predicted = torch.zeros(len(dataset), dtype=torch.long)
    w_rec = model.w_rec * model.others
    for index in batches(len(dataset), batch_size):
        index = index[distributed.share(len(index))] if shared else index
        if not len(index):
            continue
        events, labels = dataset[index]
        out = model(events)
        scores = out.scores.cpu()
        first, top = _hits(scores, labels)
        rate = rates(out.counts, _duration(events, model)).mean(1).sum().item()
        operations = synaptic_operations(events, model.w_in).sum().item()
        operations += synaptic_operations(out.spikes, w_rec).sum().item()
        loss = nn.functional.cross_entropy(scores, labels, reduction="sum").item()
        for k, value in enumerate((loss, first, top, rate, operations)):
            sums[k] += value
        predicted[index] = scores.argmax(1)
    model.train(training)
    if shared:
        sums = distributed.total(*sums)
        distributed.total_(predicted)
    names = ("loss", "acc", "top3", "rate", "operations")
    result = {name: value / len(dataset) for name, value in zip(names, sums, strict=True)}
    return result | {"predicted": predicted}


class SpatialRun(GradientRun):
    """A run of a `SpatialNetwork` on event lists: cross-entropy and firing-rate regularisation.

    Args:
        model: the network, already on its device.
        train_set: words with times in steps of the model's dt.
        optimizer: the optimiser, such as the result of `spatial_optimiser`.
        schedule: a function that maps the number of steps done to a factor on the learning rates.
        epochs: number of epochs.
        batch_size: words per step, over all processes.
        target: rate regularisation.
        augmentation: augmentation of the training words, drawn anew each time.
        label_smoothing: share of a label's probability that is spread over all classes.
        average: decay of an exponential moving average of the parameters, in [0, 1); 0: no average.
            The average is updated after each step, and the averaged network is evaluated.
        max_rate: limit in Hz; after each step, the input synapses of neurons that fired faster are
            weakened (`synaptic_scaling_`); None: no limit.
        seed: seed for the order of the words and for the augmentation.
    """

    model: SpatialNetwork
    kind = "spatial"
    advice = "reduce lr, or the target firing rate"

    def __init__(
        self,
        model: SpatialNetwork,
        train_set: SpokenDigits,
        optimizer: torch.optim.Optimizer,
        *,
        schedule: Callable[[int], float] | None = None,
        epochs: int = 30,
        batch_size: int = 32,
        target: RateTarget | None = None,
        augmentation: Augmentation | None = None,
        label_smoothing: float = 0.0,
        average: float = 0.0,
        max_rate: float | None = None,
        seed: int = 0,
    ) -> None:
        check_number("average", average, at_least=0, below=1)
        if max_rate is not None:
            check_number("max_rate", max_rate, "Hz", above=0, why="or None")
        super().__init__(
            model,
            train_set,
            optimizer=optimizer,
            schedule=None if schedule is None else lambda step, n_steps: schedule(step),
            epochs=epochs,
            batch_size=batch_size,
            seed=seed,
        )
        self.generator = torch.Generator().manual_seed(seed)  # words are augmented on the CPU
        self.target = RateTarget() if target is None else target
        self.augmentation, self.label_smoothing = augmentation, label_smoothing
        self.average, self.max_rate = average, max_rate
        follow = get_ema_multi_avg_fn(average)
        self.averaged = AveragedModel(model, multi_avg_fn=follow) if average else None
        self.kept: dict[str, Any] = {}  # further content of a checkpoint, such as frames
        self._fired = torch.zeros(0)  # rate of each neuron in the current batch, Hz

    @property
    def evaluated(self) -> SpatialNetwork:
        """The network to evaluate: the averaged network, if there is one."""
        return self.model if self.averaged is None else cast(SpatialNetwork, self.averaged.module)

    def forward(self, index: Tensor, part: slice) -> tuple[Tensor, dict[str, float]]:
        """The mean loss over a part of a batch of words, and sums of the other metrics."""
        events, labels = self.train_set.batch(index, self.augmentation, self.generator)
        if distributed.world_size() > 1:
            events, labels = events[part], labels[part]
        out: SpatialOutput = self.trained(events)
        loss = nn.functional.cross_entropy(
            out.scores, labels.to(self.device), label_smoothing=self.label_smoothing
        )
        duration = _duration(events, self.model)
        loss = loss + self.target(out.counts, duration)
        first, top = _hits(out.scores.detach().cpu(), labels)
        self._fired = rates(out.counts.detach(), duration).mean(0)
        rate = self._fired.mean().item() * len(labels)
        return loss, {"acc": first, "top3": top, "rate": rate}

    def after_step(self, index: Tensor, n_mine: int) -> None:
        """Weaken the input of neurons that fire too fast, and update the average."""
        if self.max_rate is not None:
            summed = distributed.total(*(self._fired * n_mine).tolist())  # the same on every rank
            synaptic_scaling_(self.model, torch.tensor(summed) / len(index), self.max_rate)
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)

    def line(self, metrics: Mapping[str, Any]) -> str:
        parts = [f"epoch={metrics['epoch']:.0f}"]
        names = (
            "loss", "train_acc", "train_top3", "val_loss", "val_dense_acc", "val_acc", "val_top3"
        )  # fmt: skip
        parts += [f"{name}={metrics[name]:.4f}" for name in names if name in metrics]
        densities = [value for name, value in metrics.items() if name.startswith("density_")]
        if densities:
            parts.append(f"density={max(densities):.3f}")
        rate = metrics.get("val_rate", metrics["train_rate"])
        return " ".join([*parts, f"rate={rate:.1f}", f"seconds={metrics['seconds']:.1f}"])

    def identity(self) -> dict[str, Any]:
        augmentation = asdict(self.augmentation or Augmentation())
        if not augmentation["warp"]:
            del augmentation["warp"]  # as in runs from before this option existed
        same = super().identity() | {"augmentation": augmentation}
        same |= {"average": self.average} if self.average else {}
        return same | ({"max_rate": self.max_rate} if self.max_rate else {})

    def state(self) -> dict[str, Any]:
        averaged = None if self.averaged is None else self.averaged.state_dict()
        return super().state() | {"averaged": averaged, "kept": self.kept}

    def load_state(self, content: dict[str, Any], path: Path) -> list[str]:
        changed = super().load_state(content, path)
        self.kept = entry(content, "kept", dict, path)
        if self.averaged is not None:
            own = self.averaged.state_dict()
            averaged = check_state(content.get("averaged"), own, path, "averaged")
            self.averaged.load_state_dict(averaged)
        return changed


#: Number of batches between two lines of the log, and between two frames of an animation.
LOG_EVERY = 50


class JsonLines:
    """A log with one JSON object per line; a resumed run continues it from its checkpoint.

    Lines whose "event" is "batch" or "epoch" contain the epoch (1, 2, ...) and the number of steps.

    Args:
        path: the file; None: nothing is written.
        steps_done: steps at the checkpoint; lines of later steps are dropped.
        fresh: True: an existing log belongs to another run, and its lines are dropped.
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
                except ValueError:  # the last line of a killed run may be incomplete
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
    """Prune; return densities and, if there are validation words, the accuracy before pruning."""
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

    Each epoch logs a line such as ``epoch=1 loss=2.1312 train_acc=0.3211 val_acc=0.4120 ...
    rate=17.1``. The rate is the mean over hidden neurons, Hz, on validation words if there are any.
    The best epoch is the one with the highest validation accuracy, or the last epoch if there is no
    `val_set`.

    With `output`, every epoch writes ``checkpoint_latest.pt``, and the best epoch also writes
    ``checkpoint_best.pt``; ``log.jsonl`` gets a line after every epoch and every 50 batches. If the
    run is interrupted, it is saved, and `resume` continues from there; see `jarvis.training.train`.

    Under torchrun, all processes train together; see `jarvis.fit`.

    Args:
        run: the network and how it learns; modified in place.
        val_set: words of held-out speakers.
        pruner: prunes `run.model` after each epoch, before it is saved.
        density: share of the synapses that the pruner keeps.
        iterative: approach `density` by removing a tenth of all synapses per epoch.
        output: folder of the run.
        resume: a checkpoint, or the `output` of an earlier run.
        progress: show a bar with the remaining time if standard error is a terminal.
        log: called with the line of each epoch.
        on_frame: called as ``on_frame(run)`` before the first batch, every 50 batches, and at the
            end of each epoch.

    Returns:
        the `History`.

    Raises:
        TrainingError: if the loss is no longer finite.
        CheckpointError: if `resume` is missing, damaged, or belongs to another run.
        Interrupted: (a KeyboardInterrupt) after an interruption, once everything is saved.
    """
    if pruner is not None and run.averaged is not None:
        raise ValueError("a running average cannot be combined with pruning: set average=0")

    class Measured(Hooks):
        def start(self, run: Run) -> None:
            file = None
            if output is not None and distributed.is_main():
                file = Path(output) / "log.jsonl"
            self.lines = JsonLines(file, run.steps_done, fresh=resume is None)
            self.lines.write("start", steps=run.steps_done, arguments=run.arguments)
            if run.steps_done == 0:
                self.frame(run)

        def frame(self, run: Run) -> None:
            if on_frame is not None:
                on_frame(cast(SpatialRun, run))

        def batch(self, run: Run, loss: float) -> None:
            if run.step % LOG_EVERY == 0 and run.step < run.batches_per_epoch:
                self.lines.write("batch", epoch=run.epoch + 1, steps=run.steps_done, loss=loss)
                self.frame(run)

        def measure(self, run: Run) -> dict[str, float]:
            trained, metrics = cast(SpatialRun, run), {}
            if pruner is not None:
                metrics |= prune_epoch(trained, pruner, density, iterative, val_set)
            if val_set is not None:
                result = evaluate_words(trained.evaluated, val_set, shared=True)
                metrics |= {f"val_{k}": v for k, v in result.items() if k != "predicted"}
            return metrics

        def epoch(self, run: Run, metrics: dict[str, Any]) -> None:
            self.frame(run)
            self.lines.write("epoch", steps=run.steps_done, **metrics)

    train(
        run,
        Measured(),
        output=output,
        resume=resume,
        progress=progress,
        log=log,
        saved="saved in {folder}: continue with --reload",
    )
    return run.history
