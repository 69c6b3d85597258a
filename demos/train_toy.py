"""Train a spiking network on the toy set and compare it with the best possible accuracy.

python demos/train_toy.py --epochs 10
"""

import math
from functools import partial

import torch
from matplotlib import pyplot as plt

import cli
from jarvis import (
    SpikingMLP,
    datasets,
    fit,
    plotting,
    poisson_encode,
    seeded,
    ttfs_encode,
)
from jarvis.networks import READOUTS
from jarvis.training import linear_tail

# The synapse has to match the code. A rate is read out by summing spikes as they arrive. The time
# of a single spike is read out by a synapse with a sustained current, so that an earlier input has
# contributed more by the end.
TAU_SYN = {"poisson": None, "ttfs": math.inf}
DRAWS = 8  # draws of the random code over which the reported accuracies are averaged


def make_parser() -> cli.Parser:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("--epochs", type=cli.positive_int, default=10, help="passes over the training data")
    add("--batch-size", type=cli.positive_int, default=128, help="samples per step")
    add("--timesteps", type=cli.positive_int, default=25, help="length of the code in ms (steps)")
    add("--hidden", type=cli.positive_int, default=128, help="hidden neurons")
    add(
        "--lr",
        type=cli.positive_float,
        default=1e-3,
        help="learning rate of Adam; it decreases to 0 over the last third of the run",
    )
    add(
        "--encoding",
        choices=tuple(TAU_SYN),
        default="poisson",
        help="encoding of values: by rate, or by the time of a single spike",
    )
    cli.add_neuron_options(parser, tau=20.0, readout="mean", readouts=READOUTS)
    cli.add_run_options(parser)
    return parser


def encode(x: torch.Tensor, generator: torch.Generator, *, encoding: str, n_steps: int):
    """Encode values ``[B, 32]`` as spikes ``[T, B, 32]``."""
    if encoding == "poisson":
        return poisson_encode(x, n_steps, generator=generator)
    return ttfs_encode(x, n_steps)


def ceiling(encode, encoding: str, n: int = 65536) -> float:
    """Accuracy of a perfect decoder, which knows the labelling rule but sees only spikes.

    From a rate code, the decoder uses the spike count of each input; from a first-spike code, the
    spike time. No network can use information that these do not contain. The accuracy is measured
    on n new samples of the toy set, which makes it precise to about 0.1 %. On the 820 test samples,
    a network can exceed this accuracy by chance.
    """
    x = torch.rand((n, 32), generator=torch.Generator().manual_seed(1))
    generator = torch.Generator().manual_seed(2)
    rule = torch.linspace(-1.0, 1.0, 32)
    correct = 0
    for part in x.split(4096):
        spikes = encode(part, generator)
        if encoding == "poisson":
            estimate = spikes.mean(0)
        else:  # an input that never fired was 0
            fired = spikes.amax(0)
            estimate = fired * (1.0 - spikes.argmax(0) / max(len(spikes) - 1, 1))
        correct += int(((estimate @ rule > 0) == (part @ rule > 0)).sum())
    return correct / n


def main(args) -> None:
    device = cli.device(args)
    with cli.output_folder(args.output, args.resume, args.force):
        _train(args, device)


def _train(args, device: torch.device) -> None:
    train, val, test = (datasets.toy(split) for split in datasets.SPLITS)
    code = partial(encode, encoding=args.encoding, n_steps=args.timesteps)
    draws = DRAWS if args.encoding == "poisson" else 1
    samples = min(len(train), max(args.batch_size, 256))  # evaluations use 256
    steps = args.timesteps * (4096 * 32 + samples * 5 * args.hidden)
    cli.check_memory(
        4 * max(steps, 4 * 34 * args.hidden), device,
        f"--hidden {args.hidden}", f"--timesteps {args.timesteps}",
    )  # fmt: skip
    best = ceiling(code, args.encoding)
    print(f"{train!r}")
    print(f"ceiling={best:.4f} (perfect decoder of this code; guessing: 0.5000, loss 0.6931)")
    with seeded(args.seed), cli.usage():
        model = SpikingMLP(
            (train.shape[0], args.hidden, train.n_classes),
            args.readout,
            **cli.neuron_options(args, tau_syn=TAU_SYN[args.encoding]),
        ).to(device)
    history = fit(
        model,
        train,
        val,
        test,
        epochs=args.epochs,
        batch_size=args.batch_size,
        lr=args.lr,
        encode=code,
        schedule=linear_tail,
        seed=args.seed,
        draws=draws,
        output=args.output,
        resume=args.resume,
        arguments=cli.plain(args),
    )
    print(f"test_acc={cli.column(history, 'test_acc')[-1]:.4f} (perfect decoder: {best:.4f})")
    if args.plot:
        plot(args.plot, history, best, model, code, test)


def plot(path: str, history, best: float, model: SpikingMLP, code, test) -> None:
    """Plot learning curves, the ceiling, and the hidden neurons' response to one sample."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), layout="constrained")
    columns = {"training": "train_acc", "test": "test_acc"}
    plotting.curves({k: history.column(v) for k, v in columns.items()}, chance=0.5, ax=left)
    left.axhline(best, color=plotting.RED, ls="--", lw=1)
    left.annotate("perfect decoder", (1, best), (0, 3), textcoords="offset points", fontsize=8)
    device = next(model.parameters()).device
    x = test.inputs[:1].to(device)
    with torch.no_grad():
        _, hidden = model(code(x, torch.Generator(device).manual_seed(0)), return_spikes=True)
    plotting.raster(hidden[0][:, 0], ax=right)
    right.set(title="one test sample", ylabel="hidden neuron")
    cli.save_figure(figure, path)


if __name__ == "__main__":
    cli.run(make_parser(), main)
