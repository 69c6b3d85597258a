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

from jarvis import LIFLayer, __version__, constant_drive, plotting
from jarvis.classroom.check import lif_neuron as check
from jarvis.neurons import exp_decay

plt.rcParams.update({"figure.figsize": (6, 2.8), "figure.dpi": 85, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {__version__}, torch {torch.__version__}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
seed = 0
tau = 20.0  # membrane time constant, ms

# %% [markdown]
# Each check tries the function on fresh random input. `rng` makes the recording of the figure.

# %%
rng = np.random.default_rng(seed)


def rate(current):
    return 1000 / (tau * np.log(current / (current - 1)))  # Hz, for I > 1


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
def measure_tau(recording):
    """The time constant (ms) of a decay with one value per ms."""
    return 10 / math.log(recording[5] / recording[15])


assert check.measure_tau(measure_tau)

# %%
recording = 0.8 * np.exp(-np.arange(60) / rng.uniform(8, 30))
my_tau = measure_tau(recording)

ax = plotting.trace(recording, threshold=None, label="recording")
ax.plot(np.arange(1, 61), recording[0] * np.exp(-np.arange(60) / my_tau), "k:", label="yours")
ax.legend()
plt.show()
print(f"tau = {my_tau:.2f} ms")

# %% [markdown]
# *The figure shows the recording and the exponential with the measured time constant: they lie on
# each other.*
#
# ### Exercise 2: Predict the rheobase of a synapse
#
# A neuron with a synapse gets the same `x` at every step. Which `x` is just enough to make it fire?
#
# **Solution.** The current settles where $i = e^{-dt/\tau_{syn}} i + x$, at
# $i = x / (1 - e^{-dt/\tau_{syn}})$. The potential then settles at $i / (1 - e^{-dt/\tau})$. Set it
# to 1. It is two factors of the kind of `constant_drive`, one for each leak.


# %%
def rheobase_per_step(tau, tau_syn, dt):
    """The smallest input per step that makes the neuron fire."""
    return (1 - exp_decay(tau, dt)) * (1 - exp_decay(tau_syn, dt))


assert check.rheobase_per_step(rheobase_per_step)
print(f"tau 20, tau_syn 5, dt 1 ms: x = {rheobase_per_step(20.0, 5.0, 1.0):.5f} per step")

# %% [markdown]
# ### Exercise 3: Set a speed limit
#
# No current may drive the neuron faster than `rate`, and a very strong one should come close to it.
#
# **Solution.** The interval is $t_{ref} + \tau \ln\frac{I}{I-1}$, and the second term goes to zero
# as $I$ grows. So $t_{ref} = 1/f$, in ms 1000 over the rate in Hz.


# %%
def speed_limit(rate):
    """The refractory time (ms) of a neuron that never fires faster than `rate` (Hz)."""
    return 1000 / rate


assert check.speed_limit(speed_limit)
print(f"80 Hz: refractory = {speed_limit(80)} ms")

# %% [markdown]
# ### Exercise 4: Which reset keeps the rate?
#
# Measure the rate with the given reset at the given step. With a step of 1 ms and strong currents,
# which of the two lies closer to the formula, and why?
#
# **Solution.**


# %%
def coarse_rate(current, reset, tau, dt):
    """The firing rate (Hz) at a constant current, with LIFLayer; `reset` is subtract or zero."""
    drive = constant_drive(current, tau=tau, dt=dt)
    x = torch.full((round(2000 / dt), 1), drive, dtype=torch.float64)
    spikes = LIFLayer(tau=tau, dt=dt, reset=reset)(x)[0][:, 0]
    return 1000 / (np.diff(np.flatnonzero(spikes)).mean() * dt)


assert check.coarse_rate(coarse_rate)

# %%
strong_currents = np.linspace(1.5, 20, 12)
my_rates = {
    name: np.array([coarse_rate(c, name, tau, 1.0) for c in strong_currents])
    for name in ("subtract", "zero")
}

_, ax = plt.subplots()
ax.plot(strong_currents, rate(strong_currents), color="black", lw=1, label="formula")
for name, values in my_rates.items():
    ax.plot(strong_currents, values, "o", ms=4, label=name)
ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)")
ax.legend()
plt.show()
off = {name: np.abs(values - rate(strong_currents)).mean() for name, values in my_rates.items()}
print({name: f"{value:.1f} Hz off" for name, value in off.items()})
assert off["subtract"] < 0.25 * off["zero"]

# %% [markdown]
# *The figure shows both f-I curves (dots) over the formula.* `"subtract"` lies closer. A spike is
# seen only at the end of a step, and by then a strong current has carried $h$ far beyond the
# threshold. `"zero"` throws that away, so every interval is a whole number of steps, rounded up:
# the rate climbs in stairs of 1000/n Hz. `"subtract"` keeps the overshoot as a start for the next
# interval, so the rounding errors do not add up.
#
# ### Exercise 5: Write the neuron from memory
#
# Current in, leak, compare, reset by subtraction; the spikes, and v after the reset.
#
# **Solution.** The old $v$ leaks, the new input does not. Compare before the reset, keep after it.


# %%
def from_memory(x, tau, dt, threshold):
    """A LIF neuron over the inputs x: its spikes, and v after each step."""
    decay, v = math.exp(-dt / tau), 0.0
    spikes, potentials = np.zeros(len(x)), np.zeros(len(x))
    for n, x_n in enumerate(x):
        h = decay * v + x_n
        spikes[n] = h >= threshold
        potentials[n] = v = h - threshold * spikes[n]
    return spikes, potentials


assert check.from_memory(from_memory)
