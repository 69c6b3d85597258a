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
# # Solve the exercises on the firing rate
#
# Solutions to [102](../102_firing_rate.ipynb). They run on their own, in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import LIFLayer, constant_drive
from jarvis.classroom import lesson
from jarvis.classroom.check import firing_rate as check

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
tau = 20.0  # membrane time constant, ms

# %% [markdown]
# ### Exercise 1: Which reset keeps the rate?
#
# **Solution.** Run the layer on a constant input, and average the intervals between its spikes.


# %%
def coarse_rate(current, reset, tau, dt):
    """The firing rate (Hz) at a constant current, by LIFLayer; `reset` is subtract or zero."""
    drive = constant_drive(current, tau=tau, dt=dt)
    x = torch.full((round(2000 / dt), 1), drive, dtype=torch.float64)
    spikes = LIFLayer(tau=tau, dt=dt, reset=reset)(x)[0][:, 0]
    return 1000 / (np.diff(np.flatnonzero(spikes)).mean() * dt)


assert check.coarse_rate(coarse_rate)

# %%
currents = np.linspace(1.5, 20, 12)
formula = 1000 / (tau * np.log(currents / (currents - 1)))
rates = {
    name: np.array([coarse_rate(current, name, tau, 1.0) for current in currents])
    for name in ("subtract", "zero")
}

_, ax = plt.subplots()
ax.plot(currents, formula, color="black", lw=1, label="formula")
for (name, values), style in zip(rates.items(), "os", strict=True):
    ax.plot(currents, values, style, ms=5, mfc="none", label=name)
ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)")
ax.legend()
plt.show()
off = {name: np.abs(values - formula).mean() for name, values in rates.items()}
print({name: f"{value:.0f} Hz off" for name, value in off.items()})
assert off["subtract"] < 0.25 * off["zero"]

# %% [markdown]
# *The figure shows both f-I curves over the formula, at a step of 1 ms.* `"subtract"` lies closer
# to the formula. A spike is seen only at the end of a step, and by then a strong current has
# carried $h$ far beyond the threshold. `"zero"` drops this overshoot, so every interval is rounded
# up to whole steps: the rate climbs in stairs of 1000/n Hz. `"subtract"` keeps the overshoot as a
# start for the next interval, so the rounding errors do not add up.
#
# ### Exercise 2: Set a speed limit
#
# **Solution.** Set the interval, $t_{ref} + \tau \ln\frac{I}{I-1}$, equal to 1000 over the rate in
# Hz. A weaker current makes the interval longer. As $I$ grows, the second term goes to zero, so a
# limit $f$ for every current takes $t_{ref} = 1/f$.


# %%
def speed_limit(rate, current, tau):
    """The refractory period (ms) with which `current` makes a neuron fire at `rate` (Hz)."""
    return 1000 / rate - tau * math.log(current / (current - 1))


assert check.speed_limit(speed_limit)

# %% [markdown]
# ### Exercise 3: From input spikes to noise
#
# **Solution.** The integral of $w\,e^{-t/\tau}$ is $w\,\tau$, and the integral of its square is
# $w^2 \tau/2$. With $n$ spikes per time constant, the mean is $w\,n$ and the standard deviation
# $|w|\sqrt{n/2}$. (This is Campbell's theorem.) So with many weak synapses the fluctuations are
# small compared with the mean, unless excitation and inhibition cancel: their means subtract, their
# variances add.


# %%
def mean_and_spread(weight, rate, tau):
    """The mean and the standard deviation of v, without a threshold."""
    n = rate * tau / 1000  # spikes in one time constant
    return weight * n, abs(weight) * math.sqrt(n / 2)


assert check.mean_and_spread(mean_and_spread)

# %% [markdown]
# ### Exercise 4: Measure the irregularity
#
# **Solution.** Divide the standard deviation of the spike times' differences by their mean.


# %%
def irregularity(spike_times):
    """The coefficient of variation of the intervals."""
    intervals = np.diff(spike_times)
    return intervals.std() / intervals.mean()


assert check.irregularity(irregularity)
