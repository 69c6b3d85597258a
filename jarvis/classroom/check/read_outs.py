"""Checks of lesson 302: curing a layer, excess rates, the length of a code, step weights."""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from jarvis.classroom.check.verdict import Wrong, array, exercise, number, seed_from
from jarvis.encoding.encoders import poisson_encode
from jarvis.networks.classifier import SpikingMLP
from jarvis.networks.diagnosis import diagnose
from jarvis.training.devices import seeded


@exercise(
    1,
    hints=(
        "A bias is a constant input. How large must it be for a spike at nearly every step?",
        "Change synapses[0][1].bias under torch.no_grad(). Which option of LIFLayer makes a neuron "
        "harder to fire?",
        "Add 2 to the biases; the cured network is build(threshold=5.0) with the same state_dict.",
    ),
)
def ill_and_cured(answer, rng) -> None:
    """`ill_and_cured(build) -> (ill, cured)`, two networks with the same weights."""
    seed = seed_from(rng)

    def build(**options) -> SpikingMLP:
        with seeded(seed):
            return SpikingMLP((32, 32, 2), **options)

    generator = torch.Generator().manual_seed(seed)
    x = torch.rand((64, 32), generator=generator)
    batch = poisson_encode(x, 25, generator=generator), (x[:, 16:] > x[:, :16]).sum(1).gt(8).long()
    pair = answer(build)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("ill_and_cured should return two networks: the ill one and the cured one.")
    for net in pair:
        if not isinstance(net, SpikingMLP):
            raise Wrong(f"One of your networks is a {type(net).__name__}: make both with build().")
    ill, cured = pair
    if ill is cured:
        raise Wrong("You return the same network twice: call build() twice.")
    if repr(ill.neurons) != repr(build().neurons):
        raise Wrong("The ill network has different neurons. Make it ill by its weights or biases.")
    complaints, rate = _of_layer(ill, batch)
    if not any("saturated" in complaint for complaint in complaints):
        said = f"It reports: {complaints[0]}." if complaints else "It reports no problem."
        raise Wrong(
            f"diagnose does not report the ill layer as saturated: its neurons fire {rate:.2f} "
            f"spikes per step. {said} Change its weights or biases more, or in the other direction."
        )
    other = [k for k, v in ill.state_dict().items() if not torch.equal(v, cured.state_dict()[k])]
    if other:
        raise Wrong(
            f"The cured network has a different {other[0]}: load the ill network's state_dict."
        )
    if repr(cured.neurons) == repr(ill.neurons):
        raise Wrong(
            "The cured network has the same neurons as the ill one: give build() an option."
        )
    complaints, _ = _of_layer(cured, batch)
    if complaints:
        raise Wrong(f"diagnose still reports a problem with the cured network: {complaints[0]}.")


def _of_layer(net: SpikingMLP, batch: tuple[Tensor, Tensor]) -> tuple[list[str], float]:
    """What `diagnose` reports about the hidden layer, and the layer's spikes per step."""
    found = diagnose(net, batch)
    return [p for p in found.problems if p.startswith("neurons.0")], found.layers[0].rate


@exercise(
    2,
    hints=(
        "First compute the mean rate of each neuron: over which axes of [T, B, n] do you average?",
        "spikes.mean((0, 1)) has one rate per neuron. clamp(min=0) sets negative values to 0.",
        "(spikes.mean((0, 1)) - target).clamp(min=0).square().mean().",
    ),
)
def excess(answer, rng) -> None:
    """`excess(spikes, target)`: the mean over neurons of the squared rate above the target."""
    for _ in range(3):
        n_steps, size, n = (int(k) for k in rng.integers((8, 5, 6), (14, 9, 11)))
        rates = torch.tensor(rng.permutation(np.linspace(0.02, 0.9, n))).float()
        generator = torch.Generator().manual_seed(seed_from(rng))
        spikes = (torch.rand((n_steps, size, n), generator=generator) < rates).float()
        spikes.requires_grad_()
        target = float(rng.uniform(0.25, 0.4))
        cost = answer(spikes, target)
        if isinstance(cost, Tensor) and cost.numel() > 1:
            raise Wrong(
                f"You return {tuple(cost.shape)} values. A loss is one number: take their mean."
            )
        found = number(cost.item() if isinstance(cost, Tensor) else cost, "the term")
        _named_excess(found, spikes.detach(), target)
        if not isinstance(cost, Tensor) or not cost.requires_grad:
            raise Wrong(
                "The number is right, but no gradient can flow back from it to the spikes: avoid "
                ".item(), .detach(), numpy and float()."
            )


def _named_excess(found: float, spikes: Tensor, target: float) -> None:
    """Raise `Wrong` unless the excess is right; name the mistake if it is known."""

    def close(value: Tensor | float) -> bool:
        return math.isclose(found, float(value), rel_tol=1e-4, abs_tol=1e-8)

    rates = spikes.mean((0, 1))
    over = (rates - target).clamp(min=0)
    if close(over.square().mean()):
        return
    counts = spikes.sum(0).mean(0)
    slips = {
        "Your term also penalises rates below the target: set negative differences to 0 before you "
        "square.":
            (rates - target).square().mean(),
        "The square is missing.": over.mean(),
        "You add up the neurons. Return their mean, so that the term does not grow with the layer.":
            over.square().sum(),
        "That is the excess of the layer's mean rate. Single neurons may be far above the target: "
        "take the excess of each neuron first.": (rates.mean() - target).clamp(min=0).square(),
        "You take the excess of every spike. Average over steps and samples first.":
            (spikes - target).clamp(min=0).square().mean(),
        "You take the excess in each sample. Average over samples, too: mean((0, 1)).":
            (spikes.mean(0) - target).clamp(min=0).square().mean(),
        "You average over samples, but not over steps: mean((0, 1)).":
            (spikes.mean(1) - target).clamp(min=0).square().mean(),
        "Your rates are spikes per sample. The target is in spikes per step: divide by T.":
            (counts - target).clamp(min=0).square().mean(),
        "You penalise neurons below the target. Penalise those above it.":
            (target - rates).clamp(min=0).square().mean(),
        "You square the rates too early: subtract the target first, clamp at 0, and then square.":
            (rates.square() - target**2).clamp(min=0).mean(),
        "You average over the neurons above the target only. Average over all neurons.":
            over.square().sum() / max(int((over > 0).sum()), 1),
        "The target is not used.": rates.square().mean(),
        "Your term is 0, whatever the network does.": 0.0,
    }  # fmt: skip
    for words, slip in slips.items():
        if close(slip):
            raise Wrong(words)
    raise Wrong(
        f"With rates {np.round(rates.numpy(), 2).tolist()} and the target {target:.2f} you return "
        f"{found:.5f}; it should be {over.square().mean():.5f}."
    )


@exercise(
    3,
    hints=(
        "The ceiling is 1/2 + arcsin(rho) / pi. Which rho has the given accuracy?",
        "rho = sin(pi (accuracy - 1/2)). Then solve rho^2 = T / (T + 2) for T.",
        "T = 2 rho^2 / (1 - rho^2), rounded up with math.ceil.",
    ),
)
def shortest_code(answer, rng) -> None:
    """`shortest_code(accuracy) -> T`: the fewest steps whose ceiling is at least `accuracy`."""
    for accuracy in rng.uniform(0.85, 0.97, 3):
        steps, rho = number(answer(accuracy), "T"), math.sin(math.pi * (accuracy - 0.5))
        exact = 2 * rho**2 / (1 - rho**2)
        if steps == math.ceil(exact):
            continue
        said = f"For an accuracy of {accuracy:.4f} you return T = {steps:g}"
        if steps == math.floor(exact):
            raise Wrong(f"{said}, rounded down: its ceiling is only {_ceiling(steps):.4f}.")
        if abs(steps - exact) < 1 and steps != round(steps):
            raise Wrong(f"{said}. T is a whole number: round up.")
        if steps == math.ceil(exact) + 1:
            raise Wrong(
                f"{said}. With one step less the ceiling is {_ceiling(steps - 1):.4f}, which is "
                "enough."
            )
        plain = math.sin(math.pi * accuracy)
        slips = {
            "You solve rho^2 = T / (T + 1). Solve rho^2 = T / (T + 2).": exact / 2,
            "You solve rho = T / (T + 2), but rho is squared: solve rho^2 = T / (T + 2).":
                2 * rho / (1 - rho),
            "The ceiling is 1/2 + arcsin(rho) / pi: subtract 1/2 before you take the sine.":
                2 * plain**2 / (1 - plain**2),
        }  # fmt: skip
        for words, slip in slips.items():
            if abs(steps - slip) <= 1:
                raise Wrong(f"{said}. {words}")
        if steps < 1:
            raise Wrong(f"{said}. A code has at least one step.")
        enough = "more than necessary" if steps > exact else "too little"
        raise Wrong(f"{said}. Its ceiling is {_ceiling(steps):.4f}: {enough}.")


def _ceiling(steps: float) -> float:
    return 0.5 + math.asin(math.sqrt(steps / (steps + 2))) / math.pi if steps > 0 else 0.5


@exercise(
    4,
    hints=(
        "Put in a current of 1 at a single step. In which potentials does it appear, and how large "
        "is it there?",
        "The current of step t adds 1 to the potential of step t, exp(-1 / tau) to the next, and "
        "so on up to the last step. The mean adds these up: a geometric series.",
        "1 - torch.exp(-(n_steps - torch.arange(n_steps)) / tau).",
    ),
)
def step_weights(answer, rng) -> None:
    """`step_weights(tau, n_steps)`: how much each step counts in the mean of a leaky potential."""
    for _ in range(3):
        tau, n_steps = rng.uniform(3.0, 8.0), int(rng.integers(8, 16))
        found = array(answer(tau, n_steps), (n_steps,), "the weights")
        if found.sum() <= 0:
            raise Wrong(
                f"Your weights add up to {found.sum():.3g}. Every step adds to the potential, so "
                "every weight is positive."
            )
        found = found / found.mean()  # a common factor does not matter
        for words, slip in _WEIGHT_SLIPS.items():
            weights = slip(tau, n_steps)
            if np.allclose(found, weights / weights.mean(), rtol=1e-4):
                if words:
                    raise Wrong(words)
                break
        else:
            expected = _mean_of_leaky(tau, n_steps)
            raise Wrong(
                f"For tau = {tau:.2f} ms and {n_steps} steps, your last three weights are "
                f"{np.round(found[-3:], 3).tolist()} times their mean; they should be "
                f"{np.round((expected / expected.mean())[-3:], 3).tolist()} times their mean."
            )


def _leak(tau: float, n_steps: int) -> np.ndarray:
    return np.exp(-np.arange(n_steps)[::-1] / tau)


def _mean_of_leaky(tau: float, n_steps: int) -> np.ndarray:
    return 1 - np.exp(-np.arange(n_steps, 0, -1) / tau)


#: Possible answers, up to a factor, with the feedback for each; "" is for the right answer.
_WEIGHT_SLIPS: dict[str, Callable[[float, int], np.ndarray]] = {
    "": _mean_of_leaky,
    "Those are the weights of the steps in the last potential. The mean contains the potentials of "
    "all steps.": _leak,
    "Your weights are shifted by one step: the last potential contains the last current, so that "
    "the last step counts, too.": lambda tau, n: 1 - _leak(tau, n),
    "Your first step counts least. It is in the potentials of all steps, so it should count "
    "most.": (lambda tau, n: _mean_of_leaky(tau, n)[::-1]),
    "Those are the weights of the steps in the last potential, in reverse order. The mean contains "
    "the potentials of all steps.": lambda tau, n: _leak(tau, n)[::-1],
    "The sign in the exponent is wrong: a current decays with time.": (
        lambda tau, n: np.expm1(np.arange(n, 0, -1) / tau)
    ),
    "tau is missing from the exponent.": lambda tau, n: _mean_of_leaky(1.0, n),
    "The exponent is k / tau, not k tau.": lambda tau, n: _mean_of_leaky(1 / tau, n),
    "You use Euler's approximation, 1 - 1 / tau, for the decay in one step. It is exp(-1 / tau).": (
        lambda tau, n: 1 - (1 - 1 / tau) ** np.arange(n, 0, -1)
    ),
    "Your weights are those without a leak. With a leak, an early current fades.": (
        lambda tau, n: np.arange(n, 0, -1.0)
    ),
    "All your steps count the same: that is the mean current.": lambda tau, n: np.ones(n),
}
