"""Encoders and decoders in half precision: the times and chances are those of float32."""

import pytest
import torch
from torch.testing import assert_close

from jarvis.encoding import (
    delta_decode,
    delta_encode,
    first_spike_decode,
    intensity_to_latency,
    latency_encode,
    mean_potential_decode,
    poisson_encode,
    rate_decode,
    trace_decode,
    ttfs_decode,
    ttfs_encode,
)

HALF = [torch.float16, torch.bfloat16]


def grey(dtype: torch.dtype, n: int = 65) -> torch.Tensor:
    """Values in [0, 1] that all types represent exactly."""
    return (torch.arange(n) / (n - 1)).to(dtype)[None]


@pytest.mark.parametrize("dtype", HALF)
def test_a_low_rate_is_the_one_asked_for(dtype, generator):
    values = torch.ones(1, 4000, dtype=dtype)
    spikes = poisson_encode(values, 1000, max_rate=5.0, dt=0.1, generator=generator)
    assert spikes.dtype == dtype
    rate = spikes.double().mean().item() / 0.1e-3
    # 2000 spikes are expected: four standard deviations are 9 %.
    assert 5.0 * 0.91 < rate < 5.0 * 1.09


@pytest.mark.parametrize("dtype", HALF)
def test_the_spikes_are_those_of_float32(dtype):
    draws = [
        poisson_encode(grey(d), 200, max_rate=300.0, generator=torch.Generator().manual_seed(3))
        for d in (dtype, torch.float32)
    ]
    assert torch.equal(draws[0].float(), draws[1])
    assert 0.05 < draws[1].mean() < 0.95


@pytest.mark.parametrize("dtype", HALF)
@pytest.mark.parametrize("n_steps", [100, 5000])
def test_steps_are_those_of_float32(dtype, n_steps):
    values = grey(dtype)
    for encode in (
        lambda x: ttfs_encode(x, n_steps, silent_below=-1.0),
        lambda x: latency_encode(x, n_steps, tau=40.0, threshold=0.25),
    ):
        spikes, exact = encode(values), encode(values.float())
        assert spikes.dtype == dtype
        assert torch.equal(spikes.float(), exact)
        assert exact.sum() > 40
    for mode in ("linear", "rank"):
        steps = intensity_to_latency(values, n_steps, mode)
        assert torch.equal(steps, intensity_to_latency(values.float(), n_steps, mode))
        assert steps[values > 0].max() < n_steps
        assert len(steps.unique()) > 30


@pytest.mark.parametrize("dtype", HALF)
def test_a_slow_signal_is_followed(dtype):
    signal = (8.0 + torch.arange(200) / 64.0).reshape(-1, 1)  # 1/64 is below the spacing at 8
    spikes = delta_encode(signal, threshold=1 / 64)
    half = delta_encode(signal.to(dtype), threshold=1 / 64)
    assert spikes.sum() == 199
    # A signal of half precision has steps of its own; the reference adds no error to them.
    back = delta_decode(half, threshold=1 / 64, start=signal[0])
    assert (back - signal).abs().max() < (0.2 if dtype == torch.bfloat16 else 0.05)


@pytest.mark.parametrize("dtype", HALF)
def test_decoders_count_further_than_half_precision_does(dtype):
    n_steps = 3000  # float16 counts to 2048, bfloat16 to 256
    spikes = torch.zeros(n_steps, 1, 2, dtype=dtype)
    spikes[2501, 0, 0] = 1.0
    assert first_spike_decode(spikes).tolist() == [[2501.0, 3000.0]]
    assert_close(ttfs_decode(spikes)[0, 0].item(), 1 - 2501 / 2999, atol=1e-6, rtol=0)
    every = torch.ones(n_steps, 1, 1, dtype=dtype)
    assert rate_decode(every, dt=0.01).item() == pytest.approx(100_000.0)
    assert mean_potential_decode(every * 0.5).item() == 0.5
    exact = trace_decode(every.float(), tau=1000.0).item()
    assert exact > 0
    assert trace_decode(every, tau=1000.0).item() == pytest.approx(exact)


def test_unsigned_options_of_numpy_are_numbers():
    import numpy as np

    spikes = torch.ones(3, 1, 1)
    assert trace_decode(spikes, dt=np.uint8(3)).item() == trace_decode(spikes, dt=3.0).item()
    rates = [
        poisson_encode(
            torch.ones(1, 5), 50, max_rate=rate, generator=torch.Generator().manual_seed(1)
        )
        for rate in (np.uint8(200), 200.0)
    ]
    assert torch.equal(*rates)


@pytest.mark.parametrize("decode", [first_spike_decode, ttfs_decode])
def test_counts_are_no_spikes(decode):
    spikes = torch.zeros(4, 1, 2)
    spikes[1, 0, 1] = 2.0
    with pytest.raises(ValueError, match=r"spikes must lie in \[0, 1\]; got 0 to 2"):
        decode(spikes)
    spikes[1, 0, 1] = -1.0
    with pytest.raises(ValueError, match=r"spikes must lie in \[0, 1\]"):
        decode(spikes)
