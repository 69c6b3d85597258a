"""Lesson 801's checks: right answers pass, and each mistake is told by its name."""

import numpy as np
import pytest

from jarvis.classroom.check import balance as check

MANY = range(20)
EXERCISES = ["push", "slope_from_pairs", "slope_from_traces", "forgetful"]


def slope_from_pairs(plus, minus, directions, noise):
    return ((plus - minus) / (2 * noise)) @ directions / len(directions)


def by_loop(plus, minus, directions, noise):
    total = [0.0] * directions.shape[1]
    for k, d in enumerate(directions):
        for i, part in enumerate(d):
            total[i] += part * (plus[k] - minus[k]) / (2 * noise * len(directions))
    return total


def slope_from_traces(fast, slow, tau_fast, tau_slow):
    return (fast - slow) / (tau_slow - tau_fast)


def forgetful(player):
    def act(observation):
        player.reset()
        return player.act(observation)

    return act


def test_right_answers():
    for seed in MANY:
        assert check.slope_from_pairs(slope_from_pairs, seed=seed)
        assert check.slope_from_pairs(by_loop, seed=seed)
        assert check.slope_from_traces(slope_from_traces, seed=seed)
        assert check.forgetful(forgetful, seed=seed)


def test_the_formula_holds_for_traces_of_a_ramp():
    """The traces of the lesson, which decay in steps of 1 ms."""
    q, r = np.exp(-1 / np.array([10.0, 50.0])), np.zeros(2)
    for k in range(1000):
        r = q * r + (1 - q) * (0.003 * k + 1)
    assert slope_from_traces(*r, 10.0, 50.0) == pytest.approx(0.003, rel=1e-3)


@pytest.mark.parametrize("exercise", EXERCISES)
def test_a_stub_says_nothing(exercise, capsys):
    def stub(*args):
        """As in the lesson."""
        ...

    verdict = getattr(check, exercise)(stub)
    assert not verdict
    assert not verdict.answered
    assert capsys.readouterr().out == ""


def told(exercise, answer, words):
    """Whether the check says these words of a wrong answer, whatever the input."""
    for seed in range(3):
        verdict = getattr(check, exercise)(answer, seed=seed)
        assert not verdict
        assert words in verdict.words, verdict.words


@pytest.mark.control
@pytest.mark.parametrize(
    "rule",
    [
        lambda x, v, theta, omega: int(theta / 0.1 + omega > 0),
        lambda x, v, theta, omega: theta + 0.2 * omega > 0,
        lambda x, v, theta, omega: np.float64(0.1 * x + 0.2 * v + theta / 0.1 + omega > 0),
        lambda x, v, theta, omega: 1 if theta > -omega / 10 else 0,
    ],
)
def test_rules_that_balance(rule):
    for seed in range(3):
        assert check.push(rule, seed=seed)


@pytest.mark.control
@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (lambda x, v, theta, omega: 0, "always returns 0"),
        (lambda x, v, theta, omega: int(theta / 0.1 + omega < 0), "go the wrong way"),
        (lambda x, v, theta, omega: int(theta > 0), "does not use omega"),
        (lambda x, v, theta, omega: int(omega > 0.5), "does not use theta"),
        (lambda x, v, theta, omega: int(theta / 0.1 - omega > 0), "Is every sign right"),
        (lambda x, v, theta, omega: theta, "Return 0"),
        (lambda x, v, theta, omega: "right", "should be a number"),
    ],
)
def test_rules_that_do_not(rule, words):
    told("push", rule, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda p, m, d, s: -slope_from_pairs(p, m, d, s), "sign"),
        (lambda p, m, d, s: len(d) * slope_from_pairs(p, m, d, s), "Take the mean"),
        (lambda p, m, d, s: 2 * slope_from_pairs(p, m, d, s), "2 noise apart"),
        (lambda p, m, d, s: (p - m) @ d / len(d), "the distance of the two points"),
        (lambda p, m, d, s: (p - m) @ d, "by the number of directions"),
        (lambda p, m, d, s: 2 * s * (p - m) @ d / len(d), "do not multiply"),
        (lambda p, m, d, s: p @ d / (len(d) * s), "only `plus`"),
        (lambda p, m, d, s: d.mean(0), "multiply it by"),
        (lambda p, m, d, s: (p - m) / (2 * s), "should have the shape"),
    ],
)
def test_slopes_from_pairs(answer, words):
    told("slope_from_pairs", answer, words)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda f, s, a, b: (s - f) / (b - a), "sign is wrong"),
        (lambda f, s, a, b: f - s, "divide by that"),
        (lambda f, s, a, b: (f - s) / b, "late as well"),
        (lambda f, s, a, b: (f - s) / a, "divide by tau_fast"),
        (lambda f, s, a, b: (f - s) / (a + b), "the sum of the time constants"),
        (lambda f, s, a, b: f / a - s / b, "one by one"),
        (lambda f, s, a, b: (f - s) * (b - a), "do not multiply"),
        (lambda f, s, a, b: 0.0, "minus something"),
    ],
)
def test_slopes_from_traces(answer, words):
    told("slope_from_traces", answer, words)


def once(player):
    player.reset()
    return player.act


def afterwards(player):
    def act(observation):
        action = player.act(observation)
        player.reset()
        return action

    return act


def silent(player):
    def act(observation):
        player.reset()
        player.act(observation)

    return act


def early(player):
    player.reset()
    player.act(np.zeros(4))
    return player.act


def twice(player):
    def act(observation):
        player.reset()
        player.act(observation)
        return player.act(observation)

    return act


def other(player):
    def act(observation):
        player.reset()
        return player.act(observation) + 1

    return act


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (once, "reset once"),
        (afterwards, "reset after the action"),
        (silent, "no `return`"),
        (early, "has acted already"),
        (twice, "once per call"),
        (other, "Return what player.act"),
        (lambda player: player.act, "never reset"),
        (lambda player: 1, "Return a function"),
    ],
)
def test_memories(answer, words):
    told("forgetful", answer, words)
