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
# # Predict how fast a neuron fires, and how regularly
#
# A constant current makes a neuron fire like a clock, at a rate that a formula predicts. Neurons in
# the brain hardly ever fire like that. You add noise, wrongly at first. Then you find two kinds of
# firing that have the same rate but look nothing alike.
#
# **Time.** 45 minutes for you, 15 seconds for the machine.
#
# **You need.** [101](101_leaky_neuron.ipynb); mean and standard deviation.
#
# **Leads to.** [103](103_synapses_and_state.ipynb) Synapses and state; [201](201_rate_codes.ipynb)
# Rates as a code.
#
# ## Objectives
#
# After this lesson you can
#
# 1. say what each of three resets does with the overshoot,
# 2. predict a firing rate from the current, with and without a refractory period,
# 3. add noise so that the spread of the potential does not depend on `dt`,
# 4. measure the irregularity of a spike train by its coefficient of variation,
# 5. tell mean-driven from fluctuation-driven firing.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import LIFLayer, constant_drive, plotting
from jarvis.classroom import lesson, widgets
from jarvis.classroom.check import firing_rate as check
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "noisy_duration": 2000.0}}
full_run = True
seed = 0
tau = 20.0  # membrane time constant, ms
dt = 0.1  # time step, ms
duration = 2000.0  # of a simulation under a constant current, ms
noisy_duration = 60_000.0  # of a simulation with noise, ms: long, so that means are precise

# %%
rng = np.random.default_rng(seed)

# %% [markdown]
# ## 1. Three resets
#
# Lesson 101 subtracted the threshold at a spike, a [soft reset](../docs/glossary.md#soft-reset). A
# [hard reset](../docs/glossary.md#hard-reset) puts $v$ to zero:
#
# | `reset` | after a spike | the overshoot $h - 1$ |
# |---|---|---|
# | `"subtract"` (soft) | $v = h - 1$ | counts towards the next spike |
# | `"zero"` (hard) | $v = 0$ | is lost |
# | `"none"` | $v = h$ | stays; nothing is subtracted |
#
# Give all three the same strong input: a jump of 0.45 at each of 12 steps of 1 ms, and then
# nothing. Which of the three fires most, and which least?
#
# <details><summary>Make a guess, then open</summary>
# "none" fires most: at every step while v is above the threshold. "zero" fires least, because it
# loses the overshoot.
# </details>

# %%
strong = torch.tensor([0.45] * 12 + [0.0] * 8, dtype=torch.float64).reshape(-1, 1)
counts, traces = {}, {}
for reset in ("subtract", "zero", "none"):
    spikes, _, traces[reset] = LIFLayer(tau=tau, dt=1.0, reset=reset)(strong, trace=True)
    counts[reset] = int(spikes.sum())
assert counts["zero"] < counts["subtract"] < counts["none"] or not full_run

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 3, figsize=(7.5, 3), sharey=True)
for ax, (reset, trace) in zip(axes, traces.items(), strict=True):
    h, v = trace.h[:, 0].numpy(), trace.v[:, 0].numpy()
    plotting.trace(v, ax=ax, label="v", marker=".", spikes=None)
    at = np.arange(1, 21)[h >= 1]
    ax.plot(at, h[h >= 1], "o", mfc="none", color=ORANGE, ms=5, label="h at a spike")
    ax.plot(at, np.full(len(at), 4.9), "v", color="black", ms=4)
    ax.set(title=f'"{reset}": {counts[reset]} spikes', ylim=(-0.1, 5.2))
    ax.set_ylabel("potential (threshold = 1)" if ax is axes[0] else "")
axes[0].legend(loc="center right")
plt.show()

# %% [markdown]
# *The figure shows the potential and the spikes (triangles) of the same neuron with three resets.*
# From here on we use `"zero"`, for which there is an exact formula.
#
# ## 2. From current to rate
#
# A reset to zero puts the neuron at rest. So the time from rest to threshold,
# $\tau \ln\frac{I}{I-1}$ by lesson 101, is also the [inter-spike
# interval](../docs/glossary.md#inter-spike-interval). The [firing
# rate](../docs/glossary.md#firing-rate) is
#
# $$f(I) = \frac{1}{\tau \ln \frac{I}{I-1}} \ \ (I > 1), \qquad f(I) = 0 \ \ (I \le 1).$$
#
# The current above which the neuron fires, here 1, is its [rheobase](../docs/glossary.md#rheobase).
# How much faster does the neuron fire at $I = 2$ than at $I = 1.01$?
#
# <details><summary>Make a guess, then open</summary>
# 6.7 times as fast: the interval is 20 ln 2 = 13.9 ms instead of 20 ln 101 = 92 ms.
# </details>


# %%
def simulate(x, dt=dt, reset="zero", refractory=0.0):
    """The spikes [T, n] of n neurons under the inputs x [T, n]; refractory in ms: section 3."""
    layer = LIFLayer(tau=tau, dt=dt, reset=reset, refractory=refractory)
    return layer(torch.as_tensor(x))[0].numpy()


def intervals_of(spikes, dt=dt):
    """The intervals (ms) between the spikes of one neuron, `[T]`."""
    return dt * np.diff(np.flatnonzero(spikes))


def rate(current, refractory=0.0):
    """The rate (Hz) under a constant current above 1, with a reset to zero."""
    return 1000 / (refractory + tau * np.log(current / (current - 1)))


def measured_rates(currents, refractory=0.0):
    """The rates (Hz) of neurons under constant currents, from their mean intervals."""
    x = np.tile(constant_drive(currents, tau=tau, dt=dt), (round(duration / dt), 1))
    intervals = [intervals_of(s) for s in simulate(x, refractory=refractory).T]
    return np.array([1000 / t.mean() if len(t) else 0.0 for t in intervals])


currents = np.concatenate(
    [np.linspace(0.5, 0.99, 6), [1.002, 1.01, 1.025], np.linspace(1.05, 4, 24)]
)
rates = measured_rates(currents)
fires = currents > 1
late = 1000 / rates[fires] - 1000 / rate(currents[fires])  # ms per interval
print(f"I < 1: {rates[~fires].max():.0f} Hz. I > 1: each interval is {late.min():.3f} to "
      f"{late.max():.3f} ms longer than by the formula")  # fmt: skip
assert rates[~fires].max() == 0
assert np.all((late > -1e-9) & (late < dt + 1e-9))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3))
smooth = 1 + np.geomspace(1e-9, 3, 500)
ax.plot([0.5, 1, *smooth], [0, 0, *rate(smooth)], color="black", lw=1, label="formula")
ax.plot(currents, rates, "o", color=BLUE, ms=4, label="simulated")
ax.axvline(1, color=GREY, ls=":")
ax.text(1.03, 150, "rheobase", color=GREY)
ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# *The figure shows the firing rate against the current.* This [f-I
# curve](../docs/glossary.md#f-i-curve) is zero up to the rheobase, then steep, then nearly
# straight. The simulated intervals are too long by less than one step, because a spike is seen only
# at the end of its step.
#
# ### Exercise 1: Which reset keeps the rate? (8 min)
#
# The error of the interval grows with `dt`: more with `"subtract"`, or more with `"zero"`? Run
# `LIFLayer` from rest for 2 s with the given reset and time step; its input is a float64 tensor of
# shape `[T, 1]`. Return the rate in Hz: 1000 divided by the **mean interval** in ms.


# %% tags=["exercise"]
def coarse_rate(current, reset, tau, dt):
    """The firing rate (Hz) at a constant current, by LIFLayer; `reset` is subtract or zero."""
    ...


# %%
if check.coarse_rate(coarse_rate):
    strong_currents = np.linspace(1.5, 20, 12)
    _, ax = plt.subplots(figsize=(6.5, 3))
    ax.plot(strong_currents, rate(strong_currents), color="black", lw=1, label="formula")
    for name, style in (("subtract", "o"), ("zero", "s")):
        mine = [coarse_rate(c, name, tau, 1.0) for c in strong_currents]
        ax.plot(strong_currents, mine, style, ms=5, mfc="none", label=name)
    ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)")
    ax.legend()
    plt.show()

# %% [markdown]
# <details><summary>The answer</summary>
# "subtract" nearly keeps the rate: the overshoot shortens the next interval. "zero" drops the
# overshoot, so every interval is rounded up to whole steps.
# </details>
#
# ## 3. Refractory period
#
# The rate by the formula has no upper limit, but the rate of a real neuron has one: the channels
# that make a spike need time to recover. During the [refractory
# period](../docs/glossary.md#refractory-period) $t_{ref}$ after a spike, our neuron ignores its
# input and $v$ stays at the reset. So the interval becomes $t_{ref} + \tau \ln\frac{I}{I-1}$. If
# $t_{ref}$ is 5 ms, what rate can the neuron never exceed, however large the current?
#
# <details><summary>Make a guess, then open</summary>
# No interval is shorter than 5 ms, so the rate stays below 1/(5 ms) = 200 Hz.
# </details>

# %%
high = np.geomspace(1.05, 50, 24)
limited = {}
for refractory in (2.0, 5.0, 10.0):
    limited[refractory] = measured_rates(high, refractory)
    late = 1000 / limited[refractory] - 1000 / rate(high, refractory)
    assert np.all((late > -1e-9) & (late < dt + 1e-9))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3.2))
smooth = np.geomspace(1.001, 50, 400)
for (refractory, found), colour in zip(limited.items(), (BLUE, ORANGE, GREEN), strict=True):
    ax.semilogx(smooth, rate(smooth, refractory), color=colour, lw=1)
    ax.axhline(1000 / refractory, color=colour, ls=":", lw=1)
    ax.semilogx(high, found, "o", color=colour, ms=4)
    ax.text(1.05, 1000 / refractory - 8, f"{refractory:g} ms", color=colour, va="top")
ax.set(xlabel="current I (threshold = 1, logarithmic)", ylabel="firing rate (Hz)")
ax.set_xticks((1, 2, 5, 10, 20, 50), ("1", "2", "5", "10", "20", "50"))
plt.show()

# %% [markdown]
# *The figure shows rates with three refractory periods: simulated (dots), formula (lines), and the
# limit $1/t_{ref}$ (dotted).* At strong currents the dots lie lower, because a spike is seen up to
# one `dt` late.
#
# ### Exercise 2: Set a speed limit (3 min)
#
# The strongest input is `current`. Which refractory period makes the neuron fire at `rate` Hz under
# this input? Use the formula.


# %% tags=["exercise"]
def speed_limit(rate, current, tau):
    """The refractory period (ms) with which `current` makes a neuron fire at `rate` (Hz)."""
    ...


# %%
check.speed_limit(speed_limit)

# %% [markdown]
# ### Try it with sliders
#
# Answer first, then try: halve `tau`. Does the rheobase change? Does the rate?
#
# <details><summary>Answers</summary>
# Halving tau does not move the rheobase, but doubles the rate (without a refractory period).
# </details>

# %%
explorer = widgets.lif(current=1.5)
explorer

# %%
explorer.controls["current"].value = 2.0  # as if you had moved the slider
assert not explorer.errors
widgets.draw_lif(current=2.0)

# %% [markdown]
# *The figure shows what the sliders draw for a current of 2: the potential, and the f-I curve with
# a diamond at this current.*
#
# ## 4. Noise: a first attempt
#
# A neuron in cortex receives thousands of spikes per second, at irregular times. Together they act
# like a mean current $\mu$ with random fluctuations. In every step, draw a random current with mean
# $\mu$ and standard deviation $\sigma$. (With `reset="none"`, no spike disturbs $v$.) What happens
# to the standard deviation of $v$ when you make `dt` smaller?
#
# <details><summary>Make a guess, then open</summary>
# It shrinks, because the membrane averages over about tau/dt independent currents.
# </details>

# %% tags=["hide-input"] jupyter={"source_hidden": true}
mean_current, sigma = 0.5, 0.2
steps_tried = np.array([0.1, 0.2, 0.5, 1.0, 2.0])


def spread(make_input):
    """The standard deviation of v without a threshold, for each step that we try."""
    found = []
    for step in steps_tried:
        noise = rng.standard_normal((round(noisy_duration / 4 / step), 4))
        layer = LIFLayer(tau=tau, dt=float(step), reset="none")
        x = make_input(noise, mean_current, sigma, step)
        _, _, trace = layer(torch.from_numpy(x), trace=True)
        v = trace.v
        found.append(v[round(5 * tau / step) :].std().item())  # without the first 100 ms
    return np.array(found)


# %%
def naive_drive(noise, mean, sigma, dt):
    """Inputs from standard normal numbers: a random current in each step."""
    return constant_drive(mean + sigma * noise, tau=tau, dt=dt)


naive = spread(naive_drive)
print("dt (ms): ", *(f"{step:7g}" for step in steps_tried))
print("std of v:", *(f"{value:7.5f}" for value in naive))
assert naive[0] < naive[-1] / 3

# %% [markdown]
# From `dt` = 2 ms to 0.1 ms the standard deviation of $v$ falls by a factor of
# 4.4<!-- naive_ratio 0.2 -->, about the square root of 20. **Find the cause.** Standard deviations
# of independent numbers do not add. What does?
#
# <details><summary>The cause</summary>
# Variances add. Half a step needs half the variance, so the standard deviation of the input has to
# shrink with the square root of dt. constant_drive multiplies it by 1 - exp(-dt/tau), which is
# nearly proportional to dt: the deviation shrinks too fast.
# </details>
#
# **The fix.** From here on, $\sigma$ is the standard deviation of $v$, no longer of the current. In
# one step $v$ is multiplied by $\beta = e^{-dt/\tau}$, and its variance by $\beta^2$. To keep the
# variance at $\sigma^2$, the input must add $(1 - \beta^2)\,\sigma^2$:
#
# $$x = (1 - \beta)\,\mu + \sqrt{1 - \beta^2}\;\sigma\,\xi, \qquad \xi \text{ standard normal} .$$


# %%
def noisy_drive(noise, mean, sigma, dt):
    """Inputs from standard normal numbers: v has this mean and standard deviation at any dt."""
    beta = math.exp(-dt / tau)
    return (1 - beta) * mean + math.sqrt(1 - beta**2) * sigma * noise


scaled = spread(noisy_drive)
print("std of v:", *(f"{value:7.5f}" for value in scaled))
assert np.abs(scaled / sigma - 1).max() < (0.06 if full_run else 0.5)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3))
ax.semilogx(steps_tried, naive, "o-", color=ORANGE)
ax.semilogx(steps_tried, scaled, "o-", color=BLUE)
ax.text(0.11, naive[0] + 0.02, "noise in the current", color=ORANGE)
ax.text(0.11, sigma + 0.008, r"scaled by $\sqrt{1 - \beta^2}$", color=BLUE)
ax.set(xlabel="dt (ms, logarithmic)", ylabel="standard deviation of v", ylim=(0, 0.25))
ax.set_xticks(steps_tried, [f"{step:g}" for step in steps_tried])
ax.minorticks_off()
plt.show()

# %% [markdown]
# *The figure shows the standard deviation of $v$ against the time step.* With the square root, it
# no longer depends on `dt`. An input that is independent from step to step and scaled in this way
# is called [white noise](../docs/glossary.md#white-noise). (A firing rate still depends a little on
# `dt`.)
#
# ### Exercise 3: From input spikes to noise (7 min)
#
# Let $v$ jump by `weight`, $w$, at each spike of a [Poisson
# process](../docs/glossary.md#poisson-process): random, independent spikes, `rate` per second. A
# spike adds $w\,e^{-t/\tau}$ to $v$. The mean of $v$ is the rate times the integral of this
# contribution. The variance is the rate times the integral of the squared contribution. Return the
# mean and the **standard deviation** of $v$. `tau` is in ms; `weight` may be negative.


# %% tags=["exercise"]
def mean_and_spread(weight, rate, tau):
    """The mean and the standard deviation of v, without a threshold."""
    ...


# %%
check.mean_and_spread(mean_and_spread)

# %% [markdown]
# ## 5. The same rate, twice
#
# One neuron has little noise and a mean current above the threshold; another has strong noise and a
# mean current below it. Both neurons fire about 20 times per second. How do their spike trains
# differ?
#
# <details><summary>Make a guess, then open</summary>
# The first neuron fires at nearly equal intervals. The second neuron waits for a large enough
# fluctuation, so its intervals vary widely.
# </details>

# %%
drives = {"mean-driven": (1.085, 0.03), "fluctuation-driven": (0.64, 0.5)}  # mean, sigma
noise = rng.standard_normal((round(noisy_duration / dt), 1))
trains, shown = {}, {}
for name, (mean, spread_of_v) in drives.items():
    x = torch.from_numpy(noisy_drive(noise, mean, spread_of_v, dt))
    spikes, _, trace = LIFLayer(tau=tau, dt=dt, reset="zero")(x, trace=True)
    trains[name] = intervals_of(spikes[:, 0].numpy())
    n = round(500 / dt)
    shown[name] = (trace.v[:n, 0].numpy(), spikes[:n, 0].numpy())
for name, intervals in trains.items():
    print(f"{name:19} {1000 / intervals.mean():5.1f} Hz, intervals {intervals.mean():.0f} ms on "
          f"average, standard deviation {intervals.std():.0f} ms")  # fmt: skip

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(2, 2, figsize=(7.5, 4), width_ratios=(2.2, 1), sharex="col")
for row, (name, colour) in zip(axes, (("mean-driven", BLUE), ("fluctuation-driven", GREEN)),
                               strict=True):  # fmt: skip
    v, spikes = shown[name]
    plotting.trace(v, dt=dt, ax=row[0], color=colour, lw=0.8)
    fired = dt * (1 + np.flatnonzero(spikes))
    row[0].plot(fired, np.full(len(fired), 1.35), "v", color="black", ms=4)
    row[0].set(title=name, ylim=(-1.2, 1.6), xlabel="", ylabel="potential v")
    row[1].hist(trains[name], bins=np.arange(0, 202, 4), color=colour, density=True)
    row[1].set(yticks=[], ylabel="density", xlim=(0, 200))
axes[1, 0].set_xlabel("time (ms)")
axes[1, 1].set_xlabel("interval (ms)")
plt.show()

# %% [markdown]
# *The figure shows both neurons: potential and spikes (left), and the distribution of the intervals
# up to 200 ms (right, on separate scales).* Divide the standard deviation of the intervals by their
# mean: this is the [coefficient of variation](../docs/glossary.md#coefficient-of-variation) (CV): 0
# for a clock, 1 for a Poisson process, and 0.5 to 1 for many neurons in cortex (Softky & Koch
# 1993).
#
# ### Exercise 4: Measure the irregularity (4 min)
#
# Return the coefficient of variation of a spike train from its spike times, an ascending array in
# ms.


# %% tags=["exercise"]
def irregularity(spike_times):
    """The coefficient of variation of the intervals."""
    ...


# %%
check.irregularity(irregularity)


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def cv_of(intervals):
    """The coefficient of variation."""
    return intervals.std() / intervals.mean()


cvs = {name: cv_of(intervals) for name, intervals in trains.items()}
print({name: f"CV {cv:.2f}" for name, cv in cvs.items()})
assert cvs["mean-driven"] < 0.3 < cvs["fluctuation-driven"]

# %% [markdown]
# ## 6. What does noise do to the f-I curve?
#
# Vary the mean current $\mu$ at three levels of noise, and measure rate and CV.

# %%
means, sigmas = np.linspace(0.4, 1.6, 13), (0.05, 0.2, 0.4)
noisy_rates, noisy_cvs = {}, {}
for sigma in sigmas:
    noise = rng.standard_normal((round(noisy_duration / dt), len(means)))
    trains = [intervals_of(s) for s in simulate(noisy_drive(noise, means, sigma, dt)).T]
    noisy_rates[sigma] = np.array([1000 / t.mean() if len(t) > 1 else 0.0 for t in trains])
    noisy_cvs[sigma] = np.array([cv_of(t) if len(t) > 50 else math.nan for t in trains])
    print(f"sigma = {sigma:4}, mu = {means[-1]:.1f}: {noisy_rates[sigma][-1]:4.1f} Hz, "
          f"CV {noisy_cvs[sigma][-1]:.2f}")  # fmt: skip
assert np.all(noisy_rates[0.4] > 0)
assert np.all(np.diff(noisy_cvs[0.4]) < 0.05) or not full_run

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(7.5, 3.4))
for sigma, colour in zip(sigmas, (BLUE, ORANGE, GREEN), strict=True):
    axes[0].plot(means, noisy_rates[sigma], "o-", color=colour, ms=4, lw=1)
    axes[1].plot(means, noisy_cvs[sigma], "o-", color=colour, ms=4, lw=1,
                 label=rf"$\sigma$ = {sigma}")  # fmt: skip
above = np.linspace(1.0001, 1.6, 80)
axes[0].plot([0.4, 1, *above], [0, 0, *rate(above)], color="black", ls="--", lw=1)
axes[0].text(1.02, 2, "no noise")
axes[0].set(ylabel="firing rate (Hz)")
axes[1].set(ylabel="coefficient of variation", ylim=(0, 1.05))
axes[1].legend(loc="upper right")
for ax in axes:
    ax.axvline(1, color=GREY, ls=":")
    ax.set_xlabel(r"mean current $\mu$ (threshold = 1)")
plt.show()

# %% [markdown]
# *The figure shows rate (left) and irregularity (right) against the mean current at three levels of
# noise. Dashed: the formula without noise. Dotted: the rheobase. With 50 intervals or fewer, the CV
# is left out.* Noise rounds off the corner of the f-I curve: the neuron also responds to currents
# below the rheobase.
#
# Far above the rheobase the mean current carries $v$ to the threshold, and noise mainly makes the
# intervals vary: [mean-driven](../docs/glossary.md#mean-driven-firing) firing. Below the rheobase,
# only fluctuations reach the threshold:
# [fluctuation-driven](../docs/glossary.md#fluctuation-driven-firing) firing. When spikes are rare,
# the recovery of $v$ after a reset hardly matters, and the CV comes close to 1. The change is
# gradual: with strong noise ($\sigma$ = 0.4) the CV is still 0.51<!-- cv_noisy_above 0.05 --> at
# $\mu$ = 1.6.
#
# ## Summary
#
# 1. A soft reset keeps the overshoot, a hard reset loses it.
# 2. Above the rheobase, the firing rate is $f = 1/(t_{ref} + \tau \ln\frac{I}{I-1})$.
# 3. Variances add. So the noise of one step scales with $\sqrt{1 - e^{-2dt/\tau}}$.
# 4. Mean-driven firing is regular, fluctuation-driven firing irregular.
#
# **Next.** [103](103_synapses_and_state.ipynb): synapses, adaptation, state.
#
# **See also.** [605](605_conductances.ipynb): balanced excitation and inhibition.
# [602](602_reduction.ipynb): other f-I curves.
#
# ## Further reading
#
# - Gerstner et al. 2014, *Neuronal Dynamics*, chapters 1, 7 and 8,
#   [doi:10.1017/CBO9781107447615](https://doi.org/10.1017/CBO9781107447615).
# - Siegert 1951, Phys. Rev. 81:617,
#   [doi:10.1103/PhysRev.81.617](https://doi.org/10.1103/PhysRev.81.617), and Brunel 2000, J.
#   Comput. Neurosci. 8:183, [doi:10.1023/A:1008925309027](https://doi.org/10.1023/A:1008925309027):
#   formulas for rate and CV.
# - Softky & Koch 1993, J. Neurosci. 13:334,
#   [doi:10.1523/JNEUROSCI.13-01-00334.1993](https://doi.org/10.1523/JNEUROSCI.13-01-00334.1993).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
numbers = {"naive_ratio": naive[-1] / naive[0], "cv_noisy_above": noisy_cvs[0.4][-1]}
record("results/102_firing_rate.json", numbers, full=full_run)
