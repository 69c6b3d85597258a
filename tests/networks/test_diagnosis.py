import pytest
import torch
from torch import nn

from jarvis import (
    ConvSTDP,
    Events,
    LIFLayer,
    RecurrentLIFLayer,
    SpikingMLP,
    SurrogateSpike,
    WTAConfig,
    diagnose,
    over_time,
    seeded,
)

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


@pytest.mark.parametrize(
    ("surrogate", "grows"), [("fast_sigmoid", False), ("sigmoid", True), ("straight_through", True)]
)
def test_a_gradient_that_grows_through_time(surrogate, grows):
    class Loop(nn.Module):
        def __init__(self):
            super().__init__()
            with seeded(0):
                self.a, self.b = nn.Linear(32, 64), nn.Linear(64, 2)
                self.layer = RecurrentLIFLayer(64, surrogate=surrogate)

        def forward(self, x):
            return self.b(self.layer(over_time(self.a, x))[0].mean(0))

    model, x = Loop(), X.repeat(4, 1, 1).requires_grad_()  # 100 steps
    loss = nn.functional.cross_entropy(model(x), Y)
    # Of x, the gradient is that of the currents through one and the same matrix at every step.
    by_hand = torch.autograd.grad(loss, x)[0].double().flatten(1).norm(dim=1)
    by_hand = (by_hand[:10].mean() / by_hand[-10:].mean()).item()
    found = diagnose(model, (x.detach(), Y))
    (growth,) = found.measures.values()
    assert 0.3 < growth / by_hand < 3
    assert any("grows" in p for p in found.problems) == grows
    assert (growth > 1e3) == grows


def test_input_without_spikes_and_with_nan():
    says(network(), "no spikes", batch=(torch.zeros_like(X), Y))
    says(network(), "contains NaN", batch=(X * float("nan"), Y))


def test_pictures_that_were_not_scaled():
    says(network(), "values up to 255", batch=(255 * X, Y))


def test_tau_in_seconds():
    says(network(tau=0.02), "neurons.0: tau=0.02 ms is less than half a step")


def test_a_factor_per_step_for_a_time_constant():
    says(network(tau=0.95), "neurons.0: tau=0.95 ms is less than a step", "= 19.5 ms")
    assert diagnose(network(tau=1.0), (X, Y)).healthy
    says(network(tau=3.0, dt=4.0), "tau=3 ms is less than a step of dt=4 ms: v keeps 26%")


class Stateful(nn.Module):
    """A layer that keeps its state, cut off from the graph or not."""

    def __init__(self, detach, keep=True):
        super().__init__()
        with seeded(0):
            self.a, self.n, self.b = nn.Linear(32, 64), LIFLayer(), nn.Linear(64, 2)
        self.state, self.detach_state, self.keep = None, detach, keep

    def forward(self, x):
        spikes, state = self.n(over_time(self.a, x), self.state)
        if self.keep:
            self.state = state.detach() if self.detach_state else state
        return self.b(spikes.mean(0))


def test_a_state_that_is_carried_on():
    assert diagnose(Stateful(True, keep=False), (X, Y)).healthy
    for detach in (True, False):
        says(Stateful(detach), "state: the same batch gives other scores the second time")


def test_the_graph_of_the_batch_before():
    model = Stateful(detach=False)
    nn.functional.cross_entropy(model(X), Y).backward()
    (problem,) = diagnose(model, (X, Y)).problems
    assert problem.startswith("state: the loss depends on the previous batch")


def test_another_runtime_error_is_not_swallowed():
    class Refuses(Stateful):
        def forward(self, x):
            scores = super().forward(x)
            scores.register_hook(lambda g: torch.ones(3) @ torch.ones(4))
            return scores

    with pytest.raises(RuntimeError, match="size"):
        diagnose(Refuses(True, keep=False), (X, Y))


class BatchFirst(nn.Module):
    """[B, T, N] in, and the layer takes it for [T, B, N]."""

    def __init__(self, swap):
        super().__init__()
        with seeded(0):
            self.a, self.n, self.b = nn.Linear(32, 64), LIFLayer(), nn.Linear(64, 2)
        self.swap = swap

    def forward(self, x):
        currents = self.a(x)
        spikes, _ = self.n(currents.transpose(0, 1) if self.swap else currents)
        return self.b(spikes.mean(0 if self.swap else 1))


@pytest.mark.parametrize("n_steps", [25, 16], ids=["T=25", "T=B=16"])
def test_time_along_the_batch(n_steps):
    x = X[:n_steps].transpose(0, 1)
    says(BatchFirst(swap=False), "batch: changing sample 0 alone", batch=(x, Y))
    assert diagnose(BatchFirst(swap=True), (x, Y)).healthy


def test_batch_normalisation_and_dropout_do_not_mix_samples():
    model = nn.Sequential(network(), nn.BatchNorm1d(2), nn.Dropout(0.5))
    model.train()
    model[1].eval()
    problems = diagnose(model, (X, Y)).problems
    assert not any(p.startswith(("batch:", "state:")) for p in problems)
    assert [part.training for part in model] == [True, False, True]


def test_scores_that_do_not_fit_the_labels():
    with pytest.raises(ValueError, match=r"scores \(25, 2\) for 16 labels.*x.transpose\(0, 1\)"):
        diagnose(network(), (X.transpose(0, 1), Y))
    with pytest.raises(ValueError, match=r"not \[16, C\]"):
        diagnose(nn.Sequential(network(), nn.Flatten(0)), (X, Y))


def maps(threshold, **options):
    g = torch.Generator().manual_seed(0)
    config = WTAConfig(theta_rest=threshold, local_radius=1, n_winners=5, **options)
    layer = ConvSTDP(1, 20, 5, wta=config, generator=g)
    events = Events.from_dense((torch.rand(10, 200, 1, 8, 8, generator=g) < 0.1).float())
    layer.learn(events, generator=g)
    return layer, diagnose(layer, events)


def test_maps():
    layer, found = maps(5.0)
    assert found.healthy, found.problems
    assert found.measures["share of all wins, best map"] == pytest.approx(
        layer.wins.max().item() / layer.wins.sum().item()
    )
    assert "C_l" in str(found)
    assert "layer" not in str(found)


def test_dead_maps():
    layer, found = maps(12.0, enable_homeostasis=False)
    dead = int((layer.wins < 2).sum())
    assert 0 < dead < 20
    assert found.problems[0].startswith(f"maps: {dead} of 20 are dead")
    assert "turn homeostasis on" in found.problems[0]


def test_maps_that_cannot_fire():
    _, found = maps(50.0)
    assert found.problems[0].startswith("maps: none ever fires")
    with pytest.raises(ValueError, match="needs Events, not tuple"):
        diagnose(maps(5.0)[0], (X, Y))
    with pytest.raises(ValueError, match="SpikingMLP needs \\(x, labels\\), not Events"):
        diagnose(network(), Events.from_dense(X))


def test_a_cut_graph():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.n, self.b = nn.Linear(32, 8), LIFLayer(), nn.Linear(8, 2)

        def forward(self, x):
            return self.b(self.n(self.a(x))[0].detach()).mean(0)

    says(Cut(), "exactly zero in a.weight")


def test_bad_input():
    with pytest.raises(ValueError, match="no SpikingLayer of neurons that fire"):
        diagnose(nn.Linear(2, 2), (torch.ones(3, 2), Y[:3]))
    with pytest.raises(ValueError, match="empty"):
        diagnose(network(), (X[:, :0], Y[:0]))
