"""Checks of lesson 999: a missing test, a check."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, exercise, seed_from
from jarvis.neurons.decay import exp_decay

Step = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@exercise(
    1,
    hints=(
        "Compare a run of several samples together with a run of each sample alone.",
        "The samples need different inputs, some strong enough to fire (above 3), and different v. "
        "Slices such as x[b : b + 1] keep the batch axis.",
        "x, v = 5 * torch.rand(4, 3), torch.rand(4, 3); compare step(x, v) with "
        "step(x[b : b + 1], v[b : b + 1]) for each b, both spikes and v, with torch.equal.",
    ),
)
def each_alone(answer, rng) -> None:
    """`each_alone(step) -> bool`: are the samples of ``step(x, v) -> spikes, v`` independent?"""
    right = [_Tried(_qif(rng)) for _ in range(3)]
    said = [_asked(answer, step) for step in right]
    broken = {kind: _Tried(_qif(rng, kind)) for kind in rng.permutation(list(_MIXED))}
    passed = {kind: _asked(answer, step) for kind, step in broken.items()}
    if not any(said) and all(passed.values()):
        raise Wrong("It is the other way round: return True for a correct step.")
    if not any(said):
        raise Wrong(
            "Your function returns False for every step, even a correct one. (If you compare with "
            "a run of the same step, both must start from the same v.)"
        )
    if not all(said):
        raise Wrong("Your function returns False for some correct steps.")
    for kind, missed in passed.items():
        if not missed:
            continue
        tried = broken[kind]
        text = f"Your function lets a wrong step through: {_MIXED[kind]}."
        if not tried.calls:
            raise Wrong(f"{text} You never call `step`.")
        if tried.most_samples < 2:
            raise Wrong(f"{text} You run only one sample, so no other sample could affect it.")
        if not tried.different:
            raise Wrong(f"{text} All your samples get the same input: give each its own.")
        if not tried.one_fired:
            raise Wrong(
                f"{text} Nothing shows as long as all of your samples fire, or none: use strong "
                "inputs for some (above 3), and start with different v."
            )
        raise Wrong(f"{text} Do you compare v as well as the spikes, after the step?")


#: What is wrong with a step in which samples are not independent.
_MIXED = {
    "input": "in it every sample gets the mean of all inputs",
    "reset": "in it a spike of one sample resets the same neuron of every sample",
    "leak": "in it v leaks by the mean v of the samples",
}


def _qif(rng, mixed: str = "") -> Step:
    """One step of a quadratic integrate-and-fire neuron with random parameters."""
    e = float(exp_decay(rng.uniform(10, 30), 1.0))
    v_peak, v_reset = rng.uniform(1.3, 3.0), rng.uniform(-1.0, 0.5)

    def step(x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        shown = v.mean(0, keepdim=True) if mixed == "leak" else v
        h = e * v / (1 - (1 - e) * shown) + (x.mean(0, keepdim=True) if mixed == "input" else x)
        spikes = (h >= v_peak).to(h)
        fired = spikes.amax(0, keepdim=True) if mixed == "reset" else spikes
        return spikes, torch.where(fired > 0, v_reset, h)

    return step


class _Tried:
    """A step that records the inputs of its calls."""

    def __init__(self, step: Step):
        self._step, self.calls, self.most_samples = step, 0, 0
        self.different = self.one_fired = False

    def __call__(self, x: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if not (isinstance(x, Tensor) and isinstance(v, Tensor) and x.dim() == v.dim() == 2):
            raise ValueError("step takes two tensors [B, N]: the input x, and v before the step")
        spikes, after = self._step(x, v)
        self.calls += 1
        self.most_samples = max(self.most_samples, len(x))
        self.different |= bool((x != x[:1]).any() or (v != v[:1]).any())
        self.one_fired |= bool((spikes != spikes[:1]).any())
        return spikes, after


def _asked(answer, step: _Tried) -> bool:
    try:
        said = answer(step)
    except Wrong as wrong:
        if isinstance(wrong.__cause__, AssertionError):
            raise Wrong("Your function asserts. Here, return True or False instead.") from None
        raise
    if isinstance(said, Tensor) and said.numel() == 1:
        said = said.item()
    if not isinstance(said, bool | np.bool_):
        raise Wrong(f"each_alone should return True or False, but returned {said!r:.60}.")
    return bool(said)


@exercise(
    2,
    hints=(
        "Draw a tau from rng, ask for the half-life, and compare it with tau * math.log(2).",
        "near(found, expected) compares with a tolerance; number(value) turns what the learner "
        "returned into a number. First test for each known mistake, then for any wrong answer.",
        "tau = rng.uniform(5, 50); found = number(answer(tau)); if near(found, tau): raise "
        'Wrong("the factor ln 2 is missing"); the same for tau * math.log10(2); at the end: if not '
        "near(found, tau * math.log(2)): raise Wrong(...)",
    ),
)
def judge(answer, rng) -> None:
    """`judge(answer, rng)`: raises `Wrong` unless ``answer(tau)`` is tau ln 2."""
    learners = getattr(answer, "_function", answer)
    seeds = [seed_from(rng) for _ in range(3)]
    asked: list[float] = []
    for seed in seeds:
        for factor in (1.0, 1 + 1e-9, 1 - 1e-9):
            words = _judged(learners, lambda tau, f=factor: tau * math.log(2) * f, seed, asked)
            if words is None:
                continue
            if factor == 1.0:
                raise Wrong(f"Your judge rejects tau * math.log(2). It said: {words!r:.80}.")
            raise Wrong("Your judge rejects an answer that differs by rounding only: use `near`.")
    if not asked:
        raise Wrong("Your judge never calls `answer`.")
    if len(set(asked)) == 1:
        raise Wrong(
            "Your judge asks for the same tau each time, so a fixed number passes. Draw it from "
            "`rng`, such as rng.uniform(5, 50)."
        )
    for seed in seeds:
        for what, slip, word in _JUDGED:
            words = _judged(learners, slip, seed, asked)
            if words is None:
                raise Wrong(f"Your judge accepts {what}.")
            if word not in words:
                raise Wrong(f'For {what} it says {words!r:.80}. It should contain "{word}".')


#: Wrong answers, and what the message about each has to contain.
_JUDGED: tuple[tuple[str, Callable[[float], float], str], ...] = (
    ("tau alone", lambda tau: tau, "ln 2"),
    ("tau * math.log10(2)", lambda tau: tau * math.log10(2), "base"),
    ("-tau * math.log(2)", lambda tau: -tau * math.log(2), ""),
    ("0.7 * tau", lambda tau: 0.7 * tau, ""),
    ("math.log(2) / tau", lambda tau: math.log(2) / tau, ""),
)


def _judged(judge: Callable, answer: Callable, seed: int, asked: list[float]) -> str | None:
    """What a judge says about an answer; None if it accepts it."""

    def tried(tau):
        asked.append(float(tau))
        return answer(tau)

    try:
        returned = judge(tried, np.random.default_rng(seed))
    except Wrong as wrong:
        return str(wrong)
    except Exception as error:
        raise Wrong(f"Your judge raised {type(error).__name__}: {error}. It should raise Wrong.")  # noqa: B904
    if returned is not None:
        raise Wrong(
            f"Your judge returns {returned!r:.40}, which nobody reads. Raise Wrong for a wrong "
            "answer, and return nothing for a right one."
        )
    return None
