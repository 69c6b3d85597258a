"""The LIF neuron of each library, as a function ``x [T, B, N] -> spikes [T, B, N]``.

A peer is imported when it is needed; if it is not installed, its table line is skipped.
"""

import importlib.util
import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from benchmarks.agreement import TAU
from jarvis import LIFLayer, SurrogateSpike
from jarvis.surrogate import fast_sigmoid

DECAY = math.exp(-1.0 / TAU)
SLOPE = 25.0
Run = Callable[[Tensor], Tensor]


class Peer(NamedTuple):
    """A LIF neuron to compare with."""

    name: str
    module: str  #: the module that must be importable
    make: Callable[[torch.dtype], Run]
    options: dict  #: options of our `LIFLayer` for the same neuron
    timed: Callable[[torch.dtype], Run] | None = None  #: timed instead of `make`, if given
    note: str = ""  #: differences, if any

    @property
    def missing(self) -> bool:
        return importlib.util.find_spec(self.module) is None


def ours(backend: str, **options) -> Callable[[torch.dtype], Run]:
    layer = LIFLayer(tau=TAU, backend=backend, **options)
    return lambda dtype: lambda x: layer(x)[0]


def naive(dtype: torch.dtype) -> Run:
    """The eager step as it is usually first written: a loop over `x[t]`."""
    layer = LIFLayer(tau=TAU, backend="eager")

    def run(x: Tensor) -> Tensor:
        spikes, state = [], None
        for t in range(len(x)):
            s, state = layer(x[t].unsqueeze(0), state)
            spikes.append(s[0])
        return torch.stack(spikes)

    return run


def snntorch(unbind: bool, delay: bool) -> Callable[[torch.dtype], Run]:
    def make(dtype: torch.dtype) -> Run:
        import snntorch as snn

        layer = snn.Leaky(
            beta=DECAY, spike_grad=snn.surrogate.fast_sigmoid(SLOPE), reset_delay=delay
        )
        layer.beta = torch.tensor(DECAY, dtype=dtype)  # it would stay float32

        def run(x: Tensor) -> Tensor:
            mem, spikes = layer.init_leaky(), []
            if unbind:
                for x_t in x.unbind(0):
                    s, mem = layer(x_t, mem)
                    spikes.append(s)
            else:
                for t in range(len(x)):
                    s, mem = layer(x[t], mem)
                    spikes.append(s)
            return torch.stack(spikes)

        return run

    return make


def spikingjelly(dtype: torch.dtype) -> Run:
    from spikingjelly.activation_based import functional, neuron, surrogate

    layer = neuron.LIFNode(
        tau=1.0 / (1.0 - DECAY),
        decay_input=False,
        v_reset=None,
        surrogate_function=surrogate.ATan(alpha=2.0),
        detach_reset=True,
        step_mode="m",
    )
    layer.backend = "torch"

    def run(x: Tensor) -> Tensor:
        functional.reset_net(layer)
        return layer(x)

    return run


def norse(dtype: torch.dtype) -> Run:
    import norse.torch as norse
    from norse.torch.functional.reset import reset_subtract

    # Norse's input is a current, v += dt / tau (x - v); scaled by tau / dt, x is the jump in v.
    factor = 1.0 - DECAY
    p = norse.LIFBoxParameters(
        tau_mem_inv=torch.tensor(factor, dtype=dtype),
        v_leak=torch.tensor(0.0, dtype=dtype),
        v_th=torch.tensor(1.0, dtype=dtype),
        v_reset=torch.tensor(0.0, dtype=dtype),
        reset_method=reset_subtract,
    )
    cell = norse.LIFBoxCell(p, dt=1.0)

    def run(x: Tensor) -> Tensor:
        x, state, spikes = x / factor, None, []
        for t in range(len(x)):
            s, state = cell(x[t], state)
            spikes.append(s)
        return torch.stack(spikes)

    return run


def sinabs(dtype: torch.dtype) -> Run:
    import sinabs.activation
    import sinabs.layers

    layer = sinabs.layers.LIF(
        tau_mem=TAU,
        norm_input=False,
        spike_fn=sinabs.activation.SingleSpike,
        surrogate_grad_fn=lambda v, threshold: fast_sigmoid(v - threshold, SLOPE),
    )
    layer.alpha_mem = torch.tensor(DECAY, dtype=dtype)  # it would stay float32

    def run(x: Tensor) -> Tensor:
        layer.reset_states()
        return layer(x.transpose(0, 1)).transpose(0, 1)  # it expects [B, T, N]

    return run


THROUGH = {"detach_reset": False}  #: the gradient flows through the reset
DELAYED = (
    "timed with its default, a delayed reset; agrees with reset_delay=False and gradients through "
    "the reset"
)

PEERS = (
    Peer("SpikingJelly", "spikingjelly", spikingjelly, {"surrogate": "arctan"}),
    Peer("sinabs", "sinabs", sinabs, THROUGH),
    Peer("norse, x[t]", "norse", norse, THROUGH | {"surrogate": SurrogateSpike(slope=1.0)},
         note="LIFBoxCell, its LIF without a synapse; the slope of its surrogate is always 1"),
    Peer("snnTorch, unbind", "snntorch", snntorch(True, False), THROUGH,
         snntorch(True, True), DELAYED),
    Peer("snnTorch, x[t]", "snntorch", snntorch(False, False), THROUGH,
         snntorch(False, True), DELAYED),
)  # fmt: skip
