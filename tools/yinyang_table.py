"""Yin-Yang accuracy by network size: carry out the missing runs, and print the table.

python tools/yinyang_table.py                                   # the table, in Markdown
python tools/yinyang_table.py write                             # insert it into docs/results.md
python tools/yinyang_table.py run --hidden 30 --seeds 5 --jobs 2
python tools/yinyang_table.py run --recipes                     # without a part of the recipe
python tools/yinyang_table.py run --frozen                      # delays that are not learned

Each configuration has one file in results/yinyang. It contains the command for a run and, for each
seed, the accuracies after the epoch that is best on the validation set. Existing runs are not
repeated.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from scipy.stats import ttest_ind, ttest_rel

from jarvis.support.files import FolderInUseError, locked, write_between, write_json

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "demos"))
import cli  # noqa: E402

sys.path.pop(0)
RESULTS = ROOT / "results" / "yinyang"
PAGE = ROOT / "docs" / "results.md"
NETS = {"0": "no delays", "2": "2-D", "3": "3-D", "inf": "free delays"}
SIZES = (10, 15, 20, 25, 30, 45, 60)
PUBLISHED = {  # Landsmeer et al. 2025, arXiv:2512.10011, %
    "0": (74.4, 75.0, 79.0, 79.4, 85.1, 92.4, 93.2),
    "2": (82.3, 88.0, 91.8, 96.4, 96.5, 98.0, 97.8),
    "3": (85.7, 91.8, 95.0, 96.6, 97.4, 98.1, 98.1),
    "inf": (85.5, 92.5, 94.7, 96.5, 97.3, 97.6, 97.1),
}
#: Changes of the recipe: their options, and their names in the table.
RECIPES: dict[str, tuple[tuple[str, ...], str]] = {
    "": ((), "as used"),
    "soft": (
        ("--tau-score", "1"),
        "softmax less steep: a spike has to be 1 ms earlier, not 0.1 ms, to make its class e times "
        "as likely",
    ),
    "flat": (
        ("--late", "0"),
        "silent outputs count as late spikes, without the gradient of their highest potential",
    ),
    "asleep": (("--wake", "0"), "no penalty on silent hidden neurons"),
    "none": (("--tau-score", "1", "--late", "0", "--wake", "0"), "all three changes"),
}
#: The networks that are trained with other recipes.
CHANGED_NETS, CHANGED_SIZE = ("0", "3"), 10
#: The networks whose delays are frozen as they are drawn, and their options.
FROZEN_NETS, FROZEN_SIZES = ("2", "3", "inf"), (10, 30)
OPTIONS = {recipe: options for recipe, (options, _) in RECIPES.items()}
OPTIONS["frozen"] = ("--delay-lr", "0")
_files = threading.Lock()


def file_of(net: str, hidden: int, recipe: str = "") -> Path:
    changed = f"recipe_{recipe}_" if recipe else ""
    return RESULTS / f"{changed}net_{net}_hidden_{hidden}.json"


def kept(net: str, hidden: int, recipe: str = "") -> dict | None:
    """The stored content of a configuration, if any."""
    path = file_of(net, hidden, recipe)
    return json.loads(path.read_text()) if path.exists() else None


def runs_of(net: str, hidden: int, recipe: str = "") -> list[dict]:
    """The stored runs of a configuration, one per seed."""
    return (kept(net, hidden, recipe) or {"runs": []})["runs"]


def command(net: str, hidden: int, *more: str) -> list[str]:
    return ["python", "demos/train_yinyang.py", "--net", net, "--hidden", str(hidden), *more]


def measure(net: str, hidden: int, seed: int, *more: str) -> dict:
    """Carry out one run; returns its best epoch on the validation set, with the test accuracy."""
    with tempfile.TemporaryDirectory() as folder:
        options = ["--seed", str(seed), "--device", "cpu", "--output", folder]
        line = [sys.executable, *command(net, hidden, *more, *options)[1:]]
        done = subprocess.run(line, cwd=ROOT, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(line)}: {done.stderr}")
        metrics = json.loads((Path(folder) / "metrics_final.json").read_text())
    best = metrics["epochs"][metrics["best_epoch"] - 1]
    return {
        "seed": seed,
        "epoch": best["epoch"],
        "val_acc": best["val_acc"],
        "test_acc": best["test_acc"],
        "epochs": len(metrics["epochs"]),
        "seconds": round(sum(epoch["seconds"] for epoch in metrics["epochs"]), 1),
    }


def add(net: str, hidden: int, run: dict, recipe: str = "") -> None:
    """Store a run together with the runs of other seeds."""
    with _files:
        content = kept(net, hidden, recipe) or {"command": "", "runs": []}
        options = (*OPTIONS[recipe], "--seed", "SEED")
        content["command"] = " ".join(command(net, hidden, *options))
        runs = [r for r in content["runs"] if r["seed"] != run["seed"]]
        content["runs"] = sorted([*runs, run], key=lambda r: r["seed"])
        write_json(file_of(net, hidden, recipe), content)


Job = tuple[str, int, str, int]


def make(configurations: list[tuple[str, int, str]], seeds: int, jobs: int) -> None:
    """Carry out the missing runs, `jobs` at a time: one seed everywhere, then the next seed."""
    todo: list[Job] = []
    for seed in range(seeds):
        for each in configurations:
            if seed not in [run["seed"] for run in runs_of(*each)]:
                todo.append((*each, seed))

    def one(job: Job) -> None:
        net, hidden, recipe, seed = job
        run = measure(net, hidden, seed, *OPTIONS[recipe])
        add(net, hidden, run, recipe)
        print(
            f"{time.strftime('%H:%M:%S')} {file_of(net, hidden, recipe).stem} seed={seed} "
            f"val={run['val_acc']:.4f} test={run['test_acc']:.4f} {run['seconds']} s",
            flush=True,
        )

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, todo))


def table() -> str:
    """Test accuracy in %, mean ± standard deviation over seeds; published values in brackets."""
    lines = ["| hidden | " + " | ".join(str(n) for n in SIZES) + " |", "|---" * 8 + "|"]
    for net, name in NETS.items():
        cells = []
        for hidden, published in zip(SIZES, PUBLISHED[net], strict=True):
            content = kept(net, hidden)
            if content is None:
                cells.append(f"- ({published})")
                continue
            values = [100 * run["test_acc"] for run in content["runs"]]
            spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
            cells.append(f"**{statistics.mean(values):.1f}**{spread} ({published})")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def seeds_of() -> str:
    """The number of seeds behind each mean."""
    counts = {n: [len(runs_of(net, n)) for net in NETS] for n in SIZES}
    parts = [f"{hidden}: {min(c)}" if min(c) == max(c) else f"{hidden}: {min(c)} to {max(c)}"
             for hidden, c in counts.items()]  # fmt: skip
    start = "Test accuracy, %; published values in brackets. Seeds per size: "
    return start + ", ".join(parts) + "."


def interval(found) -> str:
    """The mean difference of a t-test of SciPy's, with its 95 % interval."""
    low, high = found.confidence_interval()
    return f"{(low + high) / 2:+.1f} ({low:+.1f} to {high:+.1f})"


def lead_table() -> str:
    """How many points networks with learned delays lead those without, with Welch's 95 % interval
    over seeds."""
    lines = [
        "| lead over no delays | " + " | ".join(str(n) for n in SIZES) + " |",
        "|---" * 8 + "|",
    ]
    for net in FROZEN_NETS:
        cells = []
        for hidden in SIZES:
            with_delays, without = (
                [100 * run["test_acc"] for run in runs_of(name, hidden)] for name in (net, "0")
            )
            enough = min(len(with_delays), len(without)) > 1
            found = ttest_ind(with_delays, without, equal_var=False) if enough else None
            cells.append("-" if found is None else interval(found))
        lines.append(f"| {NETS[net]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean_and_spread(values: list[float]) -> str:
    return f"{statistics.mean(values):.1f} ± {statistics.stdev(values):.1f}"


def recipe_table() -> str:
    """Validation accuracy in % with each recipe, mean ± standard deviation over seeds."""
    titles = " | ".join(NETS[net] for net in CHANGED_NETS)
    lines = [f"| recipe | {titles} | n |", "|---" * 4 + "|"]
    for recipe, (_, title) in RECIPES.items():
        runs = [runs_of(net, CHANGED_SIZE, recipe) for net in CHANGED_NETS]
        if min(map(len, runs)) > 1:
            cells = [[100 * run["val_acc"] for run in each] for each in runs]
            shown = [mean_and_spread(values) for values in cells]
            lines.append(f"| {title} | {' | '.join(shown)} | {min(map(len, runs))} |")
    return "\n".join(lines)


def frozen_table() -> str:
    """Test accuracy in % with frozen and with learned delays, and two differences: frozen delays
    minus no delays, and learned minus frozen ones.

    The 95 % intervals are over seeds: of the paired differences for learned and frozen delays,
    which begin with the same delays and weights, and Welch's for networks without delays.
    """
    head = ["delays", "hidden", "frozen", "learned", "frozen - none (95 %)"]
    head += ["learned - frozen (95 %, paired)", "n"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for net in FROZEN_NETS:
        for hidden in FROZEN_SIZES:
            frozen, learned, none = (
                {run["seed"]: 100 * run["test_acc"] for run in runs_of(name, hidden, recipe)}
                for name, recipe in ((net, "frozen"), (net, ""), ("0", ""))
            )
            both = sorted(frozen.keys() & learned.keys())
            if len(both) < 2 or len(none) < 2:
                continue
            still, moved = [frozen[seed] for seed in both], [learned[seed] for seed in both]
            having = ttest_ind(still, list(none.values()), equal_var=False)
            learning = ttest_rel(moved, still)
            cells = [NETS[net], str(hidden), mean_and_spread(still), mean_and_spread(moved)]
            cells += [interval(having), interval(learning)]
            lines.append(f"| {' | '.join([*cells, str(len(both))])} |")
    return "\n".join(lines)


def write_page() -> None:
    """Insert the tables into docs/results.md."""
    text = f"{table()}\n\n{seeds_of()}\n\n{lead_table()}"
    write_between(PAGE, "<!-- yinyang -->", "<!-- end of yinyang -->", text)
    start, end = "<!-- yinyang recipes -->", "<!-- end of yinyang recipes -->"
    write_between(PAGE, start, end, recipe_table())
    start, end = "<!-- yinyang frozen -->", "<!-- end of yinyang frozen -->"
    write_between(PAGE, start, end, frozen_table())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("table", "write", "run"), default="table")
    parser.add_argument("--nets", nargs="+", default=list(NETS), help="0, 2, 3, inf")
    number = cli.positive_int
    parser.add_argument("--hidden", nargs="+", type=number, default=list(SIZES), help="sizes")
    parser.add_argument(
        "--recipes", action="store_true",
        help=f"run: other recipes, with {CHANGED_SIZE} hidden neurons, instead of other networks",
    )  # fmt: skip
    parser.add_argument(
        "--frozen", action="store_true",
        help="run: delays that are not learned, with "
        f"{' and '.join(map(str, FROZEN_SIZES))} hidden neurons, instead of other networks",
    )  # fmt: skip
    parser.add_argument("--seeds", type=number, default=5, help="number of seeds, from 0")
    parser.add_argument("--jobs", type=number, default=1, help="number of runs at a time")
    args = parser.parse_args()
    for net in args.nets:
        if net not in NETS:
            parser.error(f"--nets {net}: not one of {', '.join(NETS)}")
    configurations = [(net, hidden, "") for hidden in args.hidden for net in args.nets]
    if args.recipes:
        configurations = [(net, CHANGED_SIZE, each) for each in RECIPES for net in CHANGED_NETS]
    if args.frozen:
        configurations = [(net, n, "frozen") for n in FROZEN_SIZES for net in FROZEN_NETS]
    if args.what == "run":
        try:
            with locked(RESULTS):
                make(configurations, args.seeds, args.jobs)
        except FolderInUseError as error:
            parser.error(error.strerror)
    if args.what == "write":
        write_page()
    print(table())
    print(seeds_of())
    print(lead_table())
    print(recipe_table())
    print(frozen_table())


if __name__ == "__main__":
    main()
