"""What torch expects of a module: it works for every neuron, or says why not."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from register import CASES, F64, LIF_CASES, sampled

from jarvis import LIFLayer, RecurrentLIFLayer
from jarvis.adex import NormalisedAdExLayer
from jarvis.neurons import SpikingLayer, detached

# torch's own forward mode compiles by torch.jit.script, which it calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:FutureWarning")

SINGLE = [case for case in CASES if case.neuron().inputs is None]
single = pytest.mark.parametrize("case", sampled(SINGLE), ids=lambda case: case.name)
some = pytest.mark.parametrize("case", sampled(SINGLE[::5]), ids=lambda case: case.name)


def layer_of(case, backend="auto", **options) -> SpikingLayer:
    return case.layer(backend, **options).double()


@single
def test_copies_behave_alike(case):
    layer = layer_of(case, learnable=case.learnable)
    (x,) = case.inputs((12, 2, 4))
    want = layer(x)[0]  # the compiled loop is there before the copy
    for other in (copy.deepcopy(layer), pickle.loads(pickle.dumps(copy.deepcopy(layer)))):
        assert torch.equal(other(x)[0], want)
        assert all(p is not q for p, q in zip(layer.parameters(), other.parameters(), strict=True))
    buffer = io.BytesIO()
    torch.save(layer.state_dict(), buffer)
    buffer.seek(0)
    fresh = layer_of(case, learnable=case.learnable)
    fresh.load_state_dict(torch.load(buffer))
    assert torch.equal(fresh(x)[0], want)


@some
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoint(case, reentrant):
    from torch.utils.checkpoint import checkpoint

    layer = layer_of(case, learnable=case.learnable, recurrent=4)
    (x,) = case.inputs((12, 2, 4))
    x.requires_grad_()
    wanted = (x, *layer.parameters())
    plain = torch.autograd.grad(layer(x)[0].sum(), wanted)
    if reentrant:
        again = checkpoint(lambda x: layer(x)[0], x, use_reentrant=True)
        again.sum().backward()
        found = [part.grad for part in wanted]
    else:
        again = checkpoint(lambda x: layer(x)[0], x, use_reentrant=False)
        found = torch.autograd.grad(again.sum(), wanted)
    for a, b in zip(plain, found, strict=True):
        assert torch.equal(a, b)


def test_a_first_call_within_a_checkpoint():
    """Tracing the step must not be seen by the hooks that count what is saved."""
    from torch.utils.checkpoint import checkpoint

    layer = LIFLayer(surrogate="sigmoid", reset="none", tau_syn=3.125)
    x = torch.rand(4, 2, 3, requires_grad=True)
    checkpoint(lambda x: layer(x)[0], x, use_reentrant=False).sum().backward()
    assert x.grad is not None


@some
def test_func_transforms(case):
    """Under `torch.func` the step runs eagerly, whatever the backend "auto" would choose."""
    layer = layer_of(case)
    (x,) = case.inputs((6, 2, 4))
    want = x.clone().requires_grad_()
    layer(want)[0].sum().backward()
    (grad,) = (torch.func.grad(lambda x: layer(x)[0].sum())(x),)
    torch.testing.assert_close(grad, want.grad, rtol=1e-9, atol=1e-12)
    many = torch.stack([x, 0.5 * x])
    each = torch.stack([layer(part)[0] for part in many])
    assert torch.equal(torch.func.vmap(lambda x: layer(x)[0])(many), each)
    _, along = torch.func.jvp(lambda x: layer(x)[0], (x,), (torch.ones_like(x),))
    eager = layer_of(case, "eager")
    leaf = x.clone().requires_grad_()
    (other,) = torch.autograd.grad(eager(leaf)[0].sum(), leaf)
    torch.testing.assert_close(along.sum(), other.sum(), rtol=1e-9, atol=1e-9)


def test_functional_call_and_gradients_per_sample():
    layer = LIFLayer(learnable="tau").double()
    x = 0.3 * torch.rand(10, 5, 3, dtype=F64)

    def loss(parameters, x):
        return torch.func.functional_call(layer, parameters, (x.unsqueeze(1),))[0].sum()

    parameters = {name: p.detach() for name, p in layer.named_parameters()}
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 1))(parameters, x)
    layer(x)[0].sum().backward()
    torch.testing.assert_close(each["log_tau"].sum(), layer.log_tau.grad)


def test_hessian_of_the_step():
    layer = LIFLayer(surrogate="sigmoid", detach_reset=False, backend="eager").double()
    x = 0.4 * torch.rand(3, 1, 2, dtype=F64)
    hessian = torch.func.hessian(lambda x: layer(x)[1].v.sum())(x).reshape(6, 6)
    torch.testing.assert_close(hessian, hessian.T)
    assert hessian.abs().max() > 0
    assert torch.autograd.gradgradcheck(
        lambda x: LIFLayer(reset="none", backend="eager")(x)[1].v, x.requires_grad_()
    )


@pytest.mark.slow
@some
def test_compile_whole(case):
    layer = layer_of(case, learnable=case.learnable)
    (x,) = case.inputs((5, 2, 4))
    want, state = layer_of(case, "eager", learnable=case.learnable)(x)
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    got, found = compiled(x)
    assert torch.equal(got, want)
    for a, b in zip(found, state, strict=True):
        assert a is b is None or torch.allclose(a, b)


@pytest.mark.slow
@some
def test_strict_export(case):
    layer = layer_of(case)
    (x,) = case.inputs((5, 2, 4))
    exported = torch.export.export(layer, (x,), strict=True)
    assert torch.equal(exported.module()(x)[0], layer(x)[0])


@some
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_jit_trace(case):
    layer = layer_of(case, "eager")
    (x,) = case.inputs((5, 2, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(lambda x: layer(x)[0], (x,))
    assert torch.equal(traced(x), layer(x)[0])
    assert torch.equal(traced(1.5 * x), layer(1.5 * x)[0])


def test_autocast_leaves_the_neuron_alone_and_casts_its_products():
    x = torch.rand(5, 2, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        spikes, _ = LIFLayer()(x)
        recurrent, _ = RecurrentLIFLayer(4)(x)
    assert torch.equal(spikes, LIFLayer()(x)[0])
    assert recurrent.dtype == torch.float32


def test_random_numbers_are_not_used_up():
    """A neuron's first call gives the same numbers after it as a later call."""
    found = []
    for _ in range(2):
        torch.manual_seed(0)
        NormalisedAdExLayer(surrogate="triangle")(torch.rand(3, 1, 2))
        found.append(torch.rand(1))
    assert found[0] == found[1]


@pytest.mark.parametrize("mode", ["inference_mode", "no_grad"])
def test_first_call_without_gradients(mode):
    options = dict(reset="zero", surrogate="arctan", adaptation=0.11, tau_syn=2.5)
    layer = LIFLayer(backend="numba", **options)
    x = torch.rand(4, 2, 3)
    with getattr(torch, mode)():
        spikes, _ = layer(x)
    assert torch.equal(spikes, layer(x)[0])


def test_gradients_of_gradients_are_refused_by_a_loop():
    x = torch.rand(3, 1, 2, requires_grad=True)
    spikes, _ = LIF_CASES[0].layer("numba")(x)
    (grad,) = torch.autograd.grad(spikes.square().sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="first derivatives only"):
        grad.sum().backward()


@single
def test_a_detached_state_has_all_its_fields_and_none_of_its_graph(case):
    layer = layer_of(case)
    (x,) = case.inputs((12, 2, 4))
    _, state = layer(x.requires_grad_())
    cut = detached(state)
    assert type(cut) is type(state)
    for field, before, after in zip(state._fields, state, cut, strict=True):
        assert (before is None) == (after is None), field
        if before is not None:
            assert torch.equal(before, after), field
            assert not after.requires_grad, field
    if hasattr(state, "detach"):
        assert all(p is q or torch.equal(p, q) for p, q in zip(state.detach(), cut, strict=True))
