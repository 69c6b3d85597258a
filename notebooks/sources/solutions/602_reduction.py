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
# # Reduce a neuron from four variables to one: solutions
#
# The exercises of [602](../602_reduction.ipynb), solved. This notebook runs on its own, in a few
# seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import reduction as check
from jarvis.neurons import (
    QIF,
    FitzHughNagumo,
    FitzHughNagumoParams,
    HodgkinHuxley,
    QIFParams,
    SpikingLayer,
)
from jarvis.plotting import BLUE, GREEN, GREY, RED

lesson.begin()
torch.set_default_dtype(torch.float64)

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_levels": 5}}
full_run = True
n_levels = 16  # currents of FitzHugh-Nagumo's f-I curve


# %%
def rates(layer, currents, time):
    """Spikes per 1000 units of time at each constant current, in the second half of a run."""
    steps = round(time / layer.params.dt)
    x = torch.as_tensor(currents).double().reshape(1, 1, -1).repeat(steps, 1, 1)
    return 2000 * layer(x)[0][steps // 2 :, 0].sum(0).numpy() / time


# %% [markdown]
# ### Exercise 1: Find where it falls silent again
#
# The Jacobian is $\begin{pmatrix}1 - v^2 & -1\\ \varepsilon & -\varepsilon b\end{pmatrix}$ and its
# trace $1 - v^2 - \varepsilon b$. The trace is zero at $v = \pm\sqrt{1 - \varepsilon b}$; the
# larger current belongs to the larger $v$. On the second nullcline $w = (v + a)/b$, and the first
# one gives $I = w - v + v^3/3$.


# %%
def last_current(a, b, eps):
    """The larger current at which the fixed point of FitzHugh-Nagumo changes its stability."""
    v = math.sqrt(1 - eps * b)
    return (v + a) / b - v + v**3 / 3


assert check.last_current(last_current)

# %%
fhn = FitzHughNagumoParams()
last = last_current(fhn.a, fhn.b, fhn.eps)
levels = np.linspace(0.1, 1.7, n_levels)
f = rates(SpikingLayer(FitzHughNagumo(fhn)), levels, 2000.0)
_, ax = plt.subplots()
ax.plot(levels, f, "o-", color=BLUE, ms=4)
ax.axvline(last, color=GREEN, label="solution")
ax.set(xlabel="current I", ylabel="rate (spikes per 1000)")
ax.legend(loc="lower center")
plt.show()
assert (f[levels > last + 0.02] == 0).all()

# %% [markdown]
# *The figure shows the f-I curve of the FitzHugh-Nagumo neuron, and the upper Hopf point.* The
# curve is symmetric about $a/b$: with $v \to -v$ and $w \to 2a/b - w$, the equations at $I$ become
# those at $2a/b - I$.

# %%
low, high = fhn.hopf_currents
assert math.isclose(low + high, 2 * fhn.a / fhn.b)

# %% [markdown]
# ### Exercise 2: Derive the period of a QIF neuron
#
# Substitute $v = \sqrt I\, y$ in $T = \tau\int \frac{dv}{v^2 + I}$, from the reset to
# the peak:
#
# $$T = \frac{\tau}{\sqrt I}\int \frac{dy}{y^2 + 1} = \frac{\tau}{\sqrt I}
# \left(\arctan\frac{v_{peak}}{\sqrt I} - \arctan\frac{v_{reset}}{\sqrt I}\right) .$$


# %%
def qif_period(current, tau, v_reset, v_peak):
    """The interval between two spikes (ms)."""
    r = math.sqrt(current)
    return tau / r * (math.atan(v_peak / r) - math.atan(v_reset / r))


assert check.qif_period(qif_period)
mine, library = qif_period(0.05, 10.0, -10.0, 10.0), QIFParams().period(0.05)
print(f"{mine:.4f} ms; the library says {library:.4f} ms")
assert math.isclose(mine, library)

# %% [markdown]
# ### Exercise 3: Measure an exponent
#
# Take currents at logarithmic distances from the onset: so far away that the neuron fires a few
# times while it is watched, and so near that the law holds. From 0.0001 to 0.001 both conditions
# hold; from 0.01 to 0.1 the answer is too large.


# %%
def exponent(rate, onset):
    """The slope of log f against log (I - onset), close to the onset."""
    x = np.logspace(-4, -3, 8)
    return np.polyfit(np.log(x), np.log(rate(onset + x)), 1)[0]


assert check.exponent(exponent)

# %%
qif = SpikingLayer(QIF(dt=0.5))
p = exponent(lambda currents: rates(qif, currents, 200_000.0), 0.0)
print(f"QIF: {p:.2f}")
assert abs(p - 0.5) < 0.03

# %% [markdown]
# ### Exercise 4: Classify a neuron
#
# Leave out the zeros, and compare the lowest rate with the highest. A square root begins far below
# its highest rate, a jump does not.


# %%
def neuron_type(currents, rates):
    """1 for type I, 2 for type II."""
    firing = rates[rates > 0]
    return 1 if firing.min() < 0.35 * firing.max() else 2


assert check.neuron_type(neuron_type)

# %%
currents = np.linspace(4.0, 9.0, 100)
squid = rates(SpikingLayer(HodgkinHuxley(dt=0.05)), currents, 2000.0)
quadratic = rates(qif, currents - 5.5, 2000.0)
_, ax = plt.subplots()
ax.plot(currents, squid, color=RED, label=f"Hodgkin-Huxley: type {neuron_type(currents, squid)}")
label = f"QIF with onset 5.5: type {neuron_type(currents, quadratic)}"
ax.plot(currents, quadratic, color=BLUE, ls="--", label=label)
ax.axhline(0, color=GREY, lw=0.5)
ax.set(xlabel="current", ylabel="rate (Hz)")
ax.legend()
plt.show()
assert neuron_type(currents, squid) == 2
assert neuron_type(currents, quadratic) == 1

# %% [markdown]
# *The figure shows two measured f-I curves, and what the function says.*
