"""Shared by all layers of neurons: checks of input and state, and the run over ``[T, B, ...]``."""

from collections.abc import Callable
from typing import Any

from torch import Tensor

from jarvis.support.checks import check_tensor


def over_time(module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a stateless module (Linear, Conv2d, pooling, ...) to all time steps at once.

    Args:
        module: maps ``[B, ...]`` to ``[B, ...]``, each sample independently.
        x: ``[T, B, ...]``. For a constant input made by `constant_encode` (or ``expand``) the
            module is evaluated once, not T times.

    Returns:
        ``[T, B, ...]``.

    Example:
        >>> import torch
        >>> over_time(torch.nn.Conv2d(1, 4, 3), torch.rand(5, 2, 1, 8, 8)).shape
        torch.Size([5, 2, 4, 6, 6])
    """
    check_input(x, "over_time")
    steps, batch = x.shape[:2]
    if steps > 1 and x.stride(0) == 0:
        y = module(x[0])
        return y.expand(steps, *y.shape)
    return module(x.flatten(0, 1)).unflatten(0, (steps, batch))


def check_input(x: Tensor, name: str) -> None:
    """TypeError or ValueError for an input that is not floating-point ``[T, B, ...]``."""
    hint = "time first, and a single sample needs a batch axis, x.unsqueeze(1)"
    check_tensor(f"{name}: input", x, "[T, B, ...]", why=hint)


def check_state(layer: str, x: Tensor, state: Any, wanted: Any) -> None:
    """ValueError for the state of another type of layer, of other options, or of another batch.

    Args:
        layer: the layer's name, for messages.
        x: its input ``[T, B, ...]``.
        state: the given state, a NamedTuple of tensors ``[B, ...]`` or of such states.
        wanted: a state of the layer; fields that the options do not need are None.
    """
    if type(state) is not type(wanted):
        raise ValueError(
            f"{layer}: state is a {type(state).__name__}, and this layer's is a "
            f"{type(wanted).__name__}"
        )
    for name, given, known in zip(wanted._fields, state, wanted, strict=True):
        if (given is None) != (known is None):
            found = "missing" if given is None else "set"
            raise ValueError(
                f"{layer}: state.{name} is {found}, so this state comes from a layer with other "
                "options"
            )
        if isinstance(known, tuple):
            check_state(layer, x, given, known)
        elif given is not None and not isinstance(given, Tensor):
            raise ValueError(f"{layer}: state.{name} is a {type(given).__name__}, not a tensor")
        elif given is not None and given.shape != x.shape[1:]:
            raise ValueError(
                f"{layer}: state.{name} has shape {tuple(given.shape)}, but one step of the input "
                f"is {tuple(x.shape[1:])}: pass state=None for a new batch"
            )
