"""Plots of the AdEx neuron: phase plane, trajectory, and potential over time."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jarvis.adex.physiological import AdExParams, StepResponse
from jarvis.plotting import BLUE, GREEN, GREY, RED, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class FixedPoint(NamedTuple):
    """A point at which neither V nor w changes."""

    v: float  #: mV
    w: float  #: pA
    stable: bool  #: whether the neuron returns to it after a small perturbation


def vector_field(params: AdExParams, current: float, v: ArrayLike, w: ArrayLike):
    """dV/dt in mV/ms and dw/dt in pA/ms at V (mV) and w (pA), for a current in pA.

    Example:
        >>> dv, dw = vector_field(AdExParams.named("tonic"), 500.0, -70.0, 0.0)
        >>> round(float(dv), 3), float(dw)  # 500 pA / 200 pF: all of it charges the membrane
        (2.5, 0.0)
    """
    p, v, w = params.plain(), np.asarray(v, float), np.asarray(w, float)
    upstroke = p.delta_t * np.exp(np.minimum((v - p.v_t) / p.delta_t, 80.0))
    dv = (p.g_l * (upstroke - (v - p.e_l)) + current - w) / p.c
    return dv, (p.a * (v - p.e_l) - w) / p.tau_w


def nullclines(params: AdExParams, current: float, v: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """The V-nullcline and the w-nullcline: w in pA for each V in mV.

    ``w = -g_l (V - e_l) + g_l delta_t exp((V - v_t)/delta_t) + I``  and  ``w = a (V - e_l)``.

    Source: Naud et al. 2008, Biol. Cybern. 99:335, section 2.1.
    """
    v, params = np.asarray(v, float), params.plain()
    return params.c * vector_field(params, current, v, 0.0)[0], params.a * (v - params.e_l)


def fixed_points(params: AdExParams, current: float) -> list[FixedPoint]:
    """The intersections of the two nullclines in order of increasing V; there are at most two.

    Args:
        params: the neuron.
        current: pA.

    Example:
        >>> [round(point.v, 1) for point in fixed_points(AdExParams.named("tonic"), 100.0)]
        [-61.7, -45.4]
        >>> fixed_points(AdExParams.named("tonic"), 500.0)
        []
    """
    from scipy.optimize import root_scalar

    p = params.plain()

    def excess(v: float) -> float:
        """The current missing for a fixed point at v; negative for v far below or far above."""
        u = min((v - p.v_t) / p.delta_t, 700.0)
        return (p.g_l + p.a) * (v - p.e_l) - p.g_l * p.delta_t * math.exp(u) - current

    def between(low: float, high: float) -> FixedPoint:
        v = root_scalar(excess, bracket=(low, high), method="brentq").root
        steep = p.g_l * (math.exp((v - p.v_t) / p.delta_t) - 1.0)
        swings = steep / p.c - 1.0 / p.tau_w  # the trace of the Jacobian
        # p.a - steep has the sign of the determinant.
        return FixedPoint(v, p.a * (v - p.e_l), swings < 0 and p.a - steep > 0)

    far, far_up = p.e_l - 1e5, p.v_t + 600.0 * p.delta_t
    if p.a <= -p.g_l:  # excess decreases with v everywhere
        return [between(far, far_up)] if excess(far) > 0 else []
    top = p.v_t + p.delta_t * math.log(1.0 + p.a / p.g_l)
    if excess(top) <= 0:
        return []
    far += min(current, 0.0) / (p.g_l + p.a)  # below the fixed point without the exponential
    return [between(far, top), between(top, far_up)]


def phase_plane(
    params: AdExParams,
    current: float,
    *,
    v: tuple[float, float] = (-80.0, -35.0),
    w: tuple[float, float] = (-100.0, 400.0),
    ax: Axes | None = None,
) -> Axes:
    """Draw the nullclines, the fixed points, the reset, and the vector field.

    Args:
        params: the neuron.
        current: pA.
        v, w: ranges of the axes, mV and pA.
        ax: the axes to draw in.

    Returns:
        the axes. Filled circles are stable fixed points, and open circles are unstable ones.
    """
    ax = axes_of(ax, (5.0, 3.5))
    grid_v, grid_w = np.meshgrid(np.linspace(*v, 17)[1:-1], np.linspace(*w, 13)[1:-1])
    # The arrows are computed in fractions of the plot, so that they are tangent to its curves.
    dv, dw = vector_field(params, current, grid_v, grid_w)
    dv, dw = dv / (v[1] - v[0]), dw / (w[1] - w[0])
    size = np.hypot(dv, dw)
    size[size == 0] = 1.0
    ax.quiver(grid_v, grid_w, dv / size, dw / size, color=GREY, alpha=0.5, scale=28, width=0.004)
    line = np.linspace(*v, 400)
    still_v, still_w = nullclines(params, current, line)
    ax.plot(line, still_v, color=BLUE, label="dV/dt = 0")
    ax.plot(line, still_w, color=GREEN, label="dw/dt = 0")
    ax.axvline(params.plain().v_reset, color=GREY, ls=":", label="reset")
    for rest in fixed_points(params, current):
        ax.plot(rest.v, rest.w, "o", color="black", mfc="black" if rest.stable else "white", ms=6)
    ax.set(xlabel="potential V (mV)", ylabel="adaptation w (pA)", xlim=v, ylim=w)
    return ax


def trajectory(response: StepResponse, ax: Axes, color: str = RED) -> Axes:
    """Draw the trajectory of (V, w), interrupted at each spike; squares mark the resets."""
    v, w, times = response.v, response.w, response.times
    # The state at the end of a step with a spike is already the state after the reset.
    reset = np.searchsorted(times, response.spike_times - 1e-9)
    ax.plot(np.insert(v, reset, np.nan), np.insert(w, reset, np.nan), color=color, lw=1)
    ax.plot(v[reset], w[reset], "s", color=color, ms=3)
    return ax


def potential(response: StepResponse, ax: Axes | None = None, peak: float = 0.0) -> Axes:
    """Draw V over time, with each spike drawn up to `peak` (mV) and marked above it.

    V is known only at the ends of steps, and at the end of a step with a spike it has already been
    reset.
    """
    ax = axes_of(ax, (6.0, 2.2))
    t, v = response.times, response.v
    reset, spikes = np.searchsorted(t, response.spike_times - 1e-9), response.spike_times
    ax.plot(np.insert(t, reset, spikes), np.insert(v, reset, peak), color=BLUE, lw=0.8)
    ax.plot(spikes, np.full(len(spikes), peak + 5.0), "v", color="black", ms=3)
    ax.set(xlabel="time (ms)", ylabel="potential V (mV)")
    return ax
