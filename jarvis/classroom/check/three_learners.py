"""Checks of lesson 702: a paired bootstrap, additions, and the break-even of spikes."""

import math

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number
from jarvis.networks.costs import synaptic_operations


def _weights(rng, n: int, m: int) -> torch.Tensor:
    """Weights, some of them pruned; each sender keeps a different number of synapses."""
    weights = rng.normal(size=(n, m))
    weights[rng.random((n, m)) < rng.uniform(0.2, 0.8, (n, 1))] = 0.0
    weights[0], weights[-3:] = 0.0, rng.normal(size=(3, m))
    return torch.tensor(weights, dtype=torch.float32)


def _counts(value, n_samples: int) -> np.ndarray:
    if np.ndim(value) == 0 and n_samples > 1:
        raise Wrong(f"You return one number. Return a count for each of the {n_samples} samples.")
    return array(value, (n_samples,), "The additions")


@exercise(
    1,
    hints=(
        "Each draw picks S rows and N columns of the table anew, and takes the mean of the "
        "selected entries.",
        "rng.integers(S, size=S) are the numbers of the rows, with replacement; likewise for "
        "columns.",
        "rows, columns = rng.integers(S, size=S), rng.integers(N, size=N); then "
        "difference[rows][:, columns].mean().",
    ),
)
def bootstrap(answer, rng) -> None:
    """`bootstrap(difference [S, N], draws, rng) -> [draws]`, each from new rows and columns."""
    for n_seeds, n_samples in ((4, 60), (6, 40)):
        seeds = rng.normal(size=(n_seeds, 1))
        samples = np.sign(rng.normal(0.3, 1.0, n_samples)) * (rng.random(n_samples) < 0.5)
        both = samples + 0.3 * seeds + 0.3 * rng.normal(size=(n_seeds, n_samples))
        ratio = _spread(answer, both, rng)
        if ratio < 1e-9:
            raise Wrong("All draws are the same: each must draw rows and columns anew.")
        if _spread(answer, seeds + 0.0 * samples, rng) < 1e-9:  # only seeds differ
            raise Wrong(
                "You draw pictures, but always take all seeds: the interval would not cover "
                "networks with other initial weights."
            )
        if _spread(answer, samples + 0.0 * seeds, rng) < 1e-9:  # only pictures differ
            raise Wrong(
                "You draw seeds, but always take all pictures: the interval would not cover other "
                "test pictures."
            )
        if 0.85 < _spread(answer, seeds + 0.0 * samples, rng) * math.sqrt(n_samples) < 1.18:
            raise Wrong(
                "You draw single entries. Each drawn network classifies all drawn pictures: draw "
                "whole rows and whole columns."
            )
        if not 0.85 < ratio < 1.18:
            raise Wrong(
                f"The spread of the draws is {ratio:.2f} times what it should be. Draw {n_seeds} "
                f"rows and {n_samples} columns, with replacement."
            )


def _spread(answer, difference: np.ndarray, rng, draws: int = 1500) -> float:
    """The ratio of an answer's spread to the right spread; raises `Wrong` for a wrong mean."""
    found = answer(difference, draws, np.random.default_rng(rng.integers(2**32)))
    found = array(found, (draws,), "The drawn differences")
    mean, spread = difference.mean(), _drawn(difference, draws, rng).std()
    if abs(found.mean() - mean) > 6 * spread / math.sqrt(draws):
        raise Wrong(
            f"The draws have the mean {found.mean():.3f}, the difference has {mean:.3f}: are all "
            "rows and columns drawn with the same probability?"
        )
    return found.std() / spread


def _drawn(difference: np.ndarray, draws: int, rng) -> np.ndarray:
    """The definition."""
    n_seeds, n_samples = difference.shape
    found = np.empty(draws)
    for k in range(draws):
        i, j = rng.integers(n_seeds, size=n_seeds), rng.integers(n_samples, size=n_samples)
        found[k] = difference[i][:, j].mean()
    return found


@exercise(
    2,
    hints=(
        "Follow a single spike: at how many synapses of its sender is something added?",
        "Count the spikes of each sender, [B, n], and its synapses, [n].",
        "spikes.sum(0) @ (weights != 0).sum(1), with both as floats or both as integers.",
    ),
)
def additions_of(answer, rng) -> None:
    """`additions_of(spikes [T, B, n], weights [n, m]) -> [B]`."""
    for _ in range(3):
        steps, samples, n, m = (int(k) for k in rng.integers((5, 3, 5, 6), (12, 6, 9, 12)))
        m += n == m
        spikes = torch.tensor(rng.random((steps, samples, n)) < 0.4, dtype=torch.float32)
        spikes[0, :, 0] = spikes[1, :, -1] = 1.0
        weights = _weights(rng, n, m)
        found = _counts(answer(spikes, weights), samples)
        expected = synaptic_operations(spikes, weights).numpy()
        if np.array_equal(found, expected):
            continue
        fired = spikes.sum(0).numpy()  # [B, n]
        exist = (weights != 0).sum(1).numpy()
        if np.array_equal(found, m * fired.sum(1)):
            raise Wrong(
                "You count all synapses of a neuron, pruned ones too. Nothing is added where the "
                "weight is 0."
            )
        if np.allclose(found, (fired @ weights.numpy()).sum(1), atol=1e-3):
            raise Wrong("You add up the weights. Count the weights that are added: weights != 0.")
        if np.array_equal(found, fired @ (weights > 0).sum(1).numpy()):
            raise Wrong("You count only positive weights. A negative one is added, too.")
        if np.array_equal(found, fired.sum(1)):
            raise Wrong(
                "You count the spikes. Each spike causes one addition at every synapse it reaches."
            )
        if np.array_equal(found, (spikes.numpy().any(0) @ exist)):
            raise Wrong(
                "You count a neuron that fires several times once: each of its spikes is sent."
            )
        if np.allclose(found, fired.mean(1) * exist.sum(), rtol=1e-4):
            raise Wrong(
                "Mean spikes times all synapses is right only if all neurons have equally many "
                "synapses. Sum neuron by neuron."
            )
        k = int(np.argmax(found != expected))
        raise Wrong(
            f"In sample {k} the senders fire {fired[k].astype(int).tolist()} times and have "
            f"{exist.tolist()} synapses: {expected[k]} additions. You return {found[k]:g}."
        )


@exercise(
    3,
    hints=(
        "What does a neuron cost in each kind of layer? The unknown is r, the spikes per input.",
        "Spiking: r n_in additions and n_steps n_states updates. Dense: n_in products. An update "
        "and a product cost multiply + add each.",
        "r = (multiply + add) / add (1 - n_steps n_states / n_in), and at least 0.",
    ),
)
def break_even(answer, rng) -> None:
    """`break_even(n_in, n_steps, n_states, add, multiply) -> spikes per input`."""
    for trial in range(4):
        n_in, n_states = int(rng.integers(50, 400)), int(rng.integers(2, 4))
        n_steps = int(rng.integers(5, 15)) if trial < 3 else n_in
        add = float(rng.uniform(0.02, 1.0))
        multiply = float(add * rng.uniform(2.5, 9.0))
        found = number(answer(n_in, n_steps, n_states, add, multiply), "The number of spikes")
        product, cost = multiply + add, n_steps * n_states / n_in
        expected = product / add * (1 - cost)
        if near(found, max(0.0, expected)):
            continue
        if expected < 0:
            if near(found, expected):
                raise Wrong(
                    f"With {n_steps} steps and {n_in} inputs you allow {found:.1f} spikes, but "
                    "there cannot be fewer than 0: the updates alone cost more, so return 0."
                )
            raise Wrong(f"With {n_steps} steps updates alone cost more: return 0, not {found:.3f}.")
        if near(found, product / add):
            raise Wrong(
                "You leave out the updates: each neuron is updated in each step, spike or not."
            )
        if near(found, multiply / add) or near(found, multiply / add * (1 - cost)):
            raise Wrong("A multiply-add is a multiplication and an addition: multiply + add.")
        if near(found, product / add * (1 - n_steps / n_in)):
            raise Wrong("That is right for one state variable per neuron. Here there are n_states.")
        if near(found, product / add * (1 - cost) / n_steps):
            raise Wrong("That is the number of spikes per step. Return the total number.")
        if near(found, product / add * (1 - cost) * n_in):
            raise Wrong(
                "That is the number of spikes of all inputs together. Return the number per input."
            )
        if near(found, (n_in * product - n_steps * n_states * add) / (n_in * add)):
            raise Wrong("An update multiplies, too: it costs multiply + add.")
        raise Wrong(
            f"For {n_in} inputs, {n_steps} steps, {n_states} variables, add {add:.3f} and multiply "
            f"{multiply:.3f} you return {found:.3f} spikes per input; it should be {expected:.3f}."
        )
