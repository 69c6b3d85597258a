"""Learners side by side: an STDP classifier, intervals, the same noise for all, early stopping."""

import math

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt
from scipy.stats import trim_mean

from jarvis import ConvSTDP, FirstSpikeNetwork, count_operations
from jarvis.classroom.comparison import (
    STDPClassifier,
    band,
    corrupt,
    improvement,
    interquartile_mean,
    paired_interval,
    stacked_bars,
    until_decision,
)
from jarvis.networks import Operations

T = 9


def without_small_weights(model, share):
    """The same model, with a share of each weight matrix set to 0."""
    for name, weight in model.state_dict().items():
        if name.endswith("weight"):
            limit = weight.abs().flatten().quantile(share)
            weight.masked_fill_(weight.abs() < limit, 0.0)
    return model


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
    model = without_small_weights(classifier(steps, generator), 0.4)
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


def answers(seed=1, n_seeds=5, n_samples=300):
    random = np.random.default_rng(seed)
    b = random.random((n_seeds, n_samples)) < 0.7
    better = np.linspace(0.0, 0.2, n_seeds)[:, None]
    return b | (random.random((n_seeds, n_samples)) < better), b


def test_the_interval_is_that_of_a_bootstrap_over_seeds_and_samples():
    a, b = answers()
    found = paired_interval(a, b)
    random, drawn = np.random.default_rng(2), []
    for _ in range(4000):  # the same in plain words
        seeds, samples = random.integers(0, 5, 5), random.integers(0, 300, 300)
        drawn.append((a[seeds][:, samples].astype(float) - b[seeds][:, samples]).mean())
    assert found.mean == pytest.approx(a.mean() - b.mean())
    assert found.low == pytest.approx(np.quantile(drawn, 0.025), abs=4e-3)
    assert found.high == pytest.approx(np.quantile(drawn, 0.975), abs=4e-3)
    assert found.resolved
    narrow = paired_interval(a, b, level=0.5)
    assert found.low < narrow.low < narrow.high < found.high


def test_pairs_make_the_interval_short():
    a, b = answers(n_seeds=1)
    b, a = a, a.copy()
    a[0, np.flatnonzero(b[0])[:6]] = False  # 6 of 300 answers differ, all to one side
    found = paired_interval(a, b)
    assert found.mean == pytest.approx(-0.02)
    half = 1.96 * np.sqrt(0.02 * 0.98 / 300)
    assert found.low == pytest.approx(-0.02 - half, abs=3e-3)
    assert found.high == pytest.approx(-0.02 + half, abs=3e-3)
    assert found.resolved
    assert paired_interval(b, a).mean == pytest.approx(0.02)


def test_the_interval_of_equals_holds_0():
    random = np.random.default_rng(0)
    resolved = 0
    for _ in range(60):  # networks of one kind: 95 % of the intervals should hold 0
        a, b = (random.random((4, 200)) < 0.9 for _ in range(2))
        resolved += paired_interval(a, b, draws=400).resolved
    assert resolved <= 8


def test_an_interval_of_any_numbers():
    a = np.random.default_rng(0).normal(3.0, 1.0, (3, 50))
    found = paired_interval(a + 0.5, a)
    assert found == pytest.approx((0.5, 0.5, 0.5))


@pytest.mark.parametrize(
    ("given", "options", "words"),
    [
        (([1, 0], [1, 0]), {}, r"a \(2,\) and b \(2,\) must have the same shape"),
        (([[1, 0]], [[1, 0, 1]]), {}, "same shape"),
        ((np.zeros((2, 0)), np.zeros((2, 0))), {}, "same shape"),
        (([[math.nan]], [[1.0]]), {}, "must not contain NaN"),
        (([[1]], [[1]]), dict(draws=0), "draws"),
        (([[1]], [[1]]), dict(level=1.0), "level"),
    ],
)
def test_what_has_no_interval_is_named(given, options, words):
    with pytest.raises(ValueError, match=words):
        paired_interval(*given, **options)


def test_until_the_decision_one_spike_at_a_time(generator):
    net = without_small_weights(FirstSpikeNetwork((6, 9, 3), drive=(4.0, 3.0)), 0.3)
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


def test_the_middle_half_is_that_of_scipy():
    random = np.random.default_rng(0)
    for n in range(1, 14):
        values = random.normal(size=n)
        assert interquartile_mean(values, draws=5)[0] == pytest.approx(trim_mean(values, 0.25))


def test_the_interval_covers_the_true_mean_as_often_as_it_says():
    random = np.random.default_rng(0)
    inside = 0
    for trial in range(200):
        _, low, high = interquartile_mean(random.normal(3.0, 1.0, 20), seed=trial)
        inside += low < 3.0 < high
    assert 170 <= inside <= 198  # a bootstrap over 20 runs is slightly too narrow


def test_the_probability_of_improvement_is_that_of_all_pairs():
    random = np.random.default_rng(1)
    a, b = random.integers(0, 5, 7).astype(float), random.integers(0, 5, 6).astype(float)
    p, low, high = improvement(a, b)
    assert p == pytest.approx(np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b]))
    assert low <= p <= high
    assert improvement(b, a)[0] == pytest.approx(1 - p)
    assert improvement(a, a + 10) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "statistic", [interquartile_mean, lambda x, **o: improvement([1.0], x, **o)]
)
@pytest.mark.parametrize(
    ("values", "options", "words"),
    [
        ([], {}, "one per run"),
        ([[1.0, 2.0]], {}, "one per run"),
        ([1.0, math.nan], {}, "finite numbers"),
        ([1.0], {"draws": 0}, "draws=0"),
        ([1.0], {"level": 1.0}, "level=1"),
    ],
)
def test_statistics_of_runs_check_what_they_are_given(statistic, values, options, words):
    with pytest.raises(ValueError, match=words):
        statistic(values, **options)


def test_a_wider_level_gives_a_wider_interval():
    values = np.random.default_rng(2).normal(size=10)
    for statistic in (interquartile_mean, lambda x, **o: improvement(x, -x, **o)):
        (_, low, high), (_, inner_low, inner_high) = (
            statistic(values, level=q) for q in (0.95, 0.5)
        )
        assert low < inner_low < inner_high < high
