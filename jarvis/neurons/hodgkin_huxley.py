"""The Hodgkin-Huxley neuron: a patch of squid axon whose spikes follow from two conductances.

This file contains the neuron's rates and the quantities that follow from them (steady states, time
constants, the resting state, the right-hand side of the equations), its parameters, its state and
its step.
"""

import math
import warnings
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.numbers import exp
from jarvis.support.checks import check_integer
from jarvis.surrogate import DEFAULT_SPIKE, Spike

#: The potential is kept within +-200 mV, where all rates are finite in every precision.
LARGEST_POTENTIAL = 200.0
#: The current is kept within +-10,000 uA/cm2; a much smaller current already drives the potential
#: to its bound.
LARGEST_CURRENT = 1e4
#: The potential is divided by this value (mV) before it goes to the surrogate.
SPIKE_SCALE = 20.0
#: Largest sub-step, largest step, and the sub-step above which there is a warning, all in ms at
#: 6.3 degrees Celsius.
COARSEST_SUBSTEP, LONGEST_STEP, FINE_SUBSTEP = 0.3, 4.0, 0.1


class GateRates(NamedTuple):
    """Rates at which the gates open (alpha) and close (beta) at 6.3 degrees Celsius, 1/ms."""

    alpha_m: Tensor  #: activation of the sodium conductance
    beta_m: Tensor
    alpha_h: Tensor  #: inactivation of the sodium conductance (1: not inactivated)
    beta_h: Tensor
    alpha_n: Tensor  #: activation of the potassium conductance
    beta_n: Tensor


class Gates(NamedTuple):
    """One value for each of the three gates."""

    m: Tensor  #: activation of the sodium conductance
    h: Tensor  #: inactivation of the sodium conductance (1: not inactivated)
    n: Tensor  #: activation of the potassium conductance


def gate_rates(v: Tensor) -> GateRates:
    """Rates of the gates at a potential, at 6.3 degrees Celsius.

    With V in mV and the rates in 1/ms::

        alpha_m = 0.1 (V + 40)/(1 - exp(-(V + 40)/10))     beta_m = 4 exp(-(V + 65)/18)
        alpha_h = 0.07 exp(-(V + 65)/20)                   beta_h = 1/(1 + exp(-(V + 35)/10))
        alpha_n = 0.01 (V + 55)/(1 - exp(-(V + 55)/10))    beta_n = 0.125 exp(-(V + 65)/80)

    At V = -40 and V = -55, where a fraction becomes 0/0, the limits of the rate and of its
    derivative are used.

    Args:
        v: potential, mV, a tensor of any shape, within +-200 mV.

    Returns:
        the six rates, each of the shape of `v`.

    Source: Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 12, 13, 20, 21, 23, 24, with V measured
    relative to the outside and the resting potential at -65 mV.

    Example:
        >>> rates = gate_rates(torch.tensor([-40.0, -55.0]))
        >>> rates.alpha_m[0].item(), round(rates.alpha_n[1].item(), 6)
        (1.0, 0.1)
    """
    return GateRates(
        _over_one_minus_exp((v + 40.0) * 0.1),
        4.0 * torch.exp((v + 65.0) * (-1.0 / 18.0)),
        0.07 * torch.exp((v + 65.0) * -0.05),
        1.0 / (1.0 + torch.exp((v + 35.0) * -0.1)),
        0.1 * _over_one_minus_exp((v + 55.0) * 0.1),
        0.125 * torch.exp((v + 65.0) * -0.0125),
    )


def _over_one_minus_exp(x: Tensor) -> Tensor:
    """``x/(1 - exp(-x))``, computed near 0 by its series; both branches have finite derivatives."""
    near = x.abs() < 1e-3
    series = 1.0 + x * (0.5 + x * (1.0 / 12.0))
    away = torch.where(near, 1.0, x)
    return torch.where(near, series, away / -torch.expm1(-away))


def steady_gates(v: Tensor) -> Gates:
    """The steady-state values of the gates at a fixed potential: ``alpha/(alpha + beta)``.

    Args:
        v: potential, mV, a tensor of any shape, within +-200 mV.

    Returns:
        m, h and n, each of the shape of `v`, between 0 and 1.

    Source: Hodgkin & Huxley 1952, eqs. 8, 17 and 18.

    Example:
        >>> gates = steady_gates(torch.tensor(-65.0))
        >>> [round(gate.item(), 4) for gate in gates]
        [0.0529, 0.5961, 0.3177]
    """
    r = gate_rates(v)
    return Gates(
        r.alpha_m / (r.alpha_m + r.beta_m),
        r.alpha_h / (r.alpha_h + r.beta_h),
        r.alpha_n / (r.alpha_n + r.beta_n),
    )


def gate_time_constants(v: Tensor, celsius: float | Tensor = 6.3) -> Gates:
    """Time constants with which the gates approach their steady values: ``1/(alpha + beta)``.

    Args:
        v: potential, mV, a tensor of any shape, within +-200 mV.
        celsius: temperature; an increase of 10 degrees makes all rates 3 times as large.

    Returns:
        the time constants of m, h and n in ms, each of the shape of `v`.

    Source: Hodgkin & Huxley 1952, eqs. 8, 17 and 18.

    Example:
        >>> times = gate_time_constants(torch.tensor(-65.0))
        >>> [round(time.item(), 2) for time in times]
        [0.24, 8.52, 5.46]
    """
    r, phi = gate_rates(v), _speed(celsius)
    return Gates(
        1.0 / (phi * (r.alpha_m + r.beta_m)),
        1.0 / (phi * (r.alpha_h + r.beta_h)),
        1.0 / (phi * (r.alpha_n + r.beta_n)),
    )


def _speed(celsius: float | Tensor) -> float | Tensor:
    return exp((celsius - 6.3) * (math.log(3.0) / 10.0))


class HodgkinHuxleyState(NamedTuple):
    """State of Hodgkin-Huxley neurons: tensors ``[B, ...]``."""

    v: Tensor  #: potential, mV
    m: Tensor  #: activation of the sodium conductance, 0 to 1
    h: Tensor  #: inactivation of the sodium conductance, 0 to 1 (1: not inactivated)
    n: Tensor  #: activation of the potassium conductance, 0 to 1

    def detach(self) -> "HodgkinHuxleyState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


@dataclass(frozen=True)
class HodgkinHuxleyParams(Parameters):
    """Parameters of the Hodgkin-Huxley neuron: mV, ms, uF/cm2, mS/cm2, uA/cm2.

    With V the potential, I the input current and x each of the gates m, h and n::

        c dV/dt = I - g_na m^3 h (V - e_na) - g_k n^4 (V - e_k) - g_l (V - e_l)
        dx/dt   = phi (alpha_x(V) (1 - x) - beta_x(V) x)        phi = 3^((celsius - 6.3)/10)

    `gate_rates` computes the rates alpha and beta. There is neither a threshold nor a reset: an
    upward crossing of v_spike counts as a spike, and v_spike has no other role.

    A step uses the exponential Euler method: it first solves for each gate exactly with V held,
    then for V exactly with the new conductances held. The method is stable for every dt. At the
    default dt of 0.025 ms, the first spike at I = 10 is 0.002 ms late and the firing rate is 0.03 %
    too low; at 0.05 ms, these errors are 0.006 ms and 0.1 %. The error of the first spike time is
    of second order in dt.

    All numbers but dt may be tensors that broadcast against ``[B, ...]``: one value per neuron.

    Args:
        c: capacitance, uF/cm2.
        g_na: maximal sodium conductance, mS/cm2; 0 corresponds to a complete block by tetrodotoxin.
        g_k: maximal potassium conductance, mS/cm2.
        g_l: leak conductance, mS/cm2.
        e_na: reversal potential of sodium, mV.
        e_k: reversal potential of potassium, mV.
        e_l: reversal potential of the leak, mV.
        celsius: temperature.
        v_spike: the potential whose upward crossing counts as a spike, mV.
        v_0: the initial potential, at which the gates have their steady values, mV; None for the
            resting potential (`hodgkin_huxley_rest`), -64.9964 mV for the default values.
        dt: time step, ms.
        substeps: number of sub-steps, each of length dt/substeps, in each step; the current is
            the same in all of them. A neuron spikes at most once per step. A compiled loop unrolls
            the sub-steps, so the more there are, the longer compiling takes: 2 to 4 are fine, but
            20 take minutes. For steps of 1 ms, repeat the input instead:
            ``x.repeat_interleave(40, 0)``.

    Raises:
        ValueError: for a value outside its range; for dt/substeps above 0.3/phi ms, where spikes
            are distorted and, under strong currents, lost; and for dt above 4/phi ms, because a
            step could then contain two spikes.

    Warns:
        UserWarning: for dt/substeps above 0.1/phi ms, where firing rates are more than 0.5 % too
            low.

    Source: Hodgkin & Huxley 1952, J. Physiol. 117:500, eq. 26 and table 3, with V measured relative
    to the outside and the resting potential at -65 mV. Exponential Euler: Rush & Larsen 1978, IEEE
    Trans. Biomed. Eng. 25:389.

    Example:
        >>> round(HodgkinHuxleyParams(celsius=16.3).phi, 12)
        3.0
        >>> HodgkinHuxleyParams(dt=1.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: dt=1 ms with substeps=1 is too large: ... take dt=0.1 ms or less, or ...
    """

    c: float | Tensor = parameter(1.0, "uF/cm2", above=0)
    g_na: float | Tensor = parameter(120.0, "mS/cm2", at_least=0)
    g_k: float | Tensor = parameter(36.0, "mS/cm2", at_least=0)
    g_l: float | Tensor = parameter(0.3, "mS/cm2", above=0)
    e_na: float | Tensor = parameter(50.0, "mV", above=-200, below=200)
    e_k: float | Tensor = parameter(-77.0, "mV", above=-200, below=200)
    e_l: float | Tensor = parameter(-54.387, "mV", above=-200, below=200)
    celsius: float | Tensor = parameter(6.3, "degrees Celsius", at_least=-30, at_most=60)
    v_spike: float | Tensor = parameter(0.0, "mV", above=-200, below=200)
    v_0: float | Tensor | None = parameter(None, "mV", above=-200, below=200)
    dt: float = parameter(0.025, "ms", above=0, fixed=True)
    substeps: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_integer("substeps", self.substeps, at_least=1)
        phi = float(torch.as_tensor(self.phi).detach().max())
        if self.dt * phi > LONGEST_STEP:
            raise ValueError(
                f"dt={self.dt:g} ms is too large: a neuron spikes at most once per step, but might "
                f"have to spike twice in {LONGEST_STEP / phi:.3g} ms; take a smaller dt"
            )
        step, enough = self.dt * phi / self.substeps, math.ceil(self.dt * phi / FINE_SUBSTEP - 1e-9)
        given = f"dt={self.dt:g} ms with substeps={self.substeps}"
        if step > COARSEST_SUBSTEP:
            raise ValueError(
                f"{given} is too large: above {COARSEST_SUBSTEP / phi:.3g} ms per sub-step spikes "
                f"are distorted or lost; take dt={self.substeps * FINE_SUBSTEP / phi:.2g} "
                f"ms or less, or substeps={enough} or more"
            )
        if step > FINE_SUBSTEP:
            warnings.warn(
                f"{given} is large: above {FINE_SUBSTEP / phi:.3g} ms per sub-step firing rates "
                f"are too low by more than 0.5 %; take dt={self.substeps * FINE_SUBSTEP / phi:.2g} "
                f"ms or less, or substeps={enough} or more",
                UserWarning,
                stacklevel=3,
            )

    @derived
    def phi(self) -> float | Tensor:
        """The factor by which the rates exceed those at 6.3 degrees Celsius."""
        return _speed(self.celsius)

    @derived
    def gate_time(self) -> float | Tensor:
        """Length of a sub-step scaled by phi: the equivalent time at 6.3 degrees Celsius, ms."""
        return self.phi * (self.dt / self.substeps)

    @derived
    def per_conductance(self) -> float | Tensor:
        """Length of a sub-step divided by the capacitance, cm2/mS."""
        return (self.dt / self.substeps) / self.c


def hodgkin_huxley_derivative(
    current: float | Tensor, state: HodgkinHuxleyState, params: HodgkinHuxleyParams
) -> HodgkinHuxleyState:
    """The right-hand side of the equations: the time derivative of a Hodgkin-Huxley neuron's state.

    With the ionic currents written out::

        c dV/dt = I - g_na m^3 h (V - e_na) - g_k n^4 (V - e_k) - g_l (V - e_l)
        dx/dt   = phi (alpha_x(V) (1 - x) - beta_x(V) x)        x = m, h, n

    Args:
        current: I, uA/cm2, a number or a tensor of the state's shape.
        state: the potential in mV, within +-200 mV, and the gates; tensors of any shape.
        params: the neuron's parameters.

    Returns:
        a state with dV/dt in mV/ms, and dm/dt, dh/dt, dn/dt in 1/ms.

    Source: Hodgkin & Huxley 1952, J. Physiol. 117:500, eqs. 26, 7, 15 and 16.

    Example:
        >>> params = HodgkinHuxleyParams()
        >>> state = HodgkinHuxley(params).initial_state(torch.zeros(1, dtype=torch.float64))
        >>> abs(hodgkin_huxley_derivative(0.0, state, params).v.item()) < 1e-10
        True
        >>> round(hodgkin_huxley_derivative(10.0, state, params).v.item(), 9)  # mV/ms
        10.0
    """
    p, (v, m, h, n) = params, state
    r = gate_rates(v)
    sodium = p.g_na * m * m * m * h * (v - p.e_na)
    potassium = p.g_k * (n * n) * (n * n) * (v - p.e_k)
    return HodgkinHuxleyState(
        (current - sodium - potassium - p.g_l * (v - p.e_l)) / p.c,
        p.phi * (r.alpha_m * (1.0 - m) - r.beta_m * m),
        p.phi * (r.alpha_h * (1.0 - h) - r.beta_h * h),
        p.phi * (r.alpha_n * (1.0 - n) - r.beta_n * n),
    )


def hodgkin_huxley_rest(
    params: HodgkinHuxleyParams, current: float | Tensor = 0.0
) -> HodgkinHuxleyState:
    """The fixed point of the equations under a constant current, whether it is stable or not.

    The gates are at their steady values, and the ionic currents add up to I::

        g_na m(V)^3 h(V) (V - e_na) + g_k n(V)^4 (V - e_k) + g_l (V - e_l) = I

    V is found by bisection and Newton's method in float64, and is differentiable with respect to
    the parameters and the current. If unusual parameters give several fixed points, one of them is
    returned.

    Args:
        params: the neuron's parameters; dt and v_0 do not matter.
        current: I, uA/cm2, a number or a tensor.

    Returns:
        V and the gates: floats, or tensors if the current or a parameter is a tensor.

    Source: Hodgkin & Huxley 1952, J. Physiol. 117:500, eq. 26 with all derivatives 0.

    Example:
        >>> rest = hodgkin_huxley_rest(HodgkinHuxleyParams())
        >>> [round(value, 5) for value in rest]
        [-64.99638, 0.05296, 0.59599, 0.31773]
    """
    names = ("g_na", "g_k", "g_l", "e_na", "e_k", "e_l")
    given = [current, *(getattr(params, name) for name in names)]
    tensors = [value for value in given if isinstance(value, Tensor)]
    shared = [torch.as_tensor(value, dtype=torch.float64) for value in given]
    device = tensors[0].device if tensors else None
    shared = torch.broadcast_tensors(*(value.to(device) for value in shared))

    def surplus(v: Tensor, i, g_na, g_k, g_l, e_na, e_k, e_l) -> Tensor:
        m, h, n = steady_gates(v)
        return g_na * m**3 * h * (v - e_na) + g_k * n**4 * (v - e_k) + g_l * (v - e_l) - i

    with torch.no_grad():
        low = torch.full_like(shared[0], -LARGEST_POTENTIAL)
        high = -low
        for _ in range(26):
            v = 0.5 * (low + high)
            above = surplus(v, *shared) > 0.0
            low, high = torch.where(above, low, v), torch.where(above, v, high)
        v, width = 0.5 * (low + high), 1e-3
        slope = (surplus(v + width, *shared) - surplus(v - width, *shared)) / (2.0 * width)
        v = v - surplus(v, *shared) / slope
    v = v - surplus(v, *shared) / slope  # one more Newton step, which makes v differentiable
    return _state(v, tensors)


def _state(v: Tensor, tensors: list[Tensor]) -> HodgkinHuxleyState:
    """V and the steady gates at V: floats, unless one of the given values was a tensor."""
    parts = (v, *steady_gates(v))
    if tensors:
        return HodgkinHuxleyState(*(part.to(tensors[0].dtype) for part in parts))
    return HodgkinHuxleyState(*(part.item() for part in parts))  # type: ignore[arg-type]


def _start(params: HodgkinHuxleyParams) -> HodgkinHuxleyState:
    """The state at rest, or with the gates at their steady values at v_0."""
    if params.v_0 is None:
        return hodgkin_huxley_rest(params)
    v_0 = torch.as_tensor(params.v_0, dtype=torch.float64)
    return _state(v_0, [params.v_0] if isinstance(params.v_0, Tensor) else [])


def hodgkin_huxley_step(
    current: Tensor,
    state: HodgkinHuxleyState,
    params: HodgkinHuxleyParams,
    spike: Spike = DEFAULT_SPIKE,
) -> tuple[Tensor, HodgkinHuxleyState]:
    """One step of the Hodgkin-Huxley neuron.

    The step integrates the equations of `HodgkinHuxleyParams` by exponential Euler. Each sub-step
    of d ms updates the gates with V held, then V with the new conductances held. Each of these two
    updates is exact on its own::

        x = x_inf + (x - x_inf) exp(-phi (alpha_x + beta_x) d)          x = m, h, n
        V = V_inf + (V - V_inf) exp(-g d/c)
        g = g_na m^3 h + g_k n^4 + g_l
        V_inf = (g_na m^3 h e_na + g_k n^4 e_k + g_l e_l + I)/g

    A neuron spikes if V crosses v_spike from below in one of the sub-steps. V and the gates are
    smooth functions of the current and of all parameters: gradients through the state or through a
    trace of it are exact, and need no surrogate. (The firing rate is not a smooth function of a
    constant current: it jumps to 51 Hz at onset, since the neuron is of type II.)

    Args:
        current: I ``[B, ...]``, uA/cm2, constant during the step; clamped to +-10,000. V is
            clamped to +-200 mV; a sustained current below about -44 uA/cm2 drives it to the lower
            bound.
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate, a function of ``(V - v_spike)/20 mV``, where V is taken after the
            sub-step in which it comes closest to a crossing from below.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential becomes NaN), and the new
        state.

    Source: Hodgkin & Huxley 1952, J. Physiol. 117:500, eq. 26; exponential Euler: Rush & Larsen
    1978, IEEE Trans. Biomed. Eng. 25:389.

    Example:
        >>> current = torch.full((1,), 10.0)
        >>> state = HodgkinHuxley().initial_state(current)
        >>> for step in range(800):
        ...     spikes, state = hodgkin_huxley_step(current, state, HodgkinHuxleyParams())
        ...     if spikes:
        ...         print(f"{(step + 1) * 0.025:.3f} ms")
        1.925 ms
        16.850 ms
    """
    p = params
    current = current.clamp_min(-LARGEST_CURRENT).clamp_max(LARGEST_CURRENT)
    v, m, h, n = state
    crossing: Tensor | None = None
    for _ in range(p.substeps):
        before = v
        v, m, h, n = _substep(current, before, m, h, n, p)
        here = torch.where(before >= p.v_spike, p.v_spike - 100.0, v)
        crossing = here if crossing is None else torch.maximum(crossing, here)
    assert crossing is not None
    spikes = spike((crossing - p.v_spike) / SPIKE_SCALE, 0.0)
    return spikes, HodgkinHuxleyState(v, m, h, n)


def _substep(
    current: Tensor, v: Tensor, m: Tensor, h: Tensor, n: Tensor, p: HodgkinHuxleyParams
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    r = gate_rates(v)
    m = _relax(m, r.alpha_m, r.beta_m, p.gate_time)
    h = _relax(h, r.alpha_h, r.beta_h, p.gate_time)
    n = _relax(n, r.alpha_n, r.beta_n, p.gate_time)
    sodium, potassium = p.g_na * (m * m * m * h), p.g_k * ((n * n) * (n * n))
    g = sodium + potassium + p.g_l
    end = (sodium * p.e_na + potassium * p.e_k + p.g_l * p.e_l + current) / g
    v = end + (v - end) * torch.exp(-g * p.per_conductance)
    return v.clamp_min(-LARGEST_POTENTIAL).clamp_max(LARGEST_POTENTIAL), m, h, n


def _relax(x: Tensor, alpha: Tensor, beta: Tensor, time: float | Tensor) -> Tensor:
    total = alpha + beta
    end = alpha / total
    return end + (x - end) * torch.exp(-total * time)


#: The Hodgkin-Huxley neuron: ``HodgkinHuxley(dt=0.025)`` for a `SpikingLayer`.
HodgkinHuxley = define(hodgkin_huxley_step, HodgkinHuxleyParams, HodgkinHuxleyState, _start)
