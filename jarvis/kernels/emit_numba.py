"""Writes the loops of a step as Python source that numba compiles."""

import math
import textwrap
from collections.abc import Callable, Iterable, Sequence

from jarvis.kernels.expression import Node, Traced
from jarvis.kernels.plan import Plan, cone

#: Numbers that stay in the cache while time runs: the state of a block of neurons.
BLOCK = 16384

_BINARY = {"add": "+", "sub": "-", "mul": "*", "div": "/"}
_BINARY |= {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "==", "ne": "!="}
_BINARY |= {"and": "and", "or": "or", "pow": "**"}
_CALLS = ("exp", "log", "log1p", "expm1", "tanh")
_NUMPY = {"sqrt": "np.sqrt", "sin": "np.sin", "cos": "np.cos", "tan": "np.tan", "atan": "np.arctan"}
_NUMPY |= {"floor": "np.floor", "ceil": "np.ceil", "erf": "math.erf", "abs": "abs"}
_IN_DOUBLE = {op: f"np.{op}" for op in _CALLS}


class Writer:
    """Names and expressions of nodes, shared by all emitters."""

    real = "real({})"  #: how a constant is written
    double = "{}"  #: how a constant is written among numbers that are the same for all neurons
    nan, infinity = "np.nan", "np.inf"

    def __init__(self, plan: Plan):
        self.plan = plan
        traced = plan.traced
        self.values = {n: _identifier(p) for n, p in enumerate(traced.values)}
        self.suffix = ""  #: of the names of nodes that differ from neuron to neuron

    def name(self, node: Node) -> str:
        if node.op == "value":
            return self.values[int(node.value)]
        if node.op in ("x", "state", "g_out", "g_state"):
            return f"{node.op}{int(node.value)}"
        suffix = "" if node in self.plan.uniform else self.suffix
        return f"{node.op}_{node.order}{suffix}"

    def use(self, node: Node) -> str:
        """A node as an argument of a neuron's expression."""
        if node.op == "const":
            return self.real.format(self.number(node.value))
        return self.name(node)

    def use_double(self, node: Node) -> str:
        if node.op == "const":
            return self.double.format(self.number(node.value))
        return f"{self.name(node)}_"

    def expression(self, node: Node, use: Callable[[Node], str], double: bool) -> str:
        raise NotImplementedError

    def lines(self, nodes: Iterable[Node], have: Iterable[Node]) -> list[str]:
        """Assignments that compute `nodes` in order, without those that are there."""
        there = set(have) | self.plan.uniform
        return [
            f"{self.name(n)} = {self.expression(n, self.use, False)}"
            for n in nodes
            if n not in there and n.op not in ("value", "const")
        ]

    def uniform_lines(self, nodes: Iterable[Node], cast: str) -> list[str]:
        """Numbers that are the same for all neurons: in double precision, then as `cast`."""
        nodes = list(nodes)
        lines, used = [], set()
        for node in nodes:
            if node not in self.plan.uniform:
                used |= set(node.args)
        for node in nodes:
            if node not in self.plan.uniform or node.op == "const":
                continue
            double = f"{self.name(node)}_"
            if node.op == "value":
                lines.append(f"{double} = {self.load(int(node.value))}")
            else:
                lines.append(f"{double} = {self.expression(node, self.use_double, True)}")
            lines.append(f"{self.name(node)} = {'' if node.is_bool else cast}({double})")
        return lines

    def number(self, value: float) -> str:
        """A constant as it is written in source."""
        if value != value:
            return self.nan
        if math.isinf(value):
            return self.infinity if value > 0 else f"-{self.infinity}"
        return repr(int(value)) if value == int(value) and abs(value) < 1e9 else repr(value)

    def load(self, index: int) -> str:
        return f"values[{index}]"


def _identifier(path: str) -> str:
    return "p_" + path.replace(".", "_")


class NumbaWriter(Writer):
    """Expressions for numba."""

    def expression(self, node: Node, use: Callable[[Node], str], double: bool) -> str:
        args = [use(a) for a in node.args]
        op = node.op
        if op in _BINARY:
            return f"{args[0]} {_BINARY[op]} {args[1]}"
        if op == "where":
            return f"{args[1]} if {args[0]} else {args[2]}"
        if op in ("neg", "not"):
            return f"-{args[0]}" if op == "neg" else f"not {args[0]}"
        call = (_IN_DOUBLE.get(op) if double else op if op in _CALLS else None) or _NUMPY[op]
        return f"{call}({args[0]})"


def source(plan: Plan, per_neuron: Sequence[int], learned: Sequence[int], recurrent: bool) -> str:
    """The module text with `make(real, keep, wants_x) -> forward, backward`.

    Args:
        plan: what is computed and kept.
        per_neuron: indices of the numbers that are given for every neuron.
        learned: indices of the numbers whose gradient is summed, in the order of the gradients.
        recurrent: whether a second input, and backward a second gradient, is added at each step.
    """
    writer = NumbaWriter(plan)
    traced, kept = plan.traced, plan.kept
    xs = [f"x{i}" for i in range(len(traced.g_inputs))]
    gxs = [f"gx{i}" for i in range(len(traced.g_inputs))]
    states = [f"state{i}" for i in range(len(traced.states))]
    gstates = [f"g_state{i}" for i in range(len(traced.states))]
    outputs = [f"out{i}" for i in range(len(traced.outputs))]
    goutputs = [f"g_out{i}" for i in range(len(traced.outputs))]
    keeps = [f"kept{i}" for i in range(len(kept))]
    lanes = [writer.values[i] for i in per_neuron]
    fed = ["fed"] if recurrent else []
    sums = [f"sum{i}" for i in range(len(learned))]
    arrays = len(states) + len(lanes) + len(sums)
    block = max(1024, min(8192, 1 << (BLOCK // arrays).bit_length() - 1))

    roots = [*traced.outputs, *traced.states]
    body, everything = cone(roots), cone([*roots, *kept])
    extra = [node for node in everything if node not in set(body)]
    inputs = {node for node in everything if node.op in ("x", "state")}
    loop = [f"{name} = {name}_row[j]" for name in [*xs, *states, *lanes]]
    loop += ["x0 = x0 + fed_row[j]"] if recurrent else []
    loop += writer.lines(body, inputs)
    loop += [
        f"{name}_row[j] = {writer.use(node)}"
        for name, node in zip(outputs, traced.outputs, strict=True)
    ]
    if kept:
        loop.append("if keep:")
        loop += _indent(4, writer.lines(extra, inputs))
        for name, node in zip(keeps, kept, strict=True):
            value = f"np.uint8({writer.use(node)})" if node.is_bool else writer.use(node)
            loop.append(f"    {name}_row[j] = {value}")
    loop += [
        f"{name}_row[j] = {writer.use(node)}"
        for name, node in zip(states, traced.states, strict=True)
    ]
    forward = _function(
        "forward",
        [*_stepped(xs), *_all([*fed, *outputs, *states, *keeps, *lanes])],
        writer.uniform_lines(everything, "real"),
        [*fed, *states, *lanes],
        "range(t0, t1)",
        [*(_stepped_row(x) for x in xs), *(_row(a, "o") for a in [*outputs, *keeps])],
        loop,
    )

    derived = [f"state{i}" for i in plan.derived]
    starts = [f"start{i}" for i in plan.derived]
    ends = [traced.states[i] for i in plan.derived]
    before: list[str] = []  # derives states from what was kept at the step before
    if derived:
        steps = cone(ends, kept)
        writer.suffix = "_before"
        before = _kept_again(writer, keeps, kept, steps) + writer.lines(steps, kept)
        before += [
            f"{name} = {writer.use(end)} if t > 0 else {start}_row[j]"
            for name, end, start in zip(derived, ends, starts, strict=True)
        ]
        writer.suffix = ""
    stop = [*kept, *plan.reread, *(n for n in everything if n.op == "state")]
    way_back = cone([*traced.g_inputs, *traced.g_states, *traced.g_values], stop)
    reread = [f"x{int(node.value)}" for node in plan.reread]
    active = active_states(traced, way_back)
    gnames = [gstates[i] for i in active]
    loop = [f"{name} = {name}_row[j]" for name in [*goutputs, *gnames, *lanes, *reread]]
    loop += ["g_out0 = g_out0 + fed_row[j]"] if recurrent else []
    loop += before + _kept_again(writer, keeps, kept, way_back)
    tangents = [node for node in way_back if node.op in ("g_out", "g_state")]
    loop += writer.lines(way_back, [*stop, *tangents])
    loop.append("if wants_x:")
    for name, node in zip(gxs, traced.g_inputs, strict=True):
        loop.append(f"    {name}_row[j] = {writer.use(node)}")
    for i in active:
        loop.append(f"{gstates[i]}_row[j] = {writer.use(traced.g_states[i])}")
    for name, node in zip(sums, traced.g_values, strict=True):
        loop.append(f"{name}_row[j] += {writer.use(node)}")
    given = [*fed, *gxs, *gstates, *keeps, *starts, *lanes, *sums]
    backward = _function(
        "backward",
        [*_stepped(xs), *_stepped(goutputs), *_all(given)],
        writer.uniform_lines(cone([*way_back, *ends], stop), "real"),
        [*fed, *gnames, *starts, *lanes, *sums],
        "range(t1 - 1, t0 - 1, -1)",
        [
            *(_stepped_row(a) for a in [*reread, *goutputs]),
            *(_row(a, "o") for a in [*keeps, *gxs]),
            *(["o = o - n if t > 0 else o"] if derived else []),
            *(f"{a}_before_row = {a}_all[o:][:m]" for a in keeps if derived),
        ],
        loop,
    )
    head = [
        "import math",
        "",
        "import numpy as np",
        "",
        f"from jarvis.kernels.functions import {', '.join(_CALLS)}",
        "",
        "",
        "def make(real, keep, wants_x):",
        f"    block = {block}",
        "",
    ]
    text = [*head, *_indent(4, [*forward, "", *backward, "", "return forward, backward"]), ""]
    return "\n".join(line.rstrip() for line in text)


def active_states(traced: Traced, way_back: Iterable[Node]) -> list[int]:
    """The states that a gradient passes through."""
    used = {int(node.value) for node in way_back if node.op == "g_state"}
    reached = {i for i, node in enumerate(traced.g_states) if node.op != "const" or node.value}
    return sorted(used | reached)


def _kept_again(
    writer: Writer, keeps: Sequence[str], kept: Sequence[Node], used: Iterable[Node]
) -> list[str]:
    """Lines that read what was kept, as far as it is used."""
    used = set(used)
    return [
        f"{writer.name(node)} = {name}{writer.suffix}_row[j]{' != 0' if node.is_bool else ''}"
        for name, node in zip(keeps, kept, strict=True)
        if node in used
    ]


def _function(
    name: str,
    arguments: Sequence[str],
    uniform: Sequence[str],
    blocks: Sequence[str],
    times: str,
    rows: Sequence[str],
    loop: Sequence[str],
) -> list[str]:
    """One loop: over blocks of neurons, over time, over the neurons of the block."""
    return [
        f"def {name}(",
        *_indent(4, textwrap.wrap(", ".join([*arguments, "values, n, low, high, t0, t1"]), 90)),
        "):",
        *_indent(4, uniform),
        "    for first in range(low, high, block):",
        "        m = min(block, high - first)",
        *_indent(8, (_row(a, "first") for a in blocks)),
        f"        for t in {times}:",
        "            o = t * n + first",
        *_indent(12, rows),
        "            for j in range(m):",
        *_indent(16, loop),
    ]


def _all(names: Iterable[str]) -> list[str]:
    return [f"{name}_all" for name in names]


def _stepped(names: Iterable[str]) -> list[str]:
    return [part for name in names for part in (f"{name}_all", f"{name}_step")]


def _row(name: str, start: str) -> str:
    return f"{name}_row = {name}_all[{start}:][:m]"


def _stepped_row(name: str) -> str:
    return _row(name, f"t * {name}_step + first ")


def _indent(width: int, lines: Iterable[str]) -> list[str]:
    return [" " * width + line for line in lines]
