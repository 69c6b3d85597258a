"""LIF neurons as layers: thin modules that run `lif_step` over ``[T, B, ...]``.

No layer hides a state: it goes in as an argument and comes out as a result.
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor, nn

from jarvis.kernels.autograd import run_integrator, run_lif
from jarvis.kernels.dispatch import check_backend, choose, uncovered
from jarvis.kernels.spec import integrator_spec, lif_spec
from jarvis.lif import LIFParams, LIFState, exp_decay, initial_state, lif_update
from jarvis.surrogate import SurrogateSpike

_LEARNABLE = ("tau", "tau_syn", "tau_adapt", "threshold")


class LIFTrace(NamedTuple):
    """Potentials over time, each ``[T, B, ...]``: what to plot, and what to look at."""

    h: Tensor  #: before the reset: crosses the threshold where the neuron fires
    v: Tensor  #: after the reset: what the next step starts from


def _check_input(x: Tensor, name: str) -> None:
    if not isinstance(x, Tensor) or not x.is_floating_point():
        what = f"{x.dtype}" if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name}: input must be a floating-point tensor [T, B, ...], not {what}")
    if x.dim() < 2:
        raise ValueError(
            f"{name}: input must be [T, B, ...], time first; got shape {tuple(x.shape)}. "
            "A single sample needs a batch axis: x.unsqueeze(1)"
        )


#: Parameters that are plain numbers, made and checked once and not at every call of a layer.
_plain_params = lru_cache(maxsize=64)(LIFParams)


class LIFLayer(nn.Module):
    """A population of leaky integrate-and-fire neurons, run over a whole sequence.

    The equations are those of `lif_step`; the arguments those of `LIFParams`. Neurons do not
    mix: any trailing shape works, so a layer follows a convolution as well as a linear map.

    Args:
        tau: membrane time constant, ms.
        dt: time step, ms.
        threshold: firing threshold (rest is 0).
        reset: "subtract", "zero" or "none".
        refractory: refractory time, ms.
        tau_syn: time constant of the synaptic current, ms; None for none.
        surrogate: a `SurrogateSpike`, the name of one, or a module ``(v, threshold) -> spikes``.
        backend: "auto" takes a compiled time loop where there is one for these options, and says
            so once where there is none; "eager" runs step by step in PyTorch; "numba" (CPU) and
            "triton" (CUDA) insist on that loop.
        detach_reset: True cuts the gradient through the reset.
        adaptation: rise of the threshold with each own spike.
        tau_adapt: its decay, ms.
        learnable: which of "tau", "tau_syn", "tau_adapt", "threshold" are trained. Each is
            stored as a logarithm, so that it stays positive. A tensor given for one of them,
            say tau of shape [n_hidden], makes it a value for every neuron.

    Raises:
        ValueError: for a value out of range, an unknown name, or an input that is not [T, B, ...].
        TypeError: for an input that is not a floating-point tensor.

    Example:
        >>> layer = LIFLayer(tau=20.0, dt=1.0)
        >>> spikes, state = layer(torch.ones(5, 1, 3))
        >>> spikes.shape, state.v.shape
        (torch.Size([5, 1, 3]), torch.Size([1, 3]))
    """

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
            if name not in _LEARNABLE:
                raise ValueError(f"learnable={name!r} is not one of {', '.join(_LEARNABLE)}")
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
        """The parameters as they are now, for use with `lif_step`."""
        values: dict = {name: self._value(name) for name in _LEARNABLE}
        if any(isinstance(value, Tensor) for value in values.values()):
            return LIFParams(surrogate=self.surrogate, **values, **self._options)
        return _plain_params(surrogate=self.surrogate, **values, **self._options)

    def initial_state(self, x: Tensor) -> LIFState:
        """The state at rest for inputs ``[B, ...]`` like `x`, one time step of the input."""
        return initial_state(x, self.params, self._recurrent)

    def _input(self, x: Tensor, state: LIFState) -> Tensor:
        return x

    def _checked_state(self, x: Tensor, state: LIFState | None, params: LIFParams) -> LIFState:
        fresh = initial_state(x.new_empty(x.shape[1:]), params, self._recurrent)
        if state is None:
            return fresh
        for name, given, wanted in zip(LIFState._fields, state, fresh, strict=True):
            if (given is None) != (wanted is None):
                found = "missing" if given is None else "set"
                raise ValueError(
                    f"{type(self).__name__}: state.{name} is {found}, so this state comes from a "
                    "layer with other options"
                )
            if given is not None and given.shape != x.shape[1:]:
                raise ValueError(
                    f"{type(self).__name__}: state.{name} has shape {tuple(given.shape)}, but one "
                    f"step of the input is {tuple(x.shape[1:])}: pass state=None for a new batch"
                )
        return state

    def forward(self, x: Tensor, state: LIFState | None = None, *, trace: bool = False):
        """Run the layer over a sequence.

        Args:
            x: input ``[T, B, ...]``: per step, the jump of v (or of i, with tau_syn).
            state: the state to start from; None for neurons at rest.
            trace: also return the potentials. This runs step by step, whatever the backend.

        Returns:
            ``(spikes [T, B, ...], state)``, and a `LIFTrace` as third with ``trace=True``.
        """
        _check_input(x, type(self).__name__)
        params = self.params
        state = self._checked_state(x, state, params)
        if not trace:
            weight = getattr(self, "weight", None)
            name, tensors = type(self).__name__, (x, *state, weight)
            loops = choose(self.backend, name, tensors, uncovered(params), self._recurrent)
            if loops is not None:
                return run_lif(loops, lif_spec(params, self._recurrent), x, state, weight)
        spikes, h, v = [], [], []
        for x_t in x.unbind(0):  # not x[t]: its backward would fill [T, B, ...] at each step
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
    """LIF neurons that also hear each other's spikes of the step before.

    The input of step t is ``x_t + W s_(t-1)``; all else is as in `LIFLayer`.

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
        if n_hidden < 1:
            raise ValueError(f"n_hidden={n_hidden} must be at least 1")
        bound = 1.0 / math.sqrt(n_hidden)
        self.weight = nn.Parameter(torch.empty(n_hidden, n_hidden).uniform_(-bound, bound))

    def _input(self, x: Tensor, state: LIFState) -> Tensor:
        assert state.spikes is not None  # _checked_state saw to it
        return x + nn.functional.linear(state.spikes, self.weight)

    def forward(self, x: Tensor, state: LIFState | None = None, *, trace: bool = False):
        """As `LIFLayer.forward`, for ``x [T, B, n_hidden]``."""
        _check_input(x, type(self).__name__)
        if x.dim() != 3 or x.shape[-1] != len(self.weight):
            raise ValueError(
                f"RecurrentLIFLayer: input must be [T, B, {len(self.weight)}]; "
                f"got shape {tuple(x.shape)}"
            )
        return super().forward(x, state, trace=trace)

    def extra_repr(self) -> str:
        return f"n_hidden={len(self.weight)}, {super().extra_repr()}"


class LeakyIntegrator(nn.Module):
    """The leaky read-out: a LIF neuron without threshold, ``v = exp(-dt/tau) v + x``.

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

    def __init__(self, tau: float = 20.0, dt: float = 1.0, backend: str = "auto") -> None:
        super().__init__()
        LIFParams(tau=tau, dt=dt)  # checks both
        check_backend(backend)
        self.backend = backend
        self.tau, self.dt = float(tau), float(dt)

    def forward(self, x: Tensor, state: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Input ``[T, B, ...]`` -> potentials ``[T, B, ...]`` and the last one ``[B, ...]``."""
        _check_input(x, "LeakyIntegrator")
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

    def extra_repr(self) -> str:
        return f"tau={self.tau:g}, dt={self.dt:g}"


def over_time(module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a module without memory (Linear, Conv2d, pooling, ...) to every time step at once.

    Args:
        module: maps ``[B, ...]`` to ``[B, ...]``, each sample for itself.
        x: ``[T, B, ...]``. An input that is the same at every step because it was made by
            `constant_encode` (or ``expand``) is computed once, not T times.

    Returns:
        ``[T, B, ...]``.

    Example:
        >>> over_time(nn.Conv2d(1, 4, 3), torch.rand(5, 2, 1, 8, 8)).shape
        torch.Size([5, 2, 4, 6, 6])
    """
    _check_input(x, "over_time")
    steps, batch = x.shape[:2]
    if steps > 1 and x.stride(0) == 0:
        y = module(x[0])
        return y.expand(steps, *y.shape)
    return module(x.flatten(0, 1)).unflatten(0, (steps, batch))
