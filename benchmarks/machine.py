"""Timing, and the limits of the machine."""

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
    """Time of one run, or the shortest of several, ms."""

    cpu: float  #: CPU time of the whole process, over all threads
    wall: float


IN_TURN = 4  #: consecutive runs of each call per round; the first one is not timed


def timed(call: Callable[[], object]) -> Time:
    """Run and time `call`. A call that runs in another process returns the `Time` it took there."""
    wall, cpu = time.perf_counter(), time.process_time()
    result = call()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return result if isinstance(result, Time) else Time(1e3 * cpu, 1e3 * wall)


def interleave(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, Time]:
    """Each call's shortest times over rounds A B C, A B C, ..., after a warm-up run.

    Because the calls are interleaved, a slow phase of the machine affects all of them alike. The
    shortest time is the one least disturbed by other processes. In each round, a call runs
    `IN_TURN` times in a row, as the same step does in training, and all runs but the first are
    timed: the other calls have filled the last-level cache, and it takes two or three runs to
    refill it.
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
    """Copy bandwidth in GB/s (reads plus writes), and speed of matrix products in GFLOP/s."""
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
    """The machine and the software versions, but nothing that identifies the machine's owner."""
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
