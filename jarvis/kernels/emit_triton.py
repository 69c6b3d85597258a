"""Writes the loops of a step as Triton source.

One program runs all steps for a block of neurons, with the state in registers: every input and
every result is read or written once. Storage may be bfloat16 or float16; arithmetic, the state
within a run and what is kept for the backward loop are then float32.
"""

import textwrap
from collections.abc import Callable, Iterable, Sequence

from jarvis.kernels.emit_numba import Writer, active_states
from jarvis.kernels.expression import Node, Untraceable
from jarvis.kernels.plan import Plan, cone

_BINARY = {"add": "+", "sub": "-", "mul": "*", "and": "&", "or": "|"}
_BINARY |= {"ge": ">=", "gt": ">", "le": "<=", "lt": "<", "eq": "==", "ne": "!="}
_CALLS = {"exp": "tl.exp", "log": "tl.log", "sqrt": "precise_sqrt", "abs": "tl.abs"}
_CALLS |= {"sin": "tl.sin", "cos": "tl.cos", "floor": "tl.floor", "ceil": "tl.ceil"}
_CALLS |= {"erf": "tl.erf", "log1p": "log1p", "expm1": "expm1", "tanh": "tanh"}
_CALLS |= {"div": "divide"}

_HEAD = """
import triton
import triton.language as tl

from jarvis.kernels.functions_triton import divide, expm1, log1p, precise_sqrt, tanh

"""


class TritonWriter(Writer):
    """Expressions for Triton."""

    real = "tl.full([], {}, STATE)"
    double = "tl.full([], {}, tl.float64)"
    nan, infinity = 'float("nan")', 'float("inf")'

    def load(self, index: int) -> str:
        return f"tl.load(values + {index})"

    def expression(self, node: Node, use: Callable[[Node], str], double: bool) -> str:
        args = [use(a) for a in node.args]
        if node.op in _BINARY:
            return f"{args[0]} {_BINARY[node.op]} {args[1]}"
        if node.op == "where":
            return f"tl.where({', '.join(args)})"
        if node.op in ("neg", "not"):
            return f"{'-' if node.op == 'neg' else '~'}{args[0]}"
        if node.op not in _CALLS:
            raise Untraceable(f"{node.op} has no form in Triton")
        return f"{_CALLS[node.op]}({', '.join(args)})"


def source(plan: Plan, per_neuron: Sequence[int], learned: Sequence[int], recurrent: bool) -> str:
    """The module text with the kernels `forward` and `backward`; see `emit_numba.source`."""
    writer = TritonWriter(plan)
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

    roots = [*traced.outputs, *traced.states]
    body, everything = cone(roots), cone([*roots, *kept])
    extra = [node for node in everything if node not in set(body)]
    inputs = {node for node in everything if node.op in ("x", "state")}
    loop = [_load(name, f"{name}_at") for name in xs]
    loop += [f"x0 = x0 + {_loaded('fed')}"] if recurrent else []
    loop += writer.lines(body, inputs)
    loop += [_store(name, writer.use(n)) for name, n in zip(outputs, traced.outputs, strict=True)]
    if kept:
        loop += ["if KEEP:", *_indent(4, writer.lines(extra, inputs))]
        loop += _indent(
            4, (_store(name, writer.use(n)) for name, n in zip(keeps, kept, strict=True))
        )
    loop += _update(states, [writer.use(n) for n in traced.states])
    loop += [*(f"{x}_at += {x}_step" for x in xs), "o += n"]
    forward = _function(
        "forward",
        [*_stepped(xs), *_all([*fed, *outputs, *states, *keeps, *lanes])],
        "KEEP",
        writer.uniform_lines(everything, "cast"),
        [
            *(_load(name, "lane") for name in [*states, *lanes]),
            *(f"{x}_at = first * {x}_step + lane" for x in xs),
            "o = first * n + lane",
        ],
        "for _ in range(steps):",
        loop,
        [_store(name, name, "lane") for name in states],
    )

    derived = [f"state{i}" for i in plan.derived]
    starts = [f"start{i}" for i in plan.derived]
    ends = [traced.states[i] for i in plan.derived]
    before: list[str] = []
    if derived:
        steps = cone(ends, kept)
        writer.suffix = "_before"
        before = ["earlier = here & (o >= n)  # after the first step"]
        before += _kept_again(writer, keeps, kept, steps, "o - n", "earlier")
        before += writer.lines(steps, kept)
        before += [
            f"{name} = tl.where(earlier, {writer.use(end)}, {start})"
            for name, end, start in zip(derived, ends, starts, strict=True)
        ]
        writer.suffix = ""
    stop = [*kept, *plan.reread, *(n for n in everything if n.op == "state")]
    way_back = cone([*traced.g_inputs, *traced.g_states, *traced.g_values], stop)
    reread = [f"x{int(node.value)}" for node in plan.reread]
    active = active_states(traced, way_back)
    gnames = [gstates[i] for i in active]
    loop = [_load(name, f"{name}_at") for name in [*goutputs, *reread]]
    loop += [f"g_out0 = g_out0 + {_loaded('fed')}"] if recurrent else []
    loop += before + _kept_again(writer, keeps, kept, way_back, "o", "here")
    tangents = [node for node in way_back if node.op in ("g_out", "g_state")]
    loop += writer.lines(way_back, [*stop, *tangents])
    loop.append("if WANTS_X:")
    loop += _indent(
        4, (_store(name, writer.use(n)) for name, n in zip(gxs, traced.g_inputs, strict=True))
    )
    loop += [
        f"{name} += {writer.use(node)}" for name, node in zip(sums, traced.g_values, strict=True)
    ]
    loop += _update(gnames, [writer.use(traced.g_states[i]) for i in active])
    loop += [*(f"{a}_at -= {a}_step" for a in [*goutputs, *reread]), "o -= n"]
    given = [*fed, *gxs, *gstates, *keeps, *starts, *lanes, *sums]
    backward = _function(
        "backward",
        [*_stepped(xs), *_stepped(goutputs), *_all(given)],
        "WANTS_X",
        writer.uniform_lines(cone([*way_back, *ends], stop), "cast"),
        [
            *(_load(name, "lane") for name in [*gnames, *starts, *lanes, *sums]),
            "t = first + steps - 1",
            *(f"{a}_at = t * {a}_step + lane" for a in [*goutputs, *reread]),
            "o = t * n + lane",
        ],
        "for _ in range(steps):",
        loop,
        [_store(name, name, "lane") for name in [*gnames, *sums]],
    )
    text = [*_HEAD.splitlines(), "", *forward, "", "", *backward, ""]
    return "\n".join(line.rstrip() for line in text)


def _function(
    name: str,
    arguments: Sequence[str],
    flag: str,
    uniform: Sequence[str],
    start: Sequence[str],
    times: str,
    loop: Sequence[str],
    end: Sequence[str],
) -> list[str]:
    """One kernel: over the neurons of a block, over time."""
    flags = [f"{each}: tl.constexpr" for each in (flag, "STATE", "BLOCK")]
    # Multiplied by a step, these may exceed 32 bits.
    whole = ["first", "steps", *(a for a in arguments if a.endswith("_step")), "n"]
    names = ", ".join(f'"{each}"' for each in whole)
    cast = [_cast(line) for line in uniform]
    return [
        f"@triton.jit(do_not_specialize=[{names}])",
        f"def {name}(",
        *_indent(4, textwrap.wrap(", ".join([*arguments, "values, n, first, steps, "]), 90)),
        f"    {', '.join(flags)},",
        "):",
        "    lane = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)",
        "    here = lane < n",
        *_indent(4, cast),
        *_indent(4, start),
        f"    {times}",
        *_indent(8, loop),
        *_indent(4, end),
    ]


def _cast(line: str) -> str:
    name, _, value = line.partition(" = ")
    if value.startswith("cast("):
        return f"{name} = {value.removeprefix('cast').strip('()')}.to(STATE)"
    return line


def _all(names: Iterable[str]) -> list[str]:
    return [f"{name}_all" for name in names]


def _stepped(names: Iterable[str]) -> list[str]:
    return [part for name in names for part in (f"{name}_all", f"{name}_step")]


def _loaded(name: str, place: str = "lane", mask: str = "here") -> str:
    return f"tl.load({name}_all + {place}, {mask}, 0).to(STATE)"


def _load(name: str, place: str) -> str:
    return f"{name} = {_loaded(name, place)}"


def _store(name: str, value: str, place: str = "o") -> str:
    return f"tl.store({name}_all + {place}, ({value}).to({name}_all.dtype.element_ty), here)"


def _update(names: Sequence[str], values: Sequence[str]) -> list[str]:
    """New values of what is in registers; all at once, as they may depend on each other."""
    if not names:
        return []
    zero = "tl.zeros([BLOCK], STATE)"
    values = [value if value.isidentifier() else f"{value} + {zero}" for value in values]
    return [f"{', '.join(names)} = {', '.join(values)}"]


def _kept_again(
    writer: Writer,
    keeps: Sequence[str],
    kept: Sequence[Node],
    used: Iterable[Node],
    place: str,
    mask: str,
) -> list[str]:
    """Lines that read what was kept, as far as it is used."""
    used, lines = set(used), []
    for name, node in zip(keeps, kept, strict=True):
        if node in used:
            value = _loaded(name, place, mask)
            if node.is_bool:
                value = value.removesuffix(".to(STATE)") + " != 0"
            lines.append(f"{writer.name(node)} = {value}")
    return lines


def _indent(width: int, lines: Iterable[str]) -> list[str]:
    return [" " * width + line for line in lines]
