"""Fuzz the command lines of the demos with hostile values and missing, damaged and special files.

python tools/fuzz/command_lines.py                      # 1500 commands
python tools/fuzz/command_lines.py --seed 3 --count 200
python tools/fuzz/command_lines.py --seed 3 --only 17   # one command again, with its output

Each command runs in a forked process, in a new folder with the same files. It may succeed, or end
with status 1 or 2 and a message of one line. A command that takes longer than the limit is
interrupted and must then end. The report lists tracebacks, crashes by a signal, hangs, messages of
several lines, metrics that are NaN or infinite, damaged checkpoints that are accepted, and files
that are changed, created or left behind where they must not be. Device files are never used.
"""

import argparse
import contextlib
import importlib
import math
import os
import re
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import matplotlib as mpl
import torch

ROOT = Path(__file__).resolve().parent.parent.parent
for folder in (ROOT, ROOT / "demos", ROOT / "tools" / "fuzz"):
    sys.path.insert(0, str(folder))

from common import Outcome, Report, damaged, in_child  # noqa: E402

from jarvis import (  # noqa: E402
    EventLIF,
    FirstSpikeNetwork,
    SpatialNetwork,
    SpikingMLP,
    constant_encode,
    datasets,
)
from jarvis.control import Candidates, task  # noqa: E402
from jarvis.support.downloads import cache_folder  # noqa: E402

mpl.use("Agg")

TINY = """
n_steps: 6
samples: 40
input: {filter: dog, size: 5, threshold: 0.02}
conv1: {maps: 4, kernel_size: 3, threshold: 0.5, pool: 1, polarity: difference}
conv2: {maps: 5, kernel_size: 3, threshold: 6.0, pool: 1}
conv3: {maps: 3, kernel_size: 5, threshold: 2.0, pool: 1}
stdp: {a_plus: 0.05, a_minus: 0.04, converged_below: 0, max_epochs: 1}
wta: {theta_plus: 0.001, dead_after: 50, local_radius: 1, n_winners: 5}
segment: {once: true, max_spikes: 10}
"""

#: The programs, with options that make them fast; the random options follow these.
PROGRAMS: dict[str, list[str]] = {
    "train_toy": ["--epochs", "1", "--hidden", "8", "--timesteps", "4"],
    "train_mnist": ["--epochs", "1", "--hidden", "8", "--timesteps", "3"],
    "train_yinyang": ["--epochs", "1", "--hidden", "6", "--batch-size", "500"],
    "train_spatial": [
        "--nepochs", "1", "--dataset", "generated", "--dt", "4", "--nhidden", "6", "--load_limit",
        "24", "--load_limit_test", "10", "--output", "run",
    ],
    "train_shd": [
        "--epochs", "1", "--dataset", "generated", "--hidden", "6", "--limit", "24",
        "--limit-test", "10", "--output", "run",
    ],
    "train_control": [
        "--hidden", "4", "--budget-steps", "300", "--directions", "2", "--episodes", "2",
        "--test-episodes", "2", "--output", "run",
    ],
    "train_spikeseg": ["--config", "tiny.yaml", "--output", "runs"],
    "train_reward": ["stdp", "--epochs", "1", "--maps", "2", "--limit", "30", "--output", "run"],
    "evaluate_spikeseg": ["stdp", "--samples", "12"],
}  # fmt: skip

NUMBERS = (
    "1e308", "-1e308", "1e300", "1e-300", "1e38", "1e-38", "1e18", "1e-18", "nan", "inf", "-inf",
    "-1", "0", "-0.0", "1.5", "2e13", str(2 * 10**13), str(2**31), str(2**63), str(2**70), "1e9",
    "1000000000", "30000000", "100000", "", " ", "1,5", "0x10", "1_0", "9" * 5000, "\udcff", "x\ny",
)  # fmt: skip
#: Numbers that an option may accept, although they may be too large for the program.
LARGE = ("1e18", "1e-18", "1e12", "1e-9", "0", "0.999999", "1", "1000", "1e-30")
WHOLE = ("1", "2", "3", "7", "100", "1000", "100000", "30000000", "2147483647", "2147483648", "0",
         "9223372036854775807", "9223372036854775808")  # fmt: skip
GOOD_NUMBERS = ("1", "2", "3", "5", "0.5", "0.1", "10", "0.9")
#: Files in the folder in which each command runs; see `make_files`.
FILES = (
    "", ".", "..", "../x", "missing", "missing/deep", "a folder", "pipe", "to pipe", "to nothing",
    "to file", "to itself", "a file", "a file/x", "empty", "no\udcfftext", "x" * 300, "new\nline",
    "stdp", "toy", "stdp/checkpoints/checkpoint_best.pt", "toy/checkpoint_latest.pt",
    "damaged0.pt", "damaged1.pt", "damaged2.pt", "other.pt", "tiny.yaml", "damaged0.yaml",
    "damaged1.yaml", "odd.yaml", "nested.yaml", "pictures", "run", "~", "-", "%s%n", "{folder}",
)  # fmt: skip
WORDS = ("", "auto", "cpu", "cuda", "cuda:0", "cuda:99", "cuda:256", "mps", "xpu", "meta", "cpu:3",
         "3", "0", "inf", "2e0.2", "2g0.5", "3e1e308", "1g0", "99999999999", "2e", "e", "..",
         "../x", "/tmp/x", "a/b", "name", "\udcff", "x" * 300, "de\nfault", "none")  # fmt: skip


def make_files(folder: Path) -> None:
    """Make the files on which commands are tried, except special files; some come from training."""
    (folder / "tiny.yaml").write_text(TINY)
    (folder / "a folder").mkdir()
    (folder / "a file").write_text("kept")
    (folder / "empty").write_text("")
    (folder / os.fsdecode(b"no\xfftext")).write_text("kept")
    (folder / "odd.yaml").write_text("paper: {}\n? [1]\n: 2020-99-99\nconv1: !!int abc\n")
    (folder / "nested.yaml").write_text("[" * 3000)
    from PIL import Image

    for label in ("a", "b"):
        (folder / "pictures" / label).mkdir(parents=True)
        for i in range(6):
            picture = Image.new("L", (16, 16), 40 * i)
            picture.putpixel((i, 8), 255)
            picture.save(folder / "pictures" / label / f"{i}.png")
    made = [
        ("train_spikeseg", [*PROGRAMS["train_spikeseg"], "--output", ".", "--name", "stdp"]),
        ("train_toy", [*PROGRAMS["train_toy"], "--output", "toy"]),
    ]
    for name, options in made:
        outcome = in_child(lambda n=name, o=options: call(n, o, folder), limit=300)
        if outcome.status:
            raise SystemExit(f"{name} {' '.join(options)}: {outcome.stderr}")
    random = Random(0)
    for k, source in enumerate(
        (
            "stdp/checkpoints/checkpoint_latest.pt",
            "toy/checkpoint_latest.pt",
            "toy/checkpoint_best.pt",
        )
    ):
        data = (folder / source).read_bytes()
        at = data.index(b"data/1") + 200  # within the bytes of a tensor, or of its header
        (folder / f"damaged{k}.pt").write_bytes(
            data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]
        )
    for k in range(2):
        (folder / f"damaged{k}.yaml").write_bytes(damaged(TINY.encode(), random)[0])
    torch.save({"format": 2, "kind": "gradient", "model": {}}, folder / "other.pt")


def make_special(folder: Path) -> None:
    """Add a FIFO, which copytree refuses, and links."""
    os.mkfifo(folder / "pipe")
    for name, target in (
        ("to pipe", "pipe"),
        ("to nothing", "nowhere"),
        ("to file", "a file"),
        ("to itself", "to itself"),
    ):
        (folder / name).symlink_to(target)


def call(name: str, options: list[str], folder: Path) -> None:
    """Run a program in a folder, as from the command line, in a process that does nothing else."""
    import cli

    os.chdir(folder)
    nowhere = "http://127.0.0.1:9"  # a proxy that does not exist, so that nothing is downloaded
    cache = str(cache_folder())  # contains this user's compiled loops
    os.environ.update(http_proxy=nowhere, https_proxy=nowhere, JARVIS_CACHE=cache, HOME=str(folder))
    os.environ.pop("JARVIS_DATA", None)
    sys.argv = [f"{name}.py", *options]
    module = program(name)
    cli.run(module.make_parser(), module.main)


def program(name: str) -> ModuleType:
    """The module of a demo."""
    return importlib.import_module(name)


def warm() -> None:
    """Load once whatever takes seconds to load, so that the forked processes have it already.

    Nothing here may start a thread or a backward pass, because neither would survive a fork.
    """
    for name in PROGRAMS:
        program(name)
    for name in ("numba", "h5py", "tqdm", "scipy.stats", "sklearn.svm", "sklearn.datasets",
                 "gymnasium"):  # fmt: skip
        importlib.import_module(name)
    for name in ("event_loops", "conv_stdp", "conv_events", "first_spike_numba"):
        importlib.import_module(f"jarvis.kernels.{name}")
    images = datasets.digits("train")[:2][0]
    for model in (SpikingMLP((64, 3, 2)), SpikingMLP((64, 3, 2), tau_syn=math.inf)):
        model(constant_encode(images.flatten(1), 3))
    FirstSpikeNetwork((4, 3, 2), "3")(torch.rand(2, 4))
    words = datasets.shd_like("test", n=2).on_grid(4.0, 150)
    SpatialNetwork(700, 3, 20, "inf", EventLIF(dt=4.0))(words[:2][0])
    Candidates(task("CartPole-v1").policy(hidden=(4,)), 2).act()


def options_of(name: str) -> list[argparse.Action]:
    """The options and arguments of a demo."""
    return [a for a in program(name).make_parser()._actions if a.dest not in ("help", "debug")]


def draw_value(action: argparse.Action, random: Random) -> str:
    """A value for an option, mostly a hostile one."""
    default = action.default
    kind = getattr(action.type, "__name__", "")
    if action.choices is not None:
        return random.choice([*map(str, action.choices), *WORDS[:3], "\udcff"])
    if action.metavar in ("DIR", "PATH", "PNG", "GIF", "YAML") or action.dest == "run":
        return random.choice(FILES)
    if isinstance(default, int | float) or kind.endswith(("int", "float", "seed", "share")):
        likely = WHOLE if kind.endswith(("int", "seed")) else random.choice((LARGE, GOOD_NUMBERS))
        return random.choice(likely if random.random() < 0.7 else NUMBERS)
    return random.choice(WORDS)


def draw_command(random: Random) -> tuple[str, list[str]]:
    """A program and its options."""
    name = random.choice(list(PROGRAMS))
    command = list(PROGRAMS[name])
    actions = options_of(name)
    for action in random.choices(actions, k=random.choice((1, 1, 1, 2, 3, 4))):
        if not action.option_strings:
            command[0] = draw_value(action, random)
            continue
        option = random.choice(action.option_strings)
        if action.nargs == 0:
            command.append(option)
            continue
        values = [draw_value(action, random)]
        if action.nargs == "+" and random.random() < 0.5:
            values.append(draw_value(action, random))
        if len(values) == 1 and option.startswith("--"):
            command.append(f"{option}={values[0]}")  # because a value may begin with -
        else:
            command += [option, *values]
    return name, [word.replace("\0", "") for word in command]


def snapshot(folder: Path) -> dict[str, Any]:
    """What no command may change: special files, and files beside the commands' folder."""
    kinds = {path.name: stat.S_IFMT(path.lstat().st_mode) for path in folder.iterdir()}
    kept = ("pipe", "to pipe", "to nothing", "to file", "to itself", "a folder")
    beside = sorted(path.name for path in folder.parent.iterdir())
    return {"kinds": {name: kinds.get(name) for name in kept}, "beside": beside}


DAMAGED = re.compile(r"(?:--resume=|-r )?(?:damaged\d|other)\.pt")


def faults(command: list[str], outcome: Outcome, before: Any, folder: Path) -> Iterator[str]:
    """The faults of a command that has run."""
    lines = [
        line
        for line in outcome.stderr.splitlines()
        if "compiles its time loops" not in line and "compiling" not in line.lower()
    ]
    if outcome.hung:
        yield "hang"
    elif outcome.status < 0:
        yield f"crash by signal {-outcome.status}"
    elif "Traceback" in outcome.stderr or outcome.status not in (0, 1, 2, 130):
        yield "traceback"
    elif outcome.status == 0 and lines:
        yield "a message on standard error"
    elif outcome.status and len(lines) != 1:
        yield f"{len(lines)} lines of error"
    if outcome.status == 0 and re.search(r"[=\s](nan|-?inf)\b", outcome.stdout):
        yield "a metric that is not finite"
    resumed = [word for word in command if DAMAGED.fullmatch(word)]
    if resumed and resumed[-1] == command[-1] and outcome.status == 0:
        yield "a damaged checkpoint was accepted"
    after = snapshot(folder)
    # Files may be written wherever --output and --plot point.
    elsewhere = any(re.match(r"(--(output|plot|resume)=)?\.\.", word) for word in command)
    for what in before:
        if before[what] != after[what] and not (what == "beside" and elsewhere):
            yield f"changed: {what}"
    if any(name.endswith(".part") for _, _, names in os.walk(folder) for name in names):
        yield "a temporary file was left behind"


def fuzz(seed: int, count: int, only: int | None, limit: float, grace: float, verbose: bool) -> int:
    """Run commands; returns the exit status, which is 1 if there were faults."""
    warm()
    report = Report(f"command_lines --seed {seed}")
    with tempfile.TemporaryDirectory(prefix="jarvis-fuzz-") as name:
        files = Path(name) / "files"
        files.mkdir()
        make_files(files)
        for k in range(count) if only is None else (only,):
            random = Random(f"{seed}/{k}")
            demo, command = draw_command(random)
            place = Path(name) / "place"
            work = place / "work"
            shutil.copytree(files, work, symlinks=True)
            make_special(work)
            before = snapshot(work)
            outcome = in_child(
                lambda d=demo, c=command, w=work: call(d, c, w),
                limit=limit, grace=grace, interrupt=True, memory=3 << 30,
            )  # fmt: skip
            shown = f"{k}: {demo}.py {' '.join(map(repr, command))}"
            shown = shown if len(shown) < 700 else f"{shown[:700]} ..."
            if only is not None:
                print(f"{shown}\n{outcome.stdout}{outcome.stderr}")
            elif verbose:
                print(f"{shown}\n    {outcome.status}: {outcome.stderr.strip()[-300:]}")
            found = list(faults(command, outcome, before, work))
            for fault in found:
                report.find(fault, shown, outcome.stderr + outcome.stdout[-300:])
            if not found:
                report.count(f"with status {outcome.status}")
            with contextlib.suppress(FileNotFoundError):
                shutil.rmtree(place)
    return report.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="seed of the commands")
    parser.add_argument("--count", type=int, default=1500, help="number of commands")
    parser.add_argument("--only", type=int, default=None, help="run only command number N")
    parser.add_argument("--limit", type=float, default=15.0, help="seconds until interrupted")
    parser.add_argument("--grace", type=float, default=60.0, help="further seconds until killed")
    parser.add_argument("--verbose", action="store_true", help="show each command and its message")
    args = parser.parse_args(argv)
    return fuzz(args.seed, args.count, args.only, args.limit, args.grace, args.verbose)


if __name__ == "__main__":
    sys.exit(main())
