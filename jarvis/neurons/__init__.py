"""The contract that every neuron obeys, and the layer that runs them all.

`definition` says how a neuron is written, once: its step, parameters, state and rest; `layer` runs
it over a sequence; `driven` scales its input, for use in a network; `decay` has exponential decay
over a step.
"""

from jarvis.kernels.sparse import sparse_products
from jarvis.neurons.decay import constant_drive, exp_decay
from jarvis.neurons.definition import (
    Neuron,
    Parameters,
    RecurrentState,
    define,
    derived,
    detached,
    parameter,
)
from jarvis.neurons.driven import DrivenLayer, by_sign
from jarvis.neurons.layer import SpikingLayer
from jarvis.neurons.layers import over_time

__all__ = [
    "DrivenLayer",
    "Neuron",
    "Parameters",
    "RecurrentState",
    "SpikingLayer",
    "by_sign",
    "constant_drive",
    "define",
    "derived",
    "detached",
    "exp_decay",
    "over_time",
    "parameter",
    "sparse_products",
]
