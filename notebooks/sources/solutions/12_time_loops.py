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
# # Solve the exercises on fast time loops
#
# Solutions to `12_time_loops.ipynb`. This notebook stands on its own; it runs in a few seconds on a
# CPU.

# %%
import math

import numpy as np
import torch
from matplotlib import pyplot as plt
from numba import njit
from torch.utils._python_dispatch import TorchDispatchMode

import jarvis
from jarvis import LIFLayer, LIFParams, lif_step
from jarvis.classroom.check import time_loops as check
from jarvis.plotting import BLUE, GREY

plt.rcParams.update({"figure.figsize": (6, 2.8), "figure.dpi": 85, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {jarvis.__version__}, torch {torch.__version__}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_steps": 50}}
full_run = True
seed = 0
tau = 20.0  # membrane time constant, ms; the time step is 1 ms
n_steps = 400  # of exercise 4

# %%
generator = torch.Generator().manual_seed(seed)


def sequence(T, B, N, dtype=torch.float32):
    """An input x and the gradient g that comes back from the spikes, both [T, B, N]."""
    x = 0.2 * torch.rand(T, B, N, generator=generator, dtype=dtype)
    return x, torch.randn(T, B, N, generator=generator, dtype=dtype)


# %% [markdown]
# ### Exercise 1: Reset to zero
#
# Write `row_by_row` with the reset to zero, $v = h\,(1 - s)$; make `s` and `h` inside.
#
# **Solution.** Only what is written to `v[n]` changes. `np.empty_like(x)` has the type of `x`, and
# `one` takes it from `decay`: with a plain `1.0` numba would compute in float64.


# %%
@njit(error_model="numpy")
def zero_reset(x, decay):
    """Spikes s and potentials h [T, lanes] of neurons with a reset to zero."""
    s, h, v = np.empty_like(x), np.empty_like(x), np.zeros_like(x[0])
    one, zero = decay / decay, decay - decay
    for t in range(len(x)):
        x_t, s_t, h_t = x[t], s[t], h[t]
        for n in range(len(v)):
            p = decay * v[n] + x_t[n]
            spike = one if p >= one else zero
            h_t[n], s_t[n], v[n] = p, spike, p * (one - spike)
    return s, h


assert check.zero_reset(zero_reset)

# %% [markdown]
# ### Exercise 2: Predict the memory of a recurrent layer
#
# How many bytes does `RecurrentLIFLayer` keep for each element of x, if a number has `itemsize`?
#
# **Solution.** The gradient of the weight is a sum over t of the gradient of $h_t$ times the spikes
# $s_{t-1}$. So the spikes are kept beside $h$: 4 + 4 bytes in float32. The weight and the first
# state are kept as well, but only once, not at each step. (The spikes could be found again from
# $h$; but they are the layer's result, which exists anyway, and autograd keeps only a reference to
# it.)


# %%
def kept_per_element(itemsize):
    """Bytes that RecurrentLIFLayer keeps for each element of x."""
    return itemsize + itemsize  # h and the spikes


assert check.kept_per_element(kept_per_element)

# %% [markdown]
# ### Exercise 3: Where does indexing cost ten times?
#
# The backward pass of the `x[t]` loop writes $8T + c$ bytes for each element of x, and that of
# `unbind` about 40. From which T on does `x[t]` write at least `ratio` times as many?
#
# **Solution.** At T = 100 `tally` finds 832 bytes, so $c = 32$. For ten times, $8T + 32 \ge 400$
# from T = 46 on.


# %%
def steps_for(ratio):
    """The least T at which x[t] writes at least `ratio` times what unbind writes."""
    return math.ceil((40 * ratio - 32) / 8)


assert check.steps_for(steps_for)
print(f"ten times as many bytes from T = {steps_for(10)} on")

# %% [markdown]
# The same by counting, for the figure:


# %%
class Written(TorchDispatchMode):
    """Counts the bytes that operations write."""

    bytes = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view and isinstance(result, torch.Tensor):
            self.bytes += result.nbytes
        return result


def bytes_at(rows, T):
    """Bytes an element that the backward pass writes; rows(x) cuts x into its time steps."""
    x, g = sequence(T, 1, 4)
    x.requires_grad_()
    state, spikes = None, []
    for x_t in rows(x):
        s, state = lif_step(x_t, state, LIFParams(tau=tau))
        spikes.append(s)
    loss = torch.stack(spikes)
    with Written() as written:
        loss.backward(g)
    return written.bytes / x.numel()


# %%
def indexed(x):
    return [x[t] for t in range(len(x))]


def unbound(x):
    return x.unbind(0)


# %%
some = (10, 20, 30, 40, 50, 60)
_, ax = plt.subplots()
ratios = [bytes_at(indexed, T) / bytes_at(unbound, T) for T in some]
ax.plot(some, ratios, "o-", color=BLUE)
ax.axhline(10, color=GREY, ls=":")
ax.axvline(steps_for(10), color=GREY, ls=":")
ax.set(xlabel="number of steps T", ylabel="bytes written, x[t] / unbind", ylim=0)
plt.show()

# %% [markdown]
# *The figure shows the ratio of the bytes written against T; dotted: ten times, and T = 46.* The
# time follows later: short loops spend most of theirs on calls, not on bytes.
#
# ### Exercise 4: Truncate, and save memory
#
# Run the sequence in pieces of `length` steps, go backward after each, and carry `state.detach()`.
# Return the spikes, the gradient of x, and the most bytes that were kept at one time.
#
# **Solution.** Each piece is a graph of its own. When its backward pass is done, what it kept is
# free, so the most at one time is what one piece keeps.


# %%
def kept_bytes(run):
    """The result of run(), and the bytes that autograd keeps for its backward pass."""
    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = run()
    return result, sum(kept.values())


# %%
def in_pieces(layer, x, g, length):
    """Spikes [T, B, N], gradient of x [T, B, N], largest number of bytes kept at one time."""
    x = x.detach().requires_grad_()
    state, spikes, most = None, [], 0
    for x_piece, g_piece in zip(x.split(length), g.split(length), strict=True):
        (s, state), kept = kept_bytes(lambda x=x_piece, state=state: layer(x, state))
        s.backward(g_piece)
        state = state.detach()
        spikes.append(s.detach())
        most = max(most, kept)
    return torch.cat(spikes), x.grad, most


assert check.in_pieces(in_pieces)

# %% [markdown]
# What does it cost? The spikes are the same, the gradient is not: what happened before a cut no
# longer learns from what happens after it.

# %%
x, g = sequence(n_steps, 4, 64, dtype=torch.float64)
layer = LIFLayer(tau)
_, whole, all_kept = in_pieces(layer, x, g, n_steps)  # a single piece
lengths, off, memory = (5, 10, 25, 50), [], []
for length in lengths:
    _, cut, most = in_pieces(layer, x, g, length)
    memory.append(most / all_kept)
    off.append(((cut - whole).norm() / whole.norm()).item())
_, axes = plt.subplots(1, 2, figsize=(8, 2.8))
for ax, values, label in zip(
    axes, (memory, off), ("kept / whole", "error of gradient"), strict=True
):
    ax.plot(lengths, 100 * np.array(values), "o-", color=BLUE)
    ax.set(xlabel="length of a piece (ms)", ylabel=f"{label} (%)", ylim=0)
plt.show()
assert off[0] > off[-1]

# %% [markdown]
# *Left: the memory of the longest piece, as a share of what the whole sequence keeps. Right: the
# relative error of the input's gradient.* Memory grows with the length of a piece, and the error
# falls: choose pieces that are long against the time constant, here 20 ms.
