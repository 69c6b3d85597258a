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
# # Make one neuron fire in eight ways
#
# One pair of equations and eight parameter sets give eight [firing
# patterns](../docs/glossary.md#firing-pattern) of real neurons. You find out what sets the strength
# of adaptation. Then you look behind the simulation: the obvious method overflows, the usual repair
# makes the spikes late, and a change of variable makes the difficult part exact.
#
# **Time.** 40 minutes for you, 20 seconds for the machine.
#
# **You need.** [104](104_adex.ipynb), the AdEx neuron; the coefficient of variation of
# [102](102_firing_rate.ipynb).
#
# **Leads to.** [201](201_rate_codes.ipynb) Rates as a code; [601](601_hodgkin_huxley.ipynb) The
# channels of a spike.
#
# ## Objectives
#
# After this lesson you can
#
# 1. choose a published firing pattern by name, and say what its intervals do,
# 2. say which parameters set how far a neuron slows down, and which one, if adaptation is strong,
#    sets the number of spikes until then,
# 3. step an equation that diverges, without overflow,
# 4. check a simulation against a finer one, and choose `dt`.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math
import warnings

import numpy as np
from matplotlib import pyplot as plt
from scipy.integrate import quad, solve_ivp

from jarvis import AdExParams
from jarvis.adex import (
    FIRING_PATTERNS,
    potential,
    step_response,
)
from jarvis.classroom import lesson, widgets
from jarvis.classroom.check import firing_patterns as check
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "long_duration": 800.0, "n_held": 2}}
full_run = True
dt = 0.1  # time step, ms
duration = 600.0  # of most simulations, ms
long_duration = 4000.0  # where a steady state or statistics matter, ms
n_held = 7  # patterns that section 4 compares with the fine integration

# %% [markdown]
# ## 1. Eight published patterns
#
# `jarvis` stores the parameter sets and currents of table 1 of Naud et al. (2008) under their
# names.

# %%
patterns = {
    name: step_response(AdExParams.named(name, dt=dt), p.current, duration)
    for name, p in FIRING_PATTERNS.items()
}

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(4, 2, figsize=(7.5, 6.6), sharex=True, sharey=True)
for ax, (name, response) in zip(axes.flat, patterns.items(), strict=True):
    p = FIRING_PATTERNS[name]
    potential(response, ax).set_title(f"{name} ({p.panel}), {p.current:g} pA")
    ax.set_ylabel("V (mV)")
    ax.label_outer()
plt.show()

# %% [markdown]
# *The figure shows eight firing patterns, each with its current and its panel in figure 4 of Naud
# et al. (2008). Triangles mark spikes; within a burst they merge.* Describe each pattern by its
# intervals before you open the answers.
#
# <details><summary>Answers</summary>
# tonic: constant after a short while. adapting: growing to a constant. initial_burst: short, then
# long and constant. bursting: alternately short and long. delayed: shrinking, after a first spike
# that comes at 34 ms (tonic: at 14 ms). delayed_bursting: three short and one long, again and
# again, after a late first spike. transient: the neuron falls silent although the current stays on.
# irregular: short and long in an order that does not repeat.
# </details>
#
# (Two entries of table 1 are corrected: as printed, `delayed_bursting` does not fire within the 500
# ms of the figure, and `transient` never stops.)
#
# ### Try it with sliders
#
# Answer first, then try: raise the reset of `bursting` from -46 to -44 mV. How many spikes does a
# burst have now, and why?
#
# <details><summary>Answers</summary>
# Four, after a first burst of five: from a higher reset, more resets land below the V-nullcline.
# </details>

# %%
explorer = widgets.adex(pattern="bursting")
explorer

# %%
explorer.controls["v_reset"].value = -44.0  # as if you had moved the slider
assert not explorer.errors
widgets.draw_adex(pattern="bursting", v_reset=-44.0)

# %% [markdown]
# *The figure shows what the sliders draw: potential and adaptation over time (each jump of w marks
# a spike), and the phase plane with nullclines and the reset (dotted).*
#
# ## 2. What sets the strength of adaptation?
#
# A spike raises $w$ by $b$, and the increase decays with $\tau_w$. So $b$ seems to set how
# *strongly* the neuron adapts, and $\tau_w$ how *long* it takes. Test it: raise the $\tau_w$ of the
# adapting neuron from 300 to 1000 ms, with the same $b$.


# %%
def course(b, tau_w):
    """The intervals (ms) of the adapting neuron with this b (pA) and tau_w (ms)."""
    neuron = AdExParams.named("adapting", b=b, tau_w=tau_w, dt=dt)
    return np.diff(step_response(neuron, 500.0, long_duration).spike_times)


def settled(intervals):
    """The number of the first interval within 10 % of the last one, from 1."""
    return int(np.argmax(np.abs(intervals / intervals[-1] - 1) < 0.1)) + 1


slow = {tau_w: course(60.0, tau_w) for tau_w in (300.0, 1000.0)}
for tau_w, found in slow.items():
    print(f"tau_w {tau_w:4.0f} ms: intervals from {found[0]:.1f} to {found[-1]:.1f} ms, "
          f"settled at interval {settled(found)}")  # fmt: skip
assert slow[1000.0][-1] > 2.5 * slow[300.0][-1] or not full_run

# %% [markdown]
# The guess was wrong: with the same $b$, the steady interval triples, and the neuron settles after
# about as many spikes as before.
#
# **Why?** By exercise 1 of lesson 104, the mean of $w$ is $b\,\tau_w f$ (plus what $a$ adds): each
# spike costs the charge $b\,\tau_w$, 18 pC with $\tau_w$ = 300 ms and 60 pC with 1000 ms. As long
# as only this mean matters, the steady rate $f = F(I - b\,\tau_w f)$ depends only on the
# **product**. ($F$ is the f-I curve with $b = 0$.) What does $b$ do by itself? Change $b$ and
# $\tau_w$, and keep their product.

# %%
pairs = ((18.0, 1000.0), (60.0, 300.0), (180.0, 100.0))
same_charge = {pair: course(*pair) for pair in pairs}
for (b, tau_w), found in same_charge.items():
    print(f"b {b:3.0f} pA, tau_w {tau_w:4.0f} ms: intervals from {found[0]:.1f} to "
          f"{found[-1]:.1f} ms, settled at interval {settled(found)}")  # fmt: skip

# %% tags=["hide-input"] jupyter={"source_hidden": true}
tau_ws = (30.0, 100.0, 300.0, 1000.0) if full_run else (100.0, 300.0)
charges = np.geomspace(2.0, 60.0, 8)  # b tau_w, pC
steady = np.array([[course(1000 * q / tau_w, tau_w)[-1] for q in charges] for tau_w in tau_ws])
kept = np.where(steady < np.array(tau_ws)[:, None], steady, np.nan)  # w lasts until the next spike
assert np.nanmax(np.nanmax(kept, axis=0) / np.nanmin(kept, axis=0)) < 1.2 or not full_run
lasts = [found[-1] for found in same_charge.values()]
assert max(lasts) < 1.15 * min(lasts) or not full_run

_, axes = plt.subplots(1, 2, figsize=(7.5, 3.4))
for (pair, found), colour in zip(same_charge.items(), (GREEN, BLUE, ORANGE), strict=True):
    shown = found[:25]
    axes[0].plot(np.arange(1, len(shown) + 1), shown, ".-", color=colour,
                 label=f"{pair[0]:g} pA, {pair[1]:g} ms")  # fmt: skip
axes[0].set(xlabel="number of the interval", ylabel="interval (ms)", ylim=(0, 85))
axes[0].legend(title=r"$b$, $\tau_w$", loc="lower right")
for tau_w, intervals, marker in zip(tau_ws, steady, "osD^", strict=False):
    for long, colour in ((False, BLUE), (True, GREY)):
        shown = (intervals >= tau_w) == long
        axes[1].loglog(charges[shown], 1000 / intervals[shown], marker, color=colour, mfc="none",
                       ms=6, label="" if long else f"{tau_w:g} ms")  # fmt: skip
axes[1].set(xlabel=r"charge per spike $b\,\tau_w$ (pC)", ylabel="steady rate (Hz)")
axes[1].set_xticks((2, 5, 10, 20, 50), ("2", "5", "10", "20", "50"))
axes[1].set_yticks((5, 10, 20, 50), ("5", "10", "20", "50"))
axes[1].minorticks_off()
axes[1].legend(title=r"$\tau_w$")
plt.show()

# %% [markdown]
# *The figure shows the intervals for three pairs with the same product (left), and the steady rate
# against the product for many pairs (right; grey where the interval is longer than $\tau_w$).* On
# the left, all three intervals end between 70 and 78 ms. But with a small $b$ it takes
# 20<!-- settled_small_b 1 --> intervals to get there, with a large $b$ only
# 3<!-- settled_large_b 1 -->: $w$ climbs to the same mean in steps of $b$. On the right, the blue
# points with the same product differ by less than 20 %. So $b\,\tau_w$ sets **how far** the neuron
# slows down. If adaptation is strong, as here, $w$ always ends at nearly the same value, and $b$
# sets **how many spikes that takes**. (If it is weak, $\tau_w$ matters, too.)
#
# $a$ acts without spikes: a positive $a$ slowly strengthens the leak (so the current of `transient`
# soon no longer makes it fire); a negative $a$ weakens it (the intervals of `delayed` shrink). The
# reset decides whether the neuron bursts.


# %%
def final_rate(b):
    """The steady rate (Hz) of the adapting neuron with this b (pA)."""
    spikes = step_response(AdExParams.named("adapting", b=b), 500.0, 2000.0).spike_times
    return 1000 / np.diff(spikes)[-3:].mean()


print(f"b = 60 pA: {final_rate(60.0):.1f} Hz")

# %% [markdown]
# ### Exercise 1: Set the steady rate (8 min)
#
# At 500 pA, the adapting neuron ends at 13 Hz. Which $b$ makes it end at a given rate between 10
# and 40 Hz? ($b$ lies between 1 and 150 pA.) Use `final_rate`; the rate should be right to 1 %.


# %% tags=["exercise"]
def b_for(rate):
    """The b (pA) with which the adapting neuron ends at `rate` (Hz)."""
    ...


# %%
if check.b_for(b_for):
    tried = np.linspace(10, 150, 8)
    _, ax = plt.subplots(figsize=(6.5, 3))
    ax.plot(tried, [final_rate(b) for b in tried], "o-", ms=4, color=BLUE)
    ax.axhline(25, color=GREY, ls="--")
    ax.plot(b_for(25.0), final_rate(b_for(25.0)), "s", color="black", ms=7)
    ax.set(xlabel="b (pA)", ylabel="steady rate (Hz)")
    plt.show()

# %% [markdown]
# ## 3. How to step an equation that diverges
#
# Step the exponential neuron of lesson 104 by Euler's method. What will happen at the spike?
#
# <details><summary>Make a guess, then open</summary>
# The solution reaches infinity in a finite time, and exp() overflows.
# </details>

# %%
c, g_l, e_l, v_t, delta_t, v_reset, current = 200.0, 10.0, -70.0, -50.0, 2.0, -58.0, 500.0
tau = c / g_l


def slope(v):
    """dV/dt (mV/ms) of the exponential neuron."""
    return (-g_l * (v - e_l) + g_l * delta_t * math.exp((v - v_t) / delta_t) + current) / c


path = [e_l]
try:
    while len(path) < 1000:
        path.append(path[-1] + dt * slope(path[-1]))
except OverflowError as error:
    print("last potentials (mV):", *(f"{v:.4g}" for v in path[-4:]))
    print(f"OverflowError: {error}")

# %% [markdown]
# A common repair is a cut-off, the $V_{peak}$ of lesson 104: above 0 mV, count a spike and reset.
# Is the spike then on time? The true time is the integral $\int dV/(dV/dt)$.


# %%
def euler_spike(step):
    """The first spike (ms) by Euler's method with a cut-off at 0 mV."""
    v, n = e_l, 0
    while v < 0:
        v, n = v + step * slope(v), n + 1
    return n * step


true_spike = quad(lambda v: 1 / slope(v), e_l, 0, points=[v_t])[0]
euler_late = {step: euler_spike(step) - true_spike for step in (0.01, 0.1, 0.5)}
print({f"dt = {step} ms": f"{late:+.3f} ms" for step, late in euler_late.items()})
assert all(late > step for step, late in euler_late.items())

# %% [markdown]
# The spike is late by more than a step. **The cause:** during the upstroke the slope grows by a
# factor of $e$ every 2 mV, and Euler takes the slope at the start of each step, where it is far too
# small.
#
# **The fix.** For the exponential *alone*, $\tau\,dV/dt = \Delta_T\,e^{(V-V_T)/\Delta_T}$, there is
# a closed form. Substitute $s = e^{-(V - V_T)/\Delta_T}$. Then $ds/dt = -1/\tau$: $s$ falls in a
# straight line, and the spike comes when it reaches zero, after $\tau s$ ms. In terms of $V$:
#
# $$V \leftarrow V - \Delta_T \ln\!\Bigl(1 - \tfrac{dt}{\tau}\,e^{(V - V_T)/\Delta_T}\Bigr) .$$

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(7.5, 2.8), sharex=True)
s_start = math.exp(-(-46.0 - v_t) / delta_t)
t = np.linspace(0, 0.999 * tau * s_start, 300)
axes[0].plot(t, v_t - delta_t * np.log(s_start - t / tau), color=BLUE)
axes[1].plot(t, s_start - t / tau, color=BLUE)
axes[0].set(xlabel="time (ms)", ylabel="potential V (mV)")
axes[1].set(xlabel="time (ms)", ylabel="s")
plt.show()

# %% [markdown]
# *The figure shows the upstroke from -46 mV by the exponential alone: $V$ (left) and $s$ (right).*
# The method of lesson 101 steps the rest of the equation, leak and current, exactly. So take half a
# step of the leak, a step of the exponential, and another half step of the leak. In this symmetric
# order, the error falls as $dt^2$ instead of $dt$. This [integration
# scheme](../docs/glossary.md#integration-scheme) is called [operator
# splitting](../docs/glossary.md#operator-splitting) (Strang 1968).
#
# ### Exercise 2: Step the upstroke (8 min)
#
# Write the middle part: one step of the exponential alone, from `v` (mV), with `dt` and `tau` in
# ms. Without a spike, return the new $V$ and `None`. If $s$ reaches 0 within the step or at its
# end, there is a spike: return `None` and the time from the start of the step to the spike, in ms.


# %% tags=["exercise"]
def upstroke(v, dt, tau, v_t, delta_t):
    """One step of the exponential alone: (V, None), or (None, time of the spike)."""
    ...


# %%
check.upstroke(upstroke)


# %% [markdown]
# The folded cell has the whole step of the neuron without $w$. Compare it with Euler's method, and
# with the library.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def split_step(v, dt):
    """One step of the exponential neuron: (V, time of the spike within the step or None)."""
    half = math.exp(-dt / (2 * tau))
    v = e_l + half * (v - e_l) + (1 - half) * current / g_l
    s = math.exp(-(v - v_t) / delta_t)
    if s <= dt / tau:
        return v_reset, tau * s
    v = v - delta_t * math.log(1 - dt / tau / s)
    return e_l + half * (v - e_l) + (1 - half) * current / g_l, None


def split_spike(step):
    """The first spike (ms) by split steps."""
    v, n, within = e_l, -1, None
    while within is None:
        v, within = split_step(v, step)
        n += 1
    return n * step + within


# %%
split_late = {step: split_spike(step) - true_spike for step in (0.1, 0.5)}
for step, late in split_late.items():
    print(f"dt = {step} ms: split step {late:+.4f} ms, Euler {euler_late[step]:+.3f} ms")
    assert abs(late) < 0.05 * euler_late[step]

same = AdExParams(c=c, g_l=g_l, e_l=e_l, v_t=v_t, v_reset=v_reset, a=0.0, b=0.0, dt=dt)
library = step_response(same, current, 20.0)
v, path = e_l, []
for _ in range(int(split_spike(dt) / dt)):  # the steps before the spike
    v, _ = split_step(v, dt)
    path.append(v)
difference = np.abs(library.v[: len(path)] - path).max()
spike_difference = abs(library.spike_times[0] - split_spike(dt))
print(f"up to {path[-1]:.0f} mV, the library differs by at most {difference:.0e} mV, "
      f"and at the spike by {spike_difference:.0e} ms")  # fmt: skip
assert difference < 1e-6
assert spike_difference < 1e-6

# %% [markdown]
# ## 4. Is it right, and how large may dt be?
#
# A figure that looks like the paper's is weak evidence. Compare with another method: the folded
# function `fine` uses a SciPy solver with adaptive steps and a tolerance of $10^{-10}$.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def fine(params, current):
    """Spike times (ms) by SciPy, to about 1e-8 ms."""

    def change(_, y):
        up = params.delta_t * math.exp(min((y[0] - params.v_t) / params.delta_t, 60.0))
        dv = (params.g_l * (up - (y[0] - params.e_l)) + current - y[1]) / params.c
        return [dv, (params.a * (y[0] - params.e_l) - y[1]) / params.tau_w]

    def peak(_, y):
        return y[0] - params.v_peak

    peak.terminal, t, y, found = True, 0.0, [params.e_l, 0.0], []
    options = dict(method="DOP853", rtol=1e-10, atol=1e-10, events=peak)
    while (run := solve_ivp(change, (t, duration), y, **options)).status == 1:
        t, y = run.t[-1], [params.v_reset, run.y[1, -1] + params.b]
        found.append(t)
    return np.array(found)


# %%
regular = [name for name in FIRING_PATTERNS if name != "irregular"][:n_held]
truth = {name: fine(AdExParams.named(name), FIRING_PATTERNS[name].current) for name in regular}
worst = 0.0
for name, want in truth.items():
    got = patterns[name].spike_times
    off = np.abs(np.diff(got) / np.diff(want) - 1).max(initial=0.0)
    worst = max(worst, off)
    interval = f"worst interval by {100 * off:.2f} %" if len(want) > 1 else "no interval"
    print(
        f"{name:17} {len(want):3d} spikes, first off by {abs(got[0] - want[0]):.4f} ms, {interval}"
    )
assert worst < 0.01

# %% [markdown]
# With a step of 0.1 ms, every interval is right to 0.62<!-- worst_percent 0.01 --> % or better.
# (Section 5 says why the irregular pattern is missing.) Now vary `dt`, with both methods, for the
# tonic neuron without $w$, whose intervals are all equal.


# %%
def euler(p, current):
    """Spike times (ms) by Euler's method with a cut-off at v_peak."""
    v, w, found = p.e_l, 0.0, []
    for n in range(round(duration / p.dt)):
        up = p.delta_t * math.exp((v - p.v_t) / p.delta_t)
        dv = (p.g_l * (up - (v - p.e_l)) + current - w) / p.c
        v, w = v + p.dt * dv, w + p.dt * (p.a * (v - p.e_l) - w) / p.tau_w
        if v >= p.v_peak:
            v, w = p.v_reset, w + p.b
            found.append((n + 1) * p.dt)
    return np.array(found)


steps = np.array([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0])
mean_interval = np.diff(fine(AdExParams.named("tonic", a=0.0), 500.0)).mean()
off = {"Euler": [], "split step": []}
for step in steps if full_run else steps[3:]:
    coarse = AdExParams.named("tonic", a=0.0, dt=float(step))
    trains = euler(coarse, 500.0), step_response(coarse, 500.0, duration).spike_times
    for name, found in zip(off, trains, strict=True):
        off[name].append(100 * abs(np.diff(found).mean() / mean_interval - 1))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3.2))
for (name, percent), colour in zip(off.items(), (ORANGE, BLUE), strict=True):
    ax.loglog(steps[-len(percent) :], percent, "o-", color=colour, label=name)
ax.axhline(1, color=GREY, ls="--")
ax.text(0.0105, 1.15, "1 %", color=GREY)
ax.set(xlabel="dt (ms)", ylabel="error of the mean interval (%)")
ax.legend()
plt.show()
euler_off, split_off = off["Euler"][-4], max(off["split step"])
assert split_off < off["Euler"][0]

# %% [markdown]
# *The figure shows the error of the mean interval against the step, both on logarithmic axes.* At
# 0.1 ms, Euler is off by 3.7<!-- euler_percent 0.05 --> %, and its error falls roughly in
# proportion to $dt$. The error of the split step falls as $dt^2$, and even at 1 ms it is only
# 0.3<!-- split_percent 0.05 --> %. (With $w$, each step that contains a spike adds a further
# error.) But a step can be too long even for the split method. The library warns, or refuses:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
for name, step in (("tonic", 2.0), ("bursting", 3.0)):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            AdExParams.named(name, dt=step)
        except ValueError as error:
            print(f"ValueError: {error}")
    for warning in caught:
        print(f"{warning.category.__name__}: {warning.message}\n")

# %% [markdown]
# The 20 ms in the warning is the membrane time constant; the upstroke of section 3 takes 2.71 ms
# from -46 mV, the reset of `bursting`.
#
# ## 5. When two correct simulations disagree
#
# The irregular neuron has no noise in it. Start it twice, the second time with $w$ larger by a
# millionth of a pA. For how long do the two runs agree?
#
# <details><summary>Make a guess, then open</summary>
# Not for long, if small differences grow exponentially. A periodic neuron forgets the difference.
# </details>

# %%
apart = {}
for name in ("irregular", "adapting"):
    neuron, level = AdExParams.named(name, dt=dt), FIRING_PATTERNS[name].current
    pair = [step_response(neuron, level, long_duration, w=w).spike_times for w in (0.0, 1e-6)]
    n = min(map(len, pair))
    apart[name] = pair[0][:n], np.abs(pair[0][:n] - pair[1][:n])
    print(f"{name}: spike {n} is {apart[name][1][-1]:.1e} ms apart")
assert apart["irregular"][1].max() > 1e6 * apart["adapting"][1][-1] or not full_run
assert apart["adapting"][1].max() < 1e-6

statistics = {}
for step in (0.1, 0.05):
    neuron = AdExParams.named("irregular", dt=step)
    intervals = np.diff(step_response(neuron, 160.0, 5 * long_duration).spike_times)
    statistics[step] = intervals.mean(), intervals.std() / intervals.mean()
    print(f"dt = {step:g} ms: mean interval {statistics[step][0]:.2f} ms, "
          f"CV {statistics[step][1]:.3f}")  # fmt: skip
mean_ratio, cv_ratio = np.divide(statistics[0.05], statistics[0.1])
assert max(abs(mean_ratio - 1), abs(cv_ratio - 1)) < (0.02 if full_run else 0.2)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3))
for (name, (t, gap)), colour in zip(apart.items(), (ORANGE, BLUE), strict=True):
    ax.semilogy(t, np.maximum(gap, 1e-10), ".", ms=4, color=colour, label=name)
ax.set(xlabel="time (ms)", ylabel="spike times differ by (ms)", ylim=(3e-11, 1e4))
ax.legend(loc="center right")
plt.show()

# %% [markdown]
# *The figure shows the difference between the spike times of two runs that start a millionth of a
# pA apart.* In the adapting neuron the difference stays below a millionth of a ms, and dies away.
# In the irregular neuron the difference grows exponentially, to about 1 ms in about 400 ms. In the
# end the trains differ by up to an interval: this is [chaos](../docs/glossary.md#chaos). So the
# spike times of two correct simulations cannot agree for long, and a test that demands this is
# wrong. The statistics of the trains do agree: with `dt` = 0.1 and 0.05 ms, mean interval and CV
# differ by less than 2 %.
#
# ## Summary
#
# 1. The product $b\,\tau_w$ sets the steady rate; if adaptation is strong, $b$ sets how many
#    spikes it takes to reach this rate.
# 2. In the variable $s = e^{-(V-V_T)/\Delta_T}$, the upstroke is a straight line, so it can be
#    stepped exactly.
# 3. Compare spike times with an independent simulation; if the neuron is chaotic, compare
#    statistics.
#
# **Next.** [201](201_rate_codes.ipynb): what spikes can say.
#
# **See also.** [601](601_hodgkin_huxley.ipynb) to [604](604_your_neuron.ipynb): other neurons. For
# networks, `NormalisedAdExLayer` is the [normalised AdEx](../docs/glossary.md#normalised-adex), in
# the units of lesson 101.
#
# ## Further reading
#
# - Naud, Marcille, Clopath & Gerstner 2008, Biol. Cybern. 99:335,
#   [doi:10.1007/s00422-008-0264-7](https://doi.org/10.1007/s00422-008-0264-7): the patterns.
# - Benda & Herz 2003, Neural Comput. 15:2523,
#   [doi:10.1162/089976603322385063](https://doi.org/10.1162/089976603322385063): adaptation.
# - Strang 1968, SIAM J. Numer. Anal. 5:506, [doi:10.1137/0705041](https://doi.org/10.1137/0705041):
#   splitting.
# - Landsmeer et al. 2025, [arXiv:2512.10011](https://arxiv.org/abs/2512.10011): the normalised
#   AdEx.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
numbers = {
    "settled_small_b": settled(same_charge[pairs[0]]),
    "settled_large_b": settled(same_charge[pairs[2]]),
    "worst_percent": 100 * worst,
    "euler_percent": euler_off,
    "split_percent": split_off,
}
record("results/105_firing_patterns.json", numbers, full=full_run)
