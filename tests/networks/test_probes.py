import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from jarvis import LIFLayer, RecurrentLIFLayer, SpikingMLP, seeded
from jarvis.classroom import broken
from jarvis.networks.probes import SavedBytes, gradient_by_step, graph_size, influence

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


def test_saved_bytes_of_one_operation_are_freed_by_its_backward():
    x = torch.rand(10, 100, requires_grad=True)
    with SavedBytes() as saved:
        loss = x.square().exp().sum()  # keeps x and the exponential
        assert saved.now == 2 * 4000
        loss.backward()
        assert saved.now == 0
    assert saved.most == 8000


def test_a_block_that_is_saved_twice_counts_once():
    x = torch.rand(1000, requires_grad=True)
    with SavedBytes() as saved:
        y = (x * x).sum() + (x[:10] * 2 * x[10:20]).sum()
        first = saved.now
        y.backward()
    assert 4000 <= first < 4200  # x, and the ten products
    assert saved.now == 0


def test_graphs_that_are_forgotten_are_freed_and_those_kept_add_up():
    net = torch.nn.Sequential(torch.nn.Linear(50, 100), torch.nn.Tanh())
    with SavedBytes() as saved:
        for _ in range(5):
            net(torch.rand(8, 50)).sum()
        assert saved.now == 0
        kept = [net(torch.rand(8, 50)).sum() for _ in range(5)]
        grown = saved.now
        kept.pop()
        assert saved.now == pytest.approx(0.8 * grown, rel=0.01)
        kept.clear()
    assert saved.now == 0
    assert grown >= 5 * 8 * 150 * 4


@pytest.mark.parametrize("backend", ["eager", "auto"])
def test_saved_bytes_of_a_layer(backend):
    x = torch.rand(100, 4, 16, requires_grad=True)
    with SavedBytes() as saved:
        spikes, _ = LIFLayer(tau=20.0, backend=backend)(x)
    assert saved.now == pytest.approx(4 * x.numel(), rel=0.05)
    wanted = torch.autograd.grad(LIFLayer(tau=20.0, backend=backend)(x)[0].sum(), x)[0]
    assert torch.equal(torch.autograd.grad(spikes.sum(), x)[0], wanted)
    assert saved.now == 0


def test_nothing_is_saved_without_gradients():
    with SavedBytes() as saved, torch.no_grad():
        torch.rand(10, requires_grad=True).exp().sum()
    assert saved.most == 0
