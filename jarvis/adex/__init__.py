"""The adaptive exponential integrate-and-fire neuron (AdEx), in two scalings.

`physiological` contains the model in mV, pA, nS and ms with the published firing patterns.
`normalised` contains the model with resting potential 0 and threshold 1, for trained networks.
`phase_plane` draws nullclines and fixed points.
"""

from jarvis.adex.normalised import (
    NormalisedAdEx,
    NormalisedAdExLayer,
    NormalisedAdExParams,
    NormalisedAdExState,
    normalised_adex_step,
)
from jarvis.adex.phase_plane import fixed_points, nullclines, phase_plane, potential, trajectory
from jarvis.adex.physiological import (
    FIRING_PATTERNS,
    AdEx,
    AdExLayer,
    AdExParams,
    AdExState,
    adex_step,
    spike_times,
    step_response,
)

__all__ = [
    "FIRING_PATTERNS",
    "AdEx",
    "AdExLayer",
    "AdExParams",
    "AdExState",
    "NormalisedAdEx",
    "NormalisedAdExLayer",
    "NormalisedAdExParams",
    "NormalisedAdExState",
    "adex_step",
    "fixed_points",
    "normalised_adex_step",
    "nullclines",
    "phase_plane",
    "potential",
    "spike_times",
    "step_response",
    "trajectory",
]
