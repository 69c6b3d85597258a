"""What the loops over candidates know of a neuron: a function that `candidates` generates for each.

The name stands here for the loops, which are copied behind the generated function.
"""

from typing import Any


def advance(u: Any, lanes: Any, given: Any, noise: Any, state: Any, sent: Any, n: Any) -> Any:
    """One step of the n neurons of a layer.

    Args:
        u: the numbers that are the same for all neurons.
        lanes: the numbers that differ from neuron to neuron, n of each.
        given: the input ``[n]``.
        noise: uniform random numbers ``[n]``, for neurons that take them.
        state: the fields of the state, n of each; updated.
        sent: the sum of what the neurons have sent ``[n]``; they add to it.
        n: number of neurons.
    """
    raise NotImplementedError
