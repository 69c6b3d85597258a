"""Baselines for the results: chance, linear read-outs, conventional and recurrent networks.

python tools/baselines.py                       # the tables, in Markdown
python tools/baselines.py write                 # insert them into docs/results.md
python tools/baselines.py run                   # all missing runs; takes hours for SHD
python tools/baselines.py run digits shd_gru    # the runs of a data set and of one baseline
python tools/baselines.py list                  # all baselines, and which runs are missing

Each baseline has one file in results/baselines and a few settings. Each setting is trained once
(seed 0) and evaluated on validation data. The best setting is then trained with every seed and
tested once per seed, after the last epoch. Of equally good settings, the first in the grid is used:
the lowest learning rate, or the strongest penalty or dropout. On SHD, the settings are chosen on
the held-out speakers, and the final training uses all training words. Notes below a table tell
which settings lie at the edge of their grid, and which runs were made with a smaller grid than
today's. Existing runs are not repeated, and interrupted runs of networks on SHD are resumed.
"""

import argparse
import json
import re
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix, issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn
from torch.utils.data import Subset

from jarvis import (
    Events,
    LIFLayer,
    SpikingMLP,
    datasets,
    evaluate,
    fit,
    poisson_encode,
    seeded,
    ttfs_encode,
)
from jarvis.datasets import Augmentation, EventDataset, SpokenDigits, held_out
from jarvis.encoding import ttfs_decode
from jarvis.networks import count_parameters
from jarvis.spatial import spike_time_encode
from jarvis.stdp import (
    LayerwiseRun,
    fit_layers,
    grid_features,
    latency_features,
    layer_output,
    linear_readout,
    load_stimuli,
    make_layers,
    read_recipe,
)
from jarvis.support.downloads import MissingDataError
from jarvis.support.files import FolderInUseError, atomic_path, locked, write_json
from jarvis.training import cosine, linear_tail, seed_for

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "demos"))

import train_shd  # noqa: E402

import cli  # noqa: E402

sys.path.pop(0)
CONFIGS = ROOT / "demos" / "configs"
PAGE = ROOT / "docs" / "results.md"
RESULTS = ROOT / "results" / "baselines"
RUNS = ROOT / "runs" / "baselines"

#: Penalties of a linear read-out: scikit-learn's C, for features with standard deviation 1
PENALTIES = tuple({"C": c} for c in (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0))
FEWER = PENALTIES[1:5]  # for MNIST, where each fit takes minutes
RATES = tuple({"lr": lr} for lr in (1e-3, 3e-3, 1e-2))
MORE_RATES = (*RATES, {"lr": 3e-2}, {"lr": 1e-1})  # where larger rates are better
#: Factors on the thresholds of layers with shuffled weights
FACTORS = tuple({"thresholds": factor} for factor in (1.0, 0.75, 0.5, 0.25))
DRAWS = 8  # number of draws of a random code over which results are averaged, as in train_toy.py
TOY_STEPS = 25  # number of 1-ms steps in the codes of the toy set
YINYANG_STEPS = 50  # number of 0.1-ms steps in which recurrent networks see a sample of Yin-Yang

WORD = 1400.0  # ms: words are cut at this time, as in train_spatial.py
DT = 10.0  # ms: time step of the networks on words.
#: Numbers of epochs to choose a setting, to train the final network, and to train networks of as
#: many parameters and epochs as those of tools/delayed_table.py. Except for LONGER, these and the
#: following constants are as in tools/shd_table.py.
CHOICE_EPOCHS, WORD_EPOCHS, LONGER = 8, 12, 60
WORD_BATCH = 32
SMOOTHING = 0.1
AUGMENTED = Augmentation(channels=30, channel_jitter=20.0)
#: Default arguments of demos/train_shd.py
_SHD = train_shd.make_parser().parse_args(["--dataset", "shd"])


class Outcome(NamedTuple):
    """The result of a training."""

    acc: float  #: accuracy on the data for evaluation, 0 to 1
    train_acc: float | None  #: accuracy on the training data during the last epoch
    parameters: int  #: number of parameters, including the read-out
    without_readout: int  #: number of parameters, excluding the read-out
    data: str  #: the name of the data for evaluation


#: ``learn(setting, on, seed, folder) -> Outcome``: train with a setting and evaluate on "val" or
#: "test"; `folder` is for checkpoints.
Learn = Callable[[dict[str, Any], str, int, Path], Outcome]


@dataclass(frozen=True)
class Baseline:
    """A baseline, which is a row of a table.

    Args:
        task: the task, as named in the table.
        title: the trained model.
        sees: the input of the model.
        learn: the function that trains the model.
        settings: the settings to try on validation data; a single setting needs no trial. The order
            decides between equally good settings: see `preferred`.
        seeds: number of runs.
        epochs: number of epochs of the final training; None for methods without epochs.
        choice_epochs: number of epochs when settings are tried; None uses `epochs`.
    """

    task: str
    title: str
    sees: str
    learn: Learn
    settings: tuple[dict[str, Any], ...] = ({},)
    seeds: int = 1
    epochs: int | None = None
    choice_epochs: int | None = None


# -- data ------------------------------------------------------------------------------------------


@cache
def loaded(name: str, split: str) -> Any:
    """A split of a data set of `jarvis.datasets`."""
    return getattr(datasets, name)(split)


@cache
def words() -> tuple[SpokenDigits, SpokenDigits]:
    """SHD's training and test words."""
    return datasets.shd("train+val", check=False), datasets.shd("test", check=False)


def parts(name: str, on: str, seed: int = 0) -> tuple[Any, Any]:
    """The data to learn from, and the data to evaluate on.

    Args:
        name: name of the data set.
        on: "val" or "test".
        seed: for N-MNIST, seeds the draw of 80 % of the training part, as in evaluate_spikeseg.py.
    """
    if name == "shd":
        return held_out(words()[0]) if on == "val" else words()
    train, other = loaded(name, "train"), loaded(name, on)
    if name == "nmnist" and on == "test":
        train = Subset(train, drawn(len(train), seed).tolist())
    return train, other


def drawn(n: int, seed: int) -> Tensor:
    """The sorted indices of a random draw of 80 % of n samples."""
    shuffled = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return shuffled[: n * 4 // 5].sort().values


# -- features --------------------------------------------------------------------------------------


def frames(events: Events, n_steps: int, duration: float, channels: int) -> Tensor:
    """Spike counts ``[T, B, groups]`` of groups of adjacent channels, in equal steps.

    Args:
        events: events in ms, or in steps.
        n_steps: T.
        duration: total time, in the unit of the events; later events are dropped.
        channels: number of groups of neighbouring channels; group sizes differ by at most one.

    Example:
        >>> times, units = torch.tensor([0.0, 9.0, 3.0]), torch.tensor([0, 3, 2]).int()
        >>> two = Events(times, units, torch.tensor([0, 2, 3]), (4,))
        >>> frames(two, 2, 10.0, 2)[:, 0].tolist(), frames(two, 2, 10.0, 2)[:, 1].tolist()
        ([[1.0, 0.0], [0.0, 1.0]], [[0.0, 1.0], [0.0, 0.0]])
    """
    step = (events.times.double() * (n_steps / duration)).int()
    keep = step < n_steps
    channel = events.units * channels // events.n_units
    where = (step * len(events) + events.samples()) * channels + channel
    out = torch.zeros(n_steps * len(events) * channels)
    out.index_put_((where[keep],), torch.ones(1), accumulate=True)
    return out.view(n_steps, len(events), channels)


def counts(events: Events, bins: int, duration: float, channels: int | None = None) -> Any:
    """Spike counts per sample in time bins: sparse ``[B, bins * channels]``; see `frames`."""
    channels = channels or events.n_units
    step = (events.times.double() * (bins / duration)).long()
    keep = step < bins
    column = step * channels + events.units.long() * channels // events.n_units
    rows, columns = (x[keep].numpy() for x in (events.samples(), column))
    ones = torch.ones(len(rows)).numpy()
    return csr_matrix((ones, (rows, columns)), shape=(len(events), bins * channels))


def in_bins(spikes: Tensor, bins: int) -> Tensor:
    """Spike trains ``[T, B, n]`` as counts ``[B, bins * n]``; T is a multiple of `bins`."""
    return spikes.unflatten(0, (bins, -1)).sum(1).transpose(0, 1).flatten(1)


#: ``features(on, seed) -> (features, labels), (features, labels), data``: first for the training
#: part, then for the part to evaluate on; `data` is the name of the latter
Features = Callable[[str, int], tuple[tuple[Any, Tensor], tuple[Any, Tensor], str]]


def value_features(name: str) -> Features:
    """The values of a data set, without a code."""

    @lru_cache(1)
    def features(on: str, seed: int):
        found = [(part[:][0].flatten(1), part.targets) for part in parts(name, on)]
        return *found, loaded(name, on).source

    return features


def toy_features(code: str, bins: int | None) -> Features:
    """The toy set's spike counts in time bins, or spike times; rate codes are drawn repeatedly."""

    @lru_cache(1)
    def features(on: str, seed: int):
        found, generator = [], torch.Generator().manual_seed(seed_for("toy code", seed))
        for part in parts("toy", on):
            draws = DRAWS if code == "rate" else 1
            spikes = [toy_code(part.inputs, generator, code=code) for _ in range(draws)]
            together = torch.cat(spikes, 1)
            x = ttfs_decode(together) if bins is None else in_bins(together, bins)
            found.append((x, part.targets.repeat(draws)))
        return *found, loaded("toy", on).source

    return features


def toy_code(x: Tensor, generator: torch.Generator, *, code: str) -> Tensor:
    """Values ``[B, 32]`` as spikes ``[T, B, 32]``, as in train_toy.py."""
    if code == "rate":
        return poisson_encode(x, TOY_STEPS, generator=generator)
    return ttfs_encode(x, TOY_STEPS)


def toy_numbers(x: Tensor, generator: torch.Generator, *, code: str) -> Tensor:
    """Rates or times of the spikes that encode values ``[B, 32]``, scaled to 0 to 1."""
    spikes = toy_code(x, generator, code=code)
    return spikes.mean(0) if code == "rate" else ttfs_decode(spikes)


def yinyang_features(bins: int) -> Features:
    """Spike times of the Yin-Yang set in bins: 1 in the bin of each input's spike, otherwise 0."""

    @lru_cache(1)
    def features(on: str, seed: int):
        found = []
        for part in parts("yinyang", on):
            times = spike_time_encode(part.inputs)  # between 0.1 and 4.1 ms
            step = ((times - 0.1) * (bins / 4.0)).long().clamp(0, bins - 1)
            found.append((nn.functional.one_hot(step, bins).float().flatten(1), part.targets))
        return *found, loaded("yinyang", on).source

    return features


def yinyang_steps(x: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Values ``[B, 4]`` as spikes ``[T, B, 4]`` in steps of 0.1 ms, in the code of the networks."""
    step = (10.0 * (spike_time_encode(x) - 0.1)).round().long()  # from 0 to 40
    return nn.functional.one_hot(step, YINYANG_STEPS).permute(2, 0, 1).float()


@lru_cache(4)
def stimuli(name: str, split: str) -> Any:
    """A split, as the spikes from which train_spikeseg.py learns."""
    return load_stimuli(name, split, read_recipe(CONFIGS / f"{name}.yaml"))


def stimulus_features(name: str, bins: int) -> Features:
    """Counts of the spikes from which train_spikeseg.py learns."""

    @lru_cache(1)
    def features(on: str, seed: int):
        found = []
        for split in ("train", on):
            part = stimuli(name, split)
            x, y = counts(part.events, bins, part.events.n_steps), part.targets
            if name == "nmnist" and (split, on) == ("train", "test"):
                rows = drawn(len(y), seed)
                x, y = x[rows.numpy()], y[rows]
            found.append((x, y))
        return *found, stimuli(name, on).source

    return features


def word_features(channels: int, bins: int) -> Features:
    """SHD's spikes, counted in groups of channels and bins of time."""

    @lru_cache(1)
    def features(on: str, seed: int):
        found = [(counts(part.events, bins, WORD, channels).toarray(), part.targets)
                 for part in parts("shd", on)]  # fmt: skip
        return *found, parts("shd", on)[1].source

    return features


# -- learners --------------------------------------------------------------------------------------


def majority(name: str) -> Learn:
    """A learner that always answers with the most frequent class of the training part."""

    def learn(setting: dict, on: str, seed: int, folder: Path) -> Outcome:
        train, test = parts(name, on)
        labels = train.dataset.targets[train.indices] if isinstance(train, Subset) else (
            train.targets)  # fmt: skip
        right = (test.targets == labels.bincount().argmax()).double().mean().item()
        return Outcome(right, None, 0, 0, test.source)

    return learn


def linear(features: Features) -> Learn:
    """Multinomial logistic regression on scaled features.

    All features are divided by their common standard deviation; with scale="each", each feature is
    divided by its own.
    """

    def learn(setting: dict, on: str, seed: int, folder: Path) -> Outcome:
        (x, y), (x_test, y_test), data = features(on, seed)
        x, x_test = (x if issparse(x) else np.asarray(x) for x in (x, x_test))
        scale = deviations(x)
        if setting.get("scale") != "each":
            scale = np.sqrt((scale**2).mean())
        inverse = 1.0 / np.where(scale > 1e-6, scale, 1.0).astype(np.float32)
        if issparse(x):
            x, x_test = (part.multiply(inverse).tocsr() for part in (x, x_test))
        else:  # centring would change only the number of iterations
            x, x_test = ((part - x.mean(0)) * inverse for part in (x, x_test))
        machine = LogisticRegression(C=setting["C"], max_iter=300)
        with warnings.catch_warnings():  # a fit with a weak penalty need not converge fully
            warnings.simplefilter("ignore", ConvergenceWarning)
            machine.fit(x, y.numpy())
        acc, train_acc = (float(machine.score(*part)) for part in ((x_test, y_test), (x, y)))
        return Outcome(acc, train_acc, machine.coef_.size + machine.intercept_.size, 0, data)

    return learn


def deviations(x: Any) -> np.ndarray:
    """Standard deviation of each column of a dense or sparse matrix."""
    square = x.multiply(x) if issparse(x) else x * x
    mean, mean_square = (np.asarray(each.mean(0), np.float64).ravel() for each in (x, square))
    return np.sqrt((mean_square - mean**2).clip(0.0))


def shuffled(name: str, features: str) -> Learn:
    """The read-out of evaluate_spikeseg.py on layers whose learned weights are shuffled. The layers
    learn as in train_spikeseg.py. Then the weights of each map are permuted, which preserves the
    distribution of the weights, but destroys the learned pattern. Shuffled weights match their
    input less well, so fewer neurons reach their thresholds; these are multiplied by a factor that
    is chosen on validation data.
    """

    def learn(setting: dict, on: str, seed: int, folder: Path) -> Outcome:
        recipe = replace(read_recipe(CONFIGS / f"{name}.yaml"), conv3=None)
        train, test = stimuli(name, "train"), stimuli(name, on)
        generator = torch.Generator().manual_seed(seed)
        layers = make_layers(recipe, train.events.shape[0], generator)
        fit_layers(LayerwiseRun(layers, recipe, seed), train.events, log=_silent)
        for layer in layers.values():
            shuffle_(layer.weight, generator)
            layer.thresholds *= setting["thresholds"]
        if features == "latency":
            x = [latency_features(layer_output(layers, recipe, part.events, "conv2"))
                 for part in (train, test)]  # fmt: skip
        else:
            x = [grid_features(layers, recipe, part.events, "conv2", 4) for part in (train, test)]
        rows = drawn(len(train.targets), seed) if name == "nmnist" else torch.arange(
            len(train.targets))  # fmt: skip
        known = (x[0][rows.numpy()], train.targets[rows])
        right = linear_readout(known, (x[1], test.targets))[0]
        n = sum(layer.weight.numel() for layer in layers.values())
        read = (x[0].shape[1] + 1) * test.n_classes
        return Outcome(right, None, n + read, n, test.source)

    return learn


@torch.no_grad()
def shuffle_(weight: Tensor, generator: torch.Generator) -> None:
    """Permute the weights ``[maps, ...]`` within each map, in place."""
    for each in weight:
        order = torch.randperm(each.numel(), generator=generator)
        each.copy_(each.flatten()[order].view_as(each))


#: Data of a network: ``data(on, seed) -> training part, part to evaluate on``
Data = Callable[[str, int], tuple[Any, Any]]


def network(
    make: Callable[[Any, dict[str, Any]], nn.Module],
    data: Data,
    *,
    epochs: int,
    batch_size: int = 128,
    schedule: Callable[[int, int], float] = cosine,
    encode: Callable | None = None,
    draws: int = 1,
    by_epoch: str | None = None,
    optimizer: Callable[[nn.Module, float], torch.optim.Optimizer] | None = None,
) -> Learn:
    """A network trained with Adam.

    Args:
        make: ``make(training part, setting)`` returns the network; its last parameters are the
            read-out's.
        data: the data that the network learns from.
        epochs, batch_size, schedule, encode, draws: as in `fit`.
        by_epoch: the data set on whose validation part the epoch is chosen; None uses the last
            epoch.
        optimizer: ``optimizer(network, learning rate)`` returns the optimiser; None for Adam with
            one learning rate.
    """

    def learn(setting: dict, on: str, seed: int, folder: Path) -> Outcome:
        train, test = data(on, seed)
        with seeded(seed):
            model = make(train, setting)
        options: dict[str, Any] = dict(epochs=epochs, batch_size=batch_size, encode=encode,
                                       schedule=schedule, seed=seed, progress=False)  # fmt: skip
        if optimizer is None:
            options["lr"] = setting["lr"]
        else:
            options["optimizer"] = optimizer(model, setting["lr"])
        if by_epoch is not None:
            val = loaded(by_epoch, "val")
            history = fit(model, train, val, test, log=_silent, **options)
            acc = history.column("test_acc")[history.best_epoch - 1]
        else:
            history = fit(model, train, log=_silent, **options)
            acc = evaluate(model, test, encode, seed=seed, draws=draws)["acc"]
        return _outcome(model, acc, history, test)

    return learn


def _silent(line: str) -> None:
    pass


def _outcome(model: nn.Module, acc: float, history: Any, test: Any) -> Outcome:
    sizes = list(count_parameters(model).values())
    last = sizes[-2:]  # the read-out: weights and biases
    return Outcome(acc, history.column("train_acc")[-1], sum(sizes), sum(sizes) - sum(last),
                   test.source)  # fmt: skip


def rectifiers(*hidden: int) -> Callable[[Any, dict[str, Any]], nn.Module]:
    """A function that makes a fully connected network of ReLU units for a data set."""

    def make(train: Any, setting: dict[str, Any]) -> nn.Module:
        sizes = (torch.Size(train.shape).numel(), *hidden)
        layers: list[nn.Module] = [nn.Flatten()]
        for a, b in zip(sizes, hidden, strict=False):
            layers += [nn.Linear(a, b), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(sizes[-1], train.n_classes))

    return make


def convolutions(train: Any, setting: dict[str, Any]) -> nn.Module:
    """The layers of `SpikingCNN` with ReLU units, for images of 28x28 pixels."""
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(16, 32, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
        nn.Flatten(), nn.Linear(32 * 7 * 7, train.n_classes),
    )  # fmt: skip


def recording_convolutions(train: Any, setting: dict[str, Any]) -> nn.Module:
    """The convolutions of demos/configs/nmnist.yaml with ReLU units."""
    return nn.Sequential(
        nn.Conv2d(2, 32, 5, padding=2), nn.MaxPool2d(2), nn.ReLU(),
        nn.Conv2d(32, 100, 5, padding=2), nn.ReLU(), nn.AdaptiveMaxPool2d(4),
        nn.Flatten(), nn.Linear(1600, 10),
    )  # fmt: skip


class GRUClassifier(nn.Module):
    """Gated recurrent units with a linear read-out of their mean over time.

    Args:
        n_in: number of inputs.
        n_hidden: number of units.
        n_classes: number of classes.
        dropout: fraction of the units that the read-out does not receive in training.
    """

    def __init__(self, n_in: int, n_hidden: int, n_classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.hidden = nn.GRU(n_in, n_hidden)
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(n_hidden, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """``x [T, B, n_in]`` -> scores ``[B, n_classes]``."""
        return self.output(self.dropout(self.hidden(x)[0].mean(0)))


def lif_network(
    n_in: int, n_hidden: int, n_classes: int, tau: float, dt: float, recurrent: bool = True
) -> SpikingMLP:
    """A layer of LIF neurons with a linear read-out of their mean spike counts.

    Args:
        n_in, n_hidden, n_classes: numbers of inputs, neurons and classes.
        tau: membrane time constant, ms; that of the synapses is half of it.
        dt: time step, ms.
        recurrent: whether the neurons are connected with each other.
    """
    return SpikingMLP(
        (n_in, n_hidden, n_classes), "mean",
        neurons=lambda n: LIFLayer(tau=tau, tau_syn=tau / 2, dt=dt,
                                  recurrent=n if recurrent else None),
    )  # fmt: skip


def fast_readout(model: nn.Module, lr: float) -> torch.optim.Adam:
    """Adam; a read-out of mean spike counts, which are small, gets 10x the learning rate."""
    named = list(model.named_parameters())
    readout = [p for name, p in named if name.startswith("output")]
    others = [p for name, p in named if not name.startswith("output")]
    return torch.optim.Adam([{"params": others, "lr": lr}, {"params": readout, "lr": 10 * lr}])


def picture_of(events: Events, generator: torch.Generator | None = None) -> Tensor:
    """Recordings as images ``[B, 2, 34, 34]``: events per step at each pixel."""
    return events.count_spikes().float() / events.n_steps


def film_of(events: Events, generator: torch.Generator | None = None) -> Tensor:
    """Event counts per step in squares of 2x2 pixels, as films ``[T, B, 578]``."""
    pooled = nn.functional.avg_pool2d(events.dense().flatten(0, 1), 2, divisor_override=1)
    return pooled.unflatten(0, (events.n_steps, -1)).flatten(2)


def recordings(on: str, seed: int) -> tuple[Any, Any]:
    """N-MNIST in the 15 steps of demos/configs/nmnist.yaml."""
    train, test = (EventDataset(part.events, part.targets, 10, part.source)
                   for part in (stimuli("nmnist", "train"), stimuli("nmnist", on)))  # fmt: skip
    if on == "test":
        return Subset(train, drawn(len(train), seed).tolist()), test
    return train, test


# -- networks on spoken digits ---------------------------------------------------------------------


@dataclass(frozen=True)
class WordNetwork:
    """A network that learns spoken digits from spike counts in steps of 10 ms.

    Args:
        kind: "gru"; "lif" (recurrent, surrogate gradients); "feedforward" (like "lif", without
            recurrent weights); or "mlp" (ReLU units, which receive 70 groups of channels in 10
            bins at once).
        hidden: number of hidden units.
        channels: number of inputs, each a group of SHD's 700 channels.
        augmentation: how the training words are changed.
        epochs: number of epochs of the final training.
        batch_size: number of words per training step.
    """

    kind: str
    hidden: int
    channels: int = 700
    augmentation: Augmentation = AUGMENTED
    epochs: int = WORD_EPOCHS
    batch_size: int = WORD_BATCH

    def encode(self, events: Events, generator: torch.Generator, *, training: bool) -> Tensor:
        """Words, given as events in ms, as the network's input; randomly changed in training."""
        if training and self.augmentation:
            events = self.augmentation(events, generator)
        if self.kind == "mlp":
            return in_bins(frames(events, 10, WORD, 70), 10) / 10.0  # so that counts are of order 1
        return frames(events, round(WORD / DT), WORD, self.channels)

    def make(self, setting: dict[str, Any], n_classes: int) -> nn.Module:
        """The network with its initial weights."""
        dropout = setting["dropout"]
        if self.kind == "gru":
            return GRUClassifier(self.channels, self.hidden, n_classes, dropout)
        if self.kind == "mlp":
            return nn.Sequential(nn.Linear(700, self.hidden), nn.ReLU(), nn.Dropout(dropout),
                                 nn.Linear(self.hidden, n_classes))  # fmt: skip
        recurrent = self.kind != "feedforward"
        model = lif_network(
            self.channels, self.hidden, n_classes, setting["tau"], DT, recurrent=recurrent
        )
        model.output = nn.Sequential(nn.Dropout(dropout), model.output)  # type: ignore[assignment]
        return model

    def optimizer(self, model: nn.Module, setting: dict[str, Any]) -> torch.optim.Optimizer:
        """Adam, for networks that spike as in `fast_readout`."""
        if self.kind in ("gru", "mlp"):
            return torch.optim.Adam(model.parameters(), lr=setting["lr"])
        return fast_readout(model, setting["lr"])

    def train(
        self,
        setting: dict[str, Any],
        train: SpokenDigits,
        test: SpokenDigits,
        *,
        epochs: int,
        seed: int,
        folder: Path | None = None,
    ) -> Outcome:
        """Train, or resume the training in `folder`, and evaluate once, after the last epoch."""
        with seeded(seed):
            model = self.make(setting, train.n_classes)
        resume = folder if folder and (folder / "checkpoint_latest.pt").exists() else None
        history = fit(
            model, train, epochs=epochs, batch_size=self.batch_size, schedule=cosine, seed=seed,
            optimizer=self.optimizer(model, setting), objective=smoothed,
            encode=partial(self.encode, training=True), output=folder, resume=resume,
            arguments={"network": repr(self), **setting}, progress=False,
        )  # fmt: skip
        acc = evaluate(model, test, partial(self.encode, training=False), seed=seed)["acc"]
        return _outcome(model, acc, history, test)

    def learn(self, setting: dict[str, Any], on: str, seed: int, folder: Path) -> Outcome:
        """Train on SHD; the arguments are those of `Learn`."""
        train, test = parts("shd", on)
        epochs = CHOICE_EPOCHS if on == "val" else self.epochs
        return self.train(setting, train, test, epochs=epochs, seed=seed, folder=folder)


@dataclass(frozen=True)
class DelayRecipe(WordNetwork):
    """A network with the inputs, the augmentation and the batches of demos/train_shd.py.

    Args:
        factors: the factor of each input, which equalises their spread; see `train`.
    """

    factors: tuple[float, ...] = ()

    def encode(self, events: Events, generator: torch.Generator, *, training: bool) -> Tensor:
        if training:
            events = self.augmentation(events, generator)
        n_steps = round(train_shd.duration(_SHD) / _SHD.dt)
        x = train_shd.INPUTS[_SHD.input](events.on_grid(_SHD.dt, n_steps).frames(_SHD.pool))
        return x * torch.tensor(self.factors) if self.factors else x

    def train(
        self, setting: dict[str, Any], train: SpokenDigits, test: SpokenDigits, **options: Any
    ) -> Outcome:
        """As for any `WordNetwork`, with equalised inputs."""
        spread = train_shd.spread_of(train, partial(self.encode, training=False))
        scaled = train_shd.make_network(_SHD, self.channels, train.n_classes)
        scaled.equalise_(spread, _SHD.equalise)
        equalised = replace(self, factors=tuple(scaled.scale.tolist()))
        return super(DelayRecipe, equalised).train(setting, train, test, **options)


def smoothed(model: nn.Module, x: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy with smoothed labels, as an objective for `fit`."""
    scores = model(x)
    return nn.functional.cross_entropy(scores, targets, label_smoothing=SMOOTHING), scores


def grid(**values: tuple) -> tuple[dict[str, Any], ...]:
    """All combinations of values."""
    return tuple(dict(zip(values, each, strict=True)) for each in product(*values.values()))


#: The settings of each kind of network to try on the held-out speakers
_DENSE = grid(lr=(1e-3, 3e-3, 1e-2), dropout=(0.5, 0.3))
_SPIKING = grid(lr=(1e-3, 3e-3, 1e-2), dropout=(0.3, 0.0), tau=(10.0, 20.0, 60.0))
TRIED = {"mlp": _DENSE, "gru": _DENSE, "lif": _SPIKING, "feedforward": _SPIKING}


# -- the baselines ---------------------------------------------------------------------------------

_SIZES = (10, 15, 20, 25, 30, 45, 60)  # hidden units, as in the Yin-Yang table


def _common(name: str, task: str) -> Iterator[tuple[str, Baseline]]:
    """Baselines without spikes: the most frequent class, and a linear read-out of the values."""
    data = name.partition("_")[0]
    yield f"{name}_majority", Baseline(task, "most frequent class", "", majority(data))
    if data in ("digits", "mnist", "yinyang"):
        sees = "values" if data == "yinyang" else "grey levels"
        learn = linear(value_features(data))
        tried = FEWER if data == "mnist" else PENALTIES
        yield f"{name}_linear_values", Baseline(task, "linear read-out", sees, learn, tried)


def _toy() -> Iterator[tuple[str, Baseline]]:
    sees = {1: "spike counts", 5: "spike counts in 5 bins of 5 ms", None: "spike times"}
    kinds = {1: "counts", 5: "bins", None: "times"}
    for code, task in (("rate", "toy, rate code"), ("ttfs", "toy, first-spike code")):
        yield from _common(f"toy_{code}", task)
        for bins in (1, 5) if code == "rate" else (1, 5, None):
            learn = linear(toy_features(code, bins))
            row = Baseline(task, "linear read-out", sees[bins], learn, PENALTIES)
            yield f"toy_{code}_linear_{kinds[bins]}", row
        toy = partial(network, data=partial(parts, "toy"), epochs=10, schedule=linear_tail,
                      draws=DRAWS if code == "rate" else 1)  # fmt: skip
        learn = toy(rectifiers(128), encode=partial(toy_numbers, code=code))
        seen = sees[1] if code == "rate" else sees[None]
        yield f"toy_{code}_relu", Baseline(task, "ReLU, 32-128-2", seen, learn, RATES, 5, 10)
        toy = partial(toy, encode=partial(toy_code, code=code))
        learn = toy(lambda *_: GRUClassifier(32, 25, 2))
        row = Baseline(task, "GRU, 25 units", "spikes in 1-ms steps", learn, MORE_RATES, 5, 10)
        yield f"toy_{code}_gru", row
        learn = toy(lambda _, setting: lif_network(32, 52, 2, setting["tau"], 1.0),
                    optimizer=fast_readout)  # fmt: skip
        tried = grid(lr=(1e-3, 3e-3, 1e-2, 3e-2), tau=(2.5, 5.0, 10.0, 20.0, 40.0))
        title = "recurrent LIF, 52 neurons"
        row = Baseline(task, title, "spikes in 1-ms steps", learn, tried, 5, 10)
        yield f"toy_{code}_lif", row


def _pictures() -> Iterator[tuple[str, Baseline]]:
    for name, task, epochs, seeds in (("digits", "digits", 40, 5), ("mnist", "MNIST", 3, 3)):
        yield from _common(name, task)
        n = {"digits": 64, "mnist": 784}[name]
        learn = network(rectifiers(1000), partial(parts, name), epochs=epochs)
        row = Baseline(task, f"ReLU, {n}-1000-10", "grey levels", learn, RATES, seeds, epochs)
        yield f"{name}_relu", row
    learn = network(convolutions, partial(parts, "mnist"), epochs=5)
    title = "ReLU, convolutions of 16 and 32 maps"
    yield "mnist_relu_conv", Baseline("MNIST", title, "grey levels", learn, RATES, 3, 5)


def _stdp() -> Iterator[tuple[str, Baseline]]:
    yield from _common("nmnist", "N-MNIST")
    for name, task, read in (
        ("mnist", "MNIST", "latency"), ("digits", "digits", "potential"),
        ("nmnist", "N-MNIST", "potential"),
    ):  # fmt: skip
        of = "per pixel and " + ("polarity" if name == "nmnist" else "filter")
        draws = 5 if name == "nmnist" else 1
        for kind, bins in (("counts", 1), ("bins", 5)):
            sees = f"spike counts {of}" + (", 5 bins of 3 steps" if bins > 1 else "")
            learn = linear(stimulus_features(name, bins))
            tried = FEWER if name == "mnist" else PENALTIES
            row = Baseline(task, "linear read-out", sees, learn, tried, draws)
            yield f"{name}_linear_spike_{kind}", row
        title = "the same layers, each map's learned weights shuffled"
        learn = shuffled(name, read)
        seeds = 3 if name == "mnist" else 5
        yield f"{name}_shuffled", Baseline(task, title, f"spikes {of}", learn, FACTORS, seeds)
    learn = network(recording_convolutions, recordings, epochs=30, batch_size=32,
                    encode=picture_of)  # fmt: skip
    title, sees = "ReLU, convolutions of 32 and 100 maps", "share of steps with a spike"
    yield "nmnist_relu_conv", Baseline("N-MNIST", title, sees, learn, RATES, 5, 30)
    learn = network(lambda *_: GRUClassifier(578, 48, 10), recordings, epochs=30, batch_size=32,
                    encode=film_of)  # fmt: skip
    sees = "15 steps of 2 x 17 x 17 counts"
    yield "nmnist_gru", Baseline("N-MNIST", "GRU, 48 units", sees, learn, RATES, 5, 30)
    learn = network(lambda _, setting: lif_network(578, 127, 10, setting["tau"], 1.0),
                    recordings, epochs=30, batch_size=32, encode=film_of,
                    optimizer=fast_readout)  # fmt: skip
    tried = grid(lr=(1e-3, 3e-3, 1e-2), tau=(3.0, 10.0))
    title = "recurrent LIF, 127 neurons"
    yield "nmnist_lif", Baseline("N-MNIST", title, sees, learn, tried, 5, 30)


def _yinyang() -> Iterator[tuple[str, Baseline]]:
    yield from _common("yinyang", "Yin-Yang")
    sees = "spike times in 10 bins of 0.4 ms"
    row = Baseline("Yin-Yang", "linear read-out", sees, linear(yinyang_features(10)), PENALTIES)
    yield "yinyang_linear_bins", row
    for hidden in _SIZES:
        learn = network(rectifiers(hidden), partial(parts, "yinyang"), epochs=300, batch_size=150,
                        by_epoch="yinyang")  # fmt: skip
        row = Baseline("Yin-Yang", f"ReLU, 4-{hidden}-3", "values", learn, MORE_RATES, 5, 300)
        yield f"yinyang_relu_{hidden}", row
    steps = partial(network, data=partial(parts, "yinyang"), epochs=300, batch_size=150,
                    by_epoch="yinyang", encode=yinyang_steps)  # fmt: skip
    sees = "spikes in 0.1-ms steps"
    learn = steps(lambda *_: GRUClassifier(4, 9, 3))
    yield "yinyang_gru", Baseline("Yin-Yang", "GRU, 9 units", sees, learn, MORE_RATES, 5, 300)
    learn = steps(lambda _, setting: lif_network(4, 17, 3, setting["tau"], 0.1),
                  optimizer=fast_readout)  # fmt: skip
    tried = grid(lr=(1e-3, 3e-3, 1e-2, 3e-2), tau=(1.0, 3.0, 10.0))
    title = "recurrent LIF, 17 neurons"
    yield "yinyang_lif", Baseline("Yin-Yang", title, sees, learn, tried, 5, 300)


def _shd() -> Iterator[tuple[str, Baseline]]:
    yield from _common("shd", "SHD, rebuilt")
    for kind, channels, bins, sees in (
        ("counts", 700, 1, "spike counts of 700 channels"),
        ("bins", 70, 10, "spike counts, 70 groups of channels x 10 bins"),
    ):
        learn = linear(word_features(channels, bins))
        tried = grid(C=(1e-4, 1e-3, 1e-2, 1e-1, 1.0), scale=("all", "each"))
        row = Baseline("SHD, rebuilt", "linear read-out", sees, learn, tried)
        yield f"shd_linear_{kind}", row
    steps = {70: "70 groups of channels x 10 bins", 140: "140 groups of channels, 10-ms steps",
             700: "700 channels, 10-ms steps"}  # fmt: skip
    fewer = {
        "gru_large": grid(lr=(1e-3, 3e-3), dropout=(0.5, 0.3)),
        "lif_large": grid(lr=(1e-3, 3e-3), dropout=(0.3, 0.0), tau=(10.0, 20.0)),
        "gru_recipe": grid(lr=(3e-3, 1e-2, 3e-2), dropout=(0.5, 0.3)),
        "lif_recipe": grid(lr=(3e-3, 1e-2), dropout=(0.5, 0.3), tau=(10.0,)),
    }
    ours: dict[str, Any] = {
        "augmentation": train_shd.augmentation(_SHD), "epochs": LONGER,
        "batch_size": _SHD.batch_size,
    }  # fmt: skip
    for name, title, net in (
        ("mlp", "ReLU, 700-100-20", WordNetwork("mlp", 100, 70)),
        ("gru", "GRU, 109 units", WordNetwork("gru", 109, 140)),
        ("lif", "recurrent LIF, 100 neurons", WordNetwork("lif", 100)),
        ("feedforward", "LIF without recurrent weights, 100 neurons",
         WordNetwork("feedforward", 100)),
        ("gru_large", f"GRU, 189 units, {LONGER} epochs",
         WordNetwork("gru", 189, 140, epochs=LONGER)),
        ("lif_large", f"recurrent LIF, 366 neurons, {LONGER} epochs",
         WordNetwork("lif", 366, 140, epochs=LONGER)),
        ("gru_recipe", f"GRU, 189 units, {LONGER} epochs, the recipe of train_shd.py",
         DelayRecipe("gru", 189, 140, **ours)),
        ("lif_recipe", f"recurrent LIF, 366 neurons, {LONGER} epochs, the recipe of train_shd.py",
         DelayRecipe("lif", 366, 140, **ours)),
    ):  # fmt: skip
        yield (
            f"shd_{name}",
            Baseline(
                "SHD, rebuilt",
                title,
                steps[net.channels],
                net.learn,
                fewer.get(name, TRIED[net.kind]),
                3,
                net.epochs,
                CHOICE_EPOCHS,
            ),
        )


BASELINES: dict[str, Baseline] = {
    name: row for rows in (_toy, _pictures, _stdp, _yinyang, _shd) for name, row in rows()
}
#: Accuracy of guessing without looking at the data, %.
CHANCE = {"toy": 50.0, "digits": 10.0, "mnist": 10.0, "nmnist": 10.0, "yinyang": 33.3, "shd": 5.0}

#: Published test accuracies on SHD, %, and how each one's conditions differ from ours. Accuracies
#: and descriptions are those of the public leaderboard on zenkelab.org. How networks were chosen is
#: told by Table 2 of Queant et al. 2025, arXiv:2509.24852; for Nowotny et al. by arXiv:2212.01232;
#: and for Schöne et al. by "validate_on_test: true" in the code that they published (event-ssm,
#: configs/task/spiking-heidelberg-digits.yaml). For the others, we do not know it. The accuracy of
#: the convolutional network is that of the CNN of Cramer et al. on paperswithcode.com.
_ON_TEST = "published set; chosen on the test set"
_CLEAN = "published set; clean split"
_SET = "published set"
PUBLISHED: tuple[tuple[str, float, str], ...] = (
    ("Sun et al. 2025", 96.3, f"{_SET}; delays and attention"),
    ("Schöne et al. 2024", 95.9, f"{_ON_TEST}; a state-space model"),
    ("Baronig et al. 2025 (adaptive LIF)", 95.8, _ON_TEST),
    ("Hammouamri et al. 2024 (learned delays, DCLS)", 95.1, _ON_TEST),
    ("two layers of adaptive LIF (SE-adLIF)", 93.8, _CLEAN),
    ("learned delays (DCLS)", 93.8, _CLEAN),
    (
        "Nowotny, Turner & Knight 2025", 93.5,
        f"{_SET}; cross-validation, each time without one speaker; delay line at the input",
    ),
    ("Mészáros et al. 2025 (EventProp with delays)", 93.2, _CLEAN),
    ("one layer of adaptive LIF (SE-adLIF)", 93.2, _CLEAN),
    ("Cramer et al. 2022, convolutional network without spikes", 92.4, _SET),
    ("D'Agostino et al. 2024 (random delays)", 90.1, f"{_SET}; feed-forward, simulated"),
    (
        "Cramer et al. 2022, recurrent, 1024 neurons, augmentation", 83.2,
        f"{_SET}; noise added in training",
    ),
    ("Cramer et al. 2022, recurrent, 128 neurons", 71.4, _SET),
    ("Cramer et al. 2022, feed-forward, 128 neurons", 48.1, _SET),
)  # fmt: skip


# -- runs ------------------------------------------------------------------------------------------


def file_of(name: str) -> Path:
    return RESULTS / f"{name}.json"


def read(name: str) -> dict[str, Any] | None:
    """The stored content of a baseline, if any."""
    path = file_of(name)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def head(name: str) -> dict[str, Any]:
    """The content of a baseline's file; without a file, the content before the first run.

    Raises:
        SystemExit: if the file contains runs of other settings.
    """
    row, content = BASELINES[name], read(name)
    new = {
        "task": row.task,
        "title": row.title,
        "input": row.sees,
        "command": f"python tools/baselines.py run {name}",
        "data": None,
        "parameters": None,
        "parameters_without_readout": None,
        "epochs": row.epochs,
        "choice_epochs": row.choice_epochs or row.epochs,
        "chosen_on": None,
        "setting": None,
        "tried": [],
        "runs": [],
    }
    if content is None:
        return new
    known = [each["setting"] for each in content["tried"]]
    if content["epochs"] != row.epochs or any(each not in list(row.settings) for each in known):
        raise SystemExit(f"{file_of(name)} has runs with other settings: delete it to repeat them")
    return new | content | {key: new[key] for key in ("task", "title", "input", "command")}


def store(name: str, content: dict[str, Any]) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_json(file_of(name), content)


def chosen(name: str) -> dict[str, Any]:
    """A baseline's best setting on validation data; settings are tried if necessary."""
    row = BASELINES[name]
    if len(row.settings) == 1:
        return row.settings[0]
    content = head(name)
    for setting in row.settings:
        if any(each["setting"] == setting for each in content["tried"]):
            continue
        began = time.perf_counter()
        folder = "_".join([name, *(f"{key}_{value}" for key, value in setting.items())])
        found = row.learn(setting, "val", 0, RUNS / folder)
        result = {
            "setting": setting,
            "val_acc": round(found.acc, 4),
            "seconds": round(time.perf_counter() - began, 1),
        }
        content["tried"].append(result)
        content["chosen_on"] = found.data
        store(name, content)
        report(name, f"{setting} val={found.acc:.4f}", result["seconds"])
    return preferred(row, content)


def preferred(row: Baseline, content: dict[str, Any]) -> dict[str, Any]:
    """The best setting tried; of equally good ones, the first in the baseline's grid."""
    known = [each["setting"] for each in content["tried"]]
    tried = [setting for setting in row.settings if setting in known]
    return max(tried, key=lambda each: content["tried"][known.index(each)]["val_acc"])


def make(name: str, seed: int) -> None:
    """Carry out one run of a baseline unless it exists."""
    row = BASELINES[name]
    if seed >= row.seeds or any(run["seed"] == seed for run in head(name)["runs"]):
        return
    setting = chosen(name)
    before = head(name)["setting"]
    if before is not None and before != setting:
        raise SystemExit(f"{file_of(name)} has runs with {before}, and {setting} is now the best")
    began = time.perf_counter()
    found = row.learn(setting, "test", seed, RUNS / f"{name}_{seed}")
    run: dict[str, Any] = {"seed": seed, "test_acc": round(found.acc, 4)}
    if found.train_acc is not None:
        run["train_acc"] = round(found.train_acc, 4)
    run["seconds"] = round(time.perf_counter() - began, 1)
    content = head(name)
    content |= {
        "data": found.data,
        "parameters": found.parameters,
        "parameters_without_readout": found.without_readout,
        "setting": setting,
        "runs": sorted([*content["runs"], run], key=lambda each: each["seed"]),
    }
    store(name, content)
    report(name, f"seed={seed} test={found.acc:.4f}", run["seconds"])


def untried(name: str) -> list[dict[str, Any]]:
    """The settings of a baseline that have not been tried on validation data."""
    row, content = BASELINES[name], read(name) or {"tried": []}
    if len(row.settings) == 1:
        return []
    known = [each["setting"] for each in content["tried"]]
    return [setting for setting in row.settings if setting not in known]


def report(name: str, words: str, seconds: float) -> None:
    print(f"{time.strftime('%H:%M:%S')} {name} {words} {seconds} s", flush=True)


def named(words: list[str]) -> list[str]:
    """The selected baselines, by full name or by the name of a data set."""
    if not words:
        return list(BASELINES)
    found = [name for word in words for name in BASELINES
             if name == word or (word in DATASETS and name.startswith(f"{word}_"))]  # fmt: skip
    return list(dict.fromkeys(found))


DATASETS = tuple(CHANCE)


def missing(name: str) -> list[int]:
    """The seeds for which a baseline has no run."""
    there = [run["seed"] for run in (read(name) or {"runs": []})["runs"]]
    return [seed for seed in range(BASELINES[name].seeds) if seed not in there]


# -- tables ----------------------------------------------------------------------------------------


def percent(values: list[float]) -> str:
    """Mean and standard deviation of fractions, in %."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.mean(values):.1f}{spread}"


def counted(name: str, content: dict[str, Any]) -> str:
    """A baseline's number of parameters, as shown in its row."""
    n = content["parameters"]
    if name.startswith("shd_"):  # as in the table of the spiking networks
        n = content["parameters_without_readout"] or n
    return f"{n:,}" if n else ""


def table(names: list[str]) -> str:
    """A table with one row for each baseline that has been run."""
    lines = ["| task | baseline | input | parameters | test accuracy, % | n |",
             "|---|---|---|---|---|---|"]  # fmt: skip
    for name in names:
        content = read(name)
        if content is None or not content["runs"]:
            continue
        accuracy = percent([run["test_acc"] for run in content["runs"]])
        title = content["title"]
        if name.endswith("_majority"):
            title += f" (guessing: {CHANCE[name.partition('_')[0]]:.0f} %)"
        lines.append(
            f"| {content['task']} | {title} | {content['input']} | {counted(name, content)} | "
            f"{accuracy} | {len(content['runs'])} |"
        )
    return "\n".join([*lines, *notes(names)])


def notes(names: list[str]) -> list[str]:
    """Notes below a table, about how the settings of its rows were chosen; empty without any."""
    edges, partly, others = [], [], []
    for name in names:
        content = read(name)
        if content is None or not content["runs"]:
            continue
        row = BASELINES[name]
        title = ", ".join(filter(None, (row.task, row.title, row.sees)))
        if not content["tried"]:
            continue
        tried = [each["setting"] for each in content["tried"]]
        values = at_edge(content["setting"], tried)
        if values:
            best = max(each["val_acc"] for each in content["tried"])
            equal = sum(each["val_acc"] == best for each in content["tried"]) - 1
            values += [f"as good as {equal} other{'s' * (equal > 1)}"] if equal else []
            edges.append(f"{title} ({', '.join(values)})")
        if untried(name):
            n = len(tried) + len(untried(name))
            partly.append(f"{title} ({len(tried)} of {n} settings)")
        if preferred(row, content) != content["setting"]:
            others.append(title)
    lines = []
    if edges:
        lines.append(f"Chosen at the edge of the grid: {'; '.join(edges)}.")
    if partly:
        lines.append(f"Chosen from a part of today's grid: {'; '.join(partly)}.")
    if others:
        lines.append(
            "Another setting, tried after these runs, is better on validation data: "
            f"{'; '.join(others)}."
        )
    return ["", *(f"*{line}*" for line in lines)] if lines else []


def at_edge(setting: dict[str, Any], tried: list[dict[str, Any]]) -> list[str]:
    """The values of a setting that are the lowest or highest of those tried.

    A value of 0 is not an edge, because there is nothing below it.

    Example:
        >>> at_edge({"C": 10, "scale": "all"}, [{"C": c, "scale": "all"} for c in (0.1, 1, 10)])
        ['C = 10, the highest']
    """
    found = []
    for key, value in setting.items():
        values = {each[key] for each in tried}
        if isinstance(value, str) or len(values) < 2 or not value:
            continue
        if value in (min(values), max(values)):
            found.append(
                f"{key} = {value:g}, the {'lowest' if value == min(values) else 'highest'}"
            )
    return found


def yinyang_table() -> str:
    """The Yin-Yang table, with all sizes in one row."""
    cells = []
    for hidden in _SIZES:
        content = read(f"yinyang_relu_{hidden}") or {"runs": []}
        values = [run["test_acc"] for run in content["runs"]]
        cells.append(percent(values) if values else "-")
    others = [name for name in BASELINES if re.fullmatch(r"yinyang_(?!relu).*", name)]
    lines = [f"| hidden | {' | '.join(map(str, _SIZES))} |", "|---" * (len(_SIZES) + 1) + "|"]
    sizes = [f"yinyang_relu_{hidden}" for hidden in _SIZES]
    return "\n".join([*lines, f"| ReLU | {' | '.join(cells)} |", *notes(sizes), "", table(others)])


def published_table() -> str:
    """Published results for SHD."""
    lines = ["| published for SHD | test accuracy, % | what differs |", "|---|---|---|"]
    lines += [f"| {name} | {value} | {words} |" for name, value, words in PUBLISHED]
    return "\n".join(lines)


def _names(*sets: Callable[[], Iterator[tuple[str, Baseline]]]) -> list[str]:
    return [name for rows in sets for name, _ in rows()]


#: The tables, by the names of their markers in docs/results.md
TABLES: dict[str, Callable[[], str]] = {
    "surrogate": lambda: table(_names(_toy, _pictures)),
    "stdp": lambda: table(_names(_stdp)),
    "yinyang": yinyang_table,
    "shd": lambda: table(_names(_shd)),
    "published": published_table,
}


def filled(text: str) -> str:
    """The page's text with each table filled in between its markers.

    Raises:
        SystemExit: for a marker that names no table or is not closed.
    """
    for name in re.findall(r"<!-- baselines: (.*?) -->", text):
        if name not in TABLES:
            raise SystemExit(f"{name} is not a table: there are {', '.join(TABLES)}")
        start, end = f"<!-- baselines: {name} -->", f"<!-- end of baselines: {name} -->"
        before, _, rest = text.partition(start)
        _, closed, after = rest.partition(end)
        if not closed:
            raise SystemExit(f"{start} is not closed by {end}")
        text = f"{before}{start}\n{TABLES[name]()}\n{end}{after}"
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("what", nargs="?", choices=("table", "write", "run", "list"), default="table")
    add("names", nargs="*", help="data sets or baselines; by default all")
    add("--seeds", type=cli.positive_int, default=None, help="at most N runs of each baseline")
    args = parser.parse_args()
    for name in args.names:
        if name not in (*BASELINES, *DATASETS):
            parser.error(f"{name} is neither a baseline nor one of {', '.join(DATASETS)}")
    names = named(args.names)
    if args.what == "list":
        for name in names:
            print(f"{name}: {BASELINES[name].title}; runs missing: {missing(name) or 'none'}; "
                  f"settings not tried: {len(untried(name)) or 'none'}")  # fmt: skip
        return
    if args.what == "write":
        text = filled(PAGE.read_text(encoding="utf-8"))
        with atomic_path(PAGE) as part:
            part.write_text(text, encoding="utf-8")
    try:
        with locked(RESULTS) if args.what == "run" else nullcontext():
            if args.what == "run":
                run(names, args.seeds)
    except FolderInUseError as error:
        parser.error(error.strerror)
    except MissingDataError as error:
        parser.error(str(error))
    except KeyboardInterrupt as stop:  # `fit` reports where it has saved the run
        print(str(stop) or "interrupted", file=sys.stderr)
        raise SystemExit(130) from None
    print("\n\n".join(f"{name}\n\n{make_table()}" for name, make_table in TABLES.items()))


def run(names: list[str], seeds: int | None) -> None:
    """Carry out what is missing: first all choices of settings, then the runs, seed by seed."""
    for name in names:
        if missing(name) or untried(name):
            chosen(name)
    for seed in range(seeds or max(BASELINES[name].seeds for name in names)):
        for name in names:
            make(name, seed)


if __name__ == "__main__":
    main()
