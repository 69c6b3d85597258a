"""A neuron as a user would define it: quadratic integrate-and-fire.

The library does not contain this neuron. It serves to measure what a new neuron costs, on its first
use (`compile_time.py`) and from then on (`generated.py`).
"""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor

from jarvis.neurons.definition import Parameters, define, parameter
from jarvis.surrogate import Spike


@dataclass(frozen=True)
class QIFParams(Parameters):
    """Parameters. The neuron rests at 0; above `critical`, v grows by itself, up to `peak`."""

    tau: float = parameter(10.0, "ms", above=0)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)
    critical: float = parameter(0.5, above=0)
    peak: float = parameter(1.0, above=0)

    @property
    def rate(self) -> float:
        """``dt/tau``."""
        return self.dt / self.tau


class QIFState(NamedTuple):
    """State, ``[B, ...]``."""

    v: Tensor  #: potential after the reset


def qif_step(x: Tensor, state: QIFState, params: QIFParams, spike: Spike):
    """``h = v + dt/tau v (v - critical) + x``; a spike where h reaches `peak`, then v = 0.

    Source: Gerstner et al. 2014, Neuronal Dynamics, section 5.3.
    """
    v = state.v
    h = v + params.rate * (v * (v - params.critical)) + x
    spikes = spike(h, params.peak)
    return spikes, QIFState(h * (1.0 - spike.reset(spikes)))


QIF = define(qif_step, QIFParams, QIFState, lambda params: QIFState(0.0))  # type: ignore[arg-type]
