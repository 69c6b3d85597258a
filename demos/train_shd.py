"""Train a network with a learned delay at each synapse on spoken digits, by surrogate gradients.

python demos/train_shd.py --output runs/shd
python demos/train_shd.py --output runs/shd_final --final

The first command holds out two speakers for choosing hyper-parameters. The second learns from all
training words and tests the network once, at the end. The input is the number of events in each bin
of channels and time. Two layers of neurons follow, with delays before, between and after them.
"""

import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import cli
from jarvis import count_operations, evaluate, plotting, seeded
from jarvis.datasets import Augmentation, SpokenDigits
from jarvis.lif import LIFLayer
from jarvis.networks import DelayedNetwork, count_parameters
from jarvis.networks.costs import Operations
from jarvis.networks.delayed import DELAYS
from jarvis.support.files import write_json
from jarvis.surrogate import SurrogateSpike
from jarvis.training import Hooks, distributed, train
from jarvis.training.run import GradientRun, Run
from jarvis.zoo import hidden_layer, trainable
from words import DURATIONS, add_options, in_steps, spoken_digits

CHANNELS = 700
#: How the number of events in a bin is transformed.
INPUTS = {"counts": lambda n: n, "log": torch.log1p, "binary": lambda n: n.clamp_max(1.0)}
#: Number of words, spread over a set, on which operations are counted.
COUNTED = 256
#: Share of the training after which the smoothing has ended, so that delays are exact.
SMOOTHED = 0.6
#: Standard deviation, in steps, below which the smoothing ends.
NARROWEST = 0.25


def make_parser() -> cli.Parser:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument_group("network").add_argument
    add(
        "--hidden",
        type=cli.positive_int,
        nargs="+",
        default=[240, 240],
        metavar="N",
        help="neurons of each hidden layer",
    )
    add(
        "--delays",
        choices=DELAYS,
        default="learned",
        help="delays of synapses: learned, frozen at random values, or none",
    )
    add(
        "--max-delay",
        type=cli.not_negative_float,
        default=250.0,
        metavar="MS",
        help="longest delay of a synapse, ms",
    )
    add(
        "--neuron",
        choices=trainable(),
        default="lif",
        help="kind of the hidden neurons; kinds other than lif have the parameters in jarvis.zoo",
    )
    add(
        "--tau",
        type=cli.positive_float,
        default=10.0,
        metavar="MS",
        help="membrane time constant of LIF neurons, ms",
    )
    add(
        "--adaptation",
        type=cli.not_negative_float,
        default=0.0,
        metavar="A",
        help="increase of the threshold of LIF neurons per spike; 0: none",
    )
    add(
        "--tau-adapt",
        type=cli.positive_float,
        default=100.0,
        metavar="MS",
        help="time constant with which the increased threshold decays, ms",
    )

    add = parser.add_argument_group("learning").add_argument
    add("--epochs", type=cli.positive_int, default=100, help="passes over the training words")
    add(
        "--batch-size",
        type=cli.positive_int,
        default=128,
        help="words per step, over all processes",
    )
    add(
        "--lr",
        type=cli.positive_float,
        default=5e-3,
        help="peak learning rate of weights; it rises for a fifth of the training, then falls",
    )
    add(
        "--delay-lr",
        type=cli.positive_float,
        default=1.2,
        metavar="MS",
        help="peak learning rate of delays, ms; it rises and falls like --lr",
    )
    add(
        "--smoothing",
        type=cli.not_negative_float,
        default=80.0,
        metavar="MS",
        help="initial standard deviation of the smoothing of synapses in time, ms; it lets the "
        "gradients of delays reach further, and falls to 0; until then, val_acc is measured with "
        "smoothing as well",
    )
    add(
        "--smooth-frozen",
        action="store_true",
        help="with --delays frozen: smooth the synapses as if their delays were learned",
    )
    add(
        "--dropout",
        type=cli.share,
        default=0.3,
        metavar="P",
        help="dropout: share of the neurons that are left out",
    )
    add(
        "--weight-decay",
        type=cli.not_negative_float,
        default=0.0,
        help="weight decay of AdamW",
    )

    add = parser.add_argument_group("data").add_argument
    add_options(add)
    add("--limit", type=cli.positive_int, metavar="N", help="use only the first N training words")
    add(
        "--limit-test",
        type=cli.positive_int,
        metavar="N",
        help="evaluate on only the first N words",
    )
    add(
        "--duration",
        type=cli.positive_float,
        metavar="MS",
        help="how much of each word is used, ms; by default 1000 for SHD, 600 for generated words",
    )
    add("--dt", type=cli.positive_float, default=10.0, metavar="MS", help="time step, ms")
    add(
        "--pool",
        type=cli.positive_int,
        default=5,
        metavar="N",
        help="channels whose events are counted together; a divisor of 700",
    )
    add(
        "--input",
        choices=INPUTS,
        default="log",
        help="input of a bin with n events: n, log(1 + n), or 1 if there is any event",
    )
    add(
        "--equalise",
        type=cli.share,
        default=0.5,
        metavar="P",
        help="divide each input by the P-th power of its standard deviation over the training "
        "words",
    )
    add(
        "--shift-channels",
        type=cli.not_negative_int,
        default=20,
        metavar="N",
        help="shift each training word by up to N channels up or down, at random each time",
    )
    add(
        "--jitter-channels",
        type=cli.not_negative_float,
        default=5.0,
        metavar="N",
        help="shift each event of a training word independently, with a standard deviation of N "
        "channels",
    )
    add(
        "--warp",
        type=cli.share,
        default=0.1,
        metavar="W",
        help="stretch the channels of each training word about the middle channel by a factor "
        "from 1 - W to 1 + W",
    )
    add(
        "--stretch",
        type=cli.share,
        default=0.15,
        metavar="S",
        help="stretch each training word in time by a factor from 1 - S to 1 + S",
    )
    add(
        "--blend",
        type=cli.share,
        default=0.0,
        metavar="P",
        help="probability that a training word is mixed with another word of its class",
    )
    cli.add_run_options(parser)
    return parser


class WordRun(GradientRun):
    """A run of a `DelayedNetwork` on binned spoken digits; the smoothing of its delays narrows.

    Args:
        model: the network.
        words: the training words, in steps.
        augmentation: random changes of the words, drawn anew each time.
        smoothing: initial standard deviation of the smoothing, ms.
        **options: options of `GradientRun`.
    """

    kind = "words"

    def __init__(
        self,
        model: DelayedNetwork,
        words: SpokenDigits,
        *,
        augmentation: Augmentation,
        smoothing: float,
        **options: Any,
    ) -> None:
        super().__init__(model, words, **options)
        self.network = model
        self.augmentation, self.smoothing = augmentation, smoothing
        self.generator = torch.Generator().manual_seed(self.seed)  # words are augmented on the CPU

    def smoothing_now(self) -> float:
        """Standard deviation of the smoothing, ms: it falls exponentially and ends at 0."""
        progress = self.steps_done / (self.epochs * self.batches_per_epoch)
        least = NARROWEST * self.network.synapses[0].dt
        if progress >= SMOOTHED or self.smoothing <= least:
            return 0.0
        return self.smoothing * (least / self.smoothing) ** (progress / SMOOTHED)

    def learn(self, index: Tensor) -> float:
        self.network.smoothing = self.smoothing_now()
        return super().learn(index)

    def forward(self, index: Tensor, part: slice) -> tuple[Tensor, dict[str, float]]:
        events, labels = self.train_set.batch(index, self.augmentation, self.generator)
        x = self.encode(events, self.generator)[:, part].to(self.device)
        labels = labels[part].to(self.device)
        loss, scores = self.objective(self.trained, x, labels)
        return loss, {"acc": int((scores.argmax(1) == labels).sum())}

    def line(self, metrics: Mapping[str, Any]) -> str:
        names = ("loss", "train_acc", "val_acc")
        shown = [f"{name}={metrics[name]:.4f}" for name in names if name in metrics]
        return " ".join([f"epoch={self.epoch}", *shown, f"smoothing={self.network.smoothing:.1f}"])

    def identity(self) -> dict[str, Any]:
        return super().identity() | {"augmentation": repr(self.augmentation)}


def make_network(args, n_in: int, n_classes: int) -> DelayedNetwork:
    def neurons(n: int) -> nn.Module:
        if args.neuron != "lif":
            return hidden_layer(args.neuron)
        return LIFLayer(
            tau=args.tau,
            dt=args.dt,
            adaptation=args.adaptation,
            tau_adapt=args.tau_adapt,
            surrogate=SurrogateSpike("arctan"),
        )

    return DelayedNetwork(
        (n_in, *args.hidden, n_classes), args.max_delay, args.dt,
        neurons=neurons, delays=args.delays, dropout=args.dropout, seed=args.seed,
    )  # fmt: skip


def spread_of(words: SpokenDigits, encode) -> Tensor:
    """The standard deviation of each input over all words and steps ``[n_in]``."""
    n, total, squares = 0, torch.tensor(0.0), torch.tensor(0.0)
    for index in torch.arange(len(words)).split(512):
        x = encode(words[index][0], torch.default_generator).double()
        n += x.shape[0] * x.shape[1]
        total, squares = total + x.sum((0, 1)), squares + x.square().sum((0, 1))
    return (squares / n - (total / n).square()).clamp_min(0.0).sqrt().float()


def make_optimizer(network: DelayedNetwork, args) -> torch.optim.Optimizer:
    """AdamW with a separate learning rate for delays, which are in ms."""
    delays = [p for n, p in network.named_parameters() if n.endswith(".delays")]
    learned = [p for p in delays if p.requires_grad]
    others = [p for n, p in network.named_parameters() if not n.endswith(".delays")]
    groups: list[dict[str, Any]] = [{"params": others, "weight_decay": args.weight_decay}]
    if learned:
        groups.append({"params": learned, "lr": args.delay_lr, "weight_decay": 0.0})
    return torch.optim.AdamW(groups, lr=args.lr)


def one_cycle(step: int, n_steps: int, rise: float = 0.2) -> float:
    """Factor of the learning rates: a cosine rise from 1/25 to 1, then a cosine fall to 0.

    Source: Smith & Topin 2019, Proc. SPIE 11006 (super-convergence).
    """
    share = step / n_steps
    if share < rise:
        return 1.0 / 25 + (1.0 - 1.0 / 25) * 0.5 * (1.0 - math.cos(math.pi * share / rise))
    return 0.5 * (1.0 + math.cos(math.pi * (share - rise) / (1.0 - rise)))


def main(args) -> None:
    device = cli.device(args)
    if CHANNELS % args.pool:
        raise cli.UsageError(f"--pool {args.pool}: it must divide {CHANNELS}")
    if args.smooth_frozen and args.delays != "frozen":
        raise cli.UsageError("--smooth-frozen needs --delays frozen")
    distributed.start(device)
    with cli.output_folder(args.output, args.resume, args.force):
        _train(args, device)


def augmentation(args) -> Augmentation:
    """The random changes of the training words."""
    return Augmentation(
        args.shift_channels,
        stretch=args.stretch,
        blend=args.blend,
        channel_jitter=args.jitter_channels,
        warp=args.warp,
    )


def duration(args) -> float:
    """How much of each word of a data set is used, ms."""
    return args.duration or min(1000.0, DURATIONS[args.dataset])


def _load(args) -> tuple[SpokenDigits, SpokenDigits | None, SpokenDigits | None]:
    args.dataset, *parts = spoken_digits(args.dataset, final=args.final)
    args.duration = duration(args)
    steps = max(1, round(args.duration / args.dt))
    sizes = [CHANNELS // args.pool, *args.hidden]
    cli.check_memory(
        4.0 * max(
            5 * sum(sizes) * max(args.batch_size, 256) * (steps + args.max_delay / args.dt),
            10 * sum(a * b for a, b in pairwise(sizes)),
        ),
        torch.device("cpu"),
        f"--hidden {' '.join(map(str, args.hidden))}",
        f"--dt {args.dt:g}",
        f"--batch-size {args.batch_size}",
    )  # fmt: skip
    limits = (args.limit, args.limit_test, args.limit_test)
    pairs = zip(parts, limits, strict=True)
    return tuple(in_steps(words, args.dt, args.duration, n) for words, n in pairs)  # type: ignore[return-value]


def _train(args, device: torch.device) -> None:
    def encode(events, generator: torch.Generator) -> Tensor:
        return INPUTS[args.input](events.frames(args.pool))

    with cli.usage():
        words, val, test = _load(args)
        print(repr(words))
        with seeded(args.seed):
            network = make_network(args, CHANNELS // args.pool, words.n_classes).to(device)
        network.equalise_(spread_of(words, encode).to(device), args.equalise)
        run = WordRun(
            network,
            words,
            augmentation=augmentation(args),
            encode=encode,
            smoothing=args.smoothing if args.delays == "learned" or args.smooth_frozen else 0.0,
            optimizer=make_optimizer(network, args),
            schedule=one_cycle,
            epochs=args.epochs,
            batch_size=args.batch_size,
            seed=args.seed,
            # without the option, as in old runs, which did not have it and can still be resumed
            arguments=cli.plain(args, *([] if args.smooth_frozen else ["smooth_frozen"])),
        )
    n_parameters = sum(count_parameters(network).values())
    print(f"parameters={n_parameters}")

    class Measured(Hooks):
        def measure(self, run: Run) -> dict[str, float]:
            if val is None:
                return {}
            result = evaluate(network, val, encode, shared=True)
            return {"val_loss": result["loss"], "val_acc": result["acc"]}

    train(run, Measured(), output=args.output, resume=args.resume)
    report(args, run, {"train": words, "val": val, "test": test}, encode)


def stored_values(network: DelayedNetwork) -> int:
    """Number of values of a network: the parameters that learn, and the frozen delays."""
    frozen = [s.delays for s in network.synapses if s.max_delay and not s.delays.requires_grad]
    return sum(count_parameters(network).values()) + sum(d.numel() for d in frozen)


def counted(n: int) -> Tensor:
    """Which of n words operations are counted on: the first ones may not be typical of a set.

    Example:
        >>> index = counted(2290)
        >>> len(index), index[:4].tolist(), index[-1].item()
        (256, [0, 8, 17, 26], 2281)
    """
    some = min(COUNTED, n)
    return torch.arange(some) * n // some


def report(args, run: WordRun, sets: dict[str, SpokenDigits | None], encode) -> None:
    """Print the accuracy and cost of the trained network; write them to metrics_final.json."""
    network, history = run.network, run.history
    network.smoothing = 0.0
    result: dict[str, Any] = run.summary() | {
        "data": {name: words.source for name, words in sets.items() if words is not None},
        "parameters": sum(count_parameters(network).values()),
        "stored": stored_values(network),
        "threads": torch.get_num_threads(),
    }
    for name, words in sets.items():
        if words is None:
            continue
        measured = evaluate(network, words, encode, shared=True)
        some = encode(words[counted(len(words))][0], run.generator)
        counts = Operations.total(count_operations(network, some).values()).mean()
        result[name] = {"acc": measured["acc"], "loss": measured["loss"], **counts}
        print(
            f"{name}_acc={measured['acc']:.4f} spikes={counts['spikes']:.0f} "
            f"operations={counts['additions'] + counts['multiply_adds']:.0f} ({words.source})"
        )
        if name == "test":
            result[name] |= {
                "predicted": measured["predicted"].tolist(),
                "targets": words.targets.tolist(),
            }
    if args.output is not None and distributed.is_main():
        write_json(Path(args.output) / "metrics_final.json", result)
    if args.plot:
        plot(args.plot, history, network, smoothed=run.smoothing > 0)


def plot(path: str, history, network: DelayedNetwork, *, smoothed: bool) -> None:
    """Plot the learning curves, and the delays of each layer."""
    figure = Figure(figsize=(9.5, 4.0), layout="constrained")
    left, right = figure.subplots(1, 2)
    held_out = "held-out words" + ", smoothed at first" * smoothed
    names = {"training words": "train_acc", held_out: "val_acc"}
    curves = {k: history.column(v) for k, v in names.items() if v in history.epochs[0]}
    plotting.curves(curves, chance=0.05, ax=left)
    for k, synapses in enumerate(network.synapses):
        delays = (synapses.steps() * synapses.dt).detach().flatten().cpu()  # type: ignore[operator]
        right.hist(delays.numpy(), 40, histtype="step", label=f"before layer {k + 1}")
    right.set(xlabel="delay (ms)", ylabel="synapses")
    right.legend()
    cli.save_figure(figure, path)


if __name__ == "__main__":
    cli.run(make_parser(), main)
