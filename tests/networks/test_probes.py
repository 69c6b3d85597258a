import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from jarvis import LIFLayer, RecurrentLIFLayer, SpikingMLP, seeded
from jarvis.classroom import broken
from jarvis.networks.probes import gradient_by_step, graph_size, influence

X = torch.rand(20, 6, 8, generator=torch.Generator().manual_seed(0)).round()
Y = torch.arange(6) % 2


def network(**options):
    with seeded(0):
        return SpikingMLP((8, 16, 2), **options)


def test_the_graph_of_a_carried_state_grows():
    net, sizes, fresh = broken.StreamReader(), [], []
    x, y = torch.rand(5, 4, 1, 8, 8), torch.arange(4)
    for _ in range(4):
        sizes.append(graph_size(cross_entropy(net(x), y)))
    assert sizes[1] - sizes[0] == sizes[2] - sizes[1] == sizes[3] - sizes[2] > 0
    for _ in range(3):
        net.state = None
        fresh.append(graph_size(cross_entropy(net(x), y)))
    assert fresh == [sizes[0]] * 3


def test_influence_is_a_diagonal():
    matrix = influence(network(), X)
    assert torch.equal(matrix, torch.eye(6))


def test_influence_along_the_batch_is_a_triangle():
    class Swapped(nn.Module):
        def __init__(self):
            super().__init__()
            with seeded(0):
                self.a, self.n, self.b = nn.Linear(8, 16), LIFLayer(), nn.Linear(16, 2)

        def forward(self, x):
            return self.b(self.n(self.a(x))[0]).mean(1)

    matrix = influence(Swapped(), X.transpose(0, 1), batch_axis=0)
    assert matrix.triu(1).abs().max() == 0
    assert matrix.tril(-1)[1:].amax(1).min() > 0


def test_influence_of_nothing_and_of_wrong_scores():
    assert not influence(lambda x: 0 * x.sum(0), X).any()
    with pytest.raises(ValueError, match=r"scores must be \[B=6, C\]; got shape \(20, 8\)"):
        influence(lambda x: x.sum(1), X)


def test_gradient_by_step_against_a_difference():
    weights = torch.rand(20, 1, 8, generator=torch.Generator().manual_seed(1)).double()

    def model(x):
        return (x * weights).sum(0)[:, :2].sin()

    x = X.double()
    sizes = gradient_by_step(model, x, Y)
    step, loss = 1e-6, cross_entropy(model(x), Y)
    slopes = torch.zeros(6, 8)
    for b in range(6):
        for k in range(8):
            moved = x.clone()
            moved[7, b, k] += step
            slopes[b, k] = (cross_entropy(model(moved), Y) - loss) / step
    assert sizes[7].item() == pytest.approx(slopes.norm().item(), rel=1e-3)


def test_it_grows_in_an_exploding_layer():
    class Loop(nn.Module):
        def __init__(self, surrogate):
            super().__init__()
            with seeded(0):
                self.layer = RecurrentLIFLayer(8, surrogate=surrogate)

        def forward(self, x):
            return self.layer(x)[0].mean(0)[:, :2]

    calm, wild = (gradient_by_step(Loop(s), X, Y) for s in ("fast_sigmoid", "straight_through"))
    assert calm[0] < 100 * calm[-1]
    assert wild[0] > 100 * wild[-1]
