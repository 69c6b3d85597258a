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
# You build a network of 32 spiking neurons from plain tensors and train it to tell two kinds of
# input apart. With the correct gradient it learns far too little. With a gradient that is wrong on
# purpose, it becomes nearly as good as a decoder that knows the rule.
#
# **Time.** 60 minutes for you, 3 minutes for the machine.
#
# **You need.** The LIF update and its soft reset ([101](101_leaky_neuron.ipynb)), Poisson spikes
# ([201](201_rate_codes.ipynb)), and gradient descent with PyTorch's autograd.
#
# **Leads to.** [302](302_read_outs.ipynb), on ways to read the network's answer.
#
# ## Objectives
#
# After this lesson you can
#
# 1. write the forward pass, the loss and the training loop of a spiking network by hand
# 2. explain why the true gradient of a spike is zero, and say which weights can still learn
# 3. replace this gradient by a surrogate, and test your own
# 4. carry a gradient back through time, step by step
# 5. predict how the shape and the slope of a surrogate affect learning.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import torch
from matplotlib import pyplot as plt
from torch.nn import functional as F

import jarvis
from jarvis import SpikingMLP, SurrogateSpike, datasets, plotting, seeded
from jarvis.classroom import lesson, widgets
from jarvis.classroom.check import surrogate_gradients as check
from jarvis.classroom.diagrams.unrolled_graph import unrolled_graph
from jarvis.classroom.explorers.surrogate_curves import training_curve
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE, RED

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "epochs": 1, "n_seeds": 1}}
full_run = True  # tests set False and shrink the numbers
seed = 0
n_steps = 25  # length of a sample, steps of 1 ms
n_hidden = 32  # hidden neurons
epochs = 8  # passes over the training set
lr = 5e-3  # learning rate
n_seeds = 3  # networks wherever two ways of training are compared

# %% [markdown]
# ## 1. The task
#
# A sample is a list of 32 numbers $x_k$, independent and uniform between 0 and 1. Its label is 1 if
# the large numbers tend to stand at the end of the list, and 0 if at the beginning:
#
# $$y = 1 \text{ if } \sum_k w_k x_k > 0, \qquad w \text{ rising evenly from } -1 \text{ to } 1.$$
#
# The network sees only a [Poisson code](../docs/glossary.md#poisson-code) of these numbers: in each
# of 25 steps, input $k$ fires with probability $x_k$.

# %%
n_train, n_test = (3276, 8192) if full_run else (256, 256)  # samples
train_set = datasets.toy("train").subset(n_train)
test_set = datasets.toy("test", n=40_960).subset(n_test)
rule = torch.linspace(-1.0, 1.0, 32)


def encode(values, generator):
    """Values [B, 32] -> spikes [T, B, 32]."""
    return jarvis.poisson_encode(values, n_steps, generator=generator)


def fixed(number=7):  # not 0: from that seed the values themselves were drawn
    return torch.Generator().manual_seed(number)


x, y = train_set[:256]
spikes = encode(x, fixed())
assert abs(spikes.mean((1, 2)) - x.mean()).max() < 0.05  # every step has its own draw
assert torch.equal(y, (x @ rule > 0).long())

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.bar(range(32), x[0], color=BLUE, label="value $x_k$")
left.plot(range(32), rule, color=ORANGE, lw=2, label="weight $w_k$ of the rule")
left.axhline(0, color=GREY, lw=0.8)
left.set(xlabel="input k", ylabel="value, weight", title=f"one sample, label {int(y[0])}")
left.legend(loc="lower right")
plotting.raster(spikes[:, 0], ax=right)
right.set(ylabel="input k", title="what the network sees of it")
plt.show()

# %% [markdown]
# *The figure shows the 32 values of one sample with the weights of the rule (left), and the spikes
# that encode these values (right).*
#
# ## 2. The network and its loss, by hand
#
# The network has 32 inputs, 32 hidden [LIF
# neurons](../docs/glossary.md#leaky-integrate-and-fire-neuron) and 2 outputs. In each step the
# hidden neurons leak, add their input, fire at the threshold 1, and subtract 1 after a spike. The
# outputs do not spike: the score of a class is the mean input current of its output.

# %%
decay = math.exp(-1.0 / 20.0)  # per step of 1 ms, for a membrane time constant of 20 ms
NAMES = ("hidden weights", "hidden biases", "output weights", "output biases")


def initial_weights(seed=seed):
    """Random numbers of about 1 / sqrt(number of inputs), as PyTorch's linear layers have."""
    with seeded(seed):  # the same random numbers every time
        hidden, output = torch.nn.Linear(32, n_hidden), torch.nn.Linear(n_hidden, 2)
    return [hidden.weight, hidden.bias, output.weight, output.bias]


def forward(x, weights, spike):
    """Spikes [T, B, 32] -> scores [B, 2] and the hidden neurons' spikes [T, B, n_hidden]."""
    w1, b1, w2, b2 = weights
    v, scores, hidden = 0.0, 0.0, []
    for x_t in x:  # one step of 1 ms
        h = decay * v + x_t @ w1.T + b1  # leak, then add the input
        s = spike(h - 1.0)  # 1 where the potential has reached the threshold
        v = h - s.detach()  # soft reset; detach: no gradient goes this way
        scores = scores + (s @ w2.T + b2) / len(x)
        hidden.append(s)
    return scores, torch.stack(hidden)


# %% [markdown]
# Everything except `spike` has an ordinary derivative. Let `spike` be a step function, and run the
# untrained network.


# %%
def step(x):
    return (x >= 0).float()


scores, hidden = forward(spikes, initial_weights(), step)
print(f"scores {tuple(scores.shape)}, hidden spikes {tuple(hidden.shape)}")
print("first sample:", scores[0].tolist(), "label", int(y[0]))

# %% [markdown]
# ### The loss
#
# The [softmax](../docs/glossary.md#softmax) turns the scores into probabilities,
# $p_c = e^{z_c} / \sum_j e^{z_j}$. The [cross-entropy](../docs/glossary.md#cross-entropy) is the
# mean of $-\ln p_y$ over the samples, in nats, where $p_y$ is the probability given to the right
# class.
#
# <details><summary>Make a guess, then open: accuracy and loss before any training?</summary>
#
# With two classes, [chance](../docs/glossary.md#chance-level) is 50 %. Nearly equal scores give
# $p_y \approx \frac12$, and so a loss of about $\ln 2 = 0.693$.
# </details>


# %%
@torch.no_grad()
def accuracy(weights, spike=step, draws=2):
    """Fraction of the test set that is right, with new spikes in every draw."""
    g, correct = fixed(), 0.0
    for _ in range(draws):
        scores, _ = forward(encode(test_set.inputs, g), weights, spike)
        correct += (scores.argmax(1) == test_set.targets).float().mean().item() / draws
    return correct


first = F.cross_entropy(scores, y).item()
print(f"loss     {first:.3f}, expected about {math.log(2):.3f}")
print(f"accuracy {accuracy(initial_weights()):.3f}, chance 0.500")
assert abs(first - math.log(2)) < 0.1

# %% [markdown]
# ### Exercise 1: Cross-entropy (4 min)
#
# Write the loss yourself, without `cross_entropy`. `scores.softmax(1)` or `scores.log_softmax(1)`
# may help.


# %% tags=["exercise"]
def cross_entropy(scores, y):
    """The mean of -ln p_y over the samples; scores [B, C], labels y [B]."""
    ...


# %%
check.cross_entropy(cross_entropy)

# %% [markdown]
# ## 3. The training loop, and a first attempt
#
# An [epoch](../docs/glossary.md#epoch) is one pass over the training samples, in random order and
# in batches. After each batch, autograd computes the gradient of the loss with respect to every
# weight, and the [optimiser](../docs/glossary.md#optimiser) takes a small step downhill. Our
# optimiser, Adam, divides each weight's gradient by the gradient's recent size.


# %%
def train(weights, spike, seed=seed):
    """Train the weights in place; returns the mean loss of each epoch."""
    optimizer = torch.optim.Adam(weights, lr)
    g, losses = fixed(seed), []
    for _ in range(epochs):
        total = 0.0
        for index in torch.randperm(len(train_set), generator=g).split(128):
            values, labels = train_set[index]
            scores, _ = forward(encode(values, g), weights, spike)
            loss = F.cross_entropy(scores, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(index) / len(train_set)
        losses.append(total)
    return losses


# %% [markdown]
# Start with one batch: which of the four groups of weights receive a gradient?
#
# <details><summary>Make a guess, then open</summary>
#
# Only the output weights and biases. The hidden weights act through spikes, and autograd has no
# derivative for a comparison.
# </details>

# %%
weights = initial_weights()
F.cross_entropy(forward(spikes, weights, step)[0], y).backward()
for name, w in zip(NAMES, weights, strict=True):
    size = "none" if w.grad is None else f"{w.grad.square().mean().sqrt():.1e} (rms)"
    print(f"gradient of the {name:15s} {size}")
assert weights[0].grad is None
assert weights[2].grad is not None

# %%
weights_true = initial_weights()
loss_true = train(weights_true, step)
acc_readout = accuracy(weights_true)
print(f"loss {first:.3f} -> {loss_true[-1]:.3f}, accuracy {acc_readout:.3f}")
assert torch.equal(weights_true[0], initial_weights()[0])  # not one hidden weight has moved

# %% [markdown]
# Only the read-out learns. With random hidden neurons, its accuracy is 69<!-- acc_readout 2 --> %.
#
# ## 4. Is the zero wrong?
#
# A step function is flat, so its derivative is 0 wherever there is one. (PyTorch's "no gradient"
# has the same effect.) Move all hidden weights together in a direction that should help, and watch
# the loss.

# %%
with torch.no_grad():
    w1, b1, w2, b2 = initial_weights()
    vote = (w2[1] - w2[0]).sign()  # +1: the neuron speaks for class 1
    direction = torch.outer(vote, rule)  # excite it by what speaks for class 1

    def loss_at(z, n=64):
        """The loss when the hidden weights have moved by z along the direction; fixed spikes."""
        moved = [w1 + z * direction, b1, w2, b2]
        return F.cross_entropy(forward(spikes[:, :n], moved, step)[0], y[:n]).item()

    wide, narrow = torch.linspace(-0.3, 0.6, 46), torch.linspace(-2e-4, 2e-4, 201)
    loss_wide, loss_narrow = ([loss_at(z.item()) for z in zs] for zs in (wide, narrow))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
left.plot(wide, loss_wide, color=BLUE)
left.axvline(0, color=GREY, ls=":")
left.set(xlabel="displacement z of the hidden weights", ylabel="loss (nats)", title="from afar")
right.plot(1e4 * narrow, loss_narrow, color=BLUE, drawstyle="steps-mid")
right.set(xlabel=r"displacement z ($10^{-4}$)", ylabel="loss (nats)", title="near z = 0")
right.ticklabel_format(useOffset=False)
plt.show()
assert loss_at(0.3) < loss_at(0.0)
assert len(set(loss_narrow)) < 60  # few stairs among 201 points

# %% [markdown]
# *The figure shows the loss as the hidden weights move, over a wide range (left; dotted: the
# initial weights) and over a tiny range (right).* Near z = 0 the loss is a staircase. Each stair is
# flat: an infinitely small change of a weight changes no spike, so the gradient is zero. Yet the
# staircase leads downhill. We need the slope of the whole staircase, not of one stair.
#
# ### Exercise 2: The slope of a staircase (3 min)
#
# A central difference measures a slope over a finite distance: the loss at $+\delta$ minus the loss
# at $-\delta$, divided by the distance between these points.


# %% tags=["exercise"]
def slope(loss, delta):
    """The mean slope of the function loss(z) between z = -delta and z = delta."""
    ...


# %%
if check.slope(slope):
    with torch.no_grad():
        for delta in (1e-7, 1e-5, 1e-3, 1e-1):
            print(f"delta = {delta:.0e}: slope {slope(loss_at, delta):8.3f}")

# %% [markdown]
# ## 5. The surrogate
#
# Keep the step in the forward pass, so that the network still spikes. In the backward pass, replace
# the derivative of the step by a bump around the threshold. This is a [surrogate
# gradient](../docs/glossary.md#surrogate-gradient). A common bump is the *fast sigmoid* with slope
# $k$, written as if it were the derivative of a smooth step $\sigma$:
#
# $$\sigma'(d) = \frac{1}{(1 + k|d|)^2}, \qquad d = h - 1,$$
#
# where $d$ is the distance to the threshold (the argument `x` of `spike` in the code).
#
# An `autograd.Function` defines both passes. `forward` computes the output and saves what
# `backward` needs. `backward` receives the gradient with respect to the output, and returns the
# gradient with respect to the input.


# %%
class Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x >= 0).float()

    @staticmethod
    def backward(ctx, grad_output):
        (x,) = ctx.saved_tensors
        return grad_output / (1.0 + 25.0 * x.abs()) ** 2


# %% tags=["hide-input"] jupyter={"source_hidden": true}
grid = torch.linspace(-0.5, 0.5, 401, requires_grad=True)
fired = Spike.apply(grid)
(bump,) = torch.autograd.grad(fired.sum(), grid)
_, axes = plt.subplots(1, 2, figsize=(9, 2.6), sharex=True)
axes[0].plot(grid.detach(), fired.detach(), color=BLUE)
axes[0].set(ylabel="spike s", title="forward")
axes[1].plot(grid.detach(), torch.zeros(401), color=GREY, ls=":", label="true derivative")
axes[1].plot(grid.detach(), bump, color=RED, ls="--", label="surrogate")
axes[1].set(ylabel="ds/dx", title="backward")
axes[1].legend()
for ax in axes:
    ax.set_xlabel("distance to threshold x = h - 1")
plt.show()

# %% [markdown]
# *The figure shows the spike as a function of the distance to the threshold (left), and its true
# and surrogate derivatives (right).* A neuron gets much of the gradient if its potential was near
# the threshold.
#
# ### Exercise 3: A bump of your own (5 min)
#
# Write a Gaussian bump, $e^{-(kx)^2/2}$.


# %% tags=["exercise"]
def gaussian(x, slope):
    """The bump at each x, a tensor of the same shape."""
    ...


# %%
if check.gaussian(gaussian):
    weights = initial_weights()
    train(weights, lambda x: SurrogateSpike(gaussian, slope=4.0)(x, 0.0))
    print(f"accuracy with it {accuracy(weights):.3f}, with the true gradient {acc_readout:.3f}")

# %% [markdown]
# ## 6. The way back through time
#
# A potential depends on all earlier inputs through the leak, so the gradient has to travel back
# through time, too. Unrolled over time steps, the network is one long
# [graph](../docs/glossary.md#unrolled-graph).

# %%
unrolled_graph(3)
plt.show()

# %% [markdown]
# *The figure shows three time steps of one layer: forward pass (solid) and backward pass (dashed).
# At a spike, the backward pass goes through the surrogate derivative.* Two dashed arrows lead into
# the potential $h_t$: from its own spike, and from the next potential. With
# $g_t = \partial L / \partial h_t$, the decay per step $\lambda$ and the input spikes $i_t$ of step
# $t$,
#
# $$g_t = \frac{\partial L}{\partial s_t}\,\sigma'(h_t - 1) + \lambda\, g_{t+1},
# \qquad g_{T+1} = 0,
# \qquad \frac{\partial L}{\partial W} = \sum_t g_t\, i_t^\top.$$
#
# This is [backpropagation through time](../docs/glossary.md#backpropagation-through-time). The
# reset has no arrow: we [detached](../docs/glossary.md#detached-reset) it in `forward`. Otherwise a
# spike's gradient would have a second term.
#
# ### Exercise 4: Backpropagation through time by hand (8 min)
#
# A neuron has one weight per input and runs for T steps. Go backwards from the last step, and
# return the gradient of its weights.


# %% tags=["exercise"]
def weight_gradient(x, h, grad_s, decay, bump):
    """The gradient [n] of the weights: inputs x [T, n], potentials h [T], dL/ds grad_s [T].

    `bump(h - 1)` is the surrogate derivative; `decay` the factor per step.
    """
    ...


# %%
check.weight_gradient(weight_gradient)

# %% [markdown]
# ## 7. Train again
#
# Only the backward pass changes.

# %%
weights_surrogate = initial_weights()
loss_surrogate = train(weights_surrogate, Spike.apply)
print(f"loss {first:.3f} -> {loss_surrogate[-1]:.3f}")
assert not full_run or loss_surrogate[-1] < loss_true[-1] - 0.2

# %% [markdown]
# One network may be lucky. Repeat both trainings with other initial weights, other spikes and
# another sample order.

# %%
acc_true, acc_surrogate = [acc_readout], [accuracy(weights_surrogate)]
for other in range(1, n_seeds):
    for spike, found in ((step, acc_true), (Spike.apply, acc_surrogate)):
        weights = initial_weights(other)
        train(weights, spike, other)
        found.append(accuracy(weights))
print("no gradient through spikes", *(f"{value:.3f}" for value in acc_true))
print("surrogate                 ", *(f"{value:.3f}" for value in acc_surrogate))
assert not full_run or max(acc_true) < min(acc_surrogate) - 0.1

# %% [markdown]
# Is 90 % good? A **perfect decoder** knows the rule, and estimates $x_k$ by $n_k / T$, the spike
# count over $T = 25$ steps. Let it decode the same spikes.

# %%
g, perfect = fixed(), 0.0  # the generator with which `accuracy` draws
for _ in range(2):
    decoded = encode(test_set.inputs, g).mean(0) @ rule > 0
    perfect += (decoded.long() == test_set.targets).float().mean().item() / 2
print(f"perfect decoder {perfect:.3f}")
assert not full_run or all(-0.005 < perfect - value < 0.02 for value in acc_surrogate)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.2))
series = {"no gradient through spikes": (loss_true, GREY), "surrogate": (loss_surrogate, RED)}
for name, (losses, color) in series.items():
    left.plot(range(epochs + 1), [first, *losses], "o-", ms=4, color=color, label=name)
left.axhline(math.log(2), color=GREY, ls=":")
left.annotate("ln 2", (epochs, math.log(2)), (0, 3), textcoords="offset points", ha="right")
left.set(xlabel="epoch", ylabel="training loss (nats)", ylim=(None, 0.76))
left.legend()
for row, (values, color) in enumerate(((acc_true, GREY), (acc_surrogate, RED))):
    right.plot(values, [row] * len(values), "o", ms=7, color=color, alpha=0.7)
right.axvline(0.5, color=GREY, ls=":", label="chance")
right.axvline(perfect, color=BLUE, label="perfect decoder")
right.set(xlabel="test accuracy", xlim=(0.45, 1), ylim=(-1, 2.6))
right.set(yticks=range(2), yticklabels=("no gradient\nthrough spikes", "surrogate"))
right.legend(loc="upper center", ncols=2)
plt.show()

# %% [markdown]
# *The figure shows the training loss per epoch (left) and the test accuracies, one dot per network
# (right).* With the surrogate the networks reach 90.4<!-- acc_surrogate 0.4 --> % on average, and
# the perfect decoder 91.1<!-- perfect 0.3 --> %. So nearly all errors come from the noise of the
# code.
#
# ### What has it learned?
#
# How often does each hidden neuron fire for either class? To see what the network computes as a
# whole, multiply the weights along each path from input to output, and add up the paths.


# %%
@torch.no_grad()
def rates(weights):
    """Mean rate of each hidden neuron for class 0 and for class 1, in Hz."""
    _, hidden = forward(encode(test_set.inputs[:512], fixed(3)), weights, step)
    per_sample, labels = jarvis.rate_decode(hidden, dt=1.0), test_set.targets[:512]
    return [per_sample[labels == c].mean(0) for c in (0, 1)]


def paths(weights):
    w1, _, w2, _ = weights
    return ((w2[1] - w2[0]) @ w1).detach()


likeness = F.cosine_similarity(paths(weights_surrogate), rule, dim=0).item()
print(f"cosine between the weights along all paths and the rule: {likeness:.3f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6))
left.plot(*rates(initial_weights()), "o", color=GREY, label="before")
left.plot(*rates(weights_surrogate), "o", color=BLUE, label="after training")
left.axline((0, 0), slope=1, color=GREY, ls=":")
left.set(xlabel="rate for class 0 (Hz)", ylabel="rate for class 1 (Hz)")
left.legend(loc="lower right")
scale = paths(weights_surrogate).norm()
right.plot(paths(initial_weights()) / scale, "o-", ms=3, color=GREY, label="before")
right.plot(paths(weights_surrogate) / scale, "o-", ms=3, color=BLUE, label="after training")
right.plot(rule / rule.norm(), color=ORANGE, label="the rule")
right.set(xlabel="input k", ylabel="weight along all paths (scaled)")
right.legend(loc="upper left")
plt.show()

# %% [markdown]
# *The figure shows the hidden neurons' rates for the two classes, one dot per neuron (left), and
# the summed weights along all paths (right, scaled).* Before training the neurons hardly prefer
# either class. Afterwards all neurons that still fire prefer one class. Together they compute the
# rule (cosine 0.998<!-- likeness 0.004 -->).
#
# ### The library does the same
#
# `SpikingMLP` is this network, `SurrogateSpike` this spike, and `jarvis.fit` such a loop. `fit`
# draws other batches and spikes, so its result differs a little.

# %%
weights = initial_weights()
with seeded(seed):
    model = SpikingMLP((32, n_hidden, 2), "mean", tau=20.0, surrogate="fast_sigmoid")
    model.load_state_dict(dict(zip(model.state_dict(), weights, strict=True)))
ours, theirs = forward(spikes, weights, Spike.apply)[0], model(spikes)
F.cross_entropy(ours, y).backward()
F.cross_entropy(theirs, y).backward()
torch.testing.assert_close(ours, theirs)
for w, parameter in zip(weights, model.parameters(), strict=True):
    torch.testing.assert_close(w.grad, parameter.grad, rtol=1e-3, atol=1e-6)
print("same scores, same gradients")


# %%
@torch.no_grad()
def accuracy_of(model, draws=2):
    """The same as `accuracy`, on the same spikes, for a network of the library."""
    g, right = fixed(), []
    for _ in range(draws):
        right.append(model(encode(test_set.inputs, g)).argmax(1) == test_set.targets)
    return torch.stack(right).float().mean().item()


quiet = dict(progress=False, log=lambda line: None)
jarvis.fit(model, train_set, encode=encode, epochs=epochs, lr=lr, seed=seed, **quiet)
print(f"trained by the library: {accuracy_of(model):.3f}")

# %% [markdown]
# ## 8. Does the shape matter? Does the slope?
#
# The library has four bumps with a slope $k$: the fast sigmoid and, with $s$ the logistic function,
#
# - "sigmoid": $k\, s(kd)\,(1 - s(kd))$
# - "arctan": $\frac{k}{2} / (1 + (\pi k d / 2)^2)$
# - "triangle": $k \max(0, 1 - k|d|)$.
#
# A fifth surrogate, "straight_through", is 1 everywhere.
#
# <details><summary>Make a guess, then open: which matters more, shape or slope?</summary>
#
# Here neither matters much. Only beyond $k = 1000$ does learning fade.
# </details>


# %%
def scores_with(surrogate):
    """Test accuracies of networks that were trained with a surrogate, one per seed."""
    found = []
    for s in range(n_seeds):
        with seeded(s):
            model = SpikingMLP((32, n_hidden, 2), surrogate=surrogate)
        jarvis.fit(model, train_set, encode=encode, epochs=epochs, lr=lr, seed=s, **quiet)
        found.append(accuracy_of(model))
    return found


def mean(values):
    return sum(values) / len(values)


shapes = {name: scores_with(name) for name in jarvis.SURROGATES}
ks = (0.1, 1, 10, 100, 1e3, 1e4)
slopes = {k: scores_with(SurrogateSpike("fast_sigmoid", slope=k)) for k in ks}
for name, values in (shapes | slopes).items():
    print(f"{name!s:17s}", *(f"{value:.3f}" for value in values))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 3, figsize=(11, 3.2), width_ratios=(1, 0.8, 1))
colors = dict(zip(jarvis.SURROGATES, (BLUE, ORANGE, GREEN, PURPLE, GREY), strict=True))
for row, (name, color) in enumerate(colors.items()):
    s, near = jarvis.SURROGATES[name], torch.linspace(-1.0, 1.0, 401)
    axes[0].plot(near, s.derivative(near, s.slope), color=color)
    axes[1].plot(shapes[name], [row] * n_seeds, "o", ms=5, color=color, alpha=0.7)
axes[0].set(xlabel="distance to threshold x = h - 1", ylabel="surrogate of ds/dx")
axes[0].set_title("five shapes, usual slopes")
axes[1].set(xlabel="test accuracy", yticks=range(5), yticklabels=colors, title="shape")
axes[2].semilogx(ks, [slopes[k] for k in ks], "o", ms=5, color=BLUE, alpha=0.7)
axes[2].semilogx(ks, [mean(slopes[k]) for k in ks], color=BLUE)
axes[2].set(xlabel="slope k", ylabel="test accuracy", title="slope of fast_sigmoid")
for ax, along in ((axes[1], "x"), (axes[2], "y")):
    draw, limits = (ax.axvline, ax.set_xlim) if along == "x" else (ax.axhline, ax.set_ylim)
    draw(perfect, color=RED, ls="--")
    draw(mean(acc_true), color=GREY, ls=":")
    limits(0.65 if full_run else 0.3, 0.95)
plt.show()

# %% [markdown]
# *The figure shows the five shapes (left), and the test accuracy by shape (middle, which names the
# colours) and by slope (right), one dot per network; dashed: the perfect decoder, dotted: no
# gradient through spikes.* The means of all shapes lie within 0.2<!-- shapes_spread 0.25 --> points
# of each other. From 0.1 to 1000 the slope makes hardly any difference; at $10^4$ the accuracy is
# down to 87<!-- slope_10000 3 --> %.
#
# ### Exercise 5: The reach of a bump (4 min)
#
# Why does learning fade at large slopes? For which fraction of the potentials in an untrained layer
# is the bump at least `least`? (`bump(x)` is the surrogate derivative at a distance x from the
# threshold, which is 1.)


# %% tags=["exercise"]
def reached(h, bump, least):
    """The fraction of the potentials h (a tensor of any shape) whose bump is `least` or more."""
    ...


# %%
if check.reached(reached):
    with seeded(seed):
        layer, neurons = torch.nn.Linear(32, n_hidden), jarvis.LIFLayer(tau=20.0)
    _, _, traces = neurons(layer(spikes).detach(), trace=True)
    for k, values in slopes.items():
        fraction = reached(traces.h, lambda x, k=k: 1 / (1 + k * x.abs()) ** 2, 0.01)
        print(f"slope {k:7g}: {fraction:6.1%} of the potentials, accuracy {mean(values):.3f}")

# %% [markdown]
# ### A harder case
#
# So far learning was easy: the read-out learns without a surrogate, and the gradient crosses only
# one layer of spikes. The network below reads the digits 0 to 4 with *two* hidden layers. The
# read-out keeps its initial weights, and the rest is trained for only 40 updates.
#
# - Drag the slope of "fast_sigmoid" to both ends. Which bump learns faster, the wide or the narrow
#   one?
# - Choose "triangle" at slope 100. How close to the threshold must a potential be to get a
#   gradient, and how well does the network learn?
#
# <details><summary>Answers</summary>
#
# The wide one. At slope 0.5 the loss ends at 0.77<!-- fast_sigmoid_0.5 0.02 -->, at slope 100 above
# 1 (chance: ln 5 = 1.61). The triangle is 0 beyond a distance of 0.01, so hardly any potential gets
# a gradient, and the loss ends at 1.28<!-- triangle_100 0.02 -->.
# </details>

# %%
explorer = widgets.surrogate(shape="fast_sigmoid", slope=25.0)
explorer

# %%
# Without a running kernel there are no sliders. This picture is for a narrow triangle.
assert training_curve("fast_sigmoid", 0.5)[-1] < 1 < training_curve("fast_sigmoid", 100.0)[-1]
widgets.draw_surrogate(shape="triangle", slope=100.0)

# %% [markdown]
# *The figure shows the derivative in the backward pass (left), and the loss over 40 updates with
# this derivative (right); grey: the same shape at other slopes, dotted: chance.*

# %% tags=["hide-input"] jupyter={"source_hidden": true}
usual = [mean(slopes[k]) for k in (0.1, 1, 10, 100)]
assert not full_run or max(usual) - min(usual) < 0.01 < min(usual) - mean(slopes[1e4])
by_shape = [mean(values) for values in shapes.values()]
percent = dict(acc_readout=acc_readout, acc_true=mean(acc_true), perfect=perfect)
percent |= dict(acc_surrogate=mean(acc_surrogate))
percent |= dict(shapes_spread=max(by_shape) - min(by_shape), slope_10000=mean(slopes[1e4]))
measured = {name: 100 * value for name, value in percent.items()} | {"likeness": likeness}
measured["fast_sigmoid_0.5"] = training_curve("fast_sigmoid", 0.5)[-1]
measured["triangle_100"] = training_curve("triangle", 100.0)[-1]
record("results/301_surrogate_gradients.json", measured, full=full_run)

# %% [markdown]
# ## Summary
#
# 1. A spiking network is a loop over time steps: leak, add, fire, reset. Before training, its loss
#    should be $\ln$ of the number of classes.
# 2. The true gradient of a spike is zero. With this gradient, only weights after the last
#    spiking layer learn.
# 3. A surrogate replaces the derivative of the step by a bump, in the backward pass only. Accuracy
#    rises from 69<!-- acc_true 2 --> % to 90<!-- acc_surrogate 0.6 --> %.
# 4. Backpropagation through time passes each potential's gradient, times the decay, to the
#    potential one step before.
# 5. With one layer of spikes, any of the five shapes will do, and any slope from 0.1 to 1000. A
#    small network with two hidden layers learned more slowly with a narrow bump.
#
# ## Further reading
#
# - Neftci, Mostafa & Zenke 2019, *Surrogate gradient learning in spiking neural networks*, IEEE
#   Signal Process. Mag. 36(6):51,
#   [doi:10.1109/MSP.2019.2931595](https://doi.org/10.1109/MSP.2019.2931595).
# - Zenke & Ganguli 2018, *SuperSpike*, Neural Comput. 30(6):1514,
#   [doi:10.1162/neco_a_01086](https://doi.org/10.1162/neco_a_01086). The fast sigmoid.
# - Zenke & Vogels 2021, *The remarkable robustness of surrogate gradient learning*, Neural Comput.
#   33(4):899, [doi:10.1162/neco_a_01367](https://doi.org/10.1162/neco_a_01367). Shape and slope.
# - F. Zenke, *SpyTorch*, [github.com/fzenke/spytorch](https://github.com/fzenke/spytorch). The
#   tutorial that this lesson follows.
#
# **Next.** [302](302_read_outs.ipynb): silent layers, and how to read the answer.
