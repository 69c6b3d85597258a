"""NIR graphs as files and as chains of nodes, independent of what the nodes compute.

nirtorch is not used, because it turns each node into a module and runs the graph node by node.
nirtorch does not return a chain in which gains and loops are folded into the preceding weights, and
its error messages do not name the node.
"""

from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from jarvis.support.downloads import CorruptDataError
from jarvis.support.files import atomic_path
from jarvis.support.hdf5 import fault_of

Nodes = dict[str, Any]

Edges = list[tuple[str, str]]


class Link(NamedTuple):
    """A node of a chain, and the linear map that feeds its output back to it, if any."""

    name: str
    node: Any
    loop: Any | None = None


def load_nir() -> ModuleType:
    """Import the optional package `nir`.

    Raises:
        ImportError: if `nir` is not installed; the message explains how to install it.
    """
    try:
        import nir
    except ImportError as error:
        raise ImportError(
            "NIR graphs need the package nir: pip install nir (or jarvis-snn[nir])"
        ) from error
    return nir


def write_graph(path: Path, graph: Any) -> None:
    """Write a `nir.NIRGraph` as HDF5, completely or not at all.

    Raises:
        OSError: if the file cannot be written.
    """
    with atomic_path(path) as part:
        load_nir().write(part, graph)


def read_graph(path: Path) -> Any:
    """Read a `nir.NIRGraph` from a file.

    Raises:
        FileNotFoundError: if there is no such file.
        CorruptDataError: for a file that is corrupted or not a NIR graph.
    """
    nir = load_nir()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such NIR file")
    why = fault_of(path)
    if why is None:
        try:
            return nir.read(path, type_check=False)
        except Exception as error:  # h5py and nir raise all kinds of errors for damaged files
            text = str(error).splitlines()
            why, cause = f"{type(error).__name__}: {text[0] if text else ''}", error
    else:
        cause = None
    raise CorruptDataError(
        f"{path} is damaged, is not a NIR file, or has nodes that nir {nir.version} does not know "
        f"({why}): write it again"
    ) from cause


def as_chain(graph: Any) -> tuple[tuple[int, ...], list[Link]]:
    """The shape of a graph's input, and the graph's nodes in order from input to output.

    Subgraphs are unfolded. A neuron with feedback through a single linear map is one link.

    Raises:
        ValueError: for a graph that is not such a chain; the message names the node.
    """
    nir = load_nir()
    nodes, edges = _unfolded(nir, graph)
    ends = {}
    for kind in (nir.Input, nir.Output):
        found = [name for name, node in nodes.items() if isinstance(node, kind)]
        if len(found) != 1:
            raise ValueError(
                f"the NIR graph has {len(found)} nodes of type {kind.__name__}, but needs one"
            )
        ends[kind] = found[0]
    start, end = ends[nir.Input], ends[nir.Output]

    after: dict[str, list[str]] = {name: [] for name in nodes}
    before: dict[str, list[str]] = {name: [] for name in nodes}
    for a, b in edges:
        after[a].append(b)
        before[b].append(a)
    loops = {}
    for name in nodes:
        if not hasattr(nodes[name], "v_threshold"):
            continue
        for back in list(after[name]):
            linear = isinstance(nodes[back], nir.Linear | nir.Affine)
            if linear and after[back] == before[back] == [name] and name not in loops:
                loops[name] = back
                after[name].remove(back)
                before[name].remove(back)

    if before[start]:
        raise ValueError(f"nodes {before[start]} send to the input {start!r} of the NIR graph")
    links, name = [], start
    while True:
        way = after[name]
        if len(way) != 1 or len(before[way[0]]) != 1:
            many = name if len(way) != 1 else way[0]
            raise ValueError(
                f"node {many!r} of the NIR graph receives from {before[many]} and sends to "
                f"{after[many]}: from_nir reads chains from input to output, in which a neuron may "
                "feed back to itself through one linear map; no branches, no other cycles"
            )
        name = way[0]  # not visited before: it has one predecessor, and the input has none
        if name == end:
            break
        loop = loops.get(name)
        links.append(Link(name, nodes[name], None if loop is None else nodes[loop]))
    unused = set(nodes) - {start, end, *loops.values(), *(link.name for link in links)}
    if unused:
        raise ValueError(
            f"nodes of the NIR graph on no path from input to output: {sorted(unused)}"
        )
    shape = (nodes[start].input_type or {}).get("input")
    sizes = () if shape is None else tuple(np.atleast_1d(shape).tolist())
    if any(not isinstance(n, int) or n < 1 for n in sizes):
        raise ValueError(f"node {start!r}: the input's shape {sizes} must have sizes of at least 1")
    return sizes, links


def _unfolded(nir: ModuleType, graph: Any) -> tuple[Nodes, Edges]:
    """The graph with subgraphs unfolded (nodes ``graph.node``) and without duplicate edges."""
    nodes: Nodes = dict(graph.nodes)
    edges: Edges = list(dict.fromkeys((a, b) for a, b in graph.edges))
    for a, b in edges:
        for name in (a, b):
            if name not in nodes:
                raise ValueError(f"the NIR graph has an edge {(a, b)}, but no node {name!r}")
    for name, node in graph.nodes.items():
        if not isinstance(node, nir.NIRGraph):
            continue
        inner, inner_edges = _unfolded(nir, node)
        inputs, outputs = (
            [n for n in inner if isinstance(inner[n], kind)] for kind in (nir.Input, nir.Output)
        )
        if len(inputs) != 1 or len(outputs) != 1:
            raise ValueError(f"graph {name!r} in the NIR graph needs one Input and one Output")
        del nodes[name]
        nodes |= {f"{name}.{n}": inner[n] for n in inner if n not in inputs + outputs}
        entered = [f"{name}.{b}" for a, b in inner_edges if a == inputs[0]]
        left = [f"{name}.{a}" for a, b in inner_edges if b == outputs[0]]
        edges = [
            edge
            for a, b in edges
            for edge in (
                [(a, to) for to in entered]
                if b == name
                else [(out, b) for out in left]
                if a == name
                else [(a, b)]
            )
        ]
        outside = {*inputs, *outputs}
        edges += [(f"{name}.{a}", f"{name}.{b}") for a, b in inner_edges if not {a, b} & outside]
    return nodes, edges
