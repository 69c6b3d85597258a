"""The operations of a whole network, layer by layer, by the counts of `costs.py`."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from jarvis.chain import SpikingChain
from jarvis.classifier import SpikingCNN, SpikingMLP
from jarvis.convstdp import ConvSTDP
from jarvis.costs import count_spikes, synaptic_operations
from jarvis.energy import Operations
from jarvis.events import Events
from jarvis.first_spike import FirstSpikes
from jarvis.first_spike_network import FirstSpikeNetwork
from jarvis.layers import LeakyIntegrator, LIFLayer, RecurrentLIFLayer, over_time
from jarvis.spatial import SpatialNetwork


def count_operations(
    model: nn.Module, x: Tensor | Events, *, skip_zeros: bool = False
) -> dict[str, Operations]:
    """Run a network, and count what each of its layers does for each sample.

    What hears spikes adds. What hears numbers multiplies and adds, and so does all of a network
    without spiking neurons. Neurons on a clock are updated at every step, and those that go from
    event to event at every arrival. Synapses that are pruned, or lie beyond a picture's border, do
    not exist. An input that `constant_encode` made is multiplied once, not T times. What neither
    leaks nor hears stays as it is, and needs no update. Not counted are biases, comparisons, and
    the search for a first spike between two arrivals.

    Args:
        model: a `SpikingMLP`, `SpikingCNN`, `SpikingChain` or `nn.Sequential` of linear maps,
            convolutions, LIF neurons, leaky integrators and what has neither weights nor state; a
            `ConvSTDP`; a `FirstSpikeNetwork`; or a `SpatialNetwork`.
        x: what it hears: ``[T, B, ...]``; ``[B, ...]`` without spiking neurons; times ``[B, n]`` in
            ms for a `FirstSpikeNetwork`; `Events` for a `ConvSTDP` or a `SpatialNetwork`.
        skip_zeros: True leaves out products with a number that is 0: a machine that looks first.

    Returns:
        ``{name: Operations}``, named as in ``model.named_modules()``; "input" has the spikes that
        came in. ``Operations.total(counts.values())`` is the sum.

    Raises:
        TypeError: for a model, a layer or an input that cannot be counted.

    Example:
        >>> dense = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
        >>> print(Operations.total(count_operations(dense, torch.rand(1, 64)).values()))
        spikes 0, additions 0, multiply-adds 7,400, updates 0
    """
    wanted = Events if isinstance(model, ConvSTDP | SpatialNetwork) else Tensor
    if not isinstance(x, wanted):
        raise TypeError(
            f"count_operations: x of a {type(model).__name__} must be of type {wanted.__name__}, "
            f"not {type(x).__name__}"
        )
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            return _counted(model, x, skip_zeros)
    finally:
        model.train(training)


def _counted(model: nn.Module, x: Any, skip_zeros: bool) -> dict[str, Operations]:
    if isinstance(model, ConvSTDP):
        return _of_stdp(model, x)
    if isinstance(model, SpatialNetwork):
        return _of_spatial(model, x)
    if isinstance(model, FirstSpikeNetwork):
        return _of_first_spikes(model, x)
    return _of_layers(model, x, skip_zeros)


def _of_layers(model: nn.Module, x: Tensor, skip_zeros: bool) -> dict[str, Operations]:
    names = {id(module): name for name, module in model.named_modules()}
    layers = list(_in_order(model))
    spiking = any(isinstance(layer, LIFLayer | LeakyIntegrator) for layer in layers)
    x = x if spiking else x.unsqueeze(0)
    n = x.shape[1]
    binary = spiking and _is_binary(x)
    counts = {"input": _done(n, spikes=_each(count_spikes(x))) if binary else _done(n)}
    for layer in layers:
        name, before = names[id(layer)], x
        done: dict[str, Tensor] = {}
        if isinstance(layer, nn.Linear | nn.Conv2d):
            before = x.flatten(2) if isinstance(layer, nn.Linear) else x
            if binary:
                done["additions"] = synaptic_operations(before, layer)
            else:
                seen = before[:1] if len(x) > 1 and x.stride(0) == 0 else before
                numbers = seen if skip_zeros else torch.ones_like(seen)
                done["multiply_adds"] = synaptic_operations(numbers, layer)
            x, binary = over_time(layer, before), False
        elif isinstance(layer, LIFLayer | LeakyIntegrator):
            done["updates"] = torch.full((n,), len(x) * x.shape[2:].numel() * _n_states(layer))
            x = layer(x)[0]
            binary = isinstance(layer, LIFLayer)
            if binary:
                done["spikes"] = _each(count_spikes(x))
            if isinstance(layer, RecurrentLIFLayer):
                done["additions"] = synaptic_operations(x, layer.weight.t())
        elif layer.state_dict():
            raise TypeError(
                f"count_operations: layer {name!r}, a {type(layer).__name__}, cannot be counted"
            )
        else:  # a rectifier, a pooling, ...: no synapses
            x = over_time(layer, x)
            binary = binary and _is_binary(x)
            continue
        counts[name] = counts.get(name, _done(n)) + _done(n, **done)  # a layer may come twice
    return counts


def _is_binary(x: Tensor) -> bool:
    return bool(((x == 0) | (x == 1)).all())


def _in_order(model: nn.Module) -> Iterator[nn.Module]:
    """The layers of a model in the order in which it runs them."""
    if isinstance(model, SpikingMLP | SpikingCNN):
        for synapses, neurons in zip(model.synapses, model.neurons, strict=True):
            yield from _in_order(synapses)
            yield neurons
        yield model.output
        if model.readout.neurons is not None:
            yield model.readout.neurons
    elif isinstance(model, SpikingChain | nn.Sequential):
        for layer in model.layers if isinstance(model, SpikingChain) else model:
            yield from _in_order(layer)
    else:
        yield model


def _n_states(layer: LIFLayer | LeakyIntegrator) -> int:
    """State variables of a neuron that change at a step without a spike: what has to be updated.

    A potential without leak or current stays, as a current that lasts does.
    """
    if isinstance(layer, LeakyIntegrator):
        return int(_fades(layer.tau))
    p = layer.params
    current = p.tau_syn is not None
    potential = current or _fades(p.tau)
    return potential + (current and _fades(p.tau_syn)) + (p.adaptation != 0)


def _fades(tau: Any) -> bool:
    return bool(torch.as_tensor(tau).isfinite().any())


def _of_first_spikes(model: FirstSpikeNetwork, times: Tensor) -> dict[str, Operations]:
    found = [FirstSpikes(times, times), *model.spikes(times)]
    counts = {"input": _done(len(times), spikes=_each(count_spikes(found[0])))}
    for k, (layer, sent, heard) in enumerate(zip(model.layers, found, found[1:], strict=False)):
        additions = synaptic_operations(sent, layer.weight)  # type: ignore[arg-type]
        # An arrival brings the neuron's potential and its current to the present.
        done = dict(spikes=_each(count_spikes(heard)), additions=additions, updates=2 * additions)
        counts[f"layers.{k}"] = _done(len(times), **done)
    return counts


def _of_spatial(model: SpatialNetwork, events: Events) -> dict[str, Operations]:
    out = model(events)
    n = events.counts
    heard = synaptic_operations(events, model.w_in)
    itself = synaptic_operations(out.spikes, model.w_rec * model.others)
    numbers = torch.full_like(n, int((model.readout.weight != 0).sum()))
    fired = _each(out.counts).long().to(n.device)
    return {
        "input": _done(len(n), spikes=n),
        "w_in": _done(len(n), spikes=fired, additions=heard, updates=2 * heard),
        "w_rec": _done(len(n), additions=itself, updates=2 * itself),
        "readout": _done(len(n), multiply_adds=numbers),
    }


def _of_stdp(model: ConvSTDP, events: Events) -> dict[str, Operations]:
    """Its neurons do not forget between two arrivals unless they leak: nothing to update."""
    assert events.n_steps is not None
    fired = model.respond(events)
    steps = events.n_steps if model.leak else 0
    updates = torch.full_like(events.counts, steps * fired.n_units)
    additions = synaptic_operations(events, model)
    done = _done(len(events), spikes=fired.counts, additions=additions, updates=updates)
    return {"input": _done(len(events), spikes=events.counts), "": done}


def _each(counts: Tensor) -> Tensor:
    """The sum over all units of each sample."""
    return counts.flatten(1).sum(1)


def _done(n_samples: int, /, **given: Tensor) -> Operations:
    return Operations.none(n_samples, **{name: v.cpu() for name, v in given.items()})
