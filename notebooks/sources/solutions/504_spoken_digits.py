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
# # Detect a sweep, find a rate, turn and cut words
#
# Solutions to [504](../504_spoken_digits.ipynb).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import EventLIF, Events, datasets, run_events
from jarvis.classroom import lesson
from jarvis.classroom.check import spoken_digits as check
from jarvis.plotting import BLUE, GREY, ORANGE, PURPLE
from jarvis.spatial.delays import euclidean_delays

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True

# %% [markdown]
# ### Exercise 1: Detect a faster sweep
#
# Channel 0 fires `duration` ms before channel 30, so both arrive together where channel 0 is
# `duration` ms farther away. The points with this difference of distances lie on a **hyperbola**
# with its foci at the ends. Where the hyperbola crosses the line, the spikes of the two end
# channels arrive together, but those of the channels between do not. Far out, the hyperbola is
# nearly straight, at an angle $\alpha$ to the line with $\cos\alpha = \text{duration}/30$: for a
# distant neuron the sweep is a plane wave.


# %%
def place_for(duration):
    """The time of an up-sweep, ms -> x and y (ms) of a neuron that hears it at once."""
    angle = math.acos(duration / 30)
    return 15 + 25 * math.cos(angle), 25 * math.sin(angle)


assert check.place_for(place_for)

# %%
line = torch.stack([torch.arange(31.0), torch.zeros(31)], 1)  # ms
neuron, k = EventLIF(dt=0.5), torch.arange(31)
sweeps = torch.stack([k, 30 - k]) / 2  # [sweep, channel] ms: up, down


def responses(positions, weight=0.028):
    """[sweep, position]: spikes of neurons there."""
    events = Events.from_first_steps((sweeps / neuron.dt).round().int(), round(150 / neuron.dt))
    weights = torch.full((len(line), len(positions)), weight)
    return run_events(events, weights, euclidean_delays(line, positions), neuron=neuron).counts


mine = torch.tensor([place_for(15.0)])
up, down = responses(mine)[:, 0].tolist()
print(f"at {mine[0].numpy().round(1)}: {up:.0f} spikes for up, {down:.0f} for down")
assert up > 0 == down

# %% tags=["hide-input"] jupyter={"source_hidden": true}
side = 121 if full_run else 21
xs, ys = torch.linspace(-10, 50, side), torch.linspace(-30, 30, side)
mesh = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).view(-1, 2)
up, down = responses(mesh).clamp(max=1).view(2, side, side)
far, near = ((mesh - line[end]).norm(dim=1).view(side, side) for end in (0, 30))
_, ax = plt.subplots(figsize=(6.4, 4.4))
ax.contourf(xs, ys, up - down, levels=[-1.5, -0.5, 0.5, 1.5], colors=[ORANGE, "white", BLUE])
ax.contour(xs, ys, far - near, levels=[15], colors="black", linewidths=1)
ax.plot(*line.T, "k.", ms=3)
ax.plot(*mine.T, "^", color="white", mec="black", ms=9)
ax.set(xlabel="x (ms)", ylabel="y (ms)", aspect="equal")
plt.show()

# %% [markdown]
# *The figure shows where a neuron detects the up-sweep (blue) or the down-sweep (orange) of 15 ms,
# the hyperbola (black), and our position (triangle).* The blue positions lie around the hyperbola,
# away from the line: the angle at which a neuron sits sets the speed of its sweep.
#
# ### Exercise 2: Find the factor
#
# Bisect on a logarithmic scale. The range spans eight powers of ten; after 50 halvings, what is
# left is negligible.


# %%
def find_factor(rate_of, target):
    """A function factor -> rate (Hz), and a rate (Hz) -> the factor that leads to it."""
    low, high = 1e-4, 1e4
    for _ in range(50):
        middle = math.sqrt(low * high)
        if rate_of(middle) < target:
            low = middle
        else:
            high = middle
    return middle


assert check.find_factor(find_factor)

# %% [markdown]
# ### Exercise 3: Play words backwards
#
# A stable sort by sample, and within each sample by time, puts the events in order again. The
# offsets stay: each sample has as many events as before.


# %%
def backwards(events):
    """Events -> Events with each sample turned around in time."""
    times = events.n_steps - 1 - events.times
    order = torch.argsort(events.samples() * events.n_steps + times, stable=True)
    return Events(times[order], events.units[order], events.offsets, events.shape, events.n_steps)


assert check.backwards(backwards)

# %% [markdown]
# ### Exercise 4: Cut words short
#
# The offsets follow from the number of events each sample keeps.


# %%
def until(events, step):
    """Events and a step -> Events with only those before the step."""
    keep = events.times < step
    counts = torch.bincount(events.samples()[keep], minlength=len(events))
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return Events(events.times[keep], events.units[keep], offsets, events.shape, events.n_steps)


assert check.until(until)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
words = datasets.shd_like("train").on_grid(1.0, 600)
word = words[:1][0]  # generated: no recording is needed
_, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharex=True, sharey=True)
versions = {"as it is": (word, GREY), "backwards": (backwards(word), BLUE)}
versions["until 200 ms"] = (until(word, 200), PURPLE)
for ax, (name, (events, color)) in zip(axes, versions.items(), strict=True):
    ax.scatter(events.times, events.units, s=3, color=color)
    ax.set(xlabel="time (ms)", title=name)
axes[0].set_ylabel("channel")
plt.show()
assert np.bincount(backwards(word).units).tolist() == np.bincount(word.units).tolist()
assert len(until(word, 200).times) == int((word.times < 200).sum())

# %% [markdown]
# *The figure shows a generated word as it is, backwards, and cut short.* In the reversed word,
# every channel has as many spikes as before.
