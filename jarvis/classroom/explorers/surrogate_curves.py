"""The effect of a surrogate's shape and slope: one training of a small network for each pair.

The task is to classify scikit-learn's digits, 0 to 4. Each image is a constant current into two
hidden layers of spiking neurons. The hidden weights are trained but the read-out's are not, so
that all learning depends on the surrogate. One training takes about 0.1 s and is cached.
"""

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
import torch

from jarvis.classroom.explorers.views import check_finite
from jarvis.datasets.pictures import digits
from jarvis.encoding.encoders import constant_encode
from jarvis.networks.classifier import SpikingMLP
from jarvis.surrogate import SURROGATES, SurrogateSpike
from jarvis.training.devices import seeded

#: Slopes that the explorer offers, 1/(unit of v)
SLOPES = (0.5, 1.0, 2.0, 4.0, 10.0, 25.0, 100.0)

CLASSES, PICTURES, HIDDEN, STEPS, UPDATES = 5, 100, 30, 10, 40

RATE = 0.01  #: learning rate of Adam


@cache
def _task() -> tuple[torch.Tensor, torch.Tensor]:
    images, labels = digits("train")[:]
    few = labels < CLASSES
    return constant_encode(images[few][:PICTURES].flatten(1), STEPS), labels[few][:PICTURES]


@cache
def training_curve(shape: str, slope: float) -> tuple[float, ...]:
    """The loss before each of 40 updates of the small network, with fixed initial weights.

    Args:
        shape: a name of `SURROGATES`.
        slope: slope of the surrogate.

    Returns:
        cross-entropies, nats. The chance level is ln 5 = 1.609.
    """
    inputs, labels = _task()
    surrogate = SurrogateSpike(shape, slope=slope)
    with seeded(0):
        model = SpikingMLP((64, HIDDEN, HIDDEN, CLASSES), tau=10.0, gain=2.0, surrogate=surrogate)
    optimiser = torch.optim.Adam(model.synapses.parameters(), lr=RATE)
    losses = []
    for _ in range(UPDATES):
        loss = torch.nn.functional.cross_entropy(model(inputs), labels)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    return tuple(losses)


def train_all() -> None:
    """Run every training that the explorer can show, so that moving a slider needs no new one."""
    for shape in SURROGATES:
        for slope in SLOPES:
            training_curve(shape, _effective(shape, slope))


def _effective(shape: str, slope: float) -> float:
    """The slope; 1 for a shape without a slope, which is trained only once."""
    return 1.0 if shape == "straight_through" else slope


@dataclass(frozen=True, kw_only=True)
class SurrogateSettings:
    """The name of a surrogate and its slope in 1/(unit of v)."""

    shape: str = "fast_sigmoid"
    slope: float = 25.0


class SurrogateView(NamedTuple):
    """A surrogate's derivative, and how the small network learned with it."""

    x: np.ndarray  #: ``[n]`` v - threshold
    derivative: np.ndarray  #: ``[n]`` derivative of the spike with respect to v
    losses: np.ndarray  #: ``[40]`` loss before each update, with this slope
    others: np.ndarray  #: ``[7, 40]`` losses for the same shape with each of `SLOPES`
    formula: str
    chance: float  #: loss at chance level


def compute_surrogate(settings: SurrogateSettings) -> SurrogateView:
    """The derivative that the backward pass actually uses, and the losses of trainings with it.

    The first call with a new shape trains with each slope, in about a second; results are cached.

    Raises:
        ValueError: for an unknown shape, or a slope that is not positive and finite.

    Example:
        >>> view = compute_surrogate(SurrogateSettings(shape="triangle", slope=1.0))
        >>> float(view.derivative.max()), view.others.shape
        (1.0, (7, 40))
    """
    check_finite(settings, "slope")
    spike = SurrogateSpike(settings.shape, slope=settings.slope)
    x = torch.linspace(-1.5, 1.5, 301, dtype=torch.float64, requires_grad=True)
    (derivative,) = torch.autograd.grad(spike(x, 0.0).sum(), x)
    shape = settings.shape
    others = [training_curve(shape, _effective(shape, slope)) for slope in SLOPES]
    return SurrogateView(
        x.detach().numpy(), derivative.numpy(),
        np.array(training_curve(shape, _effective(shape, float(settings.slope)))),
        np.array(others), SURROGATES[shape].formula, float(np.log(CLASSES)),
    )  # fmt: skip
