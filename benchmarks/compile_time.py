"""Duration of the first call, with an empty and with a warm cache folder."""

import json
import os
import subprocess
import sys
import tempfile

_FIRST_CALL = """
import json, time, torch
from jarvis import LIFLayer
x = torch.rand(5, 2, 8, requires_grad=True)
start = time.perf_counter()
LIFLayer()(x)[0].sum().backward()
print(json.dumps(time.perf_counter() - start))
"""

COLD, CACHED = 10.0, 1.0  #: the bar, s


def first_call(folder: str) -> float:
    """Seconds for the first forward and backward pass of the default layer in a new process,
    without the imports of torch and jarvis, but with that of numba."""
    environment = os.environ | {"NUMBA_CACHE_DIR": folder}
    done = subprocess.run(
        [sys.executable, "-c", _FIRST_CALL], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"the first call failed: {done.stderr.strip()[-300:]}")
    return float(json.loads(done.stdout))


def measure(repeats: int) -> dict:
    """The shortest of `repeats` first calls, s, cold and cached."""
    cold, cached = [], []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(first_call(folder))
            cached.append(first_call(folder))
    return {
        "cold_s": round(min(cold), 2),
        "cold_bar_s": COLD,
        "cold_met": min(cold) <= COLD,
        "cached_s": round(min(cached), 2),
        "cached_bar_s": CACHED,
        "cached_met": min(cached) <= CACHED,
    }
