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
# # Drive a neuron with balanced noise: solutions
#
# The exercises of [605](../605_conductances.ipynb), solved. This notebook runs on its own, in less
# than half a minute.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import poisson_encode
from jarvis.classroom import lesson
from jarvis.classroom.check import conductances as check
from jarvis.neurons import (
    ConductanceInputs,
    ConductanceLIF,
    ConductanceLIFParams,
    ShortTermPlasticity,
    ShortTermPlasticityParams,
    SpikingLayer,
)
from jarvis.plotting import BLUE, GREY, RED

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_synapses": 500, "n_rates": 6}}
full_run = True
n_synapses = 2000  # of exercise 4
n_rates = 12  # input rates of exercise 4

# %% [markdown]
# ### Exercise 1: Find the inhibition for a potential
#
# At the potential $v$ all currents add up to 0. The inhibitory current is $-g_I\,(v - E_I)$, and
# the others are known.


# %%
def inhibition_for(p, g_exc, current, v):
    """The inhibitory conductance (nS) with which V approaches v."""
    inward = p.g_l * (p.e_l - v) + g_exc * (p.e_exc - v) + current
    return inward / (v - p.e_inh)


assert check.inhibition_for(inhibition_for)

# %% [markdown]
# ### Exercise 2: Halve the EPSP
#
# The peak falls as the inhibition grows, so bisect.


# %%
def response(p, g_inh, pulse=0.0, ms=80.0):
    """V - E_L (mV) after a pulse (nS), with g_inh (nS) open."""
    exc = torch.zeros(round(ms / p.dt), 1, dtype=torch.float64)
    inh = exc.clone()
    exc[0], inh[0] = pulse, g_inh
    layer = SpikingLayer(ConductanceLIF(p))
    return layer(ConductanceInputs.of(exc, inh), trace=True)[2].h[:, 0].numpy() - p.e_l


def halving_inhibition(p):
    """The conductance (nS) that halves the peak of a small EPSP."""
    low, high = 0.0, 100 * p.g_l
    half = response(p, 0.0, 0.25).max() / 2
    for _ in range(16):
        g = (low + high) / 2
        low, high = (g, high) if response(p, g, 0.25).max() > half else (low, g)
    return g


assert check.halving_inhibition(halving_inhibition)

# %%
shunted = ConductanceLIFParams.named("brette2007", dt=0.1, v_t=1000.0, e_inh=-60.0, tau_inh=1e9)
halving = halving_inhibition(shunted)
print(f"{halving:.1f} nS, {halving / shunted.g_l:.1f} times the leak")
t = 0.1 * np.arange(1, 801)
_, ax = plt.subplots()
ax.plot(t, response(shunted, 0.0, 0.25), color=RED, label="no inhibition")
ax.plot(t, response(shunted, halving, 0.25), color=BLUE, label=f"{halving:.0f} nS of shunting")
ax.set(xlabel="time (ms)", ylabel="V - $E_L$ (mV)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the EPSP before and after.* Halving it takes more than four times the leak
# conductance. The EPSP builds up over about 5 ms, the time constant of the synapse, and the
# membrane must become faster than 5 ms for much of the charge to leak away in time.
#
# ### Exercise 3: Balance a neuron at 10 Hz
#
# From (12, 10), which gives 20 Hz, a little more inhibition is enough. With half the input,
# (6, 4.73) works, too.

# %%
my_pair = (12, 10.72)

assert check.balanced_pair(my_pair)
again = check.balanced_pair((6, 4.73))
assert again

# %% [markdown]
# Excitation alone reaches 10 Hz, too, at about 1.49 Hz per synapse, and the check says what is
# missing:

# %%
alone = check.balanced_pair((1.49, 0))
assert not alone

# %% [markdown]
# ### Exercise 4: Predict the steady state
#
# The derivative is 0 where $1 - \langle R\rangle = U r \tau_{rec} \langle R\rangle$.


# %%
def transmitted(rate, U, tau_rec):
    """Transmission per second at a Poisson input of `rate` (Hz); tau_rec is in ms."""
    return rate / (1 + U * rate * tau_rec / 1000)


assert check.transmitted(transmitted)

# %%
depressing = ShortTermPlasticityParams.named("depressing", dt=1.0)
rates = np.geomspace(0.5, 50, n_rates)
values = torch.as_tensor(rates / 1000, dtype=torch.float32)[:, None].expand(-1, n_synapses)
spikes = poisson_encode(values, 3000, max_rate=1000.0, generator=torch.Generator().manual_seed(0))
sent, _ = SpikingLayer(ShortTermPlasticity(depressing))(spikes)
measured = 1000 * sent[2000:].mean((0, 2)).numpy()
fine = np.geomspace(0.5, 50, 200)
formula = transmitted(fine, depressing.U, depressing.tau_rec)
_, ax = plt.subplots()
ax.plot(fine, fine, "--", color=GREY, lw=1, label="without depression")
ax.plot(fine, formula, color=RED, label="formula")
ax.plot(rates, measured, "o", color=BLUE, ms=5, label="simulation")
ax.axhline(depressing.limiting_rate, color="black", ls=":", lw=1)
ax.set(xlabel="input rate (Hz)", ylabel="transmitted (1/s)", xscale="log", ylim=(0, 4))
ax.legend(loc="upper left")
plt.show()
expected = transmitted(rates, depressing.U, depressing.tau_rec)
assert np.allclose(measured, expected, rtol=0.15)
assert math.isclose(depressing.limiting_rate, 1000 / (depressing.U * depressing.tau_rec))

# %% [markdown]
# *The figure shows what a depressing synapse transmits in the long run; dotted: $1/(U\tau_{rec})$.*
# Beyond about 10 Hz the output hardly depends on the input rate.
