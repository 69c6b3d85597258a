"""Train first-spike neurons with delays on the Yin-Yang set, by exact gradients.

python demos/train_yinyang.py --net 3 --hidden 30
"""

from functools import partial

import numpy as np
import torch
from matplotlib import pyplot as plt

import cli
from jarvis import FirstSpikeNetwork, datasets, fit, plotting
from jarvis.datasets import ArrayDataset
from jarvis.datasets.yin_yang import CLASSES
from jarvis.spatial import FirstSpikeParams, spike_time_encode
from jarvis.training import cosine

COLOURS = (plotting.BLUE, plotting.ORANGE, plotting.GREEN)


def make_parser() -> cli.Parser:
    parser = cli.Parser(description=(__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add(
        "--net",
        type=cli.net,
        default="3",
        help="type of delays: 0 (none), inf (free, one per synapse), a number D (positions "
        "in D dimensions), DeEPS or DgEPS",
    )
    add("--hidden", type=cli.positive_int, default=30, help="hidden neurons")
    add("--epochs", type=cli.positive_int, default=300, help="passes over the training data")
    add(
        "--dt",
        type=cli.not_negative_float,
        default=0.0,
        metavar="MS",
        help="time grid of spike times and delays in ms; 0: exact times",
    )
    add(
        "--tau",
        type=cli.positive_float,
        default=4.0,
        metavar="MS",
        help="membrane time constant in ms; the synaptic time constant is half of it",
    )
    add(
        "--lr",
        type=cli.positive_float,
        default=1e-2,
        help="learning rate of Adam; it decreases along half a cosine",
    )
    add(
        "--delay-lr",
        type=cli.not_negative_float,
        default=3e-2,
        metavar="LR",
        help="learning rate of delays and positions; it decreases as --lr does; 0: delays and "
        "positions stay as they are drawn",
    )
    add("--batch-size", "--batch_size", type=cli.positive_int, default=150, help="samples per step")
    add(
        "--early",
        type=cli.not_negative_float,
        default=0.0,
        help="penalty on a late spike of the true class, per 0.1 ms",
    )
    add(
        "--wake",
        type=cli.not_negative_float,
        default=1.0,
        help="penalty on silent hidden neurons, which depends on their distance from threshold",
    )
    add(
        "--tau-score",
        type=cli.positive_float,
        default=0.1,
        metavar="MS",
        help="an output that spikes this much earlier makes its class e times as likely",
    )
    add(
        "--late",
        type=cli.not_negative_float,
        default=4.0,
        metavar="MS",
        help="silent outputs count as spikes up to this much after the end, depending on how far "
        "they are from threshold; 0: all alike, without a gradient",
    )
    add(
        "--backend",
        choices=("auto", "eager", "numba"),
        default="auto",
        help="compiled loops or PyTorch operations",
    )
    cli.add_run_options(parser)
    return parser


def encoded(split: str) -> ArrayDataset:
    """A split with its values coded as spike times ``[N, 4]``, ms; the code is deterministic."""
    values = datasets.yinyang(split)
    times = spike_time_encode(values.inputs)
    return ArrayDataset(times, values.targets, values.n_classes, values.source)


def make_model(args, n_in: int, n_classes: int) -> FirstSpikeNetwork:
    with cli.usage():
        return FirstSpikeNetwork(
            (n_in, args.hidden, n_classes),
            args.net,
            FirstSpikeParams(tau_mem=args.tau, tau_syn=args.tau / 2, dt=args.dt),
            seed=args.seed,
            backend=args.backend,
            tau=args.tau_score,
            late=args.late,
            **({"delay_mean": 1.0, "delay_std": 0.5} if args.net == "inf" else {}),
            **({"position_std": 0.75} if args.net not in ("0", "inf") else {}),
        )


def main(args) -> None:
    device = cli.device(args)
    with cli.output_folder(args.output, args.resume, args.force):
        _train(args, device)


def _train(args, device: torch.device) -> None:
    train, val, test = (encoded(split) for split in datasets.SPLITS)
    print(f"{train!r}")
    samples = min(len(train), max(args.batch_size, 256))  # evaluations use 256
    cli.check_memory(
        4 * args.hidden * (4 * 7 + 2 * samples * 7), device,
        f"--hidden {args.hidden}", f"--batch-size {args.batch_size}",
    )  # fmt: skip
    model = make_model(args, train.shape[0], train.n_classes).to(device)
    n_weights = sum(p.numel() for p in model.layers.parameters())
    n_delays = model.delays.n_parameters
    print(f"parameters={n_weights + n_delays} ({n_weights} weights, {n_delays} of delays)")
    groups = model.parameter_groups(args.lr, args.delay_lr)
    history = fit(
        model,
        train,
        val,
        test,
        epochs=args.epochs,
        batch_size=args.batch_size,
        objective=partial(model.objective, early=args.early, wake=args.wake),
        optimizer=torch.optim.Adam(groups, fused=True),
        schedule=cosine,
        seed=args.seed,
        output=args.output,
        resume=args.resume,
        arguments=cli.plain(args, "backend"),
    )
    seconds = sum(cli.column(history, "seconds"))
    test_acc, val_acc = (cli.column(history, f"{part}_acc") for part in ("test", "val"))
    steps = len(history.epochs) * -(-len(train) // args.batch_size)
    with torch.no_grad():
        spikes = model.spikes(test.inputs.to(device))[-1].times.isfinite()
    undecided = 1.0 - spikes.any(1).float().mean().item()
    print(f"undecided={undecided:.4f} (share of test samples without an output spike, last epoch)")
    print(f"seconds={seconds:.1f} ({1e3 * seconds / steps:.2f} ms per step)")
    print(
        f"test_acc={test_acc[history.best_epoch - 1]:.4f} (epoch {history.best_epoch}, the best on "
        f"the validation set: val_acc={val_acc[history.best_epoch - 1]:.4f})"
    )
    if args.plot:
        plot(args.plot, history, model)


def plot(path: str, history, model: FirstSpikeNetwork) -> None:
    """Plot decision regions, learning curves, and the neurons' positions or the delays."""
    figure = plt.figure(figsize=(12.5, 3.8), layout="constrained")
    regions = figure.add_subplot(1, 3, 1)
    draw_regions(model, regions)
    columns = {"training": "train_acc", "validation": "val_acc", "test": "test_acc"}
    ax = figure.add_subplot(1, 3, 2)
    plotting.curves({k: history.column(v) for k, v in columns.items()}, ax=ax)
    positions = model.delays.positions
    if positions is not None and positions[0].shape[1] >= 3:
        draw_positions(positions, figure.add_subplot(1, 3, 3, projection="3d"))
    elif positions is not None:
        draw_positions(positions, figure.add_subplot(1, 3, 3))
    else:
        draw_delays(model, figure.add_subplot(1, 3, 3))
    cli.save_figure(figure, path)


def draw_regions(model: FirstSpikeNetwork, ax, n: int = 150) -> None:
    """Draw the predicted class of every point of the square, with the test samples on top."""
    device = next(model.parameters()).device
    axis = torch.linspace(0.0, 1.0, n)
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    points = torch.stack([x, y, 1 - x, 1 - y], -1).flatten(0, 1)
    with torch.no_grad():
        label = model(spike_time_encode(points).to(device)).argmax(1).cpu()
    levels = np.arange(len(CLASSES) + 1) - 0.5
    ax.contourf(x, y, label.reshape(n, n), levels=levels, colors=COLOURS, alpha=0.35)
    test = datasets.yinyang("test")
    for i, name in enumerate(CLASSES):
        mine = test.inputs[test.targets == i]
        ax.scatter(mine[:, 0], mine[:, 1], s=4, color=COLOURS[i], label=name)
    ax.set(title="regions and test samples", xlabel="x", ylabel="y", aspect="equal")
    ax.legend(fontsize=7, loc="upper right")


def draw_positions(positions: list[torch.Tensor], ax) -> None:
    """Draw the neurons at their positions; a spike takes 1 ms to travel a distance of 1 ms."""
    names = ("input", "hidden", "output")
    for position, name, colour in zip(positions, names, COLOURS, strict=True):
        coordinates = position.detach().cpu()[:, :3]
        if coordinates.shape[1] == 1:
            coordinates = torch.cat([coordinates, torch.zeros_like(coordinates)], 1)
        ax.scatter(*coordinates.T, s=18, color=colour, label=name)
    ax.set(title="positions", xlabel="x (ms)", ylabel="y (ms)")
    if positions[0].shape[1] >= 3:
        ax.set(zlabel="z (ms)")
        ax.set_box_aspect(None, zoom=0.85)  # makes room for the label of z
    ax.legend(fontsize=7)


def draw_delays(model: FirstSpikeNetwork, ax) -> None:
    """Draw a histogram of the synaptic delays."""
    with torch.no_grad():
        delays = [matrix.flatten().cpu().numpy() for matrix in model.delays()]
    ax.hist(delays, bins=20, stacked=True, color=COLOURS[: len(delays)],
            label=["input to hidden", "hidden to output"])  # fmt: skip
    ax.set(title="delays", xlabel="delay (ms)", ylabel="synapses")
    ax.legend(fontsize=7)


if __name__ == "__main__":
    cli.run(make_parser(), main)
