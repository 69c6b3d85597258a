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
# # Read handwritten digits with spikes
#
# You train a spiking network with two hidden layers to read handwritten digits. Then you measure
# how early it can answer, which pictures it misreads, and how many operations an answer takes,
# compared with an ordinary network.
#
# **Time.** 55 minutes for you, 3 minutes for the machine.
#
# **You need.** Surrogate gradients ([301](301_surrogate_gradients.ipynb)), and `fit` and `diagnose`
# ([302](302_read_outs.ipynb)).
#
# **Leads to.** [304](304_recurrent.ipynb), where the input itself changes over time.
#
# ## Objectives
#
# After this lesson you can
#
# 1. predict the first spike under a constant current
# 2. find a mistake that raises no error and still lets the network learn a little
# 3. train a network on real data, and look inside it
# 4. measure how early a spiking network can answer
# 5. count its operations, and say when they are fewer than those of an ordinary network.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math
from itertools import pairwise

import torch
from matplotlib import pyplot as plt

import jarvis
from jarvis import (
    LIFLayer,
    SpikingMLP,
    constant_encode,
    datasets,
    diagnose,
    evaluate,
    fit,
    plotting,
    poisson_encode,
)
from jarvis.classroom import lesson
from jarvis.classroom.check import mnist as check
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREY, ORANGE
from jarvis.training import cosine

lesson.begin()

# %% tags=["parameters"] nbmake={"mock":{"full_run":false,"epochs":3,"n_steps":8,"n_pictures":1500}}
full_run = True  # tests set False and shrink the numbers
seed = 0
n_steps = 25  # steps of 1 ms
n_hidden = (256, 128)  # neurons in the two hidden layers
tau = 20.0  # ms
epochs = 5
batch_size = 128
n_pictures = 55000  # of each part, at most

# %% [markdown]
# ## 1. The data
#
# MNIST has 70 000 digits written by hand, 28 x 28 pixels each. If they are not on your machine,
# `datasets.mnist("train")` in a cell of your own fetches them (11 MB). Without them, the lesson
# uses scikit-learn's digits of 8 x 8 pixels. The numbers in the text are for MNIST.

# %%
load, options = datasets.mnist, {"download": False}
try:
    load("train", **options)
except datasets.MissingDataError as error:
    print(str(error).splitlines()[0])
    load, options = datasets.digits, {}
on_mnist = load is datasets.mnist
train, val, test = (load(split, **options).subset(n_pictures) for split in datasets.SPLITS)
n_epochs, batch = (epochs, batch_size) if on_mnist else (4 * epochs, 32)
sizes = (math.prod(train.shape), *n_hidden, train.n_classes)
print(train)

# %%
pictures, labels = test[:16]
plotting.images(pictures, titles=[str(k) for k in labels.tolist()], size=0.9)
plt.show()

# %% [markdown]
# *The figure shows sixteen test pictures with their labels.* Pixels range from 0 (paper, shown
# black) to 1 (ink, shown white).
#
# Before any training, write down the accuracy and the loss of a network that knows nothing.
#
# <details><summary>Make a guess, then open: what are they?</summary>
#
# One of ten answers is right: 10 %. Every class gets the probability 1/10, so the cross-entropy is
# $\ln 10 = 2.303$ nats. If the first loss is far larger, the untrained network is *sure* of
# something, usually because its outputs are too large.
# </details>
#
# ## 2. A picture as a current
#
# In the simplest code each pixel is a constant current, which the *first layer of neurons* turns
# into spikes ([direct coding](../docs/glossary.md#direct-coding)). If a neuron starts at rest and
# receives the input $x$ at each step, its potential after $n$ steps without a spike is
#
# $$h_n = x\,\frac{1 - a^n}{1 - a}, \qquad a = e^{-\Delta t/\tau}.$$
#
# It first fires at the smallest $n$ with $h_n \ge 1$. If $x/(1-a) \le 1$ it never fires.

# %%
x = torch.tensor([0.03, 0.08, 0.15, 0.45])
layer = LIFLayer(tau=tau)
spikes, _, potentials = layer(constant_encode(x[None], 25), trace=True)
simulated = [int(s.argmax()) + 1 if s.any() else math.inf for s in spikes[:, 0].T]
print(f"first spikes at steps {simulated}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 4, figsize=(10, 2.6), sharey=True)
for k, ax in enumerate(axes):
    plotting.trace(potentials.h[:, 0, k], spikes=spikes[:, 0, k], ax=ax)
    ax.set_title(f"x = {x[k]:.2f} per step")
    ax.label_outer()
plt.show()
a = math.exp(-1.0 / tau)
never = x[0] * (1 - a ** torch.arange(1, 26)) / (1 - a)  # h_n by the formula
torch.testing.assert_close(potentials.h[:, 0, 0], never, rtol=1e-4, atol=0)
assert simulated[0] == math.inf

# %% [markdown]
# *The figure shows the potential before the reset for four currents (triangles: spikes; dashed: the
# threshold).* Under the weakest current the potential still rises, but only towards 0.62.
#
# ### Exercise 1: The first spike (4 min)
#
# When does the first spike come? Solve $h_n \ge 1$ for the smallest whole $n$, and write the result
# as a function.


# %% tags=["exercise"]
def first_step(x, tau):
    """The step, 1, 2, ..., of the first spike under the input x; math.inf if there is none.

    tau in ms, steps of 1 ms.
    """
    ...


# %%
if check.first_step(first_step):
    by_formula = [first_step(current, tau) for current in x.tolist()]
    print(f"first spikes at steps {by_formula}, simulated {simulated}")

# %% [markdown]
# With constant currents, the first linear map needs to be computed only once. (The library
# recognises the result of `constant_encode`.)

# %%
products = [i * o for i, o in pairwise(sizes)]  # weights of each layer
later = n_steps * sum(products[1:])
share_each, share_once = (k * products[0] / (k * products[0] + later) for k in (n_steps, 1))
print(f"first layer at each step: {share_each:.0%} of all multiplications; once: {share_once:.0%}")

# %% [markdown]
# On MNIST the first layer would take 85<!-- share_each 1 --> % of all multiplications if computed
# at each step. Computed once, the layer takes 19<!-- share_once 1 --> %. (This counts
# multiplications by zero in the later layers, too. Section 7 counts differently.)
#
# ## 3. A mistake that raises no error
#
# The membrane time constant is 20 ms, or 0.02 s. Somebody writes `tau=0.02`, but the library counts
# in ms. Try both values on the same batches, from the same initial weights.


# %%
def try_out(tau, n_batches=60):
    """A few training steps; returns the untrained network and the loss before each step."""
    with jarvis.seeded(seed):
        untrained, model = SpikingMLP(sizes, tau=tau), SpikingMLP(sizes, tau=tau)
    model.load_state_dict(untrained.state_dict())
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    order = torch.randperm(len(train), generator=torch.Generator().manual_seed(seed))
    losses = []
    for index in order.split(batch)[:n_batches]:
        images, targets = train[index]
        loss = torch.nn.functional.cross_entropy(model(constant_encode(images, n_steps)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return untrained, losses


ill, losses_wrong = try_out(tau=0.02)
healthy, losses_right = try_out(tau=20.0)
assert abs(losses_wrong[0] - math.log(10)) < 0.1
assert losses_right[-1] < losses_wrong[-1]
tail_wrong, tail_right = (sum(losses[-5:]) / 5 for losses in (losses_wrong, losses_right))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
ax.plot(losses_wrong, color=ORANGE, label="tau = 0.02 (meant as s)")
ax.plot(losses_right, color=BLUE, label="tau = 20 (ms)")
ax.axhline(math.log(10), color=GREY, ls=":", label="ln 10")
ax.set(xlabel="batch", ylabel="loss (nats)", ylim=(0, None))
ax.legend(loc="lower left")
plt.show()

# %% [markdown]
# *The figure shows the loss over the first 60 batches with the two values of tau.* Both losses
# start at $\ln 10$ and fall, to 0.7<!-- tail_right 0.15 --> with 20 ms and to
# 1.4<!-- tail_wrong 0.3 --> with 0.02 ms. By itself, the upper curve looks like slow learning.

# %%
probe = constant_encode(train[:256][0], n_steps), train[:256][1]
report = diagnose(ill, probe)
print(report)
assert not report.healthy
assert all(layer.silent > 0.99 for layer in report.layers)
assert diagnose(healthy, probe).healthy

# %% [markdown]
# Before training both layers are silent. The first message names the cause. With 0.02 ms a
# potential keeps $e^{-1/0.02} \approx 10^{-22}$ of itself from one step to the next: the neuron has
# no memory, and an input below 1 never makes it fire. The loss falls nevertheless, because Adam's
# steps hardly depend on the size of a gradient: batch by batch they raise the potentials to the
# threshold. Call `diagnose` before you train.
#
# ### Exercise 2: A time constant from a factor (3 min)
#
# Other libraries ask for the factor $\beta$ by which a potential decays in one step. To which time
# constant does $\beta$ correspond?


# %% tags=["exercise"]
def time_constant(beta, dt):
    """The membrane time constant (ms) of a decay by the factor beta per step of dt ms."""
    ...


# %%
if check.time_constant(time_constant):
    for beta in (0.5, 0.9, 0.95):
        print(f"beta = {beta}: tau = {time_constant(beta, 1.0):.1f} ms")

# %% [markdown]
# ## 4. Train it


# %%
def code(values, generator):
    """Pictures [B, 1, H, W] -> constant currents [T, B, 1, H, W]."""
    return constant_encode(values, n_steps)


with jarvis.seeded(seed):
    model = SpikingMLP(sizes, tau=tau)
history = fit(
    model, train, val, epochs=n_epochs, batch_size=batch, encode=code, schedule=cosine,
    seed=seed, progress=False, log=print if on_mnist else lambda line: None,
)  # fmt: skip
result = evaluate(model, test, code)
print(f"test accuracy {result['acc']:.2%}, chance {1 / train.n_classes:.0%}")
assert history.epochs[-1]["loss"] < math.log(10)
assert result["acc"] > 0.3

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
seen = range(1, len(history.epochs) + 1)
for ax, name, columns in (
    (left, "loss (nats)", ("loss", "val_loss")),
    (right, "pictures misread", ("train_acc", "val_acc")),
):
    for column, color in zip(columns, (BLUE, ORANGE), strict=True):
        values = history.column(column)
        values = values if ax is left else [1 - value for value in values]
        label = "validation" if "val" in column else "training"
        ax.semilogy(seen, values, "o-", ms=4, color=color, label=label)
    ax.set(xlabel="epoch", ylabel=name, xticks=seen if on_mnist else [1, len(seen)])
    ticks = [0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0] if ax is left else [0.01, 0.02, 0.05, 0.1, 0.2]
    limits = ax.get_ylim()
    ax.set_yticks(ticks, [f"{tick:g}" if ax is left else f"{tick:.0%}" for tick in ticks])
    ax.minorticks_off()
    ax.set_ylim(limits)
left.legend()
plt.show()

# %% [markdown]
# *The figure shows the loss (left) and the fraction of misread pictures (right), for the training
# and the validation set, on logarithmic scales.* (The training error is a mean over the epoch,
# while the weights improve.) In the end the network reads 97.7<!-- test_acc 0.3 --> % of the test
# pictures and 99.1<!-- train_acc 0.3 --> % of the training pictures, which it has begun to learn by
# heart. [Hyper-parameters](../docs/glossary.md#hyper-parameter), such as the number of epochs, are
# chosen on the [validation set](../docs/glossary.md#validation-set), here 5000 pictures. The [test
# set](../docs/glossary.md#test-set) plays no part in any choice.
#
# ## 5. Look inside
#
# ### One picture
#
# The output units do not fire. To see output spikes, feed their currents into LIF neurons.

# %%
picture, label = test[:1]
with torch.no_grad():
    scores, hidden = model(constant_encode(picture, n_steps), return_spikes=True)
    currents = jarvis.over_time(model.output, hidden[-1])
    out, _ = LIFLayer(tau=tau)(currents)
spans = torch.arange(1, n_steps + 1)
evidence = currents[:, 0].cumsum(0) / spans[:, None]
answer = int(scores.argmax(1))
print(f"label {int(label)}, answer {answer}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 4, figsize=(12, 3.2))
names = ("hidden layer 1", "hidden layer 2", "output")
for ax, name, layer_spikes in zip(axes, names, (*hidden, out), strict=False):
    plotting.raster(layer_spikes[:, 0], ax=ax)
    ax.set(title=name)
axes[2].set(ylabel="class", yticks=range(train.n_classes))
for k in range(train.n_classes):
    color, width = (BLUE, 2) if k == answer else (GREY, 0.8)
    axes[3].plot(spans, evidence[:, k], color=color, lw=width)
axes[3].annotate(f"class {answer}", (n_steps, evidence[-1, answer]), (0, -14), ha="right",
                 textcoords="offset points", color=BLUE)  # fmt: skip
axes[3].set(xlabel="time (ms)", ylabel="mean current so far", title="scores")
plt.show()

# %% [markdown]
# *The figure shows every spike caused by one test picture, and each class's score against the time
# at which the network stops (right; blue: the answer, grey: other classes).* Neurons of layer 1
# fire regularly or hardly at all, since their input is constant. The scores separate within a few
# steps and then hardly change.
#
# ### Where does it err?

# %%
wrong = (result["predicted"] != test.targets).nonzero()[:, 0]
print(f"{len(wrong)} of {len(test)} test pictures misread")
plotting.confusion_matrix(test.targets, result["predicted"], test.n_classes)
plt.show()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
few = wrong[:16]
names = [f"{test.targets[i]} as {result['predicted'][i]}" for i in few.tolist()]
plotting.images(test[few][0], titles=names, size=0.95)
plt.show()

# %% [markdown]
# *The first figure shows the confusion matrix (rows: true classes, columns: answers, errors in
# colour), the second the first misread pictures.* The darkest cells are pairs of digits that share
# strokes. Some of the misread digits are badly written; others are easy for a human.
#
# ### Exercise 3: Remove neurons (6 min)
#
# Return a copy of the network in which a random `share` of the neurons of the first hidden layer
# has no effect: set their columns in the weights `synapses[1][1].weight` to 0. First guess the
# share at which the accuracy breaks down.


# %% tags=["exercise"]
def lesion(net, share, generator):
    """A copy of `net` with round(share * n) columns of 0, chosen by torch.randperm."""
    ...


# %%
if check.lesion(lesion):
    shares = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]
    hurt = [lesion(model, share, torch.Generator().manual_seed(seed)) for share in shares]
    left = [evaluate(net, test, code)["acc"] for net in hurt]
    labels = {"xlabel": "share of layer 1 removed", "ylabel": "test accuracy"}
    plotting.curves({"lesioned": left}, x=shares, chance=0.1, **labels)
    plt.show()

# %% [markdown]
# ## 6. How early can it answer?
#
# Run the trained network for 1 to 25 steps. Then feed it Poisson spikes instead, with each pixel as
# the probability of a spike. The run time is a hyper-parameter, too, so compare on validation
# pictures.
#
# <details><summary>Make a guess, then open: how many steps does it need, and what do Poisson spikes
# cost?</summary>
#
# Three steps are as good as all 25. Poisson spikes cost about half a point at two or three steps,
# and nothing that can be measured later. The noise of Poisson spikes falls as $1/\sqrt T$, and most
# of MNIST's pixels are nearly 0 or 1, so the draws are hardly random.
# </details>

# %%
durations = [n for n in (1, 2, 3, 4, 6, 8, 12, 16, 25) if n <= n_steps]
acc_constant, acc_poisson = [], []
for n in durations:
    acc_constant.append(evaluate(model, val, lambda x, g, n=n: constant_encode(x, n))["acc"])
    draw = lambda x, g, n=n: poisson_encode(x, n, generator=g)  # noqa: E731
    acc_poisson.append(evaluate(model, val, draw)["acc"])
for n, c, p in zip(durations, acc_constant, acc_poisson, strict=True):
    print(f"T = {n:2d}: constant {c:.2%}, Poisson {p:.2%}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.4, 3.2))
for name, values, color in (
    ("constant current", acc_constant, BLUE),
    ("Poisson spikes", acc_poisson, ORANGE),
):
    ax.semilogy(durations, [100 * (1 - v) for v in values], "o-", ms=4, color=color, label=name)
ax.set(xlabel="run time T (ms)", ylabel="validation pictures misread (%)")
limits, ticks = ax.get_ylim(), [2, 3, 5, 10, 20, 50]
ax.set_yticks(ticks, [str(tick) for tick in ticks])
ax.minorticks_off()
ax.set_ylim(limits)
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows how many validation pictures are misread, on a logarithmic scale, against the
# run time.* With constant currents the accuracy is 97.7<!-- acc_2 0.6 --> % after two steps,
# 98.0<!-- acc_4 0.4 --> % after four and 98.1<!-- acc_25 0.3 --> % after 25. The standard error on
# 5000 pictures is 0.2 points, so from three steps on the differences are noise. We take four steps.

# %%
early = evaluate(model, test, lambda x, g: constant_encode(x, 4))["acc"]
print(f"test accuracy after 4 steps {early:.2%}, after {n_steps} {result['acc']:.2%}")

# %% [markdown]
# Stopping after four steps costs 0.1<!-- lost_4 0.2 --> points, about as much as the standard
# error of one accuracy, 0.15.
#
# ### Exercise 4: The shortest run (3 min)
#
# You get the accuracies of runs of several lengths, the longest last. Find the shortest run whose
# accuracy is at most `allowed` below the last accuracy.


# %% tags=["exercise"]
def shortest(durations, accuracy, allowed):
    """The run time T (ms), one of `durations`."""
    ...


# %%
if check.shortest(shortest):
    found = shortest(durations, acc_constant, allowed=0.01)
    print(f"T = {found} ms costs at most one point of accuracy")

# %% [markdown]
# ## 7. Is it cheap?
#
# Compare with an ordinary network of the same shape, with
# [rectifiers](../docs/glossary.md#rectifier) instead of spikes.

# %%
with jarvis.seeded(seed):
    maps = [torch.nn.Linear(i, o) for i, o in pairwise(sizes)]
    rectified = torch.nn.Sequential(
        torch.nn.Flatten(), maps[0], torch.nn.ReLU(), maps[1], torch.nn.ReLU(), maps[2]
    )
fit(
    rectified, train, epochs=n_epochs, batch_size=batch, encode=lambda x, g: x, schedule=cosine,
    seed=seed, progress=False, log=lambda line: None,
)  # fmt: skip
acc_ordinary = evaluate(rectified, test, lambda x, g: x)["acc"]
print(f"test accuracy: ordinary {acc_ordinary:.2%}, spiking {result['acc']:.2%}")

# %% [markdown]
# With 97.5<!-- acc_ordinary 0.4 --> % the ordinary network is as good as the spiking one. Now count
# operations per picture. The ordinary network multiplies once with each weight. The spiking network
# multiplies only in the first layer, which gets currents. In later layers, each spike adds a column
# of weights.
#
# <details><summary>Make a guess, then open: which of the two does less?</summary>
#
# It depends on the run time. Over 25 steps the spiking network takes nearly twice as many
# operations as the other, over four about as many, and over two slightly fewer.
# </details>

# %%
with torch.no_grad():
    _, hidden = model(code(test[:1000][0], None), return_spikes=True)
rates = [layer_spikes.mean().item() for layer_spikes in hidden]  # spikes per neuron and step
by_time = [s.sum(2).mean(1).cumsum(0) for s in hidden]  # spikes per picture up to each step
additions = by_time[0] * sizes[2] + by_time[1] * sizes[3]
total, ordinary = products[0] + additions, sum(products)
print(f"spikes per neuron and step: layer 1 {rates[0]:.2f}, layer 2 {rates[1]:.2f}")
for n in (1, 2, 4, n_steps):
    print(f"T = {n:2d}: {total[n - 1] / ordinary:.2f} times the operations of an ordinary network")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
ax.stackplot(spans, [products[0] / 1e3] * n_steps, additions / 1e3, colors=(GREY, ORANGE),
             labels=("first layer, multiplications", "spikes, additions"), alpha=0.7)  # fmt: skip
ax.axhline(ordinary / 1e3, color=BLUE, lw=2, label="ordinary network")
ax.set(xlabel="run time T (ms)", ylabel="operations (thousands)", xlim=(1, n_steps), ylim=(0, None))
ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# *The figure shows the operations per picture against the run time.* (An addition counts as a
# multiplication, and neither memory access nor the neurons' own updates are counted.) The hidden
# neurons fire in 0.29<!-- rate_1 0.05 --> and 0.47<!-- rate_2 0.06 --> of all steps, about 290 and
# 470 Hz, far above the rates of cortical neurons. Fewer spikes ([302](302_read_outs.ipynb)) can
# save at most 15 % against the ordinary network: the first layer's multiplications remain.
#
# ### Exercise 5: Answer with the first spike (10 min)
#
# Feed the output currents into LIF neurons, as for the raster above. The answer is the class that
# fires first, and the time of the answer is the time of this first spike: 1 ms for the first step.
# If several classes fire at once, take the one with the largest sum of currents so far. If no class
# ever fires, answer at `n_steps`, by the sum over all steps. Use `jarvis.first_spike_decode`.


# %% tags=["exercise"]
def decide(net, images, n_steps, tau):
    """Pictures [B, ...] -> answers [B] and their times [B] (ms); `tau` of the output neurons."""
    ...


# %%
if check.decide(decide):
    answers, times = decide(model, test[:1000][0], n_steps, tau)
    quick = (answers == test.targets[:1000]).float().mean()
    print(f"accuracy {quick:.2%} after {times.float().mean():.1f} ms, of {n_steps}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
at = durations.index
percent = dict(share_each=share_each, share_once=share_once, test_acc=result["acc"])
percent |= dict(acc_ordinary=acc_ordinary)
percent |= dict(train_acc=history.epochs[-1]["train_acc"], acc_2=acc_constant[1])
percent |= dict(acc_4=acc_constant[at(4)], lost_4=result["acc"] - early)
percent |= dict(poisson_2=acc_poisson[1], poisson_25=acc_poisson[-1], acc_25=acc_constant[-1])
measured = {name: 100 * value for name, value in percent.items()}
measured |= dict(tail_right=tail_right, tail_wrong=tail_wrong, rate_1=rates[0], rate_2=rates[1])
done = total / ordinary  # operations, after 1, 2, ... steps
measured |= dict(operations_2=done[1].item(), operations_25=done[-1].item())
record("results/303_mnist.json", measured, full=full_run and on_mnist)

# %% [markdown]
# ## Summary
#
# 1. With constant currents the first linear map is computed only once, and a formula gives a
#    neuron's first spike.
# 2. A time constant in seconds raises no error, but `diagnose` finds the silent layers before any
#    training.
# 3. A network with two hidden layers reads 97.7<!-- test_acc 0.3 --> % of MNIST's test pictures,
#    and 0.1<!-- lost_4 0.2 --> points less if it stops after four of 25 steps.
# 4. Over 25 steps the spiking network takes nearly twice as many operations as an ordinary
#    network of the same accuracy, and over four steps about as many. Over two steps it takes
#    slightly fewer, but loses about half a point of accuracy.
#
# ## Further reading
#
# - LeCun, Bottou, Bengio & Haffner 1998, *Gradient-based learning applied to document recognition*,
#   Proc. IEEE 86(11):2278, [doi:10.1109/5.726791](https://doi.org/10.1109/5.726791). The data, and
#   convolutions on it.
# - Rueckauer et al. 2017, *Conversion of continuous-valued deep networks to efficient event-driven
#   networks*, Front. Neurosci. 11:682,
#   [doi:10.3389/fnins.2017.00682](https://doi.org/10.3389/fnins.2017.00682). Constant input
#   currents, and accuracy against operations.
#
# **Next.** [304](304_recurrent.ipynb): recordings of an event camera, and networks with memory.
