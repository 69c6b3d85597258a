"""Every kind of neuron that the suite runs, and inputs that make it fire.

Besides the neurons of the package there are some that stand for what a definition may do: several
inputs, steps within a step, an output that is no spike, random numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import Tensor

from jarvis import SurrogateSpike
from jarvis.adex import AdEx, AdExParams, NormalisedAdEx
from jarvis.lif import LI, LIF
from jarvis.neurons import Neuron, SpikingLayer
from jarvis.neurons.adaptive import ALIF, ALIFParams
from jarvis.neurons.alpha import AlphaLIF
from jarvis.neurons.conductance import ConductanceLIF, ConductanceLIFParams
from jarvis.neurons.escape import EscapeLIF
from jarvis.neurons.exponential import EIF
from jarvis.neurons.fitzhugh_nagumo import FitzHughNagumo
from jarvis.neurons.hodgkin_huxley import HodgkinHuxley
from jarvis.neurons.izhikevich import Izhikevich
from jarvis.neurons.quadratic import QIF, Theta
from jarvis.neurons.resonator import BRF, RF, multi_gaussian
from jarvis.neurons.short_term_plasticity import ShortTermPlasticity
from jarvis.neurons.sigma_delta import DeltaEncoder, SigmaDecoder, SigmaDelta

F64 = torch.float64


@dataclass
class Case:
    """A neuron of the register with options of its layer, and what drives it."""

    name: str
    neuron: Callable[[], Neuron]
    options: dict[str, Any] = field(default_factory=dict)
    mean: float = 0.2
    spread: float = 0.3
    learnable: tuple[str, ...] = ()  #: all of them, in one layer
    shape: tuple[int, ...] = (40, 3, 6)
    #: How far from rest a state starts, at most; None for what suits potentials.
    apart: float | None = None

    def layer(self, backend: str, neuron: Neuron | None = None, **options: Any) -> SpikingLayer:
        neuron = self.neuron() if neuron is None else neuron
        return SpikingLayer(neuron, backend=backend, **self.options | options)

    def inputs(self, shape: tuple[int, ...] | None = None, seed: int = 0) -> list[Tensor]:
        rng = torch.Generator().manual_seed(seed)
        shape = self.shape if shape is None else shape
        kind = self.neuron().inputs
        count = 1 if kind is None else len(kind._fields)
        xs = [self.mean + self.spread * torch.randn(shape, generator=rng, dtype=F64)]
        return xs + [torch.rand(shape, generator=rng, dtype=F64) for _ in range(count - 1)]

    def start(self, layer: SpikingLayer, x: Tensor, seed: int = 1) -> list[Tensor | None]:
        """The fields of a state near rest."""
        rng = torch.Generator().manual_seed(seed)
        state = layer.neuron.initial_state(x[0], layer.params)
        apart = 0.5 * max(1.0, self.spread / 20.0) if self.apart is None else self.apart
        found = []
        for name, value in zip(state._fields, state, strict=True):
            if value is None:
                found.append(None)
            elif name == "refractory":
                found.append(torch.randint(0, 3, value.shape, generator=rng).to(value))
            else:
                noise = torch.rand(value.shape, generator=rng, dtype=F64).to(value)
                found.append(value.detach() + apart * noise)
        return found


def _gaussian(x: Tensor, k: float) -> Tensor:
    return torch.exp(-k * x * x)


LIF_CASES = [
    Case("LIF", LIF, learnable=("tau", "threshold")),
    Case("LIF zero", lambda: LIF(reset="zero"), dict(surrogate="sigmoid"), learnable=("tau",)),
    Case(
        "LIF none, synapse",
        lambda: LIF(reset="none", tau_syn=4.0),
        dict(surrogate="arctan"),
        learnable=("tau", "tau_syn"),
    ),
    Case("LIF attached", LIF, dict(detach_reset=False, surrogate="triangle")),
    Case(
        "LIF zero attached, synapse",
        lambda: LIF(reset="zero", tau_syn=4.0),
        dict(detach_reset=False, surrogate="straight_through"),
    ),
    Case("LIF refractory", lambda: LIF(refractory=2.0), dict(surrogate="arctan")),
    Case(
        "LIF zero attached, refractory",
        lambda: LIF(refractory=3.0, reset="zero"),
        dict(detach_reset=False, surrogate="sigmoid"),
        learnable=("tau", "threshold"),
    ),
    Case(
        "LIF adaptive",
        lambda: LIF(adaptation=0.3, tau_adapt=10.0),
        learnable=("tau", "threshold", "adaptation", "tau_adapt"),
    ),
    Case("LIF none, all", lambda: LIF(adaptation=0.3, reset="none", refractory=2.0)),
    Case(
        "LIF zero attached, all",
        lambda: LIF(adaptation=0.3, reset="zero", tau_syn=4.0, refractory=2.0),
        dict(detach_reset=False),
        learnable=("tau", "tau_syn", "threshold", "adaptation", "tau_adapt"),
    ),
    Case("LIF perfect", lambda: LIF(tau=float("inf"), threshold=0.5, dt=0.5)),
    Case("LIF custom", LIF, dict(surrogate=SurrogateSpike(_gaussian, 3.0))),
]
OTHER_CASES = [
    Case("LI", LI, learnable=("tau",)),
    Case(
        "NormalisedAdEx",
        NormalisedAdEx,
        learnable=("tau", "tau_syn", "threshold", "a", "b", "tau_w", "delta_t", "v_t", "w0"),
        shape=(60, 3, 6),
    ),
    Case(
        "NormalisedAdEx attached",
        NormalisedAdEx,
        dict(detach_reset=False, surrogate="arctan"),
        shape=(60, 3, 6),
    ),
    Case(
        "AdEx",
        lambda: AdEx(AdExParams.named("initial_burst")),
        mean=900.0,
        spread=500.0,
        learnable=("c", "g_l", "e_l", "v_t", "delta_t", "a", "b", "tau_w", "v_reset", "v_peak"),
        shape=(250, 3, 6),
    ),
    Case(
        "Izhikevich",
        lambda: Izhikevich(dt=0.5, u_0=-13.0),
        mean=10.0,
        spread=6.0,
        learnable=("a", "b", "c", "d", "v_peak", "square", "slope", "offset", "v_0", "u_0"),
        shape=(80, 3, 6),
    ),
    Case("RF", lambda: RF(damping=0.05, omega=0.6), learnable=("damping", "omega", "threshold")),
    Case(
        "RF zero attached",
        lambda: RF(damping=0.05, omega=0.6, reset="zero"),
        dict(detach_reset=False, surrogate="arctan"),
    ),
    Case(
        "BRF",
        lambda: BRF(omega=40.0, damping=1.0),
        dict(surrogate=SurrogateSpike(multi_gaussian, 2.0)),
        mean=20.0,
        spread=40.0,
        learnable=("omega", "damping", "threshold"),
        shape=(60, 3, 6),
    ),
    Case("DeltaEncoder", DeltaEncoder, learnable=("threshold",)),
    Case("SigmaDecoder", SigmaDecoder),
    Case("SigmaDelta", SigmaDelta, learnable=("threshold", "bias")),
    Case("ALIF", ALIF, learnable=("tau", "tau_adapt", "threshold", "beta")),
    Case(
        "ALIF srnn attached",
        lambda: ALIF(ALIFParams.named("srnn", tau_adapt=20.0)),
        dict(detach_reset=False, surrogate="triangle"),
        learnable=("tau", "tau_adapt", "threshold", "beta"),
    ),
    Case("ALIF eprop", lambda: ALIF(ALIFParams.named("eprop"))),
    Case(
        "ConductanceLIF",
        lambda: ConductanceLIF(dt=0.5, refractory=1.0),
        mean=2.0,
        spread=3.0,
        learnable=(
            *("c", "g_l", "e_l", "v_t", "v_reset", "e_exc", "e_inh", "e_nmda"),
            *("tau_exc", "tau_inh", "tau_nmda", "mg", "mg_slope"),
        ),
    ),
    Case(
        "ConductanceLIF normalised attached",
        lambda: ConductanceLIF(ConductanceLIFParams.named("normalised", dt=1.0, refractory=0.0)),
        dict(detach_reset=False, surrogate="arctan"),
    ),
    Case("AlphaLIF", AlphaLIF, learnable=("tau", "tau_rise", "tau_decay", "threshold")),
    Case(
        "AlphaLIF area, refractory, attached",
        lambda: AlphaLIF(tau_rise=2.0, reset="subtract", scale="area", refractory=2.0),
        dict(detach_reset=False, surrogate="arctan"),
        mean=4.0,
        learnable=("tau", "tau_rise", "tau_decay", "threshold"),
    ),
    Case(
        "ShortTermPlasticity",
        lambda: ShortTermPlasticity(U=0.3, tau_rec=100.0, tau_facil=50.0),
        learnable=("U", "tau_rec", "tau_facil"),
    ),
    Case(
        "EscapeLIF",
        lambda: EscapeLIF(delta_u=0.2, refractory=2.0),
        dict(surrogate="straight_through"),
        learnable=("tau", "threshold", "delta_u", "tau0"),
    ),
    Case(
        "EscapeLIF softplus, attached",
        lambda: EscapeLIF(rate="softplus", reset="subtract", delta_u=0.3),
        dict(detach_reset=False, surrogate="straight_through"),
        learnable=("tau", "threshold", "delta_u", "tau0"),
    ),
    Case(
        "EscapeLIF sigmoid, none",
        lambda: EscapeLIF(rate="sigmoid", reset="none", delta_u=0.3),
        learnable=("tau", "threshold", "delta_u", "tau0"),
    ),
    Case(
        "Izhikevich 2003 attached",
        lambda: Izhikevich(scheme="2003", dt=1.0),
        dict(detach_reset=False, surrogate="arctan"),
        mean=10.0,
        spread=6.0,
        learnable=("a", "b", "c", "d", "v_peak", "square", "slope", "offset", "v_0"),
    ),
    Case(
        "Izhikevich 2004",
        lambda: Izhikevich(scheme="2004", dt=0.5, recovery="integrating", a=0.005),
        mean=15.0,
        spread=6.0,
        learnable=("a", "b", "c", "d", "v_peak", "square", "slope", "offset", "v_0"),
    ),
    Case(
        "QIF",
        lambda: QIF(tau=5.0, a_0=2.0, v_c=0.8, v_peak=3.0, v_reset=-0.5),
        mean=1.0,
        spread=2.0,
        learnable=("tau", "a_0", "v_rest", "v_c", "v_peak", "v_reset"),
    ),
    Case("Theta", Theta, mean=4.0, spread=4.0, learnable=("tau", "theta_0")),
    Case(
        "EIF",
        EIF,
        mean=1200.0,
        spread=600.0,
        learnable=("c", "g_l", "e_l", "v_t", "delta_t", "v_reset", "v_peak"),
        shape=(120, 3, 6),
    ),
    Case(
        "FitzHughNagumo",
        FitzHughNagumo,
        mean=1.0,
        spread=1.0,
        learnable=("a", "b", "eps", "v_spike"),
        shape=(60, 3, 6),
    ),
    Case(
        "HodgkinHuxley",
        HodgkinHuxley,
        mean=60.0,
        spread=40.0,
        learnable=("c", "g_na", "g_k", "g_l", "e_na", "e_k", "e_l", "celsius", "v_spike"),
        shape=(60, 3, 6),
        apart=0.3,
    ),
    Case(
        "HodgkinHuxley sub-steps",
        lambda: HodgkinHuxley(dt=0.05, substeps=2, v_0=-65.0),
        mean=60.0,
        spread=40.0,
    ),
]
CASES = LIF_CASES + OTHER_CASES

#: Neurons that `make test` tries in full: the plainest, the one with every option, and one with two
#: variables. Of each other kind, it compares the loop with the step once, and leaves the rest to
#: `make test-slow`: each test compiles loops of its own for each case.
IN_FULL = ("LIF", "LIF none, all", "AdEx")


def marks_of(case: Case) -> list[pytest.MarkDecorator]:
    return [] if case.name in IN_FULL else [pytest.mark.slow]


def sampled(cases: list[Case], quick: list[Case] | None = None) -> list[Any]:
    """The cases as parameters of a test; those neither `IN_FULL` nor in `quick` are slow."""
    return [
        pytest.param(case, marks=[] if quick and case in quick else marks_of(case))
        for case in cases
    ]
