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
# # Find things in pictures with STDP: solutions
#
# The exercises of `07_spikeseg`, solved. The notebook stands alone: it first trains the network for
# satellites, as in the lesson. Each check tries a function on random input. A full run takes less
# than a minute on two CPU cores.

# %%
from dataclasses import replace

import torch
from matplotlib import pyplot as plt

import jarvis
from jarvis import SpikeSEG, STDPConfig, STDPLearner, WTAConfig, datasets, plotting
from jarvis.classroom.check import spikeseg as check
from jarvis.stdp import PixelCounts, SegmentConfig, hulk, match, segment, smash_scores, union_find

plt.rcParams["figure.dpi"] = 80
print(f"jarvis {jarvis.__version__}, torch {torch.__version__}")

# %% tags=["parameters"] nbmake={"mock":{"full_run":false,"n_scenes":150,"n_test":6}}
full_run = True
seed = 0
n_scenes = 600  # of satellites, to learn from
n_test = 30  # unseen scenes

# %%
g = torch.Generator().manual_seed(seed)
stdp = STDPConfig.from_paper("igarss2023")
wta = WTAConfig(theta_rest=2.5, theta_plus=0.05, tau_theta=500.0, theta_max=25.0)
finder = SpikeSEG(
    1, 2, (4, 36), (5, 5, 7), (0.05, 2.5, 5.0), (0.08, 0.25, 0.0),
    filters="dog", polarity="sum", stdp=stdp, wta=wta, generator=g,
)  # fmt: skip
finder.layers[2].wta = replace(wta, enable_homeostasis=False)
scenes = datasets.satellites("train", n=n_scenes, counts=(1, 2))
heard = finder.layers[0].respond(scenes.events, pool=2)
share_of_epoch = []  # of converged maps of conv2, for exercise 1
for layer, epochs in ((finder.layers[1], 3), (finder.layers[2], 2)):
    for _ in range(epochs):
        layer.learn(heard, torch.randperm(len(heard), generator=g), g)
        if layer is finder.layers[1]:
            share_of_epoch.append(layer.weight.clone())
    heard = layer.respond(heard, pool=2)
finder.eval()
test = datasets.satellites("test", n=n_test)
how = SegmentConfig(level=0.1, threshold=0.1, align="none", min_spikes=4, fill=1, max_spikes=400)
found = segment(finder, test.events, how)
print(f"{sum(len(ones) for ones in found)} instances, {int(test.n_satellites.sum())} satellites")

# %% [markdown]
# ### Exercise 1: C_l of each map
#
# $C_l$ of every map by itself, and the share of the maps below a limit.


# %%
def converged_share(weight, limit=0.01):
    """weight [C_out, C_in, k, k] -> (C_l of each map [C_out], share below the limit)."""
    c = (weight * (1 - weight)).flatten(1).mean(1)
    return c, (c < limit).float().mean().item()


assert check.converged_share(converged_share)
learner = STDPLearner(stdp)
for weight in share_of_epoch:
    assert abs(converged_share(weight)[1] - learner.converged_share(weight)) < 1e-6

# %%
_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for epoch, weight in enumerate(share_of_epoch, start=1):
    c, share = converged_share(weight)
    ax.plot(c.sort().values, "o-", ms=3, label=f"epoch {epoch}: {share:.0%} below 0.01")
ax.axhline(0.01, color=plotting.GREY, ls=":", lw=1)
ax.set(xlabel="map of conv2, sorted", ylabel="$C_l$ of the map", ylim=(0, None))
ax.legend(fontsize=8, frameon=False)
plt.show()

# %% [markdown]
# $C_l$ of the 36 maps, sorted, after each epoch. Most maps settle early; a few that win seldom come
# last, which is why a layer need not wait for all of them.

# %% [markdown]
# ### Exercise 2: A detector without learning
#
# Mark an event's pixel where at least `least` events lie in the 3x3 square around it.


# %%
def count_neighbours(dense, least):
    """Events [T, 2, H, W] -> mask [T, H, W] bool."""
    both = dense.sum(1, keepdim=True)
    near = torch.nn.functional.conv2d(both, torch.ones(1, 1, 3, 3), padding=1)
    return ((near >= least) & (both > 0))[:, 0]


assert check.count_neighbours(count_neighbours)

# %%
truths = [test.masks(i).any(1) for i in range(n_test)]
network = PixelCounts()
for ones, truth in zip(found, truths, strict=True):
    masks = [one.step_masks for one in ones]
    network.add(torch.stack(masks).any(0) if masks else torch.zeros_like(truth), truth)
informedness, outside = [], []
for least in (1, 2, 3, 4, 5):
    counts = PixelCounts()
    for i, truth in enumerate(truths):
        counts.add(count_neighbours(test.events[[i]].dense()[:, 0], least), truth)
    informedness.append(counts.informedness)
    outside.append(counts.false / n_test)
print(f"network: informedness {network.informedness:.3f}, {network.false / n_test:.0f} false")
assert max(informedness) > 0.5

# %%
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
for ax, values, own in (
    (left, informedness, network.informedness),
    (right, outside, network.false / n_test),
):
    ax.plot(range(1, 6), values, "o-", label="count of neighbours")
    ax.axhline(own, color=plotting.RED, ls="--", lw=1, label="network")
    ax.set(xlabel="least number of events in 3x3", ylim=(0, None), xticks=range(1, 6))
left.set_ylabel("informedness")
right.set(ylabel="false pixels a scene", yscale="symlog")
left.legend(fontsize=8, frameon=False)
plt.show()

# %% [markdown]
# Left informedness, right false pixels in a scene (of all ten frames), against the count that is
# asked for. An honest surprise: to mark *every* event (a count of 1) has the best informedness of
# all, because hundreds of false pixels are nothing beside 160 000 empty ones, and a count of three
# is as good as the network. On pixels alone the network is not needed here. What the count by
# itself cannot say is which pixels are one object, and how many objects there are. Connecting the
# marked pixels, as section 11 of the lesson does, says that, too, and better than the network.

# %% [markdown]
# ### Exercise 3: How fast does it fly?
#
# The centre of each frame's pixels, and a straight line through the centres.


# %%
def velocity(step_masks):
    """Masks [T, H, W] bool -> (vy, vx) in pixels a frame."""
    steps = step_masks.flatten(1).any(1).nonzero()[:, 0]
    centres = torch.stack([step_masks[t].nonzero().float().mean(0) for t in steps])
    t = steps.float() - steps.float().mean()
    slope = (t[:, None] * centres).sum(0) / (t**2).sum()
    return tuple(slope.tolist())


assert check.velocity(velocity)

# %%
pairs = []
for i, ones in enumerate(found):
    centres = test.skies[i].satellites  # [T + 1, n, 2]
    masks = list(test.masks(i)[:, : int(test.n_satellites[i])].transpose(0, 1))
    for a, b, overlap in match([one.step_masks for one in ones], masks):
        if overlap > 0.3:
            true = centres[1, b] - centres[0, b]
            pairs.append((*velocity(ones[a].step_masks), *true))
pairs = torch.tensor(pairs).float().reshape(-1, 4)
_, ax = plt.subplots(figsize=(4.2, 3.8), layout="constrained")
ax.axline((0, 0), slope=1, color=plotting.GREY, lw=1)
ax.plot(pairs[:, 2], pairs[:, 0], "o", ms=4, label="along y")
ax.plot(pairs[:, 3], pairs[:, 1], "s", ms=4, label="along x")
ax.set(xlabel="true velocity (pixels a frame)", ylabel="from the masks (pixels a frame)")
ax.legend(fontsize=8, frameon=False)
plt.show()
error = (pairs[:, :2] - pairs[:, 2:]).abs().median().item()
print(f"{len(pairs)} instances, median error {error:.3f} pixels a frame")
assert error < 0.2

# %% [markdown]
# Estimated against true velocity, both directions, for instances that overlap a satellite by more
# than 0.3. A path of ten frames averages out what single pixels get wrong. A point far off the line
# is a mask that holds something besides its satellite, or only a part of the path.

# %% [markdown]
# ### Exercise 4: The threshold of SMASH
#
# The number of groups for each threshold: two spikes belong together if they score above it.


# %%
def count_groups(scores, thresholds):
    """Scores [N, N] and a list of thresholds -> a list of numbers of groups."""
    groups = []
    for threshold in thresholds:
        pairs = (scores > threshold).triu(1).nonzero().tolist()
        groups.append(len(set(union_find(len(scores), pairs))))
    return groups


assert check.count_groups(count_groups)

# %%
thresholds = [0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]
_, ax = plt.subplots(figsize=(6, 3), layout="constrained")
for i in range(2, min(n_test, 15), 3):  # scenes with two satellites
    _, state = finder(test.events[[i]].dense())
    scores = smash_scores(hulk(finder, state, level=0.1), align="none")
    counts = count_groups(scores, thresholds)
    ax.plot(thresholds, counts, "o-", ms=3, label=f"scene {i}")
    assert counts == sorted(counts)
ax.axhline(2, color=plotting.GREY, ls=":", lw=1)
ax.set(xlabel="threshold of the score", ylabel="groups", ylim=(0, None))
ax.legend(fontsize=8, frameon=False)
plt.show()

# %% [markdown]
# Groups of class spikes against the threshold, in scenes of two satellites (dotted: two). Groups of
# fewer than four spikes, which the lesson leaves out, are counted here. Above 0.1 the paths break
# into pieces. These five pairs of paths stay apart even at 0; where two paths cross or touch, boxes
# of both overlap, and a low threshold joins them.
