"""Spoken digits with one delay per synapse: carry out the missing runs, and print the table.

python tools/delayed_table.py                            # the table, in Markdown
python tools/delayed_table.py write                      # insert it into docs/results.md
python tools/delayed_table.py run learned --seeds 3      # hours; resumes interrupted runs
python tools/delayed_table.py steps                      # runs of variants, on held-out speakers

Each kind of network has one file in results/shd_delayed. It contains the command for a run of
demos/train_shd.py, all its arguments and, for each seed, the result of its only test: among others,
one bit per word that tells whether the answer was right, so that networks can be compared word by
word. (The first two runs were stored without these bits, without their number of threads, and with
the sum of additions and multiply-adds only, on the first 256 test words.) `steps.json` contains the
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
from delay_study import Rights, compared, packed, unpacked  # noqa: E402
from spatial_runs import percent, write_between  # noqa: E402
from train_shd import duration, make_parser  # noqa: E402

import cli  # noqa: E402

del sys.path[:2]
RESULTS = ROOT / "results" / "shd_delayed"
RUNS = ROOT / "runs" / "delayed_table"
_ADAPTIVE = "--adaptation 0.3 --tau-adapt 100"
#: Options shared by all kinds of networks.
RECIPE = f"--hidden 240 240 --epochs 60 --dropout 0.4 {_ADAPTIVE}"
#: The rows of the table: a title, and options in addition to `RECIPE`.
KINDS = {
    "learned": ("learned delays", ""),
    "frozen": ("delays frozen at random values", "--delays frozen"),
    "frozen_smooth": (
        "delays frozen at random values, smoothed like learned ones",
        "--delays frozen --smooth-frozen",
    ),
    "none": ("no delays", "--delays none"),
    # the best of the time constants in `STEPS`
    "none_slow": ("no delays, membranes of 300 ms", "--delays none --tau 300"),
    "abrupt": ("learned delays, no smoothing", "--smoothing 0"),
}
#: Networks of `tools/baselines.py` with the same inputs and as many parameters: their rows' titles.
BASELINES = {
    "shd_gru_recipe": "a GRU, 189 units",
    "shd_lif_recipe": "366 LIF neurons with recurrent weights, no adaptation, no delays",
}
#: Options that do not define a run.
GIVEN = ("device", "output", "force", "resume", "plot")
#: Variants tried on held-out speakers, by a short name: a description, and the options.
_SHORT = "--hidden 240 240 --epochs 12 --dropout 0.4"
STEPS: dict[str, tuple[str, str]] = {
    "plain": ("LIF neurons, inputs as they are", f"{_SHORT} --equalise 0"),
    "equalised": ("inputs equalised", _SHORT),
    "blend": ("LIF neurons, half of the words blended", f"{_SHORT} --equalise 0 --blend 0.5"),
    "adaptive": ("equalised, adaptive thresholds", f"{_SHORT} {_ADAPTIVE}"),
    "strong": ("equalised, adaptation of 1", f"{_SHORT} --adaptation 1 --tau-adapt 100"),
    # without delays, neurons need a memory of their own
    **{
        f"none_{tau}": (
            f"no delays, membranes of {tau} ms", f"{_SHORT} {_ADAPTIVE} --delays none --tau {tau}"
        )
        for tau in (10, 30, 100, 300, 1000)
    },
}  # fmt: skip


def read(name: str, folder: Path | None = None) -> dict | None:
    """The content stored under a name, in `RESULTS` unless a folder is given; None without it."""
    path = (folder or RESULTS) / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def plain(options: str) -> dict:
    """All arguments of the demo for the given options, except those in `GIVEN`."""
    args = make_parser().parse_args([*options.split(), "--dataset", "shd"])
    args.duration = duration(args)
    return {k: v for k, v in vars(args).items() if k not in GIVEN}


def differing(then: dict, options: str) -> str:
    """How the stored arguments of a run differ from those for the given options; "" if they do not.

    An option that the demo got after the run is missing: it must have its default value now.

    Example:
        >>> differing(plain("--lr 0.1"), "--lr 0.2 --epochs 3")
        'epochs was 100, now 3; lr was 0.1, now 0.2'
    """
    now, usual = plain(options), plain("")
    changed = [
        f"{name} was {then.get(name, usual.get(name))}, now {now.get(name)}"
        for name in sorted(now | then)
        if then.get(name, usual.get(name)) != now.get(name)
    ]
    return "; ".join(changed)


def meant(command: str) -> dict:
    """Like `plain`, for the options in a stored command."""
    return plain(command.split("train_shd.py")[1].replace("SEED", "0"))


def train(options: str, folder: Path) -> tuple[dict, float]:
    """Carry out or resume a run of the demo; returns its metrics and its training time in s.

    Raises:
        SystemExit: if the folder contains a run with other arguments, or with another seed.
    """
    metrics = folder / "metrics_final.json"
    if not (metrics.exists() and "stored" in json.loads(metrics.read_text())):
        line = [sys.executable, "demos/train_shd.py", *options.split(), "--dataset", "shd",
                "--device", "cpu", "--output", str(folder)]  # fmt: skip
        if (folder / "checkpoint_latest.pt").exists():
            line += ["--resume", str(folder)]
        subprocess.run(line, cwd=ROOT, check=True)
    content = json.loads(metrics.read_text())
    then = content["arguments"] | {"epochs": len(content["epochs"])}
    if changed := differing(then, options):
        raise SystemExit(f"{folder} contains another run: {changed}")
    return content, sum(epoch["seconds"] for epoch in content["epochs"])


def options_of(name: str) -> str:
    """The options of a kind's runs, except the seed."""
    return " ".join(filter(None, (RECIPE, KINDS[name][1], "--final")))


def make(name: str, seed: int) -> None:
    """Carry out a run of a kind unless it exists."""
    options = options_of(name)
    kept = read(name) or {"runs": []}
    if kept["runs"] and (changed := differing(kept["arguments"], options)):
        raise SystemExit(f"{name}.json contains runs with other arguments: {changed}")
    if seed in [run["seed"] for run in kept["runs"]]:
        return
    content, seconds = train(f"{options} --seed {seed}", RUNS / f"{name}_{seed}")
    test = content["test"]
    right = np.equal(test["predicted"], test["targets"])
    run = {
        "seed": seed,
        "train_acc": round(content["train"]["acc"], 4),
        "test_acc": round(test["acc"], 4),
        "spikes": round(test["spikes"]),
        "additions": round(test["additions"]),
        "multiply_adds": round(test["multiply_adds"]),
        "seconds": round(seconds),
        "threads": content["threads"],
        "right": packed(right),
        "train_curve": [round(epoch["train_acc"], 4) for epoch in content["epochs"]],
    }
    arguments = plain(options)
    del arguments["seed"]
    head = {
        "title": KINDS[name][0],
        "command": f"python demos/train_shd.py {options} --seed SEED",
        "arguments": arguments,
        "data": content["data"]["test"],
        "words": len(right),
        "parameters": content["parameters"],
        "stored": content["stored"],
    }
    runs = sorted([*kept["runs"], run], key=lambda r: r["seed"])
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS / f"{name}.json", head | {"runs": runs})
    print(f"{time.strftime('%H:%M:%S')} {name} seed={seed} test={run['test_acc']:.4f}", flush=True)


def make_step(name: str) -> None:
    """Carry out a run for steps.json, which stores the final accuracy on held-out speakers."""
    title, options = STEPS[name]
    for step in (read("steps") or {"steps": []})["steps"]:
        if step["name"] == name:
            if changed := differing(step["arguments"], options):
                raise SystemExit(f"steps.json has {name} with other arguments: {changed}")
            return
    content, seconds = train(options, RUNS / f"step_{name}")
    kept = read("steps") or {"data": content["data"]["val"], "steps": []}
    kept["steps"].append({
        "name": name, "step": title, "command": f"python demos/train_shd.py {options}",
        "arguments": plain(options), "epochs": len(content["epochs"]),
        "val_acc": round(content["val"]["acc"], 4), "train_acc": round(content["train"]["acc"], 4),
        "parameters": content["parameters"], "threads": content["threads"],
        "seconds": round(seconds),
    })  # fmt: skip
    kept["steps"].sort(key=lambda step: list(STEPS).index(step["name"]))
    RESULTS.mkdir(parents=True, exist_ok=True)
    write_json(RESULTS / "steps.json", kept)


def right(name: str) -> Rights:
    """For each seed whose bits are stored, whether each test word was right, ``[N]`` bool."""
    kept = read(name) or {"runs": []}
    runs = [run for run in kept["runs"] if "right" in run]
    return {run["seed"]: unpacked(run["right"], kept["words"]) for run in runs}


def cost(runs: list[dict]) -> str:
    """Two cells: spikes, and additions and multiply-adds, per word.

    They are means over the runs that were counted on words of the whole set, if there are any.
    """
    runs = [run for run in runs if "additions" in run] or runs

    def mean(key: str) -> str:
        return f"{statistics.mean(run[key] for run in runs):,.0f}"

    if "additions" not in runs[0]:
        return f"{mean('spikes')} | {mean('operations')} together"
    return f"{mean('spikes')} | {mean('additions')} + {mean('multiply_adds')}"


def kind_table() -> str:
    """Each network's test accuracy and cost, and the baselines' accuracy."""

    def minutes(runs: list[dict]) -> str:
        return f"{statistics.mean(run['seconds'] for run in runs) / 60:.0f}"

    lines = [
        "| network; if no other is named, two layers of 240 adaptive LIF neurons | "
        "learned parameters | stored | test accuracy, % | n | spikes per word | "
        "additions + multiply-adds per word | training, min |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name in KINDS:
        if (kept := read(name)) is None:
            continue
        runs = kept["runs"]
        accuracy = percent([run["test_acc"] for run in runs], kept["words"])
        lines.append(
            f"| {kept['title']} | {kept['parameters']:,} | {kept['stored']:,} | {accuracy} | "
            f"{len(runs)} | {cost(runs)} | {minutes(runs)} |"
        )
    for name, title in BASELINES.items():
        if kept := read(name, ROOT / "results" / "baselines"):
            runs, number = kept["runs"], f"{kept['parameters']:,}"
            accuracy = percent([run["test_acc"] for run in runs])
            cells = [title, number, number, accuracy, str(len(runs)), "", "", minutes(runs)]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def pair_table() -> str:
    """Each kind minus the one with learned delays, word by word, where both have bits."""
    return compared(
        (f"{title} − {KINDS['learned'][0]}", right(name), right("learned"))
        for name, (title, _) in KINDS.items()
        if name != "learned"
    )


def step_table() -> str:
    """The result of each variant on held-out speakers."""
    if (kept := read("steps")) is None:
        return ""
    lines = [
        "| variant (single runs) | epochs | training words, % | speakers 6 and 7, % |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {step['step']} | {step['epochs']} | {100 * step['train_acc']:.1f} | "
        f"{100 * step['val_acc']:.1f} |"
        for step in kept["steps"]
    ]
    return "\n".join(lines)


def table() -> str:
    """The tables that docs/results.md shows between this program's markers."""
    return "\n\n".join(filter(None, (kind_table(), pair_table(), step_table())))


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
