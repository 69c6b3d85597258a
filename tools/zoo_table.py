"""Train the same network with every neuron of the zoo in its hidden layer, and print a table.

python tools/zoo_table.py                                       # the table, in Markdown
python tools/zoo_table.py write                                 # insert it into docs/zoo.md
python tools/zoo_table.py run --dataset digits --seeds 3        # the runs that are missing
python tools/zoo_table.py run --dataset mnist --neurons lif qif

All networks have the same size and budget: one hidden layer, images as a constant input for 25 ms,
and Adam with a cosine schedule. Neurons have the parameters of `jarvis.zoo`. Nothing is tuned for a
neuron or a data set. The test set is used once, after the last epoch. Each configuration has one
file in results/zoo.
"""

import argparse
import json
import statistics
import time
from functools import partial
from pathlib import Path

import torch
from torch import nn

from jarvis import SpikingMLP, constant_encode, count_operations, datasets, evaluate, fit, seeded
from jarvis.networks.costs import Operations
from jarvis.support.files import write_between, write_json
from jarvis.training import cosine
from jarvis.zoo import ZOO, hidden_layer, trainable

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "results" / "zoo", ROOT / "docs" / "zoo.md"
START, END = "<!-- training: begin -->", "<!-- training: end -->"
LOADERS = {"digits": datasets.digits, "mnist": datasets.mnist}
HIDDEN, STEPS, LR = 100, 25, 3e-3
EPOCHS = {"digits": 20, "mnist": 2}
#: Networks without spikes, for comparison.
DENSE = ("relu", "linear")
#: Neurons too slow for the larger data set (10 sub-steps per step, 4 variables).
ONLY_SMALL = ("hodgkin_huxley",)


def file_of(dataset: str, neuron: str) -> Path:
    return RESULTS / f"{dataset}_{neuron}.json"


def kept(dataset: str, neuron: str) -> dict:
    """The stored runs of a configuration."""
    path = file_of(dataset, neuron)
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    setting = {"hidden": HIDDEN, "steps": STEPS, "lr": LR, "epochs": EPOCHS[dataset]}
    return {"setting": setting, "runs": []}


def measure(dataset: str, neuron: str, seed: int) -> dict:
    """Train one network; return its test accuracy, spikes and operations per image, and times."""
    train, val, test = (LOADERS[dataset](split) for split in datasets.SPLITS)
    encode = partial(_encoded, n_steps=STEPS)
    n_inputs = torch.Size(train.shape).numel()
    with seeded(seed):
        model = SpikingMLP(
            (n_inputs, HIDDEN, train.n_classes), neurons=lambda n: hidden_layer(neuron)
        )
    model(constant_encode(train[:2][0], STEPS)).sum().backward()  # compile before timing
    model.zero_grad()
    start = time.process_time()
    fit(
        model, train, val, epochs=EPOCHS[dataset], lr=LR, encode=encode, schedule=cosine, seed=seed,
        log=lambda line: None, progress=False,
    )  # fmt: skip
    seconds = time.process_time() - start
    with seeded(seed):
        accuracy = evaluate(model, test, encode, seed=seed)["acc"]
        x = constant_encode(test[:256][0], STEPS)
        counts = count_operations(model, x)
        _, (hidden,) = model(x, return_spikes=True)
    fires = model.neurons[0].fires
    sent = hidden.sum() if fires else (hidden != 0).sum()  # each graded message counts as one spike
    total = Operations.total(counts.values()).mean()
    return {
        "seed": seed,
        "test_acc": accuracy,
        "spikes": float(sent.detach()) / len(x[0]),
        "additions": total["additions"],
        "multiply_adds": total["multiply_adds"],
        "updates": total["updates"],
        "cpu_s_per_epoch": seconds / EPOCHS[dataset],
    }


def measure_dense(dataset: str, neuron: str, seed: int) -> dict:
    """Like `measure`, for a network without spikes: with ReLU units, or without hidden layers."""
    train, val, test = (LOADERS[dataset](split) for split in datasets.SPLITS)
    n = torch.Size(train.shape).numel()
    with seeded(seed):
        hidden = [nn.Linear(n, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, train.n_classes)]
        layers = hidden if neuron == "relu" else [nn.Linear(n, train.n_classes)]
        model = nn.Sequential(nn.Flatten(), *layers)
    start = time.process_time()
    fit(
        model, train, val, epochs=EPOCHS[dataset], lr=LR, schedule=cosine, seed=seed,
        log=lambda line: None, progress=False,
    )  # fmt: skip
    seconds = time.process_time() - start
    accuracy = evaluate(model, test, seed=seed)["acc"]
    none = dict(spikes=0.0, additions=0.0, updates=0.0)
    return {"seed": seed, "test_acc": accuracy, "cpu_s_per_epoch": seconds / EPOCHS[dataset]} | none


def _encoded(x: torch.Tensor, generator: torch.Generator, *, n_steps: int) -> torch.Tensor:
    return constant_encode(x, n_steps)


def run(dataset: str, neurons: list[str], seeds: int) -> None:
    """Carry out the missing runs, one seed after another, and store each run at once."""
    for seed in range(seeds):
        for neuron in neurons:
            content = kept(dataset, neuron)
            if any(each["seed"] == seed for each in content["runs"]):
                continue
            make = measure_dense if neuron in DENSE else measure
            result = make(dataset, neuron, seed)
            content["runs"].append(result)
            RESULTS.mkdir(parents=True, exist_ok=True)
            write_json(file_of(dataset, neuron), content)
            print(f"{dataset} {neuron} seed {seed}: {result['test_acc']:.4f}", flush=True)


def _shown(values: list[float], scale: float, digits: int) -> str:
    mean = statistics.mean(values) * scale
    spread = statistics.stdev(values) * scale if len(values) > 1 else 0.0
    return f"{mean:,.{digits}f} ± {spread:,.{digits}f}"


def table(dataset: str) -> str:
    """One row per neuron, in the order of the zoo."""
    rows = ["| neuron | test accuracy, % | spikes | additions | updates | CPU time, LIF = 1 |",
            "|---|---|---|---|---|---|"]  # fmt: skip
    lif = kept(dataset, "lif")["runs"]
    for neuron in (*trainable(), *DENSE):
        runs = kept(dataset, neuron)["runs"]
        if not runs:
            continue
        times = [r["cpu_s_per_epoch"] for r in runs]
        ratio = statistics.median(times) / statistics.median(r["cpu_s_per_epoch"] for r in lif)
        accuracy = _shown([r["test_acc"] for r in runs], 100.0, 1)
        counts = [f"{statistics.mean(r[k] for r in runs):,.0f}"
                  for k in ("spikes", "additions", "updates")]  # fmt: skip
        rows.append(f"| `{neuron}` | {accuracy} | {' | '.join(counts)} | {ratio:.1f} |")
    return "\n".join(rows)


def text() -> str:
    """The tables with their captions."""
    parts = []
    for dataset in LOADERS:
        found = [n for n in trainable() if kept(dataset, n)["runs"]]
        if not found:
            continue
        seeds = len(kept(dataset, found[0])["runs"])
        parts.append(f"{dataset}, {EPOCHS[dataset]} epochs, {seeds} seeds:\n\n{table(dataset)}")
    return "\n\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("write", help="insert the table into docs/zoo.md")
    running = commands.add_parser("run", help="make the runs that are missing")
    running.add_argument("--dataset", choices=tuple(LOADERS), default="digits")
    running.add_argument(
        "--neurons", nargs="+", choices=(*ZOO, *DENSE), default=[*trainable(), *DENSE]
    )
    running.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    if args.command == "run":
        skipped = ONLY_SMALL if args.dataset == "mnist" else ()
        run(args.dataset, [n for n in args.neurons if n not in skipped], args.seeds)
    elif args.command == "write":
        write_between(PAGE, START, END, f"\n{text()}\n")
    else:
        print(text())


if __name__ == "__main__":
    main()
