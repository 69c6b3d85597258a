"""Code shared by all layers of neurons: checks of input and state, and `over_time`."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd

from jarvis.kernels.sparse import apply
from jarvis.kernels.sparse import sparse_products as sparse_products
from jarvis.kernels.time_loop import surrogate_support
from jarvis.support.checks import check_tensor


@runtime_checkable
class Stateful(Protocol):
    """Layers that run over a sequence ``[T, B, ...]`` and can resume from the state at its end."""

    def initial_state(self, x: Tensor) -> Any:
        """The state before the first step, for an `x` that is one step ``[B, ...]``."""
        ...

    def __call__(self, x: Tensor, state: Any = None) -> tuple[Tensor, Any]:
        """The output ``[T, B, ...]``, and the state after the last step."""
        ...


def over_time(module: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Apply a stateless module (Linear, Conv2d, pooling, ...) to all time steps at once.

    On a CPU, an `nn.Linear` or `nn.Conv2d` of spikes skips zeros where that is faster (see
    `sparse_products`).

    Args:
        module: a map from ``[B, ...]`` to ``[B, ...]`` that treats each sample independently.
        x: ``[T, B, ...]``. For a constant input made by `constant_encode` (or ``expand``) the
            module is evaluated once instead of T times, unless it draws random numbers: dropout
            draws a new mask for every step and sample, even if the input is constant.

    Returns:
        ``[T, B, ...]``.

    Raises:
        TypeError: for an input that is not a floating-point tensor.
        ValueError: for an input without the time and batch axes.

    Example:
        >>> import torch
        >>> over_time(torch.nn.Conv2d(1, 4, 3), torch.rand(5, 2, 1, 8, 8)).shape
        torch.Size([5, 2, 4, 6, 6])
    """
    if not callable(module) or isinstance(module, type):
        raise TypeError(f"over_time: module must be a module or a function, not {module!r:.60}")
    check_input(x, "over_time")
    steps, batch = x.shape[:2]
    if steps > 1 and x.stride(0) == 0 and not _is_random(module):
        before = _random_state(x)
        y = apply(module, x[0])
        if before is None or torch.equal(before, _random_state(x)):  # type: ignore[arg-type]
            return y.expand(steps, *y.shape)
        # A user-defined module that draws random numbers draws new ones for each step.
        _set_random_state(x, before)
    near = surrogate_support(x) if x.requires_grad else None
    return apply(module, x.flatten(0, 1), near).unflatten(0, (steps, batch))


def _is_random(module: Any) -> bool:
    """Whether a module contains dropout that is active."""
    return isinstance(module, nn.Module) and any(
        part.training and isinstance(part, _DropoutNd | nn.RReLU) for part in module.modules()
    )


def _random_state(x: Tensor) -> Tensor | None:
    """The state of torch's random generator on the device of `x`; None where it is unknown."""
    if torch.compiler.is_compiling():
        return None
    if x.device.type == "cpu":
        return torch.get_rng_state()
    return torch.cuda.get_rng_state(x.device) if x.device.type == "cuda" else None


def _set_random_state(x: Tensor, state: Tensor) -> None:
    if x.device.type == "cpu":
        torch.set_rng_state(state)
    else:
        torch.cuda.set_rng_state(state, x.device)


def check_input(x: Tensor, name: str) -> None:
    """Raise TypeError or ValueError for an input that is not floating-point ``[T, B, ...]``."""
    strided = isinstance(x, Tensor) and x.layout is torch.strided
    if not (strided and x.is_floating_point() and x.dim() > 1):  # fast for valid input
        hint = "time first, and a single sample needs a batch axis, x.unsqueeze(1)"
        check_tensor(f"{name}: input", x, "[T, B, ...]", why=hint)


def check_state(layer: str, x: Tensor, state: Any, wanted: Any) -> None:
    """Raise ValueError unless a state fits the layer's type and options, and the batch.

    Args:
        layer: the layer's name, used in messages.
        x: the layer's input ``[T, B, ...]``.
        state: the given state, a NamedTuple of tensors ``[B, ...]`` or of such states.
        wanted: a state of the layer; fields that the options do not need are None.
    """
    if type(state) is not type(wanted):
        raise ValueError(
            f"{layer}: state is a {type(state).__name__}, but this layer needs a "
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
