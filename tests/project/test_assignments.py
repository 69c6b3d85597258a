"""Lessons as assignments: every exercise is marked, learners get no solution, and marks are right.

The last tests let nbgrader release and mark assignments, where it is installed (`make
assignments`).
"""

import ast
import importlib.util
import json
import re
import shutil
import sys

import nbformat
import pytest

from conftest import ROOT


def _tool():
    spec = importlib.util.spec_from_file_location("assignments", ROOT / "tools" / "assignments.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["assignments"] = module
    spec.loader.exec_module(module)
    return module


tool = _tool()
SOURCES = ROOT / "notebooks" / "sources"
LESSONS = sorted(SOURCES.glob("[0-9]*.py"))
NAMES = {"__name__", "get_ipython", "display"}  # what a kernel has


def marked(book, key: str) -> list:
    """The cells that nbgrader treats as `key`."""
    return [cell for cell in book.cells if cell.metadata.get("nbgrader", {}).get(key)]


def calls_of_check(code: str) -> int:
    calls = [node.func for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    return sum(ast.unparse(function).startswith("check.") for function in calls)


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_every_exercise_of_a_lesson_is_marked(source):
    text = source.read_text(encoding="utf-8")
    numbers = [int(n) for n in re.findall(r"^# #+ Exercise (\d+)", text, re.MULTILINE)]
    book = tool.assignment(source)
    solutions, tests = marked(book, "solution"), marked(book, "grade")
    grade_ids = [c.metadata["nbgrader"]["grade_id"] for c in marked(book, "schema_version")]
    assert len(grade_ids) == len(set(grade_ids))
    assert len(solutions) == len(tests) == len(numbers) >= 2
    for number, solution, test in zip(numbers, solutions, tests, strict=True):
        assert solution.metadata["nbgrader"]["grade_id"] == f"exercise-{number}"
        assert book.cells.index(test) > book.cells.index(solution)
        assert test.metadata["nbgrader"]["grade_id"] == f"exercise-{number}-check"
        assert test.metadata["nbgrader"]["locked"]
        assert test.metadata["nbgrader"]["points"] > 0
        assert re.match(r"graded = check\.\w+\(", test.source)
        assert "\nassert graded, " in test.source
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert sum(calls_of_check(cell.source) for cell in code if cell not in tests) == 0
    known = set(NAMES)
    for cell in code:  # and a solution brings whatever it needs
        if cell in solutions:
            answer = cell.source.split("### BEGIN SOLUTION")[1]
            assert tool.needed(answer) <= known | tool.bound(cell.source), cell.source
        known |= tool.bound(cell.source)
    originals = [c.source for c in tool.notebooks.read(source).cells if c.cell_type == "markdown"]
    assert [c.source for c in book.cells if c.cell_type == "markdown"] == [
        originals[0], tool.HOW, *originals[1:],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "parts"),
    [
        ("check.a(a)", ("", "check.a(a)", "")),
        (
            "def a():\n    ...\n\n\ncheck.a(a)\nx = 1\n",
            ("def a():\n    ...", "check.a(a)", "x = 1"),
        ),
        ("if check.a(a, b):\n    check.b(a)", ("", "check.a(a, b)", "if graded:\n    check.b(a)")),
        ("done = check.a(a)\nplot(done)", ("", "check.a(a)", "done = graded\nplot(done)")),
        ("def f():\n    return check.a(a)", ("def f():\n    return check.a(a)", "", "")),
        ("x = 1", ("x = 1", "", "")),
    ],
)
def test_a_cell_is_split_at_its_check(code, parts):
    assert tool.split(code) == parts


def test_names_that_code_needs():
    code = "import math\nfrom a import b as c\ndef f(*, y=z):\n    w = math.e\n    return k, w"
    assert tool.needed(code) == {"z", "k"}
    assert tool.bound(code) == {"math", "c", "f"}
    assert tool.needed("x += 1\nfor i in range(n):\n    print(i)") == {"n"}
    assert tool.needed("class A(B):\n    size = 3\n    def f(self):\n        return size") == {
        "B",
        "size",
    }


LESSON = '''\
# %% [markdown]
# # Add and multiply

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "steps": 2}}
full_run = True
steps = 1000

# %%
from jarvis.classroom.check import Wrong, exercise


class check:
    @exercise(1, hints=("read", "add"))
    def total(answer, rng):
        a, b = rng.integers(100, size=2)
        if answer(a, b) != a + b:
            raise Wrong("That is not the sum.")

    @exercise(2)
    def half(answer, rng):
        if answer != 0.5:
            raise Wrong("That is not one half.")

    @exercise(3)
    def root(answer, rng):
        if abs(answer(4) - 2) > 1e-9:
            raise Wrong("The root of 4 is 2.")


# %% [markdown]
# ## Numbers
# ### Exercise 1: Add (4 min)

# %% tags=["exercise"]
def total(a, b):
    """Return a + b."""
    ...


# %%
check.total(total)

# %% [markdown]
# ### Exercise 2: Halve (2 min)

# %% tags=["exercise"]
half = ...

# %%
if check.half(half):
    print("half of it")

# %% [markdown]
# ## Roots
# ### Exercise 3: Take a root
# In the older form: stub and check in one cell.


# %%
def root(x):
    """Return the square root."""
    # your code


answered = check.root(root)
print("answered", bool(answered), "after", steps, "steps")
'''

SOLUTIONS = '''\
# %% [markdown]
# # Solutions

# %%
import math

unused = 1
power = 0.5


def raised(x):
    return math.pow(x, power)


# %% [markdown]
# ### Exercise 1: Add

# %%
def total(first, second):
    """Return a + b."""
    return first + second


assert check.total(total)

# %% [markdown]
# ### Exercise 2: Halve

# %%
half = 1 / 2
assert check.half(half)

# %% [markdown]
# ### Exercise 3: Take a root

# %%
def root(x):
    return raised(x)


assert check.root(root)
print("not part of the answer")
'''


@pytest.fixture
def lesson(tmp_path, monkeypatch):
    (tmp_path / "sources" / "solutions").mkdir(parents=True)
    source = tmp_path / "sources" / "101_add.py"
    source.write_text(LESSON, encoding="utf-8")
    (source.parent / "solutions" / source.name).write_text(SOLUTIONS, encoding="utf-8")
    monkeypatch.setattr(tool.notebooks, "SOURCES", source.parent)
    return source


def test_solutions_bring_what_they_need_and_no_more(lesson):
    book = tool.assignment(lesson)
    first, second, third = (cell.source for cell in marked(book, "solution"))
    assert first.startswith('def total(a, b):\n    """Return a + b."""\n    ...\n\n### BEGIN')
    assert "return first + second\n### END SOLUTION" in first
    assert second == "half = ...\n\n### BEGIN SOLUTION\nhalf = 1 / 2\n### END SOLUTION"
    answer = third.split("### BEGIN SOLUTION\n")[1]
    order = ["import math", "power = 0.5", "def raised", "def root"]
    assert sorted(order, key=answer.index) == order
    assert "unused" not in answer
    assert "not part" not in answer
    points = [cell.metadata["nbgrader"]["points"] for cell in marked(book, "grade")]
    assert points == [4, 2, 10]
    tags = [cell.metadata.get("nbgrader", {}).get("grade_id") for cell in book.cells]
    short = book.cells[tags.index("short-when-graded")]
    assert short.source.endswith("    full_run = False\n    steps = 2")
    assert book.cells[-1].source.startswith("answered = graded\nprint(")
    ast.parse("\n".join(c.source for c in book.cells if c.cell_type == "code"))


def test_the_program_writes_a_course(lesson, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(tool, "find_spec", lambda name: None)
    tool.main(["--course", str(tmp_path / "course")])
    assert "missing: run `make assignments`" in capsys.readouterr().out
    written = tmp_path / "course" / "source" / "101_add" / "101_add.ipynb"
    nbformat.validate(nbformat.read(written, as_version=4))
    assert 'course_id = "jarvis"' in (tmp_path / "course" / "nbgrader_config.py").read_text()
    with pytest.raises(SystemExit):
        tool.main([str(tmp_path / "other.py")])
    assert "other.py is not a source of a lesson" in capsys.readouterr().err


# With nbgrader. -------------------------------------------------------------------------------


def points_of(course, learner: str, name: str) -> list[float]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as book:
        (notebook,) = book.find_submission(name, learner).notebooks
        return [grade.score for grade in sorted(notebook.grades, key=lambda g: g.name)]


def hand_in(course, learner: str, name: str, answers: dict[str, str]) -> None:
    """A submission: the released notebook, with other sources in some of its cells."""
    book = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    for cell in book.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        cell.source = answers.get(grade_id, cell.source)
    folder = course / "submitted" / learner / name
    folder.mkdir(parents=True)
    nbformat.write(book, folder / f"{name}.ipynb")


RIGHT = {
    "exercise-1": "def total(a, b):\n    return a + b",
    "exercise-2": "half = 0.5",
    "exercise-3": "def root(x):\n    return x**0.5",
}


@pytest.mark.timeout(1200)
def test_nbgrader_releases_and_marks_a_lesson(lesson, tmp_path):
    pytest.importorskip("nbgrader", reason="needs the extra `grading`: make assignments")
    course = tmp_path / "course"
    tool.main(["--course", str(course)])
    released = nbformat.read(course / "release" / "101_add" / "101_add.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in released.cells)
    for secret in ("SOLUTION", "HIDDEN", "assert graded", "raised", "first + second", "1 / 2"):
        assert secret not in text
    for stub in ("    ...\n", "half = ...", "    # your code"):
        assert stub in text
    hand_in(course, "ada", "101_add", RIGHT)
    hand_in(course, "bob", "101_add", {
        "exercise-1": "def total(a, b):\n    print(a + b)",
        "exercise-2": "half = 0.5",
        "exercise-3-check": "graded = True",  # and nothing done for it
    })  # fmt: skip
    hand_in(course, "eve", "101_add", {
        "exercise-1": "raise KeyError",
        "exercise-2": "half = 2",
        "exercise-3": RIGHT["exercise-3"],
    })  # fmt: skip
    tool.nbgrader(course, "autograde", "101_add", "--create")
    assert points_of(course, "ada", "101_add") == [4, 2, 10]
    assert points_of(course, "bob", "101_add") == [0, 2, 0]
    assert points_of(course, "eve", "101_add") == [0, 0, 10]
    ran = (course / "autograded" / "ada" / "101_add" / "101_add.ipynb").read_text("utf-8")
    assert "answered True after 2 steps" in ran  # a graded run is short
    said = (course / "autograded" / "bob" / "101_add" / "101_add.ipynb").read_text("utf-8")
    assert "total prints its result but does not return it" in said


@pytest.mark.timeout(1200)
def test_nbgrader_gives_the_solutions_of_a_lesson_all_points(tmp_path):
    pytest.importorskip("nbgrader", reason="needs the extra `grading`: make assignments")
    course = tmp_path / "course"
    source = next(path for path in LESSONS if path.stem.startswith("101"))
    name = source.stem
    tool.main(["--course", str(course), str(source)])
    book = nbformat.read(course / "release" / name / f"{name}.ipynb", as_version=4)
    points = [cell.metadata["nbgrader"]["points"] for cell in marked(book, "grade")]
    hand_in(course, "untouched", name, {})
    shutil.copytree(course / "source" / name, course / "submitted" / "teacher" / name)
    tool.nbgrader(course, "autograde", name, "--create")
    assert points_of(course, "teacher", name) == points
    assert points_of(course, "untouched", name) == [0] * len(points)
    for learner in ("teacher", "untouched"):  # and nothing else goes wrong
        ran = json.loads((course / "autograded" / learner / name / f"{name}.ipynb").read_text())
        wrong = [
            c for c in ran["cells"] for o in c.get("outputs", []) if o["output_type"] == "error"
        ]
        assert len(wrong) == (len(points) if learner == "untouched" else 0)
