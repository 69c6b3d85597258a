"""Costs of a network: parameters, spikes, operations, and an estimate of the energy.

`count_operations` runs a network and counts the operations of each layer. A model that does not
simply run its layers in sequence counts its own operations in a method ``operations(x)``, as
`ConvSTDP` and the networks with delays do. The counts are exact, but the cost of an operation is an
assumption that depends on the chip, so the numbers in `EnergyModel` can be changed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from jarvis.networks.classifier import in_order
from jarvis.networks.delayed import DelayedLinear, DelayedNetwork
from jarvis.neurons.driven import DrivenLayer
from jarvis.neurons.layers import over_time
from jarvis.support.checks import check_choice, check_number, check_tensor, check_type
from jarvis.training.pruning import mask_of


class Counted(Protocol):
    """Spikes with their own counting method: `Events`, `FirstSpikes`."""

    def count_spikes(self) -> Tensor:
        """Spikes per unit and sample, ``[B, ...]`` int64."""
        ...


@runtime_checkable
class Senders(Protocol):
    """Layers that can count a neuron's outgoing synapses: `ConvSTDP`, `DelayedLinear`."""

    def fan_out(self, shape: Sequence[int] | None) -> Tensor:
        """Synapses per presynaptic neuron, int64, for neurons arranged as ``[C, H, W]``."""
        ...


@runtime_checkable
class LearnedDelays(Protocol):
    """Delays of a model's connections: `jarvis.spatial.Delays`."""

    sizes: tuple[int, ...]
    connections: tuple[tuple[int, int], ...]
    synaptic: str


@runtime_checkable
class Neurons(Protocol):
    """Layers of neurons with a state: `LIFLayer`, `LeakyIntegrator`."""

    fires: bool

    @property
    def n_updates(self) -> int:
        """Number of a neuron's state variables that change in a step without a spike."""
        ...


Spikes = Tensor | Counted
Synapses = Tensor | nn.Linear | nn.Conv2d | Senders


def count_parameters(model: nn.Module, synapses: Sequence[str] = ()) -> dict[str, int]:
    """Number of trainable values of each parameter of a model.

    Synapses removed by a `Pruner` are not counted, nor are the parameters that belong only to them
    (free delays and scale factors of delays). The diagonals of recurrent matrices in a model with
    `Delays`, and parameters that do not require a gradient, are not counted either.

    Args:
        model: a module.
        synapses: for a model with `Delays`, the names of its weights ``[n_pre, n_post]``, in the
            order of the delays' connections.

    Returns:
        ``{name: number}``, with names as in ``model.named_parameters()``; the sum is the total.

    Raises:
        ValueError: if `synapses` does not match the model's delays.

    Example:
        >>> from jarvis.spatial import make_delays
        >>> model = nn.ParameterDict({"w_in": torch.rand(700, 300), "w_rec": torch.rand(300, 300)})
        >>> model.add_module("delays", make_delays("3", (700, 300), ((0, 1), (1, 1))))
        >>> sum(count_parameters(model, ["w_in", "w_rec"]).values())
        302700
    """
    check_type("count_parameters: model", model, nn.Module)
    parameters = {name: p for name, p in model.named_parameters() if p.requires_grad}
    counts = {}
    for name, p in parameters.items():
        mask = mask_of(model, name)
        counts[name] = p.numel() if mask is None else int(mask.sum())
    found = {
        name: module for name, module in model.named_modules() if isinstance(module, LearnedDelays)
    }
    if len(found) != 1:
        if synapses or found:
            raise ValueError(f"synapses={list(synapses)}: the model has {len(found)} Delays, not 1")
        return counts
    ((owner, delays),) = found.items()
    if len(synapses) != len(delays.connections):
        raise ValueError(
            f"synapses={list(synapses)} must name the weights of the {len(delays.connections)} "
            f"connections {delays.connections}"
        )
    known = dict(model.named_parameters())
    for index, (name, (pre, post)) in enumerate(zip(synapses, delays.connections, strict=True)):
        shape = (delays.sizes[pre], delays.sizes[post])
        if name not in known or tuple(known[name].shape) != shape:
            raise ValueError(f"synapses: {name!r} is not a parameter of shape {shape}")
        mask = mask_of(model, name)
        exists = torch.ones(shape, dtype=torch.bool) if mask is None else mask.cpu().clone()
        if pre == post:
            exists.fill_diagonal_(False)
        own = f"{delays.synaptic}.{index}"  # name of the delay parameters, one per synapse
        for each in (name, f"{owner}.{own}" if owner else own):
            if each in counts:
                counts[each] = int(exists.sum())
    return counts


def count_spikes(spikes: Spikes) -> Tensor:
    """Number of spikes per sample and unit, ``[B, ...]`` int64.

    Args:
        spikes: ``[T, B, ...]``, 0 or 1; `Events`; or `FirstSpikes`, whose finite times are counted.

    Raises:
        ValueError: for a tensor that is not ``[T, B, ...]``.

    Example:
        >>> count_spikes(torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])).tolist()
        [[2, 1]]
    """
    if not isinstance(spikes, Tensor):
        if not hasattr(spikes, "count_spikes"):
            raise TypeError(
                "count_spikes: spikes must be a tensor [T, B, n, ...], Events or FirstSpikes, "
                f"not a {type(spikes).__name__}"
            )
        return spikes.count_spikes()
    check_tensor("count_spikes: spikes", spikes, "[T, B, n, ...]", floating=False)
    return (spikes != 0).sum(0)


def fan_out(synapses: Synapses, shape: Sequence[int] | None = None) -> Tensor:
    """Number of outgoing synapses of each presynaptic neuron, int64.

    A synapse exists where a bool matrix is True, or where a weight is not 0.

    Args:
        synapses: a matrix ``[n_pre, n_post]``, bool or float; a PyTorch layer; or a `ConvSTDP`.
        shape: shape ``[C, H, W]`` of the presynaptic neurons, needed for a convolution. Neurons at
            the border have fewer synapses, since there are no targets outside the image.

    Returns:
        ``[n_pre]``, or the given shape for a convolution.

    Raises:
        ValueError: for an invalid matrix or shape, or padding with anything but zeros.

    Example:
        >>> fan_out(torch.tensor([[0.5, 0.0, -1.0], [0.0, 0.0, 0.0]])).tolist()
        [2, 0]
        >>> fan_out(nn.Conv2d(1, 4, 3, bias=False), (1, 3, 3)).tolist()  # one position
        [[[4, 4, 4], [4, 4, 4], [4, 4, 4]]]
    """
    if isinstance(synapses, Senders):
        return synapses.fan_out(shape)
    if isinstance(synapses, nn.Conv2d):
        if shape is None or len(shape) != 3:
            raise ValueError(f"fan_out: a convolution needs shape=(C, H, W), not {shape}")
        if synapses.padding_mode != "zeros":
            raise ValueError(f"fan_out: padding_mode={synapses.padding_mode!r} is not 'zeros'")
        return fan_out_of(lambda x, w: synapses._conv_forward(x, w, None), synapses.weight, shape)
    matrix = synapses.weight.t() if isinstance(synapses, nn.Linear) else synapses
    check_tensor("fan_out: synapses", matrix, "[n_pre, n_post]", floating=False)
    return (matrix != 0).sum(1)


def fan_out_of(
    convolve: Callable[[Tensor, Tensor], Tensor], weight: Tensor, shape: Sequence[int]
) -> Tensor:
    """Synapses per presynaptic neuron of a convolution, int64 ``[C, H, W]``.

    This number is the derivative of the summed output with respect to the input if all nonzero
    weights are set to 1.

    Args:
        convolve: a function that maps an input ``[1, C, H, W]`` and a weight to an output.
        weight: the weights; a synapse exists where they are not 0.
        shape: shape of the presynaptic neurons.
    """
    exists = (weight.detach() != 0).double()
    with torch.enable_grad():
        x = torch.zeros(1, *shape, dtype=torch.double, device=exists.device, requires_grad=True)
        (n,) = torch.autograd.grad(convolve(x, exists).sum(), x)
    return n[0].round().long()


def synaptic_operations(spikes: Spikes, synapses: Synapses) -> Tensor:
    """Additions caused by spikes: one for each spike and each outgoing synapse of the sender.

    ``operations = sum_i n_spikes(i) n_synapses(i)`` for each sample. A spike that would arrive
    after the last step is also counted, since it was sent.

    Args:
        spikes: spikes of the presynaptic neurons: ``[T, B, ...]``, `Events` or `FirstSpikes`.
        synapses: a matrix ``[n_pre, n_post]``, an `nn.Linear`, a `DelayedLinear`, an `nn.Conv2d`
            or a `ConvSTDP`.

    Returns:
        ``[B]`` int64.

    Raises:
        ValueError: if the number of presynaptic neurons does not match the synapses.

    Example:
        >>> spikes = torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])  # [T=2, B=1, 2]
        >>> synaptic_operations(spikes, torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 2.0]])).tolist()
        [5]
    """
    counts = count_spikes(spikes)
    out = fan_out(synapses, counts.shape[1:]).to(counts.device).flatten()
    counts = counts.flatten(1)
    if counts.shape[1] != len(out):
        raise ValueError(
            f"synaptic_operations: spikes of {counts.shape[1]} units, but synapses of {len(out)}"
        )
    return (counts * out).sum(1)


#: Energy of an addition and of a multiplication, pJ, at 45 nm and 0.9 V. Horowitz 2014, ISSCC.
HOROWITZ_2014 = {"float32": (0.9, 3.7), "float16": (0.4, 1.1), "int8": (0.03, 0.2)}


@dataclass(frozen=True, eq=False)
class Operations:
    """Operations of a layer or a network for each sample: four tensors ``[B]`` int64.

    Args:
        spikes: number of spikes fired.
        additions: one for each spike and each existing synapse through which it is sent.
        multiply_adds: one for each real-valued (not spiking) input and each synapse.
        updates: one for each update of a neuron's state variable, which takes place in every step
            of a clocked network, but only when a spike arrives in an event-driven network. An
            update is a multiplication by a decay factor and an addition.

    Example:
        >>> one = Operations.none(1)
        >>> print(one + Operations.none(1, additions=torch.tensor([3])))
        spikes 0, additions 3, multiply-adds 0, updates 0
    """

    spikes: Tensor
    additions: Tensor
    multiply_adds: Tensor
    updates: Tensor

    @staticmethod
    def none(n_samples: int, **given: Tensor) -> "Operations":
        """Zero operations for `n_samples` samples, except for the given counts."""
        zero = {f.name: torch.zeros(n_samples, dtype=torch.int64) for f in fields(Operations)}
        return Operations(**(zero | {name: value.cpu() for name, value in given.items()}))

    @staticmethod
    def total(parts: "Iterable[Operations]") -> "Operations":
        """The sum over layers, such as ``Operations.total(count_operations(model, x).values())``.

        Raises:
            ValueError: if there is nothing to add up.
        """
        parts = list(parts)
        if not parts:
            raise ValueError("Operations.total: parts is empty: there is nothing to add up")
        return sum(parts[1:], parts[0])

    def __add__(self, other: "Operations") -> "Operations":
        names = [f.name for f in fields(self)]
        return Operations(*(getattr(self, name) + getattr(other, name) for name in names))

    def mean(self) -> dict[str, float]:
        """The mean over samples, ``{"spikes": ..., "additions": ..., ...}``."""
        return {f.name: getattr(self, f.name).double().mean().item() for f in fields(self)}

    def __str__(self) -> str:
        shown = (f"{k.replace('_', '-')} {v:,.0f}" for k, v in self.mean().items())
        return ", ".join(shown)


@dataclass(frozen=True)
class EnergyModel:
    """Energy per operation, in pJ::

        E = additions (add + read) + multiply_adds (multiply + add + read)
            + updates (multiply + add + 2 read)

    **What is left out.** By default `read` is 0, as if memory access were free, which it is not. On
    the same 45 nm chip, reading a 32-bit word costs 5 pJ from an 8 kB cache, 50 pJ from 1 MB, and
    more than 650 pJ from DRAM (half of Horowitz's figures for 64 bits): more than any arithmetic.
    Memory traffic then dominates the cost. Each spike fetches the weights of its synapses again,
    and each update reads and writes a state variable. A dense layer, in contrast, fetches each
    weight once and reuses it for all samples of a batch, which this model does not take into
    account. Leakage, clock, spike routing, threshold comparisons and biases are left out for
    spiking and dense networks alike.

    Args:
        add: energy of an addition, pJ.
        multiply: energy of a multiplication, pJ.
        read: energy of a memory access, pJ; each use of a weight takes one access, and each update
            takes two.

    Raises:
        ValueError: for a cost that is negative or not finite, or if all additions were free.

    Source: Horowitz 2014, "Computing's energy problem (and what we can do about it)", ISSCC, fig.
    1.1.9: 45 nm, 0.9 V. The defaults are its values for 32-bit floats.

    Example:
        >>> ops = Operations.none(1, additions=torch.tensor([100]), updates=torch.tensor([10]))
        >>> EnergyModel()(ops)  # 100 additions, and 10 updates of 4.6 pJ
        tensor([136.], dtype=torch.float64)
        >>> round(EnergyModel().break_even, 2), round(EnergyModel.of("int8").break_even, 2)
        (5.11, 7.67)
    """

    add: float = 0.9
    multiply: float = 3.7
    read: float = 0.0

    def __post_init__(self) -> None:
        for name in ("add", "multiply", "read"):
            check_number(name, getattr(self, name), "pJ", at_least=0)
        if not self.add + self.read > 0:
            raise ValueError(f"add={self.add!r} and read={self.read!r} pJ: give one of them a cost")

    @staticmethod
    def of(numbers: str, read: float = 0.0) -> "EnergyModel":
        """Costs for a number format in `HOROWITZ_2014`: "float32", "float16" or "int8".

        Raises:
            ValueError: for an unknown format.
        """
        check_choice("numbers", numbers, HOROWITZ_2014)
        add, multiply = HOROWITZ_2014[numbers]
        return EnergyModel(add, multiply, read)

    def __call__(self, operations: Operations) -> Tensor:
        """Energy per sample, ``[B]`` float64, pJ."""
        product = self.multiply + self.add
        return (
            operations.additions.double() * (self.add + self.read)
            + operations.multiply_adds.double() * (product + self.read)
            + operations.updates.double() * (product + 2 * self.read)
        )

    @property
    def break_even(self) -> float:
        """Number of spikes per input that cost as much as one multiply-add if updates are free."""
        return (self.multiply + self.add + self.read) / (self.add + self.read)


def count_operations(
    model: nn.Module, x: Any, *, skip_zeros: bool = False
) -> dict[str, Operations]:
    """Run a network and count the operations of each of its layers for each sample.

    Layers that receive spikes add. Layers that receive real numbers multiply and add, as does every
    layer of a network without spiking neurons. Clocked neurons are updated in every step, and
    event-driven neurons at every arrival. Pruned synapses, and synapses beyond the border of an
    image, are not counted. An input made by `constant_encode` is multiplied once, not T times.
    State variables that neither leak nor receive input need no update. Biases, comparisons, and the
    search for a first spike between two arrivals are not counted.

    Args:
        model: a `SpikingMLP`, `SpikingCNN`, `SpikingChain` or `nn.Sequential` of linear maps (with
            delays or without), convolutions, LIF neurons, leaky integrators and modules without
            weights or state; a `DelayedNetwork`, without its normalisation; or a model with its own
            method ``operations(x)``: a `ConvSTDP`, a `FirstSpikeNetwork`, a `SpatialNetwork`.
        x: the model's input: ``[T, B, ...]``; ``[B, ...]`` without spiking neurons; times
            ``[B, n]``, ms, for a `FirstSpikeNetwork`; `Events` for a `ConvSTDP` or a
            `SpatialNetwork`.
        skip_zeros: True: products with zeros are not counted, as on hardware that checks for zeros
            first.

    Returns:
        ``{name: Operations}``, with names as in ``model.named_modules()``; "input" holds the input
        spikes. ``Operations.total(counts.values())`` is the sum.

    Raises:
        TypeError: for a model, a layer or an input that cannot be counted.

    Example:
        >>> dense = nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))
        >>> print(Operations.total(count_operations(dense, torch.rand(1, 64)).values()))
        spikes 0, additions 0, multiply-adds 7,400, updates 0
    """
    if isinstance(model, DelayedNetwork):
        model = model.fused()
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            itself = getattr(model, "operations", None)
            return _of_layers(model, x, skip_zeros) if itself is None else itself(x)
    finally:
        model.train(training)


def check_input_kind(model: nn.Module, x: object, kind: type) -> None:
    """Raise a TypeError for an input that is not of the type the model counts."""
    if not isinstance(x, kind):
        raise TypeError(
            f"count_operations: x of a {type(model).__name__} must be of type {kind.__name__}, "
            f"not {type(x).__name__}"
        )


def per_sample(counts: Tensor) -> Tensor:
    """The sum of ``counts [B, ...]`` over all units of each sample, ``[B]``."""
    return counts.flatten(1).sum(1)


def _of_layers(model: nn.Module, x: Tensor, skip_zeros: bool) -> dict[str, Operations]:
    check_input_kind(model, x, Tensor)
    names = {id(module): name for name, module in model.named_modules()}
    layers = list(in_order(model))
    spiking = any(isinstance(layer, Neurons) for layer in layers)
    x = x if spiking else x.unsqueeze(0)
    n = x.shape[1]
    binary, counted = spiking and _is_binary(x), False
    done = {"spikes": per_sample(count_spikes(x))} if binary else {}
    counts = {"input": Operations.none(n, **done)}
    for layer in layers:
        name, before, done = names[id(layer)], x, {}
        if isinstance(layer, nn.Linear | nn.Conv2d | DelayedLinear):
            before = x if isinstance(layer, nn.Conv2d) else x.flatten(2)
            if binary:
                parts = _spike_by_spike(before) if counted else [before]
                done["additions"] = sum(synaptic_operations(part, layer) for part in parts)
            else:
                seen = before[:1] if len(x) > 1 and x.stride(0) == 0 else before
                numbers = seen if skip_zeros else torch.ones_like(seen)
                done["multiply_adds"] = synaptic_operations(numbers, layer)
            delayed = isinstance(layer, DelayedLinear)
            x, binary = layer(before)[0] if delayed else over_time(layer, before), False
        elif isinstance(layer, Neurons):
            done["updates"] = torch.full((n,), len(x) * x.shape[2:].numel() * layer.n_updates)
            x, binary = layer(x)[0], layer.fires  # type: ignore[operator]
            counted = isinstance(layer, DrivenLayer) and layer.steps > 1
            if binary:
                parts = _spike_by_spike(x) if counted else [x]
                done["spikes"] = sum(per_sample(count_spikes(part)) for part in parts)
            if (weight := getattr(layer, "weight", None)) is not None:  # recurrent
                done["additions"] = synaptic_operations(x, weight.t())
        elif layer.state_dict():
            raise TypeError(
                f"count_operations: layer {name!r}, a {type(layer).__name__}, cannot be counted"
            )
        else:  # ReLU, pooling, ...: no synapses
            x = over_time(layer, x)
            binary = binary and _is_binary(x)
            continue
        before_it = counts.get(name, Operations.none(n))  # a layer may be used twice
        counts[name] = before_it + Operations.none(n, **done)
    return counts


def _spike_by_spike(counts: Tensor) -> list[Tensor]:
    """Spike counts as a list of masks: where there is a first spike, a second spike, ..."""
    most = int(counts.max()) if counts.numel() else 1
    return [(counts >= k).to(counts) for k in range(1, max(most, 1) + 1)]


def _is_binary(x: Tensor) -> bool:
    return bool(((x == 0) | (x == 1)).all())
