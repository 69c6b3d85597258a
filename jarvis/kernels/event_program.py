"""Generates the parts of the event loops that depend on the neuron.

`program` traces the functions of an `EventModel`, just as `expression` traces a layer's step, and
differentiates them. It then writes the functions of `event_parts`, which the loops need, for numba
or Triton. The loops do not depend on the neuron; they are copied below these functions into the
same module.
"""

import inspect
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from torch import Tensor

from jarvis.kernels.emit import Emitter, indent
from jarvis.kernels.emit_numba import NumbaEmitter
from jarvis.kernels.emit_triton import TritonEmitter
from jarvis.kernels.event_spec import EventModel
from jarvis.kernels.expression import Graph, Node, Step, read
from jarvis.kernels.fingerprint import fingerprint
from jarvis.kernels.generated import generated
from jarvis.kernels.plan import cone, uniform_nodes
from jarvis.surrogate import DEFAULT_SPIKE

_MAKERS = (
    "expression.py", "emit.py", "emit_numba.py", "emit_triton.py", "event_program.py",
    "event_loops.py", "event_triton.py", "event_spec.py", "functions.py",
    "functions_triton.py", "exponential.py", "logarithm.py",
)  # fmt: skip

_STATE = ("v", "i", "w")


class _Guess(NamedTuple):
    guess: Tensor


class EventProgram(NamedTuple):
    """The loops of a neuron, and the neuron's numbers."""

    key: str
    names: dict[str, Any]  #: what the generated module defines
    text: str  #: source of the module
    numbers: tuple[float, ...]  #: what the loops take as ``u``
    remembers: bool  #: whether `transposed` reads i or w; if so, the history holds them


class Writer:
    """Writes the functions for one language."""

    def __init__(self, head: str, decorator: str, place: str, emitter: type[Emitter]) -> None:
        self.head, self.decorator, self.place = head, decorator, place
        self.emitter = emitter

    def numbers(self, wanted: Sequence[Node], parameters: Sequence[str]) -> Iterable[str]:
        """The lines of ``numbers(p)`` and ``unpack(values)``. `numbers` is always plain Python in
        double precision, since it is called before the loops."""

        def use(node: Node) -> str:
            if node.op == "value":
                return parameters[int(node.value)].replace(".", "_")
            return repr(float(node.value)) if node.op == "const" else node.name

        yield "def numbers(p):"
        for node in cone(wanted):
            if node.op == "value":
                yield f"    {use(node)} = p[{int(node.value)}]"
            elif node.op != "const":
                yield f"    {node.name} = {NumbaEmitter.expression(node, use, True)}"
        yield f"    return ({', '.join(map(use, wanted))},)"
        yield from ("", "")
        places = ", ".join(self.place.format(k) for k in range(len(wanted)))
        yield from self.decorated("unpack", ["values"], [f"return ({places},)"])

    def function(
        self, name: str, arguments: Sequence[str], roots: Sequence[Node], places: Mapping[Node, int]
    ) -> Iterable[str]:
        """A function of ``u`` and a neuron's numbers; `places` maps nodes to indices in ``u``."""

        def use(node: Node) -> str:
            if node not in places:
                return _name(node)
            return f"(u[{places[node]}] != 0)" if node.is_bool else f"u[{places[node]}]"

        lines = [
            f"{_name(node)} = {self.emitter.expression(node, use, False)}"
            for node in cone(roots, places)
            if node not in places and node.args
        ]
        results = ", ".join(map(use, roots))
        yield from self.decorated(name, ["u", *arguments], [*lines, f"return {results}"])

    def decorated(self, name: str, arguments: Sequence[str], lines: Iterable[str]) -> Iterable[str]:
        yield self.decorator
        yield f"def {name}({', '.join(arguments)}):"
        yield from indent(4, lines)
        yield from ("", "")


def _name(node: Node) -> str:
    return node.name if node.args else node.op


_NUMBA_HEAD = """import math
from collections.abc import Callable

import numpy as np

from jarvis.kernels.event_loops import GROUP
from jarvis.kernels.event_spec import DAMPED, FLAT, NEWTON
from jarvis.kernels.functions import exp, expm1, inline, log, log1p, select, tanh


"""

_TRITON_HEAD = """import numpy as np
import triton
import triton.language as tl

from jarvis.kernels import event_spec
from jarvis.kernels.functions_triton import divide, expm1, log1p, precise_sqrt, tanh

DAMPED, NEWTON = tl.constexpr(event_spec.DAMPED), tl.constexpr(event_spec.NEWTON)


"""

_WRITERS = {
    "numba": Writer(_NUMBA_HEAD, "@inline", "values[{}]", NumbaEmitter),
    "triton": Writer(_TRITON_HEAD, "@triton.jit", "tl.load(values + {})", TritonEmitter),
}


@lru_cache(maxsize=256)
def program(model: EventModel, params: Any, backend: str, loops: str) -> EventProgram:
    """The loops of a neuron for "numba" or "triton"; `loops` names their module.

    Raises:
        Untraceable: if the neuron's functions have no compiled form.
    """
    step = Step(_step_of(model), params, DEFAULT_SPIKE, None, model.state(*model.state._fields))
    base = fingerprint(model.flow, model.level, model.guess, model.state, DEFAULT_SPIKE.surrogate)
    made = generated(
        f"event_{model.flow.__name__}_{backend}",
        (base, step.options, backend),
        _MAKERS,
        lambda: "\n".join(_functions(step, _WRITERS[backend])) + _own(loops),
    )
    values = [float(read(params, DEFAULT_SPIKE.surrogate, path)) for path in step.values]
    numbers, remembers = made.names["numbers"](values), made.names["REMEMBERS"]
    return EventProgram(made.key, made.names, made.text, tuple(numbers), remembers)


def _step_of(model: EventModel) -> Callable:
    """The functions of a model, combined into one step that `Step` can trace."""

    def step(x: Tensor, state: Any, params: Any, spike: Any) -> tuple[Tensor, Any, _Guess]:
        guess = model.guess(state, params, params.dt)
        return model.level(x, state, params), model.flow(x, state, params), _Guess(guess)

    return step


def _own(loops: str) -> str:
    """The part of a module's source that begins at `MARKER`."""
    return inspect.getsource(sys.modules[loops]).split(MARKER)[1].strip() + "\n"


MARKER = "# -- copied behind the generated functions"  #: where the loops of a module begin


def _functions(step: Step, writer: Writer) -> Iterable[str]:
    """The lines of the generated functions."""
    traced = step.trace(record=True)
    level, guess = traced.outputs
    graph = Graph()
    inputs = {n: graph.make(n, is_bool=False) for n in ("x", "v", "i", "w", "g_v", "g_i", "g_w")}
    n = len(traced.states)
    state = {("state", k): inputs[name] for k, name in enumerate(_STATE[:n])}
    dt = graph.make("value", value=step.values.index("dt"))
    none = {("g_out", 0): 0.0, ("g_out", 1): 0.0} | {("g_state", k): 0.0 for k in range(n)}

    def at(x: Any, roots: Sequence[Node], **given: Any) -> list[Node]:
        named = ((path.rsplit("_", 1), value) for path, value in given.items())
        changed = {(op, int(k)): value for (op, k), value in named}
        return _rebuilt(roots, {("x", 0): x, **state, **none, **changed}, graph)

    given = {f"g_state_{k}": inputs[f"g_{name}"] for k, name in enumerate(_STATE[:n])}
    passed, zero = inputs["w"], graph.const(0.0)
    after = at(dt, traced.states)
    before = at(dt, traced.g_states, **given)
    slopes = at(inputs["x"], [level, *traced.g_inputs, *traced.g_states], g_out_0=1.0)
    if n < len(_STATE):
        after, before, slopes = [*after, passed], [*before, inputs["g_w"]], [*slopes, zero]
    functions: dict[str, tuple[list[str], list[Node]]] = {
        "advance": (["v", "i", "w"], after),
        "transposed": (["v", "i", "w", "g_v", "g_i", "g_w"], before),
        "within": (["x", "v", "i", "w"], slopes),
        "guess": (["v", "i", "w"], at(dt, [guess])),
        "slope": (["v", "i", "w"], at(0.0, traced.g_inputs, g_state_0=1.0)),
    }
    everything = cone([root for _, roots in functions.values() for root in roots])
    uniform = uniform_nodes(everything)
    used = {a for node in everything if node not in uniform for a in node.args}
    used |= {root for _, roots in functions.values() for root in roots}
    places = {node: k for k, node in enumerate(sorted(used & uniform, key=lambda n: n.order))}
    yield writer.head + f"REMEMBERS = {not {inputs['i'], inputs['w']}.isdisjoint(cone(before))}\n\n"
    yield from writer.numbers(list(places), step.values)
    for name, (arguments, roots) in functions.items():
        yield from writer.function(name, arguments, roots, places)


def _rebuilt(roots: Sequence[Node], given: Mapping[tuple, Any], graph: Graph) -> list[Node]:
    """The nodes, rebuilt in `graph` with other nodes or numbers in place of the inputs."""
    made: dict[Node, Node] = {}
    for node in cone(roots):
        if (node.op, node.value) in given:
            value = given[node.op, node.value]
            made[node] = value if isinstance(value, Node) else graph.const(value)
            continue
        args = tuple(made[a] for a in node.args)
        numbers = [a.value if a.op == "const" else None for a in args]
        if (node.op == "mul" and 0.0 in numbers) or (node.op == "div" and numbers[0] == 0.0):
            made[node] = graph.const(0.0)  # a gradient of 0 stays 0
        elif node.op == "sub" and numbers[0] == 0.0:
            made[node] = graph.make("neg", args[1])
        elif node.op == "const":
            made[node] = graph.const(node.value)
        else:
            made[node] = graph.make(node.op, *args, value=node.value, is_bool=node.is_bool)
    return [made[root] for root in roots]
