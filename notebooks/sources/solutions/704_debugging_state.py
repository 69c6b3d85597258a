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
# # Repair six networks whose scores depend on the wrong things
#
# Solutions to [704](../704_debugging_state.ipynb).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import torch
from matplotlib import pyplot as plt
from torch.nn.functional import cross_entropy

import jarvis
from jarvis import LIFLayer, datasets
from jarvis.classroom import broken, lesson
from jarvis.classroom.check import debugging_state as check
from jarvis.plotting import BLUE, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_batches": 3}}
full_run = True
seed = 0
n_batches = 100  # batches of a training run

# %%
train_set, test_set = datasets.digits("train"), datasets.digits("test")


def generator(number=0):
    return torch.Generator().manual_seed(number)


def stream(n):
    """n batches of 64 encoded digits."""
    for k in range(n):
        rows = torch.arange(64) + 64 * (k % 19)
        pictures = train_set.inputs[rows]
        yield jarvis.poisson_encode(pictures, 25, generator=generator(k)), train_set.targets[rows]


# %% [markdown]
# ### Exercise 1: Let go
#
# A new batch starts from neurons at rest: `net.state = None`. Better still is a network without
# such an attribute, which takes and returns its state, as the library's layers do: then nobody can
# forget to reset it. `loss.item()` is a number; the tensor would keep a graph in memory.


# %%
def train_on(net, batches, optimizer):
    """A StreamReader, a list of (x [T, B, 1, 8, 8], y [B]), an optimizer -> losses, floats."""
    losses = []
    for x, y in batches:
        net.state = None
        loss = cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


assert check.train_on(train_on)


# %%
def with_detach(net, batches, optimizer):  # what the forums say
    losses = []
    for x, y in batches:
        net.state = None if net.state is None else net.state.detach()
        loss = cross_entropy(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


_, ax = plt.subplots()
for loop, color, name in ((with_detach, ORANGE, "detached"), (train_on, BLUE, "at rest")):
    net = broken.StreamReader(seed)
    losses = loop(net, list(stream(n_batches)), torch.optim.Adam(net.parameters(), lr=2e-3))
    ax.plot(losses, color=color, label=f"each batch begins {name}")
ax.set(xlabel="batch", ylabel="training loss (nats)", ylim=(0, None))
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the loss of each batch.* With a detached state the network learns too, but each
# picture starts from potentials that other pictures left.
#
# ### Exercise 2: Reset some of the samples
#
# The state of a sample is a row. `torch.where` keeps the device and the dtype. (So does multiplying
# by 0 or 1, but 0 times an infinite potential is NaN.)


# %%
def begin_anew(state, ended):
    """An LIFState and a bool [B] -> the LIFState with which the next piece begins."""
    rest, ended = torch.zeros_like(state.v), ended[:, None]
    v, i = torch.where(ended, rest, state.v), torch.where(ended, rest, state.i)
    return state._replace(v=v, i=i)


assert check.begin_anew(begin_anew)

# %%
layer = LIFLayer(tau=20.0, tau_syn=5.0)
_, state = layer(torch.rand(30, 3, 2, generator=generator()))
print(begin_anew(state, torch.tensor([False, True, False])).v)

# %% [markdown]
# ### Exercise 3: Put time first
#
# Transpose once at the start; from there on, everything is `[T, B, ...]`. The last step is then
# `v[-1]`.


# %%
def cue_scores(net, x):
    """A CueNetwork and x [B, T, 32] -> the potentials at the last step [B, 2]."""
    spikes, _ = net.neurons(net.inputs(x.transpose(0, 1)))
    v, _ = net.integrator(net.output(spikes))
    return v[-1]


assert check.cue_scores(cue_scores)

# %% [markdown]
# ### Exercise 4: Validate without side effects
#
# Save the mode of every module, since `net.train()` would also switch modules that were in
# evaluation mode on purpose. A `try ... finally` restores them even if a batch raises an error.


# %%
def validate(net, batches):
    """A network and a list of (x [T, B, ...], y [B]) -> mean loss and accuracy, two floats."""
    modes, loss, right, n = [(m, m.training) for m in net.modules()], 0.0, 0, 0
    net.eval()
    try:
        with torch.no_grad():
            for x, y in batches:
                scores = net(x)
                loss += cross_entropy(scores, y, reduction="sum").item()
                right += (scores.argmax(1) == y).sum().item()
                n += len(y)
    finally:
        for module, mode in modes:
            module.training = mode
    return loss / n, right / n


assert check.validate(validate)

# %% [markdown]
# ### Exercise 5: Read the time
#
# The code sends the value $x$ at the step $(1 - x)(T - 1)$. Weight each step by the value that it
# stands for, $1 - t/(T-1)$. The sum over time then returns the value.


# %%
def scores(currents):
    """The currents of the output units [T, B, C] -> scores [B, C]."""
    worth = torch.linspace(1, 0, len(currents))
    return torch.tensordot(worth, currents, dims=1)


assert check.scores(scores)
