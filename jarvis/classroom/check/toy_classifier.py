"""Checks of notebook 04: a surrogate, the length of a code, a loss with target rates, a cure."""

import math

import numpy as np
import torch
from torch import Tensor, nn

from jarvis.classroom.check.verdict import Wrong, array, exercise, number, seed_from
from jarvis.encoding.encoders import poisson_encode
from jarvis.networks.classifier import SpikingMLP
from jarvis.networks.diagnosis import diagnose
from jarvis.surrogate import SurrogateSpike
from jarvis.training.devices import seeded


@exercise(1, "square slope times x, halve it, and take exp() of minus that.")
def gaussian(answer, rng) -> None:
    """`gaussian(x, slope) -> exp(-(slope x)^2 / 2)`, a tensor with the shape of x."""
    for _ in range(3):
        k, x = rng.uniform(1.5, 6.0), torch.tensor(rng.uniform(-1.5, 1.5, (4, 25)))
        given = answer(x, k)
        if not isinstance(given, Tensor):
            raise Wrong(f"You return a {type(given).__name__}. Backward needs a tensor: torch.exp.")
        found, kx = array(given, tuple(x.shape), "the bump"), k * x
        expected = torch.exp(-0.5 * kx.square())
        if np.allclose(found, expected, atol=1e-6):
            _in_backward(answer, k)
            continue
        slips = {
            "It is 0 everywhere: that is the true derivative.": 0 * x,
            "The half in the exponent is missing.": torch.exp(-kx.square()),
            "The slope is squared with x: (slope * x) ** 2.": torch.exp(-0.5 * k * x.square()),
            "The slope is not used.": torch.exp(-0.5 * x.square()),
            "It falls with |x|. A Gaussian falls with x squared.": torch.exp(-kx.abs()),
            "You divide x by the slope: a larger slope makes a narrower bump.":
                torch.exp(-0.5 * (x / k).square()),
            "That is a density, of area 1. This bump has the height 1.":
                k / math.sqrt(2 * math.pi) * expected,
            "Its height is the slope. This bump has the height 1.": k * expected,
            "It grows away from the threshold: check the sign in the exponent.": 1 / expected,
            "That is the spike. Return the bump that replaces its derivative.": (x >= 0).double(),
        }  # fmt: skip
        for words, slip in slips.items():
            if np.allclose(found, slip, atol=1e-6):
                raise Wrong(words)
        i = int(np.argmax(abs(found - expected.numpy())))
        raise Wrong(
            f"At x = {x.flatten()[i]:.3f} with slope {k:.2f} you return {found.flat[i]:.4f}; the "
            f"definition gives {expected.flatten()[i]:.4f}."
        )


def _in_backward(bump, k: float) -> None:
    v = torch.linspace(0, 2, 9, requires_grad=True)
    try:
        SurrogateSpike(bump, slope=k)(v, 1.0).sum().backward()
    except RuntimeError as error:
        raise Wrong(f"The values are right, but backward with it fails: {error}.") from None


@exercise(2, "rho = sin(pi (accuracy - 1/2)); then solve rho^2 = T / (T + 2) for T, and round up.")
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
            raise Wrong(f"{said}. One step less has {_ceiling(steps - 1):.4f}, which is enough.")
        plain = math.sin(math.pi * accuracy)
        slips = {
            "That solves rho^2 = T / (T + 1).": exact / 2,
            "That solves rho = T / (T + 2): rho is squared there.": 2 * rho / (1 - rho),
            "The ceiling is 1/2 + ...: subtract the half before taking the sine.":
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


@exercise(3, "counts / n_steps against 0.6 in the column of y and 0.1 in the other; mse_loss.")
def target_loss(answer, rng) -> None:
    """`target_loss(counts, y, n_steps)`: mean squared error to 0.6 and 0.1 spikes per step."""
    for _ in range(3):
        n, size = int(rng.integers(15, 41)), int(rng.integers(5, 13))
        counts = torch.tensor(rng.integers(0, n + 1, (size, 2)), dtype=torch.float32)
        counts.requires_grad_()
        y = torch.tensor(rng.integers(0, 2, size))
        y[:3] = torch.tensor([1, 0, 1])
        loss = answer(counts, y, n)
        if isinstance(loss, Tensor) and loss.numel() > 1:
            raise Wrong(f"You return {tuple(loss.shape)} errors. A loss is one number: their mean.")
        found = number(loss.item() if isinstance(loss, Tensor) else loss, "the loss")
        right = nn.functional.one_hot(y, 2) > 0
        expected = nn.functional.mse_loss(counts / n, torch.where(right, 0.6, 0.1))
        _slipped_loss(found, expected.item(), counts.detach(), right, n)
        if not isinstance(loss, Tensor) or not loss.requires_grad:
            raise Wrong(
                "The number is right, but no gradient can flow back from it to counts: avoid "
                ".item(), .detach(), numpy and float()."
            )
        (gradient,) = torch.autograd.grad(loss, counts)
        (wanted,) = torch.autograd.grad(expected, counts)
        if not torch.allclose(gradient, wanted, rtol=1e-3):
            raise Wrong("The number is right, its gradient is not: what did you detach?")


def _slipped_loss(found: float, expected: float, counts: Tensor, right: Tensor, n: int) -> None:
    """`Wrong` where the loss is not the expected one."""

    def close(value) -> bool:
        return math.isclose(found, float(value), rel_tol=1e-4, abs_tol=1e-9)

    if close(expected):
        return
    wanted = torch.where(right, 0.6, 0.1).double()
    off = counts / n - wanted
    always = torch.tensor([0.1, 0.6])
    slips = {
        "The counts are not divided by n_steps: the targets are spikes per step.":
            (counts - wanted).square().mean(),
        "It is measured in spikes. Divide the counts by n_steps; do not multiply the targets.":
            (off * n).square().mean(),
        "The targets are swapped: the right class fires at 60 %, the other one at 10 %.":
            (counts / n - torch.where(right, 0.1, 0.6)).square().mean(),
        "Here class 1 should fire at 60 %, whatever y is.": (counts / n - always).square().mean(),
        "Here class 0 should fire at 60 %, whatever y is.":
            (counts / n - always.flip(0)).square().mean(),
        "Only the right class has a target (60 %): give the other one 10 %.":
            off[right].square().mean(),
        "Only the other class has a target (10 %): give the right one 60 %.":
            off[~right].square().mean(),
        "Both classes have the target 60 %.": (counts / n - 0.6).square().mean(),
        "The errors are summed, not averaged: it would depend on the batch.": off.square().sum(),
        "The two classes are summed, not averaged.": off.square().sum(1).mean(),
        "Those are absolute errors: square them.": off.abs().mean(),
        "That is its square root: return the mean of the squares itself.": math.sqrt(expected),
        "That is cross-entropy, which pushes the counts apart indefinitely.":
            nn.functional.cross_entropy(counts, right.int().argmax(1)),
        "It is 0, whatever the network does.": 0.0,
    }  # fmt: skip
    for words, slip in slips.items():
        if close(slip):
            raise Wrong(words)
    raise Wrong(
        f"For {len(counts)} samples of {n} steps you return {found:.4f}, not {expected:.4f}."
    )


@exercise(4, "a bias is a constant input: a large one saturates. Which option of LIFLayer resists?")
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
            raise Wrong(f"One of the two is a {type(net).__name__}: make both with build().")
    ill, cured = pair
    if ill is cured:
        raise Wrong("The two are one and the same network: call build() twice.")
    if repr(ill.neurons) != repr(build().neurons):
        raise Wrong("The ill network has different neurons. Make it ill by its weights or biases.")
    complaints, rate = _of_layer(ill, batch)
    if not any("saturated" in complaint for complaint in complaints):
        said = f"It says: {complaints[0]}." if complaints else "It finds nothing wrong with it."
        raise Wrong(
            f"diagnose does not call the ill layer saturated: it fires {rate:.2f} spikes per "
            f"step. {said} Change its weights or biases more, or in the other direction."
        )
    other = [k for k, v in ill.state_dict().items() if not torch.equal(v, cured.state_dict()[k])]
    if other:
        raise Wrong(
            f"The cured network has a different {other[0]}: load_state_dict of the ill one."
        )
    if repr(cured.neurons) == repr(ill.neurons):
        raise Wrong(
            "The cured network has the same neurons as the ill one: give build() an option."
        )
    complaints, _ = _of_layer(cured, batch)
    if complaints:
        raise Wrong(f"diagnose still complains about the cured one: {complaints[0]}.")


def _of_layer(net: SpikingMLP, batch: tuple[Tensor, Tensor]) -> tuple[list[str], float]:
    """What `diagnose` says about the hidden layer, and its spikes per step."""
    found = diagnose(net, batch)
    return [p for p in found.problems if p.startswith("neurons.0")], found.layers[0].rate
