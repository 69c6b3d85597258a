"""From a spike to a potential: what a synapse passes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from jarvis.plotting import BLUE, GREEN, axes_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_TAU, _TAU_SYN, _ARRIVAL = 20.0, 5.0, 8.0  # ms
_BOX = (2.3, 1.5)  # width and height of the small plots
_SPIKE, _CURRENT, _POTENTIAL = 0.0, 4.2, 8.4  # left edges of the small plots


def synapse_chain(ax: Axes | None = None) -> Axes:
    """Draw the chain from a spike of one neuron to the potential of the next.

    The chain has three stations, each with a small curve over the same 60 ms: the spike of the
    presynaptic neuron; the synaptic current, which jumps by the weight w and decays with tau_syn;
    and the potential of the postsynaptic neuron, which integrates the current and leaks with tau.
    The curves are computed, with time constants of 5 and 20 ms.

    Args:
        ax: where to draw; None for a new figure.

    Returns:
        the Axes.

    Example:
        >>> axes = synapse_chain()
        >>> [text.get_text() for text in axes.texts if "neuron" in text.get_text()]
        ['presynaptic neuron', 'postsynaptic neuron']
    """
    ax = axes_of(ax, (7.2, 2.3))
    ax.set(xlim=(-0.4, 11.1), ylim=(-0.95, 2.6))
    ax.set_axis_off()
    t = np.linspace(0.0, 60.0, 400)
    since = np.maximum(t - _ARRIVAL, 0.0)
    current = np.where(t >= _ARRIVAL, np.exp(-since / _TAU_SYN), 0.0)
    potential = np.exp(-since / _TAU) - np.exp(-since / _TAU_SYN)
    spike = (np.array([0.0, _ARRIVAL, _ARRIVAL, _ARRIVAL, 60.0]), np.array([0.0, 0, 1, 0, 0]))
    stations = (
        (_SPIKE, *spike, "black", "presynaptic neuron", "spike s"),
        (_CURRENT, t, current, GREEN, "synapse", r"current $i$, decays with $\tau_{syn}$"),
        (_POTENTIAL, t, potential / potential.max(), BLUE, "postsynaptic neuron",
         r"potential $v$, leaks with $\tau$"),
    )  # fmt: skip
    width, height = _BOX
    for left, times, values, color, name, words in stations:
        ax.plot(left + width * times / 60.0, height * values, color=color, lw=2)
        ax.text(left + width / 2, 2.1, name, ha="center", va="bottom")
        ax.text(left + width / 2, -0.35, words, ha="center", va="top", color=color)
    arrow = {"arrowstyle": "-|>", "color": "black", "lw": 1.5}
    for left, right, words in ((_SPIKE, _CURRENT, "weight w"), (_CURRENT, _POTENTIAL, "charges")):
        ends = (right - 0.35, 0.7), (left + width + 0.35, 0.7)
        ax.annotate("", *ends, arrowprops=arrow)
        ax.text((left + width + right) / 2, 0.95, words, ha="center", va="bottom")
    return ax
