"""Start-up cost: python -m benchmarks.startup

This measures the CPU time (user and system) of whole Python processes that only import something.
After a round that caches the byte code, the processes take turns for ten rounds. The output lists
the medians and the cost of each start above `import torch`. `import jarvis` alone does not even
import torch, because names are imported on first use; the lines that import names show how long a
user waits.
"""

import argparse
import resource
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TORCH, JARVIS = "import torch", "import jarvis"
STARTS = (
    "pass",
    TORCH,
    JARVIS,
    "from jarvis import LIFLayer",
    "from jarvis import SpikingMLP, datasets, fit",
    "import jarvis; [getattr(jarvis, name) for name in jarvis.__all__]",
)
BAR = 0.1  #: allowed cost of `import jarvis` above `import torch`, s


def cpu_seconds(program: str) -> float:
    """CPU time of a new Python process that runs `program`, including its children, s.

    Raises:
        RuntimeError: if the program fails.
    """
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True,
        text=True,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{program!r} failed: {done.stderr.strip()[-300:]}")
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure(repeats: int, starts: tuple[str, ...] = STARTS) -> dict[str, list[float]]:
    """Seconds that each start of each program takes; the first round is not counted."""
    taken: dict[str, list[float]] = {program: [] for program in starts}
    for round_ in range(repeats + 1):
        for program in starts:
            seconds = cpu_seconds(program)
            if round_:
                taken[program].append(seconds)
    return taken


def table(taken: dict[str, list[float]]) -> str:
    """Medians as a Markdown table, and whether the bar is met."""
    medians = {program: statistics.median(seconds) for program, seconds in taken.items()}
    lines = ["| start | CPU, s | lowest to highest | above `import torch` |", "|---|---|---|---|"]
    for program, seconds in taken.items():
        above = medians[program] - medians[TORCH]
        spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
        lines.append(f"| `{program}` | {medians[program]:.2f} | {spread} | {above:+.2f} |")
    above = medians[JARVIS] - medians[TORCH]
    verdict = "met" if above <= BAR else "MISSED"
    lines.append(f"\n`{JARVIS}` above `{TORCH}`: {above:+.2f} s (<= {BAR:g} s: {verdict})")
    return "\n".join(lines)


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.startup", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--repeats", type=int, default=10, help="timed rounds (10)")
    args = parser.parse_args(given)
    if args.repeats < 1:
        parser.error("--repeats must be at least 1")
    print(table(measure(args.repeats)))


if __name__ == "__main__":
    main()
