"""The order-based rule: steps worked out by hand, the receptive field, and when a layer stops."""

import math

import pytest
import torch
from torch.nn import functional as F

from jarvis.stdp.order_rule import (
    NEVER,
    STDPConfig,
    STDPLearner,
    initial_weights,
    order_stdp,
    receptive_field,
)

F64 = torch.float64


def test_the_step_with_soft_bounds_is_equation_3():
    w = torch.tensor([0.2, 0.2, 0.2, 0.5, 1.0, 0.0], dtype=F64)
    pre = torch.tensor([0, 5, 6, 6, 9, 0])
    after = order_stdp(w, pre, 5, STDPConfig(a_plus=0.1, a_minus=0.05))
    expected = [0.2 + 0.1 * 0.16, 0.2 + 0.1 * 0.16, 0.2 - 0.05 * 0.16, 0.5 - 0.05 * 0.25, 1.0, 0.0]
    torch.testing.assert_close(after, torch.tensor(expected, dtype=F64))
    assert w.tolist() == [0.2, 0.2, 0.2, 0.5, 1.0, 0.0]


def test_the_additive_step_has_one_size_and_stops_at_the_bounds():
    config = STDPConfig(a_plus=0.1, a_minus=0.05, bounds="hard", w_min=0.1, w_max=0.9)
    w = torch.tensor([0.5, 0.5, 0.85, 0.12], dtype=F64)
    after = order_stdp(w, torch.tensor([0, 3, 0, 3]), 2, config)
    torch.testing.assert_close(after, torch.tensor([0.6, 0.45, 0.9, 0.1], dtype=F64))


def test_the_factor_vanishes_at_other_bounds_too():
    config = STDPConfig(w_min=-1.0, w_max=2.0, init_mean=0.0)
    w = torch.tensor([-1.0, 2.0], dtype=F64)
    assert order_stdp(w, torch.tensor([0, 9]), 1, config).tolist() == [-1.0, 2.0]


@pytest.mark.parametrize("never", [10, NEVER, math.inf])
def test_a_silent_input_counts_as_late(never):
    pre = torch.tensor([never])
    assert order_stdp(torch.tensor([0.5]), pre, 9, STDPConfig()) < 0.5


@pytest.mark.parametrize("k", [1, 3, 4, 5])
def test_the_receptive_field_is_what_the_convolution_sees(k):
    g = torch.Generator().manual_seed(0)
    times = torch.randint(0, 9, (2, 6, 7), generator=g)
    weight = torch.randn(1, 2, k, k, generator=g, dtype=F64)
    early = (times < 4).to(F64)
    before, after = k // 2, k - 1 - k // 2
    seen = F.conv2d(F.pad(early[None], (before, after, before, after)), weight)[0, 0]
    for y in range(6):
        for x in range(7):
            field = (receptive_field(times, y, x, k) < 4).to(F64)
            torch.testing.assert_close((field * weight[0]).sum(), seen[y, x])


def test_beyond_the_border_nothing_ever_spikes():
    times = torch.zeros(1, 4, 4, dtype=torch.int32)
    assert receptive_field(times, 0, 0, 3)[0].tolist() == [
        [NEVER] * 3,
        [NEVER, 0, 0],
        [NEVER, 0, 0],
    ]
    assert receptive_field(times.float(), 3, 3, 3)[0, 2, 2] == math.inf
    with pytest.raises(ValueError, match=r"\(4, 0\).*4 x 4"):
        receptive_field(times, 4, 0, 3)


@pytest.mark.parametrize("batched", [False, True])
def test_only_the_winner_learns_and_in_place(batched):
    weight = torch.full((3, 2, 3, 3), 0.5)
    times = torch.full((2, 8, 8), NEVER, dtype=torch.int32)
    times[1, 4, 5] = 2
    times[0, 5, 5] = 3
    learner = STDPLearner(STDPConfig(a_plus=0.4, a_minus=0.2))
    pre = times[None] if batched else times
    learner.update_weights_for_winner(
        weight,
        pre_spike_times=pre,
        post_spike_time=2,
        winner_y=5,
        winner_x=4,
        kernel_size=3,
        winner_map=1,
    )
    expected = torch.full((2, 3, 3), 0.45)
    expected[1, 0, 2] = 0.6  # (4, 5) is one row above and one column right of (5, 4)
    torch.testing.assert_close(weight[1], expected)
    assert (weight[[0, 2]] == 0.5).all()


def test_a_parameter_learns_without_a_gradient():
    weight = torch.nn.Parameter(torch.full((1, 1, 1, 1), 0.5))
    STDPLearner().update_weights_for_winner(weight, torch.zeros(1, 2, 2), 0, 0, 0, 1)
    assert weight.item() == pytest.approx(0.501)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(kernel_size=5), r"weight must be .* 5, 5\]; got shape \(2, 1, 3, 3\)"),
        (dict(pre_spike_times=torch.zeros(2, 1, 4, 4)), r"\(2, 1, 4, 4\)"),
        (dict(pre_spike_times=torch.zeros(3, 4, 4)), "after its pooling"),
        (dict(winner_map=2), "winner_map=2"),
        (dict(winner_x=-1), r"\(0, -1\)"),
    ],
)
def test_wrong_arguments_are_named(change, message):
    arguments = dict(
        weight=torch.full((2, 1, 3, 3), 0.5),
        pre_spike_times=torch.zeros(1, 4, 4),
        post_spike_time=1,
        winner_y=0,
        winner_x=0,
        kernel_size=3,
    )
    with pytest.raises(ValueError, match=message):
        STDPLearner().update_weights_for_winner(**{**arguments, **change})


def test_convergence_is_the_mean_of_w_times_1_minus_w():
    learner = STDPLearner()
    assert learner.convergence(torch.full((4, 1, 5, 5), 0.8)) == pytest.approx(0.16)
    weight = torch.tensor([[0.0, 1.0], [0.5, 0.5]])
    assert learner.map_convergence(weight).tolist() == [0.0, 0.25]
    assert learner.convergence(weight) == pytest.approx(0.125)
    assert learner.converged_share(weight) == 0.5


def maps(*c_l):
    """Weights of a map each, whose C_l is as given."""
    return torch.tensor([[0.5 - math.sqrt(0.25 - c)] for c in c_l], dtype=F64)


@pytest.mark.parametrize(
    ("weight", "epoch", "reason"),
    [
        (maps(*[0.009] * 10), 1, "C_l"),
        (maps(*[0.0] * 10), 50, "C_l"),
        (maps(*[0.0095] * 9, 0.2), 1, "maps"),  # the mean is 0.029
        (maps(*[0.0095] * 8, 0.2, 0.2), 1, None),
        (maps(*[0.16] * 10), 49, None),
        (maps(*[0.16] * 10), 50, "epochs"),
    ],
)
def test_each_of_the_three_rules_stops_a_layer(weight, epoch, reason):
    learner = STDPLearner()
    assert learner.stop_reason(weight, epoch) == reason
    assert learner.has_converged(weight) == (reason in ("C_l", "maps"))


def test_the_limits_of_the_rules_are_parameters():
    weight = maps(0.05, 0.05, 0.2)
    assert STDPLearner(STDPConfig(converged_below=0.11)).stop_reason(weight, 0) == "C_l"
    config = STDPConfig(converged_below=0.06, converged_ratio=0.6)
    assert STDPLearner(config).stop_reason(weight, 0) == "maps"
    assert STDPLearner(STDPConfig(max_epochs=3)).stop_reason(weight, 3) == "epochs"


def test_a_pattern_seen_again_and_again_is_written_into_the_weights():
    g = torch.Generator().manual_seed(1)
    learner = STDPLearner(STDPConfig.from_paper("igarss2023"))
    weight = initial_weights((1, 1, 5, 5), learner.config, g)
    assert learner.convergence(weight) == pytest.approx(0.16, abs=0.01)
    pattern = torch.rand(5, 5, generator=g) < 0.4
    times = torch.where(pattern, 1, NEVER)[None]
    n = 0
    while not learner.has_converged(weight):
        learner.update_weights_for_winner(weight, times, 3, 2, 2, 5)
        n += 1
        assert n < 400
    assert n > 50
    assert ((weight[0, 0] > 0.5) == pattern).all()


def test_the_first_weights_have_the_configured_distribution():
    config = STDPConfig.from_paper("kheradpisheh2018")
    w = initial_weights((100, 10, 5, 5), config, torch.Generator().manual_seed(0))
    assert w.mean() == pytest.approx(0.8, abs=0.002)
    assert w.std() == pytest.approx(0.05, abs=0.002)
    again = initial_weights((100, 10, 5, 5), config, torch.Generator().manual_seed(0))
    assert torch.equal(w, again)
    assert initial_weights((50, 50), STDPConfig(init_std=1.0)).aminmax() == (0.0, 1.0)


def test_presets():
    paper = STDPConfig.from_paper("igarss2023")
    assert (paper.a_plus, paper.a_minus, paper.init_mean, paper.init_std) == (0.04, 0.03, 0.8, 0.01)
    paper = STDPConfig.from_paper("kheradpisheh2018")
    assert (paper.a_plus, paper.a_minus, paper.init_std) == (0.004, 0.003, 0.05)
    with pytest.raises(ValueError, match="'diehl2015' is not one of igarss2023"):
        STDPConfig.from_paper("diehl2015")


@pytest.mark.parametrize(
    "wrong",
    [
        dict(a_plus=0.0),
        dict(a_minus=-0.003),
        dict(a_plus=math.nan),
        dict(bounds="none"),
        dict(w_min=1.0),
        dict(init_mean=1.5),
        dict(init_std=-1.0),
        dict(converged_below=-0.1),
        dict(converged_ratio=0.0),
        dict(max_epochs=0),
    ],
)
def test_a_config_names_what_is_wrong(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        STDPConfig(**wrong)
