# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     name: python3
# ---

# %% [markdown]
# # Solutions: Balance a pole
#
# The exercises of [801](../801_balance.ipynb), solved. Try them yourself first. This notebook needs
# nothing from the lesson, but it needs the extra packages of `pip install -e ".[control]"`.

# %% tags=["hide-input"] jupyter={"source_hidden": true}
import numpy as np
from matplotlib import pyplot as plt

from jarvis.classroom import lesson
from jarvis.classroom.check import balance as check
from jarvis.control import Player, task
from jarvis.control.requirements import required
from jarvis.plotting import BLUE, GREY, ORANGE

required("gymnasium")  # says what to install if it is missing
lesson.begin("gymnasium")

# %% tags=["parameters"] nbmake={"mock": {"full_run": false, "n_episodes": 2}}
full_run = True  # tests set False and shrink the numbers
n_episodes = 20

# %% [markdown]
# ### Exercise 1: Which way to push
#
# The sum of the angle, in units of 0.1 rad, and the angular velocity, in units of 1 rad/s, changes
# its sign before the pole is upright.


# %%
def push(x, v, theta, omega):
    """0 to push to the left, 1 to push to the right; theta in rad, omega in rad/s."""
    return int(theta / 0.1 + omega > 0)


assert check.push(push)

# %% [markdown]
# How large should the weight of the angular velocity be? Without it, the pole falls; with too much
# of it, the pole is held still while the cart drifts away.

# %%
env = task("CartPole-v1").make()


def steps(gain, seed):
    observation, _ = env.reset(seed=seed)
    n, over = 0, False
    while not over:
        angle, turning = observation[2:]
        observation, _, ended, cut, _ = env.step(int(angle / 0.1 + gain * turning > 0))
        n, over = n + 1, ended or cut
    return n


gains = (0.0, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
mean = [np.mean([steps(gain, seed) for seed in range(n_episodes)]) for gain in gains]
_, ax = plt.subplots(figsize=(5.5, 3))
ax.plot(range(len(gains)), mean, "o-", color=BLUE)
ax.set_xticks(range(len(gains)), [f"{gain:g}" for gain in gains])
ax.set(xlabel="weight of the angular velocity", ylabel="mean return (steps)", ylim=0)
plt.show()

# %% [markdown]
# *The figure shows how long the rule balances, against the weight of the angular velocity.* Over a
# wide range every weight works.
#
# ### Exercise 2: A slope from pairs


# %%
def slope_from_pairs(plus, minus, directions, noise):
    """The mean of slope times direction [n_weights]; returns [n] and directions [n, n_weights]."""
    return ((plus - minus) / (2 * noise)) @ directions / len(directions)


assert check.slope_from_pairs(slope_from_pairs)

# %% [markdown]
# Random directions are noisy witnesses: for a return that grows evenly, the error of the estimate
# falls with the square root of the number of directions.

# %%
rng, target = np.random.default_rng(0), np.array([1.0, -2.0])
for n in (10, 100, 1000):
    errors = []
    for _ in range(50):
        d = rng.normal(size=(n, 2))
        errors.append(slope_from_pairs(0.2 * d @ target, -0.2 * d @ target, d, 0.2) - target)
    print(f"{n:4d} directions: error {np.sqrt(np.square(errors).sum(1).mean()):.2f}")

# %% [markdown]
# ### Exercise 3: A speed from two traces
#
# Subtracting $r_s = y - c\,\tau_s$ from $r_f = y - c\,\tau_f$ leaves $c\,(\tau_s - \tau_f)$.


# %%
def slope_from_traces(fast, slow, tau_fast, tau_slow):
    """The slope of y per ms, from two traces of it; time constants in ms."""
    return (fast - slow) / (tau_slow - tau_fast)


assert check.slope_from_traces(slope_from_traces)

# %% [markdown]
# For a $y$ that swings, the estimate lags behind the true slope by about the sum of both time
# constants, and it smooths fast movements away.

# %%
t = np.arange(3000.0)  # ms
y, q = np.sin(2 * np.pi * t / 1000), np.exp(-1 / np.array([10.0, 50.0]))
traces, found = np.zeros(2), []
for value in y:
    traces = q * traces + (1 - q) * value
    found.append(slope_from_traces(*traces, 10.0, 50.0))
_, ax = plt.subplots(figsize=(5.5, 3))
ax.plot(t, 1000 * np.gradient(y), color=GREY, label="true slope")
ax.plot(t, 1000 * np.array(found), color=ORANGE, label="from two traces")
ax.set(xlabel="time (ms)", ylabel="slope (1/s)", xlim=(1000, 3000), ylim=(-7, 11))
ax.legend(loc="upper right", ncols=2)
plt.show()

# %% [markdown]
# *The figure shows the slope of a sine of 1 Hz, and the estimate from a trace of 10 ms and one of
# 50 ms.*
#
# ### Exercise 4: Forget in each step


# %%
def forgetful(player):
    """A function act(observation) that returns the player's action, without any memory."""

    def act(observation):
        player.reset()
        return player.act(observation)

    return act


assert check.forgetful(forgetful)

# %% [markdown]
# A forgetful player gives the same answer to the same observation, whatever came before.

# %%
policy = task("CartPole-v1").policy(hidden=(8,), steps=20)
theta = np.random.default_rng(4).normal(size=policy.n_parameters)
player = Player(policy, theta)
inputs = np.random.default_rng(5).normal(size=(20, 4))
forgotten = [forgetful(player)(x) for x in inputs]
again = [forgetful(player)(x) for x in inputs[::-1]][::-1]
assert forgotten == again
