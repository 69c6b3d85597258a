"""Lesson 302's checks: right answers pass, and each mistake is told by its name."""

import math

import pytest
import torch

from jarvis import LeakyIntegrator
from jarvis.classroom.check import read_outs as check

SEEDS = range(2)


def ceiling(steps):
    return 0.5 + math.asin(math.sqrt(steps / (steps + 2))) / math.pi


def shortest_code(accuracy):
    """By trying one after the other."""
    steps = 1
    while ceiling(steps) < accuracy:
        steps += 1
    return steps


def solved(accuracy):
    rho = math.sin(math.pi * (accuracy - 0.5))
    return 2 * rho**2 / (1 - rho**2)


def ill_and_cured(build, bias=2.0, copy=True, **options):
    ill, cured = build(), build(**options)
    with torch.no_grad():
        ill.synapses[0][1].bias += bias
    if copy:
        cured.load_state_dict(ill.state_dict())
    return ill, cured


def excess(spikes, target):
    return (spikes.mean((0, 1)) - target).clamp(min=0).square().mean()


def step_weights(tau, n_steps):
    return 1 - torch.exp(-(n_steps - torch.arange(n_steps)) / tau)


def by_loops(tau, n_steps):
    return [sum(math.exp(-k / tau) for k in range(n_steps - t)) for t in range(n_steps)]


def by_impulses(tau, n_steps):
    """The mean potential of the library's integrator, after an impulse at each step."""
    v, _ = LeakyIntegrator(tau=tau)(torch.eye(n_steps, dtype=torch.double)[:, None])
    return v.mean(0)[0]


def last(tau, n_steps):
    return torch.exp(-(n_steps - 1 - torch.arange(n_steps)) / tau)


def test_right_answers():
    for seed in SEEDS:
        assert check.ill_and_cured(lambda build: ill_and_cured(build, threshold=5.0), seed=seed)
        assert check.ill_and_cured(lambda build: ill_and_cured(build, refractory=3.0), seed=seed)
    for seed in range(20):
        assert check.excess(excess, seed=seed)
        assert check.shortest_code(shortest_code, seed=seed)
        assert check.shortest_code(lambda accuracy: math.ceil(solved(accuracy)), seed=seed)
        assert check.step_weights(step_weights, seed=seed)
        assert check.step_weights(by_loops, seed=seed)
        assert check.step_weights(by_impulses, seed=seed)


@pytest.mark.parametrize("exercise", ["ill_and_cured", "excess", "shortest_code", "step_weights"])
def test_a_stub_says_nothing(exercise, capsys):
    def stub(*args):
        """As in the lesson."""
        ...

    assert not getattr(check, exercise)(stub)
    assert not capsys.readouterr().out


def over(rates, target):
    return (rates - target).clamp(min=0).square().mean()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, r: (s.mean((0, 1)) - r).square().mean(), "rates below the target"),
        (lambda s, r: (s.mean((0, 1)) - r).clamp(min=0).mean(), "The square is missing"),
        (lambda s, r: excess(s, r) * s.shape[2], "You add up the neurons"),
        (lambda s, r: over(s.mean(), r), "the layer's mean rate"),
        (lambda s, r: over(s, r), "the excess of every spike"),
        (lambda s, r: over(s.mean(0), r), "in each sample"),
        (lambda s, r: over(s.mean(1), r), "but not over steps"),
        (lambda s, r: over(s.sum(0).mean(0), r), "spikes per sample"),
        (
            lambda s, r: (r - s.mean((0, 1))).clamp(min=0).square().mean(),
            "You penalise neurons below",
        ),
        (lambda s, r: (s.mean((0, 1)) ** 2 - r**2).clamp(min=0).mean(), "too early"),
        (lambda s, r: (lambda o: o[o > 0].square().mean())(s.mean((0, 1)) - r), "neurons above"),
        (lambda s, r: s.mean((0, 1)).square().mean(), "The target is not used"),
        (lambda s, r: 0.0 * s.sum(), "Your term is 0"),
        (lambda s, r: excess(s, r).item(), "no gradient can flow"),
        (lambda s, r: excess(s.detach(), r), "no gradient can flow"),
        (lambda s, r: (s.mean((0, 1)) - r).clamp(min=0).square(), "A loss is one number"),
        (lambda s, r: excess(s, r) + 1, "you return"),
    ],
)
def test_excess(answer, words):
    for seed in SEEDS:
        assert words in check.excess(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (last, "the steps in the last potential. The mean"),
        (lambda tau, n: last(tau, n).flip(0), "in reverse order"),
        (lambda tau, n: 1 - last(tau, n), "shifted by one step"),
        (lambda tau, n: step_weights(tau, n).flip(0), "first step counts least"),
        (lambda tau, n: step_weights(-tau, n).abs(), "The sign in the exponent"),
        (lambda tau, n: step_weights(1.0, n), "tau is missing"),
        (lambda tau, n: step_weights(1 / tau, n), "not k tau"),
        (lambda tau, n: 1 - (1 - 1 / tau) ** torch.arange(n, 0, -1), "Euler"),
        (lambda tau, n: torch.arange(n, 0, -1), "without a leak"),
        (lambda tau, n: torch.ones(n), "the mean current"),
        (lambda tau, n: step_weights(tau, n) + 1, "they should be"),
        (lambda tau, n: -step_weights(tau, n), "every weight is positive"),
        (lambda tau, n: step_weights(tau, n + 1), "should have the shape"),
    ],
)
def test_step_weights(answer, words):
    for seed in SEEDS:
        assert words in check.step_weights(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda a: int(solved(a)), "rounded down"),
        (solved, "T is a whole number"),
        (lambda a: shortest_code(a) + 1, "which is enough"),
        (lambda a: math.ceil(solved(a) / 2), "T / (T + 1)"),
        (lambda a: math.ceil(2 / (1 / math.sin(math.pi * (a - 0.5)) - 1)), "rho is squared"),
        (lambda a: math.ceil(solved(a + 0.5)), "subtract 1/2"),
        (lambda a: 80, "Its ceiling is 0.9501: "),
        (lambda a: -3, "at least one step"),
    ],
)
def test_shortest_code(answer, words):
    for seed in SEEDS:
        assert words in check.shortest_code(answer, seed=seed).words


def without_no_grad(build):
    ill = build()
    ill.synapses[0][1].bias += 2.0
    return ill, build(threshold=5.0)


def ill_by_an_option(build):
    return build(threshold=0.01), build()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda build: build(), "two networks"),
        (lambda build: (build(), build().state_dict()), "is a OrderedDict"),
        (lambda build: (build(),) * 2, "the same network twice"),
        (lambda build: ill_and_cured(build, 0.0, threshold=5.0), "It reports no problem"),
        (lambda build: ill_and_cured(build, -9.0, threshold=5.0), "silent"),
        (ill_by_an_option, "Make it ill by its weights"),
        (
            lambda build: ill_and_cured(build, copy=False, threshold=5.0),
            "load the ill network's state_dict",
        ),
        (lambda build: ill_and_cured(build), "the same neurons"),
        (
            lambda build: ill_and_cured(build, tau=15.0),
            "still reports a problem with the cured network: neurons",
        ),
        (lambda build: ill_and_cured(build, threshold=300.0), "silent"),
        (without_no_grad, 'at "ill.synapses[0][1].bias += 2.0"'),
    ],
)
def test_ill_and_cured(answer, words):
    for seed in SEEDS:
        assert words in check.ill_and_cured(answer, seed=seed).words
