"""Checks of notebook 06: balanced window, pairs, eligibility trace, reward, the whole rule."""

import math
from collections.abc import Callable

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number, seed_from
from jarvis.lif import LIFParams, lif_step
from jarvis.stdp.trace_rules import PairSTDP, ThreeFactorSTDP


@exercise(1, "the area of one side of the window is A tau; set both sides equal.")
def balance_window(answer, rng) -> None:
    """`balance_window(a_plus, tau_plus, tau_minus) -> a_minus` without drift from chance pairs."""
    given = []
    for _ in range(3):
        a_plus, up, down = rng.uniform(0.002, 0.02), rng.uniform(8, 20), rng.uniform(25, 50)
        given.append((a_plus, up, down, number(answer(a_plus, up, down), "a_minus")))
    if len({found for *_, found in given}) == 1:
        raise Wrong(f"Three windows, and a_minus = {given[0][3]:g} for each: use the arguments.")
    for a_plus, up, down, a_minus in given:
        expected = a_plus * up / down
        if near(a_minus, expected):
            continue
        if near(a_minus, -expected):
            raise Wrong("The size is right. a_minus is positive: the minus sign is in the rule.")
        if near(a_minus, a_plus * down / up):
            raise Wrong("It is upside down: the side that extends further needs the lower peak.")
        if near(a_minus, a_plus):
            raise Wrong("The peaks are equal now. What must be equal is the areas.")
        if near(a_minus, a_plus * up):
            raise Wrong(
                "That is the area of potentiation. Which height gives depression the same area?"
            )
        if near(a_minus, a_plus * math.expm1(1 / down) / -math.expm1(-1 / up)):
            raise Wrong("That balances sums over whole ms. Here s is continuous: integrate.")
        area = a_plus * up - a_minus * down
        raise Wrong(
            f"For a_plus {a_plus:.4f}, tau_plus {up:.1f} and tau_minus {down:.1f} ms you return "
            f"a_minus = {a_minus:.5f}. The area is then {area:+.4f} ms: chance pairs pull the "
            f"weight {'up' if area > 0 else 'down'}."
        )


@exercise(2, "several input spikes shortly before one output spike; how many depends on `factor`.")
def tell_apart(answer, rng) -> None:
    """`tell_apart(factor) -> pre, post`: times for which "all" is `factor` times "nearest"."""
    reached = []
    for factor in (rng.uniform(1.5, 2), rng.uniform(3, 4), rng.uniform(5, 6)):
        trains = _trains(answer(factor))
        every, nearest = (_changed(kind, *trains) for kind in ("all", "nearest"))
        said = f'"all" changes the weight by {every:+.5f}, "nearest" by {nearest:+.5f}'
        if every > factor * nearest > 0:
            reached.append(every / nearest)
            continue
        n_pre, n_post = (int(train.sum()) for train in trains)
        if nearest == every == 0:
            raise Wrong("Neither changes the weight. It takes spikes of both neurons.")
        if nearest <= 0:
            raise Wrong(f"{said}. Both should be above 0: put the inputs before the output.")
        if n_pre == n_post == 1:
            raise Wrong(f"{said}. A single pair of spikes is the same for both.")
        if n_pre == 1:
            raise Wrong(
                f'{said}. In "nearest" each output spike pairs with the input spike before it, so '
                "all of yours count in both. It ignores earlier input spikes."
            )
        if reached and near(every / nearest, reached[0], 1e-6):
            raise Wrong(
                f"{said}, {every / nearest:.2f} times as much, whatever the factor is. More input "
                f"spikes increase it; the target was {factor:.2f}."
            )
        raise Wrong(
            f"{said}, {every / nearest:.2f} times as much; the target was {factor:.2f}. With "
            f"{n_pre} input spikes it can be at most {n_pre}, and only if they are close together."
        )


def _trains(times) -> tuple[np.ndarray, np.ndarray]:
    """Two lists of whole ms as trains of 100 steps, or `Wrong`."""
    if not isinstance(times, tuple | list) or len(times) != 2 or any(x is None for x in times):
        raise Wrong("tell_apart should return two lists: input spikes and output spikes, in ms.")
    trains = np.zeros((2, 100))
    for train, when, name in zip(trains, times, ("input", "output"), strict=True):
        whole = array(when, (len(when),) if hasattr(when, "__len__") else (), f"{name} spikes")
        steps = whole.reshape(-1)
        if (steps != steps.round()).any() or (steps < 0).any() or (steps > 99).any():
            raise Wrong(f"The {name} spikes come at {steps.tolist()}: use whole ms from 0 to 99.")
        if len(np.unique(steps)) < len(steps):
            raise Wrong(f"Two {name} spikes lie in the same ms: a neuron fires once per step.")
        train[steps.astype(int)] = 1
    return trains[0], trains[1]


def _changed(interaction: str, pre: np.ndarray, post: np.ndarray, **rule) -> float:
    """Change of one weight by the library's rule, without bounds."""
    pair = PairSTDP(interaction=interaction, bounds="none", **rule)
    x, y = (torch.tensor(train, dtype=torch.float64).reshape(-1, 1, 1) for train in (pre, post))
    return pair.run(x, y, torch.zeros(1, 1, dtype=torch.float64))[0].item()


@exercise(3, "exp(-delay / tau) = share; solve it for tau.")
def wait_long_enough(answer, rng) -> None:
    """`wait_long_enough(delay, share) -> tau_eligibility (ms)`."""
    for low, high in ((0.2, 0.4), (0.6, 0.85), (0.2, 0.4)):
        delay, share = rng.uniform(200, 2000), rng.uniform(low, high)
        tau = number(answer(delay, share), "tau_eligibility")
        expected = -delay / math.log(share)
        if near(tau, expected):
            continue
        if near(tau, -expected):
            raise Wrong("The size is right, the sign is not: the logarithm of a share is negative.")
        if near(tau, -delay / math.log1p(-share)):
            raise Wrong(
                f"With that, {1 - share:.0%} are left: `share` is the fraction kept, not lost."
            )
        if near(tau, delay):
            raise Wrong("After one tau 1/e is left, 37 %, whatever the share is: use `share`.")
        if near(tau, -delay / math.log2(share)) or near(tau, -delay / math.log10(share)):
            raise Wrong("The trace decays by powers of e: take the natural logarithm.")
        if near(tau, 1 / expected) or near(tau, -math.log(share) / delay):
            raise Wrong(f"{tau:.2g} is a rate, per ms. The time constant is its inverse.")
        if near(tau, expected / 1000):
            raise Wrong("That is tau in seconds. Times are in ms here.")
        if tau <= 0:
            raise Wrong(f"A time constant of {tau:g} ms: it must be positive.")
        raise Wrong(
            f"With your tau = {tau:.0f} ms the trace has decayed after {delay:.0f} ms to "
            f"{math.exp(-delay / tau):.3f}; it should be {share:.3f}."
        )


@exercise(4, "it must be able to weaken what used to be right, and be near 0 when all goes well.")
def relearn(answer, rng) -> None:
    """`relearn(correct, expected) -> signal` with which a network learns, and relearns."""

    def told(correct: torch.Tensor, expected: float) -> torch.Tensor:
        signal = answer(correct, expected)
        alike = isinstance(signal, int | float) or getattr(signal, "shape", None) == ()
        shape = () if alike else (len(correct),)  # a scalar is the same for all
        found = torch.tensor(array(signal, shape, "the signal"), dtype=torch.float32)
        return found.expand(len(correct))

    one_each, levels = torch.tensor([1.0, 0.0]), (0.1, 0.3, 0.5, 0.7, 0.9)
    right, wrong = torch.stack([told(one_each, level) for level in levels], dim=1)
    if torch.equal(right, wrong):
        raise Wrong("Your signal is the same for right and wrong responses: use `correct`.")
    if (right <= wrong).all():
        raise Wrong("Your signal rewards wrong responses: reverse its sign.")
    before, after, end = _relearned(told, seed_from(rng))
    if min(before, end) > 0.75:
        return
    seen = f"{before:.0%} right before the reversal, {after:.0%} after it, {end:.0%} at the end. "
    if torch.cat([right, wrong]).min() >= 0:
        raise Wrong(
            seen + "Your signal is never negative: all weights grow, and nothing that used to be "
            "right is weakened."
        )
    if torch.cat([right, wrong]).max() <= 0:
        raise Wrong(seen + "Your signal is never positive: all weights decrease in the end.")
    if torch.equal(right, right[:1].expand(5)) and torch.equal(wrong, wrong[:1].expand(5)):
        raise Wrong(
            seen + "Your signal also rewards what was expected. When all responses are right, all "
            "weights grow, even the wrong ones: use `expected`."
        )
    raise Wrong(
        seen + f"With 50 % expected your signal is {right[2]:+.3f} for a right response and "
        f"{wrong[2]:+.3f} for a wrong one. Is it large enough, and does it follow `expected`?"
    )


def _relearned(signal: Callable, seed: int) -> tuple[float, float, float]:
    """A smaller task of notebook 06, in steps of 5 ms: accuracy before, at, long after a reversal.

    40 blocks of 16 trials with one goal, then 60 with the opposite goal.
    """
    dt, half, n = 5.0, 20, 16  # 100 ms of stimulus and 100 ms of delay, 10 inputs per stimulus
    neuron = LIFParams(tau=20.0, dt=dt, reset="zero", refractory=5.0)
    pair = PairSTDP(a_plus=0.2, a_minus=0.1, dt=dt)
    rule = ThreeFactorSTDP(pair=pair, tau_eligibility=500.0)
    g, goal = torch.Generator().manual_seed(seed), torch.tensor([0, 1, 1, 0])
    weight, expected, accuracy = torch.full((2, 40), 0.5), 0.5, []
    for block in range(100):
        stimulus = torch.randint(4, (n,), generator=g)
        drive = torch.zeros(n, 4, 10)
        drive[range(n), stimulus] = 0.06 * dt
        pre, post = torch.zeros(2 * half, n, 40), torch.zeros(2 * half, n, 2)
        pre[:half] = (torch.rand(half, n, 40, generator=g) < drive.flatten(1)).float()
        currents = 0.2 * pre[:half] @ weight.T + 0.3 * torch.randn(half, n, 2, generator=g)
        state = None
        for t in range(half):
            post[t], state = lif_step(currents[t], state, neuron)
            state = state._replace(v=state.v - post[t].flip(1))
        toss = 0.01 * torch.rand(n, 2, generator=g)
        wanted = goal if block < 40 else 1 - goal
        correct = ((post.sum(0) + toss).argmax(1) == wanted[stimulus]).float()
        reward = torch.zeros(2 * half, n)
        reward[-1] = signal(correct, expected)
        weight, _ = rule.run(pre, post, reward, weight)
        accuracy.append(correct.mean().item())
        expected += 0.1 * (accuracy[-1] - expected)
    return float(np.mean(accuracy[30:40])), accuracy[40], float(np.mean(accuracy[-10:]))


@exercise(5, "decay both traces; r += pre; dw += a_plus post r - a_minus pre o; o += post.")
def from_memory(answer, rng) -> None:
    """`from_memory(pre, post, a_plus, a_minus, tau_plus, tau_minus) -> dw` of one synapse."""
    pre, post = (rng.random((2, 200)) < 0.06).astype(float)
    pre[[20, 50, 120]] = post[[20, 58, 110]] = 1  # a coincident pair, and one pair of each order
    a_plus, a_minus = rng.uniform(0.004, 0.01, 2)
    tau_plus, tau_minus = rng.uniform(10, 20), rng.uniform(25, 45)
    change = number(answer(pre, post, a_plus, a_minus, tau_plus, tau_minus), "the change")
    rule = dict(a_plus=a_plus, a_minus=a_minus, tau_plus=tau_plus, tau_minus=tau_minus)
    expected = _changed("all", pre, post, **rule)
    scale = a_plus * post.sum()
    if abs(change - expected) < 1e-6 * scale:
        return
    for kind, words in _SLIPS.items():
        if abs(change - _slipped(pre, post, rule, kind)) < 1e-6 * scale:
            raise Wrong(words)
    if abs(change - _slipped(post, pre, rule, "none")) < 1e-6 * scale:
        raise Wrong("Pre and post are swapped: pre before post strengthens.")
    raise Wrong(
        f"For {pre.sum():.0f} input and {post.sum():.0f} output spikes in 200 ms you return "
        f"{change:+.5f}; the definition gives {expected:+.5f}. Try one pair of spikes by hand."
    )


#: Common mistakes, and the feedback for each.
_SLIPS = {
    "sign": "The size is right, the sign is not: input before output strengthens.",
    "own": "Your spikes read their own neuron's trace. They must read the other neuron's.",
    "taus": "The time constants of your traces are swapped: that of pre decays with tau_plus.",
    "no decay": "Your traces never decay: multiply them by exp(-dt/tau) in every step.",
    "euler": "Your factor is 1 - dt/tau, Euler's. The exact one is exp(-dt/tau).",
    "leak": "Your input spikes decay before they are read: first decay, then add them.",
    "late": "A coincident pair should strengthen: add pre to its trace before post reads it.",
    "both": "A coincident pair counts twice: add post to its trace after pre has read it.",
    "turned": "A coincident pair weakens. Here pre comes first: add it first, and post last.",
    "nearest": "Your traces are set to 1 by a spike, so only the last counts. Add 1 instead.",
    "only up": "You have potentiation alone. What does an input spike after an output spike do?",
    "only down": "You have depression alone. What does an output spike after an input spike do?",
}


def _slipped(pre: np.ndarray, post: np.ndarray, rule: dict[str, float], kind: str) -> float:
    """The rule with one mistake."""
    taus = rule["tau_plus"], rule["tau_minus"]
    fall, rise = (1 - 1 / tau if kind == "euler" else math.exp(-1 / tau) for tau in taus)
    if kind == "taus":
        fall, rise = rise, fall
    if kind == "no decay":
        fall = rise = 1.0
    up = 0.0 if kind == "only down" else rule["a_plus"]
    down = 0.0 if kind == "only up" else rule["a_minus"]
    r = o = change = 0.0
    for x, y in zip(pre, post, strict=True):
        r_before, o_before = fall * r, rise * o
        r, o = r_before + (fall if kind == "leak" else 1.0) * x, o_before + y
        if kind == "nearest":
            r, o = (x or r_before), (y or o_before)
        reads = {"late": (r_before, o_before), "both": (r, o), "turned": (r_before, o)}
        read_r, read_o = reads.get(kind, (r, o_before))
        if kind == "own":
            change += up * x * read_r - down * y * read_o
        else:
            change += up * y * read_r - down * x * read_o
    return -change if kind == "sign" else change
