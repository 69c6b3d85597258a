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
# # Move thresholds, wake neurons, add an after-current
#
# Solutions to [501](../501_spike_time_gradients.ipynb).

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import spike_time_gradients as check
from jarvis.classroom.event_by_event import simulate
from jarvis.plotting import BLUE, GREY, ORANGE
from jarvis.spatial import FirstSpikeParams, first_spikes

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "steps": 120}}
full_run = True
seed = 57  # of the network of exercise 3
tau = 10.0  # membrane time constant, ms; that of the synapse is half of it
steps = 200  # of learning in exercise 2

# %%
tau_syn = tau / 2
params = FirstSpikeParams(tau_mem=tau, tau_syn=tau_syn, min_slope=0.0)

# %% [markdown]
# ### Exercise 1: Move the threshold
#
# Raise the threshold by $d\theta$. The crossing moves by $dT$, in which $v$ rises by $d\theta$:
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


weights = np.linspace(0.42, 1.0, 50)
numbers = (spike_time(weights, 1 + 1e-6) - spike_time(weights, 1 - 1e-6)) / 2e-6
_, ax = plt.subplots()
ax.plot(weights, by_threshold(weights, tau), color=BLUE, label="1 / slope of v")
ax.plot(weights, numbers, ".", color=ORANGE, label="finite difference")
ax.set(xlabel="weight w (1/ms)", ylabel="derivative by the threshold (ms)")
ax.legend()
plt.show()
assert np.allclose(by_threshold(weights, tau), numbers, rtol=1e-4)

# %% [markdown]
# *The figure shows the derivative by the rule and by finite differences.* Any change $dv$ of the
# potential at $T$ moves $T$ by $-dv/\dot v$, and a higher threshold acts like a lower potential.
#
# ### Exercise 2: Wake a silent neuron
#
# The spike time of a silent neuron is infinite and has no gradient. The peak of its potential has a
# gradient, so raise the peak.


# %%
def wake_loss(result):
    """What to make small so that a silent neuron spikes: a tensor with one number."""
    return -result.peaks.sum()


assert check.wake_loss(wake_loss)

# %%
scattered, weak = torch.tensor([[0.0, 4.0, 9.0, 15.0]]), torch.full((4, 1), 0.11)
learned, track = torch.full((4, 1), 7.0, requires_grad=True), []
optimizer = torch.optim.Adam([learned], lr=0.2)
for _ in range(steps):
    result = first_spikes(scattered, weak, learned, params)
    optimizer.zero_grad()
    wake_loss(result).backward()
    optimizer.step()
    learned.data.clamp_(min=0.0)
    track.append([*(scattered[0] + learned[:, 0].detach()).tolist(), result.peaks.item()])
track = np.array(track)
_, axes = plt.subplots(1, 2, figsize=(8.5, 3))
axes[0].plot(track[:, :4], color=BLUE)
axes[0].set(xlabel="training step", ylabel="arrival of each input (ms)")
axes[1].plot(track[:, 4], color=BLUE)
axes[1].axhline(1, color=GREY, ls="--")
axes[1].set(xlabel="training step", ylabel="highest potential (threshold = 1)")
plt.show()
assert track[-1, 4] >= 1

# %% [markdown]
# *The figure shows when the four inputs arrive, and the peak of the potential, during training.*
# The delays bring the arrivals together until the neuron spikes. From then on the peak equals the
# threshold and has no gradient.
#
# ### Exercise 3: Add an after-current
#
# At a spike of the neuron itself, $I^+ = I^- + c$ and $v^+ = 0$. The rule
# $dx^+ = J\,dx^- + (J\dot x^- - \dot x^+)\,dt$ gives for the current
# $dI^+ = dI^- + dc + (-I^- + I^+)/\tau_s\,dt = dI^- + dc + c/\tau_s\,dt$ and for the potential
# $dv^+ = -\dot v^+ dt$, with $dt = -dv^-/\dot v^-$. Collect the factors of $dv^-$ and $dc$:
#
# $$\lambda_v^- = \frac{\dot v^+\lambda_v - (c/\tau_s)\,\lambda_I - \partial L/\partial t}
# {\dot v^-}, \qquad \frac{\partial L}{\partial c} = \lambda_I .$$


# %%
def own_spike(lam_v, lam_i, pull, before, after, c, tau_syn):
    """lam_v just before an own spike, and dL/dc, from what is known just after it."""
    return (after * lam_v - c / tau_syn * lam_i - pull) / before, lam_i


assert check.own_spike(own_spike)

# %% [markdown]
# Test this in the whole network of section 6, against a finite difference:

# %%
rng = np.random.default_rng(seed)
inputs = [(0.0, 0), (2.0, 1), (9.0, 0)]  # (ms, input)
w = np.concatenate([rng.uniform(0.15, 0.5, (2, 3)), rng.normal(0.05, 0.12, (3, 3))])
d = rng.uniform(0.5, 6.0, (5, 3)).round(1)  # ms
c, h = 0.01, 1e-6
times, senders, log = simulate(w, d, inputs, tau=tau, c=c)
pull = np.concatenate([np.zeros(3), rng.normal(size=len(times) - 3)])
moved, lam_v, lam_i, by_c = pull.copy(), np.zeros(3), np.zeros(3), 0.0
for y, j, p, slopes in reversed(log):
    if slopes is None:
        moved[p] += w[senders[p], j] * (lam_i[j] / tau_syn - lam_v[j])
    else:
        lam_v[j], part = own_spike(lam_v[j], lam_i[j], moved[p], *slopes, c, tau_syn)
        by_c += part
    lam_i, lam_v = y * y * lam_i + tau * (y - y * y) * lam_v, y * lam_v
up, down = (pull @ simulate(w, d, inputs, tau=tau, c=c + s).times for s in (h, -h))
print(f"dL/dc: adjoint {by_c:.6f}, finite difference {(up - down) / (2 * h):.6f}")
assert np.isclose(by_c, (up - down) / (2 * h), rtol=1e-5)
