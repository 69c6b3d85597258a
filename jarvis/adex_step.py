"""One step of the AdEx neuron, in each of its two scalings: the update rules, once.

`adex_layers.py` runs them over time.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from jarvis.adex import AdExParams, NormalisedAdExParams
from jarvis.lif import exp_decay
from jarvis.surrogate import SurrogateSpike

#: Inputs beyond it count as this much, so that no sum of them, and no state, becomes infinite.
LARGEST_INPUT = 1e15

Surrogate = Callable[[Tensor, Tensor | float], Tensor]
_DEFAULT_SURROGATE = SurrogateSpike()


class AdExState(NamedTuple):
    """What an AdEx neuron remembers, each ``[B, ...]``."""

    v: Tensor  #: potential, mV
    w: Tensor  #: adaptation current, pA

    def detach(self) -> "AdExState":
        """The same state cut off from the graph: for truncated backpropagation through time."""
        return AdExState(*(part.detach() for part in self))


class NormalisedAdExState(NamedTuple):
    """What a dimensionless AdEx neuron remembers, each ``[B, ...]``."""

    v: Tensor  #: potential after the reset (rest 0, threshold 1)
    i: Tensor  #: synaptic current, 1/ms
    w: Tensor  #: adaptation, 1/ms

    def detach(self) -> "NormalisedAdExState":
        """The same state cut off from the graph: for truncated backpropagation through time."""
        return NormalisedAdExState(*(part.detach() for part in self))


class _Saturate(torch.autograd.Function):
    """Clamp to +-`LARGEST_INPUT`; backward, as if there were no clamp."""

    @staticmethod
    def forward(ctx, x: Tensor) -> Tensor:
        return x.clamp(-LARGEST_INPUT, LARGEST_INPUT)

    @staticmethod
    def backward(ctx, *grad_outputs: Tensor) -> Tensor:
        return grad_outputs[0]


def _saturate(x: Tensor) -> Tensor:
    return _Saturate.apply(x)  # type: ignore[return-value]


def adex_initial_state(x: Tensor, params: AdExParams) -> AdExState:
    """A neuron at rest, V = e_l and w = 0, shaped, typed and placed like `x` ``[B, ...]``."""
    v = torch.full_like(x, params.e_l, memory_format=torch.contiguous_format)
    return AdExState(v, torch.zeros_like(v))


def adex_step(
    current: Tensor,
    state: AdExState | None,
    params: AdExParams,
    surrogate: Surrogate = _DEFAULT_SURROGATE,
) -> tuple[Tensor, AdExState]:
    """One step of the AdEx neuron in biophysical units.

    The equation is a linear part (leak, adaptation, input) and an exponential. Each is solved
    exactly, in the order half of the linear part, the exponential, the other half (Strang)::

        (x, w) = exp(A dt/2) (x, w, I)                               x = V - e_l
        V      = V - delta_t ln(1 - dt/tau exp((V - v_t)/delta_t))   tau = c/g_l
        (x, w) = exp(A dt/2) (x, w, I)

    The logarithm ends where its argument does: from V >= `v_cross` on, the exponential reaches
    v_peak within this step, after ``t = tau (exp(-(V - v_t)/delta_t) - exp(-(v_peak -
    v_t)/delta_t))``. That is a spike. The rest of the step, dt - t, then starts from v_reset and
    w + b, so that the time between spikes does not depend on the grid. A neuron spikes at most once
    a step.

    Args:
        current: I ``[B, ...]``, pA, constant during the step. Beyond +-1e15 it counts as that much.
        state: the state before the step; None for a neuron at rest.
        params: the neuron's parameters.
        surrogate: the spike and its derivative by ``(V - v_cross)/delta_t``. What the state after a
            spike owes to the state before it has its exact derivative, with no surrogate.

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
    """`adex_step` from a complete state, with the time since the spike (0 without one), ms."""
    p, dt = params, params.dt
    half = p.half_step
    current = _saturate(current)
    x = state.v - p.e_l
    x, w = (
        half.xx * x + half.xw * state.w + half.xi * current,
        half.wx * x + half.ww * state.w + half.wi * current,
    )
    over = (x - (p.v_cross - p.e_l)) / p.delta_t
    spikes = surrogate(over, 0.0)
    crosses = over.detach() >= 0.0

    # One exponential serves both ways: its argument is at most ln(tau/dt) on either.
    u = (x - (p.v_t - p.e_l)) / p.delta_t
    e = torch.exp(torch.where(crosses, -u, u))
    # Without a spike.
    grown = p.delta_t * torch.log1p(torch.where(crosses, 0.0, e * (-dt / p.tau)))
    x_on = x - grown
    x_on, w_on = (
        half.xx * x_on + half.xw * w + half.xi * current,
        half.wx * x_on + half.ww * w + half.wi * current,
    )
    # With a spike: the rest of the step from v_reset, to second order in it.
    r = reset_rates(p)
    since = torch.where(crosses, (dt - p.tau * (e - r.peak)).clamp(0.0, dt), 0.0)
    w_off = half.wx * r.x + half.ww * w + half.wi * current + p.b * (1.0 - since / p.tau_w)
    x_off = r.x + since * (r.slope + (current - w_off) / p.c) * (1.0 + since * r.bend)

    v = torch.where(crosses, x_off, x_on).clamp_max(p.v_peak - p.e_l) + p.e_l
    return spikes, AdExState(v, torch.where(crosses, w_off, w_on)), since


class ResetRates(NamedTuple):
    """What the neuron does at v_reset, without input and adaptation."""

    x: float  #: v_reset - e_l, mV
    slope: float  #: of V there, mV/ms
    bend: float  #: half the derivative of that slope by V, 1/ms
    peak: float  #: exp(-(v_peak - v_t)/delta_t)


def reset_rates(p: AdExParams) -> ResetRates:
    """The constants of a step in which the neuron spikes."""
    x = p.v_reset - p.e_l
    e = torch.exp(torch.tensor((p.v_reset - p.v_t) / p.delta_t, dtype=torch.float64)).item()
    peak = torch.exp(torch.tensor(-(p.v_peak - p.v_t) / p.delta_t, dtype=torch.float64)).item()
    return ResetRates(x, (p.delta_t * e - x) / p.tau, (e - 1.0) / (2.0 * p.tau), peak)


def normalised_adex_initial_state(x: Tensor, params: NormalisedAdExParams) -> NormalisedAdExState:
    """A neuron at v = 0 and w = w0 without current, shaped, typed and placed like `x`."""
    v = torch.zeros_like(x, memory_format=torch.contiguous_format)
    return NormalisedAdExState(v, torch.zeros_like(v), torch.full_like(v, params.w0))


def normalised_adex_step(
    x: Tensor,
    state: NormalisedAdExState | None,
    params: NormalisedAdExParams,
    surrogate: Surrogate = _DEFAULT_SURROGATE,
    detach_reset: bool = True,
) -> tuple[Tensor, NormalisedAdExState]:
    """One step of the dimensionless AdEx neuron.

    In this order::

        i = exp(-dt/tau_syn) i + x
        h = exp(-dt/tau) v + dt (i - w + delta_t exp((v - v_t)/delta_t))
        s = 1 where h >= threshold, else 0
        w = exp(-dt/tau_w) w + dt a v + b s
        v = h (1 - s)

    The exponential's argument is clamped at its value at the threshold, which v never exceeds.

    Args:
        x: input of this step ``[B, ...]``: the jump that it gives to i, as the sum of the weights
            of the spikes that arrive. Beyond +-1e15 it counts as that much.
        state: the state before the step; None for a neuron that has just begun.
        params: the neuron's parameters.
        surrogate: the spike and its derivative by h - threshold.
        detach_reset: True cuts the gradient through the reset, as in `LIFParams`.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), and the new state.

    Source: Landsmeer et al. 2025, arXiv:2512.10011. There an input arrives at the end of its step,
    here at the beginning, as in `lif_step`: the same spikes, one step earlier.

    Example:
        >>> params, state = NormalisedAdExParams(dt=0.5), None
        >>> for step in range(10):
        ...     spikes, state = normalised_adex_step(torch.full((1,), 0.2), state, params)
        ...     if spikes:
        ...         print(f"{(step + 1) * params.dt} ms")
        3.0 ms
        4.5 ms
    """
    if state is None:
        state = normalised_adex_initial_state(x, params)
    spikes, state, _ = normalised_adex_update(x, state, params, surrogate, detach_reset)
    return spikes, state


def normalised_adex_update(
    x: Tensor,
    state: NormalisedAdExState,
    params: NormalisedAdExParams,
    surrogate: Surrogate,
    detach_reset: bool,
) -> tuple[Tensor, NormalisedAdExState, Tensor]:
    """`normalised_adex_step` from a complete state, with h, the potential before the reset."""
    p, v, w = params, state.v, state.w
    i = exp_decay(p.tau_syn, p.dt) * state.i + _saturate(x)
    grown = p.delta_t * torch.exp(((v - p.v_t) / p.delta_t).clamp_max(p.steepest))
    h = exp_decay(p.tau, p.dt) * v + p.dt * (i - w + grown)
    spikes = surrogate(h, p.threshold)
    w = exp_decay(p.tau_w, p.dt) * w + p.dt * p.a * v + p.b * spikes
    reset = spikes.detach() if detach_reset else spikes
    return spikes, NormalisedAdExState(h * (1.0 - reset), i, w), h
