"""Detect damaged HDF5 files: a child process reads a file first, within limits.

On a damaged file, the HDF5 library can loop for ever, crash, or request terabytes of memory.
Nothing in Python can stop the library, because it holds the interpreter's lock. A short-lived child
process therefore reads the whole file once, within limits of time and memory. If the child
succeeds, the file can be read safely. This takes about 0.3 s, plus 0.1 s for 80 MB.
"""

import subprocess
import sys
from pathlib import Path

_SECONDS, _PER_MEGABYTE = 3, 0.2  #: processor time that reading may take: s, plus s per megabyte

_EXPANSION = 1100  #: no compression method of HDF5 reduces data by a larger factor


def fault_of(path: Path) -> str | None:
    """The reason why an HDF5 file cannot be read, in words; None if it can be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.h5"
        >>> _ = path.write_bytes(b"no HDF5")
        >>> "signature" in fault_of(path)
        True
    """
    size = path.stat().st_size
    if not size:
        return "it is empty"
    seconds = _SECONDS + _PER_MEGABYTE * size / 1e6
    if not sys.executable:  # embedded: there is no interpreter to start
        return None
    # -P keeps this folder off the path: a module in it could shadow another of the same name.
    command = [sys.executable, "-P", __file__, str(path), str(round(seconds)), str(size)]
    try:
        child = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=10 * seconds
        )
    except subprocess.TimeoutExpired:
        return "reading it does not end"
    except OSError:  # no process can be started here
        return None
    said = child.stdout.decode(errors="replace").strip().splitlines()
    if child.returncode == 0:
        return None
    if child.returncode == 1 and said:
        return said[-1]
    if child.returncode in (-24, -9):  # SIGXCPU, or killed at the hard limit
        return "reading it does not end"
    return f"reading it ends the process, with status {child.returncode}"


def _read_all(path: str, size: int) -> None:
    import h5py

    def read(name: str, part: object) -> None:
        for key in part.attrs:  # type: ignore[attr-defined]
            part.attrs[key]  # type: ignore[attr-defined]
        if isinstance(part, h5py.Dataset):
            n_bytes = part.size * part.dtype.itemsize if part.size else 0
            if n_bytes > _EXPANSION * size + (1 << 20):
                raise ValueError(
                    f"{name} has the shape {part.shape}, too large for a file of {size} bytes"
                )
            part[()]

    with h5py.File(path, "r") as file:
        read("/", file)
        file.visititems(read)


if __name__ == "__main__":
    given, limit, n_bytes = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    try:
        import resource
    except ImportError:  # on Windows, only the parent's time limit applies
        pass
    else:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
        memory = (4 << 30) + 20 * n_bytes
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    try:
        _read_all(given, n_bytes)
    except BaseException as error:  # the parent needs the reason, whatever it is
        text = str(error).splitlines()
        print(f"{type(error).__name__}: {text[0] if text else ''}"[:300], flush=True)
        sys.exit(1)
