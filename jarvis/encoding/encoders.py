"""Encoders turn values into spikes; `decoders` do the reverse.

Dense spike trains are ``[T, B, ...]``, time first; they contain 0 or 1 and have the dtype of the
values. Times and probabilities are computed in at least float32: in float16 or bfloat16, spike
times would be rounded, and a small probability would be far from the one requested. The filters
that detect edges before an image is encoded are in `filters`.
"""

import torch
from torch import Tensor

from jarvis.support.checks import (
    at_least_float32,
    check_choice,
    check_integer,
    check_number,
    check_tensor,
    check_type,
    check_values,
)

_SCALE = "scale them first, e.g. (x - x.min()) / (x.max() - x.min())"


def _check(name: str, values: Tensor, n_steps: int) -> int:
    """T as an int; TypeError or ValueError for values outside [0, 1] or less than one step."""
    check_tensor(f"{name}: values", values, "[B, ...]")
    n_steps = check_integer(f"{name}: n_steps", n_steps, at_least=1)
    check_values(f"{name}: values", values, at_least=0, at_most=1, why=_SCALE)
    return n_steps


def poisson_encode(
    values: Tensor,
    n_steps: int,
    *,
    max_rate: float | None = None,
    dt: float = 1.0,
    generator: torch.Generator | None = None,
    skip_zeros: bool = False,
) -> Tensor:
    """Rate code: in every step each input fires with a probability proportional to its value.

    ``P(spike) = value * max_rate * dt / 1000``, independently in every step (a Bernoulli
    process, the discrete form of a Poisson process).

    Args:
        values: ``[B, ...]`` in [0, 1].
        n_steps: T, the number of steps.
        max_rate: rate for the value 1, Hz; None means a spike in every step, ``1000 / dt`` Hz.
        dt: time step, ms.
        generator: source of randomness, on the device of `values`; None for torch's default. If the
            values were drawn at random as well, use another seed: the same seed gives the same
            numbers, and no input fires in the first step.
        skip_zeros: if True, no random numbers are drawn for values of 0, which never fire. This is
            several times faster for images that are mostly background. The individual spikes then
            differ from those drawn with False, but their statistics are the same.

    Returns:
        spikes ``[T, B, ...]``.

    Raises:
        ValueError: for values outside [0, 1] or NaN, ``n_steps < 1``, or a `max_rate` that would
            need more than one spike per step.
        TypeError: for values that are not a floating-point tensor.

    Source: Gerstner et al. 2014, Neuronal Dynamics, section 7.7.

    Example:
        >>> g = torch.Generator().manual_seed(0)
        >>> spikes = poisson_encode(torch.tensor([[0.0, 0.25, 1.0]]), 1000, generator=g)
        >>> spikes.shape
        torch.Size([1000, 1, 3])
        >>> [round(x, 1) for x in spikes.mean(0)[0].tolist()]
        [0.0, 0.2, 1.0]
    """
    n_steps = _check("poisson_encode", values, n_steps)
    dt = check_number("poisson_encode: dt", dt, "ms", above=0)
    if generator is not None:
        check_type("poisson_encode: generator", generator, torch.Generator)
    exact = at_least_float32(values)
    if max_rate is None:
        probability = exact
    else:
        max_rate = check_number("poisson_encode: max_rate", max_rate, "Hz", above=0)
        if max_rate * dt > 1000:
            raise ValueError(
                f"poisson_encode: max_rate={max_rate!r} Hz must be at most one spike per step, "
                f"{1000 / dt:g} Hz at dt={dt:g} ms"
            )
        probability = exact * (max_rate * dt / 1000.0)
    random = dict(generator=generator, dtype=exact.dtype, device=values.device)
    if not skip_zeros:
        draws = torch.rand((n_steps, *values.shape), **random)  # type: ignore[call-overload]
        return (draws < probability).to(values.dtype)
    chances = probability.reshape(-1)
    places = chances.nonzero()[:, 0]
    draws = torch.rand((n_steps, len(places)), **random)  # type: ignore[call-overload]
    spikes = values.new_zeros((n_steps, len(chances)))
    spikes.index_copy_(1, places, (draws < chances[places]).to(values.dtype))
    return spikes.view(n_steps, *values.shape)


def spike_times_to_train(steps: Tensor, n_steps: int, dtype: torch.dtype) -> Tensor:
    """One spike per unit at the integer ``steps [B, ...]``; none for a step outside [0, T)."""
    valid = (steps >= 0) & (steps < n_steps)
    train = torch.zeros((n_steps, *steps.shape), dtype=dtype, device=steps.device)
    return train.scatter_(0, steps.clamp(0, n_steps - 1)[None], valid.to(dtype)[None])


def _linear_steps(values: Tensor, n_steps: int) -> Tensor:
    """``round((1 - value) (T - 1))``: the value 1 comes first, the value 0 last."""
    return ((1.0 - at_least_float32(values)) * (n_steps - 1)).round().long()


def ttfs_encode(values: Tensor, n_steps: int, *, silent_below: float = 0.0) -> Tensor:
    """Time to first spike: every input fires once, and larger values fire earlier.

    ``step = round((1 - value) (T - 1))``: the value 1 fires at step 0, the value 0 at step T-1.

    Args:
        values: ``[B, ...]`` in [0, 1].
        n_steps: T, the number of steps.
        silent_below: values up to and including this one never fire; with -1, all values fire.

    Returns:
        spikes ``[T, B, ...]``, at most one per unit.

    Raises:
        ValueError: for values outside [0, 1] or NaN, or ``n_steps < 1``.
        TypeError: for values that are not a floating-point tensor.

    Source: Thorpe & Gautrais 1998, Rank order coding; linear form as in Rueckauer & Liu 2018.

    Example:
        >>> ttfs_encode(torch.tensor([[1.0, 0.5, 0.0]]), 3)[:, 0].tolist()
        [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    n_steps = _check("ttfs_encode", values, n_steps)
    silent_below = check_number("ttfs_encode: silent_below", silent_below)
    steps = torch.where(values > silent_below, _linear_steps(values, n_steps), -1)
    return spike_times_to_train(steps, n_steps, values.dtype)


def intensity_to_latency(values: Tensor, n_steps: int, mode: str = "rank") -> Tensor:
    """The step at which each unit fires its only spike: the larger the value, the earlier it fires.

    ``"rank"``: the N positive values of a sample are sorted, largest first, and divided evenly into
    T bins: the value of rank r (counted from 0) fires at step ``floor(r T / N)``. Equal values are
    ranked in the order of their units.
    ``"linear"``: ``step = round((1 - value) (T - 1))``, as in `ttfs_encode`.

    Args:
        values: ``[B, ...]``, non-negative; for "linear" at most 1.
        n_steps: T, the number of steps.
        mode: "rank" or "linear".

    Returns:
        steps ``[B, ...]`` int32 in [0, T); T (never) where the value is 0.
        ``Events.from_first_steps(steps, n_steps)`` converts them to events.

    Raises:
        ValueError: for NaN, negative or infinite values, values above 1 with "linear", no axis
            after the batch axis, ``n_steps < 1``, or an unknown mode.
        TypeError: for values that are not a floating-point tensor.

    Source: Kheradpisheh et al. 2018, Neural Networks 99:56, section 2.1 (rank).

    Example:
        >>> values = torch.tensor([[0.9, 0.1, 0.0, 0.3, 0.2]])
        >>> intensity_to_latency(values, 2).tolist()
        [[0, 1, 2, 0, 1]]
        >>> intensity_to_latency(values, 11, mode="linear").tolist()
        [[1, 9, 11, 7, 8]]
    """
    check_choice("intensity_to_latency: mode", mode, ("rank", "linear"))
    check_tensor("intensity_to_latency: values", values, "[B, n, ...]")
    n_steps = check_integer("intensity_to_latency: n_steps", n_steps, at_least=1)
    most = 1.0 if mode == "linear" else None
    check_values("intensity_to_latency: values", values, at_least=0, at_most=most, why=_SCALE)
    if mode == "linear":
        steps = _linear_steps(values, n_steps)
    else:
        flat = values.flatten(1)
        order = flat.argsort(dim=1, descending=True, stable=True)
        ranks = torch.arange(flat.shape[1], device=flat.device).expand_as(order)
        ranks = torch.empty_like(order).scatter_(1, order, ranks)
        n = (flat > 0).sum(1, keepdim=True).clamp_min(1)
        steps = (ranks * n_steps // n).view_as(values)
    return torch.where(values > 0, steps, n_steps).int()


def latency_encode(
    values: Tensor, n_steps: int, *, tau: float = 10.0, threshold: float = 0.2, dt: float = 1.0
) -> Tensor:
    """Latency from RC charging: each value drives a leaky neuron, which fires once.

    A neuron that starts at rest and receives a constant current x follows
    ``v(t) = x (1 - exp(-t/tau))``. It reaches the threshold at
    ``t = tau ln(x / (x - threshold))``, or never if ``x <= threshold``.

    Args:
        values: ``[B, ...]`` in [0, 1]: the input current, in units of v.
        n_steps: T, the number of steps. Spikes after the last step are lost.
        tau: membrane time constant, ms.
        threshold: firing threshold, in units of v, above 0.
        dt: time step, ms. A spike at t falls in step ``floor(t / dt)``.

    Returns:
        spikes ``[T, B, ...]``, at most one per unit.

    Raises:
        ValueError: for values outside [0, 1] or NaN, or an option out of range.
        TypeError: for values that are not a floating-point tensor.

    Source: Gerstner et al. 2014, Neuronal Dynamics, eq. 1.9 solved for t.

    Example:
        >>> spikes = latency_encode(torch.tensor([[1.0, 0.4, 0.2]]), 10, tau=10.0, threshold=0.2)
        >>> spikes.argmax(0).tolist(), spikes.sum(0).tolist()  # 10 ln(1.25) = 2.2, 10 ln 2 = 6.9
        ([[2, 6, 0]], [[1.0, 1.0, 0.0]])
    """
    n_steps = _check("latency_encode", values, n_steps)
    dt = check_number("latency_encode: dt", dt, "ms", above=0)
    tau = check_number("latency_encode: tau", tau, "ms", above=0)
    threshold = check_number("latency_encode: threshold", threshold, above=0, below=1)
    exact = at_least_float32(values)
    fires = exact > threshold
    safe = torch.where(fires, exact, 2.0 * threshold)
    times = tau * torch.log(safe / (safe - threshold))
    # A value just above the threshold fires so late that its step might overflow an integer.
    steps = (times / dt).clamp_max(float(n_steps)).floor().long()
    return spike_times_to_train(torch.where(fires, steps, -1), n_steps, values.dtype)


def delta_encode(signal: Tensor, threshold: float = 0.1) -> Tensor:
    """Delta modulation: an ON or OFF spike whenever a signal has changed by the threshold.

    Each input keeps a reference, initially the first value of the signal. Where the signal is at
    least `threshold` above the reference, the input sends an ON spike and the reference increases
    by `threshold`. Where the signal is at least `threshold` below the reference, the input sends an
    OFF spike and the reference decreases. There is at most one spike per step, so following a jump
    takes several steps.

    Args:
        signal: ``[T, B, ...]``, time first, any finite values.
        threshold: change of the reference at each spike, in units of the signal.

    Returns:
        spikes ``[T, B, 2, ...]``; channel 0 is ON and channel 1 is OFF.

    Raises:
        ValueError: for NaN or infinite values, a rank below 2, T < 1, or ``threshold <= 0``.
        TypeError: for a signal that is not a floating-point tensor.

    Source: send-on-delta sampling, as in event cameras: Lichtsteiner, Posch & Delbruck 2008,
    IEEE J. Solid-State Circuits 43(2):566.

    Example:
        >>> signal = torch.tensor([0.0, 0.5, 1.0, 0.4]).reshape(4, 1)
        >>> delta_encode(signal, threshold=0.5)[:, 0].tolist()
        [[0.0, 0.0], [1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]
    """
    check_tensor("delta_encode: signal", signal, "[T>=1, B, ...]")
    check_values("delta_encode: signal", signal)
    threshold = check_number("delta_encode: threshold", threshold, above=0)
    exact = at_least_float32(signal)
    reference = exact[0]
    spikes = torch.zeros(
        (*signal.shape[:2], 2, *signal.shape[2:]), dtype=signal.dtype, device=signal.device
    )
    for t, now in enumerate(exact.unbind(0)):
        on = (now - reference >= threshold).to(exact.dtype)
        off = (reference - now >= threshold).to(exact.dtype)
        reference = reference + threshold * (on - off)
        spikes[t] = torch.stack((on, off), dim=1)
    return spikes


def constant_encode(values: Tensor, n_steps: int) -> Tensor:
    """Direct code: the values themselves are the input, the same in every step.

    Returns an expanded view (no copy), for which `over_time` computes the first layer only once.

    Args:
        values: ``[B, ...]``, finite.
        n_steps: T, the number of steps.

    Returns:
        input ``[T, B, ...]``, effectively read-only: all steps share the same memory.

    Raises:
        ValueError: for NaN or infinite values, or ``n_steps < 1``.
        TypeError: for values that are not a floating-point tensor.

    Example:
        >>> constant_encode(torch.tensor([[0.5]]), 3).flatten().tolist()
        [0.5, 0.5, 0.5]
    """
    check_tensor("constant_encode: values", values, "[B, ...]")
    n_steps = check_integer("constant_encode: n_steps", n_steps, at_least=1)
    check_values("constant_encode: values", values)
    return values.expand(n_steps, *values.shape)
