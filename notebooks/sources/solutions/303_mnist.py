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
# # Solutions: Read handwritten digits with spikes
#
# The exercises of [303](../303_mnist.ipynb), solved. Try them yourself first. This notebook needs
# nothing from the lesson: it first trains a similar network on part of the data, which takes about
# a minute on MNIST.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import copy
import math

import torch
from matplotlib import pyplot as plt

import jarvis
from jarvis import LIFLayer, SpikingMLP, constant_encode, datasets, evaluate, fit, plotting
from jarvis.classroom import lesson
from jarvis.classroom.check import mnist as check
from jarvis.plotting import BLUE, GREY, ORANGE
from jarvis.training import cosine

lesson.begin()

# %% tags=["parameters"] nbmake={"mock":{"full_run":false,"epochs":3,"n_steps":8,"n_pictures":1500}}
full_run = True
seed = 0
n_steps = 25  # steps of 1 ms
n_hidden = (256, 128)
tau = 20.0  # ms
epochs = 4
n_pictures = 20000  # of each part, at most

# %%
load, options = datasets.mnist, {"download": False}
try:
    load("train", **options)
except datasets.MissingDataError as error:
    print(str(error).splitlines()[0])
    load, options = datasets.digits, {}
on_mnist = load is datasets.mnist
train, test = (load(split, **options).subset(n_pictures) for split in ("train", "test"))
n_inputs = torch.Size(train.shape).numel()
chance = 1 / train.n_classes
probe = test.subset(n_pictures // 10)  # for what is measured many times


def code(values, generator):
    """Pictures [B, 1, H, W] -> constant currents [T, B, 1, H, W]."""
    return constant_encode(values, n_steps)


# %%
with jarvis.seeded(seed):
    model = SpikingMLP((n_inputs, *n_hidden, train.n_classes), tau=tau)
fit(
    model, train, epochs=epochs if on_mnist else 4 * epochs, batch_size=128 if on_mnist else 32,
    encode=code, schedule=cosine, seed=seed, progress=False, log=lambda line: None,
)  # fmt: skip
intact = evaluate(model, test, code)["acc"]
print(f"test accuracy {intact:.2%}")
assert intact > 3 * chance

# %% [markdown]
# ### Exercise 1: The first spike
#
# $h_n \ge 1$ means $a^n \le 1 - (1 - a)/x$. The logarithm of $a$ is negative, so dividing by it
# reverses the inequality: $n \ge \ln(1 - (1-a)/x) / \ln a$. With an input of 1 or more the neuron
# fires at once.


# %%
def first_step(x, tau):
    """The step, 1, 2, ..., of the first spike under the input x; math.inf if there is none."""
    a = math.exp(-1.0 / tau)
    if x >= 1:
        return 1
    if x <= 1 - a:
        return math.inf
    return math.ceil(math.log(1 - (1 - a) / x) / math.log(a))


assert check.first_step(first_step)

# %%
currents = [0.05 + 0.01 * k for k in range(60)]
steps = [first_step(x, tau) for x in currents]
spikes, _ = LIFLayer(tau=tau)(constant_encode(torch.tensor([currents]), 80))
assert [int(s.argmax()) + 1 for s in spikes[:, 0].T] == steps  # the simulation agrees

# %%
_, ax = plt.subplots()
ax.plot(currents, steps, "o", ms=4, color=BLUE)
ax.axvline(1 - math.exp(-1 / tau), color=GREY, ls="--")
ax.set(xlabel="input x per step", ylabel="step of the first spike")
plt.show()

# %% [markdown]
# *The figure shows the first spike against the input; left of the dashed line the neuron never
# fires.* Just right of the line, a small change of the input moves the spike a lot.
#
# ### Exercise 2: A time constant from a factor
#
# One step multiplies the potential by $e^{-\Delta t/\tau} = \beta$. Take the logarithm, and solve
# for $\tau$.


# %%
def time_constant(beta, dt):
    """The membrane time constant (ms) of a decay by the factor beta per step of dt ms."""
    return -dt / math.log(beta)


assert check.time_constant(time_constant)

# %% [markdown]
# ### Exercise 3: Remove neurons


# %%
def lesion(net, share, generator):
    """A copy of `net` with round(share * n) columns of 0, chosen by torch.randperm."""
    net = copy.deepcopy(net)
    weight = net.synapses[1][1].weight
    n = weight.shape[1]
    with torch.no_grad():
        weight[:, torch.randperm(n, generator=generator)[: round(share * n)]] = 0.0
    return net


assert check.lesion(lesion)

# %%
shares = [0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]
left = []
for share in shares:
    hurt = lesion(model, share, torch.Generator().manual_seed(seed))
    left.append(evaluate(hurt, probe, code)["acc"])
ax = plotting.curves(
    {"lesioned": left},
    x=shares,
    xlabel="share of hidden layer 1 removed",
    ylabel="test accuracy",
    chance=chance,
)
ax.set_ylim(0, 1)
plt.show()
assert left[0] > left[-1]
assert left[-1] < 2.5 * chance

# %% [markdown]
# *The figure shows the test accuracy against the share of removed units; dotted: chance.* No unit
# is indispensable: a tenth can be removed at little cost, and the accuracy falls steeply only when
# most are gone. With all units removed, the second layer receives nothing but its biases, and every
# picture gets the same answer.
#
# ### Exercise 4: The shortest run


# %%
def shortest(durations, accuracy, allowed):
    """The run time T (ms), one of `durations`."""
    good = (n for n, acc in zip(durations, accuracy, strict=True) if acc >= accuracy[-1] - allowed)
    return next(good)


assert check.shortest(shortest)

# %%
durations = [n for n in (1, 2, 3, 4, 6, 8, 16, 25) if n <= n_steps]
accuracy = [
    evaluate(model, test, lambda x, g, n=n: constant_encode(x, n))["acc"] for n in durations
]
found = shortest(durations, accuracy, allowed=0.01)
ax = plotting.curves(
    {"constant current": accuracy}, x=durations, xlabel="run time T (ms)", ylabel="test accuracy"
)
ax.axvline(found, color=GREY, ls="--")
ax.axhline(accuracy[-1] - 0.01, color=GREY, ls=":")
plt.show()
print(f"T = {found} is enough for one point less than T = {durations[-1]}")
assert found < durations[-1] or not full_run  # a shortened run has only few steps

# %% [markdown]
# *The figure shows the accuracy against the run time; dotted: one point below the longest run,
# dashed: the shortest run time above that line.* This shortest run takes a fraction of the run time
# in training.
#
# ### Exercise 5: Answer with the first spike


# %%
@torch.no_grad()
def decide(net, images, n_steps, tau):
    """Pictures [B, ...] -> answers [B] and their times [B] (ms); `tau` of the output neurons."""
    _, hidden = net(constant_encode(images, n_steps), return_spikes=True)
    currents = jarvis.over_time(net.output, hidden[-1])
    spikes, _ = LIFLayer(tau=tau)(currents)
    first = jarvis.first_spike_decode(spikes)  # [B, C], steps from 0; n_steps for silent ones
    times = first.amin(1)
    so_far = currents.cumsum(0)[times.long().clamp_max(n_steps - 1), torch.arange(len(images))]
    candidates = first == times[:, None]  # all of them where nothing fires
    answers = so_far.masked_fill(~candidates, -torch.inf).argmax(1)
    return answers, (times + 1).clamp_max(n_steps)


assert check.decide(decide)

# %%
answers, times = decide(model, probe[:][0], n_steps, tau)
quick = (answers == probe.targets).float().mean().item()
print(f"mean time of an answer {times.mean():.1f} ms of {n_steps}, accuracy {quick:.2%}")
assert quick > 3 * chance
assert 1 <= times.min() <= times.mean() < n_steps

# %%
full = evaluate(model, probe, code)["acc"]
right = answers == probe.targets
_, ax = plt.subplots()
bins = torch.arange(0.5, n_steps + 1).numpy()
ax.hist(
    [times[right].numpy(), times[~right].numpy()],
    bins=bins,
    stacked=True,
    color=[BLUE, ORANGE],
    label=["right", "wrong"],
)
ax.set(xlabel="time of the answer (ms)", ylabel="pictures", xlim=(0, times.max() + 1))
ax.set_xticks(range(1, int(times.max()) + 1))
ax.legend()
plt.show()
print(f"with all {n_steps} steps on the same pictures: {full:.2%}")
assert quick < full or not full_run  # needs a trained network

# %% [markdown]
# *The figure shows the times of the answers, wrong answers stacked on right ones.* Nearly all
# answers come within a few steps, at some cost in accuracy: the first spike is a hasty answer.
