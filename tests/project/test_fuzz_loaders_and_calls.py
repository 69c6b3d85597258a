"""The fuzzers of loaders and public calls, in small, and whether they can find anything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the fuzzers fork"),
    pytest.mark.slow,
]


def fuzz(name: str, *arguments: str) -> subprocess.CompletedProcess:
    """Run a fuzzer in a process of its own: threads of this one forbid forks."""
    return subprocess.run(
        [sys.executable, str(ROOT / "tools/fuzz" / f"{name}.py"), *arguments],
        capture_output=True, text=True, timeout=300, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_damaged_files_of_every_loader():
    done = fuzz("loaders", "--count", "20", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "loaders: 0 faults" in done.stdout
    assert "refused" in done.stdout


def test_public_calls_with_one_wrong_argument():
    done = fuzz("calls", "--count", "60", "--seed", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "calls: 0 faults" in done.stdout
    assert "refused" in done.stdout


FAULTS = {
    "traceback": "value.dim()",
    "lines": 'check_number("value\\n", "x")',
    "unnamed": 'check_number("another", None)',
    "nan": "float('nan')",
    "crashed": "os.kill(os.getpid(), 11)",
    "hung": "time.sleep(99)",
}


def test_faults_are_found(tmp_path):
    """The fuzzer with a table of faulty calls, each of which is right for None."""
    script = tmp_path / "faulty.py"
    table = ", ".join(
        f"{kind!r}: (lambda value: 0 if value is None else {fault}, {{'value': None}})"
        for kind, fault in FAULTS.items()
    )
    script.write_text(
        f"import os, sys, time\nsys.path.insert(0, {str(ROOT)!r})\n"
        "from tools.fuzz import calls\nfrom jarvis.support.checks import check_number\n"
        f"calls.calls = lambda: {{{table}}}\n"
        "calls.LIMIT = 1.5\n"
        "sys.exit(calls.main(['--count', '30', '--seed', '4']))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    for kind in FAULTS:
        others = {
            line.split(":")[0] for line in done.stdout.splitlines() if f" {kind}(value=" in line
        }
        assert others == {kind}, done.stdout
