"""The leaky integrate-and-fire neuron: its parameters, its state, one step, and its layers.

`lif_update` defines the update rule; the layers run it over ``[T, B, ...]``. Layers hold no hidden
state: the state is passed in as an argument and returned as a result.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from jarvis.kernels.dispatch import check_backend, choose
from jarvis.kernels.lif_autograd import run_integrator, run_lif
from jarvis.kernels.lif_spec import (
    NONE,
    RESET_FLAGS,
    SURROGATE_FLAGS,
    Flags,
    Spec,
    Values,
    is_named,
)
from jarvis.neurons.decay import exp_decay
from jarvis.neurons.layers import check_input, checked_state
from jarvis.support.checks import (
    check_choice,
    check_integer,
    check_number,
    check_tensor,
    check_values,
)
from jarvis.surrogate import SurrogateSpike

RESETS = ("subtract", "zero", "none")


class LIFState(NamedTuple):
    """State of a LIF neuron between two steps. Every tensor is ``[B, ...]``.

    Fields that the chosen options do not need are None.
    """

    v: Tensor  #: potential after the reset (threshold units: rest 0, threshold 1)
    i: Tensor | None = None  #: synaptic current, with `tau_syn`
    refractory: Tensor | None = None  #: remaining refractory steps, with `refractory`
    adaptation: Tensor | None = None  #: decaying count of its own spikes, with `adaptation`
    spikes: Tensor | None = None  #: spikes of the previous step, in recurrent layers

    def detach(self) -> "LIFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return LIFState(self.v.detach(), *(None if x is None else x.detach() for x in self[1:]))


@dataclass(frozen=True)
class LIFParams:
    """Parameters of a LIF neuron, in ms and in units of the threshold.

    Args:
        tau: membrane time constant, ms; `math.inf` for no leak. A float, or a tensor that
            broadcasts against ``[B, ...]`` (it may require a gradient).
        dt: time step, ms.
        threshold: potential at which the neuron fires (the resting potential is 0).
        reset: "subtract" (v = h - threshold), "zero" (v = 0) or "none" (v = h).
        detach_reset: True blocks the gradient through the reset, so that it reaches the spike only
            through its output (Zenke & Vogels 2021, Neural Comput. 33(4):899).
        refractory: time after a spike during which v is held and the neuron cannot fire, ms,
            rounded to whole steps.
        tau_syn: time constant of an exponential synaptic current, ms; None: x acts on v directly.
        adaptation: threshold increase per spike of the neuron, in threshold units.
        tau_adapt: time constant with which the threshold increase decays, ms.
        surrogate: the spike and its derivative.

    Raises:
        ValueError: for a value outside its range; the message names it.
    """

    tau: float | Tensor = 20.0
    dt: float = 1.0
    threshold: float | Tensor = 1.0
    reset: str = "subtract"
    detach_reset: bool = True
    refractory: float = 0.0
    tau_syn: float | Tensor | None = None
    adaptation: float = 0.0
    tau_adapt: float | Tensor = 200.0
    surrogate: Callable[[Tensor, Tensor | float], Tensor] = field(default_factory=SurrogateSpike)

    def __post_init__(self) -> None:
        check_number("dt", self.dt, "ms", above=0)
        for name in ("tau", "threshold", "tau_syn", "tau_adapt"):
            value = getattr(self, name)
            if isinstance(value, Tensor):
                check_values(name, value, above=0, finite=False)
            elif value is not None or name != "tau_syn":
                check_number(name, value, above=0, finite=False)
        check_choice("reset", self.reset, RESETS)
        check_number("adaptation", self.adaptation, at_least=0)
        check_number("refractory", self.refractory, "ms", at_least=0)
        if self.refractory > 0 and self.refractory_steps == 0:
            raise ValueError(
                f"refractory={self.refractory:g} ms is less than half a step of dt={self.dt:g} ms "
                "and would do nothing: take a smaller dt, or refractory=0"
            )

    @property
    def refractory_steps(self) -> int:
        """The refractory time in whole steps."""
        return round(self.refractory / self.dt)

    @property
    def hold(self) -> float:
        """`refractory_steps` as a number that the compiled loop reads."""
        return float(self.refractory_steps)

    @cached_property
    def decay(self) -> float | Tensor:
        """Fraction of v that remains after one step: ``exp(-dt/tau)``."""
        return exp_decay(self.tau, self.dt)

    @cached_property
    def decay_syn(self) -> float | Tensor | None:
        """Fraction of the synaptic current that remains after one step; None without a current."""
        return None if self.tau_syn is None else exp_decay(self.tau_syn, self.dt)

    @cached_property
    def decay_adapt(self) -> float | Tensor:
        """Fraction of the threshold increase that remains after one step."""
        return exp_decay(self.tau_adapt, self.dt)


def initial_state(x: Tensor, params: LIFParams, recurrent: bool = False) -> LIFState:
    """State of a neuron at rest; shape, dtype and device are those of `x` ``[B, ...]``."""

    def zeros() -> Tensor:
        return torch.zeros_like(x, memory_format=torch.contiguous_format)

    return LIFState(
        v=zeros(),
        i=zeros() if params.tau_syn is not None else None,
        refractory=zeros() if params.refractory_steps else None,
        adaptation=zeros() if params.adaptation else None,
        spikes=zeros() if recurrent else None,
    )


def lif_step(x: Tensor, state: LIFState | None, params: LIFParams) -> tuple[Tensor, LIFState]:
    """One step of the leaky integrate-and-fire neuron.

    In this order::

        i = exp(-dt/tau_syn) i + x            (without tau_syn: i = x)
        h = exp(-dt/tau) v + i                (held at v while refractory)
        s = 1 where h >= threshold + adaptation * a, else 0     (0 while refractory)
        v = h - threshold * s  |  h * (1 - s)  |  h             ("subtract", "zero", "none")
        a = exp(-dt/tau_adapt) a + s

    Args:
        x: input of this step ``[B, ...]``: the jump it causes in v (or in i).
        state: the state before the step; None for a neuron at rest.
        params: the neuron's parameters.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), and the new state.

    Source: Gerstner et al. 2014, Neuronal Dynamics, eq. 1.5 with exact integration over a step;
    adaptive threshold: Bellec et al. 2020, Nat. Commun. 11:3625, eqs. 6-9.

    Example:
        >>> params = LIFParams(tau=math.inf, reset="subtract")
        >>> state = None
        >>> for _ in range(3):
        ...     spikes, state = lif_step(torch.tensor([0.6]), state, params)
        ...     print(spikes.item(), round(state.v.item(), 2))
        0.0 0.6
        1.0 0.2
        0.0 0.8
    """
    if state is None:
        state = initial_state(x, params)
    spikes, state, _ = lif_update(x, state, params)
    return spikes, state


def lif_update(x: Tensor, state: LIFState, params: LIFParams) -> tuple[Tensor, LIFState, Tensor]:
    """`lif_step` that also returns h ``[B, ...]``, the potential before the reset."""
    i = state.i
    if i is not None:
        i = x = params.decay_syn * i + x  # type: ignore[operator]
    h = params.decay * state.v + x
    threshold = params.threshold
    if state.adaptation is not None:
        threshold = threshold + params.adaptation * state.adaptation
    if state.refractory is None:
        spikes = params.surrogate(h, threshold)
    else:
        ready = state.refractory <= 0
        h = torch.where(ready, h, state.v)
        spikes = params.surrogate(h, threshold) * ready

    reset = spikes.detach() if params.detach_reset else spikes
    if params.reset == "subtract":
        v = h - params.threshold * reset
    elif params.reset == "zero":
        v = h * (1.0 - reset)
    else:
        v = h

    refractory, adaptation = state.refractory, state.adaptation
    if refractory is not None:
        waiting = (refractory.detach() - 1.0).clamp_min(0.0)
        refractory = torch.where(spikes.detach() > 0, params.hold, waiting)
    if adaptation is not None:
        adaptation = params.decay_adapt * adaptation + spikes
    last = None if state.spikes is None else spikes
    return spikes, LIFState(v, i, refractory, adaptation, last), h


_LEARNABLE = ("tau", "tau_syn", "tau_adapt", "threshold")


class LIFTrace(NamedTuple):
    """Potentials over time, each ``[T, B, ...]``, for plotting and inspection."""

    h: Tensor  #: before the reset: crosses the threshold where the neuron fires
    v: Tensor  #: after the reset: the starting point of the next step


#: Parameters that are plain numbers, built and checked once rather than at every call of a layer.
_plain_params = lru_cache(maxsize=64)(LIFParams)


def _decays(tau: float | Tensor | None) -> bool:
    return bool(torch.as_tensor(tau).isfinite().any())


class LIFLayer(nn.Module):
    """A population of leaky integrate-and-fire neurons, run over a whole sequence.

    The equations are those of `lif_step`, the arguments those of `LIFParams`. Neurons do not
    interact, so any trailing shape works, after a convolution as well as after a linear map.

    Args:
        tau: membrane time constant, ms.
        dt: time step, ms.
        threshold: firing threshold (the resting potential is 0).
        reset: "subtract", "zero" or "none".
        refractory: refractory time, ms.
        tau_syn: time constant of the synaptic current, ms; None for none.
        surrogate: a `SurrogateSpike`, the name of one, or a module ``(v, threshold) -> spikes``.
        backend: "auto" uses a compiled time loop if one supports these options, and warns once
            if none does; "eager" runs step by step in PyTorch; "numba" (CPU) and "triton" (CUDA)
            require that loop.
        detach_reset: True blocks the gradient through the reset.
        adaptation: threshold increase per spike of the neuron.
        tau_adapt: time constant of its decay, ms.
        learnable: which of "tau", "tau_syn", "tau_adapt", "threshold" are trained. Each is
            stored as a logarithm, so that it stays positive. Passing a tensor for one of them,
            say tau of shape [n_hidden], gives each neuron its own value.

    Raises:
        ValueError: for a value out of range, an unknown name, or an input that is not [T, B, ...].
        TypeError: for an input that is not a floating-point tensor.

    Example:
        >>> layer = LIFLayer(tau=20.0, dt=1.0)
        >>> spikes, state = layer(torch.ones(5, 1, 3))
        >>> spikes.shape, state.v.shape
        (torch.Size([5, 1, 3]), torch.Size([1, 3]))
    """

    fires = True
    _recurrent = False

    def __init__(
        self,
        tau: float | Tensor = 20.0,
        dt: float = 1.0,
        threshold: float | Tensor = 1.0,
        reset: str = "subtract",
        refractory: float = 0.0,
        tau_syn: float | Tensor | None = None,
        surrogate: str | SurrogateSpike = "fast_sigmoid",
        backend: str = "auto",
        *,
        detach_reset: bool = True,
        adaptation: float = 0.0,
        tau_adapt: float | Tensor = 200.0,
        learnable: Sequence[str] = (),
    ) -> None:
        super().__init__()
        check_backend(backend)
        self.backend = backend
        self.surrogate = SurrogateSpike(surrogate) if isinstance(surrogate, str) else surrogate
        values = {"tau": tau, "tau_syn": tau_syn, "tau_adapt": tau_adapt, "threshold": threshold}
        self._options: dict = dict(
            dt=float(dt),
            reset=reset,
            detach_reset=detach_reset,
            refractory=float(refractory),
            adaptation=float(adaptation),
        )
        LIFParams(surrogate=self.surrogate, **values, **self._options)  # checks every value

        self.learnable = (learnable,) if isinstance(learnable, str) else tuple(learnable)
        for name in self.learnable:
            check_choice("learnable", name, _LEARNABLE)
            if values[name] is None:
                raise ValueError(f"learnable={name!r} needs a value for {name}")
        for name, value in values.items():
            if name in self.learnable:
                log = torch.log(torch.as_tensor(value, dtype=torch.get_default_dtype()))
                if not torch.isfinite(log).all():
                    raise ValueError(f"{name}={value!r} must be finite to be learned")
                self.register_parameter(f"log_{name}", nn.Parameter(log.clone()))
            elif isinstance(value, Tensor):
                self.register_buffer(f"_{name}", value)
            else:
                setattr(self, f"_{name}", None if value is None else float(value))

    def _value(self, name: str) -> float | Tensor | None:
        if name in self.learnable:
            return torch.exp(getattr(self, f"log_{name}"))
        return getattr(self, f"_{name}")

    @property
    def params(self) -> LIFParams:
        """The current parameters, for use with `lif_step`."""
        values: dict = {name: self._value(name) for name in _LEARNABLE}
        if any(isinstance(value, Tensor) for value in values.values()):
            return LIFParams(surrogate=self.surrogate, **values, **self._options)
        return _plain_params(surrogate=self.surrogate, **values, **self._options)

    def initial_state(self, x: Tensor) -> LIFState:
        """The state at rest for inputs ``[B, ...]`` like `x`, one time step of the input."""
        return initial_state(x, self.params, self._recurrent)

    def _input(self, x: Tensor, state: LIFState) -> Tensor:
        return x

    def forward(self, x: Tensor, state: LIFState | None = None, *, trace: bool = False):
        """Run the layer over a sequence.

        Args:
            x: input ``[T, B, ...]``: per step, the jump of v (or of i, with tau_syn).
            state: the state to start from; None for neurons at rest.
            trace: also return the potentials. This runs step by step, whatever the backend.

        Returns:
            ``(spikes [T, B, ...], state)``, followed by a `LIFTrace` if ``trace=True``.
        """
        check_input(x, type(self).__name__)
        params = self.params
        fresh = initial_state(x.new_empty(x.shape[1:]), params, self._recurrent)
        state = checked_state(type(self).__name__, x, state, fresh)
        if not trace:
            weight = getattr(self, "weight", None)
            name, tensors = type(self).__name__, (x, *state, weight)
            loops = choose(self.backend, name, tensors, unsupported_reason(params), self._recurrent)
            if loops is not None:
                spec = lif_spec(params, self._recurrent)
                spikes, *final = run_lif(loops, spec, x, state, weight)
                return spikes, LIFState(*final)
        spikes, h, v = [], [], []
        for x_t in x.unbind(0):  # not x[t]: its backward would fill [T, B, ...] in each step
            s_t, state, h_t = lif_update(self._input(x_t, state), state, params)
            spikes.append(s_t)
            if trace:
                h.append(h_t)
                v.append(state.v)
        stacked = torch.stack(spikes) if spikes else x.new_zeros(x.shape)
        if not trace:
            return stacked, state
        empty = x.new_zeros(x.shape)
        return stacked, state, LIFTrace(*(torch.stack(p) if p else empty for p in (h, v)))

    @property
    def n_updates(self) -> int:
        """Number of a neuron's state variables that change in a step without a spike.

        A potential without leak or current does not change, nor does a current without decay.
        """
        p = self.params
        current = p.tau_syn is not None
        potential = current or _decays(p.tau)
        return potential + (current and _decays(p.tau_syn)) + (p.adaptation != 0)

    def extra_repr(self) -> str:
        shown = {"tau": self._value("tau"), "threshold": self._value("threshold")}
        shown |= {"tau_syn": self._value("tau_syn")} | self._options
        if self._options["adaptation"]:
            shown["tau_adapt"] = self._value("tau_adapt")
        parts = []
        for name, value in shown.items():
            if value is None:
                continue
            if isinstance(value, Tensor):
                many = value.numel() > 1
                value = f"<{tuple(value.shape)}>" if many else round(value.item(), 4)
            parts.append(f"{name}={value}")
        if self.learnable:
            parts.append(f"learnable={self.learnable}")
        return ", ".join(parts)


class RecurrentLIFLayer(LIFLayer):
    """LIF neurons that also receive each other's spikes of the previous step.

    The input of step t is ``x_t + W s_(t-1)``; everything else is as in `LIFLayer`.

    Args:
        n_hidden: number of neurons; the input is ``[T, B, n_hidden]``.
        **kwargs: the options of `LIFLayer`.

    Attributes:
        weight: W ``[n_hidden, n_hidden]``, row = receiver; uniform in +-1/sqrt(n_hidden).

    Raises:
        ValueError: if the input is not ``[T, B, n_hidden]``, or as `LIFLayer`.

    Example:
        >>> spikes, state = RecurrentLIFLayer(4, tau=10.0)(torch.rand(6, 2, 4))
        >>> spikes.shape
        torch.Size([6, 2, 4])
    """

    _recurrent = True

    def __init__(self, n_hidden: int, **kwargs) -> None:
        super().__init__(**kwargs)
        check_integer("n_hidden", n_hidden, at_least=1)
        bound = 1.0 / math.sqrt(n_hidden)
        self.weight = nn.Parameter(torch.empty(n_hidden, n_hidden).uniform_(-bound, bound))

    def _input(self, x: Tensor, state: LIFState) -> Tensor:
        assert state.spikes is not None  # guaranteed by checked_state
        return x + nn.functional.linear(state.spikes, self.weight)

    def forward(self, x: Tensor, state: LIFState | None = None, *, trace: bool = False):
        """As `LIFLayer.forward`, for ``x [T, B, n_hidden]``."""
        check_input(x, type(self).__name__)
        check_tensor("RecurrentLIFLayer: input", x, f"[T, B, {len(self.weight)}]")
        return super().forward(x, state, trace=trace)

    def extra_repr(self) -> str:
        return f"n_hidden={len(self.weight)}, {super().extra_repr()}"


class LeakyIntegrator(nn.Module):
    """The leaky read-out: a LIF neuron without a threshold, ``v = exp(-dt/tau) v + x``.

    Args:
        tau: time constant, ms; `math.inf` sums without leak.
        dt: time step, ms.
        backend: as in `LIFLayer`.

    Raises:
        ValueError: for a value out of range, or an input that is not [T, B, ...].

    Example:
        >>> v, last = LeakyIntegrator(tau=math.inf)(torch.ones(3, 1, 2))
        >>> v[:, 0, 0].tolist()
        [1.0, 2.0, 3.0]
    """

    fires = False

    def __init__(self, tau: float = 20.0, dt: float = 1.0, backend: str = "auto") -> None:
        super().__init__()
        self.tau = check_number("tau", tau, above=0, finite=False)
        self.dt = check_number("dt", dt, "ms", above=0)
        check_backend(backend)
        self.backend = backend

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Input ``[T, B, ...]`` -> potentials ``[T, B, ...]`` and the last one ``[B, ...]``."""
        check_input(x, "LeakyIntegrator")
        if state is not None and state.shape != x.shape[1:]:
            raise ValueError(
                f"LeakyIntegrator: state has shape {tuple(state.shape)}, but one step of the "
                f"input is {tuple(x.shape[1:])}"
            )
        v = x.new_zeros(x.shape[1:]) if state is None else state
        loops = choose(self.backend, "LeakyIntegrator", (x, v))
        if loops is not None:
            return run_integrator(loops, integrator_spec(self.tau, self.dt), x, v)
        decay = exp_decay(self.tau, self.dt)
        potentials = []
        for x_t in x.unbind(0):
            v = decay * v + x_t
            potentials.append(v)
        return (torch.stack(potentials) if potentials else x.new_zeros(x.shape)), v

    @property
    def n_updates(self) -> int:
        """Number of state variables that change in a step without input: 1 if v leaks, else 0."""
        return int(_decays(self.tau))

    def extra_repr(self) -> str:
        return f"tau={self.tau:g}, dt={self.dt:g}"


def lif_spec(params: LIFParams, recurrent: bool) -> Spec:
    """The loop for a LIF layer whose parameters are plain numbers (see `unsupported_reason`)."""
    surrogate = params.surrogate
    assert isinstance(surrogate, SurrogateSpike)
    flags = Flags(
        fires=True,
        reset=RESET_FLAGS[params.reset],
        detach=params.detach_reset or params.reset == "none",
        syn=params.tau_syn is not None,
        wait=params.refractory_steps > 0,
        adapt=params.adaptation > 0,
        recurrent=recurrent,
        surrogate=SURROGATE_FLAGS[surrogate.name],
    )
    values = Values(
        decay=float(params.decay),
        decay_syn=0.0 if params.decay_syn is None else float(params.decay_syn),
        threshold=float(params.threshold),
        adaptation=params.adaptation,
        decay_adapt=float(params.decay_adapt),
        refractory_steps=float(params.refractory_steps),
        slope=surrogate.slope,
    )
    return Spec(flags, values)


def integrator_spec(tau: float, dt: float) -> Spec:
    """The loop for the leaky read-out."""
    flags = Flags(fires=False, reset=NONE)
    return Spec(flags, Values(decay=float(exp_decay(tau, dt))))


def unsupported_reason(params: LIFParams) -> str | None:
    """Why no compiled loop supports these parameters, in words; None if one does."""
    for name in ("tau", "tau_syn", "tau_adapt", "threshold"):
        if isinstance(getattr(params, name), Tensor):
            return f"{name} is a tensor (learnable, or one value per neuron)"
    if not is_named(params.surrogate):
        return "the surrogate is not one of the named ones"
    return None
