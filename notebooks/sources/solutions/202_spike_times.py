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
# # Send a picture with one spike per pixel: solutions
#
# The exercises of [202](../202_spike_times.ipynb), solved. This notebook runs on its own, in a few
# seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import matplotlib.pyplot as plt
import torch
from sklearn.linear_model import LogisticRegression

import jarvis
from jarvis import plotting
from jarvis.classroom import lesson
from jarvis.classroom.check import spike_times as check
from jarvis.plotting import BLUE, GREEN, GREY

lesson.begin("sklearn")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_pictures": 60}}
full_run = True
seed = 0
n_pictures = 360  # test pictures
window = 33  # steps of 1 ms
which = 13  # the test picture that is shown

# %%
test = jarvis.datasets.digits("test").subset(n_pictures)
pictures, labels = test.inputs, test.targets.numpy()


def rng(k: int = 0) -> torch.Generator:
    """A source of random numbers; the same k gives the same numbers."""
    return torch.Generator().manual_seed(seed + k)


def rms(error: torch.Tensor) -> float:
    """Root of the mean square."""
    return error.square().mean().sqrt().item()


# %% [markdown]
# ### Exercise 1: Bits per spike
#
# Both codes carry $\log_2 K$ bits. The count needs $(K-1)/2$ spikes on average, the timed code
# needs one.


# %%
def bits_per_spike(levels: int) -> tuple[float, float]:
    """The bits per spike of (count, first spike), for K = levels."""
    bits = math.log2(levels)
    return bits / ((levels - 1) / 2), bits


assert check.bits_per_spike(bits_per_spike)
ks = [2, 4, 8, 16, 32, 64]
count, timed = zip(*(bits_per_spike(k) for k in ks), strict=True)
_, ax = plt.subplots(figsize=(4.5, 3))
ax.plot(ks, count, "s-", color=GREEN, label="count")
ax.plot(ks, timed, "o-", color=BLUE, label="one timed spike")
ax.set(xlabel="levels K", ylabel="information (bits per spike)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows bits per spike against the number of levels.* The finer the greys, the less a
# counted spike says and the more a timed one. (With two levels the count wins: silence is a message
# that costs nothing.)
#
# ### Exercise 2: Predict the first spike of a Poisson code
#
# The step of the first spike is the number of k from 1 to T for which the first k steps are silent.
# Each k counts with probability $(1-p)^k$, so the mean is $\sum_{k=1}^{T} (1-p)^k$, a geometric
# series.


# %%
def expected_first_step(p: float, n_steps: int) -> float:
    """The mean of `first_spike_decode` over many Poisson trains; p is above 0."""
    return sum((1 - p) ** k for k in range(1, n_steps + 1))


assert check.expected_first_step(expected_first_step)
closed = (1 - 0.1) * (1 - (1 - 0.1) ** window) / 0.1
assert math.isclose(expected_first_step(0.1, window), closed)
print(f"p = 1/16: {expected_first_step(1 / 16, window):.1f} of {window} steps")

# %% [markdown]
# ### Exercise 3: Read a latency
#
# $t = \tau\ln\frac{x}{x-\theta}$ gives $e^{-t/\tau} = 1 - \theta/x$, so
# $x = \theta / (1 - e^{-t/\tau})$. A very early spike would mean $x > 1$, which no pixel has.


# %%
def read_latency(t: torch.Tensor, tau: float, theta: float) -> torch.Tensor:
    """The brightness for each spike time, at most 1."""
    return (theta / (1 - torch.exp(-t / tau))).clamp(max=1)


assert check.read_latency(read_latency)

# %%
grey = torch.linspace(0, 1, 400)[None]
_, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for ax, tau in zip(axes, (10.0, 40.0), strict=True):
    s = jarvis.latency_encode(grey, window, tau=tau, threshold=0.2)
    back = read_latency(jarvis.first_spike_decode(s) + 0.5, tau, 0.2) * s.sum(0)
    ax.plot([0, 1], [0, 1], color=GREY, ls=":")
    ax.plot(grey[0], back[0], color=BLUE)
    ax.set(xlabel="brightness", title=f"tau = {tau:.0f} ms")
axes[0].set_ylabel("read back")
plt.show()

# %% [markdown]
# *The figure shows the brightness read back from a latency code of 33 ms; dotted: without error.*
# The steps of the staircase are wide where many brightnesses fire within one time step.
#
# ### Exercise 4: Read without a clock
#
# Spike-time differences do not depend on the delay. The silent pixels end up far behind, and
# `clamp` makes them black.


# %%
def read_relative(spikes: torch.Tensor, n_steps: int) -> torch.Tensor:
    """The brightness [B, 1, 8, 8], whatever the delay."""
    t = jarvis.first_spike_decode(spikes)
    earliest = t.flatten(1).amin(1).view(-1, 1, 1, 1)
    return (1 - (t - earliest) / (n_steps - 1)).clamp(0, 1)


assert check.read_relative(read_relative)
delayed = torch.cat([torch.zeros(24, *pictures.shape), jarvis.ttfs_encode(pictures, window)])
absolute = (1 - jarvis.first_spike_decode(delayed) / (window - 1)).clamp(0, 1)
relative = read_relative(delayed, window)
assert rms(relative - pictures) < 0.05

# %%
reader = LogisticRegression(max_iter=2000)
train = jarvis.datasets.digits("train")
reader.fit(train.inputs.flatten(1).numpy(), train.targets.numpy())
read = {"original": pictures, "absolute times": absolute, "relative": relative}
for name, values in read.items():
    print(f"{name}: accuracy {reader.score(values.flatten(1).numpy(), labels):.3f}")
shown = torch.stack([values[which, 0] for values in read.values()])
plotting.images(shown, titles=list(read), size=1.5)
plt.show()

# %% [markdown]
# *The figure shows a picture, and what is decoded if its spikes come 24 ms late: from absolute
# times, and relative to the first spike.* The absolute brightness is lost: a picture without a
# white pixel comes out brighter than it was.
