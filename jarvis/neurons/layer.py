"""The layer that runs any neuron over a sequence."""

import math
from collections.abc import Callable, Sequence
from dataclasses import fields
from types import FunctionType
from typing import Any

import torch
from torch import Tensor, nn

from jarvis.kernels import time_loop
from jarvis.kernels.dispatch import check_backend, choose, is_wrapped
from jarvis.kernels.expression import Untraceable
from jarvis.kernels.program import program, spike_options
from jarvis.neurons.definition import (
    Neuron,
    Parameters,
    RecurrentState,
    check_results,
    learnable_numbers,
)
from jarvis.neurons.layers import check_input, check_state
from jarvis.support.checks import check_choice, check_integer, check_tensor
from jarvis.surrogate import DEFAULT_SPIKE, Spike, SurrogateSpike


class SpikingLayer(nn.Module):
    """A population of neurons of any kind, run over a whole sequence.

    Neurons interact only through recurrent weights. If there are any, the input of step t is
    ``x_t + W s_(t-1)``; a neuron with several inputs receives the recurrent term in its first
    input. Without recurrent weights, the layer accepts any trailing shape: it can follow a
    convolution as well as a linear map.

    Args:
        neuron: a kind of neuron with its parameters, such as ``LIF(tau=20.0)``.
        learnable: names of the parameters that are trained. Those that must not be negative are
            stored as logarithms (``log_tau``), so they stay positive; the others are stored
            unchanged (``learned_v_reset``). A tensor among the parameters, say tau of shape
            [n_hidden], gives each neuron its own value, whether or not it is learned.
        recurrent: number of neurons of a recurrent layer, whose input is ``[T, B, recurrent]``;
            None for neurons that do not interact.
        self_connections: False keeps the diagonal of the recurrent weights at 0.
        surrogate: a `SurrogateSpike`, the name of a surrogate, or a function ``(v, threshold) ->
            spikes``.
        detach_reset: True blocks the gradient through the reset.
        backend: "auto" uses a compiled time loop generated from the neuron's step if it can,
            otherwise "eager" (and says why, once). "eager" runs step by step in PyTorch; "numba"
            (CPU) and "triton" (CUDA) require the compiled loop.

    Attributes:
        weight: W ``[recurrent, recurrent]``, where a row is a receiving neuron; initial values are
            uniform in +-1/sqrt(recurrent).

    Raises:
        ValueError: for a value out of range, an unknown name, an input that is not [T, B, ...], a
            state that does not fit, or a `backend` that cannot run this layer.
        TypeError: for a neuron that is not a `Neuron`, or an input that is neither a floating-point
            tensor nor an instance of the neuron's `inputs`.

    Example:
        >>> from jarvis.lif import LIF
        >>> layer = SpikingLayer(LIF(tau=20.0), learnable="tau", surrogate="arctan")
        >>> spikes, state = layer(torch.ones(5, 1, 3))
        >>> spikes.shape, state.v.shape
        (torch.Size([5, 1, 3]), torch.Size([1, 3]))
    """

    def __init__(
        self,
        neuron: Neuron,
        *,
        learnable: str | Sequence[str] = (),
        recurrent: int | None = None,
        self_connections: bool = True,
        surrogate: str | Callable[[Tensor, Tensor | float], Tensor] = "fast_sigmoid",
        detach_reset: bool = True,
        backend: str = "auto",
    ) -> None:
        super().__init__()
        if not isinstance(neuron, Neuron):
            raise TypeError(
                f"neuron must be a neuron with its parameters, such as LIF(tau=20.0), not "
                f"{type(neuron).__name__}"
            )
        self.neuron = neuron if neuron.values is not None else neuron()
        assert self.neuron.values is not None
        self._given: Parameters = self.neuron.values
        self.fires = neuron.fires
        check_backend(backend)
        self.backend = backend
        self.detach_reset = detach_reset
        if self.fires:
            self.surrogate = Spike(surrogate).surrogate

        self.learnable = (learnable,) if isinstance(learnable, str) else tuple(learnable)
        numbers = learnable_numbers(self._given)
        self._tensors: dict[str, str] = {}  # for each parameter, the attribute that holds it
        for name in self.learnable:
            check_choice("learnable", name, numbers)
            if getattr(self._given, name) is None:
                raise ValueError(f"learnable={name!r} needs a value for {name}")
        for name, positive in numbers.items():
            value = getattr(self._given, name)
            if name in self.learnable:
                start = torch.as_tensor(value, dtype=torch.get_default_dtype())
                start = torch.log(start) if positive else start
                if not torch.isfinite(start).all():
                    words = "positive and finite" if positive else "finite"
                    raise ValueError(f"{name}={value!r} must be {words} to be learned")
                self._tensors[name] = f"log_{name}" if positive else f"learned_{name}"
                self.register_parameter(self._tensors[name], nn.Parameter(start.clone()))
            elif isinstance(value, Tensor):
                self._tensors[name] = f"_{name}"
                self.register_buffer(f"_{name}", value)

        self.recurrent, self.self_connections = recurrent, self_connections
        if recurrent is not None:
            check_integer("recurrent", recurrent, at_least=1)
            bound = 1.0 / math.sqrt(recurrent)
            weight = torch.empty(recurrent, recurrent).uniform_(-bound, bound)
            self.weight = nn.Parameter(weight if self_connections else weight.fill_diagonal_(0.0))
        # Without tensors among the parameters, the resting state never changes.
        self._rest = None if self._tensors else self._at_rest(self._given)
        self._program: Any = None
        self._reason: str | None = None  # why there is no compiled program
        self._program_spike: Any = None  # the `spike_options` for which the program was made

    def __getstate__(self) -> dict[str, Any]:
        # Compiled loops belong to the process that made them.
        return self.__dict__ | {"_program": None, "_program_spike": None}

    def value(self, name: str) -> float | Tensor | None:
        """The current value of a parameter; gradients flow to it if it is learned."""
        if name not in self._tensors:
            return getattr(self._given, name)
        attribute = self._tensors[name]
        stored = getattr(self, attribute)
        return torch.exp(stored) if attribute.startswith("log_") else stored

    @property
    def params(self) -> Any:
        """The current parameters, for use with the neuron's step."""
        if not self._tensors:
            return self._given
        return self._given.with_values(**{name: self.value(name) for name in self._tensors})

    @property
    def spike(self) -> Spike:
        """The spike function that is passed to the neuron's step."""
        return Spike(self.surrogate, self.detach_reset) if self.fires else DEFAULT_SPIKE

    def initial_state(self, x: Tensor) -> Any:
        """The resting state for an `x` that is one time step ``[B, ...]`` of the input."""
        return self.neuron.initial_state(x, self.params, self.recurrent is not None)

    def _at_rest(self, params: Any) -> Any:
        """The state at rest, with a number or a tensor for each field."""
        return self.neuron.state(*self.neuron.rest(params))

    def forward(self, x: Any, state: Any = None, *, trace: bool = False):
        """Run the layer over a sequence.

        Args:
            x: input ``[T, B, ...]``, or a NamedTuple of several inputs of that shape, which are
                documented in the neuron's step.
            state: the state to start from, as returned by a previous call; None for neurons at
                rest.
            trace: also return what the neuron's step records or, if it records nothing, the state
                after each step.

        Returns:
            ``(spikes [T, B, ...], state)``, followed by the trace, a NamedTuple of tensors
            ``[T, B, ...]``, if ``trace=True``.
        """
        xs = self._checked_inputs(x)
        params = self.params
        recurrent = self.recurrent is not None
        rest = self._rest or self._at_rest(params)
        if state is not None:
            wanted = RecurrentState(rest, xs[0]) if recurrent else rest
            check_state(type(self).__name__, xs[0], state, wanted)
        elif recurrent or any(isinstance(value, Tensor) for value in rest):
            state = self.neuron.initial_state(_one_step(xs[0]), params, recurrent)
        # A compiled loop starts from plain numbers and creates the state itself.
        start = rest if state is None else state
        compiled = self._compiled(xs, start, params, trace)
        if compiled is not None:
            return compiled
        if state is None:
            state = self.neuron.initial_state(_one_step(xs[0]), params)
        return self._step_by_step(xs, state, params, trace)

    def _checked_inputs(self, x: Any) -> tuple[Tensor, ...]:
        name, kind = type(self).__name__, self.neuron.inputs
        if kind is not None and not isinstance(x, kind):
            raise TypeError(f"{name}: input must be {kind.__name__}, not {type(x).__name__}")
        xs = (x,) if kind is None else tuple(x)
        for each in xs:
            check_input(each, name)
        if any(each.shape != xs[0].shape for each in xs[1:]):
            raise ValueError(
                f"{name}: inputs of different shapes, {[tuple(part.shape) for part in xs]}"
            )
        if self.recurrent is not None:
            check_tensor(f"{name}: input", xs[0], f"[T, B, {self.recurrent}]")
        for parameter in self._tensors:
            stored = getattr(self, self._tensors[parameter])
            if not _fits(stored.shape, xs[0].shape[1:]):
                raise ValueError(
                    f"{name}: {parameter} has shape {tuple(stored.shape)}, which does not fit one "
                    f"step of the input, {tuple(xs[0].shape[1:])}"
                )
        return xs

    def recurrent_weight(self) -> Tensor | None:
        """The effective recurrent weights, whose diagonal is 0 without self-connections.

        Returns:
            ``[recurrent, recurrent]``, where a row is a receiving neuron; None for neurons that do
            not interact.
        """
        if self.recurrent is None:
            return None
        if self.self_connections:
            return self.weight
        return self.weight - torch.diag(self.weight.diagonal())

    def _step_by_step(self, xs: tuple[Tensor, ...], state: Any, params: Any, trace: bool):
        kind, spike, weight = self.neuron.inputs, self.spike, self.recurrent_weight()
        last: Any
        state, last = state if weight is not None else (state, None)
        outputs, records = [], []
        for x_t in zip(*(x.unbind(0) for x in xs), strict=True):  # x[t] has a slow backward pass
            if weight is not None:
                x_t = (x_t[0] + nn.functional.linear(last, weight), *x_t[1:])
            given = x_t[0] if kind is None else kind(*x_t)
            last, state, *record = self.neuron.step(given, state, params, spike)
            if not outputs:
                check_results(self.neuron, last, state)
            outputs.append(last)
            if trace:
                records.append(record[0] if record else state)
        x = xs[0]
        stacked = torch.stack(outputs) if outputs else _nothing(x)
        final = state if weight is None else RecurrentState(state, last)
        if not trace:
            return stacked, final
        if not records:  # the record's fields, from a step whose result is discarded
            one = _one_step(x).zero_()
            given = one if kind is None else kind(*[one] * len(kind._fields))
            _, new, *record = self.neuron.step(given, state, params, spike)
            records.append(record[0] if record else new)
        columns = [
            None if column[0] is None else torch.stack(column) if outputs else _nothing(x)
            for column in zip(*records, strict=True)
        ]
        return stacked, final, type(records[0])(*columns)

    def unsupported_reason(self) -> str | None:
        """The reason why no compiled loop can run this layer; None if no reason is known.

        Whether every operation of the step can be compiled is known only after the first call.
        """
        return self._made(self.spike)[1]

    def _made(self, spike: Spike) -> tuple[Any, str | None]:
        """The program compiled from this layer's step, and the reason if there is none."""
        if not _is_plain(spike.surrogate):
            return None, "the surrogate is neither a SurrogateSpike nor a function, or it has hooks"
        options = spike_options(spike)
        if self._program_spike != options:
            neuron, params = self.neuron, self.params
            made, reason, rest = None, None, self._at_rest(params)
            try:
                made = program(neuron.name, neuron.step, params, spike, neuron.inputs, rest)
            except Untraceable as error:
                reason = str(error)
            self._program, self._reason, self._program_spike = made, reason, options
        return self._program, self._reason

    def _compiled(self, xs: tuple[Tensor, ...], state: Any, params: Any, trace: bool) -> Any:
        """The result of a compiled loop, or None if the layer must run step by step."""
        if self.backend == "eager" or (self.backend == "auto" and torch.compiler.is_compiling()):
            return None
        spike, weight = self.spike, self.recurrent_weight()
        made, reason = self._made(spike)
        name, recurrent = type(self).__name__, weight is not None
        numbers, tensors = ([], {}) if reason else made.numbers(params, spike.surrogate)
        mixed = [value for value in tensors.values() if value.dim() or is_wrapped(value)]
        before, last = state if recurrent else (state, None)
        states = [part for part in before if part is not None]
        given = [part for part in states if isinstance(part, Tensor)]
        used = (*xs, *given, last, weight, *mixed)
        loops = choose(self.backend, name, used, reason, recurrent, family="loop")
        if loops is None:
            return None
        try:
            loop = made.loop(loops.NAME, made.variant(tensors, trace, recurrent))
        except Untraceable as error:
            self._reason = str(error)
            return choose(self.backend, name, used, self._reason, recurrent, family="loop")
        outputs, states, last = time_loop.run(
            loops, loop, xs, states, numbers, tensors, weight, last, self.fires
        )
        after = iter(states)
        final = before._make(None if part is None else next(after) for part in before)
        final = final if last is None else RecurrentState(final, last)
        if not trace:
            return outputs[0], final
        step = made.step
        recorded = dict.fromkeys(step.record._fields)
        recorded |= dict(zip(step.recorded, outputs[1:], strict=True))
        return outputs[0], final, step.record(**recorded)

    def source(self, backend: str = "numba") -> str:
        """The generated source code of the compiled loops for the forward and the backward pass.

        Args:
            backend: "numba", or "triton" where Triton is installed.

        Raises:
            ValueError: if there is no compiled loop for this layer; the message gives the reason.
        """
        check_choice("backend", backend, ("numba", "triton"))
        made, reason = self._made(self.spike)
        if reason is None:
            try:
                _, tensors = made.numbers(self.params, self.spike.surrogate)
                variant = made.variant(tensors, False, self.recurrent is not None)
                return made.loop(backend, variant).text
            except Untraceable as error:
                reason = str(error)
        raise ValueError(f"{type(self).__name__} has no compiled loop: {reason}")

    @property
    def n_updates(self) -> int:
        """Number of state variables per neuron that change in a step without a spike."""
        return sum(value is not None for value in self.neuron.rest(self.params))

    def extra_repr(self) -> str:
        values = {each.name: self.value(each.name) for each in fields(self._given)}
        parts = [] if self.recurrent is None else [f"recurrent={self.recurrent}"]
        parts += [f"{name}={_shown(value)}" for name, value in values.items() if value is not None]
        if self.learnable:
            parts.append(f"learnable={self.learnable}")
        return ", ".join(parts)


def _shown(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return f"<{tuple(value.shape)}>" if value.numel() > 1 else round(value.detach().item(), 4)


def _one_step(x: Tensor) -> Tensor:
    return x.new_empty(x.shape[1:])


def _nothing(x: Tensor) -> Tensor:
    """The output for a sequence without steps; it stays connected to the graph of `x`."""
    return x * 0.0


def _fits(shape: torch.Size, step: torch.Size) -> bool:
    """Whether a tensor of this shape broadcasts against one step of the input."""
    pairs = zip(reversed(shape), reversed(step), strict=False)
    return len(shape) <= len(step) and all(have in (1, wanted) for have, wanted in pairs)


def _is_plain(surrogate: Any) -> bool:
    """Whether this is a function, or an unmodified `SurrogateSpike` without hooks."""
    return isinstance(surrogate, FunctionType) or (
        type(surrogate) is SurrogateSpike
        and not (
            surrogate._forward_hooks
            or surrogate._forward_pre_hooks
            or surrogate._backward_hooks
            or surrogate._backward_pre_hooks
        )
    )
