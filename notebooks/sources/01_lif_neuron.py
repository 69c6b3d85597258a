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
# # Build a leaky integrate-and-fire neuron
#
# **What you will build.** One spiking neuron, by hand, in a plain Python loop. You start with three
# lines that only leak. Then you add a threshold, a reset, a refractory time, a synapse and an
# adapting threshold, and hold each of them against a formula. At the end two calls of the library,
# `lif_step` and `LIFLayer`, do exactly what your loop does.
#
# **What you need.** Python, exponentials and logarithms. No knowledge of neurons, and no GPU.
#
# **Run time.** About 10 seconds on two CPU cores. A GPU changes nothing here: nothing is trained.
#
# ## Objectives
#
# After this notebook you can
#
# 1. write the update of a leaky neuron and say why its factor is $e^{-dt/\tau}$,
# 2. convert between `tau`, `dt` and `beta`, and scale a constant current with `constant_drive`,
# 3. put decay, input, spike and reset in the right order, and name the three resets,
# 4. predict a firing rate from the current, with and without refractory time,
# 5. say what a synaptic current and an adaptive threshold add,
# 6. carry, forget and detach a state on purpose, and never by accident.
#
# All parameters stand in the second cell of code. To try others, change them there, set
# `full_run = False` and run the notebook again. The numbers in the text are those of the values
# given here.

# %%
import math
import platform

import matplotlib
import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import LIFLayer, LIFParams, __version__, constant_drive, lif_step, plotting
from jarvis.classroom import widgets
from jarvis.classroom.check import lif_neuron as check
from jarvis.classroom.results import record
from jarvis.neurons import exp_decay
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, RED

plt.rcParams.update({"figure.figsize": (6, 2.8), "figure.dpi": 85, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {__version__}, Python {platform.python_version()}, torch {torch.__version__}")
print(f"numpy {np.__version__}, matplotlib {matplotlib.__version__}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "long_duration": 300.0}}
full_run = True
seed = 0
tau = 20.0  # membrane time constant, ms
dt = 1.0  # time step, ms
current = 1.5  # constant current I, in units of the threshold: above 1, or it never fires
duration = 200.0  # of most simulations, ms: long enough for some spikes
fine_dt = 0.1  # step of the f-I curves, ms
long_duration = 2000.0  # of the f-I curves (firing rate against current), ms

# %%
rng = np.random.default_rng(seed)
n_steps = round(duration / dt)
times = dt * np.arange(1, n_steps + 1)  # step t ends at (t + 1) dt; that is where we plot it
print(f"{n_steps} steps of {dt:g} ms")

# %% [markdown]
# ## 1. What does a leaky membrane do?
#
# A neuron's membrane stores charge, and it leaks. We measure its potential $v$ from rest, in units
# of the threshold: rest is 0, threshold is 1. A constant current $I$ pushes it up, the leak pulls
# it down:
#
# $$\tau\,\frac{dv}{dt} = -v + I .$$
#
# The naive way to run this on a computer is to take the slope, multiply by $dt$, and add. That is
# Euler's method, and it needs three lines.
#
# Where does $v$ end up, and where is it after one time constant (20 ms)?
#
# <details><summary>Make a guess, then open</summary>
# It ends where the slope is zero, at v = I = 1.5. After one time constant it has gone 63 % of the
# way (1 - 1/e), to 0.95. It does not stop at 1: so far nothing knows about a threshold.
# </details>

# %%
v, naive = 0.0, []
for _ in range(n_steps):
    v = v + dt / tau * (current - v)
    naive.append(v)

_, ax = plt.subplots()
ax.plot(times, naive, ".-", color=ORANGE, ms=3, label="three lines of Python")
ax.axhline(current, color=GREY, ls=":", label="current I")
ax.axvline(tau, color=GREY, lw=0.8, label=r"$t = \tau$")
ax.set(xlabel="time (ms)", ylabel="potential v (threshold = 1)", ylim=(0, 1.6))
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the potential of a membrane without threshold.* It rises fast at first, then
# slower, and settles at the current. This is why currents are given in units of $v$: $I$ is the
# potential that a neuron without threshold would reach.
#
# ## 2. Is the simulation right?
#
# We need not believe the loop. For a constant current and $v(0) = 0$ the equation has a solution:
#
# $$v(t) = I\,\bigl(1 - e^{-t/\tau}\bigr).$$
#
# Lay one over the other, with a coarse step of 5 ms so that an error has a chance to show.


# %%
def closed_form(t, current=current):
    """v(t) of a membrane without threshold that starts at rest; t in ms."""
    return current * (1 - np.exp(-t / tau))


coarse = 5.0
coarse_times = coarse * np.arange(1, 21)
v, euler = 0.0, []
for _ in coarse_times:
    v = v + coarse / tau * (current - v)
    euler.append(v)
euler_error = np.abs(euler - closed_form(coarse_times)).max()
print(f"largest error with dt = {coarse:g} ms: {euler_error:.4f} threshold units")

# %%
_, ax = plt.subplots()
ax.plot(times[:100], closed_form(times[:100]), color="black", lw=1, label="closed form")
ax.plot(coarse_times, euler, "o", color=ORANGE, ms=4, label="Euler, dt = 5 ms")
ax.axhline(1, color=GREY, ls="--", lw=1)
ax.set(xlabel="time (ms)", ylabel="potential v (threshold = 1)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows Euler's points against the closed form; the dashed line is the threshold.* Every
# point lies too high, by up to 0.08. **Cause:** Euler takes the slope at the start of the step and
# keeps it for the whole step. The true slope gets flatter within the step.
#
# ## 3. Why $e^{-dt/\tau}$?
#
# The closed form also holds within one step, from any starting value. From $v$ it goes to
#
# $$v' = e^{-dt/\tau}\,v + \bigl(1 - e^{-dt/\tau}\bigr) I .$$
#
# This is no approximation. While the input is constant over the step, it is the solution. Euler's
# factor $1 - dt/\tau$ is the start of the same series,
# $e^{-dt/\tau} = 1 - dt/\tau + \tfrac12 (dt/\tau)^2 - \dots$
#
# How large is the error of the exact update with the same coarse step?

# %%
decay = math.exp(-coarse / tau)
v, exact = 0.0, []
for _ in coarse_times:
    v = decay * v + (1 - decay) * current
    exact.append(v)
exact_error = np.abs(exact - closed_form(coarse_times)).max()
print(f"largest error with dt = {coarse:g} ms: {exact_error:.1e} threshold units")
assert exact_error < 1e-12

# %% [markdown]
# The error is what is left of rounding in 64-bit numbers. So the loop is now `v = decay * v + x`,
# and all that is left to think about is `x`: **the jump that the input gives to v in one step.**
#
# What happens if you forget the factor, and pass $x = I$ itself at every step (dt = 1 ms)?
#
# <details><summary>Make a guess, then open</summary>
# The potential settles where decay * v + I = v, at I / (1 - decay). With tau = 20 ms and
# dt = 1 ms that is 30.76 instead of 1.5: about tau/dt times too much.
# </details>

# %%
decay = math.exp(-dt / tau)
levels = {"I": current, "(1 - decay) I": constant_drive(current, tau=tau, dt=dt)}
for name, x in levels.items():
    v = 0.0
    for _ in range(10 * n_steps):
        v = decay * v + x
    levels[name] = v
    print(f"x = {name:<14} settles at v = {v:.2f}")

# %% [markdown]
# The second line used `constant_drive(I, tau, dt)`, which is the library's name for
# $(1 - e^{-dt/\tau})\, I$. The factor belongs to a *constant current* only. A spike that arrives
# gives a jump of its own, its weight, and no factor.
#
# ## 4. `tau`, `beta` and `dt`
#
# Some libraries ask for the factor itself and call it `beta`. The factor says nothing on its own:
# it is a time constant only together with `dt`. Here is a table of $e^{-dt/\tau}$, from
# `exp_decay`. Read it backwards with $\tau = -dt / \ln\beta$: what does `beta = 0.95` mean in ms?

# %%
taus, steps = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0), (0.1, 0.5, 1.0, 2.0, 5.0)
print("tau (ms) |" + "".join(f"  dt={step:<4g}" for step in steps) + " (ms)")
for t in taus:
    print(f"{t:8g} |" + "".join(f"  {exp_decay(t, step):.4f} " for step in steps))

beta = 0.95
for step in (0.5, 1.0, 2.0):
    print(f"beta = {beta} with dt = {step:3g} ms means tau = {-step / math.log(beta):5.2f} ms")


# %%
def rise(step, factor):
    """100 ms of a constant current: v after each step."""
    n = round(100 / step)
    return step * np.arange(1, n + 1), current * (1 - factor ** np.arange(1, n + 1))


_, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True)
for step, colour, style in ((0.5, BLUE, "."), (1.0, GREEN, "x"), (2.0, RED, "+")):
    axes[0].plot(*rise(step, beta), style, color=colour, ms=4, label=f"dt = {step:g} ms")
    axes[1].plot(*rise(step, exp_decay(tau, step)), style, color=colour, ms=4)
axes[0].set(title="the same beta = 0.95", ylabel="potential v (threshold = 1)")
axes[1].set(title=r"the same $\tau$ = 20 ms")
for ax in axes:
    ax.set_xlabel("time (ms)")
axes[0].legend()
plt.show()

# %% [markdown]
# *The figure shows one current at three step lengths.* With the same `beta` (left), a change of
# `dt` gives three different neurons. With the same `tau` (right) the points of all three lie on one
# curve. This is why `jarvis` takes `tau` and `dt` in ms and derives the factor.
#
# ## 5. What does `dt` do?
#
# Two things can go wrong with a long step: the potential on the grid, and the time at which it is
# first seen above threshold. First the extreme: what does Euler do when $dt > 2\tau$?
#
# <details><summary>Make a guess, then open</summary>
# Its factor 1 - dt/tau is then below -1. The error changes sign at every step and grows: the
# potential explodes. The exact factor lies between 0 and 1 for any dt.
# </details>
#
# Now ordinary steps. We look at the first step that ends at or above threshold. We take a weak
# current, $I = 1.05$, where the neuron takes long to get there: $\tau \ln\frac{I}{I-1}$ = 60.89 ms.

# %%
weak = 1.05
weak_time = tau * math.log(weak / (weak - 1))


def first_crossing(factor, step):
    """The end (ms) of the first step at which v >= 1, for the weak current."""
    v, t = 0.0, 0
    while v < 1:
        v, t = factor * v + (1 - factor) * weak, t + 1
    return t * step


# %%
methods = {
    "Euler": (ORANGE, lambda step: 1 - step / tau),
    "exact": (BLUE, lambda step: exp_decay(tau, step)),
}
dts = np.array([0.05, 0.1, 0.2, 0.25, 0.4, 0.5, 0.8, 1, 1.25, 1.6, 2, 2.5, 3, 4, 5])
huge, k, late = 50.0, np.arange(9), {}  # a step of 2.5 tau
_, axes = plt.subplots(1, 2, figsize=(8, 3))
for name, (colour, factor) in methods.items():
    axes[0].plot(huge * k, current * (1 - factor(huge) ** k), "o-", color=colour, label=name)
    late[name] = np.array([first_crossing(factor(step), step) - weak_time for step in dts])
    axes[1].plot(dts, late[name], "o-", ms=3, color=colour, label=name)
axes[1].fill_between(dts, 0, dts, color=BLUE, alpha=0.15, label="0 to dt late")
axes[0].set(xlabel="time (ms)", ylabel="potential v (threshold = 1)", title="dt = 50 ms, I = 1.5")
axes[1].set(xlabel="dt (ms)", ylabel="error of the first spike (ms)", title="I = 1.05")
axes[1].legend()
plt.show()
euler_late, exact_late = late["Euler"][dts == 2].item(), late["exact"][dts == 2].item()
print(f"dt = 2 ms: off by {euler_late:+.2f} ms (Euler), {exact_late:+.2f} ms (exact)")
assert np.all((late["exact"] >= 0) & (late["exact"] < dts))

# %% [markdown]
# *Left: both updates with a step of 50 ms.* Euler swings wider and wider; the exact points settle
# at the current. A step of 50 ms is silly for $\tau$ = 20 ms, but one of 1 ms is just as bad for a
# synapse with $\tau_{syn}$ = 0.4 ms.
#
# *Right: how late the first spike comes, against the step.* With the exact update it is late by
# less than one step, always: $v$ is right on the grid, and the grid is looked at only once a step.
# Euler's is early, by 2.89 ms at dt = 2 ms, more than a step.
#
# To be fair to Euler: near $I = 1.5$ its two errors, too early and rounded up, nearly cancel, and
# its first spike looks fine. Do not judge a method by one lucky number.
#
# ## 6. Threshold and spike: a first attempt
#
# The neuron fires a spike where $v \ge 1$. With $I = 1.5$ the closed form crosses 1 at
#
# $$t_1 = \tau \ln\frac{I}{I-1} = 20 \ln 3 = 21.97\ \text{ms}.$$
#
# Nothing simpler than that: compare, and write down a 1. How many spikes do you expect in 200 ms?
#
# <details><summary>Make a guess, then open</summary>
# If it takes about 22 ms to get from rest to threshold, then 200 ms have room for 9 spikes.
# </details>

# %%
drive = [constant_drive(current, tau=tau, dt=dt)] * n_steps
v, rows = 0.0, []
for x in drive:
    v = decay * v + x
    s = 1.0 if v >= 1 else 0.0
    rows.append((v, s))
potentials, runaway = np.array(rows).T

t_first = tau * math.log(current / (current - 1))
print(f"expected about {duration / t_first:.1f} spikes, got {runaway.sum():.0f}")
ax = plotting.trace(potentials, spikes=runaway, dt=dt, label="v")
ax.set_ylim(0, 1.75)
plt.show()

# %% [markdown]
# *The figure shows the potential (line), the threshold (dashed) and each spike (triangle).* The
# first spike comes at 22 ms, as it should. Then there is one at every step: 179 spikes, not 9.
#
# **Look for the cause before you read on.** The potential itself is as smooth as before. What
# should have happened to it at the first spike?
#
# <details><summary>The cause</summary>
# The spike is written down, but v does not know that it happened. Above the threshold it stays,
# and so every later step fires as well. A spike must take v down: the reset was forgotten.
# </details>
#
# ## 7. Reset: the mend
#
# One more line: a spike takes one threshold off the potential. Note the order. The potential
# *before* the reset gets a name of its own, $h$, because it is $h$ that is compared with the
# threshold.

# %%
v, rows = 0.0, []
for x in drive:
    h = decay * v + x  # 1. leak and input
    s = 1.0 if h >= 1 else 0.0  # 2. compare
    v = h - s  # 3. reset: the line that was missing
    rows.append((h, s, v))
by_hand_h, by_hand_spikes, by_hand_v = np.array(rows).T
n_spikes, first_spike = by_hand_spikes.sum(), (by_hand_spikes.argmax() + 1) * dt

print(f"{n_spikes:.0f} spikes; the first at {first_spike:g} ms, closed form {t_first:.2f} ms")
print(f"largest v: {by_hand_v.max():.3f}, largest h: {by_hand_h.max():.3f}")
assert 0 <= first_spike - t_first < dt
ax = plotting.trace(by_hand_v, spikes=by_hand_spikes, dt=dt, label="v, after the reset")
ax.plot(times, by_hand_h, ".", color=ORANGE, ms=4, label="h, before the reset")
ax.set_ylim(-0.05, 1.45)
ax.legend(loc="upper right", ncols=2)
plt.show()

# %% [markdown]
# *The figure shows the mended neuron: 9 spikes.* Compare the two: $v$ never reaches the threshold,
# $h$ does. If a plot of yours shows spikes "below the threshold", it shows $v$ after the reset, and
# nothing is broken.
#
# ## 8. What happens in one step, and in which order?
#
# This is the whole update of `jarvis`, in its order, now with a synaptic current $i$ (section 11):
#
# 1. $i = e^{-dt/\tau_{syn}}\, i + x$, the current (without `tau_syn`: $i = x$),
# 2. $h = e^{-dt/\tau}\, v + i$, leak and input,
# 3. $s = 1$ where $h \ge 1$, the spike,
# 4. $v = h - s$, the reset.
#
# Print it for a few steps, and check one row by head.

# %%
order_tau, order_syn = 5.0, 2.0  # short ones, in ms, so that the decay shows
order_x = [0.0, 0.5, 0.0, 0.0, 0.6, 0.3, 0.0, 0.0, 0.0, 0.5]
rows, i, v = [], 0.0, 0.0
print("step    x      i      h    s     v")
for n, x in enumerate(order_x):
    i = math.exp(-dt / order_syn) * i + x
    h = math.exp(-dt / order_tau) * v + i
    s = 1.0 if h >= 1 else 0.0
    rows.append((v, i, h, s, h - s))
    v = h - s
    print(f"{n:4d}  {x:.1f}  {i:.3f}  {h:.3f}  {s:.0f}  {v:.3f}")

# %%
_, axes = plt.subplots(3, 1, figsize=(7, 4.6), sharex=True, height_ratios=(1, 2.6, 0.6))
for n, (before, i, h, s, v) in enumerate(rows):
    end, jump = n + 1, n + 0.8  # the decay fills the step; jump and reset belong to its end
    t = np.linspace(n, jump, 20)
    leak = before * np.exp(-(t - n) / 0.8 * dt / order_tau)
    axes[0].bar(jump, i, 0.12, color=GREEN)
    axes[1].plot(t, leak, color=GREY, lw=1)
    axes[1].plot([jump, jump], [leak[-1], h], color=GREEN, lw=2)
    axes[1].plot([jump, end], [h, v], color=RED if s else GREY, lw=2 if s else 1)
    axes[1].plot(jump, h, "o", mfc="white", color=ORANGE, label="h" if n == 0 else None)
    axes[1].plot(end, v, "o", color=BLUE, label="v" if n == 0 else None)
    axes[2].bar(end, s, 0.12, color="black")
axes[1].axhline(1, color=GREY, ls="--", lw=1)
notes = {"1 current": (0, 4.65, 0.6, GREEN), "2 leak and input": (1, 4.7, 1.12, GREEN)}
notes |= {"3 spike": (2, 4.85, 0.4, "black"), "4 reset": (1, 5.78, 1.15, RED)}
for text, (row, x, y, colour) in notes.items():
    axes[row].text(x, y, text, color=colour, fontsize=9, ha="right")
axes[0].set(ylabel="current i", ylim=(0, 0.9))
axes[1].set(ylabel="potential (threshold = 1)")
axes[2].set(ylabel="spike s", xlabel="time (steps of 1 ms)", ylim=(0, 1.1), yticks=(0, 1))
axes[1].legend(loc="upper left")
plt.show()

# %% [markdown]
# *The figure shows the order of operations.* In each step the potential leaks (grey), the current
# lifts it (green) to $h$ (open circle), $h$ is compared with the threshold (dashed), and where it
# fires, the reset (red) takes it down to $v$ (full circle). The next step starts from $v$. The
# jumps are drawn a little before the end of the step so that you can see them apart.
#
# ## 9. Three resets
#
# Which potential is left after a spike? There are three answers:
#
# | `reset` | after a spike | what becomes of the overshoot $h - 1$ |
# |---|---|---|
# | `"subtract"` | $v = h - 1$ | kept: it counts towards the next spike |
# | `"zero"` | $v = 0$ | thrown away |
# | `"none"` | $v = h$ | nothing is taken: the failure of section 6 |
#
# From here on the hand-written neuron is a function, with the reset as an argument and with a
# **refractory time**: after a spike, $v$ is held for `refractory / dt` steps. `x` may be a
# list of numbers, or of arrays, one entry a neuron.


# %%
def neuron(x, tau=20.0, dt=1.0, reset="subtract", refractory=0.0):
    """Run a LIF neuron over the inputs x; return the arrays h, spikes, v, one row a step."""
    decay, hold = math.exp(-dt / tau), round(refractory / dt)
    v = wait = np.zeros_like(x[0], dtype=float)
    rows = []
    for x_t in x:
        h = np.where(wait > 0, v, decay * v + x_t)
        s = 1.0 * ((h >= 1) & (wait <= 0))
        v = {"subtract": h - s, "zero": h * (1 - s), "none": h}[reset]
        wait = np.where(s > 0, hold, np.maximum(wait - 1, 0))
        rows.append((h, s, v))
    return np.array(rows).swapaxes(0, 1)


assert np.array_equal(neuron(drive, tau, dt)[1], by_hand_spikes)  # the loop of section 7

# %% [markdown]
# Give the three the same strong input: a jump of 0.45 at every step for 12 steps, then silence.
# Which one fires most, and which one least?
#
# <details><summary>Make a guess, then open</summary>
# "none" fires most: once up, it fires at every step, and even after the input has ended, until
# the leak has brought it below threshold. "zero" fires least: it throws the overshoot away.
# </details>

# %%
strong = [0.45] * 12 + [0.0] * 8
_, axes = plt.subplots(1, 3, figsize=(9, 2.8), sharey=True)
counts = {}
for ax, reset in zip(axes, ("subtract", "zero", "none"), strict=True):
    h, s, v = neuron(strong, reset=reset)
    counts[reset] = int(s.sum())
    plotting.trace(v, dt=dt, ax=ax, label="v", marker=".")
    ax.plot(np.arange(1, 21), h, "o", mfc="none", color=ORANGE, ms=4, label="h")
    ax.plot(np.flatnonzero(s) + 1, np.full(counts[reset], 4.9), "v", color="black", ms=4)
    ax.set(title=f'reset="{reset}": {counts[reset]} spikes', ylim=(-0.1, 5.2))
    ax.set_ylabel("potential (threshold = 1)" if ax is axes[0] else "")
axes[0].legend(loc="center right")
plt.show()
assert counts["zero"] < counts["subtract"] < counts["none"]

# %% [markdown]
# *The figure shows $h$ (circles), $v$ (line) and spikes (triangles) for the same input.* With
# `"subtract"` 5 spikes stand for an input of 12 times 0.45 = 5.4; the rest has leaked or is still
# in $v$. `"zero"` gives 4. `"none"` gives 18, and it is still above threshold when we stop looking:
# of use where only the potential is read, not where the spikes are.
#
# ## 10. How fast does it fire?
#
# From rest to threshold takes $\tau \ln\frac{I}{I-1}$, and after a reset to zero the neuron is at
# rest again. Add the refractory time $t_{ref}$, in which it is held, and turn the interval over:
#
# $$f(I) = \frac{1}{t_{ref} + \tau \ln \frac{I}{I-1}} \ \ (I > 1), \qquad f(I) = 0 \ \ (I \le 1).$$
#
# The current that is just enough is called the *rheobase*; here it is 1. Without refractory time,
# how much does the rate at $I = 2$ differ from that at $I = 1.01$?
#
# <details><summary>Make a guess, then open</summary>
# At I = 2 the interval is 20 ln 2 = 13.86 ms, 72 Hz. At I = 1.01 it is 20 ln 101 = 92.3 ms,
# 11 Hz. Below 1 there is nothing at all. The curve starts with a vertical slope.
# </details>


# %%
def rate(current, refractory=0.0):
    return 1000 / (refractory + tau * np.log(current / (current - 1)))  # Hz, for I > 1


def simulated_rate(currents, refractory=0.0, reset="zero", dt=fine_dt):
    """Hz, from the mean interval between spikes (0 with fewer than two spikes)."""
    x = np.tile(constant_drive(currents, tau=tau, dt=dt), (round(long_duration / dt), 1))
    spikes = neuron(x, tau, dt, reset, refractory)[1]
    intervals = [np.diff(np.flatnonzero(s)) * dt for s in spikes.T]
    return np.array([1000 / t.mean() if len(t) else 0.0 for t in intervals])


# %%
low = np.append(np.linspace(0.5, 0.99, 6), np.linspace(1.05, 4, 24))
low_rates = simulated_rate(low)
fires = low > 1
late = 1000 / low_rates[fires] - 1000 / rate(low[fires])  # ms per interval
print(f"I < 1: {low_rates[~fires].max():.0f} Hz. I > 1: each interval is {late.min():.3f} to")
print(f"{late.max():.3f} ms longer than the formula's, with dt = {fine_dt:g} ms")
assert low_rates[~fires].max() == 0
assert np.all((late > -1e-9) & (late < fine_dt + 1e-9))

# %%
_, ax = plt.subplots()
smooth = 1 + np.geomspace(1e-9, 3, 500)
ax.plot([0.5, 1, *smooth], [0, 0, *rate(smooth)], color="black", lw=1, label="formula")
ax.plot(low, low_rates, "o", color=BLUE, ms=4, label="simulated")
ax.axvline(1, color=GREY, ls=":", label="rheobase")
ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the f-I curve: firing rate against current.* Silent up to the rheobase, then
# steep, then nearly straight. The simulated intervals are longer than the formula's by less than
# one step: a spike is seen at the end of the step in which it happens.
#
# The line goes on for ever. A real neuron's does not. With a refractory time of 5 ms, what is the
# highest rate that any current can drive?
#
# <details><summary>Make a guess, then open</summary>
# However strong the current, the interval is never shorter than 5 ms: 1/(5 ms) = 200 Hz.
# </details>

# %%
high, smooth = np.geomspace(1.05, 50, 24), np.geomspace(1.001, 50, 400)
_, ax = plt.subplots(figsize=(6, 3.2))
for refractory, colour in ((2.0, BLUE), (5.0, ORANGE), (10.0, GREEN)):
    high_rates = simulated_rate(high, refractory)
    late = 1000 / high_rates - 1000 / rate(high, refractory)
    assert np.all((late > -1e-9) & (late < fine_dt + 1e-9))
    if refractory == 5:
        limit_rate = high_rates[-1]
    ax.semilogx(smooth, rate(smooth, refractory), color=colour, lw=1)
    ax.axhline(1000 / refractory, color=colour, ls=":", lw=1)
    ax.semilogx(high, high_rates, "o", color=colour, ms=4, label=f"{refractory:g} ms")
ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)")
ax.set_xticks((1, 2, 5, 10, 20, 50), ("1", "2", "5", "10", "20", "50"))
ax.legend(title="refractory time", loc=(0.03, 0.5))
plt.show()
print(f"5 ms, I = 50: {limit_rate:.2f} Hz of at most {1000 / 5:.0f} Hz")

# %% [markdown]
# *The figure shows simulated rates (dots), formula (lines) and the limit $1/t_{ref}$ (dotted), with
# the current on a logarithmic scale.* At fifty times the rheobase the 5 ms neuron fires at 181.82
# Hz and is close to its ceiling of 200 Hz. (The dots lie a little low: a step of 0.1 ms is a
# visible part of an interval of 2.4 ms.) The convention behind it: after a spike, $v$ is held for
# exactly `refractory / dt` steps, and no spike can follow in them.
#
# ### Turn the knobs
#
# Run the next cell to get sliders for all of this: current, `tau`, threshold, reset and refractory
# time. Find out, before you open the answers:
#
# - Raise the threshold from 1 to 1.5. Where does the f-I curve begin now?
# - Halve `tau`. Does the rheobase move? Does the rate?
# - Set the refractory time to 20 ms, and the current to its largest. How fast does it fire?
#
# <details><summary>Answers</summary>
# The curve begins at the threshold, at I = 1.5: that is where v would settle. A shorter tau leaves
# it there, but v gets to the threshold in half the time, so the rate doubles (without a refractory
# time). At 20 ms no current gets beyond 50 Hz, and I = 4 stays well below it.
# </details>

# %%
explorer = widgets.lif(current=1.5)
explorer

# %%
explorer.controls["current"].value = 2.0  # as if you had moved it
assert not explorer.errors
widgets.draw_lif(current=2.0)

# %% [markdown]
# *The figure is the picture above the sliders, for a current of 2: the potential and its spikes
# over time, and the f-I curve with a dot where the neuron is.*
#
# ## 11. What does a synaptic current add?
#
# So far a spike that arrives makes $v$ jump at once. A synapse passes its current over some
# milliseconds instead: the spike makes the *current* $i$ jump, and $i$ decays with
# $\tau_{syn}$. One line more. Let one spike arrive, and no other.
#
# Both pieces are exponentials, so the answer is a difference of two. With $t = (n+1)\,dt$, the end
# of step $n$, it is exact:
#
# $$v(t) = \frac{e^{-t/\tau} - e^{-t/\tau_{syn}}}{e^{-dt/\tau} - e^{-dt/\tau_{syn}}}, \qquad
# t_{peak} = \frac{\tau\,\tau_{syn}}{\tau - \tau_{syn}} \ln\frac{\tau}{\tau_{syn}} .$$


# %%
def synapse(x, tau_syn, dt=1.0):
    """v after each step, without threshold; tau_syn in ms, None for no synapse."""
    decay, decay_syn = math.exp(-dt / tau), 0.0 if tau_syn is None else math.exp(-dt / tau_syn)
    i = v = 0.0
    potentials = []
    for x_t in x:
        i = decay_syn * i + x_t
        v = decay * v + i
        potentials.append(v)
    return np.array(potentials)


one_spike, t = [1.0] + [0.0] * 79, np.arange(1, 81.0)
_, ax = plt.subplots(figsize=(6, 3))
ax.plot(t, synapse(one_spike, None), "o", ms=3, color="black", label="no synapse")
for tau_syn, colour in ((2.0, BLUE), (5.0, ORANGE), (10.0, GREEN)):
    psp = synapse(one_spike, tau_syn)
    other = tau if tau != tau_syn else 1.0001 * tau  # the formula is a limit where they are equal
    double = np.exp(-t / other) - np.exp(-t / tau_syn)
    double /= exp_decay(other, 1.0) - exp_decay(tau_syn, 1.0)
    assert np.allclose(psp, double, rtol=0, atol=1e-12 if other == tau else 1e-3)
    peak = other * tau_syn / (other - tau_syn) * math.log(other / tau_syn)
    ax.plot(t, double, color=colour, lw=1)
    ax.plot(t, psp, "o", ms=3, color=colour, label=rf"$\tau_{{syn}}$ = {tau_syn:g} ms")
    print(f"tau_syn = {tau_syn:2g} ms: peak at {t[psp.argmax()]:g} ms, formula {peak:.2f} ms")
    assert abs(t[psp.argmax()] - peak) < 1
ax.set(xlabel="time since the spike (ms)", ylabel="potential v (threshold = 1)")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the potential after one spike of weight 1: simulated (dots), formula (lines).*
# Without a synapse $v$ jumps and decays. With one it rises to a later and rounder peak.
#
# Did you notice the heights? The same weight gives several times as much with a synapse, because
# the current is added at every step that it lasts: $1/(1 - e^{-dt/\tau_{syn}})$ in all, which is
# 5.52 for 5 ms. A weight does not mean the same thing with and without `tau_syn`. Scale it.
#
# ## 12. What does an adaptive threshold add?
#
# Many neurons fire fast at first, then slower, although the current is constant. Let every own
# spike raise the threshold, and let the rise decay slowly. With $a$, a decaying count of own
# spikes, the threshold is $1 + b\,a$:

# %%
b, tau_adapt, adapt_current = 0.3, 200.0, 2.5
adapt_x = [constant_drive(adapt_current, tau=tau, dt=dt)] * 600
v, a, rows = 0.0, 0.0, []
for x in adapt_x:
    h, threshold = decay * v + x, 1 + b * a
    s = 1.0 if h >= threshold else 0.0
    v = h - s  # the reset takes off the resting threshold, 1
    a = exp_decay(tau_adapt, dt) * a + s
    rows.append((h, s, threshold))
adapt_h, adapt_spikes, thresholds = np.array(rows).T
intervals = np.diff(np.flatnonzero(adapt_spikes)) * dt
print("intervals (ms):", *intervals.astype(int))
assert intervals[-1] > intervals[0]

# %%
_, axes = plt.subplots(1, 2, figsize=(9, 2.9), width_ratios=(2, 1))
plotting.trace(adapt_h, dt=dt, threshold=None, ax=axes[0], lw=0.8, label="h")
axes[0].plot(np.arange(1, 601) * dt, thresholds, color=RED, lw=1, label="threshold")
axes[0].axhline(adapt_current, color=GREY, ls=":", label="current")
axes[0].set(ylabel="h and threshold (rest = 0)", ylim=(0, 3.1))
axes[0].legend(ncols=3, loc="upper center")
fired_at = (np.flatnonzero(adapt_spikes)[1:] + 1) * dt
axes[1].plot(fired_at, 1000 / intervals, "o-", ms=3, color=BLUE, label="adapting")
axes[1].axhline(rate(adapt_current), color="black", lw=1, label="formula, no adaptation")
axes[1].set(xlabel="time (ms)", ylabel="1 / interval (Hz)", ylim=(0, 130))
axes[1].legend()
plt.show()

# %% [markdown]
# *Left: the potential before the reset, and the threshold that each spike lifts. Right: the rate
# from one spike to the next.* Already the first interval, 14 ms, is longer than the formula's
# 10.22 ms, because the first spike has lifted the threshold. The last one is 41 ms. The neuron
# reports the *change* of its input strongly and its *level* weakly. The rise decays with its own
# time constant, 200 ms: the neuron remembers ten times longer than its membrane with 20 ms.
#
# ## 13. Where does the memory live?
#
# What the neuron knows of the past is its state: $v$, and with the options $i$, $a$ and the wait.
# `jarvis` keeps no state inside the layer. It goes in as an argument and comes out as a result.
# Inputs are `[T, B, ...]`, time first: here `[200, 1, 1]`, one sample and one neuron.
#
# Suppose the input comes as a stream, in pieces of 20 steps. You run the layer on each piece. How
# many of the 9 spikes do you get?

# %%
layer = LIFLayer(tau=tau, dt=dt)
stream = torch.tensor(drive, dtype=torch.float64).reshape(-1, 1, 1)
whole, _ = layer(stream)

pieces = [layer(piece, trace=True) for piece in stream.split(20)]
forgetful = torch.cat([s for s, _, _ in pieces])
forgetful_h = torch.cat([trace.h for _, _, trace in pieces])
print(f"in one run: {whole.sum():.0f} spikes; in pieces: {forgetful.sum():.0f} spikes")

# %% [markdown]
# None at all. **Find the cause.** It takes 21.97 ms to reach the threshold, and a piece lasts
# 20 ms.
#
# <details><summary>The cause</summary>
# Each call without a state starts at rest. At the end of each piece the neuron is just below
# threshold, and then it is forgotten. The second result of the call, the state, was dropped: it
# is the first "_" in the code above.
# </details>
#
# The mend is to carry the state from one call to the next:

# %%
state, pieces = None, []
for piece in stream.split(20):
    s, state, trace = layer(piece, state, trace=True)
    pieces.append((s, trace.h))
carried, carried_h = (torch.cat(x) for x in zip(*pieces, strict=True))
print(f"in pieces, with the state carried: {carried.sum():.0f} spikes")
assert torch.equal(carried, whole)
assert forgetful.sum() == 0 or not full_run

ax = plotting.trace(carried_h.flatten(), spikes=carried.flatten(), dt=dt, label="state carried")
plotting.trace(forgetful_h.flatten(), dt=dt, ax=ax, color=RED, label="state forgotten")
ax.set(xticks=range(0, 201, 20), ylabel="potential h (threshold = 1)", ylim=(0, 1.4))
ax.grid(axis="x", lw=0.5)
ax.legend(ncols=2, loc="upper right")
plt.show()

# %% [markdown]
# *The figure shows the stream in pieces of 20 ms (grid), with the state carried and forgotten.*
# With the state, the pieces give the same spikes as one run, to the last bit. Without it the neuron
# starts at 0 in every piece and never arrives.
#
# Often forgetting does less harm than silence, and is then harder to see. Cut only once, in the
# middle, at 100 ms:

# %%
first, second = stream.chunk(2)
s1, half = layer(first)
s2_carried, _ = layer(second, half)
s2_forgot, _ = layer(second)
shift = int(s2_forgot.flatten().argmax()) - int(s2_carried.flatten().argmax())
print(f"v at the cut: {half.v.item():.3f}; forgotten, the next spike is {shift * dt:g} ms late")
assert torch.equal(torch.cat([s1, s2_carried]), whole)
assert shift == 12 or not full_run

# %% [markdown]
# Same input, same layer: the second half's spikes all come 12 ms late, and nothing warns you.
#
# The opposite mistake is a state that is *left over*: the next sample has nothing to do with the
# last, but starts from its potential. In libraries with hidden state this is a forgotten reset
# call. Here you would have to do it on purpose.
#
# **Rule:** a new sample starts with `state=None`; a sample that goes on carries its state.
#
# ## 14. Carry a state across training steps
#
# There is one more trap. The state also remembers *how it was computed*, for the gradient. Take a
# weight $w$, run one piece, go backward, and carry the state to the next piece. What happens at the
# second `backward`?

# %%
w = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)


def train_step(piece, state):
    """One backward pass on one piece of the stream; returns the state after it."""
    spikes, state = layer(w * piece, state)
    loss = (spikes.mean() - 0.1) ** 2  # ask for 0.1 spikes a step
    loss.backward()
    return state


# %%
state = None
try:
    for number, piece in enumerate(stream.split(50)[:2], start=1):
        state = train_step(piece, state)
        print(f"step {number}: gradient {w.grad.item():+.4f}")
except RuntimeError as error:
    message = str(error)
    print(f"step {number}: RuntimeError: {message.split('.')[0]}.")

# %% [markdown]
# **Cause:** the carried `v` still hangs on the graph of the first piece. The second `backward`
# walks into it, and torch has freed it after the first. `retain_graph=True`, which the message
# offers, would make the error go away and the cost grow with every step: the gradient would reach
# back to the very beginning.
#
# **Mend:** `state.detach()` keeps the numbers and drops their history. This is truncated
# backpropagation through time.

# %%
assert "second time" in message
w.grad = None
state = None
for number, piece in enumerate(stream.split(50)[:3], start=1):
    state = train_step(piece, None if state is None else state.detach())
    print(f"step {number}: gradient so far {w.grad.item():+.4f}, v carried {state.v.item():.3f}")
assert torch.isfinite(w.grad)

# %% [markdown]
# (Why a spike has a gradient at all is the subject of a later notebook.)
#
# ## 15. The library does the same
#
# `lif_step(x, state, params)` is one turn of your loop. `LIFLayer` is the loop. Compare all three
# on a random input, for every reset, with and without refractory time. In 64-bit numbers the
# results are not only close: they are equal.

# %%
x_random = rng.uniform(0, 0.25, size=(300, 4))
x_torch = torch.tensor(x_random)
for reset in ("subtract", "zero", "none"):
    for refractory in (0.0, 4.0):
        h, s, v = neuron(x_random, tau, dt, reset, refractory)
        params = LIFParams(tau=tau, dt=dt, reset=reset, refractory=refractory)
        state, by_step = None, []
        for x_t in x_torch:
            spikes_t, state = lif_step(x_t, state, params)
            by_step.append(spikes_t)
        layer = LIFLayer(tau=tau, dt=dt, reset=reset, refractory=refractory)
        by_layer, _, trace = layer(x_torch, trace=True)
        assert torch.equal(torch.stack(by_step), torch.tensor(s))
        assert torch.equal(by_layer, torch.tensor(s))
        assert torch.equal(trace.h, torch.tensor(h))
        assert torch.equal(trace.v, torch.tensor(v))
        print(f"{reset:<9} refractory {refractory:g} ms: {s.sum():4.0f} spikes, all equal")

# %%
silent = LIFLayer(tau=tau, dt=dt, tau_syn=5.0, threshold=1e9)  # out of reach
x_one = torch.tensor(one_spike, dtype=torch.float64).reshape(-1, 1)
assert np.allclose(silent(x_one, trace=True)[2].v[:, 0], synapse(one_spike, 5.0, dt), atol=1e-12)

adapting = LIFLayer(tau=tau, dt=dt, adaptation=b, tau_adapt=tau_adapt)
x_adapt = torch.tensor(adapt_x, dtype=torch.float64).reshape(-1, 1)
assert np.array_equal(adapting(x_adapt)[0][:, 0], adapt_spikes)
print("synapse and adaptation: the same as by hand")

# %% [markdown]
# ## Exercises
#
# Each function below is empty: fill it in and run the cell. The check tries your function on fresh
# random input, and says in words what is wrong; run it as often as you like. Solutions are in
# `solutions/01_lif_neuron.ipynb`.
#
# ### Exercise 1: Measure tau from a trace
#
# `recording` is the potential of a membrane after one jump, one value per ms. Find its time
# constant in ms from two of its values.


# %%
def measure_tau(recording):
    """The time constant (ms) of a decay with one value per ms."""
    # your code


check.measure_tau(measure_tau)

# %% [markdown]
# ### Exercise 2: Predict the rheobase of a synapse
#
# A neuron with a synapse gets the same input `x` at every step. Which `x` is just enough to make it
# fire? The threshold is 1, the times are in ms. Do it on paper first.


# %%
def rheobase_per_step(tau, tau_syn, dt):
    """The smallest input per step that makes the neuron fire."""
    # your code


check.rheobase_per_step(rheobase_per_step)

# %% [markdown]
# ### Exercise 3: Set a speed limit
#
# No current, however strong, may drive the neuron faster than `rate` Hz, and a very strong one
# should come close to it. Which refractory time does that?


# %%
def speed_limit(rate):
    """The refractory time (ms) of a neuron that never fires faster than `rate` (Hz)."""
    # your code


check.speed_limit(speed_limit)

# %% [markdown]
# ### Exercise 4: Which reset keeps the rate?
#
# Measure the rate of a neuron with the given reset at the given step, from the mean interval
# between its spikes, over 2 s. The figure then shows it for strong currents at a step of 1 ms, over
# the formula (`rate`, of section 10). Which of the two resets lies closer, and why?


# %%
def coarse_rate(current, reset, tau, dt):
    """The firing rate (Hz) at a constant current, with LIFLayer; `reset` is subtract or zero."""
    # your code


check.coarse_rate(coarse_rate)

strong_currents = np.linspace(1.5, 20, 12)

_, ax = plt.subplots()
ax.plot(strong_currents, rate(strong_currents), color="black", lw=1, label="formula")
for name in ("subtract", "zero"):
    my_rates = [coarse_rate(c, name, tau, 1.0) for c in strong_currents]
    if my_rates[0] is not None:
        ax.plot(strong_currents, my_rates, "o", ms=4, label=name)
ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)")
ax.legend()
plt.show()

# %% [markdown]
# ### Exercise 5: Write the neuron from memory
#
# Without looking up: current in, leak, compare, reset by subtraction. `x` has one value per step,
# and is the jump of v in that step, already scaled.
# Return two arrays of the same length: the spikes (0 or 1), and v after the reset. The check knows
# nine slips by name.


# %%
def from_memory(x, tau, dt, threshold):
    """A LIF neuron over the inputs x: its spikes, and v after each step."""
    # your code


check.from_memory(from_memory)

# %% [markdown]
# ## Summary
#
# 1. `v = exp(-dt/tau) * v + x` is the exact solution over a step. Euler's `1 - dt/tau` is its first
#    two terms: off by 0.08 at dt = 5 ms, and unstable beyond 2 tau.
# 2. `beta = exp(-dt/tau)` means something only together with `dt`. A constant current enters as
#    `constant_drive(I, tau, dt)`; without that factor, 1.5 becomes 30.76.
# 3. Current, leak and input, compare, reset. $h$ crosses the threshold; $v$ is what is left.
#    `"subtract"` keeps the overshoot, `"zero"` drops it, `"none"` fires on.
# 4. $f = 1/(t_{ref} + \tau \ln\frac{I}{I-1})$ above the rheobase, with the ceiling $1/t_{ref}$.
#    On a grid each interval is longer by less than one step.
# 5. A synaptic current makes the response later and rounder (and larger: scale the weight). An
#    adaptive threshold makes a constant input fire less and less.
# 6. The state is an argument and a result: `None` for a new sample, carried for one that goes on,
#    `state.detach()` between training steps.
#
# ## Further reading
#
# - Gerstner, Kistler, Naud & Paninski (2014), *Neuronal Dynamics*, chapter 1: the neuron of this
#   notebook and its equation.
# - Rotter & Diesmann (1999), *Exact digital simulation of time-invariant linear systems*, Biol.
#   Cybern. 81:381: why the exponential update is exact, in general.
# - Benda & Herz (2003), *A universal model for spike-frequency adaptation*, Neural Comput. 15:2523.
# - Bellec et al. (2020), *A solution to the learning dilemma for recurrent networks of spiking
#   neurons*, Nat. Commun. 11:3625: the adaptive threshold as used here.
#
# The last cell holds every number of the text against what this run measured.

# %%
numbers = {  # name: (as the text says, as measured)
    "closed form, first spike (ms)": (21.97, t_first),
    "first spike, dt 1 (ms)": (22, first_spike),
    "Euler, error of v, dt 5": (0.08, euler_error),
    "level without the factor": (30.76, levels["I"]),
    "crossing of the weak current (ms)": (60.89, weak_time),
    "Euler, first spike, dt 2 (ms)": (-2.89, euler_late),
    "spikes without reset": (179, runaway.sum()),
    "spikes with reset": (9, n_spikes),
    "spikes, reset subtract": (5, counts["subtract"]),
    "spikes, reset zero": (4, counts["zero"]),
    "spikes, reset none": (18, counts["none"]),
    "rate at I 50, t_ref 5 (Hz)": (181.82, limit_rate),
    "total current, tau_syn 5": (5.52, 1 / (1 - exp_decay(5.0, 1.0))),
    "first interval, no adaptation (ms)": (10.22, 1000 / rate(adapt_current)),
    "first interval, adapting (ms)": (14, intervals[0]),
    "last interval, adapting (ms)": (41, intervals[-1]),
    "late when forgotten (ms)": (12, shift * dt),
}
stated = {name: said for name, (said, _) in numbers.items()}
measured = {name: found for name, (_, found) in numbers.items()}
record("results/01_lif_neuron.json", stated, measured, full=full_run, tolerance=0.01)
print(f"{len(stated)} numbers of the text agree with the full run")
