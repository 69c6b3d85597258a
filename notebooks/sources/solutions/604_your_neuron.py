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
# # Write a neuron once and run it everywhere: solutions
#
# The exercises of [604](../604_your_neuron.ipynb), solved. This notebook runs on its own, in about
# ten seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import Tensor

from jarvis.classroom import lesson
from jarvis.classroom.check import your_neuron as check
from jarvis.neurons import Parameters, SpikingLayer, define, derived, exp_decay, parameter
from jarvis.plotting import BLUE, GREEN, RED

lesson.begin()
F64 = torch.float64

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_shown": 200}}
full_run = True
n_shown = 1000  # steps of the bursting neuron in the figure


# %%
@dataclass(frozen=True)
class TwoLeakParams(Parameters):
    tau: float | Tensor = parameter(20.0, "ms", above=0)
    tau_open: float | Tensor = parameter(5.0, "ms", above=0)
    knee: float | Tensor = parameter(0.5, above=0, below=1)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)

    @derived
    def decay(self):
        return exp_decay(self.tau, self.dt)

    @derived
    def decay_open(self):
        return exp_decay(self.tau_open, self.dt)


class TwoLeakState(NamedTuple):
    v: Tensor


def two_leak_step(x, state, p, spike):
    v = state.v
    h = torch.where(v > p.knee, p.decay_open * v, p.decay * v) + x
    s = spike(h, 1.0)
    return s, TwoLeakState(h * (1.0 - spike.reset(s)))


TwoLeak = define(two_leak_step, TwoLeakParams, TwoLeakState, rest=lambda p: TwoLeakState(0.0))

# %% [markdown]
# Each check tries the function on fresh random input.
#
# ### Exercise 1: Write a neuron that bursts
#
# The third case is the spike, so `spike(u, border)` decides it. The first case needs care:
# `torch.where` computes *both* sides for all neurons, and 1/(1 - u) is infinite for u = 1. The
# infinite value is thrown away, but on the way back infinity times 0 is NaN. So clamp u at 0 in the
# first case.


# %%
def map_step(x, state, p, spike):
    """One step of Rulkov's map."""
    u, border = state.u, p.alpha + state.y + x
    s = spike(u, border)
    rising = p.alpha / (1.0 - u.clamp_max(0.0)) + state.y + x
    after = torch.where(s > 0, -1.0, torch.where(u > 0, border, rising))
    return s, state._replace(u=after, y=state.y - p.mu * (u + 1.0 - p.sigma))


assert check.map_step(map_step)


# %%
@dataclass(frozen=True)
class MapParams(Parameters):
    alpha: float | Tensor = parameter(6.0, above=0)
    mu: float | Tensor = parameter(0.001, above=0)
    sigma: float | Tensor = parameter(-0.1)


class MapState(NamedTuple):
    u: Tensor
    y: Tensor


Map = define(map_step, MapParams, MapState, rest=lambda p: MapState(-1.0, -3.9))
spikes, _, trace = SpikingLayer(Map(), backend="numba")(
    torch.zeros(n_shown, 1, 1, dtype=F64), trace=True
)
_, axes = plt.subplots(2, 1, figsize=(7, 3.6), sharex=True, height_ratios=(2, 1))
axes[0].plot(trace.u[:, 0, 0], color=BLUE, lw=0.9)
axes[1].plot(trace.y[:, 0, 0], color=GREEN)
axes[0].set(ylabel="u (fast)")
axes[1].set(xlabel="step", ylabel="y (slow)")
plt.show()
intervals = np.diff(np.flatnonzero(spikes))
print("intervals between spikes, in steps:", *intervals)
assert not full_run or intervals.max() > 10 * intervals.min()

# %% [markdown]
# *The map without input.* While the neuron fires, $u$ is above $\sigma - 1$ on average, and $y$
# falls until the burst breaks off. Then $y$ recovers, and the next burst begins. No time constant,
# no differential equation, and a compiled loop all the same.
#
# ### Exercise 2: Write the backward step by hand
#
# Repeat the forward step, then apply the chain rule from end to start. The potential after the step
# is $h\,(1 - s)$ with $s$ held fixed, and the spike's gradient passes through the surrogate.


# %%
def step_back(g_s, g_v, x, v, decay, decay_open, knee, slope):
    """(g_x, g_v_before, g_decay, g_decay_open), each of the shape of v."""
    is_open = v > knee
    h = torch.where(is_open, decay_open * v, decay * v) + x
    s = (h >= 1).to(h.dtype)
    g_h = g_v * (1 - s) + g_s / (1 + slope * (h - 1).abs()) ** 2
    g_before = torch.where(is_open, decay_open * g_h, decay * g_h)
    return g_h, g_before, torch.where(is_open, 0.0, g_h * v), torch.where(is_open, g_h * v, 0.0)


assert check.step_back(step_back)

# %% [markdown]
# Repeated from last step to first, this is a backward loop. Does it agree with the generated one?

# %%
generator = torch.Generator().manual_seed(0)
x = (0.5 * torch.rand(80, 1, 6, generator=generator, dtype=F64)).requires_grad_()
arriving = torch.rand(80, 1, 6, generator=generator, dtype=F64)
layer = SpikingLayer(TwoLeak(), backend="numba")
spikes, _, trace = layer(x, trace=True)
(generated,) = torch.autograd.grad((spikes * arriving).sum(), x)

p, slope = TwoLeakParams(), layer.surrogate.slope
before = torch.cat([torch.zeros(1, 1, 6, dtype=F64), trace.v[:-1].detach()])
g_v, rows = torch.zeros(1, 6, dtype=F64), []
for t in reversed(range(80)):
    numbers = (p.decay, p.decay_open, p.knee, slope)
    g_x, g_v, _, _ = step_back(arriving[t], g_v, x[t].detach(), before[t], *numbers)
    rows.append(g_x)
by_hand = torch.stack(rows[::-1])
print(f"largest difference {(by_hand - generated).abs().max():.1e}, of {by_hand.abs().max():.2f}")
assert torch.allclose(by_hand, generated, rtol=1e-10)

# %% [markdown]
# ### Exercise 3: Make the knee learnable
#
# The bound `above=0` does two things: the width cannot be given as 0, and the layer learns its
# logarithm, so that the width stays positive. The other parameters stay as they are, so inherit
# them.


# %%
@dataclass(frozen=True)
class SoftLeakParams(TwoLeakParams):
    width: float | Tensor = parameter(0.1, above=0)


def soft_step(x, state, p, spike):
    is_open = torch.sigmoid((state.v - p.knee) / p.width)
    h = (p.decay + is_open * (p.decay_open - p.decay)) * state.v + x
    s = spike(h, 1.0)
    return s, TwoLeakState(h * (1.0 - spike.reset(s)))


SoftLeak = define(soft_step, SoftLeakParams, TwoLeakState, rest=lambda p: TwoLeakState(0.0))

assert check.soft_leak(SoftLeak)

# %% [markdown]
# Does the gradient now say what the knee does? Measure the slope of the mean potential of many
# neurons below the threshold:

# %%
weak = 0.2 * torch.rand(30, 1, 500, generator=generator, dtype=F64)
knees = torch.linspace(0.2, 0.5, 31, dtype=F64)


def mean_potential(kind, knee):
    layer = SpikingLayer(kind(knee=knee), learnable="knee").double()
    spikes, _, trace = layer(weak, trace=True)
    assert not spikes.any()
    mean = trace.v[-1].mean()
    return mean.item(), torch.autograd.grad(mean, layer.log_knee)[0].item() / knee


_, ax = plt.subplots()
for name, kind, colour in (("hard knee", TwoLeak, RED), ("soft knee", SoftLeak, BLUE)):
    potentials, slopes = np.array([mean_potential(kind, knee.item()) for knee in knees]).T
    measured = np.gradient(potentials, knees.numpy())
    ax.plot(knees, measured, color=colour, lw=1, label=f"{name}: measured")
    ax.plot(
        knees[::4], slopes[::4], "o", color=colour, ms=5, label=f"{name}: gradient of the layer"
    )
ax.set(xlabel="knee (threshold = 1)", ylabel="slope of the mean potential")
ax.legend(ncols=2, loc="upper center", bbox_to_anchor=(0.5, 1.25))
plt.show()
assert np.abs(slopes - measured)[1:-1].max() < 0.02 * np.abs(slopes).max()

# %% [markdown]
# *The figure shows the slope of the mean potential: measured (lines) and by the layer (dots).* For
# the soft knee the dots lie on the line. For the hard knee they are at 0, whatever the line does.
