"""Generates the loop over candidates from the step of a neuron: see `candidate_loops`.

As `event_program` does for networks with delays, this module traces the neuron's step, writes it as
a function of a layer's neurons, and appends a copy of the loop, which does not depend on the
neuron. No derivative is needed, so nothing is kept for a backward pass.
"""

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import types

from jarvis.kernels import candidate_loops, reward_loops
from jarvis.kernels.cpu import compiled
from jarvis.kernels.emit import indent
from jarvis.kernels.emit_numba import NumbaEmitter
from jarvis.kernels.event_program import MARKER, Writer
from jarvis.kernels.expression import Node, Step, Untraceable
from jarvis.kernels.fingerprint import fingerprint
from jarvis.kernels.generated import generated
from jarvis.kernels.plan import cone, uniform_nodes
from jarvis.surrogate import Spike

_MAKERS = (
    "expression.py", "emit.py", "emit_numba.py", "event_program.py", "candidates.py",
    "candidate_loops.py", "reward_loops.py", "functions.py", "exponential.py", "logarithm.py",
)  # fmt: skip

#: The modules whose loops are copied below the generated code.
_LOOPS = (candidate_loops, reward_loops)

#: The only second input that a neuron may have: random numbers, uniform in [0, 1).
NOISE = "uniform"

_HEAD = """import math
from collections.abc import Callable
from math import inf, nan

import numpy as np

from jarvis.kernels.functions import exp, expm1, inline, log, log1p, select, tanh


"""

_REAL = {np.dtype(np.float32): types.float32, np.dtype(np.float64): types.float64}


class CandidateProgram(NamedTuple):
    """The generated loop for one kind of neuron."""

    key: str
    text: str  #: source of the module
    names: dict[str, Any]  #: what the generated module defines
    values: tuple[str, ...]  #: names of the numbers that the step reads, such as "half_step.xx"
    per_neuron: tuple[str, ...]  #: names of the numbers that differ between neurons
    present: tuple[str, ...]  #: the fields of the state
    noisy: bool  #: whether the step takes random numbers

    def numbers(self, values: Sequence[float]) -> tuple[float, ...]:
        """The loop's ``u``: the step's numbers, with 0 for those that differ between neurons."""
        return self.names["numbers"](values)


def program(
    name: str,
    step: Callable,
    params: Any,
    spike: Spike,
    inputs: Any,
    state: Any,
    per_neuron: Sequence[str] = (),
) -> CandidateProgram:
    """The loop over candidates, for neurons with this step.

    Args:
        name: the neuron's name.
        step, params, spike, inputs, state: as for `expression.Step`.
        per_neuron: names of the numbers that differ between neurons.

    Raises:
        Untraceable: if the step has no compiled form, or takes inputs that a policy does not have.
    """
    found = Step(step, params, spike, inputs, state)
    more = () if inputs is None else tuple(inputs._fields[1:])
    if more not in ((), (NOISE,)):
        raise Untraceable(f"{name} takes inputs that a policy does not have: {', '.join(more)}")
    lanes = tuple(path for path in found.values if path in per_neuron)
    base = fingerprint(step, inputs, found.state)
    made = generated(
        f"{name}_candidates",
        (base, found.options, tuple(found.present), found.values, lanes),
        _MAKERS,
        lambda: _source(found, lanes),
    )
    return CandidateProgram(
        made.key, made.text, made.names, found.values, lanes, tuple(found.present), bool(more)
    )


def _source(step: Step, per_neuron: Sequence[str]) -> str:
    writer = Writer(_HEAD, "@inline", "values[{}]", NumbaEmitter)
    traced = step.trace()
    lanes = [step.values.index(path) for path in per_neuron]
    roots = [traced.outputs[0], *traced.states]
    everything = cone(roots)
    uniform = uniform_nodes(everything, set(lanes))
    used = {a for node in everything if node not in uniform for a in node.args}
    used = (used | set(roots)) & uniform
    places = {node: k for k, node in enumerate(sorted(used, key=lambda n: n.order))}
    return "\n".join(
        [
            writer.head,
            *writer.numbers(list(places), step.values),
            *_advance(everything, roots, uniform, places, lanes),
            *(inspect.getsource(part).split(MARKER)[1].strip() + "\n\n" for part in _LOOPS),
        ]
    )


def _advance(
    nodes: Iterable[Node],
    roots: Sequence[Node],
    uniform: set[Node],
    places: dict[Node, int],
    lanes: Sequence[int],
) -> Iterable[str]:
    """The source lines of `candidate_parts.advance`."""

    def use(node: Node) -> str:
        if node in places:
            return f"u{places[node]}"
        if node.op == "value":
            return f"lane{lanes.index(int(node.value))}"
        return f"{node.op}{int(node.value)}" if node.op in ("x", "state") else node.name

    sent, *after = roots
    used = {(node.op, node.value) for node in nodes}
    body = [f"state{k} = state{k}_row[j]" for k in range(len(after))]
    body += ["x0 = given_row[j]"] if ("x", 0) in used else []
    body += ["x1 = noise_row[j]"] if ("x", 1) in used else []
    body += [f"lane{k} = lane{k}_row[j]" for k in range(len(lanes))]
    body += [
        f"{use(node)} = {NumbaEmitter.expression(node, use, False)}"
        for node in nodes
        if node.args and node not in uniform
    ]
    body.append(f"sent_row[j] = sent_row[j] + {use(sent)}")
    body += [f"state{k}_row[j] = {use(node)}" for k, node in enumerate(after)]
    yield "@inline"
    yield "def advance(u, lanes, given, noise, state, sent, n):"
    yield from indent(
        4,
        [
            *(f"u{k} = u[{k}]{' != 0' * node.is_bool}" for node, k in places.items()),
            *(f"state{k}_row = state[{k} * n :][:n]" for k in range(len(after))),
            *(f"lane{k}_row = lanes[{k} * n :][:n]" for k in range(len(lanes))),
            "given_row, noise_row, sent_row = given[:n], noise[:n], sent[:n]",
            "for j in range(n):",
            *indent(4, body),
        ],
    )
    yield from ("", "")


_machine: dict[tuple[str, str, np.dtype], Callable] = {}


def act(program: CandidateProgram, dtype: np.dtype) -> Callable:
    """The machine code of a program's loop over candidates, for weights of this type."""
    row, wide, whole = _rows(dtype)
    signature = types.int64(row, row, row, row, row, wide, whole, whole)
    return _compiled(program, "act", dtype, signature)


def learn(program: CandidateProgram, dtype: np.dtype) -> Callable:
    """The machine code of a program's reward-learning loop: see `reward_loops`."""
    row, _, whole = _rows(dtype)
    signature = types.void(*[row] * 9, _REAL[dtype], whole)
    return _compiled(program, "learn", dtype, signature)


def _rows(dtype: np.dtype) -> tuple[Any, Any, Any]:
    """The types of a loop's three arrays: weights, double-precision numbers and integers."""
    kinds = (_REAL[dtype], types.float64, types.int64)
    row, wide, whole = (types.Array(kind, 1, "C") for kind in kinds)
    return row, wide, whole


def _compiled(program: CandidateProgram, which: str, dtype: np.dtype, signature: Any) -> Callable:
    made = _machine.get((program.key, which, dtype))
    if made is None:
        made = compiled(program.names[f"{which}_loop"](), signature, f"{which}_{dtype}")
        _machine[program.key, which, dtype] = made
    return made
