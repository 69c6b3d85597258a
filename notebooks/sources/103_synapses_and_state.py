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
# # Give the neuron a synapse, an adaptive threshold and a memory
#
# You add a synaptic current, which remembers for milliseconds, and an adaptive threshold, which
# remembers for hundreds of milliseconds. When you lose this memory, the neuron falls silent; when
# you keep too much of it, a training loop crashes.
#
# **Time.** 40 minutes for you, 5 seconds for the machine.
#
# **You need.** [101](101_leaky_neuron.ipynb) and the f-I curve of [102](102_firing_rate.ipynb). For
# section 4, PyTorch's autograd: a loss, `backward()` and `.grad`.
#
# **Leads to.** [104](104_adex.ipynb) Adaptation as a current; [301](301_surrogate_gradients.ipynb)
# Networks that learn.
#
# ## Objectives
#
# After this lesson you can
#
# 1. predict what a synapse does to the time course and the size of a response,
# 2. explain how an adaptive threshold slows a neuron down,
# 3. name the state of a neuron, and carry it through a stream of data,
# 4. detach a state between training steps, and say why.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import LIFLayer, constant_drive, plotting
from jarvis.classroom import lesson
from jarvis.classroom.check import synapses_and_state as check
from jarvis.classroom.diagrams.synapse_chain import synapse_chain
from jarvis.classroom.results import record
from jarvis.neurons import exp_decay
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
tau = 20.0  # membrane time constant, ms
dt = 1.0  # time step, ms
tau_adapt = 200.0  # time constant of the adaptive threshold, ms
adaptation = 0.3  # by how much a spike raises the threshold
strong_current = 2.5  # that drives the adapting neuron, in units of the threshold
weak_current = 1.5  # of the stream in section 3

# %% [markdown]
# ## 1. What does a synapse add?
#
# When a spike arrives at a [synapse](../docs/glossary.md#synapse), a transmitter opens channels of
# the receiving neuron, and a current flows for a few milliseconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
synapse_chain()
plt.show()

# %% [markdown]
# *The figure shows the chain from the presynaptic neuron's spike, through the synapse's current, to
# the postsynaptic neuron's potential.* The spike makes the [synaptic
# current](../docs/glossary.md#synaptic-current) $i$ jump by the
# [weight](../docs/glossary.md#synaptic-weight) of the synapse, and $i$ decays with the synaptic
# time constant $\tau_{syn}$:
#
# 1. $i = e^{-dt/\tau_{syn}}\, i + x$, the current,
# 2. $h = e^{-dt/\tau}\, v + i$, leak and input,
#
# and then threshold and reset as before. Let a single spike of weight 1 arrive. Compare with a
# spike that makes $v$ jump directly: does $v$ peak earlier or later, and higher or lower?
#
# <details><summary>Make a guess, then open</summary>
# Later, when the decaying current just balances the leak; and higher, because i adds to v at every
# step.
# </details>

# %%
one_spike = [1.0] + [0.0] * 79
t = dt * np.arange(1, 81)  # the ends of the steps


def response(tau_syn):
    """v after each step, for a spike in the first one; tau_syn in ms, None for a direct jump."""
    # exp_decay(tau, dt) is exp(-dt/tau).
    decay, decay_syn = exp_decay(tau, dt), 0.0 if tau_syn is None else exp_decay(tau_syn, dt)
    i = v = 0.0
    path = []
    for x in one_spike:
        i = decay_syn * i + x
        v = decay * v + i
        path.append(v)
    return np.array(path)


# %% [markdown]
# Let $\alpha = e^{-dt/\tau_{syn}}$ and $\beta = e^{-dt/\tau}$. In step $k$ the current,
# $\alpha^{k-1}$, is added to $v$; after step $n$ a fraction $\beta^{n-k}$ of it is left. So $v$ is
# the sum of $\beta^{n-k}\alpha^{k-1}$ over $k$, a geometric series. With $t = n\,dt$ and
# $\tau \ne \tau_{syn}$, the series gives the left formula. The right formula follows from
# $dv/dt = 0$:
#
# $$v(t) = \frac{e^{-t/\tau} - e^{-t/\tau_{syn}}}{\beta - \alpha}, \qquad
# t_{peak} = \frac{\tau\,\tau_{syn}}{\tau - \tau_{syn}} \ln\frac{\tau}{\tau_{syn}} .$$

# %%
responses = {tau_syn: response(tau_syn) for tau_syn in (None, 2.0, 5.0, 10.0)}
for tau_syn, v in responses.items():
    if tau_syn is None:
        continue
    difference = np.exp(-t / tau) - np.exp(-t / tau_syn)
    formula = difference / (exp_decay(tau, dt) - exp_decay(tau_syn, dt))
    peak = tau * tau_syn / (tau - tau_syn) * math.log(tau / tau_syn)
    print(f"tau_syn = {tau_syn:2g} ms: peak {v.max():.2f} at {t[v.argmax()]:g} ms, "
          f"formula {peak:.1f} ms")  # fmt: skip
    assert np.allclose(v, formula, rtol=0, atol=1e-12)
    assert abs(t[v.argmax()] - peak) < dt

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3))
styles = zip(responses.items(), ("black", BLUE, ORANGE, GREEN), strict=True)
for (tau_syn, v), colour in styles:
    name = "direct jump" if tau_syn is None else rf"$\tau_{{syn}}$ = {tau_syn:g} ms"
    ax.plot(t, v, ".-", ms=4, lw=1, color=colour, label=name)
ax.set(xlabel="time t from the start of the spike's step (ms)", ylabel="potential v (no threshold)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the potential after one spike of weight 1 in the first step, which ends at 1
# ms.* With a synapse, this [postsynaptic potential](../docs/glossary.md#postsynaptic-potential)
# rises to a later, rounder and larger peak. How much larger depends on `dt`, because $i$ is added
# in full at every step. One spike adds $1/(1 - e^{-dt/\tau_{syn}})$ in total. For $\tau_{syn}$ = 5
# ms that is 5.5<!-- total_current 0.05 --> with `dt` = 1 ms and 51<!-- total_fine 0.6 --> with 0.1
# ms. So with `tau_syn`, a weight means something only together with `dt`. When you add `tau_syn` to
# a network that works, divide the weights by this total, to preserve the area under $v$.
#
# ### Exercise 1: Just enough to fire (8 min)
#
# A neuron with a synapse receives the same input `x` at every step. Return the `x` with which $v$
# settles exactly at the threshold, 1. `tau`, `tau_syn` and `dt` are in ms. Solve it on paper,
# exactly for any `dt`.


# %% tags=["exercise"]
def just_enough(tau, tau_syn, dt):
    """The input per step above which the neuron fires."""
    ...


# %%
check.just_enough(just_enough)

# %% [markdown]
# ## 2. What does an adaptive threshold add?
#
# Under a constant current, many neurons fire fast at first and then slow down. This is
# [adaptation](../docs/glossary.md#adaptation). In the simplest model, each spike raises the
# threshold by $b$, and the increase decays slowly. Let $a$ count the neuron's own spikes, and decay
# with $\tau_{adapt}$:
#
# 1. $h = e^{-dt/\tau}\,v + x$,
# 2. $s = 1$ where $h \ge 1 + b\,a$, else 0,
# 3. $v = h - s$ and $a = e^{-dt/\tau_{adapt}}\,a + s$.
#
# Do the intervals grow for ever?
#
# <details><summary>Make a guess, then open</summary>
# No. During a longer interval, the count a decays further. In the end each spike adds exactly
# what decayed in the interval before it.
# </details>

# %%
drive = [constant_drive(strong_current, tau=tau, dt=dt)] * round(800 / dt)
v, a, rows = 0.0, 0.0, []
for x in drive:
    h, threshold = exp_decay(tau, dt) * v + x, 1 + adaptation * a
    s = 1.0 if h >= threshold else 0.0
    v = h - s
    a = exp_decay(tau_adapt, dt) * a + s
    rows.append((h, s, threshold))
adapting_h, adapting_spikes, thresholds = np.array(rows).T

intervals = np.diff(np.flatnonzero(adapting_spikes)) * dt
without = tau * math.log(strong_current / (strong_current - 1))
print("intervals (ms):", *intervals.astype(int))
print(f"without adaptation: {without:.1f} ms by the formula of lesson 102")
assert np.all(intervals > without)
assert intervals[-1] > 2 * intervals[0]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(2, 1, figsize=(7, 4.6), sharex=True)
plotting.trace(adapting_h, dt=dt, threshold=None, ax=axes[0], lw=0.8, color=BLUE)
axes[0].plot(np.arange(1, len(thresholds) + 1) * dt, thresholds, color="black", lw=1.2)
axes[0].text(330, 2.74, "threshold 1 + b a")
axes[0].text(330, 0.35, "potential h", color=BLUE, backgroundcolor="white")
axes[0].set(ylabel="potential (rest = 0)", xlabel="", ylim=(0, 3.2))
fired_at = (np.flatnonzero(adapting_spikes)[1:] + 1) * dt
axes[1].plot(fired_at, 1000 / intervals, "o-", ms=4, color=BLUE)
axes[1].axhline(1000 / without, color=GREY, ls="--")
axes[1].text(790, 1000 / without - 4, "without adaptation", color=GREY, ha="right", va="top")
axes[1].set(xlabel="time (ms)", ylabel="1 / interval (Hz)", ylim=(0, 110))
plt.show()

# %% [markdown]
# *The figure shows the potential before the reset and the threshold, which each spike lifts
# (above), and the inverse of each interval, drawn at the interval's end (below).* Even the first
# interval is longer than without adaptation, because the first spike has already raised the
# threshold. So the neuron reports a *change* of its input strongly (the onset, at
# 71<!-- onset_rate 0.5 --> Hz), and a constant *level* weakly (later, at
# 25<!-- level_rate 1 --> Hz).
#
# ### Exercise 2: Read the threshold (5 min)
#
# A neuron has fired at the times `spike_times` (an array, in ms). Return its threshold at a later
# time `t`. The resting threshold is 1. Each spike raises it by `b`, and the increase decays
# continuously with `tau_adapt` (ms).


# %% tags=["exercise"]
def threshold_at(t, spike_times, b, tau_adapt):
    """The threshold at time t (ms), after all of the spikes."""
    ...


# %%
check.threshold_at(threshold_at)

# %% [markdown]
# ## 3. The state of a neuron
#
# The [state](../docs/glossary.md#state) of a neuron is all that it keeps from one step to the next:
# $v$; with the options above also $i$ and $a$; with a refractory period also the number of
# refractory steps left. `LIFLayer` agrees with your loops. Careful: the argument `adaptation` is
# $b$, and `state.adaptation` is $a$.

# %%
silent = LIFLayer(tau=tau, dt=dt, tau_syn=5.0, threshold=1e9)  # a threshold out of reach
_, _, trace = silent(torch.tensor(one_spike, dtype=torch.float64)[:, None], trace=True)
assert np.allclose(trace.v[:, 0], responses[5.0], rtol=0, atol=1e-12)

adapting = LIFLayer(tau=tau, dt=dt, adaptation=adaptation, tau_adapt=tau_adapt)
spikes, state = adapting(torch.tensor(drive, dtype=torch.float64)[:, None])
assert np.array_equal(spikes[:, 0], adapting_spikes)
assert math.isclose(state.adaptation.item(), a)

# %% [markdown]
# A layer of `jarvis` does not store the state. The layer takes the state as an argument, and
# returns the new state as its second result. An input has time first, then any other axes: `[T, n]`
# in lesson 101, `[T, B, n]` with a batch of B samples, `[200, 1, 1]` below.
#
# Suppose the input is a stream and arrives in pieces of 20 ms. In one run, its current gives 9
# spikes in 200 ms. How many spikes do you get if you run the layer on each piece?
#
# <details><summary>Make a guess, then open</summary>
# You would get 9 if each piece continued where the last one stopped. Run it and see.
# </details>

# %%
layer = LIFLayer(tau=tau, dt=dt)
per_step = constant_drive(weak_current, tau=tau, dt=dt)
stream = torch.full((round(200 / dt), 1, 1), per_step, dtype=torch.float64)
whole, _ = layer(stream)

pieces = [layer(piece, trace=True) for piece in stream.split(round(20 / dt))]
forgetful = torch.cat([spikes for spikes, _, _ in pieces])
forgetful_h = torch.cat([trace.h for _, _, trace in pieces])
print(f"in one run: {whole.sum():.0f} spikes; in pieces: {forgetful.sum():.0f} spikes")
assert forgetful.sum() == 0 or not full_run

# %% [markdown]
# None at all. **Find the cause.** The neuron takes 22 ms to reach the threshold, and a piece lasts
# 20 ms.
#
# <details><summary>The cause</summary>
# A call without a state starts at rest. The state that a call returns is never passed on: it is the
# first "_" in "for spikes, _, _ in pieces".
# </details>
#
# **The fix** is to carry the state from one call to the next:

# %%
state, pieces = None, []
for piece in stream.split(round(20 / dt)):
    spikes, state, trace = layer(piece, state, trace=True)
    pieces.append((spikes, trace.h))
carried, carried_h = (torch.cat(parts) for parts in zip(*pieces, strict=True))
print(f"in pieces, with the state carried: {carried.sum():.0f} spikes")
assert torch.equal(carried, whole)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(7, 3))
plotting.trace(carried_h.flatten(), spikes=carried.flatten(), dt=dt, ax=ax, color=BLUE)
plotting.trace(forgetful_h.flatten(), dt=dt, ax=ax, color=ORANGE)
ax.text(4, 1.27, "state carried", color=BLUE)
ax.text(63, 1.27, "state forgotten", color=ORANGE)
ax.set(xticks=range(0, 201, 20), ylabel="potential h (threshold = 1)", ylim=(0, 1.4))
ax.grid(axis="x", lw=0.5)
plt.show()

# %% [markdown]
# *The figure shows the stream in pieces of 20 ms (grid lines), with the state carried and
# forgotten. Dashed: the threshold.* Silence is easy to notice. Cut the stream only once, in the
# middle:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
first, second = stream.chunk(2)
spikes_1, half = layer(first)
spikes_2, _ = layer(second, half)
forgot_2, _ = layer(second)
shift = int(forgot_2.flatten().argmax() - spikes_2.flatten().argmax()) * dt
print(f"cut once, in the middle: v there is {half.v.item():.2f}; without it the next spike "
      f"is {shift:g} ms late")  # fmt: skip
assert torch.equal(torch.cat([spikes_1, spikes_2]), whole)
assert shift > 0

# %% [markdown]
# Nothing warns you. **Rule:** a new sample starts with `state=None`. When a sample continues, its
# state is carried over.
#
# ### Exercise 3: Read a stream (8 min)
#
# `stream` is a list of pairs `(piece, is_new)`: a piece `[T, 1, 1]` of input, and whether a new
# recording begins with it. Run `layer` over all pieces and return a list: the number of spikes of
# each recording.


# %% tags=["exercise"]
def count_per_recording(layer, stream):
    """The number of spikes of each recording in the stream."""
    ...


# %%
check.count_per_recording(count_per_recording)

# %% [markdown]
# ## 4. Carry a state through training
#
# During training, PyTorch remembers how each number was computed, so that `backward()` can
# differentiate it. This includes the state. (How a spike can have a gradient:
# [301](301_surrogate_gradients.ipynb). You may read this section after that lesson.) Here we want
# the gradient of a single weight $w$. Run a piece, call `backward`, and carry the state to the next
# piece. What happens at the second `backward`?

# %%
w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)


def train_step(piece, state):
    """One backward pass on one piece of the stream; returns the state after it."""
    spikes, state = layer(w * piece, state)
    loss = (spikes.mean() - 0.1) ** 2  # ask for 0.1 spikes per step
    loss.backward()
    return state


state, message = None, ""
try:
    for number, piece in enumerate(stream.split(round(50 / dt))[:2], start=1):
        state = train_step(piece, state)
        print(f"piece {number}: gradient {w.grad.item():+.4f}")
except RuntimeError as error:
    message = str(error)
    print(f"piece {number}: RuntimeError: {message.split('.')[0]}.")
assert "second time" in message

# %% [markdown]
# **The cause:** the carried `v` was computed in the first piece. The second `backward` goes back
# into that piece, whose intermediate values PyTorch has freed. With `retain_graph=True`, which the
# full message suggests, every step would differentiate through the entire past.
#
# **The fix:** [`state.detach()`](../docs/glossary.md#detach) keeps the numbers and drops their
# history. This is called truncated backpropagation through time. The spikes stay the same, but the
# gradient of a piece no longer sees how $w$ changed the piece's initial state. (`w.grad`
# accumulates over the pieces.)

# %%
w.grad, state = None, None
for number, piece in enumerate(stream.split(round(50 / dt)), start=1):
    state = train_step(piece, None if state is None else state.detach())
    print(f"piece {number}: sum of gradients {w.grad.item():+.4f}, v carried {state.v.item():.3f}")
assert torch.isfinite(w.grad)

# %% [markdown]
# ## Summary
#
# 1. A synaptic current makes a response later, rounder and larger, so scale the weights down.
# 2. An adaptive threshold rises with each spike and recovers slowly, so intervals grow to a
#    constant.
# 3. The state is an argument and a result of each call. A new sample starts with `None`.
# 4. Between training steps, `state.detach()` keeps the numbers and drops their history.
#
# **Next.** [104](104_adex.ipynb): adaptation by a current.
#
# **See also.** [605](605_conductances.ipynb): synapses as conductances; ours are
# [current-based](../docs/glossary.md#current-based-synapse). [701](701_debugging.ipynb): a leftover
# state.
#
# ## Further reading
#
# - Benda & Herz 2003, Neural Comput. 15:2523,
#   [doi:10.1162/089976603322385063](https://doi.org/10.1162/089976603322385063): adaptation.
# - Bellec et al. 2020, Nat. Commun. 11:3625,
#   [doi:10.1038/s41467-020-17236-y](https://doi.org/10.1038/s41467-020-17236-y): adaptive
#   thresholds as a memory.
# - Williams & Peng 1990, Neural Comput. 2:490,
#   [doi:10.1162/neco.1990.2.4.490](https://doi.org/10.1162/neco.1990.2.4.490).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
numbers = {
    "total_current": 1 / (1 - exp_decay(5.0, dt)),
    "total_fine": 1 / (1 - exp_decay(5.0, 0.1)),
    "onset_rate": 1000 / intervals[0],
    "level_rate": 1000 / intervals[-10:].mean(),
}
record("results/103_synapses_and_state.json", numbers, full=full_run)
