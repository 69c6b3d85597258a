"""Neurons of other libraries, and the same equations as definitions that jarvis compiles.

Libraries differ in their equations, so none of them has exactly a neuron of our zoo. For a fair
comparison, the equations of each peer are written here as a step, with the peer's own parameters.
The benchmark first checks that spikes and gradients are equal, and then times both.
"""

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from benchmarks.peers import Run
from jarvis import SurrogateSpike
from jarvis.neurons.definition import Neuron, Parameters, define, parameter
from jarvis.neurons.layer import SpikingLayer
from jarvis.surrogate import Spike


class OneState(NamedTuple):
    v: Tensor


class TwoStates(NamedTuple):
    v: Tensor
    u: Tensor


class ThreeStates(NamedTuple):
    v: Tensor
    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class NonlinearParams(Parameters):
    """SpikingJelly's defaults for QIFNode, EIFNode and IzhikevichNode, which start at v_reset."""

    tau: float = parameter(2.0, above=0)
    v_c: float = parameter(0.8)
    a0: float = parameter(1.0, above=0)
    delta_t: float = parameter(1.0, above=0)
    threshold: float = parameter(1.0)
    v_rest: float = parameter(0.0)
    v_reset: float = parameter(-0.1)
    tau_w: float = parameter(2.0, above=0)
    a: float = parameter(0.0)
    b: float = parameter(0.0)


def _quadratic(x: Tensor, state: OneState, p: Any, spike: Spike):
    v = state.v
    h = v + (x + p.a0 * (v - p.v_rest) * (v - p.v_c)) / p.tau
    s = spike(h, p.threshold)
    r = spike.reset(s)
    return s, OneState((1.0 - r) * h + r * p.v_reset)


def _exponential(x: Tensor, state: OneState, p: Any, spike: Spike):
    v = state.v
    rise = p.delta_t * torch.exp((v - p.v_c) / p.delta_t)
    h = v + (x + p.v_rest - v + rise) / p.tau
    s = spike(h, p.threshold)
    r = spike.reset(s)
    return s, OneState((1.0 - r) * h + r * p.v_reset)


def _izhikevich(x: Tensor, state: TwoStates, p: Any, spike: Spike):
    v = state.v
    h = v + (x + p.a0 * (v - p.v_rest) * (v - p.v_c) - state.u) / p.tau
    u = state.u + (p.a * (h - p.v_rest) - state.u) / p.tau_w
    s = spike(h, p.threshold)
    r = spike.reset(s)
    return s, TwoStates((1.0 - r) * h + r * p.v_reset, u + p.b * s)


@dataclass(frozen=True)
class ResonatorParams(Parameters):
    """SpikingJelly's defaults for RAFNode."""

    decay: float = parameter(math.exp(-0.2))
    cos: float = parameter(math.cos(1.0))
    sin: float = parameter(math.sin(1.0))


def _resonator(x: Tensor, state: TwoStates, p: Any, spike: Spike):
    u = p.decay * (state.u * p.cos - state.v * p.sin) + x
    h = p.decay * (state.u * p.sin + state.v * p.cos)
    s = spike(h, 1.0)
    return s, TwoStates(h * (1.0 - spike.reset(s)), u)


@dataclass(frozen=True)
class NorseIzhikevichParams(Parameters):
    """Norse's parameters for regular spiking, with time in ms."""

    a: float = parameter(0.02)
    b: float = parameter(0.2)
    c: float = parameter(-65.0)
    d: float = parameter(8.0)
    dt: float = parameter(0.25, "ms", above=0, fixed=True)


def _norse_izhikevich(x: Tensor, state: TwoStates, p: Any, spike: Spike):
    v, u = state
    h = v + p.dt * (0.04 * v * v + 5.0 * v + 140.0 - u + x)
    after = u + p.dt * p.a * (p.b * v - u)
    s = spike(h, 30.0)
    r = spike.reset(s)
    return s, TwoStates((1.0 - r) * h + r * p.c, (1.0 - r) * after + r * (after + p.d))


@dataclass(frozen=True)
class NorseConductanceParams(Parameters):
    """Norse's defaults for CobaLIFParameters, with dt = 1 ms as a fraction of its unit of time."""

    dt: float = parameter(0.001, above=0, fixed=True)
    decay: float = parameter(1.0 / 5.0)
    per_c: float = parameter(1.0 / 0.2)
    g_l: float = parameter(1.0 / 20.0 / 0.2)
    e_inh: float = parameter(-100.0)
    e_exc: float = parameter(60.0)
    v_rest: float = parameter(-20.0)
    v_reset: float = parameter(-70.0)
    threshold: float = parameter(-10.0)


def _norse_conductance(x: Tensor, state: ThreeStates, p: Any, spike: Spike):
    g_exc = state.first + torch.relu(x)
    g_inh = state.second + torch.relu(-x)
    g_exc = g_exc - p.dt * p.decay * g_exc
    g_inh = g_inh - p.dt * p.decay * g_inh
    v = state.v
    current = p.g_l * (p.v_rest - v) + g_exc * (p.e_exc - v) + g_inh * (p.e_inh - v)
    h = v + p.dt * p.per_c * current
    s = spike(h, p.threshold)
    r = spike.reset(s)
    return s, ThreeStates((1.0 - r) * h + r * p.v_reset, g_exc, g_inh)


@dataclass(frozen=True)
class NorseParams(Parameters):
    """Norse's defaults for LIFExParameters and LSNNParameters; dt = 1 ms."""

    dt: float = parameter(0.001, "s", above=0, fixed=True)
    rate: float = parameter(1.0 / 1e-2)  # 1/tau_mem
    decay: float = parameter(1.0 / 5e-3)  # 1/tau_syn
    recovery: float = parameter(1.0 / 800.0)  # 1/tau_adapt
    delta_t: float = parameter(0.5, above=0)
    beta: float = parameter(1.8)


def _norse_exponential(x: Tensor, state: TwoStates, p: Any, spike: Spike):
    v, i = state.v, state.u + x
    h = v + p.dt * p.rate * (-v + p.delta_t * torch.exp((v - 1.0) / p.delta_t) + i)
    s = spike(h, 1.0)
    return s, TwoStates((1.0 - spike.reset(s)) * h, i - p.dt * p.decay * i)


def _norse_adaptive(x: Tensor, state: ThreeStates, p: Any, spike: Spike):
    v, i, b = state
    h = v + p.dt * p.rate * (-v + i)
    b = b + p.dt * p.recovery * (1.0 - b)
    s = spike(h - b, 0.0)
    r = spike.reset(s)
    return s, ThreeStates((1.0 - r) * h, i - p.dt * p.decay * i + x, b + r * p.beta)


def _at(*values: float) -> Callable[[Any], Any]:
    kind = (OneState, TwoStates, ThreeStates)[len(values) - 1]
    return lambda params: kind(*values)


class ZooPeer(NamedTuple):
    """A neuron of another library."""

    name: str  #: the neuron in words
    library: str
    module: str  #: the module that must be importable
    make: Callable[[torch.dtype], Run]
    same: Neuron  #: the same equations in jarvis
    surrogate: SurrogateSpike
    detach_reset: bool
    gain: float  #: factor for inputs in [0, 1) at which the neuron fires
    offset: float = 0.0

    @property
    def missing(self) -> bool:
        return importlib.util.find_spec(self.module) is None

    def ours(self, backend: str) -> Run:
        layer = SpikingLayer(
            self.same, surrogate=self.surrogate, detach_reset=self.detach_reset, backend=backend
        )
        return lambda x: layer(x)[0]


def _spikingjelly(name: str, **options: Any) -> Callable[[torch.dtype], Run]:
    def make(dtype: torch.dtype) -> Run:
        from spikingjelly.activation_based import functional, neuron, surrogate

        kind = getattr(neuron, name)
        layer = kind(
            surrogate_function=surrogate.ATan(alpha=2.0), detach_reset=True, step_mode="m",
            **options,
        )  # fmt: skip

        def run(x: Tensor) -> Tensor:
            functional.reset_net(layer)
            return layer(x)

        return run

    return make


def _norse(step: str, state: Callable[[Tensor], Any], params: Callable[[torch.dtype], Any],
           dt: float) -> Callable[[torch.dtype], Run]:  # fmt: skip
    """A loop over one of Norse's single-step functions."""

    def make(dtype: torch.dtype) -> Run:
        module, _, name = step.rpartition(".")
        function = getattr(importlib.import_module(f"norse.torch.functional.{module}"), name)
        p = params(dtype)

        def run(x: Tensor) -> Tensor:
            now, spikes = state(x[0]), []
            for t in range(len(x)):
                s, now = function(x[t], now, p, dt)
                spikes.append(s)
            return torch.stack(spikes)

        return run

    return make


def _in(dtype: torch.dtype, params: Any) -> Any:
    """Norse's parameters, with their tensors converted to this dtype."""
    return type(params)(*(v.to(dtype) if isinstance(v, Tensor) else v for v in params))


def _izhikevich_state(x: Tensor) -> Any:
    from norse.torch.functional.izhikevich import IzhikevichState

    return IzhikevichState(torch.full_like(x, -65.0), torch.full_like(x, -13.0))


def _izhikevich_params(dtype: torch.dtype) -> Any:
    from norse.torch.functional.izhikevich import IzhikevichParameters

    return _in(dtype, IzhikevichParameters(a=0.02, b=0.2, c=-65.0, d=8.0, tau_inv=1.0))


def _conductance_state(x: Tensor) -> Any:
    from norse.torch.functional.coba_lif import CobaLIFFeedForwardState

    zero = torch.zeros_like(x)
    return CobaLIFFeedForwardState(torch.full_like(x, -20.0), zero, zero)


def _conductance_params(dtype: torch.dtype) -> Any:
    from norse.torch.functional.coba_lif import CobaLIFParameters

    return _in(dtype, CobaLIFParameters())


def _exponential_state(x: Tensor) -> Any:
    from norse.torch.functional.lif_ex import LIFExFeedForwardState

    return LIFExFeedForwardState(torch.zeros_like(x), torch.zeros_like(x))


def _exponential_params(dtype: torch.dtype) -> Any:
    from norse.torch.functional.lif_ex import LIFExParameters

    return _in(dtype, LIFExParameters())


def _adaptive_state(x: Tensor) -> Any:
    from norse.torch.functional.lsnn import LSNNFeedForwardState

    return LSNNFeedForwardState(torch.zeros_like(x), torch.zeros_like(x), torch.ones_like(x))


def _adaptive_params(dtype: torch.dtype) -> Any:
    from norse.torch.functional.lsnn import LSNNParameters

    return _in(dtype, LSNNParameters())


_ARCTAN = SurrogateSpike("arctan")
_SUPER = SurrogateSpike("fast_sigmoid", slope=1.0)

ZOO_PEERS = (
    ZooPeer(
        "quadratic", "SpikingJelly", "spikingjelly", _spikingjelly("QIFNode"),
        define(_quadratic, NonlinearParams, OneState, _at(-0.1)), _ARCTAN, True, 2.0,
    ),
    ZooPeer(
        "exponential", "SpikingJelly", "spikingjelly", _spikingjelly("EIFNode"),
        define(_exponential, NonlinearParams, OneState, _at(-0.1)), _ARCTAN, True, 2.0,
    ),
    ZooPeer(
        "Izhikevich", "SpikingJelly", "spikingjelly", _spikingjelly("IzhikevichNode", v_rest=0.0,
        v_reset=-0.1, a=0.1, b=0.2),
        define(_izhikevich, NonlinearParams, TwoStates, _at(-0.1, 0.0))(a=0.1, b=0.2),
        _ARCTAN, True, 2.0,
    ),
    ZooPeer(
        "resonate-and-fire", "SpikingJelly", "spikingjelly", _spikingjelly("RAFNode"),
        define(_resonator, ResonatorParams, TwoStates, _at(0.0, 0.0)), _ARCTAN, True, 1.5,
    ),
    ZooPeer(
        "Izhikevich", "norse", "norse",
        _norse("izhikevich.izhikevich_feed_forward_step", _izhikevich_state, _izhikevich_params,
               0.25),
        define(_norse_izhikevich, NorseIzhikevichParams, TwoStates, _at(-65.0, -13.0)), _SUPER,
        False, 30.0, 20.0,
    ),
    ZooPeer(
        "conductances", "norse", "norse",
        _norse("coba_lif.coba_lif_feed_forward_step", _conductance_state, _conductance_params,
               0.001),
        define(_norse_conductance, NorseConductanceParams, ThreeStates, _at(-20.0, 0.0, 0.0)),
        _SUPER, False, 3.0, -1.0,
    ),
    ZooPeer(
        "exponential", "norse", "norse",
        _norse("lif_ex.lif_ex_feed_forward_step", _exponential_state, _exponential_params, 0.001),
        define(_norse_exponential, NorseParams, TwoStates, _at(0.0, 0.0)), _SUPER, False, 0.8,
    ),
    ZooPeer(
        "adaptive threshold", "norse", "norse",
        _norse("lsnn.lsnn_feed_forward_step", _adaptive_state, _adaptive_params, 0.001),
        define(_norse_adaptive, NorseParams, ThreeStates, _at(0.0, 0.0, 1.0)), _SUPER, False, 1.5,
    ),
)  # fmt: skip
