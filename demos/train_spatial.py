"""Train a network of neurons with positions on spoken digits, by exact gradients.

python demos/train_spatial.py --net 3 --nhidden 100
python demos/train_spatial.py --net 3 --nhidden 100 --final

The first command holds out two speakers for choosing hyper-parameters. The second learns from all
training words and tests the network once, at the end. Options may be written with _ or with -.
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure

import cli
from jarvis import EventLIF, SpatialNetwork, plotting
from jarvis.adex import NormalisedAdExParams
from jarvis.datasets import Augmentation, SpokenDigits
from jarvis.networks import count_parameters
from jarvis.spatial import (
    EventAdEx,
    EventNeuron,
    RateTarget,
    SpatialRun,
    draw_delays,
    draw_layout,
    evaluate_words,
    fit_spatial,
    record_layout,
    save_layouts,
    scale_to_rate,
    spatial_optimiser,
)
from jarvis.support.files import write_json
from jarvis.training import Pruner, distributed, warmup_cosine
from spatial_options import check, command, identity, make_parser, run_folder
from words import DURATIONS, in_steps, spoken_digits

MOST_STEPS = 1_000_000  # largest number of steps in a word
WARMUP_WORDS = 64  # number of words on which the initial firing rate is set


def load(args) -> tuple[SpokenDigits, SpokenDigits | None, SpokenDigits | None]:
    """Words for training, validation and testing (None for a part that is not used)."""
    args.dataset, *parts = spoken_digits(args.dataset, final=args.final, check=not args.skip)
    if args.duration is None:
        args.duration = DURATIONS[args.dataset]
    limits = (args.load_limit, args.load_limit_test, args.load_limit_test)
    pairs = zip(parts, limits, strict=True)
    return tuple(in_steps(words, args.dt, args.duration, n) for words, n in pairs)  # type: ignore[return-value]


def make_network(args, train: SpokenDigits) -> SpatialNetwork:
    neuron: EventNeuron
    rate = args.start_rate or 20.0
    integrator = args.integrator or ("euler" if args.adex else "exact")
    if args.adex:
        kind = EventAdEx if integrator == "exact" else NormalisedAdExParams
        neuron = kind(
            tau=args.tau, tau_syn=args.tau_syn, dt=args.dt, a=args.adex_a, b=args.adex_b,
            tau_w=args.adex_tau, delta_t=args.adex_dt, w0=args.iadapt0,
        )  # fmt: skip
    else:
        neuron = EventLIF(args.tau, args.tau_syn, args.dt, integrator=integrator)
    network = SpatialNetwork(
        train.shape[0],
        args.nhidden,
        train.n_classes,
        args.net,
        neuron,
        input_factor=args.ifactor,
        recurrent_factor=args.rfactor,
        recurrent=not args.feedforward,
        expected_rate=rate,
        surrogate=args.surrogate,
        damping=args.damping,
        positive=args.pos,
        signed=args.signed,
        time_bins=args.time_bins,
        seed=args.seed,
        delay_mean=args.delaymu,
        delay_std=args.delaysigma,
        position_std=args.possigma,
        layout="line" if args.line else "circle" if args.circle else "normal",
        fixed_inputs=args.istat,
    )
    if args.wstat:
        with torch.no_grad():
            for weight in (network.w_in, network.w_rec):
                weight.fill_(weight.mean())
    if args.dropout:
        network.readout.register_forward_pre_hook(
            lambda layer, x: drop_neurons(x[0], args.nhidden, args.dropout, layer.training)
        )
    if args.ifactor is None:
        words = torch.linspace(0, len(train) - 1, min(len(train), WARMUP_WORDS)).long()
        reached = scale_to_rate(network, train[words][0], rate)
        print(f"start_rate={reached:.1f} Hz")
    return network


def make_run(args, network: SpatialNetwork, train: SpokenDigits) -> SpatialRun:
    """The run in which a network learns from the training words."""
    augmentation = Augmentation(
        args.shift_channels,
        args.shift_time,
        args.stretch,
        args.drop,
        args.blend,
        args.jitter_channels,
        args.jitter_time,
        args.mask_channels,
        args.mask_time,
    )
    optimizer = spatial_optimiser(
        network, args.lr, delay_scale=args.delaygradscale, readout_scale=args.readoutgradscale,
        weight_decay=args.weight_decay, clipping=args.clip,
    )  # fmt: skip
    total = args.decay_steps or args.nepochs * -(-len(train) // args.batch_size)
    run = SpatialRun(
        network,
        train,
        optimizer,
        schedule=lambda step: warmup_cosine(step, warmup=args.warmup, total=total),
        epochs=args.nepochs,
        batch_size=args.batch_size,
        target=RateTarget(args.tgtfreq, args.rate_weight, args.population_freq),
        augmentation=augmentation,
        label_smoothing=args.smoothing,
        average=args.average,
        max_rate=args.max_rate or None,
        seed=args.seed,
    )
    run.arguments = identity(args) | {"decay_steps": total, "data": train.source}
    return run


def drop_neurons(counts: torch.Tensor, n_hidden: int, p: float, training: bool) -> torch.Tensor:
    """Drop whole neurons from ``counts [B, time_bins n_hidden]``, in all time bins or in none."""
    kept = torch.nn.functional.dropout(counts.new_ones(len(counts), n_hidden), p, training)
    return counts * kept.repeat(1, counts.shape[1] // n_hidden)


def main(args) -> None:
    check(args)
    if args.debug:
        sys.excepthook = debug
    device = cli.device(args)
    distributed.start(device)
    check_memory(args, device)
    with cli.usage():
        train, val, test = load(args)
    folder = run_folder(args)
    resume = folder if args.reload else args.resume
    with cli.output_folder(folder, resume, args.force, "--reload continues it"):
        _train(args, device, (train, val, test), folder, resume)


def check_memory(args, device: torch.device) -> None:
    """Refuse sizes that do not fit in memory."""
    steps = (args.duration or 600.0) / args.dt
    neurons, words = args.nhidden, max(min(args.batch_size, 2000), 128)  # evaluations use 128
    synapses = neurons * (700 + neurons + 20 * args.time_bins)
    cli.check_memory(
        4 * max(6 * synapses, words * neurons * args.time_bins, words * neurons * steps / 50),
        device,
        f"--nhidden {neurons}",
        f"--time_bins {args.time_bins}",
        f"--dt {args.dt:g}",
    )
    if steps > MOST_STEPS:
        raise cli.UsageError(
            f"--dt {args.dt:g} ms: a word of {args.duration or 600.0:g} ms has more than a "
            "million steps"
        )


def _train(args, device: torch.device, parts: tuple, folder: Path, resume) -> None:
    train, val, test = parts
    for words in (train, val, test):
        if words is not None:
            print(repr(words))
    with cli.usage():
        run = make_run(args, make_network(args, train).to(device), train)
    network, pruner = run.model, None
    if args.sparse < 1:
        names = synapses(network)
        pruner = Pruner(network, names, run.optimizer, recurrent=names[1:])
    before = count_parameters(network, synapses(network))
    print(f"parameters={sum(before.values())} (without the read-out {without_readout(before)})")

    def draw(run: SpatialRun) -> None:
        record_layout(run)
        if run.step == 0 and distributed.is_main():
            save_layouts(folder, run, film=False)

    try:
        history = fit_spatial(
            run, val, pruner=pruner, density=args.sparse, iterative=args.sparse_iter,
            output=folder, resume=resume, on_frame=draw if args.vplot else None,
        )  # fmt: skip
    finally:
        if args.vplot and distributed.is_main():
            save_layouts(folder, run, film=True)
    report(args, run, history, {"train": train, "val": val, "test": test}, folder)


def synapses(network: SpatialNetwork) -> tuple[str, ...]:
    """The names of the weights that have delays."""
    return ("w_in", "w_rec") if network.recurrent else ("w_in",)


def without_readout(counts: dict[str, int]) -> int:
    return sum(n for name, n in counts.items() if not name.startswith("readout"))


def report(args, run: SpatialRun, history, sets: dict, folder: Path) -> None:
    """Print the accuracy and cost of the trained network; write them to metrics_final.json."""
    counts = count_parameters(run.model, synapses(run.model))
    result = {
        "command": command(args),
        "data": {name: words.source for name, words in sets.items() if words is not None},
        "words": {name: len(words) for name, words in sets.items() if words is not None},
        "parameters": sum(counts.values()),
        "parameters_without_readout": without_readout(counts),
        "best_epoch": history.best_epoch,
        "best_val_acc": history.best_val_acc if sets["val"] is not None else None,
    }
    for name, words in sets.items():
        if words is None:
            continue
        measured = evaluate_words(run.evaluated, words, shared=True)
        del measured["predicted"]
        result[name] = measured
        print(
            f"{name}_acc={measured['acc']:.4f} {name}_top3={measured['top3']:.4f} "
            f"rate={measured['rate']:.1f} operations={measured['operations']:.0f} ({words.source})"
        )
    if sets["val"] is not None:
        print(f"best val_acc={history.best_val_acc:.4f} in epoch {history.best_epoch}")
    result |= {"epochs": history.epochs, "arguments": run.arguments}
    if distributed.is_main():
        write_json(folder / "metrics_final.json", result)
    print(f"results: {folder}")
    if args.plot:
        plot(args.plot, history, run)


def plot(path: str, history, run: SpatialRun) -> None:
    """Plot the learning curves, the delays, and the positions of the neurons."""
    model = run.evaluated
    positions = model.delays.positions
    figure = Figure(figsize=(12.5 if positions else 8.4, 4.0), layout="constrained")
    figure.suptitle(f"{model.delays.__class__.__name__} on {run.arguments['data']}", fontsize=9)
    columns = 3 if positions else 2
    names = {"training words": "train_acc", "held-out words": "val_acc"}
    curves = {k: history.column(v) for k, v in names.items() if v in history.epochs[0]}
    plotting.curves(curves, chance=0.05, ax=figure.add_subplot(1, columns, 1))
    with torch.no_grad():
        draw_delays(model.delays(), figure.add_subplot(1, columns, 2))
    if positions:
        deep = {"projection": "3d"} if positions[0].shape[1] >= 3 else {}
        draw_layout(positions, figure.add_subplot(1, columns, 3, **deep))
    cli.save_figure(figure, path)


def debug(kind, error, traceback) -> None:
    """Start the debugger on an uncaught error, for --debug."""
    import pdb
    from traceback import print_exception

    print_exception(kind, error, traceback)
    pdb.post_mortem(traceback)


if __name__ == "__main__":
    cli.run(make_parser(__doc__ or ""), main)
