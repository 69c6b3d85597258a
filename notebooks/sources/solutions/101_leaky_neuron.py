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
# # Solve the exercises on the leaky neuron
#
# Solutions to [101](../101_leaky_neuron.ipynb). They run on their own, in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
from matplotlib import pyplot as plt

from jarvis import plotting
from jarvis.classroom import lesson
from jarvis.classroom.check import leaky_neuron as check

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
seed = 0

# %% [markdown]
# ### Exercise 1: Read a circuit
#
# **Solution.** From $\tau = RC$ follows $C = \tau/R$. The potential settles where $dV/dt = 0$, at
# $E_L + R\,I$, so $I = (V - E_L)/R$. ms over MΩ gives nF and mV over MΩ gives nA, so both are
# multiplied by 1000.


# %%
def read_circuit(resistance, tau, e_leak, potential):
    """The capacitance (pF), and the current (pA) that holds the membrane at `potential`."""
    return 1000 * tau / resistance, 1000 * (potential - e_leak) / resistance


assert check.read_circuit(read_circuit)

# %% [markdown]
# ### Exercise 2: Measure tau from a recording
#
# **Solution.** Between two values $d$ ms apart the potential falls by the factor $e^{-d/\tau}$, so
# $\tau = d / \ln\frac{v(t)}{v(t+d)}$. Without noise, any two values will do. With noise, take them
# about one $\tau$ apart, or fit a line to $\ln v$.


# %%
def measure_tau(recording):
    """The time constant (ms) of a decay that is recorded once per ms."""
    return 10 / math.log(recording[5] / recording[15])


assert check.measure_tau(measure_tau)

# %%
recording = 0.8 * np.exp(-np.arange(60) / np.random.default_rng(seed).uniform(8, 30))
my_tau = measure_tau(recording)
ax = plotting.trace(recording, threshold=None, label="recording")
mine = recording[0] * np.exp(-np.arange(60) / my_tau)
ax.plot(np.arange(1, 61), mine, "k:", label=f"decay with {my_tau:.2f} ms")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the recording and an exponential with the measured time constant: the two curves
# coincide.*
#
# ### Exercise 3: When does the first spike come?
#
# **Solution.** Set $I\,(1 - e^{-t/\tau})$ equal to the threshold $\theta$ and solve for $t$:
# $t = \tau \ln\frac{I}{I - \theta}$. A current up to $\theta$ never takes $v$ to the threshold; at
# $I = \theta$, $v$ only approaches it.


# %%
def first_spike(current, tau, threshold):
    """The time (ms) of the first spike; math.inf if there is none."""
    if current <= threshold:
        return math.inf
    return tau * math.log(current / (current - threshold))


assert check.first_spike(first_spike)

# %% [markdown]
# ### Exercise 4: Write the neuron from memory
#
# **Solution.** The old $v$ leaks, the new input does not. Compare $h$ with the threshold before the
# reset; store $v$ after it.


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
