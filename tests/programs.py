"""Programs of `demos`, called in this process, which has paid for the imports already."""

import io
import runpy
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout

from matplotlib import pyplot as plt

from conftest import ROOT


def call(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run a program as from the command line: its exit status, and what it printed.

    What a process alone can show, such as a signal, needs a process.
    """
    out, err, status, before = io.StringIO(), io.StringIO(), 0, sys.argv
    sys.argv = [name, *options]
    try:
        with redirect_stdout(out), redirect_stderr(err):
            runpy.run_path(str(ROOT / "demos" / name), run_name="__main__")
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        sys.argv = before
        plt.close("all")
    return subprocess.CompletedProcess(sys.argv, status, out.getvalue(), err.getvalue())
