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
# # Make a spike out of ion channels: solutions
#
# The exercises of [601](../601_hodgkin_huxley.ipynb), solved. This notebook runs on its own, in a
# few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import hodgkin_huxley as check
from jarvis.neurons import (
    HodgkinHuxley,
    HodgkinHuxleyParams,
    SpikingLayer,
    hodgkin_huxley_rest,
    steady_gates,
)
from jarvis.plotting import BLUE, GREY, RED

lesson.begin()
torch.set_default_dtype(torch.float64)

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
dt = 0.025  # time step, ms
n_starts = 41  # starts of the pulse that exercise 4 tries, 100 to 120 ms

# %%
params = HodgkinHuxleyParams(dt=dt)
layer = SpikingLayer(HodgkinHuxley(params))


def constant(current, ms):
    """Input [steps, 1, neurons]: each current (µA/cm²) is held for `ms`."""
    return torch.as_tensor(current).double().reshape(1, 1, -1).repeat(round(ms / dt), 1, 1)


# %% [markdown]
# ### Exercise 1: Find the resting potential
#
# Put the steady gates into the ionic current. The current is negative (inward) below the resting
# potential and positive above, so halve the interval.


# %%
def ionic_current(v, g_na, g_k, g_l):
    """The steady ionic current (µA/cm², positive: outward) at a constant V (mV)."""
    m, h, n = steady_gates(torch.as_tensor(v))
    sodium = g_na * m**3 * h * (v - params.e_na)
    return sodium + g_k * n**4 * (v - params.e_k) + g_l * (v - params.e_l)


def settled(current, g_na, g_k, g_l):
    """The V (mV) at which the ionic currents carry away `current`."""
    low, high = -90.0, 40.0
    for _ in range(40):
        v = 0.5 * (low + high)
        outward = ionic_current(v, g_na, g_k, g_l) > current
        low, high = (low, v) if outward else (v, high)
    return v


def resting_potential(g_na, g_k, g_l):
    """The V (mV) at which the ionic currents cancel, to 0.01 mV; conductances in mS/cm²."""
    return settled(0.0, g_na, g_k, g_l)


assert check.resting_potential(resting_potential)

# %%
my_rest = resting_potential(params.g_na, params.g_k, params.g_l)
print(f"{my_rest:.4f} mV; the library: {hodgkin_huxley_rest(params).v:.4f} mV")
assert abs(my_rest - hodgkin_huxley_rest(params).v) < 1e-6
v = torch.linspace(-75.0, -55.0, 101)
_, ax = plt.subplots(figsize=(6, 2.8))
ax.plot(v, ionic_current(v, params.g_na, params.g_k, params.g_l), "k")
ax.plot(my_rest, 0, "o", color=RED)
ax.axhline(0, color=GREY, lw=1)
ax.set(xlabel="potential V (mV)", ylabel="steady current (µA/cm²)")
plt.show()

# %% [markdown]
# *The figure shows the steady ionic current over V. Where it vanishes (orange) the membrane rests.*
#
# ### Exercise 2: Block the sodium channels
#
# Use the same function with $g_{Na} = 0$ and a current. The neuron does not fire: nothing is left
# that could drive V up by itself.


# %%
def with_ttx(current):
    """The V (mV) at which a neuron without sodium channels settles under `current` (µA/cm²)."""
    return settled(current, 0.0, params.g_k, params.g_l)


assert check.with_ttx(with_ttx)

# %%
spikes, _, trace = SpikingLayer(HodgkinHuxley(dt=dt, g_na=0.0))(
    constant([5.0, 10.0, 20.0], 40.0), trace=True
)
_, ax = plt.subplots(figsize=(6, 2.8))
ax.plot(dt * np.arange(1, len(spikes) + 1), trace.v[:, 0], "k", lw=1)
for current in (5.0, 10.0, 20.0):
    ax.axhline(with_ttx(current), color=BLUE, ls="--", lw=1)
ax.set(xlabel="time (ms)", ylabel="potential V (mV)")
plt.show()
assert spikes.sum() == 0

# %% [markdown]
# *The figure shows V without sodium channels under 5, 10 and 20 µA/cm²; dashed: the predictions.*
# The hump at the start comes from $n$, which rises late.
#
# ### Exercise 3: Measure a rate in steady state
#
# A count of spikes in a window is exact only to one spike. An interval is exact to `dt`.


# %%
def steady_rate(spikes, dt):
    """The rate (Hz), a number; spikes is a tensor [T] of 0 and 1 (maybe all 0), dt is in ms."""
    times = dt * spikes.nonzero()[:, 0].double()
    if len(times) < 4 or times[-1] < dt * len(spikes) - 100:
        return 0.0
    return 3000.0 / (times[-1] - times[-4]).item()


assert check.steady_rate(steady_rate)

# %% [markdown]
# ### Exercise 4: Stop the train
#
# Try a grid: one neuron for each pair of start and amplitude. A pair works if its neuron does not
# fire in the last 100 ms. Pairs at the edge may only delay the next spike, so take a pair whose
# neighbours work, too: for each pair, count how many pairs in the 3x3 block around it stop the
# train.

# %%
starts = np.linspace(100.0, 120.0, n_starts)
amplitudes = np.linspace(-20.0, 20.0, 41)


def stops(current):
    """Whether each pair stops the train [starts, amplitudes]."""
    x = constant(np.full(len(starts) * len(amplitudes), current), 300.0)
    grid = x.view(len(x), len(starts), len(amplitudes))
    for k, start in enumerate(starts):
        grid[round(start / dt) : round((start + 1) / dt), k] += torch.tensor(amplitudes)
    spikes, _ = layer(x)
    return (spikes[round(200 / dt) :].sum(0) == 0).view(len(starts), len(amplitudes))


def stopping_pulse(current):
    """(start in ms, amplitude in µA/cm²) of a pulse of 1 ms that stops the train."""
    works = stops(current).double()[None, None]
    around = torch.nn.functional.avg_pool2d(works, 3, stride=1, padding=1)[0, 0]
    k, j = divmod(int(around.argmax()), len(amplitudes))
    return starts[k], amplitudes[j]


assert check.stopping_pulse(stopping_pulse)

# %%
start, amplitude = stopping_pulse(8.0)
x = constant(8.0, 250.0)
x[round(start / dt) : round((start + 1) / dt)] += amplitude
_, axes = plt.subplots(2, 1, figsize=(7, 5))
axes[0].pcolormesh(starts, amplitudes, stops(8.0).T, cmap="Greys", vmax=1.6)
axes[0].plot(start, amplitude, "o", color=RED)
axes[0].set(xlabel="start of the pulse (ms)", ylabel="amplitude (µA/cm²)")
axes[1].plot(dt * np.arange(1, len(x) + 1), layer(x, trace=True)[2].v[:, 0, 0], "k", lw=1)
axes[1].axvline(start, color=RED, lw=1)
axes[1].set(xlabel="time (ms)", ylabel="potential V (mV)")
plt.show()
assert layer(x)[0][round(150 / dt) :].sum() == 0

# %% [markdown]
# *The figure shows the pulses that stop the train at 8 µA/cm² (grey), the one that we take
# (orange), and what it does.* The train is a cycle around the fixed point. The pulse has to bring
# the neuron close enough to the fixed point: by excitation at one phase of the cycle, or by
# inhibition at another.
