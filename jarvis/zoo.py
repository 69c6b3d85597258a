"""Every kind of neuron in the package by name, with a typical input and its use in a network.

`ZOO` lists them; `hidden_layer` makes a layer of one kind, which can replace a layer of LIF neurons
in training.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from torch import Tensor

from jarvis.adex import AdEx, NormalisedAdEx
from jarvis.lif import LIF
from jarvis.neurons import (
    ALIF,
    BRF,
    EIF,
    QIF,
    RF,
    AlphaLIF,
    BRFParams,
    ConductanceInputs,
    ConductanceLIF,
    ConductanceLIFParams,
    DeltaEncoder,
    DrivenLayer,
    EscapeLIF,
    EscapeLIFLayer,
    FitzHughNagumo,
    HodgkinHuxley,
    Izhikevich,
    Neuron,
    ShortTermPlasticity,
    SigmaDelta,
    SpikingLayer,
    Theta,
    by_sign,
)
from jarvis.support.checks import check_choice
from jarvis.surrogate import SurrogateSpike

__all__ = ["ZOO", "Drive", "Entry", "Hidden", "find", "hidden_layer", "trainable"]


class Drive(NamedTuple):
    """A constant input for a single neuron, and the range in which its response is of interest."""

    low: float
    high: float
    usual: float  #: an input at which the neuron shows its typical behaviour
    unit: str  #: unit of the input
    duration: float  #: duration of the response to show
    time: str = "ms"  #: unit of the duration and of dt


@dataclass(frozen=True)
class Hidden:
    """How a neuron is used in a hidden layer, whose inputs are of order 0.1 to 1 per step of 1 ms.

    Args:
        values: parameters of the neuron that differ from the defaults.
        gain, offset: factor that multiplies the input, and constant that is then added, in the unit
            of the neuron's input.
        steps: number of neuron steps per step of the input.
        surrogate: the name of the surrogate.
        slope: slope of the surrogate; None for its usual value.
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
        kind: the definition of the neuron. Calling it with parameters returns a neuron.
        title: its descriptive name.
        numerics: the scheme of integration, and the largest sensible dt.
        gradient: what is differentiable, and how.
        drive: the constant inputs with which a single neuron is shown.
        hidden: how it is used in a hidden layer; None if it cannot be used there.
        values: parameters that differ from the defaults in the single neuron that is shown.
        sliders: the parameters for which an explorer offers sliders; None for all numbers.
        layer: the class of its layers.
        inputs: for a neuron with several inputs, a function that maps one input to all of them.
        hidden_inputs: the function used instead of `inputs` in a hidden layer, if it differs.
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
    hidden_inputs: Callable[[Tensor], Any] | None = None

    def single(self, **values: Any) -> DrivenLayer:
        """A layer for single neurons, which takes the input in the neuron's own unit.

        Args:
            **values: parameters that differ from the `values` of this entry.
        """
        return DrivenLayer(self.layer(self.kind(**{**self.values, **values})), inputs=self.inputs)


_SPIKE = "surrogate derivative of the spike"


def _as_current(x: Tensor) -> ConductanceInputs:
    return ConductanceInputs.of(current=x)


#: All kinds of neurons by name.
ZOO: dict[str, Entry] = {
    "lif": Entry(
        LIF,
        "leaky integrate-and-fire",
        "exact for the leak, with inputs as jumps; any dt",
        _SPIKE,
        Drive(0.0, 0.3, 0.08, "per step", 200.0),
        Hidden(),
        sliders=("tau", "threshold", "adaptation"),
    ),
    "alif": Entry(
        ALIF,
        "LIF with an adaptive threshold",
        "exact decays, with inputs as jumps; any dt",
        _SPIKE,
        Drive(0.0, 0.4, 0.12, "per step", 400.0),
        Hidden(slope=5.0),
    ),
    "alpha_lif": Entry(
        AlphaLIF,
        "LIF with second-order synapses",
        "exact (matrix exponential); dt at most a quarter of the time to the peak",
        _SPIKE,
        Drive(0.0, 0.5, 0.15, "per step", 200.0),
        Hidden(),
    ),
    "conductance_lif": Entry(
        ConductanceLIF,
        "LIF with conductance synapses",
        "exact with each conductance at its mean over the step: second order; dt 0.1 ms, up to 1 "
        "ms without NMDA",
        _SPIKE,
        Drive(0.0, 600.0, 200.0, "pA", 300.0),
        Hidden(
            {**ConductanceLIFParams.named_sets["normalised"], "dt": 1.0, "refractory": 0.0},
            slope=5.0,
        ),
        inputs=_as_current,
        hidden_inputs=by_sign(ConductanceInputs),
    ),
    "escape_lif": Entry(
        EscapeLIF,
        "LIF with escape noise",
        "exact for the leak, escape rate held over a step; for intervals of at least ten steps",
        "derivative of the probability of a spike",
        Drive(0.0, 0.15, 0.05, "per step", 400.0),
        Hidden(dict(delta_u=0.1), surrogate="straight_through"),
        layer=EscapeLIFLayer,
    ),
    "qif": Entry(
        QIF,
        "quadratic integrate-and-fire",
        "exact, with spikes between grid points; dt below the shortest interval",
        f"{_SPIKE}; exact through the reset",
        Drive(-1.0, 4.0, 1.0, "units of the normal form", 200.0),
        Hidden(dict(tau=20.0, v_c=1.0, v_peak=3.0, v_reset=-0.5), gain=20.0, slope=5.0),
    ),
    "theta": Entry(
        Theta,
        "theta neuron",
        "exact, with spikes between grid points; dt below the shortest interval",
        f"{_SPIKE}; exact for the motion",
        Drive(-1.0, 4.0, 1.0, "units of the normal form", 200.0),
        Hidden(dict(tau=20.0, theta_0=-1.0), gain=20.0, offset=-0.25, slope=5.0),
    ),
    "eif": Entry(
        EIF,
        "exponential integrate-and-fire",
        "Strang splitting (leak and exponential each exact), spikes between grid points; dt 0.1 "
        "ms, below the time of an upstroke",
        f"{_SPIKE}; exact through the reset",
        Drive(0.0, 800.0, 300.0, "pA", 300.0),
        Hidden(dict(v_reset=-70.0, dt=0.5), gain=4000.0, steps=2, slope=2.5),
    ),
    "adex": Entry(
        AdEx,
        "adaptive exponential integrate-and-fire (mV, pA)",
        "Strang splitting (linear and exponential parts each exact), spikes between grid points; "
        "dt 0.1 ms, below the time of an upstroke",
        f"{_SPIKE}; exact through the reset",
        Drive(0.0, 1000.0, 500.0, "pA", 500.0),
        Hidden(
            dict(c=200.0, g_l=10.0, e_l=-70.0, v_t=-50.0, a=2.0, b=60.0, tau_w=100.0,
                 v_reset=-65.0),
            gain=4000.0, steps=10, slope=2.5,
        ),
        values=dict(c=200.0, g_l=12.0, e_l=-70.0, a=2.0, b=60.0, tau_w=300.0, v_reset=-58.0,
                    v_t=-50.0),
    ),
    "normalised_adex": Entry(
        NormalisedAdEx,
        "adaptive exponential integrate-and-fire (dimensionless)",
        "exact decays, Euler for the rest; dt below the time of an upstroke, 1 ms",
        _SPIKE,
        Drive(0.0, 0.5, 0.2, "1/ms per step", 200.0),
        Hidden(),
    ),
    "izhikevich": Entry(
        Izhikevich,
        "Izhikevich",
        "second order, spikes between grid points, dt 0.1 to 1 ms; or, as published, Euler, 0.5 ms",
        f"{_SPIKE}; exact through the reset, except in the published schemes",
        Drive(0.0, 20.0, 10.0, "mV/ms", 300.0),
        Hidden(dict(dt=0.5), gain=20.0, steps=2, slope=3.0),
    ),
    "fitzhugh_nagumo": Entry(
        FitzHughNagumo,
        "FitzHugh-Nagumo",
        "Strang splitting (linear and cubic parts each exact); dt 0.1 to 0.45",
        f"{_SPIKE}; the motion itself is smooth",
        Drive(0.0, 1.8, 0.5, "dimensionless", 200.0, "units of time"),
        Hidden(dict(dt=0.4), gain=1.0, offset=0.3, steps=10, slope=1.0),
    ),
    "hodgkin_huxley": Entry(
        HodgkinHuxley,
        "Hodgkin-Huxley",
        "exponential Euler, gates first; dt 0.025 to 0.1 ms",
        f"{_SPIKE}; the motion itself is smooth",
        Drive(0.0, 30.0, 10.0, "uA/cm2", 100.0),
        Hidden(dict(dt=0.1, v_0=-65.0), gain=20.0, offset=5.0, steps=10, slope=1.0),
        sliders=("g_na", "g_k", "g_l", "e_na", "e_k", "e_l", "celsius"),
    ),
    "rf": Entry(
        RF,
        "resonate-and-fire",
        "exact between inputs; ten steps per period or more",
        _SPIKE,
        Drive(0.0, 0.3, 0.12, "per step", 300.0),
        Hidden(slope=5.0),
    ),
    "brf": Entry(
        BRF,
        "balanced resonate-and-fire",
        "Euler, as published; omega dt below 1",
        _SPIKE,
        Drive(0.0, 300.0, 150.0, "per unit of time", 3.0, "units of time"),
        Hidden(BRFParams.named_sets["shd"], gain=60.0, slope=2.0),
    ),
    "sigma_delta": Entry(
        SigmaDelta,
        "sigma-delta (sends changes of a ReLU)",
        "exact: sums and comparisons; no time constant",
        "straight-through: the gradient of the ReLU network",
        Drive(0.0, 1.0, 0.6, "change of the activation", 10.0, "steps"),
        Hidden(dict(threshold=0.1), gain=0.2),
    ),
    "delta_encoder": Entry(
        DeltaEncoder,
        "delta encoder (sends changes of its input)",
        "exact: sums and comparisons; no time constant",
        "straight-through",
        Drive(0.0, 1.0, 0.6, "input", 10.0, "steps"),
        None,
    ),
    "short_term_plasticity": Entry(
        ShortTermPlasticity,
        "short-term plasticity (Tsodyks-Markram), before the weights",
        "exact between spikes; any dt",
        "exact with respect to spikes and parameters",
        Drive(0.0, 1.0, 1.0, "spikes per step", 50.0),
        None,
    ),
}  # fmt: skip


def find(name: str) -> Entry:
    """The entry of the `ZOO` with this name.

    Raises:
        ValueError: if there is no such entry; the message lists the names.
    """
    check_choice("neuron", name, ZOO)
    return ZOO[name]


def trainable() -> tuple[str, ...]:
    """The names of the neurons that can be used in a hidden layer."""
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
    """A layer of hidden neurons for inputs of order 0.1 to 1, as produced by linear maps of spikes.

    Args:
        name: name of the neuron, one of `trainable`.
        learnable, recurrent, backend: as in `SpikingLayer`.
        surrogate: the name of a surrogate, with its usual slope; None for the surrogate and slope
            of the neuron's `Hidden`.
        **values: parameters of the neuron that differ from its `Hidden.values`.

    Returns:
        a `DrivenLayer`: ``[T, B, ...] -> spikes [T, B, ...]`` and a state.

    Raises:
        ValueError: for an unknown name, a neuron that cannot be used in a hidden layer, or a value
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
        entry.kind(**{**hidden.values, **values}),
        learnable=learnable,
        recurrent=recurrent,
        surrogate=SurrogateSpike(shape, **({} if slope is None else {"slope": slope})),
        backend=backend,
    )
    return DrivenLayer(
        layer,
        gain=hidden.gain,
        offset=hidden.offset,
        steps=hidden.steps,
        inputs=entry.hidden_inputs or entry.inputs,
    )
