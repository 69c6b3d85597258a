"""A spatial network's training run between two batches, and its evaluation on words."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from jarvis import distributed
from jarvis.augmentation import Augmentation
from jarvis.checkpoints import load_checkpoint, random_states, save_checkpoint
from jarvis.costs import synaptic_operations
from jarvis.events import Events
from jarvis.run import Run, batches
from jarvis.spatial import SpatialNetwork, SpatialOutput, rate_penalty, rates, scale_down_
from jarvis.spoken_digits import SpokenDigits

TOP = 3


@dataclass(frozen=True)
class RateTarget:
    """The price of firing rates that are off target: ``weight * rate_penalty``, in nats.

    Args:
        rate: target, Hz.
        weight: nats per Hz^2. 1e-6 is what the source's code means to take: its sum over neurons
            is of rates per ms. 100 neurons that are 30 Hz off then cost 0.09 nats.
        population: whether the mean rate of all neurons is meant, instead of each one's own.

    Raises:
        ValueError: for a value out of range.

    Source: Landsmeer et al. 2025, arXiv:2512.10011.
    """

    rate: float = 10.0
    weight: float = 1e-6
    population: bool = False

    def __post_init__(self) -> None:
        for name, unit in (("rate", "Hz"), ("weight", "nats per Hz^2")):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise ValueError(f"{name}={value!r} {unit} must be at least 0 and finite")

    def __call__(self, counts: Tensor, duration: float) -> Tensor:
        """Of ``counts [B, H]`` in samples of `duration` ms."""
        return self.weight * rate_penalty(counts, duration, self.rate, self.population)


def _duration(events: Events, model: SpatialNetwork) -> float:
    assert events.n_steps is not None
    return events.n_steps * model.neuron.dt


def _hits(scores: Tensor, labels: Tensor) -> tuple[int, int]:
    """Samples whose label has the highest score, and one of the `TOP` highest."""
    best = scores.topk(min(TOP, scores.shape[1]), dim=1).indices == labels.unsqueeze(1)
    return int(best[:, 0].sum()), int(best.sum())


@torch.no_grad()
def evaluate_words(
    model: SpatialNetwork, dataset: SpokenDigits, *, batch_size: int = 128, shared: bool = False
) -> dict[str, Any]:
    """How well a network knows the words of a data set, and what that costs.

    Args:
        model: to evaluate.
        dataset: on the grid of the model's dt.
        batch_size: words at a time.
        shared: under torchrun, divide the work; every process has to call this then.

    Returns:
        "loss" (cross-entropy, nats), "acc" and "top3" (0 to 1), "rate" (mean over neurons and
        words, Hz), "operations" (synaptic operations a word, input and recurrent), and
        "predicted" ``[N]``.

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


class SpatialRun(Run):
    """A `Run` of a `SpatialNetwork` on event lists: cross-entropy and a price of firing rates.

    Args:
        model: the network, on its device.
        train_set: on the grid of the model's dt.
        optimizer: such as `spatial_optimiser` makes.
        schedule: ``schedule(steps done) -> factor`` on the learning rates.
        epochs: how many there will be.
        batch_size: words a step, over all processes.
        target: of the firing rates.
        augmentation: of the training words, drawn anew each time.
        label_smoothing: share of a label's probability that is spread over all classes.
        average: a second network follows the first, ``average`` of its parameters and the rest of
            the first's after each step, and is what is evaluated; 0: there is none. In [0, 1).
        max_rate: after each step the synapses of neurons that fired faster, in Hz, are weakened
            (`scale_down_`); None: never.
        seed: of the order of words and of the augmentation.
    """

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
        at = None if schedule is None else lambda step, n_steps: schedule(step)
        super().__init__(model, train_set, batch_size, 0.0, None, optimizer, at, epochs, seed)
        self.generator = torch.Generator().manual_seed(seed)  # words are changed on the CPU
        self.target = RateTarget() if target is None else target
        self.augmentation, self.label_smoothing = augmentation, label_smoothing
        if not 0 <= average < 1:
            raise ValueError(f"average={average!r} must lie in [0, 1)")
        if max_rate is not None and not 0 < max_rate < float("inf"):
            raise ValueError(f"max_rate={max_rate!r} Hz must be positive and finite, or None")
        self.average, self.max_rate = average, max_rate
        follow = get_ema_multi_avg_fn(average)
        self.averaged = AveragedModel(model, multi_avg_fn=follow) if average else None
        self.kept: dict[str, Any] = {}  # what else a checkpoint holds (the frames of a film)
        self._clear()

    def _clear(self) -> None:
        self.sums = dict.fromkeys(("loss", "correct", "top", "rate"), 0.0)

    @property
    def evaluated(self) -> SpatialNetwork:
        """The network that words are to be decided by: the average, where there is one."""
        return self.model if self.averaged is None else cast(SpatialNetwork, self.averaged.module)

    @property
    def steps_done(self) -> int:
        """Updates since the run's beginning."""
        return self.epoch * self.batches_per_epoch + self.step

    def steps(self) -> Iterator[float]:
        """Train on the batches of this epoch that are still to come; yields their losses.

        Under torchrun as `Run.steps`: each rank has its share of the batch and weighs its mean loss
        by what that share really is.
        """
        shuffle = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        order = torch.randperm(len(self.train_set), generator=shuffle)
        self.model.train()
        for index in list(batches(len(order), self.batch_size, order))[self.step :]:
            if self.schedule is not None:
                factor = self.schedule(self.steps_done, 0)
                for group, lr in zip(self.optimizer.param_groups, self.lrs, strict=True):
                    group["lr"] = lr * factor
            yield self._learn(index)

    def _learn(self, index: Tensor) -> float:
        share = distributed.share(len(index))
        n_mine = share.stop - share.start
        events, labels = self.train_set.batch(index, self.augmentation, self.generator)
        if distributed.world_size() > 1:  # a rank without a word weighs another's by 0
            part = share if n_mine else slice(0, 1)
            events, labels = events[part], labels[part]
        out: SpatialOutput = self.trained(events)
        loss = nn.functional.cross_entropy(
            out.scores, labels.to(self.device), label_smoothing=self.label_smoothing
        )
        duration = _duration(events, self.model)
        loss = loss + self.target(out.counts, duration)
        first, top = _hits(out.scores.detach().cpu(), labels)
        fired = rates(out.counts.detach(), duration).mean(0)  # of each neuron, this rank's words
        rate = fired.mean().item()
        mine = (loss.item() * n_mine, rate * n_mine, *((first, top) if n_mine else (0, 0)))
        loss_sum, rate_sum, n_correct, n_top = distributed.total(*mine)
        value = loss_sum / len(index)
        advice = "lower lr, or ask for smaller firing rates"
        self.descend(loss, value, n_mine, len(index), advice)
        if self.max_rate is not None:
            summed = distributed.total(*(fired * n_mine).tolist())  # the same on every rank
            scale_down_(self.model, torch.tensor(summed) / len(index), self.max_rate)
        if self.averaged is not None:
            self.averaged.update_parameters(self.model)
        done = (loss_sum, n_correct, n_top, rate_sum)
        for name, amount in zip(self.sums, done, strict=True):
            self.sums[name] += amount
        self.step += 1
        return value

    def end_epoch(self) -> dict[str, float]:
        """Close the epoch: its means over the words as they were trained on, weights moving."""
        n = len(self.train_set)
        names = ("loss", "train_acc", "train_top3", "train_rate")
        metrics = {key: self.sums[of] / n for key, of in zip(names, self.sums, strict=True)}
        self.epoch, self.step = self.epoch + 1, 0
        self._clear()
        return metrics

    def identity(self) -> dict[str, Any]:
        """What has to be the same for a checkpoint to be of this run."""
        same = super().identity()
        same.pop("epochs", None)  # this schedule counts steps: a run may be made longer
        same |= {"average": self.average} if self.average else {}
        same |= {"max_rate": self.max_rate} if self.max_rate else {}
        return same | {"augmentation": asdict(self.augmentation or Augmentation())}

    def save(self, path: Path) -> None:
        save_checkpoint(
            path,
            {
                "model": self.model.state_dict(),
                "averaged": None if self.averaged is None else self.averaged.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "epoch": self.epoch,
                "step": self.step,
                "sums": [self.loss_sum, self.n_correct],
                "spatial_sums": self.sums,
                "kept": self.kept,
                "history": asdict(self.history),
                "run": self.identity(),
                "arguments": self.arguments,
                "random": random_states(self.generator),
            },
        )

    def restore(self, path: Path) -> None:
        super().restore(path)
        content = load_checkpoint(path)
        self.sums, self.kept = content["spatial_sums"], content["kept"]
        if self.averaged is not None:
            self.averaged.load_state_dict(content["averaged"])
