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
# # Tell an integrator from a resonator: solutions
#
# The exercises of [603](../603_integrators_resonators.ipynb), solved. This notebook runs on its
# own, in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import SpikingLayer
from jarvis.classroom import lesson
from jarvis.classroom.check import integrators_resonators as check
from jarvis.neurons.izhikevich import IZHIKEVICH_PATTERNS, izhikevich_pattern
from jarvis.neurons.resonator import RF, RFParams
from jarvis.plotting import BLUE, GREY, RED

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_sizes": 9}}
full_run = True
n_sizes = 41  # inhibitory pulses of exercise 4

# %% [markdown]
# ### Exercise 1: Find the largest step of Euler's method
#
# The factor has the absolute value 1 where
# $(1 - \lambda\,dt)^2 + (\omega\,dt)^2 = 1$. The ones cancel, one $dt$ can be divided out, and what
# is left is $dt = 2\lambda/(\lambda^2 + \omega^2)$.


# %%
def largest_euler_dt(damping, omega):
    """The step (ms) at which Euler's oscillation neither grows nor decays."""
    return 2 * damping / (damping**2 + omega**2)


assert check.largest_euler_dt(largest_euler_dt)

# %%
limit = largest_euler_dt(0.01, 0.1)
print(f"{limit:.2f} ms, or {2 * math.pi / 0.1 / limit:.0f} steps per period")
for dt in (0.99 * limit, 1.01 * limit):
    print(f"dt = {dt:.3f} ms: a factor of {abs(1 + dt * complex(-0.01, 0.1)):.5f} per step")

# %% [markdown]
# This bound means 32 steps in a period, just to keep the oscillation from growing. With 32 steps
# the oscillation does not decay at all; to be accurate, Euler's method needs far more steps.
#
# ### Exercise 2: Measure a period
#
# Measure from one upward crossing of 0 to the next. Maxima work: they too are exactly one period
# apart, whatever the damping.


# %%
def period(recording, dt):
    """The period (ms) of a recording (a NumPy array of potentials, one every dt ms)."""
    upward = np.flatnonzero((recording[:-1] < 0) & (recording[1:] >= 0))
    return np.diff(upward).mean() * dt


assert check.period(period)

# %%
unknown = RF(RFParams.named("beta", dt=0.5))
pulse = torch.zeros(400, 1, dtype=torch.float64)
pulse[0] = 0.8
recording = SpikingLayer(unknown)(pulse, trace=True)[2].im[:, 0].numpy()
found = period(recording, 0.5)
print(f"{found:.1f} ms; the neuron was made with {unknown.values.period:.1f} ms")
assert math.isclose(found, unknown.values.period, rel_tol=0.02)

# %% [markdown]
# ### Exercise 3: Classify an unknown neuron
#
# Look for a rise, with spacings that are close together and reach far enough.


# %%
def classify(response):
    """Return "integrator" or "resonator"."""
    heights = np.array([response(s) for s in np.arange(0, 250, 1.0)])
    lowest_so_far = np.minimum.accumulate(heights)
    return "resonator" if (heights - lowest_so_far).max() > 0.01 else "integrator"


assert check.classify(classify)

# %% [markdown]
# ### Exercise 4: Find the weakest inhibition that fires
#
# A pulse of size $A$ first pushes Im z down to $-A$ times `pulse_peak`. Half a period later Im z
# peaks at `rebound` times that size, which has to reach the threshold.


# %%
def smallest_inhibition(params):
    """Size (> 0) of the weakest inhibitory pulse that fires the neuron."""
    return params.threshold / (params.pulse_peak * params.rebound)


assert check.smallest_inhibition(smallest_inhibition)

# %%
params = RFParams(dt=0.5)
sizes = np.linspace(1.0, 2.0, n_sizes)
x = torch.zeros(200, n_sizes, dtype=torch.float64)
x[0] = -torch.as_tensor(sizes)
fires = SpikingLayer(RF(params))(x)[0].any(0).numpy()
limit = smallest_inhibition(params)
print(f"the neuron of the lesson fires from {limit:.3f} on")
assert (fires == (sizes > limit))[np.abs(sizes - limit) > 0.01].all()

_, ax = plt.subplots(figsize=(7, 2))
ax.plot(sizes[~fires], 0 * sizes[~fires], "o", color=BLUE, mfc="none", label="silent")
ax.plot(sizes[fires], 0 * sizes[fires], "s", color=RED, label="fires")
ax.axvline(limit, color=GREY, ls="--", lw=1)
ax.set(xlabel="size of the inhibitory pulse (threshold = 1)", yticks=[], ylim=(-1, 2.5))
ax.legend(ncols=2, loc="upper left")
plt.show()

# %% [markdown]
# *The figure shows which inhibitory pulses fire the neuron; dashed: the formula.*
#
# ### Exercise 5: Find more of them
#
# Ask for the pattern twice, the second time with a tenth of its own step.


# %%
def compare(name):
    """(number of spikes as published, number of spikes with a tenth of the step)"""
    counts = []
    for factor in (1, 10):
        dt = IZHIKEVICH_PATTERNS[name].dt / factor
        neuron, current, state = izhikevich_pattern(name, dt=dt)
        counts.append(int(SpikingLayer(neuron)(current, state)[0].sum()))
    return tuple(counts)


assert check.compare(compare)

# %%
changed = ""
for name, pattern in IZHIKEVICH_PATTERNS.items():
    published, finer = compare(name)
    changed += pattern.panel if published != finer else ""
    print(f"{pattern.panel}  {name:30} {published:5} {finer:5}")
print("changes:", changed)
assert changed == "CDEHNPQST"

# %% [markdown]
# Nine of twenty change. For Q and T the name no longer fits, and P needs its second pulse at
# another time.
