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

from jarvis.classroom import lesson
from jarvis.classroom.check import template as check
from jarvis.classroom.check.verdict import Wrong, near, number
from jarvis.neurons import exp_decay

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
tau = 20.0  # membrane time constant, ms

# %% [markdown]
# The QIF neuron of the lesson, to try out the test. `flaw=True` adds the mutation that no test
# noticed.


# %%
def qif(x, v, flaw=False):
    """One step of 1 ms: spikes and v, of x and v [B, N]."""
    q = exp_decay(tau, 1.0)
    h = q * v / (1 - (1 - q) * v) + x
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
    """Whether the samples of `step` are independent."""
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
# ### Exercise 2: Write a check
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
