"""Learning layer by layer: a layer learns by STDP until it has settled, then the next one does.

A layer that has settled answers each stimulus the same way for good, so its answers are computed
once. A run can be interrupted between two stimuli and goes on bit for bit.
"""

import json
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from jarvis.encoding.events import Events
from jarvis.stdp.conv import ConvSTDP
from jarvis.stdp.network import layer_input
from jarvis.stdp.order import STDPLearner
from jarvis.stdp.recipe import Recipe, plain
from jarvis.support.files import write_json
from jarvis.training.checkpoints import (
    CheckpointError,
    load_checkpoint,
    random_states,
    save_checkpoint,
)
from jarvis.training.interruption import Interruption
from jarvis.training.loop import Interrupted, tensorboard_writer

#: Stimuli between two looks at whether the run is to stop. It changes no number.
AT_ONCE = 200


class LayerwiseRun:
    """A run between two stimuli: the layers, and all that a checkpoint holds.

    Args:
        layers: by name, first to last; those that `recipe` does not train keep their weights.
        recipe: how they learn.
        seed: of the order of stimuli and the noise that revives dead maps.
        arguments: plain values, kept in checkpoints and metrics.

    Attributes:
        history: a dict an epoch: layer, epoch, C_l, converged, wins, dead, seconds.
        stopped: why each layer that has learnt stopped: "C_l", "maps" or "epochs".
    """

    def __init__(
        self,
        layers: Mapping[str, ConvSTDP],
        recipe: Recipe,
        seed: int = 42,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        self.layers, self.recipe, self.seed = dict(layers), recipe, seed
        self.arguments = arguments or {}
        self.generator = torch.Generator().manual_seed(seed)
        self.learning = [name for name in layers if name != "conv1" or recipe.train_conv1]
        self.stage = self.epoch = self.done = 0  # layers, epochs and stimuli finished
        self.epoch_wins = torch.zeros(0, dtype=torch.int64)  # of the layer, as the epoch began
        self.history: list[dict[str, Any]] = []
        self.stopped: dict[str, str] = {}
        self.best: float | None = None  # lowest C_l of the layer in hand
        self.data: dict[str, int] = {}

    @property
    def name(self) -> str | None:
        """The layer that learns; None when all have learnt."""
        return self.learning[self.stage] if self.stage < len(self.learning) else None

    def layer_input(self, events: Events, name: str, at: str | None = None) -> Events:
        """`stdp_network.heard` of this run's layers."""
        return layer_input(self.layers, self.recipe, events, name, at)

    def chunks(self, events: Events) -> list[Tensor]:
        """Stimuli of this epoch that are still to come, in their order, `AT_ONCE` at a time."""
        # The order follows from seed, layer and epoch, so a resumed epoch can find its place.
        key = (self.seed * 1_000_003 + self.stage) * 1_000_003 + self.epoch
        shuffle = torch.Generator().manual_seed(key % (1 << 63))
        order = torch.randperm(len(events), generator=shuffle)[self.done :]
        return list(order.split(AT_ONCE)) if len(order) else []

    def learn(self, events: Events, order: Tensor) -> None:
        """Learn from some stimuli."""
        assert self.name is not None
        layer = self.layers[self.name]
        if self.done == 0:
            self.epoch_wins = layer.wins.clone()
        layer.learn(events, order, self.generator)
        self.done += len(order)

    def end_epoch(self, seconds: float) -> dict[str, Any]:
        """Close the epoch: its record, and the layer too if one of the three rules stops it."""
        assert self.name is not None
        layer, name = self.layers[self.name], self.name
        learner = STDPLearner(layer.stdp)
        self.epoch, self.done = self.epoch + 1, 0
        won = layer.wins - self.epoch_wins
        record = {
            "layer": name,
            "epoch": self.epoch,
            "C_l": learner.convergence(layer.weight),
            "converged": learner.converged_share(layer.weight),
            "wins": int(won.sum()),
            "dead": int((won == 0).sum()),
            "seconds": seconds,
        }
        self.history.append(record)
        reason = learner.stop_reason(layer.weight, self.epoch)
        if reason is not None:
            self.stopped[name] = reason
            self.stage, self.epoch = self.stage + 1, 0
        return record

    def metrics(self) -> dict[str, Any]:
        """Statistics of every layer, the epochs, and what the run was asked: for JSON."""
        layers = {}
        for name, layer in self.layers.items():
            weight = layer.weight.double()
            layers[name] = {
                "learnt": name in self.learning,
                "epochs": sum(epoch["layer"] == name for epoch in self.history),
                "stop_reason": self.stopped.get(name),
                "weights": {
                    "mean": weight.mean().item(),
                    "std": weight.std(correction=0).item(),
                    "min": weight.min().item(),
                    "max": weight.max().item(),
                },
                "thresholds": layer.thresholds.tolist(),
            }
            if name in self.learning:
                learner = STDPLearner(layer.stdp)
                layers[name] |= {
                    "C_l": learner.convergence(weight),
                    "converged": learner.converged_share(weight),
                    "wins": layer.wins.tolist(),
                    "stimuli": int(layer.n_seen),
                }
        return {
            "layers": layers,
            "epochs": self.history,
            "recipe": plain(self.recipe),
            "arguments": self.arguments,
        }

    def identity(self) -> dict[str, Any]:
        """What has to be the same for a checkpoint to be of this run."""
        recipe = plain(self.recipe)
        del recipe["segment"]  # not part of learning
        for layer in recipe.values():  # a run may be made longer
            if isinstance(layer, dict) and "stdp" in layer:
                del layer["stdp"]["max_epochs"]
        return {"seed": self.seed, **self.data, **_flat(recipe)}

    def save(self, path: Path) -> None:
        """Write a checkpoint, whole or not at all."""
        content = {
            "kind": "layerwise",
            "layers": {name: layer.state_dict() for name, layer in self.layers.items()},
            "recipe": plain(self.recipe),
            "progress": [self.stage, self.epoch, self.done],
            "epoch_wins": self.epoch_wins,
            "history": self.history,
            "stopped": self.stopped,
            "best": self.best,
            "run": self.identity(),
            "arguments": self.arguments,
            "random": random_states(self.generator),
        }
        save_checkpoint(path, content)

    def restore(self, path: Path) -> None:
        """Go back to where a checkpoint was written.

        Raises:
            CheckpointError: if it is missing, damaged or of another run; it names what differs.
        """
        content = read_run(path)
        before, now = content["run"], self.identity()
        for key in before | now:
            if json.dumps(before.get(key)) != json.dumps(now.get(key)):
                raise CheckpointError(
                    f"{path} is of another run: its {key} was {before.get(key)}, "
                    f"here it is {now.get(key)}"
                )
        load_weights(self.layers, content, path)
        self.stage, self.epoch, self.done = content["progress"]
        self.epoch_wins, self.history = content["epoch_wins"], content["history"]
        self.stopped, self.best = content["stopped"], content["best"]
        self.generator.set_state(content["random"]["run"])


def _flat(values: Mapping[str, Any], where: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        inner = _flat(value, f"{where}{key}.") if isinstance(value, Mapping) else None
        flat |= inner if inner is not None else {f"{where}{key}": value}
    return flat


def checkpoint_file(path: str | Path) -> Path:
    """The checkpoint that `path` means: itself, or the latest of a run's folder."""
    path = Path(path)
    inside = path / "checkpoints"
    return (inside if inside.is_dir() else path) / "checkpoint_latest.pt" if path.is_dir() else path


def read_run(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint of `fit_layers`; `path` is one, or a run's folder.

    Raises:
        CheckpointError: if it is missing, damaged, or of another kind of training.
    """
    content = load_checkpoint(checkpoint_file(path))
    if content.get("kind") != "layerwise":
        raise CheckpointError(f"{path} is a checkpoint, but not of an STDP run")
    return content


def load_weights(layers: Mapping[str, ConvSTDP], content: dict[str, Any], path: object) -> None:
    """Weights, thresholds and wins of a checkpoint into its layers.

    Raises:
        CheckpointError: if they do not fit.
    """
    try:
        if set(layers) != set(content["layers"]):
            raise RuntimeError(f"it has the layers {', '.join(content['layers'])}")
        for name, layer in layers.items():
            layer.load_state_dict(content["layers"][name])
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"{path} does not fit these layers: {first}") from error


def fit_layers(
    run: LayerwiseRun,
    events: Events,
    *,
    output: str | Path | None = None,
    resume: str | Path | None = None,
    tensorboard: bool = False,
    log: Callable[[str], None] = print,
    on_epoch: Callable[[LayerwiseRun], None] | None = None,
) -> LayerwiseRun:
    """Learn all layers that `run` trains, each until one of its three stopping rules says so.

    One line an epoch: ``layer=conv2 epoch=3 C_l=0.0312 converged=0.42 wins=512 dead=2``; wins are
    the epoch's, dead the maps that had none in it.

    With `output`, every epoch leaves ``checkpoints/checkpoint_epoch{N}_{layer}.pt`` and
    ``checkpoint_latest.pt``; ``checkpoint_best.pt`` is the epoch of the lowest C_l of the layer
    that learns last; the end leaves ``metrics_final.json``. SIGINT and SIGTERM save between two
    stimuli; a second SIGINT stops at once.

    Args:
        run: what learns, and how; it is changed.
        events: the stimuli, as conv1 hears them.
        output: folder of the run.
        resume: a checkpoint or the folder of an earlier run, to go on from.
        tensorboard: also write TensorBoard events to ``output/events``, where it is installed.
        log: takes each line.
        on_epoch: ``on_epoch(run)`` after each epoch.

    Returns:
        `run`.

    Raises:
        ValueError: if there are no stimuli.
        CheckpointError: for a `resume` that is missing, damaged, or of another run.
        Interrupted: (a KeyboardInterrupt) after an interruption, when all is saved.
    """
    if not len(events):
        raise ValueError("fit_layers: there are no stimuli to learn from")
    run.data = {"stimuli": len(events), "events": len(events.times)}
    if resume is not None:
        run.restore(checkpoint_file(resume))
    folder = Path(output) if output is not None else None
    writer = tensorboard_writer(folder) if tensorboard and folder is not None else None
    if run.name is None:
        log("every layer has stopped already: there is nothing left to learn")
    with Interruption() as interruption, ExitStack() as at_end:
        if writer is not None:
            at_end.callback(writer.close)
        hears, at = events, None
        while (name := run.name) is not None:
            hears, at = run.layer_input(hears, name, at), name  # settled layers answer once
            while run.name == name:
                started = time.perf_counter()
                for order in run.chunks(hears):
                    run.learn(hears, order)
                    if interruption.requested and run.done < len(hears):
                        raise Interrupted(_save_interrupted(run, folder, len(hears)))
                record = run.end_epoch(time.perf_counter() - started)
                log(_line(record))
                _save_epoch(run, record, folder)
                if writer is not None:
                    for key in ("C_l", "converged", "wins", "dead"):
                        writer.add_scalar(f"{name}/{key}", record[key], record["epoch"])
                if on_epoch is not None:
                    on_epoch(run)
                if interruption.requested and run.name is not None:
                    raise Interrupted(_save_interrupted(run, folder, len(hears)))
            log(f"layer={name} stopped by {run.stopped[name]}")
    if folder is not None:
        run.save(folder / "checkpoints" / "checkpoint_latest.pt")  # also where no epoch was left
        write_json(folder / "metrics_final.json", run.metrics())
    return run


def _line(record: Mapping[str, Any]) -> str:
    return (
        f"layer={record['layer']} epoch={record['epoch']} C_l={record['C_l']:.4f} "
        f"converged={record['converged']:.2f} wins={record['wins']} dead={record['dead']}"
    )


def _save_epoch(run: LayerwiseRun, record: Mapping[str, Any], folder: Path | None) -> None:
    # A later layer's first epoch is better than any of an earlier one's: there the network grows.
    better = record["epoch"] == 1 or run.best is None or record["C_l"] < run.best
    run.best = record["C_l"] if better else run.best
    if folder is None:
        return
    best = ["checkpoint_best.pt"] if better else []
    own = f"checkpoint_epoch{record['epoch']}_{record['layer']}.pt"
    for name in [own, *best, "checkpoint_latest.pt"]:
        run.save(folder / "checkpoints" / name)


def _save_interrupted(run: LayerwiseRun, folder: Path | None, n: int) -> str:
    where = f"{run.name}, epoch {run.epoch + 1}, stimulus {run.done} of {n}"
    if folder is None:
        return f"interrupted after {where}; nothing saved, for no output folder was given"
    run.save(folder / "checkpoints" / "checkpoint_latest.pt")
    return f"interrupted after {where}; saved: resume with --resume {folder}"
