"""What a forward loop keeps for the backward loop: the cheapest sufficient set of numbers.

The backward loop needs some values of the forward pass. Each is kept in memory, or recomputed from
others that are kept. The choice is a minimum cut (Ford & Fulkerson 1956) between the inputs of the
step and what the backward pass needs. A node's capacity is the memory traffic of keeping its value;
recomputing a value also has a cost. The state before a step need not be kept if it can be computed
from what was kept at the previous step.
"""

import itertools
import math
from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jarvis.kernels.expression import Node, Traced

_TRAFFIC, _BOOL_TRAFFIC, _INPUT_TRAFFIC = 8.0, 2.0, 4.0  #: bytes written and read per number

_NEVER = 1e9  #: a cost so high that the cheapest cut avoids it

#: Cost of repeating an operation: the bytes of memory traffic that would take the same time.
_WORK: dict[str, float] = dict.fromkeys(("exp", "log", "log1p", "expm1", "tanh"), 5.0)
_WORK |= dict.fromkeys(("sin", "cos", "tan", "pow", "atan", "erf"), 20.0)
_WORK |= dict.fromkeys(("div", "sqrt"), 2.0)
_LITTLE = 0.05

INPUTS = ("x", "state")
TANGENTS = ("g_out", "g_state")


@dataclass
class Plan:
    """The two loops of a step as lists of nodes in the order of computation."""

    traced: Traced
    kept: list[Node]  #: computed by the forward loop, stored for the backward loop
    reread: list[Node]  #: inputs that the backward loop reads again
    derived: list[int]  #: states computed from what was kept at the previous step
    uniform: set[Node]  #: nodes that are the same for all neurons
    near: Node | None  #: whether a gradient passes through the spike; None if it always may


def cone(roots: Iterable[Node], stop: Iterable[Node] = ()) -> list[Node]:
    """All nodes that `roots` depend on, without going beyond `stop`, in order of computation."""
    seen, stack, end = set(), list(roots), set(stop)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node not in end:
                stack += node.args
    return sorted(seen, key=lambda node: node.order)


def uniform_nodes(nodes: Iterable[Node], different: Container[float] = ()) -> set[Node]:
    """Those of the given nodes that are the same for all neurons.

    Args:
        nodes: nodes and all that they depend on, in order of computation.
        different: indices of the numbers that differ between neurons.
    """
    uniform: set[Node] = set()
    for node in nodes:
        constant = node.op == "const" or (node.op == "value" and node.value not in different)
        if constant or (node.args and all(a in uniform for a in node.args)):
            uniform.add(node)
    return uniform


def plan(traced: Traced, per_neuron: Iterable[int], recurrent: bool) -> Plan:
    """Choose what the forward loop keeps.

    Args:
        traced: the step.
        per_neuron: indices of the numbers that differ between neurons.
        recurrent: whether a step's input is known only when the step is taken, so that the
            backward loop cannot read it again.
    """
    different = set(per_neuron)
    gradients = [*traced.g_inputs, *traced.g_states, *traced.g_values]
    everything = cone([*traced.outputs, *traced.states, *gradients])
    uniform = uniform_nodes(everything, different)
    backward: set[Node] = set()
    for node in everything:
        if node in uniform:
            continue
        if node.op in TANGENTS or any(a in backward for a in node.args):
            backward.add(node)

    wanted = cone(gradients)
    needed = {a for n in wanted if n in backward for a in n.args if a not in backward}
    needed |= {g for g in gradients if g not in backward}
    forward = set(cone([*traced.outputs, *traced.states]))
    states = {int(n.value): n for n in everything if n.op == "state"}
    best: tuple[float, list[Node], list[Node], tuple[int, ...]] | None = None
    x_price = _TRAFFIC if recurrent else _INPUT_TRAFFIC
    # A state is never derived from inputs, so cuts that avoid inputs are tried as well.
    for derived, price_of_x in itertools.product(_subsets(sorted(states)), (x_price, _NEVER)):
        given = {states[i] for i in derived}
        roots = needed | {traced.states[i] for i in derived}
        roots -= given
        price, cut = _cheapest_cut(roots, uniform | given, forward, price_of_x)
        kept = [node for node in cut if recurrent or node.op != "x"]
        again = _computed([traced.states[i] for i in derived], kept, uniform)
        if again is None:  # deriving these states would need more than one previous step
            continue
        price += sum(_WORK.get(node.op, _LITTLE) for node in again)
        if best is None or price < best[0]:
            best = price, kept, [n for n in cut if n not in kept], derived
    assert best is not None  # deriving no state is always possible
    _, kept, reread, derived = best
    near = _near(traced, kept, uniform)
    return Plan(traced, kept, reread, list(derived), uniform, near)


def _near(traced: Traced, kept: Sequence[Node], uniform: set[Node]) -> Node | None:
    """The condition for a nonzero surrogate derivative of a spike; None if none is known.

    The spike's gradient must be multiplied by the same factor on every path. This factor must
    contain a branch, as the derivative of a triangle does, and must be computable from the values
    kept at the same step.
    """
    wanted = cone([*traced.g_inputs, *traced.g_states, *traced.g_values])
    users: dict[Node, list[Node]] = {}
    for node in wanted:
        for argument in node.args:
            users.setdefault(argument, []).append(node)
    tangent: set[Node] = set()
    for node in wanted:
        if node.op in TANGENTS or any(a in tangent for a in node.args):
            tangent.add(node)
    ways = [node for node in wanted if node.op == "g_out" and node.value == 0]
    factors: set[Node] = set()
    roots = {*traced.g_inputs, *traced.g_states, *traced.g_values}
    while ways:
        node = ways.pop()
        if node in roots:  # the gradient arrives here without a factor
            return None
        for user in users.get(node, ()):
            others = [a for a in user.args if a not in tangent]
            branch = any(a.op == "where" for a in cone(others)) if user.op == "mul" else False
            if branch:
                factors.add(others[0])
            else:
                ways.append(user)
    if len(factors) != 1:
        return None
    (factor,) = factors
    if _computed([factor], kept, uniform) is None:
        return None
    last = max(node.order for node in wanted)
    zero = Node("const", (), 0.0, False, last + 1)
    return Node("ne", (factor, zero), 0, True, last + 2)


def _subsets(states: Sequence[int]) -> Iterable[tuple[int, ...]]:
    """The sets of states that `plan` tries to derive: with up to five states, all possible sets."""
    sizes = range(len(states) + 1) if len(states) <= 5 else (0, 1, len(states))
    return itertools.chain.from_iterable(itertools.combinations(states, size) for size in sizes)


def _computed(
    targets: Sequence[Node], kept: Sequence[Node], uniform: set[Node]
) -> list[Node] | None:
    """The operations that compute `targets` from a step's `kept`; None if `kept` is not enough."""
    stop = [*kept, *uniform]
    nodes = [node for node in cone(targets, stop) if node not in set(stop)]
    return None if any(node.op in INPUTS for node in nodes) else nodes


def _cheapest_cut(
    needed: set[Node], given: set[Node], forward: set[Node], price_of_x: float
) -> tuple[float, list[Node]]:
    """What to keep to compute `needed`, and at what cost; `price_of_x` is the cost of an input."""

    def free(node: Node) -> bool:
        return node in given or node.op == "value"

    needed = {node for node in needed if not free(node)}
    net: dict[Any, dict[Any, float]] = {"inputs": {}, "gradients": {}}

    def add(start: Any, end: Any, capacity: float) -> None:
        net.setdefault(start, {})[end] = capacity
        net.setdefault(end, {}).setdefault(start, 0.0)

    reached = cone(needed, given)
    for node in reached:
        if free(node):
            continue
        traffic = _BOOL_TRAFFIC if node.is_bool else _TRAFFIC
        traffic = price_of_x if node.op == "x" else traffic
        add((node, 0), (node, 1), traffic + 1e-6 * node.order)
        if node.op in INPUTS:
            add("inputs", (node, 0), math.inf)
        elif node in forward:  # other nodes are computed only once, whichever loop does it
            add("inputs", (node, 0), _WORK.get(node.op, _LITTLE))
        for argument in node.args:
            if not free(argument):
                add((argument, 1), (node, 0), math.inf)
    for node in needed:
        add((node, 1), "gradients", math.inf)
    price, far = _minimum_cut(net, "inputs", "gradients")
    cut = [n for n in reached if not free(n) and (n, 0) not in far and (n, 1) in far]
    return price, cut


def _minimum_cut(left: dict[Any, dict[Any, float]], source: Any, sink: Any) -> tuple[float, set]:
    """The cheapest cut between two nodes of a network: its capacity, and the nodes beyond it.

    It is found with augmenting paths, shortest first (Edmonds & Karp 1972, J. ACM 19(2):248).

    Args:
        left: ``left[a][b]`` is the capacity of the edge from a to b. Reverse edges are included,
            with capacity 0 if they are not edges of the network. On return, `left` holds the
            capacities that the maximum flow leaves.
        source, sink: the two nodes.
    """
    flow = 0.0
    while sink in (came_from := _paths(source, lambda a, b: left[a][b] > 0.0, left, sink)):
        path = [sink]
        while path[-1] != source:
            path.append(came_from[path[-1]])
        edges = list(itertools.pairwise(reversed(path)))
        amount = min(left[a][b] for a, b in edges)
        for a, b in edges:
            left[a][b] -= amount
            left[b][a] += amount
        flow += amount
    return flow, set(_paths(sink, lambda a, b: left[b][a] > 0.0, left))


def _paths(
    start: Any, passes: Callable[[Any, Any], bool], edges: Mapping[Any, Iterable], end: Any = None
) -> dict:
    """The nodes reached from `start`, each with its predecessor; stops at `end` if it is given."""
    came_from, queue = {start: start}, deque([start])
    while queue and end not in came_from:
        here = queue.popleft()
        for there in edges[here]:
            if there not in came_from and passes(here, there):
                came_from[there] = here
                queue.append(there)
    return came_from
