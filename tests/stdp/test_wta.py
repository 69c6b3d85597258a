"""Winner-take-all against a definition by brute force, and homeostasis against its closed form."""

import itertools
import math

import pytest
import torch

from jarvis.stdp.wta import (
    WTAConfig,
    WTAInhibition,
    WTAMode,
    adapt_thresholds,
    pick_winners,
    revive,
)

T = 6


def brute_force(steps, potentials, config):
    """Look at all neurons for each winner anew, and ask each earlier winner for its veto."""
    winners = []
    places = list(itertools.product(*(range(n) for n in steps.shape)))
    while config.n_winners is None or len(winners) < config.n_winners:
        best = None
        for m, y, x in places:
            step, v = int(steps[m, y, x]), float(potentials[m, y, x])
            if step >= T:
                continue
            barred = False
            for _, m2, y2, x2 in winners:
                near = max(abs(y - y2), abs(x - x2)) <= config.local_radius
                if config.mode is WTAMode.GLOBAL:
                    barred |= m == m2
                elif config.mode is WTAMode.LOCAL:
                    barred |= near
                else:
                    barred |= m == m2 or near
            key = (step, -v, m, y, x)
            if not barred and (best is None or key < best):
                best = key
        if best is None:
            break
        winners.append((best[0], *best[2:]))
    return winners


def contest(seed, shape=(4, 7, 8)):
    """First spikes and potentials with many ties."""
    g = torch.Generator().manual_seed(seed)
    steps = torch.randint(0, T + 3, shape, generator=g)
    return steps, torch.randint(1, 4, shape, generator=g) / 2


@pytest.mark.parametrize("mode", list(WTAMode))
@pytest.mark.parametrize(("radius", "n_winners"), [(0, None), (1, 3), (2, None), (9, 5)])
def test_winners_are_those_of_the_definition(mode, radius, n_winners):
    config = WTAConfig(mode=mode, local_radius=radius, n_winners=n_winners)
    for seed in range(5):
        steps, potentials = contest(seed)
        found = pick_winners(steps, potentials, config, T)
        assert found == brute_force(steps, potentials, config)
        assert found


def test_ties_go_by_step_then_potential_then_map_then_row_then_column():
    config = WTAConfig(mode="local", local_radius=0)
    steps = torch.zeros(2, 2, 2, dtype=torch.int64)
    v = torch.ones(2, 2, 2)
    steps[0, 0, 0] = 1
    v[1, 1, 1] = 2.0
    order = [w[1:] for w in pick_winners(steps, v, config, T)]
    # (1, 1, 1) bars (0, 1, 1); then map 0 in the order of rows; (0, 0, 0) is late: (1, 0, 0) wins.
    assert order == [(1, 1, 1), (0, 0, 1), (0, 1, 0), (1, 0, 0)]


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("global", [(0, 2), (1, 3)]),
        ("local", [(0, 2), (0, 8), (1, 6)]),
        ("both", [(0, 2), (1, 6)]),
    ],
)
def test_whom_a_winner_inhibits(mode, expected):
    steps = torch.full((2, 1, 9), T)
    steps[0, 0, [2, 8]] = torch.tensor([0, 1])
    steps[1, 0, [3, 6]] = torch.tensor([2, 3])
    config = WTAConfig(mode=mode, local_radius=1)
    found = pick_winners(steps, torch.ones(2, 1, 9), config, T)
    assert [(w.map, w.x) for w in found] == expected


@pytest.mark.parametrize("mode", list(WTAMode))
@pytest.mark.parametrize("n_winners", [None, 3])
@pytest.mark.parametrize("batched", [False, True])
def test_step_by_step_the_winners_are_the_same(mode, n_winners, batched):
    config = WTAConfig(mode=mode, n_winners=n_winners, theta_rest=0.5, theta_plus=0.0)
    wta = WTAInhibition(config, n_channels=4, spatial_shape=(7, 8))
    for seed in range(3):
        steps, potentials = contest(seed)
        seen = []
        for t in range(T):
            spikes = (steps == t).float()
            shape = (1, *spikes.shape) if batched else spikes.shape
            filtered, mask = wta(spikes.view(shape), potentials.view(shape))
            assert mask.dtype == torch.bool
            assert torch.equal(filtered, mask.float())
            seen += [(t, *place) for place in mask.view(spikes.shape).nonzero().tolist()]
        expected = brute_force(steps, potentials, config)
        assert wta.winners == expected
        assert sorted(seen) == sorted(expected)
        wta.new_stimulus()
        assert wta.winners == []


def run_one(wta, maps, v=100.0):
    """A stimulus in which the maps fire far from each other."""
    spikes = torch.zeros(wta.shape)
    for m in maps:
        spikes[m, 0, 5 * m] = 1.0
    wta(spikes, v * spikes)
    wta.new_stimulus()


def test_thresholds_rise_with_wins_and_decay_to_rest():
    config = WTAConfig(theta_rest=2.0, theta_plus=0.5, tau_theta=10.0, theta_max=50.0)
    wta = WTAInhibition(config, n_channels=3, spatial_shape=(1, 20))
    for _ in range(4):
        run_one(wta, [1])
    q = math.exp(-0.1)
    expected = 2.0 + 0.5 * (1 + q + q**2 + q**3)
    assert wta.thresholds.tolist() == pytest.approx([2.0, expected, 2.0])
    for _ in range(30):
        run_one(wta, [0])
    assert wta.thresholds[1].item() == pytest.approx(2.0 + (expected - 2.0) * math.exp(-3.0))
    assert wta.wins.tolist() == [30, 4, 0]
    wta.reset()
    assert wta.thresholds.tolist() == [2.0] * 3
    assert wta.wins.tolist() == [0, 0, 0]


def test_thresholds_count_each_win_of_a_stimulus_and_have_a_ceiling():
    config = WTAConfig(theta_rest=1.0, theta_plus=2.0, theta_max=6.0, tau_theta=1e9)
    thresholds = adapt_thresholds(torch.tensor([1.0, 1.0, 1.0]), torch.tensor([0, 2, 3]), config)
    assert thresholds.tolist() == pytest.approx([1.0, 5.0, 6.0])


def test_a_spike_below_its_maps_threshold_does_not_compete():
    config = WTAConfig(theta_rest=2.0, theta_plus=1.0)
    wta = WTAInhibition(config, n_channels=2, spatial_shape=(1, 8))
    run_one(wta, [0])
    spikes = torch.zeros(2, 1, 8)
    spikes[:, 0, [1, 6]] = 1.0
    _, mask = wta(spikes, 2.5 * spikes)  # map 0 is at 3 now, map 1 at 2
    assert mask.nonzero().tolist() == [[1, 0, 1]]
    config = WTAConfig(theta_rest=2.0, theta_plus=1.0, enable_homeostasis=False)
    wta = WTAInhibition(config, n_channels=2, spatial_shape=(1, 8))
    run_one(wta, [0])
    assert wta.thresholds.tolist() == [2.0, 2.0]
    assert wta(spikes, 0.1 * spikes)[1].sum() == 2


def test_a_stimulus_that_was_not_shown_does_not_count():
    wta = WTAInhibition(WTAConfig(tau_theta=1.0), n_channels=2, spatial_shape=(1, 8))
    run_one(wta, [1])
    before = wta.thresholds.clone()
    wta.new_stimulus()
    assert torch.equal(wta.thresholds, before)


def test_dead_maps_get_noise_and_the_others_none():
    config = WTAConfig(dead_after=10, dead_share=0.2, revival_std=0.1)
    wta = WTAInhibition(config, n_channels=4, spatial_shape=(1, 20))
    weight = torch.full((4, 1, 40, 40), 0.5)
    g = torch.Generator().manual_seed(0)
    for i in range(9):
        run_one(wta, [0, 1] if i < 2 else [0, 2] if i < 3 else [0])
        assert wta.revive_dead(weight, g) == []
    run_one(wta, [0])
    assert wta.revive_dead(weight, g) == [2, 3]  # 1 and 0 wins: fewer than 0.2 * 10
    assert (weight[:2] == 0.5).all()
    assert weight[2:].std() == pytest.approx(0.1, rel=0.05)
    assert weight[2:].mean() == pytest.approx(0.5, abs=0.01)
    assert wta.revive_dead(weight, g) == []  # the count began anew


def test_revival_keeps_the_bounds_and_follows_the_seed():
    weights = []
    for _ in range(2):
        weight = torch.full((2, 30, 30), 0.95)
        revive(weight, torch.tensor([True, False]), WTAConfig(), torch.Generator().manual_seed(3))
        weights.append(weight)
    assert torch.equal(*weights)
    assert weights[0].max() == 1.0
    assert weights[0][0].min() < 0.8
    assert (weights[0][1] == 0.95).all()


def test_presets():
    paper = WTAConfig.from_paper("igarss2023")
    assert (paper.theta_rest, paper.theta_plus, paper.tau_theta, paper.theta_max) == (
        *(0.1, 0.02),
        *(500, 10),
    )
    assert WTAConfig.from_paper("kheradpisheh2018") == WTAConfig()
    with pytest.raises(ValueError, match="is not one of igarss2023, kheradpisheh2018"):
        WTAConfig.from_paper("igarss")


@pytest.mark.parametrize(
    "wrong",
    [
        dict(mode="lateral"),
        dict(local_radius=-1),
        dict(n_winners=0),
        dict(theta_rest=0.0),
        dict(theta_plus=-1.0),
        dict(tau_theta=math.inf),
        dict(theta_max=1.0),
        dict(dead_share=2.0),
        dict(dead_after=0),
        dict(revival_std=math.nan),
    ],
)
def test_a_config_names_what_is_wrong(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WTAConfig(**wrong)


def test_shapes_are_checked():
    wta = WTAInhibition(n_channels=36, spatial_shape=(32, 32))
    x = torch.zeros(1, 36, 64, 64)
    with pytest.raises(ValueError, match=r"\(1, 36, 64, 64\).*\(36, 32, 32\)"):
        wta(x, x)
    two = torch.zeros(2, 36, 32, 32)
    with pytest.raises(ValueError, match="one stimulus"):
        wta(two, two)
    with pytest.raises(ValueError, match="n_channels=0"):
        WTAInhibition(n_channels=0, spatial_shape=(2, 2))
    with pytest.raises(ValueError, match=r"\[C, H, W\]"):
        pick_winners(torch.zeros(2, 2), torch.zeros(2, 2), WTAConfig(), 3)
