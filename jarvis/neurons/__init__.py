"""The contract that every neuron obeys, the layer that runs them all, and the neurons themselves.

`definition` lets a neuron be written once, as its step, parameters, state and resting state.
`layer` runs a neuron over a sequence, `driven` scales its input for use in a network, and `decay`
contains exponential decay over a step. Every other file contains one kind of neuron (`jarvis.lif`
and `jarvis.adex` contain two more); `jarvis.zoo` lists them all by name.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
