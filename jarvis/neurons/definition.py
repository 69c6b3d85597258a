"""A neuron is written once: as its step, its parameters, its state and its initial values.

Everything else follows from the definition: `SpikingLayer` runs it over a sequence, with or without
recurrent weights, learned parameters and traces, step by step or in a compiled loop.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from jarvis.support.checks import check_choice, check_number, check_values


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
    """A dataclass field for a numerical parameter of a neuron, with its unit and bounds.

    A parameter that must not be negative is learned as its logarithm, so it stays positive. Other
    bounds are checked when the parameters are created, but not during learning.

    Args:
        default: the value used if the parameter is not given; None if the parameter may be None.
        unit: the unit shown in messages.
        above, at_least: the lower bound, exclusive or inclusive.
        below, at_most: the upper bound, exclusive or inclusive.
        finite: whether infinity is rejected.
        fixed: True for a float that is the same for all neurons and cannot be learned, like dt.

    Example:
        >>> @dataclass(frozen=True)
        ... class Step(Parameters):
        ...     dt: float = parameter(1.0, "ms", above=0, fixed=True)
        >>> Step().dt
        1.0
    """
    bounds = dict(above=above, at_least=at_least, below=below, at_most=at_most, finite=finite)
    return field(default=default, metadata={"unit": unit, "bounds": bounds, "fixed": fixed})


class derived:
    """A property whose value, a number, is computed only once from the parameters.

    A compiled loop reads the value like a parameter, without recomputing it in each step, and a
    gradient passes through the value to the parameters. `derived` works like
    `functools.cached_property`, which cannot be used here because `torch.compile` cannot trace its
    lock.

    Args:
        function: the method that computes the value: a float, a tensor ``[B, ...]``, or a tuple of
            these.

    Example:
        >>> @dataclass(frozen=True)
        ... class Leak(Parameters):
        ...     tau: float = parameter(20.0, "ms", above=0)
        ...
        ...     @derived
        ...     def rate(self):
        ...         return 1.0 / self.tau
        >>> Leak(tau=4.0).rate
        0.25
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

    A `parameter` is a float, or a tensor that broadcasts against ``[B, ...]``: one value per
    neuron. Any other field is an option, such as a name or a number of sub-steps. Each combination
    of options has its own compiled loops.

    Raises:
        ValueError: for a number outside its bounds; the message names the parameter.
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
            if isinstance(value, np.ndarray):  # one value per neuron
                value = _tensor_of(each.name, value)
                object.__setattr__(self, each.name, value)
            if isinstance(value, Tensor) and not each.metadata["fixed"]:
                check_values(each.name, value, unit, **each.metadata["bounds"])
            elif value is not None or each.default is not None:
                number = check_number(each.name, value, unit, **each.metadata["bounds"])
                object.__setattr__(self, each.name, number)

    #: Named parameter sets, such as ``{"regular_spiking": {"a": 0.02, "b": 0.2}}``.
    named_sets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}

    @classmethod
    def named(cls, name: str, **changes: Any) -> Self:
        """The parameters of one of the `named_sets`, with some values replaced.

        Args:
            name: the name of the set.
            **changes: parameters by name, which replace the values of the set.

        Raises:
            ValueError: for an unknown name; the message lists the known ones.
        """
        check_choice("name", name, cls.named_sets)
        return cls(**{**cls.named_sets[name], **changes})

    def with_values(self, **values: Any) -> "Parameters":
        """A copy with other values, which are not checked; used while parameters are learned."""
        copy = object.__new__(type(self))
        for each in fields(self):
            object.__setattr__(copy, each.name, values.get(each.name, getattr(self, each.name)))
        return copy

    def plain(self) -> Any:
        """These parameters with every number as a float, for formulas about a single neuron.

        Raises:
            ValueError: if a number differs from neuron to neuron; the message names the parameter.
        """
        tensors = {f.name: getattr(self, f.name) for f in fields(self)}
        tensors = {name: value for name, value in tensors.items() if isinstance(value, Tensor)}
        for name, value in tensors.items():
            if value.numel() != 1:
                raise ValueError(f"{name} of shape {tuple(value.shape)}: give one {name} for all")
        values = {name: value.detach().item() for name, value in tensors.items()}
        return self.with_values(**values) if values else self


def _tensor_of(name: str, array: np.ndarray) -> float | Tensor:
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be numbers, not an array of {array.dtype}")
    tensor = torch.from_numpy(array.astype(np.float64)).to(torch.get_default_dtype())
    return tensor if tensor.dim() else tensor.item()


def learnable_numbers(params: type[Parameters] | Parameters) -> dict[str, bool]:
    """The names of the numbers that may be learned or may differ from neuron to neuron.

    Returns:
        a dict that maps each name to True if the number must not be negative, else False.
    """
    found = {}
    for each in fields(params):
        if "bounds" in each.metadata and not each.metadata["fixed"]:
            bounds = each.metadata["bounds"]
            found[each.name] = 0 in (bounds["above"], bounds["at_least"])
    return found


class RecurrentState(NamedTuple):
    """State of a recurrent layer; its neurons' fields can be read directly, as ``state.v``."""

    neurons: Any  #: the state of the neurons, a NamedTuple of tensors ``[B, n]``
    spikes: Tensor  #: spikes of the previous step ``[B, n]``

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
    """A kind of neuron, made by `define`. Calling it with parameters returns a neuron to run.

    Attributes:
        step: the function of one step, ``(x, state, params, spike) -> (spikes, state)``; a record
            may be the third result.
        params: the class of its parameters.
        state: the class of its state, a NamedTuple of tensors ``[B, ...]``.
        rest: a function ``params -> state`` that returns the resting state, with numbers in place
            of tensors.
        inputs: the NamedTuple class of its inputs ``[B, ...]``; None for a single input.
        fires: whether its output consists of spikes; otherwise it is graded.
        values: the parameters of this neuron; None for a kind to which no parameters have been
            given yet.
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
        """The name of the kind: the name of its parameter class without "Params"."""
        return self.params.__name__.removesuffix("Params")

    def __call__(self, params: Any = None, /, **values: Any) -> "Neuron":
        """This kind of neuron with the given parameters.

        Args:
            params: all parameters as one object; None to give them by name.
            **values: individual parameters; the others keep their defaults.

        Raises:
            TypeError: for parameters of another kind, or an unknown name.
            ValueError: for a parameter outside its bounds.
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

    def named(self, name: str, **changes: Any) -> "Neuron":
        """This kind of neuron with one of its named parameter sets, some values replaced.

        Args:
            name: a key of the ``named_sets`` of its parameters.
            **changes: parameters by name, which replace the values of the set.

        Raises:
            ValueError: for an unknown name; the message lists the known ones.

        Example:
            >>> from jarvis.neurons import Izhikevich
            >>> Izhikevich.named("fast_spiking", dt=0.5).values.a
            0.1
        """
        return self(self.params.named(name, **changes))

    def initial_state(self, x: Tensor, params: Any = None, recurrent: bool = False) -> Any:
        """The state at rest.

        Args:
            x: one step of the input ``[B, ...]``, which determines shape, dtype and device.
            params: the parameters; None for this neuron's own parameters.
            recurrent: whether to return a `RecurrentState`.
        """
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
        """Pickle by name, like a class, if this kind is a global variable of its module."""
        module = sys.modules.get(self.step.__module__)
        for name, kind in vars(module).items() if module else ():
            same = isinstance(kind, Neuron) and kind.step is self.step and kind.values is None
            if same and kind.params is self.params:
                return _kind, (self.step.__module__, name, self.values)
        parts = [getattr(self, each.name) for each in fields(self)]
        return Neuron, tuple(parts)

    def __repr__(self) -> str:
        return self.name if self.values is None else repr(self.values)


def check_results(neuron: "Neuron", spikes: Any, state: Any) -> None:
    """Raise TypeError unless a step returned spikes and a state of the neuron's own type."""
    if not isinstance(spikes, Tensor) or not isinstance(state, neuron.state):
        found = f"{type(spikes).__name__} and {type(state).__name__}"
        raise TypeError(
            f"the step of {neuron.name} must return spikes, a tensor, and a "
            f"{neuron.state.__name__}; it returned {found}"
        )


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
    """Define a kind of neuron by the equations of one step.

    Args:
        step: a function ``(x, state, params, spike) -> (spikes, state)`` in ordinary PyTorch, which
            acts elementwise on tensors ``[B, ...]`` and has no side effects. `spike` is called as
            ``spike(v, threshold)``; the reset uses ``spike.reset(spikes)``, which has no gradient
            if the layer detaches resets. A third result, a NamedTuple of tensors, is what
            ``trace=True`` records in place of the new state.
        params: a frozen dataclass derived from `Parameters`.
        state: a NamedTuple class of tensors ``[B, ...]``.
        rest: a function ``params -> state`` that gives the initial value of each field, or None for
            a field that the chosen options do not need.
        inputs: for a neuron with several inputs, a NamedTuple class; `x` is then an instance of it.
        fires: False if the output is graded (a potential, a message) rather than spikes.

    Returns:
        the kind of neuron. Calling it with parameters returns a neuron for a `SpikingLayer`.

    Raises:
        TypeError: if an argument is not of the type stated above.

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
