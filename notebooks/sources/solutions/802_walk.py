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
# # Solutions: Learn to run
#
# The exercises of [802](../802_walk.ipynb), solved. Try them yourself first. This notebook needs
# nothing from the lesson, not even the body, and runs in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import walk as check
from jarvis.plotting import BLUE, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_steps": 2000}}
full_run = True  # tests set False and shrink the numbers
n_steps = 20_000

# %% [markdown]
# ### Exercise 1: Read the speed off the rewards
#
# The reward of a control step is $v - 0.1 \sum_k a_k^2$, so the speed is the reward plus the cost.
# The rewards are already per control step and the velocity is in m/s, so the 50 ms do not appear.


# %%
def mean_speed(rewards, torques):
    """Mean forward speed (m/s); NumPy arrays rewards [T] and torques [T, 6]."""
    return (rewards + 0.1 * (torques**2).sum(1)).mean()


assert check.mean_speed(mean_speed)

# %% [markdown]
# ### Exercise 2: Write a population code


# %%
def encode(z, centres, width, steps):
    """Spikes [steps, N], a NumPy array, of N encoders with preferred values centres [N]."""
    A = np.exp(-((z - centres) ** 2) / (2 * width**2))
    potential, spikes = np.zeros(len(centres)), []
    for _ in range(steps):
        potential = potential + A
        fired = (potential >= 1) * 1.0
        potential = potential - fired
        spikes.append(fired)
    return np.array(spikes)


assert check.encode(encode)

# %% [markdown]
# Because 1 is subtracted, and the rest is kept, an encoder sends $\lfloor nA \rfloor$ spikes in $n$
# steps: nothing is lost.

# %%
centres = np.linspace(-2, 2, 10)
counts = encode(0.3, centres, 4 / 9, 50).sum(0)
A = np.exp(-((0.3 - centres) ** 2) / (2 * (4 / 9) ** 2))
print(counts.astype(int))
assert abs(counts - 50 * A).max() < 1

# %% [markdown]
# ### Exercise 3: Compute the jitter
#
# Once the trace has settled, its variance $V$ is the same before and after a step. The old trace
# and the new spike are independent, so $V = q^2 V + (1-q)^2\,p(1-p)$, and therefore
#
# $$V = p(1-p)\,\frac{1-q}{1+q}.$$
#
# The mean of $n$ independent traces has the variance $V/n$.


# %%
def jitter(p, tau, n):
    """Standard deviation of the mean of n traces; tau in ms, steps of 1 ms."""
    q = math.exp(-1 / tau)
    return math.sqrt(p * (1 - p) * (1 - q) / (1 + q) / n)


assert check.jitter(jitter)

# %%
rng = np.random.default_rng(0)
taus = np.array([1.0, 2.0, 4.0, 8.0])
trace, found = np.full((len(taus), 32), 0.25), []
q = np.exp(-1 / taus)[:, None]
for y in rng.random((n_steps, 32)) < 0.25:
    trace = q * trace + (1 - q) * y
    found.append(trace.mean(1))
simulated = np.std(found[100:], axis=0)
assert np.allclose(simulated, [jitter(0.25, tau, 32) for tau in taus], rtol=0.15)

_, ax = plt.subplots()
fine = np.linspace(0.7, 10, 50)
ax.plot(fine, [jitter(0.25, tau, 32) for tau in fine], color=GREY, label="formula")
ax.plot(taus, simulated, "o", color=BLUE, label="simulation")
ax.set(xlabel=r"time constant $\tau$ (ms)", ylabel="jitter of the mean trace", ylim=0)
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the jitter of the mean of 32 traces against the time constant, for neurons that
# fire with a probability of 0.25 per step.* For a long time constant it falls like
# $1/\sqrt{\tau}$.
#
# ### Exercise 4: Write PPO's objective


# %%
def ppo_goal(ratio, advantage, clip):
    """PPO's objective, to be maximised; tensors ratio [N] and advantage [N], a number clip."""
    bounded = ratio.clamp(1 - clip, 1 + clip)
    return torch.minimum(ratio * advantage, bounded * advantage).mean()


assert check.ppo_goal(ppo_goal)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
ratios = torch.linspace(0, 2, 101)
_, ax = plt.subplots()
for advantage, color in ((1.0, BLUE), (-1.0, ORANGE)):
    goals = [ppo_goal(r[None], torch.tensor([advantage]), 0.2).item() for r in ratios]
    ax.plot(ratios, goals, color=color, label=f"advantage {advantage:+.0f}")
ax.axvline(1, color=GREY, ls=":", lw=1)
ax.set(xlabel="ratio of probabilities, now to then", ylabel="objective")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the objective of one control step against the ratio, for a clip of 0.2.* The flat
# parts have no gradient: beyond 20 %, nothing is gained by making a good action more probable, or a
# bad one less. A bad action that has become *more* probable still has a gradient: mistakes are
# corrected.
