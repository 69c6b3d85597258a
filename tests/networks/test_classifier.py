import numpy as np
import pytest
import torch

from jarvis import SpikingCNN, SpikingMLP, constant_encode, seeded
from jarvis.lif import LeakyIntegrator, LIFLayer
from jarvis.networks import READOUTS, Readout


@pytest.mark.parametrize("readout", READOUTS)
def test_every_readout_scores_and_sends_a_gradient_back(readout, generator):
    x = torch.rand(25, 8, 12, generator=generator).round()
    with seeded(0):
        model = SpikingMLP((12, 32, 3), readout, gain=2.0)
    scores, hidden = model(x, return_spikes=True)
    assert scores.shape == (8, 3)
    assert hidden[0].shape == (25, 8, 32)
    scores.square().sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all()
    assert model.synapses[0][1].weight.grad.any()


def test_readouts_by_hand():
    currents = torch.tensor([0.0, 1.2, 0.0, 1.2]).reshape(4, 1, 1)
    inf = float("inf")
    value = {r: Readout(r, tau=inf)(currents).item() for r in READOUTS}
    assert value["mean"] == pytest.approx(0.6)
    assert value["last"] == pytest.approx(2.4)
    assert value["max"] == pytest.approx(2.4)
    assert value["rate"] == 2  # fires at steps 1 and 3
    assert value["first"] == 3  # T - 1
    assert value["trace"] == 2
    leaky, _ = LeakyIntegrator(tau=2.0)(currents)
    assert Readout("last", tau=2.0)(currents).item() == pytest.approx(leaky[-1].item())


def test_mlp_is_its_layers_by_hand(generator):
    with seeded(0):
        model = SpikingMLP((6, 5, 4, 2), tau=10.0)
    x = torch.rand(7, 3, 6, generator=generator)
    scores, hidden = model(x, return_spikes=True)
    a, _ = LIFLayer(tau=10.0)(model.synapses[0][1](x))
    b, _ = LIFLayer(tau=10.0)(model.synapses[1][1](a))
    torch.testing.assert_close(scores, model.output(b).mean(0))
    assert torch.equal(hidden[1], b)


def test_pictures_and_static_input(generator):
    x = torch.rand(4, 1, 8, 8, generator=generator)
    with seeded(0):
        models = SpikingMLP((64, 10, 3)), SpikingCNN((1, 8, 8), 3, channels=(2, 4))
    for model in models:
        static = model(constant_encode(x, 6))
        torch.testing.assert_close(static, model(x.repeat(6, 1, 1, 1, 1)))


def test_gain_scales_the_hidden_synapses_alone():
    with seeded(0):
        one = SpikingMLP((6, 5, 2))
    with seeded(0):
        two = SpikingMLP((6, 5, 2), gain=2.0)
    torch.testing.assert_close(2 * one.synapses[0][1].weight, two.synapses[0][1].weight)
    torch.testing.assert_close(2 * one.synapses[0][1].bias, two.synapses[0][1].bias)
    assert torch.equal(one.output.weight, two.output.weight)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: SpikingMLP((3,)), r"sizes=\(3,\)"),
        (lambda: SpikingMLP((3, 0, 2)), r"sizes\[1\]=0 must be an integer of at least 1"),
        (lambda: SpikingMLP((3, 2), "vote"), "vote"),
        (lambda: SpikingCNN((1, 3, 8)), "4x4"),
        (lambda: SpikingMLP((3, 2, 2), tau=-1.0), "tau=-1.0"),
    ],
)
def test_bad_options(call, says):
    with pytest.raises(ValueError, match=says):
        call()


@pytest.mark.parametrize("readout", READOUTS)
def test_a_sequence_without_steps_has_no_scores(readout):
    with pytest.raises(ValueError, match=r"must be \[T>=1, B, "):
        SpikingMLP((4, 5, 2), readout)(torch.zeros(0, 3, 4))


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (dict(shape=3), TypeError, "SpikingCNN: shape must be 3 integers, not 3"),
        (dict(shape=(1, 12)), ValueError, r"SpikingCNN: shape=\(1, 12\) must be 3 integers"),
        (dict(shape=(1, 12, 2.5)), ValueError, "SpikingCNN: shape=2.5 must be an integer"),
        (dict(channels=(2, 3, 4)), ValueError, "SpikingCNN: channels=.* must be 2 integers"),
        (dict(channels=(2, 0)), ValueError, "SpikingCNN: channels=0 must be"),
        (dict(n_classes=2.5), ValueError, "SpikingCNN: n_classes=2.5 must be an integer"),
    ],
)
def test_sizes_of_a_convolutional_network_are_named(options, error, message):
    with pytest.raises(error, match=message):
        SpikingCNN(**options)
    small = SpikingCNN(**(dict(shape=[1, 8, 8], channels=[2, 3]) | {"n_classes": np.int64(4)}))
    assert small(torch.zeros(2, 1, 1, 8, 8)).shape == (1, 4)
