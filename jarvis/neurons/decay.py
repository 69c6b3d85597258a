"""Exponential decay over a step, and the input equivalent to a constant current."""

import math

import numpy as np
import torch
from torch import Tensor

from jarvis.support.checks import check_number, check_values


def exp_decay(tau: float | Tensor, dt: float) -> float | Tensor:
    """The factor ``exp(-dt/tau)`` by which an exponential trace decays in one step.

    Args:
        tau: time constant, ms (float or tensor).
        dt: step, ms.

    Raises:
        ValueError: for ``dt < 0`` or a number ``tau <= 0``. (A tensor is not checked, because this
            function runs in every call of a layer.)

    Example:
        >>> round(exp_decay(20.0, 1.0), 4)
        0.9512
    """
    if not torch.compiler.is_compiling():
        dt = check_number("exp_decay: dt", dt, "ms", at_least=0)
        if not isinstance(tau, Tensor):
            tau = check_number("exp_decay: tau", tau, "ms", above=0, finite=False)
    return torch.exp(-dt / tau) if isinstance(tau, Tensor) else math.exp(-dt / tau)


def constant_drive(
    current: float | Tensor, tau: float = 20.0, dt: float = 1.0, tau_syn: float | None = None
) -> float | Tensor:
    """The input x per step that is equivalent to a constant current: ``(1 - exp(-dt/tau)) I``.

    The input of `lif_step` is the jump of v in one step. With this x the potential approaches I
    exactly like the solution of ``tau dv/dt = -v + I``, for every dt. With a synapse, x is the jump
    of the synaptic current i, and x is multiplied by ``1 - exp(-dt/tau_syn)``: v approaches the
    same I, but more slowly.

    Args:
        current: I, in units of v: the potential that a neuron without a threshold would reach. It
            may be a number, a tensor or a numpy array.
        tau: membrane time constant, ms.
        dt: step, ms.
        tau_syn: synaptic time constant of the driven neuron, ms; None: it has no synapse.

    Raises:
        ValueError: for a time that is not positive, or a current that is not finite.

    Example:
        >>> round(constant_drive(1.5, tau=20.0, dt=1.0), 5)
        0.07316
    """
    dt = check_number("constant_drive: dt", dt, "ms", above=0)
    tau = check_number("constant_drive: tau", tau, "ms", above=0, finite=False)
    if tau_syn is not None:
        tau_syn = check_number("constant_drive: tau_syn", tau_syn, "ms", above=0, finite=False)
    if isinstance(current, Tensor):
        check_values("constant_drive: current", current)
    elif isinstance(current, np.ndarray):
        check_values("constant_drive: current", torch.as_tensor(current))
    else:
        current = check_number("constant_drive: current", current)
    x = (1.0 - math.exp(-dt / tau)) * current
    return x if tau_syn is None else (1.0 - math.exp(-dt / tau_syn)) * x
