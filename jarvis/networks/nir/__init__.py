"""NIR, the Neuromorphic Intermediate Representation: networks to other simulators and back.

`writer` has `to_nir`, `reader` has `from_nir`; `units` turns NIR's equations in seconds into steps
of dt and back, `graph` reads and writes NIR files as chains of nodes.
"""

from jarvis.networks.nir.reader import from_nir
from jarvis.networks.nir.writer import to_nir

__all__ = ["from_nir", "to_nir"]
