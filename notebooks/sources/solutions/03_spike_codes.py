# ---
# jupyter:
#   jupytext:
#     text_representation: {format_name: percent, extension: .py}
#   kernelspec:
#     name: python3
#     display_name: Python 3
# ---

# %% [markdown]
# # Turn a picture into spikes, and back: solutions
#
# The exercises of `03_spike_codes`, solved. Each check of the notebook stands under an assert here.
# This notebook runs on its own, in a few seconds.

# %%
import math

import matplotlib.pyplot as plt
import torch
from sklearn.linear_model import LogisticRegression

import jarvis
from jarvis import encoding, plotting
from jarvis.classroom.check import spike_codes as check

plt.rcParams["figure.dpi"] = 85
print(f"jarvis {jarvis.__version__}, torch {torch.__version__.split('+')[0]}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_train": 300, "n_test": 60}}
full_run = True
seed = 0
n_train = 1257  # pictures that the reader learns from
n_test = 360  # pictures that are encoded and decoded
window = 33  # steps of 1 ms
which = 13  # the test picture that is shown

# %%
train = jarvis.datasets.pictures.digits("train").subset(n_train)
test = jarvis.datasets.pictures.digits("test").subset(n_test)
pictures, labels = test.inputs, test.targets.numpy()


def rng(k: int = 0) -> torch.Generator:
    """A fresh source of randomness; the same k gives the same numbers."""
    return torch.Generator().manual_seed(seed + k)


def rms(error: torch.Tensor) -> float:
    """Root of the mean square."""
    return error.square().mean().sqrt().item()


# %% [markdown]
# The noise that the exercises use, as in the notebook, and the reader that was trained on clean
# pictures.


# %%
def lose(spikes: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Remove every spike with probability `share`."""
    return spikes * (torch.rand(spikes.shape, generator=generator) >= share)


reader = LogisticRegression(max_iter=2000)
reader.fit(train.inputs.flatten(1).numpy(), train.targets.numpy())


def accuracy(values: torch.Tensor) -> float:
    """Share of the test pictures that the reader names correctly."""
    return float(reader.score(values.flatten(1).numpy(), labels))


# %% [markdown]
# ### Exercise 1: How many steps?
#
# `steps_for(p, error)`: the smallest T for which the standard
# deviation of a Poisson-coded pixel of brightness p is at most `error`.
#
# Solve $\sqrt{p(1-p)/T} \le e$ for T: $T \ge p(1-p)/e^2$, rounded up. The small allowance keeps
# the rounding of floating-point numbers from adding a step. A pixel that is black or white needs
# one step.


# %%
def steps_for(p: float, error: float) -> int:
    """The smallest T, at least 1."""
    return max(1, math.ceil(p * (1 - p) / error**2 - 1e-9))


assert check.steps_for(steps_for)
wanted = [(0.5, 0.05), (0.3, 0.02), (0.9, 0.03)]
for level, error in wanted:
    n = steps_for(level, error)
    s = jarvis.poisson_encode(torch.full((2000, 1), level), n, generator=rng())
    print(f"p = {level}, T = {n}: wanted {error}, measured {s.mean(0).std().item():.4f}")
    assert abs(s.mean(0).std().item() / error - 1) < 0.1
assert [steps_for(*w) for w in wanted] == [100, 525, 100]

# %% [markdown]
# ### Exercise 2: Bits per spike
#
# A brightness has K equally likely levels. Code (a) sends level k
# as k spikes, code (b) sends one spike in one of K steps. How many bits does a spike carry?
#
# Both say $\log_2 K$ bits. The count spends $(K-1)/2$ spikes on average, the timed code one.


# %%
def bits_per_spike(levels: int) -> tuple[float, float]:
    """The bits per spike of (count, first spike)."""
    bits = math.log2(levels)
    return bits / ((levels - 1) / 2), bits


assert check.bits_per_spike(bits_per_spike)
ks = [2, 4, 8, 16, 32, 64]
count, timed = zip(*(bits_per_spike(k) for k in ks), strict=True)
plotting.curves(
    {"count": count, "one spike": timed},
    x=ks,
    xlabel="levels K",
    ylabel="information (bits per spike)",
)
plt.show()

# %% [markdown]
# Bits per spike against the number of levels. The finer the greys, the less a counted spike says
# and the more a timed one. (With two levels the count wins: silence is a message that costs
# nothing.)

# %% [markdown]
# ### Exercise 3: An OFF channel
#
# A second channel sends `ttfs_encode(1 - x)`; with
# `silent_below=-1` every pixel fires in both. Decode both after 30 % of all spikes were lost:
# average where both fired, take the one that fired otherwise, 0 where none did.
#
# An OFF spike at step t means $x = t/(T-1)$. Weight each value by whether its channel fired.


# %%
def read_on_off(on: torch.Tensor, off: torch.Tensor) -> torch.Tensor:
    """The brightness [B, 1, 8, 8] that both channels tell."""
    heard_on, heard_off = on.sum(0), off.sum(0)  # 0 or 1 spike
    value_on, value_off = encoding.ttfs_decode(on), 1 - encoding.ttfs_decode(off)
    total = heard_on * value_on + heard_off * value_off
    return total / (heard_on + heard_off).clamp(min=1)


assert check.read_on_off(read_on_off)
on = lose(jarvis.ttfs_encode(pictures, window, silent_below=-1), 0.3, rng(1))
off = lose(jarvis.ttfs_encode(1 - pictures, window, silent_below=-1), 0.3, rng(2))
alone, paired = rms(encoding.ttfs_decode(on) - pictures), rms(read_on_off(on, off) - pictures)
assert paired < 0.7 * alone
print(f"RMS error: ON only {alone:.3f}, with OFF {paired:.3f}")

# %%
shown = [pictures[which, 0], encoding.ttfs_decode(on)[which, 0], read_on_off(on, off)[which, 0]]
plotting.images(torch.stack(shown), titles=["original", "ON only", "ON and OFF"], size=1.5)
plt.show()

# %% [markdown]
# The picture, read from the ON spikes that were left, and from both channels. A hole needs two
# losses now: 9 % of the pixels instead of 30 %. The price is a second spike for every pixel. Two
# copies of the ON channel would do the same against losses. The OFF channel has one more
# advantage: dark pixels speak early, too.

# %% [markdown]
# ### Exercise 4: Nobody told you when it began
#
# Each picture comes with an unknown delay of its own. Decode relative to the earliest spike of each
# picture, which you may take for white.
#
# Differences of spike times do not depend on the delay. The silent pixels end up far behind and
# `clamp` makes them black.


# %%
def read_relative(spikes: torch.Tensor, n_steps: int) -> torch.Tensor:
    """The brightness [B, 1, 8, 8], whatever the delay."""
    t = jarvis.first_spike_decode(spikes)
    earliest = t.flatten(1).amin(1).view(-1, 1, 1, 1)
    return (1 - (t - earliest) / (n_steps - 1)).clamp(0, 1)


assert check.read_relative(read_relative)
delayed = torch.cat([torch.zeros(12, *pictures.shape), jarvis.ttfs_encode(pictures, window)])
absolute = (1 - jarvis.first_spike_decode(delayed) / (window - 1)).clamp(0, 1)
print(f"accuracy: on time {accuracy(pictures):.3f}, delayed and read by the clock "
      f"{accuracy(absolute):.3f}, delayed and read relatively "
      f"{accuracy(read_relative(delayed, window)):.3f}")  # fmt: skip
assert rms(read_relative(delayed, window) - pictures) < 0.05

# %%
shown = torch.stack([x[which, 0] for x in (pictures, absolute, read_relative(delayed, window))])
plotting.images(shown, titles=["original", "by the clock", "relative"], size=1.5)
plt.show()

# %% [markdown]
# The picture, and the same spikes 12 ms late: read by the clock every pixel is too dark, read
# relative to the first spike nothing has changed. What is lost is the absolute brightness: a
# picture without a white pixel comes out brighter than it was.
