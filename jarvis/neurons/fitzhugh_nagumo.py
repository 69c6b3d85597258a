"""The FitzHugh-Nagumo neuron: excitability in two dimensionless variables.

This file contains the neuron's parameters, its fixed point, the currents at which the fixed point
loses its stability, its state and its step.
"""

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.surrogate import DEFAULT_SPIKE, Spike

#: The current is kept within +-1e6, so that the cube of the potential stays finite.
LARGEST_CURRENT = 1e6
#: The largest allowed step, and the largest step without a warning.
COARSEST_STEP, FINE_STEP = 2.0, 0.45


class LinearHalfStep(NamedTuple):
    """Half a step of the linear part: the coefficients of v, w, I and 1 in the new v and w."""

    vv: float | Tensor
    vw: float | Tensor
    vi: float | Tensor
    v1: float | Tensor
    wv: float | Tensor
    ww: float | Tensor
    wi: float | Tensor
    w1: float | Tensor


class FitzHughNagumoState(NamedTuple):
    """State of FitzHugh-Nagumo neurons: tensors ``[B, ...]``."""

    v: Tensor  #: potential, about -2 to 2
    w: Tensor  #: recovery

    def detach(self) -> "FitzHughNagumoState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


@dataclass(frozen=True)
class FitzHughNagumoParams(Parameters):
    """Parameters of the FitzHugh-Nagumo neuron; all are dimensionless, and so is time.

    With v the potential, w the recovery and I the input current::

        dv/dt = v - v^3/3 - w + I
        dw/dt = eps (v + a - b w)

    Each variable represents two variables of the Hodgkin-Huxley neuron: v represents the potential
    and the sodium activation, and w the sodium inactivation and the potassium activation.
    There is neither a threshold nor a reset: an upward crossing of v_spike counts as a spike, and
    v_spike has no other role.

    The equations are split into a linear part and v' = v - v^3/3. Each part is solved exactly:
    first half a step of the linear part, then the cubic part, then another half step of the linear
    part (Strang splitting). The method is of second order and stays bounded for every dt. The
    period of a spike train becomes too short by about ``4.3 % dt^2``, which is 0.04 % at the
    default dt of 0.1.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per neuron.

    Args:
        a: shift of the recovery's target.
        b: leak of the recovery; for b up to 1, there is a single fixed point for every current.
        eps: ratio of the rates of recovery and potential; a small eps makes the recovery slow.
        v_spike: the potential whose upward crossing counts as a spike.
        dt: time step; a spike lasts about 1, and an interval between spikes 35 to 50.

    Raises:
        ValueError: for a value outside its range; and for dt above 2, at which periods are more
            than 15 % too short.

    Warns:
        UserWarning: for dt above 0.45, at which periods are more than 1 % too short.

    Source: FitzHugh 1961, Biophys. J. 1:445, with his values of a and b, but with eps = 0.08
    instead of his c = 3; the electronic circuit is from Nagumo, Arimoto & Yoshizawa 1962, Proc. IRE
    50:2061. FitzHugh uses the opposite sign for potential and current: his x, y, z are -v, w, -I,
    with eps = 1/c^2, and his unit of time equals c units of time here.

    Example:
        >>> params = FitzHughNagumoParams()
        >>> [round(current, 4) for current in params.hopf_currents]
        [0.3313, 1.4187]
        >>> FitzHughNagumoParams(dt=5.0)
        Traceback (most recent call last):
        ...
        ValueError: dt=5 is too large: above 2 the periods are more than 15 % too short
    """

    a: float | Tensor = parameter(0.7)
    b: float | Tensor = parameter(0.8, at_least=0)
    eps: float | Tensor = parameter(0.08, above=0)
    v_spike: float | Tensor = parameter(1.0)
    dt: float = parameter(0.1, above=0, fixed=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dt > COARSEST_STEP:
            raise ValueError(
                f"dt={self.dt:g} is too large: above {COARSEST_STEP:g} the periods are more than "
                "15 % too short"
            )
        if self.dt > FINE_STEP:
            warnings.warn(
                f"dt={self.dt:g} is large: periods are about {4.3 * self.dt**2:.2g} % too short; "
                f"take dt={FINE_STEP:g} or less for an error of 1 %",
                UserWarning,
                stacklevel=3,
            )

    @derived
    def half_step(self) -> LinearHalfStep:
        """The linear part, solved exactly over dt/2: a matrix exponential."""
        given = (self.a, self.b, self.eps)
        tensors = [value for value in given if isinstance(value, Tensor)]
        device = tensors[0].device if tensors else None
        shared = [torch.as_tensor(value, dtype=torch.float64).to(device) for value in given]
        a, b, eps = torch.broadcast_tensors(*shared)
        zero, one = torch.zeros_like(a), torch.ones_like(a)
        rows = [[zero, -one, one, zero], [eps, -eps * b, zero, eps * a], [zero] * 4, [zero] * 4]
        rates = torch.stack([torch.stack(row, -1) for row in rows], -2)
        flow = torch.linalg.matrix_exp(rates * (self.dt / 2.0))[..., :2, :]
        parts = flow.flatten(-2).unbind(-1)
        if tensors:
            return LinearHalfStep(*(part.to(tensors[0].dtype) for part in parts))
        return LinearHalfStep(*(part.item() for part in parts))

    @derived
    def growth(self) -> float:
        """The factor by which a small v grows in one step of v' = v - v^3/3."""
        return math.exp(self.dt)

    @derived
    def saturation(self) -> float:
        """``(growth^2 - 1)/3``: the coefficient of v^2 that limits the growth of a large v."""
        return math.expm1(2.0 * self.dt) / 3.0

    @property
    def hopf_currents(self) -> tuple[float, float] | None:
        """The currents between which the fixed point is unstable and the neuron oscillates.

        At these currents there are Andronov-Hopf bifurcations: the trace of the Jacobian is 0 at
        ``v = -+sqrt(1 - eps b)``, and ``I = v^3/3 - v + (v + a)/b``. The result is None if there
        are no such currents: for b = 0, eps b >= 1 or eps b^2 >= 1. All parameters must be single
        numbers.

        Source: FitzHugh 1961, Biophys. J. 1:445.
        """
        p = self.plain()
        if p.b == 0.0 or p.eps * p.b >= 1.0 or p.eps * p.b**2 >= 1.0:
            return None
        v = math.sqrt(1.0 - p.eps * p.b)
        low, high = (u**3 / 3.0 - u + (u + p.a) / p.b for u in (-v, v))
        return (low, high)


def fitzhugh_nagumo_rest(
    params: FitzHughNagumoParams, current: float | Tensor = 0.0
) -> FitzHughNagumoState:
    """The fixed point under a constant current, whether it is stable or not.

    v is the lowest root of a cubic, and (v, w) lies on both nullclines::

        b v^3/3 + (1 - b) v + a - b I = 0,    w = v - v^3/3 + I

    v is found by bisection in float64 and is differentiable with respect to the parameters and the
    current.

    Args:
        params: the neuron's parameters; dt does not matter.
        current: I, a number or a tensor.

    Returns:
        v and w: floats, or tensors if the current or a parameter is a tensor.

    Source: FitzHugh 1961, Biophys. J. 1:445.

    Example:
        >>> [round(value, 5) for value in fitzhugh_nagumo_rest(FitzHughNagumoParams())]
        [-1.19941, -0.62426]
    """
    given = (params.a, params.b, current)
    tensors = [value for value in given if isinstance(value, Tensor)]
    device = tensors[0].device if tensors else None
    shared = [torch.as_tensor(value, dtype=torch.float64).to(device) for value in given]
    a, b, i = torch.broadcast_tensors(*shared)

    def cubic(v: Tensor, a: Tensor, b: Tensor, i: Tensor) -> Tensor:
        return b * v**3 / 3.0 + (1.0 - b) * v + a - b * i

    with torch.no_grad():
        bound = 2.0 + 2.0 * (a - b * i).abs()
        # With b > 1 the cubic has a maximum; if the maximum is positive, the lowest root is to
        # its left.
        top = -torch.sqrt(1.0 - 1.0 / b.clamp_min(1.0))
        below = cubic(top, a, b, i) >= 0.0
        low, high = torch.where(below, -bound, top), torch.where(below, top, bound)
        for _ in range(60):
            v = 0.5 * (low + high)
            above = cubic(v, a, b, i) > 0.0
            low, high = torch.where(above, low, v), torch.where(above, v, high)
        v = 0.5 * (low + high)
        slope = b * v**2 + 1.0 - b
        slope = torch.where(slope == 0.0, 1.0, slope)
    v = v - cubic(v, a, b, i) / slope  # a Newton step, which makes v differentiable
    parts = (v, v - v**3 / 3.0 + i)
    if tensors:
        return FitzHughNagumoState(*(part.to(tensors[0].dtype) for part in parts))
    return FitzHughNagumoState(*(part.item() for part in parts))  # type: ignore[arg-type]


def fitzhugh_nagumo_step(
    current: Tensor,
    state: FitzHughNagumoState,
    params: FitzHughNagumoParams,
    spike: Spike = DEFAULT_SPIKE,
) -> tuple[Tensor, FitzHughNagumoState]:
    """One step of the FitzHugh-Nagumo neuron.

    The step integrates the equations of `FitzHughNagumoParams` by Strang splitting, with A the
    matrix of the linear part, ``v' = -w + I, w' = eps (v + a - b w)``::

        (v, w) = exp(A dt/2) (v, w, I, 1)
        v      = e^dt v/sqrt(1 + (e^(2 dt) - 1) v^2/3)
        (v, w) = exp(A dt/2) (v, w, I, 1)

    A neuron spikes if v crosses v_spike from below. Both variables are smooth functions of the
    current and of all parameters: gradients through the state or through a trace of it are exact,
    and need no surrogate.

    Args:
        current: I ``[B, ...]``, constant during the step; clamped to +-1e6.
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate, a function of ``v - v_spike``.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where v becomes NaN), and the new state.

    Source: FitzHugh 1961, Biophys. J. 1:445; Nagumo, Arimoto & Yoshizawa 1962, Proc. IRE 50:2061;
    the splitting is from Strang 1968, SIAM J. Numer. Anal. 5:506.

    Example:
        >>> current = torch.full((1,), 0.5)
        >>> state = FitzHughNagumo().initial_state(current)
        >>> for step in range(1000):
        ...     spikes, state = fitzhugh_nagumo_step(current, state, FitzHughNagumoParams())
        ...     if spikes:
        ...         print(f"{(step + 1) * 0.1:.1f}")
        2.8
        43.9
        83.4
    """
    p, half = params, params.half_step
    current = current.clamp_min(-LARGEST_CURRENT).clamp_max(LARGEST_CURRENT)
    before = state.v
    v, w = _linear(before, state.w, current, half)
    v = p.growth * v * torch.rsqrt(1.0 + p.saturation * v * v)
    v, w = _linear(v, w, current, half)
    crossing = torch.where(before >= p.v_spike, p.v_spike - 4.0, v)
    return spike(crossing, p.v_spike), FitzHughNagumoState(v, w)


def _linear(v: Tensor, w: Tensor, current: Tensor, half: LinearHalfStep) -> tuple[Tensor, Tensor]:
    return (
        half.vv * v + half.vw * w + half.vi * current + half.v1,
        half.wv * v + half.ww * w + half.wi * current + half.w1,
    )


#: The FitzHugh-Nagumo neuron: ``FitzHughNagumo(dt=0.1)`` for a `SpikingLayer`.
FitzHughNagumo = define(
    fitzhugh_nagumo_step, FitzHughNagumoParams, FitzHughNagumoState, fitzhugh_nagumo_rest
)
