"""Layers one after another, with their states."""

from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from jarvis.layers import LeakyIntegrator, LIFLayer, over_time


class SpikingChain(nn.Module):
    """Linear maps and neurons, one after another: what `from_nir` returns.

    Args:
        layers: `LIFLayer`, `RecurrentLIFLayer`, `LeakyIntegrator`, and modules without memory that
            map ``[B, ...]`` to ``[B, ...]`` (`nn.Linear`, ...).

    Example:
        >>> import torch
        >>> chain = SpikingChain([nn.Linear(3, 4), LIFLayer(), nn.Linear(4, 2), LeakyIntegrator()])
        >>> v, state = chain(torch.rand(10, 5, 3))
        >>> v.shape
        torch.Size([10, 5, 2])
    """

    def __init__(self, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, state: Sequence | None = None) -> tuple[Tensor, tuple]:
        """Run the layers over ``x [T, B, ...]``.

        Args:
            x: spikes or currents, time first.
            state: what the last call returned, to go on from there; None for neurons at rest.

        Returns:
            the last layer's output ``[T, B, ...]``, and each layer's state (of a linear map None).

        Raises:
            ValueError: for a state with another number of layers, or of another batch.
        """
        state = [None] * len(self.layers) if state is None else state
        if len(state) != len(self.layers):
            raise ValueError(
                f"SpikingChain: state has {len(state)} entries for {len(self.layers)} layers"
            )
        states = []
        for layer, before in zip(self.layers, state, strict=True):
            if isinstance(layer, LIFLayer | LeakyIntegrator):
                x, after = layer(x, before)  # type: ignore[arg-type]
            else:
                x, after = over_time(layer, x), None
            states.append(after)
        return x, tuple(states)
