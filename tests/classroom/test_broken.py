"""The patients of lessons 701 and 704 have the illness that they are said to have."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from jarvis import datasets, diagnose, evaluate, fit, poisson_encode, ttfs_encode
from jarvis.classroom import broken
from jarvis.networks.probes import influence
from jarvis.training.run import TrainingError

DATA = datasets.digits("train")
QUIET = dict(progress=False, log=lambda line: None, batch_size=64, lr=2e-3)


def g(seed=0):
    return torch.Generator().manual_seed(seed)


def encode(values, generator):
    return poisson_encode(values, 25, generator=generator)


def digits(n=64):
    x, y = DATA[:n]
    return encode(x, g()), y


def problems(model, batch):
    return " ".join(diagnose(model, batch).problems)


@pytest.mark.slow
def test_all_neurons_fire_at_all_steps():
    model = broken.drawn_reader()
    assert "neurons.0: saturated" in problems(model, digits())
    losses = fit(model, DATA, epochs=3, encode=encode, **QUIET).column("loss")
    assert losses[-1] > math.log(10) - 0.01
    assert evaluate(model, datasets.digits("test"), encode)["acc"] < 0.15


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_spikes_fade_from_layer_to_layer(seed):
    x, y = digits()
    found = diagnose(broken.DeepReader(seed), (x, y))
    rates = [layer.rate for layer in found.layers]
    assert len(rates) == 6
    assert rates[0] > 0.1
    assert rates[-1] < 0.2 * rates[0]
    weights = [g for n, g in found.gradients.items() if n.endswith("weight")]
    assert weights[0] < 1e-3 * weights[-1]


def test_a_deep_reader_has_the_layers_asked_for():
    assert len(broken.DeepReader(n_layers=3).neurons) == 3
    with pytest.raises(ValueError, match="n_layers"):
        broken.DeepReader(n_layers=2)


@pytest.mark.slow
def test_a_surrogate_overflows():
    x, y = digits()
    model = broken.belled_reader()
    assert cross_entropy(model(x), y).isfinite()
    found = diagnose(model, (x, y)).gradients
    assert math.isnan(found["synapses.0.1.weight"])
    assert math.isfinite(found["output.weight"])
    z = torch.linspace(-3, 3, 50)
    s = torch.sigmoid(25.0 * z)
    assert torch.allclose(broken.bell(z, 25.0), 25 * s * (1 - s), atol=1e-5)
    with pytest.raises(TrainingError, match="nan"):
        fit(broken.belled_reader(), DATA, epochs=1, encode=encode, **QUIET)


@pytest.mark.slow
def test_scores_depend_on_the_batch_in_training_mode():
    net, (x, _) = broken.NormedReader(), digits()
    fit(net, DATA, epochs=2, encode=encode, **QUIET)
    together, alone = {}, {}
    with torch.no_grad():
        for mode in (True, False):
            net.train(mode)
            kept = {name: value.clone() for name, value in net.state_dict().items()}
            together[mode], alone[mode] = net(x)[:4], net(x[:, :4])
            net.load_state_dict(kept)
    assert torch.allclose(together[False], alone[False], atol=1e-5)
    assert not torch.allclose(together[True], alone[True], atol=1e-2)


@pytest.mark.slow
def test_the_state_is_carried_on():
    net, (x, y) = broken.StreamReader(), digits()
    assert "state: the same batch" in problems(net, (x, y))
    net.state = None
    cross_entropy(net(x), y).backward()
    with pytest.raises(RuntimeError, match="a second time"):
        cross_entropy(net(x), y).backward()


def test_time_runs_along_the_batch():
    x, labels = broken.cue(30, g())
    net = broken.CueNetwork()
    assert "batch: changing sample 0" in problems(net, (x.transpose(0, 1), labels))
    assert influence(net, x.transpose(0, 1)[:5], batch_axis=0).tril(-1).max() > 0.1


def test_cues():
    x, labels = broken.cue(2000, g())
    rate = torch.stack([x[:10, :, :16].mean((0, 2)), x[:10, :, 16:].mean((0, 2))], 1)
    assert (rate.argmax(1) == labels).double().mean() > 0.999
    assert rate.gather(1, labels[:, None]).mean().item() == pytest.approx(0.5, abs=0.01)
    assert x[10:].mean().item() == pytest.approx(0.02, abs=0.001)
    late = torch.stack([x[10:, :, :16].mean((0, 2)), x[10:, :, 16:].mean((0, 2))], 1)
    assert abs((late.argmax(1) == labels).double().mean() - 0.5) < 0.05


def test_a_factor_went_in_as_a_time():
    x, labels = broken.cue(64, g())
    assert "tau is -dt/ln(beta) = 19.5 ms" in problems(broken.ported_network(), (x, labels))
    assert not problems(broken.ported_network(19.5), (x, labels))


@pytest.mark.slow
def test_a_rate_cannot_read_first_spikes():
    data = datasets.toy("train").subset(1024)
    model = broken.spike_reader()

    def first_spikes(values, generator):
        return ttfs_encode(values, 50)

    assert not problems(model, (first_spikes(data.inputs[:64], None), data.targets[:64]))
    fit(model, data, epochs=3, encode=first_spikes, **QUIET)
    assert evaluate(model, datasets.toy("test"), first_spikes)["acc"] < 0.6


@pytest.mark.slow
def test_the_gradient_explodes():
    x = broken.rows(DATA.inputs[:64])
    assert x.shape == (80, 64, 8)
    assert torch.equal(x[25], DATA.inputs[:64, 0, 2])
    found = problems(broken.RowReader(), (x, DATA.targets[:64]))
    assert "the gradient grows" in found
    with pytest.raises(TrainingError, match="nan"):
        fit(broken.RowReader(), DATA, epochs=1, encode=broken.rows, **QUIET)


@pytest.mark.slow
def test_maps_starve():
    events, layer = broken.retina(DATA.inputs), broken.stroke_finder()
    for _ in range(2):
        layer.learn(events, torch.randperm(len(events), generator=g()), g())
    found = diagnose(layer, events)
    assert found.measures["dead maps"] > 15
    assert "turn homeostasis on" in found.problems[0]
