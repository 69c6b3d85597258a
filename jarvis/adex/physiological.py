"""The AdEx neuron in biophysical units (mV, pA, nS, pF, ms), with the published firing patterns.

This file contains the neuron's parameters, its state, the update rule of one step, and the layer
that runs the neuron over ``[T, B, ...]``. The validation of the parameters includes a check that dt
is small enough.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from jarvis.adex.common import as_array, largest, saturate, smallest
from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.layer import SpikingLayer
from jarvis.surrogate import DEFAULT_SPIKE, Spike


class HalfStep(NamedTuple):
    """Half a step of the linear part: coefficients of x = V - e_l, w and I in the new x and w."""

    xx: float | Tensor
    xw: float | Tensor
    xi: float | Tensor
    wx: float | Tensor
    ww: float | Tensor
    wi: float | Tensor


class AfterReset(NamedTuple):
    """Constants at V = v_reset, without input and adaptation."""

    x: float | Tensor  #: v_reset - e_l, mV
    slope: float | Tensor  #: dV/dt at v_reset, mV/ms
    bend: float | Tensor  #: half the derivative of this slope with respect to V, 1/ms
    peak: float | Tensor  #: exp(-(v_peak - v_t)/delta_t)


class FiringPattern(NamedTuple):
    """A published parameter set and the current step that evokes its firing pattern."""

    panel: str  #: panel of the paper's figure
    current: float  #: pA, applied from rest (V = e_l, w = 0)
    c: float
    g_l: float
    e_l: float
    a: float
    b: float
    tau_w: float
    v_reset: float


#: Naud, Marcille, Clopath & Gerstner 2008, Biol. Cybern. 99:335, table 1 and figure 4; v_t = -50 mV
#: and delta_t = 2 mV for all. Panels f and g use P. Mueller's corrections (Brian's example
#: `Naud_et_al_2008_adex_firing_patterns`): with the table's own values, f does not spike within
#: the 500 ms of the figure, and g never stops firing.
FIRING_PATTERNS: dict[str, FiringPattern] = {
    #                                   panel  I     c    g_l  e_l    a    b   tau_w v_reset
    "tonic": FiringPattern("4a", 500.0, 200.0, 10.0, -70.0, 2.0, 0.0, 30.0, -58.0),
    "adapting": FiringPattern("4b", 500.0, 200.0, 12.0, -70.0, 2.0, 60.0, 300.0, -58.0),
    "initial_burst": FiringPattern("4c", 400.0, 130.0, 18.0, -58.0, 4.0, 120.0, 150.0, -50.0),
    "bursting": FiringPattern("4d", 210.0, 200.0, 10.0, -58.0, 2.0, 100.0, 120.0, -46.0),
    "delayed": FiringPattern("4e", 300.0, 200.0, 12.0, -70.0, -10.0, 0.0, 300.0, -58.0),
    "delayed_bursting": FiringPattern("4f", 110.0, 100.0, 10.0, -65.0, -10.0, 30.0, 90.0, -47.0),
    "transient": FiringPattern("4g", 180.0, 100.0, 10.0, -65.0, 10.0, 100.0, 90.0, -47.0),
    "irregular": FiringPattern("4h", 160.0, 100.0, 12.0, -60.0, -11.0, 30.0, 130.0, -48.0),
}


@dataclass(frozen=True)
class AdExParams(Parameters):
    """Parameters of the AdEx neuron in biophysical units: mV, pA, nS, pF, ms.

    With V the potential, w the adaptation current and I the input current::

        c dV/dt     = -g_l (V - e_l) + g_l delta_t exp((V - v_t)/delta_t) + I - w
        tau_w dw/dt = a (V - e_l) - w

    Because of the exponential term, V diverges in finite time. When V passes v_peak, the neuron
    spikes: V is reset to v_reset, and w increases by b.

    A step solves the linear and the exponential part separately, each exactly (`adex_step`). Two
    effects of this splitting have closed forms. First, with w constant, the neuron fires above
    a current of ``g_l (v_t - delta_t (1 + (dt/tau)^2/24) - e_l)`` instead of ``g_l (v_t - delta_t -
    e_l)``. Second, a spike may be up to `spike_error` early or late.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per neuron.

    Args:
        c: capacitance, pF.
        g_l: leak conductance, nS. The membrane time constant is tau = c/g_l.
        e_l: resting potential, mV.
        v_t: threshold, at which the exponential is as steep as the leak, mV.
        delta_t: sharpness of the spike onset, mV.
        a: coupling of V to the adaptation, nS; it may be negative.
        b: increase of the adaptation per spike, pA.
        tau_w: time constant of the adaptation, ms.
        v_reset: potential after a spike, mV.
        v_peak: potential at which the upstroke is cut off, mV. A larger value hardly changes spike
            times.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range; and for a dt above tau, tau_w or `upstroke`,
            because spikes would be missed or spurious. The message names the limit.

    Warns:
        UserWarning: if the error of a spike time, and hence of an interval, may exceed 1 % of the
            shorter of tau and `upstroke`.

    Source: Brette & Gerstner 2005, J. Neurophysiol. 94:3637, eqs. 1-3, and its default values.

    Example:
        >>> params = AdExParams.named("bursting")
        >>> params.tau, round(params.upstroke, 2), round(params.rheobase, 1)
        (20.0, 2.71, 76.4)
        >>> AdExParams.named("bursting", dt=3.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: dt=3 ms is too large: from v_reset the exponential needs 2.71 ms to the next ...
    """

    c: float | Tensor = parameter(281.0, "pF", above=0)
    g_l: float | Tensor = parameter(30.0, "nS", above=0)
    e_l: float | Tensor = parameter(-70.6, "mV")
    v_t: float | Tensor = parameter(-50.4, "mV")
    delta_t: float | Tensor = parameter(2.0, "mV", above=0)
    a: float | Tensor = parameter(4.0, "nS")
    b: float | Tensor = parameter(80.5, "pA")
    tau_w: float | Tensor = parameter(144.0, "ms", above=0)
    v_reset: float | Tensor = parameter(-70.6, "mV")
    v_peak: float | Tensor = parameter(0.0, "mV")
    dt: float = parameter(0.1, "ms", above=0, fixed=True)

    #: The parameters in `FIRING_PATTERNS`, not the panel or current.
    named_sets = {
        name: dict(zip(pattern._fields[2:], pattern[2:], strict=True), v_t=-50.0, delta_t=2.0)
        for name, pattern in FIRING_PATTERNS.items()
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        peak, v_t, v_reset = as_array(self.v_peak), as_array(self.v_t), as_array(self.v_reset)
        if not (peak > np.maximum(v_t, v_reset)).all():
            raise ValueError(
                f"v_peak={smallest(peak):g} mV must be above v_t={largest(v_t):g} mV and "
                f"v_reset={largest(v_reset):g} mV"
            )
        dt, upstroke = f"dt={self.dt:g} ms is too large: ", smallest(self.upstroke)
        tau, tau_w = smallest(self.tau), smallest(self.tau_w)
        if self.dt >= upstroke:
            raise ValueError(
                f"{dt}from v_reset the exponential needs {upstroke:.3g} ms to the next spike, "
                "which would fall into the step of the first and be lost"
            )
        if self.dt >= tau:
            raise ValueError(
                f"{dt}above the membrane time constant, {tau:.3g} ms, a neuron would "
                "already fire below v_t, where the potential might still turn back"
            )
        if self.dt >= tau_w:
            raise ValueError(f"{dt}the adaptation would decay in one step, tau_w={tau_w:g} ms")
        shortest, error = min(tau, upstroke), largest(self.spike_error)
        if error > 0.01 * shortest:
            best = self.dt * math.sqrt(0.01 * shortest / error)
            warnings.warn(
                f"dt={self.dt:g} ms is large: spikes may come {error:.2g} ms too early "
                f"or too late, more than 1 % of {shortest:.3g} ms; take dt below {best:.2g} ms",
                UserWarning,
                stacklevel=3,
            )

    @property
    def tau(self) -> float | Tensor:
        """The membrane time constant, ms."""
        return self.c / self.g_l

    @property
    def upstroke(self) -> float | Tensor:
        """Time from v_reset to the spike if only the exponential acts, ms.

        It is ``tau (exp(-(v_reset - v_t)/delta_t) - exp(-(v_peak - v_t)/delta_t))``, the shortest
        interval between two spikes when leak, adaptation and input cancel.
        """
        low, high = (-(v - self.v_t) / self.delta_t for v in (self.v_reset, self.v_peak))
        low = low.clamp_max(500.0) if isinstance(low, Tensor) else min(low, 500.0)
        return self.tau * (_exp(low) - _exp(high))

    @property
    def rheobase(self) -> float:
        """The current at which a slow increase destroys the last stable fixed point, pA.

        At this current, the stable fixed point merges with the unstable one (saddle-node
        bifurcation) or loses its stability (Hopf bifurcation, where ``a/g_l > tau/tau_w``).
        With a = 0 the rheobase is ``g_l (v_t - delta_t - e_l)``; with ``a <= -g_l`` there is no
        stable fixed point at any current. All parameters must be single numbers.

        Source: Touboul & Brette 2008, Biol. Cybern. 99:319; Naud et al. 2008, section 2.
        """
        p = self.plain()
        if p.a <= -p.g_l:
            return -math.inf
        steep = 1.0 + min(p.a / p.g_l, p.tau / p.tau_w)  # exp((V - v_t)/delta_t) at the bifurcation
        x = p.v_t + p.delta_t * math.log(steep) - p.e_l
        return (p.g_l + p.a) * x - p.g_l * p.delta_t * steep

    @derived
    def v_cross(self) -> float | Tensor:
        """The potential from which the exponential reaches v_peak within one step, mV."""
        # The time used here is longer than a step by a fraction of 1e-5, so that rounding (2e-6 in
        # float32) cannot make the argument of the logarithm 0 for a neuron that does not spike.
        reached = self.dt / self.tau * (1.0 + 1e-5) + self.after_reset.peak
        return self.v_t - self.delta_t * _log(reached)

    @property
    def spike_error(self) -> float | Tensor:
        """Largest error of a spike time with time step dt, ms.

        The leak acts for half a step before the exponential and for half a step after it. A spike
        occurs in between, so its time is off by up to about ``dt^2/8 (v_cross - e_l)/(tau
        delta_t)``.
        """
        return self.dt**2 / 8.0 * abs(self.v_cross - self.e_l) / (self.tau * self.delta_t)

    @derived
    def half_step(self) -> HalfStep:
        """The linear part, solved exactly over dt/2: a matrix exponential."""
        given = (1.0 / self.tau, 1.0 / self.c, self.a / self.tau_w, 1.0 / self.tau_w)
        tensors = [value for value in given if isinstance(value, Tensor)]
        device = tensors[0].device if tensors else None
        shared = [torch.as_tensor(value, dtype=torch.float64, device=device) for value in given]
        leak, per_c, coupling, decay = torch.broadcast_tensors(*shared)
        none = torch.zeros_like(leak)  # the current is constant
        rates = [[-leak, -per_c, per_c], [coupling, -decay, none], [none, none, none]]
        flow = torch.stack([torch.stack(row, -1) for row in rates], -2) * self.dt / 2.0
        parts = torch.linalg.matrix_exp(flow)[..., :2, :].flatten(-2).unbind(-1)
        if tensors:
            return HalfStep(*(part.to(tensors[0].dtype) for part in parts))
        return HalfStep(*(part.item() for part in parts))

    @derived
    def after_reset(self) -> AfterReset:
        """The constants needed for a step in which the neuron spikes."""
        x = self.v_reset - self.e_l
        e = _exp((self.v_reset - self.v_t) / self.delta_t)
        peak = _exp(-(self.v_peak - self.v_t) / self.delta_t)
        slope, bend = (self.delta_t * e - x) / self.tau, (e - 1.0) / (2.0 * self.tau)
        return AfterReset(x, slope, bend, peak)


def _exp(x: float | Tensor) -> float | Tensor:
    return torch.exp(x) if isinstance(x, Tensor) else math.exp(min(x, 709.0))


def _log(x: float | Tensor) -> float | Tensor:
    return torch.log(x) if isinstance(x, Tensor) else math.log(x)


class AdExState(NamedTuple):
    """State of AdEx neurons: tensors ``[B, ...]``."""

    v: Tensor  #: potential, mV
    w: Tensor  #: adaptation current, pA

    def detach(self) -> "AdExState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class AdExTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]`` at the end of each step."""

    v: Tensor  #: potential, mV
    w: Tensor  #: adaptation current, pA
    since: Tensor  #: time from the spike to the end of its step, ms; 0 without a spike


def adex_step(
    current: Tensor,
    state: AdExState | None,
    params: AdExParams,
    spike: Spike = DEFAULT_SPIKE,
) -> tuple[Tensor, AdExState]:
    """One step of the AdEx neuron in biophysical units.

    The equation is split into a linear part (leak, adaptation, input) and an exponential. Each is
    solved exactly: first half a step of the linear part, then the exponential, then another half
    step of the linear part (Strang splitting)::

        (x, w) = exp(A dt/2) (x, w, I)                               x = V - e_l
        V      = V - delta_t ln(1 - dt/tau exp((V - v_t)/delta_t))   tau = c/g_l
        (x, w) = exp(A dt/2) (x, w, I)

    The logarithm is undefined once its argument reaches 0: for V >= `v_cross`, the exponential
    reaches v_peak within this step, after ``t = tau (exp(-(V - v_t)/delta_t) - exp(-(v_peak -
    v_t)/delta_t))``, and the neuron spikes. The remainder of the step, dt - t, then starts from
    v_reset and w + b, so interspike intervals do not depend on the time grid. A neuron spikes at
    most once per step.

    Args:
        current: I ``[B, ...]``, pA, constant during the step; clamped to +-1e15.
        state: the state before the step; None for a neuron at rest.
        params: the neuron's parameters.
        spike: the surrogate, a function of ``(V - v_cross)/delta_t``. The gradient from the state
            after a spike to the state before it is exact.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), and the new state.

    Source: Brette & Gerstner 2005, eqs. 1-3; the splitting is from Strang 1968, SIAM J. Numer.
    Anal. 5:506.

    Example:
        >>> params, state = AdExParams.named("tonic"), None
        >>> for step in range(300):
        ...     spikes, state = adex_step(torch.full((1,), 500.0), state, params)
        ...     if spikes:
        ...         print(f"{(step + 1) * params.dt:.1f} ms")
        14.3 ms
        23.2 ms
    """
    before = AdEx.initial_state(current, params) if state is None else state
    spikes, after, _ = adex_update(current, before, params, spike)
    return spikes, after


def adex_update(
    current: Tensor, state: AdExState, params: AdExParams, spike: Spike
) -> tuple[Tensor, AdExState, AdExTrace]:
    """`adex_step` for use by `AdEx`: requires a state, and returns a trace."""
    p, dt = params, params.dt
    half = p.half_step
    current = saturate(current)
    x = state.v - p.e_l
    x, w = (
        half.xx * x + half.xw * state.w + half.xi * current,
        half.wx * x + half.ww * state.w + half.wi * current,
    )
    over = (x - (p.v_cross - p.e_l)) / p.delta_t
    spikes = spike(over, 0.0)
    crosses = over.detach() >= 0.0

    # One exponential serves both cases: its argument is at most ln(tau/dt) in either.
    u = (x - (p.v_t - p.e_l)) / p.delta_t
    e = torch.exp(torch.where(crosses, -u, u))
    # Without a spike.
    grown = p.delta_t * torch.log1p(torch.where(crosses, 0.0, e * (-dt / p.tau)))
    x_on = x - grown
    x_on, w_on = (
        half.xx * x_on + half.xw * w + half.xi * current,
        half.wx * x_on + half.ww * w + half.wi * current,
    )
    # With a spike, the rest of the step starts from v_reset and is computed to second order.
    r = p.after_reset
    since = torch.where(crosses, (dt - p.tau * (e - r.peak)).clamp_min(0.0).clamp_max(dt), 0.0)
    w_off = half.wx * r.x + half.ww * w + half.wi * current + p.b * (1.0 - since / p.tau_w)
    x_off = r.x + since * (r.slope + (current - w_off) / p.c) * (1.0 + since * r.bend)

    v = torch.where(crosses, x_off, x_on).clamp_max(p.v_peak - p.e_l) + p.e_l
    w = torch.where(crosses, w_off, w_on)
    return spikes, AdExState(v, w), AdExTrace(v, w, since)


#: The AdEx neuron in biophysical units: ``AdEx(dt=0.1)`` for a `SpikingLayer`.
AdEx = define(
    adex_update,
    AdExParams,
    AdExState,
    lambda params: AdExState(params.e_l, 0.0),  # type: ignore[arg-type]
)


def spike_times(spikes: Tensor, since: Tensor, dt: float) -> Tensor:
    """The spike times of one neuron, more precise than the grid: ``(step + 1) dt - since``.

    Args:
        spikes: the spikes of the neuron ``[T]``.
        since: ``[T]``, the time in ms from each spike to the end of its step: `AdExTrace.since`.
        dt: time step, ms.

    Returns:
        one time per spike, ms, float64.

    Example:
        >>> spike_times(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0.0, 0.25, 0.0]), 0.5).tolist()
        [0.75, 1.5]
    """
    (steps,) = (spikes > 0).nonzero(as_tuple=True)
    return (steps + 1).double() * dt - since[steps].double()


class StepResponse(NamedTuple):
    """Response of one neuron to a current step; returned by `step_response`."""

    times: np.ndarray  #: the ends of the steps, ms
    v: np.ndarray  #: potential at these times, mV
    w: np.ndarray  #: adaptation at these times, pA
    spike_times: np.ndarray  #: ms, more precise than the steps


def step_response(
    params: AdExParams,
    current: float,
    duration: float,
    *,
    v: float | None = None,
    w: float = 0.0,
) -> StepResponse:
    """Response of one neuron to a current that is switched on at t = 0, in float64.

    Args:
        params: the neuron.
        current: pA.
        duration: ms, rounded to steps.
        v: potential at the start, mV; None for e_l.
        w: adaptation at the start, pA.

    Raises:
        ValueError: for a duration of less than one step.

    Example:
        >>> response = step_response(AdExParams.named("adapting"), 500.0, duration=100.0)
        >>> response.spike_times.round().tolist()
        [15.0, 26.0, 41.0, 60.0, 90.0]
    """
    steps = round(duration / params.dt)
    if steps < 1:
        raise ValueError(f"duration={duration!r} ms is less than a step of dt={params.dt:g} ms")
    x = torch.full((steps, 1), float(current), dtype=torch.float64)
    start = (params.e_l if v is None else v, w)
    state = AdExState(*(torch.full((1,), float(part), dtype=torch.float64) for part in start))
    spikes, _, trace = AdExLayer(params)(x, state, trace=True)
    found = spike_times(spikes[:, 0], trace.since[:, 0], params.dt)
    times = params.dt * np.arange(1, steps + 1)
    return StepResponse(times, *(part.numpy() for part in (trace.v[:, 0], trace.w[:, 0], found)))


class AdExLayer(SpikingLayer):
    """Adaptive exponential neurons in biophysical units, run over a whole sequence.

    The equations are given in `adex_step`. Unless the layer is recurrent, neurons do not interact,
    and the layer accepts any trailing shape.

    Args:
        params: the neurons' parameters; None for the defaults.
        surrogate: a `SurrogateSpike`, the name of a surrogate, or a function ``(v, threshold) ->
            spikes``.
        backend: "auto" uses a compiled time loop if it can, otherwise "eager" (and says why, once).
            "eager" runs step by step in PyTorch; "numba" (CPU) and "triton" (CUDA) require the
            compiled loop.
        learnable: names of the parameters that are trained; those that must be positive are stored
            as logarithms. A tensor among the parameters, say tau of shape [n_hidden], gives each
            neuron its own value, whether or not it is learned.
        recurrent: number of neurons of a recurrent layer, as in `SpikingLayer`.
        self_connections: False keeps the diagonal of the recurrent weights at 0.

    Raises:
        ValueError: for an unknown name, or an input that is not [T, B, ...].
        TypeError: for parameters of another kind, or an input that is not a floating-point tensor.

    Warns:
        UserWarning: if a neuron spikes in two successive steps: the input is then so strong that
            spikes may be lost.

    Example:
        >>> layer = AdExLayer(AdExParams.named("bursting"))
        >>> spikes, state = layer(torch.full((3000, 1), 210.0))  # 300 ms
        >>> int(spikes.sum())
        7
    """

    def __init__(
        self,
        params: AdExParams | None = None,
        surrogate: str | Callable[[Tensor, Tensor | float], Tensor] = "fast_sigmoid",
        backend: str = "auto",
        *,
        learnable: str | Sequence[str] = (),
        recurrent: int | None = None,
        self_connections: bool = True,
    ) -> None:
        super().__init__(
            AdEx(params),
            learnable=learnable,
            recurrent=recurrent,
            self_connections=self_connections,
            surrogate=surrogate,
            backend=backend,
        )

    def forward(self, x: Tensor, state: AdExState | None = None, *, trace: bool = False):
        """Run the layer over a sequence.

        Args:
            x: current ``[T, B, ...]``, pA, constant within each step.
            state: the state to start from; None for neurons at rest.
            trace: also return potentials, adaptation and the times of spikes within their steps.

        Returns:
            ``(spikes [T, B, ...], state)``, followed by an `AdExTrace` if ``trace=True``.
        """
        results = super().forward(x, state, trace=trace)
        self._check_rate(results[0])
        return results

    def _check_rate(self, spikes: Tensor) -> None:
        spikes = spikes.detach()
        if bool((spikes[1:] * spikes[:-1] > 0).any()):
            warnings.warn(
                f"AdExLayer: a neuron spiked in two successive steps of dt={self.value('dt'):g} "
                "ms, so spikes between them may be lost: the input is too strong for this dt (or "
                "its unit is not pA)",
                UserWarning,
                stacklevel=3,
            )
