"""Counts of parameters and of synaptic operations, against formulas and one spike at a time."""

import pytest
import torch
from torch import nn

from jarvis import (
    Events,
    LIFLayer,
    Pruner,
    count_parameters,
    count_spikes,
    fan_out,
    make_delays,
    synaptic_operations,
)
from jarvis.spatial import SpatialNetwork

SYNAPSES = ("w_in", "w_rec")


class Recurrent(nn.Module):
    def __init__(self, net: str, n_in: int, n: int) -> None:
        super().__init__()
        self.w_in, self.w_rec = (nn.Parameter(torch.randn(k, n)) for k in (n_in, n))
        self.delays = make_delays(net, (n_in, n), ((0, 1), (1, 1)))
        self.readout = nn.Linear(n, 20)


def total(model, synapses=SYNAPSES):
    """Parameters without the read-out, as the paper counts."""
    counts = count_parameters(model, synapses)
    return sum(n for name, n in counts.items() if not name.startswith("readout"))


@pytest.mark.parametrize(
    ("net", "dense", "tenth"),
    [
        ("0", 299_700, 29_970),
        ("inf", 599_400, 59_940),
        ("3", 302_700, 32_970),
        ("3e0.2", 602_400, 62_940),
        ("3g0.2", 599_404, 59_944),
    ],
)
def test_parameters_of_the_paper(net, dense, tenth):
    model = Recurrent(net, 700, 300)
    assert total(model) == dense
    assert total(model) == model.delays.n_synapses + model.delays.n_parameters
    Pruner(model, SYNAPSES, recurrent=["w_rec"]).prune(0.1)
    assert total(model) == tenth
    assert count_parameters(model, SYNAPSES)["readout.weight"] == 6000


def test_a_spatial_network_that_is_pruned_while_it_learns(generator):
    model = SpatialNetwork(20, 10, 2, net="2e0.1", position_std=5.0)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    pruner = Pruner(model, SYNAPSES, optimizer, recurrent=["w_rec"])
    assert total(model) == 2 * (200 + 90) + 2 * (20 + 10)
    events = Events.from_dense(spike_train(generator, steps=60, shape=(20,)))
    for density in (1.0, 0.5, 0.1):
        pruner.prune(density)
        loss = model(events).scores.square().sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert total(model) == 2 * (20 + 9) + 2 * (20 + 10)
    assert fan_out(model.w_in).sum() == 20
    assert fan_out(model.w_rec).sum() == 9
    assert synaptic_operations(events, model.w_in).sum() < 10 * len(events.times)


def test_what_is_not_learned_does_not_count():
    model = Recurrent("3", 7, 5)
    before = total(model)
    model.delays.coordinates[0].requires_grad_(False)
    assert before - total(model) == 21


def test_a_dense_classifier():
    model = nn.Sequential(nn.Linear(6, 4), LIFLayer(learnable="tau"), nn.Linear(4, 3))
    assert sum(count_parameters(model).values()) == 28 + 1 + 15
    Pruner(model, ["0.weight"]).prune(0.5)
    assert count_parameters(model) == {
        "0.weight": 12, "0.bias": 4, "1.log_tau": 1, "2.weight": 12, "2.bias": 3,
    }  # fmt: skip


def test_names_that_do_not_fit_are_named():
    model = Recurrent("3", 7, 5)
    with pytest.raises(ValueError, match="2 connections"):
        count_parameters(model)
    with pytest.raises(ValueError, match=r"'w_rec' is no parameter of shape \(7, 5\)"):
        count_parameters(model, ["w_rec", "w_in"])
    with pytest.raises(ValueError, match="0 Delays"):
        count_parameters(nn.Linear(2, 2), ["weight"])


def spike_train(generator, steps=11, batch=3, shape=(6,), rate=0.3):
    return (torch.rand(steps, batch, *shape, generator=generator) < rate).float()


def test_operations_one_spike_at_a_time(generator):
    spikes = spike_train(generator)
    w = torch.randn(6, 8, generator=generator)
    w[torch.rand(6, 8, generator=generator) < 0.6] = 0.0
    w[2] = 0.0
    by_hand = [0, 0, 0]
    for _, sample, sender in spikes.nonzero().tolist():
        for receiver in range(8):
            by_hand[sample] += int(w[sender, receiver] != 0)
    assert min(by_hand) > 0
    events = Events.from_dense(spikes)
    for train in (spikes, events):
        assert synaptic_operations(train, w).tolist() == by_hand
        assert synaptic_operations(train, w != 0).tolist() == by_hand
    layer = nn.Linear(6, 8)
    layer.weight = nn.Parameter(w.t())
    assert synaptic_operations(spikes, layer).tolist() == by_hand
    assert torch.equal(count_spikes(events), count_spikes(spikes))


def test_operations_fall_with_the_density(generator):
    spikes = spike_train(generator)
    layer = nn.Linear(6, 10, bias=False)
    dense = synaptic_operations(spikes, layer)
    assert torch.equal(dense, spikes.sum((0, 2)).long() * 10)
    pruner = Pruner(layer, ["weight"])
    pruner.prune(0.2)
    mask = pruner.masks["weight"].t()
    assert int(mask.sum()) == 12
    expected = (spikes.sum(0) @ mask.float()).sum(1).long()
    assert torch.equal(synaptic_operations(spikes, layer), expected)


@pytest.mark.parametrize(
    "options", [dict(), dict(padding=1), dict(stride=2, padding=2), dict(groups=2, dilation=2)]
)
def test_operations_of_a_convolution_one_spike_at_a_time(generator, options):
    layer = nn.Conv2d(2, 4, 3, bias=False, **options)
    with torch.no_grad():
        layer.weight[torch.rand(layer.weight.shape, generator=generator) < 0.5] = 0.0
        binary = nn.Conv2d(2, 4, 3, bias=False, **options)
        binary.weight.copy_(layer.weight != 0)
    spikes = spike_train(generator, steps=3, batch=2, shape=(2, 7, 6))
    by_hand = [0, 0]
    for _, sample, *place in spikes.nonzero().tolist():
        alone = torch.zeros(1, 2, 7, 6)
        alone[(0, *place)] = 1.0
        by_hand[sample] += round(binary(alone).sum().item())
    assert synaptic_operations(spikes, layer).tolist() == by_hand


def test_shapes_that_do_not_fit_are_named():
    with pytest.raises(ValueError, match="6 units, but synapses of 5"):
        synaptic_operations(torch.zeros(3, 2, 6), torch.ones(5, 4))
    with pytest.raises(ValueError, match=r"\[T, B, ...\]; got \(3, 6\)"):
        count_spikes(torch.zeros(3, 6))
    with pytest.raises(ValueError, match=r"\[n_pre, n_post\]; got \(5,\)"):
        fan_out(torch.ones(5))
    with pytest.raises(ValueError, match=r"shape=\(C, H, W\)"):
        synaptic_operations(torch.zeros(3, 2, 6), nn.Conv2d(1, 1, 3))
