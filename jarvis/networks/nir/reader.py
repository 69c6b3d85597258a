"""Reads networks from NIR, the Neuromorphic Intermediate Representation; see also `writer.py`.

The conversion of units is derived in `units.py`.
"""

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from jarvis.lif import LeakyIntegrator, LIFLayer, RecurrentLIFLayer
from jarvis.networks.classifier import Readout, SpikingChain, SpikingMLP
from jarvis.networks.nir.graph import Link, as_chain, load_nir, read_graph
from jarvis.networks.nir.units import (
    INTEGRATORS,
    Cells,
    Map,
    each,
    fold,
    loss_of,
    milliseconds,
    tau_from_nir,
    threshold_from_nir,
)
from jarvis.support.checks import check_choice, check_number
from jarvis.surrogate import SurrogateSpike


def from_nir(
    graph: Any,
    dt: float | None = None,
    *,
    integrator: str | None = None,
    surrogate: str | SurrogateSpike = "fast_sigmoid",
    backend: str = "auto",
    detach_reset: bool = True,
    learnable: Sequence[str] = (),
) -> SpikingChain | SpikingMLP:
    """Build a network from a NIR graph: a chain of linear maps and neurons, possibly recurrent.

    If a node's R differs from the R implied by `lif_step` (see `units.py`), the preceding weights
    are rescaled to compensate; potentials are measured relative to v_leak. Networks written by
    `to_nir` are restored bit for bit, except that the last bit may change in learned times in
    float64 and in other times with more than 15 digits.

    Args:
        graph: a `nir.NIRGraph`, or the path of a file. Supported nodes are Linear, Affine, Flatten,
            LIF, CubaLIF, IF, LI, I, and graphs of these.
        dt: time step, ms, on which the meaning of a graph depends (see `units.py`). NIR itself has
            no time step; None: the dt in the metadata written by `to_nir`.
        integrator: the scheme for which the graph was written: "exact", or "euler" for a graph from
            snnTorch or Norse; None: the scheme in the metadata, or "exact" if there is none.
        surrogate, backend, detach_reset, learnable: options of the `LIFLayer`, which NIR does not
            contain.

    Returns:
        a `SpikingChain`, or a `SpikingMLP` if `to_nir` wrote the graph from one. Both compute in
        float64 if all weights are float64, and otherwise in float32.

    Raises:
        ValueError: for a missing dt, a graph that is not such a chain, nodes of another type, or
            neurons that no LIFLayer can represent; the message names the node.
        TypeError: if `graph` is neither a graph nor a path.
        FileNotFoundError, CorruptDataError: for a file that is missing or corrupted.
        ImportError: without the package `nir`.

    Warns:
        UserWarning: for time constants far from dt (at least a second, more than 1000 dt, or less
            than a tenth of dt) in a graph that `to_nir` did not write. They are probably not in
            seconds, and the network would be silent.

    Source: Pedersen et al. 2024, Nat. Commun. 15:8122, its primitives.

    Example:
        >>> from jarvis import to_nir
        >>> network = [nn.Linear(3, 4), LIFLayer(tau=20.0, dt=0.5, reset="zero")]
        >>> from_nir(to_nir(network)).layers[1].params.tau  # ms
        20.0
    """
    nir = load_nir()
    if isinstance(graph, str | Path):
        graph = read_graph(Path(graph))
    if not isinstance(graph, nir.NIRGraph):
        raise TypeError(f"graph must be a nir.NIRGraph or a path, not {type(graph).__name__}")
    meta = graph.metadata or {}
    if dt is None:
        if "dt" not in meta:
            raise ValueError(
                "NIR has no time step, and the metadata contain none: give dt=..., in ms"
            )
        dt = milliseconds(_seconds("dt", meta))
    check_number("dt", dt, "ms", above=0)
    integrator = str(meta.get("integrator", "exact")) if integrator is None else integrator
    check_choice("integrator", integrator, INTEGRATORS)

    options = dict(
        surrogate=surrogate, backend=backend, detach_reset=detach_reset, learnable=learnable
    )
    shape, links = as_chain(graph)
    maps: list[Any] = [n for link in links for n in link[1:] if hasattr(n, "weight")]
    weights = [np.asarray(node.weight) for node in maps]
    double = bool(weights) and all(weight.dtype == np.float64 for weight in weights)
    dtype = np.dtype("float64" if double else "float32")
    steps: list[Map | Cells] = []
    flat = False
    for link in links:
        kind = type(link.node).__name__
        if kind == "Flatten":
            dims = [int(d) % max(len(shape), 1) for d in (link.node.start_dim, link.node.end_dim)]
            if len(shape) > 1 and dims != [0, len(shape) - 1]:
                raise ValueError(
                    f"node {link.name!r}: Flatten must make a vector of all dimensions of {shape}; "
                    f"it flattens {dims[0]} to {dims[1]}"
                )
            flat, shape = True, (math.prod(shape),)
        elif kind in ("Linear", "Affine"):
            step = _read_map(link.name, link.node, shape)
            steps.append(step)
            shape = step.weight.shape[:1]
        elif kind in ("LIF", "CubaLIF", "IF", "LI", "I"):
            ours = "integrator" in meta  # written by `to_nir`, so in seconds
            steps.append(_read_cells(link, shape, dt, integrator, dtype, options, ours))
        else:
            raise ValueError(
                f"node {link.name!r} is a {kind}: from_nir reads Linear, Affine, Flatten, LIF, "
                "CubaLIF, IF, LI and I"
            )
    fold(steps)
    with torch.random.fork_rng(devices=[]):  # the layers' random initial weights are replaced
        layers = [_module(step, dtype) for step in steps]
        if "readout" not in meta:
            return SpikingChain([nn.Flatten(), *layers] if flat else layers)
        tau = milliseconds(_seconds("readout_tau", meta))
        return _classifier(layers, str(meta["readout"]), tau, dt)


def _seconds(name: str, metadata: Any) -> float:
    """A time from the metadata that `to_nir` wrote, s.

    Raises:
        ValueError: if the time is missing or not a positive number.
    """
    try:
        seconds = float(metadata[name])
    except (KeyError, TypeError, ValueError):
        seconds = math.nan
    if not 0 < seconds < math.inf:
        shown = " ".join(repr(metadata.get(name)).split())  # the repr of an array has several lines
        raise ValueError(
            f"the graph's metadata have {name}={shown:.60}, which must be a positive number of "
            "seconds"
        )
    return seconds


def _numbers(name: str, values: Any) -> np.ndarray:
    """An array of a node, converted to float64.

    Raises:
        ValueError: if it contains anything other than finite numbers.
    """
    found = np.asarray(values)
    if found.dtype.kind not in "fiub":
        raise ValueError(f"{name} must be numbers, not {found.dtype}")
    found = found.astype(np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"{name} is not finite")
    return found


def _check_unit(name: str, field: str, seconds: np.ndarray, dt: float) -> None:
    """Warn of a time constant that is probably not in seconds."""
    low, high = 1000 * seconds.min(), 1000 * seconds.max()  # ms
    far = high if high > 1000 * dt or high >= 1000 else low if low < dt / 10 else None
    if far is not None:
        warnings.warn(
            f"{name}: {field}={far / 1000:g} s is {far / dt:.3g} steps of dt={dt:g} ms: NIR's "
            "times are in seconds; if these are in steps or in ms, convert them to seconds",
            UserWarning,
            stacklevel=4,
        )


def _classifier(layers: list[nn.Module], readout: str, tau: float, dt: float) -> SpikingMLP:
    """Reassemble the layers of a `SpikingMLP`."""
    decoder = Readout(readout, tau=tau, dt=dt)
    n_hidden = (len(layers) - (1 if decoder.neurons is None else 2)) // 2
    wanted = [nn.Linear, LIFLayer] * n_hidden + [nn.Linear]
    wanted += [] if decoder.neurons is None else [type(decoder.neurons)]
    if len(layers) != len(wanted) or not all(map(isinstance, layers, wanted)):
        raise ValueError(
            f"the graph's metadata say that it is a classifier with read-out {readout!r}, but its "
            "nodes do not match: delete metadata['readout'] to read it as a chain"
        )
    linear: list[Any] = layers[0 : 2 * n_hidden + 1 : 2]
    sizes = [layer.in_features for layer in linear] + [linear[-1].out_features]
    model = SpikingMLP(sizes, readout, dt=dt)
    for synapses, layer in zip(model.synapses, linear, strict=False):
        synapses[1] = layer  # type: ignore[index]
    model.neurons = nn.ModuleList(layers[1 : 2 * n_hidden : 2])
    model.output, model.readout = linear[-1], decoder
    if decoder.neurons is not None:
        decoder.neurons = layers[-1]  # type: ignore[assignment]
    return model


def _module(step: Map | Cells, dtype: np.dtype) -> nn.Module:
    if isinstance(step, Cells):
        layer = step.make()
        if step.loop is not None:
            layer.weight = _parameter(step.loop.weight, dtype)
        return layer
    layer = nn.Linear(*step.weight.shape[::-1], bias=step.bias is not None)
    layer.weight = _parameter(step.weight, dtype)
    if step.bias is not None:
        layer.bias = _parameter(step.bias, dtype)
    return layer


def _parameter(values: np.ndarray, dtype: np.dtype) -> nn.Parameter:
    most = np.finfo(dtype).max
    if (np.abs(values) > most).any():
        raise ValueError(
            f"a weight (or bias) times the resistance of the neurons after it is "
            f"{np.abs(values).max():.3g}, too large for {dtype}"
        )
    return nn.Parameter(torch.from_numpy(values.astype(dtype)))


def _read_map(name: str, node: Any, shape: tuple[int, ...]) -> Map:
    weight = _numbers(f"node {name!r}: weight", node.weight)
    bias = getattr(node, "bias", None)
    bias = None if bias is None else _numbers(f"node {name!r}: bias", bias)
    if weight.ndim != 2 or (bias is not None and bias.shape != weight.shape[:1]):
        found = f"weight {weight.shape}" + ("" if bias is None else f", bias {bias.shape}")
        raise ValueError(f"node {name!r}: {found}; a linear map needs [out, in] and [out]")
    if shape and shape != weight.shape[1:]:
        raise ValueError(f"node {name!r} takes {weight.shape[1]} values, but is sent {shape}")
    return Map(weight, bias)


def _read_cells(
    link: Link,
    shape: tuple[int, ...],
    dt: float,
    integrator: str,
    dtype: np.dtype,
    options: dict,
    ours: bool,
) -> Cells:
    """Read a neuron node: return a function that makes its layer, and the gain of its input."""
    name, node = f"node {link.name!r}", link.node
    if len(shape) != 1:
        raise ValueError(f"{name} is sent {shape or 'an unknown shape'}; from_nir needs a vector")
    n = shape[0]
    arrays = {}
    for field in ("tau", "tau_mem", "tau_syn", "r", "w_in", "v_leak", "v_threshold", "v_reset"):
        if hasattr(node, field):
            array = _numbers(f"{name}: {field}", getattr(node, field))
            if array.size != 1 and array.shape != (n,):
                raise ValueError(f"{name}: {field} has shape {array.shape} for {n} neurons")
            arrays[field] = np.broadcast_to(array.reshape(-1), (n,))
    rest = arrays.get("v_leak", np.zeros(n))
    tensors = str(node.metadata.get("tensors", "")).split()

    def value(field: str, array: np.ndarray) -> float | Tensor:
        found = torch.from_numpy(array.astype(dtype))
        if (array == array[0]).all():
            return found[0] if field in tensors else float(array[0])
        return found

    def time(field: str, seconds: np.ndarray) -> tuple[float | Tensor, np.ndarray]:
        if not (seconds > (dt / 1000 if integrator == "euler" else 0.0)).all():
            least = f"dt={dt:g} ms, for a forward Euler step" if integrator == "euler" else "0"
            raise ValueError(f"{name}: {field} must be above {least}")
        if not ours:
            _check_unit(name, field, seconds, dt)
        return (
            value(field, each(lambda s: tau_from_nir(s, dt, integrator), seconds)),
            each(lambda s: loss_of(1000 * s, dt, integrator), seconds),
        )

    values: dict[str, Any] = {"tau": math.inf}
    gain = arrays["r"]
    if "tau" in arrays or "tau_mem" in arrays:
        values["tau"], loss = time("tau", arrays.get("tau", arrays.get("tau_mem", gain)))
        gain = gain * loss
    else:
        gain = gain * (dt / 1000)
    if "tau_syn" in arrays:
        values["tau_syn"], loss = time("tau_syn", arrays["tau_syn"])
        gain = gain * loss * arrays["w_in"]

    if "v_threshold" not in arrays:
        if rest.any():
            raise ValueError(f"{name}: v_leak must be 0: a LeakyIntegrator has resting potential 0")
        if isinstance(values["tau"], Tensor):
            raise ValueError(f"{name}: a LeakyIntegrator has a single tau, not one per neuron")
        return Cells(name, lambda: LeakyIntegrator(values["tau"], dt, options["backend"]), gain)
    if (arrays["v_reset"] != rest).any():
        raise ValueError(
            f"{name}: v_reset must equal v_leak{'' if 'v_leak' in arrays else ' (0)'}: "
            "a LIFLayer(reset='zero') resets to its resting potential"
        )
    heights = (arrays["v_threshold"] - rest).astype(dtype)
    values["threshold"] = value("threshold", each(lambda v: threshold_from_nir(v, dtype), heights))

    def make() -> LIFLayer:
        try:
            if loop is not None:
                return RecurrentLIFLayer(n, dt=dt, reset="zero", **values, **options)
            return LIFLayer(dt=dt, reset="zero", **values, **options)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from error

    loop = None if link.loop is None else _read_map(f"{link.name}, its loop", link.loop, shape)
    if loop is not None and len(loop.weight) != n:
        raise ValueError(f"{name}: its loop gives {len(loop.weight)} values for {n} neurons")
    return Cells(name, make, gain, loop)
