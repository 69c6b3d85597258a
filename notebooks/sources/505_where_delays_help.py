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
# # Find out whether learning delays helps
#
# Suppose that a network with learned delays beats a network without delays. This difference mixes
# two questions: does it help to *have* delays, and does it help to *learn* them? You separate these
# questions on spoken digits, with six kinds of networks that store about equally many numbers
# (weights and delays, learned or not).
#
# **Time.** 55 minutes for you, 3 minutes for the machine.
#
# **You need.** [504](504_spoken_digits.ipynb): the words, and how a spatial network is trained.
# [503](503_positions.ipynb): frozen delays as a control.
#
# **Leads to.** [Results](../docs/results.md), where the tables of the large networks are.
#
# ## Objectives
#
# After this lesson you can
#
# 1. count the parameters of networks with and without delays, and compare them at equal numbers,
# 2. design the controls that separate having delays from learning them,
# 3. put a paired interval on a difference, and say what follows from it and what does not,
# 4. explain why a trained network can depend on delays that it did not have to learn.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import base64
import copy
import json
from functools import partial

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import EventLIF, SpatialNetwork, datasets, spatial
from jarvis.classroom import lesson
from jarvis.classroom.check import where_delays_help as check
from jarvis.classroom.comparison import paired_interval
from jarvis.classroom.results import in_repository, record
from jarvis.datasets import CHANNELS, Augmentation, held_out
from jarvis.plotting import BLUE, GREY, ORANGE, PURPLE
from jarvis.spatial import SpatialRun, make_delays
from jarvis.spatial.delays import euclidean_delays
from jarvis.training import warmup_cosine

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_words": 64, "epochs": 1, "n_seeds": 2}}
full_run = True  # False for other values: the numbers in the text belong to these
n_words = 1600  # to learn from
n_hidden = 30  # neurons of the networks with positions
epochs = 6
n_seeds = 3  # networks of each kind

# %% [markdown]
# ## 1. What would be a fair comparison?
#
# The words are the spoken digits of lesson 504, from the [SHD](../docs/glossary.md#shd). All words
# of two speakers are held out of training, and every accuracy in sections 2 to 4 is measured on
# them.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
try:
    whole = datasets.shd("train+val", download=False)
except datasets.MissingDataError as error:
    print(str(error).split(": put")[0])
    whole = datasets.shd_like("train+val")
on_shd = whole.source.startswith("SHD")
as_stated = "rebuilt" in whole.source  # the data that the numbers of the text are from
train, val = held_out(whole.on_grid(1.0, 1000 if on_shd else 600))
train, val = train.subset(n_words), val if full_run else val.subset(50)
n_epochs = epochs if on_shd else 2 * epochs  # generated words have a tenth of the events
print(f"to learn from: {train}\nto measure on: {val}")

# %% [markdown]
# A network with $n$ hidden neurons has a [weight](../docs/glossary.md#synaptic-weight) for each of
# its synapses: from the 700 channels, and from the other hidden neurons. Delays need numbers of
# their own. Free delays take one number per synapse; positions in $D$ dimensions take $D$ numbers
# per neuron and per channel. More numbers alone may make a network better. So give each kind as
# many neurons as the same budget pays for.
#
# ### Exercise 1: Count the parameters (6 min)
#
# Return the number of weights and delays (or coordinates) of a network with 700 channels and `n`
# hidden neurons, without its read-out. `net` is "0" for no delays, "inf" for free delays, "2" or
# "3" for positions in that many dimensions.


# %% tags=["exercise"]
def parameters(net, n):
    """Form of the delays and number of hidden neurons -> number of weights and delays."""
    ...


# %%
if check.parameters(parameters):
    for n in (30, 100, 300):
        print(f"{n:3d} neurons:", {net: parameters(net, n) for net in ("0", "3", "inf")})


# %% [markdown]
# With the budget of 30 neurons in three dimensions, how many neurons can the other kinds have?


# %%
def counted(net, n):
    delays = make_delays(net, (CHANNELS, n), ((0, 1), (1, 1)))
    return delays.n_synapses + delays.n_parameters  # weights, and what the delays learn


budget = counted("3", n_hidden)
widths = {
    net: max(n for n in range(1, 60) if counted(net, n) <= budget) for net in ("0", "3", "inf")
}
for net, n in widths.items():
    print(f"net {net:4s}{n:3d} neurons, {counted(net, n):,} parameters")

# %% [markdown]
# **Frozen** delays stay where they were drawn, and only the weights are learned. Frozen delays
# still count in the budget: with frozen positions a network learns 21,870 of its numbers, with
# frozen free delays only 11,440.
#
# Random positions give delays of 45 ms on average (standard deviation: 20 ms); Landsmeer et al.
# (2025), whose networks these are, draw free delays of 8 ms (standard deviation: 1 ms). Comparing
# these two kinds of delays would change both the form and the start, so we train free delays from
# both starts.

# %%
wide, narrow = dict(delay_mean=45.0, delay_std=20.0), dict(delay_mean=8.0, delay_std=1.0)
kinds = {  # name: form of the delays, whether they are learned, options
    "no delays": ("0", False, {}),
    "positions, frozen": ("3", False, {}),
    "positions, learned": ("3", True, {}),
    "free, frozen": ("inf", False, wide),
    "free, learned": ("inf", True, wide),
    "free, narrow start, learned": ("inf", True, narrow),
}

# %% [markdown]
# **Predict first.** Put your six accuracies into the next cell, in percent; chance is 5 %. The
# figure of section 2 will show them.

# %%
guess = dict.fromkeys(kinds)  # such as {"no delays": 50.0, ...}


# %% [markdown]
# ## 2. The experiment
#
# Everything else is equal, and as in lesson 504: the words and their order, the initial firing
# rate, weights of both signs, the optimiser. A learned network and its frozen twin begin as the
# same network. The learning rate of delays and positions (in ms) is 100 times that of the weights.
# We chose these settings on the same two speakers, for networks with *learned* positions. If these
# settings favour any kind, it is the networks with learned positions.


# %%
def network(kind, seed):
    form, learned, options = kinds[kind]
    options = dict(expected_rate=20.0, signed=True, seed=seed) | options
    net = SpatialNetwork(CHANNELS, widths[form], train.n_classes, form, EventLIF(dt=1.0), **options)
    spatial.scale_to_rate(net, train[:64][0], 20.0)
    net.delays.requires_grad_(learned)
    return net


def trained(net, seed):
    total = n_epochs * -(-len(train) // 32)  # batches of 32 words
    run = SpatialRun(
        net,
        train,
        spatial.spatial_optimiser(net, 5e-3, delay_scale=100.0),
        schedule=partial(warmup_cosine, warmup=min(50, total // 4), total=total, floor=0.05),
        epochs=n_epochs,
        target=spatial.RateTarget(20.0, 1e-6),
        augmentation=Augmentation(channels=20 if on_shd else 5),
        seed=seed,
    )
    spatial.fit_spatial(run, progress=False, log=lambda line: None)
    return net


def right(net):
    """Which of the held-out words a network recognises, [N] bool."""
    return (spatial.evaluate_words(net, val)["predicted"] == val.targets).numpy()


# %%
starts = {kind: [network(kind, seed) for seed in range(n_seeds)] for kind in kinds}
nets = {kind: [trained(copy.deepcopy(net), k) for k, net in enumerate(each)]
        for kind, each in starts.items()}  # fmt: skip
correct = {kind: np.stack([right(net) for net in each]) for kind, each in nets.items()}
print(f"held-out words, % of {val.source}")
for kind, values in correct.items():
    print(f"{kind:28s}{100 * values.mean():5.1f}   seeds:", (100 * values.mean(1)).round(1))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
colors = dict(zip(kinds, (GREY, BLUE, BLUE, PURPLE, PURPLE, ORANGE), strict=True))
_, ax = plt.subplots(figsize=(7, 3))
for row, (kind, values) in enumerate(correct.items()):
    fill = "none" if "frozen" in kind else colors[kind]
    shifts = np.linspace(-0.15, 0.15, n_seeds)  # so that equal results do not hide each other
    ax.plot(100 * values.mean(1), row + shifts, "o", color=colors[kind], mfc=fill, ms=6)
    ax.plot([100 * values.mean()] * 2, [row - 0.3, row + 0.3], color=colors[kind])
    if guess[kind] is not None:
        ax.plot(guess[kind], row, "x", color="black", ms=8)
ax.set_yticks(range(len(kinds)), [f"{kind} ({widths[kinds[kind][0]]})" for kind in kinds])
ax.set(xlabel="accuracy on held-out speakers (%)", ylim=(len(kinds) - 0.5, -0.5))
plt.show()

# %% [markdown]
# *The figure shows the accuracy of the six kinds: one dot per network, a line for their mean,
# hollow dots for frozen delays, crosses for your guesses. The number of neurons is in brackets.* On
# average, networks with free delays did worse than networks without delays. At this budget, a delay
# for each synapse halves the number of neurons. (Or do the delays themselves do harm? A network of
# 16 neurons without delays would tell; section 5 compares equal numbers of neurons.)
#
# Did the learned delays move at all?


# %%
@torch.no_grad()
def moved(kind):
    """How far delays from the channels moved, in ms: in all, and beyond the mean change."""
    pairs = zip(starts[kind], nets[kind], strict=True)
    changes = [b.delays()[0] - a.delays()[0] for a, b in pairs]
    both = [[c.abs().mean().item(), (c - c.mean()).abs().mean().item()] for c in changes]
    return np.mean(both, axis=0)


movement = {kind: moved(kind) for kind, (_, learned, _) in kinds.items() if learned}
for kind, (ms, apart) in movement.items():
    print(f"{kind:28s}mean change {ms:.1f} ms; {apart:.1f} ms without a common shift")
assert (moved("positions, frozen") == 0).all()

# %% [markdown]
# The delays moved: by 14.8<!-- moved_positions 0.1 --> ms on average where positions were learned.
# This is not a shift that all delays have in common: if the mean change is subtracted,
# 14.6<!-- apart_positions 0.1 --> ms are left.
#
# ## 3. Which differences are real?
#
# Three networks of a kind differ among themselves, and another set of words would give other
# numbers. So a difference needs an interval. All networks answered the same words: a mumbled word
# is hard for every network, and cancels in the difference. The
# [bootstrap](../docs/glossary.md#bootstrap) resamples the words, with replacement, and
# looks at how much the difference varies.
#
# ### Exercise 2: Put an interval on a difference (8 min)
#
# `a` and `b` say which of N words two networks got right (bool: convert them to float). Draw N
# words with replacement, `draws` times, and each time take the mean of a - b. Return the bounds of
# the middle 95 % of these means.


# %% tags=["exercise"]
def bootstrap(a, b, rng, draws):
    """a and b [N] bool, a numpy Generator, a number -> low, high, as fractions."""
    ...


# %%
if check.bootstrap(bootstrap):
    a, b = correct["positions, learned"][0], correct["positions, frozen"][0]
    low, high = 100 * np.array(bootstrap(a, b, np.random.default_rng(0), 4000))
    print(f"seed 0, learned - frozen: {100 * (a.mean() - b.mean()):+.1f} [{low:+.1f}, {high:+.1f}]")

# %% [markdown]
# The interval above holds for one pair of networks. `paired_interval` resamples the seeds as well,
# so its intervals also allow for other networks of these kinds (roughly: three seeds are few). They
# do not allow for other speakers: all words are by the same two, on whom the settings were chosen,
# too.

# %%
pairs = {
    "positions, frozen - no delays": ("positions, frozen", "no delays"),
    "free, frozen - no delays": ("free, frozen", "no delays"),
    "free, learned - no delays": ("free, learned", "no delays"),
    "positions: learned - frozen": ("positions, learned", "positions, frozen"),
    "free: learned - frozen": ("free, learned", "free, frozen"),
    "positions - free, learned": ("positions, learned", "free, learned"),
    "free, learned: wide - narrow": ("free, learned", "free, narrow start, learned"),
}
gains = {name: paired_interval(correct[a], correct[b]) for name, (a, b) in pairs.items()}
for name, d in gains.items():
    print(f"{name:32s}{100 * d.mean:+5.1f}  [{100 * d.low:+.1f}, {100 * d.high:+.1f}]")
having, learning = gains["positions, frozen - no delays"], gains["positions: learned - frozen"]
if full_run and as_stated:
    assert having.low > 0
    assert learning.mean < having.mean

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(7, 3.2))
for row, d in enumerate(gains.values()):
    bars = [[100 * (d.mean - d.low)], [100 * (d.high - d.mean)]]
    ax.errorbar(100 * d.mean, row, xerr=bars, fmt="o", color="black", capsize=3)
ax.axvspan(-2, 2, color=GREY, alpha=0.2, lw=0)
ax.axvline(0, color=GREY, lw=1)
ax.set(xlabel="difference (percentage points)", ylim=(len(gains) - 0.5, -0.5))
ax.set_yticks(range(len(gains)), gains)
plt.show()

# %% [markdown]
# *The figure shows seven differences with their 95 % intervals; grey: differences that we would
# call too small to matter.* (Differences are taken before rounding.)
#
# ### Exercise 3: Say what follows (5 min)
#
# An interval that contains 0 does not prove the difference to be 0. Only a short interval around 0
# shows that the difference, if any, is too small to matter. Say beforehand which difference would
# matter to you, and decide, in this order:
#
# 1. the whole interval lies between `-matters` and `matters`: "too small to matter",
# 2. the whole interval lies above 0: "helps"; below 0: "hurts",
# 3. otherwise: "cannot say".


# %% tags=["exercise"]
def decide(low, high, matters):
    """An interval and the smallest difference that matters -> one of the four answers."""
    ...


# %%
if check.decide(decide):
    for name, d in gains.items():
        print(f"{name:32s}{decide(100 * d.low, 100 * d.high, 2.0)}")

# %% [markdown]
# *Having* delays helps, where they are cheap: networks with frozen random positions are
# 4.5<!-- having 0.1 --> points [2.3<!-- having_low 0.3 -->, 6.9<!-- having_high 0.3 -->] better
# than networks without delays. Where delays are expensive, having them does not pay: frozen free
# delays bring -2.9<!-- having_free 0.1 --> points [-5.1<!-- having_free_low 0.3 -->,
# -0.7<!-- having_free_high 0.3 -->], and learned ones -2.5<!-- having_learned 0.1 --> points
# [-6.0<!-- having_learned_low 0.3 -->, 0.8<!-- having_learned_high 0.3 -->]. So positions also beat
# free delays, with nearly twice as many neurons. (The settings of all
# networks were chosen with delays, so part of this may be tuning: see section 5.)
#
# *Learning* delays adds 1.7<!-- learning 0.1 --> points [-0.3<!-- learning_low 0.3 -->,
# 3.9<!-- learning_high 0.3 -->] for positions, and 0.4<!-- learning_free 0.1 --> points
# [-1.9<!-- learning_free_low 0.3 -->, 2.5<!-- learning_free_high 0.3 -->] for free delays. Both
# intervals contain 0, so no gain has been measured. But both reach beyond 2 points, so a gain that
# matters is not excluded.
#
# **Other rounding, other numbers.** These numbers are from one thread. With two threads, sums are
# added in another order and rounded differently. Training then takes another course, as with other
# seeds, and an interval that just misses 0 may then contain it, or the other way round. An interval
# from three seeds is itself uncertain, and usually too short. If it just misses 0, add seeds, as
# section 5 does.
#
# ## 4. Do trained networks need their delays?
#
# One might take another experiment as proof that learned delays matter: change the delays of a
# trained network, and watch the accuracy fall.


# %%
class Given(torch.nn.Module):
    """Delays that are given, in place of a network's own."""

    def __init__(self, *matrices):
        super().__init__()
        self.matrices = matrices

    def forward(self):
        return self.matrices


@torch.no_grad()
def with_delays(net, *matrices):
    """The accuracy of a network that has these delays instead of its own, in percent."""
    changed = copy.deepcopy(net)
    changed.delays = Given(*matrices)
    return 100 * right(changed).mean()


# %% [markdown]
# ### Exercise 4: Shuffle the delays (4 min)
#
# Redistribute the delays in a matrix at random among its synapses.


# %% tags=["exercise"]
def shuffled(delays, generator):
    """A tensor [n, m] in ms and a torch.Generator -> [n, m], the same values in random order."""
    ...


# %%
if check.shuffled(shuffled):
    net, generator = nets["free, learned"][0], torch.Generator().manual_seed(0)
    own = [matrix.detach() for matrix in net.delays()]
    acc = with_delays(net, *(shuffled(matrix, generator) for matrix in own))
    print(
        f"free, learned: {with_delays(net, *own):.1f} % with its own delays, {acc:.1f} % shuffled"
    )

# %% [markdown]
# Positions allow changes of several sizes: add noise to each coordinate, let the hidden neurons
# exchange their positions, or move all channels and neurons to one point, which removes nearly all
# delays.
#
# **And the control?** If the fall shows that the delays had to be *learned*, then it should not
# happen to networks whose delays were never learned.
#
# <details><summary>Make a guess, then open: what happens to networks with frozen delays?</summary>
# They fall as well. Their weights have learned with these particular delays, and fit no others.
# (With 100 neurons and free delays, shuffling leaves 10.9 % if they were learned, and 12.7 % if
# they were frozen, in one network each.)
# </details>


# %%
def noise(size):
    generator = torch.Generator().manual_seed(0)
    return lambda *both: [p + size * torch.randn(p.shape, generator=generator) for p in both]


exchange = torch.randperm(n_hidden, generator=torch.Generator().manual_seed(0))
changes = {  # of the positions of channels c and hidden neurons h
    "as trained": lambda c, h: (c, h),
    "5 ms of noise": noise(5.0),
    "20 ms of noise": noise(20.0),
    "neurons exchange positions": lambda c, h: (c, h[exchange]),
    "all in one point": lambda c, h: (0 * c, 0 * h),
}


@torch.no_grad()
def after(net, change):
    c, h = change(*net.delays.positions)
    return with_delays(net, euclidean_delays(c, h), euclidean_delays(h, h))


changed = {
    kind: {name: [after(net, change) for net in nets[kind]] for name, change in changes.items()}
    for kind in ("positions, frozen", "positions, learned")
}
for kind, table in changed.items():
    print(kind, {name: round(float(np.mean(values)), 1) for name, values in table.items()})
    assert np.allclose(table["as trained"], 100 * correct[kind].mean(1))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(7, 3))
for (kind, table), shift, fill in zip(changed.items(), (-0.14, 0.14), ("none", BLUE), strict=True):
    values = np.array(list(table.values()))  # [changes, seeds]
    rows = np.arange(len(table))[:, None] + shift + np.linspace(-0.06, 0.06, n_seeds)
    ax.plot(values, rows, "o", color=BLUE, mfc=fill, ms=6)
    ax.plot([], [], "o", color=BLUE, mfc=fill, label=kind)
none = 100 * correct["no delays"].mean()
ax.axvline(none, color=GREY, ls="--", label="trained without delays")
ax.axvline(100 / train.n_classes, color="black", ls=":", label="chance")
ax.set_yticks(range(len(changes)), changes)
ax.set(xlabel="accuracy on held-out speakers (%)", ylim=(len(changes) - 0.5, -0.5), xlim=(0, None))
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
plt.show()
one_point = {kind: float(np.mean(table["all in one point"])) for kind, table in changed.items()}
if full_run and as_stated:
    assert max(one_point.values()) < none - 10

# %% [markdown]
# *The figure shows the accuracy of three networks with learned positions (filled) and three with
# frozen positions (hollow), after the positions were changed, without further learning.*
#
# Noise of 5 ms costs little: no position has to be exact. With all channels and neurons at one
# point, networks with learned positions keep 32.2<!-- point_learned 0.1 --> %, and networks whose
# positions were never learned keep 41.7<!-- point_frozen 0.1 --> %. *Both* kinds fall far below
# networks that were trained without delays, 61.2<!-- none 0.1 --> %. So such a fall shows neither
# that delays had to be learned nor that delays are needed. Only training a network without delays
# answers whether delays are *needed*.
#
# Noise of 20 ms is as large as the spread of the positions. It leaves
# 63.1<!-- noise20_frozen 0.1 --> % with frozen positions, and 56.6<!-- noise20_learned 0.1 --> %
# with learned ones. Exchanged positions cost networks with learned positions more, too. This
# suggests that networks with learned positions rely more on where their neurons are. But there are
# three networks, one draw of noise and one exchange; the dots overlap, and learned delays may be
# longer, so that one point changes them more.
#
# ## 5. And in larger networks?
#
# Thirty neurons and 1600 words is not much. `tools/delay_study.py` repeats the comparison with 100
# neurons and all training words, with five seeds of each kind, and uses the test words once. Its
# results are stored with the package, so the next cells only read them.
#
# **Predict first.** Larger networks, five times as many words, five seeds instead of three: will
# the gain from *having* delays grow or shrink? Will a gain from *learning* them appear?


# %%
def unpacked(text, n):
    """Which words were right, from eight bits per byte in base64: [n] bool."""
    return np.unpackbits(np.frombuffer(base64.b64decode(text), np.uint8), count=n).astype(bool)


folder = in_repository("../results/delay_study")
study = {
    "no delays": "core_none",
    "positions, frozen": "core_placed_0",
    "positions, learned": "core_placed_10",
    "free, frozen": "core_free_0",
    "free, learned": "core_free_10",
}
stored = {}
for kind, file in study.items():
    content = json.loads((folder / f"{file}.json").read_text(encoding="utf-8"))
    assert [run["seed"] for run in content["runs"]] == list(range(5))  # so that runs form pairs
    stored[kind] = np.array([unpacked(run["right"], content["words"]) for run in content["runs"]])
    each = " ".join(f"{100 * value:.1f}" for value in stored[kind].mean(1))
    print(f"{kind:20s}{each} % of {content['data']}")

# %%
larger = {name: paired_interval(stored[a], stored[b]) for name, (a, b) in list(pairs.items())[:6]}
for name, d in larger.items():
    print(f"{name:32s}{100 * d.mean:+5.1f}  [{100 * d.low:+.1f}, {100 * d.high:+.1f}]")

# %% [markdown]
# Having delays brings 8.7<!-- larger_having 0.1 --> points for positions. (The best of nine
# settings without delays is 7.7 points behind:
# [Results](../docs/results.md#spoken-digits-having-delays-and-learning-them). In section 3, it was
# 4.5<!-- having 0.1 -->. There the networks and the training set were smaller, the delays shorter
# and the test speakers different, so the two numbers cannot be compared directly.) For frozen free
# delays, with equal numbers of neurons, it is 9.7<!-- larger_having_free 0.1 --> points
# [7.6<!-- larger_having_free_low 0.3 -->, 11.9<!-- larger_having_free_high 0.3 -->]. So free delays
# as such do no harm here. Learned positions do not differ measurably from learned free delays
# (-0.2<!-- larger_forms 0.1 --> points [-1.3<!-- larger_forms_low 0.3 -->,
# 0.8<!-- larger_forms_high 0.3 -->]). Learning delays brings 0.4<!-- larger_learning 0.1 --> points
# for positions, and -0.4<!-- larger_learning_free 0.1 --> points for free delays. Both of these
# intervals contain 0, and both are short: they end at 1.8<!-- larger_learning_high 0.1 --> and
# 0.5<!-- larger_learning_free_high 0.1 --> points. But here delays learn at 10 times the rate of
# the weights, not at 100 times as in section 3. Positions changed a delay by only 2 ms (median);
# free delays changed by 14 ms, but nearly all became shorter together. At this rate, a gain of more
# than about two points is unlikely. At 100 times, one seed each lost 2.1 ± 1.9 points (positions)
# and 1.1 ± 1.8 points (free delays) on the held-out speakers; ± counts the words only
# ([results](../docs/results.md)).
#
# ## 6. Why should the answer depend on the task?
#
# On Yin-Yang ([503](503_positions.ipynb)) learning the positions brought
# 6.8<!-- 503_positions:positions_gain 0.3 --> points, and random positions alone no measurable
# gain. On Yin-Yang a hidden neuron has four input synapses, so four random delays are all it gets.
# On spoken words, a neuron has 700 input synapses, with delays of all lengths, and the *weights*
# can choose among them. This is an explanation, not a result; if it is right, learning delays helps
# more with fewer inputs. The inputs cannot be the whole story: with 30 hidden neurons, no gain from
# learning is seen on Yin-Yang either ([results](../docs/results.md)), but 99 % are right there
# anyway.
#
# The narrow start fits this explanation: delays that all begin near 8 ms leave the weights little
# to choose from, and with a wide start, free delays are 5.2<!-- start 0.1 --> points better
# [0.3<!-- start_low 0.3 -->, 10.9<!-- start_high 0.3 -->]. But this interval almost contains 0, and
# the narrow start is also short (8 ms instead of 45). So this does not test the explanation.
#
# Hammouamri et al. (2024) trained larger feed-forward networks on these words, with another method
# and the same control. In their networks, fixed random delays help, and learned delays help even
# more. Our networks with their kind of learned delays do not show the latter: they reach 93.7 %
# (mean of three seeds), and 93.9 % with frozen delays. But frozen delays that were smoothed in
# training like the learned ones reach only 92.9 %. So learning seems to gain about as much as the
# smoothing costs. And delays have a rival: without delays these two layers reach 81.7 %, but with
# the same inputs and as many parameters as the networks with delays, recurrent LIF neurons without
# delays reach 90.5 %, and a GRU reaches 91.3 % (three seeds each). So a network that is to remember
# what came earlier in a word has two ways: delays, and recurrent weights
# ([results](../docs/results.md#spoken-digits-delays-and-surrogate-gradients)).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
short = {"no delays": "none", "positions, frozen": "positions_frozen"}
short |= {"positions, learned": "positions_learned", "free, frozen": "free_frozen"}
short |= {"free, learned": "free_learned", "free, narrow start, learned": "narrow"}
numbers = {short[kind]: 100 * values.mean() for kind, values in correct.items()}
names = ("having", "having_free", "having_learned", "learning", "learning_free", "forms", "start")
for name, d in zip(names, gains.values(), strict=True):
    numbers |= {name: 100 * d.mean, f"{name}_low": 100 * d.low, f"{name}_high": 100 * d.high}
for name, d in zip(names, larger.values(), strict=False):  # all but the last
    numbers |= {f"larger_{name}": 100 * d.mean, f"larger_{name}_low": 100 * d.low}
    numbers |= {f"larger_{name}_high": 100 * d.high}
for name, kind in (("positions", "positions, learned"), ("free", "free, learned"),
                   ("narrow", "free, narrow start, learned")):  # fmt: skip
    numbers |= {f"moved_{name}": movement[kind][0], f"apart_{name}": movement[kind][1]}
for kind, tail in (("positions, frozen", "frozen"), ("positions, learned", "learned")):
    for name, key in zip(changes, ("own", "noise5", "noise20", "exchange", "point"), strict=True):
        numbers[f"{key}_{tail}"] = float(np.mean(changed[kind][name]))
record("results/505_where_delays_help.json", numbers, full=full_run and as_stated)

# %% [markdown]
# ## Summary
#
# 1. **Equal budgets.** Delays cost parameters: compare networks with equal numbers of parameters.
# 2. **Frozen delays are the control** that separates having delays from learning them.
# 3. **An interval, and a size that matters.** An interval around 0 is evidence against a gain only
#    if it is short.
# 4. **Changing the delays** of a trained network shows what it uses, not what it needed to learn.
# 5. **On these words**, random positions help: by 4.5<!-- having 0.1 --> points at an equal budget,
#    by 8.7<!-- larger_having 0.1 --> with 100 neurons each (7.7 if the network without delays is
#    tuned, too). Learning them slowly added nothing that
#    five seeds could show; a gain of more than about two points is unlikely. With 30 neurons and a
#    tenfold higher rate, it remains undecided whether learning positions helps:
#    1.7<!-- learning 0.1 --> points [-0.3<!-- learning_low 0.3 -->, 3.9<!-- learning_high 0.3 -->].
#
# ## Further reading
#
# - Landsmeer et al. (2025), [arXiv:2512.10011](https://arxiv.org/abs/2512.10011). Positions instead
#   of delays, on spoken digits.
# - Hammouamri, Khalfaoui-Hassani & Masquelier (2024), ICLR,
#   [arXiv:2306.17670](https://arxiv.org/abs/2306.17670). Fixed random delays as a control.
# - Mészáros, Knight & Nowotny (2025), Nat. Commun. 16,
#   [arXiv:2501.07331](https://arxiv.org/abs/2501.07331). Learned delays, with events.
# - Efron & Tibshirani (1993), *An Introduction to the Bootstrap*,
#   [doi:10.1201/9780429246593](https://doi.org/10.1201/9780429246593).
#
# ## Next
#
# [601](601_hodgkin_huxley.ipynb): what spikes are made of.
