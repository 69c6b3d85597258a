"""jarvis: spiking neural networks to learn from, in Python and PyTorch."""

from jarvis import datasets, plotting
from jarvis.adex import FIRING_PATTERNS, AdExParams, NormalisedAdExParams
from jarvis.adex_layers import AdExLayer, NormalisedAdExLayer, spike_times, step_response
from jarvis.adex_step import AdExState, NormalisedAdExState, adex_step, normalised_adex_step
from jarvis.augmentation import Augmentation
from jarvis.chain import SpikingChain
from jarvis.classifier import READOUTS, Readout, SpikingCNN, SpikingMLP
from jarvis.convstdp import ConvSTDP, Winners
from jarvis.costs import count_parameters, count_spikes, fan_out, synaptic_operations
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
from jarvis.delays import Delays, make_delays
from jarvis.diagnosis import Diagnosis, diagnose
from jarvis.encoding import (
    constant_encode,
    delta_encode,
    intensity_to_latency,
    latency_encode,
    poisson_encode,
    ttfs_encode,
)
from jarvis.energy import EnergyModel, Operations
from jarvis.event_driven import EventLIF
from jarvis.event_layer import EventOutput, run_events
from jarvis.events import Events
from jarvis.filters import (
    difference_of_gaussians,
    filter_images,
    gabor,
    local_normalisation,
)
from jarvis.first_spike import FirstSpikeLayer, FirstSpikeParams, FirstSpikes, first_spikes
from jarvis.first_spike_network import (
    FirstSpikeNetwork,
    first_spike_loss,
    first_spike_scores,
    spike_time_encode,
)
from jarvis.instances import Instance, hulk, smash
from jarvis.layers import LeakyIntegrator, LIFLayer, LIFTrace, RecurrentLIFLayer, over_time
from jarvis.lif import LIFParams, LIFState, constant_drive, exp_decay, lif_step
from jarvis.nir_export import to_nir
from jarvis.nir_import import from_nir
from jarvis.operations import count_operations
from jarvis.plasticity import PairSTDP, stdp_window
from jarvis.pruning import Pruner, density_after
from jarvis.rewardstdp import RewardRates, RewardSTDP
from jarvis.run import History
from jarvis.spatial import SpatialNetwork, SpatialOutput, rate_penalty, scale_to_rate
from jarvis.spatial_optimiser import spatial_optimiser, warmup_cosine
from jarvis.spatial_run import RateTarget, SpatialRun, evaluate_words
from jarvis.spatial_training import fit_spatial
from jarvis.spikeseg import SpikeSEG, SpikeSEGOutput, SpikeSEGState
from jarvis.stdp import STDPConfig, STDPLearner, order_stdp
from jarvis.surrogate import SURROGATES, SurrogateSpike
from jarvis.three_factor import ThreeFactorSTDP
from jarvis.training import choose_device, cosine, evaluate, fit, seeded
from jarvis.triplet import TripletSTDP
from jarvis.version import __version__
from jarvis.wta import WTAConfig, WTAInhibition, WTAMode, pick_winners

__all__ = [
    "FIRING_PATTERNS",
    "READOUTS",
    "SURROGATES",
    "AdExLayer",
    "AdExParams",
    "AdExState",
    "Augmentation",
    "ConvSTDP",
    "Delays",
    "Diagnosis",
    "EnergyModel",
    "EventLIF",
    "EventOutput",
    "Events",
    "FirstSpikeLayer",
    "FirstSpikeNetwork",
    "FirstSpikeParams",
    "FirstSpikes",
    "History",
    "Instance",
    "LIFLayer",
    "LIFParams",
    "LIFState",
    "LIFTrace",
    "LeakyIntegrator",
    "NormalisedAdExLayer",
    "NormalisedAdExParams",
    "NormalisedAdExState",
    "Operations",
    "PairSTDP",
    "Pruner",
    "RateTarget",
    "Readout",
    "RecurrentLIFLayer",
    "RewardRates",
    "RewardSTDP",
    "STDPConfig",
    "STDPLearner",
    "SpatialNetwork",
    "SpatialOutput",
    "SpatialRun",
    "SpikeSEG",
    "SpikeSEGOutput",
    "SpikeSEGState",
    "SpikingCNN",
    "SpikingChain",
    "SpikingMLP",
    "SurrogateSpike",
    "ThreeFactorSTDP",
    "TripletSTDP",
    "WTAConfig",
    "WTAInhibition",
    "WTAMode",
    "Winners",
    "__version__",
    "adex_step",
    "choose_device",
    "constant_drive",
    "constant_encode",
    "cosine",
    "count_operations",
    "count_parameters",
    "count_spikes",
    "datasets",
    "delta_decode",
    "delta_encode",
    "density_after",
    "diagnose",
    "difference_of_gaussians",
    "evaluate",
    "evaluate_words",
    "exp_decay",
    "fan_out",
    "filter_images",
    "first_spike_decode",
    "first_spike_loss",
    "first_spike_scores",
    "first_spikes",
    "fit",
    "fit_spatial",
    "from_nir",
    "gabor",
    "hulk",
    "intensity_to_latency",
    "last_potential_decode",
    "latency_encode",
    "lif_step",
    "local_normalisation",
    "make_delays",
    "max_potential_decode",
    "mean_potential_decode",
    "normalised_adex_step",
    "order_stdp",
    "over_time",
    "pick_winners",
    "plotting",
    "poisson_encode",
    "rate_decode",
    "rate_penalty",
    "run_events",
    "scale_to_rate",
    "seeded",
    "smash",
    "spatial_optimiser",
    "spike_time_encode",
    "spike_times",
    "stdp_window",
    "step_response",
    "synaptic_operations",
    "to_nir",
    "trace_decode",
    "ttfs_decode",
    "ttfs_encode",
    "warmup_cosine",
]
