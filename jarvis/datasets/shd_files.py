"""Finding, downloading, unpacking, reading and checking the files of SHD."""

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from jarvis.datasets.spoken_digits import CHANNELS, CLASSES, SpokenDigits, Words, split_of
from jarvis.support.downloads import (
    CorruptDataError,
    cache_folder,
    data_folders,
    fetch_by_tonic,
    missing,
)
from jarvis.support.files import atomic_path
from jarvis.support.hdf5 import fault_of

PUBLISHED = {"train": 8156, "test": 2264}

LARGEST = 2 << 30  #: largest size of an unpacked file, bytes; the larger published file has 0.3 GB

STAND_IN = "the generated words of jarvis.datasets.generated_words.shd_like()"


def shd(split: str = "train", *, download: bool = True, check: bool = True) -> SpokenDigits:
    """SHD, the Spiking Heidelberg Digits: spikes of a cochlea model for digits in two languages.

    The set is read from ``SHD/shd_train.h5`` and ``SHD/shd_test.h5``, or from the same names with
    ``.gz``. `source` states whether the files are the published ones or were rebuilt from the
    recordings.

    Args:
        split: "train" (the training set without speakers 6 and 7), "val" (speakers 6 and 7, since
            no validation set was published), "train+val" (the whole training set) or
            "test" (mostly speakers 4 and 5, who are in no other split).
        download: whether to download missing files into the cache, which needs the package tonic.
        check: whether to check every event for impossible values, which takes a second.

    Returns:
        Events of 700 channels, with times in ms; 20 classes, "zero" to "nine" and "null" to "neun".

    Raises:
        MissingDataError: if the set is not on this machine and cannot be downloaded.
        CorruptDataError: if a file is truncated, corrupted, or not in SHD's schema; the message
            names it.

    Source: Cramer, Stradmann, Schemmel & Zenke 2022, IEEE TNNLS 33:2744.
    """
    return split_of(split, lambda part: read_shd(part, download=download, check=check))


def read_shd(part: str, *, download: bool = True, check: bool = True) -> SpokenDigits:
    """The complete "train" or "test" file.

    Args:
        part: "train" or "test".
        download: whether to download the file if it is missing, which needs the package tonic.
        check: whether to check every event for impossible values.

    Raises:
        MissingDataError: if the file is not on this machine and cannot be downloaded.
        CorruptDataError: if it is truncated, corrupted, or not in SHD's schema; the message names
            it.
    """
    path = shd_file(part, download)
    try:
        return _read(path, part, check)
    except CorruptDataError as error:
        if path.is_relative_to(cache_folder()):
            raise CorruptDataError(
                f"{error}: delete it, and it is unpacked or downloaded again"
            ) from error
        raise CorruptDataError(f"{error}: download it again") from error


def shd_file(part: str, download: bool = True) -> Path:
    """The path of ``shd_{part}.h5``, unpacked into the cache or downloaded if necessary."""
    name = f"SHD/shd_{part}.h5"
    for place in data_folders():  # in each folder, an unpacked file takes precedence
        for path in (place / name, place / f"{name}.gz"):
            if not path.is_file():
                continue
            if path.suffix == ".h5":
                return path
            ready = cache_folder() / f"SHD/unpacked/shd_{part}.h5"
            if not ready.is_file() or ready.stat().st_size != _unpacked_size(path):
                _unpack(path, ready)
            return ready
    return _fetch(part, download)


def _unpacked_size(packed: Path) -> int:
    """The unpacked size, stored in the last four bytes of a .gz (these files are below 4 GB)."""
    with packed.open("rb") as file:
        file.seek(max(0, packed.stat().st_size - 4))
        return int.from_bytes(file.read(), "little")


def _unpack(packed: Path, target: Path) -> None:
    try:
        if not packed.stat().st_size:  # gzip would accept it as an empty file
            raise EOFError("it is empty")
        limit = min(_unpacked_size(packed), LARGEST)
        with atomic_path(target) as file, gzip.open(packed, "rb") as src, file.open("wb") as dst:
            while block := src.read(1 << 20):
                if dst.tell() + len(block) > limit:
                    raise EOFError(f"it unpacks to more than the {limit} bytes that are plausible")
                dst.write(block)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CorruptDataError(
            f"{packed} is truncated or damaged ({error}): download it again"
        ) from error


def _fetch(part: str, download: bool) -> Path:
    def give_up(why: str) -> Exception:
        return missing("SHD", f"SHD/shd_{part}.h5", why, STAND_IN)

    target = cache_folder() / f"SHD/shd_{part}.h5"
    return fetch_by_tonic(
        download,
        lambda sets, folder: sets.SHD(save_to=folder, train=part == "train"),
        lambda folder: next(folder.rglob(target.name), None),
        target,
        give_up,
    )


def _read(path: Path, part: str, check: bool) -> SpokenDigits:
    import h5py

    fault = fault_of(path)
    if fault is not None:
        raise CorruptDataError(f"{path} is truncated or damaged ({fault})")
    try:
        with h5py.File(path, "r") as file:
            content = _content(file, path)
    except CorruptDataError:  # also an OSError, but with a better message
        raise
    except Exception as error:  # h5py may raise any exception for damaged files
        text = str(error).splitlines()
        why = f"{type(error).__name__}: {text[0] if text else ''}"
        raise CorruptDataError(f"{path} is truncated or damaged ({why})") from error
    times, units = content["spikes/times"], content["spikes/units"]
    labels, speakers = content["labels"], content["extra/speaker"]
    counts = np.array([len(x) for x in times])
    for what, length in (
        ("units", len(units)),
        ("labels", len(labels)),
        ("speaker", len(speakers)),
    ):
        if length != len(times):
            raise CorruptDataError(f"{path} has {len(times)} words, but {length} {what}")
    if (counts != [len(x) for x in units]).any():
        raise CorruptDataError(f"{path} has a word with different numbers of times and units")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(content["extra/keys"]):
        raise CorruptDataError(f"{path} has labels from {labels.min()} to {labels.max()}")
    channels = np.concatenate([*units, np.empty(0, np.uint16)])
    if channels.dtype != np.uint16:  # the cast would wrap a channel that is out of range
        bad = channels[~((channels >= 0) & (channels < CHANNELS) & (channels % 1 == 0))]
        if len(bad):
            raise CorruptDataError(f"{path} is damaged: channel {bad[0]} is not below {CHANNELS}")
    when = np.concatenate([*times, np.empty(0, np.float16)])
    if when.dtype != np.float16:  # keeps a higher precision than that of the published files
        when = when.astype(np.float32)
    words = Words(
        when,
        channels.astype(np.uint16),
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
    )
    if check:
        fault = words.find_fault()
        if fault is not None:
            raise CorruptDataError(f"{path} is damaged: {fault}")
        words = words.sorted()
    if len(speakers) and not 0 <= speakers.min() <= speakers.max() < 1 << 31:
        raise CorruptDataError(f"{path} has speakers from {speakers.min()} to {speakers.max()}")
    keys = content["extra/keys"]
    names = [k.decode(errors="replace") if isinstance(k, bytes) else str(k) for k in keys]
    return SpokenDigits(
        words,
        torch.from_numpy(labels.astype(np.int64)),
        torch.from_numpy(speakers.astype(np.int64)),
        names,
        _source(part, len(times), content["rebuilt"]),
    )


def _content(file: Any, path: Path) -> dict[str, Any]:
    import h5py

    content: dict[str, Any] = {}
    for name in ("spikes/times", "spikes/units", "labels", "extra/speaker", "extra/keys"):
        if name not in file:
            raise CorruptDataError(f"{path} does not have SHD's schema: it has no {name}")
        part = file[name]
        shape, kind = getattr(part, "shape", None), getattr(part, "dtype", None)
        lists = None if kind is None else h5py.check_vlen_dtype(kind)
        if kind is None:
            what = "a group"
        elif name.startswith("spikes/") and not (
            isinstance(lists, np.dtype) and lists.kind in "fiu"
        ):
            what = f"{kind}, not lists of numbers of varying length"
        elif name in ("labels", "extra/speaker") and kind.kind not in "iu":
            what = f"{kind}, not integers"
        elif name == "extra/keys" and kind.kind not in "SO":
            what = f"{kind}, not text"
        elif shape is None or len(shape) != 1:
            what = f"of shape {shape}, not a list"
        else:
            what = None
        if what is not None:
            raise CorruptDataError(f"{path} does not have SHD's schema: {name} is {what}")
        content[name] = part[:]
    if len(content["extra/keys"]) != CLASSES:
        n = len(content["extra/keys"])
        raise CorruptDataError(f"{path} does not have SHD's schema: {n} keys, not {CLASSES}")
    # The published files have neither field; rebuilt files name the recording of each word.
    content["rebuilt"] = "extra/trial" in file and "extra/file" in file
    return content


def _source(part: str, n: int, rebuilt: bool) -> str:
    kind = "training" if part == "train" else part
    if rebuilt:
        return f"SHD, rebuilt from the recordings, {kind} part"
    if n == PUBLISHED[part]:
        return f"SHD, as published, {kind} part"
    return f"SHD, {n} of the {PUBLISHED[part]} published {kind} words"
