"""Learning-rate schedules, which give a factor on the learning rate for each step."""

import math


def cosine(step: int, n_steps: int) -> float:
    """A `schedule` for `fit` that decreases from 1 to 0 along half a period of a cosine.

    Source: Loshchilov & Hutter 2017, ICLR (SGDR), eq. 5 without restarts.

    Example:
        >>> cosine(0, 10), cosine(5, 10), cosine(10, 10)
        (1.0, 0.5, 0.0)
    """
    return 0.5 * (1.0 + round(math.cos(math.pi * step / n_steps), 12))


def linear_tail(step: int, n_steps: int) -> float:
    """A `schedule` for `fit` that is 1 for two thirds of the run and then decreases linearly to 0.

    In a short run, this schedule keeps the full learning rate for a long time, and still avoids the
    fluctuations that a constant rate would cause at the end.

    Example:
        >>> linear_tail(0, 30), linear_tail(20, 30), linear_tail(25, 30), linear_tail(30, 30)
        (1.0, 1.0, 0.5, 0.0)
    """
    return min(1.0, round(3.0 * (1.0 - step / n_steps), 12))


def warmup_cosine(
    step: int, *, warmup: int = 500, total: int = 10_000, floor: float = 0.1
) -> float:
    """The learning-rate factor of a step: linear warm-up, then a decrease along half a cosine.

    The factor is ``(step + 1) / warmup`` in the first `warmup` steps. Then it decreases from 1 to
    `floor`, which it reaches `total` steps after the start of the run and keeps from then on.

    Args:
        step: number of steps done: 0, 1, ...
        warmup: number of warm-up steps; 0 for none.
        total: number of steps until the floor is reached, including the warm-up.
        floor: the final factor.

    Source: the code of Landsmeer et al. 2025, arXiv:2512.10011, except that its first step has the
    factor 0.

    Example:
        >>> [round(warmup_cosine(step), 3) for step in (0, 249, 499, 5250, 10_000, 20_000)]
        [0.002, 0.5, 1.0, 0.55, 0.1, 0.1]
    """
    if step < warmup:
        return (step + 1) / warmup
    along = min(1.0, (step - warmup) / max(1, total - warmup))
    return floor + (1.0 - floor) * 0.5 * (1.0 + math.cos(math.pi * along))
