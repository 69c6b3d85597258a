"""Data types of the event loops of recurrent networks with delays, for all backends."""

import math
from typing import Any, NamedTuple, Protocol

from torch import Tensor


class EventSpec(NamedTuple):
    """The constants of a run. Times in ms, potentials relative to a resting potential of 0.

    `gain` is the change of v in a step per unit of current. AdEx has `adex` set.
    """

    n_steps: int  #: T
    dt: float
    decay: float  #: exp(-dt/tau_mem)
    decay_syn: float  #: exp(-dt/tau_syn)
    gain: float  #: v of the next step per unit of current
    tau_mem: float
    tau_syn: float
    threshold: float
    surrogate: float  #: k of 1/(1 + k |v - threshold|)^2, for spike counts; per ms
    damping: float  #: backward, every `DAMPED` steps: g -> g / (1 + |g|/damping); 0: never
    time_bins: int = 1  #: equal parts of the T steps in which spikes are counted
    exact: bool = False  #: v solves its equation over a step; else I is constant within a step
    adex: bool = False
    decay_w: float = 0.0  #: exp(-dt/tau_w)
    tau_w: float = 1.0
    a: float = 0.0  #: growth of the adaptation per v and ms
    b: float = 0.0  #: its jump at a spike
    delta_t: float = 1.0
    v_t: float = 0.5
    w0: float = 0.0  #: its initial value

    def time_bin(self, step: Any) -> Any:
        """The time bin of a step (or of each step of a tensor)."""
        return step * self.time_bins // self.n_steps

    @property
    def falling(self) -> float:
        """The exponential term of AdEx in the slope of v just after a reset to 0, 1/ms."""
        return self.delta_t * math.exp(-self.v_t / self.delta_t) if self.adex else 0.0


DAMPED = 10  #: steps between two applications of the damping

NEWTON = 3  #: iterations that find the crossing within a step

FLAT = 0.01  #: lower limit of the slope at a crossing, relative to the mean over its step


class Inputs(NamedTuple):
    """Input spikes: those of sample b are ``offsets[b]:offsets[b + 1]``, sorted by step."""

    steps: Tensor  #: ``[E]`` int32
    units: Tensor  #: ``[E]`` int32
    offsets: Tensor  #: ``[B + 1]`` int64


class Synapses(NamedTuple):
    """Weights and delays, pre x post. A delay of T steps never arrives.

    A network that is not recurrent has ``[0, 0]`` for both recurrent matrices.
    """

    w_in: Tensor  #: ``[n_in, H]``
    d_in: Tensor  #: ``[n_in, H]`` int32, steps in [0, T]
    w_rec: Tensor  #: ``[H, H]``
    d_rec: Tensor  #: ``[H, H]`` int32, steps in [1, T]


class Spikes(NamedTuple):
    """Spikes of the hidden neurons: per sample sorted by step, then by unit."""

    steps: Tensor  #: ``[S]`` int32
    units: Tensor  #: ``[S]`` int32
    offsets: Tensor  #: ``[B + 1]`` int64
    by_v: Tensor  #: ``[S]`` ms: d(spike time)/dv, with v at the start of the step of the crossing
    by_i: Tensor  #: ``[S]`` ms^2: d(spike time)/dI there (AdEx: also minus that of the adaptation)
    after: Tensor  #: ``[S]`` slope of v just after the reset, 1/ms
    v: Tensor | None  #: ``[B, T, H]`` potential before the reset; None without backward


class Gradients(NamedTuple):
    """Gradients of the loss for weights and delays (1/ms), shaped as in `Synapses`."""

    w_in: Tensor
    d_in: Tensor
    w_rec: Tensor
    d_rec: Tensor


class EventLoops(Protocol):
    """A module that runs the network: `jarvis.spatial.event_driven` is the definition."""

    def forward(self, spec: EventSpec, inputs: Inputs, synapses: Synapses, keep: bool) -> Spikes:
        """Run all samples from v = 0; `keep`: return `Spikes.v`, too."""
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
        """From dL/d(count) ``[B, time_bins, H]`` and dL/d(time) ``[S]``, 1/ms, to all gradients."""
        ...
