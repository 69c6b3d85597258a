"""Lesson 703's checks: right answers pass, and each mistake is told by its name."""

import math

import numpy as np
import pytest
import torch
from numba import njit

from jarvis.classroom.check import time_loops as check
from jarvis.neurons import exp_decay

SEEDS = range(2)


def zero_reset(x, decay, slip=""):
    """The loop on arrays, with one slip."""
    s, h, v = np.empty_like(x), np.empty_like(x), np.zeros_like(x[0])
    if slip == "notebook":
        decay = exp_decay(20.0, 1.0)
    for t in range(len(x)):
        for n in range(len(v)):
            p = decay * v[0 if slip == "one lane" else n] + x[t, n]
            s[t, n] = p > 1 if slip == "greater" else p >= 1
            after = p * (1 - s[t, n])
            if slip == "subtract":
                after = p - s[t, n]
            if slip == "none":
                after = p
            v[0 if slip == "one lane" else n] = after
            h[t, n] = after if slip == "after" else p
    return s, h


@njit(error_model="numpy")
def compiled(x, decay):
    s, h, v = np.empty_like(x), np.empty_like(x), np.zeros_like(x[0])
    one = decay / decay
    for t in range(len(x)):
        for n in range(len(v)):
            p = decay * v[n] + x[t, n]
            spike = one if p >= one else one - one
            h[t, n], s[t, n], v[n] = p, spike, p * (one - spike)
    return s, h


def steps_for(ratio):
    return math.ceil((40 * ratio - 32) / 8)


def kept_bytes(run):
    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = run()
    return result, sum(kept.values())


def in_pieces(layer, x, g, length, carry=True, detach=True, most=max):
    x = x.detach().requires_grad_()
    state, spikes, every = None, [], []
    for x_piece, g_piece in zip(x.split(length), g.split(length), strict=True):
        (s, after), kept = kept_bytes(lambda p=x_piece, before=state: layer(p, before))
        s.backward(g_piece)
        state = (after.detach() if detach else after) if carry else None
        spikes.append(s.detach())
        every.append(kept)
    return torch.cat(spikes), x.grad, most(every)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.zero_reset(zero_reset, seed=seed)
    assert check.zero_reset(compiled, seed=seed)
    assert check.kept_per_element(lambda itemsize: 2 * itemsize, seed=seed)
    assert check.steps_for(steps_for, seed=seed)
    assert check.in_pieces(in_pieces, seed=seed)


@pytest.mark.parametrize(
    ("slip", "words"),
    [
        ("subtract", "still subtracts 1"),
        ("none", "v is not reset"),
        ("greater", "At exactly h = 1 your neuron is silent"),
        ("one lane", "All lanes share one v"),
        ("after", "Your h is from after the reset"),
        ("notebook", "the one for tau = 20 ms"),
    ],
)
def test_zero_reset(slip, words):
    for seed in SEEDS:
        answer = check.zero_reset(lambda x, decay: zero_reset(x, decay, slip), seed=seed)
        assert words in answer.words


def doubles(x, decay):
    return zero_reset(x.astype(float), decay)


def shifted(x, decay):
    s, h = zero_reset(x, decay)
    h[17:, 2] += 0.01
    return s, h


def other_spikes(x, decay):
    s, h = zero_reset(x, decay)
    s[23, 4] = 1 - s[23, 4]
    return s, h


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (doubles, "x is float32 and your s is float64"),
        (shifted, "h should be the potential before"),
        (other_spikes, "Your result is right before step 23. There, in lane 4"),
        (lambda x, decay: zero_reset(x, decay)[0], "should return two arrays"),
        (lambda x, decay: (x[0], x), "s should have the shape (60, 7)"),
        (lambda x, decay: (x, x * np.nan), "NaN"),
    ],
)
def test_zero_reset_otherwise_wrong(answer, words):
    assert words in check.zero_reset(answer, seed=2).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda size: size, "h alone"),
        (lambda size: size + 1, "A byte would be enough"),
        (lambda size: size + 1 / 8, "A bit would be enough"),
        (lambda size: 3 * size, "one tensor too many"),
        (lambda size: 8, "use the argument"),
        (lambda size: 5 * size, "autograd keeps"),
    ],
)
def test_kept_per_element(answer, words):
    for seed in SEEDS:
        assert words in check.kept_per_element(answer, seed=seed).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda ratio: steps_for(ratio) - 1, "one step too few"),
        (lambda ratio: (40 * ratio - 32) / 8, "a whole number of steps"),
        (lambda ratio: math.ceil(5 * ratio), "You left out c"),
        (lambda ratio: math.ceil(5 * ratio + 4), "on the wrong side"),
        (lambda ratio: 46, "right only for ratio = 10"),
        (lambda ratio: math.ceil(8 * ratio), "about 40 bytes, not 8"),
        (lambda ratio: math.ceil(ratio), "about 40 bytes, not 8"),
        (lambda ratio: 1000, "With that many steps x[t] writes 20"),
    ],
)
def test_steps_for(answer, words):
    for seed in SEEDS:
        assert words in check.steps_for(answer, seed=seed).words


def whole(layer, x, g, length):
    return in_pieces(layer, x, g, len(x))


def without_the_last(*given):
    spikes, gradient, most = in_pieces(*given)
    gradient[-given[3] :] = 0
    return spikes, gradient, most


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: in_pieces(*given, carry=False), "starts at rest"),
        (lambda *given: in_pieces(*given, detach=False), "pass state.detach()"),
        (lambda *given: in_pieces(*given, most=sum), "the sum over all pieces"),
        (lambda *given: in_pieces(*given, most=lambda each: 7), "One piece keeps"),
        (whole, "nothing is cut yet"),
        (without_the_last, "differs from that of the pieces in"),
        (lambda *given: (1 - in_pieces(*given)[0], *in_pieces(*given)[1:]), "spikes differ"),
        (lambda *given: in_pieces(*given)[:2], "should return three"),
        (lambda layer, x, g, length: in_pieces(layer, x[1:], g[1:], length), "spikes should have"),
        (lambda layer, x, g, length: layer(x, 3), "raised"),
    ],
)
def test_in_pieces(answer, words):
    for seed in SEEDS:
        assert words in check.in_pieces(answer, seed=seed).words
