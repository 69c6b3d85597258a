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
# Solutions to [104](../104_adex.ipynb). They run on their own, in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import torch
from matplotlib import pyplot as plt

from jarvis import AdExLayer, AdExParams
from jarvis.adex import phase_plane, step_response, trajectory
from jarvis.classroom import lesson
from jarvis.classroom.check import adex as check

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
slow_ramp = 6000.0  # time in which the current of exercise 2 is raised, ms

# %% [markdown]
# ### Exercise 1: How large is w on average?
#
# **Solution.** One spike adds $\int b\,e^{-t/\tau_w} dt = b\,\tau_w$ to the integral of $w$, and
# the neuron fires `rate`/1000 spikes per ms. It does not matter how the contributions overlap.


# %%
def mean_adaptation(rate, b, tau_w):
    """The mean of w (pA) of a neuron that fires at a constant rate (Hz)."""
    return b * tau_w * rate / 1000


assert check.mean_adaptation(mean_adaptation)

# %% [markdown]
# ### Exercise 2: The rheobase with adaptation
#
# **Solution.** Put $u = (V - V_T)/\Delta_T$. The V-nullcline has the slope $-g_L + g_L e^u$, the
# w-nullcline has the slope $a$. The nullclines touch where their slopes agree, at
# $e^u = 1 + a/g_L$, so at $V = V_T + \Delta_T \ln(1 + a/g_L)$. There both nullclines give the same
# $w$:
#
# $$I = (g_L + a)\,(V - E_L) - g_L\,\Delta_T\,e^u .$$


# %%
def touching_current(params):
    """The current (pA) at which the two nullclines just touch."""
    p, steep = params, 1 + params.a / params.g_l
    v = p.v_t + p.delta_t * math.log(steep)
    return (p.g_l + p.a) * (v - p.e_l) - p.g_l * p.delta_t * steep


assert check.touching_current(touching_current)

# %% [markdown]
# Does the neuron agree? Raise the current slowly to a little less than this rheobase, and to a
# little more.

# %%
adapting = AdExParams.named("adapting")
mine = touching_current(adapting)


def fires_at(level):
    ramp = torch.linspace(0.0, level, round(slow_ramp / 0.1), dtype=torch.float64)[:, None]
    return bool(AdExLayer(adapting)(ramp)[0].any())


print(f"{mine:.2f} pA; the library says {adapting.rheobase:.2f} pA")
assert fires_at(1.03 * mine)
assert not fires_at(0.98 * mine)

# %% [markdown]
# (Where $a/g_L > \tau/\tau_w$, as here ($2/12 > 16.7/300$), the fixed point loses stability to an
# oscillation at a slightly lower current, before it vanishes. The library's `rheobase` covers both
# cases.)
#
# ### Exercise 3: Stop the bursts
#
# **Solution.** A burst needs resets that lie below the V-nullcline at first, and above it after a
# spike or two. To the right of the curve's lowest point, at $V_T$, the interval jumps when the
# reset crosses the curve: V then makes a detour to the left before it spikes. To the left of $V_T$
# nothing jumps: from a reset a little above the curve, V falls only a little before it turns. So
# lower the reset below $V_T$.


# %%
def steady_reset(params, current):
    """A reset (mV) with which the bursting neuron `params` fires regularly."""
    return params.v_t - 8.0


assert check.steady_reset(steady_reset)

# %%
mine = AdExParams.named("bursting", v_reset=steady_reset(AdExParams.named("bursting"), 210.0))
response = step_response(mine, 210.0, 3000.0)
trajectory(response, phase_plane(mine, 210.0, v=(-62, -38), w=(-20, 330)))
plt.show()

# %% [markdown]
# *The figure shows the trajectory with the reset at -58 mV: after a few spikes every loop is the
# same.*
