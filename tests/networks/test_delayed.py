"""Linear maps with a delay for each synapse: values by hand, gradients, pieces, compiled loops."""

import math

import pytest
import torch
from torch import nn
from torch.nn.functional import linear

from jarvis import LIFLayer
from jarvis.kernels import delayed_numba
from jarvis.networks import (
    DelayedLinear,
    DelayedNetwork,
    DelayState,
    SpikingChain,
    count_operations,
    delayed_linear,
)

F64 = torch.float64


def random_spikes(*size: int, density: float = 0.3, seed: int = 0, dtype=F64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(*size, generator=generator) < density).to(dtype)


def slow(x, weight, delays):
    """The sum of the definition, one synapse and one step at a time."""
    y = torch.zeros(len(x), x.shape[1], len(weight), dtype=x.dtype)
    for j in range(weight.shape[0]):
        for i in range(weight.shape[1]):
            k = math.floor(delays[j, i])
            rest = float(delays[j, i]) - k
            for t in range(len(x)):
                for late, share in ((k, 1.0 - rest), (k + 1, rest)):
                    if t >= late:
                        y[t, :, j] += weight[j, i] * share * x[t - late, :, i]
    return y


@pytest.fixture
def problem():
    """x ``[12, 3, 5]``, weights and delays ``[4, 5]`` in steps: whole, 0, and too long ones too."""
    generator = torch.Generator().manual_seed(1)
    x = random_spikes(12, 3, 5) * torch.rand(12, 3, 5, generator=generator, dtype=F64)
    weight = torch.randn(4, 5, generator=generator, dtype=F64)
    delays = 6.0 * torch.rand(4, 5, generator=generator, dtype=F64)
    delays[0, 0], delays[1, 1], delays[2, 2], delays[3, 3] = 0.0, 3.0, 11.0, 40.25
    return x, weight, delays


def test_the_definition_is_the_sum_over_synapses_and_steps(problem):
    torch.testing.assert_close(delayed_linear(*problem), slow(*problem))


def test_without_delays_it_is_a_linear_map(problem):
    x, weight, delays = problem
    torch.testing.assert_close(delayed_linear(x, weight, 0.0 * delays), linear(x, weight))


def test_the_gradient_of_the_definition_is_that_of_finite_differences(problem):
    _x, _weight, delays = problem
    delays[0, 0], delays[1, 1], delays[2, 2] = 0.5, 3.5, 10.5  # a corner has no derivative
    inputs = [part.requires_grad_() for part in problem]
    assert torch.autograd.gradcheck(delayed_linear, inputs)


@pytest.mark.parametrize("dtype", [torch.float32, F64], ids=str)
@pytest.mark.parametrize("density", [0.01, 0.5])
@pytest.mark.parametrize(
    "size", [(12, 3, 5, 4), (1, 1, 1, 1), (100, 4, 40, 33), (3, 70, 2, 3), (40, 2, 1, 65)], ids=str
)
def test_compiled_loops_agree_with_the_definition(size, density, dtype):
    steps, batch, n_in, n_out = size
    generator = torch.Generator().manual_seed(2)
    x = random_spikes(steps, batch, n_in, density=density, dtype=dtype)
    x[0, 0, 0] = 0.5  # at least one event, and one that is graded
    weight = torch.randn(n_out, n_in, generator=generator, dtype=dtype)
    delays = 1.2 * steps * torch.rand(n_out, n_in, generator=generator, dtype=dtype)
    expected = [part.clone().requires_grad_() for part in (x, weight, delays)]
    found = [part.clone().requires_grad_() for part in (x, weight, delays)]
    y, wanted = delayed_numba.run(*found), delayed_linear(*expected)
    tolerance = dict(rtol=1e-4, atol=1e-4) if dtype is torch.float32 else {}
    torch.testing.assert_close(y, wanted, **tolerance)
    g = torch.randn(*wanted.shape, generator=generator, dtype=dtype)
    y.backward(g)
    wanted.backward(g)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, **tolerance)


def test_events_and_shifted_rows_give_the_same(monkeypatch, problem):
    results = []
    for limit in (0.0, 1.1):
        monkeypatch.setattr(delayed_numba, "SPARSE", limit)
        inputs = [part.clone().requires_grad_() for part in problem]
        y = delayed_numba.run(*inputs)
        y.square().sum().backward()
        results.append([y.detach(), *(part.grad for part in inputs)])
    for rows, events in zip(*results, strict=True):
        torch.testing.assert_close(rows, events)


def test_the_number_of_threads_changes_no_bit():
    x = random_spikes(60, 16, 50, dtype=torch.float32)
    results = []
    before = torch.get_num_threads()
    try:
        for threads in (1, 3):
            torch.set_num_threads(threads)
            layer = DelayedLinear(50, 40, max_delay=20.0, seed=3, backend="numba")
            inputs = x.clone().requires_grad_()
            layer(inputs)[0].square().sum().backward()
            results.append([inputs.grad, *(p.grad for p in layer.parameters())])
    finally:
        torch.set_num_threads(before)
    for one, three in zip(*results, strict=True):
        assert torch.equal(one, three)


@pytest.mark.parametrize("backend", ["eager", "numba"])
def test_pieces_are_the_whole(backend):
    layer = DelayedLinear(5, 4, max_delay=7.5, dt=2.0, seed=0, backend=backend)
    x = random_spikes(30, 3, 5, dtype=torch.float32)
    whole, last = layer(x)
    pieces, state = [], None
    for part in x.split([1, 0, 2, 9, 18]):
        y, state = layer(part, state)
        pieces.append(y)
    torch.testing.assert_close(torch.cat(pieces), whole)
    assert torch.equal(state.past, last.past)
    assert torch.equal(state.past, x[-4:])
    rest = layer.initial_state(x[0])
    assert torch.equal(layer(x, rest)[0], whole)
    assert not state.detach().past.requires_grad


def test_the_state_carries_gradients_from_piece_to_piece():
    layer = DelayedLinear(3, 2, max_delay=4.0, seed=0)
    x = random_spikes(10, 2, 3, dtype=torch.float32).requires_grad_()
    _y, state = layer(x[:6])
    layer(x[6:], state)[0].sum().backward()
    assert x.grad[5].abs().sum() > 0  # a spike of the first piece arrives in the second


def test_delays_are_in_ms_and_limited():
    layer = DelayedLinear(1, 3, max_delay=6.0, dt=2.0, bias=False, seed=0)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.delays.copy_(torch.tensor([[-1.0], [4.0], [60.0]]))
    x = torch.zeros(6, 1, 1)
    x[1] = 1.0
    y, _ = layer(x)
    assert y[:, 0].argmax(0).tolist() == [1, 3, 4]
    assert y.sum() == 3.0
    # Descent would move the third one earlier: the gradient reaches a delay beyond the limit.
    (y[:, 0, 2] * torch.arange(6.0)).sum().backward()
    assert layer.delays.grad[2] > 0
    assert layer.delays.grad[0] == 0


def test_rounded_delays_are_whole_steps():
    layer = DelayedLinear(4, 3, max_delay=10.0, dt=2.0, seed=0)
    before = layer.delays.detach().clone()
    layer.round_delays_()
    steps = layer.steps()
    assert torch.equal(steps, steps.round())
    assert (layer.delays - before).abs().max() <= 1.0


def test_smoothing_is_a_gaussian_of_that_width_and_shows_the_way():
    layer = DelayedLinear(1, 1, max_delay=40.0, bias=False, smoothing=5.0, seed=0)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.delays.fill_(20.0)
    x = torch.zeros(60, 1, 1)
    x[10] = 1.0
    y, _ = layer(x)
    t = torch.arange(60.0)
    assert y.sum().item() == pytest.approx(1.0, abs=1e-5)
    assert (y.flatten() * t).sum().item() == pytest.approx(30.0, abs=1e-3)
    assert (y.flatten() * (t - 30.0) ** 2).sum().sqrt().item() == pytest.approx(5.0, rel=0.02)
    # The target is 8 steps later: without smoothing the gradient is blind to it.
    y[38].sum().backward()
    slope = 8.0 / 25.0 * math.exp(-0.5 * (8.0 / 5.0) ** 2) / math.sqrt(2.0 * math.pi) / 5.0
    assert layer.delays.grad.item() == pytest.approx(slope, rel=0.1)
    layer.smoothing, layer.delays.grad = 0.0, None
    layer(x)[0][38].sum().backward()
    assert layer.delays.grad.item() == 0.0
    with pytest.raises(ValueError, match="smoothing"):
        DelayedLinear(1, 1, max_delay=1.0, smoothing=-1.0)
    layer.smoothing = 1.0
    with pytest.raises(ValueError, match="looks ahead"):
        layer(x, layer.initial_state(x[0]))


def test_delays_that_do_not_learn_stay():
    layer = DelayedLinear(2, 2, max_delay=5.0, learn_delays=False, seed=0)
    layer(random_spikes(9, 1, 2, dtype=torch.float32))[0].sum().backward()
    assert layer.delays.grad is None
    assert layer.weight.grad is not None


def test_it_learns_a_delay():
    """A coincidence: one neuron has to hear two inputs 12 ms apart at the same time."""
    x = torch.zeros(40, 1, 2)
    x[5, 0, 0], x[17, 0, 1] = 1.0, 1.0
    layer = DelayedLinear(2, 1, max_delay=20.0, bias=False, smoothing=6.0, seed=1)
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.delays.copy_(torch.tensor([[4.0, 6.0]]))
    optimiser = torch.optim.SGD([layer.delays])
    for step in range(100):
        layer.smoothing = 6.0 * 0.97**step
        optimiser.param_groups[0]["lr"] = (
            layer.smoothing**3
        )  # a Gaussian's slope is of order 1/std^3
        optimiser.zero_grad()
        (-layer(x)[0].amax(0).sum()).backward()
        optimiser.step()
    assert (layer.delays[0, 0] - layer.delays[0, 1]).item() == pytest.approx(12.0, abs=0.6)


def test_between_layers_of_neurons():
    chain = SpikingChain(
        [
            DelayedLinear(6, 8, 10.0, seed=0),
            nn.BatchNorm1d(8),
            LIFLayer(),
            DelayedLinear(8, 3, 10.0),
        ]
    )
    x = random_spikes(20, 4, 6, dtype=torch.float32)
    y, states = chain(x)
    assert y.shape == (20, 4, 3)
    assert isinstance(states[0], DelayState)
    y.sum().backward()
    assert all(p.grad is not None for p in chain.parameters())
    chain.eval()
    whole, _ = chain(x)
    first, state = chain(x[:11])
    torch.testing.assert_close(torch.cat([first, chain(x[11:], state)[0]]), whole)


def test_what_it_refuses():
    layer = DelayedLinear(5, 4, max_delay=10.0)
    for wrong in (torch.zeros(7, 2, 6), torch.zeros(7, 5)):
        with pytest.raises(ValueError, match="DelayedLinear: input"):
            layer(wrong)
    x = torch.zeros(7, 2, 5)
    with pytest.raises(ValueError, match="past"):
        layer(x, DelayState(torch.zeros(3, 2, 5)))
    with pytest.raises(TypeError, match="state"):
        layer(x, torch.zeros(10, 2, 5))
    for name, value in (("n_in", 0), ("n_out", 2.5), ("max_delay", -1.0), ("dt", 0.0)):
        options = {"n_in": 5, "n_out": 4, "max_delay": 10.0, "dt": 1.0} | {name: value}
        with pytest.raises((ValueError, TypeError), match=name):
            DelayedLinear(**options)
    with pytest.raises(ValueError, match="max_delay"):
        DelayedLinear(2, 2, max_delay=1e12)
    with pytest.raises(TypeError, match="seed"):
        DelayedLinear(2, 2, 5.0, seed="x")
    with pytest.raises(TypeError, match="one type"):
        DelayedLinear(5, 4, 3.0, backend="eager")(x.double())
    for name in ("bias", "learn_delays"):
        with pytest.raises(TypeError, match=f"{name} must be True or False, not 'no'"):
            DelayedLinear(2, 2, 5.0, **{name: "no"})
    with torch.no_grad():
        layer.delays[1, 2] = math.nan
    for backend in ("eager", "numba"):
        layer.backend = backend
        with pytest.raises(ValueError, match="NaN"):
            layer(x)


def test_what_the_definition_refuses(problem):
    x, weight, delays = problem
    for wrong, match in (
        ((x[..., :4], weight, delays), "n_in"),
        ((x, weight[0], delays), "weight"),
        ((x, weight, delays[:3]), "delays"),
        ((x, weight, delays - 1.0), "at least 0"),
        ((x, weight, delays / 0.0), "finite|NaN"),
        ((x[..., :0], weight[:, :0], delays[:, :0]), "n_in>=1"),
    ):
        with pytest.raises(ValueError, match=match):
            delayed_linear(*wrong)
    with pytest.raises(TypeError, match="one type"):
        delayed_linear(x.float(), weight, delays)


def test_no_steps_give_no_steps(problem):
    x, weight, delays = problem
    x = x[:0].requires_grad_()
    y = delayed_linear(x, weight, delays)
    assert y.shape == (0, 3, 4)
    y.sum().backward()
    assert x.grad.shape == x.shape


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_how_far_nan_and_infinity_spread(bad):
    layer = DelayedLinear(2, 2, max_delay=3.0, seed=0)
    with torch.no_grad():
        layer.delays.copy_(torch.tensor([[1.5, 1.0], [0.2, 2.6]]))
    x = torch.zeros(12, 2, 2)
    x[5, 0, 0] = bad

    def steps() -> list[list[int]]:
        y = layer(x)[0]
        assert y[:, 1].isfinite().all()  # the other sample
        return [(~y[:, 0, j].isfinite()).nonzero().flatten().tolist() for j in range(2)]

    layer.backend = "numba"
    assert steps() == [[6, 7], [5, 6]]
    layer.backend = "eager"
    assert steps() == [[5, 6, 7, 8]] * 2  # until the longest delay, of 2 steps and a fraction
    layer.smoothing = 1.0
    assert steps() == [list(range(12))] * 2


def test_rows_too_long_for_the_loops_are_refused(monkeypatch):
    layer = DelayedLinear(5, 4, max_delay=3.0, backend="numba", seed=0)
    x = torch.rand(7, 2, 5)
    layer(x)
    monkeypatch.setattr(delayed_numba, "_LAST", 100)
    with pytest.raises(ValueError, match=r"5 rows of .* smaller batch"):
        layer(x)


def test_its_operations_are_counted():
    chain = SpikingChain([DelayedLinear(6, 8, 9.0, seed=0), LIFLayer(), DelayedLinear(8, 3, 9.0)])
    with torch.no_grad():
        chain.layers[0].weight[:5, 0] = 0.0
    x = torch.zeros(20, 2, 6)
    x[3, 0, 0], x[4:6, 0, 1], x[19, 1, 5] = 1.0, 1.0, 1.0
    counts = count_operations(chain, x)
    # 3 synapses of input 0 are left; a spike that arrives too late was sent all the same.
    assert counts["layers.0"].additions.tolist() == [3 + 2 * 8, 8]
    spikes = counts["layers.1"].spikes
    assert torch.equal(counts["layers.2"].additions, 3 * spikes)
    dense = count_operations(SpikingChain([DelayedLinear(6, 8, 9.0), LIFLayer()]), 0.5 * x)
    assert dense["layers.0"].multiply_adds.tolist() == [20 * 48, 20 * 48]


def make_network(**options) -> DelayedNetwork:
    return DelayedNetwork((6, 8, 7, 3), max_delay=40.0, dt=10.0, seed=0, **options)


def test_a_network_learns_the_order_of_two_inputs():
    """Which of two inputs comes first cannot be read from counts: only delays compare them."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(2, (400,), generator=generator)
    x = torch.zeros(20, 400, 2)
    start = torch.randint(2, 8, (400,), generator=generator)
    every = torch.arange(400)
    x[start, every, first] = 1.0
    x[start + 5, every, 1 - first] = 1.0

    def accuracy(delays: str) -> float:
        network = DelayedNetwork((2, 20, 2), max_delay=100.0, dt=10.0, delays=delays, seed=0)
        network.smoothing = 20.0
        optimiser = torch.optim.Adam(
            [{"params": [p for n, p in network.named_parameters() if not n.endswith("delays")]},
             {"params": [s.delays for s in network.synapses], "lr": 1.0}], lr=0.02,
        )  # fmt: skip
        for step in range(60):
            network.smoothing = 20.0 * 0.94**step
            loss = nn.functional.cross_entropy(network(x), first)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
        network.eval()
        network.smoothing = 0.0
        return (network(x).argmax(1) == first).float().mean().item()

    assert accuracy("learned") > 0.9
    assert accuracy("none") < 0.65


def test_equalised_inputs_vary_by_the_same_amount():
    network = make_network()
    spread = torch.tensor([1.0, 2.0, 4.0, 0.5, 0.0, 8.0])
    network.equalise_(spread, power=1.0)
    scaled = (spread * network.scale)[spread > 0]
    torch.testing.assert_close(scaled, scaled[0].expand(5))
    assert network.scale[4] == network.scale[3]  # like the input that varies least
    torch.testing.assert_close(network.scale.mean(), torch.tensor(1.0))
    network.equalise_(spread, power=0.0)
    assert torch.equal(network.scale, torch.ones(6))
    for wrong, message in ((spread[:3], "n_in=6"), (-spread, "spread"), (0 * spread, "all inputs")):
        with pytest.raises(ValueError, match=message):
            network.equalise_(wrong)
    with pytest.raises(ValueError, match="power"):
        network.equalise_(spread, power=2.0)


def test_a_chain_keeps_the_smoothing_and_a_state_does_not():
    network = make_network()
    network.smoothing = 20.0
    x = random_spikes(15, 4, 6, dtype=torch.float32)
    chain = network.fused()
    _, state = chain(x)
    with pytest.raises(ValueError, match="looks ahead"):
        chain(x, state)
    other = make_network()
    other.load_state_dict(network.state_dict())
    assert other.smoothing == 0.0
    chain = other.fused()
    chain(x, chain(x)[1])


@pytest.mark.parametrize("power", [0.0, 0.5])
def test_a_network_is_its_layers_and_its_chain(power):
    network = make_network()
    network.equalise_(torch.tensor([1.0, 2.0, 0.5, 1.5, 3.0, 1.0]), power)
    x = random_spikes(15, 4, 6, dtype=torch.float32)
    for _ in range(40):
        network(x)  # the running statistics of the normalisation
    network.eval()
    scores, hidden = network(x, return_spikes=True)
    assert [h.shape for h in hidden] == [(15, 4, 8), (15, 4, 7)]
    assert sum(h.sum() for h in hidden) > 0
    torch.testing.assert_close(scores.sum(1), torch.full((4,), 15.0))
    currents, _ = network.fused()(x)
    torch.testing.assert_close(currents.softmax(2).sum(0), scores, rtol=1e-4, atol=1e-4)
    assert sum(isinstance(layer, DelayedLinear) for layer in network.layers_in_order()) == 3
    counts = count_operations(network, x)
    sent = hidden[0].sum((0, 2)).long()
    assert torch.equal(counts["layers.2"].additions, 7 * sent)
    assert isinstance(network.norms[0], nn.BatchNorm1d)  # the network itself is unchanged


def test_what_becomes_of_the_delays_of_a_network():
    for delays, learn, longest in (
        ("learned", True, 40),
        ("frozen", False, 40),
        ("none", False, 0),
    ):
        layers = make_network(delays=delays).synapses
        assert all(layer.delays.requires_grad == learn for layer in layers)
        assert all(layer.max_delay == longest for layer in layers)
    for wrong in ({"delays": "some"}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            make_network(**wrong)
    with pytest.raises(ValueError, match="sizes"):
        DelayedNetwork((4,), 10.0)
    for neurons, said in ((3, "must be a function.*not 3"), (lambda n: 3, "returns must be a Mod")):
        with pytest.raises(TypeError, match=f"neurons {said}"):
            make_network(neurons=neurons)


def test_dropout_leaves_out_whole_neurons_in_training():
    network = make_network(dropout=0.5)
    x = random_spikes(30, 16, 6, dtype=torch.float32)
    heard = []
    network.synapses[1].register_forward_pre_hook(lambda _, args: heard.append(args[0]))
    for _ in range(40):
        with torch.no_grad():
            _, hidden = network(x, return_spikes=True)
    sent, arrived = hidden[0], heard[-1]
    # Of each sample a neuron is heard in all steps, twice as loud, or in none.
    left_out = (arrived == 0).all(0) & (sent != 0).any(0)
    assert torch.equal(arrived, torch.where(left_out, 0.0, 2.0 * sent))
    assert 0.3 < left_out.sum() / (sent != 0).any(0).sum() < 0.7
    network.eval()
    _, hidden = network(x, return_spikes=True)
    assert torch.equal(heard[-1], hidden[0])


def test_neurons_of_the_users_own_choice():
    network = make_network(neurons=lambda n: LIFLayer(tau=30.0, dt=10.0, adaptation=0.1))
    assert network(random_spikes(9, 2, 6, dtype=torch.float32)).shape == (2, 3)
