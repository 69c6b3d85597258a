"""A neuron's step and its derivative as expressions of one neuron, traced from PyTorch.

`Step.trace` runs the step on stand-ins, lets autograd differentiate it, and translates the
recorded tensor operations into `Node`s: operations on the numbers of a single neuron, from which
the emitters write loops. Only elementwise operations have a translation. A step that branches on
the value of a tensor, or that mixes neurons, raises `Untraceable`; the message shows the line that
does so.
"""

import copy
import inspect
import math
import os
import re
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MethodType
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from jarvis.surrogate import Spike, SurrogateSpike

#: Neurons in the traced tensors: more than one, so that a sum over neurons is recognised.
_LANES = 3

_FOLD: dict[str, Callable[..., float]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a: -a,
}


class Untraceable(Exception):
    """Raised for a step that has no compiled loop; the message explains why."""


class Unknown(Untraceable):
    """An operation that has no compiled form."""

    def __init__(self, words: str, name: str) -> None:
        super().__init__(words)
        self.name = name


@dataclass(eq=False)
class Node:
    """One operation on the numbers of a neuron."""

    op: str  #: "add", "exp", ..., "const"; for inputs, "x", "state", "value", "g_out", "g_state"
    args: tuple["Node", ...] = ()
    value: float | int = 0  #: the value of a constant, or the index of an input
    is_bool: bool = False
    order: int = 0  #: position in the order of creation, in which arguments come first

    @property
    def name(self) -> str:
        return f"{self.op}_{self.order}"


@dataclass
class Graph:
    """Creates nodes: equal nodes are created only once, and constant expressions are evaluated."""

    nodes: dict[tuple, Node] = field(default_factory=dict)

    def make(self, op: str, *args: Any, value: float | int = 0, is_bool: bool = False) -> Node:
        given = tuple(a if isinstance(a, Node) else self.const(a) for a in args)
        if op in _FOLD and all(a.op == "const" for a in given):
            return self.const(_FOLD[op](*(a.value for a in given)))
        plain = [a.value if a.op == "const" else None for a in given]
        if op == "mul" and 1.0 in plain:
            return given[1 - plain.index(1.0)]
        if (op in ("add", "sub") and plain[1] == 0.0) or (op == "div" and plain[1] == 1.0):
            return given[0]
        if op == "add" and plain[0] == 0.0:
            return given[1]
        if op == "where" and given[1] is given[2]:
            return given[1]
        key = (op, given, repr(value))
        if key not in self.nodes:
            self.nodes[key] = Node(op, given, value, is_bool, len(self.nodes))
        return self.nodes[key]

    def const(self, value: float) -> Node:
        key = ("const", repr(float(value)))
        if key not in self.nodes:
            self.nodes[key] = Node("const", (), float(value), False, len(self.nodes))
        return self.nodes[key]

    def number(self, node: Any) -> Any:
        """`node` as a floating-point number: 1 or 0 for a condition."""
        if isinstance(node, Node) and node.is_bool:
            return self.make("where", node, 1.0, 0.0)
        return float(node) if isinstance(node, bool) else node


class Traced(NamedTuple):
    """A step and its derivative. Inputs and results are in the same order as in the step."""

    outputs: tuple[Node, ...]  #: the spikes, then what the step records
    states: tuple[Node, ...]  #: the states after the step
    g_inputs: tuple[Node, ...]  #: gradient of each input
    g_states: tuple[Node, ...]  #: gradient of each state before the step
    g_values: tuple[Node, ...]  #: gradient of each learned number
    values: tuple[str, ...]  #: the numbers that the step reads
    differentiable: tuple[bool, ...]  #: for each output, then each state: does a gradient reach it?


class _Parameters:
    """Stands in for a step's parameters: `number` looks up numbers; other values pass unchanged.

    `known` holds the values read before, so that the tracer does not record how derived numbers
    are computed.
    """

    def __init__(
        self,
        params: Any,
        number: Callable[[str], Any],
        structure: dict[str, Any],
        known: dict[str, Any],
    ) -> None:
        self._params, self._number = params, number
        self._structure, self._known = structure, known

    def __getattr__(self, name: str) -> Any:
        if name not in self._known:
            self._known[name] = getattr(self._params, name)
        return self._stand_in(name, self._known[name])

    def _stand_in(self, path: str, value: Any) -> Any:
        if isinstance(value, float | Tensor):
            return self._number(path)
        if isinstance(value, MethodType):
            return MethodType(value.__func__, self)
        if isinstance(value, tuple):
            names = getattr(value, "_fields", range(len(value)))
            parts = [self._stand_in(f"{path}.{n}", v) for n, v in zip(names, value, strict=True)]
            return type(value)(*parts) if hasattr(value, "_fields") else tuple(parts)
        self._structure[path] = value
        return value


def read(params: Any, surrogate: Any, path: str) -> float | Tensor:
    """The number that a step reads under this name, such as "decay" or "half_step.xx"."""
    first, *rest = path.split(".")
    value = surrogate if first == "spike" else getattr(params, first)
    for name in rest:
        value = value[int(name)] if name.isdigit() else getattr(value, name)
    return value


class Step:
    """A step with fixed options; what the step reads and returns is found by running it once."""

    def __init__(self, step: Callable, params: Any, spike: Spike, inputs: Any, state: Any) -> None:
        """Run the step once on stand-ins, to see what it reads.

        Args:
            step: ``(x, state, params, spike) -> (spikes, state)`` or ``(spikes, state, record)``.
            params: the step's parameters.
            spike: a `Spike` whose surrogate is a `SurrogateSpike` or a function.
            inputs: None for a single input, else a NamedTuple type with a field for each input.
            state: a NamedTuple whose absent fields are None.

        Raises:
            Untraceable: if the step cannot run on stand-ins for its numbers.
        """
        self.step, self.params, self.spike = step, params, spike
        self.inputs, self.state = inputs, type(state)
        named = zip(state._fields, state, strict=True)
        self.present = [name for name, value in named if value is not None]
        self.n_inputs = 1 if inputs is None else len(inputs._fields)
        self.structure: dict[str, Any] = {}  #: what the step reads other than numbers
        self._known: dict[str, Any] = {}
        paths: dict[str, Tensor] = {}

        def found(path: str) -> Tensor:
            return paths.setdefault(path, _stand_in())

        def once() -> Any:
            with torch.no_grad():
                xs, states = _stand_ins(self.n_inputs), _stand_ins(len(self.present))
                return self.call(xs, states, found, self.structure)[-1]

        with self._explained():
            recorded = apart(once)
        self.values = tuple(paths)  #: names of the numbers that the step reads
        self.record = type(recorded)  #: the NamedTuple of what the step records
        self.recorded = [n for n in self.record._fields if getattr(recorded, n) is not None]

    @property
    def options(self) -> tuple[tuple[str, str], ...]:
        """What the step reads other than numbers, as text: part of what identifies a loop."""
        return tuple((path, repr(value)) for path, value in sorted(self.structure.items()))

    def call(
        self,
        xs: Sequence[Tensor],
        states: Sequence[Tensor],
        number: Callable[[str], Any],
        structure: dict[str, Any],
    ) -> tuple[Tensor, list[Tensor], Any]:
        """Return the spikes, the fields of the state, and what is recorded."""
        given = dict.fromkeys(self.state._fields) | dict(zip(self.present, states, strict=True))
        surrogate = self.spike.surrogate
        if isinstance(surrogate, SurrogateSpike):
            surrogate = copy.copy(surrogate)
            surrogate.slope = number("spike.slope")
        spike = Spike(surrogate, self.spike.detach_reset)
        x = xs[0] if self.inputs is None else self.inputs(*xs)
        params = _Parameters(self.params, number, structure, self._known)
        spikes, new, *more = self.step(x, self.state(**given), params, spike)
        after = [getattr(new, name) for name in self.present]
        return spikes, after, more[0] if more else new

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Untraceable:
            raise
        except Exception as error:
            reason = f"{_first_line(error)}{_where(error, self.step)}"
            raise Untraceable(f"its step cannot be traced: {reason}") from error

    def trace(self, learned: Sequence[str] = (), record: bool = False) -> Traced:
        """Trace the step and its derivative.

        Args:
            learned: the numbers whose gradients are needed.
            record: whether the outputs include what the step records.

        Raises:
            Untraceable: if this step has no compiled form.
        """
        flags: list[bool] = []
        wanted = self.recorded if record else []
        n_outputs = 1 + len(wanted)

        def joint(xs, states, values, g_outputs, g_states):
            numbers = dict(zip(self.values, values, strict=True))
            for leaf in (*xs, *states, *(numbers[path] for path in learned)):
                leaf.requires_grad_()
            spikes, after, recorded = self.call(xs, states, numbers.__getitem__, {})
            outputs = [spikes, *(getattr(recorded, name) for name in wanted)]
            results = [*outputs, *after]
            flags[:] = [result.requires_grad for result in results]
            sought = [*xs, *states, *(numbers[path] for path in learned)]
            grads: Sequence[Tensor | None] = [None] * len(sought)
            if any(flags):
                end: Any = _End.apply([*g_outputs, *g_states], *results)
                grads = torch.autograd.grad(end, sought, allow_unused=True)
            return [*results, *(torch.zeros(_LANES) if g is None else g for g in grads)]

        n_states = len(self.present)
        counts = dict(
            x=self.n_inputs, state=n_states, value=len(self.values), g_out=n_outputs,
            g_state=n_states,
        )  # fmt: skip
        try:
            with self._explained():
                results = iter(apart(lambda: _recorded(joint, counts)))
        except Unknown as error:
            raise Untraceable(f"{error}{_line_with(self.step, error.name)}") from None

        def take(count: int) -> tuple[Node, ...]:
            return tuple(next(results) for _ in range(count))

        return Traced(
            outputs=take(n_outputs),
            states=take(n_states),
            g_inputs=take(self.n_inputs),
            g_states=take(n_states),
            g_values=take(len(learned)),
            values=self.values,
            differentiable=tuple(flags),
        )


def _stand_in() -> Tensor:
    return torch.linspace(0.25, 0.75, _LANES, dtype=torch.float64)


def _stand_ins(count: int) -> list[Tensor]:
    return [_stand_in() for _ in range(count)]


Result = TypeVar("Result")


def apart(function: Callable[[], Result]) -> Result:
    """Call a function in a separate thread, in which none of the caller's torch modes is active.

    A layer may first be called without gradients, under autocast, by `torch.func`, or between hooks
    that count saved tensors. None of this may affect the tracing of its step.
    """
    outcome: Future[Result] = Future()

    def run() -> None:
        try:
            outcome.set_result(function())
        except BaseException as error:
            outcome.set_exception(error)

    thread = threading.Thread(target=run, name="jarvis-trace")
    thread.start()
    thread.join()
    return outcome.result()


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    for words, reason in _VALUES.items():
        if words in str(error):
            return reason
    if "in-place operation" in str(error):
        return "it changes one of its arguments in place"
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


_ASKS = (
    "it asks for the value of a tensor (if, while, and, or, float(), .item(), functions of math); "
    "use torch.where and other functions of torch"
)

#: Parts of torch's messages for code that asks for the value of a tensor, and what to say.
_VALUES = {
    "Boolean value of Tensor": (
        "it branches on the value of a tensor (if, while, and, or); use torch.where, which decides "
        "for each neuron"
    ),
    "data-dependent": _ASKS,
    "converted to Python scalars": _ASKS,
}


def _line_with(step: Callable, name: str) -> str:
    """The first line of a step that contains this name."""
    try:
        lines, first = inspect.getsourcelines(step)
    except (OSError, TypeError):
        return ""
    for number, line in enumerate(lines, first):
        if re.search(rf"\b{re.escape(name)}\b", line):
            file = os.path.basename(step.__code__.co_filename)
            return f" (line {number} of {file}: {line.strip()})"
    return ""


def _where(error: Exception, step: Callable) -> str:
    """The innermost line of the step's own file in the traceback of the error."""
    own = step.__code__.co_filename
    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == own]
    if not frames:
        return ""
    return f" (line {frames[-1].lineno} of {os.path.basename(own)}: {frames[-1].line})"


def _recorded(function: Callable[..., list[Tensor]], counts: Mapping[str, int]) -> list[Node]:
    """The results of a function of lists of tensors, as nodes; `counts` gives the lists'
    lengths."""
    recorder, given = _Recorder(), []
    for kind, count in counts.items():
        given.append(_stand_ins(count))
        for index, tensor in enumerate(given[-1]):
            recorder.enter(tensor, recorder.graph.make(kind, value=index))
            recorder.arguments.add(tensor.data_ptr())
    with recorder:
        results = function(*given)
    nodes = [recorder.node(result) for result in results]
    for node in nodes:
        if isinstance(node, Untraceable):
            raise node
    return [recorder.graph.number(node) for node in nodes]


class _End(torch.autograd.Function):
    """A number with prescribed gradients.

    `torch.autograd.grad` can start from given gradients, but it then imports sympy.
    """

    @staticmethod
    def forward(ctx: Any, gradients: list[Tensor], *results: Tensor) -> Tensor:
        ctx.gradients = gradients
        return results[0].new_zeros(())

    @staticmethod
    def backward(ctx: Any, *_: Tensor) -> Any:
        return None, *ctx.gradients


class _Recorder(TorchDispatchMode):
    """Records every operation on tensors, including those of autograd, as a node.

    An operation without a node is an error only if a result depends on it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.graph = Graph()
        self.arguments: set[int] = set()  #: addresses of tensors that must not be changed
        self._known: dict[int, tuple[Tensor, Node | Untraceable]] = {}  # by id of the tensor

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Called by torch; on True, torch would import its compiler, which takes a second."""
        return False

    def enter(self, tensor: Tensor, node: Node | Untraceable) -> None:
        """Associate a tensor with a node, or with the reason why it has none."""
        self._known[id(tensor)] = tensor, node

    def node(self, tensor: Tensor) -> Node | Untraceable:
        """The node of a tensor; a tensor that the step has not computed is a constant."""
        if id(tensor) in self._known:
            return self._known[id(tensor)][1]
        if tensor.numel() != 1:
            return Untraceable("the step uses a tensor that is not one of its parameters")
        return self.graph.const(float(tensor))

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [self.node(a) if isinstance(a, Tensor) else a for a in args]
        if torch.Tag.data_dependent_output in func.tags and not all(map(_is_constant, given)):
            raise RuntimeError("data-dependent")
        result = func(*args, **kwargs)
        node: Any = next((a for a in given if isinstance(a, Untraceable)), None)
        try:
            node = node or _operation(self.graph, func, result, given, kwargs)
        except Untraceable as error:
            node = error
        for part in pytree.tree_leaves(result):
            if isinstance(part, Tensor):
                self.enter(part, node)
        if _name(func)[1]:  # an in-place operation affects all tensors that share the memory
            place = args[0].data_ptr()
            if place in self.arguments:
                raise Untraceable("the step changes one of its arguments in place")
            for tensor, _ in list(self._known.values()):
                if tensor.data_ptr() == place:
                    self.enter(tensor, node)
        return result


def _is_constant(node: Any) -> bool:
    """Whether a node or number has the same value for all arguments of the step."""
    if not isinstance(node, Node):
        return not isinstance(node, Untraceable)
    return node.op == "const" or (bool(node.args) and all(map(_is_constant, node.args)))


def _name(func: Any) -> tuple[str, bool]:
    """The name of an operation, and whether it works in place."""
    name = func.__name__.split(".")[0]
    if name.startswith("__"):
        return f"bitwise_{name.strip('_')}", False
    return name.removesuffix("_"), name.endswith("_")


def _operation(graph: Graph, func: Any, result: Any, args: list, kwargs: dict) -> Node:
    name, _ = _name(func)
    translation = OPERATIONS.get(name)
    shape = result.shape if isinstance(result, Tensor) else None
    if translation is None or shape not in ((), (_LANES,)):
        raise Unknown(f"the operation {func} has no compiled form", name)
    dtype = result.dtype
    if not (dtype.is_floating_point or dtype is torch.bool):
        raise Unknown(f"the operation {func} yields {dtype}, not a floating-point number", "to")
    kwargs = {
        k: v for k, v in kwargs.items() if k in ("rounding_mode", "alpha") and v not in (None, 1)
    }
    if kwargs:
        raise Unknown(f"the operation {func} with {kwargs} has no compiled form", name)
    return translation(graph, dtype, *args)


# Translations: (graph, dtype of the result, arguments of the operation) -> node.


def _numeric(op: str) -> Callable:
    return lambda graph, dtype, *args: graph.make(op, *(graph.number(a) for a in args))


def _compare(op: str) -> Callable:
    return lambda graph, dtype, *args: graph.make(
        op, *(graph.number(a) for a in args), is_bool=True
    )


def _logical(op: str) -> Callable:
    def make(graph: Graph, dtype: torch.dtype, *args: Any) -> Node:
        given = [a if a.is_bool else graph.make("ne", a, 0.0, is_bool=True) for a in args]
        return graph.make(op, *given, is_bool=True)

    return make


def _same(graph: Graph, dtype: torch.dtype, x: Node, *_: Any) -> Node:
    if dtype is torch.bool:
        return x if x.is_bool else graph.make("ne", x, 0.0, is_bool=True)
    return graph.number(x)


def _full(graph: Graph, dtype: torch.dtype, _: Any, value: float = 0.0, *__: Any) -> Node:
    return graph.const(value)


def _constant(value: float) -> Callable:
    return lambda graph, dtype, *_: graph.const(value)


def _where_(graph: Graph, dtype: torch.dtype, condition: Node, a: Any, b: Any) -> Node:
    if dtype is torch.bool:
        a, b = _same(graph, dtype, a), _same(graph, dtype, b)
        yes = graph.make("and", condition, a, is_bool=True)
        no = graph.make("and", graph.make("not", condition, is_bool=True), b, is_bool=True)
        return graph.make("or", yes, no, is_bool=True)
    return graph.make("where", condition, graph.number(a), graph.number(b))


def _power(graph: Graph, dtype: torch.dtype, x: Any, exponent: Any) -> Node:
    x = graph.number(x)
    plain = exponent.value if isinstance(exponent, Node) and exponent.op == "const" else exponent
    if isinstance(plain, Node):
        return graph.make("pow", x, plain)
    if plain == int(plain) and 0 <= plain <= 4:
        result: Any = 1.0
        for _ in range(int(plain)):
            result = graph.make("mul", result, x)
        return result if isinstance(result, Node) else graph.const(result)
    if plain == 0.5:
        return graph.make("sqrt", x)
    if plain == int(plain) and -4 <= plain < 0:
        return graph.make("div", 1.0, _power(graph, dtype, x, -plain))
    return graph.make("pow", x, float(plain))


def _clamp(graph: Graph, dtype: torch.dtype, x: Any, low: Any = None, high: Any = None) -> Node:
    x = graph.number(x)
    if low is not None:
        x = graph.make("where", graph.make("lt", x, low, is_bool=True), low, x)
    if high is not None:
        x = graph.make("where", graph.make("gt", x, high, is_bool=True), high, x)
    return x


def _larger(op: str) -> Callable:
    def make(graph: Graph, dtype: torch.dtype, a: Any, b: Any) -> Node:
        first = graph.make(op, a, b, is_bool=True)
        nan = graph.make("ne", a, a, is_bool=True)  # NaN in either argument gives NaN
        return graph.make("where", graph.make("or", first, nan, is_bool=True), a, b)

    return make


def _masked_fill(graph: Graph, dtype: torch.dtype, x: Node, mask: Node, value: Any) -> Node:
    return _where_(graph, dtype, mask, value, x)


def _sign(graph: Graph, dtype: torch.dtype, x: Node) -> Node:
    negative = graph.make("where", graph.make("lt", x, 0.0, is_bool=True), -1.0, x)
    return graph.make("where", graph.make("gt", x, 0.0, is_bool=True), 1.0, negative)


def _sigmoid(graph: Graph, dtype: torch.dtype, x: Node) -> Node:
    e = graph.make("exp", graph.make("neg", x))
    return graph.make("div", 1.0, graph.make("add", 1.0, e))


def _sigmoid_backward(graph: Graph, dtype: torch.dtype, g: Node, s: Node) -> Node:
    return graph.make("mul", g, graph.make("mul", graph.make("sub", 1.0, s), s))


def _tanh_backward(graph: Graph, dtype: torch.dtype, g: Node, y: Node) -> Node:
    return graph.make("mul", g, graph.make("sub", 1.0, graph.make("mul", y, y)))


def _threshold_backward(graph: Graph, dtype: torch.dtype, g: Node, x: Node, edge: float) -> Node:
    return graph.make("where", graph.make("le", x, edge, is_bool=True), 0.0, g)


def _hardtanh_backward(
    graph: Graph, dtype: torch.dtype, g: Node, x: Node, low: float, high: float
) -> Node:
    outside = graph.make("le", x, low, is_bool=True), graph.make("ge", x, high, is_bool=True)
    return graph.make("where", graph.make("or", *outside, is_bool=True), 0.0, g)


def _softplus(graph: Graph, dtype: torch.dtype, x: Node, beta: float = 1, edge: float = 20) -> Node:
    z = graph.make("mul", x, beta)
    smooth = graph.make("div", graph.make("log1p", graph.make("exp", z)), beta)
    return graph.make("where", graph.make("gt", z, edge, is_bool=True), x, smooth)


def _softplus_backward(
    graph: Graph, dtype: torch.dtype, g: Node, x: Node, beta: float, edge: float
) -> Node:
    z = graph.make("mul", x, beta)
    smooth = graph.make("mul", g, _sigmoid(graph, dtype, z))
    return graph.make("where", graph.make("gt", z, edge, is_bool=True), g, smooth)


def _reverse(op: str) -> Callable:
    return lambda graph, dtype, a, b: graph.make(op, graph.number(b), graph.number(a))


def _fraction(graph: Graph, dtype: torch.dtype, a: Any, b: Any) -> Node:
    whole = graph.make("floor", graph.make("div", a, b))
    return graph.make("sub", a, graph.make("mul", whole, b))


#: What each ATen operation does to the numbers of a single neuron.
OPERATIONS: dict[str, Callable[..., Node]] = {
    **{op: _numeric(op) for op in ("add", "sub", "mul", "div", "neg", "abs")},
    **{op: _numeric(op) for op in ("exp", "log", "log1p", "expm1", "sqrt", "tanh")},
    **{op: _numeric(op) for op in ("sin", "cos", "tan", "atan", "floor", "ceil", "erf")},
    **{op: _compare(op) for op in ("ge", "gt", "le", "lt", "eq", "ne")},
    **{
        f"{kind}_{op}": _logical(op)
        for kind in ("logical", "bitwise")
        for op in ("and", "or", "not")
    },
    **{f"{kind}_xor": _compare("ne") for kind in ("logical", "bitwise")},
    **dict.fromkeys(("detach", "alias", "clone", "_to_copy", "lift_fresh_copy", "view"), _same),
    **dict.fromkeys(("expand", "lift_fresh", "positive", "contiguous"), _same),
    **dict.fromkeys(("zeros_like", "zeros", "new_zeros"), _constant(0.0)),
    **dict.fromkeys(("ones_like", "ones", "new_ones"), _constant(1.0)),
    **dict.fromkeys(("full_like", "full"), _full),
    "new_full": lambda graph, dtype, x, size, value: graph.const(value),
    "scalar_tensor": lambda graph, dtype, value: graph.const(value),
    "rsub": _reverse("sub"),
    "reciprocal": lambda graph, dtype, x: graph.make("div", 1.0, x),
    "rsqrt": lambda graph, dtype, x: graph.make("div", 1.0, graph.make("sqrt", x)),
    "isnan": lambda graph, dtype, x: graph.make("ne", x, x, is_bool=True),
    "where": _where_,
    "masked_fill": _masked_fill,
    "pow": _power,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "clamp_max": lambda graph, dtype, x, high: _clamp(graph, dtype, x, None, high),
    "hardtanh": lambda graph, dtype, x, low=-1.0, high=1.0: _clamp(graph, dtype, x, low, high),
    "hardtanh_backward": _hardtanh_backward,
    "maximum": _larger("ge"),
    "minimum": _larger("le"),
    "sign": _sign,
    "sgn": _sign,
    "relu": lambda graph, dtype, x: _clamp(graph, dtype, x, 0.0),
    "threshold_backward": _threshold_backward,
    "sigmoid": _sigmoid,
    "sigmoid_backward": _sigmoid_backward,
    "tanh_backward": _tanh_backward,
    "softplus": _softplus,
    "softplus_backward": _softplus_backward,
    "exp2": lambda graph, dtype, x: graph.make("exp", graph.make("mul", x, math.log(2.0))),
    "log2": lambda graph, dtype, x: graph.make("mul", graph.make("log", x), 1.0 / math.log(2.0)),
    "remainder": _fraction,
}
