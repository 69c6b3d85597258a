"""Trainable spikes: a hard threshold in the forward pass, a smooth derivative in the backward pass.

A spike is a step function of the potential, and the derivative of a step is zero almost
everywhere. A surrogate gradient (Neftci, Mostafa & Zenke 2019, IEEE Signal Process. Mag.
36(6):51) keeps the step function in the forward pass and replaces only its derivative.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from jarvis.support.checks import check_choice, check_number

Derivative = Callable[[Tensor, float], Tensor]


# Each function below is d(spike)/dx at x = v - threshold, with slope k. All of them stay finite
# when k * |x| overflows to infinity, because infinity only ever appears in a denominator, in a
# sigmoid or inside a clamp: large potentials therefore never produce NaN gradients.


def fast_sigmoid(x: Tensor, k: float) -> Tensor:
    return 1.0 / (1.0 + k * x.abs()).square()


def sigmoid(x: Tensor, k: float) -> Tensor:
    s = torch.sigmoid(k * x)
    return k * s * (1.0 - s)


def arctan(x: Tensor, k: float) -> Tensor:
    return 0.5 * k / (1.0 + (0.5 * math.pi * k * x).square())


def triangle(x: Tensor, k: float) -> Tensor:
    return k * (1.0 - k * x.abs()).clamp_min(0.0)


def straight_through(x: Tensor, k: float) -> Tensor:
    return torch.ones_like(x)


class Surrogate(NamedTuple):
    """A named surrogate derivative, with its usual slope, formula and source."""

    derivative: Derivative
    slope: float
    formula: str
    source: str


#: The surrogates by name, each with the slope that is usual in the field.
SURROGATES: dict[str, Surrogate] = {
    "fast_sigmoid": Surrogate(
        fast_sigmoid,
        25.0,
        "1 / (1 + k|x|)^2",
        "Zenke & Ganguli 2018, Neural Comput. 30(6):1514 (SuperSpike), section 2.2",
    ),
    "sigmoid": Surrogate(
        sigmoid,
        4.0,
        "k s(kx) (1 - s(kx)), s the logistic function",
        "Neftci, Mostafa & Zenke 2019, IEEE Signal Process. Mag. 36(6):51, fig. 3",
    ),
    "arctan": Surrogate(
        arctan,
        2.0,
        "(k/2) / (1 + (pi k x / 2)^2)",
        "Fang et al. 2021, ICCV (parametric LIF), the arctangent surrogate",
    ),
    "triangle": Surrogate(
        triangle,
        1.0,
        "k max(0, 1 - k|x|)",
        "Bellec et al. 2018, NeurIPS (LSNN), the pseudo-derivative without its damping",
    ),
    "straight_through": Surrogate(
        straight_through,
        1.0,
        "1",
        "Bengio, Leonard & Courville 2013, arXiv:1308.3432, section 4",
    ),
}


class _Spike(torch.autograd.Function):
    """A step function with a surrogate derivative, twice differentiable and usable with torch.func.

    The input is x = v - threshold, so autograd knows what the derivative depends on and can
    differentiate it once more.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, fired: Tensor, derivative: Derivative, slope: float) -> Tensor:
        spikes = fired.to(x.dtype)
        return spikes.masked_fill_(x.isnan(), math.nan)  # NaN in, NaN out: never a silent neuron

    @staticmethod
    def setup_context(ctx, inputs, output) -> None:
        x, _, ctx.derivative, ctx.slope = inputs
        ctx.save_for_backward(x)
        ctx.save_for_forward(x)

    @staticmethod
    def backward(ctx, *grad_outputs: Tensor):
        (x,) = ctx.saved_tensors
        return grad_outputs[0] * ctx.derivative(x, ctx.slope), None, None, None


class _SpikeBothWays(_Spike):
    """`_Spike` with forward-mode derivatives, which `torch.compile` cannot trace."""

    generate_vmap_rule = True

    @staticmethod
    def jvp(ctx, *grad_inputs: Tensor):
        (x,) = ctx.saved_tensors
        return ctx.derivative(x, ctx.slope) * grad_inputs[0]


class SurrogateSpike(nn.Module):
    """Spike where ``v >= threshold``, with a smooth function in place of the step's derivative.

    The forward pass computes ``s = H(v - threshold)`` with ``H(0) = 1``. The backward pass uses
    ``ds/dv = f(v - threshold)`` and ``ds/dthreshold = -f(v - threshold)``, where `f` is one of

    ==================  ==============================  ===================================
    name                f(x), slope k                   source
    ==================  ==============================  ===================================
    fast_sigmoid        1 / (1 + k|x|)^2                Zenke & Ganguli 2018 (SuperSpike)
    sigmoid             k s(kx) (1 - s(kx))             Neftci, Mostafa & Zenke 2019
    arctan              (k/2) / (1 + (pi k x/2)^2)      Fang et al. 2021
    triangle            k max(0, 1 - k|x|)              Bellec et al. 2018
    straight_through    1                               Bengio et al. 2013
    ==================  ==============================  ===================================

    Args:
        surrogate: a name from the table, or a function ``f(x, slope) -> Tensor`` of x's shape.
        slope: k, in 1/(unit of v). The defaults are usual in the field: 25, 4, 2 and 1, in the
            order of the table; `straight_through` ignores the slope.

    Raises:
        ValueError: for an unknown name, or a slope that is not positive and finite.

    Example:
        >>> v = torch.tensor([0.5, 1.0, 1.5], requires_grad=True)
        >>> spikes = SurrogateSpike("fast_sigmoid", slope=2.0)(v, threshold=1.0)
        >>> spikes.tolist()
        [0.0, 1.0, 1.0]
        >>> spikes.sum().backward()
        >>> v.grad.tolist()
        [0.25, 1.0, 0.25]
    """

    def __init__(
        self, surrogate: str | Derivative = "fast_sigmoid", slope: float | None = None
    ) -> None:
        super().__init__()
        if isinstance(surrogate, str):
            check_choice("surrogate", surrogate, SURROGATES)
            self.name = surrogate
            self.derivative = SURROGATES[surrogate].derivative
            default = SURROGATES[surrogate].slope
        elif callable(surrogate):
            self.name = "custom"
            self.derivative = surrogate
            default = 1.0
        else:
            raise ValueError(
                f"surrogate must be a name ({', '.join(SURROGATES)}) or a function "
                f"f(x, slope), not {surrogate!r}"
            )
        self.slope = default if slope is None else check_number("slope", slope, above=0)

    def forward(self, v: Tensor, threshold: Tensor | float = 1.0) -> Tensor:
        """Map potentials `v` of any shape to spikes: 0 or 1 (NaN where v is NaN)."""
        # Spikes are decided by v >= threshold, which is exact, whereas v - threshold is rounded.
        fired = v >= threshold
        function = _Spike if torch.compiler.is_compiling() else _SpikeBothWays
        return function.apply(v - threshold, fired, self.derivative, self.slope)  # type: ignore[return-value]

    def extra_repr(self) -> str:
        return f"{self.name!r}, slope={self.slope:g}"


class Spike:
    """The spike function of a neuron: the surrogate, and whether the reset carries a gradient.

    Args:
        surrogate: a `SurrogateSpike`, the name of a surrogate, or a function ``(v, threshold) ->
            spikes``.
        detach_reset: True blocks the gradient through the reset, so that a spike receives a
            gradient only through its output (Zenke & Vogels 2021, Neural Comput. 33(4):899).

    Example:
        >>> spike = Spike("arctan")
        >>> v = torch.tensor([0.5, 1.0], requires_grad=True)
        >>> spikes = spike(v, 1.0)
        >>> spike.reset(spikes).requires_grad, Spike(detach_reset=False).reset(spikes) is spikes
        (False, True)
    """

    __slots__ = ("detach_reset", "surrogate")

    def __init__(
        self,
        surrogate: str | Callable[[Tensor, Tensor | float], Tensor] = "fast_sigmoid",
        detach_reset: bool = True,
    ) -> None:
        self.surrogate = SurrogateSpike(surrogate) if isinstance(surrogate, str) else surrogate
        self.detach_reset = detach_reset

    def __call__(self, v: Tensor, threshold: Tensor | float = 1.0) -> Tensor:
        """Spikes of the shape of `v`: 1 where ``v >= threshold``."""
        return self.surrogate(v, threshold)

    def __repr__(self) -> str:
        name = getattr(self.surrogate, "__name__", "")
        if isinstance(self.surrogate, SurrogateSpike):
            name = repr(self.surrogate.name)
        return f"Spike({name}{'' if self.detach_reset else ', detach_reset=False'})"

    def reset(self, spikes: Tensor) -> Tensor:
        """The spikes that the reset uses, without a gradient if resets are detached."""
        return spikes.detach() if self.detach_reset else spikes


#: The default for the `spike` argument of a step: fast sigmoid, detached resets.
DEFAULT_SPIKE = Spike()
