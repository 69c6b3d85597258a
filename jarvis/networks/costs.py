"""What a network costs: learned numbers, spikes, operations, and an estimate of the energy.

`count_operations` runs a network and counts layer by layer. A model whose layers do not simply
follow each other counts itself, by a method ``operations(x)``; so do `ConvSTDP` and the networks
with delays. What is counted is exact; what an operation costs is an assumption, which depends on
the chip, and so `EnergyModel` holds it as numbers that can be changed.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from jarvis.networks.classifier import in_order
from jarvis.neurons.layers import over_time
from jarvis.support.checks import check_choice, check_number, check_tensor
from jarvis.training.pruning import mask_of


class Counted(Protocol):
    """Spikes that count themselves: `Events`, `FirstSpikes`."""

    def count_spikes(self) -> Tensor:
        """Spikes of each unit and sample, ``[B, ...]`` int64."""
        ...


@runtime_checkable
class Senders(Protocol):
    """Synapses that know how many of them each sender has: `ConvSTDP`."""

    def fan_out(self, shape: Sequence[int] | None) -> Tensor:
        """Synapses of each sender, int64, for senders of a shape ``[C, H, W]``."""
        ...


@runtime_checkable
class LearnedDelays(Protocol):
    """Delays of a model's connections: `jarvis.spatial.Delays`."""

    sizes: tuple[int, ...]
    connections: tuple[tuple[int, int], ...]
    synaptic: str


@runtime_checkable
class Neurons(Protocol):
    """Layers of neurons, which keep a state: `LIFLayer`, `LeakyIntegrator`."""

    fires: bool

    @property
    def n_updates(self) -> int:
        """State variables of a neuron that change in a step without a spike."""
        ...


Spikes = Tensor | Counted
Synapses = Tensor | nn.Linear | nn.Conv2d | Senders


def count_parameters(model: nn.Module, synapses: Sequence[str] = ()) -> dict[str, int]:
    """How many numbers of a model are learned, by parameter; the sum of the values is the total.

    Synapses that a `Pruner` took away do not count, nor what is learned for them alone: their free
    delay or stretch. Nor do the diagonals of recurrent matrices of a model with `Delays`.
    Parameters that need no gradient do not count.

    Args:
        model: a module.
        synapses: of a model with `Delays`: the names of its weights ``[n_pre, n_post]``, in the
            order of the delays' connections.

    Returns:
        ``{name: number}``, as in ``model.named_parameters()``.

    Raises:
        ValueError: if `synapses` does not fit the model's delays.

    Example:
        >>> from jarvis.spatial import make_delays
        >>> model = nn.ParameterDict({"w_in": torch.rand(700, 300), "w_rec": torch.rand(300, 300)})
        >>> model.add_module("delays", make_delays("3", (700, 300), ((0, 1), (1, 1))))
        >>> sum(count_parameters(model, ["w_in", "w_rec"]).values())
        302700
    """
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
            raise ValueError(f"synapses: {name!r} is no parameter of shape {shape}")
        mask = mask_of(model, name)
        exists = torch.ones(shape, dtype=torch.bool) if mask is None else mask.cpu().clone()
        if pre == post:
            exists.fill_diagonal_(False)
        own = f"{delays.synaptic}.{index}"  # what the delays learn for each synapse
        for each in (name, f"{owner}.{own}" if owner else own):
            if each in counts:
                counts[each] = int(exists.sum())
    return counts


def count_spikes(spikes: Spikes) -> Tensor:
    """Spikes of each unit and sample, ``[B, ...]`` int64.

    Args:
        spikes: ``[T, B, ...]``, 0 or 1; `Events`; or `FirstSpikes`, whose finite times are spikes.

    Raises:
        ValueError: for a tensor that is not ``[T, B, ...]``.

    Example:
        >>> count_spikes(torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])).tolist()
        [[2, 1]]
    """
    if not isinstance(spikes, Tensor):
        return spikes.count_spikes()
    check_tensor("count_spikes: spikes", spikes, "[T, B, n, ...]", floating=False)
    return (spikes != 0).sum(0)


def fan_out(synapses: Synapses, shape: Sequence[int] | None = None) -> Tensor:
    """How many synapses each sender has, int64.

    A synapse exists where a bool matrix is True, or where a weight is not 0.

    Args:
        synapses: a matrix ``[n_pre, n_post]``, bool or float; a layer of PyTorch; or a `ConvSTDP`.
        shape: of the senders, ``[C, H, W]``: what a convolution needs to know. At its border a
            sender has fewer synapses: what would lie outside the picture does not exist.

    Returns:
        ``[n_pre]``, or of the given shape for a convolution.

    Raises:
        ValueError: for a matrix, or a shape, that is none; for padding other than with zeros.

    Example:
        >>> fan_out(torch.tensor([[0.5, 0.0, -1.0], [0.0, 0.0, 0.0]])).tolist()
        [2, 0]
        >>> fan_out(nn.Conv2d(1, 4, 3, bias=False), (1, 3, 3)).tolist()  # one place fits
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
    """Synapses of each sender of a convolution, int64 ``[C, H, W]``.

    A sender's synapses are the derivative of all that it adds to, if each weight were 1.

    Args:
        convolve: maps senders ``[1, C, H, W]`` and a weight to receivers.
        weight: a synapse exists where it is not 0.
        shape: of the senders.
    """
    exists = (weight.detach() != 0).double()
    with torch.enable_grad():
        x = torch.zeros(1, *shape, dtype=torch.double, device=exists.device, requires_grad=True)
        (n,) = torch.autograd.grad(convolve(x, exists).sum(), x)
    return n[0].round().long()


def synaptic_operations(spikes: Spikes, synapses: Synapses) -> Tensor:
    """Additions that spikes cause: one for each spike and each synapse that its neuron sends by.

    ``operations = sum_i n_spikes(i) n_synapses(i)`` of each sample. A spike whose delay ends after
    the last step counts too: it was sent.

    Args:
        spikes: of the senders: ``[T, B, ...]``, `Events` or `FirstSpikes`.
        synapses: what they send by: a matrix ``[n_pre, n_post]``, an `nn.Linear`, an `nn.Conv2d`
            or a `ConvSTDP`.

    Returns:
        ``[B]`` int64.

    Raises:
        ValueError: if there are not as many senders as the synapses have.

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
    """Operations of a layer, or of a network, for each sample: four tensors ``[B]`` int64.

    Args:
        spikes: that were fired.
        additions: one for each spike and each synapse that exists and that it is sent by.
        multiply_adds: one for each number (not a spike) and each synapse: a product and its sum.
        updates: one for each state variable of a neuron that is brought to the present: at every
            step of a clock, or at every arrival of a spike where there is no clock. It is a
            multiplication by a decay, and an addition.

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
        """No operations of so many samples, but for what is given."""
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
    """A price of each operation, in pJ::

        E = additions (add + read) + multiply_adds (multiply + add + read)
            + updates (multiply + add + 2 read)

    **What is left out.** By default `read` is 0: memory is free, which it is not. On the same 45 nm
    chip a 32-bit word from a cache of 8 kB costs 5 pJ, of 1 MB 50 pJ, from DRAM more than 650 pJ
    (half of Horowitz's figures for 64 bits): more than any arithmetic. Then what counts is how
    often a number is fetched. A spike fetches its weights each time that it comes, an update
    fetches its state and puts it back; a dense layer fetches each weight once, and shares it
    among the samples of a batch, which this model does not credit it with. Leakage, clock, routing
    of spikes, thresholds' comparisons and biases are left out on both sides.

    Args:
        add: an addition, pJ.
        multiply: a multiplication, pJ.
        read: an access to memory, pJ: one for each weight, two for each update.

    Raises:
        ValueError: for a price that is negative or not finite, or if all additions were free.

    Source: Horowitz 2014, "Computing's energy problem (and what we can do about it)", ISSCC, fig.
    1.1.9: 45 nm, 0.9 V. The defaults are its 32-bit floats.

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
        """Prices of a kind of number in `HOROWITZ_2014`: "float32", "float16" or "int8".

        Raises:
            ValueError: for another kind.
        """
        check_choice("numbers", numbers, HOROWITZ_2014)
        add, multiply = HOROWITZ_2014[numbers]
        return EnergyModel(add, multiply, read)

    def __call__(self, operations: Operations) -> Tensor:
        """Energy of each sample, ``[B]`` float64, pJ."""
        product = self.multiply + self.add
        return (
            operations.additions.double() * (self.add + self.read)
            + operations.multiply_adds.double() * (product + self.read)
            + operations.updates.double() * (product + 2 * self.read)
        )

    @property
    def break_even(self) -> float:
        """Spikes of an input that cost as much as one multiply-add, updates left out."""
        return (self.multiply + self.add + self.read) / (self.add + self.read)


def count_operations(
    model: nn.Module, x: Any, *, skip_zeros: bool = False
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
            convolutions, LIF neurons, leaky integrators and what has neither weights nor state; or
            one that counts itself, by a method ``operations(x)``: a `ConvSTDP`, a
            `FirstSpikeNetwork`, a `SpatialNetwork`.
        x: its input: ``[T, B, ...]``; ``[B, ...]`` without spiking neurons; times ``[B, n]``,
            ms, for a `FirstSpikeNetwork`; `Events` for a `ConvSTDP` or a `SpatialNetwork`.
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
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            itself = getattr(model, "operations", None)
            return _of_layers(model, x, skip_zeros) if itself is None else itself(x)
    finally:
        model.train(training)


def check_input_kind(model: nn.Module, x: object, kind: type) -> None:
    """TypeError for an input of another type than the model counts by."""
    if not isinstance(x, kind):
        raise TypeError(
            f"count_operations: x of a {type(model).__name__} must be of type {kind.__name__}, "
            f"not {type(x).__name__}"
        )


def per_sample(counts: Tensor) -> Tensor:
    """The sum over all units of each sample: ``[B, ...] -> [B]``."""
    return counts.flatten(1).sum(1)


def _of_layers(model: nn.Module, x: Tensor, skip_zeros: bool) -> dict[str, Operations]:
    check_input_kind(model, x, Tensor)
    names = {id(module): name for name, module in model.named_modules()}
    layers = list(in_order(model))
    spiking = any(isinstance(layer, Neurons) for layer in layers)
    x = x if spiking else x.unsqueeze(0)
    n = x.shape[1]
    binary = spiking and _is_binary(x)
    done = {"spikes": per_sample(count_spikes(x))} if binary else {}
    counts = {"input": Operations.none(n, **done)}
    for layer in layers:
        name, before, done = names[id(layer)], x, {}
        if isinstance(layer, nn.Linear | nn.Conv2d):
            before = x.flatten(2) if isinstance(layer, nn.Linear) else x
            if binary:
                done["additions"] = synaptic_operations(before, layer)
            else:
                seen = before[:1] if len(x) > 1 and x.stride(0) == 0 else before
                numbers = seen if skip_zeros else torch.ones_like(seen)
                done["multiply_adds"] = synaptic_operations(numbers, layer)
            x, binary = over_time(layer, before), False
        elif isinstance(layer, Neurons):
            done["updates"] = torch.full((n,), len(x) * x.shape[2:].numel() * layer.n_updates)
            x, binary = layer(x)[0], layer.fires  # type: ignore[operator]
            if binary:
                done["spikes"] = per_sample(count_spikes(x))
            if (weight := getattr(layer, "weight", None)) is not None:  # recurrent
                done["additions"] = synaptic_operations(x, weight.t())
        elif layer.state_dict():
            raise TypeError(
                f"count_operations: layer {name!r}, a {type(layer).__name__}, cannot be counted"
            )
        else:  # a rectifier, a pooling, ...: no synapses
            x = over_time(layer, x)
            binary = binary and _is_binary(x)
            continue
        before_it = counts.get(name, Operations.none(n))  # a layer may come twice
        counts[name] = before_it + Operations.none(n, **done)
    return counts


def _is_binary(x: Tensor) -> bool:
    return bool(((x == 0) | (x == 1)).all())
