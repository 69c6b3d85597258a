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
# # Learn to run
#
# A simulated body with six motors is controlled by 32 spiking neurons. You find out how
# observations become spikes and spikes become torques, and why a careless code makes the network
# almost blind. Then the network learns to run, without a gradient. You compare it with a policy
# that has no neurons, and compare this way of learning with one that needs a gradient.
#
# **Time.** 65 minutes for you, 2 minutes for the machine.
#
# **You need.** [801](801_balance.ipynb): a body that closes the loop, and evolution strategies.
# [301](301_surrogate_gradients.ipynb): surrogate gradients. The extra packages of
# `pip install -e ".[control]"`.
#
# **Leads to.** [803](803_biology.ipynb), which compares kinds of neurons. [Programs and
# data](../docs/programs.md#bodies): the same methods for other bodies.
#
# ## Objectives
#
# After this lesson you can
#
# 1. compute the speed of a body from its return,
# 2. encode observations as currents or as a population code, and show what a read-out can decode,
# 3. choose the time constant of a trace, as a compromise between jitter and delay,
# 4. train a policy by an evolution strategy, and compare it with a linear policy,
# 5. say what PPO needs in addition, and compare the two methods by control steps and by time.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import io
import os
import tempfile
import time
from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from IPython.display import HTML, display
from matplotlib import pyplot as plt
from PIL import Image, ImageSequence

from jarvis.classroom import lesson
from jarvis.classroom.check import walk as check
from jarvis.classroom.results import record
from jarvis.control import (
    EvolutionRun,
    ObservationStatistics,
    PPORun,
    PPOSettings,
    RenderError,
    SpikingPolicy,
    film,
    task,
)
from jarvis.control.requirements import required
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE, RED
from jarvis.training import train

cheetah = task("HalfCheetah-v5", training_steps=250)  # episodes in training last 250 steps
try:
    env = cheetah.make(render_mode="rgb_array")  # if a package is missing, the message names it
except ValueError as error:  # nothing can be drawn here
    print(f"no pictures: {error}")
    os.environ["MUJOCO_GL"] = "disable"
    env = cheetah.make()
required("stable_baselines3")
lesson.begin("gymnasium", "mujoco")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "budget": 8000, "n_seeds": 1, "ppo_budget": 1000, "n_episodes": 1}}
full_run = True  # tests set False and shrink the numbers
n_steps = 1000  # control steps in an episode
budget = 128_000  # control steps of training of each policy
n_seeds = 2  # runs of each kind of policy
ppo_budget = 20_000  # control steps of each run in section 5
n_episodes = 2  # episodes in each measurement of section 6

# %% [markdown]
# ## 1. What does the body sense, and what is it paid for?
#
# HalfCheetah-v5 is half of a cheetah: a trunk with a front leg and a back leg, which can move only
# in a vertical plane. In every *control step* of 50 ms, a [policy](../docs/glossary.md#policy)
# receives 17 observations and sets 6 torques between -1 and 1, one for each joint. The observations
# are the height and the pitch of the trunk, the angles of the joints, and the velocities of all
# these and of the forward motion. The position along the track is not observed. An episode has 1000
# control steps, which is 50 s, and the body cannot fail: if it falls on its back, the episode goes
# on.

# %%
JOINTS = [f"{leg} {part}" for leg in ("back", "front") for part in ("thigh", "shin", "foot")]
POSITIONS = ["height", "pitch", *JOINTS]
VELOCITIES = [f"{name} velocity" for name in ("forward", "vertical", "pitch", *JOINTS)]
NAMES = POSITIONS + VELOCITIES


def play(act, n_steps=n_steps, seed=0):
    """Observations [T, 17], torques [T, 6], rewards [T] and speeds [T] of an episode."""
    observation, _ = env.reset(seed=seed)
    found = []
    for _ in range(n_steps):
        torques = act(observation)
        now, reward, _, _, info = env.step(torques)
        found.append((observation, torques, reward, info["x_velocity"]))
        observation = now
    return [np.array(part, float) for part in zip(*found, strict=True)]


# %% [markdown]
# The reward of a control step is the forward velocity in m/s, minus 0.1 times the sum of the six
# squared torques. The *return* is the sum of all rewards of an episode. Which policy has the higher
# return: one that does nothing, or one that draws all torques at random between -1 and 1?
#
# <details><summary>Make a guess, then open</summary>
#
# Doing nothing costs nothing and goes nowhere, so its return is about 0. A random torque has a mean
# square of 1/3. Six of them cost 0.1 · 6/3 = 0.2 per control step, which is 200 per episode, and
# random torques do not make the body run.
# </details>

# %%
rng = np.random.default_rng(0)
still = play(lambda observation: np.zeros(6))
random = [play(lambda observation: rng.uniform(-1, 1, 6), seed=seed) for seed in range(4)]
nothing = still[2].sum()
at_random = np.mean([rewards.sum() for _, _, rewards, _ in random])
print(f"return: nothing {nothing:.1f}, random {at_random:.0f}")
assert at_random < -150 < nothing

# %% tags=["hide-input"] jupyter={"source_hidden": true}
spread = np.concatenate([seen for seen, *_ in random]).std(0)
try:
    env.reset(seed=0)
    frame = env.render()
except Exception as error:  # a graphics driver may raise anything
    frame = None
    print(f"no picture of the body: {type(error).__name__}")
_, axes = plt.subplots(1, 2, figsize=(9.5, 3.9), width_ratios=(1, 1.2))
if frame is not None:
    axes[0].imshow(frame[100:440, 60:420])
axes[0].axis("off")
axes[1].barh(NAMES, spread, color=[BLUE] * 8 + [ORANGE] * 9)
axes[1].invert_yaxis()
axes[1].set(xlabel="standard deviation (m, rad, m/s or rad/s)")
plt.show()

# %% [markdown]
# *The figure shows the body at the start of an episode (left) and how much each observation varies
# while the torques are random (right; blue: positions and angles, orange: velocities).* Doing
# nothing returns 0<!-- nothing 2 -->, and random torques return -240<!-- at_random 80 -->. Keep the
# right panel in mind: the fastest joint varies about 43<!-- spread_ratio 40% --> times as much as
# the height of the trunk.
#
# ### Exercise 1: Read the speed off the rewards (4 min)
#
# Papers report returns, but what you want to know is how fast the body runs. Compute the mean
# forward speed of an episode (m/s) from its rewards, `[T]`, and its torques, `[T, 6]`.


# %% tags=["exercise"]
def mean_speed(rewards, torques):
    """Mean forward speed (m/s); NumPy arrays rewards [T] and torques [T, 6]."""
    ...


# %%
if check.mean_speed(mean_speed):
    _, torques, rewards, speeds = random[0]
    print(f"random torques: {mean_speed(rewards, torques):.3f} m/s, measured {speeds.mean():.3f}")

# %% [markdown]
# ## 2. How do observations become spikes?
#
# The policy is a network of three parts: a code for the observations, one layer of 32 LIF neurons,
# and a read-out that turns spikes into torques. The neurons take four steps of 1 ms in each control
# step. Their clock is not the body's: neurons "live" 4 ms while the body moves for 50 ms. More
# steps would be more accurate, and cost more computation.
#
# The simplest code is a **current**: each observation $z_i$ is an input that stays constant over
# the control step, and neuron $j$ receives $x_j = \sum_i W_{ji} z_i + b_j$. The first weights are
# random. A naive policy takes the observations as they are, in m, rad, m/s and rad/s. What does its
# read-out get to know? A network can act only on what its spikes show, so measure how well each
# observation can be decoded from the numbers of spikes of the 32 neurons in one control step, by
# least squares. Draw the observations independently, each with its own standard deviation from the
# figure, so that none can be guessed from the others. The score is $R^2$, the explained fraction of
# the variance, on draws that the decoder has not seen.


# %%
draws = np.random.default_rng(1).normal(0, spread, (3000, 17))


@torch.no_grad()
def rates_of(statistics=None):
    """Spikes per step [3000, 32] of an untrained policy that starts from rest in each draw."""
    policy = cheetah.policy(persistent=False, readout="rate")
    network = SpikingPolicy(policy, statistics=statistics)
    return network.latent(torch.tensor(draws, dtype=torch.float32)).numpy()


def decoded(rates):
    """R^2 of each observation, decoded linearly from the rates."""
    inputs = np.column_stack([rates, np.ones(len(rates))])
    weights = np.linalg.lstsq(inputs[:2000], draws[:2000])[0]
    error = draws[2000:] - inputs[2000:] @ weights
    return 1 - error.var(0) / draws[2000:].var(0)


raw = rates_of()
r2_raw = decoded(raw)

# %% [markdown]
# Which observations will the read-out know, and which not?
#
# <details><summary>Make a guess, then open</summary>
#
# All weights are drawn from one distribution, so an observation contributes to the currents in
# proportion to its variance. A velocity of several rad/s drowns out an angle of 0.3 rad.
# </details>

# %%
share = spread**2 / (spread**2).sum()  # of the variance of the currents
print(f"the 8 positions cause {100 * share[:8].sum():.1f} % of the variance of the currents")
print(f"mean R^2: positions {r2_raw[:8].mean():.2f}, velocities of joints {r2_raw[11:].mean():.2f}")

# %% [markdown]
# This read-out knows how fast the joints move, but hardly anything about the posture of the body.
# **The fix** is old: subtract from each observation its mean, and divide by its standard deviation,
# $z = (o - \mu)/\sigma$. `ObservationStatistics` collects both while a policy acts.

# %%
statistics = ObservationStatistics.empty(17)
statistics.add(draws)
normalised = rates_of(statistics)
r2_normalised = decoded(normalised)
print(f"lowest R^2: {r2_raw.min():.2f} raw, {r2_normalised.min():.2f} normalised")
assert r2_normalised.min() > 0.4 > r2_raw[:8].mean() + 0.2

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9.5, 4), width_ratios=(1.3, 1))
places = np.arange(17)
axes[0].barh(places - 0.2, r2_raw, 0.4, color=RED, label="raw")
axes[0].barh(places + 0.2, r2_normalised, 0.4, color=BLUE, label="normalised")
axes[0].set_yticks(places, NAMES)
axes[0].invert_yaxis()
axes[0].set(xlabel="$R^2$ of a linear decoder", xlim=(0, 1))
counts = np.arange(5)
for shift, rates, color, label in ((-0.2, raw, RED, "raw"), (0.2, normalised, BLUE, "normalised")):
    shares = [(np.rint(4 * rates) == count).mean() for count in counts]
    axes[1].bar(counts + shift, shares, 0.4, color=color, label=label)
axes[1].set(xlabel="spikes of a neuron in a control step", ylabel="share of neurons and draws")
axes[1].legend(loc="upper center")
plt.show()
every_raw, every_normalised = (100 * (rates == 1).mean() for rates in (raw, normalised))

# %% [markdown]
# *The figure shows how well each observation can be decoded from the spikes (left), and how often a
# neuron sends how many spikes in a control step of four steps (right), for raw and normalised
# observations.* On average, the positions are decoded with an $R^2$ of
# 0.04<!-- raw_positions 0.1 --> from raw observations, and of 0.77<!-- normalised_positions 0.1 -->
# from normalised ones. The right panel shows a second problem: large inputs make a neuron fire in
# every step, and then it no longer tells how strong its input is. With raw observations this
# happens in 28<!-- every_raw 8 --> % of all cases, with normalised ones in
# 3<!-- every_normalised 3 --> %.
#
# ### A population instead of a current
#
# The firing rate of a neuron rises with its current. So, for one observation, a read-out that adds
# up rates finds it hard to produce anything but a rising or a falling function. A **population
# code** uses several encoders per observation instead. Each has a [tuning
# curve](../docs/glossary.md#tuning-curve), a bell around a preferred value $c$ of its own:
#
# $$A = e^{-(z - c)^2 / 2 w^2}.$$
#
# In each step, $A$ is added to the potential of the encoder. When the potential reaches 1, the
# encoder sends a spike and 1 is subtracted.
#
# ### Exercise 2: Write a population code (6 min)
#
# Return the spikes of all encoders, 0 or 1, for one value `z` that stays constant. The potentials
# start at 0.


# %% tags=["exercise"]
def encode(z, centres, width, steps):
    """Spikes [steps, N], a NumPy array, of N encoders with preferred values centres [N]."""
    ...


# %%
if check.encode(encode):
    print(encode(0.3, np.linspace(-2, 2, 5), 1.0, 6).astype(int))

# %% [markdown]
# Compare ten neurons driven by a current with ten encoders. Fit two torques to their mean rates by
# least squares: one that is proportional to $z$, and one that acts only near $z = 0$.

# %%
rng = np.random.default_rng(1)
z = np.sort(rng.normal(0, 1, 400))  # a normalised observation
slopes, biases = rng.normal(0, 2, 10), rng.normal(1, 2, 10)
layer = cheetah.policy(hidden=(10,)).layer()
with torch.no_grad():
    current = 0.2 * torch.tensor(np.outer(z, slopes) + biases, dtype=torch.float32)
    by_current = layer(current.expand(100, -1, -1))[0].mean(0).numpy()  # rates [400, 10]
centres, width = np.linspace(-2, 2, 10), 4 / 9
bells = np.exp(-((z[:, None] - centres) ** 2) / (2 * width**2))
by_population = np.floor(100 * bells) / 100  # rates of the encoders over 100 steps
targets = {"proportional": z / 3, "near 0 only": np.exp(-(z**2) / 0.2)}
fits = {}
for code, rates in (("current", by_current), ("population", by_population)):
    inputs = np.column_stack([rates, np.ones_like(z)])
    fits[code] = {k: inputs @ np.linalg.lstsq(inputs, y)[0] for k, y in targets.items()}
errors = {code: {k: (fit[k] - y).std() / y.std() for k, y in targets.items()}
          for code, fit in fits.items()}  # fmt: skip
print({code: {k: round(float(e), 2) for k, e in found.items()} for code, found in errors.items()})
assert errors["population"]["near 0 only"] < 0.5 * errors["current"]["near 0 only"]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(2, 2, figsize=(9, 4.6), sharex=True)
for column, (code, rates) in enumerate((("current", by_current), ("population", by_population))):
    axes[0, column].plot(z, rates, color=GREY, lw=1)
    axes[0, column].plot(z, rates[:, 4], color=BLUE)
    axes[0, column].set(title=code, ylim=(-0.03, 1.05))
    for (name, y), color in zip(targets.items(), (ORANGE, GREEN), strict=True):
        axes[1, column].plot(z, y, color=color, ls=":", lw=2.5)
        axes[1, column].plot(z, fits[code][name], color=color, label=name)
    axes[1, column].set(xlabel="normalised observation z", ylim=(-1.25, 1.25))
axes[0, 0].set_ylabel("rate (spikes per step)")
axes[1, 0].set_ylabel("torque")
axes[1, 1].legend(loc="lower right")
plt.show()

# %% [markdown]
# *The figure shows the rates of ten neurons against one observation (top; one of them in blue), and
# two torques read out from them (bottom; dotted: what they should be), for a current (left) and a
# population code (right).* Each code has its strength. The torque that acts only near 0 needs the
# population: there its error is 6<!-- bump_population 3 --> % of the target's standard deviation,
# against 19<!-- bump_current 8 --> % with the current. For the proportional torque, the error is
# 27<!-- line_population 8 --> % with the population and 3<!-- line_current 2 --> % with the
# current: no encoder prefers a value beyond 2, so the population fails there. A population code
# also costs more: ten encoders per observation turn the 544 weights of the first layer into 5440,
# all of which have to be learned. We continue with currents.
#
# ## 3. How do spikes become torques?
#
# A torque should be smooth, and spikes are not. So the read-out uses a trace of each neuron, which
# keeps a fraction $q = e^{-1\,\text{ms}/\tau}$ of its value in each step of 1 ms:
#
# $$r \leftarrow q\,r + (1 - q)\,y, \qquad \text{torque} = \sum_j W_j r_j + b .$$
#
# Which time constant $\tau$ is best? A short one follows every spike, and the torque
# [jitters](../docs/glossary.md#jitter). A long one is smooth but late: it responds with a delay of
# about $\tau$. For a test, let 32 neurons fire at random with a probability that should be
# followed, $p(t) = 0.25 + 0.2 \sin(2\pi t/T)$. Let $T$ be 7 control steps, which is 0.35 s of the
# body's time, about one stride. How does the error depend on $\tau$?
#
# ### Exercise 3: Compute the jitter (6 min)
#
# First the jitter alone. Let $n$ neurons fire at random, independently, with a *constant*
# probability $p$ in each step. What is the standard deviation over time of the mean of their
# traces?


# %% tags=["exercise"]
def jitter(p, tau, n):
    """Standard deviation of the mean of n traces; tau in ms, steps of 1 ms."""
    ...


# %%
if check.jitter(jitter):
    for tau in (1.0, 4.5, 20.0):
        print(f"tau = {tau:4} ms: {jitter(0.25, tau, 32):.3f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
period, mean, swing, n_neurons = 7, 0.25, 0.2, 32  # the period in control steps
taus, fine = np.geomspace(0.5, 64, 8), np.geomspace(0.4, 80, 100)


def predicted(tau, per_control):
    """Rms errors of the mean trace: from lateness, and from jitter."""
    q = np.exp(-1 / tau)
    follows = (1 - q) / (1 - q * np.exp(-2j * np.pi / (period * per_control)))
    variance = (mean * (1 - mean) - swing**2 / 2) * (1 - q) / (1 + q) / n_neurons
    return swing / np.sqrt(2) * abs(1 - follows), np.sqrt(variance)


def simulated(tau, per_control, n_steps=5600, seed=2):
    """The same by simulation: spikes at random, the trace, and its rms error."""
    q, random = np.exp(-1 / tau), np.random.default_rng(seed)
    goal = mean + swing * np.sin(2 * np.pi * np.arange(n_steps) / (period * per_control))
    spikes = (random.random((n_steps, n_neurons)) < goal[:, None]).mean(1)
    r, trace = mean, np.zeros(n_steps)
    for t, y in enumerate(spikes):
        r = q * r + (1 - q) * y
        trace[t] = r
    return goal, trace, np.sqrt(np.mean((trace - goal)[800:] ** 2))


lowest = {}
for k in (4, 16):
    total = np.hypot(*predicted(fine, k))
    lowest[k] = fine[total.argmin()], total.min()
    error = np.array([simulated(tau, k)[2] for tau in taus])
    assert np.allclose(error, np.hypot(*predicted(taus, k)), rtol=0.12)

_, axes = plt.subplots(1, 2, figsize=(9.5, 3.4), width_ratios=(1.2, 1))
for tau, color in ((1.0, ORANGE), (4.5, BLUE), (20.0, PURPLE)):
    goal, trace, _ = simulated(tau, 4)
    axes[0].plot(np.arange(84) / 4, trace[-84:], color=color, label=f"{tau:g} ms")
axes[0].plot(np.arange(84) / 4, goal[-84:], color="black", ls=":", label="goal")
axes[0].set(xlabel="time (control steps)", ylabel="mean trace of 32 neurons", ylim=(0, 0.62))
axes[0].legend(loc="upper center", ncols=4, columnspacing=1, handlelength=1.2)
late, noisy = predicted(fine, 4)
axes[1].loglog(fine, late, color=GREY, ls="--", lw=1, label="delay alone")
axes[1].loglog(fine, noisy, color=GREY, ls=":", lw=1.5, label="jitter alone")
for k, color in ((4, "black"), (16, GREEN)):
    axes[1].loglog(fine, np.hypot(*predicted(fine, k)), color=color, label=f"{k} steps")
    axes[1].loglog(taus, [simulated(tau, k)[2] for tau in taus], "o", color=color, ms=4)
axes[1].set(xlabel=r"time constant $\tau$ (ms)", ylabel="rms error", ylim=(0.008, 0.5))
axes[1].legend(loc="upper left")
plt.show()
print(*(f"{k} steps: best tau {tau:.1f} ms, error {low:.3f}" for k, (tau, low) in lowest.items()))

# %% [markdown]
# *The figure shows the mean trace of 32 random neurons for three time constants, with 4 steps per
# control step (left), and the error against the time constant, for 4 and 16 steps per control step
# (right; lines: formula, dots: simulation; grey: the two parts of the error for 4 steps).* The
# error has a minimum: at 1.3<!-- best_tau_4 0.2 --> ms with 4 steps per control step, and at
# 2.9<!-- best_tau_16 0.4 --> ms with 16. With more steps, the same time constant is a smaller part
# of a stride, so the trace can average over more spikes for the same delay. The price is four times
# the computation. The policies below use 4 steps and $\tau$ = 4.5 ms, which is about one control
# step. In this test that is already too long. But LIF neurons do not fire at random, and a policy
# that sees velocities can act ahead of time. Section 6 returns to this question with a trained
# policy.
#
# ## 4. Learn without a gradient
#
# In [801](801_balance.ipynb) you wrote an [evolution
# strategy](../docs/glossary.md#evolution-strategy): perturb all weights at random, play an episode
# with the perturbation added and one with it subtracted, and move the weights towards the better
# one. The library's `EvolutionRun` does this with 16 random directions per update, uses the 8 most
# successful ones, and updates the statistics of the observations after each update. Episodes in
# training are cut after 250 control steps, so that the same number of control steps allows four
# times as many updates; evaluations use whole episodes.
#
# Three policies get the same budget of control steps: the 32 LIF neurons, a **linear policy**,
# whose torques are weighted sums of the normalised observations, and the LIF neurons with *raw*
# observations. The network has 774 weights and biases, the linear policy 108.
#
# <details><summary>Make a guess, then open: which one learns to run?</summary>
#
# Section 2 makes us expect that the network with raw observations fails. As to the other two: the
# network is more flexible, but the linear policy has far fewer weights to search.
# </details>


# %%
class Raw(EvolutionRun):
    """The same, but the policy sees observations in their own units."""

    def update(self):
        result = super().update()
        self.statistics = ObservationStatistics.empty(self.policy.n_observations)
        return result


def learn(neuron, seed, kind=EvolutionRun):
    """Train a policy; return it and what was measured on the way."""
    policy = cheetah.policy(neuron=neuron)
    with kind(cheetah, policy, budget=budget, every=2, episodes=2, seed=seed) as run:
        train(run, progress=False, log=lambda line: None)
        return run.trained(), run.history.epochs


KINDS = {
    "32 LIF neurons": ("lif", EvolutionRun, BLUE),
    "linear": ("linear", EvolutionRun, ORANGE),
    "32 LIF neurons, raw": ("lif", Raw, RED),
}
trained, curves, final = {}, {}, {}
for name, (neuron, kind, _) in KINDS.items():
    runs = [learn(neuron, seed, kind) for seed in range(n_seeds)]
    trained[name], curves[name] = zip(*runs, strict=True)
    returns = [policy.evaluate(4).returns for policy in trained[name]]
    final[name] = np.array(returns)  # [runs, episodes], new episodes
    print(f"{name:20s}", *(f"{each.mean():6.0f} (lowest {each.min():.0f})" for each in returns))
if full_run:
    assert min(returns.mean(1).min() for returns in final.values()) > 500  # all of them run
    assert final["32 LIF neurons"].mean() > final["32 LIF neurons, raw"].mean()

# %% tags=["hide-input", "card"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(7, 3.6))
for name, (*_, color) in KINDS.items():
    for number, epochs in enumerate(curves[name]):
        steps, returns = (np.array([epoch[key] for epoch in epochs]) for key in ("steps", "return"))
        ax.plot(steps / 1000, returns, color=color, label=None if number else name)
ax.axhline(at_random, color=GREY, ls=":", label="random torques")
ax.set(xlabel="control steps of training (thousands)", ylabel="return of an episode")
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# *The figure shows the return of evaluation episodes during training, one line per run.* All
# policies learn to run within 128 thousand control steps, which is less than two hours of the
# body's time. The policy of the best evaluation is kept and plays new episodes. The network reaches
# 1809<!-- lif 500 -->, the mean of two runs, and the linear policy 2214<!-- linear 1200 -->. So
# **the linear policy, with a seventh of the parameters and no neurons at all, is a serious
# opponent**: one of its runs is the fastest of all. But its curves jump up and down, and its two
# runs differ more than those of the network. From two runs you cannot tell which policy is better
# on average.
#
# And the prediction about raw observations was wrong. The network that at first knows little about
# its posture still reaches 1393<!-- raw 500 -->. With the same seed it is slower both times, but it
# does run. The first weights are only a beginning: evolution changes them. And perhaps this task
# hardly needs the posture, because the ground holds the body up. What a read-out could know, and
# what a task requires, are two questions, and only training answers the second.

# %% [markdown]
# ## 5. Learn with a gradient
#
# An evolution strategy asks only for the return of an episode. **PPO** ([proximal policy
# optimisation](../docs/glossary.md#proximal-policy-optimisation)) uses every single control step,
# but needs more:
#
# - **a probability for each action**, which the policy must be able to differentiate. For choices,
#   this is the softmax of the outputs; for torques, a Gaussian around them.
# - **a gradient through the spikes**, that is, a surrogate.
# - **a critic**, a second network that estimates the rewards still to come. The *advantage* of an
#   action says how much better it turned out than the critic expected.
# - **control steps in random order**. The library's PPO therefore starts the neurons from rest in
#   each control step: the policy has no memory.
#
# Why a surrogate? Take an untrained policy for CartPole with a random read-out. Change each first
# weight of a copy by a tiny amount, and by the amount that an evolution strategy uses. In which
# case does the probability of an action change?
#
# <details><summary>Make a guess, then open</summary>
#
# A tiny change moves no spike, so nothing changes: the true gradient is 0 almost everywhere, as in
# [301](301_surrogate_gradients.ipynb). A large change moves spikes. So the evolution strategy needs
# no surrogate, but PPO does.
# </details>

# %%
pole = task("CartPole-v1")
policy = pole.policy(persistent=False)
rng = np.random.default_rng(5)
theta = policy.initial() + rng.normal(0, 0.3, policy.n_parameters) * (policy.initial() == 0)
observations = torch.tensor(rng.normal(0, 1, (1, 64, 4)), dtype=torch.float32)


def log_probability(network):
    """Mean log-probability of action 0 in 64 random states."""
    return torch.log_softmax(network(observations)[0], -1)[..., 0].mean()


changes = {}
for size in (1e-6, 0.2):
    nudged = theta.copy()
    policy.unpacked(nudged)["synapses0"][:] += size * rng.normal(size=(4, 32))
    with torch.no_grad():
        both = [
            log_probability(SpikingPolicy(policy, weights)).item() for weights in (theta, nudged)
        ]
    changes[size] = abs(both[1] - both[0])
network = SpikingPolicy(policy, theta)
log_probability(network).backward()
gradient = network.weights["synapses0"].grad.norm().item()
print("change of the log-probability:", {size: f"{value:.1e}" for size, value in changes.items()})
print(f"length of the surrogate gradient: {gradient:.3f}")
assert changes[1e-6] == 0 < min(changes[0.2], gradient)

# %% [markdown]
# PPO repeats each batch of control steps several times. To keep the policy from moving too far on
# old data, it compares the probability of each action now with its probability when it was taken.
# The *ratio* of the two, times the advantage, is what PPO would like to maximise. It also computes
# this product with a clipped ratio, which is kept between $1 - \epsilon$ and $1 + \epsilon$. The
# smaller of the two products counts. Once an action has become more probable by more than
# $\epsilon$, there is nothing to be gained from making it even more probable.
#
# ### Exercise 4: Write PPO's objective (4 min)
#
# Return the mean objective over all control steps.


# %% tags=["exercise"]
def ppo_goal(ratio, advantage, clip):
    """PPO's objective, to be maximised; tensors ratio [N] and advantage [N], a number clip."""
    ...


# %%
if check.ppo_goal(ppo_goal):
    ratios = torch.linspace(0.5, 1.5, 5)
    for advantage in (1.0, -1.0):
        goals = [ppo_goal(r[None], torch.tensor([advantage]), 0.2).item() for r in ratios]
        print(f"advantage {advantage:+.0f}:", *(f"{goal:+.2f}" for goal in goals))

# %% [markdown]
# PPO needs hours for HalfCheetah on one core, so we compare the methods on CartPole: the evolution
# strategy with 32 LIF neurons, PPO with 32 LIF neurons, and PPO with 32 tanh units. All policies
# start from rest in each control step. A run ends when 20 evaluation episodes reach a mean return
# of 475 (of at most 500). Which method needs the fewest control steps, and which the least time?
#
# <details><summary>Make a guess, then open</summary>
#
# PPO learns from each control step, the evolution strategy only from one number per episode. So we
# expect PPO to need fewer control steps. But each of its control steps is used ten times in a
# network that is run forwards and backwards.
# </details>

# %%
SETTINGS = PPOSettings(n_envs=4, n_steps=512, batch_size=128, lr=3e-3)
SMALL = PPOSettings(n_envs=2, n_steps=8, batch_size=16, passes=1)
UNITS = {"lif": {}, "tanh": {"steps": 1, "readout": "last"}}


def race(method, neuron, seed, settings=None, goal=475.0):
    """Control steps, processor time (s) and return after each update, up to the goal."""
    policy = pole.policy(neuron=neuron, persistent=False, **UNITS[neuron])
    points, used = [(0, 0.0, 9.0)], 0.0
    with method(pole, policy, settings=settings, seed=seed) as run:
        while run.steps_played < ppo_budget * (1 if method is PPORun else 5):
            started = time.process_time()
            run.learn(torch.tensor([0]))
            used += time.process_time() - started
            points.append((run.steps_played, used, run.evaluate().returns.mean()))
            if points[-1][2] >= goal:
                break
    return np.array(points)


METHODS = {
    "evolution, LIF": (EvolutionRun, "lif", None, BLUE),
    "PPO, LIF": (PPORun, "lif", SETTINGS, GREEN),
    "PPO, tanh": (PPORun, "tanh", SETTINGS, PURPLE),
}
for neuron in UNITS:  # a short run first, so that compiling does not count
    race(PPORun, neuron, 0, SMALL, goal=0.0)
race(EvolutionRun, "lif", 0, goal=0.0)
races = {
    name: [race(method, neuron, seed, settings) for seed in range(n_seeds)]
    for name, (method, neuron, settings, _) in METHODS.items()
}

# %%
cost = {  # processor time per control step, us
    name: 1e6 * sum(run[-1, 1] for run in runs) / sum(run[-1, 0] for run in runs)
    for name, runs in races.items()
}
for name, runs in races.items():
    ends = [f"{run[-1, 2]:3.0f} after {run[-1, 0]:6,.0f} steps" for run in runs]
    print(f"{name:15s} {', '.join(ends)}; {cost[name]:4.0f} us per control step")
if full_run:
    assert cost["PPO, LIF"] > 5 * cost["evolution, LIF"]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9, 3.2), sharey=True)
for name, (*_, color) in METHODS.items():
    for number, run in enumerate(races[name]):
        label = None if number else name
        axes[0].plot(run[:, 0] / 1000, run[:, 2], "o-", ms=3, color=color, label=label)
        axes[1].semilogx(run[1:, 1], run[1:, 2], "o-", ms=3, color=color)
axes[0].set(xlabel="control steps (thousands)", ylabel="return of an episode", ylim=(0, 520))
axes[1].set(xlabel="processor time (s)")
axes[0].legend(loc="lower right")
plt.show()

# %% [markdown]
# *The figure shows the return on CartPole against the control steps of training (left) and against
# the processor time (right), one line per run.* In control steps there is no winner, because the
# runs of each method differ so much. The evolution strategy happens to reach the goal within 2000
# control steps in its first run, and takes fifteen times as many in its second. PPO with LIF
# neurons reaches it in one run; in the other, it comes close and then loses what it has learned.
# With tanh units both runs reach the goal. **Two runs are enough to see the scatter, but not to
# compare means.** In time the result is clear: a control step of PPO takes about
# 49<!-- ratio 60% --> times as much processor time.
#
# Which of the two counts depends on what a control step costs. The simulator of CartPole takes
# microseconds, so the evolution strategy can afford many control steps. A real pole takes 20 ms per
# control step whatever the method. For HalfCheetah, Huang et al. 2022 report a return of 1443 after
# a million control steps of PPO with tanh units. So there PPO, with their settings, was not the
# more economical method in control steps, either.
#
# ## 6. What has been learned?
#
# Let the first network run.

# %%
runner = trained["32 LIF neurons"][0]
player = runner.player()
player.reset()
_, torques, rewards, speeds = play(player.act)
effort = np.sqrt((torques**2).mean())
print(f"return {rewards.sum():.0f}, mean speed {speeds.mean():.2f} m/s, rms torque {effort:.2f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
pictures = [np.full((200, 200, 3), 255, np.uint8)] * 8
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "run.gif"
    try:
        film(runner, path, seconds=2.0, fps=20, width=200)
        with Image.open(path) as gif:
            pictures = [np.array(frame.convert("RGB")) for frame in ImageSequence.Iterator(gif)]
    except RenderError as error:
        print(f"no film: {error}")
_, axes = plt.subplots(2, 4, figsize=(6, 3.2))
for k, (ax, frame) in enumerate(zip(axes.flat, pictures[-8:], strict=True)):
    ax.imshow(frame)
    ax.axis("off")
    ax.set_title(f"{50 * k} ms")
plt.show()

# %% [markdown]
# *The figure shows the body of the first network in eight successive control steps, about 2 s after
# the start.* The film shows these 2 s.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
small = [Image.fromarray(frame).resize((104, 104)).quantize(16) for frame in pictures[::2]]
buffer = io.BytesIO()
small[0].save(buffer, "GIF", save_all=True, append_images=small[1:], duration=100, loop=0)
words = "A film of 2 s: the body starts from a stand and runs to the right."
data = b64encode(buffer.getvalue()).decode()
display(HTML(f'<img alt="{words}" width="256" src="data:image/gif;base64,{data}">'))

# %% [markdown]
# ### How robust is it?
#
# Disturb the trained policies, without training them again: add noise to all observations; set a
# fifth of the observations to 0 (3 of 17); silence a fifth of the neurons (6 of 32); or change the
# time constant of the trace. Which policy suffers more from noise, the network or the linear one?
#
# <details><summary>Make a guess, then open</summary>
#
# The linear policy passes the noise on to the torques at once, whereas traces average over time. So
# we expect the linear policy to suffer more.
# </details>

# %%
levels = (0.0, 0.1, 0.2, 0.4)
PAIR = ("32 LIF neurons", "linear")


def mean_return(policy, **changes):
    return policy.evaluate(n_episodes, task=cheetah.changed(**changes)).returns.mean()


noisy = {
    name: np.array([[mean_return(run, noise=level) for level in levels] for run in trained[name]])
    for name in PAIR
}  # returns [runs, levels]
cut = [np.random.default_rng(k).choice(17, 3, replace=False).tolist() for k in range(3)]
networks, linear = (list(zip(trained[name], noisy[name][:, 0], strict=True)) for name in PAIR)
lesions = {  # what is left of the return
    "LIF, a fifth of the neurons":
        [mean_return(run.without(0.2, k)) / whole for run, whole in networks for k in range(3)],
    "LIF, a fifth of the observations":
        [mean_return(run, lost=lost) / whole for run, whole in networks for lost in cut],
    "linear, a fifth of the observations":
        [mean_return(run, lost=lost) / whole for run, whole in linear for lost in cut],
}  # fmt: skip
kept = {name: float(np.median(values)) for name, values in lesions.items()}
print("median left:", {name: f"{value:.2f}" for name, value in kept.items()})

# %%
new_taus = (1.0, 2.0, 4.5, 9.0, 18.0)  # ms


def read_with(run, tau):
    """The same weights, read with another time constant."""
    return replace(run, policy=replace(run.policy, tau_trace=tau))


by_tau = np.array([[mean_return(read_with(run, tau)) for tau in new_taus] for run, _ in networks])
print("return by time constant:", by_tau.mean(0).round(0))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 3, figsize=(11, 3.2), width_ratios=(1, 1.1, 1))
for name in PAIR:
    for number, values in enumerate(noisy[name]):
        axes[0].plot(levels, values / values[0], "o-", ms=4, color=KINDS[name][2],
                     label=None if number else name)  # fmt: skip
axes[0].set(xlabel="standard deviation of the noise", ylabel="return (undisturbed = 1)")
axes[0].legend(loc="upper right")
for row, (name, values) in enumerate(lesions.items()):
    color = KINDS["linear" if name.startswith("linear") else "32 LIF neurons"][2]
    axes[1].plot(values, [row] * len(values), "o", color=color, alpha=0.6)
axes[1].set_yticks(range(len(lesions)), [name.replace(", ", ",\n") for name in lesions])
axes[1].set(xlabel="return (undisturbed = 1)", ylim=(2.5, -0.5))
axes[1].axvline(1, color=GREY, ls=":", lw=1)
for values in by_tau:
    axes[2].semilogx(new_taus, values / values[2], "o-", ms=4, color=BLUE)
axes[2].set_xticks(new_taus, [f"{tau:g}" for tau in new_taus])
axes[2].minorticks_off()
axes[2].set(xlabel=r"time constant $\tau$ (ms)", ylabel="return (4.5 ms = 1)")
plt.show()

# %% [markdown]
# *The figure shows what is left of the return with noise on all observations (left, one line per
# run), after damage (middle, one dot for each run and each choice of what is lost), and with
# another time constant of the trace (right, one line per run).* Weak noise (0.1) costs the network
# a third of its return and the linear policy less: here, traces are no protection. After the loss
# of a fifth of the observations it is the other way round. In the median, the network keeps
# 78<!-- kept_lif 25 --> % of its return and the linear policy 1<!-- kept_linear 30 --> %. A fifth
# of the neurons matters more to the network: 40<!-- kept_neurons 30 --> % are left in the median,
# and it depends very much on which neurons are lost. Robustness is not one property: it depends on
# what is disturbed.
#
# The right panel shows the compromise of section 3 in a real body: with 18 ms instead of 4.5 ms,
# the torques are so late that hardly anything is left of the run. But a shorter time constant does
# harm, too, and the best value is the one of the training. The weights have adapted to it, so this
# does not show which time constant is best to learn with. For that, you would train with each of
# them.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
measured = {
    "nothing": nothing,
    "at_random": at_random,
    "spread_ratio": spread.max() / spread.min(),
    "every_raw": every_raw,
    "every_normalised": every_normalised,
    "raw_positions": r2_raw[:8].mean(),
    "normalised_positions": r2_normalised[:8].mean(),
    "line_current": 100 * errors["current"]["proportional"],
    "line_population": 100 * errors["population"]["proportional"],
    "bump_current": 100 * errors["current"]["near 0 only"],
    "bump_population": 100 * errors["population"]["near 0 only"],
    "lif": final["32 LIF neurons"].mean(),
    "linear": final["linear"].mean(),
    "raw": final["32 LIF neurons, raw"].mean(),
    "ratio": cost["PPO, LIF"] / cost["evolution, LIF"],
    "kept_neurons": 100 * kept["LIF, a fifth of the neurons"],
    "kept_lif": 100 * kept["LIF, a fifth of the observations"],
    "kept_linear": 100 * kept["linear, a fifth of the observations"],
    "best_tau_4": lowest[4][0],
    "best_tau_16": lowest[16][0],
}
record("results/802_walk.json", measured, full=full_run)

# %% [markdown]
# ## Summary
#
# 1. The return mixes speed and effort: add the cost of the torques to get the speed.
# 2. Currents must be normalised, or observations with a small variance disappear from the spikes. A
#    population code represents other functions, with more weights.
# 3. A trace trades jitter for delay. More steps per control step reduce both, for more computation.
# 4. An evolution strategy taught 32 LIF neurons to run in about ten seconds, without a gradient. A
#    linear policy did about as well: always compare with one. Even raw observations were enough,
#    against the prediction.
# 5. PPO needs a surrogate gradient, a critic and action probabilities. On CartPole its control
#    steps took far more time; two runs per method were too few to tell which needs fewer of them.
#
# ## Further reading
#
# - Mania, Guy & Recht 2018, *Simple random search of static policies is competitive for
#   reinforcement learning*, NeurIPS 31, [arXiv:1803.07055](https://arxiv.org/abs/1803.07055). The
#   evolution strategy used here, with linear policies.
# - Salimans, Ho, Chen, Sidor & Sutskever 2017, *Evolution strategies as a scalable alternative to
#   reinforcement learning*, [arXiv:1703.03864](https://arxiv.org/abs/1703.03864).
# - Schulman, Wolski, Dhariwal, Radford & Klimov 2017, *Proximal policy optimization algorithms*,
#   [arXiv:1707.06347](https://arxiv.org/abs/1707.06347). PPO.
# - Tang, Kumar, Yoo & Michmizos 2021, *Deep reinforcement learning with population-coded spiking
#   neural network for continuous control*, CoRL (PMLR 155:2016). The population code.
# - Huang, Dossa, Ye, Braga, Chakraborty, Mehta & Araújo 2022, *CleanRL*, JMLR 23(274): returns of
#   PPO.
#
# **See also.** `python demos/train_control.py --env Ant-v5 --video ant.gif` trains a body with four
# legs ([Programs and data](../docs/programs.md#bodies)).
#
# **Next.** [803](803_biology.ipynb): find out whether biology helps.
