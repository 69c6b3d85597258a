"""Exercises that answer back: what the mechanism says, and the form of all exercises."""

import ast
import importlib
import re

import jupytext
import nbformat
import numpy as np
import pytest
import torch

from conftest import ROOT
from jarvis.classroom import check
from jarvis.classroom.check.verdict import Exercise, Wrong, array, exercise, near, number

NOTEBOOKS = sorted((ROOT / "notebooks" / "sources").glob("[0-9]*.py"))
TOPICS = [path.stem[3:] for path in NOTEBOOKS]


def exercises(topic: str) -> dict[str, Exercise]:
    module = importlib.import_module(f"jarvis.classroom.check.{topic}")
    found = {k: v for k, v in vars(module).items() if isinstance(v, Exercise)}
    return dict(sorted(found.items(), key=lambda item: item[1].number))


def checked(source: str) -> list[tuple[str, str]]:
    """The calls `check.NAME(ANSWER)` of a cell: both names."""
    calls = [n for n in ast.walk(ast.parse(source)) if isinstance(n, ast.Call)]
    return [
        (call.func.attr, ast.unparse(call.args[0]))
        for call in calls
        if isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) == "check"
    ]


def cells(path):
    return [c for c in jupytext.read(path).cells if c.cell_type == "code"]


@exercise(3, "add them")
def add(answer, rng):
    a, b = rng.normal(size=2)
    found = number(answer(a, b), "the sum")
    if not near(found, a + b):
        raise Wrong(f"{found} is not the sum of {a} and {b}.")


def test_a_right_answer(capsys):
    verdict = add(lambda a, b: a + b)
    assert verdict
    assert capsys.readouterr().out == "Exercise 3: right.\n"


def test_a_stub_gets_its_hint(capsys):
    def stub(a, b):
        """a and b -> their sum."""

    for answer in (None, ..., stub):
        assert not add(answer)
        assert capsys.readouterr().out == "Exercise 3: no answer yet.\n  Hint: add them\n"


def test_a_wrong_answer_is_told_in_words_with_the_hint():
    verdict = add(lambda a, b: a - b)
    assert not verdict
    assert "is not the sum" in verdict.words
    assert verdict.words.endswith("Hint: add them")


def test_the_same_seed_tries_the_same_input():
    first = add(lambda a, b: a)
    assert add(lambda a, b: a, seed=first.seed).words == first.words
    assert add(lambda a, b: a, seed=first.seed + 1).words != first.words


def test_an_answer_that_raises_is_told_where():
    def broken(a, b):
        return a + b + [][3]

    words = add(broken).words
    assert "broken raised IndexError: list index out of range" in words
    assert 'at "return a + b + [][3]"' in words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a, b: "7", "is not the sum"),
        (lambda a, b: "seven", "should be a number, but is 'seven'"),
        (lambda a, b: [a, b], "one number, but has the shape (2,)"),
        (lambda a, b: float("nan"), "is nan"),
        (lambda a, b: {}, "should be a number"),
        (lambda a: a, "raised TypeError"),
        (7, "cannot be used: TypeError"),
    ],
)
def test_answers_of_the_wrong_kind(answer, words):
    assert words in add(answer).words


def test_none_from_one_branch():
    calls = []

    @exercise(1, "")
    def twice(answer, rng):
        answer(1)
        answer(2)

    def sometimes(x):
        calls.append(x)
        return x if x == 1 else None

    assert "Does every branch return?" in twice(sometimes).words


@pytest.mark.parametrize("make", [np.ones, torch.ones], ids=["numpy", "torch"])
def test_an_argument_that_is_changed(make):
    @exercise(1, "")
    def double(answer, rng):
        x = make(3)
        answer(x)
        assert (x == 1).all()

    def in_place(x):
        x *= 2
        return x

    assert "changes the array" in double(in_place).words
    assert double(lambda x: 2 * x)


@pytest.mark.parametrize("value", [torch.tensor(3.0), torch.ones(1, requires_grad=True) * 3, 3])
def test_number(value):
    assert number(value) == 3.0


def test_array():
    assert array(torch.ones(2, requires_grad=True), (2,)).tolist() == [1, 1]
    with pytest.raises(Wrong, match=r"shape \(3,\), but has \(2,\)"):
        array([1, 2], (3,))
    with pytest.raises(Wrong, match="1 NaN and 0 infinite"):
        array([1, np.nan], (2,))
    with pytest.raises(Wrong, match="should be an array, but is dict"):
        array({}, (2,), "the rates")
    with pytest.raises(Wrong, match="v should be an array, but is None"):
        array(None, (2,), "v")


def test_interruption_is_not_swallowed():
    def stop(a, b):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        add(stop)


@pytest.mark.parametrize("topic", TOPICS)
def test_a_check_per_exercise_and_each_is_used(topic):
    path = next(p for p in NOTEBOOKS if p.stem[3:] == topic)
    text = "\n".join(c.source for c in jupytext.read(path).cells if c.cell_type == "markdown")
    numbers = [int(n) for n in re.findall(r"^#+ Exercise (\d)", text, re.MULTILINE)]
    known = exercises(topic)
    assert [e.number for e in known.values()] == numbers
    asked = [call for cell in cells(path) for call in checked(cell.source)]
    assert [name for name, _ in asked] == list(known)
    solved = [
        call
        for cell in cells(path.parent / "solutions" / path.name)
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.Assert)
        for call in checked(ast.unparse(node.test))
    ]
    assert [name for name, _ in solved] == list(known), "each solution under an assert, in order"


@pytest.mark.parametrize("topic", TOPICS)
def test_every_stub_fails_with_its_hint(topic):
    """The stubs as they stand in the notebook: run alone, they return None."""
    path = next(p for p in NOTEBOOKS if p.stem[3:] == topic)
    known, stubs = exercises(topic), {}
    for cell in cells(path):
        for node in ast.parse(cell.source).body:
            if isinstance(node, ast.FunctionDef):
                stubs[node.name] = node
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                stubs[node.targets[0].id] = node
        for name, answer in checked(cell.source):
            space: dict = {}
            exec("from __future__ import annotations\n" + ast.unparse(stubs[answer]), space)
            verdict = known[name](space[answer])
            assert not verdict
            assert verdict.words.endswith(f"no answer yet.\n  Hint: {known[name].hint}")


@pytest.mark.parametrize("topic", TOPICS)
def test_the_notebook_as_committed_shows_the_hints(topic):
    path = next(p for p in NOTEBOOKS if p.stem[3:] == topic)
    outputs = "".join(
        output.get("text", "")
        for cell in nbformat.read(ROOT / "notebooks" / f"{path.stem}.ipynb", as_version=4).cells
        for output in cell.get("outputs", [])
    )
    for one in exercises(topic).values():
        assert f"Exercise {one.number}: no answer yet.\n  Hint: {one.hint}\n" in outputs


def test_every_module_belongs_to_a_notebook():
    folder = ROOT / "jarvis" / "classroom" / "check"
    modules = {p.stem for p in folder.glob("[a-z]*.py")} - {"verdict"}
    assert len(modules) > 10
    assert modules == set(TOPICS)
    assert check.__all__ == ["Exercise", "Verdict", "Wrong", "exercise"]
