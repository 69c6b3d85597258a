import pytest
import torch
from torch import nn

from jarvis import LIFLayer, RecurrentLIFLayer, SpikingMLP, SurrogateSpike, diagnose, seeded

X = torch.rand(25, 16, 32, generator=torch.Generator().manual_seed(0)).round()
Y = torch.arange(16) % 2


def network(**options):
    with seeded(0):
        return SpikingMLP((32, 64, 2), **options)


def says(model, *words, batch=(X, Y)):
    problems = diagnose(model, batch).problems
    for word in words:
        assert any(word in p for p in problems), problems
    return problems


def test_a_healthy_network_has_nothing_to_hear():
    model = network()
    found = diagnose(model, (X, Y))
    assert found.healthy, found.problems
    (layer,) = found.layers
    _, (spikes,) = model(X, return_spikes=True)
    assert layer.rate == pytest.approx(spikes.mean().item())
    assert layer.rate_hz == pytest.approx(1000 * spikes.mean().item())
    assert layer.silent == pytest.approx((spikes.sum((0, 1)) == 0).float().mean().item())
    assert "nothing wrong found" in str(found)
    assert all(p.grad is None for p in model.parameters())


def test_silent():
    says(network(gain=0.01), "neurons.0: silent", "gain")
    says(network(threshold=50.0), "neurons.0: silent", "threshold")


def test_saturated():
    model = network()
    nn.init.constant_(model.synapses[0][1].weight, 1.0)
    says(model, "neurons.0: saturated")


def test_true_gradient_is_exactly_zero():
    model = network(surrogate=SurrogateSpike(lambda x, k: torch.zeros_like(x)))
    problems = says(model, "exactly zero")
    assert any("synapses.0.1.weight" in p for p in problems)


def test_vanishing():
    # Each layer multiplies by the surrogate: five layers of a very narrow one leave nothing.
    sizes, narrow = (32, 64, 64, 64, 64, 2), SurrogateSpike("fast_sigmoid", 300.0)
    with seeded(0):
        deep = SpikingMLP(sizes, surrogate=narrow)
    says(deep, "vanishing in synapses.0.1.weight")
    with seeded(0):
        wide = SpikingMLP(sizes, surrogate=SurrogateSpike("fast_sigmoid", 10.0))
    assert diagnose(wide, (X, Y)).healthy


def test_exploding():
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            with seeded(0):
                self.layer = RecurrentLIFLayer(
                    32, surrogate=SurrogateSpike("straight_through"), detach_reset=False
                )
                self.out = nn.Linear(32, 2)
            with torch.no_grad():
                self.layer.weight.mul_(20)

        def forward(self, x):
            return self.out(self.layer(x)[0]).mean(0)

    says(Loop(), "exploding")


def test_input_without_spikes_and_with_nan():
    says(network(), "no spikes", batch=(torch.zeros_like(X), Y))
    says(network(), "contains NaN", batch=(X * float("nan"), Y))


def test_pictures_that_were_not_scaled():
    says(network(), "values up to 255", batch=(255 * X, Y))


def test_tau_in_seconds():
    says(network(tau=0.02), "neurons.0: tau=0.02 ms is less than half a step")


def test_a_cut_graph():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.n, self.b = nn.Linear(32, 8), LIFLayer(), nn.Linear(8, 2)

        def forward(self, x):
            return self.b(self.n(self.a(x))[0].detach()).mean(0)

    says(Cut(), "exactly zero in a.weight")


def test_bad_input():
    with pytest.raises(ValueError, match="no LIFLayer"):
        diagnose(nn.Linear(2, 2), (torch.ones(3, 2), Y[:3]))
    with pytest.raises(ValueError, match="empty"):
        diagnose(network(), (X[:, :0], Y[:0]))
