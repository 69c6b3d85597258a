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
# # Solve the exercises on the AdEx neuron
#
# Solutions to `02_adex_patterns.ipynb`. This notebook stands on its own; it runs in a few seconds
# on a CPU.

# %%
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import AdExLayer, AdExParams, __version__
from jarvis.adex import nullclines, phase_plane, step_response, trajectory
from jarvis.classroom.check import adex_patterns as check
from jarvis.plotting import BLUE, GREY, RED

plt.rcParams.update({"figure.figsize": (6, 2.8), "figure.dpi": 80, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {__version__}, torch {torch.__version__}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_tried": 3}}
full_run = True
n_tried = 8  # values of b on the curve of exercise 3

# %%
tiring = AdExParams.named("adapting")
tonic = AdExParams.named("tonic")

# %% [markdown]
# Each check tries the function on fresh random input.
#
# ### Exercise 1: Predict a rheobase with adaptation
#
# With $a > 0$, at which current in pA do the two nullclines only just touch?
#
# **Solution.** Put $u = (V - V_T)/\Delta_T$. The V-nullcline has the slope $-g_L + g_L e^u$, the
# w-nullcline has $a$. They touch where the slopes agree, at $e^u = 1 + a/g_L$, so at
# $V = V_T + \Delta_T \ln(1 + a/g_L)$. There both give the same $w$:
#
# $$I = (g_L + a)\,(V - E_L) - g_L\,\Delta_T\,e^u .$$


# %%
def rheobase_with_a(params):
    """The current (pA) at which the two nullclines only just touch."""
    p, steep = params, 1 + params.a / params.g_l
    v = p.v_t + p.delta_t * math.log(steep)
    return (p.g_l + p.a) * (v - p.e_l) - p.g_l * p.delta_t * steep


assert check.rheobase_with_a(rheobase_with_a)

# %% [markdown]
# Does the neuron agree? Raise the current of the adapting neuron slowly to a little less than that,
# and to a little more.

# %%
my_rheobase = rheobase_with_a(tiring)
print(f"{my_rheobase:.2f} pA; the library says {tiring.rheobase:.2f} pA")


def fires_at(level):
    ramp = torch.linspace(0.0, level, 60_000, dtype=torch.float64)[:, None]
    return bool(AdExLayer(tiring)(ramp)[0].any())


assert fires_at(1.03 * my_rheobase)
assert not fires_at(0.98 * my_rheobase)

# %% [markdown]
# (The rest may also begin to swing before it vanishes, where $a/g_L > \tau/\tau_w$. Here
# $2/12$ is larger than $16.7/300$, so strictly it does: a little below this current. The library's
# `rheobase` knows both.)
#
# ### Exercise 2: Stop the bursts
#
# Change the reset of a bursting neuron so that it fires with constant intervals in the end, under
# the same current.
#
# **Solution.** A burst needs resets that lie below the V-nullcline at first and above it after a
# spike or two. On its left side, where $V < V_T$, the nullcline is met from the left: every reset
# there leads to the same kind of way round. So lower the reset below $V_T$, whatever that is.


# %%
def steady_reset(params, current):
    """A reset (mV) with which the bursting neuron `params` becomes a clock."""
    return params.v_t - 8.0


assert check.steady_reset(steady_reset)

# %%
my_reset = steady_reset(AdExParams.named("bursting"), 210.0)
params = AdExParams.named("bursting", v_reset=my_reset)
response = step_response(params, 210.0, 3000.0)
trajectory(response, phase_plane(params, 210.0, v=(-62, -38), w=(-20, 330)))
plt.show()

# %% [markdown]
# *The figure shows the orbit with the reset at -58 mV: after a few spikes every round is the same.*
#
# ### Exercise 3: Set the steady rate
#
# Which `b` makes the adapting neuron end at a given rate, with 500 pA?
#
# **Solution.** The rate falls with `b`, so halve an interval that holds the answer.


# %%
def final_rate(b):
    response = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0)
    return 1000 / np.diff(response.spike_times)[-3:].mean()


def b_for(rate):
    """The b (pA) with which the adapting neuron ends at `rate` (Hz)."""
    low, high = 1.0, 150.0
    for _ in range(12):
        b = (low + high) / 2
        low, high = (b, high) if final_rate(b) > rate else (low, b)
    return b


assert check.b_for(b_for)
my_b = b_for(25.0)
print(f"b = {my_b:.2f} pA: {final_rate(my_b):.2f} Hz")

# %%
_, ax = plt.subplots()
tried = np.linspace(10, 150, n_tried)
ax.plot(tried, [final_rate(b) for b in tried], "o-", ms=3, color=BLUE)
ax.plot(my_b, final_rate(my_b), "s", color=RED, label="solution")
ax.axhline(25, color=GREY, ls="--", lw=1)
ax.set(xlabel="b (pA)", ylabel="steady rate (Hz)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the steady rate against `b`, and the solution.* The curve is nearly a hyperbola:
# in the end each interval has to pay for $b$, and a slower neuron pays for more.
#
# ### Exercise 4: Find a rest
#
# Where does a neuron come to rest under a current below the rheobase?
#
# **Solution.** The left crossing of the nullclines: the right one is unstable. Left of it the
# V-nullcline is above the w-nullcline, right of it below. Halve.


# %%
def find_rest(params, current):
    """The potential (mV) of the stable rest."""
    low, high = params.e_l, params.v_t
    for _ in range(40):
        v = (low + high) / 2
        still_v, still_w = nullclines(params, current, v)
        low, high = (v, high) if still_v > still_w else (low, v)
    return v


assert check.find_rest(find_rest)

# %%
response = step_response(tonic, 150.0, 2000.0)
my_rest = find_rest(tonic, 150.0)
print(f"rest at {my_rest:.3f} mV; after 2 s the neuron is at {response.v[-1]:.3f} mV")
trajectory(response, phase_plane(tonic, 150.0, v=(-75, -40), w=(-60, 200)))
plt.show()

# %% [markdown]
# *The figure shows both nullclines at 150 pA, the two rests, and the orbit that ends in the stable
# one.*
