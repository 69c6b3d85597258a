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
# # Solutions: trace a spike back to the pixels that caused it
#
# The exercises of [404](../404_segmentation.ipynb). This notebook needs nothing from the lesson: it
# first trains the network for satellites. This takes about half a minute.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt
from scipy.stats import binom

from jarvis import datasets
from jarvis.classroom import lesson
from jarvis.classroom.check import segmentation as check
from jarvis.classroom.satellites import trained_finder
from jarvis.plotting import GREY
from jarvis.stdp import PixelCounts, hulk, smash_scores, union_find

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_scenes": 90, "n_shown": 1}}
full_run = True
seed = 0
n_scenes = 600  # scenes that the network learns from
n_shown = 5  # scenes with two satellites in exercise 4

# %% [markdown]
# ### Exercise 1: Go one layer back
#
# Each weight in `maps` stands for a feature of the layer below, at the position of the weight. A
# picture is the sum of these features: a transposed convolution. From one weight to the next, the
# feature moves by `stride` pixels, which is the stride of the transposed convolution.


# %%
def one_layer_back(maps, features, stride):
    """maps [N, C, k, k], features [C, D, s, s] -> pictures [N, D, H, H], H = (k - 1) stride + s."""
    return F.conv_transpose2d(maps, features, stride=stride)


assert check.one_layer_back(one_layer_back)

# %% [markdown]
# ### Exercise 2: Undo pooling
#
# Slices with a step of two pick one of the four pixels in every square.


# %%
def unpool(values, index):
    """values [h, w] and index [h, w], 0 to 3 -> [2 h, 2 w]."""
    out = torch.zeros(2 * values.shape[0], 2 * values.shape[1])
    for k in range(4):
        out[k // 2 :: 2, k % 2 :: 2] = values * (index == k)
    return out


assert check.unpool(unpool)

# %% [markdown]
# PyTorch's own unpooling takes indices into the whole picture, and gives the same result:

# %%
picture = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(seed))
values, index = F.max_pool2d(picture, 2, return_indices=True)
row, column = index[0, 0] // 8 % 2, index[0, 0] % 2
by_torch = F.max_unpool2d(values, index, 2)[0, 0]
assert torch.equal(unpool(values[0, 0], 2 * row + column), by_torch)

# %% [markdown]
# ### Exercise 3: Compute false alarms
#
# Take one minus the probability that fewer pixels fire, which is a sum of binomial terms.


# %%
def by_chance(p, n_pixels, least):
    """Probability that at least `least` of `n_pixels` fire, each with probability p."""
    fewer = (math.comb(n_pixels, k) * p**k * (1 - p) ** (n_pixels - k) for k in range(least))
    return 1 - sum(fewer)


assert check.by_chance(by_chance)
assert math.isclose(by_chance(0.005, 25, 3), binom.sf(2, 25, 0.005), rel_tol=1e-9)
for least in (1, 2, 3, 4, 5):
    n = 10 * 128**2 * by_chance(0.005, 25, least)
    print(f"at least {least} events: {n:8.2f} windows of 5x5 pixels per scene")

# %% [markdown]
# Requiring one more event makes false alarms 17 to 48 times rarer.
#
# ### Exercise 4: Vary the threshold of grouping


# %%
def count_groups(scores, thresholds):
    """Scores [N, N] and a list of thresholds -> the number of groups for each."""
    groups = []
    for threshold in thresholds:
        pairs = (scores > threshold).triu(1).nonzero().tolist()
        groups.append(len(set(union_find(len(scores), pairs))))
    return groups


assert check.count_groups(count_groups)

# %%
finder = trained_finder(seed, n_scenes=n_scenes)
test = datasets.satellites("test", n=3 * n_shown)
thresholds = [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
groups = {}
for i in range(2, 3 * n_shown, 3):  # scenes with two satellites
    _, state = finder(test.events[[i]].dense())
    groups[i] = count_groups(smash_scores(hulk(finder, state), align="none"), thresholds)
    assert groups[i] == sorted(groups[i])

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
for i, counts in groups.items():
    ax.plot(thresholds, counts, "o-", ms=4, label=f"scene {i}")
ax.axhline(2, color=GREY, ls=":", lw=1)
ax.set(xlabel="threshold of the score", ylabel="groups", ylim=(0, None))
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the number of groups of class spikes against the threshold, in scenes of two
# satellites (dotted line).* Here, groups of fewer than four spikes count, too. Above a threshold of
# 0.1 the paths break into pieces. If the paths of two satellites cross or touch, their boxes
# overlap, and a low threshold joins them.
#
# ### Exercise 5: Measure informedness


# %%
def informedness(found, missed, false, silent):
    """Sensitivity + specificity - 1."""
    return found / (found + missed) + silent / (silent + false) - 1


assert check.informedness(informedness)

# %%
counts = PixelCounts(tolerance=1)
for i in range(len(test)):
    counts.add(test.events[[i]].dense()[:, 0].any(1), test.masks(i).any(1))
value = informedness(counts.found, counts.missed, counts.false, counts.silent)
print(f"marking every event: {value:.3f}")
assert math.isclose(value, counts.informedness)
