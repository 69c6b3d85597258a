"""The first-spike network with its code, scores and loss."""

import math

import pytest
import torch

from jarvis.spatial.first_spike import (
    FirstSpikeNetwork,
    FirstSpikeParams,
    FirstSpikes,
    first_spike_loss,
    first_spike_scores,
    spike_time_encode,
)


def test_encoder_is_the_papers_and_takes_a_bias():
    x = torch.tensor([[0.0, 0.25, 1.0]])
    assert torch.allclose(spike_time_encode(x), torch.tensor([[0.1, 1.1, 4.1]]))
    with_bias = spike_time_encode(x, first=1.0, window=2.0, bias=0.5)
    assert torch.allclose(with_bias, torch.tensor([[1.0, 1.5, 3.0, 0.5]]))


@pytest.mark.parametrize("bad", [-0.1, 1.1, math.nan])
def test_encoder_refuses_what_is_not_a_value(bad):
    with pytest.raises(ValueError, match="scale them to"):
        spike_time_encode(torch.tensor([[0.5, bad]]))


def test_the_earliest_spike_has_the_highest_score_and_silence_the_lowest():
    times = torch.tensor([[3.0, 2.0, math.inf], [math.inf, math.inf, 11.9], [13.0, math.inf, 14.0]])
    peaks = torch.tensor([[1.0, 1.0, 0.9], [0.9, 0.2, 1.0], [1.0, 0.5, 1.0]])
    scores = first_spike_scores(FirstSpikes(times, peaks), tau=0.5, end=12.0, late=4.0)
    expected = torch.tensor([[3.0, 2.0, 12.4], [12.4, 15.2, 11.9], [12.0, 14.0, 12.0]]) / -0.5
    assert torch.allclose(scores, expected)
    assert scores.argmax(1).tolist() == [1, 2, 0]


def test_without_lateness_all_silent_outputs_are_alike_and_their_peaks_have_no_gradient():
    times = torch.tensor([[math.inf, 5.0, math.inf]])
    peaks = torch.tensor([[0.9, 1.0, 0.1]], requires_grad=True)
    scores = first_spike_scores(FirstSpikes(times, peaks), tau=1.0, end=12.0, late=0.0)
    assert scores.tolist() == [[-12.0, -5.0, -12.0]]
    scores[0, 0].backward()
    assert not peaks.grad.any()


def test_a_silent_true_output_is_woken():
    """Training one sample by its silent class makes that class spike first."""
    net = FirstSpikeNetwork((2, 2), "0", drive=0.5, spread=0.0, seed=0)
    with torch.no_grad():
        net.layers[0].weight[:, 0] = 1.0
    times = torch.tensor([[0.1, 0.5]])
    first = net.spikes(times)[0].times[0]
    assert first[0] < math.inf
    assert first[1] == math.inf
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(100):
        loss = first_spike_loss(net(times), torch.tensor([1]), early=0.01)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    out = net.spikes(times)[0].times[0]
    assert out[1] < out[0]
    assert net(times).argmax(1).item() == 1


def test_a_silent_hidden_neuron_is_woken_only_with_its_price():
    times, target = torch.tensor([[0.1, 0.5]]), torch.tensor([0])
    for wake, expected in ((0.0, False), (1.0, True)):
        net = FirstSpikeNetwork((2, 3, 2), "0", drive=(0.5, 2.0), spread=0.0, seed=0)
        optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
        for _ in range(100):
            loss, _ = net.objective(net, times, target, wake=wake)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert net.spikes(times)[0].times.isfinite().all().item() == expected


def test_loss_is_its_formula():
    scores, targets = torch.tensor([[-3.0, -1.0], [-2.0, -4.0]]), torch.tensor([1, 1])
    plain = torch.nn.functional.cross_entropy(scores, targets)
    hidden = [FirstSpikes(torch.tensor([[1.0, math.inf]]), torch.tensor([[2.0, 0.5]]))]
    loss = first_spike_loss(scores, targets, hidden, early=0.1, wake=2.0, threshold=2.0)
    assert loss.item() == pytest.approx(plain.item() + 0.1 * 2.5 + 2.0 * (0.0 + 0.75) / 2)


def test_gradients_of_the_whole_network_by_finite_differences():
    net = FirstSpikeNetwork(
        (4, 8, 3), "3", FirstSpikeParams(min_slope=0.0), position_std=0.75, seed=1
    )
    net = net.double()
    names, start = zip(*net.named_parameters(), strict=True)
    times = spike_time_encode(torch.rand(4, 4, generator=torch.Generator().manual_seed(1)).double())
    targets = torch.tensor([0, 1, 2, 0])

    def loss(*values):
        scores, found = torch.func.functional_call(
            net, dict(zip(names, values, strict=True)), (times,), {"return_spikes": True}
        )
        return first_spike_loss(scores, targets, found[:-1], early=0.1, wake=0.5)

    values = [p.detach().clone().requires_grad_() for p in start]
    assert torch.autograd.gradcheck(loss, values, eps=1e-7, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("net", ["0", "inf", "2", "3", "3e0.2", "2g0.2"])
def test_every_form_of_delays_learns_a_small_task(net):
    """Which of two inputs comes first; every parameter has a part in it."""
    x = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
    targets = (x[:, 0] < x[:, 1]).long()
    options = {"delay_mean": 1.0, "delay_std": 0.5} if net == "inf" else {}
    if net in ("2", "3", "3e0.2"):
        options = {"position_std": 0.75}
    model = FirstSpikeNetwork((2, 8, 2), net, seed=0, **options)
    optimizer = torch.optim.Adam(model.parameter_groups(0.02, 0.03))
    times = spike_time_encode(x)
    before = [p.detach().clone() for p in model.parameters()]
    for _ in range(60):
        loss, scores = model.objective(model, times, targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert (scores.argmax(1) == targets).float().mean() > 0.93
    assert all((p != q).any() for p, q in zip(model.parameters(), before, strict=True))


def test_most_hidden_neurons_spike_at_the_start():
    x = torch.rand(100, 4, generator=torch.Generator().manual_seed(0))
    for net, options in (("0", {}), ("3", {"position_std": 0.75})):
        model = FirstSpikeNetwork((4, 60, 3), net, seed=0, **options)
        hidden = model.spikes(spike_time_encode(x))[0].times
        assert hidden.isfinite().float().mean() > 0.75


def test_delays_are_limited_and_the_seed_is_all():
    model = FirstSpikeNetwork((4, 30, 3), "3", position_std=5.0, seed=2)
    assert all(matrix.max() == 3.5 for matrix in model.delays())
    again = FirstSpikeNetwork((4, 30, 3), "3", position_std=5.0, seed=2)
    assert all(
        torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True)
    )


def test_parameter_groups_hold_every_parameter_once():
    for net, n in (("0", 1), ("inf", 2), ("3", 2)):
        model = FirstSpikeNetwork((4, 5, 3), net, seed=0)
        groups = model.parameter_groups(0.01, 0.03)
        assert [group["lr"] for group in groups] == [0.01, 0.03][:n]
        held = [id(p) for group in groups for p in group["params"]]
        assert sorted(held) == sorted(id(p) for p in model.parameters())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: FirstSpikeNetwork((4,)), r"sizes=\(4,\)"),
        (lambda: FirstSpikeNetwork((4, 5, 3), drive=(1.0, 2.0, 3.0)), "one number, or 2"),
        (lambda: FirstSpikeNetwork((4, 5, 3), "x"), "net='x'"),
        (lambda: spike_time_encode(torch.zeros(1, 2), window=0.0), "window=0.0"),
        (lambda: first_spike_loss(torch.zeros(1, 2), torch.tensor([0]), early=-1.0), "early=-1.0"),
        (lambda: first_spike_loss(torch.zeros(1, 2), torch.tensor([0]), wake=-1.0), "wake=-1.0"),
        (
            lambda: first_spike_scores(FirstSpikes(torch.zeros(1, 2), torch.zeros(1, 2)), tau=0.0),
            "tau=0.0",
        ),
    ],
)
def test_errors_name_the_argument(call, message):
    with pytest.raises(ValueError, match=message):
        call()
