"""Numbers in a text, checked against the run that measured them.

A lesson's last cell calls `record`, which stores what a full run measured. In the text, a comment
after each such number gives its name and a tolerance: ``97.8<!-- accuracy 0.3 --> %``. `marks`
reads these numbers from the text, `disagreements` compares them with the measured numbers, and
`filled` replaces them with the measured numbers.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jarvis.support.files import write_json


def in_repository(path: str) -> Path:
    """A file of the repository, given by its path relative to the notebooks' folder.

    The file is also found from a copy of a notebook in another folder, if the package is installed
    from its repository. Otherwise the path is returned as it is.

    Example:
        >>> in_repository("sources/999_template.py").name
        '999_template.py'
    """
    beside = Path(path)
    if beside.exists():
        return beside
    original = Path(__file__).resolve().parents[2] / "notebooks" / path
    return original if original.exists() else beside


def record(
    path: str | Path,
    *numbers: Mapping[str, float],
    stated: Mapping[str, float] | None = None,
    measured: Mapping[str, float] | None = None,
    full: bool,
    tolerance: float = 0.01,
) -> None:
    """Store the numbers that a full run measured: ``record(path, measured, full=full_run)``.

    A shortened run stores nothing, because its numbers mean nothing. It checks instead that each of
    its names is among those of the last full run, so that a new name is not forgotten.

    An older form takes the stated numbers and then the measured numbers, and compares them. In a
    shortened run, it compares the stated numbers with those of the last full run.

    Args:
        path: a JSON file; its folder is created if necessary.
        *numbers: the measured numbers, by name; in the older form, preceded by the stated ones.
        stated: the numbers as stated in the text, in the older form.
        measured: the numbers of this run; in the older form, they must include the stated ones.
        full: False for a shortened run.
        tolerance: largest difference allowed, in the older form.

    Raises:
        TypeError: if there are no measured numbers.
        ValueError: if a number is NaN or infinite; the message names it.
        AssertionError: if a shortened run measures what the last full run did not. In the older
            form, also if stated and measured numbers differ; the file then stays as it was.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "results" / "numbers.json"
        >>> record(path, {"accuracy": 97.81}, full=True)
        1 number recorded in numbers.json
        >>> record(path, {"accuracy": 50.0, "loss": 0.7}, full=False)
        Traceback (most recent call last):
        ...
        AssertionError: not measured by the last full run: loss. Run it in full again.
    """
    path = Path(path)
    given = [*numbers, *(part for part in (stated, measured) if part is not None)]
    if len(given) == 2:
        _record_stated(path, given[0], given[1], full, tolerance)
        return
    if len(given) != 1 or stated is not None:
        raise TypeError("record takes the measured numbers: record(path, {...}, full=...)")
    values = {name: float(value) for name, value in given[0].items()}
    useless = [f"{name} = {value}" for name, value in values.items() if not math.isfinite(value)]
    if useless:
        raise ValueError(f"a number in a text must be finite, but {', '.join(useless)}")
    if full:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, values)
        print(f"{len(values)} number{'s' * (len(values) != 1)} recorded in {path.name}")
    elif not path.exists():
        print(f"This run is shortened, so nothing is recorded; there is no {path} of a full one.")
    elif unknown := values.keys() - json.loads(path.read_text(encoding="utf-8")).keys():
        names = ", ".join(sorted(unknown))
        raise AssertionError(f"not measured by the last full run: {names}. Run it in full again.")


def _record_stated(
    path: Path,
    stated: Mapping[str, float],
    measured: Mapping[str, float],
    full: bool,
    tolerance: float,
) -> None:
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


#: A number as people write it: -1.2, 1,200, 1 200 (with any space), 1e-6.
_NUMBER = (
    r"(?<![\w.])(?:(?<![\w.\)\]])[+\-\u2212])?"
    r"(?:\d{1,3}(?:[ ,\u00a0\u2009\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:[eE][+\-\u2212]?\d+)?)"
)
#: What may be between a number and its comment: a percent sign, the end of emphasis or math.
_AFTER = r"(?:[ \u00a0\u2009\u202f]?\\?%)?[*_$]*"
_BEFORE_COMMENT = re.compile(rf"(?P<number>{_NUMBER}){_AFTER}$")
_COMMENT = re.compile(r"<!--(.*?)-->", re.DOTALL)
_CONTENT = re.compile(
    r" *(?P<name>\S[^\n]*?) +(?P<tolerance>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<percent>%?) *"
)
_CODE = re.compile(r"```.*?```|`[^`\n]*`", re.DOTALL)


@dataclass(frozen=True)
class Mark:
    """A number in a text that names the measurement it states.

    Args:
        name: name of the measured number; a number of another lesson is ``303_mnist:accuracy``.
        value: the stated value.
        tolerance: largest difference allowed; a fraction of the measured number if `relative`.
        relative: whether the tolerance was written in percent.
        written: the number as written in the text.
        start: its position in the text.
    """

    name: str
    value: float
    tolerance: float
    relative: bool
    written: str
    start: int

    def agrees(self, measured: float) -> bool:
        """Whether the stated number is within the tolerance of the measured number."""
        allowed = self.tolerance * abs(measured) if self.relative else self.tolerance
        return abs(self.value - measured) <= allowed + 1e-9 * max(abs(measured), abs(self.value))


def marks(text: str) -> list[Mark]:
    """The marked numbers of a Markdown text, in order.

    A comment directly after a number marks it. The comment contains a name and a tolerance, either
    absolute or in percent of the measured number: ``1,200<!-- spikes 5% -->``. A percent sign or
    the end of an emphasis or formula may come between: ``**97.8 %**<!-- accuracy 0.3 -->``. Percent
    signs never change a number: 97.8 % is recorded as 97.8. Comments within code mark nothing.

    Args:
        text: Markdown.

    Raises:
        ValueError: for a comment after a number without a name and a tolerance, and for a comment
            with both after something that is not a number; the message quotes the place.

    Example:
        >>> [(m.name, m.value, m.tolerance) for m in marks("It is 97.8<!-- accuracy 0.3 --> %.")]
        [('accuracy', 97.8, 0.3)]
    """
    found = []
    text = _CODE.sub(lambda code: " " * len(code[0]), text)
    for comment in _COMMENT.finditer(text):
        before = text[max(0, comment.start() - 60) : comment.start()]
        number, content = _BEFORE_COMMENT.search(before), _CONTENT.fullmatch(comment[1])
        quoted = f"...{before[-25:]}{comment[0]}".replace("\n", " ")
        if number and not content:
            raise ValueError(
                f"a marked number needs a name and a tolerance, as in <!-- rate 0.5 -->: {quoted}"
            )
        if content and not number and before[-1:].strip():
            raise ValueError(f"no number that can be read precedes this comment: {quoted}")
        if number and content:
            tolerance = float(content["tolerance"])
            found.append(
                Mark(
                    content["name"],
                    _value(number["number"]),
                    tolerance / 100 if content["percent"] else tolerance,
                    bool(content["percent"]),
                    number["number"],
                    comment.start() - len(before) + number.start("number"),
                )
            )
    return found


def disagreements(text: str, measured: Mapping[str, float]) -> list[str]:
    """What is wrong with the marked numbers of a text, in one sentence for each.

    Args:
        text: Markdown.
        measured: the numbers of a full run, by name.

    Raises:
        ValueError: as in `marks`.

    Example:
        >>> disagreements("97.8<!-- accuracy 0.3 --> %", {"accuracy": 96.02})
        ['the text says 97.8 for accuracy, the full run measured 96.02']
        >>> disagreements("97.8<!-- accuracy 0.3 --> %", {"loss": 0.1})
        ['the text says 97.8 for accuracy, which no run has measured']
    """
    wrong = []
    for mark in marks(text):
        said = f"the text says {mark.written} for {mark.name}"
        if mark.name not in measured:
            wrong.append(f"{said}, which no run has measured")
        elif not mark.agrees(measured[mark.name]):
            wrong.append(f"{said}, the full run measured {measured[mark.name]:g}")
    return wrong


def filled(text: str, measured: Mapping[str, float]) -> str:
    """The text with its marked numbers replaced by the measured ones, with as many decimals.

    Args:
        text: Markdown.
        measured: the numbers of a full run, by name; marked numbers without a measurement stay.

    Raises:
        ValueError: as in `marks`.

    Example:
        >>> filled("97.8<!-- accuracy 0.3 --> %", {"accuracy": 96.02})
        '96.0<!-- accuracy 0.3 --> %'
    """
    for mark in reversed(marks(text)):
        if mark.name in measured:
            end = mark.start + len(mark.written)
            text = text[: mark.start] + _written(measured[mark.name], mark.written) + text[end:]
    return text


def _value(written: str) -> float:
    return float(re.sub(r"[ ,\u00a0\u2009\u202f]", "", written).replace("\u2212", "-"))


def _written(value: float, like: str) -> str:
    """`value`, formatted with the decimals, separator, exponent and signs of another number."""
    mantissa, exponent, _ = like.lower().partition("e")
    decimals = len(mantissa.partition(".")[2])
    separator = re.search(r"[ ,\u00a0\u2009\u202f]", mantissa)
    if exponent:
        text = f"{value:.{decimals}e}"
        text = re.sub(r"e([+-])0*(\d)", lambda m: f"e{m[1].strip('+')}{m[2]}", text)
    elif separator:
        text = f"{value:,.{decimals}f}".replace(",", separator[0])
    else:
        text = f"{value:.{decimals}f}"
    if float(re.sub(r"[ ,\u00a0\u2009\u202f]", "", text)) == 0:
        text = text.removeprefix("-")
    if like.startswith("+") and value > 0:
        text = f"+{text}"
    return text.replace("-", "\u2212") if "\u2212" in like else text
