"""Writes the loops of a step as source code: the part shared by all languages.

An `Emitter` turns a plan into two functions, `forward` and `backward`. Each loops over time. At
each step it computes the plan's nodes from *streams* (one number per neuron and step, such as the
input), *residents* (one number per neuron, such as the state, held in registers or the cache
throughout the loop) and numbers that are the same for all neurons. A subclass for each language
defines how these three kinds are read and written, and how a function is laid out.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from jarvis.kernels.expression import Node
from jarvis.kernels.plan import Plan, cone


@dataclass
class Function:
    """One of the loops. Inputs are streams that are read in place, each with its own stride."""

    name: str
    flag: str  #: the option that is fixed when the function is compiled
    arguments: list[str]  #: all in order, but without the numbers and the range of the loop
    inputs: list[str]  #: the arguments that are streams with a stride of their own
    reads: list[str]  #: the inputs that the loop reads
    streams: list[str]  #: dense streams
    residents: list[str]  #: one number per neuron, held throughout the loop over time
    changing: list[str]  #: residents that are written back
    uniform: list[Node]  #: nodes; the function computes those of them that all neurons share
    loop: list[str]  #: the lines of one step of one neuron
    earlier: list[str]  #: dense streams that are also read one step back


class Emitter(ABC):
    """Writes the loops of a plan.

    Args:
        plan: what the loops compute and keep.
        per_neuron: indices of the numbers that differ between neurons.
        learned: indices of the numbers whose gradients are summed, in the order of the gradients.
        recurrent: whether each step adds a second input (in the forward pass) or a second gradient
        (in the backward pass).
    """

    real: str  #: format string of a constant
    double: str  #: format string of a constant in expressions shared by all neurons
    nan: str
    infinity: str
    keep: str  #: name of the flag that keeps numbers for the backward loop
    wants_x: str  #: name of the flag that asks for gradients of the inputs

    def __init__(
        self, plan: Plan, per_neuron: Sequence[int], learned: Sequence[int], recurrent: bool
    ) -> None:
        self.plan, self.recurrent = plan, recurrent
        traced = plan.traced
        self.values = ["p_" + path.replace(".", "_") for path in traced.values]
        self.suffix = ""  #: suffix of the names of nodes that differ between neurons
        self.xs = [f"x{i}" for i in range(len(traced.g_inputs))]
        self.states = [f"state{i}" for i in range(len(traced.states))]
        self.outputs = [f"out{i}" for i in range(len(traced.outputs))]
        self.kept = [f"kept{i}" for i in range(len(plan.kept))]
        self.lanes = [self.values[i] for i in per_neuron]
        self.sums = [f"sum{i}" for i in range(len(learned))]
        self.fed = ["fed"] if recurrent else []

    # -- what depends on the language

    @abstractmethod
    def source(self) -> str:
        """The text of a module that defines the two functions."""

    @abstractmethod
    def function(self, parts: Function) -> list[str]:
        """The lines of one function."""

    @staticmethod
    @abstractmethod
    def expression(node: Node, use: Callable[[Node], str], double: bool) -> str:
        """The expression of a node; `use` returns the text of an argument."""

    @abstractmethod
    def load(self, index: int) -> str:
        """The expression that loads a number shared by all neurons."""

    @abstractmethod
    def read(self, name: str, is_input: bool = False) -> str:
        """The expression that reads a stream at this step."""

    @abstractmethod
    def read_condition(self, name: str) -> str:
        """The expression that reads a kept condition."""

    @abstractmethod
    def read_fed(self) -> str:
        """The expression that reads the recurrent input (or gradient) of this step."""

    @abstractmethod
    def write(self, name: str, node: Node) -> str:
        """The line that writes a stream."""

    @abstractmethod
    def read_residents(self, names: Sequence[str]) -> list[str]:
        """The lines that load residents for a step."""

    @abstractmethod
    def write_residents(self, names: Sequence[str], nodes: Sequence[Node]) -> list[str]:
        """The lines that give all residents their new values at once."""

    @abstractmethod
    def add_to(self, name: str, node: Node) -> str:
        """The line that adds a node to a resident."""

    @abstractmethod
    def derive(self, name: str, node: Node, start: str) -> str:
        """The line that sets a state before a step, to the previous step's `node` or to `start`."""

    # -- names and expressions

    def name(self, node: Node) -> str:
        if node.op == "value":
            return self.values[int(node.value)]
        if node.op in ("x", "state", "g_out", "g_state"):
            return f"{node.op}{int(node.value)}"
        suffix = "" if node in self.plan.uniform else self.suffix
        return f"{node.op}_{node.order}{suffix}"

    def use(self, node: Node) -> str:
        """A node, written as an argument of a neuron's expression."""
        return self.real.format(self.number(node.value)) if node.op == "const" else self.name(node)

    def use_double(self, node: Node) -> str:
        """A node, written as an argument of an expression shared by all neurons."""
        if node.op == "const":
            return self.double.format(self.number(node.value))
        return f"{self.name(node)}_"

    def number(self, value: float) -> str:
        """A constant as it is written in source."""
        if value != value:
            return self.nan
        if math.isinf(value):
            return self.infinity if value > 0 else f"-{self.infinity}"
        return repr(int(value)) if value == int(value) and abs(value) < 1e9 else repr(value)

    def lines(self, nodes: Iterable[Node], have: Iterable[Node]) -> list[str]:
        """Assignments that compute `nodes` in order, except those already in `have`."""
        there = set(have) | self.plan.uniform
        return [
            f"{self.name(n)} = {self.expression(n, self.use, False)}"
            for n in nodes
            if n not in there and n.op not in ("value", "const")
        ]

    def uniform_lines(self, nodes: Iterable[Node], cast: Callable[[str], str]) -> list[str]:
        """Lines that compute shared numbers in double precision and convert them with `cast`."""
        lines = []
        for node in nodes:
            if node not in self.plan.uniform or node.op == "const":
                continue
            double = f"{self.name(node)}_"
            if node.op == "value":
                lines.append(f"{double} = {self.load(int(node.value))}")
            else:
                lines.append(f"{double} = {self.expression(node, self.use_double, True)}")
            lines.append(f"{self.name(node)} = {double if node.is_bool else cast(double)}")
        return lines

    # -- the two functions

    def forward(self) -> list[str]:
        """The loop from the first to the last step."""
        traced, kept = self.plan.traced, self.plan.kept
        roots = [*traced.outputs, *traced.states]
        body, everything = cone(roots), cone([*roots, *kept])
        inputs = {node for node in everything if node.op in ("x", "state")}
        extra = [node for node in everything if node not in set(body)]
        residents = [*self.states, *self.lanes]
        loop = [f"{x} = {self.read(x, is_input=True)}" for x in self.xs]
        loop += self.read_residents(residents)
        loop += [f"x0 = x0 + {self.read_fed()}"] if self.recurrent else []
        loop += self.lines(body, inputs)
        loop += map(self.write, self.outputs, traced.outputs)
        if kept:
            loop.append(f"if {self.keep}:")
            loop += indent(4, [*self.lines(extra, inputs), *map(self.write, self.kept, kept)])
        loop += self.write_residents(self.states, traced.states)
        return self.function(
            Function(
                "forward",
                self.keep,
                [*self.xs, *self.fed, *self.outputs, *self.states, *self.kept, *self.lanes],
                inputs=self.xs,
                reads=self.xs,
                streams=[*self.outputs, *self.kept],
                residents=residents,
                changing=self.states,
                uniform=everything,
                loop=loop,
                earlier=[],
            )
        )

    def backward(self) -> list[str]:
        """The loop from the last to the first step."""
        plan, traced, kept = self.plan, self.plan.traced, self.plan.kept
        g_outputs = [f"g_{name}" for name in self.outputs]
        g_states = [f"g_{name}" for name in self.states]
        g_xs = [f"g{name}" for name in self.xs]
        starts = [f"start{i}" for i in plan.derived]
        ends = [traced.states[i] for i in plan.derived]
        stop = [*kept, *plan.reread, *(n for n in cone(traced.states) if n.op == "state")]
        way_back = cone([*traced.g_inputs, *traced.g_states, *traced.g_values], stop)
        tangents = [node for node in way_back if node.op in ("g_out", "g_state")]
        active = self._active(way_back)
        changing = [g_states[i] for i in active]
        reads = [*g_outputs, *(f"x{int(node.value)}" for node in plan.reread)]

        loop = [f"{name} = {self.read(name, is_input=True)}" for name in reads]
        loop += self.read_residents([*changing, *self.lanes])
        loop += [f"g_out0 = g_out0 + {self.read_fed()}"] if self.recurrent else []
        if ends:
            earlier = cone(ends, kept)
            self.suffix = "_before"
            loop += self._read_kept(earlier) + self.lines(earlier, kept)
            for i, node, start in zip(plan.derived, ends, starts, strict=True):
                loop.append(self.derive(f"state{i}", node, start))
            self.suffix = ""
        loop += self._read_kept(way_back)
        loop += self.lines(way_back, [*stop, *tangents])
        loop.append(f"if {self.wants_x}:")
        loop += indent(4, map(self.write, g_xs, traced.g_inputs))
        loop += map(self.add_to, self.sums, traced.g_values)  # before a gradient changes
        loop += self.write_residents(changing, [traced.g_states[i] for i in active])
        given = [*self.fed, *g_xs, *g_states, *self.kept, *starts, *self.lanes, *self.sums]
        return self.function(
            Function(
                "backward",
                self.wants_x,
                [*self.xs, *g_outputs, *given],
                inputs=[*self.xs, *g_outputs],
                reads=reads,
                streams=[*self.kept, *g_xs],
                residents=[*changing, *starts, *self.lanes, *self.sums],
                changing=[*changing, *self.sums],
                uniform=cone([*way_back, *ends], stop),
                loop=loop,
                earlier=self.kept if ends else [],
            )
        )

    def near(self) -> list[str]:
        """The loop that marks, with one byte per spike, where a gradient passes through."""
        node, kept = self.plan.near, self.plan.kept
        assert node is not None
        used = cone([node], kept)
        loop = [*self.read_residents(self.lanes), *self._read_kept(used), *self.lines(used, kept)]
        return self.function(
            Function(
                "near",
                "",
                [*self.kept, *self.lanes, "near"],
                inputs=[],
                reads=[],
                streams=[*self.kept, "near"],
                residents=self.lanes,
                changing=[],
                uniform=used,
                loop=[*loop, self.write("near", node)],
                earlier=[],
            )
        )

    def _read_kept(self, used: Iterable[Node]) -> list[str]:
        """The lines that read those kept values that are used."""
        used, lines = set(used), []
        for name, node in zip(self.kept, self.plan.kept, strict=True):
            if node in used:
                stream = name + self.suffix
                value = self.read_condition(stream) if node.is_bool else self.read(stream)
                lines.append(f"{self.name(node)} = {value}")
        return lines

    def _active(self, way_back: Iterable[Node]) -> list[int]:
        """The states that a gradient passes through."""
        used = {int(node.value) for node in way_back if node.op == "g_state"}
        grads = enumerate(self.plan.traced.g_states)
        return sorted(used | {i for i, node in grads if node.op != "const" or node.value})


def indent(width: int, lines: Iterable[str]) -> list[str]:
    """Lines indented by `width` spaces."""
    return [" " * width + line for line in lines]
