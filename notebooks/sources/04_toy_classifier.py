# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Train a spiking network with surrogate gradients
#
# **What you will build.** A network of 32 spiking neurons that learns to tell two classes of spike
# patterns apart. First it fails, with the gradient that is mathematically right. Then it succeeds,
# with one that is wrong on purpose.
#
# **What you need.** A leaky integrate-and-fire (LIF) neuron, the Poisson code, and the idea of
# gradient descent. All data is generated; nothing is downloaded.
#
# **Run time.** About 1 to 2 minutes on two CPU cores. A network this small gains nothing from a
# GPU, so the notebook stays on the CPU.
#
# ## Objectives
#
# When you are through, you can
#
# 1. compute the best accuracy that *any* network can reach on a noisy code, before you train one
# 2. explain why the true gradient of a spiking network is zero, and name the parameters that still
#    learn with it
# 3. write a surrogate gradient by hand and test it
# 4. find out why a network does not learn, with `jarvis.diagnose`
# 5. predict which read-out and which synapse fit a given spike code.

# %%
import math

import torch
from matplotlib import pyplot as plt
from torch import nn

import jarvis
from jarvis import LeakyIntegrator, SpikingMLP, SurrogateSpike, datasets, plotting, seeded
from jarvis.classroom import widgets
from jarvis.classroom.check import toy_classifier as check
from jarvis.classroom.explorers.surrogate_curves import training_curve
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, RED
from jarvis.training import cosine

plt.rcParams["figure.dpi"] = 80
print(f"jarvis {jarvis.__version__}, torch {torch.__version__.split('+')[0]}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "epochs": 1, "n_seeds": 1}}
full_run = True  # tests set False and shrink the numbers
seed = 0
n_steps = 25  # length of the code, steps of 1 ms
n_hidden = 32  # hidden neurons
epochs = 8
lr = 5e-3  # learning rate of Adam at the start; it falls to 0 along half a cosine
n_seeds = 3  # networks per read-out where read-outs are compared

# %% [markdown]
# ## 1. The task: which side of the plane?
#
# A sample is 32 numbers, $x_k \sim U(0, 1)$. Its label is 1 where
# $\sum_k w_k x_k > 0$, with weights $w$ that rise evenly from $-1$ to $1$. So the question is: do
# the large values sit among the first inputs or among the last?
#
# Without noise this is easy for a single linear unit. The network, though, never sees $x$.
#
# What the network sees is a **Poisson code**: at each of 25 steps, input $k$ fires with
# probability $x_k$. `encode` has the form that `jarvis.fit` and `jarvis.evaluate` ask for: values
# and a random generator in, spikes `[T, B, 32]` out.

# %%
n_train, n_test = (3276, 8192) if full_run else (40, 40)  # samples
n_simulated = 100_000 if full_run else 2000  # samples for the simulated ceiling
train_set = datasets.toy("train").subset(n_train)
test_set = datasets.toy("test", n=40_960).subset(n_test)
rule = torch.linspace(-1.0, 1.0, 32)
x, y = train_set[:256]
assert torch.equal(y, (x @ rule > 0).long())
print(f"training: {train_set!r}\ntest:     {test_set!r}")


# %%
def encode(values, generator):
    return jarvis.poisson_encode(values, n_steps, generator=generator)


def fixed(number=0):
    return torch.Generator().manual_seed(number)


spikes = encode(x, fixed())
print("spikes [T, B, inputs]:", tuple(spikes.shape))
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
left.bar(range(32), x[0], color=BLUE, label="value $x_k$")
left.plot(range(32), rule, color=RED, label="weight $w_k$ of the rule")
left.axhline(0, color=GREY, lw=0.8)
left.set(xlabel="input k", ylabel="value, weight", title=f"one sample, label {int(y[0])}")
left.legend(fontsize=8)
plotting.raster(spikes[:, 0], ax=right)
right.set(ylabel="input k", title="what the network sees of it")
plt.show()

# %% [markdown]
# Left, the 32 values of one sample and the weights of the rule. Right, the spikes that stand for
# it: a row with a high bar on the left has many marks on the right, but how many is left to chance.
#
# ## 2. The ceiling: how good can anyone be?
#
# Chance makes the code noisy, and what the noise destroyed no network brings back. Imagine a
# **perfect decoder**: it knows the rule, and it takes each input's spike count $n_k$ for
# $T x_k$. It answers 1 where $\sum_k w_k n_k > 0$.
#
# <details><summary>Make a guess, then open: how often is it right with T = 25 steps?</summary>
#
# About 91 % of the time. Not 99 %, as one might hope for 800 input steps. Most samples lie close to
# the plane.
# </details>
#
# Try it, on many fresh samples.


# %%
def simulate(n_samples, T):
    g = fixed(1)
    correct = 0
    for _ in range(10):  # in ten parts, to keep the memory small
        values = torch.rand((n_samples // 10, 32), generator=g)
        counts = jarvis.poisson_encode(values, T, generator=g).sum(0)
        correct += int(((counts @ rule > 0) == (values @ rule > 0)).sum())
    return correct / (n_samples // 10 * 10)


simulated = simulate(n_simulated, n_steps)
print(f"perfect decoder, T = {n_steps}: {simulated:.4f} (chance 0.5)")

# %% [markdown]
# The same number by thought. Let $a = \sum_k w_k x_k$ be the truth and
# $\hat a = \sum_k w_k n_k / T$ the estimate. With 32 terms both are nearly Gaussian, and both have
# mean 0, because the weights sum to 0. Then
#
# - the variance of $x_k$ is $1/12$, so $\mathrm{Var}(a) = |w|^2 / 12$
# - one step adds noise of variance $x_k(1-x_k)$, on average $1/2 - 1/3 = 1/6$, and $T$ steps
#   average it: $\mathrm{Var}(\hat a) = |w|^2 \left(\frac{1}{12} + \frac{1}{6T}\right)$
# - the noise is independent of $a$, so the squared correlation of the two is the ratio of the two:
#   $\rho^2 = \frac{1/12}{1/12 + 1/(6T)} = \frac{T}{T + 2}$.
#
# Two Gaussians of mean 0 with correlation $\rho$ have the same sign with probability
# $\frac12 + \frac{\arcsin \rho}{\pi}$. The weights have
# dropped out: the number is the same for every rule whose weights sum to 0.


# %%
def ceiling(T):
    return 0.5 + math.asin(math.sqrt(T / (T + 2))) / math.pi


best = ceiling(n_steps)
error = 0.5 / math.sqrt(n_simulated)  # of the simulation, at most
assert abs(simulated - best) < 4 * error + 0.003
print(f"closed form {best:.4f}, simulated {simulated:.4f}")

shown = [1, 2, 5, 10, 25, 50, 100]
dots = [simulate(n_simulated // 5, T) for T in shown]
_, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.plot(range(1, 101), [ceiling(T) for T in range(1, 101)], color=BLUE, label="closed form")
ax.plot(shown, dots, "o", color=ORANGE, label="simulated")
ax.axhline(0.5, color=GREY, ls=":", label="chance")
ax.set(xlabel="length of the code T (steps of 1 ms)", ylabel="accuracy of the perfect decoder")
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# The line is the formula, the dots are simulations. The ceiling rises fast at first and then
# slowly: 91.2 % at 25 steps. An accuracy of 91 % here is not "9 % to go". It is the end.
#
# ## 3. The network
#
# 32 inputs, 32 hidden LIF neurons, 2 outputs. The read-out "mean" averages the outputs' input
# currents over time, and the class with the larger mean wins.
#
# Before anything is trained, write down what you expect: two classes, so chance is 50 %, and a
# network that gives both the same score has a cross-entropy of $\ln 2 = 0.693$.
#
# Four helpers for what follows: `network` builds one, `train` trains it and returns the loss before
# training and after each epoch, `accuracy` runs the test set twice with new spikes each time
# (`draws=2`, since the code is random), and `score` does all three.


# %%
def network(readout="mean", seed=seed, **options):
    with seeded(seed):  # the initial weights
        return SpikingMLP((32, n_hidden, 2), readout, **options)


def train(model, encode=encode, epochs=epochs, seed=seed):
    before = jarvis.evaluate(model, train_set, encode)["loss"]
    options = dict(epochs=epochs, lr=lr, schedule=cosine, encode=encode, seed=seed)
    history = jarvis.fit(model, train_set, progress=False, log=lambda line: None, **options)
    return [before, *history.column("loss")]


def accuracy(model, encode=encode):
    return jarvis.evaluate(model, test_set, encode, draws=2)["acc"]


def score(*args, **options):
    model = network(*args, **options)
    train(model)
    return accuracy(model)


# %%
model = network()
first = jarvis.evaluate(model, test_set, encode, draws=2)
print(f"expected first loss {math.log(2):.3f}, measured {first['loss']:.3f}")
print(f"chance 0.500, measured {first['acc']:.3f}")
assert abs(first["loss"] - math.log(2)) < 0.1

# %% [markdown]
# ## 4. Train with the true gradient
#
# A spike is a step: $s = 1$ where $v \ge 1$, else 0. Write it down as it is and ask PyTorch for
# the derivative.
#
# PyTorch will refuse: a comparison has no derivative for it, so it cuts the graph. The mathematics
# does have one. A step is flat, so its derivative is **0** everywhere except at the step, where
# there is none. `SurrogateSpike` takes any function for its backward pass: give it that.

# %%
v = torch.linspace(0.0, 2.0, 5, requires_grad=True)
try:
    (v >= 1.0).float().sum().backward()
except RuntimeError as message:
    print("RuntimeError:", str(message).splitlines()[0])


# %%
def true_derivative(x, slope):
    return torch.zeros_like(x)


step = SurrogateSpike(true_derivative)
out = step(v, threshold=1.0)
out.sum().backward()
print("potential ", v.tolist())
print("spike     ", out.tolist())
print("derivative", v.grad.tolist())

grid = torch.linspace(-1.0, 1.0, 401)
figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), layout="constrained")
axes[0].plot(grid, (grid >= 0).float(), color=BLUE)
axes[0].set(ylabel="spike s", title="forward")
axes[1].plot(grid, true_derivative(grid, 1.0), color=BLUE)
axes[1].set(ylabel="ds/dx", title="backward, the truth", ylim=(-0.1, 1.1))
for ax in axes:
    ax.set_xlabel("distance to threshold x = v - 1 (threshold units)")

# %% [markdown]
# Left, the spike as a function of the potential; right, its true derivative: a flat zero.
#
# Train two networks with it. They differ only in the read-out: "mean" listens to the currents
# behind the hidden spikes, "rate" lets the output units spike too and counts.
#
# <details><summary>Make a guess, then open: which of the two learns something?</summary>
#
# "mean" does, a little. Between its output weights and the loss there is no spike, so they have an
# honest gradient. In "rate", every parameter sits behind a spike.
# </details>

# %%
truth = dict(surrogate=step)  # a function of our own, compiled like any other
true_mean, true_rate = network("mean", **truth), network("rate", **truth)
loss_true_mean = train(true_mean)
loss_true_rate = train(true_rate)
acc_true_mean, acc_true_rate = accuracy(true_mean), accuracy(true_rate)
print(f"read-out mean: accuracy {acc_true_mean:.3f}")
print(f"read-out rate: accuracy {acc_true_rate:.3f}")
series = {"true gradient, mean": loss_true_mean, "true gradient, rate": loss_true_rate}
ax = plotting.curves(series, ylabel="training loss (nats)", x=range(epochs + 1))
ax.axhline(math.log(2), color=GREY, ls=":")
ax.set_ylim(0, 0.8)
plt.show()

# %% [markdown]
# The training loss of both, with $\ln 2$ dotted. "rate" stays flat from first to last: its
# accuracy is 49 %, a coin. "mean" sinks a little and reaches 69 %, 22 points below the ceiling.
#
# Which parameters got a gradient? `jarvis.diagnose` runs one batch forward and backward and tells.

# %%
batch = spikes, y
report = jarvis.diagnose(network("mean", **truth), batch)
print(report)
report_rate = jarvis.diagnose(network("rate", **truth), batch)
print("\nread-out rate:", report_rate.gradients)
assert report.gradients["synapses.0.1.weight"] == 0 < report.gradients["output.weight"]
assert not any(report_rate.gradients.values())

# %% [markdown]
# "Exactly zero" means each of the numbers is 0.0. With "mean" the hidden layer stays as random as
# it was born, and only the read-out behind the last spike learns to make the best of it.
#
# ## 5. Is the zero wrong?
#
# No. Nudge the hidden weights of a network by random amounts and count how many of its spikes
# change.

# %%
with torch.no_grad():
    _, (before,) = network()(spikes, return_spikes=True)
    for size in (1e-7, 1e-5, 1e-3, 1e-1):
        nudged = network()
        nudged.synapses[0][1].weight += size * torch.randn((n_hidden, 32), generator=fixed())
        _, (after,) = nudged(spikes, return_spikes=True)
        print(f"nudge {size:.0e}: {int((before != after).sum()):6d} of {before.numel()} change")

# %% [markdown]
# An infinitely small change of a weight changes no spike, hence no loss: the gradient is truly 0.
# A *finite* change does change spikes. The landscape is a staircase: flat on each stair, and yet
# it leads downhill. We need the slope of the whole staircase, not of one stair.
#
# ## 6. The surrogate: forward the same, backward smooth
#
# Keep the step in the forward pass, so that the network really spikes. In the backward pass, put a
# smooth bump in place of the derivative: "had the potential been a bit higher, there might have
# been a spike". These are the five bumps that the library knows.

# %%
_, ax = plt.subplots(figsize=(6.5, 3.2), layout="constrained")
for name, color in zip(jarvis.SURROGATES, (BLUE, ORANGE, GREEN, RED, GREY), strict=True):
    s = jarvis.SURROGATES[name]
    ax.plot(grid, s.derivative(grid, s.slope), color=color, label=f"{name}, k = {s.slope:g}")
ax.set(xlabel="distance to threshold x = v - 1 (threshold units)", ylabel="surrogate of ds/dx")
ax.legend(fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
for name, s in jarvis.SURROGATES.items():
    print(f"{name:17s} {s.formula}")

# %% [markdown]
# Each is largest at the threshold and falls off to both sides, at a speed that the slope $k$ sets
# only "straight_through" is the same everywhere. At its usual slope, "fast_sigmoid" is the
# narrowest.
#
# Now write one by hand. An `autograd.Function` has two halves: `forward` computes and saves what
# `backward` will need; `backward` gets the gradient of the loss with respect to the output and
# returns that with respect to the input.


# %%
class MySpike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x >= 0).to(x.dtype)  # the step

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output / (1.0 + 25.0 * x.abs()) ** 2  # the bump


# %%
# The library does the same.
mine = torch.linspace(-1.0, 3.0, 1001, requires_grad=True)
library = mine.detach().clone().requires_grad_()
spikes_mine = MySpike.apply(mine - 1.0)
spikes_library = SurrogateSpike("fast_sigmoid", slope=25.0)(library, threshold=1.0)
torch.autograd.backward([spikes_mine.square().sum(), spikes_library.square().sum()])
assert torch.equal(spikes_mine, spikes_library)
torch.testing.assert_close(mine.grad, library.grad)

# %% [markdown]
# No error: the same spikes, the same gradients.
#
# ## 7. Train again
#
# The same network, the same initial weights, the same data. Only the backward pass differs.

# %%
trained = network()  # the surrogate is fast_sigmoid, k = 25, unless told otherwise
loss_surrogate = train(trained)
acc_surrogate = accuracy(trained)
print(f"loss {loss_surrogate[0]:.3f} -> {loss_surrogate[-1]:.3f}")
print(f"accuracy {acc_surrogate:.3f} of a possible {best:.3f}")
assert jarvis.evaluate(trained, train_set, encode)["loss"] < loss_surrogate[0]

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
series = {"true gradient": loss_true_mean, "surrogate": loss_surrogate}
plotting.curves(series, ylabel="training loss (nats)", x=range(epochs + 1), ax=left)
left.axhline(math.log(2), color=GREY, ls=":")
right.bar([0, 1, 2], [acc_true_rate, acc_true_mean, acc_surrogate], color=[GREY, BLUE, ORANGE])
right.axhline(best, color=RED, ls="--", label="perfect decoder")
right.axhline(0.5, color=GREY, ls=":", label="chance")
right.set_xticks([0, 1, 2], ["true gradient,\nrate", "true gradient,\nmean", "surrogate,\nmean"])
right.set(ylabel="test accuracy", ylim=(0.4, 1.0))
right.legend(fontsize=8)
plt.show()

# %% [markdown]
# Left, both loss curves; right, the accuracies under the ceiling. With the surrogate the network
# comes to 91.1 %, and the perfect decoder stands at 91.2 %. The wrong gradient is the useful one.
#
# ## 8. Look inside
#
# What has changed in the hidden layer? Take one test sample, before and after.

# %%
values, labels = test_set[:256]
pattern = encode(values, fixed(2))
figure, axes = plt.subplots(1, 2, figsize=(9, 3), layout="constrained", sharey=True)
with torch.no_grad():
    for ax, title, net in zip(axes, ("before", "after"), (network(), trained), strict=True):
        _, (hidden,) = net(pattern, return_spikes=True)
        plotting.raster(hidden[:, 0], ax=ax)
        ax.set(ylabel="hidden neuron", title=f"{title}: {hidden[:, 0].mean():.2f} spikes per step")

# %% [markdown]
# The hidden spikes that one test sample causes. Before training a few neurons fire, whichever the
# initial weights favour. After it, some fire densely and others not at all: they have taken sides.
#
# The potentials show the same. `trace=True` returns the potential before the reset, `h`.


# %%
def potentials(net):
    with torch.no_grad():
        currents = jarvis.over_time(net.synapses[0], pattern)
        return net.neurons[0](currents, trace=True)


figure, axes = plt.subplots(2, 1, figsize=(7, 4), layout="constrained", sharex=True)
side = values @ rule  # how far on which side of the plane
vote = trained.output.weight[1] - trained.output.weight[0]  # > 0: speaks for class 1
k = int(vote.argmax())
for ax, title, net in zip(axes, ("before", "after"), (network(), trained), strict=True):
    s, _, traces = potentials(net)
    for label, color in ((0, BLUE), (1, ORANGE)):
        i = int(side.argmax() if label else side.argmin())
        options = dict(spikes=s[:, i, k], color=color, label=f"class {label}")
        plotting.trace(traces.h[:, i, k], ax=ax, **options)
    ax.set(title=f"hidden neuron {k}, {title}", ylabel="potential h")
axes[0].set_xlabel("")
axes[0].legend(fontsize=8)
plt.show()

# %% [markdown]
# The potential of one hidden neuron, the one that speaks most for class 1, for the clearest sample
# of each class; triangles mark its spikes, the dashed line is the threshold of 1. Before training
# the two samples drive it alike. After it, it fires at every step for class 1 and never for
# class 0.
#
# Now all neurons and 256 samples: how often does each fire for either class?
#
# And what does the network as a whole compute? Multiply along the paths: input weight times vote,
# summed over the hidden neurons.


# %%
def paths(net):
    return ((net.output.weight[1] - net.output.weight[0]) @ net.synapses[0][1].weight).detach()


figure, axes = plt.subplots(1, 3, figsize=(11, 3.5), layout="constrained")
for ax, title, net in zip(axes, ("before", "after"), (network(), trained), strict=False):
    s, _, _ = potentials(net)
    rates = [jarvis.rate_decode(s, dt=1.0)[labels == c].mean(0) for c in (0, 1)]
    ax.scatter(*rates, c=vote.detach(), cmap="coolwarm", edgecolor="black", lw=0.5)
    ax.axline((0, 0), slope=1, color=GREY, ls=":")
    ax.set(xlabel="rate for class 0 (Hz)", ylabel="rate for class 1 (Hz)", title=title)
    ax.set(xlim=(-30, 1030), ylim=(-30, 1030))
scale = paths(trained).norm()
axes[2].plot(paths(network()) / scale, "o-", ms=3, color=GREY, label="before training")
axes[2].plot(paths(trained) / scale, "o-", ms=3, color=ORANGE, label="after training")
axes[2].plot(rule / rule.norm(), color=RED, label="the rule")
axes[2].set(xlabel="input k", ylabel="weight along all paths (scaled)")
axes[2].legend(fontsize=8)
likeness = float(nn.functional.cosine_similarity(paths(trained), rule, dim=0))
plt.show()
print(f"cosine between the network's weights and the rule: {likeness:.3f}")

# %% [markdown]
# Left and middle: one dot per hidden neuron; red neurons end up voting for class 1, blue ones for
# class 0. Before training the dots lie near the diagonal: nobody prefers a class. After it they
# have formed two camps, red above, blue below, and a few that keep silent.
#
# Right: the network was told labels only, and has found the rule. Its weights along all
# paths rise from the first input to the last, as the rule's do (cosine 0.998).
#
# ## 9. A silent layer
#
# Now make it fail in another way. Shrink the hidden layer's initial weights and biases to a
# hundredth, so that no potential comes near the threshold. Use two surrogates: our
# "fast_sigmoid", and a "triangle" of slope 2, which is exactly 0 for potentials below 0.5.


# %%
def shrunk(surrogate, factor=0.01):
    net = network(surrogate=surrogate)
    with torch.no_grad():
        for p in net.synapses.parameters():
            p.mul_(factor)
    return net


narrow = SurrogateSpike("triangle", slope=2.0)
silent = jarvis.diagnose(shrunk(narrow), batch)
assert silent.layers[0].silent == 1.0
print(silent)

# %% [markdown]
# The table says it all: no spikes, and so no gradient for the hidden weights (their bump is 0
# where the potential is) nor for the output weights (their input is 0). What about the other one?
#
# <details><summary>Make a guess, then open: does the silent network with fast_sigmoid learn?
# </summary>
#
# Yes. At a distance of 1 its bump is $1/26^2 = 0.0015$: tiny, but not 0. And Adam scales each step
# by the gradient's own size, so a tiny gradient that keeps its direction is enough.
# </details>

# %%
wide = SurrogateSpike("fast_sigmoid")
mended = network(surrogate=narrow)  # the usual initial weights
print("mended:", jarvis.diagnose(mended, batch).problems or "nothing wrong found")
nets = {"silent, narrow": shrunk(narrow), "silent, wide": shrunk(wide), "mended": mended}
loss_silent = {name: train(net) for name, net in nets.items()}
acc_silent = {name: accuracy(net) for name, net in nets.items()}
for name, losses in loss_silent.items():
    print(f"{name:15s} loss {losses[0]:.3f} -> {losses[-1]:.3f}, accuracy {acc_silent[name]:.3f}")

# %% [markdown]
# With the narrow surrogate the silent network never moves: its loss stays at 0.693, its accuracy
# at 49 %. With weights that reach the threshold, the same surrogate learns (91 %). And the long
# tails of "fast_sigmoid" wake a silent layer by themselves (91 %). A loss that stays at $\ln 2$ to
# three digits is the sign: look at the spikes first, then at anything else.
#
# ## 10. Does the shape matter? Does the slope?
#
# Train the same network with each shape, and with "fast_sigmoid" at slopes over five orders of
# magnitude.
#
# <details><summary>Make a guess, then open: which matters more?</summary>
#
# The shape hardly matters. The slope does not either, for three orders of magnitude; beyond
# that the bump becomes so narrow that it is almost the true derivative, and learning fades.
# </details>

# %%
tried = (0.1, 1.0, 10.0, 100.0, 1e3, 1e4)
shapes = {name: score(surrogate=name) for name in jarvis.SURROGATES}
slopes = {k: score(surrogate=SurrogateSpike("fast_sigmoid", slope=k)) for k in tried}
for name, value in (shapes | slopes).items():
    print(f"{name!s:17s} {value:.3f}")

# %%
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
left.plot(list(shapes.values()), range(5), "o", color=BLUE)
left.plot([acc_true_mean], [5], "o", color=GREY)
left.set_yticks(range(6), [*shapes, "true derivative"])
left.set(xlabel="test accuracy", xlim=(0.6, 0.95), title="shapes at their usual slope")
left.axvline(best, color=RED, ls="--")
right.semilogx(list(slopes), list(slopes.values()), "o-", color=ORANGE)
right.axhline(best, color=RED, ls="--", label="perfect decoder")
right.axhline(acc_true_mean, color=GREY, ls=":", label="true derivative")
right.set(xlabel="slope k (1/threshold)", ylabel="test accuracy", title="fast_sigmoid")
right.legend(fontsize=8)
plt.show()

# %% [markdown]
# Left, accuracy by shape, with the true derivative for comparison; right, by slope. All five
# shapes end within about 0.1 points of each other. From 0.1 to 100 the slope makes no difference to
# speak of, at $10^4$ the accuracy is down to 84 %, on its way to the true derivative's 69 %.
#
# ### Turn the knobs
#
# That was a forgiving network: its read-out learns without any surrogate, and it has time. Run the
# next cell to get a harsher one, with a menu of the shapes and a slider for the slope. It reads the
# digits 0 to 4 with *two* hidden layers, its read-out stays as it was born, and it has 40 updates.
# (The cell trains it with every shape and slope first, which takes some seconds.) Find out, before
# you open the answers:
#
# - Drag the slope of "fast_sigmoid" to both ends. Which end learns faster, a wide bump or a narrow
#   one?
# - Choose "triangle" at slope 100. Up to which distance from the threshold does it see anything,
#   and how far does the network come?
# - Does the slope of "straight_through" change anything?
#
# <details><summary>Answers</summary>
#
# The wide one: at slope 0.5 the loss ends at 0.77, at 100 above 1. Guessing has ln 5 = 1.61. The
# triangle is 0 beyond 1/k = 0.01, so that hardly any potential gets a gradient: 1.33. The straight
# line has no slope to change. It gives every potential the same weight, near or far, and ends at
# 1.15. So the slope does matter where all learning has to pass through several surrogates.
#
# </details>

# %%
explorer = widgets.surrogate(shape="fast_sigmoid", slope=25.0)
explorer

# %%
# Sliders need a running notebook. The same picture without one, for a narrow triangle:
explorer.controls["shape"].value = "triangle"  # as if you had chosen it
explorer.controls["slope"].value = 100.0
assert not explorer.errors
widgets.draw_surrogate(shape="triangle", slope=100.0)

# %% [markdown]
# Left, the derivative that backward uses; right, the loss over 40 updates with it (blue), with the
# same shape at the other slopes (grey), and of guessing (dotted).
#
# ## 11. Six read-outs and a puzzle
#
# The output units have currents at every step; a read-out makes one score per class of them.
# `jarvis.networks.READOUTS` has six:
#
# - "mean": the mean current;
# - "last", "max": the last or largest potential of a leaky integrator;
# - "rate", "trace", "first": output neurons that spike, and of them the count, a fading trace that
#   prefers recent spikes, or the time of the first spike.
#
# Here is a seventh, a natural choice that the field often takes: let the currents charge a
# potential (without a leak), and average that **potential** over time.


# %%
class MeanPotential(nn.Module):
    def __init__(self):
        super().__init__()
        self.neurons = LeakyIntegrator(tau=math.inf)

    def forward(self, currents):
        v, _ = self.neurons(currents)
        return jarvis.encoding.mean_potential_decode(v)


def with_readout(name, seed):
    net = network("mean" if name == "mean potential" else name, seed=seed)
    if name == "mean potential":
        net.readout = MeanPotential()
    return net


# %% [markdown]
# <details><summary>Make a guess, then open: mean current or mean potential, which is better?
# </summary>
#
# The mean current, by about one point. Both see the same spikes, so the reason must lie in what
# they do with them. Think before you read on: how often does the first step's current enter the
# mean potential, and how often the last step's?
# </details>

# %%
names = (*jarvis.networks.READOUTS, "mean potential")
scores = {name: [] for name in names}
for name in names:
    for s in range(n_seeds):
        net = with_readout(name, s)
        train(net, seed=s)
        scores[name].append(accuracy(net))
means = {name: sum(values) / n_seeds for name, values in scores.items()}

# %%
_, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
for i, (name, values) in enumerate(scores.items()):
    ax.plot([i] * n_seeds, values, "o", color=BLUE)
    print(f"{name:15s} {means[name]:.4f}   seeds:", *(f"{v:.4f}" for v in values))
ax.axhline(best, color=RED, ls="--", label="perfect decoder")
ax.set(xlabel="read-out", ylabel="test accuracy", xticks=range(7), xticklabels=names)
ax.legend(fontsize=8)
plt.show()

# %% [markdown]
# One dot per network. "first" is worst (82 %): it decides on one output spike and ignores what
# comes after it, while this code needs all of its 25 steps. The others lie closer
# together; output neurons that spike lose a little ("rate" 89.7 %). But the mean current (91.1 %)
# beats the last potential (90.6 %), and that the mean potential (89.9 %), with every seed: that is
# no accident.
#
# ## 12. The puzzle solved: which steps does a read-out hear?
#
# The current of step $t$ enters the potential at step $t$ and stays in it to the end. So the *mean
# potential* contains the first current $T$ times, the second $T-1$ times, the last once. Call
# these weights $u_t$. A decoder that weights the steps by $u_t$ averages the noise less well: as
# if it had only
#
# $$T_\mathrm{eff} = \frac{(\sum_t u_t)^2}{\sum_t u_t^2}$$
#
# steps of equal weight. The ceiling for it is the old formula, with $T_\mathrm{eff}$ for $T$.

# %%
t = torch.arange(n_steps)
profiles = {
    "mean": torch.ones(n_steps),
    "last": torch.exp(-(n_steps - 1 - t) / 20.0),  # a leak of 20 ms forgets early steps
    "mean potential": (n_steps - t).float(),
}
effective = {name: float(u.sum() ** 2 / (u**2).sum()) for name, u in profiles.items()}
limits = {name: ceiling(T) for name, T in effective.items()}
for name in profiles:
    print(f"{name:15s} T_eff {effective[name]:5.1f}   ceiling {limits[name]:.4f}")
for better, worse in (("mean", "last"), ("last", "mean potential")):
    assert not full_run or min(scores[better]) > max(scores[worse])

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for (name, u), color in zip(profiles.items(), (BLUE, GREEN, ORANGE), strict=True):
    left.plot(t, u / u.mean(), color=color, label=name)
    right.plot([limits[name]] * n_seeds, scores[name], "o", color=color, label=name)
left.set(xlabel="time (ms)", ylabel="weight of the step (mean 1)", ylim=(0, 2.1))
left.legend(fontsize=8)
ends = [0.89, 0.92] if full_run else [0.4, 1.0]
right.plot(ends, ends, color=GREY, ls=":")
right.set(xlabel="ceiling with these weights", ylabel="test accuracy of the network")
right.legend(fontsize=8)
plt.show()

# %% [markdown]
# Left, how much each step counts; right, the networks against their own ceilings (dotted: equal).
# Weights that fall to 0 along a line leave $T_\mathrm{eff} \approx \frac34 T$: the noise variance
# grows by 4/3 and the ceiling falls from 91.2 % to 90.0 %. Each network sits within 0.2 points of
# *its* ceiling. Nothing was wrong with the training: the read-out threw information away.
#
# ## 13. Change the code: one spike per input
#
# Rates spend many spikes. The **time-to-first-spike** code (TTFS) spends one per input: the larger
# the value, the earlier. It has no chance in it, only rounding to 25 steps. Its perfect decoder
# reads off the time.


# %%
def encode_ttfs(values, generator):
    return jarvis.ttfs_encode(values, n_steps)


spikes_ttfs = encode_ttfs(test_set.inputs, None)
guess = (spikes_ttfs.amax(0) * (1.0 - spikes_ttfs.argmax(0) / (n_steps - 1))) @ rule > 0
best_ttfs = float((guess == test_set.targets.bool()).float().mean())
print(f"perfect decoder: {best_ttfs:.3f}, spikes per input: {spikes_ttfs.sum(0).mean():.2f}")

# %% [markdown]
# A better code, with a ceiling of 98.6 %. Train our network on it, unchanged.
#
# <details><summary>Make a guess, then open: better or worse than 91 %?</summary>
#
# Much worse at first. Each input delivers the same charge, once, whatever its value: a
# neuron that adds up charge has nothing to add.
# </details>

# %%
plain = network()
loss_plain = train(plain, encode_ttfs)
acc_plain = accuracy(plain, encode_ttfs)
print(f"loss {loss_plain[0]:.3f} -> {loss_plain[-1]:.3f}, accuracy {acc_plain:.3f}")

# %% [markdown]
# The value of an input now lies in *when*, and the neuron has to turn that into *how much*. Give
# it a synapse that goes on passing current once it was hit: `tau_syn=math.inf`. An input that
# fired at step $t$ has then delivered current for $T - t$ steps by the end: the earlier, the more,
# in proportion to the value.
#
# The figure shows the potential after one input spike of weight 0.1, early (blue) or late
# (orange). Without the synapse's memory (left) the two bumps are alike but for their place. With it
# (right) the early spike takes the potential to the threshold (dashed), and the late one does not.

# %%
pulse = torch.zeros(n_steps, 2, 1)
pulse[3, 0], pulse[15, 1] = 0.1, 0.1
_, axes = plt.subplots(1, 2, figsize=(9, 2.8), layout="constrained", sharey=True)
for ax, tau_syn in zip(axes, (None, math.inf), strict=True):
    layer = jarvis.LIFLayer(tau=20.0, tau_syn=tau_syn)
    _, _, traces = layer(pulse, trace=True)
    for i, color in enumerate((BLUE, ORANGE)):
        label = f"input at {(3, 15)[i]} ms"
        plotting.trace(traces.h[:, i, 0], ax=ax, color=color, label=label)
    ax.set_title(f"tau_syn = {tau_syn}")
axes[1].legend(fontsize=8)
plt.show()

# %%
matched, patient, mismatched = network(tau_syn=math.inf), network(), network(tau_syn=math.inf)
loss_matched = train(matched, encode_ttfs)
loss_patient = train(patient, encode_ttfs, epochs=4 * epochs)
acc_matched, acc_patient = accuracy(matched, encode_ttfs), accuracy(patient, encode_ttfs)
train(mismatched)  # the lasting synapse, with the Poisson code
acc_mismatched = accuracy(mismatched)
print(f"TTFS: matched {acc_matched:.3f} of {best_ttfs:.3f}, plain for long {acc_patient:.3f}")
print(f"Poisson code: plain {acc_surrogate:.3f}, tau_syn = inf {acc_mismatched:.3f}")

_, ax = plt.subplots(figsize=(6, 3.2), layout="constrained")
ax.plot(loss_plain, color=BLUE, label=f"plain: {acc_plain:.0%}")
ax.plot(loss_patient, color=BLUE, ls=":", label=f"plain, four times as long: {acc_patient:.0%}")
ax.plot(loss_matched, color=ORANGE, label=f"tau_syn = inf: {acc_matched:.0%}")
ax.set(xlabel="epoch", ylabel="training loss (nats)")
ax.legend(fontsize=8, title="network: test accuracy", title_fontsize=8)
plt.show()

# %% [markdown]
# Training losses on the TTFS code. The plain network comes to 78 %. With four times the
# training it finds a way around (91 %): it has a leak and a threshold, and both depend a little on
# when charge comes. The synapse that matches the code is at 98 % in the short run.
#
# Does the lasting synapse simply make a better network, then? The last line printed above answers:
# with the Poisson code it costs (88 % against 91 %), and the reason is that of the mean potential:
# it weights early spikes more. **Code, synapse and read-out are one matched set.** There is no
# best one of any of them.
#
# ## Exercises
#
# Each function below is empty: fill it in and run the cell. The check tries your function on fresh
# random input, and says in words what is wrong; run it as often as you like. When you are right,
# the cell goes on and measures. Solutions are in `solutions/04_toy_classifier.ipynb`.
#
# ### Exercise 1: your own surrogate
#
# Write a Gaussian bump, $e^{-(kx)^2/2}$, where $x$ is the distance to the threshold and $k$ the
# slope. The cell then trains with it.


# %%
def gaussian(x, slope):
    """The bump at each x, a tensor of the same shape."""
    # your code


if check.gaussian(gaussian):
    reached = score(surrogate=SurrogateSpike(gaussian, slope=4.0))
    print(f"accuracy with it: {reached:.3f} (true derivative {acc_true_mean:.3f})")

# %% [markdown]
# ### Exercise 2: how long must the code be?
#
# Find the smallest $T$ for which the ceiling is at least a given accuracy, say 95 %. Use `ceiling`,
# or solve the formula for $T$.


# %%
def shortest_code(accuracy):
    """The smallest T whose ceiling is at least `accuracy`, between 0.5 and 1."""
    # your code


if check.shortest_code(shortest_code):
    print(f"95 % take {shortest_code(0.95)} steps")

# %% [markdown]
# ### Exercise 3: a rate with a target
#
# The read-out "rate" returns spike counts. Cross-entropy pushes them apart without end. Write a
# loss that asks for a *target* instead: the right class fires at 60 % of the steps, the other one
# at 10 % (mean squared error, in spikes per step). The cell then trains with it, and prints how far
# the outputs get.


# %%
def target_loss(counts, y, n_steps):
    """The loss of spike counts [B, 2] over n_steps steps, with labels y [B]: one number."""
    # your code


if check.target_loss(target_loss):
    net, g = network("rate"), fixed()
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    for i in [*range(0, n_train, 512)] * (4 * epochs):
        xb, yb = train_set[i : i + 512]
        optimizer.zero_grad()
        target_loss(net(encode(xb, g)), yb, n_steps).backward()
        optimizer.step()
    with torch.no_grad():
        rates = net(encode(test_set.inputs[:1000], fixed())) / n_steps
    hit = nn.functional.one_hot(test_set.targets[:1000], 2) > 0
    print(f"right class {rates[hit].mean():.2f}, other {rates[~hit].mean():.2f} spikes per step")

# %% [markdown]
# ### Exercise 4: make `diagnose` complain, and mend it
#
# `build()` makes a network that is well, always with the same weights. Make one, and change its
# hidden weights or biases so that `diagnose` calls the hidden layer *saturated*. Then make a second
# one with an option of `LIFLayer`, `build(option=...)`, give it the weights of the ill one
# (`load_state_dict`), and choose the option so that the complaint goes away.


# %%
def ill_and_cured(build):
    """Two networks with the same weights: the ill one, and the one that an option has cured."""
    # your code


if check.ill_and_cured(ill_and_cured):
    for net in ill_and_cured(network):
        print(jarvis.diagnose(net, batch), "\n")

# %%
from jarvis.classroom.results import record

usual = [slopes[k] for k in (0.1, 1.0, 10.0, 100.0)]
measured = dict(ceiling=best, ceiling_simulated=simulated, surrogate=acc_surrogate)
measured |= dict(true_mean=acc_true_mean, true_rate=acc_true_rate, likeness=likeness)
measured |= {f"acc_{name}": value for name, value in acc_silent.items()}
measured |= dict(shapes_spread=max(shapes.values()) - min(shapes.values()))
measured |= dict(slopes_spread=max(usual) - min(usual), slope_10000=slopes[1e4])
measured |= {f"readout_{name}": value for name, value in means.items()}
measured |= {f"ceiling_{name}": value for name, value in limits.items()}
measured |= dict(ceiling_ttfs=best_ttfs, ttfs_plain=acc_plain, ttfs_patient=acc_patient)
measured |= dict(ttfs_matched=acc_matched, poisson_mismatched=acc_mismatched)
knobs = {"fast_sigmoid": 0.5, "triangle": 100.0, "straight_through": 1.0}
measured |= {f"knobs_{name}": training_curve(name, k)[-1] for name, k in knobs.items()}
assert training_curve("fast_sigmoid", 100.0)[-1] > 1
stated = dict(ceiling=0.912, ceiling_simulated=0.913, surrogate=0.911)
stated |= dict(true_mean=0.69, true_rate=0.49, likeness=0.998)
stated |= {"acc_silent, narrow": 0.49, "acc_silent, wide": 0.91, "acc_mended": 0.91}
stated |= dict(shapes_spread=0.001, slopes_spread=0.001, slope_10000=0.84)
stated |= dict(readout_mean=0.911, readout_last=0.906, readout_first=0.82)
stated |= {"readout_mean potential": 0.9, "ceiling_mean potential": 0.9}
stated |= dict(ceiling_ttfs=0.986, ttfs_plain=0.78, ttfs_patient=0.91, ttfs_matched=0.98)
stated |= dict(poisson_mismatched=0.88, readout_rate=0.899)
stated |= dict(knobs_fast_sigmoid=0.77, knobs_triangle=1.33, knobs_straight_through=1.15)
record("results/04_toy_classifier.json", stated, measured, full=full_run, tolerance=0.006)
print(f"{len(stated)} numbers of the text hold")

# %% [markdown]
# ## Summary
#
# 1. **The ceiling first.** A Poisson code of $T$ steps allows $\frac12 + \arcsin(\rho)/\pi$ with
#    $\rho^2 = T/(T+2)$: 91.2 % at 25 steps. Without it, 91 % would look like a failure.
# 2. **The true gradient is 0**, and rightly: an infinitely small change of a weight changes no
#    spike. Only what lies behind the last spike learns (69 %); with spiking outputs, nothing does.
# 3. **A surrogate** keeps the step forward and puts a bump backward: 91.1 %. The shape hardly
#    matters, nor does the slope over three orders of magnitude.
# 4. **`jarvis.diagnose`** names silent layers and zero gradients. A loss that stays at $\ln 2$ is
#    the sign to ask it.
# 5. **Code, synapse and read-out are one matched set.** A mean potential hears only
#    $\frac34$ of the steps of a rate code (90.0 %). One spike per input calls for a synapse that
#    lasts (98 % against 78 %), and the same synapse harms the rate code (88 %).
#
# The cell above holds the numbers in this text against the run.
#
# ## Further reading
#
# - Neftci, Mostafa & Zenke 2019, *Surrogate gradient learning in spiking neural networks*, IEEE
#   Signal Processing Magazine 36(6):51. The idea and its history.
# - Zenke & Ganguli 2018, *SuperSpike*, Neural Computation 30(6):1514. The fast sigmoid.
# - Zenke & Vogels 2021, *The remarkable robustness of surrogate gradient learning*, Neural
#   Computation 33(4):899. Shape and slope, studied with care.
# - F. Zenke, *SpyTorch* (github.com/fzenke/spytorch). The tutorial whose story this notebook
#   follows.
# - Göltz et al. 2021, *Fast and energy-efficient neuromorphic deep learning with first-spike
#   times*, Nature Machine Intelligence 3:823. What one spike per neuron can do.
