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
# # Solve the exercises on three learners
#
# Solutions to `11_three_learners.ipynb`. This notebook stands on its own; it runs in a few seconds
# on a CPU.

# %%
import torch
from matplotlib import pyplot as plt

from jarvis import FirstSpikeNetwork, SpikingMLP, __version__, count_operations, datasets, seeded
from jarvis.classroom.check import three_learners as check
from jarvis.classroom.comparison import until_decision
from jarvis.plotting import GREY, ORANGE, RED

plt.rcParams.update({"figure.figsize": (6, 2.8), "figure.dpi": 80, "legend.frameon": False})
plt.rcParams.update({"figure.constrained_layout.use": True, "legend.fontsize": 8})
print(f"jarvis {__version__}, torch {torch.__version__}")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false}}
full_run = True
seed = 0
add, multiply = 0.9, 3.7  # 32-bit floats at 45 nm, pJ (Horowitz 2014)

# %% [markdown]
# Each check tries the function on fresh random input. The cells after it use the function on
# digits.

# %%
pixels = datasets.digits("test").inputs.flatten(1)[:20]
steps = torch.where(pixels > 0, (16 * (1 - pixels)).round().long(), 17)
spikes = (steps == torch.arange(17)[:, None, None]).float()  # [T=17, B=20, 64]
times = torch.where(steps < 17, 0.1 + 0.25 * steps, torch.inf)  # ms

# %% [markdown]
# ### Exercise 1: count the additions
#
# Count the additions of each sample, for spikes `[T, B, n]` and weights `[n, m]`.
#
# **Solution.** A spike causes as many additions as its neuron has weights that are not 0. So count
# the spikes of each neuron and sample, `[B, n]`, and the synapses of each neuron, `[n]`; the
# product of the two is the sum over neurons.


# %%
def additions_of(spikes, weights):
    """Spikes [T, B, n] and weights [n, m] -> additions of each sample, [B]."""
    return spikes.sum(0) @ (weights != 0).float().sum(1)


assert check.additions_of(additions_of)

# %%
with seeded(seed):
    net = SpikingMLP((64, 100, 10))
synapses = net.synapses[0][1]  # its weight is [n_post, n_pre]
mine = additions_of(spikes, synapses.weight.detach().t())
library = count_operations(net, spikes)["synapses.0.1"].additions
print(f"first five pictures: {mine[:5].tolist()}, the library {library[:5].tolist()}")
assert torch.equal(mine.long(), library)

# %% [markdown]
# ### Exercise 2: stop with the decision
#
# Count the additions up to the first output spike, for spikes sent at `sent` `[B, n]`, outputs
# that fire at `out` `[B, C]`, and weights `[n, m]`. Where no output fires, all spikes count.
#
# **Solution.** The decision is the smallest time in each row of `out`, infinite where no output
# fires. Then every spike is early enough; but an input that never fires has an infinite time too,
# and `inf <= inf` is true. So ask for finite times as well.


# %%
def additions_until(sent, out, weights):
    """Times [B, n] and [B, C] in ms, weights [n, m] -> additions until the decision, [B]."""
    end = out.amin(1, keepdim=True)
    counts = (sent <= end) & sent.isfinite()
    return counts.float() @ (weights != 0).float().sum(1)


assert check.additions_until(additions_until)

# %%
exact = FirstSpikeNetwork((64, 100, 10), seed=seed)
hidden, out = (layer.times.detach() for layer in exact.spikes(times))
first, second = (layer.weight.detach() for layer in exact.layers)
mine = additions_until(times, out, first) + additions_until(hidden, out, second)
assert torch.equal(mine.long(), until_decision(exact, times).additions)
print(f"an untrained network needs {mine.mean():.0f} additions until it decides")

# %% [markdown]
# ### Exercise 3: where do spikes stop paying?
#
# How many spikes may each of `n_in` inputs send before a layer of neurons with `n_states` state
# variables on a clock of `n_steps` costs more than the dense layer? 0 if the updates alone cost
# more.
#
# **Solution.** For one neuron the dense layer costs $N (e_\times + e_+)$. Of that the updates take
# $T S\,(e_\times + e_+)$; what is left pays for additions, $e_+$ each, of $N$ inputs.


# %%
def break_even(n_in, n_steps, n_states, add, multiply):
    """Spikes an input may send in all before spikes cost more than numbers."""
    left = (n_in - n_steps * n_states) * (multiply + add)
    return max(0.0, left / (n_in * add))


assert check.break_even(break_even)

# %%
lengths = range(1, 81)
_, ax = plt.subplots()
for n_states, colour in ((1, RED), (2, ORANGE)):
    allowed = [break_even(64, n, n_states, add, multiply) for n in lengths]
    ax.plot(lengths, allowed, color=colour, label=f"state variables: {n_states}")
ax.plot(lengths, [pixels.mean().item() * n for n in lengths], color=GREY, label="rate code")
ax.set(xlabel="length of the code (steps)", ylabel="spikes an input may send", ylim=(0, 6))
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows how many spikes 64 inputs may send.* A second state variable, such as a
# synaptic current that fades, doubles the price of the clock. The rate code of a digit (grey)
# crosses the lines at 13 and 11 steps.
#
# ### Exercise 4: prune
#
# Set the given share of the weights that are smallest in size to 0, in a copy; round their number
# to the nearest whole one.
#
# **Solution.** Rank the sizes of all weights, whatever the shape, and clear those that come first.


# %%
def prune(weights, share):
    """Weights of any shape -> a copy in which the smallest share of them is 0."""
    pruned = weights.clone()
    order = weights.abs().flatten().argsort()
    pruned.view(-1)[order[: round(share * weights.numel())]] = 0.0
    return pruned


assert check.prune(prune)

# %%
weights = synapses.weight.detach()
_, ax = plt.subplots()
for share, colour in ((0.0, GREY), (0.7, RED)):
    kept = prune(weights, share)
    ax.hist(kept[kept != 0].numpy(), 40, color=colour, label=f"{share:.0%} gone")
ax.set(xlabel="weight", ylabel="synapses")
ax.legend()
plt.show()

# %% [markdown]
# *The figure shows the weights of an untrained layer before and after pruning.* The small ones are
# gone, on both sides of 0.
