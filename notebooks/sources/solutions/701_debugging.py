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
# # Repair six silent or exploding networks
#
# Solutions to [701](../701_debugging.ipynb). For each patient: the repair, and why it works.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import torch
from matplotlib import pyplot as plt
from torch.nn.functional import cross_entropy

import jarvis
from jarvis import RecurrentLIFLayer, WTAConfig, datasets, diagnose, over_time, seeded
from jarvis.classroom import broken, lesson
from jarvis.classroom.check import debugging as check
from jarvis.networks import gradient_by_step
from jarvis.plotting import BLUE, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_updates": 3, "n_passes": 1}}
full_run = True
seed = 0
n_steps = 25  # length of the Poisson code, steps of 1 ms
n_updates = 60  # training steps on one batch
n_passes = 3  # presentations of all digits to the network of exercise 6

# %%
train_set = datasets.digits("train")


def generator(number=0):
    return torch.Generator().manual_seed(number)


pictures, labels = train_set[:32]
spikes = jarvis.poisson_encode(pictures, n_steps, generator=generator())


def by_heart(model, x=spikes, y=labels):
    """Train on the same samples over and over; returns the losses."""
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=5e-3), []
    for _ in range(n_updates):
        loss = cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def side_by_side(patient, repaired):
    """The losses of both on one batch."""
    _, ax = plt.subplots()
    ax.plot(patient, color=ORANGE, label="patient")
    ax.plot(repaired, color=BLUE, label="repaired")
    ax.set(xlabel="training step", ylabel="loss on one batch (nats)", ylim=(0, None))
    ax.legend()
    plt.show()
    assert not full_run or repaired[-1] < patient[-1] - 0.3


# %% [markdown]
# ### Exercise 1: Wake the layers
#
# The input of a layer depends on the rates of the layers before it. So scale the first layer first;
# the spikes of this layer are the input for scaling the next layer.


# %%
def wake(model, x):
    """A DeepReader and spikes [T, B, 1, 8, 8] -> the same model; every layer fires at 10 %."""
    with torch.no_grad():
        for synapses, neurons in zip(model.synapses, model.neurons, strict=True):
            while neurons(over_time(synapses, x))[0].mean() < 0.1:
                synapses[0].weight.mul_(1.2)
            x, _ = neurons(over_time(synapses, x))
    return model


assert check.wake(wake)

# %%
awake = wake(broken.DeepReader(seed), spikes)
for name, net in (("patient", broken.DeepReader(seed)), ("repaired", awake)):
    print(f"{name:9}", [round(layer.rate, 3) for layer in diagnose(net, (spikes, labels)).layers])
side_by_side(by_heart(broken.DeepReader(seed)), by_heart(awake))

# %% [markdown]
# *The figure shows the loss of both networks on 32 pictures.* Only the size of the initial weights
# differs.
#
# ### Exercise 2: Draw better weights
#
# Uniform numbers from -1 to 1 have mean 0, so excitation and inhibition cancel on average. The
# remaining fluctuations grow as the square root of the number of inputs, so divide the weights by
# this root.


# %%
def draw_weights(n_out, n_in, generator):
    """Random weights [n_out, n_in] of a layer that is neither silent nor saturated."""
    return (2 * torch.rand((n_out, n_in), generator=generator) - 1) / math.sqrt(n_in)


assert check.draw_weights(draw_weights)

# %%
weights = draw_weights(100, 64, generator(seed))
side_by_side(by_heart(broken.drawn_reader(seed=seed)), by_heart(broken.drawn_reader(weights, seed)))

# %% [markdown]
# *The figure shows the loss of both networks on 32 pictures.* The patient's output receives spikes
# from all 100 neurons at every step, for every picture.
#
# ### Exercise 3: Translate a decay
#
# $\beta = e^{-\Delta t/\tau}$, so $\tau = -\Delta t/\ln\beta$. For 0.95 at 1 ms that is 19.5 ms.


# %%
def tau_from_beta(beta, dt):
    """The fraction of v that remains after a step, and the step (ms) -> tau (ms)."""
    return -dt / math.log(beta)


assert check.tau_from_beta(tau_from_beta)
print(f"{tau_from_beta(0.95, 1.0):.1f} ms")

# %% [markdown]
# ### Exercise 4: Keep the gradient steady
#
# The default surrogate is 1 at the threshold and 0.005 half a threshold away, so few neurons pass
# the gradient on at any time. With the default weights it keeps the gradient within a factor of
# ten. Smaller weights alone would disconnect the neurons from each other.


# %%
def steady(n_hidden):
    """The number of neurons -> a jarvis.RecurrentLIFLayer with its weights drawn."""
    return RecurrentLIFLayer(n_hidden, surrogate="fast_sigmoid")  # uniform in +-1/sqrt(n_hidden)


assert check.steady(steady)

# %%
rows = broken.rows(train_set.inputs[:64]), train_set.targets[:64]
with seeded(seed):
    repaired = broken.RowReader(steady(64), seed)
_, ax = plt.subplots()
ax.semilogy(gradient_by_step(broken.RowReader(seed=seed), *rows), color=ORANGE, label="patient")
ax.semilogy(gradient_by_step(repaired, *rows), color=BLUE, label="repaired")
ax.set(xlabel="step of the input (ms)", ylabel="gradient of the loss (norm)")
ax.legend()
plt.show()
losses = by_heart(repaired, *rows)
print(f"loss on one batch: {losses[0]:.2f} -> {losses[-1]:.2f}")
assert not full_run or losses[-1] < 1.6

# %% [markdown]
# *The figure shows the gradient with respect to the input of each step.*
#
# ### Exercise 5: Write a surrogate that stays finite
#
# If the curve is written with the logistic function itself, no term exceeds k. PyTorch's sigmoid
# does not overflow, and returns NaN for NaN.


# %%
def stable_bell(z, k):
    """z of any shape, and the slope k -> the derivative of the logistic function of kz."""
    s = torch.sigmoid(k * z)
    return k * s * (1 - s)


assert check.stable_bell(stable_bell)

# %%
z = torch.linspace(-6, 4, 1001)
_, ax = plt.subplots()
ax.plot(z, stable_bell(z, 25.0), color=BLUE, label="with the sigmoid")
ax.plot(z, broken.bell(z, 25.0), "--", color=ORANGE, label="as in the formula collection")
ax.axvline(-math.log(torch.finfo(torch.float32).max / 25) / 25, color=GREY, ls=":")
ax.set(xlabel="distance from the threshold z", ylabel="surrogate", ylim=(-0.2, 6.6))
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows both formulas; the dashed curve ends at the dotted line, to the left of which it
# is NaN.*
#
# ### Exercise 6: Give every map a chance
#
# Lower the threshold, so that a map still reaches it after its weights have fallen, and turn on
# homeostasis, which makes winners harder to excite. Change one at a time: the lower threshold alone
# revives all maps; homeostasis alone, at a threshold of 20, leaves some dead. Both changes together
# also even out the wins.


# %%
def competition():
    """-> the WTAConfig of a layer in which no map is dead."""
    return WTAConfig(theta_rest=6.0, local_radius=1, n_winners=5, tau_theta=1e3)


assert check.competition(competition)

# %%
seen = broken.retina(train_set.inputs)
base = dict(local_radius=1, n_winners=5, tau_theta=1e3)
plans = {
    "patient": WTAConfig(theta_rest=20.0, enable_homeostasis=False, **base),
    "homeostasis alone": WTAConfig(theta_rest=20.0, **base),
    "threshold 6 alone": WTAConfig(theta_rest=6.0, enable_homeostasis=False, **base),
    "both": competition(),
}
for name, wta in plans.items():
    layer, order = broken.stroke_finder(wta, seed), generator(seed)
    for _ in range(n_passes):
        layer.learn(seen, torch.randperm(len(seen), generator=order), order)
    dead = diagnose(layer, seen).measures["dead maps"]
    print(f"{name:18}: {dead:2} dead maps, wins from {layer.wins.min()} to {layer.wins.max()}")
