"""How a layer runs: in a compiled loop, or step by step in PyTorch.

"auto" uses the compiled loop for the tensor's device if that loop supports the layer's options, and
the readable step otherwise. The step is slower, so its use is logged once per reason. A backend
requested by name either runs or raises a ValueError that explains why it cannot.
"""

import importlib
import logging
from functools import cache
from typing import Any

import torch
from torch import Tensor

from jarvis.support.checks import check_choice

BACKENDS = ("auto", "eager", "numba", "triton")

_PLAIN = (Tensor, torch.nn.Parameter)

_OF_DEVICE = {"cpu": "numba", "cuda": "triton"}

logger = logging.getLogger("jarvis.kernels")


def check_backend(backend: str) -> None:
    """Raise a ValueError for an unknown backend."""
    check_choice("backend", backend, BACKENDS)


@cache
def _load(family: str, backend: str) -> Any | str:
    """The loops of a backend, imported when first needed, or the reason why they are missing."""
    try:
        return importlib.import_module(f"jarvis.kernels.{family}_{backend}")
    except ImportError as error:
        return f"{backend} cannot be imported here ({error})"


def choose(
    backend: str,
    layer: str,
    tensors: tuple[Tensor | None, ...],
    reason: str | None = None,
    has_weight: bool = False,
    *,
    family: str,
) -> Any | None:
    """The compiled loops to run, or None for the readable step.

    Args:
        backend: the layer's `backend`.
        layer: the layer's name, for messages.
        tensors: the input ``[T, B, ...]``, and the tensors combined with the input (state, weight).
        reason: why no loop supports the layer's options; None if one does.
        has_weight: whether the layer multiplies by a weight, which autocast affects.
        family: the kind of loops, found in the modules ``kernels/<family>_<backend>.py``.

    Raises:
        ValueError: if `backend` names compiled loops that cannot run here; the message says why.
    """
    x = tensors[0]
    assert x is not None
    if backend == "eager" or x.numel() == 0:  # nothing to compute: the step returns immediately
        return None
    wanted = _OF_DEVICE.get(x.device.type) if backend == "auto" else backend
    if wanted is None:
        return None
    loops = _load(family, wanted)
    if isinstance(loops, str):
        reason = loops
    else:
        reason = loops.unsupported_reason(x) or reason or unusual(tensors, has_weight)
        if reason is None:
            return loops
    if backend != "auto":
        raise ValueError(f"{layer}: backend={backend!r} cannot run this: {reason}")
    _say_once(layer, reason)
    return None


def unusual(tensors: tuple[Tensor | None, ...], has_weight: bool) -> str | None:
    """What no compiled loop supports about these tensors, in words; None if a loop can run.

    Args:
        tensors: the input, and the tensors combined with it; None for each that is absent.
        has_weight: whether there is a product with a weight, which autocast affects.
    """
    x = tensors[0]
    assert x is not None
    if torch.compiler.is_compiling():
        return "torch.compile traces it"
    if torch.autograd.forward_ad._current_level >= 0:
        return "forward-mode differentiation needs each operation's own rule"
    if has_weight and torch.is_autocast_enabled(x.device.type):
        return "autocast changes the type of its product"
    for tensor in tensors:
        if tensor is None:
            continue
        if type(tensor) not in _PLAIN or is_wrapped(tensor):
            return f"an input is a tensor subclass or function transform ({type(tensor).__name__})"
        if tensor is not x and (tensor.dtype != x.dtype or tensor.device != x.device):
            return (
                f"input, state and weight differ in dtype or device ({x.dtype} on {x.device}, "
                f"{tensor.dtype} on {tensor.device})"
            )
    return None


def is_wrapped(tensor: Tensor) -> bool:
    """Whether `torch.func` wraps this tensor, so that it has no memory that a loop could read."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)  # type: ignore[attr-defined]


@cache
def _say_once(layer: str, reason: str) -> None:
    logger.warning("%s runs step by step in PyTorch, more slowly: %s", layer, reason)
