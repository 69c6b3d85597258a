"""Writing files so that a crash, an interruption or a full disk never leaves a partial file.

The names of temporary files and folders contain the number of the process that writes them. If a
process is killed, its temporary files are removed the next time that something is written to the
same folder.
"""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

#: A temporary file unchanged for this many seconds counts as abandoned, whoever wrote it.
_ABANDONED = 24 * 3600

#: Name of a temporary file: the target's name, a digest of the machine, the process, random digits.
_PART = re.compile(r"\..+\.(?:([0-9a-f]{8})-(\d{1,10})-)?[0-9a-f]{8}\.part")

_NOT_A_FILE = {
    stat.S_IFDIR: "a folder",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}

_writing: set[str] = set()  # temporary files and folders that this process is using


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that replaces it when the block ends without an error.

    On any error the temporary file is removed and `target` stays as it was. If `target` is a
    symbolic link, the file that it points to is replaced. A file keeps its permissions.

    Raises:
        OSError: if `target` is something other than a regular file (a folder, a device, a FIFO), if
            it is write-protected, if its folder cannot be created or written to, or if the disk is
            full; the message names `target`.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with atomic_path(target) as part:
        ...     _ = part.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    try:
        before = check_replaceable(target)
        real = Path(os.path.realpath(target))
        real.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(real.parent)
        with _temporary_name(real) as part:
            yield part
            with part.open("rb+") as file:
                os.fsync(file.fileno())  # the content must reach the disk before the name does
            if before is not None:
                _keep_owner(part, before)
            os.replace(part, real)
    except OSError as error:
        if (error.strerror or "").startswith("could not write "):
            raise
        raise type(error)(
            error.errno, f"could not write {target}: {error.strerror or error}"
        ) from error


def check_replaceable(target: Path) -> os.stat_result | None:
    """Check that `target` does not exist, or is a regular file that may be overwritten.

    Returns:
        the status of the file, or of the file that a symbolic link points to; None if there is no
        file.

    Raises:
        OSError: if it is anything else; the message names `target` and gives the reason.
    """
    try:
        found = os.stat(target)
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        kind = _NOT_A_FILE.get(stat.S_IFMT(found.st_mode), "something else")
        number = errno.EISDIR if stat.S_ISDIR(found.st_mode) else errno.EINVAL
        raise OSError(number, f"could not write {target}: it is {kind}, not a regular file")
    if not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, f"could not write {target}: it is write-protected")
    return found


def check_suffix(target: str | Path, suffix: str) -> None:
    """Raise a ValueError for the name of a file in another format.

    A name without a suffix is accepted, and so is one whose last dot stands before a digit.

    Args:
        target: path of the file.
        suffix: the suffix of the format that will be written, in lower case, with its dot.

    Example:
        >>> check_suffix("lr0.1", ".png")
        >>> check_suffix("film.mp4", ".gif")
        Traceback (most recent call last):
        ...
        ValueError: 'film.mp4' does not end in .gif
    """
    found = Path(target).suffix
    if found[1:2].isalpha() and found.lower() != suffix:
        raise ValueError(f"{str(target)!r} does not end in {suffix}")


@contextmanager
def temporary_folder(parent: Path) -> Iterator[Path]:
    """A temporary folder in `parent` that is removed at the end; `parent` is created if necessary.

    Raises:
        OSError: if the folder cannot be created.
    """
    parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(parent)
    with _temporary_name(parent / "folder") as folder:
        folder.mkdir()
        yield folder


def write_between(path: Path, start: str, end: str, text: str) -> None:
    """Replace the text between two markers of a text file; the markers stay.

    Raises:
        ValueError: unless each marker occurs exactly once, in this order.
    """
    before, rest = path.read_text(encoding="utf-8").split(start)
    _, after = rest.split(end)
    with atomic_path(path) as part:
        part.write_text(f"{before}{start}\n{text}\n{end}{after}", encoding="utf-8")


def json_by_entry(content: dict[str, object]) -> str:
    """JSON with a line for each key, and for each entry of a list of dicts.

    Example:
        >>> print(json_by_entry({"budget": 5, "runs": [{"seed": 0}, {"seed": 1}]}))
        {
          "budget": 5,
          "runs": [
            {"seed": 0},
            {"seed": 1}
          ]
        }
    """
    lines = []
    for key, value in content.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            rows = ",\n".join(f"    {json.dumps(row)}" for row in value)
            lines.append(f"  {json.dumps(key)}: [\n{rows}\n  ]")
        else:
            lines.append(f"  {json.dumps(key)}: {json.dumps(value)}")
    return "{\n" + ",\n".join(lines) + "\n}"


def write_json(target: Path, data: object) -> None:
    """Write `data` as indented JSON, completely or not at all.

    Raises:
        OSError: as in `atomic_path`.
        ValueError: for NaN or infinity, which JSON does not allow.
    """
    text = json.dumps(data, indent=2, allow_nan=False)
    with atomic_path(target) as part:
        part.write_text(text + "\n", encoding="utf-8")


@contextmanager
def _temporary_name(target: Path) -> Iterator[Path]:
    """A new hidden path beside `target`; a file or folder that is there at the end is removed."""
    owner = f"{_machine()}-{os.getpid()}-{secrets.token_hex(4)}"
    part = target.with_name(f".{target.name[:48]}.{owner}.part")
    _writing.add(part.name)
    try:
        yield part
    finally:
        _remove(part)
        _writing.discard(part.name)


def _remove(path: Path) -> None:
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _remove_abandoned(folder: Path) -> None:
    """Remove the temporary files and folders that killed processes left in a folder."""
    entries: list[os.DirEntry[str]] = []
    with suppress(OSError):  # a folder may be writable but not listable
        entries = list(os.scandir(folder))
    for entry in entries:
        found = _PART.fullmatch(entry.name) if entry.name.endswith(".part") else None
        if found is None or entry.name in _writing:
            continue
        machine, process = found.groups()
        with suppress(OSError):  # another process may remove it first
            status = entry.stat(follow_symlinks=False)
            # Programs can set a file's modification time (mtime), but not its change time (ctime).
            unchanged = time.time() - max(status.st_mtime, status.st_ctime)
            if (machine == _machine() and not _runs(int(process))) or unchanged > _ABANDONED:
                _remove(Path(entry.path))


@cache
def _machine() -> str:
    """A digest of this machine and of the process namespace, since every container has its own."""
    numbers = ""
    with suppress(OSError):
        numbers = os.readlink("/proc/self/ns/pid")
    return hashlib.sha256(f"{socket.gethostname()} {numbers}".encode()).hexdigest()[:8]


def _runs(process: int) -> bool:
    """Whether a process on this machine is still running; True if that cannot be determined."""
    if process == os.getpid():
        return False  # an earlier process with this number: this process knows its own files
    if os.name != "posix":
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    with suppress(OSError, IndexError), open(f"/proc/{process}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    return True


def _keep_owner(part: Path, before: os.stat_result) -> None:
    """Give the new file the permissions of the old one and, where that is allowed, its owner."""
    with suppress(OSError):
        if hasattr(os, "chown"):
            os.chown(part, before.st_uid, before.st_gid)
    with suppress(OSError):
        os.chmod(part, stat.S_IMODE(before.st_mode))


class FolderInUseError(OSError):
    """Raised if another process or thread is writing to a folder; the message names the folder."""


class _Lock:
    """A lock file held by this process."""

    def __init__(self, file: int) -> None:
        self.file, self.thread, self.depth = file, threading.get_ident(), 1


_locks: dict[str, _Lock] = {}
_guard = threading.Lock()


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock a folder, so that no other process writes to it; create the folder if necessary.

    The operating system releases the lock when the process ends, even if it is killed. A thread
    that already holds the lock may take it again. File systems without locks are not protected.

    Raises:
        FolderInUseError: if another process or thread holds the lock.
        OSError: if the folder cannot be created or written to.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with locked(folder), locked(folder):
        ...     sorted(path.name for path in folder.iterdir())
        ['.lock']
        >>> list(folder.iterdir())
        []
    """
    new = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = "it is not a folder" if isinstance(error, FileExistsError) else error.strerror
        raise type(error)(error.errno, f"could not write to {folder}: {reason}") from error
    key = os.path.realpath(folder)
    with _guard:
        held = _locks.get(key)
        if held is None:
            held = _locks[key] = _Lock(_lock_file(folder))
        elif held.thread == threading.get_ident():
            held.depth += 1
        else:
            raise FolderInUseError(errno.EBUSY, f"{folder} is in use by another thread")
    try:
        yield
    finally:
        with _guard:
            held.depth -= 1
            if not held.depth and _locks.get(key) is held:
                del _locks[key]
                with suppress(OSError):
                    os.unlink(os.path.join(key, ".lock"))  # while still locked: see `_lock_file`
                os.close(held.file)
                if new:
                    with suppress(OSError):
                        os.rmdir(key)  # only if nothing was written


def _lock_file(folder: Path) -> int:
    """Open and lock the lock file of a folder."""
    path = os.path.join(folder, ".lock")
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    while True:
        try:
            file = os.open(path, flags, 0o644)
        except OSError as error:
            raise type(error)(
                error.errno, f"could not write to {folder}: {error.strerror}"
            ) from error
        try:
            if not _take(file):
                owner = os.read(file, 20).decode("ascii", "replace").strip()
                process = f" (process {owner})" if owner.isdigit() else ""
                raise FolderInUseError(
                    errno.EBUSY, f"{folder} is in use by another program{process}: wait until "
                    "it ends, or choose another folder"
                )  # fmt: skip
            # The previous owner of the lock may have removed the file after it was opened here.
            here = os.fstat(file)
            with suppress(FileNotFoundError):
                there = os.stat(path)
                if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
                    with suppress(OSError):
                        os.ftruncate(file, 0)
                        os.write(file, b"%d\n" % os.getpid())
                    return file
        except BaseException:
            os.close(file)
            raise
        os.close(file)


def _take(file: int) -> bool:
    """Lock a file without waiting; False if another process has locked it."""
    try:
        if os.name == "nt":
            import msvcrt

            os.lseek(file, 1024, os.SEEK_SET)  # beyond the text, which others can then still read
            msvcrt.locking(file, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
            os.lseek(file, 0, os.SEEK_SET)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        return os.name != "nt" and error.errno in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)
    return True


def _forget_locks() -> None:
    """Drop the locks in a forked process: they belong to the parent and end with it."""
    global _guard
    _guard = threading.Lock()
    for held in _locks.values():
        with suppress(OSError):
            os.close(held.file)
    _locks.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_locks)
