"""The part of the loops over candidates that depends on the neuron; `candidates` generates it.

The function is declared here for the loops, which are copied below the generated one.
"""

from typing import Any


def advance(u: Any, lanes: Any, given: Any, noise: Any, state: Any, sent: Any, n: Any) -> Any:
    """One step of the n neurons of a layer.

    Args:
        u: the numbers shared by all neurons.
        lanes: the numbers that differ between neurons, n values of each.
        given: the input ``[n]``.
        noise: uniform random numbers ``[n]``, for neurons that take them.
        state: the fields of the state, n values of each; updated.
        sent: the sum of each neuron's outputs ``[n]``, to which this step's output is added.
        n: number of neurons.
    """
    raise NotImplementedError
