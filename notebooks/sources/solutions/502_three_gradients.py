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
# # Ask when, on a grid
#
# Solutions to [502](../502_three_gradients.ipynb).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import three_gradients as check
from jarvis.plotting import BLUE, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
tau = 10.0  # membrane time constant, ms; that of the synapse is half of it

# %% [markdown]
# ### Exercise 1: Write the first spike time
#
# A step counts if no spike occurs in or before this step: if the product of 1 - s over all steps so
# far is 1. The first spike sets this product to 0 for good. The product has the right derivative,
# too: a spike in step k would set all later products to 0.


# %%
def first_time(s, dt):
    """s [T, N], 0 or 1, in step k at the time dt * (k + 1) -> the first spike times [N]."""
    return dt * (1 + (1 - s).cumprod(0).sum(0))


assert check.first_time(first_time)

# %%
train = torch.zeros(10, 1, dtype=torch.float64)
train[[3, 6]] = 1.0
train.requires_grad_()
(gradient,) = torch.autograd.grad(first_time(train, 1.0).sum(), train)
print(f"first spike time {first_time(train, 1.0).item():.0f} ms; derivatives by each step:")
print(gradient[:, 0].tolist())

# %% [markdown]
# A spike in step 0 would save 3 ms, one in step 2 would save 1 ms, and one after step 3 nothing.
# (The spike in step 3 saves 3 ms: without it, the count would continue to step 6.)
#
# ### Exercise 2: Find the spike between two steps
#
# Between the steps k - 1 and k the potential rises from a to b, nearly along a line. The line
# reaches 1 after the fraction (1 - a)/(b - a) of the step.


# %%
def crossing_time(h, dt):
    """Potentials h [T, N], at the times dt * (k + 1) -> the times [N] at which they reach 1."""
    k, n = (h >= 1).int().argmax(0), torch.arange(h.shape[1])
    a, b = h[k - 1, n], h[k, n]
    return dt * (k + (1 - a) / (b - a))


assert check.crossing_time(crossing_time)

# %%
weights = torch.linspace(0.42, 0.8, 40, dtype=torch.float64, requires_grad=True)
exact = -tau * torch.log((1 + torch.sqrt(1 - 4 / (tau * weights))) / 2)
(wanted,) = torch.autograd.grad(exact.sum(), weights)
steps, errors, by_weight = np.array([0.4, 0.2, 0.1, 0.05, 0.025]), [], []
for dt in steps:
    clock = dt * torch.arange(1, round(12 / dt) + 1, dtype=torch.float64)[:, None]
    y = torch.exp(-clock / tau)
    times = crossing_time(tau * weights * (y - y * y), dt)
    (found,) = torch.autograd.grad(times.sum(), weights)
    errors.append((times - exact).abs().max().item())
    by_weight.append(((found - wanted).norm() / wanted.norm()).item())
_, ax = plt.subplots()
ax.loglog(steps, errors, "o-", color=BLUE, label="spike time (ms)")
ax.loglog(steps, by_weight, "s-", color=ORANGE, label="derivative (relative)")
ax.loglog(steps, steps**2, ":", color=GREY, label="second order")
ax.set(xlabel="step of the grid dt (ms)", ylabel="error")
ax.set_xticks(steps, [f"{dt:g}" for dt in steps], minor=False)
ax.tick_params(axis="x", which="minor", labelbottom=False)
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the errors of the interpolated spike time and of its derivative.* The time
# converges at second order, as linear interpolation should, and its derivative at first order.
#
# ### Exercise 3: Measure the order
#
# The logarithm of $c\,\Delta t^p$ is $\ln c + p \ln \Delta t$, a line with slope $p$.


# %%
def order_of(steps, errors):
    """Steps and errors, lists or arrays of the same length -> the order p."""
    return np.polyfit(np.log(steps), np.log(errors), 1)[0]


assert check.order_of(order_of)
print(f"spike time: order {order_of(steps, errors):.2f}, "
      f"derivative: order {order_of(steps, by_weight):.2f}")  # fmt: skip
assert order_of(steps, errors) > 1.7
assert order_of(steps, by_weight) > 0.7
