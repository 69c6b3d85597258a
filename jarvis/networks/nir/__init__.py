"""NIR, the Neuromorphic Intermediate Representation: exchanging networks with other simulators.

`writer` contains `to_nir`, and `reader` contains `from_nir`. `units` converts between NIR's
equations in seconds and steps of dt; `graph` reads and writes NIR files as chains of nodes.
"""

from jarvis.networks.nir.reader import from_nir
from jarvis.networks.nir.writer import to_nir

__all__ = ["from_nir", "to_nir"]
