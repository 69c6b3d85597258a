# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Solutions: Recognise spoken digits by where neurons sit
#
# The exercises of `09_spatial_shd.ipynb`, solved. This notebook stands on its own and runs in about
# half a minute on two CPU cores. Try them yourself first.

# %%
import math
from functools import partial

import numpy as np
import torch
from matplotlib import pyplot as plt

import jarvis
from jarvis import (
    EventLIF,
    Events,
    SpatialNetwork,
    datasets,
    run_events,
    spatial,
)
from jarvis.classroom.check import spatial_shd as check
from jarvis.datasets import CHANNELS, held_out
from jarvis.plotting import BLUE, GREY, ORANGE, RED
from jarvis.spatial import SpatialRun, randomise_signs_
from jarvis.training import warmup_cosine

plt.rcParams["figure.dpi"] = 80
print(f"jarvis {jarvis.__version__}, torch {torch.__version__.split('+')[0]}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_words": 160, "epochs": 1}}
full_run = True  # tests set False and shrink the numbers
seed = 0
n_words = 2000  # to learn from
n_val = 800  # words of held-out speakers, to measure on
n_hidden = 30  # neurons
dt = 1.0  # ms
epochs = 8

# %% [markdown]
# ### Exercise 1: a faster sweep
#
# 31 channels on a line, 1 ms apart, and an up-sweep that runs along them in `duration` ms. Where
# must a neuron of weight 0.028 sit to hear it at once, and not the down-sweep?
#
# **Solution.** All arrives together where channel 0, which fires `duration` ms before channel 30,
# is as many ms farther. The points whose distances to the two ends differ by that are a
# **hyperbola** with its foci at the ends. Where it crosses the line, the ends do arrive together,
# but not the channels between them. Far out it becomes a straight line: to a distant neuron the
# sweep is a plane wave, and it sits at an angle $\alpha$ to the line with
# $\cos\alpha = \text{duration}/30$: at 60° for 15 ms.


# %%
def place_for(duration):
    """x and y (ms) of a neuron that hears an up-sweep of `duration` ms at once."""
    angle = math.acos(duration / 30)
    return 15 + 25 * math.cos(angle), 25 * math.sin(angle)


assert check.place_for(place_for)

# %%
line = torch.stack([torch.arange(31.0), torch.zeros(31)], 1)  # ms
neuron = EventLIF(dt=0.5)
k = torch.arange(31)
sweeps = torch.stack([k, 30 - k]) / 2  # [sweep, channel] ms: up, down


def distance_delays(a, b):
    return torch.sqrt(0.01 + (a[:, None] - b[None]).square().sum(-1))


def answers(positions, sweeps, weight):
    """[sweep, position]: spikes of neurons there."""
    events = Events.from_first_steps((sweeps / neuron.dt).round().int(), round(150 / neuron.dt))
    weights = torch.full((len(line), len(positions)), weight)
    return run_events(events, weights, distance_delays(line, positions), neuron=neuron).counts


# %%
my_position = torch.tensor([place_for(15.0)])
up, down = answers(my_position, sweeps, 0.028)[:, 0].tolist()
print(f"at {my_position[0].numpy().round(1)}: {up:.0f} spikes for up, {down:.0f} for down")
assert up > 0 == down

# %%
xs, ys = torch.linspace(-10, 50, 121), torch.linspace(-30, 30, 121)
mesh = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).view(-1, 2)
up, down = answers(mesh, sweeps, 0.028).clamp(max=1).view(2, 121, 121)
far, near = ((mesh - line[end]).norm(dim=1).view(121, 121) for end in (0, 30))
ax = plt.subplots(figsize=(6.5, 4.2), layout="constrained")[1]
ax.contourf(xs, ys, up - down, levels=[-1.5, -0.5, 0.5, 1.5], colors=[ORANGE, "w", BLUE])
ax.contour(xs, ys, far - near, levels=[15], colors=RED)
ax.plot(*line.T, "k.", ms=3, label="channels")
ax.plot(*my_position.T, "r^", label="my place")
ax.set(xlabel="x (ms)", ylabel="y (ms)", aspect="equal", title="blue: up, orange: down")
ax.legend(fontsize=7)
plt.show()

# %% [markdown]
# Blue positions detect the up-sweep. They lie about the hyperbola, in red, and not on the line: how
# fast a sweep may be is chosen by the angle at which a neuron sits.
#
# ### Exercise 2: what pruning saves
#
# The number of weights and delays of a network of which a share `density` of the synapses is left.
#
# **Solution.** Weights and free delays go with their synapses, positions stay. No neuron hears
# itself.


# %%
def pruned_parameters(net, n, density):
    """How many numbers a network has learned, without its read-out."""
    weights = round(density * CHANNELS * n) + round(density * n * (n - 1))
    if net in ("0", "inf"):
        return weights if net == "0" else 2 * weights
    return weights + int(net) * (CHANNELS + n)


assert check.pruned_parameters(pruned_parameters)

# %%
free, positions = pruned_parameters("inf", 300, 1.0), pruned_parameters("3", 300, 0.1)
print(f"{free} with free delays, {positions} in 3-D at a tenth: a factor of {free / positions:.0f}")
assert round(free / positions) == 18

shares = np.logspace(-2, 0, 30)
ax = plt.subplots(figsize=(6.5, 2.8), layout="constrained")[1]
for net, label, color in (("inf", "free delays", ORANGE), ("3", "3-D", BLUE), ("0", "none", GREY)):
    ax.loglog(shares, [pruned_parameters(net, 300, p) for p in shares], color=color, label=label)
ax.set(xlabel="share of the synapses that is left", ylabel="parameters", title="300 neurons")
ax.legend(fontsize=7)
plt.show()

# %% [markdown]
# Parameters over density. A dense 3-D network costs hardly more than one without delays. At a
# hundredth its 3000 coordinates are as many as its weights, and the advantage over free delays is
# used up.
#
# ### A network to ask
#
# For the last two exercises, a small network as in section 4 of the notebook.

# %%
try:
    whole = datasets.shd("train+val", download=False)
except datasets.MissingDataError as error:
    print(str(error).split(": put")[0])
    whole = datasets.shd_like("train+val")
on_shd = whole.source.startswith("SHD")
n_steps = round((1000.0 if on_shd else 600.0) / dt)
n_epochs = epochs if on_shd else 2 * epochs
train, val = held_out(whole.on_grid(dt, n_steps))
train, val = train.subset(n_words), val.subset(n_val if full_run else 50)
print(val)

# %%
neuron, random = EventLIF(dt=dt), torch.Generator().manual_seed(seed)
model = SpatialNetwork(CHANNELS, n_hidden, 20, "3", neuron, expected_rate=20.0, seed=seed)
randomise_signs_(model.w_in, 0.5, random)
randomise_signs_(model.w_rec, 0.0, random)
spatial.scale_to_rate(model, train[:64][0], 20.0)
total = n_epochs * -(-len(train) // 32)
run = SpatialRun(
    model,
    train,
    spatial.spatial_optimiser(model, 5e-3, delay_scale=50.0),
    schedule=partial(warmup_cosine, warmup=min(50, total // 4), total=total, floor=0.05),
    epochs=n_epochs,
    target=spatial.RateTarget(20.0, 1e-6),
    augmentation=jarvis.datasets.Augmentation(channels=20 if on_shd else 5),
    seed=seed,
)
spatial.fit_spatial(run, progress=False, log=lambda line: None)


# %%
def accuracy(change):
    right = 0
    with torch.no_grad():
        for index in torch.arange(len(val)).split(200):
            events, labels = val[index]
            right += (model(change(events)).scores.argmax(1) == labels).sum().item()
    return right / len(val)


as_spoken = accuracy(lambda events: events)
print(f"{as_spoken:.1%} right on held-out voices; {val.source}")
assert not full_run or as_spoken > 0.5

# %% [markdown]
# ### Exercise 3: words spoken backwards
#
# Turn words around in time: what was at step $t$ is at $T - 1 - t$.
#
# **Solution.** A stable sort by sample and time puts the events in order again.


# %%
def backwards(events):
    """`Events` with each sample turned around in time."""
    times = events.n_steps - 1 - events.times
    order = torch.argsort(events.samples() * events.n_steps + times, stable=True)
    return Events(times[order], events.units[order], events.offsets, events.shape, events.n_steps)


assert check.backwards(backwards)
turned_around = accuracy(backwards)
print(f"{turned_around:.1%} right, {as_spoken:.1%} as spoken; chance 5.0%")
assert not full_run or turned_around < as_spoken - 0.1

# %% [markdown]
# Every channel fires as often as before, so a network that only counted would not notice. This one
# loses much of what it knows. What is left are words that are told by their tones.
#
# ### Exercise 4: how early does it know?
#
# Let the network hear only the events before a step.
#
# **Solution.** Offsets follow from how many events each sample keeps.


# %%
def until(events, step):
    """`Events` with only those before `step`."""
    keep = events.times < step
    counts = torch.bincount(events.samples()[keep], minlength=len(events))
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Events(events.times[keep], events.units[keep], offsets, events.shape, events.n_steps)


assert check.until(until)

# %%
heard_until = np.linspace(n_steps // 8, n_steps, 8).round().astype(int)
known = [accuracy(partial(until, step=int(step))) for step in heard_until]

# %%
ax = plt.subplots(figsize=(6.5, 2.8), layout="constrained")[1]
ax.plot(heard_until * dt, known, ".-", color=BLUE, label="30 neurons")
ax.axhline(0.05, color="black", ls=":", label="chance")
ax.set(xlabel="heard until (ms)", ylabel="accuracy on held-out voices", ylim=(0, 1))
ax.legend(fontsize=7)
plt.show()
assert known[-1] == as_spoken
assert not full_run or known[0] < 0.5 * as_spoken

# %% [markdown]
# Accuracy over how much of the word is heard. It rises while words are spoken and is flat once most
# of them are over. The network has to wait for the end: it was trained on counts of whole words.
