"""The client of `jax_worker.py`: spyx as a peer that is compared and timed like the others."""

import json
import subprocess
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.agreement import SHAPE, Disagreement, compare, gradient
from benchmarks.machine import Time
from benchmarks.peers import DECAY
from jarvis import LIFLayer

NOTE = (
    "fires one step later, and its reset does not decay: agrees without a leak when shifted by a "
    "step"
)


class Spyx:
    """A running JAX worker process.

    Args:
        python: the Python of an environment with spyx.
        threads: number of cores it may use.

    Raises:
        RuntimeError: if spyx cannot be imported there.
    """

    def __init__(self, python: str, threads: int) -> None:
        command = [python, str(Path(__file__).with_name("jax_worker.py")), str(threads)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.compile_ms: dict[str, float] = {}
        try:
            self.versions = self._ask(do="versions")
        except RuntimeError:
            self.close()
            raise

    def _ask(self, **request) -> dict:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except OSError as error:
            raise RuntimeError(f"the JAX process ended: {error}") from error
        if not line:
            raise RuntimeError("the JAX process ended: is spyx installed there?")
        reply = json.loads(line)
        if "error" in reply:
            raise RuntimeError(reply["error"])
        return reply

    def run(self, shape: tuple[int, ...]) -> Time:
        """One forward and backward pass in the worker, timed there."""
        reply = self._ask(do="time", shape=shape, beta=DECAY)
        self.compile_ms[str(list(shape))] = round(reply["compile_ms"])
        return Time(reply["cpu"], reply["wall"])

    def agree(self) -> str:
        """Compare with our eager step in the case where both neurons are the same (see `NOTE`)."""
        generator = torch.Generator().manual_seed(0)
        x = 0.1 * torch.rand(SHAPE, generator=generator, dtype=torch.float64)
        g = torch.randn(SHAPE, generator=generator, dtype=torch.float64)
        reply = self._ask(do="lif", x=x.tolist(), g=g.tolist(), beta=1.0)
        spikes, gx = (torch.tensor(reply[k], dtype=torch.float64) for k in ("spikes", "gradient"))
        if spikes[0].any():
            raise Disagreement("it fires before it has had any input")
        layer = LIFLayer(tau=float("inf"), backend="eager", detach_reset=False)
        shifted = torch.cat((g[1:], torch.zeros_like(g[:1])))
        want = gradient(lambda x: layer(x)[0], x, shifted)
        return compare((spikes[1:], gx), (want[0][:-1], want[1]), 1e-5)

    def spatial(self, spikes: Tensor, w: Tensor, d: Tensor, dt: float) -> list[int]:
        """Set up a layer of spatial_snns; return the step of each neuron's first spike, or -1.

        Args:
            spikes: ``[T, n_in]``; the weights `w` and the delays `d` (ms) are ``[n_in, H]``.

        Raises:
            RuntimeError: if the worker cannot import the ``sim.py`` of spatial_snns.
        """
        arrays = dict(spikes=spikes.tolist(), w=w.tolist(), d=d.tolist())
        longest = round(d.max().item() / dt)
        return self._ask(do="spatial", dt=dt, longest=longest, **arrays)["first"]

    def run_spatial(self) -> Time:
        """One forward and backward pass of the layer made by `spatial`, timed in the worker."""
        reply = self._ask(do="time spatial")
        return Time(reply["cpu"], reply["wall"])

    def close(self) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait(timeout=30)
        if self._process.stdout is not None:
            self._process.stdout.close()
