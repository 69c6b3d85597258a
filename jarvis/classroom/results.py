"""Checks the numbers stated in a text against the run that measured them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from jarvis.support.files import write_json


def record(
    path: str | Path,
    stated: Mapping[str, float],
    measured: Mapping[str, float],
    *,
    full: bool,
    tolerance: float = 0.01,
) -> None:
    """Save what a full run measured, and check that the surrounding text states the same numbers.

    A full run writes `measured` to `path`. Every run, including a shortened one, then compares
    `stated` with the results of the last full run.

    Args:
        path: a JSON file.
        stated: the numbers as stated in the text.
        measured: the numbers of this run, at least those of `stated`.
        full: False for a shortened run, in which the numbers are meaningless.
        tolerance: largest allowed difference.

    Raises:
        AssertionError: if a stated number differs from the measured one; it names both.
        FileNotFoundError: if no full run has saved its numbers yet.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "numbers.json"
        >>> record(path, {"accuracy": 0.91}, {"accuracy": 0.908}, full=True)
        >>> record(path, {"accuracy": 0.95}, {"accuracy": 0.5}, full=False)
        Traceback (most recent call last):
        ...
        AssertionError: the text says accuracy = 0.95, the full run measured 0.908
    """
    path = Path(path)
    if full:
        write_json(path, {name: float(value) for name, value in measured.items()})
    kept = json.loads(path.read_text(encoding="utf-8"))
    for name, value in stated.items():
        if not math.isclose(value, kept[name], rel_tol=0.0, abs_tol=tolerance):
            raise AssertionError(
                f"the text says {name} = {value}, the full run measured {kept[name]}"
            )
