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
# # Run a time loop at the speed of memory
#
# A layer of spiking neurons is a loop over time, and most people write the same loop first. The
# loop is correct, but its backward pass is quadratic in the number of steps. You find out why, and
# change one word. Then you compile the loop, which brings it near the speed of memory.
#
# **Time.** 60 minutes for you, 60 seconds for the machine.
#
# **You need.** [301](301_surrogate_gradients.ipynb) (surrogate gradients, the unrolled graph).
#
# **Leads to.** [604](604_your_neuron.ipynb), where the library compiles a neuron of your own.
#
# ## Objectives
#
# After this lesson you can
#
# 1. recognise a time loop whose backward pass is quadratic in the number of steps, and fix it,
# 2. count the operations, the bytes moved and the bytes kept by PyTorch code,
# 3. compute a lower bound for the time of a loop from the bytes that it must move,
# 4. compile a loop over a whole sequence, and show that the loop is right before you time it,
# 5. explain why two correct float32 loops may give different spikes.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import math
import time

import numpy as np
import torch
from matplotlib import pyplot as plt
from numba import njit
from torch.utils._python_dispatch import TorchDispatchMode

from jarvis import LIFLayer, LIFParams, lif_step
from jarvis.classroom import lesson
from jarvis.classroom.check import time_loops as check
from jarvis.classroom.results import record
from jarvis.networks import SavedBytes
from jarvis.neurons import exp_decay
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, PURPLE

lesson.begin("numba")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_steps": 20, "longest": 50, "rounds": 1}}
full_run = True  # False for other values: the numbers in the text belong to these
seed = 0
tau = 20.0  # membrane time constant, ms; the time step is 1 ms
n_steps = 100  # T
batch = 64  # B
n_neurons = 256  # N
rounds = 5  # repetitions of each measurement; the shortest counts
longest = 800  # largest T of the scaling with time

# %% [markdown]
# Times depend on the machine and its load. So everything runs on one thread, and the text compares
# only times of the same run.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
torch.set_num_threads(1)
lengths = [T for T in (25, 50, 100, 200, 400, 800) if longest >= T]
generator = torch.Generator().manual_seed(seed)
params = LIFParams(tau=tau)  # the surrogate of lif_step has a slope of 25
decay, slope = exp_decay(tau, 1.0), 25.0


def sequence(T, B=batch, N=n_neurons, dtype=torch.float32):
    """An input x and the gradient g that comes back from the spikes, both [T, B, N]."""
    x = 0.2 * torch.rand(T, B, N, generator=generator, dtype=dtype)
    return x, torch.randn(T, B, N, generator=generator, dtype=dtype)


def race(entries, rounds=rounds):
    """The shortest processor time (ms) of each named function; the functions take turns."""
    best = dict.fromkeys(entries, math.inf)
    for _ in range(rounds + 1):  # one more, to warm up
        for name, run in entries.items():
            start = time.process_time()
            run()
            best[name] = min(best[name], 1000 * (time.process_time() - start))
    return best


def exponent(x, y):
    """p of y ~ x^p, from the last three points."""
    return np.polyfit(np.log(x[-3:]), np.log(y[-3:]), 1)[0] if len(x) > 1 else math.nan


def bars(values, colors, xlabel, fmt="%.1f", log=False):
    """Horizontal bars, or dots on a logarithmic axis, the first on top, each with its number."""
    _, ax = plt.subplots(figsize=(7, 0.8 + 0.36 * len(values)))
    drawn = ax.barh(list(values), values.values(), color="none" if log else colors)
    ax.bar_label(drawn, fmt=fmt, padding=6 if log else 2)
    if log:
        ax.scatter(list(values.values()), list(values), color=colors)
        ax.set_xscale("log")
    ax.margins(x=0.15)
    ax.invert_yaxis()
    ax.set_xlabel(xlabel)
    plt.show()


def log_lines(x, lines, colors, ax=None, **more):
    """Curves on two logarithmic axes, with a tick at every x."""
    ax = ax or plt.subplots()[1]
    for (name, y), color in zip(lines.items(), colors, strict=True):
        ax.loglog(x, y, ":" if color == GREY else "o-", color=color, label=name)
    ax.set_xticks(x, [f"{value:g}" for value in x])
    ax.set_xticks([], minor=True)
    ax.set(**more)
    ax.legend()


# %% [markdown]
# `race` measures processor time, which excludes the time of other programs.


# %%
def training_pass(loop, x, g):
    """Forward and backward: the spikes, and the gradient of x."""
    x = x.detach().requires_grad_()
    spikes = loop(x)
    spikes.backward(g)
    return spikes.detach(), x.grad


# %% [markdown]
# ## 1. Twice as many steps: how much longer?
#
# `lif_step` is the library's readable code for one step.


# %%
def indexed(x):
    state, spikes = None, []
    for t in range(len(x)):
        s, state = lif_step(x[t], state, params)
        spikes.append(s)
    return torch.stack(spikes)


# %% [markdown]
# How does the time, forward and backward, change when the number of steps T doubles?
#
# <details><summary>Make a guess, then open</summary>
# Every step costs the same, so the time should double. But for long sequences it quadruples, or
# more.
# </details>


# %%
def times_of(loops, small=(16, 128)):
    """The times (ms) of a training pass at each of the lengths, one row per loop."""
    runs = {}
    for T in lengths:
        x, g = sequence(T, *small)
        runs |= {(T, f): lambda f=f, x=x, g=g: training_pass(f, x, g) for f in loops}
    return np.array(list(race(runs, min(rounds, 3)).values())).reshape(-1, len(loops)).T


(indexed_ms,) = times_of([indexed])
linear = indexed_ms[0] * np.array(lengths) / lengths[0]
labels = dict(xlabel="number of steps T", ylabel="forward + backward (ms)")
log_lines(lengths, {"x[t]": indexed_ms, "proportional to T": linear}, (ORANGE, GREY), **labels)
plt.show()

# %% [markdown]
# *The figure shows the time of one forward and backward pass against the number of steps.* On two
# logarithmic axes a power law is a straight line, whose slope is the power. Here the slope is about
# 1 for short sequences and far above 1 for long ones. To find the cause, count what PyTorch does: a
# `TorchDispatchMode` sees each operation with its tensors.


# %%
class Tally(TorchDispatchMode):
    """Counts calls and bytes, by operation; a view, such as x[t], moves nothing."""

    def __init__(self):
        super().__init__()
        self.calls, self.moved, self.written = {}, 0, {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view and isinstance(result, torch.Tensor):
            name = operation.__name__.split(".")[0]
            self.calls[name] = self.calls.get(name, 0) + 1
            self.written[name] = self.written.get(name, 0) + result.nbytes
            parts = [p for a in args for p in (a if isinstance(a, list | tuple) else [a])]
            read = sum(p.nbytes for p in parts if isinstance(p, torch.Tensor))
            self.moved += read + result.nbytes
        return result


def tally(loop, x, g):
    """The tallies of the forward and of the backward pass."""
    x = x.detach().requires_grad_()
    with Tally() as forward:
        spikes = loop(x)
    with Tally() as backward:
        spikes.backward(g)
    return forward, backward


x, g = sequence(n_steps, 4, 32)
_, back = tally(indexed, x, g)
print(f"backward over T = {n_steps} steps, bytes written per element of x:")
for name in sorted(back.written, key=back.written.get, reverse=True)[:4]:
    print(f"  {name:<16}{back.calls[name]:>6} calls {back.written[name] / x.numel():8.1f} bytes")

# %% [markdown]
# Each element of the gradient has 4 bytes. But `select_backward` alone writes 400<!-- select 0 -->
# bytes per element. (`select` is PyTorch's name for `x[t]`.)
#
# <details><summary>The cause</summary>
# The gradient that x[t] sends back has the full shape of x, [T, B, N], and is 0 except in row t.
# Each of the T steps makes such a tensor and adds it to the sum so far: T tensors of T rows.
# </details>
#
# The fix is one word. `x.unbind(0)` cuts `x` into its T rows *once*, and its backward pass stacks
# the T gradients *once*.


# %%
def unbound(x):
    state, spikes = None, []
    for x_t in x.unbind(0):  # the one change
        s, state = lif_step(x_t, state, params)
        spikes.append(s)
    return torch.stack(spikes)


for mine, theirs in zip(training_pass(indexed, x, g), training_pass(unbound, x, g), strict=True):
    assert torch.equal(mine, theirs)
indexed_ms, unbound_ms = times_of([indexed, unbound])  # in one race
written = {}
for T in (25, 50):
    pair = [tally(loop, *sequence(T, 1, 8))[1] for loop in (indexed, unbound)]
    written[T] = [sum(p.written.values()) / (T * 8) for p in pair]
    print(f"T = {T}: backward writes {written[T][0]:.0f} and {written[T][1]:.0f} bytes per element")

# %%
lines = {"x[t]": indexed_ms, "x.unbind(0)": unbound_ms}
log_lines(lengths, lines, (ORANGE, BLUE), **labels)
plt.show()
power_indexed, power_unbound = exponent(lengths, indexed_ms), exponent(lengths, unbound_ms)
print(f"power of T: {power_indexed:.2f} and {power_unbound:.2f}")
per_step = (written[50][0] - written[25][0]) / 25
assert round(per_step, 1) == 8
assert round(written[50][1]) == round(written[25][1]) == 40
assert not full_run or power_indexed > 1.4 > 1.3 > power_unbound > 0.7

# %% [markdown]
# *The figure shows the time of both loops, measured anew.* For the longest sequences the time of
# `x[t]` grows as T to the power 1.5<!-- power_indexed 0.4 -->, that of `unbind` as T to the power
# 1.1<!-- power_unbound 0.2 -->. (Powers of measured times are rough: a part of the time is
# proportional to T, and long tensors leave the cache.) The bytes show the two powers exactly: with
# `x[t]` the backward pass writes 8<!-- per_step 0.1 --> more bytes per element for every additional
# step; with `unbind` it writes 40<!-- unbind_bytes 1 --> bytes at any T.
#
# ### Exercise 1: Where does indexing cost ten times? (5 min)
#
# The backward pass of the `x[t]` loop writes about $8T + c$ bytes per element of x, that of
# `unbind` about 40. Find $c$ from the numbers printed above. From which T on does `x[t]` write at
# least `ratio` times as many bytes? (Use $8T + c$ and 40.)


# %% tags=["exercise"]
def steps_for(ratio):
    """The least T at which x[t] writes at least `ratio` times what unbind writes."""
    ...


# %%
if check.steps_for(steps_for):
    print(f"ten times as many bytes from T = {steps_for(10)} on")

# %% [markdown]
# ## 2. Where does the rest of the time go?
#
# The loop is now linear in T. Is it fast? Count the operations of one step, and measure its time
# for several numbers of *lanes*, B times N: one for each neuron of each sample.

# %%
forward, back = tally(unbound, *sequence(n_steps, 4, 32))
calls = round((sum(forward.calls.values()) + sum(back.calls.values())) / n_steps)
print(f"{calls} operations per step, forward and backward")
lanes = [64, 256, 1024, 4096, 16384, 65536, 262144][: 7 if full_run else 2]
inputs = {n: sequence(20, 1, n) for n in lanes}
runs = {n: lambda xg=xg: training_pass(unbound, *xg) for n, xg in inputs.items()}
step_us = np.array([1000 * ms / 20 for ms in race(runs).values()])
lines = {"measured": step_us, "price of the calls": step_us.min() + 0 * step_us}
labels = dict(xlabel="lanes (B x N)", ylabel="one step,\nforward + backward (µs)")
log_lines(lanes, lines, (BLUE, GREY), **labels)
plt.show()

# %% [markdown]
# *The figure shows the time of one step against its number of lanes.* A neuron needs a
# multiplication, an addition, a comparison and a reset. With the surrogate and the backward pass,
# PyTorch makes 18<!-- calls 0 --> calls for this. Each call has a fixed cost, however few numbers
# it handles. So the curve begins flat; it rises where moving bytes takes longer. A faster loop must
# save both calls and bytes.
#
# The forward pass also keeps bytes for the backward pass. On a long sequence memory runs out.

# %%
kept = {}
for name, options in {
    "soft reset": {},
    "hard reset": dict(reset="zero"),
    "hard reset, not detached": dict(reset="zero", detach_reset=False),
}.items():
    for backend in ("eager", "numba"):
        layer = LIFLayer(tau, backend=backend, **options)
        x = sequence(n_steps, 4, 32)[0].requires_grad_()
        with SavedBytes() as saved:
            spikes, _ = layer(x)
            kept[name, backend] = saved.now / x.numel()
        print(f"{name:25s}{backend:6s}{kept[name, backend]:5.1f} bytes per element")
assert kept["soft reset", "eager"] == 4
assert kept["hard reset", "eager"] < kept["hard reset, not detached", "eager"]
assert all(kept[key] == 4 for key in kept if key[1] == "numba")

# %% [markdown]
# With a [soft reset](../docs/glossary.md#soft-reset) autograd keeps one number per element, 4
# bytes: the distance to the threshold, which the surrogate needs. A hard reset multiplies, and for
# each product autograd keeps the factors that its derivative needs. The compiled loop ("numba",
# section 5) always keeps 4 bytes: it recomputes the factors from $h$.
#
# ### Exercise 2: Predict the memory of a recurrent layer (4 min)
#
# `RecurrentLIFLayer` feeds its own spikes back through a weight. The compiled loop of this layer
# keeps $h$, but does not recompute spikes. What else does the gradient of that weight need? Predict
# the bytes kept per element of x if everything is kept as numbers of `itemsize` bytes. (Leave out
# the weight itself.)


# %% tags=["exercise"]
def kept_per_element(itemsize):
    """Bytes that RecurrentLIFLayer keeps per element of x."""
    ...


# %%
check.kept_per_element(kept_per_element)

# %% [markdown]
# ## 3. What is the least that must be done?
#
# Even a loop without any wasted work must do this:
#
# | pass | reads | writes | bytes |
# |---|---|---|---|
# | forward | the input $x$ | the spikes $s$, the potential $h$ | 4 + 8 |
# | backward | the gradient of $s$, and $h$ | the gradient of $x$ | 8 + 4 |
#
# The sum is 24 bytes per element in float32. The potential $v$ of one step stays in the processor's
# cache. Copying a tensor reads 4 bytes per element and writes 4. So **no loop that keeps $h$ can be
# faster than three copies of a tensor as large as x**, if the tensors do not fit into the cache.
# This lower bound is the floor. Your loops move more:

# %%
x, g = sequence(n_steps, 4, 32)
moved = {}
for name, loop in (("x[t]", indexed), ("x.unbind(0)", unbound)):
    moved[name] = sum(part.moved for part in tally(loop, x, g)) / x.numel()
bars(
    moved | {"the floor": 24},
    [ORANGE, BLUE, GREY],
    "bytes read + written (per element)",
    "%.0f",
    log=True,
)
assert moved["x[t]"] > moved["x.unbind(0)"] > 24

# %% [markdown]
# *The figure shows the bytes that all operations together read and write, forward and backward.*
# Every PyTorch operation writes its result to memory, and the next one reads it back. A compiled
# loop can keep $h$ in a register.
#
# ## 4. Compile the loop
#
# `numba` turns a Python function on arrays into machine code at its first call. Here is the
# textbook loop, one lane after another, and then with the two loops swapped. Lanes lie side by side
# in memory: `[T, lanes]`.


# %%
@njit(error_model="numpy")
def lane_by_lane(x, s, h, v, decay, one):
    for n in range(x.shape[1]):
        p = v[n]
        for t in range(x.shape[0]):
            p = decay * p + x[t, n]
            h[t, n] = p
            s[t, n] = one if p >= one else one - one
            p -= s[t, n]
        v[n] = p


@njit(error_model="numpy")
def row_by_row(x, s, h, v, decay, one):
    zero = one - one
    for t in range(len(x)):
        x_t, s_t, h_t = x[t], s[t], h[t]  # rows: contiguous memory
        for n in range(len(v)):
            p = decay * v[n] + x_t[n]
            spike = one if p >= one else zero
            h_t[n], s_t[n], v[n] = p, spike, p - spike


# %% [markdown]
# (`one` and `decay` have the type of the array: a plain `1.0` would turn float32 arithmetic into
# float64.) Which kernel is faster, and by how much?
#
# <details><summary>Make a guess, then open</summary>
# Row by row, for two reasons. Lane by lane, each step must wait for the previous one, because h
# needs v; row by row, the processor handles eight neighbouring lanes at a time. And memory comes in
# lines of 64 bytes, or 16 numbers, of which each lane uses only one.
# </details>
#
# **Check before you time.** In float64 the spikes must be *equal* to those of the readable loop.
# Which of the two reasons matters more? The control is the lane-by-lane kernel on arrays in which
# the *time steps* of a lane lie side by side.


# %%
def new_arrays(x):
    """Zeros for s, h and v, in the memory order of x."""
    return np.zeros_like(x), np.zeros_like(x), np.zeros_like(x[0])


def forward(kernel, x, s, h, v):
    """The spikes of a kernel, from v = 0."""
    v[:] = 0
    kernel(x, s, h, v, x.dtype.type(decay), x.dtype.type(1))
    return s


x64, g64 = sequence(50, 3, 40, dtype=torch.float64)
right_spikes, right_gradient = training_pass(unbound, x64, g64)
rows = x64.flatten(1).numpy()
for kernel, ordered in ((lane_by_lane, rows), (lane_by_lane, rows.copy("F")), (row_by_row, rows)):
    spikes = forward(kernel, ordered, *new_arrays(ordered))
    assert np.array_equal(spikes, right_spikes.flatten(1).numpy())
print("all spikes equal")

# %%
x, _ = sequence(n_steps)
rows = x.flatten(1).numpy()
columns = rows.copy("F")  # the same numbers; the steps of a lane lie side by side
for_rows, for_columns = new_arrays(rows), new_arrays(columns)
with torch.no_grad():
    forward_ms = race(
        {
            "unbind": lambda: unbound(x),
            "numba, lane by lane": lambda: forward(lane_by_lane, rows, *for_rows),
            "the same, time side by side": lambda: forward(lane_by_lane, columns, *for_columns),
            "numba, row by row": lambda: forward(row_by_row, rows, *for_rows),
        }
    )
bars(forward_ms, [BLUE, PURPLE, ORANGE, GREEN], "forward only (ms)", "%.2f")
order = forward_ms["numba, lane by lane"] / forward_ms["numba, row by row"]
waiting = forward_ms["the same, time side by side"] / forward_ms["numba, row by row"]
assert not full_run or order > waiting > 2

# %% [markdown]
# *The figure shows the time of the forward pass alone.* Compiled does not mean fast: lane by lane
# takes 26<!-- order 80% --> times as long as row by row. With the steps side by side it still takes
# 7<!-- waiting 60% --> times as long, because each step waits. The rest is due to the memory order.
#
# For training the loop needs a backward pass. Forward, with decay $a$ and surrogate slope $k$:
#
# $$h_t = a\,v_{t-1} + x_t,\qquad s_t = [h_t \ge 1],\qquad v_t = h_t - s_t ,$$
#
# where the bracket is 1 if the condition holds, else 0. The reset is detached, so
# $\partial v_t/\partial h_t = 1$, and the surrogate stands for $\partial s_t/\partial h_t$. A bar
# marks the gradient of the loss with respect to a variable. From the last step to the first:
#
# $$\bar x_t = \bar h_t = \frac{\bar s_t}{(1 + k\,|h_t - 1|)^2} + a\,\bar h_{t+1} .$$


# %%
@njit(error_model="numpy")
def row_by_row_back(g, h, gx, gv, decay, one, k):
    for t in range(len(g) - 1, -1, -1):
        g_t, h_t, gx_t = g[t], h[t], gx[t]
        for n in range(len(gv)):
            q = one + k * abs(h_t[n] - one)
            gx_t[n] = g_t[n] / (q * q) + decay * gv[n]
            gv[n] = gx_t[n]


def arrays(*tensors):
    """Tensors as arrays [T, lanes], a row of zeros, and the decay and 1 of their type."""
    flat = [p.flatten(1).numpy() for p in tensors]
    kind = flat[0].dtype.type
    return *flat, np.zeros_like(flat[0][0]), kind(decay), kind(1)


class Compiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        s, h = torch.empty_like(x), torch.empty_like(x)
        row_by_row(*arrays(x, s, h))
        ctx.save_for_backward(h)
        return s

    @staticmethod
    def backward(ctx, g):
        (h,) = ctx.saved_tensors
        gx = torch.empty_like(h)
        *rest, one = arrays(g, h, gx)
        row_by_row_back(*rest, one, type(one)(slope))
        return gx


# %% [markdown]
# Again, check before you time: now the gradients, too.


# %%
def agrees(loop):
    spikes, gradient = training_pass(loop, x64, g64)
    return torch.equal(spikes, right_spikes) and torch.allclose(
        gradient, right_gradient, atol=1e-12
    )


assert agrees(Compiled.apply)
print("spikes equal, gradients equal up to rounding")

# %% [markdown]
# ### Exercise 3: Reset to zero (6 min)
#
# Write `row_by_row` with the [hard reset](../docs/glossary.md#hard-reset), $v = h\,(1 - s)$. This
# time the function creates and returns `s` and `h`, arrays `[T, lanes]` of the type of `x`; $v$
# begins at 0.


# %% tags=["exercise"]
def zero_reset(x, decay):
    """Spikes s and potentials h [T, lanes] of neurons with a reset to zero."""
    ...


# %%
check.zero_reset(zero_reset)

# %% [markdown]
# ## 5. The library does the same
#
# `LIFLayer` has both loops: `backend="eager"` is the readable step in a loop over `unbind`, and the
# default is a compiled loop. The library *generates* this loop from the step. Autograd
# differentiates one step, and a minimum cut of the graph chooses the smallest set of values to keep
# for the backward pass. The rest is written out as source. (`print(LIFLayer().source("numba"))`
# shows it.)

# %%
eager, library = LIFLayer(tau, backend="eager"), LIFLayer(tau)
assert agrees(lambda x: library(x)[0])
x, g = sequence(n_steps)
like_x = [torch.rand(x.shape) for _ in range(6)]
loops = {
    "x[t]": indexed,
    "x.unbind(0) (eager)": lambda x: eager(x)[0],
    "your numba loop": Compiled.apply,
    "library": lambda x: library(x)[0],
}
runs = {name: lambda loop=loop: training_pass(loop, x, g) for name, loop in loops.items()}
runs["floor: three copies"] = lambda: [like_x[k].copy_(like_x[k + 3]) for k in range(3)]
ms = race(runs, 3 * rounds if full_run else 1)
multiples = {name: t / ms["library"] for name, t in ms.items()}
colors = [ORANGE, BLUE, GREEN, "black", GREY]
bars(multiples, colors, "forward + backward (library = 1)", "%.1f", log=True)
if full_run:
    assert 1 / multiples["floor: three copies"] < 4
    assert 0.5 < multiples["your numba loop"] < 2

# %% [markdown]
# *The figure shows the time of a whole pass as a multiple of the library's.* `x[t]` takes
# 22<!-- times_indexed 60% --> times as long, the eager loop 9.1<!-- times_eager 60% --> times. Your
# own two kernels are about as fast as the library's. The library takes 2.2<!-- times_floor 50% -->
# times as long as three copies.
#
# ## 6. The same neuron, different spikes
#
# Why did we compare spikes in float64, although networks train in float32? Here are two updates
# that are mathematically equal:
#
# $$h = a\,v + x \qquad\text{and}\qquad h = v + \bigl(x - (1-a)\,v\bigr).$$
#
# A recurrent network of 200 neurons with $\tau$ = 200 ms runs on 64 samples, once with each update.
# In how many samples do all spikes agree to the end?


# %%
def network(update, x, weight):
    """Spikes [T, B, N] of a recurrent network whose potential follows `update`."""
    v = s = torch.zeros_like(x[0])
    spikes = []
    for x_t in x.unbind(0):
        h = update(v, x_t + s @ weight)
        s = (h >= 1).to(x.dtype)
        v = h - s
        spikes.append(s)
    return torch.stack(spikes)


a = exp_decay(200.0, 1.0)
updates = (lambda v, x: a * v + x, lambda v, x: v + (x - (1 - a) * v))
duration = 2000 if full_run else 60
drive = 0.2 * torch.rand(duration, 64, 200, generator=generator, dtype=torch.float64)
weight = 0.9 * torch.randn(200, 200, generator=generator, dtype=torch.float64) / math.sqrt(200)
differ = {}
for dtype in (torch.float32, torch.float64):
    one, other = (network(update, drive.to(dtype), weight.to(dtype)) for update in updates)
    differ[dtype] = (one != other).double().mean(2)  # [T, B]: share of neurons
    n_apart = (differ[dtype] > 0).any(0).sum().item()
    print(f"{dtype}: {n_apart} of 64 samples differ; rates {one.mean():.4f}, {other.mean():.4f}")
own = one.mean((0, 1))  # [N]: each neuron's own rate
apart = {dtype: (share > 0).any(0) for dtype, share in differ.items()}

# %% tags=["hide-input"] jupyter={"source_hidden": true}
share = differ[torch.float32][:, apart[torch.float32]]  # [T, samples that differ]
independent = (2 * own * (1 - own)).mean().item()
_, axes = plt.subplots(1, 2, figsize=(8.5, 3))
for dtype, color in ((torch.float32, ORANGE), (torch.float64, BLUE)):
    count = (differ[dtype].cumsum(0) > 0).sum(1)
    axes[0].plot(count, color=color, label=str(dtype).removeprefix("torch."))
axes[0].set(xlabel="time (ms)", ylabel="samples that differ so far (of 64)")
axes[0].legend()
since = [column[column.nonzero()[0, 0] :] for column in share.T]
enough = [part[:1000] for part in since if len(part) >= 1000]
if enough:
    axes[1].plot(100 * torch.stack(enough).mean(0), color=ORANGE, lw=1)
    settled = 100 * torch.stack(enough)[:, -300:].mean().item()
    assert 100 * torch.stack(enough)[:, 10:30].mean() > 0.9 * settled  # within some ten steps
axes[1].axhline(100 * independent, color="black", ls=":", lw=1)
axes[1].text(0, 100 * independent + 3.2, "independent trains of the same rates", fontsize=9)
axes[1].set_ylim(0, 100 * independent + 5)
axes[1].set(xlabel="time since the first difference (ms)", ylabel="neurons that differ (%)")
plt.show()
if full_run:
    assert apart[torch.float32].any()
    assert not apart[torch.float64].any()

# %% [markdown]
# *The figure shows, on the left, the number of samples whose spikes have differed so far; on the
# right, the share of neurons that differ after the first difference, averaged over the
# 6<!-- n_long 3 --> samples that continue for at least 1000 ms.* In float32 13<!-- n_apart 4 --> of
# 64 samples differ, in float64 none. For hundreds of steps all spikes agree. Then one neuron comes
# within a rounding error of the threshold: it spikes with only one of the updates. Every other
# neuron then receives one spike more or fewer. Within 30 steps 19<!-- settled 1.5 --> % of the
# neurons differ, and this share remains. If each neuron fired independently in the two runs, at its
# own rate, 19<!-- independent 1 --> % would differ. So the runs have little more in common than the
# neurons' rates.
#
# Neither run is wrong, so "the same spikes in float32" is no test of a loop. Instead:
#
# - compare spikes exactly in **float64**, where such a difference is about $2^{29}$ times rarer,
# - in float32 compare short runs, or rates and losses,
# - compare gradients only where the spikes agree.
#
# ### Exercise 4: Truncate, and save memory (8 min)
#
# [Truncated backpropagation](../docs/glossary.md#truncated-backpropagation-through-time): run the
# sequence in pieces of `length` steps, go backward after each piece, and pass `state.detach()` to
# the next. Return all spikes, the gradient of x that the pieces give, and the most bytes that
# autograd held at one time. (`layer(piece, state)` starts from a state. Put
# `with SavedBytes() as saved` around the whole loop, and return `saved.most`.)


# %% tags=["exercise"]
def in_pieces(layer, x, g, length):
    """Spikes [T, B, N], gradient of x [T, B, N], the most bytes held at one time."""
    ...


# %%
check.in_pieces(in_pieces)

# %% tags=["hide-input"] jupyter={"source_hidden": true}
numbers = {
    "power_indexed": power_indexed,
    "power_unbound": power_unbound,
    "per_step": per_step,
    "select": 4 * n_steps,
    "unbind_bytes": written[50][1],
    "calls": calls,
    "order": order,
    "waiting": waiting,
    "times_indexed": multiples["x[t]"],
    "times_eager": multiples["x.unbind(0) (eager)"],
    "times_floor": 1 / multiples["floor: three copies"],
    "n_apart": int(apart[torch.float32].sum()),
    "independent": 100 * independent,
    "n_equal": 64 - int(apart[torch.float32].sum()),
}
if enough:
    numbers |= {"settled": settled, "n_long": len(enough)}
record("results/703_time_loops.json", numbers, full=full_run)

# %% [markdown]
# ## Summary
#
# 1. `x[t]` of a tensor that needs a gradient makes the backward pass quadratic in T. `x.unbind(0)`
#    does not.
# 2. A `TorchDispatchMode` counts the bytes moved, `SavedBytes` those kept.
# 3. The floor of a LIF layer that keeps $h$ is 24 bytes per element, the work of three copies.
# 4. A compiled loop, row by row, comes near the floor. Check it in float64 before you time it.
# 5. A rounding error at the threshold can change a whole spike: two correct float32 runs may then
#    diverge within 30 steps.
#
# ## Further reading
#
# - Williams, Waterman & Patterson (2009), *Roofline: an insightful visual performance model for
#   multicore architectures*, Commun. ACM 52(4):65,
#   [doi:10.1145/1498765.1498785](https://doi.org/10.1145/1498765.1498785).
# - Drepper (2007), *What every programmer should know about memory*.
# - Paszke et al. (2019), *PyTorch: an imperative style, high-performance deep learning library*,
#   NeurIPS, [arXiv:1912.01703](https://arxiv.org/abs/1912.01703).
# - Lam, Pitrou & Seibert (2015), *Numba: a LLVM-based Python JIT compiler*, LLVM-HPC,
#   [doi:10.1145/2833157.2833162](https://doi.org/10.1145/2833157.2833162).
#
# ## See also
#
# [When do zeros pay?](../docs/sparse.md)
