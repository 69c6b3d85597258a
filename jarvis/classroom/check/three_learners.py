"""Checks of notebook 11: additions, additions until a decision, break-even, and pruning."""

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
        raise Wrong(
            f"You return one number. Each of the {n_samples} samples has a count of its own."
        )
    return array(value, (n_samples,), "The additions")


@exercise(1, "follow a single spike: at how many synapses of its sender is something added?")
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
                "You count all synapses of a spike, pruned ones too. A weight of 0 is no synapse: "
                "nothing is added there."
            )
        if np.allclose(found, (fired @ weights.numpy()).sum(1), atol=1e-3):
            raise Wrong("You add up the weights. Count how often one is added: weights != 0.")
        if np.array_equal(found, fired @ (weights > 0).sum(1).numpy()):
            raise Wrong("You count only positive weights. A negative one is added, too.")
        if np.array_equal(found, fired.sum(1)):
            raise Wrong(
                "Those are the spikes. Each causes an addition at every synapse that it reaches."
            )
        if np.array_equal(found, (spikes.numpy().any(0) @ exist)):
            raise Wrong(
                "You count a neuron that fires several times once: each of its spikes is sent."
            )
        if np.allclose(found, fired.mean(1) * exist.sum(), rtol=1e-4):
            raise Wrong(
                "Mean spikes times all synapses is right only if all neurons have equally many. "
                "Sum neuron by neuron."
            )
        k = int(np.argmax(found != expected))
        raise Wrong(
            f"In sample {k} the senders fire {fired[k].astype(int).tolist()} times and have "
            f"{exist.tolist()} synapses: {expected[k]} additions. You return {found[k]:g}."
        )


@exercise(2, "when is each sample decided? What if no output fires, or an input never?")
def additions_until(answer, rng) -> None:
    """`additions_until(sent [B, n], out [B, C], weights [n, m]) -> [B]`."""
    for _ in range(3):
        samples, n, m, classes = (int(k) for k in rng.integers((4, 8, 5, 3), (7, 12, 9, 6)))
        sent = torch.tensor(rng.uniform(0, 6, (samples, n)), dtype=torch.float32)
        sent[torch.tensor(rng.random((samples, n)) < 0.2)] = math.inf
        out = torch.tensor(rng.uniform(1.5, 6, (samples, classes)), dtype=torch.float32)
        out[torch.tensor(rng.random((samples, classes)) < 0.3)] = math.inf
        out[0], out[1, 0] = math.inf, 3.0  # no decision; a decision in time
        out[1, 1:] = 5.0
        # One input never fires; one fires with the decision, one after it, one after all outputs.
        sent[0, -2], sent[1, -1], sent[1, -2], sent[1, -3] = math.inf, 3.0, 4.0, 5.5
        weights = _weights(rng, n, m)
        found = _counts(answer(sent, out, weights), samples)
        exist = (weights != 0).sum(1).numpy()
        end = out.numpy().min(1, keepdims=True)
        finite = np.isfinite(sent.numpy())
        expected = ((sent.numpy() <= end) & finite) @ exist
        if np.array_equal(found, expected):
            continue
        if np.array_equal(found, (sent.numpy() <= end) @ exist):
            raise Wrong(
                "Where no output fires the decision is at infinity, and inf <= inf is true: you "
                "count inputs that never fire. Ask for finite times, too."
            )
        if np.array_equal(found, finite @ exist):
            raise Wrong("You count all spikes: those after the decision too. Compare with out.")
        if np.array_equal(found, (sent.numpy() < end) @ exist):
            raise Wrong("A spike at the very time of the decision was sent: <=, not <.")
        none = np.isinf(end[:, 0])
        if np.array_equal(found[~none], expected[~none]) and not found[none].any():
            raise Wrong(
                "Where no output fires you count nothing. There the network received all spikes."
            )
        last = np.where(np.isfinite(out.numpy()), out.numpy(), -math.inf).max(1, keepdims=True)
        for late in (
            last,
            np.where(none[:, None], math.inf, last),
            out.numpy().max(1, keepdims=True),
        ):
            if np.array_equal(found, ((sent.numpy() <= late) & finite) @ exist):
                raise Wrong(
                    "You wait for the last output. The first one decides: the smallest time."
                )
        if np.array_equal(found, m * ((sent.numpy() <= end) & finite).sum(1)):
            raise Wrong(
                "The spikes are right, but a weight of 0 is no synapse: count weights != 0."
            )
        if np.array_equal(found, ((sent.numpy() <= end.min()) & finite) @ exist):
            raise Wrong("You take one decision for the whole batch: the smallest time of each row.")
        k = int(np.argmax(found != expected))
        raise Wrong(
            f"Sample {k} is decided at {end[k, 0]:.2f} ms. The spikes until then cause "
            f"{expected[k]} additions. You return {found[k]:g}."
        )


@exercise(3, "what does one neuron cost in each layer? The unknown is r spikes per input.")
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
            raise Wrong(f"With {n_steps} steps the updates alone cost more: 0, not {found:.3f}.")
        if near(found, product / add):
            raise Wrong(
                "That forgets the updates: each step costs each neuron something, spike or not."
            )
        if near(found, multiply / add) or near(found, multiply / add * (1 - cost)):
            raise Wrong("A multiply-add is a multiplication and an addition: multiply + add.")
        if near(found, product / add * (1 - n_steps / n_in)):
            raise Wrong("That is right for one state variable per neuron. Here there are n_states.")
        if near(found, product / add * (1 - cost) / n_steps):
            raise Wrong("That is spikes per step. The question is how many in total.")
        if near(found, product / add * (1 - cost) * n_in):
            raise Wrong(
                "That is the number of spikes of all inputs together. Return that of each input."
            )
        if near(found, (n_in * product - n_steps * n_states * add) / (n_in * add)):
            raise Wrong("An update multiplies, too: it costs multiply + add.")
        raise Wrong(
            f"For {n_in} inputs, {n_steps} steps, {n_states} variables, add {add:.3f} and multiply "
            f"{multiply:.3f} you return {found:.3f} spikes per input; it should be {expected:.3f}."
        )


@exercise(4, "a share says how many weights go: which are the nearest to 0 of the whole tensor?")
def prune(answer, rng) -> None:
    """`prune(weights, share) -> a copy with the smallest of them set to 0`."""
    shapes = (int(rng.integers(4, 9)), int(rng.integers(4, 9))), (3, 2, 4, 4), (10, 7)
    for shape, rest in zip(shapes, (0.0, 0.3, 0.7), strict=True):  # the last two are rounded
        size = math.prod(shape)
        weights = rng.permutation(np.concatenate([-np.arange(1, size // 2 + 1),
                                                  np.arange(size // 2 + 1, size + 1)]))  # fmt: skip
        weights = torch.tensor(weights / (1.5 * size), dtype=torch.float32).reshape(shape)
        whole = int(rng.integers(size // 4, size // 3))
        share, gone = (whole + rest) / size, whole + round(rest)
        found = array(answer(weights, share), shape, "The pruned weights").astype(np.float32)
        w = weights.numpy()

        def only(keep, w=w):
            return np.where(keep, w, 0.0)

        def rank(x, shape=shape):
            return np.argsort(np.argsort(x, axis=None)).reshape(shape)

        if np.allclose(found, only(rank(abs(w)) >= gone)):
            continue
        if np.array_equal(found, w):
            raise Wrong(f"Nothing was pruned. A share of {share:.2f} of {size} weights is {gone}.")
        if np.allclose(found, only(rank(w) >= gone)):
            raise Wrong("You prune the most negative weights. They are large: rank by abs().")
        if np.allclose(found, only(rank(abs(w)) < size - gone)):
            raise Wrong("You prune the largest weights. Prune the smallest in absolute value.")
        if np.allclose(found, only(rank(abs(w)) >= size - gone)):
            raise Wrong("You keep that share and prune the rest. It is the share to prune.")
        if np.allclose(found, only(abs(w) >= share)):
            raise Wrong(
                "You use the share as a threshold on the weights. It is a fraction of their number."
            )
        zeros = int((found == 0).sum())
        if not np.allclose(found[found != 0], w[found != 0]):
            raise Wrong("The remaining weights have changed. They should stay as they were.")
        if zeros != gone:
            about = ""
            if abs(zeros - share * size) < 1:
                cut = "up" if zeros > gone else "down"
                about = f" You round {share * size:.1f} {cut}; take the nearest whole number."
            raise Wrong(
                f"{zeros} of {size} weights are 0; a share of {share:.3f} is {gone}.{about}"
            )
        row = np.argmax(found != only(rank(abs(w)) >= gone))
        raise Wrong(
            f"The number of pruned weights is right, the choice is not: look at weight {row}, "
            f"{w.flatten()[row]:g}. All weights are ranked together, not row by row."
        )
