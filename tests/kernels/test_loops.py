"""What compiled loops keep, share and refuse, and when they run."""

import itertools
import math

import numpy as np
import pytest
import torch

from jarvis import LeakyIntegrator, LIFLayer, RecurrentLIFLayer, SurrogateSpike
from jarvis.kernels import dispatch, time_loop
from jarvis.kernels.memory import SMALLEST, empty
from jarvis.kernels.rows import Rows
from jarvis.lif import LIFState
from jarvis.neurons import RecurrentState

ALL = dict(adaptation=0.3, tau_adapt=10.0, reset="none", refractory=2.0)


def test_spikes_and_gradient_are_the_formula():
    """By hand, so that a fault shared with the readable step would show."""
    x = torch.tensor([0.6, 0.6, 0.2]).view(3, 1, 1).requires_grad_()
    layer = LIFLayer(tau=math.inf, surrogate=SurrogateSpike("fast_sigmoid", 2.0), backend="numba")
    spikes, state = layer(x)
    assert spikes.flatten().tolist() == [0.0, 1.0, 0.0]
    assert state.v.item() == pytest.approx(0.4)
    spikes[1].backward()  # h = 1.2 there, and x_0 and x_1 count alike
    slope = 1.0 / (1.0 + 2.0 * 0.2) ** 2
    assert x.grad.flatten().tolist() == pytest.approx([slope, slope, 0.0])


def test_large_potentials_leave_finite_gradients():
    for surrogate in ("fast_sigmoid", "sigmoid", "arctan", "triangle"):
        x = torch.tensor([1e30, -1e30, 1e4, 0.99]).view(1, 1, 4).requires_grad_()
        LIFLayer(surrogate=surrogate, backend="numba")(x)[0].sum().backward()
        assert torch.isfinite(x.grad).all(), surrogate


def test_layouts_are_not_copied_where_memory_allows():
    x = torch.rand(6, 2, 4)
    for view in (x, x[::2], x[1:], x[:1].expand(6, 2, 4)):
        rows = Rows.of(view)
        assert rows.flat.data_ptr() == view.data_ptr()
        steps = [rows.flat[t * rows.step :][: rows.lanes] for t in range(len(view))]
        assert torch.equal(torch.stack(steps), view.flatten(1))


def test_extra_axes():
    x = torch.rand(5, 2, 3, 4, 4)
    assert torch.equal(LIFLayer(backend="numba")(x)[0], LIFLayer(backend="eager")(x)[0])


def test_state_given_is_not_changed():
    layer = LIFLayer(backend="numba", adaptation=0.1)
    state = LIFState(v=torch.full((2, 3), 0.5), adaptation=torch.full((2, 3), 0.5))
    layer(torch.ones(4, 2, 3), state)
    assert state.v.eq(0.5).all()
    assert state.adaptation.eq(0.5).all()


def test_gradients_that_nobody_asked_for():
    """Input, state and weight need a gradient or not; each case gives what the step gives."""
    torch.manual_seed(0)
    x, v = torch.randn(6, 2, 4, dtype=torch.float64), torch.rand(2, 4, dtype=torch.float64)
    for needs_x, needs_v, needs_w in itertools.product([True, False], repeat=3):
        found = []
        for backend in ("eager", "numba"):
            options = dict(detach_reset=False, surrogate="triangle", backend=backend)
            layer = RecurrentLIFLayer(4, **options).double()
            torch.manual_seed(1)
            layer.weight.data.uniform_(-0.5, 0.5)
            layer.weight.requires_grad_(needs_w)
            leaf, start = x.clone().requires_grad_(needs_x), v.clone().requires_grad_(needs_v)
            spikes, _ = layer(leaf, RecurrentState(LIFState(start), torch.zeros_like(start)))
            assert spikes.requires_grad == (needs_x or needs_v or needs_w)
            if spikes.requires_grad:
                (spikes * x.sin()).sum().backward()
            found.append([leaf.grad, start.grad, layer.weight.grad])
        for wanted, got in zip(*found, strict=True):
            assert (wanted is None) == (got is None)
            if wanted is not None:
                torch.testing.assert_close(got, wanted, rtol=1e-9, atol=1e-11)


def test_saves_the_potential_and_one_tensor_a_state():
    for options, most in (({}, 1), (dict(tau_syn=4.0), 1), (dict(adaptation=0.3), 1), (ALL, 2)):
        saved = []
        keep = torch.autograd.graph.saved_tensors_hooks(
            lambda tensor, saved=saved: saved.append(tensor) or tensor, lambda tensor: tensor
        )
        x = torch.rand(5, 2, 3, dtype=torch.float64, requires_grad=True)
        with keep:
            LIFLayer(backend="numba", **options)(x)
        assert len(saved) == most, options


def test_second_derivative_is_refused():
    x = torch.rand(3, 1, 2, requires_grad=True)
    spikes, _ = LIFLayer(backend="numba")(x)
    (grad,) = torch.autograd.grad(spikes.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives only"):
        grad.sum().backward()


# -- which backend runs ---------------------------------------------------------------------------


@pytest.fixture
def ran(monkeypatch):
    """Counts the runs of compiled loops, and forgets what was said."""
    runs = []
    real = time_loop.run
    monkeypatch.setattr(time_loop, "run", lambda *args: runs.append(1) or real(*args))
    dispatch._say_once.cache_clear()
    return runs


def test_auto_compiles_and_eager_does_not(ran):
    x = torch.rand(3, 1, 2)
    LIFLayer()(x)
    assert len(ran) == 1
    RecurrentLIFLayer(2)(x)
    assert len(ran) == 2
    LIFLayer(backend="eager")(x)
    assert len(ran) == 2


class _ModuleSpike(torch.nn.Module):
    def forward(self, v, threshold):
        return SurrogateSpike()(v, threshold)


UNCOVERED = {
    "surrogate": (dict(surrogate=_ModuleSpike()), torch.float32, "neither a SurrogateSpike"),
    "per neuron": (dict(tau=torch.full((2,), 5.0).double()), torch.float32, "differ in dtype"),
    "bfloat16": (dict(), torch.bfloat16, "bfloat16"),
}


@pytest.mark.parametrize("case", UNCOVERED)
def test_uncovered_says_so_once_or_refuses(case, ran, caplog):
    options, dtype, reason = UNCOVERED[case]
    x = torch.rand(3, 1, 2).to(dtype)
    for _ in range(2):
        LIFLayer(**options)(x)
    assert not ran
    assert [record.message for record in caplog.records if reason in record.message] == [
        record.message for record in caplog.records
    ]
    assert len(caplog.records) == 1
    with pytest.raises(ValueError, match=f"backend='numba' cannot run this: .*{reason}"):
        LIFLayer(backend="numba", **options)(x)


def test_state_of_another_dtype_runs_the_readable_step(ran):
    state = LIFState(v=torch.rand(1, 2, dtype=torch.float64))
    spikes, _ = LIFLayer()(torch.rand(3, 1, 2), state)
    assert not ran
    assert spikes.dtype == torch.float64


def test_hook_on_the_surrogate_is_called(ran):
    layer, seen = LIFLayer(), []
    layer.surrogate.register_forward_hook(lambda *args: seen.append(1))
    layer(torch.rand(3, 1, 2))
    assert len(seen) == 3


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: setattr(layer, "surrogate", SurrogateSpike("arctan")),
        lambda layer: setattr(layer.surrogate, "derivative", lambda x, k: torch.exp(-k * x * x)),
        lambda layer: setattr(layer.surrogate, "slope", 3.0),
        lambda layer: setattr(layer, "detach_reset", False),
    ],
    ids=["surrogate", "derivative", "slope", "detach_reset"],
)
def test_spike_may_change_between_calls(change, ran):
    x = torch.rand(8, 2, 3, generator=torch.Generator().manual_seed(0))
    found = []
    for backend in ("numba", "eager"):
        layer = LIFLayer(backend=backend, tau=5.0)
        for _ in range(2):
            leaf = x.clone().requires_grad_()
            layer(leaf)[0].square().sum().backward()
            found.append(leaf.grad)
            change(layer)
    assert len(ran) == 2
    torch.testing.assert_close(found[1], found[3])
    assert not torch.allclose(found[0], found[1])


def test_autocast_runs_the_readable_step(ran):
    with torch.autocast("cpu", dtype=torch.bfloat16):
        RecurrentLIFLayer(2)(torch.rand(3, 1, 2))
        assert not ran
        LIFLayer()(torch.rand(3, 1, 2))  # nothing that autocast would change
    assert len(ran) == 1


@pytest.mark.parametrize("layer", [LIFLayer, LeakyIntegrator])
def test_backend_errors(layer):
    with pytest.raises(ValueError, match="backend='cuda' is not one of auto, eager, numba, triton"):
        layer(backend="cuda")
    with pytest.raises(ValueError, match="backend='triton' cannot run this"):
        layer(backend="triton")(torch.rand(3, 1, 2))
    with pytest.raises(ValueError, match="input is on meta"):
        layer(backend="numba")(torch.rand(3, 1, 2, device="meta"))


def test_missing_numba_is_an_error_or_the_readable_step(monkeypatch, ran, caplog):
    monkeypatch.setattr(
        dispatch, "_load", lambda family, backend: f"{backend} cannot be imported here"
    )
    with pytest.raises(ValueError, match="numba cannot be imported"):
        LIFLayer(backend="numba")(torch.rand(3, 1, 2))
    LIFLayer()(torch.rand(3, 1, 2))
    assert "numba cannot be imported" in caplog.text


# -- memory ---------------------------------------------------------------------------------------


def test_memory_is_used_again_only_when_free():
    shape = torch.Size([SMALLEST + 3])
    first = empty(shape, torch.float32, torch.device("cpu"))
    where = first.data_ptr()
    assert where % 64 == 0
    part = first[5:]
    del first
    second = empty(shape, torch.float32, torch.device("cpu"))
    assert second.data_ptr() != where  # `part` still lies there
    del part
    third = empty(shape, torch.float32, torch.device("cpu"))
    assert third.data_ptr() == where


def test_results_do_not_share_memory():
    layer, x = LIFLayer(backend="numba"), torch.rand(40, 64, 64, requires_grad=True)
    results = [layer(x)[0] for _ in range(3)]
    assert len({r.data_ptr() for r in results}) == 3
    kept = results[0].detach().clone()
    for r in results:
        r.sum().backward()
    assert torch.equal(results[0], kept)
    assert np.shares_memory(results[0].detach().numpy(), results[0].detach().numpy())


def test_a_plain_layer_is_supported():
    assert LIFLayer().unsupported_reason() is None
