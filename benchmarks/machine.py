"""The clock, and what the machine itself can do."""

import gc
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numba
import torch


class Time(NamedTuple):
    """One run, or the best of many, ms."""

    cpu: float  #: of the whole process, all its threads
    wall: float


IN_TURN = 4  #: runs of one call before the next one's turn; the first is not timed


def timed(call: Callable[[], object]) -> Time:
    """Run `call` once. One that runs in another process returns the `Time` it took there."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return result if isinstance(result, Time) else Time(1e3 * cpu, 1e3 * wall)


def interleave(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, Time]:
    """Each call's smallest times over rounds A B C, A B C, ..., after one run that warms up.

    Interleaved, a slow second of the machine hits all alike; of what remains, the smallest is the
    one that the rest of the machine disturbed least. Each call runs `IN_TURN` times in its turn,
    as in training, where the same step follows itself, and all but the first are timed: it takes
    two or three runs until the last-level cache, which the others filled, holds what it can.
    """
    taken: dict[str, list[Time]] = {name: [] for name in calls}
    for call in calls.values():
        call()
    for _ in range(repeats):
        gc.collect()
        gc.disable()
        try:
            for name, call in calls.items():
                call()
                taken[name] += [timed(call) for _ in range(IN_TURN - 1)]
        finally:
            gc.enable()
    return {name: Time(*map(min, zip(*times, strict=True))) for name, times in taken.items()}


def limits(repeats: int, quick: bool = False) -> dict[str, float]:
    """Copy bandwidth, GB/s (read and write both counted), and matrix product, GFLOP/s."""
    n, m = (1 << 16, 64) if quick else (1 << 24, 1024)
    source, target = torch.rand(n), torch.empty(n)
    a, b, out = torch.rand(m, m), torch.rand(m, m), torch.empty(m, m)
    best = interleave(
        {"copy": lambda: target.copy_(source), "product": lambda: torch.mm(a, b, out=out)}, repeats
    )
    return {
        "copy_gb_s": round(8 * n / best["copy"].wall / 1e6, 2),
        "product_gflop_s": round(2 * m**3 / best["product"].wall / 1e6, 1),
    }


def describe(threads: int) -> dict:
    """The machine and the versions, with nothing that says whose machine it is."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    model = next((line.split(":")[1].strip() for line in lines if "model name" in line), None)
    return {
        "cpu": model or platform.machine(),
        "cores": os.cpu_count() or 0,
        "threads": threads,
        "system": platform.system(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numba": numba.__version__,
    }
