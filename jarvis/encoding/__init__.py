"""Encode values as spikes, decode spikes into values, and store spikes as lists of events.

`encoders` turn values into spike trains, `decoders` turn spikes or potentials into values, `events`
defines sorted lists of (time, unit), and `filters` detect edges in images before they are encoded.
"""

from jarvis.encoding.decoders import (
    delta_decode,
    first_spike_decode,
    last_potential_decode,
    max_potential_decode,
    mean_potential_decode,
    rate_decode,
    trace_decode,
    ttfs_decode,
)
from jarvis.encoding.encoders import (
    constant_encode,
    delta_encode,
    intensity_to_latency,
    latency_encode,
    poisson_encode,
    ttfs_encode,
)
from jarvis.encoding.events import Events
from jarvis.encoding.filters import (
    difference_of_gaussians,
    filter_images,
    gabor,
    local_normalisation,
)

__all__ = [
    "Events",
    "constant_encode",
    "delta_decode",
    "delta_encode",
    "difference_of_gaussians",
    "filter_images",
    "first_spike_decode",
    "gabor",
    "intensity_to_latency",
    "last_potential_decode",
    "latency_encode",
    "local_normalisation",
    "max_potential_decode",
    "mean_potential_decode",
    "poisson_encode",
    "rate_decode",
    "trace_decode",
    "ttfs_decode",
    "ttfs_encode",
]
