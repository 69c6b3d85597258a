"""How a compiled CPU loop is built, cached and spread over threads.

Two choices keep it out of trouble. Kernels are plain `nogil` functions that one thread pool of our
own calls on ranges of lanes, instead of numba's `prange`: numba's workqueue layer may not be
entered by two Python threads at once, and GNU OpenMP ends a process that forks after using it.
And every specialisation has a cache file of its own, because numba numbers the entries of a shared
one: two processes that start together could give one number to two different loops.
"""

import logging
import os
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

_SUBNORMAL = np.uint32(71362).view(np.float32)  # 1e-40, made without arithmetic

_MIN_WORK = 1 << 17  #: lane-steps that repay waking a thread: some 0.1 ms

_compiling = threading.RLock()

_pool_lock = threading.Lock()

_pool: ThreadPoolExecutor | None = None

_pool_size = 0

_told = False


def compiled(loop: Callable, signature: Any, name: str) -> Callable:
    """The machine code of `loop`, from the cache on disk where it is there.

    Args:
        loop: a Python function whose closure holds the flags (numbers and strings only: numba
            makes the cache key from them).
        signature: the types of its arguments.
        name: a name that is this specialisation's alone; the cache file is called after it.
    """
    loop.__name__ = loop.__qualname__ = name
    options: dict = dict(nogil=True, error_model="numpy")
    with _compiling, event.install_listener("numba:compile", _TellOnce()):
        try:
            return njit(signature, cache=True, **options)(loop)
        except Exception as error:
            # No folder to write to, a full disk, an unreadable cache file: compile for this process
            # alone. What was wrong with the loop itself is raised again by this second try.
            logger.info("the compiled loop %s is not cached: %s", name, error)
            return njit(signature, **options)(loop)


class _TellOnce(event.Listener):
    """Says in one line, once a process, that the wait is a compilation (not a cached start)."""

    def on_start(self, event) -> None:
        global _told
        if not _told:
            _told = True
            logger.warning(
                "jarvis compiles its time loops for this machine: some seconds, the first time only"
            )

    def on_end(self, event) -> None:
        pass


def over_lanes(kernel: Callable[[int, int], None], lanes: int, steps: int, block: int) -> None:
    """Run ``kernel(first lane, end lane)`` over all lanes, on torch's number of threads.

    A small problem stays on the calling thread, and so does one share of a large problem. Numbers
    too small to be normal (below 1e-38 in float32) are taken as 0 meanwhile: what decays in silence
    ends among them, and arithmetic with them is some fifty times as slow.
    """
    with _flushing_subnormals():
        _deal(kernel, lanes, steps, block)


@contextmanager
def _flushing_subnormals() -> Iterator[None]:
    """This thread's processor takes subnormal numbers as 0, in and out; then as before."""
    before = (_SUBNORMAL * np.float32(1.0)) == 0.0  # torch sets the mode, and does not tell it
    torch.set_flush_denormal(True)
    try:
        yield
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
        except RuntimeError:  # the interpreter is shutting down and takes no more work
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
                _pool.shutdown(wait=False)  # finishes what it was given
            _pool = ThreadPoolExecutor(
                size, "jarvis-kernels", initializer=torch.set_flush_denormal, initargs=(True,)
            )
            _pool_size = size
        return _pool


def _after_fork() -> None:
    """A forked child has no threads but the one that forked: it starts a pool of its own."""
    global _pool, _pool_size, _pool_lock
    _pool, _pool_size, _pool_lock = None, 0, threading.Lock()
    _compiling.release()


# A fork waits for a compilation to end: the child would inherit numba's lock, held for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_compiling.acquire,
        after_in_parent=_compiling.release,
        after_in_child=_after_fork,
    )
