"""The task with reward: what its trials hold, and what can and cannot be learned from them."""

import pytest
import torch

from jarvis.classroom.two_choices import GOAL, PAIR, session, trial
from jarvis.stdp.trace_rules import ThreeFactorSTDP


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_each_stimulus_has_inputs_of_its_own_at_60_hz():
    stimulus = torch.arange(4).repeat_interleave(50)
    pre, post = trial(stimulus, torch.full((2, 40), 0.5), generator())
    counts = pre.sum(0).view(4, 50, 4, 10).mean((1, 3))  # spikes of an input in 100 ms
    assert torch.equal(counts > 0, torch.eye(4) > 0)
    assert counts.diagonal().mean().item() == pytest.approx(6.0, rel=0.05)
    assert pre[20:].sum() == post[20:].sum() == 0  # 100 ms of silence
    rates = post.sum(0).view(4, 50, 2).mean((0, 1))
    assert rates.min() > 0.8 * rates.max()  # equal weights excite both neurons alike


def test_the_stronger_synapses_decide():
    weight = torch.full((2, 40), 0.5)
    weight[0, :10], weight[1, :10] = 1.0, 0.2
    _, post = trial(torch.zeros(200, dtype=torch.long), weight, generator())
    left, right = post.sum((0, 1)).tolist()
    assert left > 3 * right


def test_sessions_are_reproducible_and_differ_by_seed():
    first, w = session(PAIR, seed=3, n_blocks=3)
    again, v = session(PAIR, seed=3, n_blocks=3)
    other, _ = session(PAIR, seed=4, n_blocks=3)
    assert torch.equal(w, v)
    assert first.tolist() == again.tolist() != other.tolist()


def test_a_pair_rule_learns_the_same_whatever_is_right():
    accuracy, w = session(PAIR, seed=0, n_blocks=30)
    swapped, v = session(PAIR, seed=0, n_blocks=30, swap_at=0)
    assert torch.equal(w, v)
    assert (accuracy + swapped).tolist() == pytest.approx([1.0] * 30)
    assert w.min() > 0.9


def test_the_prediction_error_teaches_the_goal():
    told = []

    def signal(correct, expected):
        told.append((correct.shape, expected))
        return correct - expected

    rule = ThreeFactorSTDP(pair=PAIR, tau_eligibility=500.0)
    accuracy, w = session(rule, signal, seed=0, n_blocks=40)
    assert accuracy[:2].mean() < 0.75 < 0.85 < accuracy[-10:].mean()
    assert torch.equal(w.view(2, 4, 10).mean(2).argmax(0), GOAL)
    assert told[0] == ((16,), 0.5)
    assert told[1][1] == pytest.approx(0.5 + 0.1 * (accuracy[0] - 0.5))


def test_wrong_arguments():
    with pytest.raises(ValueError, match="trial: weight"):
        trial(torch.tensor([0]), torch.zeros(2, 10))
    with pytest.raises(TypeError, match="needs a signal"):
        session(ThreeFactorSTDP(pair=PAIR), seed=0)
    with pytest.raises(ValueError, match="n_blocks=0"):
        session(PAIR, seed=0, n_blocks=0)
