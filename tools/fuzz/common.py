"""Functions of the fuzzers: damaging bytes, limited calls in a child process, and the report."""

import contextlib
import faulthandler
import io
import os
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import NamedTuple

#: Seconds within which an interrupted call must end; otherwise it counts as hung.
GRACE = 60.0


def damaged(data: bytes, random: Random) -> tuple[bytes, str]:
    """A copy of `data` with one kind of damage, and a description of the damage."""
    size = len(data)
    at = random.randrange(size) if size else 0
    length = random.choice((1, 2, 8, 64, 512))
    match random.choice(("flip", "set", "cut", "insert", "remove", "zero", "repeat", "empty")):
        case "flip":
            bit = random.randrange(8)
            changed = bytes([data[at] ^ 1 << bit]) if size else b""
            return data[:at] + changed + data[at + 1 :], f"bit {bit} of byte {at} flipped"
        case "set":
            value = random.randbytes(length)
            return data[:at] + value + data[at + length :], f"{length} bytes from {at} random"
        case "cut":
            return data[:at], f"cut after {at} bytes"
        case "insert":
            new = random.randbytes(length)
            return data[:at] + new + data[at:], f"{length} bytes inserted at {at}"
        case "remove":
            return data[:at] + data[at + length :], f"{length} bytes from {at} removed"
        case "zero":
            return data[:at] + bytes(length) + data[at + length :], f"{length} bytes from {at} zero"
        case "repeat":
            return data + data[at:], f"bytes from {at} on repeated at the end"
        case _:
            return b"", "empty"


class Outcome(NamedTuple):
    """How a call in a child process ended."""

    status: int  #: exit status; if negative, the number of the signal that ended the process
    stdout: str
    stderr: str
    seconds: float
    hung: bool  #: whether it was killed because it still ran `grace` seconds after the limit


def in_child(
    call: Callable[[], object],
    *,
    limit: float,
    grace: float = GRACE,
    interrupt: bool = False,
    memory: int | None = None,
) -> Outcome:
    """Call a function in a forked process, with its output captured and without input.

    A fork inherits everything that is imported and loaded, so a call costs only milliseconds.

    Args:
        call: the function; exceptions other than SystemExit are printed and make the status 70.
        limit: seconds after which the process is interrupted (or killed, without `interrupt`).
        grace: seconds from the interruption until the process is killed.
        interrupt: whether to send SIGINT at the limit; a process that ignores it counts as hung.
        memory: bytes of address space that the process may use in addition to the parent's.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        sys.stdout.flush()
        sys.stderr.flush()
        started = time.monotonic()
        child = os.fork()
        if not child:
            _run(call, out.fileno(), err.fileno(), memory)
        status = _wait(child, limit)
        hung = False
        if status is None and interrupt:
            os.kill(child, signal.SIGINT)
            status = _wait(child, grace)
        if status is None:
            hung = True
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
        code = os.waitstatus_to_exitcode(status)
        return Outcome(code, texts[0], texts[1], time.monotonic() - started, hung)


def _wait(child: int, limit: float) -> int | None:
    """The wait status of a child; None if it is still running after `limit` seconds."""
    end, pause = time.monotonic() + limit, 0.001
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        if time.monotonic() > end:
            return None
        time.sleep(pause)
        pause = min(1.5 * pause, 0.05)


def _run(call: Callable[[], object], out: int, err: int, memory: int | None) -> None:
    """The code of the child process, which never returns."""
    status = 70
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((nothing, 0), (out, 1), (err, 2)):
            os.dup2(old, new)
        # The parent's sys.stdout may write elsewhere, such as into pytest's buffer.
        sys.stdout = io.TextIOWrapper(io.FileIO(1, "w"), "utf-8", write_through=True)
        sys.stderr = io.TextIOWrapper(io.FileIO(2, "w"), "utf-8", "backslashreplace")
        faulthandler.enable(sys.stderr)  # pytest has directed it to the parent's output
        if memory is not None:
            _limit_memory(memory)
        call()
        status = 0
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        if isinstance(stop.code, str):
            print(stop.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _limit_memory(more: int) -> None:
    import resource

    with open("/proc/self/statm", encoding="ascii") as file:
        used = int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + more, hard))


class Report:
    """Counts the tries, and prints every fault as it happens."""

    def __init__(self, name: str) -> None:
        self.name, self.started = name, time.monotonic()
        self.seen: Counter[str] = Counter()
        self.found: list[str] = []

    def count(self, outcome: str) -> None:
        """Count a try with a permitted outcome."""
        self.seen[outcome] += 1

    def find(self, kind: str, what: str, details: str = "") -> None:
        """Report a fault: its kind, what was tried, and what happened."""
        self.seen[kind] += 1
        self.found.append(f"{kind}: {what}")
        shown = "".join(f"\n    {line}" for line in details.strip().splitlines()[-12:])
        print(f"{kind}: {what}{shown}", flush=True)

    def judge(self, what: str, outcome: Outcome) -> None:
        """Count or report a process that has printed its outcome, a tab, and details."""
        if outcome.hung:
            self.find("hung", what)
        elif outcome.status < 0:
            self.find("crashed", what, f"signal {-outcome.status}\n{outcome.stderr}")
        elif outcome.status:
            self.find("broken", what, outcome.stderr)
        else:
            word, _, details = outcome.stdout.strip().rpartition("\n")[2].partition("\t")
            if word in ("accepted", "refused"):
                self.count(word)
            else:
                self.find(word, what, details)

    def close(self) -> int:
        """Print the totals; returns the exit status, which is 1 if there were faults."""
        parts = ", ".join(f"{n} {name}" for name, n in sorted(self.seen.items()))
        seconds = time.monotonic() - self.started
        print(f"{self.name}: {sum(self.seen.values())} tried in {seconds:.0f} s: {parts}")
        print(f"{self.name}: {len(self.found)} faults")
        return int(bool(self.found))
