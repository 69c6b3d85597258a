"""The data shown by the explorers, as arrays: settings in, a NamedTuple out, no plotting.

Every `compute_*` is pure: the same settings give the same arrays, and only the digits are cached.
They use the compiled loops, so that sliders can be dragged. `explorers.figures` draws the arrays,
and `classroom.widgets` adds the sliders. The views of surrogates, with their trainings, are in
`surrogate_curves`.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch

from jarvis.adex.phase_plane import FixedPoint, fixed_points, nullclines, vector_field
from jarvis.adex.physiological import FIRING_PATTERNS, AdExParams, step_response
from jarvis.datasets.pictures import digits
from jarvis.encoding.decoders import rate_decode, ttfs_decode
from jarvis.encoding.encoders import poisson_encode, ttfs_encode
from jarvis.lif import LIFLayer
from jarvis.neurons.decay import constant_drive
from jarvis.stdp.trace_rules import PairSTDP, stdp_window

#: The LIF explorer's time step, the time that it shows, and how long it measures a rate, ms.
LIF_DT, LIF_SHOWN, LIF_MEASURED = 0.1, 200.0, 1000.0

LIF_CURRENTS, LIF_LINE = np.linspace(0.0, 4.0, 33), np.linspace(0.0, 4.0, 401)

ADEX_SHOWN = 500.0  #: ms

#: The STDP explorer simulates pairs of spikes up to STDP_REACH ms apart, in steps of STDP_STEP ms.
STDP_STEP, STDP_REACH = 5.0, 80.0


def check_finite(settings: Any, *names: str) -> None:
    """Raise ValueError for a setting that is not a finite number; the message names it."""
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name}={value!r} must be a number")
        if not math.isfinite(value):
            raise ValueError(f"{name}={value!r} must be finite")


def check_integer(settings: Any, name: str, low: int, high: int) -> None:
    """Raise ValueError for a setting that is not an integer from `low` to `high`."""
    value = getattr(settings, name)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name}={value!r} must be an integer from {low} to {high}")


@dataclass(frozen=True, kw_only=True)
class LIFSettings:
    """A LIF neuron with a constant current; times in ms, potentials relative to rest at 0."""

    current: float = 1.5
    tau: float = 20.0
    threshold: float = 1.0
    reset: str = "zero"
    refractory: float = 0.0


class LIFView(NamedTuple):
    """The response of a LIF neuron, and its rate as a function of the current."""

    times: np.ndarray  #: ``[T]`` ends of the steps, ms
    h: np.ndarray  #: ``[T]`` potential before the reset
    v: np.ndarray  #: ``[T]`` potential after the reset
    spike_times: np.ndarray  #: ms
    currents: np.ndarray  #: ``[n]``
    rates: np.ndarray  #: ``[n]`` measured, Hz; NaN for a single spike, which has no interval
    line: np.ndarray  #: ``[m]`` finer grid of currents, for the closed form
    closed_form: np.ndarray  #: ``[m]`` Hz; NaN where there is no rate, with reset "none"
    rate: float  #: closed form at `LIFSettings.current`, Hz
    settings: LIFSettings  #: the settings of this view


def lif_rate(settings: LIFSettings, currents: np.ndarray) -> np.ndarray:
    """Firing rate for a constant current, Hz.

    The rate is ``1000 / (refractory + tau ln(I/(I - threshold)))``, or 0 for I up to the threshold.
    With reset "none", no rate is defined above the threshold, and the result there is NaN.

    Source: Gerstner et al. 2014, Neuronal Dynamics, eq. 1.9 solved for t, with a refractory period.
    """
    rates = np.zeros(np.shape(currents))
    fires = np.asarray(currents) > settings.threshold
    current = np.asarray(currents)[fires]
    passage = -settings.tau * np.log1p(-settings.threshold / current)
    # If the current is so large that the interval rounds to 0, the neuron fires once per step.
    interval = np.maximum(settings.refractory + passage, LIF_DT)
    rates[fires] = np.nan if settings.reset == "none" else 1000.0 / interval
    return rates


def compute_lif(settings: LIFSettings) -> LIFView:
    """The neuron over 200 ms, and its rate over a second for 33 currents, in float64.

    Raises:
        ValueError: for a setting out of range; the message names it.

    Example:
        >>> view = compute_lif(LIFSettings(current=1.5))
        >>> view.spike_times[0].round(1)  # 20 ln 3 = 21.97
        np.float64(22.0)
    """
    check_finite(settings, "current", "tau", "threshold", "refractory")
    options: dict[str, Any] = dict(dt=LIF_DT, reset=settings.reset, refractory=settings.refractory)
    options |= dict(tau=settings.tau, threshold=settings.threshold)
    layer = LIFLayer(**options)
    per_step = constant_drive(settings.current, settings.tau, LIF_DT)
    drive = torch.tensor([per_step], dtype=torch.float64)
    steps = round(LIF_SHOWN / LIF_DT)
    spikes, _, trace = layer(drive.expand(steps, 1), trace=True)
    spikes, h, v = (part[:, 0].numpy() for part in (spikes, *trace))
    times = LIF_DT * np.arange(1, steps + 1)

    drives = torch.from_numpy(constant_drive(1.0, settings.tau, LIF_DT) * LIF_CURRENTS)
    measured = round(LIF_MEASURED / LIF_DT)
    trains = layer(drives.expand(measured, 1, len(drives)))[0][:, 0].numpy() > 0
    counts, first = trains.sum(0), trains.argmax(0)
    last = measured - 1 - trains[::-1].argmax(0)
    intervals = LIF_DT * (last - first) / np.maximum(counts - 1, 1)
    rates = np.where(counts == 1, np.nan, 0.0)
    rates[counts > 1] = 1000.0 / intervals[counts > 1]
    return LIFView(
        times, h, v, times[spikes > 0],
        LIF_CURRENTS, rates, LIF_LINE, lif_rate(settings, LIF_LINE),
        float(lif_rate(settings, np.array([settings.current]))[0]), settings,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AdExSettings:
    """An AdEx neuron with a current step: a published pattern, with these values changed.

    None keeps the pattern's value. The units are pA, nS, pA, ms and mV.
    """

    pattern: str = "tonic"
    current: float | None = None
    a: float | None = None
    b: float | None = None
    tau_w: float | None = None
    v_reset: float | None = None

    def params(self) -> AdExParams:
        """The neuron's parameters; raises ValueError for a value out of range."""
        names = ("a", "b", "tau_w", "v_reset")
        given = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        return AdExParams.named(self.pattern, **given)


class AdExView(NamedTuple):
    """An AdEx neuron over time and in its phase plane."""

    times: np.ndarray  #: ``[T]`` ms
    v: np.ndarray  #: ``[T]`` mV
    w: np.ndarray  #: ``[T]`` pA
    spike_times: np.ndarray  #: ms
    line: np.ndarray  #: ``[n]`` potentials at which the nullclines are given, mV
    v_nullcline: np.ndarray  #: ``[n]`` w at which dV/dt = 0, pA
    w_nullcline: np.ndarray  #: ``[n]`` w at which dw/dt = 0, pA
    fixed_points: list[FixedPoint]  #: intersections of the nullclines
    v_reset: float  #: mV
    rheobase: float  #: pA
    arrows: tuple[np.ndarray, ...]  #: grids of V (mV), w (pA), dV/dt (mV/ms), dw/dt (pA/ms)


def compute_adex(settings: AdExSettings) -> AdExView:
    """The neuron over 500 ms from rest, with nullclines and fixed points.

    Raises:
        ValueError: for a setting out of range; the message names it.

    Example:
        >>> compute_adex(AdExSettings(pattern="tonic")).spike_times[:2].round(1).tolist()
        [14.2, 23.2]
    """
    params = settings.params().plain()
    current = FIRING_PATTERNS[settings.pattern].current
    if settings.current is not None:
        check_finite(settings, "current")
        current = settings.current
    response = step_response(params, current, ADEX_SHOWN)
    line = np.linspace(-90.0, -30.0, 241)
    low, high = min(-50.0, response.w.min()), max(100.0, response.w.max())
    grid = np.meshgrid(np.linspace(-80.0, -38.0, 15), np.linspace(low, high, 11))
    arrows = (*grid, *vector_field(params, current, *grid))
    found = (line, *nullclines(params, current, line), fixed_points(params, current))
    return AdExView(*response, *found, params.v_reset, params.rheobase, arrows)


@dataclass(frozen=True, kw_only=True)
class CodeSettings:
    """An image of a digit, and the length and rate of its code."""

    digit: int = 3
    picture: int = 0  #: index among the images of this digit
    n_steps: int = 50  #: T, steps of 1 ms
    max_rate: float = 200.0  #: rate of the brightest pixel, Hz
    seed: int = 0
    drawn: Any = None  #: ``[8, 8]`` in [0, 1]: your own image, encoded instead of the digit


class CodeView(NamedTuple):
    """An image in two codes, and what is decoded from each."""

    picture: np.ndarray  #: ``[8, 8]`` in [0, 1]
    poisson: np.ndarray  #: ``[T, 64]``
    first: np.ndarray  #: ``[T, 64]``
    from_poisson: np.ndarray  #: ``[8, 8]`` decoded; can exceed 1 by chance
    from_first: np.ndarray  #: ``[8, 8]`` decoded
    errors: np.ndarray  #: ``[2]`` root mean square errors of both decoded images
    yours: bool  #: whether the image is `CodeSettings.drawn`


@cache
def _pictures() -> list[torch.Tensor]:
    """Images of each digit, from the test split."""
    images, labels = digits("test")[:]
    return [images[labels == digit, 0] for digit in range(10)]


def code_picture(settings: CodeSettings) -> torch.Tensor:
    """The encoded image, ``[8, 8]``: the drawn one or else the digit; see `compute_code`."""
    check_integer(settings, "digit", 0, 9)
    pictures = _pictures()[settings.digit]
    check_integer(settings, "picture", 0, len(pictures) - 1)
    if settings.drawn is None:
        return pictures[settings.picture]
    try:
        drawn = np.array(settings.drawn, dtype=np.float32)
    except (TypeError, ValueError):
        raise ValueError(f"drawn={settings.drawn!r} must be 8 rows of 8 numbers") from None
    if drawn.shape != (8, 8):
        raise ValueError(f"drawn must be 8 rows of 8 numbers, not of shape {drawn.shape}")
    if not ((drawn >= 0) & (drawn <= 1)).all():  # NaN fails both tests
        raise ValueError(
            f"drawn must lie in [0, 1], black to white; it contains {drawn.min()} to {drawn.max()}"
        )
    return torch.from_numpy(drawn)


def compute_code(settings: CodeSettings) -> CodeView:
    """One of scikit-learn's digits as Poisson trains and as first spikes, and their decodings.

    Raises:
        ValueError: for a setting out of range; the message names it.

    Example:
        >>> view = compute_code(CodeSettings(digit=3, n_steps=20))
        >>> view.first.shape, int(view.first.sum(0).max())
        ((20, 64), 1)
    """
    picture, rate = code_picture(settings), settings.max_rate
    check_integer(settings, "n_steps", 2, 1000)
    check_integer(settings, "seed", 0, 2**31)
    check_finite(settings, "max_rate")
    pixels, random = picture.reshape(1, 64), torch.Generator().manual_seed(settings.seed)
    poisson = poisson_encode(pixels, settings.n_steps, max_rate=rate, generator=random)
    first = ttfs_encode(pixels, settings.n_steps)
    decoded = (rate_decode(poisson, dt=1.0) / rate, ttfs_decode(first))
    errors = [(kept - pixels).square().mean().sqrt().item() for kept in decoded]
    back = [kept.reshape(8, 8).numpy() for kept in decoded]
    return CodeView(
        picture.numpy(), poisson[:, 0].numpy(), first[:, 0].numpy(), back[0], back[1],
        np.array(errors), settings.drawn is not None,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class STDPSettings:
    """A pair rule and the initial weight; weights in units of w_max = 1, times in ms."""

    a_plus: float = 0.05
    a_minus: float = 0.0525
    tau_plus: float = 20.0
    tau_minus: float = 20.0
    bounds: str = "hard"
    weight: float = 0.5


class STDPView(NamedTuple):
    """The weight change caused by a pair of spikes."""

    line: np.ndarray  #: ``[n]`` time differences t_post - t_pre, ms
    window: np.ndarray  #: ``[n]`` change in closed form, without hard bounds
    pairs: np.ndarray  #: ``[m]`` time differences of the simulated pairs, ms
    changes: np.ndarray  #: ``[m]`` change of the weight by the rule, including bounds
    area: float  #: area of the window, ms; if it is negative, chance pairs lower the weight


def compute_stdp(settings: STDPSettings) -> STDPView:
    """The STDP window in closed form, and pairs of spikes simulated with the rule itself.

    Raises:
        ValueError: for a setting out of range; the message names it.

    Example:
        >>> view = compute_stdp(STDPSettings(a_plus=0.1, a_minus=0.05))
        >>> round(view.area, 3)  # 0.1 * 20 - 0.05 * 20
        1.0
    """
    check_finite(settings, "a_plus", "a_minus", "tau_plus", "tau_minus", "weight")
    if not 0 <= settings.weight <= 1:
        raise ValueError(f"weight={settings.weight!r} must lie in [0, 1], its bounds")
    rule = PairSTDP(
        a_plus=settings.a_plus, a_minus=settings.a_minus, bounds=settings.bounds, dt=STDP_STEP,
        tau_plus=settings.tau_plus, tau_minus=settings.tau_minus,
    )  # fmt: skip
    n = round(STDP_REACH / STDP_STEP)
    # One output spike in the middle, and one input neuron for every time difference.
    pre = torch.eye(2 * n + 1, dtype=torch.float64).unsqueeze(1)
    post = torch.zeros(2 * n + 1, 1, 1, dtype=torch.float64)
    post[n] = 1.0
    start = torch.full((1, 2 * n + 1), settings.weight, dtype=torch.float64)
    weight, _ = rule.run(pre, post, start)
    pairs = STDP_STEP * np.arange(n, -n - 1, -1)
    line = np.append(np.linspace(-100.0, -1e-6, 200), np.linspace(0.0, 100.0, 200))
    up, down = settings.a_plus, settings.a_minus
    if settings.bounds == "soft":
        up, down = up * (1 - settings.weight), down * settings.weight
    area = up * settings.tau_plus - down * settings.tau_minus
    window = stdp_window(rule, line, settings.weight)
    return STDPView(line, window, pairs, (weight - start)[0].numpy(), area)
