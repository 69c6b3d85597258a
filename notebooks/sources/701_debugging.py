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
# # Find out why a network does not learn
#
# A spiking network that fails to learn rarely tells you why: the loss does not fall, and no error
# is raised. You examine six small networks with one method, and repair each with a single change.
# In all six, spikes are wrong in the forward pass or gradients in the backward pass.
#
# **Time.** 60 minutes for you, 60 seconds for the machine.
#
# **You need.** [301](301_surrogate_gradients.ipynb) (surrogate gradients),
# [302](302_read_outs.ipynb) (read-outs) and, for section 7 only, [403](403_features.ipynb) (STDP).
#
# **Leads to.** [704](704_debugging_state.ipynb), where healthy spikes and gradients compute the
# wrong thing.
#
# ## Objectives
#
# After this lesson you can
#
# 1. state the loss and the accuracy that an untrained network should have,
# 2. read firing rates and gradients layer by layer, and name the layer where a signal stops,
# 3. tell a network that cannot learn from one that learns slowly, with a single batch,
# 4. recognise and repair silent, saturated, forgetful, exploding and overflowing networks.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import torch
from matplotlib import pyplot as plt
from torch.nn.functional import cross_entropy

import jarvis
from jarvis import SpikingMLP, datasets, diagnose, over_time, plotting, seeded
from jarvis.classroom import broken, lesson
from jarvis.classroom.check import debugging as check
from jarvis.classroom.results import record
from jarvis.networks import gradient_by_step
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE
from jarvis.training import TrainingError

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_updates": 4, "n_passes": 1}}
full_run = True  # False for other values: the numbers in the text belong to these
seed = 0
n_steps = 25  # length of the Poisson code, steps of 1 ms
n_updates = 60  # training steps on one batch
n_passes = 3  # presentations of all digits to the network of section 7

# %% [markdown]
# Most of these networks, the *patients*, classify scikit-learn's 8x8 digits from a [Poisson
# code](../docs/glossary.md#poisson-code).

# %%
train_set = datasets.digits("train")


def encode(pictures, generator):
    return jarvis.poisson_encode(pictures, n_steps, generator=generator)


def generator(number=0):
    return torch.Generator().manual_seed(number)


pictures, labels = train_set[:256]
batch = encode(pictures, generator()), labels  # spikes [T, B, 1, 8, 8] and labels [B]

# %% [markdown]
# ## 1. What should you see before training?
#
# The method has five steps, in this order.
#
# 1. **Expectation.** What loss and accuracy should the untrained network have?
# 2. **Rates.** Does every layer fire, but not at every step?
# 3. **Gradients.** Does every weight have a gradient of reasonable size?
# 4. **One batch.** Can the network learn 32 samples by heart?
# 5. **One change at a time.** If you make two changes at once, you do not know which one helped.
#
# Begin with a healthy, untrained network for ten classes. What is its
# [cross-entropy](../docs/glossary.md#cross-entropy)?
#
# <details><summary>Make a guess, then open</summary>
# Equal scores for ten classes give ln 10 = 2.303 and an accuracy of 10 %. A much larger loss means
# that the scores are already large before training.
# </details>

# %%
with seeded(seed):
    healthy = SpikingMLP((64, 100, 10))
loss = cross_entropy(healthy(batch[0]), labels).item()
print(f"loss {loss:.3f}; ln 10 = {math.log(10):.3f}\n")
report = diagnose(healthy, batch)
print(report)
assert abs(loss - math.log(10)) < 0.1
assert report.healthy

# %% [markdown]
# `diagnose` runs the batch forward and backward. It prints one line per layer (the [firing
# rate](../docs/glossary.md#firing-rate), and how many neurons are silent or saturated) and one line
# per parameter (the root mean square of its gradient); then it lists the problems found.
#
# Step 4 needs a short loop: train on the same 32 samples at every update.


# %%
def by_heart(model, few=batch[0][:, :32], n=n_updates, lr=5e-3):
    """Train on the same 32 samples over and over; returns the losses."""
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=lr), []
    for _ in range(n):
        loss = cross_entropy(model(few), labels[:32])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


share = labels[:32].bincount() / 32
blind = -(share * share.clamp_min(1e-9).log()).sum().item()  # entropy of the 32 labels
learned = {"healthy": by_heart(healthy)}
print(f"from {learned['healthy'][0]:.2f} to {learned['healthy'][-1]:.2f}")
print(f"the best loss of a network that ignores its input: {blind:.2f}")

# %% [markdown]
# A network whose scores do not depend on its input can only learn how frequent each class is: its
# loss stops at the entropy of the labels, 2.09<!-- blind 0.005 -->. **A loss that stops at this
# entropy means that the network ignores its input.**
#
# ## 2. Patient 1: silence, layer by layer
#
# This network has six 3x3 convolutions, each followed by spiking neurons, with pooling after the
# first and the third. The weights are PyTorch's default.
#
# ```python
# for synapses, neurons in zip(self.synapses, self.neurons):   # synapses: Conv2d(..., padding=1)
#     x, _ = neurons(over_time(synapses, x))
# return self.output(x.flatten(2).mean(0))
# ```

# %%
learned["patient 1"] = by_heart(broken.DeepReader(seed))


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def loss_figure(curves):
    """Losses on one batch, beside the best loss without the input."""
    _, ax = plt.subplots()
    styles = ((GREY, "--"), (ORANGE, "-"), (BLUE, "-"), (GREEN, "-"))
    for (name, losses), (color, line) in zip(curves.items(), styles, strict=False):
        ax.plot(losses, color=color, ls=line, label=name)
    ax.axhline(blind, color="black", ls=":", lw=1, label="best without the input")
    ax.set(xlabel="training step", ylabel="loss on one batch (nats)", ylim=(0, 2.6))
    ax.legend(loc="lower left")
    plt.show()


def layer_figure(reports):
    """Firing rates and gradients of several networks, layer by layer."""
    _, axes = plt.subplots(1, 2, figsize=(8, 3))
    for (name, found), color, mark in zip(reports.items(), (ORANGE, BLUE), "os", strict=False):
        rates = [100 * layer.rate for layer in found.layers]
        sizes = [g for n, g in found.gradients.items() if n.endswith("weight")]
        axes[0].semilogy(range(1, len(rates) + 1), rates, color=color, marker=mark, label=name)
        axes[1].semilogy(range(1, len(sizes) + 1), sizes, color=color, marker=mark)
    axes[0].set(xlabel="hidden layer", ylabel="neurons that fire in a step (%)")
    axes[1].set(xlabel="layer of weights (the last: output)", ylabel="gradient (rms)")
    axes[0].legend()
    plt.show()


# %%
loss_figure(learned)
assert not full_run or learned["healthy"][-1] < 0.5 < 2.0 < learned["patient 1"][-1]

# %% [markdown]
# *The figure shows the loss of both networks on the same 32 samples.* The patient's loss stops at
# the dotted line. What rates and gradients do you expect?
#
# <details><summary>Make a guess, then open</summary>
# The scores ignore the input, so the last layer probably hardly fires. If rates fall from layer to
# layer, gradients should shrink in the opposite direction.
# </details>

# %%
silent = diagnose(broken.DeepReader(seed), batch)
layer_figure({"patient 1": silent})
rates = [layer.rate for layer in silent.layers]
print("spikes per neuron and step:", [round(rate, 3) for rate in rates])
assert rates[-1] < 0.2 * rates[0]

# %% [markdown]
# *The figure shows the share of neurons that fire in a step, and the size of the gradient, for each
# layer of patient 1; both scales are logarithmic.* The gradient of the first weights is
# 4.5<!-- gradient_ratio 0.2 --> orders of magnitude smaller than that of the output weights: a
# [vanishing gradient](../docs/glossary.md#vanishing-gradient).
#
# PyTorch draws the $n$ weights of a neuron with a standard deviation of $1/\sqrt{3n}$, which suits
# inputs with values near 1. Here the inputs are 0 in most steps. If they fire with probability $r$,
# the current of a step has a standard deviation of about $\sqrt{n\,r/(3n)} = \sqrt{r/3}$. So fewer
# spikes give weaker currents, and weaker currents give fewer spikes.
#
# The [initialisation](../docs/glossary.md#initialisation) is too small for sparse input.
#
# ### Exercise 1: Wake the layers (6 min)
#
# Scale the weights of each layer until its neurons fire in about 10 % of the steps.
# `model.synapses[k][0].weight` are the weights of layer k, `over_time(model.synapses[k], x)` are
# its currents, and `model.neurons[k]` are its neurons, which return spikes and a state. Change
# weights inside `torch.no_grad()`.


# %% tags=["exercise"]
def wake(model, x):
    """A DeepReader and spikes [T, B, 1, 8, 8] -> the same model; every layer fires at 10 %."""
    ...


# %%
if check.wake(wake):
    awake = wake(broken.DeepReader(seed), batch[0])
    layer_figure({"patient 1": silent, "your answer": diagnose(awake, batch)})
    loss_figure(learned | {"your answer": by_heart(awake)})

# %% [markdown]
# Batch normalisation between synapses and neurons does the same during training (Zheng et al. 2021;
# see [704](704_debugging_state.ipynb)).
#
# ## 3. Patient 2: spikes at every step
#
# This network has one hidden layer, with weights drawn by `torch.rand(100, 64)`.

# %%
loud = broken.drawn_reader(seed=seed)
loud_losses = by_heart(broken.drawn_reader(seed=seed))
print(f"loss on one batch: {loud_losses[-1]:.2f}\n")
print(diagnose(loud, batch))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
potentials = {}
with torch.no_grad(), seeded(seed):
    for name, net in (("healthy", SpikingMLP((64, 100, 10))), ("patient 2", loud)):
        currents = over_time(net.synapses[0], batch[0])
        potentials[name] = net.neurons[0](currents, trace=True)[2].h.flatten().numpy()
_, axes = plt.subplots(1, 2, figsize=(8, 2.8))
for ax, (name, h), color in zip(axes, potentials.items(), (GREY, ORANGE), strict=True):
    ax.hist(h, bins=60, color=color, density=True)
    ax.axvline(1.0, color="black", ls="--", lw=1, label="threshold")
    ax.set(xlabel="potential before the reset", ylabel="density", title=name)
axes[0].legend()
plt.show()
mean_potential = float(potentials["patient 2"].mean())
assert mean_potential > 10 > abs(float(potentials["healthy"].mean()))

# %% [markdown]
# *The figure shows the potentials of all hidden neurons at all steps; mind the different scales.*
# In the healthy network many potentials lie near the threshold. The patient's potentials are
# 83<!-- mean_potential 1 --> times the threshold on average. `torch.rand` draws numbers from 0 to
# 1, so no weight is negative: every input excites every neuron. All neurons fire at all steps, for
# every picture, and so far from the threshold the surrogate is nearly 0.
#
# A [silent layer](../docs/glossary.md#silent-layer) and a saturated one have the same problem: **a
# neuron that always or never fires carries no information.**
#
# ### Exercise 2: Draw better weights (6 min)
#
# Excitatory inputs must be balanced by inhibitory ones. The more inputs there are, the smaller each
# weight should be. How does the sum of $n$ independent terms grow with $n$? Potentials must vary by
# about the same amount for 16 inputs and for 2500, and the layer must be neither silent nor
# saturated.


# %% tags=["exercise"]
def draw_weights(n_out, n_in, generator):
    """Random weights [n_out, n_in] of a layer that is neither silent nor saturated."""
    ...


# %%
if check.draw_weights(draw_weights):
    weights = draw_weights(100, 64, generator(seed))
    print(f"loss on one batch: {by_heart(broken.drawn_reader(weights, seed))[-1]:.2f}")

# %% [markdown]
# ## 4. Patient 3: a number from another simulator
#
# The task of patient 3 needs memory. For 10 ms, half of the 32 inputs fire; then 40 ms of noise
# follow. At the end the network must tell which half fired. The network was ported from a simulator
# with a decay of 0.95, so somebody wrote `SpikingMLP((32, 32, 2), "last", tau=0.95, dt=1.0)`.

# %%
cues = broken.cue(256, generator())
print(diagnose(broken.ported_network(seed=seed), cues))

# %% [markdown]
# The rates alone look like those of patient 1. But here it is the gradient of the *output* weights
# that almost vanishes: hardly anything reaches the last step. How long does this network remember a
# spike?
#
# <details><summary>Make a guess, then open</summary>
# With tau = 0.95 ms, exp(-1/0.95) = 35 % of its effect is left after 1 ms. The author meant a
# factor of 0.95 per step, which other libraries call beta, alpha or decay.
# </details>

# %%
kept_meant, kept_real = 0.95**40, math.exp(-40 / 0.95)
print(f"left of a spike after 40 ms: meant {kept_meant:.0%}, in this network {kept_real:.0e}")

# %% [markdown]
# `diagnose` names the cause in the first line under its tables: **read the whole diagnosis, from
# the top.**
#
# ### Exercise 3: Translate a decay (3 min)
#
# The membrane obeys $v(t + \Delta t) = e^{-\Delta t/\tau}\, v(t)$. Which
# [time constant](../docs/glossary.md#membrane-time-constant) $\tau$ keeps the fraction `beta` in
# each step of `dt`?


# %% tags=["exercise"]
def tau_from_beta(beta, dt):
    """The fraction of v that remains after a step, and the step (ms) -> tau (ms)."""
    ...


# %%
if check.tau_from_beta(tau_from_beta):
    for beta, dt in ((0.95, 1.0), (0.95, 0.1), (0.5, 1.0)):
        print(f"beta = {beta} at dt = {dt} ms: tau = {tau_from_beta(beta, dt):.2f} ms")

# %% [markdown]
# ## 5. Patient 4: the gradient explodes
#
# A recurrent network reads a digit row by row, each row for 10 ms: 80 steps. The recurrent weights
# are normally distributed with a standard deviation of 0.3. The surrogate, "straight through", has
# the derivative 1 everywhere.

# %%
rows = broken.rows(pictures[:64]), labels[:64]
try:
    options = dict(epochs=1, lr=2e-3, batch_size=64, encode=broken.rows, seed=seed)
    jarvis.fit(broken.RowReader(seed=seed), train_set, progress=False, **options)
except TrainingError as error:
    print("TrainingError:", error)

# %% [markdown]
# The usual advice is [gradient clipping](../docs/glossary.md#gradient-clipping): scale the gradient
# so that its norm is at most 1. Will that help?

# %%
net = broken.RowReader(seed=seed)
cross_entropy(net(rows[0]), rows[1]).backward()
norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
largest = max(p.grad.abs().max().item() for p in net.parameters())
print(f"norm before clipping: {norm}; largest entry after it: {largest}")
assert not norm.isfinite()

# %% [markdown]
# Clipping does not help: the norm is infinite, and every finite number divided by it is 0.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def growth_figure(nets):
    """The gradient with respect to the input of each step; returns the plotted values."""
    _, ax = plt.subplots()
    drawn = {}
    for (name, net), color in zip(nets.items(), (ORANGE, PURPLE, BLUE), strict=False):
        drawn[name] = gradient_by_step(net, *rows)
        ax.semilogy(drawn[name], color=color, label=name)
    ax.set(xlabel="step of the input (ms)", ylabel="gradient of the loss (norm)")
    ax.legend()
    plt.show()
    return drawn


# %%
with seeded(seed):
    smaller = jarvis.RecurrentLIFLayer(64, surrogate="straight_through")
nets = {"patient 4": net, "weights within 1/8": broken.RowReader(smaller, seed)}
sizes = growth_figure(nets)
sick, small = sizes.values()
orders = torch.log10(sick[0] / sick[-1]).item()
per_step = (small[10] / small[70]).item() ** (1 / 60)
assert orders > 20
assert per_step > 1.1

# %% [markdown]
# *The figure shows the gradient of the loss with respect to the input of each step. Read it from
# right to left, in the direction of backpropagation.* By the first step the patient's gradient has
# grown by 42<!-- orders 1 --> orders of magnitude; the largest float32 is $3\cdot 10^{38}$. With
# smaller weights, within $\pm 1/\sqrt{64}$, the gradient still grows by a factor of
# 1.49<!-- per_step 0.02 --> per step.
#
# Each step back multiplies the gradient by the decay plus the recurrent weights times the
# *surrogate derivative*. With "straight through" this derivative is 1 for every neuron, however far
# it is from firing, so all 64 neurons pass the gradient on at every step.
#
# ### Exercise 4: Keep the gradient steady (5 min)
#
# Return a recurrent layer through which the gradient neither explodes nor vanishes within 80 steps:
# in the first steps its size must be between a millionth and 100 times that in the last step. The
# neurons must still affect each other. `surrogate=` takes a name from `jarvis.SURROGATES` (301
# shows them), and `layer.weight` are the recurrent weights, initially within $\pm 1/\sqrt{n}$.


# %% tags=["exercise"]
def steady(n_hidden):
    """The number of neurons -> a jarvis.RecurrentLIFLayer with its weights drawn."""
    ...


# %%
if check.steady(steady):
    with seeded(seed):
        growth_figure(nets | {"your answer": broken.RowReader(steady(64), seed)})

# %% [markdown]
# ## 6. Patient 5: a surrogate that overflows
#
# The derivative of the logistic function is a good surrogate. This network uses the formula as
# textbooks print it, with $z = h - 1$ and a slope of $k = 25$:
#
# $$\frac{k\,e^{-kz}}{(1 + e^{-kz})^2}$$


# %%
def bell(z, k):
    e = torch.exp(-k * z)
    return k * e / (1 + e) ** 2


reader = broken.belled_reader(bell, seed)
loss = cross_entropy(reader(batch[0]), labels).item()
found = diagnose(reader, batch)
print(f"loss {loss:.3f}\n\n{found}")
assert math.isfinite(loss)
assert math.isnan(found.gradients["synapses.0.1.weight"])

# %% [markdown]
# Loss and rates are healthy, and only gradients of weights *before* the spikes are NaN. So the
# surrogate is to blame. Where does a curve between 0 and $k/4$ become NaN?
#
# <details><summary>Make a guess, then open</summary>
# Far below the threshold, where k·e<sup>-kz</sup> is huge. Above 3·10<sup>38</sup> it is infinite
# in float32, and infinity divided by infinity is NaN.
# </details>

# %% tags=["hide-input"] jupyter={"source_hidden": true}
with torch.no_grad():
    currents = over_time(reader.synapses[0], batch[0])
    z = reader.neurons[0](currents, trace=True)[2].h.flatten() - 1.0
grid = torch.linspace(-15, 5, 4001)
values = bell(grid, 25.0)
border = grid[values.isnan()].max().item()
_, axes = plt.subplots(2, 1, figsize=(6.4, 3.8), sharex=True)
axes[0].plot(grid, values, color=BLUE)
axes[0].set(ylabel="surrogate")
axes[1].hist(z.numpy(), bins=120, range=(-15, 5), color=BLUE)
axes[1].set(ylabel="neurons x steps", yscale="log")
axes[1].set(xlabel="distance from the threshold, z = h - 1", xlim=(-15, 5))
for ax in axes:
    ax.axvspan(-15, border, color=ORANGE, alpha=0.3, lw=0, zorder=0)
axes[0].text(-9.2, 3.0, "NaN in float32", ha="center")
plt.show()
lost = (z < border).double().mean().item()
assert bell(torch.tensor(border + 0.1), 25.0).isfinite()

# %% [markdown]
# *The figure shows the surrogate, and below it the potentials of the hidden neurons; where the
# background is coloured, the formula gives NaN.* NaN begins at z = −3.42<!-- border 0.02 -->, where
# $k\,e^{-kz}$ exceeds the largest float32. In this batch 18<!-- lost 1 --> % of the potentials lie
# below that. One NaN is enough, since the gradient of a weight is a sum over steps and samples.
#
# ### Exercise 5: Write a surrogate that stays finite (5 min)
#
# Compute the same curve for any z from -10 000 to 10 000, in float32. If z is NaN, return NaN.


# %% tags=["exercise"]
def stable_bell(z, k):
    """z of any shape, and the slope k -> the derivative of the logistic function of kz."""
    ...


# %%
if check.stable_bell(stable_bell):
    print(f"loss on one batch: {by_heart(broken.belled_reader(stable_bell, seed))[-1]:.2f}")

# %% [markdown]
# ## 7. Patient 6: maps that never win
#
# The last patient, a convolution of 40 [feature maps](../docs/glossary.md#feature-map), learns from
# digits by STDP, without a gradient: the first neuron to reach the threshold wins, learns, and
# keeps others from learning.


# %%
def present(layer):
    """Show all digits `n_passes` times, in random order."""
    order = generator(seed)
    for _ in range(n_passes):
        layer.learn(seen, torch.randperm(len(seen), generator=order), order)
    return layer


seen = broken.retina(train_set.inputs)
starved = present(broken.stroke_finder(seed=seed))
found = diagnose(starved, seen)
print("\n".join(found.problems))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
order = starved.wins.argsort(descending=True)
highest = starved.potentials(seen).amax(dim=(0, 2, 3))[order]
_, axes = plt.subplots(1, 2, figsize=(8, 2.8))
axes[0].bar(range(40), starved.wins[order], color=BLUE)
axes[0].axhline(0.01 * int(starved.n_seen), color="black", ls="--", lw=1)
axes[0].text(39, 0.012 * int(starved.n_seen), "dead below this line", ha="right", fontsize=9)
axes[0].set(xlabel="maps, by number of wins", ylabel="wins", yscale="symlog")
axes[1].plot(range(40), highest, "o", ms=4, color=BLUE)
axes[1].axhline(20.0, color="black", ls="--", lw=1)
axes[1].text(0, 19.6, "threshold", va="top", fontsize=9)
axes[1].set(xlabel="maps, by number of wins", ylabel="highest potential", ylim=(18, 25.5))
plt.show()

# %% [markdown]
# *The figure shows the number of wins of each map, and the highest potential that any digit evokes
# in it.* 25<!-- dead_maps 1 --> of the 40 maps are dead: they won fewer than one picture in 100.
# (The potentials are those after all spikes of a digit, without firing.) Even on its best picture,
# a dead map barely reaches the threshold, after nearly all spikes, and another map has already won.
# Nothing helps the losers: [homeostasis](../docs/glossary.md#homeostasis), which raises the
# threshold of a map that wins, is switched off.
#
# ### Exercise 6: Give every map a chance (5 min)
#
# Return a `jarvis.WTAConfig` with which all 40 maps learn. In this config, `theta_rest` is the
# threshold, each win adds `theta_plus` to it, and after `tau_theta` pictures the increase has
# decayed to 37 %. From its 5x5 pixels a neuron gets at most 25 spikes, and weights are between 0
# and 1. The patient has `WTAConfig(theta_rest=20.0, local_radius=1, n_winners=5,
# enable_homeostasis=False)`.


# %% tags=["exercise"]
def competition():
    """-> the WTAConfig of a layer in which no map is dead."""
    ...


# %%
if check.competition(competition):
    repaired = present(broken.stroke_finder(competition(), seed))
    weights = (repaired.weight[:, 0] - repaired.weight[:, 1])[::2]
    plotting.images(weights, columns=10, cmap="RdBu_r", symmetric=True, size=0.8)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
weights = {n: g for n, g in silent.gradients.items() if n.endswith("weight")}
first, *_, last = weights.values()
numbers = {
    "blind": blind,
    "rate_first": 100 * rates[0],
    "rate_last": 100 * rates[-1],
    "gradient_ratio": math.log10(last / first),
    "mean_potential": mean_potential,
    "kept_meant": 100 * kept_meant,
    "orders": orders,
    "per_step": per_step,
    "border": border,
    "lost": 100 * lost,
    "dead_maps": found.measures["dead maps"],
}
record("results/701_debugging.json", numbers, full=full_run)
assert kept_real < 1e-17

# %% [markdown]
# ## Summary
#
# | symptom | look at | cause | repair |
# |---|---|---|---|
# | loss stops at the labels' entropy | rates fall from layer to layer | weights too small for sparse input | scale each layer to a rate |
# | loss stops at the labels' entropy | rates are 1 | all weights positive | draw them with mean 0 and a size of $1/\sqrt{n}$ |
# | few spikes, vanishing gradient, in a task with memory | tau against dt | a decay factor used as tau | $\tau = -\Delta t/\ln\beta$ |
# | NaN after a few batches | gradient by step | a surrogate of 1 everywhere, in a recurrent network | a narrow surrogate (weights within $\pm 1/\sqrt{n}$ are not enough) |
# | loss fine, gradient NaN | which layers are NaN | overflow in the surrogate | rewrite the formula |
# | dead maps | wins, potentials | a threshold too high for most maps | lower it (homeostasis alone, at its default, is not enough) |
#
# 1. **Expect** a number before you train.
# 2. **Rates forward, gradients backward.** The cause is where a signal stops.
# 3. **One batch by heart** tells "cannot learn" from "learns slowly".
#
# ## Further reading
#
# - A. Karpathy (2019), *A recipe for training neural networks*, karpathy.github.io.
# - Rossbroich, Gygax & Zenke (2022), *Fluctuation-driven initialization for spiking neural network
#   training*, Neuromorph. Comput. Eng. 2:044016,
#   [doi:10.1088/2634-4386/ac97bb](https://doi.org/10.1088/2634-4386/ac97bb).
# - Zheng et al. (2021), *Going deeper with directly-trained larger spiking neural networks*, AAAI,
#   [doi:10.1609/aaai.v35i12.17320](https://doi.org/10.1609/aaai.v35i12.17320).
# - Pascanu, Mikolov & Bengio (2013), *On the difficulty of training recurrent neural networks*,
#   ICML, [arXiv:1211.5063](https://arxiv.org/abs/1211.5063). Exploding gradients, and clipping.
# - Zenke & Vogels (2021), *The remarkable robustness of surrogate gradient learning*, Neural
#   Comput. 33:899, [doi:10.1162/neco_a_01367](https://doi.org/10.1162/neco_a_01367). The scale of a
#   surrogate matters, above all in recurrent networks.
#
# ## Next
#
# [704](704_debugging_state.ipynb): six more faults.
