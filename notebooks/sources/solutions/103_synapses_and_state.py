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
# # Solve the exercises on synapses and state
#
# Solutions to [103](../103_synapses_and_state.ipynb). They run on their own, in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np

from jarvis.classroom import lesson
from jarvis.classroom.check import synapses_and_state as check
from jarvis.neurons import exp_decay

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True

# %% [markdown]
# ### Exercise 1: Just enough to fire
#
# **Solution.** The current settles where $i = e^{-dt/\tau_{syn}} i + x$, at
# $i = x / (1 - e^{-dt/\tau_{syn}})$. The potential then settles at $i / (1 - e^{-dt/\tau})$. Set it
# to 1. Each leak contributes a factor like the one in `constant_drive`.


# %%
def just_enough(tau, tau_syn, dt):
    """The input per step above which the neuron fires."""
    return (1 - exp_decay(tau, dt)) * (1 - exp_decay(tau_syn, dt))


assert check.just_enough(just_enough)
print(f"tau 20, tau_syn 5, dt 1 ms: x = {just_enough(20.0, 5.0, 1.0):.5f} per step")

# %% [markdown]
# ### Exercise 2: Read the threshold
#
# **Solution.** Each spike has raised the threshold by $b$, and its share has decayed since. The
# shares add up.


# %%
def threshold_at(t, spike_times, b, tau_adapt):
    """The threshold at time t (ms), after all of the spikes."""
    return 1 + b * np.exp(-(t - np.asarray(spike_times)) / tau_adapt).sum()


assert check.threshold_at(threshold_at)

# %% [markdown]
# ### Exercise 3: Read a stream
#
# **Solution.** The state lives outside the loop. It is reset before the first piece of a recording,
# and otherwise carried over.


# %%
def count_per_recording(layer, stream):
    """The number of spikes of each recording in the stream."""
    counts, state = [], None
    for piece, is_new in stream:
        if is_new:
            state = None
            counts.append(0)
        spikes, state = layer(piece, state)
        counts[-1] += spikes.sum().item()
    return counts


assert check.count_per_recording(count_per_recording)
