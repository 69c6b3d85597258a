"""Time as a function of T, B and N, which should be linear in each."""

import math
from collections.abc import Sequence

import torch

from benchmarks.machine import interleave
from benchmarks.neurons import OURS, both_ways
from benchmarks.peers import naive, ours

AXES = ("T", "B", "N")
BASE = (100, 64, 256)  #: sizes of the axes that do not vary
SIZES = {
    "T": (50, 100, 200, 400, 800),
    "B": (32, 64, 128, 256, 512),
    "N": (64, 128, 256, 512, 1024),
}
NAIVE_T = 200  #: the longest sequence for the loop whose time is quadratic


def slope(x: list[int], y: list[float]) -> float:
    """Least-squares slope of log y against log x: 1 for a line through 0, 2 for a parabola.

    Example:
        >>> round(slope([1, 2, 4], [3.0, 12.0, 48.0]), 6)
        2.0
    """
    u, v = [math.log(a) for a in x], [math.log(b) for b in y]
    mu, mv = sum(u) / len(u), sum(v) / len(v)
    top = sum((a - mu) * (b - mv) for a, b in zip(u, v, strict=True))
    return top / sum((a - mu) ** 2 for a in u)


def straightness(x: list[int], y: list[float]) -> float:
    """R^2 of the straight line ``fixed + each * x``: 1 for a straight line.

    Example:
        >>> round(straightness([1, 2, 4], [5.0, 7.0, 11.0]), 6)
        1.0
    """
    mx, my = sum(x) / len(x), sum(y) / len(y)
    pairs = list(zip(x, y, strict=True))
    top = sum((a - mx) * (b - my) for a, b in pairs)
    return top**2 / (sum((a - mx) ** 2 for a in x) * max(sum((b - my) ** 2 for b in y), 1e-30))


def positive(sizes: Sequence[int], ms: list[float]) -> tuple[list[int], list[float]]:
    """Sizes and times, with times raised above 0 (the clock may be too coarse for small sizes)."""
    return list(sizes[: len(ms)]), [max(m, 1e-6) for m in ms]


def measure(repeats: int, clock: str, quick: bool = False) -> dict:
    """LIF's forward and backward pass for growing sizes; the loop over x[t] for growing T."""
    found = {}
    for axis, name in enumerate(AXES):
        sizes = (2, 4, 8) if quick else SIZES[name]
        series: dict[str, list[float]] = {}
        kinds = {OURS: "auto", "eager, unbind": "eager"}
        for size in sizes:
            shape = list((4, 2, 8) if quick else BASE)
            shape[axis] = size
            x, g = 0.3 * torch.rand(shape), torch.rand(shape)
            calls = {k: both_ways(ours(backend)(x.dtype), x, g) for k, backend in kinds.items()}
            if name == "T" and size <= NAIVE_T:
                calls["eager, x[t]"] = both_ways(naive(x.dtype), x, g)
            for kind, time in interleave(calls, repeats).items():
                series.setdefault(kind, []).append(round(getattr(time, clock), 4))
        found[name] = {
            "sizes": list(sizes),
            "ms": series,
            "slope": {k: round(slope(*positive(sizes, ms)), 2) for k, ms in series.items()},
            "r2": {k: round(straightness(*positive(sizes, ms)), 4) for k, ms in series.items()},
        }
    return found
