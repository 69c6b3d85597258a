"""jarvis: spiking neural networks to learn from, in Python and PyTorch."""

from jarvis import datasets, plotting
from jarvis.classifier import READOUTS, Readout, SpikingCNN, SpikingMLP
from jarvis.convstdp import ConvSTDP, Winners
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
    intensity_to_latency,
    latency_encode,
    poisson_encode,
    ttfs_encode,
)
from jarvis.events import Events
from jarvis.filters import (
    difference_of_gaussians,
    filter_images,
    gabor,
    local_normalisation,
)
from jarvis.instances import Instance, hulk, smash
from jarvis.layers import LeakyIntegrator, LIFLayer, LIFTrace, RecurrentLIFLayer, over_time
from jarvis.lif import LIFParams, LIFState, constant_drive, exp_decay, lif_step
from jarvis.plasticity import PairSTDP, stdp_window
from jarvis.rewardstdp import RewardRates, RewardSTDP
from jarvis.run import History
from jarvis.spikeseg import SpikeSEG, SpikeSEGOutput, SpikeSEGState
from jarvis.stdp import STDPConfig, STDPLearner, order_stdp
from jarvis.surrogate import SURROGATES, SurrogateSpike
from jarvis.three_factor import ThreeFactorSTDP
from jarvis.training import choose_device, cosine, evaluate, fit, seeded
from jarvis.triplet import TripletSTDP
from jarvis.version import __version__
from jarvis.wta import WTAConfig, WTAInhibition, WTAMode, pick_winners

__all__ = [
    "READOUTS",
    "SURROGATES",
    "ConvSTDP",
    "Diagnosis",
    "Events",
    "History",
    "Instance",
    "LIFLayer",
    "LIFParams",
    "LIFState",
    "LIFTrace",
    "LeakyIntegrator",
    "PairSTDP",
    "Readout",
    "RecurrentLIFLayer",
    "RewardRates",
    "RewardSTDP",
    "STDPConfig",
    "STDPLearner",
    "SpikeSEG",
    "SpikeSEGOutput",
    "SpikeSEGState",
    "SpikingCNN",
    "SpikingMLP",
    "SurrogateSpike",
    "ThreeFactorSTDP",
    "TripletSTDP",
    "WTAConfig",
    "WTAInhibition",
    "WTAMode",
    "Winners",
    "__version__",
    "choose_device",
    "constant_drive",
    "constant_encode",
    "cosine",
    "datasets",
    "delta_decode",
    "delta_encode",
    "diagnose",
    "difference_of_gaussians",
    "evaluate",
    "exp_decay",
    "filter_images",
    "first_spike_decode",
    "fit",
    "gabor",
    "hulk",
    "intensity_to_latency",
    "last_potential_decode",
    "latency_encode",
    "lif_step",
    "local_normalisation",
    "max_potential_decode",
    "mean_potential_decode",
    "order_stdp",
    "over_time",
    "pick_winners",
    "plotting",
    "poisson_encode",
    "rate_decode",
    "seeded",
    "smash",
    "stdp_window",
    "trace_decode",
    "ttfs_decode",
    "ttfs_encode",
]
