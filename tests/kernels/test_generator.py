"""How loops come about: operations, what is kept, keys, files, and what cannot be compiled."""

import logging
import math
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

from jarvis import LIFLayer, SurrogateSpike
from jarvis.adex import NormalisedAdExLayer
from jarvis.kernels import dispatch, expression, plan, program
from jarvis.kernels.fingerprint import fingerprint
from jarvis.lif import LIF
from jarvis.neurons import Parameters, SpikingLayer, define, parameter

F64 = torch.float64


@dataclass(frozen=True)
class ToyParams(Parameters):
    scale: float | Tensor = parameter(1.0, above=0)
    shift: float | Tensor = parameter(0.25)
    times: int = 2
    signed: bool = True


class ToyState(NamedTuple):
    v: Tensor


def toy(step, **values):
    """A layer maker for a step with one state."""
    return define(step, ToyParams, ToyState, lambda p: ToyState(0.0), fires=False)(**values)


def outcome(neuron, x, backend, trace=False, **options):
    layer = SpikingLayer(neuron, backend=backend, **options).double()
    leaf = x.clone().requires_grad_()
    out, state, *record = layer(leaf, trace=trace)
    parts = [out, *(part for part in state if part is not None), *(record[0] if record else ())]
    rng = torch.Generator().manual_seed(0)
    total = sum((torch.randn(part.shape, generator=rng, dtype=F64) * part).sum() for part in parts)
    gradients = torch.autograd.grad(total, [leaf, *layer.parameters()])
    return [part.detach() for part in parts], list(gradients)


def same(neuron, x, rtol=1e-11, **options):
    eager, loop = (outcome(neuron, x, backend, **options) for backend in ("eager", "numba"))
    for want, got in zip(eager[0] + eager[1], loop[0] + loop[1], strict=True):
        torch.testing.assert_close(got, want, rtol=rtol, atol=rtol, equal_nan=True)


# -- operations -----------------------------------------------------------------------------------

# Each is applied to numbers y from about -2 to 2, and z from 0.2 to 2.2.
FUNCTIONS = {
    "exp": lambda y, z, p: torch.exp(y),
    "exp2": lambda y, z, p: torch.exp2(y),
    "expm1": lambda y, z, p: torch.expm1(1e-3 * y) + torch.expm1(y),
    "log": lambda y, z, p: torch.log(z),
    "log2": lambda y, z, p: torch.log2(z),
    "log1p": lambda y, z, p: torch.log1p(z) + torch.log1p(1e-9 * y),
    "sqrt": lambda y, z, p: torch.sqrt(z) + torch.rsqrt(z),
    "square": lambda y, z, p: torch.square(y) + y**3 + z**-2 + z**0.5 + z**1.7,
    "power of a parameter": lambda y, z, p: z**p.shift,
    "tanh": lambda y, z, p: torch.tanh(y) + torch.tanh(1e-6 * y) + torch.tanh(50.0 * y),
    "sigmoid": lambda y, z, p: torch.sigmoid(y) + torch.sigmoid(-300.0 * z),
    "softplus": lambda y, z, p: torch.nn.functional.softplus(y, beta=2.0),
    "relu": lambda y, z, p: torch.relu(y) + torch.nn.functional.hardtanh(y),
    "sin": lambda y, z, p: torch.sin(y) * torch.cos(y) + torch.tan(0.5 * y) + torch.atan(y),
    "erf": lambda y, z, p: torch.erf(y),
    "abs": lambda y, z, p: y.abs() * torch.sign(y),
    "floor": lambda y, z, p: torch.floor(y) + torch.ceil(3.0 * y) + torch.remainder(y, 0.7) * y,
    "clamp": lambda y, z, p: y.clamp(-0.5, 0.7) + y.clamp_min(0.1) + y.clamp_max(0.3),
    "clamp by a parameter": lambda y, z, p: torch.minimum(y, p.shift + 0.0 * y),
    "maximum": lambda y, z, p: torch.maximum(y, z) + torch.minimum(y, z * p.scale),
    "where": lambda y, z, p: torch.where((y > 0) & ~(z > 1) | (y < -1), y, p.scale),
    "where of scalars": lambda y, z, p: torch.where(y >= 0, 1.0, -2.0) * y,
    "conditions": lambda y, z, p: torch.logical_or(y > z, y.isnan()).to(y.dtype) * (y != 0) + y,
    "masked_fill": lambda y, z, p: y.masked_fill(y > 1, 3.0),
    "division": lambda y, z, p: y / z + 1.0 / z + z.reciprocal() + (1.0 - z) / p.scale,
    "in place on its own": lambda y, z, p: (y + 1.0).mul_(z).add_(0.5),
    "detached": lambda y, z, p: y.detach() * z + (y * z).detach(),
    "constants": lambda y, z, p: y * torch.tensor(0.3) + torch.ones_like(y),
    "filled": lambda y, z, p: torch.full_like(y, 2.0) * z + torch.zeros_like(y),
}
Everything = NamedTuple("Everything", [(f"f{i}", Tensor) for i in range(len(FUNCTIONS))])


def everything(x: Tensor, state: ToyState, p: Any, spike: Any):
    y = x + 0.1 * state.v
    z = y.abs() + 0.2
    found = [function(y, z, p) for function in FUNCTIONS.values()]
    v = y
    for part in found:
        v = v + 0.01 * torch.tanh(part)
    return v, ToyState(0.1 * torch.sin(v)), Everything(*found)


def test_every_operation_is_that_of_torch():
    x = torch.linspace(-2.0, 2.0, 60, dtype=F64).view(5, 2, 6)
    neuron = toy(everything)
    learnable = ("scale", "shift")
    eager, loop = (
        outcome(neuron, x, backend, True, learnable=learnable) for backend in ("eager", "numba")
    )
    for name, want, got in zip(FUNCTIONS, eager[0][2:], loop[0][2:], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-12, atol=1e-13, msg=name)
    for want, got in zip(eager[1], loop[1], strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


def test_gradient_of_each_operation():
    """One at a time, as they could hide each other's faults in a sum."""
    x = torch.linspace(-2.0, 2.0, 60, dtype=F64).view(5, 2, 6)
    layers = [
        SpikingLayer(toy(everything), backend=backend).double() for backend in ("eager", "numba")
    ]
    for index, name in enumerate(FUNCTIONS):
        found = []
        for layer in layers:
            leaf = x.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(layer(leaf, trace=True)[2][index].sum(), leaf)
            found.append(gradient)
        torch.testing.assert_close(found[1], found[0], rtol=1e-9, atol=1e-11, msg=name)


def test_edges_of_the_range():
    """Infinite, NaN, huge and tiny numbers give what torch gives."""

    def step(x, state, p, spike):
        y = torch.exp(x) + torch.log(x.abs()) + torch.tanh(x) + torch.log1p(x.abs()) + 1.0 / x
        return y + torch.expm1(x) + torch.sigmoid(x), ToyState(x)

    edges = [0.0, -0.0, math.inf, -math.inf, math.nan, 1e300, -1e300, 1e-300, 710.0, -745.0, 30.0]
    x = torch.tensor(edges, dtype=F64).view(1, 1, -1)
    with torch.no_grad():
        want, got = (SpikingLayer(toy(step), backend=b)(x)[0] for b in ("eager", "numba"))
    torch.testing.assert_close(got, want, rtol=1e-11, atol=1e-11, equal_nan=True)


def test_operations_of_autograd_are_recorded():
    def joint(xs, ys):
        (x,), (y,) = xs, ys
        x.requires_grad_()
        (gradient,) = torch.autograd.grad(expression._End.apply([y], x.sin()), x)
        return [x > y, gradient]

    greater, gradient = expression._recorded(joint, {"x": 1, "g_out": 1})
    assert (greater.op, greater.args[0].op) == ("where", "gt")  # 1 or 0
    assert gradient.op == "mul"
    assert {node.op for node in gradient.args} == {"g_out", "cos"}


def test_a_change_in_place_is_seen_by_all_that_share_the_memory():
    def step(x, state, p, spike):
        h = 0.9 * state.v + x
        h.detach().mul_(0.5)
        return 2.0 * h, ToyState(h)

    same(toy(step), torch.randn(6, 2, 3, dtype=F64))


def test_an_argument_that_is_changed_by_another_name_is_refused():
    def step(x, state, p, spike):
        state.v.detach().mul_(0.5)
        return x + state.v, ToyState(x)

    reason = "changes one of its arguments in place"
    with pytest.raises(ValueError, match=reason):
        SpikingLayer(toy(step), backend="numba")(torch.rand(2, 1, 3))


def test_constants_of_the_step_may_decide():
    limit = torch.tensor(2.0)

    def step(x, state, p, spike):
        y = x * limit if (limit + 1.0) * 2.0 > 5.0 else x
        return y, ToyState(0.5 * y)

    same(toy(step), torch.randn(4, 2, 3, dtype=F64))


def test_what_no_result_depends_on_needs_no_compiled_form():
    def step(x, state, p, spike):
        torch.logsumexp(x, 0)
        return x + state.v, ToyState(0.5 * x)

    same(toy(step), torch.randn(4, 2, 3, dtype=F64))


def test_a_new_neuron_needs_no_compiler_of_torch(tmp_path):
    """Imports of a second and more: those of `make_fx`, of gradients that are given, of graphs."""
    code = """
        import sys, torch
        from jarvis import LIFLayer
        LIFLayer(learnable="tau", tau_syn=3.0).source("numba")
        print({"torch._dynamo", "torch._inductor", "sympy", "networkx"} & set(sys.modules))
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**os.environ, "JARVIS_CACHE": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.strip() == "set()", done.stdout + done.stderr
    assert list(tmp_path.rglob("lif_numba_*.py"))  # it was traced here


# -- what is kept ---------------------------------------------------------------------------------


def loop_of(layer: SpikingLayer, recurrent: bool = False) -> program.Loop:
    layer.unsupported_reason()
    made = layer._program
    _, tensors = made.numbers(layer.params, layer.spike.surrogate)
    return made.loop("numba", made.variant(tensors, False, recurrent))


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (dict(), [False]),  # the distance from the threshold
        (dict(reset="zero"), [False]),
        (dict(reset="zero", detach_reset=False), [False]),
        (dict(tau_syn=5.0), [False]),
        (dict(adaptation=0.2, tau_syn=5.0), [False]),
        (dict(refractory=2.0), [True, False]),  # a byte: whether it waited
        (dict(learnable=("tau", "threshold")), [False]),  # v follows from the step before
    ],
)
def test_as_little_as_possible_is_kept(options, kept):
    assert list(loop_of(LIFLayer(**options)).layout.kept) == kept


def test_a_state_follows_from_what_was_kept_before():
    layout = loop_of(NormalisedAdExLayer()).layout
    assert layout.kept == (False,)
    assert layout.derived == (0,)


def test_a_state_is_derived_where_numbers_differ_from_neuron_to_neuron():
    """It takes the potential; of the input, read again, it would take the state, too."""
    layout = loop_of(LIFLayer(tau=torch.full((3,), 20.0), learnable="tau")).layout
    assert layout.kept == (False,)
    assert layout.derived == (0,)
    assert layout.reread == ()


def test_minimum_cut():
    """A network of Cormen et al., Introduction to Algorithms, section 26.1: 23 flow through it."""
    edges = dict(sa=16, sb=13, ac=12, ba=4, bd=14, cb=9, ct=20, dc=7, dt=4)
    left = {node: dict.fromkeys("sabcdt", 0.0) for node in "sabcdt"}
    for (start, end), capacity in edges.items():
        left[start][end] = float(capacity)
    assert plan._minimum_cut(left, "s", "t") == (23.0, {"c", "t"})


def test_inputs_are_read_again_rather_than_kept():
    def step(x, state, p, spike):
        return x * x * state.v, ToyState(0.9 * state.v + 0.1)

    layout = loop_of(SpikingLayer(toy(step))).layout
    assert layout.reread == (0,)
    assert layout.kept == (False,)
    same(toy(step), torch.randn(6, 2, 3, dtype=F64))


# -- what a loop is made of -----------------------------------------------------------------------


def test_numbers_are_given_at_run_time():
    """A new time constant compiles nothing."""
    loops = {loop_of(LIFLayer(tau=tau, threshold=h)).key for tau, h in ((5.0, 1.0), (9.5, 0.3))}
    assert len(loops) == 1
    assert loop_of(LIFLayer(surrogate=SurrogateSpike("arctan", 3.0))).key not in loops
    slopes = [LIFLayer(surrogate=SurrogateSpike("arctan", k)) for k in (1.0, 7.0)]
    assert loop_of(slopes[0]) is loop_of(slopes[1])


def test_options_have_loops_of_their_own():
    def step(x, state, p, spike):
        v = state.v
        for _ in range(p.times):
            v = 0.9 * v + x
        return v if p.signed else v.abs(), ToyState(v)

    keys = set()
    for values in (dict(), dict(times=3), dict(signed=False), dict(scale=2.0)):
        keys.add(loop_of(SpikingLayer(toy(step, **values))).key)
        same(toy(step, **values), torch.randn(4, 2, 3, dtype=F64))
    assert len(keys) == 3


def test_methods_and_derived_numbers_of_parameters():
    @dataclass(frozen=True)
    class Methods(ToyParams):
        def gain(self, v):
            return self.scale * v + self.half[0]

        @property
        def half(self):
            return self.shift / 2, "two"

    def step(x, state, p, spike):
        v = p.gain(state.v) * 0.5 + x
        return v, ToyState(v)

    kind = define(step, Methods, ToyState, lambda p: ToyState(0.0), fires=False)
    same(kind(scale=0.7), torch.randn(4, 2, 3, dtype=F64), learnable=("scale", "shift"))


def test_fingerprint_sees_everything_that_counts():
    def make(constant, helper):
        def function(x):
            return helper(x) * constant

        return function

    def double(x):
        return 2 * x

    def triple(x):
        return 3 * x

    base = fingerprint(make(1.0, double))
    assert fingerprint(make(1.0, double)) == base
    assert fingerprint(make(2.0, double)) != base
    assert fingerprint(make(1.0, triple)) != base
    source = "def f(x):\n    return g(x){}\n\ndef g(x):\n    return x + {}\n"
    found = []
    for more, constant in (("", 1), ("", 1), ("  # a comment", 1), ("", 2)):
        names: dict[str, Any] = {"__name__": "__main__"}
        exec(source.format(more, constant), names)
        found.append(fingerprint(names["f"]))
    assert found[0] == found[1] == found[2] != found[3]


# -- files ----------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty cache, and no loop in this process's memory."""
    monkeypatch.setenv("JARVIS_CACHE", str(tmp_path))
    monkeypatch.setattr(program, "_programs", {})
    return tmp_path / "loops"


def test_the_source_is_a_readable_file_and_a_cached_neuron_is_not_traced(folder, monkeypatch):
    x = torch.rand(4, 1, 3)
    layer = LIFLayer(tau_syn=3.0)
    want = layer(x)[0]
    (file,) = folder.glob("*.py")
    assert file.name.startswith("lif_numba_")
    assert file.read_text() == layer.source() == layer.source("numba")
    for word in ("jarvis.lif.lif_update", "decay_syn", "reset", "subtract", "def forward("):
        assert word in file.read_text()
    assert "tl.load" in layer.source("triton")

    monkeypatch.setattr(program, "_programs", {})
    monkeypatch.setattr(expression.Step, "trace", lambda *args: pytest.fail("traced again"))
    assert torch.equal(LIFLayer(tau_syn=3.0)(x)[0], want)
    with pytest.raises(pytest.fail.Exception):
        LIFLayer(tau_syn=3.0, reset="zero")(x)


@pytest.mark.parametrize("damage", ["", "nonsense", "LAYOUT = (1, 2\n", "half"])
def test_a_spoiled_file_is_written_again(folder, monkeypatch, damage):
    want = LIFLayer()(torch.ones(3, 1, 2))[0]
    (file,) = folder.glob("*.py")
    text = file.read_text()
    file.write_text(text[: len(text) // 2] if damage == "half" else damage)
    monkeypatch.setattr(program, "_programs", {})
    assert torch.equal(LIFLayer()(torch.ones(3, 1, 2))[0], want)
    assert file.read_text() == text


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("JARVIS_CACHE", str(blocked))
    monkeypatch.setattr(program, "_programs", {})
    x = torch.rand(4, 1, 3, requires_grad=True)
    LIFLayer(reset="zero", backend="numba")(x)[0].sum().backward()
    assert blocked.read_text() == ""


# -- what cannot be compiled ----------------------------------------------------------------------


def decides(x, state, p, spike):
    v = state.v + x
    if v.sum() > 0:  # for all neurons at once
        v = 0.5 * v
    return v, ToyState(v)


def branches(x, state, p, spike):
    v = state.v + x
    if p.scale > 2:  # a parameter is a tensor while the step is traced
        v = 0.5 * v
    return v, ToyState(v)


def mixes(x, state, p, spike):
    v = state.v + x - x.mean()
    return v, ToyState(v)


def unknown(x, state, p, spike):
    v = torch.special.i0(state.v) + x
    return v, ToyState(v)


def overwrites(x, state, p, spike):
    v = state.v.mul_(0.5) + x
    return v, ToyState(v)


def integer(x, state, p, spike):
    v = state.v + (x * 10).to(torch.int64)
    return v, ToyState(v.to(x.dtype))


def plain_float(x, state, p, spike):
    v = state.v * math.exp(-p.scale) + x
    return v, ToyState(v)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (decides, "asks for the value of a tensor"),
        (decides, "if v.sum() > 0"),
        (mixes, "v = state.v + x - x.mean()"),
        (unknown, "v = torch.special.i0(state.v) + x"),
        (overwrites, "changes one of its arguments in place"),
        (integer, "int64"),
        (plain_float, "math.exp(-p.scale)"),
        (plain_float, "asks for the value of a tensor"),
        (branches, "branches on the value of a tensor"),
        (branches, "if p.scale > 2"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_compiled_runs_eagerly_and_says_why_once(step, words, caplog):
    dispatch._say_once.cache_clear()
    x = torch.rand(4, 2, 3)
    layer = SpikingLayer(toy(step))
    want = SpikingLayer(toy(step), backend="eager")(x)[0]
    with caplog.at_level(logging.WARNING, logger="jarvis.kernels"):
        for _ in range(2):
            assert torch.equal(layer(x)[0], want)
    assert len(caplog.records) == 1
    assert "runs step by step" in caplog.text
    assert words in caplog.text
    with pytest.raises(ValueError, match="backend='numba' cannot run this"):
        SpikingLayer(toy(step), backend="numba")(x)
    with pytest.raises(ValueError, match="has no compiled loop"):
        layer.source()


def test_an_error_of_the_step_itself_is_the_users(caplog):
    def broken(x, state, p, spike):
        return x + p.nothing, state

    with pytest.raises(AttributeError, match="nothing"):
        SpikingLayer(toy(broken))(torch.rand(2, 1, 3))


@pytest.mark.parametrize("wrong", [lambda v: (v, (v,)), lambda v: (None, ToyState(v))])
@pytest.mark.parametrize("backend", ["auto", "eager"])
def test_what_a_step_must_return_is_said(wrong, backend):
    layer = SpikingLayer(toy(lambda x, state, p, spike: wrong(state.v + x)), backend=backend)
    with pytest.raises(TypeError, match="must return spikes, a tensor, and a ToyState"):
        layer(torch.rand(2, 1, 3))


def test_a_parameter_that_does_not_fit_is_named():
    layer = SpikingLayer(LIF(tau=torch.full((4,), 5.0)))
    with pytest.raises(ValueError, match=r"tau has shape \(4,\), which does not fit"):
        layer(torch.rand(3, 2, 5))
