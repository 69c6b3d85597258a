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
# # Solve the exercises on the leaky integrate-and-fire neuron
#
# Solutions to `01_lif_neuron.ipynb`. This notebook stands on its own; it runs in a few seconds
# on a CPU.

# %%
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import LIFLayer, __version__, constant_drive, exp_decay, plotting

plt.rcParams.update({"figure.figsize": (6, 2.8), "figure.dpi": 85, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {__version__}, torch {torch.__version__}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "long_duration": 300.0}}
full_run = True
seed = 0
tau = 20.0  # membrane time constant, ms
long_duration = 2000.0  # of the f-I curves, ms

# %%
rng = np.random.default_rng(seed)


def check(name, answer, right, hint):
    """Say whether an answer is right; return True if it is."""
    ok = answer is not None and bool(right(answer))
    print(f"{name}: right." if ok else f"{name}: not yet. Hint: {hint}")
    return ok


# %% [markdown]
# The hand-written neuron and the two rates, as in the notebook:


# %%
def neuron(x, tau=20.0, dt=1.0, reset="subtract", refractory=0.0):
    """Run a LIF neuron over the inputs x; return the arrays h, spikes, v, one row a step."""
    decay, hold = math.exp(-dt / tau), round(refractory / dt)
    v = wait = np.zeros_like(x[0], dtype=float)
    rows = []
    for x_t in x:
        h = np.where(wait > 0, v, decay * v + x_t)
        s = 1.0 * ((h >= 1) & (wait <= 0))
        v = {"subtract": h - s, "zero": h * (1 - s), "none": h}[reset]
        wait = np.where(s > 0, hold, np.maximum(wait - 1, 0))
        rows.append((h, s, v))
    return np.array(rows).swapaxes(0, 1)


# %%
def rate(current, refractory=0.0):
    return 1000 / (refractory + tau * np.log(current / (current - 1)))  # Hz, for I > 1


def simulated_rate(currents, refractory=0.0, reset="zero", dt=0.1):
    """Hz, from the mean interval between spikes (0 with fewer than two spikes)."""
    x = np.tile(constant_drive(currents, tau=tau, dt=dt), (round(long_duration / dt), 1))
    spikes = neuron(x, tau, dt, reset, refractory)[1]
    intervals = [np.diff(np.flatnonzero(s)) * dt for s in spikes.T]
    return np.array([1000 / t.mean() if len(t) else 0.0 for t in intervals])


# %% [markdown]
# ### Exercise 1: Measure tau from a trace
#
# `recording` is the potential of a membrane after one jump, one value per ms. Find its time
# constant from two of its values.
#
# **Solution.** Between two values $d$ ms apart the potential falls by the factor $e^{-d/\tau}$, so
# $\tau = d / \ln\frac{v(t)}{v(t+d)}$. Without noise any two values do. With noise, take them about
# one $\tau$ apart, or fit a line to $\ln v$.

# %%
hidden_tau = rng.uniform(8, 30)
recording = 0.8 * np.exp(-np.arange(60) / hidden_tau)

my_tau = 10 / math.log(recording[5] / recording[15])

ax = plotting.trace(recording, threshold=None, label="recording")
ax.plot(np.arange(1, 61), recording[0] * np.exp(-np.arange(60) / my_tau), "k:", label="yours")
ax.legend()
plt.show()
print(f"tau = {my_tau:.2f} ms")
hint = "v(t + d) / v(t) = exp(-d / tau)"
assert check("exercise 1", my_tau, lambda a: abs(a - hidden_tau) < 0.01, hint)

# %% [markdown]
# *The figure shows the recording and the exponential with the measured time constant: they lie on
# each other.*
#
# ### Exercise 2: Predict the rheobase of a synapse
#
# A neuron with `tau=20`, `tau_syn=5`, `dt=1` gets the same `x` at every step. Which `x` is just
# enough to make it fire?
#
# **Solution.** The current settles where $i = e^{-dt/\tau_{syn}} i + x$, at
# $i = x / (1 - e^{-dt/\tau_{syn}})$. The potential then settles at $i / (1 - e^{-dt/\tau})$. Set it
# to 1. It is two factors of the kind of `constant_drive`, one for each leak.

# %%
my_x = (1 - exp_decay(20.0, 1.0)) * (1 - exp_decay(5.0, 1.0))
print(f"x = {my_x:.5f} per step")


def fires_with(x):
    layer = LIFLayer(tau=20.0, dt=1.0, tau_syn=5.0)
    return layer(torch.full((2000, 1), x, dtype=torch.float64))[0].sum() > 0


hint = "where does i settle? and where does v settle, given that i?"
assert check("exercise 2", my_x, lambda a: fires_with(1.01 * a) and not fires_with(0.99 * a), hint)

# %% [markdown]
# ### Exercise 3: Set a speed limit
#
# No current may drive the neuron faster than 80 Hz, and a very strong one should come close to it.
#
# **Solution.** The interval is $t_{ref} + \tau \ln\frac{I}{I-1}$, and the second term goes to zero
# as $I$ grows. So $t_{ref}$ = 1/(80 Hz) = 12.5 ms.

# %%
my_refractory = 1000 / 80


def fastest(refractory):
    x = np.full((10_000, 1), constant_drive(200.0, tau=20.0, dt=0.1))
    t = np.flatnonzero(neuron(x, 20.0, 0.1, "zero", refractory)[1]) * 0.1
    return 1000 / np.diff(t).mean()


print(f"refractory = {my_refractory} ms: {fastest(my_refractory):.1f} Hz at I = 200")
hint = "the interval cannot be shorter than the refractory time: f < 1 / t_ref"
assert check("exercise 3", my_refractory, lambda a: a > 0 and 78 < fastest(a) <= 80, hint)

# %% [markdown]
# ### Exercise 4: Which reset keeps the rate?
#
# With a step of 1 ms and strong currents, measure the f-I curve for `"subtract"` and `"zero"`, and
# draw both over the formula. Which lies closer, and why?
#
# **Solution.**

# %%
strong_currents = np.linspace(1.5, 20, 12)
my_rates = {
    name: simulated_rate(strong_currents, reset=name, dt=1.0) for name in ("subtract", "zero")
}

_, ax = plt.subplots()
ax.plot(strong_currents, rate(strong_currents), color="black", lw=1, label="formula")
for name, values in my_rates.items():
    ax.plot(strong_currents, values, "o", ms=4, label=name)
ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)")
ax.legend()
plt.show()


# %%
def closer(rates):
    off = {name: np.abs(r - rate(strong_currents)).mean() for name, r in rates.items()}
    return off["subtract"] < 0.25 * off["zero"]


hint = "simulated_rate(strong_currents, reset=..., dt=1.0)"
assert check("exercise 4", my_rates, closer, hint)

# %% [markdown]
# *The figure shows both f-I curves (dots) over the formula.* `"subtract"` lies closer. A spike is
# seen only at the end of a step, and by then a strong current has carried $h$ far beyond the
# threshold. `"zero"` throws that away, so every interval is a whole number of steps, rounded up:
# the rate climbs in stairs of 1000/n Hz. `"subtract"` keeps the overshoot as a start for the next
# interval, so the rounding errors do not add up.
