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
# # Find a pattern that nobody marked
#
# A thousand inputs fire at random. Now and then the same 50 ms of spikes recur, and nobody tells
# the neuron when. You watch it fail twice, and then succeed. Controls show what it has learned.
#
# **Time.** 55 minutes for you, 2 minutes for the machine.
# **You need.** [401](401_stdp.ipynb), for traces and the drift of a weight; the neuron of
# [101](101_leaky_neuron.ipynb).
# **Leads to.** [403](403_features.ipynb) Patterns in pictures, and learning from reward.
#
# ## Objectives
#
# After this lesson you can
#
# 1. close the loop from weights to spikes and from spikes to weights,
# 2. say how the balance of potentiation and depression decides between silence and runaway firing,
# 3. state a chance level, and use a control to test what a detector relies on,
# 4. predict which synapses win, and why the output spike comes earlier and earlier,
# 5. make neurons share the work by lateral inhibition.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import LIFParams, PairSTDP, lif_step, plotting
from jarvis.classroom import lesson
from jarvis.classroom.check import find_a_pattern as check
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "length": 4, "n_streams": 1}}
full_run = True
seed = 2
n_inputs, rate = 1000, 30.0  # inputs, and the rate of each (Hz)
slot = 50  # length of a pattern, ms
length = 60  # of a stream, s
n_streams = 10  # further streams, with patterns of their own
tau = 10.0  # membrane time constant of the neuron, ms
a_plus = 0.005  # of the pair rule; its time constants, ms:
tau_plus, tau_minus = 16.8, 33.7

# %% [markdown]
# ## 1. Can you see the pattern?
#
# Each input is a Poisson process of 30 Hz. The stream consists of slots of 50 ms. In about a
# quarter of them, at random, the *same* spikes recur.


# %%
def stream(patterns, share, rng):
    """Spikes [T, n_inputs] in which patterns recur, and the pattern in each slot (-1: none)."""
    n_slots = 1000 * length // slot
    spikes = rng.random((n_slots, slot, n_inputs), dtype=np.float32) < rate / 1000
    kind = rng.integers(len(patterns), size=n_slots)
    chosen = rng.random(n_slots) < share
    chosen[1:] &= ~chosen[:-1]  # never two slots in a row
    kind[~chosen] = -1
    spikes[chosen] = patterns[kind[chosen]]
    return spikes.reshape(-1, n_inputs), kind


rng = np.random.default_rng(seed)
patterns = rng.random((3, slot, n_inputs)) < rate / 1000
heard, kind = stream(patterns[:1], 0.35, rng)
counts = heard.reshape(len(kind), -1).sum(1)  # spikes in each slot
print(f"the pattern comes {(kind == 0).sum()} times and fills {(kind == 0).mean():.0%} of the time")
inside, outside = counts[kind == 0], counts[kind < 0]
print(f"spikes per slot: {inside.mean():.0f} in the pattern, {outside.mean():.0f} elsewhere, "
      f"with a standard deviation of {outside.std():.0f}")  # fmt: skip
assert abs(inside.mean() - outside.mean()) < 2 * outside.std()


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def mark(ax, kind):
    """Shade the slots of the first pattern."""
    for k in np.flatnonzero(kind == 0):
        ax.axvspan(k * slot, (k + 1) * slot, color=ORANGE, alpha=0.35, lw=0)


k0 = max(range(len(kind) - 10), key=lambda k: (kind[k : k + 10] == 0).sum())
_, axes = plt.subplots(2, 1, figsize=(7, 5), sharex=True)
for ax, title in zip(axes, ("100 of the inputs", "the same, with the pattern marked"), strict=True):
    plotting.raster(heard[k0 * slot : (k0 + 10) * slot, :100], ax=ax, s=4)
    ax.set(ylabel="input", title=title)
axes[0].set_xlabel("")
mark(axes[1], kind[k0 : k0 + 10])
plt.show()

# %% [markdown]
# *The figure shows 100 inputs in the half second with the most patterns: plain (above), and with
# the pattern marked in orange (below).* The total number of spikes does not give the pattern away.
# What recurs is *how often* each input fires, and *when*.
#
# ### Exercise 1: State the chance level (4 min)
#
# A useless neuron fires at random, as a Poisson process of rate `hz`. In what share of the slots of
# `slot` ms does it fire at least once?


# %% tags=["exercise"]
def chance_hits(hz, slot):
    """Share of the slots (ms) in which a Poisson process (Hz) has at least one spike."""
    ...


# %%
if check.chance_hits(chance_hits):
    for hz in (1, 10, 50):
        print(f"at {hz} Hz, {chance_hits(hz, slot):.0%} of the slots are hit by chance")

# %% [markdown]
# ## 2. What if a neuron learns while it listens?
#
# Take the neuron of lesson 101, but let each spike set $v$ to 0 (a hard reset). All weights start
# at 0.5, and with the chosen gain the mean input just reaches the threshold.

# %%
gain = 1 / (n_inputs * rate / 1000 * 0.5 * tau)
leak, decay_plus, decay_minus = (math.exp(-1 / t) for t in (tau, tau_plus, tau_minus))


def listen(spikes, weight, ratio, inhibition=0.0):
    """Answer a stream [T, n_inputs] and learn from it; a_minus is `ratio` a_plus.

    Returns the output spikes [T, n] and the weight [n, n_inputs] at the end.
    """
    w, n = weight.copy(), len(weight)
    v, r, o = np.zeros(n), np.zeros(n_inputs), np.zeros(n)  # potential, traces of pre and post
    out = np.zeros((len(spikes), n), bool)
    for t, x in enumerate(spikes):
        active = np.flatnonzero(x)
        v = leak * v + gain * w[:, active].sum(1)  # the neuron: leak and input,
        fired = v >= 1  # threshold,
        v[fired] = 0  # reset
        v -= inhibition * (fired.sum() - fired)  # for section 5
        r, o = decay_plus * r, decay_minus * o  # the rule: traces decay,
        r[active] += 1  # spikes of pre enter,
        w[fired] += a_plus * r  # spikes read the other's trace,
        w[:, active] -= ratio * a_plus * o[:, None]
        np.clip(w, 0, 1, out=w)
        o[fired] += 1  # and spikes of post enter last
        out[t] = fired
    return out, w


# %% [markdown]
# **The library does the same**, but more slowly, so compare only the first second.

# %%
start = np.full((1, n_inputs), 0.5)
out, weight = listen(heard[:1000], start, 0.6)

neuron = LIFParams(tau=tau, reset="zero")
rule = PairSTDP(a_plus=a_plus, a_minus=0.6 * a_plus, tau_plus=tau_plus, tau_minus=tau_minus)
w, state, traces, spikes = torch.tensor(start), None, None, []
for x in torch.tensor(heard[:1000], dtype=torch.float64)[:, None]:  # [B=1, n_inputs]
    fired, state = lif_step(gain * x @ w.T, state, neuron)
    change, traces = rule.step(x, fired, w, traces)
    w = w + change
    spikes.append(fired.item())
assert np.array_equal(spikes, out[:, 0])
assert np.allclose(w, weight, atol=1e-9)

# %% [markdown]
# Chance pairs cause no drift when $A_-$ is about half of $A_+$ (lesson 401). Try ratios of 0.4, 0.6
# and 1.2. What will the neuron do?
#
# <details><summary>Make a guess, then open</summary>
# With 0.4 every weight grows, so the neuron fires more, and weights grow faster: it runs away. With
# 1.2 every weight shrinks until the neuron hardly fires.
# </details>

# %%
tries = {}
for ratio in (0.4, 0.6, 1.2):
    out, w = listen(heard[:10_000], start, ratio)
    tries[ratio] = 2 * out.reshape(-1, 500).sum(1)  # Hz, in bins of 0.5 s
    print(f"ratio {ratio}: mean weight {w.mean():.2f}, {tries[ratio][-1]} Hz at the end")
assert tries[0.4][-1] > tries[0.6][-1] >= tries[1.2][-1]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
for (ratio, hz), colour in zip(tries.items(), (ORANGE, GREEN, BLUE), strict=True):
    times = 0.5 * np.arange(1, len(hz) + 1)
    ax.plot(times, hz, "o-", ms=3, color=colour, label=f"$A_-$ = {ratio} $A_+$")
ax.set(xlabel="time (s)", ylabel="output rate (Hz)", ylim=(-3, None))
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# *The figure shows how often the neuron fires, in bins of 0.5 s, for three strengths of
# depression.* At 0.6 depression wins only slightly: weights fall on average, but inputs that *keep*
# arriving just before the output spike can stay strong.
#
# ## 3. Does it find the pattern?
#
# Present the whole minute, and two controls. In the first, nothing repeats. The second is stricter:
# each time the pattern comes, every input fires *as often* as in the pattern, but at new random
# times. A neuron that learns only *which* inputs are busy would find these slots, too.


# %%
def shuffled_times(spikes, kind, pattern, rng):
    """The stream with new times for the spikes of each input, in each slot with the pattern."""
    slots = spikes.reshape(-1, slot, n_inputs).copy()
    for k in np.flatnonzero(kind == 0):
        slots[k] = rng.permuted(pattern, axis=0)
    return slots.reshape(-1, n_inputs)


def judged(out, kind):
    """Of each slot with the pattern: hit or not, and the latency (ms); spikes in other slots."""
    slots = out[:, 0].reshape(-1, slot)
    inside = slots[kind == 0]
    return inside.any(1), inside.argmax(1) + 1.0, slots[kind < 0].sum(1)


def respond(spikes, weight):
    """The potential of a neuron that listens and does not learn, before each reset, [T]."""
    v, course = 0.0, []
    for x in spikes:
        h = leak * v + gain * weight[0, x].sum()
        v = 0.0 if h >= 1 else h
        course.append(h)
    return np.array(course)


# %%
noise = rng.random(heard.shape, dtype=np.float32) < rate / 1000
streams = {
    "pattern": heard,
    "nothing repeats": noise,
    "times shuffled": shuffled_times(heard, kind, patterns[0], rng),
}
results = {name: listen(spikes, start, 0.6) for name, spikes in streams.items()}
table = {}
for name, (out, _) in results.items():
    late = len(kind) * 3 // 4  # the last quarter
    hit, latency, false = judged(out[late * slot :], kind[late:])
    hz = 1000 * false.sum() / (len(false) * slot)
    chance = 1 - math.exp(-hz * slot / 1000)
    table[name] = hit.mean(), chance, latency[hit].mean() if hit.any() else math.nan, hz
    print(f"{name:>15}: hits {hit.mean():4.0%}, by chance {chance:4.0%}; "
          f"{hz:.2f} spikes/s outside")  # fmt: skip
if full_run:
    assert table["pattern"][0] > 0.95
    assert all(table[name][0] < 0.2 for name in ("nothing repeats", "times shuffled"))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
begins = np.arange(len(kind)) * slot / 1000  # s
hit, latency, false = judged(results["pattern"][0], kind)
_, axes = plt.subplots(1, 2, figsize=(8, 3.1))
axes[0].plot(begins[kind == 0][hit], latency[hit], ".", color=BLUE, ms=5)
axes[0].set(xlabel="time (s)", ylabel="latency in the pattern (ms)", ylim=(0, slot))
edges = np.linspace(0, length, 13)
quiet = np.histogram(begins[kind < 0], edges)[0] * slot / 1000  # s without the pattern in each bin
for name, colour in (("pattern", BLUE), ("nothing repeats", GREY), ("times shuffled", PURPLE)):
    false = judged(results[name][0], kind)[2]
    hz = np.histogram(begins[kind < 0], edges, weights=false)[0] / np.maximum(quiet, 1e-9)
    axes[1].plot((edges[1:] + edges[:-1]) / 2, hz, "o-", ms=4, color=colour, label=name)
axes[1].set(xlabel="time (s)", ylabel="spikes outside the pattern (1/s)", ylim=(-1, None))
axes[1].legend()
plt.show()

# %% [markdown]
# *The figure shows the latency of the neuron's first spike each time the pattern comes (left), and
# how often it fires outside the pattern, compared with both controls (right).* At first it fires
# inside and outside the pattern alike. But in the pattern the same inputs always come just before
# its spike, and gain weight. In the last quarter it fires in 100<!-- hits 0.5 --> % of the
# patterns, 3.6<!-- latency 0.1 --> ms after their start, and practically never outside. A
# neuron that learns with shuffled times finds nothing: here, the rates alone are not enough.
#
# One stream proves little. Try 10<!-- streams 0 --> more streams, each with its own pattern, noise
# and shuffled control.

# %%
found = {"pattern": [], "times shuffled": []}
for s in range(n_streams):
    other = np.random.default_rng(100 + s)
    its = other.random((1, slot, n_inputs)) < rate / 1000
    its_stream, its_kind = stream(its, 0.35, other)
    mixed = shuffled_times(its_stream, its_kind, its[0], other)
    late = len(its_kind) * 3 // 4
    for name, spikes in (("pattern", its_stream), ("times shuffled", mixed)):
        out, _ = listen(spikes, start, 0.6)
        hit, _, false = judged(out[late * slot :], its_kind[late:])
        found[name].append((hit.mean(), 1000 * false.sum() / (len(false) * slot)))
times_found = {}
for name, each in found.items():
    print(f"{name:>15}: hits    ", *(f"{share:>5.0%}" for share, _ in each))
    print(f"{'':>15}  outside ", *(f"{hz:>5.1f}" for _, hz in each), "spikes/s")
    times_found[name] = sum(share > 0.9 and hz < 0.5 for share, hz in each)
assert not full_run or times_found["pattern"] > 5 * times_found["times shuffled"]

# %% [markdown]
# The neuron finds the pattern in 8<!-- found 0 --> of 10<!-- streams 0 --> streams: it fires in
# more than 90 % of the patterns, and outside them less than once in 2 s. With shuffled times, it
# finds the slots in 1<!-- found_shuffled 0 --> of 10<!-- streams 0 --> streams: there the neuron
# has learned which inputs are busy.
#
# ### Exercise 2: Jitter the pattern (7 min)
#
# How precisely must the times repeat? Move each spike of the pattern by its own random number of
# whole ms, evenly drawn from `-size` to `size`. A spike that leaves the slot at one end comes in at
# the other end. If two spikes of an input meet, keep one.


# %% tags=["exercise"]
def jitter(pattern, size, rng):
    """The pattern [T, n_inputs], bool, with each spike moved by up to `size` ms; rng is NumPy's."""
    ...


# %%
if check.jitter(jitter):
    sizes, hits = (0, 1, 2, 3, 5, 8, 12), []
    for size in sizes:
        test = rng.random((60, slot, n_inputs), dtype=np.float32) < rate / 1000
        for k in range(1, 60, 2):
            test[k] = jitter(patterns[0], size, rng)
        h = respond(test.reshape(-1, n_inputs), results["pattern"][1])
        hits.append((h.reshape(60, slot)[1::2] >= 1).any(1).mean())
    plt.plot(sizes, hits, "o-", color=BLUE)
    plt.gca().set(xlabel="jitter (ms)", ylabel="share of patterns hit", ylim=(-0.03, 1.03))
    plt.show()

# %% [markdown]
# <details><summary>How precisely, then?</summary>
# To a few ms. 1 ms costs nothing, and 5 ms nearly all hits; where they are lost in between differs
# from neuron to neuron. The neuron responds to the first few ms of the pattern, which jitter smears
# out.
# </details>
#
# ## 4. Which synapses win?
#
# Why did the latency fall?
#
# <details><summary>Make a guess, then open</summary>
# Inputs just before the output spike gain, so this spike comes a little earlier next time, and then
# still earlier inputs gain. The spike moves to the start of the pattern, before which nothing
# repeats.
# </details>

# %%
weight = results["pattern"][1]
potential = {
    name: respond(heard[-1000:], w) for name, w in (("before learning", start), ("after", weight))
}
first_spike = patterns[0].argmax(0)  # of each input in the pattern, ms
silent = ~patterns[0].any(0)
early = weight[0][~silent & (first_spike < 3)]
later = weight[0][~silent & (first_spike >= 5) & (first_spike < 20)]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplot_mosaic(
    [["before learning", "w"], ["after", "w"]], figsize=(9.5, 4.2), width_ratios=[3, 2]
)
for name, h in potential.items():
    plotting.trace(h, spikes=h >= 1, ax=axes[name], lw=0.8)
    axes[name].set(title=name, ylabel="potential h")
    mark(axes[name], kind[-20:])
axes["before learning"].set_xlabel("")
axes["w"].plot(first_spike[~silent], weight[0][~silent], ".", ms=3, color=BLUE)
axes["w"].plot(np.full(silent.sum(), -3), weight[0][silent], ".", ms=3, color=GREY)
axes["w"].set(xlabel="first spike in the pattern (ms); grey: none", ylabel="weight after learning")
plt.show()
assert not full_run or early.mean() > 0.8 > 0.4 > later.mean()

# %% [markdown]
# *The figure shows the potential in the last second, before and after learning, with the pattern in
# orange (left), and each input's weight against the time at which it first fires in the pattern
# (right).* After learning, noise alone leaves the neuron below its threshold, and the pattern makes
# it fire at once. Inputs that fire in the first 3 ms have a mean weight of 0.89<!-- early 0.02 -->.
# Inputs that fire at 5 to 20 ms come too late each time, and their mean weight has fallen to
# 0.21<!-- later 0.02 -->. The grey inputs, which do not fire in the pattern, gain weight: these
# inputs can fire just before a pattern, but not in the 50 ms after its start.
#
# ### Exercise 3: Predict who gains (8 min)
#
# A pattern has one row per ms, and a neuron fires once, in row `t_out`. By how much does each
# input's weight change? Input spikes in row `t_out` count as earlier.


# %% tags=["exercise"]
def gains(pattern, t_out, a_plus, a_minus, tau_plus, tau_minus):
    """Change of each weight, [n_inputs], by one spike at t_out; pattern is [T, n_inputs], bool."""
    ...


# %%
if check.gains(gains):
    _, ax = plt.subplots()
    for t_out, colour in ((30, BLUE), (20, GREEN), (10, PURPLE)):
        dw = gains(patterns[0], t_out, a_plus, 0.6 * a_plus, tau_plus, tau_minus)
        mean = [dw[~silent & (first_spike == t)].mean() for t in range(slot)]
        ax.plot(1000 * np.array(mean), color=colour, label=f"output at {t_out} ms")
    ax.axhline(0, color=GREY, lw=0.7)
    ax.set(xlabel="first spike of an input (ms)", ylabel="mean change of w (1/1000)")
    ax.legend()
    plt.show()

# %% [markdown]
# ## 5. Do four neurons find three patterns?
#
# Now three patterns recur, for four neurons with random weights. Will the neurons share the
# patterns?
#
# <details><summary>Make a guess, then open</summary>
# No. Nothing tells a neuron what the others do, and a pattern that is easy for one neuron is easy
# for all.
# </details>
#
# The remedy is one line in `listen`: each spike lowers the potential of all *other* neurons, here
# by four thresholds. The first neuron to fire keeps the others from firing, and so from learning
# its pattern. This is [lateral inhibition](../docs/glossary.md#lateral-inhibition); the result is
# called [winner-take-all](../docs/glossary.md#winner-take-all).


# %%
def answered(out, kind):
    """Share of the slots with each pattern, and with none, in which each neuron fires, [n, 4]."""
    fired = out.reshape(len(kind), slot, -1).any(1)
    shares = [fired[kind == k].mean(0) if (kind == k).any() else fired[0] for k in (0, 1, 2, -1)]
    return np.stack(shares, axis=1)


tables = {"no inhibition": [], "inhibition": []}
for s in range(n_streams):
    other = np.random.default_rng(200 + s)
    three = other.random((3, slot, n_inputs)) < rate / 1000
    crowd, kinds = stream(three, 0.6, other)
    several = np.clip(0.5 + 0.1 * other.standard_normal((4, n_inputs)), 0, 1)
    late = len(kinds) * 3 // 4
    for name, inhibition in (("no inhibition", 0.0), ("inhibition", 4.0)):
        out, _ = listen(crowd, several, 0.6, inhibition)
        tables[name].append(answered(out[late * slot :], kinds[late:]))

left_out, shared = {}, {}
for name, each in tables.items():
    n_neurons = np.array([(shares[:, :3] > 0.5).sum(0) for shares in each])  # [streams, patterns]
    left_out[name], shared[name] = (n_neurons == 0).any(1).sum(), (n_neurons > 1).any(1).sum()
    print(f"{name:>13}: in {left_out[name]} of {n_streams} streams some pattern has no neuron, in "
          f"{shared[name]} some pattern has several; without a pattern, a neuron fires in at most "
          f"{max(shares[:, 3].max() for shares in each):.0%} of the slots")  # fmt: skip
if full_run:
    assert left_out["no inhibition"] > 3 * left_out["inhibition"]
    assert shared["no inhibition"] > 3 * shared["inhibition"]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(7.4, 3.3), sharey=True)
for ax, (name, each) in zip(axes, tables.items(), strict=True):
    image = ax.imshow(each[0], vmin=0, vmax=1, cmap="Blues")
    for (i, j), share in np.ndenumerate(each[0]):
        ax.text(j, i, f"{share:.0%}", ha="center", va="center", fontsize=9,
                color="white" if share > 0.5 else "black")  # fmt: skip
    ax.set(title=name, xlabel="pattern", xticks=range(4), yticks=range(4))
    ax.set_xticklabels(("A", "B", "C", "none"))
axes[0].set_ylabel("neuron")
plt.show()

# %% [markdown]
# *The figure shows the share of slots in which each neuron fires, for each pattern and for slots
# without a pattern (last quarter of the first stream).* Without inhibition two neurons respond to
# the same pattern, and another pattern is left out. In all 10<!-- streams 0 --> streams some
# pattern has several neurons, and in 7<!-- gaps 0 --> streams some pattern has no neuron. With
# inhibition both faults are rare; some pattern lacks a neuron in 1<!-- gaps_inhibition 0 -->
# stream. The price is slightly fewer hits, and more spikes outside the patterns.
#
# ### Exercise 4: Let only one neuron win (6 min)
#
# In `listen`, all neurons that reach the threshold in the same step fire and learn: inhibition
# comes too late for them. Write a stricter rule. Of the neurons whose potential is at least 1, only
# the one with the highest potential fires. It is reset to 0, and all other neurons are lowered by
# `strength`. If no neuron reaches 1, nothing changes.


# %% tags=["exercise"]
def compete(h, strength):
    """Potentials h [n] before the reset -> potentials [n] after it, and spikes [n], bool."""
    ...


# %%
if check.compete(compete):
    v, fired = compete(np.array([0.3, 1.2, 1.5, -0.4]), 4.0)
    print("potentials", v, "fired", fired)

# %% [markdown]
# ## Summary
#
# 1. The neuron's three steps and the learning rule's four steps form one loop.
# 2. With a little more depression than potentiation, inputs that keep arriving just before the
#    output spike win.
# 3. In most streams the neuron finds the pattern. If the pattern's spike times are shuffled, it
#    hardly ever does: it mostly learns timing.
# 4. The output spike comes ever earlier, until it reaches the start of the pattern.
# 5. Inhibition makes neurons share the patterns.
#
# ## Further reading
#
# - Masquelier, Guyonneau & Thorpe (2008), PLoS ONE 3:e1377,
#   [doi](https://doi.org/10.1371/journal.pone.0001377): sections 1 to 4.
# - Masquelier, Guyonneau & Thorpe (2009), Neural Comput. 21:1259,
#   [doi](https://doi.org/10.1162/neco.2008.06-08-804): section 5.
#
# **Next.** [403](403_features.ipynb).
# **See also.** [202](202_spike_times.ipynb).

# %%
record(
    "results/402_find_a_pattern.json",
    {
        "hits": 100 * table["pattern"][0],
        "latency": table["pattern"][2] if full_run else 0.0,
        "early": early.mean(),
        "later": later.mean(),
        "streams": n_streams,
        "found": times_found["pattern"],
        "found_shuffled": times_found["times shuffled"],
        "gaps": left_out["no inhibition"],
        "gaps_inhibition": left_out["inhibition"],
    },
    full=full_run,
)
