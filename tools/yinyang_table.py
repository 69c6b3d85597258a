"""Yin-Yang accuracy by network size: carry out the missing runs, and print the table.

python tools/yinyang_table.py                                   # the table, in Markdown
python tools/yinyang_table.py write                             # insert it into docs/results.md
python tools/yinyang_table.py run --hidden 30 --seeds 5 --jobs 2

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
_files = threading.Lock()


def file_of(net: str, hidden: int) -> Path:
    return RESULTS / f"net_{net}_hidden_{hidden}.json"


def kept(net: str, hidden: int) -> dict | None:
    """The stored runs of a configuration, if any."""
    path = file_of(net, hidden)
    return json.loads(path.read_text()) if path.exists() else None


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


def add(net: str, hidden: int, run: dict, *more: str) -> None:
    """Store a run together with the runs of other seeds."""
    with _files:
        content = kept(net, hidden) or {"command": "", "runs": []}
        content["command"] = " ".join(command(net, hidden, *more, "--seed", "SEED"))
        runs = [r for r in content["runs"] if r["seed"] != run["seed"]]
        content["runs"] = sorted([*runs, run], key=lambda r: r["seed"])
        write_json(file_of(net, hidden), content)


def make(nets: list[str], sizes: list[int], seeds: int, jobs: int) -> None:
    """Carry out the missing runs, `jobs` at a time: one seed for all sizes, then the next seed."""
    todo = []
    for seed in range(seeds):
        for hidden in sizes:
            for net in nets:
                runs = (kept(net, hidden) or {"runs": []})["runs"]
                if seed not in [run["seed"] for run in runs]:
                    todo.append((net, hidden, seed))

    def one(job: tuple[str, int, int]) -> None:
        net, hidden, seed = job
        run = measure(net, hidden, seed)
        add(net, hidden, run)
        print(
            f"{time.strftime('%H:%M:%S')} net={net} hidden={hidden} seed={seed} "
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
    counts = {n: [len((kept(net, n) or {"runs": []})["runs"]) for net in NETS] for n in SIZES}
    parts = [f"{hidden}: {min(c)}" if min(c) == max(c) else f"{hidden}: {min(c)} to {max(c)}"
             for hidden, c in counts.items()]  # fmt: skip
    start = "Test accuracy, %; published values in brackets. Seeds per size: "
    return start + ", ".join(parts) + "."


def write_page() -> None:
    """Insert the table into docs/results.md."""
    text = f"{table()}\n\n{seeds_of()}"
    write_between(PAGE, "<!-- yinyang -->", "<!-- end of yinyang -->", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("what", nargs="?", choices=("table", "write", "run"), default="table")
    parser.add_argument("--nets", nargs="+", default=list(NETS), help="0, 2, 3, inf")
    number = cli.positive_int
    parser.add_argument("--hidden", nargs="+", type=number, default=list(SIZES), help="sizes")
    parser.add_argument("--seeds", type=number, default=5, help="number of seeds, from 0")
    parser.add_argument("--jobs", type=number, default=1, help="number of runs at a time")
    args = parser.parse_args()
    for net in args.nets:
        if net not in NETS:
            parser.error(f"--nets {net}: not one of {', '.join(NETS)}")
    if args.what == "run":
        try:
            with locked(RESULTS):
                make(args.nets, args.hidden, args.seeds, args.jobs)
        except FolderInUseError as error:
            parser.error(error.strerror)
    if args.what == "write":
        write_page()
    print(table())
    print(seeds_of())


if __name__ == "__main__":
    main()
