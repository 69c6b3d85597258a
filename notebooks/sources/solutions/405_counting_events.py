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
# # Solutions: beat a network by counting, then find what counting cannot do
#
# The exercises of [405](../405_counting_events.ipynb). This notebook needs nothing from the lesson
# and takes about half a minute.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
import torch.nn.functional as F
from matplotlib import pyplot as plt

from jarvis import datasets
from jarvis.classroom import lesson
from jarvis.classroom.check import counting_events as check
from jarvis.plotting import BLUE, GREY, ORANGE
from jarvis.stdp import PixelCounts, match, segment_by_density

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_test": 6}}
full_run = True
n_test = 30  # unseen scenes

# %% [markdown]
# ### Exercise 1: Mark dense pixels
#
# Add ON and OFF events. A convolution with ones counts the events in each square.


# %%
def count_neighbours(dense, least):
    """Events [T, 2, H, W] -> mask [T, H, W], bool."""
    both = dense.sum(1, keepdim=True)
    near = F.conv2d(both, torch.ones(1, 1, 3, 3), padding=1)
    return ((near >= least) & (both > 0))[:, 0]


assert check.count_neighbours(count_neighbours)

# %%
test = datasets.satellites("test", n=n_test)
truths = [test.masks(i).any(1) for i in range(n_test)]
informedness, false = [], []
for least in (1, 2, 3, 4, 5):
    counts = PixelCounts()
    for i, truth in enumerate(truths):
        counts.add(count_neighbours(test.events[[i]].dense()[:, 0], least), truth)
    informedness.append(counts.informedness)
    false.append(counts.false / n_test)
    print(f"at least {least}: informedness {counts.informedness:.3f}, {false[-1]:.1f} false pixels")
assert informedness[0] > 0.9

# %% [markdown]
# Marking *every* event (a count of 1) gives the best informedness, because hundreds of false pixels
# hardly count against 160 000 empty ones. With a count of three, nearly all false pixels are gone.
# The count alone cannot tell which pixels form one object. For this, connect dense pixels, as in
# section 2 of the lesson.
#
# ### Exercise 2: Choose on the right scenes
#
# Validation scenes are for choosing, test scenes for grading. An option chosen on the test scenes
# may owe its score to chance.


# %%
def choose(val, test):
    """Two arrays of scores, one per option -> (index of the chosen option, score to report)."""
    best = int(np.argmax(val))
    return best, test[best]


assert check.choose(choose)

# %% [markdown]
# How much does this inflate a score? Suppose twenty options are equally good, each measured on 50
# scenes:

# %%
rng = np.random.default_rng(0)
val, test_scores = rng.binomial(50, 0.8, (2, 2000, 20)) / 50
fair = np.mean([choose(v, t)[1] for v, t in zip(val, test_scores, strict=True)])
print(f"chosen on validation scenes {fair:.3f}, on the test scenes {test_scores.max(1).mean():.3f}")
assert abs(fair - 0.8) < 0.01 < 0.05 < test_scores.max(1).mean() - 0.8

# %% [markdown]
# ### Exercise 3: Measure how fast it flies
#
# Find the centre of the pixels in each non-empty frame, and fit a straight line to the centres.


# %%
def velocity(step_masks):
    """Masks [T, H, W], bool -> (vy, vx) in pixels per frame."""
    frames = step_masks.flatten(1).any(1).nonzero()[:, 0]
    centres = torch.stack([step_masks[t].nonzero().float().mean(0) for t in frames])
    t = frames.float() - frames.float().mean()
    slope = (t[:, None] * centres).sum(0) / (t**2).sum()
    return tuple(slope.tolist())


assert check.velocity(velocity)

# %%
pairs = []
for i, found in enumerate(segment_by_density(test.events)):
    centres = test.skies[i].satellites  # [T + 1, n, 2]
    masks = list(test.masks(i)[:, : int(test.n_satellites[i])].transpose(0, 1))
    for a, b, overlap in match(found, masks):
        if overlap > 0.3:
            pairs.append((*velocity(found[a]), *(centres[1, b] - centres[0, b])))
pairs = np.array(pairs, float)
error = float(np.median(np.abs(pairs[:, :2] - pairs[:, 2:])))
print(f"{len(pairs)} objects, median error {error:.3f} pixels per frame")
assert error < 0.1

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(4.4, 4))
ax.axline((0, 0), slope=1, color=GREY, lw=1)
ax.plot(pairs[:, 2], pairs[:, 0], "o", ms=4, color=BLUE, label="along y")
ax.plot(pairs[:, 3], pairs[:, 1], "s", ms=4, color=ORANGE, label="along x")
ax.set(xlabel="true velocity (pixels per frame)", ylabel="from the masks (pixels per frame)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the velocity from the masks against the true velocity, along both axes, for all
# objects that overlap a satellite by more than 0.3.* Over ten frames, errors of single pixels
# average out.
#
# ### Exercise 4: Find the densest square
#
# Average pooling without padding gives one value for each square within the picture. The index of
# the highest value gives a corner.


# %%
def densest_square(counts, width):
    """Events per pixel [H, W] -> (row, column) of the middle of the square with the most."""
    means = F.avg_pool2d(counts[None, None], width, 1)[0, 0]
    row, column = divmod(int(means.argmax()), means.shape[1])
    return row + width // 2, column + width // 2


assert check.densest_square(densest_square)

# %% [markdown]
# ### Exercise 5: Give the interval
#
# The number of right answers is binomial, with a variance of $n\,p(1-p)$. So their share has a
# standard deviation of $\sqrt{p(1-p)/n}$.


# %%
def interval(share, n):
    """(lower end, upper end) of the 95 % interval of a share of n scenes."""
    half = 1.96 * math.sqrt(share * (1 - share) / n)
    return share - half, share + half


assert check.interval(interval)
for name, share in (("STDP", 0.964), ("k-means", 0.984)):
    low, high = interval(share, 600)
    print(f"{name}: {100 * low:.1f} to {100 * high:.1f} %")

# %% [markdown]
# The intervals overlap a little. The difference of 2.0 points is 2.2 times its standard error,
# $\sqrt{0.76^2 + 0.51^2} = 0.9$ points, so it is probably real. But both methods answered the
# *same* scenes, with five seeds each. A comparison scene by scene would say more.
