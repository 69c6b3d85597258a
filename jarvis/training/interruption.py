"""Handles interruptions without stopping in the middle of an update."""

import signal
import threading
from typing import Any


class Interruption:
    """A context in which SIGINT and SIGTERM only set a flag, so that no update is interrupted."""

    def __init__(self) -> None:
        self.requested = False
        self._former: dict[int, Any] = {}

    def __enter__(self) -> "Interruption":
        # Only Python's main thread can handle signals; in other threads nothing is changed.
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._former[number] = signal.signal(number, self._handle)
        return self

    def _handle(self, number: int, frame: object) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)
