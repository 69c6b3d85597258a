"""The form of the lessons, and the numbers in their text; `pytest --nbmake` runs them.

A lesson is named NNN_topic, where the first digit is its part.
"""

import ast
import importlib.util
import json
import re
from pathlib import Path

import jupytext
import matplotlib.pyplot as plt
import nbformat
import pytest

from conftest import ROOT
from jarvis.classroom.results import disagreements, marks

SOURCES = ROOT / "notebooks" / "sources"
NOTEBOOKS = sorted(SOURCES.glob("[0-9]*.py"))
SOLUTIONS = sorted((SOURCES / "solutions").glob("[0-9]*.py"))
EVERY = NOTEBOOKS + SOLUTIONS

#: Second-level headings that are no sections: exercises need not follow them.
ASIDE = {"Objectives", "Summary", "Further reading", "Next", "See also", "Exercises"}


def _module(path: Path):
    """A file that is no module of a package."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = _module(ROOT / "tools" / "notebooks.py")
anchors = _module(ROOT / "tests" / "project" / "test_readme.py").anchors


def name(path: Path) -> str:
    return str(path.relative_to(SOURCES).with_suffix(""))


def notebook_of(source: Path) -> Path:
    return (ROOT / "notebooks" / name(source)).with_suffix(".ipynb")


def read(source: Path):
    return nbformat.read(notebook_of(source), as_version=4)


def code_cells(notebook):
    return [c for c in notebook.cells if c.cell_type == "code"]


def test_there_are_notebooks_and_each_has_solutions():
    assert len(NOTEBOOKS) > 12
    assert all(re.fullmatch(r"\d{2,3}_[a-z0-9_]+\.py", p.name) for p in EVERY)
    topics = [p.stem.partition("_")[2] for p in NOTEBOOKS]
    assert len(topics) == len(set(topics)), "a topic is one lesson's: its check module has its name"
    assert [p.name for p in NOTEBOOKS] == [p.name for p in SOLUTIONS]


@pytest.mark.parametrize("source", EVERY, ids=name)
def test_the_pair_is_the_same_text(source):
    text, notebook = tool.read(source), read(source)
    assert [(c.cell_type, c.source) for c in text.cells] == [
        (c.cell_type, c.source) for c in notebook.cells
    ], f"run: python tools/notebooks.py build {source.relative_to(ROOT)}"
    for ours, theirs in zip(text.cells, notebook.cells, strict=True):
        assert ours.metadata.get("nbmake") == theirs.metadata.get("nbmake")


@pytest.mark.parametrize("source", EVERY, ids=name)
def test_outputs_of_a_full_run_without_errors_or_paths(source):
    notebook = read(source)
    assert any(c.outputs for c in code_cells(notebook))
    for cell in code_cells(notebook):
        assert cell.execution_count is not None, cell.source
        for output in cell.outputs:
            assert output.output_type != "error", cell.source
            assert output.get("name") != "stderr", output.get("text")
            assert "/home/" not in json.dumps(output)
            assert str(ROOT) not in json.dumps(output)
    assert notebook_of(source).stat().st_size < 1_000_000


@pytest.mark.parametrize("source", EVERY, ids=name)
def test_one_parameter_cell_and_its_mock_names_what_it_assigns(source):
    cells = [c for c in code_cells(read(source)) if "nbmake" in c.metadata]
    assert len(cells) == 1
    (cell,) = cells
    assert "parameters" in cell.metadata.get("tags", [])
    mock = cell.metadata["nbmake"]["mock"]
    assigned = set(re.findall(r"^(\w+) *=", cell.source, re.MULTILINE))
    assert set(mock) <= assigned
    assert mock.get("full_run") is False
    values: dict = {}
    exec(cell.source, {"__builtins__": {}}, values)  # literals only: nothing to look up
    assert values["full_run"] is True


def headings(source: Path) -> list[str]:
    """The headings of the exercises."""
    text = "\n".join(c.source for c in read(source).cells if c.cell_type == "markdown")
    return re.findall(r"^#+ (Exercise \d+.*)", text, re.MULTILINE)


@pytest.mark.parametrize("source", NOTEBOOKS, ids=name)
def test_exercises_each_solved(source):
    found = headings(source)
    assert found
    solved = headings(source.parent / "solutions" / source.name)
    assert [h.split(":")[0] for h in found] == [h.split(":")[0] for h in solved]
    assert [int(h.split()[1].rstrip(":")) for h in found] == [*range(1, len(found) + 1)]


@pytest.mark.parametrize("source", EVERY, ids=name)
def test_links_of_a_notebook_lead_somewhere(source):
    here = notebook_of(source).parent
    for target in re.findall(r"\]\(([^)\s]+)\)", tool.markdown_of(source)):
        if re.match(r"https?:|attachment:", target):
            continue
        path, _, anchor = target.partition("#")
        there = here / path if path else notebook_of(source)
        assert there.exists(), target
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there), target


@pytest.mark.parametrize("source", EVERY, ids=name)
def test_marked_numbers_are_those_of_the_full_run(source):
    wrong = disagreements(tool.markdown_of(source), tool.measured_for(source))
    fix = f"python tools/notebooks.py fill {source.relative_to(ROOT)}"
    assert not wrong, "\n".join([*wrong, fix])


@pytest.mark.parametrize(
    "page",
    [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))],
    ids=lambda path: path.stem,
)
def test_marked_numbers_of_a_page_are_those_of_the_full_runs(page):
    """They name the lesson: ``97.8<!-- 303_mnist:accuracy 0.3 -->``."""
    assert not disagreements(page.read_text(encoding="utf-8"), tool.measured_for())


def test_numbers_are_filled_in(tmp_path, monkeypatch, capsys):
    """A source and its notebook, whose text states what was measured before."""
    sources = tmp_path / "sources"
    (tmp_path / "results").mkdir()
    sources.mkdir()
    monkeypatch.setattr(tool, "SOURCES", sources)
    monkeypatch.setattr(tool, "ROOT", tmp_path)
    monkeypatch.setattr(tool, "notebook_of", lambda s: (tmp_path / s.name).with_suffix(".ipynb"))
    source = sources / "301_topic.py"
    prose = "# It was {}<!-- rate 0.1 --> Hz, and {}<!-- 302_other:n 0 -->."
    code = "x = 1.5  # 1.5<!-- rate 0.1 -->"
    text = f"# %% [markdown]\n{prose}\n\n# %%\n{code}\n"
    source.write_text(text.format("1.5", "3"), encoding="utf-8")
    nbformat.write(jupytext.read(source), tmp_path / "301_topic.ipynb")
    (tmp_path / "results" / "301_topic.json").write_text('{"rate": 2.26}')
    with pytest.raises(SystemExit, match="302_other:n, which no run has measured"):
        tool.fill(source)
    (tmp_path / "results" / "302_other.json").write_text('{"n": 4, "rate": 7}')
    tool.fill(source)
    assert "rate: 1.5 -> 2.3\n" in capsys.readouterr().out
    assert source.read_text("utf-8") == text.format("2.3", "4")
    book = nbformat.read(tmp_path / "301_topic.ipynb", as_version=4)
    assert [m.value for m in marks(book.cells[0].source)] == [2.3, 4.0]
    assert book.cells[1].source == code
    before = source.stat().st_mtime_ns
    tool.fill(source)
    assert source.stat().st_mtime_ns == before


# What is asked of a lesson. -------------------------------------------------------------------


def of_every_lesson(test):
    return pytest.mark.parametrize("source", NOTEBOOKS, ids=name)(test)


HEAD = (
    r"\*\*Time\.\*\* \d+ minutes for you, .*\d+ (second|minute)s? for the machine\.",
    r"\*\*You need\.\*\* .+",
    r"\*\*Leads to\.\*\* .*\]\(.+",
)


def check_head(cells) -> None:
    """A title, what comes, three lines, and the objectives."""
    assert cells[0].cell_type == "markdown"
    assert re.match(r"# \S", cells[0].source), "a title"
    text = "\n\n".join(c.source for c in cells[:3] if c.cell_type == "markdown")
    lines = [" ".join(line.split()) for line in re.split(r"\n\n|\n(?=\*\*)", text)]
    for pattern in HEAD:
        assert sum(bool(re.match(pattern, line)) for line in lines) == 1, pattern
    assert re.search(r"^## Objectives$", text, re.MULTILINE)


def check_exercises(cells) -> None:
    """Never three sections with code without an exercise; each has a cell, and then its check."""
    since: list[str] = []  # sections since the last exercise
    section, count = "", 0
    for place, cell in enumerate(cells):
        tags = set(cell.metadata.get("tags", []))
        if cell.cell_type == "code":
            if section and not tags & {"hide-input", "parameters", "exercise"}:
                since, section = [*since, section], ""
            assert len(since) < 3, f"no exercise after the sections {since}"
            continue
        for level, title in re.findall(r"^(#{2,4}) (.+)$", cell.source, re.MULTILINE):
            if level == "##":
                section = "" if title in ASIDE else title
            if not title.startswith("Exercise "):
                continue
            assert level == "###", title
            assert re.fullmatch(r"Exercise \d+: [A-Z`$].* \(\d+ min\)", title), title
            since, section, count = [], "", count + 1
            follow = [n for n in range(place, len(cells)) if cells[n].cell_type == "code"][:2]
            assert len(follow) == 2, title
            stub, check = (cells[n] for n in follow)
            assert "exercise" in stub.metadata.get("tags", []), f"{title}: tag its cell"
            assert follow[1] == follow[0] + 1, title
            check_stub(stub.source)
            assert re.match(r"(\w+ = |if )?check\.\w+\(", check.source), title
    tagged = sum("exercise" in cell.metadata.get("tags", []) for cell in cells)
    assert count == tagged >= 2


def check_stub(source: str) -> None:
    """Functions without a body, and names that are None or `...`."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            values = [part.value for part in node.body if isinstance(part, ast.Expr)]
            assert len(values) == len(node.body), source
        else:
            assert isinstance(node, ast.Assign), source
            assert ast.unparse(node.value) in ("None", "..."), source
            values = [node.value]
        assert all(isinstance(value, ast.Constant) for value in values), source


@of_every_lesson
def test_head_of_a_lesson(source):
    check_head(tool.read(source).cells)


@of_every_lesson
def test_exercises_of_a_lesson_stand_after_their_sections(source):
    check_exercises(tool.read(source).cells)


GOOD = """# %% [markdown]
# # Title of a lesson
#
# What you will see.
#
# **Time.** 55 minutes for you, 20 seconds for the machine.
# **You need.** Python and exponentials.
# **Leads to.** [102](102_firing_rate.ipynb).
#
# ## Objectives
# 1. do this

# %% tags=["hide-input"]
from jarvis.classroom import lesson

# %% [markdown]
# ## One

# %%
x = 1

# %% [markdown]
# ## Two
# ### Exercise 1: First (4 min)

# %% tags=["exercise"]
def first():
    \"\"\"What to do.\"\"\"
    ...

# %%
answered = check.first(first)

# %% [markdown]
# ## Three

# %%
x = 2

# %% [markdown]
# ### Exercise 2: Second (10 min)

# %% tags=["exercise"]
second = ...

# %%
check.second(second)
"""


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("# # Title", "# Title"),
        ("**Time.** 55 minutes for you", "**Time.** An hour"),
        ("20 seconds for the machine", "a moment for the machine"),
        ("# **You need.**", "# You need"),
        ("[102](102_firing_rate.ipynb)", "102"),
        ("## Objectives", "## Aims"),
        ("## Two\n", "## Two\n\n# %%\nx = 1\n\n# %% [markdown]\n# ## And\n\n# %%\nx = 1\n"
                     "\n# %% [markdown]\n"),
        (" (4 min)", ""),
        ("# ### Exercise 1", "# #### Exercise 1"),
        ('tags=["exercise"]\nsecond', "\nsecond"),
        ("second = ...\n", "second = ...\n\n# %% [markdown]\n# Now check it.\n"),
        ("second = ...", "second = 3"),
        ("    ...\n", "    return 3\n"),
        ("answered = check.first(first)", "print(check.first(first))"),
    ],
)  # fmt: skip
def test_what_a_lesson_must_not_look_like(old, new):
    assert old in GOOD

    def check(text):
        cells = jupytext.reads(text, "py:percent").cells
        check_head(cells)
        check_exercises(cells)

    check(GOOD)
    with pytest.raises(AssertionError):
        check(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("number", "change"),
    [
        ("101", {"capacitance": 100.0}),
        ("101", {"dt": 0.5}),
        ("101", {"injected": 320.0}),
        ("101", {"duration": 100.0}),
        ("102", {"tau": 10.0}),
        ("102", {"dt": 0.2}),
        ("102", {"duration": 1000.0}),
    ],
)
def test_the_first_lessons_bear_other_parameters(number, change, monkeypatch):
    """They invite a learner to change them: no assertion of their story may stop them."""
    pytest.importorskip("ipywidgets")
    monkeypatch.chdir(ROOT / "notebooks")
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: plt.close("all"))
    monkeypatch.setattr("jarvis.support.files.write_json", None)  # a short run writes nothing
    space: dict = {}
    lesson = next(path for path in NOTEBOOKS if path.stem.startswith(number))
    for cell in code_cells(tool.read(lesson)):
        exec(cell.source, space)
        if "nbmake" in cell.metadata:
            space |= cell.metadata["nbmake"]["mock"] | change
    plt.close("all")
    if number == "102":  # with sliders
        assert space["explorer"].moves == 2
