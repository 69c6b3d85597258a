"""The compiled first-spike loops against the readable definition."""

import math
import subprocess
import sys

import pytest
import torch

from jarvis.spatial.first_spike import FirstSpikeParams, first_spikes


def draw(n_pre: int, n_post: int, n_samples: int, dtype=torch.float64):
    random = torch.Generator().manual_seed(n_pre)
    options = dict(generator=random, dtype=torch.float64)
    times = 4 * torch.rand(n_samples, n_pre, **options)
    times[torch.rand(n_samples, n_pre, **options) < 0.1] = math.inf
    weights = 2 / n_pre + 1.5 / n_pre**0.5 * torch.randn(n_pre, n_post, **options)
    delays = 3 * torch.rand(n_pre, n_post, **options)
    return [x.to(dtype).requires_grad_() for x in (times, weights, delays)]


def run(inputs, params, backend):
    times, peaks = first_spikes(*inputs, params, backend=backend)
    spiked = times < math.inf
    loss = times[spiked].sin().sum() + peaks.square().sum()
    return times, peaks, torch.autograd.grad(loss, inputs)


@pytest.mark.parametrize("taus", [(4.0, 2.0), (4.0, 4.0), (10.0, 2.0), (2.0, 5.0)])
@pytest.mark.parametrize("dt", [0.0, 0.01, 0.25])
def test_agrees_with_the_definition(taus, dt):
    params = FirstSpikeParams(*taus, dt=dt, min_slope=1e-3)
    for n_pre in (1, 5, 40):
        inputs = draw(n_pre, 7, 100)
        ours, definition = (run(inputs, params, backend) for backend in ("numba", "eager"))
        assert 0.05 < (definition[0] < math.inf).double().mean() < 0.95
        assert torch.allclose(ours[0], definition[0], atol=1e-9, rtol=0)
        assert torch.allclose(ours[1], definition[1], atol=1e-12, rtol=0)
        for a, b in zip(ours[2], definition[2], strict=True):
            assert torch.allclose(a, b, atol=1e-9 * b.abs().max().item(), rtol=1e-7)


@pytest.mark.parametrize("dt", [0.0, 0.25])
def test_float32_is_float64_rounded(dt):
    params = FirstSpikeParams(dt=dt)
    inputs = draw(20, 7, 100, torch.float32)
    single = run(inputs, params, "numba")
    double = run([x.detach().double().requires_grad_() for x in inputs], params, "numba")
    assert single[0].dtype == torch.float32
    assert torch.allclose(single[0].double(), double[0], rtol=1e-6)
    for a, b in zip(single[2], double[2], strict=True):
        assert a.dtype == torch.float32
        assert torch.allclose(a.double(), b, rtol=1e-4, atol=1e-5 * b.abs().max().item())


def test_a_batch_is_its_samples_and_threads_change_nothing():
    inputs = draw(30, 40, 70)
    params = FirstSpikeParams()
    whole = run(inputs, params, "numba")
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        shared = run(inputs, params, "numba")
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(whole[0], shared[0])
    assert all(torch.equal(a, b) for a, b in zip(whole[2], shared[2], strict=True))
    sums = [torch.zeros_like(x) for x in inputs]
    for b in range(70):
        one = run([inputs[0][b : b + 1], *inputs[1:]], params, "numba")
        assert torch.equal(one[0], whole[0][b : b + 1])
        sums[0][b] = one[2][0]
        for total, part in zip(sums[1:], one[2][1:], strict=True):
            total += part
    for a, b in zip(sums, whole[2], strict=True):
        assert torch.allclose(a, b, rtol=1e-9, atol=1e-9)


def test_layouts_of_memory_do_not_matter():
    inputs = draw(9, 5, 20)
    turned = [x.detach().t().contiguous().t().requires_grad_() for x in inputs]
    assert not turned[1].is_contiguous()
    for a, b in zip(run(inputs, FirstSpikeParams(), "numba")[2],
                    run(turned, FirstSpikeParams(), "numba")[2], strict=True):  # fmt: skip
        assert torch.equal(a, b)


def test_only_what_is_asked_for_has_a_gradient():
    times, weights, delays = draw(6, 5, 20)
    out = first_spikes(times.detach(), weights, delays.detach(), backend="numba")
    out.peaks.sum().backward()
    assert weights.grad is not None
    assert times.grad is None
    with torch.no_grad():
        assert not first_spikes(times, weights, delays, backend="numba").times.requires_grad


def test_a_function_transform_runs_the_definition():
    times, weights, delays = (x.detach() for x in draw(6, 5, 20))

    def loss(weights, backend="auto"):
        return first_spikes(times, weights, delays, backend=backend).peaks.square().sum()

    g = torch.func.grad(loss)(weights)
    expected = torch.autograd.grad(loss(weights.requires_grad_(), "numba"), weights)[0]
    assert torch.allclose(g, expected, atol=1e-12)
    with pytest.raises(ValueError, match="function transform"):
        torch.func.grad(lambda w: loss(w, "numba"))(weights)


def test_empty_batches():
    out = first_spikes(torch.empty(0, 3), torch.ones(3, 2, requires_grad=True), backend="numba")
    assert out.times.shape == (0, 2)
    out.times.sum().backward()


def test_numba_is_imported_only_when_a_loop_runs():
    code = "import sys, jarvis.spatial.first_spike; print('numba' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
