"""The adaptive exponential integrate-and-fire neuron (AdEx), in two scalings.

`physiological` has it in mV, pA, nS and ms with the published firing patterns, `normalised` with
rest 0 and threshold 1 for networks that are trained, and `phase_plane` draws its nullclines and
fixed points.
"""

from jarvis.adex.normalised import (
    NormalisedAdExLayer,
    NormalisedAdExParams,
    NormalisedAdExState,
    normalised_adex_step,
)
from jarvis.adex.phase_plane import nullclines, orbit, phase_plane, potential, rests
from jarvis.adex.physiological import (
    FIRING_PATTERNS,
    AdExLayer,
    AdExParams,
    AdExState,
    adex_step,
    spike_times,
    step_response,
)

__all__ = [
    "FIRING_PATTERNS",
    "AdExLayer",
    "AdExParams",
    "AdExState",
    "NormalisedAdExLayer",
    "NormalisedAdExParams",
    "NormalisedAdExState",
    "adex_step",
    "normalised_adex_step",
    "nullclines",
    "orbit",
    "phase_plane",
    "potential",
    "rests",
    "spike_times",
    "step_response",
]
