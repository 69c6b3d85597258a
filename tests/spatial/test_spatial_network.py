"""The spatial network: what its parts are, that it learns, and that nothing is lost on the way."""

import math

import pytest
import torch
import torch.nn.functional as F

from jarvis.adex.normalised import NormalisedAdExParams
from jarvis.encoding.events import Events
from jarvis.spatial.event_driven import EventLIF
from jarvis.spatial.network import (
    SpatialNetwork,
    rate_penalty,
    rates,
    scale_to_rate,
    synaptic_scaling_,
)
from jarvis.spatial.training import _hits

STEPS = 120


def words(n: int, seed: int = 0) -> tuple[Events, torch.Tensor]:
    """Two groups of ten channels, one a little after the other: which one comes first?"""
    random = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (n,), generator=random)
    first = torch.randint(0, 15, (n, 20), generator=random)
    late = torch.cat([labels.view(-1, 1).expand(-1, 10), 1 - labels.view(-1, 1).expand(-1, 10)], 1)
    return Events.from_first_steps(first + 30 * late, STEPS), labels


@pytest.mark.parametrize("net", ["0", "inf", "2", "3", "3e0.2", "2g0.5"])
@pytest.mark.parametrize("neuron", [EventLIF(dt=0.5), NormalisedAdExParams(dt=0.5)])
def test_every_form_has_gradients_for_all_that_it_learns(net, neuron):
    network = SpatialNetwork(20, 12, 2, net, neuron, position_std=5.0, seed=1)
    events, labels = words(16)
    scale_to_rate(network, events, 60.0)
    out = network(events)
    assert out.scores.shape == (16, 2)
    assert out.counts.shape == (16, 12)
    assert len(out.times) == out.counts.sum() == len(out.spikes.times)
    loss = F.cross_entropy(out.scores, labels) + 1e-3 * rate_penalty(out.counts, STEPS * 0.5)
    loss.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        assert parameter.grad.abs().max() > 0, name


def test_no_neuron_hears_itself():
    network = SpatialNetwork(20, 12, 2, "3", position_std=5.0)
    events, _ = words(8)
    scale_to_rate(network, events, 60.0)
    before = network(events)
    before.scores.sum().backward()
    assert network.w_rec.grad is not None
    assert not network.w_rec.grad.diagonal().any()
    with torch.no_grad():
        network.w_rec.diagonal().add_(100.0)
    assert torch.equal(network(events).counts, before.counts)


@pytest.mark.parametrize("net", ["0", "inf", "2"])
def test_without_recurrent_synapses_hidden_neurons_do_not_hear_each_other(net):
    """The same counts as a recurrent network whose recurrent weights are 0, and none to learn."""
    events, _ = words(8)
    forward = SpatialNetwork(20, 12, 2, net, recurrent=False, signed=True, position_std=5.0)
    scale_to_rate(forward, events, 60.0)
    silent = SpatialNetwork(20, 12, 2, net, position_std=5.0)
    silent.load_state_dict(forward.state_dict(), strict=False)
    assert silent(events).counts.tolist() != forward(events).counts.tolist()
    with torch.no_grad():
        silent.w_rec.zero_()
    assert torch.equal(silent(events).scores, forward(events).scores)
    assert set(forward.state_dict()) == {
        name for name, _ in silent.named_parameters() if name not in ("w_rec", "delays.delays.1")
    }
    before = forward(events)
    before.scores.sum().backward()
    assert forward.w_in.grad is not None
    cost = forward.operations(events)
    assert not cost["w_rec"].additions.any()
    assert cost["w_in"].additions.any()
    synaptic_scaling_(forward, torch.full((12,), 50.0), 40.0)
    assert not forward.w_rec.any()


@pytest.mark.parametrize("rate", [15.0, 60.0])
@pytest.mark.parametrize("neuron", [EventLIF(dt=0.5), NormalisedAdExParams(dt=0.5)])
def test_a_rate_can_be_asked_for(rate, neuron):
    network = SpatialNetwork(20, 40, 2, "3", neuron, position_std=5.0)
    events, _ = words(32)
    reached = scale_to_rate(network, events, rate)
    assert reached == pytest.approx(rate, rel=0.051)
    measured = rates(network(events).counts, STEPS * 0.5).mean().item()
    assert measured == pytest.approx(reached)


def test_a_rate_that_cannot_be_reached_is_an_error_and_changes_nothing():
    network = SpatialNetwork(20, 12, 2, "0")
    start = network.w_in.clone()
    silence = Events.from_first_steps(torch.full((2, 20), 500), STEPS)
    with pytest.raises(ValueError, match="are there input spikes"):
        scale_to_rate(network, silence)
    assert torch.equal(network.w_in, start)
    with pytest.raises(ValueError, match="rate=0"):
        scale_to_rate(network, silence, 0.0)


def test_neurons_that_fire_too_fast_are_weakened():
    network = SpatialNetwork(20, 3, 2, net="0")
    w_in, w_rec = network.w_in.detach().clone(), network.w_rec.detach().clone()
    scaled = synaptic_scaling_(network, torch.tensor([30.0, 41.0, 40.0]), 40.0, step=0.1)
    assert scaled.tolist() == [False, True, False]
    factor = torch.tensor([1.0, 0.9, 1.0])  # of what a neuron hears by, not of what it sends by
    torch.testing.assert_close(network.w_in.detach(), w_in * factor)
    torch.testing.assert_close(network.w_rec.detach(), w_rec * factor)
    with pytest.raises(ValueError, match=r"rates must be \[neurons=3\]; got shape \(2,\)"):
        synaptic_scaling_(network, torch.ones(2), 40.0)


def test_the_read_out_starts_where_it_belongs():
    """Scores of a network at its expected rate are of order 1, so a step of Adam moves them."""
    network = SpatialNetwork(20, 50, 2, "3", position_std=5.0, expected_rate=50.0)
    events, _ = words(32)
    scale_to_rate(network, events, 50.0)
    assert 0.01 < network(events).scores.abs().mean().item() < 3.0


@pytest.mark.parametrize("net", ["2", "inf"])
def test_it_learns_what_comes_first(net):
    events, labels = words(100)
    unseen, answers = words(100, seed=1)
    network = SpatialNetwork(20, 10, 2, net, EventLIF(dt=0.5), position_std=5.0, expected_rate=40.0)
    scale_to_rate(network, events, 40.0)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.03)
    first = None
    for _ in range(60):
        loss = F.cross_entropy(network(events).scores, labels)
        first = first or loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.5 * first
    with torch.no_grad():
        assert (network(unseen).scores.argmax(1) == answers).float().mean() > 0.9


def test_state_and_seed():
    events, _ = words(4)
    a, b = (SpatialNetwork(20, 12, 2, "3e0.2", seed=3, position_std=5.0) for _ in range(2))
    other = SpatialNetwork(20, 12, 2, "3e0.2", seed=4, position_std=5.0)
    assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))
    assert not torch.equal(a.w_in, other.w_in)
    other.load_state_dict(a.state_dict())
    assert torch.equal(a(events).scores, other(events).scores)


def test_bad_sizes_are_named():
    for name in ("n_in", "n_hidden", "n_classes"):
        sizes = {"n_in": 5, "n_hidden": 5, "n_classes": 2, name: 0}
        with pytest.raises(ValueError, match=f"{name}=0"):
            SpatialNetwork(**sizes)
    with pytest.raises(ValueError, match="expected_rate=nan"):
        SpatialNetwork(5, 5, 2, expected_rate=math.nan)
    with pytest.raises(ValueError, match="not a form of delays"):
        SpatialNetwork(5, 5, 2, net="three")
    with pytest.raises(ValueError, match="events have 20 units"):
        SpatialNetwork(5, 5, 2)(words(1)[0])


def test_signs_follow_the_seed_and_leave_the_sizes():
    one, again, other = (
        SpatialNetwork(20, 30, 2, signed=True, seed=seed).state_dict() for seed in (5, 5, 6)
    )
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not torch.equal(one["w_in"].sign(), other["w_in"].sign())
    plain = SpatialNetwork(20, 30, 2, seed=5)
    for name, share in (("w_in", 0.31), ("w_rec", 0.5)):  # of draws of N(0.5, 1) and N(0, 1)
        assert (one[name] < 0).float().mean().item() == pytest.approx(share, abs=0.06)
    assert torch.equal(one["readout.weight"], plain.readout.weight)


@pytest.mark.parametrize("factor", [0.02, 50.0])
def test_a_rate_is_found_from_far_away(factor):
    network = SpatialNetwork(20, 40, 2, "3", position_std=5.0)
    with torch.no_grad():
        network.w_in.mul_(factor)
    events, _ = words(32)
    reached = scale_to_rate(network, events, 30.0)
    assert reached == pytest.approx(30.0, rel=0.051)
    counts = network(events).counts
    assert counts.sum().item() / counts.numel() / (STEPS * 0.5e-3) == pytest.approx(reached)


def test_hits_are_the_best_and_the_three_best():
    scores = torch.tensor([[3.0, 2.0, 1.0, 0.0], [0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0]])
    assert _hits(scores, torch.tensor([0, 1, 0])) == (1, 2)
    assert _hits(scores[:, :2], torch.tensor([1, 1, 0])) == (1, 3)  # of two classes, both are
