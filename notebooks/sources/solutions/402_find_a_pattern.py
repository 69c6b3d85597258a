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
# # Solutions: find a pattern that nobody marked
#
# The exercises of [402](../402_find_a_pattern.ipynb). This notebook needs nothing from the lesson
# and takes about ten seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import find_a_pattern as check
from jarvis.plotting import BLUE, GREEN, GREY, PURPLE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "length": 2}}
full_run = True
seed = 2
length = 60  # of the stream, s

# %% [markdown]
# ### Exercise 1: State the chance level
#
# A slot without a spike is missed. With $m$ = rate x length spikes on average, this has the
# probability $e^{-m}$.


# %%
def chance_hits(hz, slot):
    """Share of the slots (ms) in which a Poisson process (Hz) has at least one spike."""
    return 1 - math.exp(-hz * slot / 1000)


assert check.chance_hits(chance_hits)
print(f"at 50 Hz: {chance_hits(50, 50):.0%} of the slots of 50 ms")

# %% [markdown]
# ### Exercise 2: Jitter the pattern
#
# `np.nonzero` gives the time and the input of every spike. Each spike moves by its own random
# number. Taking times modulo the slot's length brings spikes in at the other end.


# %%
def jitter(pattern, size, rng):
    """The pattern [T, n_inputs], bool, with each spike moved by up to `size` ms; rng is NumPy's."""
    t, i = np.nonzero(pattern)
    moved = np.zeros_like(pattern)
    moved[(t + rng.integers(-size, size + 1, len(t))) % len(pattern), i] = True
    return moved


assert check.jitter(jitter)

# %% [markdown]
# Train the neuron as in the lesson, and test it on patterns with jitter.

# %%
n_inputs, slot, tau = 1000, 50, 10.0
leak, decay_plus, decay_minus = (math.exp(-1 / t) for t in (tau, 16.8, 33.7))
gain = 1 / (n_inputs * 0.03 * 0.5 * tau)
rng = np.random.default_rng(seed)
pattern = rng.random((slot, n_inputs)) < 0.03


def stream(n_slots, size=0):
    """Slots of noise, with the pattern in every fourth of them."""
    slots = rng.random((n_slots, slot, n_inputs), dtype=np.float32) < 0.03
    for k in range(1, n_slots, 4):
        slots[k] = jitter(pattern, size, rng)
    return slots.reshape(-1, n_inputs)


def listen(spikes, w, learn):
    """Output spikes [T]; the weights w [n_inputs] change in place if it learns."""
    v, r, o, out = 0.0, np.zeros(n_inputs), 0.0, np.zeros(len(spikes), bool)
    for t, x in enumerate(spikes):
        active = np.flatnonzero(x)
        v = leak * v + gain * w[active].sum()
        r, o = decay_plus * r, decay_minus * o
        r[active] += 1
        if learn:
            w[active] -= 0.003 * o
        if v >= 1:
            v, o, out[t] = 0.0, o + 1, True
            if learn:
                w += 0.005 * r
        np.clip(w, 0, 1, out=w)
    return out


w = np.full(n_inputs, 0.5)
listen(stream(1000 * length // slot), w, learn=True)
sizes, hits = (0, 1, 2, 3, 5, 8, 12), []
for size in sizes:
    fired = listen(stream(240, size), w, learn=False).reshape(-1, slot).any(1)
    hits.append(fired[1::4].mean())
print("share of patterns hit:", dict(zip(sizes, np.round(hits, 2).tolist(), strict=True)))
assert not full_run or hits[0] > 0.95 > 0.5 > hits[-1]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
ax.plot(sizes, hits, "o-", color=BLUE)
ax.set(xlabel="jitter (ms)", ylabel="share of patterns hit", ylim=(-0.03, 1.03))
plt.show()

# %% [markdown]
# *The figure shows in what share of the patterns the trained neuron fires, against the jitter of
# their spikes.* The neuron has learned the first milliseconds of the pattern, which a jitter of a
# few milliseconds smears out.
#
# ### Exercise 3: Predict who gains
#
# Each spike of an input forms one pair with the output spike. The interval, and so the change,
# depends only on the row. So the sum over an input's spikes is the product of a vector of changes
# with the pattern.


# %%
def gains(pattern, t_out, a_plus, a_minus, tau_plus, tau_minus):
    """Change of each weight, [n_inputs], by one spike at t_out; pattern is [T, n_inputs], bool."""
    s = t_out - np.arange(len(pattern))
    up, down = a_plus * np.exp(-abs(s) / tau_plus), a_minus * np.exp(-abs(s) / tau_minus)
    return np.where(s >= 0, up, -down) @ pattern


assert check.gains(gains)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
first, silent = pattern.argmax(0), ~pattern.any(0)
_, ax = plt.subplots()
for t_out, colour in ((30, BLUE), (20, GREEN), (10, PURPLE)):
    dw = gains(pattern, t_out, 0.005, 0.003, 16.8, 33.7)
    shown = [t for t in range(slot) if (~silent & (first == t)).any()]
    mean = [1000 * dw[~silent & (first == t)].mean() for t in shown]
    ax.plot(shown, mean, color=colour, label=f"output at {t_out} ms")
ax.axhline(0, color=GREY, lw=0.7)
ax.set(xlabel="first spike of an input (ms)", ylabel="mean change of w (1/1000)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the mean change of a weight by one occurrence of the pattern, against the time
# of the input's first spike, for three times of the output spike.* Inputs that fire before the
# output spike gain, the latest of them most. These inputs make the next output spike come earlier,
# and then still earlier inputs gain.
#
# ### Exercise 4: Let only one neuron win
#
# The neuron with the highest potential is the only one that can fire. Whether it fires also decides
# whether the others are inhibited.


# %%
def compete(h, strength):
    """Potentials h [n] before the reset -> potentials [n] after it, and spikes [n], bool."""
    fired = np.zeros(len(h), bool)
    fired[h.argmax()] = h.max() >= 1
    return np.where(fired, 0.0, h - strength * fired.any()), fired


assert check.compete(compete)
