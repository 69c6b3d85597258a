"""Codes: statistics and closed forms, decoders back, bad input."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from jarvis import (
    LeakyIntegrator,
    LIFLayer,
    constant_drive,
    constant_encode,
    delta_encode,
    first_spike_decode,
    latency_encode,
    poisson_encode,
    rate_decode,
    ttfs_encode,
)
from jarvis.encoding import (
    delta_decode,
    last_potential_decode,
    max_potential_decode,
    mean_potential_decode,
    trace_decode,
    ttfs_decode,
)
from jarvis.encoding.encoders import intensity_to_latency
from jarvis.encoding.events import Events

F64 = torch.float64


def test_poisson_counts_are_binomial(generator):
    steps, p = 400, torch.tensor([0.0, 0.1, 0.5, 0.9, 1.0], dtype=F64)
    counts = poisson_encode(p.expand(500, 5), steps, generator=generator).sum(0)
    mean, variance = steps * p, steps * p * (1 - p)
    error = (counts.mean(0) - mean) / (variance / 500).sqrt().clamp_min(1e-12)
    assert error.abs().max() < 5
    ratio = counts.var(0)[1:4] / variance[1:4]
    assert ((ratio > 0.75) & (ratio < 1.3)).all()
    # independent from step to step
    train = poisson_encode(torch.full((1, 200), 0.3), 300, generator=generator)[:, 0] - 0.3
    assert (train[1:] * train[:-1]).mean().abs() < 5 * 0.21 / math.sqrt(200 * 299)


def test_poisson_without_draws_for_zeros(generator):
    p = torch.tensor([0.0, 0.1, 0.0, 0.9, 1.0, 0.0], dtype=F64).expand(500, 6)
    train = poisson_encode(p, 400, generator=generator, skip_zeros=True)
    assert train.shape == (400, 500, 6)
    assert train.dtype == F64
    assert set(train.unique().tolist()) == {0.0, 1.0}
    counts, variance = train.sum(0), 400 * p * (1 - p)
    assert (counts[:, [0, 2, 5]] == 0).all()
    assert (counts[:, 4] == 400).all()
    assert ((counts.mean(0) - 400 * p[0]).abs() < 5 * (variance[0] / 500).sqrt() + 1e-9).all()
    ratio = counts.var(0)[[1, 3]] / variance[0, [1, 3]]
    assert ((ratio > 0.75) & (ratio < 1.3)).all()
    # Neighbours and steps are independent.
    a, b = train[..., 1] - 0.1, train[..., 3] - 0.9
    assert (a * b).mean().abs() < 5 * 0.09 / math.sqrt(400 * 500)
    assert (a[1:] * a[:-1]).mean().abs() < 5 * 0.09 / math.sqrt(399 * 500)

    drawn = generator.get_state()
    assert poisson_encode(torch.zeros(3, 4), 9, generator=generator, skip_zeros=True).sum() == 0
    assert torch.equal(drawn, generator.get_state())
    # Where no value is 0, the spikes are those of the plain code.
    x = torch.full((3, 2, 2), 0.5)
    pair = [
        poisson_encode(x, 9, generator=torch.Generator().manual_seed(7), skip_zeros=skip)
        for skip in (False, True)
    ]
    assert torch.equal(*pair)


def test_poisson_rate_in_hz(generator):
    spikes = poisson_encode(torch.ones(1, 400), 1000, max_rate=50.0, dt=0.5, generator=generator)
    assert rate_decode(spikes, dt=0.5).mean().item() == pytest.approx(50.0, rel=0.05)


def test_same_seed_same_spikes_and_no_global_reseeding():
    x = torch.full((3, 4), 0.5)
    before = torch.get_rng_state()
    a, b = (poisson_encode(x, 9, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(a, b)
    assert 0 < a.mean() < 1
    assert torch.equal(torch.get_rng_state(), before)


@given(x=st.floats(0, 1, width=32), steps=st.integers(1, 60))
def test_ttfs_and_its_decoder(x, steps):
    values = torch.tensor([[x]])
    spikes = ttfs_encode(values, steps)
    assert spikes.sum() == (1 if x > 0 else 0)
    step = first_spike_decode(spikes).item()
    if x > 0:
        assert abs(step - (1 - x) * (steps - 1)) <= 0.5 + 1e-4
    else:
        assert step == steps


def test_ttfs_larger_is_earlier():
    x = torch.linspace(0.01, 1, 50)[None]
    times = first_spike_decode(ttfs_encode(x, 1000), dt=0.5)[0]
    assert (times.diff() < 0).all()
    assert times[-1] == 0


def test_ttfs_decode_is_within_half_a_step(generator):
    x = torch.rand(3, 50, generator=generator)
    x[0, 0] = 0
    for steps in (2, 9, 100):
        error = ttfs_decode(ttfs_encode(x, steps)) - x
        assert error.abs().max() <= 0.5 / (steps - 1) + 1e-6
    assert ttfs_decode(ttfs_encode(x, 9))[0, 0] == 0


def test_ttfs_silent_below():
    x = torch.tensor([[0.0, 0.3, 0.31]])
    assert ttfs_encode(x, 9, silent_below=0.3).sum(0).tolist() == [[0, 0, 1]]
    assert ttfs_encode(x, 9, silent_below=-1).sum(0).tolist() == [[1, 1, 1]]


def test_latency_is_that_of_the_neuron_it_describes():
    # Independent: let a LIF neuron without reset charge, and see when it crosses.
    tau, dt, threshold, steps = 10.0, 0.1, 0.2, 400
    x = torch.linspace(0.21, 1, 17, dtype=F64)[None]
    drive = constant_encode(constant_drive(x, tau, dt), steps)
    charged, _ = LIFLayer(tau=tau, dt=dt, threshold=threshold, reset="none")(drive)
    crossing = first_spike_decode(charged)
    code = latency_encode(x, steps, tau=tau, threshold=threshold, dt=dt)
    assert (code.sum(0) == 1).all()
    assert (crossing.diff() < 0).all()  # the larger the value, the sooner
    assert (first_spike_decode(code) - crossing).abs().max() <= 1


def test_latency_of_the_threshold_and_just_above():
    x = torch.tensor([[0.2, math.nextafter(0.2, 1)]], dtype=F64)
    assert latency_encode(x, 50, threshold=0.2).sum() == 0


@settings(max_examples=40)
@given(seed=st.integers(0, 10_000), threshold=st.sampled_from([0.05, 0.2]))
def test_delta_rebuilds_a_slow_signal(seed, threshold):
    g = torch.Generator().manual_seed(seed)
    signal = (0.9 * threshold * (2 * torch.rand(60, 2, 3, generator=g) - 1)).cumsum(0)
    spikes = delta_encode(signal, threshold)
    assert spikes.shape == (60, 2, 2, 3)
    rebuilt = delta_decode(spikes, threshold, start=signal[0])
    assert (rebuilt - signal).abs().max() <= threshold * (1 + 1e-4)
    assert not (spikes[:, :, 0] * spikes[:, :, 1]).any()


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), steps=st.integers(1, 12), scale=st.sampled_from([1e-3, 1, 300]))
def test_rank_latencies_fill_bins_equally_and_in_order(seed, steps, scale):
    g = torch.Generator().manual_seed(seed)
    x = scale * torch.rand(3, 2, 5, 4, generator=g)
    x[torch.rand(x.shape, generator=g) < 0.4] = 0
    x[2] = 0
    out = intensity_to_latency(x, steps)
    assert out.shape == x.shape
    assert out.dtype == torch.int32
    assert torch.equal(out == steps, x == 0)
    for values, at in zip(x.flatten(1), out.flatten(1), strict=True):
        fired = at[at < steps]
        counts = torch.bincount(fired, minlength=steps)
        assert counts.max() - counts.min() <= 1
        by_value = at[values.argsort(descending=True)]
        assert (by_value[: len(fired)].diff() >= 0).all()


def test_rank_latency_of_equal_values_is_in_unit_order():
    x = torch.tensor([[0.5, 0.5, 0.5, 0.0, 0.5]])
    assert intensity_to_latency(x, 4).tolist() == [[0, 1, 2, 4, 3]]
    assert intensity_to_latency(x, 2).tolist() == [[0, 0, 1, 2, 1]]
    assert intensity_to_latency(x, 100).tolist() == [[0, 25, 50, 100, 75]]


def test_linear_latency_is_ttfs(generator):
    x = torch.rand(3, 2, 4, generator=generator)
    x[0, 0] = 0
    events = Events.from_first_steps(intensity_to_latency(x, 7, mode="linear"), 7)
    assert torch.equal(events.dense(), ttfs_encode(x, 7))


@pytest.mark.parametrize(
    ("x", "steps", "mode", "error", "says"),
    [
        (torch.tensor([[-1.0]]), 5, "rank", ValueError, "values must be at least 0 .*; got -1"),
        (torch.tensor([[math.inf]]), 5, "rank", ValueError, "values must be .* finite; got inf"),
        (torch.tensor([[math.nan]]), 5, "rank", ValueError, "NaN"),
        (torch.tensor([[2.0]]), 5, "linear", ValueError, r"\[0, 1\]"),
        (torch.tensor([[0.5]]), 0, "rank", ValueError, "n_steps=0"),
        (torch.tensor([[0.5]]), 5, "log", ValueError, "mode='log'"),
        (torch.tensor([0.5]), 5, "rank", ValueError, r"values must be \[B, n, \.\.\.\]"),
        (torch.tensor([[1]]), 5, "rank", TypeError, "int64"),
    ],
)
def test_bad_intensities(x, steps, mode, error, says):
    with pytest.raises(error, match=says):
        intensity_to_latency(x, steps, mode)


def test_delta_of_a_picture_puts_polarity_in_the_channel_axis():
    pictures = torch.zeros(4, 2, 5, 6)
    pictures[1:, 0, 1, 2] = 0.1
    pictures[2:, 1, 3, 4] = -0.1
    spikes = delta_encode(pictures, threshold=0.05)
    assert spikes.shape == (4, 2, 2, 5, 6)
    on, off = [(1, 0, 0, 1, 2), (2, 0, 0, 1, 2)], [(2, 1, 1, 3, 4), (3, 1, 1, 3, 4)]
    assert [tuple(place) for place in spikes.nonzero().tolist()] == sorted(on + off)


def test_decoders_by_hand():
    s = torch.tensor([0.0, 1, 0, 1]).reshape(4, 1, 1)
    v = torch.tensor([0.5, 2, 1, -1]).reshape(4, 1, 1)
    assert rate_decode(s).item() == 0.5
    assert rate_decode(s, dt=2.0).item() == 250.0
    assert first_spike_decode(s, dt=2.0).item() == 2.0
    assert first_spike_decode(torch.zeros(4, 1, 1), dt=2.0).item() == 8.0
    assert last_potential_decode(v).item() == -1
    assert max_potential_decode(v).item() == 2
    assert mean_potential_decode(v).item() == 0.625


def test_trace_is_the_leaky_integrators_end(generator):
    s = torch.rand(30, 2, 3, generator=generator, dtype=F64).round()
    _, last = LeakyIntegrator(tau=7.0, dt=0.5)(s)
    torch.testing.assert_close(trace_decode(s, tau=7.0, dt=0.5), last)


def test_first_spike_gradient_says_that_a_spike_more_is_earlier():
    s = torch.tensor([0.0, 0, 1, 0]).reshape(4, 1, 1).requires_grad_()
    first_spike_decode(s).sum().backward()
    # The time is the sum over t of prod_(u<=t) (1 - s_u). A spike at step 0 or 1 would make it
    # 2 or 1 earlier; without the one at step 2 it would be 2 later.
    assert s.grad.flatten().tolist() == [-2.0, -1.0, -2.0, 0.0]


BAD = {
    "above one": (torch.tensor([[1.5]]), 5, ValueError, r"\[0, 1\]"),
    "below zero": (torch.tensor([[-0.1]]), 5, ValueError, r"\[0, 1\]"),
    "NaN": (torch.tensor([[math.nan]]), 5, ValueError, "NaN"),
    "no steps": (torch.tensor([[0.5]]), 0, ValueError, "n_steps=0"),
    "half a step": (torch.tensor([[0.5]]), 2.5, ValueError, "n_steps=2.5"),
    "scalar": (torch.tensor(0.5), 5, ValueError, r"values must be \[B, \.\.\.\]; got shape \(\)"),
    "integers": (torch.tensor([[1]]), 5, TypeError, "int64"),
    "not a tensor": ([0.5], 5, TypeError, "list"),
}


@pytest.mark.parametrize("encode", [poisson_encode, ttfs_encode, latency_encode])
@pytest.mark.parametrize("case", BAD)
def test_bad_values(encode, case):
    values, steps, error, says = BAD[case]
    with pytest.raises(error, match=says):
        encode(values, steps)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x: poisson_encode(x, 5, max_rate=1001.0), "max_rate=1001.0"),
        (lambda x: poisson_encode(x, 5, max_rate=-1.0), "max_rate=-1.0"),
        (lambda x: poisson_encode(x, 5, dt=0.0), "dt=0.0"),
        (lambda x: latency_encode(x, 5, tau=0.0), "tau=0.0"),
        (lambda x: latency_encode(x, 5, threshold=0.0), "threshold=0.0"),
        (lambda x: latency_encode(x, 5, threshold=1.0), "threshold=1.0"),
        (lambda x: latency_encode(x, 5, dt=math.nan), "dt=nan"),
        (lambda x: constant_encode(x, 0), "n_steps=0"),
        (lambda x: constant_encode(x * math.nan, 3), "NaN"),
        (lambda x: delta_encode(x, 0.0), "threshold=0.0"),
        (lambda x: delta_encode(x * math.inf), "signal must be finite; got inf"),
        (lambda x: delta_encode(x[0]), r"signal must be \[T>=1, B, \.\.\.\]"),
        (lambda x: delta_encode(x[:0]), r"signal must be \[T>=1, B, .*; got shape \(0, 2\)"),
        (lambda x: rate_decode(x[0]), r"spikes must be \[T>=1, B"),
        (lambda x: first_spike_decode(x * math.nan), "NaN"),
        (lambda x: trace_decode(x, tau=0.0), "tau=0.0"),
        (lambda x: ttfs_decode(x[:1]), r"\[T>=2, B, \.\.\.\]; got shape \(1, 2\)"),
        (lambda x: delta_decode(x), r"\[T>=1, B, 2"),
    ],
)
def test_bad_options(call, says):
    with pytest.raises(ValueError, match=says):
        call(torch.full((3, 2), 0.5))


def test_pictures_left_as_integers_are_refused():
    with pytest.raises(TypeError, match="uint8"):
        constant_encode(torch.zeros(1, 4, dtype=torch.uint8), 3)


def test_empty_batches_pass():
    x = torch.zeros(0, 4)
    for encode in (poisson_encode, ttfs_encode, latency_encode, constant_encode):
        assert encode(x, 5).shape == (5, 0, 4)
    assert intensity_to_latency(x, 5).shape == (0, 4)


def test_numpys_integers_count_steps(generator):
    x = torch.rand(3, 4, generator=generator)
    for encode in (ttfs_encode, latency_encode, constant_encode, intensity_to_latency):
        assert torch.equal(encode(x, np.int64(5)), encode(x, 5))
    assert poisson_encode(x, np.int32(5)).shape == (5, 3, 4)


def test_spikes_as_integers_are_decoded_too():
    spikes = torch.tensor([[[0, 1]], [[1, 0]]])
    assert first_spike_decode(spikes).tolist() == [[1.0, 0.0]]
    assert max_potential_decode(spikes).tolist() == [[1, 1]]
