"""Spoken digits: carry out the runs missing in results/shd, and print the tables of results.md.

python tools/shd_table.py                               # the tables, in Markdown
python tools/shd_table.py write                         # insert them into docs/results.md
python tools/shd_table.py run net_3 net_inf --seeds 3   # hours; resumes interrupted runs
python tools/shd_table.py steps                         # runs of variants, on held-out speakers
python tools/shd_table.py shortest                      # seconds: the run that a test repeats
python tools/shd_table.py vote net_3 net_inf            # the ensemble of all runs of a kind

Each kind of network has one file. It contains the command for a run and, for each seed, the result
of its only test. `steps.json` contains the variants tried on held-out speakers, one entry per run.
Existing runs are not repeated.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch

from jarvis.support.files import FolderInUseError, locked, write_json

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "demos"), str(ROOT / "tools")]
from spatial_runs import (  # noqa: E402
    meant,
    parsed,
    percent,
    plain,
    train,
    trained_network,
    words_of,
    write_between,
)

import cli  # noqa: E402

del sys.path[:2]
RESULTS = ROOT / "results" / "shd"
RUNS = ROOT / "runs" / "shd_table"
TEST_WORDS = 2290  #: number of test words of the set rebuilt from the recordings


@dataclass(frozen=True)
class Kind:
    """A kind of network, which is a row of the table.

    Args:
        title: the name of the kind in the table.
        options: options of the demo in addition to `RECIPE`.
        published: test accuracy, %, of Landsmeer et al. 2025 (medians read from the paper's
            notebooks).
    """

    title: str
    options: str
    published: float | None = None


#: Options shared by all kinds of networks; chosen on held-out speakers, see steps.json.
START = "--signed --readoutgradscale 10 --warmup 200 --decay_steps 0"
AGAINST_OVERFITTING = "--shift_channels 20 --dropout 0.3 --smoothing 0.1"
MORE = "--shift_channels 30 --jitter_channels 20 --dropout 0.3 --smoothing 0.1"
SLOW = "--tau 20 --tau_syn 10"
RECIPE = f"{START} {MORE} {SLOW} --nepochs 12"
PLAIN = "--possigma 50 --shift_channels 20 --jitter_channels 0"
ADEX = (
    "--adex --integrator euler --damping 1e-4 --average 0.995 --lr 5e-4 --readoutgradscale 20 "
    "--delaygradscale 20 --shift_channels 20"
)
KINDS = {
    "net_0": Kind("no delays", "--net 0", 69.1),
    "net_2": Kind("2-D", "--net 2 --possigma 50", 77.0),
    "net_3": Kind("3-D", "--net 3 --possigma 50", 81.1),
    "net_inf": Kind(
        "free delays, 100 ± 50 ms at the start", "--net inf --delaymu 100 --delaysigma 50"
    ),
    "net_inf_short": Kind("free delays, 8 ± 1 ms at the start", "--net inf", 76.2),
    "net_3_sparse_10": Kind(
        "3-D, 10 % of the synapses kept", "--net 3 --sparse 0.1 --sparse_iter --possigma 50"
    ),
    "net_3_adex": Kind(
        "3-D, AdEx neurons",
        f"--net 3 {ADEX} --max_rate 40 --tau 10 --tau_syn 2 --jitter_channels 0 --dropout 0 "
        "--smoothing 0",
    ),
    "net_3_plain": Kind("3-D, no jitter of single events", f"--net 3 {PLAIN}"),
}
#: The run that a test repeats, which takes a few seconds.
SHORT = (
    "--net 3 --nhidden 20 --dt 2 --load_limit 2048 --load_limit_test 256 --nepochs 2 --final "
    "--signed --readoutgradscale 10 --warmup 10 --decay_steps 0"
)
#: The variants tried, by a short name: description and options; 8 epochs unless stated otherwise.
STEPS = {
    "source": ("recipe of the paper", "--net 3 --warmup 200 --decay_steps 0"),
    "dropout": (
        "+ initial weights of both signs, read-out learning rate x 10, words shifted by up to 20 "
        "channels, dropout 0.3, labels smoothed by 0.1",
        f"--net 3 {START} {AGAINST_OVERFITTING}",
    ),
    "slow": (
        "+ time constants of 20 and 10 ms instead of 10 and 2; standard deviation of positions "
        "50 ms instead of 20",
        f"--net 3 {START} {AGAINST_OVERFITTING} {SLOW} --possigma 50",
    ),
    "jitter": (
        "+ channel jitter per event (s.d. 20), words shifted by up to 30: **the recipe**",
        f"--net 3 {START} {MORE} {SLOW} --possigma 50",
    ),
    "mask": (
        "the recipe, 12 epochs, jitter 15, dropout 0.2, with masks of up to 100 channels and "
        "100 ms",
        f"--net 3 {START} --shift_channels 30 --jitter_channels 15 --dropout 0.2 --smoothing 0.1 "
        f"--mask_channels 100 --mask_time 100 {SLOW} --possigma 50 --nepochs 12",
    ),
    "free": ("the recipe, free delays of 8 ± 1 ms", f"--net inf {START} {MORE} {SLOW}"),
    "free_wide": (
        "the recipe, free delays of 100 ± 50 ms",
        f"--net inf {START} {MORE} {SLOW} --delaymu 100 --delaysigma 50",
    ),
    "adex_unheld": (
        "3-D, AdEx neurons, damped gradients, averaged weights, learning rate halved, words "
        "shifted by up to 20 channels; rates reach 84 Hz",
        f"--net 3 {START} {ADEX} --nepochs 5",
    ),
    "adex": (
        "+ the synapses of neurons beyond 40 Hz weakened by 1 % per step; rates stay at 34 Hz",
        f"--net 3 {START} {ADEX} --max_rate 40",
    ),
}


def read(name: str) -> dict | None:
    """The content stored under a name; None if there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text()) if path.exists() else None


def write(name: str, content: dict) -> None:
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS / f"{name}.json", content)


def make(name: str, seed: int) -> None:
    """Carry out a run of a kind unless it exists."""
    kind = KINDS[name]
    options = f"{RECIPE} {kind.options} --final"
    content = read(name) or {"runs": []}
    if content["runs"] and meant(content["command"]) != plain(options):
        raise SystemExit(f"{name}.json contains runs with other options: {content['command']}")
    if seed in [run["seed"] for run in content["runs"]]:
        return
    metrics = train(f"{options} --seed {seed}", RUNS / f"{name}_{seed}")
    command, test = metrics["command"], metrics["test"]
    run = {
        "seed": seed,
        "epochs": len(metrics["epochs"]),
        "train_acc": round(metrics["train"]["acc"], 4),
        "test_acc": round(test["acc"], 4),
        "test_top3": round(test["top3"], 4),
        "rate": round(test["rate"], 2),
        "operations": round(test["operations"]),
        "seconds": round(sum(epoch["seconds"] for epoch in metrics["epochs"])),
        "train_curve": [round(epoch["train_acc"], 4) for epoch in metrics["epochs"]],
    }
    head = {
        "title": kind.title,
        "command": command.replace(f" --seed {seed}", "") + " --seed SEED",
        "data": metrics["data"]["test"],
        "hidden": metrics["arguments"]["nhidden"],
        "parameters": metrics["parameters_without_readout"],
        "published": kind.published,
    }
    runs = (read(name) or {"runs": []})["runs"]  # another process may have added a run
    runs = sorted([*(r for r in runs if r["seed"] != seed), run], key=lambda r: r["seed"])
    write(name, head | {"runs": runs})
    print(f"{time.strftime('%H:%M:%S')} {name} seed={seed} test={run['test_acc']:.4f}", flush=True)


def make_step(name: str) -> None:
    """Carry out a run for steps.json, which stores the final accuracy on held-out speakers."""
    words, options = STEPS[name]
    if "--nepochs" not in options:
        options += " --nepochs 8"
    for step in (read("steps") or {"steps": []})["steps"]:
        if step["name"] == name:
            if meant(step["command"]) != plain(options):
                raise SystemExit(f"steps.json has {name} with other options: {step['command']}")
            return
    metrics = train(options, RUNS / f"step_{name}")
    result = {
        "name": name,
        "step": words,
        "command": metrics["command"],
        "val_acc": round(metrics["val"]["acc"], 4),
        "train_acc": round(metrics["train"]["acc"], 4),
        "parameters": metrics["parameters_without_readout"],
        "epochs": len(metrics["epochs"]),
    }
    content = read("steps") or {"data": metrics["data"]["val"], "steps": []}  # may have changed
    content["steps"].append(result)
    content["steps"].sort(key=lambda step: list(STEPS).index(step["name"]))
    write("steps", content)
    print(f"{time.strftime('%H:%M:%S')} {name} val={result['val_acc']:.4f}", flush=True)


def vote(name: str) -> None:
    """Test the ensemble of all runs of a kind, which averages their probabilities for each word."""
    kept = read(name) or {"runs": []}
    seeds = [run["seed"] for run in kept["runs"]]
    options = f"{RECIPE} {KINDS[name].options} --final"
    _, words = words_of(parsed(options))
    shares = torch.zeros(len(words), words.n_classes)
    for seed in seeds:
        network = trained_network(parsed(f"{options} --seed {seed}"), RUNS / f"{name}_{seed}")
        with torch.no_grad():
            for index in torch.arange(len(words)).split(128):
                shares[index] += network(words[index][0]).scores.softmax(1) / len(seeds)
    right = shares.topk(3).indices == words.targets.unsqueeze(1)
    content = {
        "title": f"vote of {len(seeds)} networks: {KINDS[name].title}",
        "kind": name,
        "seeds": seeds,
        "data": words.source,
        "parameters": len(seeds) * kept["parameters"] if seeds else 0,
        "test_acc": round(right[:, 0].float().mean().item(), 4),
        "test_top3": round(right.any(1).float().mean().item(), 4),
    }
    write(f"vote_{name}", content)


def make_shortest() -> None:
    """Carry out the short run that a test repeats."""
    with tempfile.TemporaryDirectory() as folder:
        metrics = train(SHORT, Path(folder) / "run")
    parts = {k: {n: metrics[k][n] for n in ("loss", "acc")} for k in ("train", "test")}
    write("shortest", {"command": metrics["command"]} | parts)


def table() -> str:
    """Each network's test accuracy and cost; a single run has its interval over words."""
    lines = [
        "| network (100 hidden neurons unless stated) | parameters | test accuracy, % | "
        "published, % | top 3, % | n | rate, Hz | operations per word |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, kind in KINDS.items():
        content = read(name)
        if content is None:
            continue
        runs = content["runs"]
        lines.append(
            f"| {kind.title} | {content['parameters']:,} | "
            f"{percent([r['test_acc'] for r in runs], TEST_WORDS)} | {kind.published or ''} | "
            f"{percent([r['test_top3'] for r in runs]).replace('*', '')} | {len(runs)} | "
            f"{statistics.mean(r['rate'] for r in runs):.0f} | "
            f"{statistics.mean(r['operations'] for r in runs):,.0f} |"
        )
    for name in KINDS:
        if content := read(f"vote_{name}"):
            lines.append(
                f"| {content['title']} | {content['parameters']:,} | "
                f"{percent([content['test_acc']], TEST_WORDS)} | | "
                f"{100 * content['test_top3']:.1f} | 1 | | |"
            )
    return "\n".join(lines)


def step_table() -> str:
    """The result of each variant on held-out speakers."""
    content = read("steps")
    if content is None:
        return ""
    lines = [
        "| variant (single runs) | epochs | training words, % | speakers 6 and 7, % |",
        "|---|---|---|---|",
    ]
    for step in content["steps"]:
        lines.append(
            f"| {step['step']} | {step['epochs']} | {100 * step['train_acc']:.1f} | "
            f"{100 * step['val_acc']:.1f} |"
        )
    return "\n".join(lines)


def tables() -> str:
    """The tables that docs/results.md shows between this program's markers."""
    return f"{table()}\n\n{step_table()}".strip()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "what",
        nargs="?",
        choices=("table", "write", "run", "steps", "shortest", "vote"),
        default="table",
    )
    parser.add_argument("names", nargs="*", help="networks (steps: variants); by default all")
    parser.add_argument("--seeds", type=cli.positive_int, default=1, help="number of seeds, from 0")
    args = parser.parse_args()
    known = {"run": KINDS, "steps": STEPS, "vote": KINDS}.get(args.what, ())
    for name in args.names:
        if name not in known:
            parser.error(f"{args.what} {name}: not one of {', '.join(known) or 'none'}")
    try:
        with locked(RESULTS) if args.what in ("run", "steps", "vote") else nullcontext():
            make_missing(args)
    except FolderInUseError as error:
        parser.error(error.strerror)
    print(tables())


def make_missing(args: argparse.Namespace) -> None:
    """Do what the command line asks for, except for printing the tables."""
    if args.what == "run":
        for seed in range(args.seeds):
            for name in args.names or KINDS:
                make(name, seed)
    if args.what == "vote":
        for name in args.names:
            vote(name)
    if args.what == "write":
        write_between("shd", tables())
    if args.what == "shortest":
        make_shortest()
    if args.what == "steps":
        for name in args.names or STEPS:
            make_step(name)


if __name__ == "__main__":
    main()
