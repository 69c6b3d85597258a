# ---
# jupyter:
#   jupytext:
#     text_representation: {format_name: percent, extension: .py}
#   kernelspec:
#     name: python3
#     display_name: Python 3
# ---

# %% [markdown]
# # Turn a picture into spikes, and back
#
# A spiking network does not see grey levels. It sees spikes, and somebody has to make them. There
# are several ways to write a number as spikes. They cost different amounts of time and of spikes,
# and they break in different ways.
#
# **What you will build.** Four codes for a digit: counts of random spikes, one timed spike per
# pixel, the latency of a charging neuron, and ON/OFF events of a moving picture. For each one you
# build the decoder that fits, and you predict its error before you measure it. Then all codes read
# the same digits to the same classifier, with too little time, too few spikes and three kinds of
# noise.
#
# **What you need.** Arrays in PyTorch and the standard deviation of a coin flip. The leaky neuron
# of `01_lif_neuron` appears once; it is explained where it is used.
#
# **Run time.** Less than a minute on two CPU cores. A GPU does not help here.
#
# ## Objectives
#
# After this notebook you can
#
# 1. encode a picture as Poisson spikes and predict the error of the decoded picture,
#    $\sqrt{p(1-p)/T}$;
# 2. choose `max_rate` in Hz and `dt` in ms, and say which of the two decides the error;
# 3. encode a picture as one spike per pixel and give the size of the rounding error;
# 4. compute when a charging neuron fires, $\tau\ln\frac{x}{x-\theta}$, and invert it;
# 5. encode a moving signal as ON and OFF events, rebuild it, and say when that fails;
# 6. choose the decoder that belongs to a code, and recognise the symptoms of a wrong pair;
# 7. measure what time, jitter, lost spikes and extra spikes cost each code.

# %%
import matplotlib.pyplot as plt
import numpy as np
import sklearn
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional as F

import jarvis
from jarvis import encoding, plotting
from jarvis.classroom import widgets
from jarvis.classroom.check import spike_codes as check
from jarvis.classroom.explorers.views import CodeSettings, compute_code
from jarvis.classroom.results import record
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, RED

plt.rcParams.update({"figure.dpi": 85, "figure.constrained_layout.use": True})
plt.rcParams.update({"legend.frameon": False, "legend.fontsize": 8, "axes.titlesize": 10})
print(f"jarvis {jarvis.__version__}, torch {torch.__version__.split('+')[0]}, "
      f"scikit-learn {sklearn.__version__}")  # fmt: skip

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_train": 300, "n_test": 60}}
full_run = True
seed = 0
n_train = 1257  # pictures that the reader learns from
n_test = 360  # pictures that are encoded, decoded and read
dt = 1.0  # ms
window = 33  # steps of the noise experiments
which = 13  # the test picture that is shown

# %%
train = jarvis.datasets.pictures.digits("train").subset(n_train)
test = jarvis.datasets.pictures.digits("test").subset(n_test)
n_copies = 400 if full_run else 100  # copies of a neuron, to measure a standard deviation
n_draws = 5 if full_run else 1  # repetitions with new random spikes, averaged
pictures, labels = test.inputs, test.targets.numpy()
picture = pictures[which : which + 1]  # [1, 1, 8, 8]: a batch of one
print(test)


# %%
def rng(k: int = 0) -> torch.Generator:
    """A fresh source of randomness; the same k gives the same numbers."""
    return torch.Generator().manual_seed(seed + k)


def rms(error: torch.Tensor) -> float:
    """Root of the mean square."""
    return error.square().mean().sqrt().item()


def show(ax, values, scale=("gray", 0, 1), **text):
    """Draw one picture ``[H, W]`` without ticks; `scale` is (colours, lowest, highest value)."""
    colours, lowest, highest = scale
    ax.imshow(values, cmap=colours, vmin=lowest, vmax=highest)
    ax.set(xticks=[], yticks=[], **text)


# %% [markdown]
# The pictures are real handwriting, 8 x 8 pixels. The brightness has 17 levels, 0/16 to 16/16.
# The one that we look at is a 6.
#
# ## 1. How do you write a grey level with a coin?
#
# The oldest answer: bright means often. At every step of `dt` ms, each pixel flips its own coin.
# It fires with probability $p$, its brightness. That is two lines.
#
# The figure below shows the picture, and the spikes: each line of the raster is a pixel, from the
# top left (0) to the bottom right (63). To get the picture back, count: the mean number of spikes
# per step estimates $p$. `jarvis.rate_decode` is that mean. How long must we wait for a good
# picture?

# %%
draws = torch.rand((100, *picture.shape), generator=rng())
spikes = (draws < picture).float()  # [T, B, 1, 8, 8]
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.4), width_ratios=[1, 2.6])
show(left, picture[0, 0], title="picture, 8 x 8 pixels")
plotting.raster(spikes[:, 0], dt=dt, ax=right)
right.set(ylabel="pixel (8 per row of the picture)", title=f"{int(spikes.sum())} spikes")
right.invert_yaxis()
plt.show()

# %%
waits = [1, 4, 16, 64, 256, 1024]
long = jarvis.poisson_encode(picture, max(waits), generator=rng())
decoded = torch.cat([jarvis.rate_decode(long[:t]) for t in waits] + [picture])
plotting.images(decoded, titles=[f"T = {t}" for t in waits] + ["original"])
plt.show()

# %% [markdown]
# The raster: white pixels fire at every step, black ones never, grey ones at random. The pictures:
# spikes of the same kind, read for a longer and longer time. After 4 steps one sees a 6; the greys
# need hundreds.
#
# ### Guess: half the error
#
# After T steps the error has some size. How many steps do you need for half of it?
#
# <details><summary>Make a guess, then open</summary>
#
# Four times as many. The count of T coin flips has variance $T p(1-p)$. The mean has
# $p(1-p)/T$, so its standard deviation is $\sqrt{p(1-p)/T}$: half the error costs four times the
# time and four times the spikes.
#
# </details>

# %%
steps = np.array([2**k for k in range(11)])
counts = jarvis.poisson_encode(pictures[:200], int(steps[-1]), generator=rng()).cumsum(0)
p = pictures[:200]
measured = np.array([rms(counts[t - 1] / t - p) for t in steps])
predicted = np.sqrt((p * (1 - p)).mean().item() / steps)
slope = np.polyfit(np.log(steps), np.log(measured), 1)[0]
print(f"slope on log axes {slope:.3f}; at T = 64: {measured[6]:.4f}, predicted {predicted[6]:.4f}")

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 3.3))
left.loglog(steps, predicted, color=GREY, label=r"$\sqrt{\overline{p(1-p)}/T}$")
left.loglog(steps, measured, "o", color=BLUE, label="measured, 200 digits")
left.set(xlabel="steps T", ylabel="RMS error (brightness, 0 to 1)")
left.legend()
grey = torch.linspace(0, 1, 33).expand(n_copies, -1)
for t, color in ((16, ORANGE), (64, BLUE), (256, GREEN)):
    spread = jarvis.rate_decode(jarvis.poisson_encode(grey, t, generator=rng())).std(0)
    right.plot(grey[0], spread, ".", color=color, label=f"T = {t}")
    right.plot(grey[0], (grey[0] * (1 - grey[0]) / t).sqrt(), color=color, lw=1)
right.set(xlabel="brightness p", ylabel="standard deviation of the estimate")
right.legend()
plt.show()

# %% [markdown]
# Left: the RMS error of 200 digits (dots) falls along the closed form (line), with slope -0.50 on
# log axes. At T = 64 it is 0.033. Right: at a fixed T the middle greys are worst. Black and white
# cost nothing, because a coin with $p = 0$ or $1$ has no luck in it. Dots are measured on copies
# of one neuron, lines are $\sqrt{p(1-p)/T}$.
#
# ## 2. What do Hz and ms have to do with it?
#
# A spike at every step of 1 ms is 1000 Hz. Real neurons fire at some tens of Hz. `max_rate` is
# the rate of a white pixel; then $p = x \cdot \mathtt{max\_rate} \cdot \mathtt{dt} / 1000$. Let us
# encode with 100 Hz and decode as before.

# %%
max_rate = 100.0  # Hz
slow = jarvis.poisson_encode(picture, 400, max_rate=max_rate, dt=dt, generator=rng())
wrong = jarvis.rate_decode(slow)  # spikes per step
hz = jarvis.rate_decode(slow, dt=dt)  # spikes per second
print(f"brightest pixel: {wrong.max():.3f} per step, {hz.max():.0f} Hz, {hz.max() / max_rate:.2f}")
titles = ["original", "spikes per step", "Hz / max_rate"]
plotting.images(torch.cat([picture, wrong, hz / max_rate]), titles=titles, size=1.6)
plt.show()

# %% [markdown]
# The middle picture is dark: it shows spikes per step, and a white pixel makes only 0.1 of them.
# The unit was lost, not the picture. Divide the rate in Hz by `max_rate` and it is back.
#
# ### What the encoder refuses
#
# A probability lies between 0 and 1. Pictures often do not: bytes run from 0 to 255, standardised
# pictures are half negative. A comparison `draws < values` would still "work": it would silently
# fire all the time, or never. And `max_rate` must fit `dt`: a step holds one spike at most.

# %%
standardised = (picture - picture.mean()) / picture.std()
for bad, rate in ((standardised, None), ((255 * picture).byte(), None), (picture, 2000.0)):
    try:
        jarvis.poisson_encode(bad, 10, max_rate=rate, dt=dt)
    except (ValueError, TypeError) as error:
        print(f"{type(error).__name__}: {error}\n")

# %% [markdown]
# ### Guess: a finer clock
#
# We watch for 100 ms at `max_rate` 100 Hz. With `dt` = 0.25 ms that is four times as many steps
# as with 1 ms. Is the error half as large?
#
# <details><summary>Make a guess, then open</summary>
#
# No. The *expected number of spikes* is the same, at most 10, and they carry the information. In
# $\hat x = \mathrm{count} / (R D)$, with rate $R$ and duration $D$, the error is
# $\sqrt{x (1 - p) / (R D)}$. For a small step $p \to 0$ and this becomes
# $\sqrt{x/(RD)}$, whatever `dt` is: the limit of a true Poisson process. A finer clock costs
# computation and buys nothing.
#
# </details>

# %%
x = torch.full((2 * n_copies, 4), 0.8)
errors, theory = [], []
for step in (0.25, 0.5, 1.0, 2.0, 5.0, 10.0):  # ms
    s = jarvis.poisson_encode(x, round(100 / step), max_rate=max_rate, dt=step, generator=rng())
    errors.append(rms(jarvis.rate_decode(s, dt=step) / max_rate - x))
    p_step = 0.8 * max_rate * step / 1000
    theory.append((0.8 * (1 - p_step) / (max_rate * 0.1)) ** 0.5)  # 100 ms are 0.1 s
    print(f"dt {step:5.2f} ms, {len(s):3d} steps: error {errors[-1]:.3f}, theory {theory[-1]:.3f}")

# %% [markdown]
# The table has one grey level (0.8) after 100 ms at 100 Hz, for six time steps. At 1 ms and below,
# the error stays near its Poisson limit, $\sqrt{0.8/10}$ = 0.283. With coarse steps it *falls*,
# because a coin that nearly always fires is regular, but then it is no longer a Poisson process.
# `max_rate` times the duration decides.
#
# ## 3. Can one spike per pixel be enough?
#
# The rate code repeats itself. The other extreme says everything once: bright means *early*.
# White fires at step 0, the darkest pixel at step T-1, and black stays silent.
#
# The decoder looks at the time of the first spike and inverts the line. A pixel that never fired
# gets the time T, one step past black; `clamp` makes it black. The library has this decoder as
# `jarvis.encoding.ttfs_decode`.

# %%
n_first = 17
first_step = ((1 - picture) * (n_first - 1)).round().long()  # [B, 1, 8, 8]
fired = (picture > 0).float()
timed = torch.zeros(n_first, *picture.shape).scatter_(0, first_step[None], fired[None])
print(f"{int(timed.sum())} spikes in {n_first} steps; at most {int(timed.sum(0).max())} per pixel")
decoded = (1 - jarvis.first_spike_decode(timed) / (n_first - 1)).clamp(min=0)
assert torch.equal(decoded, encoding.ttfs_decode(timed))

fig, axes = plt.subplots(1, 3, figsize=(9.5, 3.1), width_ratios=[2, 1, 1])
plotting.raster(timed[:, 0], dt=dt, ax=axes[0])
axes[0].set_ylabel("pixel (8 per row)")
axes[0].invert_yaxis()
show(axes[1], picture[0, 0], title="original")
show(axes[2], decoded[0, 0], title="read back")
plt.show()

# %% [markdown]
# One spike per ink pixel, brightest first. The picture read back (right) is the original.
#
# ### Guess: how large is the error?
#
# T steps can tell T values apart, at distance $1/(T-1)$. How large is the RMS error of a random
# brightness? And how large is it for *these digits* at T = 17?
#
# <details><summary>Make a guess, then open</summary>
#
# Rounding to a grid of width $w$ is off by at most $w/2$ and by $w/\sqrt{12}$ in the RMS, so the
# error is $\frac{1}{\sqrt{12}\,(T-1)}$. The digits have 17 levels, so at T = 17 nothing is
# rounded: the error is exactly zero.
#
# </details>

# %%
lengths = np.array([3, 5, 9, 12, 17, 24, 33, 65, 129, 257])
uniform = torch.rand((100, 1, 8, 8), generator=rng())
rounding = 1 / (12**0.5 * (lengths - 1))
first_error, digit_error = [], []
for t in lengths.tolist():
    first_error.append(rms(encoding.ttfs_decode(jarvis.ttfs_encode(uniform, t)) - uniform))
    digit_error.append(rms(encoding.ttfs_decode(jarvis.ttfs_encode(p, t)) - p))
    print(f"T = {t:3d}: random greys {first_error[-1]:.4f}, digits {digit_error[-1]:.4f}")

# %%
fig, ax = plt.subplots(figsize=(6, 3.4))
ax.loglog(lengths, (6 * lengths) ** -0.5, color=ORANGE, label=r"rate code, $1/\sqrt{6\,T}$")
ax.loglog(lengths, rounding, color=GREY, label=r"rounding, $1/(\sqrt{12}\,(T-1))$")
ax.loglog(lengths, first_error, "o", color=BLUE, label="first spike, random greys")
ax.loglog(lengths, digit_error, "s", color=GREEN, ms=5, label="first spike, digits")
ax.set(xlabel="steps T", ylabel="RMS error (brightness)", ylim=(5e-4, 1))
ax.legend()
plt.show()

# %% [markdown]
# The first-spike error falls like $1/T$, the rate error only like $1/\sqrt T$. (The mean of
# $p(1-p)$ over all greys is 1/6.) At T = 65 the first spike is off by 0.0045. For that, the rate
# code would need about 8000 steps. On the digits the error vanishes wherever $T-1$ is a multiple of
# 16: those squares are missing.
#
# What is lost? The rounding; any second chance, since a pixel that misses its one spike is gone;
# and independence of the clock, since the time means something only if you know when the picture
# began. Section 9 puts a price on that.
#
# ### Turn the knobs
#
# Run the next cell to get sliders for both codes: the digit, T, the rate of a white pixel, and the
# seed of the Poisson spikes. On the picture you can draw: press and drag, or rub out, or empty the
# sheet first. Find out, before you open the answers:
#
# - Drag T from 50 down to 17. Which of the two errors becomes 0? Is it still 0 at T = 25?
# - With T = 50, raise the rate of white from 200 to 1000 Hz. What happens to the number of spikes,
#   and what to the error of the Poisson code?
# - Move the seed. Which of the pictures on the right changes?
# - Empty the sheet and draw a line. When do its first spikes come, and how small can T be now?
#
# <details><summary>Answers</summary>
#
# The error of the first spikes: 17 steps are one for each grey level. At T = 25 it is not 0, since
# 24 is no multiple of 16. Five times the rate makes five times the spikes, and the error falls to
# less than a third; by the square root of five alone it would fall to 0.45 of what it was, but at
# 1000 Hz a white pixel has no luck left. The seed changes the Poisson picture only: a first-spike
# code leaves nothing to chance. All of your line is white, so all of it spikes in the first step;
# black and white are two levels, and T = 2 sends them without error.
#
# </details>

# %%
explorer = widgets.code(digit=3)
explorer

# %%
# Sliders need a running notebook. The same picture without one, for T = 17:
explorer.controls["n_steps"].value = 17  # as if you had moved it
assert not explorer.errors
widgets.draw_code(digit=3, n_steps=17)

# %% [markdown]
# The spikes of a 3 in both codes, and the pictures that are read from them, with their RMS errors.
# At the same 17 steps the first spikes tell the picture exactly, the Poisson spikes only roughly.
#
# ## 4. What if the decoder does not belong to the code?
#
# Here is a fault that costs people days: spikes are made by a latency code, and the read-out
# counts them. Nothing crashes. We train a simple reader (logistic regression on *clean* pictures)
# and let it read what comes out of each pair of code and decoder.

# %%
reader = LogisticRegression(max_iter=2000)
reader.fit(train.inputs.flatten(1).numpy(), train.targets.numpy())


def accuracy(values: torch.Tensor) -> float:
    """Share of the test pictures that the reader names correctly."""
    return float(reader.score(values.flatten(1).numpy(), labels[: len(values)]))


clean = accuracy(pictures)
print(f"chance 0.10; on clean pictures {clean:.3f}")
ink = LogisticRegression(max_iter=2000)  # a reader of silhouettes
ink.fit((train.inputs.flatten(1) > 0).float().numpy(), train.targets.numpy())
silhouette = float(ink.score((pictures.flatten(1) > 0).float().numpy(), labels))
print(f"trained and tested on ink or no ink {silhouette:.3f}")

# %%
codes = {
    "Poisson": jarvis.poisson_encode(pictures, window, generator=rng()),
    "first spike": jarvis.ttfs_encode(pictures, window),
    "first spike,\nblack fires too": jarvis.ttfs_encode(pictures, window, silent_below=-1),
}
decoders = {"count": jarvis.rate_decode, "first time": encoding.ttfs_decode}
pairs = {(c, d): read(s) for c, s in codes.items() for d, read in decoders.items()}
scores = {pair: accuracy(values) for pair, values in pairs.items()}

# %%
fig, axes = plt.subplots(2, 3, figsize=(7, 4.6))
for ax, pair in zip(axes.T.flat, pairs, strict=True):
    show(ax, pairs[pair][which, 0], xlabel=f"accuracy {scores[pair]:.2f}")
for ax, code in zip(axes[0], codes, strict=True):
    ax.set_title(code)
for ax, decoder in zip(axes[:, 0], decoders, strict=True):
    ax.set_ylabel(f"decoder: {decoder}")
plt.show()

# %% [markdown]
# Columns are codes, rows are decoders, all on a scale from 0 to 1. The matching pairs score 0.98.
# Count a first-spike code (top, second and third) and every pixel that fired is 1/33: the
# accuracy falls to 0.12, close to chance. If black pixels fire too, the picture is perfectly blank.
#
# The middle column is the treacherous one. Black pixels are silent there, so the count still
# tells ink from paper. A reader that is trained on such silhouettes reaches 0.91 (printed above),
# against 0.98 on brightness. A network would train, the loss would fall, the result would look
# respectable, and every spike time was thrown away. Only the right decoder beside it shows it.
#
# ### The same fault in a loss
#
# It also happens at the output. Ten output neurons, one per class, fire once each; the right one
# (class 3) fires first. Score them by count, and by time.

# %%
times = torch.tensor([9, 14, 11, 2, 17, 8, 12, 15, 6, 18])  # step of each class's spike
out = F.one_hot(times, 20).T[:, None].float().requires_grad_()  # [T, B, classes]
target = torch.tensor([3])
losses = {"by count": F.cross_entropy(out.sum(0), target)}
losses["by time"] = F.cross_entropy(len(out) - jarvis.first_spike_decode(out), target)
gradients = {name: torch.autograd.grad(loss, out)[0][:, 0] for name, loss in losses.items()}
for name, loss in losses.items():
    print(f"scored {name}: loss {loss.item():.3f} (ln 10 = {np.log(10):.3f})")

# %%
fig, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
for ax, (name, slope_at) in zip(axes, gradients.items(), strict=True):
    ax.step(range(20), slope_at[:, 8], where="mid", color=ORANGE, label="wrong class, fires at 6")
    ax.step(range(20), slope_at[:, 3], where="mid", color=BLUE, label="right class, fires at 2")
    ax.set(xlabel=f"time (steps of {dt:g} ms)", xticks=range(0, 20, 2), title=f"scored {name}")
axes[0].set_ylabel("gradient of the loss\nwith respect to the spike")
axes[1].legend()
plt.show()

# %% [markdown]
# What one more spike at each step would do to the loss. Scored by count (left), the loss is
# exactly ln 10, chance, although the right neuron fired first. Its gradient is flat: it asks for
# more spikes of the right class and fewer of the others, and it cannot say *when*. Scored by time
# (right), the loss is 0.02. The gradient is steepest at each neuron's own spike, which decides.
# Before it, an extra spike would make the neuron earlier, by more the earlier it comes. After it,
# the gradient is zero: a second spike changes nothing. Rule: **choose encoder, loss and decoder
# together.**
#
# ## 5. Who turns brightness into a time in a real neuron?
#
# The first-spike code needs a clock that computes $1-x$. A leaky neuron needs none. Under a
# constant current $x$ its potential charges like a capacitor,
# $v(t) = x\,(1 - e^{-t/\tau})$, and it fires at the threshold $\theta$. Solve for the time:
#
# $$t = \tau \ln \frac{x}{x - \theta}, \qquad x > \theta .$$

# %%
tau, theta = 10.0, 0.2  # ms, threshold
shown = torch.tensor([[0.95, 0.6, 0.4, 0.26, 0.15]])
drive = jarvis.constant_drive(shown, tau, dt).expand(40, -1, -1)
neuron = jarvis.LIFLayer(tau=tau, dt=dt, threshold=theta, reset="none")
_, _, potential = neuron(drive, trace=True)
t_fine = torch.linspace(0, 40, 400)
t_spike = tau * torch.log(shown / (shown - theta))  # NaN where x < theta: it never fires
print("spike times (ms):", [round(t, 2) for t in t_spike[0].tolist()])

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.4))
for k, color in enumerate((BLUE, ORANGE, GREEN, RED, GREY)):
    value = shown[0, k].item()
    left.plot(t_fine, value * (1 - torch.exp(-t_fine / tau)), color=color, label=f"x = {value:g}")
    left.plot(range(1, 41), potential.v[:, 0, k], ".", color=color, ms=3)
    left.plot(t_spike[0, k], theta, "v", color=color, ms=8)
left.axhline(theta, color=GREY, ls="--", lw=1)
left.set(xlabel="time (ms)", ylabel="potential v", ylim=(0, 0.5), xlim=(0, 40))
left.legend(ncols=2)
grey = torch.linspace(0.201, 1, 200)[None]
code = jarvis.latency_encode(grey, 40, tau=tau, threshold=theta, dt=dt)
closed = tau * torch.log(grey / (grey - theta))
right.plot(grey[0], jarvis.first_spike_decode(code, dt)[0], ".", color=BLUE, ms=4)
right.plot(grey[0], closed[0], color=GREY, label=r"$\tau\,\ln(x/(x-\theta))$")
right.set(xlabel="brightness x", ylabel="spike time (ms)", ylim=(0, 39))
right.legend()
plt.show()

# %% [markdown]
# Left: charging curves (lines: closed form; small dots: `LIFLayer`), with a triangle where each
# crosses the threshold (dashed). The grey one never does. Right: spike times of `latency_encode`
# (blue) under the closed form (line), rounded down to a whole step.
#
# ### What does this code keep?
#
# Invert it: $x = \theta / (1 - e^{-t/\tau})$. All values that fire in the same step are read as
# one value. Where are the steps of the staircase wide?


# %%
def read_latency(spikes: torch.Tensor, tau: float) -> torch.Tensor:
    """Brightness from the middle of the step of the first spike; silent means 0."""
    t = jarvis.first_spike_decode(spikes, dt) + dt / 2
    return (theta / (1 - torch.exp(-t / tau))).clamp(0, 1) * (spikes.sum(0) > 0)


some = torch.tensor([[1.0, 0.9, 0.8, 0.7, 0.5, 0.4, 0.3, 0.25, 0.1]])
seen = {"brightness": some, "ttfs_encode": encoding.ttfs_decode(jarvis.ttfs_encode(some, window))}
for slow in (10.0, 40.0):  # ms
    s = jarvis.latency_encode(some, window, tau=slow, threshold=theta, dt=dt)
    seen[f"latency {slow:.0f} ms"] = read_latency(s, slow)
for name, values in seen.items():
    print(f"{name:14}", *(f"{v:5.2f}" for v in values[0]))

# %% [markdown]
# Brightness in, and brightness read back after 33 steps of 1 ms. The linear code has 33 even steps.
# The neuron with $\tau$ = 10 ms resolves dark greys finely and white coarsely: everything above
# 0.77 falls into one step, because a strong current crosses the threshold within 3 ms. A slower
# neuron ($\tau$ = 40 ms) spreads the bright values out and loses the dark ones: below $x$ = 0.36
# the spike would come after the window has closed. Values below $\theta$ never fire at all.
#
# ## 6. What if nothing happens most of the time?
#
# A camera that looks at a wall sends the same picture again and again. An event camera sends
# nothing. Each pixel remembers a reference level and reports only changes: an ON spike when the
# signal is a threshold above the reference, OFF when it is a threshold below. The reference then
# moves by one threshold. To rebuild, add up: ON minus OFF, times the threshold. That
# is `jarvis.encoding.delta_decode`.


# %%
def slide(speed: float, n_steps: int) -> torch.Tensor:
    """The digit moves left through a window, `speed` in pixels per ms: ``[T, 1, 8, 16]``."""
    wide = F.pad(picture[:, 0], (16, 17))  # [1, 8, 41]
    frames = []
    for t in range(n_steps):
        i, part = divmod(min(t * dt * speed, 24.0), 1.0)
        now, later = wide[..., int(i) : int(i) + 16], wide[..., int(i) + 1 : int(i) + 17]
        frames.append((1 - part) * now + part * later)
    return torch.stack(frames)


step_size = 0.1
film = slide(speed=0.1, n_steps=240)
clock = dt * np.arange(len(film))
events = jarvis.delta_encode(film, step_size)  # [T, B, 2, 8, 16]: ON, OFF
back = encoding.delta_decode(events, step_size, start=film[0])
print(f"{int(events.sum())} events; largest error {float((back - film).abs().max()):.3f}")

# %%
change = events[:, 0, 0] - events[:, 0, 1]  # [T, 8, 16]: ON minus OFF
left, right = plt.figure(figsize=(12, 4)).subfigures(1, 2, width_ratios=[1, 1.2])
top, bottom = left.subplots(2, 1, height_ratios=[3, 1], sharex=True)
top.plot(clock, film[:, 0, 3, 8], color=GREY, label="signal of one pixel")
top.step(clock, back[:, 0, 3, 8], where="post", color=BLUE, label="rebuilt from events")
top.set_ylabel("brightness")
top.legend()
plotting.raster(events[:, 0, :, 3, 8], dt=dt, ax=bottom)
bottom.set(xlim=(60, 170), yticks=[0, 1], yticklabels=["ON", "OFF"], ylabel="event")
for column, t in zip(right.subplots(3, 3).T, (80, 130, 180), strict=True):
    show(column[0], film[t - 1, 0], title=f"film, t = {t * dt:g} ms")
    show(column[1], change[t - 10 : t].sum(0), ("bwr", -4, 4), title="events of the last 10 ms")
    show(column[2], back[t - 1, 0], title="rebuilt")
plt.show()

# %% [markdown]
# Left: one pixel while the 6 passes it. Events come where the brightness changes and none
# where it rests. The staircase never leaves the signal by a full threshold.
#
# Right: three moments of the film. The middle row is what an event camera sends: red where
# it got brighter, blue where it got darker, nothing on still ground. The bottom row adds up all
# events since the start. The start itself (a black view) must be known: events tell changes only.
#
# ### Guess: what if the digit moves faster?
#
# At most one event fits into a step. The film above moves at 0.1 pixels per ms. At which speed
# does the reconstruction break?
#
# <details><summary>Make a guess, then open</summary>
#
# The reference can follow one threshold per step, 0.1 per ms. Neighbouring pixels differ by up to
# 1, so the brightness changes by up to `speed` per ms. Above 0.1 pixels per ms the reference can
# fall behind. Engineers call it slope overload.
#
# </details>

# %%
speeds = [0.02, 0.05, 0.1, 0.2, 0.4, 0.8]
print("speed (pixels/ms) ", *(f"{speed:12g}" for speed in speeds))
for size in (0.05, 0.1, 0.2):
    row = []
    for speed in speeds:
        moving = slide(speed, round(24 / speed / dt) + 1)
        sent = jarvis.delta_encode(moving, size)
        worst = (encoding.delta_decode(sent, size, moving[0]) - moving).abs().max()
        row.append(f"{worst.item():5.2f}, {int(sent.sum()):5d}")
    print(f"threshold {size:4g}:   ", *row)

# %% [markdown]
# Each entry is the largest error and the number of events for one passage. The error stays within
# the threshold while the speed is at most $\theta$/dt, and then climbs. A fine threshold costs more
# events, until they no longer fit. A small threshold is exact and slow, a large one coarse and
# fast. A smaller `dt` helps here, unlike in section 2.
#
# ## 7. How do you read a rate that changes?
#
# `rate_decode` averages over everything, also over what is long past. `trace_decode` forgets: a
# spike counts $e^{-\mathrm{age}/\tau}$. Divided by the trace of a neuron that always fires, it is
# a running estimate of $p$. A pixel drops from 0.8 to 0.2 after 150 ms.

# %%
signal = torch.tensor([0.8, 0.2]).repeat_interleave(150)
drop = (torch.rand((300, n_copies), generator=rng()) < signal[:, None]).float()  # [T, B]
so_far = [drop[: t + 1] for t in range(300)]
running = {"rate_decode": torch.stack([jarvis.rate_decode(s) for s in so_far])}
for t in (5.0, 50.0):  # ms
    trace = torch.stack([encoding.trace_decode(s, t, dt) for s in so_far])
    always = torch.stack([encoding.trace_decode(torch.ones(len(s), 1), t, dt) for s in so_far])
    running[f"trace_decode, τ = {t:g} ms"] = trace / always

# %%
fig, ax = plt.subplots(figsize=(8, 3.4))
ax.plot(range(300), signal, color="black", lw=1, ls="--", label="p")
for (name, estimate), color in zip(running.items(), (GREY, ORANGE, BLUE), strict=True):
    middle, width = estimate.mean(1), estimate.std(1)
    ax.plot(range(300), estimate[:, 0], color=color, lw=1, label=name)
    ax.fill_between(range(300), middle - width, middle + width, color=color, alpha=0.2, lw=0)
ax.set(xlabel="time (ms)", ylabel="estimated p", ylim=(0, 1.05))
ax.legend(ncols=2)
plt.show()

# %% [markdown]
# One neuron's estimate (line) and the spread over many copies (band). The average over
# everything is the least noisy and the last to notice: at 300 ms it still says 0.5. The fast trace
# follows at once and trembles. A trace is a count over an effective window
# $T_{\mathrm{eff}} = \frac{1+\beta}{1-\beta} \approx 2\tau/\mathrm{dt}$ with
# $\beta = e^{-\mathrm{dt}/\tau}$, so its error is $\sqrt{p(1-p)/T_{\mathrm{eff}}}$: the same law.
#
# ## 8. What does time cost?
#
# Now the comparison. The reader from section 4 was trained on clean pictures and stays fixed. It
# reads decoded pictures from each code, for several T. We note the accuracy, the duration and the
# spikes per picture. The rate code runs twice: at 1000 Hz, a spike in every step, and at 100 Hz.


# %%
def rate_code(n: int, rate: float):
    """Encoder and decoder of a rate code: `n` steps, white fires at `rate` in Hz."""
    return (
        lambda x, g: jarvis.poisson_encode(x, n, max_rate=rate, dt=dt, generator=g),
        lambda s: jarvis.rate_decode(s, dt) / rate,
    )


def first_code(n: int):
    """Encoder and decoder of a first-spike code of `n` steps."""
    return lambda x, g: jarvis.ttfs_encode(x, n), encoding.ttfs_decode


def score(code, spoil=None, level=0.0) -> np.ndarray:
    """Accuracy and spikes per picture of a code, averaged over new random spikes."""
    encode, decode = code
    rows = []
    for k in range(n_draws):
        s = encode(pictures, rng(k))
        read = decode(s if spoil is None else spoil(s, level, rng(100 + k)))
        rows.append((accuracy(read), s.sum().item() / n_test))
    return np.mean(rows, axis=0)


# %%
durations = [2, 3, 5, 9, 17, 33, 65, 129]  # steps
curve = {
    "first spike": np.array([score(first_code(n)) for n in durations]),
    "rate, 1000 Hz": np.array([score(rate_code(n, 1000.0)) for n in durations]),
    "rate, 100 Hz": np.array([score(rate_code(n, 100.0)) for n in durations]),
}

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9.5, 3.5), sharey=True)
for (name, rows), color in zip(curve.items(), (BLUE, ORANGE, RED), strict=True):
    left.semilogx(dt * np.array(durations), rows[:, 0], "o-", ms=4, color=color, label=name)
    right.semilogx(rows[:, 1], rows[:, 0], "o-", ms=4, color=color)
for ax in (left, right):
    ax.axhline(0.1, color=GREY, ls=":", lw=1, label="chance")
    ax.axhline(clean, color=GREY, ls="--", lw=1, label="clean pictures")
left.set(xlabel="duration of the picture (ms)", ylabel="accuracy")
right.set(xlabel="spikes per picture")
left.legend()
plt.show()

# %% [markdown]
# The same points, against time (left) and against spikes (right). With 5 ms the first-spike code
# reads 0.98 of the digits with 33 spikes. The rate code at 1000 Hz reaches 0.96 in that time, with
# 98 spikes. At 100 Hz it reads 0.44 after 5 ms and needs 129 ms for 0.95.
#
# Why is 100 Hz worse even *per spike* (right)? Section 2 has the answer. At 1000 Hz a white pixel
# fires at every step; its coin has no luck, its variance $p(1-p)$ is zero. At 100 Hz $p \le 0.1$,
# and every pixel, white ones too, has the full Poisson noise $x/(RD)$. The irregularity costs, not
# the low rate as such. Note also how little a digit needs: in 2 ms, on three grey levels, the rate
# code at 1000 Hz reads 0.92. A task that hangs on fine greys would separate the codes more.
#
# ## 9. What does noise cost?
#
# Spikes on real wires arrive a little early or late, get lost, or come from nowhere. Three small
# functions do that to any spike train.
#
# The contest must be fair in time and in spikes. So several versions enter: the first-spike code
# in 33 ms and in 5 ms; the rate code with all the spikes it wants (1000 Hz for 33 ms); and the rate
# code on the first-spike *budget*, spent slowly (the same 33 ms at a low rate) or at once (2 ms).


# %%
def jitter(spikes: torch.Tensor, sigma: float, generator: torch.Generator) -> torch.Tensor:
    """Move every spike by a Gaussian of `sigma` ms; the window's edges stop it."""
    t, *rest = spikes.nonzero(as_tuple=True)
    shift = torch.randn(len(t), generator=generator) * sigma / dt
    t = (t + shift).round().long().clamp(0, len(spikes) - 1)
    return torch.zeros_like(spikes).index_put_((t, *rest), torch.ones(len(t)), accumulate=True)


def lose(spikes: torch.Tensor, share: float, generator: torch.Generator) -> torch.Tensor:
    """Remove every spike with probability `share`."""
    return spikes * (torch.rand(spikes.shape, generator=generator) >= share)


def add(spikes: torch.Tensor, rate: float, generator: torch.Generator) -> torch.Tensor:
    """Spikes of no meaning, `rate` in Hz on every line; a step holds one at most."""
    extra = torch.rand(spikes.shape, generator=generator) < rate * dt / 1000
    return torch.maximum(spikes, extra.float())


# %%
# The white pixel's rate (Hz) that spends one spike per ink pixel, as the first-spike code does.
budget = (pictures > 0).sum().item() / pictures.sum().item() / (window * dt) * 1000
contest = {
    "first spike, 33 ms": first_code(window),
    "first spike, 5 ms": first_code(5),
    "rate 1000 Hz, 33 ms": rate_code(window, 1000.0),
    "rate 51 Hz, 33 ms": rate_code(window, budget),
    "rate 1000 Hz, 2 ms": rate_code(2, 1000.0),
}
for name, code in contest.items():
    acc, sent = score(code)
    print(f"{name:20}: accuracy {acc:.3f}, {sent:6.1f} spikes per picture")

# %% [markdown]
# ### Guess before you look
#
# Which code suffers from jitter? Which from lost spikes? Which from extra spikes?
#
# <details><summary>Make a guess, then open</summary>
#
# A count does not care when its spikes come: jitter costs the rate code nothing as long as the
# spikes stay in the window. Lost spikes only dim it a little, lost first spikes are lost pixels.
# An extra spike adds one to a count; in a first-spike code it replaces the message if it comes
# earlier.
#
# </details>

# %%
noises = ["clean", "jitter 4 ms", "30 % lost", "20 Hz added"]
spoilers = [(lose, 0.0), (jitter, 4.0), (lose, 0.3), (add, 20.0)]
fig, axes = plt.subplots(5, 4, figsize=(6.5, 8))
for line, (name, (encode, decode)) in zip(axes, contest.items(), strict=True):
    for ax, noise, (spoil, level) in zip(line, noises, spoilers, strict=True):
        seen = decode(spoil(encode(picture, rng()), level, rng(1)))
        show(ax, seen[0, 0], xlabel=noise, ylabel=name.replace(", ", ",\n"))
        ax.label_outer()
plt.show()

# %% [markdown]
# One 6 in five codes (rows), clean and under three kinds of noise. Jitter blurs the greys of the
# first-spike code, and ruins the short one. Losses punch holes into it, extra spikes put dots on
# black paper. The long rate code hardly changes. On the budget, spent slowly, it is poor even when
# clean; spent at once it is coarse, but in 2 ms hardly any extra spike finds time to come.

# %%
levels = {
    "jitter (ms)": (jitter, [0, 1, 2, 4, 8, 16]),
    "share of lost spikes": (lose, [0, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8]),
    "added spikes per pixel (Hz)": (add, [0, 2, 5, 10, 20, 50, 100]),
}
styles = [(BLUE, "o-"), (BLUE, "s:"), (ORANGE, "o-"), (RED, "o-"), (RED, "s:")]
noisy = {}  # (noise, code) -> accuracy at each level

# %%
fig, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True)
for ax, (noise, (spoil, values)) in zip(axes, levels.items(), strict=True):
    for (name, code), (color, style) in zip(contest.items(), styles, strict=True):
        noisy[noise, name] = [score(code, spoil, level)[0] for level in values]
        ax.plot(values, noisy[noise, name], style, ms=4, color=color, label=name)
    ax.axhline(0.1, color=GREY, ls=":", lw=1)
    ax.set(xlabel=noise, ylim=(0, 1))
axes[0].set_ylabel("accuracy (dotted: chance)")
axes[0].legend()
plt.show()

# %% [markdown]
# Accuracy against the strength of the noise. Solid lines are codes of 33 ms, dotted ones short.
#
# * **Jitter.** A count is indifferent by construction. The first-spike code is off by sigma/32
#   per pixel: 4 ms cost little (0.97), 16 ms are half the window and cost more (0.83). Squeezed
#   into 5 ms, the same 4 ms of jitter are ruinous (0.69).
# * **Lost spikes.** At 30 % lost, the first-spike code falls to 0.79. The long rate code stays at
#   0.96: with twenty times the spikes it can afford it. On the budget, spent at once, it is at
#   0.80: no better than the first-spike code.
# * **Added spikes.** What counts is the time of exposure. At 100 Hz the first-spike code of 33 ms
#   is at 0.39, the one of 5 ms at 0.86, and the 2 ms rate code at 0.87.
#
# So no code wins everywhere. Many spikes buy robustness against everything. With few spikes, a
# timed code is the better one where the clock is good, and should be as short as the jitter allows.
#
# One caution: the reader never saw noise while it learned. A network trained on noisy spikes may
# win a part of the cost back. `04_toy_classifier` trains one on Poisson spikes.
#
# ## 10. The library does the same
#
# Three encoders by hand, in a line or a few each, and the simulated neuron, against `jarvis`. Same
# random numbers, same spikes.

# %%
by_hand = (torch.rand((50, *pictures.shape), generator=rng()) < pictures * 0.2).float()
assert torch.equal(by_hand, jarvis.poisson_encode(pictures, 50, max_rate=200.0, generator=rng()))

by_hand = torch.zeros(33, *pictures.shape)
for t in range(33):
    by_hand[t] = (((1 - pictures) * 32).round() == t) & (pictures > 0)
assert torch.equal(by_hand, jarvis.ttfs_encode(pictures, 33))

reference, by_hand = film[0].clone(), torch.zeros(len(film), 1, 2, 8, 16)
for t in range(len(film)):
    by_hand[t, :, 0] = film[t] - reference >= step_size
    by_hand[t, :, 1] = reference - film[t] >= step_size
    reference += step_size * (by_hand[t, :, 0] - by_hand[t, :, 1])
assert torch.equal(by_hand, jarvis.delta_encode(film, step_size))
print("poisson_encode, ttfs_encode and delta_encode: equal, spike by spike")

values = torch.rand((1, 200), generator=rng(), dtype=torch.float64)
simulated, _ = neuron(jarvis.constant_drive(values, tau, dt).expand(40, -1, -1))
encoded = jarvis.latency_encode(values, 40, tau=tau, threshold=theta)
simulated_steps = jarvis.first_spike_decode(simulated.double().cumsum(0).clamp(0, 1))
assert torch.equal(simulated_steps, jarvis.first_spike_decode(encoded))
print("latency_encode and the simulated neuron: equal")

# %%
# Relations that also hold in a shortened run.
assert abs(slope + 0.5) < 0.05
assert abs(measured[6] / predicted[6] - 1) < 0.1
assert np.allclose(first_error, rounding, rtol=0.1)
assert digit_error[list(lengths).index(17)] < 1e-6
assert np.allclose(errors, theory, rtol=0.1)
assert (back - film).abs().max() < step_size + 1e-5
assert scores["first spike", "first time"] > scores["first spike", "count"] + 0.3
assert abs(losses["by count"].item() - np.log(10)) < 1e-6
assert losses["by time"].item() < 0.1
knob = [compute_code(CodeSettings(digit=3, max_rate=rate)).errors[0] for rate in (200.0, 1000.0)]
assert knob[1] < knob[0] / 3
first_33, rate_33 = "first spike, 33 ms", "rate 1000 Hz, 33 ms"
jittered = noisy["jitter (ms)", rate_33]
assert max(jittered) - min(jittered) < 1e-9  # a count does not know about time
assert noisy["share of lost spikes", first_33][3] < noisy["jitter (ms)", first_33][0]
beta = float(np.exp(-dt / 5.0))
trace_spread = running["trace_decode, τ = 5 ms"][100:150].std(1).mean().item()
trace_theory = (0.8 * 0.2 * (1 - beta) / (1 + beta)) ** 0.5
assert abs(trace_spread - trace_theory) < 0.15 * trace_theory

# %%
lost, added = "share of lost spikes", "added spikes per pixel (Hz)"
numbers = {  # what the text says, what this run measured
    "slope": (-0.50, slope),
    "rate_error_64_percent": (3.3, 100 * measured[6]),
    "first_error_65_percent": (0.45, 100 * first_error[list(lengths).index(65)]),
    "clean": (0.98, clean),
    "counted": (0.12, scores["first spike", "count"]),
    "silhouette": (0.91, silhouette),
    "loss_by_time": (0.02, losses["by time"].item()),
    "first_5ms": (0.98, curve["first spike"][2, 0]),
    "rate_5ms": (0.96, curve["rate, 1000 Hz"][2, 0]),
    "jitter_4": (0.97, noisy["jitter (ms)", first_33][3]),
    "jitter_16": (0.83, noisy["jitter (ms)", first_33][5]),
    "lost_30_first": (0.79, noisy[lost, first_33][3]),
    "lost_30_rate": (0.96, noisy[lost, rate_33][3]),
    "added_100": (0.39, noisy[added, first_33][6]),
    "added_100_first_5": (0.86, noisy[added, "first spike, 5 ms"][6]),
    "added_100_rate_2": (0.87, noisy[added, "rate 1000 Hz, 2 ms"][6]),
    "jitter_4_first_5": (0.69, noisy["jitter (ms)", "first spike, 5 ms"][3]),
    "lost_30_rate_2": (0.80, noisy[lost, "rate 1000 Hz, 2 ms"][3]),
    "rate_2ms": (0.92, curve["rate, 1000 Hz"][0, 0]),
    "slow_5ms": (0.44, curve["rate, 100 Hz"][2, 0]),
    "slow_129ms": (0.95, curve["rate, 100 Hz"][7, 0]),
}
stated, here = ({k: pair[i] for k, pair in numbers.items()} for i in (0, 1))
record("results/03_spike_codes.json", stated, here, full=full_run, tolerance=0.006)
print(f"{len(stated)} numbers of the text agree with the full run")

# %% [markdown]
# ## Exercises
#
# Each function below is empty: fill it in and run the cell. The check tries your function on fresh
# random input, and says in words what is wrong; run it as often as you like. When you are right,
# the cell goes on and measures. Solutions are in `solutions/03_spike_codes.ipynb`.
#
# ### Exercise 1: How many steps?
#
# How many steps T does a Poisson-coded pixel of brightness p need at least, so that the standard
# deviation of its estimate is at most `error`?


# %%
def steps_for(p: float, error: float) -> int:
    """The smallest T, at least 1."""
    # your code


if check.steps_for(steps_for):
    for x, error in [(0.5, 0.05), (0.3, 0.02), (0.9, 0.03)]:
        s = torch.full((2000, 1), x)
        s = jarvis.poisson_encode(s, int(steps_for(x, error)), generator=rng())
        print(f"p = {x}, T = {len(s)}: wanted {error}, measured {s.mean(0).std().item():.4f}")

# %% [markdown]
# ### Exercise 2: Bits per spike
#
# A brightness has K equally likely levels, which is $\log_2 K$
# bits. Code (a) sends level k = 0 ... K-1 as k spikes. Code (b) sends one spike in one of K steps.
# Return the bits per spike of both: bits over the mean number of spikes.


# %%
def bits_per_spike(levels: int) -> tuple[float, float]:
    """The bits per spike of (count, first spike)."""
    # your code


if check.bits_per_spike(bits_per_spike):
    for k in (2, 4, 16, 64):
        count, first = bits_per_spike(k)
        print(f"{k:2d} levels: count {count:.2f}, timed {first:.2f} bits per spike")

# %% [markdown]
# ### Exercise 3: An OFF channel
#
# Part of the retina's cells report darkness. Let a second channel
# send `ttfs_encode(1 - x)`, so that dark pixels fire early there. With `silent_below=-1` every
# pixel fires in both channels and has two chances to be heard. Decode both, after 30 % of all
# spikes were lost: average the two values where both channels fired, take the one that fired where
# only one did, and 0 where none did. `on` and `off` are `[T, B, 1, 8, 8]`.


# %%
def read_on_off(on: torch.Tensor, off: torch.Tensor) -> torch.Tensor:
    """The brightness [B, 1, 8, 8] that both channels tell."""
    # your code


if check.read_on_off(read_on_off):
    on = lose(jarvis.ttfs_encode(pictures, window, silent_below=-1), 0.3, rng(1))
    off = lose(jarvis.ttfs_encode(1 - pictures, window, silent_below=-1), 0.3, rng(2))
    alone, both = rms(encoding.ttfs_decode(on) - pictures), rms(read_on_off(on, off) - pictures)
    print(f"RMS error: ON only {alone:.3f}, with OFF {both:.3f}")

# %% [markdown]
# ### Exercise 4: Nobody told you when it began
#
# Each picture comes with a delay of its own, which nobody tells. `ttfs_decode` takes every pixel
# for darker than it is. Decode relative to the earliest spike of each picture instead, which you
# may take for white; a silent pixel stays black. `spikes` is `[T, B, 1, 8, 8]` and longer than the
# code, which had `n_steps` steps.


# %%
def read_relative(spikes: torch.Tensor, n_steps: int) -> torch.Tensor:
    """The brightness [B, 1, 8, 8], whatever the delay."""
    # your code


if check.read_relative(read_relative):
    delayed = torch.cat([torch.zeros(12, *pictures.shape), jarvis.ttfs_encode(pictures, window)])
    print(f"accuracy: clean {clean:.3f}, delayed {accuracy(read_relative(delayed, window)):.3f}")

# %% [markdown]
# ## Summary
#
# 1. A rate code needs two lines. Its error is $\sqrt{p(1-p)/T}$: half of it costs four times
#    the time.
# 2. $p = x\cdot$ `max_rate` $\cdot$ `dt` / 1000. `max_rate` times the duration decides the error;
#    a finer `dt` does not.
# 3. A first-spike code spends one spike per pixel and is off by $1/(\sqrt{12}(T-1))$, rounding.
# 4. A charging neuron fires at $\tau\ln\frac{x}{x-\theta}$. It is fine for dark greys, coarse for
#    bright ones, and silent below $\theta$.
# 5. Delta modulation reports changes. Summing the events rebuilds the signal to within one
#    threshold, as long as it moves by no more than a threshold per step.
# 6. Counting a first-spike code leaves a silhouette or nothing. Encoder, decoder and loss are one
#    choice.
# 7. Spikes buy robustness. Jitter does not touch a count; it limits how short a first-spike code
#    can be. Every lost spike hurts a code that has few. Extra spikes hurt in proportion to the time
#    that one listens.
#
# | code | decoder | spikes per picture | error comes from |
# |---|---|---|---|
# | `poisson_encode` | `rate_decode`, `trace_decode` | grows with T | chance, $1/\sqrt T$ |
# | `ttfs_encode` | `ttfs_decode` | one per ink pixel | rounding, $1/T$ |
# | `latency_encode` | `first_spike_decode`, inverted | one where $x > \theta$ | uneven rounding |
# | `delta_encode` | `delta_decode` | one per change | threshold, slope overload |
#
# ## Further reading
#
# * W. Gerstner, W. Kistler, R. Naud, L. Paninski, *Neuronal Dynamics*, Cambridge 2014, chapter 7:
#   what "rate" can mean, and Poisson spike trains.
# * S. Thorpe, J. Gautrais, *Rank order coding*, in Computational Neuroscience: Trends in Research
#   1998: why one spike per neuron may be all there is time for.
# * B. Rueckauer, S.-C. Liu, *Conversion of analog to spiking neural networks using sparse temporal
#   coding*, ISCAS 2018: first-spike codes in deep networks.
# * P. Lichtsteiner, C. Posch, T. Delbruck, *A 128x128 120 dB 15 µs latency asynchronous temporal
#   contrast vision sensor*, IEEE J. Solid-State Circuits 43(2), 2008: delta modulation in silicon.
# * F. Rieke, D. Warland, R. de Ruyter van Steveninck, W. Bialek, *Spikes: Exploring the Neural
#   Code*, MIT Press 1997: bits per spike, measured.
