"""Checks of lesson 801: a rule that balances, a slope from pairs, from traces, a lost state."""

from collections.abc import Callable
from typing import Any

import numpy as np

from jarvis.classroom.check._reasons import explained
from jarvis.classroom.check.verdict import Wrong, array, exercise, number, seed_from

#: Mean number of steps that a rule has to reach in CartPole, of at most 500.
ENOUGH = 400


@exercise(
    1,
    hints=(
        "When the pole passes the vertical and moves to the right, where should the push go?",
        "Add the angle in units of 0.1 rad and the angular velocity in units of 1 rad/s.",
        "return int(theta / 0.1 + omega > 0)",
    ),
)
def push(answer, rng) -> None:
    """`push(x, v, theta, omega)`: a rule without neurons, 0 for left and 1 for right."""
    from jarvis.control.environments import task

    env = task("CartPole-v1").make()
    try:
        seeds = rng.integers(2**31, size=10).tolist()

        def mean(rule: Callable[..., int]) -> float:
            return float(np.mean([_balanced(env, rule, seed) for seed in seeds]))

        def rule(*observation: float) -> int:
            return _side(answer(*observation))

        found = mean(rule)
        if found >= ENOUGH:
            return
        states = rng.normal(size=(200, 4)) * (0.5, 0.5, 0.1, 0.5)
        sides = [rule(*state) for state in states.tolist()]
        if len(set(sides)) == 1:
            raise Wrong(f"Your rule always returns {sides[0]}. The push has to depend on the pole.")
        if mean(lambda *observation: 1 - rule(*observation)) >= ENOUGH:
            raise Wrong(
                "Your pushes go the wrong way. The cart has to drive under the pole: a pole that "
                "leans to the right (theta > 0) needs a push to the right, 1."
            )
        matters = [_matters(rule, states, k) for k in range(4)]
        words = f"It balances for {found:.0f} steps on average, of 500."
        if not matters[3]:
            raise Wrong(f"{words} Your rule does not use omega, so it keeps pushing until the pole "
                        "is upright. By then the pole moves fast.")  # fmt: skip
        if not matters[2]:
            raise Wrong(f"{words} Your rule does not use theta: it stops the pole, but does not "
                        "bring it back.")  # fmt: skip
        raise Wrong(f"{words} {ENOUGH} are asked for. Is every sign right, and does each term have "
                    "a similar size?")  # fmt: skip
    finally:
        env.close()


def _side(value: Any) -> int:
    found = number(value, "the push")
    if found not in (0, 1):
        raise Wrong(f"Return 0 (push to the left) or 1 (to the right), not {value!r:.40}.")
    return int(found)


def _balanced(env: Any, rule: Callable[..., int], seed: int) -> int:
    """The number of steps that a rule balances the pole."""
    observation, _ = env.reset(seed=seed)
    steps, over = 0, False
    while not over:
        observation, _, ended, cut, _ = env.step(rule(*observation.tolist()))
        over, steps = ended or cut, steps + 1
    return steps


def _matters(rule: Callable[..., int], states: np.ndarray, k: int) -> bool:
    """Whether a rule ever changes its push when observation k changes its sign."""
    other = states.copy()
    other[:, k] *= -1
    return any(rule(*a) != rule(*b) for a, b in zip(states.tolist(), other.tolist(), strict=True))


@exercise(
    2,
    hints=(
        "Exercise 2 of lesson 301 measured a slope in the same way. How far apart are the two "
        "points here?",
        "Along one direction d the slope is (plus - minus) / (2 noise). Multiply d by it.",
        "return ((plus - minus) / (2 * noise)) @ directions / len(directions)",
    ),
)
def slope_from_pairs(answer, rng) -> None:
    """`slope_from_pairs(plus, minus, directions, noise)`: the mean of slope times direction."""
    for _ in range(3):
        n, size = int(rng.integers(5, 9)), int(rng.integers(3, 5))
        directions, noise = rng.normal(size=(n, size)), rng.uniform(0.05, 0.3)
        plus, minus = rng.uniform(10, 500, n), rng.uniform(10, 500, n)
        found = array(answer(plus, minus, directions, noise), (size,), "the slope")
        total = (plus - minus) @ directions
        right = total / (2 * noise * n)

        def same(factor: float, found: np.ndarray = found, right: np.ndarray = right) -> bool:
            return np.allclose(found, factor * right, rtol=1e-4, atol=1e-9)

        if same(1.0):
            continue
        slips = {
            "The sign is wrong: it should point to where the return is larger.": -1.0,
            "That is the sum over the directions. Take the mean.": n,
            "The two points are 2 noise apart, not noise.": 2.0,
            "That is the mean of the differences of the returns times the directions. Divide by "
            "the distance of the two points.": 2 * noise,
            "That is the sum of the differences times the directions. Divide by the number of "
            "directions, and by the distance of the two points.": 2 * noise * n,
            "Divide by the distance of the two points, 2 noise; do not multiply.":
                (2 * noise) ** 2,
        }  # fmt: skip
        for words, factor in slips.items():
            if same(factor):
                raise Wrong(words)
        if np.allclose(found, plus @ directions / (n * noise), rtol=1e-4):
            raise Wrong("You use only `plus`. The difference of the two returns tells the slope.")
        raise Wrong("For each direction, multiply it by (plus - minus) / (2 noise); then take the "
                    "mean over the directions.")  # fmt: skip


@exercise(
    3,
    hints=(
        "How far behind is each trace? By how much do the two traces then differ?",
        "fast = y(t) - slope tau_fast, and slow = y(t) - slope tau_slow. Subtract one from the "
        "other; y(t) drops out.",
        "return (fast - slow) / (tau_slow - tau_fast)",
    ),
)
def slope_from_traces(answer, rng) -> None:
    """`slope_from_traces(fast, slow, tau_fast, tau_slow)`: the slope of a ramp from two traces."""
    cases = []
    for _ in range(4):
        tau_fast = rng.uniform(3, 15)
        tau_slow = tau_fast * rng.uniform(2.5, 6)
        slope, now = rng.choice([-1, 1]) * rng.uniform(0.002, 0.02), rng.uniform(-1, 1)
        cases.append((now - slope * tau_fast, now - slope * tau_slow, tau_fast, tau_slow, slope))
    found = [number(answer(*case[:4]), "the slope") for case in cases]

    def close(a: float, b: float) -> bool:
        return abs(a - b) <= 0.01 * abs(b)

    if all(close(a, case[4]) for a, case in zip(found, cases, strict=True)):
        return
    slips = [
        (lambda c: -c[4], "The sign is wrong: if y rises, the fast trace is ahead of the slow."),
        (lambda c: c[0] - c[1], "The difference of the traces is right. It is the slope times how "
         "much later the slow trace is: divide by that."),
        (lambda c: (c[0] - c[1]) / c[3], "The fast trace is late as well: by how much more is the "
         "slow trace late?"),
        (lambda c: (c[0] - c[1]) / c[2], "You divide by tau_fast. By how much more is the slow "
         "trace late?"),
        (lambda c: (c[0] - c[1]) / (c[2] + c[3]), "You divide by the sum of the time constants. "
         "Both traces are late: only the difference counts."),
        (lambda c: c[0] / c[2] - c[1] / c[3], "Do not divide the traces one by one: take their "
         "difference first."),
        (lambda c: (c[0] - c[1]) * (c[3] - c[2]), "Divide by the difference of the time constants; "
         "do not multiply."),
    ]  # fmt: skip
    words = explained(found, cases, slips, close)
    raise Wrong(
        words
        or f"For a slope of {cases[0][4]:.4f} per ms you return {found[0]:.4f}. Write both "
        "traces as y(t) minus something, then subtract."
    )


class _Counter:
    """A player that returns as its action how often it acted since its last reset."""

    def __init__(self, acted: int) -> None:
        self.acted, self.resets = acted, 0
        self.seen: list[Any] = []

    def reset(self, seed: int = 0) -> None:
        self.acted, self.resets = 0, self.resets + 1

    def act(self, observation: Any) -> int:
        self.acted += 1
        self.seen.append(observation)
        return 10 * self.acted + len(self.seen)


@exercise(
    4,
    hints=(
        "The environment calls your function once per control step. What has to happen in each?",
        "Define a function act(observation) inside: it resets the player, then lets it act.",
        "def act(observation): player.reset(); return player.act(observation) - and then: "
        "return act",
    ),
)
def forgetful(answer, rng) -> None:
    """`forgetful(player)`: a function of the observation that resets the player, then acts."""
    player = _Counter(acted=1 + seed_from(rng) % 5)
    act = answer(player)
    if not callable(act):
        raise Wrong(f"Return a function of the observation, not {type(act).__name__}.")
    if player.seen:
        raise Wrong("The player has acted already. Return a function that will let it act later.")
    inputs = [rng.normal(size=4) for _ in range(3)]
    actions = [act(x) for x in inputs]
    if any(action is None for action in actions):
        raise Wrong("The function that you return has no `return`: it should return the action.")
    if len(player.seen) != 3 or any(a is not b for a, b in zip(player.seen, inputs, strict=True)):
        raise Wrong("The player should act once per call, on the observation of that call.")
    if player.resets == 0:
        raise Wrong("The player is never reset: player.reset().")
    if player.resets == 1:
        raise Wrong("The player is reset once. Reset it in each call of the inner function.")
    if actions == [11, 12, 13]:
        return
    if player.acted == 0:
        raise Wrong("You reset after the action, so the first action still knows the past. Reset "
                    "before it.")  # fmt: skip
    raise Wrong("Return what player.act(observation) returns, after a reset in the same call.")
