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
# **What you will build.** The same layer of LIF neurons, forward and backward, four times over: as
# everybody writes it first, with one word changed, as a single autograd function, and as a compiled
# loop. You measure each one, say where its time goes, and hold it against the least that any
# program must do on your machine.
#
# **What you need.** The neuron of `01`, and what `backward()` does. That a spike has a surrogate
# gradient is enough here; notebook `04` says why.
#
# **Run time.** About a minute on two CPU cores. One cell uses a GPU, and says so where there is
# none.
#
# ## Objectives
#
# After this notebook you can
#
# 1. recognise the time loop whose backward pass is quadratic in the number of steps, and mend it,
# 2. count the operations, the bytes moved and the bytes kept of a piece of PyTorch,
# 3. work out the least time that a loop needs from the bytes that it must move,
# 4. write a whole sequence as one `autograd.Function`, compile it, and show that it is right,
# 5. say why two correct float32 loops may give different spikes, and compare them nevertheless,
# 6. find out whether a layer runs compiled or step by step, and what to expect from each.

# %%
import logging
import math
import sys
import time

import numba
import numpy as np
import torch
from matplotlib import pyplot as plt
from numba import njit
from torch.utils._python_dispatch import TorchDispatchMode

import jarvis
from jarvis import LIFLayer, LIFParams, SurrogateSpike, lif_step
from jarvis.classroom.check import time_loops as check
from jarvis.classroom.results import record
from jarvis.neurons import exp_decay
from jarvis.plotting import BLUE, GREEN, GREY, ORANGE, RED

plt.rcParams.update({"figure.figsize": (6, 3), "figure.dpi": 85, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {jarvis.__version__}, torch {torch.__version__}, numba {numba.__version__}")

# %% [markdown]
# Times depend on the machine, and on what else it does. So we compare times only with others of the
# same run, state ratios, and use one thread for everything: a ratio then does not depend on the
# number of cores.

# %% tags=["parameters"] nbmake={"mock":{"full_run":false,"n_steps":20,"longest":40,"rounds":1}}
full_run = True
seed = 0
tau = 20.0  # membrane time constant, ms; the time step is 1 ms
n_steps = 100  # T
batch = 64  # B
n_neurons = 256  # N
rounds = 5  # repetitions of each measurement, of which the shortest counts
longest = 800  # largest T of the scaling with time

# %%
torch.set_num_threads(1)
lengths = [T for T in (25, 50, 100, 200, 400, 800) if longest >= T]
largest, chaos_steps = (2**24, 2000) if full_run else (2**16, 100)
slope = 25.0  # k of the surrogate 1 / (1 + k|h - 1|)^2
generator = torch.Generator().manual_seed(seed)
decay = exp_decay(tau, 1.0)
params = LIFParams(tau=tau)  # lif_step's spike has this slope, unless told otherwise

log = logging.getLogger("jarvis.kernels")  # what the library has to say about its loops
log.addHandler(logging.StreamHandler(sys.stdout))
log.handlers[-1].setFormatter(logging.Formatter("log line: %(message)s"))


def sequence(T, B=batch, N=n_neurons, dtype=torch.float32):
    """An input x and the gradient g that comes back from the spikes, both [T, B, N]."""
    x = 0.2 * torch.rand(T, B, N, generator=generator, dtype=dtype)
    return x, torch.randn(T, B, N, generator=generator, dtype=dtype)


# %% [markdown]
# Two helpers do all the measuring. `training_pass` is what training asks of a layer: spikes
# forward, and the gradient of the input backward. `race` runs its entries in turn, A B C A B C, and
# keeps the shortest time of each. The shortest, because everything else that the machine does can
# only make a run longer. Two more draw, and one is for the exercises.


# %%
def training_pass(loop, x, g):
    """Forward and backward: the spikes, and the gradient of x."""
    x = x.detach().requires_grad_()
    spikes = loop(x)
    spikes.backward(g)
    return spikes.detach(), x.grad


def race(entries, rounds=rounds):
    """name -> function without arguments: the shortest time of each, in ms."""
    best = dict.fromkeys(entries, math.inf)
    for _ in range(rounds + 1):  # one more, to warm up
        for name, run in entries.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], 1000 * (time.perf_counter() - start))
    return best


def exponent(x, y, last=3):
    """p of y ~ x^p, from the last points."""
    return np.polyfit(np.log(x[-last:]), np.log(y[-last:]), 1)[0] if len(x) > 1 else math.nan


# %%
def bars(ax, values, colours, xlabel, fmt="%.1f", **more):
    """Horizontal bars, the first on top, each with its number."""
    ax.bar_label(ax.barh(list(values), values.values(), color=colours), fmt=fmt, padding=2)
    ax.margins(x=0.15)
    ax.invert_yaxis()
    ax.set(xlabel=xlabel, **more)


def log_lines(ax, x, lines, colours, **more):
    """Curves over two logarithmic axes, with a tick at every x."""
    for (name, y), colour in zip(lines.items(), colours, strict=True):
        ax.loglog(x, y, ":" if colour == GREY else "o-", color=colour, label=name)
    ax.set_xticks(x, [f"{value:g}" for value in x])
    ax.set_xticks([], minor=True)
    ax.set(**more)
    ax.legend()


# %% [markdown]
# ## 1. Twice as many steps: how much longer?
#
# Here is the loop as everybody writes it first. `lif_step` is the library's readable step.


# %%
def indexed(x):
    state, spikes = None, []
    for t in range(len(x)):
        s, state = lif_step(x[t], state, params)
        spikes.append(s)
    return torch.stack(spikes)


# %% [markdown]
# One step costs the same at every t, so what do you expect of the time, forward and backward, when
# the number of steps T doubles?
#
# <details><summary>Make a guess, then open</summary>
# It should double. It does not: for long sequences it comes close to four times as long.
# </details>


# %%
def times_over(*loops, small=(16, 128)):
    """The times (ms) of a training pass at each of the lengths, one row a loop."""
    run = {}
    for T in lengths:
        x, g = sequence(T, *small)
        run |= {(T, f): lambda f=f, x=x, g=g: training_pass(f, x, g) for f in loops}
    return np.array(list(race(run, min(rounds, 3)).values())).reshape(-1, len(loops)).T


(indexed_ms,) = times_over(indexed)

# %%
proportional = indexed_ms[0] * np.array(lengths) / lengths[0]
labels = dict(xlabel="number of steps T", ylabel="forward + backward (ms)", title="[T, 16, 128]")
lines = {"x[t]": indexed_ms, "proportional to T": proportional}
log_lines(plt.subplots()[1], lengths, lines, (RED, GREY), **labels)
plt.show()
indexed_power = exponent(lengths, indexed_ms)
print(f"for long sequences the time grows as T to the power {indexed_power:.1f}")

# %% [markdown]
# *The figure shows the time of one forward and backward pass against the number of steps.* On axes
# with two logarithmic scales a power law is a straight line, and its power is the slope. The slope
# comes close to 2: the loop is **quadratic** in T. An audio sample of 1000 steps costs not ten
# times as much as one of 100, but many times that.
#
# ## 2. Who writes all those bytes?
#
# PyTorch can tell us every operation that it runs. A `TorchDispatchMode` sees each call with its
# tensors. We count the calls, the bytes that they read, and the bytes that they write. (A view,
# such as `x[t]` itself, moves nothing.)


# %%
class Tally(TorchDispatchMode):
    """Counts calls, bytes read and bytes written, by operation."""

    def __init__(self):
        super().__init__()
        self.calls, self.read, self.written = {}, {}, {}

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if not operation.is_view:
            name = operation.__name__.split(".")[0]
            self.calls[name] = self.calls.get(name, 0) + 1
            for count, tensors in ((self.read, args), (self.written, (result,))):
                flat = [p for a in tensors for p in (a if isinstance(a, list | tuple) else [a])]
                moved = sum(p.nbytes for p in flat if isinstance(p, torch.Tensor))
                count[name] = count.get(name, 0) + moved
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
print(f"backward over T = {n_steps} steps, bytes written for each element of x:")
for name in sorted(back.written, key=back.written.get, reverse=True)[:5]:
    print(f"  {name:<16}{back.calls[name]:>6} calls {back.written[name] / x.numel():8.1f} bytes")

# %% [markdown]
# Each element of `x` has 4 bytes, and its gradient has 4. But `select_backward` alone writes 400
# bytes an element, and the additions another 404.
#
# **Look for the cause before you read on.** `select` is what `x[t]` is called inside.
#
# <details><summary>The cause</summary>
# The gradient of x[t] with respect to x is a tensor of x's full shape [T, B, N], zero but for
# row t. Each of the T steps makes such a tensor, fills it, and adds it to the sum so far. T times
# a tensor of T rows: that is the square.
# </details>
#
# The mend is one word. `x.unbind(0)` cuts `x` into its T rows *once*, and its backward puts the T
# gradients together *once*.


# %%
def unbound(x):
    state, spikes = None, []
    for x_t in x.unbind(0):  # the one change
        s, state = lif_step(x_t, state, params)
        spikes.append(s)
    return torch.stack(spikes)


for mine, theirs in zip(training_pass(indexed, x, g), training_pass(unbound, x, g), strict=True):
    assert torch.equal(mine, theirs)

# %% [markdown]
# Before you look: how many bytes an element does the backward pass write now, and does that number
# still depend on T?

# %%
written = {"x[t]": [], "x.unbind(0)": []}
for T in lengths[:4]:
    x, g = sequence(T, 1, 8)
    for name, loop in zip(written, (indexed, unbound), strict=True):
        written[name].append(sum(tally(loop, x, g)[1].written.values()) / x.numel())
_, ax = plt.subplots()
for (name, values), colour in zip(written.items(), (RED, BLUE), strict=True):
    ax.plot(lengths[:4], values, "o-", color=colour, label=name)
ax.set(xlabel="number of steps T", ylabel="written in backward\n(bytes an element of x)", ylim=0)
ax.legend()
plt.show()
assert written["x[t]"][-1] > lengths[:4][-1] > written["x.unbind(0)"][-1] or not full_run

# %% [markdown]
# *The figure shows the bytes that the backward pass writes, for each element of the input.* With
# `x[t]` they grow by 8 for every further step. With `unbind` they are about 40, whatever T is.
# And the time?

# %%
indexed_ms, unbound_ms = times_over(indexed, unbound)  # in one race
lines = {"x[t]": indexed_ms, "x.unbind(0)": unbound_ms}
log_lines(plt.subplots()[1], lengths, lines, (RED, BLUE), **labels)
plt.show()
unbound_power = exponent(lengths, unbound_ms)
print(f"power of T: {unbound_power:.1f}")
print("x[t] takes", ", ".join(f"{r:.1f}" for r in indexed_ms / unbound_ms), "times as long")
assert indexed_power > unbound_power or not full_run

# %% [markdown]
# *The figure shows both loops.* The mended one has a slope of about 1: twice the steps, twice the
# time. The ratio of the two has no end: it grows with T. If you take one thing from this notebook,
# take this one.
#
# ## 3. Where does the rest of the time go?
#
# The loop is linear now, but is it fast? Count what one step does.

# %%
x, g = sequence(n_steps, 4, 32)
forward, back = tally(unbound, x, g)
_, axes = plt.subplots(1, 2, figsize=(8, 3), sharex=True)
for ax, part, title in zip(axes, (forward, back), ("forward", "backward"), strict=True):
    per_step = {name: n / n_steps for name, n in part.calls.items() if n > n_steps // 2}
    bars(ax, per_step, BLUE, "calls a step", "%.0f", title=title)
plt.show()
calls = (sum(forward.calls.values()) + sum(back.calls.values())) / n_steps

# %% [markdown]
# *The figure shows the operations of one step that touch memory, 18 in all.* A neuron needs a
# multiplication, an addition, a comparison and a reset. PyTorch runs each of them, and those of
# the surrogate, as a call of its own: it checks the arguments, finds the kernel, makes a tensor,
# writes it, and remembers what to do backward. That has a price for each call, however few the
# numbers in it.
#
# How few is few? Measure one step against the number of *lanes*, which is B times N: all neurons of
# all samples.

# %%
lanes = [n for n in (64, 256, 1024, 4096, 16384, 65536, 262144) if n * 20 <= largest]
inputs = {n: sequence(20, 1, n) for n in lanes}
runs = {n: lambda xg=xg: training_pass(unbound, *xg) for n, xg in inputs.items()}
step_us = np.array([1000 * ms / 20 for ms in race(runs).values()])
lines = {"measured": step_us, "price of the calls": step_us[0] + 0 * step_us}
labels = dict(xlabel="lanes (B x N)", ylabel="one step,\nforward + backward (µs)")
log_lines(plt.subplots()[1], lanes, lines, (BLUE, GREY), **labels)
plt.show()

# %% [markdown]
# *The figure shows the time of one step against its number of lanes.* At first the line is flat: 64
# lanes or 1024, the time is that of the calls. Then it bends upwards: now the bytes count, and more
# so where they no longer fit into a cache. A faster loop has to save both, calls and bytes.
#
# ## 4. What is kept for the backward pass?
#
# Bytes are not only moved but also kept, from the forward pass until the backward pass needs them.
# That is the memory that runs out on a long sequence. `saved_tensors_hooks` shows each saved
# tensor.


# %%
def kept_bytes(run):
    """The result of run(), and the bytes that autograd keeps for its backward pass."""
    kept = {}

    def keep(tensor):
        kept[tensor.data_ptr()] = tensor.nbytes
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        result = run()
    return result, sum(kept.values())


x = sequence(n_steps, 4, 32)[0].requires_grad_()
ways = {
    "reset detached": LIFLayer(tau, backend="eager"),
    "gradient through a zero reset": LIFLayer(
        tau, reset="zero", detach_reset=False, backend="eager"
    ),
}
kept = {name: kept_bytes(lambda way=way: way(x))[1] / x.numel() for name, way in ways.items()}
bars(plt.subplots(figsize=(6, 1.6))[1], kept, [BLUE, GREEN], "kept (bytes an element)", "%.0f")
plt.show()
assert round(kept["reset detached"]) == 4

# %% [markdown]
# *The figure shows what autograd keeps of the eager loop, with two kinds of reset.* The first needs
# one number, $h-1$, for each element: 4 bytes. It cannot be less, since the surrogate's slope
# depends on it. Each further product that a gradient flows through keeps its factors. Keeping is
# not our trouble, then. Moving is.
#
# ## 5. What is the least that must be done?
#
# A loop that forgets nothing that it will need, and does nothing twice, still has to do this:
#
# | pass | reads | writes | bytes |
# |---|---|---|---|
# | forward | the input $x$ | the spikes $s$, the potential $h$ | 4 + 8 |
# | backward | the gradient of $s$, and $h$ | the gradient of $x$ | 8 + 4 |
#
# Together 24 bytes for each element and step in float32. The spikes need not be kept: $s$ is 1
# where $h \ge 1$. The potential $v$ of one step fits into the processor's cache and never sees
# memory.
#
# How fast are 24 bytes? Copying a tensor reads 4 bytes an element and writes 4. So **no loop can be
# faster than three copies of a tensor as large as x.** How fast does this machine copy?

# %%
sizes = [4**k for k in range(5, 13) if 4**k <= largest]


def copies(n, to=torch.zeros(sizes[-1]), source=torch.ones(sizes[-1])):  # noqa: B008
    for _ in range(sizes[-1] // n // 8 + 1):
        to[:n].copy_(source[:n])


copy_ms = race({n: lambda n=n: copies(n) for n in sizes})
rate = [8e-6 * n * (sizes[-1] // n // 8 + 1) / copy_ms[n] for n in sizes]  # GB/s: 8 bytes each
_, ax = plt.subplots()
ax.semilogx([8e-6 * n for n in sizes], rate, "o-", color=BLUE)
ax.axvline(8e-6 * n_steps * batch * n_neurons, color=GREY, ls=":", label="as in the race below")
ax.set(xlabel="both tensors together (MB)", ylabel="read + written (GB/s)", ylim=0)
ax.legend(loc="upper right")
plt.show()

# %% [markdown]
# *The figure shows the speed of a copy against its size.* The smallest copies pay for the call.
# Then come sizes that fit into a cache and are fast, and the large ones run at the speed of
# memory. A limit must therefore be measured at the size that is meant: our floor is three copies
# of *this* size, between six different tensors, in the same race as the loops.
#
# ## 6. One function for the whole sequence
#
# The first idea saves calls. One `autograd.Function` does all T steps, without autograd looking on,
# writes into ready tensors, and keeps $h$ alone. Its backward is the chain rule, by hand. Forward:
#
# $$h_t = a\,v_{t-1} + x_t,\qquad s_t = [h_t \ge 1],\qquad v_t = h_t - s_t .$$
#
# The reset is detached, so $\partial v_t/\partial h_t = 1$, and the surrogate stands for
# $\partial s_t/\partial h_t$. With $\bar h$ for the gradient of $h$, from the last step to the
# first:
#
# $$\bar h_t = \frac{\bar s_t}{(1 + k\,|h_t - 1|)^2} + a\,\bar h_{t+1},\quad \bar x_t = \bar h_t .$$


# %%
class OneFunction(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        h, s, v = torch.empty_like(x), torch.empty_like(x), torch.zeros_like(x[0])
        for x_t, h_t, s_t in zip(x.unbind(0), h.unbind(0), s.unbind(0), strict=True):
            torch.mul(v, decay, out=h_t).add_(x_t)
            torch.ge(h_t, 1.0, out=s_t)
            torch.sub(h_t, s_t, out=v)
        ctx.save_for_backward(h)
        return s

    @staticmethod
    def backward(ctx, g):
        (h,) = ctx.saved_tensors
        gx = (h - 1.0).abs_().mul_(slope).add_(1.0).square_()  # all steps at once
        torch.div(g, gx, out=gx)
        rows = gx.unbind(0)
        for t in range(len(rows) - 2, -1, -1):
            rows[t].add_(rows[t + 1], alpha=decay)
        return gx


# %% [markdown]
# Is it right? First agree, then time. The judge is the library's readable step, in float64, where
# the spikes must be *equal* and the gradients equal up to rounding.

# %%
judge = LIFLayer(tau, surrogate=SurrogateSpike("fast_sigmoid", slope), backend="eager")
x64, g64 = sequence(50, 3, 40, dtype=torch.float64)
right_spikes, right_gradient = training_pass(lambda x: judge(x)[0], x64, g64)


def agrees(loop):
    """Whether a loop's spikes are the judge's, and its gradient as good as the judge's."""
    spikes, gradient = training_pass(loop, x64, g64)
    return torch.equal(spikes, right_spikes), torch.allclose(gradient, right_gradient, atol=1e-12)


assert agrees(OneFunction.apply) == (True, True)

# %%
x, g = sequence(n_steps, 4, 32)
loops = {"x[t]": indexed, "x.unbind(0)": unbound, "one Function": OneFunction.apply}
moved = {}
for name, loop in loops.items():
    parts = tally(loop, x, g)
    moved[name] = sum(sum((*p.read.values(), *p.written.values())) for p in parts) / x.numel()
moved["the least"] = 24

# %%
_, ax = plt.subplots(figsize=(6, 2.2))
bars(ax, moved, [RED, BLUE, GREEN, GREY], "read + written (bytes an element)", "%.0f", xscale="log")
plt.show()
assert moved["x[t]"] > moved["x.unbind(0)"] > moved["one Function"] > 24

# %% [markdown]
# *The figure shows the bytes that all operations together read and write, forward and backward; the
# scale is logarithmic.* One function moves less than the loop over `unbind`, and it makes far
# fewer calls. Still, every operation sends its numbers out and the next one fetches them again.
# PyTorch cannot keep $h$ in a register from one call to the next. A compiler can.
#
# ## 7. Compile the loop: a first attempt
#
# `numba` turns a Python function on arrays into machine code at its first call. We write the loop
# as a textbook would: for each lane, go through time, with $v$ in a plain variable. Lanes lie side
# by side in memory, `[T, lanes]`.


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
        x_t, s_t, h_t = x[t], s[t], h[t]  # rows: memory in one piece
        for n in range(len(v)):
            p = decay * v[n] + x_t[n]
            spike = one if p >= one else zero
            h_t[n], s_t[n], v[n] = p, spike, p - spike


# %% [markdown]
# The second one exchanges the two loops and takes the rows out before the inner one. It does the
# same work; $v$ is an array now. (`one` and `decay` come as arguments in the array's own type. A
# plain `1.0` would turn float32 arithmetic into float64.) Which one is faster, and by how much?
#
# <details><summary>Make a guess, then open</summary>
# Memory comes in lines of 64 bytes, 16 numbers side by side. Lane by lane uses one number of each
# line, and by the time it wants the next, the line is gone from the cache. It also gives the
# compiler nothing to do eight at a time. Row by row reads straight on.
# </details>

# %%
x, _ = sequence(n_steps)
flat = x.flatten(1).numpy()
ready = [np.zeros_like(flat), np.zeros_like(flat), np.zeros_like(flat[0])]
numbers = np.float32(decay), np.float32(1)
start = time.perf_counter()
row_by_row(flat, *ready, *numbers)  # the first call compiles
print(f"first call: {time.perf_counter() - start:.2f} s")
with torch.no_grad():
    forward_ms = race(
        {
            "unbind": lambda: unbound(x),
            "one Function": lambda: OneFunction.apply(x),
            "numba, lane by lane": lambda: lane_by_lane(flat, *ready, *numbers),
            "numba, row by row": lambda: row_by_row(flat, *ready, *numbers),
        }
    )

# %%
_, ax = plt.subplots(figsize=(6, 2.2))
bars(ax, forward_ms, [BLUE, GREEN, RED, ORANGE], "forward only (ms)")
plt.show()
order_ratio = forward_ms["numba, lane by lane"] / forward_ms["numba, row by row"]
print(f"lane by lane takes {order_ratio:.0f} times as long as row by row")

# %% [markdown]
# *The figure shows the forward pass alone.* Compiled is not the same as fast: in the wrong order
# the compiled loop has lost what it had won. In the order of memory it is far ahead. Note the
# first call too: compilation takes part of a second each time the program starts, unless the
# machine code is kept on disk. The library keeps it.
#
# ## 8. The compiled loop as a layer
#
# The backward loop goes the same way, last row first.


# %%
@njit(error_model="numpy")
def row_by_row_back(g, h, gx, gv, decay, one, k):
    for t in range(len(g) - 1, -1, -1):
        g_t, h_t, gx_t = g[t], h[t], gx[t]
        for n in range(len(gv)):
            q = one + k * abs(h_t[n] - one)
            gx_t[n] = g_t[n] / (q * q) + decay * gv[n]
            gv[n] = gx_t[n]


def arrays(like, *tensors):
    """Tensors as arrays [T, lanes], a fresh row of zeros, and the decay and 1 of their type."""
    kind = tensors[0].numpy().dtype.type
    flat = [p.flatten(1).numpy() for p in tensors]
    return *flat, np.zeros(like[0].numel(), kind), kind(decay), kind(1)


class Compiled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        s, h = torch.empty_like(x), torch.empty_like(x)
        row_by_row(*arrays(x, x, s, h))
        ctx.save_for_backward(h)
        return s

    @staticmethod
    def backward(ctx, g):
        (h,) = ctx.saved_tensors
        gx = torch.empty_like(h)
        *rest, one = arrays(h, g, h, gx)
        row_by_row_back(*rest, one, type(one)(slope))
        return gx


assert agrees(Compiled.apply) == (True, True)
print("spikes equal, gradient equal up to rounding")

# %% [markdown]
# ## 9. The library does the same
#
# `LIFLayer` has both: `backend="eager"` is the readable step over `unbind`, and `backend="auto"`,
# the default, takes a compiled loop. Nobody wrote that loop. The library *generates* it from the
# step: autograd differentiates one step, a minimum cut finds the least that must be kept for the
# backward pass, and the rest is written out as source, much like yours above. Do the two agree, for
# every reset?

# %%
auto = LIFLayer(tau, surrogate=SurrogateSpike("fast_sigmoid", slope))
assert agrees(lambda x: auto(x)[0]) == (True, True)
for reset in ("subtract", "zero", "none"):
    pair = [LIFLayer(tau, reset=reset, backend=backend) for backend in ("eager", "auto")]
    passes = [training_pass(lambda x, layer=layer: layer(x)[0], x64, g64) for layer in pair]
    assert torch.equal(passes[0][0], passes[1][0])
    assert torch.allclose(passes[0][1], passes[1][1], atol=1e-12)
    print(f"{reset:<9} {passes[0][0].sum():5.0f} spikes, all equal; gradients equal too")

# %% [markdown]
# Here is the part of the generated loop that goes back through time. Find your own lines in it: the
# potential that was kept, the surrogate, the decay.

# %%
source = auto.source("numba")
print(source[source.index("    def backward") :])

# %% [markdown]
# Now the race: everything so far, on the same input, in the same run, with the floor of three
# copies. Guess the two ratios that matter: `x[t]` over the library, and the library over the floor.

# %%
x, g = sequence(n_steps)
like_x = [torch.rand(x.shape) for _ in range(6)]
loops = {
    "x[t]": indexed,
    "x.unbind(0) (eager)": lambda x: judge(x)[0],
    "one Function": OneFunction.apply,
    "own numba loop": Compiled.apply,
    "library (auto)": lambda x: auto(x)[0],
}
runs = {name: lambda loop=loop: training_pass(loop, x, g) for name, loop in loops.items()}
runs["floor: three copies"] = lambda: [like_x[k].copy_(like_x[k + 3]) for k in range(3)]
ms = race(runs, 3 * rounds if full_run else 1)

floor, library = ms["floor: three copies"], ms["library (auto)"]

# %%
_, ax = plt.subplots(figsize=(7, 2.8))
multiples = {name: t / library for name, t in ms.items()}
colours = [RED, BLUE, GREEN, ORANGE, "black", GREY]
bars(ax, multiples, colours, "forward + backward (library = 1)", "%.1f", xscale="log")
plt.show()
print(f"x[t] / library: {ms['x[t]'] / library:.0f}; eager / library: ", end="")
print(f"{ms['x.unbind(0) (eager)'] / library:.1f}; library / floor: {library / floor:.1f}")

# %% [markdown]
# *The figure shows a whole pass, with the time as a multiple of the library's; the scale is
# logarithmic.* `x[t]` takes about 30 times as long as the library's loop, and the eager loop about
# 8 times. (Yours will differ somewhat: caches, memory and the rest of the load have their say.)
# Your own loop, some 20 lines, is the nearest. The library goes further in two points. It takes
# lanes in blocks of 1024, so that $v$ stays in the innermost cache while t runs. And it keeps its
# large blocks of memory and uses them again, because fresh memory comes from the system page by
# page, and each page must be cleared at its first touch.
#
# What is left is the distance to the floor: the library takes about 1.4 times as long as three
# copies. Beyond the floor no cleverness leads, only moving fewer bytes.
#
# ## 10. The failure on screen: the same neuron, other spikes
#
# So far we compared spikes in float64. Why not in float32, which everybody trains in? Here are two
# updates that are equal on paper:
#
# $$h = a\,v + x \qquad\text{and}\qquad h = v + \bigl(x - (1-a)\,v\bigr).$$
#
# A recurrent network, 64 samples, 200 neurons, $\tau$ = 200 ms, runs once with each. In how many of
# the 64 samples do all spikes agree to the end?


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
drive = 0.2 * torch.rand(chaos_steps, 64, 200, generator=generator, dtype=torch.float64)
weight = 0.9 * torch.randn(200, 200, generator=generator, dtype=torch.float64) / math.sqrt(200)
differ = {}
for dtype in (torch.float32, torch.float64):
    one, other = (network(update, drive.to(dtype), weight.to(dtype)) for update in updates)
    differ[dtype] = (one != other).double().mean(2)  # [T, B]: share of neurons
    apart = (differ[dtype] > 0).any(0).sum().item()
    print(f"{dtype}: {apart} of 64 samples differ; {one.mean():.4f} and {other.mean():.4f} spikes")

# %%
_, axes = plt.subplots(1, 2, figsize=(9, 3))
for (dtype, share), colour in zip(differ.items(), (RED, BLUE), strict=True):
    apart = (share.cumsum(0) > 0).sum(1)
    axes[0].plot(apart, color=colour, label=str(dtype).removeprefix("torch."))
axes[0].set(xlabel="time (ms)", ylabel="samples that differ so far (of 64)")
axes[0].legend()
sample = (differ[torch.float32] > 0).double().sum(0).argmax()  # the one that differs longest
axes[1].plot(100 * differ[torch.float32][:, sample], color=RED, lw=0.5)
axes[1].set(xlabel="time (ms)", ylabel="neurons that differ (%)", title="one sample, float32")
plt.show()
if full_run:
    assert (differ[torch.float32] > 0).any()
assert (differ[torch.float64] > 0).sum() <= (differ[torch.float32] > 0).sum()

# %% [markdown]
# *Left: the number of samples whose spikes have differed up to a time. Right: one of those that
# differ, and the share of its neurons whose spikes differ at each step.* For some hundred steps
# nothing happens. Then a single neuron of a sample comes to lie within a rounding error of the
# threshold: one update sees it above, the other below. That is one spike more or less, a whole
# weight to each other neuron, and soon the two runs have nothing in common but their rate.
#
# Neither run is wrong. So "the same spikes in float32" is no test of a loop: a correct one may fail
# it. What to do instead:
#
# * compare spikes exactly in **float64**, where such a meeting is about $2^{29}$ times rarer,
# * in float32 compare short runs, spike *times* with a tolerance, or rates and losses,
# * compare gradients only where the spikes agree.
#
# ## 11. A surrogate of your own
#
# A loop that is generated can take a surrogate that you wrote yourself. But a loop over single
# neurons cannot run a function that looks at all neurons at once. The layer must not quietly
# compute something else then. And it should tell you that it is slow. The library speaks through
# the logger `jarvis.kernels`, to which the set-up cell gave an ear.


# %%
def gaussian(z, k):
    """A derivative of one's own: a bell of width 1/k around the threshold."""
    return torch.exp(-0.5 * (k * z).square())


def scaled(z, k):
    """The same, scaled by the mean over all neurons."""
    return gaussian(z, k) / gaussian(z, k).mean()


x, g = sequence(n_steps)
own = LIFLayer(tau, surrogate=SurrogateSpike(gaussian, slope=5.0), backend="numba")
print(f"compiled: {own(x)[0].sum():.0f} spikes")
mixing = LIFLayer(tau, surrogate=SurrogateSpike(scaled, slope=5.0))
for attempt in (1, 2):
    spikes, _ = mixing(x)
    print(f"call {attempt}: {spikes.sum():.0f} spikes")
try:
    LIFLayer(tau, surrogate=mixing.surrogate, backend="numba")(x)
except ValueError as error:
    print("ValueError:", error)

# %% [markdown]
# One line, the first time, with the reason. (A second layer with the same reason says nothing.) If
# you would rather have an error than a slow run, ask for the loop by name: `backend="numba"`.
#
# ## 12. What does an option cost?
#
# * **Learned time constants** (`learnable="tau"`) are compiled: the loop sums their gradient.
# * **`trace=True`** is compiled, too, but it writes the potentials at all times to memory.
# * Anything under `torch.compile` or `torch.func` runs step by step.
#
# Another saving has nothing to do with loops. If the input is the same picture at each step, the
# first linear layer has the same result at each step: compute it *once*. `over_time` does so for an
# input made by `constant_encode`.

# %%
tuned = LIFLayer(tau, learnable="tau")
linear = torch.nn.Linear(784, n_neurons)
static = jarvis.constant_encode(torch.rand(batch, 784, generator=generator), n_steps)
dense = static.contiguous()  # the same numbers, written out T times
slow_ms = race(
    {
        "compiled": lambda: training_pass(lambda x: auto(x)[0], x, g),
        "learnable tau": lambda: training_pass(lambda x: tuned(x)[0], x, g),
        "trace=True": lambda: training_pass(lambda x: auto(x, trace=True)[0], x, g),
    }
)
with torch.no_grad():
    linear_ms = race(
        {
            "constant_encode": lambda: jarvis.over_time(linear, static),
            "written out": lambda: jarvis.over_time(linear, dense),
        }
    )


# %%
_, axes = plt.subplots(1, 2, figsize=(9, 1.9))
title = "LIF layer, forward + backward"
bars(axes[0], slow_ms, [GREEN, BLUE, ORANGE], "time (ms)", title=title)
bars(axes[1], linear_ms, [GREEN, RED], "time (ms)", "%.2g", title="linear layer, forward")
plt.show()

# %% [markdown]
# *Left: the plain layer, with a time constant that is trained, and with a trace. Right: the
# first linear layer for a picture that does not change.* The right-hand saving is the number of
# steps, and often the largest of all.
#
# ## 13. When do zeros pay?
#
# The time loop is fast now, and what is left of a training step are its matrix products. They
# multiply by spikes, and of those 90 to 99 % are 0. To skip zeros, one adds up the weights of the
# inputs that have fired:
#
# $$\sum_i W_{ni}\,x_i = \sum_{i:\ x_i = 1} W_{ni} .$$
#
# With 10 % ones that is a tenth of the operations. Is it a tenth of the time?
#
# <details><summary>Make a guess, then open</summary>
# No. A dense product works on eight or sixteen numbers in one instruction, and uses each number
# that it fetches many times. A sum over the active inputs first has to find them, and uses what it
# fetches once. So an operation takes longer, and the zeros must pay for it.
# </details>
#
# The library has both: `sparse_products` says which one `over_time` takes. We measure the linear
# map and the gradient of its weights: for a wide layer, for a narrow one, and for a wide one with
# few rows (steps times samples).

# %%
ones = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
layers = {  # inputs, outputs, rows
    "wide: 1000 outputs": (784, 1000, 1600),
    "narrow: 10 outputs": (784, 10, 1600),
    "few rows: 1000 outputs": (784, 1000, 32),
}
if not full_run:
    layers = {name: (50, outputs // 10, 20) for name, (_, outputs, _) in layers.items()}
modes = ("never", "always", "auto")


def linear_pass(linear, x, mode):
    """Forward, and the gradient of the weights."""
    linear.weight.grad = linear.bias.grad = None
    with jarvis.sparse_products(mode):
        jarvis.over_time(linear, x).sum().backward()


ratios = {}
for name, (n_in, n_out, rows) in layers.items():
    linear = torch.nn.Linear(n_in, n_out)
    for share in ones:
        x = (torch.rand(1, rows, n_in, generator=generator) < share).float()
        runs = {m: lambda m=m, x=x, layer=linear: linear_pass(layer, x, m) for m in modes}
        each = race(runs, 3 if full_run else 1)
        ratios[name, share] = {m: each[m] / each["never"] for m in modes}

# %%
_, axes = plt.subplots(1, 3, figsize=(10, 2.8), sharey=True)
for ax, name in zip(axes, layers, strict=True):
    percent = [100 * share for share in ones]
    ax.axhline(1.0, color=GREY, ls=":", label="dense")
    for mode, style, colour in (("always", "-", BLUE), ("auto", "o", ORANGE)):
        label = "zeros skipped" if mode == "always" else "the library's choice"
        ax.loglog(
            percent, [ratios[name, q][mode] for q in ones], style, color=colour, ms=4, label=label
        )
    ax.set_xticks(percent, [f"{value:g}" for value in percent])
    ax.set_xticks([], minor=True)
    ax.set(xlabel="ones in the input (%)", title=name)
ticks = (0.1, 0.2, 0.5, 1, 2, 5)
axes[0].set_yticks(ticks, [f"{value:g}" for value in ticks])
axes[0].set_yticks([], minor=True)
axes[0].set_ylabel("time (dense = 1)")
axes[0].legend()
plt.show()
wide, narrow, _ = layers
assert ratios[wide, ones[0]]["always"] < 0.7 or not full_run
assert ratios[wide, ones[0]]["always"] < ratios[wide, ones[-1]]["always"] or not full_run

# %% [markdown]
# *The figure shows the time with zeros skipped, as a share of the dense time, against the share of
# ones; dots: what the library chooses by itself.* In the wide layer zeros pay up to some 40 %
# ones, and most where spikes are rare. With ten outputs they pay little: to find the spikes of a
# row takes about as long as to multiply all of it. With few rows they do not pay at all: the
# weights are first copied into an order in which those of one input lie side by side, and a few
# rows cannot make up for that. So the library counts the ones and looks up measured times before
# it chooses. `print(products)` after `with jarvis.sparse_products() as products:` shows what it
# chose.
#
# So zeros are worth something on a processor, but less than counting operations suggests. Keep
# that in mind when you read of energy.
#
# ## 14. Does it stay linear?
#
# A compiled loop should grow in proportion to T, to B and to N, and to nothing else. Vary one of
# them at a time.

# %%
values = (1, 2, 4, 8) if full_run else (1, 2)
shapes = {}
for axis, first in (("T", 50), ("B", 32), ("N", 128)):
    for value in values:
        shapes[axis, first * value] = {"T": n_steps, "B": 64, "N": 256} | {axis: first * value}
inputs = {key: sequence(**shape) for key, shape in shapes.items()}
runs = {key: lambda xg=xg: training_pass(lambda x: auto(x)[0], *xg) for key, xg in inputs.items()}
shape_ms = race(runs)

# %%
_, axes = plt.subplots(1, 3, figsize=(10, 2.8), sharey=True)
powers = {}
for ax, axis, colour in zip(axes, "TBN", (BLUE, GREEN, ORANGE), strict=True):
    points = np.array([(value, t) for (name, value), t in shape_ms.items() if name == axis])
    powers[axis] = exponent(*points.T, last=4)
    line = points[0, 1] * points[:, 0] / points[0, 0]
    lines = {f"power {powers[axis]:.2f}": points[:, 1], "in proportion": line}
    log_lines(ax, points[:, 0], lines, (colour, GREY), xlabel=axis)
axes[0].set_ylabel("forward + backward (ms)")
plt.show()

# %% [markdown]
# *The figure shows the library's layer against each of its three sizes; dotted: in proportion.*
# The three lines are nearly straight, with a power of about 1. It is a little less where the
# smallest sizes still pay for the call, and more where the tensors outgrow a cache.
#
# ## 15. And on a GPU?
#
# The same idea in Triton: one program owns a block of lanes and runs all of time with $v$ in
# registers. On a GPU a call costs about as much as on a CPU, while the arithmetic costs nearly
# nothing, so a loop of small calls leaves it idle. There the gain is largest.

# %%
if torch.cuda.is_available():
    x_gpu, g_gpu = (p.cuda() for p in sequence(n_steps))

    def on_gpu(layer):
        training_pass(lambda x: layer(x)[0], x_gpu, g_gpu)
        torch.cuda.synchronize()  # a GPU works on after the call has returned

    print("ms:", race({"eager": lambda: on_gpu(judge), "Triton": lambda: on_gpu(auto)}))
else:
    print("skipped: there is no CUDA GPU here")

# %% [markdown]
# ## Exercises
#
# Each function below is empty: fill it in and run the cell. The check tries your function on fresh
# random input, and says in words what is wrong; run it as often as you like. Solutions are in
# `solutions/12_time_loops.ipynb`.
#
# ### Exercise 1: Reset to zero
#
# Write `row_by_row` with the reset to zero, $v = h\,(1 - s)$. This time the function makes `s` and
# `h` itself, as arrays `[T, lanes]` of the type of `x`, and returns them; $v$ begins at 0. With
# `@njit` above the `def` or without it. The check holds it against `LIFLayer(reset="zero")`, in
# float64, and looks whether float32 stays float32.


# %%
def zero_reset(x, decay):
    """Spikes s and potentials h [T, lanes] of neurons with a reset to zero."""
    # your code


check.zero_reset(zero_reset)

# %% [markdown]
# ### Exercise 2: Predict the memory of a recurrent layer
#
# `RecurrentLIFLayer` feeds its own spikes back through a weight. Its compiled loop keeps $h$. What
# else does the gradient of the weight need? Predict the bytes kept for each element of x, rounded
# to a whole number, if a number has `itemsize` bytes. The check measures them as section 4 did.


# %%
def kept_per_element(itemsize):
    """Bytes that RecurrentLIFLayer keeps for each element of x."""
    # your code


check.kept_per_element(kept_per_element)

# %% [markdown]
# ### Exercise 3: Where does indexing cost ten times?
#
# The backward pass of the `x[t]` loop writes $8T + c$ bytes for each element of x, and that of
# `unbind` about 40. Find $c$ from the table of section 2 or with `tally`. From which T on does
# `x[t]` write at least `ratio` times as many bytes? The check counts what both write.


# %%
def steps_for(ratio):
    """The least T at which x[t] writes at least `ratio` times what unbind writes."""
    # your code


if check.steps_for(steps_for):
    print(f"ten times as many bytes from T = {steps_for(10)} on")

# %% [markdown]
# ### Exercise 4: Truncate, and save memory
#
# Truncated backpropagation through time: run the sequence in pieces of `length` steps, go backward
# after each, and carry `state.detach()` to the next. Return all spikes, the gradient of x that the
# pieces give, and the most bytes that were kept at one time (use `kept_bytes`).


# %%
def in_pieces(layer, x, g, length):
    """Spikes [T, B, N], gradient of x [T, B, N], largest number of bytes kept at one time."""
    # your code


check.in_pieces(in_pieces)

# %% [markdown]
# ## Summary
#
# 1. `x[t]` of a tensor that needs a gradient makes the backward pass quadratic in T: each step
#    fills a tensor of all steps. `x.unbind(0)` does not.
# 2. A `TorchDispatchMode` counts operations and bytes, `saved_tensors_hooks` what is kept: 18
#    operations a step, 4 bytes kept.
# 3. A LIF layer must move 24 bytes an element and step, the work of three copies. That is the
#    floor.
# 4. One `autograd.Function` with the chain rule by hand saves calls; a compiled loop in the order
#    of memory saves bytes as well. First agree in float64, then time.
# 5. A rounding error at the threshold is a whole spike. Compare in float64, or spike times and
#    rates.
# 6. The library generates its loops from the step. `backend="auto"` compiles what it can and says
#    once, through the logger, what it cannot.
# 7. Skipping zeros pays in wide layers with rare spikes, by less than their number suggests.
#
# ## Further reading
#
# - Williams, Waterman & Patterson (2009), *Roofline: an insightful visual performance model for
#   multicore architectures*, Commun. ACM 52(4):65: the floor, in general.
# - Drepper (2007), *What every programmer should know about memory*: caches, lines and pages.
# - Paszke et al. (2019), *PyTorch: an imperative style, high-performance deep learning library*,
#   NeurIPS: what an eager call does.
# - Lam, Pitrou & Seibert (2015), *Numba: a LLVM-based Python JIT compiler*, LLVM-HPC.
#
# The last cell holds the numbers of the text against the last full run. Times are kept as powers of
# two, with room for another machine.

# %%
stated = {
    "power of T, x[t]": 2.0,
    "power of T, unbind": 1.0,
    "log2 of x[t] / library": math.log2(30),
    "log2 of eager / library": math.log2(8),
    "log2 of library / floor": math.log2(1.4),
    "power of T, library": 1.0,
    "power of B, library": 1.0,
    "power of N, library": 1.0,
}
measured = {
    "power of T, x[t]": indexed_power,
    "power of T, unbind": unbound_power,
    "log2 of x[t] / library": math.log2(ms["x[t]"] / library),
    "log2 of eager / library": math.log2(ms["x.unbind(0) (eager)"] / library),
    "log2 of library / floor": math.log2(library / floor),
    "log2 of lane by lane / row by row": math.log2(order_ratio),
    "power of T, library": powers["T"],
    "power of B, library": powers["B"],
    "power of N, library": powers["N"],
}
record("results/12_time_loops.json", stated, measured, full=full_run, tolerance=0.9)
