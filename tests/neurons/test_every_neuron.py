"""One suite for every kind of neuron: compiled loops against the step, which is the definition.

`tests/kernels/test_triton.py` runs it again with Triton's loops.
"""

import math
import os
from typing import Any

import pytest
import torch
from register import CASES, F64, LIF_CASES, Case, marks_of, sampled
from torch import Tensor

from jarvis import SurrogateSpike
from jarvis.neurons import RecurrentState, SpikingLayer
from jarvis.surrogate import SURROGATES

BACKEND = os.environ.get("JARVIS_SUITE_BACKEND", "numba")
DEVICE = os.environ.get("JARVIS_SUITE_DEVICE", "cpu")


def ids(case: Case) -> str:
    return case.name


#: The first case of each kind of neuron, for what does not depend on a neuron's options: each
#: loop that a test needs beyond those of the first test costs seconds of compilation.
KINDS = list({case.neuron().step: case for case in reversed(CASES)}.values())[::-1]

every = pytest.mark.parametrize("case", sampled(CASES), ids=ids)
kinds = pytest.mark.parametrize("case", sampled(KINDS), ids=ids)


def run(case: Case, layer: SpikingLayer, xs: list[Tensor], state: Any = None, seed: int = 0, **kw):
    """Everything that a run yields, and the gradients of a random projection of it."""
    kind = layer.neuron.inputs
    leaves = [x.detach().clone().requires_grad_() if x.is_contiguous() else x for x in xs]
    starts = [None if part is None else part.clone().requires_grad_() for part in state or []]
    given = layer.neuron.state(*starts) if state else None
    if given is not None and layer.recurrent is not None:
        given = RecurrentState(given, torch.zeros_like(starts[0]))
    layer.zero_grad()
    spikes, final, *trace = layer(leaves[0] if kind is None else kind(*leaves), given, **kw)
    if layer.recurrent is not None:
        final = final.neurons
    found = {"spikes": spikes}
    found |= {f"state.{n}": v for n, v in final._asdict().items() if v is not None}
    for record in trace:
        found |= {f"trace.{n}": v for n, v in record._asdict().items() if v is not None}
    rng = torch.Generator().manual_seed(seed)
    total = spikes.new_zeros(())
    for value in found.values():
        weight = torch.randn(value.shape, generator=rng, dtype=F64).to(value)
        total = total + (weight * value).sum()
    names = [f"x{i}" for i in range(len(leaves))]
    wanted = dict(zip(names, leaves, strict=True))
    if given is not None:
        fields = layer.neuron.state._fields
        wanted |= {f"start.{n}": v for n, v in zip(fields, starts, strict=True) if v is not None}
    wanted |= dict(layer.named_parameters())
    wanted = {name: value for name, value in wanted.items() if value.requires_grad}
    gradients: dict[str, Tensor] = {}
    if total.requires_grad:
        grads = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
        pairs = zip(wanted.items(), grads, strict=True)
        gradients = {n: torch.zeros_like(v) if g is None else g for (n, v), g in pairs}
    return {name: value.detach() for name, value in found.items()}, gradients


def compare(want, got, rtol=1e-10):
    values, gradients = want
    assert got[0].keys() == values.keys()
    assert torch.equal(got[0]["spikes"], values["spikes"])
    for name, value in values.items():
        size = max(value.abs().max().item(), 1.0) if value.numel() else 1.0
        torch.testing.assert_close(got[0][name], value, rtol=rtol, atol=rtol * size, msg=name)
    assert got[1].keys() == gradients.keys()
    for name, value in gradients.items():
        size = value.abs().max().item() if value.numel() else 0.0
        torch.testing.assert_close(
            got[1][name], value, rtol=rtol, atol=max(rtol * size, 1e-300), msg=name
        )


def both(case: Case, xs: list[Tensor], with_state: bool = True, neuron: Any = None, **options):
    """The definition's outcome, and the loop's."""
    kw = options.pop("call", {})
    results = []
    torch.manual_seed(0)
    layers = [case.layer("eager", neuron, **options), case.layer(BACKEND, neuron, **options)]
    layers[1].load_state_dict(layers[0].state_dict())
    for layer in layers:
        layer = layer.double().to(DEVICE)
        moved = [x.to(DEVICE) for x in xs]
        state = case.start(layer, moved[0]) if with_state else None
        results.append(run(case, layer, moved, state, **kw))
    assert layers[1].unsupported_reason() is None
    return results


NEVER = "no spike: choose another mean, spread or shape in the register"


def fires(case: Case, result) -> bool:
    return bool((result[0]["spikes"] != 0).any())


@pytest.mark.parametrize("case", sampled(CASES, KINDS), ids=ids)
def test_loop_is_the_step(case):
    want, got = both(case, case.inputs())
    assert fires(case, want), NEVER
    compare(want, got)
    assert any(g.abs().max() > 0 for g in want[1].values())


@every
def test_without_a_gradient_and_from_rest(case):
    xs = case.inputs()
    results = []
    for backend in ("eager", BACKEND):
        layer = case.layer(backend).double().to(DEVICE)
        kind, moved = layer.neuron.inputs, [x.to(DEVICE) for x in xs]
        with torch.no_grad():
            spikes, state = layer(moved[0] if kind is None else kind(*moved))
        assert not spikes.requires_grad
        results.append((spikes, [part for part in state if part is not None]))
    assert torch.equal(results[0][0], results[1][0])
    torch.testing.assert_close(results[1][1], results[0][1], rtol=1e-10, atol=1e-10)


@every
def test_trace_and_its_gradient(case):
    want, got = both(case, case.inputs((12, *case.shape[1:])), call=dict(trace=True))
    assert any(name.startswith("trace.") for name in want[0])
    compare(want, got)


@pytest.mark.parametrize("per_neuron", [False, True], ids=["one value", "per neuron"])
@pytest.mark.parametrize("case", sampled([case for case in CASES if case.learnable]), ids=ids)
def test_learned_parameters(case, per_neuron):
    neuron = case.neuron()
    if per_neuron:
        n = case.shape[-1]
        spread = torch.linspace(0.97, 1.03, n, dtype=F64)
        values = {name: getattr(neuron.values, name) * spread for name in case.learnable}
        neuron = neuron(neuron.values.with_values(**values))
    want, got = both(case, case.inputs(), neuron=neuron, learnable=case.learnable)
    assert fires(case, want), NEVER
    compare(want, got, 1e-9)
    for name in case.learnable:
        found = [g for key, g in want[1].items() if key.endswith(f"_{name}")]
        assert found
        assert found[0].shape == ((case.shape[-1],) if per_neuron else ())


@pytest.mark.parametrize("shape", [(6,), (1, 6), (3, 1), (3, 6)])
def test_parameters_of_any_shape_that_fits(shape):
    case = LIF_CASES[0]
    tau = torch.linspace(5.0, 30.0, math.prod(shape), dtype=F64).view(shape)
    for learnable in ((), "tau"):
        want, got = both(case, case.inputs(), neuron=case.neuron()(tau=tau), learnable=learnable)
        compare(want, got)


@pytest.mark.parametrize(
    ("case", "self_connections"),
    [pytest.param(case, True, marks=marks_of(case)) for case in KINDS]
    + [pytest.param(case, False, marks=marks_of(case)) for case in CASES[:12:3]],
    ids=lambda given: given.name if isinstance(given, Case) else f"itself {given}",
)
def test_recurrence(case, self_connections):
    n = case.shape[-1]
    options = dict(recurrent=n, self_connections=self_connections)
    want, got = both(case, case.inputs((min(case.shape[0], 60), *case.shape[1:])), **options)
    compare(want, got)
    weight = want[1]["weight"]
    assert weight.abs().max() > 0, NEVER
    waits = getattr(case.neuron().values, "refractory", 0.0) > 0  # and does not hear itself
    if not (self_connections and waits):
        assert bool((weight.diagonal() != 0).any()) == self_connections


@pytest.mark.parametrize("case", sampled([CASES[0], CASES[9], CASES[13], CASES[15]]), ids=ids)
def test_recurrence_with_learned_parameters(case):
    n = case.shape[-1]
    want, got = both(
        case, case.inputs((15, *case.shape[1:])), recurrent=n, learnable=case.learnable
    )
    compare(want, got, 1e-9)


@every
def test_in_pieces(case):
    layer = case.layer(BACKEND).double().to(DEVICE)
    kind, xs = layer.neuron.inputs, [x.to(DEVICE) for x in case.inputs()]

    def call(part, state=None):
        chosen = [x[part] for x in xs]
        return layer(chosen[0] if kind is None else kind(*chosen), state)

    whole, end = call(slice(None))
    state, parts = None, []
    for part in (slice(0, 0), slice(0, 1), slice(1, 8), slice(8, 8), slice(8, None)):
        spikes, state = call(part, state)
        parts.append(spikes)
    assert torch.equal(torch.cat(parts), whole)
    for a, b in zip(end, state, strict=True):
        assert a is b is None or torch.equal(a, b)


@kinds
def test_layouts(case):
    base = case.inputs((9, 4, 6))
    for change in (
        lambda x: x.transpose(1, 2).contiguous().transpose(1, 2),
        lambda x: x[:1].expand(x.shape),
        lambda x: x[:, :1].expand(x.shape),
        lambda x: x.repeat_interleave(2, 0)[::2],
        lambda x: x[:1],
    ):
        want, got = both(case, [change(x) for x in base])
        compare(want, got)


@every
def test_empty(case):
    for shape in ((0, 2, 3), (4, 0, 3), (4, 2, 0)):
        layer = case.layer("auto").double().to(DEVICE)
        xs = [x.to(DEVICE).requires_grad_() for x in case.inputs(shape)]
        kind = layer.neuron.inputs
        spikes, state, trace = layer(xs[0] if kind is None else kind(*xs), trace=True)
        assert spikes.shape == shape
        assert all(part is None or part.shape == shape[1:] for part in state)
        assert all(part is None or part.shape == shape for part in trace)
        assert spikes.requires_grad  # a sequence without steps keeps the graph
        (gradient,) = torch.autograd.grad(spikes.sum(), xs[0])
        assert gradient.shape == shape


@every
def test_nan_stays_in_its_neuron(case):
    xs = case.inputs((10, 2, 6))
    xs[0][3, 1, 2] = math.nan
    want, got = both(case, xs)
    for name, value in want[0].items():
        torch.testing.assert_close(got[0][name], value, rtol=1e-9, atol=1e-9, equal_nan=True)
        keep = [0, 1, 3, 4, 5]
        assert not value[..., keep].isnan().any(), name
    if case.name != "SigmaDelta":  # whose comparison with NaN sends nothing
        assert want[0]["spikes"][3:, 1, 2].isnan().any()


@every
def test_float32(case):
    """Rounding may move a spike at the threshold; rates and smooth gradients agree."""
    results = []
    for backend in ("eager", BACKEND):
        layer = case.layer(backend).to(DEVICE)
        xs = [x.float().to(DEVICE) for x in case.inputs()]
        results.append(run(case, layer, xs))
    want, got = results
    differ = (got[0]["spikes"] != want[0]["spikes"]).double().mean()
    assert differ <= 0.01
    if differ == 0:
        for name, value in want[1].items():
            size = value.abs().max().item()
            torch.testing.assert_close(got[1][name], value, rtol=1e-3, atol=2e-4 * size, msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("surrogate", SURROGATES)
@pytest.mark.parametrize("detach", [True, False])
@pytest.mark.parametrize("case", [CASES[1], CASES[13]], ids=ids)
def test_every_surrogate(case, surrogate, detach):
    options = dict(surrogate=SurrogateSpike(surrogate, 2.0), detach_reset=detach)
    want, got = both(case, case.inputs((20, 2, 5)), **options)
    compare(want, got)
