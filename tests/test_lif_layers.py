"""Layers: against an independent implementation, and what users stumble over elsewhere."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from jarvis import (
    LeakyIntegrator,
    LIFLayer,
    RecurrentLIFLayer,
    SurrogateSpike,
    constant_encode,
    over_time,
)
from jarvis.lif import RESETS
from jarvis.neurons import RecurrentState
from jarvis.surrogate import SURROGATES

F64 = torch.float64

OPTIONS = st.fixed_dictionaries(
    {
        "tau": st.sampled_from([2.0, 20.0, math.inf]),
        "dt": st.sampled_from([0.5, 1.0]),
        "threshold": st.sampled_from([0.7, 1.0]),
        "reset": st.sampled_from(RESETS),
        "detach_reset": st.booleans(),
        "refractory": st.sampled_from([0.0, 1.0, 3.0]),
        "tau_syn": st.sampled_from([None, 4.0]),
        "adaptation": st.sampled_from([0.0, 0.3]),
        "tau_adapt": st.sampled_from([10.0, 200.0]),
    }
)


def compare(layer, options, name, slope, x, dx, weight=None):
    """Spikes equal, and <gradient, direction> equal to the forward derivative."""
    x = x.requires_grad_()
    spikes, state = layer(x)
    upstream = torch.rand(spikes.shape, dtype=F64, generator=torch.Generator().manual_seed(1))
    (gradient,) = torch.autograd.grad((spikes * upstream).sum(), x)
    assert spikes.shape == x.shape
    for b in range(x.shape[1]):
        s, ds, v = reference.lif(
            x[:, b].tolist(), dx[:, b].tolist(), name=name, slope=slope, weight=weight, **options
        )
        assert spikes[:, b].tolist() == s
        assert state.v[b].tolist() == pytest.approx(v, abs=1e-9)
        forward = (torch.tensor(ds, dtype=F64) * upstream[:, b]).sum()
        torch.testing.assert_close((gradient[:, b] * dx[:, b]).sum(), forward)


# Drawn once for all, as each set of flags is a loop to be compiled: their machine code is cached.
@settings(max_examples=60, derandomize=True)
@given(
    options=OPTIONS,
    name=st.sampled_from(list(SURROGATES)),
    steps=st.integers(1, 12),
    batch=st.integers(1, 2),
    n=st.integers(1, 3),
    seed=st.integers(0, 1000),
)
def test_agrees_with_the_independent_layer(options, name, steps, batch, n, seed):
    g = torch.Generator().manual_seed(seed)
    slope = 3.0
    layer = LIFLayer(surrogate=SurrogateSpike(name, slope), **options)
    x = 1.5 * torch.rand(steps, batch, n, dtype=F64, generator=g) - 0.2
    dx = torch.randn(steps, batch, n, dtype=F64, generator=g)
    compare(layer, options, name, slope, x, dx)


@pytest.mark.slow
@settings(max_examples=30, derandomize=True)
@given(options=OPTIONS, steps=st.integers(1, 10), n=st.integers(1, 3), seed=st.integers(0, 1000))
def test_recurrent_agrees_with_the_independent_layer(options, steps, n, seed):
    g = torch.Generator().manual_seed(seed)
    layer = RecurrentLIFLayer(n, surrogate=SurrogateSpike("arctan", 2.0), **options).double()
    x = 1.5 * torch.rand(steps, 2, n, dtype=F64, generator=g) - 0.2
    dx = torch.randn(steps, 2, n, dtype=F64, generator=g)
    compare(layer, options, "arctan", 2.0, x, dx, layer.weight.tolist())


def test_recurrent_weight_is_row_receiver():
    layer = RecurrentLIFLayer(2, tau=math.inf)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.0, 0.0], [0.4, 0.0]]))  # from 0 to 1
    x = torch.zeros(2, 1, 2)
    x[0, 0, 0] = 1.0
    _, state = layer(x)
    torch.testing.assert_close(state.v, torch.tensor([[0.0, 0.4]]))


ALL_STATES = dict(tau_syn=4.0, refractory=2.0, adaptation=0.2, tau_adapt=50.0)


@pytest.mark.parametrize("make", [LIFLayer, lambda **o: RecurrentLIFLayer(3, **o)])
def test_two_halves_with_carried_state_are_one_run(make, generator):
    layer = make(**ALL_STATES)
    x = 0.5 * torch.rand(40, 2, 3, generator=generator)
    whole, end = layer(x)
    first, middle = layer(x[:17])
    second, last = layer(x[17:], middle)
    assert torch.equal(whole, torch.cat((first, second)))
    if isinstance(end, RecurrentState):
        assert torch.equal(end.spikes, last.spikes)
        end, last = end.neurons, last.neurons
    for a, b in zip(end, last, strict=True):
        assert (a is None and b is None) or torch.equal(a, b)
    forgotten, _ = layer(x[17:])
    assert not torch.equal(second, forgotten)


def test_two_networks_share_nothing(generator):
    x = torch.rand(20, 2, 3, generator=generator)
    a, b = LIFLayer(), LIFLayer()
    alone, _ = a(x)
    b(10 * x)
    again, _ = a(x)
    assert torch.equal(alone, again)


def test_calls_leave_no_trace_on_the_layer(generator):
    layer = LIFLayer(**ALL_STATES)
    layer(torch.rand(5, 2, 3, generator=generator))  # finds its compiled loop
    before = dict(vars(layer))
    loss = layer(torch.rand(5, 2, 3, generator=generator, requires_grad=True))[0].sum()
    loss.backward()
    assert vars(layer) == before


@pytest.mark.parametrize("reset", RESETS)
def test_trace(reset, generator):
    x = torch.rand(30, 2, 4, generator=generator)
    layer = LIFLayer(reset=reset)
    spikes, state, trace = layer(x, trace=True)
    assert torch.equal(spikes, (trace.h >= 1).float())
    assert spikes.any()
    after = {"subtract": trace.h - spikes, "zero": trace.h * (1 - spikes), "none": trace.h}[reset]
    torch.testing.assert_close(trace.v, after)
    assert torch.equal(trace.v[-1], state.v)
    assert torch.equal(layer(x)[0], spikes)


@pytest.mark.parametrize("option", ["reset", "refractory", "adaptation", "tau_syn", "threshold"])
def test_every_option_changes_the_dynamics(option, generator):
    x = 0.4 * torch.rand(50, 1, 20, generator=generator)
    other = {"reset": "zero", "refractory": 5.0, "adaptation": 0.5, "tau_syn": 5.0, "threshold": 2}
    plain, _ = LIFLayer()(x)
    changed, _ = LIFLayer(**{option: other[option]})(x)
    assert plain.any()
    assert not torch.equal(plain, changed)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("shape", [(5, 2), (5, 2, 3), (5, 2, 3, 4, 4), (5, 0, 3), (0, 2, 3)])
def test_any_shape_and_dtype(dtype, shape):
    for layer in (LIFLayer(**ALL_STATES), LeakyIntegrator()):
        out, state = layer(torch.ones(shape, dtype=dtype))
        assert out.shape == shape
        assert out.dtype == dtype
        assert (state if isinstance(state, torch.Tensor) else state.v).dtype == dtype


def test_non_contiguous_input(generator):
    x = torch.rand(3, 2, 20, generator=generator).permute(2, 1, 0)
    assert torch.equal(LIFLayer()(x)[0], LIFLayer()(x.contiguous())[0])


def test_nan_is_seen(generator):
    x = torch.rand(5, 1, 2, generator=generator)
    x[2, 0, 0] = math.nan
    spikes, _ = LIFLayer()(x)
    assert spikes[2:, 0, 0].isnan().all()
    assert not spikes[:, 0, 1].isnan().any()


@pytest.mark.parametrize("name", ["tau", "tau_syn", "threshold", "tau_adapt"])
def test_learnable_values_get_the_right_gradient(name, generator):
    options = {"tau": 10.0, "tau_syn": 5.0, "threshold": 0.8, "tau_adapt": 30.0}
    layer = LIFLayer(learnable=name, adaptation=0.2, **options).double()
    log = getattr(layer, f"log_{name}")
    assert log.exp().item() == pytest.approx(options[name])
    # Without a spike v is smooth in the time constants: finite differences are the reference.
    # tau_adapt and the threshold act only through spikes: there the surrogate must reach them.
    x = torch.rand(20, 2, 3, dtype=F64, generator=generator) * (0.02 if "adapt" not in name else 1)
    spikes, state = layer(x)
    if name in ("tau", "tau_syn"):
        state.v.sum().backward()
        with torch.no_grad():
            ends = []
            for sign in (1, -1):
                log.add_(sign * 1e-6)
                ends.append(layer(x)[1].v.sum())
                log.sub_(sign * 1e-6)
        assert log.grad.item() == pytest.approx(((ends[0] - ends[1]) / 2e-6).item(), rel=1e-5)
    else:
        spikes.sum().backward()
        assert log.grad.item() < 0  # a higher or more lasting threshold: fewer spikes


def test_per_neuron_values_are_buffers_that_move_with_the_layer():
    layer = LIFLayer(tau=torch.tensor([5.0, 50.0]))
    assert "_tau" in layer.state_dict()
    _, state = layer(torch.tensor([[[0.5, 0.5]], [[0.0, 0.0]]]))
    assert state.v[0].tolist() == pytest.approx([0.5 * math.exp(-1 / 5), 0.5 * math.exp(-1 / 50)])


def test_leaky_integrator_closed_form():
    v, last = LeakyIntegrator(tau=10.0, dt=0.5)(torch.ones(40, 1, 1, dtype=F64))
    d = math.exp(-0.05)
    expected = (1 - d ** torch.arange(1, 41, dtype=F64)) / (1 - d)
    torch.testing.assert_close(v[:, 0, 0], expected)
    assert torch.equal(last, v[-1])
    assert torch.autograd.gradcheck(
        lambda x: LeakyIntegrator()(x)[0], torch.rand(4, 2, 2, dtype=F64, requires_grad=True)
    )


def test_over_time_computes_a_static_input_once(generator):
    calls = []

    class Counted(torch.nn.Linear):
        def forward(self, x):
            calls.append(len(x))
            return super().forward(x)

    linear = Counted(4, 3)
    x = torch.rand(2, 4, generator=generator)
    static = over_time(linear, constant_encode(x, 6))
    assert calls == [2]
    dynamic = over_time(linear, x.repeat(6, 1, 1))
    assert calls == [2, 12]
    torch.testing.assert_close(static, dynamic)
    (a,) = torch.autograd.grad(static.square().sum(), linear.weight)
    (b,) = torch.autograd.grad(dynamic.square().sum(), linear.weight)
    torch.testing.assert_close(a, b)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: LIFLayer()(torch.ones(5)), ValueError, "time first"),
        (lambda: LIFLayer()(torch.ones(5, 2, dtype=torch.int64)), TypeError, "int64"),
        (lambda: LIFLayer()([1.0]), TypeError, "list"),
        (lambda: LeakyIntegrator()(torch.ones(5)), ValueError, "time first"),
        (lambda: LeakyIntegrator()(torch.ones(5, 2), torch.ones(3)), ValueError, "state"),
        (
            lambda: LeakyIntegrator()(torch.ones(5, 2), LIFLayer()(torch.ones(5, 2))[1]),
            ValueError,
            "state.v is a LIFState",
        ),
        (lambda: RecurrentLIFLayer(4)(torch.ones(5, 2, 3)), ValueError, r"\[T, B, 4\]"),
        (lambda: RecurrentLIFLayer(0), ValueError, "n_hidden=0"),
        (lambda: LIFLayer(learnable=["beta"]), ValueError, "beta"),
        (lambda: LIFLayer(learnable=["tau_syn"]), ValueError, "tau_syn"),
        (lambda: LIFLayer(tau=math.inf, learnable=["tau"]), ValueError, "finite"),
        (lambda: LIFLayer(backend="jax"), ValueError, "jax"),
        (lambda: LIFLayer(surrogate="boxcar"), ValueError, "boxcar"),
        (
            lambda: LIFLayer()(torch.ones(5, 3), LIFLayer()(torch.ones(5, 2))[1]),
            ValueError,
            "new batch",
        ),
        (
            lambda: LIFLayer(tau_syn=5.0)(torch.ones(5, 2), LIFLayer()(torch.ones(5, 2))[1]),
            ValueError,
            "state.i is missing",
        ),
        (lambda: over_time(torch.nn.Identity(), torch.ones(3)), ValueError, "time first"),
    ],
)
def test_bad_calls(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_backward_twice_is_explained_by_detach(generator):
    # The field's first stumble: a state carried from batch to batch drags the old graph along.
    layer, linear = LIFLayer(), torch.nn.Linear(3, 3)
    x = torch.rand(5, 2, 3, generator=generator)
    spikes, state = layer(over_time(linear, x))
    spikes.sum().backward()
    with pytest.raises(RuntimeError, match="second time"):
        layer(over_time(linear, x), state)[0].sum().backward()
    spikes, state = layer(over_time(linear, x))
    spikes.sum().backward()
    layer(over_time(linear, x), state.detach())[0].sum().backward()


def test_repr_shows_units_of_use():
    text = repr(LIFLayer(tau=15.0, tau_syn=5.0, learnable=["tau"]))
    assert "tau=15.0" in text
    assert "tau_syn=5.0" in text
    assert "learnable=" in text
    assert "learnable" not in repr(LIFLayer())
    assert "recurrent" not in text
    assert "recurrent=4" in repr(LIFLayer(recurrent=4))


@pytest.mark.parametrize("reset", RESETS)
def test_agrees_with_snntorch(reset, generator):
    snntorch = pytest.importorskip("snntorch")
    x = 0.3 * torch.rand(100, 2, 5, dtype=F64, generator=generator)
    theirs = snntorch.Leaky(
        beta=math.exp(-1 / 20),
        spike_grad=snntorch.surrogate.fast_sigmoid(25),
        reset_mechanism=reset,
        reset_delay=False,  # its default resets a step later than everybody else
    ).double()
    theirs.beta = torch.tensor(math.exp(-1 / 20), dtype=F64)  # it keeps float32
    mem, spikes, potentials = theirs.init_leaky(), [], []
    a = x.clone().requires_grad_()
    for x_t in a.unbind(0):
        s, mem = theirs(x_t, mem)
        spikes.append(s)
        potentials.append(mem)
    b = x.clone().requires_grad_()
    # without its delay, snnTorch lets the gradient flow through the reset
    ours, _, trace = LIFLayer(tau=20.0, reset=reset, detach_reset=False)(b, trace=True)
    assert ours.any()
    assert torch.equal(torch.stack(spikes), ours)
    torch.testing.assert_close(torch.stack(potentials), trace.v)
    torch.stack(spikes).sum().backward()
    ours.sum().backward()
    torch.testing.assert_close(a.grad, b.grad)


@pytest.mark.gpu
@pytest.mark.parametrize("make", [LIFLayer, lambda **o: RecurrentLIFLayer(8, **o)])
def test_same_on_the_gpu(make, generator):
    layer = make(**ALL_STATES).double()
    x = torch.rand(30, 2, 8, dtype=F64, generator=generator)
    cpu, _ = layer(x)
    gpu, _ = layer.cuda()(x.cuda())
    assert torch.equal(cpu, gpu.cpu())


@pytest.mark.parametrize("backend", ["eager", "numba"])
@pytest.mark.parametrize(
    "options", [{}, {"tau_syn": 5.0, "refractory": 2.0, "adaptation": 0.1, "tau_adapt": 50.0}]
)
@pytest.mark.parametrize("recurrent", [False, True])
def test_gradients_through_a_checkpoint_are_the_same(recurrent, options, backend):
    """`torch.utils.checkpoint` runs the layer again on the way back, and reads it only once."""
    from torch.utils.checkpoint import checkpoint

    torch.manual_seed(0)
    made = RecurrentLIFLayer(4, backend=backend, **options) if recurrent else None
    layer = made or LIFLayer(backend=backend, **options)
    x = (2.0 * torch.rand(12, 3, 4)).requires_grad_()
    wanted = (x, *layer.parameters())
    plain = torch.autograd.grad(layer(x)[0].sum(), wanted)
    kept = checkpoint(lambda x: layer(x)[0], x, use_reentrant=False)
    again = torch.autograd.grad(kept.sum(), wanted)
    for a, b in zip(plain, again, strict=True):
        assert torch.equal(a, b)
    assert plain[0].abs().sum() > 0
