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
# **What you will build.** A method, and eight cures. Eight small networks wait in
# `jarvis.classroom.broken`. Each fails in a way that people really meet, some with an error, most
# of them without one. You find the cause with `diagnose` and a plot or two, and mend it.
#
# **What you need.** Notebooks 03 (spike codes) and 04 (surrogate gradients, read-outs), for the
# last patient also 06 (STDP). No GPU, no download.
#
# **Run time.** About half a minute on two CPU cores.
#
# ## Objectives
#
# After this notebook you can
#
# 1. write down what an untrained network should do, before you train it,
# 2. look at rates and gradients, layer by layer, and read a `Diagnosis`,
# 3. tell a network that *cannot* learn from one that learns slowly, with one batch,
# 4. recognise eight failures by their symptoms; six of them raise no error at all,
# 5. mend each of them with one change, and measure that it was the right one.

# %%
import math

import torch
from matplotlib import pyplot as plt
from torch.nn.functional import cross_entropy

import jarvis
from jarvis import SpikingMLP, __version__, datasets, diagnose, plotting, seeded
from jarvis.classroom import broken
from jarvis.classroom.check import debugging as check
from jarvis.classroom.results import record
from jarvis.networks import gradient_by_step, graph_size, influence
from jarvis.plotting import BLUE, GREY, ORANGE, RED
from jarvis.training import TrainingError

plt.rcParams.update({"figure.figsize": (6, 2.8), "figure.dpi": 80, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {__version__}, torch {torch.__version__.split('+')[0]}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "epochs": 1, "n_batches": 4}}
full_run = True  # False while you try other values: the text tells of these
seed = 0
n_steps = 25  # length of the Poisson code, steps of 1 ms
epochs = 6  # passes through the digits
n_batches = 120  # batches of other tasks

# %% [markdown]
# Most patients read the 8x8 digits, as a Poisson code. `run` trains a network and returns the loss
# of each epoch and the accuracy on the test set.

# %%
train_set, test_set = datasets.digits("train"), datasets.digits("test")
print(train_set)


def fixed(number=0):
    return torch.Generator().manual_seed(number)


def encode(values, generator):
    return jarvis.poisson_encode(values, n_steps, generator=generator)


def run(model, encode=encode, data=(train_set, test_set), lr=2e-3, epochs=epochs):
    options = dict(epochs=epochs, lr=lr, batch_size=64, encode=encode, seed=seed)
    history = jarvis.fit(model, data[0], progress=False, log=lambda line: None, **options)
    return history.column("loss"), jarvis.evaluate(model, data[1], encode)["acc"]


x, y = train_set[:256]
batch = encode(x, fixed()), y  # spikes [T, B, 1, 8, 8] and labels [B], to look at

# %% [markdown]
# ## 1. A method
#
# A spiking network that does not learn rarely says why. Five steps, in this order, find most
# causes. They cost a minute; waiting for a training run that cannot succeed costs more.
#
# 1. **What should happen?** Chance level, and the loss before training.
# 2. **Rates, layer by layer.** No spikes: nothing to learn from. All spikes: nothing either.
# 3. **Gradients, layer by layer.** Zero, vanishing or exploding, and where does it begin?
# 4. **One batch.** A network that can learn at all learns 32 samples by heart, in seconds.
# 5. **One change at a time.** Two changes that help together tell nothing about the cause.
#
# First a network that is well. With ten classes that it knows nothing about, what should its loss
# be?
#
# <details><summary>Make a guess, then open</summary>
# Equal scores for ten classes: ln 10 = 2.303, and an accuracy of 10 %. A loss far above that means
# scores that are large before anything was learned. A loss that *stays* there means that nothing
# is learned.
# </details>

# %%
with seeded(seed):
    healthy = SpikingMLP((64, 100, 100, 100, 10))
before = jarvis.evaluate(healthy, test_set, encode)
print(f"loss {before['loss']:.3f}, ln 10 = {math.log(10):.3f}; accuracy {before['acc']:.1%}")
assert abs(before["loss"] - math.log(10)) < 0.1
well = diagnose(healthy, batch)
assert well.healthy
print(well)

# %% [markdown]
# The table has a line for each layer and each parameter. Rates fall from layer to layer, but every
# layer fires. Gradients fall on the way back to the input, the weights' by a factor of 34 in all,
# which an optimizer like Adam does not mind. Now the fourth step: a few samples, the
# same at every step, again and again. Can the network learn them by heart?


# %%
def by_heart(model, steps=100 if full_run else 40, lr=5e-3):
    """The losses of training on the same 32 samples over and over."""
    few, labels = batch[0][:, :32], y[:32]
    optimizer, losses = torch.optim.Adam(model.parameters(), lr=lr), []
    for _ in range(steps):
        loss = cross_entropy(model(few), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


learned = by_heart(healthy)
first_patient = by_heart(broken.deep_reader(seed))
_, ax = plt.subplots()
for losses, colour, name in ((learned, BLUE, "healthy"), (first_patient, RED, "patient 1")):
    ax.plot(losses, color=colour, label=name)
ax.axhline(math.log(10), color=GREY, ls=":", label="ln 10")
ax.set(xlabel="step", ylabel="loss on one batch (nats)", ylim=(0, 2.6))
ax.legend()
plt.show()
assert learned[-1] < 0.3 < 2 < first_patient[-1]

# %% [markdown]
# *The figure shows the loss on 32 samples that come again and again.* The healthy network has
# learned them by heart after some 40 steps. The red line is our first patient. All that it learns
# is which classes are frequent among the 32: for that it needs no input. More data, more epochs or
# another learning rate will not help it.
#
# ## 2. Patient 1: the loss that does not move
#
# Three hidden layers of 100 neurons, like the healthy network. Weights from a normal distribution
# with a small standard deviation, biases at 0, as in many recipes for deep networks.

# %%
silent_losses, silent_acc = run(broken.deep_reader(seed))
with seeded(seed):
    healthy = SpikingMLP((64, 100, 100, 100, 10))
healthy_losses, healthy_acc = run(healthy)
print(f"healthy:   losses {[round(v, 3) for v in healthy_losses]}, accuracy {healthy_acc:.1%}")
print(f"patient 1: losses {[round(v, 3) for v in silent_losses]}, accuracy {silent_acc:.1%}")
assert min(silent_losses) > 2.29

# %% [markdown]
# After six epochs the accuracy is 8 %, which is chance. Which step of the method comes next, and
# what do you expect to see?
#
# <details><summary>Make a guess, then open</summary>
# The loss is ln 10 to the third digit, so the scores do not depend on the picture. Rates first: are
# there spikes in the last hidden layer?
# </details>


# %%
def anatomy(reports):
    """Rates and gradients of several networks, layer by layer."""
    _, axes = plt.subplots(1, 2, figsize=(8, 2.8))
    for (name, found), style in zip(reports.items(), ("o-", "s--", "^:"), strict=False):
        rates = [layer.rate for layer in found.layers]
        sizes = [g for n, g in found.gradients.items() if n.endswith("weight")]
        axes[0].plot(range(1, len(rates) + 1), rates, style, label=name)
        axes[1].plot(range(1, len(sizes) + 1), [max(g, 1e-10) for g in sizes], style)
    axes[0].set(xlabel="hidden layer", ylabel="spikes per neuron and step")
    axes[1].set(xlabel="weights (the last: output)", ylabel="gradient (rms)", yscale="log")
    axes[1].set_ylim(3e-11, 1)
    axes[1].axhline(1e-10, color=GREY, ls=":")
    axes[1].text(1, 1.6e-10, "exactly 0", color=GREY, fontsize=8)
    for ax in axes:
        ax.xaxis.set_major_locator(plt.MaxNLocator(integer=True))
    axes[0].legend()
    plt.show()


# %%
silent = diagnose(broken.deep_reader(seed), batch)
print("\n".join(silent.problems))
anatomy({"healthy": well, "patient 1": silent})
assert silent.layers[-1].silent == 1.0

# %% [markdown]
# *The figure shows rates and gradients of both networks, layer by layer.* The patient's first layer
# hardly fires, the others never do. Without spikes no output weight has a gradient. And the
# surrogate of this network, a triangle, is exactly 0 for a potential of 0 or below, so nothing
# comes back to the hidden weights either. Nothing learns but the output's bias.
#
# The weights are too small. But by how much? No formula knows your data. So measure: give each
# layer the rate that you want.
#
# ### Exercise 1: Wake the layers
#
# Write a function that multiplies the weights of each hidden layer until it fires at about 10 % of
# the steps. `model.synapses[k][1].weight` are the weights of layer k, and
# `jarvis.over_time(model.synapses[k], x)` are its currents; `model.neurons[k]` are its neurons,
# which return spikes and a state. Change weights inside `torch.no_grad()`.


# %%
def wake(model, x):
    """A silent SpikingMLP and spikes [T, B, 1, 8, 8] -> the same model, all layers awake."""


if check.wake(wake):
    mended = wake(broken.deep_reader(seed), batch[0])
    anatomy({"healthy": well, "patient 1": silent, "mended": diagnose(mended, batch)})
    print("losses", [round(v, 3) for v in run(mended)[0]])

# %% [markdown]
# ## 3. Patient 2: the loss that falls, and stays
#
# One hidden layer. Its weights were drawn in one line: `torch.rand(100, 64)`.

# %%
loud = broken.drawn_reader(seed=seed)
first = jarvis.evaluate(loud, test_set, encode)["loss"]
loud_losses, loud_acc = run(loud)
print(f"loss before {first:.3f}, then {[round(v, 3) for v in loud_losses]}")
print(f"test accuracy {loud_acc:.1%}")
assert min(loud_losses) > 2.25

# %% [markdown]
# Chance again, though here the loss moves about a little. Is it the same illness?
#
# <details><summary>Make a guess, then open</summary>
# The opposite one. torch.rand gives numbers from 0 to 1: no weight is negative. Each active input
# pushes each neuron up, and 64 of them push hard.
# </details>

# %%
loud_report = diagnose(broken.drawn_reader(seed=seed), batch)
print(loud_report)

# %%
_, axes = plt.subplots(1, 2, figsize=(8, 2.8))
with torch.no_grad(), seeded(seed):
    nets = {"healthy": SpikingMLP((64, 100, 10)), "patient 2": broken.drawn_reader(seed=seed)}
    for ax, (name, net), colour in zip(axes, nets.items(), (BLUE, RED), strict=True):
        currents = jarvis.over_time(net.synapses[0], batch[0])
        h = net.neurons[0](currents, trace=True)[2].h
        ax.hist(h.flatten().numpy(), bins=60, color=colour)
        ax.axvline(1.0, color="black", ls="--", lw=1)
        ax.set(xlabel="potential h (threshold = 1)", ylabel="neurons x steps", title=name)
plt.show()
loud_potential = h.mean().item()

# %% [markdown]
# *The figure shows the potentials of all hidden neurons at all steps; the threshold is dashed.* In
# the healthy network many lie just below it. The patient's are at 83 thresholds on average, and
# the surrogate there is as good as 0: a small change of a weight changes no spike. Every
# neuron fires at every step for every picture, so the output hears the same from all pictures.
#
# *Silent and saturated are the same illness: a spike carries a message only if it might have been
# missing.*
#
# ### Exercise 2: Draw better weights
#
# Inputs that push up must be balanced by others that pull down. And the more inputs there are, the
# smaller each one's weight should be. How must the size depend on their number, if they vary
# independently? The check asks what your layer *does*: its potentials must spread over about as
# many thresholds for some 16 inputs as for 2500, and its neurons be neither silent nor saturated.


# %%
def draw_weights(n_out, n_in, generator):
    """Random weights [n_out, n_in] of a layer that is neither silent nor saturated."""


if check.draw_weights(draw_weights):
    mended = broken.drawn_reader(draw_weights(100, 64, fixed(seed)), seed)
    print(diagnose(mended, batch))
    print(f"accuracy {run(mended)[1]:.1%}")

# %% [markdown]
# ## 4. Patient 3: backward through the graph a second time
#
# The most frequent question in every forum on spiking networks. The network keeps its state in
# `net.state`, so that nobody has to hand it on. Its neurons have no leak
# (`LIFLayer(tau=math.inf)`), so whatever an earlier batch has left in them never fades:
#
# ```python
# def forward(self, x):
#     currents = over_time(self.inputs, x.flatten(2))
#     spikes, self.state = self.neurons(currents, self.state)
#     return self.output(spikes.mean(0))
# ```
#
# It trains on batches of digits, one after another.


# %%
def stream(n):
    for k in range(n):
        index = torch.arange(64) + 64 * (k % 19)
        yield encode(train_set.inputs[index], fixed(k)), train_set.targets[index]


# %%
net = broken.StreamReader(seed)
optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
message = ""
try:
    for number, (x_k, y_k) in enumerate(stream(3)):
        loss = cross_entropy(net(x_k), y_k)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        print(f"batch {number}: loss {loss.item():.3f}")
except RuntimeError as error:
    message = str(error)
    print(f"RuntimeError: {message[:130]} ...")
assert "second time" in message

# %% [markdown]
# The first batch is fine, the second is not. What is the loss of the second batch connected to,
# that is gone?
#
# <details><summary>Make a guess, then open</summary>
# To the first batch. Its last potentials are the first potentials of the second one, and they still
# know how they came about. backward() wants to go on into the graph of batch 0, which was freed
# when batch 0 was done.
# </details>
#
# The rest of the message suggests `retain_graph=True`, and forums suggest `detach()`. Both make the
# error go away. Look what they do.


# %%
def carry(mend, n=30):
    net = broken.StreamReader(seed)
    optimizer, sizes, levels = torch.optim.Adam(net.parameters(), lr=2e-3), [], []
    for x_k, y_k in stream(n):
        if mend == "detach()" and net.state is not None:
            net.state = net.state.detach()
        loss = cross_entropy(net(x_k), y_k)
        optimizer.zero_grad()
        loss.backward(retain_graph=mend != "detach()")
        optimizer.step()
        sizes.append(graph_size(loss))
        levels.append(net.state.v.mean().item())
    return net, sizes, levels


# %%
_, axes = plt.subplots(1, 2, figsize=(8, 2.8))
for mend, colour in (("retain_graph=True", RED), ("detach()", ORANGE)):
    carried, sizes, levels = carry(mend)
    axes[0].plot(sizes, color=colour, label=mend)
    axes[1].plot(levels, color=colour, label=mend)
axes[0].set(xlabel="batch", ylabel="operations in the graph")
axes[1].set(xlabel="batch", ylabel="mean potential at its end")
axes[0].legend()
plt.show()

# %%
with torch.no_grad():
    spikes = encode(test_set.inputs[:64], fixed())
    answers = []
    for past in (0, 64, 128, 192):  # other pictures that came before
        carried.state = None
        carried(encode(train_set.inputs[past : past + 64], fixed(past)))
        answers.append(carried(spikes).argmax(1))
fickle = (torch.stack(answers) != answers[0]).any(0).double().mean().item()
print(f"answers that change when other pictures came before: {fickle:.0%}")
print("a fresh network:", *diagnose(broken.StreamReader(seed), batch).problems)
print("after the error:", *diagnose(net, (x_k, y_k)).problems)

# %% [markdown]
# *The figure shows how many operations hang on each batch's loss, and the mean potential at each
# batch's end.* With `retain_graph` the graph grows from batch to batch, and so do time and memory.
# With `detach` it does not. But in both, the potentials drift away, and every picture begins where
# another one ended: some answers, 8 % here, depend on the pictures that came before.
#
# `diagnose` gives the network the same batch twice and compares the scores; asked after the error,
# it says where that came from. When would `detach` be right? When the batches
# are pieces of *one* long recording. Digits are not.
#
# ### Exercise 3: Let go
#
# Write the training loop. One step of the optimizer for each batch, each batch independent of the
# others. The last batch may be smaller. Return the losses as floats: a tensor would keep the graph
# of its batch alive as long as the list lives.


# %%
def train_on(net, batches, optimizer):
    """A StreamReader, a list of (x [T, B, 1, 8, 8], y [B]), an optimizer -> losses, floats."""


if check.train_on(train_on):
    net = broken.StreamReader(seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=2e-3)
    losses = train_on(net, list(stream(n_batches)), optimizer)
    plotting.curves({"mended": losses}, xlabel="batch", ylabel="loss (nats)")

# %% [markdown]
# ## 5. Patient 4: everything runs, nothing is learned
#
# A task with memory: 10 ms of spikes in one half of 32 inputs, then 40 ms of noise. In which half
# was it? The network is asked at the end. Samples come as `[T, N]`, and a DataLoader stacks them
# to `[B, T, N]`.
#
# ```python
# def forward(self, x):                       # x [B, T, 32]
#     spikes, _ = self.neurons(self.inputs(x))
#     v, _ = self.integrator(self.output(spikes))
#     return v[:, -1]                         # the last step of each sample
# ```


# %%
def learn(model, prepare, n=n_batches, lr=5e-3):
    """Train on fresh batches of 40 cues; the losses, and the accuracy on 1000 others."""
    g, optimizer, losses = fixed(seed), torch.optim.Adam(model.parameters(), lr=lr), []
    for _ in range(n):
        x, y = broken.cue(40, g)
        loss = cross_entropy(model(prepare(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    x, y = broken.cue(1000, g)
    return losses, (model(prepare(x)).argmax(1) == y).double().mean().item()


def stacked(x):
    return x.transpose(0, 1)  # as a DataLoader gives it: [B, T, 32]


swapped_losses, swapped_acc = learn(broken.CueNetwork(seed), stacked)
print(f"loss of the last batches {sum(swapped_losses[-20:]) / 20:.3f}, ln 2 = {math.log(2):.3f}")
print(f"accuracy {swapped_acc:.1%}, chance 50 %")

# %% [markdown]
# No error, all shapes fit, and the accuracy is that of a coin. Where is the time axis?
#
# <details><summary>Make a guess, then open</summary>
# A layer of this library (and of most others) runs along axis 0. Here that is the batch. So the
# neurons take sample 0 for the first millisecond, sample 1 for the second, and so on; they
# integrate over samples and never over time.
# </details>
#
# Such a mistake shows in a question that has nothing to do with learning: **whose input does a
# score depend on?** Each sample's on its own, and on no other's. `diagnose` changes one sample and
# looks at the scores of the rest. The picture of it is a matrix of derivatives, `influence`.

# %%
cues, sides = broken.cue(40, fixed())
swapped = diagnose(broken.CueNetwork(seed), (stacked(cues), sides))
print("\n".join(swapped.problems))


# %%
def influence_figure(matrices):
    _, axes = plt.subplots(1, len(matrices), figsize=(3.6 * len(matrices), 3), squeeze=False)
    for ax, (name, matrix) in zip(axes[0], matrices.items(), strict=True):
        image = ax.imshow(matrix, cmap="Blues", vmin=0, vmax=1)
        ax.set(xlabel="input of sample", ylabel="score of sample", title=name)
    plt.colorbar(image, ax=axes[0], label="influence (largest = 1)")
    plt.show()


# %%
mixed = influence(broken.CueNetwork(seed), stacked(cues)[:8], batch_axis=0)
influence_figure({"patient 4": mixed})
upper = mixed.triu(1).max().item()
print(f"influence of later samples on earlier ones: {upper:g}")
assert mixed.tril(-1).max() > 0.1

# %% [markdown]
# *The figure shows how much each sample's score depends on each sample's input.* It should be a
# diagonal. It is a triangle: a score depends on its own sample and on all samples *before* it in
# the batch, as if they were its past.
#
# ### Exercise 4: Put time first
#
# Write the forward pass anew, for the same modules: `net.inputs`, `net.neurons`, `net.output`,
# `net.integrator` (which returns its potentials and a state, like the neurons).


# %%
def cue_scores(net, x):
    """A CueNetwork and x [B, T, 32] -> the potentials at the last step [B, 2]."""


if check.cue_scores(cue_scores):
    mended = broken.CueNetwork(seed)
    right = influence(lambda x: cue_scores(mended, x), stacked(cues)[:8], batch_axis=0)
    influence_figure({"patient 4": mixed, "mended": right})

# %% [markdown]
# ## 6. Patient 5: a number from elsewhere
#
# The same task, time first. The network is a port: in the simulator that it comes from, its decay
# was 0.95. So someone wrote `SpikingMLP((32, 32, 2), "last", tau=0.95, dt=1.0)`.

# %%
ported_losses, ported_acc = learn(broken.ported_network(seed=seed), lambda x: x)
print(f"loss of the last batches {sum(ported_losses[-20:]) / 20:.3f}, ln 2 = {math.log(2):.3f}")
print(f"accuracy {ported_acc:.1%}, chance 50 %")

# %% [markdown]
# A coin again. How long does this network remember? And how long did its author think it would?
#
# <details><summary>Make a guess, then open</summary>
# tau = 0.95 ms: after 1 ms exp(-1/0.95) = 35 % are left, after 5 ms half a per cent. Its author
# meant a factor of 0.95 for each step. Other libraries call this number beta, or alpha, or decay.
# </details>

# %%
print(diagnose(broken.ported_network(seed=seed), (cues, sides)))

t = torch.arange(0, 51)
_, ax = plt.subplots()
ax.plot(t, torch.exp(-t / 0.95), color=RED, label="tau = 0.95 ms: what the network does")
ax.plot(t, 0.95**t, color=BLUE, label="0.95 per step: what was meant")
ax.axvspan(0, 10, color=ORANGE, alpha=0.25, lw=0, label="cue")
ax.axvline(50, color=GREY, ls="--", lw=1, label="question")
ax.set(xlabel="time since an input (ms)", ylabel="what is left of it in v")
ax.legend()
plt.show()
kept_meant, kept_real = 0.95**40, math.exp(-40 / 0.95)
print(f"40 ms later: {kept_meant:.2f} meant, {kept_real:.0e} real")

# %% [markdown]
# *The figure shows what is left of one input, over time.* Of the last spike of the cue, 13 %
# should be there at the end. There is less than $10^{-18}$ of it.
#
# The rate alone does not tell this illness from the first patient's: few spikes, small gradients.
# The first line of the diagnosis does. **Read all of it, and begin at the top.**
#
# ### Exercise 5: Translate a decay
#
# The membrane obeys $v(t + dt) = e^{-dt/\tau}\, v(t)$. Which $\tau$ keeps the fraction `beta` in
# each step of `dt`?


# %%
def tau_from_beta(beta, dt):
    """What v keeps in a step, and the step (ms) -> the time constant (ms)."""


if check.tau_from_beta(tau_from_beta):
    for beta, dt in ((0.95, 1.0), (0.95, 0.1), (0.5, 1.0)):
        print(f"beta = {beta} at dt = {dt} ms: tau = {tau_from_beta(beta, dt):.2f} ms")

# %% [markdown]
# ## 7. Patient 6: nothing wrong found
#
# The toy task of notebook 04: 32 numbers, are the large ones first or last? The code is *time to
# first spike*: each input fires once, the larger the earlier. The network has a hidden layer of
# short memory (5 ms), and its read-out takes the mean current over time, as for any rate code.

# %%
toy = datasets.toy("train"), datasets.toy("test")


def ttfs(values, generator):
    return jarvis.ttfs_encode(values, 50)


def poisson(values, generator):
    return jarvis.poisson_encode(values, 50, generator=generator)


blind = broken.spike_reader(seed=seed)
blind_losses, blind_acc = run(blind, ttfs, toy, lr=5e-3)
_, rate_acc = run(broken.spike_reader(seed=seed), poisson, toy, lr=5e-3)
print(f"first spikes: loss {blind_losses[-1]:.3f}, accuracy {blind_acc:.1%}")
print(f"the same network, Poisson code: accuracy {rate_acc:.1%}")
values, labels = toy[0][:256]
print(diagnose(broken.spike_reader(seed=seed), (ttfs(values, None), labels)))

# %% [markdown]
# `diagnose` finds nothing, and it is right: each part is well. With a Poisson code the same network
# learns. What is it that the mean over time cannot see in this code?
#
# <details><summary>Make a guess, then open</summary>
# Every input fires exactly once, whatever its value. The number of spikes is the same for every
# sample; all is in *when* they come. A mean over time does not know when.
# </details>
#
# A test for that needs no theory: **destroy the information and see whether the network notices.**
# Let each input fire once, but at a random time. Nothing of the sample is left. How much do the
# scores change?


# %%
def margin(net, spikes):
    with torch.no_grad():
        scores = net(spikes)
    return (scores[:, 1] - scores[:, 0]).numpy()


values = toy[1].inputs[:300]
truth = (values @ torch.linspace(-1.0, 1.0, 32)).numpy()
scrambled = torch.rand(values.shape, generator=fixed())
_, axes = plt.subplots(1, 2, figsize=(8, 2.9), sharey=True)
for ax, code, name in zip(
    axes, (values, scrambled), ("as they are", "at random times"), strict=True
):
    ax.plot(truth, margin(blind, ttfs(code, None)), ".", ms=4, color=BLUE)
    ax.axhline(0, color=GREY, lw=0.8)
    ax.set(xlabel="what the label asks for, $w \\cdot x$", title=f"spikes {name}")
axes[0].set_ylabel("score of class 1 - class 0")
plt.show()

# %% [markdown]
# *The figure shows the network's decision for 300 samples over what it should depend on: with the
# samples' spikes, and with spikes at random times.* The two clouds look alike. The network gives
# away what the code carries, before it has looked at it. **Code, read-out and loss are one matched
# set**: a loss on a rate needs a code in rates.
#
# ### Exercise 6: Read the time
#
# Write a read-out that fits: an early current counts for more than a late one. The value 1 fires
# at the first step and the value 0 at the last; what should a spike be worth in between?


# %%
def scores(currents):
    """The output units' currents [T, B, C] -> scores [B, C]."""


if check.scores(scores):
    print(scores(torch.ones(50, 1, 2)))

# %% [markdown]
# ## 8. Patient 7: NaN
#
# A recurrent network reads a digit row by row, each row for 10 ms: 80 steps. Its neurons hear each
# other. The recurrent weights are normal with a standard deviation of 0.3, and the surrogate is
# the simplest of all, 1 everywhere ("straight through").

# %%
message, losses = "", []
try:
    losses, _ = run(broken.RowReader(seed=seed), broken.rows)
    print("no error this time; losses", [round(v, 3) for v in losses])
except TrainingError as error:
    message = str(error)
    print("TrainingError:", message)
assert "nan" in message or losses[-1] > 2  # other seeds: the second, see the guess below

# %% [markdown]
# The loss was a number in the first batch, and is none soon after. The usual advice is to clip the
# gradient: scale it so that its norm is at most 1. Will that help? (With other seeds the loss may
# stay a number that hardly falls. How can that be?)
#
# <details><summary>Make a guess, then open</summary>
# Not here. Clipping divides by the norm. If that is infinite, all that was finite becomes 0; if it
# is NaN, all becomes NaN. And where it is finite, the direction is that of the few largest entries.
#
# A loss that stays: all entries of the gradient are finite, but their squares are not. Adam divides
# by the root of the mean square, so these weights never move again.
# </details>

# %%
net = broken.RowReader(seed=seed)
pictures = broken.rows(train_set.inputs[:64]), train_set.targets[:64]
cross_entropy(net(pictures[0]), pictures[1]).backward()
norm = torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
largest = max(p.grad.abs().max().item() for p in net.parameters())
print(f"norm before clipping: {norm}, largest entry after it: {largest}")
assert not norm.isfinite()
print(diagnose(broken.RowReader(seed=seed), pictures))


# %%
def growth_figure(nets):
    _, ax = plt.subplots()
    for (name, net), colour in zip(nets.items(), (RED, ORANGE, BLUE), strict=False):
        ax.semilogy(gradient_by_step(net, *pictures), color=colour, label=name)
    ax.set(xlabel="step of the input (ms)", ylabel="gradient of the loss (norm)")
    ax.legend()
    plt.show()


# %%
with seeded(seed):
    smaller = jarvis.RecurrentLIFLayer(64, surrogate="straight_through")
growth_figure({"patient 7": net, "weights of 1/sqrt(64)": broken.RowReader(smaller, seed)})
sizes = gradient_by_step(broken.RowReader(smaller, seed), *pictures)
per_step = (sizes[10] / sizes[70]).item() ** (1 / 60)
wild = gradient_by_step(net, *pictures)
orders = torch.log10(wild[0] / wild[-1]).item()
print(f"patient: {orders:.0f} orders of magnitude; smaller weights: {per_step:.2f} times a step")

# %% [markdown]
# *The figure shows the gradient of the loss with respect to the input of each step; read it from
# right to left, as backpropagation goes.* A straight line on this scale is an exponential. The
# patient's gradient has grown by 42 orders of magnitude when it gets to the first step; float32
# ends at $3 \cdot 10^{38}$, so its norm is infinite and clipping leaves nothing. With the usual
# weights it still grows, 1.49 times a step. What does the growth depend on? Going back one step,
# the gradient is multiplied by the decay, plus the recurrent weights times the *surrogate's
# derivative*. "Straight through" has 1 at every neuron, however far it is from firing.
#
# ### Exercise 7: Keep the gradient steady
#
# Return a recurrent layer through which the gradient neither explodes nor vanishes in 80 steps. Its
# neurons must go on hearing each other.


# %%
def steady(n_hidden):
    """The number of neurons -> a RecurrentLIFLayer, its weights drawn."""


if check.steady(steady):
    with seeded(seed):
        nets = {"patient 7": net, "mended": broken.RowReader(steady(64), seed)}
    growth_figure(nets)

# %% [markdown]
# ## 9. Patient 8: maps that never win
#
# The last patient has no gradient at all. A convolution of 40 maps learns from digits by STDP, as
# in notebook 06: the first neuron to fire wins, learns, and keeps others from learning. Three times
# through the digits.


# %%
def present(layer, passes=3):
    g = fixed(seed)
    for _ in range(passes):
        layer.learn(seen, torch.randperm(len(seen), generator=g), g)
    return layer


seen = broken.retina(train_set.inputs)
starved = present(broken.stroke_finder(seed=seed))


# %%
def maps_figure(layer, n=20):
    order = layer.wins.argsort(descending=True)[:: len(layer.wins) // n]
    pictures = (layer.weight[:, 0] - layer.weight[:, 1])[order]
    titles = [f"{int(w)} win{'s' * (w != 1)}" for w in layer.wins[order]]
    plotting.images(pictures, titles=titles, columns=10, cmap="RdBu_r", symmetric=True, size=0.8)
    plt.show()


maps_figure(starved)

# %% [markdown]
# *The figure shows every other map, in the order of their wins: red listens to ON cells, blue to
# OFF cells.* A few have learned strokes. Most are what they were at first, or a little worse. Why
# does a map that has lost never win again?
#
# <details><summary>Make a guess, then open</summary>
# All start with weights near 0.8 and can reach the threshold. The first to win learns: what it sees
# again brings it to the threshold earlier. Another map that won once and then saw something else
# has lost weight, and may never reach the threshold again. Nothing helps the losers.
# </details>

# %%
starved_report = diagnose(starved, seen)
print(starved_report)
highest = starved.potentials(seen).amax(dim=(0, 2, 3))  # of each map, over all digits
_, axes = plt.subplots(1, 2, figsize=(8, 2.8))
order = starved.wins.argsort(descending=True)
limit = 0.01 * int(starved.n_seen)
axes[0].bar(range(40), starved.wins[order], color=BLUE)
axes[0].axhline(limit, color=RED, ls="--", lw=1, label="dead below: 1 win in 100 stimuli")
axes[0].legend()
axes[0].set(xlabel="map, by its wins", ylabel="wins", yscale="symlog")
axes[1].plot(range(40), highest[order], "o", ms=4, color=BLUE, label="highest potential")
axes[1].axhline(20.0, color=RED, ls="--", lw=1, label="threshold")
axes[1].set(xlabel="map, by its wins", ylabel="potential")
axes[1].legend()
plt.show()
n_dead = starved_report.measures["dead maps"]

# %% [markdown]
# *The figure shows each map's wins, and the highest potential that any digit gives it.* 25 of the
# 40 maps are dead: they won fewer than 0.01 times a stimulus (dashed, on the left), which may still
# be a few wins. The picture that suits a dead map best brings it just to the threshold, when
# all its spikes are in (25 spikes of weight 0.8 make 20). A map that has specialised has long
# fired then. And nothing evens out the contest: homeostasis, which raises the threshold of a map
# that wins, is switched off.
#
# ### Exercise 8: Give all maps a chance
#
# Return a `WTAConfig` with which all 40 maps learn. Its `theta_rest` is the threshold; `theta_plus`
# is what a win adds to it, and `tau_theta` how many stimuli it takes to come back. The patient has
# `WTAConfig(theta_rest=20.0, local_radius=1, n_winners=5, enable_homeostasis=False)`.


# %%
def competition():
    """-> the WTAConfig of a layer of which no map is dead."""


if check.competition(competition):
    maps_figure(present(broken.stroke_finder(competition(), seed)))

# %%
fall = well.gradients["output.weight"] / well.gradients["synapses.0.1.weight"]
numbers = {  # name: (as the text says, as measured)
    "accuracy, patient 1": (0.08, silent_acc),
    "gradient, output weights over first": (34, round(fall)),
    "mean potential, patient 2": (83, round(loud_potential)),
    "answers that depend on the past": (0.08, round(fickle, 2)),
    "kept after 40 ms, meant": (0.13, kept_meant),
    "growth a step, smaller weights": (1.49, round(per_step, 2)),
    "orders of magnitude, patient 7": (42, round(orders)),
    "dead maps": (25, n_dead),
}
stated = {name: said for name, (said, _) in numbers.items()}
measured = {name: found for name, (_, found) in numbers.items()}
as_told = full_run and seed == 0  # the text tells of this seed
record("results/10_debugging.json", stated, measured, full=as_told, tolerance=0.005)
print(f"{len(stated)} numbers of the text agree with the full run")

# %% [markdown]
# ## Summary
#
# | symptom | look at | cause | cure |
# |---|---|---|---|
# | loss stays at ln C | rates: 0 | weights too small for the data | scale each layer to a rate |
# | loss near ln C | rates: 1 | all weights positive | centre them, $1/\sqrt{n}$ |
# | "backward a second time" | the same batch twice | state carried on | `state=None` each time |
# | no error, chance | whose input? | time along the batch | time first |
# | no error, chance, memory | tau against dt | a factor taken for a time | $-dt/\ln\beta$ |
# | "nothing wrong found" | scramble the times | rate loss on a latency code | a read-out in time |
# | NaN | gradient by step | wide surrogate, large weights | narrow, $1/\sqrt{n}$ |
# | dead maps | wins, potentials | threshold, no homeostasis | lower it, switch it on |
#
# 1. **What should happen?** ln C and 1/C, before training. A loss that stays there is a network
#    whose scores do not depend on its input.
# 2. **Rates and gradients, layer by layer**: `print(diagnose(model, batch))`. Read it from the top.
# 3. **One batch by heart** tells "cannot" from "slowly".
# 4. **No error is no proof.** Six of the eight ran without one. Ask questions that do
#    not need learning: does a score depend on another sample, on the batch before, on the time?
# 5. **One change at a time**, and measure.
#
# ## Further reading
#
# - A. Karpathy (2019), *A recipe for training neural networks* (karpathy.github.io): the habit of
#   expecting a number before each run.
# - Goodfellow, Bengio & Courville (2016), *Deep Learning*, chapter 11.5: debugging strategies.
# - Pascanu, Mikolov & Bengio (2013), *On the difficulty of training recurrent neural networks*,
#   ICML: exploding gradients, and clipping.
# - Rossbroich, Gygax & Zenke (2022), *Fluctuation-driven initialization for spiking neural network
#   training*, Neuromorph. Comput. Eng. 2:044016: which weights make a layer fire.
# - Zenke & Vogels (2021), *The remarkable robustness of surrogate gradient learning*, Neural
#   Comput. 33(4):899: which surrogates explode in recurrent networks, and why.
# - Diehl & Cook (2015), *Unsupervised learning of digit recognition using spike-timing-dependent
#   plasticity*, Front. Comput. Neurosci. 9:99: homeostasis, and what happens without it.
