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
# # Change a synapse by the timing of its spikes
#
# A synapse sees the spikes of two neurons, but no label, loss or gradient. You write a [local
# learning rule](../docs/glossary.md#local-learning-rule) that learns from these spikes alone, first
# from a list, then from two numbers that replace the list.
#
# **Time.** 50 minutes for you, 10 seconds for the machine.
# **You need.** [101](101_leaky_neuron.ipynb), for spikes in time steps; exponentials and integrals.
# **Leads to.** [402](402_find_a_pattern.ipynb) A neuron that finds a pattern;
# [403](403_features.ipynb) Features of digits, and reward.
#
# ## Objectives
#
# After this lesson you can
#
# 1. compute by hand how a pair of spikes changes a weight,
# 2. replace the sum over all pairs by two traces,
# 3. say what hard and soft bounds do,
# 4. predict the drift of a weight between unrelated neurons,
# 5. say what the pair rule gets wrong when spikes come fast.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt
from scipy.optimize import nnls

from jarvis import PairSTDP
from jarvis.classroom import lesson, widgets
from jarvis.classroom.check import stdp as check
from jarvis.classroom.diagrams.stdp_traces import stdp_traces
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE
from jarvis.stdp import TripletSTDP, stdp_window

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_samples": 30}}
full_run = True
seed = 0
a_plus, a_minus = 0.005, 0.003  # largest potentiation and depression by one pair
tau_plus, tau_minus = 16.8, 33.7  # their reach, ms (Bi & Poo 2001)
n_samples = 200  # repetitions with random spikes

# %% [markdown]
# ## 1. What can two spikes tell a synapse?
#
# A synapse joins a [presynaptic neuron](../docs/glossary.md#presynaptic-neuron) ("pre") to a
# [postsynaptic neuron](../docs/glossary.md#postsynaptic-neuron) ("post"). If pre fires shortly
# *before* post, it may have helped post to fire, and the synapse becomes stronger. If pre fires
# shortly *after* post, the synapse becomes weaker. With $s = t_{post} - t_{pre}$, each pair of
# spikes changes the weight by
#
# $$\Delta w(s) = \begin{cases} +A_+\, e^{-s/\tau_+} & s \ge 0 \\
# -A_-\, e^{\,s/\tau_-} & s < 0 . \end{cases}$$
#
# $A_\pm$ are the largest changes by one pair, and $\tau_\pm$ the time constants. This is
# [spike-timing-dependent plasticity](../docs/glossary.md#spike-timing-dependent-plasticity) (STDP)
# by the [pair rule](../docs/glossary.md#pair-rule).
#
# Pre fires at 10 ms and at 40 ms, post at 20 ms. By how much does the weight change?
#
# <details><summary>Compute it, then open</summary>
# For s = 20 - 10 = 10 ms, the weight rises by 0.005 exp(-10/16.8) = 0.00276. For s = 20 - 40 = -20
# ms, it falls by 0.003 exp(-20/33.7) = 0.00166. Together: +0.00110.
# </details>


# %%
def window(s):
    """Change of the weight by one pair of spikes, s = t_post - t_pre (ms)."""
    if s >= 0:
        return a_plus * math.exp(-s / tau_plus)
    return -a_minus * math.exp(s / tau_minus)


first, second = window(20 - 10), window(20 - 40)
print(f"{first:+.5f} and {second:+.5f}, together {first + second:+.5f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
lags = np.linspace(-90, 90, 721)
_, ax = plt.subplots()
ax.plot(lags, [1000 * window(s) for s in lags], color="black", lw=1)
for s, name, shift in ((10, "pre at 10 ms", (8, 0)), (-20, "pre at 40 ms", (-8, -14))):
    ax.plot(s, 1000 * window(s), "o", color=BLUE)
    ax.annotate(name, (s, 1000 * window(s)), shift, textcoords="offset points",
                ha="left" if s > 0 else "right")  # fmt: skip
ax.axhline(0, color=GREY, lw=0.7)
ax.axvline(0, color=GREY, lw=0.7)
ax.set(xlabel="s = t_post - t_pre (ms)", ylabel="change of w (1/1000)")
plt.show()

# %% [markdown]
# *The figure shows the change of the weight by one pair against the interval between its spikes,
# with the two pairs of the example.* This is the [STDP window](../docs/glossary.md#stdp-window),
# with [potentiation](../docs/glossary.md#long-term-potentiation) on the right and
# [depression](../docs/glossary.md#long-term-depression) on the left.
#
# ### Exercise 1: Sum over all pairs (5 min)
#
# Every spike of one list forms a pair with every spike of the other. Return the total change of the
# weight.


# %% tags=["exercise"]
def all_pairs(pre_times, post_times, window):
    """Change of one weight by two lists of spike times (ms); `window(s)` is that of one pair."""
    ...


# %%
check.all_pairs(all_pairs)

# %% [markdown]
# ## 2. How can a synapse forget the list and keep the sum?
#
# If both neurons fire at 30 Hz, a minute contains 3.24 million pairs, and their number grows with
# the square of the time. But a sum of exponentials needs no list. Give each neuron one number, its
# [trace](../docs/glossary.md#trace), which rises by 1 with each spike and decays by the factor
# $e^{-dt/\tau}$ in each step. When post fires, the trace of pre *is* the sum of $e^{-s/\tau_+}$
# over all earlier spikes of pre.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
stdp_traces([10, 40], [20], tau_plus=tau_plus, tau_minus=tau_minus)
plt.show()

# %% [markdown]
# *The figure shows the example of section 1 with traces: each spike reads the trace of the other
# neuron and changes the weight.*
#
# A program needs four lines per step of 1 ms. In what order?

# %%
pre_times, post_times = [10, 40, 48, 90, 131], [20, 53, 80, 131]  # ms
pre, post = np.zeros((2, 160))
pre[pre_times] = post[post_times] = 1
decay_plus, decay_minus = math.exp(-1 / tau_plus), math.exp(-1 / tau_minus)

r = o = change = 0.0  # trace of pre, trace of post, change of the weight
rows = []
for x, y in zip(pre, post, strict=True):
    r, o = decay_plus * r, decay_minus * o  # 1. both traces decay
    r = r + x  # 2. a spike of pre enters its trace
    change = change + a_plus * y * r - a_minus * x * o  # 3. each spike reads the other's trace
    o = o + y  # 4. a spike of post enters its trace, last
    rows.append((r, o, change))
traces = np.array(rows).T

pairs = sum(window(t_post - t_pre) for t_pre in pre_times for t_post in post_times)
print(f"by traces {change:+.6f}, by all 20 pairs {pairs:+.6f}")
assert math.isclose(change, pairs)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(2, 1, figsize=(6.5, 4), sharex=True)
for k, (when, colour, name) in enumerate(((pre_times, BLUE, "pre"), (post_times, ORANGE, "post"))):
    axes[0].plot(traces[k], color=colour, label=f"trace of {name}")
    axes[0].plot(when, np.full(len(when), 2.1 + 0.2 * k), "|", color=colour, ms=9)
axes[0].set(ylabel="trace (spikes)", ylim=(0, 2.5))
axes[0].legend(loc="upper left", ncols=2, bbox_to_anchor=(0, 1.2))
axes[1].step(np.arange(160), 1000 * traces[2], where="post", color="black")
axes[1].set(xlabel="time (ms)", ylabel="change of w (1/1000)")
plt.show()

# %% [markdown]
# *The figure shows the spikes (marks) and both traces (above), and the change of the weight
# (below).* Both traces must decay first. The order of lines 2 to 4 matters only when both neurons
# fire **in the same step**, as at 131 ms. Such a pair counts as pre before post, with $s = 0$,
# because a `jarvis` neuron responds to input within the same step.
#
# ### Exercise 2: Write the rule from memory (8 min)
#
# Write the rule for one synapse without looking it up, from two arrays of 0 and 1.


# %% tags=["exercise"]
def from_memory(pre, post, a_plus, a_minus, tau_plus, tau_minus):
    """The change of one weight by the pair rule; times in ms, a step is 1 ms."""
    ...


# %%
check.from_memory(from_memory)

# %% [markdown]
# ## 3. What keeps a weight within its bounds?
#
# **The library does the same** for all synapses of a layer at once: `PairSTDP.run` takes spikes
# `[T, B, n]` and a weight `[n_post, n_pre]`.

# %%
rule = PairSTDP(a_plus=a_plus, a_minus=a_minus, tau_plus=tau_plus, tau_minus=tau_minus)
spikes = [torch.tensor(train).reshape(-1, 1, 1) for train in (pre, post)]
start = torch.full((1, 1), 0.5, dtype=torch.float64)
by_library, _ = rule.run(*spikes, start)
assert math.isclose(by_library.item() - 0.5, change, abs_tol=1e-12)
assert np.allclose(stdp_window(rule, lags), [window(s) for s in lags])

# %% [markdown]
# The library's weights stay between 0 and 1. With [hard bounds](../docs/glossary.md#hard-bounds), a
# weight that would rise above 1 stops at 1. [Soft bounds](../docs/glossary.md#soft-bounds) multiply
# potentiation by $1 - w$ and depression by $w$.
#
# Below, the line is the formula without hard bounds, and each dot is one simulated pair. The title
# gives the area under the window. Here the amplitudes are 0.05 and 0.0525, and both time constants
# are 20 ms.
#
# - With soft bounds, drag the weight from 0 to 1. Where is the area 0?
# - Choose hard bounds and a weight of 0.99. Which dots leave the line?
#
# <details><summary>Answers</summary>
# The area is 0 at a weight of 0.49: unrelated spikes pull all weights towards this value. With hard
# bounds, dots for s from 0 to about 32 ms leave the line: the weight cannot rise by more than 0.01.
# </details>

# %%
explorer = widgets.stdp(bounds="soft")
explorer

# %% tags=["hide-input"] jupyter={"source_hidden": true}
explorer.controls["weight"].value = 0.8  # as if you had moved it
assert not explorer.errors
widgets.draw_stdp(bounds="soft", weight=0.8)

# %% [markdown]
# *The figure shows the change by one pair against its interval, for soft bounds and a weight of
# 0.8.* The weight is close to 1, so potentiation is weak.
#
# ## 4. What does chance do to a weight?
#
# Two unrelated neurons fire at random, each at 20 Hz. Every interval is equally likely, so each
# side of the window contributes its area, $A\tau$. What happens to the weight between them, with
# the values of section 1?
#
# <details><summary>Make a guess, then open</summary>
# The areas are 0.005 x 16.8 = 0.084 and 0.003 x 33.7 = 0.101 ms, so on average the weight falls.
# </details>
#
# At rates $r_{pre}$ and $r_{post}$ (spikes per ms), a weight drifts by
# $r_{pre}\, r_{post} \int \Delta w(s)\,ds$ per ms. In steps of 1 ms the integral is a sum.

# %%
g = torch.Generator().manual_seed(seed)
n_steps, hz = 2000, 20
drifts = {}
for ratio in (0.4, 0.5, 0.6):
    unrelated = PairSTDP(
        a_plus=a_plus, a_minus=ratio * a_plus, tau_plus=tau_plus, tau_minus=tau_minus, bounds="none"
    )
    inputs, output = (
        (torch.rand(n_steps, n_samples, n, generator=g) < hz / 1000).float() for n in (50, 1)
    )
    w, state, course = torch.zeros(1, 50), None, [0.0]
    for part in range(0, n_steps, 100):
        now = slice(part, part + 100)
        w, state = unrelated.run(inputs[now], output[now], w, state)
        course.append(w.mean().item())
    per_ms = (hz / 1000) ** 2 * stdp_window(unrelated, np.arange(-500, 501)).sum()
    drifts[ratio] = np.array(course), per_ms

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
times = np.arange(0, n_steps + 1, 100) / 1000
for (ratio, (course, per_ms)), colour in zip(drifts.items(), (BLUE, GREEN, PURPLE), strict=True):
    ax.plot(times, 1000 * course, "o", ms=4, color=colour, label=f"$A_-$ = {ratio} $A_+$")
    ax.plot(times, 1e6 * per_ms * times, color=colour, lw=1)
ax.axhline(0, color=GREY, lw=0.7)
ax.set(xlabel="time (s)", ylabel="mean change of w (1/1000)")
ax.legend(loc="upper left")
plt.show()
for course, per_ms in drifts.values():
    assert not full_run or abs(course[-1] - per_ms * n_steps) < 2e-3

# %% [markdown]
# *The figure shows the mean change of 50 weights between unrelated neurons, averaged over 200
# repetitions (dots), for three strengths of depression, and the prediction (lines).* Between
# $A_-/A_+$ = 0.5 and 0.6 the drift changes sign. (At 0.5 the areas are equal, but every pair within
# one step counts as potentiation. All dots lie a little high, because traces start empty and
# depression reaches further back.)
#
# ### Exercise 3: Balance a window (5 min)
#
# Which `a_minus` keeps the weight between unrelated neurons from drifting? Take $s$ as continuous.


# %% tags=["exercise"]
def balance_window(a_plus, tau_plus, tau_minus):
    """The a_minus with which unrelated spikes change nothing on average."""
    ...


# %%
check.balance_window(balance_window)

# %% [markdown]
# ## 5. Does it matter how fast the pairs come?
#
# Sjöström, Turrigiano & Nelson (2001) let pre fire 10 ms before or after post, in trains of pairs
# at different rates. We take 60 pairs in a row. What does the pair rule predict at 50 Hz, with a
# pair every 20 ms?
#
# <details><summary>Make a guess, then open</summary>
# Nearly the same change for both orders: a pre spike 10 ms before one post spike is also 10 ms
# after the previous post spike. Depression has the larger area, so a higher rate means more
# depression.
# </details>


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def sixty_pairs(rule, hz):
    """Change by 60 pairs at a rate (Hz), for pre 10 ms before and 10 ms after post."""
    n, period = (60, round(1000 / hz / rule.dt)) if hz >= 1 else (1, 1)  # 0.1 Hz: pairs stay alone
    pre, post = torch.zeros(n * period + 9, 1, 2), torch.zeros(n * period + 9, 1, 1)
    post[4 : 4 + n * period : period] = 1  # in steps of 5 ms
    pre[2 : 2 + n * period : period, 0, 0] = 1
    pre[6 : 6 + n * period : period, 0, 1] = 1
    return 60 / n * rule.run(pre, post, torch.zeros(1, 2))[0].flatten()


rates = (0.1, 10, 20, 40, 50)
# Sjöström et al., as tabulated by Pfister & Gerstner (2006): pre 10 ms before, 10 ms after post.
observed = np.array([[-0.04, 0.14, 0.29, 0.53, 0.56], [-0.29, -0.41, -0.34, 0.56, 0.75]])
errors = np.array([[0.05, 0.10, 0.14, 0.11, 0.26], [0.08, 0.11, 0.10, 0.32, 0.19]])


def protocol(rule):
    """The predicted change for both orders and all rates, [2, 5]."""
    return torch.stack([sixty_pairs(rule, hz) for hz in rates], dim=1).numpy()


def pair_rule(up, down):
    """A pair rule with these amplitudes, without bounds, in steps of 5 ms."""
    return PairSTDP(
        a_plus=up, a_minus=down, tau_plus=tau_plus, tau_minus=tau_minus, dt=5.0, bounds="none"
    )


# %% [markdown]
# Begin with a depression of 0.0071, as in Pfister & Gerstner (2006), then find the best amplitudes
# by least squares.

# %%
alone = [protocol(pair_rule(1.0, 0.0)), protocol(pair_rule(0.0, 1.0))]
amplitudes, _ = nnls(
    np.stack([(part / errors).ravel() for part in alone], 1), (observed / errors).ravel()
)
triplet = TripletSTDP.from_paper("visual_cortex", minimal=True, dt=5.0, bounds="none")
predicted = {
    "pair rule, more depression": protocol(pair_rule(0.005, 0.0071)),
    "pair rule, best amplitudes": protocol(pair_rule(*amplitudes)),
    "triplet rule": protocol(triplet),
}
misfit = {name: np.mean(((v - observed) / errors) ** 2) for name, v in predicted.items()}
for name, value in misfit.items():
    print(f"{name}: mean squared error {value:.1f} (1: the standard error, squared)")
assert misfit["triplet rule"] < 0.1 * misfit["pair rule, best amplitudes"]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 3, figsize=(9, 3.4), sharey=True)
for ax, (name, values) in zip(axes, predicted.items(), strict=True):
    for k, (colour, order) in enumerate(((BLUE, "pre 10 ms before"), (ORANGE, "pre 10 ms after"))):
        ax.errorbar(rates, observed[k], errors[k], fmt="o", color=colour, ms=4)
        ax.plot(rates, values[k], color=colour, label=order)
    ax.axhline(0, color=GREY, lw=0.7)
    ax.set(xlabel="pairs per second (Hz)", title=name)
axes[0].set_ylabel("relative change of w")
axes[2].legend(loc="upper left")
plt.show()

# %% [markdown]
# *The figure shows measured changes (dots with standard errors) and the predictions of three rules
# (lines).* The measured changes rise steeply with the rate. The predictions of the pair rule fall
# (left). With the best amplitudes, the predictions of the pair rule stay flat for one order of the
# spikes and rise far too little for the other (middle).
#
# **The repair** takes three spikes into account. Post gets a second, slower trace $o_2$ (114 ms),
# which multiplies potentiation: $\Delta w = A_3^+\, r\, o_2$. This trace is read just before the
# new spike of post enters. Depression stays the same. This [triplet
# rule](../docs/glossary.md#triplet-rule) has one more free parameter than the pair rule, and was
# fitted to these very data. The error falls from 7.6<!-- misfit_pair 0.1 --> to
# 0.4<!-- misfit_triplet 0.1 -->.
#
# ### Exercise 4: Predict the change at any rate (8 min)
#
# A pair of spikes comes every `period` ms, for ever, with pre `lag` ms before post. Return the
# change of the weight per period.


# %% tags=["exercise"]
def per_period(lag, period, a_plus, a_minus, tau_plus, tau_minus):
    """Change of the weight per period (0 < lag < period, all times in ms), by all pairs."""
    ...


# %%
if check.per_period(per_period):
    hz = np.linspace(5, 55, 200)
    law = [60 * per_period(10, 1000 / f, 0.005, 0.0071, tau_plus, tau_minus) for f in hz]
    plt.plot(hz, law, color=BLUE, label="yours, 60 times")
    simulated = predicted["pair rule, more depression"][0]
    plt.plot(rates[1:], simulated[1:], "ko", label="60 simulated pairs")
    plt.gca().set(xlabel="pairs per second (Hz)", ylabel="relative change of w")
    plt.legend()
    plt.show()

# %% [markdown]
# ## Summary
#
# 1. A pair of spikes changes a weight by $\pm A\,e^{-|s|/\tau}$: up if pre came first.
# 2. A trace replaces the list of earlier spikes.
# 3. Hard bounds stop a weight at 0 or 1; soft bounds slow it down.
# 4. Between unrelated neurons, the window's area sets a weight's drift.
# 5. The pair rule fails at high rates, whatever its amplitudes; a triplet term repairs this.
#
# ## Further reading
#
# - Bi & Poo (2001), Annu. Rev. Neurosci. 24:139,
#   [doi](https://doi.org/10.1146/annurev.neuro.24.1.139): the window as measured.
# - Song, Miller & Abbott (2000), Nat. Neurosci. 3:919, [doi](https://doi.org/10.1038/78829): why
#   depression must win.
# - Sjöström, Turrigiano & Nelson (2001), Neuron 32:1149,
#   [doi](https://doi.org/10.1016/S0896-6273%2801%2900542-6); Pfister & Gerstner (2006), J.
#   Neurosci. 26:9673, [doi](https://doi.org/10.1523/JNEUROSCI.1425-06.2006): section 5.
#
# **Next.** [402](402_find_a_pattern.ipynb).
# **See also.** [502](502_three_gradients.ipynb).

# %%
record(
    "results/401_stdp.json",
    {
        "misfit_pair": misfit["pair rule, best amplitudes"],
        "misfit_triplet": misfit["triplet rule"],
    },
    full=full_run,
)
