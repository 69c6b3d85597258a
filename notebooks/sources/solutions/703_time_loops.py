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
# # Write fast time loops
#
# Solutions to [703](../703_time_loops.ipynb).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt
from numba import njit

from jarvis import LIFLayer
from jarvis.classroom import lesson
from jarvis.classroom.check import time_loops as check
from jarvis.networks import SavedBytes
from jarvis.plotting import BLUE, GREY, ORANGE

lesson.begin("numba")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_steps": 50}}
full_run = True
seed = 0
tau = 20.0  # membrane time constant, ms; the time step is 1 ms
n_steps = 400  # of exercise 4

# %% [markdown]
# ### Exercise 1: Where does indexing cost ten times?
#
# The loop over `x[t]` writes 232 bytes per element at T = 25 and 432 at T = 50: 8 more for every
# step, so $c = 232 - 200 = 32$. The loop writes at least ten times the 40 bytes of `unbind` where
# $8T + 32 \ge 400$.


# %%
def steps_for(ratio):
    """The least T at which x[t] writes at least `ratio` times what unbind writes."""
    return math.ceil((40 * ratio - 32) / 8)


assert check.steps_for(steps_for)
print(f"ten times as many bytes from T = {steps_for(10)} on")

# %% [markdown]
# ### Exercise 2: Predict the memory of a recurrent layer
#
# The gradient of the recurrent weight is a sum over time of (gradient of $h_t$) times (spikes of
# step $t-1$). So the spikes are kept as well as $h$: two numbers per element.


# %%
def kept_per_element(itemsize):
    """Bytes that RecurrentLIFLayer keeps per element of x."""
    return 2 * itemsize


assert check.kept_per_element(kept_per_element)

# %% [markdown]
# ### Exercise 3: Reset to zero
#
# Only the value of `v[n]` changes. `np.empty_like(x)` has the type of `x`, and `one` gets its type
# from `decay`: with a plain `1.0` numba would compute in float64.


# %%
@njit(error_model="numpy")
def zero_reset(x, decay):
    """Spikes s and potentials h [T, lanes] of neurons with a reset to zero."""
    s, h, v = np.empty_like(x), np.empty_like(x), np.zeros_like(x[0])
    one = decay / decay
    for t in range(len(x)):
        for n in range(len(v)):
            p = decay * v[n] + x[t, n]
            spike = one if p >= one else one - one
            h[t, n], s[t, n], v[n] = p, spike, p * (one - spike)
    return s, h


assert check.zero_reset(zero_reset)

# %% [markdown]
# ### Exercise 4: Truncate, and save memory
#
# Each piece is a separate leaf tensor, so its gradient is computed at once and its graph is freed.
# The state is passed on without a graph.


# %%
def in_pieces(layer, x, g, length):
    """Spikes [T, B, N], gradient of x [T, B, N], the most bytes held at one time."""
    state, spikes, gradients = None, [], []
    with SavedBytes() as saved:
        for x_k, g_k in zip(x.split(length), g.split(length), strict=True):
            leaf = x_k.detach().clone().requires_grad_()
            s, state = layer(leaf, state)
            s.backward(g_k)
            state = state.detach()
            spikes.append(s.detach())
            gradients.append(leaf.grad)
    return torch.cat(spikes), torch.cat(gradients), saved.most


assert check.in_pieces(in_pieces)

# %%
generator = torch.Generator().manual_seed(seed)
x = 0.2 * torch.rand(n_steps, 16, 64, generator=generator)
g = torch.randn(n_steps, 16, 64, generator=generator)
layer = LIFLayer(tau)
_, whole, most = in_pieces(layer, x, g, n_steps)
lengths = [k for k in (1, 2, 5, 10, 25, 50, 100, 200, 400) if k <= n_steps]
error, memory = [], []
for length in lengths:
    _, gradient, held = in_pieces(layer, x, g, length)
    error.append(((gradient - whole).norm() / whole.norm()).item())
    memory.append(held / most)
_, axes = plt.subplots(1, 2, figsize=(8.5, 3))
axes[0].semilogx(lengths, error, "o-", color=ORANGE)
axes[0].axvline(tau, color=GREY, ls=":")
axes[0].set(xlabel="length of a piece (ms)", ylabel="error of the gradient (relative)")
axes[1].loglog(lengths, memory, "o-", color=BLUE)
axes[1].set(xlabel="length of a piece (ms)", ylabel="bytes held (whole sequence = 1)")
plt.show()

# %% [markdown]
# *The figure shows the error of the truncated gradient and the memory it needs, against the length
# of a piece (dotted: the membrane time constant).* Memory shrinks in proportion to the length. But
# the steps before each cut get no gradient from the steps after it. With pieces of one time
# constant the error is more than a half; with pieces of five (100 ms) it is still a quarter.
