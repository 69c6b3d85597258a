"""Reward-modulated STDP against its equations, stimulus by stimulus."""

import math

import pytest
import torch

from jarvis import Events
from jarvis.stdp.order_rule import STDPConfig
from jarvis.stdp.reward import RewardRates, RewardSTDP
from tests.reference_stdp import drive


def stimuli(n=40, seed=0, shape=(2, 6, 5), rate=0.1):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand((4, n, *shape), generator=generator) < rate).float()


def by_hand(frames, labels, weight, rates, per_class, stdp):
    """Decisions and weights, one stimulus after another, all maps taking part."""
    weight, decisions = weight.clone(), []
    for b in range(frames.shape[1]):
        v = drive(frames[:, b].sum(0)[None].to(weight.dtype), weight)[0]
        m, y, x = torch.unravel_index(v.argmax(), v.shape)
        decisions.append(int(m) // per_class)
        k = weight.shape[-1]
        padded = torch.zeros(len(frames[0, b]), v.shape[1] + 2 * k, v.shape[2] + 2 * k)
        padded[:, k : k + v.shape[1], k : k + v.shape[2]] = frames[:, b].amax(0)
        top, left = int(y) + k - k // 2, int(x) + k - k // 2
        fired = padded[:, top : top + k, left : left + k] > 0
        w = weight[m]
        right = decisions[-1] == labels[b]
        early, late = (rates.a_plus, -rates.a_minus) if right else (-rates.b_minus, rates.b_plus)
        step = fired.double() * (early - late) + late
        if stdp.bounds == "soft":
            step = step * (w - stdp.w_min) * (stdp.w_max - w)
        weight[m] = (w + step).clamp(stdp.w_min, stdp.w_max)
    return decisions, weight


@pytest.mark.parametrize("bounds", ["hard", "soft"])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_decisions_and_weights_are_those_of_the_equations(size, bounds):
    x, rates = stimuli(), RewardRates(0.2, 0.1, 0.15, 0.05)
    generator = torch.Generator().manual_seed(3)
    stdp = STDPConfig(bounds=bounds, w_min=0.1, w_max=0.9, init_mean=0.5, init_std=0.2)
    layer = RewardSTDP(
        2, 3, 2, size, rates, dropout=0.0, adapt_every=0, stdp=stdp, generator=generator
    ).double()
    labels = torch.randint(3, (40,), generator=generator)
    decisions, weight = by_hand(x, labels, layer.weight, rates, 2, stdp)
    found = layer.learn_rewarded(Events.from_dense(x), labels)
    assert found.tolist() == decisions
    torch.testing.assert_close(layer.weight, weight, rtol=0, atol=1e-12)
    assert len(set(decisions)) > 1


def test_dropped_maps_neither_decide_nor_learn():
    layer = RewardSTDP(2, 2, 4, 3, dropout=0.9, generator=torch.Generator().manual_seed(0))
    before, generator = layer.weight.clone(), torch.Generator().manual_seed(1)
    draws = torch.rand((1, 8), generator=torch.Generator().manual_seed(1))
    layer.learn_rewarded(Events.from_dense(stimuli(1)), torch.zeros(1).long(), generator=generator)
    changed = (layer.weight != before).flatten(1).any(1)
    assert changed.sum() <= 1
    assert not changed[draws[0] < 0.9].any()


def test_the_share_of_errors_is_that_of_the_last_stimuli():
    layer = RewardSTDP(2, 2, 3, 3, adapt_every=20, generator=torch.Generator().manual_seed(0))
    x, labels = Events.from_dense(stimuli()), torch.zeros(40, dtype=torch.int64)
    first = layer.learn_rewarded(x[:20], labels[:20])
    assert layer.error_rate == pytest.approx((first != 0).float().mean().item())
    rate = layer.error_rate.clone()
    layer.learn_rewarded(x[20:35], labels[20:35])
    assert layer.error_rate == rate  # 15 of 20: not yet


def test_who_hears_nothing_decides_nothing():
    silent = Events.from_dense(torch.zeros(4, 2, 1, 3, 3))
    layer = RewardSTDP(1, 2, 1, 1, dropout=0.0)
    assert layer.decide(silent).tolist() == [-1, -1]
    assert layer.learn_rewarded(silent, torch.tensor([0, 1])).tolist() == [-1, -1]


def test_rates_follow_the_errors():
    layer = RewardSTDP(1, 2, 1, 1, adapt_every=10, least=0.2, span=0.5)
    layer.error_rate.fill_(0.0)
    assert layer.scaled_rates().a_plus == pytest.approx(0.2 * 0.004)
    assert layer.scaled_rates().b_minus == pytest.approx(0.7 * 0.004)
    layer.error_rate.fill_(1.0)
    assert layer.scaled_rates().a_plus == pytest.approx(0.7 * 0.004)


def test_two_calls_are_one():
    x, labels = Events.from_dense(stimuli()), torch.arange(40) % 2
    layers = [
        RewardSTDP(2, 2, 3, 3, adapt_every=10, generator=torch.Generator().manual_seed(0))
        for _ in range(2)
    ]
    one, two = layers
    g = [torch.Generator().manual_seed(1) for _ in range(2)]
    whole = one.learn_rewarded(x, labels, generator=g[0])
    spans = (slice(13), slice(13, 14), slice(14, 40))  # not where the rates are set anew
    parts = [two.learn_rewarded(x[p], labels[p], generator=g[1]) for p in spans]
    assert torch.equal(whole, torch.cat(parts))
    for name, part in one.state_dict().items():
        assert torch.equal(part, two.state_dict()[name]), name


def test_it_learns_what_reward_tells_and_nothing_without_it():
    """Two patterns; which class each is, only the reward says."""
    generator = torch.Generator().manual_seed(0)
    patterns = (torch.rand(2, 1, 6, 6, generator=generator) < 0.4).float()
    kinds = torch.randint(2, (600,), generator=generator)
    x = Events.from_dense(patterns[kinds][None])
    for flip in (0, 1):
        layer = RewardSTDP(
            1, 2, 2, 5, RewardRates(0.1, 0.08, 0.1, 0.02), dropout=0.0, generator=generator
        )
        decided = layer.learn_rewarded(x, kinds ^ flip, generator=generator)
        assert (decided[-200:] == (kinds ^ flip)[-200:]).float().mean() > 0.95
        assert torch.equal(layer.decide(x), kinds ^ flip)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: RewardSTDP(1, 0, 1, 1), "n_classes"),
        (lambda: RewardSTDP(1, 2, 1, 1, dropout=1.0), "dropout"),
        (lambda: RewardSTDP(1, 2, 1, 1, adapt_every=-1), "adapt_every"),
        (lambda: RewardSTDP(1, 2, 1, 1, stdp=STDPConfig(w_min=-1.0)), "w_min"),
        (
            lambda: RewardSTDP(2, 2, 1, 1).learn_rewarded(
                Events.from_dense(stimuli(2)), torch.tensor([0, 1]), torch.tensor([-1])
            ),
            "order",
        ),
        (lambda: RewardSTDP(1, 2, 1, 1, RewardRates(-1.0)), r"rates\.a_plus=-1\.0"),
        (
            lambda: RewardSTDP(1, 2, 1, 1, RewardRates(1.0, 1.0, 1.0, math.nan)),
            r"rates\.b_plus=nan",
        ),
        (lambda: RewardSTDP(1, 2, 0, 1), "maps_per_class=0"),
        (
            lambda: RewardSTDP(2, 2, 1, 1).learn_rewarded(
                Events.from_dense(stimuli(3)), torch.tensor([0, 1])
            ),
            "labels",
        ),
        (
            lambda: RewardSTDP(2, 2, 1, 1).learn_rewarded(
                Events.from_dense(stimuli(2)), torch.tensor([0, 2])
            ),
            "labels must lie",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
