"""Wrong arguments of public calls: one line that names the argument (see tools/fuzz/calls.py)."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from jarvis import datasets, encoding, networks, plotting, spatial, stdp
from jarvis.encoding import Events
from jarvis.training import choose_device, density_after, evaluate

VALUES, SPIKES = torch.rand(3, 4), torch.zeros(5, 2, 2, 3)
PICTURES = Events.from_dense(torch.ones(2, 1, 1, 8, 8))

CALLS = [
    (lambda: networks.count_parameters({}), "model must be a Module, not {}"),
    (lambda: networks.count_spikes([1, 2]), "spikes must be a tensor"),
    (lambda: networks.count_spikes(SPIKES.to_sparse()), "spikes must be a dense tensor"),
    (lambda: networks.SpikingMLP(3), "sizes must be a list of integers, not 3"),
    (lambda: networks.SpikingMLP((4, 2), gain="x"), "gain must be a number"),
    (lambda: encoding.poisson_encode(VALUES, 5, generator=3), "generator must be a Generator"),
    (lambda: encoding.poisson_encode(VALUES.to("meta"), 5), "values is on the device meta"),
    (lambda: encoding.ttfs_encode(VALUES.to_sparse(), 5), "values must be a dense tensor"),
    (lambda: encoding.ttfs_encode([[0.5]], 5), "values must be a floating-point tensor"),
    (lambda: encoding.delta_decode(SPIKES, start=VALUES), r"start must be \[2, 3\]"),
    (lambda: encoding.delta_decode(SPIKES, start="x"), "start must be a number"),
    (lambda: encoding.rate_decode(SPIKES, dt=0.0), "dt=0"),
    (lambda: encoding.filter_images(VALUES[None, None], VALUES[None, None, :3, :3] * math.nan),
     "bank must be finite"),
    (lambda: encoding.local_normalisation(torch.zeros(2, 1, 8, 0)), "x must have pixels"),
    (lambda: encoding.gabor(sigma=1e308), "sigma=1e"),
    (lambda: Events.concatenate([]), "parts is empty"),
    (lambda: Events.concatenate(3), "parts must be a list of Events, not 3"),
    (lambda: Events.concatenate([3]), "each of parts must be an Events"),
    (lambda: Events.from_first_steps(torch.tensor([[0.5]]), 3), "steps must be whole numbers"),
    (lambda: Events(2.5, VALUES[0], VALUES[0], (2,)), "times must be a tensor"),
    (lambda: Events(*[torch.zeros(1).int()] * 3, (2.5,)), "shape=2.5 must be an integer"),
    (lambda: PICTURES.where([True]), "keep must be a tensor"),
    (lambda: stdp.stdp_window([1], 3.0), "rule must be a PairSTDP"),
    (lambda: stdp.stdp_window(stdp.PairSTDP(), b"x"), "delta_t must be numbers"),
    (lambda: stdp.stdp_window(stdp.PairSTDP(), [math.nan]), "delta_t must not be NaN"),
    (lambda: stdp.PairSTDP(w_min=[1]), r"w_min must be a number, not \[1\]"),
    (lambda: stdp.STDPConfig(w_max="x"), "w_max must be a number, not 'x'"),
    (lambda: stdp.class_of_maps(3, torch.tensor([0]), 2, 2), "winners must be integers"),
    (lambda: stdp.class_of_maps(torch.tensor([5]), torch.tensor([0]), 2, 2), r"winners must lie"),
    (lambda: stdp.class_of_maps(torch.tensor([0]), torch.tensor([0]), -1, 2), "n_maps=-1"),
    (lambda: stdp.linear_readout((1.5, 2), (VALUES, [0, 1, 1])), "features of train must be"),
    (lambda: stdp.linear_readout(3, 3), r"train must be a pair \(features, labels\)"),
    (lambda: stdp.ConvSTDP(1, 2, 3).respond(PICTURES, once=math.inf), "once must be True or False"),
    (lambda: stdp.ConvSTDP(1, 2, 3).learn([1]), r"events must be an Events, not \[1\]"),
    (lambda: spatial.spike_time_encode(VALUES, bias="x"), "bias must be a number"),
    (lambda: spatial.first_spike_scores(3), "outputs must be FirstSpikes, not 3"),
    (lambda: evaluate([1], []), "model must be a Module|the data set is empty"),
    (lambda: evaluate(nn.Linear(2, 2), datasets.toy("val", n=99), seed=1.5), "seed=1.5"),
    (lambda: density_after("x", 0.5), "epoch must be an integer"),
    (lambda: choose_device(2.5), "device must be a name"),
    (lambda: plotting.raster(SPIKES, dt="x"), "dt must be a number"),
    (lambda: plotting.raster("x"), "must be numbers, not str"),
    (lambda: plotting.trace(VALUES[0], threshold=[1]), "threshold must be a number"),
    (lambda: datasets.folder(3), "path must be a path, not int"),
    (lambda: datasets.folder(""), "path is empty"),
    (lambda: datasets.folder("/nowhere", size=(1, 2, 3)), r"size=\(1, 2, 3\) must be"),
    (lambda: datasets.shd_like(n_events=np.ones(2)), "n_events must be an integer"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "message"), CALLS, ids=[message for _, message in CALLS])
def test_the_argument_is_named_in_one_line(call, message):
    with pytest.raises((TypeError, ValueError), match=message) as error:
        call()
    assert "\n" not in str(error.value)
