"""Numbers that a text states, held against the run that measured them."""

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
    """Keep what a full run measured, and check that the text around it states just that.

    A full run writes `measured` to `path`. Any run, a shortened one too, then compares `stated`
    with what the last full run left there.

    Args:
        path: a JSON file.
        stated: the numbers as the text gives them.
        measured: the numbers of this run, at least those of `stated`.
        full: False for a shortened run, whose numbers say nothing.
        tolerance: largest allowed difference.

    Raises:
        AssertionError: if a stated number is not what was measured; it names both.
        FileNotFoundError: if no full run has left its numbers yet.

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
