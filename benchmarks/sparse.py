"""When does it pay to skip zeros in linear maps of spikes? python -m benchmarks.sparse

This measures a linear map and the gradient of its weights, in the three modes of `sparse_products`,
for several spike densities, widths and batch sizes. It also measures the peak memory of a training
step with and without skipping, how many neurons receive a gradient from a surrogate, and which
accuracy the network then reaches. The results go into benchmarks/results/sparse.json, the figure
into docs/images/sparse.png.
"""

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

import matplotlib
import torch
from matplotlib.figure import Figure
from torch import nn

from benchmarks.machine import describe, interleave
from jarvis import (
    SpikingMLP,
    SurrogateSpike,
    datasets,
    evaluate,
    fit,
    over_time,
    poisson_encode,
    seeded,
    sparse_products,
)
from jarvis.kernels.sparse import MODES
from jarvis.support.files import write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
PICTURE = ROOT / "docs" / "images" / "sparse.png"
DENSITIES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
WIDTHS = (10, 30, 100, 300, 1000, 2000)  #: outputs
INPUTS = 784
ROWS = (64, 640, 3200)  #: number of steps times number of samples
STEP = ((784, 1000, 10), 25, 128)


def call(module: nn.Linear, x: torch.Tensor, g: torch.Tensor, mode: str):
    """Forward pass and the gradient of the weights."""

    def run() -> None:
        module.weight.grad = module.bias.grad = None
        with sparse_products(mode):
            over_time(module, x).backward(g)

    return run


def one(n_in: int, n_out: int, rows: int, density: float, repeats: int) -> dict:
    """CPU time of each mode, ms, and which mode "auto" chose."""
    module = nn.Linear(n_in, n_out)
    x = (torch.rand(1, rows, n_in) < density).float()
    g = torch.rand(1, rows, n_out)
    with sparse_products() as products:
        over_time(module, x).backward(g)
    chosen = [choice.sparse for choice in products]
    # The first call of a round is slower by a few microseconds, so it is not used.
    calls = {"first": call(module, x, g, "never")} | {m: call(module, x, g, m) for m in MODES}
    best = interleave(calls, repeats)
    found = {mode: round(best[mode].cpu, 4) for mode in MODES}
    return found | {"rows": rows, "outputs": n_out, "density": density, "chosen": chosen}


def measure(repeats: int, quick: bool = False) -> dict:
    """All cells of the table of results."""
    cells = []
    for rows in ROWS[:1] if quick else ROWS:
        for width in WIDTHS[:2] if quick else WIDTHS:
            for density in DENSITIES[:2] if quick else DENSITIES:
                cells.append(one(INPUTS, width, rows, density, repeats))
            print(f"... {rows} rows, {width} outputs", file=sys.stderr, flush=True)
    return {"inputs": INPUTS, "cells": cells}


def peak_memory(mode: str, quick: bool = False) -> float:
    """MiB by which training steps raise the memory of a new process."""
    code = f"from benchmarks.sparse import child; child({mode!r}, {quick})"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def resident(name: str) -> float:
    """MiB that this process has in memory now ("VmRSS") or had at its peak ("VmHWM")."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def child(mode: str, quick: bool) -> None:
    """A few training steps, in a separate process."""
    torch.set_num_threads(1)
    sizes, steps, batch = ((20, 16, 3), 5, 4) if quick else STEP
    torch.manual_seed(0)

    def train(steps: int, batch: int, mode: str) -> None:
        x = (torch.rand(steps, batch, sizes[0]) < 0.127).float()
        y = torch.zeros(batch, dtype=torch.long)
        model = SpikingMLP(sizes)
        optimizer = torch.optim.Adam(model.parameters())
        for _ in range(4):
            optimizer.zero_grad()
            with sparse_products(mode):
                nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()

    train(2, 2, "always" if mode == "auto" else mode)  # the memory for imports and compilation
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # resets the peak
    train(steps, batch, mode)
    print(resident("VmHWM") - before)


#: Surrogates of `support`, with their slopes.
SURROGATES = (
    ("fast_sigmoid", 25.0),
    ("arctan", 2.0),
    ("sigmoid", 4.0),
    ("triangle", 1.0),
    ("triangle", 2.0),
    ("triangle", 5.0),
    ("triangle", 10.0),
)
SIZES, STEPS, EPOCHS, SEEDS = (64, 256, 128, 10), 25, 15, 3


def support(quick: bool = False) -> list[dict]:
    """How many neurons receive a gradient from a surrogate, and which accuracy is then reached.

    The networks are trained on the 8x8 digits in a rate code. For each surrogate, this returns the
    test accuracy (mean and standard deviation over seeds) and, for both hidden layers, the fraction
    of neurons and steps where the derivative is not 0, and the mean rate.
    """
    train, test = datasets.digits("train"), datasets.digits("test")
    rows = []
    for name, slope in SURROGATES[:1] + SURROGATES[-1:] if quick else SURROGATES:
        accuracy, shares, rates = [], [], []
        for seed in range(1 if quick else SEEDS):
            with seeded(seed):
                model = SpikingMLP(SIZES, surrogate=SurrogateSpike(name, slope))
            options = dict(epochs=1 if quick else EPOCHS, seed=seed, encode=encode, lr=2e-3)
            fit(model, train, progress=False, log=lambda line: None, **options)
            accuracy.append(float(evaluate(model, test, encode, seed=seed)["acc"]))
            x = encode(test.inputs, torch.Generator().manual_seed(seed))
            with torch.no_grad():
                for synapses, neurons in zip(model.synapses, model.neurons, strict=True):
                    x, _, trace = neurons(over_time(synapses, x), trace=True)
                    slopes = neurons.surrogate.derivative(trace.h - 1.0, slope)
                    shares.append(float((slopes != 0).double().mean()))
                    rates.append(float(x.mean()))
        rows.append(
            {
                "surrogate": name,
                "slope": slope,
                "accuracy": round(statistics.mean(accuracy), 4),
                "spread": round(statistics.stdev(accuracy), 4) if len(accuracy) > 1 else None,
                "support": [round(statistics.mean(shares[i::2]), 3) for i in (0, 1)],
                "rate": [round(statistics.mean(rates[i::2]), 3) for i in (0, 1)],
            }
        )
        print(f"... {rows[-1]}", file=sys.stderr, flush=True)
    return rows


def encode(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """A rate code of images."""
    return poisson_encode(x, STEPS, generator=generator)


def plot(data: dict, path: Path) -> None:
    """Time relative to the dense product, against density, for each number of rows."""
    matplotlib.use("Agg")
    rows = sorted({cell["rows"] for cell in data["cells"]})
    figure = Figure(figsize=(4.2 * len(rows), 3.8), layout="constrained", dpi=110)
    axes = figure.subplots(1, len(rows), sharey=True, squeeze=False)[0]
    for ax, n in zip(axes, rows, strict=True):
        widths = sorted({cell["outputs"] for cell in data["cells"]})
        for place, width in enumerate(widths):
            cells = [c for c in data["cells"] if c["rows"] == n and c["outputs"] == width]
            x = [100 * c["density"] for c in cells]
            color = matplotlib.colormaps["viridis"](place / max(1, len(widths) - 1))
            ax.plot(x, [c["always"] / c["never"] for c in cells], color=color, label=f"{width}")
            ax.plot(x, [c["auto"] / c["never"] for c in cells], "o", color=color, ms=4)
        ax.axhline(1.0, color="black", lw=0.8)
        ax.set(xscale="log", yscale="log", xlabel="ones in the input (%)", title=f"{n} rows")
    axes[0].set_ylabel("time relative to the dense products")
    axes[-1].legend(title="outputs", fontsize=8)
    figure.suptitle("line: zeros skipped; dots: the automatic choice")
    figure.savefig(path)


def worst(cells: list[dict]) -> tuple[float, dict]:
    """The largest ratio (time of the automatic choice / time of the faster mode), and its cell."""
    ratios = [(c["auto"] / min(c["always"], c["never"]), c) for c in cells]
    return max(ratios, key=lambda pair: pair[0])


def main(argv: list[str] | None = None) -> int:
    """Measure, print and write."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.sparse", description=__doc__)
    p.add_argument("--repeats", type=int, default=7)
    p.add_argument("--quick", action="store_true", help="tiny shapes; writes nothing")
    p.add_argument("--output", type=Path, default=None)
    args = p.parse_args(argv)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    try:
        data = {"machine": describe(1)} | measure(args.repeats, args.quick)
    finally:
        torch.set_num_threads(before)
    data["memory_mb"] = {m: round(peak_memory(m, args.quick), 1) for m in ("auto", "never")}
    data["support"] = support(args.quick)
    ratio, cell = worst(data["cells"])
    data["worst"] = {"ratio": round(ratio, 3), "cell": cell}
    print(json.dumps(data["worst"]), json.dumps(data["memory_mb"]))
    folder = args.output or (None if args.quick else RESULTS)
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "sparse.json", data)
        plot(data, folder / "sparse.png" if args.output else PICTURE)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
