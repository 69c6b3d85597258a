"""Decoders: how a read-out turns the spikes or potentials of a whole sequence into values.

All decoders are differentiable; where spikes are involved, through the surrogate gradient. Rates,
times and sums of half-precision spikes are computed, and returned, in float32.
"""

import torch
from torch import Tensor

from jarvis.neurons.decay import exp_decay
from jarvis.support.checks import at_least_float32, check_number, check_tensor, check_values

_MOST = 1e30  # with larger numbers, float32 results might be infinite


def _check(name: str, x: Tensor, axes: str = "[T>=1, B, ...]", why: str = "") -> Tensor:
    """`x` in at least float32; TypeError or ValueError unless it has these axes and no NaN."""
    check_tensor(name, x, axes, floating=False, why=why)
    if x.is_complex():
        raise TypeError(f"{name} must be real, not {x.dtype}")
    check_values(name, x, finite=False)
    return at_least_float32(x)


def rate_decode(spikes: Tensor, dt: float | None = None) -> Tensor:
    """Mean number of spikes per step, or the rate in Hz.

    Args:
        spikes: ``[T, B, ...]``.
        dt: step, ms; if given, the result is in Hz.

    Returns:
        ``[B, ...]``.

    Example:
        >>> rate_decode(torch.tensor([[[1.0, 0.0]], [[1.0, 1.0]]]), dt=1.0).tolist()
        [[1000.0, 500.0]]
    """
    rate = _check("rate_decode: spikes", spikes).mean(0)
    if dt is None:
        return rate
    return rate * (1000.0 / check_number("rate_decode: dt", dt, "ms", above=0, at_most=_MOST))


def first_spike_decode(spikes: Tensor, dt: float = 1.0) -> Tensor:
    """Time of each unit's first spike, ms; ``T * dt`` for a unit that stays silent.

    It is computed as ``sum_t t * s_t * prod_(u<t) (1 - s_u) + T * prod_u (1 - s_u)``, which has a
    surrogate gradient: an additional spike before the first one would lower the result, and the
    gradient reflects this.

    Args:
        spikes: ``[T, B, ...]``, 0 or 1 (or values in between, for smoothed spikes).
        dt: step, ms.

    Returns:
        ``[B, ...]``, ms.

    Raises:
        ValueError: for spikes outside [0, 1], such as counts of 2, or NaN.

    Example:
        >>> spikes = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 0.0]]).unsqueeze(1)
        >>> first_spike_decode(spikes, dt=0.5).tolist()
        [[0.5, 1.5]]
    """
    dt = check_number("first_spike_decode: dt", dt, "ms", above=0, at_most=_MOST)
    return _first_steps("first_spike_decode: spikes", spikes) * dt


def _first_steps(name: str, spikes: Tensor, axes: str = "[T>=1, B, ...]", why: str = "") -> Tensor:
    """The step of each unit's first spike, differentiable; T for a silent unit."""
    exact = _check(name, spikes, axes, why)
    check_values(name, spikes, at_least=0, at_most=1, why="1 is a spike; clamp counts to 1")
    # `silent` is 1 until the first spike, so its sum over t is the step of the first spike.
    return torch.cumprod(1.0 - exact, dim=0).sum(0)


def ttfs_decode(spikes: Tensor) -> Tensor:
    """Recover the values from a first-spike code: the inverse of `ttfs_encode`, up to rounding.

    The value is ``1 - step / (T - 1)``, where ``step`` is the step of the first spike. It is 0 for
    a unit that stays silent. Rounding to steps leaves an error of at most ``1 / (2 (T - 1))``.

    Args:
        spikes: ``[T, B, ...]``, 0 or 1, with T at least 2.

    Returns:
        ``[B, ...]`` in [0, 1].

    Raises:
        ValueError: for T < 2, spikes outside [0, 1], or NaN.

    Example:
        >>> from jarvis.encoding import ttfs_encode
        >>> ttfs_decode(ttfs_encode(torch.tensor([[1.0, 0.75, 0.0]]), 5)).tolist()
        [[1.0, 0.75, 0.0]]
    """
    why = "one step encodes no time"
    steps = _first_steps("ttfs_decode: spikes", spikes, "[T>=2, B, ...]", why)
    return (1.0 - steps / (len(spikes) - 1)).clamp_min(0.0)


def delta_decode(spikes: Tensor, threshold: float = 0.1, start: Tensor | float = 0.0) -> Tensor:
    """Recover a signal from its ON and OFF spikes: ``start + threshold * sum (ON - OFF)``.

    Args:
        spikes: ``[T, B, 2, ...]``; channel 0 is ON and channel 1 is OFF, as in `delta_encode`.
        threshold: the threshold of the encoder, in units of the signal.
        start: the signal's first value ``[B, ...]``, which is not encoded in the spikes.

    Returns:
        ``[T, B, ...]``, within `threshold` of a signal that changes by less than `threshold` per
        step.

    Raises:
        ValueError: if `spikes` is not [T, B, 2, ...] or contains NaN.

    Example:
        >>> from jarvis.encoding import delta_encode
        >>> signal = torch.tensor([0.0, 0.5, 1.0, 0.5]).reshape(4, 1)
        >>> delta_decode(delta_encode(signal, 0.5), 0.5)[:, 0].tolist()
        [0.0, 0.5, 1.0, 0.5]
    """
    exact = _check("delta_decode: spikes", spikes, "[T>=1, B, 2, ...]", why="ON and OFF")
    threshold = check_number("delta_decode: threshold", threshold, above=0, at_most=_MOST)
    if isinstance(start, Tensor):
        axes = "[{}]".format(", ".join(map(str, spikes[0, :, 0].shape)))
        check_tensor("delta_decode: start", start, axes, floating=False, why="as a step of spikes")
        check_values("delta_decode: start", start)
    else:
        start = check_number("delta_decode: start", start)
    return start + threshold * (exact[:, :, 0] - exact[:, :, 1]).cumsum(0)


def last_potential_decode(v: Tensor) -> Tensor:
    """Potential at the last step: ``v [T, B, ...] -> [B, ...]``.

    Example:
        >>> last_potential_decode(torch.tensor([[[1.0]], [[3.0]], [[2.0]]])).tolist()
        [[2.0]]
    """
    _check("last_potential_decode: v", v)
    return v[-1]


def max_potential_decode(v: Tensor) -> Tensor:
    """Largest potential over time: ``v [T, B, ...] -> [B, ...]``.

    Source: Cramer et al. 2022, IEEE Trans. Neural Netw. Learn. Syst. 33(7):2744 (SHD baselines).

    Example:
        >>> max_potential_decode(torch.tensor([[[1.0]], [[3.0]], [[2.0]]])).tolist()
        [[3.0]]
    """
    _check("max_potential_decode: v", v)
    return v.amax(0)


def mean_potential_decode(v: Tensor) -> Tensor:
    """Mean potential over time: ``v [T, B, ...] -> [B, ...]``.

    Example:
        >>> mean_potential_decode(torch.tensor([[[1.0]], [[3.0]], [[2.0]]])).tolist()
        [[2.0]]
    """
    return _check("mean_potential_decode: v", v).mean(0)


def trace_decode(spikes: Tensor, tau: float = 20.0, dt: float = 1.0) -> Tensor:
    """Exponentially filtered spike train at the last step, in which recent spikes count more.

    ``sum_t s_t exp(-(T - 1 - t) dt / tau)``

    Args:
        spikes: ``[T, B, ...]``.
        tau: time constant of the filter, ms.
        dt: step, ms.

    Returns:
        ``[B, ...]``.

    Example:
        >>> spikes = torch.tensor([[[1.0]], [[0.0]], [[1.0]]])
        >>> round(trace_decode(spikes, tau=1.0).item(), 4)  # 1 + exp(-2)
        1.1353
    """
    exact = _check("trace_decode: spikes", spikes)
    tau = check_number("trace_decode: tau", tau, "ms", above=0, finite=False)
    dt = check_number("trace_decode: dt", dt, "ms", above=0, at_most=_MOST)
    steps = torch.arange(len(exact) - 1, -1, -1, device=exact.device, dtype=exact.dtype)
    weights = exp_decay(tau, dt) ** steps
    return torch.tensordot(weights, exact, dims=1)
