"""A training run between two batches: what it does next, and all that a checkpoint holds."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from jarvis.training import distributed
from jarvis.training.checkpoints import (
    CheckpointError,
    load_checkpoint,
    random_states,
    save_checkpoint,
    set_random_states,
)

#: ``encode(values [B, ...], generator) -> input [T, B, ...]``
Encode = Callable[[Tensor, torch.Generator], Tensor]

#: ``objective(model, input, targets [B]) -> (mean loss of the samples, scores [B, C])``
Objective = Callable[[nn.Module, Tensor, Tensor], tuple[Tensor, Tensor]]


def cross_entropy(model: nn.Module, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The `Objective` of a classifier whose outputs are scores."""
    scores = model(x)
    return nn.functional.cross_entropy(scores, targets), scores


class TrainingError(RuntimeError):
    """Training cannot go on (the loss is NaN or infinite); the message says where and why."""


@dataclass
class History:
    """What `fit` returns: one dict an epoch, and which epoch was best on the validation set."""

    epochs: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0  #: 1, 2, ...; 0 before the first
    best_val_acc: float = -1.0
    bad_epochs: int = 0  #: epochs since the best one

    def column(self, name: str) -> list[float]:
        """One metric over the epochs, e.g. "loss", "val_acc"."""
        return [epoch[name] for epoch in self.epochs]


def batches(n: int, size: int, order: Tensor | None = None) -> Iterator[Tensor]:
    """Indices of n samples, `size` at a time, in their own order or the given one."""
    yield from (torch.arange(n) if order is None else order).split(size)


def encoded(x: Tensor, encode: Encode | None, generator: torch.Generator, part: slice) -> Tensor:
    """The input that some samples of a batch become.

    The whole batch's code is drawn and then cut, so that it is the same spikes, and leaves the
    generator in the same state, however many processes share the batch.
    """
    if encode is None:
        return x[part]
    whole = encode(x, generator)
    return whole if part == slice(0, len(x)) else whole[:, part]


class Run:
    """A training run between two batches: all that a checkpoint has to hold.

    Under torchrun every process has one, and all of them hold the same between two batches.
    """

    def __init__(
        self, model, train_set, batch_size, lr, encode, optimizer, schedule, epochs, seed
    ) -> None:
        self.model, self.train_set, self.batch_size = model, train_set, batch_size
        self.encode, self.schedule, self.epochs, self.seed = encode, schedule, epochs, seed
        self.optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=lr)
        self.lrs = [group["lr"] for group in self.optimizer.param_groups]
        self.device = next(model.parameters()).device
        self.trained = distributed.wrap(model)
        self.generator = torch.Generator(self.device).manual_seed(seed)
        self.batches_per_epoch = -(-len(train_set) // batch_size)
        self.epoch = self.step = 0  # epochs done, batches done in the next one
        self.loss_sum, self.n_correct = 0.0, 0
        self.history = History()
        self.objective: Objective = cross_entropy
        self.arguments: dict[str, Any] = {}
        self._random: dict[str, Any] | None = None

    def steps(self) -> Iterator[float]:
        """Train on the batches of this epoch that are still to come; yields their losses.

        Under torchrun each rank computes its share of the batch. DistributedDataParallel takes the
        mean of their gradients, as if every rank had as many samples: so a rank weighs its mean
        loss by what its share really is, and the outcome is the gradient of the whole batch's mean.
        A rank without a sample (of a last batch that is smaller than the number of ranks) takes
        part with weight 0 on one that is another's.
        """
        # The order follows from seed and epoch alone, so a resumed epoch can find its place.
        shuffle = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.train_set), generator=shuffle)
        self.model.train()
        todo = list(batches(len(order), self.batch_size, order))
        for index in todo[self.step :]:
            if self.schedule is not None:
                done = self.epoch * self.batches_per_epoch + self.step
                factor = self.schedule(done, self.epochs * self.batches_per_epoch)
                for group, lr in zip(self.optimizer.param_groups, self.lrs, strict=True):
                    group["lr"] = lr * factor
            share = distributed.share(len(index))
            n_mine = share.stop - share.start
            part = share if n_mine else slice(0, 1)
            x, y = (half.to(self.device) for half in self.train_set[index])
            y = y[part]
            x = encoded(x, self.encode, self.generator, part)
            loss, scores = self.objective(self.trained, x, y)
            correct = int((scores.argmax(1) == y).sum()) if n_mine else 0
            loss_sum, n_correct = distributed.total(loss.item() * n_mine, correct)
            value = loss_sum / len(index)
            advice = "look at the input for NaN, lower lr, or ask jarvis.diagnose(model, batch)"
            self.descend(loss, value, n_mine, len(index), advice)
            self.loss_sum += loss_sum
            self.n_correct += int(n_correct)
            self.step += 1
            yield value

    def descend(self, loss: Tensor, value: float, n_mine: int, n: int, advice: str) -> None:
        """Take a step along the gradient of `loss`, of `n_mine` of the batch's `n` samples.

        Raises:
            TrainingError: if `value`, the loss of all processes, is not finite; with `advice`.
        """
        if not abs(value) < float("inf"):  # also NaN
            raise TrainingError(
                f"the loss is {value} in batch {self.step + 1} of epoch {self.epoch + 1}: {advice}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        (loss * (n_mine * distributed.world_size() / n)).backward()
        self.optimizer.step()

    def end_epoch(self) -> dict[str, float]:
        n = len(self.train_set)
        metrics = {"loss": self.loss_sum / n, "train_acc": self.n_correct / n}
        self.epoch, self.step, self.loss_sum, self.n_correct = self.epoch + 1, 0, 0.0, 0
        return metrics

    def record(self, metrics: dict[str, float]) -> bool:
        """Append an epoch; True if it is the best so far (without validation: the latest)."""
        history = self.history
        history.epochs.append({"epoch": self.epoch} | metrics)
        value = metrics.get("val_acc")
        if value is None or value > history.best_val_acc:
            history.best_epoch, history.bad_epochs = self.epoch, 0
            history.best_val_acc = -1.0 if value is None else value
            return True
        history.bad_epochs += 1
        return False

    def identity(self) -> dict[str, Any]:
        """What has to be the same for a checkpoint to be of this run."""
        same = {"seed": self.seed, "batch_size": self.batch_size}
        same |= {"training_samples": len(self.train_set)}
        # A schedule is laid out over all epochs; without one a run may be made longer.
        return same | ({"epochs": self.epochs} if self.schedule is not None else {})

    def save(self, path: Path) -> None:
        save_checkpoint(
            path,
            {
                "model": self.model.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "epoch": self.epoch,
                "step": self.step,
                "sums": [self.loss_sum, self.n_correct],
                "history": asdict(self.history),
                "run": self.identity(),
                "arguments": self.arguments,
                "random": random_states(self.generator),
            },
        )

    def restore(self, path: Path) -> None:
        content = load_checkpoint(path)
        before, now = (
            {**run, **arguments}
            for run, arguments in (
                (content["run"], content["arguments"]),
                (self.identity(), self.arguments),
            )
        )
        for name in before | now:
            # JSON's view of a value: a tuple that was saved is a list when it comes back.
            if json.dumps(before.get(name)) != json.dumps(now.get(name)):
                raise CheckpointError(
                    f"{path} is of another run: its {name} was {before.get(name)}, "
                    f"here it is {now.get(name)}"
                )
        try:
            self.model.load_state_dict(content["model"])
            self.optimizer.load_state_dict(content["optimizer"])
        except (RuntimeError, ValueError) as error:
            first = str(error).splitlines()[0]
            raise CheckpointError(f"{path} does not fit this model: {first}") from error
        self.epoch, self.step = content["epoch"], content["step"]
        self.loss_sum, self.n_correct = content["sums"]
        self.history = History(**content["history"])
        self._random = content["random"]

    def set_random(self) -> None:
        """Torch's own randomness (dropout): seeded, or as it was in the checkpoint.

        Under torchrun every rank but the first is seeded by rank and batch, for two of them must
        not drop the same units.
        """
        if self._random is None:
            torch.manual_seed(self.seed)
        else:
            set_random_states(self._random, self.generator)
        if distributed.rank():
            done = self.epoch * self.batches_per_epoch + self.step
            ranks_done = done * distributed.world_size() + distributed.rank()
            torch.manual_seed(self.seed + 1_000_003 * ranks_done)
