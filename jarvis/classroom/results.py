"""Numbers of a text, held to the run that measured them.

A lesson's last cell calls `record`, which stores what a full run measured. Its text marks each
number that it takes from there with a comment, which names it and gives a tolerance:
``97.8<!-- accuracy 0.3 --> %``. `marks` reads these numbers out of the text, `disagreements`
compares them with what was measured, and `filled` writes the measured ones in their place.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jarvis.support.files import write_json


def in_repository(path: str) -> Path:
    """A file of the repository, as its notebooks name it: relative to their folder.

    A copy of a notebook in another folder finds it, too, where the package is installed from its
    repository. Elsewhere the path is returned as it is.

    Example:
        >>> in_repository("sources/999_template.py").name
        '999_template.py'
    """
    beside = Path(path)
    if beside.exists():
        return beside
    original = Path(__file__).resolve().parents[2] / "notebooks" / path
    return original if original.exists() else beside


def record(path: str | Path, numbers: Mapping[str, float], *, full: bool) -> None:
    """Store the numbers that a full run measured: ``record(path, measured, full=full_run)``.

    A shortened run stores nothing, because its numbers mean nothing. It checks that each of its
    names is among those of the last full run, so that a new name is not forgotten.

    Args:
        path: a JSON file; its folder is created if necessary.
        numbers: what was measured, by name.
        full: False for a shortened run.

    Raises:
        ValueError: if a number is NaN or infinite; the message names it.
        AssertionError: if a shortened run measures what the last full run did not.

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
    values = {name: float(value) for name, value in numbers.items()}
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


#: A number as people write it: -1.2, 1,200, 1 200 (with any space), 1e-6.
_NUMBER = (
    r"(?<![\w.])(?:(?<![\w.\)\]])[+\-\u2212])?"
    r"(?:\d{1,3}(?:[ ,\u00a0\u2009\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:[eE][+\-\u2212]?\d+)?)"
)
#: What may stand between a number and its comment: a percent sign, the end of emphasis or math.
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
        name: of the measured number; that of another lesson as ``303_mnist:accuracy``.
        value: as stated.
        tolerance: largest difference allowed; a share of the measured number if `relative`.
        relative: whether the tolerance was written in percent.
        written: the number as it stands in the text.
        start: where it stands in the text.
    """

    name: str
    value: float
    tolerance: float
    relative: bool
    written: str
    start: int

    def agrees(self, measured: float) -> bool:
        """Whether the stated number is within the tolerance of the measured one."""
        allowed = self.tolerance * abs(measured) if self.relative else self.tolerance
        return abs(self.value - measured) <= allowed + 1e-9 * max(abs(measured), abs(self.value))


def marks(text: str) -> list[Mark]:
    """The marked numbers of a Markdown text, in order.

    A comment directly after a number marks it, with a name and a tolerance, absolute or in percent
    of the measured number: ``1,200<!-- spikes 5% -->``. A percent sign, the end of an emphasis or
    of a formula may stand between: ``**97.8 %**<!-- accuracy 0.3 -->``. Percent signs never change
    a number: what is stated as 97.8 % is recorded as 97.8. A comment within code marks nothing.

    Args:
        text: Markdown.

    Raises:
        ValueError: for a comment behind a number without a name and a tolerance, and for a comment
            with both behind something that is not a number; it quotes the place.

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
            raise ValueError(f"no number that can be read stands before this comment: {quoted}")
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
    """What is wrong with the marked numbers of a text: a sentence for each.

    Args:
        text: Markdown.
        measured: the numbers of a full run, by name.

    Raises:
        ValueError: as `marks`.

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
    """The text with the measured numbers in place of the marked ones, with as many decimals.

    Args:
        text: Markdown.
        measured: the numbers of a full run, by name; a marked number that names none of them stays.

    Raises:
        ValueError: as `marks`.

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
    """`value` with the decimals, the separator, the exponent and the signs of another number."""
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
