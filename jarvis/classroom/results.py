"""Compare the numbers in a text with the run that measured them.

A lesson's last cell calls `record`, which stores what a full run measured. Where the lesson's text
states one of these numbers, a comment gives the number's name and a tolerance:
``97.8<!-- accuracy 0.3 --> %``. `marks` finds these numbers in the text, `disagreements` compares
them with what was measured, and `filled` replaces them by the measured numbers.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jarvis.support.files import write_json


def in_repository(path: str) -> Path:
    """The path of a file of the repository, given relative to the folder of the notebooks.

    A notebook copied to another folder finds the file as well, if the package is installed from its
    repository. Otherwise the path is returned unchanged.

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

    A shortened run stores nothing, because its numbers mean nothing. It only checks that each
    name also occurs in the last full run, so that no new name is forgotten.

    Args:
        path: a JSON file; its folder is created if necessary.
        numbers: what was measured, by name.
        full: False for a shortened run.

    Raises:
        ValueError: if a number is NaN or infinite; the message names it.
        AssertionError: if a shortened run measures what the last full run did not measure.

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
        print(f"This run is shortened, so nothing is recorded; no full run has written {path} yet.")
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
    """A number in a text, with the name of the measurement that it states.

    Args:
        name: name of the measured number; a number of another lesson has a prefix:
            ``303_mnist:accuracy``.
        value: the stated number.
        tolerance: largest difference allowed; if `relative`, a fraction of the measured number.
        relative: whether the tolerance was written in percent.
        written: the stated number as it is written in the text.
        start: where the stated number begins in the text.
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

    A comment directly after a number marks it. The comment gives a name and a tolerance, absolute
    or in percent of the measured number: ``1,200<!-- spikes 5% -->``. A percent sign, or the end of
    an emphasis or a formula, may stand between the two: ``**97.8 %**<!-- accuracy 0.3 -->``.
    Percent signs never change a number: what is stated as 97.8 % is recorded as 97.8. A comment
    within code marks nothing.

    Args:
        text: Markdown.

    Raises:
        ValueError: if the comment after a number lacks a name or a tolerance, or a comment with
            both does not follow a number; the message quotes the place.

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
    """What is wrong with the marked numbers of a text, in one sentence for each wrong number.

    Args:
        text: Markdown.
        measured: the numbers of a full run, by name.

    Raises:
        ValueError: as for `marks`.

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
    """The text with each marked number replaced by the measured one, in the same number format.

    Args:
        text: Markdown.
        measured: the numbers of a full run, by name; a marked number whose name is missing here is
            left as it is.

    Raises:
        ValueError: as for `marks`.

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
    """`value` in the format of `like`: with its decimals, separator, exponent and signs."""
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
