"""Check agreement, then measure times: python -m benchmarks. See benchmarks/README.md."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks import (
    adex,
    compile_time,
    delays,
    explorers,
    generated,
    gpu,
    machine,
    neurons,
    report,
    scaling,
    stdp,
    zoo,
)
from benchmarks.row import Row
from benchmarks.spyx_peer import Spyx
from benchmarks.training_step import PRODUCT_BARS, convolutional, deep, training
from benchmarks.zoo_peers import ZOO_PEERS

GROUPS = (
    "lif", "training", "recurrent", "adaptive", "adex", "generated", "learned", "user",
    "zoo", "delays", "stdp", "compile", "scaling", "widgets", "gpu",
)  # fmt: skip
RESULTS = Path(__file__).parent / "results"


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    p.add_argument("--rows", nargs="+", choices=GROUPS, default=GROUPS, metavar="ROW",
                   help=f"what to measure: {', '.join(GROUPS)}; by default all")  # fmt: skip
    p.add_argument(
        "--repeats", type=_positive, default=15, help="rounds; take at least 7 if you publish times"
    )
    p.add_argument("--threads", type=_positive, default=1, help="threads for torch, jarvis and JAX")
    p.add_argument("--quick", action="store_true", help="tiny shapes, to test that everything runs")
    p.add_argument("--jax-python", help="Python of an environment with spyx")
    p.add_argument("--output", type=Path, default=None,
                   help="folder for the JSON file and the plots; by default benchmarks/results, or "
                         "none with --quick")  # fmt: skip
    return p


def _rows(wanted, quick: bool, spyx: Spyx | None, no_spyx: str) -> list[Callable[[], Row]]:
    """One function per row; they are called one by one, so only one row's tensors are in memory."""
    shapes = ((5, 2, 8),) if quick else neurons.SHAPES
    makers: list[Callable[[], Row]] = []
    if "lif" in wanted:
        makers += [lambda shape=shape: neurons.lif(shape, spyx, no_spyx) for shape in shapes]
    if "training" in wanted:
        sizes = ((20, 16, 3), 5, 4) if quick else ((784, 1000, 10), 25, 128)
        makers.append(lambda: training(*sizes))
        layers = ((20, 16, 12, 3), 5, 4) if quick else ((784, 512, 256, 10), 25, 128)
        makers += [lambda kind=kind: deep(*layers, *kind) for kind in PRODUCT_BARS]
        pictures = ((1, 8, 8), 3, 4) if quick else ((1, 28, 28), 6, 128)
        makers.append(lambda: convolutional(*pictures))
    if "recurrent" in wanted:
        makers.append(lambda: neurons.recurrent((5, 2, 16) if quick else neurons.RECURRENT))
        for hidden, rate in ((16, 0.1),) if quick else neurons.SPARSE_RECURRENT:
            shape = (5, 2, hidden) if quick else (*neurons.RECURRENT[:2], hidden)
            makers.append(lambda s=shape, r=rate: neurons.sparse_recurrent(s, r))
    if "adaptive" in wanted:
        makers.append(lambda: neurons.adaptive(shapes[0]))
    if "adex" in wanted:
        makers += [lambda shape=shape: adex.adex(shape) for shape in shapes]
        makers.append(lambda: adex.biophysical(shapes[0] if quick else adex.BIOPHYSICAL))
    if "generated" in wanted:
        pairs = [(kind, shape) for kind in generated.BY_HAND
                 for shape in (shapes if quick else generated.SHAPES)]  # fmt: skip
        makers += [lambda kind=k, shape=s: generated.by_hand(kind, shape) for k, s in pairs]
    if "learned" in wanted:
        makers.append(lambda: generated.learned(shapes[0]))
    if "user" in wanted:
        makers.append(lambda: generated.user(shapes[0]))
    if "zoo" in wanted:
        makers += [lambda name=name: zoo.kind(name, shapes[0]) for name in zoo.kinds()]
        makers += [lambda other=other: zoo.peer(other, shapes[0]) for other in ZOO_PEERS]
    if "delays" in wanted:
        shape = (120, 2, 30, 8) if quick else delays.SHAPE
        makers.append(lambda: delays.delays(shape, spyx, no_spyx))
        every = range(len(delays.LAYERS))
        makers += [lambda number=number: delays.layers(number, quick) for number in every]
    if "stdp" in wanted:
        n, maps = (2, (4, 6)) if quick else (100, (30, 250))
        makers += [lambda number=number: stdp.stdp(number, n, maps) for number in (1, 2)]
    return makers


def measure(args: argparse.Namespace) -> dict:
    """All requested measurements, in the form written to the JSON file."""
    clock = "cpu" if args.threads == 1 else "wall"
    spyx, no_spyx = None, "no --jax-python"
    if args.jax_python and {"lif", "delays"} & set(args.rows):
        try:
            spyx = Spyx(args.jax_python, args.threads)
        except (RuntimeError, OSError) as error:
            no_spyx = f"{type(error).__name__}: {error}"
    data: dict = {
        "schema": 1,
        "machine": machine.describe(args.threads) | (spyx.versions if spyx else {}),
        "limits": machine.limits(args.repeats, args.quick),
        "repeats": args.repeats,
        "clock": clock,
        "quick": args.quick,
        "rows": [],
    }
    try:
        for make in _rows(args.rows, args.quick, spyx, no_spyx):
            row = make()
            print(f"... {row.title}", file=sys.stderr, flush=True)
            data["rows"].append(row.measure(args.repeats, clock))
        if spyx:
            data["spyx_compile_ms"] = spyx.compile_ms
    finally:
        if spyx:
            spyx.close()
    if "delays" in args.rows:
        data["memory"] = delays.memory(args.quick)
    if "compile" in args.rows:
        print("... first calls", file=sys.stderr, flush=True)
        data["compile"] = compile_time.measure(1 if args.quick else 3)
    if "scaling" in args.rows:
        print("... scaling", file=sys.stderr, flush=True)
        data["scaling"] = scaling.measure(args.repeats, clock, args.quick)
    if "widgets" in args.rows:
        print("... explorers", file=sys.stderr, flush=True)
        data["widgets"] = explorers.measure(args.quick)
    if "gpu" in args.rows:
        data["gpu"] = gpu.measure(args.repeats)
    return data


def main(argv: list[str] | None = None) -> int:
    """Measure, print and write. Returns 1 if results that should agree do not."""
    args = parser().parse_args(argv)
    before = torch.get_num_threads()
    torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    try:
        data = measure(args)
    finally:
        torch.set_num_threads(before)
    print(report.text(data))
    folder = args.output or (None if args.quick else RESULTS)
    if folder:
        report.write(data, folder)
        if folder == RESULTS and set(GROUPS) == set(args.rows):
            report.refresh(RESULTS.parent / "README.md", data)
    entries = [entry for row in data["rows"] for entry in row["entries"]]
    wrong = [e["name"] for e in entries if e.get("skipped", "").startswith("DISAGREES")]
    if data.get("gpu", {}).get("agreement", "").startswith("DISAGREES"):
        wrong.append("GPU")
    if wrong:
        print(f"no agreement: {', '.join(wrong)}", file=sys.stderr)
    shown = data.get("widgets", {}).get("explorers", {})
    failed = [f"{name}: {row['errors'][0]}" for name, row in shown.items() if row["errors"]]
    if failed:
        print(f"explorers with errors: {'; '.join(failed)}", file=sys.stderr)
    return bool(wrong or failed)


if __name__ == "__main__":
    raise SystemExit(main())
