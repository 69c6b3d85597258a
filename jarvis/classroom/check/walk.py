"""Checks of lesson 802: speed from rewards, a population code, the jitter of traces, PPO's goal."""

import math

import numpy as np
import torch

from jarvis.classroom.check.verdict import Wrong, array, exercise, near, number


@exercise(
    1,
    hints=(
        "Write down the reward of one control step, and solve the equation for the velocity.",
        "The cost of a control step is 0.1 * (torques**2).sum(1): add it to the reward.",
        "(rewards + 0.1 * (torques**2).sum(1)).mean().",
    ),
)
def mean_speed(answer, rng) -> None:
    """`mean_speed(rewards, torques)`: the mean forward speed (m/s) of an episode."""
    for _ in range(3):
        n = int(rng.integers(50, 200))
        speeds, torques = rng.normal(rng.uniform(1, 4), 1, n), rng.uniform(-1, 1, (n, 6))
        cost = 0.1 * (torques**2).sum(1)
        rewards = speeds - cost
        found, true = number(answer(rewards, torques), "the speed"), speeds.mean()
        if near(found, true, 1e-6):
            continue
        slips = {
            "That is the mean reward. The reward is the speed minus the cost of the torques, so "
            "add the cost.": rewards.mean(),
            "You subtract the cost. It has already been subtracted once: add it.":
                (rewards - cost).mean(),
            "You average the squares over the joints. The cost is a sum over the six joints.":
                (rewards + 0.1 * (torques**2).mean(1)).mean(),
            "You forget the factor of 0.1.": (rewards + (torques**2).sum(1)).mean(),
            "You use magnitudes of torques, not squares.":
                (rewards + 0.1 * abs(torques).sum(1)).mean(),
            "You square the sum of the torques. The cost is the sum of the squares.":
                (rewards + 0.1 * torques.sum(1) ** 2).mean(),
            "That is a sum over the episode. Divide by the number of control steps.": speeds.sum(),
            "You add the cost of the whole episode to the mean of the rewards.":
                rewards.mean() + cost.sum(),
            "The reward already contains the velocity in m/s: do not divide by 0.05 s.":
                true / 0.05,
            "The reward already contains the velocity in m/s: do not multiply by 0.05 s.":
                true * 0.05,
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 1e-6):
                raise Wrong(words)
        raise Wrong(f"In an episode of {n} control steps you return {found:.4f}, not {true:.4f}.")


@exercise(
    2,
    hints=(
        "A does not change. Only the potentials do: add A, look for spikes, subtract.",
        "In a loop over the steps: potential = potential + A; spikes = potential >= 1.",
        "potential = potential + A; spikes = (potential >= 1) * 1.0; potential = potential - "
        "spikes; append spikes to a list. After the loop: np.array of this list.",
    ),
)
def encode(answer, rng) -> None:
    """`encode(z, centres, width, steps)`: the spikes [steps, N] of a population code."""
    for _ in range(3):
        n, steps = int(rng.integers(4, 9)), int(rng.integers(20, 40))
        z, width = float(rng.uniform(-1.2, 1.2)), float(rng.uniform(0.5, 0.9))
        centres = np.sort(rng.uniform(-2, 2, n))
        centres[int(rng.integers(n))] = z  # this encoder fires in every step
        raw = answer(z, centres, width, steps)
        if isinstance(raw, list | tuple):
            raise Wrong("You return a list: make an array of it, np.array(...).")
        if np.shape(raw) == (n, steps):
            raise Wrong("Your array is [N, steps]: time comes first, [steps, N].")
        found = array(raw, (steps, n), "the array of spikes")
        A = np.exp(-((z - centres) ** 2) / (2 * width**2))
        if np.array_equal(found, _population(A, steps)):
            continue
        slips = {
            "The potentials are set to 0 after a spike. Subtract 1, so that the rest is kept.":
                _population(A, steps, reset="zero"),
            "The potentials are never reduced: subtract 1 for each spike.":
                _population(A, steps, reset="none"),
            "You test the potential before you add A.": _population(A, steps, early=True),
            "An encoder also fires when its potential is exactly 1.":
                _population(A, steps, strict=True),
            "Your bell is too narrow: the exponent is divided by 2 w^2, not by w^2.":
                _population(A**2, steps),
            "Your bell is not a Gaussian of width w: the exponent is divided by 2 w^2.":
                _population(A**width, steps),
            "The exponent needs the square of the distance.":
                _population(np.exp(-abs(z - centres) / (2 * width**2)), steps),
            "That is A in every step. An encoder sends whole spikes: keep a potential.":
                np.tile(A, (steps, 1)),
            "Only the first step is right: carry the potentials on from step to step.":
                np.tile(A >= 1, (steps, 1)),
        }  # fmt: skip
        for words, slip in slips.items():
            if np.array_equal(found, slip):
                raise Wrong(words)
        if not np.isin(found, (0, 1)).all():
            raise Wrong("Some values are neither 0 nor 1: return spikes, not potentials.")
        t, k = np.argwhere(found != _population(A, steps))[0]
        raise Wrong(
            f"For z = {z:.3f}, the encoder with c = {centres[k]:.3f} and w = {width:.3f} has "
            f"A = {A[k]:.3f}. Its spikes are wrong for the first time in step {t}."
        )


def _population(
    A: np.ndarray, steps: int, *, reset: str = "subtract", early: bool = False, strict: bool = False
) -> np.ndarray:
    """The spikes [steps, N] of encoders that add A [N] to their potentials in every step."""
    potential, spikes = np.zeros(len(A)), []
    for _ in range(steps):
        after = potential + A
        tested = potential if early else after
        fired = (tested > 1 if strict else tested >= 1) * 1.0
        potential = {"subtract": after - fired, "zero": after * (1 - fired), "none": after}[reset]
        spikes.append(fired)
    return np.array(spikes)


@exercise(
    3,
    hints=(
        "The spike y of one neuron is 0 or 1, so its variance is p (1 - p). Once the trace has "
        "settled, its variance V is the same before and after a step.",
        "r before the step and y are independent, so V = q^2 V + (1 - q)^2 p (1 - p). Solve for V. "
        "The variance of a mean of n independent traces is V / n.",
        "V = p (1 - p) (1 - q) / (1 + q), and the answer is sqrt(V / n) with q = exp(-1/tau).",
    ),
)
def jitter(answer, rng) -> None:
    """`jitter(p, tau, n)`: the standard deviation of the mean of n traces of random spikes."""
    for shortest, longest in ((1.0, 3.0), (1.5, 12.0), (1.5, 12.0)):  # 1/(2 tau) is nearly right
        tau = rng.uniform(shortest, longest)  # for a long time constant, so the first is short
        p, n = rng.uniform(0.1, 0.4), int(rng.integers(3, 60))
        q = math.exp(-1 / tau)
        found = number(answer(p, tau, n), "the standard deviation")
        V = p * (1 - p) * (1 - q) / (1 + q)
        true = math.sqrt(V / n)
        if near(found, true, 1e-3):
            continue
        slips = {
            "That is the variance. The standard deviation is its root.": V / n,
            "That is the jitter of a single trace. You have the mean of n traces.": math.sqrt(V),
            "You divide by n. The variance is divided by n, and then you take the root.":
                math.sqrt(V) / n,
            "That is the sum of n traces, not their mean.": math.sqrt(V * n),
            "That is the jitter of the spikes. A trace varies less: both q and 1 - q enter the "
            "variance squared.": math.sqrt(p * (1 - p) / n),
            "You use p as the variance of a spike. It is p (1 - p), because y is 0 or 1.":
                math.sqrt(p * (1 - q) / (1 + q) / n),
            "The standard deviation of a spike is not its variance: start from p (1 - p).":
                p * (1 - p) * math.sqrt((1 - q) / (1 + q) / n),
            "Only the last spike counts in your result. Earlier ones are also in the trace.":
                (1 - q) * math.sqrt(p * (1 - p) / n),
            "1/(2 tau) is right only for a long time constant. Use q.":
                math.sqrt(p * (1 - p) / (2 * tau) / n),
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, slip, 1e-4):
                raise Wrong(words)
        raise Wrong(
            f"For p = {p:.3f}, tau = {tau:.2f} ms and n = {n} you return {found:.5f}, "
            f"not {true:.5f}."
        )


@exercise(
    4,
    hints=(
        "The clipped ratio lies between 1 - clip and 1 + clip. Which of the two products counts?",
        "torch.minimum takes the smaller of two tensors, element by element.",
        "torch.minimum(ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage).mean().",
    ),
)
def ppo_goal(answer, rng) -> None:
    """`ppo_goal(ratio, advantage, clip)`: the mean clipped objective of PPO."""
    for _ in range(3):
        n, clip = int(rng.integers(20, 40)), float(rng.uniform(0.1, 0.3))
        ratio = torch.tensor(np.exp(rng.normal(0, 0.5, n)))
        advantage = torch.tensor(rng.normal(0, 1, n))
        raw = answer(ratio, advantage, clip)
        if np.shape(raw) == (n,):
            raise Wrong("You return one value per control step. The objective is their mean.")
        found = number(raw, "the objective")
        plain, bounded = ratio * advantage, ratio.clamp(1 - clip, 1 + clip) * advantage
        true = torch.minimum(plain, bounded)
        if near(found, true.mean().item(), 1e-5):
            continue
        slips = {
            "You do not clip.": plain.mean(),
            "You use the clipped ratio everywhere. Where the other product is smaller, it counts.":
                bounded.mean(),
            "You take the larger product. Take the smaller: the objective must not be optimistic.":
                torch.maximum(plain, bounded).mean(),
            "That is the loss. The objective is to be maximised: without the minus sign.":
                -true.mean(),
            "That is a sum. Take the mean.": true.sum(),
            "The ratio has an upper and a lower bound: 1 - clip and 1 + clip.":
                torch.minimum(plain, ratio.clamp(max=1 + clip) * advantage).mean(),
            "You clip to +-clip. The bounds are 1 - clip and 1 + clip.":
                torch.minimum(plain, ratio.clamp(-clip, clip) * advantage).mean(),
            "You clip the products. Clip the ratio, and then multiply.":
                torch.minimum(plain, plain.clamp(1 - clip, 1 + clip)).mean(),
            "You take the smaller ratio, and then multiply. Compare the two products: a negative "
            "advantage reverses their order.":
                (torch.minimum(ratio, ratio.clamp(1 - clip, 1 + clip)) * advantage).mean(),
        }  # fmt: skip
        for words, slip in slips.items():
            if near(found, float(slip), 1e-5):
                raise Wrong(words)
        raise Wrong(f"For {n} control steps you return {found:.4f}, not {float(true.mean()):.4f}.")
