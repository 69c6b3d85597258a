"""Estimate how long each lesson takes a learner, and list the parts of each lesson.

    python tools/lessons.py                                   the table, as Markdown
    python tools/lessons.py time notebooks/sources/303_mnist.py ...
    python tools/lessons.py readme

The estimate is a sum: one minute for 130 words, one for 15 lines of code, one for each figure, and
the minutes given in the headings of the exercises. Words are counted in the Markdown cells as
shown; a formula within the text counts as one word, and a formula on its own line as ten. Lines of
code are counted in the cells as shown; blank lines, folded cells and the stubs of exercises do not
count. Figures are counted in the built notebook and include those of folded cells, because learners
look at them.

`time` writes the result, rounded to five minutes, into the heads of lessons and their notebooks.
`readme` copies the times from these heads into the README's table.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

sys.path.insert(0, str(Path(__file__).resolve().parent))

import notebooks
from jarvis.support.files import atomic_path

WORDS_A_MINUTE, LINES_A_MINUTE, MINUTES_A_FIGURE = 130, 15, 1
#: The fewest and the most minutes that a lesson should take.
GUIDANCE = (40, 70)
README = notebooks.ROOT / "README.md"

TIME = re.compile(r"(?<=\*\*Time\.\*\* )(\d+) minutes for you, (.+?) for the machine\.")
EXERCISE = re.compile(r"^#+ Exercise \d+:.*?(?:\((\d+) min\))?$", re.MULTILINE)


@dataclass(frozen=True)
class Lesson:
    """The parts of a lesson, and the times in its head: ``you`` (minutes) and ``machine``."""

    name: str
    cells: int
    words: int
    lines: int
    figures: int
    exercises: int
    exercise_minutes: int
    you: int | None
    machine: str

    @property
    def minutes(self) -> float:
        """The learner's time according to the formula."""
        reading = self.words / WORDS_A_MINUTE + self.lines / LINES_A_MINUTE
        return reading + MINUTES_A_FIGURE * self.figures + self.exercise_minutes

    @property
    def rounded(self) -> int:
        """The learner's time as the lesson should state it: a multiple of 5."""
        return max(5, 5 * round(self.minutes / 5))


def words(markdown: str) -> int:
    """The number of words that a reader sees in a Markdown text.

    Example:
        >>> words("A *leaky* [neuron](lif.md#x) with $\\\\tau = 5$ ms.<!-- tau 0.1 -->")
        6
    """
    text = re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)
    text = re.sub(r"\$\$.*?\$\$", f" {'formula ' * 10}", text, flags=re.DOTALL)
    text = re.sub(r"\$[^$\n]+(?:\n[^$\n]+)?\$", "formula", text)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"</?\w+[^>]*>", " ", text)
    return len(re.findall(r"[^\W_](?:[\w'’.\-]*\w)?", text))


def measure(source: Path, figures: int | None = None) -> Lesson:
    """Count the parts of a lesson; unless given, `figures` is counted in the built notebook."""
    book = notebooks.read(source).cells
    text = "\n\n".join(cell.source for cell in book if cell.cell_type == "markdown")
    code = [cell for cell in book if cell.cell_type == "code"]
    shown = [c for c in code if not {"hide-input", "exercise"} & set(c.metadata.get("tags", []))]
    exercises = EXERCISE.findall(text)
    stated = TIME.search(text)
    return Lesson(
        name=source.stem,
        cells=len(book),
        words=words(text),
        lines=sum(bool(line.strip()) for cell in shown for line in cell.source.splitlines()),
        figures=_figures(notebooks.notebook_of(source)) if figures is None else figures,
        exercises=len(exercises),
        exercise_minutes=sum(int(minutes or 0) for minutes in exercises),
        you=int(stated[1]) if stated else None,
        machine=_short(stated[2]) if stated else "",
    )


def _figures(notebook: Path) -> int:
    if not notebook.exists():
        return 0
    outputs = [
        output.get("data", {})
        for cell in nbformat.read(notebook, as_version=4).cells
        for output in cell.get("outputs", [])
    ]
    return sum("image/png" in data or "image/svg+xml" in data for data in outputs)


def _short(duration: str) -> str:
    return re.sub(r"seconds?", "s", re.sub(r"minutes?", "min", duration))


def lessons() -> list[Path]:
    """The sources of all lessons."""
    return [path for path in notebooks.sources() if path.parent == notebooks.SOURCES]


def table() -> str:
    """A table with one row per lesson and the totals in the last."""
    head = ("lesson", "cells", "words", "lines of code", "figures", "exercises (min)", "minutes",
            "stated")  # fmt: skip
    rows = [head, ("---", *["--:"] * (len(head) - 1))]
    every = [measure(source) for source in lessons()]
    for each in every:
        rows.append((
            each.name, f"{each.cells}", f"{each.words}", f"{each.lines}", f"{each.figures}",
            f"{each.exercises} ({each.exercise_minutes})", f"{each.minutes:.0f}",
            f"{each.you or ''}",
        ))  # fmt: skip
    rows.append((
        f"all {len(every)}", *(f"{sum(getattr(e, k) for e in every)}" for k in
        ("cells", "words", "lines", "figures")),
        f"{sum(e.exercises for e in every)} ({sum(e.exercise_minutes for e in every)})",
        f"{sum(e.minutes for e in every):.0f}", f"{sum(e.you or 0 for e in every)}",
    ))  # fmt: skip
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def with_times(readme: str) -> str:
    """The README with the times in each lesson's row, taken from the head of the lesson."""
    for source in lessons():
        lesson = measure(source, figures=0)
        row = re.compile(rf"^(\| \[{lesson.name}\]\([^)]*\) \| [^|]*\|).*$", re.MULTILINE)
        if lesson.you is not None:
            times = f" {lesson.you} min | {lesson.machine} |"
            readme = row.sub(lambda found, times=times: found[1] + times, readme)
    return readme


def _write(path: Path, text: str) -> None:
    if text != path.read_text(encoding="utf-8"):
        with atomic_path(path) as part:
            part.write_text(text, encoding="utf-8")
        print(f"{path.relative_to(notebooks.ROOT)} changed")


def write_time(source: Path) -> None:
    """Write the estimated time into the head of a lesson and of its notebook."""
    lesson = measure(source)
    before = source.read_text(encoding="utf-8")
    if lesson.you is None:
        sys.exit(f"{source.name}: the head has no line like **Time.** 50 minutes for you, ...")
    after = TIME.sub(rf"{lesson.rounded} minutes for you, \2 for the machine.", before, count=1)
    if after != before:
        _write(source, after)
        notebooks.take_text(source)


if __name__ == "__main__":
    match sys.argv[1:]:
        case []:
            print(table())
            outside = [
                m for m in map(measure, lessons()) if not GUIDANCE[0] <= m.rounded <= GUIDANCE[1]
            ]
            for each in outside:
                print(f"{each.name} takes {each.minutes:.0f} minutes, outside {GUIDANCE}")
        case ["time", *names] if names:
            for name in names:
                write_time(Path(name).resolve())
        case ["readme"]:
            _write(README, with_times(README.read_text(encoding="utf-8")))
        case _:
            sys.exit(__doc__)
