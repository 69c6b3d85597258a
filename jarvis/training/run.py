"""Training runs: their progress, and the state that is stored in a checkpoint.

`Run` contains what all kinds of training have in common: the order of samples, history, identity,
saving and restoring. `GradientRun` minimises a loss; `jarvis.spatial.SpatialRun` and
`jarvis.stdp.LayerwiseRun` are further kinds of runs. `loop.train` drives all of them.
"""

import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jarvis.encoding.events import Events
from jarvis.support.checks import check_integer, check_number, check_type
from jarvis.training import distributed
from jarvis.training.checkpoints import (
    FORMAT,
    CheckpointError,
    check_random_states,
    check_state,
    entry,
    load_checkpoint,
    number,
    random_states,
    reason,
    save_checkpoint,
    set_random_states,
)
from jarvis.training.devices import seed_for
from jarvis.training.samples import (
    check_dataset,
    check_scores,
    description,
    device_of,
    labels_of,
    samples_at,
)

#: ``encode(values [B, ...], generator) -> input [T, B, ...]``
Encode = Callable[[Tensor, torch.Generator], Tensor]

#: ``objective(model, input, targets [B]) -> (mean loss of the samples, scores [B, C])``
Objective = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]

#: ``schedule(step, n_steps) -> factor``, a factor on the learning rates
Schedule = Callable[[int, int], float]

#: Arguments that may differ when a run is resumed: the length of the run, learning rates, device,
#: processes, output files, and how the result is tested. All others have to be the same.
MAY_CHANGE = (
    "epochs", "nepochs", "lr", "delay_lr", "warmup", "decay_steps", "device", "output", "plot",
    "budget_steps", "target", "workers", "video", "test_episodes",
)  # fmt: skip


def cross_entropy(model: nn.Module, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The default `Objective`, for a classifier that outputs scores."""
    scores = model(x)
    check_scores(scores, targets)
    return nn.functional.cross_entropy(scores, targets), scores


class TrainingError(RuntimeError):
    """Raised if training cannot continue (the loss is NaN or infinite); the message explains it."""


class Interrupted(KeyboardInterrupt):
    """Raised if training was interrupted after a batch; the message names the saved folder."""


@dataclass
class History:
    """The result of `fit`: one dict per epoch, and the best epoch on the validation set."""

    epochs: list[dict[str, Any]] = field(default_factory=list)
    best_epoch: int = 0  #: 1, 2, ...; 0 before the first epoch
    best_val_acc: float = -1.0
    bad_epochs: int = 0  #: epochs since the best one

    def column(self, name: str) -> list[float]:
        """The values of one metric in all epochs, e.g. "loss"; NaN where it was not measured.

        Raises:
            KeyError: if no epoch has this metric; the message lists the metrics of the last epoch.
        """
        if self.epochs and not any(name in epoch for epoch in self.epochs):
            raise KeyError(f"no metric {name!r}: there are {', '.join(self.epochs[-1])}")
        return [epoch.get(name, nan) for epoch in self.epochs]


def batches(n: int, size: int, order: Tensor | None = None) -> Iterator[Tensor]:
    """Indices of n samples in batches of `size`, in the given order, by default ascending."""
    yield from (torch.arange(n) if order is None else order).split(size)


def encoded(
    x: Tensor | Events, encode: Encode | None, generator: torch.Generator, part: slice
) -> Tensor:
    """The encoded input for part of a batch.

    If `encode` is None, events in steps become spike trains ``[T, B, ...]``.

    The whole batch is encoded and then sliced, so the spikes and the state of the generator do not
    depend on the number of processes that share the batch.
    """
    if encode is None and isinstance(x, Tensor):
        return x[part]
    whole = x.dense() if encode is None else encode(x, generator)  # type: ignore[union-attr, arg-type]
    whole = whole.to(generator.device)
    return whole if part == slice(0, len(x)) else whole[:, part]


class Run:
    """A training run between two batches: its progress, and the state that a checkpoint stores.

    Under torchrun, every process has its own run, and between two batches all runs are identical.

    A subclass defines `n_samples`, `learn`, `end_epoch`, `line` and the pair `state` and
    `load_state`. Where its behaviour differs from that of this class, it also defines `finished`,
    `identity`, `record`, `where` and `files`.

    Args:
        epochs: total number of epochs.
        batch_size: samples per batch, over all processes.
        seed: seed for the order of samples and for the run's generator.
        arguments: plain values that are stored in checkpoints and metrics; all except those in
            `MAY_CHANGE` are part of the run's identity.

    Attributes:
        epoch, done: number of epochs completed, and number of samples completed in the current
            epoch.
        history: metrics of the epochs.
    """

    kind = "gradient"
    #: Advice for a metric that is not finite.
    advice = "check the input for NaN"
    #: Folder of the checkpoints, relative to the output folder.
    folder = "."
    #: The unit of the progress bar.
    unit = "batch"

    def __init__(
        self,
        epochs: int,
        batch_size: int,
        seed: int,
        arguments: Mapping[str, Any] | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        self.epochs = check_integer("epochs", epochs, at_least=1)
        self.batch_size = check_integer("batch_size", batch_size, at_least=1)
        self.seed = check_integer("seed", seed, at_least=-(2**63), at_most=2**63 - 1)
        if arguments is not None:
            check_type("arguments", arguments, Mapping)
        self.arguments = dict(arguments or {})
        self.generator = torch.Generator(device).manual_seed(seed)
        self.epoch = self.done = 0
        self.history = History()
        self._random: dict[str, Any] | None = None

    # -- defined by each kind of training ----------------------------------------------------------

    @property
    def n_samples(self) -> int:
        """Number of samples per epoch."""
        raise NotImplementedError

    def learn(self, index: Tensor) -> float:
        """Learn from the samples at `index`; return the batch's loss, or NaN if it has none."""
        raise NotImplementedError

    def end_epoch(self) -> dict[str, Any]:
        """End the epoch; return the metrics measured during training."""
        raise NotImplementedError

    def line(self, metrics: Mapping[str, Any]) -> str:
        """The line to log for an epoch."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """Further content of a checkpoint: tensors and plain values."""
        raise NotImplementedError

    def load_state(self, content: dict[str, Any], path: Path) -> list[str]:
        """Restore the content that `state` returned; return descriptions of what has changed since.

        Raises:
            CheckpointError: if the content does not fit this run.
        """
        raise NotImplementedError

    # -- progress ----------------------------------------------------------------------------------

    @property
    def step(self) -> int:
        """Number of batches done in this epoch."""
        return -(-self.done // self.batch_size)

    @property
    def batches_per_epoch(self) -> int:
        """Number of batches per epoch; the last batch may be smaller."""
        return -(-self.n_samples // self.batch_size)

    @property
    def steps_done(self) -> int:
        """Number of batches done since the start of the run."""
        return self.epoch * self.batches_per_epoch + self.step

    @property
    def finished(self) -> bool:
        """Whether all epochs are done."""
        return self.epoch >= self.epochs

    def progress(self) -> tuple[int, int]:
        """The current position and the length of the run, in its `unit`."""
        return self.steps_done, self.epochs * self.batches_per_epoch

    def advanced(self) -> int:
        """The progress made with the last batch, in the run's `unit`."""
        return 1

    def shown(self, loss: float) -> dict[str, str]:
        """The values that the progress bar shows after a batch."""
        return {"loss": f"{loss:.3f}"}

    def shuffle_key(self) -> int:
        """Seed of this epoch's order of samples, which a resumed run can compute again."""
        return self.seed * 1_000_003 + self.epoch

    def order(self) -> Tensor:
        """The order of this epoch's samples."""
        shuffle = torch.Generator().manual_seed(self.shuffle_key() % (1 << 63))
        return torch.randperm(self.n_samples, generator=shuffle)

    def steps(self) -> Iterator[float]:
        """Learn from the remaining batches of this epoch; yield their losses."""
        for index in self.order()[self.done :].split(self.batch_size):
            if len(index):
                loss = self.learn(index)
                self.done += len(index)
                yield loss

    def where(self) -> str:
        """A description of the current position of the run."""
        return f"epoch {self.epoch + 1}, batch {self.step} of {self.batches_per_epoch}"

    def record(self, metrics: dict[str, Any]) -> bool:
        """Append an epoch; return True if it is the best so far, or if there is no validation."""
        history = self.history
        history.epochs.append({"epoch": self.epoch} | metrics)
        value = metrics.get("val_acc")
        if value is None or value > history.best_val_acc:
            history.best_epoch, history.bad_epochs = self.epoch, 0
            history.best_val_acc = -1.0 if value is None else value
            return True
        history.bad_epochs += 1
        return False

    def scalars(self, metrics: Mapping[str, Any]) -> tuple[dict[str, float], int]:
        """The scalars of an epoch for TensorBoard, and their step on TensorBoard's time axis."""
        return {k: v for k, v in metrics.items() if k != "epoch"}, self.epoch

    def summary(self) -> dict[str, Any]:
        """The content of ``metrics_final.json``."""
        return asdict(self.history) | {"arguments": self.arguments}

    # -- checkpoints -------------------------------------------------------------------------------

    def identity(self) -> dict[str, Any]:
        """The properties by which a checkpoint belongs to this run: data, model, optimiser, seed.

        The number of epochs, the learning rates and the output folder are not part of the identity.
        """
        same = {k: v for k, v in self.arguments.items() if k not in MAY_CHANGE}
        return same | {"seed": self.seed}

    def files(self, better: bool, metrics: Mapping[str, Any]) -> list[str]:
        """The checkpoints to write after an epoch; the last one is the one to resume from."""
        return ["checkpoint_best.pt"] * better + ["checkpoint_latest.pt"]

    def save(self, path: Path) -> None:
        """Write a checkpoint, either completely or not at all."""
        content = {
            "kind": self.kind,
            "run": self.identity(),
            "arguments": self.arguments,
            "epoch": self.epoch,
            "step": self.step,
            "done": self.done,
            "epochs": self.epochs,
            "history": asdict(self.history),
            "random": random_states(self.generator),
        }
        save_checkpoint(path, content | self.state())

    def save_to(self, folder: Path, names: Sequence[str] = ("checkpoint_latest.pt",)) -> None:
        """Write checkpoints of these names into the checkpoint folder of an output folder."""
        for name in names:
            self.save(folder / self.folder / name)

    def restore(self, path: str | Path) -> list[str]:
        """Restore the run from a checkpoint.

        Args:
            path: a checkpoint, or the output folder of a run.

        Returns:
            descriptions of the permitted differences from the earlier run.

        Raises:
            CheckpointError: if the checkpoint is missing, corrupted or from another run; the
                message gives the reason.
        """
        path = checkpoint_file(path)
        content = load_checkpoint(path)
        if content["format"] != FORMAT:
            raise CheckpointError(
                f"{path} was written by an earlier version of jarvis: its weights can be read, but "
                "the run cannot be resumed"
            )
        if content.get("kind") != self.kind:
            raise CheckpointError(
                f"{path} is of another kind of training: {content.get('kind')}, not {self.kind}"
            )
        try:
            return self._restore(content, path)
        except CheckpointError:
            raise
        except Exception as error:  # the file may contain anything
            raise CheckpointError(
                f"{path} was not written by this version of jarvis ({type(error).__name__}: "
                f"{reason(error)})"
            ) from error

    def _restore(self, content: dict[str, Any], path: Path) -> list[str]:
        self._same_run(entry(content, "run", dict, path), path)
        epoch = number(content, "epoch", path)
        epochs = number(content, "epochs", path, at_least=1)
        done = number(content, "done", path, at_most=self.n_samples)
        if epoch > self.epochs:
            raise CheckpointError(
                f"{path} has {epoch} epochs already, more than the {self.epochs} asked for"
            )
        history = _history(entry(content, "history", dict, path), path)
        random = entry(content, "random", dict, path)
        same_device = check_random_states(random, self.generator)
        changed = self.load_state(content, path)
        if self.epochs_recorded(history) != epoch:
            raise CheckpointError(
                f"{path} cannot be resumed: {len(history.epochs)} epochs are recorded, {epoch} done"
            )
        self.epoch, self.done, self.history = epoch, done, history
        self._random = random
        if not same_device:  # the random numbers of another device cannot be continued
            random["run"] = None
            changed.append("random numbers of another device")
        if epochs != self.epochs:
            changed.insert(0, f"epochs {epochs} -> {self.epochs}")
        return changed

    def is_finite(self) -> bool:
        """Whether everything that is learned is finite."""
        return True

    def epochs_recorded(self, history: History) -> int:
        """Number of epochs recorded in a history, to compare it with `epoch`."""
        return len(history.epochs)

    def _same_run(self, before: dict[str, Any], path: Path) -> None:
        before, now = _flat(before), _flat(self.identity())
        for name in before | now:
            # Values are compared as JSON, because a tuple that was saved is read back as a list.
            was, here = json.dumps(before.get(name)), json.dumps(now.get(name))
            if was == here or name in MAY_CHANGE:
                continue
            if name == "model":
                raise CheckpointError(
                    f"{path} does not fit this model: {_difference(before.get(name), now[name])}"
                )
            raise CheckpointError(
                f"{path} belongs to another run: its {name} was {_set(before.get(name))}, "
                f"here it is {_set(now.get(name))}"
            )

    def set_random(self) -> None:
        """Set torch's own random state (dropout): seeded, or restored from the checkpoint.

        Under torchrun, every rank except the first gets a seed that depends on rank and batch,
        because two ranks must not drop the same units.
        """
        if self._random is None:
            torch.manual_seed(self.seed)
        elif self._random["run"] is None:
            self.generator.manual_seed(seed_for("training", self.seed, step=self.steps_done))
            set_random_states(self._random, None)
        else:
            set_random_states(self._random, self.generator)
        if distributed.rank():
            ranks_done = self.steps_done * distributed.world_size() + distributed.rank()
            torch.manual_seed((self.seed + 1_000_003 * ranks_done) % (1 << 63))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The entries of nested mappings, by their dotted names; the model's stay together."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value and f"{prefix}{name}" != "model":
            found |= _flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _set(value: object) -> object:
    return "not set" if value is None else value


def _history(content: dict[str, Any], path: Path) -> History:
    """The history in a checkpoint.

    Raises:
        CheckpointError: if the content has no valid history.
    """
    epochs = entry(content, "epochs", list, path)
    for epoch in epochs:
        plain = isinstance(epoch, dict) and all(isinstance(name, str) for name in epoch)
        if not plain or not all(map(_is_metric, epoch.values())):
            raise CheckpointError(f"{path} cannot be resumed: its history is not numeric")
    best = number(content, "best_epoch", path, at_most=len(epochs))
    accuracy = float(entry(content, "best_val_acc", float | int, path))
    if not isfinite(accuracy):
        raise CheckpointError(f"{path} cannot be resumed: its best_val_acc is {accuracy}")
    return History(epochs, best, accuracy, number(content, "bad_epochs", path))


def _is_metric(value: object) -> bool:
    return isinstance(value, str | int) or (isinstance(value, float) and isfinite(value))


def checkpoint_file(path: str | Path) -> Path:
    """The checkpoint that `path` denotes: `path` itself, or the latest in a run's output folder."""
    path = Path(path)
    if not path.is_dir():
        return path
    inside = path / "checkpoints"
    return (inside if inside.is_dir() else path) / "checkpoint_latest.pt"


def described(thing: object) -> str:
    """The repr of an object, without memory addresses."""
    return re.sub(r" at 0x[0-9a-f]+", "", repr(thing))


def _difference(before: str | None, now: str) -> str:
    """The first line in which two descriptions differ."""
    lines = ((before or "").splitlines(), now.splitlines())
    for was, here in zip(*lines, strict=False):
        if was != here:
            return f"it was {was.strip()}, here it is {here.strip()}"
    return f"it had {len(lines[0])} parts, here {len(lines[1])}"


class GradientRun(Run):
    """A run that minimises a loss by gradient descent.

    Args:
        model: maps an input to scores; already on its device.
        train_set: an indexable data set; ``train_set[index]`` returns inputs and targets.
        objective: the loss to minimise, see `Objective`.
        encode: a function from values to the input of the model, see `Encode`; None passes the
            values unchanged.
        optimizer: an optimiser that replaces Adam.
        lr: learning rate of Adam.
        schedule: ``schedule(step, n_steps) -> factor``, a factor on the learning rates.
        epochs, batch_size, seed, arguments: as in `Run`.
    """

    advice = "check the input for NaN, lower lr, or call jarvis.diagnose(model, batch)"

    def __init__(
        self,
        model: nn.Module,
        train_set: Any,
        *,
        objective: Objective = cross_entropy,
        encode: Encode | None = None,
        optimizer: torch.optim.Optimizer | None = None,
        lr: float = 1e-3,
        schedule: Schedule | None = None,
        epochs: int = 10,
        batch_size: int = 128,
        seed: int = 0,
        arguments: Mapping[str, Any] | None = None,
    ) -> None:
        self.device = device_of(model)
        super().__init__(epochs, batch_size, seed, arguments, self.device)
        check_dataset("train_set", train_set)
        if optimizer is None and not any(p.requires_grad for p in model.parameters()):
            raise ValueError("the model has no parameters to train")
        if optimizer is None:
            check_number("lr", lr, above=0)
        self.generator.manual_seed(seed_for("training", seed))
        self.model, self.train_set = model, train_set
        self.objective, self.encode, self.schedule = objective, encode, schedule
        self.optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=lr)
        self.lrs = [group["lr"] for group in self.optimizer.param_groups]
        self.trained = distributed.wrap(model)
        self.sums: dict[str, float] = {}  # of metrics, over the samples of this epoch
        self._same = {
            "batch_size": batch_size,
            "data": description(train_set, described),
            "model": described(model),
            "optimizer": _described_optimizer(self.optimizer),
        }
        targets = getattr(train_set, "targets", None)
        if isinstance(targets, Tensor):
            self._same["targets"] = zlib.crc32(targets.detach().cpu().numpy().tobytes())

    @property
    def n_samples(self) -> int:
        return len(self.train_set)

    def is_finite(self) -> bool:
        return all(bool(p.isfinite().all()) for p in self.model.parameters())

    def forward(self, index: Tensor, part: slice) -> tuple[Tensor, dict[str, float]]:
        """The mean loss over part of a batch, and sums of other metrics over the same part.

        Args:
            index: the samples of the whole batch.
            part: the part of the batch that belongs to this process.
        """
        x, y = samples_at("train_set", self.train_set, index)
        if self.objective is cross_entropy:
            y = labels_of("train_set", y)
        x, y = x.to(self.device) if isinstance(x, Tensor) else x, y.to(self.device)
        x, y = encoded(x, self.encode, self.generator, part), y[part]
        loss, scores = self.objective(self.trained, x, y)
        return loss, {"acc": int((scores.argmax(1) == y).sum())}

    def after_step(self, index: Tensor, n_mine: int) -> None:
        """Called after an update; this class does nothing here."""

    def learn(self, index: Tensor) -> float:
        """Take one optimiser step on the mean loss of a batch.

        Under torchrun, each rank computes its share of the batch. DistributedDataParallel averages
        the gradients as if all ranks had the same number of samples. Each rank therefore weights
        its mean loss by its actual share, so that the result is the gradient of the mean over the
        whole batch. A rank without samples (in a last batch smaller than the number of ranks) uses
        another rank's sample, with weight 0.

        Raises:
            TrainingError: if the loss, over all processes, is not finite.
        """
        if self.schedule is not None:
            factor = self.schedule(self.steps_done, self.epochs * self.batches_per_epoch)
            for group, lr in zip(self.optimizer.param_groups, self.lrs, strict=True):
                group["lr"] = lr * factor
        share = distributed.share(len(index))
        n_mine = share.stop - share.start
        loss, mine = self.forward(index, share if n_mine else slice(0, 1))
        mine = {"loss": loss.item() * n_mine} | {k: v * bool(n_mine) for k, v in mine.items()}
        sums = distributed.total(*mine.values())
        value = sums[0] / len(index)
        if not abs(value) < float("inf"):  # true for NaN as well
            raise TrainingError(
                f"the loss is {value} in batch {self.step + 1} of epoch {self.epoch + 1}: "
                f"{self.advice}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        (loss * (n_mine * distributed.world_size() / len(index))).backward()
        self.optimizer.step()
        self.after_step(index, n_mine)
        for name, amount in zip(mine, sums, strict=True):
            self.sums[name] = self.sums.get(name, 0.0) + amount
        return value

    def end_epoch(self) -> dict[str, Any]:
        """End the epoch; return means over the samples, measured while the weights changed."""
        means = {name: value / self.n_samples for name, value in self.sums.items()}
        self.epoch, self.done, self.sums = self.epoch + 1, 0, {}
        return {"loss": means.pop("loss")} | {f"train_{name}": v for name, v in means.items()}

    def line(self, metrics: Mapping[str, Any]) -> str:
        shown = [f"epoch={self.epoch}", f"loss={metrics['loss']:.4f}"]
        shown += [f"{k}={metrics[k]:.4f}" for k in ("val_acc", "test_acc") if k in metrics]
        return " ".join(shown)

    def identity(self) -> dict[str, Any]:
        return super().identity() | self._same

    def state(self) -> dict[str, Any]:
        return {
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "lrs": self.lrs,
            "sums": self.sums,
        }

    def load_state(self, content: dict[str, Any], path: Path) -> list[str]:
        before = entry(content, "lrs", list, path)
        sums = entry(content, "sums", dict, path)
        numbers = [*before, *sums.values()]
        if len(before) != len(self.lrs) or not all(isfinite(float(x)) for x in numbers):
            raise CheckpointError(f"{path} cannot be resumed: its lrs or sums do not fit this run")
        if number(content, "done", path) and "loss" not in sums:
            raise CheckpointError(f"{path} cannot be resumed: its sums have no loss")
        check_state(content.get("model"), self.model.state_dict(), path)
        try:
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(entry(content, "optimizer", dict, path))
            self._check_optimizer()
        except (RuntimeError, ValueError, KeyError) as error:
            if isinstance(error, CheckpointError):
                raise
            raise CheckpointError(f"{path} does not fit this model: {reason(error)}") from error
        self.sums = sums
        if before == self.lrs:
            # Changes that `on_epoch` made to learning rates are contained in the optimiser's state.
            return []
        # The learning rates of this run apply, not those of the earlier run.
        for group, lr in zip(self.optimizer.param_groups, self.lrs, strict=True):
            group["lr"] = lr
        was, here = (", ".join(f"{lr:g}" for lr in lrs) for lrs in (before, self.lrs))
        return [f"lr {was} -> {here}"]

    def _check_optimizer(self) -> None:
        """Raise ValueError if the restored state of the optimiser does not fit its parameters."""
        if _described_optimizer(self.optimizer) != self._same["optimizer"]:
            raise ValueError("the options of its optimiser are not those of the run")
        for group in self.optimizer.param_groups:
            if not isfinite(float(group["lr"])) or group["lr"] < 0:
                raise ValueError(f"the learning rate of its optimiser is {group['lr']}")
            for parameter in group["params"]:
                state = self.optimizer.state.get(parameter, {})
                if isinstance(self.optimizer, torch.optim.Adam) and state:
                    for name in ("step", "exp_avg", "exp_avg_sq"):
                        if not isinstance(state.get(name), Tensor):
                            raise ValueError(f"the {name} of its optimiser is not a tensor")
                for name, value in state.items():
                    if not isinstance(value, Tensor):
                        continue
                    if name in _LIKE_THE_PARAMETER and value.shape != parameter.shape:
                        raise ValueError(f"the {name} of its optimiser has another shape")
                    if name == "step" and value.numel() != 1:
                        raise ValueError("the step of its optimiser is not one number")
                    if not value.isfinite().all():
                        raise ValueError(f"the {name} of its optimiser is not finite")
                    if name in _NOT_NEGATIVE and (value < 0).any():
                        raise ValueError(f"the {name} of its optimiser is negative")


#: Entries of the state of an optimiser such as Adam or SGD: those with the shape of their
#: parameter, and those that cannot be negative (means of squares, or a count).
_LIKE_THE_PARAMETER = ("exp_avg", "exp_avg_sq", "max_exp_avg_sq", "momentum_buffer", "square_avg")
_NOT_NEGATIVE = ("exp_avg_sq", "max_exp_avg_sq", "square_avg", "step")


def _described_optimizer(optimizer: torch.optim.Optimizer) -> str:
    """The class and options of an optimiser, except for its learning rates."""
    groups = [
        {k: v for k, v in group.items() if k not in ("params", "lr", "initial_lr")}
        | {"params": len(group["params"])}
        for group in optimizer.param_groups
    ]
    return f"{type(optimizer).__name__}{groups}"
