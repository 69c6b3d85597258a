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
# # Solutions: Find out whether biology helps
#
# The exercises of [803](../803_biology.ipynb), solved. Try them yourself first. This notebook needs
# nothing from the lesson, not even the pole, and runs in a few seconds.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import json
import math
from itertools import combinations

import numpy as np
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import biology as check
from jarvis.classroom.results import in_repository
from jarvis.plotting import BLUE, GREY

lesson.begin()

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "draws": 500}}
full_run = True  # tests set False and shrink the numbers
draws = 4000

# %% [markdown]
# ### Exercise 1: Take the middle half


# %%
def middle(values):
    """The interquartile mean of one set of runs."""
    values, k = np.sort(values), len(values) // 4
    return values[k : len(values) - k].mean()


def middle_half(values, rng, draws):
    """values [n], a numpy Generator, a number -> mean, low, high."""
    means = [middle(rng.choice(values, len(values))) for _ in range(draws)]
    return middle(values), *np.quantile(means, [0.025, 0.975])


assert check.middle_half(middle_half)

# %% [markdown]
# Among the ten stored runs of Hodgkin-Huxley neurons with the pole, one has failed. Compare the
# bootstrap of the plain mean with that of the interquartile mean.

# %%
path = in_repository("../results/control/pole/hodgkin_huxley.json")
values = np.array([run["return"] for run in json.loads(path.read_text("utf-8"))["runs"]])
rng = np.random.default_rng(0)
sets = [rng.choice(values, len(values)) for _ in range(draws)]
mean, low, high = middle_half(values, np.random.default_rng(0), draws)
print("runs:", np.sort(values).round())
print(f"mean {values.mean():.0f}, interquartile mean {mean:.0f} ({low:.0f} to {high:.0f})")
assert values.mean() < mean

# %% tags=["hide-input"] jupyter={"source_hidden": true}
_, ax = plt.subplots(figsize=(6, 3))
bins = np.arange(370, 505, 5)
ax.hist(np.mean(sets, 1), bins, color=GREY, alpha=0.7, label="mean")
ax.hist([middle(drawn) for drawn in sets], bins, color=BLUE, alpha=0.7, label="interquartile mean")
ax.set(xlabel="return of a draw of ten runs (steps)", ylabel="draws")
ax.legend(loc="upper left")
plt.show()

# %% [markdown]
# *The figure shows the bootstrap of the mean and of the interquartile mean of ten runs, one of which
# has failed.* Each time that the failed run is drawn, the mean falls by 27 steps. The interquartile
# mean hardly notices, unless the failed run is drawn three times or more.
#
# ### Exercise 2: Compare all pairs


# %%
def beats(a, b):
    """Returns a [n] and b [m] -> the probability that a run of a beats a run of b."""
    return ((a[:, None] > b) + 0.5 * (a[:, None] == b)).mean()


assert check.beats(beats)
a, b = np.array([500.0, 500.0, 480.0]), np.array([500.0, 450.0])
print(f"{beats(a, b):.3f} + {beats(b, a):.3f} = 1")
assert math.isclose(beats(a, b) + beats(b, a), 1)

# %% [markdown]
# Because a tie counts half, the two probabilities always add up to 1.
#
# ### Exercise 3: The best of k settings


# %%
def best_of(scores, k):
    """scores [n] and a number k -> the mean, over all choices of k settings, of the best score."""
    return np.mean([max(tried) for tried in combinations(scores, k)])


assert check.best_of(best_of)

# %% [markdown]
# For many settings there are too many choices to go through. But one can count them. Sort the
# scores, $s_1 \le \dots \le s_n$. The setting $i$ is the best of those tried if it is tried, and
# all $k - 1$ others come from the $i - 1$ settings below it. So the mean is
#
# $$\sum_{i=k}^{n} s_i \binom{i-1}{k-1} \Big/ \binom{n}{k}.$$


# %%
def counted(scores, k):
    """The same without going through the choices."""
    weights = [math.comb(i, k - 1) for i in range(len(scores))]  # i settings lie below this one
    return np.sort(scores) @ np.array(weights) / math.comb(len(scores), k)


scores = np.random.default_rng(0).uniform(0, 500, 8)
assert all(np.isclose(counted(scores, k), best_of(scores, k)) for k in range(1, 9))

# %% [markdown]
# ### Exercise 4: Judge a claim


# %%
def verdict(a, b, low, high):
    """Two dicts with "steps", "settings", "chosen on" and "reported" (sets), and the bounds."""
    if a["steps"] != b["steps"] or a["settings"] != b["settings"]:
        return "unequal"
    if a["chosen on"] & a["reported"] or b["chosen on"] & b["reported"]:
        return "flattered"
    if low > 0.5:
        return "better"
    if high < 0.5:
        return "worse"
    return "cannot say"


assert check.verdict(verdict)

# %% [markdown]
# The order matters. An interval says nothing about a comparison that was not equal to begin with.
