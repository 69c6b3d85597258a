"""Writes networks to NIR, the Neuromorphic Intermediate Representation; see also `reader.py`.

The conversion of units is derived in `units.py`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jarvis.lif import (
    LeakyIntegrator,
    LeakyIntegratorParams,
    LIFLayer,
    LIFParams,
    RecurrentLIFLayer,
)
from jarvis.networks.classifier import SpikingMLP, in_order
from jarvis.networks.nir.graph import load_nir, write_graph
from jarvis.networks.nir.units import (
    INTEGRATORS,
    Cells,
    Map,
    each,
    fold,
    loss_of,
    tau_to_nir,
    threshold_to_nir,
)
from jarvis.neurons.driven import DrivenLayer
from jarvis.neurons.layer import SpikingLayer
from jarvis.support.checks import check_choice, check_flag


def to_nir(
    network: nn.Module | Sequence[nn.Module],
    path: str | Path | None = None,
    *,
    integrator: str = "exact",
    unit_r: bool = False,
) -> Any:
    """Convert a network to a NIR graph, with times in s, and with R and w_in for the network's dt.

    Args:
        network: layers from input to output (a list, a `SpikingChain`), or a `SpikingMLP`. The
            graph's input is a vector, so images are flattened. NIR does not include the evaluation
            of the last layer by a read-out (mean, rate, ...); the read-out's name is stored for
            `from_nir`.
        path: also write the graph to this file (HDF5, usually ``.nir``), completely or not at all.
        integrator: the scheme of the reader. "exact" writes the neurons' own time constants;
            "euler" (for Norse and snnTorch, with a dt of 0.1 ms) writes
            ``dt / (1 - exp(-dt/tau))``.
        unit_r: True: multiply the weights by R (and w_in) and write R = 1 (and w_in = 1), for
            readers that ignore R, as Norse 1.1 does for LIF. `from_nir` then restores the weights
            only up to rounding.

    Returns:
        a `nir.NIRGraph` whose metadata contain ``dt``, in s, and ``integrator``.

    Raises:
        ValueError: for what NIR cannot represent (a reset other than "zero", refractory period,
            adaptation, some infinite time constants), sizes that do not match, or neurons with
            different dt.
        TypeError: for a module of another kind, or a neuron other than LIF and the leaky
            integrator, for which NIR has no node.
        ImportError: without the package `nir`.
        OSError: if `path` cannot be written.

    Source: Pedersen et al. 2024, Nat. Commun. 15:8122, its primitives.

    Example:
        >>> graph = to_nir([nn.Linear(3, 4), LIFLayer(tau=20.0, dt=1.0, reset="zero")])  # ms
        >>> list(graph.nodes), graph.metadata["dt"], float(graph.nodes["lif1"].tau[0])  # s
        (['input', 'linear1', 'lif1', 'output'], 0.001, 0.02)
    """
    nir = load_nir()
    check_choice("integrator", integrator, INTEGRATORS)
    check_flag("unit_r", unit_r)
    layers = _layers(network)
    neurons = [layer for layer in layers if not isinstance(layer, nn.Linear)]
    dts = {layer.params.dt for layer in neurons}
    if len(dts) != 1:
        raise ValueError(f"to_nir needs neurons, all with the same dt; these have {sorted(dts)} ms")
    dt = dts.pop()
    weights = [layer.weight for layer in layers if hasattr(layer, "weight")]
    if not weights:
        raise ValueError("to_nir cannot tell the number of neurons: put an nn.Linear before them")
    double = weights[0].dtype == torch.float64
    dtype = np.dtype("float64" if double else "float32")

    steps: list[Map | Cells] = []
    width = first = weights[0].shape[1]  # neurons before the first weights keep the width
    for index, layer in enumerate(layers):
        expected = layer.weight.shape[1] if hasattr(layer, "weight") else width
        if expected != width:
            raise ValueError(
                f"layer {index}, {layer}, takes {expected} values, but what comes before it gives "
                f"{width}"
            )
        if isinstance(layer, nn.Linear):
            bias = None if layer.bias is None else _array(layer.bias)
            steps.append(Map(_array(layer.weight), bias))
            width = layer.out_features
        else:
            name = f"layer {index}, {type(layer).__name__}"
            steps.append(_written(nir, layer, name, width, dt, integrator, dtype, unit_r))
    if unit_r:
        fold(steps)

    def linear(step: Map) -> Any:
        weight = step.weight.astype(dtype)
        if step.bias is None:
            return nir.Linear(weight)
        return nir.Affine(weight, step.bias.astype(dtype))

    nodes, edges = {"input": nir.Input({"input": np.array([first])})}, []
    last, n_linear, n_cells = "input", 0, 0
    for step in steps:
        if isinstance(step, Map):
            n_linear += 1
            name, node = f"linear{n_linear}", linear(step)
        else:
            n_cells += 1
            node = step.make()
            name = f"{'lif' if hasattr(node, 'v_threshold') else 'li'}{n_cells}"
            if step.loop is not None:
                name, loop = f"{name}.lif", f"{name}.w_rec"
                nodes[loop] = linear(step.loop)
                edges += [(name, loop), (loop, name)]
        nodes[name] = node
        edges.append((last, name))
        last = name
    nodes["output"] = nir.Output({"output": np.array([width])})
    edges.append((last, "output"))
    metadata: dict[str, Any] = {"dt": dt / 1000, "integrator": integrator}
    if isinstance(network, SpikingMLP):
        metadata |= {"readout": network.readout.readout, "readout_tau": network.readout.tau / 1000}
    graph = nir.NIRGraph(nodes, edges, metadata=metadata)
    if path is not None:
        write_graph(Path(path), graph)
    return graph


_LAYERS = (nn.Linear, SpikingLayer, LIFLayer, RecurrentLIFLayer, LeakyIntegrator, nn.Flatten)

_WRITTEN = (LIFParams, LeakyIntegratorParams)


def _layers(network: nn.Module | Sequence[nn.Module]) -> list[Any]:
    """The layers from input to output, without those that only flatten."""
    parts: Any = network if isinstance(network, nn.ModuleList | list | tuple) else [network]
    layers = [layer for part in parts for layer in in_order(part)]
    for layer in layers:
        inner = layer.layer if isinstance(layer, DrivenLayer) else layer
        if isinstance(inner, SpikingLayer) and not isinstance(inner.params, _WRITTEN):
            raise TypeError(
                f"to_nir: NIR has no node for the {inner.neuron.name} neuron of this "
                f"{type(layer).__name__}; it has LIF neurons and leaky integrators"
            )
        if type(layer) not in _LAYERS:
            whole = network if isinstance(network, nn.Module) else layer
            raise TypeError(
                f"to_nir cannot write a {type(whole).__name__}: it writes nn.Linear, LIFLayer, "
                "RecurrentLIFLayer, LeakyIntegrator, lists of these, SpikingChain and SpikingMLP; "
                f"found a {type(layer).__name__}"
            )
    return [layer for layer in layers if not isinstance(layer, nn.Flatten)]


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().double().numpy()


def _written(
    nir: Any,
    layer: Any,
    name: str,
    n: int,
    dt: float,
    integrator: str,
    dtype: np.dtype,
    unit_r: bool,
) -> Cells:
    """The fields of a node with n neurons, and the gain that `unit_r` moves into the weights."""
    params, spikes = layer.params, layer.fires
    if spikes:
        why = "NIR's neurons reset to a value"
        if params.reset != "zero":
            raise ValueError(
                f"{name}: NIR cannot represent reset={params.reset!r}, {why}: use reset='zero' and "
                "train again, because the spikes will differ"
            )
        for option, ms in (
            ("refractory", params.refractory_steps),
            ("adaptation", params.adaptation),
        ):
            if ms:
                raise ValueError(
                    f"{name}: NIR's LIF neuron has no {option}: use {option}=0 and train again"
                )

    def spread(field: str) -> np.ndarray:
        found = getattr(params, field)
        array = _array(found) if isinstance(found, Tensor) else np.array(float(found))
        if array.size != 1 and array.shape != (n,):
            raise ValueError(f"{name}: {field} has shape {array.shape} for {n} neurons")
        return np.broadcast_to(array.reshape(-1), (n,))

    tau = spread("tau")
    tau_syn = spread("tau_syn") if spikes and params.tau_syn is not None else None
    node: dict[str, Any] = {}
    if np.isinf(tau).any():
        if not np.isinf(tau).all() or tau_syn is not None:
            raise ValueError(
                f"{name}: NIR allows tau=inf (IF, I) only for all neurons of a layer, and not with "
                "tau_syn: use a long tau, say 1e6 ms"
            )
        node["r"] = np.full(n, 1000 / dt)
    else:
        node["tau" if tau_syn is None else "tau_mem"] = _times(tau, dt, integrator)
        node["r"] = 1 / _losses(tau, dt, integrator)
        node["v_leak"] = np.zeros(n)
    gain = node["r"]
    if tau_syn is not None:
        if np.isinf(tau_syn).any():
            raise ValueError(
                f"{name}: NIR's synaptic current w_in S / tau_syn has no tau_syn=inf: use a long "
                "one, say 1e6 ms"
            )
        node["tau_syn"] = _times(tau_syn, dt, integrator)
        node["w_in"] = 1 / _losses(tau_syn, dt, integrator)
        gain = gain * node["w_in"]
    if spikes:
        heights = spread("threshold")
        node["v_threshold"] = each(lambda v: threshold_to_nir(v, dtype), heights).astype(dtype)
        node["v_reset"] = np.zeros(n)
        tensors = [
            f for f in ("tau", "tau_syn", "threshold") if isinstance(getattr(params, f), Tensor)
        ]
        node["metadata"] = {"tensors": " ".join(tensors)} if tensors else {}
    if unit_r:
        node |= {key: np.ones(n) for key in ("r", "w_in") if key in node}
    kind = "Cuba" * (tau_syn is not None) + "L" * ("v_leak" in node) + "I" + "F" * spikes
    loop = Map(_array(layer.recurrent_weight()), None) if layer.recurrent is not None else None
    return Cells(name, lambda: getattr(nir, kind)(**node), gain, loop)


def _times(tau: np.ndarray, dt: float, integrator: str) -> np.ndarray:
    return each(lambda ms: tau_to_nir(ms, dt, integrator), tau)


def _losses(tau: np.ndarray, dt: float, integrator: str) -> np.ndarray:
    return each(lambda ms: loss_of(1000 * tau_to_nir(ms, dt, integrator), dt, integrator), tau)
