"""jarvis: spiking neural networks to learn from, in Python and PyTorch."""

from jarvis import datasets, plotting
from jarvis.classifier import READOUTS, Readout, SpikingCNN, SpikingMLP
from jarvis.decoding import (
    delta_decode,
    first_spike_decode,
    last_potential_decode,
    max_potential_decode,
    mean_potential_decode,
    rate_decode,
    trace_decode,
    ttfs_decode,
)
from jarvis.diagnosis import Diagnosis, diagnose
from jarvis.encoding import (
    constant_encode,
    delta_encode,
    latency_encode,
    poisson_encode,
    ttfs_encode,
)
from jarvis.events import Events
from jarvis.layers import LeakyIntegrator, LIFLayer, LIFTrace, RecurrentLIFLayer, over_time
from jarvis.lif import LIFParams, LIFState, constant_drive, exp_decay, lif_step
from jarvis.run import History
from jarvis.surrogate import SURROGATES, SurrogateSpike
from jarvis.training import choose_device, cosine, evaluate, fit, seeded
from jarvis.version import __version__

__all__ = [
    "READOUTS",
    "SURROGATES",
    "Diagnosis",
    "Events",
    "History",
    "LIFLayer",
    "LIFParams",
    "LIFState",
    "LIFTrace",
    "LeakyIntegrator",
    "Readout",
    "RecurrentLIFLayer",
    "SpikingCNN",
    "SpikingMLP",
    "SurrogateSpike",
    "__version__",
    "choose_device",
    "constant_drive",
    "constant_encode",
    "cosine",
    "datasets",
    "delta_decode",
    "delta_encode",
    "diagnose",
    "evaluate",
    "exp_decay",
    "first_spike_decode",
    "fit",
    "last_potential_decode",
    "latency_encode",
    "lif_step",
    "max_potential_decode",
    "mean_potential_decode",
    "over_time",
    "plotting",
    "poisson_encode",
    "rate_decode",
    "seeded",
    "trace_decode",
    "ttfs_decode",
    "ttfs_encode",
]
