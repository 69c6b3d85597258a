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
# # Count parameters, resample words, decide, shuffle
#
# Solutions to [505](../505_where_delays_help.ipynb).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import where_delays_help as check
from jarvis.classroom.comparison import paired_interval
from jarvis.plotting import BLUE, GREY, PURPLE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "draws": 2000}}
full_run = True
draws = 4000  # of the bootstrap

# %% [markdown]
# ### Exercise 1: Count the parameters
#
# No neuron has a synapse onto itself. A free delay belongs to a synapse, a position to a neuron or
# a channel.


# %%
def parameters(net, n):
    """Form of the delays and number of hidden neurons -> number of weights and delays."""
    weights = 700 * n + n * (n - 1)
    if net == "0":
        return weights
    return 2 * weights if net == "inf" else weights + int(net) * (700 + n)


assert check.parameters(parameters)

# %%
_, ax = plt.subplots()
sizes = np.arange(5, 101)
for net, color, label in (("inf", PURPLE, "free delays"), ("3", BLUE, "positions in 3-D"),
                          ("0", GREY, "no delays")):  # fmt: skip
    ax.plot(sizes, [parameters(net, int(n)) / 1000 for n in sizes], color=color, label=label)
ax.axhline(parameters("3", 30) / 1000, color="black", ls=":", label="budget of the lesson")
ax.set(xlabel="hidden neurons", ylabel="parameters (thousands)", ylim=0)
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows how many parameters a network has.* Positions cost little: the budget of 30
# neurons with positions pays for 32 without delays, but for only 16 with free delays.
#
# ### Exercise 2: Put an interval on a difference
#
# Resample the words, the same ones for both networks.


# %%
def bootstrap(a, b, rng, draws):
    """a and b [N] bool, a numpy Generator, a number -> low, high, as fractions."""
    index = rng.integers(0, len(a), (draws, len(a)))
    return np.quantile((a.astype(float) - b)[index].mean(1), [0.025, 0.975])


assert check.bootstrap(bootstrap)

# %%
rng = np.random.default_rng(0)
ease = rng.random(1200)  # of each word, for both networks
a, b = (ease + 0.1 * rng.standard_normal(1200) > level for level in (0.28, 0.3))
low, high = bootstrap(a, b, rng, draws)
library = paired_interval(a[None], b[None], draws=draws)
unpaired = 1.96 * np.sqrt((a.var() + b.var()) / len(a))
print(f"{a.mean() - b.mean():+.3f} [{low:+.3f}, {high:+.3f}]")
print(f"the library: [{library.low:+.3f}, {library.high:+.3f}]; unpaired: +-{unpaired:.3f}")
assert abs(library.low - low) < 0.004
assert abs(library.high - high) < 0.004
assert unpaired > 1.5 * (high - low) / 2

# %% [markdown]
# The two networks find the same words hard, so pairing makes the interval far shorter than two
# independent sets of words would.
#
# ### Exercise 3: Say what follows
#
# The order of the questions matters: a gain that is certain can still be too small to matter.


# %%
def decide(low, high, matters):
    """An interval and the smallest difference that matters -> one of the four answers."""
    if -matters < low and high < matters:
        return "too small to matter"
    if low > 0:
        return "helps"
    return "hurts" if high < 0 else "cannot say"


assert check.decide(decide)

# %%
intervals = [(0.3, 1.2), (-1.0, 1.5), (0.5, 4.0), (-5.0, -2.5), (-1.0, 3.0)]
_, ax = plt.subplots(figsize=(6.4, 2.4))
ax.axvspan(-2, 2, color=GREY, alpha=0.2, lw=0)
for row, (low, high) in enumerate(intervals):
    ax.plot([low, high], [row, row], "|-", color="black")
    ax.text(5.2, row, decide(low, high, 2.0), va="center")
ax.set(xlabel="difference (points)", xlim=(-6, 9), ylim=(4.6, -0.6), yticks=[])
plt.show()

# %% [markdown]
# *The figure shows five intervals and what follows from them if differences of 2 points matter
# (grey).*
#
# ### Exercise 4: Shuffle the delays
#
# Put all entries in a random order.


# %%
def shuffled(delays, generator):
    """A tensor [n, m] in ms and a torch.Generator -> [n, m], the same values in random order."""
    order = torch.randperm(delays.numel(), generator=generator)
    return delays.flatten()[order].view_as(delays)


assert check.shuffled(shuffled)
