"""How compiled CPU loops are built, cached and distributed over threads.

Two design choices avoid known problems. Kernels are plain `nogil` functions that our own thread
pool calls on ranges of neurons or samples, instead of numba's `prange`: numba's workqueue layer
must not be entered by two Python threads at once, and GNU OpenMP terminates a process that forks
after using it. And every specialisation of a loop has its own cache file: numba numbers the entries
of a shared file, and two processes that start together could give two different loops the same
number.
"""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numba import njit
from numba.core import event

logger = logging.getLogger("jarvis.kernels")

_SUBNORMAL = np.uint32(71362).view(np.float32)  # 1e-40, created without arithmetic

_ONE = np.float32(1.0)

_MIN_WORK = 1 << 17  #: lanes times steps that are worth waking a thread: about 0.1 ms

_compiling = threading.RLock()

_pool_lock = threading.Lock()

_pool: ThreadPoolExecutor | None = None

_pool_size = 0

_told = False


def compiled(loop: Callable, signature: Any, name: str) -> Callable:
    """The machine code of `loop`, read from the cache on disk if it is stored there.

    An interruption (Ctrl-C) takes effect after the compilation.

    Args:
        loop: a Python function whose closure holds the flags (numbers and strings only: numba
            derives the cache key from them).
        signature: the types of the loop's arguments.
        name: a unique name of this specialisation, also used for the cache file.
    """
    loop.__name__ = loop.__qualname__ = name
    options: dict = dict(nogil=True, error_model="numpy")
    telling = event.install_listener("numba:compile", _TellOnce())
    with _compiling, _interrupted_afterwards(), telling:
        try:
            return njit(signature, cache=True, **options)(loop)
        except Exception as error:
            # The folder is not writable, the disk is full, or the cache file is unreadable: compile
            # for this process only. If the error is in the loop itself, this second attempt raises
            # it again.
            logger.info("the compiled loop %s is not cached: %s", name, error)
            return njit(signature, **options)(loop)


@contextmanager
def _interrupted_afterwards() -> Iterator[None]:
    """Hold SIGINT back until the end of the block.

    During a compilation, LLVM calls Python functions. An exception that the handler raises in
    such a function does not reach the program: the interruption is lost, or the process is aborted.
    """
    if threading.current_thread() is not threading.main_thread():  # signals are handled elsewhere
        yield
        return
    received: list[int] = []
    former = signal.getsignal(signal.SIGINT)
    if former is None:  # a handler that was not installed from Python cannot be put back
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: received.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, former)
        for number in received:
            signal.raise_signal(number)


class _TellOnce(event.Listener):
    """Log one line, once per process, when a loop is compiled instead of loaded from the cache."""

    def on_start(self, event) -> None:
        global _told
        if not _told:
            _told = True
            logger.warning(
                "jarvis compiles its time loops for this machine (takes a few seconds, only once)"
            )

    def on_end(self, event) -> None:
        pass


def over_lanes(kernel: Callable[[int, int], None], lanes: int, steps: int, block: int) -> None:
    """Run ``kernel(first, end)`` over all lanes, on as many threads as torch uses.

    A lane is a neuron, a sample or a row, computed independently. A small problem runs on the
    calling thread, and so does one share of a large problem. During the run, subnormal numbers
    (below 1e-38 in float32) are flushed to 0: state variables that decay without input become
    subnormal, and arithmetic with such numbers is about fifty times slower.
    """
    before = (_SUBNORMAL * _ONE) == 0.0  # torch can set the mode, but not query it
    torch.set_flush_denormal(True)
    try:
        _deal(kernel, lanes, steps, block)
    finally:
        torch.set_flush_denormal(bool(before))


def _deal(kernel: Callable[[int, int], None], lanes: int, steps: int, block: int) -> None:
    blocks = -(-lanes // block)
    shares = min(torch.get_num_threads(), blocks, 1 + lanes * steps // _MIN_WORK)
    if shares <= 1:
        kernel(0, lanes)
        return
    bounds = [min(block * (blocks * share // shares), lanes) for share in range(shares + 1)]
    waiting = []
    for low, high in pairwise(bounds[1:]):
        try:
            waiting.append(_workers(shares - 1).submit(kernel, low, high))
        except RuntimeError:  # the interpreter is shutting down and accepts no more work
            kernel(low, high)
    kernel(bounds[0], bounds[1])
    for future in waiting:
        future.result()


def _workers(size: int) -> ThreadPoolExecutor:
    """The pool, with at least `size` threads."""
    global _pool, _pool_size
    with _pool_lock:
        if _pool is None or _pool_size < size:
            if _pool is not None:
                _pool.shutdown(wait=False)  # finishes the work already submitted
            _pool = ThreadPoolExecutor(
                size, "jarvis-kernels", initializer=torch.set_flush_denormal, initargs=(True,)
            )
            _pool_size = size
        return _pool


def _after_fork() -> None:
    """A forked child has only the thread that forked, and starts its own pool."""
    global _pool, _pool_size, _pool_lock
    _pool, _pool_size, _pool_lock = None, 0, threading.Lock()
    _compiling.release()


# A fork waits for a compilation to end; otherwise the child would inherit numba's lock and never be
# able to take it.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_compiling.acquire,
        after_in_parent=_compiling.release,
        after_in_child=_after_fork,
    )
