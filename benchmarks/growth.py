"""How the time of a spatial network's training step grows: python -m benchmarks.growth

One training step is the forward and backward pass for one batch of spoken digits. The measurement
varies the number of hidden neurons, the time step, and the number of events per word. The spoken
digits are SHD if it is available, and otherwise generated words.
"""

import argparse
import json
from pathlib import Path

import torch
from matplotlib.figure import Figure

from benchmarks.machine import describe, interleave
from benchmarks.scaling import slope
from jarvis import EventLIF, Events, SpatialNetwork, datasets
from jarvis.datasets import SpokenDigits
from jarvis.spatial import scale_to_rate
from jarvis.support.downloads import MissingDataError
from jarvis.support.files import write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "results" / "shd" / "growth.json"
PLOT = ROOT / "benchmarks" / "results" / "growth.png"
HIDDEN, DT, SHARE = 100, 0.5, 1.0  # values of the quantities that are not varied
SIZES = {
    "hidden": (25, 50, 100, 200, 400),
    "dt": (4.0, 2.0, 1.0, 0.5, 0.25),
    "events": (0.125, 0.25, 0.5, 0.75, 1.0),
}
LABELS = {"hidden": "hidden neurons", "dt": "time step (ms)", "events": "events per word"}
WORDS, DURATION, RATE = 32, 1400.0, 20.0


def spoken() -> SpokenDigits:
    """The training part of SHD, or generated words if it is not available."""
    try:
        return datasets.shd("train", check=False)
    except MissingDataError:
        return datasets.shd_like("train", n_events=7000)


def thinned(words: Events, share: float) -> Events:
    """The batch, reduced to a random part of its events."""
    keep = torch.rand(len(words.times), generator=torch.Generator().manual_seed(0)) < share
    return words.where(keep)


def step(words: SpokenDigits, n: int, hidden: int, dt: float, share: float):
    """A training step on n words by a network that fires at `RATE`, and the events per word."""
    evenly = torch.linspace(0, len(words) - 1, n).long()
    events, labels = words.on_grid(dt, round(DURATION / dt))[evenly]
    events = thinned(events, share)
    network = SpatialNetwork(700, hidden, words.n_classes, "3", EventLIF(dt=dt))
    scale_to_rate(network, events, RATE)

    def call() -> None:
        network.zero_grad()
        torch.nn.functional.cross_entropy(network(events).scores, labels).backward()

    return call, len(events.times) / len(events)


def measure(repeats: int, quick: bool = False) -> dict:
    """``{"hidden": [[H, ms per word], ...], "dt": ..., "events": ...}``, and log-log slopes."""
    words, n = spoken(), 4 if quick else WORDS
    found: dict = {"data": words.source, "words": n}
    for name, sizes in SIZES.items():
        calls, at = {}, {}
        for size in sizes[:3] if quick else sizes:
            options = {"hidden": HIDDEN, "dt": 2.0 if quick else DT, "events": SHARE} | {name: size}
            call, events = step(words, n, options["hidden"], options["dt"], options["events"])
            calls[str(size)] = call
            at[str(size)] = round(events) if name == "events" else size
        taken = interleave(calls, repeats)
        found[name] = [[at[k], round(t.wall / n, 3)] for k, t in taken.items()]
        x, y = zip(*found[name], strict=True)
        found[f"{name}_slope"] = round(slope(list(x), list(y)), 2)
    return found


def plot(found: dict, path: Path) -> None:
    figure = Figure(figsize=(11.0, 3.4), layout="constrained")
    every = [ms for name in LABELS for _, ms in found[name]]
    low, high = min(every), max(every)
    for column, (name, label) in enumerate(LABELS.items()):
        ax = figure.add_subplot(1, 3, column + 1)
        x, y = zip(*found[name], strict=True)
        ax.loglog(x, y, "o-", color=f"C{column}")
        ax.set(xlabel=label, ylim=(0.5 * low, 2.0 * high))
        ticks = [2.0**k for k in range(-4, 8) if 0.5 * low <= 2.0**k <= 2.0 * high]
        ax.set_yticks(ticks, [f"{value:g}" for value in ticks])
        ax.set_xticks(x, [f"{value:g}" for value in x])
        ax.minorticks_off()
        ax.set_title(f"slope {found[f'{name}_slope']:g}", fontsize=9)
        if not column:
            ax.set_ylabel("training step, ms per word")
    figure.suptitle(
        f"{HIDDEN} hidden, dt {DT:g} ms and all events, except where varied: {found['data']}",
        fontsize=9,
    )
    figure.savefig(path, dpi=110)


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7, help="rounds; the fastest counts")
    parser.add_argument("--threads", type=int, default=2, help="threads for torch")
    parser.add_argument("--quick", action="store_true", help="few words, to test that it runs")
    parser.add_argument("--output", type=Path, help="JSON's folder, by default results/shd")
    parser.add_argument("--plot", type=Path, help="figure's folder, by default benchmarks/results")
    args = parser.parse_args(given)
    torch.set_num_threads(args.threads)
    command = f"python -m benchmarks.growth --repeats {args.repeats} --threads {args.threads}"
    command += " --quick" * args.quick
    found = {"command": command, "machine": describe(args.threads)}
    found |= measure(args.repeats, args.quick)
    # --quick writes nothing unless an output is given.
    if output := args.output or (None if args.quick else RESULTS):
        write_json(output, found)
    if figure := args.plot or (None if args.quick else PLOT):
        plot(found, figure)
    print(json.dumps({name: found[name] for name in SIZES}))


if __name__ == "__main__":
    main()
