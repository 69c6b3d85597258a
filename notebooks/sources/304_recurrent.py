# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Remember with recurrent connections
#
# A neuron with a time constant of 20 ms forgets within 100 ms. You train networks on recordings of
# an event camera, find a question that needs a longer memory, and measure what recurrent
# connections add to it: beside a linear read-out, a feed-forward network of equal size, and neurons
# that are merely slower. Then you take the memory away again, to see where it was.
#
# **Time.** 60 minutes for you, 3 minutes for the machine.
#
# **You need.** Surrogate gradients ([301](301_surrogate_gradients.ipynb)), read-outs, rate
# regularisation and `diagnose` ([302](302_read_outs.ipynb)), and events
# ([203](203_events.ipynb)).
#
# **Leads to.** [701](701_debugging.ipynb), where networks fail in other ways.
#
# ## Objectives
#
# After this lesson you can
#
# 1. turn recordings of an event camera into the input of a network
# 2. measure what recurrence adds, beside controls of equal size
# 3. pose a question that needs memory, and compute what a reader without memory can reach
# 4. find out where a network keeps its memory, by taking it away
# 5. keep the gradient of a recurrent network steady, and its rates low.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import torch
from matplotlib import pyplot as plt
from torch import nn
from torch.nn import functional as F

import jarvis
from jarvis import LIFLayer, SpikingMLP, datasets, plotting, seeded
from jarvis.classroom import lesson
from jarvis.classroom.check import recurrent as check
from jarvis.classroom.diagrams.unrolled_graph import unrolled_graph
from jarvis.classroom.results import record
from jarvis.encoding import Events
from jarvis.networks import count_parameters, gradient_by_step
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_updates": 8, "n_seeds": 1}}
full_run = True  # tests set False and shrink the numbers
dt = 10.0  # ms, length of a time step
n_hidden = 100  # neurons of the recurrent network
n_updates = 400  # training steps
batch_size = 64
lr = 5e-3  # learning rate at the start; it falls to 0 along half a cosine
n_seeds = 3  # networks of each kind; each has its own held-out fifth of the recordings

# %% [markdown]
# ## 1. Recordings of an event camera
#
# [N-MNIST](../docs/glossary.md#n-mnist) shows MNIST's digits to an [event
# camera](../docs/glossary.md#event-camera). The camera makes three small, fast movements (saccades)
# of about 100 ms each, and every pixel sends an event when its brightness changes: ON for brighter,
# OFF for darker. Without the recordings, simulated ones stand in; the numbers in the text are those
# for N-MNIST.

# %%
n_recordings = (900, 100) if full_run else (90, 10)
try:
    parts = [
        datasets.nmnist(split, n=n, download=False)
        for split, n in zip(("train", "val"), n_recordings, strict=True)
    ]
    on_nmnist = True
except datasets.MissingDataError as error:
    print(str(error).splitlines()[0])
    parts = [
        datasets.nmnist_like(split, n=n)
        for split, n in zip(("train", "val"), n_recordings, strict=True)
    ]
    on_nmnist = False
events = Events.concatenate([part.events for part in parts])
digit = torch.cat([part.targets for part in parts])
print(events)

# %% [markdown]
# Count the events in steps of 10 ms and in squares of 4 x 4 pixels, separately for ON and OFF. The
# counts are the input currents of the network: `x` has the shape [30 steps, recordings, 2, 9, 9].


# %%
def counts(events):
    dense = events.binned(30, duration=300.0).dense()  # [T, B, 2, 34, 34], 0 or 1
    means = F.avg_pool2d(dense.flatten(0, 1), 4, ceil_mode=True)
    return 16 * means.unflatten(0, dense.shape[:2])


x = torch.cat([counts(events[i : i + 100]) for i in range(0, len(events), 100)], dim=1)
n_units = x[0, 0].numel()
print(tuple(x.shape), f"{x.sum((0, 2, 3, 4)).mean():.0f} events per recording")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
one = 7
_, axes = plt.subplots(1, 4, figsize=(11, 2.8), width_ratios=(1, 1, 1, 1.6))
fine = events[one : one + 1].binned(3, duration=300.0).dense()[:, 0]
for k, ax in enumerate(axes[:3]):
    ax.imshow(fine[k, 0] - fine[k, 1], cmap="RdBu", vmin=-1.5, vmax=1.5)
    ax.set(title=f"{100 * k} to {100 * k + 100} ms", xticks=[], yticks=[])
axes[0].set_ylabel(f"digit {digit[one]}")
time = dt * torch.arange(30)
for channel, (name, color) in enumerate((("ON", BLUE), ("OFF", ORANGE))):
    axes[3].plot(time, x[:, :, channel].sum((2, 3)).mean(1), color=color, label=name)
axes[3].set(xlabel="time (ms)", ylabel="events per step", ylim=(0, None))
axes[3].legend(loc="upper right", ncols=2)
axes[3].margins(y=0.3)
plt.show()

# %% [markdown]
# *The figure shows one recording, a picture for each saccade (blue: ON, red: OFF), and the mean
# number of events per step over all recordings (right).* Each saccade moves the digit in another
# direction, so that other edges of it send events.
#
# ## 2. Which digit?
#
# First the usual question. Three readers answer it:
#
# - **counts**: a [linear read-out](../docs/glossary.md#linear-read-out) of the mean input; it knows
#   nothing of time
# - **feed-forward**: a hidden layer of LIF neurons with a time constant of 20 ms, read by its mean
#   rates
# - **recurrent**: the same with weights between the hidden neurons. It has 100 of them, the
#   feed-forward network 158, so that both have the same number of weights.


# %%
class Counts(nn.Module):
    """A linear read-out of the mean input, or of the means of several parts of equal length."""

    def __init__(self, n_parts=1):
        super().__init__()
        self.n_parts, self.linear = n_parts, nn.Linear(n_parts * n_units, 10)

    def forward(self, x, return_spikes=False):
        means = torch.cat([part.mean(0).flatten(1) for part in x.chunk(self.n_parts)], dim=1)
        scores = self.linear(means)
        return (scores, [x]) if return_spikes else scores


def network(n_hidden, recurrent=False, tau=20.0):
    """A hidden layer of LIF neurons, and a linear read-out of its mean rates."""

    def neurons(n):
        return LIFLayer(tau=tau, dt=dt, recurrent=n if recurrent else None)

    return SpikingMLP((n_units, n_hidden, 10), "mean", neurons=neurons)


wider = 158
for name, model in (("feed-forward", network(wider)), ("recurrent", network(n_hidden, True))):
    print(f"{name:13s} {sum(count_parameters(model).values()):,} parameters")

# %% [markdown]
# Every seed holds out another fifth of the recordings, has other initial weights, and draws other
# batches. A *task* makes a batch: it takes the recordings that it may use, and returns inputs and
# labels. `train` also takes the strength of a rate regularisation, for later.


# %%
def which_digit(pool, n, generator):
    """n random recordings and their digits."""
    pick = pool[torch.randint(len(pool), (n,), generator=generator)]
    return x[:, pick], digit[pick]


def split(seed):
    """Indices for training and for testing."""
    held_out = torch.arange(len(digit)) % 5 == seed % 5
    return (~held_out).nonzero()[:, 0], held_out.nonzero()[:, 0]


def fixed(number):
    return torch.Generator().manual_seed(number)


def train(model, task, seed, strength=0.0):
    pool, generator = split(seed)[0], fixed(seed)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_updates)
    for _ in range(n_updates):
        inputs, labels = task(pool, batch_size, generator)
        scores, (hidden,) = model(inputs, return_spikes=True)
        loss = F.cross_entropy(scores, labels) + strength * hidden.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return model


def accuracy(model, task, seed, n=1000):
    """Fraction of right answers on inputs made of held-out recordings."""
    inputs, labels = task(split(seed)[1], n, fixed(100 + seed))
    with torch.no_grad():
        return (model(inputs).argmax(1) == labels).float().mean().item()


def compare(task, kinds):
    """Train every kind of network with every seed; returns networks and accuracies by name."""
    nets, found = {}, {}
    for name, make in kinds.items():
        with seeded(0):
            nets[name] = [train(make(), task, seed) for seed in range(n_seeds)]
        found[name] = [accuracy(net, task, seed) for seed, net in enumerate(nets[name])]
        print(f"{name:28s}", *(f"{value:.3f}" for value in found[name]))
    return nets, found


# %% [markdown]
# <details><summary>Make a guess, then open: how much does recurrence add?</summary>
#
# Not at all. Every part of a recording shows the digit. What a neuron remembers of the last 20 ms
# is enough.
# </details>

# %%
digit_kinds = {
    "counts": Counts,
    "feed-forward": lambda: network(wider),
    "recurrent": lambda: network(n_hidden, recurrent=True),
}
digit_nets, digit_acc = compare(which_digit, digit_kinds)


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def dots(found, line=None, label=None):
    _, ax = plt.subplots(figsize=(6.4, 0.5 * len(found) + 1.0))
    for row, values in enumerate(found.values()):
        ax.plot(values, [row] * len(values), "o", color=BLUE, alpha=0.7)
    if line is not None:
        ax.axvline(line, color=ORANGE, label=label)
        ax.legend(loc="lower right")
    ax.set(xlabel="accuracy on held-out recordings", yticks=range(len(found)), yticklabels=found)
    ax.invert_yaxis()
    return ax


dots(digit_acc)
plt.show()


def mean(values):
    return sum(values) / len(values)


# %% [markdown]
# *The figure shows the accuracy of each reader for the question "which digit?", one dot per seed.*
# The hidden layer adds to the counts (88.0<!-- digit_ff 2 --> against
# 82.0<!-- digit_counts 2 --> %). Recurrence adds nothing: 88.0<!-- digit_rec 2 --> %. N-MNIST's
# digits are moving pictures, but the movement is not where the answer lies.
#
# ### Exercise 1: Shuffle the time (3 min)
#
# Test that claim. Put the time steps into a random order, the same for all recordings, and see what
# the trained networks lose.


# %% tags=["exercise"]
def shuffled(x, generator):
    """The input x [T, B, ...] with its time steps in a random order, from torch.randperm."""
    ...


# %%
if check.shuffled(shuffled):

    def without_order(pool, n, generator):
        inputs, labels = which_digit(pool, n, generator)
        return shuffled(inputs, generator), labels

    for name, nets in digit_nets.items():
        now = [accuracy(net, without_order, seed) for seed, net in enumerate(nets)]
        print(f"{name:13s} {mean(digit_acc[name]):.3f}, shuffled {mean(now):.3f}")

# %% [markdown]
# ## 3. Which digit came first?
#
# A question about time needs memory. Show the first saccade of one recording (100 ms), then nothing
# for 50 ms, then the first saccade of another. Which digit came *first*?


# %%
def which_first(pool, n, generator):
    """Two random recordings one after the other, and the digit of the first."""
    first, second = pool[torch.randint(len(pool), (2, n), generator=generator)]
    pause = torch.zeros(5, n, *x.shape[2:])
    return torch.cat([x[:10, first], pause, x[:10, second]]), digit[first]


inputs, labels = which_first(split(0)[1], 1000, fixed(0))
n_steps = len(inputs)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 3, figsize=(9, 2.4), width_ratios=(1, 2, 1))
axes[0].imshow(inputs[:10, 0].sum((0, 1)), cmap="Greys")
axes[2].imshow(inputs[15:, 0].sum((0, 1)), cmap="Greys")
axes[1].bar(dt * torch.arange(n_steps), inputs[:, 0].sum((1, 2, 3)), width=0.9 * dt, color=BLUE)
axes[1].set(xlabel="time (ms)", ylabel="events per step")
for ax, name in ((axes[0], f"first: {labels[0]}"), (axes[2], "second")):
    ax.set(title=name, xticks=[], yticks=[])
plt.show()

# %% [markdown]
# *The figure shows one sample of the task: the events of the first part (left), the number of
# events over time (middle), and the events of the second part (right).*
#
# What can a reader reach that recognises both digits, but cannot tell their order? If they are the
# same, it is right. If not, it has to pick one of the two.
#
# ### Exercise 2: The ceiling without memory (4 min)
#
# Compute the accuracy of that reader. The two digits are drawn independently; `shares` has the
# frequency of each class.


# %% tags=["exercise"]
def order_blind(shares):
    """The accuracy of a reader that knows both digits but not their order; shares [C] sum to 1."""
    ...


# %%
shares = digit.bincount(minlength=10) / len(digit)
if check.order_blind(order_blind):
    print(f"without memory at most {order_blind(shares):.3f}")

# %% [markdown]
# The recurrent network gets two more controls. **Two counts** is a linear read-out that receives
# the first and the second half separately: it has a perfect memory of its input, but no hidden
# layer. **Slow neurons** are a feed-forward network with a membrane time constant of 200 ms.
#
# <details><summary>Make a guess, then open: which readers get past the ceiling?</summary>
#
# All but the counts. The feed-forward network only just: its potentials start at rest, and 150 ms
# later they do not, so that the two digits do not act in quite the same way. Slow neurons get far,
# and recurrence gets further.
# </details>

# %%
order_kinds = {
    "counts": Counts,
    "two counts": lambda: Counts(n_parts=2),
    "feed-forward": lambda: network(wider),
    "feed-forward, slow neurons": lambda: network(wider, tau=200.0),
    "recurrent": lambda: network(n_hidden, recurrent=True),
}
order_nets, order_acc = compare(which_first, order_kinds)
same = (shares**2).sum().item()
blind = same + (1 - same) / 2
gain = mean(order_acc["recurrent"]) - mean(order_acc["feed-forward"])
assert not full_run or gain > 0.1

# %% tags=["hide-input"] jupyter={"source_hidden": true}
dots(order_acc, blind, "ceiling without memory")
plt.show()

# %% [markdown]
# *The figure shows the accuracy of each reader for the question "which digit came first?", one dot
# per seed.* Without memory no reader can be right in more than 55.0<!-- blind 0.5 --> % of the
# cases, and the counts stay below. The feed-forward network comes to 61<!-- order_ff 3 --> %, slow
# neurons to 80<!-- order_slow 3 --> %, the recurrent network to 86<!-- order_rec 3 --> %. So most
# of the gain is memory, in whatever form; recurrence adds a few points to that.
#
# ## 4. Where is the memory?
#
# A recurrent network can remember in two places: in its potentials, which leak away with 20 ms, and
# in the spikes that go round from one step to the next.

# %%
unrolled_graph(3, recurrent=True)
plt.show()

# %% [markdown]
# *The figure shows three time steps of a recurrent layer, with the recurrent weights V from each
# spike to the next potential.* The gradient (dashed) takes the same way back: from a potential
# through V to the spike before it, and through its surrogate derivative to the potential there.
#
# Look at the hidden spikes while nothing comes in.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9, 3.2))
with torch.no_grad():
    for ax, name in zip(axes, ("feed-forward", "recurrent"), strict=True):
        _, (hidden,) = order_nets[name][0](inputs[:, :1], return_spikes=True)
        plotting.raster(hidden[:, 0], dt=dt, ax=ax, color=BLUE)
        ax.axvspan(95, 145, color=GREY, alpha=0.2, lw=0)
        ax.set(title=name, ylabel="hidden neuron")
plt.show()

# %% [markdown]
# *The figure shows the hidden spikes for one sample in the feed-forward network (left) and in the
# recurrent one (right); grey: the pause without input.* In the pause the feed-forward network runs
# on its biases alone. In the recurrent network the first digit's activity can go on.
#
# Now take the memory away, at the end of the pause and in nothing but the trained network: set the
# potentials to 0, or the spikes of the previous step, or both. For comparison, cut all recurrent
# weights.
#
# ### Exercise 3: Forget the spikes (4 min)
#
# The state of a recurrent layer is a `RecurrentState(neurons, spikes)`, a NamedTuple. Return one
# whose spikes are all 0 and whose neurons are as before. The original must not change.


# %% tags=["exercise"]
def without_spikes(state):
    """The same state, but with no spikes in the previous step."""
    ...


# %%
if check.without_spikes(without_spikes):
    with torch.no_grad():
        model = order_nets["recurrent"][0]
        _, state = model(inputs[:15], return_state=True)  # up to the end of the pause
        changed = state._replace(hidden=(without_spikes(state.hidden[0]),))
        right = (model(inputs[15:], changed).argmax(1) == labels).float().mean()
    print(f"without the spikes at the end of the pause: {right:.3f}")


# %%
@torch.no_grad()
def after_forgetting(model, seed, potentials=False, spikes=False):
    """Accuracy if potentials or spikes are set to 0 at the end of the pause."""
    inputs, labels = which_first(split(seed)[1], 1000, fixed(100 + seed))
    _, state = model(inputs[:15], return_state=True)
    (layer,) = state.hidden
    neurons = layer.neurons._replace(v=0 * layer.neurons.v) if potentials else layer.neurons
    layer = layer._replace(neurons=neurons, spikes=(1 - spikes) * layer.spikes)
    scores = model(inputs[15:], state._replace(hidden=(layer,)))
    return (scores.argmax(1) == labels).float().mean().item()


@torch.no_grad()
def without_recurrence(model, seed):
    weight = model.neurons[0].weight
    kept = weight.clone()
    weight.zero_()
    result = accuracy(model, which_first, seed)
    weight.copy_(kept)
    return result


recurrent = list(enumerate(order_nets["recurrent"]))
taken = {"nothing": order_acc["recurrent"]}
for what in ({"potentials"}, {"spikes"}, {"potentials", "spikes"}):
    options = dict.fromkeys(what, True)
    taken[" and ".join(sorted(what))] = [after_forgetting(m, s, **options) for s, m in recurrent]
taken["all recurrent weights"] = [without_recurrence(m, s) for s, m in recurrent]
for what, values in taken.items():
    print(f"taken away: {what:25s}", *(f"{value:.3f}" for value in values))
assert not full_run or mean(taken["potentials and spikes"]) < mean(taken["nothing"]) - 0.03

# %% tags=["hide-input"] jupyter={"source_hidden": true}
dots(taken, blind, "ceiling without memory").set_ylabel("taken away")
plt.show()

# %% [markdown]
# *The figure shows what is left of the recurrent network's accuracy when part of its state is set
# to 0 at the end of the pause, or when its recurrent weights are cut for the whole run.* Without
# the potentials it keeps 85<!-- no_potentials 5 --> %, without the spikes 80<!-- no_spikes 8 --> %,
# without either 70<!-- no_state 12 --> %; without recurrent weights 30<!-- no_weights 15 --> %.
# TODO
#
# ## 5. When recurrence goes wrong
#
# Each step back in time multiplies the gradient by recurrent weights. If they are too small the
# gradient [vanishes](../docs/glossary.md#vanishing-gradient), if they are too large it
# [explodes](../docs/glossary.md#exploding-gradient). Multiply the initial recurrent weights by a
# factor, and measure the gradient that reaches the input of each step.

# %%
factors = (0.3, 1.0, 3.0, 10.0)


def scaled(factor):
    with seeded(0):
        model = network(n_hidden, recurrent=True)
    with torch.no_grad():
        model.neurons[0].weight.mul_(factor)
    return model


def last_step(model):
    """Scores from the spikes of the last step only: the gradient has to come all the way back."""
    return lambda x: model.output(model(x, return_spikes=True)[1][0][-1])


few = inputs[:, :200], labels[:200]
gradients = {factor: gradient_by_step(last_step(scaled(factor)), *few) for factor in factors}
for factor in factors:
    report = jarvis.diagnose(scaled(factor), few)
    print(f"factor {factor:4g}: {report.layers[0].rate:.2f} spikes per neuron and step,", end=" ")
    print("; ".join(report.problems)[:60] or "nothing wrong found")
print(jarvis.diagnose(scaled(factors[-1]), few))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.4, 3.4))
for (factor, sizes), color in zip(gradients.items(), (GREY, BLUE, GREEN, ORANGE), strict=True):
    ax.semilogy(dt * torch.arange(n_steps), sizes, "o-", ms=3, color=color, label=f"{factor:g}")
ax.set(xlabel="time of the input (ms)", ylabel="norm of the gradient")
ax.legend(title="factor", loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# *The figure shows the gradient of the loss with respect to the input of each step, for a read-out
# that sees the last step only.* TODO
#
# ### Exercise 4: A given spectral radius (4 min)
#
# What counts is not the size of single weights but the largest absolute eigenvalue of V, its
# *spectral radius*: a linear network's activity grows if it is above 1. Scale a matrix so that it
# has a given radius. `torch.linalg.eigvals` returns complex eigenvalues.


# %% tags=["exercise"]
def with_radius(V, radius):
    """The square matrix V times a number, so that its spectral radius is `radius`."""
    ...


# %%
if check.with_radius(with_radius):
    for factor in factors:
        V = scaled(factor).neurons[0].weight.detach()
        print(f"factor {factor:4g}: radius {torch.linalg.eigvals(V).abs().max():.2f}")

# %% [markdown]
# ## 6. Fewer spikes
#
# The network fires a lot. Add a rate regularisation ([302](302_read_outs.ipynb)) and see what it
# costs.

# %%
strengths = (0.0, 0.3, 1.0, 3.0)
frugal_acc, frugal_rate = [], []
for strength in strengths:
    if strength == 0:
        model = order_nets["recurrent"][0]
    else:
        with seeded(0):
            model = train(network(n_hidden, recurrent=True), which_first, 0, strength)
    frugal_acc.append(accuracy(model, which_first, 0))
    with torch.no_grad():
        frugal_rate.append(model(few[0], return_spikes=True)[1][0].mean().item())
    print(f"strength {strength:3g}: {frugal_rate[-1]:.3f} spikes per neuron and step, "
          f"accuracy {frugal_acc[-1]:.3f}")  # fmt: skip
assert frugal_rate[-1] < frugal_rate[0]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
ax.plot(frugal_rate, frugal_acc, "o-", color=BLUE)
for strength, rate, value in zip(strengths, frugal_rate, frugal_acc, strict=True):
    ax.annotate(f"{strength:g}", (rate, value), (4, -12), textcoords="offset points")
ax.axhline(blind, color=ORANGE, label="ceiling without memory")
ax.set(xlabel="spikes per hidden neuron and step", ylabel="accuracy", xlim=(0, None))
ax.legend(loc="center right")
plt.show()

# %% [markdown]
# *The figure shows the accuracy of the recurrent network against the rate of its hidden neurons;
# the numbers are the strengths of the regularisation.* TODO

# %% tags=["hide-input"] jupyter={"source_hidden": true}
percent = dict(digit_counts=mean(digit_acc["counts"]), digit_ff=mean(digit_acc["feed-forward"]))
percent |= dict(digit_rec=mean(digit_acc["recurrent"]), blind=blind)
percent |= dict(order_counts=mean(order_acc["counts"]), order_two=mean(order_acc["two counts"]))
percent |= dict(order_ff=mean(order_acc["feed-forward"]), order_rec=mean(order_acc["recurrent"]))
percent |= dict(order_slow=mean(order_acc["feed-forward, slow neurons"]))
percent |= dict(no_potentials=mean(taken["potentials"]), no_spikes=mean(taken["spikes"]))
percent |= dict(no_state=mean(taken["potentials and spikes"]))
percent |= dict(no_weights=mean(taken["all recurrent weights"]))
percent |= {f"frugal_{s:g}": value for s, value in zip(strengths, frugal_acc, strict=True)}
measured = {name: 100 * value for name, value in percent.items()}
measured |= {f"rate_{s:g}": value for s, value in zip(strengths, frugal_rate, strict=True)}
record("results/304_recurrent.json", measured, full=full_run and on_nmnist)

# %% [markdown]
# ## Summary
#
# 1. TODO
#
# ## Further reading
#
# - Orchard, Jayawant, Cohen & Thakor 2015, *Converting static image datasets to spiking
#   neuromorphic datasets using saccades*, Front. Neurosci. 9:437,
#   [doi:10.3389/fnins.2015.00437](https://doi.org/10.3389/fnins.2015.00437). N-MNIST.
# - Iyer, Chua & Li 2021, *Is neuromorphic MNIST neuromorphic? Analyzing the discriminative power of
#   neuromorphic datasets in the time domain*, Front. Neurosci. 15:608567,
#   [doi:10.3389/fnins.2021.608567](https://doi.org/10.3389/fnins.2021.608567). Why time adds little
#   to N-MNIST.
# - Bellec, Salaj, Subramoney, Legenstein & Maass 2018, *Long short-term memory and
#   learning-to-learn in networks of spiking neurons*, NeurIPS 31,
#   [arXiv:1803.09574](https://arxiv.org/abs/1803.09574). Memory in adaptive thresholds.
# - Zenke & Vogels 2021, *The remarkable robustness of surrogate gradient learning*, Neural Comput.
#   33(4):899, [doi:10.1162/neco_a_01367](https://doi.org/10.1162/neco_a_01367). Recurrent networks,
#   and rates kept within bounds.
#
# **Next.** [401](401_stdp.ipynb): learning without gradients.
# **See also.** [504](504_spoken_digits.ipynb), where time carries the answer;
# [505](505_where_delays_help.ipynb), where delays are the memory.
