"""Lesson 999's checks: right answers pass, each mistake is told by its name; its page agrees."""

import math
import re

import pytest
import torch

from conftest import ROOT
from jarvis.classroom.check import template as check
from jarvis.classroom.check.verdict import Wrong, near

SEEDS = range(2)


def each_alone(step):
    g = torch.Generator().manual_seed(0)
    x, v = 5 * torch.rand(4, 3, generator=g), torch.rand(4, 3, generator=g)
    together = step(x, v)
    for b in range(4):
        alone = step(x[b : b + 1], v[b : b + 1])
        if not all(torch.equal(t[b : b + 1], a) for t, a in zip(together, alone, strict=True)):
            return False
    return True


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.each_alone(each_alone, seed=seed)
    assert check.judge(judge(), seed=seed)


def compared(x, v, parts=(0, 1)):
    def answer(step):
        together = step(x, v)
        alone = [step(x[b : b + 1], v[b : b + 1]) for b in range(len(x))]
        return all(torch.equal(together[k], torch.cat([a[k] for a in alone])) for k in parts)

    return answer


def asserts(step):
    assert each_alone(step)
    return True


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda step: True, "You never call `step`"),
        (lambda step: False, "returns False for every step"),
        (lambda step: not each_alone(step), "the other way round"),
        (asserts, "return True or False instead"),
        (lambda step: "yes", "should return True or False, but returned 'yes'"),
        (compared(torch.ones(1, 3), torch.zeros(1, 3)), "only one sample"),
        (compared(torch.ones(4, 3), torch.zeros(4, 3)), "All your samples get the same"),
        (compared(torch.rand(4, 3), torch.rand(4, 3), parts=(0,)), "lets a wrong step through"),
        (compared(0.1 * torch.rand(4, 3), torch.rand(4, 3)), "all of your samples fire, or none"),
        (lambda step: step(torch.ones(3), torch.ones(3)) is not None, "two tensors [B, N]"),
    ],
)
def test_each_alone(answer, words):
    for seed in SEEDS:
        assert words in check.each_alone(answer, seed=seed).words


def test_each_alone_that_compares_spikes_only():
    x = torch.tensor([[5.0], [0.0]])
    verdict = check.each_alone(compared(x, torch.tensor([[0.0], [0.3]]), parts=(0,)))
    assert "Do you compare v as well" in verdict.words


def test_each_alone_takes_what_torch_says():
    assert check.each_alone(lambda step: torch.tensor(each_alone(step)))


def judge(slip=""):
    """A check of the half-life, with one slip."""

    def answer(half_life, rng):
        tau = 20.0 if slip == "fixed" else rng.uniform(5, 50)
        if slip == "silent":
            return None
        found, expected = half_life(tau), tau * math.log(2)
        if slip == "returns":
            return near(found, expected)  # type: ignore[return-value]
        if slip == "asserts":
            assert near(found, expected)
        if slip != "no name" and near(found, tau):
            raise Wrong("ln 2 is missing")
        if near(found, tau * math.log10(2)):
            raise Wrong("wrong" if slip == "no base" else "another base")
        same = found == expected if slip == "exact" else near(found, expected)
        if slip == "signless":
            same = near(abs(found), expected)
        if slip == "coarse":
            same = near(found, expected, 0.05)
        if slip == "other way":
            same = not same
        if not same:
            raise Wrong("no")
        return None

    return answer


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("fixed", "the same tau each time"),
        ("silent", "never calls `answer`"),
        ("returns", "which nobody reads"),
        ("asserts", "It should raise Wrong"),
        ("no name", "For tau alone it says 'no'"),
        ("no base", "For tau * math.log10(2) it says 'wrong'"),
        ("exact", "differs by rounding only"),
        ("signless", "accepts -tau * math.log(2)"),
        ("coarse", "accepts 0.7 * tau"),
        ("other way", "Your judge rejects tau * math.log(2)"),
    ],
)
def test_judge(slip, words):
    for seed in SEEDS:
        assert words in check.judge(judge(slip), seed=seed).words


def test_the_page_and_the_lesson_name_each_other():
    lesson = (ROOT / "notebooks" / "sources" / "999_template.py").read_text(encoding="utf-8")
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    assert "(../docs/extending.md)" in lesson
    assert "(../notebooks/999_template.ipynb)" in page
    kinds = re.findall(r"^## A ([\w ]+)$", page, re.MULTILINE)
    assert kinds == ["neuron", "learning rule", "lesson"]
    title = next(line for line in page.splitlines() if line.startswith("# "))
    for kind in ("neuron", "rule", "lesson"):
        assert kind in title
        assert re.search(rf"^# # .*{kind}", lesson, re.MULTILINE)


def test_the_parts_of_a_lesson_on_the_page_are_those_of_the_template():
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8").split("## A lesson")[1]
    page = page.split("\n## ")[0]
    lesson = (ROOT / "notebooks" / "sources" / "999_template.py").read_text(encoding="utf-8")
    for part in ("Time", "You need", "Leads to"):
        assert f"**{part}.**" in lesson
        assert part in page
    for tag in ("hide-input", "exercise", "parameters"):
        assert f'tags=["{tag}"]' in lesson
        assert tag in page
    numbers = [int(n) for n in re.findall(r"^(\d+)\. \*\*", page, re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) > 7
