"""Checkpoints: everything a run needs to resume as if it had never stopped."""

import io
from pathlib import Path
from typing import Any

import torch

from jarvis.support.files import atomic_path

#: The format that is written, and the formats whose weights can be read.
FORMAT, READABLE = 2, (1, 2)


class CheckpointError(ValueError):
    """A checkpoint is missing, corrupted, or of another run; the message names it."""


def random_states(generator: torch.Generator) -> dict[str, Any]:
    """The state of all random generators that `fit` uses: its own, and torch's.

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


def set_random_states(states: dict[str, Any], generator: torch.Generator) -> None:
    """Restore what `random_states` returned."""
    generator.set_state(states["run"])
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])


def save_checkpoint(path: Path, content: dict[str, Any]) -> None:
    """Write a checkpoint to a temporary file and rename it, so that it is complete or absent.

    Raises:
        OSError: if it cannot be written (no such folder, full disk); an older checkpoint of the
            same name is left intact.
    """
    # Serialised in memory first: torch.save reports a full disk as a RuntimeError of its own.
    buffer = io.BytesIO()
    torch.save({"format": FORMAT} | content, buffer)
    with atomic_path(Path(path)) as part:
        part.write_bytes(buffer.getvalue())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint (`path` is one, or a run's folder) onto the CPU.

    Only tensors and plain values are read (``weights_only=True``): an untrusted checkpoint cannot
    run code.

    Raises:
        CheckpointError: if it is missing, truncated, or not a checkpoint of this package.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "checkpoint_latest.pt"
    if not path.is_file():
        raise CheckpointError(f"there is no checkpoint {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # zip, pickle or tensor errors, depending on the damage
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"{path} is truncated or not a checkpoint: {reason}") from error
    if not isinstance(content, dict) or content.get("format") not in READABLE:
        raise CheckpointError(f"{path} is not a jarvis checkpoint of format {FORMAT}")
    return content
