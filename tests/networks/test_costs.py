"""Counts of parameters and of operations, against formulas and one spike at a time; their price."""

import math

import pytest
import torch
from torch import nn

from jarvis import (
    ConvSTDP,
    Events,
    FirstSpikeNetwork,
    LeakyIntegrator,
    LIFLayer,
    RecurrentLIFLayer,
    SpikingCNN,
    SpikingMLP,
    constant_encode,
    count_operations,
    seeded,
)
from jarvis.networks import (
    EnergyModel,
    Operations,
    SpikingChain,
    count_parameters,
    count_spikes,
    fan_out,
    synaptic_operations,
)
from jarvis.spatial import FirstSpikes, make_delays
from jarvis.spatial.network import SpatialNetwork
from jarvis.training import Pruner

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
    with pytest.raises(ValueError, match=r"'w_rec' is not a parameter of shape \(7, 5\)"):
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
    with pytest.raises(ValueError, match=r"spikes must be \[T, B, n, \.\.\.\]; got shape \(3, 6\)"):
        count_spikes(torch.zeros(3, 6))
    with pytest.raises(ValueError, match=r"synapses must be \[n_pre, n_post\]; got shape \(5,\)"):
        fan_out(torch.ones(5))
    with pytest.raises(ValueError, match=r"shape=\(C, H, W\)"):
        synaptic_operations(torch.zeros(3, 2, 6), nn.Conv2d(1, 1, 3))


# A whole network. The brute force: every spike, and for each of its neuron's synapses one addition.


def prune_(weight, generator, share=0.5):
    with torch.no_grad():
        weight[torch.rand(weight.shape, generator=generator) < share] = 0.0


def matrix_by_hand(spikes, w):
    """Additions of each sample: spikes [T, B, n], w [n, m]."""
    found = [0] * spikes.shape[1]
    for _, sample, sender in spikes.nonzero().tolist():
        for receiver in range(w.shape[1]):
            if w[sender, receiver] != 0:
                found[sample] += 1
    return found


def convolution_by_hand(places, weight, shape, above):
    """Additions by spikes at (sample, channel, y, x); row i sees k rows from i - above on."""
    channels, _, k, _ = weight.shape
    _, height, width = shape
    found: dict[int, int] = {}
    for sample, c, y, x in places:
        for out in range(channels):
            for i in range(height):
                for j in range(width):
                    dy, dx = y - (i - above), x - (j - above)
                    if 0 <= dy < k and 0 <= dx < k and weight[out, c, dy, dx] != 0:
                        found[sample] = found.get(sample, 0) + 1
    return found


def test_a_fully_connected_network_one_spike_at_a_time(generator):
    with seeded(0):
        model = SpikingMLP((6, 9, 8, 3), gain=8.0, tau_syn=5.0)
    linear = [part[1] for part in model.synapses]
    for layer in (*linear, model.output):
        prune_(layer.weight, generator)
    x = spike_train(generator)
    counts = count_operations(model, x)
    _, hidden = model(x, return_spikes=True)
    assert all(layer.sum() > 0 for layer in hidden)
    names = ("synapses.0.1", "synapses.1.1", "output")
    for name, sent, layer in zip(names, (x, *hidden), (*linear, model.output), strict=True):
        assert counts[name].additions.tolist() == matrix_by_hand(sent, layer.weight.t())
    assert counts["neurons.0"].updates.tolist() == [11 * 9 * 2] * 3  # steps, neurons, v and i
    assert counts["neurons.1"].spikes.tolist() == hidden[1].sum((0, 2)).tolist()
    total = Operations.total(counts.values())
    assert total.spikes.tolist() == (x.sum((0, 2)) + sum(h.sum((0, 2)) for h in hidden)).tolist()
    assert total.multiply_adds.tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("readout", "updates", "fires"), [("mean", 0, False), ("last", 33, False), ("rate", 33, True)]
)
def test_readouts(generator, readout, updates, fires):
    with seeded(0):
        model = SpikingMLP((6, 9, 3), readout, gain=8.0)
        model.output.bias.data.fill_(1.0)
    counts = count_operations(model, spike_train(generator))
    names = ["input", "synapses.0.1", "neurons.0", "output"]
    assert list(counts) == names + (["readout.neurons"] if updates else [])
    if updates:
        assert counts["readout.neurons"].updates.tolist() == [updates] * 3  # 11 steps of 3 neurons
        assert bool(counts["readout.neurons"].spikes.sum()) == fires


def test_a_convolutional_network_one_spike_at_a_time(generator):
    with seeded(0):
        model = SpikingCNN((2, 6, 5), n_classes=3, channels=(3, 4), adaptation=0.1)
        for part in model.synapses:
            part[0].weight.data.mul_(6)
    for part in model.synapses:
        prune_(part[0].weight, generator)
    x = spike_train(generator, steps=4, batch=2, shape=(2, 6, 5))
    counts = count_operations(model, x)
    _, hidden = model(x, return_spikes=True)
    assert all(layer.sum() > 0 for layer in hidden)
    for name, sent, part in zip(
        ("synapses.0.0", "synapses.1.0"), (x, hidden[0]), model.synapses, strict=True
    ):
        places = [place for _, *place in sent.nonzero().tolist()]
        by_hand = convolution_by_hand(places, part[0].weight, sent.shape[2:], above=2)
        assert counts[name].additions.tolist() == [by_hand[0], by_hand[1]]
        full = sent.sum((0, 2, 3, 4)) * (part[0].weight != 0).sum() / part[0].in_channels
        assert (counts[name].additions < full).all()  # the border has fewer synapses
    assert counts["neurons.0"].updates.tolist() == [4 * 3 * 3 * 2 * 2] * 2  # v and the threshold
    assert counts["output"].additions.tolist() == (3 * hidden[1].sum((0, 2, 3, 4))).tolist()


@pytest.mark.parametrize("kernel_size", [1, 3, 4])
@pytest.mark.parametrize("leak", [0.0, 0.05])
def test_an_stdp_layer_one_spike_at_a_time(generator, kernel_size, leak):
    layer = ConvSTDP(2, 3, kernel_size, threshold=1.5, leak=leak, generator=generator)
    prune_(layer.weight, generator)
    x = spike_train(generator, steps=7, batch=2, shape=(2, 5, 6))
    events = Events.from_dense(x)
    counts = count_operations(layer, events)
    places = [place for _, *place in x.nonzero().tolist()]
    by_hand = convolution_by_hand(places, layer.weight, (2, 5, 6), above=kernel_size // 2)
    assert counts[""].additions.tolist() == [by_hand[0], by_hand[1]]
    assert counts[""].spikes.tolist() == layer.respond(events).counts.tolist()
    assert counts[""].spikes.sum() > 0
    assert counts[""].updates.tolist() == [7 * 3 * 30 if leak else 0] * 2
    assert counts["input"].spikes.tolist() == events.counts.tolist()


def test_what_the_border_of_an_stdp_layer_sees():
    """Its synapses are those by which a spike moves a potential."""
    layer = ConvSTDP(1, 2, 4, threshold=1.0)
    layer.weight.fill_(1.0)
    synapses = fan_out(layer, (1, 5, 5))
    for y in range(5):
        for x in range(5):
            alone = torch.full((1, 1, 5, 5), 3)
            alone[0, 0, y, x] = 0
            moved = layer.potentials(Events.from_first_steps(alone, 3)) > 0
            assert synapses[0, y, x] == moved.sum()


def test_a_recurrent_network_one_spike_at_a_time(generator):
    with seeded(0):
        layers = [nn.Linear(6, 8), RecurrentLIFLayer(8), nn.Linear(8, 3), LeakyIntegrator()]
        layers[0].weight.data.mul_(8)
    for layer in layers[:3]:
        prune_(layer.weight, generator)
    chain = SpikingChain(layers)
    x = spike_train(generator)
    hidden = layers[1](layers[0](x))[0].detach()
    assert hidden.sum() > 0
    counts = count_operations(chain, x)
    assert counts["layers.0"].additions.tolist() == matrix_by_hand(x, layers[0].weight.t())
    assert counts["layers.1"].additions.tolist() == matrix_by_hand(hidden, layers[1].weight.t())
    assert counts["layers.2"].additions.tolist() == matrix_by_hand(hidden, layers[2].weight.t())
    assert counts["layers.1"].updates.tolist() == [11 * 8] * 3
    assert counts["layers.3"].updates.tolist() == [11 * 3] * 3


def test_a_spatial_network_one_event_at_a_time(generator):
    model = SpatialNetwork(6, 8, 3, net="2", position_std=5.0, input_factor=60.0)
    prune_(model.w_in, generator)
    prune_(model.w_rec, generator)
    events = Events.from_dense(spike_train(generator, steps=80))
    out = model(events)
    assert out.counts.sum() > 0
    itself = model.w_rec.detach().clone()
    itself.fill_diagonal_(0.0)  # no neuron hears itself
    by_hand = {"w_in": [0, 0, 0], "w_rec": [0, 0, 0]}
    for name, sent, w in (("w_in", events, model.w_in), ("w_rec", out.spikes, itself)):
        for sample, unit in zip(sent.samples().tolist(), sent.units.tolist(), strict=True):
            by_hand[name][sample] += sum(bool(value != 0) for value in w[unit])
    counts = count_operations(model, events)
    for name, expected in by_hand.items():
        assert counts[name].additions.tolist() == expected
        assert counts[name].updates.tolist() == [2 * n for n in expected]
    assert counts["readout"].multiply_adds.tolist() == [24] * 3
    assert counts["w_in"].spikes.tolist() == out.counts.sum(1).tolist()


def test_first_spikes_one_at_a_time(generator):
    model = FirstSpikeNetwork((6, 9, 3), drive=4.0)
    for layer in model.layers:
        prune_(layer.weight, generator, 0.3)
    times = 4.0 * torch.rand(5, 6, generator=generator)
    times[torch.rand(5, 6, generator=generator) < 0.3] = math.inf
    hidden = model.spikes(times)[0].times
    assert hidden.isfinite().any()
    assert hidden.isinf().any()
    counts = count_operations(model, times)
    for k, sent in enumerate((times, hidden)):
        by_hand = [0] * 5
        for sample in range(5):
            for sender in range(sent.shape[1]):
                if sent[sample, sender] < math.inf:
                    weights = model.layers[k].weight[sender].tolist()
                    by_hand[sample] += len([w for w in weights if w != 0])
        assert counts[f"layers.{k}"].additions.tolist() == by_hand
        assert counts[f"layers.{k}"].updates.tolist() == [2 * n for n in by_hand]
    assert counts["input"].spikes.tolist() == times.isfinite().sum(1).tolist()
    assert counts["layers.0"].spikes.tolist() == hidden.isfinite().sum(1).tolist()
    sent = FirstSpikes(times, times)
    twice = synaptic_operations(sent, torch.ones(6, 2))
    assert torch.equal(twice, 2 * count_spikes(sent).sum(1))


def test_a_dense_network_one_product_at_a_time(generator):
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
    prune_(model[1].weight, generator)
    x = torch.rand(4, 2, 3, generator=generator)
    x[:, 0, 1] = 0.0
    counts = count_operations(model, x)
    assert list(counts) == ["input", "1", "3"]
    assert counts["1"].multiply_adds.tolist() == [int((model[1].weight != 0).sum())] * 4
    assert counts["3"].multiply_adds.tolist() == [10] * 4
    assert Operations.total(counts.values()).additions.tolist() == [0] * 4
    hidden = torch.relu(model[1](x.flatten(1)))
    by_hand = [0] * 4
    for sample in range(4):
        for receiver in range(5):
            for sender in range(6):
                w = model[1].weight[receiver, sender]
                by_hand[sample] += int(w != 0 and x.flatten(1)[sample, sender] != 0)
    lazy = count_operations(model, x, skip_zeros=True)
    assert lazy["1"].multiply_adds.tolist() == by_hand
    assert lazy["3"].multiply_adds.tolist() == (2 * (hidden > 0).sum(1)).tolist()
    ones = count_operations(model, torch.ones(1, 6))  # numbers, though they look like spikes
    assert ones["1"].multiply_adds.item() > 0


def test_numbers_into_a_spiking_network_are_multiplied(generator):
    with seeded(0):
        model = SpikingMLP((6, 9, 3))
    values = torch.rand(2, 6, generator=generator)
    constant = count_operations(model, constant_encode(values, 7))
    varying = count_operations(model, constant_encode(values, 7).clone())
    assert constant["synapses.0.1"].multiply_adds.tolist() == [54] * 2  # once
    assert varying["synapses.0.1"].multiply_adds.tolist() == [7 * 54] * 2
    assert varying["input"].spikes.tolist() == [0, 0]


@pytest.mark.parametrize(
    ("layer", "n_states"),
    [
        (LIFLayer(), 1),
        (LIFLayer(tau_syn=5.0), 2),
        (LIFLayer(tau_syn=math.inf), 1),  # the current stays, the potential does not
        (LIFLayer(tau=math.inf), 0),
        (LIFLayer(tau=math.inf, tau_syn=math.inf), 1),
        (LIFLayer(tau=torch.tensor([5.0, math.inf]), tau_syn=5.0, adaptation=0.1), 3),
        (LIFLayer(tau_syn=5.0, learnable="tau_syn"), 2),
        (LeakyIntegrator(), 1),
        (LeakyIntegrator(tau=math.inf), 0),
    ],
)
def test_what_changes_without_a_spike_is_updated(layer, n_states):
    counts = count_operations(SpikingChain([nn.Linear(3, 2), layer]), torch.zeros(5, 4, 3))
    assert counts["layers.1"].updates.tolist() == [5 * 2 * n_states] * 4


def test_a_layer_that_comes_twice_counts_twice(generator):
    shared = nn.Linear(6, 6)
    chain = SpikingChain([shared, LIFLayer(), shared, LIFLayer()])
    x = spike_train(generator, batch=1)
    first = count_operations(SpikingChain([shared, LIFLayer()]), x)["layers.0"].additions
    hidden = chain.layers[1](shared(x))[0]
    both = count_operations(chain, x)["layers.0"].additions
    assert both.item() == first.item() + 6 * int(hidden.sum())


def test_counting_leaves_the_model_as_it_was(generator):
    model = nn.Sequential(nn.Linear(6, 5), nn.Dropout(0.5), nn.Linear(5, 2))
    x = torch.rand(3, 6, generator=generator)
    counts = [count_operations(model, x, skip_zeros=True)["2"].multiply_adds for _ in range(2)]
    assert torch.equal(*counts)
    assert counts[0].tolist() == [10] * 3  # nothing is dropped
    assert model.training


def test_what_cannot_be_counted_is_named():
    with pytest.raises(TypeError, match=r"layer '1', a BatchNorm1d, cannot be counted"):
        count_operations(nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), torch.ones(3, 2))
    with pytest.raises(TypeError, match=r"x of a ConvSTDP must be of type Events, not Tensor"):
        count_operations(ConvSTDP(1, 1, 1), torch.ones(3, 2))
    with pytest.raises(TypeError, match=r"x of a SpikingMLP must be of type Tensor, not Events"):
        count_operations(SpikingMLP((2, 2, 2)), Events.from_dense(torch.zeros(2, 1, 2)))


# The price.


def operations(**given):
    return Operations.none(2, **{name: torch.tensor(value) for name, value in given.items()})


def test_energy_is_a_price_for_each_operation():
    counts = operations(additions=[7, 0], multiply_adds=[0, 5], updates=[0, 2], spikes=[3, 3])
    assert EnergyModel(2.0, 3.0)(counts).tolist() == [14.0, 25.0 + 10.0]
    assert EnergyModel(2.0, 3.0, read=10.0)(counts).tolist() == [84.0, 75.0 + 50.0]
    assert EnergyModel.of("int8", read=1.0) == EnergyModel(0.03, 0.2, 1.0)
    assert EnergyModel() == EnergyModel.of("float32")


@pytest.mark.parametrize("model", [EnergyModel(), EnergyModel.of("int8"), EnergyModel(read=5.0)])
def test_break_even_is_where_spikes_cost_as_much_as_numbers(model):
    spiking = operations(additions=[100_000, 0])
    dense = operations(multiply_adds=[100_000, 0])
    assert (model(dense)[0] / model(spiking)[0]).item() == pytest.approx(model.break_even)
    assert EnergyModel(read=1e6).break_even == pytest.approx(1.0, abs=1e-4)


def test_operations_add_up():
    a, b = operations(additions=[1, 2], spikes=[1, 1]), operations(additions=[3, 4], updates=[5, 6])
    total = Operations.total([a, b, b])
    assert total.additions.tolist() == [7, 10]
    assert total.updates.tolist() == [10, 12]
    assert total.mean() == {"spikes": 1.0, "additions": 8.5, "multiply_adds": 0.0, "updates": 11.0}
    assert str(a) == "spikes 1, additions 2, multiply-adds 0, updates 0"


def test_prices_that_cannot_be_are_named():
    for options in (dict(add=-1.0), dict(multiply=math.nan), dict(read=math.inf)):
        (name,) = options
        with pytest.raises(ValueError, match=f"^{name}=.* pJ must be at least 0 and finite"):
            EnergyModel(**options)
    with pytest.raises(ValueError, match="give one of them a cost"):
        EnergyModel(add=0.0)
    with pytest.raises(ValueError, match=r"numbers='int4' is not one of float32, float16, int8"):
        EnergyModel.of("int4")
    with pytest.raises(ValueError, match="parts is empty"):
        Operations.total([])
