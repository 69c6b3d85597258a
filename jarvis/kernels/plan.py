"""What a forward loop keeps for the backward loop: the cheapest sufficient set of numbers.

The backward loop needs some values of the forward pass. Each can be kept in memory, or computed
again from others that are kept. The choice is a minimum cut (Ford & Fulkerson 1956) between the
inputs of the step and what the backward pass needs: a node's capacity is the memory traffic of
keeping it, and computing an exponential or a division again has its price, too. A state before the
step need not be kept if it follows from what was kept at the step before.
"""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jarvis.kernels.expression import Node, Traced

_TRAFFIC, _BOOL_TRAFFIC, _INPUT_TRAFFIC = 8.0, 2.0, 4.0  #: bytes written and read for one number

#: Price of computing an operation again, in bytes of memory traffic that take as long.
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
    derived: list[int]  #: states that follow from what was kept at the step before
    uniform: set[Node]  #: nodes that are the same for all neurons


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


def plan(traced: Traced, per_neuron: Iterable[int], recurrent: bool) -> Plan:
    """Choose what is kept.

    Args:
        traced: the step.
        per_neuron: indices of the numbers that differ from neuron to neuron.
        recurrent: whether a step's input is known only when the step is taken, so that the
            backward loop cannot read it again.
    """
    different = set(per_neuron)
    gradients = [*traced.g_inputs, *traced.g_states, *traced.g_values]
    everything = cone([*traced.outputs, *traced.states, *gradients])
    uniform: set[Node] = set()
    backward: set[Node] = set()
    for node in everything:
        constant = node.op == "const" or (node.op == "value" and node.value not in different)
        if constant or (node.args and all(a in uniform for a in node.args)):
            uniform.add(node)
        elif node.op in TANGENTS or any(a in backward for a in node.args):
            backward.add(node)

    wanted = cone(gradients)
    needed = {a for n in wanted if n in backward for a in n.args if a not in backward}
    needed |= {g for g in gradients if g not in backward}
    forward = set(cone([*traced.outputs, *traced.states]))
    states = {int(n.value): n for n in everything if n.op == "state"}
    best: tuple[float, list[Node], tuple[int, ...]] | None = None
    for derived in _subsets(sorted(states)):
        given = {states[i] for i in derived}
        roots = needed | {traced.states[i] for i in derived}
        roots -= given
        price, cut = _cheapest_cut(roots, uniform | given, forward, recurrent)
        kept = [node for node in cut if recurrent or node.op != "x"]
        again = _computed([traced.states[i] for i in derived], kept, uniform)
        if again is None:  # it would take more than one step back
            continue
        price += sum(_WORK.get(node.op, _LITTLE) for node in again)
        if best is None or price < best[0]:
            best = price, cut, derived
    assert best is not None  # nothing derived is always possible
    _, cut, derived = best
    kept = [node for node in cut if recurrent or node.op != "x"]
    return Plan(traced, kept, [n for n in cut if n not in kept], list(derived), uniform)


def _subsets(states: Sequence[int]) -> Iterable[tuple[int, ...]]:
    """The sets of states to derive that are tried: all of them, up to five states."""
    sizes = range(len(states) + 1) if len(states) <= 5 else (0, 1, len(states))
    return itertools.chain.from_iterable(itertools.combinations(states, size) for size in sizes)


def _computed(
    targets: Sequence[Node], kept: Sequence[Node], uniform: set[Node]
) -> list[Node] | None:
    """The operations that give `targets` from `kept` of the same step; None if more is needed."""
    stop = [*kept, *uniform]
    nodes = [node for node in cone(targets, stop) if node not in set(stop)]
    return None if any(node.op in INPUTS for node in nodes) else nodes


def _cheapest_cut(
    needed: set[Node], given: set[Node], forward: set[Node], recurrent: bool
) -> tuple[float, list[Node]]:
    """What to keep so that `needed` can be computed, and its price."""
    import networkx as nx

    def free(node: Node) -> bool:
        return node in given or node.op == "value"

    needed = {node for node in needed if not free(node)}
    net = nx.DiGraph()
    net.add_nodes_from(("inputs", "gradients"))
    reached = cone(needed, given)
    for node in reached:
        if free(node):
            continue
        traffic = _BOOL_TRAFFIC if node.is_bool else _TRAFFIC
        traffic = _INPUT_TRAFFIC if node.op == "x" and not recurrent else traffic
        net.add_edge((node, 0), (node, 1), capacity=traffic + 1e-6 * node.order)
        if node.op in INPUTS:
            net.add_edge("inputs", (node, 0))
        elif node in forward:  # what only the backward pass needs is computed once in either loop
            net.add_edge("inputs", (node, 0), capacity=_WORK.get(node.op, _LITTLE))
        for argument in node.args:
            if not free(argument):
                net.add_edge((argument, 1), (node, 0))
    for node in needed:
        net.add_edge((node, 1), "gradients")
    price, (near, _) = nx.minimum_cut(net, "inputs", "gradients")
    cut = [n for n in reached if not free(n) and (n, 0) in near and (n, 1) not in near]
    return price, cut
