# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Solutions: Train by moving spikes
#
# The exercises of `08_exact_gradients.ipynb`, solved. This notebook stands on its own and runs in
# about 10 s on two CPU cores. Try them yourself first.

# %%
import heapq
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

import jarvis
from jarvis.classroom.check import exact_gradients as check
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE
from jarvis.spatial import FirstSpikeParams, first_spikes

plt.rcParams["figure.dpi"] = 80
print(f"jarvis {jarvis.__version__}, torch {torch.__version__.split('+')[0]}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "steps": 120}}
full_run = True  # tests set False and shrink the numbers
seed = 57  # of the network of exercise 2
tau = 10.0  # membrane time constant, ms; the synapse's is half of it
steps = 200  # of learning in exercise 3

# %%
tau_syn = tau / 2
params = FirstSpikeParams(tau_mem=tau, tau_syn=tau_syn, min_slope=0.0)

# %% [markdown]
# ### Exercise 1: the threshold
#
# How does the first spike time move with the threshold $\theta$, at $\theta = 1$?
#
# **Solution.** Raise the threshold by $d\theta$. The crossing moves until $v$ has risen by as much:
# $\dot v\,dT = d\theta$, so $dT/d\theta = 1/\dot v$. At the crossing $\dot v = I - 1/\tau$ with
# $I = w e^{-T/\tau_s} = w y^2$.


# %%
def by_threshold(w, tau):
    """dT/dtheta (ms) at a threshold of 1, for an array of weights w (1/ms) and tau (ms)."""
    y = (1 + np.sqrt(1 - 4 / (tau * w))) / 2  # exp(-T / tau)
    return 1 / (w * y**2 - 1 / tau)


assert check.by_threshold(by_threshold)


# %%
def spike_time(w, level=1.0):
    y = (1 + np.sqrt(1 - 4 * level / (tau * w))) / 2
    return -tau * np.log(y)


w_many = np.linspace(0.42, 1.0, 50)
numbers = (spike_time(w_many, 1 + 1e-6) - spike_time(w_many, 1 - 1e-6)) / 2e-6
_, ax = plt.subplots(figsize=(6, 2.8), layout="constrained")
ax.plot(w_many, by_threshold(w_many, tau), color=BLUE, label=r"$1/\dot v$")
ax.plot(w_many, numbers, ".", color=ORANGE, label="finite difference")
ax.set(xlabel="weight w (1/ms)", ylabel=r"$dT/d\theta$ (ms)")
ax.legend(fontsize=8)
assert np.allclose(by_threshold(w_many, tau), numbers, rtol=1e-4)

# %% [markdown]
# The two agree. It is the same rule as for the weight: whatever moves $v$ at $T$ by $dv$ moves $T$
# by $-dv/\dot v$, and a higher threshold is a lower potential.
#
# ### Exercise 2: an after-current
#
# A neuron's own current jumps by $c$ when it spikes. Write the row of an own spike backward for any
# $c$: $\lambda_v$ just before the spike, and $\partial L/\partial c$.
#
# **Solution.** At an own spike $I^+ = I^- + c$ and $v^+ = 0$. The rule
# $dx^+ = J\,dx^- + (J\dot x^- - \dot x^+)\,dt$ gives for the current
# $dI^+ = dI^- + dc + (-I^- + I^+)/\tau_s\,dt = dI^- + dc + c/\tau_s\,dt$ and for the potential
# $dv^+ = -\dot v^+ dt$, with $dt = -dv^-/\dot v^-$. Collect what belongs to $dv^-$ and to $dc$:
#
# $$\lambda_v^- = \frac{\dot v^+\lambda_v - (c/\tau_s)\,\lambda_I - \partial L/\partial t}
# {\dot v^-}, \qquad \frac{\partial L}{\partial c} = \lambda_I .$$


# %%
def own_spike(lam_v, lam_i, pull, before, after, c, tau_syn):
    """dL/dv just before an own spike, and dL/dc, from what is known just after it."""
    return (after * lam_v - c / tau_syn * lam_i - pull) / before, lam_i


assert check.own_spike(own_spike)

# %% [markdown]
# And in a whole network? Here is the simulation of section 4.


# %%
def crossing(v, i):
    """ms until a neuron in state (v, i) spikes, if nothing arrives."""
    a = tau * i
    root = (v + a) ** 2 - 4 * a
    if root < 0 or a <= abs(v):  # too weak, or no excitation left
        return math.inf
    return -tau * math.log((v + a + math.sqrt(root)) / (2 * a))


# %%
def simulate(w, d, inputs, end=40.0, c=0.0):
    n, now, log = w.shape[1], 0.0, []
    v, i = np.zeros(n), np.zeros(n)
    times, senders = [t for t, _ in inputs], [unit for _, unit in inputs]
    queue = [(t + d[k, j], p, j) for p, (t, k) in enumerate(inputs) for j in range(n)]
    heapq.heapify(queue)
    while True:
        ahead = [crossing(v[k], i[k]) for k in range(n)]
        j, p, slopes = int(np.argmin(ahead)), len(times), None
        at = now + ahead[j]
        arrives = bool(queue) and queue[0][0] <= at
        if arrives:
            at, p, j = heapq.heappop(queue)  # spike number p reaches neuron j
        if at > end:
            return np.array(times), senders, log
        y = math.exp((now - at) / tau)
        v, i, now = v * y + tau * i * (y - y * y), i * y * y, at
        if arrives:
            i[j] += w[senders[p], j]
        else:  # neuron j fires: this is spike number p
            slopes = (i[j] - v[j] / tau, i[j] + c)
            v[j], i[j] = 0.0, i[j] + c
            times, senders = [*times, at], [*senders, len(w) - n + j]
            for k in range(n):
                heapq.heappush(queue, (at + d[senders[p], k], p, k))
        log.append((y, j, p, slopes))


# %%
def adjoint_c(w, senders, log, pull, c):
    """dL/dc of a whole network, by `own_spike`."""
    pull, g_c = np.array(pull, float), 0.0
    lam_v, lam_i = np.zeros(w.shape[1]), np.zeros(w.shape[1])
    for y, j, p, slopes in reversed(log):
        if slopes is None:
            pull[p] += w[senders[p], j] * (lam_i[j] / tau_syn - lam_v[j])
        else:
            lam_v[j], part = own_spike(lam_v[j], lam_i[j], pull[p], *slopes, c, tau_syn)
            g_c += part
        lam_i = y * y * lam_i + tau * (y - y * y) * lam_v
        lam_v = y * lam_v
    return g_c


# %%
rng = np.random.default_rng(seed)
inputs = [(0.0, 0), (2.0, 1), (9.0, 0)]  # (ms, channel)
w = np.concatenate([rng.uniform(0.15, 0.5, (2, 3)), rng.normal(0.05, 0.12, (3, 3))])
d = rng.uniform(0.5, 6.0, (5, 3)).round(1)  # ms
times, senders, log = simulate(w, d, inputs)
pull = np.concatenate([np.zeros(3), rng.normal(size=len(times) - 3)])
for c in (-0.005, 0.0, 0.01):
    (_, who, what), h = simulate(w, d, inputs, c=c), 1e-6
    up, down = (pull @ simulate(w, d, inputs, c=c + step)[0] for step in (h, -h))
    by_c, numeric = adjoint_c(w, who, what, pull, c), (up - down) / (2 * h)
    print(f"c = {c:6.3f}: adjoint {by_c:.6f}, finite difference {numeric:.6f}")
    assert abs(by_c / numeric - 1) < 1e-5

# %% [markdown]
# ### Exercise 3: wake a silent neuron
#
# Four inputs spike at 0, 4, 9 and 15 ms, and the neuron stays silent. Wake it by its delays.
#
# **Solution.** A silent neuron has no spike time, but its highest potential is a smooth function of
# the delays: raise it.


# %%
def wake_loss(result):
    """What is to be made small so that a silent neuron spikes: a tensor with one number."""
    return -result.peaks.sum()


assert check.wake_loss(wake_loss)

# %%
scattered = torch.tensor([[0.0, 4.0, 9.0, 15.0]])
weak = torch.full((4, 1), 0.11)
learned = torch.full((4, 1), 7.0, requires_grad=True)
optimizer = torch.optim.Adam([learned], lr=0.2)
peaks = []
for _ in range(steps):
    result = first_spikes(scattered, weak, learned, params)
    optimizer.zero_grad()
    wake_loss(result).backward()
    optimizer.step()
    peaks.append(result.peaks.item())
answer = first_spikes(scattered, weak, learned, params)
arrive = (scattered[0] + learned[:, 0]).detach().numpy()

figure, (left, right) = plt.subplots(1, 2, figsize=(9, 2.6), layout="constrained")
left.plot(peaks, color=BLUE)
left.axhline(1, color=GREY, ls="--", lw=1)
left.set(xlabel="training step", ylabel="highest potential")
right.plot(scattered[0] + 7.0, range(4), "o", color=GREY, label="before")
right.plot(arrive, range(4), "o", color=GREEN, label="after")
right.set(xlabel="arrival (ms)", ylabel="input", yticks=range(4))
right.legend(fontsize=8)
assert peaks[0] < 1
assert answer.times.isfinite().all()

# %% [markdown]
# Left, the highest potential rises to the threshold. Right, how: the four spikes have drawn
# together. From the first spike on the peak stands at the threshold and its gradient is 0, so they
# stop where it suffices.
