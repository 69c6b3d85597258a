"""Learn to classify by reward-modulated STDP, on features learned by train_spikeseg.py.

python demos/train_spikeseg.py --dataset mnist --name mnist
python demos/train_reward.py runs/mnist
"""

import math
import time
from dataclasses import replace
from pathlib import Path

import torch

import cli
from jarvis.stdp import (
    LAYERS,
    RewardRates,
    RewardSTDP,
    layer_output,
    load_stimuli,
    load_weights,
    make_layers,
    restore_recipe,
)
from jarvis.support.files import write_json
from jarvis.training import Run, checkpoint_file, load_checkpoint, train
from jarvis.training.checkpoints import check_state, number

AT_ONCE = 5000  # stimuli between two checks for an interruption


def make_parser() -> cli.Parser:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add(
        "run",
        type=cli.path,
        help="folder or checkpoint of a run of train_spikeseg.py; its layers stay fixed",
    )
    add(
        "--layer",
        choices=LAYERS,
        default="conv2",
        help="layer that provides the input, after pooling",
    )
    add("--epochs", type=cli.positive_int, default=14, help="how often each stimulus is shown")
    add("--maps", type=cli.positive_int, default=40, help="neurons per class")
    add(
        "--rate",
        type=cli.positive_float,
        default=0.002,
        help="increase of a weight after a right decision; the other changes are proportional to "
        "it (0.75, 1 and 0.125 times as large)",
    )
    add(
        "--dropout",
        type=cli.share,
        default=0.5,
        help="fraction of neurons that are inactive, drawn anew for each stimulus",
    )
    add(
        "--shuffle-labels",
        action="store_true",
        help="control: reward by labels that are shuffled among the training stimuli",
    )
    add("--limit", type=cli.positive_int, default=None, help="largest number of stimuli per split")
    add("--seed", type=cli.seed, default=42, help="seed of all random numbers")
    add(
        "--output",
        type=cli.path,
        metavar="DIR",
        default=None,
        help="folder for checkpoint and metrics_final.json; by default the folder of --resume",
    )
    cli.add_force(parser)
    add(
        "--resume",
        type=cli.path,
        metavar="PATH",
        default=None,
        help="resume from the --output of a run",
    )
    return parser


class Splits:
    """The output of the fixed layers for the training, validation and test stimuli."""

    def __init__(self, run: str, layer: str, limit: int | None) -> None:
        content = cli.read_stdp_run(run)
        recipe = restore_recipe(content["recipe"])
        name, folder = content["arguments"]["dataset"], content["arguments"]["data_folder"]
        layers, self.events, self.targets = None, {}, {}
        for split in ("train", "val", "test"):
            stimuli = load_stimuli(name, split, recipe, folder=folder, limit=limit)
            if stimuli.targets is None:
                raise cli.UsageError(f"{run} was trained on {name}, which has no classes")
            if layers is None:
                with cli.usage():
                    layers = make_layers(recipe, stimuli.events.shape[0])
                load_weights(layers, content, run)
                self.n_classes, self.source = stimuli.n_classes, stimuli.source
            if layer not in layers:
                raise cli.UsageError(f"--layer {layer}: the network has {', '.join(layers)}")
            sent = layer_output(layers, recipe, stimuli.events, layer)
            # Each position becomes a channel, so that each neuron sees the whole field.
            self.events[split] = replace(sent, shape=(sent.n_units, 1, 1))
            self.targets[split] = stimuli.targets

    def accuracy(self, layer: RewardSTDP, split: str) -> float:
        right = layer.decide(self.events[split]) == self.targets[split]
        return right.double().mean().item()


class RewardRun(Run):
    """A run in which the layer learns from reward, one stimulus after another."""

    kind = "reward"

    def __init__(self, layer: RewardSTDP, splits: Splits, args, generator: torch.Generator) -> None:
        names = ["layer", "maps", "rate", "dropout", "limit", "seed"]
        names += ["shuffle_labels"] if args.shuffle_labels else []  # unknown to older runs
        super().__init__(
            args.epochs, AT_ONCE, args.seed, {name: getattr(args, name) for name in names}
        )
        self.layer, self.splits, self.generator = layer, splits, generator
        self.events, self.targets = splits.events["train"], splits.targets["train"]
        if args.shuffle_labels:
            of_labels = torch.Generator().manual_seed(args.seed)
            self.targets = self.targets[torch.randperm(len(self.targets), generator=of_labels)]
        self.right = 0  # number of right decisions in this epoch

    @property
    def n_samples(self) -> int:
        return len(self.events)

    def learn(self, index: torch.Tensor) -> float:
        decided = self.layer.learn_rewarded(self.events, self.targets, index, self.generator)
        self.right += int((decided == self.targets[index]).sum())
        return math.nan

    def end_epoch(self) -> dict:
        metrics = {"train_acc": self.right / self.n_samples}
        self.epoch, self.done, self.right = self.epoch + 1, 0, 0
        return metrics | {"val_acc": self.splits.accuracy(self.layer, "val")}

    def line(self, metrics) -> str:
        accuracies = (f"{name}={metrics[name]:.4f}" for name in ("train_acc", "val_acc"))
        return " ".join([f"epoch={self.epoch}", *accuracies])

    def identity(self) -> dict:
        data = {"stimuli": len(self.events), "events": len(self.events.times)}
        return super().identity() | data

    def state(self) -> dict:
        return {"layer": self.layer.state_dict(), "right": self.right}

    def load_state(self, content: dict, path: Path) -> list[str]:
        right = number(content, "right", path, at_most=self.n_samples)
        self.layer.load_state_dict(
            check_state(content.get("layer"), self.layer.state_dict(), path, "layer")
        )
        self.right = right
        return []


def main(args) -> None:
    where = args.output or args.resume
    folder = None if where is None else Path(where)
    if args.output is None and folder is not None and folder.is_file():
        folder = folder.parent
    if args.resume is not None:
        load_checkpoint(checkpoint_file(args.resume))  # before the run, not after it
    with cli.output_folder(folder, args.resume, args.force):
        _train(args, folder)


def _train(args, folder: Path | None) -> None:
    splits = Splits(args.run, args.layer, args.limit)
    events = splits.events["train"]
    print(f"{events!r}: {splits.source}")
    rates = RewardRates(args.rate, 0.75 * args.rate, args.rate, 0.125 * args.rate)
    generator = torch.Generator().manual_seed(args.seed)
    cli.check_memory(
        12.0 * args.maps * splits.n_classes * events.n_units, torch.device("cpu"),
        f"--maps {args.maps}",
    )  # fmt: skip
    with cli.usage():
        layer = RewardSTDP(
            events.n_units, splits.n_classes, args.maps, 1, rates, dropout=args.dropout,
            generator=generator,
        )  # fmt: skip
    run = RewardRun(layer, splits, args, generator)
    started = time.perf_counter()
    train(run, output=folder, resume=args.resume, progress=False)
    test = splits.accuracy(layer, "test")
    print(f"test_acc={test:.4f} after {run.epoch} epochs, decided by the layer itself, "
          f"without a classifier ({time.perf_counter() - started:.1f} s)")  # fmt: skip
    if folder is not None:
        write_json(folder / "metrics_final.json", {"test_acc": test} | run.summary())


if __name__ == "__main__":
    cli.run(make_parser(), main)
