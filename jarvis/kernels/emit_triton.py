"""Writes the loops of a step as Triton source.

One program runs all steps for a block of neurons, with the state in registers, so that every input
is read once and every result is written once. Storage may be bfloat16 or float16; arithmetic, the
state within a run and the values kept for the backward loop are then float32.
"""

import textwrap
from collections.abc import Callable, Sequence

from jarvis.kernels.emit import Emitter, Function, indent
from jarvis.kernels.expression import Node, Untraceable

_BINARY = {"add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|"}
_BINARY |= {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "==", "ne": "!="}
_CALLS = {"exp": "tl.exp", "log": "tl.log", "sqrt": "precise_sqrt", "abs": "tl.abs"}
_CALLS |= {"sin": "tl.sin", "cos": "tl.cos", "floor": "tl.floor", "ceil": "tl.ceil"}
_CALLS |= {"erf": "tl.erf", "log1p": "log1p", "expm1": "expm1", "tanh": "tanh"}
_CALLS |= {"div": "divide", "where": "tl.where"}

_HEAD = """
import triton
import triton.language as tl

from jarvis.kernels.functions_triton import divide, expm1, log1p, precise_sqrt, tanh


"""


class TritonEmitter(Emitter):
    """Writes a module with the kernels ``forward`` and ``backward``."""

    real, double = "tl.full([], {}, STATE)", "tl.full([], {}, tl.float64)"
    nan, infinity = 'float("nan")', 'float("inf")'
    keep, wants_x = "KEEP", "WANTS_X"

    def source(self) -> str:
        lines = [*self.forward(), "", "", *self.backward(), ""]
        return _HEAD + "\n".join(line.rstrip() for line in lines)

    def function(self, parts: Function) -> list[str]:
        arguments = []
        for name in parts.arguments:
            arguments.append(f"{name}_all")
            if name in parts.inputs:
                arguments.append(f"{name}_step")
        steps = [argument for argument in arguments if argument.endswith("_step")]
        names = ", ".join(f'"{each}"' for each in ["first", "steps", *steps, "n"])
        flags = [f"{each}: tl.constexpr" for each in (parts.flag, "STATE", "BLOCK")]
        forward = parts.name == "forward"
        earlier = ["earlier = here & (o >= n)  # after the first step"] if parts.earlier else []
        t, sign = ("first", "+") if forward else ("t", "-")
        return [
            f"@triton.jit(do_not_specialize=[{names}])",
            f"def {parts.name}(",
            *indent(4, textwrap.wrap(", ".join([*arguments, "values, n, first, steps, "]), 90)),
            f"    {', '.join(flags)},",
            "):",
            "    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)",
            "    here = lane < n",
            *indent(4, self.uniform_lines(parts.uniform, lambda value: f"{value}.to(STATE)")),
            *indent(4, (f"{name} = {_load(name, 'lane')}" for name in parts.residents)),
            *([] if forward else ["    t = first + steps - 1"]),
            *(f"    {name}_at = {t} * {name}_step + lane" for name in parts.reads),
            f"    o = {t} * n + lane",
            "    for _ in range(steps):",
            *indent(8, earlier),
            *indent(8, parts.loop),
            *indent(8, (f"{name}_at {sign}= {name}_step" for name in parts.reads)),
            f"        o {sign}= n",
            *indent(4, (_store(name, name, "lane") for name in parts.changing)),
        ]

    @staticmethod
    def expression(node: Node, use: Callable[[Node], str], double: bool) -> str:
        args = [use(a) for a in node.args]
        if node.op in _BINARY:
            return f"{args[0]} {_BINARY[node.op]} {args[1]}"
        if node.op in ("neg", "not"):
            return f"{'-' if node.op == 'neg' else '~'}{args[0]}"
        if node.op not in _CALLS:
            raise Untraceable(f"{node.op} has no form in Triton")
        return f"{_CALLS[node.op]}({', '.join(args)})"

    def load(self, index: int) -> str:
        return f"tl.load(values + {index})"

    def read(self, name: str, is_input: bool = False) -> str:
        if name.endswith("_before"):
            return _load(name.removesuffix("_before"), "o - n", "earlier")
        return _load(name, f"{name}_at" if is_input else "o")

    def read_condition(self, name: str) -> str:
        return self.read(name).removesuffix(".to(STATE)") + " != 0"

    def read_fed(self) -> str:
        return _load("fed", "lane")

    def write(self, name: str, node: Node) -> str:
        return _store(name, self.use(node), "o")

    def read_residents(self, names: Sequence[str]) -> list[str]:
        return []  # they are in registers

    def write_residents(self, names: Sequence[str], nodes: Sequence[Node]) -> list[str]:
        if not names:
            return []
        values = [self.use(node) for node in nodes]
        zero = "tl.zeros([BLOCK], STATE)"  # a constant becomes a number for each neuron
        values = [value if value.isidentifier() else f"{value} + {zero}" for value in values]
        return [f"{', '.join(names)} = {', '.join(values)}"]

    def add_to(self, name: str, node: Node) -> str:
        return f"{name} += {self.use(node)}"

    def derive(self, name: str, node: Node, start: str) -> str:
        return f"{name} = tl.where(earlier, {self.use(node)}, {start})"


def _load(name: str, place: str, mask: str = "here") -> str:
    return f"tl.load({name}_all + {place}, {mask}, 0).to(STATE)"


def _store(name: str, value: str, place: str) -> str:
    return f"tl.store({name}_all + {place}, ({value}).to({name}_all.dtype.element_ty), here)"
