"""Spoken digits with one delay per synapse: carry out the missing runs, and print the table.

python tools/delayed_table.py                            # the table, in Markdown
python tools/delayed_table.py write                      # insert it into docs/results.md
python tools/delayed_table.py run learned --seeds 3      # hours; resumes interrupted runs
python tools/delayed_table.py steps                      # runs of variants, on held-out speakers

Each kind of network has one file in results/shd_delayed. It contains the command for a run of
demos/train_shd.py, all its arguments and, for each seed, the result of its only test; "right" tells
which test words were recognised (eight per byte, in base64). `steps.json` contains the
variants tried on held-out speakers, one run each. Existing runs are not repeated.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from jarvis.support.files import FolderInUseError, locked, write_json

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "demos"), str(ROOT / "tools")]
from delay_study import paired  # noqa: E402
from spatial_runs import packed, percent, unpacked, write_between  # noqa: E402
from train_shd import make_parser  # noqa: E402

import cli  # noqa: E402

del sys.path[:2]
RESULTS = ROOT / "results" / "shd_delayed"
RUNS = ROOT / "runs" / "delayed_table"
#: Options shared by all kinds of networks.
RECIPE = "--hidden 240 240 --epochs 60 --dropout 0.4 --adaptation 0.3 --tau-adapt 100"
#: The rows of the table: a title, and options in addition to `RECIPE`.
KINDS = {
    "learned": ("learned delays", ""),
    "frozen": ("delays frozen at random values", "--delays frozen"),
    "frozen_smooth": (
        "delays frozen at random values, the same smoothing",
        "--delays frozen --smooth-frozen",
    ),
    "none": ("no delays", "--delays none"),
    "abrupt": ("learned delays, no smoothing", "--smoothing 0"),
}
#: Variants tried on held-out speakers, by a short name: a description, and the options.
_SHORT = "--hidden 240 240 --epochs 12 --dropout 0.4"
STEPS: dict[str, tuple[str, str]] = {
    "plain": ("LIF neurons, inputs as they are", f"{_SHORT} --equalise 0"),
    "equalised": ("inputs equalised", _SHORT),
    "blend": ("LIF neurons, half of the words blended", f"{_SHORT} --equalise 0 --blend 0.5"),
    "adaptive": ("equalised, adaptive thresholds", f"{_SHORT} --adaptation 0.3 --tau-adapt 100"),
    "strong": ("equalised, adaptation of 1", f"{_SHORT} --adaptation 1 --tau-adapt 100"),
}


def read(name: str) -> dict | None:
    """The content stored under a name; None if there is none."""
    path = RESULTS / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def plain(options: str) -> dict:
    """The parsed options, defaults included, without those that may differ within a kind."""
    return kept_of(vars(make_parser().parse_args([*options.split(), "--dataset", "shd"])))


def kept_of(arguments: dict) -> dict:
    """The arguments of a run that all runs of its kind share, in the form that JSON gives them."""
    own = ("seed", "output", "device", "resume", "plot", "force", "dataset", "duration")
    shared = {k: v for k, v in arguments.items() if k not in own}
    if not shared.get("smooth_frozen"):  # runs without this option do not store it
        shared.pop("smooth_frozen", None)
    return json.loads(json.dumps(shared))


def train(options: str, folder: Path) -> tuple[dict, float]:
    """Carry out or resume a run of the demo; returns its metrics and its training time in s.

    Raises:
        SystemExit: the folder contains a run with other options.
    """
    metrics = folder / "metrics_final.json"
    if not (metrics.exists() and "parameters" in json.loads(metrics.read_text())):
        line = [sys.executable, "demos/train_shd.py", *options.split(), "--dataset", "shd",
                "--device", "cpu", "--output", str(folder)]  # fmt: skip
        if (folder / "checkpoint_latest.pt").exists():
            line += ["--resume", str(folder)]
        subprocess.run(line, cwd=ROOT, check=True)
    content = json.loads(metrics.read_text())
    if kept_of(content["arguments"]) != plain(options):
        raise SystemExit(f"{folder} contains another run: {content['arguments']}")
    return content, sum(epoch["seconds"] for epoch in content["epochs"])


def make(name: str, seed: int) -> None:
    """Carry out a run of a kind unless it exists."""
    title, more = KINDS[name]
    options = f"{RECIPE} {more} --final".replace("  ", " ")
    kept = read(name)
    if kept is not None and kept["arguments"] != plain(options):
        raise SystemExit(f"{name}.json contains runs with other arguments: {kept['arguments']}")
    if kept is not None and seed in [run["seed"] for run in kept["runs"]]:
        return
    content, seconds = train(f"{options} --seed {seed}", RUNS / f"{name}_{seed}")
    test = content["test"]
    run = {
        "seed": seed,
        "train_acc": round(content["train"]["acc"], 4),
        "test_acc": round(test["acc"], 4),
        "spikes": round(test["spikes"]),
        "operations": round(test["additions"] + test["multiply_adds"]),
        "additions": round(test["additions"]),
        "multiply_adds": round(test["multiply_adds"]),
        "seconds": round(seconds),
        "threads": content["threads"],
        "right": packed(np.equal(test["predicted"], test["targets"])),
        "train_curve": [round(epoch["train_acc"], 4) for epoch in content["epochs"]],
    }
    kept = read(name) or {
        "title": title,
        "command": f"python demos/train_shd.py {options} --seed SEED",
        "arguments": plain(options),
        "words": len(test["predicted"]),
        "data": content["data"]["test"],
        "parameters": content["parameters"],
        "stored": content["stored"],
        "runs": [],
    }
    kept["runs"] = sorted([*kept["runs"], run], key=lambda r: r["seed"])
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS / f"{name}.json", kept)
    print(f"{time.strftime('%H:%M:%S')} {name} seed={seed} test={run['test_acc']:.4f}", flush=True)


def make_step(name: str) -> None:
    """Carry out a run for steps.json, which stores the final accuracy on held-out speakers."""
    title, options = STEPS[name]
    kept = read("steps") or {"steps": []}
    for step in kept["steps"]:
        if step["name"] == name:
            if step["arguments"] != plain(options):
                raise SystemExit(f"steps.json: {name} has other arguments: {step['arguments']}")
            return
    content, seconds = train(options, RUNS / f"step_{name}")
    kept = read("steps") or {"data": content["data"]["val"], "steps": []}
    kept["steps"].append({
        "name": name, "step": title, "command": f"python demos/train_shd.py {options}",
        "arguments": plain(options), "threads": content["threads"],
        "epochs": len(content["epochs"]), "val_acc": round(content["val"]["acc"], 4),
        "train_acc": round(content["train"]["acc"], 4), "parameters": content["parameters"],
        "seconds": round(seconds),
    })  # fmt: skip
    kept["steps"].sort(key=lambda step: list(STEPS).index(step["name"]))
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS / "steps.json", kept)


def right(kept: dict) -> dict[int, np.ndarray]:
    """For each seed whose answers are stored, whether each word was recognised, ``[N]`` bool."""
    return {run["seed"]: unpacked(run["right"], kept["words"]) for run in kept["runs"]
            if "right" in run}  # fmt: skip


def differences() -> list[str]:
    """Rows of a table that compares each kind with "learned", for the seeds that both have."""
    rows = []
    found = {name: kept for name in KINDS if (kept := read(name)) is not None}
    ours = right(found["learned"]) if "learned" in found else {}
    for name, kept in found.items():
        theirs = right(kept)
        seeds = sorted(ours.keys() & theirs.keys())
        if name == "learned" or not seeds:
            continue
        result = paired(*(np.stack([each[seed] for seed in seeds]) for each in (ours, theirs)))
        mean, low, high = (100 * result[key] for key in ("mean", "low", "high"))
        rows.append(
            f"| {found['learned']['title']} − {kept['title']} | **{mean:+.1f}** | "
            f"{low:+.1f} to {high:+.1f} | {len(seeds)} | {result['p']:.2g} |"
        )
    return rows


def table() -> str:
    """Each network's test accuracy and cost, paired differences, and the variants tried."""
    lines = [
        "| two layers of 240 adaptive LIF neurons | parameters | stored values | "
        "test accuracy, % | n | "
        "spikes per word | operations per word | training, min |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in KINDS:
        if (kept := read(name)) is None:
            continue
        runs = kept["runs"]
        means = [statistics.mean(run[key] for run in runs) for key in ("spikes", "operations")]
        minutes = statistics.mean(run["seconds"] for run in runs) / 60
        lines.append(
            f"| {kept['title']} | {kept['parameters']:,} | {kept['stored']:,} | "
            f"{percent([r['test_acc'] for r in runs])} | {len(runs)} | "
            f"{means[0]:,.0f} | {means[1]:,.0f} | {minutes:.0f} |"
        )
    if rows := differences():
        lines += [
            "",
            "| difference, percentage points | mean | 95 %, words and seeds | n | McNemar p |",
            "|---|---|---|---|---|",
            *rows,
        ]
    if (kept := read("steps")) is not None:
        lines += [
            "",
            "| variant (single runs) | epochs | training words, % | speakers 6 and 7, % |",
            "|---|---|---|---|",
        ]
        lines += [
            f"| {step['step']} | {step['epochs']} | {100 * step['train_acc']:.1f} | "
            f"{100 * step['val_acc']:.1f} |"
            for step in kept["steps"]
        ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "what", nargs="?", choices=("table", "write", "run", "steps"), default="table"
    )
    parser.add_argument("names", nargs="*", help="networks (steps: variants); by default all")
    parser.add_argument("--seeds", type=cli.positive_int, default=1, help="number of seeds, from 0")
    args = parser.parse_args()
    known = {"run": KINDS, "steps": STEPS}.get(args.what, ())
    for name in args.names:
        if name not in known:
            parser.error(f"{args.what} {name}: not one of {', '.join(known) or 'none'}")
    try:
        RESULTS.mkdir(parents=True, exist_ok=True)
        with locked(RESULTS) if args.what in ("run", "steps") else nullcontext():
            if args.what == "run":
                for seed in range(args.seeds):
                    for name in args.names or KINDS:
                        make(name, seed)
            if args.what == "steps":
                for name in args.names or STEPS:
                    make_step(name)
    except FolderInUseError as error:
        parser.error(error.strerror)
    if args.what == "write":
        write_between("delayed", table())
    print(table())


if __name__ == "__main__":
    main()
