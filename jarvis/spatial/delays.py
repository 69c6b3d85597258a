"""Synaptic delays: none, one parameter per synapse, or the distance between neuron positions.

Positions are in ms: spikes travel at velocity 1, so the distance between two neurons equals the
time that a spike takes from one to the other. Every form is a module whose `forward` returns one
matrix of delays per connection, in ms. The delays are differentiable with respect to their
parameters. `make_delays` selects the form.
"""

import math
import re
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from jarvis.support.checks import check_choice, check_number
from jarvis.support.limits import limited

LAYOUTS = ("normal", "line", "circle")


def euclidean_delays(pre: Tensor, post: Tensor) -> Tensor:
    """Delays of spikes that travel in a straight line, at 1 unit per ms.

    ``d = sqrt(0.01 + |r_pre - r_post|^2)``: the 0.01 keeps d smooth where two points coincide.

    Args:
        pre: ``[n_pre, D]`` positions of senders, ms.
        post: ``[n_post, D]`` positions of receivers, ms.

    Returns:
        ``[n_pre, n_post]`` delays, ms. No ``[n_pre, n_post, D]`` tensor is created.

    Source: Landsmeer et al. 2025, arXiv:2512.10011.

    Example:
        >>> euclidean_delays(torch.zeros(1, 2), torch.tensor([[3.0, 4.0]]))
        tensor([[5.0010]])
    """
    # A matrix product is not used, since |a|^2 + |b|^2 - 2ab loses short distances to rounding.
    distance = torch.cdist(pre, post, compute_mode="donot_use_mm_for_euclid_dist")
    return torch.hypot(distance, distance.new_tensor(0.1))


def manhattan_delays(pre: Tensor, post: Tensor) -> Tensor:
    """Delays of spikes that travel parallel to the axes, at 1 unit per ms.

    ``d = |x_pre - x_post| + |y_pre - y_post| + ...``, like wires on a chip. The derivative at a
    difference of 0 is defined as 0.

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
    """The first `n` points of an integer grid of side ``ceil(n^(1/D))``; x varies fastest.

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
    """Initial positions of a population: ``[n, D]`` ms.

    Args:
        n: number of neurons.
        n_dims: D, number of dimensions.
        layout: "normal": every coordinate is drawn from N(0, std^2). "line": inputs lie at equal
            steps from ``-2 std`` to ``2 std`` on the first axis; other neurons as for "normal".
            "circle" (2-D): inputs lie at equal angles on a circle of radius ``2 std``, other
            neurons on a circle of radius `std`.
        std: spread, ms.
        generator: source of randomness for "normal".
        inputs: whether the population is the input.

    Raises:
        ValueError: for an unknown layout, or a circle if `n_dims` is not 2.

    Example:
        >>> g = torch.Generator()
        >>> starting_points(3, 2, "line", 10.0, g, inputs=True)[:, 0].tolist()
        [-20.0, 0.0, 20.0]
    """
    check_choice("layout", layout, LAYOUTS)
    if layout == "circle":
        if n_dims != 2:
            raise ValueError(f"layout='circle' needs 2 dimensions, not {n_dims}")
        # The end point is excluded, because it would coincide with the first neuron.
        angle = torch.arange(n) * (2 * math.pi / n)
        radius = 2 * std if inputs else std
        return radius * torch.stack([torch.sin(angle), torch.cos(angle)], 1)
    if layout == "line" and inputs:
        points = torch.zeros(n, n_dims)
        points[:, 0] = torch.linspace(-2 * std, 2 * std, n)
        return points
    return std * torch.randn(n, n_dims, generator=generator)


def limited_delays(
    delays: Tensor, shortest: float, longest: float | None, saturate: bool, name: str = "delays"
) -> Tensor:
    """Clamp delays to [shortest, longest], ms, but let clamped delays recover.

    A clamped delay receives a gradient only if a descent step moves it back towards this range.

    Args:
        delays: ``[n_pre, n_post]``, ms.
        shortest: lower limit, ms.
        longest: upper limit, ms; None for no limit.
        saturate: True: longer delays are clamped to `longest`. False: they are an error.
        name: name of the delays in error messages.

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
    return limited(delays, shortest, high)


Pairs = Sequence[tuple[int, int]]  # (presynaptic, postsynaptic) population

FORMS = "'0', 'inf', 'D' (1 to 9), 'DeEPS' or 'DgEPS', such as '3', '3e0.2' or '3g0.2'"

_SPATIAL = re.compile(r"([1-9])(?:([eg])(\d+\.?\d*|\.\d+))?")


class Delays(nn.Module):
    """Base class of all forms of delays: stores populations, connections and limits.

    No neuron has a synapse onto itself: in a connection from a population to itself, the diagonal
    is 0, regardless of the limits, and is neither trained nor counted.

    Args:
        sizes: number of neurons of each population; the first one is the input.
        connections: pairs (presynaptic population, postsynaptic population).
        shortest: lower limit, ms. A clamped delay receives only gradients that increase it.
        longest: upper limit, ms; None for no limit.
        saturate: False: a longer delay is an error. True: it is clamped to `longest`, and receives
            only gradients that decrease it.

    Raises:
        ValueError: for an invalid size, connection or limit; in `forward`, for a delay beyond
            `longest`.
    """

    synaptic = ""  # name of the parameters with one number per synapse, if there are any

    def __init__(
        self,
        sizes: Sequence[int],
        connections: Pairs,
        *,
        shortest: float = 0.0,
        longest: float | None = None,
        saturate: bool = False,
    ) -> None:
        super().__init__()
        self.sizes = tuple(int(n) for n in sizes)
        self.connections = tuple((int(pre), int(post)) for pre, post in connections)
        if not self.sizes or min(self.sizes) < 1:
            raise ValueError(f"sizes={tuple(sizes)} must hold one positive number per population")
        for pair in self.connections:
            if not all(0 <= end < len(self.sizes) for end in pair):
                raise ValueError(
                    f"connections: {pair} must name two of the {len(self.sizes)} populations "
                    f"0..{len(self.sizes) - 1}"
                )
        self.shortest = check_number("shortest", shortest, "ms", at_least=0)
        if longest is not None and not longest > shortest:
            raise ValueError(f"longest={longest!r} ms must be above shortest={shortest!r} ms")
        if saturate and longest is None:
            raise ValueError("saturate=True needs a limit: longest=..., ms")
        self.longest = None if longest is None else float(longest)
        self.saturate = saturate

    def _unlimited(self, connection: int) -> Tensor:
        """``[n_pre, n_post]`` delays of a connection before they are limited."""
        raise NotImplementedError

    @property
    def positions(self) -> list[Tensor] | None:
        """``[n, D]`` positions of each population, ms; None if neurons have no positions."""
        return None

    @property
    def n_synapses(self) -> int:
        """Number of synapses, and thus of weights, in all connections."""
        return sum(
            self.sizes[pre] * (self.sizes[post] - (pre == post)) for pre, post in self.connections
        )

    @property
    def n_parameters(self) -> int:
        """Number of learned parameters of the delays."""
        count = sum(p.numel() for p in self.parameters() if p.requires_grad)
        for p, (pre, post) in zip(getattr(self, self.synaptic, ()), self.connections, strict=False):
            count -= self.sizes[pre] if pre == post and p.requires_grad else 0
        return count

    def forward(self) -> list[Tensor]:
        """One ``[n_pre, n_post]`` matrix of delays per connection, ms."""
        return [self._limited(index) for index in range(len(self.connections))]

    def _limited(self, index: int) -> Tensor:
        delays, (pre, post) = self._unlimited(index), self.connections[index]
        options = (self.shortest, self.longest, self.saturate, f"connection {pre} -> {post}")
        if pre != post:
            return limited_delays(delays, *options)
        diagonal = torch.eye(len(delays), dtype=torch.bool, device=delays.device)
        # The diagonal is filled first, so that a nonexistent synapse never has too long a delay.
        delays = limited_delays(delays.masked_fill(diagonal, self.shortest), *options)
        return delays.masked_fill(diagonal, 0.0)

    def extra_repr(self) -> str:
        return f"sizes={self.sizes}, connections={self.connections}"


class NoDelays(Delays):
    """No delays (net "0"): each delay is 0, or `shortest` if that is larger; no parameters."""

    def __init__(self, sizes: Sequence[int], connections: Pairs, **limits) -> None:
        super().__init__(sizes, connections, **limits)
        self.register_buffer("_zero", torch.zeros(()), persistent=False)  # for dtype and device

    def _unlimited(self, connection: int) -> Tensor:
        pre, post = self.connections[connection]
        return self.get_buffer("_zero").repeat(self.sizes[pre], self.sizes[post])


class FreeDelays(Delays):
    """One independently learned delay per synapse (net "inf"): initially N(mean, std^2) ms.

    `delays` holds the parameters, ``[n_pre, n_post]`` per connection. A parameter may drift below
    `shortest`; `forward` then returns `shortest` and passes on only gradients that increase it.
    """

    synaptic = "delays"

    def __init__(
        self,
        sizes: Sequence[int],
        connections: Pairs,
        generator: torch.Generator,
        *,
        mean: float = 8.0,
        std: float = 1.0,
        **limits,
    ) -> None:
        super().__init__(sizes, connections, **limits)
        self.delays = nn.ParameterList(
            mean + std * torch.randn(self.sizes[pre], self.sizes[post], generator=generator)
            for pre, post in self.connections
        )

    def _unlimited(self, connection: int) -> Tensor:
        return self.delays[connection]


class _SpatialDelays(Delays):
    """Delays from positions, each times ``1 + eps (1 + tanh theta) / 2``, at most ``1 + eps``.

    `theta` has one parameter per synapse, initially 0; with ``eps=0`` there is no `theta`.
    """

    synaptic = "theta"

    def __init__(
        self, sizes: Sequence[int], connections: Pairs, *, eps: float = 0.0, **limits
    ) -> None:
        super().__init__(sizes, connections, **limits)
        self.eps = eps
        self.theta = nn.ParameterList(
            torch.zeros(self.sizes[pre], self.sizes[post])
            for pre, post in (self.connections if eps else ())
        )

    def _distance(self, pre: int, post: int) -> Tensor:
        raise NotImplementedError

    def _unlimited(self, connection: int) -> Tensor:
        distance = self._distance(*self.connections[connection])
        if not self.eps:
            return distance
        return distance * (1 + self.eps * (0.5 + 0.5 * torch.tanh(self.theta[connection])))


class PositionDelays(_SpatialDelays):
    """Neurons have learned positions; a delay is a distance (nets "D" and "DeEPS").

    `coordinates` holds the parameters, ``[n, D]`` ms per population; the positions of a population
    are shared by all its connections. With `eps`, `theta` scales the delay of each synapse.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        connections: Pairs,
        positions: Sequence[Tensor],
        *,
        eps: float = 0.0,
        fixed_inputs: bool = False,
        **limits,
    ) -> None:
        super().__init__(sizes, connections, eps=eps, **limits)
        if [len(p) for p in positions] != list(self.sizes):
            shapes = [tuple(p.shape) for p in positions]
            raise ValueError(f"positions: {shapes} are not [n, D] for sizes={self.sizes}")
        self.coordinates = nn.ParameterList(positions)
        self.coordinates[0].requires_grad_(not fixed_inputs)

    @property
    def positions(self) -> list[Tensor]:
        """``[n, D]`` positions of each population, ms."""
        return list(self.coordinates)

    def _distance(self, pre: int, post: int) -> Tensor:
        return euclidean_delays(self.coordinates[pre], self.coordinates[post])


class GridDelays(_SpatialDelays):
    """Every population lies on an integer grid times one learned `scale`, ms (net "DgEPS").

    The grid of the inputs is shifted by `origin`, ``[D]`` ms, which is learned and initially 0; the
    other grids are not shifted. Delays are Manhattan distances, scaled by `theta`.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        connections: Pairs,
        n_dims: int,
        *,
        eps: float = 0.0,
        scale: float = 1.0,
        fixed_inputs: bool = False,
        **limits,
    ) -> None:
        super().__init__(sizes, connections, eps=eps, **limits)
        self.scale = nn.Parameter(torch.tensor(float(scale)))
        self.origin = nn.Parameter(torch.zeros(n_dims), requires_grad=not fixed_inputs)
        for index, n in enumerate(self.sizes):
            self.register_buffer(f"_grid{index}", grid_points(n, n_dims), persistent=False)

    def _position(self, population: int) -> Tensor:
        position = self.scale * self.get_buffer(f"_grid{population}")
        return position + self.origin if population == 0 else position

    @property
    def positions(self) -> list[Tensor]:
        """``[n, D]`` positions of each population, ms."""
        return [self._position(population) for population in range(len(self.sizes))]

    def _distance(self, pre: int, post: int) -> Tensor:
        return manhattan_delays(self._position(pre), self._position(post))


def make_delays(
    net: str | int,
    sizes: Sequence[int],
    connections: Pairs,
    *,
    delay_mean: float = 8.0,
    delay_std: float = 1.0,
    position_std: float = 20.0,
    grid_scale: float = 1.0,
    layout: str = "normal",
    fixed_inputs: bool = False,
    shortest: float = 0.0,
    longest: float | None = None,
    saturate: bool = False,
    seed: int | torch.Generator = 0,
) -> Delays:
    """Create the delays of a network, by the name of their form.

    ====== ===================================================================================
    net    delay of a synapse
    ====== ===================================================================================
    0      none
    inf    a free parameter, initially N(delay_mean, delay_std^2) ms
    D      the distance ``sqrt(0.01 + |r_i - r_j|^2)`` of learned positions in D dimensions
    DeEPS  that distance times ``1 + EPS (1 + tanh theta) / 2``, theta learned for each synapse
    DgEPS  the same factor times a Manhattan distance on a grid of side ``ceil(n^(1/D))``
           with a learned spacing; the grid of the inputs has a learned origin
    ====== ===================================================================================

    Args:
        net: the form, such as "0", "inf", "3", "3e0.2" or "3g0.2".
        sizes: number of neurons of each population, inputs first: (n_in, n_hidden).
        connections: pairs (presynaptic, postsynaptic population): ((0, 1), (1, 1)) for a recurrent
            network. No neuron has a synapse onto itself: the diagonal of (1, 1) is 0.
        delay_mean: initial mean of free delays, ms.
        delay_std: initial standard deviation of free delays, ms.
        position_std: initial spread of positions, ms.
        grid_scale: initial spacing of the grid, ms.
        layout: initial positions: "normal", "line" or "circle"; see `starting_points`.
        fixed_inputs: True: the positions of the input population are not trained.
        shortest: lower limit, ms. A clamped delay receives only gradients that increase it.
        longest: upper limit, ms; None for no limit.
        saturate: True: longer delays are clamped to `longest`; False: they are an error.
        seed: seed for the initial positions and delays, or a generator to draw them from.

    Returns:
        a `Delays`; calling it returns a list of one ``[n_pre, n_post]`` matrix per connection, ms.

    Raises:
        ValueError: for an unknown form, an invalid number, or a `layout` or `fixed_inputs` that the
            form does not support.

    Source: Landsmeer et al. 2025, arXiv:2512.10011.

    Example:
        >>> delays = make_delays("3", (700, 300), ((0, 1), (1, 1)))
        >>> [tuple(matrix.shape) for matrix in delays()]
        [(700, 300), (300, 300)]
        >>> delays.n_synapses, delays.n_parameters
        (299700, 3000)
    """
    name = str(net).strip()
    match = _SPATIAL.fullmatch(name)
    if name not in ("0", "inf") and match is None:
        raise ValueError(f"net={net!r} is not a form of delays: {FORMS}")
    check_number("delay_mean", delay_mean, "ms")
    check_number("delay_std", delay_std, "ms", at_least=0)
    check_number("position_std", position_std, "ms", at_least=0)
    check_number("grid_scale", grid_scale, "ms")
    placed = match is not None and match[2] != "g"
    if layout != "normal" and not placed:
        raise ValueError(f"layout={layout!r} needs net='D' or 'DeEPS', not {name!r}")
    if fixed_inputs and match is None:
        raise ValueError(f"fixed_inputs=True needs positions, which net={name!r} does not have")
    random = seed if isinstance(seed, torch.Generator) else torch.Generator().manual_seed(seed)
    limits: dict[str, Any] = dict(shortest=shortest, longest=longest, saturate=saturate)
    if match is None:
        if name == "0":
            return NoDelays(sizes, connections, **limits)
        return FreeDelays(sizes, connections, random, mean=delay_mean, std=delay_std, **limits)
    n_dims, eps = int(match[1]), float(match[3] or 0.0)
    options: dict[str, Any] = dict(eps=eps, fixed_inputs=fixed_inputs, **limits)
    if not placed:
        return GridDelays(sizes, connections, n_dims, scale=grid_scale, **options)
    positions = [
        starting_points(n, n_dims, layout, position_std, random, inputs=index == 0)
        for index, n in enumerate(sizes)
    ]
    return PositionDelays(sizes, connections, positions, **options)
