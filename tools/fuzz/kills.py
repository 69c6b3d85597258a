"""Kill programs at random moments, let them resume, and compare them with undisturbed runs.

python tools/fuzz/kills.py --seed 0 --count 30
python tools/fuzz/kills.py --program train_toy --count 5

A try starts a program and kills it (SIGKILL) after a random fraction of the duration of a whole
run. After up to three kills, the program may finish. Its checkpoints and metrics must equal those
of an undisturbed run, bit for bit, and no temporary file may be left behind.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).resolve().parent)]

import torch  # noqa: E402
from common import Report  # noqa: E402

from jarvis.training import load_checkpoint  # noqa: E402

#: Options with which each program takes a few seconds and saves its state several times.
PROGRAMS = {
    "train_toy": "--epochs 6 --hidden 32 --timesteps 10",
    "train_mnist": "--epochs 4 --hidden 32 --timesteps 5",
    "train_spikeseg": "--dataset digits --epochs 3 --name run",
    "train_reward": "{stdp} --epochs 4 --limit 300",
    "train_yinyang": "--epochs 8 --hidden 10",
    "train_spatial": "--dataset generated --dt 2 --nhidden 20 --load_limit 400 --load_limit_test 60"
    " --nepochs 6 --warmup 5",
    "train_control": "--hidden 8 --recurrent --budget-steps 12000 --every 2 --episodes 5",
    "train_shd": "--dataset generated --hidden 16 --limit 400 --limit-test 60 --epochs 5",
}
LIMIT = 600.0  #: seconds for a run that is not killed
MOST_KILLS = 3


class BrokenError(Exception):
    """Raised if a program did not do what it should; the message explains what went wrong."""


def start(name: str, folder: Path, resume: bool) -> subprocess.Popen:
    """Start a program that writes to a folder and, if `resume` is set, resumes the run there."""
    options = PROGRAMS[name].format(stdp=folder.parent / "stdp" / "run").split()
    line = [sys.executable, str(ROOT / "demos" / f"{name}.py"), *options]
    line += ["--output", str(folder)]
    if resume:
        at = folder / "run" if name == "train_spikeseg" else folder
        line += ["--reload"] if name == "train_spatial" else ["--resume", str(at)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    return subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=folder.parent
    )


def finish(process: subprocess.Popen) -> None:
    """Wait for the end of a run that is not killed."""
    try:
        _, errors = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired as error:
        process.kill()
        process.communicate()
        raise BrokenError(f"not done after {LIMIT:.0f} s") from error
    if process.returncode:
        raise BrokenError(f"status {process.returncode}\n{errors}")


def checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*.pt"))


def kept(value: object) -> object:
    """A value without the parts that differ from run to run: times and paths."""
    if isinstance(value, dict):
        varies = ("seconds", "output", "resume", "command", "arguments")
        return {k: kept(v) for k, v in value.items() if k not in varies}
    return [kept(x) for x in value] if isinstance(value, list | tuple) else value


def differences(a: object, b: object, where: str = "") -> list[str]:
    """Where two nested values differ; tensors are compared bit by bit."""
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        same = a.dtype == b.dtype and a.shape == b.shape and torch.equal(a, b)
        return [] if same else [where]
    if isinstance(a, dict) and isinstance(b, dict) and a.keys() == b.keys():
        return [found for k in a for found in differences(a[k], b[k], f"{where}.{k}")]
    if isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        pairs = zip(a, b, strict=True)
        return [
            found for i, (x, y) in enumerate(pairs) for found in differences(x, y, f"{where}.{i}")
        ]
    return [] if a == b else [f"{where}: {a!r:.60} and {b!r:.60}"]


def compare(whole: Path, parts: Path) -> None:
    """Raise BrokenError unless both folders contain the same results."""
    files = [[p.relative_to(f) for p in checkpoints(f)] for f in (whole, parts)]
    if files[0] != files[1] or not files[0]:
        raise BrokenError(f"checkpoints {files[0]} and {files[1]}")
    for name in files[0]:
        found = differences(*(kept(load_checkpoint(f / name)) for f in (whole, parts)))
        if found:
            raise BrokenError(f"{name}: {', '.join(found[:5])}")
    for path in sorted(whole.rglob("metrics_final.json")):
        other = parts / path.relative_to(whole)
        found = differences(*(kept(json.loads(p.read_text())) for p in (path, other)))
        if found:
            raise BrokenError(f"{path.name}: {', '.join(found[:5])}")
    left = [p.name for p in parts.rglob("*") if ".part" in p.name]
    if left:
        raise BrokenError(f"left behind: {left}")


def kill_and_resume(name: str, whole: Path, seconds: float, folder: Path, random: Random) -> str:
    """One try; returns how often, and after which fractions, the program was killed."""
    struck = []
    for _ in range(random.randint(1, MOST_KILLS)):
        share = random.random()
        process = start(name, folder, resume=bool(checkpoints(folder)))
        try:
            process.wait(share * seconds)
        except subprocess.TimeoutExpired:
            struck.append(f"{share:.2f}")
        process.kill()
        _, errors = process.communicate()
        if process.returncode not in (0, -9):
            raise BrokenError(f"after {struck}: status {process.returncode}\n{errors}")
        if process.returncode == 0:
            break
    else:
        finish(start(name, folder, resume=bool(checkpoints(folder))))
    compare(whole, folder)
    return ", ".join(struck) or "done before it was killed"


def fuzz(seed: int, count: int, programs: list[str]) -> int:
    """Run all tries; returns the exit status, which is 1 if there were faults."""
    report = Report(f"kills --seed {seed}")
    with tempfile.TemporaryDirectory(prefix="jarvis-fuzz-") as room:
        took: dict[str, float] = {}
        finish(start("train_spikeseg", Path(room) / "stdp", resume=False))  # for train_reward
        for k in range(count):
            name, random = programs[k % len(programs)], Random(f"{seed}/{k}")
            whole = Path(room) / f"{name}_whole"
            what = f"{k}: {name}"
            try:
                if name not in took:
                    finish(start(name, whole, resume=False))  # compiles what is needed
                    again = Path(room) / f"{name}_again"
                    before = time.monotonic()
                    finish(start(name, again, resume=False))
                    took[name] = time.monotonic() - before
                    compare(whole, again)
                parts = Path(room) / f"{k}"
                struck = kill_and_resume(name, whole, took[name], parts, random)
                report.count("identical")
                print(f"{what}: killed at {struck} of {took[name]:.1f} s: identical", flush=True)
            except BrokenError as error:
                report.find("differs", what, str(error))
    return report.close()


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    parser.add_argument("--count", type=int, default=30, help="number of tries, over all programs")
    parser.add_argument("--program", choices=PROGRAMS, help="test only this program")
    args = parser.parse_args(argv)
    return fuzz(args.seed, args.count, [args.program] if args.program else list(PROGRAMS))


if __name__ == "__main__":
    sys.exit(main())
