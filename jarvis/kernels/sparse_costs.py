"""The times that dense and sparse products take, measured once for each shape of weights.

The time of a dense product grows with the number of rows; the time of a sparse product also grows
with the number of nonzero entries. When weights of some shape are used for the first time, both
products are timed on this machine with generated numbers, and the times are kept in the cache
folder. Later runs read the times from there, so the choice between dense and sparse products does
not change from one run to the next, and neither do rounding errors. If the folder cannot be
written, every process makes its own measurements.
"""

import hashlib
import json
import logging
import math
import os
import platform
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import torch

from jarvis.support.downloads import cache_folder
from jarvis.support.files import atomic_path

logger = logging.getLogger("jarvis.kernels")

_WORK = 1 << 27  #: multiplications in the dense product that is timed: a few milliseconds
_FEWEST, _MOST = 256, 1024  #: limits on the rows that are timed
_SHARES = (0.02, 0.35)  #: shares of nonzero entries that are timed
_REPEATS = 3  #: minimum number of repetitions
_ENOUGH = 0.05  #: seconds: short calls are repeated until this time is spent
_CALL = 5.0  #: microseconds for the neurons of one step, after a dense product
_STEPS = 20  #: steps of a recurrent layer that are timed together

_FILES = ("sparse_loops.py", "sparse_conv.py", "vectors.py", "sparse_costs.py")


class Cost(NamedTuple):
    """Time that a product takes, in microseconds."""

    call: float  #: for the call itself
    row: float  #: for each row of x
    entry: float  #: for each nonzero entry of x

    def of(self, rows: int, entries: float) -> float:
        """The time for this many rows, with this many entries in total."""
        return self.call + self.row * rows + self.entry * entries


class Costs(NamedTuple):
    """Times of the three products with weights of one shape: the output and the two gradients."""

    dense: Cost
    dense_weight: Cost
    dense_input: Cost
    lists: Cost  #: to list the entries of x
    product: Cost  #: the output, from the list
    weight: Cost  #: the gradient of the weights, from the list
    input: Cost  #: the input's gradient at wanted places; `entry` is the time per wanted place
    input_listed: Cost  #: the input's gradient from listed entries of the incoming gradient


#: The cost of a product for which there is no loop.
_NEVER = Cost(1e15, 0.0, 0.0)


def costs(n_in: int, n_out: int, rows: int, dtype: torch.dtype) -> Costs:
    """The times for weights ``[n_out, n_in]`` and about `rows` rows, cached or measured now."""
    most = min(max(_WORK // max(1, n_in * n_out), _FEWEST), _MOST)
    timed = min(1 << max(0, rows - 1).bit_length(), most)
    name = f"{n_out}x{n_in}_{timed}"
    return _as_costs(name, dtype, lambda: _measure(n_in, n_out, timed, dtype))


_known: dict[tuple, Costs] = {}


def _as_costs(name: str, dtype: torch.dtype, measure: Callable[[], list[float]]) -> Costs:
    key = (name, dtype, torch.get_num_threads())
    if key not in _known:
        numbers = _kept(name, dtype, 3 * len(Costs._fields), measure)
        _known[key] = Costs(*(Cost(*numbers[i : i + 3]) for i in range(0, len(numbers), 3)))
    return _known[key]


def most_spikes(n: int, batch: int, dtype: torch.dtype) -> float:
    """The most spikes in a step ``[batch, n]`` for which skipping zeros is faster."""
    (limit,) = _kept(f"step_{batch}x{n}", dtype, 1, lambda: _measure_step(n, batch, dtype))
    return limit


_memory: dict[str, list[float]] = {}


def _kept(
    name: str, dtype: torch.dtype, count: int, measure: Callable[[], list[float]]
) -> list[float]:
    """A list of `count` times, from this process or the cache folder, or measured now."""
    name = f"{name}_{str(dtype).removeprefix('torch.')}_{torch.get_num_threads()}.json"
    known = _memory.get(name)
    if known is None:
        path = cache_folder() / "products" / _machine() / name
        known = _read(path, count)
        if known is None:
            known = measure()
            try:
                _write_first(path, json.dumps(known), count)
                known = _read(path, count) or known
            except OSError as error:
                logger.info("the times of a product are not kept: %s", error)
        _memory[name] = known
    return known


def _read(path: Path, count: int) -> list[float] | None:
    try:
        numbers = [float(number) for number in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError, TypeError):
        return None
    return numbers if len(numbers) == count and all(map(math.isfinite, numbers)) else None


def _write_first(path: Path, text: str, count: int) -> None:
    """Write a file unless another process was faster; all processes then read the same file."""
    own = path.with_name(f"{path.stem}.{os.getpid()}")
    with atomic_path(own) as part:
        part.write_text(text, "utf-8")
    try:
        os.link(own, path)
    except FileExistsError:
        if _read(path, count) is None:  # it was damaged
            os.replace(own, path)
    finally:
        own.unlink(missing_ok=True)


@cache
def _machine() -> str:
    """The name of a folder: a digest of everything on which the times depend."""
    here = Path(__file__).parent
    made_of = hashlib.sha256(b"".join((here / name).read_bytes() for name in _FILES)).hexdigest()
    known = (platform.machine(), _processor(), torch.__version__, version("numba"), made_of)
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
        return next(line for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def _least(*functions: Callable[[], object]) -> Iterator[float]:
    """The shortest time of a few calls of each function: processor time, in microseconds.

    The functions take turns, so that a slow moment of the machine affects all of them.
    """
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    rounds, spent = 0, 0.0
    while rounds < _REPEATS or (rounds < 5 * _REPEATS and spent < _ENOUGH):
        for function, taken in zip(functions, times, strict=True):
            start = time.thread_time()
            function()
            taken.append(time.thread_time() - start)
            spent += taken[-1]
        rounds += 1
    return iter([1e6 * min(taken) for taken in times])


def _dense(time: float, rows: int) -> Cost:
    return Cost(0.0, time / rows, 0.0)


def _sparse(few: float, many: float, entries: list[int], rows: int, call: float = 0.0) -> Cost:
    """The cost of a product, given the times with few and with many `entries`."""
    per_entry = max(0.0, (many - few) / max(1, entries[1] - entries[0]))
    return Cost(call, max(0.0, few - call - per_entry * entries[0]) / rows, per_entry)


def _spikes(rows: int, n: int, dtype: torch.dtype) -> list[torch.Tensor]:
    """Spikes ``[rows, n]`` for each of the timed shares of nonzero entries."""
    chances = torch.rand(rows, n, generator=torch.Generator().manual_seed(0), dtype=dtype)
    return [(chances < share).to(dtype) for share in _SHARES]


@torch.no_grad()
def _measure(n_in: int, n_out: int, rows: int, dtype: torch.dtype) -> list[float]:
    from jarvis.kernels import sparse_loops as loops

    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(n_out, n_in, generator=generator, dtype=dtype)
    g = torch.rand(rows, n_out, generator=generator, dtype=dtype)
    xs = _spikes(rows, n_in, dtype)
    listed = [loops.active(x) for x in xs]
    entries = [len(one.places) for one in listed]
    one_row, near = loops.active(xs[0][:1]), [x.to(torch.uint8) for x in xs]

    found = _least(
        lambda: torch.mm(xs[0], weight.t()),
        lambda: torch.mm(g.t(), xs[0]),
        lambda: torch.mm(g, weight),
        *(partial(loops.active, x) for x in xs),
        *(partial(loops.product, x, weight, None) for x in (one_row, *listed)),
        partial(loops.weight_gradient, one_row, g[:1]),
        *(partial(loops.weight_gradient, x, g) for x in listed),
        partial(loops.input_gradient, near[0][:1], g[:1], weight),
        *(partial(loops.input_gradient, x, g, weight) for x in near),
    )
    dense = [_dense(next(found), rows) for _ in range(3)]
    lists = _sparse(next(found), next(found), entries, rows)
    calls = [next(found) for _ in range(9)]
    sparse = [_sparse(calls[i + 1], calls[i + 2], entries, rows, calls[i]) for i in (0, 3, 6)]
    return [number for cost in (*dense, lists, *sparse, _NEVER) for number in cost]


class Convolution(NamedTuple):
    """The shape of a convolution."""

    shape: tuple[int, int, int]  #: (C, H, W)
    maps: int
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    @property
    def result(self) -> tuple[int, int, int]:
        """(O, Ho, Wo)."""
        from jarvis.kernels.sparse_conv import result_size

        return self.maps, *result_size(self.shape[1:], self.kernel, self.stride, self.padding)


def convolution_costs(conv: Convolution, rows: int, dtype: torch.dtype) -> Costs:
    """The times for a convolution of about `rows` images, cached or measured now."""
    window = conv.shape[0] * conv.kernel[0] * conv.kernel[1]
    each = window * torch.Size(conv.result).numel()
    most = min(max(_WORK // max(1, each), 8), _MOST)
    timed = min(1 << max(0, rows - 1).bit_length(), most)
    sizes = (*conv.shape, conv.maps, *conv.kernel, *conv.stride, *conv.padding)
    name = f"conv_{'x'.join(map(str, sizes))}_{timed}"
    return _as_costs(name, dtype, lambda: _measure_convolution(conv, timed, dtype))


@torch.no_grad()
def _measure_convolution(conv: Convolution, rows: int, dtype: torch.dtype) -> list[float]:
    from jarvis.kernels import sparse_conv as loops
    from jarvis.kernels.sparse_loops import active

    shape, _, kernel, stride, padding = conv
    generator = torch.Generator().manual_seed(0)
    weight = torch.rand(conv.maps, shape[0], *kernel, generator=generator, dtype=dtype)
    xs = _spikes(rows, torch.Size(shape).numel(), dtype)
    gs = _spikes(rows, torch.Size(conv.result).numel(), dtype)
    listed = [active(x) for x in xs]
    entries = [int(x.count_nonzero()) for x in xs]
    g_entries = [int(g.count_nonzero()) for g in gs]
    pictures = xs[0].view(rows, *shape)
    g = gs[1].view(rows, *conv.result)
    last = g.contiguous(memory_format=torch.channels_last)

    maps, height, width = conv.result
    sizes = (height, width, maps), weight, shape[1:]

    def back(of_input: bool) -> None:
        mask = [of_input, not of_input, False]
        torch.ops.aten.convolution_backward(
            g, pictures, weight, None, stride, padding, (1, 1), False, (0, 0), 1, mask
        )

    def at_places(x: torch.Tensor) -> None:
        wanted = x.view(rows, *shape).to(torch.uint8)
        loops.input_gradient(wanted, last, weight, stride, padding)

    def from_listed(g: torch.Tensor) -> None:
        loops.input_gradient_from_sparse(active(g), *sizes, stride, padding)

    found = _least(
        lambda: torch.conv2d(pictures, weight, None, stride, padding),
        partial(back, False),
        partial(back, True),
        *(partial(active, x) for x in xs),
        *(partial(loops.convolve, x, shape, weight, None, stride, padding) for x in listed),
        *(partial(loops.weight_gradient, x, shape, last, kernel, stride, padding) for x in listed),
        *(partial(at_places, x) for x in xs),
        *(partial(from_listed, g) for g in gs),
    )
    dense = [_dense(next(found), rows) for _ in range(3)]
    counts = (entries, entries, entries, entries, g_entries)
    sparse = [_sparse(next(found), next(found), count, rows) for count in counts]
    return [number for cost in (*dense, *sparse) for number in cost]


@torch.no_grad()
def _measure_step(n: int, batch: int, dtype: torch.dtype) -> list[float]:
    from jarvis.kernels import sparse_loops as loops

    weight = torch.rand(n, n, generator=torch.Generator().manual_seed(0), dtype=dtype)
    spikes, out = _spikes(batch, n, dtype), torch.empty(batch, n, dtype=dtype)
    counts = [int(given.count_nonzero()) for given in spikes]
    steps = [loops.one_step(given, weight) for given in spikes]

    def several(step: Callable[[], object]) -> None:
        for _ in range(_STEPS):
            step()

    few, many, dense = _least(
        *(partial(several, step) for step in steps),
        partial(several, lambda: torch.mm(spikes[0], weight.t(), out=out)),
    )
    per_entry = max(1e-9, (many - few) / max(1, counts[1] - counts[0]))
    return [counts[0] + (dense + _CALL * _STEPS - few) / per_entry]
