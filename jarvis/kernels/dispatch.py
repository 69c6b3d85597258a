"""Which way a layer runs: a compiled loop, or step by step in PyTorch.

"auto" takes the compiled loop of the tensor's device where it covers the layer's options, and the
readable step where it does not; that costs speed, so it says so, once for each reason. A backend
that is asked for by name runs, or a ValueError says why it cannot.
"""

import importlib
import logging
from functools import cache
from typing import Any

import torch
from torch import Tensor

from jarvis.support.checks import check_choice

BACKENDS = ("auto", "eager", "numba", "triton")

logger = logging.getLogger("jarvis.kernels")


def check_backend(backend: str) -> None:
    """ValueError for a name that is no backend."""
    check_choice("backend", backend, BACKENDS)


@cache
def _load(family: str, backend: str) -> Any | str:
    """The backend's loops, imported when they are first needed; else why there are none."""
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
    family: str = "lif",
) -> Any | None:
    """The compiled loops to run, or None for the readable step.

    Args:
        backend: the layer's `backend`.
        layer: the layer's name, for messages.
        tensors: the input ``[T, B, ...]``, and all that meets it (state, weight).
        reason: why no loop covers the layer's options, if none does.
        has_weight: whether the layer multiplies by a weight, which autocast changes.
        family: which loops: the modules ``kernels/<family>_<backend>.py``.

    Raises:
        ValueError: if `backend` names compiled loops that cannot run here, and why.
    """
    x = tensors[0]
    assert x is not None
    if backend == "eager" or x.numel() == 0:  # nothing to compute: the step returns at once
        return None
    wanted = {"cpu": "numba", "cuda": "triton"}.get(x.device.type) if backend == "auto" else backend
    if wanted is None:
        return None
    loops = _load(family, wanted)
    if isinstance(loops, str):
        reason = loops
    else:
        reason = loops.unsupported_reason(x) or reason or _unusual(tensors, has_weight)
        if reason is None:
            return loops
    if backend != "auto":
        raise ValueError(f"{layer}: backend={backend!r} cannot run this: {reason}")
    _say_once(layer, reason)
    return None


def _unusual(tensors: tuple[Tensor | None, ...], has_weight: bool) -> str | None:
    """What about these tensors no compiled loop handles, in words."""
    x = tensors[0]
    assert x is not None
    if torch.compiler.is_compiling():
        return "torch.compile traces it"
    if has_weight and torch.is_autocast_enabled(x.device.type):
        return "autocast changes the type of its product"
    for tensor in tensors:
        if tensor is None:
            continue
        if type(tensor) not in (Tensor, torch.nn.Parameter) or _is_wrapped(tensor):
            return f"an input is a {type(tensor).__name__} of a subclass or a function transform"
        if tensor.dtype != x.dtype or tensor.device != x.device:
            return (
                f"input, state and weight are not of one kind ({x.dtype} on {x.device}, "
                f"{tensor.dtype} on {tensor.device})"
            )
    return None


def _is_wrapped(tensor: Tensor) -> bool:
    """Whether `torch.func` traces this tensor: it has no memory that a loop could read."""
    return torch._C._functorch.is_functorch_wrapped_tensor(tensor)  # type: ignore[attr-defined]


@cache
def _say_once(layer: str, reason: str) -> None:
    logger.warning("%s runs step by step in PyTorch, more slowly: %s", layer, reason)
