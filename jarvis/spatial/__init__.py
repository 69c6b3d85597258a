"""Networks whose synapses have delays, learned by exact gradients of spike times.

`delays` computes delays from neuron positions. `event_driven` simulates recurrent networks of the
neurons in `event_neurons`, with exact gradients; `first_spike` contains neurons that spike at most
once. `network` is the spatial network; `training`, `optimiser` and `layout` train and draw it.
"""

from jarvis.spatial.delays import Delays, make_delays
from jarvis.spatial.event_driven import EventOutput, run_events
from jarvis.spatial.event_neurons import EventAdEx, EventLIF, EventNeuron
from jarvis.spatial.first_spike import (
    FirstSpikeLayer,
    FirstSpikeNetwork,
    FirstSpikeParams,
    FirstSpikes,
    first_spike_loss,
    first_spike_scores,
    first_spikes,
    spike_time_encode,
)
from jarvis.spatial.layout import draw_delays, draw_layout, record_layout, save_film, save_layouts
from jarvis.spatial.network import (
    SpatialNetwork,
    SpatialOutput,
    randomise_signs_,
    rate_penalty,
    scale_to_rate,
)
from jarvis.spatial.optimiser import spatial_optimiser
from jarvis.spatial.training import RateTarget, SpatialRun, evaluate_words, fit_spatial

__all__ = [
    "Delays",
    "EventAdEx",
    "EventLIF",
    "EventNeuron",
    "EventOutput",
    "FirstSpikeLayer",
    "FirstSpikeNetwork",
    "FirstSpikeParams",
    "FirstSpikes",
    "RateTarget",
    "SpatialNetwork",
    "SpatialOutput",
    "SpatialRun",
    "draw_delays",
    "draw_layout",
    "evaluate_words",
    "first_spike_loss",
    "first_spike_scores",
    "first_spikes",
    "fit_spatial",
    "make_delays",
    "randomise_signs_",
    "rate_penalty",
    "record_layout",
    "run_events",
    "save_film",
    "save_layouts",
    "scale_to_rate",
    "spatial_optimiser",
    "spike_time_encode",
]
