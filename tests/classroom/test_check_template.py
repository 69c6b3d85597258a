"""Notebook 00's checks: right answers pass, each mistake is told by its name; its page agrees."""

import math
import re

import pytest
import torch

from conftest import ROOT
from jarvis.classroom.check import template as check

SEEDS = range(2)


def rheobase_per_step(tau, dt):
    return math.tanh(dt / (4 * tau))


def refractory_step(x, v, left, n_wait, step):
    spikes, moved = step(x, v)
    ready = left <= 0
    spikes = spikes * ready
    left = torch.where(spikes > 0, n_wait, left - 1)  # below 0 is as good as 0
    return spikes, torch.where(ready, moved, v), left


def each_alone(step):
    g = torch.Generator().manual_seed(0)
    x, v = 5 * torch.rand(4, 3, generator=g), torch.rand(4, 3, generator=g)
    together = step(x, v)
    for b in range(4):
        alone = step(x[b : b + 1], v[b : b + 1])
        if not all(torch.equal(t[b : b + 1], a) for t, a in zip(together, alone, strict=True)):
            return False
    return True


def soft_change(up, down, weight, w_min, w_max):
    return up * (w_max - weight) - down * (weight - w_min)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.rheobase_per_step(rheobase_per_step, seed=seed)
    assert check.refractory_step(refractory_step, seed=seed)
    assert check.each_alone(each_alone, seed=seed)
    assert check.soft_change(soft_change, seed=seed)


def test_the_rheobase_is_where_the_map_loses_its_fixed_points():
    tau, dt = 12.0, 6.0
    e, x = math.exp(-dt / tau), rheobase_per_step(tau, dt)
    for factor, fires in ((0.999, False), (1.001, True)):
        v = 0.0
        for _ in range(3000):
            v = e * v / (1 - (1 - e) * v) + factor * x
            if v > 1:
                break
        assert (v > 1) == fires


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda tau, dt: 0.25, "That is the current"),
        (lambda tau, dt: dt / tau / 4, "only for a small dt"),
        (lambda tau, dt: (1 - math.exp(-dt / tau)) / 4, "constant_drive"),
        (lambda tau, dt: 1 - math.exp(-dt / tau), "the LIF neuron's rheobase"),
        (lambda tau, dt: -rheobase_per_step(tau, dt), "the sign is not"),
        (lambda tau, dt: 1 / rheobase_per_step(tau, dt), "the other root"),
        (lambda tau, dt: 1.1 * rheobase_per_step(tau, dt), "but also with less"),
        (lambda tau, dt: 0.9 * rheobase_per_step(tau, dt), "it never fires: v stays at"),
        (lambda tau, dt: torch.ones(2), "x should be one number"),
    ],
)
def test_rheobase(answer, words):
    for seed in SEEDS:
        assert words in check.rheobase_per_step(answer, seed=seed).words


def refractory(slip):
    def answer(x, v, left, n_wait, step):
        spikes, moved = step(x, v)
        ready = left <= 0
        held = torch.where(ready, moved, v)
        after = torch.where(spikes * ready > 0, n_wait, (left - 1).clamp_min(0))
        return {
            "no wait": (spikes, moved, left),
            "not held": (spikes * ready, moved, after),
            "not silent": (spikes, held, after),
            "zero": (spikes * ready, torch.where(after > 0, 0 * v, held), after),
            "held at zero": (spikes * ready, torch.where(ready, moved, 0 * v), after),
            "shared": (spikes * ready, held, 0 * after + after.max()),
            "for ever": (spikes * ready, held, left + spikes),
            "one less": (spikes * ready, held, torch.where(spikes * ready > 0, n_wait - 1, after)),
            "one more": (spikes * ready, held, torch.where(spikes * ready > 0, n_wait + 1, after)),
            "mute": (0 * spikes, held, after),
            "double": (spikes * ready, 2 * held, after),
            "two": (spikes * ready, held),
            "shape": (spikes[0], held, after),
            "numpy": (spikes.numpy(), held.numpy(), None),
        }[slip]

    return answer


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("no wait", "does not wait"),
        ("not held", "v changes while it waits"),
        ("not silent", "the spikes of `step` still come out"),
        ("zero", "goes to 0 after a spike"),
        ("held at zero", "goes to 0 while it waits"),
        ("shared", "makes all of your neurons wait"),
        ("for ever", "silent for good"),
        ("one less", "check whether you set `left` before"),
        ("one more", "check whether you set `left` before"),
        ("mute", "never fire"),
        ("double", "all is well up to step 0"),
        ("two", "three tensors"),
        ("shape", "spikes should have the shape (2, 3)"),
        ("numpy", "left"),
    ],
)
def test_refractory_step(slip, words):
    for seed in SEEDS:
        assert words in check.refractory_step(refractory(slip), seed=seed).words


def test_refractory_step_may_not_change_what_it_is_given():
    def in_place(x, v, left, n_wait, step):
        left -= 1
        return *step(x, v), left

    assert "changes the array" in check.refractory_step(in_place).words


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
        (lambda step: True, "It never calls `step`"),
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


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda up, down, w, low, high: up - down, "no bound in it"),
        (lambda up, down, w, low, high: (w + up - down).clamp(low, high) - w, "hard bounds"),
        (lambda up, down, w, low, high: up * (w - low) - down * (high - w), "are swapped"),
        (lambda up, down, w, low, high: up * (high - w) + down * (w - low), "has to be subtracted"),
        (lambda up, down, w, low, high: up * (high - w), "Only the push up"),
        (lambda up, down, w, low, high: up * (high - w) - down, "The push up is right"),
        (lambda up, down, w, low, high: up - down * (w - low), "The push down is right"),
        (lambda up, down, w, low, high: up * (high - w) - down * w, "w_min need not be 0"),
        (lambda up, down, w, low, high: up * (1 - w) - down * w, "bounds at 0 and 1 only"),
        (lambda *given: soft_change(*given) / (given[4] - given[3]), "divide by the width"),
        (lambda *given: given[2] + soft_change(*given), "only the change"),
        (lambda u, d, w, low, high: (u - d) * (high - w) * (w - low), "could then never leave it"),
        (lambda *given: 2 * soft_change(*given), "the definition gives"),
        (lambda *given: soft_change(*given).mean(), "should have the shape (3, 4)"),
    ],
)
def test_soft_change(answer, words):
    for seed in SEEDS:
        assert words in check.soft_change(answer, seed=seed).words


def steps_of_the_page():
    """The steps of docs/extending.md in order, as "Neuron 1: a file"."""
    text = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    found = []
    for kind, part in zip(("Neuron", "Rule", "Notebook"), re.split(r"^## ", text, flags=re.M)[1:]):  # noqa: B905
        part = part.split("### Into the library")[-1]  # the other lists are no steps
        steps = re.findall(r"^(\d)\. \*\*([\w ]+)\*\*", part, re.MULTILINE)
        assert [int(number) for number, _ in steps] == list(range(1, len(steps) + 1))
        found += [f"{kind} {number}: {name.lower()}" for number, name in steps]
    return found


def test_the_page_and_the_notebook_take_the_same_steps():
    text = (ROOT / "notebooks" / "sources" / "00_template.py").read_text(encoding="utf-8")
    steps = re.findall(r"^# ## ((?:Neuron|Rule|Notebook) \d: [\w ]+)\.", text, re.MULTILINE)
    assert steps == steps_of_the_page()
    assert len(steps) >= 15
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    assert "(../notebooks/00_template.ipynb)" in page
