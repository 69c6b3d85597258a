"""The patients of notebook 10 have the illness that they are said to have."""

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


@pytest.mark.parametrize(
    ("patient", "words"),
    [(broken.deep_reader, "neurons.2: silent"), (broken.drawn_reader, "neurons.0: saturated")],
)
def test_silent_and_saturated_do_not_learn(patient, words):
    model = patient()
    assert words in problems(model, digits())
    losses = fit(model, DATA, epochs=3, encode=encode, **QUIET).column("loss")
    assert losses[-1] > math.log(10) - 0.01
    assert evaluate(model, datasets.digits("test"), encode)["acc"] < 0.15


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


def test_a_rate_cannot_read_first_spikes():
    data = datasets.toy("train").subset(1024)
    model = broken.spike_reader()

    def first_spikes(values, generator):
        return ttfs_encode(values, 50)

    assert not problems(model, (first_spikes(data.inputs[:64], None), data.targets[:64]))
    fit(model, data, epochs=3, encode=first_spikes, **QUIET)
    assert evaluate(model, datasets.toy("test"), first_spikes)["acc"] < 0.6


def test_the_gradient_explodes():
    x = broken.rows(DATA.inputs[:64])
    assert x.shape == (80, 64, 8)
    assert torch.equal(x[25], DATA.inputs[:64, 0, 2])
    found = problems(broken.RowReader(), (x, DATA.targets[:64]))
    assert "the gradient grows" in found
    with pytest.raises(TrainingError, match="nan"):
        fit(broken.RowReader(), DATA, epochs=1, encode=broken.rows, **QUIET)


def test_maps_starve():
    events, layer = broken.retina(DATA.inputs), broken.stroke_finder()
    for _ in range(2):
        layer.learn(events, torch.randperm(len(events), generator=g()), g())
    found = diagnose(layer, events)
    assert found.measures["dead maps"] > 15
    assert "turn homeostasis on" in found.problems[0]
