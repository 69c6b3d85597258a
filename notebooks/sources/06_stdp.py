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
# # Let spikes teach themselves
#
# **What you will build.** Learning without gradients and without labels: a synapse changes by what
# it sees itself, the spikes before it and behind it. You start with one synapse and end with a
# neuron that finds a hidden pattern in noise, neurons that share several patterns among them, a
# layer that discovers the strokes of handwritten digits, and a network that learns from reward.
#
# **What you need.** Notebook 01 (the LIF neuron, its state) and 03 (spike codes). No GPU.
#
# **Run time.** About 2 minutes on two CPU cores. A GPU does not help: every spike depends on the
# weights that the spike before it has left.
#
# ## Objectives
#
# After this notebook you can
#
# 1. write pair-based STDP with two traces, and say why it equals the sum over all pairs,
# 2. say what the pair rule cannot do with the *rate* of pairs, and which term mends it,
# 3. make one neuron find a repeating pattern, and say how the balance of both changes matters,
# 4. make several neurons share the work by inhibition,
# 5. read the convergence measure $C_l$ and hold learned features against a baseline,
# 6. let a late reward decide which synapses change, with an eligibility trace.
#
# All parameters stand in one cell below. To try others, change them there, set `full_run = False`
# and run the notebook again. The numbers in the text are those of the values given here.

# %%
import math
import platform

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import (
    ConvSTDP,
    Events,
    LIFLayer,
    LIFParams,
    PairSTDP,
    STDPConfig,
    STDPLearner,
    WTAConfig,
    __version__,
    datasets,
    lif_step,
    plotting,
)
from jarvis.classroom import widgets
from jarvis.classroom.check import stdp as check
from jarvis.classroom.results import record
from jarvis.encoding import difference_of_gaussians, filter_images, intensity_to_latency
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, RED
from jarvis.stdp import ThreeFactorSTDP, TripletSTDP, linear_readout, stdp_window

plt.rcParams.update({"figure.figsize": (6, 2.8), "figure.dpi": 80, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {__version__}, Python {platform.python_version()}, torch {torch.__version__}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "length": 1, "epochs": 1, "blocks": 2}}
full_run = True
seed = 2
tau_plus, tau_minus = 16.8, 33.7  # reach of potentiation and depression, ms (Bi & Poo 2001)
n_inputs, rate = 1000, 30.0  # inputs of the neuron that looks for a pattern, and Hz of each
length = 60  # of what it hears, s
epochs = 12  # passes through the digits
blocks = 60  # blocks of 16 trials with reward
n_seeds = 3  # repetitions of the experiment with reward

# %%
g = torch.Generator().manual_seed(seed)
n_steps = 1000 * length  # steps of 1 ms
slot = 50  # length of a pattern, ms
print(f"{n_steps} steps of 1 ms, {n_inputs} inputs: {n_inputs * rate * length:.0f} spikes")

# %% [markdown]
# ## 1. What can a synapse learn from two spikes?
#
# A synapse joins an input neuron ("pre") to an output neuron ("post"). If pre fires shortly
# *before* post, it may have helped: strengthen it. If it fires shortly *after*, it cannot have
# helped: weaken it. With $s = t_{post} - t_{pre}$ each pair of spikes changes the weight by
#
# $$\Delta w(s) = \begin{cases} +A_+\, e^{-s/\tau_+} & s \ge 0 \\
# -A_-\, e^{\,s/\tau_-} & s < 0 \end{cases}$$
#
# This is spike-timing dependent plasticity, **STDP**. The naive program goes through all pairs:

# %%
a_plus, a_minus = 0.005, 0.003


def all_pairs(pre, post):
    """The change of one weight by two lists of spike times (ms): every pair, one by one."""
    s = np.subtract.outer(post, pre)
    up, down = a_plus * np.exp(-s / tau_plus), a_minus * np.exp(s / tau_minus)
    return np.where(s >= 0, up, -down).sum()


pre_times, post_times = np.array([10, 40, 48, 90, 130]), np.array([20, 53, 80, 131])
print(f"{len(pre_times) * len(post_times)} pairs: {all_pairs(pre_times, post_times):+.5f}")

# %% [markdown]
# It is right, and hopeless. How many pairs does one synapse have in a minute, if both neurons fire
# at 30 Hz? And all the synapses of one neuron?
#
# <details><summary>Make a guess, then open</summary>
# 1800 spikes on each side make 3.24 million pairs, for one synapse. A neuron with 1000 inputs has
# 3.24 thousand million, and the number grows with the square of the time.
# </details>
#
# ## 2. How can a synapse forget the list and keep the sum?
#
# An exponential needs no list. Keep one number for each neuron, its **trace**: it decays by
# $e^{-dt/\tau}$ in every step and rises by 1 with each spike. When post fires, the trace of pre
# *is* $\sum e^{-s/\tau_+}$ over all earlier pre spikes. One multiplication replaces the sum.

# %%
decay_plus, decay_minus = math.exp(-1 / tau_plus), math.exp(-1 / tau_minus)
pre, post = np.zeros((2, 160))
pre[pre_times], post[post_times] = 1, 1

r = o = change = 0.0
rows = []
for x, y in zip(pre, post, strict=True):
    r, o = decay_plus * r, decay_minus * o  # 1. all traces decay
    r += x  # 2. an input spike enters its trace
    change += a_plus * y * r - a_minus * x * o  # 3. spikes read the other's trace
    o += y  # 4. an output spike enters its trace, last
    rows.append((r, o, change))
traces = np.array(rows).T
print(f"by traces {change:+.5f}, by all pairs {all_pairs(pre_times, post_times):+.5f}")
assert math.isclose(change, all_pairs(pre_times, post_times))

# %%
_, axes = plt.subplots(2, 1, figsize=(6.5, 3.8), sharex=True)
for k, (when, colour, name) in enumerate(((pre_times, BLUE, "pre"), (post_times, ORANGE, "post"))):
    axes[0].plot(traces[k], color=colour, label=f"trace of {name}")
    axes[0].plot(when, 0 * when + 2.1, "|", color=colour, ms=9)
axes[0].set(ylabel="trace (spikes)")
axes[0].legend(loc="upper right", bbox_to_anchor=(1, 0.93))
axes[1].step(np.arange(160), 1000 * traces[2], where="post", color="black")
axes[1].set(xlabel="time (ms)", ylabel="change of w (1/1000)")
plt.show()

# %% [markdown]
# *Above: the spikes (marks) and both traces. Below: the weight.* It jumps up where post fires, by
# what the blue trace has then; it jumps down where pre fires, by the orange one.
#
# The order of the four lines matters where both fire **in the same step**. Here such a pair counts
# as pre before post, at $s = 0$, because a `LIFLayer` answers in step $t$ to the input of step $t$.
#
# ## 3. Is the window the formula?
#
# **The library does the same** as your four lines, for all synapses at once, with the weight held
# between `w_min` and `w_max`. Check that first. Then give one output spike at 100 ms to 33
# synapses, and to each of them one input spike at another time. What the rule makes of it must be
# $\Delta w(s)$.

# %%
rule = PairSTDP(a_plus=a_plus, a_minus=a_minus, tau_plus=tau_plus, tau_minus=tau_minus)
spikes = (torch.tensor(x, dtype=torch.float64).reshape(-1, 1, 1) for x in (pre, post))
by_library, _ = rule.run(*spikes, torch.full((1, 1), 0.5, dtype=torch.float64))
assert math.isclose(by_library.item() - 0.5, change, abs_tol=1e-12)

lags = np.arange(-80, 81, 5)
inputs, output = torch.zeros(200, 1, 33), torch.zeros(200, 1, 1)  # [T, B, n]
inputs[100 - lags, 0, range(33)] = 1
output[100] = 1
learned, _ = rule.run(inputs, output, torch.full((1, 33), 0.5))
window = (learned - 0.5).flatten().numpy()
assert np.allclose(window, stdp_window(rule, lags), atol=1e-7)

# %%
fine = np.linspace(-90, 90, 721)
_, ax = plt.subplots()
ax.plot(fine, 1000 * stdp_window(rule, fine), color="black", lw=1, label="closed form")
ax.plot(lags, 1000 * window, "o", color=BLUE, ms=4, label="PairSTDP, one pair each")
ax.set(xlabel="s = post - pre (ms)", ylabel="change of w (1/1000)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the change by one pair over its distance in time.* The dots lie on the line.
# Depression is weaker at its peak and reaches further. Its area is larger by 20 %, so that spikes
# that have nothing to do with each other weaken a synapse on average. Remember this number.
#
# ### Turn the knobs
#
# What keeps a weight within its bounds? **Hard** bounds cut off: a weight that would go beyond 1
# stops at 1. **Soft** bounds slow down: potentiation is scaled by $1 - w$, what is left above the
# weight, depression by $w$, what is left below. Run the next cell to get sliders for the window,
# with soft bounds to begin with. The line is the closed form without a cut, the dots are pairs that
# the rule was run on, and the title gives the area. Find out, before you open the answers:
#
# - Drag the weight from 0 to 1. Which side grows, which shrinks? At which weight is the area 0, and
#   what does chance do to a weight above it?
# - Choose hard bounds and a weight of 0.99. Which dots leave the line?
# - With hard bounds, set `tau_minus` to twice `tau_plus`. Which `a_minus` has an area of 0?
#
# <details><summary>Answers</summary>
# Depression grows with the weight and potentiation shrinks. The area changes its sign at 0.49:
# weights above are pulled down, weights below are pulled up, so that all end in the middle and none
# at a bound. With hard bounds nothing pulls back; at 0.99 no dot rises by more than the 0.01 that
# is left. The third: half of a_plus, 0.025.
# </details>

# %%
explorer = widgets.stdp(bounds="soft")
explorer

# %%
explorer.controls["weight"].value = 0.8  # as if you had moved it
assert not explorer.errors
widgets.draw_stdp(bounds="soft", weight=0.8)

# %% [markdown]
# *The figure is the picture above the sliders, for a weight of 0.8: the change by one pair over its
# distance in time.* Little is left above 0.8, so potentiation is a quarter as high as depression.
#
# ## 4. Does it matter how often the pairs come?
#
# Sjostrom, Turrigiano & Nelson (2001) repeated a pair 60 times or so, at different rates, with pre
# 10 ms before or 10 ms after post. What does the pair rule predict at 50 Hz, where a pair comes
# every 20 ms and all pairs overlap?
#
# <details><summary>Make a guess, then open</summary>
# Nearly the same for both orders. A pre spike 10 ms before one post spike is also 10 ms after the
# last one. And since depression has the larger area, more rate means more *depression*.
# </details>


# %%
def sixty_pairs(rule, rate):
    """Change by 60 pairs at a rate (Hz), for pre 10 ms before and 10 ms after post."""
    n, period = (60, round(1000 / rate / 5)) if rate >= 1 else (1, 1)  # 0.1 Hz: each pair alone
    pre, post = torch.zeros(n * period + 9, 1, 2), torch.zeros(n * period + 9, 1, 1)
    post[4 : 4 + n * period : period] = 1  # in steps of 5 ms
    pre[2 : 2 + n * period : period, 0, 0] = 1
    pre[6 : 6 + n * period : period, 0, 1] = 1
    return 60 / n * rule.run(pre, post, torch.zeros(1, 2))[0].flatten()


rates = (0.1, 10, 20, 40, 50)
options = dict(dt=5.0, bounds="none")
pair = PairSTDP(a_plus=0.005, a_minus=0.0071, tau_plus=tau_plus, tau_minus=tau_minus, **options)
triplet = TripletSTDP.from_paper("visual_cortex", **options)
predicted = {
    name: torch.stack([sixty_pairs(rule, hz) for hz in rates]).numpy()
    for name, rule in {"pair rule": pair, "triplet rule": triplet}.items()
}

# %%
measured_changes = np.array(  # Sjostrom et al., as given by Pfister & Gerstner (2006)
    [[-0.04, 0.14, 0.29, 0.53, 0.56], [-0.29, -0.41, -0.34, 0.56, 0.75]]
)
errors = np.array([[0.05, 0.10, 0.14, 0.11, 0.26], [0.08, 0.11, 0.10, 0.32, 0.19]])
_, axes = plt.subplots(1, 2, figsize=(8, 2.9), sharey=True)
for ax, (name, values) in zip(axes, predicted.items(), strict=True):
    for k, (colour, order) in enumerate(((BLUE, "pre 10 ms before"), (RED, "pre 10 ms after"))):
        ax.errorbar(rates, measured_changes[k], errors[k], fmt="o", color=colour, ms=4)
        ax.plot(rates, values[:, k], color=colour, label=order)
    ax.axhline(0, color=GREY, lw=0.7)
    ax.set(xlabel="rate of the pairs (Hz)", title=name)
axes[0].set_ylabel("relative change of w")
axes[0].legend()
plt.show()
misfit = {k: np.mean(((v.T - measured_changes) / errors) ** 2) for k, v in predicted.items()}
assert misfit["triplet rule"] < 0.1 * misfit["pair rule"]

# %% [markdown]
# *The figure shows the measured changes (dots with errors) and both rules (lines).* The pair rule
# misses the data in kind: measured changes rise with the rate, and the pair rule's fall.
#
# **The mend** looks at *three* spikes. A second, slower trace of post, read just before its own
# spike is added, multiplies the potentiation: $\Delta w = r_1\,(A_2^+ + A_3^+\, o_2)$. Output
# spikes that follow one another closely potentiate more. In visual cortex $A_2^+$ is practically 0:
# *all* potentiation comes from triplets.
#
# Its mean squared error, in units of the measurement's own, is 0.3; the pair rule's is 14.3. In the
# rest of the notebook rates stay low, and the pair rule will do.
#
# ## 5. Can you see the pattern?
#
# Now a neuron with many inputs. Each fires at random with 30 Hz, for a minute. But somewhere in
# there the *same* 50 ms come again and again. Half a second of it is drawn below. Do you see where?


# %%
def stream(patterns, share, g):
    """Noise in which patterns recur: spikes [T, N], and which pattern each slot holds (or -1)."""
    n_slots = n_steps // slot
    kind = torch.randint(len(patterns), (n_slots,), generator=g)
    chosen = torch.rand(n_slots, generator=g) < share
    chosen[1:] &= ~chosen[:-1]  # mostly noise between two of them
    kind[~chosen] = -1
    spikes = (torch.rand(n_slots, slot, n_inputs, generator=g) < rate / 1000).float()
    spikes[chosen] = patterns[kind[chosen]]
    return spikes.flatten(0, 1), kind


patterns = (torch.rand(3, slot, n_inputs, generator=g) < rate / 1000).float()
heard, kind = stream(patterns[:1], 0.35, g)
print(f"the pattern comes {(kind == 0).sum()} times and fills {(kind == 0).float().mean():.0%}")


# %%
def mark(ax, kind):
    """Shade the slots of the first pattern."""
    for k in (kind == 0).nonzero()[:, 0].tolist():
        ax.axvspan(k * slot, (k + 1) * slot, color=ORANGE, alpha=0.35, lw=0)


_, axes = plt.subplots(2, 1, figsize=(7, 4.6), sharex=True)
for ax, title in zip(axes, ("100 of the inputs", "the same, with the pattern marked"), strict=True):
    plotting.raster(heard[:500, :100], ax=ax, s=3)
    ax.set(ylabel="input", title=title)
mark(axes[1], kind[:10])
plt.show()

# %% [markdown]
# *The figure shows the spikes of 100 inputs: plain, and with the 50 ms that recur in orange.* No
# count gives it away: together the inputs fire as often inside the pattern as outside. Only the
# *timing* comes again.
#
# ## 6. What if a neuron listens with STDP?
#
# The neuron is that of notebook 01, with a time constant of 10 ms, and starts with all weights at
# 0.5. The gain is chosen so that the mean input just reaches the threshold. `rule.step` returns the
# *change* of the weights and the new traces; both neuron and rule have their state in your hands.

# %%
neuron = LIFParams(tau=10.0, reset="zero", refractory=5.0)
gain = 1 / (n_inputs * rate / 1000 * 0.5 * neuron.tau)


def listen(spikes, weight, rule, inhibition=0.0):
    """Hear a stream [T, N] and learn from it: output spikes [T, n] and the weight [n, N]."""
    state = traces = None
    out = []
    for x in spikes[:, None]:  # [B=1, N]
        fired, state = lif_step(gain * x @ weight.T, state, neuron)
        if inhibition:  # each spike pushes all other neurons down
            others = fired.sum(1, keepdim=True) - fired
            state = state._replace(v=state.v - inhibition * others)
        change, traces = rule.step(x, fired, weight, traces)
        weight = weight + change
        out.append(fired[0])
    return torch.stack(out), weight


# %% [markdown]
# The balance of the two changes decides everything. First try: potentiation has the larger area
# (`a_minus` 0.4 of `a_plus`). Second: depression twice as large as it ought to be (1.2).


# %%
def balanced(ratio):
    """A pair rule whose a_minus is this fraction of its a_plus."""
    return PairSTDP(a_plus=a_plus, a_minus=ratio * a_plus, tau_plus=tau_plus, tau_minus=tau_minus)


start, tries = torch.full((1, n_inputs), 0.5), {}
for ratio in (0.4, 0.6, 1.2):
    out, w = listen(heard[:8000], start, balanced(ratio))
    tries[ratio] = out.unflatten(0, (-1, 500)).mean((1, 2)) * 1000
    print(f"a_minus = {ratio} a_plus: mean weight {w.mean():.2f} at the end")

# %%
_, ax = plt.subplots()
for (ratio, values), colour in zip(tries.items(), (RED, GREEN, BLUE), strict=True):
    times = 0.5 * np.arange(1, len(values) + 1)
    ax.plot(times, values, "o-", ms=3, color=colour, label=f"a_minus = {ratio} a_plus")
ax.set(xlabel="time (s)", ylabel="output rate (Hz)", ylim=(0, None))
ax.legend()
plt.show()
assert tries[0.4][-1] > tries[1.2][-1]

# %% [markdown]
# *The figure shows how often the neuron fires, in bins of 0.5 s, for three balances.* With too
# little depression every weight climbs, the neuron fires more, so every weight climbs: nothing
# stops it. With too much it falls nearly silent, and so hardly learns. In between, depression
# wins for what is random, and only inputs that *keep* arriving before the output spike hold out.
# That is why the window above has 20 % more area below than above.
#
# Does that neuron find the pattern? Let it hear the whole minute.

# %%
out, weight = listen(heard, start, balanced(0.6))


def answers(out, kind, k=0):
    """Of each coming of pattern k: whether each neuron fired in it, and how soon (ms)."""
    inside = out.unflatten(0, (-1, slot))[kind == k]  # [comings, slot, n]
    return inside.any(1), inside.argmax(1) + 1.0


hit, latency = answers(out, kind)
false = out.unflatten(0, (-1, slot))[kind < 0].sum((1, 2))  # spikes in each slot of noise
last = slice(-len(hit) // 4, None)
print(f"last quarter: fires in {hit[last].float().mean():.0%} of the patterns, "
      f"{latency[last][hit[last]].mean():.1f} ms after their start")  # fmt: skip

# %%
_, axes = plt.subplots(1, 2, figsize=(8, 2.9))
begins = torch.arange(len(kind)) * slot / 1000  # s
axes[0].plot(begins[kind == 0][hit[:, 0]], latency[hit], ".", color=BLUE, ms=5)
axes[0].set(xlabel="time (s)", ylabel="latency in the pattern (ms)", ylim=(0, slot))
bins = np.arange(0, length + 1, max(1, length // 12))
axes[1].hist(begins[kind < 0], bins, weights=false / bins[1], color=RED)
axes[1].set(xlabel="time (s)", ylabel="spikes outside the pattern (1/s)")
plt.show()

# %% [markdown]
# *Left: each dot is a coming of the pattern, at the time that the neuron took to fire. Right: how
# often it fired where there was no pattern.* Nobody told it that there is a pattern, how long it
# is, or when it comes. At first it fires anywhere. By chance some spikes fall into the pattern,
# always the same inputs come just before, and gain. In the last quarter it fires in every pattern,
# 2.6 ms after its start, and never outside.
#
# And it becomes faster. **Why does the latency fall?**
#
# <details><summary>Make a guess, then open</summary>
# The inputs just before the output spike gain. So the threshold is reached a little sooner next
# time. Then other, still earlier inputs are the ones just before it. The spike walks back to the
# beginning of the pattern, where nothing earlier repeats.
# </details>
#
# Hold the weights fixed and look inside: which synapses did it keep?

# %%
layer = LIFLayer(tau=10.0, reset="zero", refractory=5.0)
_, axes = plt.subplot_mosaic(
    [["before learning", "w"], ["after", "w"]], figsize=(9.5, 3.8), width_ratios=[3, 2]
)
for name, w in (("before learning", start), ("after", weight)):
    s, _, trace = layer(gain * heard[-1000:, None] @ w.T, trace=True)
    plotting.trace(trace.h.flatten(), spikes=s.flatten(), ax=axes[name], lw=0.8)
    axes[name].set(title=name, ylabel="potential h")
    mark(axes[name], kind[-20:])
moment = patterns[0].argmax(0)  # when each input first fires in the pattern, ms
silent = ~patterns[0].any(0)
axes["w"].plot(moment[~silent], weight[0][~silent], ".", ms=3, color=BLUE)
axes["w"].plot(torch.full((int(silent.sum()),), -3), weight[0][silent], ".", ms=3, color=GREY)
axes["w"].set(xlabel="first spike in the pattern (ms); grey: none", ylabel="weight after learning")
plt.show()
early, later = weight[0][~silent & (moment < 3)], weight[0][(moment >= 3) & (moment < 20)]

# %% [markdown]
# *Left: the potential in the last second (threshold dashed, spikes as triangles). The pattern is
# orange.* Before, the spikes come anywhere. After, noise leaves the neuron well below its
# threshold, and each pattern lifts it across at once.
#
# *Right: each input's weight over the time at which it first fires in the pattern.* The inputs of
# the first 3 ms have gone to 1 (mean 0.92): they make the spike. Those that fire just after it come
# too late every time, and have fallen (mean 0.16, up to 20 ms). Inputs that are silent in the
# pattern (grey) only fire at random, and have stayed between 0.48 and 0.69.
#
# ## 7. Do four neurons find three patterns?
#
# Now three patterns recur, and four neurons listen. Each starts with weights of its own. What will
# they learn? One each?
#
# <details><summary>Make a guess, then open</summary>
# Nothing tells a neuron what the others do. Each learns as if it were alone, and what is easy to
# find for one is easy to find for all.
# </details>

# %%
crowd, kinds = stream(patterns, 0.6, g)
several = (0.5 + 0.1 * torch.randn(4, n_inputs, generator=g)).clamp(0, 1)
tables, n_late = {}, len(kinds) // 4  # slots of the last quarter
for name, inhibition in (("no inhibition", 0.0), ("inhibition", 4.0)):
    out4, _ = listen(crowd, several, balanced(0.6), inhibition)
    recent = [answers(out4[-n_late * slot :], kinds[-n_late:], k)[0] for k in range(3)]
    tables[name] = torch.stack([r.float().mean(0) for r in recent], dim=1).nan_to_num()

# %%
_, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), sharey=True)
for ax, (name, table) in zip(axes, tables.items(), strict=True):
    image = ax.imshow(table, vmin=0, vmax=1, cmap="Blues")
    ax.set(title=name, xlabel="pattern", xticks=range(3), xticklabels="ABC", yticks=range(4))
axes[0].set_ylabel("neuron")
plt.colorbar(image, ax=axes, label="share of patterns answered", shrink=0.8)
plt.show()

# %% [markdown]
# *The figure shows, for the last quarter of the minute, in what share of the comings of each
# pattern each neuron fires.* Without inhibition (left) three of the four neurons answer to B, and
# nobody answers to A. With it (right) the first to fire pushes the others down by four thresholds,
# so that they cannot fire, and so cannot learn this pattern. They are left with the others. Now
# each pattern has one neuron, which answers at least 91 % of the time, and one neuron has nothing
# to do. This is **winner-take-all**: a race to fire becomes a division of labour.
#
# ## 8. What does a layer find in digits?
#
# The same two ideas, STDP and winner-take-all, in a convolution. For pictures we use the rule in
# the form of Kheradpisheh et al. (2018), which looks at the *order* only: inputs that fired no
# later than the winner gain $a_+ w(1-w)$, all others lose $a_- w(1-w)$. The factor $w(1-w)$ lets a
# weight rest at 0 and at 1.
#
# First the picture becomes spikes: ON and OFF cells find edges, the strongest fire first.

# %%
n_bins = 15


def retina(data):
    """Pictures [N, 1, 8, 8] as events of ON and OFF cells, one spike a cell at most."""
    found = filter_images(data.inputs, difference_of_gaussians(5, 0.7, 1.4), threshold=0.02)
    return Events.from_first_steps(intensity_to_latency(found, n_bins), n_bins)


train, test_set = datasets.digits("train"), datasets.digits("test")
seen, unseen = retina(train), retina(test_set)
print(seen)

# %%
steps = seen.first_steps()[0].float()
steps[steps == n_bins] = math.nan
_, axes = plt.subplots(1, 3, figsize=(7.5, 2.5))
axes[0].imshow(train.inputs[0, 0], cmap="gray")
axes[0].set_title(f"a {int(train.targets[0])}")
for ax, picture, name in zip(axes[1:], steps, ("ON cells", "OFF cells"), strict=True):
    image = ax.imshow(picture, cmap="viridis", vmin=0, vmax=n_bins - 1)
    ax.set_title(name)
for ax in axes:
    ax.set(xlabel="x (pixel)", ylabel="y (pixel)")
plt.colorbar(image, ax=axes, label="spike (step)")
plt.show()

# %% [markdown]
# *The figure shows a digit and when its ON and OFF cells fire (white: never).* Dark blue is early:
# the ink, and the holes beside it.
#
# A layer of 40 maps, each with a 5x5 view, now hears these events, picture after picture, without
# any label. At most five neurons of a picture win and learn. How far has the layer come? The
# measure of convergence is the mean of $w(1-w)$,
#
# $$C_l = \frac{1}{n_w} \sum_i w_i\,(1 - w_i) .$$
#
# All weights start near 0.8, so $C_l$ starts near $0.8 \cdot 0.2 = 0.16$. It is 0 when every weight
# has decided for 0 or 1. **Does it fall from the start?**
#
# <details><summary>Make a guess, then open</summary>
# No. Most weights must go down, and on the way from 0.8 to 0 they pass 0.5, where w (1 - w) is
# largest, 0.25. So it rises first.
# </details>

# %%
layer_g = torch.Generator().manual_seed(seed)
layer = ConvSTDP(
    in_channels=2, out_channels=40, kernel_size=5, threshold=6.0,
    stdp=STDPConfig(a_plus=0.02, a_minus=0.015),
    wta=WTAConfig(mode="both", local_radius=1, n_winners=5, theta_rest=6.0, tau_theta=1e3),
    generator=layer_g,
)  # fmt: skip
learner = STDPLearner(layer.stdp)
weights, convergence = [layer.weight.clone()], [learner.convergence(layer.weight)]
for _ in range(epochs):
    layer.learn(seen, torch.randperm(len(seen), generator=layer_g), layer_g)
    weights.append(layer.weight.clone())
    convergence.append(learner.convergence(layer.weight))
print("C_l:", *(f"{c:.3f}" for c in convergence))

# %%
shown = sorted({0, min(1, epochs), min(3, epochs), epochs})
rows = torch.cat([weights[epoch][:12, 0] - weights[epoch][:12, 1] for epoch in shown])
titles = [f"epoch {epoch}" if m == 0 else "" for epoch in shown for m in range(12)]
plotting.images(rows, titles=titles, columns=12, cmap="RdBu_r", symmetric=True, size=0.68)
plt.show()

# %% [markdown]
# *The figure shows 12 of the maps, one a column, before learning and after 1, 3 and 12 epochs: red
# listens to ON cells (ink), blue to OFF cells.* Strokes appear out of nothing: bars of different
# slopes, bends, ends. Each map has another, because each winner keeps the others away.

# %%
_, ax = plt.subplots()
ax.semilogy(range(epochs + 1), convergence, "o-", ms=4, color=BLUE, label="$C_l$ of the layer")
ax.axhline(0.16, color=GREY, ls=":", label="all weights 0.8")
ax.axhline(0.01, color=RED, ls="--", lw=1, label="converged below")
ax.set(xlabel="epoch", ylabel="$C_l$ = mean of w (1 - w)")
ax.legend()
plt.show()
assert learner.has_converged(layer.weight) or not full_run

# %% [markdown]
# *The figure shows the measure after each epoch, on a logarithmic scale.* It rises from 0.16 to
# 0.18, and then falls to 0.003. Below 0.01 the layer counts as converged: a program would stop
# after 6 epochs.
#
# ## 9. Are these features any good?
#
# Labels come in only now, for a linear read-out of what each map has gathered: its largest
# potential in the picture, or one in each quarter of it. Chance is 10 %. Two comparisons keep us
# honest: the same read-out of the layer *before* it learned, and of the bare pixels.


# %%
def read_out(layer, grid):
    """Test accuracy of a linear read-out of the largest potentials in grid x grid parts."""
    found = [layer.potentials(events) for events in (seen, unseen)]
    pooled = [torch.nn.functional.adaptive_max_pool2d(p, grid).flatten(1) for p in found]
    return linear_readout((pooled[0], train.targets), (pooled[1], test_set.targets), c=0.1)[0]


untrained = ConvSTDP(2, 40, 5, threshold=6.0, generator=torch.Generator().manual_seed(seed))
accuracy = {
    f"{name}, {what}": read_out(which, grid)
    for grid, what in ((1, "whole picture"), (2, "quarters"))
    for name, which in (("random", untrained), ("learned", layer))
}
pixels = [(d.inputs.flatten(1), d.targets) for d in (train, test_set)]
accuracy["bare pixels"] = linear_readout(*pixels, c=0.1)[0]
assert accuracy["learned, whole picture"] > accuracy["random, whole picture"] > 0.1

# %%
_, ax = plt.subplots(figsize=(6.5, 2.4))
bars = ax.barh(list(accuracy), list(accuracy.values()), color=[GREY, BLUE, GREY, BLUE, ORANGE])
ax.bar_label(bars, fmt="{:.1%}", padding=3, fontsize=8)
ax.axvline(0.1, color="black", ls=":", lw=1)
ax.set(xlabel="test accuracy of a linear read-out (dotted: chance)", xlim=(0, 1.12))
plt.show()

# %% [markdown]
# *The figure shows how many test digits a linear read-out gets right.* From one number a map,
# learned features give 89 %, random ones 51 %. From four numbers a map a linear read-out makes 90 %
# of random features too, and learning adds 6 points. It does not go beyond the bare pixels, 97 %:
# pictures of 8x8 are nearly linear already. Without the comparison we would have praised the wrong
# thing. Larger pictures, where features pay, are the subject of notebook 07.
#
# ## 10. What can STDP never know?
#
# Take four stimuli and two responses, left and right. Two stimuli ask for left, two for right. All
# four drive both neurons alike. Which response is right is written nowhere in the spikes: only a
# **reward** tells, and it comes 100 ms after the stimulus is over.
#
# The response of a trial is the neuron with more spikes. Trials come in blocks of 16. `signal` says
# what the synapses are told when the reward comes; plain STDP is told nothing.

# %%
goal = torch.tensor([0, 1, 1, 0])  # the right response to each stimulus
responder = LIFParams(tau=20.0, reset="zero", refractory=5.0)
n_trials = 16  # in parallel, a batch


def trial(stimulus, weight, g):
    """100 ms of stimulus, 100 ms of waiting: spikes pre [200, B, 80] and post [200, B, 2]."""
    drive = torch.zeros(len(stimulus), 4, 20)
    drive[range(len(stimulus)), stimulus] = 0.06  # 20 of the 80 inputs fire at 60 Hz
    pre, post = torch.zeros(200, n_trials, 80), torch.zeros(200, n_trials, 2)
    pre[:100] = (torch.rand(100, n_trials, 80, generator=g) < drive.flatten(1)).float()
    noise, state = 0.15 * torch.randn(100, n_trials, 2, generator=g), None
    for t in range(100):
        post[t], state = lif_step(0.1 * pre[t] @ weight.T + noise[t], state, responder)
        state = state._replace(v=state.v - post[t].flip(1))  # each inhibits the other
    return pre, post


# %%
def session(rule, seed, signal, n_blocks=blocks, swap_at=None):
    """Accuracy in each block, and the weight [2, 80] at the end."""
    g = torch.Generator().manual_seed(seed)
    weight, expected, accuracy = torch.full((2, 80), 0.5), 0.5, []
    for block in range(n_blocks):
        wanted = 1 - goal if swap_at is not None and block >= swap_at else goal
        stimulus = torch.randint(4, (n_trials,), generator=g)
        pre, post = trial(stimulus, weight, g)
        toss = 0.01 * torch.rand(n_trials, 2, generator=g)  # decides between equal counts
        correct = ((post.sum(0) + toss).argmax(1) == wanted[stimulus]).float()
        if isinstance(rule, ThreeFactorSTDP):
            reward = torch.zeros(200, n_trials)
            reward[-1] = signal(correct, expected)
            weight, _ = rule.run(pre, post, reward, weight)
        else:
            weight, _ = rule.run(pre, post, weight)
        accuracy.append(correct.mean().item())
        expected += 0.1 * (accuracy[-1] - expected)
    return np.array(accuracy), weight


# %% [markdown]
# **The naive version**: plain STDP. Chance is 50 %, and the first block should be near it. What
# happens?

# %%
strong_pair = PairSTDP(a_plus=0.1, a_minus=0.05)
runs = {"plain STDP": [session(strong_pair, s, None) for s in range(n_seeds)]}
for found, w in runs["plain STDP"]:
    print(f"last ten blocks {found[-10:].mean():.0%}, mean weight {w.mean():.2f}")

# %% [markdown]
# It stays at chance, and must: the rule never sees the reward. Turn the goal round, and every
# weight would come out the same. It learned something, all weights are near 1, but it is "stimulus
# before response", for both responses.
#
# So multiply the change by the reward? But which change: the reward comes when the spikes are long
# gone. The answer is a third factor and a memory. Each synapse keeps what the pair rule would have
# changed as a mark, its **eligibility** $e$, which decays slowly. The reward $m$ writes it in:
#
# $$e \leftarrow e^{-dt/\tau_e}\, e + \Delta w_{STDP}, \qquad \Delta w = m\, e .$$

# %%
slow = ThreeFactorSTDP(pair=strong_pair, tau_eligibility=500.0)
pre, post, reward = torch.zeros(600, 1, 1), torch.zeros(600, 1, 1), torch.zeros(600, 1)
pre[50] = post[60] = 1
reward[200], reward[500] = 1.0, -1.0
w, state, rows = torch.full((1, 1), 0.5), None, []
for x, y, m in zip(pre, post, reward, strict=True):
    change, state = slow.step(x, y, m, w, state)
    w = w + change
    rows.append((state.eligibility.item(), w.item()))
marks, course = np.array(rows).T
written_in = 0.1 * math.exp(-10 / 20) * math.exp(-140 / 500)
assert math.isclose(course[250] - 0.5, written_in, rel_tol=1e-4)

# %%
_, axes = plt.subplots(2, 1, figsize=(6.5, 3.6), sharex=True)
axes[0].plot(marks, color=BLUE)
axes[1].plot(course, color="black")
for ax, name in zip(axes, ("eligibility e", "weight"), strict=True):
    ax.axvline(200, color=GREEN, ls="--", lw=1, label="reward 1")
    ax.axvline(500, color=RED, ls="--", lw=1, label="reward -1")
    ax.set(ylabel=name)
axes[0].legend(loc="upper right")
axes[1].set_xlabel("time (ms)")
plt.show()

# %% [markdown]
# *Above: the mark that a pair of spikes leaves in a synapse. Below: its weight.* The pair at 60 ms
# leaves a mark that decays. Nothing changes until the reward comes at 200 ms, and then what is left
# of the mark is written in: $0.1\,e^{-10/20}\,e^{-140/500} = 0.046$. The mark stays. A
# punishment at 500 ms takes away what is left of it then.
#
# Three tries with reward: a mark of only 5 ms; a mark of 500 ms with reward 1 for right and 0 for
# wrong; and a mark of 500 ms with the *surprise*, reward minus expected reward.


# %%
def surprise(correct, expected):
    return correct - expected


brief = ThreeFactorSTDP(pair=strong_pair, tau_eligibility=5.0)
plans = {
    "mark 5 ms, surprise": (brief, surprise),
    "mark 500 ms, reward 1 or 0": (slow, lambda correct, expected: correct),
    "mark 500 ms, surprise": (slow, surprise),
}
for name, (which, signal) in plans.items():
    runs[name] = [session(which, s, signal) for s in range(n_seeds)]

# %%
_, ax = plt.subplots(figsize=(7, 3.2))
width = min(4, blocks)
curve = {name: np.mean([a for a, _ in found], axis=0) for name, found in runs.items()}
for (name, mean), colour in zip(curve.items(), (GREY, ORANGE, RED, BLUE), strict=True):
    smooth = np.convolve(mean, np.ones(width) / width, "valid")
    ax.plot(np.arange(len(smooth)) + width, smooth, color=colour, label=name)
ax.axhline(0.5, color=GREY, ls=":", lw=1, label="chance")
ax.set(xlabel="block of 16 trials", ylabel="correct responses", ylim=(0, 1.02))
ax.legend(ncols=2, loc="lower right")
plt.show()

# %% [markdown]
# *The figure shows the share of correct responses, averaged over seeds and four blocks.*
#
# - Plain STDP (grey) and a mark of 5 ms (orange) stay at chance. After 100 ms $e^{-100/5}$ is
#   nothing: there is reward, but nothing left to write in.
# - Reward 1 or 0 (red) learns, and then *forgets* and ends at chance. What happened?
#
# <details><summary>Make a guess, then open</summary>
# A reward that is never negative strengthens what led to it, also in the half of the first trials
# that were right by luck. Nothing ever takes a weight down except pairs in reverse order. When all
# is right, all is rewarded, and every weight climbs until all are at 1: plain STDP again.
# </details>
#
# - The surprise (blue) is negative after an error, and 0 when all goes as expected. It learns, and
#   then it rests, at 96 % in the last ten blocks. Dopamine neurons, too, answer to the
#   surprise (Schultz, Dayan & Montague 1997, Science 275:1593).

# %%
final = {name: mean[-10:].mean() for name, mean in curve.items()}
for name, value in final.items():
    print(f"{name:>27}: {value:.0%} in the last ten blocks")
table = runs["mark 500 ms, surprise"][0][1].view(2, 4, 20).mean(2)
print("mean weight, left and right x stimuli:", table.double().numpy().round(2).tolist())
if full_run:
    assert final["mark 500 ms, surprise"] > 0.9 > 0.65 > final["plain STDP"]

# %% [markdown]
# ## Exercises
#
# Each function below is empty: fill it in and run the cell. The check tries your function on fresh
# random input, and says in words what is wrong; run it as often as you like. Solutions are in
# `solutions/06_stdp.ipynb`.
#
# ### Exercise 1: Balance a window
#
# Two neurons fire at random and know nothing of each other, so every distance $s$ is equally
# likely. Which `a_minus` leaves their weight unchanged on average?


# %%
def balance_window(a_plus, tau_plus, tau_minus):
    """The a_minus with which chance pairs change nothing on average."""
    # your code


check.balance_window(balance_window)

# %% [markdown]
# ### Exercise 2: Tell two interactions apart
#
# With `interaction="nearest"` an output spike pairs with the *last* input spike before it only.
# Find spike times of one synapse, whole ms from 0 to 99, for which `"all"` raises the weight by
# more than `factor` times as much as `"nearest"` does. The factor lies between 1.5 and 6; the rule
# is `PairSTDP()` as it comes.


# %%
def tell_apart(factor):
    """Two lists: the times of the input spikes and of the output spikes (ms)."""
    # your code


check.tell_apart(tell_apart)

# %% [markdown]
# ### Exercise 3: Wait long enough
#
# A reward comes `delay` ms after a pair. Which `tau_eligibility` lets just a share of the mark be
# written in, say a half, or `share` in general?


# %%
def wait_long_enough(delay, share):
    """The tau_eligibility (ms) with which `share` of a mark is left after `delay` ms."""
    # your code


check.wait_long_enough(wait_long_enough)

# %% [markdown]
# ### Exercise 4: Learn the opposite
#
# After 50 of 140 blocks the goal turns round: left becomes right. First predict the accuracy of the
# block after that. Then write a signal with which the network learns both. The check runs a smaller
# network than the one above, for a second; the cell then draws what yours does in the one above.


# %%
def relearn(correct, expected):
    """What the synapses are told: `correct` is [B], 1 or 0; `expected` is a number."""
    # your code


check.relearn(relearn)

if relearn(torch.ones(n_trials), 0.5) is not None:
    relearned, _ = session(slow, seed, relearn, n_blocks=140, swap_at=50)
    plotting.curves({"yours": relearned}, xlabel="block", chance=0.5).axvline(50.5, color=RED)
    plt.show()

# %% [markdown]
# ### Exercise 5: Write the rule from memory
#
# Without looking up: one synapse, two trains of 0 and 1 with one value per ms, two traces. Return
# by how much all pairs together change the weight, without bounds. A pair in the same step counts
# as pre before post. The check knows a dozen slips by name.


# %%
def from_memory(pre, post, a_plus, a_minus, tau_plus, tau_minus):
    """The change of one weight by pair-based STDP; times in ms, a step is 1 ms."""
    # your code


check.from_memory(from_memory)

# %% [markdown]
# ## Summary
#
# 1. A trace that decays and counts is the sum of all exponentials so far. Two traces a synapse make
#    STDP exact, at a cost that no longer grows with the number of pairs.
# 2. The pair rule's changes fall with the rate of the pairs, the measured ones rise. A triplet
#    term, a slow trace of the output, mends it.
# 3. A neuron with STDP finds what repeats, and answers to it earlier and earlier. Depression must
#    have a little more area than potentiation: less and it fires at everything, more and it is
#    nearly silent.
# 4. Neurons that do not inhibit each other learn the same. The first to fire must silence the
#    others.
# 5. $C_l$ starts at 0.16, rises first, and is below 0.01 when the weights have decided. Features
#    must be held against random weights and against the input itself.
# 6. STDP sees what comes together, not what is good. An eligibility trace keeps the spikes until
#    the reward comes, and the reward must be a surprise.
#
# ## Further reading
#
# - Bi & Poo (2001), *Synaptic modification by correlated activity*, Annu. Rev. Neurosci. 24:139:
#   the window as measured.
# - Song, Miller & Abbott (2000), *Competitive Hebbian learning through spike-timing-dependent
#   synaptic plasticity*, Nat. Neurosci. 3:919: the additive rule and its balance.
# - Morrison, Diesmann & Gerstner (2008), *Phenomenological models of synaptic plasticity based on
#   spike timing*, Biol. Cybern. 98:459: traces, interactions, weight dependence.
# - Sjostrom, Turrigiano & Nelson (2001), *Rate, timing, and cooperativity jointly determine
#   cortical synaptic plasticity*, Neuron 32:1149, and Pfister & Gerstner (2006), *Triplets of
#   spikes*, J. Neurosci. 26:9673: section 4.
# - Masquelier, Guyonneau & Thorpe (2008), *Spike timing dependent plasticity finds the start of
#   repeating patterns in continuous spike trains*, PLoS ONE 3:e1377, and (2009) *Competitive
#   STDP-based spike pattern learning*, Neural Comput. 21:1259: sections 5 to 7.
# - Kheradpisheh et al. (2018), *STDP-based spiking deep convolutional neural networks for object
#   recognition*, Neural Networks 99:56: section 8.
# - Izhikevich (2007), *Solving the distal reward problem through linkage of STDP and dopamine
#   signaling*, Cereb. Cortex 17:2443, and Fremaux & Gerstner (2016), *Neuromodulated
#   spike-timing-dependent plasticity, and theory of three-factor learning rules*, Front. Neural
#   Circuits 9:85: section 10, and why the reward must be a surprise.
#
# The last cell holds every number of the text against what this run measured.

# %%
numbers = {  # name: (as the text says, as measured)
    "depression's area over potentiation's": (1.2, a_minus * tau_minus / (a_plus * tau_plus)),
    "squared error, pair rule": (14.3, round(misfit["pair rule"], 1)),
    "squared error, triplet rule": (0.3, round(misfit["triplet rule"], 1)),
    "share of patterns found": (1.0, hit[last].float().mean()),
    "latency (ms)": (2.6, round(latency[last][hit[last]].mean().item(), 1)),
    "spikes outside": (0, false[-len(false) // 4 :].sum()),
    "weights of the first 3 ms": (0.92, early.mean()),
    "weights up to 20 ms": (0.16, later.mean()),
    "lowest weight of the silent": (0.48, weight[0][silent].min()),
    "highest weight of the silent": (0.69, weight[0][silent].max()),
    "neurons for B, no inhibition": (3, (tables["no inhibition"][:, 1] > 0.5).sum()),
    "neurons for A, no inhibition": (0, (tables["no inhibition"][:, 0] > 0.5).sum()),
    "least answer, inhibition": (0.91, tables["inhibition"].amax(0).min()),
    "C_l at first": (0.16, convergence[0]),
    "C_l at its highest": (0.18, max(convergence)),
    "C_l at the end": (0.003, convergence[-1]),
    "epochs to convergence": (6, sum(c >= 0.01 for c in convergence)),
    "accuracy, learned": (0.89, accuracy["learned, whole picture"]),
    "accuracy, random": (0.51, accuracy["random, whole picture"]),
    "accuracy, random quarters": (0.9, accuracy["random, quarters"]),
    "points": (0.06, accuracy["learned, quarters"] - accuracy["random, quarters"]),
    "accuracy, pixels": (0.97, accuracy["bare pixels"]),
    "written in by the reward": (0.046, course[250] - 0.5),
    "correct, three factors": (0.96, final["mark 500 ms, surprise"]),
}
stated = {name: said for name, (said, _) in numbers.items()}
measured = {name: found for name, (_, found) in numbers.items()}
record("results/06_stdp.json", stated, measured, full=full_run, tolerance=0.005)
print(f"{len(stated)} numbers of the text agree with the full run")
