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
# # Send a picture as firing rates
#
# A spiking network sees spikes, not grey levels. In a **[rate
# code](../docs/glossary.md#rate-code)**, a bright pixel fires often and a dark one rarely. You
# write this code in two lines, read the picture back, and predict its error before you measure it.
#
# **Time.** 40 minutes for you, 15 seconds for the machine.
#
# **You need.** PyTorch tensors; the variance of a random variable and of a mean; for section 6, the
# exponential decay of [101](101_leaky_neuron.ipynb).
#
# **Leads to.** [202](202_spike_times.ipynb), which sends the same picture with one spike per pixel.
#
# ## Objectives
#
# After this lesson you can
#
# 1. encode a picture as random spikes and decode it,
# 2. predict the error of the decoded picture, and how many steps a given error takes,
# 3. convert between spikes per step and Hz, and say why a finer time step does not help,
# 4. estimate a rate that changes, and choose the time constant of the estimate.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math

import matplotlib.pyplot as plt
import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

import jarvis
from jarvis import encoding, plotting
from jarvis.classroom import lesson
from jarvis.classroom.check import rate_codes as check
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY, PURPLE

lesson.begin("sklearn")


def show(ax, values, **text):
    """Draw one picture ``[H, W]`` without ticks."""
    ax.imshow(values, cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[], **text)


# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_pictures": 60, "n_copies": 200}}
full_run = True
seed = 0
dt = 1.0  # time step, ms
which = 13  # the test picture that is shown
n_pictures = 360  # test pictures
n_copies = 2000  # copies of a neuron, to measure a standard deviation


# %%
def rng(k: int = 0) -> torch.Generator:
    """A source of random numbers; the same k gives the same numbers."""
    return torch.Generator().manual_seed(seed + k)


def rms(error: torch.Tensor) -> float:
    """Root of the mean square."""
    return error.square().mean().sqrt().item()


test = jarvis.datasets.digits("test").subset(n_pictures)
pictures, labels = test.inputs, test.targets.numpy()
picture = pictures[which : which + 1]  # [1, 1, 8, 8]: a batch of one
print(test)

# %% [markdown]
# These are handwritten digits with a brightness from 0 (black) to 1 (white).
#
# ## 1. How do you write a grey level as spikes?
#
# In each time step of `dt` ms, each pixel fires with a probability $p$, independently of all other
# steps and pixels. For now, $p$ is its brightness. This is a [Poisson
# code](../docs/glossary.md#poisson-code). To decode, take the mean over time: it estimates $p$.

# %%
draws = torch.rand((50, *picture.shape), generator=rng())
spikes = (draws < picture).float()  # [T, B, 1, 8, 8]: steps, batch, colour channel
decoded = spikes.mean(0)  # [B, 1, 8, 8]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
by_library = jarvis.poisson_encode(picture, 50, generator=rng())
assert torch.equal(by_library, spikes)
assert torch.equal(jarvis.rate_decode(by_library), decoded)

bright_first = picture.flatten().argsort(descending=True)
fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.4), width_ratios=[1, 2.4, 1])
show(axes[0], picture[0, 0], title="picture")
axes[1].imshow(
    spikes.flatten(1)[:, bright_first].T, cmap="binary", aspect="auto", interpolation="nearest"
)
axes[1].set(xlabel="time (ms)", ylabel="pixel, bright to dark", title="spikes")
show(axes[2], decoded[0, 0], title="mean over 50 steps")
plt.show()

# %% [markdown]
# *The figure shows the picture, its spikes (black; one row per pixel, the brightest on top) and the
# decoded picture.* The [raster plot](../docs/glossary.md#raster-plot) is all that a network sees.
#
# In the library, the first two lines are `jarvis.poisson_encode`, the third `jarvis.rate_decode`.

# %%
waits = [1, 4, 16, 64, 256, 1024]
long = jarvis.poisson_encode(picture, max(waits), generator=rng(1))
decoded = torch.cat([jarvis.rate_decode(long[:t]) for t in waits] + [picture])
titles = [f"T = {t}\nerror {rms(d - picture):.3f}" for t, d in zip(waits, decoded, strict=False)]
plotting.images(decoded, titles=[*titles, "original"], size=1.2)
plt.show()

# %% [markdown]
# *The figure shows the picture decoded from the first T steps of the same spikes, and its RMS
# error.*
#
# ## 2. How large is the error?
#
# By what factor must T grow to halve the error?
#
# <details><summary>Make a guess, then open</summary>
#
# By four. A single step is 1 with probability $p$, so its variance is $p(1-p)$. The mean of T
# independent steps has the variance $p(1-p)/T$ and the standard deviation $\sqrt{p(1-p)/T}$.
#
# </details>

# %%
steps = 2 ** np.arange(11)
p = pictures[:200]
counts = jarvis.poisson_encode(p, int(steps[-1]), generator=rng()).cumsum(0)
measured = np.array([rms(counts[t - 1] / t - p) for t in steps])
predicted = np.sqrt((p * (1 - p)).mean().item() / steps)
slope = np.polyfit(np.log(steps), np.log(measured), 1)[0]
print(f"slope on log-log axes: {slope:.3f}")
assert abs(slope + 0.5) < 0.03
assert np.abs(measured / predicted - 1).max() < 0.1

# %% tags=["hide-input"] jupyter={"source_hidden": true}
levels = torch.linspace(0, 1, 33)
spreads = {}
for t in (16, 64, 256):
    copies = jarvis.poisson_encode(levels.expand(n_copies, -1), t, generator=rng())
    spreads[t] = jarvis.rate_decode(copies).std(0)  # over the copies

fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
left.loglog(steps, predicted, color=GREY, label=r"$\sqrt{\overline{p(1-p)}\,/\,T}$")
left.loglog(steps, measured, "o", color="black", label="measured")
left.set(xlabel="steps T", ylabel="RMS error (brightness)")
left.legend()
for (t, spread), color in zip(spreads.items(), (GREEN, BLUE, PURPLE), strict=True):
    right.plot(levels, (levels * (1 - levels) / t).sqrt(), color=GREY, lw=1)
    right.plot(levels, spread, "o", ms=4, color=color)
    right.text(0.5, 0.5 / t**0.5 - 0.013, f"T = {t}", color=color, ha="center", va="center")
right.set(xlabel="brightness p", ylabel="standard deviation", ylim=(0, 0.15))
plt.show()

# %% [markdown]
# *The figure shows the RMS error over 200 digits against T (the overline denotes the mean over all
# pixels), and the standard deviation against the brightness; grey: the formulas.* On log-log axes
# the error falls with a slope of -0.50<!-- slope 0.02 -->; at T = 64 it is
# 3.3<!-- error_64_percent 0.1 --> % of the range. The standard deviation is largest for middle
# greys.
#
# ### Exercise 1: How many steps? (4 min)
#
# How many steps does a pixel of brightness `p` need for a standard deviation of at most `error`?


# %% tags=["exercise"]
def steps_for(p: float, error: float) -> int:
    """The smallest number of steps T, at least 1."""
    ...


# %%
if check.steps_for(steps_for):
    for x, error in [(0.5, 0.05), (0.3, 0.02), (0.9, 0.03)]:
        s = torch.full((n_copies, 1), x)
        s = jarvis.poisson_encode(s, steps_for(x, error), generator=rng())
        print(f"p = {x}, T = {len(s)}: wanted {error}, measured {s.mean(0).std().item():.4f}")

# %% [markdown]
# ## 3. How many Hz is that?
#
# One spike in each step of 1 ms is 1000 Hz; real neurons rarely exceed 100 Hz. Let `max_rate` be
# the rate of a white pixel, in Hz. A pixel of brightness $x$ then fires in each step with the
# probability
#
# $$p = x \cdot \mathtt{max\_rate} \cdot \mathtt{dt} / 1000 .$$
#
# Encode at 100 Hz, and decode as before.

# %%
max_rate = 100.0  # Hz
slow = jarvis.poisson_encode(picture, 400, max_rate=max_rate, dt=dt, generator=rng())
per_step = jarvis.rate_decode(slow)
plotting.images(torch.cat([picture, per_step]), titles=["original", "decoded"], size=1.5)
plt.show()
print(f"the brightest pixel: {per_step.max():.2f}")
assert per_step.max() < 0.2

# %% [markdown]
# *The figure shows the original picture, and the picture decoded from spikes at 100 Hz.* The unit
# is wrong: `rate_decode(slow)` gives spikes per *step*, on average 0.1 for a white pixel.
#
# ### Exercise 2: Decode a rate in Hz (3 min)
#
# Decode spikes `[T, ...]` that were encoded with `max_rate` (Hz) and time steps of `dt` (ms). Do
# not clamp the brightness: by chance, it may exceed 1.


# %% tags=["exercise"]
def brightness(spikes: torch.Tensor, max_rate: float, dt: float) -> torch.Tensor:
    """The brightness [...] that the spikes [T, ...] encode."""
    ...


# %%
if check.brightness(brightness):
    plotting.images(torch.cat([picture, brightness(slow, max_rate, dt)]), size=1.5)
    plt.show()

# %% [markdown]
# <details><summary>Compare with your result</summary>
#
# With `dt`, the library's decoder returns Hz: `jarvis.rate_decode(spikes, dt) / max_rate`.
#
# </details>
#
# ### What the encoder refuses
#
# Pixels stored as bytes go up to 255. `draws < picture` accepts such values. The library refuses
# these, negative values, and a `max_rate` that makes $p$ exceed 1:

# %%
try:
    jarvis.poisson_encode(255 * picture, 10)
except ValueError as error:
    print(f"ValueError: {error}")

# %% [markdown]
# ## 4. Does a finer time step help?
#
# You watch a pixel of brightness 0.8 for 100 ms, at a `max_rate` of 100 Hz. With `dt` = 0.25 ms
# that is four times as many steps as with 1 ms. Is the error half as large?
#
# <details><summary>Make a guess, then open</summary>
#
# No. The expected *number of spikes* stays the same, 8. In a duration $D$ (in seconds) a pixel of
# brightness $x$ fires $xRD$ times on average, where $R$ is the `max_rate`. As in section 2, this
# count has the variance $xRD\,(1-p)$. So the estimate, $\mathrm{count}/(RD)$, has the standard
# deviation $\sqrt{x\,(1-p)/(RD)}$. For small steps $p$ goes to 0, and $\sqrt{x/(RD)}$ is left: the
# value for a [Poisson process](../docs/glossary.md#poisson-process) in continuous time.
#
# </details>

# %%
x, duration = 0.8, 100.0  # brightness, ms
time_steps = np.array([0.25, 0.5, 1.0, 2.0, 5.0, 10.0])  # ms
trains = {
    step: jarvis.poisson_encode(
        torch.full((n_copies, 1), x), round(duration / step), max_rate=max_rate, dt=step,
        generator=rng(),
    )
    for step in time_steps.tolist()
}  # fmt: skip

# %% tags=["hide-input"] jupyter={"source_hidden": true}
errors = [rms(jarvis.rate_decode(s, dt=step) / max_rate - x) for step, s in trains.items()]
expected_count = max_rate * duration / 1000  # of a white pixel
theory = np.sqrt(x * (1 - x * max_rate * time_steps / 1000) / expected_count)
limit = math.sqrt(x / expected_count)
assert np.allclose(errors, theory, rtol=0.1)

_, ax = plt.subplots(figsize=(6, 3.2))
fine = np.geomspace(0.2, 10, 100)
ax.axhline(limit, color="black", ls=":", lw=1)
ax.text(10, limit + 0.006, "Poisson process", ha="right", va="bottom")
formula = np.sqrt(x * (1 - x * max_rate * fine / 1000) / expected_count)
ax.semilogx(fine, formula, color=GREY, label=r"$\sqrt{x\,(1-p)\,/\,(RD)}$")
ax.semilogx(time_steps, errors, "o", color=BLUE, label="measured")
ax.legend(loc="lower left")
ax.set(xlabel="time step dt (ms)", ylabel="standard deviation", ylim=(0, 0.33))
ax.set_xticks(time_steps, [f"{step:g}" for step in time_steps])
plt.show()

# %% [markdown]
# *The figure shows the standard deviation after 100 ms at 100 Hz against the time step.* At 1 ms
# and below the error stays close to its limit, 0.283<!-- poisson_limit 0.001 --> (dotted): only
# *rate times duration* matters. Coarse steps reduce the error, to 0.13<!-- coarse_error 0.01 --> at
# 10 ms: with a spike in 8 of 10 steps the train is almost regular.
#
# ### Exercise 3: Measure the irregularity (4 min)
#
# Count the spikes of each of n trains, and divide the variance of the n counts by their mean. This
# is the [Fano factor](../docs/glossary.md#fano-factor): 1 for a Poisson process, 0 for a perfectly
# regular train. Which value do you expect for `poisson_encode`?


# %% tags=["exercise"]
def fano_factor(spikes: torch.Tensor) -> float:
    """The Fano factor of the spike counts of n trains, spikes [T, n]."""
    ...


# %%
if check.fano_factor(fano_factor):
    for step, s in trains.items():
        p_step = x * max_rate * step / 1000
        print(f"dt = {step:5.2f} ms, p = {p_step:.2f}: {float(fano_factor(s[:, :, 0])):.2f}")

# %% [markdown]
# <details><summary>Compare with your result</summary>
#
# The counts have the variance $Tp(1-p)$ and the mean $Tp$, so the Fano factor is $1-p$.
#
# </details>
#
# ## 5. How long must a reader look?
#
# Logistic regression is a simple reader: for each class it computes a weighted sum of the 64
# pixels, and the largest sum decides. Train it on clean pictures. How many ms of spikes does it
# need to read nine digits out of ten, at 1000 Hz and at 100 Hz?

# %%
reader = LogisticRegression(max_iter=2000)
train = jarvis.datasets.digits("train")
reader.fit(train.inputs.flatten(1).numpy(), train.targets.numpy())


def accuracy(values: torch.Tensor) -> float:
    """Share of the test pictures that the reader names correctly."""
    return float(reader.score(values.flatten(1).numpy(), labels))


clean = accuracy(pictures)
looks = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]  # steps of 1 ms

# %% tags=["hide-input"] jupyter={"source_hidden": true}
read = {}
for hz in (1000.0, 100.0):
    s = jarvis.poisson_encode(pictures, max(looks), max_rate=hz, dt=dt, generator=rng())
    read[hz] = [accuracy(jarvis.rate_decode(s[:t], dt) / hz) for t in looks]
# By section 4, the variance of a brightness is x (1 - p) / (RD), where p = x at 1000 Hz.
factor = ((pictures * (1 - pictures / 10)).mean() / (pictures * (1 - pictures)).mean()).item()

_, ax = plt.subplots(figsize=(6, 3.2))
for (hz, found), color, mark in zip(read.items(), (BLUE, GREEN), "os", strict=True):
    percent = 100 * np.array(found)
    ax.semilogx(looks, percent, mark + "-", ms=4, color=color, label=f"white fires at {hz:g} Hz")
ax.axhline(100 * clean, color="black", ls="--", lw=1)
ax.text(512, 100 * clean + 1, "clean pictures", ha="right", va="bottom")
ax.axhline(10, color=GREY, ls=":", lw=1)
ax.text(512, 9, "chance", ha="right", va="top")
ax.set(xlabel="time that the reader looks (ms)", ylabel="accuracy (%)", ylim=(0, 110))
ax.set_xticks([1, 10, 100], ["1", "10", "100"])
ax.legend(loc="lower right", bbox_to_anchor=(1, 0.12))
plt.show()
enough = {hz: next(t for t, a in zip(looks, found, strict=True) if a >= 0.9)
          for hz, found in read.items()}  # fmt: skip
print(f"nine out of ten: {enough[1000.0]} ms at 1000 Hz, {enough[100.0]} ms at 100 Hz")
assert enough[100.0] >= 16 * enough[1000.0]
print(f"for the same mean square error, 100 Hz takes {10 * factor:.0f} times as long")

# %% [markdown]
# *The figure shows the accuracy against the time that the reader looks.* On clean pictures the
# reader gets 98.1<!-- clean_percent 0.2 --> % right. Of the times tried, 2<!-- enough_1000 0 --> ms
# are enough for nine out of ten at 1000 Hz, and 64<!-- enough_100 0 --> ms at 100 Hz. By section 4,
# the lower rate accounts for a factor of ten. Another factor of 4.0<!-- factor 0.1 --> comes from
# $1-p$, which is small for bright pixels at 1000 Hz. (Together this is 40 for the same mean square
# error; the times tried are a factor of two apart, so a factor of 32 agrees.)
#
# ## 6. How do you read a rate that changes?
#
# The mean over all steps weights the distant past like the present. A **running estimate** forgets.
# Start with $r = 0$. After each step, with $\beta = e^{-dt/\tau}$, and $s$ = 1 for a spike or 0 for
# none,
#
# $$r \leftarrow \beta\, r + (1 - \beta)\, s .$$
#
# This is the leaky membrane of [101](101_leaky_neuron.ipynb), used as a decoder. Below, a neuron's
# $p$ drops from 0.8 to 0.2 after 150 ms.

# %%
signal = torch.tensor([0.8, 0.2]).repeat_interleave(150)
drop = (torch.rand((300, n_copies), generator=rng()) < signal[:, None]).float()  # [T, copies]


def running(spikes: torch.Tensor, tau: float) -> torch.Tensor:
    """The running estimate after each step, as large as `spikes`."""
    beta, r, path = math.exp(-dt / tau), torch.zeros_like(spikes[0]), []
    for s in spikes:
        r = beta * r + (1 - beta) * s
        path.append(r)
    return torch.stack(path)


so_far = drop.cumsum(0) / torch.arange(1, 301)[:, None]
estimates = {"mean so far": so_far, "τ = 5 ms": running(drop, 5.0), "τ = 50 ms": running(drop, 50)}

# %% tags=["hide-input"] jupyter={"source_hidden": true}
by_library = encoding.trace_decode(drop, tau=50.0, dt=dt) * (1 - math.exp(-dt / 50))
assert torch.allclose(by_library, estimates["τ = 50 ms"][-1], atol=1e-5)

_, axes = plt.subplots(1, 3, figsize=(9.5, 2.8), sharey=True)
for ax, (name, path) in zip(axes, estimates.items(), strict=True):
    middle, width = path.mean(1), path.std(1)
    ax.plot(range(1, 301), signal, color="black", lw=1, ls="--")
    ax.fill_between(range(1, 301), middle - width, middle + width, color=BLUE, alpha=0.3, lw=0)
    ax.plot(range(1, 301), path[:, 0], color=BLUE, lw=1)
    ax.set(xlabel="time (ms)", title=name)
axes[0].set(ylabel="estimated p", ylim=(0, 1.05))
plt.show()

# %% [markdown]
# *The figure shows p (dashed) and three estimates of p: for one neuron (line), and as the mean over
# many such neurons plus and minus one standard deviation (band).* At the end the mean so far has
# the least noise, but it still says 0.5<!-- late_mean 0.01 -->. With $\tau$ = 5 ms the estimate
# follows within about 15 ms but is noisy; with 50 ms it is smooth, but has not quite reached 0.8 by
# 150 ms.
#
# A spike $k$ steps ago has the weight $(1-\beta)\beta^k$ in the estimate. The squares of these
# weights add up to $(1-\beta)/(1+\beta)$; in a mean over T steps they add up to $1/T$. So the law
# of section 2 holds with the *effective number of steps*, $T_{eff}$:
#
# $$\text{standard deviation} = \sqrt{\frac{p(1-p)}{T_{eff}}}, \qquad
# T_{eff} = \frac{1+\beta}{1-\beta} \approx \frac{2\tau}{dt} \quad (\tau \gg dt) .$$

# %%
spread = {tau: estimates[f"τ = {tau} ms"][:150][-1].std().item() for tau in (5, 50)}
for tau, found in spread.items():
    beta = math.exp(-dt / tau)
    law = math.sqrt(0.8 * 0.2 * (1 - beta) / (1 + beta))
    print(f"τ = {tau} ms: measured {found:.3f}, by the law {law:.3f}")
    assert abs(found / law - 1) < 0.2

# %% [markdown]
# ### Exercise 4: Choose a time constant (5 min)
#
# The estimate should follow a change as fast as possible, with a standard deviation of at most
# `error` while $p$ is constant. Which $\tau$ (in ms) achieves this, for time steps of `dt` (ms)?
# Either form of $T_{eff}$ will do: here $\tau$ is much larger than `dt`.


# %% tags=["exercise"]
def time_constant(p: float, error: float, dt: float) -> float:
    """The smallest tau (ms) with a standard deviation of at most `error`."""
    ...


# %%
if check.time_constant(time_constant):
    tau = float(time_constant(0.8, 0.05, dt))
    found = running(drop[:150].repeat(2, 1), tau)[-1].std().item()
    print(f"τ = {tau:.1f} ms: wanted 0.05, measured {found:.3f}")

# %% [markdown]
# ## Summary
#
# 1. In a Poisson code, each pixel fires with probability $p$ per step. To decode, take the mean
#    over time.
# 2. The error is $\sqrt{p(1-p)/T}$: half the error takes four times as many steps.
# 3. $p = x\cdot$ `max_rate` $\cdot$ `dt` / 1000. A finer time step does not reduce the error.
# 4. A running estimate sees about $2\tau$ of the past: a longer $\tau$ means less noise, but more
#    delay.
#
# ## Further reading
#
# - Gerstner, Kistler, Naud & Paninski 2014, *Neuronal Dynamics*, chapter 7.
#   doi:10.1017/CBO9781107447615
# - Rieke, Warland, de Ruyter van Steveninck & Bialek 1997, *Spikes: Exploring the Neural Code*, MIT
#   Press.
# - Shadlen & Newsome 1998, J. Neurosci. 18:3870, doi:10.1523/JNEUROSCI.18-10-03870.1998: averages
#   over irregular neurons.
#
# **Next:** [202](202_spike_times.ipynb) needs one spike per pixel. **See also:**
# [102](102_firing_rate.ipynb), irregular neurons; [303](303_mnist.ipynb), a network that reads such
# spikes.

# %%
record(
    "results/201_rate_codes.json",
    {
        "slope": slope,
        "error_64_percent": 100 * measured[6],
        "poisson_limit": limit,
        "coarse_error": errors[-1],
        "clean_percent": 100 * clean,
        "enough_1000": enough[1000.0],
        "enough_100": enough[100.0],
        "factor": factor,
        "late_mean": so_far[-1].mean().item(),
    },
    full=full_run,
)
