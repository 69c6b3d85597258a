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
# # Solve the exercises on adding a neuron, a rule and a notebook
#
# Solutions to `00_template.ipynb`. This notebook stands on its own; it runs in a few seconds on a
# CPU.

# %%
import math

import torch
from matplotlib import pyplot as plt

from jarvis import __version__
from jarvis.classroom.check import template as check
from jarvis.neurons import exp_decay
from jarvis.plotting import BLUE, GREY, ORANGE

plt.rcParams.update({"figure.figsize": (6, 2.8), "figure.dpi": 85, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {__version__}, torch {torch.__version__}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
seed = 0
tau = 20.0  # membrane time constant, ms

# %% [markdown]
# The QIF neuron of the notebook, with its parameters as they are there, for the figures and for
# trying out. `flaw` puts the surviving mutation into it.


# %%
def qif(x, v, flaw=False):
    """One step of 1 ms: spikes and v, of x and v [B, N]."""
    e = exp_decay(tau, 1.0)
    h = e * v / (1 - (1 - e) * v) + x
    spikes = (h >= 3.0).to(h)
    reset = spikes.amax(0, keepdim=True) if flaw else spikes
    return spikes, torch.where(reset > 0, 0.0, h)


# %% [markdown]
# ### Exercise 1: A closed form at any step
#
# With the same input $x$ at every step, which $x$ is just enough to make the QIF neuron fire?
#
# **Solution.** The step stands still where $v = \frac{e v}{1 - (1-e) v} + x$. Multiplied out, that
# is $v^2 - (1 + x)\,v + \frac{x}{1-e} = 0$. It has no solution where $(1 + x)^2 < \frac{4x}{1-e}$,
# so the limit is
#
# $$x = \frac{1 - \sqrt e}{1 + \sqrt e} = \tanh\frac{dt}{4\tau} .$$
#
# (The other root is above 1.) For a small $dt$ it is $dt/4\tau$, the rheobase of 1/4 in another
# form.


# %%
def rheobase_per_step(tau, dt):
    """The smallest input per step that makes the QIF neuron fire."""
    return math.tanh(dt / (4 * tau))


assert check.rheobase_per_step(rheobase_per_step)
print(f"tau 20, dt 1 ms: {rheobase_per_step(20.0, 1.0):.6f}, and dt/4tau is {1 / 80:.6f}")

# %% [markdown]
# ### Exercise 2: Add a refractory time
#
# For `n_wait` steps after a spike a neuron holds its $v$ and stays silent. `step(x, v)` returns
# spikes and the new $v$; `left` counts.
#
# **Solution.** Let the step happen, and keep its result only where the neuron is ready. Each neuron
# of each sample has its own count, so everything is elementwise, and nothing is changed in place.


# %%
def refractory_step(x, v, left, n_wait, step):
    """The spikes, v and left after one step of a neuron that waits after each spike."""
    spikes, moved = step(x, v)
    ready = left <= 0
    spikes = spikes * ready
    left = torch.where(spikes > 0, n_wait, (left - 1).clamp_min(0))
    return spikes, torch.where(ready, moved, v), left


assert check.refractory_step(refractory_step)

# %%
strong = torch.linspace(0.3, 6.0, 20)[None] / tau
v, left, count = torch.zeros(1, 20), torch.zeros(1, 20), torch.zeros(20)
for _ in range(1000):
    spikes, v, left = refractory_step(strong, v, left, 20, qif)
    count += spikes[0]
_, ax = plt.subplots()
ax.plot(strong[0] * tau, count, "o", color=BLUE, ms=4, label="20 steps of refractory time")
ax.axhline(1000 / 21, color=GREY, ls="--", label="1 spike in 21 steps")
ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)", ylim=0)
ax.legend()
plt.show()
assert 20 < count.max() < 1000 / 21

# %% [markdown]
# *The figure shows the rate of the QIF neuron that waits.* It bends below its limit, one spike in
# 21 steps: 20 of waiting and one to fire.
#
# ### Exercise 3: The test that is missing
#
# One mutation got through: a spike of one sample resets that neuron in all samples. Write the test.
#
# **Solution.** Run samples together, then each one alone from the same state: nothing may differ.
# The input has to be strong enough that some samples fire while others do not, whatever the peak.
# A test with one sample cannot see this, and neither can one with equal samples.


# %%
def each_alone(step):
    """Whether each sample of `step` is on its own."""
    g = torch.Generator().manual_seed(0)
    x, v = 5 * torch.rand(6, 4, generator=g), torch.rand(6, 4, generator=g)
    spikes, after = step(x, v)
    for b in range(len(x)):
        alone_spikes, alone_after = step(x[b : b + 1], v[b : b + 1])
        if not (torch.equal(alone_spikes[0], spikes[b]) and torch.equal(alone_after[0], after[b])):
            return False
    return True


assert check.each_alone(each_alone)
assert each_alone(qif)
assert not each_alone(lambda x, v: qif(x, v, flaw=True))
print("the mutation that got through is noticed")

# %% [markdown]
# ### Exercise 4: Soft bounds
#
# Each push is multiplied by the distance from the bound that it pushes towards.
#
# **Solution.**


# %%
def soft_change(up, down, weight, w_min, w_max):
    """The change of weights [n_post, n_pre] with soft bounds at w_min and w_max."""
    return up * (w_max - weight) - down * (weight - w_min)


assert check.soft_change(soft_change)

# %%
weight, push, none = torch.linspace(0, 1, 101), torch.full((101,), 0.1), torch.zeros(101)
_, ax = plt.subplots()
for up, down, color in ((push, none, BLUE), (none, push, ORANGE)):
    ax.plot(weight, (weight + up - down).clamp(0, 1) - weight, ":", color=color)
    ax.plot(weight, soft_change(up, down, weight, 0.0, 1.0), color=color)
ax.plot([], [], ":", color=GREY, label="hard bounds")
ax.plot([], [], color=GREY, label="soft bounds")
ax.axhline(0, color=GREY, lw=0.8)
ax.set(xlabel="weight (between w_min = 0 and w_max = 1)", ylabel="change (units of the weight)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the change of a weight that is pushed up (blue) and of one that is pushed down
# (orange).* With hard bounds the push is the same almost everywhere, so a weight that is pushed up
# a little more often than down ends at the bound: weights gather at both. With soft bounds the two
# pushes balance somewhere in between, at $(u\,w_{max} + d\,w_{min})/(u + d)$ for mean pushes $u$
# and $d$: weights gather around there.
