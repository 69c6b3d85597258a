"""STDP by traces: each spike reads the trace of the other neuron, and the weight jumps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from jarvis.plotting import BLUE, GREY, ORANGE, axes_of
from jarvis.support.checks import check_number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Heights of the rows: the zero of each trace and of the weight.
_PRE, _POST, _WEIGHT = 3.6, 1.9, 0.3


def stdp_traces(
    pre: Sequence[float] = (10.0, 40.0),
    post: Sequence[float] = (20.0,),
    *,
    tau_plus: float = 16.8,
    tau_minus: float = 33.7,
    a_plus: float = 0.005,
    a_minus: float = 0.003,
    ax: Axes | None = None,
) -> Axes:
    """Draw the two traces of pair-based STDP, the spikes that read them, and the weight.

    A spike of the postsynaptic neuron reads the trace of the presynaptic neuron and potentiates the
    weight; a spike of the presynaptic neuron reads the trace of the postsynaptic neuron and
    depresses it. Arrows lead from the trace that is read to the jump of the weight.

    Args:
        pre: spike times of the presynaptic neuron, ms, ascending.
        post: spike times of the postsynaptic neuron, ms, ascending.
        tau_plus, tau_minus: time constants of the presynaptic and the postsynaptic trace, ms.
        a_plus, a_minus: amplitudes; only their ratio is visible.
        ax: where to draw; None for a new figure.

    Returns:
        the Axes; the height of each row is in arbitrary units.

    Raises:
        ValueError: for an argument out of range, or if neither list contains a spike.

    Source: after Morrison, Diesmann & Gerstner 2008, Biol. Cybern. 98:459, figure 5.

    Example:
        >>> axes = stdp_traces([10.0], [20.0])
        >>> [text.get_text() for text in axes.texts if "A" in text.get_text()]
        ['$+A_+\\\\,r$']
    """
    for name, value in (("tau_plus", tau_plus), ("tau_minus", tau_minus)):
        check_number(f"stdp_traces: {name}", value, "ms", above=0)
    for name, value in (("a_plus", a_plus), ("a_minus", a_minus)):
        check_number(f"stdp_traces: {name}", value, at_least=0)
    events = sorted([(float(t), "pre") for t in pre] + [(float(t), "post") for t in post])
    if not events or not all(np.isfinite(t) and t >= 0 for t, _ in events):
        raise ValueError(f"stdp_traces: spike times must be 0 or more, ms; got {pre} and {post}")
    end = events[-1][0] + 20.0
    ax = axes_of(ax, (6.8, 4.0))

    times = np.linspace(0.0, end, 1000)
    for base, own, tau, colour in ((_PRE, pre, tau_plus, BLUE), (_POST, post, tau_minus, ORANGE)):
        ax.plot(times, base + _trace(times, own, tau, 0.0), color=colour)
        ax.axhline(base, color=GREY, lw=0.5)
        ax.vlines(np.asarray(own, float), base - 0.42, base - 0.08, color=colour, lw=2.5, zorder=3)

    size = max(a_plus, a_minus) or 1.0
    weight, corners = _WEIGHT, [(0.0, _WEIGHT)]
    for t, neuron in events:
        if neuron == "post":
            base, colour, words = _PRE, BLUE, "$+A_+\\,r$"
            value = float(_trace(np.array([t]), pre, tau_plus, 0.0)[0])
            step = a_plus / size * value
        else:
            base, colour, words = _POST, ORANGE, "$-A_-\\,o$"
            value = float(_trace(np.array([t]), post, tau_minus, 1e-9)[0])
            step = -a_minus / size * value
        corners += [(t, weight), (t, weight + step)]
        if value > 1e-6:
            ax.plot(t, base + value, "o", color=colour, ms=5)
            arrow = {"arrowstyle": "-|>", "color": colour, "ls": ":", "lw": 1.6}
            ax.annotate("", (t, weight + step), (t, base + value), arrowprops=arrow, zorder=1)
            ax.text(t + 0.012 * end, weight + step / 2, words, color="black", va="center")
        weight += step
    corners.append((end, weight))
    ax.plot(*zip(*corners, strict=True), color="black")

    rows = {_PRE: "trace $r$ of pre", _POST: "trace $o$ of post", _WEIGHT: "weight $w$"}
    ax.set_yticks(list(rows), list(rows.values()))
    ax.tick_params(axis="y", length=0)
    ax.spines[["left", "right", "top"]].set_visible(False)
    ax.set(xlabel="time (ms)", xlim=(0.0, end))
    return ax


def _trace(times: np.ndarray, spikes: Sequence[float], tau: float, before: float) -> np.ndarray:
    """For each time: sum of ``exp(-s/tau)`` over spikes s ms earlier, with s >= `before`."""
    s = np.subtract.outer(times, np.asarray(spikes, float))
    return np.where(s >= before, np.exp(-np.maximum(s, 0.0) / tau), 0.0).sum(1)
