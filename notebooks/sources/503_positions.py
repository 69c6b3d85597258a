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
# # Let a distance be a delay
#
# A spike needs time to travel. If spikes travel one unit of length per millisecond, the position of
# a neuron determines when each spike arrives. A neuron with a thousand synapses then learns three
# coordinates instead of a thousand delays. You move one neuron, with fixed weights, through a plane
# until it solves a task. Then you ask: does it help to **learn** the delays, or would any delays
# do?
#
# **Time.** 40 minutes for you, 4 minutes for the machine.
#
# **You need.** [501](501_spike_time_gradients.ipynb) (the gradient of a spike time).
#
# **Leads to.** [504](504_spoken_digits.ipynb) (spoken digits) and
# [505](505_where_delays_help.ipynb) (where delays help).
#
# ## Objectives
#
# After this lesson you can
#
# 1. turn positions into delays, and gradients of delays into gradients of positions,
# 2. predict where a neuron has to be to receive two spikes at once,
# 3. train positions and free delays on the Yin-Yang task,
# 4. tell the benefit of *having* delays from that of *learning* them.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import json
from functools import partial

import numpy as np
import torch
from matplotlib import pyplot as plt

import jarvis
from jarvis import EventLIF, Events, FirstSpikeNetwork, datasets, run_events
from jarvis.classroom import lesson
from jarvis.classroom.check import positions as check
from jarvis.classroom.comparison import paired_interval
from jarvis.classroom.diagrams.delay_as_distance import delay_as_distance
from jarvis.classroom.results import in_repository, record
from jarvis.datasets import ArrayDataset
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE
from jarvis.spatial import make_delays, spike_time_encode
from jarvis.training import cosine

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "epochs": 1, "n_seeds": 2, "n_moves": 120}}
full_run = True  # False for other values: the numbers in the text belong to these
n_hidden = 5  # hidden neurons for Yin-Yang
epochs = 40  # of training on Yin-Yang
n_seeds = 5  # networks of each kind
n_moves = 120  # training steps of the neuron that moves

# %% [markdown]
# ## 1. How does a position become a delay?

# %% tags=["hide-input"] jupyter={"source_hidden": true}
delay_as_distance()
plt.show()

# %% [markdown]
# *The figure shows two senders and a receiver in the plane, and when the spikes arrive.* Both
# senders spike at time 0. At the receiver's old [position](../docs/glossary.md#position) (open
# circle), the two spikes arrive 2.4 ms apart; at the new one (filled), they arrive together.
#
# With positions in ms, the delay from neuron $i$ to neuron $j$ is their distance,
#
# $$d_{ij} = \sqrt{0.01 + |r_i - r_j|^2}\ \text{ms}.$$
#
# (The 0.01 keeps the delay smooth where two neurons coincide.) Lesson 501 gives the derivative of a
# loss with respect to every delay, $g_{ij} = \partial L/\partial d_{ij}$. The chain rule turns
# these derivatives into gradients of positions: each synapse pulls its receiver towards the sender,
# or pushes it away.
#
# ### Exercise 1: Pull on a neuron (5 min)
#
# Return $\partial L/\partial r_j$ for every receiver, without autograd. `pre` and `post` are the
# positions of senders and receivers in ms, `g` is $\partial L/\partial d$.


# %% tags=["exercise"]
def position_gradient(pre, post, g):
    """Positions [n, D] and [m, D] and dL/dd [n, m], tensors -> dL/d post [m, D]."""
    ...


# %%
check.position_gradient(position_gradient)

# %% [markdown]
# ## 2. Can a position solve a task?
#
# Two inputs lie 10 ms apart. In pattern A the left input spikes 4 ms before the right input, in
# pattern B 4 ms after it. Two neurons, A and B, receive both inputs with the same fixed weights,
# and fire only after the second spike has arrived. The neuron that spikes first gives the answer.
# Neuron B is already where both spikes of pattern B arrive together. Neuron A starts beside neuron
# B, and the answer to both patterns is B.
#
# ### Exercise 2: Predict the position (4 min)
#
# Two inputs lie on a line, at x = 0 and x = `gap` (ms). The left input spikes `lag` ms before the
# right input. At which x between the inputs do both spikes arrive at the same time?


# %% tags=["exercise"]
def meeting_point(gap, lag):
    """The distance of the inputs and the lead of the left one, in ms -> x in ms."""
    ...


# %%
if check.meeting_point(meeting_point):
    print(f"both spikes of pattern A meet at x = {meeting_point(10.0, 4.0):.1f} ms")

# %% [markdown]
# Now train only the position of neuron A, so that it wins for pattern A. Where will it settle?

# %%
inputs = torch.tensor([[0.0, 0.0], [10.0, 0.0]], dtype=torch.float64)  # ms
neuron_b = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
neuron = EventLIF(tau=20.0, tau_syn=5.0, dt=0.1)
lag = round(4.0 / neuron.dt)
patterns = Events.from_first_steps(torch.tensor([[0, lag], [lag, 0]]), round(35 / neuron.dt))


def distance_delays(pre, post):
    return torch.sqrt(0.01 + (pre[:, None] - post[None]).square().sum(-1))


def first_times(positions):
    """First spike times [pattern, neuron] in ms, of neurons at these positions."""
    weights = torch.full((2, len(positions)), 0.27, dtype=torch.float64)
    out = run_events(patterns, weights, distance_delays(inputs, positions), neuron=neuron)
    lanes = (out.spikes.samples() * len(positions) + out.spikes.units).numpy()
    found, first = np.unique(lanes, return_index=True)
    assert len(found) == 2 * len(positions)  # every neuron spikes in both patterns
    return out.times[torch.from_numpy(first)].view(2, -1)


# %%
mover = torch.tensor([[2.5, 1.0]], dtype=torch.float64, requires_grad=True)
optimizer, answers = torch.optim.Adam([mover], lr=0.1), torch.tensor([0, 1])
track, rights = [], []
for _ in range(n_moves):
    times = first_times(torch.cat([mover, neuron_b]))
    loss = torch.nn.functional.cross_entropy(-times, answers)
    optimizer.zero_grad()
    loss.backward()
    track.append(mover.detach()[0].tolist())
    optimizer.step()
    rights.append((times.argmin(1) == answers).double().mean().item())
print(f"right: {rights[0]:.0%} at the start, {rights[-1]:.0%} at the end")
print(f"neuron A at x = {track[-1][0]:.1f} ms, y = {track[-1][1]:.1f} ms")
assert (rights[0], rights[-1]) == (0.5, 1.0)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
side = 60 if full_run else 12
xs, ys = torch.linspace(1, 10.5, side), torch.linspace(-3, 3, side)
mesh = torch.stack(torch.meshgrid(xs, ys, indexing="xy"), -1).view(-1, 2).double()
with torch.no_grad():
    early = first_times(torch.cat([mesh, neuron_b]))
lead = early[:, :-1] - early[:, -1:]  # [pattern, position]: negative where A comes first
map_loss = torch.nn.functional.softplus(lead * torch.tensor([[1.0], [-1.0]])).mean(0)
_, ax = plt.subplots(figsize=(7, 3.4))
shade = ax.contourf(xs, ys, map_loss.view(side, side), levels=20, cmap="Greys")
ax.plot(*np.transpose(track), ".-", color=ORANGE, ms=3, lw=1)
ax.plot(*track[0], "o", color="white", mec=ORANGE, ms=9, mew=2)
ax.plot(*track[-1], "o", color=ORANGE, ms=9)
ax.plot(*inputs.T, "^", color=BLUE, ms=11)
ax.plot(*neuron_b.T, "s", color=GREEN, ms=9)
for words, (x, y), color in (("A, start", (2.3, 1.45), ORANGE), ("A, end", (8.2, 0.5), ORANGE),
                             ("B", (3.0, -0.75), GREEN), ("input", (0.0, 0.5), BLUE),
                             ("input", (10.0, -0.8), BLUE)):  # fmt: skip
    box = dict(fc="white", ec="none", alpha=0.7, pad=1)
    ax.text(x, y, words, color=color, ha="center", bbox=box)
ax.set(xlabel="x (ms)", ylabel="y (ms)", aspect="equal", xlim=(-0.6, 10.6))
plt.colorbar(shade, label="loss (nats)", shrink=0.8)
plt.show()

# %% [markdown]
# *The figure shows the path of neuron A; the shading is the loss at every position that A could
# have.* Neuron A settles at x = 8.2<!-- settled 0.1 --> ms, a little beyond x = 7, where both
# spikes of pattern A arrive together. Further right, neuron A fires even later in pattern B, which
# lowers the loss a little more.
#
# Positions limit the delays: with inputs 10 ms apart, no neuron in the plane is 1 ms from one and
# 20 ms from the other.
#
# ### Exercise 3: Which delays are possible? (5 min)
#
# Two senders lie `gap` ms apart in the plane. Is there a position with the delays `d1` and `d2`
# from these senders? (Leave out the 0.01.)


# %% tags=["exercise"]
def possible(gap, d1, d2):
    """Three times in ms -> True if a receiver in the plane can have these delays, else False."""
    ...


# %%
if check.possible(possible):
    shares = [possible(10.0, *np.random.default_rng(k).uniform(0, 20, 2)) for k in range(2000)]
    print(f"of delays drawn from 0 to 20 ms, {np.mean(shares):.0%} are possible")

# %% [markdown]
# In return for this limit, a [spatial network](../docs/glossary.md#spatial-network) has fewer
# parameters. The library's `make_delays` returns a module that holds these parameters. The first
# argument of `make_delays` is the form: "0" for no delays, "2" or "3" for the dimensions of the
# positions, "inf" for free delays. The other arguments are the sizes of the populations and the
# connected pairs. In the second network below, 700 inputs project to 300 neurons, which are all
# connected with each other: 700 · 300 + 300 · 299 delays.

# %%
module = make_delays("2", (2, 2), ((0, 1),), layout="normal", seed=0).double()
assert torch.allclose(module()[0], distance_delays(*module.positions))
big = make_delays("3", (700, 300), ((0, 1), (1, 1)))
print(f"700 inputs, 300 neurons: {big.n_synapses:,} delays from {big.n_parameters:,} numbers")

# %% [markdown]
# ## 3. Yin-Yang
#
# Points of a disc belong to three classes: yin, yang, and two dots
# ([Yin-Yang](../docs/glossary.md#yin-yang), Kriener et al. 2022). Each of the features
# $(x, y, 1-x, 1-y)$ becomes one spike, at 0.1 ms plus 4 ms times its value. The class whose output
# neuron spikes first wins.

# %%
cut = slice(None) if full_run else slice(150)


def coded(split):
    """A split with its values as spike times [N, 4], ms."""
    data = datasets.yinyang(split)
    return ArrayDataset(spike_time_encode(data.inputs[cut]), data.targets[cut], 3, data.source)


train_set, test_set = coded("train"), coded("test")
print(f"{train_set!r}\n{test_set!r}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(8.5, 3.4))
points, colors = datasets.yinyang("test").inputs[cut], (BLUE, ORANGE, GREEN)
features = ["x", "y", "1 - x", "1 - y"]
for k, kind in enumerate(("yin", "yang", "dot")):
    mine = test_set.targets == k
    axes[0].scatter(*points[mine, :2].T, s=5, color=colors[k], label=kind)
    rows = np.arange(4) + 0.2 * k - 0.2
    one = test_set.inputs[mine][0][:, None]
    axes[1].eventplot(one, colors=colors[k], lineoffsets=rows, linelengths=0.18)
axes[0].set(xlabel="x", ylabel="y", aspect="equal", xlim=(0, 1.45))
axes[0].legend(loc="center right")
axes[1].set(xlabel="time (ms)", yticks=range(4), yticklabels=features)
plt.show()

# %% [markdown]
# *The figure shows the test samples on the left, and the spikes of one sample of each class on the
# right.*
#
# The networks have only 5 hidden neurons, which spike at most once; gradients are exact. Each
# silent hidden neuron adds to the loss the distance from its peak to the threshold (`wake`; see
# exercise 2 of 501). Chance is 33 %. How accurate are such networks without delays, and with them?
#
# <details><summary>Make a guess, then open</summary>
# Without delays a hidden neuron can only weight its four input spikes: the networks reach 83 to
# 92 %. With delays it can also shift when each spike arrives.
# </details>
#
# Delays are free (a number for each of the 35 synapses) or come from positions in the plane (two
# numbers for each of the 12 neurons). As a control, each kind is also trained with **frozen**
# delays, which keep their random values.
#
# ### Exercise 4: Freeze the delays (3 min)
#
# `net.delays` is the module that holds the positions or free delays. Return the same network,
# changed so that an optimizer of `net.parameter_groups(lr)` trains its weights but not its delays.


# %% tags=["exercise"]
def freeze(net):
    """A FirstSpikeNetwork -> the same network; training leaves its delays as they are."""
    ...


# %%
check.freeze(freeze)

# %% [markdown]
# ## 4. Having delays, and learning them

# %%
kinds = {  # name: form of the delays, whether they are learned, options
    "no delays": ("0", False, {}),
    "positions, frozen": ("2", False, dict(position_std=0.75)),
    "positions, learned": ("2", True, dict(position_std=0.75)),
    "free, frozen": ("inf", False, dict(delay_mean=1.0, delay_std=0.5)),
    "free, learned": ("inf", True, dict(delay_mean=1.0, delay_std=0.5)),
}


def network(kind, seed):
    form, learned, options = kinds[kind]
    net = FirstSpikeNetwork((4, n_hidden, 3), form, seed=seed, **options)
    net.delays.requires_grad_(learned)
    return net


def train(net, seed):
    """Train on all samples; returns the test accuracy after each epoch (only to plot it)."""
    optimizer = torch.optim.Adam(net.parameter_groups(1e-2, 3e-2))  # weights, delays
    options = dict(objective=partial(net.objective, wake=1.0), schedule=cosine, seed=seed)
    options |= dict(epochs=epochs, batch_size=150, progress=False, log=lambda line: None)
    return jarvis.fit(net, train_set, test_set, optimizer=optimizer, **options).column("val_acc")


# %%
nets = {kind: [network(kind, seed) for seed in range(n_seeds)] for kind in kinds}
curves = {kind: [train(net, seed) for seed, net in enumerate(nets[kind])] for kind in kinds}
with torch.no_grad():
    correct = {
        kind: np.stack(
            [(net(test_set.inputs).argmax(1) == test_set.targets).numpy() for net in each]
        )
        for kind, each in nets.items()
    }
accuracy = {kind: 100 * values.mean() for kind, values in correct.items()}
for kind, values in correct.items():
    print(f"{kind:20s}{accuracy[kind]:5.1f} %   seeds:", (100 * values.mean(1)).round(1))

# %%
pairs = {
    "positions: learned - frozen": ("positions, learned", "positions, frozen"),
    "free: learned - frozen": ("free, learned", "free, frozen"),
    "positions, frozen - no delays": ("positions, frozen", "no delays"),
    "free, frozen - no delays": ("free, frozen", "no delays"),
    "free - positions, learned": ("free, learned", "positions, learned"),
    "free - positions, frozen": ("free, frozen", "positions, frozen"),
}
gains = {name: paired_interval(correct[a], correct[b]) for name, (a, b) in pairs.items()}
for name, d in gains.items():
    print(f"{name:32s}{100 * d.mean:+5.1f}  [{100 * d.low:+.1f}, {100 * d.high:+.1f}]")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9, 3.2), width_ratios=(1.1, 1))
look = {"no delays": (GREY, "-"), "positions, frozen": (BLUE, ":"), "positions, learned": (BLUE, "-"),
        "free, frozen": (PURPLE, ":"), "free, learned": (PURPLE, "-")}  # fmt: skip
for kind, (color, style) in look.items():
    mean = 100 * np.mean(curves[kind], 0)
    axes[0].plot(range(1, len(mean) + 1), mean, style, color=color, label=kind)
axes[0].set(xlabel="epoch", ylabel="test accuracy (%), mean", ylim=(60 if full_run else 0, 100))
axes[0].legend(loc="lower right")
for row, d in enumerate(gains.values()):
    bars = [[100 * (d.mean - d.low)], [100 * (d.high - d.mean)]]
    axes[1].errorbar(100 * d.mean, row, xerr=bars, fmt="o", color="black", capsize=3)
axes[1].axvline(0, color=GREY, lw=1)
axes[1].set(xlabel="difference (points)", ylim=(len(gains) - 0.4, -0.6))
axes[1].set_yticks(range(len(gains)), gains)
plt.show()
if full_run:
    assert gains["positions: learned - frozen"].low > 0
    assert gains["free: learned - frozen"].low > 0
    assert gains["positions, frozen - no delays"].low < 0
    assert gains["free, frozen - no delays"].low < 0
    assert gains["free - positions, learned"].low > 0

# %% [markdown]
# *The figure shows the test accuracy during training (left), and six differences with their 95 %
# intervals (right; bootstrap over networks and test samples).*
#
# | 5 hidden neurons | frozen | learned | learned - frozen |
# |---|---|---|---|
# | no delays | 87.9<!-- none 0.2 --> % | | |
# | positions in 2-D | 86.8<!-- positions_frozen 0.2 --> % | 93.6<!-- positions_learned 0.2 --> % | 6.8<!-- positions_gain 0.3 --> [4.8<!-- positions_low 1 -->, 8.8<!-- positions_high 1 -->] |
# | free delays | 90.0<!-- free_frozen 0.2 --> % | 96.3<!-- free_learned 0.2 --> % | 6.3<!-- free_gain 0.3 --> [3.2<!-- free_low 1 -->, 9.2<!-- free_high 1 -->] |
#
# Here most of the gain, perhaps all, comes from the *learning*. Learned free delays are measurably
# better than learned positions, by 2.7<!-- forms_gain 0.3 --> points [0.7<!-- forms_low 1 -->,
# 4.8<!-- forms_high 1 -->]. But the frozen ones are ahead as well, by
# 3.2<!-- frozen_forms_gain 0.3 --> points [1.8<!-- frozen_forms_low 1 -->,
# 4.6<!-- frozen_forms_high 1 -->]: the two kinds start from different delays. Frozen delays are not
# measurably better than no delays: both intervals include 0. Large networks may differ: see
# [505](505_where_delays_help.ipynb).
#
# What does a method without neurons reach? A linear read-out of the spike times, in ten bins for
# each input, is right for 90.8 % of the test samples
# ([Results](../docs/results.md#exact-gradients-yin-yang)). Of these small networks, only those that
# learn their delays clearly beat it.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
axis = torch.linspace(0, 1, 120 if full_run else 30)
square = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)
square = spike_time_encode(torch.cat([square, 1 - square], -1).view(-1, 4))
shown = ("no delays", "positions, learned", "free, learned")
_, axes = plt.subplots(1, 3, figsize=(9, 3.2), sharey=True)
for ax, kind in zip(axes, shown, strict=True):
    label = nets[kind][0](square).argmax(1).view(len(axis), -1)
    ax.contourf(axis, axis, label, levels=[-0.5, 0.5, 1.5, 2.5], colors=colors, alpha=0.35)
    ax.scatter(*points[:, :2].T, s=2, c=[colors[k] for k in test_set.targets])
    ax.set(title=f"{kind}: {100 * correct[kind][0].mean():.1f} %", xlabel="x", aspect="equal")
axes[0].set_ylabel("y")
plt.show()

# %% [markdown]
# *For one network of each of three kinds, the figure shows the class of every point, with the test
# samples on top.*

# %%
fresh, trained = network("positions, learned", 0), nets["positions, learned"][0]
shifts = []
_, ax = plt.subplots(figsize=(5.6, 4.4))
stages = zip(fresh.delays.positions, trained.delays.positions, strict=True)
names = (("input", GREY, "^"), ("hidden", BLUE, "o"), ("output", GREEN, "s"))
for (old, new), (name, color, mark) in zip(stages, names, strict=True):
    old, new = old.detach(), new.detach()
    ax.plot(*torch.stack([old, new]).unbind(-1), color=color, lw=1)
    ax.plot(*new.T, mark, color=color, label=name)
    shifts.append((new - old).norm(dim=1))
for place, feature in zip(trained.delays.positions[0].tolist(), features, strict=True):
    ax.annotate(feature, place, xytext=(7, -3), textcoords="offset points", fontsize=9)
ax.set(xlabel="x (ms)", ylabel="y (ms)", aspect="equal")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
moved = torch.cat(shifts).mean().item()
print(f"a neuron moved by {moved:.2f} ms on average")

# %% [markdown]
# *The figure shows the layout of one network with learned positions: marks are neurons after
# training, and lines lead back to the initial positions.*
#
# [results/yinyang](../results/yinyang) has runs of larger networks with learned delays, of 300
# epochs each.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
kept = {net: {} for net in ("0", "2", "3", "inf")}
for file in sorted(in_repository("../results/yinyang").glob("net_*_hidden_*.json")):
    _, net, _, hidden = file.stem.split("_")
    runs = json.loads(file.read_text())["runs"]
    kept[net][int(hidden)] = [100 * run["test_acc"] for run in runs]
_, ax = plt.subplots(figsize=(6.8, 3.2))
labels = {"0": ("no delays", GREY), "2": ("positions in 2-D", BLUE),
          "3": ("positions in 3-D", GREEN), "inf": ("free delays", PURPLE)}  # fmt: skip
for net, runs in kept.items():
    name, color = labels[net]
    medians = {h: float(np.median(runs[h])) for h in sorted(runs)}
    ax.plot(list(medians), list(medians.values()), ".-", color=color, label=name)
    for hidden, each in runs.items():
        ax.plot([hidden] * len(each), each, ".", color=color, ms=3, alpha=0.5)
ax.set(xlabel="hidden neurons", ylabel="test accuracy (%)")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
ten, sixty = ({net: np.median(runs[h]) for net, runs in kept.items()} for h in (10, 60))
behind = min(ten[net] - ten["0"] for net in ("2", "3", "inf"))
behind_60 = min(sixty[net] - sixty["0"] for net in ("2", "3", "inf"))
assert behind > behind_60 > 0
assert all(sixty[net] > 98 for net in kept)

# %% [markdown]
# *The figure shows the test accuracy of these networks: lines are medians, dots single runs.* With
# 10 hidden neurons, the worst kind of network with delays is 1.0<!-- behind 0.1 --> points ahead of
# the network without delays; with 15 to 60 neurons, 0.0 to 0.7 points, without a clear trend. The
# [results](../docs/results.md) compare them with frozen delays, too: with 10 neurons, most of this
# lead seems to come from learning; with 30, no gain from learning is seen.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
short = {"no delays": "none", "positions, frozen": "positions_frozen"}
short |= {"positions, learned": "positions_learned"}
short |= {"free, frozen": "free_frozen", "free, learned": "free_learned"}
numbers = {"settled": track[-1][0], "moved": moved, "behind": behind}
numbers |= {"behind_60": behind_60}
numbers |= {short[kind]: value for kind, value in accuracy.items()}
for name in ("positions", "free"):
    d = gains[f"{name}: learned - frozen"]
    parts = zip(("gain", "low", "high"), d, strict=True)
    numbers |= {f"{name}_{part}": 100 * value for part, value in parts}
for name, state in (("forms", "learned"), ("frozen_forms", "frozen")):
    parts = zip(("gain", "low", "high"), gains[f"free - positions, {state}"], strict=True)
    numbers |= {f"{name}_{part}": 100 * value for part, value in parts}
record("results/503_positions.json", numbers, full=full_run)

# %% [markdown]
# ## Summary
#
# 1. **Distance is delay**: $d = |r_i - r_j|$ at one unit per ms, and the chain rule turns gradients
#    of delays into gradients of positions.
# 2. **A position can solve a task** with fixed weights: two spikes arrive together where the
#    distances to their senders differ by as much as their times.
# 3. **Frozen delays are the control.** On Yin-Yang with five hidden neurons, learned delays beat
#    frozen ones, and frozen delays are not measurably better than no delays.
# 4. **With 15 to 60 hidden neurons** the lead of networks with delays is smaller than with 10.
#
# ## Further reading
#
# - Landsmeer et al. (2025), [arXiv:2512.10011](https://arxiv.org/abs/2512.10011). Positions instead
#   of delays.
# - Kriener, Göltz & Petrovici (2022), *The Yin-Yang dataset*, NICE,
#   [doi:10.1145/3517343.3517380](https://doi.org/10.1145/3517343.3517380).
# - Mészáros, Knight & Nowotny (2025), Nat. Commun. 16,
#   [arXiv:2501.07331](https://arxiv.org/abs/2501.07331). Exact gradients with delays.
# - D'Agostino et al. (2024), *DenRAM: neuromorphic dendritic architecture with RRAM for efficient
#   temporal processing with delays*, Nat. Commun. 15:3446,
#   [doi:10.1038/s41467-024-47764-w](https://doi.org/10.1038/s41467-024-47764-w). Random delays that
#   are not learned.
#
# ## Next
#
# [504](504_spoken_digits.ipynb): networks with delays on spoken digits.
