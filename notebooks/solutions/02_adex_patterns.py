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

from jarvis import AdExLayer, AdExParams, __version__, step_response
from jarvis.phase_plane import nullclines, orbit, phase_plane
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


def check(name, answer, right, hint):
    """Say whether an answer is right; return True if it is."""
    ok = answer is not None and bool(right(answer))
    print(f"{name}: right." if ok else f"{name}: not yet. Hint: {hint}")
    return ok


# %% [markdown]
# ### Exercise 1: Predict a rheobase with adaptation
#
# With $a > 0$, at which current in pA does the rest of `AdExParams.named("adapting")` vanish?
#
# **Solution.** Put $u = (V - V_T)/\Delta_T$. The V-nullcline has the slope $-g_L + g_L e^u$, the
# w-nullcline has $a$. They touch where the slopes agree, at $e^u = 1 + a/g_L$, so at
# $V = V_T + \Delta_T \ln(1 + a/g_L)$. There both give the same $w$:
#
# $$I = (g_L + a)\,(V - E_L) - g_L\,\Delta_T\,e^u .$$

# %%
p = tiring
steep = 1 + p.a / p.g_l
v = p.v_t + p.delta_t * math.log(steep)
my_rheobase = (p.g_l + p.a) * (v - p.e_l) - p.g_l * p.delta_t * steep
print(f"{my_rheobase:.2f} pA at V = {v:.2f} mV; the library says {p.rheobase:.2f} pA")


def fires_at(level):
    ramp = torch.linspace(0.0, level, 60_000, dtype=torch.float64)[:, None]
    return bool(AdExLayer(tiring)(ramp)[0].any())


hint = "equal slopes first, then put that V into either nullcline"
assert check(
    "exercise 1", my_rheobase, lambda a: fires_at(1.03 * a) and not fires_at(0.98 * a), hint
)

# %% [markdown]
# (The rest may also begin to swing before it vanishes, where $a/g_L > \tau/\tau_w$. Here
# $2/12$ is larger than $16.7/300$, so strictly it does: a little below this current. The library's
# `rheobase` knows both.)
#
# ### Exercise 2: Stop the bursts
#
# Change `v_reset` of `AdExParams.named("bursting")` so that it fires with constant intervals in the
# end, at 210 pA.
#
# **Solution.** A burst needs resets that lie below the V-nullcline at first and above it after a
# spike or two. On its left side, where $V < V_T$, the nullcline is met from the left: every reset
# there leads to the same kind of way round. So lower the reset below $V_T$ = -50 mV.

# %%
my_reset = -58.0

params = AdExParams.named("bursting", v_reset=my_reset)
response = step_response(params, 210.0, 3000.0)
orbit(response, phase_plane(params, 210.0, v=(-62, -38), w=(-20, 330)))
plt.show()


def spread(reset):
    """Coefficient of variation of the last intervals; 0 for a clock."""
    response = step_response(AdExParams.named("bursting", v_reset=reset), 210.0, 3000.0)
    late = np.diff(response.spike_times)[-8:]
    return late.std() / late.mean() if len(late) == 8 else math.inf


hint = "bursts need a reset that can land on either side of the V-nullcline"
assert check("exercise 2", my_reset, lambda a: spread(a) < 0.01, hint)

# %% [markdown]
# *The figure shows the orbit with the reset at -58 mV: after a few spikes every round is the same.*
#
# ### Exercise 3: Set the steady rate
#
# Choose `b` so that the adapting neuron ends at 25 Hz with 500 pA.
#
# **Solution.** The rate falls with `b`, so halve an interval that holds the answer.


# %%
def final_rate(b):
    response = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0)
    return 1000 / np.diff(response.spike_times)[-3:].mean()


low, high = 10.0, 60.0
for _ in range(12):
    my_b = (low + high) / 2
    low, high = (my_b, high) if final_rate(my_b) > 25 else (low, my_b)
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
hint = "bisect: a larger b is slower"
assert check("exercise 3", my_b, lambda a: abs(final_rate(a) - 25) < 0.2, hint)

# %% [markdown]
# *The figure shows the steady rate against `b`, and the solution.* The curve is nearly a hyperbola:
# in the end each interval has to pay for $b$, and a slower neuron pays for more.
#
# ### Exercise 4: Find a rest
#
# Where does the tonic neuron come to rest with 150 pA?
#
# **Solution.** The left crossing of the nullclines: the right one is unstable. Left of it the
# V-nullcline is above the w-nullcline, right of it below. Halve.

# %%
low, high = tonic.e_l, tonic.v_t
for _ in range(40):
    my_rest = (low + high) / 2
    still_v, still_w = nullclines(tonic, 150.0, my_rest)
    low, high = (my_rest, high) if still_v > still_w else (low, my_rest)
response = step_response(tonic, 150.0, 2000.0)
print(f"rest at {my_rest:.3f} mV; after 2 s the neuron is at {response.v[-1]:.3f} mV")
hint = "the left one; start at V = -70 mV"
assert check("exercise 4", my_rest, lambda a: abs(a - response.v[-1]) < 0.01, hint)

# %%
orbit(response, phase_plane(tonic, 150.0, v=(-75, -40), w=(-60, 200)))
plt.show()

# %% [markdown]
# *The figure shows both nullclines at 150 pA, the two rests, and the orbit that ends in the stable
# one.*
