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
# # Differentiate a spike time
#
# Whether a neuron spikes is a step function of its weights, and the derivative of a step is 0.
# Lesson 301 replaced that derivative by a surrogate. Now ask not *whether* a neuron spikes, but
# *when*. A spike time has an exact derivative with respect to each weight and delay that affects
# it, unless a spike appears or disappears, or an input moves past a spike of the neuron it reaches.
#
# **Time.** 45 minutes for you, 20 seconds for the machine.
#
# **You need.** [103](103_synapses_and_state.ipynb) (the synaptic current) and
# [301](301_surrogate_gradients.ipynb) (backpropagation). Derivatives of exponentials.
#
# **Leads to.** [502](502_three_gradients.ipynb), which compares this gradient with a surrogate.
#
# ## Objectives
#
# After this lesson you can
#
# 1. derive how a spike time depends on a weight, a delay and a threshold,
# 2. say where a spike time has no gradient, or an unbounded one,
# 3. propagate a gradient backward through a spike and through an arrival, by hand,
# 4. differentiate the spike times of a recurrent network with delays in a single backward pass.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import spike_time_gradients as check
from jarvis.classroom.diagrams.moved_event import moved_event
from jarvis.classroom.event_by_event import adjoint as library_adjoint
from jarvis.classroom.event_by_event import simulate
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE
from jarvis.spatial import FirstSpikeParams, first_spikes

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True  # False for other values: the numbers in the text belong to these
seed = 57  # of the network in section 6
tau = 10.0  # membrane time constant, ms; that of the synapse is half of it

# %% [markdown]
# ## 1. When does a neuron spike?
#
# An input spike arrives and starts a decaying current. The neuron follows
#
# $$\dot v = -\frac{v}{\tau} + I, \qquad \dot I = -\frac{I}{\tau_s}, \qquad
# I \text{ jumps by } w \text{ at an arrival},$$
#
# and spikes when $v$ reaches 1, so $I$ is measured in thresholds per ms. A spike sent at $t_{in}$
# arrives after a [delay](../docs/glossary.md#delay) $d$. With $\tau = 2\tau_s$ and
# $y = e^{-s/\tau}$, the potential $s$ ms after the arrival is a parabola in $y$,
#
# $$v = \tau w\,(y - y^2),$$
#
# so $v = 1$ is a quadratic equation. The spike time has a closed form:
#
# $$y = \tfrac12\Bigl(1 + \sqrt{1 - \tfrac{4}{\tau w}}\Bigr), \qquad T = t_{in} + d - \tau\ln y .$$

# %%
tau_syn = tau / 2
w_least = 4 / tau  # below it the root is not real


def spike_time(w, d=0.0):
    y = (1 + np.sqrt(1 - 4 / (tau * w))) / 2
    return d - tau * np.log(y)


def potential(s, w, d=0.0):
    y = np.exp(-np.maximum(s - d, 0.0) / tau)
    return tau * w * (y - y * y)


# %%
s, (_, axes) = np.linspace(0, 20, 400), plt.subplots(1, 2, figsize=(8.5, 3), sharey=True)
weights, delays = ((0.38, 0), (0.42, 0), (0.6, 0)), ((0.6, 0), (0.6, 3), (0.6, 6))
for ax, pairs, title in zip(
    axes, (weights, delays), ("three weights", "three delays"), strict=True
):
    for (w, d), color in zip(pairs, (BLUE, GREEN, PURPLE), strict=True):
        ax.plot(s, potential(s, w, d), color=color, label=f"w = {w}, d = {d} ms")
        ax.plot(spike_time(w, d) if w > w_least else np.nan, 1, "o", color=color)
    ax.axhline(1, color=GREY, ls="--", lw=1)
    ax.set(xlabel="time since the input spike (ms)", title=title, ylim=(0, 2.1))
    ax.legend(loc="upper right")
axes[0].set_ylabel("potential v (threshold = 1)")
plt.show()

# %% [markdown]
# *The figure shows the potential after one input spike, without the reset; dots are spikes.* A
# larger weight makes the neuron spike earlier; with the smallest weight it does not spike. A longer
# delay shifts the whole curve.
#
# ## 2. How does the spike time move?
#
# Change the weight by $dw$. The potential is proportional to $w$, so at $T$ it changes by
# $(v/w)\,dw$. The crossing moves by $dT$, to where $v$ is 1 again: $(v/w)\,dw + \dot v\,dT = 0$.
# Hence
#
# $$\frac{dT}{dw} = -\frac{v/w}{\dot v}, \qquad \frac{dT}{dd} = 1 .$$
#
# (This is the [implicit function theorem](../docs/glossary.md#implicit-function-theorem).) At which
# weight is the spike time most sensitive to the weight?
#
# <details><summary>Make a guess, then open</summary>
# Near the smallest weight that still makes a spike: there the potential is nearly flat at the
# threshold, and we divide by its slope.
# </details>


# %%
def by_rule(w):
    current = w * np.exp(-spike_time(w) / tau_syn)
    return -(1 / w) / (current - 1 / tau)  # v is 1 at T


def by_difference(w, h=1e-6):
    return (spike_time(w + h) - spike_time(w - h)) / (2 * h)


w = torch.linspace(0.42, 1.0, 30, dtype=torch.float64)
params = FirstSpikeParams(tau_mem=tau, tau_syn=tau_syn, min_slope=0.0)
weights = w[None].clone().requires_grad_()  # 30 neurons with one input
delays = torch.full((1, 30), 2.0, dtype=torch.float64, requires_grad=True)
times, _ = first_spikes(torch.zeros(1, 1, dtype=torch.float64), weights, delays, params)
by_w, by_d = torch.autograd.grad(times.sum(), (weights, delays))
worst = np.abs(by_w[0].numpy() / by_difference(w.numpy()) - 1).max()
print(f"library and finite difference differ by {worst:.0e} (relative) at most")
assert worst < 1e-6
assert torch.allclose(by_d, torch.ones_like(by_d), atol=1e-12)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
w_np, (_, axes) = w.numpy(), plt.subplots(1, 2, figsize=(8.5, 3))
axes[0].plot(w_np, spike_time(w_np, 2.0), color=BLUE, label="closed form")
axes[0].plot(w_np, times[0].detach(), ".", color=ORANGE, label="library")
axes[0].set(xlabel="weight w (1/ms)", ylabel="spike time T (ms)")
axes[1].plot(w_np, by_rule(w_np), color=BLUE, label="dT/dw, rule")
axes[1].plot(w_np, by_difference(w_np), "x", color=GREEN, label="dT/dw, finite difference")
axes[1].plot(w_np, by_w[0], ".", color=ORANGE, label="dT/dw, library")
axes[1].plot(w_np, by_d[0], color=PURPLE, label="dT/dd, library")
axes[1].set(xlabel="weight w (1/ms)", ylabel="derivative (ms² and 1)", ylim=(-45, 4))
for ax in axes:
    ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the spike time with a delay of 2 ms (left), and its derivatives (right).* All
# methods agree.
#
# ### Exercise 1: Move the threshold (5 min)
#
# Find the derivative of the spike time with respect to the threshold $\theta$, at $\theta = 1$. The
# neuron is that of section 1, with one input at time 0; `w` is an array of weights, `tau` need not
# be 10 ms, and $\tau_s = \tau/2$.


# %% tags=["exercise"]
def by_threshold(w, tau):
    """dT/dtheta (ms) at a threshold of 1, for an array of weights w (1/ms) and tau (ms)."""
    ...


# %%
check.by_threshold(by_threshold)

# %% [markdown]
# ## 3. Where does a spike disappear?
#
# Lower $w$ to $4/\tau = 0.4$, where the potential just touches the threshold.


# %%
margin = np.logspace(-8, -1, 50)
steep = -by_rule(w_least + margin)
power = np.polyfit(np.log(margin[:25]), np.log(steep[:25]), 1)[0]
print(f"the derivative grows as the distance to the power {power:.3f}")
assert abs(power + 0.5) < 0.01

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(8.5, 3))
near = w_least + np.linspace(1e-9, 0.1, 2000)
axes[0].plot(near, spike_time(near), color=BLUE)
axes[0].axvspan(0.38, w_least, color=GREY, alpha=0.25, lw=0)
axes[0].text(0.39, 4.5, "no\nspike", ha="center")
axes[0].set(xlabel="weight w (1/ms)", ylabel="spike time T (ms)", xlim=(0.38, 0.5))
axes[1].loglog(margin, steep, color=BLUE, label="-dT/dw")
axes[1].loglog(margin, steep[0] * (margin[0] / margin) ** 0.5, "--", color=GREY, label="power -1/2")
axes[1].set(xlabel="distance to the smallest weight (1/ms)", ylabel="derivative (ms²)")
axes[1].legend()
plt.show()

# %% [markdown]
# *The figure shows the spike time near the smallest weight, and the size of its derivative on
# logarithmic scales.* The curve ends at a finite time, $\tau\ln 2 = 6.9$ ms, and its slope grows
# without bound: as $1/\sqrt{\Delta w}$, with $\Delta w$ the distance from the smallest weight.
#
# A spike that is about to disappear has a huge gradient, so training needs a bound (`min_slope` of
# `FirstSpikeParams`, or clipping). A missing spike has **no gradient**: no exact gradient of a
# spike time creates a spike. But the *peak* of a silent neuron's potential, which the library also
# returns, has a gradient. (Where an input moves past a spike of the neuron it reaches, $T$ is
# continuous, but $dT/dd$ jumps between $w/\dot v$ and 0.)

# %%
weak = torch.tensor([[0.35]], requires_grad=True)
result = first_spikes(torch.zeros(1, 1), weak, None, params)
(by_peak,) = torch.autograd.grad(result.peaks.sum(), weak)
print(f"spike at {result.times.item()} ms; highest potential {result.peaks.item():.3f},")
print(f"which grows by {by_peak.item():.2f} per unit of weight")
assert math.isclose(by_peak.item(), tau / 4, rel_tol=1e-5)

# %% [markdown]
# ### Exercise 2: Wake a silent neuron (5 min)
#
# Four inputs spike at 0, 4, 9 and 15 ms, too far apart to make the neuron spike. Wake it by
# training only its **delays**. Write a loss on the result of `first_spikes`, which has `times` and
# `peaks` (the peak of a neuron that spikes is 1, the threshold).


# %% tags=["exercise"]
def wake_loss(result):
    """What to make small so that a silent neuron spikes: a tensor with one number."""
    ...


# %%
if check.wake_loss(wake_loss):
    scattered, weak = torch.tensor([[0.0, 4.0, 9.0, 15.0]]), torch.full((4, 1), 0.11)
    learned = torch.full((4, 1), 7.0, requires_grad=True)
    optimizer = torch.optim.Adam([learned], lr=0.2)
    for _ in range(100):
        result = first_spikes(scattered, weak, learned, params)
        optimizer.zero_grad()
        wake_loss(result).backward()
        optimizer.step()
    arrivals = (scattered[0] + learned[:, 0]).detach().numpy().round(1)
    print("arrivals (ms):", arrivals, " highest potential:", round(result.peaks.item(), 3))

# %% [markdown]
# ## 4. One rule for every event
#
# The state of a network changes smoothly between **events**: arrivals and spikes. At an event the
# state jumps, $x^+ = j(x^-)$. Suppose that the state before the event changes by $dx^-$, and the
# time of the event by $dt$. Then the state just after the *old* event time changes by
#
# $$dx^+ = J\,dx^- + \frac{\partial j}{\partial p}\,dp + (J\dot x^- - \dot x^+)\,dt, \qquad
# J = \partial j/\partial x ,$$
#
# where $p$ is a parameter of the jump ($w$ at an arrival). If the event comes $dt$ later, the state
# follows the old slope for $dt$ longer, then jumps, and follows the new slope for $dt$ less. For a
# spike and its reset:

# %% tags=["hide-input"] jupyter={"source_hidden": true}
moved_event()
plt.show()

# %% [markdown]
# *The figure shows a potential (solid) and the same potential a little lower (dashed).* The lower
# potential reaches the threshold later, by $dt = -dv^-/\dot v^-$. From then on it is lower by $dt$
# times the slope *after* the spike: $dv^+ = (\dot v^+/\dot v^-)\,dv^-$. An arrival adds $w$ to $I$.
# A neuron's own spike sets $v$ to 0 and leaves $I$ unchanged. The rule gives:
#
# | event | its time changes by $dt =$ | change of the state just after it |
# |---|---|---|
# | arrival | $dt_{spike} + dd$ | $dI^+ = dI^- + dw + w\,dt/\tau_s, \; dv^+ = dv^- - w\,dt$ |
# | own spike | $-dv^-/\dot v^-$ | $dv^+ = (\dot v^+/\dot v^-)\,dv^-$ |
#
# Now apply the rule backward, from the last event to the first. Let
# $\lambda_v = \partial L/\partial v$ and $\lambda_I = \partial L/\partial I$ be the derivatives of
# the loss with respect to the state at one time: the [adjoint](../docs/glossary.md#adjoint). Put
# $dv^+$ and $dI^+$ into $dL = \lambda_v\,dv^+ + \lambda_I\,dI^+$, and collect the factors of
# $dv^-$, $dI^-$, $dw$ and $dt$:
#
# - an **own spike** turns $\lambda_v$ into
#   $(\dot v^+\lambda_v - \partial L/\partial t)\,/\,\dot v^-$, where $\partial L/\partial t$ is the
#   derivative with respect to the time of this spike, and leaves $\lambda_I$ unchanged;
# - an **arrival** leaves $\lambda_v$ and $\lambda_I$ unchanged, adds $\lambda_I$ to
#   $\partial L/\partial w$, and adds $g = w(\lambda_I/\tau_s - \lambda_v)$ to
#   $\partial L/\partial d$ and to $\partial L/\partial t$ of the spike that arrives;
# - **between events**, $s$ ms apart, $(v, I)$ becomes $(yv + \tau(y - y^2)I,\; y^2 I)$ with
#   $y = e^{-s/\tau}$; backward, multiply by the transpose:
#   $\lambda_I \leftarrow y^2\lambda_I + \tau(y - y^2)\lambda_v$ and
#   $\lambda_v \leftarrow y\lambda_v$.
#
# ## 5. One adjoint by hand
#
# A neuron has two inputs. The first input spikes at 0 ms, with a delay of $d_1 = 1$ ms; the second
# input spikes at 2 ms, with a delay of $d_2 = 0.5$ ms. The loss is the spike time itself, $L = T$.
# First go forward.

# %%
w1, w2, d1, d2 = 0.35, 0.25, 1.0, 0.5


def forward(w1, w2, d1, d2):
    """The decays between events, the slope at the spike, and the spike time."""
    y = math.exp(-((2.0 + d2) - (0.0 + d1)) / tau)  # from arrival 1 to arrival 2
    v, i = tau * w1 * (y - y * y), w1 * y * y  # v was 0, and I was w1
    i_2 = i + w2  # arrival 2
    a = tau * i_2
    z = (v + a + math.sqrt((v + a) ** 2 - 4 * a)) / (2 * a)  # v = 1: a quadratic equation again
    slope = i_2 * z * z - 1 / tau  # of v at the spike
    return y, z, slope, 2.0 + d2 - tau * math.log(z)


y, z, slope, T = forward(w1, w2, d1, d2)
print(f"T = {T:.4f} ms, where v rises by {slope:.4f} per ms")

# %% [markdown]
# Now go backward. Nothing after the spike affects the loss, so the adjoint begins with
# $\lambda_v = \lambda_I = 0$; at the spike, $\partial L/\partial t = 1$.

# %%
lam_v, lam_i = -1 / slope, 0.0  # event 3, the own spike: (0 - 1) / slope
lam_v, lam_i = z * lam_v, z * z * lam_i + tau * (z - z * z) * lam_v  # back to arrival 2
g_w2, g_d2 = lam_i, w2 * (lam_i / tau_syn - lam_v)  # event 2
lam_v, lam_i = y * lam_v, y * y * lam_i + tau * (y - y * y) * lam_v  # back to arrival 1
g_w1, g_d1 = lam_i, w1 * (lam_i / tau_syn - lam_v)  # event 1

h = 1e-6
for name, found, step in (
    ("dT/dw1", g_w1, (h, 0, 0, 0)),
    ("dT/dw2", g_w2, (0, h, 0, 0)),
    ("dT/dd1", g_d1, (0, 0, h, 0)),
    ("dT/dd2", g_d2, (0, 0, 0, h)),
):
    up, down = (forward(*np.add((w1, w2, d1, d2), np.multiply(sign, step)))[-1] for sign in (1, -1))
    print(f"{name}: adjoint {found:8.4f}, finite difference {(up - down) / (2 * h):8.4f}")
    assert math.isclose(found, (up - down) / (2 * h), rel_tol=1e-6)
assert math.isclose(g_d1 + g_d2, 1.0)

# %% [markdown]
# The derivatives with respect to the delays, 0.44<!-- by_delay_1 0.01 --> and
# 0.56<!-- by_delay_2 0.01 -->, add up to exactly 1. Why?
#
# <details><summary>Make a guess, then open</summary>
# If both inputs come 1 ms later, so does the spike.
# </details>

# %% [markdown]
# ## 6. A recurrent network with delays
#
# `simulate` (in `jarvis/classroom/event_by_event.py`) runs a whole network forward. For each event
# it logs the decay $y$ since the previous event, the neuron and the number of the spike; for a
# neuron's own spike also the slopes $\dot v^-$ and $\dot v^+$. `w` and `d` have a row per sender
# (inputs first) and a column per neuron. The backward pass is the code of section 5 in a loop.
# `pull` has an entry for each spike, $\partial L/\partial t$, to which every arrival of this spike
# adds its $g$.


# %%
def adjoint(w, senders, log, pull):
    pull = np.array(pull, float)
    lam_v, lam_i = np.zeros(w.shape[1]), np.zeros(w.shape[1])
    g_w, g_d = np.zeros_like(w), np.zeros_like(w)
    for y, j, p, slopes in reversed(log):
        if slopes is None:  # spike number p arrives at neuron j
            k = senders[p]
            g = w[k, j] * (lam_i[j] / tau_syn - lam_v[j])
            g_w[k, j] += lam_i[j]
            g_d[k, j] += g
            pull[p] += g
        else:  # neuron j fires spike number p
            before, after = slopes
            lam_v[j] = (after * lam_v[j] - pull[p]) / before
        lam_i = y * y * lam_i + tau * (y - y * y) * lam_v  # all neurons, back to the event before
        lam_v = y * lam_v
    return g_w, g_d, pull


# %%
rng = np.random.default_rng(seed)
inputs = [(0.0, 0), (2.0, 1), (9.0, 0)]  # (ms, input)
w = np.concatenate([rng.uniform(0.15, 0.5, (2, 3)), rng.normal(0.05, 0.12, (3, 3))])
d = rng.uniform(0.5, 6.0, (5, 3)).round(1)  # ms
times, senders, log = simulate(w, d, inputs, tau=tau)
n_out = len(times) - len(inputs)
print(f"{n_out} spikes of 3 neurons, {len(log) - n_out} arrivals")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(7, 3))
for t, k in zip(times, senders, strict=True):
    for j in range(3):
        style = dict(color=ORANGE, ls="--") if w[k, j] < 0 else dict(color=GREEN)
        ax.plot([t, t + d[k, j]], [k, 2 + j], lw=0.6, **style)
ax.scatter(times, senders, marker="|", s=300, color="black", zorder=3)
rows = ["input 0", "input 1", "neuron 0", "neuron 1", "neuron 2"]
ax.set(xlabel="time (ms)", yticks=range(5), yticklabels=rows, ylim=(-0.6, 4.6))
plt.show()

# %% [markdown]
# *The figure shows all spikes (black). A thin line leads from a spike to its arrival at a neuron,
# solid for a positive weight, dashed for a negative one.*
#
# The loss is a randomly weighted sum of the neurons' spike times. To test its gradient, change each
# of the 15 weights, 15 delays and 3 input times a little, and simulate again. (The first three
# entries of the `pull` that `adjoint` returns belong to the input times.)

# %%
pull = np.concatenate([np.zeros(3), rng.normal(size=n_out)])
g_w, g_d, g_t = adjoint(w, senders, log, pull)
start = np.concatenate([w.ravel(), d.ravel(), [t for t, _ in inputs]])


def loss(parameters):
    w, d, t = parameters[:15].reshape(5, 3), parameters[15:30].reshape(5, 3), parameters[30:]
    moved = [(t_k, k) for t_k, (_, k) in zip(t, inputs, strict=True)]
    return pull @ simulate(w, d, moved, tau=tau).times


exact = np.concatenate([g_w.ravel(), g_d.ravel(), g_t[:3]])
steps = 1e-6 * np.eye(33)
numeric = np.array([(loss(start + s) - loss(start - s)) / 2e-6 for s in steps])
error = np.abs(exact - numeric).max() / np.abs(numeric).max()
print(f"33 derivatives; largest difference {error:.0e} of the largest derivative")
assert error < 1e-6
assert all(np.array_equal(a, b) for a, b in zip((g_w, g_d, g_t),
           library_adjoint(w, senders, log, pull, tau=tau), strict=True))  # fmt: skip

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 3, figsize=(9, 3))
groups = (("weights", 0, 15, BLUE), ("delays", 15, 30, ORANGE), ("input times", 30, 33, GREEN))
for ax, (name, first, last, color) in zip(axes, groups, strict=True):
    a, b = exact[first:last], numeric[first:last]
    ax.plot([b.min(), b.max()], [b.min(), b.max()], color=GREY, lw=1)
    ax.plot(b, a, "o", ms=4, color=color)
    ax.set(xlabel="finite difference", title=name)
axes[0].set_ylabel("adjoint")
plt.show()

# %% [markdown]
# *The figure shows the derivatives of the loss from the adjoint and from finite differences; on the
# line both are equal.* One backward pass replaces 66 simulations.
#
# This is **EventProp** (Wunderlich & Pehle 2021). Mészáros, Knight & Nowotny (2025) added delays at
# no extra cost: the $g$ of an arrival is also $\partial L/\partial d$. (For feed-forward networks
# with one spike per neuron, DelGrad gives these derivatives in closed form: Göltz et al. 2025.)

# %% [markdown]
# ### Exercise 3: Add an after-current (8 min)
#
# Let a neuron's own current jump by $c$ when it spikes: $I^+ = I^- + c$. The table in section 4 is
# for $c = 0$. Derive the backward step for any $c$. You get $\lambda_v$ and $\lambda_I$ just after
# the spike, the spike's `pull` $\partial L/\partial t$, and the slopes $\dot v^-$ (`before`) and
# $\dot v^+$ (`after`). Find $\lambda_v$ just before the spike, and $\partial L/\partial c$.


# %% tags=["exercise"]
def own_spike(lam_v, lam_i, pull, before, after, c, tau_syn):
    """lam_v just before an own spike, and dL/dc, from what is known just after it."""
    ...


# %%
if check.own_spike(own_spike):  # your row, in the whole network
    moved, g_c, h = np.array(pull, float), 0.0, 1e-6
    _, who, what = simulate(w, d, inputs, tau=tau, c=0.01)
    lam_v, lam_i = np.zeros(3), np.zeros(3)
    for y, j, p, slopes in reversed(what):
        if slopes is None:
            moved[p] += w[who[p], j] * (lam_i[j] / tau_syn - lam_v[j])
        else:
            lam_v[j], part = own_spike(lam_v[j], lam_i[j], moved[p], *slopes, 0.01, tau_syn)
            g_c += part
        lam_i, lam_v = y * y * lam_i + tau * (y - y * y) * lam_v, y * lam_v
    up, down = (pull @ simulate(w, d, inputs, tau=tau, c=0.01 + s).times for s in (h, -h))
    print(f"dL/dc: by your row {g_c:.6f}, finite difference {(up - down) / (2 * h):.6f}")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
numbers = {"by_delay_1": g_d1, "by_delay_2": g_d2}
record("results/501_spike_time_gradients.json", numbers, full=full_run)

# %% [markdown]
# ## Summary
#
# 1. **A spike time is smooth** in weights and delays: for a single input $dT/dw = -(v/w)/\dot v$
#    and $dT/dd = 1$.
# 2. **Where a spike disappears**, its gradient grows without bound. A missing spike has no
#    gradient, but a silent neuron's peak has one.
# 3. **One rule for every event**,
#    $dx^+ = J\,dx^- + (\partial j/\partial p)\,dp + (J\dot x^- - \dot x^+)\,dt$, applied backward,
#    gives the adjoint.
# 4. **The same loop** differentiates a recurrent network with resets and delays in one pass.
#
# ## Further reading
#
# - Wunderlich & Pehle (2021), *Event-based backpropagation can compute exact gradients for spiking
#   neural networks*, Sci. Rep. 11:12829,
#   [doi:10.1038/s41598-021-91786-z](https://doi.org/10.1038/s41598-021-91786-z). EventProp.
# - Mészáros, Knight & Nowotny (2025), *Efficient event-based delay learning in spiking neural
#   networks*, Nat. Commun. 16, [arXiv:2501.07331](https://arxiv.org/abs/2501.07331). EventProp with
#   delays.
# - Göltz et al. (2021), *Fast and energy-efficient neuromorphic deep learning with first-spike
#   times*, Nat. Mach. Intell. 3:823,
#   [doi:10.1038/s42256-021-00388-x](https://doi.org/10.1038/s42256-021-00388-x). The closed forms
#   of section 1.
# - Göltz et al. (2025), *DelGrad: exact event-based gradients for training delays and weights on
#   spiking neuromorphic hardware*, Nat. Commun. 16,
#   [arXiv:2404.19165](https://arxiv.org/abs/2404.19165).
#
# ## Next
#
# [502](502_three_gradients.ipynb): the same spike with a surrogate, and on a time grid.
