"""Checkpoints contain everything a run needs to resume as if it had never stopped."""

import io
import math
import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from types import UnionType
from typing import Any

import torch
from torch import Tensor

from jarvis.support.files import atomic_path

#: The format in which checkpoints are written, and the formats whose weights can be read.
FORMAT, READABLE = 2, (1, 2)


#: Size in bytes of the state of a CUDA generator, which consists of a seed and an offset.
_GPU_STATE = 16


class CheckpointError(ValueError):
    """Raised if a checkpoint is missing, corrupted, or from another run; the message names it."""


def random_states(generator: torch.Generator) -> dict[str, Any]:
    """The states of all random generators that `fit` uses: the run's own and torch's.

    Args:
        generator: the generator of the run.

    Returns:
        a dict of tensors and plain values, which `torch.load` reads with ``weights_only=True``.
    """
    return {
        "run": generator.get_state(),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def check_random_states(states: Any, generator: torch.Generator) -> bool:
    """Check the states from `random_states`; return whether they fit `generator`.

    They do not fit if the run has moved from the CPU to a GPU, or vice versa.

    Raises:
        TypeError, KeyError, RuntimeError: if these are not the states of random generators.
    """
    torch.Generator().set_state(states["torch"])
    if not all(isinstance(state, Tensor) for state in states["cuda"]):
        raise TypeError("the states of the GPUs' generators are not tensors")
    if states["run"].numel() == _GPU_STATE != generator.get_state().numel():
        return False
    own = generator.device if states["run"].numel() == _GPU_STATE else "cpu"
    torch.Generator(own).set_state(states["run"])
    return torch.device(own).type == generator.device.type


def set_random_states(states: dict[str, Any], generator: torch.Generator | None) -> None:
    """Restore the states from `random_states`; without a generator, only torch's states."""
    if generator is not None:
        generator.set_state(states["run"])
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint to a temporary file, then rename the file: it is complete or absent.

    Raises:
        OSError: if the checkpoint cannot be written (no such folder, full disk); an older
            checkpoint of the same name is left intact.
    """
    # It is serialised in memory first, because torch.save reports a full disk as a RuntimeError.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT} | content, buffer)
    with atomic_path(Path(path)) as part:
        part.write_bytes(buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU; `path` is the checkpoint's file or the folder of a run.

    Only tensors and plain values are read (``weights_only=True``), so an untrusted checkpoint
    cannot run code. The checksums of the file are verified, so any damage is detected.

    Raises:
        CheckpointError: if the file is missing, damaged, not a checkpoint of this package, or
            contains a NaN.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "checkpoint_latest.pt"
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error.strerror or error}") from error
    _check_archive(data, path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # warnings about tensors that are rejected below
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # PyTorch's own message recommends loading the file in a way that could run code in it.
        found = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f" ({found[1]})" if found else ""
        raise CheckpointError(
            f"{path} is not a jarvis checkpoint: it holds objects{what} other than tensors and "
            "plain values, and reading these could run code"
        ) from error
    except Exception as error:  # zip or tensor errors, depending on the kind of damage
        raise CheckpointError(f"{path} is damaged or not a checkpoint: {reason(error)}") from error
    version = content.get("format") if isinstance(content, dict) else None
    if type(version) is not int or version not in READABLE:
        raise CheckpointError(f"{path} is not a jarvis checkpoint of format {FORMAT}")
    _check_tensors(content, path)
    return content


def reason(error: BaseException) -> str:
    """A one-line description of an error, to put at the end of a message."""
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__


def _check_archive(data: bytes, path: Path) -> None:
    """Verify the checksums of an archive, which `torch.load` does not check."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            # `torch.save` does not compress, and a compressed file could unpack to any size.
            packed = any(one.compress_type != zipfile.ZIP_STORED for one in archive.infolist())
            wrong = archive.testzip()
    except Exception as error:  # zipfile may raise any exception for random bytes
        raise CheckpointError(
            f"{path} is truncated or not a checkpoint: {reason(error)}"
        ) from error
    if packed or wrong is not None:
        part = "it is compressed" if wrong is None else f"the checksum of {wrong} is wrong"
        raise CheckpointError(f"{path} is damaged: {part}")


def _check_tensors(content: Any, path: Path, name: str = "") -> None:
    """Raise CheckpointError for a tensor that is not dense or that contains a NaN."""
    if isinstance(content, Tensor):
        if content.layout != torch.strided or content.device.type != "cpu":
            raise CheckpointError(f"{path} is not a jarvis checkpoint: {name} is not dense")
        if (content.is_floating_point() or content.is_complex()) and content.isnan().any():
            raise CheckpointError(f"{path} cannot be used: {name} contains NaN")
    elif isinstance(content, dict):
        for key, value in content.items():
            _check_tensors(value, path, f"{name}.{key}" if name else str(key))
    elif isinstance(content, list | tuple):
        for k, value in enumerate(content):
            _check_tensors(value, path, f"{name}[{k}]")


def entry(content: Mapping[str, Any], name: str, kind: type | UnionType, path: object) -> Any:
    """An entry of a checkpoint, if it has the right type; a bool does not count as an int.

    Raises:
        CheckpointError: if it is missing or of another type.
    """
    value = content.get(name)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        what = "is missing" if name not in content else f"is of type {type(value).__name__}"
        raise CheckpointError(
            f"{path} was not written by this version of jarvis: its {name} {what}"
        )
    return value


def number(
    content: Mapping[str, Any],
    name: str,
    path: object,
    at_least: int = 0,
    at_most: float = math.inf,
) -> int:
    """An integer of a checkpoint, if it lies in its range.

    Raises:
        CheckpointError: if it is missing, not an integer, or out of range.
    """
    value = entry(content, name, int, path)
    if not at_least <= value <= at_most:
        raise CheckpointError(f"{path} cannot be resumed: its {name} is {value}")
    return value


def check_state(
    loaded: Any, own: Mapping[str, Any], path: object, name: str = "model"
) -> dict[str, Tensor]:
    """The tensors of a module, read from a checkpoint, if they fit the module's current tensors.

    Args:
        loaded: the state dict in the checkpoint.
        own: the state dict of the module.
        path, name: the checkpoint's path and the module's name, for the message.

    Raises:
        CheckpointError: for a missing or additional tensor, a tensor of another shape or type, or
            an infinite value, unless the module itself has infinite values in that tensor.
    """
    if not isinstance(loaded, dict) or not all(isinstance(key, str) for key in loaded):
        raise CheckpointError(f"{path} does not fit: its {name} is not a dict of tensors")
    for key in own.keys() - loaded.keys():
        raise CheckpointError(f"{path} does not fit this {name}: it has no {key}")
    for key, value in loaded.items():
        mine = own.get(key)
        if not isinstance(mine, Tensor) and key in own:
            continue  # the extra state of a module, which validates it itself
        if mine is None:
            raise CheckpointError(f"{path} does not fit this {name}, which has no {key}")
        if not isinstance(value, Tensor) or (value.shape, value.dtype) != (mine.shape, mine.dtype):
            raise CheckpointError(
                f"{path} does not fit this {name}: {key} was {_kind(value)}, here it is "
                f"{_kind(mine)}"
            )
        if not value.isfinite().all() and mine.isfinite().all():
            raise CheckpointError(f"{path} cannot be used: {name}.{key} has infinite values")
    return loaded


def _kind(value: Any) -> str:
    if not isinstance(value, Tensor):
        return type(value).__name__
    return f"{list(value.shape)} {str(value.dtype).removeprefix('torch.')}"


#: The files of a run in its output folder.
FILES = ("checkpoint_latest.pt", "checkpoint_best.pt", "metrics_final.json")


def holds_run(folder: Path) -> bool:
    """Whether a folder contains the checkpoints or metrics of a run."""
    if any((folder / name).exists() for name in FILES):
        return True
    inside = folder / "checkpoints"
    return inside.is_dir() and any(path.suffix == ".pt" for path in inside.iterdir())
