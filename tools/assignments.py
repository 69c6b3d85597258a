"""Write the lessons as nbgrader assignments, for learners and for marking.

    python tools/assignments.py                                          every lesson
    python tools/assignments.py notebooks/sources/303_mnist.py ...       these lessons
    python tools/assignments.py --course FOLDER ...

FOLDER, by default runs/assignments, becomes an nbgrader course with one assignment for each
lesson:

    nbgrader_config.py             how cells are cleared and run
    source/NNN_topic/              the lesson with solutions, points and hidden tests
    release/NNN_topic/             the same without them, for learners; written by nbgrader

The cell of an exercise keeps its stub. Between BEGIN SOLUTION and END SOLUTION, the code of the
solutions notebook is inserted, with the imports and helpers that this code needs. The check of the
exercise becomes a cell that learners cannot change: it shows them the check's message, and a hidden
line fails unless the answer was right. An exercise earns one point per minute in its heading, or
ten if none is given. When submissions are graded, lessons are shortened as in their tests.
"""

import argparse
import ast
import builtins
import os
import re
import subprocess
import symtable
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

sys.path.insert(0, str(Path(__file__).resolve().parent))

import notebooks
from jarvis.support.files import atomic_path

EXERCISE = re.compile(r"^#+ Exercise (\d+)\b.*?(?:\((\d+) min\))?$", re.MULTILINE)
POINTS = 10  # points of an exercise whose heading gives no minutes

CONFIG = '''\
"""How nbgrader clears and runs the lessons. Written by tools/assignments.py."""

c = get_config()
c.CourseDirectory.course_id = "jarvis"
c.ClearSolutions.code_stub = {"python": "# Your code goes above."}
c.ExecutePreprocessor.timeout = 600  # seconds for a cell: some train a network
'''

HOW = """\
**This lesson is an assignment.** Write your answers into the cells of the exercises, and keep all
cells. The cells that check them cannot be changed: run them as often as you like. Hand the notebook
in when it runs from top to bottom."""

GRADED = """\
# Runs that grade a submission are short.
import os

if os.environ.get("NBGRADER_EXECUTION") == "autograde":
"""


@dataclass(frozen=True)
class Part:
    """An exercise in a notebook: its number and points, and the positions of its code cells."""

    number: int
    points: int
    cells: tuple[int, ...]


def parts(cells) -> list[Part]:
    """The exercises of a notebook; code belongs to the last heading before it."""
    found: list[Part] = []
    here: Part | None = None
    for place, cell in enumerate(cells):
        if cell.cell_type == "markdown":
            for line in cell.source.splitlines():
                if heading := EXERCISE.match(line):
                    here = Part(int(heading[1]), int(heading[2] or POINTS), ())
                    found.append(here)
                elif line.startswith("#"):
                    here = None
        elif here is not None:
            here = Part(here.number, here.points, (*here.cells, place))
            found[-1] = here
    return found


def call_of(statement: ast.stmt) -> ast.Call | None:
    """The call ``check.NAME(answer)`` in a top-level statement, if it contains one."""
    heads: list[ast.AST] = [statement]
    if isinstance(statement, ast.If):  # only the condition may be the check
        heads = [statement.test]
    elif not isinstance(statement, ast.Expr | ast.Assign | ast.Assert):
        return None
    for node in (each for head in heads for each in ast.walk(head)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "check":
                return node
    return None


def split(source: str) -> tuple[str, str, str]:
    """Split a cell into three: the code before its check, the call of the check, and the rest.

    The rest begins with the statement that contains the call. There, the name ``graded`` replaces
    the call; a statement that consists only of the call is removed.

    Example:
        >>> split("a = ...\\n\\nif check.half(a):\\n    print(a)")
        ('a = ...', 'check.half(a)', 'if graded:\\n    print(a)')
        >>> split("check.half(a)")
        ('', 'check.half(a)', '')
    """
    lines = source.splitlines(keepends=True)
    for statement in ast.parse(source).body:
        call = call_of(statement)
        if call is None:
            continue
        text = ast.get_source_segment(source, call)
        assert text is not None
        before = "".join(lines[: statement.lineno - 1])
        last = statement.end_lineno if isinstance(statement, ast.Expr) else statement.lineno - 1
        after = "".join(lines[last:])
        return before.strip(), text, after.replace(text, "graded", 1).strip("\n")
    return source, "", ""


def bound(code: str) -> set[str]:
    """The names that the code assigns, imports or defines at its top level."""
    table = symtable.symtable(code, "cell", "exec")
    return {s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported()}


def needed(code: str) -> set[str]:
    """The names that the code uses but does not define, except for built-in names.

    Example:
        >>> sorted(needed("def f(x):\\n    return len(np.ones(x)) + offset"))
        ['np', 'offset']
    """

    def taken(table: symtable.SymbolTable) -> Iterable[str]:
        top = table.get_type() == "module"
        for symbol in table.get_symbols():
            if symbol.is_referenced() and (top or symbol.is_global()):
                yield symbol.get_name()
        for child in table.get_children():
            yield from taken(child)

    names = set(taken(symtable.symtable(code, "cell", "exec")))
    return names - bound(code) - set(dir(builtins))


def solution(cells, part: Part, known: set[str]) -> str:
    """The code that solves an exercise: the code before its ``assert check.NAME(...)``.

    This code is preceded by earlier statements of the solutions notebook (imports, helpers and
    parameters) that it needs and that the lesson lacks.

    Args:
        cells: cells of the solutions notebook.
        part: the exercise in the solutions notebook.
        known: the names that the lesson has defined before the exercise.
    """
    code, solved = [], False
    for place in part.cells:
        before, call, _ = split(cells[place].source)
        code.append(before)
        if solved := bool(call):
            break
    assert solved, f"no assert check.NAME(...) in the solution of exercise {part.number}"
    text = "\n\n\n".join(filter(None, code))
    earlier = [
        (ast.get_source_segment(cell.source, statement) or "", bound(ast.unparse(statement)))
        for cell in cells[: part.cells[0]]
        if cell.cell_type == "code"
        for statement in ast.parse(cell.source).body
        if call_of(statement) is None
    ]
    missing, chosen = needed(text) - known, {}
    for place in reversed(range(len(earlier))):
        statement, names = earlier[place]
        if names & missing:
            chosen[place] = statement
            missing = (missing - names) | (needed(statement) - known)
    return "\n".join([*(chosen[place] for place in sorted(chosen)), text])


def assignment(source: Path) -> nbformat.NotebookNode:
    """A lesson with solutions, points and hidden tests, for nbgrader."""
    book = notebooks.read(source)
    solved = notebooks.read(source.parent / "solutions" / source.name).cells
    answers = {part.number: part for part in parts(solved)}
    exercises = {place: part for part in parts(book.cells) for place in part.cells}
    cells, known, graded = [], set(), set()
    stubs: list[nbformat.NotebookNode] = []
    for place, cell in enumerate(book.cells):
        part = exercises.get(place)
        before, call, after = split(cell.source) if cell.cell_type == "code" else ("", "", "")
        if part is None or part.number in graded or not (call or _is_stub(cell)):
            cells.append(cell)
            if cell.cell_type == "code":
                known |= bound(cell.source)
                cells += _short_when_graded(cell)
            continue
        name = f"exercise-{part.number}"
        if before:
            answer = solution(solved, answers[part.number], known)
            region = f"{before}\n\n### BEGIN SOLUTION\n{answer}\n### END SOLUTION"
            stub = new_code_cell(region, metadata=cell.metadata)
            stub.metadata["nbgrader"] = _kind(name, solution=True)
            stubs.append(stub)
            cells.append(stub)
            known |= bound(before) | bound(answer)
        if call:
            found = len(stubs) == len(graded) + 1
            assert found, f"{source.name}: no cell for the answer to exercise {part.number}"
            test = new_code_cell(
                f"graded = {call}\n### BEGIN HIDDEN TESTS\n"
                f'assert graded, graded.words or "no answer"\n### END HIDDEN TESTS'
            )
            test.metadata["nbgrader"] = _kind(f"{name}-check", grade=True, points=part.points)
            cells.append(test)
            cells += [new_code_cell(after)] if after else []
            known |= {"graded"} | bound(after)
            graded.add(part.number)
    assert graded == set(answers), f"{source.name}: exercises without a check"
    cells.insert(1, new_markdown_cell(HOW))
    book.cells = cells
    for cell in book.cells:
        cell.metadata.pop("nbmake", None)
    book.metadata = nbformat.from_dict(notebooks.KERNEL)
    nbformat.validate(book)
    return book


def _is_stub(cell) -> bool:
    return "exercise" in cell.metadata.get("tags", [])


def _kind(name: str, *, grade=False, solution=False, points=None) -> dict:
    kind = dict(schema_version=3, grade_id=name, grade=grade, solution=solution, task=False,
                locked=not solution, cell_type="code")  # fmt: skip
    return kind if points is None else {**kind, "points": points}


def _short_when_graded(cell) -> list[nbformat.NotebookNode]:
    """A cell that shortens the run when a submission is graded; it comes after the parameters."""
    mock = cell.metadata.get("nbmake", {}).get("mock")
    if not mock:
        return []
    lines = "\n".join(f"    {name} = {value!r}" for name, value in mock.items())
    added = new_code_cell(GRADED + lines, metadata={"tags": ["hide-input"]})
    added.metadata["nbgrader"] = _kind("short-when-graded")
    return [added]


def write(sources: list[Path], course: Path) -> list[Path]:
    """Write nbgrader's configuration and the source version of lessons; returns their folders."""
    course.mkdir(parents=True, exist_ok=True)
    with atomic_path(course / "nbgrader_config.py") as part:
        part.write_text(CONFIG, encoding="utf-8")
    folders = []
    for source in sources:
        folder = course / "source" / source.stem
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(folder / f"{source.stem}.ipynb") as part:
            nbformat.write(assignment(source), part)
        folders.append(folder)
    return folders


def nbgrader(course: Path, *command: str) -> None:
    """Run a command of nbgrader in a course.

    Raises:
        RuntimeError: if the command fails; the message contains the end of its output.
    """
    # nbgrader starts programs that are installed beside it, which may not be on the path
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    run = subprocess.run(
        [sys.executable, "-m", "nbgrader", *command, "--log-level=WARN"], cwd=course,
        env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if run.returncode:
        raise RuntimeError(f"nbgrader {' '.join(command)} failed:\n{run.stderr[-3000:]}")


def release(names: Iterable[str], course: Path) -> None:
    """Let nbgrader write the release version of assignments."""
    for name in names:
        nbgrader(course, "generate_assignment", name, "--force", "--create")


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("sources", nargs="*", type=Path, help="lessons in notebooks/sources or all")
    parser.add_argument("--course", type=Path, default=notebooks.ROOT / "runs" / "assignments")
    options = parser.parse_args(given)
    every = [path for path in notebooks.sources() if path.parent == notebooks.SOURCES]
    chosen = [path.resolve() for path in options.sources] or every
    for path in chosen:
        if path not in every:
            parser.error(f"{path.name} is not a source of a lesson in {notebooks.SOURCES}")
    folders = write(chosen, options.course)
    print(f"{len(folders)} assignments with solutions: {options.course / 'source'}")
    if find_spec("nbgrader") is None:
        print("nbgrader, which makes the release versions, is missing: run `make assignments`")
        return
    release([folder.name for folder in folders], options.course)
    print(f"without solutions, for learners: {options.course / 'release'}")


if __name__ == "__main__":
    main()
