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
# # Let the neuron make its own spike
#
# A leaky integrate-and-fire neuron makes no spikes: we write one down when its potential reaches a
# fixed value. You give it an exponential, which makes the spike, and an adaptation current: the
# [AdEx](../docs/glossary.md#adex), the adaptive exponential integrate-and-fire neuron. You then
# read from a plot of its two variables whether it rests, fires, or bursts.
#
# **Time.** 40 minutes for you, 10 seconds for the machine.
#
# **You need.** [101](101_leaky_neuron.ipynb) and [102](102_firing_rate.ipynb); derivatives.
#
# **Leads to.** [105](105_firing_patterns.ipynb) Eight firing patterns;
# [601](601_hodgkin_huxley.ipynb) The channels of a spike.
#
# ## Objectives
#
# After this lesson you can
#
# 1. explain how an exponential makes a spike, and calculate the rheobase,
# 2. explain how an adaptation current slows a neuron down,
# 3. draw nullclines and fixed points in the phase plane, and say what they mean,
# 4. read off the phase plane why a neuron rests, fires regularly, or bursts.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np
from matplotlib import pyplot as plt

from jarvis import AdExParams
from jarvis.adex import (
    FIRING_PATTERNS,
    fixed_points,
    phase_plane,
    potential,
    step_response,
    trajectory,
)
from jarvis.classroom import lesson
from jarvis.classroom.check import adex as check
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
c = 200.0  # capacitance, pF
g_l = 10.0  # leak conductance, nS: one over a resistance of 100 MOhm
e_l = -70.0  # resting potential, mV
v_t = -50.0  # threshold, mV
delta_t = 2.0  # width of the spike's onset, mV
v_reset = -58.0  # potential after a spike, mV
duration = 600.0  # of most simulations, ms

# %% [markdown]
# ## 1. A threshold that is not a line
#
# Take the membrane of lesson 101, in mV, with its leak as a *conductance* $g_L = 1/R$ of 10 nS.
#
# A real spike begins because sodium channels open. The higher $V$, the more of them open, which
# raises $V$ further. Near the threshold their current grows exponentially with $V$ (Fourcaud-Trocmé
# et al. 2003). Add this current:
#
# $$C\,\frac{dV}{dt} = -g_L\,(V - E_L) + g_L\,\Delta_T\,e^{(V - V_T)/\Delta_T} + I .$$
#
# $V_T$ (-50 mV) says where the exponential sets in, and $\Delta_T$ (2 mV) how sharply. How much
# current does this neuron need to fire? By the argument of lesson 102, enough to reach $V_T$:
# $g_L (V_T - E_L)$ = 200 pA. Try this current, and a little less. (`step_response` solves the
# equation.)

# %%
params = AdExParams(c=c, g_l=g_l, e_l=e_l, v_t=v_t, delta_t=delta_t, v_reset=v_reset, a=0.0, b=0.0)
for current in (200.0, 190.0, 181.0, 179.0):
    spikes = step_response(params, current, 3000.0).spike_times
    print(f"{current:g} pA: {len(spikes)} spikes in 3 s")

# %% [markdown]
# The neuron fires at 190 pA, and even at 181 pA. **Why?** Look at the slope $dV/dt$ for every $V$.


# %%
def slope(v, current):
    """dV/dt (mV/ms) of the exponential neuron at the potential v (mV)."""
    return (-g_l * (v - e_l) + g_l * delta_t * np.exp((v - v_t) / delta_t) + current) / c


# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3.4))
grid = np.linspace(-72, -42, 400)
for current, style in ((0.0, "-"), (180.0, "--"), (300.0, ":")):
    ax.plot(grid, slope(grid, current), color=BLUE, ls=style)
    ax.text(-58, slope(-58.0, current) + 0.08, f"{current:g} pA", color=BLUE)
ax.plot(e_l, 0, "o", color="black", ms=7)
ax.plot(fixed_points(params, 0.0)[1].v, 0, "o", color="black", mfc="white", ms=7)
ax.axhline(0, color=GREY, lw=1)
ax.set(xlabel="potential V (mV)", ylabel="slope dV/dt (mV/ms)", ylim=(-1.3, 1.7))
plt.show()

# %% [markdown]
# *The figure shows the slope at each potential, for three currents.* $V$ rises where the slope is
# positive and falls where it is negative. So without a current, $V$ returns to -70 mV from anywhere
# left of the open circle: -70 mV is a stable [fixed point](../docs/glossary.md#fixed-point), or
# attractor. Beyond the open circle, an unstable fixed point, $V$ rises ever faster: this
# [upstroke](../docs/glossary.md#upstroke) is the spike, and the equation itself produces it. We
# count the spike when $V$ passes $V_{peak}$, here 0 mV, and set $V$ back to $V_{reset}$.
#
# A current lifts the curve. Its lowest point is at $V_T$, where the slopes of the leak current,
# $-g_L$, and of the exponential, $+g_L$, cancel. At 180 pA this point touches zero, and the fixed
# points merge. So the rheobase is
#
# $$I_{rh} = g_L\,(V_T - \Delta_T - E_L) .$$
#
# The rheobase is lower than expected by $g_L \Delta_T$ = 20 pA, the current of the exponential at
# $V_T$.
#
# ## 2. Adaptation as a current
#
# Add a current $w$ that opposes the input and stands for slow potassium channels. ($w$ is not a
# weight here, and $a$ and $b$ differ from lesson 103.)
#
# $$C\,\frac{dV}{dt} = -g_L\,(V - E_L) + g_L\,\Delta_T\,e^{(V - V_T)/\Delta_T} + I - w$$
#
# $$\tau_w\,\frac{dw}{dt} = a\,(V - E_L) - w,$$
#
# and at each spike $V \to V_{reset}$ and $w \to w + b$. So $w$ slowly follows $a\,(V - E_L)$
# ([subthreshold adaptation](../docs/glossary.md#subthreshold-adaptation)), and grows by $b$ at each
# spike ([spike-triggered adaptation](../docs/glossary.md#spike-triggered-adaptation)). This lesson
# uses three parameter sets of Naud et al. (2008), all with $V_T$ = -50 mV and $\Delta_T$ = 2 mV:

# %%
print("             C    g_L   E_L   a    b   tau_w  V_reset")
print("            pF    nS    mV   nS   pA   ms     mV")
for name in ("tonic", "adapting", "bursting"):
    p = FIRING_PATTERNS[name]
    print(f"{name:10}{p.c:5g}{p.g_l:6g}{p.e_l:6g}{p.a:4g}{p.b:6g}{p.tau_w:6g}{p.v_reset:7g}")

# %% [markdown]
# Run the adapting neuron with and without adaptation.

# %%
adapting = AdExParams.named("adapting")
responses = [
    step_response(AdExParams.named("adapting", a=0.0, b=0.0), 500.0, duration),
    step_response(adapting, 500.0, duration),
]
intervals = np.diff(responses[1].spike_times)
print("intervals (ms):", *intervals.round(1))
assert np.ptp(np.diff(responses[0].spike_times)) < 0.01

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(3, 1, figsize=(7, 4.6), sharex=True, height_ratios=(1, 1, 0.7))
for ax, response, title in zip(
    axes, responses, ("a = 0, b = 0", f"a = {adapting.a:g} nS, b = {adapting.b:g} pA"), strict=False
):
    potential(response, ax).set_title(title)
    ax.set(xlabel="", ylabel="V (mV)")
axes[2].plot(responses[1].times, responses[1].w, color=GREEN)
axes[2].set(xlabel="time (ms)", ylabel="w (pA)")
plt.show()

# %% [markdown]
# *The figure shows the response to 500 pA without adaptation (above) and with it (middle), and the
# adaptation current (below). Triangles mark spikes.* In the steady state, $w$ falls between two
# spikes by exactly the $b$ that a spike adds.
#
# ### Exercise 1: How large is w on average? (4 min)
#
# With $a = 0$, each spike adds $b\,e^{-t/\tau_w}$ to $w$. A neuron has been firing at `rate` Hz for
# a long time. What is the mean of $w$ over time, in pA? `b` is in pA, `tau_w` in ms.


# %% tags=["exercise"]
def mean_adaptation(rate, b, tau_w):
    """The mean of w (pA) of a neuron that fires at a constant rate (Hz)."""
    ...


# %%
check.mean_adaptation(mean_adaptation)

# %% [markdown]
# ## 3. The phase plane
#
# The state is now a point $(V, w)$ in a plane, the [phase plane](../docs/glossary.md#phase-plane).
# Two curves divide it, the [nullclines](../docs/glossary.md#nullcline):
#
# - On the **V-nullcline**, $dV/dt = 0$, so
#   $w = -g_L(V - E_L) + g_L \Delta_T e^{(V-V_T)/\Delta_T} + I$. Below it $V$ rises, above it $V$
#   falls.
# - On the **w-nullcline**, $dw/dt = 0$, so $w = a\,(V - E_L)$, a straight line. Below it $w$ rises,
#   above it $w$ falls.
#
# Each point where the curves meet is a fixed point. It is stable if trajectories that start nearby
# return to it. A current shifts the V-nullcline up by $I$. What happens to the fixed points?
#
# <details><summary>Make a guess, then open</summary>
# They approach each other, merge, and vanish.
# </details>

# %%
tonic = AdExParams.named("tonic")
levels = (100.0, 210.0, 500.0)
for current in levels:
    found = [f"{p.v:.1f} mV ({'' if p.stable else 'un'}stable)"
             for p in fixed_points(tonic, current)]  # fmt: skip
    print(f"{current:g} pA: fixed points at {', '.join(found)}" if found else
          f"{current:g} pA: no fixed points")  # fmt: skip
print(f"rheobase: {tonic.rheobase:.1f} pA")
assert len(fixed_points(tonic, tonic.rheobase - 0.1)) == 2
assert fixed_points(tonic, tonic.rheobase - 0.1)[0].stable
assert not fixed_points(tonic, tonic.rheobase + 0.1)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 3, figsize=(8, 3.6), sharey=True)
for ax, current in zip(axes, levels, strict=True):
    response = step_response(tonic, current, 250.0)
    trajectory(response, phase_plane(tonic, current, w=(-25, 125), ax=ax))
    ax.set(title=f"{current:g} pA: {len(response.spike_times)} spikes", xlabel="V (mV)")
    ax.label_outer()
axes[1].text(-79, 104, "dV/dt = 0", color=BLUE)
axes[1].text(-79, 24, "dw/dt = 0", color=GREEN)
plt.show()

# %% [markdown]
# *The figure shows the phase plane of the tonic neuron for three currents: nullclines, arrows in
# the direction of motion, a trajectory from rest (squares: after each reset), stable fixed points
# (filled circles) and unstable ones (open). Dotted: the reset.* At 100 pA and at 210 pA the
# trajectory ends in the stable fixed point. At the rheobase, 220<!-- tonic_rheobase 0.5 --> pA, the
# fixed points merge and vanish. At 500 pA the V-nullcline lies above the frame: $V$ runs off to the
# right, spikes, and starts again from the reset.
#
# ### Exercise 2: The rheobase with adaptation (12 min)
#
# With $a > 0$, the fixed points merge where the nullclines just touch. On paper: at which $V$ are
# the nullclines equally steep? At which current do they touch there? `params` has `g_l` (nS),
# `e_l`, `v_t`, `delta_t` (mV) and `a` (nS). Return the current in pA. (If $w$ is slow and $a$ is
# large, as in the check, rest becomes unstable at a smaller current, `params.rheobase`.)


# %% tags=["exercise"]
def touching_current(params):
    """The current (pA) at which the two nullclines just touch."""
    ...


# %%
check.touching_current(touching_current)

# %% [markdown]
# ## 4. Where the reset lands
#
# In the set `"bursting"`, the reset lies to the right of $V_T$. Where do its short and long
# intervals come from?
#
# <details><summary>Make a guess, then open</summary>
# Each spike adds b to w, so the resets climb until one lands above the V-nullcline.
# </details>

# %%
bursting = AdExParams.named("bursting")
response = step_response(bursting, 210.0, duration)
burst_intervals = np.diff(response.spike_times)
print("intervals (ms):", *burst_intervals.round(1))
assert burst_intervals.max() > 10 * burst_intervals.min()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 3, figsize=(8, 3.4), width_ratios=(1.5, 1.1, 0.7))
trajectory(response, phase_plane(bursting, 210.0, v=(-62, -38), w=(-20, 330), ax=axes[0]))
axes[0].text(-61.5, 120, "dV/dt = 0", color=BLUE)
axes[0].text(-61.5, 12, "dw/dt = 0", color=GREEN)
for ax in axes[1:]:
    potential(response, ax).set_ylabel("")
axes[1].set(ylabel="potential V (mV)")
second = response.spike_times[3:5]  # the second burst
axes[2].set(title="one burst", xlim=(second[0] - 8, second[1] + 8))
plt.show()

# %% [markdown]
# *The figure shows the bursting neuron: its trajectory (left; squares: after each reset, dotted:
# the reset), potential (middle), and second burst (right).* **After a reset below the
# V-nullcline**, $V$ rises, and the next spike comes soon. **After a reset above it**, $V$ first
# falls, crosses the curve on the left, and turns around: the next spike comes late. The first burst
# has three spikes, because $w$ starts at 0. Each later burst has two spikes: the first reset lands
# below the blue curve, the second above it.
#
# ### Exercise 3: Stop the bursts (6 min)
#
# Make a bursting neuron regular by changing only its reset: under the same current (pA), all
# intervals should be equal in the end. To the right of $V_T$, resets just below and just above the
# blue curve lead to very different intervals. For which resets does the interval change smoothly?
# Try a few resets with `step_response`. Return a reset that works, in mV, computed from
# `params.v_t` (the check shifts all potentials).


# %% tags=["exercise"]
def steady_reset(params, current):
    """A reset (mV) with which the bursting neuron `params` fires regularly."""
    ...


# %%
if check.steady_reset(steady_reset):
    mine = AdExParams.named("bursting", v_reset=steady_reset(bursting, 210.0))
    ax = phase_plane(mine, 210.0, v=(-75, -38), w=(-20, 330))
    trajectory(step_response(mine, 210.0, 3000.0), ax)
    plt.show()

# %% [markdown]
# ## Summary
#
# 1. The exponential makes the spike: above the rheobase (for $a = 0$:
#    $g_L (V_T - \Delta_T - E_L)$) no stable fixed point is left, and $V$ rises ever faster.
# 2. The adaptation current $w$ slowly follows $a\,(V - E_L)$ and grows by $b$ at each spike.
# 3. The nullclines meet at the fixed points. A current moves the V-nullcline up until the fixed
#    points merge and vanish (or, if $a$ is large and $w$ slow, until rest becomes unstable).
# 4. To the right of $V_T$, a reset below the V-nullcline leads to a short interval, a reset
#    above the nullcline to a long interval.
#
# **Next.** [105](105_firing_patterns.ipynb): eight firing patterns.
#
# **See also.** [602](602_reduction.ipynb): phase planes without a reset.
#
# ## Further reading
#
# - Brette & Gerstner 2005, J. Neurophysiol. 94:3637,
#   [doi:10.1152/jn.00686.2005](https://doi.org/10.1152/jn.00686.2005): the model.
# - Naud, Marcille, Clopath & Gerstner 2008, Biol. Cybern. 99:335,
#   [doi:10.1007/s00422-008-0264-7](https://doi.org/10.1007/s00422-008-0264-7): the parameter sets.
# - Fourcaud-Trocmé et al. 2003, J. Neurosci. 23:11628,
#   [doi:10.1523/JNEUROSCI.23-37-11628.2003](https://doi.org/10.1523/JNEUROSCI.23-37-11628.2003).
# - Touboul & Brette 2008, Biol. Cybern. 99:319,
#   [doi:10.1007/s00422-008-0267-4](https://doi.org/10.1007/s00422-008-0267-4): bifurcations.
# - Gerstner et al. 2014, *Neuronal Dynamics*, chapters 5 and 6,
#   [doi:10.1017/CBO9781107447615](https://doi.org/10.1017/CBO9781107447615).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
record("results/104_adex.json", {"tonic_rheobase": tonic.rheobase}, full=full_run)
