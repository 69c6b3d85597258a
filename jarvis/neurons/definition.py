"""A neuron, written once: its step, its parameters, its state and where it starts.

Everything else follows from the definition: `SpikingLayer` runs it over a sequence, with or without
recurrent weights, learned parameters and traces, step by step or in a compiled loop.
"""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.support.checks import check_number, check_values


def parameter(
    default: Any,
    unit: str = "",
    *,
    above: float | None = None,
    at_least: float | None = None,
    below: float | None = None,
    at_most: float | None = None,
    finite: bool = True,
    fixed: bool = False,
) -> Any:
    """A number among the parameters of a neuron, with its unit and bounds.

    A parameter that must not be negative is learned as its logarithm, and so stays positive.

    Args:
        default: its value if none is given; None if it is optional.
        unit: its unit, for messages.
        above, at_least: the lower bound, exclusive or inclusive.
        below, at_most: the upper bound, likewise.
        finite: whether infinity is rejected.
        fixed: True for a number that is the same for all neurons and cannot be learned, like dt.
    """
    bounds = dict(above=above, at_least=at_least, below=below, at_most=at_most, finite=finite)
    return field(default=default, metadata={"unit": unit, "bounds": bounds, "fixed": fixed})


class derived:
    """A property that is computed once: a number that follows from the parameters.

    Like `functools.cached_property`, whose lock `torch.compile` cannot trace.
    """

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function, self.__doc__ = function, function.__doc__
        self.name = function.__name__

    def __get__(self, params: Any, owner: type | None = None) -> Any:
        if params is None:
            return self
        value = self.function(params)
        if not torch.compiler.is_compiling():
            params.__dict__[self.name] = value
        return value


@dataclass(frozen=True)
class Parameters:
    """Base class of a neuron's parameters: a frozen dataclass of `parameter` fields and options.

    A number may be a float, or a tensor that broadcasts against ``[B, ...]``: one value per neuron.

    Raises:
        ValueError: for a number out of its bounds; the message names it.
        TypeError: for something that is not a number.

    Example:
        >>> @dataclass(frozen=True)
        ... class Leak(Parameters):
        ...     tau: float = parameter(20.0, "ms", above=0)
        >>> Leak(tau=-1)
        Traceback (most recent call last):
        ...
        ValueError: tau=-1 ms must be positive and finite
    """

    def __post_init__(self) -> None:
        for each in fields(self):
            if "bounds" not in each.metadata:
                continue
            value, unit = getattr(self, each.name), each.metadata["unit"]
            if isinstance(value, Tensor) and not each.metadata["fixed"]:
                check_values(each.name, value, unit, **each.metadata["bounds"])
            elif value is not None or each.default is not None:
                number = check_number(each.name, value, unit, **each.metadata["bounds"])
                object.__setattr__(self, each.name, number)

    def with_values(self, **values: Any) -> "Parameters":
        """A copy with other values, unchecked: a learned number cannot leave its bounds."""
        copy = object.__new__(type(self))
        for each in fields(self):
            object.__setattr__(copy, each.name, values.get(each.name, getattr(self, each.name)))
        return copy

    def plain(self) -> Any:
        """These parameters with a float for every number, for formulas of a single neuron.

        Raises:
            ValueError: if a number differs from neuron to neuron; the message names it.
        """
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        tensors = {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
        for name, value in tensors.items():
            if value.numel() != 1:
                raise ValueError(f"{name} of shape {tuple(value.shape)}: give one {name} for all")
        values = {name: value.detach().item() for name, value in tensors.items()}
        return self.with_values(**values) if values else self


def learnable_numbers(params: type[Parameters] | Parameters) -> dict[str, bool]:
    """The numbers that can be learned or differ from neuron to neuron, by name, and whether each
    must not be negative."""
    found = {}
    for each in fields(params):
        if "bounds" in each.metadata and not each.metadata["fixed"]:
            bounds = each.metadata["bounds"]
            found[each.name] = 0 in (bounds["above"], bounds["at_least"])
    return found


class RecurrentState(NamedTuple):
    """State of a recurrent layer. The fields of its neurons are found here, too: ``state.v``."""

    neurons: Any  #: the state of the neurons, a NamedTuple of tensors ``[B, n]``
    spikes: Tensor  #: of the previous step ``[B, n]``

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.neurons, name)

    def detach(self) -> "RecurrentState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


def detached(state: Any) -> Any:
    """A state, or a nested tuple of states, detached from the graph.

    Example:
        >>> v = torch.ones(2, requires_grad=True)
        >>> detached(RecurrentState((v, None), torch.ones(2))).neurons[0].requires_grad
        False
    """
    if isinstance(state, Tensor):
        return state.detach()
    if isinstance(state, tuple):
        parts = [detached(part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else tuple(parts)
    return state


@dataclass(frozen=True)
class Neuron:
    """A kind of neuron; calling it with parameters gives a neuron that a layer can run.

    Attributes:
        step: ``(x, state, params, spike) -> (spikes, state)``, or ``(spikes, state, record)``.
        params: the dataclass of its parameters.
        state: the NamedTuple of its state.
        rest: ``params -> state``, with numbers in place of tensors.
        inputs: the NamedTuple of its inputs, or None for a single one.
        fires: whether its output consists of spikes.
        values: the parameters of this neuron; None for the kind.
    """

    step: Callable
    params: type[Parameters]
    state: type
    rest: Callable[[Any], Any]
    inputs: type | None = None
    fires: bool = True
    values: Parameters | None = None

    @property
    def name(self) -> str:
        """The name of the kind: that of its parameters, without "Params"."""
        return self.params.__name__.removesuffix("Params")

    def __call__(self, params: Any = None, /, **values: Any) -> "Neuron":
        """This kind of neuron with the given parameters.

        Raises:
            TypeError: for parameters of another kind.
            ValueError: for a parameter out of its bounds.
        """
        if params is None:
            params = self.params(**values)
        elif values or not isinstance(params, self.params):
            raise TypeError(
                f"{self.name}: give {self.params.__name__}, or single parameters by name, not "
                f"{type(params).__name__}{' and ' + ', '.join(values) if values else ''}"
            )
        return Neuron(
            self.step, self.params, self.state, self.rest, self.inputs, self.fires, params
        )

    def initial_state(self, x: Tensor, params: Any = None, recurrent: bool = False) -> Any:
        """The state at rest; shape, dtype and device are those of `x` ``[B, ...]``."""
        params = self.values if params is None else params

        def full(value: float | Tensor | None) -> Tensor | None:
            if value is None:
                return None
            if isinstance(value, Tensor):
                return value.to(x).expand(x.shape).clone(memory_format=torch.contiguous_format)
            return torch.full_like(x, value, memory_format=torch.contiguous_format)

        state = self.state(*map(full, self.rest(params)))
        return RecurrentState(state, torch.zeros_like(x)) if recurrent else state

    def __reduce__(self) -> tuple:
        """A kind that a module has by name is pickled by that name, as a class is."""
        module = sys.modules.get(self.step.__module__)
        for name, kind in vars(module).items() if module else ():
            same = isinstance(kind, Neuron) and kind.step is self.step and kind.values is None
            if same and kind.params is self.params:
                return _kind, (self.step.__module__, name, self.values)
        parts = [getattr(self, each.name) for each in fields(self)]
        return Neuron, tuple(parts)

    def __repr__(self) -> str:
        return self.name if self.values is None else repr(self.values)


def _kind(module: str, name: str, values: Parameters | None) -> Neuron:
    kind = getattr(importlib.import_module(module), name)
    return kind if values is None else kind(values)


def define(
    step: Callable,
    params: type[Parameters],
    state: type,
    rest: Callable[[Any], Any],
    *,
    inputs: type | None = None,
    fires: bool = True,
) -> Neuron:
    """Define a kind of neuron by its equations on one step.

    Args:
        step: ``(x, state, params, spike) -> (spikes, state)``: ordinary PyTorch, elementwise, and
            without side effects. `spike` is called as ``spike(v, threshold)``; the reset uses
            ``spike.reset(spikes)``, which has no gradient where the layer detaches resets. A third
            result, a NamedTuple of tensors, is what ``trace=True`` records instead of the state.
        params: a dataclass derived from `Parameters`.
        state: a NamedTuple of tensors ``[B, ...]``.
        rest: ``params -> state``: the number at which each field starts, None for a field that the
            chosen options do not need.
        inputs: a NamedTuple type, for a neuron with several inputs; `x` is one then.
        fires: False if the output is graded (a potential) rather than spikes.

    Raises:
        TypeError: if a part is not of the type named above.

    Example:
        >>> from typing import NamedTuple
        >>> @dataclass(frozen=True)
        ... class PerfectParams(Parameters):
        ...     threshold: float = parameter(1.0, above=0)
        >>> class PerfectState(NamedTuple):
        ...     v: Tensor
        >>> def step(x, state, params, spike):
        ...     h = state.v + x
        ...     spikes = spike(h, params.threshold)
        ...     return spikes, PerfectState(h - params.threshold * spike.reset(spikes))
        >>> Perfect = define(step, PerfectParams, PerfectState, lambda params: PerfectState(0.0))
        >>> Perfect(threshold=2.0)
        PerfectParams(threshold=2.0)
    """
    for name, given in (("step", step), ("rest", rest)):
        if not callable(given):
            raise TypeError(f"define: {name} must be a function, not {type(given).__name__}")
    if not (isinstance(params, type) and issubclass(params, Parameters)):
        raise TypeError(
            f"define: params must be a dataclass derived from Parameters, not {params!r}"
        )
    for name, given in (("state", state), ("inputs", inputs)):
        if not ((given is None and name == "inputs") or hasattr(given, "_fields")):
            raise TypeError(f"define: {name} must be a NamedTuple type, not {given!r}")
    return Neuron(step, params, state, rest, inputs, fires)
