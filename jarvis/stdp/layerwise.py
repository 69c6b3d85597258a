"""Layer-wise learning: one layer learns by STDP until it has converged, then the next one learns.

The response of a converged layer to a stimulus no longer changes, so it is computed only once. A
run can be interrupted between two stimuli and resumes bit for bit.
"""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor

from jarvis.encoding.events import Events
from jarvis.stdp.conv import ConvSTDP
from jarvis.stdp.network import layer_input
from jarvis.stdp.order_rule import STDPLearner
from jarvis.stdp.recipe import Recipe, plain, restore_recipe
from jarvis.training.checkpoints import (
    CheckpointError,
    check_state,
    entry,
    load_checkpoint,
    number,
    reason,
)
from jarvis.training.loop import Hooks, train
from jarvis.training.run import History, Run, checkpoint_file

#: Number of stimuli between two checks for an interruption; it does not affect any result.
AT_ONCE = 200

#: Reasons for which a layer stops learning; see `STDPLearner.stop_reason`.
STOP_REASONS = ("C_l", "maps", "epochs")


class LayerwiseRun(Run):
    """A run that learns layer after layer.

    Args:
        layers: the layers by name, first to last; those that `recipe` does not train keep their
            weights.
        recipe: how the layers learn.
        seed: seed for the order of the stimuli and for the noise that revives dead maps.
        arguments: plain values, stored in checkpoints and metrics.

    Attributes:
        history: for each epoch: layer, epoch, C_l, converged, wins, dead, seconds.
        stopped: why each layer stopped learning: "C_l", "maps" or "epochs".
    """

    kind = "layerwise"
    folder = "checkpoints"

    def __init__(
        self,
        layers: Mapping[str, ConvSTDP],
        recipe: Recipe,
        seed: int = 42,
        arguments: dict[str, Any] | None = None,
    ) -> None:
        self.layers, self.recipe = dict(layers), recipe
        self.learning = [name for name in layers if name != "conv1" or recipe.train_conv1]
        longest = max((layers[name].stdp.max_epochs for name in self.learning), default=1)
        super().__init__(longest, AT_ONCE, seed, arguments)
        self.stage = 0  # number of finished layers
        self.epoch_wins = torch.zeros(0, dtype=torch.int64)  # wins of each map at epoch start
        self.stopped: dict[str, str] = {}
        self.best: float | None = None  # lowest C_l of the current layer
        self.events: Events | None = None
        self._seen: tuple[str | None, Events] | None = None  # the input of a layer, computed once

    @property
    def name(self) -> str | None:
        """The layer that is learning; None once all have learned."""
        return self.learning[self.stage] if self.stage < len(self.learning) else None

    @property
    def finished(self) -> bool:
        return self.name is None

    @property
    def n_samples(self) -> int:
        return 0 if self.events is None else len(self.events)

    def layer_input(self, events: Events, name: str, at: str | None = None) -> Events:
        """`jarvis.stdp.layer_input` for the layers of this run."""
        return layer_input(self.layers, self.recipe, events, name, at)

    def seen(self) -> Events:
        """The input of the current layer; the output of converged layers is computed once."""
        assert self.events is not None
        assert self.name is not None
        at, events = self._seen or (None, self.events)
        if at != self.name:
            self._seen = self.name, self.layer_input(events, self.name, at)
        assert self._seen is not None
        return self._seen[1]

    def shuffle_key(self) -> int:
        return (self.seed * 1_000_003 + self.stage) * 1_000_003 + self.epoch

    def learn(self, index: Tensor) -> float:
        """Learn from the stimuli at `index`; return NaN, since there is no loss."""
        assert self.name is not None
        layer = self.layers[self.name]
        if self.done == 0:
            self.epoch_wins = layer.wins.clone()
        layer.learn(self.seen(), index, self.generator)
        return math.nan

    def end_epoch(self) -> dict[str, Any]:
        """End the epoch and return its record; the layer is finished if a stopping rule applies."""
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
        }
        reason = learner.stop_reason(layer.weight, self.epoch)
        if reason is not None:
            self.stopped[name] = reason
            self.stage, self.epoch = self.stage + 1, 0
        return record

    def record(self, metrics: dict[str, Any]) -> bool:
        self.history.epochs.append(metrics)
        # The first epoch of a layer counts as better than all epochs of earlier layers.
        better = metrics["epoch"] == 1 or self.best is None or metrics["C_l"] < self.best
        self.best = metrics["C_l"] if better else self.best
        return better

    def line(self, metrics: Mapping[str, Any]) -> str:
        line = (
            f"layer={metrics['layer']} epoch={metrics['epoch']} C_l={metrics['C_l']:.4f} "
            f"converged={metrics['converged']:.2f} wins={metrics['wins']} dead={metrics['dead']}"
        )
        if metrics["layer"] == self.name:
            return line
        return f"{line}\nlayer={metrics['layer']} stopped by {self.stopped[metrics['layer']]}"

    def scalars(self, metrics: Mapping[str, Any]) -> tuple[dict[str, float], int]:
        names = ("C_l", "converged", "wins", "dead")
        return {f"{metrics['layer']}/{name}": metrics[name] for name in names}, metrics["epoch"]

    def files(self, better: bool, metrics: Mapping[str, Any]) -> list[str]:
        own = f"checkpoint_epoch{metrics['epoch']}_{metrics['layer']}.pt"
        return [own, *super().files(better, metrics)]

    def where(self) -> str:
        return f"{self.name}, epoch {self.epoch + 1}, stimulus {self.done} of {self.n_samples}"

    def summary(self) -> dict[str, Any]:
        """A dict for JSON: statistics of every layer, the epochs, the recipe and the arguments."""
        layers = {}
        for name, layer in self.layers.items():
            weight = layer.weight.double()
            layers[name] = {
                "learnt": name in self.learning,
                "epochs": sum(epoch["layer"] == name for epoch in self.history.epochs),
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
            "epochs": self.history.epochs,
            "recipe": plain(self.recipe),
            "arguments": self.arguments,
        }

    def identity(self) -> dict[str, Any]:
        recipe = plain(self.recipe)
        del recipe["segment"]  # not part of learning
        for layer in recipe.values():  # a resumed run may have more epochs
            if isinstance(layer, dict) and "stdp" in layer:
                del layer["stdp"]["max_epochs"]
        same = super().identity() | recipe
        if self.events is not None:
            same |= {"stimuli": len(self.events), "events": len(self.events.times)}
        return same

    def state(self) -> dict[str, Any]:
        return {
            "layers": {name: layer.state_dict() for name, layer in self.layers.items()},
            "recipe": plain(self.recipe),
            "stage": self.stage,
            "epoch_wins": self.epoch_wins,
            "stopped": self.stopped,
            "best": self.best,
        }

    def load_state(self, content: dict[str, Any], path: Path) -> list[str]:
        last = len(self.learning)
        stage = number(content, "stage", path, at_most=last)
        wins = entry(content, "epoch_wins", Tensor, path)
        stopped = entry(content, "stopped", dict, path)
        best = content.get("best")
        maps = self.layers[self.learning[stage]].wins if stage < last else wins
        if wins.dtype != torch.int64 or wins.dim() != 1 or len(wins) not in (0, len(maps)):
            raise CheckpointError(f"{path} cannot be resumed: its epoch_wins do not fit the layer")
        if stopped.keys() != set(self.learning[:stage]) or set(stopped.values()) - set(
            STOP_REASONS
        ):
            raise CheckpointError(f"{path} cannot be resumed: its stopped layers do not fit")
        if best is not None and not (isinstance(best, float) and math.isfinite(best)):
            raise CheckpointError(f"{path} cannot be resumed: its best C_l is {best}")
        for epoch in content["history"]["epochs"]:
            if epoch["layer"] not in self.learning[: stage + 1]:
                raise CheckpointError(f"{path} cannot be resumed: its epochs are of other layers")
        load_weights(self.layers, content, path)
        self.stage, self.epoch_wins = stage, wins
        self.stopped, self.best = stopped, best
        self._seen = None
        return []

    def epochs_recorded(self, history: History) -> int:
        return sum(epoch["layer"] == self.name for epoch in history.epochs)


def read_run(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint of `fit_layers`; `path` is the file or the folder of a run.

    Raises:
        CheckpointError: if the checkpoint is missing, damaged, or of another kind of training.
    """
    content = load_checkpoint(checkpoint_file(path))
    if content.get("kind") != "layerwise":
        raise CheckpointError(f"{path} is a checkpoint, but not of an STDP run")
    layers = entry(content, "layers", dict, path)
    entry(content, "arguments", dict, path)
    try:
        recipe = restore_recipe(entry(content, "recipe", dict, path))
    except CheckpointError:
        raise
    except Exception as error:  # the file may contain anything
        raise CheckpointError(
            f"{path} was not written by this version of jarvis: its recipe has {reason(error)}"
        ) from error
    if layers.keys() != recipe.layers.keys():
        raise CheckpointError(f"{path} has other layers than its recipe")
    for name, state in layers.items():
        weight = state.get("weight") if isinstance(state, dict) else None
        if not isinstance(weight, Tensor) or weight.dim() != 4:
            raise CheckpointError(f"{path} cannot be used: {name} has no weights [maps, C, k, k]")
    return content


def load_weights(layers: Mapping[str, ConvSTDP], content: dict[str, Any], path: object) -> None:
    """Load the weights, thresholds and wins of a checkpoint into the layers.

    Raises:
        CheckpointError: if they do not fit; in this case nothing is loaded.
    """
    states = entry(content, "layers", dict, path)
    if set(layers) != set(states):
        raise CheckpointError(
            f"{path} does not fit these layers: it has the layers {', '.join(map(str, states))}"
        )
    for name, layer in layers.items():
        state = check_state(states[name], layer.state_dict(), path, name)
        if any(bool((state[key] < 0).any()) for key in ("thresholds", "wins", "recent", "n_seen")):
            raise CheckpointError(f"{path} cannot be used: {name} has negative thresholds or wins")
    for name, layer in layers.items():
        try:
            layer.load_state_dict(states[name])
        except RuntimeError as error:
            raise CheckpointError(f"{path} does not fit these layers: {reason(error)}") from error


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
    """Train all layers that `run` trains, each until one of its three stopping rules applies.

    Each epoch logs a line such as ``layer=conv2 epoch=3 C_l=0.0312 converged=0.42 wins=512
    dead=2``: wins are counted in this epoch, and dead is the number of maps without a win in it.

    With `output`, every epoch writes ``checkpoints/checkpoint_epoch{N}_{layer}.pt`` and
    ``checkpoint_latest.pt``. ``checkpoint_best.pt`` holds the epoch with the lowest C_l of the
    layer that learned last, and ``metrics_final.json`` is written at the end. If the run is
    interrupted, it is saved between two stimuli, and `resume` continues from there; see
    `jarvis.training.train`.

    Args:
        run: the layers and how they learn; modified in place.
        events: the stimuli, as conv1 receives them.
        output: folder of the run.
        resume: a checkpoint, or the folder of an earlier run, to continue from.
        tensorboard: also write TensorBoard events to ``output/events``, if TensorBoard is
            installed.
        log: called with each line.
        on_epoch: called as ``on_epoch(run)`` after each epoch.

    Returns:
        `run`.

    Raises:
        ValueError: if there are no stimuli.
        CheckpointError: if `resume` is missing, damaged, or belongs to another run.
        Interrupted: (a KeyboardInterrupt) after an interruption, once everything is saved.
    """
    if not len(events):
        raise ValueError("fit_layers: there are no stimuli to learn from")
    run.events = events

    class Notes(Hooks):
        def start(self, run: Run) -> None:
            if run.finished:
                log("every layer has stopped already: there is nothing left to learn")
                if output is not None:  # no further epoch would save it
                    run.save_to(Path(output))

        def saved(self, run: Run, metrics: dict[str, Any]) -> None:
            if on_epoch is not None:
                on_epoch(cast(LayerwiseRun, run))

    train(
        run,
        Notes(),
        output=output,
        resume=resume,
        tensorboard=tensorboard,
        progress=False,
        log=log,
    )
    return run
