"""Locations of data set files: the data folders, the cache, downloading and unpacking.

Files are searched for in ``$JARVIS_DATA`` (read-only is fine), then in the cache,
``~/.cache/jarvis``, which ``$JARVIS_CACHE`` can relocate. Files in the cache are always complete.
"""

import gzip
import hashlib
import importlib
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from jarvis.support.files import atomic_path


class MissingDataError(FileNotFoundError):
    """A data set is missing and cannot be downloaded; the message says what to do."""


class CorruptDataError(OSError):
    """A file of a data set is truncated or corrupted; the message names it."""


def data_folders() -> list[Path]:
    """The folders searched for data, in this order: ``$JARVIS_DATA`` if set, then the cache."""
    given = os.environ.get("JARVIS_DATA")
    return ([Path(given)] if given else []) + [cache_folder()]


def cache_folder() -> Path:
    """The folder for downloaded or unpacked files: ``$JARVIS_CACHE`` or ``~/.cache/jarvis``."""
    given = os.environ.get("JARVIS_CACHE")
    return Path(given) if given else Path.home() / ".cache" / "jarvis"


def find(*relative: str, folder: bool = False) -> Path | None:
    """The first existing file (or folder) among `relative`, paths relative to the data folders."""
    for place in data_folders():
        for name in relative:
            path = place / name
            if path.is_dir() if folder else path.is_file():
                return path
    return None


def read_idx(name: str, stem: str, resources: dict[str, str], download: bool) -> Tensor:
    """One file of the MNIST family as a tensor, unpacked or downloaded if necessary."""
    from torchvision.datasets.mnist import read_image_file, read_label_file

    relative = f"{name}/raw/{stem}"
    path = find(relative, f"{relative}.gz")
    target = cache_folder() / relative
    if path is None:
        if not download:
            raise missing(name, f"{relative}.gz", "download=False")
        path = download_idx(name, relative, resources[f"{stem}.gz"])
    if path.suffix == ".gz":
        unpack(path, target, resources[f"{stem}.gz"])
        path = target
    try:
        return read_image_file(str(path)) if "images" in stem else read_label_file(str(path))
    except Exception as error:  # torchvision asserts, reshapes and unpacks: any of them may fail
        raise CorruptDataError(
            f"{path} is truncated or damaged ({type(error).__name__}: {error}): "
            "delete it, and it is unpacked or downloaded again"
        ) from error


def missing(
    name: str,
    relative: str,
    why: str,
    stand_in: str = "the embedded digits, jarvis.datasets.pictures.digits()",
) -> MissingDataError:
    """The error for a data set when the file or folder `relative` cannot be found."""
    places = " or ".join(str(folder / relative) for folder in data_folders())
    return MissingDataError(
        f"{name} is not on this machine ({why}): put {places} there and its companions beside it, "
        f"or use {stand_in}, which stand in for it"
    )


def unpack(packed: Path, target: Path, md5: str) -> None:
    """Check and unpack a .gz into the cache; the target file is complete or absent."""
    if hashlib.md5(packed.read_bytes(), usedforsecurity=False).hexdigest() != md5:
        raise CorruptDataError(
            f"{packed} is truncated or damaged: its MD5 sum is not the published {md5}"
        )
    with atomic_path(target) as part, gzip.open(packed, "rb") as src, part.open("wb") as dst:
        shutil.copyfileobj(src, dst)


def download_idx(name: str, relative: str, md5: str) -> Path:
    """Download one file into the cache with torchvision, completely or not at all."""
    from torchvision import datasets as tv
    from torchvision.datasets.utils import download_url

    target = cache_folder() / f"{relative}.gz"
    target.parent.mkdir(parents=True, exist_ok=True)
    errors = []
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        mirrors = getattr(tv, name).mirrors
        for mirror in mirrors:
            try:
                download_url(f"{mirror}{target.name}", folder, filename=target.name, md5=md5)
            except (OSError, RuntimeError) as error:  # no network, a dead mirror, a wrong sum
                errors.append(str(error).splitlines()[0] if str(error) else repr(error))
                continue
            os.replace(Path(folder) / target.name, target)
            return target
    raise missing(name, f"{relative}.gz", f"download failed: {errors[-1]}")


def fetch_by_tonic(
    download: bool,
    fetch: Callable[[Any, str], object],
    find: Callable[[Path], Path | None],
    target: Path,
    give_up: Callable[[str], Exception],
) -> Path:
    """Download something with tonic to `target`, which is then complete or absent.

    Args:
        download: False gives up immediately.
        fetch: ``fetch(tonic.datasets, folder)`` downloads into a folder.
        find: locates the result in that folder; None if it is not there.
        target: path in the cache.
        give_up: makes the error, given the reason.
    """
    if not download:
        raise give_up("download=False")
    try:
        tonic = importlib.import_module("tonic")
    except ImportError as error:
        raise give_up("to download it, pip install 'jarvis-snn[events]'") from error
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        try:
            fetch(tonic.datasets, folder)
        except Exception as error:  # no network, a dead address, a wrong sum, a broken archive
            why = str(error).splitlines()[0] if str(error) else repr(error)
            raise give_up(f"download failed: {why}") from error
        found = find(Path(folder))
        if found is None:
            raise give_up(f"tonic left no {target.name}")
        os.replace(found, target)
    return target
