"""Places of neurons, and how long a spike takes between them at velocity 1, and its limits.

Positions are in ms: the distance to a place is the time that a spike takes to it.
"""

import math

import torch
from torch import Tensor

LAYOUTS = ("normal", "line", "circle")


def euclidean_delays(pre: Tensor, post: Tensor) -> Tensor:
    """Delays between points that spikes travel between in a straight line, at 1 unit a ms.

    ``d = sqrt(0.01 + |r_pre - r_post|^2)``: the 0.01 keeps it smooth where two points meet.

    Args:
        pre: ``[n_pre, D]`` positions of senders, ms.
        post: ``[n_post, D]`` positions of receivers, ms.

    Returns:
        ``[n_pre, n_post]`` delays, ms. No ``[n_pre, n_post, D]`` is ever made.

    Source: Landsmeer et al. 2025, arXiv:2512.10011.

    Example:
        >>> euclidean_delays(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[5.0010]])
    """
    # Not by matrix product: |a|^2 + |b|^2 - 2ab loses short distances to rounding.
    distance = torch.cdist(pre, post, compute_mode="donot_use_mm_for_euclid_dist")
    return torch.hypot(distance, distance.new_tensor(0.1))


def manhattan_delays(pre: Tensor, post: Tensor) -> Tensor:
    """Delays between points that spikes travel between along the axes, at 1 unit a ms.

    ``d = |x_pre - x_post| + |y_pre - y_post| + ...``, as wires on a chip run. Where a difference
    is 0 its derivative is taken as 0.

    Args:
        pre: ``[n_pre, D]`` positions of senders, ms.
        post: ``[n_post, D]`` positions of receivers, ms.

    Returns:
        ``[n_pre, n_post]`` delays, ms.

    Example:
        >>> manhattan_delays(torch.zeros(1, 2), torch.tensor([[3.0, -4.0]]))
        tensor([[7.]])
    """
    return torch.cdist(pre, post, p=1.0)


def grid_points(n: int, n_dims: int) -> Tensor:
    """The first `n` points of an integer grid of side ``ceil(n^(1/D))``, the first axis fastest.

    Example:
        >>> grid_points(5, 2).tolist()
        [[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    """
    side = 1
    while side**n_dims < n:  # in integers: 27 ** (1 / 3) is not 3 in floating point
        side += 1
    index = torch.arange(n)
    return torch.stack([index // side**axis % side for axis in range(n_dims)], 1).to(
        torch.get_default_dtype()
    )


def starting_points(
    n: int, n_dims: int, layout: str, std: float, generator: torch.Generator, *, inputs: bool
) -> Tensor:
    """Where a population begins: ``[n, D]`` ms.

    Args:
        n: neurons of the population.
        n_dims: D.
        layout: "normal": every coordinate N(0, std^2). "line": inputs at equal steps from
            ``-2 std`` to ``2 std`` on the first axis, others as "normal". "circle" (2-D): inputs at
            equal angles on a circle of radius ``2 std``, others on one of radius `std`.
        std: spread, ms.
        generator: what "normal" draws from.
        inputs: whether this is the input population.

    Raises:
        ValueError: for an unknown layout, or a circle outside the plane.

    Example:
        >>> g = torch.Generator()
        >>> starting_points(3, 2, "line", 10.0, g, inputs=True)[:, 0].tolist()
        [-20.0, 0.0, 20.0]
    """
    if layout not in LAYOUTS:
        raise ValueError(f"layout={layout!r} is not one of {', '.join(LAYOUTS)}")
    if layout == "circle":
        if n_dims != 2:
            raise ValueError(f"layout='circle' lies in 2 dimensions, not in {n_dims}")
        # The full turn is left out: its neuron would lie on the first one.
        angle = torch.arange(n) * (2 * math.pi / n)
        radius = 2 * std if inputs else std
        return radius * torch.stack([torch.sin(angle), torch.cos(angle)], 1)
    if layout == "line" and inputs:
        points = torch.zeros(n, n_dims)
        points[:, 0] = torch.linspace(-2 * std, 2 * std, n)
        return points
    return std * torch.randn(n, n_dims, generator=generator)


class _Limit(torch.autograd.Function):
    """Clamps; a value beyond a limit still feels the gradient that would bring it back."""

    @staticmethod
    def forward(ctx, x: Tensor, low: float, high: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.low, ctx.high = low, high
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, *grads: Tensor) -> tuple[Tensor, None, None]:
        (x,), (grad,) = ctx.saved_tensors, grads
        # Descent moves against the gradient: a positive one would push a low value further down.
        outward = ((x < ctx.low) & (grad > 0)) | ((x > ctx.high) & (grad < 0))
        return grad.masked_fill(outward, 0.0), None, None


def limited_delays(
    delays: Tensor, shortest: float, longest: float | None, saturate: bool, name: str = "delays"
) -> Tensor:
    """Delays between `shortest` and `longest`, ms; what was clamped can come back.

    A gradient reaches a clamped delay only if a step of descent along it leads towards the limits.

    Args:
        delays: ``[n_pre, n_post]``, ms.
        shortest: what shorter delays become, ms.
        longest: the longest delay allowed, ms; None for no limit.
        saturate: True: longer delays become `longest`. False: they are an error.
        name: what the error calls them.

    Raises:
        ValueError: for a delay beyond `longest`, unless `saturate`; for NaN.

    Example:
        >>> limited_delays(torch.tensor([[-1.0, 2.0, 9.0]]), 0.5, 5.0, saturate=True)
        tensor([[0.5000, 2.0000, 5.0000]])
    """
    high = math.inf if longest is None else longest
    least, most = (x.item() for x in delays.detach().aminmax())
    if shortest <= least and most <= high:
        return delays
    if math.isnan(least):
        raise ValueError(f"{name}: a delay is NaN")
    if not saturate and most > high:
        at = divmod(int(delays.argmax()), delays.shape[1])
        raise ValueError(
            f"longest={high:g} ms, but the delay of synapse {list(at)} of {name} is "
            f"{delays[at].item():.4g} ms: raise longest, start with shorter delays, or pass "
            "saturate=True"
        )
    return _Limit.apply(delays, shortest, high)
