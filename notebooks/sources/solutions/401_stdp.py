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
# # Solutions: change a synapse by the timing of its spikes
#
# The exercises of [401](../401_stdp.ipynb). This notebook needs nothing from the lesson and takes a
# few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
from matplotlib import pyplot as plt
from scipy.integrate import quad

from jarvis.classroom import lesson
from jarvis.classroom.check import stdp as check
from jarvis.plotting import BLUE, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True

# %% [markdown]
# ### Exercise 1: Sum over all pairs
#
# Use two loops. The interval is post minus pre.


# %%
def all_pairs(pre_times, post_times, window):
    """Change of one weight by two lists of spike times (ms); `window(s)` is that of one pair."""
    return sum(window(t_post - t_pre) for t_post in post_times for t_pre in pre_times)


assert check.all_pairs(all_pairs)

# %% [markdown]
# ### Exercise 2: Write the rule from memory
#
# Let both traces decay. Then add the spike of pre to its trace, let each spike read the other
# neuron's trace, and add the spike of post to its trace last. So a pair in the same step counts
# once, as pre before post.


# %%
def from_memory(pre, post, a_plus, a_minus, tau_plus, tau_minus):
    """The change of one weight by the pair rule; times in ms, a step is 1 ms."""
    r = o = change = 0.0
    for x, y in zip(pre, post, strict=True):
        r, o = r * math.exp(-1 / tau_plus) + x, o * math.exp(-1 / tau_minus)
        change += a_plus * y * r - a_minus * x * o
        o += y
    return change


assert check.from_memory(from_memory)

# %% [markdown]
# ### Exercise 3: Balance a window
#
# Every interval is equally likely, so the mean change is the area of the window. Each side has the
# area $\int_0^\infty A\,e^{-s/\tau} ds = A\tau$. The two sides cancel where
# $A_- = A_+ \tau_+ / \tau_-$.


# %%
def balance_window(a_plus, tau_plus, tau_minus):
    """The a_minus with which unrelated spikes change nothing on average."""
    return a_plus * tau_plus / tau_minus


assert check.balance_window(balance_window)


# %% [markdown]
# A numerical integral gives the same area, if it goes far enough.


# %%
def by_integration(a_plus, tau_plus, tau_minus):
    """`balance_window` by numerical integration."""
    up, _ = quad(lambda s: a_plus * math.exp(-s / tau_plus), 0, 1000)
    down, _ = quad(lambda s: math.exp(-s / tau_minus), 0, 1000)
    return up / down


assert check.balance_window(by_integration)

# %% [markdown]
# ### Exercise 4: Predict the change at any rate
#
# A spike of post pairs with spikes of pre that came `lag`, `lag + period`, `lag + 2 period`, ...
# earlier. Their changes are a geometric series with the factor $q = e^{-period/\tau_+}$. The sum is
# $1/(1-q)$ times the first term. For depression, the last spike of post came `period - lag` before
# a spike of pre.


# %%
def per_period(lag, period, a_plus, a_minus, tau_plus, tau_minus):
    """Change of the weight per period (0 < lag < period, all times in ms), by all pairs."""
    up = a_plus * math.exp(-lag / tau_plus) / (1 - math.exp(-period / tau_plus))
    down = a_minus * math.exp(-(period - lag) / tau_minus) / (1 - math.exp(-period / tau_minus))
    return up - down


assert check.per_period(per_period)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
hz = np.linspace(2, 50, 200)
for order, colour in (("before", BLUE), ("after", ORANGE)):
    lags = [10 if order == "before" else 1000 / f - 10 for f in hz]
    change = [
        60 * per_period(lag, 1000 / f, 0.005, 0.0071, 16.8, 33.7)
        for lag, f in zip(lags, hz, strict=True)
    ]
    ax.plot(hz, change, color=colour, label=f"pre 10 ms {order} post")
ax.axhline(0, color=GREY, lw=0.7)
ax.set(xlabel="pairs per second (Hz)", ylabel="relative change of w")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the change by 60 pairs against their rate, for both orders of the spikes.* The
# two curves meet at 50 Hz, where pre comes 10 ms before one spike of post and 10 ms after the
# previous spike. Both curves fall, because depression has the larger area.
