"""The neurons by name: each shows what it does, and can be trained in a hidden layer."""

import sys

import pytest
import torch
from torch import nn

from conftest import ROOT, sampled
from jarvis import SpikingMLP, datasets, diagnose
from jarvis.neurons import DrivenLayer
from jarvis.zoo import ZOO, find, hidden_layer, trainable

sys.path.insert(0, str(ROOT / "tests" / "neurons"))
from register import CASES

every = pytest.mark.parametrize("name", ZOO)
#: Each neuron compiles loops of its own; those of the others are tried by `make test-slow`.
QUICK = ("lif", "alif", "adex")
each_trainable = pytest.mark.parametrize("name", sampled(trainable(), QUICK))


@every
def test_the_suite_of_all_neurons_runs_it(name):
    kinds = {case.neuron().step for case in CASES}
    assert ZOO[name].kind.step in kinds


@every
def test_a_single_one_responds_to_its_usual_input_and_rests_without(name):
    entry = ZOO[name]
    layer = entry.single().double()
    dt = getattr(layer.layer.params, "dt", 1.0)
    steps = round(entry.drive.duration / dt)
    assert steps >= 10
    x = torch.full((steps, 1, 1), entry.drive.usual, dtype=torch.float64)
    with torch.no_grad():
        torch.manual_seed(0)
        y, _ = layer(x)
    assert (y != 0).any(), "silent at its usual input"
    assert entry.drive.low <= entry.drive.usual <= entry.drive.high
    assert entry.title
    assert entry.numerics
    assert entry.gradient


def spikes_of(n_inputs: int = 64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.rand((25, 16, n_inputs), generator=generator) < 0.3).float()


@each_trainable
def test_in_a_hidden_layer_it_fires_and_passes_a_gradient_on(name):
    torch.manual_seed(0)
    model = SpikingMLP((64, 100, 10), neurons=lambda n: hidden_layer(name))
    scores, hidden = model(spikes_of(), return_spikes=True)
    rate = float((hidden[0] != 0).float().mean())
    assert 0.002 < rate < 0.7, f"{rate:.4f} per step"
    nn.functional.cross_entropy(scores, torch.arange(16) % 10).backward()
    gradient = model.synapses[0][1].weight.grad
    assert gradient.isfinite().all()
    reached = float((gradient.abs().amax(1) > 1e-9).float().mean())
    assert reached > 0.3, f"only {reached:.0%} of the neurons have a gradient"


@pytest.mark.slow
@each_trainable
def test_diagnose_knows_it(name):
    torch.manual_seed(0)
    model = SpikingMLP((64, 50, 10), neurons=lambda n: hidden_layer(name))
    if not find(name).kind.fires:
        with pytest.raises(ValueError, match="no SpikingLayer of neurons that fire"):
            diagnose(model, (spikes_of(), torch.arange(16) % 10))
        return
    found = diagnose(model, (spikes_of(), torch.arange(16) % 10))
    assert [layer.name for layer in found.layers] == ["neurons.0.layer"]
    assert not any("silent" in p or "saturated" in p for p in found.problems), found.problems


@each_trainable
def test_it_learns_the_toy_set(name):
    """A few steps of Adam: the loss falls below that of guessing, 0.693."""
    torch.manual_seed(0)
    x, y = datasets.toy("train")[:256]
    model = SpikingMLP((32, 64, 2), neurons=lambda n: hidden_layer(name))
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    generator = torch.Generator().manual_seed(0)
    losses = []
    for _ in range(30):
        spikes = (torch.rand((15, *x.shape), generator=generator) < x).float()
        loss = nn.functional.cross_entropy(model(spikes), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert sum(losses[-5:]) / 5 < 0.65, losses[::5]


def test_options_of_a_hidden_layer():
    layer = hidden_layer("lif", tau=7.0, learnable="tau", surrogate="arctan", recurrent=5)
    assert isinstance(layer, DrivenLayer)
    assert layer.layer.surrogate.name == "arctan"
    assert layer.layer.surrogate.slope == 2.0
    assert layer.layer.value("tau").item() == pytest.approx(7.0)
    assert layer.layer.recurrent == 5
    usual = find("normalised_adex").hidden
    same = hidden_layer("normalised_adex", surrogate=usual.surrogate)
    assert same.layer.surrogate.slope == hidden_layer("normalised_adex").layer.surrogate.slope


def test_unknown_names_and_parameters():
    with pytest.raises(ValueError, match="neuron='lip' is not one of lif"):
        hidden_layer("lip")
    with pytest.raises(TypeError):
        hidden_layer("lif", colour=1.0)
    with pytest.raises(ValueError, match="tau=-1"):
        hidden_layer("lif", tau=-1.0)
