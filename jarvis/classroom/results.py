"""Checks the numbers stated in a text against the run that measured them."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

from jarvis.support.files import write_json


def in_repository(path: str) -> Path:
    """A file of the repository, as its notebooks name it: relative to their folder.

    A copy of a notebook in another folder finds it, too, where the package is installed from its
    repository. Elsewhere the path is returned as it is.

    Example:
        >>> in_repository("sources/00_template.py").name
        '00_template.py'
    """
    beside = Path(path)
    if beside.exists():
        return beside
    original = Path(__file__).resolve().parents[2] / "notebooks" / path
    return original if original.exists() else beside


def record(
    path: str | Path,
    stated: Mapping[str, float],
    measured: Mapping[str, float],
    *,
    full: bool,
    tolerance: float = 0.01,
) -> None:
    """Check that a text states the numbers that a full run measured, and save those of a full run.

    A full run compares `stated` with `measured`, and writes `measured` to `path` if they agree.
    A shortened run compares `stated` with the results of the last full run. Where there are none,
    as beside a copy of a notebook in another folder, it says that nothing was compared.

    Args:
        path: a JSON file.
        stated: the numbers as stated in the text.
        measured: the numbers of this run, at least those of `stated`.
        full: False for a shortened run, in which the numbers are meaningless.
        tolerance: largest allowed difference.

    Raises:
        AssertionError: if stated numbers differ from the measured ones; it names them all, and the
            file stays as it was.

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
    values = {name: float(value) for name, value in measured.items()}
    if not full and not path.exists():
        print(f"Nothing was compared: this run is shortened, and there is no {path} of a full one.")
        return
    kept = values if full else json.loads(path.read_text(encoding="utf-8"))
    wrong = [
        f"the text says {name} = {value}, the full run measured {kept[name]}"
        for name, value in stated.items()
        if not math.isclose(value, kept[name], rel_tol=0.0, abs_tol=tolerance)
    ]
    if wrong:
        raise AssertionError("\n".join(wrong))
    if full:
        write_json(path, values)
