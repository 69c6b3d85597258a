"""Every kind of neuron of the package by name: what drives it, and how it serves in a network.

`ZOO` lists them; `hidden_layer` makes a layer of one of them that can be trained in the place of a
layer of LIF neurons.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from jarvis.adex import AdEx, NormalisedAdEx
from jarvis.lif import LIF
from jarvis.neurons.definition import Neuron
from jarvis.neurons.driven import DrivenLayer
from jarvis.neurons.layer import SpikingLayer
from jarvis.support.checks import check_choice
from jarvis.surrogate import SurrogateSpike


class Drive(NamedTuple):
    """A constant input for a single neuron, and the range in which its response is of interest."""

    low: float
    high: float
    usual: float  #: one at which the neuron shows what it does
    unit: str  #: of the input
    duration: float  #: for how long to look at the response, ms


@dataclass(frozen=True)
class Hidden:
    """How a neuron serves in a hidden layer, whose inputs are of order 0.1 to 1 per step of 1 ms.

    Args:
        values: its parameters, where they differ from the defaults.
        gain, offset: what the input is scaled by, and what is added, in the neuron's own unit.
        steps: number of its steps per step of the input.
        surrogate: the name of the surrogate.
        slope: its slope; None for the usual one of that surrogate.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    gain: float = 1.0
    offset: float = 0.0
    steps: int = 1
    surrogate: str = "fast_sigmoid"
    slope: float | None = None


@dataclass(frozen=True)
class Entry:
    """A kind of neuron in the `ZOO`.

    Args:
        kind: the definition: called with parameters, it gives a neuron.
        title: its name in words.
        numerics: the scheme of integration, and the largest sensible dt.
        gradient: what is differentiable, and how.
        drive: the constant input that a single neuron is shown with.
        hidden: how it serves in a hidden layer; None if it cannot.
        values: parameters of the single neuron that is shown, where they differ from the defaults.
        sliders: the parameters that an explorer offers; None for all numbers.
        layer: the class of its layers.
        inputs: for a neuron with several inputs, a function from one input to all of them.
    """

    kind: Neuron
    title: str
    numerics: str
    gradient: str
    drive: Drive
    hidden: Hidden | None
    values: Mapping[str, Any] = field(default_factory=dict)
    sliders: tuple[str, ...] | None = None
    layer: Callable[..., SpikingLayer] = SpikingLayer
    inputs: Callable[[Tensor], Any] | None = None

    def single(self, **values: Any) -> DrivenLayer:
        """A layer for single neurons, which takes the input in the neuron's own unit.

        Args:
            **values: parameters, where they differ from those of the neuron that is shown.
        """
        return DrivenLayer(self.layer(self.kind(**self.values | values)), inputs=self.inputs)


_SPIKE = "surrogate derivative of the spike"

#: All kinds of neurons by name.
ZOO: dict[str, Entry] = {
    "lif": Entry(
        LIF,
        "leaky integrate-and-fire",
        "exact for the leak; any dt, the input arrives as a jump",
        _SPIKE,
        Drive(0.0, 0.3, 0.08, "per step", 200.0),
        Hidden(),
        sliders=("tau", "threshold", "adaptation"),
    ),
    "adex": Entry(
        AdEx,
        "adaptive exponential integrate-and-fire (mV, pA)",
        "Strang splitting, linear and exponential part each exact; dt below the upstroke, 0.1 ms",
        f"{_SPIKE}; the reset exactly",
        Drive(0.0, 1000.0, 500.0, "pA", 500.0),
        Hidden(dict(c=200.0, g_l=10.0, e_l=-70.0, v_t=-50.0, a=2.0, b=60.0, tau_w=100.0,
                    v_reset=-65.0), gain=4000.0, steps=10, slope=2.5),
        values=dict(c=200.0, g_l=12.0, e_l=-70.0, a=2.0, b=60.0, tau_w=300.0, v_reset=-58.0,
                    v_t=-50.0),
    ),
    "normalised_adex": Entry(
        NormalisedAdEx,
        "adaptive exponential integrate-and-fire (dimensionless)",
        "exact decays, Euler for the rest; dt below the upstroke of a spike, 1 ms",
        _SPIKE,
        Drive(0.0, 0.5, 0.2, "1/ms per step", 200.0),
        Hidden(),
    ),
}  # fmt: skip


def find(name: str) -> Entry:
    """The entry of the `ZOO` with this name.

    Raises:
        ValueError: if there is none; the message lists the names.
    """
    check_choice("neuron", name, ZOO)
    return ZOO[name]


def trainable() -> tuple[str, ...]:
    """The names of the neurons that can serve in a hidden layer."""
    return tuple(name for name, entry in ZOO.items() if entry.hidden is not None)


def hidden_layer(
    name: str,
    *,
    learnable: str | Sequence[str] = (),
    recurrent: int | None = None,
    surrogate: str | None = None,
    backend: str = "auto",
    **values: Any,
) -> DrivenLayer:
    """A layer of hidden neurons for inputs of order 0.1 to 1, as linear maps of spikes give.

    Args:
        name: of the neuron, one of `trainable`.
        learnable, recurrent, backend: as in `SpikingLayer`.
        surrogate: the name of a surrogate, with its usual slope; None for the neuron's own choice.
        **values: parameters of the neuron, where they differ from its `Hidden.values`.

    Returns:
        a `DrivenLayer`: ``[T, B, ...] -> spikes [T, B, ...]`` and a state.

    Raises:
        ValueError: for an unknown name, a neuron that cannot serve in a hidden layer, or a value
            out of range.
        TypeError: for a parameter that the neuron does not have.

    Example:
        >>> import torch
        >>> from jarvis import SpikingMLP
        >>> model = SpikingMLP((32, 16, 2), neurons=lambda n: hidden_layer("normalised_adex"))
        >>> model(torch.rand(25, 4, 32)).shape
        torch.Size([4, 2])
    """
    entry = find(name)
    hidden = entry.hidden
    if hidden is None:
        raise ValueError(
            f"neuron={name!r} cannot serve in a hidden layer; these can: {', '.join(trainable())}"
        )
    shape, slope = (hidden.surrogate, hidden.slope) if surrogate is None else (surrogate, None)
    if shape == hidden.surrogate:
        slope = hidden.slope
    layer = entry.layer(
        entry.kind(**hidden.values | values),
        learnable=learnable,
        recurrent=recurrent,
        surrogate=SurrogateSpike(shape, **({} if slope is None else {"slope": slope})),
        backend=backend,
    )
    return DrivenLayer(
        layer, gain=hidden.gain, offset=hidden.offset, steps=hidden.steps, inputs=entry.inputs
    )
