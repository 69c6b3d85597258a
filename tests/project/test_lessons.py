"""How long lessons take: what is counted, what their heads say, and what the README says."""

import importlib.util

import pytest

from conftest import ROOT


def _tool():
    spec = importlib.util.spec_from_file_location("lessons", ROOT / "tools" / "lessons.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


tool = _tool()
LESSONS = tool.lessons()

TEXT = """# %% [markdown]
# # Title of it
#
# **Time.** 20 minutes for you, 2 minutes for the machine.

# %% tags=["hide-input"]
import hidden

hidden.hidden()

# %%
x = 1

# a comment
y = 2

# %% [markdown]
# ### Exercise 1: Do it (7 min)
# Find $x^2 + 1$.

# %% tags=["exercise"]
def it():
    ...

# %%
check.it(it)

# %% [markdown]
# ### Exercise 2: Do more (3 min)
#
# $$a = b$$
"""


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("One, two - three.", 3),
        ("don't count a.b or 3.5 twice", 6),
        ("- item\n- `code here`\n\n| a | b |\n|---|---|", 5),
        ("[two words](a/b.md#c_d) and ![one](x.png)", 4),
        ("97.8<!-- accuracy 0.3 --> %", 1),
        ("$\\frac{1}{2} x$ is half of $x$", 5),
        ("$$a\n= b$$", 10),
        ("<details><summary>Guess</summary>\nYes</details>", 2),
    ],
)
def test_words(text, count):
    assert tool.words(text) == count


def test_what_is_counted(tmp_path):
    source = tmp_path / "101_it.py"
    source.write_text(TEXT, encoding="utf-8")
    lesson = tool.measure(source, figures=4)
    assert (lesson.name, lesson.cells, lesson.figures) == ("101_it", 7, 4)
    assert lesson.lines == 4  # x, the comment, y, and the check
    assert (lesson.exercises, lesson.exercise_minutes) == (2, 10)
    assert lesson.words == 3 + 10 + 6 + 2 + 6 + 10
    assert (lesson.you, lesson.machine) == (20, "2 min")
    assert lesson.minutes == pytest.approx(37 / 130 + 4 / 15 + 4 + 10)
    assert lesson.rounded == 15


def test_time_is_written_into_the_head(tmp_path, monkeypatch):
    source = tmp_path / "101_it.py"
    source.write_text(TEXT, encoding="utf-8")
    copied = []
    monkeypatch.setattr(tool.notebooks, "ROOT", tmp_path)
    monkeypatch.setattr(tool.notebooks, "notebook_of", lambda source: tmp_path / "none.ipynb")
    monkeypatch.setattr(tool.notebooks, "take_text", copied.append)
    tool.write_time(source)
    assert source.read_text("utf-8") == TEXT.replace("20 minutes for you", "10 minutes for you")
    tool.write_time(source)
    assert copied == [source]
    source.write_text(TEXT.replace("Time", "When"), encoding="utf-8")
    with pytest.raises(SystemExit, match=r"no line like \*\*Time"):
        tool.write_time(source)


def test_times_are_copied_into_the_readme(tmp_path, monkeypatch):
    source = tmp_path / "101_it.py"
    source.write_text(TEXT, encoding="utf-8")
    monkeypatch.setattr(tool, "lessons", lambda: [source])
    row = "| [101_it](notebooks/101_it.ipynb) | do it |"
    other = "| [10_it](notebooks/10_it.ipynb) | do it | 3 s |"
    for old in (" 5 min | 1 s |", " |", " | |"):
        text = f"text\n{row}{old}\n{other}\n"
        assert tool.with_times(text) == f"text\n{row} 20 min | 2 min |\n{other}\n"


@pytest.mark.parametrize("source", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_states_the_time_that_it_takes(source):
    lesson = tool.measure(source)
    assert lesson.you is not None
    assert abs(lesson.you - lesson.minutes) <= 5, f"python tools/lessons.py time {source}"


def test_the_readme_has_the_times_of_the_heads():
    text = tool.README.read_text(encoding="utf-8")
    assert text == tool.with_times(text), "run: python tools/lessons.py readme"
    assert all(f"[{path.stem}](notebooks/{path.stem}.ipynb)" in text for path in LESSONS)


def test_the_table_has_a_row_for_each_lesson():
    rows = tool.table().splitlines()
    assert len(rows) == len(LESSONS) + 3
    assert [row.split()[1] for row in rows[2:-1]] == [path.stem for path in LESSONS]
