"""Exercises that answer back: what the mechanism says, and the form of all exercises."""

import ast
import importlib
import re
from functools import cache, partial

import jupytext
import nbformat
import numpy as np
import pytest
import torch

from conftest import ROOT
from jarvis.classroom import check
from jarvis.classroom.check._answers import fingerprint, is_missing
from jarvis.classroom.check.verdict import Exercise, Wrong, array, exercise, near, number

NOTEBOOKS = sorted((ROOT / "notebooks" / "sources").glob("[0-9]*.py"))


def topic_of(path) -> str:
    return path.stem.partition("_")[2]


TOPICS = [topic_of(path) for path in NOTEBOOKS]


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


@cache
def all_cells(path):
    return jupytext.read(path).cells


def cells(path):
    return [c for c in all_cells(path) if c.cell_type == "code"]


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


def stub(a, b):
    """Return the sum of a and b."""
    ...


def stub_pass(a, b):
    # a and b -> their sum
    pass


def stub_in_a_closure(a=1):
    def inner(b):
        """Return a + b."""

    return inner


STUBS = (None, ..., (..., ...), stub, stub_pass, stub_in_a_closure(), lambda a, b: None,
         partial(stub, 1))  # fmt: skip


@pytest.mark.parametrize("answer", STUBS, ids=range(len(STUBS)))
def test_a_stub_says_nothing(answer, capsys):
    verdict = add(answer)
    assert not verdict
    assert not verdict.answered
    assert verdict.words == ""
    assert capsys.readouterr().out == ""


def test_a_stub_without_source_says_nothing(capsys):
    space: dict = {}
    exec("def typed(a, b):\n    'the sum'\n    ...\n", space)
    assert not add(space["typed"]).answered
    assert capsys.readouterr().out == ""


def test_what_is_not_a_stub():
    class Callable:
        def __call__(self, a, b):
            return a + b

    class Net(torch.nn.Module):
        def forward(self, a, b):
            return a + b

    def generator(a, b):
        yield

    for answer in (add, 0, "", [], (), np.zeros(2), print, Callable, Callable(), Net(), generator,
                   (..., 1), lambda a, b: a, lambda a, b: 0, stub_in_a_closure):  # fmt: skip
        assert not is_missing(answer), answer
    assert add(Callable())
    assert add(Net())


def test_a_wrong_answer_is_told_in_words_with_the_hint():
    verdict = add(lambda a, b: a - b)
    assert not verdict
    assert verdict.answered
    assert "is not the sum" in verdict.words
    assert verdict.words.endswith("\n  Hint: add them")


def test_a_missing_return_is_named():
    def forgets(a, b):
        total = a + b
        total += 0

    def shows(a, b):
        """It shows the sum."""
        print(a + b)

    def shows_more(a, b):
        return print(a + b)

    def sometimes(a, b):
        if a > 1e9:
            return a + b
        return None

    assert "forgets ran, but it has no `return`" in add(forgets).words
    assert "shows prints its result but does not return it" in add(shows).words
    for answer in (shows_more, sometimes):
        assert f"{answer.__name__} returned None. Does every branch" in add(answer).words
    assert "print returned None" in add(print).words
    assert add(forgets).answered


def fresh(*hints):
    @exercise(2, hints=hints)
    def seven(answer, rng):
        if number(answer() if callable(answer) else answer) != 7:
            raise Wrong("That is not seven.")

    return seven


def test_hints_come_one_at_a_time():
    seven = fresh("look", "use", "almost")
    shown = [seven(value).words.rpartition("\n  ")[2] for value in (1, 2, 3, 4)]
    assert shown == ["Hint 1 of 3: look", "Hint 2 of 3: use", *["Hint 3 of 3: almost"] * 2]
    assert seven(7)
    assert seven(1).words.endswith("Hint 1 of 3: look")  # a right answer forgets
    seven(2)
    seven.start_over()
    assert seven(1).words.endswith("Hint 1 of 3: look")


def test_the_same_wrong_answer_brings_no_further_hint():
    seven = fresh("look", "use", "almost")
    for _ in range(2):
        for code in ("def f():\n    return 6", "def f():\n    'six'\n    return 6  # ?"):
            space: dict = {}
            exec(code, space)
            assert seven(space["f"]).words.endswith("1 of 3: look")
    assert seven(...).words == ""  # and neither does a stub
    assert seven(lambda: 5).words.endswith("2 of 3: use")
    assert seven(lambda: 6.5).words.endswith("3 of 3: almost")


def test_each_exercise_counts_for_itself():
    one, other = fresh("a", "b"), fresh("c", "d")
    one(1)
    assert one(2).words.endswith("b")
    assert other(1).words.endswith("c")


def test_answers_that_count_as_the_same():
    def plus(x):
        return x + 1

    def counting(n):
        return lambda x: x + n

    space: dict = {"step": 1}
    exec("def helper(x):\n    return x\ndef f(x):\n    return helper(x) + step", space)
    before = fingerprint(space["f"])
    assert before == fingerprint(space["f"])
    space["step"] = 2
    assert (after := fingerprint(space["f"])) != before  # a number beside it has changed
    exec("def helper(x):\n    return -x", space)
    assert fingerprint(space["f"]) != after  # or a function
    assert fingerprint(counting(1)) == fingerprint(counting(1)) != fingerprint(counting(2))
    assert fingerprint(partial(plus, 1)) != fingerprint(partial(plus, 2))
    assert fingerprint(np.arange(3)) == fingerprint(np.arange(3)) != fingerprint(np.ones(3))
    assert fingerprint(torch.ones(2)) != fingerprint(torch.zeros(2))
    assert fingerprint(1) != fingerprint(1.0)

    def recursive(n):
        return recursive(n - 1) if n else 0

    assert fingerprint(recursive) == fingerprint(recursive)

    class Awkward:
        def __repr__(self):
            raise ValueError

    assert fingerprint(Awkward()) != fingerprint(1)


def test_hints_of_a_decorator():
    @exercise(1, hint="one")
    def single(answer, rng):
        raise Wrong("No.")

    assert single.hints == ("one",)
    assert exercise(1, "one")(lambda answer, rng: None).hints == ("one",)
    assert "Hint" not in exercise(1)(single._test)(5).words
    with pytest.raises(TypeError, match="not both"):
        exercise(1, ("a",), hint="b")
    with pytest.raises(TypeError, match="hints must be strings, not int: 3"):
        exercise(1, hints=("a", 3))  # type: ignore[arg-type]


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
    path = next(p for p in NOTEBOOKS if topic_of(p) == topic)
    text = "\n".join(c.source for c in all_cells(path) if c.cell_type == "markdown")
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
    names = [name for name, _ in solved]  # some exercises are solved twice, in two ways
    assert list(dict.fromkeys(names)) == list(known), "each solution under an assert, in order"


@pytest.mark.parametrize("topic", TOPICS)
def test_every_stub_says_nothing(topic, capsys):
    """The stubs as they stand in the notebook."""
    path = next(p for p in NOTEBOOKS if topic_of(p) == topic)
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
            assert not verdict.answered, name
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_notebook_as_committed_has_no_words_of_a_check(path):
    """It was built with the stubs as they are."""
    outputs = "".join(
        output.get("text", "")
        for cell in nbformat.read(ROOT / "notebooks" / f"{path.stem}.ipynb", as_version=4).cells
        for output in cell.get("outputs", [])
    )
    assert not re.search(r"Exercise [1-9]\d*: ", outputs)  # 0 is that of the template's own check


def test_every_module_belongs_to_a_notebook():
    folder = ROOT / "jarvis" / "classroom" / "check"
    modules = {p.stem for p in folder.glob("[a-z]*.py")} - {"verdict"}
    assert len(modules) > 10
    assert modules == set(TOPICS)
    assert check.__all__ == ["Exercise", "Verdict", "Wrong", "exercise"]
