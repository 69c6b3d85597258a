"""Where the Triton loops can be tried: by Triton's interpreter, on CUDA where there is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
NO_CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
ON_CUDA = [pytest.mark.gpu, NO_CUDA]
DEVICES = [pytest.param("cuda", marks=ON_CUDA)] + ["cpu"] * INTERPRETED

outside = pytest.mark.skipif(INTERPRETED, reason="this is the run by the interpreter")
compiled = pytest.mark.skipif(INTERPRETED, reason="needs the compiler")


def by_the_interpreter(file: str) -> str:
    """All tests of `file`, in a process where Triton interprets its kernels: what pytest said."""
    pytest.importorskip("triton")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", file, "-q", "-p", "no:cacheprovider", "-m", "not bench"],
        env={**os.environ, "TRITON_INTERPRET": "1", "CUDA_VISIBLE_DEVICES": ""},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
