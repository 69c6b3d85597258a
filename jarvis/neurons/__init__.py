"""The contract that every neuron obeys, the layer that runs them all, and the neurons themselves.

`definition` says how a neuron is written, once: its step, parameters, state and rest; `layer` runs
it over a sequence; `driven` scales its input, for use in a network; `decay` has exponential decay
over a step. Every other file has one kind of neuron (`jarvis.lif` and `jarvis.adex` have two more);
`jarvis.zoo` lists them all by name.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
