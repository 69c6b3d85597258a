# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Solve the exercises on firing patterns
#
# Solutions to [105](../105_firing_patterns.ipynb). They run on their own, in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
from matplotlib import pyplot as plt

from jarvis import AdExParams
from jarvis.adex import step_response
from jarvis.classroom import lesson
from jarvis.classroom.check import firing_patterns as check
from jarvis.plotting import BLUE, GREY

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_tried": 3}}
full_run = True
n_tried = 8  # values of b on the curve of exercise 1


# %%
def final_rate(b):
    """The steady rate (Hz) of the adapting neuron with this b (pA), as in the lesson."""
    spikes = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times
    return 1000 / np.diff(spikes)[-3:].mean()


# %% [markdown]
# ### Exercise 1: Set the steady rate
#
# **Solution.** The rate falls as $b$ grows, so keep halving an interval that contains the answer.


# %%
def b_for(rate):
    """The b (pA) with which the adapting neuron ends at `rate` (Hz)."""
    low, high = 1.0, 150.0
    for _ in range(14):
        b = (low + high) / 2
        low, high = (b, high) if final_rate(b) > rate else (low, b)
    return b


assert check.b_for(b_for)

# %%
tried, mine = np.linspace(10, 150, n_tried), b_for(25.0)
_, ax = plt.subplots()
ax.plot(tried, [final_rate(b) for b in tried], "o-", ms=4, color=BLUE)
ax.axhline(25, color=GREY, ls="--")
ax.plot(mine, final_rate(mine), "s", color="black", ms=7, label=f"b = {mine:.1f} pA")
ax.set(xlabel="b (pA)", ylabel="steady rate (Hz)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the steady rate against b, and the solution for 25 Hz.* The curve resembles a
# hyperbola: each spike costs the charge $b\,\tau_w$, and the current pays for a fixed charge per
# second.
#
# ### Exercise 2: Step the upstroke
#
# **Solution.** Turn $V$ into $s$, which falls by $dt/\tau$ in a step. If $s$ would reach 0, there
# is a spike after $\tau s$ ms. Otherwise turn the new $s$ back into $V$.


# %%
def upstroke(v, dt, tau, v_t, delta_t):
    """One step of the exponential alone: (V, None), or (None, time of the spike)."""
    s = math.exp(-(v - v_t) / delta_t)
    if s <= dt / tau:
        return None, tau * s
    return v_t - delta_t * math.log(s - dt / tau), None


assert check.upstroke(upstroke)
