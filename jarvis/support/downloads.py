"""Find the files of data sets in the data folders and the cache; download and unpack them.

Files are searched for first in ``$JARVIS_DATA`` (which may be read-only) and then in the cache,
``~/.cache/jarvis`` or ``$JARVIS_CACHE`` if it is set. Files in the cache are always complete.
"""

import gzip
import hashlib
import importlib
import math
import os
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from jarvis.support.files import atomic_path, temporary_folder


class MissingDataError(FileNotFoundError):
    """Raised if a data set is missing and cannot be downloaded; the message explains what to do."""


class CorruptDataError(OSError):
    """Raised if a file of a data set is truncated or corrupted; the message names the file."""


def data_folders() -> list[Path]:
    """The folders searched for data, in this order: ``$JARVIS_DATA`` if set, then the cache."""
    given = os.environ.get("JARVIS_DATA")
    return ([Path(given)] if given else []) + [cache_folder()]


def cache_folder() -> Path:
    """The folder for downloaded or unpacked files: ``$JARVIS_CACHE`` or ``~/.cache/jarvis``."""
    given = os.environ.get("JARVIS_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "jarvis"


def find(*relative: str, folder: bool = False) -> Path | None:
    """The first of the `relative` paths that exists as a file (or folder) in a data folder."""
    for place in data_folders():
        for name in relative:
            path = place / name
            if path.is_dir() if folder else path.is_file():
                return path
    return None


#: MD5 sums of MNIST's unpacked files; torchvision lists the sums of the packed files.
UNPACKED = {
    "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    "MNIST/raw/t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
    "MNIST/raw/t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
}

_CLASSES = 10  # number of classes of MNIST and Fashion-MNIST

_SIDE = 28  # pixels

_LARGEST = 1 << 27  # bytes; the largest published file has 47 million


def read_idx(
    name: str, stem: str, resources: dict[str, str], download: bool
) -> tuple[Tensor, bool]:
    """One file of the MNIST family as a tensor, unpacked or downloaded if necessary.

    Returns:
        the content, which is uint8 images ``[N, 28, 28]`` or int64 labels ``[N]``, and whether a
        checksum confirms that the file is the published one.

    Raises:
        CorruptDataError: for a wrong checksum, length or label.
    """
    relative = f"{name}/raw/{stem}"
    path = find(relative, f"{relative}.gz")
    target = cache_folder() / relative
    if path is None:
        if not download:
            raise missing(name, f"{relative}.gz", "download=False")
        path = download_idx(name, relative, resources[f"{stem}.gz"])
    verified = path.suffix == ".gz"
    if verified:
        unpack(path, target, resources[f"{stem}.gz"])
        path = target
    try:
        if path.stat().st_size > _LARGEST:
            raise ValueError(f"it has more than {_LARGEST} bytes")
        content = path.read_bytes()
        values = _idx(content, pictures="images" in stem)
        wanted = UNPACKED.get(relative)
        # A file with as many entries as the published one but another MD5 sum is damaged; a shorter
        # file may hold a part of the data set.
        if not verified and wanted is not None and len(values) in (10_000, 60_000):
            if hashlib.md5(content, usedforsecurity=False).hexdigest() != wanted:
                raise ValueError(f"its MD5 sum is not {wanted}, that of the published file")
            verified = True
    except ValueError as error:
        raise CorruptDataError(
            f"{path} is truncated or damaged ({error}): "
            "delete it, and it will be unpacked or downloaded again"
        ) from error
    return values, verified


def _idx(content: bytes, pictures: bool) -> Tensor:
    """The values of a file in the IDX format: two zero bytes, type, number of axes, sizes, values.

    Raises:
        ValueError: for another format or content; the message gives the reason.
    """
    shape = (_SIDE, _SIDE) if pictures else ()
    magic = bytes([0, 0, 8, 1 + len(shape)])  # 8: unsigned bytes
    start = 4 * (2 + len(shape))
    if content[:4] != magic:
        raise ValueError(f"it begins with {content[:4].hex()}, not {magic.hex()}")
    n, *sides = np.frombuffer(content[4:start].ljust(start - 4, b"\0"), ">u4").tolist()
    if tuple(sides) != shape:
        raise ValueError(f"its pictures have the shape {tuple(sides)}, not {shape}")
    length = start + n * math.prod(shape)
    if len(content) != length:
        raise ValueError(f"it has {len(content)} bytes, not the {length} of {n} entries")
    values = torch.frombuffer(bytearray(content), dtype=torch.uint8, offset=start) if n else None
    values = torch.zeros(0, dtype=torch.uint8) if values is None else values
    values = values.view(n, *shape)
    if not pictures and n and values.max() >= _CLASSES:
        raise ValueError(f"it has a label of {values.max()}, and there are {_CLASSES} classes")
    return values if pictures else values.long()


def missing(
    name: str,
    relative: str,
    why: str,
    stand_in: str = "the embedded digits, jarvis.datasets.pictures.digits()",
) -> MissingDataError:
    """The error to raise when a data set's file or folder `relative` cannot be found."""
    places = " or ".join(str(folder / relative) for folder in data_folders())
    return MissingDataError(
        f"{name} is not on this machine ({why}): put it at {places}, beside the set's other "
        f"files, or use {stand_in} instead"
    )


def unpack(packed: Path, target: Path, md5: str) -> None:
    """Check and unpack a .gz into the cache; the target file is complete or absent."""
    if hashlib.md5(packed.read_bytes(), usedforsecurity=False).hexdigest() != md5:
        raise CorruptDataError(
            f"{packed} is truncated or damaged: its MD5 sum is not the published {md5}"
        )
    try:
        with atomic_path(target) as part, gzip.open(packed, "rb") as src, part.open("wb") as dst:
            shutil.copyfileobj(src, dst)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorruptDataError(f"{packed} is truncated or damaged ({error})") from error


def download_idx(name: str, relative: str, md5: str) -> Path:
    """Download one file with torchvision; the file in the cache is then complete or absent."""
    from torchvision import datasets as tv
    from torchvision.datasets.utils import download_url

    target = cache_folder() / f"{relative}.gz"
    errors = []
    with temporary_folder(target.parent) as folder:
        mirrors = getattr(tv, name).mirrors
        for mirror in mirrors:
            try:
                download_url(f"{mirror}{target.name}", str(folder), filename=target.name, md5=md5)
            except (OSError, RuntimeError) as error:  # no network, dead mirror or wrong checksum
                errors.append(str(error).splitlines()[0] if str(error) else repr(error))
                continue
            os.replace(folder / target.name, target)
            return target
    raise missing(name, f"{relative}.gz", f"download failed: {errors[-1]}")


def fetch_by_tonic(
    download: bool,
    fetch: Callable[[Any, str], object],
    find: Callable[[Path], Path | None],
    target: Path,
    give_up: Callable[[str], Exception],
) -> Path:
    """Download a data set to `target` with tonic; `target` is then complete or absent.

    Args:
        download: False: give up immediately.
        fetch: ``fetch(tonic.datasets, folder)``, which downloads into a folder.
        find: a function that returns the result's path in that folder, or None.
        target: path in the cache.
        give_up: a function from the reason to the error to raise.
    """
    if not download:
        raise give_up("download=False")
    try:
        tonic = importlib.import_module("tonic")
    except ImportError as error:
        raise give_up("to download it, pip install 'jarvis-snn[events]'") from error
    with temporary_folder(target.parent) as folder:
        try:
            fetch(tonic.datasets, str(folder))
        except Exception as error:  # no network, dead address, wrong checksum or broken archive
            why = str(error).splitlines()[0] if str(error) else repr(error)
            raise give_up(f"download failed: {why}") from error
        found = find(folder)
        if found is None:
            raise give_up(f"tonic did not create {target.name}")
        os.replace(found, target)
    return target
