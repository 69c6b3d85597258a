"""Whole networks: classifiers and read-outs, their costs, and why a network does not learn.

`classifier` contains the models, and `delayed` contains linear maps with a delay for each synapse.
`costs` counts spikes, operations and energy, `diagnosis` finds what is wrong, `probes` analyses a
network without training it, and `nir` exchanges networks with other simulators.
"""

from jarvis.networks.classifier import (
    READOUTS,
    ClassifierState,
    Readout,
    ReadoutState,
    SpikingChain,
    SpikingCNN,
    SpikingMLP,
)
from jarvis.networks.costs import (
    EnergyModel,
    Operations,
    count_operations,
    count_parameters,
    count_spikes,
    fan_out,
    synaptic_operations,
)
from jarvis.networks.delayed import DelayedLinear, DelayedNetwork, DelayState, delayed_linear
from jarvis.networks.diagnosis import Diagnosis, diagnose
from jarvis.networks.nir.reader import from_nir
from jarvis.networks.nir.writer import to_nir
from jarvis.networks.probes import SavedBytes, gradient_by_step, graph_size, influence

__all__ = [
    "READOUTS",
    "ClassifierState",
    "DelayState",
    "DelayedLinear",
    "DelayedNetwork",
    "Diagnosis",
    "EnergyModel",
    "Operations",
    "Readout",
    "ReadoutState",
    "SavedBytes",
    "SpikingCNN",
    "SpikingChain",
    "SpikingMLP",
    "count_operations",
    "count_parameters",
    "count_spikes",
    "delayed_linear",
    "diagnose",
    "fan_out",
    "from_nir",
    "gradient_by_step",
    "graph_size",
    "influence",
    "synaptic_operations",
    "to_nir",
]
