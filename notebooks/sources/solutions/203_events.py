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
# # Send only what changes: solutions
#
# The exercises of [203](../203_events.ipynb), solved. This notebook runs on its own, in a few
# seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import matplotlib.pyplot as plt
import numpy as np
import torch

import jarvis
from jarvis import datasets, encoding
from jarvis.classroom import lesson
from jarvis.classroom.check import events as check

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "sample": 0}}
full_run = True
sample = 1  # the recording that is drawn

# %% [markdown]
# ### Exercise 1: Rebuild the signal
#
# Each event moved the reference by one threshold, so the start plus all moves gives the reference
# now. The signal is less than one threshold away from it, as long as the reference can follow.


# %%
def rebuild(events: torch.Tensor, threshold: float, start: float) -> torch.Tensor:
    """The rebuilt signal [T]."""
    return start + threshold * events.cumsum(0)


assert check.rebuild(rebuild)
signal = torch.sin(torch.arange(200) / 25.0)
on_off = jarvis.delta_encode(signal[:, None], 0.1)[:, 0]
mine = rebuild(on_off[:, 0] - on_off[:, 1], 0.1, signal[0])
print(f"largest error {(mine - signal).abs().max():.3f}, threshold 0.1")
assert (mine - signal).abs().max() < 0.1

# %% [markdown]
# ### Exercise 2: Choose the threshold
#
# The reference moves by at most one threshold per step, up or down. So the threshold must be at
# least as large as the largest change of any pixel in one step.


# %%
def smallest_threshold(signal: torch.Tensor) -> float:
    """The smallest threshold (a number) at which all pixels of the signal follow safely."""
    return signal.diff(dim=0).abs().max()


assert check.smallest_threshold(smallest_threshold)
size = float(smallest_threshold(signal))
for threshold in (size, size / 2):
    back = encoding.delta_decode(jarvis.delta_encode(signal[:, None], threshold), threshold)
    worst = (back[:, 0] - signal).abs().max().item() / threshold
    print(f"threshold {threshold:.3f}: largest error {worst:.1f} thresholds")
assert worst > 5  # with half of it

# %% [markdown]
# ### Exercise 3: See in the dark
#
# $\ln(1.15\,x) - \ln x = \ln 1.15$ for every $x$: the logarithm turns a fixed ratio into a fixed
# difference. Dimming adds a constant to the logarithm, and constants send no events.


# %%
def camera_events(film: torch.Tensor, contrast: float) -> torch.Tensor:
    """The events [T, B, 2, ...] of a film [T, B, ...] of positive values."""
    return jarvis.delta_encode(film.log(), math.log(1 + contrast))


assert check.camera_events(camera_events)
film = (1.5 + torch.sin(torch.arange(200) / 25.0)).double()[:, None]
bright, dim = camera_events(film, 0.15), camera_events(0.01 * film, 0.15)
print(f"{int(bright.sum())} events; the same at 1 % of the light: {torch.equal(bright, dim)}")
assert torch.equal(bright, dim)

# %% [markdown]
# ### Exercise 4: Draw a time surface
#
# The events are sorted, so if times are written into an array in order, the last one of each pixel
# stays. A pixel without an event keeps $-\infty$, and $e^{-\infty} = 0$.


# %%
def time_surface(times, place, now, tau, n_pixels):
    """The value of each pixel at the time `now` (ms): an array [n_pixels]."""
    last = np.full(n_pixels, -np.inf)
    past = times <= now
    last[place[past]] = times[past]
    return np.exp((last - now) / tau)


assert check.time_surface(time_surface)

# %%
try:
    recording, _ = datasets.nmnist("test", n=2, download=False)[sample]
except datasets.MissingDataError as error:
    print(str(error).splitlines()[0])
    recording, _ = datasets.nmnist_like("test", n=2)[sample]
times, place = recording.times.numpy(), recording.units.numpy() % (34 * 34)
_, axes = plt.subplots(1, 4, figsize=(8.5, 2.5))
for ax, tau in zip(axes, (2.0, 10.0, 50.0, 250.0), strict=True):
    ax.imshow(time_surface(times, place, 60.0, tau, 34 * 34).reshape(34, 34), cmap="gray")
    ax.set(xticks=[], yticks=[], title=f"tau = {tau:g} ms")
plt.show()

# %% [markdown]
# *The figure shows the time surface of a recording at 60 ms, for four time constants.* A short time
# constant shows where the edges are now, a long one where they have been.
