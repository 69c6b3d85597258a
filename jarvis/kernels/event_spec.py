"""Data types of the event loops of recurrent networks with delays, for all backends."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor


class EventModel(NamedTuple):
    """A neuron between two events, as elementwise functions in plain PyTorch.

    The state is a NamedTuple that begins with the potential `v` and the synaptic current `i`:
    ``dv/dt = i + ...``, ``di/dt = -i/tau_syn``. At a spike v becomes 0, and the other variables
    jump by constants. The rate of change of each variable is linear in that variable and in v.
    """

    state: type
    flow: Callable  #: ``(x, state, params)``: the state x ms later, if no spike intervenes
    level: Callable  #: ``(x, state, params)``: how far v is above the threshold x ms later
    guess: Callable  #: ``(state, params, dt)``: estimated time at which v reaches the threshold


class EventSpec(NamedTuple):
    """The constants of a run; times are in ms, and the resting potential is 0."""

    n_steps: int  #: T
    dt: float
    threshold: float
    tau_syn: float
    surrogate: float  #: k in the surrogate derivative of counts, 1/(1 + k |v - threshold|)^2
    damping: float  #: every `DAMPED` steps back, g becomes g / (1 + |g|/damping); 0: never
    time_bins: int  #: number of equal parts of the T steps; spikes are counted in each part
    model: EventModel
    params: Any  #: the neuron's parameters, as numbers
    start: tuple[float, ...]  #: the initial state
    jumps: tuple[float, ...]  #: what a spike adds to each variable; before this, v becomes 0

    def time_bin(self, step: Any) -> Any:
        """The time bin of a step (or of each step of a tensor)."""
        return step * self.time_bins // self.n_steps

    @property
    def adapts(self) -> bool:
        """Whether the state has a third variable."""
        return len(self.start) > 2

    def rates(self, *state: Tensor) -> tuple[Tensor, ...]:
        """The rate of change of each variable of a state."""
        with torch.enable_grad():
            x = torch.zeros_like(state[0]).requires_grad_()
            later = self.model.flow(x, self.model.state(*state), self.params)
            return tuple(torch.autograd.grad(each.sum(), x, retain_graph=True)[0] for each in later)

    @property
    def constants(self) -> tuple[float, ...]:
        """What compiled loops need besides the numbers of the neuron, in this order: dt, threshold,
        the start, jump and drift of the third variable (0 without such a variable), 1/tau_syn,
        `surrogate`, `damping` and `FLAT`."""
        third = (self.start, self.jumps, self.drifts)
        w0, jump, drift = (x[2] if self.adapts else 0.0 for x in third)
        neuron = (self.dt, self.threshold, w0, jump, drift, 1 / self.tau_syn)
        return (*neuron, self.surrogate, self.damping, FLAT)

    @property
    def drifts(self) -> tuple[float, ...]:
        """How much each variable except v gains for each ms by which a reset is delayed."""
        return _drifts(self._replace(n_steps=1, surrogate=0.0, damping=0.0, time_bins=1))


@lru_cache(maxsize=256)
def _drifts(spec: EventSpec) -> tuple[float, ...]:
    none = [0.0] * (len(spec.start) - 1)
    ahead = torch.tensor([spec.threshold, *none], dtype=torch.float64)
    reset = torch.tensor(spec.jumps, dtype=torch.float64)
    before, after = spec.rates(*ahead), spec.rates(*reset)
    return (0.0, *(float(b - a) for b, a in list(zip(before, after, strict=True))[1:]))


DAMPED = 10  #: steps between two applications of the damping

NEWTON = 3  #: iterations that find the crossing within a step

FLAT = 0.01  #: lower limit of the slope at a crossing, relative to the mean slope in that step


class Inputs(NamedTuple):
    """Input spikes; sample b has the spikes ``offsets[b]:offsets[b + 1]``, sorted by step."""

    steps: Tensor  #: ``[E]`` int32
    units: Tensor  #: ``[E]`` int32
    offsets: Tensor  #: ``[B + 1]`` int64


class Synapses(NamedTuple):
    """Weights and delays, pre x post. A spike delayed by T steps never arrives.

    In a network that is not recurrent, both recurrent matrices are ``[0, 0]``.
    """

    w_in: Tensor  #: ``[n_in, H]``
    d_in: Tensor  #: ``[n_in, H]`` int32, steps in [0, T]
    w_rec: Tensor  #: ``[H, H]``
    d_rec: Tensor  #: ``[H, H]`` int32, steps in [1, T]


class Spikes(NamedTuple):
    """Spikes of the hidden neurons; each sample's spikes are sorted by step, then by unit."""

    steps: Tensor  #: ``[S]`` int32
    units: Tensor  #: ``[S]`` int32
    offsets: Tensor  #: ``[B + 1]`` int64
    by: Tensor  #: ``[n, S]`` d(spike time)/d(each of the n variables at the start of that step)
    after: Tensor  #: ``[S]`` slope of v just after the reset, 1/ms
    #: ``[B, T, K, H]`` history for the backward pass: v at the end of each step, before the reset,
    #: and, if K = 3, i and w at the start of the step; None without a backward pass
    history: Tensor | None


class Gradients(NamedTuple):
    """Gradients of the loss with respect to the `Synapses`, in the same shapes; delays: 1/ms."""

    w_in: Tensor
    d_in: Tensor
    w_rec: Tensor
    d_rec: Tensor


class EventLoops(Protocol):
    """A module that runs the network defined in `jarvis.spatial.event_driven`."""

    def forward(self, spec: EventSpec, inputs: Inputs, synapses: Synapses, keep: bool) -> Spikes:
        """Run all samples from the initial state; if `keep`, also return `Spikes.history`."""
        ...

    def backward(
        self,
        spec: EventSpec,
        inputs: Inputs,
        synapses: Synapses,
        spikes: Spikes,
        g_counts: Tensor,
        g_times: Tensor,
    ) -> Gradients:
        """All gradients, given dL/d(count) ``[B, time_bins, H]`` and dL/d(time) ``[S]``, 1/ms."""
        ...
