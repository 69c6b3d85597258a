"""Lesson 303's checks: right answers pass, and each mistake is told by its name."""

import copy
import math

import numpy as np
import pytest
import torch

from jarvis import LIFLayer, constant_encode, first_spike_decode, over_time
from jarvis.classroom.check import mnist as check

SEEDS = range(2)


def first_step(x, tau):
    a = math.exp(-1 / tau)
    return math.ceil(math.log(1 - (1 - a) / x) / math.log(a)) if x > 1 - a else math.inf


def by_simulation(x, tau):
    v = 0.0
    for n in range(1, 1000):
        v = math.exp(-1 / tau) * v + x
        if v >= 1:
            return n
    return math.inf


def shortest(durations, accuracy, allowed):
    pairs = zip(durations, accuracy, strict=True)
    return next(n for n, acc in pairs if acc >= accuracy[-1] - allowed)


def lesion(net, share, generator, copied=copy.deepcopy, which=(1, 1), columns=True):
    net = copied(net)
    weight = net.synapses[which[0]][which[1]].weight
    n = weight.shape[1 if columns else 0]
    chosen = torch.randperm(n, generator=generator)[: round(share * n)]
    with torch.no_grad():
        if columns:
            weight[:, chosen] = 0.0
        else:
            weight[chosen] = 0.0
    return net


@torch.no_grad()
def outputs(net, images, n_steps, tau):
    _, hidden = net(constant_encode(images, n_steps), return_spikes=True)
    currents = over_time(net.output, hidden[-1])
    return currents, LIFLayer(tau=tau)(currents)[0]


def decide(net, images, n_steps, tau):
    currents, spikes = outputs(net, images, n_steps, tau)
    first = first_spike_decode(spikes)
    times = first.amin(1)
    so_far = currents.cumsum(0)[times.long().clamp_max(n_steps - 1), torch.arange(len(images))]
    answers = so_far.masked_fill(first != times[:, None], -torch.inf).argmax(1)
    return answers, (times + 1).clamp_max(n_steps)


def by_a_loop(net, images, n_steps, tau):
    """The same, picture by picture and step by step."""
    currents, spikes = outputs(net, images, n_steps, tau)
    answers, times = [], []
    for k in range(len(images)):
        so_far = torch.zeros(5)
        for t in range(n_steps):
            so_far = so_far + currents[t, k]
            if spikes[t, k].any():
                break
        fired = spikes[t, k] > 0 if spikes[t, k].any() else torch.ones(5).bool()
        answers.append(max((c for c in range(5) if fired[c]), key=lambda c, s=so_far: s[c].item()))
        times.append(t + 1)
    return answers, times


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.shortest(shortest, seed=seed)
    assert check.lesion(lesion, seed=seed)
    assert check.decide(decide, seed=seed)
    assert check.decide(by_a_loop, seed=seed)


def test_the_first_step():
    for seed in range(20):
        assert check.first_step(by_simulation, seed=seed)
        assert check.first_step(lambda x, tau: 1 if x >= 1 else first_step(x, tau), seed=seed)


@pytest.mark.parametrize(
    "exercise", ["first_step", "time_constant", "lesion", "shortest", "decide"]
)
def test_a_stub_says_nothing(exercise, capsys):
    def stub(*args):
        """As in the lesson."""
        ...

    assert not getattr(check, exercise)(stub)
    assert not capsys.readouterr().out


def exact(x, tau):
    a = math.exp(-1 / tau)
    return math.log(1 - (1 - a) / x) / math.log(a) if x < 1 else 1.0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda x, tau: by_simulation(x, tau) - 1, "You count the steps from 0"),
        (lambda x, tau: by_simulation(x, tau) + 1, "one step late"),
        (lambda x, tau: math.floor(exact(x, tau)), "You round down"),
        (exact, "not a whole number"),
        (lambda x, tau: exact(x, tau) / tau, "in units of tau"),
        (lambda x, tau: math.ceil(1 / x), "without a leak"),
        (lambda x, tau: 7, "you return 7, not"),
        (lambda x, tau: math.inf, "the neuron does fire"),
        (lambda x, tau: by_simulation(x, tau) if x > 0.03 else None, "never reaches 1"),
        (lambda x, tau: min(by_simulation(x, tau), 1000), "return math.inf, not 1000"),
    ],
)
def test_first_step(answer, words):
    for seed in SEEDS:
        assert words in check.first_step(answer, seed=seed).words


def time_constant(beta, dt):
    return -dt / math.log(beta)


def test_the_time_constant():
    for seed in range(20):
        assert check.time_constant(time_constant, seed=seed)
        assert check.time_constant(lambda *given: round(time_constant(*given), 2), seed=seed)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda beta, dt: dt / math.log(beta), "a positive time"),
        (lambda beta, dt: -1 / math.log(beta), "The step dt is missing"),
        (lambda beta, dt: -dt * math.log(beta), "You multiply by the logarithm"),
        (lambda beta, dt: -math.log(beta) / dt, "its inverse"),
        (lambda beta, dt: dt / (1 - beta), "Euler"),
        (lambda beta, dt: -dt * math.log(2) / math.log(beta), "the half-life"),
        (lambda beta, dt: -dt / math.log10(beta), "to base 10"),
        (lambda beta, dt: -dt / math.log2(beta), "the half-life"),
        (lambda beta, dt: beta, "That is the factor"),
        (lambda beta, dt: 1.2 * time_constant(beta, dt), "would then be"),
        (lambda beta, dt: 0.0, "would then be inf"),
    ],
)
def test_time_constant(answer, words):
    for seed in SEEDS:
        assert words in check.time_constant(answer, seed=seed).words


def first_at_least(durations, accuracy, least):
    return next((n for n, acc in zip(durations, accuracy, strict=True) if acc >= least), -1)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda t, a, d: t.index(shortest(t, a, d)), "an index into the list"),
        (lambda t, a, d: a[t.index(shortest(t, a, d))], "That is the accuracy"),
        (lambda t, a, d: first_at_least(t, a, max(a) - d), "the best accuracy"),
        (lambda t, a, d: first_at_least(t, a, a[-1] * (1 - d)), "a fraction of the accuracy"),
        (lambda t, a, d: first_at_least(t, a, a[-1]), "`allowed` is not used"),
        (lambda t, a, d: t[-1], "the longest run"),
        (lambda t, a, d: max([n for n, x in zip(t, a, strict=True) if x < a[-1] - d] or [-1]),
         "below the limit"),
        (lambda t, a, d: next(n for k, n in enumerate(t) if min(a[k:]) >= a[-1] - d),
         "all longer runs"),
        (lambda t, a, d: 2.5, "not one of the run times"),
        (lambda t, a, d: t[0], "the first with at least"),
        (lambda t, a, d: [], "one number"),
    ],
)  # fmt: skip
def test_shortest(answer, words):
    for seed in SEEDS:
        assert words in check.shortest(answer, seed=seed).words


def single(net, share, generator):
    net = copy.deepcopy(net)
    with torch.no_grad():
        weight = net.synapses[1][1].weight
        weight[torch.rand(weight.shape, generator=generator) < share] = 0.0
    return net


def of_columns(pick):
    """A lesion of the columns `pick(n, share)`."""

    def lesion(net, share, generator):
        net = copy.deepcopy(net)
        weight = net.synapses[1][1].weight
        with torch.no_grad():
            weight[:, pick(weight.shape[1], share, generator)] = 0.0
        return net

    return lesion


def with_bias(net, share, generator):
    net = lesion(net, share, generator)
    with torch.no_grad():
        net.synapses[1][1].bias.zero_()
    return net


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: lesion(*given, copied=lambda net: net), "deepcopy of it first"),
        (lambda *given: lesion(*given, copied=copy.copy), "shares the weights"),
        (lambda *given: lesion(*given, columns=False), "You set rows"),
        (lambda *given: lesion(*given, which=(0, 1)), "You changed synapses.0.1.weight"),
        (single, "single weights"),
        (of_columns(lambda n, share, g: torch.randperm(n, generator=g)[: int(share * n)]), "round"),
        (of_columns(lambda n, share, g: torch.randperm(n, generator=g)[round(share * n) :]),
         "kept the fraction"),
        (of_columns(lambda n, share, g: slice(round(share * n))), "drawn at random"),
        (of_columns(lambda n, share, g: torch.randperm(n)[: round(share * n)]),
         "different columns"),
        (of_columns(lambda n, share, g: slice(3)), "3 of 22 columns are 0, not 7"),
        (with_bias, "synapses.1.1.bias has changed"),
        (lambda net, share, generator: net.synapses[1][1].weight, "not Parameter"),
    ],
)  # fmt: skip
def test_lesion(answer, words):
    for seed in SEEDS:
        assert words in check.lesion(answer, seed=seed).words


def test_lesion_without_no_grad():
    def recorded(net, share, generator):
        net = copy.deepcopy(net)
        net.synapses[1][1].weight[:, 0] = 0.0
        return net

    assert "raised RuntimeError" in check.lesion(recorded, seed=0).words


def answered(by):
    """`decide` with the answers replaced."""
    return lambda *given: (by(*outputs(*given)), decide(*given)[1])


def timed(by):
    """`decide` with the times replaced."""
    return lambda *given: (decide(*given)[0], by(outputs(*given)[1], decide(*given)[1]))


def tie_by(worth):
    def answers(currents, spikes):
        first = first_spike_decode(spikes)
        later = first != first.amin(1, keepdim=True)
        return worth(currents, first.amin(1).long()).masked_fill(later, -torch.inf).argmax(1)

    return answers


def now(currents, step):
    return currents[step.clamp_max(len(currents) - 1), torch.arange(len(step))]


def last_spike(spikes, times):
    return (spikes * torch.arange(1, len(spikes) + 1)[:, None, None]).amax((0, 2))


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (timed(lambda spikes, times: times - 1), "start at 0"),
        (timed(lambda spikes, times: first_spike_decode(spikes).amin(1)), "start at 0"),
        (
            timed(lambda spikes, times: first_spike_decode(spikes).mean(1)),
            "a mean over the classes",
        ),
        (timed(last_spike), "last spike"),
        (timed(lambda spikes, times: times + 2), "it should be"),
        (answered(lambda currents, spikes: spikes.sum(0).argmax(1)), "the most spikes"),
        (answered(lambda currents, spikes: currents.mean(0).argmax(1)), "the network's own"),
        (
            answered(lambda currents, spikes: first_spike_decode(spikes).argmin(1)),
            "the lowest class",
        ),
        (answered(lambda currents, spikes: first_spike_decode(spikes).argmax(1)), "fires last"),
        (answered(tie_by(lambda currents, step: currents.sum(0))), "of all steps"),
        (answered(tie_by(now)), "only the current of that step"),
        (answered(lambda currents, spikes: 0 * spikes[0, :, 0]), "with currents so far"),
        (lambda *given: decide(*given)[0], "two things"),
        (lambda *given: (decide(*given)[0][:5], decide(*given)[1]), "should have the shape"),
    ],
)
def test_decide(answer, words):
    for seed in SEEDS:
        assert words in check.decide(answer, seed=seed).words


def test_decide_when_nothing_fires():
    def endless(*given):
        answers, times = decide(*given)
        silent = outputs(*given)[1].sum((0, 2)) == 0
        return answers, times + 90 * silent

    told = [check.decide(endless, seed=seed).words for seed in range(10)]
    assert any("Where no output fires" in words for words in told)
    assert np.all(["Where no output fires" in w or "right" in w for w in told])
