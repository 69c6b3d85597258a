"""The leaky integrate-and-fire neuron whose synapses open conductances, in biophysical units.

An open channel pulls the potential towards its reversal potential: the synaptic current depends on
the potential, and every open channel shortens the membrane time constant. The neuron has excitatory
and inhibitory synapses and NMDA receptors, which magnesium blocks near rest.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis.neurons.decay import exp_decay
from jarvis.neurons.definition import Parameters, define, derived, detached, parameter
from jarvis.neurons.numbers import LARGEST_INPUT, bounded, expm1, log, smallest
from jarvis.neurons.refractory import Refractory, steps_left
from jarvis.support.checks import check_number
from jarvis.surrogate import DEFAULT_SPIKE, Spike

#: Jahr & Stevens 1990: the magnesium concentration that blocks half of the receptors at 0 mV, in
#: mM, and the steepness of the block, in 1/mV.
_MG_HALF, _MG_SLOPE = 3.57, 0.062


def nmda_block(v: Tensor, mg: float = 1.0) -> Tensor:
    """The fraction of open NMDA receptors that magnesium does not block.

    ::

        B(V) = 1 / (1 + mg exp(-0.062 V) / 3.57)

    Args:
        v: potential of any shape, mV.
        mg: magnesium concentration outside the cell, mM; 0 for no block.

    Returns:
        B, of the shape of `v`, between 0 and 1.

    Raises:
        ValueError: for a concentration that is negative or not finite.

    Source: Jahr & Stevens 1990, J. Neurosci. 10:3178.

    Example:
        >>> [round(b, 3) for b in nmda_block(torch.tensor([-70.0, -40.0, 0.0])).tolist()]
        [0.044, 0.23, 0.781]
    """
    mg = check_number("nmda_block: mg", mg, "mM", at_least=0)
    return torch.sigmoid(_MG_SLOPE * v - log(mg / _MG_HALF))


class ConductanceInputs(NamedTuple):
    """The inputs of one step, tensors ``[B, ...]``, or of a sequence, tensors ``[T, B, ...]``.

    Jumps of a conductance cannot be negative: values below 0 count as 0.
    """

    excitatory: Tensor  #: jump of the excitatory conductance at the start of the step, nS
    inhibitory: Tensor  #: jump of the inhibitory conductance, nS
    nmda: Tensor  #: jump of the NMDA conductance before the block, nS
    current: Tensor  #: current into the cell, constant during the step, pA

    @classmethod
    def of(
        cls,
        excitatory: Tensor | None = None,
        inhibitory: Tensor | None = None,
        nmda: Tensor | None = None,
        current: Tensor | None = None,
    ) -> "ConductanceInputs":
        """Create the inputs; those that are not given are 0 and take no memory.

        Args:
            excitatory: jumps of the excitatory conductance ``[T, B, ...]``, nS.
            inhibitory: jumps of the inhibitory conductance, nS.
            nmda: jumps of the NMDA conductance, nS.
            current: current into the cell, pA.

        Raises:
            ValueError: if nothing is given.

        Example:
            >>> x = ConductanceInputs.of(torch.rand(100, 4, 10), inhibitory=torch.rand(100, 4, 10))
            >>> x.nmda.shape
            torch.Size([100, 4, 10])
        """
        given = (excitatory, inhibitory, nmda, current)
        known = [value for value in given if value is not None]
        if not known:
            raise ValueError("ConductanceInputs.of: give at least one input")
        nothing = known[0].new_zeros(()).expand(known[0].shape)
        return cls(*(nothing if value is None else value for value in given))


@dataclass(frozen=True)
class ConductanceLIFParams(Refractory, Parameters):
    """Parameters of a LIF neuron with conductance synapses: pF, nS, mV, pA, ms.

    With V the potential, g the conductances and I a current::

        c dV/dt = -g_l (V - e_l) - g_exc (V - e_exc) - g_inh (V - e_inh)
                  - g_nmda B(V) (V - e_nmda) + I
        dg/dt   = -g/tau,   g jumps by its input
        B(V)    = 1/(1 + mg exp(-mg_slope V)/3.57)

    At ``V >= v_t`` the neuron spikes, and V stays at v_reset for the refractory period while the
    conductances continue to decay. If the conductances are constant, V approaches
    ``(sum of g e + I)/(sum of g)`` with the time constant ``c/(sum of g)``: each open channel makes
    the neuron respond faster, and more weakly, to a current (shunting).

    A step is exact for the conductances. V follows the exact solution with each conductance
    replaced by its mean over the step (`conductance_lif_step`); this method is of second order in
    dt and stable for any dt. The relative error of the size of a postsynaptic potential is about
    ``dt^2/(12 tau_syn tau)``: at dt = 1 ms, it is below 0.1 % for the default values. The block B
    is evaluated at the potential before the step, so with NMDA the method is only of first order:
    take ``dt <= 0.5`` ms. Spikes lie on the time grid and are up to dt late.

    All numbers but dt and refractory may be tensors that broadcast against ``[B, ...]``: one value
    per neuron. The default, "brette2007", is the neuron of a benchmark network. "normalised" is the
    same neuron in threshold units, for networks that are trained: its resting potential is 0, its
    threshold is 1, conductances are in units of the leak, and currents are in units of the
    rheobase.

    Args:
        c: capacitance, pF.
        g_l: leak conductance, nS. The membrane time constant at rest is tau = c/g_l.
        e_l: resting potential, mV.
        v_t: threshold, mV.
        v_reset: potential after a spike, mV.
        refractory: time for which V stays at v_reset after a spike, ms, rounded to whole steps.
        e_exc, e_inh, e_nmda: reversal potentials, mV.
        tau_exc, tau_inh, tau_nmda: time constants of the conductances, ms.
        mg: magnesium concentration, mM; 0 for no block.
        mg_slope: steepness of the block, 1/mV.
        dt: time step, ms.

    Raises:
        ValueError: for a value outside its range; for a threshold that is not above the reset; for
            a refractory period below half a step.

    Warns:
        UserWarning: if dt is so large that the error of a postsynaptic potential exceeds 1 %.

    Source: Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 1 ("COBA"), for all numbers
    except those of NMDA, which are typical values (in the network of the benchmark, one spike opens
    6 nS of excitatory or 67 nS of inhibitory conductance); the block is from Jahr & Stevens 1990,
    J. Neurosci. 10:3178.

    Example:
        >>> params = ConductanceLIFParams.named("brette2007")
        >>> params.tau, params.rheobase
        (20.0, 100.0)
    """

    c: float | Tensor = parameter(200.0, "pF", above=0)
    g_l: float | Tensor = parameter(10.0, "nS", above=0)
    e_l: float | Tensor = parameter(-60.0, "mV")
    v_t: float | Tensor = parameter(-50.0, "mV")
    v_reset: float | Tensor = parameter(-60.0, "mV")
    refractory: float = parameter(5.0, "ms", at_least=0, fixed=True)
    e_exc: float | Tensor = parameter(0.0, "mV")
    e_inh: float | Tensor = parameter(-80.0, "mV")
    e_nmda: float | Tensor = parameter(0.0, "mV")
    tau_exc: float | Tensor = parameter(5.0, "ms", above=0)
    tau_inh: float | Tensor = parameter(10.0, "ms", above=0)
    tau_nmda: float | Tensor = parameter(100.0, "ms", above=0)
    mg: float | Tensor = parameter(1.0, "mM", at_least=0)
    mg_slope: float | Tensor = parameter(_MG_SLOPE, "1/mV", at_least=0)
    dt: float = parameter(0.1, "ms", above=0, fixed=True)

    #: "brette2007": mV, nS, pF, pA. "normalised": the same neuron in units of 10 mV (from -60 mV),
    #: 10 nS and 100 pA; its `mg` is multiplied by exp(0.062 * 60), since V = 0 stands for -60 mV.
    named_sets = {
        "brette2007": {},
        "normalised": dict(
            c=20.0, g_l=1.0, e_l=0.0, v_t=1.0, v_reset=0.0, e_exc=6.0, e_inh=-2.0, e_nmda=6.0,
            mg=math.exp(60.0 * _MG_SLOPE), mg_slope=10.0 * _MG_SLOPE,
        ),
    }  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if not bool((torch.as_tensor(self.v_t) > torch.as_tensor(self.v_reset)).all()):
            raise ValueError(
                f"v_t={smallest(self.v_t):g} mV must be above v_reset: from there, the neuron "
                "would fire without input"
            )
        self.check_refractory()
        fastest = smallest(self.tau_exc, self.tau_inh, self.tau_nmda)
        best = math.sqrt(0.12 * fastest * smallest(self.tau))
        if self.dt > best:
            warnings.warn(
                f"dt={self.dt:g} ms is large for tau={smallest(self.tau):g} ms and a synaptic "
                f"time constant of {fastest:g} ms: postsynaptic potentials are off by more than "
                f"1 %; take dt below {best:.2g} ms",
                UserWarning,
                stacklevel=3,
            )

    @property
    def tau(self) -> float | Tensor:
        """The membrane time constant at rest, ms: ``c/g_l``."""
        return self.c / self.g_l

    @property
    def rheobase(self) -> float | Tensor:
        """The constant current above which the neuron fires without synaptic input, pA."""
        return self.g_l * (self.v_t - self.e_l)

    @derived
    def decays(self) -> tuple[float | Tensor, ...]:
        """The fractions of the three conductances that remain after one step."""
        taus = (self.tau_exc, self.tau_inh, self.tau_nmda)
        return tuple(exp_decay(tau, self.dt) for tau in taus)

    @derived
    def means(self) -> tuple[float | Tensor, ...]:
        """The means of the three conductances over one step, relative to the initial values."""
        return tuple(_mean(tau, self.dt) for tau in (self.tau_exc, self.tau_inh, self.tau_nmda))

    @derived
    def per_c(self) -> float | Tensor:
        """``dt/c``, ms/pF."""
        return self.dt / self.c

    @derived
    def leak(self) -> float | Tensor:
        """The current of the leak at V = 0, pA."""
        return self.g_l * self.e_l

    @derived
    def log_mg(self) -> float | Tensor:
        """Logarithm of mg relative to the concentration that blocks half the receptors at V = 0."""
        return log(self.mg / _MG_HALF)

    @derived
    def per_distance(self) -> float | Tensor:
        """1/(v_t - v_reset), 1/mV: the factor that scales the argument of the surrogate."""
        return 1.0 / (self.v_t - self.v_reset)


def _mean(tau: float | Tensor, dt: float) -> float | Tensor:
    ratio = dt / tau
    return -expm1(-ratio) / ratio


class ConductanceLIFState(NamedTuple):
    """State of neurons with conductance synapses between two steps: tensors ``[B, ...]``."""

    v: Tensor  #: potential, mV
    g_exc: Tensor  #: excitatory conductance, nS
    g_inh: Tensor  #: inhibitory conductance, nS
    g_nmda: Tensor  #: NMDA conductance without the block, nS
    refractory: Tensor | None = None  #: remaining refractory steps, if `refractory` is given

    def detach(self) -> "ConductanceLIFState":
        """The state detached from the graph, for truncated backpropagation through time."""
        return detached(self)


class ConductanceLIFTrace(NamedTuple):
    """Recorded variables ``[T, B, ...]`` at the end of each step."""

    h: Tensor  #: potential before the reset, mV
    v: Tensor  #: potential after the reset, mV
    g_exc: Tensor  #: excitatory conductance, nS
    g_inh: Tensor  #: inhibitory conductance, nS
    g_nmda: Tensor  #: NMDA conductance with the block used in the step, nS


def conductance_lif_step(
    x: ConductanceInputs,
    state: ConductanceLIFState,
    params: ConductanceLIFParams,
    spike: Spike = DEFAULT_SPIKE,
) -> tuple[Tensor, ConductanceLIFState, ConductanceLIFTrace]:
    """One step of the LIF neuron with conductance synapses.

    Inputs act at the start of the step. With <g> the mean of a conductance over the step, and B the
    block at the potential before the step::

        g     = g + x                                      (excitatory, inhibitory, NMDA)
        <g>   = g (1 - exp(-dt/tau)) tau/dt                (<g_nmda> times B(V))
        G     = g_l + <g_exc> + <g_inh> + <g_nmda>
        V_inf = (g_l e_l + <g_exc> e_exc + <g_inh> e_inh + <g_nmda> e_nmda + I) / G
        h     = V_inf + (V - V_inf) exp(-dt G/c)           (held at V while refractory)
        s     = 1 where h >= v_t, else 0                   (0 while refractory)
        V     = v_reset where the neuron spikes, else h
        g     = g exp(-dt/tau)

    Args:
        x: the inputs ``[B, ...]``: conductances in nS, and the current in pA. Jumps below 0 count
            as 0; for excitation, this applies to the sum of the input and the recurrent input. All
            inputs are clamped to a magnitude of 1e15.
        state: the state before the step.
        params: the neuron's parameters.
        spike: the surrogate (a function of ``(h - v_t)/(v_t - v_reset)``) and whether the reset is
            detached.

    Returns:
        spikes ``[B, ...]``, exactly 0 or 1 (NaN where the potential is NaN), the new state, and
        the record of ``trace=True``.

    Source: Brette et al. 2007, J. Comput. Neurosci. 23:349, benchmark 1; replacing a conductance by
    its mean over a step gives the first term of the expansion of Magnus 1954, Commun. Pure Appl.
    Math. 7:649.

    Example:
        >>> excitation = torch.zeros(100, 1)
        >>> excitation[::20] = 10.0  # 10 nS every 2 ms
        >>> params = ConductanceLIFParams()
        >>> state = ConductanceLIF(params).initial_state(excitation[0])
        >>> for step in range(100):
        ...     inputs = ConductanceInputs.of(excitation[step])
        ...     spikes, state, _ = conductance_lif_step(inputs, state, params)
        ...     if spikes:
        ...         print(f"{(step + 1) * params.dt:.1f} ms")
        3.7 ms
    """
    p, v = params, state.v
    g_exc = _opened(state.g_exc, x.excitatory)
    g_inh = _opened(state.g_inh, x.inhibitory)
    g_nmda = _opened(state.g_nmda, x.nmda)
    current = bounded(x.current)

    exc, inh = p.means[0] * g_exc, p.means[1] * g_inh
    nmda = p.means[2] * g_nmda * torch.sigmoid(p.mg_slope * v - p.log_mg)
    total = p.g_l + exc + inh + nmda
    target = (p.leak + exc * p.e_exc + inh * p.e_inh + nmda * p.e_nmda + current) / total
    h = target + (v - target) * torch.exp(-p.per_c * total)

    if state.refractory is None:
        refractory = None
        spikes = spike((h - p.v_t) * p.per_distance, 0.0)
    else:
        ready = state.refractory <= 0
        h = torch.where(ready, h, v)
        spikes = spike((h - p.v_t) * p.per_distance, 0.0) * ready
        refractory = steps_left(state.refractory, spikes, p.hold)
    v = h + (p.v_reset - h) * spike.reset(spikes)

    decays = p.decays
    after = ConductanceLIFState(
        v, decays[0] * g_exc, decays[1] * g_inh, decays[2] * g_nmda, refractory
    )
    return spikes, after, ConductanceLIFTrace(h, v, after.g_exc, after.g_inh, nmda)


def _opened(g: Tensor, jump: Tensor) -> Tensor:
    # clamp_min(0) would have a derivative of 0 where the jump is exactly 0, as for most inputs.
    return (g + torch.where(jump < 0.0, 0.0, jump)).clamp_max(LARGEST_INPUT)


def _rest(params: ConductanceLIFParams) -> Any:
    refractory = 0.0 if params.refractory_steps else None
    return ConductanceLIFState(params.e_l, 0.0, 0.0, 0.0, refractory)  # type: ignore[arg-type]


#: The LIF neuron with conductance synapses: ``ConductanceLIF(dt=0.1)`` for a `SpikingLayer`.
ConductanceLIF = define(
    conductance_lif_step,
    ConductanceLIFParams,
    ConductanceLIFState,
    _rest,
    inputs=ConductanceInputs,
)
