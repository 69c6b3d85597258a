"""Neurons behind scaled inputs that last several of their steps."""

import math
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from jarvis import LIFLayer, SpikingMLP, constant_encode, count_operations, diagnose
from jarvis.lif import LI, LIF
from jarvis.networks import SpikingChain, SpikingCNN
from jarvis.neurons import DrivenLayer, SpikingLayer, by_sign

F64 = torch.float64


class Pair(NamedTuple):
    excitatory: Tensor
    inhibitory: Tensor
    more: Tensor


def test_it_is_the_loop_over_its_steps():
    """By hand: each input is scaled, applied three times, and what was sent is summed."""
    layer = DrivenLayer(SpikingLayer(LIF(tau=5.0, dt=0.5)), gain=2.0, offset=-0.1, steps=3)
    x = 0.4 * torch.rand(12, 2, 4, generator=torch.Generator().manual_seed(0), dtype=F64)
    v, wanted = torch.zeros(2, 4, dtype=F64), []
    for x_t in x:
        sent = torch.zeros(2, 4, dtype=F64)
        for _ in range(3):
            v = math.exp(-0.1) * v + 2.0 * x_t - 0.1
            s = (v >= 1.0).double()
            v, sent = v - s, sent + s
        wanted.append(sent)
    y, state = layer(x)
    assert torch.equal(y, torch.stack(wanted))
    assert y.max() > 1
    torch.testing.assert_close(state.v, v)


def test_a_state_goes_on_and_a_gradient_arrives():
    layer = DrivenLayer(SpikingLayer(LIF()), gain=0.5, offset=0.1, steps=2)
    x = torch.rand(8, 2, 3, requires_grad=True)
    y, end = layer(x)
    first, state = layer(x[:3])
    second, state = layer(x[3:], state)
    assert torch.equal(torch.cat([first, second]), y)
    assert torch.equal(state.v, end.v)
    (g,) = torch.autograd.grad(y.sum(), x)
    assert (g != 0).any()
    start = layer.initial_state(x[0])
    assert torch.equal(layer(x, start)[0], y)


def test_a_constant_input_is_not_copied():
    layer = DrivenLayer(SpikingLayer(LIF()), gain=2.0, steps=4)
    x = torch.rand(2, 3)
    seen = []
    layer.layer.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    y, _ = layer(constant_encode(x, 6))
    assert seen[0].shape == (24, 2, 3)
    assert seen[0].stride(0) == 0
    assert torch.equal(y, layer(constant_encode(x, 6).clone())[0])


def test_without_scaling_it_is_the_layer():
    x = torch.rand(9, 2, 3)
    plain = SpikingLayer(LIF())
    assert torch.equal(DrivenLayer(plain)(x)[0], plain(x)[0])


def test_signs_become_inputs():
    x = torch.tensor([[[1.5, -2.0, 0.0]]])
    found = by_sign(Pair)(x)
    assert found.excitatory.tolist() == [[[1.5, 0.0, 0.0]]]
    assert found.inhibitory.tolist() == [[[0.0, 2.0, 0.0]]]
    assert found.more.shape == x.shape
    assert not found.more.any()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (dict(layer=nn.Linear(2, 2)), TypeError, "layer must be a SpikingLayer"),
        (dict(gain=math.nan), ValueError, "gain=nan"),
        (dict(offset=math.inf), ValueError, "offset=inf"),
        (dict(steps=0), ValueError, "steps=0"),
        (dict(steps=1.5), ValueError, "steps=1.5"),
    ],
)
def test_bad_arguments(arguments, error, message):
    arguments = {"layer": SpikingLayer(LIF())} | arguments
    with pytest.raises(error, match=message):
        DrivenLayer(**arguments)


def test_bad_input():
    with pytest.raises(ValueError, match=r"DrivenLayer: input .*\[T, B"):
        DrivenLayer(SpikingLayer(LIF()))(torch.rand(3))


def test_as_hidden_layers_of_classifiers():
    """Given LIF neurons, classifiers are the same as with LIF neurons by their own options."""

    def neurons(n: int) -> nn.Module:
        sizes.append(n)
        return DrivenLayer(SpikingLayer(LIF(tau=20.0)))

    sizes: list[int] = []
    for make, x in (
        (lambda **kw: SpikingMLP((6, 5, 4, 3), "last", **kw), torch.rand(7, 2, 6)),
        (lambda **kw: SpikingCNN((1, 8, 8), 3, (2, 4), **kw), torch.rand(5, 2, 1, 8, 8)),
    ):
        torch.manual_seed(0)
        given = make(neurons=neurons)
        torch.manual_seed(0)
        plain = make()
        assert torch.equal(given(x), plain(x))
        scores, state = given(x[:3], return_state=True)
        scores, _ = given(x[3:], state, return_state=True)
        torch.testing.assert_close(scores, plain(x))
    assert sizes == [5, 4, 2, 4]


def test_operations_are_those_of_its_steps():
    model = SpikingMLP((4, 5, 3), neurons=lambda n: DrivenLayer(SpikingLayer(LIF()), steps=3))
    once = SpikingMLP((4, 5, 3), neurons=lambda n: DrivenLayer(SpikingLayer(LIF())))
    x = (torch.rand(6, 2, 4) < 0.5).float()
    found, single = (count_operations(m, x)["neurons.0"].updates for m in (model, once))
    assert found.tolist() == [90, 90]  # 6 steps of 3, 5 neurons
    assert single.tolist() == [30, 30]


def test_two_spikes_in_a_step_are_two_spikes_and_two_additions():
    torch.manual_seed(0)
    driven = DrivenLayer(SpikingLayer(LIF(dt=0.25)), gain=3.0, steps=4)
    model = SpikingMLP((4, 5, 3), "last", neurons=lambda n: driven)
    x = (torch.rand(6, 2, 4) < 0.5).float()
    found = count_operations(model, x)
    _, (hidden,) = model(x, return_spikes=True)
    assert hidden.max() > 1
    sent = hidden.sum((0, 2)).long()
    assert found["neurons.0"].spikes.tolist() == sent.tolist()
    assert found["output"].additions.tolist() == (3 * sent).tolist()


def test_a_chain_runs_any_neurons():
    layers = [nn.Linear(3, 4), DrivenLayer(SpikingLayer(LIF())), SpikingLayer(LI())]
    chain = SpikingChain(layers)
    x = torch.rand(6, 2, 3)
    whole, _ = chain(x)
    first, state = chain(x[:2])
    second, _ = chain(x[2:], state)
    torch.testing.assert_close(torch.cat([first, second]), whole)


def test_diagnose_sees_the_neurons_inside():
    silent = SpikingMLP((4, 6, 2), neurons=lambda n: DrivenLayer(SpikingLayer(LIF()), gain=1e-3))
    found = diagnose(silent, (torch.rand(10, 3, 4), torch.tensor([0, 1, 0])))
    assert [layer.name for layer in found.layers] == ["neurons.0.layer"]
    assert any("silent" in problem for problem in found.problems)


def test_recurrent_neurons_inside():
    layer = DrivenLayer(SpikingLayer(LIF(), recurrent=4))
    assert layer.weight is layer.layer.weight
    assert DrivenLayer(LIFLayer()).weight is None
    y, state = layer(torch.rand(5, 2, 4))
    assert torch.equal(layer(torch.zeros(0, 2, 4), state)[1].v, state.v)
    assert y.shape == (5, 2, 4)
