"""Learners side by side: an STDP classifier, the same noise and pruning for all, early stopping."""

import math

import pytest
import torch
from matplotlib import pyplot as plt
from torch import nn

from jarvis import ConvSTDP, FirstSpikeNetwork, count_operations
from jarvis.classroom.comparison import (
    STDPClassifier,
    band,
    corrupt,
    magnitude_prune,
    stacked_bars,
    until_decision,
)
from jarvis.networks import Operations

T = 9


@pytest.fixture
def steps(generator):
    return torch.randint(0, T + 1, (60, 6), generator=generator)


def classifier(steps, generator, n_classes=3):
    layer = ConvSTDP(6, 5, 1, threshold=1.4, generator=generator)
    layer.weight.uniform_(0, 1, generator=generator)
    return STDPClassifier(layer, steps, steps[:, :n_classes].argmin(1), T, c=10.0)


def test_features_by_hand(steps, generator):
    """A neuron without leak fires when the inputs so far reach its threshold."""
    model = classifier(steps, generator)
    w = model.layer.weight.flatten(1)
    features = model.features(steps)
    for sample in range(10):
        for k in range(5):
            expected = 0.0
            for t in range(T):
                if (w[k] * (steps[sample] <= t)).sum() >= 1.4:
                    expected = 1 - t / T
                    break
            assert features[sample, k].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_scores_are_the_machines(steps, generator, n_classes):
    from sklearn.svm import LinearSVC

    model = classifier(steps, generator, n_classes)
    labels = steps[:, :n_classes].argmin(1)
    machine = LinearSVC(C=10.0, dual=False, max_iter=20_000)
    machine.fit(model.features(steps).numpy(), labels.numpy())
    scores = model(steps)
    assert scores.shape == (60, n_classes)
    assert scores.argmax(1).tolist() == machine.predict(model.features(steps).numpy()).tolist()
    assert (scores.argmax(1) == labels).float().mean() > 0.6


def test_a_sum_of_currents_that_last_is_the_score(steps, generator):
    model = classifier(steps, generator)
    spikes = model.hidden(steps).dense().flatten(2)  # [T, B, 5]
    current = (spikes @ model.output.weight.t()).cumsum(0)
    assert torch.allclose(current.sum(0) / T + model.output.bias, model(steps), atol=1e-5)


def test_operations_of_the_classifier_one_spike_at_a_time(steps, generator):
    model = magnitude_prune(classifier(steps, generator), 0.4)
    counts = Operations.total(count_operations(model, steps).values())
    hidden = model.hidden(steps).first_steps().flatten(1)
    for sample in range(60):
        by_hand = 0
        for sent, weight in ((steps, model.layer.weight.flatten(1)), (hidden, model.output.weight)):
            for unit in (sent[sample] < T).nonzero()[:, 0].tolist():
                by_hand += sum(w != 0 for w in weight[:, unit].tolist())
        assert counts.additions[sample] == by_hand
    assert counts.updates.tolist() == [T * 3] * 60
    fired = (steps < T).sum(1) + (hidden < T).sum(1)
    assert counts.spikes.tolist() == fired.tolist()


def test_a_layer_that_does_not_fit_is_named(steps):
    with pytest.raises(ValueError, match=r"steps \(60, 6\) must be \[N, n=4\]"):
        STDPClassifier(ConvSTDP(4, 2, 1), steps, steps[:, 0], T)
    with pytest.raises(ValueError, match=r"kernel_size=3 must be 1"):
        STDPClassifier(ConvSTDP(6, 2, 3), steps, steps[:, 0], T)


def test_noise(generator):
    steps = torch.randint(0, T + 1, (2000, 6), generator=generator)
    silent = steps == T
    for kind in ("lost", "shifted", "added"):
        assert torch.equal(corrupt(steps, kind, 0.0, T, generator), steps)
    lost = corrupt(steps, "lost", 0.3, T, generator)
    assert (lost[silent] == T).all()
    assert (lost[~silent] == T).float().mean().item() == pytest.approx(0.3, abs=0.02)
    assert ((lost == steps) | (lost == T)).all()
    shifted = corrupt(steps, "shifted", 1.5, T, generator)
    assert torch.equal(shifted == T, silent)
    assert shifted.min() >= 0
    middle = steps == 4
    assert (shifted[middle] - 4).float().std().item() == pytest.approx(1.5, abs=0.1)
    assert (shifted[middle] - 4).float().mean().item() == pytest.approx(0.0, abs=0.1)
    added = corrupt(steps, "added", 0.3, T, generator)
    assert torch.equal(added[~silent], steps[~silent])
    assert (added[silent] < T).float().mean().item() == pytest.approx(0.3, abs=0.04)
    assert added[silent].unique().tolist() == list(range(T + 1))


def test_noise_that_cannot_be_is_named(steps):
    with pytest.raises(ValueError, match="kind='gone' is not one of lost, shifted, added"):
        corrupt(steps, "gone", 0.1, T)
    for kind, amount in (("lost", 1.1), ("added", -0.1), ("shifted", math.nan)):
        with pytest.raises(ValueError, match=f"^amount={amount} of '{kind}'"):
            corrupt(steps, kind, amount, T)


def test_the_smallest_weights_go(generator):
    model = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.Linear(4, 5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pruned = magnitude_prune(model, 0.25).state_dict()
    for name in ("0.weight", "2.weight"):
        limit = before[name].abs().flatten().sort().values[round(0.25 * before[name].numel())]
        assert torch.equal(pruned[name], before[name] * (before[name].abs() >= limit))
        assert torch.equal(model.state_dict()[name], before[name])
    assert torch.equal(pruned["1.weight"], before["1.weight"])
    first = magnitude_prune(model, 1.0, first_only=True).state_dict()
    assert not first["0.weight"].any()
    assert torch.equal(first["2.weight"], before["2.weight"])
    with pytest.raises(ValueError, match=r"share=1.5 must lie in \[0, 1\]"):
        magnitude_prune(model, 1.5)


def test_until_the_decision_one_spike_at_a_time(generator):
    net = magnitude_prune(FirstSpikeNetwork((6, 9, 3), drive=(4.0, 3.0)), 0.3)
    times = 4.0 * torch.rand(40, 6, generator=generator)
    times[torch.rand(40, 6, generator=generator) < 0.3] = math.inf
    times[0] = math.inf  # nothing fires
    hidden, out = (layer.times.detach() for layer in net.spikes(times))
    counts = until_decision(net, times)
    for sample in range(40):
        end = min(out[sample].tolist())
        by_hand = 0
        for sent, layer in zip((times, hidden), net.layers, strict=True):
            for t, weights in zip(sent[sample].tolist(), layer.weight.tolist(), strict=True):
                if t <= end and t < math.inf:
                    by_hand += sum(w != 0 for w in weights)
        assert counts.additions[sample] == by_hand
        spikes = sum(
            t <= end and t < math.inf for part in (times, hidden, out) for t in part[sample]
        )
        assert counts.spikes[sample] == spikes  # the one that decides is one of them
    assert counts.spikes[0] == counts.additions[0] == 0
    assert torch.equal(counts.updates, 2 * counts.additions)
    everything = Operations.total(count_operations(net, times).values())
    assert (counts.additions <= everything.additions).all()
    assert counts.additions.sum() < everything.additions.sum()
    silent = out.isinf().all(1)
    assert torch.equal(counts.spikes[silent], everything.spikes[silent])


def test_pictures():
    _, (left, right) = plt.subplots(1, 2)
    band(left, [0, 1], [[1.0, 2.0], [3.0, 4.0]], label="two")
    assert left.lines[0].get_ydata().tolist() == [2.0, 3.0]
    table = {"a": {"x": 1.0, "more_y": 2.0}, "b": {"x": 3.0, "more_y": 0.0}}
    stacked_bars(right, table, {"x": "red", "more_y": "blue"})
    assert [bar.get_width() for bar in right.patches] == [1.0, 3.0, 2.0, 0.0]
    assert [bar.get_x() for bar in right.patches] == [0.0, 0.0, 1.0, 3.0]
    assert right.get_legend_handles_labels()[1] == ["x", "more-y"]
