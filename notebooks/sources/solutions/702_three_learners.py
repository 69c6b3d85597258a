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
# # Draw, count, and find the break-even
#
# Solutions to [702](../702_three_learners.ipynb).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import SpikingMLP, count_operations, seeded
from jarvis.classroom import lesson
from jarvis.classroom.check import three_learners as check
from jarvis.classroom.comparison import paired_interval
from jarvis.plotting import BLUE, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
seed = 0

# %% [markdown]
# ### Exercise 1: Draw a bootstrap
#
# Rows and columns are drawn separately, and every drawn network answers every drawn picture.
# Drawing single entries would treat the answers of one network to 360 pictures as if they came from
# 360 networks.


# %%
def bootstrap(difference, draws, rng):
    """difference [S, N] -> an array of `draws` mean differences."""
    n_seeds, n_samples = difference.shape
    found = np.empty(draws)
    for k in range(draws):
        rows = rng.integers(n_seeds, size=n_seeds)
        columns = rng.integers(n_samples, size=n_samples)
        found[k] = difference[rows][:, columns].mean()
    return found


assert check.bootstrap(bootstrap)

# %%
rng = np.random.default_rng(seed)
b = rng.random((5, 360)) < 0.95
a = b & (rng.random((5, 360)) < 0.98)  # a bit worse
drawn = bootstrap(1.0 * a - b, 4000, rng)
found = paired_interval(a, b)
_, ax = plt.subplots()
ax.hist(100 * drawn, bins=np.arange(-41, 1) / 9 - 1 / 36, color=BLUE)
for end in (found.low, found.high):
    ax.axvline(100 * end, color=ORANGE, ls="--")
ax.set(xlabel="difference of a draw (points)", ylabel="draws")
plt.show()
print("yours:", np.quantile(drawn, (0.025, 0.975)).round(4), " library:", found)
assert np.allclose(np.quantile(drawn, (0.025, 0.975)), found[1:], atol=0.002)

# %% [markdown]
# *The figure shows the drawn differences; dashed lines mark the library's interval.*
#
# ### Exercise 2: Count the additions
#
# A spike causes one addition for each nonzero weight of its neuron. So count the spikes of each
# neuron and sample, `[B, n]`, and the synapses of each neuron, `[n]`; their matrix product sums
# over neurons.


# %%
def additions_of(spikes, weights):
    """Spikes [T, B, n] and weights [n, m] -> additions of each sample, [B]."""
    return spikes.sum(0) @ (weights != 0).float().sum(1)


assert check.additions_of(additions_of)

# %%
with seeded(seed):
    net = SpikingMLP((64, 100, 10))
spikes = (torch.rand(17, 20, 64, generator=torch.Generator().manual_seed(seed)) < 0.1).float()
mine = additions_of(spikes, net.synapses[0][1].weight.detach().T)
assert torch.equal(mine.long(), count_operations(net, spikes)["synapses.0.1"].additions)
print("the library counts the same")

# %% [markdown]
# ### Exercise 3: Find the break-even
#
# For each neuron, a dense layer costs $N(e_\times + e_+)$. A spiking layer costs $r N e_+$ for $r$
# spikes per input, plus $T S (e_\times + e_+)$ for updates of $S$ variables. The costs are equal at
# $r = (e_\times + e_+)/e_+ \cdot (1 - TS/N)$; if $TS > N$, return 0.


# %%
def break_even(n_in, n_steps, n_states, add, multiply):
    """Spikes that an input may send in total before spikes cost more than numbers."""
    return max(0.0, (multiply + add) / add * (1 - n_steps * n_states / n_in))


assert check.break_even(break_even)

# %%
steps = np.arange(1, 65)
_, ax = plt.subplots()
for n_states, color in ((1, BLUE), (2, GREY)):
    allowed = [break_even(64, t, n_states, 0.9, 3.7) for t in steps]
    ax.plot(steps, allowed, color=color, label=f"{n_states} state variable{'s' * (n_states > 1)}")
ax.plot(steps, 0.305 * steps, color=ORANGE, label="rate code of a digit")
ax.set(xlabel="steps of the code", ylabel="spikes per input", ylim=(0, 6))
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the spikes that an input may send, and those that a rate code sends.* With one
# state variable the lines cross at 13 steps, with two at 11.
