"""Run `benchmarks.widgets` in a separate process, where no other measurement uses memory."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

QUICK = ("--explorers", "stdp", "--timed", "3", "--moves", "3")


def measure(quick: bool = False) -> dict:
    """The results of `python -m benchmarks.widgets`, or the reason why it was skipped.

    This takes a few minutes, because each of six explorers makes 1000 moves.
    """
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "widgets.json"
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.widgets", *(QUICK if quick else ()),
             "--output", str(output)],
            stdout=2, stderr=subprocess.PIPE, text=True, check=False,
            cwd=Path(__file__).resolve().parent.parent,
        )  # fmt: skip
        if not output.exists():  # exit status 1 with a file only means that a bar was missed
            said = done.stderr.strip().splitlines()
            return {"skipped": f"the explorers: {said[-1] if said else done.returncode}"}
        found = json.loads(output.read_text(encoding="utf-8"))
    return {"bars": found["bars"], "explorers": found["explorers"]}
