"""The data of the explorer for any neuron of the `jarvis.zoo`: settings in, arrays out."""

import warnings
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.explorers.views import check_finite
from jarvis.neurons.definition import learnable_numbers
from jarvis.zoo import Entry, find

#: How many inputs the rate curve has, and how many points and arrows lie along each axis of the
#: phase plane.
CURVE, PLANE, ARROWS = 33, 161, 13


@dataclass(frozen=True, kw_only=True)
class NeuronSettings:
    """A neuron of the zoo with a constant input that is switched on at the start."""

    name: str = "adex"
    drive: float | None = None  #: in the neuron's own unit; None for its usual input
    values: dict[str, Any] = field(default_factory=dict)  #: parameters to change, by name

    def entry(self) -> Entry:
        """The neuron's entry in the zoo; raises ValueError for an unknown name."""
        return find(self.name)


class PhasePlane(NamedTuple):
    """The plane of a neuron's two variables at the given input."""

    names: tuple[str, str]
    x: np.ndarray  #: ``[n]`` values of the first variable
    x_nullcline: np.ndarray  #: ``[n]`` second variable where the first one does not change, or NaN
    y_nullcline: np.ndarray  #: ``[n]`` second variable where the second one does not change, or NaN
    arrows: tuple[np.ndarray, ...]  #: grids of both variables, and of their changes per ms
    limits: tuple[tuple[float, float], tuple[float, float]]


class NeuronView(NamedTuple):
    """The response of a neuron, its rate as a function of the input, and its phase plane."""

    title: str
    unit: str  #: unit of the input
    time_unit: str
    times: np.ndarray  #: ``[T]`` ends of the steps
    variables: dict[str, np.ndarray]  #: what the neuron records, each ``[T]``
    spike_times: np.ndarray  #: ms; for a graded output, the times when it is not 0
    drive: float
    drives: np.ndarray  #: ``[n]`` inputs of the rate curve
    rates: np.ndarray  #: ``[n]`` Hz, or per unit of time; NaN for a single spike
    plane: PhasePlane | None  #: only for neurons with two variables


def compute_neuron(settings: NeuronSettings) -> NeuronView:
    """Any neuron of the zoo with a constant input, computed in float64 from its definition.

    The phase plane is computed in the same way: one step of the neuron from each point of a grid
    shows how both variables change there. A nullcline is where a change reverses its sign.

    Raises:
        ValueError: for an unknown neuron or a setting out of range; the message names it.

    Example:
        >>> view = compute_neuron(NeuronSettings(name="adex"))
        >>> list(view.variables), view.plane.names
        (['v', 'w'], ('v', 'w'))
    """
    entry = settings.entry()
    usual = entry.drive
    if settings.drive is not None:
        check_finite(settings, "drive")
    drive = usual.usual if settings.drive is None else float(settings.drive)
    layer = entry.single(**settings.values)
    neuron = layer.layer
    dt = _step(neuron.params)
    steps = max(round(usual.duration / dt), 1)
    drives = np.linspace(usual.low, usual.high, CURVE)
    x = torch.from_numpy(np.append(drives, drive)).expand(steps, 1, -1)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        given = x if layer.inputs is None else layer.inputs(x)
        spikes, _, trace = neuron(given, trace=True)
    times = dt * np.arange(1, steps + 1)
    sent = spikes[:, 0].numpy() != 0
    twice = {"since", "v"} if "h" in trace._fields else {"since"}  # v equals h except at a reset
    variables = {
        name: part[:, 0, -1].numpy()
        for name, part in trace._asdict().items()
        if part is not None and name not in twice
    }
    rates = interval_rates(sent[:, :-1], dt)
    if usual.time != "ms":
        rates = rates / 1000.0
    plane = phase_plane(layer, drive, variables)
    return NeuronView(
        entry.title,
        usual.unit,
        usual.time,
        times,
        variables,
        times[sent[:, -1]],
        drive,
        drives,
        rates,
        plane,
    )


def _step(params: Any) -> float:
    """The length of a step; 1 for a neuron without a time step."""
    return getattr(params, "dt", 1.0)


def interval_rates(fires: np.ndarray, dt: float) -> np.ndarray:
    """Rates from the mean interval between the spikes ``[T, n]``, Hz; NaN for a single spike."""
    counts, first = fires.sum(0), fires.argmax(0)
    last = len(fires) - 1 - fires[::-1].argmax(0)
    rates = np.where(counts == 1, np.nan, 0.0)
    several = counts > 1
    rates[several] = 1000.0 * (counts[several] - 1) / (dt * (last - first)[several])
    return rates


def phase_plane(layer: Any, drive: float, variables: dict[str, np.ndarray]) -> PhasePlane | None:
    """The phase plane around a trajectory; None for a neuron without exactly two variables.

    Args:
        layer: a layer as returned by `Entry.single`.
        drive: the input.
        variables: the trajectory, by the names of the variables.
    """
    neuron = layer.layer
    state = neuron.initial_state(torch.zeros(1, dtype=torch.float64))
    names = [name for name, value in state._asdict().items() if value is not None]
    if len(names) != 2 or len(state) != 2 or not set(names) <= set(variables):
        return None
    limits = tuple(_around(variables[name]) for name in names)

    def change(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """How both variables change per ms, and where the neuron does not fire in the step."""
        before = [torch.from_numpy(np.ascontiguousarray(part)) for part in (x, y)]
        current = torch.full_like(before[0], drive)
        given = current if layer.inputs is None else layer.inputs(current)
        with torch.no_grad():
            spikes, after, *_ = neuron.neuron.step(
                given, type(state)(*before), neuron.params, neuron.spike
            )
        dt = _step(neuron.params)
        dx, dy = ((b - a).numpy() / dt for a, b in zip(before, after, strict=True))
        return dx, dy, spikes.numpy() == 0

    x, y = (np.linspace(low, high, PLANE) for low, high in limits)
    dx, dy, quiet = change(*np.meshgrid(x, y))  # [y, x]
    still = [_crossing(np.where(quiet, part, np.nan), y) for part in (dx, dy)]
    inner = [np.linspace(low, high, ARROWS + 2)[1:-1] for low, high in limits]
    grid = np.meshgrid(*inner)
    gx, gy, quiet = change(*grid)
    arrows = (*grid, np.where(quiet, gx, 0.0), np.where(quiet, gy, 0.0))
    return PhasePlane((names[0], names[1]), x, still[0], still[1], arrows, limits)  # type: ignore[arg-type]


def _around(values: np.ndarray) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    room = 0.25 * (high - low) or 1.0
    return low - room, high + room


def _crossing(change: np.ndarray, y: np.ndarray) -> np.ndarray:
    """For each column of `change` ``[y, x]``: the smallest y where its sign reverses, or NaN."""
    below, above = change[:-1], change[1:]
    turns = (below * above <= 0) & (below != above)  # False for NaN
    row = turns.argmax(0)
    columns = np.arange(change.shape[1])
    low, high = below[row, columns], above[row, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        found = y[row] + (y[1] - y[0]) * low / (low - high)
    return np.where(turns.any(0), found, np.nan)


class Range(NamedTuple):
    """The range of a parameter's slider."""

    value: float
    low: float
    high: float
    step: float


@cache
def slider_ranges(name: str) -> dict[str, Range]:
    """The parameters of a zoo neuron that have a slider, with the range of each slider.

    Every numeric parameter except dt has a slider, unless the zoo lists the sliders. A parameter
    that must be positive ranges from a quarter of its usual value to three times that value; any
    other ranges from 20 % below its usual value to 20 % above. If the neuron refuses an end of this
    range, the range is narrower.

    Example:
        >>> slider_ranges("lif")["tau"]
        Range(value=20.0, low=5.0, high=60.0, step=0.5)
    """
    entry = find(name)
    params = entry.kind.params(**entry.values)
    found = {}
    for parameter, positive in learnable_numbers(params).items():
        value = getattr(params, parameter)
        if entry.sliders is not None and parameter not in entry.sliders:
            continue
        if not isinstance(value, float) or isinstance(value, Tensor):
            continue
        if positive and value > 0:
            low, high = 0.25 * value, 3.0 * value
        elif positive:
            low, high = 0.0, 1.0
        else:
            size = 0.2 * abs(value) or 1.0
            low, high = value - size, value + size
        low, high = (_accepted(entry, parameter, value, end) for end in (low, high))
        if low < high:
            found[parameter] = Range(value, low, high, _round((high - low) / 100.0))
    return found


def _accepted(entry: Entry, parameter: str, value: float, end: float) -> float:
    """`end` if the neuron accepts it; otherwise an accepted value nearer to `value`."""
    for _ in range(8):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                entry.kind(**{**entry.values, parameter: end})
        except ValueError:
            end = 0.5 * (end + value)
        else:
            return end
    return value


def _round(step: float) -> float:
    """The largest number up to `step` that is 1, 2 or 5 times a power of 10."""
    power = 10.0 ** np.floor(np.log10(step))
    return float(max(k * power for k in (1.0, 2.0, 5.0) if k * power <= step * (1.0 + 1e-9)))


def units_of(name: str) -> dict[str, str]:
    """The units of a zoo neuron's parameters, as stated in its definition."""
    return {each.name: each.metadata.get("unit", "") for each in fields(find(name).kind.params)}
