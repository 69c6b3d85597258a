# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Solutions: Remember with recurrent connections
#
# The exercises of [304](../304_recurrent.ipynb), solved. Try them yourself first. This notebook
# needs nothing from the lesson and runs in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import torch
from matplotlib import pyplot as plt

from jarvis import LIFLayer, seeded
from jarvis.classroom import lesson
from jarvis.classroom.check import recurrent as check
from jarvis.plotting import BLUE, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_samples": 2000}}
full_run = True  # tests set False and shrink the numbers
seed = 0
n_samples = 100_000

# %% [markdown]
# ### Exercise 1: Shuffle the time


# %%
def shuffled(x, generator):
    """The input x [T, B, ...] with its time steps in a random order, from torch.randperm."""
    return x[torch.randperm(len(x), generator=generator)]


assert check.shuffled(shuffled)

# %% [markdown]
# The mean over time, and with it the linear read-out of the counts, does not change at all.

# %%
g = torch.Generator().manual_seed(seed)
x = torch.rand((30, 4, 2, 9, 9), generator=g)
torch.testing.assert_close(shuffled(x, g).mean(0), x.mean(0))

# %% [markdown]
# ### Exercise 2: The ceiling without memory
#
# Both digits are of class $c$ with probability $p_c^2$, so they are the same with probability
# $\sum_c p_c^2$. Then the reader is always right; otherwise it is right half of the time.


# %%
def order_blind(shares):
    """The accuracy of a reader that knows both digits but not their order; shares [C] sum to 1."""
    same = (shares**2).sum()
    return same + (1 - same) / 2


assert check.order_blind(order_blind)

# %%
digits = torch.randint(10, (n_samples, 2), generator=g)
picked = digits.gather(1, torch.randint(2, (n_samples, 1), generator=g))[:, 0]
simulated = (picked == digits[:, 0]).float().mean()
print(f"formula {order_blind(torch.full((10,), 0.1)):.3f}, simulated {simulated:.3f}")
assert abs(simulated - 0.55) < 2 / n_samples**0.5

# %% [markdown]
# ### Exercise 3: Mix two memories
#
# The samples lie along the first axis. Indexing by `order` puts them into the new order.


# %%
def with_spikes_of(state, order):
    """A state with the same neurons, in which sample b has the spikes of sample order[b]."""
    return state._replace(spikes=state.spikes[order])


assert check.with_spikes_of(with_spikes_of)

# %% [markdown]
# Test this on one step of an untrained layer: the potentials change by what the donor's spikes send
# through the recurrent weights, minus what the sample's own spikes would have sent.

# %%
with seeded(seed), torch.no_grad():
    layer = LIFLayer(tau=20.0, dt=10.0, recurrent=50)
    _, state = layer(torch.rand((10, 3, 50)))
    nothing, order = torch.zeros((1, 3, 50)), torch.tensor([1, 2, 0])
    _, _, own = layer(nothing, state, trace=True)
    _, _, mixed = layer(nothing, with_spikes_of(state, order), trace=True)
    sent = state.spikes @ layer.weight.T
torch.testing.assert_close((mixed.h - own.h)[0], sent[order] - sent, rtol=1e-3, atol=1e-5)
assert sent.any()

# %% [markdown]
# ### Exercise 4: A given spectral radius
#
# Multiplying a matrix by a number multiplies all its eigenvalues by the same number.


# %%
def with_radius(V, radius):
    """The square matrix V times a number, so that its spectral radius is `radius`."""
    return V * (radius / torch.linalg.eigvals(V).abs().max())


assert check.with_radius(with_radius)

# %%
with seeded(seed):
    V = LIFLayer(recurrent=100).weight.detach()
circle = torch.exp(2j * torch.pi * torch.linspace(0, 1, 200))
_, ax = plt.subplots(figsize=(4, 4))
for matrix, label, color in ((V, "as drawn", BLUE), (with_radius(V, 1.0), "radius 1", ORANGE)):
    values = torch.linalg.eigvals(matrix)
    ax.plot(values.real, values.imag, "o", ms=4, color=color, label=label)
ax.plot(circle.real, circle.imag, color=GREY, ls=":")
ax.set(xlabel="real part", ylabel="imaginary part", aspect="equal")
ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# *The figure shows the eigenvalues of a layer's initial recurrent weights and of the scaled
# weights; dotted: the unit circle.* Weights drawn uniformly from $\pm 1/\sqrt n$ have a radius of
# about $1/\sqrt 3 = 0.58$.
