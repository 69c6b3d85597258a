"""Train a spiking network on handwritten digits or clothes.

python demos/train_mnist.py --dataset mnist --arch mlp
torchrun --nproc_per_node=2 demos/train_mnist.py  # distributed, one GPU per process
"""

import math
from functools import partial
from itertools import pairwise

import torch
from matplotlib import pyplot as plt

import cli
from jarvis import (
    SpikingCNN,
    SpikingMLP,
    constant_encode,
    datasets,
    evaluate,
    fit,
    plotting,
    poisson_encode,
    seeded,
)
from jarvis.networks import READOUTS
from jarvis.training import cosine

LOADERS = {
    "digits": datasets.digits,
    "mnist": datasets.mnist,
    "fashion": datasets.fashion_mnist,
}
EPOCHS = {
    ("digits", "mlp"): 40, ("digits", "conv"): 20,
    ("mnist", "mlp"): 3, ("mnist", "conv"): 5,
    ("fashion", "mlp"): 10, ("fashion", "conv"): 10,
}  # fmt: skip


def make_parser() -> cli.Parser:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add(
        "--dataset",
        choices=tuple(LOADERS),
        default="digits",
        help="digits are included in scikit-learn; the others are read from $JARVIS_DATA or the "
        "cache, or downloaded",
    )
    add(
        "--arch",
        choices=("mlp", "conv"),
        default="mlp",
        help="fully connected layers, or two convolutions",
    )
    add(
        "--epochs",
        type=cli.positive_int,
        default=None,
        help="passes over the training data; by default as in docs/results.md",
    )
    add(
        "--batch-size",
        type=cli.positive_int,
        default=128,
        help="samples per step, over all processes",
    )
    add(
        "--timesteps",
        type=cli.positive_int,
        default=None,
        help="length of the input in steps of 1 ms; by default 25 (mlp) or 6 (conv)",
    )
    add(
        "--hidden",
        type=cli.positive_int,
        nargs="+",
        default=[1000],
        metavar="N",
        help="neurons of each hidden layer (mlp)",
    )
    add(
        "--lr",
        type=cli.positive_float,
        default=3e-3,
        help="initial learning rate of Adam; it decreases to 0 along a cosine",
    )
    add(
        "--encoding",
        choices=("constant", "poisson"),
        default="constant",
        help="how images are encoded: as a constant current, or as a rate code",
    )
    cli.add_neuron_options(parser, tau=20.0, readout="mean", readouts=READOUTS)
    cli.add_run_options(parser)
    return parser


def encode(x: torch.Tensor, generator: torch.Generator, *, encoding: str, n_steps: int):
    """Encode images ``[B, 1, H, W]`` as input ``[T, B, 1, H, W]``."""
    if encoding == "poisson":
        return poisson_encode(x, n_steps, generator=generator, skip_zeros=True)
    return constant_encode(x, n_steps)


def make_model(args, train: datasets.ArrayDataset):
    options = cli.neuron_options(args)
    if args.arch == "conv":
        channels, height, width = train.shape
        return SpikingCNN(
            (channels, height, width), train.n_classes, readout=args.readout, **options
        )
    n_inputs = torch.Size(train.shape).numel()
    return SpikingMLP((n_inputs, *args.hidden, train.n_classes), args.readout, **options)


def main(args) -> None:
    device = cli.device(args)
    with cli.output_folder(args.output, args.resume, args.force):
        _train(args, device)


def check_memory(args, train: datasets.ArrayDataset, device: torch.device) -> None:
    """Refuse sizes that do not fit in memory."""
    sizes = [torch.Size(train.shape).numel()]
    # Conv: the maps have at most 32 x H x W units.
    sizes += [40 * sizes[0]] if args.arch == "conv" else [*args.hidden, train.n_classes]
    samples = min(len(train), max(args.batch_size, 256))  # evaluations use 256
    neurons = args.timesteps * samples * (sizes[0] + 5 * sum(sizes[1:]))
    weights = 0 if args.arch == "conv" else 4 * sum(a * b for a, b in pairwise(sizes))
    cli.check_memory(
        4 * max(neurons, weights),
        device,
        f"--hidden {' '.join(map(str, args.hidden))}",
        f"--timesteps {args.timesteps}",
        f"--batch-size {args.batch_size}",
    )


def _train(args, device: torch.device) -> None:
    args.epochs = args.epochs or EPOCHS[args.dataset, args.arch]
    args.timesteps = args.timesteps or (6 if args.arch == "conv" else 25)
    train, val, test = (LOADERS[args.dataset](split) for split in datasets.SPLITS)
    print(f"{train!r}")
    print(f"guessing: {1 / train.n_classes:.4f}, loss {math.log(train.n_classes):.4f}")
    check_memory(args, train, device)
    code = partial(encode, encoding=args.encoding, n_steps=args.timesteps)
    with seeded(args.seed), cli.usage():
        model = make_model(args, train).to(device)
    history = fit(
        model,
        train,
        val,
        test,
        epochs=args.epochs,
        batch_size=args.batch_size,
        lr=args.lr,
        encode=code,
        schedule=cosine,
        seed=args.seed,
        output=args.output,
        resume=args.resume,
        arguments=cli.plain(args),
    )
    accuracy = cli.column(history, "test_acc")[-1]
    print(f"test_acc={accuracy:.4f} after {len(history.epochs)} epochs")
    if args.plot:
        result = evaluate(model, test, code, seed=args.seed)
        figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
        columns = {"training": "train_acc", "validation": "val_acc", "test": "test_acc"}
        plotting.curves({k: history.column(v) for k, v in columns.items()}, ax=left)
        plotting.confusion_matrix(test.targets, result["predicted"], test.n_classes, ax=right)
        right.set_title("test set")
        cli.save_figure(figure, args.plot)


if __name__ == "__main__":
    cli.run(make_parser(), main)
