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
# # Add a neuron, a rule and a lesson of your own
#
# This lesson is for contributors. You see how a neuron and a learning rule are added and tested,
# and you write a test and a check. To write only a lesson, go to section 4. The page [How to add a
# neuron, a rule, a lesson](../docs/extending.md) has the steps in full.
#
# **Time.** 50 minutes for you, 20 seconds for the machine.
#
# **You need.** [604](604_your_neuron.ipynb): how a neuron is defined. [401](401_stdp.ipynb): a
# learning rule with traces.
#
# **Leads to.** [CONTRIBUTING](../CONTRIBUTING.md): how to set up, and what a change must pass.
#
# ## Objectives
#
# After this lesson you can
#
# 1. choose tests by the mistakes they notice, and find the mistakes that no test notices,
# 2. write a rule with traces, and test it against a plain sum over all pairs of spikes,
# 3. predict where a rule settles, and show it,
# 4. name the parts of a lesson, and write a check that tells a learner what is wrong.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import inspect
import itertools
import math
import re
from dataclasses import dataclass, replace
from typing import NamedTuple

import jupytext
import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import Tensor

from jarvis.classroom import lesson
from jarvis.classroom.check import template as check
from jarvis.classroom.check.verdict import Wrong, exercise, near, number
from jarvis.classroom.results import in_repository, marks, record
from jarvis.neurons import Parameters, SpikingLayer, define, derived, exp_decay, parameter
from jarvis.plotting import BLUE, GREY, ORANGE, RED
from jarvis.stdp import PairState, TraceRule, outer
from jarvis.surrogate import Spike

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "duration": 304.0}}
full_run = True
seed = 0
tau = 20.0  # membrane time constant tau_m, ms
coarse = 5.0  # a step at which a bad method shows, ms
target = 10.0  # rate that the rule should reach, Hz
duration = 12_000.0  # of that simulation, ms: a multiple of 8, for eight bins

# %%
F64 = torch.float64  # tests compute in double precision


def fixed(number=seed):
    return torch.Generator().manual_seed(number)


# %% [markdown]
# ## 1. What goes into a neuron's file?
#
# Parameters, a state and one step, in `jarvis/neurons/NAME.py`. Our example is a [quadratic
# integrate-and-fire neuron](../docs/glossary.md#quadratic-integrate-and-fire-neuron). The neuron's
# leak conductance, $1 - v$, is negative beyond the threshold, 1:
#
# $$\tau_m\,\frac{dv}{dt} = -(1 - v)\,v + I .$$
#
# So beyond 1, $v$ rises by itself. When $v$ passes `v_peak` = 3, the neuron spikes, and $v$ is set
# to `v_reset`. A first draft uses Euler's method. But without input, $v/(1-v)$ decays like
# $e^{-t/\tau_m}$, so there is a closed form. Start at $v$ = 1.1, with a coarse step. When do
# Euler's method and the closed form pass 3?


# %%
def closed_form(t, v_0=1.1):
    """v(t) without input, until v becomes infinite."""
    ratio = v_0 / (1 - v_0) * np.exp(-t / tau)
    return ratio / (1 + ratio)


def euler(v):
    return v - coarse / tau * (1 - v) * v


def exact(v):
    q = math.exp(-coarse / tau)
    return q * v / (1 - (1 - q) * v)


def rise(advance, v=1.1):
    """v from 1.1 on, after each step, up to the first value above 3."""
    values = [v]
    while values[-1] < 3:
        values.append(advance(values[-1]))
    return np.array(values)


upstroke = tau * math.log(1.1 / 0.1 * (3 - 1) / 3)  # when v has come from 1.1 to 3, ms
rises = {"Euler's method": rise(euler), "exact step": rise(exact)}
late = coarse * (len(rises["Euler's method"]) - 1)
found = rises["exact step"]
assert np.allclose(found, closed_form(coarse * np.arange(len(found))))

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(5.5, 3))
fine = np.linspace(0, 42, 200)
ax.plot(fine, closed_form(fine), color="black", lw=1, label="closed form")
for (name, values), color in zip(rises.items(), (ORANGE, BLUE), strict=True):
    ax.plot(coarse * np.arange(len(values)), values, "o", color=color, ms=5, label=name)
ax.axhline(1, color=GREY, ls="--", lw=1)
ax.set(xlabel="time (ms)", ylabel="potential v (threshold = 1)", ylim=(0.8, 4.4))
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# *The figure shows a neuron that starts above its threshold (dashed), without input.* Euler's
# method has passed 3 after 50<!-- late 0.1 --> ms, two steps late; the closed form passes 3 at
# 39.85<!-- upstroke 0.01 --> ms. So the step is $h = q v / (1 - (1-q)\,v) + x$, with
# $q = e^{-dt/\tau_m}$. The input, $x = I\,dt/\tau_m$, is added at the end of the step, which is
# accurate only for small $dt$. A $v$ of $1/(1-q)$ or more becomes infinite within the step.
#
# Write the parameters with their units and bounds; the base class checks them.


# %%
@dataclass(frozen=True)
class QIFParams(Parameters):
    """Times tau and dt in ms; potentials v_peak and v_reset in threshold units."""

    tau: float | Tensor = parameter(20.0, "ms", above=0)
    dt: float = parameter(1.0, "ms", above=0, fixed=True)
    v_peak: float | Tensor = parameter(3.0, above=1)
    v_reset: float | Tensor = parameter(0.0, below=1)  # from above 1, v rises without input

    def __post_init__(self):
        super().__post_init__()
        highest = torch.as_tensor(1 / (1 - self.decay))
        if not (self.v_peak < highest).all():
            raise ValueError(
                f"v_peak={self.v_peak!r} must be below {highest.min():.3g}, from where v becomes "
                f"infinite within dt={self.dt:g} ms: lower it, or take a smaller dt"
            )

    @derived
    def decay(self):
        return exp_decay(self.tau, self.dt)


class QIFState(NamedTuple):
    v: Tensor  #: potential after the reset [B, ...] (resting potential 0, threshold 1)


def qif_step(x, state, params, spike):
    """One step of the QIF neuron: x [B, ...] and the state before -> spikes, the state after."""
    v, q = state.v, params.decay
    h = q * v / (1.0 - (1.0 - q) * v) + x
    spikes = spike(h, params.v_peak)  # 1 where h >= v_peak, with a surrogate derivative
    v = h + spike.reset(spikes) * (params.v_reset - h)  # the same spikes, without a gradient
    return spikes, QIFState(v)


# The last argument: where the state starts, at rest.
QIF = define(qif_step, QIFParams, QIFState, lambda params: QIFState(0.0))

# %%
for bad in (dict(tau=0.0), dict(v_reset=1.2), dict(v_peak=25.0)):
    try:
        QIFParams(**bad)
    except ValueError as error:
        print("ValueError:", error)

# %% [markdown]
# A good message names the argument, its value, and what is allowed.
#
# ## 2. Which tests notice most?
#
# The tests in `tests/neurons` use a closed form and a trajectory computed by hand, and check that
# every option changes something and that a step leaves its arguments alone. Textbooks give a closed
# form for the QIF neuron's rate at a constant current: $f = \sqrt{I - 1/4}\,/\,(\pi\tau_m)$ for
# $I > 1/4$. Put it into a test.


# %%
def run(step, x, **options):
    """Spikes and v after each step, both [T, B, ...], by any step."""
    layer = SpikingLayer(replace(QIF, step=step)(**options), backend="eager")
    spikes, _, trace = layer(x, trace=True)
    return spikes, trace.v


def measured_rate(step, current, dt=0.2, duration=250.0):
    """Rates (Hz) at constant currents, from the interval between the first two spikes."""
    x = torch.tensor(current, dtype=F64) * dt / tau
    spikes, _ = run(step, x.expand(round(duration / dt), 1, len(current)), dt=dt)
    at = [np.flatnonzero(spikes[:, 0, k])[:2] * dt for k in range(len(current))]
    return np.array([1000 / (k[1] - k[0]) if len(k) > 1 else 0.0 for k in at])


def textbook(current):
    return 1000 * np.sqrt(np.array(current) - 0.25) / (math.pi * tau)


def test_rate(step):
    found, expected = measured_rate(step, [0.5, 1.0]), expected_rate([0.5, 1.0])
    assert np.allclose(found, expected, rtol=0.01), f"{found.round(2)} Hz, not {expected.round(2)}"


expected_rate = textbook
try:
    test_rate(qif_step)
except AssertionError as error:
    print("AssertionError:", error)
textbook_rate, step_rate = textbook(0.5), measured_rate(qif_step, [0.5])[0]

# %% [markdown]
# The test fails: the step fires much faster. **Look for the cause in the test.**
#
# <details><summary>The cause</summary>
#
# The textbook's neuron goes from minus to plus infinity in each interval. Ours goes from v_reset =
# 0 to v_peak = 3: a shorter path.
#
# </details>
#
# Between finite ends, with $\omega = \sqrt{I - 1/4}$, the interval is
#
# $$T = \frac{\tau_m}{\omega}\left[\arctan\frac{v_{peak} - 1/2}{\omega}
#     - \arctan\frac{v_{reset} - 1/2}{\omega}\right].$$


# %%
def rate_between(current, v_peak=3.0, v_reset=0.0):
    w = np.sqrt(np.array(current) - 0.25)
    interval = tau / w * (np.arctan((v_peak - 0.5) / w) - np.arctan((v_reset - 0.5) / w))
    return 1000 / interval


expected_rate = rate_between
test_rate(qif_step)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
fine, dots = np.linspace(0.251, 2.0, 200), [0.3, 0.5, 0.75, 1.0, 1.5, 2.0]
_, ax = plt.subplots(figsize=(5.5, 3))
ax.plot(fine, textbook(fine), color=RED, ls=":", label="textbook, from -∞ to ∞")
ax.plot(fine, rate_between(fine), color="black", lw=1, label="from v_reset to v_peak")
ax.plot(dots, measured_rate(qif_step, dots, duration=500.0), "o", color=BLUE, label="qif_step")
ax.set(xlabel="current I (threshold = 1)", ylabel="firing rate (Hz)", ylim=0)
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the rate against the current.* At $I = 0.5$ the textbook says
# 7.96<!-- textbook 0.01 --> Hz, the formula with finite ends 11.58<!-- between 0.01 --> Hz, and the
# step fires at 11.55<!-- step 0.01 --> Hz. When a test fails, the test may be wrong.
#
# For the trajectory **by hand**, through a spike and a reset, choose options that reveal mistakes,
# and $q = 1/2$, so that $h = v/(2 - v) + x$.


# %%
def test_by_hand(step):
    # v 0 -> h .8; .8/1.2 + .8 = 22/15: a spike, v = -.5; -.5/2.5 + .8 = .6; .6/1.4 + .8 = 43/35
    options = dict(tau=1 / math.log(2), dt=1.0, v_peak=1.4, v_reset=-0.5)
    spikes, v = run(step, torch.full((4, 1, 1), 0.8, dtype=F64), **options)
    assert spikes.flatten().tolist() == [0, 1, 0, 0]
    assert np.allclose(v.flatten(), [0.8, -0.5, 0.6, 43 / 35])


def test_options(step):
    x = 0.3 * torch.rand(60, 1, 1, generator=fixed(), dtype=F64)
    usual = run(step, x)[1]
    for option in (dict(tau=10.0), dict(dt=2.0), dict(v_peak=1.5), dict(v_reset=0.5)):
        assert not torch.equal(run(step, x, **option)[1], usual), option


def test_pure(step):
    x, v = torch.full((1, 2), 0.1), torch.full((1, 2), 0.5)
    step(x, QIFState(v), QIFParams(), Spike())
    assert (x == 0.1).all()
    assert (v == 0.5).all()


# %% [markdown]
# ### Would a test notice?
#
# A **mutation** is a mistake put into the step on purpose. Which one will every test miss?

# %%
MUTATIONS = {
    "leak: a sign": ("1.0 - (1.0 - q) * v", "1.0 + (1.0 - q) * v"),
    "leak: constant (LIF)": (" / (1.0 - (1.0 - q) * v)", ""),
    "leak: Euler's": ("q * v / (1.0 - (1.0 - q) * v)", "v - params.dt / params.tau * v * (1 - v)"),
    "input: changed in place": ("h = q * v / (1.0 - (1.0 - q) * v) + x",
                                "h = x.add_(q * v / (1.0 - (1.0 - q) * v))"),
    "spike: at the threshold": ("spike(h, params.v_peak)", "spike(h, 1.0)"),
    "reset: to 0": ("(params.v_reset - h)", "-h"),
    "reset: subtracts": ("(params.v_reset - h)", "(params.v_reset - params.v_peak)"),
    "reset: of the whole batch": ("reset(spikes)", "reset(spikes).amax(0, keepdim=True)"),
}  # fmt: skip


# %% tags=["hide-input"] jupyter={"source_hidden": true}
def mutant(old, new):
    """qif_step with a piece of its text replaced."""
    source = inspect.getsource(qif_step)
    assert source.count(old) == 1, old
    space = dict(globals())
    exec(source.replace(old, new), space)
    return space["qif_step"]


def fails(test, step):
    """Whether a test fails for a step, for whatever reason."""
    try:
        test(step)
    except Exception:
        return True
    return False


def plain(step):
    """The step with default parameters, as a function of x and v."""

    def advance(x, v):
        spikes, state = step(x, QIFState(v), QIFParams(), Spike())
        return spikes, state.v

    return advance


# %%
TESTS = [test_rate, test_by_hand, test_options, test_pure]
assert not any(fails(test, qif_step) for test in TESTS)  # all are green
steps = {name: mutant(*change) for name, change in MUTATIONS.items()}
caught = np.array([[fails(test, step) for test in TESTS] for step in steps.values()])
survivors = [name for name, row in zip(steps, caught, strict=True) if not row.any()]
print("no test notices:", survivors)
assert survivors == ["reset: of the whole batch"]

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(5.5, 3.2))
ax.imshow(caught, cmap="Greys", vmin=0, vmax=1.6, aspect="auto")
names = [test.__name__.removeprefix("test_") for test in TESTS]
totals = [f"{name}\n{n} of {len(caught)}" for name, n in zip(names, caught.sum(0), strict=True)]
ax.set_xticks(range(len(TESTS)), totals)
ax.set_yticks(range(len(MUTATIONS)), list(MUTATIONS))
ax.set(xlabel="test", ylabel="mutation of qif_step")
plt.show()

# %% [markdown]
# *The figure shows which test notices (dark) which mutation.* The trajectory by hand notices the
# most, 6<!-- by_hand 0 --> of 8, because it compares every step. In the last mutation, a spike in
# one sample of the batch resets that neuron in all samples. No test notices: every test runs a
# batch of **one sample**.
#
# ### Exercise 1: Write the missing test (10 min)
#
# No sample may affect another. `step(x, v)` takes two float tensors `[B, N]`, with one row per
# sample, and returns the spikes and the new $v$, `[B, N]`. Return True if the samples are
# independent, and False if not. The check tries three mutations of this kind, with other
# parameters. Keep $v$ between 0 and 1; an $x$ of 3 or more then always makes a neuron fire.


# %% tags=["exercise"]
def each_alone(step):
    """Whether the samples of `step` are independent."""
    ...


# %%
if check.each_alone(each_alone):
    for name, step in (("qif_step", qif_step), (survivors[0], steps[survivors[0]])):
        print(f"{name}: {each_alone(plain(step))}")  # plain: with the default parameters

# %% [markdown]
# ## 3. What can go wrong in a learning rule?
#
# The pair rule of `jarvis.stdp` asks which spike came first. A **symmetric** rule asks only how
# close two spikes are. Each pair strengthens the synapse, and each input spike costs a fixed
# amount:
#
# $$\Delta w = a \Bigl[\sum_{\text{pairs}} e^{-|s|/\tau_s}
#    - \alpha \cdot (\text{number of input spikes})\Bigr], \qquad s = t_{post} - t_{pre} .$$
#
# Here $a$ is the size of a change, $\alpha$ the cost of an input spike in units of $a$, and
# $\tau_s$ the width of the window. A first draft keeps two [traces](../docs/glossary.md#trace):
# every spike first enters its own neuron's trace, then reads the other neuron's. Measure its window
# with one pair at each distance.


# %%
def draft(pre, post, tau_stdp=20.0):
    """The sum over pairs by traces, for spikes pre [T, 1] and post [T, n]."""
    q, r, o, change = exp_decay(tau_stdp, 1.0), 0.0, 0.0, 0.0
    for x_t, y_t in zip(pre, post, strict=True):
        r, o = q * r + x_t, q * o + y_t
        change = change + y_t * r + x_t * o
    return change


lags = np.arange(-60, 61)  # ms
window = np.exp(-np.abs(lags) / 20.0)
pre, post = torch.zeros(121, 1, 1, dtype=F64), torch.zeros(121, 1, len(lags), dtype=F64)
pre[60] = 1
post[60 + lags, 0, range(len(lags))] = 1  # an output neuron for each distance
drafted = draft(pre[:, 0], post[:, 0]).numpy()

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(5.5, 3))
right = np.isclose(drafted, window)
ax.plot(lags, window, color=GREY, label="formula")
ax.plot(lags[right], drafted[right], "o", color=BLUE, ms=3, label="draft")
ax.plot(lags[~right], drafted[~right], "s", color=RED, ms=6, label="draft, wrong")
ax.set(xlabel="$t_{post} - t_{pre}$ (ms)", ylabel="change by a pair (units of a)", ylim=(0, 2.1))
ax.legend()
plt.show()
print("wrong at a distance of", lags[~right], "ms")

# %% [markdown]
# *The figure shows the change that one pair causes against the distance of its spikes.* Two spikes
# **in the same step** count twice, because each finds the other in the trace. **Fix:** let the
# input spike enter its trace before the traces are read, and the output spike afterwards.
#
# A rule goes into `jarvis/stdp/`. The base class `TraceRule` has the time loop (`run`), bounds,
# checks, and the option `same_step`: with `"causal"` a pair within one step counts once, with
# `"ignored"` not at all. A rule adds its constants, an initial state and one step.


# %%
@dataclass(frozen=True, kw_only=True)
class SymmetricSTDP(TraceRule):
    """Pairs strengthen, whichever spike comes first; an input spike costs a * alpha.

    a in units of the weight, tau in ms; the other options are those of TraceRule.
    """

    a: float = 0.005
    alpha: float = 0.4
    tau: float = 20.0  # tau_s

    @classmethod
    def for_rate(cls, rate, tau=20.0, **options):
        """The rule that settles where the output fires at `rate` (Hz)."""
        return cls(alpha=2 * tau * rate / 1000, tau=tau, **options)

    def initial_state(self, pre, post):
        return PairState(torch.zeros_like(pre), torch.zeros_like(post))  # the two traces

    def _step(self, pre, post, weight, state):
        before, o = (self._decayed(trace, self.tau) for trace in state)  # times exp(-dt/tau)
        after = self._with(before, pre)  # plus these spikes
        r = after if self.same_step == "causal" else before  # pre enters first, post last
        up = self.a * (outer(post, r) + outer(o, pre))  # outer: [n_post, n_pre], mean over B
        down = self.a * self.alpha * outer(torch.ones_like(post), pre)
        change = self._moved(weight, up, down)  # up - down, within the bounds
        return change, PairState(after, self._with(o, post))


rule = SymmetricSTDP(a=1.0, alpha=0.0, bounds="none")
found = rule.run(pre, post, torch.zeros(len(lags), 1, dtype=F64))[0][:, 0].numpy()
assert np.allclose(found, window)

# %% [markdown]
# Test the traces against a plain sum, a double loop over all pairs. Assert that some spikes fall
# into the same step.


# %%
def plain_sum(pre, post, rule):
    """The change of each weight [n_post, n_pre], pair by pair; the mean over samples."""
    total = np.zeros((post.shape[2], pre.shape[2]))
    for b, j, i in np.ndindex(pre.shape[1], *total.shape):
        ins, outs = (np.flatnonzero(z) * rule.dt for z in (pre[:, b, i], post[:, b, j]))
        for t_pre, t_post in itertools.product(ins, outs):
            total[j, i] += rule.a * math.exp(-abs(t_post - t_pre) / rule.tau)
        total[j, i] -= rule.a * rule.alpha * len(ins)
    return total / pre.shape[1]


def trains(n, number):
    return (torch.rand(150, 2, n, generator=fixed(number), dtype=F64) < 0.1).to(F64)


pre_r, post_r, start = trains(3, 1), trains(2, 2), torch.full((2, 3), 0.5, dtype=F64)
rule = SymmetricSTDP(a=0.02, alpha=0.7, tau=13.0, dt=0.5, bounds="none")
change = rule.run(pre_r, post_r, start)[0] - start
assert (pre_r[:, :, :1] * post_r).sum() > 0  # pairs in one step occur: a wrong count would show
assert np.allclose(change, plain_sum(pre_r, post_r, rule))
print("by traces and by pairs: the same change")

# %% [markdown]
# ### What is the rule good for?
#
# If the output fires independently of the input, the pairs around an input spike add up to
# $2\tau_s$ times the output rate on average. This sum equals the cost $\alpha$ when the output rate
# is $\alpha/(2\tau_s)$; the input rate cancels. Four QIF neurons get noisy currents of different
# strength, and fifty *inhibitory* inputs fire at 20 Hz: each spike lowers $v$ by its weight. The
# weights start at 0, and the rule is set for 10 Hz. What will the four rates do?

# %%
rule = SymmetricSTDP.for_rate(target, a=0.003)
drive = torch.tensor([[0.5, 1.0, 1.5, 2.0]]) / tau  # input per ms that stands for these currents
n_steps, g = round(duration), fixed()
params, spike, state = QIFParams(), Spike(), QIFState(torch.zeros(1, 4))
weight, traces, output = torch.zeros(4, 50), None, torch.zeros(n_steps, 4)
with torch.no_grad():
    for t in range(n_steps):
        fired = (torch.rand(1, 50, generator=g) < 0.02).float()
        x = drive + 0.1 * torch.randn(1, 4, generator=g) - fired @ weight.T
        spikes, state = qif_step(x, state, params, spike)
        change, traces = rule.step(fired, spikes, weight, traces)
        weight = (weight + change).clamp(rule.w_min, rule.w_max)
        output[t] = spikes[0]
rates = output.unflatten(0, (8, -1)).mean(1) * 1000  # Hz, [8, 4]
settled = rates[4:].mean(0)
assert (settled - target).abs().max() < 2 or not full_run

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(5.5, 3))
seconds = (np.arange(8) + 0.5) * duration / 8000
for k, mark in enumerate("os^v"):
    ax.plot(seconds, rates[:, k], mark + "-", ms=4, label=f"I = {drive[0, k] * tau:g}")
ax.axhline(target, color="black", ls="--", lw=1)
ax.set(xlabel="time (s)", ylabel="firing rate (Hz)", ylim=0)
ax.legend()
plt.show()
print("mean weights:", *(f"{w:.3f}" for w in weight.mean(1)))

# %% [markdown]
# *The figure shows the rates of four neurons; dashed: the rate that the rule was set for.* Averaged
# over the last 6 s, all are within 2 Hz of 10 Hz: if a neuron fires too fast, its inhibition grows.
#
# ## 4. What are the parts of a lesson?
#
# A lesson's source is `notebooks/sources/NNN_topic.py`; its solutions have the same name, in
# `solutions/`. `python tools/notebooks.py build` runs them and writes the notebooks.
#
# - **The head**: a title with a verb, what the learner will see, *Time*, *You need*, *Leads to*,
#   objectives.
# - **A section** asks, lets the learner guess (in `<details>`), shows a few lines and a figure, and
#   states the result. Helper functions and long plots are folded: tag their cells `hide-input`.
# - **The parameters**: one cell of literals. Its metadata has a `mock`, values with which tests run
#   the lesson in seconds. With `full_run` = False, `record` stores nothing; an assertion that needs
#   the full run ends in `or not full_run`.
# - **The exercises** stand after their sections: a cell with only the stub, then a cell that begins
#   with the check.
# - **The numbers**: a comment after a number names it and gives a tolerance. The last cell records
#   what was measured, and a test compares this with the text.
# - **The end**: a summary, sources, *Next* and *See also*.
#
# Let this lesson read its own source: its mock, and a line with a marked number.

# %%
cells = jupytext.read(in_repository("sources/999_template.py")).cells  # relative to notebooks/
(parameters,) = [cell for cell in cells if "nbmake" in cell.metadata]
print("mock:", parameters.metadata["nbmake"]["mock"])
text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
print("source:", re.search(r".*<!-- late .*", text)[0])
mark = marks(text)[0]
print(f"the text says {mark.written} for {mark.name}, give or take {mark.tolerance:g}")

# %% [markdown]
# ### How does a check answer?
#
# A check lives in `jarvis/classroom/check/topic.py`. The check tries the answer on fresh random
# input and raises `Wrong`, with words that name the mistake. `exercise` wraps it: the result never
# raises, says nothing about an untouched stub, gives the hints one at a time, and returns something
# true only for a right answer.


# %%
@exercise(0, hints=("How many ms are there in a second?", "A rate is 1000 over an interval in ms."))
def to_hz(answer, rng):  # rng: a NumPy random generator
    hz = number(answer(ms := rng.uniform(5, 50)))
    if near(hz, 1 / ms):
        raise Wrong("That is a rate per ms.")
    if not near(hz, 1000 / ms):
        raise Wrong(f"For {ms:.1f} ms you return {hz:.3f} Hz.")


for attempt in (None, lambda ms: 1 / ms, lambda ms: ms, lambda ms: 1000 / ms):
    to_hz(attempt, seed=seed)

# %% [markdown]
# ### Exercise 2: Write a check (8 min)
#
# Suppose an exercise asks for a function that takes `tau` (ms) and returns the half-life of a
# membrane, $\tau \ln 2$ (ms). Write `judge(answer, rng)`: it draws `tau` from `rng` (NumPy's),
# calls `answer(tau)`, returns nothing if the result is right to a relative 0.001, and raises
# `Wrong` if not. Two mistakes should be named: for $\tau$ alone the message contains "ln 2", for
# $\tau \log_{10} 2$ it contains "base". `number(value)` makes a float of what the learner returned,
# or raises `Wrong`; `near(found, expected)` compares with that tolerance. `exercise` itself reports
# errors in the learner's function and a missing `return`.


# %% tags=["exercise"]
def judge(answer, rng):
    """Raise Wrong unless answer(tau) is tau ln 2."""
    ...


# %%
check.judge(judge)

# %% [markdown]
# The test of a check, in `tests/classroom`, tries a right answer with many seeds, and every mistake
# that the check names.
#
# ## Summary
#
# 1. Mutations show what a test is worth. A trajectory by hand noticed the most mutations; a batch
#    of one sample hides what samples do to each other.
# 2. Test a rule with traces against a plain sum over pairs, also within one step.
# 3. Predict where a rule settles, then simulate.
# 4. Checks name mistakes, and a test compares the numbers of a lesson.
#
# ## Further reading
#
# - DeMillo, Lipton & Sayward 1978, Computer 11(4):34, doi:10.1109/C-M.1978.218136: mutations.
# - Ermentrout & Kopell 1986, SIAM J. Appl. Math. 46:233, doi:10.1137/0146017: the quadratic neuron.
# - Vogels, Sprekeler, Zenke, Clopath & Gerstner 2011, Science 334:1569,
#   doi:10.1126/science.1211095: a model with the symmetric rule, at inhibitory synapses.
#
# **Next:** [CONTRIBUTING](../CONTRIBUTING.md), before your first change.

# %%
record(
    "results/999_template.json",
    {
        "upstroke": upstroke,
        "late": late,
        "textbook": textbook_rate,
        "between": rate_between(0.5),
        "step": step_rate,
        "by_hand": caught[:, 1].sum(),
    },
    full=full_run,
)
