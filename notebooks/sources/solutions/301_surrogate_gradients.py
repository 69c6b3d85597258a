# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Solutions: Train a spiking network with surrogate gradients
#
# The exercises of [301](../301_surrogate_gradients.ipynb), solved. Try them yourself first. This
# notebook needs nothing from the lesson and runs in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import torch
from matplotlib import pyplot as plt
from torch.nn import functional as F

import jarvis
from jarvis import SpikingMLP, SurrogateSpike, datasets, seeded
from jarvis.classroom import lesson
from jarvis.classroom.check import surrogate_gradients as check
from jarvis.plotting import BLUE, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "epochs": 1}}
full_run = True  # tests set False and shrink the numbers
seed = 0
n_steps = 25  # length of a sample, steps of 1 ms
epochs = 8

# %% [markdown]
# ### Exercise 1: Cross-entropy
#
# `log_softmax` gives the logarithms of all probabilities at once. The logarithm of the softmax is
# less safe: it is $-\infty$ where a probability is rounded to 0.


# %%
def cross_entropy(scores, y):
    """The mean of -ln p_y over the samples; scores [B, C], labels y [B]."""
    log_p = scores.log_softmax(1)
    return -log_p[torch.arange(len(y)), y].mean()


assert check.cross_entropy(cross_entropy)

# %%
scores = 1000.0 * torch.eye(2)
wrong = torch.tensor([1, 0])
print("log_softmax        ", cross_entropy(scores, wrong).item())
print("log of the softmax ", -scores.softmax(1)[[0, 1], wrong].log().mean().item())
torch.testing.assert_close(cross_entropy(scores, wrong), F.cross_entropy(scores, wrong))

# %% [markdown]
# ### Exercise 2: The slope of a staircase


# %%
def slope(loss, delta):
    """The mean slope of the function loss(z) between z = -delta and z = delta."""
    return (loss(delta) - loss(-delta)) / (2 * delta)


assert check.slope(slope)

# %% [markdown]
# Try the function on a staircase that follows the line $-2z$ in stairs of width 0.01.

# %%
for delta in (1e-4, 1e-3, 1e-2, 1e-1, 1.0):
    print(f"delta = {delta:g}: slope {slope(lambda z: -2 * round(z, 2), delta) + 0.0:.3f}")

# %% [markdown]
# Within one stair the slope is 0. Over many stairs it is the slope of the line.
#
# ### Exercise 3: A bump of your own


# %%
def gaussian(x, slope):
    """The bump at each x, a tensor of the same shape."""
    return torch.exp(-0.5 * (slope * x) ** 2)


assert check.gaussian(gaussian)

# %%
train_set = datasets.toy("train").subset(3276 if full_run else 128)
test_set = datasets.toy("test", n=40_960).subset(8192 if full_run else 128)


def encode(values, generator):
    return jarvis.poisson_encode(values, n_steps, generator=generator)


def score(surrogate):
    with seeded(seed):
        model = SpikingMLP((32, 32, 2), surrogate=surrogate)
    quiet = dict(progress=False, log=lambda line: None)
    jarvis.fit(model, train_set, encode=encode, epochs=epochs, lr=5e-3, seed=seed, **quiet)
    return jarvis.evaluate(model, test_set, encode, draws=2)["acc"]


reached = score(SurrogateSpike(gaussian, slope=4.0))
print(f"Gaussian {reached:.3f}, fast sigmoid {score('fast_sigmoid'):.3f}")
assert not full_run or reached > 0.9

# %%
grid = torch.linspace(-1.0, 1.0, 401)
fast = jarvis.SURROGATES["fast_sigmoid"]
_, ax = plt.subplots()
ax.plot(grid, gaussian(grid, 4.0), color=ORANGE, label="Gaussian, k = 4")
ax.plot(grid, fast.derivative(grid, fast.slope), color=BLUE, label="fast sigmoid, k = 25")
ax.set(xlabel="distance to threshold x = h - 1", ylabel="surrogate of ds/dx")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the Gaussian and the library's usual surrogate.* The Gaussian is wide with short
# tails, the fast sigmoid narrow with long tails. Yet the network trains equally well with either.
#
# ### Exercise 4: Backpropagation through time by hand


# %%
def weight_gradient(x, h, grad_s, decay, bump):
    """The gradient [n] of the weights: inputs x [T, n], potentials h [T], dL/ds grad_s [T]."""
    g, gradient = 0.0, torch.zeros_like(x[0])
    for t in reversed(range(len(x))):
        g = grad_s[t] * bump(h[t] - 1.0) + decay * g
        gradient = gradient + g * x[t]
    return gradient


assert check.weight_gradient(weight_gradient)

# %% [markdown]
# For one neuron of the library, autograd finds the same gradient. Let the loss be the number of
# spikes, so that $\partial L / \partial s_t = 1$ at every step.

# %%
w = torch.full((5,), 0.3, requires_grad=True)
x = (torch.rand((20, 5), generator=torch.Generator().manual_seed(seed)) < 0.4).float()
neuron = jarvis.LIFLayer(tau=20.0)
spikes, _, traces = neuron((x @ w)[:, None, None], trace=True)
spikes.sum().backward()

decay = torch.exp(torch.tensor(-1.0 / 20.0))
h = traces.h[:, 0, 0].detach()
ours = weight_gradient(x, h, torch.ones(20), decay, lambda z: fast.derivative(z, fast.slope))
torch.testing.assert_close(ours, w.grad)
print("autograd", [f"{value:.3f}" for value in w.grad.tolist()])
print("by hand ", [f"{value:.3f}" for value in ours.tolist()])

# %% [markdown]
# ### Exercise 5: The reach of a bump


# %%
def reached(h, bump, least):
    """The fraction of the potentials h (a tensor of any shape) whose bump is `least` or more."""
    return (bump(h - 1.0) >= least).float().mean().item()


assert check.reached(reached)

# %%
slopes = (0.1, 1, 10, 100, 1e3, 1e4)
with seeded(seed):
    layer = torch.nn.Linear(32, 32)
values, _ = train_set[:128]
inputs = encode(values, torch.Generator().manual_seed(seed))
_, _, traces = jarvis.LIFLayer(tau=20.0)(layer(inputs).detach(), trace=True)
fractions = [reached(traces.h, lambda x, k=k: fast.derivative(x, k), least=0.01) for k in slopes]
_, ax = plt.subplots()
ax.semilogx(slopes, fractions, "o-", color=BLUE)
ax.set(xlabel="slope k", ylabel="potentials with a bump of 0.01 or more")
plt.show()
assert fractions == sorted(fractions, reverse=True)

# %% [markdown]
# *The figure shows the fraction of potentials that a fast sigmoid reaches, against its slope.* Its
# bump falls below 0.01 at a distance of $9/k$. Beyond $k = 100$, this is less than a tenth of the
# threshold.
