"""CPU time of a layer's first call, with an empty cache and with a warm cache."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

#: Neurons, each with the statements that create a layer of them.
NEURONS = {
    "LIF": "from jarvis import LIFLayer; layer = LIFLayer()",
    "AdEx in mV and pA": "from jarvis import AdExLayer; layer = AdExLayer()",
    "a user's neuron": "from benchmarks.quadratic import QIF; "
    "from jarvis.neurons.layer import SpikingLayer; layer = SpikingLayer(QIF())",
}

_FIRST_CALL = """
import json, time, torch
start = time.process_time()
{make}
spikes, state = layer(torch.rand(5, 2, 8, requires_grad=True))
middle = time.process_time()
spikes.sum().backward()
print(json.dumps([middle - start, time.process_time() - middle]))
"""

COLD, CACHED = 4.0, 0.5  #: bars for a first call with an empty and with a warm cache, s


def first_call(neuron: str, folder: str) -> tuple[float, float]:
    """CPU seconds of the first forward and the first backward pass of a layer in a new process.

    Everything after `import torch` counts: the imports of jarvis and numba and, if `folder` is
    empty, also the tracing of the step and the generation and compilation of its loops.

    Args:
        neuron: one of `NEURONS`.
        folder: where the generated source and the machine code are kept.
    """
    folders = {"JARVIS_CACHE": folder, "NUMBA_CACHE_DIR": str(Path(folder) / "numba")}
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_CALL.format(make=NEURONS[neuron])],
        env=os.environ | folders, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the first call failed: {done.stderr.strip()[-300:]}")
    forward, backward = json.loads(done.stdout)
    return forward, backward


def measure(repeats: int) -> dict:
    """The shortest of `repeats` first calls, s: cold and cached, forward and backward pass."""
    taken: dict[str, list[float]] = {}
    for _ in range(repeats):
        for neuron in NEURONS:
            with tempfile.TemporaryDirectory() as folder:
                for state in ("cold", "cached"):
                    both = first_call(neuron, folder)
                    for way, seconds in zip(("forward", "backward"), both, strict=True):
                        taken.setdefault(f"{neuron}, {way}, {state}", []).append(seconds)
    found: dict = {}
    for kind, seconds in taken.items():
        bar = COLD if kind.endswith("cold") else CACHED
        found[f"{kind}_s"] = round(min(seconds), 2)
        found[f"{kind}_bar_s"] = bar
        found[f"{kind}_met"] = min(seconds) <= bar
    return found
