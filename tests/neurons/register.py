"""Every kind of neuron that the suite runs, and inputs that make it fire.

Besides the neurons of the package there are some that stand for what a definition may do: several
inputs, steps within a step, an output that is no spike, random numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

from jarvis import SurrogateSpike
from jarvis.adex import AdEx, AdExParams, NormalisedAdEx
from jarvis.lif import LI, LIF
from jarvis.neurons import Neuron, Parameters, SpikingLayer, define, parameter

F64 = torch.float64


class TwoInputs(NamedTuple):
    excitatory: Tensor
    inhibitory: Tensor


@dataclass(frozen=True)
class ConductanceParams(Parameters):
    tau: float | Tensor = parameter(20.0, "ms", above=0)
    tau_syn: float | Tensor = parameter(5.0, "ms", above=0)
    e_exc: float | Tensor = parameter(3.0)
    e_inh: float | Tensor = parameter(-0.5)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)


class ConductanceState(NamedTuple):
    v: Tensor
    g_exc: Tensor
    g_inh: Tensor


def _conductance(x: TwoInputs, state: ConductanceState, p: Any, spike: Any):
    decay = torch.exp(-p.dt / (p.tau_syn + 0.0 * state.v))  # one value per neuron
    g_exc = decay * state.g_exc + x.excitatory.abs()
    g_inh = decay * state.g_inh + x.inhibitory.abs()
    total = 1.0 + g_exc + g_inh
    target = (g_exc * p.e_exc + g_inh * p.e_inh) / total
    h = target + (state.v - target) * torch.exp(-p.dt / p.tau * total)
    s = spike(h, 1.0)
    return s, ConductanceState(h * (1.0 - spike.reset(s)), g_exc, g_inh)


Conductance = define(
    _conductance,
    ConductanceParams,
    ConductanceState,
    lambda p: ConductanceState(0.0, 0.0, 0.0),
    inputs=TwoInputs,
)


@dataclass(frozen=True)
class IzhikevichParams(Parameters):
    a: float | Tensor = parameter(0.02, "1/ms", above=0)
    b: float | Tensor = parameter(0.2)
    c: float | Tensor = parameter(-65.0, "mV")
    d: float | Tensor = parameter(8.0)
    v_peak: float | Tensor = parameter(30.0, "mV")
    dt: float = parameter(1.0, "ms", above=0, fixed=True)
    substeps: int = 2


class IzhikevichState(NamedTuple):
    v: Tensor
    u: Tensor


class IzhikevichTrace(NamedTuple):
    peak: Tensor
    u: Tensor


def _izhikevich(x: Tensor, state: IzhikevichState, p: Any, spike: Any):
    v, dt = state.v, p.dt / p.substeps
    for _ in range(p.substeps):
        v = v + dt * (0.04 * v * v + 5.0 * v + 140.0 - state.u + x)
        v = torch.minimum(v, p.v_peak + 0.0 * v)
    u = state.u + p.dt * p.a * (p.b * v - state.u)
    s = spike((v - p.v_peak) * 0.05, 0.0)
    r = spike.reset(s)
    return s, IzhikevichState(v + (p.c - v) * r, u + p.d * r), IzhikevichTrace(v, u)


Izhikevich = define(
    _izhikevich, IzhikevichParams, IzhikevichState, lambda p: IzhikevichState(p.c, p.b * p.c)
)


@dataclass(frozen=True)
class SigmaDeltaParams(Parameters):
    threshold: float | Tensor = parameter(0.3, above=0)


class SigmaDeltaState(NamedTuple):
    sent: Tensor


def _sigma_delta(x: Tensor, state: SigmaDeltaState, p: Any, spike: Any):
    error = x - state.sent
    message = torch.where(error.abs() >= p.threshold, error, 0.0)
    return message, SigmaDeltaState(state.sent + message)


SigmaDelta = define(
    _sigma_delta, SigmaDeltaParams, SigmaDeltaState, lambda p: SigmaDeltaState(0.0), fires=False
)


class NoisyInputs(NamedTuple):
    x: Tensor
    uniform: Tensor  #: random numbers in [0, 1)


@dataclass(frozen=True)
class EscapeParams(Parameters):
    tau: float | Tensor = parameter(10.0, "ms", above=0)
    width: float | Tensor = parameter(0.2, above=0)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    @property
    def decay(self) -> Any:
        return torch.exp(torch.as_tensor(-self.dt / self.tau))


class EscapeState(NamedTuple):
    v: Tensor


def _escape(x: NoisyInputs, state: EscapeState, p: Any, spike: Any):
    h = p.decay * state.v + x.x
    rate = torch.nn.functional.softplus((h - 1.0) / p.width)
    chance = -torch.expm1(-rate * p.dt)
    s = spike(chance, x.uniform)
    return s, EscapeState(h * (1.0 - spike.reset(s)))


Escape = define(_escape, EscapeParams, EscapeState, lambda p: EscapeState(0.0), inputs=NoisyInputs)


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
        found = []
        for name, value in zip(state._fields, state, strict=True):
            if value is None:
                found.append(None)
            elif name == "refractory":
                found.append(torch.randint(0, 3, value.shape, generator=rng).to(value))
            else:
                noise = torch.rand(value.shape, generator=rng, dtype=F64).to(value)
                found.append(value.detach() + 0.5 * noise * max(1.0, self.spread / 20.0))
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
        "Conductance",
        Conductance,
        mean=0.4,
        learnable=("tau", "tau_syn", "e_exc", "e_inh"),
    ),
    Case(
        "Izhikevich",
        Izhikevich,
        mean=10.0,
        spread=6.0,
        learnable=("a", "b", "c", "d", "v_peak"),
        shape=(80, 3, 6),
    ),
    Case("SigmaDelta", SigmaDelta, learnable=("threshold",)),
    Case("Escape", Escape, learnable=("tau", "width")),
]
CASES = LIF_CASES + OTHER_CASES
