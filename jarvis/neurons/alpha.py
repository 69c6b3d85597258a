"""The leaky integrate-and-fire neuron whose synaptic current rises and falls.

The synaptic kernel is an alpha function or a difference of two exponentials. A step solves the
equations of current and potential together, exactly.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.numbers import bounded, exp
from jarvis.neurons.refractory import Refractory, steps_left
from jarvis.support.checks import check_choice
from jarvis.surrogate import DEFAULT_SPIKE, Spike

RESETS = ("subtract", "zero", "none")
SCALES = ("peak", "area")


class Flow(NamedTuple):
    """The exact solution over one step: the coefficients of the old v, i and z in the new ones."""

    vv: float | Tensor
    vi: float | Tensor
    vz: float | Tensor
    ii: float | Tensor
    iz: float | Tensor
    zz: float | Tensor


@dataclass(frozen=True)
class AlphaLIFParams(Refractory, Parameters):
    """Parameters of a LIF neuron with a rising synaptic current, in ms and in threshold units.

    With v the potential, i the synaptic current and z the variable that drives the current::

        tau       dv/dt = -v + i
        tau_decay di/dt = -i + z
        tau_rise  dz/dt = -z,      z jumps by k x

    An input of 1 therefore evokes the current (`kernel`)::

        i(t) = k tau_rise/(tau_decay - tau_rise) (exp(-t/tau_decay) - exp(-t/tau_rise))
        i(t) = k (t/tau_rise) exp(-t/tau_rise)           if tau_rise = tau_decay: an alpha function

    k is chosen so that either the peak or the integral of this current is 1. Exchanging the two
    time constants does not change the kernel.

    A step is a matrix exponential, which is exact for any dt, even where time constants are equal.
    However, spikes lie on the time grid and are up to dt late, and a potential that exceeds the
    threshold only between two grid points is missed. With dt below a quarter of the median of the
    three time constants, the largest potential on the grid is within 1 % of the true peak.

    All numbers but dt and refractory may be tensors that broadcast against ``[B, ...]``: one value
    per neuron.

    Args:
        tau: membrane time constant, ms.
        tau_rise, tau_decay: time constants of the synaptic current, ms.
        threshold: potential at which the neuron fires (the resting potential is 0).
        reset: "zero" (v = 0), "subtract" (v = h - threshold) or "none" (v = h). A spike does not
            affect the current.
        refractory: time after a spike during which v is held and the neuron cannot fire, ms,
            rounded to whole steps.
        scale: with "peak", an input of 1 evokes a current whose peak is 1; with "area", a current
            whose integral is 1 ms, so that inputs of size x in every step of 1 ms drive v towards
            x.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range, or a refractory period below half a step.

    Warns:
        UserWarning: if dt is so large that the grid may miss 1 % or more of a postsynaptic
            potential.

    Source: Rall 1967, J. Neurophysiol. 30:1138 (the alpha function); Gerstner et al. 2014,
    Neuronal Dynamics, section 3.1.

    Example:
        >>> params = AlphaLIFParams.named("dual_exponential")
        >>> round(params.time_to_peak, 3), round(params.kernel(params.time_to_peak), 3)
        (2.558, 1.0)
    """

    tau: float | Tensor = parameter(20.0, "ms", above=0)
    tau_rise: float | Tensor = parameter(5.0, "ms", above=0)
    tau_decay: float | Tensor = parameter(5.0, "ms", above=0)
    threshold: float | Tensor = parameter(1.0, above=0)
    reset: str = "zero"
    refractory: float = parameter(0.0, "ms", at_least=0, fixed=True)
    scale: str = "peak"
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    #: The two shapes of the kernel; the time constants do not describe any particular synapse.
    named_sets = {
        "alpha": dict(tau_rise=5.0, tau_decay=5.0),
        "dual_exponential": dict(tau_rise=1.0, tau_decay=10.0),
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("reset", self.reset, RESETS)
        check_choice("scale", self.scale, SCALES)
        self.check_refractory()
        taus = (torch.as_tensor(value) for value in (self.tau, self.tau_rise, self.tau_decay))
        middle = torch.stack(torch.broadcast_tensors(*taus)).detach().sort(0).values[1]
        if self.dt > middle.min() / 4.0:
            warnings.warn(
                f"dt={self.dt:g} ms is large: the peak of a postsynaptic potential falls between "
                f"two steps, and 1 % of it or more may be missed; take dt below "
                f"{middle.min() / 4.0:.2g} ms",
                UserWarning,
                stacklevel=3,
            )

    @derived
    def time_to_peak(self) -> float | Tensor:
        """Time from an input to the peak of its current, ms.

        It is ``tau_rise tau_decay/(tau_decay - tau_rise) ln(tau_decay/tau_rise)``, or tau_rise if
        the two time constants are equal.
        """
        return self.tau_decay * _log1p_over(self.tau_decay / self.tau_rise - 1.0)

    @derived
    def jump(self) -> float | Tensor:
        """k, the jump of z that an input of 1 causes."""
        if self.scale == "area":
            return 1.0 / self.tau_rise
        return self.tau_decay / self.tau_rise * exp(self.time_to_peak / self.tau_decay)

    @derived
    def flow(self) -> Flow:
        """The exact solution over one step dt: a matrix exponential."""
        given = (1.0 / self.tau, 1.0 / self.tau_decay, 1.0 / self.tau_rise)
        tensors = [value for value in given if isinstance(value, Tensor)]
        device = tensors[0].device if tensors else None
        shared = [torch.as_tensor(value, dtype=torch.float64, device=device) for value in given]
        leak, decay, rise = torch.broadcast_tensors(*shared)
        none = torch.zeros_like(leak)
        rates = [[-leak, leak, none], [none, -decay, decay], [none, none, -rise]]
        flow = torch.stack([torch.stack(row, -1) for row in rates], -2) * self.dt
        e = torch.linalg.matrix_exp(flow).flatten(-2).unbind(-1)
        parts = [e[0], e[1], e[2], e[4], e[5], e[8]]
        if tensors:
            return Flow(*(part.to(tensors[0].dtype) for part in parts))
        return Flow(*(part.item() for part in parts))

    def kernel(self, t: float) -> float:
        """The current at time t after an input of 1, in threshold units.

        Args:
            t: time since the input, ms; the current is 0 for t < 0.

        Raises:
            ValueError: if a time constant differs from neuron to neuron.
        """
        p = self.plain()
        if t <= 0.0:
            return 0.0
        slow, fast = max(p.tau_rise, p.tau_decay), min(p.tau_rise, p.tau_decay)
        # t (1 - exp(-y))/y: stays finite where the two time constants are equal
        y = t * (1.0 / fast - 1.0 / slow)
        mean = -math.expm1(-y) / y if y > 0.0 else 1.0
        return p.jump * t / p.tau_decay * math.exp(-t / slow) * mean


def _log1p_over(x: float | Tensor) -> float | Tensor:
    """``log(1 + x)/x``, which is 1 at x = 0; its derivatives are exact there, too."""
    if not isinstance(x, Tensor):
        return math.log1p(x) / x if x != 0.0 else 1.0
    small = x.abs() < 0.01
    series = torch.zeros_like(x)
    for n in range(10, 0, -1):
        series = 1.0 / n - x * series
    safe = torch.where(small, 1.0, x)
    return torch.where(small, series, torch.log1p(safe) / safe)


class AlphaLIFState(NamedTuple):
    """State of LIF neurons with a rising synaptic current: tensors ``[B, ...]``."""

    v: Tensor  #: potential after the reset (threshold units: rest 0, threshold 1)
    i: Tensor  #: synaptic current, threshold units
    z: Tensor  #: the variable that drives the current, threshold units
    refractory: Tensor | None = None  #: remaining refractory steps, if `refractory` is given

    def detach(self) -> "AlphaLIFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class AlphaLIFTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]`` at the end of each step."""

    h: Tensor  #: potential before the reset
    v: Tensor  #: potential after the reset
    i: Tensor  #: synaptic current


def alpha_lif_step(
    x: Tensor,
    state: AlphaLIFState,
    params: AlphaLIFParams,
    spike: Spike = DEFAULT_SPIKE,
) -> tuple[Tensor, AlphaLIFState, AlphaLIFTrace]:
    """One step of the LIF neuron with a rising synaptic current.

    The input acts at the start of the step; then all variables follow their equations until the end
    of the step::

        z         = z + k x
        (h, i, z) = exp(A dt) (v, i, z)       A = [[-1/tau, 1/tau, 0],
                                                   [0, -1/tau_decay, 1/tau_decay],
                                                   [0, 0, -1/tau_rise]]
        h         = v                         while refractory
        s         = 1 where h >= threshold, else 0                (0 while refractory)
        v         = h (1 - s)  |  h - threshold s  |  h           ("zero", "subtract", "none")

    This differs from `lif_step` with tau_syn, which adds the current to the potential once per
    step; here v integrates the current while it rises and decays.

    Args:
        x: input of this step ``[B, ...]``, excitatory above 0 and inhibitory below; clamped to
            +-1e15.
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate (a function of ``h - threshold``) and whether the reset is detached.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), the new state, and
        the record of ``trace=True``.

    Source: Rotter & Diesmann 1999, Biol. Cybern. 81:381 (exact integration by a matrix
    exponential).

    Example:
        >>> params = AlphaLIFParams(tau_rise=20.0, tau_decay=20.0, dt=5.0)
        >>> state = AlphaLIF(params).initial_state(torch.zeros(1))
        >>> for x in (2.0, 0.0, 0.0):
        ...     spikes, state, _ = alpha_lif_step(torch.tensor([x]), state, params)
        ...     print(round(state.i.item(), 3), round(state.v.item(), 3))
        1.058 0.132
        1.649 0.412
        1.926 0.722
    """
    p, flow = params, params.flow
    z = state.z + p.jump * bounded(x)
    h = flow.vv * state.v + flow.vi * state.i + flow.vz * z
    i = flow.ii * state.i + flow.iz * z
    if state.refractory is None:
        refractory = None
        spikes = spike(h, p.threshold)
    else:
        ready = state.refractory <= 0
        h = torch.where(ready, h, state.v)
        spikes = spike(h, p.threshold) * ready
        refractory = steps_left(state.refractory, spikes, p.hold)

    reset = spike.reset(spikes)
    if p.reset == "subtract":
        v = h - p.threshold * reset
    elif p.reset == "zero":
        v = h * (1.0 - reset)
    else:
        v = h
    return spikes, AlphaLIFState(v, i, flow.zz * z, refractory), AlphaLIFTrace(h, v, i)


def _rest(params: AlphaLIFParams) -> Any:
    refractory = 0.0 if params.refractory_steps else None
    return AlphaLIFState(0.0, 0.0, 0.0, refractory)  # type: ignore[arg-type]


#: The LIF neuron with a rising synaptic current: ``AlphaLIF(tau_rise=2.0)`` for a `SpikingLayer`.
AlphaLIF = define(alpha_lif_step, AlphaLIFParams, AlphaLIFState, _rest)
