"""Generated modules, written once to files in the cache folder and loaded when needed.

The name of a file contains a digest of everything that determines its text, so a file is never out
of date.
"""

import hashlib
import linecache
import logging
import os
import sys
import zlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any, NamedTuple

import torch

from jarvis.support.downloads import cache_folder
from jarvis.support.files import atomic_path

logger = logging.getLogger("jarvis.kernels")

_HERE = Path(__file__).parent

_END = "\n# the end\n"  #: ends every generated file, so that a partial file is recognised

_WRITTEN = 1_000_000_000.0  #: modification time of all generated files; names identify contents


class Generated(NamedTuple):
    """A generated module."""

    key: str
    text: str  #: source of the module
    names: dict[str, Any]  #: what the module defines


def generated(
    name: str, follows_from: Any, makers: Sequence[str], generate: Callable[[], str]
) -> Generated:
    """Load a module from the cache folder, or generate it and keep it there.

    Args:
        name: the beginning of the file's name.
        follows_from: what the text depends on; its `repr` must show everything.
        makers: the files in this package's folder that generate the text.
        generate: a function that returns the text; called only if there is no file.
    """
    given = repr((follows_from, _versions(tuple(makers))))
    key = hashlib.sha256(given.encode()).hexdigest()[:16]
    stem = "".join(c if c.isalnum() else "_" for c in name).lower()
    path = cache_folder() / "loops" / f"{stem}_{key}.py"
    text, code = _read(path) or (generate() + _END, None)
    if code is None:
        try:
            with atomic_path(path) as part:
                part.write_text(text, encoding="utf-8")
                # numba's cache checks the modification time, so all processes set the same one.
                os.utime(part, (_WRITTEN, _WRITTEN))
        except OSError as error:
            logger.info("the source of a compiled loop is not kept: %s", error)
    file = str(path) if path.is_file() else f"<{path.stem}>"
    # Tracebacks and Triton read the source from this cache, even if the file is removed.
    linecache.cache[file] = (len(text), None, text.splitlines(True), file)
    module = ModuleType(f"jarvis.kernels.loops.{path.stem}")
    module.__file__ = file
    sys.modules[module.__name__] = module  # numba looks up the module of a cached function
    exec(code or compile(text, file, "exec"), module.__dict__)
    return Generated(key, text, module.__dict__)


def _read(path: Path) -> tuple[str, CodeType] | None:
    """The text and the code of a generated file; None if it is missing or damaged."""
    try:
        text = path.read_text(encoding="utf-8")
        code = compile(text, str(path), "exec")
    except (OSError, ValueError, SyntaxError, TypeError):
        return None
    return (text, code) if text.endswith(_END) else None


@cache
def _versions(makers: tuple[str, ...]) -> tuple[str, ...]:
    """The versions of all code that generates a module."""
    made_of = zlib.crc32(b"".join((_HERE / name).read_bytes() for name in makers))
    python = ".".join(map(str, sys.version_info[:2]))
    return (f"{made_of:08x}", python, torch.__version__, version("numba"))
