"""The AdEx neuron in biophysical units (mV, pA, nS, pF, ms), with the published firing patterns.

Its parameters, which are validated, including whether dt is small enough; its state; the update
rule of one step; and the layer that runs it over ``[T, B, ...]``.
"""

import math
import warnings
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from jarvis.adex.common import DEFAULT_SURROGATE, Surrogate, saturate
from jarvis.kernels.adex_autograd import run_adex
from jarvis.kernels.adex_spec import AdExValues
from jarvis.kernels.dispatch import check_backend, choose
from jarvis.neurons.layers import check_input, checked_state, stack_steps
from jarvis.support.checks import check_choice, check_number
from jarvis.surrogate import SurrogateSpike


class HalfStep(NamedTuple):
    """Half a step of the linear part: coefficients of x = V - e_l, w and I in the new x and w."""

    xx: float
    xw: float
    xi: float
    wx: float
    ww: float
    wi: float


class FiringPattern(NamedTuple):
    """A published parameter set and the current step that evokes its firing pattern."""

    panel: str  #: of the paper's figure
    current: float  #: pA, applied from rest (V = e_l, w = 0)
    c: float
    g_l: float
    e_l: float
    a: float
    b: float
    tau_w: float
    v_reset: float


#: Naud, Marcille, Clopath & Gerstner 2008, Biol. Cybern. 99:335, table 1 and figure 4; v_t = -50 mV
#: and delta_t = 2 mV in all. Panels f and g use P. Mueller's corrections (Brian's example
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
class AdExParams:
    """Parameters of the AdEx neuron in biophysical units: mV, pA, nS, pF, ms.

    With V the potential, w the adaptation current and I the input current::

        c dV/dt     = -g_l (V - e_l) + g_l delta_t exp((V - v_t)/delta_t) + I - w
        tau_w dw/dt = a (V - e_l) - w

    The exponential diverges in finite time. When V passes v_peak on the way, the neuron spikes:
    V = v_reset, and w increases by b.

    A step is exact for the linear part and for the exponential, each by itself (`adex_step`). Two
    closed forms give the error of this splitting. With w held and a constant current just too
    small to fire, the fixed point is at ``v_t - delta_t (1 + (dt/tau)^2/24)`` instead of
    ``v_t - delta_t``. And a spike may be up to `spike_error` early or late.

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
        v_peak: where the upstroke is cut off, mV. A larger value hardly changes spike times.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range; and for a dt so large that spikes would be missed
            or spurious: above tau, tau_w or `upstroke`. The message says which.

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

    c: float = 281.0
    g_l: float = 30.0
    e_l: float = -70.6
    v_t: float = -50.4
    delta_t: float = 2.0
    a: float = 4.0
    b: float = 80.5
    tau_w: float = 144.0
    v_reset: float = -70.6
    v_peak: float = 0.0
    dt: float = 0.1

    @classmethod
    def named(cls, name: str, **changes: float) -> "AdExParams":
        """The parameters of one of the `FIRING_PATTERNS`, with some of them changed."""
        check_choice("name", name, FIRING_PATTERNS)
        published = FIRING_PATTERNS[name]._asdict()
        del published["panel"], published["current"]
        return cls(**(published | dict(v_t=-50.0, delta_t=2.0) | changes))

    def __post_init__(self) -> None:
        for name in ("c", "g_l", "delta_t", "tau_w", "dt"):
            check_number(name, getattr(self, name), above=0)
        for name in ("e_l", "v_t", "a", "b", "v_reset", "v_peak"):
            check_number(name, getattr(self, name))
        if not self.v_peak > max(self.v_t, self.v_reset):
            raise ValueError(
                f"v_peak={self.v_peak:g} mV must be above v_t={self.v_t:g} mV and "
                f"v_reset={self.v_reset:g} mV"
            )
        dt = f"dt={self.dt:g} ms is too large: "
        if self.dt >= self.upstroke:
            raise ValueError(
                f"{dt}from v_reset the exponential needs {self.upstroke:.3g} ms to the next spike, "
                "which would fall into the step of the first and be lost"
            )
        if self.dt >= self.tau:
            raise ValueError(
                f"{dt}above the membrane time constant, {self.tau:.3g} ms, a step would fire from "
                "below v_t, where the potential might still turn back"
            )
        if self.dt >= self.tau_w:
            raise ValueError(f"{dt}the adaptation would decay in one step, tau_w={self.tau_w:g} ms")
        shortest = min(self.tau, self.upstroke)
        if self.spike_error > 0.01 * shortest:
            best = self.dt * math.sqrt(0.01 * shortest / self.spike_error)
            warnings.warn(
                f"dt={self.dt:g} ms is large: spikes may come {self.spike_error:.2g} ms too early "
                f"or too late, more than 1 % of {shortest:.3g} ms; take dt below {best:.2g} ms",
                UserWarning,
                stacklevel=3,
            )

    @property
    def tau(self) -> float:
        """The membrane time constant, ms."""
        return self.c / self.g_l

    @property
    def upstroke(self) -> float:
        """Time from v_reset to the spike by the exponential alone, ms.

        ``tau (exp(-(v_reset - v_t)/delta_t) - exp(-(v_peak - v_t)/delta_t))``: the shortest
        interval between two spikes when leak, adaptation and input cancel.
        """
        low, high = (-(v - self.v_t) / self.delta_t for v in (self.v_reset, self.v_peak))
        return self.tau * (math.exp(min(low, 500.0)) - math.exp(high))

    @property
    def rheobase(self) -> float:
        """The smallest slowly increased current at which no stable fixed point is left, pA.

        The stable fixed point merges with the unstable one (saddle-node), or loses its stability
        before that (Hopf, where ``a/g_l > tau/tau_w``). With a = 0 the rheobase is
        ``g_l (v_t - delta_t - e_l)``; with ``a <= -g_l`` no current has a stable fixed point.

        Source: Touboul & Brette 2008, Biol. Cybern. 99:319; Naud et al. 2008, section 2.
        """
        if self.a <= -self.g_l:
            return -math.inf
        steep = 1.0 + min(self.a / self.g_l, self.tau / self.tau_w)  # exp((V - v_t)/delta_t) there
        x = self.v_t + self.delta_t * math.log(steep) - self.e_l
        return (self.g_l + self.a) * x - self.g_l * self.delta_t * steep

    @cached_property
    def v_cross(self) -> float:
        """The potential from which the exponential reaches v_peak within one step, mV."""
        # The step is taken 1e-5 too long here, so that rounding (in float32: 2e-6) cannot make the
        # logarithm's argument 0 for a neuron that does not spike.
        peak = math.exp(-(self.v_peak - self.v_t) / self.delta_t)
        return self.v_t - self.delta_t * math.log(self.dt / self.tau * (1.0 + 1e-5) + peak)

    @property
    def spike_error(self) -> float:
        """Largest error of a spike time at a step of dt, ms.

        The leak is applied for half a step before the exponential and for the other half after it;
        the time of a spike in between is off by up to about
        ``dt^2/8 (v_cross - e_l)/(tau delta_t)``.
        """
        return self.dt**2 / 8.0 * abs(self.v_cross - self.e_l) / (self.tau * self.delta_t)

    @cached_property
    def half_step(self) -> HalfStep:
        """The linear part, solved exactly over dt/2: a matrix exponential."""
        rates = [
            [-1.0 / self.tau, -1.0 / self.c, 1.0 / self.c],
            [self.a / self.tau_w, -1.0 / self.tau_w, 0.0],
            [0.0, 0.0, 0.0],  # the current is constant
        ]
        flow = torch.linalg.matrix_exp(torch.tensor(rates, dtype=torch.float64) * self.dt / 2.0)
        return HalfStep(*flow[:2].flatten().tolist())


class AdExState(NamedTuple):
    """State of an AdEx neuron, each ``[B, ...]``."""

    v: Tensor  #: potential, mV
    w: Tensor  #: adaptation current, pA

    def detach(self) -> "AdExState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return AdExState(*(part.detach() for part in self))


def adex_initial_state(x: Tensor, params: AdExParams) -> AdExState:
    """V = e_l and w = 0; shape, dtype and device are those of `x` ``[B, ...]``."""
    v = torch.full_like(x, params.e_l, memory_format=torch.contiguous_format)
    return AdExState(v, torch.zeros_like(v))


def adex_step(
    current: Tensor,
    state: AdExState | None,
    params: AdExParams,
    surrogate: Surrogate = DEFAULT_SURROGATE,
) -> tuple[Tensor, AdExState]:
    """One step of the AdEx neuron in biophysical units.

    The equation is split into a linear part (leak, adaptation, input) and an exponential. Each is
    solved exactly: half a step of the linear part, the exponential, another half step (Strang)::

        (x, w) = exp(A dt/2) (x, w, I)                               x = V - e_l
        V      = V - delta_t ln(1 - dt/tau exp((V - v_t)/delta_t))   tau = c/g_l
        (x, w) = exp(A dt/2) (x, w, I)

    The logarithm is undefined once its argument reaches 0: for V >= `v_cross`, the exponential
    reaches v_peak within this step, after ``t = tau (exp(-(V - v_t)/delta_t) - exp(-(v_peak -
    v_t)/delta_t))``. That is a spike. The remainder of the step, dt - t, then starts from v_reset
    and w + b, so that interspike intervals do not depend on the grid. A neuron spikes at most once
    per step.

    Args:
        current: I ``[B, ...]``, pA, constant during the step; clamped to +-1e15.
        state: the state before the step; None for a neuron at rest.
        params: the neuron's parameters.
        surrogate: the spike and its derivative with respect to ``(V - v_cross)/delta_t``. How the
            state after a spike depends on the state before it is differentiated exactly.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), and the new state.

    Source: Brette & Gerstner 2005, eqs. 1-3; the splitting is Strang 1968, SIAM J. Numer. Anal.
    5:506.

    Example:
        >>> params, state = AdExParams.named("tonic"), None
        >>> for step in range(300):
        ...     spikes, state = adex_step(torch.full((1,), 500.0), state, params)
        ...     if spikes:
        ...         print(f"{(step + 1) * params.dt:.1f} ms")
        14.3 ms
        23.2 ms
    """
    if state is None:
        state = adex_initial_state(current, params)
    spikes, state, _ = adex_update(current, state, params, surrogate)
    return spikes, state


def adex_update(
    current: Tensor, state: AdExState, params: AdExParams, surrogate: Surrogate
) -> tuple[Tensor, AdExState, Tensor]:
    """`adex_step` for a given state; also returns the time since the spike, ms (0 without one)."""
    p, dt = params, params.dt
    half = p.half_step
    current = saturate(current)
    x = state.v - p.e_l
    x, w = (
        half.xx * x + half.xw * state.w + half.xi * current,
        half.wx * x + half.ww * state.w + half.wi * current,
    )
    over = (x - (p.v_cross - p.e_l)) / p.delta_t
    spikes = surrogate(over, 0.0)
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
    # With a spike: the remainder of the step from v_reset, to second order.
    r = reset_rates(p)
    since = torch.where(crosses, (dt - p.tau * (e - r.peak)).clamp(0.0, dt), 0.0)
    w_off = half.wx * r.x + half.ww * w + half.wi * current + p.b * (1.0 - since / p.tau_w)
    x_off = r.x + since * (r.slope + (current - w_off) / p.c) * (1.0 + since * r.bend)

    v = torch.where(crosses, x_off, x_on).clamp_max(p.v_peak - p.e_l) + p.e_l
    return spikes, AdExState(v, torch.where(crosses, w_off, w_on)), since


class ResetRates(NamedTuple):
    """Derivatives of V at v_reset, without input and adaptation."""

    x: float  #: v_reset - e_l, mV
    slope: float  #: of V there, mV/ms
    bend: float  #: half the derivative of that slope with respect to V, 1/ms
    peak: float  #: exp(-(v_peak - v_t)/delta_t)


def reset_rates(p: AdExParams) -> ResetRates:
    """The constants needed for a step in which the neuron spikes."""
    x = p.v_reset - p.e_l
    e = torch.exp(torch.tensor((p.v_reset - p.v_t) / p.delta_t, dtype=torch.float64)).item()
    peak = torch.exp(torch.tensor(-(p.v_peak - p.v_t) / p.delta_t, dtype=torch.float64)).item()
    return ResetRates(x, (p.delta_t * e - x) / p.tau, (e - 1.0) / (2.0 * p.tau), peak)


class AdExTrace(NamedTuple):
    """Recorded variables at the end of each step, each ``[T, B, ...]``."""

    v: Tensor  #: potential, mV
    w: Tensor  #: adaptation current, pA
    since: Tensor  #: time since the spike of this step, ms; 0 without a spike


def spike_times(spikes: Tensor, since: Tensor, dt: float) -> Tensor:
    """The spike times of one neuron, more precise than the grid: ``(step + 1) dt - since``.

    Args:
        spikes: ``[T]``.
        since: ``[T]``, the time in ms from each spike to the end of its step: `AdExTrace.since`.
        dt: time step, ms.

    Returns:
        Times in ms, float64, as many as there are spikes.

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


class AdExLayer(nn.Module):
    """Adaptive exponential neurons in biophysical units, run over a whole sequence.

    The equations are those of `adex_step`. Neurons do not interact: any trailing shape works.

    Args:
        params: the neurons' parameters.
        surrogate: a `SurrogateSpike`, the name of one, or a module ``(v, threshold) -> spikes``.
        backend: "auto" uses the compiled time loop if no gradient is needed, and PyTorch's step
            by step otherwise; "eager" runs step by step; "numba" (CPU) and "triton" (CUDA) require
            that loop.

    Raises:
        ValueError: for an unknown name, or an input that is not [T, B, ...].
        TypeError: for an input that is not a floating-point tensor.

    Warns:
        UserWarning: if a neuron spikes in two successive steps: the input is so strong that spikes
            between them may be lost.

    Example:
        >>> layer = AdExLayer(AdExParams.named("bursting"))
        >>> spikes, state = layer(torch.full((3000, 1), 210.0))  # 300 ms
        >>> int(spikes.sum())
        7
    """

    def __init__(
        self,
        params: AdExParams | None = None,
        surrogate: str | SurrogateSpike = "fast_sigmoid",
        backend: str = "auto",
    ) -> None:
        super().__init__()
        check_backend(backend)
        self.params = AdExParams() if params is None else params
        if not isinstance(self.params, AdExParams):
            raise ValueError(f"params must be AdExParams, not {type(params).__name__}")
        self.backend = backend
        self.surrogate = SurrogateSpike(surrogate) if isinstance(surrogate, str) else surrogate

    def forward(self, current: Tensor, state: AdExState | None = None, *, trace: bool = False):
        """Run the layer over a sequence.

        Args:
            current: ``[T, B, ...]``, pA, constant within each step.
            state: the state to start from; None for neurons at rest.
            trace: also return potentials, adaptation and the spikes' times within their steps.

        Returns:
            ``(spikes [T, B, ...], state)``, followed by an `AdExTrace` if ``trace=True``.
        """
        name = type(self).__name__
        check_input(current, name)
        fresh = adex_initial_state(current.new_empty(current.shape[1:]), self.params)
        state = checked_state(name, current, state, fresh)
        tensors = (current, *state)
        learns = torch.is_grad_enabled() and any(part.requires_grad for part in tensors)
        reason = "a gradient is needed, which its loop does not compute" if learns else None
        loops = choose(self.backend, name, tensors, reason, family="adex")
        if loops is not None:
            values = adex_values(self.params)
            spikes, final, traced = run_adex(loops, values, current, state, trace)
            state = AdExState(*final)
        else:
            rows = []
            for current_t in current.unbind(0):
                s_t, state, since = adex_update(current_t, state, self.params, self.surrogate)
                rows.append((s_t, *state, since) if trace else (s_t,))
            spikes, *traced = stack_steps(rows, current, 4)
        self._check_rate(spikes)
        return (spikes, state, AdExTrace(*traced[:3])) if trace else (spikes, state)

    def _check_rate(self, spikes: Tensor) -> None:
        spikes = spikes.detach()
        if bool((spikes[1:] * spikes[:-1] > 0).any()):
            warnings.warn(
                f"AdExLayer: a neuron spiked in two successive steps of dt={self.params.dt:g} ms, "
                "so spikes between them may be lost: the input is too strong for this dt (or its "
                "unit is not pA)",
                UserWarning,
                stacklevel=3,
            )

    def extra_repr(self) -> str:
        return str(self.params)


def adex_values(params: AdExParams) -> AdExValues:
    """The constants that the compiled loop of a biophysical layer needs."""
    p, reset = params, reset_rates(params)
    return AdExValues(
        p.e_l,
        *p.half_step,
        cross=p.v_cross - p.e_l,
        v_t=p.v_t - p.e_l,
        top=p.v_peak - p.e_l,
        delta_t=p.delta_t,
        sharpness=1.0 / p.delta_t,
        tau=p.tau,
        rate=p.dt / p.tau,
        dt=p.dt,
        peak=math.exp(-(p.v_peak - p.v_t) / p.delta_t),
        reset_x=reset.x,
        reset_slope=reset.slope,
        reset_bend=reset.bend,
        per_c=1.0 / p.c,
        b=p.b,
        b_decay=p.b / p.tau_w,
    )
