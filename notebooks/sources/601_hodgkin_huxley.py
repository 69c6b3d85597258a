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
# # Make a spike out of ion channels
#
# In 1952 Hodgkin and Huxley explained the spike, or [action
# potential](../docs/glossary.md#action-potential), by a membrane whose sodium and potassium
# conductances depend on its potential. Their equations, the [Hodgkin-Huxley
# model](../docs/glossary.md#hodgkin-huxley-model), contain no threshold and no reset, and yet the
# neuron fires. You watch the obvious method diverge, and fix it. Then you find out what each
# channel does, stop a spike train with one pulse, and reproduce a recorded V(t) by ordinary
# gradients, without a surrogate.
#
# **Time.** 65 minutes for you, 40 seconds for the machine.
#
# **You need.** [101](101_leaky_neuron.ipynb): the leaky neuron and its exact step.
# [301](301_surrogate_gradients.ipynb): surrogate gradients. Section 6 mentions the eigenvalues of a
# matrix.
#
# **Leads to.** [602](602_reduction.ipynb), which reduces this neuron to one variable.
#
# ## Objectives
#
# After this lesson you can
#
# 1. compute the potential towards which open channels pull the membrane,
# 2. explain why Euler's method diverges here, and write a step that cannot,
# 3. explain one spike, channel by channel, and name an experiment that would refute it,
# 4. measure an f-I curve, say what makes a neuron type II, and stop a spike train with a pulse,
# 5. say which loss of a spiking neuron has a useful gradient without a surrogate.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import hodgkin_huxley as check
from jarvis.classroom.diagrams.channel_circuit import Channel, channel_circuit
from jarvis.classroom.results import record
from jarvis.neurons import (
    HodgkinHuxley,
    HodgkinHuxleyParams,
    HodgkinHuxleyState,
    SpikingLayer,
    gate_rates,
    gate_time_constants,
    hodgkin_huxley_derivative,
    hodgkin_huxley_rest,
    steady_gates,
)
from jarvis.plotting import BLUE, GREEN, GREY, RED

lesson.begin()
torch.set_default_dtype(torch.float64)

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "duration": 500.0, "n_updates": 15}}
full_run = True
dt = 0.025  # time step, ms
duration = 2000.0  # of the runs that measure firing rates, ms
n_updates = 300  # of the current that learns

# %% [markdown]
# ## 1. What is a membrane made of?
#
# A membrane stores charge, so it is a capacitor. Ions cross it through
# [channels](../docs/glossary.md#ion-channel); each kind of channel lets one kind of ion pass. The
# ion's concentrations inside and outside differ, which acts like a battery. So each kind of channel
# is a [conductance](../docs/glossary.md#conductance) $g$ in series with a battery, the [reversal
# potential](../docs/glossary.md#reversal-potential) $E$, at which its current vanishes. (For one
# kind of ion, that is its [Nernst potential](../docs/glossary.md#nernst-potential).)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
channel_circuit(
    [
        Channel("leak", "$g_L$", "$E_L$ = -54.4 mV", False, False, GREEN),
        Channel("sodium", "$g_{Na} m^3 h$", "$E_{Na}$ = +50 mV", True, True, RED),
        Channel("potassium", "$g_K n^4$", "$E_K$ = -77 mV", False, True, BLUE),
    ]
)
plt.show()

# %% [markdown]
# *The figure shows the membrane as a circuit; an arrow through a conductance means that it
# changes.* The input current $I$ (not drawn) minus the ionic currents charges the capacitor:
#
# $$C\,\frac{dV}{dt} = I - g_{Na} m^3 h\,(V - E_{Na}) - g_K n^4\,(V - E_K) - g_L\,(V - E_L) .$$
#
# In the squid axon, C = 1 µF/cm². With all channels open, $g_{Na}$ = 120, $g_K$ = 36 and $g_L$ =
# 0.3 mS/cm². $m^3h$ and $n^4$ are the open fractions (section 2). Potentials are in mV, times in
# ms, currents in µA/cm².
#
# Where does V settle without input if the conductances do not change?
#
# <details><summary>Make a guess, then open</summary>
# Set dV/dt = 0: V is the mean of the three reversal potentials, weighted by the open conductances.
# </details>

# %%
params = HodgkinHuxleyParams(dt=dt)
c, g_na, g_k, g_l = params.c, params.g_na, params.g_k, params.g_l
e_na, e_k, e_l = params.e_na, params.e_k, params.e_l
assert (c, g_na, g_k, g_l) == (1.0, 120.0, 36.0, 0.3)

sodium = np.logspace(-3, 2, 200)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6, 2.8))
for potassium, style in ((0.3, "-"), (10.0, "--")):
    v = (sodium * e_na + potassium * e_k + g_l * e_l) / (sodium + potassium + g_l)
    ax.semilogx(sodium, v, "k", ls=style, label=f"{potassium:g} mS/cm² of potassium open")
ax.axhline(e_na, color=RED, lw=1)
ax.axhline(e_k, color=BLUE, lw=1)
ax.text(1.2e-3, e_na + 3, "$E_{Na}$", color=RED)
ax.text(60, e_k + 4, "$E_K$", color=BLUE)
ax.set(xlabel="open sodium conductance (mS/cm²)", ylabel="V settles at (mV)", ylim=(-85, 68))
ax.legend(loc="upper left", bbox_to_anchor=(0.02, 0.9))
plt.show()

# %% [markdown]
# *The figure shows where V settles as sodium channels open, with few (solid) and many (dashed)
# potassium channels open.* Sodium channels take V up, potassium channels bring it down. The result
# is a spike, if the sodium channels open first.
#
# ## 2. What opens a channel?
#
# The potential itself. Each kind of [gate](../docs/glossary.md#gating-variable) ($m$, $h$ or $n$)
# is open with a probability $x$; it opens at a rate $\alpha_x(V)$ and closes at a rate
# $\beta_x(V)$:
#
# $$\frac{dx}{dt} = \alpha_x(V)\,(1 - x) - \beta_x(V)\,x, \qquad x = m, h, n .$$
#
# At a constant V, $x$ approaches $x_\infty = \alpha/(\alpha+\beta)$ with the time constant
# $\tau_x = 1/(\alpha+\beta)$. A potassium channel needs four open $n$ gates, which are independent
# (hence $n^4$); a sodium channel needs three $m$ gates and one $h$ gate. Hodgkin and Huxley
# measured the rates while a [voltage clamp](../docs/glossary.md#voltage-clamp) kept V constant.
# `gate_rates` has all six, for example $\beta_n = 0.125\,e^{-(V+65)/80}$ per ms.

# %%
v = torch.linspace(-100.0, 50.0, 301)
tau_m, tau_h, tau_n = (t.item() for t in gate_time_constants(torch.tensor(-65.0)))
print(f"at -65 mV: tau_m {tau_m:.2f} ms, tau_h {tau_h:.2f} ms, tau_n {tau_n:.2f} ms")
assert (gate_time_constants(v).m < gate_time_constants(v).h).all()
assert (gate_time_constants(v).m < gate_time_constants(v).n).all()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9, 3.2))
looks = dict(m=(RED, "-", "m (opens sodium)"), h=(RED, "--", "h (falls: closes sodium)"))
looks |= dict(n=(BLUE, "-", "n (opens potassium)"))
for name, (colour, style, label) in looks.items():
    axes[0].plot(v, getattr(steady_gates(v), name), color=colour, ls=style, label=label)
    axes[1].semilogy(v, getattr(gate_time_constants(v), name), color=colour, ls=style)
for ax in axes:
    ax.axvline(-65, color=GREY, lw=1, ls=":")
    ax.set_xlabel("potential V (mV)")
axes[0].set(ylabel="steady value", title="where each gate goes")
axes[1].set(ylabel="time constant (ms)", title="how long it takes")
axes[1].set_yticks([0.1, 1, 10], ["0.1", "1", "10"])
axes[0].legend(loc="center right", bbox_to_anchor=(1.0, 0.55))
plt.show()

# %% [markdown]
# *The figure shows the gates against the potential; the dotted line marks -65 mV, close to rest.*
# When V rises, $m$ and $n$ open and $h$ closes; $m$ is always the fastest, so sodium comes first.
#
# ### Exercise 1: Find the resting potential (6 min)
#
# At the [resting potential](../docs/glossary.md#resting-potential) each gate is at its steady value
# for that V, and the ionic currents cancel. Write their sum as a function of V alone
# (`steady_gates` takes a tensor; `e_na`, `e_k` and `e_l` are defined above). Find its zero by
# bisection between -90 and 40 mV.


# %% tags=["exercise"]
def resting_potential(g_na, g_k, g_l):
    """The V (mV) at which the ionic currents cancel, to 0.01 mV; conductances in mS/cm²."""
    ...


# %%
if check.resting_potential(resting_potential):
    print(f"yours: {float(resting_potential(g_na, g_k, g_l)):.3f} mV")

# %%
rest = hodgkin_huxley_rest(params)
print(f"the library: {rest.v:.3f} mV")

# %% [markdown]
# The membrane rests at -65.00<!-- rest 0.005 --> mV, far from $E_{Na}$: hardly any sodium channel
# is open.
#
# ## 3. How do we run it?
#
# First [Euler's method](../docs/glossary.md#eulers-method): compute the slopes, multiply by `dt`,
# add. We take `dt` = 0.1 ms, less than half of $\tau_m$ at -65 mV (0.24<!-- tau_m 0.005 --> ms),
# and a current of 10 µA/cm².


# %%
def slopes(v, m, h, n, current):
    r = gate_rates(v)
    ionic = g_na * m**3 * h * (v - e_na) + g_k * n**4 * (v - e_k) + g_l * (v - e_l)
    dm = r.alpha_m * (1 - m) - r.beta_m * m
    dh = r.alpha_h * (1 - h) - r.beta_h * h
    dn = r.alpha_n * (1 - n) - r.beta_n * n
    return (current - ionic) / c, dm, dh, dn


def euler_step(state, current, dt):
    return [x + dt * dx for x, dx in zip(state, slopes(*state, current), strict=True)]


def run(step, current, ms, dt):
    """V (mV) after each step from rest, under a constant current."""
    state, path = [torch.tensor(x) for x in rest], []
    for _ in range(round(ms / dt)):
        state = step(state, current, dt)
        path.append(state[0].item())
    return np.array(path)


coarse = 0.1
exploded = run(euler_step, 10.0, 10.0, coarse)
last = np.flatnonzero(np.isfinite(exploded))[-1]
print("V (mV):", *(f"{v:.4g}" for v in exploded[last - 6 : last + 3]))
assert np.isnan(exploded[-1])

# %% [markdown]
# Euler's method ends in NaN. Why? Let $g$ be the sum of all open conductances. At constant $g$, V
# relaxes towards the mean of section 1, raised by $I/g$, with the time constant $C/g$. Euler's
# method multiplies the distance from that value by $1 - g\,dt/C$. Beyond $dt = 2C/g$ this factor is
# below -1: V overshoots, further with each step. During a spike, $g$ is large.
#
# **The fix** is the exact step of [101](101_leaky_neuron.ipynb), used four times. At constant V,
# each gate has an exponential solution; at constant conductances, so does V. Update the gates
# first, then V: this is *exponential Euler*. All its factors lie between 0 and 1, for every `dt`.


# %%
def relax(x, alpha, beta, dt):
    end = alpha / (alpha + beta)
    return end + (x - end) * torch.exp(-(alpha + beta) * dt)


def step_by_hand(state, current, dt, held=""):
    """One step. Gates named in `held` do not move (for section 4)."""
    v, m, h, n = state
    r = gate_rates(v)
    m = m if "m" in held else relax(m, r.alpha_m, r.beta_m, dt)
    h = h if "h" in held else relax(h, r.alpha_h, r.beta_h, dt)
    n = n if "n" in held else relax(n, r.alpha_n, r.beta_n, dt)
    sodium, potassium = g_na * m**3 * h, g_k * n**4
    g = sodium + potassium + g_l
    end = (sodium * e_na + potassium * e_k + g_l * e_l + current) / g
    return [end + (v - end) * torch.exp(-g * dt / c), m, h, n]


# %% [markdown]
# `HodgkinHuxley` is this step, and `SpikingLayer` runs it over an input `[steps, batch, neurons]`.
# A layer returns the spikes, the last state and, with `trace=True`, every variable after each step.


# %%
def constant(current, ms, dt=dt):
    """Input [steps, 1, neurons]: each current (µA/cm²) is held for `ms`."""
    return torch.as_tensor(current).double().reshape(1, 1, -1).repeat(round(ms / dt), 1, 1)


layer = SpikingLayer(HodgkinHuxley(params))
_, _, trace = layer(constant(10.0, 20.0), trace=True)
by_hand = run(step_by_hand, 10.0, 20.0, dt)
difference = np.abs(by_hand - trace.v[:, 0, 0].numpy()).max()
print(f"largest difference over 20 ms: {difference:.0e} mV")
assert difference < 1e-9

# %% tags=["hide-input"] jupyter={"source_hidden": true}
m, h, n = trace.m, trace.h, trace.n
g = g_na * m**3 * h + g_k * n**4 + g_l
limit = 2 * c / g.max().item()
print(
    f"g rises from {g[0].item():.2f} to {g.max().item():.1f} mS/cm²; 2C/g falls to {limit:.3f} ms"
)

survived = run(step_by_hand, 10.0, 10.0, coarse)
fine = trace.v[: round(10 / dt), 0, 0]
assert limit < coarse
assert np.abs(survived).max() < 100

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for ax, path, title in zip(axes, (exploded, survived), ("Euler", "exponential Euler"), strict=True):
    ax.plot(dt * np.arange(1, len(fine) + 1), fine, color=GREY, lw=3, alpha=0.5)
    ax.plot(coarse * np.arange(1, len(path) + 1), path, "k.-", ms=4, lw=0.8)
    ax.plot([], [], "k.-", label=f"dt = {coarse} ms")
    ax.plot([], [], color=GREY, lw=3, alpha=0.5, label=f"dt = {dt} ms")
    ax.set(xlabel="time (ms)", title=title, ylim=(-200, 200), xlim=(0, 6))
axes[0].set_ylabel("potential V (mV)")
axes[1].legend()
plt.show()

# %% [markdown]
# *The figure shows both methods with `dt` = 0.1 ms (black) over exponential Euler at 0.025 ms
# (grey).* Soon after the peak Euler's points swing ever wider and leave the figure: the limit
# $2C/g$ has fallen to 0.055<!-- limit 0.0005 --> ms. Exponential Euler stays bounded, but is it
# accurate? We compare its first spike with that of a run at 0.001 ms.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def first_spike(dt):
    """The first upward crossing of 0 mV (ms) at 10 µA/cm², interpolated between two steps."""
    fine = SpikingLayer(HodgkinHuxley(dt=dt))
    v = fine(constant(10.0, 4.0, dt), trace=True)[2].v[:, 0, 0]
    k = int((v >= 0).nonzero()[0])
    return (dt * (k + v[k - 1] / (v[k - 1] - v[k]))).item()


# %%
reference = first_spike(0.001)
late = {step: first_spike(step) - reference for step in (0.1, 0.05, 0.025)}
for step, error in late.items():
    print(f"dt = {step:5g} ms: first spike {1000 * error:5.1f} µs late")
assert 3 < late[0.1] / late[0.05] < 5
assert 3 < late[0.05] / late[0.025] < 5

# %% [markdown]
# Halving the step divides the error by four, because gates and V are updated alternately, as in the
# leapfrog method. At 0.025 ms the first spike is only 1.6<!-- late_25 0.1 --> µs late, so we keep
# this step.
#
# ## 4. What happens in a spike?
#
# The layer reports a spike in the step in which V crosses 0 mV upwards. Lift V suddenly by a few
# millivolts above rest and let go. Will the response grow smoothly with this
# [depolarisation](../docs/glossary.md#depolarisation)?

# %%
lifts = torch.tensor([2.0, 4.0, 6.0, 6.4, 6.6, 8.0, 12.0])
start = HodgkinHuxleyState(*(torch.full((1, 7), x) for x in rest))
fired, _, lifted = layer(
    constant(torch.zeros(7), 20.0), start._replace(v=rest.v + lifts[None]), trace=True
)
t = dt * np.arange(1, len(lifted.v) + 1)
print("spikes:", dict(zip(lifts.tolist(), fired.sum(0)[0].int().tolist(), strict=True)))
assert fired[:, 0, 3].sum() == 0
assert fired[:, 0, 4].sum() == 1

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
for k in range(len(lifts)):
    ax.plot(t, lifted.v[:, 0, k], color="black" if fired[:, 0, k].any() else GREY, lw=1)
for k, (x, y) in {4: (4.5, 36), 5: (2.6, 40), 6: (0.0, 42)}.items():
    ax.text(x, y, f"{lifts[k]:g} mV")
arrow = dict(arrowstyle="-", color=GREY)
ax.annotate("6.4 mV", (4.0, -58.5), (7.6, -45), color=GREY, arrowprops=arrow)
ax.set(xlabel="time (ms)", ylabel="potential V (mV)", ylim=(-82, 55), xlim=(-0.5, 15))
plt.show()

# %% [markdown]
# *The figure shows V after lifts of 2 to 12 mV.* All or none: 6.4 mV fades, 6.6 mV fires. A larger
# lift makes the spike earlier, but hardly higher. Which channels make this response? Look at one
# spike, started by 10 µA/cm² for 1 ms.

# %%
pulse = constant(0.0, 15.0)
pulse[: round(1 / dt)] = 10.0
_, _, one = layer(pulse, trace=True)
v, m, h, n = (x[:, 0, 0].numpy() for x in one)
i_na, i_k = g_na * m**3 * h * (v - e_na), g_k * n**4 * (v - e_k)
i_l = g_l * (v - e_l)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
t = dt * np.arange(1, len(v) + 1)
half, v_lowest = t[np.argmax(m > 0.5)], v.min()
print(f"peak {v.max():.1f} mV at {t[v.argmax()]:.2f} ms, lowest {v.min():.1f} mV")
print(f"m passes 0.5 at {half:.2f} ms, n peaks at {t[n.argmax()]:.2f} ms")
assert half < t[v.argmax()] < t[n.argmax()]
assert e_k < v.min() < rest.v
assert v.max() < e_na

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(3, 1, figsize=(7.5, 6.6), sharex=True)
axes[0].plot(t, v, "k")
axes[0].axhline(e_na, color=RED, lw=1, ls=":")
axes[0].axhline(e_k, color=BLUE, lw=1, ls=":")
axes[0].text(12.5, e_na - 12, "$E_{Na}$", color=RED)
axes[0].text(12.5, e_k - 15, "$E_K$", color=BLUE)
axes[0].plot([0, 1], [-88, -88], color=GREY, lw=5, solid_capstyle="butt")
axes[0].text(1.2, -92, "current on", color=GREY)
axes[0].set(ylabel="potential (mV)", ylim=(-98, 60))
for name, gate in dict(m=m, h=h, n=n).items():
    axes[1].plot(t, gate, color=looks[name][0], ls=looks[name][1])
    axes[1].text(
        *dict(m=(1.95, 0.75), h=(0.1, 0.64), n=(6.0, 0.66))[name], f"${name}$", color=looks[name][0]
    )
axes[1].set(ylabel="gate (fraction open)", ylim=(0, 1.1))
axes[2].plot(t, i_na, color=RED, label="sodium")
axes[2].plot(t, i_k, color=BLUE, label="potassium")
axes[2].plot(t, i_l, color=GREEN, label="leak")
axes[2].set(xlabel="time (ms)", ylabel="outward current (µA/cm²)")
axes[2].legend()
plt.show()

# %% [markdown]
# *The figure shows one spike: potential, gates, and the currents out of the cell (negative:
# inward).*
#
# 1. **Upstroke.** V rises, $m$ opens, sodium flows in, V rises further. This feedback loop needs no
#    input.
# 2. **Downstroke.** $n$ opens the potassium channels, and $h$ begins to close the sodium channels.
#    The sodium current dips at the peak, where V is so close to $E_{Na}$ that little drives it.
#    Sodium current grows again as V falls, but the potassium current is larger.
# 3. **Undershoot**, or [hyperpolarisation](../docs/glossary.md#hyperpolarisation). $n$ closes
#    slowly, so V dips to -76.2<!-- lowest 0.1 --> mV, below rest but never below $E_K$.
#
# As a test, hold one gate at its resting value. If $m$ causes the upstroke, there should be no
# spike when $m$ is held. And the downstroke: does it take $h$ or $n$?
#
# <details><summary>Make a guess, then open</summary> Both. With h held, sodium keeps flowing
# against the open potassium channels. With n held, some sodium channels stay open, opposed only by
# the leak and the few potassium channels that are open at rest. V stays up in both cases.
# </details>


# %%
def with_held(held, ms=30.0):
    state, path = [torch.tensor(x) for x in rest], []
    for k in range(round(ms / dt)):
        state = step_by_hand(state, 10.0 if k * dt < 1 else 0.0, dt, held)
        path.append(state[0].item())
    return np.array(path)


paths = {held: with_held(held) for held in ("", "m", "h", "n")}
for held, path in paths.items():
    print(f"held: {held or 'none':>4}   peak {path.max():5.1f}, after 30 ms {path[-1]:5.1f} mV")
assert paths["m"].max() < -50
assert paths["h"][-1] > 0
assert paths["n"][-1] > -20
assert all(np.ptp(paths[held][-400:]) < 0.1 for held in "hn")  # they have stopped moving

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 3, figsize=(9.5, 2.9), sharey=True)
for ax, held in zip(axes, "mhn", strict=True):
    ax.plot(dt * np.arange(1, 1201), paths[""], color=GREY, lw=3, alpha=0.5)
    ax.plot(dt * np.arange(1, 1201), paths[held], color=looks[held][0], ls=looks[held][1])
    ax.set(xlabel="time (ms)", title=f"{held} held at its resting value")
axes[0].set_ylabel("potential V (mV)")
plt.show()

# %% [markdown]
# *The figure shows V after the same pulse, with one gate held (coloured) and with none (grey).*
# With $m$ held there is no spike. With $h$ held V stays at 13.6<!-- h_held 0.1 --> mV, with $n$
# held at -13.4<!-- n_held 0.1 --> mV. Both gates are needed to end a spike.
#
# ### Exercise 2: Block the sodium channels (6 min)
#
# Tetrodotoxin (TTX), the poison of the puffer fish, blocks sodium channels: $g_{Na} = 0$. Predict
# where V then settles under a constant current, with the bisection of exercise 1.


# %% tags=["exercise"]
def with_ttx(current):
    """The V (mV) at which a neuron without sodium channels settles under `current` (µA/cm²)."""
    ...


# %%
if check.with_ttx(with_ttx):
    poisoned = SpikingLayer(HodgkinHuxley(dt=dt, g_na=0.0))
    spikes, _, trace = poisoned(constant([5.0, 10.0, 20.0], 40.0), trace=True)
    _, ax = plt.subplots()
    ax.plot(dt * np.arange(1, len(spikes) + 1), trace.v[:, 0], "k", lw=1)
    for current in (5.0, 10.0, 20.0):
        ax.axhline(float(with_ttx(current)), color=BLUE, ls="--", lw=1)
    ax.set(xlabel="time (ms)", ylabel="potential V (mV)")
    plt.show()
    assert spikes.sum() == 0

# %% [markdown]
# ## 5. How often does it fire?
#
# Hold a current and count: this is the [f-I curve](../docs/glossary.md#f-i-curve). Near its onset a
# leaky neuron can fire as slowly as you like. Can a Hodgkin-Huxley neuron?
#
# ### Exercise 3: Measure a rate in steady state (5 min)
#
# Return the firing rate of one neuron from its last three intervals, because the first ones may
# differ. Return 0 if there are fewer than two spikes, or none in the last 100 ms. The rate should
# be right to 1 %.


# %% tags=["exercise"]
def steady_rate(spikes, dt):
    """The rate (Hz), a number; spikes is a tensor [T] of 0 and 1 (maybe all 0), dt is in ms."""
    ...


# %%
check.steady_rate(steady_rate)


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def rates(spikes):
    """Steady rate (Hz) of each neuron of a run, from the last five intervals; spikes [T, 1, N]."""
    found = []
    for column in spikes[:, 0].T:
        times = dt * column.nonzero()[:, 0].double()
        lasts = len(times) > 5 and times[-1] > dt * len(column) - 100
        found.append(5000.0 / (times[-1] - times[-6]).item() if lasts else 0.0)
    return np.array(found)


# %%
currents = np.concatenate(
    [np.arange(0.0, 6.2, 0.1), np.arange(6.2, 6.3, 0.01), np.arange(6.3, 20.05, 0.25)]
)
spikes, _ = layer(constant(currents, duration))
f, counts = rates(spikes), spikes.sum(0)[0].numpy()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
first = int(np.flatnonzero(f > 0)[0])
onset, below = float(currents[first]), float(currents[first - 1])
few = int(counts[first - 1])
lowest, at_10 = f[f > 0].min(), np.interp(10.0, currents, f)
single = currents[counts > 0][0]
print(f"one spike from {single:.1f}, a lasting train from {onset:.2f} µA/cm²")
print(f"rate there {lowest:.1f} Hz, at 10 µA/cm² {at_10:.1f} Hz")

last = dt * (spikes[:, 0, first - 1].nonzero().max().item() + 1)  # spike below the onset, ms
path = layer(constant(below, last + 60.0), trace=True)[2].v[round((last + 10.0) / dt) :, 0, 0]
swing = path.max().item() - hodgkin_huxley_rest(params, below).v
swing_ms = 10.0 + dt * path.argmax().item()
print(f"at {below:.2f} µA/cm², {few} spikes; {swing_ms:.0f} ms after the last one, V is")
print(f"{swing:.1f} mV above the level at which it settles")
assert 6.2 < onset < 6.3
assert 3 < swing < 8
assert 15 < swing_ms < 25
assert lowest > 45
assert np.all(np.diff(f[currents >= onset]) > -0.5)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9.5, 3.2))
ax = axes[0]
ax.plot(currents[f == 0], f[f == 0], "k", lw=2)
ax.plot(currents[f > 0], f[f > 0], "k", lw=2)
ax.axvspan(single, onset, color=BLUE, alpha=0.15, lw=0)
ax.text(0.5 * (single + onset), 15, f"1 to {few}\nspikes,\nthen\nsilence", color=BLUE, ha="center")
ax.set(xlabel="current I (µA/cm²)", ylabel="steady rate (Hz)", title="Hodgkin-Huxley")
ratio = np.linspace(1.0001, 1.4, 400)
tau = 10.0
axes[1].plot(
    ratio, 1000 / (tau * np.log(ratio / (ratio - 1))), color=GREEN, label="leaky, τ = 10 ms"
)
near = (currents >= onset) & (currents <= 1.4 * onset)
axes[1].plot(currents[near] / onset, f[near], "k", label="Hodgkin-Huxley")
axes[1].set(
    xlabel="current / onset", ylabel="steady rate (Hz)", title="near the onset", ylim=(0, 90)
)
axes[1].legend(loc="lower right")
plt.show()

# %% [markdown]
# *The figure shows the steady rate against the current, and the range just above the onset with a
# leaky neuron for comparison.* The leaky neuron's rate, $1/(\tau \ln\frac{I}{I - I_0})$, falls to 0
# at the onset $I_0$, so steeply that the drawn curve begins at 11 Hz, 0.01 % above $I_0$: [type
# I](../docs/glossary.md#type-i-neuron). The Hodgkin-Huxley neuron starts at
# 51<!-- onset_rate 0.5 --> Hz, or not at all: [type II](../docs/glossary.md#type-ii-neuron).
#
# Why? After a spike V swings upwards, because $h$ and $n$ are slow. At 6.26<!-- below 0.005 -->
# µA/cm², just below the onset, the neuron fires 22<!-- few 0 --> spikes. The swing after the last
# spike peaks 18<!-- swing_ms 0.5 --> ms later, 5.5<!-- swing 0.1 --> mV above the level at which V
# then settles. With slightly more current, this swing starts the next spike; if not, no later swing
# will.
#
# A lasting train at 20 Hz would refute type II. The scan, in steps of 0.01 µA/cm² around the onset,
# finds no such train.
#
# ## 6. Does one current allow two responses?
#
# At 8 µA/cm² a neuron fires for ever if it starts from its resting state, the [fixed
# point](../docs/glossary.md#fixed-point) without input (all slopes are 0). With that current the
# fixed point lies elsewhere (`hodgkin_huxley_rest` finds it). Start at this fixed point, and push V
# by 0.1 mV. Does it fire?
#
# <details><summary>Make a guess, then open</summary>
# If the fixed point is stable, V returns to it and the neuron never fires.
# </details>

# %%
levels = np.arange(5.0, 11.05, 0.25)
fixed = hodgkin_huxley_rest(params, torch.tensor(levels))
quiet = HodgkinHuxleyState(*(x[None] for x in fixed))
from_rest, _ = layer(constant(levels, duration))
from_fixed, _ = layer(constant(levels, duration), quiet._replace(v=quiet.v + 0.1))


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def growth(level):
    """The largest real part of the Jacobian's eigenvalues at the fixed point, 1/ms."""

    def slope(y):
        return torch.stack(hodgkin_huxley_derivative(level, HodgkinHuxleyState(*y), params))

    point = torch.tensor(hodgkin_huxley_rest(params, level))
    return torch.linalg.eigvals(torch.autograd.functional.jacobian(slope, point)).real.max().item()


low, high = 5.0, 15.0
for _ in range(20):
    middle = 0.5 * (low + high)
    low, high = (middle, high) if growth(middle) < 0 else (low, middle)
loses = low
print(f"the fixed point is stable up to {loses:.3f} µA/cm²")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
both = (levels > 6.3) & (levels < 9.5)
assert np.all(rates(from_rest)[both] > 45)
assert np.all(rates(from_fixed)[both] == 0)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6.5, 3))
ax.axvspan(onset, loses, color=GREY, alpha=0.2, lw=0)
ax.plot(levels, rates(from_rest), "o-", color="black", ms=4, label="from the resting state")
ax.plot(levels, rates(from_fixed), "s--", color=GREEN, ms=4, label="from the fixed point")
ax.set(xlabel="current I (µA/cm²)", ylabel="steady rate (Hz)")
ax.legend(loc="center", bbox_to_anchor=(0.5, 0.4))
plt.show()

# %% [markdown]
# *The figure shows the steady rate against current from two initial states; in the grey window both
# responses are possible.* Between the onset and 9.775<!-- loses 0.001 --> µA/cm² the neuron is
# [bistable](../docs/glossary.md#bistability). The neuron has two
# [attractors](../docs/glossary.md#attractor): the fixed point, and the train, a [limit
# cycle](../docs/glossary.md#limit-cycle). At the right edge a pair of complex eigenvalues of the
# Jacobian (the matrix of the slopes' derivatives) gets a positive real part: small deviations grow
# as oscillations (a [Hopf bifurcation](../docs/glossary.md#hopf-bifurcation)).
#
# A short pulse should stop the train for good, if it takes the neuron into the [basin of
# attraction](../docs/glossary.md#basin-of-attraction) of the fixed point.
#
# ### Exercise 4: Stop the train (10 min)
#
# The neuron starts at rest and gets `current` (6.5 to 9 µA/cm²) from t = 0. Find a pulse of 1 ms,
# added to that current, after which the neuron never fires again. Return its start (100 to 120 ms)
# and its amplitude (-20 to 20 µA/cm²). The check watches until 600 ms. A layer runs hundreds of
# attempts side by side, one neuron for each.


# %% tags=["exercise"]
def stopping_pulse(current):
    """(start in ms, amplitude in µA/cm²) of a pulse of 1 ms that stops the train."""
    ...


# %%
if check.stopping_pulse(stopping_pulse):
    start_ms, amplitude = stopping_pulse(8.0)
    x = constant(8.0, 250.0)
    x[round(start_ms / dt) : round((start_ms + 1) / dt)] += amplitude
    _, ax = plt.subplots()
    ax.plot(dt * np.arange(1, len(x) + 1), layer(x, trace=True)[2].v[:, 0, 0], "k", lw=1)
    ax.axvline(start_ms, color=RED, lw=1)
    ax.set(xlabel="time (ms)", ylabel="potential V (mV)")
    plt.show()

# %% [markdown]
# ## 7. Can it learn without a surrogate?
#
# [301](301_surrogate_gradients.ipynb) needs a surrogate, because the output of a LIF neuron is a
# step: its derivative is 0 wherever it exists. Here a spike is a piece of a smooth curve, so V(t)
# can be the target.
#
# The task: V(t) was recorded while an unknown current flowed. We start from 120 zeros, one for each
# 0.5 ms, and follow the gradient of the squared distance between the curves.

# %%
n_bins, bin_ms = 120, 0.5
hidden = torch.zeros(n_bins)
for begin in (8, 26, 45):
    hidden[2 * begin : 2 * begin + 4] = 12.0  # three pulses of 2 ms


def drive(current):
    """Input [steps, 1, neurons] from the values [bins] or [bins, neurons]."""
    return current.reshape(n_bins, 1, -1).repeat_interleave(round(bin_ms / dt), 0)


def spike_times(spikes):
    return [round(dt * (k + 1), 2) for k in spikes.flatten().nonzero()[:, 0].tolist()]


with torch.no_grad():
    spikes, _, recorded = layer(drive(hidden), trace=True)
target_times = spike_times(spikes)
print("the recording has spikes at", target_times, "ms")


def distance(current):
    """Mean squared difference (mV²) between V(t) and the recording, for each neuron."""
    trace = layer(drive(current), trace=True)[2]
    return (trace.v - recorded.v).square().mean((0, 1))


# %% [markdown]
# What does this loss look like? Scale the hidden current by a factor from 0 to 1.6 and, as a
# control, count the spikes.

# %%
factors = torch.linspace(0.0, 1.6, 161, requires_grad=True)
scaled = hidden[:, None] * factors
counts = layer(drive(scaled))[0].detach().sum((0, 1))
value = distance(scaled)
(slope,) = torch.autograd.grad(value.sum(), factors)
assert set(counts.tolist()) <= {0.0, 1.0, 2.0, 3.0}
assert (slope[:100] != 0).all()
assert (slope[101:] != 0).all()
assert (slope[40:98] < 0).all()
assert (slope[103:] > 0).all()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9.5, 3.2))
x, y, slope = (each.detach() for each in (factors, value, slope))
axes[0].plot(x, counts, ".", color="black", ms=3)
axes[1].plot(x, y, ".", color="black", ms=3)
reach = torch.tensor([-0.05, 0.05])
for k in (8, 24, 32, 35, *range(40, 161, 16)):
    axes[1].plot(x[k] + reach, y[k] + slope[k] * reach, color=RED, lw=2)
for ax in axes:
    ax.set_xlabel("factor on the hidden current")
axes[0].set(ylabel="number of spikes", yticks=range(4))
axes[1].set(ylabel="distance (mV²)", ylim=(-80, 1350))
plt.show()

# %% [markdown]
# *The figure shows the spike count, and the distance with tangents from autograd (orange).* The
# count is a staircase: its derivative is 0 or does not exist. The distance has a slope except at
# the goal, where the factor is 1. Around 0.3 the spikes appear, but late, and the distance jumps
# up. On this cliff the tangents point down although the distance rises; beyond it, they lead to the
# goal.
#
# Train all 120 values with Adam. Will spikes appear from silence?

# %%
current = torch.zeros(n_bins, requires_grad=True)
optimizer, losses, found = torch.optim.Adam([current], lr=1.0), [], {}
for update in range(n_updates):
    spikes, _, trace = layer(drive(current), trace=True)
    loss = (trace.v - recorded.v).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
    if update in (0, 3, n_updates - 1):
        found[update] = trace.v[:, 0, 0].detach()
learned_times = spike_times(spikes)
if full_run:
    assert np.allclose(learned_times, target_times, rtol=0, atol=2 * dt)
print(f"distance {losses[0]:.0f} -> {losses[-1]:.2f} mV²; spikes at {learned_times} ms")
assert losses[-1] < 0.5 * losses[0]

# %%
t = dt * np.arange(1, len(recorded.v) + 1)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(3, 1, figsize=(7.5, 6.6), height_ratios=(1.4, 1, 1))
axes[0].plot(t, recorded.v[:, 0, 0], color=GREY, lw=4, alpha=0.5, label="recording")
for (update, path), (colour, style) in zip(
    found.items(), ((GREEN, "-"), (BLUE, "--"), ("black", "-")), strict=True
):
    axes[0].plot(t, path, color=colour, ls=style, lw=1, label=f"after {update} updates")
axes[0].set(ylabel="potential V (mV)", ylim=(-90, 75))
axes[0].legend(ncols=4, loc="upper center")
edges = bin_ms * np.arange(n_bins + 1)
axes[1].stairs(hidden, edges, color=GREY, lw=4, alpha=0.5, label="hidden")
axes[1].stairs(current.detach(), edges, color="black", label="learned")
axes[1].set(xlabel="time (ms)", ylabel="current (µA/cm²)", ylim=(-4, 19))
axes[1].legend(ncols=2, loc="upper left", bbox_to_anchor=(0.5, 1.02))
axes[2].semilogy(losses, "k", lw=1)
axes[2].set(xlabel="update", ylabel="distance (mV²)")
plt.show()

# %% [markdown]
# *The figure shows V(t) before, during and after training, over the recording; the learned current
# over the hidden one; and the loss.* From complete silence, three spikes appear at the right times,
# and the distance falls to 0.2<!-- distance 0.1 --> mV². No surrogate took part.
#
# The current itself is only roughly right. Before a spike, little more than the delivered charge
# matters; during a spike, ionic currents of hundreds of µA/cm² hide the input.
#
# ## Summary
#
# 1. Euler's method diverges once $dt > 2C/g$, and $g$ is largest within a spike. Exponential Euler
#    is bounded for every `dt`; its error falls as $dt^2$.
# 2. $m$ makes the upstroke; only $h$ and $n$ together end the spike.
# 3. The f-I curve starts at 51<!-- onset_rate 0.5 --> Hz: type II.
# 4. At some currents firing and silence are both stable. A pulse can stop the train for good.
# 5. A spike count has a gradient of 0. V(t) passes smoothly through each spike, so a loss on V(t)
#    has a useful gradient without a surrogate.
#
# ## Further reading
#
# - Hodgkin & Huxley 1952, J. Physiol. 117:500, doi:10.1113/jphysiol.1952.sp004764: the model.
# - Gerstner, Kistler, Naud & Paninski 2014, *Neuronal Dynamics*, chapter 2,
#   doi:10.1017/CBO9781107447615: a textbook.
# - Rush & Larsen 1978, IEEE Trans. Biomed. Eng. 25:389, doi:10.1109/TBME.1978.326270: exponential
#   steps for gates.
# - Hodgkin 1948, J. Physiol. 107:165, doi:10.1113/jphysiol.1948.sp004260: axons with and without
#   low firing rates.
#
# **Next:** [602](602_reduction.ipynb). **See also:** [104](104_adex.ipynb) keeps the upstroke
# without channels; [501](501_spike_time_gradients.ipynb) differentiates spike times exactly.

# %%
record(
    "results/601_hodgkin_huxley.json",
    {
        "tau_m": tau_m,
        "rest": rest.v,
        "limit": limit,
        "late_25": 1000 * late[0.025],
        "lowest": v_lowest,
        "h_held": paths["h"][-1],
        "n_held": paths["n"][-1],
        "below": below,
        "few": few,
        "swing_ms": swing_ms,
        "swing": swing,
        "onset_rate": lowest,
        "loses": loses,
        "distance": losses[-1],
    },
    full=full_run,
)
