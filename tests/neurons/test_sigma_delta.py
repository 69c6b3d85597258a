"""Sigma-delta: what is certain about the codes, and the ReLU network that it approximates."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import nn

from jarvis.neurons import SpikingLayer
from jarvis.neurons.sigma_delta import (
    DeltaEncoder,
    DeltaEncoderParams,
    SigmaDecoder,
    SigmaDelta,
    SigmaDeltaParams,
    SigmaDeltaState,
)

F64 = torch.float64
ROUNDINGS = ("multiple", "nearest", "none")


def encode(x, backend="eager", **values):
    """Messages, and what has been sent."""
    messages, _, trace = SpikingLayer(DeltaEncoder(**values), backend=backend)(x, trace=True)
    return messages, trace.sent


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def smooth(n_steps=400, n=5):
    """Sines of different amplitudes and frequencies, [T, 1, n]."""
    t = torch.linspace(0.0, 2.0 * math.pi, n_steps, dtype=F64).view(-1, 1, 1)
    k = torch.arange(1, n + 1, dtype=F64)
    return (2.0 / k) * torch.sin(k * t + k)


# The encoder


def plain_encoder(x, theta, rounding):
    sent, messages = 0.0, []
    for value in x:
        e, m = value - sent, 0.0
        multiple = theta * math.floor(e / theta + 0.5)
        if rounding == "nearest":
            m = multiple
        elif abs(e) >= theta:
            m = multiple if rounding == "multiple" else e
        sent += m
        messages.append(m)
    return messages


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("theta", [0.07, 0.5, 3.0])
def test_encoder_against_a_plain_loop(rounding, theta):
    x = torch.cat([noise(100, 1, 1), smooth(200, 1)])
    messages, _ = encode(x, threshold=theta, rounding=rounding)
    wanted = plain_encoder(x.flatten().tolist(), theta, rounding)
    np.testing.assert_allclose(messages.flatten(), wanted, atol=1e-12)
    assert any(wanted)


@pytest.mark.parametrize(
    ("rounding", "bound"), [("multiple", 1.0), ("nearest", 0.5), ("none", 1.0)]
)
@pytest.mark.parametrize("signal", [noise(300, 1, 5), smooth()], ids=["noise", "smooth"])
def test_what_has_been_sent_is_near_the_signal(rounding, bound, signal):
    for theta in (0.01, 0.3, 1.7):
        messages, sent = encode(signal, threshold=theta, rounding=rounding)
        error = (sent - signal).abs().max()
        assert error <= bound * theta * (1.0 + 1e-12)
        assert error > 0.6 * bound * theta
        torch.testing.assert_close(messages.cumsum(0), sent)
        decoded, _ = SpikingLayer(SigmaDecoder(), backend="eager")(messages)
        torch.testing.assert_close(decoded, sent, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("rounding", ["multiple", "nearest"])
def test_messages_are_multiples_of_the_threshold(rounding):
    messages, _ = encode(noise(300, 1, 5), threshold=0.3, rounding=rounding)
    multiples = messages / 0.3
    torch.testing.assert_close(multiples, multiples.round(), rtol=0, atol=1e-12)
    assert multiples.abs().max() > 5


def test_roundings_differ():
    x = torch.tensor([0.7, 1.1, 1.2, 3.3], dtype=F64).view(-1, 1)
    found = [encode(x, threshold=1.0, rounding=r)[0].flatten().tolist() for r in ROUNDINGS]
    assert found[0] == pytest.approx([0.0, 1.0, 0.0, 2.0])
    assert found[1] == pytest.approx([1.0, 0.0, 0.0, 2.0])
    assert found[2] == pytest.approx([0.0, 1.1, 0.0, 2.2])


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_a_constant_signal_is_sent_once(rounding):
    x = (10.0 * noise(1, 1, 500)).expand(50, 1, 500)
    messages, _ = encode(x, threshold=0.1, rounding=rounding)
    assert (messages[0] != 0).sum() > 490
    assert not messages[1:].any()


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_events_fall_as_the_threshold_rises(rounding):
    """On a smooth signal. Its total variation over theta bounds them."""
    x = smooth(2000)
    counts = [
        int((encode(x, threshold=theta, rounding=rounding)[0] != 0).sum())
        for theta in (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    ]
    assert all(more > fewer for more, fewer in itertools.pairwise(counts))
    variation = (x[1:] - x[:-1]).abs().sum() + x[0].abs().sum()
    assert counts[3] <= variation / 0.1 + 5
    assert counts[3] > 0.5 * variation / 0.1


def test_white_noise_does_not_get_cheaper():
    """What changes in every frame is sent in every frame, unless the threshold is of its size."""
    x = noise(500, 1, 20)
    messages, _ = encode(x, threshold=0.1)
    assert (messages != 0).double().mean() > 0.9


# The network


class Relu(nn.Module):
    """An ordinary network, frame by frame."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.maps = nn.ModuleList(nn.Linear(i, o).double() for i, o in ((6, 16), (16, 12), (12, 3)))

    def forward(self, x):
        for each in self.maps[:-1]:
            x = torch.relu(each(x))
        return self.maps[-1](x)


def sigma_delta_network(relu, x, theta, rounding="multiple", backend="eager"):
    """The same weights in a network of messages; its output, and the messages of each layer."""
    encoder = DeltaEncoder(threshold=theta, rounding=rounding)
    messages = [SpikingLayer(encoder, backend=backend)(x)[0]]
    for each in relu.maps[:-1]:
        neuron = SigmaDelta(threshold=theta, bias=0.0, rounding=rounding)
        neuron = neuron(neuron.values.with_values(bias=each.bias))
        layer = SpikingLayer(neuron, backend=backend)
        layer._bias = each.bias  # the parameter itself, so that its gradient can be compared
        messages.append(layer(nn.functional.linear(messages[-1], each.weight))[0])
    last = nn.functional.linear(messages[-1], relu.maps[-1].weight)
    out, _ = SpikingLayer(SigmaDecoder(), backend=backend)(last)
    return out + relu.maps[-1].bias, messages


@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("signal", [noise(40, 4, 6), smooth(40, 6)], ids=["noise", "smooth"])
def test_without_a_threshold_it_is_the_relu_network(rounding, signal):
    relu = Relu()
    wanted = relu(signal)
    found, _ = sigma_delta_network(relu, signal, 1e-9, rounding)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-6)
    # For larger ones it is as far away as the weights allow, at most.
    sizes = [each.weight.abs().sum(1).max().item() for each in relu.maps]
    unit = (((1.0 * sizes[0] + 1.0) * sizes[1]) + 1.0) * sizes[2]
    for theta in (0.001, 0.01, 0.1):
        found, _ = sigma_delta_network(relu, signal, theta, rounding)
        error = (found - wanted).abs().max().item()
        assert error <= theta * unit * (0.5 if rounding == "nearest" else 1.0)
        if rounding != "none":  # which sends large changes as they are
            assert error > 0.02 * theta * unit


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_without_a_threshold_its_gradient_is_that_of_the_relu_network(rounding):
    relu, x = Relu(), noise(20, 3, 6).requires_grad_()
    weight = noise(20, 3, 3, seed=1)
    leaves = [x, *relu.parameters()]
    wanted = torch.autograd.grad((relu(x) * weight).sum(), leaves)
    out, _ = sigma_delta_network(relu, x, 1e-9, rounding)
    found = torch.autograd.grad((out * weight).sum(), leaves)
    for got, want in zip(found, wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-6, atol=1e-6)


def test_its_gradient_is_taken_at_what_has_been_sent():
    """For any threshold: a ReLU network's gradient, with the activations that receivers know."""
    x = noise(30, 2, 5)
    w1, w2 = noise(4, 5, seed=1).requires_grad_(), noise(3, 4, seed=2).requires_grad_()
    weight = noise(30, 2, 3, seed=3)
    messages, _, trace = SpikingLayer(SigmaDelta(threshold=0.4, bias=0.1), backend="eager")(
        torch.cat([x[:1], x[1:] - x[:-1]]) @ w1.T, trace=True
    )
    out, _ = SpikingLayer(SigmaDecoder(), backend="eager")(messages @ w2.T)
    found = torch.autograd.grad((out * weight).sum(), [w1, w2])
    sent, active = trace.sent.detach(), (x @ w1.T + 0.1 > 0).double()
    to_hidden = (weight @ w2) * active
    wanted = torch.einsum("tbi,tbj->ij", to_hidden, x), torch.einsum("tbi,tbj->ij", weight, sent)
    assert (sent - trace.activation).abs().max() > 0.3
    for got, want in zip(found, wanted, strict=True):
        torch.testing.assert_close(got, want)


def test_events_of_a_network_fall_as_the_threshold_rises():
    relu, x = Relu(), smooth(600, 6)
    counts = []
    for theta in (0.003, 0.01, 0.03, 0.1, 0.3):
        _, messages = sigma_delta_network(relu, x, theta)
        counts.append(sum(int((m != 0).sum()) for m in messages))
    assert all(more > 1.5 * fewer for more, fewer in itertools.pairwise(counts))
    assert counts[-1] > 0
    frames = 600 * (6 + 16 + 12)  # what the ReLU network sends, zeros included
    assert counts[3] < 0.1 * frames


# The neuron


def test_a_neuron_by_hand():
    """Inputs 0.8, 0, 0.1, -2, 3: activations 0.55, 0.55, 0.65, 0, 1.65 at a bias of -0.25."""
    x = torch.tensor([0.8, 0.0, 0.1, -2.0, 3.0], dtype=F64).view(-1, 1, 1)
    layer = SpikingLayer(SigmaDelta(threshold=0.25, bias=-0.25), backend="eager")
    messages, state, trace = layer(x, trace=True)
    np.testing.assert_allclose(trace.activation.flatten(), [0.55, 0.55, 0.65, 0.0, 1.65])
    np.testing.assert_allclose(messages.flatten(), [0.5, 0.0, 0.0, -0.5, 1.75], atol=1e-15)
    np.testing.assert_allclose(trace.sent.flatten(), [0.5, 0.5, 0.5, 0.0, 1.75], atol=1e-15)
    assert state.sum.item() == pytest.approx(1.9)
    assert state.sent.item() == pytest.approx(1.75)


def test_options_change_the_neuron():
    x = noise(30, 1, 4)
    base = dict(threshold=0.4)
    one, *others = (
        SpikingLayer(SigmaDelta(**base | change), backend="eager")(x)[0]
        for change in (
            {}, dict(threshold=0.3), dict(bias=0.5), dict(rounding="nearest"),
            dict(rounding="none"), dict(activation="none"),
        )
    )  # fmt: skip
    assert all((one - other).abs().max() > 0.01 for other in others)


def test_without_an_activation_it_is_linear():
    x = noise(30, 1, 4)
    layer = SpikingLayer(SigmaDelta(threshold=0.1, bias=0.7, activation="none"), backend="eager")
    _, _, trace = layer(x, trace=True)
    torch.testing.assert_close(trace.activation, x.cumsum(0) + 0.7)
    assert (trace.sent < -0.2).any()
    assert (trace.sent - trace.activation).abs().max() <= 0.1


def test_gradient_of_a_message_is_that_of_the_difference():
    """Also where nothing is sent."""
    for value, message in ((0.26, 0.25), (0.2, 0.0), (-0.9, -1.0)):
        x = torch.tensor([[value]], dtype=F64, requires_grad=True)
        m, _ = SpikingLayer(DeltaEncoder(threshold=0.25), backend="eager")(x.view(1, 1, 1))
        assert m.item() == pytest.approx(message)
        assert torch.autograd.grad(m.sum(), x)[0].item() == 1.0


@pytest.mark.parametrize("value", [0.26, 0.2, -0.9])
def test_gradient_of_the_threshold(value):
    """With the number of thetas held at its offset from e/theta: dm/dtheta = (m - e)/theta."""
    layer = SpikingLayer(
        DeltaEncoder(threshold=0.25), learnable="threshold", backend="eager"
    ).double()
    x = torch.full((1, 1, 1), value, dtype=F64)
    m, _ = layer(x)
    (found,) = torch.autograd.grad(m.sum(), layer.log_threshold)
    assert found.item() == pytest.approx(m.item() - value)


def test_learning_threshold_and_bias():
    """Sent messages approach a signal that is offset by an unknown bias."""
    x = smooth(60, 3)
    target = torch.relu(x + 0.4)
    changes = torch.cat([x[:1], x[1:] - x[:-1]])
    layer = SpikingLayer(SigmaDelta(threshold=0.5), learnable=("threshold", "bias")).double()
    optimiser = torch.optim.Adam(layer.parameters(), 0.05)
    losses = []
    for _ in range(100):
        _, _, trace = layer(changes, trace=True)
        loss = (trace.sent - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert layer.value("bias").item() == pytest.approx(0.4, abs=0.03)
    assert layer.value("threshold").item() < 0.2
    # The rounding makes single losses jump; uniform errors up to 0.2 would have 0.2**2 / 3 = 0.013.
    assert np.mean(losses[-20:]) < 4e-3 < losses[0] / 40


def test_float32_does_not_drift():
    """A sum of 20 000 messages is still within the threshold of its signal."""
    t = torch.arange(20000, dtype=F64)
    x = (torch.sin(0.01 * t) + 0.3 * torch.sin(0.37 * t)).float().view(-1, 1, 1)
    messages, sent = encode(x, threshold=0.1, backend="numba")
    decoded, _ = SpikingLayer(SigmaDecoder(), backend="numba")(messages)
    assert (decoded - x).abs().max() <= 0.1 + 1e-5
    assert torch.equal(decoded, sent)


# Bad values, extremes


@pytest.mark.parametrize("params", [DeltaEncoderParams, SigmaDeltaParams])
@pytest.mark.parametrize(
    ("values", "message"),
    [
        (dict(threshold=0.0), "threshold=0.0 must be positive and finite"),
        (dict(threshold=torch.tensor([0.1, -1.0])), "threshold must be positive"),
        (dict(rounding="up"), "rounding='up' is not one of multiple, nearest, none"),
    ],
)
def test_bad_values(params, values, message):
    with pytest.raises(ValueError, match=message):
        params(**values)


def test_bad_values_of_the_neuron():
    with pytest.raises(ValueError, match="bias=nan must be finite"):
        SigmaDeltaParams(bias=math.nan)
    with pytest.raises(ValueError, match="activation='tanh' is not one of relu, none"):
        SigmaDeltaParams(activation="tanh")


@pytest.mark.parametrize("kind", [SigmaDelta, DeltaEncoder], ids=["neuron", "encoder"])
@pytest.mark.parametrize("rounding", ROUNDINGS)
@pytest.mark.parametrize("theta", [1e-30, 1e30])
def test_no_finite_input_makes_it_infinite(kind, rounding, theta):
    x = torch.full((6, 1, 1), 3e38)
    x[3:] *= -1.0
    x.requires_grad_()
    layer = SpikingLayer(kind(threshold=theta, rounding=rounding), backend="eager")
    messages, state = layer(x)
    assert messages.isfinite().all()
    assert all(part.isfinite().all() for part in state)
    assert torch.autograd.grad(messages.sum(), x)[0].isfinite().all()


def test_no_finite_input_makes_the_sum_infinite():
    x = torch.full((6, 1, 1), 3e38)
    total, _ = SpikingLayer(SigmaDecoder(), backend="eager")(x)
    assert total.isfinite().all()


def test_per_neuron_thresholds():
    theta = torch.tensor([0.05, 0.2, 0.8], dtype=F64)
    x = smooth(300, 1).expand(300, 1, 3)
    messages, sent = encode(x, threshold=theta)
    assert ((sent - x).abs().amax((0, 1)) <= theta).all()
    counts = (messages != 0).sum((0, 1)).tolist()
    assert counts[0] > counts[1] > counts[2] > 0


def test_a_detached_state_has_no_gradient():
    state = SigmaDeltaState(torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True))
    assert isinstance(state.detach(), SigmaDeltaState)
    assert not any(part.requires_grad for part in state.detach())
