"""Lesson 704's checks: repaired networks pass, and each known slip is told by its name."""

import re

import pytest
import torch
from torch.nn.functional import cross_entropy

from jarvis.classroom.check import debugging_state as check

SEEDS = range(2)


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


def scores(currents):
    return torch.tensordot(torch.linspace(1, 0, len(currents)), currents, dims=1)


def begin_anew(state, ended):
    keep = ~ended[:, None]
    return state._replace(v=state.v * keep, i=state.i * keep)


def validate(net, batches, grad=False, mode="each", how="samples", item=True):
    modes = [(m, m.training) for m in net.modules()]
    if mode != "train":
        net.eval()
    loss, right, n = [], [], [len(y) for _, y in batches]
    with torch.set_grad_enabled(grad):
        for x, y in batches:
            scores = net(x)
            loss.append(cross_entropy(scores, y))
            right.append((scores.argmax(1) == y).double().mean())
    if mode == "each":
        for module, was in modes:
            module.training = was
    if mode == "all":
        net.train()
    share = [k / sum(n) if how == "samples" else 1 / len(n) for k in n]
    if how == "sum":
        share = n
    found = [sum(w * v for w, v in zip(share, part, strict=True)) for part in (loss, right)]
    return tuple(v.item() if item else v for v in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_right_answers(seed):
    assert check.train_on(train_on, seed=seed)
    assert check.begin_anew(begin_anew, seed=seed)
    assert check.cue_scores(cue_scores, seed=seed)
    assert check.validate(validate, seed=seed)
    assert check.scores(scores, seed=seed)


def test_other_right_answers():
    assert check.scores(lambda c: c.cumsum(0).mean(0), seed=0)

    def with_tensors(*given):
        return [torch.tensor(v) for v in train_on(*given)]

    assert check.train_on(with_tensors, seed=0)

    def with_where(state, ended):
        zero = torch.zeros_like(state.v)
        v, i = (torch.where(ended[:, None], zero, part) for part in (state.v, state.i))
        return type(state)(v=v, i=i)

    assert check.begin_anew(with_where, seed=0)


def in_place(state, ended):
    state.v[ended] = 0.0
    state.i[ended] = 0.0
    return state


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda s, e: s.v, "should return an LIFState, not Tensor"),
        (lambda s, e: s, "state.v is unchanged"),
        (lambda s, e: s._replace(v=begin_anew(s, e).v), "state.i is unchanged"),
        (lambda s, e: begin_anew(s, ~e), "the wrong way round"),
        (lambda s, e: s._replace(v=0 * s.v, i=0 * s.i), "is 0 for all samples"),
        (in_place, "in place"),
        (lambda s, e: s._replace(v=s.v[~e], i=s.i[~e]), "has the shape"),
        (lambda s, e: s._replace(v=begin_anew(s, e).v.float(), i=s.i), "was torch.float64 before"),
        (lambda s, e: s._replace(v=begin_anew(s, e).v + 0.1, i=s.i), "does not reflect that"),
        (lambda s, e: begin_anew(s, e)._replace(refractory=s.v), "was None before the call"),
        (lambda s, e: s._replace(v=torch.where(e[:, None], torch.zeros(1).to(s.v), s.v), i=None),
         "should be a tensor, but is None"),
        (lambda s, e: begin_anew(s, e.numpy()), "raised"),
    ],
)  # fmt: skip
def test_begin_anew(answer, words):
    for seed in SEEDS:
        assert words in check.begin_anew(answer, seed=seed).words


def test_a_state_that_comes_back_on_the_cpu_is_noticed():
    def to_cpu(state, ended):
        if state.v.device.type == "cpu":
            return begin_anew(state, ended)
        return state._replace(v=torch.zeros(state.v.shape), i=torch.zeros(state.v.shape))

    assert "on another device" in check.begin_anew(to_cpu, seed=0).words


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(mode="train"), "in training mode. Call net.eval()"),
        (dict(mode="none"), "leave the network in evaluation mode"),
        (dict(mode="all"), "one that was in evaluation mode before"),
        (dict(grad=True), "A graph is built"),
        (dict(grad=True, item=False), "A graph is kept"),
        (dict(item=False), "Return floats"),
        (dict(how="batches"), "the mean over batches"),
        (dict(how="sum"), "the sum of the losses"),
    ],
)
def test_validate(options, words):
    for seed in SEEDS:
        answer = lambda *given: validate(*given, **options)  # noqa: E731
        assert words in check.validate(answer, seed=seed).words


def trained(net, batches):
    with torch.no_grad():
        net.output.bias.add_(1.0)
    return validate(net, batches)


def left_training(net, batches):
    found = validate(net, batches)
    net.train()
    net.extra.eval()
    return found


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda *given: validate(*given)[::-1], "return the loss first"),
        (lambda *given: (validate(*given)[0], 100 * validate(*given)[1]), "not a percentage"),
        (lambda *given: (validate(*given)[0] + 1, 0.5), "the loss is"),
        (lambda *given: validate(*given)[0], "should return two numbers"),
        (trained, "output.bias has changed"),
        (left_training, "leave the network in training mode"),
    ],
)
def test_validate_otherwise_wrong(answer, words):
    assert words in check.validate(answer, seed=1).words


def last_of_the_batch(net, x):
    return net.integrator(net.output(net.neurons(net.inputs(x))[0]))[0][-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (dict(forget=False), "still depend on the graph of the first"),
        (dict(forget=False, detach=True), "starts with the potentials left by the previous one"),
        (dict(forget=False, retain=True), "retain_graph only hides the problem"),
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
    assert "it should be" in check.train_on(lambda *g: [v + 1 for v in train_on(*g)]).words
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
        (last_of_the_batch, "v[-1] is the last step only if time comes first"),
        (reshaped, "To swap two axes, use transpose"),
        (all_steps, "take the last one, v[-1]"),
        (lambda net, x: all_steps(net, x)[:, -1], "has one row per step"),
        (lambda net, x: all_steps(net, x).mean(0), "the mean over time"),
        (lambda net, x: all_steps(net, x).sum(0), "the sum over time"),
        (no_memory, "without its memory"),
        (lambda net, x: cue_scores(net, x) + 1, "Your scores for sample 0"),
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
        (lambda c: c.mean(0), "whenever it comes"),
        (lambda c: c.sum(0), "this read-out ignores the time"),
        (lambda c: c.flip(0).cumsum(0).mean(0), "it should be the opposite"),
        (lambda c: c[-1], "leaves your score at 0"),
        (lambda c: c.mean(1), "the batch is axis 1"),
        (lambda c: scores(c)[..., None], "should have the shape"),
        (lambda c: c[: len(c) // 3].sum(0), "let the weight fall"),
        (lambda c: scores(c) + c[15], "at step 15 counts for more than one three steps earlier"),
        (lambda c: scores(c).detach(), "No gradient reaches"),
        (lambda c: torch.tensordot(torch.exp(-2.0 * torch.arange(len(c))), c, 1), "reaches only"),
        (lambda c: scores(c) * float("nan"), "NaN"),
    ],
)
def test_scores(answer, words):
    assert words in check.scores(answer, seed=1).words


def test_the_patients_are_ill():
    """Each of them fails its own check, as it stands."""
    assert not check.train_on(lambda *given: train_on(*given, forget=False))
    assert not check.cue_scores(lambda net, x: net(x))
    assert not check.scores(lambda currents: currents.mean(0))
