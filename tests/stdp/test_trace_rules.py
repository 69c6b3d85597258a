"""Trace rules against closed forms, sums over all pairs and triplets, and published data."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis.stdp.trace_rules import PairSTDP, ThreeFactorSTDP, TripletSTDP, stdp_window

F64 = torch.float64
PAIR = dict(a_plus=0.3, a_minus=0.2, tau_plus=17.0, tau_minus=34.0)


def train(*steps, n_steps=200):
    """One neuron's spikes ``[T, 1, 1]`` at these steps."""
    spikes = torch.zeros(n_steps, 1, 1, dtype=F64)
    spikes[list(steps)] = 1.0
    return spikes


def change(rule, pre, post, weight=0.5, n_steps=200):
    """What two lists of spike steps do to one weight."""
    before = torch.full((1, 1), weight, dtype=F64)
    after, _ = rule.run(train(*pre, n_steps=n_steps), train(*post, n_steps=n_steps), before)
    return after.item() - weight


def random_spikes(n, seed=0, n_steps=120, batch=2, rate=0.1):
    g = torch.Generator().manual_seed(seed)
    return (torch.rand(n_steps, batch, n, generator=g, dtype=F64) < rate).to(F64)


# ---- the window ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dt", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("interaction", ["all", "nearest"])
def test_one_pair_gives_the_window(dt, interaction):
    rule = PairSTDP(**PAIR, dt=dt, interaction=interaction, bounds="none")
    for lag in (-60, -7, -1, 0, 1, 7, 60):
        expected = stdp_window(rule, lag * dt)
        assert change(rule, [100], [100 + lag]) == pytest.approx(float(expected), abs=1e-12)


def test_the_window_is_its_formula():
    rule = PairSTDP(**PAIR)
    assert stdp_window(rule, 10.0) == pytest.approx(0.3 * math.exp(-10 / 17))
    assert stdp_window(rule, -10.0) == pytest.approx(-0.2 * math.exp(-10 / 34))
    assert stdp_window(rule, [[1.0, -1.0]]).shape == (1, 2)


def test_a_pair_within_one_step_is_causal_unless_it_is_ignored():
    for interaction in ("all", "nearest"):
        options = dict(**PAIR, bounds="none", interaction=interaction)
        assert change(PairSTDP(**options), [50], [50]) == pytest.approx(0.3)
        ignored = PairSTDP(**options, same_step="ignored")
        assert change(ignored, [50], [50]) == 0.0
        assert stdp_window(ignored, 0.0) == 0.0
        # Both spikes are in the traces afterwards, whichever way the pair itself was read.
        later = change(ignored, [50, 52], [50])
        assert later == pytest.approx(-0.2 * math.exp(-2 / 34))


def test_soft_bounds_scale_the_window():
    rule = PairSTDP(**PAIR, bounds="soft", w_min=-1.0, w_max=2.0)
    for lag, factor in ((10, 2.0 - 0.5), (-10, 0.5 + 1.0)):
        bare = stdp_window(PairSTDP(**PAIR), lag)
        assert change(rule, [100], [100 + lag]) == pytest.approx(bare * factor)
        assert stdp_window(rule, lag, weight=0.5) == pytest.approx(bare * factor)
    with pytest.raises(ValueError, match="give one"):
        stdp_window(rule, 10.0)


# ---- sums over all pairs and triplets, written out ----------------------------------------------


def brute_pairs(pre, post, rule):
    """The change of ``[n_post, n_pre]`` weights, pair by pair, from lists of spike times."""
    n_steps, batch, n_pre = pre.shape
    total = np.zeros((post.shape[2], n_pre))
    for b in range(batch):
        for j in range(post.shape[2]):
            for i in range(n_pre):
                ins = [t * rule.dt for t in range(n_steps) if pre[t, b, i]]
                outs = [t * rule.dt for t in range(n_steps) if post[t, b, j]]
                together = rule.same_step == "causal"
                for out in outs:
                    earlier = [t for t in ins if t < out or (together and t == out)]
                    for t in earlier[-1:] if rule.interaction == "nearest" else earlier:
                        total[j, i] += rule.a_plus * math.exp((t - out) / rule.tau_plus)
                for t in ins:
                    earlier = [out for out in outs if out < t]
                    for out in earlier[-1:] if rule.interaction == "nearest" else earlier:
                        total[j, i] -= rule.a_minus * math.exp((out - t) / rule.tau_minus)
    return total / batch


@pytest.mark.parametrize("interaction", ["all", "nearest"])
@pytest.mark.parametrize("same_step", ["causal", "ignored"])
def test_pairs_equal_the_sum_over_all_pairs(interaction, same_step):
    rule = PairSTDP(**PAIR, dt=0.5, interaction=interaction, same_step=same_step, bounds="none")
    pre, post = random_spikes(3, seed=1), random_spikes(2, seed=2)
    assert (pre[:, :, :1] * post[:, :, :1]).sum() > 0  # there are pairs within a step
    weight = torch.full((2, 3), 0.5, dtype=F64)
    after, _ = rule.run(pre, post, weight)
    np.testing.assert_allclose(after - weight, brute_pairs(pre, post, rule), atol=1e-12)
    assert (weight == 0.5).all()  # the one given stays as it is


def test_nearest_differs_from_all():
    pre, post = [10, 20], [30]
    nearest = PairSTDP(**PAIR, bounds="none", interaction="nearest")
    every = PairSTDP(**PAIR, bounds="none")
    assert change(nearest, pre, post) == pytest.approx(0.3 * math.exp(-10 / 17))
    assert change(every, pre, post) == pytest.approx(
        0.3 * (math.exp(-10 / 17) + math.exp(-20 / 17))
    )


def brute_triplets(ins, outs, rule):
    """Change of one weight by lists of spike times (ms), sums of eqs. 2-4 written out."""
    near = rule.interaction == "nearest"

    def trace(times, now, tau, own):
        earlier = [t for t in times if t < now or (own and t == now)]
        return sum(math.exp((t - now) / tau) for t in (earlier[-1:] if near else earlier))

    total = 0.0
    for now in outs:
        slow = trace(outs, now, rule.tau_y, own=False)
        r1 = trace(ins, now, rule.tau_plus, own=rule.same_step == "causal")
        total += r1 * (rule.a2_plus + rule.a3_plus * slow)
    for now in ins:
        slow = trace(ins, now, rule.tau_x, own=False)
        o1 = trace(outs, now, rule.tau_minus, own=False)
        total -= o1 * (rule.a2_minus + rule.a3_minus * slow)
    return total


@pytest.mark.parametrize("interaction", ["all", "nearest"])
@pytest.mark.parametrize("same_step", ["causal", "ignored"])
@pytest.mark.parametrize("name", ["visual_cortex", "hippocampus"])
def test_triplets_equal_the_sum_over_all_triplets(name, interaction, same_step):
    options = dict(interaction=interaction, bounds="none", same_step=same_step, dt=0.5)
    rule = TripletSTDP.from_paper(name, **options)
    pre, post = random_spikes(1, seed=3), random_spikes(1, seed=4)
    expected = []
    for b in range(2):
        ins, outs = (x[:, b, 0].nonzero()[:, 0].mul(0.5).tolist() for x in (pre, post))
        expected.append(brute_triplets(ins, outs, rule))
    after, _ = rule.run(pre, post, torch.zeros(1, 1, dtype=F64))
    assert after.item() == pytest.approx(np.mean(expected), abs=1e-12)


def test_triplet_without_triplet_terms_is_the_pair_rule():
    pair = PairSTDP(**PAIR, bounds="soft")
    triplet = TripletSTDP(a2_plus=0.3, a3_plus=0.0, a2_minus=0.2, tau_plus=17.0, tau_minus=34.0,
                          bounds="soft")  # fmt: skip
    pre, post = random_spikes(3, seed=5), random_spikes(2, seed=6)
    weight = torch.full((2, 3), 0.5, dtype=F64)
    torch.testing.assert_close(triplet.run(pre, post, weight)[0], pair.run(pre, post, weight)[0])


# ---- published facts of the triplet rule --------------------------------------------------------

# Sjostrom, Turrigiano & Nelson 2001, as fitted: (t_post - t_pre in ms, Hz) -> (change, its error).
SJOSTROM = {
    (10, 0.1): (-0.04, 0.05), (10, 10): (0.14, 0.10), (10, 20): (0.29, 0.14),
    (10, 40): (0.53, 0.11), (10, 50): (0.56, 0.26),
    (-10, 0.1): (-0.29, 0.08), (-10, 10): (-0.41, 0.11), (-10, 20): (-0.34, 0.10),
    (-10, 40): (0.56, 0.32), (-10, 50): (0.75, 0.19),
}  # fmt: skip


def paired(rule, lag, rate):
    """Change by 60 pairs of one lag at a rate. At 0.1 Hz no pair feels the one before."""
    n, times = (1, 60) if rate < 1 else (60, 1)
    period, first = round(1000 / rate / rule.dt), round(20 / rule.dt)
    lag = round(lag / rule.dt)
    n_steps = (n - 1) * period + 2 * first
    pre, post = torch.zeros(2, n_steps, 1, 1, dtype=F64)
    pre[first::period][:n] = 1.0
    post[first + lag :: period][:n] = 1.0
    return times * rule.run(pre, post, torch.zeros(1, 1, dtype=F64))[0].item()


@pytest.mark.parametrize("interaction", ["all", "nearest"])
@pytest.mark.parametrize("minimal", [False, True])
def test_visual_cortex_sets_fit_the_frequency_dependence(interaction, minimal):
    rule = TripletSTDP.from_paper(
        "visual_cortex", interaction=interaction, minimal=minimal, bounds="none", dt=5.0
    )
    error = [
        ((paired(rule, *protocol) - change) / deviation) ** 2
        for protocol, (change, deviation) in SJOSTROM.items()
    ]
    assert np.mean(error) < 0.4


def test_potentiation_at_high_rates_is_the_triplets_and_no_pair_rule_has_it():
    triplet = TripletSTDP.from_paper("visual_cortex", bounds="none", dt=5.0)
    assert paired(triplet, 10, 0.1) == pytest.approx(0.0, abs=0.02)  # seldom: nothing
    assert paired(triplet, 10, 50) > 0.5  # often: strong
    assert paired(triplet, -10, 10) < -0.25  # the sign turns
    assert paired(triplet, -10, 50) > 0.5
    pair = PairSTDP(a_plus=0.0061, a_minus=0.0071, tau_plus=16.8, tau_minus=33.7, bounds="none",
                    dt=5.0)  # fmt: skip
    assert paired(pair, 10, 50) < paired(pair, 10, 10)


def test_hippocampal_triplets_tell_post_pre_post_from_pre_post_pre():
    # Wang et al. 2005: post-pre-post potentiates, pre-post-pre hardly changes anything.
    for minimal in (False, True):
        rule = TripletSTDP.from_paper("hippocampus", minimal=minimal, bounds="none")
        post_pre_post = change(rule, [50], [45, 55])
        pre_post_pre = change(rule, [45, 55], [50])
        assert post_pre_post > 2 * max(pre_post_pre, 0.0)
        assert post_pre_post > 0.004


# ---- bounds, batches, states --------------------------------------------------------------------


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), bounds=st.sampled_from(["hard", "soft"]))
def test_weights_stay_within_bounds(seed, bounds):
    pre, post = (random_spikes(3, seed=seed + k, rate=0.4).float() for k in (0, 1))
    weight = torch.full((3, 3), 0.3)
    rules = (
        PairSTDP(a_plus=0.1, a_minus=0.12, bounds=bounds, w_min=0.25, w_max=0.7),
        TripletSTDP(a3_plus=0.05, a2_minus=0.05, bounds=bounds, w_min=0.25, w_max=0.7),
    )
    for rule in rules:
        after, _ = rule.run(pre, post, weight)
        assert after.min() >= 0.25
        assert after.max() <= 0.7
        assert not torch.equal(after, weight)


def test_hard_bounds_are_reached_and_soft_ones_are_not():
    pre, post = range(10, 190, 20), range(12, 192, 20)
    hard, soft = (PairSTDP(a_plus=0.3, a_minus=0.0, bounds=b) for b in ("hard", "soft"))
    assert change(hard, pre, post) == pytest.approx(0.5, abs=1e-12)
    assert 0.4 < change(soft, pre, post) < 0.5


def test_a_batch_moves_the_weight_by_the_mean():
    rule = PairSTDP(**PAIR, bounds="none")
    pre, post = random_spikes(3, seed=7, batch=4), random_spikes(2, seed=8, batch=4)
    weight = torch.zeros(2, 3, dtype=F64)
    each = [rule.run(pre[:, [b]], post[:, [b]], weight)[0] for b in range(4)]
    torch.testing.assert_close(rule.run(pre, post, weight)[0], torch.stack(each).mean(0))


@pytest.mark.parametrize(
    "rule", [PairSTDP(**PAIR), TripletSTDP(), TripletSTDP(interaction="nearest")]
)
def test_run_is_its_steps_and_a_state_goes_on(rule):
    pre, post = random_spikes(3, seed=9), random_spikes(2, seed=10)
    start = torch.full((2, 3), 0.5, dtype=F64)
    whole, last = rule.run(pre, post, start)
    half, state = rule.run(pre[:60], post[:60], start)
    torch.testing.assert_close(rule.run(pre[60:], post[60:], half, state)[0], whole)
    assert not torch.allclose(rule.run(pre[60:], post[60:], half)[0], whole)
    weight, state = start, None
    for pre_t, post_t in zip(pre, post, strict=True):
        moved, state = rule.step(pre_t, post_t, weight, state)
        weight = weight + moved
    torch.testing.assert_close(weight, whole)
    for ours, theirs in zip(state, last, strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("w_max", [0.7, 1.0, 3.3])
def test_adding_up_steps_at_the_bounds_is_no_error_in_float32(w_max):
    rule = PairSTDP(a_plus=0.5, a_minus=0.6, w_min=-0.1, w_max=w_max)
    pre, post = random_spikes(50, seed=21).float(), random_spikes(50, seed=22).float()
    weight, state = torch.rand(50, 50, generator=torch.Generator().manual_seed(0)) * 0.6, None
    for pre_t, post_t in zip(pre, post, strict=True):
        moved, state = rule.step(pre_t, post_t, weight, state)
        weight = weight + moved
    assert weight.max() == pytest.approx(w_max, abs=1e-6)
    assert weight.min() == pytest.approx(-0.1, abs=1e-6)


def test_no_gradient_is_recorded_and_nothing_given_is_changed():
    weight = torch.full((1, 1), 0.5, requires_grad=True)
    pre, post = train(10).float(), train(12).float()
    rule = PairSTDP()
    state = rule.initial_state(pre[0], post[0])
    after, _ = rule.run(pre, post, weight, state)
    assert not after.requires_grad
    assert after.item() > 0.5
    assert weight.item() == 0.5
    assert state.pre.item() == 0.0


# ---- three factors ------------------------------------------------------------------------------


def rewarded(rule, rewards, pre=(50,), post=(60,), n_steps=400):
    reward = torch.zeros(n_steps, 1, dtype=F64)
    for step, value in rewards.items():
        reward[step] = value
    spikes = (train(*x, n_steps=n_steps) for x in (pre, post))
    return rule.run(*spikes, reward, torch.full((1, 1), 0.5, dtype=F64))[0].item() - 0.5


def test_reward_writes_in_what_is_left_of_the_pair():
    rule = ThreeFactorSTDP(pair=PairSTDP(**PAIR, dt=0.5), tau_eligibility=40.0)
    mark = 0.3 * math.exp(-5 / 17)  # 10 steps of 0.5 ms
    assert rewarded(rule, {}) == 0.0  # no reward, no change
    assert rewarded(rule, {55: 1.0}) == 0.0  # too early: there is no pair yet
    assert rewarded(rule, {60: 1.0}) == pytest.approx(mark)  # in the pair's own step
    assert rewarded(rule, {140: 1.0}) == pytest.approx(mark * math.exp(-40 / 40))
    assert rewarded(rule, {140: -0.5}) == pytest.approx(-0.5 * mark * math.exp(-1))
    assert rewarded(rule, {100: 1.0}, pre=(60,), post=(50,)) == pytest.approx(
        -0.2 * math.exp(-5 / 34) * math.exp(-20 / 40)
    )


def test_a_lasting_reward_amounts_to_the_same_whatever_the_step():
    for dt, tolerance in ((1.0, 0.02), (0.1, 0.002)):
        pair = PairSTDP(**PAIR, dt=dt)
        rule = ThreeFactorSTDP(pair=pair, tau_eligibility=100.0, tau_reward=20.0)
        pre, post, at = (round(ms / dt) for ms in (5, 15, 35))
        found = rewarded(rule, {at: 1.0}, pre=(pre,), post=(post,), n_steps=round(300 / dt))
        mark = 0.3 * math.exp(-10 / 17) * math.exp(-20 / 100)
        # Integral of exp(-t/20)/20 exp(-t/100): 100 / (100 + 20).
        assert found == pytest.approx(mark * 100 / 120, rel=tolerance)


def test_a_reward_still_acts_on_a_pair_that_comes_later():
    instant = ThreeFactorSTDP(pair=PairSTDP(**PAIR), tau_eligibility=100.0)
    lasting = ThreeFactorSTDP(pair=PairSTDP(**PAIR), tau_eligibility=100.0, tau_reward=50.0)
    assert rewarded(instant, {40: 1.0}) == 0.0
    assert rewarded(lasting, {40: 1.0}) > 0.01


def test_each_sample_has_its_own_reward():
    rule = ThreeFactorSTDP(pair=PairSTDP(**PAIR, bounds="none"), tau_eligibility=50.0)
    pre, post = random_spikes(3, seed=11), random_spikes(2, seed=12)
    g = torch.Generator().manual_seed(0)
    reward = torch.randn(120, 2, generator=g, dtype=F64)
    weight = torch.zeros(2, 3, dtype=F64)
    each = [rule.run(pre[:, [b]], post[:, [b]], reward[:, [b]], weight)[0] for b in range(2)]
    together, last = rule.run(pre, post, reward, weight)
    torch.testing.assert_close(together, torch.stack(each).mean(0))
    half, state = rule.run(pre[:60], post[:60], reward[:60], weight)
    again, state = rule.run(pre[60:], post[60:], reward[60:], half, state)
    torch.testing.assert_close(again, together)
    torch.testing.assert_close(state.eligibility, last.eligibility)


@pytest.mark.parametrize("bounds", ["hard", "soft"])
def test_rewarded_weights_stay_within_bounds(bounds):
    rule = ThreeFactorSTDP(pair=PairSTDP(a_plus=0.2, a_minus=0.1, bounds=bounds, w_max=0.6))
    pre, post = (random_spikes(3, seed=k).float() for k in (13, 14))
    reward = torch.randn(120, 2, generator=torch.Generator().manual_seed(1))
    weight, _ = rule.run(pre, post, 0.2 * reward, torch.full((3, 3), 0.3))
    assert weight.min() >= 0.0
    assert weight.max() <= 0.6
    assert (weight - 0.3).abs().max() > 0.01


# ---- errors -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(tau_plus=0.0), "tau_plus=0.0 ms"),
        (dict(dt=math.nan), "dt=nan ms"),
        (dict(a_minus=-0.1), "a_minus=-0.1 must be at least 0 and finite: it is a size"),
        (dict(interaction="some"), "interaction='some' is not one of all, nearest"),
        (dict(bounds="elastic"), "bounds='elastic'"),
        (dict(same_step="later"), "same_step='later'"),
        (dict(w_min=1.0), "w_min=1.0 must be below w_max=1.0"),
        (dict(w_max=math.nan), "must be below w_max=nan"),
    ],
)
def test_bad_parameters_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        PairSTDP(**options)
    if "a_minus" not in options:
        with pytest.raises(ValueError, match=message):
            TripletSTDP(**options)


def test_bad_parameters_of_the_others_are_named():
    with pytest.raises(ValueError, match=r"a3_plus=-1\.0 must be at least 0 .*: it is a size"):
        TripletSTDP(a3_plus=-1.0)
    with pytest.raises(ValueError, match=r"tau_y=-1\.0 ms"):
        TripletSTDP(tau_y=-1.0)
    with pytest.raises(ValueError, match="names are hippocampus, visual_cortex"):
        TripletSTDP.from_paper("cerebellum")
    with pytest.raises(ValueError, match="tau_eligibility=0 ms"):
        ThreeFactorSTDP(tau_eligibility=0)
    with pytest.raises(ValueError, match="tau_reward=nan ms"):
        ThreeFactorSTDP(tau_reward=math.nan)


def test_bad_spikes_and_weights_are_named():
    rule = PairSTDP()
    pre, post, weight = torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(4, 3)
    rule.step(pre, post, weight)
    for bad, message in (
        ((pre[0], post, weight), r"pre must be \[B, n_pre\]; got shape \(3,\)"),
        ((pre, post[:1], weight), r"post must be \[B=2, n_post\]; got shape \(1, 4\)"),
        ((pre, post, weight.T), r"weight must be \[n_post=4, n_pre=3\]; got shape \(3, 4\)"),
        ((pre, post * math.nan, weight), "post must be finite; got NaN"),
        ((pre, post, weight + math.inf), "weight must be finite; got inf"),
        ((pre, post, weight - 0.1), r"weight spans \[-0.1, -0.1\], not within"),
    ):
        with pytest.raises(ValueError, match=message):
            rule.step(*bad)
    with pytest.raises(
        TypeError, match=r"pre must be a floating-point tensor .*, not torch.bool: try \.float\(\)"
    ):
        rule.step(pre > 0, post, weight)
    with pytest.raises(ValueError, match=r"pre must be \[T, B, n_pre\]; got shape \(2, 3\)"):
        rule.run(pre, post, weight)
    with pytest.raises(
        ValueError, match=r"post must be \[T=5, B=2, n_post\]; got shape \(6, 2, 4\)"
    ):
        rule.run(torch.zeros(5, 2, 3), torch.zeros(6, 2, 4), weight)
    with pytest.raises(ValueError, match=r"state.pre is \(5, 3\), but these spikes need \(2, 3\)"):
        rule.step(pre, post, weight, rule.initial_state(torch.zeros(5, 3), torch.zeros(5, 4)))


def test_bad_rewards_are_named():
    rule = ThreeFactorSTDP()
    pre, post, weight = torch.zeros(2, 3), torch.zeros(2, 4), torch.zeros(4, 3)
    rule.step(pre, post, torch.zeros(2), weight)
    with pytest.raises(ValueError, match=r"reward must be \[B=2\]; got shape \(2, 1\)"):
        rule.step(pre, post, torch.zeros(2, 1), weight)
    with pytest.raises(ValueError, match="reward must be finite; got NaN"):
        rule.step(pre, post, torch.full((2,), math.nan), weight)
    with pytest.raises(TypeError, match="not float"):
        rule.step(pre, post, 1.0, weight)
    state = rule.initial_state(torch.zeros(3, 3), torch.zeros(3, 4))
    with pytest.raises(ValueError, match="pass state=None"):
        rule.step(pre, post, torch.zeros(2), weight, state)


def test_no_steps_change_nothing():
    weight = torch.full((4, 3), 0.5)
    pre, post = torch.zeros(0, 2, 3), torch.zeros(0, 2, 4)
    assert torch.equal(PairSTDP().run(pre, post, weight)[0], weight)
    assert torch.equal(ThreeFactorSTDP().run(pre, post, torch.zeros(0, 2), weight)[0], weight)
