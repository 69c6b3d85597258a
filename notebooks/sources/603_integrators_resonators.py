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
# # Tell an integrator from a resonator
#
# Some neurons add up their inputs; others wait for the right rhythm. You build a test with two
# pulses that tells these neurons apart. You step a resonator by hand, make it fire by inhibition,
# and apply the test to published models. Then you rerun published firing patterns on a finer time
# grid and see what survives.
#
# **Time.** 60 minutes for you, 15 seconds for the machine.
#
# **You need.** [101](101_leaky_neuron.ipynb): the leaky neuron and its exact step. Complex numbers
# ($e^{i\varphi}$); the eigenvalues of a 2 x 2 matrix.
#
# **Leads to.** [604](604_your_neuron.ipynb), a neuron of your own.
#
# ## Objectives
#
# After this lesson you can
#
# 1. step a resonate-and-fire neuron exactly, and say when Euler's method makes it diverge,
# 2. read the period of a neuron from a recording below threshold,
# 3. decide from pairs of pulses whether a neuron integrates or resonates,
# 4. predict which inhibitory pulse fires a resonator, and the width of the resonator's frequency
#    band,
# 5. check whether a firing pattern belongs to the equations or to the time grid.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import cmath
import math

import numpy as np
import torch
from matplotlib import pyplot as plt

from jarvis import LIF, SpikingLayer
from jarvis.classroom import lesson
from jarvis.classroom.check import integrators_resonators as check
from jarvis.classroom.results import record
from jarvis.neurons.izhikevich import IZHIKEVICH_PATTERNS, Izhikevich, izhikevich_pattern
from jarvis.neurons.resonator import RF, RFParams
from jarvis.plotting import BLUE, GREY, RED

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_spacings": 21, "n_frequencies": 9}}
full_run = True
damping = 0.01  # lambda, of the resonator, 1/ms
omega = 0.1  # angular frequency of the resonator, rad/ms
dt = 0.5  # time step, ms
coarse = 5.0  # time step of section 1, ms
n_spacings = 81  # pairs of pulses in section 2
n_frequencies = 49  # sinusoidal inputs in section 3

# %%
period_ms, tau = 2 * math.pi / omega, 1 / damping
print(f"period {period_ms:.1f} ms; the oscillation decays with a time constant of {tau:g} ms")

# %% [markdown]
# ## 1. What does one pulse leave behind?
#
# In a leaky neuron, the effect of a pulse decays as $e^{-t/\tau}$. Many real neurons respond with a
# [subthreshold oscillation](../docs/glossary.md#subthreshold-oscillation) instead: a slow current
# pulls the potential back, too late and too far. The simplest model of this is the
# **resonate-and-fire** neuron (Izhikevich 2001), a [resonator](../docs/glossary.md#resonator). The
# state of this neuron is a complex number:
#
# $$\frac{dz}{dt} = (-\lambda + i\omega)\,z + I(t), \qquad
# \text{spike when } \operatorname{Im} z \ge 1, \text{ then } z \leftarrow i .$$
#
# (From $z = i$ the damping takes Im z below 1, so the neuron fires only once.) Input acts on the
# real part, which is like a current; the imaginary part is like a potential. $\omega$ sets how fast
# $z$ rotates, the damping $\lambda$ how fast it decays. With $\omega = 0$ nothing reaches Im z, and
# the real part alone obeys the equation of a leaky neuron with $\tau = 1/\lambda$. This control
# neuron does not rotate.
#
# Start both neurons from a pulse of 1, without a threshold, and use [Euler's
# method](../docs/glossary.md#eulers-method). With $dt$ = 5 ms, a period has 12.6 steps. What will
# you see?
#
# <details><summary>Make a guess, then open</summary>
# The leaky neuron decays slightly too fast. The resonator should shrink to
# 5<!-- left_percent 0.5 --> % after 300 ms. It diverges.
# </details>

# %%
leaky, swinging = [1.0], [1.0 + 0.0j]
for _ in range(60):
    leaky.append(leaky[-1] + coarse * -damping * leaky[-1])
    swinging.append(swinging[-1] + coarse * (-damping + 1j * omega) * swinging[-1])

t, fine = coarse * np.arange(61), np.linspace(0, 60 * coarse, 600)
euler_amplitude, true_amplitude = abs(swinging[-1]), math.exp(-damping * 300)
print(f"amplitude after 300 ms: Euler {euler_amplitude:.1f}, true {true_amplitude:.3f}")
assert euler_amplitude > 1 > true_amplitude

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9, 3))
axes[0].plot(fine, np.exp(-damping * fine), color=GREY, label="solution")
axes[0].plot(t, leaky, ".", color=BLUE, label="Euler's method")
axes[1].plot(fine, np.exp(-damping * fine) * np.sin(omega * fine), color=GREY, label="solution")
axes[1].plot(t, np.imag(swinging), ".-", color=RED, lw=0.8, label="Euler's method")
axes[0].set(xlabel="time (ms)", ylabel="potential", title="leaky neuron")
axes[1].set(xlabel="time (ms)", ylabel="Im z", title="resonate-and-fire neuron")
axes[0].legend()
axes[1].legend(loc="upper left")
plt.show()

# %% [markdown]
# *The figure shows both neurons after one pulse, by Euler's method (dots) and exactly (grey).* The
# method is fine for the leaky neuron, but the resonator's amplitude $|z|$ ends at
# 70.7<!-- euler 0.1 --> times that of the pulse, and still grows.
#
# **Why.** Without damping, $z$ would move on a circle. A step of Euler's method goes along the
# tangent and leaves the circle; the damping pulls $z$ back, but not far enough. One step multiplies
# $z$ by $1 + dt\,(-\lambda + i\omega)$, and here the absolute value of that factor is
# 1.074<!-- factor 0.001 -->.
#
# **The fix** is the one from [101](101_leaky_neuron.ipynb): solve the linear equation exactly over
# one step. The leaky neuron multiplies by $e^{-\lambda\,dt}$; the resonator also rotates:
#
# $$z \leftarrow e^{(-\lambda + i\omega)\,dt} z
# = e^{-\lambda\,dt}\,(\cos\omega\,dt + i\sin\omega\,dt)\;z .$$
#
# Written in real numbers, this is two lines:

# %%
c = math.exp(-damping * coarse) * math.cos(omega * coarse)
s = math.exp(-damping * coarse) * math.sin(omega * coarse)
re, im, exact = 1.0, 0.0, [1.0 + 0.0j]
for _ in range(60):
    re, im = c * re - s * im, s * re + c * im
    exact.append(complex(re, im))
print(f"after one step: {exact[1]:.4f}")
assert cmath.isclose(exact[60], cmath.exp((-damping + 1j * omega) * 60 * coarse), abs_tol=1e-12)

# %%
angle = np.linspace(0, 2 * math.pi, 200)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(4.9, 4))
ax.plot(np.cos(angle), np.sin(angle), color=GREY, lw=1, ls=":", label="|z| = 1")
for path, colour, mark, label in ((swinging, RED, "s", "Euler"), (exact, BLUE, "o", "exact step")):
    first = np.array(path[:14])
    ax.plot(first.real, first.imag, mark + "-", color=colour, ms=4, lw=1, label=label)
ax.set(xlabel="Re z", ylabel="Im z", xlim=(-2.1, 3.4), ylim=(-2.4, 2.1), aspect="equal")
ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# *The figure shows the first 13 steps in the complex plane, about one period.* Both methods start
# at 1. Euler's method spirals out; the exact step spirals in, as the solution does, for any $dt$.
#
# `RF` takes this step and then adds the input to Re z; `SpikingLayer` repeats the step over time.
# It returns the spikes, the last state and, with `trace=True`, all states. `reset="none"` leaves
# $z$ alone when it reaches the threshold:

# %%
x = torch.zeros(61, 1, dtype=torch.float64)
x[0] = 1.0
neuron = RF(damping=damping, omega=omega, dt=coarse, reset="none")
_, _, trace = SpikingLayer(neuron)(x, trace=True)
assert np.allclose(torch.complex(trace.re, trace.im)[:, 0].numpy(), exact, atol=1e-12)
print(f"a pulse of 1 lifts Im z by {neuron.values.pulse_peak:.4f} at most")

# %% [markdown]
# **When is Euler's method stable?** When $|1 + dt\,(-\lambda + i\omega)|$ is below 1. With $dt$ = 5
# ms that needs a $\lambda$ above 0.0268<!-- p 0.0001 --> per ms, so our damping of 0.01 is too
# weak. (The *balanced* resonate-and-fire neuron of Higuchi et al. 2024 keeps Euler's method on
# purpose, and adds enough damping for this: the integration scheme is part of the model.)
#
# ### Exercise 1: Find the largest step of Euler's method (5 min)
#
# For a given damping and $\omega$, above which $dt$ does the oscillation grow?


# %% tags=["exercise"]
def largest_euler_dt(damping, omega):
    """The step (ms) at which Euler's oscillation neither grows nor decays."""
    ...


# %%
if check.largest_euler_dt(largest_euler_dt):
    largest = largest_euler_dt(damping, omega)
    print(f"our neuron: {largest:.2f} ms, {period_ms / largest:.0f} steps per period")

# %% [markdown]
# ### Exercise 2: Measure a period (6 min)
#
# Measure the period from a recording after a pulse that is too weak to make the neuron fire. The
# recording begins with the pulse, at the potential 0; it is three to six periods long and has no
# noise. Be accurate to 3 %.


# %% tags=["exercise"]
def period(recording, dt):
    """The period (ms) of a recording (a NumPy array of potentials, one every dt ms)."""
    ...


# %%
if check.period(period):
    pulse = torch.zeros(400, 1, dtype=torch.float64)
    pulse[0] = 0.8
    unknown = RF(RFParams.named("beta", dt=dt))  # made for a rhythm in the beta band
    recording = SpikingLayer(unknown)(pulse, trace=True)[2].im[:, 0].numpy()
    _, ax = plt.subplots()
    ax.plot(dt * np.arange(400), recording, color=RED)
    for k in range(5):
        ax.axvline(k * period(recording, dt), color=GREY, ls="--", lw=1)
    ax.set(xlabel="time (ms)", ylabel="Im z (threshold = 1)", ylim=(-1, 1))
    plt.show()

# %% [markdown]
# ## 2. Two pulses: which spacing excites most?
#
# Give each neuron two equal pulses, a spacing $s$ apart, and divide the highest potential after the
# second by the highest after a single pulse. This ratio, the response, is 2 at $s = 0$. How does
# the response change as $s$ grows, for both neurons?
#
# <details><summary>Make a guess, then open</summary>
# The leaky neuron's response only falls, because less and less of the first pulse is left. In the
# resonator, half a period after the first pulse its effect points down and weakens the second;
# after a whole period it points up again.
# </details>


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def doublets(neuron, field, spacings, size=1.0, width=None, rest=0.0):
    """Highest potential after the second of two pulses, relative to one; and which ones fired."""
    dt = neuron.values.dt
    gaps, n = np.rint(np.asarray(spacings) / dt).astype(int), round((width or dt) / dt)
    x = torch.zeros(gaps.max() + round(200 / dt), len(gaps) + 1, dtype=torch.float64)
    x[:n] = size
    for k, gap in enumerate(gaps):
        x[gap : gap + n, k] += size
    spikes, _, trace = SpikingLayer(neuron)(x, trace=True)
    v = getattr(trace, field).numpy() - rest
    tops = np.array([v[gap:, k].max() for k, gap in enumerate(gaps)])
    return tops / v[:, -1].max(), spikes[:, :-1].any(0).numpy()


# %%
spacings = np.linspace(0, 160, n_spacings)
silent = dict(reset="none", dt=dt)
lif_response, _ = doublets(LIF(tau=tau, **silent), "h", spacings)  # h: v before a reset
rf_response, _ = doublets(RF(damping=damping, omega=omega, **silent), "im", spacings)

# %% [markdown]
# The curves have closed forms. When the second pulse adds 1, $e^{-s/\tau}$ of the first is left in
# the leaky neuron, and $q = e^{(-\lambda + i\omega)s}$ in the resonator. If the angle $\arg(1+q)$
# is positive, Im z peaks earlier, by $\arg(1+q)/\omega$, and has decayed less by then. If it is
# negative, Im z peaks later and has decayed more:
#
# $$R_{LIF} = 1 + e^{-s/\tau}, \qquad R_{RF} = |1 + q|\; e^{(\lambda/\omega)\,\arg(1 + q)} .$$
#
# And with a threshold? Take pulses that each reach 75 % of the threshold. Two such pulses fire the
# neuron where the response is above 1/0.75 = 1.33.


# %%
def rf_response_to(s):
    q = np.exp((-damping + 1j * omega) * s)
    return np.abs(1 + q) * np.exp(damping / omega * np.angle(1 + q))


lif_formula, rf_formula = 1 + np.exp(-spacings / tau), rf_response_to(spacings)
peak = RFParams(damping=damping, omega=omega, dt=dt).pulse_peak
_, lif_fires = doublets(LIF(tau=tau, dt=dt), "h", spacings, size=0.75)
_, rf_fires = doublets(RF(damping=damping, omega=omega, dt=dt), "im", spacings, size=0.75 / peak)
at = {k: rf_response_to(k * period_ms) for k in (0.5, 1.0)}
print(f"resonator: {at[0.5]:.2f} after half a period, {at[1.0]:.2f} after a whole one")
assert np.abs(lif_response - lif_formula).max() < 1e-6
assert np.abs(rf_response - rf_formula).max() < 0.03
assert (np.diff(lif_response) < 0).all()
clear = np.abs(rf_formula - 1 / 0.75) > 0.03
assert (rf_fires == (rf_formula > 1 / 0.75))[clear].all()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(2, 1, figsize=(7.5, 4.4), sharex=True, height_ratios=(4, 1))
for formula, response, fires, colour, label, row in (
    (lif_formula, lif_response, lif_fires, BLUE, "leaky: integrator", 1),
    (rf_formula, rf_response, rf_fires, RED, "resonate-and-fire: resonator", 0),
):
    axes[0].plot(spacings, formula, color=colour, label=label)
    axes[0].plot(spacings, response, ".", color=colour, ms=4)
    axes[1].plot(spacings[fires], np.full(fires.sum(), row), "s", color=colour, ms=3.5)
axes[0].axhline(1 / 0.75, color=GREY, ls="--", lw=1)
for k in (1, 2):
    axes[0].axvline(k * period_ms, ymax=0.72, color=GREY, ls=":", lw=1)
axes[0].set(ylabel="response (one pulse = 1)", ylim=(0, 2.1))
axes[0].legend(loc="upper right")
axes[1].set(xlabel="spacing of the two pulses (ms)", ylim=(-0.6, 1.6), ylabel="fires")
axes[1].set_yticks((0, 1), ("resonator", "integrator"))
plt.show()

# %% [markdown]
# *The figure shows the response to two pulses against their spacing: formulas (lines), simulations
# (dots), the response at which pulses of 75 % fire the neuron (dashed) and whole periods (dotted).
# Below: which pairs fire.* The integrator's response only falls. The resonator's response falls to
# 0.27<!-- half 0.01 --> at half a period, less than after a single pulse, and comes back to
# 1.53<!-- whole 0.01 --> at a whole period. There the curve touches the integrator's: the rotation
# is complete, and only the decay is left. With these pulses the resonator fires for two ranges of
# spacings, with a silent gap between them; the integrator for one range. **A rise anywhere reveals
# a resonator.**
#
# ### Exercise 3: Classify an unknown neuron (5 min)
#
# `response(s)` is the response of a neuron to two pulses `s` ms apart (a number or an array).
# Integrators here may be fast or slow, or have a synapse that smooths the pulses: their response
# still only falls. Resonators have periods of 15 to 200 ms.


# %% tags=["exercise"]
def classify(response):
    """Return "integrator" or "resonator"."""
    ...


# %%
check.classify(classify)

# %% [markdown]
# ## 3. Can inhibition make a neuron fire?
#
# Now one pulse that pushes *down*, of size -1.7: a
# [hyperpolarisation](../docs/glossary.md#hyperpolarisation). What will the leaky neuron do, and the
# resonator?
#
# <details><summary>Make a guess, then open</summary>
# The leaky neuron returns to 0 from below and never gets above it. The resonator's potential passes
# through 0: half a period after its lowest point it reaches its highest.
# </details>

# %%
down = torch.zeros(500, 2, dtype=torch.float64)
down[20] = torch.tensor([-1.0, -1.7])
rf_spikes, _, rf_trace = SpikingLayer(RF(damping=damping, omega=omega, dt=dt))(down, trace=True)
lif_spikes, _, lif_trace = SpikingLayer(LIF(tau=tau, dt=dt))(down, trace=True)
t = dt * (np.arange(500) - 20)
below = rf_trace.im[:, 0].numpy()
rebound = -below.max() / below.min()
print(f"rebound: {rebound:.4f} of the depth; spikes {int(rf_spikes[:, 1].sum())}")
assert lif_spikes.sum() == 0
assert lif_trace.h.max() <= 0
assert math.isclose(rebound, math.exp(-math.pi * damping / omega), rel_tol=2e-3)
assert rf_spikes[:, 0].sum() == 0
assert rf_spikes[:, 1].sum() == 1

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for ax, v, colour in ((axes[0], lif_trace.h, BLUE), (axes[1], rf_trace.im, RED)):
    ax.plot(t, v[:, 0], color=colour, ls="--", label="pulse of -1.0")
    ax.plot(t, v[:, 1], color=colour, label="pulse of -1.7")
    ax.axhline(1, color=GREY, ls=":", lw=1)
    ax.set(xlabel="time after the pulse (ms)", xlim=(-10, 200))
    ax.legend(loc="lower right")
(fired,) = rf_spikes[:, 1].numpy().nonzero()
axes[1].plot(t[fired], 1.15 + 0 * fired, "kv", ms=6)
axes[0].set(ylabel="v or Im z (threshold = 1)", title="leaky neuron", ylim=(-1.9, 1.4))
axes[1].set_title("resonate-and-fire neuron")
plt.show()

# %% [markdown]
# *The figure shows both neurons after an inhibitory pulse of two sizes; the triangle is a spike.*
# In half a period the amplitude decays to $e^{-\pi\lambda/\omega}$, which is
# 0.7304<!-- rebound 0.0001 -->: the height of the rebound relative to the depth before. The
# stronger pulse reaches the threshold. In a leaky neuron, inhibition can only prevent spikes; in a
# resonator it can cause a spike, a [rebound spike](../docs/glossary.md#rebound-spike).
#
# ### Exercise 4: Find the weakest inhibition that fires (5 min)
#
# At some size between 1.0 and 1.7 the neuron above begins to fire. `params` is an `RFParams`; it
# has `threshold`, `pulse_peak` (the highest Im z after a pulse of +1) and `rebound`. Return this
# size as a positive number.


# %% tags=["exercise"]
def smallest_inhibition(params):
    """Size (> 0) of the weakest inhibitory pulse that fires the neuron."""
    ...


# %%
check.smallest_inhibition(smallest_inhibition)

# %% [markdown]
# ### Which frequencies does it pass?
#
# The input is $I = \cos\Omega t$, a rate per ms as in the equation of $z$: the leaky neuron obeys
# $dv/dt = -\lambda v + I$, and a step adds $I\,dt$. Without a threshold, and once the initial state
# is forgotten, theory gives these amplitudes of $v$ and of Im z:
#
# $$A_{LIF} = \frac{1}{|\lambda + i\Omega|}, \qquad
# A_{RF} = \frac{\omega}{|(\lambda + i\Omega)^2 + \omega^2|} .$$
#
# The first denominator is smallest at $\Omega = 0$. And the second?
#
# <details><summary>Make a guess, then open</summary>
# At $\sqrt{\omega^2 - \lambda^2}$, slightly below $\omega$.
# </details>

# %%
hertz = np.linspace(0, 40, n_frequencies)
drive = 2 * math.pi * hertz / 1000  # rad/ms
t = dt * np.arange(round(3400 / dt))
cosine = torch.as_tensor(dt * np.cos(np.outer(t, drive)))
late = t > 2000  # the start is forgotten, and a whole period of the slowest input is left
options = dict(threshold=1e6, reset="none", dt=dt)
traces = (
    SpikingLayer(LIF(tau=tau, **options))(cosine, trace=True)[2].h,
    SpikingLayer(RF(damping=damping, omega=omega, **options))(cosine, trace=True)[2].im,
)
found = [np.abs(v.numpy()[late]).max(0) for v in traces]
every = np.linspace(0, 40, 400) * 2 * math.pi / 1000


def lif_amplitude(w):
    return 1 / np.abs(damping + 1j * w)


def rf_amplitude(w, damping=damping):
    return omega / np.abs((damping + 1j * w) ** 2 + omega**2)


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def band(damping):
    """Best frequency and half-power bandwidth of Im z, Hz."""
    w = np.linspace(0, 0.3, 300_001)
    power = rf_amplitude(w, damping) ** 2
    inside = w[power >= power.max() / 2] * 1000 / (2 * math.pi)
    return w[power.argmax()] * 1000 / (2 * math.pi), inside[-1] - inside[0]


# %%
(best_hertz, bandwidth), (_, narrower) = band(damping), band(damping / 2)
print(f"the resonator prefers {best_hertz:.1f} Hz; half-power bandwidth {bandwidth:.2f} Hz")
print(f"with half the damping: {narrower:.2f} Hz")
assert math.isclose(narrower, bandwidth / 2, rel_tol=0.02)
assert math.isclose(bandwidth, 1000 * 2 * damping / (2 * math.pi), rel_tol=0.02)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(7, 3.2))
for formula, amplitude, colour, label in (
    (lif_amplitude, found[0], BLUE, "leaky: low-pass"),
    (rf_amplitude, found[1], RED, "resonator: band-pass"),
):
    ax.plot(every * 1000 / (2 * math.pi), formula(every), color=colour, label=label)
    ax.plot(hertz, amplitude, ".", color=colour, ms=5)
    assert np.allclose(amplitude, formula(drive), rtol=0.04)
ax.set(xlabel="frequency of the input (Hz)", ylabel="amplitude of v or Im z")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the amplitude of the response to a sinusoidal current: formulas (lines) and
# simulations (dots).* The leaky neuron is a low-pass filter. The resonator passes a band around
# 15.8<!-- best_hz 0.1 --> Hz. The band's half-power width (where the squared amplitude is above
# half of its maximum) is close to $2\lambda$, or in Hz $2\lambda/2\pi$: 3.2<!-- band_hz 0.1 --> Hz.
# **With half the damping, the neuron remembers twice as long and passes half the band.**
#
# ## 4. Do other models resonate?
#
# The [Izhikevich neuron](../docs/glossary.md#izhikevich-neuron) is not linear. The $v^2$ term of
# its potential (mV) makes the upstroke; a recovery variable $u$ opposes it:
#
# $$\frac{dv}{dt} = 0.04\,v^2 + 5\,v + 140 - u + I, \qquad \frac{du}{dt} = a\,(b\,v - u), \qquad
# v \ge 30: \; v \leftarrow c, \; u \leftarrow u + d .$$
#
# Izhikevich (2004) chose $a, b, c, d$ and a stimulus for twenty firing patterns of real neurons;
# `izhikevich_pattern` has them. Look for panels in which *timing* decides, and for those in which
# *inhibition* does.


# %%
def run(name, **options):
    """Times (ms), potential, input, and spike times of a pattern."""
    neuron, current, state = izhikevich_pattern(name, **options)
    spikes, _, trace = SpikingLayer(neuron)(current, state, trace=True)
    fired = spikes[:, 0].bool()
    v = torch.where(fired, 30.0, trace.v[:, 0])  # the trace has v after the reset
    t = neuron.values.dt * np.arange(len(v))
    return t, v.numpy(), current[:, 0].numpy(), t[fired.numpy()]


def panel(ax, name, colour, title, **options):
    t, v, current, _ = run(name, **options)
    swing = max(current.max() - current.min(), 1e-9)
    ax.plot(t, v, color=colour, lw=0.7)
    ax.plot(t, -112 + 18 * (current - current.min()) / swing, color=GREY, lw=1)
    ax.set(xlim=(0, t[-1]), ylim=(-116, 34), yticks=[], xticks=[0, round(t[-1])])
    ax.set_title(title, fontsize=9)
    ax.tick_params(labelsize=9)


# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(5, 4, figsize=(10, 9.5))
for ax, (name, pattern) in zip(axes.flat, IZHIKEVICH_PATTERNS.items(), strict=True):
    colour = RED if name in ("resonator", "integrator") else BLUE
    panel(ax, name, colour, f"{pattern.panel}  {name.replace('_', ' ')}")
for ax in axes[-1]:
    ax.set_xlabel("time (ms)")
plt.show()

# %% [markdown]
# *The figure shows twenty patterns with the published parameters, stimuli and time steps:
# potentials, all on the same scale (spikes reach 30 mV), and inputs (grey), each on its own scale.*
# In K, the pair of pulses 40 ms apart fires the neuron, the pair 20 ms apart does not. In L, two
# pulses 5 ms apart fire the neuron, two pulses 10 ms apart do not. M and N fire after inhibition, S
# and T during it; in O, a pulse that fails alone succeeds after inhibition. (G and H, class 1 and
# 2, are type I and II of [602](602_reduction.ipynb).)
#
# K and L (orange) are called resonator and integrator. Does our test agree? Give both neurons pairs
# of pulses that are too weak to make them fire. Close to the resting potential, small changes of
# $(v, u)$ follow a linear equation with the matrix
#
# $$\begin{pmatrix} 0.08\,v + 5 & -1 \\ a\,b & -a \end{pmatrix}$$
#
# (in L, 4.1 takes the place of 5). If the eigenvalues of this matrix are complex, they are the
# $-\lambda \pm i\omega$ of a resonator. With real eigenvalues the neuron cannot oscillate.

# %%
k_set, l_set = (IZHIKEVICH_PATTERNS[name] for name in ("resonator", "integrator"))
k_neuron = Izhikevich(a=k_set.a, b=k_set.b, c=k_set.c, d=k_set.d, v_0=-62.5, dt=0.25)
l_neuron = Izhikevich(
    a=l_set.a, b=l_set.b, c=l_set.c, d=l_set.d, v_0=-60.0, dt=0.25, **l_set.changes
)
weak = np.linspace(0, 100, n_spacings)
k_response, k_fires = doublets(k_neuron, "v", weak, size=0.2, width=4.0, rest=-62.5)
l_response, l_fires = doublets(l_neuron, "v", weak, size=2.0, width=2.0, rest=-60.0)

k_eigen = np.linalg.eigvals([[0.08 * -62.5 + 5, -1], [k_set.a * k_set.b, -k_set.a]])
l_eigen = np.linalg.eigvals([[0.08 * -60.0 + 4.1, -1], [l_set.a * l_set.b, -l_set.a]])
k_period = 2 * math.pi / abs(k_eigen[0].imag)
print("eigenvalues of K", k_eigen.round(3), "and of L", l_eigen.round(3), "per ms")
dip = weak[k_response.argmin()]
best = weak[weak > dip][k_response[weak > dip].argmax()]
print(f"K: period {k_period:.1f} ms by its eigenvalues; best spacing {best:.1f} ms")
assert np.isrealobj(l_eigen)
assert l_set.changes["slope"] == 4.1
assert not k_fires.any()
assert not l_fires.any()
assert (np.diff(l_response) < 1e-9).all()
assert k_response.min() < 1 < k_response[weak > dip].max()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots()
ax.plot(weak, l_response, ".-", color=BLUE, label="L, integrator")
ax.plot(weak, k_response, ".-", color=RED, label="K, resonator")
ax.axvline(k_period, color=GREY, ls=":", lw=1)
ax.set(xlabel="spacing of the two pulses (ms)", ylabel="response (one pulse = 1)", ylim=(0, 2.2))
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the test with two pulses for the two published neurons; dotted: K's period, from
# its eigenvalues.* L's response only falls, and K's rises again. K's matrix gives a period of
# 41.0<!-- k_period 0.1 --> ms, and the published pair that fires it is 40 ms apart. (At a spacing
# of 0 the $v^2$ term lifts both responses above 2.)
#
# ## 5. Does a pattern survive a finer grid?
#
# The twenty patterns were made by Euler's method, with steps of 0.1 to 0.5 ms. With these steps
# nothing diverges, but are the patterns right? A pattern of the *equations* should stay when the
# step gets smaller. Take three patterns and count the spikes with the published step, and with
# 1/10, 1/20 and 1/40 of this step.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
broken = ("bistability", "depolarizing_afterpotential", "inhibition_induced_bursting")
for name in broken:
    step = IZHIKEVICH_PATTERNS[name].dt
    numbers = [len(run(name, dt=step / factor)[3]) for factor in (1, 10, 20, 40)]
    print(f"{name}: {numbers} spikes")
    assert numbers[1] > numbers[0]
    assert (numbers[2] == numbers[3]) == (name != "inhibition_induced_bursting")

# %% tags=["hide-input"] jupyter={"source_hidden": true}
for factor in (1, 10):
    neuron, current, state = izhikevich_pattern("inhibition_induced_bursting", dt=0.5 / factor)
    spikes, _, trace = SpikingLayer(neuron)(current, state, trace=True)
    recovery = trace.u[spikes > 0][:4].numpy()
    print(f"T, dt = {neuron.values.dt:g} ms: u after the first spikes is {recovery.round(1)}")
    assert (np.diff(recovery) > 0).all() == (factor == 1)
assert spikes[-100:].all()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, axes = plt.subplots(2, 3, figsize=(9.5, 4.4))
for column, name in zip(axes.T, broken, strict=True):
    step = IZHIKEVICH_PATTERNS[name].dt
    short = f"{IZHIKEVICH_PATTERNS[name].panel}  {name.replace('_', ' ')}"
    panel(column[0], name, BLUE, f"{short}\ndt = {step:g} ms, as published")
    panel(column[1], name, RED, f"dt = {step / 10:g} ms", dt=step / 10)
    column[1].set_xlabel("time (ms)")
plt.show()

# %% [markdown]
# *The figure shows three patterns as published (above) and with a tenth of the step (below); in T,
# the block of colour is spikes too dense to tell apart, and the flat line after it means a spike in
# every step.*
#
# - **P, bistability**: a first pulse starts a train, a second one should stop it. On the finer grid
#   the train goes on.
# - **Q, depolarizing after-potential**: one spike with a hump after it becomes a train of
#   5<!-- q_spikes 0 --> spikes, and of 7<!-- q_finest 0 --> with 1/20 of the step or less.
# - **T, inhibition-induced bursting**: each spike *lowers* $u$ by 2, and a lower $u$ brings the
#   next spike sooner. With steps of 0.5 ms, the first interval is 2.0<!-- coarse_ms 0.1 --> ms,
#   because Euler's method lags behind an accelerating $v$. In this time $u$ regains more than 2,
#   which in the end stops the burst. On the finer grid the first interval is
#   1.2<!-- fine_ms 0.1 --> ms and $u$ falls from spike to spike, until the neuron fires in every
#   step. With still smaller steps, the number of spikes keeps growing.
#
# Is P's neuron not bistable, then? Shift the second pulse.


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def last_spike(shift, dt):
    """Time (ms) of the last spike of P if its second pulse comes `shift` ms later."""
    neuron, _, state = izhikevich_pattern("bistability", dt=dt)
    t = dt * np.arange(round(600 / dt))
    current = np.full(len(t), 0.24)
    for start in (37.5, 216.0 + shift):
        current[(t > start) & (t < start + 5)] += 1.0
    spikes, _ = SpikingLayer(neuron)(torch.as_tensor(current)[:, None], state)
    return dt * spikes[:, 0].nonzero().max().item()


# %%
shifts = np.arange(-20, 21, 2)
stops = {dt: [s for s in shifts if last_spike(s, dt) < 300] for dt in (0.25, 0.025)}
for step, found in stops.items():
    print(f"dt = {step:g} ms: the train stops with a shift of {[int(s) for s in found]} ms")
assert 0 in stops[0.25]
assert 0 not in stops[0.025]
assert stops[0.025]

# %% [markdown]
# P's neuron is bistable: a pulse 8 ms earlier stops the train on the finer grid. The *phenomenon*
# belongs to the equations, the published *timing* to the grid. For Q and T, this stimulus and these
# parameters do not show the pattern with smaller steps.
#
# If a result changes when you halve the step, keep halving until it no longer changes; only then
# does the result belong to the equations.
#
# ### Exercise 5: Find more of them (4 min)
#
# Which patterns keep their number of spikes with a tenth of the step? Write the comparison for one
# pattern (with `run` it is short); the cell below applies it to all patterns. The default `dt` is
# the published one, `IZHIKEVICH_PATTERNS[name].dt`.


# %% tags=["exercise"]
def compare(name):
    """(number of spikes as published, number of spikes with a tenth of the step)"""
    ...


# %%
if check.compare(compare):
    for name in IZHIKEVICH_PATTERNS:
        published, finer = compare(name)
        print(f"{name:30} {published:5} {finer:5} {'changes' if published != finer else ''}")

# %% [markdown]
# <details><summary>Compare with your result</summary> The number of spikes changes in
# 9<!-- changed 0 --> of twenty: C, D, E, H, N, P, Q, S and T. A changed number need not spoil the
# pattern: the rebound burst (N) has 13<!-- n_after 0 --> spikes instead of 7<!-- n_before 0 -->,
# but is still a burst after inhibition. (A tenth of the step need not be enough: for Q it was not.)
# </details>
#
# ## Summary
#
# 1. A resonate-and-fire neuron multiplies $z$ by $e^{(-\lambda+i\omega)dt}$ in a step: $z$ decays
#    and rotates. Euler's method diverges where the damping is too weak for its step.
# 2. An integrator's response to two pulses only falls with the spacing; a resonator's rises again
#    as the spacing approaches a whole period.
# 3. After an inhibitory pulse the potential rebounds to $e^{-\pi\lambda/\omega}$ of its depth, half
#    a period later. A resonator passes a band of frequencies about $2\lambda$ wide.
# 4. Many published patterns change with a smaller step. At least Q and T lose the behaviour that
#    they are named after, and P needs its second pulse at another time. Rerun with smaller steps
#    first.
#
# ## Further reading
#
# - Izhikevich 2001, Neural Networks 14:883, doi:10.1016/S0893-6080(01)00078-8: the
#   resonate-and-fire neuron.
# - Izhikevich 2004, IEEE Trans. Neural Netw. 15:1063, doi:10.1109/TNN.2004.832719: the twenty
#   patterns.
# - Hutcheon & Yarom 2000, Trends Neurosci. 23:216, doi:10.1016/S0166-2236(00)01547-2: resonance in
#   real neurons, and which currents make it.
# - Higuchi et al. 2024, ICML, arXiv:2402.14603: balanced resonate-and-fire neurons, trained.
#
# **Next:** [604](604_your_neuron.ipynb). **See also:** [104](104_adex.ipynb) and
# [105](105_firing_patterns.ipynb), the AdEx neuron; [602](602_reduction.ipynb), where oscillations
# come from.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
first = {step: run("inhibition_induced_bursting", dt=step)[3][:2] for step in (0.5, 0.05)}
counts = {
    name: [len(run(name, dt=p.dt / factor)[3]) for factor in (1, 10)]
    for name, p in IZHIKEVICH_PATTERNS.items()
}
changed = [IZHIKEVICH_PATTERNS[name].panel for name, (a, b) in counts.items() if a != b]
print("number of spikes changes in", "".join(changed))
assert "".join(changed) == "CDEHNPQST"
assert run("resonator")[3] > 320
assert run("integrator")[3] < 20.5
assert (run("rebound_burst", dt=IZHIKEVICH_PATTERNS["rebound_burst"].dt / 10)[3] > 25).all()
for name, start, end in (("rebound_spike", 25, 200), ("inhibition_induced_spiking", 50, 250)):
    assert ((run(name)[3] > start) & (run(name)[3] < end)).all()
assert -8 in stops[0.025]

# %%
boundary = (1 - math.sqrt(1 - (omega * coarse) ** 2)) / coarse  # the weakest stable damping
assert math.isclose(abs(1 + coarse * complex(-boundary, omega)), 1, abs_tol=1e-12)
record(
    "results/603_integrators_resonators.json",
    {
        "euler": euler_amplitude,
        "factor": abs(1 + coarse * (-damping + 1j * omega)),
        "p": boundary,
        "left_percent": 100 * true_amplitude,
        "half": at[0.5],
        "whole": at[1.0],
        "rebound": math.exp(-math.pi * damping / omega),
        "best_hz": best_hertz,
        "band_hz": bandwidth,
        "k_period": k_period,
        "coarse_ms": np.diff(first[0.5])[0],
        "fine_ms": np.diff(first[0.05])[0],
        "q_spikes": counts["depolarizing_afterpotential"][1],
        "q_finest": len(run("depolarizing_afterpotential", dt=0.1 / 40)[3]),
        "n_before": counts["rebound_burst"][0],
        "n_after": counts["rebound_burst"][1],
        "changed": len(changed),
    },
    full=full_run,
)
