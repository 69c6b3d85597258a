"""Accuracies of the short programs: carry out the missing runs, and print the tables.

python tools/program_table.py                             # the tables, in Markdown
python tools/program_table.py write                       # insert them into docs/results.md
python tools/program_table.py run digits nmnist_stdp      # rows; by default all, about seven hours

Each row of a table has one file in results/programs. It contains the commands, the test data, and
for each seed the values that the last command printed. Existing runs are not repeated.
"""

import argparse
import json
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from jarvis import datasets
from jarvis.support.downloads import MissingDataError
from jarvis.support.files import FolderInUseError, locked, write_between, write_json

ROOT = Path(__file__).resolve().parent.parent
RESULTS, PAGE = ROOT / "results" / "programs", ROOT / "docs" / "results.md"


@dataclass(frozen=True)
class Row:
    """A row of a table.

    Args:
        task: what the network does.
        data: the data set, a function of `jarvis.datasets`; empty for environments, which have
            none.
        commands: the programs in demos with their options, in order; ``SEED`` stands for the seed,
            and ``RUNS`` for the folder of the runs.
        seeds: the seeds.
        values: the printed values to show: a short name for each. Accuracies need no name, and
            returns are shown for each seed.
        remark: a sentence part behind the task.
    """

    task: str
    data: str
    commands: tuple[str, ...]
    seeds: tuple[int, ...]
    values: tuple[tuple[str, str], ...] = (("test_acc", ""),)
    remark: str = ""


def stdp(data: str, evaluation: str) -> tuple[str, str]:
    """The commands that train a network by STDP and evaluate it."""
    return f"train_spikeseg.py --dataset {data} --name {data} --seed SEED", evaluation


FIVE, THREE = (0, 1, 2, 3, 4), (0, 1, 2)
#: The configs were tuned with seed 42.
STDP_SEEDS = (42, 43, 44)
ACCURACY = (("accuracy", ""),)
SCENES = (
    ("informedness", "informedness"),
    ("mean_iou", "mean IoU"),
    ("two_instances", "pairs told apart"),
    ("false_alarms", "false alarms"),
)
DETECTOR = tuple((f"baseline_{key}", title) for key, title in SCENES)
RETURN = (("test_return", ""),)


def body(task: str, options: str, seeds: tuple[int, ...] = THREE) -> Row:
    """A row of the table of bodies."""
    return Row(task, "", (f"train_control.py {options} --seed SEED",), seeds, RETURN)


BLIND = "--hide-velocities"
TRACES = "--steps-per-action 20 --tau-trace 10 50 --budget-steps 1500000"
CHEETAH, ANT = "--env HalfCheetah-v5", "--env Ant-v5 --every 20 --budget-steps 3000000"
TABLES: dict[str, dict[str, Row]] = {
    "gradients": {
        "toy_rate": Row("toy, rate code", "toy", ("train_toy.py --epochs 10 --seed SEED",), FIVE),
        "toy_ttfs": Row(
            "toy, first-spike code", "toy", ("train_toy.py --encoding ttfs --seed SEED",), FIVE
        ),
        "digits": Row("digits, 64-1000-10", "digits", ("train_mnist.py --seed SEED",), FIVE),
        "mnist_mlp": Row(
            "MNIST, 784-1000-10",
            "mnist",
            ("train_mnist.py --dataset mnist --arch mlp --seed SEED",),
            THREE,
        ),
        "mnist_conv": Row(
            "MNIST, convolutional",
            "mnist",
            ("train_mnist.py --dataset mnist --arch conv --seed SEED",),
            THREE,
        ),
    },
    "stdp": {
        "digits_stdp": Row(
            "digits, linear read-out from two layers trained by STDP",
            "digits",
            stdp("digits", "evaluate_spikeseg.py RUNS/digits"),
            STDP_SEEDS,
            ACCURACY,
        ),
        "mnist_stdp": Row(
            "MNIST, the same",
            "mnist",
            stdp("mnist", "evaluate_spikeseg.py RUNS/mnist --features latency"),
            STDP_SEEDS,
            ACCURACY,
        ),
        "mnist_reward": Row(
            "MNIST, decided by the highest potential of a layer trained by reward",
            "mnist",
            stdp("mnist", "train_reward.py RUNS/mnist --seed SEED"),
            STDP_SEEDS,
        ),
        "mnist_reward_shuffled": Row(
            "the same, rewarded by shuffled labels (chance: 10 %)",
            "mnist",
            stdp("mnist", "train_reward.py RUNS/mnist --shuffle-labels --seed SEED"),
            STDP_SEEDS[:1],
        ),
        "nmnist_stdp": Row(
            "N-MNIST, linear read-out, 900 training and 100 test recordings",
            "nmnist",
            stdp("nmnist", "evaluate_spikeseg.py RUNS/nmnist --draws 5"),
            STDP_SEEDS,
            ACCURACY,
            "mean over 5 random choices of 720 recordings for the read-out",
        ),
        "satellites": Row(
            "satellites among stars, 500 scenes",
            "satellites",
            stdp("satellites", "evaluate_spikeseg.py RUNS/satellites"),
            STDP_SEEDS,
            SCENES,
        ),
        "satellites_density": Row(
            "the same scenes, a detector of dense events that learns nothing",
            "satellites",
            stdp("satellites", "evaluate_spikeseg.py RUNS/satellites --baseline"),
            STDP_SEEDS[:1],
            DETECTOR,
        ),
    },
    "bodies": {
        "pole": body("CartPole, until 495 is reached", "--target 495", FIVE),
        "blind": body(
            "CartPole without velocities, two traces in the read-out, until 495 is reached",
            f"{BLIND} {TRACES} --target 495",
            FIVE,
        ),
        "blind_linear": body(
            "the same without traces, linear, 1,500,000 steps",
            f"{BLIND} --neuron linear --budget-steps 1500000",
            FIVE,
        ),
        "blind_tanh": body(
            "the same without traces, tanh units, 1,500,000 steps",
            f"{BLIND} --neuron tanh --budget-steps 1500000",
            FIVE,
        ),
        "blind_tanh_traces": body(
            "the same with the two traces, tanh units, until 495 is reached",
            f"{BLIND} --neuron tanh --readout trace {TRACES} --target 495",
            FIVE,
        ),
        "pole_ppo": body(
            "CartPole, PPO, 40,960 steps", "--learner ppo --drive 0.4 --budget-steps 40960", FIVE
        ),
        "pole_ppo_tanh": body(
            "the same, tanh units", "--learner ppo --neuron tanh --budget-steps 40960", FIVE
        ),
        "cheetah": body("HalfCheetah", f"{CHEETAH} --budget-steps 4200000"),
        "cheetah_linear": body(
            "the same, linear", f"{CHEETAH} --neuron linear --budget-steps 4200000"
        ),
        "cheetah_long": body(
            "HalfCheetah, episodes of 500 steps in training",
            f"{CHEETAH} --training-steps 500 --budget-steps 16800000",
        ),
        "ant": body("Ant", ANT),
        "ant_linear": body("the same, linear", f"{ANT} --neuron linear"),
        "humanoid": body("Humanoid", "--env Humanoid-v5 --every 20 --budget-steps 2970000", (0,)),
    },
}
ROWS = {name: row for rows in TABLES.values() for name, row in rows.items()}


def shown(command: str) -> str:
    """A command as a user types it."""
    return f"python demos/{command.replace('RUNS', 'runs')}"


def read(name: str) -> dict:
    """The stored runs of a row."""
    path = RESULTS / f"{name}.json"
    if path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    return {"commands": [shown(line) for line in ROWS[name].commands], "data": None, "runs": []}


def source(row: Row) -> str | None:
    """The name of the data on which the programs test: the test split of their data set."""
    if not row.data:
        return None
    options = {"n": 1} if row.data == "satellites" else {}  # scenes are generated one by one
    return getattr(datasets, row.data)("test", **options).source


_NUMBER = r"[-+]?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"


def printed(text: str) -> dict[str, float]:
    """The last value of each ``name=value`` that a program printed."""
    found = re.findall(rf"\b(\w+)=({_NUMBER})", text)
    return {name: float(value) for name, value in found}


def carry_out(row: Row, seed: int) -> dict[str, float]:
    """Carry out a row's commands in an empty folder; returns the values that the last printed."""
    text = ""
    with tempfile.TemporaryDirectory() as folder:
        for line in row.commands:
            program, *options = line.replace("SEED", str(seed)).split()
            options = [option.replace("RUNS", folder) for option in options]
            if program == "train_spikeseg.py":
                options += ["--output", folder, "--no-tensorboard"]
            done = subprocess.run(
                [sys.executable, f"demos/{program}", *options],
                cwd=ROOT, capture_output=True, text=True, check=False,
            )  # fmt: skip
            if done.returncode:
                raise SystemExit(f"{line}: {done.stderr or done.stdout}")
            text = done.stdout
    return printed(text)


def processor_time() -> float:
    """Processor time of all programs that have run so far, s."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def make(name: str, seed: int) -> None:
    """Carry out a run unless it exists."""
    row, kept = ROWS[name], read(name)
    if kept["commands"] != [shown(line) for line in row.commands]:
        raise SystemExit(f"{name}.json contains runs of other commands: {kept['commands']}")
    if seed in [run["seed"] for run in kept["runs"]]:
        return
    data = source(row)
    if kept["runs"] and kept["data"] != data:
        raise SystemExit(f"{name}.json contains runs with other data: {kept['data']}, not {data}")
    kept["data"] = data
    began, used = time.perf_counter(), processor_time()
    found = carry_out(row, seed)
    run: dict[str, float] = {"seed": seed} | {key: found[key] for key, _ in row.values}
    if "update_seconds" in found:
        run["update_seconds"] = found["update_seconds"]
    run["seconds"] = round(time.perf_counter() - began, 1)
    run["processor_seconds"] = round(processor_time() - used, 1)
    kept["runs"] = sorted([*kept["runs"], run], key=lambda each: each["seed"])
    write_json(RESULTS / f"{name}.json", kept)
    print(f"{time.strftime('%H:%M:%S')} {name} {run}", flush=True)


def cell(row: Row, runs: list[dict]) -> str:
    """The values of a row: mean ± standard deviation, or the return of each seed."""
    if row.values == RETURN:
        return ", ".join(f"{run['test_return']:,.0f}" for run in runs)
    parts = []
    for key, title in row.values:
        values, scale, digits = [run[key] for run in runs], 100.0, 1
        if key.endswith(("informedness", "mean_iou")):
            scale, digits = 1.0, 3
        text = f"{scale * statistics.mean(values):.{digits}f}"
        if len(values) > 1:
            text += f" ± {scale * statistics.stdev(values):.{digits}f}"
        parts.append(f"{title} {text}{' %' if scale > 1 else ''}".strip())
    return "; ".join(parts)


def extremes(values: list[float]) -> str:
    """The lowest and the highest of several times, rounded; small ones keep a digit more.

    Example:
        >>> extremes([0.84, 3.1, 2.0]), extremes([709.2]), extremes([])
        ('0.8 to 3.1', '709', '')
    """
    ends = [min(values), max(values)] if values else []
    digits = 1 if ends and ends[-1] < 100 else 0
    return " to ".join(dict.fromkeys(f"{value:,.{digits}f}" for value in ends))


def table(which: str) -> str:
    """The rows of a table that have runs."""
    head = ["task", "test result", "n", "commands"]
    if which == "bodies":
        head = ["task", "return of each seed", "n", "processor time, s", "of this updates, s"]
        head += ["commands"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for name, row in TABLES[which].items():
        kept = read(name)
        runs = kept["runs"]
        if not runs:
            continue
        task = f"{row.task} ({row.remark})" if row.remark else row.task
        commands = ", ".join(f"`{line}`" for line in kept["commands"])
        cells = [task, cell(row, runs), str(len(runs)), commands]
        if which == "bodies":
            for key, place in (("processor_seconds", 3), ("update_seconds", 4)):
                cells.insert(place, extremes([run[key] for run in runs if key in run]))
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("table", "write", "run"), default="table")
    parser.add_argument("names", nargs="*", help="run: rows; by default all")
    args = parser.parse_args()
    for name in args.names:
        if args.what != "run" or name not in ROWS:
            known = ", ".join(ROWS) if args.what == "run" else "none"
            parser.error(f"{args.what} {name}: not one of {known}")
    try:
        with locked(RESULTS) if args.what == "run" else nullcontext():
            if args.what == "run":
                for name in args.names or ROWS:
                    for seed in ROWS[name].seeds:
                        make(name, seed)
    except FolderInUseError as error:
        parser.error(error.strerror)
    except MissingDataError as error:
        parser.error(str(error))
    for which in TABLES:
        if args.what == "write":
            marks = f"<!-- programs: {which} -->", f"<!-- end of programs: {which} -->"
            write_between(PAGE, *marks, table(which))
        print(table(which), end="\n\n")


if __name__ == "__main__":
    main()
