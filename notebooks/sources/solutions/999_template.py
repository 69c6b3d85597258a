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
# # Add a neuron, a rule and a lesson of your own: solutions
#
# The exercises of [999](../999_template.ipynb), solved. This notebook runs on its own, in a few
# seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import template as check
from jarvis.classroom.check.verdict import Wrong, near, number
from jarvis.neurons import exp_decay
from jarvis.plotting import BLUE, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
tau = 20.0  # membrane time constant, ms

# %% [markdown]
# The QIF neuron of the lesson, to try out the test. `flaw` puts the mutation into it that got
# through.


# %%
def qif(x, v, flaw=False):
    """One step of 1 ms: spikes and v, of x and v [B, N]."""
    e = exp_decay(tau, 1.0)
    h = e * v / (1 - (1 - e) * v) + x
    spikes = (h >= 3.0).to(h)
    reset = spikes.amax(0, keepdim=True) if flaw else spikes
    return spikes, torch.where(reset > 0, 0.0, h)


# %% [markdown]
# ### Exercise 1: Write the missing test
#
# Run samples together, then each one alone from the same state: nothing may differ.
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
# ### Exercise 2: Bound the weights softly
#
# Each push is multiplied by the distance from the bound that it pushes towards.


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
#
# ### Exercise 3: Write a check
#
# Draw the time constant, so that a fixed number cannot pass. Compare with a tolerance. Name the
# mistakes first, because "wrong" alone teaches nothing.


# %%
def judge(answer, rng):
    """Raise Wrong unless answer(tau) is tau ln 2."""
    tau = rng.uniform(5, 50)
    found = number(answer(tau), "the half-life")
    if near(found, tau):
        raise Wrong("That is tau, after which 1/e is left. For a half the factor ln 2 is missing.")
    if near(found, tau * math.log10(2)):
        raise Wrong("A membrane decays as e^(-t/tau): the base of the logarithm is e, not 10.")
    if not near(found, tau * math.log(2)):
        raise Wrong(f"For tau = {tau:.1f} ms you return {found:.2f} ms.")


assert check.judge(judge)
