"""What a network costs: numbers that it is made of, and operations that its spikes cause.

`operations.py` counts a whole network by these, and `energy.py` puts a price on it.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from jarvis.convstdp import ConvSTDP
from jarvis.delays import Delays
from jarvis.events import Events
from jarvis.first_spike import FirstSpikes
from jarvis.pruning import mask_of

Synapses = Tensor | nn.Linear | nn.Conv2d | ConvSTDP


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
        >>> from jarvis import make_delays
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
    found = {name: module for name, module in model.named_modules() if isinstance(module, Delays)}
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


def count_spikes(spikes: Tensor | Events | FirstSpikes) -> Tensor:
    """Spikes of each unit and sample, ``[B, ...]`` int64.

    Args:
        spikes: ``[T, B, ...]``, 0 or 1; `Events`; or `FirstSpikes`, whose finite times are spikes.

    Raises:
        ValueError: for a tensor that is not ``[T, B, ...]``.

    Example:
        >>> count_spikes(torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]])).tolist()
        [[2, 1]]
    """
    if isinstance(spikes, FirstSpikes):
        return spikes.times.isfinite().long()
    if isinstance(spikes, Events):
        batch = torch.arange(len(spikes), device=spikes.units.device)
        where = batch.repeat_interleave(spikes.counts) * spikes.n_units + spikes.units
        counts = torch.bincount(where, minlength=len(spikes) * spikes.n_units)
        return counts.view(len(spikes), *spikes.shape)
    if spikes.dim() < 3:
        raise ValueError(f"count_spikes: spikes must be [T, B, ...]; got {tuple(spikes.shape)}")
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
    if isinstance(synapses, nn.Conv2d | ConvSTDP):
        if shape is None or len(shape) != 3:
            raise ValueError(f"fan_out: a convolution needs shape=(C, H, W), not {shape}")
        exists = (synapses.weight.detach() != 0).double()
        with torch.enable_grad():
            x = torch.zeros(1, *shape, dtype=torch.double, device=exists.device, requires_grad=True)
            heard = _convolved(synapses, x, exists).sum()
        # A sender's synapses are the derivative of all that it adds to, if each weight were 1.
        (n,) = torch.autograd.grad(heard, x)
        return n[0].round().long()
    matrix = synapses.weight.t() if isinstance(synapses, nn.Linear) else synapses
    if matrix.dim() != 2:
        raise ValueError(f"fan_out: synapses must be [n_pre, n_post]; got {tuple(matrix.shape)}")
    return (matrix != 0).sum(1)


def _convolved(layer: nn.Conv2d | ConvSTDP, x: Tensor, weight: Tensor) -> Tensor:
    """What a layer's neurons hear of `x`, by another weight than its own."""
    if isinstance(layer, ConvSTDP):  # a neuron sees k // 2 rows above it, and the rest below
        before = layer.kernel_size // 2
        after = layer.kernel_size - 1 - before
        return F.conv2d(F.pad(x, (before, after, before, after)), weight)
    if layer.padding_mode != "zeros":
        raise ValueError(f"fan_out: padding_mode={layer.padding_mode!r} is not 'zeros'")
    return layer._conv_forward(x, weight, None)


def synaptic_operations(spikes: Tensor | Events | FirstSpikes, synapses: Synapses) -> Tensor:
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
