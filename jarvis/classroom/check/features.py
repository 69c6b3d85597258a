"""Checks of lesson 403: the order rule, convergence, shuffled weights, eligibility, reward."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import (
    Wrong,
    array,
    exercise,
    generator_from,
    near,
    number,
    seed_from,
)
from jarvis.classroom.two_choices import PAIR, session
from jarvis.stdp.order_rule import STDPConfig, order_stdp
from jarvis.stdp.trace_rules import ThreeFactorSTDP


@exercise(
    1,
    hints=(
        "Which inputs fired no later than the winner? Their weights grow; all others shrink.",
        "torch.where(input_times <= winner_time, ..., ...) gives a rate for each weight.",
        "w + torch.where(input_times <= winner_time, a_plus, -a_minus) * w * (1 - w)",
    ),
)
def update_by_order(answer, rng) -> None:
    """`update_by_order(w, input_times, winner_time, a_plus, a_minus) -> w`: the new weights."""
    given = []
    for _ in range(3):
        w = torch.tensor(rng.uniform(0.05, 0.95, (2, 5, 5)), dtype=torch.float32)
        times = torch.tensor(rng.integers(0, 16, (2, 5, 5)))
        times.view(-1)[:4] = torch.tensor([0, 7, 8, 15])
        case = (w, times, int(rng.integers(7, 9)), *rng.uniform(0.05, 0.2, 2).tolist())
        given.append((case, array(answer(*case), (2, 5, 5), "the weights")))

    def fits(slip: Callable) -> bool:
        return all(np.allclose(found, slip(*case), atol=1e-5) for case, found in given)

    if fits(_updated):
        return
    for words, slip in _ORDERS.items():
        if fits(slip):
            raise Wrong(words)
    (w, times, step, *rates), found = given[0]
    at = np.unravel_index(int(np.argmax(abs(found - _updated(*given[0][0]).numpy()))), found.shape)
    raise Wrong(
        f"An input with w = {w[at]:.3f} fires in step {times[at]}, and the winner in step {step}; "
        f"a_plus = {rates[0]:.3f} and a_minus = {rates[1]:.3f}. You return {found[at]:.4f}; it "
        f"should be {_updated(*given[0][0])[at]:.4f}."
    )


def _updated(w: Tensor, times: Tensor, step: int, a_plus: float, a_minus: float) -> Tensor:
    return order_stdp(w, times, step, STDPConfig(a_plus=a_plus, a_minus=a_minus))


#: Common mistakes in the order rule.
_ORDERS: dict[str, Callable[..., Tensor]] = {
    "That is the change of the weights. Return the new weights: w plus the change.": (
        lambda w, *rest: _updated(w, *rest) - w
    ),
    "Your order is reversed: the weights of inputs that fired in time grow.": (
        lambda w, times, step, up, down: w + torch.where(times > step, up, -down) * w * (1 - w)
    ),
    "An input that fires in the same step as the winner is in time, too: no later means <=.": (
        lambda w, times, step, up, down: w + torch.where(times < step, up, -down) * w * (1 - w)
    ),
    "The factor w (1 - w) is missing.": (
        lambda w, times, step, up, down: w + torch.where(times <= step, up, -down)
    ),
    "The factor w (1 - w) is missing. With it, the weights need no clamping.": (
        lambda w, times, step, up, down: (w + torch.where(times <= step, up, -down)).clamp(0, 1)
    ),
    "The weights of inputs that fire late, or never, shrink. Yours do not change.": (
        lambda w, times, step, up, down: w + torch.where(times <= step, up, 0.0) * w * (1 - w)
    ),
    "The weights of inputs that never fire shrink as well, like those of late inputs.": (
        lambda w, times, step, up, down: (
            w + torch.where(times <= step, up, torch.where(times < 15, -down, 0.0)) * w * (1 - w)
        )
    ),
    "a_plus and a_minus are swapped.": (
        lambda w, times, step, up, down: _updated(w, times, step, down, up)
    ),
    "All your weights grow: a_minus is positive, and the minus sign is in the rule.": (
        lambda w, times, step, up, down: w + torch.where(times <= step, up, down) * w * (1 - w)
    ),
}


@exercise(
    2,
    hints=(
        "Take w (1 - w) of every weight first, and the mean afterwards.",
        "Take the mean over all axes except the first: .mean((1, 2, 3)).",
        "c = (weight * (1 - weight)).mean((1, 2, 3)); the fraction is (c < limit).float().mean().",
    ),
)
def converged_share(answer, rng) -> None:
    """`converged_share(weight, limit) -> C_l of each map, fraction below the limit`."""
    for _ in range(3):
        n_maps, side = int(rng.choice([5, 7, 9])), int(rng.integers(3, 6))
        settled = rng.integers(2, size=(n_maps, 2, side, side)) + 0.0
        mixed = rng.uniform(0, 1, (n_maps, 1, 1, 1)) * rng.uniform(0, 0.5, settled.shape)
        weight = torch.tensor(abs(settled - mixed), dtype=torch.float32)
        kept = weight.double().numpy()
        products = kept * (1 - kept)
        expected = products.mean((1, 2, 3))
        below = int(rng.integers(1, n_maps))  # n_maps is odd, so the numbers below and above differ
        limit = float(np.sort(expected)[below - 1 : below + 1].mean())
        pair = answer(weight, limit)
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            raise Wrong(
                "converged_share should return two things: C_l of each map, and a fraction."
            )
        if np.size(np.asarray(pair[0])) == 1:
            raise Wrong("Your C_l is one number for the whole layer. Return one for each map.")
        if np.shape(pair[0]) == (2,) or np.shape(pair[0]) == weight.shape[1:]:
            raise Wrong("Your mean is over the maps. Keep them: they are the first axis.")
        _check_maps(array(pair[0], (n_maps,), "C_l"), kept, expected)
        if np.shape(pair[1]) != ():
            raise Wrong(
                "The fraction should be one number: how many of the maps are below the limit."
            )
        share = float(array(pair[1], (), "the fraction"))
        if near(share, below / n_maps):
            continue
        if share == below:
            raise Wrong(f"{below} of {n_maps} maps are below; return their fraction.")
        if near(share, 100 * below / n_maps):
            raise Wrong("Your fraction is in percent. It should lie between 0 and 1.")
        if near(share, 1 - below / n_maps):
            raise Wrong(
                "That is the fraction *above* the limit. A map has converged when it is below."
            )
        if abs(share - (expected < 0.01).mean()) < 1e-6:
            raise Wrong(f"That is the fraction below 0.01. The limit was {limit:.4f}: use `limit`.")
        if near(share, (products < limit).mean()):
            raise Wrong(
                "That is the fraction of *weights*. Compare the mean of each map with the limit."
            )
        raise Wrong(
            f"Your C_l is right. {below} of {n_maps} maps are below {limit:.4f}; you return "
            f"{share:g}."
        )


def _check_maps(found: np.ndarray, kept: np.ndarray, expected: np.ndarray) -> None:
    if np.allclose(found, expected, atol=1e-5):
        return
    slips = {
        "You sum over a map's weights. C_l is their mean.": (kept * (1 - kept)).sum((1, 2, 3)),
        "You take the mean m first. C_l is the mean of w (1 - w), not m (1 - m).": (
            (m := kept.mean((1, 2, 3))) * (1 - m)
        ),
        "That is the mean weight of each map. C_l is the mean of w (1 - w).": m,
        "That is the mean of w squared. C_l is the mean of w (1 - w).": (kept**2).mean((1, 2, 3)),
        "Your C_l is four times too large: it is the mean of w (1 - w), without a factor.": 4
        * expected,
    }
    for words, wanted in slips.items():
        if np.allclose(found, wanted, atol=1e-5):
            raise Wrong(words)
    k = int(np.argmax(~np.isclose(found, expected, atol=1e-5)))
    raise Wrong(f"Map {k} has C_l = {expected[k]:.4f}; you return {found[k]:.4f}.")


@exercise(
    3,
    hints=(
        "Make one row per map first: weight.flatten(1).",
        "torch.randperm(n, generator=generator) is a random order of n numbers. Draw one for each "
        "map.",
        "rows = [w[torch.randperm(len(w), generator=generator)] for w in weight.flatten(1)]; then "
        "torch.stack(rows).view_as(weight).",
    ),
)
def shuffled(answer, rng) -> None:
    """`shuffled(weight, generator) -> weight` with the values of each map in a random order."""
    shape = (6, 2, 4, 4)
    weight = torch.tensor(rng.permutation(math.prod(shape)).reshape(shape), dtype=torch.float32)
    found = array(answer(weight, generator_from(rng)), shape, "the weights").reshape(6, -1)
    own = weight.numpy().reshape(6, -1)
    if np.array_equal(found, own):
        raise Wrong("You return the weights unchanged.")
    if not np.array_equal(np.sort(found.ravel()), np.sort(own.ravel())):
        raise Wrong(
            "Some values are lost or new. Only their order should change: use a permutation."
        )
    if not np.array_equal(np.sort(found, 1), np.sort(own, 1)):
        if np.array_equal(np.sort(found, 0), np.sort(own, 0)):
            raise Wrong(
                "You shuffle the maps. Each map should keep its own values, in another order."
            )
        raise Wrong("Values move from one map to another. Shuffle the weights within each map.")
    orders = np.array([[np.flatnonzero(row == value)[0] for value in new] for row, new in
                       zip(own, found, strict=True)])  # fmt: skip
    if (orders == orders[0]).all():
        raise Wrong("All maps get the same order. Draw one for each map.")
    channels = orders // 16
    if (channels == np.repeat([0, 1], 16)).all():
        raise Wrong(
            "You shuffle ON and OFF weights separately. Shuffle all weights of a map together."
        )
    places = orders.reshape(6, 2, 16) % 16
    if (places[:, 0] == places[:, 1]).all():
        raise Wrong(
            "Each ON weight moves together with its OFF weight. Shuffle all weights of a map."
        )
    again = array(answer(weight, generator_from(rng)), shape, "the weights").reshape(6, -1)
    if np.array_equal(again, found):
        raise Wrong("Different generators gave the same order: draw it with `generator`.")


@exercise(
    4,
    hints=(
        "What is left of a trace after `delay` ms?",
        "exp(-delay / tau) = share. Take the logarithm of both sides.",
        "tau = -delay / math.log(share), which is positive because the share is below 1.",
    ),
)
def wait_long_enough(answer, rng) -> None:
    """`wait_long_enough(delay, share) -> tau_eligibility (ms)`."""
    given = []
    for low, high in ((0.2, 0.4), (0.6, 0.85), (0.2, 0.4)):
        delay, share = rng.uniform(200, 2000), rng.uniform(low, high)
        given.append((delay, share, number(answer(delay, share), "tau_eligibility")))
    if all(near(tau, -delay / math.log(share)) for delay, share, tau in given):
        return
    for words, slip in _WAITS.items():
        if all(near(tau, slip(delay, share)) for delay, share, tau in given):
            raise Wrong(words)
    delay, share, tau = next(
        case for case in given if not near(case[2], -case[0] / math.log(case[1]))
    )
    if tau <= 0:
        raise Wrong(f"Your time constant is {tau:g} ms, but it must be positive.")
    raise Wrong(
        f"With your tau = {tau:.0f} ms, the trace has decayed after {delay:.0f} ms to "
        f"{math.exp(-delay / tau):.3f}; it should be {share:.3f}."
    )


#: Common mistakes in the time constant, from the delay and the share.
_WAITS: dict[str, Callable[[float, float], float]] = {
    "The size is right, but the sign is wrong: the logarithm of a fraction is negative.": (
        lambda delay, share: delay / math.log(share)
    ),
    "`share` is the fraction that is left, not the fraction that is lost.": (
        lambda delay, share: -delay / math.log1p(-share)
    ),
    "After one tau, 1/e (37 %) is left, but the fraction left should be `share`.": (
        lambda delay, share: delay
    ),
    "The trace decays as a power of e, not of 2: take the natural logarithm.": (
        lambda delay, share: -delay / math.log2(share)
    ),
    "The trace decays as a power of e, not of 10: take the natural logarithm.": (
        lambda delay, share: -delay / math.log10(share)
    ),
    "That is a rate, per ms. The time constant is its inverse.": (
        lambda delay, share: -math.log(share) / delay
    ),
    "That is tau in seconds. Times are in ms here.": (
        lambda delay, share: -delay / math.log(share) / 1000
    ),
}


#: The levels of expectation, from 0 to 1.
_LEVELS = tuple(i / 20 for i in range(21))


@exercise(
    5,
    hints=(
        "The signal must be able to weaken responses that used to be right, so it has to be "
        "negative at times.",
        "When everything goes as expected, the weights should not change, so the signal should be "
        "near 0.",
        "Return the reward prediction error: `correct` minus `expected`.",
    ),
)
def relearn(answer, rng) -> None:
    """`relearn(correct, expected) -> signal` with which a network learns and relearns."""

    def told(correct: Tensor, expected: float) -> Tensor:
        signal = answer(correct, expected)
        alike = isinstance(signal, int | float) or getattr(signal, "shape", None) == ()
        shape = () if alike else (len(correct),)  # a scalar is the same for all
        found = torch.tensor(array(signal, shape, "the signal"), dtype=torch.float32)
        return found.expand(len(correct))

    one_each = torch.tensor([1.0, 0.0])
    right, wrong = torch.stack([told(one_each, level) for level in _LEVELS], dim=1)
    if torch.equal(right, wrong):
        raise Wrong("Your signal is the same for right and wrong responses: use `correct`.")
    if (right <= wrong).all():
        raise Wrong("Your signal rewards wrong responses: reverse its sign.")
    before, after, end = _relearned(told, seed_from(rng))
    if min(before, end) > 0.75:
        return
    seen = (
        f"{before:.0%} of responses are right before the reversal, {after:.0%} after it, and "
        f"{end:.0%} at the end. "
    )
    raise Wrong(seen + _why(right, wrong))


def _why(right: Tensor, wrong: Tensor) -> str:
    """Explain why a signal fails, from its values at all levels of expectation."""
    size = torch.cat([right, wrong]).abs().max().item()
    if torch.cat([right, wrong]).min() >= 0:
        return (
            "Your signal is never negative: all weights grow, and it cannot weaken responses that "
            "used to be right."
        )
    if torch.cat([right, wrong]).max() <= 0:
        return "Your signal is never positive, so all weights decrease in the end."
    if torch.equal(right, right[:1].expand(21)) and torch.equal(wrong, wrong[:1].expand(21)):
        return (
            "Your signal also rewards what was expected. When all responses are right, all "
            "weights grow, even the wrong ones: use `expected`."
        )
    if size < 0.2:
        return (
            f"Your signal has the right signs, but it is at most {size:.2g}, so the weights hardly "
            "change in 60 blocks. Make it larger."
        )
    if right[19] > 0.3 * size:
        return (
            f"With 95 % expected, a right response still gets {right[19]:+.2f}, though it is "
            "expected, so all weights keep growing. It should get nearly 0."
        )
    return (
        f"With 50 % expected, your signal is {right[10]:+.2f} for a right response and "
        f"{wrong[10]:+.2f} for a wrong one; with 95 % expected, it is {right[19]:+.2f} and "
        f"{wrong[19]:+.2f}. Is its average over a block 0 when the network does as well as "
        "expected?"
    )


def _relearned(signal: Callable, seed: int) -> tuple[float, float, float]:
    """Accuracy before, at and long after a reversal: 40 blocks of a task, then 60 reversed."""
    rule = ThreeFactorSTDP(pair=PAIR, tau_eligibility=500.0)
    accuracy, _ = session(rule, signal, seed=seed, n_blocks=100, swap_at=40)
    return float(accuracy[30:40].mean()), float(accuracy[40]), float(accuracy[-10:].mean())
