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
# # Pull on neurons, predict positions, freeze delays
#
# Solutions to [503](../503_positions.ipynb).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import FirstSpikeNetwork
from jarvis.classroom import lesson
from jarvis.classroom.check import positions as check
from jarvis.plotting import BLUE, ORANGE
from jarvis.spatial.delays import euclidean_delays

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
seed = 0

# %% [markdown]
# ### Exercise 1: Pull on a neuron
#
# $\partial d_{ij}/\partial r_j = (r_j - r_i)/d_{ij}$, a vector of length almost 1 that points away
# from the sender. Each synapse contributes $g_{ij}$ times this vector.


# %%
def position_gradient(pre, post, g):
    """Positions [n, D] and [m, D] and dL/dd [n, m], tensors -> dL/d post [m, D]."""
    apart = post[None] - pre[:, None]  # [n, m, D]
    d = (0.01 + apart.square().sum(-1)).sqrt()
    return ((g / d)[..., None] * apart).sum(0)


assert check.position_gradient(position_gradient)

# %%
generator = torch.Generator().manual_seed(seed)
pre, post = (3 * torch.randn(n, 2, generator=generator, dtype=torch.float64) for n in (4, 3))
g = torch.randn(4, 3, generator=generator, dtype=torch.float64)
leaf = post.clone().requires_grad_()
(wanted,) = torch.autograd.grad((euclidean_delays(pre, leaf) * g).sum(), leaf)
assert torch.allclose(position_gradient(pre, post, g), wanted, atol=1e-3)
_, ax = plt.subplots(figsize=(4.6, 3.6))
ax.plot(*pre.T, "^", color=BLUE, ms=9)
ax.plot(*post.T, "o", color=ORANGE, ms=9)
down = -position_gradient(pre, post, g)
ax.quiver(*post.T, *down.T, angles="xy", scale_units="xy", scale=1, width=0.006)
ax.set(xlabel="x (ms)", ylabel="y (ms)", aspect="equal")
ax.margins(0.2)
plt.show()

# %% [markdown]
# *The figure shows senders (triangles), receivers (dots), and where a gradient step would move
# each receiver.*
#
# ### Exercise 2: Predict the position
#
# The left spike arrives at $x$, the right one at lag + gap - $x$. The two times are equal at $x$ =
# (lag + gap)/2.


# %%
def meeting_point(gap, lag):
    """The distance of the inputs and the lead of the left one, in ms -> x in ms."""
    return (gap + lag) / 2


assert check.meeting_point(meeting_point)
print(f"x = {meeting_point(10.0, 4.0):.0f} ms")

# %% [markdown]
# ### Exercise 3: Which delays are possible?
#
# All positions with the delay $d_1$ from the first sender lie on a circle around it, and those with
# the delay $d_2$ from the second lie on another circle. The circles meet if their radii add up to
# at least the gap and differ by at most the gap: the triangle inequality.


# %%
def possible(gap, d1, d2):
    """Three times in ms -> True if a receiver in the plane can have these delays, else False."""
    return abs(d1 - d2) <= gap <= d1 + d2


assert check.possible(possible)

# %% [markdown]
# ### Exercise 4: Freeze the delays
#
# Parameters with `requires_grad=False` get no gradient, and `parameter_groups` leaves them out.


# %%
def freeze(net):
    """A FirstSpikeNetwork -> the same network; training leaves its delays as they are."""
    net.delays.requires_grad_(False)
    return net


assert check.freeze(freeze)

# %%
for form in ("2", "inf"):
    net = FirstSpikeNetwork((4, 5, 3), form, seed=seed)
    counts = [sum(p.numel() for p in net.parameters() if p.requires_grad)]
    counts += [sum(p.numel() for p in freeze(net).parameters() if p.requires_grad)]
    print(f"form {form}: {counts[0]} trained numbers, {counts[1]} with frozen delays")
assert np.diff(counts)[0] < 0
