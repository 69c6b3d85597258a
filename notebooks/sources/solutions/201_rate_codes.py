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
# # Send a picture as firing rates: solutions
#
# The exercises of [201](../201_rate_codes.ipynb), solved. This notebook runs on its own, in a few
# seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import matplotlib.pyplot as plt
import torch

import jarvis
from jarvis.classroom import lesson
from jarvis.classroom.check import rate_codes as check
from jarvis.plotting import BLUE, GREY

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_copies": 1000}}
full_run = True
seed = 0
n_copies = 4000  # copies of a neuron, to measure a standard deviation


# %%
def rng(k: int = 0) -> torch.Generator:
    """A source of random numbers; the same k gives the same numbers."""
    return torch.Generator().manual_seed(seed + k)


# %% [markdown]
# ### Exercise 1: How many steps?
#
# Solve $\sqrt{p(1-p)/T} \le e$ for T: $T \ge p(1-p)/e^2$, rounded up. The small allowance keeps
# rounding errors of floating-point numbers from adding a step. A pixel that is black or white needs
# one step.


# %%
def steps_for(p: float, error: float) -> int:
    """The smallest number of steps T, at least 1."""
    return max(1, math.ceil(p * (1 - p) / error**2 - 1e-9))


assert check.steps_for(steps_for)
wanted = [(0.5, 0.05), (0.3, 0.02), (0.9, 0.03)]
for p, error in wanted:
    n = steps_for(p, error)
    s = jarvis.poisson_encode(torch.full((n_copies, 1), p), n, generator=rng())
    print(f"p = {p}, T = {n}: wanted {error}, measured {s.mean(0).std().item():.4f}")
    assert abs(s.mean(0).std().item() / error - 1) < 0.1
assert [steps_for(*w) for w in wanted] == [100, 525, 100]

# %% [markdown]
# ### Exercise 2: Decode a rate in Hz
#
# `rate_decode` with `dt` gives a rate in Hz; a white pixel fires at `max_rate`.


# %%
def brightness(spikes: torch.Tensor, max_rate: float, dt: float) -> torch.Tensor:
    """The brightness [...] that the spikes [T, ...] encode."""
    return jarvis.rate_decode(spikes, dt) / max_rate


assert check.brightness(brightness)

# %% [markdown]
# ### Exercise 3: Measure the irregularity
#
# Divide the variance of the counts by their mean. For independent steps that is $1-p$.


# %%
def fano_factor(spikes: torch.Tensor) -> float:
    """The Fano factor of the spike counts of n trains, spikes [T, n]."""
    counts = spikes.sum(0)
    return counts.var() / counts.mean()


assert check.fano_factor(fano_factor)
levels = torch.linspace(0.05, 1, 20)
found = [
    float(fano_factor(jarvis.poisson_encode(p.expand(n_copies), 100, generator=rng())))
    for p in levels
]
_, ax = plt.subplots(figsize=(4.5, 3))
ax.plot(levels, 1 - levels, color=GREY, label="$1 - p$")
ax.plot(levels, found, "o", color=BLUE, ms=4, label="measured")
ax.set(xlabel="probability of a spike per step p", ylabel="Fano factor")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the Fano factor of Poisson-coded pixels.* Where spikes are rare, the train is as
# irregular as a Poisson process; with one in every step, it is perfectly regular.
#
# ### Exercise 4: Choose a time constant
#
# The mean of section 2 would need $T = p(1-p)/e^2$ steps. The running estimate needs
# $T_{eff} = T$, and $T_{eff} \approx 2\tau/dt$. (Without the approximation:
# $\beta = (T-1)/(T+1)$ and $\tau = -dt/\ln\beta$, which is the same within 1 % from T = 6 on.)


# %%
def time_constant(p: float, error: float, dt: float) -> float:
    """The smallest tau (ms) with a standard deviation of at most `error`."""
    return dt * p * (1 - p) / (2 * error**2)


assert check.time_constant(time_constant)
tau, r = time_constant(0.8, 0.05, 1.0), torch.zeros(n_copies)
draws = (torch.rand((400, n_copies), generator=rng()) < 0.8).float()
for s in draws:
    r = math.exp(-1 / tau) * r + (1 - math.exp(-1 / tau)) * s
print(f"tau = {tau:.0f} ms: wanted 0.05, measured {r.std().item():.4f}")
assert abs(r.std().item() / 0.05 - 1) < 0.1
