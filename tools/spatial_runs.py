"""Functions shared by the programs that run demos/train_spatial.py and store the results."""

import argparse
import json
import statistics
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from scipy import stats

from jarvis import SpatialNetwork
from jarvis.datasets import SpokenDigits
from jarvis.support import files
from jarvis.training import load_checkpoint

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "demos"))
import train_spatial  # noqa: E402

from spatial_options import check, make_parser  # noqa: E402

sys.path.pop(0)
PAGE = ROOT / "docs" / "results.md"
PROGRAM = ["python", "demos/train_spatial.py"]
#: Options for output and data, which are filled in by `train`.
GIVEN = ("dataset", "device", "duration")


def plain(options: str) -> dict:
    """The parsed options, without those that may differ between runs of one kind."""
    args = vars(make_parser().parse_args(options.split()))
    return {k: v for k, v in args.items() if k not in ("seed", "vplot", "output", *GIVEN)}


def meant(command: str) -> dict:
    """Like `plain`, for the options in a stored command."""
    return plain(command.split("train_spatial.py")[1].replace("SEED", "0"))


def train(options: str, folder: Path, dataset: str = "shd") -> dict:
    """Carry out or resume one run of the demo; returns its metrics."""
    metrics = folder / "metrics_final.json"
    if not metrics.exists():
        line = [sys.executable, *PROGRAM[1:], *options.split(), "--dataset", dataset, "--device",
                "cpu", "--output", str(folder)]  # fmt: skip
        if (folder / "checkpoint_latest.pt").exists():
            line.append("--reload")
        subprocess.run(line, cwd=ROOT, check=True)
    content = json.loads(metrics.read_text())
    if meant(content["command"]) != plain(options):
        raise SystemExit(f"{folder} contains another run: {content['command']}")
    return content


def parsed(options: str, dataset: str = "shd") -> argparse.Namespace:
    """The demo's arguments for the given options."""
    args = make_parser().parse_args([*options.split(), "--dataset", dataset, "--skip"])
    check(args)
    return args


Words = tuple[SpokenDigits, SpokenDigits]


def words_of(args: argparse.Namespace) -> Words:
    """The words from which a run learns, and the words on which it is measured at its end."""
    found = _words(args.dataset, args.final, args.dt, args.duration, args.load_limit,
                   args.load_limit_test)  # fmt: skip
    args.duration = found[0]
    return found[1]


@lru_cache(maxsize=2)
def _words(*options) -> tuple[float, Words]:
    names = ("dataset", "final", "dt", "duration", "load_limit", "load_limit_test")
    args = argparse.Namespace(skip=True, **dict(zip(names, options, strict=True)))
    learnt, val, test = train_spatial.load(args)
    measured = val if test is None else test
    assert measured is not None
    return args.duration, (learnt, measured)


def starting_network(args: argparse.Namespace) -> SpatialNetwork:
    """The network of a run before its first step."""
    return train_spatial.make_network(args, words_of(args)[0])


def trained_network(args: argparse.Namespace, folder: Path) -> SpatialNetwork:
    """The network at the end of a run, from its checkpoint; with averaged weights, if stored."""
    kept = load_checkpoint(folder)
    scaled = argparse.Namespace(**vars(args) | {"ifactor": args.ifactor or 1.0})  # rate not tuned
    network = train_spatial.make_network(scaled, words_of(args)[0])
    state = kept["model"]
    if kept["averaged"] is not None:
        start = "module."
        state = {k[len(start) :]: v for k, v in kept["averaged"].items() if k.startswith(start)}
    network.load_state_dict(state)
    return network.eval()


def percent(values: list[float], words: int | None = None) -> str:
    """Mean and standard deviation of fractions, in %; bold from three runs on.

    Args:
        values: the fraction of each run.
        words: the number of words on which each was measured, if it is known. A single run then
            has its 95 % interval over words (Wilson 1927, J. Am. Stat. Assoc. 22:209).

    Example:
        >>> percent([0.9, 0.92, 0.94]), percent([0.9, 0.92]), percent([0.9]), percent([0.9], 100)
        ('**92.0** ± 2.0', '91.0 ± 1.4', '90.0', '90.0 (82.6 to 94.5)')
    """
    mean = f"{100 * statistics.mean(values):.1f}"
    mean = f"**{mean}**" if len(values) > 2 else mean
    if len(values) > 1:
        return f"{mean} ± {100 * statistics.stdev(values):.1f}"
    if words is None:
        return mean
    low, high = stats.binomtest(round(values[0] * words), words).proportion_ci(method="wilson")
    return f"{mean} ({100 * low:.1f} to {100 * high:.1f})"


def write_between(name: str, text: str) -> None:
    """Insert a text into docs/results.md, between the markers of the given name."""
    files.write_between(PAGE, f"<!-- {name} -->", f"<!-- end of {name} -->", text)
