"""Time and memory of the classroom's explorers: python -m benchmarks.widgets

Every explorer is moved through the ranges of its sliders, with strokes on its figure if it supports
them. Two medians are measured: the time of `compute_*`, at most 10 ms, and the time of
a redraw (compute, draw, PNG), at most 200 ms. Both are CPU time, which is least affected by other
work on the machine; the wall time of the redraw is reported as well. Then the explorer makes 1000
moves, after which the process may have grown by 5 MB (a leak of one PNG per move would amount to 20
MB or more). The exit status is 1 if a bar is missed.
"""

import argparse
import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from benchmarks import machine
from jarvis.classroom import widgets
from jarvis.classroom.explorers.figures import CodePicture
from jarvis.classroom.explorers.pointer import Pointer
from jarvis.support.files import write_json

COMPUTE_MS, REDRAW_MS, GROWTH_MB = 10.0, 200.0, 5.0


def resident() -> int:
    """Resident memory of this process, bytes; on systems without /proc, its peak."""
    gc.collect()
    now = Path("/proc/self/statm")
    if now.exists():
        return int(now.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


MAKERS: dict[str, Callable[[], widgets.Explorer]] = {
    "lif": widgets.lif,
    "adex": widgets.adex,
    "code": widgets.code,
    "surrogate": widgets.surrogate,
    "stdp": widgets.stdp,
}


def _values(control, n: int) -> list:
    """About n values across a control's range."""
    if hasattr(control, "options"):
        return [o[1] if isinstance(o, tuple) else o for o in control.options]
    steps = round((control.max - control.min) / control.step)
    return [
        type(control.value)(control.min + round(steps * k / (n - 1)) * control.step)
        for k in range(n)
    ]


def _messages(explorer: widgets.Explorer, n: int) -> list[list[Pointer]]:
    """Strokes across the rows of a digit, in the format a web page sends."""
    picture = explorer.picture
    if isinstance(picture, CodePicture):
        box, high = picture.pen.ax.get_window_extent(), picture.figure.bbox.height
        rows = [high - box.y0 - (k + 0.5) * box.height / 8 for k in range(8)]
        ends = (("down", box.x0 + 1), ("move", box.x1 - 1), ("up", box.x1 - 1))
        return [[Pointer(kind, x, y) for kind, x in ends] for y in rows]
    return []


def moves(explorer: widgets.Explorer, n: int = 9) -> Iterator[None]:
    """Repeatedly move each control through its range, then the pointer; yield before each move."""
    while True:
        for control in explorer.controls.values():
            for value in _values(control, n):
                if value != control.value:
                    yield
                    control.value = value
        for events in _messages(explorer, n):
            yield
            explorer._point(events)


def measure(name: str, n_timed: int, n_moves: int) -> dict:
    """Median times and memory growth of one explorer."""
    explorer = MAKERS[name]()
    compute, took = explorer._compute, []

    def timed(settings):
        start = time.process_time()
        view = compute(settings)
        took.append(1000 * (time.process_time() - start))
        return view

    moving = moves(explorer)
    next(moving)
    explorer._compute = timed
    redraws = [machine.timed(lambda: next(moving)) for _ in range(n_timed + 5)]
    redraws = redraws[5:]  # the first redraws compile code and fill caches
    explorer._compute = compute
    found = {
        "compute_ms": round(statistics.median(took[-n_timed:]), 3),
        "redraw_ms": round(statistics.median(one.cpu for one in redraws), 2),
        "redraw_wall_ms": round(statistics.median(one.wall for one in redraws), 2),
    }
    if n_moves:
        for _ in range(min(100, n_moves)):
            next(moving)
        before = resident()
        for _ in range(n_moves):
            next(moving)
        found |= {"moves": n_moves, "growth_mb": round((resident() - before) / 1e6, 2)}
    found["errors"] = [str(error) for error in explorer.errors]
    met = found["compute_ms"] <= COMPUTE_MS and found["redraw_ms"] <= REDRAW_MS
    found["met"] = met and found.get("growth_mb", 0) <= GROWTH_MB and not found["errors"]
    return found


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.widgets", description=__doc__)
    parser.add_argument("--explorers", nargs="+", choices=MAKERS, default=list(MAKERS))
    parser.add_argument("--timed", type=int, default=51, help="moves that are timed")
    parser.add_argument("--moves", type=int, default=1000, help="moves for memory; 0 for none")
    parser.add_argument("--output", type=Path, default=None, help="JSON file for the results")
    args = parser.parse_args(argv)
    if args.timed < 1 or args.moves < 0:
        parser.error(f"--timed {args.timed} must be at least 1, --moves {args.moves} at least 0")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        rows = {}
        print("| explorer | compute, ms | redraw, ms | (wall) | growth over the moves, MB | |")
        print("|---|---|---|---|---|---|")
        for name in args.explorers:
            row = rows[name] = measure(name, args.timed, args.moves)
            said = "met" if row["met"] else f"MISSED {row['errors'] or ''}"
            growth = row.get("growth_mb", "not measured")
            line = [name, *(row[key] for key in ("compute_ms", "redraw_ms", "redraw_wall_ms"))]
            print("| " + " | ".join(map(str, [*line, growth, said])) + " |", flush=True)
        bars = {"compute_ms": COMPUTE_MS, "redraw_ms": REDRAW_MS, "growth_mb": GROWTH_MB}
        print("bars:", json.dumps(bars))
        if args.output:
            write_json(
                args.output, {"machine": machine.describe(1), "bars": bars, "explorers": rows}
            )
    finally:
        torch.set_num_threads(before)
    return int(not all(row["met"] for row in rows.values()))


if __name__ == "__main__":
    raise SystemExit(main())
