"""The event-driven STDP layer against its frame-by-frame definition."""

import pytest
import torch

from jarvis import Events
from jarvis.stdp.conv import ConvSTDP
from jarvis.stdp.order_rule import STDPConfig, STDPLearner
from jarvis.stdp.wta import WTAConfig
from tests import reference_stdp as reference


def frames(seed, shape=(8, 12, 2, 11, 9), rate=0.06):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(shape, generator=generator) < rate).float()


def layer_for(seed=0, dtype=torch.float64, maps=5, size=3, threshold=3.0, leak=0.0, **options):
    wta = WTAConfig(**({"enable_homeostasis": False} | options))
    stdp = STDPConfig(a_plus=0.1, a_minus=0.07, init_std=0.1)
    generator = torch.Generator().manual_seed(seed)
    layer = ConvSTDP(2, maps, size, threshold, leak, stdp, wta, generator=generator)
    return layer.to(dtype)


MODES = [
    dict(mode="global"),
    dict(mode="local", local_radius=1),
    dict(mode="local", local_radius=2, n_winners=3),
    dict(mode="both", local_radius=2),
    dict(mode="both", local_radius=1, n_winners=2),
]


@pytest.mark.parametrize("mode", MODES, ids=lambda m: "-".join(map(str, m.values())))
@pytest.mark.parametrize("leak", [0.0, 0.25])
@pytest.mark.parametrize("size", [2, 3, 5])
def test_winners_and_weights_are_those_of_the_frames(mode, leak, size):
    x = frames(1)
    layer = layer_for(size=size, leak=leak, threshold=1.5 * size, **mode)
    found, weight, _ = reference.learn(
        x, layer.weight, layer.threshold, leak, layer.stdp, layer.wta
    )
    winners = layer.learn(Events.from_dense(x))
    assert len(found) > 12  # something happens
    assert list(zip(*(part.tolist() for part in winners), strict=True)) == found
    torch.testing.assert_close(layer.weight, weight, rtol=0, atol=1e-12)
    assert torch.equal(layer.wins, torch.bincount(winners.map, minlength=5))


def test_homeostasis_raises_the_threshold_of_winners():
    x = frames(2)
    options = dict(enable_homeostasis=True, theta_rest=3.0, theta_plus=0.4, tau_theta=5.0)
    layer = layer_for(**options, theta_max=4.1)
    found, weight, thresholds = reference.learn(x, layer.weight, 3.0, 0.0, layer.stdp, layer.wta)
    winners = layer.learn(Events.from_dense(x))
    assert list(zip(*(part.tolist() for part in winners), strict=True)) == found
    torch.testing.assert_close(layer.thresholds, thresholds, rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.weight, weight, rtol=0, atol=1e-12)
    assert 3.0 < layer.thresholds.max() <= 4.1


def test_additive_rule():
    x = frames(3)
    layer = layer_for()
    layer.stdp = STDPConfig(a_plus=0.1, a_minus=0.07, bounds="hard")
    _, weight, _ = reference.learn(x, layer.weight, 3.0, 0.0, layer.stdp, layer.wta)
    layer.learn(Events.from_dense(x))
    torch.testing.assert_close(layer.weight, weight, rtol=0, atol=1e-12)
    assert (layer.weight == 1.0).any()  # the bound was reached and kept


def test_ties_go_to_the_lowest_map_then_y_then_x():
    layer = layer_for(size=1, threshold=0.5, mode="global")
    layer.weight.fill_(0.8)
    x = torch.zeros(2, 1, 2, 4, 4)
    x[0, 0, 0, 2, 1] = x[0, 0, 0, 1, 3] = x[0, 0, 0, 1, 2] = 1.0
    winners = layer.learn(Events.from_dense(x))
    assert winners.map.tolist() == [0, 1, 2, 3, 4]
    assert set(zip(winners.y.tolist(), winners.x.tolist(), strict=True)) == {(1, 2)}


def test_single_precision_picks_the_same_winners_almost_always():
    x = frames(4, (8, 60, 2, 16, 16))
    events = Events.from_dense(x)
    rows = []
    for dtype in (torch.float64, torch.float32):
        layer = layer_for(dtype=torch.float32).to(dtype)  # the same first weights
        rows.append({tuple(r) for r in torch.stack(layer.learn(events), 1).tolist()})
    same = len(rows[0] & rows[1]) / len(rows[0] | rows[1])
    assert len(rows[0]) > 100
    assert same >= 0.99


@pytest.mark.parametrize("pool", [1, 2, 3])
@pytest.mark.parametrize("inhibit", [False, True])
@pytest.mark.parametrize("once", [False, True])
@pytest.mark.parametrize("leak", [0.0, 0.25])
def test_respond_is_that_of_the_frames(pool, inhibit, once, leak):
    x = frames(5, rate=0.12)
    layer = layer_for(threshold=3.5, leak=leak)
    wanted = reference.respond(x, layer.weight, layer.thresholds, leak, pool, once, inhibit)
    sent = layer.respond(Events.from_dense(x), pool=pool, once=once, inhibit=inhibit)
    assert wanted.sum() > 30
    assert torch.equal(sent.dense(), wanted)


def test_negative_weights_take_a_potential_to_zero_and_no_further():
    x = frames(11, rate=0.15)
    layer = layer_for(threshold=1.0)
    layer.weight.copy_(torch.randn(layer.weight.shape, generator=torch.Generator().manual_seed(0)))
    wanted = reference.respond(x, layer.weight, layer.thresholds, 0.0)
    assert wanted.sum() > 30
    assert torch.equal(layer.respond(Events.from_dense(x)).dense(), wanted)


def test_respond_in_chunks_and_threads_is_the_same(monkeypatch):
    events = Events.from_dense(frames(6, (8, 40, 2, 11, 9)))
    layer = layer_for()
    whole = layer.respond(events).dense()
    monkeypatch.setattr("jarvis.stdp.conv._BUFFER", 3000)
    monkeypatch.setattr("jarvis.kernels.cpu._MIN_WORK", 1)
    threads = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        assert torch.equal(layer.respond(events).dense(), whole)
        v = layer.potentials(events)
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(v, layer.potentials(events))


@pytest.mark.parametrize("leak", [0.0, 0.25])
def test_potentials_are_those_of_the_frames(leak):
    x = frames(7)
    layer = layer_for(leak=leak)
    v = torch.zeros(12, 5, 11, 9, dtype=torch.float64)
    for t in range(len(x)):
        v = (v + reference.drive(x[t].double(), layer.weight) - leak).clamp_min(0.0)
    found = layer.potentials(Events.from_dense(x))
    assert v.max() > 2
    torch.testing.assert_close(found, v, rtol=0, atol=1e-12)


def test_weights_that_turn_negative_while_learning_stop_potentials_at_zero():
    x = frames(12)
    layer = layer_for(threshold=0.9, mode="global")
    layer.stdp = STDPConfig(a_plus=0.2, a_minus=0.3, w_min=-1.0, init_mean=0.3, bounds="hard")
    layer.weight.mul_(0.4)
    found, weight, _ = reference.learn(x, layer.weight, 0.9, 0.0, layer.stdp, layer.wta)
    winners = layer.learn(Events.from_dense(x))
    assert list(zip(*(part.tolist() for part in winners), strict=True)) == found
    torch.testing.assert_close(layer.weight, weight, rtol=0, atol=1e-12)
    assert weight.min() < 0


def test_an_interruption_keeps_weights_and_counts_together(monkeypatch):
    events = Events.from_dense(frames(9, (8, 30, 2, 11, 9)))
    layer, whole = layer_for(), layer_for()
    layer.double_every = whole.double_every = 10
    rates, calls = layer.rates, []

    def stops(n_seen):
        calls.append(n_seen)
        if n_seen == 20:
            raise KeyboardInterrupt
        return rates(n_seen)

    monkeypatch.setattr(layer, "rates", stops)
    with pytest.raises(KeyboardInterrupt):
        layer.learn(events)
    whole.learn(events[:20])
    assert calls == [0, 10, 20]
    assert layer.n_seen == 20
    assert torch.equal(layer.weight, whole.weight)


def test_order_picks_and_repeats_stimuli():
    events = Events.from_dense(frames(8))
    order = torch.tensor([3, 3, 7])
    one, two = layer_for(), layer_for()
    one.learn(events, order)
    two.learn(events[order])
    assert torch.equal(one.weight, two.weight)
    with pytest.raises(ValueError, match="order"):
        one.learn(events, torch.tensor([12]))


def test_learning_in_two_calls_is_learning_in_one():
    events = Events.from_dense(frames(9, (8, 30, 2, 11, 9)))
    options = dict(enable_homeostasis=True, theta_rest=3.0, dead_after=7, theta_plus=0.3)
    one, two = layer_for(**options), layer_for(**options)
    one.double_every = two.double_every = 11
    g = [torch.Generator().manual_seed(5) for _ in range(2)]
    one.learn(events, generator=g[0])
    two.learn(events[:13], generator=g[1])
    two.learn(events[13:], generator=g[1])
    for name, part in one.state_dict().items():
        assert torch.equal(part, two.state_dict()[name]), name


def test_rates_double_up_to_their_end():
    layer = layer_for()
    layer.double_every, layer.a_plus_max = 10, 0.3
    assert layer.rates(9) == (0.1, 0.07)
    assert layer.rates(10) == (0.2, pytest.approx(0.14))
    assert layer.rates(1000) == (0.3, pytest.approx(0.21))


def test_dead_maps_are_revived_and_the_living_are_not():
    options = dict(enable_homeostasis=True, theta_rest=3.0, dead_after=12, theta_plus=0.0)
    layer = layer_for(**options, revival_std=0.3)
    layer.weight[2] = 0.0  # never fires
    layer.learn(Events.from_dense(frames(10)), generator=torch.Generator().manual_seed(0))
    won = layer.wins > 0
    assert not won[2]
    assert won.any()
    assert layer.weight[2].max() > 0.1
    assert layer.weight.min() >= 0
    assert layer.weight.max() <= 1


def test_a_repeated_pattern_is_learned_and_c_l_falls():
    generator = torch.Generator().manual_seed(0)
    pattern = (torch.rand(5, 1, 1, 7, 7, generator=generator) < 0.1).float()
    events = Events.from_dense(pattern.expand(5, 300, 1, 7, 7))
    wta = WTAConfig(mode="global", n_winners=1, enable_homeostasis=False)
    stdp = STDPConfig(a_plus=0.2, a_minus=0.15)
    layer = ConvSTDP(1, 1, 7, 2.0, stdp=stdp, wta=wta, generator=generator)
    learner = STDPLearner(stdp)
    before = learner.convergence(layer.weight)
    winners = layer.learn(events)
    assert before == pytest.approx(0.16, abs=0.01)
    assert learner.stop_reason(layer.weight, 1) == "C_l"
    # It fires sooner once it knows what comes, and its weights are the pattern's early part.
    assert winners.step[-1] <= winners.step[0]
    y, x, t = (int(part[-1]) for part in (winners.y, winners.x, winners.step))
    early = pattern[: t + 1, 0, 0].amax(0)
    seen = torch.zeros(7, 7)
    for i in range(7):
        for j in range(7):
            if 0 <= y + i - 3 < 7 and 0 <= x + j - 3 < 7:
                seen[i, j] = early[y + i - 3, x + j - 3]
    assert torch.equal(layer.weight[0, 0].round(), seen)


def test_empty_stimuli_and_no_stimuli():
    layer = layer_for()
    before = layer.weight.clone()
    silent = Events.from_dense(torch.zeros(4, 3, 2, 6, 6))
    assert len(layer.learn(silent).map) == 0
    assert torch.equal(layer.weight, before)
    assert len(layer.respond(silent)) == 3
    assert layer.potentials(silent).abs().sum() == 0
    nobody = silent[[]]
    assert len(layer.learn(nobody).map) == len(layer.respond(nobody)) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ConvSTDP(0, 1, 3), "in_channels=0 must be an integer of at least 1"),
        (lambda: ConvSTDP(1, 0, 3), "out_channels=0 must be an integer of at least 1"),
        (lambda: ConvSTDP(1, 1, 0), "kernel_size=0 must be an integer of at least 1"),
        (
            lambda: layer_for().respond(Events.from_dense(torch.zeros(2, 1, 2, 4, 4)), pool=0),
            "pool=0",
        ),
        (lambda: ConvSTDP(1, 1, 3, threshold=0.0), "threshold"),
        (lambda: ConvSTDP(1, 1, 3, leak=-1.0), "leak"),
        (lambda: ConvSTDP(1, 1, 3, threshold=60.0), "theta_max"),
        (lambda: ConvSTDP(1, 1, 3, double_every=-1), "double_every"),
        (lambda: layer_for().learn(Events.from_dense(torch.zeros(2, 1, 3, 4, 4))), "units"),
        (
            lambda: layer_for().respond(Events.from_dense(torch.zeros(2, 1, 2, 4, 4)), pool=5),
            "pool",
        ),
        (
            lambda: layer_for().learn(
                Events(torch.zeros(0), torch.zeros(0).int(), torch.zeros(2).long(), (2, 4, 4))
            ),
            "binned",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# -- events and weights that change after they were checked ----------------------------------------

CHANGES = {
    "times below": lambda e: e.times.sub_(1),
    "times above": lambda e: e.times.add_(100),
    "units below": lambda e: e.units.fill_(-1),
    "units above": lambda e: e.units.fill_(10**6),
    "through numpy": lambda e: e.units.numpy().fill(256),
    "not sorted": lambda e: e.times.copy_(e.times.flip(0)),
    "offsets above": lambda e: e.offsets.fill_(10**9),
    "offsets below": lambda e: e.offsets.sub_(5),
    "offsets fall": lambda e: e.offsets[1:2].fill_(10**7),
    "fewer times": lambda e: e.times.resize_(1),
    "more units": lambda e: e.units.resize_(100_000),
    "another type": lambda e: setattr(e.times, "data", e.times.float()),
    "memory freed": lambda e: e.units.untyped_storage().resize_(0),
}


@pytest.mark.parametrize("method", ["learn", "respond", "potentials"])
@pytest.mark.parametrize("change", CHANGES)
def test_events_that_have_changed_are_refused(change, method):
    drawn = torch.rand(10, 3, 1, 16, 16, generator=torch.Generator().manual_seed(0)) < 0.1
    events, layer = Events.from_dense(drawn), ConvSTDP(1, 4, 5, threshold=3.0)
    before = layer.weight.clone()
    CHANGES[change](events)
    with pytest.raises(ValueError, match=r"Events: "):
        getattr(layer, method)(events)
    assert torch.equal(layer.weight, before)


@pytest.mark.parametrize("method", ["learn", "respond", "potentials"])
def test_weights_that_have_changed_their_shape_are_refused(method):
    events = Events.from_dense(torch.ones(2, 1, 1, 8, 8))
    for name, new in (
        ("weight", torch.ones(1, 1, 1, 1)),
        ("thresholds", torch.ones(1)),
        ("thresholds", torch.ones(4, dtype=torch.float64)),
    ):
        layer = ConvSTDP(1, 4, 5, threshold=3.0)
        setattr(layer, name, new)
        with pytest.raises(ValueError, match=f"ConvSTDP: {name} must be"):
            getattr(layer, method)(events)


@pytest.mark.parametrize("pool", [0, -1, 9])
def test_a_pool_is_checked_before_it_divides(pool):
    events = Events.from_dense(torch.ones(2, 1, 1, 8, 8))
    with pytest.raises(ValueError, match=f"ConvSTDP: pool={pool} "):
        ConvSTDP(1, 4, 5, threshold=3.0).respond(events, pool=pool)


def test_an_order_of_fractions_is_refused():
    events = Events.from_dense(torch.ones(2, 3, 1, 8, 8))
    layer = ConvSTDP(1, 4, 5, threshold=3.0)
    with pytest.raises(ValueError, match=r"order must be integers; got 0\.5"):
        layer.learn(events, torch.tensor([0.0, 0.5]))
    for bad in (-1, 3):
        with pytest.raises(ValueError, match=r"order must lie in \[0, 3\)"):
            layer.learn(events, torch.tensor([0, bad]))
