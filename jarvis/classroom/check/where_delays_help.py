"""Checks of lesson 505: parameters of networks, a paired bootstrap, a decision, shuffled delays."""

from functools import cache

import numpy as np
import torch

from jarvis.classroom.check.verdict import (
    Wrong,
    array,
    exercise,
    generator_from,
    number,
    seed_from,
)
from jarvis.datasets.spoken_digits import CHANNELS
from jarvis.networks.costs import count_parameters
from jarvis.spatial.network import SpatialNetwork


@cache
def _counted(net: str, n: int) -> int:
    """The number of weights and delays of a network, counted in the network itself."""
    found = count_parameters(SpatialNetwork(CHANNELS, n, 20, net), ["w_in", "w_rec"])
    return sum(found.values()) - found["readout.weight"] - found["readout.bias"]


@exercise(
    1,
    hints=(
        "How many synapses are there from the channels, and how many among the neurons?",
        "The weights are 700 n + n (n - 1), because no neuron has a synapse onto itself. A free "
        "delay belongs to one synapse. What has positions?",
        "Positions are D (700 + n) numbers: the channels have positions as well.",
    ),
)
def parameters(answer, rng) -> None:
    """`parameters(net, n) -> number` of weights and delays, without the read-out."""
    for net in rng.permutation(["0", "2", "3", "inf"]):
        n = int(rng.integers(20, 40))
        found, right = number(answer(str(net), n), "the number"), _counted(str(net), n)
        if found == right:
            continue
        said = f"net {str(net)!r}, {n} neurons: you return {found:.0f}."
        for slip, words in _uncounted(str(net), n):
            if found == slip:
                raise Wrong(f"{said} {words}")
        raise Wrong(f"{said} The network itself has {right}.")


def _uncounted(net: str, n: int) -> list[tuple[int, str]]:
    """Common mistakes: the number that each leads to, and the feedback."""
    weights, right = CHANNELS * n + n * (n - 1), _counted(net, n)
    twice = 2 if net == "inf" else 1
    slips = [
        (right + twice * n, "No neuron has a synapse onto itself: n (n - 1), not n n."),
        (right - twice * n * (n - 1), "The synapses among the hidden neurons are missing."),
        (right + 20 * n + 20, "Do not count the read-out."),
    ]
    if net == "inf":
        slips += [(weights, "Each synapse has a delay of its own as well.")]
    elif net != "0":
        slips += [
            (weights, "The positions are missing."),
            (2 * weights, "Delays that follow from positions are not parameters of their own."),
            (weights + int(net) * n, "The channels have positions as well."),
            (weights + CHANNELS + n, f"A position is {net} numbers."),
        ]
    return slips


@exercise(
    2,
    hints=(
        "You draw words, and both networks answered each word: keep the two answers together.",
        "Draw N indices out of N with replacement, and use the same ones for a and for b. The "
        "difference of the two means is one value; the interval comes from many.",
        "index = rng.integers(0, len(a), (draws, len(a))); values = (1.0 * a - b)[index].mean(1); "
        "return np.quantile(values, [0.025, 0.975]).",
    ),
)
def bootstrap(answer, rng) -> None:
    """`bootstrap(a, b, rng, draws) -> low, high`: a 95 % interval for the mean of a - b."""
    for gain in rng.permutation([-0.06, 0.0, 0.06]):
        n, draws = 600, 4000
        hard = rng.random(n)  # a word is hard for both
        a, b = (hard + 0.12 * rng.standard_normal(n) < 0.6 + shift for shift in (gain, 0.0))
        given = np.random.default_rng(seed_from(rng))
        low, high = array(answer(a, b, given, draws), (2,), "The interval")
        d = a.astype(float) - b
        paired = d.std() / np.sqrt(n)
        apart = np.sqrt((a.var() + b.var()) / n)
        middle, half, tolerance = (low + high) / 2, (high - low) / 2, 0.3 * paired
        narrow = 0.18 * paired  # 1500 right answers differ by up to 0.14, 90 % by at least 0.2

        if abs(middle - d.mean()) < tolerance and abs(half - 1.96 * paired) < narrow:
            continue
        said = f"You return {low:.3f} to {high:.3f}."
        if low > high:
            raise Wrong(f"{said} The lower bound comes first.")
        if low == high:
            raise Wrong(f"{said} There is no spread: draw words with replacement, many times.")
        if max(abs(low), abs(high)) > 1:
            raise Wrong(f"{said} Return fractions, not percent.")
        if abs(middle - d.mean()) < 2 * tolerance and half > 0.8 * 1.96 * apart:
            raise Wrong(
                f"{said} That is far too wide: do you draw the words of a and b separately? A word "
                "that is hard for one network is hard for the other; pairing removes this "
                "variation."
            )
        if abs(middle + d.mean()) < tolerance < abs(d.mean()):
            raise Wrong(f"{said} That is b - a.")
        for width, words in (
            (1.0, "That is one standard deviation to each side."),
            (1.645, "That is the middle 90 %: only 2.5 % of the values may lie on each side."),
        ):
            if abs(middle - d.mean()) < tolerance and abs(half - width * paired) < narrow:
                raise Wrong(f"{said} {words}")
        right = d.mean() + 1.96 * paired * np.array([-1, 1])
        raise Wrong(f"{said} It should be about {right[0]:.3f} to {right[1]:.3f}.")


ANSWERS = ("helps", "hurts", "too small to matter", "cannot say")


@exercise(
    3,
    hints=(
        "Draw the interval on a line with three marks: -matters, 0 and matters.",
        "Ask in the order of the text: is the whole interval between -matters and matters? Then, "
        "is it all above 0, or all below? What is left is 'cannot say'.",
        'if -matters < low and high < matters: return "too small to matter"; if low > 0: return '
        '"helps"; if high < 0: return "hurts"; return "cannot say".',
    ),
)
def decide(answer, rng) -> None:
    """`decide(low, high, matters)` -> one of `ANSWERS`."""
    cases = [
        (0.2, 0.8, "too small to matter"), (-0.8, 0.7, "too small to matter"),
        (0.3, 2.5, "helps"), (1.5, 4.0, "helps"), (-4.0, -1.5, "hurts"), (-2.5, -0.3, "hurts"),
        (-0.5, 1.6, "cannot say"), (-1.7, 0.6, "cannot say"), (-3.0, 3.0, "cannot say"),
    ]  # fmt: skip
    for k in rng.permutation(len(cases)):
        low, high, right = cases[k]
        matters = float(rng.uniform(1.0, 2.0))
        low, high = low * matters, high * matters
        found = answer(low, high, matters)
        if found not in ANSWERS:
            raise Wrong(f"Your function should return one of {ANSWERS}, not {found!r:.40}.")
        if found == right:
            continue
        said = (
            f"For the interval {low:.1f} to {high:.1f}, where {matters:.1f} matters, you say "
            f"{found!r}."
        )
        if right == "cannot say" and found == "too small to matter":
            raise Wrong(
                f"{said} It also contains values beyond {matters:.1f}. Failing to show a "
                "difference does not show that there is none."
            )
        if right == "cannot say":
            raise Wrong(f"{said} The interval contains 0.")
        if right == "too small to matter":
            raise Wrong(f"{said} The whole interval is between -{matters:.1f} and {matters:.1f}.")
        raise Wrong(f"{said} On which side of 0 is the whole interval?")


@exercise(
    4,
    hints=(
        "Any synapse may get the delay of any other one: first turn the matrix into one list.",
        "torch.randperm(n, generator=generator) is a random order of n values.",
        "flat = delays.flatten(); flat[order].view_as(delays), order from torch.randperm.",
    ),
)
def shuffled(answer, rng) -> None:
    """`shuffled(delays [n, m], generator) -> [n, m]`: the same values, on other synapses."""
    for _ in range(2):
        n, m = (int(k) for k in rng.integers((8, 12), (12, 16)))
        g = generator_from(rng)
        delays = 45 + 20 * torch.randn(n, m, generator=g, dtype=torch.float64)
        found, again = (
            array(answer(delays, generator), (n, m), "The matrix")
            for generator in (g, generator_from(rng))
        )
        given = delays.numpy()
        if (found == given).all():
            raise Wrong("Every synapse still has its old delay.")
        if not np.allclose(np.sort(found, None), np.sort(given, None)):
            kept = np.isin(found, given).mean()
            if kept == 1:
                raise Wrong("Some delays occur twice and others are lost: draw a random order.")
            raise Wrong("The values have changed. Keep the same values, and only reorder them.")
        if (found == again).all():
            raise Wrong(
                "Two generators lead to the same order: draw the order at random, with the "
                "generator that you are given."
            )
        if (np.sort(found, 0) == np.sort(given, 0)).all():
            raise Wrong(
                "Each receiver still has the same delays, in another order: shuffle the whole "
                "matrix."
            )
        if (np.sort(found, 1) == np.sort(given, 1)).all():
            raise Wrong(
                "Each sender still has the same delays, in another order: shuffle the whole matrix."
            )
        rows, columns = (
            {tuple(line) for line in np.sort(given, axis).swapaxes(0, 1 - axis)} for axis in (1, 0)
        )
        if {tuple(row) for row in np.sort(found, 1)} == rows or {
            tuple(column) for column in np.sort(found, 0).T
        } == columns:
            raise Wrong("Whole rows or columns have changed places: shuffle single delays.")
