"""Spiking classifiers, their read-outs, and chains of layers with explicit states."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from jarvis.encoding import decoders
from jarvis.lif import LeakyIntegrator, LIFLayer
from jarvis.neurons.layers import over_time
from jarvis.support.checks import check_choice, check_integer


@runtime_checkable
class InOrder(Protocol):
    """Models that list their layers in the order of execution."""

    def layers_in_order(self) -> Iterator[nn.Module]:
        """The layers, first to last."""
        ...


def in_order(model: nn.Module) -> Iterator[nn.Module]:
    """The layers of a model in the order of execution.

    A model that does not simply run its parts in sequence lists them in ``layers_in_order()``.
    """
    if isinstance(model, nn.Sequential):
        layers: Iterable[nn.Module] = model
    elif isinstance(model, InOrder):
        layers = model.layers_in_order()
    else:
        yield model
        return
    for layer in layers:
        yield from in_order(layer)


class SpikingChain(nn.Module):
    """A sequence of linear maps and neurons, as returned by `from_nir`.

    Args:
        layers: `LIFLayer`, `RecurrentLIFLayer`, `LeakyIntegrator`, and stateless modules that
            map ``[B, ...]`` to ``[B, ...]`` (`nn.Linear`, ...).

    Example:
        >>> import torch
        >>> chain = SpikingChain([nn.Linear(3, 4), LIFLayer(), nn.Linear(4, 2), LeakyIntegrator()])
        >>> v, state = chain(torch.rand(10, 5, 3))
        >>> v.shape
        torch.Size([10, 5, 2])
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def layers_in_order(self) -> Iterator[nn.Module]:
        """The layers in the order of execution."""
        return iter(self.layers)

    def forward(self, x: Tensor, state: Sequence | None = None) -> tuple[Tensor, tuple]:
        """Run the layers over ``x [T, B, ...]``.

        Args:
            x: spikes or currents, time first.
            state: the state returned by the previous call, to continue; None for neurons at rest.

        Returns:
            the last layer's output ``[T, B, ...]``, and each layer's state (None for linear maps).

        Raises:
            ValueError: for a state with a different number of layers, or of another batch.
        """
        state = [None] * len(self.layers) if state is None else state
        if len(state) != len(self.layers):
            raise ValueError(
                f"SpikingChain: state has {len(state)} entries for {len(self.layers)} layers"
            )
        states = []
        for layer, before in zip(self.layers, state, strict=True):
            if isinstance(layer, LIFLayer | LeakyIntegrator):
                x, after = layer(x, before)  # type: ignore[arg-type]
            else:
                x, after = over_time(layer, x), None
            states.append(after)
        return x, tuple(states)


#: Read-outs: "mean" averages currents, two read a potential, three read spiking output neurons.
READOUTS = ("mean", "last", "max", "rate", "first", "trace")

_POTENTIAL = {"last": decoders.last_potential_decode, "max": decoders.max_potential_decode}


class Readout(nn.Module):
    """Map the output units' currents over time to one score per class.

    ======  ==============================================================
    mean    mean current: every step has the same weight
    last    last potential of a leaky integrator: late steps count more
    max     largest potential of a leaky integrator
    rate    spike counts of output LIF neurons
    first   ``T - step of the first spike`` of output LIF neurons
    trace   their exponentially filtered spike train at the last step
    ======  ==============================================================

    Args:
        readout: a name from the table.
        tau: time constant of the integrator or of the output neurons (and of the trace), ms;
            "mean" has none.
        dt: time step, ms.
        **lif: further options of the output `LIFLayer`.

    Raises:
        ValueError: for an unknown name.

    Example:
        >>> Readout("last", tau=20.0)(torch.rand(10, 4, 3)).shape
        torch.Size([4, 3])
    """

    def __init__(self, readout: str = "mean", tau: float = 20.0, dt: float = 1.0, **lif) -> None:
        super().__init__()
        check_choice("readout", readout, READOUTS)
        self.readout, self.tau, self.dt = readout, tau, dt
        if readout == "mean":
            self.neurons = None
        elif readout in _POTENTIAL:
            self.neurons = LeakyIntegrator(tau, dt)
        else:
            self.neurons = LIFLayer(tau=tau, dt=dt, **lif)

    def forward(self, currents: Tensor) -> Tensor:
        """``[T, B, C] -> [B, C]``."""
        if self.neurons is None:
            return currents.mean(0)
        out, _ = self.neurons(currents)
        if self.readout in _POTENTIAL:
            return _POTENTIAL[self.readout](out)
        if self.readout == "rate":
            return out.sum(0)
        if self.readout == "trace":
            return decoders.trace_decode(out, self.tau, self.dt)
        return len(out) - decoders.first_spike_decode(out)

    def extra_repr(self) -> str:
        return repr(self.readout)


class _Spiking(nn.Module):
    """A stack of (synapses, neurons) and a read-out."""

    synapses: nn.ModuleList
    neurons: nn.ModuleList
    output: nn.Linear
    readout: Readout

    def layers_in_order(self) -> Iterator[nn.Module]:
        """The layers in the order of execution."""
        for synapses, neurons in zip(self.synapses, self.neurons, strict=True):
            yield synapses
            yield neurons
        yield self.output
        if self.readout.neurons is not None:
            yield self.readout.neurons

    def forward(self, x: Tensor, *, return_spikes: bool = False):
        """Classify a batch of sequences.

        Args:
            x: input spikes or currents ``[T, B, ...]``.
            return_spikes: also return the spikes of every hidden layer.

        Returns:
            scores ``[B, n_classes]``; with `return_spikes` also a list of ``[T, B, ...]``.
        """
        hidden = []
        for synapses, neurons in zip(self.synapses, self.neurons, strict=True):
            x, _ = neurons(over_time(synapses, x))
            hidden.append(x)
        x = x.flatten(2)
        if isinstance(self.readout, Readout) and self.readout.neurons is None:
            # The mean of a linear map is the map of the mean: one product instead of T, and a
            # gradient that is the same in every step (a sum keeps it a view, a mean would not).
            scores = self.output(x.sum(0) / len(x))
        else:
            scores = self.readout(over_time(self.output, x))
        return (scores, hidden) if return_spikes else scores


class SpikingMLP(_Spiking):
    """Fully connected layers of LIF neurons and a read-out.

    Args:
        sizes: units per layer, input and classes included: ``(784, 1000, 10)``.
        readout: see `Readout`.
        tau_readout: its time constant, ms; None takes `tau`.
        gain: factor on the hidden synapses' initial weights and biases: a larger gain gives more
            spikes initially.
        tau, dt, **lif: options of the hidden `LIFLayer`.

    Raises:
        ValueError: for fewer than two sizes, one below 1, or an option out of range.

    Example:
        >>> model = SpikingMLP((32, 16, 2))
        >>> model(torch.ones(25, 4, 32)).shape
        torch.Size([4, 2])
    """

    def __init__(
        self,
        sizes: Sequence[int],
        readout: str = "mean",
        *,
        tau: float = 20.0,
        dt: float = 1.0,
        tau_readout: float | None = None,
        gain: float = 1.0,
        **lif,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"sizes={tuple(sizes)!r}: give at least input and output")
        for i, size in enumerate(sizes):
            check_integer(f"sizes[{i}]", size, at_least=1)
        pairs = list(pairwise(sizes[:-1]))
        linear = [nn.Linear(a, b) for a, b in pairs]
        with torch.no_grad():
            for layer in linear:
                layer.weight.mul_(gain)
                layer.bias.mul_(gain)
        self.synapses = nn.ModuleList(nn.Sequential(nn.Flatten(), layer) for layer in linear)
        self.neurons = nn.ModuleList(LIFLayer(tau=tau, dt=dt, **lif) for _ in pairs)
        self.output = nn.Linear(sizes[-2], sizes[-1])
        tau_readout = tau if tau_readout is None else tau_readout
        self.readout = Readout(readout, tau=tau_readout, dt=dt, **lif)


class SpikingCNN(_Spiking):
    """Two convolutions with pooling, each followed by LIF neurons, and a linear read-out.

    The 5x5 convolutions preserve the size, 2x2 max-pooling halves it. Pooling acts on the currents,
    so that the whole first stage is computed only once for a constant input.

    Args:
        shape: (channels, height, width) of the input.
        n_classes: number of classes.
        channels: feature maps of the two convolutions.
        readout: see `Readout`.
        tau_readout: its time constant, ms; None takes `tau`.
        tau, dt, **lif: options of the `LIFLayer`.

    Raises:
        ValueError: for a picture smaller than 4x4, or an option out of range.

    Example:
        >>> model = SpikingCNN((1, 8, 8), n_classes=10, channels=(4, 8))
        >>> model(torch.rand(5, 2, 1, 8, 8)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self,
        shape: tuple[int, int, int] = (1, 28, 28),
        n_classes: int = 10,
        channels: tuple[int, int] = (16, 32),
        readout: str = "mean",
        *,
        tau: float = 20.0,
        dt: float = 1.0,
        tau_readout: float | None = None,
        **lif,
    ) -> None:
        super().__init__()
        n_channels, height, width = shape
        if height < 4 or width < 4:
            raise ValueError(f"shape={shape!r}: two 2x2 poolings need a picture of at least 4x4")
        first, second = channels
        self.synapses = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 5, padding=2), nn.MaxPool2d(2))
            for a, b in ((n_channels, first), (first, second))
        )
        self.neurons = nn.ModuleList(LIFLayer(tau=tau, dt=dt, **lif) for _ in range(2))
        self.output = nn.Linear(second * (height // 4) * (width // 4), n_classes)
        tau_readout = tau if tau_readout is None else tau_readout
        self.readout = Readout(readout, tau=tau_readout, dt=dt, **lif)
