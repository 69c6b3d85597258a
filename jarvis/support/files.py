"""Writing files so that a crash, an interruption or a full disk never leaves a partial file."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """A temporary path beside `target` that replaces it when the block ends without an error.

    On any error the temporary file is removed and `target` stays as it was.

    Raises:
        OSError: if the folder cannot be created or written, or the disk is full; it names `target`.

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "a.txt"
        >>> with atomic_path(target) as part:
        ...     _ = part.write_text("whole")
        >>> target.read_text()
        'whole'
    """
    part: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        part = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())  # the bytes are on the disk before the name is
        os.replace(part, target)
    except OSError as error:
        raise type(error)(
            error.errno, f"could not write {target}: {error.strerror or error}"
        ) from error
    finally:
        if part is not None:
            part.unlink(missing_ok=True)


def write_json(target: Path, data: object) -> None:
    """Write `data` as indented JSON, whole or not at all.

    Raises:
        OSError: as `atomic_path`.
        ValueError: for NaN or infinity, which are not JSON.
    """
    text = json.dumps(data, indent=2, allow_nan=False)
    with atomic_path(target) as part:
        part.write_text(text + "\n", encoding="utf-8")
