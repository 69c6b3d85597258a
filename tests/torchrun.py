"""Programs run by torchrun in two processes."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch

# A test file that is itself the program imports what stands beside this file.
ENV = {
    **os.environ,
    "OMP_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
    "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]),
}
needs_gloo = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()),
    reason="this torch has no gloo",
)


@contextmanager
def launch(*command: str) -> Iterator[subprocess.Popen]:
    """Start a program with two processes; whatever is left of them at the end is killed."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node=2"]
    process = subprocess.Popen(
        [*torchrun, "--master_addr=127.0.0.1", f"--master_port={port}", *command],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENV,
    )  # fmt: skip
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.terminate()  # torchrun ends its own
                try:
                    process.communicate(timeout=40)
                except subprocess.TimeoutExpired:
                    process.kill()


def together(*command: str) -> str:
    with launch(*command) as process:
        output, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors
    return output
