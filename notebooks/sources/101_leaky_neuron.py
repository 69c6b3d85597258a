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
# A neuron's membrane is an electrical circuit. You turn it into one line of Python, find out why
# the obvious line is slightly wrong, and repair it. With a threshold and a reset, the circuit
# becomes a neuron that fires.
#
# **Time.** 50 minutes for you, 5 seconds for the machine.
#
# **You need.** Python with NumPy arrays; exponentials, logarithms, and what a differential equation
# says.
#
# **Leads to.** [102](102_firing_rate.ipynb) How fast does it fire, and how regularly?
#
# ## Objectives
#
# After this lesson you can
#
# 1. derive the membrane equation and its time constant from a circuit,
# 2. write the exact update of a leaky membrane, and say where $e^{-dt/\tau}$ comes from,
# 3. convert between `tau`, `dt` and `beta`, and scale a constant current,
# 4. put leak, input, threshold and reset in the right order.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import LIFLayer, LIFParams, constant_drive, lif_step, plotting
from jarvis.classroom import lesson
from jarvis.classroom.check import leaky_neuron as check
from jarvis.classroom.diagrams.membrane_circuit import membrane_circuit
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE

lesson.begin()

# %% [markdown]
# The numbers in the text belong to these parameters. To try others, change them, set
# `full_run = False`, and run the lesson again.

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
seed = 0
resistance = 100.0  # R of the membrane, MOhm
capacitance = 200.0  # C of the membrane, pF
e_leak = -70.0  # resting potential, mV
v_threshold = -50.0  # potential at which the neuron fires, mV
injected = 300.0  # constant current, pA; at 200 pA or less this neuron never fires
dt = 1.0  # time step, ms
duration = 200.0  # of most simulations, ms

# %%
rng = np.random.default_rng(seed)
n_steps = round(duration / dt)
times = dt * np.arange(1, n_steps + 1)  # step n ends at (n + 1) dt: that is where we plot it
print(f"{n_steps} steps of {dt:g} ms")

# %% [markdown]
# ## 1. A membrane is an RC circuit
#
# The membrane, a thin insulator between two salty liquids, stores charge like a **capacitor**.
# Charge leaks through channels that are always open, as through a **resistor**, the [membrane
# resistance](../docs/glossary.md#membrane-resistance). Ion pumps maintain a voltage that drives the
# leak, like a **battery**.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
membrane_circuit()
plt.show()

# %% [markdown]
# *The figure shows the circuit of a membrane: a capacitor C beside a resistor R and a battery
# $E_L$, and an electrode that injects a current I.* The voltage $V$, inside minus outside, is the
# [membrane potential](../docs/glossary.md#membrane-potential). Part of the current charges the
# capacitor; the rest leaves through the resistor:
#
# $$I = C\,\frac{dV}{dt} + \frac{V - E_L}{R}.$$
#
# Multiply by $R$, and call $RC$ the [membrane time
# constant](../docs/glossary.md#membrane-time-constant) $\tau$:
#
# $$\tau\,\frac{dV}{dt} = -(V - E_L) + R\,I .$$
#
# Our membrane has $R$ = 100 MΩ and $C$ = 200 pF. MΩ times pF gives µs, so $\tau$ is 20 ms. MΩ times
# pA gives µV.
#
# Switch on a current of 300 pA, and follow $V$ by [Euler's
# method](../docs/glossary.md#eulers-method): multiply the slope by $dt$, and add the product to
# $V$. Where is $V$ after one time constant, and where does it settle?
#
# <details><summary>Make a guess, then open</summary>
# V settles where the slope is zero: R I = 30 mV above rest, at -40 mV. After one time constant it
# has covered 63 % of the way (1 - 1/e), and is at -51 mV.
# </details>

# %%
tau = resistance * capacitance / 1000  # ms
lift = resistance * injected / 1000  # R I, mV

potential, path = e_leak, []
for _ in range(n_steps):
    potential = potential + dt / tau * (-(potential - e_leak) + lift)
    path.append(potential)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3))
ax.plot(np.append(0, times), [e_leak, *path], color=BLUE)
ax.axhline(e_leak + lift, color=GREY, ls=":")
ax.axhline(v_threshold, color=GREY, ls="--")
ax.plot(tau, e_leak + (1 - 1 / math.e) * lift, "o", color=ORANGE)
ax.annotate("63 % at one time constant", (tau, e_leak + 0.63 * lift), (35, -57.5), color="black",
            arrowprops={"arrowstyle": "-", "color": GREY})  # fmt: skip
ax.text(duration, e_leak + lift + 0.6, "$E_L + R\\,I$", ha="right", va="bottom")
ax.text(duration, v_threshold + 0.6, "threshold, not yet in use", ha="right", va="bottom")
ax.set(xlabel="time (ms)", ylabel="potential V (mV)", ylim=(-71, e_leak + lift + 5))
plt.show()

# %% [markdown]
# *The figure shows the potential after a current is switched on: it rises ever more slowly, and
# settles at $E_L + R\,I$.* The slope is proportional to the distance that is left, so the curve is
# an exponential.
#
# ### Exercise 1: Read a circuit (4 min)
#
# A constant current holds a membrane at `potential`. Return the capacitance in pF and the current
# in pA. The arguments are in MΩ, ms, mV and mV.


# %% tags=["exercise"]
def read_circuit(resistance, tau, e_leak, potential):
    """The capacitance (pF), and the current (pA) that holds the membrane at `potential`."""
    ...


# %%
check.read_circuit(read_circuit)

# %% [markdown]
# ## 2. Measure the potential in units of the threshold
#
# From here on, measure the potential from rest, in units of the distance to the threshold:
#
# $$v = \frac{V - E_L}{V_{th} - E_L}, \qquad I = \frac{R\,I_{pA}}{V_{th} - E_L}
# \qquad\Rightarrow\qquad \tau\,\frac{dv}{dt} = -v + I .$$
#
# $I$ is now the value of $v$ at which the membrane settles; the current of section 1 becomes
# $I_{pA}$. Rest is 0, the threshold is 1, and our current is 1.5. For a constant current and
# $v(0) = 0$ the solution is
#
# $$v(t) = I\,\bigl(1 - e^{-t/\tau}\bigr).$$
#
# How accurate is Euler's method? A step of 5 ms makes its error visible.

# %%
current = lift / (v_threshold - e_leak)
coarse = 5.0  # ms
coarse_times = coarse * np.arange(1, 21)
closed_form = current * (1 - np.exp(-coarse_times / tau))


def euler(step, n):
    """v after each of n steps of Euler's method, from rest."""
    v, path = 0.0, []
    for _ in range(n):
        v = v + step / tau * (-v + current)
        path.append(v)
    return np.array(path)


euler_error = np.abs(euler(coarse, 20) - closed_form).max()
euler_half = np.abs(euler(coarse / 2, 40)[1::2] - closed_form).max()
print(f"I = {current:g}; largest error with dt = {coarse:g} ms: {euler_error:.3f}, "
      f"with {coarse / 2:g} ms: {euler_half:.3f}")  # fmt: skip
assert np.all(euler(coarse, 20) > closed_form)
assert 0.4 < euler_half / euler_error < 0.55 or not full_run

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3))
smooth = np.linspace(0, 100, 300)
ax.plot(smooth, current * (1 - np.exp(-smooth / tau)), color="black", lw=1, label="closed form")
ax.plot(coarse_times, euler(coarse, 20), "o", color=ORANGE, ms=5, label="Euler, dt = 5 ms")
ax.set(xlabel="time (ms)", ylabel="potential v (threshold = 1)")
ax.legend(loc="lower right")
plt.show()

# %% [markdown]
# *The figure shows Euler's points above the closed form.* With half the step, the error is about
# half as large. **What went wrong?** Euler uses the slope at the start of a step for the whole
# step, but the true slope falls during the step.
#
# ## 3. A discretisation without error
#
# From a start $v_0$ the solution is $v(t) = I + (v_0 - I)\,e^{-t/\tau}$. Apply it to one step, from
# $v$ to $v'$:
#
# $$v' = e^{-dt/\tau}\,v + \bigl(1 - e^{-dt/\tau}\bigr)\, I .$$
#
# While the input is constant, this is exact. Euler's factor $1 - dt/\tau$ is the beginning of the
# series of $e^{-dt/\tau}$.

# %%
decay = math.exp(-coarse / tau)
v, exact = 0.0, []
for _ in coarse_times:
    v = decay * v + (1 - decay) * current
    exact.append(v)
exact_error = np.abs(exact - closed_form).max()
print(f"largest error with dt = {coarse:g} ms: {exact_error:.1e}")
assert exact_error < 1e-12

# %% [markdown]
# Only rounding errors are left. From here on we write the loop as `v = decay * v + x`, where `x` is
# **what the input adds to v in one step.** For a constant current it is $(1 - e^{-dt/\tau})\,I$;
# the library computes it with `constant_drive(I, tau, dt)`. (A spike from another neuron makes $v$
# jump by a *weight*, whatever `dt` is.)
#
# Suppose you forget the factor, and pass $x = I$ at every step of 1 ms. Where does $v$ settle?
#
# <details><summary>Make a guess, then open</summary>
# v settles where v = decay * v + I, at I / (1 - decay). That is about tau/dt times too high.
# </details>

# %%
decay = math.exp(-dt / tau)
inputs = {"I": current, "constant_drive(I)": constant_drive(current, tau=tau, dt=dt)}
for name, x in inputs.items():
    v = 0.0
    for _ in range(10 * n_steps):
        v = decay * v + x
    print(f"x = {name:18} settles at v = {v:.2f}")

# %% [markdown]
# ### Exercise 2: Measure tau from a recording (5 min)
#
# `recording` is an array with one value per ms: a potential that decays to rest, at 0, without
# noise. Find its time constant in ms from any two of its values.


# %% tags=["exercise"]
def measure_tau(recording):
    """The time constant (ms) of a decay that is recorded once per ms."""
    ...


# %%
check.measure_tau(measure_tau)

# %% [markdown]
# ## 4. A decay factor means nothing without dt
#
# Some libraries ask for the factor itself, $\beta = e^{-dt/\tau}$, and call it `beta`. This factor
# gives a time constant only together with a step: $\tau = -dt/\ln\beta$. A neuron has
# `beta = 0.95`, and you refine `dt` from 2 ms to 0.5 ms. What happens?
#
# <details><summary>Make a guess, then open</summary>
# The neuron becomes four times as fast: its time constant falls from 39 ms to 9.7 ms.
# </details>

# %%
beta, steps_tried = 0.95, (0.5, 1.0, 2.0)
rises = {}
for step in steps_tried:
    v, rises[step] = 0.0, [0.0]
    for _ in range(round(100 / step)):
        v = beta * v + (1 - beta) * current
        rises[step].append(v)
    print(f"beta = {beta} with dt = {step:g} ms means tau = {-step / math.log(beta):.1f} ms")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3))
for (step, path), colour in zip(rises.items(), (BLUE, ORANGE, GREEN), strict=True):
    ax.plot(step * np.arange(len(path)), path, color=colour, label=f"dt = {step:g} ms")
ax.legend(loc="lower right")
ax.set(xlabel="time (ms)", ylabel="potential v (threshold = 1)", ylim=(0, 1.65))
plt.show()

# %% [markdown]
# *The figure shows the response to a constant current with the same beta and three values of dt.*
# Each `dt` gives a different neuron. So `jarvis` takes `tau` and `dt` in ms.
#
# ## 5. The threshold: a first attempt
#
# A neuron fires a [spike](../docs/glossary.md#spike), or action potential, when its potential
# reaches the threshold. Set $v(t_1) = 1$ in the closed form and solve for $t_1$:
#
# $$t_1 = \tau \ln\frac{I}{I-1} = 20\ \text{ms} \cdot \ln 3,$$
#
# which is 21.97<!-- t_first 0.005 --> ms.
#
# At the end of each step, record a spike if $v$ has reached 1. How many do you expect in 200 ms?
#
# <details><summary>Make a guess, then open</summary>
# 9: each spike takes about 22 ms, from rest to the threshold.
# </details>

# %%
drive = [constant_drive(current, tau=tau, dt=dt)] * n_steps
v, rows = 0.0, []
for x in drive:
    v = decay * v + x
    s = 1.0 if v >= 1 else 0.0
    rows.append((v, s))
without_reset, too_many = np.array(rows).T

t_first = tau * math.log(current / (current - 1))
print(f"expected about {duration / t_first:.0f} spikes, got {too_many.sum():.0f}")
ax = plotting.trace(without_reset, spikes=too_many, dt=dt, color=BLUE)
ax.set_ylim(0, 1.75)
plt.show()

# %% [markdown]
# *The figure shows the potential, the threshold (dashed), and a triangle for each spike.* The first
# spike comes on time. Then there is a spike at every step.
#
# **Find the cause.**
#
# <details><summary>The cause</summary>
# The spike does not change v, which stays above the threshold. The reset is missing.
# </details>
#
# ### Exercise 3: When does the first spike come? (4 min)
#
# The potential starts at rest, at 0. Return the time in ms at which it reaches `threshold` under a
# constant `current`; threshold and current are in units of $v$. Use the closed form. If $v$ never
# reaches `threshold`, return `math.inf`. (With a current equal to the threshold, $v$ gets there
# only in the limit.)


# %% tags=["exercise"]
def first_spike(current, tau, threshold):
    """The time (ms) of the first spike; math.inf if there is none."""
    ...


# %%
check.first_spike(first_spike)

# %% [markdown]
# ## 6. The reset
#
# At each spike, the threshold, here 1, is subtracted from the potential: a
# [reset](../docs/glossary.md#reset) by subtraction. The potential *before* the reset is called $h$.

# %%
v, rows = 0.0, []
for x in drive:
    h = decay * v + x
    s = 1.0 if h >= 1 else 0.0
    v = h - s  # the reset, which was missing
    rows.append((h, s, v))
by_hand_h, by_hand_spikes, by_hand_v = np.array(rows).T

n_spikes, first = by_hand_spikes.sum(), (by_hand_spikes.argmax() + 1) * dt
print(f"{n_spikes:.0f} spikes; the first at {first:g} ms, closed form {t_first:.2f} ms")
print(f"largest h {by_hand_h.max():.3f}, largest v {by_hand_v.max():.3f}")
assert 0 <= first - t_first < dt
assert by_hand_v.max() < 1 <= by_hand_h.max()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3))
plotting.trace(by_hand_v, spikes=by_hand_spikes, dt=dt, ax=ax, label="v, after the reset")
fired = by_hand_spikes > 0
ax.plot(times[fired], by_hand_h[fired], "o", mfc="white", color=ORANGE, label="h at a spike")
ax.set_ylim(-0.05, 1.55)
ax.legend(loc="upper right", ncols=2)
plt.show()

# %% [markdown]
# *The figure shows the repaired neuron.* You have built a [leaky integrate-and-fire
# neuron](../docs/glossary.md#leaky-integrate-and-fire-neuron), or LIF neuron. The first spike comes
# at 22 ms, not at 21.97 ms: we compare at the end of a step, so a spike is seen up to one `dt`
# late.
#
# One step, in this order:
#
# 1. $h = e^{-dt/\tau}\, v + x$, leak and input,
# 2. $s = 1$ where $h \ge 1$, else 0, the spike,
# 3. $v = h - s$, the reset.
#
# Follow a few steps with $\tau$ = 5 ms. Each step multiplies $v$ by $e^{-0.2}$ = 0.82. Check one
# row.

# %%
order_tau, order_x = 5.0, [0.0, 0.6, 0.0, 0.5, 0.4, 0.0, 0.0, 0.9, 0.3, 0.0]
rows, v = [], 0.0
print("step    x      h    s      v")
for n, x in enumerate(order_x):
    before, h = v, math.exp(-dt / order_tau) * v + x
    s = 1.0 if h >= 1 else 0.0
    v = h - s
    rows.append((before, h, s, v))
    print(f"{n:4d}  {x:.1f}  {h:.3f}  {s:.0f}  {v:.3f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(7, 3.6))
for n, (before, h, s, v) in enumerate(rows):
    end, jump = n + 1, n + 0.8  # the leak fills the step; jump and reset belong to its end
    t = np.linspace(n, jump, 20)
    leak = before * np.exp(-(t - n) / 0.8 * dt / order_tau)
    ax.plot(t, leak, color=GREY, lw=1.5)
    ax.plot([jump, jump], [leak[-1], h], color=GREEN, lw=2.5)
    ax.plot([jump, end], [h, v], color="black", lw=1.5 if s else 0.8, ls="-" if s else ":")
    ax.plot(
        jump, h, "o", mfc="white", color=ORANGE, label="h, before the reset" if n == 0 else None
    )
    ax.plot(end, v, "o", color=BLUE, label="v, after the reset" if n == 0 else None)
    if s:
        ax.plot(jump, 1.42, "v", color="black")
ax.axhline(1, color=GREY, ls="--", lw=1)
ax.text(2.5, 0.47, "leak", color=GREY, ha="center", va="top")
ax.text(3.72, 0.62, "input", color=GREEN, ha="right")
ax.text(4.95, 0.72, "reset", ha="left")
ax.text(4.95, 1.4, "spike", ha="left", va="center")
ax.set(xlabel="time (steps)", ylabel="potential (threshold = 1)", ylim=(-0.05, 1.75))
ax.legend(loc="upper center", ncols=2)
plt.show()

# %% [markdown]
# *The figure shows ten steps.* In each step the potential leaks, and the input lifts it to $h$. If
# $h$ reaches the threshold (dashed), the reset lowers the potential to $v$. Both $h$ and $v$ belong
# to the end of the step, but are drawn apart. Step 4 of the table runs from 4 to 5 on the axis.
#
# ## 7. The library does the same
#
# `lif_step(x, state, params)` is one pass through your loop (`None` is the state at rest), and
# `LIFLayer` is the whole loop. Time is the first axis of the input: `[T, n]` for n neurons. The
# layer returns the spikes, the final state (lesson 103), and with `trace=True` also a record of the
# potentials. Compare your loop with both on random input.

# %%
x_random = rng.uniform(0, 0.25, size=(300, 4))

v, spikes, potentials = np.zeros(4), [], []
for x in x_random:  # by hand, for four neurons at once
    h = decay * v + x
    s = 1.0 * (h >= 1)
    v = h - s
    spikes.append(s)
    potentials.append(v)
by_hand, v_by_hand = torch.tensor(np.array(spikes)), torch.tensor(np.array(potentials))

state, by_step = None, []
for x in torch.tensor(x_random):
    s, state = lif_step(x, state, LIFParams(tau=tau, dt=dt))
    by_step.append(s)
by_layer, _, trace = LIFLayer(tau=tau, dt=dt)(torch.tensor(x_random), trace=True)
print(f"{by_hand.sum():.0f} spikes by hand, {torch.stack(by_step).sum():.0f} by lif_step, "
      f"{by_layer.sum():.0f} by LIFLayer")  # fmt: skip
assert torch.equal(torch.stack(by_step), by_hand)
assert torch.equal(by_layer, by_hand)
assert torch.equal(trace.v, v_by_hand)

# %% [markdown]
# The loop and the library give the same spikes and potentials.
#
# ### Exercise 4: Write the neuron from memory (12 min)
#
# Do not look it up. `threshold` need not be 1. `x` is an array: what the input adds to $v$ in each
# step. The neuron starts at rest. Return two arrays as long as `x`: the spikes (0 or 1), and $v$
# after the reset.


# %% tags=["exercise"]
def from_memory(x, tau, dt, threshold):
    """A LIF neuron over the inputs x: its spikes, and v after each step."""
    ...


# %%
check.from_memory(from_memory)

# %% [markdown]
# ## Summary
#
# 1. A membrane is a capacitor beside a leak: $\tau\,dV/dt = -(V - E_L) + R\,I$ with $\tau = RC$.
# 2. In units of the threshold, `v = exp(-dt/tau) * v + constant_drive(I, tau, dt)` is the exact
#    solution over one step of constant current.
# 3. `beta` means something only together with `dt`.
# 4. Each step leaks and adds the input, then compares, then resets.
#
# **Next.** [102](102_firing_rate.ipynb): firing rate, resets and noise.
#
# **See also.** [601](601_hodgkin_huxley.ipynb): ion channels. [605](605_conductances.ipynb):
# conductances.
#
# ## Further reading
#
# - Gerstner et al. 2014, *Neuronal Dynamics*, chapter 1,
#   [doi:10.1017/CBO9781107447615](https://doi.org/10.1017/CBO9781107447615).
# - Rotter & Diesmann 1999, Biol. Cybern. 81:381,
#   [doi:10.1007/s004220050570](https://doi.org/10.1007/s004220050570): exact steps.
# - Brunel & van Rossum 2007, Biol. Cybern. 97:337,
#   [doi:10.1007/s00422-007-0190-0](https://doi.org/10.1007/s00422-007-0190-0): on Lapicque 1907,
#   with a translation.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
record("results/101_leaky_neuron.json", {"t_first": t_first}, full=full_run)
