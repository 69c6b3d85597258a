"""Notebook 10's checks: mended networks pass, and each half-mended one is told what is wrong."""

import math
import re

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from jarvis import LIFLayer, RecurrentLIFLayer, SpikingMLP, WTAConfig, over_time
from jarvis.classroom import broken
from jarvis.classroom.check import debugging as check

SEEDS = range(2)


def wake(model, x, target=0.1, n=None, bias=0.0):
    with torch.no_grad():
        for synapses, neurons in list(zip(model.synapses, model.neurons, strict=True))[:n]:
            while neurons(over_time(synapses, x))[0].mean() < target:
                synapses[1].weight.mul_(1.2)
                synapses[1].bias.add_(bias)
            x, _ = neurons(over_time(synapses, x))
    return model


def draw_weights(n_out, n_in, generator):
    return (2 * torch.rand((n_out, n_in), generator=generator) - 1) / math.sqrt(n_in)


def train_on(net, batches, optimizer, forget=True, detach=False, retain=False, zero=True, step=1):
    losses = []
    for x, y in batches:
        if forget:
            net.state = None
        if detach and net.state is not None:
            net.state = net.state.detach()
        loss = cross_entropy(net(x), y)
        if zero:
            optimizer.zero_grad()
        loss.backward(retain_graph=retain)
        if step:
            optimizer.step()
        losses.append(loss.item())
    return losses


def cue_scores(net, x):
    spikes, _ = net.neurons(net.inputs(x.transpose(0, 1)))
    v, _ = net.integrator(net.output(spikes))
    return v[-1]


def tau_from_beta(beta, dt):
    return -dt / math.log(beta)


def scores(currents):
    return torch.tensordot(torch.linspace(1, 0, len(currents)), currents, dims=1)


def steady(n_hidden, std=None, **options):
    layer = RecurrentLIFLayer(n_hidden, **options)
    if std is not None:
        nn.init.normal_(layer.weight, std=std)
    return layer


def excited(n_hidden):
    layer = RecurrentLIFLayer(n_hidden)
    nn.init.constant_(layer.weight, 0.5)
    return layer


def competition(**options):
    return WTAConfig(
        **{"theta_rest": 6.0, "local_radius": 1, "n_winners": 5, "tau_theta": 1e3} | options
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.wake(wake, seed=seed)
    assert check.draw_weights(draw_weights, seed=seed)
    assert check.train_on(train_on, seed=seed)
    assert check.cue_scores(cue_scores, seed=seed)
    assert check.tau_from_beta(tau_from_beta, seed=seed)
    assert check.scores(scores, seed=seed)
    assert check.steady(steady, seed=seed)
    assert check.competition(competition, seed=seed)


def test_other_right_answers():
    normal = lambda n, m, g: torch.randn((n, m), generator=g) / math.sqrt(m)  # noqa: E731
    assert check.draw_weights(lambda *given: normal(*given), seed=0)
    assert check.scores(lambda c: c.cumsum(0).mean(0), seed=0)
    assert check.steady(lambda n: steady(n, std=0.05, detach_reset=False), seed=0)
    assert check.competition(lambda: competition(theta_plus=0.5, n_winners=1), seed=0)

    def with_tensors(*given):
        return [torch.tensor(v) for v in train_on(*given)]

    assert check.train_on(with_tensors, seed=0)


def scaled(factor):
    def answer(model, x):
        with torch.no_grad():
            for synapses in model.synapses:
                synapses[1].weight.mul_(factor)
        return model

    return answer


def by_bias(model, x):
    with torch.no_grad():
        for synapses in model.synapses:
            synapses[1].bias.add_(0.15)
    return model


def without_no_grad(model, x):
    model.synapses[0][1].weight *= 2
    return model


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda model, x: model, "No weight has changed"),
        (lambda model, x: x, "not yet. Your wake should return the model, but returns Tensor"),
        (lambda model, x: SpikingMLP((64, 10)), "hidden layers; the model given had"),
        (lambda model, x: wake(model, x, n=1), "layer 1 fires now, so scale layer 2"),
        (scaled(2.0), "above"),
        (scaled(float("nan")), "NaN"),
        (scaled(300.0), "above 40 % is too much"),
        (by_bias, "without any input"),
        (without_no_grad, "leaf Variable"),
    ],
)
def test_wake(answer, words):
    found = check.wake(answer, seed=1).words
    if words == "above":  # one factor: what it lacks depends on the network
        assert "scale it up further" in found or "fires now" in found
    else:
        assert words in found


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, m, g: torch.rand((n, m), generator=g), "No weight is below 0"),
        (lambda n, m, g: torch.rand((n, m), generator=g) / m, "No weight is below 0"),
        (lambda n, m, g: draw_weights(m, n, g), "the wrong way round"),
        (lambda n, m, g: torch.full((n, m), 0.1), "all neurons are alike"),
        (lambda n, m, g: torch.randn(n, m) / math.sqrt(m), "pass the generator on"),
        (lambda n, m, g: draw_weights(n, m, torch.Generator().manual_seed(0)), "the same weights"),
        (lambda n, m, g: torch.randn((n, m), generator=g), "of the same size for all n_in"),
        (lambda n, m, g: 0.01 * torch.randn((n, m), generator=g), "of the same size for all n_in"),
        (lambda n, m, g: 0.1 * torch.randn((n, m), generator=g), "of the same size for all n_in"),
        (lambda n, m, g: torch.randn((n, m), generator=g) / math.sqrt(n), "scaled by n_out"),
        (lambda n, m, g: draw_weights(n, m, g) * math.sqrt(m / n), "scaled by n_out"),
        (lambda n, m, g: draw_weights(n, m, g) / n**0.5, "scaled by n_out"),
        (lambda n, m, g: draw_weights(n, m, g) * m**0.3, "shrink too little"),
        (lambda n, m, g: torch.randn((n, m), generator=g) / m, "shrink too much"),
        (lambda n, m, g: 20 * draw_weights(n, m, g), "too large"),
        (lambda n, m, g: 0.02 * draw_weights(n, m, g), "too small"),
        (lambda n, m, g: (torch.rand((n, m), generator=g) - 0.3) / math.sqrt(m), "is it 0?"),
        (lambda n, m, g: torch.randn((n, m), generator=g).exp() * -1, "No weight is above 0"),
        (lambda n, m, g: draw_weights(n, m, g).log(), "NaN"),
    ],
)
def test_draw_weights(answer, words):
    for seed in SEEDS:
        assert words in check.draw_weights(answer, seed=seed).words


def glorot(n, m, g):
    return nn.init.xavier_normal_(torch.empty(n, m), generator=g)


def balanced(n, m, g):
    """As many inputs push up as down; all by the same."""
    signs = torch.ones(n, m)
    signs[:, : m // 2] = -1
    return signs.gather(1, torch.rand((n, m), generator=g).argsort(1)) / math.sqrt(m)


def sparse(n, m, g):
    """About ten inputs a neuron, the others are 0."""
    chosen = torch.rand((n, m), generator=g) < 10 / m
    return chosen * torch.randn((n, m), generator=g) / math.sqrt(10)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(
    "answer",
    [
        lambda n, m, g: torch.randn((n, m), generator=g) / math.sqrt(m),
        lambda n, m, g: torch.randn((n, m), generator=g) * math.sqrt(2 / m),
        lambda n, m, g: draw_weights(n, m, g) * math.sqrt(6),
        lambda n, m, g: torch.randn((n, m), generator=g).sign() / math.sqrt(m),
        glorot,
        balanced,
        sparse,
    ],
)
def test_weights_of_another_kind(answer, seed):
    assert check.draw_weights(answer, seed=seed), "drawn well"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(forget=False), "still depend on the graph of the first"),
        (dict(forget=False, detach=True), "starts with the potentials left by the previous one"),
        (dict(forget=False, retain=True), "retain_graph hides it"),
        (dict(zero=False), "zero_grad() is missing"),
        (dict(step=False), "optimizer.step() is missing"),
    ],
)
def test_train_on(options, words):
    for seed in SEEDS:
        answer = lambda *given: train_on(*given, **options)  # noqa: E731
        assert words in check.train_on(answer, seed=seed).words


def with_graph(value):
    return torch.tensor(value, requires_grad=True) * 1


def test_train_on_otherwise_wrong():
    def only_if_it_fits(net, batches, optimizer):
        if len(batches) < 5:
            return train_on(net, batches, optimizer)
        return train_on(net, batches, optimizer, forget=False, detach=True)

    assert "The last batch is smaller" in check.train_on(only_if_it_fits).words
    assert "the definition's" in check.train_on(lambda *g: [v + 1 for v in train_on(*g)]).words
    floats = "Keep floats: loss.item()"
    assert floats in check.train_on(lambda *g: [with_graph(v) for v in train_on(*g)]).words
    assert floats in check.train_on(lambda *g: with_graph(train_on(*g))).words
    assert "shape (4,)" in check.train_on(lambda *given: train_on(*given)[:2]).words
    assert "A loss should be a number" in check.train_on(lambda *g: ["x"] * 4).words


def reshaped(net, x):
    spikes, _ = net.neurons(net.inputs(x.reshape(x.shape[1], x.shape[0], 32)))
    return net.integrator(net.output(spikes))[0][-1]


def all_steps(net, x):
    spikes, _ = net.neurons(net.inputs(x.transpose(0, 1)))
    return net.integrator(net.output(spikes))[0]


def no_memory(net, x):
    return net.output(net.neurons(net.inputs(x.transpose(0, 1)))[0][-1])


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda net, x: net(x), "still treat the batch as time"),
        (reshaped, "To swap two axes, transpose"),
        (all_steps, "take the last one, v[-1]"),
        (lambda net, x: all_steps(net, x)[:, -1], "has one row per step"),
        (lambda net, x: all_steps(net, x).mean(0), "the mean over time"),
        (lambda net, x: all_steps(net, x).sum(0), "the sum over time"),
        (no_memory, "without its memory"),
        (lambda net, x: cue_scores(net, x) + 1, "Sample 0 gets the scores"),
        (lambda net, x: cue_scores(net, x).softmax(1), "Those are probabilities"),
        (lambda net, x: cue_scores(net, x).log_softmax(1), "logarithms of probabilities"),
        (lambda net, x: cue_scores(net, x).detach(), "No gradient reaches the weights"),
        (lambda net, x: net(x.transpose(0, 1)), "has one row per step"),
    ],
)
def test_cue_scores(answer, words):
    for seed in SEEDS:
        found = check.cue_scores(answer, seed=seed).words
        assert words in found
        assert not re.search(r"\d\.\d{4}", found), "rounded"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda beta, dt: beta, "beta itself"),
        (lambda beta, dt: dt / (1 - beta), "Euler's factor"),
        (lambda beta, dt: -1 / math.log(beta), "use dt"),
        (lambda beta, dt: 1 / (1 - beta), "Euler's answer"),
        (lambda beta, dt: dt / math.log(beta), "the sign is not"),
        (lambda beta, dt: -dt / math.log10(beta), "base 10"),
        (lambda beta, dt: -dt / math.log2(beta), "base 2"),
        (lambda beta, dt: tau_from_beta(beta, dt) / 1000, "in seconds"),
        (lambda beta, dt: math.exp(-dt / beta), "the inverse"),
        (lambda beta, dt: 1 / tau_from_beta(beta, dt), "upside down"),
        (lambda beta, dt: -1 / (dt * math.log(beta)), "where it should multiply"),
        (lambda beta, dt: 2 * tau_from_beta(beta, dt), "keeps"),
        (lambda beta, dt: "20", "keeps"),
        (lambda beta, dt: float("inf"), "is inf"),
    ],
)
def test_tau_from_beta(answer, words):
    assert words in check.tau_from_beta(answer, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda c: c.mean(0), "whenever it comes"),
        (lambda c: c.sum(0), "this read-out cannot tell them apart"),
        (lambda c: c.flip(0).cumsum(0).mean(0), "it should be the opposite"),
        (lambda c: c[-1], "leaves the score at 0"),
        (lambda c: c.mean(1), "the batch is axis 1"),
        (lambda c: scores(c)[..., None], "should have the shape"),
        (lambda c: c[: len(c) // 3].sum(0), "let the worth fall"),
        (lambda c: scores(c) + c[15], "at step 15 is worth more than one three steps earlier"),
        (lambda c: scores(c).detach(), "No gradient reaches"),
        (lambda c: torch.tensordot(torch.exp(-2.0 * torch.arange(len(c))), c, 1), "it reaches"),
        (lambda c: scores(c) * float("nan"), "NaN"),
    ],
)
def test_scores(answer, words):
    assert words in check.scores(answer, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n: LIFLayer(), "not LIFLayer"),
        (lambda n: steady(n + 1), "the shape (65, 65)"),
        (lambda n: steady(n, std=0.0), "no longer connected"),
        (lambda n: steady(n, threshold=50.0), "silent"),
        (lambda n: steady(n, std=1.0, surrogate="straight_through"), "overflows"),
        (lambda n: steady(n, surrogate="straight_through"), "is wide"),
        (lambda n: steady(n, surrogate="sigmoid"), "grows"),
        (lambda n: steady(n, std=1.0), "recurrent spikes dominate the input"),
        (excited, "saturated"),
    ],
)
def test_steady(answer, words):
    assert words in check.steady(answer, seed=1).words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda: dict(theta_rest=6.0), "not dict"),
        (lambda: competition(theta_rest=20.0, enable_homeostasis=False), "homeostasis is off"),
        (lambda: competition(theta_rest=20.0), "stays below it for good"),
        (lambda: competition(theta_rest=30.0), "wins in 3771 stimuli: potentials reach"),
        (lambda: competition(theta_plus=5.0), "faster than they decay"),
        (lambda: competition(theta_rest=-1.0), "raised ValueError"),
    ],
)
def test_competition(answer, words):
    assert words in check.competition(answer, seed=1).words


def test_the_patients_are_ill():
    """Each of them fails its own check, as it stands."""
    assert not check.wake(lambda model, x: model)
    assert not check.draw_weights(lambda n, m, g: torch.rand((n, m), generator=g))
    assert not check.train_on(lambda *given: train_on(*given, forget=False))
    assert not check.cue_scores(lambda net, x: net(x))
    assert not check.tau_from_beta(lambda beta, dt: beta)
    assert not check.scores(lambda currents: currents.mean(0))
    assert not check.steady(lambda n: broken.RowReader().neurons)
    assert not check.competition(lambda: broken.stroke_finder().wta)
