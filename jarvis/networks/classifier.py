"""Spiking classifiers, their read-outs, and chains of layers with explicit states."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from jarvis.encoding import decoders
from jarvis.lif import LeakyIntegrator, LIFLayer, LIFState
from jarvis.neurons.decay import exp_decay
from jarvis.neurons.definition import RecurrentState, detached
from jarvis.neurons.layers import Stateful, over_time
from jarvis.support.checks import (
    check_choice,
    check_integer,
    check_number,
    check_tensor,
    check_type,
)


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
        layers: layers with a state, which receive ``[T, B, ...]`` (`LIFLayer`, any other
            `SpikingLayer`, `DrivenLayer`, `DelayedLinear`), and stateless modules that map
            ``[B, ...]`` to ``[B, ...]`` (`nn.Linear`, ...).

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
            ValueError: for a state with a different number of layers or from a different batch.
        """
        state = [None] * len(self.layers) if state is None else state
        if len(state) != len(self.layers):
            raise ValueError(
                f"SpikingChain: state has {len(state)} entries for {len(self.layers)} layers"
            )
        states = []
        for layer, before in zip(self.layers, state, strict=True):
            if isinstance(layer, Stateful):
                x, after = layer(x, before)
            else:
                x, after = over_time(layer, x), None
            states.append(after)
        return x, tuple(states)


#: Read-outs: of currents ("mean"), of a potential ("last", "max"), or of output spikes (the rest).
READOUTS = ("mean", "last", "max", "rate", "first", "trace")

_POTENTIAL = {"last": decoders.last_potential_decode, "max": decoders.max_potential_decode}


class ReadoutState(NamedTuple):
    """State of a `Readout` between two steps: what the read-out must know about the steps so far.

    Tensors are ``[B, C]``, except for `steps`. Fields that the read-out does not need are None.
    Sums are kept at least in float32, since a sum in half precision soon stops growing.
    """

    #: state of the integrator (its potential) or of the output neurons; None for "mean"
    neurons: Tensor | LIFState | RecurrentState | None = None
    steps: Tensor | None = None  #: number of steps ``[B]`` int64, for "mean"
    #: sum of the currents, for "mean". In a classifier, it is the sum of the last hidden layer's
    #: spikes ``[B, n_hidden]``, which the output's linear map turns into the sum of the currents.
    total: Tensor | None = None
    maximum: Tensor | None = None  #: largest potential, for "max"
    counts: Tensor | None = None  #: number of spikes, for "rate"
    since: Tensor | None = None  #: number of steps from the first spike on, for "first"
    silent: Tensor | None = None  #: 1 before the first spike, then 0, for "first"
    trace: Tensor | None = None  #: exponentially filtered spike train, for "trace"

    def detach(self) -> "ReadoutState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class Readout(nn.Module):
    """Map the output units' currents over time to one score per class.

    ======  ==============================================================
    mean    mean current: every step has the same weight
    last    last potential of a leaky integrator: late steps count more
    max     largest potential of a leaky integrator
    rate    spike counts of output LIF neurons
    first   ``T - step of the first spike`` of output LIF neurons
    trace   exponentially filtered spikes of output LIF neurons at the end
    ======  ==============================================================

    Args:
        readout: a name from the table.
        tau: time constant of the integrator or of the output neurons (and of the trace), ms; not
            used by "mean".
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

    def forward(
        self, currents: Tensor, state: ReadoutState | None = None, *, return_state: bool = False
    ):
        """Score a sequence, or the next piece of one.

        Args:
            currents: ``[T, B, C]``. A piece with T = 0 is allowed and changes nothing.
            state: the state returned for the previous piece, to continue; None to start.
            return_state: also return the state after the last step.

        Returns:
            scores ``[B, C]`` of all steps so far, as if they were one sequence; with
            `return_state`, ``(scores, state)``. Before the first step, the scores are NaN for
            "mean", ``-inf`` for "max", and 0 otherwise.

        Raises:
            ValueError: for the state of a different read-out or of a different batch.

        Example:
            >>> readout = Readout("max", tau=20.0)
            >>> currents = torch.rand(10, 4, 3)
            >>> _, state = readout(currents[:6], return_state=True)
            >>> torch.equal(readout(currents[6:], state), readout(currents))
            True
        """
        if state is None and not return_state:
            return self._whole(currents)
        scores, after = self._continue(currents, state)
        return (scores, after) if return_state else scores

    def _whole(self, currents: Tensor) -> Tensor:
        """The scores of a whole sequence, from neurons at rest."""
        check_tensor("Readout: currents", currents, "[T>=1, B, C]")
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

    def _continue(self, x: Tensor, state: ReadoutState | None) -> tuple[Tensor, ReadoutState]:
        """The scores and the state after the next piece."""
        start = self._start(x)
        if state is None:
            state = start
        else:
            _check_readout_state(f"Readout({self.readout!r})", state, start)
        if self.neurons is not None:
            x, after = self.neurons(x, state.neurons)
            state = state._replace(neurons=after)
        if len(x):
            state = self._advance(x, state)
        return self._scores(state).to(x.dtype), state

    def _start(self, x: Tensor) -> ReadoutState:
        """The state before the first step of an input like `x`."""
        one_step = x.new_empty(x.shape[1:])
        wide = torch.promote_types(x.dtype, torch.float32)
        zeros = torch.zeros_like(one_step, dtype=wide)
        if self.neurons is None:
            steps = zeros.new_zeros(len(zeros), dtype=torch.int64)
            return ReadoutState(steps=steps, total=zeros)
        neurons = self.neurons.initial_state(one_step)
        if self.readout == "last":
            return ReadoutState(neurons.v)
        if self.readout == "max":
            return ReadoutState(neurons.v, maximum=torch.full_like(neurons.v, -torch.inf))
        if self.readout == "rate":
            return ReadoutState(neurons, counts=zeros)
        if self.readout == "trace":
            return ReadoutState(neurons, trace=zeros)
        return ReadoutState(neurons, since=zeros, silent=torch.ones_like(zeros))

    def _advance(self, out: Tensor, before: Any) -> ReadoutState:
        """The state after a piece of T >= 1 steps of currents, potentials or spikes."""
        if self.readout == "mean":
            total = before.total + out.sum(0, dtype=before.total.dtype)
            return before._replace(steps=before.steps + len(out), total=total)
        if self.readout == "last":
            return before._replace(neurons=_POTENTIAL["last"](out))
        if self.readout == "max":
            return before._replace(maximum=torch.maximum(before.maximum, _POTENTIAL["max"](out)))
        if self.readout == "rate":
            return before._replace(counts=before.counts + out.sum(0, dtype=before.counts.dtype))
        if self.readout == "trace":
            left = exp_decay(self.tau, self.dt) ** len(out)
            new = decoders.trace_decode(out, self.tau, self.dt)
            return before._replace(trace=left * before.trace + new)
        out = out.to(before.since.dtype)
        waited = before.silent * decoders.first_spike_decode(out)
        silent = before.silent * (1.0 - out).prod(0)
        return before._replace(since=before.since + (len(out) - waited), silent=silent)

    def _scores(self, state: Any) -> Tensor:
        if self.readout == "mean":
            return state.total / state.steps.unflatten(0, (-1, *[1] * (state.total.dim() - 1)))
        return getattr(state, _SCORES[self.readout])

    def extra_repr(self) -> str:
        return repr(self.readout)


#: The field of the state that holds the scores.
_SCORES = dict(last="neurons", max="maximum", rate="counts", first="since", trace="trace")


def _check_readout_state(name: str, state: Any, wanted: ReadoutState) -> None:
    """Raise ValueError for a state of another read-out or batch; neurons check their own states."""
    if not isinstance(state, ReadoutState):
        raise ValueError(
            f"{name}: state is a {type(state).__name__}, but a read-out needs a ReadoutState"
        )
    for field, given, known in zip(state._fields, state, wanted, strict=True):
        if (given is None) != (known is None):
            found = "missing" if given is None else "set"
            raise ValueError(
                f"{name}: state.{field} is {found}, so this state comes from another read-out"
            )
    for field, given, known in zip(state._fields, state, wanted, strict=True):
        if not isinstance(known, Tensor):
            continue
        if not isinstance(given, Tensor):
            raise ValueError(
                f"{name}: state.{field} must be a tensor, not {type(given).__name__}: this state "
                "comes from another read-out"
            )
        if given.shape != known.shape:
            raise ValueError(
                f"{name}: state.{field} has shape {tuple(given.shape)}, but for this input it is "
                f"{tuple(known.shape)}: pass state=None for a new batch"
            )


class ClassifierState(NamedTuple):
    """State of a classifier between two steps.

    With ``state._replace(readout=None)``, the neurons continue, but only later steps are scored.
    """

    hidden: tuple  #: the state of each hidden layer, first to last
    readout: ReadoutState | None  #: the state of the read-out; None: the read-out starts again

    def detach(self) -> "ClassifierState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class _Spiking(nn.Module):
    """A stack of layers, each of synapses and neurons, and a read-out."""

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

    def forward(
        self,
        x: Tensor,
        state: ClassifierState | None = None,
        *,
        return_spikes: bool = False,
        return_state: bool = False,
    ):
        """Classify a batch of sequences, or continue with the next piece of each.

        Args:
            x: input spikes or currents ``[T, B, ...]``. A piece with T = 0 is allowed and changes
                nothing.
            state: the state returned for the previous piece, to continue; None for neurons at rest.
            return_spikes: also return the spikes of every hidden layer.
            return_state: also return the state after the last step.

        Returns:
            scores ``[B, n_classes]`` of all steps so far, as if they were one sequence. They are
            followed by a list of spikes ``[T, B, ...]`` with `return_spikes`, and by the state, a
            `ClassifierState`, with `return_state`. Before the first step, the scores are the same
            as those of `Readout`.

        Raises:
            ValueError: for the state of a network that differs in layers or options, or of a
                different batch.
            TypeError: for a `state` or `return_state` with a read-out that is not a `Readout`.

        Example:
            >>> model = SpikingMLP((32, 16, 2), "rate")
            >>> x = torch.ones(25, 4, 32)
            >>> state = None
            >>> for piece in x.split(10):
            ...     scores, state = model(piece, state, return_state=True)
            >>> torch.equal(scores, model(x))
            True
        """
        stepped = state is not None or return_state
        if stepped:
            self._check_steppable(state)
        rest = [()] * len(self.neurons)
        before = rest if state is None else [(part,) for part in state.hidden]
        hidden, states = [], []
        for synapses, neurons, part in zip(self.synapses, self.neurons, before, strict=True):
            x, after = neurons(over_time(synapses, x), *part)
            hidden.append(x)
            states.append(after)
        x = x.flatten(2)
        last = None if state is None else state.readout
        if isinstance(self.readout, Readout) and self.readout.neurons is None:
            # The mean of a linear map is the map of the mean, which takes one product instead of T.
            # The gradient is the same in every step: with `sum` it stays a view, with `mean` it
            # would not.
            if stepped:
                mean, last = self.readout._continue(x, last)
            else:
                check_tensor(f"{type(self).__name__}: input", x, "[T>=1, B, ...]")
                mean = x.sum(0) / len(x)
            scores = self.output(mean)
        else:
            currents = over_time(self.output, x)
            if stepped:
                scores, last = self.readout(currents, last, return_state=True)
            else:
                scores = self.readout(currents)
        results = (scores, *[hidden] * return_spikes)
        if return_state:
            results += (ClassifierState(tuple(states), last),)
        return results if len(results) > 1 else scores

    def _check_steppable(self, state: Any) -> None:
        """Raise an error for a read-out without a state, or for the state of another network.

        The layers check their own states.
        """
        name = type(self).__name__
        if not isinstance(self.readout, Readout):
            raise TypeError(
                f"{name}: the read-out is a {type(self.readout).__name__}, which has no state: "
                "only a Readout can score a sequence in pieces"
            )
        if state is None:
            return
        if not isinstance(state, ClassifierState):
            raise ValueError(
                f"{name}: state is a {type(state).__name__}, but a classifier needs a "
                "ClassifierState"
            )
        if len(state.hidden) != len(self.neurons):
            raise ValueError(
                f"{name}: state has {len(state.hidden)} hidden layers, but this network has "
                f"{len(self.neurons)}"
            )


class SpikingMLP(_Spiking):
    """Fully connected layers of spiking neurons and a read-out.

    Args:
        sizes: units per layer, input and classes included: ``(784, 1000, 10)``.
        readout: see `Readout`.
        tau_readout: time constant of the read-out, ms; None: `tau`.
        gain: factor on the initial weights and biases of the hidden synapses; a larger gain gives
            more spikes initially.
        neurons: a function that takes the number of hidden neurons and returns a layer of them: a
            `SpikingLayer` or a `DrivenLayer` of any kind of neuron, such as the result of
            ``hidden_layer`` in `jarvis.zoo`; None: `LIFLayer`.
        tau, dt, **lif: options of the hidden `LIFLayer`. With `neurons`, they apply only to the
            read-out.

    Raises:
        ValueError: for fewer than two sizes, a size below 1, or an option out of range.

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
        neurons: Callable[[int], nn.Module] | None = None,
        **lif,
    ) -> None:
        super().__init__()
        check_type("sizes", sizes, (tuple, list, range), "a list of integers")
        gain = check_number("gain", gain)
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
        make = neurons or (lambda _: LIFLayer(tau=tau, dt=dt, **lif))
        self.neurons = nn.ModuleList(make(b) for _, b in pairs)
        self.output = nn.Linear(sizes[-2], sizes[-1])
        tau_readout = tau if tau_readout is None else tau_readout
        self.readout = Readout(readout, tau=tau_readout, dt=dt, **lif)


def _sizes(name: str, sizes: Sequence[int], n: int) -> list[int]:
    """`n` sizes of at least 1.

    Raises:
        TypeError, ValueError: for anything else.
    """
    check_type(name, sizes, (tuple, list), f"{n} integers")
    if len(sizes) != n:
        raise ValueError(f"{name}={tuple(sizes)} must be {n} integers")
    return [check_integer(name, size, at_least=1) for size in sizes]


class SpikingCNN(_Spiking):
    """Two convolutions with pooling, each followed by spiking neurons, and a linear read-out.

    The 5x5 convolutions preserve the size; 2x2 max-pooling halves it. Pooling acts on the currents,
    so the whole first stage is computed only once for a constant input.

    Args:
        shape: (channels, height, width) of the input.
        n_classes: number of classes.
        channels: number of feature maps of each of the two convolutions.
        readout: see `Readout`.
        tau_readout: time constant of the read-out, ms; None: `tau`.
        neurons: a function that takes the number of maps and returns a layer of neurons; see
            `SpikingMLP`.
        tau, dt, **lif: options of the `LIFLayer`. With `neurons`, they apply only to the read-out.

    Raises:
        ValueError: for an image smaller than 4x4, or an option out of range.

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
        neurons: Callable[[int], nn.Module] | None = None,
        **lif,
    ) -> None:
        super().__init__()
        n_channels, height, width = _sizes("SpikingCNN: shape", shape, 3)
        n_classes = check_integer("SpikingCNN: n_classes", n_classes, at_least=1)
        if height < 4 or width < 4:
            raise ValueError(f"shape={shape!r}: two 2x2 poolings need an image of at least 4x4")
        first, second = _sizes("SpikingCNN: channels", channels, 2)
        self.synapses = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a, b, 5, padding=2), nn.MaxPool2d(2))
            for a, b in ((n_channels, first), (first, second))
        )
        make = neurons or (lambda _: LIFLayer(tau=tau, dt=dt, **lif))
        self.neurons = nn.ModuleList(make(maps) for maps in (first, second))
        self.output = nn.Linear(second * (height // 4) * (width // 4), n_classes)
        tau_readout = tau if tau_readout is None else tau_readout
        self.readout = Readout(readout, tau=tau_readout, dt=dt, **lif)
