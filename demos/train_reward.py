"""Decide by spikes: reward-modulated STDP on the features of a run of train_spikeseg.py.

python demos/train_spikeseg.py --dataset mnist --name mnist
python demos/train_reward.py runs/mnist
"""

import time
from dataclasses import replace
from pathlib import Path

import torch

import cli
from jarvis import Events
from jarvis.stdp import (
    LAYERS,
    RewardRates,
    RewardSTDP,
    layer_output,
    load_stimuli,
    load_weights,
    make_layers,
    read_run,
    restore_recipe,
)
from jarvis.support.files import write_json
from jarvis.training import (
    CheckpointError,
    Interrupted,
    Interruption,
    load_checkpoint,
    save_checkpoint,
)

AT_ONCE = 5000  # stimuli between two looks at whether to stop


def make_parser() -> cli.Parser:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("run", help="folder or checkpoint of a run of train_spikeseg.py, whose layers stay fixed")
    add("--layer", choices=LAYERS, default="conv2", help="whose spikes it hears, after pooling")
    add("--epochs", type=cli.positive_int, default=14, help="times that each stimulus is shown")
    add("--maps", type=cli.positive_int, default=40, help="neurons that speak for each class")
    add("--rate", type=cli.positive_float, default=0.002,
        help="step up of a weight after a right decision; the other steps are in proportion "
        "(0.75, 1 and 0.125 of it)")  # fmt: skip
    add("--dropout", type=float, default=0.5,
        help="share of the neurons that take no part, drawn anew for each stimulus")  # fmt: skip
    add("--limit", type=cli.positive_int, default=None, help="at most so many stimuli of a split")
    add("--seed", type=int, default=42, help="of first weights, order of stimuli and dropout")
    add("--output", metavar="DIR", default=None,
        help="folder for checkpoint and metrics_final.json, or that of --resume")  # fmt: skip
    add("--resume", metavar="PATH", default=None, help="go on from the --output of a run")
    return parser


class Splits:
    """What the fixed layers send on of the training, validation and test stimuli."""

    def __init__(self, run: str, layer: str, limit: int | None) -> None:
        content = read_run(run)
        recipe = restore_recipe(content["recipe"])
        name, folder = content["arguments"]["dataset"], content["arguments"]["data_folder"]
        layers, self.events, self.targets = None, {}, {}
        for split in ("train", "val", "test"):
            stimuli = load_stimuli(name, split, recipe, folder=folder, limit=limit)
            if stimuli.targets is None:
                raise cli.UsageError(f"{run} was trained on {name}, which has no classes to decide")
            if layers is None:
                layers = make_layers(recipe, stimuli.events.shape[0])
                load_weights(layers, content, run)
                self.n_classes, self.source = stimuli.n_classes, stimuli.source
            sent = layer_output(layers, recipe, stimuli.events, layer)
            # Each place a channel of its own: a neuron sees the whole field, at one place.
            self.events[split] = replace(sent, shape=(sent.n_units, 1, 1))
            self.targets[split] = stimuli.targets

    def accuracy(self, layer: RewardSTDP, split: str) -> float:
        right = layer.decide(self.events[split]) == self.targets[split]
        return right.double().mean().item()


def _order(n: int, seed: int, epoch: int) -> torch.Tensor:
    shuffle = torch.Generator().manual_seed((seed * 1_000_003 + epoch) % (1 << 63))
    return torch.randperm(n, generator=shuffle)


def learn_epoch(
    layer: RewardSTDP, events: Events, targets: torch.Tensor, order: torch.Tensor,
    generator: torch.Generator, interruption: Interruption,
) -> float | None:  # fmt: skip
    """Share of right decisions while learning; None if it was interrupted."""
    right = 0
    for part in order.split(AT_ONCE):
        decided = layer.learn_rewarded(events, targets, part, generator)
        right += int((decided == targets[part]).sum())
        if interruption.requested:
            return None
    return right / len(order)


def main(args) -> None:
    if not 0 <= args.dropout < 1:
        raise cli.UsageError(f"--dropout {args.dropout:g} must lie in [0, 1)")
    splits = Splits(args.run, args.layer, args.limit)
    events, targets = splits.events["train"], splits.targets["train"]
    print(f"{events!r}: {splits.source}")
    rates = RewardRates(args.rate, 0.75 * args.rate, args.rate, 0.125 * args.rate)
    generator = torch.Generator().manual_seed(args.seed)
    layer = RewardSTDP(
        events.n_units, splits.n_classes, args.maps, 1, rates, dropout=args.dropout,
        generator=generator,
    )  # fmt: skip
    asked = {
        key: getattr(args, key) for key in ("layer", "maps", "rate", "dropout", "limit", "seed")
    }
    asked["stimuli"], asked["events"] = len(events), len(events.times)
    history: list[dict] = []
    if args.resume is not None:
        content = load_checkpoint(args.resume)
        if content.get("kind") != "reward" or content["asked"] != asked:
            raise CheckpointError(f"{args.resume} is of another run: {content.get('asked')}")
        layer.load_state_dict(content["layer"])
        generator.set_state(content["generator"])
        history = content["history"]
    where = args.output or args.resume
    folder = None if where is None else Path(where)
    if args.output is None and folder is not None and folder.is_file():
        folder = folder.parent

    def save() -> None:
        if folder is not None:
            content = {"kind": "reward", "asked": asked, "layer": layer.state_dict()}
            content |= {"generator": generator.get_state(), "history": history}
            save_checkpoint(folder / "checkpoint_latest.pt", content)

    started = time.perf_counter()
    with Interruption() as interruption:
        for epoch in range(len(history), args.epochs):
            order = _order(len(events), args.seed, epoch)
            right = learn_epoch(layer, events, targets, order, generator, interruption)
            if right is None:  # the checkpoint holds the end of the epoch before
                where = f"resume with --resume {folder}" if history and folder else "nothing saved"
                raise Interrupted(f"interrupted in epoch {epoch + 1}: {where}")
            record = {"epoch": epoch + 1, "train_acc": right,
                      "val_acc": splits.accuracy(layer, "val")}  # fmt: skip
            history.append(record)
            print(" ".join(f"{key}={value:.4f}" if key != "epoch" else f"{key}={value}"
                           for key, value in record.items()))  # fmt: skip
            save()
    test = splits.accuracy(layer, "test")
    print(f"test_acc={test:.4f} after {len(history)} epochs, no classifier but the layer's own "
          f"decision ({time.perf_counter() - started:.1f} s)")  # fmt: skip
    if folder is not None:
        write_json(folder / "metrics_final.json",
                   {"test_acc": test, "epochs": history, "arguments": asked})  # fmt: skip


if __name__ == "__main__":
    cli.run(make_parser(), main)
