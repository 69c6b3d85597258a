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
# # Solutions: learn features without labels, and see what no feature can tell
#
# The exercises of [403](../403_features.ipynb). This notebook needs nothing from the lesson and
# takes about ten seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import torch
from matplotlib import pyplot as plt

from jarvis import STDPConfig, STDPLearner, plotting
from jarvis.classroom import lesson
from jarvis.classroom.check import features as check
from jarvis.classroom.two_choices import PAIR, session
from jarvis.plotting import ORANGE
from jarvis.stdp import ThreeFactorSTDP, order_stdp

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "blocks": 4, "swap": 2}}
full_run = True
seed = 2
blocks = 140  # of 16 trials
swap = 50  # blocks after which the task is reversed

# %% [markdown]
# ### Exercise 1: Update by order


# %%
def update_by_order(w, input_times, winner_time, a_plus, a_minus):
    """The new weights of a winner, shaped like w."""
    rate = torch.where(input_times <= winner_time, a_plus, -a_minus)
    return w + rate * w * (1 - w)


assert check.update_by_order(update_by_order)

# %% [markdown]
# The library does the same.

# %%
w, times = torch.tensor([0.5, 0.5, 0.5]), torch.tensor([1, 3, 15])
by_library = order_stdp(w, times, 3, STDPConfig(a_plus=0.4, a_minus=0.2))
assert torch.allclose(update_by_order(w, times, 3, 0.4, 0.2), by_library)

# %% [markdown]
# ### Exercise 2: Measure each map
#
# Take $w(1-w)$ of every weight first, then the mean over all axes except the first.


# %%
def converged_share(weight, limit):
    """weight [maps, channels, k, k] -> (C_l of each map [maps], share of the maps below limit)."""
    c = (weight * (1 - weight)).mean((1, 2, 3))
    return c, (c < limit).float().mean().item()


assert check.converged_share(converged_share)
g = torch.Generator().manual_seed(seed)
weight = torch.rand(10, 2, 5, 5, generator=g).round() * torch.rand(10, 1, 1, 1, generator=g)
assert converged_share(weight, 0.01)[1] == STDPLearner(STDPConfig()).converged_share(weight)

# %% [markdown]
# ### Exercise 3: Shuffle the weights
#
# Make one row per map, and draw a random order for each row.


# %%
def shuffled(weight, generator):
    """weight [maps, channels, k, k] -> the same with each map's values in a random order."""
    rows = [w[torch.randperm(len(w), generator=generator)] for w in weight.flatten(1)]
    return torch.stack(rows).view_as(weight)


assert check.shuffled(shuffled)

# %% [markdown]
# ### Exercise 4: Wait long enough
#
# After a delay $d$ the trace has fallen to $e^{-d/\tau}$, so $\tau = d / \ln(1/share)$. If half of
# the trace is to be left after 700 ms, $\tau$ is 1010 ms, about the 1 s that Izhikevich (2007)
# uses.


# %%
def wait_long_enough(delay, share):
    """The tau_eligibility (ms) with which `share` of a trace is left after `delay` ms."""
    return delay / math.log(1 / share)


assert check.wait_long_enough(wait_long_enough)
print(f"a half after 700 ms: {wait_long_enough(700, 0.5):.0f} ms")

# %% [markdown]
# ### Exercise 5: Learn the opposite
#
# The network answers as before, which is now nearly always wrong: the accuracy falls to about one
# minus its former value. The prediction error works for both halves. After the reversal it is
# strongly negative. So it weakens the synapses for the old responses, until the other response
# wins. A reward of 1 or 0 cannot do that, because it never weakens a synapse.


# %%
def relearn(correct, expected):
    """What the synapses are told: `correct` is [B], 1 or 0; `expected` is a number, 0 to 1."""
    return correct - expected


assert check.relearn(relearn)

# %%
slow = ThreeFactorSTDP(pair=PAIR, tau_eligibility=500.0)
relearned, _ = session(slow, relearn, seed=seed, n_blocks=blocks, swap_at=swap)
ax = plotting.curves({"prediction error": relearned}, xlabel="block", chance=0.5)
ax.axvline(swap + 0.5, color=ORANGE)
plt.show()
if full_run:
    print(f"before the turn {relearned[40:50].mean():.0%}, after it {relearned[50]:.0%}, "
          f"at the end {relearned[-10:].mean():.0%}")  # fmt: skip
    assert min(relearned[40:50].mean(), relearned[-10:].mean()) > 0.7

# %% [markdown]
# *The figure shows the share of correct responses in each block; the task is reversed at the line.*
# The accuracy falls from nearly 1 to nearly 0, and learning takes longer than before: the old
# weights must fall before the new ones can win.
