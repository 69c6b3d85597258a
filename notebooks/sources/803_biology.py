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
# # Find out whether biology helps
#
# Are neurons that resemble real ones more closely better at controlling a body? You let five kinds
# of neurons balance a pole whose velocities are hidden, on equal terms. One kind wins by far. Then
# you find out what it wins with, what an unequal search for settings can make of the same results,
# and what a study of nine kinds found.
#
# **Time.** 60 minutes for you, 3 minutes for the machine.
#
# **You need.** [801](801_balance.ipynb) (the pole, evolution strategies, memory) and
# [802](802_walk.ipynb). [103](103_synapses_and_state.ipynb): the adaptive threshold.
# [104](104_adex.ipynb): adaptation. The extra packages of `pip install -e ".[control]"`.
#
# **Leads to.** [Results](../docs/results.md#bodies-does-more-biology-help): the tables of the whole
# study. [702](702_three_learners.ipynb): comparing ways of learning.
#
# ## Objectives
#
# After this lesson you can
#
# 1. state what a comparison of neurons holds equal, and what it leaves unequal,
# 2. summarise a few runs by an interquartile mean with a bootstrap interval, and by the probability
#    that a run of one kind beats a run of another,
# 3. find out by ablations and controls which part of a network holds a memory,
# 4. show how an unequal search makes a winner, and why the best of several settings disappoints,
# 5. judge a claim about neurons.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import json
from itertools import combinations

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import biology as check
from jarvis.classroom.comparison import improvement, interquartile_mean
from jarvis.classroom.results import in_repository, record
from jarvis.control import EvolutionSettings, evolve, task
from jarvis.control.requirements import required
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from jarvis.zoo import ZOO

required("gymnasium")  # says what to install if it is missing
lesson.begin("gymnasium")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "budget": 1500, "n_seeds": 2, "noises": [0.2]}}
full_run = True  # tests set False and shrink the numbers
budget = 80_000  # control steps of training of each run
n_seeds = 5  # reported runs of each kind
noises = [0.1, 0.2]  # settings to try: the size of the weight changes of the evolution strategy,
gains = [1.0, 2.0]  # and a factor on the input of the neurons

# %% [markdown]
# ## 1. What do you expect?
#
# These nine kinds of neurons can be used in a policy. Some have been the subject of a lesson. For
# the others, the table says all that you need here:
#
# | kind | what a neuron remembers | lesson |
# |---|---|---|
# | linear | there are no neurons: the outputs are weighted sums of the observations | 801 |
# | tanh | nothing; the output is a smooth function of the input, not a spike | 802 |
# | LIF | a potential that decays within 20 ms | 101 |
# | adaptive LIF | also a threshold: it rises with each spike and recovers within 200 ms | 103 |
# | AdEx | also an adaptation current: it grows with each spike and with the potential | 104 |
# | QIF (quadratic integrate-and-fire) | a potential that makes the upstroke of the spike itself | 602 |
# | Izhikevich | as QIF, and a *recovery variable* $u$, which jumps up with each spike, opposes the input, and decays within 50 ms | 603 |
# | resonate-and-fire | a potential that oscillates, so inputs in its own rhythm count most | 603 |
# | Hodgkin-Huxley | a potential, and three variables for the opening of ion channels | 601 |
#
# The rows are roughly sorted by how closely a neuron resembles a real one. Should the lower rows be
# better at controlling a body? There are reasons on both sides.
#
# **Biology may help.** A body has a speed, and what it will do next depends on its past. Each slow
# variable is a memory that needs no training. An adaptive neuron responds most strongly to a
# *change* of its input, and a change is what one has to know about an observation whose velocity is
# hidden. A resonator could respond to the rhythm of a swinging pole.
#
# **Or it may not.** A memory can do harm: in 801, a single trace made the policy late. A task that
# shows everything needs no memory at all. The time constants were measured in cells that do not
# balance poles. And with spikes, a neuron can say less in a few milliseconds than a tanh unit.
#
# **Predict first.** In the small experiment of this lesson the velocities of the pole are hidden.
# Write down the mean return that you expect from each kind. Random pushes reach about
# 23<!-- 801_balance:chance 3 --> steps, a trained policy without memory about
# 45<!-- 801_balance:blind_none 6 -->, and 500 is the maximum. Then name the kind that you expect to
# win in each of three tasks of the full study (section 6).

# %%
guess = dict.fromkeys(["tanh", "LIF", "adaptive LIF", "resonate-and-fire", "Izhikevich"])
favourite = dict.fromkeys(["pole", "blind", "cheetah"])  # all velocities seen; hidden; 802's body

# %% [markdown]
# ## 2. Five kinds on equal terms
#
# The task is that of section 5 in 801: CartPole without velocities. The policy sees the position of
# the cart and the angle of the pole. All five networks have one layer of 32 neurons, without
# recurrent connections. The spiking ones take four steps of 1 ms per control step (of 20 ms of the
# body's time). The read-out is the neurons' rate during these four steps. So **the read-out
# remembers nothing: only the state of the neurons is kept** from one control step to the next. All
# other memory, such as the traces of 801, is left out on purpose.
#
# Two settings of the evolution strategy are not obvious: how large the random changes of the
# weights should be, and how strongly the neurons are driven. For each kind, all four combinations
# are tried in a run with seed 1000. The combination with the highest *score*, which is the mean
# return over all evaluations during training, is then used for the seeds 0 to 4. Only these are
# reported.

# %%
blind = task("CartPole-v1", hide_velocities=True)
SETTINGS = [dict(noise=noise, gain=gain) for noise in noises for gain in gains]
KINDS = {
    "tanh": dict(neuron="tanh", steps=1),  # four equal steps would give the same
    "LIF": dict(neuron="lif"),
    "adaptive LIF": dict(neuron="alif"),
    "resonate-and-fire": dict(neuron="rf"),
    "Izhikevich": dict(neuron="izhikevich"),
}


def network(options, gain):
    usual = 1.0 if options["neuron"] == "tanh" else 0.2
    return blind.policy(**dict(hidden=(32,), readout="rate", drive=usual * gain) | options)


def run(options, setting, seed):
    """Train a network; returns its score, and its mean return in 50 new episodes."""
    trained, history = evolve(
        blind, network(options, setting["gain"]), budget=budget, every=4, episodes=10, seed=seed,
        settings=EvolutionSettings(8, 8, setting["noise"], setting["noise"] / 2),
        progress=False, log=lambda line: None,
    )  # fmt: skip
    score = np.mean([epoch["return"] for epoch in history.epochs])
    return score, trained.evaluate(50).returns.mean()


def search(options):
    """The setting with the highest score."""
    return max(SETTINGS, key=lambda setting: run(options, setting, seed=1000)[0])


def reported(options, setting):
    return np.array([run(options, setting, seed)[1] for seed in range(n_seeds)])


# %%
chosen, returns = {}, {}
for kind, options in KINDS.items():
    chosen[kind] = search(options)
    returns[kind] = reported(options, chosen[kind])
    print(f"{kind:18s}", chosen[kind], "returns:", np.sort(returns[kind]).round())


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def dots(ax, rows, color):
    """One dot per run, and a line for the mean of the middle half of the runs."""
    for row, (_, values) in enumerate(rows.items()):
        ax.plot(values, [row] * len(values), "o", color=color(row), ms=6, alpha=0.7)
        ax.plot([interquartile_mean(values)[0]] * 2, [row - 0.3, row + 0.3], color=color(row))
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel="mean return (steps)", xlim=(0, 510), ylim=(len(rows) - 0.5, -0.5))


_, ax = plt.subplots(figsize=(7, 2.8))
dots(ax, returns, lambda row: BLUE if row else GREY)
for row, value in enumerate(guess.values()):
    if value is not None:
        ax.plot(value, row, "x", color="black", ms=8)
plt.show()

# %% [markdown]
# *The figure shows the return of five runs of each kind without velocities, one dot per run;
# crosses are your guesses.* TEXT
#
# ## 3. What do five runs tell?
#
# Runs of one kind differ a lot, so what we report has to say two things: a typical return, and how
# far this number can be trusted. The plain mean is a bad choice if runs can fail: one failure out
# of five moves it far away. The median does not have this problem, but it uses only the run in the
# middle. Agarwal et al. (2021) recommend the **[interquartile
# mean](../docs/glossary.md#interquartile-mean)**: leave out the lowest quarter and the highest
# quarter of the runs, and take the mean of the rest. In the figure above, it is the line.
#
# The [bootstrap](../docs/glossary.md#bootstrap) shows how far to trust it. Suppose that the runs
# you have are all runs that there are. Draw as many from them as you have, with replacement: some
# runs come up twice and others not at all. Compute the interquartile mean of this draw, and repeat.
# The middle 95 % of the results are an interval.
#
# ### Exercise 1: Take the middle half (7 min)
#
# Write both. Of $n$ runs, leave out the $n/4$ lowest and the $n/4$ highest, rounded down
# (`n // 4`).


# %% tags=["exercise"]
def middle_half(values, rng, draws):
    """values [n], a numpy Generator, a number -> mean, low, high."""
    ...


# %%
if check.middle_half(middle_half):
    mean, low, high = middle_half(returns["Izhikevich"], np.random.default_rng(0), 4000)
    print(f"Izhikevich: {mean:.0f} ({low:.0f} to {high:.0f})")

# %% [markdown]
# A difference of two means is hard to judge if returns are spread as unevenly as here. A simpler
# question is: **if I train one network of each kind, which one will be better?** The [probability
# of improvement](../docs/glossary.md#probability-of-improvement) is the probability that a run of
# kind a has a higher return than a run of kind b. It is 0.5 if the kinds are equal.
#
# ### Exercise 2: Compare all pairs (4 min)
#
# Estimate this probability from the runs of both kinds. Their numbers can differ. A tie counts
# half: on an easy task, many runs reach exactly 500.


# %% tags=["exercise"]
def beats(a, b):
    """Returns a [n] and b [m] -> the probability that a run of a beats a run of b."""
    ...


# %%
if check.beats(beats):
    print(f"Izhikevich beats LIF: {beats(returns['Izhikevich'], returns['LIF']):.2f}")

# %% [markdown]
# The library has both, each with its bootstrap interval.

# %%
typical = {kind: interquartile_mean(values) for kind, values in returns.items()}
against_lif = {kind: improvement(values, returns["LIF"]) for kind, values in returns.items()}
for kind in returns:
    (mean, low, high), (p, below, above) = typical[kind], against_lif[kind]
    print(f"{kind:18s}{mean:4.0f} ({low:3.0f} to {high:3.0f})   "
          f"beats LIF: {p:.2f} ({below:.2f} to {above:.2f})")  # fmt: skip
if full_run:
    assert returns["Izhikevich"].min() > returns["LIF"].max()

# %% [markdown]
# Every Izhikevich run beats every LIF run. The bootstrap gives an interval from 1 to 1, which
# cannot be true: it only ever draws runs that have been seen. A better argument counts orders. If
# the two kinds were equal, the ten runs would come in a random order, and the probability that the
# five runs of one particular kind are all at the top would be $1/\binom{10}{5} = 1/252$. So it is
# hardly chance. **But is it the biology?**
#
# ## 4. Where does the memory sit?
#
# What does an Izhikevich neuron do that a LIF neuron does not? Let the input of 400 untrained
# neurons jump up at one moment and then stay constant. How does their rate follow?
#
# <details><summary>Make a guess, then open: which kinds tell that the input has *changed*?</summary>
#
# Those whose slow variable grows with each spike and opposes the input: adaptive LIF and
# Izhikevich. At first they fire fast, and then more and more slowly.
# </details>


# %%
def rate_after_jump(options, gain, n=400, before=30, after=30):
    """The rate of n neurons in each control step, in units of the rate at the end."""
    biases = torch.tensor(1 + 0.5 * np.random.default_rng(0).normal(size=n), dtype=torch.float32)
    z = torch.zeros(before + after).index_fill(0, torch.arange(before, before + after), 1.0)
    policy = network(options | dict(hidden=(n,)), gain)
    x = policy.drive * (z.repeat_interleave(4)[:, None] + biases)
    with torch.no_grad():
        spikes, _ = policy.layer()(x[:, None])
    rates = spikes.view(before + after, 4 * n).mean(1).numpy()
    return rates[before - 5 :] / rates[-10:].mean()


without = dict(neuron="izhikevich", values=dict(d=0.0))  # u does not jump at a spike
stronger = dict(neuron="alif", values=dict(beta=1.0))  # ten times the adaptation
answers = {kind: rate_after_jump(KINDS[kind], chosen[kind]["gain"]) for kind in list(KINDS)[1:]}
answers["Izhikevich, d = 0"] = rate_after_jump(without, chosen["Izhikevich"]["gain"])
answers["adaptive LIF, strong"] = rate_after_jump(stronger, chosen["adaptive LIF"]["gain"])
overshoot = {name: values[5:8].max() for name, values in answers.items()}
print("highest rate after the jump, in units of the last:",
      {name: round(float(peak), 1) for name, peak in overshoot.items()})  # fmt: skip

# %% tags=["hide-input", "card"] jupyter={"source_hidden": true}
styles = [(GREY, "-"), (ORANGE, "-"), (GREEN, "-"), (BLUE, "-"), (BLUE, ":"), (ORANGE, ":")]
_, ax = plt.subplots(figsize=(8, 3.2))
for (name, values), (color, ls) in zip(answers.items(), styles, strict=True):
    ax.plot(np.arange(-5, len(values) - 5), values, color=color, ls=ls, label=name)
ax.set(xlabel="control steps after the jump", ylabel="rate (units of the last)", ylim=0)
ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# *The figure shows the rate of 400 neurons of each kind when their input jumps at 0, in units of
# the rate at the end.* TEXT
#
# So there is a hypothesis: **the slow variable acts like the difference of two traces in 801. It
# shows the change, and with it the velocity.** If that is right, then
#
# 1. Izhikevich neurons whose state starts at rest in each control step (*forgets*) should fail,
# 2. so should Izhikevich neurons whose $u$ does not jump at a spike ($d = 0$),
# 3. adaptive LIF neurons with ten times the adaptation ($\beta = 1$) should get better, and
# 4. tanh units, which remember nothing, should succeed if their *read-out* has two traces.
#
# Taking away one part, as in 1 and 2, is called an [ablation](../docs/glossary.md#ablation). The
# fourth network is the most important: it has the memory without the biology. Its two time
# constants are those of 801, half a control step and two and a half. Its settings are searched like
# those of the other kinds; the others use the settings of the kind that they belong to.

# %%
traces = dict(neuron="tanh", steps=1, readout="trace", tau_trace=(0.5, 2.5))
izhikevich = chosen["Izhikevich"]
CONTROLS = {
    "Izhikevich, forgets": (KINDS["Izhikevich"] | dict(persistent=False), izhikevich),
    "Izhikevich, d = 0": (without, izhikevich),
    "adaptive LIF, strong": (stronger, chosen["adaptive LIF"]),
    "tanh, two traces": (traces, search(traces)),
}
for name, (options, setting) in CONTROLS.items():
    returns[name] = reported(options, setting)
    typical[name] = interquartile_mean(returns[name])
    print(f"{name:21s}returns:", np.sort(returns[name]).round())
if full_run:
    assert max(returns["Izhikevich, forgets"].max(), returns["Izhikevich, d = 0"].max()) < 100
    assert returns["tanh, two traces"].min() > returns["LIF"].max()
    assert improvement(returns["adaptive LIF, strong"], returns["adaptive LIF"])[1] > 0.5

# %% tags=["hide-input"] jupyter={"source_hidden": true}
order = ["tanh", "LIF", "adaptive LIF", "resonate-and-fire", "Izhikevich", *CONTROLS]
colors = [GREY, *[BLUE] * 4, *[RED] * 2, ORANGE, GREEN]
_, ax = plt.subplots(figsize=(7, 3.8))
dots(ax, {name: returns[name] for name in order}, lambda row: colors[row])
ax.axhline(4.5, color=GREY, lw=1, ls=":")
plt.show()

# %% [markdown]
# *The figure shows the runs of section 2 above the dotted line, and below it the two ablations
# (red), stronger adaptation (orange) and tanh units with two traces in the read-out (green).* TEXT
#
# ## 5. What does "equal" mean?
#
# The kinds above had equal numbers of neurons, of control steps and of settings tried. That is not
# everything. Here are costs in the study of section 6, in which the pole's velocities were visible:
# the number of parameters, of synaptic operations per control step (multiplications or additions at
# synapses) and of neuron steps, and the processor time of a run.

# %%
folder = in_repository("../results/control")
TITLES = {
    "linear": "linear", "tanh": "tanh", "lif": "LIF", "alif": "adaptive LIF", "adex": "AdEx",
    "qif": "QIF", "izhikevich": "Izhikevich", "rf": "resonate-and-fire",
    "hodgkin_huxley": "Hodgkin-Huxley", "escape_lif": "LIF, escape noise",
}  # fmt: skip


def stored(part):
    """The results of a part of the study, by kind; kinds that have not been run are left out."""
    paths = {kind: folder / part / f"{kind}.json" for kind in TITLES}
    found = {k: json.loads(path.read_text("utf-8")) for k, path in paths.items() if path.exists()}
    return {kind: content for kind, content in found.items() if content["runs"]}


pole = stored("pole")
assert pole, "results/control is missing: run this notebook within the repository"
seconds = {}
for kind, content in pole.items():
    seconds[kind] = np.median([each["seconds"] for each in content["runs"]])
    steps = content["steps"] * (ZOO[kind].hidden.steps if kind in ZOO else 1)
    print(f"{TITLES[kind]:18s}{content['parameters']:4d} parameters, "
          f"{content['runs'][0]['operations']:3.0f} operations, {steps:2d} neuron steps, "
          f"{seconds[kind]:.1f} s")  # fmt: skip

# %% [markdown]
# Except for the linear policy, all kinds have as many parameters and operations. But a
# Hodgkin-Huxley neuron takes ten steps of 0.1 ms where a LIF neuron takes one, each with many more
# computations. With hundreds of inputs per neuron the synapses would dominate; here a run takes
# 2.9<!-- hh_ratio 15% --> times as long. No comparison can hold everything equal: at equal time,
# Hodgkin-Huxley neurons would get a third of the training. **So state what is equal, and what is
# not.**
#
# ### The search counts, too
#
# The study tried eight settings of each kind, in two runs each. The files contain all scores, also
# those of the settings that were not chosen.

# %%
scores = {kind: np.array([entry["scores"] for entry in content["search"]])
          for kind, content in pole.items()}  # fmt: skip
for kind in ("lif", "adex"):
    print(f"{TITLES[kind]:8s}scores of eight settings:", np.sort(scores[kind].mean(1)).round())

# %% [markdown]
# Suppose that one group develops AdEx networks. It tries all eight settings of its own network, and
# for comparison one setting of a LIF network. How often does AdEx come out ahead? And if a group of
# LIF enthusiasts does the opposite? To answer this, average over all choices of settings.
#
# ### Exercise 3: The best of k settings (5 min)
#
# You have the scores of $n$ settings. Somebody tries $k$ of them, chosen at random and all
# different, and reports the best. What is the reported score on average?


# %% tags=["exercise"]
def best_of(scores, k):
    """scores [n] and a number k -> the mean, over all choices of k settings, of the best score."""
    ...


# %%
if check.best_of(best_of):
    for kind in ("lif", "adex"):
        print(TITLES[kind], [round(best_of(scores[kind].mean(1), k)) for k in (1, 2, 4, 8)])


# %%
def best(kind, k):
    """The best scores of all choices of k settings."""
    return np.array([max(tried) for tried in combinations(scores[kind].mean(1), k)])


ahead = {}
for k, j in ((1, 1), (8, 1), (1, 8), (8, 8)):
    ahead[k, j] = np.mean(best("adex", k)[:, None] > best("lif", j))
    print(f"AdEx with {k}, LIF with {j}: AdEx is ahead in {100 * ahead[k, j]:.0f} % of the choices")

# %% [markdown]
# With eight settings against one, **the winner is whoever has searched**: AdEx in
# 100<!-- adex_searched 0.5 --> % of all choices, or LIF in 100<!-- lif_searched 0.5 --> %. Nobody
# has cheated, and every single number is right. Many papers tune their own network and copy the
# settings of its rivals.
#
# ### The best disappoints
#
# The chosen setting is the best of eight partly because it is good, and partly because chance was
# on its side in these two runs. This part does not come back in the next run. To see how large it
# is, choose the setting by its score on *one* of the two seeds, and look at its score on the other
# one. The score is given relative to the mean of all eight settings on the same seed, so that it
# does not matter whether a seed is easy.
#
# <details><summary>Make a guess, then open: how much of its lead does the chosen setting keep on
# the other seed?</summary>
#
# Less than half of it, averaged over the kinds. With some of them, the chosen setting is worse than
# the average on the other seed.
# </details>

# %%
lead = {kind: values - values.mean(0) for kind, values in scores.items()}  # [settings, seeds]
pairs = np.array([[values[values[:, s].argmax(), t] for t in (s, 1 - s)]
                  for values in lead.values() for s in (0, 1)])  # fmt: skip
print("lead on the seed that chose, and on the other one:", pairs.mean(0).round(1))
fresh = np.mean([[np.mean([value for _, value in each["curve"]]) for each in content["runs"]]
                 for content in pole.values()])  # fmt: skip
before = np.mean([values.mean(1).max() for values in scores.values()])
print(f"score of the chosen settings: {before:.0f} in the search, {fresh:.0f} on new seeds")
assert pairs[:, 1].mean() < 0.6 * pairs[:, 0].mean()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9.5, 3.2), width_ratios=(1.3, 1))
for kind, color in (("adex", RED), ("lif", BLUE), ("alif", ORANGE), ("qif", PURPLE)):
    axes[0].plot(range(1, 9), [best(kind, k).mean() for k in range(1, 9)], "o-", ms=4,
                 color=color, label=TITLES[kind])  # fmt: skip
axes[0].set(xlabel="settings tried", ylabel="score of the best setting (steps)")
axes[0].legend(loc="lower right")
for own, other in pairs:
    axes[1].plot([0, 1], [own, other], "o-", color=GREY, ms=4, lw=1)
axes[1].plot([0, 1], pairs.mean(0), "o-", color="black", ms=7)
axes[1].axhline(0, color=GREY, ls=":", lw=1)
axes[1].set_xticks([0, 1], ["seed that chose", "other seed"])
axes[1].set(ylabel="lead over the mean setting (steps)", xlim=(-0.3, 1.3))
plt.show()

# %% [markdown]
# *The figure shows the score of the best setting against the number of settings tried (left), and
# the lead of the chosen setting on the seed that chose it and on the other one (right; grey: nine
# kinds and two seeds, black: their mean).* TEXT
#
# ## 6. What did the full study find?
#
# `tools/control_study.py` does the same as section 2 with more kinds, tasks and ways of learning:
# eight settings of each kind, five or ten reported seeds, 100 new episodes per run (20 for the
# bodies of MuJoCo). Every trained policy is also tested, without further training, with noise on
# its observations, with actions that come one control step late, with other masses, and after a
# fifth of its neurons have been silenced. These cells show the parts that have been run.

# %%
PARTS = {
    "pole": "CartPole",
    "blind": "CartPole without velocities, recurrent",
    "blind_forward": "CartPole without velocities, feed-forward, two traces in the read-out",
    "blind_equal": "CartPole without velocities, recurrent, equal numbers of operations",
    "pole_ppo": "CartPole, learned by PPO",
    "pole_rstdp": "CartPole, learned by reward-modulated STDP",
    "cheetah": "HalfCheetah",
    "ant": "Ant",
}
study = {part: found for part in PARTS if (found := stored(part))}


def of(content, quantity=None):
    """The returns of all runs, undisturbed or under one of the changes."""
    runs = content["runs"]
    return np.array([each["changed"][quantity] if quantity else each["return"] for each in runs])


for part, found in study.items():
    print(f"\n{PARTS[part]}: interquartile mean of the return, and P(beats LIF)")
    reference = of(found.get("lif", next(iter(found.values()))))
    for kind, content in found.items():
        mean, low, high = interquartile_mean(of(content))
        p, below, above = improvement(of(content), reference)
        print(f"{TITLES[kind]:18s}{mean:7.0f} ({low:.0f} to {high:.0f})   "
              f"{p:.2f} ({below:.2f} to {above:.2f})   n = {len(content['runs'])}")  # fmt: skip
    top = max(found, key=lambda kind: interquartile_mean(of(found[kind]))[0])
    rivals = [TITLES[kind] for kind in found
              if improvement(of(found[top]), of(found[kind]))[1] <= 0.5]  # fmt: skip
    print("not told apart from the best:", ", ".join(rivals))
    if favourite.get(part):
        print("your favourite:", favourite[part])
print("\nnot run yet:", ", ".join(PARTS[part] for part in PARTS if part not in study) or "none")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
CHANGES = {
    "noise": ("noise", ORANGE, "s"),
    "delay": ("delay", PURPLE, "D"),
    "mass": ("other masses", GREEN, "^"),
    "dead": ("a fifth of the neurons silent", RED, "X"),
}
if study:
    rows = [len(found) for found in study.values()]
    _, axes = plt.subplots(len(study), 2, figsize=(10, sum(0.27 * n + 0.9 for n in rows) + 0.4),
                           squeeze=False, height_ratios=rows)  # fmt: skip
    for (left, right), (part, found) in zip(axes, study.items(), strict=True):
        for row, (kind, content) in enumerate(found.items()):
            mean, low, high = interquartile_mean(of(content))
            color = GREY if kind in ("linear", "tanh") else BLUE
            left.errorbar(mean, row, xerr=[[mean - low], [high - mean]], fmt="o", color=color,
                          capsize=3)  # fmt: skip
            right.plot([mean] * 2, [row - 0.35, row + 0.35], color="black", lw=1.5)
            for change, (_, shade, mark) in CHANGES.items():
                if change in content["runs"][0]["changed"]:
                    value = interquartile_mean(of(content, change))[0]
                    right.plot(value, row, mark, color=shade, ms=6, alpha=0.8)
        left.set_yticks(range(len(found)), [TITLES[kind] for kind in found])
        right.set_yticks(range(len(found)), [])
        left.set_title(PARTS[part], loc="left", fontsize=10)
        for ax in (left, right):
            ax.set(ylim=(len(found) - 0.5, -0.5), xlabel="return")
    for name, shade, mark in CHANGES.values():
        axes[0, 1].plot([], [], mark, color=shade, label=name)
    axes[0, 1].plot([], [], "-", color="black", label="undisturbed")
    axes[0, 1].legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=9)
    plt.show()

# %% [markdown]
# *The figure shows the interquartile mean of the return with its 95 % interval for each kind
# (left), and the interquartile means after each change (right), one row of panels per task.*
#
# **CartPole.** TEXT
#
# Five claims follow from these results and from section 2. Each compares a kind with LIF neurons,
# and each comes with the probability that a run of this kind beats a run of LIF. Which of them
# would you sign?


# %%
def facts(content):
    """What one has to know about the runs of a kind in order to compare them."""
    return {
        "steps": content["budget"],
        "settings": len(content["search"]),
        "chosen on": {1000 + k for k in range(len(content["search"][0]["scores"]))},
        "reported": {each["seed"] for each in content["runs"]},
    }


def needed(content, target=475):
    """Minus the control steps after which an evaluation first reached the target."""
    curves = [each["curve"] for each in content["runs"]]
    return -np.array([min((n for n, value in c if value >= target), default=1e9) for c in curves])


claims = {
    "Without velocities, Izhikevich neurons balance longer": ("izhikevich", None),
    "AdEx neurons balance longer": ("adex", of),
    "tanh units learn faster": ("tanh", needed),
    "Hodgkin-Huxley neurons balance longer": ("hodgkin_huxley", of),
    "adaptive LIF neurons do better after a fifth was silenced": ("alif", lambda c: of(c, "dead")),
}
small = {"steps": budget, "settings": len(SETTINGS), "chosen on": {1000}}
small["reported"] = set(range(n_seeds))
evidence = {}
for claim, (kind, measure) in claims.items():
    if measure is None:
        evidence[claim] = small, small, against_lif["Izhikevich"]
    else:
        p = improvement(measure(pole[kind]), measure(pole["lif"]))
        evidence[claim] = facts(pole[kind]), facts(pole["lif"]), p
    p, low, high = evidence[claim][2]
    print(f"{claim:58s}{p:.2f} ({low:.2f} to {high:.2f})")

# %% [markdown]
# ### Exercise 4: Judge a claim (5 min)
#
# "Kind a is better than kind b." For each kind, you know how many control steps and how many
# settings it got, on which seeds its setting was chosen, and on which seeds it was reported. You
# also know the interval of the probability that a run of a beats a run of b. Decide, in this order:
#
# 1. the numbers of steps or of settings differ: "unequal",
# 2. for a or for b, a reported seed is among those on which the setting was chosen: "flattered",
# 3. the whole interval lies above 0.5: "better"; below 0.5: "worse",
# 4. otherwise: "cannot say".


# %% tags=["exercise"]
def verdict(a, b, low, high):
    """Two dicts with "steps", "settings", "chosen on" and "reported" (sets), and the bounds."""
    ...


# %%
if check.verdict(verdict):
    for claim, (a, b, (_, low, high)) in evidence.items():
        print(f"{claim}: {verdict(a, b, low, high)}")

# %% [markdown]
# TEXT
#
# ## 7. So, does biology help?
#
# TEXT

# %% tags=["hide-input"] jupyter={"source_hidden": true}
short = {
    "tanh": "tanh", "LIF": "lif", "adaptive LIF": "alif", "resonate-and-fire": "rf",
    "Izhikevich": "izhikevich", "Izhikevich, forgets": "forgets", "Izhikevich, d = 0": "no_jump",
    "adaptive LIF, strong": "strong", "tanh, two traces": "traces",
}  # fmt: skip
measured = {name: typical[kind][0] for kind, name in short.items()}
measured |= {f"peak_{short.get(name, 'no_jump')}": peak for name, peak in overshoot.items()}
measured |= dict(hh_ratio=seconds["hodgkin_huxley"] / seconds["lif"])
measured |= dict(adex_searched=100 * ahead[8, 1], lif_searched=100 * (1 - ahead[1, 8]))
measured |= dict(lif_both=100 * (1 - ahead[1, 1]))
measured |= dict(own=pairs[:, 0].mean(), other=pairs[:, 1].mean(), before=before, fresh=fresh)
for kind in ("tanh", "lif", "izhikevich"):
    measured[f"pole_needed_{kind}"] = -np.median(needed(pole[kind]))
for kind in ("tanh", "lif", "alif", "qif", "hodgkin_huxley"):
    measured[f"pole_dead_{kind}"] = interquartile_mean(of(pole[kind], "dead"))[0]
measured |= dict(pole_p_alif_dead=evidence[list(claims)[4]][2][0])
record("results/803_biology.json", measured, full=full_run)

# %% [markdown]
# ## Summary
#
# 1. **Equal terms**: the same task, control steps, neurons and number of settings tried, and seeds
#    that were not used to choose. State what is not equal, such as the time to compute.
# 2. **A few runs**: an interquartile mean with a bootstrap interval, and the probability that a run
#    of one kind beats a run of another. An interval over five runs can be too short.
# 3. **An unequal search makes a winner**, and the best of several settings disappoints on new
#    seeds.
# 4. **Ablations and controls** tell what a winner wins with. TEXT
#
# ## Further reading
#
# - Agarwal, Schwarzer, Castro, Courville & Bellemare 2021, *Deep reinforcement learning at the edge
#   of the statistical precipice*, NeurIPS 34,
#   [arXiv:2108.13264](https://arxiv.org/abs/2108.13264). Statistics of a few runs.
# - Dodge, Gururangan, Card, Schwartz & Smith 2019, *Show your work: improved reporting of
#   experimental results*, EMNLP, [arXiv:1909.03004](https://arxiv.org/abs/1909.03004). The best
#   result as a function of the number of settings tried.
# - Izhikevich 2004, *Which model to use for cortical spiking neurons?*, IEEE Trans. Neural Netw.
#   15(5):1063, [doi:10.1109/TNN.2004.832719](https://doi.org/10.1109/TNN.2004.832719). Neurons
#   compared by what they can do and by what they cost.
#
# **See also.** [603](603_integrators_resonators.ipynb): resonators and the Izhikevich neuron.
# [604](604_your_neuron.ipynb): a neuron of your own, compared with controls.
#
# **Next.** `python tools/control_study.py run` carries out the missing runs of the study. Lesson
# [702](702_three_learners.ipynb) compares ways of learning as fairly as this one compares neurons.
