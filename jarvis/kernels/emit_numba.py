"""Writes the loops of a step as Python source that numba compiles."""

import textwrap
from collections.abc import Callable, Sequence

from jarvis.kernels.emit import Emitter, Function, indent
from jarvis.kernels.expression import Node

#: Size limit, in numbers, of the state of a block of neurons, so that it stays in the cache.
BLOCK = 16384

_BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_BINARY |= {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "==", "ne": "!="}
_BINARY |= {"and": "and", "or": "or", "pow": "**"}
_LOGICAL = {"and": "&", "or": "|"}  #: for two values that have been computed already
_CALLS = ("exp", "log", "log1p", "expm1", "tanh")
_NUMPY = {"sqrt": "np.sqrt", "sin": "np.sin", "cos": "np.cos", "tan": "np.tan", "atan": "np.arctan"}
_NUMPY |= {"floor": "np.floor", "ceil": "np.ceil", "erf": "math.erf", "abs": "abs"}
_FEED = "packed, begin, places, spike_values, counts"  #: see `sparse_loops.feed`
_IN_DOUBLE = {op: f"np.{op}" for op in _CALLS}


class NumbaEmitter(Emitter):
    """Generates a module that defines ``make(...) -> forward, backward, recurrent, near``.

    The arguments of ``make`` are ``real``, ``keep`` and ``wants_x``. `recurrent` is the forward
    loop of a layer with recurrent weights: it runs several steps and multiplies by the weights of
    the neurons that have fired (`sparse_loops.feed`). `near` marks where a gradient passes through
    the spikes, for a surrogate derivative that is 0 somewhere. Each of the two is None if it is not
    needed.
    """

    real, double = "real({})", "{}"
    nan, infinity = "np.nan", "np.inf"
    keep, wants_x = "keep", "wants_x"
    constants: dict[str, str]  #: the names of constants; the keys are the values as written
    feeds = False  #: whether to write a forward loop that itself multiplies by recurrent weights

    def source(self) -> str:
        self.constants = {}
        arrays = len(self.states) + len(self.lanes) + len(self.sums)
        block = max(1024, min(8192, 1 << (BLOCK // arrays).bit_length() - 1))
        head = [
            "import math",
            "",
            "import numpy as np",
            "",
            f"from jarvis.kernels.functions import {', '.join([*_CALLS, 'select'])}",
            *["from jarvis.kernels.sparse_loops import feed"] * self.recurrent,
            "",
            "",
            "def make(real, keep, wants_x):",
            f"    block = {block}",
            "",
        ]
        functions = ["recurrent = near = None", ""]
        functions += [*self.forward(), "", *self.backward(), ""]
        if self.recurrent:
            self.feeds = True
            functions += [*self.forward(), ""]
            self.feeds = False
        if self.plan.near is not None:
            functions += [*self.near(), ""]
        # Constants have names, because numba would infer the type of each real(...) in the loops.
        head += [f"    {name} = real({value})" for value, name in self.constants.items()]
        functions.append("return forward, backward, recurrent, near")
        return "\n".join(line.rstrip() for line in [*head, *indent(4, functions), ""])

    def function(self, parts: Function) -> list[str]:
        arguments = []
        for name in parts.arguments:
            arguments.append(f"{name}_all")
            if name in parts.inputs:
                arguments.append(f"{name}_step")
        forward = parts.name != "backward"
        rows = [_row(name, f"t * {name}_step + first ") for name in parts.reads]
        rows += [_row(name, "o") for name in parts.streams]
        if parts.earlier:
            rows.append("o = o - n if t > 0 else o")
            rows += [f"{name}_before_row = {name}_all[o:][:m]" for name in parts.earlier]
        more, name = "values, n, low, high, t0, t1", parts.name
        steps = f"for t in {'range(t0, t1)' if forward else 'range(t1 - 1, t0 - 1, -1)'}:"
        blocks = ["for first in range(low, high, block):", "    m = min(block, high - first)"]
        fed = self.fed if parts.name != "near" else []
        residents = [_row(name, "first") for name in [*fed, *parts.residents]]
        inner = ["o = t * n + first", *rows, "for j in range(m):", *indent(4, parts.loop)]
        if self.feeds:
            name, more = "recurrent", f"{more}, before, hidden, {_FEED}"
            sent = ["sent, at = (out0_all, t * n - n) if t > 0 else (before, 0)"]
            given = f"sent, at, hidden, hidden, {_FEED}, fed_all, low // hidden, high // hidden"
            body = [*sent, f"feed({given})", *blocks, *indent(4, [*residents, *inner])]
            body = [steps, *indent(4, body)]
        else:
            body = [*blocks, *indent(4, [*residents, steps, *indent(4, inner)])]
        return [
            f"def {name}(",
            *indent(4, textwrap.wrap(", ".join([*arguments, more]), 90)),
            "):",
            *indent(4, self.uniform_lines(parts.uniform, lambda value: f"real({value})")),
            *indent(4, body),
        ]

    def use(self, node: Node) -> str:
        if node.op != "const":
            return self.name(node)
        value = self.number(node.value)
        return self.constants.setdefault(value, _constant(value))

    @staticmethod
    def expression(node: Node, use: Callable[[Node], str], double: bool) -> str:
        args = [use(a) for a in node.args]
        op = node.op
        if op in _LOGICAL and not double:
            return f"{args[0]} {_LOGICAL[op]} {args[1]}"
        if op in _BINARY:
            return f"{args[0]} {_BINARY[op]} {args[1]}"
        if op == "where":
            if not double:  # in a loop, which numba compiles
                return f"select({', '.join(args)})"
            return f"{args[1]} if {args[0]} else {args[2]}"
        if op in ("neg", "not"):
            return f"-{args[0]}" if op == "neg" else f"not {args[0]}"
        call = (_IN_DOUBLE.get(op) if double else op if op in _CALLS else None) or _NUMPY[op]
        return f"{call}({args[0]})"

    def load(self, index: int) -> str:
        return f"values[{index}]"

    def read(self, name: str, is_input: bool = False) -> str:
        return f"{name}_row[j]"

    def read_condition(self, name: str) -> str:
        return f"{name}_row[j] != 0"

    def read_fed(self) -> str:
        return "fed_row[j]"

    def write(self, name: str, node: Node) -> str:
        value = f"np.uint8({self.use(node)})" if node.is_bool else self.use(node)
        return f"{name}_row[j] = {value}"

    def read_residents(self, names: Sequence[str]) -> list[str]:
        return [f"{name} = {name}_row[j]" for name in names]

    def write_residents(self, names: Sequence[str], nodes: Sequence[Node]) -> list[str]:
        return [self.write(name, node) for name, node in zip(names, nodes, strict=True)]

    def add_to(self, name: str, node: Node) -> str:
        return f"{name}_row[j] += {self.use(node)}"

    def derive(self, name: str, node: Node, start: str) -> str:
        return f"{name} = {self.use(node)} if t > 0 else {start}_row[j]"


def _row(name: str, start: str) -> str:
    return f"{name}_row = {name}_all[{start}:][:m]"


def _constant(value: str) -> str:
    """A name for a constant: ``c_m0_01`` for -0.01."""
    return "c_" + value.translate(str.maketrans({"-": "m", "+": "p", ".": "_"}))
